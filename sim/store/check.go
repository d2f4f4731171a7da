package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// A file is read whole before bbolt maps it: bbolt trusts every number in it, and
// panics, reads outside of the map or never ends where one is wrong. What is
// checked is the tree, page by page, and by the sum that Commit keeps (see sum)
// that the rows in it are those that were committed.

// Of the file's format: bbolt's internal/common, version 2.
const (
	magic       = 0xED0CDAED
	fileVersion = 2

	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16
	metaSize     = 64

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	minPage, maxPage = 512, 64 << 10
	maxDepth         = 64 // of the tree; a real one has five levels where there are millions of rows
)

// errEmpty: nothing was ever written to the file.
var errEmpty = errors.New("the file is empty")

// contents is what a check has found.
type contents struct {
	older bool // the newest commit's head can't be read; this is the commit before it
}

// check reads the whole file. each, if any, is given every row; what it is given
// is its own. The error says what is damaged.
func check(file io.ReaderAt, size int64, each func(table, id string, data []byte) error) (contents, error) {
	if size == 0 {
		return contents{}, errEmpty
	}
	h, older, err := readHead(file, size)
	if err != nil {
		return contents{}, err
	}
	c := &checker{file: file, head: h, used: make([]bool, h.pages), each: each}
	return contents{older: older}, c.all()
}

// head is a meta page.
type head struct {
	pageSize       int64
	root, freelist uint64
	pages          uint64 // all pages are below it
	txid           uint64
}

// readHead returns the newer of the two heads that is whole: bbolt writes them in turn.
func readHead(file io.ReaderAt, size int64) (h head, older bool, err error) {
	first, ok := headAt(file, 0)
	pageSize := first.pageSize
	for at := int64(minPage); !ok && pageSize == 0 && at <= maxPage; at *= 2 {
		if second, found := headAt(file, at); found && second.pageSize == at {
			pageSize = at
		}
	}
	if pageSize == 0 {
		return head{}, false, errors.New("it has no head")
	}
	second, ok2 := headAt(file, pageSize)
	ok2 = ok2 && second.pageSize == pageSize
	h = first
	if !ok || ok2 && second.txid > first.txid {
		h = second
	}
	if h.pages > uint64(size/pageSize) {
		return head{}, false, fmt.Errorf("it was cut: it has %d bytes of %d", size, int64(h.pages)*pageSize)
	}
	return h, !ok || !ok2, nil
}

func headAt(file io.ReaderAt, at int64) (head, bool) {
	b := make([]byte, pageHeader+metaSize)
	if n, _ := file.ReadAt(b, at); n < len(b) {
		return head{}, false
	}
	b = b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if u32(b) != magic || u32(b[4:]) != fileVersion || u64(b[56:]) != sum.Sum64() {
		return head{}, false
	}
	h := head{pageSize: int64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pages: u64(b[40:]), txid: u64(b[48:])}
	if h.pageSize < minPage || h.pageSize > maxPage || h.pageSize&(h.pageSize-1) != 0 || h.pages < 4 || h.pages > math.MaxInt32 {
		return head{}, false
	}
	return h, true
}

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

type checker struct {
	file io.ReaderAt
	head head
	used []bool // by page: it is part of the tree or of the list of free ones
	each func(table, id string, data []byte) error

	sum    sum
	record []byte // of the sum, as it was committed
}

func (c *checker) all() error {
	c.used[0], c.used[1] = true, true
	if err := c.tree(c.head.root, nil, 0, bounds{}); err != nil {
		return err
	}
	if err := c.free(); err != nil {
		return err
	}
	return c.sum.matches(c.record, c.head.txid)
}

