package procs

import "labsim/sim/guest/applet"

// Applets of this room, by name.
var Applets = map[string]applet.Func{
	"kill": Kill, "killall": killByName, "pkill": killByName, "pidof": pidof, "pgrep": pidof,
	"ps": ps, "top": top, "free": free, "uptime": uptime, "nproc": nproc,
	"id": id, "whoami": whoami, "groups": groups, "hostname": hostname, "uname": uname, "tty": tty, "who": who, "w": who,
	"env": env, "printenv": printenv, "sleep": sleep, "nohup": nohup, "setsid": setsid, "timeout": timeout,
	"time": timeCommand, "watch": watch, "flock": flock, "nice": nice, "sync": syncDisks, "clear": clear, "reset": clear,
	"logger": logger,
}
