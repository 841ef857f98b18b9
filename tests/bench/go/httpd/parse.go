// SPDX-License-Identifier: ISC

package main

import (
	"bytes"
	"math"
	"strings"
)

const (
	headMax      = 8192
	chunkLineMax = 256
)

const (
	token = 1 << iota
	pathc
	hostc
	fieldc
	digit
	hexc

	all   = token | pathc | hostc | fieldc
	delim = pathc | hostc | fieldc
)

var classes = makeClasses()

func makeClasses() (c [256]uint8) {
	for i := 0; i < 256; i++ {
		b := byte(i)
		switch {
		case b >= '0' && b <= '9':
			c[i] = all | digit | hexc
		case b >= 'A' && b <= 'F', b >= 'a' && b <= 'f':
			c[i] = all | hexc
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b != 0 && strings.IndexByte("!$%&'*+-._~", b) >= 0:
			c[i] = all
		case strings.IndexByte("(),;=:", b) >= 0:
			c[i] = delim
		case b == '/' || b == '@':
			c[i] = pathc | fieldc
		case b == '[' || b == ']':
			c[i] = hostc | fieldc
		case strings.IndexByte("#^`|", b) >= 0:
			c[i] = token | fieldc
		case b == '\t' || b >= ' ' && b != 127:
			c[i] = fieldc
		}
	}
	return c
}

func is(b byte, class uint8) bool { return classes[b]&class != 0 }

// span is how many bytes at the front of text are of this class.
func span(text []byte, class uint8) int {
	for i, b := range text {
		if !is(b, class) {
			return i
		}
	}
	return len(text)
}

func hexValue(b byte) uint64 {
	if is(b, digit) {
		return uint64(b - '0')
	}
	return uint64(b|0x20-'a') + 10
}

