// Package compose holds the labs that come with labsim: a folder each, with a
// Compose file.
package compose

import "embed"

// Labs are the folders of this directory.
//
//go:embed */compose.yaml
var Labs embed.FS

// Default is the lab that `labsim up` brings up where no file is named: the
// seed's custom VPC.
const Default = "custom-vpc"

// File returns the Compose file of a lab.
func File(lab string) ([]byte, error) { return Labs.ReadFile(lab + "/compose.yaml") }
