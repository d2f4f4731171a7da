package oneshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"labsim/sim"
	"labsim/sim/store"
)

// Verbs.
const (
	// Ready ends with its standard input: that the container runs means that its binds stand.
	Ready = "ready"
	// Leave RUNDIR asks the agent to give up everything of its site.
	Leave = "leave"
	// Clean SITE LIB RUN [data] removes what an agent left below LIB and RUN
	// (the engine's /var/lib and /run) and prints []Volume, those whose
	// data stays; with "data" none does.
	Clean = "clean"
	// Socket FILE... prints map[string]string: the id of the engine that answers at each socket.
	Socket = "socket"
	// Token FILE prints the token of the site as a string; run inside control.
	Token = "token"
	// Kernel prints Features.
	Kernel = "kernel"
	// StateCopies FILE SITE prints []store.Copy, the copies of a site's state file.
	StateCopies = "state-copies"
	// StateRestore FILE NAME SITE puts that copy in the place of the site's state file,
	// and prints the name under which what lay there is put aside, or "".
	StateRestore = "state-restore"
)

// Features is what the engine's machine has.
type Features struct {
	// Missing holds the kernel features that the agent can't use, with the reason.
	Missing map[string]string
	// Disk is where the engine keeps its data; zero: not known.
	Disk sim.Disk
}

// leaveTimeout bounds how long an agent may take to connect and to leave.
const leaveTimeout = 20 * time.Second

// Run does what args say and returns the exit code.
func Run(args []string) int {
	if len(args) == 0 {
		args = []string{""}
	}
	if err := run(args[0], args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, complaint(err))
		return 1
	}
	return 0
}

func run(verb string, args []string, out io.Writer) error {
	print := func(v any, err error) error {
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(v)
	}
	switch {
	case verb == Ready:
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case verb == Leave && len(args) == 1:
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		return leave(ctx, args[0])
	case verb == Clean && len(args) >= 3:
		return print(clean(args[0], args[1], args[2], len(args) > 3 && args[3] == "data"))
	case verb == Socket:
		return print(engines(args), nil)
	case verb == Token && len(args) == 1:
		return print(token(args[0]))
	case verb == Kernel:
		return print(kernel(), nil)
	case verb == StateCopies && len(args) == 2:
		return print(store.Copies(args[0], sim.Site(args[1])))
	case verb == StateRestore && len(args) == 3:
		return print(store.Restore(args[0], args[1], sim.Site(args[2])))
	}
	return fmt.Errorf("oneshot: %s: %s %v", noVerb, verb, args)
}

// complaint is what the CLI reads of an error: all of a failure, the text of another.
func complaint(err error) string {
	if errors.As(err, new(*sim.Failure)) {
		return sim.LastWords(err)
	}
	return err.Error()
}

const noVerb = "no such verb"

// Unknown reports whether an error is that of another build, which does not know what
// it was asked for. It comes as text, out of a container.
func Unknown(err error) bool { return strings.Contains(err.Error(), noVerb) }
