// SPDX-License-Identifier: ISC
/*
 * kernel/cond.c - conditions: a queue, first come, first served.
 *
 * Whoever signals after the mutex was unlocked finds the waiter in the queue,
 * since it goes there first.  It may be readied before it has left its stack;
 * sched_ready() then waits for it.  No two can wait for each other that way:
 * until it sleeps the waiter only readies goroutines that wait for the mutex,
 * and those have left their stacks.
 */
#include <gort/sync.h>

#include "kernel/sema.h"

struct cond {
	struct sema_queue queue;
	u64 run;		/* which run ->queue belongs to */
};

_Static_assert(sizeof(struct cond) <= sizeof(struct gort_cond),
	       "struct gort_cond is too small");

static struct lock *cond_lock(struct cond *c, const char *name)
{
	struct lock *l;

	need_goroutine(name);
	l = sema_lock(c);
	if (unlikely(sema_new_run(&c->run)))
		c->queue.head = NULL;
	return l;
}

__public void gort_cond_wait(struct gort_cond *opaque, struct gort_mutex *m)
{
	struct cond *c = (struct cond *)opaque;
	struct lock *l = cond_lock(c, "gort_cond_wait");
	struct sema_waiter w = { .g = getg() };

	sema_push(&c->queue, &w);
	/* No yield from here on: who signals may spin until we sleep. */
	acquirem();
	sema_unlock(l);
	mutex_unlock(m);
	sched_park(NULL, WAIT_COND);
	gort_mutex_lock(m);
}

__public void gort_cond_signal(struct gort_cond *opaque)
{
	struct cond *c = (struct cond *)opaque;
	struct lock *l = cond_lock(c, "gort_cond_signal");
	struct sema_waiter *w = sema_pop(&c->queue);

	sema_unlock(l);
	if (w)
		sched_ready(w->g);
}

__public void gort_cond_broadcast(struct gort_cond *opaque)
{
	struct cond *c = (struct cond *)opaque;
	struct lock *l = cond_lock(c, "gort_cond_broadcast");
	struct sema_waiter *w = sema_take_all(&c->queue);

	sema_unlock(l);
	sema_ready_all(w);
}
