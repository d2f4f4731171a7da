package script

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// call is one command of the AWS CLI, read.
type call struct {
	action string
	in     any // a pointer to the operation's request
	out    any // a pointer to an empty result, or nil
	query  string
	output string // json or text
}

// aws runs `aws ARGS...`.
func (s *shell) aws(ctx context.Context, w io.Writer, args []string) error {
	if len(args) > 2 && args[0] == "ec2" && args[1] == "wait" {
		return s.wait(ctx, args[2], args[3:])
	}
	c, err := readCall(args, s.files, false)
	if err != nil {
		return err
	}
	if err := s.API.Do(ctx, c.action, c.in, c.out); err != nil {
		return err
	}
	return c.print(w)
}

// readCall reads `ec2 OPERATION --OPTION VALUE...` (AWS CLI Command Reference,
// ec2). files are what file:// leads to. In a draft a value may have variables in
// it whose values nobody knows yet: $subnet.
func readCall(args []string, files map[string][]byte, draft bool) (*call, error) {
	if len(args) < 2 || args[0] != "ec2" {
		return nil, wrong(sim.T("a lab's script has aws ec2 OPERATION only"))
	}
	action, ok := actionOf(args[1])
	if !ok {
		if near, ok := sim.Nearest(args[1], operations()); ok {
			return nil, wrong(sim.T("there is no operation aws ec2 %s; did you mean %s?", args[1], near))
		}
		return nil, wrong(sim.T("there is no operation aws ec2 %s", args[1]))
	}
	c := &call{action: action, output: "json"}
	c.in, c.out, _ = wire.New(action)
	opts, err := options(args[2:])
	if err != nil {
		return nil, err
	}
	r := &request{in: c.in, files: files}
	for _, o := range opts {
		switch {
		case o.name == "query":
			c.query, err = o.one()
		case o.name == "output":
			if c.output, err = o.one(); err == nil && c.output != "json" && c.output != "text" {
				err = o.bad(sim.T("json or text"))
			}
		case draft && slices.ContainsFunc(o.values, func(v string) bool { return strings.Contains(v, "$") }):
			err = r.knows(o)
		default:
			err = r.set(o)
		}
		if err != nil {
			return nil, within("aws ec2 "+args[1], err)
		}
	}
	if c.query != "" {
		if err := checkQuery(c.query); err != nil {
			return nil, err
		}
	}
	r.finish()
	return c, nil
}

// actionOf finds the operation of a command: create-vpc is CreateVpc.
func actionOf(command string) (string, bool) {
	a, ok := actions()[command]
	return a, ok
}

// actions are all operations, by their commands.
var actions = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, a := range wire.Operations {
		out[kebab(a)] = a
	}
	return out
})

func operations() []string { return slices.Sorted(maps.Keys(actions())) }

// kebab writes a name as the AWS CLI does: CidrBlock is cidr-block, VpcIds
// vpc-ids (botocore, xform_name).
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 {
			before := name[i-1]
			next := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if before < 'A' || before > 'Z' || next {
				b.WriteByte('-')
			}
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// option is --NAME with the values that follow it.
type option struct {
	name   string
	values []string
}

func options(args []string) ([]option, error) {
	var out []option
	for _, a := range args {
		if name, ok := strings.CutPrefix(a, "--"); ok {
			out = append(out, option{name: name})
			continue
		}
		if len(out) == 0 {
			return nil, wrong(sim.T("an option such as --vpc-id is wanted in place of %q", a))
		}
		last := &out[len(out)-1]
		last.values = append(last.values, a)
	}
	return out, nil
}

func (o option) bad(want sim.Text) error {
	return within(strings.TrimSpace("--"+o.name+" "+strings.Join(o.values, " ")), wrong(want))
}

func (o option) one() (string, error) {
	if len(o.values) != 1 {
		return "", o.bad(sim.T("one value is wanted"))
	}
	return o.values[0], nil
}

// states are what `aws ec2 wait` waits for: a state of instances, or that their
// status checks pass (botocore, waiters-2.json of ec2).
var states = map[string]sim.InstanceState{
	"instance-running": sim.StateRunning, "instance-stopped": sim.StateStopped, "instance-terminated": sim.StateTerminated,
	"instance-status-ok": sim.StateRunning,
}

// wait is `aws ec2 wait instance-running --instance-ids ID...`.
func (s *shell) wait(ctx context.Context, what string, args []string) error {
	want, ok := states[what]
	opts, err := options(args)
	if err != nil {
		return err
	}
	if !ok || len(opts) != 1 || opts[0].name != "instance-ids" || s.Wait == nil {
		return wrong(sim.T("a lab's script waits for instance-running, -stopped, -terminated or -status-ok, with --instance-ids"))
	}
	ids := opts[0].values
	return s.Wait(ctx, ids, func(ctx context.Context) (bool, error) {
		all := true
		var out wire.DescribeInstanceStatusResult
		err := s.API.Do(ctx, "DescribeInstanceStatus", &wire.DescribeInstanceStatusRequest{InstanceIds: ids, IncludeAllInstances: &all}, &out)
		if err != nil || len(out.InstanceStatuses) < len(ids) {
			return want == sim.StateTerminated && err == nil, err
		}
		for _, i := range out.InstanceStatuses {
			if i.InstanceState == nil || i.InstanceState.Name == nil || *i.InstanceState.Name != string(want) {
				return false, nil
			}
			if what == "instance-status-ok" && (i.InstanceStatus == nil || i.InstanceStatus.Status == nil || *i.InstanceStatus.Status != "ok") {
				return false, nil
			}
		}
		return true, nil
	})
}
