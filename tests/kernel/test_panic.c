// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_panic.c - the ways to die: what is printed, which
 * goroutines and frames, how the process ends.
 */
#define _GNU_SOURCE
#include "kernel/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gort/gort.h>

#include "kernel/sched.h"
#include "kernel/time.h"
#include "tests/child.h"
#include "tests/kernel/check.h"

#define BAD_ADDR	8

static void run_on(const char *procs, void (*fn)(void *), void *arg)
{
	if (procs)
		setenv("GORTMAXPROCS", procs, 1);
	gort_run(fn, arg);
}

static void run_it(void *arg)
{
	run_on(NULL, arg, NULL);
}

static void run_on_one(void *arg)
{
	run_on("1", arg, NULL);
}

static void run_on_four(void *arg)
{
	run_on("4", arg, NULL);
}

static void yield_some(void)
{
	for (int i = 0; i < 100; i++)
		gort_yield();
}

static int count_text(const char *text)
{
	const char *p = child_err;
	int n = 0;

	while ((p = strstr(p, text))) {
		p += strlen(text);
		n++;
	}
	return n;
}

/* The texts come in this order. */
static void expect_order(const char *const *texts, size_t n)
{
	const char *p = child_err;

	for (size_t i = 0; i < n; i++) {
		p = strstr(p, texts[i]);
		if (!p) {
			child_show();
			fail_msg("want \"%s\", text %zu, in its place",
				 texts[i], i);
		}
		p += strlen(texts[i]);
	}
}

#define EXPECT_ORDER(...) do {						\
	static const char *const texts[] = { __VA_ARGS__ };		\
									\
	expect_order(texts, ARRAY_SIZE(texts));				\
} while (0)

/* Kept out of line, with something to do after the call. */
#define VISIBLE	__attribute__((noinline, noclone))

static volatile int after_call;

/* --- fatal and throw --- */

enum { FATAL_LINE = __LINE__ + 5 };

static VISIBLE void die_of_fatal(void *arg)
{
	(void)arg;
	fatal("of %s, number %d", "this", 7);
}

static VISIBLE void calls_die_of_fatal(void *arg)
{
	die_of_fatal(arg);
	after_call++;
}

static VISIBLE void die_of_throw(void *arg)
{
	(void)arg;
	throw("this and that");
}

static VISIBLE void calls_die_of_throw(void *arg)
{
	die_of_throw(arg);
	after_call++;
}

static void test_fatal(void **state)
{
	char place[64];

	(void)state;
	snprintf(place, sizeof(place), " at tests/kernel/test_panic.c:%d (0x",
		 FATAL_LINE);
	child_run(run_it, calls_die_of_fatal);
	child_expect_exit(2);
	EXPECT_ORDER("fatal error: of this, number 7\n",
		     "goroutine 1 [running]:\n", "\tdie_of_fatal+0x",
		     "\tcalls_die_of_fatal+0x");
	child_expect_text(place);
	assert_int_equal(count_text("goroutine "), 1);
}

static void test_throw(void **state)
{
	(void)state;
	child_run(run_it, calls_die_of_throw);
	child_expect_exit(2);
	EXPECT_ORDER("gort: internal error: this and that\n",
		     "goroutine 1 [running]:\n", "\tdie_of_throw+0x",
		     "\tcalls_die_of_throw+0x");
}

static VISIBLE void fatal_from_g0(void *arg)
{
	systemstack(die_of_fatal, arg);
	after_call++;
}

static void test_fatal_on_g0(void **state)
{
	(void)state;
	child_run(run_it, fatal_from_g0);
	child_expect_exit(2);
	EXPECT_ORDER("fatal error: of this, number 7\n",
		     "goroutine 1 [running]:\n", "\tdie_of_fatal+0x",
		     "\tfatal_from_g0+0x");
}

static VISIBLE void spawn_fatal(void *arg)
{
	CHECK_EQ(gort_go(calls_die_of_fatal, arg), 0);
	for (;;)
		gort_yield();
}

static void test_fatal_in_second(void **state)
{
	(void)state;
	child_run(run_it, spawn_fatal);
	child_expect_exit(2);
	EXPECT_ORDER("fatal error: of this, number 7\n", " [running]:\n",
		     "\tdie_of_fatal+0x", "\tcalls_die_of_fatal+0x",
		     "created by spawn_fatal in goroutine 1 at tests/kernel/test_panic.c:");
}

