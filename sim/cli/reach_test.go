package cli

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labsim/sim"
	"labsim/sim/ec2"
)

// halted is a control whose one instance has stopped by itself.
type halted struct{ status scripted }

// RoundTrip implements http.RoundTripper.
func (h halted) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/_labsim/") {
		return h.status.RoundTrip(r)
	}
	answer := `<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-0a</instanceId>
<instanceState><name>stopped</name></instanceState><stateReason><message>Client.InstanceInitiatedShutdown</message></stateReason>
</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// A wait for an instance ends where it has settled in another state.
func TestReachSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &http.Client{Transport: halted{scripted{{0, `{"Steps":[{"Kind":"start","Resource":"i-0a"}]}`}, {time.Second, `{"Current":true,"Converged":true}`}, {time.Hour, ""}}}}
		b := &box{endpoint: "http://box", http: c, ec2: &ec2.Client{Endpoint: "http://box", HTTP: c}}
		began := time.Now()
		err := b.reach(t.Context(), scopeOf("i-0a"), func(sim.Text) {}, []string{"i-0a"}, sim.StateRunning)
		if err == nil || !strings.Contains(err.Error(), "i-0a is stopped: Client.InstanceInitiatedShutdown") {
			t.Errorf("%v", err)
		}
		if time.Since(began) != time.Second {
			t.Errorf("it ended after %v, want 1s", time.Since(began))
		}
	})
}
