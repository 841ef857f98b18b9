// SPDX-License-Identifier: ISC
/*
 * tests/kernel/openmetrics_prog.c - writes its metrics to standard output,
 * after it has done something of everything.
 */
#include <gort/gort.h>
#include <gort/nonpreempt.h>

#include <stdlib.h>
#include <unistd.h>

static void work(void *arg)
{
	for (int i = 0; i < 1000; i++)
		gort_yield();
	gort_waitgroup_done(arg);
}

static void first(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	void *p;

	gort_nonpreempt_start(NULL);
	gort_waitgroup_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		gort_go(work, &wg);
	for (size_t size = 1; size < 100000; size *= 3) {
		p = gort_alloc(size);
		gort_free(p);
	}
	gort_gomaxprocs(3);
	gort_sleep_ns(1000);
	gort_waitgroup_wait(&wg);
	*(int *)arg = gort_metrics_write(STDOUT_FILENO);
}

int main(void)
{
	int err = 0;

	if (gort_run(first, &err))
		return EXIT_FAILURE;
	return -err;
}
