package guest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"labsim/sim/guest/applet"
	"labsim/sim/guest/files"
	"labsim/sim/guest/nets"
	"labsim/sim/guest/procs"
	"labsim/sim/guest/shell"
	"labsim/sim/guest/texts"
)

// Applets are all tools by name: argv[0]'s base decides which one runs.
var Applets = collect(files.Applets, texts.Applets, procs.Applets, nets.Applets, shell.Applets, map[string]applet.Func{
	"sudo": sudo, "su": su, "poweroff": power, "halt": power, "reboot": power, "shutdown": power, "sftp-server": sftpServer,
})

func collect(rooms ...map[string]applet.Func) map[string]applet.Func {
	all := make(map[string]applet.Func, 200)
	for _, r := range rooms {
		maps.Copy(all, r)
	}
	return all
}

// RunApplet runs the applet of that name and returns its exit status.
func RunApplet(name string, args []string) int {
	base := strings.TrimPrefix(filepath.Base(name), "-")
	if base == "labsim-applet" {
		return runMulticall(args)
	}
	f := Applets[base]
	if f == nil {
		fmt.Fprintf(os.Stderr, "%s: applet not found\n", base)
		return 127
	}
	if strings.HasPrefix(name, "-") { // a login shell
		args = append([]string{"-l"}, args...)
	}
	return applet.Main(f, base, args)
}

// runMulticall runs `NAME ARGS...`, or lists the names.
func runMulticall(args []string) int {
	if len(args) == 0 {
		fmt.Println(strings.Join(slices.Sorted(maps.Keys(Applets)), " "))
		return 0
	}
	return RunApplet(args[0], args[1:])
}
