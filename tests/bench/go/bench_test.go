// SPDX-License-Identifier: ISC

// The work of ../bench.c in Go, under the same names.
//
//	go test -bench=. -ldflags=-checklinkname=0
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

const (
	spawnBatch = 100
	chanCap    = 128
	selectCap  = 1024
	contenders = 8
	parked     = 1000000
	memoryEnv  = "GORT_BENCH_MEMORY"

	otherTimers = 10000
	sleepers    = 1000
)

func checkEqual(b *testing.B, what string, got, want int) {
	b.Helper()
	if got != want {
		b.Fatalf("%s: got %d, want %d", what, got, want)
	}
}

// Systemstack: there and back.

//go:noescape
//go:linkname systemstack runtime.systemstack
func systemstack(fn func())

func BenchmarkSystemstack(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ran := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		systemstack(func() {})
	}
	b.StopTimer()
	systemstack(func() { ran++ })
	checkEqual(b, "functions run on the system stack", ran, 1)
}

// Syscall: leave the P and come back, with nothing in between.

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

//go:nosplit
func syscallPair() {
	entersyscall()
	exitsyscall()
}

func BenchmarkSyscall(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := 0; i < b.N; i++ {
		syscallPair()
	}
}

// Latencies: the 99th percentile of N samples.

var (
	spinStop atomic.Bool
	spun     [2]int
)

func spin(wg *sync.WaitGroup, id int) {
	for !spinStop.Load() {
		spun[id]++
	}
	wg.Done()
}

func reportP99(b *testing.B, ns []int64) {
	slices.Sort(ns)
	b.ReportMetric(float64(ns[len(ns)*99/100]), "p99-ns")
}

// PreemptLatency: how long a slice of a goroutine that spins is.
func BenchmarkPreemptLatency(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var wg sync.WaitGroup
	wg.Add(1)
	spinStop.Store(false)
	go spin(&wg, 0)
	runtime.Gosched()
	ns := make([]int64, b.N)
	b.ResetTimer()
	for i := range ns {
		from := time.Now()
		runtime.Gosched()
		ns[i] = int64(time.Since(from))
	}
	b.StopTimer()
	spinStop.Store(true)
	wg.Wait()
	reportP99(b, ns)
}

// stopNs: a lower bound of the 99th percentile of how long stopping took.
func stopP99(before, after *metrics.Float64Histogram) float64 {
	var n, seen uint64
	for i := range after.Counts {
		n += after.Counts[i] - before.Counts[i]
	}
	for i := range after.Counts {
		seen += after.Counts[i] - before.Counts[i]
		if seen*100 >= n*99 {
			return after.Buckets[i] * 1e9
		}
	}
	return 0
}

// StopWorldLatency: from the request until the other P, which spins, stops.
func BenchmarkStopWorldLatency(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const name = "/sched/pauses/stopping/other:seconds"
	before := []metrics.Sample{{Name: name}}
	after := []metrics.Sample{{Name: name}}
	var wg sync.WaitGroup
	var m runtime.MemStats
	wg.Add(2)
	spinStop.Store(false)
	go spin(&wg, 0)
	go spin(&wg, 1)
	runtime.Gosched()
	metrics.Read(before)
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		runtime.ReadMemStats(&m)
		runtime.Gosched()
	}
	b.StopTimer()
	metrics.Read(after)
	spinStop.Store(true)
	wg.Wait()
	b.ReportMetric(stopP99(before[0].Value.Float64Histogram(),
		after[0].Value.Float64Histogram()), "p99-ns")
}

// Yield: two goroutines take turns.

type yielder struct {
	times, done int
	wg          sync.WaitGroup
}

func (y *yielder) yieldMany() {
	for ; y.done < y.times; y.done++ {
		runtime.Gosched()
	}
	y.wg.Done()
}

func BenchmarkYield(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	other := &yielder{times: b.N / 2}
	self := &yielder{times: b.N - b.N/2}
	self.wg.Add(1)
	other.wg.Add(1)
	go other.yieldMany()
	b.ResetTimer()
	self.yieldMany()
	other.wg.Wait()
	b.StopTimer()
	checkEqual(b, "yields", self.done+other.done, b.N)
}

// Trace: the same with a trace to /dev/null, and what only it has.

type counter struct {
	w     io.Writer
	bytes int
}

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return c.w.Write(p)
}

func traceBegin(b *testing.B) *counter {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	c := &counter{w: null}
	if err := trace.Start(c); err != nil {
		b.Fatal(err)
	}
	return c
}

func traceEnd(b *testing.B, c *counter, events int) {
	trace.Stop()
	b.ReportMetric(float64(c.bytes)/float64(events), "B/event")
}

