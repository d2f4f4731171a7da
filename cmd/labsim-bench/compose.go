package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// compose is one version of Compose, with the same three containers.
type compose struct {
	name     string   // as it calls itself
	command  []string // with the file's flags
	up, down series
}

// The file's format is 2.4, which docker-compose 1.29 needs for limits and which
// later ones read too.
const composeFile = `version: "2.4"
networks:
  public: { labels: { LABEL } }
  private: { labels: { LABEL } }
volumes:
  data: { labels: { LABEL } }
services:
  web: { SERVICE, networks: [ public ], volumes: [ BINARY ] }
  app: { SERVICE, networks: [ public ], volumes: [ BINARY ] }
  db: { SERVICE, networks: [ private ], volumes: [ BINARY, "data:/data" ] }
`

// composes finds what there is of Compose: version 2, and docker-compose 1.29.
// A lab has to stand: its instances are what the containers have to equal.
func (b *bench) composes(ctx context.Context) ([]*compose, error) {
	file, err := b.writeCompose(ctx)
	if err != nil {
		return nil, err
	}
	candidates := [][]string{{"docker", "compose"}, {"docker-compose"}}
	if b.compose != "" {
		candidates[0] = []string{b.compose}
	}
	var found []*compose
	seen := map[string]bool{}
	for _, c := range candidates {
		out, err := exec.CommandContext(ctx, c[0], append(c[1:len(c):len(c)], "version", "--short")...).Output()
		version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
		switch {
		case err != nil && b.compose == c[0]:
			return nil, fmt.Errorf("%s version: %w", c[0], err)
		case err != nil || seen[version]:
			continue
		}
		seen[version] = true
		found = append(found, &compose{name: "Compose " + version, command: append(c, "-p", b.site+"-compose", "-f", file)})
	}
	if len(found) == 0 {
		b.say("no Compose here: labsim alone is measured")
	}
	return found, nil
}

func (b *bench) writeCompose(ctx context.Context) (string, error) {
	ids, err := b.engine.list(ctx, "labsim.site="+b.site, "com.docker.compose.service=web")
	if err != nil || len(ids) != 1 {
		return "", fmt.Errorf("%d containers of the service web, want 1: %w", len(ids), err)
	}
	c, err := b.engine.inspect(ctx, ids[0])
	if err != nil {
		return "", err
	}
	number := func(key string) float64 { v, _ := c.HostConfig[key].(float64); return v }
	label := fmt.Sprintf("%s: %q", labelBench, b.site)
	service := fmt.Sprintf("image: %q, entrypoint: [ /init ], cap_drop: [ MKNOD ], mem_limit: %.0f, memswap_limit: %.0f, cpus: %g, pids_limit: %.0f, labels: { %s }",
		c.Image, number("Memory"), number("MemorySwap"), number("NanoCpus")/1e9, number("PidsLimit"), label)
	text := strings.NewReplacer("SERVICE", service, "LABEL", label, "BINARY", fmt.Sprintf("%q", b.binary+":/init:ro")).Replace(composeFile)
	file := filepath.Join(b.dir, "compose.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// round is one up and down.
func (c *compose) round(ctx context.Context) func(int) error {
	return func(int) error {
		began := time.Now()
		if err := c.run(ctx, "up", "-d"); err != nil {
			return err
		}
		c.up = append(c.up, ms(time.Since(began)))
		began = time.Now()
		if err := c.run(ctx, "down", "-v"); err != nil {
			return err
		}
		c.down = append(c.down, ms(time.Since(began)))
		return nil
	}
}

func (c *compose) run(ctx context.Context, args ...string) error {
	words := append(append([]string{}, c.command[1:]...), args...)
	out, err := exec.CommandContext(ctx, c.command[0], words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", c.command[0], strings.Join(words, " "), err, out)
	}
	return nil
}

func fastestOf(list []*compose) *compose {
	var fastest *compose
	for _, c := range list {
		if fastest == nil || c.up.median() < fastest.up.median() {
			fastest = c
		}
	}
	return fastest
}
