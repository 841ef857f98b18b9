// SPDX-License-Identifier: ISC
/*
 * tests/arch/test_context.c - what a CPU's switches keep: registers, modes of
 * floating-point arithmetic; the system stack; the cycle counter.
 */
#include "arch/regs.h"
#include "mm/expect.h"

#include <fenv.h>
#include <float.h>
#include <time.h>

#include <arch/cpu.h>
#include "kernel/sched.h"
#include "mm/stack.h"

#define KIB(n)		((size_t)(n) << 10)
#define MIB(n)		((size_t)(n) << 20)

struct regs regs_in_body, regs_to_return;
uint32_t regs_vectors;

static uint64_t pattern(unsigned int seed, unsigned int i)
{
	return ((uint64_t)seed << 40 | i) * 0x9e3779b97f4a7c15;
}

static void fill(struct regs *r, unsigned int seed)
{
	for (unsigned int i = 0; i < REGS_WORDS; i++)
		r->word[i] = pattern(seed, i) & regs_mask(i);
}

static void expect_reg(const char *what, unsigned int i, uint64_t got,
		       unsigned int seed)
{
	uint64_t want = pattern(seed, i) & regs_mask(i);
	static char text[80];

	if (got == want)
		return;
	snprintf(text, sizeof(text), "%s, word %u", what, i);
	expect_at(__LINE__, text, (long long)got, (long long)want, false);
}

/*
 * Callee-saved registers and switches.
 */

static bool is_saved(unsigned int word)
{
	for (size_t i = 0; i < sizeof(regs_saved) / sizeof(regs_saved[0]); i++)
		if (regs_saved[i] == word)
			return true;
	return false;
}

static void expect_saved(const struct regs *r, unsigned int seed)
{
	for (unsigned int i = 0; i < REGS_WORDS; i++)
		if (is_saved(i))
			expect_reg("saved register", i, r->word[i], seed);
}

struct switcher {
	unsigned int seed;
	void (*fn)(void);
	struct gort_waitgroup *wg;
};

static void switch_with_registers(void *arg)
{
	struct switcher *s = arg;
	struct regs in, out;

	for (unsigned int i = 0; i < 200; i++) {
		fill(&in, s->seed + i);
		regs_call(s->fn, &in, &out);
		expect_saved(&out, s->seed + i);
	}
	if (s->wg)
		gort_waitgroup_done(s->wg);
}

static void many_switch(void *arg)
{
	struct switcher s[8];
	struct gort_waitgroup wg = { 0 };

	for (unsigned int i = 0; i < 8; i++) {
		s[i] = (struct switcher){ i * 1000, *(void (**)(void))arg, &wg };
		gort_waitgroup_add(&wg, 1);
		expect_eq(gort_go(switch_with_registers, &s[i]), 0);
	}
	gort_waitgroup_wait(&wg);
}

