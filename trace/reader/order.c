// SPDX-License-Identifier: ISC
/*
 * trace/reader/order.c - the state of the scheduler, event by event.
 *
 * For each type of event: may it happen now, must it wait for an event of
 * another thread, or can this trace not be?  The rules are those of Go's
 * internal/trace/order.go.  Events that are numbered (starts and unblocks of
 * goroutines, starts and steals of procs, the collector) wait for their turn;
 * the others must be possible at once, since only their own thread can make
 * them so.
 *
 * An event that waits tells what for (struct waiter): a condition that is
 * false now and without which it can neither happen nor be an error.  All
 * changes of a goroutine's or proc's state and number go through g_set() and
 * p_set(), which wake.
 *
 * Differences to Go, in traces that no runtime writes:
 *  - A goroutine has at most MAX_RANGES ranges at once, so that a search
 *    takes bounded time.
 *  - A search for the thread of a proc that is about to be stolen fails if
 *    such searches took too long already.
 *  - Among several such threads Go takes any, we the last to be seen.
 *
 * Invariants:
 *  I1  A goroutine that was destroyed stays GO_GONE until its last event was
 *      given.  In the first generation it is noted in gone then, since a
 *      status there can make it exist again, which validate.c wants to know.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_RANGES	64

/* Threads looked at in searches, per byte of the file. */
#define MAX_SEARCHED	16u

enum {
	BLOCKED = 0,
	OK = 1,
};

struct sched {
	u64 m, p, g;
};

/* The event that is tried. */
struct attempt {
	struct tracefile *tf;
	const struct cursor *c;
	const u64 *args;
	u64 gen;
	struct sched cur;	/* before the event; it is given with this */
	u64 new_p, new_g;	/* of the thread, after it */
};

#define CTX_BAD(a, ...)	gort_tracefile_fail((a)->tf, (a)->c->ev, \
					    (a)->cur.m, __VA_ARGS__)

static const char *type_name(const struct attempt *a)
{
	return gort_tracefile_specs[a->c->type].name;
}

#define ULL(x)	((unsigned long long)(x))

/* --- lookups --- */

static struct gstate *g_find(const struct tracefile *tf, u64 id)
{
	struct gstate *g = table_find(&tf->order.gs, id);

	return g && g->status != GO_GONE ? g : NULL;
}

static struct pstate *p_find(const struct tracefile *tf, u64 id)
{
	return table_find(&tf->order.ps, id);
}

static struct mstate *m_find(const struct tracefile *tf, u64 id)
{
	struct mstate *m = table_find(&tf->order.ms, id);

	return m && m->seen ? m : NULL;
}

struct mstate *gort_tracefile_thread(struct tracefile *tf, u64 id)
{
	struct table *t = &tf->order.ms;
	struct mstate *m = table_find(t, id);

	if (!m) {
		m = gort_tracefile_table_add(t, id);
		if (!m)
			return NULL;
		m->g = NO_ID;
		m->p = NO_ID;
		m->v_g = NO_ID;
		m->v_p = NO_ID;
	}
	return m;
}

/* --- changes --- */

/* The conditions that became true. */
static __cold void g_changed(struct tracefile *tf, u64 id,
			     unsigned int status, u64 gen, u64 seq)
{
	if (status != GO_RUNNING)
		gort_tracefile_wake(tf, COND_G_NOT_RUNNING, id, 0);
	if (gen != tf->gen.num)
		return;
	if (status == GO_RUNNABLE)
		gort_tracefile_wake(tf, COND_G_RUNNABLE, id, seq + 1);
	if (status == GO_WAITING)
		gort_tracefile_wake(tf, COND_G_WAITING, id, seq + 1);
}

static void g_set(struct attempt *a, struct gstate *g, enum go_status status)
{
	g->status = (u8)status;
	if (unlikely(a->tf->frontier.parked.n))
		g_changed(a->tf, g->id, status, g->gen, g->seq);
}

static void g_set_seq(struct attempt *a, struct gstate *g,
		      enum go_status status, u64 seq)
{
	g->gen = a->gen;
	g->seq = seq;
	g_set(a, g, status);
}

/* 64 goroutines with ids in a row, which often come and go together. */
struct gone {
	u64 id;			/* of the first, by 64 */
	u64 bits;
};

/* false without memory */
static bool note_gone(struct table *t, u64 id)
{
	struct gone *gone = table_find(t, id / 64);

	if (!gone)
		gone = gort_tracefile_table_add(t, id / 64);
	if (gone)
		gone->bits |= UINT64_C(1) << id % 64;
	return gone;
}

static bool is_gone(const struct table *t, u64 id)
{
	const struct gone *gone = table_find(t, id / 64);

	return gone && gone->bits >> id % 64 & 1;
}

static int g_add(struct attempt *a, u64 id, enum go_status status)
{
	struct gstate *g = table_find(&a->tf->order.gs, id);

	if (!g) {
		g = gort_tracefile_table_add(&a->tf->order.gs, id);
		if (!g)
			return -ENOMEM;
		g->regions = NONE32;
		g->ranges = NONE32;
		g->v_thread = NONE32;
		if (is_gone(&a->tf->order.gone, id))
			g->v_state = TRACEFILE_GO_NOT_EXIST;
	}
	g_set_seq(a, g, status, 0);
	return OK;
}

static void free_marks(struct order *o, u32 *list)
{
	u32 i, next;

	for (i = *list; i != NONE32; i = next) {
		next = o->marks[i].next;
		o->marks[i].next = o->free_marks;
		o->free_marks = i;
	}
	*list = NONE32;
}

/* Ranges stay for validate.c. */
static void g_destroy(struct attempt *a, struct gstate *g)
{
	free_marks(&a->tf->order, &g->regions);
	g_set(a, g, GO_GONE);
}

