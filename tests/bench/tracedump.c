// SPDX-License-Identifier: ISC
/*
 * tests/bench/tracedump.c - the end of a generation with many stacks.
 *
 *	tracedump STACKS
 *
 * Writes STACKS events to a trace, each with a stack of 20 frames of its own,
 * and stops it, while another goroutine yields all the time.  Prints how long
 * that one had to wait at most for its turn, how long the tracer kept anybody
 * from being preempted, what a stack took, and its bytes:
 *
 *	wait-ns section-ns ns/stack B/stack
 *
 * go/tracedump does the same.  Set GORTMAXPROCS, and GORTDEBUG with
 * traceadvanceperiod long enough for one generation.
 */
#include <gort/gort.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAMES		20
#define never_inline	__attribute__((noinline))

static struct {
	unsigned long stacks;
	int stop;
	uint64_t wait_ns;
	struct gort_waitgroup wg;
} b;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) +
	       (uint64_t)ts.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "tracedump: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Four calls that return to four places, and are not to be made one. */
#define fork(fn, path, left)						\
	do {								\
		switch ((path) & 3) {					\
		case 0:							\
			fn((path) >> 2, (left) - 1);			\
			__asm__ volatile("# 0");			\
			break;						\
		case 1:							\
			fn((path) >> 2, (left) - 1);			\
			__asm__ volatile("# 1");			\
			break;						\
		case 2:							\
			fn((path) >> 2, (left) - 1);			\
			__asm__ volatile("# 2");			\
			break;						\
		default:						\
			fn((path) >> 2, (left) - 1);			\
			__asm__ volatile("# 3");			\
		}							\
	} while (0)

static void down(unsigned long path, int left);

static never_inline void turn(unsigned long path, int left)
{
	if (left)
		fork(down, path, left);
	else
		gort_trace_log(0, "", "");
}

static never_inline void down(unsigned long path, int left)
{
	if (left)
		fork(turn, path, left);
	else
		gort_trace_log(0, "", "");
}

static void yielder(void *arg)
{
	uint64_t last = now_ns(), now;

	(void)arg;
	while (!__atomic_load_n(&b.stop, __ATOMIC_RELAXED)) {
		gort_yield();
		now = now_ns();
		if (now - last > b.wait_ns)
			b.wait_ns = now - last;
		last = now;
	}
	gort_waitgroup_done(&b.wg);
}

static void run(void *arg)
{
	struct gort_trace_stats st;
	uint64_t from, took;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int err = gort_trace_start(fd, NULL);

	(void)arg;
	if (err)
		die("gort_trace_start", err);
	for (unsigned long i = 0; i < b.stacks; i++)
		down(i, FRAMES - 3);	/* and gort_trace_log(), run() */
	gort_waitgroup_add(&b.wg, 1);
	gort_go(yielder, NULL);
	gort_yield();
	from = now_ns();
	err = gort_trace_stop();
	took = now_ns() - from;
	__atomic_store_n(&b.stop, 1, __ATOMIC_RELAXED);
	gort_waitgroup_wait(&b.wg);
	if (err)
		die("gort_trace_stop", err);
	gort_trace_read_stats(&st);
	printf("%" PRIu64 " %" PRIu64 " %.1f %.1f\n", b.wait_ns, st.longest_ns,
	       (double)took / (double)b.stacks,
	       (double)st.bytes / (double)b.stacks);
}

int main(int argc, char **argv)
{
	int err;

	b.stacks = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (!b.stacks) {
		fprintf(stderr, "usage: tracedump STACKS\n");
		return 2;
	}
	err = gort_run(run, NULL);
	if (err)
		die("gort_run", err);
	return 0;
}
