// SPDX-License-Identifier: ISC
/*
 * tests/bench/bench.c - what goroutines, channels and stacks cost.
 *
 *	bench [-bench=REGEX] [-benchtime=0.2s|1000x] [-count=N] [-parked=N]
 *
 * Prints the format of Go's benchmarks; go/bench_test.go does the same work
 * under the same names.  benchstat compares the two with -row .name: the
 * suffix here is GORTMAXPROCS of the benchmark, Go's that of the machine.
 *
 * A benchmark runs n operations on the first goroutine of a gort_run() of
 * its own.  n grows, as in Go, until they take -benchtime (1s).  After the
 * clock has stopped it checks that the work was done; if not, it is fatal.
 */
#define _GNU_SOURCE
#include <gort/gort.h>
#include <gort/mem.h>

#define BENCH_NAME	"bench"
#include "bench/bench.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <regex.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define never_inline	__attribute__((noinline))
#define SPAWN_BATCH	100
#define ECHO_BYTES	64
#define CHAN_CAP	128
#define SELECT_CAP	1024
#define CONTENDERS	8
#define OTHER_TIMERS	10000
#define SLEEPERS	1000
#define KEPT		1024	/* objects */
#define MINUTE_NS	((int64_t)60 * NSEC)
#define FRAME_PAD	208	/* makes descend()'s frame about 256 bytes */
#define SEGMENT_APART	((uintptr_t)1 << 20)

/* The compiler knows nothing about x any more. */
#define hide(x)		__asm__ volatile("" : "+r"(x))

#define times4(s)	s; s; s; s
#define times16(s)	times4(times4(s))

struct bench {
	const char *name;
	unsigned int procs;
	void (*fn)(const struct bench *b, uint64_t n);
	size_t depth;		/* bytes of stack, of those that grow it */
};

struct result {
	uint64_t n;
	uint64_t ns;
	uint64_t p99_ns;	/* of those that measure latency; else 0 */
	double trace_bytes;	/* per event, of those that trace; else 0 */
	uint64_t metrics;	/* read at a time, of what reads them; else 0 */
};

static struct {
	unsigned int count;
	unsigned int parked;
	const char *pattern;
} opt = { .count = 1, .parked = 1000000, .pattern = "." };

static struct result result;	/* of the benchmark that runs */
static uint64_t timer_from;

static void check_ok(const char *what, int err)
{
	if (err)
		die("%s: %s", what, strerror(-err));
}

static void timer_start(void)
{
	timer_from = now_ns();
}

static void timer_stop(void)
{
	result.ns = now_ns() - timer_from;
}

static void spawn(void (*fn)(void *), void *arg)
{
	check_ok("gort_go", gort_go(fn, arg));
}

static struct gort_chan *chan_new(size_t cap)
{
	struct gort_chan *c = gort_chan_new(sizeof(uint64_t), cap);

	if (!c)
		die("no memory for a channel");
	return c;
}

/* ------------------------------------------------------------------------
 * Systemstack: there and back
 */

static void empty(void *arg)
{
	touch(arg);
}

static void count_one(void *arg)
{
	++*(uint64_t *)arg;
}

static void bench_systemstack(const struct bench *b, uint64_t n)
{
	uint64_t ran = 0;
	int err = 0;

	(void)b;
	timer_start();
	for (uint64_t i = 0; i < n; i++)
		err |= gort_systemstack_call(empty, NULL);
	timer_stop();
	check_ok("gort_systemstack_call", err);
	gort_systemstack_call(count_one, &ran);
	check_equal("functions run on the system stack", ran, 1);
}

/* ------------------------------------------------------------------------
 * Yield: two goroutines take turns
 */

struct yielder {
	uint64_t times;
	uint64_t done;
	struct gort_waitgroup wg;
};

static void yield_many(void *arg)
{
	struct yielder *y = arg;

	for (; y->done < y->times; y->done++)
		gort_yield();
	gort_waitgroup_done(&y->wg);
}

static void bench_yield(const struct bench *b, uint64_t n)
{
	struct yielder other = { .times = n / 2 };
	struct yielder self = { .times = n - n / 2 };
	struct gort_stats before, after;

	(void)b;
	gort_waitgroup_add(&self.wg, 1);
	gort_waitgroup_add(&other.wg, 1);
	spawn(yield_many, &other);
	gort_read_stats(&before);
	timer_start();
	yield_many(&self);
	gort_waitgroup_wait(&other.wg);
	timer_stop();
	gort_read_stats(&after);
	check_equal("yields", self.done + other.done, n);
	if (after.switches - before.switches < n)
		die("%" PRIu64 " yields, but %" PRIu64 " switches", n,
		    after.switches - before.switches);
}

/* ------------------------------------------------------------------------
 * Trace: the same with a trace to /dev/null, and what only it has
 */

static int trace_fd;

static void trace_begin(void)
{
	trace_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	check_ok("gort_trace_start", gort_trace_start(trace_fd, NULL));
}

/* events: as many as the benchmark wrote, about. */
static void trace_end(uint64_t events)
{
	struct gort_trace_stats st;

	check_ok("gort_trace_stop", gort_trace_stop());
	close(trace_fd);
	gort_trace_read_stats(&st);
	check_equal("events that were dropped", st.dropped, 0);
	if (st.bytes < events)
		die("%" PRIu64 " events in %" PRIu64 " bytes", events,
		    st.bytes);
	result.trace_bytes = (double)st.bytes / (double)events;
}

