// SPDX-License-Identifier: ISC

// tests/trace/reader_prog.go - a program that does all that is traced, for
// test_reader_go.sh.
//
//	reader_prog FILE
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"time"
)

var wg sync.WaitGroup

func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

func annotate(ctx context.Context, i int) {
	defer wg.Done()
	trace.WithRegion(ctx, "outer", func() {
		trace.Log(ctx, "category", fmt.Sprintf("message %d\t\"é\"\x01\xff", i))
		sub, task := trace.NewTask(ctx, "sub")
		trace.StartRegion(sub, "inner").End()
		time.Sleep(time.Millisecond)
		task.End()
	})
}

func echo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		c, _ := l.Accept()
		io.Copy(c, c)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	c.Write([]byte("hello"))
	io.ReadFull(c, make([]byte, 5))
	c.Close()
	l.Close()
}

// A system call that blocks, so that the proc is stolen.
func blocked() {
	defer wg.Done()
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Fd()
	go func() {
		time.Sleep(20 * time.Millisecond)
		w.Write([]byte("x"))
	}()
	r.Read(make([]byte, 1))
}

func coroutine() {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	for i := 0; i < 10; i++ {
		next()
	}
	stop()
}

func garbage() {
	var keep [][]byte
	for i := 0; i < 2000; i++ {
		keep = append(keep, make([]byte, 1000))
		if i%500 == 0 {
			runtime.GC()
		}
	}
}

func work() {
	ctx, task := trace.NewTask(context.Background(), "all")
	for i := 0; i < 20; i++ {
		wg.Add(2)
		go annotate(ctx, i)
		go blocked()
	}
	echo()
	coroutine()
	garbage()
	spin(100 * time.Millisecond)
	wg.Wait()
	task.End()
}

func main() {
	var profile bytes.Buffer
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	pprof.StartCPUProfile(&profile)
	work()
	if err := trace.Start(f); err != nil {
		panic(err)
	}
	work()
	time.Sleep(1100 * time.Millisecond) // another generation
	work()
	trace.Stop()
	pprof.StopCPUProfile()
	f.Close()
}
