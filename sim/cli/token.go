package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// tokens remembers a control's token beside this user's keys, which open the same
// doors: for the user alone, who got it by access to Docker, until control is
// another container.
type tokens struct{ file string }

// remembered is the file's content.
type remembered struct{ Control, Token string }

// tokens returns nil where this user has no directory for it.
func (a *app) tokens() *tokens {
	dir, err := a.stateDir()
	if err != nil {
		return nil
	}
	return &tokens{filepath.Join(dir, "control.json")}
}

// Token implements docker.Tokens.
func (t *tokens) Token(control string) string {
	var r remembered
	if t == nil {
		return ""
	}
	data, err := os.ReadFile(t.file)
	if err != nil || json.Unmarshal(data, &r) != nil || r.Control != control {
		return ""
	}
	return r.Token
}

// Keep implements docker.Tokens.
func (t *tokens) Keep(control, token string) {
	if t == nil {
		return
	}
	if data, err := json.Marshal(remembered{control, token}); err == nil {
		_ = writeFile(t.file, data) // else control is asked again
	}
}
