package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Site names one labsim on one engine. All names that stand on a machine carry
// it, so two sites never meet. It is the one place where such names are made.
type Site string

// DefaultSite is the site where none is named.
const DefaultSite Site = "labsim"

// CheckSite says why s can't be a site's name, or nil: it becomes part of a
// plugin's, a container's and a directory's name.
func CheckSite(s string) error {
	ok := len(s) >= 2 && len(s) <= 32 && s[0] >= 'a' && s[0] <= 'z' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasSuffix(s, "-")
	if !ok {
		return Errorf(CodeInvalidParameterValue, "%q can't name a site: 2 to 32 of a-z, 0-9 and -, beginning with a letter", s)
	}
	return nil
}

// Plugin is the managed plugin, as network, IPAM and volume driver too.
func (s Site) Plugin() string { return string(s) + ":latest" }

// Control is the control container, and the network that is its own.
func (s Site) Control() string { return string(s) + "-control" }

// Enabling is the container that only one can have: who has it may enable the plugin.
func (s Site) Enabling() string { return string(s) + "-enabling" }

// StateVolume keeps the world.
func (s Site) StateVolume() string { return string(s) + "-state" }

// GuestVolume holds PID 1 of the instances.
func (s Site) GuestVolume() string { return string(s) + "-guest" }

// Internet is the Docker network of the public addresses.
func (s Site) Internet() string { return string(s) + "-internet" }

// Edge is the edge container of an internet gateway.
func (s Site) Edge(id InternetGatewayID) string { return string(s) + "-edge-" + string(id) }

// Object is what the engine calls a resource without a lab, by its id; LabObject,
// one of a lab, by a name that is the lab's own. What other sites than the default
// one name begins with the site and a dot. No site's name has a dot, and nothing
// that the default site names has one: no two sites can want the same.
func (s Site) Object(id string) string {
	if s == DefaultSite {
		return string(s) + "-" + id
	}
	return string(s) + "." + id
}

// LabObject: see Object.
func (s Site) LabObject(name string) string {
	if s == DefaultSite {
		return strings.ReplaceAll(name, ".", "_")
	}
	return string(s) + "." + name
}

// Port is the first of this machine that the API is published on: the one that
// clients are told of is left to the default site.
func (s Site) Port() int {
	if s == DefaultSite {
		return 4566
	}
	return 4567
}

// DataDir is the agent's one bind, on the engine's machine.
func (s Site) DataDir() string { return "/var/lib/labsim/" + string(s) }

// RunDir holds sockets and pinned namespaces, on the engine's machine.
func (s Site) RunDir() string { return "/run/labsim/" + string(s) }

// ControlDir holds control's socket and nothing else. Control binds it: what is
// mounted in a directory that a container binds, as the namespaces are in RunDir,
// stays alive in the container's own mount namespace.
func (s Site) ControlDir() string { return ControlIn(s.RunDir()) }

// ControlIn is ControlDir where RunDir is seen at runDir.
func ControlIn(runDir string) string { return runDir + "/control" }

// EtcDir, in RunDir, has a directory for each instance with its EtcFiles, which
// the instance finds in /etc.
const EtcDir = "etc"

// EtcFiles are those that differ from instance to instance whatever its image is.
var EtcFiles = []string{"hosts", "hostname", "resolv.conf"}

// Bridge is the interface of the Internet network on the engine's machine.
// Interface names have 15 characters at most.
func (s Site) Bridge() string { return "ls" + s.hash("bridge")[:10] }

// HostTable is the nftables table in the engine's network namespace.
func (s Site) HostTable() string { return "labsim-" + string(s) }

// RouterLink is the router's end of an interface, GuestLink the guest's end
// while it passes through the engine's namespace.
func (s Site) RouterLink(e ENIID) string { return "e" + s.hash(string(e))[:11] }

// GuestLink: see RouterLink.
func (s Site) GuestLink(e ENIID) string { return "g" + s.hash(string(e))[:11] }

func (s Site) hash(what string) string {
	h := sha256.Sum256([]byte(string(s) + "\x00" + what))
	return hex.EncodeToString(h[:])
}

// Labels of what stands on the engine.
const (
	LabelSite = "labsim.site"
	LabelKind = "labsim.kind"
	LabelID   = "labsim.id" // the resource's id
	LabelVPC  = "labsim.vpc"
	LabelLab  = "labsim.lab"
	LabelHash = "labsim.hash"
	LabelPort = "labsim.port" // on control: the published port of the API
	// LabelBuild is on control and on the system image.
	LabelBuild = "labsim.build"
)

// Options that Docker hands to the agent's drivers.
const (
	OptSubnet = "labsim.subnet" // network and IPAM: the subnet's id
	OptENI    = "labsim.eni"    // endpoint: the interface's id
	OptVolume = "labsim.volume" // volume: the volume's id
	OptKind   = "labsim.kind"   // volume: "guest" for the volume with PID 1
)
