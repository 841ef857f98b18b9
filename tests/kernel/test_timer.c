// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_timer.c - timers by the internal calls, sleeping and
 * timers by the public ones.
 *
 * Nothing depends on how late something is.
 */
#include <gort/gort.h>

#include <pthread.h>
#include <stdatomic.h>

#include <arch/cpu.h>
#include "kernel/sched.h"
#include "kernel/stw.h"
#include "kernel/timer.h"

#include "child.h"
#include "kernel/check.h"

#define HOUR	((s64)3600 * NSEC_PER_SEC)

static void run_on(const char *procs, void (*fn)(void *), void *arg)
{
	setenv("GORTMAXPROCS", procs, 1);
	assert_int_equal(gort_run(fn, arg), 0);
	unsetenv("GORTMAXPROCS");
}

static u64 rand_next(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void count_run(void *arg)
{
	atomic_fetch_add((atomic_long *)arg, 1);
}

static void yield_until(atomic_long *count, long n)
{
	while (atomic_load(count) < n)
		gort_yield();
}

/* --- order --- */

#define NR_ORDERED	1000

struct ordered {
	struct timer timer;
	s64 when;
};

static struct ordered ordered[NR_ORDERED];
static s64 ran_at[NR_ORDERED];
static atomic_long nran;

static void note_when(void *arg)
{
	const struct ordered *o = arg;

	ran_at[atomic_fetch_add(&nran, 1)] = o->when;
}

static void start_ordered(s64 from, u64 range, u64 seed)
{
	struct m *mp = acquirem();

	atomic_store(&nran, 0);
	for (int i = 0; i < NR_ORDERED; i++) {
		struct ordered *o = &ordered[i];

		o->when = from + (s64)(rand_next(&seed) % range);
		timer_init(&o->timer, note_when, o);
		timer_start_at(&o->timer, o->when);
	}
	releasem(mp);
}

static void check_ran_in_order(long n)
{
	yield_until(&nran, n);
	CHECK_EQ(atomic_load(&nran), n);
	for (int i = 1; i < n; i++)
		CHECK_LE(ran_at[i - 1], ran_at[i]);
}

/* Due already, all at different times, a hundred at a time, all at once. */
static void check_order(void *arg)
{
	static const u64 ranges[] = { 1000000000, 10, 1 };

	(void)arg;
	for (int i = 0; i < 3; i++) {
		start_ordered(nanotime() - 2 * (s64)NSEC_PER_SEC, ranges[i],
			      i + 1);
		check_ran_in_order(NR_ORDERED);
	}
	start_ordered(nanotime(), 20000000, 7);
	check_ran_in_order(NR_ORDERED);
}

static void test_order(void **state)
{
	(void)state;
	run_on("1", check_order, NULL);
}

/* The order is that of the last times given, without those stopped. */
static void check_order_after_changes(void *arg)
{
	s64 past = nanotime() - 2 * (s64)NSEC_PER_SEC;
	struct m *mp = acquirem();
	long left = NR_ORDERED;
	u64 seed = 4711;

	(void)arg;
	start_ordered(past, 1000000, 3);
	for (int i = 0; i < NR_ORDERED; i++) {
		struct ordered *o = &ordered[rand_next(&seed) % NR_ORDERED];

		o->when = past + (s64)(rand_next(&seed) % 1000000);
		if (i % 3) {
			left += !timer_start_at(&o->timer, o->when);
		} else {
			left -= timer_stop(&o->timer);
		}
	}
	releasem(mp);
	check_ran_in_order(left);
}

static void test_order_after_changes(void **state)
{
	(void)state;
	run_on("1", check_order_after_changes, NULL);
}

/* --- start and stop --- */

static void check_start_stop(void *arg)
{
	atomic_long count = 0;
	struct timer t;

	(void)arg;
	timer_init(&t, count_run, &count);
	CHECK_EQ(timer_stop(&t), false);
	CHECK_EQ(timer_start_at(&t, nanotime() + HOUR), false);
	CHECK_EQ(timer_stop(&t), true);
	CHECK_EQ(timer_stop(&t), false);
	CHECK_EQ(timer_start_at(&t, 0), false);
	yield_until(&count, 1);
	CHECK_EQ(timer_stop(&t), false);
	CHECK_EQ(atomic_load(&count), 1);
	/* Earlier, and later. */
	CHECK_EQ(timer_start_at(&t, nanotime() + HOUR), false);
	CHECK_EQ(timer_start_at(&t, nanotime()), true);
	yield_until(&count, 2);
	CHECK_EQ(timer_start_at(&t, nanotime() + HOUR), false);
	CHECK_EQ(timer_start_at(&t, nanotime() + 2 * HOUR), true);
	CHECK_EQ(timer_stop(&t), true);
	CHECK_EQ(atomic_load(&count), 2);
}

static void test_start_stop(void **state)
{
	(void)state;
	run_on("1", check_start_stop, NULL);
	run_on("3", check_start_stop, NULL);
}

static void check_far(void *arg)
{
	atomic_long count = 0;
	struct timer t;

	(void)arg;
	timer_init(&t, count_run, &count);
	CHECK_EQ(timer_start_at(&t, TIME_NEVER), false);
	CHECK_EQ(timers_next(getm()->p), TIME_NEVER - 1);
	gort_yield();
	CHECK_EQ(timer_stop(&t), true);
	CHECK_EQ(timers_next(getm()->p), TIME_NEVER);
	CHECK_EQ(timer_start_at(&t, INT64_MIN), false);
	yield_until(&count, 1);
	CHECK_EQ(time_add(5, 7), 12);
	CHECK_EQ(time_add(5, TIME_NEVER), TIME_NEVER - 1);
	CHECK_EQ(time_add(TIME_NEVER - 1, TIME_NEVER - 1), TIME_NEVER - 1);
}

static void test_far(void **state)
{
	(void)state;
	run_on("1", check_far, NULL);
}

/* --- many --- */

static struct timer *alloc_timers(long n)
{
	struct timer *timers = malloc((size_t)n * sizeof(*timers));

	if (!timers)
		abort();
	return timers;
}

/* A prime above n, so steps of it visit all. */
#define STEP	1000003

static void check_many(void *arg)
{
	long n = mode_times(1000000), stopped = 0;
	struct timer *timers = alloc_timers(n);
	atomic_long count = 0;
	u64 seed = 1;

	(void)arg;
	for (long i = 0; i < n; i++) {
		timer_init(&timers[i], count_run, &count);
		timer_start_at(&timers[i], nanotime() + HOUR +
			       (s64)(rand_next(&seed) % (u64)HOUR));
	}
	for (long i = 0, k = 0; i < n; i++, k = (k + STEP) % n)
		stopped += timer_stop(&timers[k]);
	CHECK_EQ(stopped, n);
	for (long i = 0; i < n; i++)
		stopped += timer_stop(&timers[i]);
	CHECK_EQ(stopped, n);
	CHECK_EQ(atomic_load(&count), 0);
	CHECK_EQ(timers_next(getm()->p), TIME_NEVER);

	/* Every other one runs. */
	for (long i = 0; i < n; i++)
		timer_start_at(&timers[i], nanotime() + HOUR);
	for (long i = 0; i < n; i += 2)
		CHECK_EQ(timer_start_at(&timers[i],
				(s64)(rand_next(&seed) % (u64)HOUR)), true);
	yield_until(&count, (n + 1) / 2);
	for (long i = 0; i < n; i++)
		stopped += timer_stop(&timers[i]);
	CHECK_EQ(stopped, n + n / 2);
	CHECK_EQ(atomic_load(&count), (n + 1) / 2);
	free(timers);
}

static void test_many(void **state)
{
	(void)state;
	run_on("1", check_many, NULL);
}

/* --- from fn itself --- */

struct again {
	struct timer timer;
	long left;
	s64 delay;
	atomic_bool inside;
	atomic_long runs;
	bool stops;
};

static void run_again(void *arg)
{
	struct again *a = arg;

	if (atomic_exchange(&a->inside, true))
		check_failed("fn twice at a time", 1, "!=", 1, __FILE__,
			     __LINE__);
	CHECK_EQ(timer_stop(&a->timer), false);
	if (--a->left) {
		timer_start_at(&a->timer, a->delay ? nanotime() + a->delay : 0);
		if (a->stops) {
			CHECK_EQ(timer_stop(&a->timer), true);
			CHECK_EQ(timer_stop(&a->timer), false);
			timer_start_at(&a->timer, 0);
		}
		for (int i = 0; i < 100; i++)
			cpu_relax();	/* for others to come */
	}
	atomic_store(&a->inside, false);
	atomic_fetch_add(&a->runs, 1);
}

static void check_again(void *arg)
{
	long n = mode_times(3000);

	(void)arg;
	for (int i = 0; i < 3; i++) {
		struct again a = {
			.left = n, .delay = i == 1 ? 1000 : 0, .stops = i == 2,
		};

		timer_init(&a.timer, run_again, &a);
		timer_start_at(&a.timer, 0);
		yield_until(&a.runs, n);
		CHECK_EQ(timer_stop(&a.timer), false);
		CHECK_EQ(atomic_load(&a.runs), n);
	}
}

static void test_again(void **state)
{
	(void)state;
	run_on("1", check_again, NULL);
	run_on("4", check_again, NULL);
}

static void start_again(void *arg)
{
	timer_start_at(arg, 0);
}

/* One that is always due does not keep goroutines from running. */
static void check_always_due(void *arg)
{
	struct timer t;

	(void)arg;
	timer_init(&t, start_again, &t);
	timer_start_at(&t, 0);
	for (int i = 0; i < 100; i++)
		gort_yield();
	CHECK_EQ(timer_stop(&t), true);
}

static void test_always_due(void **state)
{
	(void)state;
	run_on("1", check_always_due, NULL);
	run_on("2", check_always_due, NULL);
}

/* --- on other threads --- */

/* This M goes nowhere, so another one has to run the timer. */
static void check_busy_p(void *arg)
{
	int n = mode_times(200);

	(void)arg;
	for (int i = 0; i < n; i++) {
		atomic_long count = 0;
		struct m *mp = acquirem();
		struct timer t;

		timer_init(&t, count_run, &count);
		timer_start_at(&t, nanotime() + i % 4 * 50000);
		while (!atomic_load(&count))
			cpu_relax();
		CHECK_EQ(timer_stop(&t), false);
		releasem(mp);
		CHECK_EQ(atomic_load(&count), 1);
		if (i % 3 == 0)
			gort_yield();
	}
}

static void test_busy_p(void **state)
{
	(void)state;
	run_on("2", check_busy_p, NULL);
	run_on("4", check_busy_p, NULL);
}

struct slow {
	struct timer timer;
	atomic_bool entered, stopping, go, left;
};

static void run_slow(void *arg)
{
	struct slow *s = arg;

	atomic_store(&s->entered, true);
	while (!atomic_load(&s->go))
		cpu_relax();
	atomic_store(&s->left, true);
}

/* Gives a stop that does not wait time to return. */
static void *let_slow_go(void *arg)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	struct slow *s = arg;

	while (!atomic_load(&s->stopping))
		nanosleep(&pause, NULL);
	nanosleep(&pause, NULL);
	atomic_store(&s->go, true);
	return NULL;
}

