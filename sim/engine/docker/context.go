package docker

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/docker/client"

	"labsim/sim"
)

// endpoint is an engine's address and how it was found.
type endpoint struct {
	Host    string
	TLS     *tls.Config
	Context string // the context's name; "" for an address
	Default bool   // nobody named an engine: Docker's own default address
}

// resolve finds the engine as the docker command does: what is asked for, then
// DOCKER_HOST, DOCKER_CONTEXT, the configuration's currentContext, the default.
func resolve(o Options, getenv func(string) string) (endpoint, error) {
	dir := configDir(getenv)
	switch {
	case o.Host != "":
		return fromHost(o.Host, getenv)
	case o.Context != "":
		return fromContext(dir, o.Context, getenv)
	case getenv("DOCKER_HOST") != "":
		return fromHost(getenv("DOCKER_HOST"), getenv)
	case getenv("DOCKER_CONTEXT") != "":
		return fromContext(dir, getenv("DOCKER_CONTEXT"), getenv)
	}
	current, err := currentContext(dir)
	if err != nil {
		return endpoint{}, err
	}
	return fromContext(dir, current, getenv)
}

func fromHost(host string, getenv func(string) string) (endpoint, error) {
	at := endpoint{Host: host}
	if getenv("DOCKER_TLS_VERIFY") == "" {
		return at, nil
	}
	certs := getenv("DOCKER_CERT_PATH")
	if certs == "" {
		certs = configDir(getenv)
	}
	var err error
	at.TLS, err = readTLS(certs, false)
	return at, err
}

// currentContext reads config.json; a missing file means the default.
func currentContext(dir string) (string, error) {
	file := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var c struct{ CurrentContext string }
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return "", &sim.Failure{What: sim.T("Docker's configuration %s can't be read", file), Err: err}
	}
	return c.CurrentContext, nil
}

// fromContext reads a context's files. Their names are the hash of its name
// (docker/cli, cli/context/store).
func fromContext(dir, name string, getenv func(string) string) (endpoint, error) {
	if name == "" || name == "default" {
		if h := getenv("DOCKER_HOST"); h != "" {
			return fromHost(h, getenv)
		}
		return endpoint{Host: client.DefaultDockerHost, Default: true}, nil
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	b, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if err != nil {
		return endpoint{}, &sim.Failure{
			What: sim.T("there is no Docker context named %s", name),
			Next: []sim.Text{sim.Cmd("docker context ls")},
			Err:  ErrUnusable,
		}
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		return endpoint{}, fmt.Errorf("docker context %s: %w", name, err)
	}
	d := meta.Endpoints["docker"]
	at := endpoint{Host: d.Host, Context: name}
	if at.Host == "" {
		at.Host = client.DefaultDockerHost
	}
	certs := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(certs); err == nil || d.SkipTLSVerify {
		if at.TLS, err = readTLS(certs, d.SkipTLSVerify); err != nil {
			return endpoint{}, fmt.Errorf("docker context %s: %w", name, err)
		}
	}
	return at, nil
}

// readTLS reads ca.pem, cert.pem and key.pem, each where it is there.
func readTLS(dir string, skipVerify bool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skipVerify}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err == nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s: no certificate in it", filepath.Join(dir, "ca.pem"))
		}
	}
	cert := filepath.Join(dir, "cert.pem")
	if _, err := os.Stat(cert); err != nil {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
