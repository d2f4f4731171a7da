package files

import (
	"io/fs"
	"testing"
)

func TestParseMode(t *testing.T) {
	for _, c := range []struct {
		text string
		old  fs.FileMode
		want fs.FileMode // 0 is an error
	}{
		{"644", 0, 0o644},
		{"1777", fs.ModeDir, 0o777 | fs.ModeSticky},
		{"u+x", 0o644, 0o744},
		{"+x", 0o600, 0o711},
		{"+w", 0o400, 0o600}, // the mask, 022, keeps it from group and others
		{"go-rwx", 0o777, 0o700},
		{"a=r,u+w", 0o777, 0o644},
		{"a+rX", 0o600, 0o644},
		{"a+rX", 0o700, 0o755},
		{"u+s", 0o755, 0o755 | fs.ModeSetuid},
		{"g=u", 0o740, 0o770},
		{"z+x", 0o644, 0},
		{"99999", 0, 0},
		{"u?x", 0, 0},
	} {
		got, err := parseMode(c.text, c.old, 0o022)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s of %v: %v, %v; want %v", c.text, c.old, got, err, c.want)
		}
	}
}
