package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// metadata reads the instance metadata service, version 2 (EC2 User Guide,
// "Use the Instance Metadata Service").
type metadata struct {
	base   string
	client *http.Client
	mu     sync.Mutex
	token  string
}

// errNoMetadata: the service answered, and has no such item.
var errNoMetadata = errors.New("not set")

// metadataPatience is how long a boot waits for the service, as cloud-init does.
const metadataPatience = 2 * time.Minute

func newMetadata(base string) *metadata {
	t := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, DisableKeepAlives: true}
	return &metadata{base: base, client: &http.Client{Transport: t, Timeout: 10 * time.Second}}
}

// get reads an item, trying until the service is there.
func (m *metadata) get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), metadataPatience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		data, err := m.try(ctx, path)
		if err == nil || errors.Is(err, errNoMetadata) {
			return data, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("metadata service: %w", err)
		}
	}
}

func (m *metadata) try(ctx context.Context, path string) ([]byte, error) {
	token, err := m.ensureToken(ctx)
	if err != nil {
		return nil, err
	}
	data, status, err := m.do(ctx, "GET", path, "X-aws-ec2-metadata-token", token)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, errNoMetadata
	case status != http.StatusOK:
		m.mu.Lock()
		m.token = "" // perhaps it is the token
		m.mu.Unlock()
		return nil, fmt.Errorf("%s: status %d", path, status)
	}
	return data, nil
}

func (m *metadata) ensureToken(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token != "" {
		return m.token, nil
	}
	data, status, err := m.do(ctx, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "300")
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("token: status %d", status)
	}
	m.token = strings.TrimSpace(string(data))
	return m.token, nil
}

func (m *metadata) do(ctx context.Context, method, path, header, value string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set(header, value)
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return data, resp.StatusCode, err
}
