// SPDX-License-Identifier: ISC
/*
 * kernel/once.c - something to be done once.
 *
 * One look at the state when it is done; all else under the lock.
 */
#include <gort/sync.h>

#include <stdatomic.h>

#include "kernel/sema.h"

enum once_state {
	ONCE_NEW,
	ONCE_RUNNING,
	ONCE_DONE,
};

struct once {
	_Atomic u32 state;
	struct sema_queue queue;
	u64 run;		/* which run ->queue and ->runner belong to */
	u64 runner;		/* id of the goroutine that does it */
};

_Static_assert(sizeof(struct once) <= sizeof(struct gort_once),
	       "struct gort_once is too small");

static void once_state_set(struct once *o, u32 state)
{
	/* Release: pairs with the acquire of those that find it done. */
	atomic_store_explicit(&o->state, state, memory_order_release);
}

/* Is it for the caller to do?  Else it is done by now. */
static bool once_begin(struct once *o)
{
	struct sema_waiter w = { .n = 0 };
	struct lock *l = sema_lock(o);
	u32 state = atomic_load_explicit(&o->state, memory_order_acquire);

	if (unlikely(sema_new_run(&o->run))) {
		o->queue.head = NULL;
		if (state == ONCE_RUNNING)
			state = ONCE_NEW;
	}
	if (state == ONCE_RUNNING) {
		if (o->runner == getg()->id)
			fatal("gort_once called by the function it calls");
		sema_wait(&o->queue, &w, l, WAIT_ONCE);
		return false;
	}
	if (state == ONCE_NEW) {
		once_state_set(o, ONCE_RUNNING);
		o->runner = getg()->id;
	}
	sema_unlock(l);
	return state == ONCE_NEW;
}

static void once_end(struct once *o)
{
	struct lock *l = sema_lock(o);
	struct sema_waiter *w = sema_take_all(&o->queue);

	/* The last access: who finds it done may free it. */
	once_state_set(o, ONCE_DONE);
	sema_unlock(l);
	sema_ready_all(w);
}

__public void gort_once(struct gort_once *opaque, void (*fn)(void *), void *arg)
{
	struct once *o = (struct once *)opaque;

	need_goroutine("gort_once");
	if (likely(atomic_load_explicit(&o->state, memory_order_acquire) ==
		   ONCE_DONE))
		return;
	if (once_begin(o)) {
		fn(arg);
		once_end(o);
	}
}
