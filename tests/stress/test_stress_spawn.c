// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_spawn.c - ten million short goroutines: from one
 * spawner, from several, and each by the one before.
 */
#include "stress/stress.h"

#include <stdatomic.h>

#define SPAWNERS	8
#define BATCH		1000

static _Atomic long sum, ran;
static struct gort_waitgroup all, spawners;

struct job {
	struct gort_waitgroup *batch;
	long value;
};

static void add(void *arg)
{
	const struct job *j = arg;

	atomic_fetch_add_explicit(&sum, j->value, memory_order_relaxed);
	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
	gort_waitgroup_done(j->batch);
}

/* In batches, so that memory does not grow with n. */
static void spawn_n(long n)
{
	struct gort_waitgroup batch = { 0 };

	for (long i = 0; i < n; i++) {
		struct job j = { &batch, i };

		gort_waitgroup_add(&batch, 1);
		CHECK_EQ(gort_go_copy(add, &j, sizeof(j)), 0);
		if (i % BATCH == BATCH - 1)
			gort_waitgroup_wait(&batch);
	}
	gort_waitgroup_wait(&batch);
}

static void from_one(void *arg)
{
	long n = *(long *)arg;

	spawn_n(n);
	CHECK_EQ(atomic_load(&ran), n);
	CHECK_EQ(atomic_load(&sum), n * (n - 1) / 2);
}

static void spawner(void *arg)
{
	spawn_n(*(long *)arg);
	gort_waitgroup_done(&spawners);
}

static void from_several(void *arg)
{
	long n = *(long *)arg / SPAWNERS;

	gort_waitgroup_add(&spawners, SPAWNERS);
	for (int i = 0; i < SPAWNERS; i++)
		CHECK_EQ(gort_go(spawner, &n), 0);
	gort_waitgroup_wait(&spawners);
	CHECK_EQ(atomic_load(&ran), SPAWNERS * n);
	CHECK_EQ(atomic_load(&sum), SPAWNERS * (n * (n - 1) / 2));
}

static void chain(void *arg)
{
	long left = (long)arg;

	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
	if (left > 1)
		CHECK_EQ(gort_go(chain, (void *)(left - 1)), 0);
	else
		gort_waitgroup_done(&all);
}

static void one_by_one(void *arg)
{
	long n = *(long *)arg;

	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(chain, (void *)n), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&ran), n);
}

static void run(const char *name, void (*fn)(void *), long n)
{
	atomic_store(&sum, 0);
	atomic_store(&ran, 0);
	stress_run(name, fn, &n);
}

int main(void)
{
	run("from one", from_one, stress_count(4000000));
	run("from several", from_several,
	    stress_count(4000000) / SPAWNERS * SPAWNERS);
	run("one by one", one_by_one, stress_count(2000000));
	return stress_done("spawn");
}
