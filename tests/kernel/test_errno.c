// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_errno.c - what the runtime does for one goroutine leaves
 * the errno of others alone.
 *
 * Goroutines that call gort change threads in the midst of its functions,
 * among others that set errno and look whether it stays.  With DEBUG=1 that
 * is so wherever one function calls another.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"

#define NOWNERS		3
#define SPIN		20000
#define ERRNO_CALLER	111
#define ERRNO_OWNER	1000

static _Atomic int done;
static struct gort_waitgroup owners;
static int write_only;
static char *saved_procs, *saved_debug;

static char *dup_env(const char *name)
{
	const char *s = getenv(name);

	return s ? strdup(s) : NULL;
}

static void put_env(const char *name, char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
	free(value);
}

/* Fewer threads than goroutines, and a switch at every stack check. */
static int setup(void **state)
{
	char buf[256];

	(void)state;
	saved_procs = dup_env("GORTMAXPROCS");
	saved_debug = dup_env("GORTDEBUG");
	setenv("GORTMAXPROCS", "2", 1);
	snprintf(buf, sizeof(buf), "%s%smaymorestack=preempt",
		 saved_debug ? saved_debug : "",
		 saved_debug && *saved_debug ? "," : "");
	setenv("GORTDEBUG", buf, 1);
	atomic_store(&done, 0);
	write_only = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return write_only < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(write_only);
	put_env("GORTMAXPROCS", saved_procs);
	put_env("GORTDEBUG", saved_debug);
	return 0;
}

/* --- one that calls, others that own an errno --- */

static void owner(void *arg)
{
	int mine = ERRNO_OWNER + (int)(long)arg;

	while (!peek(&done)) {
		errno = mine;
		spin_times(SPIN);
		CHECK_EQ(errno, mine);
		gort_yield();
		CHECK_EQ(errno, mine);
	}
	gort_waitgroup_done(&owners);
}

struct call {
	void (*fn)(void);
	int n;
};

static void call(void *arg)
{
	const struct call *c = arg;
	int n = mode_times(c->n), moved = 0, tid = thread_id(), now;

	gort_waitgroup_add(&owners, NOWNERS);
	for (long i = 0; i < NOWNERS; i++)
		CHECK_EQ(gort_go(owner, (void *)i), 0);
	for (int i = 0; i < n || moved < n / 10; i++) {
		errno = ERRNO_CALLER;
		c->fn();
		CHECK_EQ(errno, ERRNO_CALLER);
		now = thread_id();
		moved += now != tid;
		tid = now;
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&owners);
}

static void among_owners(void (*fn)(void), int n)
{
	struct call c = { fn, n };

	assert_int_equal(gort_run(call, &c), 0);
}

/* Opens the status gate, by membarrier(2). */
static void shrink(void)
{
	CHECK_LE(0, gort_stack_shrink());
}

static void test_stack_shrink(void **state)
{
	(void)state;
	among_owners(shrink, 2000);
}

/* A system call that sets errno. */
static void fail_to_read(void)
{
	char c;

	CHECK_EQ(gort_read(write_only, &c, 1), -EBADF);
}

static void test_io(void **state)
{
	(void)state;
	among_owners(fail_to_read, 2000);
}

/* The profiler's signals and timers, on every thread. */
static void profile(void)
{
	CHECK_EQ(gort_cpuprofile_start(write_only, 100), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
}

static void test_profile(void **state)
{
	(void)state;
	among_owners(profile, 1000);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_stack_shrink),
		TEST(test_io),
		TEST(test_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
