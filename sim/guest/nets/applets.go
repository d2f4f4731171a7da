package nets

import "labsim/sim/guest/applet"

// Applets of this room, by name.
var Applets = map[string]applet.Func{
	"ip": ip, "ifconfig": ifconfig, "route": routeTable, "arp": arp, "ping": ping, "ping6": ping, "traceroute": traceroute,
	"nc": netcat, "ncat": netcat, "netcat": netcat, "curl": curl, "wget": wget, "httpd": httpd,
	"dig": dig, "nslookup": nslookup, "host": host, "ss": ss, "netstat": ss,
}
