package none_test

import (
	"net/netip"
	"testing"

	"labsim/sim/engine"
	"labsim/sim/engine/enginetest"
	"labsim/sim/engine/none"
)

func TestSuite(t *testing.T) {
	enginetest.Run(t, func(*testing.T) enginetest.Subject {
		return enginetest.Subject{
			Engine: none.New(), Site: "none", Image: "labsim/linux:latest",
			Public:    netip.MustParsePrefix("198.51.100.0/24"),
			Subnet:    engine.Network{Name: "lab_public", Kind: engine.KindSubnet, ID: "subnet-0123456789abcdef0", VPC: "vpc-0", CIDR: netip.MustParsePrefix("10.0.1.0/24")},
			Interface: engine.Interface{Network: "lab_public", ENI: "eni-0", Addr: netip.MustParseAddr("10.0.1.10")},
			Volume:    engine.Volume{Name: "lab_data", Kind: engine.KindVolume, ID: "vol-0123456789abcdef0", Size: 1},
		}
	})
}

// A process that ends by itself leaves its exit code.
func TestExit(t *testing.T) {
	e := none.New()
	if err := e.Start(t.Context(), engine.Container{Name: "x", Kind: engine.KindInstance}); err != nil {
		t.Fatal(err)
	}
	e.Exit("x", 133)
	o, err := e.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := o.Containers["x"]; c.Running || c.ExitCode != 133 {
		t.Errorf("after exit with 133: %+v", c)
	}
}
