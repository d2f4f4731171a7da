// Package nets has the applets of the network: ip, ping, nc, curl, wget,
// httpd, dig, traceroute, ss.
package nets
