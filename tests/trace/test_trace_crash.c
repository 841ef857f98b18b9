// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_trace_crash.c - programs that die while they are traced, at
 * random moments and in every way.
 *
 * A generation that gort_trace_read_stats() has called complete is in the
 * file, whatever comes then, and so is what was said in it.
 *
 * STRESS_SCALE=100: a thousand deaths.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "trace/readback.h"

#define LOGS_MAX	100000

/* Shared with the program that dies. */
struct victim {
	int fd;
	unsigned int version;
	void (*death)(struct victim *v);
	unsigned int us;		/* until then, from 3 generations on */
	_Atomic uint64_t generations;	/* that were complete */
	_Atomic uint64_t logs;
	/* How many were complete when it was logged. */
	_Atomic uint32_t at[LOGS_MAX];
};

static _Atomic int die_now;

/* --- deaths --- */

static void by_kill(struct victim *v)
{
	(void)v;
	kill(getpid(), SIGKILL);
}

static void by_term(struct victim *v)
{
	(void)v;
	kill(getpid(), SIGTERM);
}

static void by_abort(struct victim *v)
{
	(void)v;
	abort();
}

static void by_exit(struct victim *v)
{
	(void)v;
	_exit(3);
}

static void by_fault(struct victim *v)
{
	int *volatile nowhere = (int *)8;

	(void)v;
	*nowhere = 1;
}

/* Those that a goroutine dies of. */
__attribute__((unused)) static void by_fatal_error(struct victim *v)
{
	(void)v;
	atomic_store(&die_now, 1);
	pause();
}

static void by_fault_of_goroutine(struct victim *v)
{
	(void)v;
	atomic_store(&die_now, 2);
	pause();
}

/* --- what is going on --- */

static void sample(struct victim *v)
{
	struct gort_trace_stats st;

	gort_trace_read_stats(&st);
	atomic_store(&v->generations, st.generations);
}

/* First the number that is sure, then the event. */
static void says(void *arg)
{
	struct victim *v = arg;

	for (uint64_t n = 0; n < LOGS_MAX; n++) {
		sample(v);
		atomic_store(&v->at[n], (uint32_t)atomic_load(&v->generations));
		gort_trace_logf(n, "n", "%llu", (unsigned long long)n);
		atomic_store(&v->logs, n + 1);
		gort_sleep_ns(200000);
	}
}

static void leaf(void *arg)
{
	(void)arg;
}

static void spawns(void *arg)
{
	for (;;) {
		for (int i = 0; i < 10; i++)
			CHECK_EQ(gort_go(leaf, arg), 0);
		gort_sleep_ns(100000);
	}
}

static void calls(void *arg)
{
	struct timespec ts = { .tv_nsec = 50000 };

	(void)arg;
	for (;;) {
		gort_syscall_enter();
		nanosleep(&ts, NULL);
		gort_syscall_exit();
	}
}

static void dies(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	for (;;) {
		if (peek(&die_now) == 1)
			gort_waitgroup_done(&wg);
		else if (peek(&die_now) == 2)
			by_fault(arg);
		gort_sleep_ns(100000);
	}
}

static void *kills(void *arg)
{
	struct victim *v = arg;

	while (atomic_load(&v->generations) < 3)
		usleep(1000);
	usleep(v->us);
	v->death(v);
	return NULL;
}

static void lives(void *arg)
{
	struct victim *v = arg;
	struct gort_trace_opts opts = { .version = v->version };
	pthread_t t;

	CHECK_EQ(gort_trace_start(v->fd, &opts), 0);
	CHECK_EQ(pthread_create(&t, NULL, kills, v), 0);
	CHECK_EQ(gort_go(says, v), 0);
	CHECK_EQ(gort_go(spawns, v), 0);
	CHECK_EQ(gort_go(calls, v), 0);
	dies(v);
}

static void run_victim(void *arg)
{
	/* By the thread that kills; the default, not the sanitizer's. */
	signal(SIGSEGV, SIG_DFL);
	debug_add("traceadvanceperiod=1000000");
	gort_run(lives, arg);
}

/* --- what is left --- */

struct found {
	const struct victim *v;
	uint64_t logs;		/* in order, from 0 on */
};

static void find_log(const struct tracefile *tf,
		     const struct tracefile_event *ev, void *arg)
{
	struct tracefile_details d;
	struct found *f = arg;

	if (ev->kind != TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	assert_int_equal(d.task, f->logs);
	f->logs++;
}

/*
 * Logged when n generations were complete, it is in one of the two that
 * follow: the next may have been about to end.
 */
static uint64_t logs_that_must_be_there(const struct victim *v)
{
	uint64_t n = 0;

	while (n < v->logs && v->at[n] + 2 <= v->generations)
		n++;
	return n;
}

static void expect_remains(struct victim *v)
{
	struct found f = { v, 0 };
	struct seen s = { .each = find_log, .arg = &f };
	uint64_t must = logs_that_must_be_there(v);

	readback(v->fd, TRACEFILE_TAIL, &s);
	assert_int_equal(s.version, v->version);
	assert_true(v->generations >= 3);
	if (s.generations < v->generations || f.logs < must) {
		child_show();
		fail_msg("%d of %d generations, %d of %d logs",
			 (int)s.generations, (int)v->generations, (int)f.logs,
			 (int)must);
	}
}

static const struct {
	void (*death)(struct victim *v);
	int signal;		/* or */
	int status;
} deaths[] = {
	{ by_kill, SIGKILL, 0 },
	{ by_term, SIGTERM, 0 },
	{ by_abort, SIGABRT, 0 },
	{ by_exit, 0, 3 },
	{ by_fault, SIGSEGV, 0 },
#ifndef WITH_TSAN	/* a report that is under way would hold it up */
	{ by_fatal_error, 0, 2 },
#endif
	{ by_fault_of_goroutine, SIGSEGV, 0 },
};

#define DEATHS	(sizeof(deaths) / sizeof(*deaths))

static int times(void)
{
	const char *scale = getenv("STRESS_SCALE");

	if (scale && *scale)
		return 1000 * atoi(scale) / 100;
	return mode_times(28) < (int)DEATHS ? (int)DEATHS : mode_times(28);
}

static void test_deaths(void **state)
{
	struct victim *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = (unsigned int)time(NULL);
	int n = times();

	(void)state;
	print_message("# seed %u\n", seed);
	for (int i = 0; i < n; i++) {
		size_t how = (size_t)i % DEATHS;

		memset(v, 0, sizeof(*v));
		v->fd = trace_file();
		v->version = i % 2 ? 26 : 23;
		v->death = deaths[how].death;
		v->us = (unsigned int)rand_r(&seed) % 50000;
		child_run(run_victim, v);
		if (deaths[how].signal)
			child_expect_signal(deaths[how].signal);
		else
			child_expect_exit(deaths[how].status);
		expect_remains(v);
		close(v->fd);
	}
	munmap(v, sizeof(*v));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
