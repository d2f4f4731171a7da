package texts

import "labsim/sim/guest/applet"

// Applets of this room, by name.
var Applets = map[string]applet.Func{
	"cat": cat, "tac": tac, "head": head, "tail": tail, "wc": wc, "sort": sortLines, "uniq": uniq, "cut": cut, "tr": tr, "tee": tee, "rev": rev, "nl": nl,
	"grep": grep, "egrep": grep, "fgrep": grep, "sed": sed, "awk": awk, "xargs": xargs,
	"echo": echo, "printf": printf, "true": yesNo, "false": yesNo, "yes": yes, "seq": seq, "date": date, "expr": expr,
	"base64": base64Command, "md5sum": checksum, "sha1sum": checksum, "sha256sum": checksum, "sha512sum": checksum, "cmp": compareFiles, "diff": diff,
	"hexdump": hexdump, "xxd": hexdump, "strings": stringsCommand,
	"nano": nano, "vi": nano, "vim": nano, "less": less, "more": less,
}
