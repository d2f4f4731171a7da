package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"labsim/sim"
)

// taken is an address range that something on the engine's machine has.
type taken struct {
	Range netip.Prefix
	By    sim.Text
}

// publicRange decides on the site's public range: the one that was asked for,
// the one it has (have), else a free one.
func (e *Engine) publicRange(ctx context.Context, asked netip.Prefix, have string) (netip.Prefix, error) {
	used, err := e.takenRanges(ctx)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p, err := netip.ParsePrefix(have); err == nil && (!asked.IsValid() || p == asked.Masked()) {
		return keptRange(p, used)
	}
	if asked.IsValid() {
		return askedRange(asked, used)
	}
	return freeRange(e.site, used)
}

// keptRange is the range that the site has, unless somebody has taken it since: a
// route of the machine leads to one of both only.
func keptRange(have netip.Prefix, used []taken) (netip.Prefix, error) {
	if t := overlap(have, used); t != nil {
		return netip.Prefix{}, &sim.Failure{What: sim.T("the public range %s of this site overlaps %s, which %s has now", have, t.Range, t.By), Err: ErrUnusable,
			Next: []sim.Text{sim.T("labsim down --all   # then labsim up takes a free range; the data of the volumes stays"), sim.T("or take that network away")}}
	}
	return have, nil
}

func askedRange(asked netip.Prefix, used []taken) (netip.Prefix, error) {
	if !asked.Addr().Is4() || asked.Bits() != 24 {
		return netip.Prefix{}, &sim.Failure{What: sim.T("the public range %s is not an IPv4 range of size /24", asked),
			Next: []sim.Text{sim.T("for example --public-range 198.51.100.0/24")}}
	}
	asked = asked.Masked()
	if t := overlap(asked, used); t != nil {
		return netip.Prefix{}, &sim.Failure{What: sim.T("the public range %s overlaps %s, which %s has", asked, t.Range, t.By), Err: ErrUnusable,
			Next: []sim.Text{sim.T("choose another with --public-range, or none: a free one is then used")}}
	}
	return asked, nil
}

// freeRange tries the default site's own range first; the others begin at a
// place of their own, so that sites made at the same time rarely meet.
func freeRange(site sim.Site, used []taken) (netip.Prefix, error) {
	if site == sim.DefaultSite && overlap(sim.DefaultPublic, used) == nil {
		return sim.DefaultPublic, nil
	}
	h := fnv.New32a()
	h.Write([]byte(site))
	base := sim.OtherPublic.Addr().As4()
	for i := range uint32(512) {
		n := binary.BigEndian.Uint32(base[:]) + (h.Sum32()+i)%512<<8
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], n)
		if p := netip.PrefixFrom(netip.AddrFrom4(a), 24); overlap(p, used) == nil {
			return p, nil
		}
	}
	return netip.Prefix{}, &sim.Failure{What: sim.T("no free /24 is left in %s for the public addresses", sim.OtherPublic), Err: ErrUnusable,
		Next: []sim.Text{sim.T("name a free range with --public-range")}}
}

func overlap(p netip.Prefix, used []taken) *taken {
	for i, t := range used {
		if t.Range.Overlaps(p) {
			return &used[i]
		}
	}
	return nil
}

// takenRanges lists the ranges of other Docker networks and sites, and the
// machine's routes where the engine shares its network stack with the CLI.
func (e *Engine) takenRanges(ctx context.Context) ([]taken, error) {
	nets, err := e.c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, err
	}
	var used []taken
	own := map[string]bool{e.site.Bridge(): true}
	for _, n := range nets {
		// Subnets of VPCs live in namespaces of their own and are in nobody's way.
		if n.Labels[sim.LabelSite] == string(e.site) || n.Labels[sim.LabelKind] == "subnet" {
			continue
		}
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil {
				used = append(used, taken{p.Masked(), sim.T("the Docker network %s", n.Name)})
			}
		}
	}
	others, err := e.publicOfOthers(ctx)
	if err != nil {
		return nil, err
	}
	used = append(used, others...)
	if socketFile(e.at.Host) != "" {
		used = append(used, hostRoutes("/proc/net/route", own)...)
	}
	return used, nil
}

// publicOfOthers lists what other sites have chosen, whether or not a gateway
// stands there now.
func (e *Engine) publicOfOthers(ctx context.Context) ([]taken, error) {
	list, err := e.everyControl(ctx)
	var used []taken
	for _, c := range list {
		p, err := netip.ParsePrefix(c.Labels[labelPublic])
		if site := c.Labels[sim.LabelSite]; err == nil && site != string(e.site) {
			used = append(used, taken{p, sim.T("the site %s", site)})
		}
	}
	return used, err
}

// errRangeMet says that another site has chosen the same public range at the same
// time, and was first.
var errRangeMet = errors.New("another site has chosen the same public range")

// claim holds the range of a control that was just made against those of the
// others: of two sites that have chosen the same, the one whose control is the
// younger gives way. At least that one sees both.
func (e *Engine) claim(ctx context.Context, id, public string) error {
	own, err := netip.ParsePrefix(public)
	if err != nil {
		return err
	}
	list, err := e.everyControl(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		p, err := netip.ParsePrefix(c.Labels[labelPublic])
		if err != nil || c.Labels[sim.LabelSite] == string(e.site) || !p.Overlaps(own) {
			continue
		}
		theirs, err := e.c.ContainerInspect(ctx, c.ID) // the list has whole seconds only
		if notFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		ours, err := e.c.ContainerInspect(ctx, id)
		if err != nil {
			return err
		}
		if elder(theirs, ours) {
			return errRangeMet
		}
	}
	return nil
}

// elder reports whether a was made before b.
func elder(a, b container.InspectResponse) bool {
	x, err1 := time.Parse(time.RFC3339Nano, a.Created)
	y, err2 := time.Parse(time.RFC3339Nano, b.Created)
	if err1 != nil || err2 != nil || x.Equal(y) {
		return a.ID < b.ID
	}
	return x.Before(y)
}

// hostRoutes reads Linux' table of IPv4 routes; elsewhere there is none to read.
// The default route and those of the interfaces in skip don't count.
func hostRoutes(file string, skip map[string]bool) []taken {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []taken
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 8 || skip[fields[0]] {
			continue
		}
		dst, mask := hexAddr(fields[1]), hexAddr(fields[7])
		if !dst.IsValid() || !mask.IsValid() || mask.IsUnspecified() {
			continue
		}
		bits := 0
		for _, b := range mask.As4() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		out = append(out, taken{netip.PrefixFrom(dst, bits), sim.T("the interface %s", fields[0])})
	}
	return out
}

// hexAddr reads an address of /proc/net/route: hexadecimal, little endian.
func hexAddr(s string) netip.Addr {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]})
}

// publicOf returns the range of the site's internet network, or "".
func (e *Engine) publicOf(ctx context.Context) (string, error) {
	nets, err := e.networksNamed(ctx, e.site.Internet())
	if err != nil {
		return "", err
	}
	for _, n := range nets {
		if n.Labels[sim.LabelSite] == string(e.site) && n.Labels[labelCIDR] != "" {
			return n.Labels[labelCIDR], nil
		}
	}
	return "", nil
}
