// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt_event.c - single sections, as their own threads see them.
 *
 * What ends a section that took too long runs here, on whatever stack and in
 * handlers of signals; so does the answer of a thread that is asked where it
 * is.  Hence no lock, no memory, nothing that waits, and no ThreadSanitizer,
 * which may have been interrupted (trace/Kbuild).  What is found goes to a
 * queue, and sysmon does what is to be done (nonpreempt_watch.c).  Two things
 * cannot wait for it: to die, and to mark the place in the trace.
 *
 * The queue is D. Vyukov's bounded one: each slot has a count that says
 * whether it may be written or read in this lap.
 *
 *	section's end			sysmon
 *	turn is even: head++
 *	event
 *	turn++, release		<->	turn is odd: acquire
 *					event
 *	turn is even: acquire	<->	turn++, release
 *
 * A mark is an event of the goroutine that runs on the M, so it is written only
 * where the tracer agrees that one does: not in handlers, in the tracer, or on
 * an M without a P.  Otherwise nothing is done, which is counted: later the
 * goroutine would be elsewhere.  So a mark is never the cause of another one,
 * however small the threshold: what it does is done in the tracer.
 *
 * A thread is asked by SIGURG:
 *
 *	who asks			handler
 *	FREE -> TAKEN, acquire
 *	question
 *	ASKED, release		<->	ASKED -> ANSWERING, acquire
 *					answer
 *	acquire			<->	ANSWERED, release
 *	answer
 *	FREE, release
 *
 * Nobody waits for it: who asked looks now and then, and may take an ASKED
 * back.  Runs end in the middle of a question, so the state has their number.
 * A thread that sleeps is woken by it: a call that is not restarted ends with
 * EINTR.  That is the price, since it is the sleeper that one wants to see.
 */
#define _GNU_SOURCE
#include "trace/nonpreempt_event.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/errno.h"
#include "kernel/panic.h"
#include "kernel/print.h"
#include "kernel/sigprof.h"
#include "kernel/time.h"
#include "kernel/traceback.h"
#include "kernel/tracepoint.h"
#include "trace/nonpreempt_write.h"
#include "trace/trace.h"

#define SLOTS		64u	/* a power of two */
#define PER_SECOND	10u	/* if not told */

_Atomic(const struct nonpreempt_actions *) nonpreempt_actions;

static _Atomic u64 exceeded, suppressed;

static void count(_Atomic u64 *c)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

void nonpreempt_watch_counts(u64 *e, u64 *s)
{
	*s = atomic_load_explicit(&suppressed, memory_order_relaxed);
	*e = atomic_load_explicit(&exceeded, memory_order_relaxed);
}

void nonpreempt_event_suppressed(void)
{
	count(&suppressed);
}

/*
 * The queue.
 */

static struct {
	_Atomic u64 head;	/* where the next one is written */
	_Atomic u64 tail;	/* or read; the reader's */
	struct {
		_Atomic u64 turn; /* 2 * lap, + 1: it is written */
		struct nonpreempt_event event;
	} slots[SLOTS];
} queue;

/* Not memcpy(), which ThreadSanitizer knows.  size: whole words. */
static void copy(void *to, const void *from, size_t size)
{
	const u64 *p = from;
	u64 *q = to;

	for (size_t i = 0; i < size / sizeof(*q); i++)
		__atomic_store_n(&q[i], p[i], __ATOMIC_RELAXED);
}

/* False: full. */
static bool queue_put(const struct nonpreempt_event *e)
{
	u64 at = atomic_load_explicit(&queue.head, memory_order_relaxed);

	for (;;) {
		_Atomic u64 *turn = &queue.slots[at % SLOTS].turn;
		u64 free = at / SLOTS * 2;
		u64 now = atomic_load_explicit(turn, memory_order_acquire);

		if (now < free)
			return false;
		if (now > free) {
			at = atomic_load_explicit(&queue.head,
						  memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(&queue.head,
				&at, at + 1, memory_order_relaxed,
				memory_order_relaxed)) {
			copy(&queue.slots[at % SLOTS].event, e, sizeof(*e));
			atomic_store_explicit(turn, free + 1,
					      memory_order_release);
			return true;
		}
	}
}

bool nonpreempt_event_pending(void)
{
	u64 at = atomic_load_explicit(&queue.tail, memory_order_relaxed);

	return atomic_load_explicit(&queue.slots[at % SLOTS].turn,
				    memory_order_acquire) == at / SLOTS * 2 + 1;
}

bool nonpreempt_event_take(struct nonpreempt_event *out)
{
	u64 at = atomic_load_explicit(&queue.tail, memory_order_relaxed);

	if (!nonpreempt_event_pending())
		return false;
	copy(out, &queue.slots[at % SLOTS].event, sizeof(*out));
	atomic_store_explicit(&queue.slots[at % SLOTS].turn,
			      at / SLOTS * 2 + 2, memory_order_release);
	atomic_store_explicit(&queue.tail, at + 1, memory_order_relaxed);
	return true;
}

/*
 * How often.  By a clock that is some ms late, and costs nothing.
 */

/* Number of the second, and how many there were in it. */
static _Atomic u64 window;

bool nonpreempt_event_allowed(const struct nonpreempt_actions *actions)
{
	u32 most = actions->config.per_second;
	u64 now = (u64)atomic_load_explicit(&sched.clock,
					    memory_order_relaxed);
	u64 second = now / NSEC_PER_SEC << 32, new;
	u64 old = atomic_load_explicit(&window, memory_order_relaxed);

	if (!most)
		most = PER_SECOND;
	do {
		new = old >> 32 == second >> 32 ? old + 1 : second + 1;
		if ((u32)new > most || !(u32)new)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&window, &old, new,
			memory_order_relaxed, memory_order_relaxed));
	return true;
}

