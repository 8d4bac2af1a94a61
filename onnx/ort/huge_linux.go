package ort

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	madvCollapse = 25         // MADV_COLLAPSE, since Linux 6.1
	minHuge      = 4 << 20    // smaller mappings gain nothing
	goHeap       = 0xc0 << 32 // where Go's own heap begins, which the garbage collector looks after
	goHeapEnd    = 0xc1 << 32
)

// UseHugePages moves large memory of this process that is resident as a whole into huge pages: the packed weights of its
// sessions, of which a decode step reads every byte. Half of the time that the processor takes to translate their addresses
// is saved. It is done at once, takes about as long as copying the memory, uses no more of it, and does nothing where the
// kernel cannot or must not. It returns how many bytes it went over.
func UseHugePages() (bytes int64, err error) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, fmt.Errorf("use huge pages: %w", err)
	}
	defer smaps.Close() //nolint:errcheck // only read
	var from, to uintptr
	anonymous := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Text()
		if a, b, ok := mapping(line); ok {
			from, to = a, b
			fields := strings.Fields(line)
			anonymous = len(fields) == 5 && fields[1] == "rw-p" && to-from >= minHuge && (to <= goHeap || from >= goHeapEnd)
			continue
		}
		rss, isRSS := strings.CutPrefix(line, "Rss:")
		if !isRSS || !anonymous {
			continue
		}
		kilobytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rss, "kB")), 10, 64)
		if err != nil || kilobytes<<10 < uint64(to-from)/10*9 {
			continue
		}
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, madvCollapse)
		switch {
		case errno == 0:
			bytes += int64(to - from)
		case errors.Is(errno, unix.EINVAL), errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.ENOMEM), errors.Is(errno, unix.EBUSY):
			// An older kernel, huge pages switched off, or none to be had: it works as it is.
		default:
			return bytes, fmt.Errorf("use huge pages: %w", errno)
		}
	}
	return bytes, lines.Err()
}
