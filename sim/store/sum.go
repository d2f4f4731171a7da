package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// sum is over all rows, in whatever order: each commit takes what a row was out
// of it and puts in what it is. bbolt keeps none of its own, and a damaged row may
// well be one that can be read.
type sum uint64

func (s *sum) add(table, id, data []byte)    { *s += rowSum(table, id, data) }
func (s *sum) remove(table, id, data []byte) { *s -= rowSum(table, id, data) }

func rowSum(table, id, data []byte) sum {
	b := binary.AppendUvarint(nil, uint64(len(table)))
	b = append(b, table...)
	b = binary.AppendUvarint(b, uint64(len(id)))
	b = append(b, id...)
	h := sha256.Sum256(append(b, data...))
	return sum(binary.BigEndian.Uint64(h[:]))
}

// sumKey is where the sum stands beside the format: the transaction that it is of,
// itself, and a checksum of these two.
var sumKey = []byte("sum")

const sumSize = 8 + 8 + 4

func (s sum) record(txid uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, txid)
	b = binary.BigEndian.AppendUint64(b, uint64(s))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// matches compares the sum of the rows that are there with the record of a
// transaction. A labsim that keeps no sum leaves none, or that of an earlier
// transaction: then nothing can be said.
func (s sum) matches(record []byte, txid uint64) error {
	switch {
	case record == nil:
		return nil
	case len(record) != sumSize || crc32.ChecksumIEEE(record[:16]) != binary.BigEndian.Uint32(record[16:]):
		return errors.New("the sum of its rows is destroyed")
	case binary.BigEndian.Uint64(record) == txid && !bytes.Equal(record, s.record(txid)):
		return errors.New("its rows are not those that were committed")
	}
	return nil
}

// sumOf returns the sum of what tx sees: as it was recorded, or counted anew
// where nobody did.
func sumOf(tx *bbolt.Tx) (s sum, err error) {
	before := uint64(tx.ID())
	if tx.Writable() {
		before--
	}
	record := tx.Bucket(metaBucket).Get(sumKey)
	if len(record) == sumSize && binary.BigEndian.Uint64(record) == before {
		return sum(binary.BigEndian.Uint64(record[8:])), nil
	}
	err = eachRow(tx, func(table, id, data []byte) error {
		s.add(table, id, data)
		return nil
	})
	return s, err
}
