/* SPDX-License-Identifier: ISC */
/*
 * kernel/proc.h - what the parts of the scheduler know of each other:
 * proc.c (goroutines), m.c (threads), start.c (begin and end of a run).
 */
#ifndef KERNEL_PROC_H
#define KERNEL_PROC_H

#include "kernel/sanitize.h"
#include "kernel/sched.h"
#include "kernel/status.h"
#include "kernel/tracepoint.h"
#include "mm/cache.h"

/* Leave the goroutine for g0; errno stays with it. */
static __always_inline void mcall(void (*fn)(struct g *gp))
{
	struct g *gp = getg();

	gp->saved_errno = *gp->m->errno_addr;
	if (nonpreempt_profiled())
		nonpreempt_begin(gp->m, GORT_NONPREEMPT_SWITCH, (uintptr_t)fn);
	san_switch(gp->m->g0);
	arch_mcall(fn);
}

/* Anything that the fast path of schedule() does not deal with? */
static inline u32 interrupts(void)
{
	return atomic_load_explicit(&sched.interrupt, memory_order_acquire);
}

static inline bool stopping(void)
{
	return interrupts() & INT_STOPPING;
}

static inline void p_acquire(struct m *mp, struct p *pp)
{
	dbg_assert(!mp->p, "M has a P already");
	mp->p = pp;
	atomic_store_explicit(&pp->m, mp, memory_order_relaxed);
	atomic_store_explicit(&pp->status, P_RUNNING, memory_order_relaxed);
	tls_self()->heap = heap_fast(pp->heap);
	TRACE_EVENT(mp, proc_start);
}

static inline struct p *p_release(struct m *mp)
{
	struct p *pp = mp->p;

	TRACE_EVENT(mp, proc_stop);
	tls_self()->heap = NULL;
	mp->p = NULL;
	atomic_store_explicit(&pp->m, NULL, memory_order_relaxed);
	return pp;
}

/*
 * The status of a P that mp leaves behind.  Not P_SYSCALL alone: when mp
 * comes back the P may have been taken away and left behind by another M
 * since, and by plain stores both would take it up.
 */
static inline u32 p_syscall(const struct m *mp)
{
	return P_SYSCALL | mp->id << P_STATUS_BITS;
}

/* enum p_status; *full, if wanted: for a compare-and-swap. */
static inline u32 p_status(struct p *pp, u32 *full)
{
	u32 status = atomic_load_explicit(&pp->status, memory_order_relaxed);

	if (full)
		*full = status;
	return status & ((1u << P_STATUS_BITS) - 1);
}

/* curg has left this M, or is about to. */
static inline void m_drop_g(struct m *mp)
{
	atomic_store_explicit(&mp->curg, NULL, memory_order_relaxed);
}

/* proc.c */
void latency_stamp(struct g *gp);

/* gp is about to become runnable; by its owner.  See proc.c. */
static inline void latency_begin(struct g *gp)
{
	if (unlikely(gp->watched))
		latency_stamp(gp);
}

/*
 * Goroutines that run on one M only, and Ms that run one goroutine only.
 */
static inline void m_lock_g(struct m *mp, struct g *gp)
{
	gp->lockedm = mp;
	mp->lockedg = gp;
}

/* Never a call: a stack check in it could come too late for async_preempt(). */
static inline __attribute__((always_inline))
void m_unlock_g(struct m *mp, struct g *gp)
{
	gp->lockedm = NULL;
	mp->lockedg = NULL;
}

/* proc.c */
void schedule(void);

/*
 * mp is about to sleep, or to wait in the kernel, with nothing to preempt; and
 * has woken up, to go on in the scheduler.
 */
static __always_inline void nonpreempt_sleep(struct m *mp)
{
	if (nonpreempt_profiled())
		nonpreempt_end_all(mp);
}

static __always_inline void nonpreempt_awake(struct m *mp)
{
	if (nonpreempt_profiled())
		nonpreempt_begin(mp, GORT_NONPREEMPT_SWITCH,
				 (uintptr_t)schedule);
}

/* The goroutine that mcall() has left goes on. */
static __always_inline void nonpreempt_back(struct m *mp)
{
	if (nonpreempt_profiled())
		nonpreempt_end(mp, GORT_NONPREEMPT_SWITCH, NONPREEMPT_ANY);
}

struct g *g_new(struct m *mp, void (*fn)(void *), void *arg, size_t copy,
		bool background);
void g_free(struct p *pp, struct g *gp);
void g_make_runnable(struct m *mp, struct g *gp);
bool sched_has_work(struct p *pp);
bool sched_any_to_poll(void);
void sched_poll(void);

/* m.c */
void p_put_idle_locked(struct p *pp);
struct p *p_get_idle_locked(void);
bool p_take_idle_to_flush(struct p *pp);
void m_init(struct m *mp, u32 id);
void m_begin_run(void);
struct m *m_new(u32 id);
void m_publish(struct m *mp);
void m_run(struct m *mp);
void m_stop(struct m *mp);
struct g *m_stop_locked(struct m *mp);
void m_start_locked(struct m *mp, struct g *gp);
void m_leave(struct m *mp);
void m_leave_g(struct g *gp);
void m_stop_all(struct m *self);
u32 m_poke_others(struct m *self, bool again);
struct m *m_start_helper(void *(*fn)(void *));
void m_begin_helper(struct m *mp);
void m_end_helper(struct m *mp);
void m_waking_elsewhere(bool waking);
void wake_p(void *arg);
void handoff_p(struct p *pp);
bool p_get_or_queue(struct m *mp, struct g *gp);

/* syscall.c */
bool p_steal_syscall(struct p *pp, u32 to);

/* stw.c */
void stw_stop_m(struct m *mp);
void stw_take_p_locked(struct p *pp);

/* start.c */
int p_new(u32 id);
int p_get_heap(struct p *pp);
int start_first(struct m *mp);

#endif