static void test_registers_survive_yield(void **state)
{
	void (*fn)(void) = gort_yield;

	(void)state;
	run_test_goroutine(many_switch, &fn);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void call_systemstack(void)
{
	expect_eq(gort_systemstack_call(nothing, NULL), 0);
}

static void test_registers_survive_systemstack(void **state)
{
	void (*fn)(void) = call_systemstack;

	(void)state;
	run_test_goroutine(many_switch, &fn);
}

static void cross_segments(void)
{
	dive(KIB(300), NULL, NULL);
	dive(KIB(300), NULL, NULL);
}

static void test_registers_survive_growth(void **state)
{
	void (*fn)(void) = cross_segments;

	(void)state;
	run_test_goroutine(many_switch, &fn);
}

static struct gort_chan *ball;

static void pass_ball(void)
{
	int x = 0;

	gort_chan_send(ball, &x);
	gort_chan_recv(ball, &x);
}

static void test_registers_survive_blocking(void **state)
{
	void (*fn)(void) = pass_ball;

	(void)state;
	ball = gort_chan_new(sizeof(int), 4);
	run_test_goroutine(many_switch, &fn);
	gort_chan_free(ball);
}

/*
 * A stack check keeps every register, both ways.
 */

static void cross_once(unsigned int seed)
{
	struct regs in, out;

	fill(&in, seed);
	fill(&regs_to_return, seed + 1);
	for (unsigned int i = 0; i < REGS_WORDS; i++)
		if (is_saved(i))
			regs_to_return.word[i] = in.word[i];
	memset(&regs_in_body, 0, sizeof(regs_in_body));
	memset(&out, 0, sizeof(out));
	regs_call(regs_cross, &in, &out);
	for (unsigned int i = 0; i < REGS_WORDS; i++) {
		if (!regs_kept_by_morestack(i))
			continue;
		if (i != REGS_FP)
			expect_reg("in the body", i, regs_in_body.word[i],
				   seed);
		expect_reg("after return", i, out.word[i],
			   is_saved(i) ? seed : seed + 1);
	}
}

static void cross_many(void *arg)
{
	for (unsigned int i = 0; i < 20; i++)
		cross_once((unsigned int)(uintptr_t)arg + i);
}

/* In place first; then by the next segment, new, and attached already. */
static void cross_everywhere(void *arg)
{
	(void)arg;
	cross_many((void *)1);
	for (size_t depth = KIB(10); depth < KIB(40); depth += 512)
		dive(depth, cross_many, (void *)depth);
	dive(KIB(300), NULL, NULL);
	cross_many((void *)2);
	dive(KIB(200), cross_many, (void *)3);
}

static void test_check_keeps_registers(void **state)
{
	(void)state;
	run_test_goroutine(cross_everywhere, NULL);
}

static bool stop_clobbering;

static void clobber(void *arg)
{
	unsigned int seed = 12345;
	struct regs in, out;

	(void)arg;
	while (!__atomic_load_n(&stop_clobbering, __ATOMIC_RELAXED)) {
		fill(&in, seed++);
		regs_call(gort_yield, &in, &out);
	}
}

static void cross_among_others(void *arg)
{
	stop_clobbering = false;
	for (int i = 0; i < 3; i++)
		expect_eq(gort_go(clobber, NULL), 0);
	cross_everywhere(arg);
	__atomic_store_n(&stop_clobbering, true, __ATOMIC_RELAXED);
}

/* maymorestack=preempt lets the others run at each check. */
static void test_check_keeps_registers_when_it_yields(void **state)
{
	char *old = getenv("GORTDEBUG"), *saved = old ? strdup(old) : NULL;

	(void)state;
	setenv("GORTDEBUG", "maymorestack=preempt", 1);
	run_test_goroutine(cross_among_others, NULL);
	if (saved)
		setenv("GORTDEBUG", saved, 1);
	else
		unsetenv("GORTDEBUG");
	free(saved);
}

/*
 * Rounding.
 */

static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };

#define NR_MODES	4

/* Which of the modes does arithmetic obey? */
#define MODE_OF(type, epsilon)						\
static __noinline int mode_of_##type(void)				\
{									\
	volatile real_##type one = 1, little = epsilon / 128;		\
	volatile real_##type more_than_half = epsilon * 3 / 4;		\
									\
	if (one + little > one)						\
		return FE_UPWARD;					\
	if (-one - little < -one)					\
		return FE_DOWNWARD;					\
	return one + more_than_half > one ? FE_TONEAREST : FE_TOWARDZERO; \
}

typedef double real_double;
typedef long double real_long_double;

MODE_OF(double, DBL_EPSILON)
MODE_OF(long_double, LDBL_EPSILON)

static void expect_mode(int mode)
{
	expect_eq(fegetround(), mode);
	expect_eq(mode_of_double(), mode);
	expect_eq(mode_of_long_double(), mode);
}

struct rounder {
	int mode;
	struct gort_waitgroup *wg;
};

static void round_one_way(void *arg)
{
	struct rounder *r = arg;

	/* Not that of who started it. */
	expect_mode(FE_TONEAREST);
	expect_eq(fesetround(r->mode), 0);
	for (int i = 0; i < 300; i++) {
		gort_yield();
		expect_mode(r->mode);
	}
	dive(KIB(100), NULL, NULL);
	expect_mode(r->mode);
	call_systemstack();
	expect_mode(r->mode);
	gort_waitgroup_done(r->wg);
}

