// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_suspend.c - owning the stacks of others, and shrinking
 * them.
 */
#include <gort/gort.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "kernel/status.h"
#include "kernel/suspend.h"
#include "kernel/time.h"

static struct gort_waitgroup all;
static struct gort_chan *chan;
static _Atomic int done, started;
static _Atomic(struct g *) victim;

static int setup(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "2", 1);
	memset(&all, 0, sizeof(all));
	atomic_store(&done, 0);
	atomic_store(&started, 0);
	atomic_store(&victim, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("GORTMAXPROCS");
	return 0;
}

struct attempt {
	struct g *gp;
	s64 patience_ns;
	u32 status;		/* it had */
	bool off_stack;
	bool got;
	s64 hold_ns;
};

static void attempt_m(void *arg)
{
	struct attempt *a = arg;
	struct g *self = getg();
	struct suspended s = { 0 };

	suspend_begin(self, WAIT_STACK_SCAN);
	a->got = suspend_g(a->gp, &s, a->patience_ns);
	if (a->got) {
		s64 until = nanotime() + a->hold_ns;

		a->status = s.status;
		a->off_stack = suspended_off_stack(&s);
		CHECK_EQ(g_status(a->gp), s.status | G_SCAN);
		while (nanotime() < until)
			;
		CHECK_EQ(g_status(a->gp), s.status | G_SCAN);
		resume_g(&s);
	}
	suspend_end(self);
}

static void attempt(struct attempt *a)
{
	struct m *mp;

	status_gate_open();
	mp = acquirem();
	systemstack(attempt_m, a);
	releasem(mp);
	status_gate_close();
}

static void start(void (*fn)(void *))
{
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(fn, NULL), 0);
	while (!atomic_load(&victim))
		gort_yield();
}

static void introduce(void)
{
	atomic_store(&victim, getg());
}

static void end(void)
{
	gort_waitgroup_done(&all);
}

/*
 * In each status.
 */

static void wait_on_chan(void *arg)
{
	(void)arg;
	introduce();
	CHECK_EQ(gort_chan_recv(chan, NULL), 0);
	end();
}

static void spin_until_done(void *arg)
{
	(void)arg;
	introduce();
	spin_until(&done);
	end();
}

static void yield_until_done(void *arg)
{
	(void)arg;
	introduce();
	while (!atomic_load(&done))
		gort_yield();
	end();
}

static void call_until_done(void *arg)
{
	struct timespec ts = { .tv_nsec = 100000 };

	(void)arg;
	gort_syscall_enter();
	/* Not introduce(): getg() is ours, the store is all. */
	atomic_store(&victim, getg());
	while (!atomic_load(&done))
		nanosleep(&ts, NULL);
	gort_syscall_exit();
	end();
}

static void die(void *arg)
{
	(void)arg;
	introduce();
	end();
}

static void each_status(void *arg)
{
	struct attempt a = { .patience_ns = TIME_NEVER, .hold_ns = 1000000 };

	(void)arg;
	chan = gort_chan_new(0, 0);
	start(wait_on_chan);
	a.gp = atomic_load(&victim);
	while (g_status(a.gp) != G_WAITING)
		gort_yield();
	attempt(&a);
	CHECK_EQ(a.got, true);
	CHECK_EQ(a.status, G_WAITING);
	CHECK_EQ(a.off_stack, true);
	CHECK_EQ(gort_chan_send(chan, NULL), 0);
	gort_waitgroup_wait(&all);
	gort_chan_free(chan);

	atomic_store(&victim, NULL);
	start(spin_until_done);
	a.gp = atomic_load(&victim);
	for (int i = 0; i < mode_times(100); i++) {
		a.hold_ns = 1000;
		attempt(&a);
		CHECK_EQ(a.got, true);
		CHECK_EQ(a.off_stack, true);
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);

	atomic_store(&done, 0);
	atomic_store(&victim, NULL);
	start(yield_until_done);
	a.gp = atomic_load(&victim);
	for (int i = 0; i < mode_times(1000); i++) {
		attempt(&a);
		CHECK_EQ(a.got, true);
		CHECK_EQ(a.off_stack, true);
		if (i % 10 == 0)
			gort_yield();
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);

	atomic_store(&done, 0);
	atomic_store(&victim, NULL);
	start(call_until_done);
	a.gp = atomic_load(&victim);
	attempt(&a);
	CHECK_EQ(a.got, true);
	CHECK_EQ(a.status, G_SYSCALL);
	CHECK_EQ(a.off_stack, false);
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);

	atomic_store(&victim, NULL);
	start(die);
	a.gp = atomic_load(&victim);
	while (g_status(a.gp) != G_DEAD)
		gort_yield();
	attempt(&a);
	CHECK_EQ(a.got, false);
	gort_waitgroup_wait(&all);
}

