package files

import "labsim/sim/guest/applet"

// Applets of this room, by name.
var Applets = map[string]applet.Func{
	"ls": ls, "cp": cp, "mv": mv, "rm": rm, "mkdir": mkdir, "rmdir": rmdir, "ln": ln, "touch": touch, "install": install,
	"chmod": chmod, "chown": chown, "chgrp": chown, "pwd": pwd, "stat": stat, "readlink": readlink, "realpath": realpath,
	"basename": basename, "dirname": dirname, "mktemp": mktemp, "mkfifo": mkfifo, "truncate": truncate,
	"du": du, "df": df, "mount": mount, "umount": umount, "lsblk": lsblk, "dd": dd, "find": find, "which": which, "test": test, "[": test,
	"tar": tarCommand, "gzip": gzipCommand, "gunzip": gzipCommand, "zcat": gzipCommand,
}
