// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_preempt.c - goroutines that do not give their P.
 *
 * Most tests have one P: if the loop is not preempted, the one who ends it
 * never runs, and the test times out.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <fenv.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "arch/regs.h"
#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"

struct regs regs_in_body, regs_to_return;
uint32_t regs_vectors;

static _Atomic int go_on, started, finished;
static struct gort_waitgroup all;

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

/* For the next run. */
static void again_with(const char *procs)
{
	setenv("GORTMAXPROCS", procs, 1);
	atomic_store(&go_on, 0);
	atomic_store(&started, 0);
	atomic_store(&finished, 0);
	memset(&all, 0, sizeof(all));
}

static int setup(void **state)
{
	(void)state;
	saved_procs = dup_env("GORTMAXPROCS");
	saved_debug = dup_env("GORTDEBUG");
	again_with("1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	put_env("GORTMAXPROCS", saved_procs);
	put_env("GORTDEBUG", saved_debug);
	return 0;
}

static void add_debug(const char *more)
{
	char buf[256];

	snprintf(buf, sizeof(buf), "%s%s%s", saved_debug ? saved_debug : "",
		 saved_debug && *saved_debug ? "," : "", more);
	setenv("GORTDEBUG", buf, 1);
}

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

/*
 * n goroutines that each run fn(i) once, while the caller waits until they
 * have started and lets them go on a little later.
 */
struct spin {
	void (*fn)(void *);
	int n;
};

static void spin_one(void *arg)
{
	struct spin *s = arg;

	atomic_fetch_add(&started, 1);
	s->fn(NULL);
	atomic_fetch_add(&finished, 1);
	gort_waitgroup_done(&all);
}

static void spin_all(void *arg)
{
	struct spin *s = arg;

	gort_waitgroup_add(&all, s->n);
	for (int i = 0; i < s->n; i++)
		CHECK_EQ(gort_go(spin_one, s), 0);
	while (atomic_load(&started) < s->n)
		gort_yield();
	/* Each of them is stopped a few times. */
	for (int i = 0; i < 3; i++)
		gort_yield();
	CHECK_EQ(atomic_load(&finished), 0);
	atomic_store(&go_on, 1);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&finished), s->n);
}

static void spin(void (*fn)(void *), int n)
{
	struct spin s = { fn, n };

	run(spin_all, &s);
}

static void just_spin(void *arg)
{
	(void)arg;
	spin_until(&go_on);
}

static void test_loop(void **state)
{
	(void)state;
	spin(just_spin, 1);
}

static void test_many_loops(void **state)
{
	(void)state;
	spin(just_spin, 10);
	again_with("4");
	spin(just_spin, 20);
}

/*
 * Registers.
 */

static __attribute__((noinline)) void spin_in_few_registers(void)
{
	spin_until(&go_on);
}

/* What the loop itself needs, and arm64's x16-x18 as for any call. */
static bool register_is_free(unsigned int i)
{
#ifdef __x86_64__
	return i > 2;
#else
	return i > 3 && (i < 16 || i > 18);
#endif
}

static void spin_with_registers(void *arg)
{
	static struct regs in, out;

	(void)arg;
	for (unsigned int i = 0; i < REGS_WORDS; i++)
		in.word[i] = i * 0x9e3779b97f4a7c15u ^ 0x55;
	regs_call(spin_in_few_registers, &in, &out);
	for (unsigned int i = 0; i < REGS_WORDS; i++)
		if (regs_kept_by_morestack(i) && register_is_free(i))
			CHECK_EQ(out.word[i] & regs_mask(i),
				 in.word[i] & regs_mask(i));
}

static void test_registers(void **state)
{
	(void)state;
#ifdef WITH_TSAN
	skip();
#endif
	regs_init();
	spin(spin_with_registers, 1);
}

