// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_run.c - gort_run() and goroutines by the public calls:
 * beginnings, ends, contexts, the environment, errno, statistics.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "child.h"
#include "kernel/check.h"

#define MAXPROCS_LIMIT	1024

static atomic_int counter;

static void nop(void *arg)
{
	(void)arg;
}

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add(&counter, 1);
}

static void wait_for(atomic_int *v, int want)
{
	while (atomic_load(v) < want)
		gort_yield();
}

/* GORTMAXPROCS for one test, put back by teardown_env(). */
static char *saved_procs;

static int setup_env(void **state)
{
	const char *s = getenv("GORTMAXPROCS");

	(void)state;
	saved_procs = s ? strdup(s) : NULL;
	atomic_store(&counter, 0);
	return 0;
}

static int teardown_env(void **state)
{
	(void)state;
	if (saved_procs)
		setenv("GORTMAXPROCS", saved_procs, 1);
	else
		unsetenv("GORTMAXPROCS");
	free(saved_procs);
	saved_procs = NULL;
	return 0;
}

/* --- beginning and end --- */

static void store_arg(void *arg)
{
	*(int *)arg += 7;
}

static void test_returns_0(void **state)
{
	int v = 0;

	(void)state;
	assert_int_equal(gort_run(store_arg, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(gort_run(store_arg, &v), 0);
	assert_int_equal(v, 14);
}

static void spawn_and_return(void *arg)
{
	for (int i = *(int *)arg; i > 0; i--)
		CHECK_EQ(gort_go(nop, NULL), 0);
	atomic_fetch_add(&counter, 1);
}

/* The end of the run meets threads in every stage of their start. */
static void test_many_runs(void **state)
{
	int runs = mode_times(1000);

	(void)state;
	for (int i = 0; i < runs; i++) {
		int n = i % 5;

		assert_int_equal(gort_run(spawn_and_return, &n), 0);
	}
	assert_int_equal(atomic_load(&counter), runs);
}

static void spawn_after_work(void *arg)
{
	volatile int x = 0;

	CHECK_EQ(gort_go(nop, NULL), 0);
	for (int i = *(int *)arg; i > 0; i--)
		x++;
	atomic_fetch_add(&counter, 1);
}

static void test_many_runs_of_any_length(void **state)
{
	int runs = mode_times(1000);

	(void)state;
	setenv("GORTMAXPROCS", "2", 1);
	for (int i = 0; i < runs; i++) {
		int n = i * 97 % 50000;

		assert_int_equal(gort_run(spawn_after_work, &n), 0);
	}
	assert_int_equal(atomic_load(&counter), runs);
}

static void test_einval(void **state)
{
	(void)state;
	assert_int_equal(gort_run(NULL, NULL), -EINVAL);
	assert_int_equal(gort_run(count, NULL), 0);
	assert_int_equal(atomic_load(&counter), 1);
}

static void *run_in_thread(void *arg)
{
	*(int *)arg = gort_run(count, NULL);
	return NULL;
}

static void run_in_run(void *arg)
{
	pthread_t t;
	int err = 1;

	(void)arg;
	CHECK_EQ(gort_run(count, NULL), -EBUSY);
	CHECK_EQ(pthread_create(&t, NULL, run_in_thread, &err), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(err, -EBUSY);
}

static void test_ebusy(void **state)
{
	pthread_t t;
	int err = 1;

	(void)state;
	assert_int_equal(gort_run(run_in_run, NULL), 0);
	assert_int_equal(atomic_load(&counter), 0);
	assert_int_equal(pthread_create(&t, NULL, run_in_thread, &err), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(err, 0);
	assert_int_equal(atomic_load(&counter), 1);
}

static void set_errno(void *arg)
{
	(void)arg;
	errno = ENOTTY;
}

/* Functions of gort never set errno: the caller's is its own. */
static void test_errno_of_caller(void **state)
{
	int err;

	(void)state;
	setenv("GORTMAXPROCS", "2", 1);
	errno = EXDEV;
	err = gort_run(set_errno, NULL);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(err, 0);
}

/* --- goroutines that are left behind --- */

static struct gort_chan *never;
static atomic_int arrived, went_on;

static void park_for_ever(void *arg)
{
	(void)arg;
	atomic_fetch_add(&arrived, 1);
	gort_chan_recv(never, NULL);
	atomic_fetch_add(&went_on, 1);
}

static void leave_parked(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(park_for_ever, NULL), 0);
	wait_for(&arrived, n);
}

static void leave_runnable(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(park_for_ever, NULL), 0);
}

static atomic_int spins;

static __attribute__((noinline)) void one_more_spin(void)
{
	atomic_fetch_add(&spins, 1);
	nop(NULL);
}

static void (*volatile spin_once)(void) = one_more_spin;
static void (*volatile call_spin_once)(void);

static __attribute__((noinline)) void calls_spin_once(void)
{
	spin_once();
	__asm__ volatile("");
}

static void spin_for_ever(void *arg)
{
	(void)arg;
	atomic_fetch_add(&arrived, 1);
	for (;;)
		call_spin_once();
}

static void leave_spinning(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(spin_for_ever, NULL), 0);
	wait_for(&arrived, n);
}

static void yield_for_ever(void *arg)
{
	(void)arg;
	atomic_fetch_add(&arrived, 1);
	for (;;)
		gort_yield();
}

static void leave_yielding(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(yield_for_ever, NULL), 0);
	wait_for(&arrived, n);
}

