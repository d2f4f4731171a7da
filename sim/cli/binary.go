package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"labsim/images/static"
	"labsim/sim"
)

// linuxBinary returns this program as a static Linux binary for the engine's
// platform ("linux/amd64"): itself where it is one, else one that the Go tool
// builds of the same module into the user's cache.
func linuxBinary(ctx context.Context, platform string) (string, error) {
	_, arch, _ := strings.Cut(platform, "/")
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == arch && static.Is(exe) {
		return exe, nil
	}
	return buildLinux(ctx, exe, arch)
}

func buildLinux(ctx context.Context, exe, arch string) (string, error) {
	advice := []sim.Text{sim.Cmd("CGO_ENABLED=0 go run ./cmd/labsim up")}
	dir, err := moduleDir(ctx)
	if err != nil {
		return "", &sim.Failure{What: sim.T("this labsim is no static Linux program for %s, and its source is not here to build one", arch), Next: advice, Err: err}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	// one file per source tree and architecture; the Go tool knows whether it is up to date
	h := sha256.Sum256([]byte(dir))
	out := filepath.Join(cache, "labsim", hex.EncodeToString(h[:6])+"-linux-"+arch)
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "./cmd/labsim")
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if text, err := c.CombinedOutput(); err != nil {
		return "", &sim.Failure{What: sim.T("the Linux part of labsim could not be built: %s", strings.TrimSpace(string(text))), Next: advice, Err: err}
	}
	return out, nil
}

// moduleDir finds the source of this module: the working directory is in it
// when labsim was called by `go run`.
func moduleDir(ctx context.Context) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("no build information")
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}").Output()
	if err != nil {
		return "", err
	}
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if path != info.Main.Path {
		return "", errors.New("the working directory is not in the module " + info.Main.Path)
	}
	return dir, nil
}
