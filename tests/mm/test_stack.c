// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_stack.c - growth, guards and accounting of goroutine stacks.
 */
#include "child.h"
#include "expect.h"

#include <sys/mman.h>

#include "kernel/sched.h"
#include "mm/stack.h"

#define KIB(n)		((size_t)(n) << 10)
#define MIB(n)		((size_t)(n) << 20)

/* Every check switches or yields then: counts mean nothing. */
static bool maymorestack(void)
{
	return debug_has("maymorestack=move") ||
	       debug_has("maymorestack=preempt");
}

static bool moving(void)
{
	return debug_has("maymorestack=move");
}

static struct gort_stats stats(void)
{
	struct gort_stats st;

	gort_read_stats(&st);
	return st;
}

/* Bytes of the first slot that checked code may use. */
static size_t first_slot_room(void)
{
	return stack_class_size(0) - STACK_LIMIT_OFFSET - sizeof(struct g);
}

/*
 * Where slots lie.
 */

#define PREFERRED	((char *)0x400000000000)	/* mm/stack.c: REGION_BASE */

static void dive_elsewhere(void *arg)
{
	uintptr_t sp = stack_pointer(), slot;

	expect_eq(stack_classify(sp, &slot), STACK_INSIDE);
	expect_eq(sp - (uintptr_t)PREFERRED < (uintptr_t)1 << 43, false);
	dive(MIB(4), NULL, NULL);
	(void)arg;
}

static void run_with_base_taken(void *arg)
{
	(void)arg;
	if (mmap(PREFERRED, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0) != PREFERRED)
		_exit(3);
	/* The second run uses the slots of the first. */
	run_child_goroutine(dive_elsewhere, NULL);
	run_child_goroutine(dive_elsewhere, NULL);
}

/* The addresses the runtime would like belong to somebody else. */
static void test_base_taken(void **state)
{
	(void)state;
#if defined(GORT_ASAN) || defined(GORT_TSAN)
	skip();		/* they keep state for every page that is reserved */
#endif
	if (emulated())
		skip();
	child_run(run_with_base_taken, NULL);
	child_expect_exit(0);
}

/*
 * Growth.
 */

static void grow_in_place(void *arg)
{
	struct gort_stats before = stats(), after;

	(void)arg;
	dive(first_slot_room() / 2, NULL, NULL);
	after = stats();
	expect_eq(after.stack_grown_by_switch, before.stack_grown_by_switch);
	expect_ge(after.stack_grown_in_place, before.stack_grown_in_place + 1);
	/* The size doubles each time. */
	expect_le(after.stack_grown_in_place, before.stack_grown_in_place + 6);
	expect_eq(after.stack_slots, before.stack_slots);
	expect_ge(after.stack_inuse,
		  before.stack_inuse + first_slot_room() / 2 - KIB(8));

	/* Once is enough. */
	before = after;
	dive(first_slot_room() / 2, NULL, NULL);
	after = stats();
	expect_eq(after.stack_grown_in_place, before.stack_grown_in_place);
	expect_eq(after.stack_inuse, before.stack_inuse);
}

static void test_grows_in_place(void **state)
{
	(void)state;
	if (maymorestack())
		skip();
	run_test_goroutine(grow_in_place, NULL);
}

static void grow_by_switching(void *arg)
{
	struct gort_stats before = stats(), after;

	(void)arg;
	dive(first_slot_room() * 2, NULL, NULL);
	after = stats();
	expect_eq(after.stack_grown_by_switch,
		  before.stack_grown_by_switch + 1);
	dive(first_slot_room() + stack_class_size(1), NULL, NULL);
	after = stats();
	/* One for the third; the second is there already. */
	expect_eq(after.stack_grown_by_switch,
		  before.stack_grown_by_switch + 2);
	expect_ge(after.stack_inuse, before.stack_inuse + stack_class_size(1));
}

static void test_grows_by_switching(void **state)
{
	(void)state;
	if (maymorestack())
		skip();
	run_test_goroutine(grow_by_switching, NULL);
}

static void expect_same_stats(struct gort_stats *a, struct gort_stats *b)
{
	expect_eq(b->stack_grown_by_switch, a->stack_grown_by_switch);
	expect_eq(b->stack_grown_in_place, a->stack_grown_in_place);
	expect_eq(b->stack_slots, a->stack_slots);
	expect_eq(b->stack_inuse, a->stack_inuse);
	expect_eq(b->stack_resident, a->stack_resident);
	expect_eq(b->stack_peak, a->stack_peak);
}

