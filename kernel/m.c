// SPDX-License-Identifier: ISC
/*
 * kernel/m.c - Ms: threads that run goroutines.
 *
 * An M is made when a P is idle, there is work for it, and no M is idle; it
 * stays until the run ends.  On its own stack a thread only starts and ends:
 * in between it lives on g0, and its start is kept as if it were a goroutine
 * (thread_g), to which m_leave() goes back.
 *
 * The first M is the thread that called gort_run().
 */
#define _GNU_SOURCE
#include "kernel/proc.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/errno.h"
#include "kernel/netpoll.h"
#include "kernel/preempt.h"
#include "kernel/print.h"
#include "kernel/runq.h"
#include "kernel/signal.h"
#include "kernel/sigprof.h"
#include "kernel/sysmon.h"

#define THREAD_STACK	((size_t)256 << 10)	/* Ms live on g0 */

__thread struct tls gort_tls
	__attribute__((tls_model("initial-exec")));

/*
 * Idle Ps and Ms.  All under sched.lock, so on g0.
 */

void __systemstack p_put_idle_locked(struct p *pp)
{
	pp->idle_link = sched.idle_ps;
	sched.idle_ps = pp;
	atomic_store_explicit(&pp->status, P_IDLE, memory_order_relaxed);
	atomic_store_explicit(&sched.nidle_ps,
			      atomic_load_explicit(&sched.nidle_ps,
					memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

struct p * __systemstack p_get_idle_locked(void)
{
	struct p *pp = sched.idle_ps;

	if (!pp)
		return NULL;
	sched.idle_ps = pp->idle_link;
	atomic_store_explicit(&sched.nidle_ps,
			      atomic_load_explicit(&sched.nidle_ps,
					memory_order_relaxed) - 1,
			      memory_order_relaxed);
	/* Pairs with the fence in sysmon's sleep_idle(). */
	full_fence();
	sysmon_wake();
	return pp;
}

/* sched.lock: threads that are not counted and will wake a goroutine. */
static u32 waking_elsewhere;

/*
 * pp, if it is idle and its heap cache keeps something: then it is the
 * caller's, and nobody is in a deadlock until m_waking_elsewhere(false).  What
 * is on the list is not retired meanwhile.
 * sysstack: takes sched.lock.
 */
bool __systemstack p_take_idle_to_flush(struct p *pp)
{
	struct p **at;
	bool ours;

	lock(&sched.lock);
	for (at = &sched.idle_ps; *at && *at != pp; at = &(*at)->idle_link)
		;
	ours = *at && cache_keeps(pp->heap);
	if (ours) {
		waking_elsewhere++;
		*at = pp->idle_link;
		atomic_fetch_sub_explicit(&sched.nidle_ps, 1,
					  memory_order_relaxed);
		atomic_store_explicit(&pp->status, P_RUNNING,
				      memory_order_relaxed);
	}
	unlock(&sched.lock);
	return ours;
}

static struct m * __systemstack m_get_idle_locked(void)
{
	struct m *mp = sched.idle_ms;

	if (mp) {
		sched.idle_ms = mp->idle_link;
		sched.nidle_ms--;
	}
	return mp;
}

/*
 * Every M asleep: nobody is left who could wake a goroutine.
 * sysstack: sched.lock.
 */
static void __systemstack check_deadlock_locked(void)
{
	u32 awake = sched.nms - sched.ngone_ms - sched.nidle_ms -
		    sched.nlocked_ms;

	/* The one that polls may wait for something that is no more. */
	if (awake == 1 && atomic_load_explicit(&sched.polling,
					       memory_order_relaxed) &&
	    !sched_any_to_poll())
		netpoll_break();
	if (awake || waking_elsewhere || interrupts())
		return;
	unlock(&sched.lock);
	fatal("all goroutines are asleep - deadlock!");
}

void __systemstack m_waking_elsewhere(bool waking)
{
	lock(&sched.lock);
	waking_elsewhere += waking ? 1 : -1u;
	if (!waking)
		check_deadlock_locked();
	unlock(&sched.lock);
}

/*
 * Starting and waking Ms.
 */

void m_init(struct m *mp, u32 id)
{
	mp->id = id;
	mp->rand = ((u64)id + 1) * 0x9e3779b97f4a7c15;
	mp->g0 = &mp->g0_storage;
	for (int i = 0; i < 2; i++) {
		struct g *gp = i ? &mp->thread_g : mp->g0;

		gp->m = mp;
		gp->seg = &gp->seg0;
		gp->system = true;
	}
}

struct m *m_new(u32 id)
{
	struct m *mp = calloc(1, sizeof(*mp));
	uintptr_t lo, top;

	if (!mp)
		return NULL;
	m_init(mp, id);
	if (stack_g0_alloc(id, &lo, &top)) {
		free(mp);
		return NULL;
	}
	mp->g0->seg0.lo = lo;
	mp->g0->seg0.top = top;
	return mp;
}

/* Take the P that came with the wakeup, if one did. */
static void m_take_nextp(struct m *mp)
{
	if (!mp->nextp)
		return;
	p_acquire(mp, mp->nextp);
	mp->nextp = NULL;
	mp->spinning = mp->next_spinning;
}

/*
 * On g0, where a poisoned guard does no harm.  Pairs with m_poke_others().
 * Under the lock in which m_start_new() publishes it: the status gate is no
 * gate for an M that it does not know.
 */
static void __systemstack m_begin(struct m *mp)
{
	lock(&sched.lock);
	mp->tid = (int)syscall(SYS_gettid);
	atomic_store_explicit(&mp->guard_addr, guard_addr(),
			      memory_order_release);
	unlock(&sched.lock);
	sigprof_thread_begin(mp);
	m_take_nextp(mp);
}

/* g0's first function on every thread. */
static __g0_noreturn void m_main(struct g *gp)
{
	struct m *mp = gp->m;

	m_begin(mp);
	if (mp->id == 0 && start_first(mp))
		m_leave(mp);
	schedule();
}

/* The thread is no M any more; its heap cache stays its own. */
static void tls_leave(void)
{
	struct tls *t = tls_self();

	*t = (struct tls){
		.heap_own = t->heap_own,
		.heap_ended = t->heap_ended,
	};
}

/*
 * Be an M until the run ends.  The thread's own stack waits in thread_g as
 * if it were a goroutine.
 */
void m_run(struct m *mp)
{
	struct tls *t = tls_self();
	struct g *tg = &mp->thread_g;

	san_g_adopt_thread(tg);
	san_g_create(mp->g0);
	mp->errno_addr = &errno;
	t->g0 = mp->g0;
	t->g0_sp = mp->g0->seg0.top;
	t->sig_lo = (uintptr_t)mp->gsignal;
	t->sig_size = mp->gsignal_size;
	t->g = tg;
	mcall(m_main);
	tls_leave();
	san_g_destroy(mp->g0);
}

/*
 * Of the thread that called gort_run(), and of Ms to begin with: who starts
 * one may be a thread that blocks all signals, such as sysmon's.
 */
static sigset_t run_sigmask;

void m_begin_run(void)
{
	pthread_sigmask(SIG_SETMASK, NULL, &run_sigmask);
}

static void *m_thread(void *arg)
{
	struct m *mp = arg;

	if (signal_thread_init(mp))
		throw("no memory for a signal stack");
	pthread_sigmask(SIG_SETMASK, &run_sigmask, NULL);
	m_run(mp);
	sigprof_thread_end(mp);
	signal_thread_exit(mp);
	return NULL;
}

/* Leave the scheduler for good. */
__g0_noreturn void m_leave(struct m *mp)
{
	lock(&sched.lock);
	mp->gone = true;
	sched.ngone_ms++;
	unlock(&sched.lock);
	nonpreempt_sleep(mp);
	san_switch(&mp->thread_g);
	arch_gogo(&mp->thread_g);
}

/* The same by way of mcall(): gp, which is dropped, was asked to. */
__g0_noreturn void m_leave_g(struct g *gp)
{
	m_leave(gp->m);
}

static int thread_create(struct m *mp, void *(*fn)(void *))
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	/* No signal before the thread has its signal stack. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&mp->thread, &attr, fn, mp);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

/* Walked by others from now on.  Release: they see it complete. */
void m_publish(struct m *mp)
{
	struct m *head = atomic_load_explicit(&sched.all_ms,
					      memory_order_relaxed);

	do {
		mp->all_link = head;
	} while (!atomic_compare_exchange_weak_explicit(&sched.all_ms, &head,
			mp, memory_order_release, memory_order_relaxed));
}

/*
 * m_start_helper - a thread of the runtime's that runs no goroutines: its g0
 * is the thread's own stack, all signals but SIGPROF stay blocked, so others
 * take those of the process.  It may lock, wake goroutines, and be traced.  It
 * is joined at the end of the run, and has ended until then.  NULL: no thread
 * or memory.  fn gets the M, and begins with m_begin_helper() and ends with
 * m_end_helper().
 */
struct m *m_start_helper(void *(*fn)(void *))
{
	struct m *mp = calloc(1, sizeof(*mp));

	if (!mp)
		return NULL;
	m_init(mp, 0);
	mp->started = true;
	if (thread_create(mp, fn)) {
		free(mp);
		return NULL;
	}
	m_publish(mp);
	return mp;
}

/* Its frame is below fn's: not inlined. */
__attribute__((noinline)) void m_begin_helper(struct m *mp)
{
	struct tls *t = tls_self();
	sigset_t prof;

	t->g0 = mp->g0;
	t->g = mp->g0;
	t->where = ON_G0;
	mp->errno_addr = &errno;
	mp->nonpreempt.exempt = true;
	mp->tid = (int)syscall(SYS_gettid);
	/* For the profiler: the stack below fn's frame record. */
	mp->g0->seg0.top = *(uintptr_t *)__builtin_frame_address(0);
	mp->g0->seg0.lo = mp->g0->seg0.top - THREAD_STACK / 2;
	sigprof_thread_begin(mp);
	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
}

void m_end_helper(struct m *mp)
{
	sigprof_thread_end(mp);
	tls_leave();
}

static __cold void m_start_failed(struct m *mp, struct p *pp, bool spinning)
{
	static _Atomic bool said;

	free(mp);
	lock(&sched.lock);
	sched.nms--;
	if (interrupts() & INT_STW)
		stw_take_p_locked(pp);
	else
		p_put_idle_locked(pp);
	unlock(&sched.lock);
	if (spinning)
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	if (!atomic_exchange_explicit(&said, true, memory_order_relaxed))
		print("gort: cannot start another thread; going on with those there are\n");
}

/* Run pp on a new thread.  nms counts it already. */
static void __systemstack m_start_new(struct p *pp, u32 id, bool spinning)
{
	int saved = errno;
	struct m *mp = m_new(id);

	if (!mp) {
		m_start_failed(NULL, pp, spinning);
		errno = saved;
		return;
	}
	mp->nextp = pp;
	mp->next_spinning = spinning;
	mp->started = true;
	lock(&sched.lock);
	if (thread_create(mp, m_thread)) {
		unlock(&sched.lock);
		m_start_failed(mp, pp, spinning);
		errno = saved;
		return;
	}
	m_publish(mp);
	unlock(&sched.lock);
	errno = saved;
}

/*
 * Run pp, which nobody else knows, on an idle or new M.  spinning: nspinning
 * counts the M already.
 * sysstack: takes sched.lock.
 */
static void __systemstack m_start(struct p *pp, bool spinning)
{
	struct m *mp;
	u32 id = 0;

	lock(&sched.lock);
	mp = m_get_idle_locked();
	if (!mp) {
		sched.nms++;
		id = ++sched.last_mid;
	}
	unlock(&sched.lock);
	if (!mp) {
		m_start_new(pp, id, spinning);
		return;
	}
	mp->nextp = pp;
	mp->next_spinning = spinning;
	note_wakeup(&mp->park);
}

/*
 * Run an idle P, if there is one.  nspinning counts its M already.
 * sysstack: takes sched.lock.
 */
void __systemstack wake_p(void *arg)
{
	struct p *pp = NULL;

	(void)arg;
	lock(&sched.lock);
	if (!interrupts())
		pp = p_get_idle_locked();
	unlock(&sched.lock);
	if (pp)
		m_start(pp, true);
	else
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
}

/* Nobody looks for work, and no P is idle: then somebody should. */
static bool should_spin(void)
{
	u32 none = 0;

	return !atomic_load_explicit(&sched.nspinning, memory_order_relaxed) &&
	       !atomic_load_explicit(&sched.nidle_ps, memory_order_relaxed) &&
	       atomic_compare_exchange_strong_explicit(&sched.nspinning, &none,
			1, memory_order_relaxed, memory_order_relaxed);
}

/*
 * handoff_p - pp's M cannot go on with it: let another run it, or idle it.
 * Context: g0 or sysmon; nobody else knows pp.
 */
void __systemstack handoff_p(struct p *pp)
{
	bool idle = false, stopped = false;

	if (!interrupts() && sched_has_work(pp)) {
		m_start(pp, false);
		return;
	}
	if (!interrupts() && should_spin()) {
		m_start(pp, true);
		return;
	}
	lock(&sched.lock);
	if (interrupts() & INT_STW) {
		stw_take_p_locked(pp);
		stopped = true;
	} else if (runq_empty(pp) &&	/* the world may have gone on */
		   !atomic_load_explicit(&sched.runq_size,
					 memory_order_relaxed)) {
		p_put_idle_locked(pp);
		idle = true;
	}
	unlock(&sched.lock);
	if (idle && timers_next(pp) != TIME_NEVER)
		sched_wake_poller(timers_next(pp));
	else if (!idle && !stopped)
		m_start(pp, false);
}

/* Without the lock, until somebody wakes mp; then with it again. */
static void __systemstack m_sleep_locked(struct m *mp)
{
	unlock(&sched.lock);
	nonpreempt_sleep(mp);
	note_sleep(&mp->park);
	note_clear(&mp->park);
	nonpreempt_awake(mp);
	lock(&sched.lock);
}

/* Sleep until somebody hands over a P, or the run ends. */
void __systemstack m_stop(struct m *mp)
{
	lock(&sched.lock);
	if (!stopping()) {
		mp->idle_link = sched.idle_ms;
		sched.idle_ms = mp;
		sched.nidle_ms++;
		check_deadlock_locked();
		m_sleep_locked(mp);
	}
	unlock(&sched.lock);
	m_take_nextp(mp);
}

/*
 * mp has gp in hand, but no P.  True: now it has one that was idle.  Else gp
 * is in the global queue; at once, since whoever idles a P looks there first.
 */
bool __systemstack p_get_or_queue(struct m *mp, struct g *gp)
{
	struct p *pp;

	lock(&sched.lock);
	pp = p_get_idle_locked();
	if (!pp)
		globrunq_put_locked(gp);
	unlock(&sched.lock);
	if (pp)
		p_acquire(mp, pp);
	return pp;
}

/*
 * mp's goroutine is the next on mp's P: a short cut.  It is in our hands
 * while the world is stopped, so nobody sends another P for it.
 */
static bool __systemstack m_take_locked(struct m *mp, struct g *gp)
{
	if (!mp->p || !runq_take_this(mp->p, gp))
		return false;
	while (mp->p && interrupts() & INT_STW)
		stw_stop_m(mp);
	return mp->p || p_get_or_queue(mp, gp);
}

/*
 * m_stop_locked - mp waits until its goroutine is runnable and a P comes for
 * it.  Returns the goroutine, or NULL when the run ends.
 */
struct g * __systemstack m_stop_locked(struct m *mp)
{
	struct g *gp = mp->lockedg;

	if (m_take_locked(mp, gp))
		return gp;
	if (mp->p)
		handoff_p(p_release(mp));
	lock(&sched.lock);
	if (!stopping()) {
		/* The P may be on its way already; so is the note. */
		if (!mp->nextp) {
			mp->locked_asleep = true;
			sched.nlocked_ms++;
			check_deadlock_locked();
		}
		m_sleep_locked(mp);
	}
	unlock(&sched.lock);
	m_take_nextp(mp);
	return stopping() ? NULL : gp;
}

/*
 * m_start_locked - mp found gp, which runs on another M only: send the P
 * there.
 * sysstack: takes sched.lock.
 */
void __systemstack m_start_locked(struct m *mp, struct g *gp)
{
	struct m *to = gp->lockedm;

	lock(&sched.lock);
	to->nextp = p_release(mp);
	to->next_spinning = false;
	if (to->locked_asleep) {
		to->locked_asleep = false;
		sched.nlocked_ms--;
	}
	unlock(&sched.lock);
	note_wakeup(&to->park);
}

/*
 * Stopping.
 */

/* Poke every M that may be running a goroutine.  How many are left? */
u32 __systemstack m_poke_others(struct m *self, bool again)
{
	struct m *mp;
	u32 left;

	preempt_prepare();
	lock(&sched.lock);
	mp = atomic_load_explicit(&sched.all_ms, memory_order_relaxed);
	for (; mp; mp = mp->all_link)
		if (mp != self)
			preempt_ask_locked(mp, again);
	left = sched.nms - sched.ngone_ms - 1;
	unlock(&sched.lock);
	return left;
}

/*
 * m_stop_all - the run ends.  Who stops the world at this moment comes first,
 * and no one does after this.
 */
void __systemstack m_stop_all(struct m *self)
{
	struct m *mp;

	lock(&sched.lock);
	while (interrupts() & INT_STW) {
		unlock(&sched.lock);
		if (self->p)
			stw_stop_m(self);
		else
			sched_yield();	/* it was taken away meanwhile */
		lock(&sched.lock);
	}
	atomic_fetch_or_explicit(&sched.interrupt, INT_STOPPING,
				 memory_order_release);
	while ((mp = m_get_idle_locked()))
		note_wakeup(&mp->park);
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link)
		if (mp->locked_asleep)
			note_wakeup(&mp->park);
	unlock(&sched.lock);
	if (netpoll_ready())
		netpoll_break();
}