static void round_all_ways(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct rounder r[40];

	(void)arg;
	expect_mode(FE_TONEAREST);
	for (int i = 0; i < 40; i++) {
		r[i] = (struct rounder){ modes[i % NR_MODES], &wg };
		fesetround(modes[(i + 1) % NR_MODES]);
		gort_waitgroup_add(&wg, 1);
		expect_eq(gort_go(round_one_way, &r[i]), 0);
		expect_mode(modes[(i + 1) % NR_MODES]);
	}
	fesetround(FE_TOWARDZERO);
	gort_waitgroup_wait(&wg);
	expect_mode(FE_TOWARDZERO);
}

static void test_rounding_is_the_goroutines(void **state)
{
	static const char *const procs[] = { "1", "4" };
	char *saved = getenv("GORTMAXPROCS");

	(void)state;
	saved = saved ? strdup(saved) : NULL;
	for (int i = 0; i < 2; i++) {
		setenv("GORTMAXPROCS", procs[i], 1);
		run_test_goroutine(round_all_ways, NULL);
		/* Nor does it leak to the thread. */
		assert_int_equal(fegetround(), FE_TONEAREST);
		assert_int_equal(mode_of_double(), FE_TONEAREST);
	}
	if (saved)
		setenv("GORTMAXPROCS", saved, 1);
	else
		unsetenv("GORTMAXPROCS");
	free(saved);
}

static void expect_nearest(void *arg)
{
	(void)arg;
	expect_mode(FE_TONEAREST);
	fesetround(FE_UPWARD);
}

static void test_rounding_of_the_thread_stays(void **state)
{
	int after, err;

	(void)state;
	fesetround(FE_DOWNWARD);
	memset(&expect_failed, 0, sizeof(expect_failed));
	err = gort_run(expect_nearest, NULL);
	after = fegetround();
	fesetround(FE_TONEAREST);
	assert_int_equal(err, 0);
	assert_int_equal(after, FE_DOWNWARD);
	if (expect_failed.line)
		fail_msg("line %d: %s: %lld and %lld", expect_failed.line,
			 expect_failed.what, expect_failed.got,
			 expect_failed.want);
}

#ifdef __x86_64__
/* Precision control: only the x87 has it. */
static void set_precision(uint16_t bits)
{
	uint16_t cw;

	__asm__ volatile("fnstcw %0" : "=m" (cw));
	cw = (uint16_t)((cw & ~0x300) | bits);
	__asm__ volatile("fldcw %0" : : "m" (cw));
}

static __noinline bool is_extended(void)
{
	volatile long double one = 1, tiny = 0x1p-60L;

	return one + tiny != one;
}

static void low_precision(void *arg)
{
	expect_eq(is_extended(), true);
	set_precision(0);
	for (int i = 0; i < 100; i++) {
		gort_yield();
		expect_eq(is_extended(), false);
	}
	gort_waitgroup_done(arg);
}

static void mix_precisions(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	for (int i = 0; i < 5; i++) {
		gort_waitgroup_add(&wg, 1);
		expect_eq(gort_go(low_precision, &wg), 0);
	}
	for (int i = 0; i < 100; i++) {
		gort_yield();
		expect_eq(is_extended(), true);
	}
	gort_waitgroup_wait(&wg);
}

static void test_x87_control_word(void **state)
{
	(void)state;
	run_test_goroutine(mix_precisions, NULL);
}
#endif

/*
 * The system stack.
 */

struct call {
	struct g *caller, *seen;
	uintptr_t sp, sp_nested;
	uint64_t goid;
	int nested, sum;
};

static void on_g0_nested(void *arg)
{
	struct call *c = arg;

	c->sp_nested = stack_pointer();
	c->sum += 100;
}

static void on_g0(void *arg)
{
	struct call *c = arg;

	c->seen = getg();
	c->sp = stack_pointer();
	c->goid = gort_goid();
	expect_eq(guard_get(), GUARD_NONE);
	c->sum += 10;
	c->nested = gort_systemstack_call(on_g0_nested, c);
	c->sum += 1;
}

static void use_system_stack(void *arg)
{
	struct call c = { .caller = getg() };
	uintptr_t sp = stack_pointer(), slot;

	(void)arg;
	expect_eq(gort_systemstack_call(on_g0, &c), 0);
	expect_eq(c.sum, 111);
	expect_eq(c.nested, 0);
	expect_eq(c.goid, 0);
	expect_eq(c.seen == c.caller, true);
	expect_eq(getg() == c.caller, true);
	expect_eq(stack_pointer(), sp);
	/* A plain call the second time. */
	expect_eq(c.sp - c.sp_nested < 1024, true);
	expect_eq(segment_contains(getg()->seg, c.sp), false);
	expect_eq(stack_classify(c.sp, &slot), STACK_INSIDE);
	expect_eq(guard_get() == getg()->seg->guard, true);
	expect_eq(gort_goid(), 1);
	expect_eq(gort_systemstack_call(NULL, NULL), -EINVAL);
}