static void test_each_status(void **state)
{
	(void)state;
	assert_int_equal(gort_run(each_status, NULL), 0);
}

/* One that sleeps in a call that nobody announced is left alone. */
static void sleep_unannounced(void *arg)
{
	struct timespec ts = { .tv_nsec = 100000000 };

	(void)arg;
	introduce();
	CHECK_EQ(nanosleep(&ts, NULL), 0);
	end();
}

static void impatient(void *arg)
{
	struct attempt a = { .patience_ns = 2000000 };
	s64 until;

	(void)arg;
	start(sleep_unannounced);
	/* It sleeps ten times as long as it takes to get there. */
	until = nanotime() + 10000000;
	while (nanotime() < until)
		gort_yield();
	a.gp = atomic_load(&victim);
	attempt(&a);
	CHECK_EQ(a.got, false);
	gort_waitgroup_wait(&all);
	/* No patience at all, with one that does stop: it goes on as well. */
	a.patience_ns = 0;
	atomic_store(&victim, NULL);
	start(yield_until_done);
	a.gp = atomic_load(&victim);
	for (int i = 0; i < mode_times(10000); i++)
		attempt(&a);
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

static void test_patience(void **state)
{
	(void)state;
	assert_int_equal(gort_run(impatient, NULL), 0);
}

/* Two that suspend each other. */
static _Atomic(struct g *) pair[2];

static void suspend_other(void *arg)
{
	struct attempt a = { .patience_ns = TIME_NEVER };
	long i = (long)arg;

	atomic_store(&pair[i], getg());
	while (!(a.gp = atomic_load(&pair[1 - i])))
		gort_yield();
	for (int n = 0; n < mode_times(20000); n++) {
		attempt(&a);
		if (!a.got)
			break;		/* it has done already */
	}
	end();
}

static void each_other(void *arg)
{
	(void)arg;
	atomic_store(&pair[0], NULL);
	atomic_store(&pair[1], NULL);
	gort_waitgroup_add(&all, 2);
	CHECK_EQ(gort_go(suspend_other, (void *)0), 0);
	CHECK_EQ(gort_go(suspend_other, (void *)1), 0);
	gort_waitgroup_wait(&all);
}

static void test_each_other(void **state)
{
	(void)state;
	assert_int_equal(gort_run(each_other, NULL), 0);
}

/* While others stop the world. */
static void change_procs(void *arg)
{
	(void)arg;
	introduce();
	while (!atomic_load(&done))
		gort_gomaxprocs(2 + (rand() & 1));
	end();
}

static void suspend_stopper(void *arg)
{
	struct attempt a = { .patience_ns = TIME_NEVER };

	(void)arg;
	start(change_procs);
	a.gp = atomic_load(&victim);
	for (int i = 0; i < mode_times(2000); i++) {
		attempt(&a);
		CHECK_EQ(a.got, true);
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
}

static void test_stopper(void **state)
{
	(void)state;
	assert_int_equal(gort_run(suspend_stopper, NULL), 0);
}

/* The run ends while somebody suspends somebody. */
static void suspend_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		gort_stack_shrink();
}

static void end_meanwhile(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(suspend_for_ever, NULL), 0);
	CHECK_EQ(gort_go(suspend_for_ever, NULL), 0);
	start(spin_until_done);
	for (int i = 0; i < 3; i++)
		gort_yield();
}

static void test_run_ends(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(100); i++) {
		atomic_store(&victim, NULL);
		memset(&all, 0, sizeof(all));
		assert_int_equal(gort_run(end_meanwhile, NULL), 0);
	}
}

/*
 * Transitions.
 */

static void set_idle(void *arg)
{
	(void)arg;
	g_set_status(getg(), G_RUNNING, G_IDLE);
}

static void set_from_waiting(void *arg)
{
	(void)arg;
	g_set_status(getg(), G_WAITING, G_RUNNABLE);
}

