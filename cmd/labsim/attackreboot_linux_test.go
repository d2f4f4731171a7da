package main

import (
	"encoding/base64"
	"strings"
	"time"

	"labsim/sim/ec2/wire"
)

// endlessReboots has an instance reboot itself as soon as it runs: it gets ever fewer
// starts out of the machine, and who waits for it is told.
func endlessReboots(u *user) {
	a := u.account()
	id := a.restless()
	defer u.must(0, ``, "terminate", id)
	const sentence = `: it reboots itself again and again`
	for end := time.Now().Add(60 * time.Second); ; {
		if out, _ := u.call("status"); strings.Contains(out, id+sentence) {
			break
		} else if time.Now().After(end) {
			console, _ := u.call("logs", id)
			u.t.Fatalf("%s is not named:\n%s%s", id, out, console)
		}
	}
	const window = 20 * time.Second
	since := time.Now()
	u.must(0, ``, "reboot", "web") // what others do goes on
	starts := strings.Fields(u.docker("events", "--since", since.Format(time.RFC3339Nano), "--until", since.Add(window).Format(time.RFC3339Nano),
		"--filter", "event=start", "--filter", "label=labsim.id="+id, "--format", "{{.ID}}"))
	u.t.Logf("%d starts in %v", len(starts), window)
	if len(starts) > 6 {
		u.t.Errorf("an instance that reboots itself was started %d times in %v", len(starts), window)
	}
	u.must(0, ``, "stop", id)
	// It may find the instance running, or tell why that does not last.
	if out, code := u.call("start", id); code != 0 && !strings.Contains(out, id+sentence) {
		u.t.Errorf("start: exit %d\n%s", code, out)
	}
}

// restless launches an instance like web that reboots itself at each boot.
func (a *account) restless() (instance string) {
	a.t.Helper()
	var list wire.DescribeInstancesResult
	a.do("DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{*a.instance("web")}}, &list)
	web := list.Reservations[0].Instances[0]
	script := "#!/bin/sh\necho '#!/bin/sh\nreboot' > /etc/rc.local\nchmod +x /etc/rc.local\nreboot\n"
	var out wire.Reservation
	a.do("RunInstances", &wire.RunInstancesRequest{ImageId: web.ImageId, SubnetId: web.SubnetId, InstanceType: ptr("t3.nano"), MinCount: ptr(1), MaxCount: ptr(1),
		UserData: ptr(base64.StdEncoding.EncodeToString([]byte(script)))}, &out)
	return *out.Instances[0].InstanceId
}