static void test_system_stack(void **state)
{
	(void)state;
	run_test_goroutine(use_system_stack, NULL);
	assert_int_equal(gort_systemstack_call(nothing, NULL), -EPERM);
}

static __noinline long fill_stack(long n)
{
	char frame[1000];

	frame[0] = (char)n;
	use_frame(frame);
	return n ? fill_stack(n - 1) + (frame[0] == (char)n) : 0;
}

static void use_much(void *arg)
{
	*(long *)arg = fill_stack(4000);
}

static void use_much_system_stack(void *arg)
{
	long n = 0;

	(void)arg;
	expect_eq(gort_systemstack_call(use_much, &n), 0);
	expect_eq(n, 4000);
}

static void test_system_stack_is_large(void **state)
{
	(void)state;
	run_test_goroutine(use_much_system_stack, NULL);
}

static void from_deep(void *arg)
{
	for (size_t depth = 0; depth < KIB(400); depth += 7 * 512)
		dive(depth, use_system_stack, arg);
}

static void test_system_stack_from_deep(void **state)
{
	(void)state;
	run_test_goroutine(from_deep, NULL);
}

/* errno and a guard that was poisoned meanwhile stay as they are. */
static void poison_guard(void *arg)
{
	struct g *gp = getg();

	(void)arg;
	errno = 33;
	guard_set(GUARD_POISON);
	systemstack(nothing, NULL);
	expect_eq(getg() == gp, true);
	expect_eq(errno, 33);
	dive(KIB(1), NULL, NULL);
	expect_eq(errno, 33);
}

static void test_poisoned_guard(void **state)
{
	(void)state;
	run_test_goroutine(poison_guard, NULL);
}

/*
 * The cycle counter.
 */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void test_cycles_are_monotonic(void **state)
{
	uint64_t first = cpu_cycles(), last = first;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t now = cpu_cycles();

		if (now < last)
			fail_msg("cycle counter went from %llu to %llu",
				 (unsigned long long)last,
				 (unsigned long long)now);
		last = now;
	}
	assert_true(last > first);
}

/* Of cycles and nanoseconds between two readings, as close as they get. */
static void read_both(uint64_t *cycles, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t before = cpu_cycles(), t = now_ns();
		uint64_t after = cpu_cycles();

		if (after - before < best) {
			best = after - before;
			*cycles = before + best / 2;
			*ns = t;
		}
	}
}

static void test_cycle_frequency(void **state)
{
	uint64_t hz = cpu_cycles_hz(), c0, c1, t0, t1, measured;

	(void)state;
	read_both(&c0, &t0);
	do
		read_both(&c1, &t1);
	while (t1 - t0 < 50000000);
	measured = (uint64_t)((double)(c1 - c0) * 1e9 / (double)(t1 - t0));
	assert_in_range(hz, measured - measured / 50, measured + measured / 50);
	assert_int_equal(cpu_cycles_hz(), hz);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers_survive_yield),
		cmocka_unit_test(test_registers_survive_systemstack),
		cmocka_unit_test(test_registers_survive_growth),
		cmocka_unit_test(test_registers_survive_blocking),
		cmocka_unit_test(test_check_keeps_registers),
		cmocka_unit_test(test_check_keeps_registers_when_it_yields),
		cmocka_unit_test(test_rounding_is_the_goroutines),
		cmocka_unit_test(test_rounding_of_the_thread_stays),
#ifdef __x86_64__
		cmocka_unit_test(test_x87_control_word),
#endif
		cmocka_unit_test(test_system_stack),
		cmocka_unit_test(test_system_stack_is_large),
		cmocka_unit_test(test_system_stack_from_deep),
		cmocka_unit_test(test_poisoned_guard),
		cmocka_unit_test(test_cycles_are_monotonic),
		cmocka_unit_test(test_cycle_frequency),
	};

	regs_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