/* Threads that the runtime does not know can die, too. */
static void test_fatal_outside(void **state)
{
	(void)state;
	child_run(calls_die_of_fatal, NULL);
	child_expect_exit(2);
	child_expect_text("fatal error: of this, number 7\n");
	child_expect_no_text("goroutine");
	child_run(calls_die_of_throw, NULL);
	child_expect_exit(2);
	child_expect_text("gort: internal error: this and that\n");
}

static atomic_int ready_to_die;

static void die_together(void *arg)
{
	atomic_fetch_add(&ready_to_die, 1);
	while (atomic_load(&ready_to_die) < 3)
		;
	die_of_fatal(arg);
}

static void spawn_dying(void *arg)
{
	for (int i = 0; i < 2; i++)
		CHECK_EQ(gort_go(die_together, arg), 0);
	/* The others have Ps and get Ms. */
	while (atomic_load(&ready_to_die) < 2)
		gort_yield();
	die_together(arg);
}

/* One speaks, whole; the others wait for the end. */
static void test_several_die(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(50); i++) {
		child_run(run_on_four, spawn_dying);
		child_expect_exit(2);
		assert_int_equal(count_text("fatal error:"), 1);
		child_expect_text("\tdie_of_fatal+0x");
	}
}

/* --- deep stacks --- */

static void (*volatile dive_end)(void *) = die_of_fatal;

static VISIBLE int dive(int depth)
{
	volatile char pad[200];
	int v;

	pad[0] = 1;
	if (!depth) {
		dive_end(NULL);
		return 0;
	}
	v = dive(depth - 1);
	after_call++;
	return v + pad[0];
}

static VISIBLE void die_deep(void *arg)
{
	(void)arg;
	after_call = dive(2000);
}

/* Both ends, across segments, and how much is missing between them. */
static void test_deep(void **state)
{
	(void)state;
	child_run(run_it, die_deep);
	child_expect_exit(2);
	EXPECT_ORDER("fatal error: of this, number 7\n", "\tdive+0x",
		     "\t... ", " frames ...\n", "\tdive+0x",
		     "\tdie_deep+0x");
	assert_in_range(count_text("\tdive+0x"), 25, 100);
}

/* --- all goroutines --- */

static struct gort_chan *chan, *full;
static struct gort_waitgroup wg;

static VISIBLE void waits_to_receive(void *arg)
{
	(void)arg;
	gort_chan_recv(chan, NULL);
	after_call++;
}

static VISIBLE void waits_to_send(void *arg)
{
	(void)arg;
	gort_chan_send(full, "");
	after_call++;
}

static VISIBLE void waits_for_group(void *arg)
{
	(void)arg;
	gort_waitgroup_wait(&wg);
	after_call++;
}

static VISIBLE void yields(void *arg)
{
	(void)arg;
	for (;;) {
		gort_yield();
		after_call++;
	}
}

static VISIBLE void never_ran(void *arg)
{
	(void)arg;
	after_call++;
}

static VISIBLE void spawn_waiters(void *arg)
{
	(void)arg;
	chan = gort_chan_new(0, 0);
	full = gort_chan_new(1, 1);
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_chan_send(full, ""), 0);
	CHECK_EQ(gort_go(waits_to_receive, NULL), 0);
	CHECK_EQ(gort_go(waits_to_send, NULL), 0);
	CHECK_EQ(gort_go(waits_for_group, NULL), 0);
	after_call++;
}

static VISIBLE void all_wait(void *arg)
{
	spawn_waiters(arg);
	waits_to_receive(arg);
	after_call++;
}

static void expect_waiters(void)
{
	EXPECT_ORDER(" [chan receive]:\n", "\twaits_to_receive+0x",
		     "created by spawn_waiters in goroutine 1 at tests/kernel/test_panic.c:");
	EXPECT_ORDER(" [chan send]:\n", "\twaits_to_send+0x",
		     "created by spawn_waiters in goroutine 1 at tests/kernel/test_panic.c:");
	EXPECT_ORDER(" [waitgroup wait]:\n", "\twaits_for_group+0x",
		     "created by spawn_waiters in goroutine 1 at tests/kernel/test_panic.c:");
}

