// Package shell is sh: mvdan.cc/sh's interpreter with what a shell on a real
// system needs beyond it: background jobs that are processes and outlive the
// shell, exec, signal traps, kill, wait, umask and ulimit, an interactive
// prompt.
//
// A script is rewritten after it has been parsed (rewrite.go): `CMD &` becomes
// a call that starts a process, `$!` the variable with its pid. What the
// interpreter does not know, this package answers in its call handler
// (handlers.go).
package shell
