// SPDX-License-Identifier: ISC

package main

import (
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	inSize    = headMax
	outSize   = 8192
	linger    = time.Second
	lingerMax = 1 << 20
	pieceMax  = 1 << 20
)

const (
	busy = iota
	idle
	kicked
)

// A slot is what others may know of a connection: while it is idle, and only
// then, they may end it.
type slot struct {
	state atomic.Int32
	nc    *net.TCPConn
}

func (sl *slot) kick() {
	if sl.state.CompareAndSwap(idle, kicked) {
		sl.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// A conn is one connection.  Its first error sticks: nothing is read or
// written after that.
type conn struct {
	server       *server
	slot         *slot
	nc           *net.TCPConn
	err          error
	keep         bool
	refused      bool
	headTimed    bool
	headOnly     bool
	chunked      bool
	continued    bool
	requests     uint64
	date         int64
	dateText     []byte
	req          request
	body         body
	inPos, inEnd int
	outLen       int
	in           [inSize]byte
	out          [outSize]byte
}

func (c *conn) setReadTimeout(d time.Duration)  { c.nc.SetReadDeadline(time.Now().Add(d)) }
func (c *conn) setWriteTimeout(d time.Duration) { c.nc.SetWriteDeadline(time.Now().Add(d)) }

// Bytes out

func (c *conn) sendAll(data []byte) {
	if c.err != nil || len(data) == 0 {
		return
	}
	c.setWriteTimeout(c.server.write)
	_, c.err = c.nc.Write(data)
}

func (c *conn) flush() {
	c.sendAll(c.out[:c.outLen])
	c.outLen = 0
}

func (c *conn) put(data []byte) {
	if len(data) > outSize-c.outLen {
		c.flush()
	}
	if len(data) > outSize {
		c.sendAll(data)
		return
	}
	c.outLen += copy(c.out[c.outLen:], data)
}

func (c *conn) putString(s string) {
	if len(s) > outSize-c.outLen {
		c.flush()
	}
	if len(s) > outSize {
		c.sendAll([]byte(s))
		return
	}
	c.outLen += copy(c.out[c.outLen:], s)
}

func (c *conn) putNumber(n uint64, base int) {
	var buf [20]byte
	c.put(strconv.AppendUint(buf[:0], n, base))
}

// Bytes in

func (c *conn) fill(buf []byte) int {
	c.flush()
	if c.err != nil {
		return 0
	}
	n, err := c.nc.Read(buf)
	if err != nil {
		c.err = err
	}
	return n
}

func (c *conn) fillIdle() bool {
	c.flush()
	c.setReadTimeout(c.server.idle)
	c.slot.state.Store(idle)
	if c.server.stopping.Load() {
		return false
	}
	n := c.fill(c.in[:])
	if !c.slot.state.CompareAndSwap(idle, busy) || n == 0 {
		return false
	}
	c.inPos, c.inEnd = 0, n
	return true
}

func (c *conn) fillMore() (ok bool, status int) {
	n := c.fill(c.in[c.inEnd:])
	if ne, isNet := c.err.(net.Error); isNet && ne.Timeout() {
		c.err = nil
		return false, 408
	}
	c.inEnd += n
	return n > 0, 0
}

func (c *conn) fillHead() (ok bool, status int) {
	if c.inPos == c.inEnd {
		return c.fillIdle(), 0
	}
	if !c.headTimed {
		c.setReadTimeout(c.server.header)
		c.headTimed = true
	}
	if c.inPos > 0 {
		c.inEnd = copy(c.in[:], c.in[c.inPos:c.inEnd])
		c.inPos = 0
		c.req = request{}
	}
	return c.fillMore()
}

func (c *conn) readHead() (ok bool, status int) {
	c.req = request{}
	c.headTimed = false
	for {
		n, status := c.req.parseHead(c.in[c.inPos:c.inEnd])
		if status != 0 {
			return false, status
		}
		if n > 0 {
			c.inPos += n
			return true, 0
		}
		if ok, status := c.fillHead(); !ok {
			return false, status
		}
	}
}

func (c *conn) readRequest() (ok bool, status int) {
	if c.err != nil || !c.keep {
		return false, 0
	}
	ok, status = c.readHead()
	c.headOnly = c.req.method == head
	c.keep = c.req.keepAlive
	c.continued = !c.req.expectsContinue
	if !ok {
		return false, status
	}
	status = c.body.init(&c.req, *bodyMax)
	return status == 0, status
}

func (c *conn) fillBody() (status int) {
	if !c.continued {
		c.putString("HTTP/1.1 100 Continue\r\n\r\n")
	}
	c.continued = true
	c.inPos, c.inEnd = 0, 0
	c.setReadTimeout(c.server.header)
	ok, status := c.fillMore()
	if !ok && status == 0 {
		if c.err == nil {
			c.err = io.ErrUnexpectedEOF
		}
		status = 400
	}
	return status
}

// readBody returns the next stretch of the body, good until the next call, or
// nothing at its end or with a status other than 0.
func (c *conn) readBody() (data []byte, status int) {
	for c.body.state != bodyEnded && len(data) == 0 {
		if c.inPos == c.inEnd {
			if status := c.fillBody(); status != 0 {
				return nil, status
			}
		}
		var n int
		if n, data, status = c.body.decode(c.in[c.inPos:c.inEnd]); status != 0 {
			return nil, status
		}
		c.inPos += n
		c.continued = true
	}
	return data, 0
}

// Responses

func statusText(status int) string {
	switch status {
	case 200:
		return "200 OK"
	case 301:
		return "301 Moved Permanently"
	case 400:
		return "400 Bad Request"
	case 403:
		return "403 Forbidden"
	case 404:
		return "404 Not Found"
	case 405:
		return "405 Method Not Allowed"
	case 408:
		return "408 Request Timeout"
	case 413:
		return "413 Content Too Large"
	case 414:
		return "414 URI Too Long"
	case 417:
		return "417 Expectation Failed"
	case 431:
		return "431 Request Header Fields Too Large"
	case 501:
		return "501 Not Implemented"
	case 503:
		return "503 Service Unavailable"
	case 505:
		return "505 HTTP Version Not Supported"
	default:
		return "500 Internal Server Error"
	}
}

func (c *conn) putDate() {
	now := time.Now()
	if now.Unix() != c.date {
		c.date = now.Unix()
		c.dateText = now.UTC().AppendFormat(c.dateText[:0], "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	c.putString("Date: ")
	c.put(c.dateText)
	c.putString("\r\n")
}

func (c *conn) start(status int) {
	if !c.continued {
		c.refused = true
	}
	if c.refused || c.server.stopping.Load() {
		c.keep = false
	}
	c.putString("HTTP/1.1 ")
	c.putString(statusText(status))
	c.putString("\r\n")
	c.putDate()
}

func (c *conn) field(name, value string) {
	c.putString(name)
	c.putString(": ")
	c.putString(value)
	c.putString("\r\n")
}

func (c *conn) endHead() {
	if !c.keep {
		c.field("Connection", "close")
	} else if c.req.http10 {
		c.field("Connection", "keep-alive")
	}
	c.putString("\r\n")
}

func (c *conn) length(n uint64) {
	c.chunked = false
	c.putString("Content-Length: ")
	c.putNumber(n, 10)
	c.putString("\r\n")
	c.endHead()
}

func (c *conn) beginChunked() {
	c.chunked = !c.req.http10
	if c.chunked {
		c.field("Transfer-Encoding", "chunked")
	} else {
		c.keep = false
	}
	c.endHead()
}

func (c *conn) Write(data []byte) (int, error) {
	if c.headOnly || len(data) == 0 {
		return len(data), nil
	}
	if c.chunked {
		c.putNumber(uint64(len(data)), 16)
		c.putString("\r\n")
	}
	c.put(data)
	if c.chunked {
		c.putString("\r\n")
	}
	return len(data), c.err
}

func (c *conn) writeString(s string) {
	if c.headOnly || len(s) == 0 {
		return
	}
	if c.chunked {
		c.putNumber(uint64(len(s)), 16)
		c.putString("\r\n")
	}
	c.putString(s)
	if c.chunked {
		c.putString("\r\n")
	}
}

func (c *conn) dropBody() {
	for {
		data, status := c.readBody()
		if status != 0 {
			c.keep = false
			c.refused = true
		}
		if len(data) == 0 {
			return
		}
	}
}

func (c *conn) end() {
	if c.chunked && !c.headOnly {
		c.putString("0\r\n\r\n")
	}
	c.requests++
	if !c.refused {
		c.dropBody()
	}
}

func (c *conn) page(text string) {
	c.field("Content-Type", "text/plain; charset=utf-8")
	c.length(uint64(len(text)))
	c.writeString(text)
	c.end()
}

func (c *conn) text(text string) {
	c.start(200)
	c.page(text)
}

func (c *conn) fail(status int, allow string) {
	c.start(status)
	if allow != "" {
		c.field("Allow", allow)
	}
	c.page(statusText(status))
}

func (c *conn) refuse(status int) {
	c.refused = true
	c.fail(status, "")
}

// sendFile sends n bytes of f, by sendfile(2).
func (c *conn) sendFile(f *os.File, n uint64) {
	c.flush()
	for n > 0 && c.err == nil {
		c.setWriteTimeout(c.server.write)
		got, err := io.CopyN(c.nc, f, int64(min(n, pieceMax)))
		n -= uint64(got)
		c.err = err
	}
}

func (c *conn) close() {
	c.flush()
	if c.err == nil && c.refused {
		c.nc.CloseWrite()
		c.setReadTimeout(linger)
		for seen := 0; seen < lingerMax; {
			n := c.fill(c.in[:])
			if n == 0 {
				break
			}
			seen += n
		}
	}
	c.nc.Close()
}
