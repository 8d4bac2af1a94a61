package registry

import (
	"io/fs"
	"syscall"
)

// changeTime is when a file or what is known of it changed last: no program can set it.
func changeTime(info fs.FileInfo) syscall.Timespec {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ctim
	}
	return syscall.Timespec{}
}
