package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A benchmark measures something on a bench and reports lines.
type benchmark struct {
	name, about string
	rounds      int // where -n is not given
	run         func(context.Context, *bench, *report) error
}

var benchmarks = []benchmark{
	{"launch", "instances against containers, memory at rest, size", 15, benchLaunch},
	{"net", "throughput and round trips inside a VPC against a bridge", 20, benchNet},
	{"up", "labsim up and down against Compose", 7, benchUp},
}

type options struct {
	rounds  int
	json    bool
	labsim  string
	site    string
	compose string
	size    size
}

// size is how much is measured besides the rounds.
type size struct {
	many     int           // instances at once
	rest     int           // instances at rest
	restTime time.Duration // how long everything is left alone before memory is read
	cold     int           // most rounds of what starts from nothing
	stream   time.Duration // of one stream of traffic
	echoes   int           // round trips of one measurement
}

var fullSize = size{many: 20, rest: 8, restTime: 15 * time.Second, cold: 3, stream: time.Second / 2, echoes: 2000}

func main() {
	if len(os.Args) > 1 && os.Args[1] == trafficVerb {
		os.Exit(serveTraffic())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, errMissed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "labsim-bench:", err)
		os.Exit(1)
	}
}

// errMissed: everything was measured, and an aim was missed.
var errMissed = errors.New("an aim was missed")

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		usage(progress)
		return flag.ErrHelp
	}
	i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == args[0] })
	if i < 0 {
		usage(progress)
		return fmt.Errorf("there is no benchmark %q", args[0])
	}
	which := benchmarks[i]
	o := options{size: fullSize}
	f := flag.NewFlagSet("labsim-bench "+which.name, flag.ContinueOnError)
	f.SetOutput(progress)
	f.IntVar(&o.rounds, "n", which.rounds, "pairs to measure")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.labsim, "labsim", "", "labsim's binary (else it is built from ./cmd/labsim)")
	f.StringVar(&o.site, "site", "labsim-bench", "the site to make; whatever is there goes")
	f.StringVar(&o.compose, "compose", "", "up: Compose v2's binary (else docker compose, if there)")
	if err := f.Parse(args[1:]); err != nil {
		return flag.ErrHelp
	}
	if f.NArg() > 0 || o.rounds < 1 {
		return errors.New("takes flags only, and -n is at least 1")
	}
	r, err := measure(ctx, which, o, progress)
	if r != nil { // what was measured before an error is worth knowing too
		if err != nil {
			r.Error = err.Error()
		}
		err = errors.Join(err, r.write(out, o.json))
	}
	if err == nil && r.missed() {
		err = errMissed
	}
	return err
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: labsim-bench NAME [-n N] [--json] [--labsim PATH] [--site NAME] [--compose PATH]")
	for _, b := range benchmarks {
		fmt.Fprintf(w, "  %-8s %s\n", b.name, b.about)
	}
	fmt.Fprintln(w, "exit code: 0 every aim met, 1 one missed or an error, 2 usage")
}

// measure runs a benchmark on a bench that goes again, whatever happens.
func measure(ctx context.Context, which benchmark, o options, progress io.Writer) (r *report, err error) {
	b, err := newBench(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	r = &report{Benchmark: which.name, Rounds: o.rounds, Machine: b.machine}
	return r, which.run(ctx, b, r)
}