int gort_tracefile_order_forget(struct tracefile *tf, u64 id)
{
	struct gstate *g = table_find(&tf->order.gs, id);

	if (!g || g->status != GO_GONE)
		return 0;
	if (tf->nth_gen == 1 && !note_gone(&tf->order.gone, id))
		return -ENOMEM;
	free_marks(&tf->order, &g->ranges);
	gort_tracefile_table_del(&tf->order.gs, g);
	return 0;
}

static void p_set(struct attempt *a, struct pstate *p, enum proc_status status)
{
	struct tracefile *tf = a->tf;

	p->status = (u8)status;
	if (likely(!tf->frontier.parked.n))
		return;
	if (status != PROC_SYSCALL)
		gort_tracefile_wake(tf, COND_P_NOT_SYSCALL, p->id, 0);
	if (p->gen != tf->gen.num)
		return;
	if (status == PROC_IDLE)
		gort_tracefile_wake(tf, COND_P_IDLE, p->id, p->seq + 1);
	if (status == PROC_SYSCALL || status == PROC_ABANDONED)
		gort_tracefile_wake(tf, COND_P_SYSCALL, p->id, p->seq + 1);
}

static void p_set_seq(struct attempt *a, struct pstate *p,
		      enum proc_status status, u64 seq)
{
	p->gen = a->gen;
	p->seq = seq;
	p_set(a, p, status);
}

static void gc_set(struct attempt *a, enum gc_state state, u64 seq)
{
	a->tf->order.gc_state = (u8)state;
	a->tf->order.gc_seq = seq;
	gort_tracefile_wake(a->tf, COND_GC, 0, seq + 1);
}

/* --- conditions --- */

/* Is seq of generation gen the next of a goroutine or proc? */
static bool succeeds(u64 gen, u64 seq, u64 old_gen, u64 old_seq)
{
	return gen == old_gen && seq == old_seq + 1;
}

static bool g_holds(const struct tracefile *tf, const struct gstate *g,
		    enum go_status status, u64 seq)
{
	return g && g->status == status &&
	       succeeds(tf->gen.num, seq, g->gen, g->seq);
}

static bool p_idle(const struct tracefile *tf, const struct pstate *p, u64 seq)
{
	return p && p->status == PROC_IDLE &&
	       succeeds(tf->gen.num, seq, p->gen, p->seq);
}

static bool p_in_syscall(const struct tracefile *tf, const struct pstate *p,
			 u64 seq)
{
	return p && (p->status == PROC_SYSCALL ||
		     p->status == PROC_ABANDONED) &&
	       succeeds(tf->gen.num, seq, p->gen, p->seq);
}

bool gort_tracefile_order_holds(const struct tracefile *tf, enum cond cond,
				u64 id, u64 seq)
{
	const struct gstate *g;
	const struct pstate *p;

	switch (cond) {
	case COND_G_RUNNABLE:
		return g_holds(tf, g_find(tf, id), GO_RUNNABLE, seq);
	case COND_G_WAITING:
		return g_holds(tf, g_find(tf, id), GO_WAITING, seq);
	case COND_G_NOT_RUNNING:
		g = g_find(tf, id);
		return !g || g->status != GO_RUNNING;
	case COND_P_IDLE:
		return p_idle(tf, p_find(tf, id), seq);
	case COND_P_SYSCALL:
		return p_in_syscall(tf, p_find(tf, id), seq);
	case COND_P_NOT_SYSCALL:
		p = p_find(tf, id);
		return !p || p->status != PROC_SYSCALL;
	case COND_GC:
		return seq == tf->order.gc_seq + 1;
	case COND_NONE:
		break;
	}
	return false;
}

/* Wait until cond, or until the thread loses its proc. */
static __cold int wait_for(struct attempt *a, enum cond cond, u64 id, u64 seq)
{
	struct waiter *w = a->tf->frontier.block;

	w[0].cond = (u8)cond;
	w[0].id = id;
	w[0].seq = seq;
	w[1].cond = COND_NONE;
	return BLOCKED;
}

static bool holds(const struct attempt *a, enum cond cond, u64 id, u64 seq)
{
	return gort_tracefile_order_holds(a->tf, cond, id, seq);
}

/* --- where events happen --- */

enum need {
	MUST_NOT,
	MAY,
	MUST,
};

static bool has_need(u64 id, enum need need)
{
	return need == MAY || (need == MUST) == (id != NO_ID);
}

static int need_one(struct attempt *a, u64 id, enum need need,
		    const char *what)
{
	if (has_need(id, need))
		return OK;
	if (need == MUST)
		return CTX_BAD(a, "%s without a %s", type_name(a), what);
	return CTX_BAD(a, "%s with a %s, number %llu", type_name(a), what,
		       ULL(id));
}

static __cold int lacks(struct attempt *a, enum need p, enum need g)
{
	int rc = need_one(a, a->cur.m, MUST, "thread");

	if (rc == OK)
		rc = need_one(a, a->cur.p, p, "proc");
	return rc == OK ? need_one(a, a->cur.g, g, "goroutine") : rc;
}

static inline int need(struct attempt *a, enum need p, enum need g)
{
	if (likely(has_need(a->cur.m, MUST) && has_need(a->cur.p, p) &&
		   has_need(a->cur.g, g)))
		return OK;
	return lacks(a, p, g);
}

static __cold int bad_current_g(struct attempt *a, const struct gstate *g)
{
	if (!g)
		return CTX_BAD(a, "%s of goroutine %lld, which does not exist",
			       type_name(a), (long long)a->cur.g);
	return CTX_BAD(a, "%s of goroutine %lld, whose status is %u",
		       type_name(a), (long long)a->cur.g, g->status);
}

/* The goroutine the event happens on, which must have this status. */
static __folded int current_g(struct attempt *a, enum go_status status,
			      struct gstate **out)
{
	struct gstate *g = g_find(a->tf, a->cur.g);

	*out = g;
	return likely(g && g->status == status) ? OK : bad_current_g(a, g);
}

static __cold int no_current_p(struct attempt *a)
{
	return CTX_BAD(a, "%s with proc %lld, which does not exist",
		       type_name(a), (long long)a->cur.p);
}