static void bench_trace_yield(const struct bench *b, uint64_t n)
{
	trace_begin();
	bench_yield(b, n);
	trace_end(2 * n);
}

static void bench_trace_log(const struct bench *b, uint64_t n)
{
	(void)b;
	trace_begin();
	timer_start();
	for (uint64_t i = 0; i < n; i++)
		gort_trace_log(0, "category", "a message of some length");
	timer_stop();
	trace_end(n);
}

static void bench_trace_region(const struct bench *b, uint64_t n)
{
	(void)b;
	trace_begin();
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_trace_region_begin(0, "region");
		gort_trace_region_end(0, "region");
	}
	timer_stop();
	trace_end(2 * n);
}

/* ------------------------------------------------------------------------
 * Spawn: start, run, end
 */

static struct gort_waitgroup spawn_wg;
static uint64_t spawn_ran;

static void spawned(void *arg)
{
	(void)arg;
	spawn_ran++;		/* one P: no two at a time */
	gort_waitgroup_done(&spawn_wg);
}

static void bench_spawn(const struct bench *b, uint64_t n)
{
	(void)b;
	spawn_ran = 0;
	timer_start();
	for (uint64_t left = n; left;) {
		uint64_t batch = left < SPAWN_BATCH ? left : SPAWN_BATCH;

		gort_waitgroup_add(&spawn_wg, (int64_t)batch);
		for (uint64_t i = 0; i < batch; i++)
			spawn(spawned, NULL);
		gort_waitgroup_wait(&spawn_wg);
		left -= batch;
	}
	timer_stop();
	check_equal("goroutines that ran", spawn_ran, n);
}

/* ------------------------------------------------------------------------
 * PingPong: a round trip over unbuffered channels
 */

struct pingpong {
	struct gort_chan *ping;
	struct gort_chan *pong;
	struct gort_waitgroup wg;
};

static void echo(void *arg)
{
	struct pingpong *p = arg;
	uint64_t v;

	while (!gort_chan_recv(p->ping, &v)) {
		v++;
		gort_chan_send(p->pong, &v);
	}
	gort_waitgroup_done(&p->wg);
}

static void bench_pingpong(const struct bench *b, uint64_t n)
{
	struct pingpong p = { chan_new(0), chan_new(0), { { 0 } } };
	uint64_t v = 0;

	(void)b;
	gort_waitgroup_add(&p.wg, 1);
	spawn(echo, &p);
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_chan_send(p.ping, &v);
		gort_chan_recv(p.pong, &v);
	}
	timer_stop();
	check_equal("round trips", v, n);
	gort_chan_close(p.ping);
	gort_waitgroup_wait(&p.wg);
	gort_chan_free(p.ping);
	gort_chan_free(p.pong);
}

/* ------------------------------------------------------------------------
 * ChanBuffered: producer and consumer
 */

struct producer {
	struct gort_chan *c;
	uint64_t n;
};

static void produce(void *arg)
{
	struct producer *p = arg;

	for (uint64_t i = 0; i < p->n; i++)
		gort_chan_send(p->c, &i);
	gort_chan_close(p->c);
}

static void bench_chan_buffered(const struct bench *b, uint64_t n)
{
	struct producer p = { chan_new(CHAN_CAP), n };
	uint64_t v, got = 0, sum = 0;

	(void)b;
	timer_start();
	spawn(produce, &p);
	for (; !gort_chan_recv(p.c, &v); got++)
		sum += v;
	timer_stop();
	check_equal("elements received", got, n);
	check_equal("their sum", sum, n * (n - 1) / 2);
	gort_chan_free(p.c);
}

/* ------------------------------------------------------------------------
 * SelectReady2: receive and send in turns, on one of two half full channels.
 * How full each is drifts, but hardly ever as far as an end.
 */

static void select_ready2(struct gort_chan *a, struct gort_chan *b, bool send,
			  uint64_t *v)
{
	if (send) {
		struct gort_select_case cases[] = {
			GORT_SEND_CASE(a, v), GORT_SEND_CASE(b, v),
		};

		if (gort_select(cases, 2, 0) < 0)
			die("gort_select failed");
	} else {
		struct gort_select_case cases[] = {
			GORT_RECV_CASE(a, v), GORT_RECV_CASE(b, v),
		};

		if (gort_select(cases, 2, 0) < 0)
			die("gort_select failed");
	}
}

static void bench_select_ready2(const struct bench *b, uint64_t n)
{
	struct gort_chan *c[] = { chan_new(SELECT_CAP), chan_new(SELECT_CAP) };
	uint64_t v = 1;

	(void)b;
	for (int i = 0; i < SELECT_CAP; i++)
		gort_chan_send(c[i % 2], &v);
	timer_start();
	for (uint64_t i = 0; i < n; i++)
		select_ready2(c[0], c[1], i % 2, &v);
	timer_stop();
	check_equal("elements", gort_chan_len(c[0]) + gort_chan_len(c[1]),
		    SELECT_CAP - n % 2);
	gort_chan_free(c[0]);
	gort_chan_free(c[1]);
}

