package sim

import "testing"

// No two sites can want one name, however their labs are called.
func TestSitesNeverMeet(t *testing.T) {
	sites := []Site{DefaultSite, "x", "x-a", "x-a-b", "labsim-x"}
	labs := []string{"x", "a", "x-a", "a-b", "x.a", "x_a", "labsim", "labsim.x", "x-control", "b"}
	names := map[string]Site{}
	claim := func(s Site, name string) {
		t.Helper()
		if other, taken := names[name]; taken && other != s {
			t.Errorf("%s and %s both want %s", other, s, name)
		}
		names[name] = s
	}
	for _, s := range sites {
		for _, own := range []string{s.Control(), s.Enabling(), s.StateVolume(), s.GuestVolume(), s.Internet(), s.Edge("igw-0123456789abcdef0"), s.Object("i-0123456789abcdef0")} {
			claim(s, own)
		}
		for _, lab := range labs {
			for _, name := range labs {
				claim(s, s.LabObject(lab+"-"+name+"-1"))
				claim(s, s.LabObject(lab+"_"+name))
			}
		}
		if (s.Port() == 4566) != (s == DefaultSite) {
			t.Errorf("site %s begins at port %d", s, s.Port())
		}
	}
}
