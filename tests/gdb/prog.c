// SPDX-License-Identifier: ISC
/*
 * tests/gdb/prog.c - what test_gdb.sh stops and looks at.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include <gort/gort.h>

#define __noinline	__attribute__((__noinline__))

/* Compilers shrink frames that are not used. */
#define use_frame(p)	__asm__ volatile("" : : "r" (p) : "memory")

static volatile long sink;

/* What gort has, too: its gdb commands must not mistake them. */
struct g {
	int id;
} my_g;

enum wait_reason { MY_REASON } my_reason;

static volatile int classes[3], region;

/* Below gort_systemstack_call(). */
static __noinline void on_system_stack(void *arg)
{
	*(long *)arg += 1;
	sink++;
}

static __noinline long call_system_stack(long n)
{
	long sum = n;

	gort_systemstack_call(on_system_stack, &sum);
	sink++;
	return sum;
}

/* Its check finds too little stack. */
static __noinline long large_frame(long n)
{
	char frame[20000];

	frame[n] = 1;
	use_frame(frame);
	return n + frame[n];
}

static __noinline long call_large_frame(long n)
{
	long m = n * 2;

	m += large_frame(n);
	sink++;
	return m;
}

/* On the third segment. */
static __noinline long bottom(long n)
{
	sink++;
	return n;
}

static __noinline long deep(long n)
{
	char frame[20000];
	long m;

	frame[n] = 1;
	use_frame(frame);
	m = n ? deep(n - 1) : bottom(n);
	sink++;
	return m + frame[n];
}

static __noinline long go_deep(long n)
{
	long m = deep(n);

	sink++;
	return m;
}

static __noinline void before_growth(void)
{
	sink++;
}

static void second_goroutine(void *arg)
{
	struct gort_waitgroup *wg = arg;
	long marker = 4711 + sink * 0;

	sink += call_system_stack(marker);
	before_growth();
	sink += call_large_frame(marker);
	sink += go_deep(25);
	sink += marker;
	gort_waitgroup_done(wg);
}

static void entry(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	gort_waitgroup_add(&wg, 1);
	gort_go(second_goroutine, &wg);
	gort_waitgroup_wait(&wg);
	*(int *)arg = 1;
}

/* --- with an argument: goroutines in all states; with two: a core file --- */

static struct gort_chan *chan;
static bool dump_core;
static atomic_bool spinning;

/* Waits on its third segment. */
static __noinline long wait_deep(long n)
{
	char frame[20000];
	long m = n;

	frame[n] = 1;
	use_frame(frame);
	if (n)
		m += wait_deep(n - 1);
	else
		gort_chan_recv(chan, NULL);
	sink++;
	return m + frame[n];
}

static void waiter(void *arg)
{
	long marker = 4711 + sink * 0;

	(void)arg;
	sink += wait_deep(25);
	sink += marker;
}

static void spinner(void *arg)
{
	(void)arg;
	atomic_store(&spinning, true);
	while (atomic_load(&spinning))
		sink++;
}

static void never_ran(void *arg)
{
	(void)arg;
	sink++;
}

static __noinline void all_there(void)
{
	sink += 2 + classes[0] + region;
	if (dump_core)
		__builtin_trap();
}

static __noinline void start_all(void)
{
	gort_go(spinner, NULL);
	while (!atomic_load(&spinning))
		gort_yield();
	gort_go(waiter, NULL);
	for (int i = 0; i < 100; i++)
		gort_yield();
	gort_go(never_ran, NULL);
	sink++;
}

static void states(void *arg)
{
	*(int *)arg = 1;
	chan = gort_chan_new(0, 0);
	start_all();
	all_there();
	atomic_store(&spinning, false);
}

int main(int argc, char **argv)
{
	int done = 0, err;

	(void)argv;
	dump_core = argc > 2;
	err = gort_run(argc > 1 ? states : entry, &done);
	if (err)
		fprintf(stderr, "gort_run: %d\n", err);
	return !done;
}
