// Package guest is what runs inside an instance: PID 1 with the link to the
// agent, sshd, user data and shutdown, and the applets (sh, ls, ip, nc, ...)
// that make a usable system of labsim's own binary.
//
// It knows neither control nor Docker: what it is told comes from the
// environment (env.go), the metadata service and the agent's requests. It must
// work as PID 1 of any Linux image, without capabilities beyond Docker's
// default less MKNOD: nothing here mounts, loads or configures an interface.
//
// Invariants: only the reaper (reaper.go) waits for children of PID 1, so every
// process is started through it and nothing that runs in PID 1 may use os/exec;
// sshd listens before anything slow is begun.
package guest