static void spawn_and_wait(void *arg)
{
	struct gort_waitgroup *wg = arg;

	atomic_fetch_add(&counter, 1);
	gort_waitgroup_done(wg);
}

static void sound_run(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(gort_go(spawn_and_wait, &wg), 0);
	gort_waitgroup_wait(&wg);
}

static void leave_behind(void (*fn)(void *), int n, int times)
{
	for (int i = 0; i < times; i++) {
		never = gort_chan_new(0, 0);
		assert_non_null(never);
		atomic_store(&arrived, 0);
		atomic_store(&counter, 0);
		assert_int_equal(gort_run(fn, &n), 0);
		assert_int_equal(gort_run(sound_run, NULL), 0);
		assert_int_equal(atomic_load(&counter), 100);
		assert_int_equal(atomic_load(&went_on), 0);
		assert_int_equal(gort_chan_free(never), 0);
	}
}

static void test_left_parked(void **state)
{
	(void)state;
	leave_behind(leave_parked, 1, mode_times(100));
	leave_behind(leave_parked, 1000, mode_times(20));
}

static void test_left_runnable(void **state)
{
	(void)state;
	leave_behind(leave_runnable, 1000, mode_times(50));
}

static void test_left_spinning(void **state)
{
	(void)state;
	call_spin_once = calls_spin_once;
	/* Each has a P of its own, or the first goroutine would not run. */
	setenv("GORTMAXPROCS", "4", 1);
	leave_behind(leave_spinning, 3, mode_times(20));
}

static void test_left_yielding(void **state)
{
	(void)state;
	leave_behind(leave_yielding, 10, mode_times(50));
}

/* --- channels and waitgroups that survive a run --- */

static struct gort_chan *kept;
static struct gort_waitgroup kept_wg;

static void receive_kept(void *arg)
{
	(void)arg;
	atomic_fetch_add(&arrived, 1);
	gort_chan_recv(kept, NULL);
	atomic_fetch_add(&went_on, 1);
}

static void send_kept(void *arg)
{
	long v = (long)arg;

	atomic_fetch_add(&arrived, 1);
	gort_chan_send(kept, &v);
	atomic_fetch_add(&went_on, 1);
}

static void wait_kept(void *arg)
{
	(void)arg;
	atomic_fetch_add(&arrived, 1);
	gort_waitgroup_wait(&kept_wg);
	atomic_fetch_add(&went_on, 1);
}

static void drop_receivers(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(receive_kept, NULL), 0);
	wait_for(&arrived, 10);
	for (int i = 0; i < 10; i++)
		gort_yield();
}

static void drop_senders(void *arg)
{
	(void)arg;
	for (long i = 0; i < 2; i++)
		CHECK_EQ(gort_chan_send(kept, &i), 0);
	for (long i = 2; i < 10; i++)
		CHECK_EQ(gort_go(send_kept, (void *)i), 0);
	wait_for(&arrived, 8);
	for (int i = 0; i < 10; i++)
		gort_yield();
}

static void drop_wg_waiters(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&kept_wg, 3);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(wait_kept, NULL), 0);
	wait_for(&arrived, 10);
	for (int i = 0; i < 10; i++)
		gort_yield();
}

/* Nobody waits there: the buffer of 2 fills up, then nobody takes. */
static void use_empty(void *arg)
{
	long v;

	(void)arg;
	CHECK_EQ(gort_chan_try_recv(kept, &v), -EAGAIN);
	for (long i = 0; i < 2; i++)
		CHECK_EQ(gort_chan_try_send(kept, &i), 0);
	CHECK_EQ(gort_chan_try_send(kept, &v), -EAGAIN);
	for (long i = 0; i < 2; i++) {
		CHECK_EQ(gort_chan_recv(kept, &v), 0);
		CHECK_EQ(v, i);
	}
	CHECK_EQ(gort_chan_close(kept), 0);
}

static void use_full(void *arg)
{
	long v;

	(void)arg;
	CHECK_EQ(gort_chan_len(kept), 2);
	for (long i = 0; i < 2; i++) {
		CHECK_EQ(gort_chan_recv(kept, &v), 0);
		CHECK_EQ(v, i);
	}
	CHECK_EQ(gort_chan_try_recv(kept, &v), -EAGAIN);
}

static void done_kept(void *arg)
{
	(void)arg;
	gort_waitgroup_done(&kept_wg);
}

static void use_wg(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_go(done_kept, NULL), 0);
	gort_waitgroup_wait(&kept_wg);
	gort_waitgroup_wait(&kept_wg);
}

