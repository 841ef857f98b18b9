// SPDX-License-Identifier: ISC
/*
 * kernel/sem.c - counting semaphores, first come, first served.
 *
 * Who waits has not taken anything; a release gives to the first ones, for as
 * long as there is enough for the next.
 */
#include <gort/sync.h>

#include <errno.h>

#include "kernel/sema.h"

struct sem {
	u64 count;
	struct sema_queue queue;
	u64 run;		/* which run ->queue belongs to */
};

_Static_assert(sizeof(struct sem) <= sizeof(struct gort_sem),
	       "struct gort_sem is too small");

static struct lock *sem_lock(struct sem *s)
{
	struct lock *l = sema_lock(s);

	if (unlikely(sema_new_run(&s->run)))
		s->queue.head = NULL;
	return l;
}

__public void gort_sem_init(struct gort_sem *opaque, uint64_t n)
{
	*opaque = (struct gort_sem){ { 0 } };
	((struct sem *)opaque)->count = n;
}

static bool take_locked(struct sem *s, u64 n)
{
	if (s->queue.head || s->count < n)
		return false;
	s->count -= n;
	return true;
}

__public void gort_sem_acquire(struct gort_sem *opaque, uint64_t n)
{
	struct sem *s = (struct sem *)opaque;
	struct sema_waiter w = { .n = n };
	struct lock *l;

	need_goroutine("gort_sem_acquire");
	l = sem_lock(s);
	if (take_locked(s, n))
		sema_unlock(l);
	else
		sema_wait(&s->queue, &w, l, WAIT_SEM);
}

__public int gort_sem_try_acquire(struct gort_sem *opaque, uint64_t n)
{
	struct sem *s = (struct sem *)opaque;
	struct lock *l;
	bool taken;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	l = sem_lock(s);
	taken = take_locked(s, n);
	sema_unlock(l);
	return taken ? 0 : -EAGAIN;
}

__public void gort_sem_release(struct gort_sem *opaque, uint64_t n)
{
	struct sem *s = (struct sem *)opaque;
	struct sema_queue served = { NULL, NULL };
	struct lock *l;

	need_goroutine("gort_sem_release");
	l = sem_lock(s);
	if (unlikely(__builtin_add_overflow(s->count, n, &s->count)))
		fatal("gort_sem_release: count out of range");
	while (s->queue.head && s->queue.head->n <= s->count) {
		s->count -= s->queue.head->n;
		sema_push(&served, sema_pop(&s->queue));
	}
	sema_unlock(l);
	sema_ready_all(served.head);
}
