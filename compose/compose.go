// Package compose holds the labs that come with labsim, a folder each: a Compose
// file, and for a lab that is done by hand what is checked, and the guides.
package compose

import "embed"

// Labs are the folders of this directory.
//
//go:embed */*.yaml */*.md
var Labs embed.FS

// Default is the lab that `labsim up` brings up where no file is named: the
// seed's custom VPC.
const Default = "custom-vpc"

// File returns the Compose file of a lab.
func File(lab string) ([]byte, error) { return Labs.ReadFile(lab + "/compose.yaml") }

// Names lists the labs that can be done by hand.
func Names() []string {
	dirs, _ := Labs.ReadDir(".")
	var out []string
	for _, d := range dirs {
		if _, err := Labs.Open(d.Name() + "/checks.yaml"); err == nil {
			out = append(out, d.Name())
		}
	}
	return out
}