/* ------------------------------------------------------------------------
 * SelectDefault: two channels, and nothing to do
 */

static void bench_select_default(const struct bench *b, uint64_t n)
{
	struct gort_chan *c[] = { chan_new(SELECT_CAP), chan_new(SELECT_CAP) };
	uint64_t v, none = 0;

	(void)b;
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		struct gort_select_case cases[] = {
			GORT_RECV_CASE(c[0], &v), GORT_RECV_CASE(c[1], &v),
		};

		none += gort_select(cases, 2, GORT_SELECT_NONBLOCK) == -EAGAIN;
	}
	timer_stop();
	check_equal("times nothing was ready", none, n);
	gort_chan_free(c[0]);
	gort_chan_free(c[1]);
}

/* ------------------------------------------------------------------------
 * SelectPingPong: a round trip in which both wait for one of two channels
 */

/* From c, unless other is closed. */
static bool select_recv(struct gort_chan *c, struct gort_chan *other,
			uint64_t *v)
{
	struct gort_select_case cases[] = {
		GORT_RECV_CASE(c, v), GORT_RECV_CASE(other, NULL),
	};

	return gort_select(cases, 2, 0) == 0;
}

struct select_pingpong {
	struct gort_chan *ping, *pong, *end;
	struct gort_waitgroup wg;
};

static void select_echo(void *arg)
{
	struct select_pingpong *p = arg;
	uint64_t v;

	while (select_recv(p->ping, p->end, &v)) {
		v++;
		gort_chan_send(p->pong, &v);
	}
	gort_waitgroup_done(&p->wg);
}

static void bench_select_pingpong(const struct bench *b, uint64_t n)
{
	struct select_pingpong p = {
		.ping = chan_new(0), .pong = chan_new(0), .end = chan_new(0),
	};
	uint64_t v = 0;

	(void)b;
	gort_waitgroup_add(&p.wg, 1);
	spawn(select_echo, &p);
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_chan_send(p.ping, &v);
		select_recv(p.pong, p.end, &v);
	}
	timer_stop();
	check_equal("round trips", v, n);
	gort_chan_close(p.end);
	gort_waitgroup_wait(&p.wg);
	gort_chan_free(p.ping);
	gort_chan_free(p.pong);
	gort_chan_free(p.end);
}

/* ------------------------------------------------------------------------
 * TimerStartStop: a timer that never comes; alone, and with others, of which
 * half come before it and half after
 */

static void timer_ran(void *arg)
{
	(void)arg;
	die("a timer of half an hour or more ran");
}

static void start_stop(uint64_t n)
{
	uint64_t stopped = 0;

	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		struct gort_timer t;

		gort_timer_init(&t, timer_ran, NULL);
		gort_timer_start(&t, 60 * MINUTE_NS, 0);
		stopped += (uint64_t)gort_timer_stop(&t);
	}
	timer_stop();
	check_equal("timers stopped", stopped, n);
}

static void bench_timer_start_stop(const struct bench *b, uint64_t n)
{
	(void)b;
	start_stop(n);
}

static void bench_timer_start_stop_10k(const struct bench *b, uint64_t n)
{
	static struct gort_timer others[OTHER_TIMERS];
	uint64_t stopped = 0;

	(void)b;
	for (int i = 0; i < OTHER_TIMERS; i++) {
		int64_t minutes = 30 + (int64_t)i * 7919 % 60;

		gort_timer_init(&others[i], timer_ran, NULL);
		check_ok("gort_timer_start",
			 gort_timer_start(&others[i], minutes * MINUTE_NS, 0));
	}
	start_stop(n);
	for (int i = 0; i < OTHER_TIMERS; i++)
		stopped += (uint64_t)gort_timer_stop(&others[i]);
	check_equal("other timers stopped", stopped, OTHER_TIMERS);
}

/* ------------------------------------------------------------------------
 * SleepMany: goroutines that sleep for less than it takes to get round, so
 * that nobody waits for the clock
 */

struct sleeper {
	uint64_t times;
	uint64_t *slept;
	struct gort_waitgroup *wg;
};

static void sleep_many(void *arg)
{
	struct sleeper *s = arg;

	for (uint64_t i = 0; i < s->times; i++) {
		gort_sleep_ns(1000);
		++*s->slept;	/* one P: no two at a time */
	}
	gort_waitgroup_done(s->wg);
}

static void bench_sleep_many(const struct bench *b, uint64_t n)
{
	struct gort_waitgroup wg = { { 0 } };
	uint64_t slept = 0;

	(void)b;
	gort_waitgroup_add(&wg, SLEEPERS);
	timer_start();
	for (uint64_t i = 0; i < SLEEPERS; i++) {
		struct sleeper s = {
			n / SLEEPERS + (i < n % SLEEPERS), &slept, &wg
		};

		check_ok("gort_go_copy",
			 gort_go_copy(sleep_many, &s, sizeof(s)));
	}
	gort_waitgroup_wait(&wg);
	timer_stop();
	check_equal("sleeps", slept, n);
}

/* ------------------------------------------------------------------------
 * StackGrow: a new goroutine recurses to a depth in bytes
 */

static uintptr_t frame_at[2];	/* of the last two calls */

