// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_cpuprofile_prog.c - a program with something to profile:
 * hot_one uses 700 ms of CPU time, hot_two 300 ms, in functions that are
 * inlined, on goroutines labelled with role one and two.
 */
#include <gort/gort.h>
#include <gort/profile.h>

#include <stdlib.h>

#include "trace/cpu.h"

static struct gort_waitgroup wg;

static __attribute__((noinline)) void hot_one(void)
{
	cpu_use(700000000);
}

static __attribute__((noinline)) void hot_two(void)
{
	cpu_use(300000000);
}

static void one(void *arg)
{
	(void)arg;
	if (gort_label_set("role", "one"))
		abort();
	hot_one();
	gort_waitgroup_done(&wg);
}

static void two(void *arg)
{
	(void)arg;
	if (gort_label_set("role", "two"))
		abort();
	hot_two();
	gort_waitgroup_done(&wg);
}

static void first(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&wg, 2);
	if (gort_go(one, NULL) || gort_go(two, NULL))
		abort();
	gort_waitgroup_wait(&wg);
}

int main(void)
{
	return gort_run(first, NULL) ? 1 : 0;
}
