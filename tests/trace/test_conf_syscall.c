// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_conf_syscall.c - traces of system calls: short and long
 * ones, whose Ps are stolen, and which last for whole generations.
 */
#include "trace/conf.h"

#include <poll.h>
#include <time.h>

#define GO(x)	TRACEFILE_GO_##x

static void go(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_go(fn, arg), 0);
}

/* --- waiting for a pipe, since before the trace --- */

static struct {
	int fds[3][2];
	struct gort_waitgroup all;
} pipes;

static void read_byte(void *arg)
{
	int fd = *(int *)arg;
	char byte;

	while (read(fd, &byte, 1) < 0)
		;
}

static void by_syscall(void *arg)
{
	gort_syscall_enter();
	read_byte(arg);
	gort_syscall_exit();
	gort_waitgroup_done(&pipes.all);
}

static void by_blocking(void *arg)
{
	CHECK_EQ(gort_blocking(read_byte, arg), 0);
	gort_waitgroup_done(&pipes.all);
}

static void by_poller(void *arg)
{
	char byte;

	CHECK_EQ(gort_read(*(int *)arg, &byte, 1), 1);
	gort_waitgroup_done(&pipes.all);
}

static void pipes_begin(void)
{
	static void (*const fns[])(void *) = {
		by_syscall, by_blocking, by_poller,
	};

	gort_waitgroup_add(&pipes.all, 3);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pipe(pipes.fds[i]), 0);
		go(fns[i], pipes.fds[i]);
	}
	conf_until_quiet(2);
}

static void pipes_end(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(write(pipes.fds[i][1], "", 1), 1);
	gort_waitgroup_wait(&pipes.all);
}

static void pipes_close(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(gort_close(pipes.fds[i][0]), 0);
		CHECK_EQ(close(pipes.fds[i][1]), 0);
	}
}

static void pipe_since_before(struct conf *c)
{
	pipes_begin();
	conf_start(c);
	conf_generations(3);
	pipes_end();
	conf_stop(c);
	pipes_close();
}

/* Calls that began before are known by their ends only.  Whoever was woken
 * to read does so in a call of its own. */
static void pipe_since_before_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(SYSCALL)], 2);
	CHECK_EQ(f->go[GO(RUNNING)][GO(SYSCALL)], 1);
	CHECK_LE(2, f->go[GO(SYSCALL)][GO(RUNNABLE)]);
	CHECK_LE(1, f->go[GO(UNDETERMINED)][GO(WAITING)]);
}

static void test_pipe_since_before(void **state)
{
	static const struct conf_prog p = {
		.name = "pipe-before",
		.run = pipe_since_before,
		.expect = pipe_since_before_expect,
	};

	(void)state;
	conf_run(&p);
}

/* They begin while traced, and end after; traced again they go on. */
static void pipe_until_after(struct conf *c)
{
	conf_start(c);
	pipes_begin();
	conf_generations(2);
	conf_stop(c);
	conf_start(c);
	conf_generations(1);
	conf_stop(c);
	conf_start(c);
	pipes_end();
	conf_stop(c);
	pipes_close();
	c->count[0] = 0;
}

static void pipe_until_after_expect(struct conf *c, const struct conf_facts *f)
{
	int n = (int)c->count[0]++;

	CHECK_EQ(f->go[GO(RUNNING)][GO(SYSCALL)],
		 n == 0 ? 3 : n == 2 ? 1 : 0);
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(SYSCALL)], n == 0 ? 0 : 2);
	CHECK_EQ(f->go[GO(SYSCALL)][GO(RUNNABLE)] +
		 f->go[GO(SYSCALL)][GO(RUNNING)], n == 0 ? 1 : n == 2 ? 3 : 0);
}

static void test_pipe_until_after(void **state)
{
	static const struct conf_prog p = {
		.name = "pipe-after",
		.run = pipe_until_after,
		.expect = pipe_until_after_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- the only P is stolen --- */

static void stolen(struct conf *c)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	memset(&pipes.all, 0, sizeof(pipes.all));
	if (c->round % 2)
		conf_start(c);
	for (int i = 0; i < 3; i++) {
		gort_waitgroup_add(&pipes.all, 1);
		go(i % 2 ? by_blocking : by_syscall, fds);
	}
	/* Comes back with all of them in their calls. */
	conf_until_quiet(3);
	if (c->round % 2 == 0)
		conf_start(c);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	gort_waitgroup_wait(&pipes.all);
	conf_stop(c);
	CHECK_EQ(close(fds[0]), 0);
	CHECK_EQ(close(fds[1]), 0);
}

static void stolen_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(f->go[GO(RUNNING)][GO(SYSCALL)], c->round % 2 ? 3 : 0);
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(SYSCALL)], c->round % 2 ? 0 : 3);
	CHECK_EQ(f->go[GO(SYSCALL)][GO(RUNNABLE)], 3);
	CHECK_EQ(f->go[GO(SYSCALL)][GO(RUNNING)], 0);
}