static void check_stop_waits(void *arg)
{
	struct slow *s = arg;
	struct m *mp = acquirem();

	timer_init(&s->timer, run_slow, s);
	timer_start_at(&s->timer, 0);
	while (!atomic_load(&s->entered))
		cpu_relax();
	atomic_store(&s->stopping, true);
	CHECK_EQ(timer_stop(&s->timer), false);
	CHECK_EQ(atomic_load(&s->left), true);
	releasem(mp);
}

/* The same, started again while it runs. */
static void check_stop_restarted_waits(void *arg)
{
	struct slow *s = arg;
	struct m *mp = acquirem();

	timer_init(&s->timer, run_slow, s);
	timer_start_at(&s->timer, 0);
	while (!atomic_load(&s->entered))
		cpu_relax();
	CHECK_EQ(timer_start_at(&s->timer, nanotime() + HOUR), false);
	atomic_store(&s->stopping, true);
	CHECK_EQ(timer_stop(&s->timer), true);
	CHECK_EQ(atomic_load(&s->left), true);
	releasem(mp);
}

static void test_stop_waits(void **state)
{
	static void (*const fns[])(void *) = {
		check_stop_waits, check_stop_restarted_waits,
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct slow s = { 0 };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, let_slow_go,
						&s), 0);
		run_on("2", fns[i], &s);
		pthread_join(thread, NULL);
	}
}

