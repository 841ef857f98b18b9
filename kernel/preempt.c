// SPDX-License-Identifier: ISC
/*
 * kernel/preempt.c - taking the P from a goroutine that does not give it.
 *
 * Who wants that sets gp->preempt, gp->preempt_stop or a bit in
 * sched.interrupt, and then asks the thread in two ways:
 *
 *  - It poisons its guard word.  The next stack check comes to newstack(), and
 *    that to sched_check_preempt().  This is enough for code that calls
 *    functions.
 *  - If that does not help it sends SIGURG.  If that interrupts a goroutine in
 *    code that may be stopped at any instruction, the handler (sigurg.c)
 *    makes it look as if that instruction had been a call of async_preempt().
 *    No signal to a thread that sleeps in the kernel, in a call that nobody
 *    announced: that would end with EINTR, and nothing be gained.  Whether
 *    it has used CPU time since it was last asked is cheap to learn; only if
 *    it has, the kernel is asked for its state.
 *
 * Where may a goroutine be stopped?  In instrumented code of the user's only
 * (kernel/text.c), never in the runtime or libc, which may hold locks; with
 * enough stack; not while its M is locked.  If it may not, the handler
 * poisons the guard, so that the way back from libc is the end of it.
 *
 * All registers: the kernel has saved them in the signal frame, whatever the
 * CPU has.  The handler copies that frame to the goroutine's stack, and
 * async_preempt() ends with sigreturn(2) from the copy.  Rejected: saving
 * registers ourselves, a list that grows with each CPU, and on arm64 no
 * register is free to return through.
 *
 * Compilers keep addresses of thread-local data in registers between any two
 * instructions.  So a goroutine stopped by signal goes on on the same M: the
 * two are locked to each other until it has.  Such an M sleeps meanwhile;
 * others run the P.
 */
#define _GNU_SOURCE
#include "kernel/preempt.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arch/preempt.h>
#include "kernel/errno.h"
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/sigurg.h"
#include "kernel/suspend.h"
#include "kernel/text.h"
#include "kernel/time.h"

/* CPU time of mp's thread; 0 if it cannot be told. */
static u64 thread_cpu_ns(struct m *mp)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(mp->thread, &clock) ||
	    clock_gettime(clock, &ts))
		return 0;
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

