package oneshot

import (
	"bytes"
	"errors"
	"os"
)

// token reads control's file of the site's token.
func token(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(bytes.TrimSpace(b)) == 0 {
		err = errors.New("the token is empty")
	}
	return string(bytes.TrimSpace(b)), err
}
