// Package none is an engine on which nothing runs: it keeps networks, volumes
// and containers in memory and gives each "running" container a process id that
// no process has. With it the whole control plane works on a machine without
// Docker, and tests of clients need none.
//
// It forgets everything when its process ends.
package none