static never_inline uint64_t descend(uint64_t depth)
{
	char pad[FRAME_PAD];
	uint64_t below = 0;

	touch(pad);
	frame_at[depth & 1] = (uintptr_t)__builtin_frame_address(0);
	if (depth > 1)
		below = descend(depth - 1);
	touch(pad);
	return below + 1;
}

static size_t frame_size(void)
{
	size_t size;

	descend(2);
	size = frame_at[0] - frame_at[1];
	if (size < FRAME_PAD || size > 2 * FRAME_PAD)
		die("a frame of %zu bytes", size);
	return size;
}

struct descent {
	uint64_t depth;
	uint64_t reached;
	struct gort_waitgroup wg;
};

static void descend_all(void *arg)
{
	struct descent *d = arg;

	d->reached += descend(d->depth);
	gort_waitgroup_done(&d->wg);
}

static void bench_stack_grow(const struct bench *b, uint64_t n)
{
	struct descent d = { .depth = b->depth / frame_size() };

	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_waitgroup_add(&d.wg, 1);
		spawn(descend_all, &d);
		gort_waitgroup_wait(&d.wg);
	}
	timer_stop();
	check_equal("calls", d.reached, n * d.depth);
}

/* ------------------------------------------------------------------------
 * Call: a function with and without the check
 */

/* A leaf: has no check. */
static never_inline __attribute__((aligned(64))) uint64_t leaf(uint64_t x)
{
	hide(x);
	return x + 1;
}

static never_inline __attribute__((aligned(64))) uint64_t checked(uint64_t x)
{
	return leaf(x) + 1;
}

static gort_nosplit __attribute__((aligned(64))) uint64_t plain(uint64_t x)
{
	return leaf(x) + 1;
}

static void bench_call_checked(const struct bench *b, uint64_t n)
{
	uint64_t x = 0, i;

	(void)b;
	timer_start();
	for (i = n; i >= 16; i -= 16) {
		times16(x = checked(x));
	}
	while (i--)
		x = checked(x);
	timer_stop();
	check_equal("sum", x, 2 * n);
}

static void bench_call_plain(const struct bench *b, uint64_t n)
{
	uint64_t x = 0, i;

	(void)b;
	timer_start();
	for (i = n; i >= 16; i -= 16) {
		times16(x = plain(x));
	}
	while (i--)
		x = plain(x);
	timer_stop();
	check_equal("sum", x, 2 * n);
}

/* ------------------------------------------------------------------------
 * Segment: a call that is the first on the next segment, every time
 */

struct seek {
	bool boundary;
	bool crossed;
	uint64_t n, sum;
	struct gort_stats before, after;	/* the loop */
	struct gort_waitgroup wg;
};

static uintptr_t target_frame;

static never_inline uint64_t target(uint64_t x)
{
	target_frame = (uintptr_t)__builtin_frame_address(0);
	return leaf(x) + 1;
}

static bool target_is_apart(uintptr_t from)
{
	return (from > target_frame ? from - target_frame :
		target_frame - from) > SEGMENT_APART;
}

/*
 * Goes down in small steps until target(), called from this very frame, runs
 * far away.  The next step would begin at the same stack pointer, so target()
 * is the first to cross.
 */
static never_inline void seek(struct seek *s)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uint64_t x = 0, i;

	target(0);
	if (s->boundary && !target_is_apart(here)) {
		seek(s);
		touch(s);	/* no tail call */
		return;
	}
	gort_read_stats(&s->before);
	timer_start();
	for (i = s->n; i >= 16; i -= 16) {
		times16(x = target(x));
	}
	while (i--)
		x = target(x);
	timer_stop();
	gort_read_stats(&s->after);
	s->sum = x;
	s->crossed = target_is_apart(here);
}

static void seek_all(void *arg)
{
	struct seek *s = arg;

	seek(s);
	gort_waitgroup_done(&s->wg);
}

static void bench_segment(uint64_t n, bool boundary)
{
	struct seek s = { .n = n, .boundary = boundary };
	struct gort_stats start;

	gort_read_stats(&start);
	gort_waitgroup_add(&s.wg, 1);
	spawn(seek_all, &s);
	gort_waitgroup_wait(&s.wg);
	check_equal("sum", s.sum, 2 * n);
	check_equal("segments switched", s.crossed, boundary);
	check_equal("grown by switch on the way",
		    s.before.stack_grown_by_switch >
		    start.stack_grown_by_switch, boundary);
	check_equal("grown by switch in the loop",
		    s.after.stack_grown_by_switch,
		    s.before.stack_grown_by_switch);
	check_equal("grown in place in the loop", s.after.stack_grown_in_place,
		    s.before.stack_grown_in_place);
	check_equal("slots after the loop", s.after.stack_slots,
		    s.before.stack_slots);
}

static void bench_segment_boundary(const struct bench *b, uint64_t n)
{
	(void)b;
	bench_segment(n, true);
}

static void bench_segment_plain(const struct bench *b, uint64_t n)
{
	(void)b;
	bench_segment(n, false);
}

/* ------------------------------------------------------------------------
 * Mutex: nobody else wants it; several goroutines do
 */

struct contest {
	struct gort_mutex mutex;
	uint64_t count;
	uint64_t each;		/* times per goroutine */
	struct gort_waitgroup wg;
};