static __folded int current_p(struct attempt *a, struct pstate **out)
{
	*out = p_find(a->tf, a->cur.p);
	return likely(*out) ? OK : no_current_p(a);
}

/* --- giving events --- */

/* The first one into what the user gave, the others into the queue. */
static inline struct tracefile_event *new_event(struct attempt *a, u8 type)
{
	struct order *o = &a->tf->order;
	struct tracefile_event *ev = o->out;

	if (unlikely(!ev))
		ev = &o->queue[o->queue_len++];
	o->out = NULL;
	ev->time = a->c->time;
	ev->thread = (i64)a->cur.m;
	ev->proc = (i64)a->cur.p;
	ev->goroutine = (i64)a->cur.g;
	ev->gen = a->gen;
	ev->offset = (u64)(a->c->ev - a->tf->data);
	ev->resource = TRACEFILE_NO_RESOURCE;
	ev->type = type;
	ev->nargs = gort_tracefile_specs[type].nargs;
	ev->name = NULL;
	return ev;
}

static struct tracefile_event *emit_as(struct attempt *a, u8 type)
{
	struct tracefile_event *ev = new_event(a, type);

	memset(ev->args, 0, sizeof(ev->args));
	return ev;
}

static inline struct tracefile_event *emit(struct attempt *a)
{
	struct tracefile_event *ev = new_event(a, a->c->type);

	ev->args[0] = a->args[0];
	ev->args[1] = a->args[1];
	ev->args[2] = a->args[2];
	ev->args[3] = a->args[3];
	return ev;
}

static int emit_plain(struct attempt *a)
{
	emit(a);
	return OK;
}

static void set_states(struct tracefile_event *ev, u8 resource, u64 id,
		       unsigned int old, unsigned int new)
{
	ev->resource = resource;
	ev->id = (i64)id;
	ev->old_state = (u8)old;
	ev->new_state = (u8)new;
}

#define GO(state)	TRACEFILE_GO_##state
#define PROC(state)	TRACEFILE_PROC_##state

static inline int emit_go(struct attempt *a, u64 id, unsigned int old,
		   unsigned int new)
{
	set_states(emit(a), TRACEFILE_GOROUTINE, id, old, new);
	return OK;
}

static int emit_proc(struct attempt *a, u64 id, unsigned int old,
		     unsigned int new)
{
	set_states(emit(a), TRACEFILE_PROC, id, old, new);
	return OK;
}

/* --- procs --- */

static const u8 proc_states[] = {
	[PROC_BAD] = PROC(UNDETERMINED),
	[PROC_RUNNING] = PROC(RUNNING),
	[PROC_IDLE] = PROC(IDLE),
	[PROC_SYSCALL] = PROC(RUNNING),
	[PROC_ABANDONED] = PROC(IDLE),
};

static int p_add(struct attempt *a, u64 id, enum proc_status status)
{
	struct pstate *p = gort_tracefile_table_add(&a->tf->order.ps, id);

	if (!p)
		return -ENOMEM;
	p->ranges = NONE32;
	p->v_thread = NONE32;
	p_set_seq(a, p, status, 0);
	return OK;
}

/* Who has this proc?  NULL if nobody. */
static const struct mstate *m_with_p(struct tracefile *tf, u64 p)
{
	const struct table *t = &tf->order.ms;
	const struct mstate *m;
	u32 i;

	if (tf->order.searched / MAX_SEARCHED > (u64)(tf->end - tf->data))
		return NULL;
	for (i = t->n; i--;) {
		m = table_at(t, i);
		tf->order.searched++;
		if (m->seen && m->p == p)
			return m;
	}
	return NULL;
}

/*
 * A proc that is known to be in a system call is said to be abandoned there:
 * it will be stolen, and somebody else says so.  The event is its thread's.
 */
static int abandoned_status(struct attempt *a, u64 id)
{
	const struct mstate *m = m_with_p(a->tf, id);

	if (!m)
		return CTX_BAD(a, "%s: no thread has proc %llu", type_name(a),
			       ULL(id));
	a->cur = (struct sched){ m->id, id, m->g };
	return emit_proc(a, id, PROC(RUNNING), PROC(RUNNING));
}

static int proc_status(struct attempt *a)
{
	u64 id = a->args[0];
	u8 status = (u8)a->args[1], old;
	struct pstate *p = p_find(a->tf, id);
	bool taken;
	int rc;

	if (status > PROC_ABANDONED)
		return CTX_BAD(a, "ProcStatus of proc %llu is %u", ULL(id),
			       status);
	taken = status == PROC_ABANDONED && p && p->status == PROC_SYSCALL;
	if (p && p->status != status && !taken)
		return CTX_BAD(a, "ProcStatus of proc %llu is %u instead of %u",
			       ULL(id), status, p->status);
	old = proc_states[status];
	if (p) {
		p_set_seq(a, p, p->status, 0);
	} else {
		rc = p_add(a, id, status);
		if (rc != OK)
			return rc;
		old = a->gen == a->tf->order.initial_gen ?
			      PROC(UNDETERMINED) : PROC(NOT_EXIST);
	}
	if (taken)
		return abandoned_status(a, id);
	if (status == PROC_RUNNING || status == PROC_SYSCALL)
		a->new_p = id;
	return emit_proc(a, id, old, proc_states[status]);
}

static int proc_start(struct attempt *a)
{
	u64 id = a->args[0], seq = a->args[1];
	struct pstate *p = p_find(a->tf, id);
	int rc;

	if (!p_idle(a->tf, p, seq))
		return wait_for(a, COND_P_IDLE, id, seq);
	if (a->cur.p != NO_ID)
		return wait_for(a, COND_NONE, 0, 0);
	rc = need(a, MUST_NOT, MAY);
	if (rc != OK)
		return rc;
	p_set_seq(a, p, PROC_RUNNING, seq);
	a->new_p = id;
	return emit_proc(a, id, PROC(IDLE), PROC(RUNNING));
}