/* At every depth near the end of the first slot. */
static void call_in_a_loop(void *arg)
{
	struct gort_stats before, after;
	uintptr_t depth = (uintptr_t)arg;

	dive(depth, NULL, NULL);
	before = stats();
	for (int i = 0; i < 1000; i++)
		dive(depth, NULL, NULL);
	after = stats();
	expect_same_stats(&before, &after);
}

static void loop_at_depths(void *arg)
{
	size_t room = first_slot_room();

	(void)arg;
	for (size_t at = room - KIB(4); at < room + KIB(4); at += 512)
		dive(at, call_in_a_loop, (void *)KIB(2));
}

static void test_loop_across_boundary_allocates_once(void **state)
{
	(void)state;
	if (maymorestack())
		skip();
	run_test_goroutine(loop_at_depths, NULL);
}

/*
 * Deep recursion.
 */

static uint64_t sum_to(uint64_t n);

static __noinline uint64_t sum_to(uint64_t n)
{
	uint64_t frame[126];

	frame[n % 126] = n;
	use_frame(frame);
	if (!n)
		return 0;
	return sum_to(n - 1) + frame[n % 126];
}

static void recurse(void *arg)
{
	uint64_t n = (uintptr_t)arg >> 10;

	expect_eq(sum_to(n), n * (n + 1) / 2);
	if (!maymorestack())
		expect_ge(stats().stack_inuse, (uintptr_t)arg);
}

static void test_recursion_to_900_mib(void **state)
{
	(void)state;
	if (WITH_SANITIZER || maymorestack() || emulated())
		skip();
	run_test_goroutine(recurse, (void *)MIB(900));
}

static void test_recursion_to_4_mib(void **state)
{
	(void)state;
	run_test_goroutine(recurse, (void *)MIB(4));
}

static void recurse_twice(void *arg)
{
	gort_go(recurse, (void *)MIB(30));
	recurse((void *)MIB(20));
	while (stats().live > 1)
		gort_yield();
	(void)arg;
}

static void test_two_deep_goroutines(void **state)
{
	(void)state;
	if (moving())
		skip();
	run_test_goroutine(recurse_twice, NULL);
}

/*
 * Accounting.
 */

struct crowd {
	struct gort_chan *gate;
	struct gort_waitgroup there;
	size_t depth;
};

static void wait_at_gate(void *arg)
{
	struct crowd *c = arg;

	gort_waitgroup_done(&c->there);
	gort_chan_recv(c->gate, NULL);
}

static void dive_and_wait(void *arg)
{
	struct crowd *c = arg;

	dive(c->depth, wait_at_gate, c);
}

static void wait_until_alone(void)
{
	while (stats().live > 1)
		gort_yield();
}

static void crowd_comes_and_goes(size_t n, size_t depth)
{
	struct crowd c = { .gate = gort_chan_new(0, 0), .depth = depth };
	struct gort_stats st;

	for (size_t i = 0; i < n; i++) {
		gort_waitgroup_add(&c.there, 1);
		expect_eq(gort_go(dive_and_wait, &c), 0);
	}
	gort_waitgroup_wait(&c.there);
	st = stats();
	expect_eq(st.live, n + 1);
	expect_ge(st.stack_inuse, n * depth);
	expect_le(st.stack_inuse, st.stack_resident);
	expect_le(st.stack_resident, st.stack_peak);
	gort_chan_close(c.gate);
	wait_until_alone();
	gort_chan_free(c.gate);
}

static void account(void *arg)
{
	struct gort_stats before, after;

	(void)arg;
	/* Our own stack must not grow any more. */
	crowd_comes_and_goes(1, KIB(1));
	before = stats();
	crowd_comes_and_goes(100, 0);
	crowd_comes_and_goes(100, KIB(20));
	crowd_comes_and_goes(50, KIB(300));
	crowd_comes_and_goes(5, MIB(8));
	after = stats();
	expect_eq(after.stack_inuse, before.stack_inuse);
	expect_eq(after.live, 1);
}

static void test_use_returns_to_its_value(void **state)
{
	(void)state;
	if (moving())
		skip();
	run_test_goroutine(account, NULL);
}

