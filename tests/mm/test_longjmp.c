// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_longjmp.c - longjmp() and its relatives out of deeper
 * segments: afterwards the right guard is found, and growth goes on.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE	2	/* longjmp() is __longjmp_chk() */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <signal.h>

#include "kernel/sched.h"
#include "mm/stack.h"

#define KIB(n)		((size_t)(n) << 10)
#define ROUNDS		40

void plain_longjmp(jmp_buf env, int val) __asm__("longjmp")
	__attribute__((noreturn));
void checked_longjmp(jmp_buf env, int val) __asm__("__longjmp_chk")
	__attribute__((noreturn));

static void (*library_longjmp)(jmp_buf env, int val);

static jmp_buf env;
static sigjmp_buf sigenv;

static void jump_plain(void)
{
	plain_longjmp(env, 5);
}

static void jump_checked(void)
{
	checked_longjmp(env, 5);
}

/* By the name a program uses. */
static void jump_fortified(void)
{
	longjmp(env, 5);
}

static void jump_underscore(void)
{
	_longjmp(env, 5);
}

/* As from a library that was linked without the wrapper. */
static void jump_unwrapped(void)
{
	library_longjmp(env, 5);
}

static void jump_signal(void)
{
	siglongjmp(sigenv, 5);
}

struct jump {
	void (*jump)(void);
	bool with_sigenv;
};

static void do_jump(void *arg)
{
	((struct jump *)arg)->jump();
}

/* The guard word is that of the segment we are on, or asks for a look. */
static __noinline void expect_right_guard(void)
{
	struct segment *seg = getg()->seg;
	char frame[600];

	use_frame(frame);
	expect_eq(segment_contains(seg, stack_pointer()), true);
	expect_eq(guard_get() == seg->guard || guard_get() == GUARD_POISON,
		  true);
	expect_eq(stack_find_segment(getg(), stack_pointer()) == seg, true);
}

static __noinline int set_and_jump(struct jump *j, size_t depth)
{
	volatile int marker = 0x1234;
	uintptr_t guard;
	int val;

	if (j->with_sigenv)
		val = sigsetjmp(sigenv, 1);
	else
		val = setjmp(env);
	guard = guard_get();
	if (!val)
		dive(depth, do_jump, j);
	/* The wrapper makes the next check look where it is. */
	if (j->jump != jump_unwrapped)
		expect_eq(guard == GUARD_POISON, true);
	expect_eq(marker, 0x1234);
	return val;
}

static void jump_and_grow(void *arg)
{
	struct jump *j = arg;

	for (int i = 0; i < ROUNDS; i++) {
		size_t depth = KIB((i * 37) % 1500);

		expect_eq(set_and_jump(j, depth), 5);
		expect_right_guard();
		dive(KIB((i * 11) % 600), NULL, NULL);
		expect_right_guard();
	}
}

/* The same from the second and third segment, which returns afterwards. */
static void jump_from_deeper(void *arg)
{
	jump_and_grow(arg);
	dive(KIB(40), jump_and_grow, arg);
	expect_right_guard();
	dive(KIB(400), jump_and_grow, arg);
	expect_right_guard();
	dive(KIB(2000), NULL, NULL);
	expect_right_guard();
}

static void jump_by(void (*jump)(void), bool with_sigenv)
{
	struct jump j = { jump, with_sigenv };

	run_test_goroutine(jump_from_deeper, &j);
}

static void test_longjmp(void **state)
{
	(void)state;
	jump_by(jump_plain, false);
}

static void test_longjmp_fortified(void **state)
{
	(void)state;
	jump_by(jump_checked, false);
	jump_by(jump_fortified, false);
}

static void test_underscore_longjmp(void **state)
{
	(void)state;
	jump_by(jump_underscore, false);
}

static void test_siglongjmp(void **state)
{
	(void)state;
	jump_by(jump_signal, true);
}

static void test_longjmp_without_wrapper(void **state)
{
	(void)state;
	*(void **)&library_longjmp = dlsym(RTLD_DEFAULT, "longjmp");
	assert_non_null(library_longjmp);
	jump_by(jump_unwrapped, false);
}

/*
 * The signal mask comes back with siglongjmp().
 */
static void block_and_jump(void *arg)
{
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	siglongjmp(sigenv, 1);
}

static void mask_returns(void *arg)
{
	sigset_t set;

	(void)arg;
	if (!sigsetjmp(sigenv, 1))
		dive(KIB(300), block_and_jump, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	expect_eq(sigismember(&set, SIGUSR1), 0);
}

static void test_signal_mask(void **state)
{
	(void)state;
	run_test_goroutine(mask_returns, NULL);
}

/*
 * The value 0 becomes 1; a jump within a segment; jumps in two goroutines.
 */
static void jump_zero(void *arg)
{
	(void)arg;
	longjmp(env, 0);
}

static void jump_with_zero(void *arg)
{
	volatile int n = 0;
	int val = setjmp(env);

	(void)arg;
	if (!n++)
		jump_zero(NULL);
	expect_eq(val, 1);
}

static void test_value_zero(void **state)
{
	(void)state;
	run_test_goroutine(jump_with_zero, NULL);
}

struct own {
	jmp_buf env;
	size_t depth;
	struct gort_waitgroup *wg;
};

static void yield_and_jump(void *arg)
{
	struct own *o = arg;

	gort_yield();
	longjmp(o->env, 3);
}

static void jump_and_yield(void *arg)
{
	struct own *o = arg;
	volatile int rounds;

	for (rounds = 0; rounds < 50; rounds++) {
		int val = setjmp(o->env);

		if (!val)
			dive(o->depth, yield_and_jump, o);
		expect_eq(val, 3);
		gort_yield();
		expect_right_guard();
	}
	gort_waitgroup_done(o->wg);
}

static void many_jump(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	static struct own own[20];

	(void)arg;
	for (size_t i = 0; i < 20; i++) {
		own[i].depth = KIB(15 * i);
		own[i].wg = &wg;
		gort_waitgroup_add(&wg, 1);
		expect_eq(gort_go(jump_and_yield, &own[i]), 0);
	}
	gort_waitgroup_wait(&wg);
}

static void test_goroutines_jump(void **state)
{
	(void)state;
	run_test_goroutine(many_jump, NULL);
}

/* Many jumps leave nothing behind. */
static void jump_often(void *arg)
{
	struct jump j = { jump_plain, false };
	struct gort_stats before, after;

	(void)arg;
	set_and_jump(&j, KIB(1000));
	dive(KIB(1000), NULL, NULL);
	gort_read_stats(&before);
	for (int i = 0; i < 200; i++) {
		expect_eq(set_and_jump(&j, KIB(1000)), 5);
		dive(KIB(1000), NULL, NULL);
	}
	gort_read_stats(&after);
	expect_eq(after.stack_inuse, before.stack_inuse);
	expect_eq(after.stack_slots, before.stack_slots);
	expect_eq(after.stack_grown_in_place, before.stack_grown_in_place);
}

static void test_jumps_leave_nothing_behind(void **state)
{
	(void)state;
	if (debug_has("maymorestack=move"))
		skip();
	run_test_goroutine(jump_often, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longjmp),
		cmocka_unit_test(test_longjmp_fortified),
		cmocka_unit_test(test_underscore_longjmp),
		cmocka_unit_test(test_siglongjmp),
		cmocka_unit_test(test_longjmp_without_wrapper),
		cmocka_unit_test(test_signal_mask),
		cmocka_unit_test(test_value_zero),
		cmocka_unit_test(test_goroutines_jump),
		cmocka_unit_test(test_jumps_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
