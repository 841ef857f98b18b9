// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_runq.c - a P's queue between its owner and thieves.
 *
 * The Gs are never run, and the queues belong to Ps that the scheduler does
 * not know.  The threads here pose as Ms on their g0: overflow takes
 * sched.lock.
 */
#include "kernel/runq.h"

#include <pthread.h>
#include <sched.h>

#include "tests/child.h"
#include "tests/kernel/check.h"

#define NPS	4

static struct p ps[NPS];

struct pose {
	struct m m;
	struct g g0;
};

static void pose_as_m(struct pose *pose)
{
	struct tls *t = tls_self();

	memset(pose, 0, sizeof(*pose));
	pose->g0.m = &pose->m;
	pose->g0.system = true;
	pose->m.g0 = &pose->g0;
	t->g0 = &pose->g0;
	t->g = &pose->g0;
	t->where = ON_G0;
}

static void pose_end(void)
{
	*tls_self() = (struct tls){ 0 };
}

static struct g *new_gs(u32 n)
{
	struct g *gs = calloc(n, sizeof(*gs));

	assert_non_null(gs);
	for (u32 i = 0; i < n; i++)
		gs[i].id = i;
	return gs;
}

static int setup(void **state)
{
	(void)state;
	memset(ps, 0, sizeof(ps));
	return 0;
}

/* --- the owner alone --- */

static void expect_next(struct g *want)
{
	struct g *gp = runq_get(&ps[0]);

	assert_ptr_equal(gp, want);
}

static void test_fifo(void **state)
{
	struct g *gs = new_gs(RUNQ_SIZE);

	(void)state;
	assert_true(runq_empty(&ps[0]));
	expect_next(NULL);
	for (u32 round = 0; round < 10; round++) {
		u32 n = RUNQ_SIZE - round * 25;

		for (u32 i = 0; i < n; i++)
			runq_put(&ps[0], &gs[i]);
		assert_false(runq_empty(&ps[0]));
		for (u32 i = 0; i < n; i++)
			expect_next(&gs[i]);
		expect_next(NULL);
		assert_true(runq_empty(&ps[0]));
	}
	free(gs);
}

/* Around the end of the 32-bit positions. */
static void test_wrap(void **state)
{
	struct g *gs = new_gs(RUNQ_SIZE);

	(void)state;
	atomic_store(&ps[0].runq_head, UINT32_MAX - 100);
	atomic_store(&ps[0].runq_tail, UINT32_MAX - 100);
	for (u32 i = 0; i < RUNQ_SIZE; i++)
		runq_put(&ps[0], &gs[i]);
	for (u32 i = 0; i < RUNQ_SIZE; i++)
		expect_next(&gs[i]);
	expect_next(NULL);
	free(gs);
}

static void test_runnext(void **state)
{
	struct g *gs = new_gs(4);

	(void)state;
	runq_put(&ps[0], &gs[0]);
	runq_put_next(&ps[0], &gs[1]);
	runq_put_next(&ps[0], &gs[2]);	/* the one before goes to the ring */
	expect_next(&gs[2]);
	expect_next(&gs[0]);
	expect_next(&gs[1]);
	expect_next(NULL);
	runq_put_next(&ps[0], &gs[3]);
	assert_false(runq_empty(&ps[0]));
	expect_next(&gs[3]);
	assert_true(runq_empty(&ps[0]));
	free(gs);
}

/* Two that ready each other for ever do not starve the ring. */
static void test_runnext_is_fair(void **state)
{
	struct g *gs = new_gs(3), *gp;
	int n = 0;

	(void)state;
	runq_put(&ps[0], &gs[0]);
	do {
		runq_put_next(&ps[0], &gs[1 + n % 2]);
		gp = runq_get(&ps[0]);
		n++;
	} while (gp != &gs[0] && n < 1000);
	assert_in_range(n, 2, RUNNEXT_MAX + 1);
	free(gs);
}