static void trimmed(void *arg)
{
	struct gort_stats before, after;

	(void)arg;
	crowd_comes_and_goes(1, KIB(1));
	before = stats();
	crowd_comes_and_goes(8, MIB(16));
	after = stats();
	/* Free slots keep at most 4 MiB, and each has one, and smaller ones. */
	expect_le(after.stack_resident, before.stack_resident + 8 * MIB(8));
	expect_ge(after.stack_peak, 8 * MIB(16));
}

static void test_freed_stack_goes_to_the_kernel(void **state)
{
	(void)state;
	if (moving())
		skip();
	run_test_goroutine(trimmed, NULL);
}

static void remember_stats(void *arg)
{
	*(struct gort_stats *)arg = stats();
}

static void leave_many(void *arg)
{
	struct crowd *c = arg;

	for (size_t i = 0; i < 100; i++) {
		gort_waitgroup_add(&c->there, 1);
		expect_eq(gort_go(dive_and_wait, c), 0);
	}
	gort_waitgroup_wait(&c->there);
}

/*
 * Free slots that nobody wants go to the kernel, at the second look.
 */

static void scavenge_g0(void *arg)
{
	(void)arg;
	stack_cache_flush(getm()->p);
	stack_scavenge();
	stack_scavenge();
}

static void scavenge(void *arg)
{
	struct gort_stats after;
	const size_t n = 500;

	(void)arg;
	crowd_comes_and_goes(n, KIB(1));
	systemstack(scavenge_g0, NULL);
	after = stats();
	expect_ge(after.stack_peak, n * PAGE_SIZE);
	expect_le(after.stack_resident, after.stack_peak - n / 2 * PAGE_SIZE);
	/* They are as good as new. */
	crowd_comes_and_goes(n, KIB(1));
	expect_eq(stats().stack_slots, after.stack_slots);
}

static void test_free_slots_are_scavenged(void **state)
{
	(void)state;
	if (moving())
		skip();
	setenv("GORTMAXPROCS", "1", 1);
	run_test_goroutine(scavenge, NULL);
	unsetenv("GORTMAXPROCS");
}

static void test_second_run_starts_clean(void **state)
{
	static struct crowd c = { .depth = KIB(100) };
	struct gort_stats first, second;

	(void)state;
	run_test_goroutine(remember_stats, &first);
	c.gate = gort_chan_new(0, 0);
	run_test_goroutine(leave_many, &c);
	run_test_goroutine(remember_stats, &second);
	assert_int_equal(second.stack_inuse, first.stack_inuse);
	assert_int_equal(second.goroutines, 1);
	assert_int_equal(second.live, 1);
	if (!maymorestack())
		assert_int_equal(second.stack_grown_by_switch, 0);
	assert_int_equal(second.stack_grown_in_place,
			 first.stack_grown_in_place);
}

/* What a stack slot held before does not matter to its next owner. */
static void poisoned(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		crowd_comes_and_goes(40, 0);
		crowd_comes_and_goes(40, KIB(20));
		crowd_comes_and_goes(20, first_slot_room() + KIB(10));
		crowd_comes_and_goes(10, KIB(250));
		crowd_comes_and_goes(3, MIB(3));
	}
}

static void run_poisoned(void *arg)
{
	(void)arg;
	debug_add("stackpoison=1");
	run_child_goroutine(poisoned, NULL);
}

static void test_stackpoison(void **state)
{
	(void)state;
	child_run(run_poisoned, NULL);
	child_expect_exit(0);
}

static unsigned char *volatile left_behind;

static void leave_a_trace(void *arg)
{
	volatile unsigned char buf[256];
	unsigned char *volatile p = (unsigned char *)buf;

	(void)arg;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = 0x11;
	left_behind = p;
}

static void look_for_trace(void *arg)
{
	(void)arg;
	gort_go(leave_a_trace, NULL);
	wait_until_alone();
	for (size_t i = 0; i < 256; i++)
		expect_eq(((volatile unsigned char *)left_behind)[i], 0xf5);
}

static void run_look_for_trace(void *arg)
{
	(void)arg;
	debug_add("stackpoison=1");
	/* On another P it may have ended, and its stack not be filled yet. */
	setenv("GORTMAXPROCS", "1", 1);
	run_child_goroutine(look_for_trace, NULL);
}

static void test_stackpoison_fills(void **state)
{
	(void)state;
	/* In these modes others have used the slot meanwhile. */
	if (maymorestack())
		skip();
	child_run(run_look_for_trace, NULL);
	child_expect_exit(0);
}

