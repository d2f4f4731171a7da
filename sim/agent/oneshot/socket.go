package oneshot

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"
)

// engines asks each socket for the id of the engine behind it; one that doesn't
// answer is left out.
func engines(files []string) map[string]string {
	found := map[string]string{}
	for _, f := range files {
		if id := engineAt(f); id != "" {
			found[f] = id
		}
	}
	return found
}

func engineAt(file string) string {
	c := &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", file)
			},
		},
	}
	resp, err := c.Get("http://engine/info")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var info struct{ ID string }
	if json.NewDecoder(resp.Body).Decode(&info) != nil {
		return ""
	}
	return info.ID
}
