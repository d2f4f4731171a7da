package agent

import (
	"golang.org/x/sys/unix"

	"labsim/sim/limit"
)

// What one guest may hold at once. An instance needs one connection to the agent,
// and has a few more for the moment in which its first process is followed by
// another; its programs share the others.
const (
	guestConns   = 4  // of a network namespace, which is one guest's, to agent.sock
	serviceConns = 64 // of an interface to metadata and, by TCP, DNS
	queriesOut   = 16 // of an interface, which wait for the machine's resolvers
)

// What all guests may hold at once, where descriptors are plenty. A connection to
// metadata takes 20 KiB, so that these are 80 MiB.
const (
	mostGuests   = 4096
	mostServices = 4096
	mostQueries  = 256
)

// guestTries is how often a second a guest may have its processes looked at; only
// the first is one of ours.
const guestTries = 50

// refusePace bounds what a flood of agent.sock costs: its queue in the kernel is
// emptied once a second, and a guest that waits there gets in.
const refusePace = 4096 // a second, as many as the queue holds

// filesPerGuest are the connection, the network namespace, and what is open while
// the peer is looked at.
const filesPerGuest = 4

// budget divides the descriptors that the process may have. What guests can take
// together is less than all by a reserve: for volumes, netlink, Docker's hooks and
// the link to control, and the services' own sockets.
type budget struct {
	files    int // RLIMIT_NOFILE
	guests   int // connections to agent.sock
	services int // connections to metadata and DNS
	queries  int // to the machine's resolvers
}

func newBudget(files int) budget {
	part := files / 4 // the reserve is as large as each of the others
	return budget{
		files:    files,
		guests:   min(part/filesPerGuest, mostGuests),
		services: min(part, mostServices),
		queries:  min(part/2, mostQueries),
	}
}

// reserve is what remains when guests hold all that they may.
func (b budget) reserve() int { return b.files - b.guests*filesPerGuest - b.services - b.queries }

// openFiles is how many descriptors the process may have; Go has raised the soft
// limit to the hard one.
func openFiles() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return int(min(l.Cur, 1<<20)), nil
}

// pools are what guests hold, by who they are.
type pools struct {
	guests   *limit.Pool // by network namespace
	services *limit.Pool // by VPC and interface
	queries  *limit.Pool // by VPC and interface
}

func (b budget) pools() pools {
	return pools{
		guests:   limit.NewPool(b.guests, guestConns),
		services: limit.NewPool(shares(b.services, serviceConns)...),
		queries:  limit.NewPool(shares(b.queries, queriesOut)...),
	}
}

// shares lets a VPC have a quarter of all, so that one can't silence the others,
// and an interface a quarter of that at most.
func shares(all, each int) []int { return []int{all, all / 4, min(each, all/16)} }
