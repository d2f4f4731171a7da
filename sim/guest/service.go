package guest

import (
	"encoding/json"
	"os"

	"labsim/sim"
)

// serviceFile keeps the service that came with the user data: later boots start
// it without asking the metadata service.
const serviceFile = "/var/lib/labsim/service.json"

// keepService writes down the service in user data, if there is one.
func keepService(file string, userData []byte) error {
	if !sim.MultipartUserData(userData) {
		return nil
	}
	_, s, err := sim.SplitUserData(userData)
	if err != nil || s == nil {
		return err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600) // its environment may hold passwords
}

// startService starts the process that the lab file names for this instance
// (sim.Service), at every boot. Its output is in the console; when it ends, the
// instance lives on, as a server outlives a service.
func (g *guest) startService(root, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		return // most instances have none
	}
	var s sim.Service
	if err := json.Unmarshal(data, &s); err != nil || len(s.Command) == 0 {
		g.console.printf("service: %s is damaged: %v", file, err)
		return
	}
	user, err := lookupAccount(root, s.User)
	if err != nil {
		g.console.printf("service: %v", err)
		return
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	c := command{args: s.Command, env: withEnv(withEnv(ownEnv(), user.env()...), s.Environment...), dir: dir, user: user}
	p, err := g.startSession(c, false, 0, 0, false, g.console, g.console)
	if err != nil {
		g.console.printf("service: %v", err)
		return
	}
	go func() { g.console.printf("service %s ended with %d", s.Command[0], p.wait()) }()
}