func BenchmarkTraceYield(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := traceBegin(b)
	other := &yielder{times: b.N / 2}
	self := &yielder{times: b.N - b.N/2}
	self.wg.Add(1)
	other.wg.Add(1)
	go other.yieldMany()
	b.ResetTimer()
	self.yieldMany()
	other.wg.Wait()
	b.StopTimer()
	checkEqual(b, "yields", self.done+other.done, b.N)
	traceEnd(b, c, 2*b.N)
}

func BenchmarkTraceLog(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := traceBegin(b)
	ctx := context.Background()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		trace.Log(ctx, "category", "a message of some length")
	}
	b.StopTimer()
	traceEnd(b, c, b.N)
}

func BenchmarkTraceRegion(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := traceBegin(b)
	ctx := context.Background()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		trace.StartRegion(ctx, "region").End()
	}
	b.StopTimer()
	traceEnd(b, c, 2*b.N)
}

// Spawn: start, run, end.

var (
	spawnWg  sync.WaitGroup
	spawnRan int
)

func spawned() {
	spawnRan++ // one P: no two at a time
	spawnWg.Done()
}

func BenchmarkSpawn(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	spawnRan = 0
	b.ResetTimer()
	for left := b.N; left > 0; {
		batch := min(left, spawnBatch)
		spawnWg.Add(batch)
		for i := 0; i < batch; i++ {
			go spawned()
		}
		spawnWg.Wait()
		left -= batch
	}
	b.StopTimer()
	checkEqual(b, "goroutines that ran", spawnRan, b.N)
}

// PingPong: a round trip over unbuffered channels.

func pingPong(b *testing.B) {
	ping, pong := make(chan int), make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
		wg.Done()
	}()
	v := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		ping <- v
		v = <-pong
	}
	b.StopTimer()
	checkEqual(b, "round trips", v, b.N)
	close(ping)
	wg.Wait()
}

func BenchmarkPingPong1P(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	pingPong(b)
}

func BenchmarkPingPong2P(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	pingPong(b)
}

// ChanBuffered: producer and consumer.

func BenchmarkChanBuffered1P(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := make(chan int, chanCap)
	got, sum := 0, 0
	b.ResetTimer()
	go func() {
		for i := 0; i < b.N; i++ {
			c <- i
		}
		close(c)
	}()
	for v := range c {
		sum += v
		got++
	}
	b.StopTimer()
	checkEqual(b, "elements received", got, b.N)
	checkEqual(b, "their sum", sum, b.N*(b.N-1)/2)
}

// SelectReady2: receive and send in turns, on one of two half full channels.
// How full each is drifts, but hardly ever as far as an end.

func BenchmarkSelectReady2(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c0, c1 := make(chan int, selectCap), make(chan int, selectCap)
	v := 1
	for i := 0; i < selectCap/2; i++ {
		c0 <- v
		c1 <- v
	}
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%2 != 0 {
			select {
			case c0 <- v:
			case c1 <- v:
			}
		} else {
			select {
			case v = <-c0:
			case v = <-c1:
			}
		}
	}
	b.StopTimer()
	checkEqual(b, "elements", len(c0)+len(c1), selectCap-b.N%2)
}

// SelectDefault: two channels, and nothing to do.

func BenchmarkSelectDefault(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c0, c1 := make(chan int, selectCap), make(chan int, selectCap)
	none := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		select {
		case <-c0:
		case <-c1:
		default:
			none++
		}
	}
	b.StopTimer()
	checkEqual(b, "times nothing was ready", none, b.N)
}

// SelectPingPong: a round trip in which both wait for one of two channels.

func BenchmarkSelectPingPong(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ping, pong, end := make(chan int), make(chan int), make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case v := <-ping:
				pong <- v + 1
			case <-end:
				return
			}
		}
	}()
	v := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		ping <- v
		select {
		case v = <-pong:
		case <-end:
		}
	}
	b.StopTimer()
	checkEqual(b, "round trips", v, b.N)
	close(end)
	wg.Wait()
}

// TimerStartStop: a timer that never comes; alone, and with others, of which
// half come before it and half after.

func timerRan() {
	panic("a timer of half an hour or more ran")
}

func startStop(b *testing.B) {
	stopped := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if time.AfterFunc(time.Hour, timerRan).Stop() {
			stopped++
		}
	}
	b.StopTimer()
	checkEqual(b, "timers stopped", stopped, b.N)
}

func BenchmarkTimerStartStop(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	startStop(b)
}

