package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// engineFunc answers in the engine's place.
type engineFunc http.HandlerFunc

func (f engineFunc) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f(w, r)
	return w.Result(), nil
}

// The range of the bridge is one that the engine has found free: a range of our
// own may be that of the machine's network, whose packets then never reach a
// container.
func TestBridgeTakesTheRangeThatTheEngineFindsFree(t *testing.T) {
	for _, c := range []struct{ free, first, last string }{
		{"172.20.0.0/16", "172.20.0.10", "172.20.0.29"},
		{"192.168.144.0/20", "192.168.144.10", "192.168.144.29"},
		{"10.77.3.0/24", "10.77.3.10", "10.77.3.29"},
		{free: "10.77.3.0/28"}, // too small
		{free: "fd00:7::/64"},
	} {
		t.Run(c.free, func(t *testing.T) {
			var there bool
			var made []string // the range told, network by network
			b := &bench{options: options{site: "x"}, engine: &engine{&http.Client{Transport: engineFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.Method {
				case http.MethodPost:
					var in struct {
						IPAM struct{ Config []struct{ Subnet string } }
					}
					if err := json.NewDecoder(r.Body).Decode(&in); err != nil || there {
						t.Errorf("create: %v, there is one: %v", err, there)
					}
					made, there = append(made, fmt.Sprint(in.IPAM.Config)), true
				case http.MethodGet:
					fmt.Fprintf(w, `{"IPAM":{"Config":[{"Subnet":%q}]}}`, c.free)
				case http.MethodDelete:
					there = false
				}
			})}}}
			got, err := b.bridge(t.Context())
			if c.first == "" {
				if err == nil {
					t.Fatalf("%v was taken", got)
				}
				return
			}
			if err != nil || !there || got.name != "x-bridge" {
				t.Fatalf("%+v, %v, there: %v", got, err, there)
			}
			if d := cmp.Diff([]string{"[]", "[{" + c.free + "}]"}, made); d != "" {
				t.Errorf("networks made (-want +got):\n%s", d)
			}
			if ends := []string{got.addr(0), got.addr(fullSize.many - 1)}; !slices.Equal(ends, []string{c.first, c.last}) {
				t.Errorf("addresses %v, want %s to %s", ends, c.first, c.last)
			}
		})
	}
}
