package api

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
)

// lingerTime is how long the rest of a refused request is read and thrown away before its connection is closed.
const lingerTime = 5 * time.Second

// lingerListener makes connections that can be closed without losing the answer to a request that was not read to its end.
//
// A system answers bytes that arrive at a closed connection with a reset, and a reset throws away what its peer has received
// but not read yet: a client that still sends a body that is too large would see a broken pipe in place of the refusal.
type lingerListener struct{ net.Listener }

func (l lingerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &lingerConn{TCPConn: tcp}, err
	}
	return c, err
}

// lingerConn is a connection of a lingerListener.
type lingerConn struct {
	*net.TCPConn
	unread atomic.Bool // the last request was refused before its end
}

// Close closes the connection. If there is more of a request to come, it ends its own side first and waits until the client,
// who has the answer by then, closes his: for lingerTime at most.
func (c *lingerConn) Close() error {
	if c.unread.Swap(false) && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, c.TCPConn) // whatever ends it, the connection is closed
	}
	return c.TCPConn.Close()
}

// linger notes that the request was refused before all of it was read.
func linger(c *fiber.Ctx) {
	if conn, ok := c.Context().Conn().(*lingerConn); ok {
		conn.unread.Store(true)
	}
}
