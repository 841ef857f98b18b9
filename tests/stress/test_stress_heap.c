// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_heap.c - the heap against a model (heapmodel.h),
 * from everywhere it may be used: goroutines that migrate, system stacks,
 * system calls, threads that stay, threads that come and go, and children of
 * fork(), while the number of Ps changes.
 */
#define _GNU_SOURCE
#include "stress/stress.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heapmodel.h"

#define STEPS		6000000		/* of all, in all runs */
#define RUNS		3
#define NGORO		24
#define NTHREAD		3
#define BRIEF_STEPS	300		/* of a thread that comes and goes */
#define CHILD_STEPS	2000
#define NFORK		8		/* per run and place */

static long steps_each;
static struct gort_waitgroup all;
static _Atomic long left, done;
static _Atomic uint64_t seeds;

static struct model_rng new_rng(void)
{
	return model_seed(atomic_fetch_add(&seeds, 1));
}

static void steps(struct model_rng *r, long n)
{
	for (long i = 0; i < n; i++)
		CHECK_EQ(model_step(r), true);
	atomic_fetch_add_explicit(&done, n, memory_order_relaxed);
}

/* What is left to do is done by whoever gets at it. */
static bool more(long n)
{
	return atomic_fetch_sub_explicit(&left, n, memory_order_relaxed) > 0;
}

/*
 * fork(): the child has places that nobody there will ever let go; it leaves
 * those alone.
 */

static void in_child(struct model_rng *r)
{
	for (int i = 0; i < CHILD_STEPS; i++)
		CHECK_EQ(model_step(r), true);
	for (size_t i = 0; i < MODEL_PLACES; i++)
		if (!atomic_load(&model_places[i].taken) && model_places[i].p)
			model_free(&model_places[i]);
	_exit(0);
}

static void fork_once(void *arg)
{
	struct model_rng *r = arg;
	int status;
	pid_t pid;

	/* A fork() of qemu-user's may copy locks that are held. */
	if (mode_emulated())
		return;
	pid = fork();
	CHECK_LE(0, pid);
	if (!pid) {
		alarm(50);
		in_child(r);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Goroutines. */

static void steps_blocking(void *arg)
{
	steps(arg, 5);
}

static void goro_round(struct model_rng *r)
{
	switch (model_rnd(r) % 8) {
	case 0:
		CHECK_EQ(gort_blocking(steps_blocking, r), 0);
		break;
	case 1:
		CHECK_EQ(gort_systemstack_call(steps_blocking, r), 0);
		break;
	case 2:
		gort_syscall_enter();
		steps(r, 5);
		gort_syscall_exit();
		break;
	default:
		steps(r, 5);
	}
	gort_yield();
}

static void goro(void *arg)
{
	struct model_rng r = new_rng();

	(void)arg;
	while (more(5))
		goro_round(&r);
	gort_waitgroup_done(&all);
}

static void run(void *arg)
{
	struct model_rng r = new_rng();
	long next = atomic_load(&left);
	int forks = 0;

	(void)arg;
	gort_waitgroup_add(&all, NGORO);
	for (int i = 0; i < NGORO; i++)
		CHECK_EQ(gort_go(goro, NULL), 0);
	while (more(5)) {
		goro_round(&r);
		if (atomic_load(&left) > next)
			continue;
		next -= steps_each / 50;
		CHECK_LT(0, gort_gomaxprocs(1 + (int)(model_rnd(&r) % 6)));
		/* There the child is not preempted: it has no scheduler. */
		if (forks++ < NFORK)
			CHECK_EQ(gort_systemstack_call(fork_once, &r), 0);
	}
	gort_waitgroup_wait(&all);
}

/* Threads. */

static void *stays(void *arg)
{
	struct model_rng r = new_rng();

	(void)arg;
	while (more(100))
		steps(&r, 100);
	return NULL;
}

static void *brief(void *arg)
{
	struct model_rng r = new_rng();

	(void)arg;
	steps(&r, BRIEF_STEPS);
	return NULL;
}

static void *spawns(void *arg)
{
	struct model_rng r = new_rng();
	pthread_t t[2];
	int forks = 0;

	(void)arg;
	while (more(2 * BRIEF_STEPS)) {
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, brief, NULL), 0);
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_join(t[i], NULL), 0);
		if (forks++ < NFORK)
			fork_once(&r);
	}
	return NULL;
}

static void one_run(void)
{
	pthread_t t[NTHREAD + 1];

	atomic_store(&left, steps_each);
	for (int i = 0; i < NTHREAD; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, stays, NULL), 0);
	CHECK_EQ(pthread_create(&t[NTHREAD], NULL, spawns, NULL), 0);
	stress_run("steps", run, NULL);
	for (int i = 0; i <= NTHREAD; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

int main(void)
{
	size_t ncaches = 0;

	steps_each = stress_long_count(STEPS) / RUNS + 1;
	setenv("GORTMAXPROCS", "4", 1);
	model_init();
	for (int i = 0; i < RUNS; i++) {
		one_run();
		model_free_all();
		model_balance();
	}
	for (struct heap_cache *hc = atomic_load(&heap_caches); hc;
	     hc = hc->all_link)
		ncaches++;
	printf("# %ld steps, %zu caches, %llu MiB of heap\n",
	       atomic_load(&done), ncaches,
	       (unsigned long long)mem_get(&mem_global.heap_mapped) >> 20);
	CHECK_LE(steps_each * RUNS, atomic_load(&done));
	return stress_done("stress_heap");
}
