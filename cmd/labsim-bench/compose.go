package main

import (
	"context"
	"encoding/json"
	"errors"
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
		return "", errors.Join(err, fmt.Errorf("%d containers of the service web, want 1", len(ids)))
	}
	c, err := b.engine.inspect(ctx, ids[0])
	if err != nil {
		return "", err
	}
	profile := filepath.Join(b.dir, "seccomp.json")
	text, err := composeFile(c, b.binary, profile, b.labels())
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "compose.yaml")
	return file, errors.Join(os.WriteFile(file, text, 0o600), os.WriteFile(profile, []byte(seccompOf(c)), 0o600))
}

// seccompOf is the profile of a container's system calls; an empty one filters nothing.
func seccompOf(c container) string {
	options, _ := c.HostConfig["SecurityOpt"].([]any)
	for _, o := range options {
		if text, ok := strings.CutPrefix(fmt.Sprint(o), "seccomp="); ok {
			return text
		}
	}
	return "{}"
}

// composeFile describes three containers that equal an instance's as a twin does
// (twin.go), in two networks with a volume; profile is the file with what seccompOf
// says. A private cgroup namespace and masked paths it can't ask for. It is JSON, which YAML contains; the
// format is 2.4, which docker-compose 1.29 needs for limits and later ones read too.
func composeFile(c container, init, profile string, labels map[string]string) ([]byte, error) {
	data, err := json.Marshal(c.HostConfig)
	if err != nil {
		return nil, err
	}
	var h struct {
		Memory, MemorySwap, NanoCpus, PidsLimit int64
		IpcMode                                 string
		CapDrop, CapAdd                         []string
		Ulimits                                 []struct {
			Name       string
			Soft, Hard int64
		}
		LogConfig struct {
			Type   string
			Config map[string]string
		}
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("HostConfig of %.12s: %w", c.ID, err)
	}
	type object = map[string]any
	ulimits := object{}
	for _, u := range h.Ulimits {
		ulimits[u.Name] = object{"soft": u.Soft, "hard": u.Hard}
	}
	service := func(network string, volumes ...string) object {
		return object{
			"image": c.Image, "entrypoint": []string{"/init"}, "labels": labels,
			"networks": []string{network}, "volumes": append(volumes, init+":/init:ro"),
			"mem_limit": h.Memory, "memswap_limit": h.MemorySwap, "cpus": float64(h.NanoCpus) / 1e9, "pids_limit": h.PidsLimit,
			"ulimits": ulimits, "logging": object{"driver": h.LogConfig.Type, "options": h.LogConfig.Config},
			"ipc": h.IpcMode, "cap_drop": h.CapDrop, "cap_add": h.CapAdd, "security_opt": []string{"seccomp=" + profile},
		}
	}
	labelled := object{"labels": labels}
	return json.MarshalIndent(object{
		"version":  "2.4",
		"networks": object{"public": labelled, "private": labelled},
		"volumes":  object{"data": labelled},
		"services": object{"web": service("public"), "app": service("public"), "db": service("private", "data:/data")},
	}, "", "  ")
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
