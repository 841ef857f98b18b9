// SPDX-License-Identifier: ISC
/*
 * kernel/schedtrace.c - the state of the scheduler, now and then, on
 * standard error.
 *
 * One line with numbers; with scheddetail=1 also a line per P and per M.
 * A goroutine that has been asked to yield and does not, because it is in
 * code without stack checks, has its own line in either case:
 *
 *	SCHED 30ms: M0 P1 goroutine 7 has not yielded for 21ms, in memcmp+0x12
 */
#include "kernel/schedtrace.h"

#include "kernel/print.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/symtab.h"
#include "kernel/sysmon.h"
#include "kernel/time.h"

#define NSEC_PER_MSEC	1000000

static s64 started, last;

static const char *const p_status_names[] = {
	[P_IDLE] = "idle",
	[P_RUNNING] = "running",
	[P_SYSCALL] = "syscall",
	[P_STOPPED] = "stopped",
	[P_DEAD] = "dead",
};

static u32 relaxed32(_Atomic u32 *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* Ps and Ms do not go away in a run; what they say may be a moment old. */
static void __no_tsan print_summary(s64 ms)
{
	print("SCHED %Ums: gomaxprocs=%u idleprocs=%u threads=%u spinningthreads=%u idlethreads=%u runqueue=%u [",
	      (u64)ms, nprocs(), relaxed32(&sched.nidle_ps),
	      relaxed32(&sched.nms), relaxed32(&sched.nspinning),
	      sched.nidle_ms, relaxed32(&sched.runq_size));
	for (u32 i = 0; i < nprocs(); i++)
		print(i ? " %u" : "%u", runq_len(sched.ps[i]));
	print("]\n");
}

/* The goroutine may have ended, or be another by now: then so be it. */
static u64 __no_tsan m_goid(struct m *mp)
{
	struct g *gp = atomic_load_explicit(&mp->curg, memory_order_relaxed);

	return gp ? gp->id : 0;
}

static void __no_tsan print_details(void)
{
	struct m *mp;

	for (u32 i = 0; i < nprocs(); i++) {
		struct p *pp = sched.ps[i];

		mp = atomic_load_explicit(&pp->m, memory_order_relaxed);
		print("  P%u: status=%s schedtick=%u syscalltick=%u runq=%u",
		      i, p_status_names[p_status(pp, NULL)],
		      relaxed32(&pp->tick), relaxed32(&pp->syscall_tick),
		      runq_len(pp));
		if (mp)
			print(" m=%u goroutine=%U", mp->id, m_goid(mp));
		print("\n");
	}
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = mp->all_link)
		if (mp->guard_addr)
			print("  M%u: thread=%d goroutine=%U\n", mp->id,
			      mp->tid, m_goid(mp));
}

/* Goroutines that were asked by signal, in vain. */
static void print_stuck(s64 ms, s64 now)
{
	for (u32 i = 0; i < nprocs(); i++) {
		struct p *pp = sched.ps[i];
		struct m *mp = atomic_load_explicit(&pp->m,
						    memory_order_relaxed);
		s64 since = sysmon_slice_asked(i);
		struct symbol sym;
		uintptr_t pc;

		if (!mp || !since || now - since < NSEC_PER_MSEC)
			continue;
		pc = atomic_load_explicit(&mp->unsafe_pc,
					  memory_order_relaxed);
		print("SCHED %Ums: M%u P%u goroutine %U has not yielded for %Ums",
		      (u64)ms, mp->id, i, m_goid(mp),
		      (u64)((now - sysmon_slice_begun(i)) / NSEC_PER_MSEC));
		if (pc) {
			symtab_lookup(pc, &sym);
			print(", in %s+%x", sym.name, (u64)sym.offset);
		}
		print("\n");
	}
}

void schedtrace_begin_run(s64 now)
{
	started = now;
	last = now;
}

void schedtrace_tick(s64 now)
{
	s64 ms = (now - started) / NSEC_PER_MSEC;

	if (!debug.schedtrace ||
	    now - last < (s64)debug.schedtrace * NSEC_PER_MSEC)
		return;
	last = now;
	print_summary(ms);
	print_stuck(ms, now);
	if (debug.scheddetail)
		print_details();
}
