package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Three instances in two subnets, one with a volume, each answering SSH from
// everywhere: something for step 5 to look at.
const upLab = `name: lab
x-labsim:
  vpcs:
    lab: { cidr_block: 10.9.0.0/16, internet_gateway: true }
  route_tables:
    public:
      routes: { 0.0.0.0/0: internet_gateway }
  security_groups:
    front:
      ingress: [{ tcp: [22], from: 0.0.0.0/0 }]
    back:
      ingress: [{ tcp: [22], from: front }]
networks:
  public:
    ipam: { config: [{ subnet: 10.9.1.0/24 }] }
    x-labsim-subnet: { zone: a, route_table: public, map_public_ip_on_launch: true }
  private:
    ipam: { config: [{ subnet: 10.9.2.0/24 }] }
    x-labsim-subnet: { zone: a }
services:
  web:
    image: labsim/linux
    networks: { public: { ipv4_address: 10.9.1.10 } }
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [front] }
  app:
    image: labsim/linux
    networks: { public: { ipv4_address: 10.9.1.11 } }
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [front] }
  db:
    image: labsim/linux
    networks: { private: { ipv4_address: 10.9.2.10 } }
    volumes: [ data:/data ]
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [back] }
volumes:
  data: { x-labsim-volume: { size: 1, type: gp3 } }
`

// keepLab keeps control and agent up while the measured lab comes and goes.
const keepLab = `name: keep
x-labsim:
  vpcs:
    keep: { cidr_block: 10.8.0.0/16 }
networks:
  keep:
    ipam: { config: [{ subnet: 10.8.1.0/24 }] }
    x-labsim-subnet: { zone: a }
`

func benchUp(ctx context.Context, b *bench, r *report) error {
	keep, err := b.lab("keep", keepLab)
	if err != nil {
		return err
	}
	file, err := b.lab("lab", upLab)
	if err != nil {
		return err
	}
	b.say("the first up ever")
	first, err := b.firstUp(ctx, file)
	if err != nil {
		return err
	}
	composes, err := b.composes(ctx)
	if err != nil {
		return err
	}
	if err := b.up(ctx, keep); err != nil {
		return err
	}
	if _, err := b.labsim(ctx, "down", "lab", "--yes", "--volumes"); err != nil {
		return err
	}
	if err := b.warm(ctx, r, file, composes); err != nil {
		return err
	}
	if _, err := b.labsim(ctx, "down", "--all", "--yes", "--volumes"); err != nil {
		return err
	}
	if err := b.cold(ctx, r, file); err != nil {
		return err
	}
	r.value("first up ever", "ms", series{ms(first)}, nil)
	r.note("first up ever: a build that the engine has not seen: system image, plugin and control are made too")
	return nil
}

// firstUp brings the lab up with a build that is new to the engine: the same
// program, with a few bytes that nothing reads at its end.
func (b *bench) firstUp(ctx context.Context, file string) (time.Duration, error) {
	data, err := os.ReadFile(b.binary)
	if err != nil {
		return 0, err
	}
	b.binary = filepath.Join(b.dir, "labsim-new")
	data = append(data, fmt.Sprintf("\nlabsim-bench %d %d\n", os.Getpid(), time.Now().UnixNano())...)
	if err := os.WriteFile(b.binary, data, 0o755); err != nil {
		return 0, err
	}
	if err := b.images.expect(ctx, b.engine, b.binary); err != nil {
		return 0, err
	}
	took, _, err := b.timedUp(ctx, file)
	return took, err
}

// warm measures up and down of a lab while agent and control run.
func (b *bench) warm(ctx context.Context, r *report, file string, composes []*compose) error {
	b.say("up and down with agent and control running, %d rounds, against %d Compose", b.rounds, len(composes))
	var up, four, down series
	sides := []func(int) error{func(int) error {
		took, toFour, err := b.timedUp(ctx, file)
		if err != nil {
			return err
		}
		up, four = append(up, ms(took)), append(four, ms(toFour))
		began := time.Now()
		if _, err := b.labsim(ctx, "down", "lab", "--yes", "--volumes"); err != nil {
			return err
		}
		down = append(down, ms(time.Since(began)))
		return nil
	}}
	for _, c := range composes {
		sides = append(sides, c.round(ctx))
	}
	err := inTurn(b.rounds, sides...)
	fastest := fastestOf(composes)
	for _, c := range composes {
		a := atMost(1.3)
		if c != fastest {
			a = nil // the aim is held against the faster one
		}
		r.compare("up, against "+c.name, "ms", up, c.up, a)
	}
	if fastest == nil {
		r.value("up", "ms", up, nil)
	} else {
		r.compare("up to step 4, against "+fastest.name, "ms", four, fastest.up, nil)
		r.compare("down, against "+fastest.name, "ms", down, fastest.down, nil)
	}
	r.note("up: labsim up of three instances in two subnets with gateway, security groups and a volume, until it returns, step 5's packets included; step 4 is when its line says that the instances run")
	r.note("Compose: up -d of three containers of the same image, PID 1 and limits in two networks with a volume, until it returns; it does not look whether anything answers")
	return err
}

// cold measures the way from nothing, but for the cached image, and back.
func (b *bench) cold(ctx context.Context, r *report, file string) error {
	rounds := min(b.rounds, b.size.cold)
	b.say("from nothing and back, %d rounds", rounds)
	var up, down series
	for range rounds {
		took, _, err := b.timedUp(ctx, file)
		if err != nil {
			return err
		}
		up = append(up, ms(took))
		began := time.Now()
		if _, err := b.labsim(ctx, "down", "--yes", "--volumes"); err != nil {
			return err
		}
		down = append(down, ms(time.Since(began)))
	}
	r.value("up from nothing", "ms", up, nil)
	r.value("down to nothing", "ms", down, nil)
	r.note("from nothing: plugin, control, edge, lab; the system image is cached (%d rounds)", rounds)
	return nil
}

// timedUp runs up, and takes the time until it returns and until its fourth line.
func (b *bench) timedUp(ctx context.Context, file string) (whole, toFour time.Duration, err error) {
	c := b.command(ctx, "up", "--yes", file)
	var problem bytes.Buffer
	c.Stderr = &problem
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	var said strings.Builder
	for lines := bufio.NewScanner(io.TeeReader(out, &said)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), " 4 ✓") {
			toFour = time.Since(began)
		}
	}
	err = c.Wait()
	whole = time.Since(began)
	if err == nil && toFour == 0 {
		err = fmt.Errorf("it has no fourth line")
	}
	if err != nil {
		err = fmt.Errorf("labsim up %s: %w\n%s%s", file, err, said.String(), problem.Bytes())
	}
	return whole, toFour, err
}
