// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_overflow.c - the ends of a stack: its limit, its guard
 * region, and accesses that have nothing to do with either.
 */
#include "child.h"
#include "expect.h"

#include <alloca.h>
#include <float.h>
#include <sys/mman.h>

#include "kernel/sched.h"
#include "mm/stack.h"

#pragma GCC diagnostic ignored "-Wvla"

#define DIES		2	/* exit status of a fatal error */

/* Below the reserve and the red zone, in the guard region. */
#define LEAP		(STACK_RESERVE_SIZE + 4096)

/* The caller stays in the traceback. */
#define NO_TAIL_CALL	use_frame(NULL)

static volatile int always = 1;

__noinline void recurse_forever(int n);

__noinline void recurse_forever(int n)
{
	char frame[1000];

	use_frame(frame);
	if (always)
		recurse_forever(n + 1);
	use_frame(frame);
}

static void overflow(void *arg)
{
	(void)arg;
	recurse_forever(0);
}

__noinline void recurse_coarsely(int n);

__noinline void recurse_coarsely(int n)
{
	char frame[5000];

	use_frame(frame);
	if (always)
		recurse_coarsely(n + 1);
	use_frame(frame);
}

static void overflow_coarsely(void *arg)
{
	(void)arg;
	recurse_coarsely(0);
}

static void second_goroutine_overflows(void *arg)
{
	(void)arg;
	expect_eq(gort_go(overflow, NULL), 0);
	for (;;)
		gort_yield();
}

/* In the child: a run with more settings. */
struct run {
	const char *settings;
	void (*fn)(void *);
};

static void run(void *arg)
{
	/* cmocka has handlers for these. */
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct run *r = arg;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		signal(faults[i], SIG_DFL);
	if (r->settings)
		debug_add(r->settings);
	gort_run(r->fn, NULL);
}

static void die_of(const char *settings, void (*fn)(void *))
{
	struct run r = { settings, fn };

	child_run(run, &r);
}

