// SPDX-License-Identifier: ISC
/*
 * kernel/start.c - how a run begins and ends.
 *
 * When the first goroutine's function returns, sched.stopping is set and
 * every M goes back to the code that made it an M: gort_run() or the thread's
 * start.  Ms that run a goroutine are asked by way of their guard word.
 * Everything is then thrown away, so a later run begins from nothing.
 */
#define _GNU_SOURCE
#include "kernel/proc.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arch/cpu.h>
#include "kernel/metrics.h"
#include "kernel/netpoll.h"
#include "kernel/notify.h"
#include "kernel/runq.h"
#include "kernel/schedtrace.h"
#include "kernel/signal.h"
#include "kernel/sigprof.h"
#include "kernel/stw.h"
#include "kernel/sysmon.h"
#include "kernel/time.h"
#include "mm/vm.h"

#define STOP_POLL_NS	1000000

_Atomic u64 sched_runs;

/*
 * The end of a run.
 */

static __g0_noreturn void run_done_m(struct g *gp)
{
	struct m *mp = gp->m;
	struct timespec pause = { .tv_nsec = STOP_POLL_NS };
	bool again = false;

	m_drop_g(mp);
	if (gp->lockedm)
		m_unlock_g(mp, gp);
	g_free(mp->p, gp);
	m_stop_all(mp);
	sysmon_stop();
	while (m_poke_others(mp, again)) {
		again = true;
		nanosleep(&pause, NULL);
	}
	m_leave(mp);
}

/*
 * The beginning of a run.
 */

static struct {
	void (*fn)(void *);
	void *arg;
	int err;
} first;

static void first_goroutine(void *arg)
{
	if (trace_ops)
		trace_ops->run_begin();
	if (nonpreempt_ops)
		nonpreempt_ops->run_begin();
	first.fn(arg);
	if (getg()->nonpreempt)
		nonpreempt_blocked(getg(), "ends");
	if (nonpreempt_ops)
		nonpreempt_ops->run_end();
	if (trace_ops)
		trace_ops->run_end();
	mcall(run_done_m);
}

int start_first(struct m *mp)
{
	struct g *gp = g_new(mp, first_goroutine, first.arg, 0, false);

	if (!gp)
		return first.err = -ENOMEM;
	runq_put(mp->p, gp);
	return 0;
}

static u32 procs_wanted(void)
{
	cpu_set_t set;

	if (debug.maxprocs)
		return debug.maxprocs;
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (u32)CPU_COUNT(&set);
}

/* 0 or -ENOMEM. */
int p_get_heap(struct p *pp)
{
	pp->heap = heap_cache_get();
	return pp->heap ? 0 : -ENOMEM;
}

/* A P beyond those there are; 0 or -ENOMEM. */
int p_new(u32 id)
{
	struct p *pp = aligned_alloc(64, sizeof(*pp));

	if (!pp)
		return -ENOMEM;
	memset(pp, 0, sizeof(*pp));
	if (p_get_heap(pp)) {
		free(pp);
		return -ENOMEM;
	}
	pp->id = id;
	atomic_store_explicit(&pp->tick, 1, memory_order_relaxed);
	timers_init(pp);
	sched.ps[id] = pp;
	/* Release: pairs with nallps(), and nprocs(), which is set later. */
	atomic_store_explicit(&sched.nallps, id + 1, memory_order_release);
	return 0;
}

static void free_ps(void)
{
	for (u32 i = 0; i < nallps(); i++) {
		if (sched.ps[i]->heap)
			heap_cache_put(sched.ps[i]->heap);
		free(sched.ps[i]);
	}
}

static int sched_init(void)
{
	u32 n = procs_wanted();

	for (u32 i = 0; i < n; i++) {
		if (p_new(i)) {
			free_ps();
			atomic_store_explicit(&sched.nallps, 0,
					      memory_order_relaxed);
			return -ENOMEM;
		}
	}
	for (u32 i = n; i-- > 1;)
		p_put_idle_locked(sched.ps[i]);
	atomic_store_explicit(&sched.nprocs, n, memory_order_release);
	stats_begin_run();
	return 0;
}

/* Goroutines that were left when the run ended still have fibers. */
static void drop_goroutines(void)
{
	size_t cursor = 0;
	struct g *gp;

	while ((gp = stack_next_g(&cursor)))
		san_g_destroy(gp);
}

/*
 * The one that ended the run walks the list until it leaves.  One that is
 * joined may have started another just before, which is in front then.
 */
static void join_all(void)
{
	struct m *joined = NULL, *head, *mp;

	while ((head = atomic_load_explicit(&sched.all_ms,
			memory_order_acquire)) != joined) {
		for (mp = head; mp != joined; mp = mp->all_link)
			if (mp->started)
				pthread_join(mp->thread, NULL);
		joined = head;
	}
}

static void sched_fini(void)
{
	struct m *mp, *next;

	join_all();
	mp = atomic_load_explicit(&sched.all_ms, memory_order_acquire);
	for (; mp; mp = next) {
		next = mp->all_link;
		free(mp);
	}
	stats_end_run();
	metrics_end_run();
	netpoll_fini();
	notify_end_run();
	sigprof_end_run();
	for (u32 i = 0; i < nallps(); i++)
		timers_fini(sched.ps[i]);
	free_ps();
	sched = (struct sched){ .lock = LOCK_INIT(RANK_SCHED) };
	atomic_fetch_add_explicit(&sched_runs, 1, memory_order_relaxed);
	drop_goroutines();
	stack_reset();
}

/* The calling thread is the first M and begins with P 0. */
static int run_on_this_thread(void)
{
	struct m *mp = m_new(0);
	int err;

	if (!mp)
		return -ENOMEM;
	err = signal_thread_init(mp);
	if (err) {
		free(mp);
		return err;
	}
	/* sysmon is not to think that nobody is awake. */
	sched.nms = 1;
	err = sysmon_start();
	if (err) {
		signal_thread_exit(mp);
		free(mp);
		return err;
	}
	mp->nextp = sched.ps[0];
	mp->thread = pthread_self();
	m_publish(mp);
	m_run(mp);
	if (first.err)
		sysmon_stop();
	sigprof_thread_end(mp);
	signal_thread_exit(mp);
	return first.err;
}

/*
 * sched_run - all of gort_run() but its checks: 0, or -errno with nothing
 * left behind.
 */
int sched_run(void (*fn)(void *), void *arg)
{
	int err;

	first.fn = fn;
	first.arg = arg;
	first.err = 0;
	cpu_init();
	lock_init_once();
	status_gate_init();
	stw_begin_run();
	metrics_begin_run();
	m_begin_run();
	schedtrace_begin_run(nanotime());
	vm_init();
	err = stack_init();
	if (err)
		return err;
	err = sched_init();
	if (err)
		return err;
	signal_install();
	err = run_on_this_thread();
	sched_fini();
	signal_restore();
	return err;
}
