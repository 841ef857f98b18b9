// SPDX-License-Identifier: ISC
/*
 * kernel/select.c - wait for the first of several channels.
 *
 * gort_select() first looks at one channel after the other and does the
 * first thing that can be done.  If there is nothing it puts a waiter on the
 * queue of every channel, one by one, and sleeps.  No two channels are ever
 * locked at the same time.
 *
 * Rejected: to lock all channels in the order of their addresses, as Go does
 * (runtime/select.go).  It sorts, takes 2n locks where mostly one will do,
 * and holds n of one rank.  Rejected too: to match two selects that both
 * have waiters out by claiming both, as Reppy, Russo and Xiao do ("Parallel
 * Concurrent ML", ICFP 2009).  It needs a transient state that others must
 * wait for.
 *
 * The selector decides whose the waiting goroutine is.  Three bits:
 *
 *  CLAIMED  set by whoever wants to go on with it, once: the one who finds
 *	     it clear owns the selector.  A counterpart does so with the lock
 *	     of its channel, takes the waiter off the queue, exchanges the
 *	     element, unlocks, and finishes the selector.  Whoever finds it
 *	     set drops that waiter and looks further.
 *  DONE	     set by a claimer that finishes before the goroutine parks.
 *  PARKED   set by the goroutine, preemption off, before it parks.
 *
 * DONE and PARKED are bits of one word, so one of the two comes first: after
 * DONE the goroutine does not park, after PARKED the claimer calls
 * sched_ready().  Never neither, never both.
 *
 * While waiters are put out, one channel after the other (join()), something
 * may have become possible.  Then the goroutine claims itself, or learns
 * that somebody else did, takes all waiters back and begins again.  It never
 * does anything but sleep while a waiter of its own is out.
 *
 * Two selects may see each other's waiters.  If both went back, both could
 * do so again and again; so it depends on their addresses: the lower one
 * goes back, and the upper one stays and sends the lower one back, by
 * finishing it with nothing chosen.
 *
 * No wake-up is lost.  Let X come to channel c while a waiter of selector S
 * is there.  If X finds S claimed and passes by, S was or will be
 *  - chosen by another: then it does not want X;
 *  - claimed by itself, or sent back: then it takes its waiter off c under
 *    the lock of c, and looks at c again after that.  What X left there (an
 *    element, a waiter, closed) it finds.
 * The other way round, S leaves a waiter at c only when it sees, under the
 * lock of c, nothing that could be done with c but with selects that it
 * sends back.  Those look at c after that, and find S.
 *
 * No wake-up is doubled.  CLAIMED is set once in the life of a selector, and
 * who sets it finishes it once.  Its memory is used again only after every
 * waiter was taken back under its channel's lock, so nobody who could claim
 * it has a pointer to it; and the claimer's last access comes before
 * the goroutine goes on.
 *
 * Somebody always gets on.  A select goes back because of something that
 * can be done: when it looks again that is still so and it does it, or
 * another did; or because of a select above it.  Of those that wait at any
 * moment, the one with the highest address is not sent back by others.
 *
 * A select with a send and a receive on the same channel has both queues
 * filled with its own.  join() passes by those; when it looks at the
 * channels again none of its waiters is out.
 *
 * After a claimer has unlocked the channel of the chosen case, neither it nor
 * the select touches that again; the others are touched until gort_select()
 * returns.
 *
 * Locks: of each channel, one at a time.  sched_ready() below it.
 */
#include <gort/gort.h>

#include "kernel/chan.h"

_Static_assert(sizeof(struct waiter) <=
	       sizeof(((struct gort_select_case *)0)->opaque),
	       "struct gort_select_case is too small");

static struct waiter *case_waiter(struct gort_select_case *k)
{
	return (struct waiter *)k->opaque;
}

/* The queue to wait in, and that of those who would meet us. */
static struct waitq *own_queue(const struct gort_select_case *k)
{
	return k->op == GORT_SELECT_SEND ? &k->chan->sendq : &k->chan->recvq;
}

static struct waitq *other_queue(const struct gort_select_case *k)
{
	return k->op == GORT_SELECT_SEND ? &k->chan->recvq : &k->chan->sendq;
}

/* Has a ring with count elements room, or an element? */
static bool ring_ready(const struct gort_select_case *k, size_t count)
{
	return k->op == GORT_SELECT_SEND ? count < k->chan->cap : count > 0;
}

/*
 * Without the lock: does it look as if the case can be done?  By I1 and I2
 * in chan.c nobody waits on the other side of a channel with a ring unless
 * the ring shows it.  If the answer is no, it was right when the first of
 * the two was looked at (acquire: that is before the second): what is not
 * closed later was not closed then.
 */
static inline bool looks_ready(const struct gort_select_case *k)
{
	const struct gort_chan *c = k->chan;

	if (c->cap ? ring_ready(k, atomic_load_explicit(&c->count,
							memory_order_acquire)) :
		     atomic_load_explicit(&other_queue(k)->head,
					  memory_order_acquire) != NULL)
		return true;
	return chan_closed(c);
}

static inline int try_case(struct gort_select_case *k)
{
	int err;

	if (!k->chan || !looks_ready(k))
		return -EAGAIN;
	chan_lock(k->chan);
	if (k->op == GORT_SELECT_SEND)
		err = chan_send_now(k->chan, k->elem);
	else
		err = chan_recv_now(k->chan, k->elem);
	if (err == -EAGAIN)
		unlock(&k->chan->lock);
	return err;
}

static u32 select_rand(void)
{
	struct m *mp = acquirem();
	u64 x = mp->rand;

	/* xorshift64, G. Marsaglia, "Xorshift RNGs", 2003 */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mp->rand = x;
	releasem(mp);
	return (u32)(x >> 32);
}

