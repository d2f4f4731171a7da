// Package plugin says what Docker must know of the agent to run it as a managed
// plugin. It stands beside the agent, and apart from it, so that the installer
// need not link the agent.
package plugin

import (
	"encoding/json"

	"labsim/sim"
)

// Where things are inside the plugin. The installer puts the binary at
// Binary of the root file system and makes Dirs.
const (
	Binary   = "/labsim"
	Data     = "/data"       // bind of the site's data directory
	Mounts   = "/mnt"        // mounts below it reach the engine
	Socket   = "labsim.sock" // of Docker's hooks, in SocketDir
	EnvSite  = "LABSIM_SITE"
	EnvBuild = "LABSIM_BUILD"
)

// SocketDir is where Docker looks for a plugin's socket.
const SocketDir = "/run/docker/plugins"

// Dirs are the directories that the root file system needs: Docker mounts on some
// of them and makes none.
func Dirs() []string {
	return []string{"data", "dev", "etc", "mnt", "proc", "run", "run/docker", "run/docker/plugins", "sys", "tmp"}
}

// Config returns the plugin's config.json. The build stands in the description:
// Docker keeps no labels of a plugin.
func Config(site sim.Site, build string) []byte {
	c := config{
		Description:   Description(build),
		Documentation: "https://docs.docker.com/engine/extend/",
		Entrypoint:    []string{Binary, "agent"},
		Interface: iface{
			Types:  []string{"docker.networkdriver/1.0", "docker.ipamdriver/1.0", "docker.volumedriver/1.0"},
			Socket: Socket,
		},
		Network: network{Type: "host"},
		PidHost: true, // it names guests by their process ids
		Linux: linux{
			Capabilities: []string{
				"CAP_SYS_ADMIN",       // namespaces, mounts
				"CAP_NET_ADMIN",       // routers
				"CAP_NET_RAW",         // probes by ICMP
				"CAP_SYS_PTRACE",      // other processes' namespaces
				"CAP_SYS_CHROOT",      // entering a mount namespace
				"CAP_MKNOD",           // loop devices
				"CAP_DAC_OVERRIDE",    // the engine's directories
				"CAP_DAC_READ_SEARCH", // likewise
			},
			AllowAllDevices: true,
			Devices:         []struct{}{},
		},
		PropagatedMount: Mounts,
		Mounts: []mount{{
			Name: "data", Description: "configuration and volumes",
			Source: site.DataDir(), Destination: Data, Type: "bind", Options: []string{"rbind", "rw"},
			Settable: []string{},
		}},
		Env: []env{
			{Name: EnvSite, Description: "the site", Value: string(site), Settable: []string{}},
			{Name: EnvBuild, Description: "the build", Value: build, Settable: []string{}},
		},
		Args: args{Name: "args", Settable: []string{}, Value: []string{}},
	}
	b, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		panic(err) // strings and booleans only
	}
	return b
}

// descriptionPrefix comes before the build.
const descriptionPrefix = "labsim: VPC networks, addresses and EBS volumes. Build "

// Description is the plugin's description, with the build.
func Description(build string) string { return descriptionPrefix + build }

// Build returns the build out of a description, or "" if it has none.
func Build(description string) string {
	if len(description) < len(descriptionPrefix) || description[:len(descriptionPrefix)] != descriptionPrefix {
		return ""
	}
	return description[len(descriptionPrefix):]
}

// config is Docker's plugin manifest (docs.docker.com/engine/extend/config).
type config struct {
	Description     string
	Documentation   string
	Entrypoint      []string
	WorkDir         string
	Interface       iface
	Network         network
	PidHost         bool
	IpcHost         bool
	Linux           linux
	PropagatedMount string
	Mounts          []mount
	Env             []env
	Args            args
}

type iface struct {
	Types  []string
	Socket string
}

type network struct{ Type string }

type linux struct {
	Capabilities    []string
	AllowAllDevices bool
	Devices         []struct{}
}

type mount struct {
	Name, Description, Source, Destination, Type string
	Options, Settable                            []string
}

type env struct {
	Name, Description, Value string
	Settable                 []string
}

type args struct {
	Name, Description string
	Settable, Value   []string
}
