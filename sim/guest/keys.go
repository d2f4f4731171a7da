package guest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// hostKey reads the instance's host key; an instance that boots for the first
// time gets a new one, so that the copies of an AMI never share one.
func hostKey(path string, fresh bool) (ssh.Signer, error) {
	if !fresh {
		if data, err := os.ReadFile(path); err == nil {
			return ssh.ParsePrivateKey(data)
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return signer, os.WriteFile(path+".pub", []byte(authorizedKey(signer.PublicKey())+"\n"), 0o644)
}

func authorizedKey(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// loginKeys are the keys that ec2-user may log in with: those of its
// authorized_keys, into which the first boot puts the one of the key pair.
type loginKeys struct {
	root    string
	fetched chan struct{} // closed when the metadata service has been asked
}

func newLoginKeys(root string) *loginKeys {
	return &loginKeys{root: root, fetched: make(chan struct{})}
}

const keyItem = "/latest/meta-data/public-keys/0/openssh-key"

// fetch gets the key pair's public key. After the first boot the file belongs
// to the user.
func (l *loginKeys) fetch(m *metadata, firstBoot bool) error {
	defer close(l.fetched)
	if !firstBoot {
		return nil
	}
	key, err := m.get(keyItem)
	if errors.Is(err, errNoMetadata) {
		return errors.New("the instance was launched without a key pair")
	}
	if err != nil {
		return err
	}
	user, err := lookupAccount(l.root, "ec2-user")
	if err != nil {
		return err
	}
	dir := filepath.Join(l.root, user.home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "authorized_keys")
	if old, err := os.ReadFile(file); err != nil || !bytes.Contains(old, bytes.TrimSpace(key)) {
		data := append(append(old, bytes.TrimSpace(key)...), '\n')
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
	}
	os.Chown(dir, int(user.uid), int(user.gid))
	return os.Chown(file, int(user.uid), int(user.gid))
}

// allows says whether key may log in. A client may come before the metadata
// service has answered: then it waits, as it would for a slower boot.
func (l *loginKeys) allows(key ssh.PublicKey) bool {
	select {
	case <-l.fetched:
	case <-time.After(30 * time.Second):
	}
	user, err := lookupAccount(l.root, "ec2-user")
	if err != nil {
		return false
	}
	data, err := os.ReadFile(filepath.Join(l.root, user.home, ".ssh/authorized_keys"))
	if err != nil {
		return false
	}
	for len(data) > 0 {
		known, _, _, rest, err := ssh.ParseAuthorizedKey(data)
		if err != nil {
			return false
		}
		if bytes.Equal(known.Marshal(), key.Marshal()) {
			return true
		}
		data = rest
	}
	return false
}
