package wire

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// Bounds of the host keys of one guest. sshd has three; RSA with 4,096 bits, the
// longest in use, takes 724 bytes.
const (
	MaxHostKeys     = 8
	MaxHostKeyBytes = 8 << 10 // of all of them
)

// HostKeys returns the public keys in lines of authorized_keys' form, written
// anew: type and key, without options, comments or whatever else a guest puts
// into its line, such as a line end and a line of known_hosts. What is no key, a
// certificate, twice there or too much is left out.
func HostKeys(lines []string) []string {
	var out []string
	size := 0
	seen := map[string]bool{}
	for _, line := range lines[:min(len(lines), 4*MaxHostKeys)] {
		key, ok := hostKey(line)
		if !ok || seen[key] || len(out) == MaxHostKeys || size+len(key) > MaxHostKeyBytes {
			continue
		}
		seen[key] = true
		out, size = append(out, key), size+len(key)
	}
	return out
}

func hostKey(line string) (string, bool) {
	if len(line) > 2*MaxHostKeyBytes {
		return "", false
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "", false
	}
	if _, isCertificate := key.(*ssh.Certificate); isCertificate {
		return "", false
	}
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n"), true
}