static void test_channel_survives_receivers(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(50); i++) {
		atomic_store(&arrived, 0);
		kept = gort_chan_new(sizeof(long), 2);
		assert_int_equal(gort_run(drop_receivers, NULL), 0);
		assert_int_equal(gort_run(use_empty, NULL), 0);
		assert_int_equal(atomic_load(&went_on), 0);
		assert_int_equal(gort_chan_free(kept), 0);
	}
}

static void test_channel_survives_senders(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(50); i++) {
		atomic_store(&arrived, 0);
		kept = gort_chan_new(sizeof(long), 2);
		assert_int_equal(gort_run(drop_senders, NULL), 0);
		assert_int_equal(gort_run(use_full, NULL), 0);
		assert_int_equal(atomic_load(&went_on), 0);
		assert_int_equal(gort_chan_free(kept), 0);
	}
}

/* Waiters of an ended run do not keep a channel from being freed. */
static void test_channel_freed_after_run(void **state)
{
	(void)state;
	atomic_store(&arrived, 0);
	kept = gort_chan_new(sizeof(long), 2);
	assert_int_equal(gort_run(drop_receivers, NULL), 0);
	assert_int_equal(gort_chan_free(kept), 0);
}

static void test_waitgroup_survives(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(50); i++) {
		atomic_store(&arrived, 0);
		assert_int_equal(gort_run(drop_wg_waiters, NULL), 0);
		assert_int_equal(gort_run(use_wg, NULL), 0);
		assert_int_equal(atomic_load(&went_on), 0);
	}
}

/* --- the environment --- */

struct env_case {
	const char *name, *value;
	const char *says;	/* NULL: is good */
};

static void run_with_env(void *arg)
{
	const struct env_case *e = arg;

	if (e->value)
		setenv(e->name, e->value, 1);
	else
		unsetenv(e->name);
	CHECK_EQ(gort_run(count, NULL), e->says ? -EINVAL : 0);
	CHECK_EQ(atomic_load(&counter), e->says ? 0 : 1);
}

static const struct env_case env_cases[] = {
	{ "GORTDEBUG", NULL, NULL },
	{ "GORTDEBUG", "", NULL },
	{ "GORTDEBUG", ",", NULL },
	{ "GORTDEBUG", "stackpoison=1", NULL },
	{ "GORTDEBUG", "stackpoison=1,maymorestack=0", NULL },
	{ "GORTDEBUG", "maymorestack=move", NULL },
	{ "GORTDEBUG", "maymorestack=preempt", NULL },
	{ "GORTDEBUG", "maxstack=1G", NULL },
	{ "GORTDEBUG", "maxstack=1024K,maxguards=100", NULL },
	{ "GORTDEBUG", "guardregions=0", NULL },
	{ "GORTDEBUG", "nosuch=1", "unknown setting \"nosuch\"" },
	{ "GORTDEBUG", "stackpoiso=1", "unknown setting \"stackpoiso\"" },
	{ "GORTDEBUG", "stackpoisonn=1", "unknown setting \"stackpoisonn\"" },
	{ "GORTDEBUG", "=1", "unknown setting \"\"" },
	{ "GORTDEBUG", "stackpoison=1,nosuch", "unknown setting \"nosuch\"" },
	{ "GORTDEBUG", "stackpoison", "stackpoison=" },
	{ "GORTDEBUG", "stackpoison=2", "stackpoison=2" },
	{ "GORTDEBUG", "stackpoison=x", "stackpoison=x" },
	{ "GORTDEBUG", "stackpoison=-1", "stackpoison=-1" },
	{ "GORTDEBUG", "stackpoison= 1", "stackpoison= 1" },
	{ "GORTDEBUG", "guardregions=2", "guardregions=2" },
	{ "GORTDEBUG", "guardregions=", "guardregions=" },
	{ "GORTDEBUG", "maxguards=4294967296", "maxguards=4294967296" },
	{ "GORTDEBUG", "maxguards=x", "maxguards=x" },
	{ "GORTDEBUG", "maxstack=0", "maxstack=0" },
	{ "GORTDEBUG", "maxstack=4096", "maxstack=4096" },
	{ "GORTDEBUG", "maxstack=1T", "maxstack=1T" },
	{ "GORTDEBUG", "maxstack=1MB", "maxstack=1MB" },
	{ "GORTDEBUG", "maxstack=99999999999999999999",
	  "maxstack=99999999999999999999" },
	{ "GORTDEBUG", "maxstack=17179869184G", "maxstack=17179869184G" },
	{ "GORTDEBUG", "maymorestack=1", "maymorestack=1" },
	{ "GORTDEBUG", "maymorestack=MOVE", "maymorestack=MOVE" },
	{ "GORTMAXPROCS", NULL, NULL },
	{ "GORTMAXPROCS", "", NULL },
	{ "GORTMAXPROCS", "1", NULL },
	{ "GORTMAXPROCS", "1024", NULL },
	{ "GORTMAXPROCS", "0", "GORTMAXPROCS=0" },
	{ "GORTMAXPROCS", "x", "GORTMAXPROCS=x" },
	{ "GORTMAXPROCS", "1025", "GORTMAXPROCS=1025" },
	{ "GORTMAXPROCS", "-1", "GORTMAXPROCS=-1" },
	{ "GORTMAXPROCS", "2x", "GORTMAXPROCS=2x" },
	{ "GORTMAXPROCS", " 2", "GORTMAXPROCS= 2" },
	{ "GORTMAXPROCS", "4294967297", "GORTMAXPROCS=4294967297" },
};

