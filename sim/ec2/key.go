package ec2

import (
	"bytes"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"labsim/sim"
)

// rsaBits is the size of the RSA keys that CreateKeyPair makes.
const rsaBits = 2048

// key is a key pair as EC2 shows it.
type key struct {
	kind        string // rsa, ed25519
	public      string // authorized_keys form
	private     string // PEM; "" for an imported one
	fingerprint string
}

// newKey makes a key pair.
func newKey(kind string) (key, error) {
	if kind == "ed25519" {
		return newEd25519()
	}
	return newRSA()
}

// newRSA: the private half in PKCS #1, as EC2 gives it; the fingerprint is the
// SHA-1 of the private half in PKCS #8 (EC2 User Guide, "Verify the fingerprint
// of your key pair").
func newRSA() (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return key{}, err
	}
	public, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		return key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key{}, err
	}
	sum := sha1.Sum(der)
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	return key{kind: "rsa", public: authorizedKey(public), private: string(block), fingerprint: colons(sum[:])}, nil
}

// newEd25519: the private half in OpenSSH's form, the only one that ssh reads;
// the fingerprint is OpenSSH's SHA-256, for imported keys too.
func newEd25519() (key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		return key{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return key{}, err
	}
	return key{kind: "ed25519", public: authorizedKey(sshPublic), private: string(pem.EncodeToMemory(block)), fingerprint: ed25519Fingerprint(sshPublic)}, nil
}

// importedKey reads the public half of a key pair in OpenSSH's form, in its
// base64 alone, or in SSH2's (RFC 4716).
func importedKey(material []byte) (key, error) {
	public, comment, err := parsePublic(bytes.TrimSpace(material))
	if err != nil {
		return key{}, sim.Errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	}
	k := key{public: strings.TrimSpace(authorizedKey(public) + " " + sim.Printable(comment))}
	switch public.Type() {
	case ssh.KeyAlgoED25519:
		k.kind, k.fingerprint = "ed25519", ed25519Fingerprint(public)
		return k, nil
	case ssh.KeyAlgoRSA:
		k.kind = "rsa"
		k.fingerprint, err = rsaPublicFingerprint(public)
		return k, err
	}
	return key{}, sim.Errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format: EC2 takes RSA and ED25519 keys, not %s", public.Type())
}

func parsePublic(material []byte) (ssh.PublicKey, string, error) {
	if public, comment, _, _, err := ssh.ParseAuthorizedKey(material); err == nil {
		return public, comment, nil
	}
	var body strings.Builder
	for line := range strings.Lines(string(material)) {
		// Armour and headers of RFC 4716 have a "-" or a ":" that base64 has not.
		if line = strings.TrimSpace(line); !strings.ContainsAny(line, "-:") {
			body.WriteString(line)
		}
	}
	blob, err := base64.StdEncoding.DecodeString(body.String())
	if err != nil {
		return nil, "", err
	}
	public, err := ssh.ParsePublicKey(blob)
	return public, "", err
}

// rsaPublicFingerprint is the MD5 of the public half in DER, for imported keys.
func rsaPublicFingerprint(public ssh.PublicKey) (string, error) {
	k, ok := public.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return "", fmt.Errorf("an RSA key of type %T", public)
	}
	if n := k.N.BitLen(); n != 1024 && n != 2048 && n != 4096 {
		return "", sim.Errorf("InvalidKey.Format", "The key has %d bits; EC2 takes RSA keys of 1024, 2048 and 4096", n)
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return "", err
	}
	sum := md5.Sum(der)
	return colons(sum[:]), nil
}

func ed25519Fingerprint(public ssh.PublicKey) string {
	return strings.TrimPrefix(ssh.FingerprintSHA256(public), "SHA256:") + "="
}

func authorizedKey(public ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

// colons writes a sum as EC2 does: 1f:51:ae:...
func colons(sum []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":")
}
