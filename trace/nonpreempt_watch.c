// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt_watch.c - thresholds.
 */
#include "trace/nonpreempt.h"

#include "kernel/time.h"

int nonpreempt_watch_check(const struct gort_nonpreempt_config *c)
{
	(void)c;
	return 0;
}

void nonpreempt_watch_start(const struct gort_nonpreempt_config *c)
{
	(void)c;
}

void nonpreempt_watch_stop(void)
{
}

void nonpreempt_watch_counts(u64 *exceeded, u64 *suppressed)
{
	*exceeded = *suppressed = 0;
}

void nonpreempt_exceeded(struct m *mp, const struct gort_nonpreempt_event *ev,
			 uintptr_t what)
{
	(void)mp;
	(void)ev;
	(void)what;
}

s64 nonpreempt_watch_tick(s64 now)
{
	(void)now;
	return TIME_NEVER;
}

void nonpreempt_run_begin(void)
{
}

void nonpreempt_run_end(void)
{
}
