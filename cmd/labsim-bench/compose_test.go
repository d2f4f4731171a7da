package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Compose starts has every limit that an instance has; which those are,
// twin.go says.
func TestComposeFile(t *testing.T) {
	var c container
	if err := json.Unmarshal([]byte(`{"Id": "0a1b", "Image": "sha256:0c", "HostConfig": {
		"Memory": 1073741824, "MemorySwap": 1073741824, "NanoCpus": 1500000000, "PidsLimit": 4096, "IpcMode": "private", "CapDrop": ["ALL"], "CapAdd": ["CHOWN"],
		"SecurityOpt": ["seccomp={}"],
		"RestartPolicy": {"Name": ""}, "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 65536}],
		"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Binds": ["x:/y"]}}`), &c); err != nil {
		t.Fatal(err)
	}
	text, err := composeFile(c, "/tmp/labsim", "/tmp/seccomp.json", map[string]string{labelBench: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Version  string
		Services map[string]map[string]any
		Networks map[string]any
		Volumes  map[string]any
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	type object = map[string]any
	labels := object{labelBench: "x"}
	want := object{
		"image": "sha256:0c", "entrypoint": []any{"/init"}, "labels": labels, "networks": []any{"private"},
		"volumes":   []any{"data:/data", "/tmp/labsim:/init:ro"},
		"mem_limit": 1073741824.0, "memswap_limit": 1073741824.0, "cpus": 1.5, "pids_limit": 4096.0,
		"ipc": "private", "cap_drop": []any{"ALL"}, "cap_add": []any{"CHOWN"}, "security_opt": []any{"seccomp=/tmp/seccomp.json"},
		"ulimits": object{"nofile": object{"soft": 1024.0, "hard": 65536.0}},
		"logging": object{"driver": "json-file", "options": object{"max-size": "1m"}},
	}
	if d := cmp.Diff(want, file.Services["db"]); d != "" {
		t.Errorf("db (-want +got):\n%s", d)
	}
	if len(file.Services) != 3 || file.Version != "2.4" {
		t.Errorf("version %q, %d services", file.Version, len(file.Services))
	}
	for _, all := range []map[string]any{file.Networks, file.Volumes} {
		for name, x := range all {
			if d := cmp.Diff(object{"labels": labels}, x); d != "" { // or what a killed run leaves is not found
				t.Errorf("%s: %s", name, d)
			}
		}
	}
	covered := []string{"Memory", "MemorySwap", "NanoCpus", "PidsLimit", "Ulimits", "LogConfig", "IpcMode", "CapDrop", "CapAdd",
		"SecurityOpt", "MaskedPaths", "CgroupnsMode", "RestartPolicy"}
	if !slices.Equal(limits, covered) {
		t.Errorf("a twin has the limits %v: composeFile and this test know %v", limits, covered)
	}
}
