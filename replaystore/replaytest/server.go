package replaytest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nightshift/internal/process"
)

// Server is a real redis-server of the test's own.
type Server struct {
	Addr string

	t     testing.TB
	args  []string
	cmd   *exec.Cmd
	ended <-chan error
}

// RedisAddr is the address of a Redis for tests: NIGHTSHIFT_TEST_REDIS, or one that is started. It skips the test when
// there is neither.
func RedisAddr(t testing.TB) string {
	if addr := os.Getenv("NIGHTSHIFT_TEST_REDIS"); addr != "" {
		return addr
	}
	return StartRedis(t).Addr
}

// StartRedis starts redis-server on a free loopback port, without persistence, and stops it when the test ends.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not on PATH: install it, or set NIGHTSHIFT_TEST_REDIS=host:port for the tests that share a server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	_, port, _ := strings.Cut(addr, ":")
	s := &Server{Addr: addr, t: t, args: append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", ""}, args...)}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server and returns when it takes connections.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	out, write, err := os.Pipe()
	must(s.t, err)
	s.cmd.Stdout = write
	s.ended, err = process.Start(s.cmd)
	must(s.t, errors.Join(err, write.Close()))
	lines := bufio.NewScanner(out)
	var log []string
	for lines.Scan() {
		log = append(log, lines.Text())
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { // ends with the process
				for lines.Scan() {
				}
				out.Close()
			}()
			return
		}
	}
	s.t.Fatalf("redis-server did not start: %s", fmt.Sprint(log))
}

// Stop kills the server, as a power cut would.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill() // the error is that it has ended
	<-s.ended
	s.cmd = nil
}