static int child_count(const char *what)
{
	int n = 0;

	for (const char *p = child_err; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static unsigned long long number_after(const char *what)
{
	const char *p = strstr(child_err, what);

	return p ? strtoull(p + strlen(what), NULL, 10) : 0;
}

static void assert_limit_reported(unsigned long long limit,
				  const char *function)
{
	unsigned long long size;

	child_expect_exit(DIES);
	child_expect_text("fatal error: stack overflow: goroutine ");
	assert_int_equal(number_after("the limit is "), limit);
	size = number_after(" needs ");
	assert_in_range(size, limit, limit + (128 << 10));
	child_expect_text(function);
	child_expect_text("goroutine_start");
}

static int count_frames(void)
{
	return child_count("\n\t") - child_count("\n\t... ");
}

static void test_limit_is_fatal(void **state)
{
	(void)state;
	die_of("maxstack=1M", overflow);
	assert_limit_reported(1 << 20, "recurse_forever");
	assert_int_equal(number_after("stack overflow: goroutine "), 1);
	child_expect_text("goroutine 1 [running]:");
}

static void test_limit_names_the_goroutine(void **state)
{
	(void)state;
	die_of("maxstack=1M", second_goroutine_overflows);
	assert_limit_reported(1 << 20, "recurse_forever");
	assert_int_equal(number_after("stack overflow: goroutine "), 2);
	child_expect_text("goroutine 2 [running]:");
	child_expect_text("created by second_goroutine_overflows in goroutine 1");
}

static void test_limit_elides_the_middle(void **state)
{
	unsigned long long hidden;

	(void)state;
	die_of("maxstack=2M", overflow);
	assert_limit_reported(2 << 20, "recurse_forever");
	assert_int_equal(child_count("\n\t... "), 1);
	assert_int_equal(count_frames(), 100);
	hidden = number_after("\n\t... ");
	/* Frames of 1000 bytes and a bit. */
	assert_in_range(hidden, (2 << 20) / 2000, (2 << 20) / 1000);
	child_expect_text(" frames ...\n");
}

/* By the smallest limit there is. */
static void test_short_traceback_is_whole(void **state)
{
	unsigned long long limit = stack_class_size(0);
	char settings[64];

	(void)state;
	snprintf(settings, sizeof(settings), "maxstack=%llu", limit);
	die_of(settings, overflow_coarsely);
	assert_limit_reported(limit, "recurse_coarsely");
	assert_int_equal(child_count("\n\t... "), 0);
	assert_in_range(count_frames(), limit / 6000, 90);
}

static void test_limits(void **state)
{
	static const struct {
		const char *settings;
		unsigned long long limit;
	} cases[] = {
		{ "maxstack=400000", 400000 },
		{ "maxstack=600K", 600 << 10 },
		{ "maxstack=1M", 1 << 20 },
		{ "maxstack=5000001", 5000001 },
		{ "maxstack=32M", 32 << 20 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* A slot for each frame takes long to print. */
		if (cases[i].limit > 8 << 20 && debug_has("maymorestack=move"))
			continue;
		die_of(cases[i].settings, overflow);
		assert_limit_reported(cases[i].limit, "recurse_forever");
	}
}

static void test_default_limit(void **state)
{
	(void)state;
	if (WITH_SANITIZER || debug_has("maymorestack") || emulated())
		skip();
	die_of(NULL, overflow);
	assert_limit_reported(1 << 30, "recurse_forever");
}

static void test_larger_than_default(void **state)
{
	(void)state;
	if (WITH_SANITIZER || debug_has("maymorestack") || emulated())
		skip();
	die_of("maxstack=1200M", overflow);
	assert_limit_reported(1200ULL << 20, "recurse_forever");
}

static void one_frame_too_large(void *arg)
{
	char frame[3 << 20];

	(void)arg;
	use_frame(frame);
}

static void call_one_frame_too_large(void *arg)
{
	one_frame_too_large(arg);
}

static void test_one_frame_beyond_the_limit(void **state)
{
	(void)state;
	die_of("maxstack=2M", call_one_frame_too_large);
	child_expect_exit(DIES);
	assert_int_equal(number_after("the limit is "), 2 << 20);
	assert_in_range(number_after(" needs "), 3 << 20, (3 << 20) + 8192);
	child_expect_text("one_frame_too_large");
	die_of("maxstack=4M", call_one_frame_too_large);
	child_expect_exit(0);
}

/*
 * Code without checks.
 */

gort_nosplit void nosplit_recursion(int n);

gort_nosplit void nosplit_recursion(int n)
{
	char frame[200];

	frame[0] = (char)n;
	use_frame(frame);
	if (always)
		nosplit_recursion(n + 1);
	use_frame(frame);
}

static void recurse_without_checks(void *arg)
{
	(void)arg;
	nosplit_recursion(0);
	NO_TAIL_CALL;
}

gort_nosplit void leap(void);

gort_nosplit void leap(void)
{
	char frame[LEAP];

	*(volatile char *)frame = 1;
	use_frame(frame);
}

static __noinline size_t room_here(void)
{
	return stack_pointer() - segment_limit(getg()->seg);
}

/* Call fn at the deepest place, but slack bytes, where checked code may. */
static __noinline void at_the_end(void (*fn)(void), size_t slack)
{
	size_t room = room_here();
	volatile char *p;

	p = alloca((room - slack - 256) & ~(size_t)15);
	*p = 1;
	fn();
	use_frame(p);
}

static void leap_from_the_end(void *arg)
{
	(void)arg;
	for (size_t slack = 2048; slack > 0; slack -= 128)
		at_the_end(leap, slack);
}

static void leap_from_the_end_on_second(void *arg)
{
	(void)arg;
	dive(STACK_RESERVE_SIZE * 4, leap_from_the_end, NULL);
}

/* glibc wants 41 KiB for this, half of it in one step. */
static void print_many_digits(void)
{
	FILE *f = fopen("/dev/null", "w");

	setvbuf(f, NULL, _IONBF, 0);
	if (fprintf(f, "%Lf", LDBL_MAX) < LDBL_DIG)
		_exit(1);
	fclose(f);
}

static void print_from_the_end(void *arg)
{
	(void)arg;
	at_the_end(print_many_digits, 512);
}

static void print_from_the_end_on_second(void *arg)
{
	(void)arg;
	dive(STACK_RESERVE_SIZE * 4, print_from_the_end, NULL);
}

static void assert_guard_reported(const char *function)
{
	child_expect_exit(DIES);
	child_expect_text("fatal error: stack overflow in code without stack checks: goroutine 1, ");
	child_expect_text("access to its guard region at ");
	child_expect_text("gort_systemstack_call");
	child_expect_text("goroutine 1 [running]:");
	child_expect_text(function);
}

static void test_unchecked_recursion_hits_guard(void **state)
{
	unsigned long long size;

	(void)state;
	die_of(NULL, recurse_without_checks);
	assert_guard_reported("nosplit_recursion");
	size = number_after("without stack checks: goroutine 1, ");
	assert_in_range(size, STACK_RESERVE_SIZE, stack_class_size(0));
}

static void test_unchecked_leap_hits_guard(void **state)
{
	(void)state;
	die_of(NULL, leap_from_the_end);
	assert_guard_reported("leap");
	die_of(NULL, leap_from_the_end_on_second);
	assert_guard_reported("leap");
}

/* It may fit.  Nothing else may happen to it. */
static void test_libc_leap_is_fatal(void **state)
{
	(void)state;
	die_of(NULL, print_from_the_end);
	if (child_status)
		assert_guard_reported("goroutine 1");
	die_of(NULL, print_from_the_end_on_second);
	if (child_status)
		assert_guard_reported("goroutine 1");
}

static void test_fallback_guard_is_hit(void **state)
{
	(void)state;
	die_of("guardregions=0", recurse_without_checks);
	assert_guard_reported("nosplit_recursion");
	die_of("guardregions=0", leap_from_the_end);
	assert_guard_reported("leap");
}

static void on_system_stack(void *arg)
{
	(void)arg;
	nosplit_recursion(0);
	NO_TAIL_CALL;
}

static void overflow_system_stack(void *arg)
{
	(void)arg;
	gort_systemstack_call(on_system_stack, NULL);
	NO_TAIL_CALL;
}

static void test_system_stack_overflow(void **state)
{
	(void)state;
	die_of(NULL, overflow_system_stack);
	child_expect_exit(DIES);
	child_expect_text("fatal error: ");
	child_expect_text("overflow of the system stack");
	child_expect_text("goroutine 1 [running]:");
	child_expect_text("overflow_system_stack");
}

static char *other_guard;

static void remember_guard(void *arg)
{
	(void)arg;
	other_guard = (char *)getg()->seg->lo + 100;
	for (;;)
		gort_yield();
}

static void touch_other_guard(void *arg)
{
	(void)arg;
	gort_go(remember_guard, NULL);
	while (!*(char *volatile *)&other_guard)
		gort_yield();
	*(volatile char *)other_guard = 1;
}

static void test_guard_of_another_goroutine(void **state)
{
	(void)state;
	die_of(NULL, touch_other_guard);
	child_expect_exit(DIES);
	child_expect_text("fatal error: overflow of a stack that is not this goroutine's: access to its guard region at ");
	child_expect_text("goroutine 1 [running]:");
	child_expect_text("touch_other_guard");
	child_expect_no_text("fatal error: stack overflow");
}

/*
 * What is no overflow must not be called one.
 */

/* A leaf without a frame would hide its caller. */
static __noinline void touch(void *arg)
{
	char frame[64];

	use_frame(frame);
	*(volatile char *)arg = 1;
}

static void touch_low(void *arg)
{
	char *volatile p = (char *)0x10;

	(void)arg;
	touch(p);
	NO_TAIL_CALL;
}

static void touch_non_canonical(void *arg)
{
	(void)arg;
	touch((void *)0x1234567800000000);
	NO_TAIL_CALL;
}

static void touch_protected(void *arg)
{
	(void)arg;
	touch(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	NO_TAIL_CALL;
}

static void touch_deep(void *arg)
{
	dive(200 << 10, touch_low, arg);
}

static void call_nowhere(void *arg)
{
	void (*volatile fn)(void) = (void (*)(void))(uintptr_t)0x20;

	(void)arg;
	fn();
	NO_TAIL_CALL;
}

static void touch_past_file(void *arg)
{
	FILE *f = tmpfile();
	char *p;

	(void)arg;
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	touch(p + 4096);
	NO_TAIL_CALL;
}

static void assert_wild(const char *signal_name, int sig, const char *function)
{
	child_expect_no_text("stack overflow");
	child_expect_no_text("guard region");
	child_expect_signal(sig);
	child_expect_text(signal_name);
	child_expect_text("invalid memory access at ");
	child_expect_text("goroutine 1 [running]:");
	/* Their code, which makes the access, has no frame pointers. */
	if (WITH_SANITIZER)
		return;
	child_expect_text(function);
	child_expect_text("goroutine_start");
}

static void test_wild_access(void **state)
{
	(void)state;
	die_of(NULL, touch_low);
	assert_wild("SIGSEGV: ", SIGSEGV, "touch_low");
	child_expect_text("access at 0x10,");
	die_of(NULL, touch_non_canonical);
	assert_wild("SIGSEGV: ", SIGSEGV, "touch_non_canonical");
	die_of(NULL, touch_protected);
	assert_wild("SIGSEGV: ", SIGSEGV, "touch_protected");
	die_of(NULL, touch_deep);
	assert_wild("SIGSEGV: ", SIGSEGV, "touch_low");
	die_of(NULL, call_nowhere);
	assert_wild("SIGSEGV: ", SIGSEGV, "call_nowhere");
	die_of(NULL, touch_past_file);
	assert_wild("SIGBUS: ", SIGBUS, "touch_past_file");
}

/* Handlers the process had before get what is not ours. */
static void handler(int sig)
{
	(void)sig;
	_exit(7);
}

static void run_with_handler(void *arg)
{
	signal(SIGSEGV, handler);
	gort_run(arg, NULL);
}

static void test_wild_access_goes_to_older_handler(void **state)
{
	(void)state;
	child_run(run_with_handler, touch_low);
	child_expect_exit(7);
	child_expect_no_text("SIGSEGV");
	child_run(run_with_handler, recurse_without_checks);
	assert_guard_reported("nosplit_recursion");
}

/*
 * Dynamic allocation.
 */

static __noinline void allocate(size_t n)
{
	volatile char *p = alloca(n);

	p[0] = p[n - 1] = 1;
	use_frame(p);
}

static void allocate_too_much(void *arg)
{
	volatile size_t n = (size_t)300 << 20;

	(void)arg;
	allocate(n);
	NO_TAIL_CALL;
}

static __noinline void use(volatile char *p, size_t n)
{
	p[0] = p[n - 1] = 1;
	use_frame(p);
}

static __noinline void too_large_vla(size_t n)
{
	volatile char a[n];

	use(a, n);
	NO_TAIL_CALL;
}

static void declare_too_much(void *arg)
{
	volatile size_t n = (size_t)300 << 20;

	(void)arg;
	too_large_vla(n);
	NO_TAIL_CALL;
}

static void assert_allocation_refused(const char *function)
{
	unsigned long long size;

	child_expect_exit(DIES);
	size = number_after("fatal error: dynamic stack allocation of ");
	assert_in_range(size, 300 << 20, (300 << 20) + 4096);
	child_expect_text(" bytes: goroutine 1 has ");
	child_expect_text("goroutine 1 [running]:");
	child_expect_text(function);
	child_expect_text("goroutine_start");
}

static void test_dynamic_allocation_too_large(void **state)
{
	(void)state;
	die_of(NULL, allocate_too_much);
	assert_allocation_refused("allocate_too_much");
	die_of(NULL, declare_too_much);
	assert_allocation_refused("declare_too_much");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_is_fatal),
		cmocka_unit_test(test_limit_names_the_goroutine),
		cmocka_unit_test(test_limit_elides_the_middle),
		cmocka_unit_test(test_short_traceback_is_whole),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_default_limit),
		cmocka_unit_test(test_larger_than_default),
		cmocka_unit_test(test_one_frame_beyond_the_limit),
		cmocka_unit_test(test_unchecked_recursion_hits_guard),
		cmocka_unit_test(test_unchecked_leap_hits_guard),
		cmocka_unit_test(test_libc_leap_is_fatal),
		cmocka_unit_test(test_fallback_guard_is_hit),
		cmocka_unit_test(test_system_stack_overflow),
		cmocka_unit_test(test_guard_of_another_goroutine),
		cmocka_unit_test(test_wild_access),
		cmocka_unit_test(test_wild_access_goes_to_older_handler),
		cmocka_unit_test(test_dynamic_allocation_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
