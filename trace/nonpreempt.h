/* SPDX-License-Identifier: ISC */
/*
 * trace/nonpreempt.h - what the parts of the profiler of non-preemptible
 * sections know of each other.
 *
 *	nonpreempt.c		recording, start and stop, reading
 *	nonpreempt_watch.c	thresholds, sections still open, GORTNONPREEMPT
 *	nonpreempt_write.c	files
 *
 * What an M is in is in its struct m_nonpreempt (kernel/nonpreempt.h), which
 * only its own thread looks at, its handlers of signals included; but for
 * ->since and ->asked, which are for others.
 */
#ifndef TRACE_NONPREEMPT_H
#define TRACE_NONPREEMPT_H

#include <gort/nonpreempt.h>

#include "kernel/sched.h"

/*
 * nonpreempt.c
 */

/* Constant while a profile runs. */
struct nonpreempt_clock {
	bool by_clock;		/* no good cycle counter: ns */
	u64 mult;		/* ns = cycles * mult >> NONPREEMPT_SHIFT */
	u64 threshold;		/* cycles; UINT64_MAX: none */
};

#define NONPREEMPT_SHIFT	32

extern struct nonpreempt_clock nonpreempt_clock;

/* Now, in the unit of ->since; "cycles" below.  Any context. */
u64 nonpreempt_now(void);

static inline u64 nonpreempt_ns(u64 cycles)
{
	return (u64)((unsigned __int128)cycles * nonpreempt_clock.mult >>
		     NONPREEMPT_SHIFT);
}

/* From start to now, or to stop. */
u64 nonpreempt_duration_ns(void);

/*
 * nonpreempt_what - as gort_nonpreempt_site.what; never NULL.
 * nonpreempt_function - as gort_nonpreempt_site.function.
 * Context: goroutine, plain thread or g0; not signal handlers.
 */
const char *nonpreempt_what(unsigned int kind, uintptr_t what);
uintptr_t nonpreempt_function(unsigned int kind, uintptr_t what);

/*
 * nonpreempt_each - call fn for each row of each table, as it is now.  The
 * same site may have one in several tables.  ->what is NULL: no name is
 * looked up.
 * Context: any that has 8 KiB of stack; not signal handlers.
 */
void nonpreempt_each(void (*fn)(const struct gort_nonpreempt_site *row,
				void *arg), void *arg);

/*
 * nonpreempt_open - the section that mp, the caller's own M, is in.
 *
 * False: none, or it cannot be told at this moment.  Fills in what, but not
 * its name: ->what is NULL, *what is for nonpreempt_what().  Leaves the end,
 * ns, tid and open to the caller.
 * Context: mp's thread, signal handlers included.
 */
bool nonpreempt_open(struct m *mp, struct gort_nonpreempt_event *ev,
		     uintptr_t *what);

/*
 * nonpreempt_watch.c
 */

/* Is that good?  0 or -EINVAL; c may be NULL. */
int nonpreempt_watch_check(const struct gort_nonpreempt_config *c);
/* Before a profile begins, nonpreempt_on is false; after it has ended. */
void nonpreempt_watch_start(const struct gort_nonpreempt_config *c);
void nonpreempt_watch_stop(void);
void nonpreempt_watch_counts(u64 *exceeded, u64 *suppressed);

/*
 * nonpreempt_exceeded - mp's outermost section has just ended, and took
 * longer than the threshold.
 *
 * All but tid, open and ->what (NULL) is filled in; what is for
 * nonpreempt_what().  mp is still not preemptible; in the books it is in no
 * section any more, so what is called here is recorded as usual.  May be in a
 * signal handler.
 */
void nonpreempt_exceeded(struct m *mp, const struct gort_nonpreempt_event *ev,
			 uintptr_t what);

/* For nonpreempt_ops. */
s64 nonpreempt_watch_tick(s64 now);
void nonpreempt_sum(struct nonpreempt_sum *out);
void nonpreempt_run_begin(void);
void nonpreempt_run_end(void);

#endif
