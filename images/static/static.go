// Package static tells programs that run in any container from those that need a
// dynamic loader there.
package static

import "debug/elf"

// Is reports whether a file is an ELF program without a dynamic loader.
func Is(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
