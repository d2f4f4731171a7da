package control

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"labsim/sim/store"
	"labsim/sim/world"
)

// state is where the world's rows last.
type state struct {
	rows   iter.Seq2[world.Change, error]
	commit func([]world.Change) error // nil: they don't
	copy   func() error               // nil: likewise
	older  bool                       // the newest commit could not be read
	close  func() error
}

// openState opens the database at path; "" keeps nothing.
func openState(path string) (state, error) {
	if path == "" {
		return state{rows: world.Nothing, close: func() error { return nil }}, nil
	}
	s, err := store.Open(path)
	if err != nil {
		return state{}, err
	}
	return state{rows: s.Rows(), commit: s.Commit, copy: s.Copy, older: s.Older(), close: s.Close}, nil
}

// siteToken returns the token of the site, made at the first start.
func siteToken(o *Options) (string, error) {
	if o.TokenPath == "" {
		return o.Token, nil
	}
	data, err := os.ReadFile(o.TokenPath)
	if token := strings.TrimSpace(string(data)); token != "" {
		return token, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var b [24]byte
	rand.Read(b[:]) // never fails
	token := hex.EncodeToString(b[:])
	// By rename, so that who reads it sees all of it or nothing.
	next := o.TokenPath + ".new"
	if err := os.MkdirAll(filepath.Dir(o.TokenPath), 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(next, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("the site's token: %w", err)
	}
	return token, os.Rename(next, o.TokenPath)
}