/* Does it sleep in the kernel at this moment?  "No" if that cannot be told. */
static bool thread_sleeps(struct m *mp)
{
	char buf[128], *state;
	ssize_t n = -1;
	int fd;

	snprintf(buf, sizeof(buf), "/proc/self/task/%d/stat", mp->tid);
	fd = open(buf, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	state = strrchr(buf, ')');	/* "tid (name) S ..." */
	return state && (!strncmp(state, ") S", 3) ||
			 !strncmp(state, ") D", 3));
}

/* One signal at a time: a thread that cannot take it would drown. */
static void send_signal(struct m *mp)
{
	int saved = errno;

	if (!thread_sleeps(mp) &&
	    !atomic_exchange_explicit(&mp->signalled, true,
				      memory_order_relaxed))
		syscall(SYS_tgkill, getpid(), mp->tid, SIGURG);
	errno = saved;
}

void preempt_ask_locked(struct m *mp, bool again)
{
	u64 cpu;

	if (mp->gone || !atomic_load_explicit(&mp->guard_addr,
					      memory_order_acquire))
		return;
	if (nonpreempt_profiled())
		nonpreempt_ops->asked(mp);
	__atomic_store_n(atomic_load_explicit(&mp->guard_addr,
					      memory_order_relaxed),
			 GUARD_POISON, __ATOMIC_RELAXED);
	if (debug.asyncpreemptoff)
		return;
	cpu = thread_cpu_ns(mp);
	if (again && (!cpu || cpu != mp->asked_cpu_ns))
		send_signal(mp);
	mp->asked_cpu_ns = cpu;
}

void preempt_prepare(void)
{
	if (debug.asyncpreemptoff)
		return;
	text_refresh();
	sigurg_reclaim();
}

/*
 * On g0: gp leaves its M, whatever the reason is.
 */

static __g0_noreturn void stop_preempted(struct g *gp)
{
	struct m *mp = gp->m;
	bool stop = atomic_load_explicit(&gp->preempt_stop,
					 memory_order_relaxed);
	bool traced = trace_acquire(mp);

	latency_begin(gp);
	atomic_store_explicit(&gp->preempt, false, memory_order_relaxed);
	if (unlikely(traced && stop))
		trace_ops->go_block(mp, gp, WAIT_PREEMPTED);
	else if (unlikely(traced))
		trace_ops->go_stop(mp, gp, TRACE_STOP_PREEMPTED);
	m_drop_g(mp);
	if (stop)
		gp->wait_reason = WAIT_PREEMPTED;
	g_set_status(gp, G_RUNNING, stop ? G_PREEMPTED : G_RUNNABLE);
	if (unlikely(traced))
		trace_release(mp);
	if (stop) {
		suspend_stopped(gp);
	} else if (interrupts()) {
		/* It is not its fault: it goes on first. */
		runq_put_next(mp->p, gp);
	} else {
		sched_poll();
		globrunq_put_one(gp);
	}
	schedule();
}

/* Nobody but gp wants the P: it gets a new slice, and sysmon sees one. */
static bool nothing_else(struct g *gp)
{
	struct p *pp = gp->m->p;

	if (interrupts() ||
	    atomic_load_explicit(&gp->preempt_stop, memory_order_relaxed) ||
	    sched_has_work(pp))
		return false;
	atomic_store_explicit(&gp->preempt, false, memory_order_relaxed);
	tick_inc(&pp->tick);
	TRACE_EVENT(gp->m, status, gp);
	return true;
}

/*
 * sched_check_preempt - from newstack(): does somebody want gp to stop?
 * Then another goroutine runs first, and gp goes on later.
 */
void __systemstack __no_tsan sched_check_preempt(struct g *gp)
{
	bool debug_yield = debug.maymorestack == MAYMORESTACK_PREEMPT;
	struct m *mp = gp->m;

	if (gp->system || gp->where != ON_GOROUTINE)
		return;
	if (mp->locks) {
		/* Not now, but at the first check after that. */
		if (preempt_wanted(gp))
			gp->seg->guard = GUARD_POISON;
		return;
	}
	if (!debug_yield && (!preempt_wanted(gp) || nothing_else(gp)))
		return;
	gp->saved_errno = *mp->errno_addr;
	san_switch(mp->g0);
	if (stopping())
		m_leave_g(gp);
	if (nonpreempt_profiled())
		nonpreempt_begin(mp, GORT_NONPREEMPT_SWITCH,
				 (uintptr_t)stop_preempted);
	stop_preempted(gp);
}

static __g0_noreturn void async_preempt_m(struct g *gp)
{
	struct m *mp = gp->m;

	mp->locks--;		/* of the signal handler */
	if (nothing_else(gp)) {
		if (nonpreempt_profiled())
			nonpreempt_end_all(mp);
		san_switch(gp);
		arch_gogo(gp);
		return;
	}
	if (stopping())
		m_leave_g(gp);
	gp->pinned = !gp->lockedm;
	m_lock_g(mp, gp);
	stop_preempted(gp);
}

/* Called by async_preempt() on the goroutine's stack. */
void __nosplit async_preempt_park(void)
{
	struct g *gp = getg();
	struct m *mp = gp->m;

	mcall(async_preempt_m);
	if (unlikely(gp->m != mp))
		throw("a goroutine stopped by signal went on on another thread");
	/* From here to the interrupted code no stack check, see sigurg.c. */
	if (gp->pinned) {
		gp->pinned = false;
		m_unlock_g(mp, gp);
	}
}