/*
 * Do the first case that can be done, from i on in steps modulo n.  The
 * index, or -EAGAIN.
 */
static int try_all(struct gort_select_case *cases, u32 n, u32 i, u32 step)
{
	for (u32 left = n; left; left--) {
		int err = try_case(&cases[i]);

		if (err != -EAGAIN) {
			cases[i].result = err;
			return (int)i;
		}
		/* No branch: nobody could predict it. */
		i += step;
		i -= n & -(u32)(i >= n);
	}
	return -EAGAIN;
}

/*
 * select_finish - the caller has claimed s and goes on with chosen, or with
 * NULL sends it back.  Afterwards s and its waiters may be gone.
 */
void select_finish(struct selector *s, struct waiter *chosen)
{
	struct g *gp = s->g;

	s->chosen = chosen;
	/*
	 * Acquire: gp's status is from before it announced itself.  Release
	 * of DONE: ->chosen and all it stands for; otherwise sched_ready()
	 * hands that on.  Pair with select_park().
	 */
	if (atomic_load_explicit(&s->state, memory_order_acquire) &
	    SELECT_PARKED ||
	    atomic_fetch_or_explicit(&s->state, SELECT_DONE,
				     memory_order_acq_rel) & SELECT_PARKED)
		sched_ready(gp);
}

static void select_park(struct selector *s, enum wait_reason why)
{
	struct m *mp = acquirem();

	/* Pairs with select_finish(), the release with select_claim() too. */
	if (atomic_fetch_or_explicit(&s->state, SELECT_PARKED,
				     memory_order_acq_rel) & SELECT_DONE)
		releasem(mp);
	else
		sched_park(NULL, why);
}

/*
 * The lock is held.  Does somebody other than s wait whom s must go back
 * for?  Selects below s are sent back instead.
 */
static bool somebody_waits(struct selector *s, struct waitq *q)
{
	struct waiter *w, *next;

	for (w = waitq_head(q); w; w = next) {
		next = w->next;
		if (w->g)
			return true;
		if (w->sel == s)
			continue;
		if ((uintptr_t)w->sel > (uintptr_t)s)
			return true;
		waitq_remove(q, w);
		if (select_claim(w->sel))
			select_finish(w->sel, NULL);
	}
	return false;
}

/* Wait on this channel, too; false if there is nothing to wait for. */
static bool join(struct selector *s, struct gort_select_case *k)
{
	struct waiter *w = case_waiter(k);
	bool must_wait;

	chan_lock(k->chan);
	must_wait = !ring_ready(k, chan_count(k->chan)) &&
		    !chan_closed(k->chan) &&
		    !somebody_waits(s, other_queue(k));
	if (must_wait) {
		w->g = NULL;
		w->elem = k->elem;
		w->sel = s;
		w->queued = true;
		waitq_push(own_queue(k), w);
	}
	unlock(&k->chan->lock);
	return must_wait;
}

/* Who finds the waiter may still look at s, so the lock is needed anyway. */
static void leave(struct gort_select_case *k)
{
	struct waiter *w = case_waiter(k);

	chan_lock(k->chan);
	if (w->queued)
		waitq_remove(own_queue(k), w);
	unlock(&k->chan->lock);
}

/* The index of the case that was done, or -EAGAIN: look again, at *start. */
static int wait_for_one(struct gort_select_case *cases, u32 n, u32 *start)
{
	struct selector s = { .g = getg() };
	int chosen = -EAGAIN;
	u32 joined = 0;

	while (joined < n &&
	       (!cases[joined].chan || join(&s, &cases[joined])))
		joined++;
	if (joined < n)
		*start = joined;
	if (joined == n || !select_claim(&s))
		select_park(&s, n ? WAIT_SELECT : WAIT_SELECT_NONE);
	for (u32 i = 0; i < joined; i++) {
		if (!cases[i].chan)
			continue;
		if (case_waiter(&cases[i]) != s.chosen) {
			leave(&cases[i]);
			continue;
		}
		chosen = (int)i;
		cases[i].result = s.chosen->result;
	}
	return chosen;
}

static int check_args(const struct gort_select_case *cases, size_t n,
		      unsigned int flags)
{
	if (unlikely(!in_goroutine()))
		return -EPERM;
	if (unlikely(flags & ~GORT_SELECT_NONBLOCK || (!cases && n)))
		return -EINVAL;
	if (unlikely(n > GORT_SELECT_MAX))
		return -E2BIG;
	for (const struct gort_select_case *k = cases; k < cases + n; k++) {
		if (k->op == GORT_SELECT_RECV)
			continue;
		if (unlikely(k->op != GORT_SELECT_SEND ||
			     (!k->elem && k->chan && k->chan->elem_size)))
			return -EINVAL;
	}
	return 0;
}

__public int gort_select(struct gort_select_case *cases, size_t ncases,
			 unsigned int flags)
{
	int i = check_args(cases, ncases, flags);
	u32 n = (u32)ncases, start, step, rand;

	if (unlikely(i))
		return i;
	rand = select_rand();
	start = (u32)((u64)rand * n >> 32);
	/*
	 * Up or down: then of two that can be done both are as likely to be
	 * first, wherever they are.
	 */
	step = 1 + (n - 2) * (rand & 1);
	for (;;) {
		i = try_all(cases, n, start, step);
		if (i != -EAGAIN || flags & GORT_SELECT_NONBLOCK)
			return i;
		i = wait_for_one(cases, n, &start);
		if (i != -EAGAIN)
			return i;
	}
}