static void test_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(env_cases) / sizeof(*env_cases); i++) {
		const struct env_case *e = &env_cases[i];

		child_run(run_with_env, (void *)e);
		if (child_status)
			print_error("%s=%s\n", e->name,
				    e->value ? e->value : "(unset)");
		child_expect_exit(0);
		if (e->says)
			child_expect_text(e->says);
		else
			assert_string_equal(child_err, "");
	}
}

static void test_unknown_setting_lists_known(void **state)
{
	static const struct env_case e = { "GORTDEBUG", "nosuch=1", "" };
	static const char *const known[] = {
		"guardregions", "maxguards", "maxstack", "maymorestack",
		"stackpoison",
	};

	(void)state;
	child_run(run_with_env, (void *)&e);
	child_expect_exit(0);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		child_expect_text(known[i]);
}

static void run_after_bad_env(void *arg)
{
	(void)arg;
	setenv("GORTDEBUG", "stackpoison=1,nosuch=1", 1);
	CHECK_EQ(gort_run(count, NULL), -EINVAL);
	CHECK_EQ(gort_run(count, NULL), -EINVAL);
	unsetenv("GORTDEBUG");
	CHECK_EQ(gort_run(count, NULL), 0);
	CHECK_EQ(atomic_load(&counter), 1);
}

static void test_bad_environment_is_no_end(void **state)
{
	(void)state;
	child_run(run_after_bad_env, NULL);
	child_expect_exit(0);
}

static void store_procs(void *arg)
{
	struct gort_stats st;

	gort_read_stats(&st);
	*(int *)arg = (int)st.procs;
}

static void check_affinity(void *arg)
{
	cpu_set_t all, one;
	int procs = 0, first = 0;

	(void)arg;
	unsetenv("GORTMAXPROCS");
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CHECK_EQ(gort_run(store_procs, &procs), 0);
	CHECK_EQ(procs, CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(gort_run(store_procs, &procs), 0);
	CHECK_EQ(procs, 1);
	setenv("GORTMAXPROCS", "3", 1);
	CHECK_EQ(gort_run(store_procs, &procs), 0);
	CHECK_EQ(procs, 3);
}

static void test_affinity(void **state)
{
	(void)state;
	child_run(check_affinity, NULL);
	child_expect_exit(0);
}

/* --- gort_exit --- */

static void (*volatile exit_fn)(void) = gort_exit;

static __attribute__((noinline)) void exit_deep(int depth)
{
	if (depth)
		exit_deep(depth - 1);
	else
		exit_fn();
	atomic_fetch_add(&went_on, 1);
}

static void exits(void *arg)
{
	gort_waitgroup_done(arg);
	exit_deep(10);
}

static void spawn_exits(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct gort_stats st;

	(void)arg;
	gort_waitgroup_add(&wg, 1000);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(gort_go(exits, &wg), 0);
	gort_waitgroup_wait(&wg);
	do {
		gort_yield();
		gort_read_stats(&st);
	} while (st.live > 1);
	CHECK_EQ(st.live, 1);
	CHECK_EQ(st.goroutines, 1001);
}

static void test_exit(void **state)
{
	(void)state;
	atomic_store(&went_on, 0);
	assert_int_equal(gort_run(spawn_exits, NULL), 0);
	assert_int_equal(atomic_load(&went_on), 0);
}

static void outlives_first(void *arg)
{
	struct gort_stats st;

	(void)arg;
	do {
		gort_yield();
		gort_read_stats(&st);
	} while (st.live > 1);
	_exit(7);
}

static void first_exits(void *arg)
{
	if (arg)
		CHECK_EQ(gort_go(arg, NULL), 0);
	gort_exit();
}

static void run_first_exits(void *arg)
{
	gort_run(first_exits, arg);
	_exit(8);
}

static void test_exit_of_first(void **state)
{
	(void)state;
	child_run(run_first_exits, outlives_first);
	child_expect_exit(7);
	child_run(run_first_exits, nop);
	child_expect_exit(2);
	child_expect_text("all goroutines are asleep - deadlock!");
	child_run(run_first_exits, NULL);
	child_expect_exit(2);
	child_expect_text("all goroutines are asleep - deadlock!");
}

/* --- gort_go_copy --- */

struct copied {
	size_t n;
	unsigned char bytes[];
};

static unsigned char byte_at(size_t i, size_t n)
{
	return (unsigned char)(i * 131 + n);
}

static atomic_int copies_seen;

static void check_copy(void *arg)
{
	struct copied *c = arg;
	size_t n = c->n;

	CHECK_EQ((uintptr_t)arg % 16, 0);
	for (int round = 0; round < 2; round++) {
		for (size_t i = sizeof(*c); i < n; i++)
			CHECK_EQ(((unsigned char *)c)[i],
				 byte_at(i, n + (size_t)round));
		for (size_t i = sizeof(*c); i < n; i++)
			((unsigned char *)c)[i] = byte_at(i, n + 1);
		gort_yield();
	}
	CHECK_EQ(c->n, n);
	atomic_fetch_add(&copies_seen, 1);
}

static void check_byte(void *arg)
{
	CHECK_EQ((uintptr_t)arg % 16, 0);
	CHECK_EQ(*(unsigned char *)arg, 0xa7);
	atomic_fetch_add(&copies_seen, 1);
}

static void check_copies(void *arg)
{
	static const size_t sizes[] = {
		8, 9, 15, 16, 17, 24, 31, 32, 33, 255, 256, 1000, 1024, 4000,
		4080, 4095, 4096, 4097, 8000, 8191, GORT_GO_COPY_MAX,
	};
	static _Alignas(16) unsigned char buf[GORT_GO_COPY_MAX];
	unsigned char one = 0xa7;
	int n = 0;

	(void)arg;
	CHECK_EQ(gort_go_copy(check_byte, &one, 1), 0);
	one = 0;
	n++;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		struct copied *c = (struct copied *)buf;

		for (size_t i = 0; i < sizes[k]; i++)
			buf[i] = byte_at(i, sizes[k]);
		c->n = sizes[k];
		CHECK_EQ(gort_go_copy(check_copy, buf, sizes[k]), 0);
		memset(buf, 0xee, sizeof(buf));
		n++;
	}
	wait_for(&copies_seen, n);
	CHECK_EQ(atomic_load(&copies_seen), n);
}

