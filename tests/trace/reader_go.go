// SPDX-License-Identifier: ISC

// tests/trace/reader_go.go - Go's own reader of traces, for comparison.
//
//	convert DIR FILE.test...    traces from the texts of Go's tests, into DIR;
//	                            the name begins with what is expected of them
//	mutate DIR N FILE...        N traces that are not quite one of the files
//	verdict FILE...             FILE OK, FILE FAIL, or FILE PANIC
//
// Built by test_reader_go.sh within Go's standard library, whose internal
// packages it imports.
package main

import (
	"bytes"
	"fmt"
	"internal/trace"
	"internal/trace/raw"
	"internal/txtar"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func convert(dir, path string) {
	ar, err := txtar.ParseFile(path)
	fatal(err)
	tr, err := raw.NewTextReader(bytes.NewReader(ar.Files[1].Data))
	fatal(err)
	var buf bytes.Buffer
	tw, err := raw.NewWriter(&buf, tr.Version())
	fatal(err)
	for {
		ev, err := tr.ReadEvent()
		if err == io.EOF {
			break
		}
		fatal(err)
		fatal(tw.WriteEvent(ev))
	}
	want := strings.Fields(string(ar.Files[0].Data))[0]
	name := want + "-" + strings.TrimSuffix(filepath.Base(path), ".test")
	fatal(os.WriteFile(filepath.Join(dir, name), buf.Bytes(), 0666))
}

// edit changes one place: a byte, a bit of one, what is there, where it ends.
func edit(r *rand.Rand, b []byte) []byte {
	const header = 16
	if len(b) <= header+1 {
		return b
	}
	i := header + r.Intn(len(b)-header)
	switch r.Intn(8) {
	case 0:
		b[i] = byte(r.Intn(256))
	case 1:
		b[i] = byte(r.Intn(55))
	case 2, 3:
		b[i]++
	case 4, 5:
		b[i]--
	case 6:
		b[i] ^= 1 << r.Intn(8)
	case 7:
		b = b[:i]
	}
	return b
}

func mutate(dir string, n int, paths []string) {
	r := rand.New(rand.NewSource(1))
	for i := 0; i < n; i++ {
		b, err := os.ReadFile(paths[r.Intn(len(paths))])
		fatal(err)
		for j := r.Intn(3); j >= 0; j-- {
			b = edit(r, b)
		}
		fatal(os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), b, 0666))
	}
}

func verdict(path string) (s string) {
	defer func() {
		if recover() != nil {
			s = "PANIC"
		}
	}()
	b, err := os.ReadFile(path)
	fatal(err)
	r, err := trace.NewReader(bytes.NewReader(b))
	if err != nil {
		return "FAIL"
	}
	for {
		ev, err := r.ReadEvent()
		if err == io.EOF {
			return "OK"
		}
		if err != nil {
			return "FAIL"
		}
		// Panics if a CPU sample has a stack nobody knows.
		if ev.Kind() == trace.EventStackSample {
			_ = ev.String()
		}
	}
}

func main() {
	args := os.Args[2:]
	switch os.Args[1] {
	case "convert":
		for _, path := range args[1:] {
			convert(args[0], path)
		}
	case "mutate":
		n, err := strconv.Atoi(args[1])
		fatal(err)
		mutate(args[0], n, args[2:])
	case "verdict":
		for _, path := range args {
			fmt.Println(path, verdict(path))
		}
	}
}
