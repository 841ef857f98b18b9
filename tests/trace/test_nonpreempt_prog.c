// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_nonpreempt_prog.c - a program with something that cannot be
 * preempted: user sections "long hold" of 20 ms in all, four of them, in
 * hold(), and "short;hold" of 2 ms in hold_short(), besides what the runtime
 * does.
 *
 * With an argument it marks those of 1 ms and more in its trace.
 */
#include <gort/gort.h>
#include <gort/nonpreempt.h>

#include <stdlib.h>
#include <time.h>

static struct gort_waitgroup wg;

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void spin_ns(long long ns)
{
	long long until = now_ns() + ns;

	while (now_ns() < until)
		;
}

static __attribute__((noinline)) void hold(void)
{
	if (gort_nonpreempt_begin("long hold"))
		abort();
	spin_ns(5000000);
	if (gort_nonpreempt_end())
		abort();
}

static __attribute__((noinline)) void hold_short(void)
{
	if (gort_nonpreempt_begin("short;hold"))
		abort();
	spin_ns(2000000);
	if (gort_nonpreempt_end())
		abort();
}

static void holder(void *arg)
{
	hold();
	if (arg)
		hold_short();
	gort_waitgroup_done(&wg);
}

static void first(void *arg)
{
	const struct gort_nonpreempt_config config = {
		.threshold_ns = 1000000,
		.actions = GORT_NONPREEMPT_MARK,
		.per_second = 1000,
	};

	if (arg && gort_nonpreempt_start(&config))
		abort();
	gort_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		if (gort_go(holder, i ? NULL : &wg))
			abort();
	gort_waitgroup_wait(&wg);
}

int main(int argc, char **argv)
{
	return gort_run(first, argc > 1 ? argv : NULL) ? 1 : 0;
}