static int proc_stop(struct attempt *a)
{
	struct pstate *p;
	int rc = current_p(a, &p);

	if (rc != OK)
		return rc;
	if (p->status != PROC_RUNNING && p->status != PROC_SYSCALL)
		return CTX_BAD(a, "ProcStop of proc %lld, whose status is %u",
			       (long long)a->cur.p, p->status);
	rc = need(a, MUST, MAY);
	if (rc != OK)
		return rc;
	p_set(a, p, PROC_IDLE);
	a->new_p = NO_ID;
	return emit_proc(a, a->cur.p, PROC(RUNNING), PROC(IDLE));
}

/* Take proc id from thread mid, which is in a system call. */
static int steal_from(struct attempt *a, u64 id, u64 mid)
{
	struct mstate *m;

	if (mid == a->cur.m) {
		if (a->cur.p != id)
			return CTX_BAD(a, "ProcSteal of proc %llu, but the thread "
				       "has %lld", ULL(id), (long long)a->cur.p);
		a->new_p = NO_ID;
		return OK;
	}
	m = m_find(a->tf, mid);
	if (!m)
		return CTX_BAD(a, "ProcSteal from thread %llu, which does not "
			       "exist", ULL(mid));
	if (m->p != id)
		return CTX_BAD(a, "ProcSteal of proc %llu from thread %llu, "
			       "which has %lld", ULL(id), ULL(mid),
			       (long long)m->p);
	m->p = NO_ID;
	gort_tracefile_wake_thread(a->tf, m_index(a->tf, m));
	return OK;
}

static int proc_steal(struct attempt *a)
{
	u64 id = a->args[0], seq = a->args[1];
	struct pstate *p = p_find(a->tf, id);
	bool abandoned;
	int rc;

	if (!p_in_syscall(a->tf, p, seq))
		return wait_for(a, COND_P_SYSCALL, id, seq);
	rc = need(a, MAY, MAY);
	if (rc != OK)
		return rc;
	abandoned = p->status == PROC_ABANDONED;
	p_set_seq(a, p, PROC_IDLE, seq);
	if (!abandoned)
		rc = steal_from(a, id, a->args[2]);
	if (rc != OK)
		return rc;
	return emit_proc(a, id, abandoned ? PROC(IDLE) : PROC(RUNNING),
			 PROC(IDLE));
}

/* --- goroutines --- */

static const u8 go_states[] = {
	[GO_BAD] = GO(UNDETERMINED),
	[GO_RUNNABLE] = GO(RUNNABLE),
	[GO_RUNNING] = GO(RUNNING),
	[GO_SYSCALL] = GO(SYSCALL),
	[GO_WAITING] = GO(WAITING),
};

/* The status of a goroutine that is in a system call on thread mid. */
static int syscall_status(struct attempt *a, u64 id, u64 mid)
{
	struct mstate *m;
	u64 on;

	if (mid == NO_ID)
		return CTX_BAD(a, "%s: goroutine %llu is in a system call "
			       "without a thread", type_name(a), ULL(id));
	m = m_find(a->tf, mid);
	if (mid == a->cur.m) {
		on = a->gen == a->tf->order.initial_gen ? id : a->cur.g;
		a->new_g = id;
	} else if (m) {
		on = m->g;
		a->cur.g = m->g;
	} else {
		m = gort_tracefile_thread(a->tf, mid);
		if (!m)
			return -ENOMEM;
		m->seen = true;
		m->g = id;
		on = id;
	}
	if (on != id)
		return CTX_BAD(a, "%s: goroutine %llu is in a system call on "
			       "thread %llu, which has %lld", type_name(a),
			       ULL(id), ULL(mid), (long long)on);
	a->cur.m = mid;
	return OK;
}

static int go_status(struct attempt *a)
{
	u64 id = a->args[0];
	u8 status = (u8)a->args[2], old;
	struct gstate *g = g_find(a->tf, id);
	int rc = OK;

	if (status > GO_WAITING)
		return CTX_BAD(a, "%s of goroutine %llu is %u", type_name(a),
			       ULL(id), status);
	old = go_states[status];
	if (g) {
		if (g->status != status)
			return CTX_BAD(a, "%s of goroutine %llu is %u instead "
				       "of %u", type_name(a), ULL(id), status,
				       g->status);
		g_set_seq(a, g, status, 0);
	} else if (a->gen == a->tf->order.initial_gen) {
		rc = g_add(a, id, status);
		old = GO(UNDETERMINED);
	} else {
		return CTX_BAD(a, "%s of goroutine %llu, which does not exist",
			       type_name(a), ULL(id));
	}
	if (status == GO_RUNNING)
		a->new_g = id;
	if (rc == OK && status == GO_SYSCALL)
		rc = syscall_status(a, id, a->args[1]);
	return rc == OK ? emit_go(a, id, old, go_states[status]) : rc;
}

static int go_create(struct attempt *a)
{
	bool blocked = a->c->type == TF_GO_CREATE_BLOCKED;
	u64 id = a->args[0];
	const struct gstate *g;
	int rc = need(a, MUST, MAY);

	if (rc != OK)
		return rc;
	g = g_find(a->tf, a->cur.g);
	if (g && g->status != GO_RUNNING)
		return CTX_BAD(a, "%s by goroutine %lld, whose status is %u",
			       type_name(a), (long long)a->cur.g, g->status);
	if (g_find(a->tf, id))
		return CTX_BAD(a, "%s of goroutine %llu, which exists",
			       type_name(a), ULL(id));
	rc = g_add(a, id, blocked ? GO_WAITING : GO_RUNNABLE);
	if (rc != OK)
		return rc;
	return emit_go(a, id, GO(NOT_EXIST),
		       blocked ? GO(WAITING) : GO(RUNNABLE));
}