/* Freed right after the stop, for the address sanitizer to see. */
struct boxed {
	struct timer timer;
	atomic_long *count;
};

static void count_boxed(void *arg)
{
	struct boxed *b = arg;

	atomic_fetch_add(b->count, 1);
}

struct freed {
	struct gort_waitgroup wg;
	atomic_long starts, ends;	/* which are stops and runs */
};

static void stop_and_free(void *arg)
{
	struct freed *f = arg;
	int n = mode_times(20000);
	u64 seed = gort_goid();

	for (int i = 0; i < n; i++) {
		struct boxed *b = malloc(sizeof(*b));
		u64 r = rand_next(&seed);
		long starts;

		b->count = &f->ends;
		timer_init(&b->timer, count_boxed, b);
		starts = !timer_start_at(&b->timer,
					 nanotime() + (s64)(r % 2000));
		if (r % 7 == 0)
			starts += !timer_start_at(&b->timer, 0);
		if (r % 3 == 0)
			gort_yield();
		if (timer_stop(&b->timer))
			count_run(&f->ends);
		free(b);
		atomic_fetch_add(&f->starts, starts);
	}
	gort_waitgroup_done(&f->wg);
}

static void check_freed(void *arg)
{
	struct freed f = { 0 };

	(void)arg;
	gort_waitgroup_add(&f.wg, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(stop_and_free, &f), 0);
	gort_waitgroup_wait(&f.wg);
	CHECK_LE(4 * mode_times(20000), atomic_load(&f.starts));
	CHECK_EQ(atomic_load(&f.ends), atomic_load(&f.starts));
}

