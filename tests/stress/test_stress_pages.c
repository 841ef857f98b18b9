// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_pages.c - the page heap, used by goroutines and by
 * threads that the runtime does not know, while it is scavenged, near its
 * memory limit.
 *
 * Every page has its owner's mark.  The books are those of mm/pages.c.
 */
#include "stress/stress.h"

#include <pthread.h>

#include "kernel/sched.h"
#include "tests/mm/page_users.h"

#define STEPS	200000
#define THREADS	(USERS / 2)

static _Atomic long done;
static _Atomic bool over;
static struct gort_waitgroup all;

static u64 seed_of(const struct user *u)
{
	return 88172645463325252 + (u64)(u - users) * 7654321;
}

static void free_all(struct user *u, struct run *runs)
{
	for (size_t i = 0; i < RUNS; i++)
		if (runs[i].n)
			run_free(u, &runs[i]);
}

static void *thread(void *arg)
{
	long n = stress_long_count(STEPS) / USERS;
	struct run runs[RUNS] = { 0 };
	u64 seed = seed_of(arg);

	for (long i = 0; i < n; i++)
		random_step(arg, runs, &seed);
	free_all(arg, runs);
	atomic_fetch_add(&done, n);
	return NULL;
}

static void goroutine(void *arg)
{
	long n = stress_long_count(STEPS) / USERS;
	struct run runs[RUNS] = { 0 };
	u64 seed = seed_of(arg);

	for (long i = 0; i < n; i++) {
		/* As the owner of a heap cache has it. */
		struct m *mp = acquirem();

		random_step(arg, runs, &seed);
		releasem(mp);
		if (i % 16 == 0)
			gort_yield();
	}
	free_all(arg, runs);
	atomic_fetch_add(&done, n);
	gort_waitgroup_done(&all);
}

static void *scavenger(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		pages_scavenge(SIZE_MAX);
		pages_fork_lock();
		CHECK_EQ(mem_get(&mem_global.heap_released) % HPAGE_SIZE, 0);
		pages_fork_unlock();
	}
	return NULL;
}

static void first(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&all, USERS - THREADS);
	for (size_t i = THREADS; i < USERS; i++)
		CHECK_EQ(gort_go(goroutine, &users[i]), 0);
	gort_waitgroup_wait(&all);
}

int main(void)
{
	pthread_t t[THREADS + 1];

	CHECK_EQ(heap_init(), 0);
	atomic_store(&mem_global.limit, mem_get(&mem_global.mapped_ready) +
					32 * MB);
	for (size_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, &users[i]), 0);
	CHECK_EQ(pthread_create(&t[THREADS], NULL, scavenger, NULL), 0);
	stress_run("pages", first, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	atomic_store(&over, true);
	pthread_join(t[THREADS], NULL);

	CHECK_EQ(done, stress_long_count(STEPS) / USERS * USERS);
	for (size_t i = 0; i < USERS; i++)
		page_cache_flush(&users[i].pc);
	check_books();
	printf("# %ld steps, %llu MiB of arenas\n", (long)done,
	       (unsigned long long)mem_get(&mem_global.heap_mapped) >> 20);
	return stress_done("pages");
}