static void test_go_copy(void **state)
{
	(void)state;
	for (int i = 1; i <= mode_times(100); i++) {
		atomic_store(&copies_seen, 0);
		assert_int_equal(gort_run(check_copies, NULL), 0);
	}
}

static void check_copy_errors(void *arg)
{
	static unsigned char buf[GORT_GO_COPY_MAX + 1];

	(void)arg;
	CHECK_EQ(gort_go_copy(count, buf, GORT_GO_COPY_MAX + 1), -E2BIG);
	CHECK_EQ(gort_go_copy(count, buf, SIZE_MAX), -E2BIG);
	CHECK_EQ(gort_go_copy(NULL, buf, 1), -EINVAL);
	CHECK_EQ(gort_go_copy(count, NULL, 1), -EINVAL);
	CHECK_EQ(gort_go(NULL, buf), -EINVAL);
	CHECK_EQ(gort_go_copy(count, buf, 0), 0);
	CHECK_EQ(gort_go_copy(count, NULL, 0), 0);
	CHECK_EQ(gort_go_copy(count, buf, GORT_GO_COPY_MAX), 0);
	wait_for(&counter, 3);
	for (int i = 0; i < 100; i++)
		gort_yield();
	CHECK_EQ(atomic_load(&counter), 3);
}

static void test_go_copy_errors(void **state)
{
	(void)state;
	assert_int_equal(gort_run(check_copy_errors, NULL), 0);
}

/* --- ids --- */

#define NIDS	5000

static uint64_t ids[NIDS];

static void store_id(void *arg)
{
	uint64_t *id = arg;

	*id = gort_goid();
	gort_yield();
	CHECK_EQ(gort_goid(), *id);
	atomic_fetch_add(&counter, 1);
}

static void collect_ids(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_goid(), 1);
	ids[0] = gort_goid();
	for (int i = 1; i < NIDS; i++)
		CHECK_EQ(gort_go(store_id, &ids[i]), 0);
	wait_for(&counter, NIDS - 1);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_ids(void **state)
{
	(void)state;
	assert_int_equal(gort_goid(), 0);
	assert_int_equal(gort_run(collect_ids, NULL), 0);
	assert_int_equal(gort_goid(), 0);
	qsort(ids, NIDS, sizeof(*ids), compare_ids);
	assert_int_equal(ids[0], 1);
	for (int i = 1; i < NIDS; i++)
		assert_true(ids[i] > ids[i - 1]);
}

/* --- fairness --- */

/* More than a P's own queue holds, so most wait in the global one. */
static void spawn_many_and_yield(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++)
		CHECK_EQ(gort_go(count, NULL), 0);
	gort_yield();
	/* All but what the last batch from the global queue may hold. */
	CHECK_LE(2000 - 256, atomic_load(&counter));
}

static void test_yield_waits_for_all(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "1", 1);
	assert_int_equal(gort_run(spawn_many_and_yield, NULL), 0);
}

/* --- statistics --- */