static void test_freed(void **state)
{
	(void)state;
	run_on("1", check_freed, NULL);
	run_on("4", check_freed, NULL);
}

/* Several start and stop the same one. */
struct shared {
	struct timer timer;
	atomic_long starts, changes, stops, runs;
	struct gort_waitgroup wg;
};

static void run_shared(void *arg)
{
	count_run(&((struct shared *)arg)->runs);
}

static void start_stop_shared(void *arg)
{
	int n = mode_times(30000);
	struct shared *s = arg;
	u64 seed = gort_goid();

	for (int i = 0; i < n; i++) {
		u64 r = rand_next(&seed);

		if (r % 3 == 0) {
			if (timer_stop(&s->timer))
				count_run(&s->stops);
		} else if (timer_start_at(&s->timer, nanotime() +
					  (s64)(r % 10000))) {
			count_run(&s->changes);
		} else {
			count_run(&s->starts);
		}
		if (r % 64 == 0)
			gort_yield();
	}
	gort_waitgroup_done(&s->wg);
}

static void check_shared(void *arg)
{
	struct shared s = { 0 };

	(void)arg;
	timer_init(&s.timer, run_shared, &s);
	gort_waitgroup_add(&s.wg, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(start_stop_shared, &s), 0);
	gort_waitgroup_wait(&s.wg);
	if (timer_stop(&s.timer))
		count_run(&s.stops);
	/* One that stops it while it runs may take several starts away. */
	CHECK_LE(atomic_load(&s.stops) + atomic_load(&s.runs),
		 atomic_load(&s.starts));
	CHECK_LT(0, atomic_load(&s.changes));
	for (u32 i = 0; i < nprocs(); i++)
		CHECK_EQ(timers_next(sched.ps[i]), TIME_NEVER);
}

static void test_shared(void **state)
{
	(void)state;
	run_on("4", check_shared, NULL);
}

/* --- when Ps and runs end --- */

