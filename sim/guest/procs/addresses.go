package procs

import "net"

// ownAddresses are the machine's, without loopback.
func ownAddresses() []string {
	all, _ := net.InterfaceAddrs()
	var list []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			list = append(list, n.IP.String())
		}
	}
	return list
}