func BenchmarkTimerStartStop10k(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var others []*time.Timer
	for i := 0; i < otherTimers; i++ {
		minutes := time.Duration(30 + i*7919%60)
		others = append(others, time.AfterFunc(minutes*time.Minute, timerRan))
	}
	startStop(b)
	stopped := 0
	for _, t := range others {
		if t.Stop() {
			stopped++
		}
	}
	checkEqual(b, "other timers stopped", stopped, otherTimers)
}

// SleepMany: goroutines that sleep for less than it takes to get round, so
// that nobody waits for the clock.

func BenchmarkSleepMany(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	slept := 0
	var wg sync.WaitGroup
	wg.Add(sleepers)
	b.ResetTimer()
	for i := 0; i < sleepers; i++ {
		times := b.N / sleepers
		if i < b.N%sleepers {
			times++
		}
		go func() {
			for k := 0; k < times; k++ {
				time.Sleep(time.Microsecond)
				slept++ // one P: no two at a time
			}
			wg.Done()
		}()
	}
	wg.Wait()
	b.StopTimer()
	checkEqual(b, "sleeps", slept, b.N)
}

// StackGrow: a new goroutine recurses to a depth in bytes.
//
// What makes the frame large is room for the arguments of a call that never
// comes.  An array would be zeroed, which C does not do.

var (
	never   bool
	frameAt [2]uintptr // of the last two calls
)

//go:noinline
func takeMany(pad [27]int) int {
	return pad[0] + pad[len(pad)-1]
}

var many [27]int

//go:noinline
func descend(depth int) int {
	below := 0
	frameAt[depth&1] = uintptr(unsafe.Pointer(&below))
	if never {
		below = takeMany(many)
	}
	if depth > 1 {
		below = descend(depth - 1)
	}
	return below + 1
}

// The first call may move the stack, the second finds it large enough.
func frameSize(b *testing.B) int {
	descend(10)
	descend(2)
	size := int(frameAt[0] - frameAt[1])
	if size < 208 || size > 416 {
		b.Fatalf("a frame of %d bytes", size)
	}
	return size
}

func stackGrow(b *testing.B, bytes int) {
	depth := bytes / frameSize(b)
	reached := 0
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		wg.Add(1)
		go func() {
			reached += descend(depth)
			wg.Done()
		}()
		wg.Wait()
	}
	b.StopTimer()
	checkEqual(b, "calls", reached, b.N*depth)
}

// roundTrips: size bytes there and back, n times; echoBytes sends them back.
func roundTrips(b *testing.B, r io.Reader, w io.WriteCloser, size int) {
	buf := make([]byte, size)
	same := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		buf[size-1] = byte(i%7 + 1)
		w.Write(buf)
		buf[size-1] = 0
		r.Read(buf)
		if buf[size-1] == byte(i%7+1) {
			same++
		}
	}
	b.StopTimer()
	if same != b.N {
		b.Fatalf("%d of %d messages came back", same, b.N)
	}
	w.Close()
}

func echoBytes(r io.Reader, w io.Writer, wg *sync.WaitGroup) {
	buf := make([]byte, 64)
	for {
		n, err := r.Read(buf)
		if err != nil {
			break
		}
		w.Write(buf[:n])
	}
	wg.Done()
}

func BenchmarkPipePingPong1P(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var wg sync.WaitGroup
	thereR, thereW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	backR, backW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	wg.Add(1)
	go echoBytes(thereR, backW, &wg)
	roundTrips(b, backR, thereW, 1)
	wg.Wait()
	thereR.Close()
	backR.Close()
	backW.Close()
}

func BenchmarkTCPEcho(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var wg sync.WaitGroup
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	wg.Add(1)
	go echoBytes(server, server, &wg)
	roundTrips(b, client, client, 64)
	wg.Wait()
	server.Close()
	l.Close()
}

func BenchmarkStackGrow64K(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stackGrow(b, 64<<10)
}

func BenchmarkStackGrow1M(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stackGrow(b, 1<<20)
}

// Call: a function with and without the check.

//go:noinline
func leaf(x int) int {
	return x + 1
}

//go:noinline
func checked(x int) int {
	return leaf(x) + 1
}

//go:noinline
//go:nosplit
func plain(x int) int {
	return leaf(x) + 1
}

func BenchmarkCallChecked(b *testing.B) {
	x, i := 0, b.N
	for ; i >= 16; i -= 16 {
		x = checked(checked(checked(checked(x))))
		x = checked(checked(checked(checked(x))))
		x = checked(checked(checked(checked(x))))
		x = checked(checked(checked(checked(x))))
	}
	for ; i > 0; i-- {
		x = checked(x)
	}
	b.StopTimer()
	checkEqual(b, "sum", x, 2*b.N)
}

