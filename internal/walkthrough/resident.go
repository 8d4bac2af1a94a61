package walkthrough

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Resident is what a process has in RAM, in bytes. What is backed by files is shared: with other processes that have the same files
// mapped, and with the page cache.
type Resident struct {
	Anonymous int64 `json:"anonymous_bytes"`
	File      int64 `json:"file_bytes"`
}

// Total is all of it.
func (r Resident) Total() int64 { return r.Anonymous + r.File }

// Add is the memory of two processes; what they share counts twice.
func (r Resident) Add(o Resident) Resident {
	return Resident{r.Anonymous + o.Anonymous, r.File + o.File}
}

// ResidentOf reads the memory of a process from counters: to read its maps would have the system walk over all pages. ok is false where
// the system does not tell.
func ResidentOf(pid int) (r Resident, ok bool) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return r, false
	}
	s, err := p.NewStatus()
	if err != nil || s.RssAnon == 0 { // a process that has ended has none
		return r, false
	}
	return Resident{Anonymous: int64(s.RssAnon), File: int64(s.RssFile + s.RssShmem)}, true
}

// children lists the children of a process whose command lines have the arguments, one after the other. A child that has not come to
// its own program yet still has its parent's.
func children(pid int, arguments ...string) []int {
	wanted := "\x00" + strings.Join(arguments, "\x00") + "\x00"
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	var list []int
	for _, t := range threads {
		data, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			p, err := procfs.NewProc(child)
			if err != nil {
				continue // it has ended
			}
			if line, err := p.CmdLine(); err == nil && strings.Contains(strings.Join(line, "\x00")+"\x00", wanted) {
				list = append(list, child)
			}
		}
	}
	return list
}
