// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_memstat.c - statistics read a million times, and
 * compared each time, while everything that they are about changes.
 *
 * Goroutines and threads that are not gort's, old ones and new ones, allocate
 * all sizes and free what others allocated; stacks grow and shrink, in system
 * calls, too; free memory goes back to the kernel; traces begin and end;
 * GORTMAXPROCS changes.  A difference between the books ends the process.
 */
#define _GNU_SOURCE
#include "stress/stress.h"

#include <gort/mem.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "kernel/spin.h"

#define READS	1000000
#define NPROCS	4
#define NSLOTS	1024
#define NTHREADS 2
#define LEAVES	100		/* at a time, more or less */
#define SHORT_LIFE 200		/* objects of a thread that comes and goes */

static _Atomic int done;
static _Atomic long allocs, threads, traces, deeps, calls, born, died;
static _Atomic(void *) slots[NSLOTS];
static struct gort_waitgroup all;
static double seconds;

static long add(_Atomic long *v)
{
	return atomic_fetch_add_explicit(v, 1, memory_order_relaxed);
}

static size_t any_size(unsigned int *seed)
{
	unsigned int r = (unsigned int)rand_r(seed);

	if (r % 256 == 0)
		return 1 + (size_t)rand_r(seed) % 1000000;
	return (size_t)rand_r(seed) % ((size_t)16 << r % 12);
}

/* What is freed is another's, mostly. */
static void exchange(unsigned int *seed)
{
	_Atomic(void *) *at = &slots[(unsigned int)rand_r(seed) % NSLOTS];
	void *p = gort_alloc(any_size(seed));

	CHECK_NE(p, NULL);
	add(&allocs);
	gort_free(atomic_exchange_explicit(at, p, memory_order_acq_rel));
}

static void exchanger(void *arg)
{
	unsigned int seed = (unsigned int)gort_goid();

	(void)arg;
	while (!peek(&done)) {
		for (int i = 0; i < 10; i++)
			exchange(&seed);
		gort_yield();
	}
	gort_waitgroup_done(&all);
}

/* Sleeps now and then, so that it is not always the one that is held. */
static void *foreign(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!peek(&done)) {
		for (int i = 0; i < 20; i++)
			exchange(&seed);
		usleep(100);
	}
	return NULL;
}

static void *short_lived(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	for (int i = 0; i < SHORT_LIFE; i++)
		exchange(&seed);
	return NULL;
}

static void *parent_of_threads(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		pthread_t t;

		CHECK_EQ(pthread_create(&t, NULL, short_lived,
					(void *)add(&threads)), 0);
		CHECK_EQ(pthread_join(t, NULL), 0);
		usleep(1000);
	}
	return NULL;
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char pad[400];

	pad[0] = (char)n;
	return n ? deep(n - 1) + pad[0] : 0;
}

static void grower(void *arg)
{
	unsigned int seed = (unsigned int)gort_goid();

	(void)arg;
	while (!peek(&done)) {
		deep((int)(rand_r(&seed) % 1000));
		if (add(&deeps) % 16 == 0)
			CHECK_LE(0, gort_stack_shrink());
		gort_sleep_ns(20000);
	}
	gort_waitgroup_done(&all);
}

/* Nobody stops one in a system call: not its stack, and not what it
 * allocates there. */
static void caller(void *arg)
{
	unsigned int seed = (unsigned int)gort_goid();

	(void)arg;
	while (!peek(&done)) {
		gort_syscall_enter();
		deep((int)(rand_r(&seed) % 500));
		for (int i = 0; i < 10; i++)
			exchange(&seed);
		usleep(1);
		deep((int)(rand_r(&seed) % 500));
		gort_syscall_exit();
		if (add(&calls) % 8 == 0)
			CHECK_LE(0, gort_stack_shrink());
	}
	gort_waitgroup_done(&all);
}

static void leaf(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	deep((int)(rand_r(&seed) % 100));
	exchange(&seed);
	add(&died);
}

static void parent(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		for (int i = 0; i < 10; i++)
			CHECK_EQ(gort_go(leaf, (void *)add(&born)), 0);
		do
			gort_sleep_ns(50000);
		while (atomic_load(&born) - atomic_load(&died) > LEAVES);
	}
	gort_waitgroup_done(&all);
}

