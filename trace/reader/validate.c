// SPDX-License-Identifier: ISC
/*
 * trace/reader/validate.c - rules beyond those of order.c: what Go's tests
 * demand of the traces its runtime writes (internal/trace/testtrace).
 *
 * They look at events as a user sees them: times rise, states follow each
 * other, one goroutine and one proc at a time on a thread, clocks go on,
 * frames have names, labels a text.  The rules of testtrace that order.c
 * implies are left out: that states of procs fit, that tasks end as they
 * began, that the ranges of a thread begin once.
 */
#include "internal.h"

#include <errno.h>

/* Seconds from the year 1, in which Go counts, to 1970. */
#define YEAR_1	UINT64_C(62135596800)

#define BROKEN(tf, ev, ...) \
	gort_tracefile_fail(tf, (tf)->data + (ev)->offset, (u64)(ev)->thread, \
			    __VA_ARGS__)

static int check_time(struct tracefile *tf, const struct tracefile_event *ev)
{
	if (tf->v_last_time && ev->time <= tf->v_last_time)
		return BROKEN(tf, ev, "time does not rise");
	tf->v_last_time = ev->time;
	return 0;
}

/* All but the innermost must be complete. */
static __cold int check_frames(struct tracefile *tf,
			       const struct tracefile_event *ev, u64 stack)
{
	struct tracefile_frame f[TRACEFILE_MAX_FRAMES];
	size_t n, i;

	n = gort_tracefile_stack(tf, stack, f);
	for (i = 1; i < n; i++)
		if (!frame_complete(&f[i]))
			return BROKEN(tf, ev, "frame %zu of stack %llu, pc %#llx, "
				      "lacks its function, file or line", i,
				      (unsigned long long)stack,
				      (unsigned long long)f[i].pc);
	return 0;
}

static i64 since_year_1(const struct tracefile_sync *s)
{
	return (i64)((u64)s->wall_sec + YEAR_1);
}

static bool wall_rises(const struct tracefile_sync *a,
		       const struct tracefile_sync *b)
{
	i64 x = since_year_1(a), y = since_year_1(b);

	return x < y || (x == y && a->wall_nsec < b->wall_nsec);
}

static int check_clock(struct tracefile *tf, const struct tracefile_event *ev,
		       const struct tracefile_sync *s)
{
	const struct tracefile_sync *last = &tf->v_sync;

	if (!s->clock)
		return s->n > 1 ? 0 : BROKEN(tf, ev, "no clock snapshot");
	if (!since_year_1(s) && !s->wall_nsec)
		return BROKEN(tf, ev, "wall clock is 0");
	if (!s->mono)
		return BROKEN(tf, ev, "monotonic clock is 0");
	if (!s->trace)
		return BROKEN(tf, ev, "clock of the trace is 0");
	if (s->n < 2)
		return 0;
	if (!wall_rises(last, s))
		return BROKEN(tf, ev, "wall clock does not rise");
	if (s->mono <= last->mono)
		return BROKEN(tf, ev, "monotonic clock does not rise");
	if (s->trace <= last->trace)
		return BROKEN(tf, ev, "clock of the trace does not rise");
	return 0;
}

static int check_sync(struct tracefile *tf, const struct tracefile_event *ev)
{
	struct tracefile_sync s;
	int err = 0;

	gort_tracefile_sync(tf, ev, &s);
	if (tf->version >= 25)
		err = check_clock(tf, ev, &s);
	tf->v_sync = s;
	return err;
}

/* --- transitions --- */

/*
 * A goroutine or proc as this file sees it.  What is done with views is to be
 * inlined, so that there are none.
 */
struct view {
	u8 *state;
	u32 *thread;		/* NONE32: runs on none */
	bool goroutine;
	bool has_ranges;
};

static __folded bool executing(const struct view *v, u8 state)
{
	if (v->goroutine)
		return state == TRACEFILE_GO_RUNNING ||
		       state == TRACEFILE_GO_SYSCALL;
	return state == TRACEFILE_PROC_RUNNING;
}

/* What runs on a thread. */
static __folded u64 *on_thread(struct mstate *m, const struct view *v)
{
	return v->goroutine ? &m->v_g : &m->v_p;
}

static __folded int starts(struct tracefile *tf,
			   const struct tracefile_event *ev,
			   const struct view *v)
{
	struct mstate *m;
	u64 *on;

	if (ev->thread == TRACEFILE_NONE)
		return BROKEN(tf, ev, "number %lld runs without a thread",
			      (long long)ev->id);
	m = table_find(&tf->order.ms, (u64)ev->thread);
	if (unlikely(!m))
		m = gort_tracefile_thread(tf, (u64)ev->thread);
	if (!m)
		return -ENOMEM;
	on = on_thread(m, v);
	if (*on != NO_ID && *on != (u64)ev->id)
		return BROKEN(tf, ev, "%s %lld starts on a thread that runs %lld",
			      v->goroutine ? "goroutine" : "proc",
			      (long long)ev->id, (long long)*on);
	*on = (u64)ev->id;
	*v->thread = m_index(tf, m);
	return 0;
}