static void spin_with_flags(void *arg)
{
	uint64_t set, clear;

	(void)arg;
	/* No instruction in the loops changes flags. */
#ifdef __x86_64__
	__asm__ volatile(
		"	stc\n"
		"1:	movl	%2, %%ecx\n"
		"	jrcxz	1b\n"
		"	sbbq	%0, %0\n"
		"	clc\n"
		"	movl	$300000000, %%ecx\n"
		"2:	leaq	-1(%%rcx), %%rcx\n"
		"	jrcxz	3f\n"
		"	jmp	2b\n"
		"3:	sbbq	%1, %1\n"
		: "=&r" (set), "=&r" (clear) : "m" (go_on) : "rcx", "cc");
	CHECK_EQ(set, ~(uint64_t)0);
	CHECK_EQ(clear, 0);
#else
	__asm__ volatile(
		"	cmp	xzr, xzr\n"
		"1:	ldr	w9, %2\n"
		"	cbz	w9, 1b\n"
		"	cset	%0, eq\n"
		"	mov	x9, #1\n"
		"	cmp	x9, xzr\n"
		"	movz	x9, #458, lsl #16\n"
		"2:	sub	x9, x9, #1\n"
		"	cbnz	x9, 2b\n"
		"	cset	%1, eq\n"
		: "=&r" (set), "=&r" (clear) : "Q" (go_on) : "x9", "cc");
	CHECK_EQ(set, 1);
	CHECK_EQ(clear, 0);
#endif
}

static void test_flags(void **state)
{
	(void)state;
	spin(spin_with_flags, 1);
}

static const int roundings[] = {
	FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO, FE_TONEAREST
};

/* Control words of x87, MXCSR or FPCR, and values on x87's stack. */
static void spin_with_rounding(void *arg)
{
	static _Atomic unsigned int next;
	int mode = roundings[atomic_fetch_add(&next, 1) % 4];
	volatile double one = 1, three = 3;
	volatile long double lone = 1;
	double third;
	long double lthird;

	(void)arg;
	CHECK_EQ(fesetround(mode), 0);
	third = one / three;
	lthird = lone / three;
	spin_until(&go_on);
	CHECK_EQ(fegetround(), mode);
	CHECK_EQ(third == one / three, 1);
	CHECK_EQ(lthird == lone / three, 1);
	fesetround(FE_TONEAREST);
}

static void test_floating_point_control(void **state)
{
	(void)state;
	spin(spin_with_rounding, 8);
}

static void spin_with_numbers(void *arg)
{
	struct churn c, first = { .x = 7, .d = 7, .l = 7 };

	(void)arg;
	c = first;
	churn(&first, 1000);
	do {
		struct churn again = c;

		churn(&again, 1000);
		CHECK_EQ(again.x, first.x);
		CHECK_EQ(again.d == first.d, 1);
		CHECK_EQ(again.l == first.l, 1);
	} while (!peek(&go_on));
}

static void test_numbers(void **state)
{
	(void)state;
	spin(spin_with_numbers, 4);
}

/* A leaf: compilers for x86-64 put its array below the stack pointer. */
static __attribute__((noinline)) uint64_t red_zone(uint64_t x)
{
	volatile uint64_t a[12];
	uint64_t bad = 0;

	for (unsigned int i = 0; i < 12; i++)
		a[i] = x + i;
	spin_until(&go_on);
	for (unsigned int i = 0; i < 12; i++)
		bad += a[i] != x + i;
	return bad;
}

static void spin_in_red_zone(void *arg)
{
	static _Atomic unsigned int next;

	(void)arg;
	CHECK_EQ(red_zone(atomic_fetch_add(&next, 1) * 1000), 0);
}

static void test_red_zone(void **state)
{
	(void)state;
	spin(spin_in_red_zone, 4);
}

/*
 * Threads.
 */

static __thread int thread_local_var;

static void spin_on_thread(void *arg)
{
	int *cached, tid;

	(void)arg;
	tid = thread_id();
	cached = &thread_local_var;
	*cached = tid;
	spin_until(&go_on);
	CHECK_EQ(*cached, tid);
	CHECK_EQ(thread_id(), tid);
}

static void test_same_thread(void **state)
{
	(void)state;
	spin(spin_on_thread, 5);
	again_with("3");
	spin(spin_on_thread, 10);
}

