// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_trace_owner.c - GORTDEBUG=tracecheckstackownership=1: who
 * traces a stack that is not his is found out, who owns it is not.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <stdlib.h>

#include "kernel/status.h"
#include "kernel/suspend.h"
#include "kernel/tracepoint.h"
#include "tests/child.h"
#include "tests/kernel/check.h"
#include "tests/kernel/spin.h"
#include "tests/trace/readback.h"
#include "trace/trace.h"

#define COMPLAINT	"internal error: the stack of a goroutine is traced by who does not own it"

static _Atomic(struct g *) victim;
static _Atomic int quit;
static struct gort_chan *chan;

static void waits(void *arg)
{
	(void)arg;
	atomic_store(&victim, getg());
	gort_chan_recv(chan, NULL);
}

static void yields(void *arg)
{
	(void)arg;
	atomic_store(&victim, getg());
	while (!peek(&quit))
		gort_yield();
}

static void spins(void *arg)
{
	(void)arg;
	atomic_store(&victim, getg());
	spin_until(&quit);
}

static void in_call(void *arg)
{
	(void)arg;
	atomic_store(&victim, getg());
	gort_syscall_enter();
	spin_until(&quit);
	gort_syscall_exit();
}

/* Another goroutine, as soon as it has this status. */
static struct g *make_victim(void (*fn)(void *), u32 status)
{
	struct g *gp;

	chan = gort_chan_new(0, 0);
	CHECK_EQ(gort_go(fn, NULL), 0);
	for (;;) {
		gp = atomic_load(&victim);
		if (gp && g_status(gp) == status)
			return gp;
		gort_yield();
	}
}

/* What an event of gp's has to say, in our name. */
enum how { BLOCKS, STOPS, LOOKS };

struct crime {
	void (*fn)(void *);
	u32 status;
	enum how how;
};

static void trace_it(struct g *gp, enum how how)
{
	struct m *mp = acquirem();

	CHECK_EQ(trace_acquire(mp), true);
	if (how == BLOCKS)
		trace_ops->go_block(mp, gp, WAIT_CHAN_RECV);
	else if (how == STOPS)
		trace_ops->go_stop(mp, gp, TRACE_STOP_YIELD);
	else
		trace_stack_of(mp, gp);
	trace_release(mp);
	releasem(mp);
}

static void commit(void *arg)
{
	const struct crime *c = arg;
	struct g *gp;

	CHECK_EQ(gort_trace_start(trace_file(), NULL), 0);
	gp = make_victim(c->fn, c->status);
	dprintf(2, "victim %d\n", (int)gp->id);
	trace_it(gp, c->how);
	_exit(99);
}

static void run_commit(void *arg)
{
	setenv("GORTMAXPROCS", "2", 1);
	debug_add("tracecheckstackownership=1");
	gort_run(commit, arg);
}

static void test_not_owned(void **state)
{
	static const struct {
		struct crime crime;
		const char *status;
	} cases[] = {
		{ { waits, G_WAITING, BLOCKS }, "waiting" },
		{ { waits, G_WAITING, STOPS }, "waiting" },
		{ { waits, G_WAITING, LOOKS }, "waiting" },
		{ { yields, G_RUNNABLE, LOOKS }, "runnable" },
		{ { spins, G_RUNNING, BLOCKS }, "running" },
		{ { in_call, G_SYSCALL, LOOKS }, "syscall" },
	};

	(void)state;
#ifdef WITH_TSAN
	skip();		/* its report on the walk of stacks that run may hang */
#endif
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[100];
		const char *v;

		child_run(run_commit, (void *)&cases[i].crime);
		child_expect_exit(2);
		child_expect_text(COMPLAINT);
		v = strstr(child_err, "victim ");
		assert_non_null(v);
		snprintf(want, sizeof(want), "gort: goroutine %d, status %s\n",
			 atoi(v + 7), cases[i].status);
		/* It may have run in between. */
		if (cases[i].crime.fn != yields)
			child_expect_text(want);
	}
}

/* Without the setting nobody looks. */
static void run_unchecked(void *arg)
{
	debug_add("tracecheckstackownership=0");
	gort_run(commit, arg);
}

static void test_unchecked(void **state)
{
	struct crime c = { waits, G_WAITING, LOOKS };

	(void)state;
	child_run(run_unchecked, &c);
	child_expect_exit(99);
	child_expect_no_text(COMPLAINT);
}

/* --- by who owns it --- */

static void look_suspended(void *arg)
{
	struct g *self = getg(), *gp = arg;
	struct m *mp = getm();
	struct suspended s = { 0 };

	suspend_begin(self, WAIT_STACK_SCAN);
	CHECK_EQ(suspend_g(gp, &s, TIME_NEVER), true);
	trace_hold(mp);
	CHECK_NE(trace_stack_of(mp, gp), 0);
	trace_release(mp);
	resume_g(&s);
	suspend_end(self);
}

