// Package enginetest is the suite that every engine passes: what
// engine.Engine promises, said as tests.
package enginetest
