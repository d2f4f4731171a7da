package enginetest

import "flag"

// AtOnce lets four tests of a package run at the same time, where the command line
// says nothing of it: what they wait for is an engine, a boot or a packet that must
// not come, more than a processor. TestMain calls it.
func AtOnce() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		_ = flag.Set("test.parallel", "4")
	}
}
