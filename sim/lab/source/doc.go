// Package source reads a YAML file of a user's value by value: each knows its line
// and its path, and what is wrong is collected, so that a user sees all of it at
// once with file:line. A file may come from a stranger.
//
// It does not know what a file means.
package source
