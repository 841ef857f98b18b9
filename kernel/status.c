// SPDX-License-Identifier: ISC
/*
 * kernel/status.c - the table of transitions, and the slow half of the gate.
 */
#include "kernel/status.h"

#include <sched.h>

#include <arch/cpu.h>
#include "kernel/print.h"

#define TO(s)	(1u << (s))
#define SPINS	100	/* for who scans, before sched_yield() */

const u8 g_transitions[NR_G_STATUS] = {
	/* Made. */
	[G_IDLE] = TO(G_RUNNABLE),
	[G_DEAD] = TO(G_RUNNABLE),
	/* Chosen to run. */
	[G_RUNNABLE] = TO(G_RUNNING),
	/* Yields; blocks; system call; ends; stops for suspend_g(). */
	[G_RUNNING] = TO(G_RUNNABLE) | TO(G_WAITING) | TO(G_SYSCALL) |
		      TO(G_DEAD) | TO(G_PREEMPTED),
	/* Back with a P; back without one. */
	[G_SYSCALL] = TO(G_RUNNING) | TO(G_RUNNABLE),
	/* Woken; or never really waited, see wait_is_for_gc(). */
	[G_WAITING] = TO(G_RUNNABLE) | TO(G_RUNNING),
	/* Taken by suspend_g(). */
	[G_PREEMPTED] = TO(G_WAITING),
};

static const char *const status_names[NR_G_STATUS] = {
	[G_IDLE] = "idle",
	[G_RUNNABLE] = "runnable",
	[G_RUNNING] = "running",
	[G_SYSCALL] = "syscall",
	[G_WAITING] = "waiting",
	[G_DEAD] = "dead",
	[G_PREEMPTED] = "preempted",
};

_Atomic u32 status_gate;
static bool always_open;

const char *g_status_name(u32 status)
{
	status &= ~(u32)G_SCAN;
	return status < NR_G_STATUS ? status_names[status] : "?";
}

__cold __noreturn void bad_transition(const struct g *gp, u32 old, u32 new)
{
	u32 now = atomic_load_explicit(&gp->status, memory_order_relaxed);

	print("gort: goroutine %U: %s to %s, but it is %s%s\n", gp->id,
	      g_status_name(old), g_status_name(new), g_status_name(now),
	      now & G_SCAN ? ", scanned" : "");
	throw("illegal change of a goroutine's status");
}

__cold void casgstatus_slow(struct g *gp, u32 old, u32 new)
{
	u32 now = old, spins = 0;

	/* Acquire: what a scan did to the stack.  Release: as g_set_status(). */
	while (!atomic_compare_exchange_weak_explicit(&gp->status, &now, new,
			memory_order_acq_rel, memory_order_relaxed)) {
		if (now != old && now != (old | G_SCAN))
			bad_transition(gp, old, new);
		if (now != old && ++spins % SPINS)
			cpu_relax();
		else if (now != old)
			sched_yield();
		now = old;
	}
}

/*
 * castogscanstatus - own gp's stack, if the status is still old: not one in
 * which the goroutine runs or is about to stop.  The gate is open.
 * Acquire: pairs with the release of who gave the stack up.
 */
bool castogscanstatus(struct g *gp, u32 old)
{
	if (old != G_RUNNABLE && old != G_WAITING && old != G_SYSCALL)
		bad_transition(gp, old, old | G_SCAN);
	return atomic_compare_exchange_strong_explicit(&gp->status, &old,
			old | G_SCAN, memory_order_acquire,
			memory_order_relaxed);
}

/* Give it back. */
void casfrom_gscanstatus(struct g *gp, u32 old)
{
	u32 now = old | G_SCAN;

	if (!atomic_compare_exchange_strong_explicit(&gp->status, &now, old,
			memory_order_release, memory_order_relaxed))
		bad_transition(gp, old | G_SCAN, old);
}

/* Once per run, after lock_init_once(). */
void status_gate_init(void)
{
	always_open = !lock_have_membarrier();
#ifdef GORT_TSAN
	always_open = true;
#endif
	atomic_store_explicit(&status_gate, always_open, memory_order_relaxed);
}

/*
 * Until status_gate_close() nobody changes what the gate guards by a plain
 * store.  Takes microseconds.  Context: any with an M, and sysmon.
 */
void status_gate_open(void)
{
	struct m *mp;

	if (always_open)
		return;
	atomic_fetch_add_explicit(&status_gate, 1, memory_order_seq_cst);
	lock_membarrier();
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link)
		/* Acquire: pairs with gate_leave(). */
		while (atomic_load_explicit(&mp->changing,
					    memory_order_acquire)) {
			cpu_relax();
			sched_yield();
		}
}

void status_gate_close(void)
{
	if (!always_open)
		atomic_fetch_sub_explicit(&status_gate, 1,
					  memory_order_release);
}
