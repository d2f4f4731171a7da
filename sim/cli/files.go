package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

// stateDir is where this user's keys of the site are: $XDG_STATE_HOME/labsim/SITE.
func (a *app) stateDir() (string, error) {
	base := a.getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "labsim", a.site), nil
}

func (a *app) keyFile(name string) (string, error) {
	dir, err := a.stateDir()
	return filepath.Join(dir, safeName(name)+".pem"), err
}

// safeName keeps a key's name, which a lab file chooses, inside the directory, and
// its file's name printable.
func safeName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || sim.Printable(string(r)) != string(r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(name, "."))
}

// saveKey stores a private key, for this user only.
func (a *app) saveKey(name, pem string) error {
	file, err := a.keyFile(name)
	if err != nil {
		return err
	}
	return writeFile(file, []byte(pem))
}

func (a *app) hasKey(name string) bool {
	file, err := a.keyFile(name)
	if err != nil {
		return false
	}
	_, err = os.Stat(file)
	return err == nil
}

// writeFile replaces a file of this user's state, all or nothing.
func writeFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp := file + ".new"
	err := os.WriteFile(tmp, data, 0o600)
	if err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

func (a *app) knownHosts() (string, error) {
	dir, err := a.stateDir()
	return filepath.Join(dir, "known_hosts"), err
}

// saveHostKeys writes the known_hosts file: the keys came over the agent's
// stream, so the first connection needs no trust.
func (a *app) saveHostKeys(ctx context.Context, b *box) (string, error) {
	file, err := a.knownHosts()
	if err != nil {
		return "", err
	}
	keys, err := b.hostKeys(ctx)
	if err != nil {
		return "", err
	}
	list, err := b.instances(ctx, nil)
	if err != nil {
		return "", err
	}
	return file, writeFile(file, []byte(knownHostsLines(list, keys)))
}

// knownHostsLines are the lines of a known_hosts file. The keys are what guests
// have said, and the state of an older control may hold what is none.
func knownHostsLines(list []instance, keys map[string][]string) string {
	var s strings.Builder
	for _, i := range list {
		names := slices.DeleteFunc([]string{i.ID, i.PrivateIP, i.PublicIP}, func(s string) bool { return s == "" })
		for _, k := range wire.HostKeys(keys[i.ID]) {
			fmt.Fprintf(&s, "%s %s\n", strings.Join(names, ","), k)
		}
	}
	return s.String()
}

// removeKeys deletes the files of a site's keys.
func (a *app) removeKeys(names []string) error {
	for _, n := range names {
		file, err := a.keyFile(n)
		if err != nil {
			return err
		}
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// removeState deletes everything that the site left in this user's directory.
func (a *app) removeState() error {
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	os.Remove(filepath.Dir(dir)) // only if it is empty
	return nil
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(asciiControls{a.out})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// asciiControls escapes in JSON what the encoder leaves as it is although it drives
// terminals: DEL, C1 and what turns the direction of writing. Such characters stand
// in strings only. The encoder writes a document at once.
type asciiControls struct{ w io.Writer }

func (a asciiControls) Write(p []byte) (int, error) {
	var out []byte
	for _, r := range string(p) {
		if s := string(r); r != '\n' && sim.Printable(s) != s {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	if _, err := a.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// machine finds the box that stands, and in it the instance that a word means,
// which must be one that really runs.
func (a *app) machine(ctx context.Context, word string) (*box, instance, error) {
	b, err := a.find(ctx)
	if err != nil {
		return nil, instance{}, err
	}
	i, err := a.named(ctx, b, word)
	if err == nil {
		err = b.needsMachine(i)
	}
	return b, i, err
}

// named finds the instance that a word means: a name, an id or an address. A
// wrong one gets the nearest right ones.
func (a *app) named(ctx context.Context, b *box, word string) (instance, error) {
	list, err := b.instances(ctx, nil)
	if err != nil {
		return instance{}, err
	}
	var found []instance
	var words []string
	for _, i := range list {
		own := []string{i.Name, i.ID, i.PrivateIP, i.PublicIP, i.PrivateDNS, i.PublicDNS, i.Lab + "/" + i.Name}
		if word != "" && slices.Contains(own, word) {
			found = append(found, i)
		}
		words = append(words, i.Name, i.ID)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return instance{}, &sim.Failure{What: sim.T("%q means more than one instance: %s and %s", word, found[0].ID, found[1].ID), Next: []sim.Text{sim.Cmd("labsim status")}}
	}
	f := &sim.Failure{What: sim.T("there is no instance %q", word), Next: []sim.Text{sim.Cmd("labsim status")}}
	if near, ok := sim.Nearest(word, words); ok {
		f.What = sim.T("there is no instance %q; did you mean %s?", word, near)
	}
	return instance{}, f
}