void nonpreempt_event_reset(void)
{
	atomic_store_explicit(&exceeded, 0, memory_order_relaxed);
	atomic_store_explicit(&suppressed, 0, memory_order_relaxed);
	atomic_store_explicit(&window, 0, memory_order_relaxed);
}

/*
 * To die.
 */

__cold __noreturn void nonpreempt_event_abort(const struct nonpreempt_event *e)
{
	panic_begin();
	print("fatal error: not preemptible for %s%s: %s %s, goroutine %U, thread %d\n",
	      nonpreempt_us(e->ev.ns).text, e->ev.open ? ", and still so" : "",
	      gort_nonpreempt_kind_name(e->ev.kind),
	      nonpreempt_what(e->ev.kind, e->what), e->ev.goid, e->ev.tid);
	print("\nbegan:\n");
	traceback_pcs(e->ev.start, e->ev.nstart);
	print(e->ev.open ? "is:\n" : "ended:\n");
	traceback_pcs(e->ev.end, e->ev.nend);
	panic_traceback((uintptr_t)__builtin_return_address(0) - 1,
			*(uintptr_t *)__builtin_frame_address(0));
	panic_end(0);
}

/*
 * To mark.
 */

static bool on_signal_stack(void)
{
	const struct tls *t = tls_self();

	return stack_pointer() - t->sig_lo < t->sig_size;
}

/* Does the tracer know of a goroutine that runs here now? */
static bool can_mark(struct m *mp)
{
	struct g *gp = atomic_load_explicit(&mp->curg, memory_order_relaxed);

	return tracing() && !on_signal_stack() && gp && mp->p &&
	       g_status(gp) == G_RUNNING &&
	       !atomic_load_explicit(&mp->trace.writing, memory_order_relaxed);
}

/* False: the trace ends at this moment. */
static bool mark(struct m *mp, const struct nonpreempt_event *e)
{
	char text[TRACE_STRING_MAX + 1];
	const char *what;
	int saved = errno;
	bool done;
	size_t len;

	what = nonpreempt_what(e->ev.kind, e->what);
	len = format(text, sizeof(text), "%s %s %s",
		     gort_nonpreempt_kind_name(e->ev.kind), *what ? what : "?",
		     nonpreempt_us(e->ev.ns).text);
	done = trace_acquire(mp);
	if (done) {
		trace_log_from(mp, "nonpreempt", text, len, e->ev.start,
			       e->ev.nstart);
		trace_release(mp);
	}
	errno = saved;
	return done;
}

/*
 * All of it.
 */

static void act(struct m *mp, const struct nonpreempt_event *e)
{
	u32 actions = e->actions->config.actions;
	bool done = false;

	if (actions & GORT_NONPREEMPT_ABORT)
		nonpreempt_event_abort(e);
	if ((actions & GORT_NONPREEMPT_MARK) && !can_mark(mp))
		actions &= ~GORT_NONPREEMPT_MARK;
	if (actions && !nonpreempt_event_allowed(e->actions))
		actions = 0;
	if (actions & GORT_NONPREEMPT_MARK)
		done = mark(mp, e);
	if (actions & NONPREEMPT_QUEUED)
		done |= queue_put(e);
	if (!done)
		count(&suppressed);
}

void nonpreempt_exceeded(struct m *mp, const struct gort_nonpreempt_event *ev,
			 uintptr_t what)
{
	struct nonpreempt_event e;

	count(&exceeded);
	/* Acquire: pairs with the release in nonpreempt_watch_start(). */
	e.actions = atomic_load_explicit(&nonpreempt_actions,
					 memory_order_acquire);
	if (!e.actions || !e.actions->config.actions)
		return;
	copy(&e.ev, ev, sizeof(e.ev));
	e.ev.tid = mp->tid;
	e.what = what;
	act(mp, &e);
}

