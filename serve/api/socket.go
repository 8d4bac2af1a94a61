package api

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// watchSocket cancels a request without a stream when its client closes the connection; nothing else would tell. The
// returned func ends the watch and waits for it. Connections that have no descriptor of their own are not watched.
func watchSocket(conn net.Conn, every time.Duration, cancel context.CancelFunc) (stop func()) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				if hungUp(raw) {
					cancel()
					return
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// hungUp looks at the socket without taking anything from it.
func hungUp(raw syscall.RawConn) bool {
	gone := false
	err := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == nil:
			gone = n == 0
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		default:
			gone = true
		}
	})
	return gone || err != nil
}