static void count_stats(void *arg)
{
	struct gort_stats a, b;
	int procs = *(int *)arg;

	gort_read_stats(&a);
	CHECK_EQ(a.goroutines, 1);
	CHECK_EQ(a.live, 1);
	CHECK_EQ(a.procs, procs);
	CHECK_LE(1, a.threads);
	CHECK_LE(a.threads, procs);
	CHECK_LE(1, a.switches);
	CHECK_LT(0, a.stack_inuse);
	CHECK_LE(a.stack_inuse, a.stack_resident);
	CHECK_LE(a.stack_resident, a.stack_peak);
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(gort_go(count, NULL), 0);
		gort_read_stats(&b);
		CHECK_EQ(b.goroutines, i + 2);
		CHECK_LE(1, b.live);
		CHECK_LE(b.live, i + 2);
		CHECK_LE(a.wall_ns, b.wall_ns);
	}
	wait_for(&counter, 1000);
	do {
		gort_yield();
		gort_read_stats(&b);
	} while (b.live > 1);
	CHECK_EQ(b.live, 1);
	CHECK_EQ(b.goroutines, 1001);
	CHECK_LE(1002, b.switches);
	CHECK_LE(1, b.threads);
	if (procs == 1)
		CHECK_EQ(b.steals, 0);
}

static void test_stats(void **state)
{
	struct gort_stats st;

	(void)state;
	for (int procs = 1; procs <= 4; procs++) {
		char s[16];

		snprintf(s, sizeof(s), "%d", procs);
		setenv("GORTMAXPROCS", s, 1);
		atomic_store(&counter, 0);
		assert_int_equal(gort_run(count_stats, &procs), 0);
		memset(&st, 0xff, sizeof(st));
		gort_read_stats(&st);
		assert_int_equal(st.goroutines, 1001);
		assert_int_equal(st.live, 0);
		assert_int_equal(st.procs, procs);
		assert_true(st.wall_ns > 0);
	}
}

/* On one P nothing but the yields switches. */
static void count_switches(void *arg)
{
	struct gort_stats a, b;

	(void)arg;
	gort_read_stats(&a);
	for (int i = 0; i < 1000; i++)
		gort_yield();
	gort_read_stats(&b);
	if (mode_gortdebug("maymorestack=preempt"))
		CHECK_LE(1000, b.switches - a.switches);
	else
		CHECK_EQ(b.switches - a.switches, 1000);
}

static void test_stats_of_switches(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "1", 1);
	assert_int_equal(gort_run(count_switches, NULL), 0);
}

static atomic_bool reader_stop;

static void *read_stats_thread(void *arg)
{
	struct gort_stats st;

	(void)arg;
	while (!atomic_load(&reader_stop)) {
		gort_read_stats(&st);
		CHECK_LE(st.live, st.goroutines);
		CHECK_LE(st.goroutines, 1001);
		CHECK_LE(st.procs, MAXPROCS_LIMIT);
		sched_yield();
	}
	return NULL;
}

static void spawn_1000(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(gort_go(nop, NULL), 0);
}

