// SPDX-License-Identifier: ISC
/*
 * kernel/run.c - the public calls about goroutines: checks, then proc.c.
 */
#include <gort/gort.h>

#include <stdatomic.h>

#include "kernel/proc.h"
#include "kernel/unwind.h"

static _Atomic bool running;

__public int gort_run(void (*fn)(void *), void *arg)
{
	int saved = errno, err;

	if (!fn)
		return -EINVAL;
	if (atomic_exchange_explicit(&running, true, memory_order_acquire))
		return -EBUSY;
	err = debug_parse_env();
	if (!err)
		err = sched_run(fn, arg);
	atomic_store_explicit(&running, false, memory_order_release);
	errno = saved;
	return err;
}

__public int gort_go_copy(void (*fn)(void *), const void *arg, size_t n)
{
	if (!in_goroutine())
		return -EPERM;
	if (!fn || (n && !arg))
		return -EINVAL;
	if (n > GORT_GO_COPY_MAX)
		return -E2BIG;
	return sched_spawn(fn, (void *)arg, n,
			   find_caller().pc);
}

__public int gort_go(void (*fn)(void *), void *arg)
{
	if (!in_goroutine())
		return -EPERM;
	if (!fn)
		return -EINVAL;
	return sched_spawn(fn, arg, 0, find_caller().pc);
}

__public void gort_yield(void)
{
	need_goroutine("gort_yield");
	sched_yield_g();
}

__public __noreturn void gort_exit(void)
{
	need_goroutine("gort_exit");
	goroutine_exit();
}

__public void gort_lock_os_thread(void)
{
	struct m *mp;
	struct g *gp;

	need_goroutine("gort_lock_os_thread");
	mp = acquirem();
	gp = getg();
	if (!gp->nlocked++)
		m_lock_g(mp, gp);
	releasem(mp);
}

__public void gort_unlock_os_thread(void)
{
	struct m *mp;
	struct g *gp;

	need_goroutine("gort_unlock_os_thread");
	mp = acquirem();
	gp = getg();
	if (!gp->nlocked)
		fatal("gort_unlock_os_thread without gort_lock_os_thread");
	if (!--gp->nlocked)
		m_unlock_g(mp, gp);
	releasem(mp);
}

__public uint64_t gort_numgoroutine(void)
{
	struct gort_stats st;

	gort_read_stats(&st);
	return st.live;
}

__public uint64_t gort_goid(void)
{
	return in_goroutine() ? getg()->id : 0;
}
