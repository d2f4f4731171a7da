package ec2

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The private half that is handed out opens what the public half that is kept closes.
func TestNewKey(t *testing.T) {
	for kind, fingerprint := range map[string]int{"rsa": 59, "ed25519": 44} {
		k, err := newKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		private, err := ssh.ParsePrivateKey([]byte(k.private))
		if err != nil {
			t.Fatalf("%s: %v in\n%s", kind, err, k.private)
		}
		if got := authorizedKey(private.PublicKey()); got != k.public {
			t.Errorf("%s: the private key has the public half %s, kept is %s", kind, got, k.public)
		}
		if k.kind != kind || len(k.fingerprint) != fingerprint {
			t.Errorf("%s: kind %s, fingerprint %q, want one of %d characters", kind, k.kind, k.fingerprint, fingerprint)
		}
	}
}

// The keys and what ssh-keygen and openssl say of them:
//
//	ssh-keygen -ef KEY -m PEM | openssl rsa -RSAPublicKey_in -outform DER | openssl md5 -c
//	ssh-keygen -lf KEY
func TestImportedKey(t *testing.T) {
	for _, tt := range []struct{ name, material, kind, fingerprint string }{
		{"ed25519", testEd25519 + " me@here", "ed25519", testEd25519Print},
		{"RSA", testRSA, "rsa", testRSAPrint},
		{"RSA, base64 alone", strings.Fields(testRSA)[1], "rsa", testRSAPrint},
		{"RSA in SSH2's form", "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"x\"\n" + fold(strings.Fields(testRSA)[1]) + "---- END SSH2 PUBLIC KEY ----\n", "rsa", testRSAPrint},
	} {
		k, err := importedKey([]byte(tt.material))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if k.kind != tt.kind || k.fingerprint != tt.fingerprint || k.private != "" {
			t.Errorf("%s: kind %s, fingerprint %s, want %s, %s", tt.name, k.kind, k.fingerprint, tt.kind, tt.fingerprint)
		}
	}
	if k, err := importedKey([]byte(testEd25519 + " me\x1b[2J")); err != nil || k.public != testEd25519+` me\x1b[2J` {
		t.Errorf("a comment with an ESC: %q, %v", k.public, err)
	}
	for _, bad := range []string{"", "ssh-rsa AAAA", "nonsense", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="} {
		if k, err := importedKey([]byte(bad)); err == nil {
			t.Errorf("%q was imported as %+v", bad, k)
		}
	}
}

func fold(s string) string {
	var b strings.Builder
	for len(s) > 70 {
		b.WriteString(s[:70] + "\n")
		s = s[70:]
	}
	return b.String() + s + "\n"
}

const (
	testRSA          = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDA07kTsOQVLPTBBrOQWUtffLdQcg+jRW2GujwEXvitVST8uU79vhY7NYMPPejbKJxgSmzUoId63xacUgFs02H7+VYfqbxaOWRP6BUR0zagy2HFTvDxaayGVmFASav6c1lCKL4t73KAWuAy0zqZjwtfDtVmDs2GtoufxIoEW6+YG8K2fZJVR1bnrYinsrMzR1kNfruETlQaOkVFtaGuClANQ8F5XWMpIwVGQymqm+ZxNhJm58C1z6J0fYyRUhEBxL6zckH/Q/tB/qxDRGAyv31mRdVH7WpSejQrsha1h+QWC4kpqwHElnBjSQ7QHbpR9jhaJCNLY9j6a8xI8UikDGZ3"
	testRSAPrint     = "7d:e0:88:73:ae:59:76:9c:a0:93:9e:ff:8c:80:4d:2f"
	testEd25519      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIgQ/1wtYiYEjUCFM6tjqAI0UFXOAeyfaPTie58zbC5"
	testEd25519Print = "JGhYA6Tix9Ouzg0m4xROHMdngWic/wFSzKfgwvco/jQ="
)
