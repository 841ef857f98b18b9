// SPDX-License-Identifier: ISC

// Command httpd is the twin of tests/samples/httpd.c: the same HTTP/1.1 server
// with a goroutine per connection on package net, parsing by the same strategy
// in buffers of the same size, with the same limits, timeouts and pages.
package main

import (
	"errors"
	"flag"
	"fmt"
	"html"
	"io/fs"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	bodiesMax     = 256 << 20
	roundsMax     = 10000000000
	roundsDefault = 1000000
	retry         = 10 * time.Millisecond
)

var (
	port        = flag.Int("p", 0, "port")
	dir         = flag.String("d", ".", "directory to serve")
	connections = flag.Int("connections", 4096, "at a time")
	bodyMax     = flag.Uint64("body", 8<<20, "most bytes in a request")
	headerTime  = flag.Float64("header-timeout", 10, "seconds for a head")
	idleTime    = flag.Float64("idle-timeout", 60, "seconds between requests")
	writeTime   = flag.Float64("write-timeout", 30, "seconds for a piece of a response")
	graceTime   = flag.Float64("grace", 5, "seconds at the end")
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

type server struct {
	root      *os.Root
	listener  *net.TCPListener
	slots     []slot
	freeSlots chan *slot
	ended     sync.WaitGroup
	stopping  atomic.Bool
	accepted  atomic.Uint64
	finished  atomic.Uint64
	requests  atomic.Uint64
	bodies    atomic.Uint64

	header, idle, write time.Duration
}

// Echo

func (s *server) readWholeBody(c *conn) (body []byte, status int) {
	for {
		data, status := c.readBody()
		if len(data) == 0 {
			return body, status
		}
		if n := len(body) + len(data); n > cap(body) {
			grown := uint64(2*n - cap(body))
			if s.bodies.Add(grown) > bodiesMax {
				s.bodies.Add(-grown)
				return body, 503
			}
			body = append(make([]byte, 0, 2*n), body...)
		}
		body = append(body, data...)
	}
}

func (s *server) serveEcho(c *conn) {
	body, status := s.readWholeBody(c)
	defer s.bodies.Add(-uint64(cap(body)))
	if status != 0 {
		c.refuse(status)
		return
	}
	c.start(200)
	c.field("Content-Type", "application/octet-stream")
	if c.req.chunked {
		c.beginChunked()
	} else {
		c.length(uint64(len(body)))
	}
	c.Write(body)
	c.end()
}

// Work

//go:noinline
func hashRounds(n uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := uint64(0); i < n; i++ {
		h = (h ^ i) * 0x100000001b3
		h ^= h >> 32
	}
	return h
}

func (s *server) serveWork(c *conn) {
	n := uint64(roundsDefault)
	if query := queryValue(c.req.query, "n"); query != nil {
		var ok bool
		if n, ok = number(query, roundsMax); !ok {
			c.fail(400, "")
			return
		}
	}
	c.text(fmt.Sprintf("%016x\n", hashRounds(n)))
}

func serveHello(c *conn) { c.text("Hello, world\n") }

// Files

var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".htm":  "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".txt":  "text/plain; charset=utf-8",
	".md":   "text/plain; charset=utf-8",
	".c":    "text/plain; charset=utf-8",
	".h":    "text/plain; charset=utf-8",
	".xml":  "application/xml",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".gif":  "image/gif",
	".webp": "image/webp",
	".ico":  "image/vnd.microsoft.icon",
	".pdf":  "application/pdf",
	".wasm": "application/wasm",
}

func typeOf(name string) string {
	if t, ok := types[path.Ext(name)]; ok {
		return t
	}
	return "application/octet-stream"
}

func sendFile(c *conn, f *os.File, name string, size uint64) {
	c.start(200)
	c.field("Content-Type", typeOf(name))
	c.length(size)
	if !c.headOnly {
		room := c.out[c.outLen:]
		n, _ := f.Read(room[:min(size, uint64(len(room)))])
		c.outLen += max(n, 0)
		c.sendFile(f, size-uint64(max(n, 0)))
	}
	c.end()
}

