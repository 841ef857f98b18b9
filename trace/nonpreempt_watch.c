// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt_watch.c - what is done with single long sections, mostly
 * on sysmon's thread.
 *
 * Those that have ended come in a queue (nonpreempt_event.c), in which they
 * carry what is to be done with them, since another profile may have begun
 * meanwhile.
 *
 * Those that do not end are found by looking at each M, when a section began
 * there; and its thread is asked where it is.  sysmon does not wait for the
 * answer but comes again, so a thread that cannot answer, because it has
 * ended or blocks the signal, costs it nothing; after ANSWER_NS the section is
 * told of without its end.  Each one once.
 *
 * Rejected: telling of sections as soon as they are longer than a threshold of
 * microseconds.  Each of those that end soon would be interrupted, and told of
 * twice.  So it is after OPEN_NS, if the threshold is not longer.
 *
 * Locks: draining, a flag: one takes events out of the queue at a time, sysmon
 * or who ends the run.
 */
#define _GNU_SOURCE
#include "trace/nonpreempt_event.h"

#include <gort/gort.h>

#include <string.h>

#include "kernel/errno.h"
#include "kernel/print.h"
#include "kernel/sigurg.h"
#include "kernel/sort.h"
#include "kernel/time.h"
#include "mm/vm.h"
#include "trace/arena.h"
#include "trace/frames.h"
#include "trace/nonpreempt_write.h"

#define OPEN_NS		10000000 /* a section that "does not end" */
#define ANSWER_NS	100000000 /* that a thread has to say where it is: it
				   * may wait for a CPU */
#define LOOK_NS		1000000	/* between two looks whether it has */

#define ACTIONS_ALL	(GORT_NONPREEMPT_PRINT | GORT_NONPREEMPT_CALL |	\
			 GORT_NONPREEMPT_MARK | GORT_NONPREEMPT_ABORT)

/* Those that say something of sections that are open. */
#define ACTIONS_OPEN	(NONPREEMPT_QUEUED | GORT_NONPREEMPT_ABORT)

/*
 * Actions.
 */

/* All there ever were; grows only. */
static _Atomic(struct nonpreempt_actions *) all_actions;

static bool equal(const struct gort_nonpreempt_config *a,
		  const struct gort_nonpreempt_config *b)
{
	return a->threshold_ns == b->threshold_ns && a->actions == b->actions &&
	       a->per_second == b->per_second && a->fn == b->fn &&
	       a->arg == b->arg;
}

static struct nonpreempt_actions *
actions_find(const struct gort_nonpreempt_config *c)
{
	struct nonpreempt_actions *a;

	/* Acquire: pairs with the release in actions_add(). */
	a = atomic_load_explicit(&all_actions, memory_order_acquire);
	while (a && !equal(&a->config, c))
		a = a->next;
	return a;
}

/* 0 or -ENOMEM.  Two of the same do no harm. */
static int actions_add(const struct gort_nonpreempt_config *c)
{
	struct nonpreempt_actions *a = arena_alloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->config = *c;
	a->next = atomic_load_explicit(&all_actions, memory_order_relaxed);
	/* Release: pairs with actions_find(). */
	while (!atomic_compare_exchange_weak_explicit(&all_actions, &a->next,
			a, memory_order_release, memory_order_relaxed))
		;
	return 0;
}

int nonpreempt_watch_check(const struct gort_nonpreempt_config *c)
{
	int saved = errno, err;

	if (!c)
		return 0;
	if ((c->actions & ~ACTIONS_ALL) || (c->actions && !c->threshold_ns) ||
	    ((c->actions & GORT_NONPREEMPT_CALL) && !c->fn))
		return -EINVAL;
	/* To read the program's names takes milliseconds: not where one is
	 * wanted. */
	if (c->actions)
		frames_at((uintptr_t)nonpreempt_watch_check);
	err = actions_find(c) ? 0 : actions_add(c);
	errno = saved;
	return err;
}

void nonpreempt_watch_start(const struct gort_nonpreempt_config *c)
{
	nonpreempt_event_reset();
	/* Release: pairs with nonpreempt_exceeded(). */
	atomic_store_explicit(&nonpreempt_actions, c ? actions_find(c) : NULL,
			      memory_order_release);
}

/* What is in the queue is still done. */
void nonpreempt_watch_stop(void)
{
}