static void test_deadlock(void **state)
{
	static void (*const runs[])(void *) = {
		run_it, run_on_one, run_on_four,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		child_run(runs[i], all_wait);
		child_expect_exit(2);
		child_expect_text("fatal error: all goroutines are asleep - deadlock!\n");
		EXPECT_ORDER("goroutine 1 [chan receive]:\n",
			     "\twaits_to_receive+0x", "\tall_wait+0x");
		expect_waiters();
		assert_int_equal(count_text("goroutine 1 ["), 1);
		assert_int_equal(count_text("]:\n"), 4);
		assert_int_equal(count_text("fatal error:"), 1);
	}
}

static VISIBLE void wait_after_traffic(void *arg)
{
	struct gort_waitgroup done = { 0 };

	(void)arg;
	chan = gort_chan_new(0, 0);
	gort_waitgroup_add(&done, 1);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(gort_go(never_ran, NULL), 0);
	gort_waitgroup_wait(&done);
	after_call++;
}

/* The other Ms find out that they were the last to sleep; many times. */
static void test_deadlock_always_found(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(100); i++) {
		child_run(i % 2 ? run_on_four : run_it, wait_after_traffic);
		child_expect_exit(2);
		EXPECT_ORDER("all goroutines are asleep - deadlock!\n",
			     "goroutine 1 [waitgroup wait]:\n",
			     "\twait_after_traffic+0x");
	}
}

static VISIBLE void die_among_states(void *arg)
{
	spawn_waiters(arg);
	CHECK_EQ(gort_go(yields, NULL), 0);
	yield_some();
	CHECK_EQ(gort_go(never_ran, NULL), 0);
	fatal("every state");
}

static void test_every_state(void **state)
{
	(void)state;
	child_run(run_on_one, die_among_states);
	child_expect_exit(2);
	child_expect_text("fatal error: every state\n");
	EXPECT_ORDER("goroutine 1 [running]:\n", "\tdie_among_states");
	expect_waiters();
	EXPECT_ORDER(" [runnable]:\n", "\tyields+0x",
		     "created by die_among_states in goroutine 1 at tests/kernel/test_panic.c:");
	/* Where every check yields it did run. */
	if (mode_gortdebug("maymorestack=preempt"))
		return;
	EXPECT_ORDER(" [runnable]:\n", "\tnever_ran+0x0",
		     "created by die_among_states in goroutine 1 at tests/kernel/test_panic.c:");
	assert_int_equal(count_text("]:\n"), 6);
}

/* ThreadSanitizer is between the goroutine and what it calls. */
static bool frames_hidden(void)
{
#ifdef WITH_TSAN
	return true;
#endif
	return false;
}

static atomic_bool spinning;

static VISIBLE void spins(void *arg)
{
	(void)arg;
	atomic_store(&spinning, true);
	for (;;)
		after_call = 1;
}

static VISIBLE void die_beside_running(void *arg)
{
	CHECK_EQ(gort_go(spins, arg), 0);
	while (!atomic_load(&spinning))
		gort_yield();
	fatal("one more runs");
}

static void test_running_elsewhere(void **state)
{
	(void)state;
	if (frames_hidden())
		skip();
	child_run(run_on_four, die_beside_running);
	child_expect_exit(2);
	EXPECT_ORDER("goroutine 1 [running]:\n", "\tdie_beside_running");
	EXPECT_ORDER(" [running]:\n", "\tspins+0x",
		     "created by die_beside_running in goroutine 1 at tests/kernel/test_panic.c:");
	assert_int_equal(count_text("]:\n"), 2);
}

/* As if they had begun to wait earlier. */
static VISIBLE void die_after_minutes(void *arg)
{
	size_t cursor = 0;
	struct g *gp;

	CHECK_EQ(gort_go(spawn_waiters, arg), 0);
	yield_some();
	while ((gp = stack_next_g(&cursor)))
		gp->wait_since -= (s64)150 * NSEC_PER_SEC;
	fatal("waited for long");
}

static void test_minutes_waited(void **state)
{
	(void)state;
	child_run(run_on_one, die_after_minutes);
	child_expect_exit(2);
	child_expect_text(" [chan receive, 2 minutes]:\n");
}

static int never_filled[2];

static VISIBLE void blocks_in_read(void *arg)
{
	char c;

	(void)arg;
	gort_syscall_enter();
	if (read(never_filled[0], &c, 1) < 0)
		abort();
	gort_syscall_exit();
}

