package guest

import (
	"os"
	"strings"
)

// The environment by which control tells PID 1 what it has to know before the
// metadata service answers. None of it reaches the processes of the instance.
const (
	EnvDNS      = "LABSIM_DNS"      // name servers, separated by commas
	EnvDomain   = "LABSIM_DOMAIN"   // search domain: ec2.internal
	EnvCommand  = "LABSIM_COMMAND"  // JSON list: a process that PID 1 starts (Compose's command)
	EnvInstance = "LABSIM_INSTANCE" // the instance's id; a new id is a first boot
	EnvMetadata = "LABSIM_METADATA" // base URL of the metadata service, for tests
)

// Exit codes of PID 1, so that whoever sees the container end knows why, also
// without the agent.
const (
	ExitStopped  = 0   // asked to from outside: SIGTERM or /shutdown with poweroff
	ExitPoweroff = 132 // a process inside asked to power off
	ExitReboot   = 133 // reboot, whoever asked
)

const metadataURL = "http://169.254.169.254"

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + toolDir

// ownEnv is the container's environment without what was meant for PID 1.
func ownEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "LABSIM_") {
			env = append(env, e)
		}
	}
	return env
}

// imagePath is the PATH of the image, with our tools behind it.
func imagePath() string {
	path := os.Getenv("PATH")
	if path == "" || strings.Contains(path, toolDir) {
		return "PATH=" + defaultPath
	}
	return "PATH=" + path + ":" + toolDir
}

// withEnv returns env with the pairs set, later ones winning.
func withEnv(env []string, pairs ...string) []string {
	at := make(map[string]int)
	var out []string
	for _, e := range append(append([]string{}, env...), pairs...) {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}
