package walkthrough

import (
	"context"
	"time"
)

// Memory is the peak memory of the server and its night in RAM, looked at five times a second. Without an answer of the
// system it is empty.
type Memory struct {
	Alone  Resident `json:"server_alone"` // before the first night
	Server Resident `json:"server"`       // at the peak of both together, while the night's process ran
	Night  Resident `json:"night"`        // of that process, then
}

// look takes a sample into account. night is that of the night's process, ok when there is one.
func (m *Memory) look(server, night Resident, ok bool) {
	switch {
	case ok && server.Add(night).Total() > m.Server.Add(m.Night).Total():
		m.Server, m.Night = server, night
	case !ok && m.Night == Resident{} && server.Total() > m.Alone.Total():
		m.Alone = server
	}
}

// memoryPace is the time between two looks. A night takes some seconds.
const memoryPace = 200 * time.Millisecond

// watch looks at the memory of the server with a process id, and of the nights that it started, until ctx ends.
func (m *Memory) watch(ctx context.Context, pid int) {
	tick := time.NewTicker(memoryPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		server, ok := ResidentOf(pid)
		if !ok {
			continue
		}
		var night Resident
		at := false
		for _, child := range children(pid, "night", "work") {
			if of, ok := ResidentOf(child); ok {
				night, at = night.Add(of), true
			}
		}
		m.look(server, night, at)
	}
}