/*
 * Guards.
 */

static int child_count(const char *what)
{
	int n = 0;

	for (const char *p = child_err; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void count_guards(void *arg)
{
	struct gort_stats *st = arg;

	crowd_comes_and_goes(stats().stack_slots + 200, 0);
	*st = stats();
}

struct guard_case {
	const char *settings;
	uint64_t guards;	/* that new slots can have */
};

static void run_guards(void *arg)
{
	struct guard_case *c = arg;
	struct gort_stats before, st;
	uint64_t made, missing;

	debug_add(c->settings);
	gort_read_stats(&before);
	/* Twice: a second run begins with the slots of the first. */
	for (int i = 0; i < 2; i++) {
		run_child_goroutine(count_guards, &st);
		made = st.stack_slots - before.stack_slots;
		missing = made > c->guards ? made - c->guards : 0;
		/* The system stack's guard may be one of them. */
		if (st.stack_guards_missing >= missing &&
		    st.stack_guards_missing <= missing + (missing > 0) &&
		    made >= 200)
			continue;
		fprintf(stderr, "run %d: %llu of %llu slots without guard, not %llu\n",
			i, (unsigned long long)st.stack_guards_missing,
			(unsigned long long)made, (unsigned long long)missing);
		_exit(1);
	}
}

static void test_guards_by_mprotect(void **state)
{
	struct guard_case c = { "guardregions=0", UINT64_MAX };

	(void)state;
	child_run(run_guards, &c);
	child_expect_exit(0);
	assert_int_equal(child_count("no guard region"), 0);
}

static void test_guards_run_out(void **state)
{
	struct guard_case c = { "guardregions=0,maxguards=10", 10 };

	(void)state;
	child_run(run_guards, &c);
	child_expect_exit(0);
	/* Said once. */
	assert_int_equal(child_count("no guard region"), 1);
	child_expect_text("gort: ");
	child_expect_text("vm.max_map_count");
}

static size_t count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	size_t n = 0;
	int c;

	if (!f)
		return 0;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void slots_and_mappings(void *arg)
{
	struct crowd c = { .gate = gort_chan_new(0, 0) };
	size_t before = count_mappings(), n = *(size_t *)arg;

	gort_waitgroup_add(&c.there, (int64_t)n);
	for (size_t i = 0; i < n; i++)
		expect_eq(gort_go(wait_at_gate, &c), 0);
	gort_waitgroup_wait(&c.there);
	expect_ge(stats().stack_slots, n);
	expect_le(count_mappings(), before + 24);
	expect_eq(stats().stack_guards_missing, 0);
	gort_chan_close(c.gate);
	wait_until_alone();
	gort_chan_free(c.gate);
}

/* Guard regions, from Linux 6.13 on, need no mapping of their own. */
static bool kernel_has_guard_regions(void)
{
	struct guard_case c = { "maxguards=1", UINT64_MAX };

	child_run(run_guards, &c);
	return WIFEXITED(child_status) && WEXITSTATUS(child_status) == 0;
}

static void test_slots_need_few_mappings(void **state)
{
	size_t n = 20000;

	(void)state;
	/* Sanitizers map memory for each. */
	if (WITH_SANITIZER || !kernel_has_guard_regions())
		skip();
	run_test_goroutine(slots_and_mappings, &n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* While there are no slots in this process, then few. */
		cmocka_unit_test(test_base_taken),
		cmocka_unit_test(test_guards_by_mprotect),
		cmocka_unit_test(test_guards_run_out),
		cmocka_unit_test(test_grows_in_place),
		cmocka_unit_test(test_grows_by_switching),
		cmocka_unit_test(test_loop_across_boundary_allocates_once),
		cmocka_unit_test(test_recursion_to_4_mib),
		cmocka_unit_test(test_recursion_to_900_mib),
		cmocka_unit_test(test_two_deep_goroutines),
		cmocka_unit_test(test_use_returns_to_its_value),
		cmocka_unit_test(test_freed_stack_goes_to_the_kernel),
		cmocka_unit_test(test_free_slots_are_scavenged),
		cmocka_unit_test(test_second_run_starts_clean),
		cmocka_unit_test(test_stackpoison),
		cmocka_unit_test(test_stackpoison_fills),
		cmocka_unit_test(test_slots_need_few_mappings),
	};

	/* Counts of one P do not lag. */
	setenv("GORTMAXPROCS", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