/* A goroutine stops to run, by itself. */
static int go_stop(struct attempt *a)
{
	struct gstate *g;
	int rc = need(a, MUST, MUST);

	if (rc == OK)
		rc = current_g(a, GO_RUNNING, &g);
	if (rc != OK)
		return rc;
	a->new_g = NO_ID;
	switch (a->c->type) {
	case TF_GO_DESTROY:
		g_destroy(a, g);
		return emit_go(a, a->cur.g, GO(RUNNING), GO(NOT_EXIST));
	case TF_GO_STOP:
		g_set(a, g, GO_RUNNABLE);
		return emit_go(a, a->cur.g, GO(RUNNING), GO(RUNNABLE));
	default:
		g_set(a, g, GO_WAITING);
		return emit_go(a, a->cur.g, GO(RUNNING), GO(WAITING));
	}
}

static int go_start(struct attempt *a)
{
	u64 id = a->args[0], seq = a->args[1];
	struct gstate *g = g_find(a->tf, id);
	int rc;

	if (!g_holds(a->tf, g, GO_RUNNABLE, seq))
		return wait_for(a, COND_G_RUNNABLE, id, seq);
	rc = need(a, MUST, MUST_NOT);
	if (rc != OK)
		return rc;
	g_set_seq(a, g, GO_RUNNING, seq);
	a->new_g = id;
	return emit_go(a, id, GO(RUNNABLE), GO(RUNNING));
}

static int go_unblock(struct attempt *a)
{
	u64 id = a->args[0], seq = a->args[1];
	struct gstate *g = g_find(a->tf, id);

	if (!g_holds(a->tf, g, GO_WAITING, seq))
		return wait_for(a, COND_G_WAITING, id, seq);
	g_set_seq(a, g, GO_RUNNABLE, seq);
	return emit_go(a, id, GO(WAITING), GO(RUNNABLE));
}

/*
 * The next goroutine is unblocked, the current one blocks or ends, the next
 * one starts: three events.
 */
static int go_switch(struct attempt *a)
{
	bool ends = a->c->type == TF_GO_SWITCH_DESTROY;
	u64 id = a->args[0], seq = a->args[1], me = a->cur.g;
	struct waiter *w = a->tf->frontier.block;
	struct gstate *g, *next = g_find(a->tf, id);
	struct tracefile_event *ev;
	int rc = need(a, MUST, MUST);

	if (rc == OK)
		rc = current_g(a, GO_RUNNING, &g);
	if (rc != OK)
		return rc;
	if (!g_holds(a->tf, next, GO_WAITING, seq)) {
		wait_for(a, COND_G_WAITING, id, seq);
		w[1] = (struct waiter){ .cond = COND_G_NOT_RUNNING, .id = me };
		return BLOCKED;
	}
	emit_go(a, id, GO(WAITING), GO(RUNNABLE));

	ev = emit_as(a, ends ? TF_GO_DESTROY : TF_GO_BLOCK);
	set_states(ev, TRACEFILE_GOROUTINE, me, GO(RUNNING),
		   ends ? GO(NOT_EXIST) : GO(WAITING));
	if (ends)
		g_destroy(a, g);
	else
		g_set(a, g, GO_WAITING);

	g_set_seq(a, next, GO_RUNNING, seq);
	a->new_g = id;
	ev = emit_as(a, TF_GO_START);
	ev->goroutine = TRACEFILE_NONE;
	ev->args[0] = id;
	ev->args[1] = seq;
	set_states(ev, TRACEFILE_GOROUTINE, id, GO(RUNNABLE), GO(RUNNING));
	return OK;
}

/* --- system calls --- */

static int go_syscall_begin(struct attempt *a)
{
	struct gstate *g = NULL;
	struct pstate *p = NULL;
	int rc = need(a, MUST, MUST);

	if (rc == OK)
		rc = current_g(a, GO_RUNNING, &g);
	if (rc == OK)
		rc = current_p(a, &p);
	if (rc != OK)
		return rc;
	if (!succeeds(a->gen, a->args[0], p->gen, p->seq))
		return CTX_BAD(a, "%s with number %llu of proc %lld, which is at "
			       "%llu", type_name(a), ULL(a->args[0]),
			       (long long)a->cur.p, ULL(p->seq));
	g_set(a, g, GO_SYSCALL);
	p_set_seq(a, p, PROC_SYSCALL, a->args[0]);
	return emit_go(a, a->cur.g, GO(RUNNING), GO(SYSCALL));
}

static int go_syscall_end(struct attempt *a)
{
	struct gstate *g = NULL;
	struct pstate *p = NULL;
	int rc = need(a, MUST, MUST);

	if (rc == OK)
		rc = current_g(a, GO_SYSCALL, &g);
	if (rc == OK)
		rc = current_p(a, &p);
	if (rc != OK)
		return rc;
	if (p->status != PROC_SYSCALL)
		return CTX_BAD(a, "%s with proc %lld, whose status is %u",
			       type_name(a), (long long)a->cur.p, p->status);
	g_set(a, g, GO_RUNNING);
	p_set(a, p, PROC_RUNNING);
	return emit_go(a, a->cur.g, GO(SYSCALL), GO(RUNNING));
}

/* Only after the thread has lost the proc it had in the system call. */
static int go_syscall_end_blocked(struct attempt *a)
{
	struct gstate *g = NULL;
	int rc;

	if (a->cur.p != NO_ID && !holds(a, COND_P_NOT_SYSCALL, a->cur.p, 0))
		return wait_for(a, COND_P_NOT_SYSCALL, a->cur.p, 0);
	rc = need(a, MAY, MUST);
	if (rc == OK)
		rc = current_g(a, GO_SYSCALL, &g);
	if (rc != OK)
		return rc;
	g_set(a, g, GO_RUNNABLE);
	a->new_g = NO_ID;
	return emit_go(a, a->cur.g, GO(SYSCALL), GO(RUNNABLE));
}