static void bench_mutex_uncontended(const struct bench *b, uint64_t n)
{
	struct contest c = { .count = 0 };

	(void)b;
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_mutex_lock(&c.mutex);
		c.count++;
		gort_mutex_unlock(&c.mutex);
	}
	timer_stop();
	check_equal("times locked", c.count, n);
}

static void contend(void *arg)
{
	struct contest *c = arg;

	for (uint64_t i = 0; i < c->each; i++) {
		gort_mutex_lock(&c->mutex);
		c->count++;
		gort_mutex_unlock(&c->mutex);
	}
	gort_waitgroup_done(&c->wg);
}

static void bench_mutex_contended(const struct bench *b, uint64_t n)
{
	struct contest c = { .each = n % CONTENDERS };

	(void)b;
	gort_waitgroup_add(&c.wg, 1);
	contend(&c);
	c.each = n / CONTENDERS;
	gort_waitgroup_add(&c.wg, CONTENDERS);
	timer_start();
	for (int i = 0; i < CONTENDERS; i++)
		spawn(contend, &c);
	gort_waitgroup_wait(&c.wg);
	timer_stop();
	check_equal("times locked", c.count, n);
}

/* ------------------------------------------------------------------------
 * ReadMemStats: of a heap with objects of many sizes
 */

static void bench_read_memstats(const struct bench *b, uint64_t n)
{
	static void *kept[KEPT];
	struct gort_memstats *st = malloc(sizeof(*st));
	uint64_t read = 0;

	(void)b;
	for (size_t i = 0; i < KEPT; i++)
		kept[i] = gort_alloc((i + 1) * 16);
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		int err = gort_read_memstats(st);

		read += !err && st->mallocs - st->frees >= KEPT;
	}
	timer_stop();
	check_equal("reads", read, n);
	for (size_t i = 0; i < KEPT; i++)
		gort_free(kept[i]);
	free(st);
}

/* ------------------------------------------------------------------------
 * Memory: goroutines that wait
 */

#define MEMORY_NAME	"BenchmarkMemory/parked-goroutine"

struct memory {
	uint64_t bytes;		/* resident, with page tables */
	unsigned int vmas;
};

struct parking {
	struct gort_chan *gate;
	uint64_t parked, gone;
	struct gort_waitgroup wg;
};

static uint64_t status_bytes(const char *status, const char *field)
{
	const char *p = strstr(status, field);

	if (!p)
		die("/proc/self/status has no %s", field);
	return strtoull(p + strlen(field), NULL, 10) * 1024;
}

static void read_file(const char *path, void (*fn)(const char *, void *),
		      void *arg)
{
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("cannot open %s", path);
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		fn(buf, arg);
	}
	close(fd);
}

static void add_status(const char *text, void *arg)
{
	struct memory *m = arg;

	m->bytes = status_bytes(text, "VmRSS:") + status_bytes(text, "VmPTE:");
}

static void add_lines(const char *text, void *arg)
{
	struct memory *m = arg;

	while ((text = strchr(text, '\n'))) {
		m->vmas++;
		text++;
	}
}

static void memory_read(void *arg)
{
	struct memory *m = arg;

	m->vmas = 0;
	read_file("/proc/self/status", add_status, m);
	read_file("/proc/self/maps", add_lines, m);
}

static void park(void *arg)
{
	struct parking *p = arg;

	p->parked++;
	if (gort_chan_recv(p->gate, NULL) == -EPIPE)
		p->gone++;
	gort_waitgroup_done(&p->wg);
}

static void print_memory(const struct memory *before,
			 const struct memory *after)
{
	printf(MEMORY_NAME "\t%8u\t%10.0f B/goroutine\t%10u VMAs\n", opt.parked,
	       (double)(after->bytes - before->bytes) / opt.parked,
	       after->vmas);
	fflush(stdout);
}

/* arg: memory before and with them parked. */
static void park_many(void *arg)
{
	struct parking p = { .gate = chan_new(0) };
	struct memory *m = arg;

	gort_systemstack_call(memory_read, &m[0]);
	gort_waitgroup_add(&p.wg, opt.parked);
	for (unsigned int i = 0; i < opt.parked; i++)
		spawn(park, &p);
	while (p.parked < opt.parked)
		gort_yield();
	gort_systemstack_call(memory_read, &m[1]);
	gort_chan_close(p.gate);
	gort_waitgroup_wait(&p.wg);
	check_equal("goroutines woken", p.gone, opt.parked);
}

/* In a child, whose memory nothing else has been in. */
static void run_memory(void)
{
	struct memory m[2];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("cannot fork");
	if (!pid) {
		setenv("GORTMAXPROCS", "1", 1);
		check_ok("gort_run", gort_run(park_many, m));
		print_memory(&m[0], &m[1]);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die(MEMORY_NAME " failed, status %#x", status);
}

/*
 * Syscall: leave the P and come back, with nothing in between.
 */

static void bench_syscall(const struct bench *b, uint64_t n)
{
	(void)b;
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		gort_syscall_enter();
		gort_syscall_exit();
	}
	timer_stop();
}

/*
 * Latencies: n samples, of which the 99th percentile counts.
 */

struct samples {
	uint64_t *ns;
	uint64_t n;
};

static struct samples samples_new(uint64_t n)
{
	struct samples s = { calloc(n, sizeof(uint64_t)), 0 };