static void check_move(void *arg)
{
	atomic_long count = 0;
	struct timer timers[100];
	struct p *pp, *other;
	s64 first;

	(void)arg;
	stw_begin(STW_TEST);
	pp = getm()->p;
	other = sched.ps[!pp->id];
	first = nanotime() + HOUR;
	for (int i = 0; i < 100; i++) {
		timer_init(&timers[i], count_run, &count);
		timer_start_at(&timers[i], i % 2 ? 0 : first + i);
	}
	timers_move(pp, other);
	CHECK_EQ(timers_next(pp), TIME_NEVER);
	CHECK_EQ(timers_next(other), 0);
	stw_end();
	yield_until(&count, 50);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(timer_stop(&timers[i]), i % 2 == 0);
	CHECK_EQ(timers_next(other), TIME_NEVER);
	CHECK_EQ(atomic_load(&count), 50);
}

static void test_move(void **state)
{
	(void)state;
	run_on("2", check_move, NULL);
}

struct survivor {
	struct timer pending, over;
	atomic_long count;
	struct gort_timer user;
};

static void start_survivors(void *arg)
{
	struct survivor *s = arg;

	timer_init(&s->pending, count_run, &s->count);
	timer_init(&s->over, count_run, &s->count);
	CHECK_EQ(gort_timer_init(&s->user, count_run, &s->count), 0);
	timer_start_at(&s->over, 0);
	yield_until(&s->count, 1);
	timer_start_at(&s->pending, nanotime() + HOUR);
	CHECK_EQ(gort_timer_start(&s->user, HOUR, 1), 0);
}

static void check_survivors(void *arg)
{
	struct survivor *s = arg;

	CHECK_EQ(timers_next(getm()->p), TIME_NEVER);
	CHECK_EQ(timer_stop(&s->pending), false);
	CHECK_EQ(timer_stop(&s->over), false);
	CHECK_EQ(gort_timer_stop(&s->user), 0);
	timer_start_at(&s->pending, 0);
	timer_start_at(&s->over, 0);
	CHECK_EQ(gort_timer_reset(&s->user, 0, 0), 0);
	yield_until(&s->count, 4);
}

static void test_survivors(void **state)
{
	struct survivor s = { 0 };

	(void)state;
	run_on("4", start_survivors, &s);
	run_on("1", check_survivors, &s);
	assert_int_equal(atomic_load(&s.count), 4);
}

/* --- sleeping --- */

static void sleep_times(void *arg)
{
	static const s64 times[] = { 1, 1000, 300000, 2000000, 20000000 };

	for (int i = 0; i < 5; i++) {
		s64 start = gort_now_ns();

		gort_sleep_ns(times[i]);
		CHECK_LE(start + times[i], gort_now_ns());
	}
	if (arg)
		gort_waitgroup_done(arg);
}

static void check_sleep(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	int n = 50;

	(void)arg;
	sleep_times(NULL);
	gort_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(sleep_times, &wg), 0);
	gort_waitgroup_wait(&wg);
}

static void test_sleep(void **state)
{
	(void)state;
	run_on("1", check_sleep, NULL);
	run_on("2", check_sleep, NULL);
	run_on("4", check_sleep, NULL);
}

static void set_it(void *arg)
{
	*(int *)arg = 1;
}

static void check_sleep_none(void *arg)
{
	static const s64 times[] = { 0, -1, INT64_MIN };

	(void)arg;
	for (int i = 0; i < 3; i++) {
		int other = 0;

		CHECK_EQ(gort_go(set_it, &other), 0);
		gort_sleep_ns(times[i]);
		CHECK_EQ(other, 1);
	}
}

static void test_sleep_none(void **state)
{
	(void)state;
	run_on("1", check_sleep_none, NULL);
}

static void sleep_for_ever(void *arg)
{
	atomic_fetch_add((atomic_long *)arg, 1);
	gort_sleep_ns(INT64_MAX);
	check_failed("woken", 0, "==", 1, __FILE__, __LINE__);
}

static void check_sleep_for_ever(void *arg)
{
	atomic_long asleep = 0;

	(void)arg;
	CHECK_EQ(gort_go(sleep_for_ever, &asleep), 0);
	CHECK_EQ(gort_go(sleep_for_ever, &asleep), 0);
	yield_until(&asleep, 2);
	gort_sleep_ns(1000000);
}

static void test_sleep_for_ever(void **state)
{
	(void)state;
	run_on("1", check_sleep_for_ever, NULL);
	run_on("2", check_sleep_for_ever, NULL);
}