func BenchmarkCallPlain(b *testing.B) {
	x, i := 0, b.N
	for ; i >= 16; i -= 16 {
		x = plain(plain(plain(plain(x))))
		x = plain(plain(plain(plain(x))))
		x = plain(plain(plain(plain(x))))
		x = plain(plain(plain(plain(x))))
	}
	for ; i > 0; i-- {
		x = plain(x)
	}
	b.StopTimer()
	checkEqual(b, "sum", x, 2*b.N)
}

// Mutex: nobody else wants it; several goroutines do.

type contest struct {
	mutex sync.Mutex
	count int
	wg    sync.WaitGroup
}

func BenchmarkMutexUncontended(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := &contest{}
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		c.mutex.Lock()
		c.count++
		c.mutex.Unlock()
	}
	b.StopTimer()
	checkEqual(b, "times locked", c.count, b.N)
}

func (c *contest) contend(times int) {
	for i := 0; i < times; i++ {
		c.mutex.Lock()
		c.count++
		c.mutex.Unlock()
	}
	c.wg.Done()
}

func BenchmarkMutexContended(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	c := &contest{}
	c.wg.Add(1)
	c.contend(b.N % contenders)
	c.wg.Add(contenders)
	b.ResetTimer()
	for i := 0; i < contenders; i++ {
		go c.contend(b.N / contenders)
	}
	c.wg.Wait()
	b.StopTimer()
	checkEqual(b, "times locked", c.count, b.N)
}

// MallocFree: an object on the heap, with what it takes to collect it.  The
// others of ../alloc.c have no twin here.

var sink unsafe.Pointer

func mallocFree[T any](b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := 0; i < b.N; i++ {
		sink = unsafe.Pointer(new(T))
	}
}

func BenchmarkMallocFree(b *testing.B) {
	b.Run("16", mallocFree[[16]byte])
	b.Run("64", mallocFree[[64]byte])
	b.Run("256", mallocFree[[256]byte])
	b.Run("4096", mallocFree[[4096]byte])
}

// ReadMemStats: of a heap with objects of many sizes.

var kept [][]byte

func BenchmarkReadMemStats(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	kept = nil
	for size := 16; size <= 16<<10; size += 16 {
		kept = append(kept, make([]byte, size))
	}
	var st runtime.MemStats
	read := 0
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		runtime.ReadMemStats(&st)
		if st.Mallocs-st.Frees >= 1024 {
			read++
		}
	}
	b.StopTimer()
	checkEqual(b, "reads", read, b.N)
	runtime.KeepAlive(kept)
}

// MetricsRead: all that there are, into the same samples.

func BenchmarkMetricsRead(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	descs := metrics.All()
	samples := make([]metrics.Sample, len(descs))
	for i := range descs {
		samples[i].Name = descs[i].Name
	}
	metrics.Read(samples)
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		metrics.Read(samples)
	}
	b.StopTimer()
	for i := range samples {
		checkEqual(b, samples[i].Name, int(samples[i].Value.Kind()), int(descs[i].Kind))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(samples)), "ns/metric")
}

// Memory: goroutines that wait, in a process of their own.

func readFile(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func statusBytes(status, field string) int {
	_, rest, _ := strings.Cut(status, field)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		panic(err)
	}
	return kib * 1024
}

func residentBytes() int {
	status := readFile("/proc/self/status")
	return statusBytes(status, "VmRSS:") + statusBytes(status, "VmPTE:")
}

func parkMany() {
	runtime.GOMAXPROCS(1)
	gate := make(chan int)
	before := residentBytes()
	ready := 0
	var wg sync.WaitGroup
	wg.Add(parked)
	for i := 0; i < parked; i++ {
		go func() {
			ready++
			<-gate
			wg.Done()
		}()
	}
	for ready < parked {
		runtime.Gosched()
	}
	after := residentBytes()
	vmas := strings.Count(readFile("/proc/self/maps"), "\n")
	close(gate)
	wg.Wait()
	fmt.Println(after-before, vmas)
}

func TestMain(m *testing.M) {
	if os.Getenv(memoryEnv) != "" {
		parkMany()
		return
	}
	os.Exit(m.Run())
}

func BenchmarkMemory(b *testing.B) {
	b.Run("parked-goroutine", parkedGoroutine)
}

func parkedGoroutine(b *testing.B) {
	var bytesTotal, vmas float64
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memoryEnv+"=1")
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Fscan(bytes.NewReader(out), &bytesTotal, &vmas); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bytesTotal/parked, "B/goroutine")
	b.ReportMetric(vmas, "VMAs")
}
