package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Two in one subnet, one in another; each answers the others, and the bench.
const netLab = `name: net
x-labsim:
  vpcs:
    lab: { cidr_block: 10.9.0.0/16, internet_gateway: true }
  route_tables:
    public:
      routes: { 0.0.0.0/0: internet_gateway }
  security_groups:
    bench:
      ingress: [{ tcp: [22, 5201], from: 0.0.0.0/0 }]
networks:
  one:
    ipam: { config: [{ subnet: 10.9.1.0/24 }] }
    x-labsim-subnet: { zone: a, route_table: public, map_public_ip_on_launch: true }
  two:
    ipam: { config: [{ subnet: 10.9.2.0/24 }] }
    x-labsim-subnet: { zone: a, route_table: public, map_public_ip_on_launch: true }
services:
  client:
    image: labsim/linux
    networks: { one: { ipv4_address: 10.9.1.10 } }
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [bench] }
  server:
    image: labsim/linux
    networks: { one: { ipv4_address: 10.9.1.11 } }
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [bench] }
  far:
    image: labsim/linux
    networks: { two: { ipv4_address: 10.9.2.10 } }
    x-labsim-instance: { instance_type: t3.micro, key_name: bench, security_groups: [bench] }
`

func benchNet(ctx context.Context, b *bench, r *report) error {
	public, err := b.netInstances(ctx)
	if err != nil {
		return err
	}
	bridge, err := b.netTwins(ctx)
	if err != nil {
		return err
	}
	// from where, which is asked, to where
	ways := []struct{ asked, to string }{{bridge[0], bridge[1]}, {public["client"], "10.9.1.11"}, {public["client"], "10.9.2.10"}}
	var bits, rtt [3]series
	var sides []func(int) error
	for i, w := range ways {
		sides = append(sides, func(int) error {
			m, err := order{To: net.JoinHostPort(w.to, trafficPort), Stream: b.size.stream, Echoes: b.size.echoes}.send(net.JoinHostPort(w.asked, trafficPort))
			if err != nil {
				return err
			}
			bits[i] = append(bits[i], m.BitsPerSecond/1e9)
			rtt[i] = append(rtt[i], float64(m.P50)/float64(time.Microsecond))
			return ctx.Err()
		})
	}
	b.say("%d rounds of %v and %d round trips, three ways", b.rounds, b.size.stream, b.size.echoes)
	err = inTurn(b.rounds, sides...)
	r.compare("throughput, same subnet", "Gbit/s", bits[1], bits[0], atLeast(0.95))
	r.compare("throughput, other subnet", "Gbit/s", bits[2], bits[0], atLeast(0.95))
	r.compare("round trip p50, same subnet", "µs", rtt[1], rtt[0], atMost(1.1))
	r.compare("round trip p50, other subnet", "µs", rtt[2], rtt[0], atMost(1.1))
	r.note("net: one TCP stream for %v, counted by the receiver, and %d messages of %d bytes one after the other, both ends on one CPU; between two instances (t3.micro) against two containers of the same image and limits on one user-defined bridge", b.size.stream, b.size.echoes, echoSize)
	return err
}

// netInstances brings the lab up, with the traffic tool running in each
// instance, and returns their public addresses.
func (b *bench) netInstances(ctx context.Context) (map[string]string, error) {
	file, err := b.lab("net", netLab)
	if err != nil {
		return nil, err
	}
	tool, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b.say("making the site %s", b.site)
	// Step 5 of this up finds nobody on the traffic port yet, and says so.
	if _, err := b.labsim(ctx, "up", file); err != nil && ctx.Err() != nil {
		return nil, err
	}
	var list []struct{ Name, PublicIP string }
	out, err := b.labsim(ctx, "status", "--json")
	if err == nil {
		err = json.Unmarshal(out, &list)
	}
	if err != nil {
		return nil, err
	}
	public := map[string]string{}
	for _, i := range list {
		public[i.Name] = i.PublicIP
		if _, err := b.labsim(ctx, "cp", tool, i.Name+":/tmp/labsim-bench"); err != nil {
			return nil, err
		}
		// What exec has started in the background stays. Its first line says that it listens.
		start := `mkfifo /tmp/said; /tmp/labsim-bench ` + trafficVerb + ` >/tmp/said 2>&1 & head -n 1 /tmp/said`
		if _, err := b.labsim(ctx, "exec", i.Name, "--", "sh", "-c", start); err != nil {
			return nil, err
		}
	}
	if len(public) != 3 {
		return nil, fmt.Errorf("%d instances, want 3", len(public))
	}
	return public, nil
}

// netTwins starts two containers with the traffic tool on a bridge, and returns
// their addresses.
func (b *bench) netTwins(ctx context.Context) (addrs [2]string, err error) {
	network, err := b.bridge(ctx)
	if err != nil {
		return addrs, err
	}
	addrs = [2]string{network.addr(0), network.addr(1)}
	tool, err := os.Executable()
	if err != nil {
		return addrs, err
	}
	ids, err := b.engine.list(ctx, "labsim.site="+b.site, "com.docker.compose.service=client")
	if err != nil || len(ids) != 1 {
		return addrs, errors.Join(err, fmt.Errorf("%d containers of the service client, want 1", len(ids)))
	}
	t, err := b.twinOfContainer(ctx, ids[0], network)
	if err != nil {
		return addrs, err
	}
	for i, addr := range addrs {
		if err := b.engine.run(ctx, fmt.Sprintf("%s-twin-%d", b.site, i), t.spec(addr, tool, "/labsim-bench", "/labsim-bench", trafficVerb)); err != nil {
			return addrs, err
		}
	}
	return addrs, listening(ctx, addrs[:])
}

// listening waits until the traffic tools answer.
func listening(ctx context.Context, addrs []string) error {
	ctx, cancel := context.WithTimeout(ctx, bannerTimeout)
	defer cancel()
	for _, addr := range addrs {
		for {
			c, err := net.DialTimeout("tcp4", net.JoinHostPort(addr, trafficPort), knockTimeout)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the traffic tool in the container at %s does not answer (docker ps -a; docker logs NAME): %w", addr, err)
			case <-time.After(knockEvery):
			}
		}
	}
	return nil
}