static int go_create_syscall(struct attempt *a)
{
	u64 id = a->args[0];
	int rc = need(a, MAY, MUST_NOT);

	if (rc != OK)
		return rc;
	if (g_find(a->tf, id))
		return CTX_BAD(a, "%s of goroutine %llu, which exists",
			       type_name(a), ULL(id));
	rc = g_add(a, id, GO_SYSCALL);
	if (rc != OK)
		return rc;
	a->new_g = id;
	return emit_go(a, id, GO(NOT_EXIST), GO(SYSCALL));
}

/*
 * The thread may be gone for good and its number be another's soon, so it
 * lets go of its proc, too, by a steal of which nobody tells.
 */
static int go_destroy_syscall(struct attempt *a)
{
	struct tracefile_event *ev;
	struct gstate *g = NULL;
	struct pstate *p = NULL;
	int rc = need(a, MAY, MUST);

	if (rc == OK)
		rc = current_g(a, GO_SYSCALL, &g);
	if (rc == OK && a->cur.p != NO_ID)
		rc = current_p(a, &p);
	if (rc != OK)
		return rc;
	a->new_g = NO_ID;
	if (a->cur.p != NO_ID) {
		if (p->status != PROC_SYSCALL)
			return CTX_BAD(a, "%s with proc %lld, whose status is "
				       "%u", type_name(a),
				       (long long)a->cur.p, p->status);
		p_set(a, p, PROC_ABANDONED);
		a->new_p = NO_ID;
		ev = emit_as(a, TF_PROC_STEAL);
		ev->args[0] = a->cur.p;
		set_states(ev, TRACEFILE_PROC, a->cur.p, PROC(RUNNING),
			   PROC(IDLE));
	}
	g_destroy(a, g);
	return emit_go(a, a->cur.g, GO(SYSCALL), GO(NOT_EXIST));
}

/* --- tasks, regions, logs --- */

static int on_goroutine(struct attempt *a)
{
	int rc = need(a, MUST, MUST);

	return rc == OK ? emit_plain(a) : rc;
}

static int on_proc(struct attempt *a)
{
	int rc = need(a, MUST, MAY);

	return rc == OK ? emit_plain(a) : rc;
}

static int on_thread(struct attempt *a)
{
	int rc = need(a, MAY, MAY);

	return rc == OK ? emit_plain(a) : rc;
}

static int known_string(struct attempt *a, u64 id)
{
	if (!has_id(&a->tf->gen.strings, id))
		return CTX_BAD(a, "%s with string %llu, which is not known",
			       type_name(a), ULL(id));
	return OK;
}

static int task_begin(struct attempt *a)
{
	struct table *t = &a->tf->order.tasks;
	u64 id = a->args[0], parent = a->args[1];
	struct task *task;
	int rc;

	if (table_find(t, id))
		return CTX_BAD(a, "%s of task %llu, which has begun",
			       type_name(a), ULL(id));
	rc = known_string(a, a->args[2]);
	if (rc == OK)
		rc = need(a, MUST, MUST);
	if (rc != OK)
		return rc;
	task = gort_tracefile_table_add(t, id);
	if (!task)
		return -ENOMEM;
	task->parent = parent ? parent : TRACEFILE_NO_TASK;
	task->name = gen_string(&a->tf->gen, a->args[2]);
	emit(a)->args[1] = task->parent;
	return OK;
}

static int task_end(struct attempt *a)
{
	struct table *t = &a->tf->order.tasks;
	struct task *task = table_find(t, a->args[0]);
	struct tracefile_event *ev;
	int rc = need(a, MUST, MUST);

	if (rc != OK)
		return rc;
	ev = emit(a);
	ev->args[2] = task ? task->parent : TRACEFILE_NO_TASK;
	ev->name = task ? task->name : NULL;
	if (task)
		gort_tracefile_table_del(t, task);
	return OK;
}

/* At the head of a list; or at its end, if it is one of ranges. */
static int add_mark(struct attempt *a, u32 *link, struct mark mark)
{
	struct order *o = &a->tf->order;
	u32 i = o->free_marks;

	if (i != NONE32) {
		o->free_marks = o->marks[i].next;
	} else {
		if (!gort_tracefile_grow(&o->marks, o->nmarks, &o->marks_cap,
					 sizeof(mark)))
			return -ENOMEM;
		i = o->nmarks++;
	}
	mark.next = NONE32;
	if (mark.type)
		while (*link != NONE32)
			link = &o->marks[*link].next;
	else
		mark.next = *link;
	o->marks[i] = mark;
	*link = i;
	return OK;
}

static int region_of(struct attempt *a, struct gstate **g, struct mark *out)
{
	int rc = need(a, MUST, MUST);

	if (rc == OK)
		rc = known_string(a, a->args[1]);
	if (rc != OK)
		return rc;
	*g = g_find(a->tf, a->cur.g);
	if (!*g)
		return CTX_BAD(a, "%s of goroutine %lld, which does not exist",
			       type_name(a), (long long)a->cur.g);
	*out = (struct mark){ .id = a->args[0],
			      .name = gen_string(&a->tf->gen, a->args[1]) };
	return OK;
}

static int region_begin(struct attempt *a)
{
	struct mark mark;
	struct gstate *g;
	int rc = region_of(a, &g, &mark);

	if (rc == OK)
		rc = add_mark(a, &g->regions, mark);
	return rc == OK ? emit_plain(a) : rc;
}

static bool same_string(const u8 *a, const u8 *b)
{
	struct tracefile_str x = rec_str(a), y = rec_str(b);

	return x.len == y.len && !memcmp(x.p, y.p, x.len);
}

/* Of one that began before the trace nothing is known. */
static int region_end(struct attempt *a)
{
	struct order *o = &a->tf->order;
	struct mark mark, *top;
	struct gstate *g;
	u32 i;
	int rc = region_of(a, &g, &mark);

	if (rc != OK)
		return rc;
	i = g->regions;
	if (i != NONE32) {
		top = &o->marks[i];
		if (top->id != mark.id || !same_string(top->name, mark.name))
			return CTX_BAD(a, "%s of another region than goroutine "
				       "%lld began last", type_name(a),
				       (long long)a->cur.g);
		g->regions = top->next;
		top->next = o->free_marks;
		o->free_marks = i;
	}
	return emit_plain(a);
}

