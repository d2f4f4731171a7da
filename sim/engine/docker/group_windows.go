package docker

// groupOf: named pipes have no group.
func groupOf(string) string { return "" }
