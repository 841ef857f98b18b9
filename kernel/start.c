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
#include "kernel/runq.h"
#include "kernel/signal.h"
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

	mp->curg = NULL;
	g_free(mp->p, gp);
	m_stop_all_idle();
	while (m_poke_others(mp))
		nanosleep(&pause, NULL);
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
	first.fn(arg);
	mcall(run_done_m);
}

int start_first(struct m *mp)
{
	struct g *gp = g_new(mp->p, first_goroutine, first.arg, 0);

	if (!gp)
		return first.err = -ENOMEM;
	gp->parent = 0;
	gp->created_pc = 0;
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

static int sched_init(void)
{
	u32 n = procs_wanted();

	sched.ps = aligned_alloc(64, n * sizeof(*sched.ps));
	if (!sched.ps)
		return -ENOMEM;
	memset(sched.ps, 0, n * sizeof(*sched.ps));
	for (u32 i = n; i-- > 0;) {
		sched.ps[i].id = i;
		sched.ps[i].tick = 1;
		if (i)
			p_put_idle_locked(&sched.ps[i]);
	}
	sched.nprocs = n;
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

static void sched_fini(void)
{
	struct m *mp, *next;

	/* The one that ended the run walks the list until it leaves. */
	for (mp = sched.all_ms; mp; mp = mp->all_link)
		if (mp->started)
			pthread_join(mp->thread, NULL);
	for (mp = sched.all_ms; mp; mp = next) {
		next = mp->all_link;
		free(mp);
	}
	stats_end_run();
	free(sched.ps);
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
	mp->nextp = &sched.ps[0];
	mp->thread = pthread_self();
	sched.all_ms = mp;
	sched.nms = 1;
	m_run(mp);
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
