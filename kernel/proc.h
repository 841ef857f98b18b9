/* SPDX-License-Identifier: ISC */
/*
 * kernel/proc.h - what the parts of the scheduler know of each other:
 * proc.c (goroutines), m.c (threads), start.c (begin and end of a run).
 */
#ifndef KERNEL_PROC_H
#define KERNEL_PROC_H

#include "kernel/sanitize.h"
#include "kernel/sched.h"

/* Leave the goroutine for g0; errno stays with it. */
static inline void mcall(void (*fn)(struct g *gp))
{
	struct g *gp = getg();

	gp->saved_errno = *gp->m->errno_addr;
	san_switch(gp->m->g0);
	arch_mcall(fn);
}

static inline bool stopping(void)
{
	return atomic_load_explicit(&sched.stopping, memory_order_acquire);
}

static inline void p_acquire(struct m *mp, struct p *pp)
{
	dbg_assert(!mp->p && !pp->m, "P has an M already");
	mp->p = pp;
	pp->m = mp;
}

static inline struct p *p_release(struct m *mp)
{
	struct p *pp = mp->p;

	mp->p = NULL;
	pp->m = NULL;
	return pp;
}

/* proc.c */
void schedule(void);
struct g *g_new(struct p *pp, void (*fn)(void *), void *arg, size_t copy);
void g_free(struct p *pp, struct g *gp);

/* m.c */
void p_put_idle_locked(struct p *pp);
struct p *p_get_idle_locked(void);
struct m *m_new(u32 id);
void m_run(struct m *mp);
void m_stop(struct m *mp);
void m_leave(struct m *mp);
void m_stop_all_idle(void);
u32 m_poke_others(struct m *self);
void wake_p(void *arg);

/* start.c */
int start_first(struct m *mp);

#endif