static void scan_running(void *arg)
{
	(void)arg;
	castogscanstatus(getg(), G_RUNNING);
}

static void run_child(void *fn)
{
	gort_run((void (*)(void *))fn, NULL);
}

static void test_illegal(void **state)
{
	static void (*const fns[])(void *) = {
		set_idle, set_from_waiting, scan_running
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
		child_run(run_child, (void *)fns[i]);
		child_expect_exit(2);
		child_expect_text("illegal change of a goroutine's status");
	}
}

/*
 * Shrinking.
 */

#define DEPTH	1000

static __attribute__((noinline)) int recurse(int n)
{
	volatile char frame[512];

	memset((char *)frame, n, sizeof(frame));
	return n ? recurse(n - 1) + (frame[n % 512] == (char)n) : 0;
}

static atomic_int back;		/* from the depth */

static void deep_then_wait(void *arg)
{
	volatile uint64_t data[64];

	(void)arg;
	for (int i = 0; i < 64; i++)
		data[i] = (uint64_t)i * 77;
	CHECK_EQ(recurse(DEPTH), DEPTH);
	introduce();
	atomic_fetch_add(&back, 1);
	CHECK_EQ(gort_chan_recv(chan, NULL), 0);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(data[i], (uint64_t)i * 77);
	CHECK_EQ(recurse(DEPTH), DEPTH);
	end();
}

static void shrink_waiting(void *arg)
{
	volatile uint64_t mine[64];
	struct gort_stats before, after;
	int64_t bytes;

	(void)arg;
	for (int i = 0; i < 64; i++)
		mine[i] = (uint64_t)i;
	chan = gort_chan_new(0, 0);
	start(deep_then_wait);
	while (g_status(atomic_load(&victim)) != G_WAITING)
		gort_yield();
	gort_read_stats(&before);
	bytes = gort_stack_shrink();
	gort_read_stats(&after);
	CHECK_LE(512 * DEPTH / 2, bytes);
	CHECK_LT(after.stack_inuse, before.stack_inuse);
	CHECK_EQ(gort_chan_send(chan, NULL), 0);
	gort_waitgroup_wait(&all);
	/* And one's own. */
	CHECK_EQ(recurse(DEPTH), DEPTH);
	CHECK_LE(512 * DEPTH / 2, gort_stack_shrink());
	CHECK_EQ(recurse(DEPTH), DEPTH);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(mine[i], (uint64_t)i);
	gort_chan_free(chan);
}

static void test_shrink(void **state)
{
	(void)state;
	if (mode_gortdebug("maymorestack=move"))
		skip();		/* no segment is ever left empty for long */
	assert_int_equal(gort_stack_shrink(), -EPERM);
	assert_int_equal(gort_run(shrink_waiting, NULL), 0);
}

/* Stacks that have doubled are looked at by the runtime itself. */
#define NDEEP	64

static void go_deep(void)
{
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(deep_then_wait, NULL), 0);
}

static void scan_comes(void *arg)
{
	struct gort_stats st;
	uint64_t scans = 0;
	int n = 0;

	(void)arg;
	atomic_store(&back, 0);
	chan = gort_chan_new(0, 0);
	do {
		/* A scan that came while some were deep leaves what they
		 * have, and waits until stacks have doubled once more. */
		if (atomic_load(&back) == n && (!n || stack_scans() != scans)) {
			scans = stack_scans();
			for (int i = n; i < 2 * n || i < NDEEP; i++)
				go_deep();
			n = n ? 2 * n : NDEEP;
		}
		gort_yield();
		gort_read_stats(&st);
	} while (atomic_load(&back) < n ||
		 st.stack_inuse >= (uint64_t)n * 512 * DEPTH / 2);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_chan_send(chan, NULL), 0);
	gort_waitgroup_wait(&all);
	gort_chan_free(chan);
}

static void test_scan_comes(void **state)
{
	(void)state;
	if (mode_gortdebug("maymorestack=move"))
		skip();
	assert_int_equal(gort_run(scan_comes, NULL), 0);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_status),
		TEST(test_patience),
		TEST(test_each_other),
		TEST(test_stopper),
		TEST(test_run_ends),
		TEST(test_illegal),
		TEST(test_shrink),
		TEST(test_scan_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