func startsNoCase(text []byte, lower string) bool {
	if len(text) < len(lower) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		b := text[i]
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

func equalNoCase(text []byte, lower string) bool {
	return len(text) == len(lower) && startsNoCase(text, lower)
}

func cut(text []byte, sep byte) (front, rest []byte) {
	if i := bytes.IndexByte(text, sep); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, nil
}

func trim(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for n := len(text); n > 0 && (text[n-1] == ' ' || text[n-1] == '\t'); n-- {
		text = text[:n-1]
	}
	return text
}

func number(text []byte, max uint64) (n uint64, ok bool) {
	if len(text) == 0 || span(text, digit) != len(text) {
		return 0, false
	}
	for _, b := range text {
		d := uint64(b - '0')
		if d > max || n > (max-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// Heads

const (
	get = iota
	head
	post
)

type request struct {
	method          int
	path, query     []byte
	bodyLength      uint64
	chunked         bool
	http10          bool
	keepAlive       bool
	expectsContinue bool

	line, seen    int
	inFields      bool
	hasHost       bool
	hasLength     bool
	hasEncoding   bool
	saysClose     bool
	saysKeepAlive bool
}

func (r *request) parseMethod(method []byte) (status int) {
	if len(method) == 0 || span(method, token) != len(method) {
		return 400
	}
	switch string(method) {
	case "GET":
		r.method = get
	case "HEAD":
		r.method = head
	case "POST":
		r.method = post
	default:
		return 501
	}
	return 0
}

func isQuery(query []byte) bool {
	for _, b := range query {
		if b <= ' ' || b >= 127 || b == '#' {
			return false
		}
	}
	return true
}

func (r *request) parseTarget(target []byte) (status int) {
	const scheme = "http://"
	absolute := len(target) > 0 && target[0] != '/'
	if absolute {
		if !startsNoCase(target, scheme) {
			return 400
		}
		target = target[len(scheme):]
		target = target[span(target, hostc):]
	}
	r.path, r.query = cut(target, '?')
	if absolute && len(r.path) == 0 {
		r.path = []byte("/")
	}
	if len(r.path) == 0 || r.path[0] != '/' || span(r.path, pathc) != len(r.path) || !isQuery(r.query) {
		return 400
	}
	return 0
}

func (r *request) parseVersion(v []byte) (status int) {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || !is(v[5], digit) || v[6] != '.' || !is(v[7], digit) {
		return 400
	}
	if v[5] != '1' {
		return 505
	}
	r.http10 = v[7] == '0'
	return 0
}

func (r *request) parseRequestLine(line []byte) (status int) {
	method, line := cut(line, ' ')
	target, version := cut(line, ' ')
	status = r.parseVersion(version)
	if status == 0 {
		status = r.parseMethod(method)
	}
	if status == 0 {
		status = r.parseTarget(target)
	}
	return status
}

func (r *request) fieldHost(value []byte) (status int) {
	if r.hasHost || span(value, hostc) != len(value) {
		return 400
	}
	r.hasHost = true
	return 0
}

func (r *request) fieldLength(value []byte) (status int) {
	n, ok := number(value, math.MaxInt64)
	if r.hasLength || !ok {
		return 400
	}
	r.bodyLength, r.hasLength = n, true
	return 0
}

func (r *request) fieldEncoding(value []byte) (status int) {
	if r.hasEncoding {
		return 400
	}
	r.hasEncoding = true
	if equalNoCase(value, "chunked") {
		r.chunked = true
		return 0
	}
	var coding []byte
	for len(value) > 0 {
		if equalNoCase(coding, "chunked") {
			return 400
		}
		coding, value = cut(value, ',')
		coding = trim(coding)
	}
	if equalNoCase(coding, "chunked") {
		return 501
	}
	return 400
}

func (r *request) fieldConnection(value []byte) (status int) {
	for len(value) > 0 {
		var option []byte
		option, value = cut(value, ',')
		option = trim(option)
		if equalNoCase(option, "close") {
			r.saysClose = true
		} else if equalNoCase(option, "keep-alive") {
			r.saysKeepAlive = true
		}
	}
	return 0
}

func (r *request) fieldExpect(value []byte) (status int) {
	if !equalNoCase(value, "100-continue") {
		return 417
	}
	r.expectsContinue = true
	return 0
}

func (r *request) parseField(line []byte) (status int) {
	n := span(line, token)
	if n == 0 || n == len(line) || line[n] != ':' {
		return 400
	}
	name, value := line[:n], trim(line[n+1:])
	if span(value, fieldc) != len(value) {
		return 400
	}
	switch {
	case equalNoCase(name, "host"):
		return r.fieldHost(value)
	case equalNoCase(name, "connection"):
		return r.fieldConnection(value)
	case equalNoCase(name, "content-length"):
		return r.fieldLength(value)
	case equalNoCase(name, "transfer-encoding"):
		return r.fieldEncoding(value)
	case equalNoCase(name, "expect"):
		return r.fieldExpect(value)
	}
	return 0
}

func (r *request) finishHead() (status int) {
	if !r.hasHost && !r.http10 {
		return 400
	}
	if r.hasEncoding && (r.hasLength || r.http10) {
		return 400
	}
	if r.http10 {
		r.expectsContinue = false
	}
	r.keepAlive = !r.saysClose && (!r.http10 || r.saysKeepAlive)
	return 0
}

func (r *request) nextLine(buf []byte) (line []byte, found bool, status int) {
	i := bytes.IndexByte(buf[r.seen:], '\n')
	if i < 0 {
		r.seen = len(buf)
		return nil, false, 0
	}
	end := r.seen + i
	if end == r.line || buf[end-1] != '\r' {
		return nil, false, 400
	}
	line = buf[r.line : end-1]
	r.line, r.seen = end+1, end+1
	return line, true, 0
}

func (r *request) parseLine(line []byte) (status int) {
	if r.inFields {
		return r.parseField(line)
	}
	if len(line) == 0 {
		return 0
	}
	status = r.parseRequestLine(line)
	r.inFields = status == 0
	return status
}

// parseHead returns the size of the head that starts at buf, or 0 if it is not
// complete, or the status to answer with.
func (r *request) parseHead(buf []byte) (n, status int) {
	buf = buf[:min(len(buf), headMax)]
	for {
		line, found, status := r.nextLine(buf)
		if status != 0 {
			return 0, status
		}
		if !found {
			break
		}
		if r.inFields && len(line) == 0 {
			return r.line, r.finishHead()
		}
		if status := r.parseLine(line); status != 0 {
			return 0, status
		}
	}
	switch {
	case len(buf) < headMax:
		return 0, 0
	case r.inFields:
		return 0, 431
	default:
		return 0, 414
	}
}

// Bodies

const (
	bodyLength = iota
	chunkSize
	chunkDigits
	chunkBlank
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailer
	trailerLF
	lastLF
	bodyEnded
)

type body struct {
	left, total, limit uint64
	framing            int
	state              int
}

func (b *body) init(r *request, limit uint64) (status int) {
	*b = body{left: r.bodyLength, limit: limit, state: bodyEnded}
	if r.chunked {
		b.state = chunkSize
	} else if r.bodyLength > 0 {
		b.state = bodyLength
	}
	if r.bodyLength > limit {
		return 413
	}
	return 0
}

func (b *body) chunkDigit(c byte) (state, status int) {
	if b.left > math.MaxUint64>>4 {
		return 0, 413
	}
	b.left = b.left<<4 | hexValue(c)
	return chunkDigits, 0
}

func chunkSizeEnd(c byte) (state, status int) {
	switch c {
	case ';':
		return chunkExtension, 0
	case ' ', '\t':
		return chunkBlank, 0
	}
	return 0, 400
}

func (b *body) chunkBegin() (state, status int) {
	if b.left == 0 {
		return trailerStart, 0
	}
	if b.left > b.limit-b.total {
		return 0, 413
	}
	return chunkData, 0
}

func when(ok bool, next int) (state, status int) {
	if ok {
		return next, 0
	}
	return 0, 400
}

func (b *body) framingByte(c byte) (state, status int) {
	switch b.state {
	case chunkSize:
		if is(c, hexc) {
			return b.chunkDigit(c)
		}
		return 0, 400
	case chunkDigits:
		if is(c, hexc) {
			return b.chunkDigit(c)
		}
		if c == '\r' {
			return chunkSizeLF, 0
		}
		return chunkSizeEnd(c)
	case chunkBlank:
		return chunkSizeEnd(c)
	case chunkExtension:
		if c == '\r' {
			return chunkSizeLF, 0
		}
		return when(is(c, fieldc), chunkExtension)
	case chunkSizeLF:
		if c != '\n' {
			return 0, 400
		}
		return b.chunkBegin()
	case chunkDataCR:
		return when(c == '\r', chunkDataLF)
	case chunkDataLF:
		return when(c == '\n', chunkSize)
	case trailerStart:
		if c == '\r' {
			return lastLF, 0
		}
		return when(is(c, token), trailer)
	case trailer:
		if c == '\r' {
			return trailerLF, 0
		}
		return when(is(c, fieldc), trailer)
	case trailerLF:
		return when(c == '\n', trailerStart)
	default:
		return when(c == '\n', bodyEnded)
	}
}

func (b *body) checkFraming() (status int) {
	b.framing++
	if b.state >= trailerStart && b.framing > headMax {
		return 431
	}
	if b.state < trailerStart && b.framing > chunkLineMax {
		return 400
	}
	return 0
}

func (b *body) inData() bool { return b.state == bodyLength || b.state == chunkData }

func (b *body) takeData(in []byte) []byte {
	in = in[:min(uint64(len(in)), b.left)]
	b.left -= uint64(len(in))
	b.total += uint64(len(in))
	b.framing = 0
	if b.left == 0 {
		if b.state == bodyLength {
			b.state = bodyEnded
		} else {
			b.state = chunkDataCR
		}
	}
	return in
}

// decode takes n bytes off in, up to the end of a stretch of data.
func (b *body) decode(in []byte) (n int, data []byte, status int) {
	for n < len(in) && !b.inData() && b.state != bodyEnded {
		if status = b.checkFraming(); status != 0 {
			return n, nil, status
		}
		if b.state, status = b.framingByte(in[n]); status != 0 {
			return n, nil, status
		}
		n++
	}
	if b.inData() {
		data = b.takeData(in[n:])
		n += len(data)
	}
	return n, data, 0
}

// Targets

// decodePath returns the path as a file name relative to the root.
func decodePath(path []byte) (name string, status int) {
	buf := make([]byte, 0, len(path))
	for len(path) > 0 {
		b, n := path[0], 1
		if b == '%' {
			if len(path) < 3 || !is(path[1], hexc) || !is(path[2], hexc) {
				return "", 400
			}
			b, n = byte(hexValue(path[1])<<4|hexValue(path[2])), 3
			if b == 0 {
				return "", 400
			}
		}
		path = path[n:]
		if b != '/' || len(buf) > 0 {
			buf = append(buf, b)
		}
	}
	name = string(buf)
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", 400
		}
	}
	if name == "" {
		name = "."
	}
	return name, 0
}

// queryValue is the value of key, or nil.
func queryValue(query []byte, key string) []byte {
	for len(query) > 0 {
		var item []byte
		item, query = cut(query, '&')
		name, value := cut(item, '=')
		if string(name) == key {
			if value == nil {
				value = []byte{}
			}
			return value
		}
	}
	return nil
}