static void own_it(void *arg)
{
	static void (*const fns[])(void *) = { waits, yields, spins, in_call };
	static const u32 states[] = {
		G_WAITING, G_RUNNABLE, G_RUNNING, G_SYSCALL,
	};
	int fd = *(int *)arg;

	CHECK_EQ(gort_trace_start(fd, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
		struct g *gp;

		atomic_store(&quit, 0);
		atomic_store(&victim, NULL);
		gp = make_victim(fns[i], states[i]);
		status_gate_open();
		systemstack(look_suspended, gp);
		status_gate_close();
		atomic_store(&quit, 1);
		gort_chan_close(chan);
		while (gort_numgoroutine() > 1)
			gort_yield();
		gort_chan_free(chan);
	}
	CHECK_EQ(gort_trace_stop(), 0);
}

static void run_own_it(void *arg)
{
	setenv("GORTMAXPROCS", "2", 1);
	debug_add("tracecheckstackownership=1");
	CHECK_EQ(gort_run(own_it, arg), 0);
}

static void test_owned(void **state)
{
	int fd = trace_file();
	struct seen s = { 0 };

	(void)state;
	child_run(run_own_it, &fd);
	child_expect_exit(0);
	readback(fd, 0, &s);
	close(fd);
}

/* --- stacks that shrink all the time --- */

static __attribute__((noinline)) int deep(int n)
{
	volatile char pad[400];

	pad[0] = (char)n;
	return n ? deep(n - 1) + pad[0] : 0;
}

static void grows(void *arg)
{
	while (!peek(&quit)) {
		deep(200);
		gort_chan_try_send(chan, NULL);
		gort_chan_recv(chan, NULL);
		gort_yield();
	}
	gort_waitgroup_done(arg);
}

static void shrinks(void *arg)
{
	while (!peek(&quit)) {
		CHECK_LE(0, gort_stack_shrink());
		gort_yield();
	}
	gort_waitgroup_done(arg);
}

static void shrink_always(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct gort_trace_stats st;
	int fd = *(int *)arg;

	chan = gort_chan_new(0, 20);
	gort_waitgroup_add(&wg, 8);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(gort_go(grows, &wg), 0);
	CHECK_EQ(gort_go(shrinks, &wg), 0);
	CHECK_EQ(gort_go(shrinks, &wg), 0);
	CHECK_EQ(gort_trace_start(fd, NULL), 0);
	do {
		gort_yield();
		gort_trace_read_stats(&st);
	} while (st.generations < 5);
	atomic_store(&quit, 1);
	for (int i = 0; i < 6; i++)
		gort_chan_try_send(chan, NULL);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_trace_stop(), 0);
	gort_trace_read_stats(&st);
	dprintf(2, "skipped %d\n", (int)st.skipped);
}

static void run_shrink_always(void *arg)
{
	debug_add("tracecheckstackownership=1,traceallocfree=1,traceadvanceperiod=2000000");
	CHECK_EQ(gort_run(shrink_always, arg), 0);
}

/* Which stretches of stack there are, by the trace. */
struct live {
	uint64_t ids[4096];
	size_t n;
	uint64_t odd;		/* events that do not fit to the others */
};

static void count_live(const struct tracefile *tf,
		       const struct tracefile_event *ev, void *arg)
{
	struct live *l = arg;
	size_t i = 0;

	(void)tf;
	if (ev->type < TF_GOROUTINE_STACK || ev->type > TF_GOROUTINE_STACK_FREE)
		return;
	while (i < l->n && l->ids[i] != ev->args[0])
		i++;
	if ((i < l->n) != (ev->type == TF_GOROUTINE_STACK_FREE))
		l->odd++;
	else if (i < l->n)
		l->ids[i] = l->ids[--l->n];
	else if (l->n < ARRAY_SIZE(l->ids))
		l->ids[l->n++] = ev->args[0];
}

/*
 * Allocated before it is freed, freed before it is allocated again: what does
 * not fit was skipped, and counted.
 */
static void test_shrinking(void **state)
{
	static struct live l;
	struct seen s = { .each = count_live, .arg = &l };
	int fd = trace_file();
	const char *skipped;

	(void)state;
	child_run(run_shrink_always, &fd);
	child_expect_exit(0);
	readback(fd, 0, &s);
	skipped = strstr(child_err, "skipped ");
	assert_non_null(skipped);
	assert_true(s.exists && s.allocs && s.frees);
	assert_in_range(l.odd, 0, (unsigned long)atoi(skipped + 8));
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_owned),
		cmocka_unit_test(test_unchecked),
		cmocka_unit_test(test_owned),
		cmocka_unit_test(test_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