static VISIBLE void waits_in_syscall(void *arg)
{
	gort_lock_os_thread();
	blocks_in_read(arg);
	after_call = 1;
}

static VISIBLE void die_beside_syscall(void *arg)
{
	struct g *gp = NULL;
	size_t cursor = 0;

	CHECK_EQ(pipe(never_filled), 0);
	CHECK_EQ(gort_go(waits_in_syscall, arg), 0);
	do {
		gort_yield();
		cursor = 0;
		while ((gp = stack_next_g(&cursor)))
			if (g_status(gp) == G_SYSCALL)
				break;
	} while (!gp);
	fatal("one is in a system call");
}

static void test_in_syscall(void **state)
{
	(void)state;
	child_run(run_on_one, die_beside_syscall);
	child_expect_exit(2);
	EXPECT_ORDER(" [syscall, locked to thread]:\n", "\tblocks_in_read+0x",
		     "\twaits_in_syscall+0x",
		     "created by die_beside_syscall in goroutine 1 at tests/kernel/test_panic.c:");
}

/* libc has no frame pointers, so it hides its caller. */
static VISIBLE void hidden_by_libc(int sig)
{
	raise(sig);
	after_call = 1;
}

static VISIBLE void raise_signal(void *arg)
{
	CHECK_EQ(gort_go(spawn_waiters, NULL), 0);
	yield_some();
	hidden_by_libc((int)(intptr_t)arg);
	after_call = 1;
}

static void run_raise(void *arg)
{
	run_on("1", raise_signal, arg);
}

static void test_sigquit(void **state)
{
	(void)state;
	if (frames_hidden())
		skip();
	child_run(run_raise, (void *)(intptr_t)SIGQUIT);
	child_expect_exit(2);
	EXPECT_ORDER("SIGQUIT: quit\n\ngoroutine 1 [running]:\n",
		     "\traise_signal+0x", " [chan receive]:\n");
}

static void test_sigabrt(void **state)
{
	(void)state;
	if (frames_hidden())
		skip();
	child_run(run_raise, (void *)(intptr_t)SIGABRT);
	child_expect_signal(SIGABRT);
	EXPECT_ORDER("SIGABRT: abort\n\ngoroutine 1 [running]:\n",
		     "\traise_signal+0x", " [chan receive]:\n");
}

static void exit_three(int sig)
{
	(void)sig;
	_exit(3);
}

static void run_raise_handled(void *arg)
{
	signal((int)(intptr_t)arg, exit_three);
	run_raise(arg);
}

/* Who has a handler of his own gets the signal. */
static void test_quit_handled(void **state)
{
	static const int sigs[] = { SIGQUIT, SIGABRT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		child_run(run_raise_handled, (void *)(intptr_t)sigs[i]);
		child_expect_exit(3);
		child_expect_no_text("goroutine");
	}
}

static void run_crash(void *arg)
{
	setenv("GORTDEBUG", "crash=1", 1);
	run_on("1", arg, NULL);
}

static void test_crash(void **state)
{
	(void)state;
	child_run(run_crash, calls_die_of_fatal);
	child_expect_signal(SIGABRT);
	child_expect_text("fatal error: of this, number 7\n");
	child_expect_text("\tcalls_die_of_fatal+0x");
}

/* The same text without dying. */
static VISIBLE void dump_stacks(void *arg)
{
	static char buf[65536], part[100];
	int64_t len;

	CHECK_EQ(gort_go(spawn_waiters, arg), 0);
	yield_some();
	CHECK_EQ(gort_stack_dump(NULL, 1), -EINVAL);
	len = gort_stack_dump(buf, sizeof(buf));
	CHECK_LT(0, len);
	CHECK_EQ(len, strlen(buf));
	CHECK_EQ(strncmp(buf, "goroutine 1 [running]:\n", 23), 0);
	CHECK_NE(strstr(buf, "\tdump_stacks+0x"), 0);
	CHECK_NE(strstr(buf, " [chan receive]:\n"), 0);
	CHECK_NE(strstr(buf, "\twaits_to_receive+0x"), 0);
	CHECK_NE(strstr(buf, "created by spawn_waiters in goroutine "), 0);
	/* Cut off where it does not fit; the length is that of all of it. */
	CHECK_LT(sizeof(part), gort_stack_dump(part, sizeof(part)));
	CHECK_EQ(strlen(part), sizeof(part) - 1);
	CHECK_LT(0, gort_stack_dump(NULL, 0));
}