static void test_overflow(void **state)
{
	struct g *gs = new_gs(RUNQ_SIZE + 1), *gp;
	struct pose pose;

	(void)state;
	lock_init_once();
	pose_as_m(&pose);
	for (u32 i = 0; i <= RUNQ_SIZE; i++)
		runq_put(&ps[0], &gs[i]);
	assert_int_equal(atomic_load(&sched.runq_size), RUNQ_SIZE / 2 + 1);
	/* The older half and the new one are in the global queue. */
	for (u32 i = 0; i <= RUNQ_SIZE / 2; i++) {
		gp = gqueue_pop(&sched.runq);
		assert_ptr_equal(gp, &gs[i < RUNQ_SIZE / 2 ? i : RUNQ_SIZE]);
	}
	assert_null(gqueue_pop(&sched.runq));
	atomic_store(&sched.runq_size, 0);
	for (u32 i = RUNQ_SIZE / 2; i < RUNQ_SIZE; i++)
		expect_next(&gs[i]);
	expect_next(NULL);
	assert_int_equal(pose.m.locks, 0);
	pose_end();
	free(gs);
}

/* --- theft --- */

static void test_steal_half(void **state)
{
	struct g *gs = new_gs(RUNQ_SIZE), *gp;

	(void)state;
	for (u32 n = 1; n <= RUNQ_SIZE; n++) {
		u32 half = n - n / 2, from_ring = 0;

		memset(ps, 0, sizeof(ps));
		for (u32 i = 0; i < n; i++)
			runq_put(&ps[0], &gs[i]);
		gp = runq_steal(&ps[1], &ps[0], false);
		/* The last of those taken is returned, the others queued. */
		assert_ptr_equal(gp, &gs[half - 1]);
		while ((gp = runq_get(&ps[1])))
			assert_ptr_equal(gp, &gs[from_ring++]);
		assert_int_equal(from_ring, half - 1);
		assert_int_equal(atomic_load(&ps[1].nsteals), half);
		for (u32 i = half; i < n; i++)
			expect_next(&gs[i]);
		expect_next(NULL);
	}
	free(gs);
}

static void test_steal_runnext(void **state)
{
	struct g *gs = new_gs(2), *gp;

	(void)state;
	assert_null(runq_steal(&ps[1], &ps[0], true));
	runq_put_next(&ps[0], &gs[0]);
	assert_null(runq_steal(&ps[1], &ps[0], false));
	runq_put(&ps[0], &gs[1]);
	gp = runq_steal(&ps[1], &ps[0], true);
	assert_ptr_equal(gp, &gs[1]);
	gp = runq_steal(&ps[1], &ps[0], true);
	assert_ptr_equal(gp, &gs[0]);
	assert_null(runq_steal(&ps[1], &ps[0], true));
	assert_true(runq_empty(&ps[0]));
	assert_int_equal(atomic_load(&ps[1].nsteals), 2);
	free(gs);
}

/* --- everybody at once: nothing lost, nothing twice --- */

static struct race {
	struct g *gs;
	u32 n;
	bool overflows;		/* the owner may fill the ring */
	_Atomic unsigned char *taken;
	_Atomic u32 ntaken;
	_Atomic u32 thefts;
	atomic_bool owner_done;
} race;

static void take(struct g *gp)
{
	CHECK_EQ(atomic_exchange_explicit(&race.taken[gp->id], 1,
					  memory_order_relaxed), 0);
	CHECK_EQ(gp->wait_reason, gp->id % 1000);
	atomic_fetch_add_explicit(&race.ntaken, 1, memory_order_relaxed);
}

static void take_global(void)
{
	struct g *gp;

	lock(&sched.lock);
	while ((gp = gqueue_pop(&sched.runq)))
		take(gp);
	atomic_store(&sched.runq_size, 0);
	unlock(&sched.lock);
}

static u32 ring_length(struct p *pp)
{
	return atomic_load(&pp->runq_tail) - atomic_load(&pp->runq_head);
}

