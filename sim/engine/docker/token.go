package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	verbs "labsim/sim/agent/oneshot"
)

// tokenFile is where control keeps the site's token.
const tokenFile = "/state/token"

// Tokens remembers, for this user alone, the token of a control from one command
// to the next: to ask for it costs a process in control.
type Tokens interface {
	// Token returns that of the control with this container id, "" if it is not known.
	Token(control string) string
	// Keep replaces what is remembered. It is no loss where that can't be written.
	Keep(control, token string)
}

// token returns the site's token, by the id of control's container.
func (e *Engine) token(ctx context.Context, control string) (string, error) {
	if e.tokens == nil {
		return e.askToken(ctx, control)
	}
	if t := e.tokens.Token(control); t != "" {
		return t, nil
	}
	t, err := e.askToken(ctx, control)
	if err == nil {
		e.tokens.Keep(control, t)
	}
	return t, err
}

// forgetToken makes the next one be asked for.
func (e *Engine) forgetToken(control string) {
	if e.tokens != nil {
		e.tokens.Keep(control, "")
	}
}

// askToken has control print it, as nobody can who has no access to Docker. It
// is no file that is copied out of the container: for a copy the engine mounts
// once more what the container binds, and those mounts stay.
func (e *Engine) askToken(ctx context.Context, control string) (token string, err error) {
	made, err := e.c.ContainerExecCreate(ctx, control, container.ExecOptions{
		Cmd: []string{systemBinary, "oneshot", verbs.Token, tokenFile}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return "", err
	}
	stream, err := e.c.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)()
	var out, complaint bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &complaint, io.LimitReader(stream.Reader, 64<<10)); err != nil {
		return "", err
	}
	if err := json.Unmarshal(out.Bytes(), &token); err != nil {
		err := fmt.Errorf("control was asked for the token: %s", strings.TrimSpace(complaint.String()+out.String()))
		if verbs.Unknown(err) {
			return "", OtherBuild(err)
		}
		return "", err
	}
	return token, nil
}