/*
 * Questions.
 */

enum state {
	FREE,
	TAKEN,
	ASKED,
	ANSWERING,
	ANSWERED,
	STATE_BITS = 3,
};

static struct {
	_Atomic u64 state;	/* above STATE_BITS the number of the run */
	struct m *mp;
	u64 since;
	enum nonpreempt_reply reply;
	struct nonpreempt_event event;
} question;

static enum state question_state(void)
{
	u64 v = atomic_load_explicit(&question.state, memory_order_acquire);

	return v >> STATE_BITS == sched_run_id() ?
	       v & ((1u << STATE_BITS) - 1) : FREE;
}

static u64 state_word(enum state s)
{
	return sched_run_id() << STATE_BITS | s;
}

static void question_set(enum state s)
{
	atomic_store_explicit(&question.state, state_word(s),
			      memory_order_release);
}

static bool question_change(enum state from, enum state to)
{
	u64 old = atomic_load_explicit(&question.state, memory_order_relaxed);

	if (from == FREE ? question_state() != FREE : old != state_word(from))
		return false;
	return atomic_compare_exchange_strong_explicit(&question.state, &old,
			state_word(to), memory_order_acquire,
			memory_order_relaxed);
}

bool nonpreempt_ask(struct m *mp, u64 since)
{
	int saved = errno;
	bool sent;

	if (!question_change(FREE, TAKEN))
		return false;
	question.mp = mp;
	question.since = since;
	question_set(ASKED);
	sent = !syscall(SYS_tgkill, getpid(), mp->tid, SIGURG);
	errno = saved;
	/* Nobody else can have answered. */
	if (!sent)
		question_change(ASKED, FREE);
	return sent;
}

enum nonpreempt_reply nonpreempt_reply(struct nonpreempt_event *out)
{
	enum nonpreempt_reply reply;

	if (question_state() != ANSWERED)
		return NONPREEMPT_NOT_YET;
	reply = question.reply;
	if (reply == NONPREEMPT_FOUND)
		copy(out, &question.event, sizeof(*out));
	question_set(FREE);
	return reply;
}

bool nonpreempt_ask_no_more(void)
{
	return question_change(ASKED, FREE);
}

static u64 since_of(struct m *mp)
{
	return atomic_load_explicit(&mp->nonpreempt.since,
				    memory_order_acquire);
}

static enum nonpreempt_reply answer(struct m *mp, const void *uc,
				    struct nonpreempt_event *e)
{
	u64 since = since_of(mp);

	if (since != question.since)
		return NONPREEMPT_OVER;
	if (!nonpreempt_open(mp, &e->ev, &e->what))
		return NONPREEMPT_UNABLE;
	e->actions = NULL;
	e->ev.tid = mp->tid;
	e->ev.ns = nonpreempt_ns(nonpreempt_now() - since);
	e->ev.nend = sigprof_stack(mp, uc, e->ev.end, GORT_NONPREEMPT_FRAMES);
	return NONPREEMPT_FOUND;
}

void nonpreempt_interrupted(struct m *mp, const void *uc)
{
	if (likely(question_state() != ASKED) || question.mp != mp ||
	    !question_change(ASKED, ANSWERING))
		return;
	/* It may have been taken back, and asked of another. */
	if (question.mp == mp)
		question.reply = answer(mp, uc, &question.event);
	else
		question.reply = NONPREEMPT_UNABLE;
	question_set(ANSWERED);
}

/* Written before ->since is, and constant until that changes. */
bool nonpreempt_guess(struct m *mp, u64 since, struct nonpreempt_event *out)
{
	const struct m_nonpreempt *np = &mp->nonpreempt;

	*out = (struct nonpreempt_event){
		.ev.kind = __atomic_load_n(&np->open[0].kind,
					   __ATOMIC_RELAXED),
		.ev.open = true,
		.ev.site = __atomic_load_n(&np->open[0].site,
					   __ATOMIC_RELAXED),
		.ev.goid = __atomic_load_n(&np->goid, __ATOMIC_RELAXED),
		.ev.tid = mp->tid,
		.ev.ns = nonpreempt_ns(nonpreempt_now() - since),
		.what = __atomic_load_n(&np->open[0].what, __ATOMIC_RELAXED),
	};
	out->ev.function = nonpreempt_function(out->ev.kind, out->what);
	out->ev.nstart = out->ev.site != 0;
	out->ev.start[0] = out->ev.site - 1;
	atomic_thread_fence(memory_order_acquire);
	return since_of(mp) == since;
}
