// SPDX-License-Identifier: ISC
/*
 * kernel/waitgroup.c - wait for a number of things to be done.
 *
 * One word holds the count and two bits; a list holds who waits.  The memory
 * may go away as soon as the count is 0 and nobody waits: typically it lies
 * in the frame of the one who waits.  So the decrement that reaches 0 is
 * the last access, unless WAITERS was set: then those keep the memory, and
 * WAITERS is cleared and the list taken before the first of them is woken.
 */
#include <gort/gort.h>

#include <stdatomic.h>

#include <arch/cpu.h>
#include "kernel/sched.h"

#define WG_WAITERS	1	/* the list is not empty, or about to be */
#define WG_BUSY		2	/* somebody changes the list */
#define WG_ONE		4	/* the count is in the bits above */

struct wg_waiter {
	struct wg_waiter *next;
	struct g *g;
};

struct waitgroup {
	_Atomic s64 state;
	struct wg_waiter *waiters;
	u64 run;		/* which run ->waiters belongs to */
};

_Static_assert(sizeof(struct waitgroup) <= sizeof(struct gort_waitgroup),
	       "struct gort_waitgroup is too small");

static struct waitgroup *to_wg(struct gort_waitgroup *wg, const char *name)
{
	need_goroutine(name);
	return (struct waitgroup *)wg;
}

/* The count is 0 and goroutines wait. */
static void wake_waiters(struct waitgroup *wg)
{
	struct wg_waiter *w, *next;

	/* Acquire: pairs with the release when a waiter drops WG_BUSY. */
	while (atomic_load_explicit(&wg->state, memory_order_acquire) &
	       WG_BUSY)
		cpu_relax();
	w = wg->run == sched_run_id() ? wg->waiters : NULL;
	wg->waiters = NULL;
	atomic_fetch_and_explicit(&wg->state, ~(s64)WG_WAITERS,
				  memory_order_release);
	for (; w; w = next) {
		next = w->next;		/* w is gone once it is woken */
		sched_ready(w->g);
	}
}

/*
 * Release: what was done before is seen by who waits.  Acquire: the one that
 * reaches 0 hands on what the others did.
 */
static void wg_add(struct waitgroup *wg, s64 delta)
{
	struct m *mp = acquirem();
	s64 state, change;

	if (unlikely(__builtin_mul_overflow(delta, WG_ONE, &change)))
		fatal("waitgroup counter out of range");
	state = atomic_fetch_add_explicit(&wg->state, change,
					  memory_order_acq_rel);
	if (unlikely(__builtin_add_overflow(state, change, &state)))
		fatal("waitgroup counter out of range");
	if (unlikely(state < 0))
		fatal("negative waitgroup counter");
	/* No yield meanwhile: others may spin until WG_WAITERS is gone. */
	if (delta < 0 && state < WG_ONE && state & WG_WAITERS)
		wake_waiters(wg);
	releasem(mp);
}

__public void gort_waitgroup_add(struct gort_waitgroup *wg, int64_t delta)
{
	wg_add(to_wg(wg, "gort_waitgroup_add"), delta);
}

__public void gort_waitgroup_done(struct gort_waitgroup *wg)
{
	wg_add(to_wg(wg, "gort_waitgroup_done"), -1);
}

/* Own the list: false if the count is 0, and nothing is owned. */
static bool begin_wait(struct waitgroup *wg)
{
	s64 state = atomic_load_explicit(&wg->state, memory_order_acquire);

	for (;;) {
		if (state < WG_ONE && !(state & WG_WAITERS))
			return false;
		if (state & WG_BUSY || state < WG_ONE) {
			cpu_relax();
			state = atomic_load_explicit(&wg->state,
						     memory_order_acquire);
			continue;
		}
		if (atomic_compare_exchange_weak_explicit(&wg->state, &state,
				state | WG_BUSY | WG_WAITERS,
				memory_order_acquire, memory_order_acquire))
			return true;
	}
}

__public void gort_waitgroup_wait(struct gort_waitgroup *opaque)
{
	struct waitgroup *wg = to_wg(opaque, "gort_waitgroup_wait");
	struct wg_waiter w = { .g = getg() };
	struct m *mp = acquirem();

	if (!begin_wait(wg)) {
		releasem(mp);
		return;
	}
	w.next = wg->run == sched_run_id() ? wg->waiters : NULL;
	wg->run = sched_run_id();
	wg->waiters = &w;
	/* Release: pairs with wake_waiters(). */
	atomic_fetch_and_explicit(&wg->state, ~(s64)WG_BUSY,
				  memory_order_release);
	/* May have been readied by now: sched_ready() waits for us. */
	sched_park(NULL, WAIT_WAITGROUP);
}