func sendListing(c *conn, f *os.File) {
	entries, err := f.ReadDir(-1)
	if err != nil {
		c.fail(503, "")
		return
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	c.start(200)
	c.field("Content-Type", "text/html; charset=utf-8")
	c.beginChunked()
	c.writeString("<!DOCTYPE html>\n<title>Files</title>\n<ul>\n")
	for _, e := range entries {
		name, slash := e.Name(), ""
		if name[0] == '.' {
			continue
		}
		if e.IsDir() {
			slash = "/"
		}
		c.writeString("<li><a href=\"./" + url.PathEscape(name) + slash + "\">" +
			html.EscapeString(name) + slash + "</a>\n")
	}
	c.writeString("</ul>\n")
	c.end()
}

func redirect(c *conn) {
	c.start(301)
	c.field("Location", "/"+strings.TrimLeft(string(c.req.path), "/")+"/")
	c.length(0)
	c.end()
}

func fileStatus(err error) int {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return 403
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return 503
	default:
		return 404
	}
}

func (s *server) serveFile(c *conn) {
	name, status := decodePath(c.req.path)
	if status != 0 {
		c.fail(status, "")
		return
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		c.fail(fileStatus(err), "")
		return
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		c.fail(500, "")
	case st.IsDir() && c.req.path[len(c.req.path)-1] != '/':
		redirect(c)
	case st.IsDir():
		sendListing(c, f)
	case st.Mode().IsRegular() && !strings.HasSuffix(name, "/"):
		sendFile(c, f, name, uint64(st.Size()))
	default:
		c.fail(404, "")
	}
}

// Connections

func (s *server) serveRequest(c *conn) {
	takesPost := false
	serve := s.serveFile
	switch string(c.req.path) {
	case "/hello":
		serve = serveHello
	case "/echo":
		serve, takesPost = s.serveEcho, true
	case "/work":
		serve = s.serveWork
	}
	if takesPost == (c.req.method == post) {
		serve(c)
	} else if takesPost {
		c.fail(405, "POST")
	} else {
		c.fail(405, "GET, HEAD")
	}
}

func (s *server) serveConn(sl *slot) {
	defer s.ended.Done()
	c := &conn{server: s, slot: sl, nc: sl.nc, keep: true}
	sl.state.Store(busy)
	for {
		ok, status := c.readRequest()
		if status != 0 {
			c.refuse(status)
		}
		if !ok {
			break
		}
		s.serveRequest(c)
	}
	c.close()
	s.requests.Add(c.requests)
	s.finished.Add(1)
	s.freeSlots <- sl
}

func (s *server) acceptLoop() {
	defer s.ended.Done()
	for sl := range s.freeSlots {
		nc, err := s.listener.AcceptTCP()
		if err == nil {
			sl.nc = nc
			s.accepted.Add(1)
			s.ended.Add(1)
			go s.serveConn(sl)
			continue
		}
		s.freeSlots <- sl
		if s.stopping.Load() {
			return
		}
		time.Sleep(retry)
	}
}

// Beginning and end

func (s *server) stop() {
	s.stopping.Store(true)
	s.listener.Close()
	for i := range s.slots {
		s.slots[i].kick()
	}
	ended := make(chan struct{})
	go func() {
		s.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(seconds(*graceTime)):
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("httpd: ")
	flag.Parse()
	root, err := os.OpenRoot(*dir)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: *port})
	if err != nil {
		log.Fatal(err)
	}
	s := &server{
		root:      root,
		listener:  listener,
		slots:     make([]slot, *connections),
		freeSlots: make(chan *slot, *connections),
		header:    seconds(*headerTime),
		idle:      seconds(*idleTime),
		write:     seconds(*writeTime),
	}
	for i := range s.slots {
		s.freeSlots <- &s.slots[i]
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	s.ended.Add(1)
	go s.acceptLoop()
	fmt.Println("listening on", listener.Addr())
	<-signals
	s.stop()
	accepted := s.accepted.Load()
	fmt.Printf("%d requests on %d connections, %d of them cut off\n",
		s.requests.Load(), accepted, accepted-s.finished.Load())
}