	if (!s.ns)
		die("out of memory");
	return s;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void samples_end(struct samples *s)
{
	qsort(s->ns, s->n, sizeof(uint64_t), by_value);
	result.p99_ns = s->ns[s->n * 99 / 100];
	free(s->ns);
}

static volatile bool spin_stop;
static volatile uint64_t spun[2];
static struct gort_waitgroup spinners;

/* No calls in the loop: only a signal gets it to yield. */
static void spin(void *arg)
{
	uint64_t id = (uint64_t)arg;

	while (!spin_stop)
		spun[id]++;
	gort_waitgroup_done(&spinners);
}

static void spin_begin(uint64_t n)
{
	spin_stop = false;
	gort_waitgroup_add(&spinners, (int64_t)n);
	for (uint64_t i = 0; i < n; i++) {
		spun[i] = 0;
		spawn(spin, (void *)i);
	}
}

static void spin_end(uint64_t n)
{
	spin_stop = true;
	gort_waitgroup_wait(&spinners);
	for (uint64_t i = 0; i < n; i++)
		if (!spun[i])
			die("goroutine %" PRIu64 " never ran", i);
}

/* PreemptLatency: how long a slice of a goroutine that spins is. */
static void bench_preempt_latency(const struct bench *b, uint64_t n)
{
	struct samples s = samples_new(n);

	(void)b;
	spin_begin(1);
	gort_yield();
	timer_start();
	for (; s.n < n; s.n++) {
		uint64_t from = now_ns();

		gort_yield();
		s.ns[s.n] = now_ns() - from;
	}
	timer_stop();
	spin_end(1);
	samples_end(&s);
}

static uint64_t stop_ns(void)
{
	struct gort_pause p;

	for (unsigned int i = 0; !gort_read_pause(i, &p); i++)
		if (!strcmp(p.reason, "stack dump"))
			return p.stop_ns;
	die("no pauses for stack dumps");
}

/* StopWorldLatency: from the request until the other P, which spins, stops. */
static void bench_stop_world_latency(const struct bench *b, uint64_t n)
{
	struct samples s = samples_new(n);

	(void)b;
	spin_begin(2);
	gort_yield();
	timer_start();
	for (; s.n < n; s.n++) {
		uint64_t before = stop_ns();

		if (gort_stack_dump(NULL, 0) <= 0)
			die("gort_stack_dump");
		s.ns[s.n] = stop_ns() - before;
		gort_yield();
	}
	timer_stop();
	spin_end(2);
	samples_end(&s);
}

/* ------------------------------------------------------------------------
 * PipePingPong, TCPEcho: a round trip through the kernel
 */

struct echo {
	int in, out;		/* of the goroutine that sends back */
	struct gort_waitgroup wg;
};

static void check_count(const char *what, ssize_t got, size_t want)
{
	if (got < 0)
		check_ok(what, (int)got);
	check_equal(what, (uint64_t)got, want);
}

static void echo_bytes(void *arg)
{
	struct echo *e = arg;
	char buf[ECHO_BYTES];
	ssize_t n;

	while ((n = gort_read(e->in, buf, sizeof(buf))) > 0)
		check_count("gort_write", gort_write(e->out, buf, (size_t)n),
			    (size_t)n);
	check_ok("gort_read", (int)n);
	gort_waitgroup_done(&e->wg);
}

/* The messages are counted by what is in them. */
static void round_trips(struct echo *e, int in, int out, size_t size,
			uint64_t n)
{
	unsigned char buf[ECHO_BYTES] = "";
	uint64_t sum = 0;

	gort_waitgroup_add(&e->wg, 1);
	spawn(echo_bytes, e);
	timer_start();
	for (uint64_t i = 0; i < n; i++) {
		buf[size - 1] = i % 7 + 1;
		check_count("gort_write", gort_write(out, buf, size), size);
		buf[size - 1] = 0;
		check_count("gort_read", gort_read(in, buf, size), size);
		sum += buf[size - 1] == i % 7 + 1;
	}
	timer_stop();
	check_equal("messages that came back", sum, n);
	check_ok("gort_close", gort_close(out));
	gort_waitgroup_wait(&e->wg);
}

static void bench_pipe_pingpong(const struct bench *b, uint64_t n)
{
	int there[2], back[2];
	struct echo e = { 0 };

	(void)b;
	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		die("no pipes");
	e.in = there[0];
	e.out = back[1];
	round_trips(&e, back[0], there[1], 1, n);
	gort_close(there[0]);
	gort_close(back[0]);
	gort_close(back[1]);
}

/* Both without delay, as Go's are. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(a);
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (lfd < 0 || bind(lfd, (struct sockaddr *)&a, len) ||
	    listen(lfd, 1) || getsockname(lfd, (struct sockaddr *)&a, &len))
		die("no listener");
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check_ok("gort_connect",
		 gort_connect(fds[0], (struct sockaddr *)&a, len));
	fds[1] = gort_accept(lfd, NULL, NULL, SOCK_CLOEXEC);
	check_ok("gort_accept", fds[1] < 0 ? fds[1] : 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one,
			   sizeof(one));
	gort_close(lfd);
}

static void bench_tcp_echo(const struct bench *b, uint64_t n)
{
	struct echo e = { 0 };
	int fds[2];

	(void)b;
	tcp_pair(fds);
	e.in = e.out = fds[1];
	round_trips(&e, fds[0], fds[0], ECHO_BYTES, n);
	gort_close(fds[1]);
}

/* ------------------------------------------------------------------------
 * LockPair: a lock of the runtime's that nobody else wants, which a channel
 * takes for each operation
 */

static void bench_lock_pair(const struct bench *b, uint64_t n)
{
	struct gort_chan *c = chan_new(1);
	uint64_t v = 0, received = 0;

	(void)b;
	timer_start();
	for (uint64_t i = 0; i < n; i += 2) {
		gort_chan_send(c, &i);
		gort_chan_recv(c, &v);
		received++;
	}
	timer_stop();
	check_equal("values received", received, (n + 1) / 2);
	check_equal("the last", v, (n - 1) & ~UINT64_C(1));
	gort_chan_close(c);
	gort_chan_free(c);
}

/* ------------------------------------------------------------------------
 * Nonpreempt: those in which there are non-preemptible sections, while these
 * are profiled
 */

/* sections: as many as there are in it at least. */
static void profiled(void (*fn)(const struct bench *b, uint64_t n),
		     const struct bench *b, uint64_t n, uint64_t sections)
{
	struct gort_nonpreempt_stats st;

	check_ok("gort_nonpreempt_start", gort_nonpreempt_start(NULL));
	fn(b, n);
	check_ok("gort_nonpreempt_stop", gort_nonpreempt_stop());
	gort_nonpreempt_read_stats(&st);
	if (st.sections < sections)
		die("%" PRIu64 " sections, want %" PRIu64, st.sections,
		    sections);
}

static void bench_nonpreempt_systemstack(const struct bench *b, uint64_t n)
{
	profiled(bench_systemstack, b, n, n);
}

static void bench_nonpreempt_yield(const struct bench *b, uint64_t n)
{
	profiled(bench_yield, b, n, n);
}

static void bench_nonpreempt_spawn(const struct bench *b, uint64_t n)
{
	profiled(bench_spawn, b, n, 2 * n);
}

static void bench_nonpreempt_lock_pair(const struct bench *b, uint64_t n)
{
	profiled(bench_lock_pair, b, n, n);
}

/* ------------------------------------------------------------------------
 * MetricsRead: all that there are, into the same samples
 */

static void bench_metrics_read(const struct bench *b, uint64_t n)
{
	size_t count;
	const struct gort_metric_desc *descs = gort_metrics_all(&count);
	struct gort_metric_sample *s = calloc(count, sizeof(*s));
	int err;

	(void)b;
	if (!s)
		die("no memory for %zu samples", count);
	for (size_t i = 0; i < count; i++)
		s[i].name = descs[i].name;
	err = gort_metrics_read(s, count);
	timer_start();
	for (uint64_t i = 0; i < n; i++)
		err |= gort_metrics_read(s, count);
	timer_stop();
	check_ok("gort_metrics_read", err);
	for (size_t i = 0; i < count; i++)
		check_equal(s[i].name, s[i].value.kind, descs[i].kind);
	gort_metrics_release(s, count);
	free(s);
	result.metrics = count;
}

/* ------------------------------------------------------------------------
 * The harness
 */

static const struct bench benches[] = {
	{ "BenchmarkSyscall", 1, bench_syscall, 0 },
	{ "BenchmarkPreemptLatency", 1, bench_preempt_latency, 0 },
	{ "BenchmarkStopWorldLatency", 2, bench_stop_world_latency, 0 },
	{ "BenchmarkSystemstack", 1, bench_systemstack, 0 },
	{ "BenchmarkYield", 1, bench_yield, 0 },
	{ "BenchmarkSpawn", 1, bench_spawn, 0 },
	{ "BenchmarkTraceYield", 1, bench_trace_yield, 0 },
	{ "BenchmarkTraceLog", 1, bench_trace_log, 0 },
	{ "BenchmarkTraceRegion", 1, bench_trace_region, 0 },
	{ "BenchmarkPingPong1P", 1, bench_pingpong, 0 },
	{ "BenchmarkPingPong2P", 2, bench_pingpong, 0 },
	{ "BenchmarkChanBuffered1P", 1, bench_chan_buffered, 0 },
	{ "BenchmarkSelectReady2", 1, bench_select_ready2, 0 },
	{ "BenchmarkSelectDefault", 1, bench_select_default, 0 },
	{ "BenchmarkSelectPingPong", 1, bench_select_pingpong, 0 },
	{ "BenchmarkTimerStartStop", 1, bench_timer_start_stop, 0 },
	{ "BenchmarkTimerStartStop10k", 1, bench_timer_start_stop_10k, 0 },
	{ "BenchmarkSleepMany", 1, bench_sleep_many, 0 },
	{ "BenchmarkPipePingPong1P", 1, bench_pipe_pingpong, 0 },
	{ "BenchmarkTCPEcho", 2, bench_tcp_echo, 0 },
	{ "BenchmarkStackGrow64K", 1, bench_stack_grow, (size_t)64 << 10 },
	{ "BenchmarkStackGrow1M", 1, bench_stack_grow, (size_t)1 << 20 },
	{ "BenchmarkCallChecked", 1, bench_call_checked, 0 },
	{ "BenchmarkCallPlain", 1, bench_call_plain, 0 },
	{ "BenchmarkSegmentBoundary", 1, bench_segment_boundary, 0 },
	{ "BenchmarkSegmentPlain", 1, bench_segment_plain, 0 },
	{ "BenchmarkMutexUncontended", 1, bench_mutex_uncontended, 0 },
	{ "BenchmarkMutexContended", 2, bench_mutex_contended, 0 },
	{ "BenchmarkLockPair", 1, bench_lock_pair, 0 },
	{ "BenchmarkNonpreemptSystemstack", 1, bench_nonpreempt_systemstack, 0 },
	{ "BenchmarkNonpreemptYield", 1, bench_nonpreempt_yield, 0 },
	{ "BenchmarkNonpreemptSpawn", 1, bench_nonpreempt_spawn, 0 },
	{ "BenchmarkNonpreemptLockPair", 1, bench_nonpreempt_lock_pair, 0 },
	{ "BenchmarkMetricsRead", 2, bench_metrics_read, 0 },
	{ "BenchmarkReadMemStats", 1, bench_read_memstats, 0 },
};

#define NR_BENCHES	(sizeof(benches) / sizeof(benches[0]))

static void scale(void *arg)
{
	const struct bench *b = arg;

	result.p99_ns = 0;
	result.trace_bytes = 0;
	result.metrics = 0;
	result.n = bench_time.fixed_n ? bench_time.fixed_n : 1;
	b->fn(b, result.n);
	while (go_on(result.n, result.ns)) {
		result.n = predict_n(result.n, result.ns);
		b->fn(b, result.n);
	}
}

/* Go's widths: the decimal points are in one column. */
static void print_value(double v, const char *unit)
{
	static const double from[] = { 999.95, 99.995, 9.9995, 0.99995,
				       0.099995, 0.0099995, 0.00099995 };
	int digits = 0;

	if (v != 0)
		while (digits < 7 && v < from[digits])
			digits++;
	printf("\t%*.*f %s", digits ? 11 + digits : 10, digits, v, unit);
}

static int name_width(void)
{
	size_t max = 0;

	for (size_t i = 0; i < NR_BENCHES; i++)
		if (strlen(benches[i].name) > max)
			max = strlen(benches[i].name);
	return (int)max + 2;
}

static void run_bench(const struct bench *b)
{
	char procs[16], name[64];

	snprintf(procs, sizeof(procs), "%u", b->procs);
	snprintf(name, sizeof(name), "%s-%u", b->name, b->procs);
	setenv("GORTMAXPROCS", procs, 1);
	check_ok("gort_run", gort_run(scale, (void *)b));
	printf("%-*s\t%8" PRIu64, name_width(), name, result.n);
	print_value((double)result.ns / (double)result.n, "ns/op");
	if (result.p99_ns)
		print_value((double)result.p99_ns, "p99-ns");
	if (result.trace_bytes > 0)
		print_value(result.trace_bytes, "B/event");
	if (result.metrics)
		print_value((double)result.ns / (double)result.n /
			    (double)result.metrics, "ns/metric");
	printf("\n");
	fflush(stdout);
}

static void print_cpu(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256], *colon;

