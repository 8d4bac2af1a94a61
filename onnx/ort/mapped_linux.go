package ort

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReleaseMapped lets the system take back the pages of the files in dir that this process has mapped and not changed, such as
// weights that a session has read and packed. They come back from the file when they are touched again, as a token
// embedding's rows are. It changes nothing but the memory in use, and returns how many bytes of address space it went over.
func ReleaseMapped(dir string) (bytes int64, err error) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, fmt.Errorf("release mapped files of %s: %w", dir, err)
	}
	defer smaps.Close() //nolint:errcheck // only read
	var from, to uintptr
	inside := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "Anonymous:") {
			if a, b, ok := mapping(line); ok {
				from, to, inside = a, b, liesIn(line, dir)
			}
			continue
		}
		if kilobytes := strings.Fields(line); !inside || len(kilobytes) < 2 || kilobytes[1] != "0" {
			continue // not ours, or changed since: what was written would be lost
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return bytes, fmt.Errorf("release mapped files of %s: %w", dir, errno)
		}
		bytes += int64(to - from)
	}
	return bytes, lines.Err()
}

// mapping reads the addresses off the first line of a mapping: "7f00-7f10 r--p 00000000 08:01 42 /path".
func mapping(line string) (from, to uintptr, ok bool) {
	addresses, _, _ := strings.Cut(line, " ")
	first, last, found := strings.Cut(addresses, "-")
	if !found {
		return 0, 0, false
	}
	a, err := strconv.ParseUint(first, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(last, 16, 64)
	return uintptr(a), uintptr(b), err == nil && b > a
}

// liesIn says whether the first line of a mapping names a file of a folder.
func liesIn(line, dir string) bool {
	_, path, found := strings.Cut(line, " /")
	return found && filepath.Dir("/"+path) == dir
}