static void sleep_outside(void *arg)
{
	(void)arg;
	gort_sleep_ns(1);
}

static void test_sleep_outside(void **state)
{
	(void)state;
	child_run(sleep_outside, NULL);
	child_expect_text("fatal error: gort_sleep_ns called outside a goroutine");
	child_expect_exit(2);
}

/* --- deadlocks --- */

static void block(void)
{
	gort_chan_recv(gort_chan_new(0, 0), NULL);
}

static void stop_and_block(void *arg)
{
	struct gort_timer t;

	(void)arg;
	CHECK_EQ(gort_timer_init(&t, count_run, NULL), 0);
	CHECK_EQ(gort_timer_start(&t, HOUR, 0), 0);
	CHECK_EQ(gort_timer_stop(&t), 1);
	block();
}

static void sleep_and_block(void *arg)
{
	(void)arg;
	gort_sleep_ns(3000000);
	block();
}

/* Another thread waits for the timer when it is stopped. */
static void stop_later_and_block(void *arg)
{
	struct gort_timer t;

	(void)arg;
	CHECK_EQ(gort_timer_init(&t, count_run, NULL), 0);
	CHECK_EQ(gort_timer_start(&t, 300000000, 0), 0);
	gort_sleep_ns(10000000);
	CHECK_EQ(gort_timer_stop(&t), 1);
	block();
}

static void run_1p(void *arg)
{
	setenv("GORTMAXPROCS", "1", 1);
	gort_run(arg, NULL);
}

static void run_2p(void *arg)
{
	setenv("GORTMAXPROCS", "2", 1);
	gort_run(arg, NULL);
}

static void test_deadlock(void **state)
{
	static void (*const fns[])(void *) = {
		stop_and_block, sleep_and_block, stop_later_and_block,
	};

	(void)state;
	for (int i = 0; i < 6; i++) {
		child_run(i % 2 ? run_2p : run_1p, fns[i / 2]);
		child_expect_text("all goroutines are asleep - deadlock!");
		child_expect_text("[chan receive]");
		child_expect_exit(2);
	}
}

/* --- public timers --- */

static void test_timer_errors_outside(void **state)
{
	struct gort_timer t = { { 0 } };

	(void)state;
	assert_int_equal(gort_timer_init(NULL, count_run, NULL), -EINVAL);
	assert_int_equal(gort_timer_init(&t, NULL, NULL), -EINVAL);
	assert_int_equal(gort_timer_init(&t, count_run, NULL), 0);
	assert_int_equal(gort_timer_start(&t, 1, 0), -EPERM);
	assert_int_equal(gort_timer_reset(&t, 1, 0), -EPERM);
	assert_int_equal(gort_timer_stop(&t), -EPERM);
}

static void check_timer_errors(void *arg)
{
	struct gort_timer t = { { 0 } };

	(void)arg;
	CHECK_EQ(gort_timer_start(NULL, 1, 0), -EINVAL);
	CHECK_EQ(gort_timer_reset(NULL, 1, 0), -EINVAL);
	CHECK_EQ(gort_timer_stop(NULL), -EINVAL);
	CHECK_EQ(gort_timer_start(&t, 1, 0), -EINVAL);
	CHECK_EQ(gort_timer_stop(&t), 0);
	CHECK_EQ(gort_timer_init(&t, count_run, NULL), 0);
	CHECK_EQ(gort_timer_start(&t, 1, -1), -EINVAL);
	CHECK_EQ(gort_timer_reset(&t, 1, INT64_MIN), -EINVAL);
	CHECK_EQ(gort_timer_stop(&t), 0);
}

static void test_timer_errors(void **state)
{
	(void)state;
	run_on("1", check_timer_errors, NULL);
}

struct tick {
	struct gort_timer timer;
	struct gort_chan *c;
};

/* Blocks, as a goroutine may. */
static void send_time(void *arg)
{
	struct tick *t = arg;
	s64 now = gort_now_ns();

	CHECK_EQ(gort_chan_send(t->c, &now), 0);
}

