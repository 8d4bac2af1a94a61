//go:build !linux

package registry

import (
	"io/fs"
	"time"
)

// changeTime is the time of modification where nothing better is read.
func changeTime(info fs.FileInfo) time.Time { return info.ModTime() }
