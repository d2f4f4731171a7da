// Package procs has the applets about processes and the machine: ps, kill,
// top, free, id, hostname, uname, env, sleep, timeout, flock, and their kin.
package procs