static void print_stack(const uintptr_t *pcs, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		const struct frame_set *set = frames_at(pcs[i]);

		for (u32 k = 0; k < set->n; k++) {
			const struct frame *f = &set->frames[k];

			print("\t%s", *f->func ? f->func : "?");
			if (f->line)
				print(" at %s:%u", f->file, f->line);
			print(" (%x)\n", (u64)pcs[i]);
		}
	}
}

static void print_event(const struct gort_nonpreempt_event *ev)
{
	print("gort: not preemptible for %s%s: %s %s", nonpreempt_us(ev->ns).text,
	      ev->open ? ", and still so" : "",
	      gort_nonpreempt_kind_name(ev->kind), *ev->what ? ev->what : "?");
	if (ev->goid)
		print(", goroutine %U", ev->goid);
	print(", thread %d\nbegan:\n", ev->tid);
	print_stack(ev->start, ev->nstart);
	print(ev->open ? "is:\n" : "ended:\n");
	print_stack(ev->end, ev->nend);
	print("\n");
}

static void call(void *arg)
{
	struct nonpreempt_event *e = arg;

	e->actions->config.fn(&e->ev, e->actions->config.arg);
}

static void act(struct nonpreempt_event *e)
{
	e->ev.what = nonpreempt_what(e->ev.kind, e->what);
	if (e->actions->config.actions & GORT_NONPREEMPT_PRINT)
		print_event(&e->ev);
	if (!(e->actions->config.actions & GORT_NONPREEMPT_CALL))
		return;
	/* As on sysmon's thread: not in a goroutine. */
	if (in_goroutine())
		arch_systemstack(call, e);
	else
		call(e);
}

static _Atomic bool draining;

/* What is in the queue; if another does that: false. */
static bool drain(void)
{
	struct nonpreempt_event e;

	/* Acquire: pairs with the release below. */
	if (atomic_exchange_explicit(&draining, true, memory_order_acquire))
		return false;
	while (nonpreempt_event_take(&e))
		act(&e);
	atomic_store_explicit(&draining, false, memory_order_release);
	return true;
}

void nonpreempt_watch_drain(void)
{
	while (nonpreempt_event_pending() && !drain())
		gort_yield();
}

/*
 * Sections that do not end.
 */

static bool open_for(struct m *mp, u64 cycles, u64 *since)
{
	u64 now = nonpreempt_now();

	*since = atomic_load_explicit(&mp->nonpreempt.since,
				      memory_order_relaxed);
	return *since && now > *since && now - *since >= cycles;
}

static u64 cycles_of(u64 ns)
{
	return (u64)(((unsigned __int128)ns << NONPREEMPT_SHIFT) /
		     nonpreempt_clock.mult);
}

static struct m *first_m(void)
{
	/* Acquire: pairs with the release in m_publish(). */
	return atomic_load_explicit(&sched.all_ms, memory_order_acquire);
}

/* Whom sysmon has asked; sysmon's. */
static struct {
	struct m *mp;		/* NULL: nobody */
	u64 run;
	u64 since;
	s64 until;
} suspect;

static void tell(struct nonpreempt_event *e,
		 const struct nonpreempt_actions *actions)
{
	e->actions = actions;
	if (actions->config.actions & GORT_NONPREEMPT_ABORT)
		nonpreempt_event_abort(e);
	if (nonpreempt_event_allowed(actions))
		act(e);
}

/* True: sysmon is still waiting for it. */
static bool watch_suspect(const struct nonpreempt_actions *actions, s64 now)
{
	struct nonpreempt_event e;
	enum nonpreempt_reply reply = nonpreempt_reply(&e);

	if (reply == NONPREEMPT_NOT_YET && now < suspect.until)
		return true;
	if (reply == NONPREEMPT_NOT_YET && !nonpreempt_ask_no_more())
		return true;
	/* After the profile nobody says that it is over. */
	if (reply == NONPREEMPT_NOT_YET && nonpreempt_profiled() &&
	    nonpreempt_guess(suspect.mp, suspect.since, &e))
		reply = NONPREEMPT_FOUND;
	if (reply == NONPREEMPT_FOUND) {
		suspect.mp->nonpreempt.told = suspect.since;
		tell(&e, actions);
	}
	suspect.mp = NULL;
	return false;
}