static void check_timer(void *arg)
{
	struct tick t = { .c = gort_chan_new(sizeof(s64), 0) };
	s64 start, now;

	(void)arg;
	CHECK_EQ(gort_timer_init(&t.timer, send_time, &t), 0);
	start = gort_now_ns();
	CHECK_EQ(gort_timer_start(&t.timer, 3000000, 0), 0);
	CHECK_EQ(gort_chan_recv(t.c, &now), 0);
	CHECK_LE(start + 3000000, now);
	CHECK_EQ(gort_timer_stop(&t.timer), 0);

	CHECK_EQ(gort_timer_reset(&t.timer, HOUR, HOUR), 0);
	CHECK_EQ(gort_timer_reset(&t.timer, INT64_MAX, INT64_MAX), 1);
	CHECK_EQ(gort_timer_start(&t.timer, HOUR, 0), 0);
	CHECK_EQ(gort_timer_stop(&t.timer), 1);
	CHECK_EQ(gort_timer_stop(&t.timer), 0);
	/* At once; and the next one never. */
	CHECK_EQ(gort_timer_start(&t.timer, INT64_MIN, INT64_MAX), 0);
	CHECK_EQ(gort_chan_recv(t.c, &now), 0);
	CHECK_EQ(gort_timer_stop(&t.timer), 1);
	CHECK_EQ(gort_chan_try_recv(t.c, &now), -EAGAIN);
	CHECK_EQ(gort_chan_free(t.c), 0);
}

static void test_timer(void **state)
{
	(void)state;
	run_on("1", check_timer, NULL);
	run_on("3", check_timer, NULL);
}

/* Goroutines of two ticks may overtake each other: no order of arrival. */
static void check_periodic(void *arg)
{
	struct tick *t = malloc(sizeof(*t));
	s64 period = *(s64 *)arg, start, last = 0, now;
	int n = 20;

	t->c = gort_chan_new(sizeof(s64), 0);
	CHECK_EQ(gort_timer_init(&t->timer, send_time, t), 0);
	start = gort_now_ns();
	CHECK_EQ(gort_timer_start(&t->timer, 2 * period, period), 0);
	for (int i = 0; i < n; i++) {
		CHECK_EQ(gort_chan_recv(t->c, &now), 0);
		CHECK_LE(start + 2 * period, now);
		if (now > last)
			last = now;
	}
	/* n ticks that were never early. */
	CHECK_LE(start + (n + 1) * period, last);
	CHECK_EQ(gort_timer_stop(&t->timer), 1);
	/* Those on their way still use the channel. */
	for (;;) {
		struct gort_stats st;

		while (!gort_chan_try_recv(t->c, &now))
			;
		gort_yield();
		gort_read_stats(&st);
		if (st.live == 1)
			break;
	}
	gort_chan_free(t->c);
	free(t);
}

static void test_periodic(void **state)
{
	s64 periods[] = { 100000, 1000000 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		run_on("1", check_periodic, &periods[i]);
		run_on("3", check_periodic, &periods[i]);
	}
}

/* Freed by the goroutine it starts, without a stop. */
struct freed_timer {
	struct gort_timer timer;
	atomic_long *count;
};

static void free_timer(void *arg)
{
	struct freed_timer *f = arg;
	atomic_long *count = f->count;

	memset(f, 0xff, sizeof(*f));
	free(f);
	count_run(count);
}

static void check_freed_by_fn(void *arg)
{
	int n = mode_times(3000);
	atomic_long count = 0;

	(void)arg;
	for (int i = 0; i < n; i++) {
		struct freed_timer *f = malloc(sizeof(*f));

		f->count = &count;
		CHECK_EQ(gort_timer_init(&f->timer, free_timer, f), 0);
		CHECK_EQ(gort_timer_start(&f->timer, i % 3 * 1000, 0), 0);
		if (i % 2)
			gort_yield();
	}
	yield_until(&count, n);
}

static void test_freed_by_fn(void **state)
{
	(void)state;
	run_on("1", check_freed_by_fn, NULL);
	run_on("4", check_freed_by_fn, NULL);
}

/* --- channels that get the time --- */

