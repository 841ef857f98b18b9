// SPDX-License-Identifier: ISC

// The work of ../../tracedump.c in Go.  It cannot tell how long it kept
// goroutines from being preempted: prints 0 for that.
//
//	tracedump STACKS
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/trace"
	"strconv"
	"sync/atomic"
	"time"
)

const frames = 20

var ctx = context.Background()

// Four calls that return to four places.

//go:noinline
func turn(path, left int) {
	if left == 0 {
		trace.Log(ctx, "", "")
		return
	}
	switch path & 3 {
	case 0:
		down(path>>2, left-1)
	case 1:
		down(path>>2, left-1)
	case 2:
		down(path>>2, left-1)
	default:
		down(path>>2, left-1)
	}
}

//go:noinline
func down(path, left int) {
	if left == 0 {
		trace.Log(ctx, "", "")
		return
	}
	switch path & 3 {
	case 0:
		turn(path>>2, left-1)
	case 1:
		turn(path>>2, left-1)
	case 2:
		turn(path>>2, left-1)
	default:
		turn(path>>2, left-1)
	}
}

type counter struct {
	w     *os.File
	bytes int
}

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return c.w.Write(p)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tracedump STACKS")
		os.Exit(2)
	}
	stacks, err := strconv.Atoi(os.Args[1])
	if err != nil || stacks < 1 {
		fmt.Fprintln(os.Stderr, "usage: tracedump STACKS")
		os.Exit(2)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	c := &counter{w: null}
	if err := trace.Start(c); err != nil {
		panic(err)
	}
	for i := 0; i < stacks; i++ {
		down(i, frames-3)
	}
	var stop atomic.Bool
	var wait time.Duration
	done := make(chan bool)
	go func() {
		last := time.Now()
		for !stop.Load() {
			runtime.Gosched()
			now := time.Now()
			wait = max(wait, now.Sub(last))
			last = now
		}
		done <- true
	}()
	runtime.Gosched()
	from := time.Now()
	trace.Stop()
	took := time.Since(from)
	stop.Store(true)
	<-done
	fmt.Printf("%d 0 %.1f %.1f\n", wait.Nanoseconds(),
		float64(took.Nanoseconds())/float64(stacks),
		float64(c.bytes)/float64(stacks))
}