static void spin_with_errno(void *arg)
{
	static _Atomic int next;
	int mine = 1 + atomic_fetch_add(&next, 1);

	(void)arg;
	errno = mine;
	spin_until(&go_on);
	CHECK_EQ(errno, mine);
}

static void test_errno(void **state)
{
	(void)state;
	spin(spin_with_errno, 5);
}

/*
 * Where nothing is stopped.
 */

#define LONG_TIME	400000000	/* turns: more than a slice */

static uint64_t long_time(void)
{
	return mode_emulated() ? LONG_TIME / 8 : LONG_TIME;
}

/* A goroutine that is not preempted has finished when the first goes on. */
static void expect_finished_at_once(void *arg)
{
	CHECK_EQ(gort_go(arg, NULL), 0);
	gort_yield();
	CHECK_EQ(atomic_load(&started), 1);
	CHECK_EQ(atomic_load(&finished), 1);
}

static void spin_long(void *arg)
{
	(void)arg;
	atomic_store(&started, 1);
	spin_times(long_time());
	atomic_store(&finished, 1);
}

/* The other way round, or the test above would show nothing. */
static void expect_not_finished(void *arg)
{
	CHECK_EQ(gort_go(arg, NULL), 0);
	while (!atomic_load(&started))
		gort_yield();
	CHECK_EQ(atomic_load(&finished), 0);
	while (!atomic_load(&finished))
		gort_yield();
}

static void test_long_loop_is_preempted(void **state)
{
	(void)state;
	run(expect_not_finished, spin_long);
}

static void spin_long_after_check(void *arg)
{
	spin_long(arg);
}

static void test_asyncpreemptoff(void **state)
{
	(void)state;
	if (mode_gortdebug("maymorestack=preempt"))
		skip();
	add_debug("asyncpreemptoff=1");
	run(expect_finished_at_once, spin_long_after_check);
}

static __attribute__((noinline)) uint64_t called(uint64_t x)
{
	volatile char frame[512];

	frame[x % 512] = (char)x;
	return x + (uint64_t)frame[x % 512];
}

static void call_until(void *arg)
{
	(void)arg;
	while (!atomic_load(&go_on))
		called(5);
}

static void test_asyncpreemptoff_calls(void **state)
{
	(void)state;
	add_debug("asyncpreemptoff=1");
	spin(call_until, 3);
}

static gort_nosplit void spin_nosplit(uint64_t n)
{
	spin_times(n);
	atomic_store(&finished, 1);
}

static void call_nosplit(void *arg)
{
	(void)arg;
	atomic_store(&started, 1);
	spin_nosplit(long_time());
}

static void test_nosplit(void **state)
{
	(void)state;
	if (mode_gortdebug("maymorestack=preempt"))
		skip();
	run(expect_finished_at_once, call_nosplit);
}

/*
 * libc.
 */

#define BIG	((size_t)256 << 20)

static char *big;

static void search(void *arg)
{
	(void)arg;
	atomic_store(&started, 1);
	while (!atomic_load(&finished)) {
		CHECK_EQ(memchr(big, 1, BIG) == NULL, 1);
		CHECK_EQ(memchr(big, 0, BIG) == big, 1);
		called(3);
	}
	gort_waitgroup_done(&all);
}

/* Not in memchr(), but at the next check. */
static void search_and_yield(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(search, NULL), 0);
	for (int i = 0; i < 5; i++)
		gort_yield();
	atomic_store(&finished, 1);
	gort_waitgroup_wait(&all);
}

static void search_traced(void *arg)
{
	(void)arg;
	add_debug("schedtrace=5");
	gort_run(search_and_yield, NULL);
}