static void test_stolen(void **state)
{
	static const struct conf_prog p = {
		.name = "stolen",
		.run = stolen,
		.expect = stolen_expect,
		.procs = 1,
	};

	(void)state;
	conf_run(&p);
}

/* --- many of all lengths --- */

#define CALLERS	16
#define CALLS	30

static void nap(void *arg)
{
	long ns = *(long *)arg;

	if (ns)
		clock_nanosleep(CLOCK_MONOTONIC, 0,
				&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void caller(void *arg)
{
	static long lengths[] = { 0, 0, 0, 1, 10000, 60000 };
	struct conf *c = arg;

	for (unsigned int i = 0; i < CALLS; i++) {
		long *ns = &lengths[(i + gort_goid()) % 6];

		if (i % 4 == 3) {
			CHECK_EQ(gort_blocking(nap, ns), 0);
		} else {
			gort_syscall_enter();
			nap(ns);
			gort_syscall_exit();
		}
		atomic_fetch_add(&c->count[0], 1);
		if (i % 8 == 0)
			gort_yield();
	}
	gort_waitgroup_done(&pipes.all);
}

static void many(struct conf *c)
{
	memset(&pipes.all, 0, sizeof(pipes.all));
	gort_waitgroup_add(&pipes.all, CALLERS);
	conf_start(c);
	for (int i = 0; i < CALLERS; i++)
		go(caller, c);
	gort_waitgroup_wait(&pipes.all);
	conf_stop(c);
}

static void many_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(c->count[0], CALLERS * CALLS);
	CHECK_EQ(f->go[GO(RUNNING)][GO(SYSCALL)], c->count[0]);
	CHECK_EQ(f->go[GO(SYSCALL)][GO(RUNNING)] +
		 f->go[GO(SYSCALL)][GO(RUNNABLE)], c->count[0]);
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(SYSCALL)], 0);
}

static void test_many(void **state)
{
	static const struct conf_prog p = {
		.name = "syscalls",
		.run = many,
		.expect = many_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- the trace begins and ends at any point of a call --- */

static _Atomic int calls_over;

static void call_for_ever(void *arg)
{
	static long ns = 1;

	(void)arg;
	for (int i = 0; !atomic_load(&calls_over); i++) {
		gort_syscall_enter();
		if (i % 16 == 0)
			nap(&ns);
		gort_syscall_exit();
	}
	gort_waitgroup_done(&pipes.all);
}

static void calls_everywhere(struct conf *c)
{
	atomic_store(&calls_over, 0);
	memset(&pipes.all, 0, sizeof(pipes.all));
	gort_waitgroup_add(&pipes.all, 4);
	for (int i = 0; i < 4; i++)
		go(call_for_ever, NULL);
	for (int i = 0; i < 4; i++) {
		conf_start(c);
		gort_sleep_ns(i * 50000);
		conf_stop(c);
	}
	atomic_store(&calls_over, 1);
	gort_waitgroup_wait(&pipes.all);
}

static void calls_everywhere_expect(struct conf *c, const struct conf_facts *f)
{
	uint64_t in = f->go[GO(RUNNING)][GO(SYSCALL)] +
		      f->go[GO(UNDETERMINED)][GO(SYSCALL)];
	uint64_t out = f->go[GO(SYSCALL)][GO(RUNNING)] +
		       f->go[GO(SYSCALL)][GO(RUNNABLE)];

	(void)c;
	CHECK_LE(out, in);
	CHECK_LE(in - out, 4);
}

static void test_calls_everywhere(void **state)
{
	static const struct conf_prog p = {
		.name = "calls-everywhere",
		.run = calls_everywhere,
		.expect = calls_everywhere_expect,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe_since_before),
		cmocka_unit_test(test_pipe_until_after),
		cmocka_unit_test(test_stolen),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_calls_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
