package agent

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane/linux"
)

// programmed comes after the interface was put into a sandbox that runs, as one
// does that is joined again. At the start of a container it comes too early; its
// first process then calls in (guests.serve).
func (a *Agent) programmed(_ context.Context, in endpointRef) (any, error) {
	e, ok := a.records.endpoint(in.EndpointID)
	if !ok || e.Sandbox == "" {
		return object{}, nil
	}
	var ns *os.File
	err := a.engine.in(func() (err error) {
		ns, err = os.Open(e.Sandbox)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return object{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return object{}, a.narrow(ns, e.ENI)
}

// narrow is linux.ByRouter for the subnet of an interface.
func (a *Agent) narrow(ns *os.File, id sim.ENIID) error {
	held := a.held()
	eni, _ := held.eni(id)
	sub, ok := held.subnet(eni.Subnet)
	if !ok {
		return unknownENI(id)
	}
	if err := linux.ByRouter(netns.NsHandle(ns.Fd()), sub.CIDR); err != nil {
		return fmt.Errorf("%s: send by the router: %w", id, err)
	}
	return nil
}
