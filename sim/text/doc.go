// Package text holds everything that a user reads in Korean, and turns a
// sim.Text into the user's language. English needs no catalogue: the format in
// the code is the English text, and the key.
//
// One file per room (ko_cli.go, ko_lab.go, ...) holds that room's entries.
// Terms are those of AWS's Korean documentation; glossary.txt is the one list
// of them, and a test holds the entries against it.
package text