/* order.c has made sure that it ran, and starts() that it is noted where. */
static __folded void stops(struct tracefile *tf, const struct view *v)
{
	*on_thread(m_at(tf, *v->thread), v) = NO_ID;
	*v->thread = NONE32;
}

/* Both kinds of states begin with undetermined and not existing. */
static __cold int check_rare_states(struct tracefile *tf,
				    const struct tracefile_event *ev,
				    const struct view *v)
{
	const char *what = v->goroutine ? "goroutine" : "proc";
	long long id = ev->id;

	if (ev->new_state == TRACEFILE_GO_UNDETERMINED)
		return BROKEN(tf, ev, "state of %s %lld becomes undetermined",
			      what, id);
	if (ev->old_state == TRACEFILE_GO_UNDETERMINED && tf->syncs > 1)
		return BROKEN(tf, ev, "state of %s %lld is undetermined after the "
			      "first generation", what, id);
	if (ev->new_state == TRACEFILE_GO_NOT_EXIST && v->has_ranges)
		return BROKEN(tf, ev, "%s %lld ends within a range", what, id);
	if (*v->state ? ev->old_state != *v->state :
			ev->old_state > TRACEFILE_GO_NOT_EXIST)
		return BROKEN(tf, ev, "%s %lld leaves state %u, but was in %u",
			      what, id, ev->old_state, *v->state);
	return 0;
}

static __folded int check_states(struct tracefile *tf,
				 const struct tracefile_event *ev,
				 const struct view *v)
{
	struct view copy;
	int err;

	if (unlikely(ev->old_state != *v->state ||
		     ev->old_state <= TRACEFILE_GO_NOT_EXIST ||
		     ev->new_state <= TRACEFILE_GO_NOT_EXIST)) {
		copy = *v;	/* so that v is nowhere */
		err = check_rare_states(tf, ev, &copy);
		if (err)
			return err;
	}
	*v->state = ev->new_state;
	return 0;
}

static __folded int check_view(struct tracefile *tf,
			       const struct tracefile_event *ev, struct view v)
{
	int err = check_states(tf, ev, &v);

	if (err)
		return err;
	if (executing(&v, ev->new_state))
		return starts(tf, ev, &v);
	if (executing(&v, ev->old_state))
		stops(tf, &v);
	return 0;
}

static int check_transition(struct tracefile *tf,
			    const struct tracefile_event *ev)
{
	struct gstate *g;
	struct pstate *p;
	u64 stack;
	int err;

	if (unlikely(tf->gen.bad_frames)) {
		stack = gort_tracefile_own_stack(ev);
		err = stack ? check_frames(tf, ev, stack) : 0;
		if (err)
			return err;
	}
	if (likely(ev->resource == TRACEFILE_GOROUTINE)) {
		g = table_find(&tf->order.gs, (u64)ev->id);
		return check_view(tf, ev, (struct view){
			&g->v_state, &g->v_thread, true, g->ranges != NONE32 });
	}
	p = table_find(&tf->order.ps, (u64)ev->id);
	return check_view(tf, ev, (struct view){
		&p->v_state, &p->v_thread, false, p->ranges != NONE32 });
}

/* --- the rest --- */

/* Stopped twice for reasons of the same text?  order.c knows the numbers. */
static int check_range(struct tracefile *tf, const struct tracefile_event *ev)
{
	const struct mark *marks = tf->order.marks;
	struct tracefile_str text, other;
	const struct gstate *g;
	u32 i;

	if (ev->type != TF_STW_BEGIN)
		return 0;
	g = table_find(&tf->order.gs, (u64)ev->goroutine);
	text = rec_str(gen_string(&tf->gen, ev->args[0]));
	for (i = g->ranges; i != NONE32; i = marks[i].next) {
		other = rec_str(marks[i].name);
		if (marks[i].type == TF_STW_BEGIN &&
		    marks[i].id != ev->args[0] && text.len == other.len &&
		    !memcmp(text.p, other.p, text.len))
			return BROKEN(tf, ev, "the world is stopped twice");
	}
	return 0;
}

int gort_tracefile_validate(struct tracefile *tf,
			    const struct tracefile_event *ev)
{
	int err = check_time(tf, ev);

	if (unlikely(ev->stack && tf->gen.bad_frames) && !err)
		err = check_frames(tf, ev, ev->stack);
	if (err)
		return err;
	switch (ev->kind) {
	case TRACEFILE_SYNC:
		return check_sync(tf, ev);
	case TRACEFILE_LABEL:
		if (!rec_str(gen_string(&tf->gen, ev->args[0])).len)
			return BROKEN(tf, ev, "empty label");
		return 0;
	case TRACEFILE_TRANSITION:
		return check_transition(tf, ev);
	case TRACEFILE_RANGE_BEGIN:
		return check_range(tf, ev);
	case TRACEFILE_TASK_BEGIN:
		if (!ev->args[0] || ev->args[0] == TRACEFILE_NO_TASK)
			return BROKEN(tf, ev, "task %lld begins",
				      (long long)ev->args[0]);
		return 0;
	}
	return 0;
}
