// SPDX-License-Identifier: ISC
/*
 * tests/gdb/prog.c - what test_gdb.sh stops and looks at.
 */
#include <stdio.h>

#include <gort/gort.h>

#define __noinline	__attribute__((__noinline__))

/* Compilers shrink frames that are not used. */
#define use_frame(p)	__asm__ volatile("" : : "r" (p) : "memory")

static volatile long sink;

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

int main(void)
{
	int done = 0;
	int err = gort_run(entry, &done);

	if (err)
		fprintf(stderr, "gort_run: %d\n", err);
	return !done;
}
