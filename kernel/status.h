/* SPDX-License-Identifier: ISC */
/*
 * kernel/status.h - changing the status of a goroutine.
 *
 * One table (status.c) has every legal transition; another one throws.
 *
 * Two kinds of changes:
 *  - by the goroutine's own M, away from G_RUNNING: nobody else changes the
 *    status of a running goroutine, so a store is enough (g_set_status()).
 *  - from a state in which others may set G_SCAN (casgstatus()).
 *
 * The latter are on the path of every switch, and somebody who scans is
 * rare.  So they are plain stores, too, as long as the *status gate* is
 * closed, and only while it is open compare-and-swaps:
 *
 *	changer				who wants to set G_SCAN
 *	m->changing = true		gate++
 *	look at gate			membarrier(2) on every thread
 *	closed: store the status	wait for every m->changing to be false
 *	m->changing = false		compare-and-swap; ...; gate--
 *
 * Either the changer sees the gate open, or the one who opens it sees
 * ->changing and waits out those few instructions.  The same gate guards
 * the P that an M leaves behind in a system call (syscall.c).  Where there
 * is no membarrier(2), and for ThreadSanitizer, the gate is always open.
 */
#ifndef KERNEL_STATUS_H
#define KERNEL_STATUS_H

#include "kernel/sched.h"

extern _Atomic u32 status_gate;
extern const u8 g_transitions[NR_G_STATUS];	/* bits: 1 << new */

void status_gate_init(void);
void status_gate_open(void);
void status_gate_close(void);

__cold __noreturn void bad_transition(const struct g *gp, u32 old, u32 new);
__cold void casgstatus_slow(struct g *gp, u32 old, u32 new);
bool castogscanstatus(struct g *gp, u32 old);
void casfrom_gscanstatus(struct g *gp, u32 old);

static inline void check_transition(const struct g *gp, u32 old, u32 new)
{
	if (unlikely(!(g_transitions[old] & 1u << new)))
		bad_transition(gp, old, new);
}

/* Away from G_RUNNING, or a goroutine that nobody knows yet.  Release: the
 * context and everything else of gp's are seen by its next owner. */
static inline void g_set_status(struct g *gp, u32 old, u32 new)
{
	check_transition(gp, old, new);
	if (unlikely(atomic_load_explicit(&gp->status, memory_order_relaxed) !=
		     old))
		bad_transition(gp, old, new);
	atomic_store_explicit(&gp->status, new, memory_order_release);
}

/*
 * Between these two mp's thread may change what the gate guards by plain
 * stores, if the first returns true; else only by compare-and-swap.
 */
static inline bool gate_enter(struct m *mp)
{
	atomic_store_explicit(&mp->changing, true, memory_order_relaxed);
	/* Made a full fence by membarrier() in status_gate_open(). */
	barrier();
	/* Acquire: what was done while it was open is seen; pairs with
	 * status_gate_close(). */
	if (likely(!atomic_load_explicit(&status_gate, memory_order_acquire)))
		return true;
	atomic_store_explicit(&mp->changing, false, memory_order_release);
	return false;
}

/* Release: pairs with the acquire in status_gate_open(). */
static inline void gate_leave(struct m *mp)
{
	atomic_store_explicit(&mp->changing, false, memory_order_release);
}

/*
 * casgstatus - change gp's status from old, waiting while it is scanned.
 * mp: the calling M, which cannot be preempted here.
 */
static inline void casgstatus(struct m *mp, struct g *gp, u32 old, u32 new)
{
	check_transition(gp, old, new);
	if (unlikely(!gate_enter(mp))) {
		casgstatus_slow(gp, old, new);
		return;
	}
	if (unlikely(atomic_load_explicit(&gp->status, memory_order_acquire) !=
		     old))
		bad_transition(gp, old, new);
	atomic_store_explicit(&gp->status, new, memory_order_release);
	gate_leave(mp);
}

/* G_WAITING for these reasons only so that a scan is not held up by it. */
static inline bool wait_is_for_gc(u32 why)
{
	return why >= WAIT_STACK_SCAN;
}

const char *g_status_name(u32 status);

#endif
