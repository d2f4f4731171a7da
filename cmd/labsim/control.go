package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"labsim/sim"
	"labsim/sim/control"
	"labsim/sim/engine/docker"
)

// Where the control container finds what is its own.
const (
	stateDir   = "/state"
	runDir     = "/run/labsim"
	socket     = "unix:///var/run/docker.sock"
	listenAddr = ":4566"
)

// runControl is the control container's process.
func runControl() int {
	ctx, stop := untilTold()
	defer stop()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	o, err := controlOptions(os.Getenv)
	if err != nil {
		return exit(err)
	}
	e, err := docker.Dial(docker.Options{Site: o.Site, Host: socket, Build: o.Build, Data: stateDir})
	if err != nil {
		return exit(err)
	}
	defer e.Close()
	o.Engine, o.EngineName = e, "docker"
	o.KeepAgent = func(ctx context.Context) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return e.KeepAgent(ctx, self, o.Build)
	}
	return exit(control.Run(ctx, o))
}

// controlOptions reads what the installation says in the container's environment.
func controlOptions(getenv func(string) string) (control.Options, error) {
	o := control.Options{
		Site:      sim.Site(getenv("LABSIM_SITE")),
		Build:     getenv("LABSIM_BUILD"),
		StatePath: stateDir + "/world.db",
		TokenPath: stateDir + "/token",
		RunDir:    runDir,
		Listen:    listenAddr,
	}
	if err := sim.CheckSite(string(o.Site)); err != nil {
		return o, fmt.Errorf("LABSIM_SITE: %w", err)
	}
	if s := getenv("LABSIM_PUBLIC"); s != "" {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return o, fmt.Errorf("LABSIM_PUBLIC: %w", err)
		}
		o.Public = p
	}
	return o, nil
}
