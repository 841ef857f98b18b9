// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_profile.c - millions of rounds of everything that
 * moves a stack, with the profiler's signal in the middle of it.
 *
 * Goroutines spawn others, grow stacks and jump out of them, make system
 * calls, work on the system stack, compute without a call until they are
 * preempted, and change their labels; one shrinks all stacks, one starts and
 * stops profiles.  What they compute is known.
 */
#include "stress/stress.h"
#include "stress/signals.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <gort/profile.h>

#include "kernel/spin.h"

#define NWORKERS	8
#define ROUNDS		4000000
#define DEPTH		60
#define CHURN		500

static _Atomic int done;
static _Atomic long rounds, children, profiles, samples;
static struct gort_waitgroup workers, others;
static struct churn expected[NWORKERS];

static void child(void *arg)
{
	struct gort_waitgroup *wg = arg;

	atomic_fetch_add_explicit(&children, 1, memory_order_relaxed);
	gort_waitgroup_done(wg);
}

static __attribute__((noinline)) uint64_t recurse(int depth, jmp_buf *out)
{
	volatile uint64_t frame[64];
	uint64_t below = 0;

	for (int i = 0; i < 64; i++)
		frame[i] = (uint64_t)(depth + i);
	if (depth)
		below = recurse(depth - 1, out);
	else if (out)
		longjmp(*out, 1);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(frame[i], depth + i);
	return below + 1;
}

static __attribute__((noinline)) void jump(int depth)
{
	volatile int before = depth;
	jmp_buf out;

	if (!setjmp(out))
		recurse(depth, &out);
	CHECK_EQ(before, depth);
}

static void on_system_stack(void *arg)
{
	spin_times(1000);
	++*(int *)arg;
}

static void calls(int i)
{
	int n = 0;

	gort_syscall_enter();
	CHECK_NE(getppid(), -1);
	gort_syscall_exit();
	CHECK_EQ(gort_systemstack_call(on_system_stack, &n), 0);
	if (i % 16 == 0)
		CHECK_EQ(gort_blocking(on_system_stack, &n), 0);
	CHECK_EQ(n, 1 + (i % 16 == 0));
}

static void compute(int i)
{
	struct churn c = { .x = (uint64_t)i + 1, .d = i, .l = i };

	churn(&c, CHURN);
	CHECK_EQ(c.x, expected[i].x);
	CHECK_EQ(c.d == expected[i].d, 1);
	CHECK_EQ(c.l == expected[i].l, 1);
}

static void worker(void *arg)
{
	static _Atomic int next;
	long n = *(long *)arg / NWORKERS + 1;
	int i = atomic_fetch_add(&next, 1) % NWORKERS;
	struct gort_waitgroup wg = { 0 };
	char label[2] = "a";

	for (long k = 0; k < n; k++) {
		label[0] = (char)('a' + k % 26);
		CHECK_EQ(gort_label_set("round", label), 0);
		gort_waitgroup_add(&wg, 1);
		CHECK_EQ(gort_go(child, &wg), 0);
		CHECK_EQ(recurse(DEPTH, NULL), DEPTH + 1);
		jump(DEPTH);
		calls((int)k);
		compute(i);
		gort_waitgroup_wait(&wg);
		atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed);
	}
	gort_waitgroup_done(&workers);
}

static void shaker(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		CHECK_LE(0, gort_stack_shrink());
		gort_sleep_ns(1000000);
	}
	gort_waitgroup_done(&others);
}

static void profiler(void *arg)
{
	struct gort_cpuprofile_stats st;
	int fd = open("/dev/null", O_WRONLY);

	(void)arg;
	do {
		CHECK_EQ(gort_cpuprofile_start(fd, GORT_CPUPROFILE_HZ_MAX), 0);
		gort_sleep_ns(200000000);
		CHECK_EQ(gort_cpuprofile_stop(), 0);
		gort_cpuprofile_read_stats(&st);
		CHECK_EQ(st.lost, 0);
		atomic_fetch_add(&samples, (long)st.samples);
		atomic_fetch_add(&profiles, 1);
	} while (!peek(&done));
	close(fd);
	gort_waitgroup_done(&others);
}

static void shake(void *arg)
{
	gort_waitgroup_add(&workers, NWORKERS);
	gort_waitgroup_add(&others, 2);
	CHECK_EQ(gort_go(profiler, NULL), 0);
	CHECK_EQ(gort_go(shaker, NULL), 0);
	for (int i = 0; i < NWORKERS; i++)
		CHECK_EQ(gort_go(worker, arg), 0);
	gort_waitgroup_wait(&workers);
	atomic_store(&done, 1);
	gort_waitgroup_wait(&others);
}

int main(void)
{
	long n = stress_long_count(ROUNDS);

	for (int i = 0; i < NWORKERS; i++) {
		expected[i] = (struct churn){
			.x = (uint64_t)i + 1, .d = i, .l = i
		};
		churn(&expected[i], CHURN);
	}
	setenv("GORTMAXPROCS", "3", 1);
	signals_start();
	stress_run("profiled", shake, &n);
	signals_stop();
	printf("# %ld rounds, %ld profiles, %ld samples\n",
	       atomic_load(&rounds), atomic_load(&profiles),
	       atomic_load(&samples));
	CHECK_EQ(atomic_load(&rounds), (n / NWORKERS + 1) * NWORKERS);
	CHECK_EQ(atomic_load(&children), atomic_load(&rounds));
	CHECK_LT(0, atomic_load(&samples));
	return stress_done("stress_profile");
}
