// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_trace.c - two hundred traces of a program that does
 * everything at once, each read back by the rules Go's own are tested with.
 *
 * Goroutines come and go, block, compute without calls, are in system calls
 * that lose their P, are locked to threads, grow deep and are shrunk, while
 * GORTMAXPROCS changes.  Every trace says what it says by the log exactly
 * once.
 */
#define _GNU_SOURCE
#include "stress/stress.h"

#include <stdatomic.h>

#include "kernel/spin.h"
#include "trace/readback.h"

#define TRACES	200
#define NPROCS	4
#define LOGS	100

static _Atomic int done;
static struct gort_waitgroup all;
static struct gort_chan *chan;
static long traces, events, steals, spawned;

static void leaf(void *arg)
{
	(void)arg;
}

static void spawner(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		for (int i = 0; i < 5; i++)
			CHECK_EQ(gort_go(leaf, NULL), 0);
		gort_sleep_ns(20000);
	}
	gort_waitgroup_done(&all);
}

static void sender(void *arg)
{
	if (arg)
		gort_lock_os_thread();
	while (!peek(&done)) {
		CHECK_EQ(gort_chan_send(chan, NULL), 0);
		gort_sleep_ns(10000);
	}
	gort_waitgroup_done(&all);
}

static void receiver(void *arg)
{
	if (arg)
		gort_lock_os_thread();
	while (!gort_chan_recv(chan, NULL))
		;
}

static void caller(void *arg)
{
	struct timespec ts = { .tv_nsec = 100000 };

	(void)arg;
	while (!peek(&done)) {
		gort_syscall_enter();
		nanosleep(&ts, NULL);
		gort_syscall_exit();
	}
	gort_waitgroup_done(&all);
}

/* Stopped by signal, where not every call yields to it anyway. */
static void spinner(void *arg)
{
	struct churn c = { .x = 1 };

	(void)arg;
	while (!peek(&done)) {
		churn(&c, mode_gortdebug("maymorestack") ? 1 : 1000000);
		gort_sleep_ns(100000);
	}
	gort_waitgroup_done(&all);
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char pad[400];

	pad[0] = (char)n;
	return n ? deep(n - 1) + pad[0] : 0;
}

static void grower(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		deep(150);
		gort_sleep_ns(100000);
		CHECK_LE(0, gort_stack_shrink());
	}
	gort_waitgroup_done(&all);
}

static void changer(void *arg)
{
	(void)arg;
	for (int i = 0; !peek(&done); i++) {
		CHECK_LE(1, gort_gomaxprocs(1 + i % NPROCS));
		gort_sleep_ns(300000);
	}
	gort_waitgroup_done(&all);
}

static void load(void)
{
	static void (*const fns[])(void *) = {
		spawner, caller, caller, spinner, grower, grower, changer,
	};

	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(fns[i], NULL), 0);
	}
	for (int locked = 0; locked < 2; locked++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(sender, locked ? &all : NULL), 0);
		CHECK_EQ(gort_go(receiver, locked ? &all : NULL), 0);
	}
}

struct one {
	int fd;
	struct gort_trace_stats st;
	struct seen seen;
};

/* On the system stack: the reader has no stack checks. */
static void read_it(void *arg)
{
	struct one *o = arg;

	if (trace_read(o->fd, 0, &o->seen))
		return;
	dprintf(2, "trace %ld: status %d: %s\n", traces, o->seen.status,
		o->seen.why);
	abort();
}

static void trace_one(struct one *o)
{
	struct gort_trace_opts opts = { .version = traces % 2 ? 26 : 23 };

	*o = (struct one){ .fd = trace_file() };
	CHECK_EQ(gort_trace_start(o->fd, &opts), 0);
	for (int i = 0; i < LOGS; i++) {
		gort_trace_log(0, "", "");
		if (i % 10 == 0)
			gort_sleep_ns(100000);
	}
	CHECK_EQ(gort_trace_stop(), 0);
	gort_trace_read_stats(&o->st);
	CHECK_EQ(gort_blocking(read_it, o), 0);
	close(o->fd);
	CHECK_EQ(o->seen.logs, LOGS);
	CHECK_EQ(o->seen.generations, o->st.generations);
	CHECK_EQ(o->seen.size, o->st.bytes);
	CHECK_EQ(o->st.dropped, 0);
}

static void trace(void *arg)
{
	long n = *(long *)arg;
	struct one o;

	chan = gort_chan_new(0, 3);
	load();
	for (traces = 0; traces < n; traces++) {
		trace_one(&o);
		events += (long)o.seen.events;
		steals += (long)o.seen.steals;
		spawned += (long)o.seen.created;
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
	CHECK_EQ(gort_chan_close(chan), 0);
}

int main(void)
{
	const char *scale = getenv("STRESS_SCALE");
	long n = scale && *scale ? stress_count(TRACES) : mode_times(TRACES);

	debug_add("traceadvanceperiod=3000000,tracecheckstackownership=1,traceallocfree=1");
	stress_run("traced", trace, &n);
	printf("# %ld traces, %ld events, %ld thefts, %ld goroutines\n",
	       traces, events, steals, spawned);
	CHECK_EQ(traces, n);
	return stress_done("stress_trace");
}