static void test_libc(void **state)
{
	(void)state;
	big = mmap(NULL, BIG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(big, MAP_FAILED);
	run(search_and_yield, NULL);
	atomic_store(&finished, 0);
	child_run(search_traced, NULL);
	child_expect_exit(0);
	if (!mode_sanitized())
		child_expect_text("has not yielded for ");
	munmap(big, BIG);
}

/*
 * SIGURG of the user's.
 */

static _Atomic int urgent;

static void on_urg(int sig)
{
	CHECK_EQ(sig, SIGURG);
	atomic_fetch_add(&urgent, 1);
}

static void on_urg_info(int sig, siginfo_t *info, void *uc)
{
	CHECK_EQ(sig, SIGURG);
	CHECK_EQ(info->si_signo, SIGURG);
	CHECK_NE((intptr_t)uc, 0);
	atomic_fetch_add(&urgent, 1000);
}

static void raise_urg(void *arg)
{
	(void)arg;
	raise(SIGURG);
	CHECK_LE(1, atomic_load(&urgent));
	spin_until(&go_on);
}

static void test_user_handler_before(void **state)
{
	struct sigaction sa = { .sa_handler = on_urg, .sa_flags = SA_ONSTACK };
	struct sigaction old, now;

	(void)state;
	atomic_store(&urgent, 0);
	sigaction(SIGURG, &sa, &old);
	spin(raise_urg, 1);
	sigaction(SIGURG, NULL, &now);
	assert_ptr_equal(now.sa_handler, on_urg);
	sigaction(SIGURG, &old, NULL);
}

static void install_and_raise(void *arg)
{
	struct sigaction sa = {
		.sa_sigaction = on_urg_info,
		.sa_flags = SA_ONSTACK | SA_SIGINFO,
	};

	(void)arg;
	sigaction(SIGURG, &sa, NULL);
	raise(SIGURG);
	CHECK_LE(1000, atomic_load(&urgent));
	spin_until(&go_on);
	atomic_store(&urgent, 0);
	raise(SIGURG);
	CHECK_LE(1000, atomic_load(&urgent));
}

static void test_user_handler_during(void **state)
{
	struct sigaction old;

	(void)state;
	atomic_store(&urgent, 0);
	sigaction(SIGURG, NULL, &old);
	spin(install_and_raise, 1);
	sigaction(SIGURG, &old, NULL);
}

/*
 * Calls that block, of which nobody was told.
 */

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
	       (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void sleep_unannounced(void *arg)
{
	struct timespec ts = { .tv_nsec = 50000000 };

	(void)arg;
	atomic_store(&started, 1);
	CHECK_EQ(nanosleep(&ts, NULL), 0);
	atomic_store(&finished, 1);
}

static void poll_unannounced(void *arg)
{
	struct timespec start;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &start);
	atomic_store(&started, 1);
	CHECK_EQ(poll(NULL, 0, 50), 0);
	CHECK_LE(49, elapsed_ms(&start));
	atomic_store(&finished, 1);
}

static void want_p(void *arg)
{
	CHECK_EQ(gort_go(arg, NULL), 0);
	while (!atomic_load(&finished))
		gort_yield();
}

/*
 * And stacks, and the whole world; but only when it is asleep: who goes to
 * sleep in the moment in which it is signalled is woken.
 */
static void want_more(void *arg)
{
	struct timespec start;

	CHECK_EQ(gort_go(arg, NULL), 0);
	while (!atomic_load(&started))
		gort_yield();
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (elapsed_ms(&start) < 10)
		gort_yield();
	CHECK_LE(0, gort_stack_shrink());
	CHECK_LE(1, gort_gomaxprocs(3));
	while (!atomic_load(&finished))
		gort_yield();
}

static void with_procs(const char *procs, void (*fn)(void *), void *arg)
{
	again_with(procs);
	run(fn, arg);
}

static void test_no_eintr(void **state)
{
	(void)state;
	with_procs("1", want_p, sleep_unannounced);
	with_procs("1", want_p, poll_unannounced);
	with_procs("2", want_more, sleep_unannounced);
	with_procs("2", want_more, poll_unannounced);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loop),
		TEST(test_many_loops),
		TEST(test_registers),
		TEST(test_flags),
		TEST(test_floating_point_control),
		TEST(test_numbers),
		TEST(test_red_zone),
		TEST(test_same_thread),
		TEST(test_errno),
		TEST(test_long_loop_is_preempted),
		TEST(test_asyncpreemptoff),
		TEST(test_asyncpreemptoff_calls),
		TEST(test_nosplit),
		TEST(test_libc),
		TEST(test_user_handler_before),
		TEST(test_user_handler_during),
		TEST(test_no_eintr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