static void test_dump(void **state)
{
	(void)state;
	child_run(run_on_one, dump_stacks);
	child_expect_exit(0);
	assert_string_equal(child_err, "");
	assert_int_equal(gort_stack_dump(NULL, 0), -EPERM);
}

/* --- faults --- */

static VISIBLE void count_call(void)
{
	after_call++;
}

static void (*volatile make_frame)(void) = count_call;

/* In assembly: sanitizers would see it first. */
static VISIBLE void write_to_bad_address(void *arg)
{
	(void)arg;
	/* A call, so that it has a frame record by then. */
	make_frame();
#if defined(__x86_64__)
	__asm__ volatile("movl $1, (%0)" : : "r"((long)BAD_ADDR) : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("str wzr, [%0]" : : "r"((long)BAD_ADDR) : "memory");
#endif
	after_call++;
}

static VISIBLE void calls_write(void *arg)
{
	write_to_bad_address(arg);
	after_call++;
}

static VISIBLE void spawn_write(void *arg)
{
	CHECK_EQ(gort_go(calls_write, arg), 0);
	for (;;)
		gort_yield();
}

/* As if no sanitizer had a handler of its own. */
static void default_actions(void)
{
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
}

static void run_by_default(void *arg)
{
	default_actions();
	gort_run(arg, NULL);
}

static void test_wild_access(void **state)
{
	(void)state;
	child_run(run_by_default, calls_write);
	child_expect_signal(SIGSEGV);
	EXPECT_ORDER("SIGSEGV: invalid memory access at 0x8, pc 0x",
		     "goroutine 1 [running]:\n", "\twrite_to_bad_address+0x",
		     "\tcalls_write+0x");
	child_run(run_by_default, spawn_write);
	child_expect_signal(SIGSEGV);
	EXPECT_ORDER("SIGSEGV: invalid memory access at 0x8, pc 0x",
		     " [running]:\n", "\twrite_to_bad_address+0x",
		     "\tcalls_write+0x",
		     "created by spawn_write in goroutine 1 at tests/kernel/test_panic.c:");
}

static VISIBLE void write_on_g0(void *arg)
{
	systemstack(write_to_bad_address, arg);
	after_call++;
}

static void test_wild_access_on_g0(void **state)
{
	(void)state;
	child_run(run_by_default, write_on_g0);
	child_expect_signal(SIGSEGV);
	EXPECT_ORDER("SIGSEGV: invalid memory access at 0x8, pc 0x",
		     "\twrite_to_bad_address+0x", "\twrite_on_g0+0x");
}

static void *write_in_thread(void *arg)
{
	write_to_bad_address(arg);
	return NULL;
}

static void thread_writes(void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, write_in_thread, arg), 0);
	pthread_join(t, NULL);
}

/* No goroutine did it: they are printed, but as they stand elsewhere. */
static void test_wild_access_of_thread(void **state)
{
	(void)state;
	child_run(run_by_default, thread_writes);
	child_expect_signal(SIGSEGV);
	child_expect_text("SIGSEGV: invalid memory access at 0x8, pc 0x");
	child_expect_no_text("\twrite_in_thread");
	assert_int_equal(count_text("]:\n"), 1);
}