// page reads a page with those that it overflows into, and takes note of them.
func (c *checker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.head.pages {
		return nil, fmt.Errorf("page %d does not exist", id)
	}
	h := make([]byte, pageHeader)
	if _, err := c.file.ReadAt(h, int64(id)*c.head.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(u32(h[12:]))
	if u64(h) != id || id+more >= c.head.pages {
		return nil, fmt.Errorf("page %d is another one, or destroyed", id)
	}
	for n := id; n <= id+more; n++ {
		if c.used[n] {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		c.used[n] = true
	}
	b := make([]byte, int64(more+1)*c.head.pageSize)
	if _, err := c.file.ReadAt(b, int64(id)*c.head.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

// bounds of the keys of a page; nil: none.
type bounds struct{ first, end []byte }

// tree walks a bucket from a page on. table is the bucket's name, nil for the root's.
func (c *checker) tree(id uint64, table []byte, depth int, in bounds) error {
	b, err := c.page(id)
	if err != nil {
		return err
	}
	if err := c.node(b, table, depth, in); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// node checks a page, or what stands for one inside a row.
func (c *checker) node(b []byte, table []byte, depth int, in bounds) error {
	if depth > maxDepth {
		return errors.New("the tree has no end")
	}
	if len(b) < pageHeader {
		return errors.New("it is too short")
	}
	flags, count := u16(b[8:]), int(u16(b[10:]))
	if pageHeader+count*elementSize > len(b) {
		return fmt.Errorf("%d elements have no room", count)
	}
	if flags != leafPage && (flags != branchPage || count == 0) {
		return fmt.Errorf("of no known kind (%#x)", flags)
	}
	var keys [][]byte
	for n := range count {
		key, err := keyOf(b, pageHeader+n*elementSize, flags == branchPage)
		switch {
		case err != nil:
			return err
		case n > 0 && bytes.Compare(keys[n-1], key) >= 0:
			return errors.New("its keys are not in order")
		case in.first != nil && bytes.Compare(key, in.first) < 0, in.end != nil && bytes.Compare(key, in.end) >= 0:
			return errors.New("a key is not where it belongs")
		}
		keys = append(keys, key)
	}
	for n, key := range keys {
		e := b[pageHeader+n*elementSize:]
		var err error
		if flags == branchPage {
			below := bounds{first: key, end: in.end}
			if n+1 < len(keys) {
				below.end = keys[n+1]
			}
			err = c.tree(u64(e[8:]), table, depth+1, below)
		} else {
			err = c.leaf(u32(e), table, key, e[u32(e[4:])+u32(e[8:]):][:u32(e[12:])], depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keyOf returns the key of the element at that place; its value, if it has one,
// lies within the page.
func keyOf(b []byte, at int, branch bool) ([]byte, error) {
	e := b[at:]
	pos, size, value := uint64(u32(e[4:])), uint64(u32(e[8:])), uint64(u32(e[12:]))
	if branch {
		pos, size, value = uint64(u32(e)), uint64(u32(e[4:])), 0
	}
	if pos+size+value > uint64(len(e)) {
		return nil, errors.New("an element reaches out of it")
	}
	return e[pos : pos+size], nil
}

// leaf checks a bucket in the root, or takes a row of a table.
func (c *checker) leaf(flags uint32, table, key, value []byte, depth int) error {
	switch {
	case flags == bucketFlag && table == nil && len(value) >= bucketHeader:
		if root := u64(value); root != 0 {
			return c.tree(root, key, depth+1, bounds{})
		}
		return c.node(value[bucketHeader:], key, depth+1, bounds{})
	case flags != 0 || table == nil:
		return fmt.Errorf("%q is neither a table nor a row", key)
	case bytes.Equal(table, metaBucket):
		if bytes.Equal(key, sumKey) {
			c.record = bytes.Clone(value)
		}
		return nil
	}
	c.sum.add(table, key, value)
	if c.each != nil {
		return c.each(string(table), string(key), bytes.Clone(value))
	}
	return nil
}

// free checks the list of the free pages: one that is in use would be overwritten.
func (c *checker) free() error {
	b, err := c.page(c.head.freelist)
	if err != nil {
		return fmt.Errorf("free pages: %w", err)
	}
	n, ids := uint64(u16(b[10:])), b[pageHeader:]
	if n == math.MaxUint16 {
		n, ids = u64(ids), ids[8:]
	}
	if u16(b[8:]) != freelistPage || n > uint64(len(ids)/8) {
		return errors.New("free pages: the list is destroyed")
	}
	for ; n > 0; n, ids = n-1, ids[8:] {
		id := u64(ids)
		if id < 2 || id >= c.head.pages || c.used[id] {
			return fmt.Errorf("free pages: page %d is none", id)
		}
		c.used[id] = true
	}
	return nil
}
