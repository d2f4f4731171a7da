package oneshot

import (
	"os"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"labsim/sim"
)

// kernel tries what the agent needs, in the container's own network namespace.
func kernel() Features {
	_, loop := os.Stat("/sys/class/misc/loop-control")
	f := Features{Missing: map[string]string{}}
	for name, err := range map[string]error{"nf_tables": tryTables(), "veth": tryVeth(), "loop": loop} {
		if err != nil {
			f.Missing[name] = err.Error()
		}
	}
	f.Disk, _ = sim.DiskOf("/") // of which nothing is known then
	return f
}

func tryTables() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	_, err = c.ListTables()
	return err
}

func tryVeth() error {
	l := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "lstry0"}, PeerName: "lstry1"}
	if err := netlink.LinkAdd(l); err != nil {
		return err
	}
	return netlink.LinkDel(l)
}
