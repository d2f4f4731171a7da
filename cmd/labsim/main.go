// Command labsim is all of labsim in one binary: the command line, and, started
// by labsim itself under other names, control, agent, edge and the guest's PID 1
// with its tools.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"labsim/sim"
	"labsim/sim/agent"
	"labsim/sim/agent/oneshot"
	"labsim/sim/cli"
	"labsim/sim/idle"
)

func main() { os.Exit(run(os.Args)) }

// run decides by name what this process is: a link that is called as a tool of
// the guest is that tool. The commands here are labsim's own; users have cli's.
func run(args []string) int {
	if code, ok := runGuest(filepath.Base(args[0]), args[1:]); ok {
		return code
	}
	if len(args) > 1 {
		switch args[1] {
		case "control":
			return runControl()
		case "agent":
			return runAgent()
		case "edge":
			return runEdge()
		case "oneshot":
			return oneshot.Run(args[2:])
		}
	}
	return cli.Main(args[1:])
}

// runAgent is the managed plugin's process.
func runAgent() int {
	ctx, stop := untilTold()
	defer stop()
	return exit(agent.Run(ctx))
}

// runEdge holds an internet gateway's network namespace. The agent programs it
// from outside; there is nothing to do in it.
func runEdge() int {
	ctx, stop := untilTold()
	defer stop()
	idle.Trim()
	debug.SetGCPercent(-1) // it looks every two minutes, and maps the program again for it
	<-ctx.Done()
	return 0
}

func untilTold() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}

// exit reports the end of a hidden command; who reads it reads a log.
func exit(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, sim.LastWords(err))
	return 1
}
