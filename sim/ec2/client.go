package ec2

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// Client calls the EC2 API of a labsim.
type Client struct {
	Endpoint  string // http://127.0.0.1:4566
	AccessKey string // "": labsim's own
	SecretKey string
	Region    string       // "": us-east-1
	HTTP      *http.Client // nil: one without a proxy
}

// Do calls an operation. in is a pointer to the operation's request in package
// wire, or nil; out is a pointer to its result, or nil. An error that the API
// answered is a *sim.Error.
func (c *Client) Do(ctx context.Context, action string, in, out any) error {
	values := wire.EncodeQuery(in)
	values.Set("Action", action)
	values.Set("Version", wire.APIVersion)
	resp, err := c.post(ctx, []byte(values.Encode()))
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return decodeError(resp)
	}
	return wire.DecodeXML(resp.Body, out)
}

func (c *Client) post(ctx context.Context, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	keys := aws.Credentials{AccessKeyID: cmp.Or(c.AccessKey, "labsim"), SecretAccessKey: cmp.Or(c.SecretKey, "labsim")}
	if err := sign(r, body, keys, "ec2", cmp.Or(c.Region, "us-east-1"), time.Now()); err != nil {
		return nil, err
	}
	return cmp.Or(c.HTTP, direct).Do(r)
}

// direct never goes through a proxy: what it calls is on this machine.
var direct = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}

// decodeError reads an error's document; what is none becomes an error with the
// beginning of what came.
func decodeError(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	var doc ec2Error
	if xml.Unmarshal(data, &doc) != nil || len(doc.Errors) == 0 {
		text := strings.TrimSpace(string(data[:min(len(data), 200)]))
		return fmt.Errorf("the EC2 API answered %s: %s", resp.Status, text)
	}
	return sim.Errorf(doc.Errors[0].Code, "%s", doc.Errors[0].Message)
}
