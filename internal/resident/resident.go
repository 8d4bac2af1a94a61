// Package resident reads how much memory processes have in RAM, and which children they have, from /proc. On systems without it
// there is nothing to read, which is no error.
package resident

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is what a process has in RAM, in bytes. What is backed by files is shared: with other processes that have the same files
// mapped, and with the page cache.
type Memory struct {
	Anonymous int64 `json:"anonymous_bytes"`
	File      int64 `json:"file_bytes"`
}

// Total is all of it.
func (m Memory) Total() int64 { return m.Anonymous + m.File }

// Add is the memory of two processes; what they share counts twice.
func (m Memory) Add(o Memory) Memory { return Memory{m.Anonymous + o.Anonymous, m.File + o.File} }

// Of reads the memory of a process; ok is false when there is nothing to read.
func Of(pid int) (m Memory, ok bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid)) // counters: smaps would have the system walk over all pages
	if err != nil {
		return m, false
	}
	defer f.Close()
	return parse(f)
}

// parse reads the fields RssAnon, RssFile and RssShmem, which are in KiB.
func parse(r io.Reader) (m Memory, ok bool) {
	var shared int64
	lines := bufio.NewScanner(r)
	found := 0
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		into := map[string]*int64{"RssAnon:": &m.Anonymous, "RssFile:": &m.File, "RssShmem:": &shared}[fields[0]]
		if into == nil {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return Memory{}, false
		}
		*into = kib << 10
		found++
	}
	m.File += shared
	return m, found == 3
}

// Children lists the children of a process whose command lines have the arguments, one after the other. A child that has not come to
// its own program yet still has its parent's.
func Children(pid int, arguments ...string) []int {
	wanted := []byte("\x00" + strings.Join(arguments, "\x00") + "\x00")
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
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); err == nil && bytes.Contains(line, wanted) {
				list = append(list, child)
			}
		}
	}
	return list
}