/* gort_read_stats() may come at any time, from any thread. */
static void test_stats_from_outside(void **state)
{
	pthread_t t;

	(void)state;
	atomic_store(&reader_stop, false);
	assert_int_equal(pthread_create(&t, NULL, read_stats_thread, NULL), 0);
	for (int i = 0; i < mode_times(200); i++)
		assert_int_equal(gort_run(spawn_1000, NULL), 0);
	atomic_store(&reader_stop, true);
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* --- contexts --- */

static struct gort_chan *some_chan;

/* What is refused, and what works, outside goroutine context. */
static void check_refused(void *arg)
{
	struct gort_stats st;
	struct gort_chan *c;
	char byte = 0;

	(void)arg;
	CHECK_EQ(gort_go(count, NULL), -EPERM);
	CHECK_EQ(gort_go_copy(count, &byte, 1), -EPERM);
	CHECK_EQ(gort_goid(), 0);
	CHECK_EQ(gort_chan_send(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_try_send(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_recv(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_try_recv(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_close(some_chan), -EPERM);
	CHECK_EQ(gort_chan_len(some_chan), 1);
	gort_read_stats(&st);
	c = gort_chan_new(1, 1);
	CHECK_NE((uintptr_t)c, 0);
	CHECK_EQ(gort_chan_free(c), 0);
	errno = EXDEV;
	CHECK_EQ(errno, EXDEV);
}

static void *check_refused_thread(void *arg)
{
	check_refused(arg);
	CHECK_EQ(gort_systemstack_call(count, NULL), -EPERM);
	return NULL;
}

static void in_contexts(void *arg)
{
	pthread_t t;
	char byte = 5;

	(void)arg;
	CHECK_EQ(gort_chan_send(some_chan, &byte), 0);
	CHECK_EQ(gort_systemstack_call(check_refused, NULL), 0);
	CHECK_EQ(pthread_create(&t, NULL, check_refused_thread, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(gort_systemstack_call(NULL, NULL), -EINVAL);
	CHECK_EQ(gort_goid(), 1);
}

static void test_refused(void **state)
{
	(void)state;
	some_chan = gort_chan_new(1, 1);
	assert_int_equal(gort_systemstack_call(count, NULL), -EPERM);
	assert_int_equal(gort_run(in_contexts, NULL), 0);
	check_refused(NULL);
	assert_int_equal(gort_systemstack_call(count, NULL), -EPERM);
	assert_int_equal(atomic_load(&counter), 0);
	assert_int_equal(gort_chan_free(some_chan), 0);
}

static struct gort_waitgroup some_wg;

static void call_yield(void *arg)
{
	(void)arg;
	gort_yield();
}

static void call_exit(void *arg)
{
	(void)arg;
	gort_exit();
}

static void call_wg_add(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&some_wg, 1);
}

static void call_wg_done(void *arg)
{
	(void)arg;
	gort_waitgroup_done(&some_wg);
}

static void call_wg_wait(void *arg)
{
	(void)arg;
	gort_waitgroup_wait(&some_wg);
}

static const struct {
	const char *name;
	void (*fn)(void *);
} fatal_calls[] = {
	{ "gort_yield", call_yield },
	{ "gort_exit", call_exit },
	{ "gort_waitgroup_add", call_wg_add },
	{ "gort_waitgroup_done", call_wg_done },
	{ "gort_waitgroup_wait", call_wg_wait },
};

static void *thread_of(void *arg)
{
	((void (*)(void *))arg)(NULL);
	return NULL;
}

static void join_thread_of(void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, thread_of, arg), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void on_systemstack(void *arg)
{
	CHECK_EQ(gort_systemstack_call(arg, NULL), 0);
}

static void run_join_thread_of(void *arg)
{
	gort_run(join_thread_of, arg);
}

static void run_on_systemstack(void *arg)
{
	gort_run(on_systemstack, arg);
}

static void run_then(void *arg)
{
	gort_run(nop, NULL);
	((void (*)(void *))arg)(NULL);
}

static void no_run(void *arg)
{
	((void (*)(void *))arg)(NULL);
}

static void test_fatal_outside(void **state)
{
	static void (*const places[])(void *) = {
		no_run, run_then, run_join_thread_of, run_on_systemstack,
	};
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(fatal_calls) / sizeof(*fatal_calls); i++)
		for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
			child_run(places[k], fatal_calls[i].fn);
			snprintf(want, sizeof(want),
				 "fatal error: %s called outside a goroutine",
				 fatal_calls[i].name);
			child_expect_text(want);
			child_expect_exit(2);
		}
}

/* --- gort_systemstack_call --- */

static void nest(void *arg)
{
	volatile char big[256 * 1024];
	int *depth = arg;

	big[0] = big[sizeof(big) - 1] = 1;
	if (--*depth > 0)
		CHECK_EQ(gort_systemstack_call(nest, arg), 0);
	big[0]++;
}

static void systemstack_calls(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		int depth = 1 + i % 8;

		CHECK_EQ(gort_systemstack_call(nest, &depth), 0);
		CHECK_EQ(depth, 0);
		gort_yield();
	}
	atomic_fetch_add(&counter, 1);
}

static void many_systemstack_calls(void *arg)
{
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(systemstack_calls, arg), 0);
	wait_for(&counter, 10);
}

static void test_systemstack(void **state)
{
	int n = mode_times(1000);

	(void)state;
	assert_int_equal(gort_run(many_systemstack_calls, &n), 0);
}

/* --- signal handlers --- */

static void handler_systemstack(int sig)
{
	(void)sig;
	gort_systemstack_call(count, NULL);
}

static void handler_refused(int sig)
{
	char byte = 0;

	(void)sig;
	CHECK_EQ(gort_goid(), 0);
	CHECK_EQ(gort_go(count, NULL), -EPERM);
	CHECK_EQ(gort_go_copy(count, &byte, 1), -EPERM);
	CHECK_EQ(gort_chan_send(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_try_send(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_recv(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_try_recv(some_chan, &byte), -EPERM);
	CHECK_EQ(gort_chan_close(some_chan), -EPERM);
	atomic_fetch_add(&arrived, 1);
}

static void handler_yield(int sig)
{
	(void)sig;
	gort_yield();
}

static void raise_usr1(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
}

static void run_with_handler(void *arg)
{
	struct sigaction sa = {
		.sa_handler = (void (*)(int))arg,
		.sa_flags = SA_ONSTACK,
	};

	some_chan = gort_chan_new(1, 1);
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	CHECK_EQ(gort_run(raise_usr1, NULL), 0);
	_exit(10 + atomic_load(&arrived));
}

static void test_signal_handler(void **state)
{
	(void)state;
	atomic_store(&arrived, 0);
	child_run(run_with_handler, (void *)handler_systemstack);
	child_expect_text("fatal error: the system stack was asked for in a signal handler");
	child_expect_exit(2);
	child_run(run_with_handler, (void *)handler_yield);
	child_expect_text("fatal error: gort_yield called outside a goroutine");
	child_expect_exit(2);
	child_run(run_with_handler, (void *)handler_refused);
	child_expect_exit(11);
}

/* --- errno --- */

#define ERRNO_GOROUTINES	50

static atomic_int migrations;

static void keep_errno(void *arg)
{
	int n = *(int *)arg, mine = 1000 + (int)gort_goid();
	pid_t tid = (pid_t)syscall(SYS_gettid), now;

	CHECK_EQ(errno, 0);
	for (int i = 0; i < n; i++) {
		errno = mine;
		gort_yield();
		CHECK_EQ(errno, mine);
		mine += ERRNO_GOROUTINES * 2;
		now = (pid_t)syscall(SYS_gettid);
		if (now != tid)
			atomic_fetch_add(&migrations, 1);
		tid = now;
	}
	atomic_fetch_add(&counter, 1);
}

static void keep_errnos(void *arg)
{
	for (int i = 0; i < ERRNO_GOROUTINES; i++)
		CHECK_EQ(gort_go(keep_errno, arg), 0);
	errno = 77;
	wait_for(&counter, ERRNO_GOROUTINES);
	CHECK_EQ(errno, 77);
}

/* Until goroutines did change threads. */
static void test_errno(void **state)
{
	int n = mode_times(100000 / ERRNO_GOROUTINES);

	(void)state;
	setenv("GORTMAXPROCS", "4", 1);
	atomic_store(&migrations, 0);
	do {
		atomic_store(&counter, 0);
		assert_int_equal(gort_run(keep_errnos, &n), 0);
	} while (atomic_load(&migrations) < 100);
}

static struct gort_chan *errno_chan[2];

static void errno_pong(void *arg)
{
	int v, n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		errno = -i - 1;
		CHECK_EQ(gort_chan_recv(errno_chan[0], &v), 0);
		CHECK_EQ(errno, -i - 1);
		CHECK_EQ(gort_chan_send(errno_chan[1], &v), 0);
		CHECK_EQ(errno, -i - 1);
	}
}

static void errno_ping(void *arg)
{
	int v, n = *(int *)arg;

	CHECK_EQ(gort_go(errno_pong, arg), 0);
	for (int i = 0; i < n; i++) {
		errno = i + 1;
		CHECK_EQ(gort_chan_send(errno_chan[0], &i), 0);
		CHECK_EQ(errno, i + 1);
		CHECK_EQ(gort_chan_recv(errno_chan[1], &v), 0);
		CHECK_EQ(errno, i + 1);
		CHECK_EQ(v, i);
	}
}

static void test_errno_channels(void **state)
{
	int n = mode_times(100000);

	(void)state;
	errno_chan[0] = gort_chan_new(sizeof(int), 0);
	errno_chan[1] = gort_chan_new(sizeof(int), 0);
	assert_int_equal(gort_run(errno_ping, &n), 0);
	assert_int_equal(gort_chan_free(errno_chan[0]), 0);
	assert_int_equal(gort_chan_free(errno_chan[1]), 0);
}

/* The runtime's own work leaves the goroutine's errno alone. */
static void errno_of_spawner(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 3000; i++) {
		errno = i;
		CHECK_EQ(gort_go(count, NULL), 0);
		CHECK_EQ(errno, i);
	}
	wait_for(&counter, 3000);
}

static void test_errno_spawn(void **state)
{
	(void)state;
	assert_int_equal(gort_run(errno_of_spawner, NULL), 0);
}

#define RUN_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup_env, teardown_env)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RUN_TEST(test_returns_0),
		RUN_TEST(test_many_runs),
		RUN_TEST(test_many_runs_of_any_length),
		RUN_TEST(test_einval),
		RUN_TEST(test_ebusy),
		RUN_TEST(test_errno_of_caller),
		RUN_TEST(test_left_parked),
		RUN_TEST(test_left_runnable),
		RUN_TEST(test_left_spinning),
		RUN_TEST(test_left_yielding),
		RUN_TEST(test_channel_survives_receivers),
		RUN_TEST(test_channel_survives_senders),
		RUN_TEST(test_channel_freed_after_run),
		RUN_TEST(test_waitgroup_survives),
		RUN_TEST(test_environment),
		RUN_TEST(test_unknown_setting_lists_known),
		RUN_TEST(test_bad_environment_is_no_end),
		RUN_TEST(test_affinity),
		RUN_TEST(test_exit),
		RUN_TEST(test_exit_of_first),
		RUN_TEST(test_go_copy),
		RUN_TEST(test_go_copy_errors),
		RUN_TEST(test_ids),
		RUN_TEST(test_yield_waits_for_all),
		RUN_TEST(test_stats),
		RUN_TEST(test_stats_of_switches),
		RUN_TEST(test_stats_from_outside),
		RUN_TEST(test_refused),
		RUN_TEST(test_fatal_outside),
		RUN_TEST(test_systemstack),
		RUN_TEST(test_signal_handler),
		RUN_TEST(test_errno),
		RUN_TEST(test_errno_channels),
		RUN_TEST(test_errno_spawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
