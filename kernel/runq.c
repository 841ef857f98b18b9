// SPDX-License-Identifier: ISC
/*
 * kernel/runq.c - the run queue's slow paths: overflow and theft.
 */
#include "kernel/runq.h"

struct overflow {
	struct g *batch[RUNQ_SIZE / 2 + 1];
	u32 n;
};

static void __systemstack put_global(void *arg)
{
	struct overflow *o = arg;

	globrunq_put(o->batch, o->n);
}

/* The ring is full: half of it and gp go to the global queue. */
__cold void runq_put_slow(struct p *pp, struct g *gp, u32 head)
{
	struct overflow o = { .n = RUNQ_SIZE / 2 };

	for (u32 i = 0; i < o.n; i++)
		o.batch[i] = atomic_load_explicit(
				&pp->runq[(head + i) % RUNQ_SIZE],
				memory_order_relaxed);
	if (!atomic_compare_exchange_strong_explicit(&pp->runq_head, &head,
			head + o.n, memory_order_release,
			memory_order_relaxed)) {
		runq_put(pp, gp);	/* a thief made room */
		return;
	}
	o.batch[o.n++] = gp;
	systemstack(put_global, &o);
}

/*
 * Copy half of victim's ring into pp's from pp's tail on, not yet visible.
 * Returns how many.
 */
static u32 grab(struct p *pp, u32 at, struct p *victim)
{
	for (;;) {
		u32 head = atomic_load_explicit(&victim->runq_head,
						memory_order_acquire);
		u32 tail = atomic_load_explicit(&victim->runq_tail,
						memory_order_acquire);
		u32 n = tail - head;

		n -= n / 2;
		if (!n)
			return 0;
		if (n > RUNQ_SIZE / 2)
			continue;	/* head and tail do not belong together */
		for (u32 i = 0; i < n; i++) {
			struct g *gp = atomic_load_explicit(
					&victim->runq[(head + i) % RUNQ_SIZE],
					memory_order_relaxed);

			atomic_store_explicit(&pp->runq[(at + i) % RUNQ_SIZE],
					      gp, memory_order_relaxed);
		}
		if (atomic_compare_exchange_strong_explicit(
				&victim->runq_head, &head, head + n,
				memory_order_acq_rel, memory_order_relaxed))
			return n;
	}
}

/*
 * runq_steal - take half of victim's goroutines; one is returned, the others
 * are in pp's ring.  take_next: also runnext, when there is nothing else.
 * Called by pp's owner with an empty ring.
 */
struct g *runq_steal(struct p *pp, struct p *victim, bool take_next)
{
	u32 tail = atomic_load_explicit(&pp->runq_tail, memory_order_relaxed);
	u32 n = grab(pp, tail, victim);
	struct g *gp;

	if (!n) {
		if (!take_next ||
		    !atomic_load_explicit(&victim->runnext, memory_order_relaxed))
			return NULL;
		gp = atomic_exchange_explicit(&victim->runnext, NULL,
					      memory_order_acquire);
		n = gp != NULL;
	} else {
		n--;
		gp = atomic_load_explicit(&pp->runq[(tail + n) % RUNQ_SIZE],
					  memory_order_relaxed);
		atomic_store_explicit(&pp->runq_tail, tail + n,
				      memory_order_release);
		n++;
	}
	atomic_store_explicit(&pp->nsteals,
			      atomic_load_explicit(&pp->nsteals,
					memory_order_relaxed) + n,
			      memory_order_relaxed);
	return gp;
}