/* --- ranges --- */

static bool has_range(const struct attempt *a, u32 list, u8 type, u64 id,
		      u32 *n)
{
	const struct mark *marks = a->tf->order.marks;
	u32 i;

	for (*n = 0, i = list; i != NONE32; i = marks[i].next, ++*n)
		if (marks[i].type == type && marks[i].id == id)
			return true;
	return false;
}

/* id: the string of why the world is stopped, else 0 */
static int range_begin(struct attempt *a, u32 *list, u8 type, u64 id)
{
	struct mark mark = { .id = id, .type = type };
	u32 n;

	if (has_range(a, *list, type, id, &n))
		return CTX_BAD(a, "%s of a range that has begun", type_name(a));
	if (n >= MAX_RANGES)
		return CTX_BAD(a, "%s of one range more than %u", type_name(a),
			       MAX_RANGES);
	mark.name = gen_string(&a->tf->gen, id);
	return add_mark(a, list, mark);
}

/* One that began before the trace, or that goes on in this generation. */
static int range_active(struct attempt *a, u32 *list, u8 type)
{
	u32 n;

	if (a->gen == a->tf->order.initial_gen)
		return range_begin(a, list, type, 0);
	if (!has_range(a, *list, type, 0, &n))
		return CTX_BAD(a, "%s of a range that has not begun",
			       type_name(a));
	return OK;
}

/* The first of this type ends, the last one takes its place. */
static int range_end(struct attempt *a, u32 *list, struct mark *out)
{
	u8 type = gort_tracefile_specs[a->c->type].start;
	struct order *o = &a->tf->order;
	u32 i, *link;

	for (i = *list; i != NONE32; i = o->marks[i].next)
		if (o->marks[i].type == type)
			break;
	if (i == NONE32)
		return CTX_BAD(a, "%s of a range that has not begun",
			       type_name(a));
	*out = o->marks[i];
	for (link = list; o->marks[*link].next != NONE32;)
		link = &o->marks[*link].next;
	if (*link != i) {
		o->marks[i].id = o->marks[*link].id;
		o->marks[i].name = o->marks[*link].name;
		o->marks[i].type = o->marks[*link].type;
	}
	free_marks(o, link);
	return OK;
}

/* The list of ranges of the goroutine this happens on. */
static int g_ranges(struct attempt *a, u32 **list)
{
	struct gstate *g;
	int rc = need(a, MUST, MUST);

	if (rc != OK)
		return rc;
	g = g_find(a->tf, a->cur.g);
	if (!g)
		return CTX_BAD(a, "%s of goroutine %lld, which does not exist",
			       type_name(a), (long long)a->cur.g);
	*list = &g->ranges;
	return OK;
}

static int go_range_begin(struct attempt *a)
{
	u64 id = a->c->type == TF_STW_BEGIN ? a->args[0] : 0;
	u32 *list = NULL;
	int rc = g_ranges(a, &list);

	if (rc == OK)
		rc = range_begin(a, list, a->c->type, id);
	return rc == OK ? emit_plain(a) : rc;
}

static int go_range_active(struct attempt *a)
{
	struct gstate *g = g_find(a->tf, a->args[0]);
	int rc;

	if (!g)
		return CTX_BAD(a, "%s of goroutine %llu, which does not exist",
			       type_name(a), ULL(a->args[0]));
	rc = range_active(a, &g->ranges, TF_GC_MARK_ASSIST_BEGIN);
	return rc == OK ? emit_plain(a) : rc;
}

static int go_range_end(struct attempt *a)
{
	struct tracefile_event *ev;
	struct mark mark;
	u32 *list = NULL;
	int rc = g_ranges(a, &list);

	if (rc == OK)
		rc = range_end(a, list, &mark);
	if (rc != OK)
		return rc;
	ev = emit(a);
	if (a->c->type == TF_STW_END) {
		ev->args[0] = mark.id;
		ev->name = mark.name;
	}
	return OK;
}

static int sweep_begin(struct attempt *a)
{
	struct pstate *p;
	int rc = need(a, MUST, MAY);

	if (rc == OK)
		rc = current_p(a, &p);
	if (rc == OK)
		rc = range_begin(a, &p->ranges, TF_GC_SWEEP_BEGIN, 0);
	return rc == OK ? emit_plain(a) : rc;
}

static int sweep_active(struct attempt *a)
{
	struct pstate *p = p_find(a->tf, a->args[0]);
	int rc;

	if (!p)
		return CTX_BAD(a, "%s of proc %llu, which does not exist",
			       type_name(a), ULL(a->args[0]));
	rc = range_active(a, &p->ranges, TF_GC_SWEEP_BEGIN);
	return rc == OK ? emit_plain(a) : rc;
}

static int sweep_end(struct attempt *a)
{
	struct mark mark;
	struct pstate *p;
	int rc = need(a, MUST, MAY);

	if (rc == OK)
		rc = current_p(a, &p);
	if (rc == OK)
		rc = range_end(a, &p->ranges, &mark);
	return rc == OK ? emit_plain(a) : rc;
}

/* --- the collector --- */

/* The first one that is seen sets the count. */
static int gc_first(struct attempt *a)
{
	gc_set(a, GC_ON, a->args[0]);
	return emit_plain(a);
}

static int gc_next(struct attempt *a, enum gc_state state)
{
	int rc = need(a, MUST, MUST);

	if (rc != OK)
		return rc;
	gc_set(a, state, a->args[0]);
	return emit_plain(a);
}

static int gc_active(struct attempt *a)
{
	const struct order *o = &a->tf->order;

	if (a->gen == o->initial_gen) {
		if (o->gc_state != GC_UNDETERMINED)
			return CTX_BAD(a, "GCActive after other events of the "
				       "collector");
		return gc_first(a);
	}
	if (!holds(a, COND_GC, 0, a->args[0]))
		return wait_for(a, COND_GC, 0, a->args[0]);
	if (o->gc_state != GC_ON)
		return CTX_BAD(a, "GCActive while the collector is off");
	return gc_next(a, GC_ON);
}