	while (f && fgets(line, sizeof(line), f)) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) || !colon)
			continue;
		printf("cpu: %s", colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

static void print_header(void)
{
	struct utsname u;
	const char *arch = u.machine;

	uname(&u);
	if (!strcmp(arch, "x86_64"))
		arch = "amd64";
	else if (!strcmp(arch, "aarch64"))
		arch = "arm64";
	printf("goos: linux\ngoarch: %s\npkg: gort-bench\n", arch);
	print_cpu();
}

static unsigned int parse_count(const char *name, const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (end == s || *end || !v || v > 100000000)
		die("%s%s: want a number from 1", name, s);
	return (unsigned int)v;
}

static void parse_args(char **argv)
{
	char *v;

	while (*++argv) {
		if ((v = option(*argv, "-bench=")))
			opt.pattern = v;
		else if ((v = option(*argv, "-benchtime=")))
			parse_benchtime(v);
		else if ((v = option(*argv, "-count=")))
			opt.count = parse_count("-count=", v);
		else if ((v = option(*argv, "-parked=")))
			opt.parked = parse_count("-parked=", v);
		else
			die("usage: bench [-bench=REGEX] [-benchtime=0.2s|1000x] [-count=N] [-parked=N]");
	}
}

static bool wanted(const regex_t *re, const char *name)
{
	return !regexec(re, name, 0, NULL, 0);
}

int main(int argc, char **argv)
{
	regex_t re;

	(void)argc;
	parse_args(argv);
	if (regcomp(&re, opt.pattern, REG_EXTENDED | REG_NOSUB))
		die("-bench=%s: not a regular expression", opt.pattern);
	print_header();
	if (wanted(&re, MEMORY_NAME))
		for (unsigned int k = 0; k < opt.count; k++)
			run_memory();
	for (size_t i = 0; i < NR_BENCHES; i++)
		if (wanted(&re, benches[i].name))
			for (unsigned int k = 0; k < opt.count; k++)
				run_bench(&benches[i]);
	printf("PASS\n");
	return 0;
}