static void check_after(void *arg)
{
	int n = mode_times(3000);
	s64 now, start;

	(void)arg;
	for (int i = 0; i < n; i++) {
		s64 ns = i % 7 * 1000 - 1000;
		struct gort_chan *c;

		start = gort_now_ns();
		c = gort_after(ns);
		CHECK_NE(c, NULL);
		if (i % 2)
			gort_yield();
		/* Freed while it is pending, runs, has run; received. */
		if (i % 3) {
			CHECK_EQ(gort_chan_recv(c, &now), 0);
			CHECK_LE(start + ns, now);
			CHECK_LE(now, gort_now_ns());
			CHECK_EQ(gort_chan_try_recv(c, &now), -EAGAIN);
		}
		CHECK_EQ(gort_chan_free(c), 0);
	}
	for (u32 i = 0; i < nprocs(); i++)
		CHECK_EQ(timers_next(sched.ps[i]), TIME_NEVER);
}

static void test_after(void **state)
{
	(void)state;
	assert_null(gort_after(1));
	run_on("1", check_after, NULL);
	run_on("4", check_after, NULL);
}

/* The element has no place any more: dropped, nobody blocks. */
static void check_after_full(void *arg)
{
	struct gort_chan *full, *closed;
	struct m *mp = acquirem();
	s64 v = 4711;

	(void)arg;
	full = gort_after(0);
	closed = gort_after(0);
	CHECK_EQ(gort_chan_try_send(full, &v), 0);
	CHECK_EQ(gort_chan_close(closed), 0);
	releasem(mp);
	gort_sleep_ns(1000000);
	CHECK_EQ(gort_chan_recv(full, &v), 0);
	CHECK_EQ(v, 4711);
	CHECK_EQ(gort_chan_try_recv(full, &v), -EAGAIN);
	CHECK_EQ(gort_chan_recv(closed, &v), -EPIPE);
	CHECK_EQ(gort_chan_free(full), 0);
	CHECK_EQ(gort_chan_free(closed), 0);
}

static void test_after_full(void **state)
{
	(void)state;
	run_on("1", check_after_full, NULL);
}

static void check_after_select(void *arg)
{
	int n = mode_times(300);
	s64 v;

	(void)arg;
	for (int i = 0; i < n; i++) {
		struct gort_chan *soon = gort_after(i % 5 * 10000);
		struct gort_chan *late = gort_after(HOUR);
		struct gort_select_case cases[] = {
			GORT_RECV_CASE(late, &v), GORT_RECV_CASE(soon, &v),
		};

		CHECK_EQ(gort_select(cases, 2, 0), 1);
		CHECK_EQ(gort_chan_free(soon), 0);
		CHECK_EQ(gort_chan_free(late), 0);
	}
}

static void test_after_select(void **state)
{
	(void)state;
	run_on("1", check_after_select, NULL);
	run_on("4", check_after_select, NULL);
}

static void make_after(void *arg)
{
	*(struct gort_chan **)arg = gort_after(HOUR);
}

static void test_after_free_later(void **state)
{
	struct gort_chan *c = NULL;

	(void)state;
	run_on("2", make_after, &c);
	assert_non_null(c);
	assert_int_equal(gort_chan_free(c), 0);
}

static void free_chan(void *arg)
{
	gort_chan_free(arg);
}

static void free_on_g0(void *arg)
{
	(void)arg;
	gort_systemstack_call(free_chan, gort_after(HOUR));
}

static void test_after_free_outside(void **state)
{
	(void)state;
	child_run(run_1p, free_on_g0);
	child_expect_text("fatal error: gort_chan_free of a channel of gort_after() outside a goroutine");
	child_expect_exit(2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_after_changes),
		cmocka_unit_test(test_start_stop),
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_always_due),
		cmocka_unit_test(test_busy_p),
		cmocka_unit_test(test_stop_waits),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_survivors),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_sleep_none),
		cmocka_unit_test(test_sleep_for_ever),
		cmocka_unit_test(test_sleep_outside),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_timer_errors_outside),
		cmocka_unit_test(test_timer_errors),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_periodic),
		cmocka_unit_test(test_freed_by_fn),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_after_full),
		cmocka_unit_test(test_after_select),
		cmocka_unit_test(test_after_free_later),
		cmocka_unit_test(test_after_free_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
