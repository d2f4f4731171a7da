package ebs

import (
	"bytes"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"golang.org/x/sys/unix"
)

// format makes an ext4 file system over the whole of f, which has its size.
// 4 KiB blocks at any size, or a small volume would be made of 1 KiB blocks,
// which direct I/O of most disks can't address.
func format(f *os.File, size int64, label string) error {
	p := &ext4.Params{
		SectorsPerBlock: 8,
		VolumeName:      label,
		Features: []ext4.FeatureOpt{
			// The library lays reserved descriptors out for 1 KiB blocks only. The
			// kernel grows without them.
			ext4.WithFeatureReservedGDTBlocksForExpansion(false),
			ext4.WithFeatureDirectoryIndices(true),
			ext4.WithFeatureMetadataChecksums(true),
		},
	}
	out := &sparse{File: f}
	_, err := ext4.Create(file.New(out, false), size, 0, 512, p)
	if out.err != nil {
		err = out.err // the library loses it
	}
	if err != nil {
		return fmt.Errorf("make a file system: %w", err)
	}
	return f.Sync()
}

// sparse writes zeros as holes. The library zeroes inode tables and journal by
// writing them: 390 MB for a volume of 8 GiB.
type sparse struct {
	*os.File
	err error // of the first write that failed
}

func (s *sparse) WriteAt(p []byte, off int64) (int, error) {
	const chunk = 1 << 20
	for done := 0; done < len(p); {
		part := p[done:min(done+chunk, len(p))]
		if err := s.writePart(part, off+int64(done)); err != nil {
			if s.err == nil {
				s.err = err
			}
			return done, err
		}
		done += len(part)
	}
	return len(p), nil
}

func (s *sparse) writePart(p []byte, off int64) error {
	if len(p) >= 4096 && isZero(p) {
		err := unix.Fallocate(int(s.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, int64(len(p)))
		if err == nil {
			return nil
		}
	}
	_, err := s.File.WriteAt(p, off)
	return err
}

func isZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if !bytes.Equal(p[:n], zeros[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}

var zeros [64 << 10]byte
