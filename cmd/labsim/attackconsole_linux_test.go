package main

import "strings"

// attackConsole has a guest write what drives terminals to its console.
func attackConsole(u *user) {
	u.must(0, ``, "exec", "web", "--", "sh", "-c", `printf '\033]0;owned\007\000\n' >/dev/console`)
	u.until("the console shows it", func() bool {
		out := u.must(0, ``, "logs", "web")
		if strings.ContainsAny(out, "\x1b\x00\a") {
			u.t.Fatalf("logs obeys the guest: %q", out)
		}
		return strings.Contains(out, `\x1b]0;owned\a\x00`)
	})
}
