// Package storetest makes state files that no build of today would write.
package storetest

import (
	"errors"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// SetFormat says of the state file at path, which nobody has open, that it is of
// that format, and returns of which it was.
func SetFormat(path string, format int) (was int, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("labsim"))
		if meta == nil {
			return errors.New("it is no state file")
		}
		was, err = strconv.Atoi(string(meta.Get([]byte("format"))))
		return errors.Join(err, meta.Put([]byte("format"), []byte(strconv.Itoa(format))))
	})
	return was, errors.Join(err, db.Close())
}