static void tracer(void *arg)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)arg;
	while (!peek(&done)) {
		CHECK_EQ(gort_trace_start(fd, NULL), 0);
		gort_sleep_ns(5000000);
		CHECK_EQ(gort_trace_stop(), 0);
		gort_sleep_ns(5000000);
		add(&traces);
	}
	close(fd);
	gort_waitgroup_done(&all);
}

static void changer(void *arg)
{
	(void)arg;
	for (int i = 0; !peek(&done); i++) {
		CHECK_LE(1, gort_gomaxprocs(1 + i % NPROCS));
		gort_sleep_ns(300000);
	}
	gort_waitgroup_done(&all);
}

static void scavenger(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		CHECK_LE(0, gort_free_os_memory());
		gort_sleep_ns(20000000);
	}
	gort_waitgroup_done(&all);
}

static void load(void)
{
	static void (*const fns[])(void *) = {
		exchanger, exchanger, exchanger, grower, grower, caller, caller,
		parent, tracer, changer, scavenger,
	};

	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(fns[i], NULL), 0);
	}
}

/* What was is not undone. */
static void compare(const struct gort_memstats *old,
		    const struct gort_memstats *new)
{
	CHECK_LE(old->total_alloc, new->total_alloc);
	CHECK_LE(old->total_free, new->total_free);
	CHECK_LE(old->mallocs, new->mallocs);
	CHECK_LE(old->frees, new->frees);
	CHECK_LE(new->heap_alloc, new->heap_inuse);
}

static void read_often(long n)
{
	static struct gort_memstats st[2];
	double begin = stress_seconds();

	CHECK_EQ(gort_read_memstats(&st[1]), 0);
	for (long i = 0; i < n; i++) {
		CHECK_EQ(gort_read_memstats(&st[i % 2]), 0);
		compare(&st[(i + 1) % 2], &st[i % 2]);
		/* The others are to get somewhere, too. */
		if (i % 32 == 0)
			gort_yield();
	}
	seconds = stress_seconds() - begin;
}

/* To the last object. */
static void count(const struct gort_memstats *before)
{
	struct gort_memstats st;

	for (int i = 0; i < NSLOTS; i++)
		gort_free(atomic_exchange(&slots[i], NULL));
	CHECK_EQ(gort_read_memstats(&st), 0);
	CHECK_EQ(st.mallocs - before->mallocs, atomic_load(&allocs));
	CHECK_EQ(st.heap_objects, before->heap_objects);
	CHECK_EQ(st.heap_alloc, before->heap_alloc);
	for (uint64_t i = 0; i < st.nclasses; i++)
		CHECK_EQ(st.by_size[i].mallocs - st.by_size[i].frees,
			 before->by_size[i].mallocs -
			 before->by_size[i].frees);
}

static void reads(void *arg)
{
	static struct gort_memstats before;
	pthread_t t[NTHREADS + 1];

	CHECK_EQ(gort_read_memstats(&before), 0);
	load();
	for (long i = 0; i < NTHREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, foreign,
					(void *)(i + 1000)), 0);
	CHECK_EQ(pthread_create(&t[NTHREADS], NULL, parent_of_threads, NULL),
		 0);
	read_often(*(long *)arg);
	atomic_store(&done, 1);
	for (int i = 0; i <= NTHREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	gort_waitgroup_wait(&all);
	while (atomic_load(&died) != atomic_load(&born))
		gort_yield();
	count(&before);
}

int main(void)
{
	/* All of them take a quarter of an hour. */
	long n = stress_count(getenv("STRESS_SCALE") ? READS : READS / 50);
	const char *old = getenv("GORTDEBUG");
	char buf[256];

	snprintf(buf, sizeof(buf), "%s%sdoublecheckmemstats=1,traceallocfree=1",
		 old ? old : "", old && *old ? "," : "");
	setenv("GORTDEBUG", buf, 1);
	stress_run("read", reads, &n);
	printf("# %ld reads of %.1f us each; %ld objects, %ld threads, %ld traces, %ld deep, %ld calls, %ld goroutines\n",
	       n, seconds * 1e6 / (double)n, atomic_load(&allocs),
	       atomic_load(&threads), atomic_load(&traces),
	       atomic_load(&deeps), atomic_load(&calls), atomic_load(&born));
	return stress_done("stress_memstat");
}