static VISIBLE void touch_beyond_file(void *arg)
{
	FILE *f = tmpfile();
	volatile char *p;

	(void)arg;
	CHECK_NE((uintptr_t)f, 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
	CHECK_NE((uintptr_t)p, (uintptr_t)MAP_FAILED);
	after_call = *p;
}

static void test_bus_error(void **state)
{
	(void)state;
	child_run(run_by_default, touch_beyond_file);
	child_expect_signal(SIGBUS);
	EXPECT_ORDER("SIGBUS: invalid memory access at 0x",
		     "goroutine 1 [running]:\n", "\ttouch_beyond_file+0x");
}

static void raise_sigsegv(void *arg)
{
	(void)arg;
	kill(getpid(), SIGSEGV);
	for (;;)
		gort_yield();
}

static void test_sent_signal(void **state)
{
	(void)state;
	child_run(run_by_default, raise_sigsegv);
	child_expect_signal(SIGSEGV);
}

/* --- the user's own handlers --- */

static void on_segv_info(int sig, siginfo_t *info, void *uc)
{
	if (sig == SIGSEGV && info->si_addr == (void *)BAD_ADDR && uc)
		_exit(33);
	_exit(34);
}

static void on_segv(int sig)
{
	_exit(sig == SIGSEGV ? 35 : 36);
}

static void run_with_info_handler(void *arg)
{
	struct sigaction sa = {
		.sa_sigaction = on_segv_info, .sa_flags = SA_SIGINFO,
	};

	sigaction(SIGSEGV, &sa, NULL);
	gort_run(arg, NULL);
}

static void run_with_handler(void *arg)
{
	signal(SIGSEGV, on_segv);
	gort_run(arg, NULL);
}

static void test_own_handler(void **state)
{
	(void)state;
	child_run(run_with_info_handler, calls_write);
	child_expect_exit(33);
	assert_string_equal(child_err, "");
	child_run(run_with_info_handler, spawn_write);
	child_expect_exit(33);
	child_run(run_with_handler, calls_write);
	child_expect_exit(35);
	assert_string_equal(child_err, "");
}

static sigjmp_buf on_fault_go_to;
static volatile int faults;

static void jump_out(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(on_fault_go_to, 1);
}

static VISIBLE int deep_sum(int depth)
{
	volatile int pad[250];
	int below;

	pad[0] = 1;
	if (depth <= 1)
		return 1;
	below = deep_sum(depth - 1);
	return below + pad[0];
}

/* The stack is still checked after a jump out of a handler. */
static void fault_and_go_on(void *arg)
{
	volatile int depth = mode_gortdebug("maymorestack=move") ? 200 : 3000;

	for (volatile int i = 0; i < 10; i++) {
		if (!sigsetjmp(on_fault_go_to, 1))
			write_to_bad_address(arg);
		CHECK_EQ(faults, i + 1);
		CHECK_EQ(deep_sum(depth), depth);
		gort_yield();
		CHECK_EQ(deep_sum(depth), depth);
	}
	_exit(40);
}

static void run_with_jump(void *arg)
{
	signal(SIGSEGV, jump_out);
	gort_run(arg, NULL);
}

static void test_jump_out_of_handler(void **state)
{
	(void)state;
	child_run(run_with_jump, fault_and_go_on);
	child_expect_exit(40);
}

static void nop(void *arg)
{
	(void)arg;
}

static void check_restored(void *arg)
{
	struct sigaction now;
	stack_t before, after;

	(void)arg;
	signal(SIGSEGV, on_segv);
	signal(SIGBUS, SIG_IGN);
	CHECK_EQ(sigaltstack(NULL, &before), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_run(nop, NULL), 0);
	CHECK_EQ(sigaltstack(NULL, &after), 0);
	CHECK_EQ((uintptr_t)after.ss_sp, (uintptr_t)before.ss_sp);
	CHECK_EQ(after.ss_flags, before.ss_flags);
	CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
	CHECK_EQ((uintptr_t)now.sa_handler, (uintptr_t)on_segv);
	CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
	CHECK_EQ((uintptr_t)now.sa_handler, (uintptr_t)SIG_IGN);
}

static void test_handlers_restored(void **state)
{
	(void)state;
	child_run(check_restored, NULL);
	child_expect_exit(0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fatal),
		cmocka_unit_test(test_throw),
		cmocka_unit_test(test_fatal_on_g0),
		cmocka_unit_test(test_fatal_in_second),
		cmocka_unit_test(test_fatal_outside),
		cmocka_unit_test(test_several_die),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_deadlock_always_found),
		cmocka_unit_test(test_every_state),
		cmocka_unit_test(test_running_elsewhere),
		cmocka_unit_test(test_minutes_waited),
		cmocka_unit_test(test_in_syscall),
		cmocka_unit_test(test_sigquit),
		cmocka_unit_test(test_sigabrt),
		cmocka_unit_test(test_quit_handled),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_wild_access),
		cmocka_unit_test(test_wild_access_on_g0),
		cmocka_unit_test(test_wild_access_of_thread),
		cmocka_unit_test(test_bus_error),
		cmocka_unit_test(test_sent_signal),
		cmocka_unit_test(test_own_handler),
		cmocka_unit_test(test_jump_out_of_handler),
		cmocka_unit_test(test_handlers_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