static void *race_owner(void *arg)
{
	struct p *pp = arg;
	struct pose pose;
	struct g *gp;
	u64 x = 88172645463325252;

	pose_as_m(&pose);
	for (u32 i = 0; i < race.n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		/* Written plainly: the queue makes it visible to thieves. */
		race.gs[i].wait_reason = i % 1000;
		if (x % 4 == 0 && i != race.n / 2)
			runq_put_next(pp, &race.gs[i]);
		else
			runq_put(pp, &race.gs[i]);
		/* Not without them, however slow they are to start. */
		while (i == race.n / 2 && ring_length(pp) &&
		       !atomic_load(&race.thefts))
			sched_yield();
		if (race.overflows ? x / 4 % 4 == 0 : x / 4 % 2 == 0) {
			gp = runq_get(pp);
			if (gp)
				take(gp);
		}
		if (!race.overflows && ring_length(pp) > RUNQ_SIZE / 2)
			while ((gp = runq_get(pp)))
				take(gp);
	}
	while ((gp = runq_get(pp)))
		take(gp);
	take_global();
	atomic_store(&race.owner_done, true);
	pose_end();
	return NULL;
}

static bool all_empty(void)
{
	for (int i = 0; i < NPS; i++)
		if (!runq_empty(&ps[i]))
			return false;
	return true;
}

/* Thieves rob the owner and each other. */
static void *race_thief(void *arg)
{
	struct p *pp = arg;
	struct pose pose;
	struct g *gp;
	u32 victim = 0, got = 0;

	pose_as_m(&pose);
	while (!atomic_load(&race.owner_done) || !all_empty()) {
		victim = (victim + 1) % NPS;
		if (&ps[victim] == pp)
			continue;
		gp = runq_steal(pp, &ps[victim], victim % 2 || got % 4);
		if (!gp) {
			sched_yield();
			continue;
		}
		take(gp);
		atomic_fetch_add(&race.thefts, 1);
		for (u32 i = 0; got % 8 ? i < 1000 : i < 3; i++) {
			gp = runq_get(pp);
			if (!gp)
				break;
			take(gp);
		}
		/* runq_steal() wants an empty ring. */
		while ((gp = runq_get(pp)))
			take(gp);
		got++;
	}
	pose_end();
	return NULL;
}

static void run_race(u32 n, bool overflows)
{
	pthread_t t[NPS];
	u64 stolen = 0;

	memset(ps, 0, sizeof(ps));
	race = (struct race){ .n = n, .overflows = overflows };
	race.gs = new_gs(n);
	race.taken = calloc(n, 1);
	assert_non_null(race.taken);
	for (int i = 0; i < NPS; i++)
		assert_int_equal(pthread_create(&t[i], NULL,
				i ? race_thief : race_owner, &ps[i]), 0);
	for (int i = 0; i < NPS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(atomic_load(&race.ntaken), n);
	for (int i = 0; i < NPS; i++) {
		stolen += atomic_load(&ps[i].nsteals);
		assert_true(runq_empty(&ps[i]));
	}
	/* Or it was no race. */
	assert_int_not_equal(stolen, 0);
	free(race.gs);
	free(race.taken);
}

static void test_race(void **state)
{
	(void)state;
	lock_init_once();
	for (int i = 0; i < mode_times(10); i++)
		run_race(200000, false);
}

static void test_race_with_overflow(void **state)
{
	(void)state;
	lock_init_once();
	for (int i = 0; i < mode_times(10); i++)
		run_race(200000, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fifo, setup),
		cmocka_unit_test_setup(test_wrap, setup),
		cmocka_unit_test_setup(test_runnext, setup),
		cmocka_unit_test_setup(test_runnext_is_fair, setup),
		cmocka_unit_test_setup(test_overflow, setup),
		cmocka_unit_test_setup(test_steal_half, setup),
		cmocka_unit_test_setup(test_steal_runnext, setup),
		cmocka_unit_test_setup(test_race, setup),
		cmocka_unit_test_setup(test_race_with_overflow, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