static void find_suspect(const struct nonpreempt_actions *actions, s64 now)
{
	u64 ns = actions->config.threshold_ns;
	u64 cycles = cycles_of(ns > OPEN_NS ? ns : OPEN_NS), since;

	for (struct m *mp = first_m(); mp; mp = mp->all_link) {
		if (!open_for(mp, cycles, &since) ||
		    since == mp->nonpreempt.told)
			continue;
		sigurg_reclaim();
		if (!nonpreempt_ask(mp, since))
			continue;
		suspect.mp = mp;
		suspect.run = sched_run_id();
		suspect.since = since;
		suspect.until = now + ANSWER_NS;
		return;
	}
}

s64 nonpreempt_watch_tick(s64 now)
{
	const struct nonpreempt_actions *actions =
		atomic_load_explicit(&nonpreempt_actions, memory_order_acquire);

	drain();
	/* Of a run that has ended, or of a profile: who asked is us. */
	if (suspect.mp && suspect.run != sched_run_id())
		suspect.mp = NULL;
	if (!actions || !(actions->config.actions & ACTIONS_OPEN))
		return TIME_NEVER;
	if (suspect.mp && watch_suspect(actions, now))
		return now + LOOK_NS;
	if (nonpreempt_profiled())
		find_suspect(actions, now);
	return suspect.mp ? now + LOOK_NS : TIME_NEVER;
}

/*
 * The same on demand.
 */

struct open_m {
	struct m *mp;
	u64 since;
};

static bool older(const void *a, const void *b)
{
	return ((const struct open_m *)a)->since <
	       ((const struct open_m *)b)->since;
}

/* Those open for so long, the oldest first; how many? */
static size_t find_open(struct open_m *out, size_t room, u64 cycles)
{
	size_t n = 0;

	for (struct m *mp = first_m(); mp && n < room; mp = mp->all_link) {
		out[n].mp = mp;
		n += open_for(mp, cycles, &out[n].since);
	}
	heap_sort(out, n, sizeof(*out), older);
	return n;
}

static void pause_a_bit(void)
{
	gort_sleep_ns(20000);
}

/* False: it has ended meanwhile. */
static bool ask(const struct open_m *om, struct nonpreempt_event *e)
{
	s64 until = nanotime() + ANSWER_NS;
	enum nonpreempt_reply reply = NONPREEMPT_UNABLE;
	bool asked = false;

	while (reply == NONPREEMPT_UNABLE || reply == NONPREEMPT_NOT_YET) {
		if (!asked && nanotime() >= until)
			return nonpreempt_guess(om->mp, om->since, e);
		if (!asked)
			asked = nonpreempt_ask(om->mp, om->since);
		pause_a_bit();
		if (!asked)
			continue;
		reply = nonpreempt_reply(e);
		if (reply != NONPREEMPT_NOT_YET)
			asked = false;
		else if (nanotime() >= until && nonpreempt_ask_no_more())
			asked = false;
	}
	return reply == NONPREEMPT_FOUND;
}

static size_t ask_all(const struct open_m *oms, size_t n_oms,
		      struct gort_nonpreempt_event *out, size_t n)
{
	u64 now = nonpreempt_now();
	struct nonpreempt_event e;
	size_t found = 0;

	sigurg_reclaim();
	for (size_t i = 0; i < n_oms; i++) {
		if (found >= n) {
			found++;
			continue;
		}
		if (!ask(&oms[i], &e))
			continue;
		e.ev.what = nonpreempt_what(e.ev.kind, e.what);
		/* At one moment for all, not as each answered. */
		e.ev.ns = nonpreempt_ns(now - oms[i].since);
		out[found++] = e.ev;
	}
	return found;
}

__public ssize_t gort_nonpreempt_read_open(struct gort_nonpreempt_event *out,
					   size_t n)
{
	u64 cycles = nonpreempt_clock.threshold;
	size_t room = 0, size;
	struct open_m *oms;

	if (!in_goroutine())
		return -EPERM;
	if (!out && n)
		return -EINVAL;
	if (!nonpreempt_profiled())
		return 0;
	if (cycles == UINT64_MAX)
		cycles = cycles_of(OPEN_NS);
	/* Ms that come meanwhile have been in no section for long. */
	for (struct m *mp = first_m(); mp; mp = mp->all_link)
		room++;
	size = ALIGN_UP(room * sizeof(*oms), PAGE_SIZE);
	oms = vm_alloc(size);
	if (!oms)
		return -ENOMEM;
	n = ask_all(oms, find_open(oms, room, cycles), out, n);
	vm_free(oms, size);
	return (ssize_t)n;
}