static int gc_begin(struct attempt *a)
{
	const struct order *o = &a->tf->order;

	if (o->gc_state == GC_UNDETERMINED)
		return gc_first(a);
	if (!holds(a, COND_GC, 0, a->args[0]))
		return wait_for(a, COND_GC, 0, a->args[0]);
	if (o->gc_state == GC_ON)
		return CTX_BAD(a, "GCBegin while the collector is on");
	return gc_next(a, GC_ON);
}

static int gc_end(struct attempt *a)
{
	if (!holds(a, COND_GC, 0, a->args[0]))
		return wait_for(a, COND_GC, 0, a->args[0]);
	if (a->tf->order.gc_state != GC_ON)
		return CTX_BAD(a, "GCEnd while the collector is off");
	return gc_next(a, GC_OFF);
}

/* --- all of them --- */

static int (*const handlers[TF_TYPES])(struct attempt *) = {
	[TF_PROCS_CHANGE] = on_goroutine,
	[TF_PROC_START] = proc_start,
	[TF_PROC_STOP] = proc_stop,
	[TF_PROC_STEAL] = proc_steal,
	[TF_PROC_STATUS] = proc_status,

	[TF_GO_CREATE] = go_create,
	[TF_GO_CREATE_BLOCKED] = go_create,
	[TF_GO_CREATE_SYSCALL] = go_create_syscall,
	[TF_GO_START] = go_start,
	[TF_GO_DESTROY] = go_stop,
	[TF_GO_STOP] = go_stop,
	[TF_GO_BLOCK] = go_stop,
	[TF_GO_DESTROY_SYSCALL] = go_destroy_syscall,
	[TF_GO_UNBLOCK] = go_unblock,
	[TF_GO_SYSCALL_BEGIN] = go_syscall_begin,
	[TF_GO_SYSCALL_END] = go_syscall_end,
	[TF_GO_SYSCALL_END_BLOCKED] = go_syscall_end_blocked,
	[TF_GO_STATUS] = go_status,
	[TF_GO_STATUS_STACK] = go_status,
	[TF_GO_SWITCH] = go_switch,
	[TF_GO_SWITCH_DESTROY] = go_switch,

	[TF_STW_BEGIN] = go_range_begin,
	[TF_STW_END] = go_range_end,
	[TF_GC_ACTIVE] = gc_active,
	[TF_GC_BEGIN] = gc_begin,
	[TF_GC_END] = gc_end,
	[TF_GC_SWEEP_ACTIVE] = sweep_active,
	[TF_GC_SWEEP_BEGIN] = sweep_begin,
	[TF_GC_SWEEP_END] = sweep_end,
	[TF_GC_MARK_ASSIST_ACTIVE] = go_range_active,
	[TF_GC_MARK_ASSIST_BEGIN] = go_range_begin,
	[TF_GC_MARK_ASSIST_END] = go_range_end,
	[TF_HEAP_ALLOC] = on_proc,
	[TF_HEAP_GOAL] = on_proc,

	[TF_GO_LABEL] = on_goroutine,
	[TF_USER_TASK_BEGIN] = task_begin,
	[TF_USER_TASK_END] = task_end,
	[TF_USER_REGION_BEGIN] = region_begin,
	[TF_USER_REGION_END] = region_end,
	[TF_USER_LOG] = on_goroutine,

	[TF_SPAN] = on_thread,
	[TF_SPAN_ALLOC] = on_thread,
	[TF_SPAN_FREE] = on_thread,
	[TF_HEAP_OBJECT] = on_thread,
	[TF_HEAP_OBJECT_ALLOC] = on_thread,
	[TF_HEAP_OBJECT_FREE] = on_thread,
	[TF_GOROUTINE_STACK] = on_thread,
	[TF_GOROUTINE_STACK_ALLOC] = on_thread,
	[TF_GOROUTINE_STACK_FREE] = on_thread,
};

int gort_tracefile_order_try(struct tracefile *tf, struct cursor *c)
{
	struct mstate *m = m_at(tf, c->m);
	struct attempt a;
	int rc;

	a.tf = tf;
	a.c = c;
	a.args = c->args;
	a.gen = tf->gen.num;
	if (likely(m->id != NO_ID)) {
		m->seen = true;
		a.cur = (struct sched){ m->id, m->p, m->g };
	} else {
		a.cur = (struct sched){ NO_ID, NO_ID, NO_ID };
	}
	a.new_p = a.cur.p;
	a.new_g = a.cur.g;
	if (unlikely(!tf->order.initial_gen))
		tf->order.initial_gen = a.gen;
	if (unlikely(!handlers[c->type]))
		return CTX_BAD(&a, "%s does not belong among events",
			       type_name(&a));
	rc = handlers[c->type](&a);
	if (rc == OK && a.cur.m != NO_ID) {
		m = m_at(tf, c->m);
		m->p = a.new_p;
		m->g = a.new_g;
	}
	return rc;
}

void gort_tracefile_order_init(struct order *o, u64 seed)
{
	gort_tracefile_table_init(&o->gs, sizeof(struct gstate), seed);
	gort_tracefile_table_init(&o->gone, sizeof(struct gone), seed);
	gort_tracefile_table_init(&o->ps, sizeof(struct pstate), seed);
	gort_tracefile_table_init(&o->ms, sizeof(struct mstate), seed);
	gort_tracefile_table_init(&o->tasks, sizeof(struct task), seed);
	o->free_marks = NONE32;
}

void gort_tracefile_order_free(struct order *o)
{
	gort_tracefile_table_free(&o->gs);
	gort_tracefile_table_free(&o->gone);
	gort_tracefile_table_free(&o->ps);
	gort_tracefile_table_free(&o->ms);
	gort_tracefile_table_free(&o->tasks);
	free(o->marks);
}
