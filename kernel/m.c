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
#include "kernel/proc.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/print.h"
#include "kernel/signal.h"

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
	return pp;
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
	if (sched.nms - sched.ngone_ms > sched.nidle_ms || stopping())
		return;
	unlock(&sched.lock);
	fatal_all("all goroutines are asleep - deadlock!");
}

/*
 * Starting and waking Ms.
 */

static void m_init(struct m *mp, u32 id)
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

/* On g0, where a poisoned guard does no harm.  Pairs with m_poke_others(). */
static void m_begin(struct m *mp)
{
	atomic_store_explicit(&mp->guard_addr, guard_addr(),
			      memory_order_release);
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
	mp->errno_addr = __errno_location();
	t->g0 = mp->g0;
	t->g0_sp = mp->g0->seg0.top;
	t->sig_lo = (uintptr_t)mp->gsignal;
	t->sig_size = mp->gsignal_size;
	t->g = tg;
	mcall(m_main);
	*tls_self() = (struct tls){ 0 };
	san_g_destroy(mp->g0);
}

static void *m_thread(void *arg)
{
	struct m *mp = arg;

	if (signal_thread_init(mp))
		throw("no memory for a signal stack");
	pthread_sigmask(SIG_SETMASK, &mp->sigmask, NULL);
	m_run(mp);
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
	san_switch(&mp->thread_g);
	arch_gogo(&mp->thread_g);
}

static int thread_create(struct m *mp)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	/* No signal before the thread has its signal stack. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	mp->sigmask = old;
	err = pthread_create(&mp->thread, &attr, m_thread, mp);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static __cold void m_start_failed(struct m *mp, struct p *pp, bool spinning)
{
	static _Atomic bool said;

	free(mp);
	lock(&sched.lock);
	sched.nms--;
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
	if (thread_create(mp)) {
		unlock(&sched.lock);
		m_start_failed(mp, pp, spinning);
		errno = saved;
		return;
	}
	mp->all_link = sched.all_ms;
	sched.all_ms = mp;
	unlock(&sched.lock);
	errno = saved;
}

/*
 * Run an idle P, if there is one, on an idle or new M.  nspinning counts the
 * M already.
 * sysstack: takes sched.lock.
 */
void __systemstack wake_p(void *arg)
{
	struct m *mp = NULL;
	struct p *pp = NULL;
	u32 id = 0;

	(void)arg;
	lock(&sched.lock);
	if (!stopping())
		pp = p_get_idle_locked();
	if (pp) {
		mp = m_get_idle_locked();
		if (!mp) {
			sched.nms++;
			id = ++sched.last_mid;
		}
	}
	unlock(&sched.lock);
	if (!pp) {
		atomic_fetch_sub_explicit(&sched.nspinning, 1,
					  memory_order_relaxed);
	} else if (mp) {
		mp->nextp = pp;
		mp->next_spinning = true;
		note_wakeup(&mp->park);
	} else {
		m_start_new(pp, id, true);
	}
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
		unlock(&sched.lock);
		note_sleep(&mp->park);
		note_clear(&mp->park);
		lock(&sched.lock);
	}
	unlock(&sched.lock);
	m_take_nextp(mp);
}

/*
 * Stopping.
 */

/* Poke every M that may be running a goroutine.  How many are left? */
u32 __systemstack m_poke_others(struct m *self)
{
	u32 left;

	lock(&sched.lock);
	for (struct m *mp = sched.all_ms; mp; mp = mp->all_link) {
		uintptr_t *guard = atomic_load_explicit(&mp->guard_addr,
							memory_order_acquire);

		if (mp != self && !mp->gone && guard)
			__atomic_store_n(guard, GUARD_POISON, __ATOMIC_RELAXED);
	}
	left = sched.nms - sched.ngone_ms - 1;
	unlock(&sched.lock);
	return left;
}

void __systemstack m_stop_all_idle(void)
{
	struct m *mp;

	lock(&sched.lock);
	atomic_store_explicit(&sched.stopping, true, memory_order_release);
	while ((mp = m_get_idle_locked()))
		note_wakeup(&mp->park);
	unlock(&sched.lock);
}
