// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_sync.c - mutexes, read-write locks, conditions,
 * semaphores and onces under load.  What they protect is not atomic, and
 * every operation is counted once.
 */
#include "stress/stress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MANY	100

/* Only this sanitizer sees a use after free. */
#ifdef WITH_ASAN
#define MEETINGS	30000000
#else
#define MEETINGS	300000
#endif

static struct gort_waitgroup all;
static struct gort_mutex mutex;
static struct gort_rwmutex rw;
static struct gort_cond cond, cond2;
static struct gort_sem sem;
static struct gort_once once;
static _Atomic long arrived;
static long count, count2;

static void start(int n, void (*fn)(void *), const void *arg, size_t size)
{
	gort_waitgroup_add(&all, n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go_copy(fn, arg, size), 0);
}

/* xorshift64, as the scheduler's */
static unsigned long next_random(unsigned long *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* --- one mutex for all --- */

static void add_locked(void *arg)
{
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		gort_mutex_lock(&mutex);
		count++;
		if (i % 1000 == 0)
			gort_yield();
		gort_mutex_unlock(&mutex);
		if (i % 100 == 0)
			gort_yield();
	}
	gort_waitgroup_done(&all);
}

static void one_mutex(void *arg)
{
	long n = *(long *)arg / MANY + 1;

	count = 0;
	start(MANY, add_locked, &n, sizeof(n));
	gort_waitgroup_wait(&all);
	CHECK_EQ(count, n * MANY);
}

/* --- a few of many mutexes: they become contended and calm again --- */

#define CELLS	16

static struct {
	struct gort_mutex mutex;
	long count;
} cells[CELLS];

static void add_somewhere(void *arg)
{
	unsigned long x = gort_goid() * 0x9e3779b97f4a7c15;
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		int k = (int)(next_random(&x) % CELLS);

		if (i % 4 == 0) {
			while (gort_mutex_try_lock(&cells[k].mutex))
				gort_yield();
		} else {
			gort_mutex_lock(&cells[k].mutex);
		}
		cells[k].count++;
		if (next_random(&x) % 64 == 0)
			gort_yield();
		gort_mutex_unlock(&cells[k].mutex);
	}
	gort_waitgroup_done(&all);
}

static void many_mutexes(void *arg)
{
	long n = *(long *)arg / MANY + 1, sum = 0;

	memset(cells, 0, sizeof(cells));
	start(MANY, add_somewhere, &n, sizeof(n));
	gort_waitgroup_wait(&all);
	for (int i = 0; i < CELLS; i++)
		sum += cells[i].count;
	CHECK_EQ(sum, n * MANY);
}

/*
 * --- threads that stop anywhere ---
 *
 * A signal handler holds a thread up now and then, also between two
 * instructions of an unlock, while goroutines on others go on.
 */

#define STOPPED		4		/* threads, as many as Ps */
#define STOP_NS		20000

static pthread_t threads[STOPPED], stopper;
static atomic_int nthreads;
static atomic_bool stop_ends;

static void hold_up(int sig)
{
	double until = stress_seconds() + STOP_NS * 1e-9;

	(void)sig;
	while (stress_seconds() < until)
		;
}

static void *stop_threads(void *arg)
{
	struct timespec pause = { .tv_nsec = STOP_NS };

	for (int i = 0; !atomic_load(&stop_ends); i++) {
		pthread_kill(threads[i % STOPPED], SIGUSR1);
		nanosleep(&pause, NULL);
	}
	return arg;
}

/* All at the same time, so on a thread each if there are so many. */
static void say_thread(void *arg)
{
	threads[atomic_fetch_add(&nthreads, 1)] = pthread_self();
	for (int i = 0; i < 1000 && atomic_load(&nthreads) < STOPPED; i++)
		gort_yield();
	gort_waitgroup_done(arg);
}

static void begin_stops(void)
{
	struct sigaction sa = { .sa_handler = hold_up,
				.sa_flags = SA_ONSTACK | SA_RESTART };

	/* For good: the last signal may be under way in end_stops(). */
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	atomic_store(&nthreads, 0);
	atomic_store(&stop_ends, false);
	gort_waitgroup_add(&all, STOPPED);
	for (int i = 0; i < STOPPED; i++)
		CHECK_EQ(gort_go(say_thread, &all), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(pthread_create(&stopper, NULL, stop_threads, NULL), 0);
}

static void end_stops(void)
{
	atomic_store(&stop_ends, true);
	CHECK_EQ(pthread_join(stopper, NULL), 0);
}

/* One mutex, which most of the time has nobody waiting for it. */

static atomic_bool add_ends;
static _Atomic long added;

static void add_often(void *arg)
{
	long n = 0;

	(void)arg;
	while (!atomic_load(&add_ends)) {
		gort_mutex_lock(&mutex);
		count++;
		gort_mutex_unlock(&mutex);
		if (++n % 4096 == 0)
			gort_yield();
	}
	atomic_fetch_add(&added, n);
	gort_waitgroup_done(&all);
}

static void stopped(void *arg)
{
	long n = *(long *)arg;

	count = 0;
	atomic_store(&added, n);
	atomic_store(&add_ends, false);
	begin_stops();
	start(STOPPED - 1, add_often, NULL, 0);
	for (long i = 0; i < n; i++) {
		gort_mutex_lock(&mutex);
		count++;
		gort_mutex_unlock(&mutex);
		for (volatile int k = 0; k < 1000; k++)
			;
	}
	atomic_store(&add_ends, true);
	gort_waitgroup_wait(&all);
	end_stops();
	CHECK_EQ(count, atomic_load(&added));
}

/*
 * Two goroutines lock each mutex once, at the same time: if one is not woken
 * nobody comes who would do that in passing.  The second one frees it, while
 * the unlock of the first may not have returned.
 */

struct meeting {
	struct gort_mutex mutex;
	int users;
};

static struct meeting **at;
static _Atomic long met[2];

static void meet(long n, int self)
{
	long sum = 0;
	int users;

	for (long i = 0; i < n; i++) {
		struct meeting *m = at[i];

		atomic_store(&met[self], i);
		while (atomic_load(&met[!self]) < i)
			gort_yield();
		gort_mutex_lock(&m->mutex);
		sum += ++count;
		users = --m->users;
		gort_mutex_unlock(&m->mutex);
		if (!users)
			free(m);
	}
	atomic_store(&met[self], n);
	atomic_fetch_add(&added, sum);
}

static void meet_other(void *arg)
{
	meet(*(long *)arg, 1);
	gort_waitgroup_done(&all);
}

static void meetings(void *arg)
{
	long n = *(long *)arg;

	at = calloc((size_t)n, sizeof(struct meeting *));
	for (long i = 0; i < n; i++) {
		at[i] = calloc(1, sizeof(struct meeting));
		at[i]->users = 2;
	}
	count = 0;
	atomic_store(&added, 0);
	atomic_store(&met[0], -1);
	atomic_store(&met[1], -1);
	begin_stops();
	start(1, meet_other, arg, sizeof(n));
	meet(n, 0);
	gort_waitgroup_wait(&all);
	end_stops();
	CHECK_EQ(atomic_load(&added), n * (2 * n + 1));
	free(at);
}

/* --- readers and writers --- */

static void read_and_write(void *arg)
{
	unsigned long x = gort_goid() * 0x9e3779b97f4a7c15;
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		if (i % 8 == 0) {
			gort_rwmutex_lock(&rw);
			count++;
			if (next_random(&x) % 64 == 0)
				gort_yield();
			count2++;
			gort_rwmutex_unlock(&rw);
		} else {
			gort_rwmutex_rlock(&rw);
			if (next_random(&x) % 64 == 0)
				gort_yield();
			CHECK_EQ(count, count2);
			gort_rwmutex_runlock(&rw);
		}
	}
	gort_waitgroup_done(&all);
}

static void readers_writers(void *arg)
{
	long n = *(long *)arg / MANY / 8 * 8 + 8;

	count = 0;
	count2 = 0;
	start(MANY, read_and_write, &n, sizeof(n));
	gort_waitgroup_wait(&all);
	CHECK_EQ(count, n / 8 * MANY);
	CHECK_EQ(count2, count);
}

/* --- a bounded buffer --- */

#define ROOM	10

static long produced_sum, consumed_sum;

static void produce(void *arg)
{
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		gort_mutex_lock(&mutex);
		while (count == ROOM)
			gort_cond_wait(&cond, &mutex);
		count++;
		produced_sum += i;
		gort_cond_signal(&cond2);
		gort_mutex_unlock(&mutex);
	}
	gort_waitgroup_done(&all);
}

static void consume(void *arg)
{
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		gort_mutex_lock(&mutex);
		while (!count)
			gort_cond_wait(&cond2, &mutex);
		count--;
		consumed_sum += i;
		gort_mutex_unlock(&mutex);
		gort_cond_signal(&cond);
	}
	gort_waitgroup_done(&all);
}

static void bounded_buffer(void *arg)
{
	long n = *(long *)arg / MANY + 1;

	count = 0;
	produced_sum = 0;
	consumed_sum = 0;
	start(MANY / 2, produce, &n, sizeof(n));
	start(MANY / 2, consume, &n, sizeof(n));
	gort_waitgroup_wait(&all);
	CHECK_EQ(count, 0);
	CHECK_EQ(produced_sum, MANY / 2 * (n * (n - 1) / 2));
	CHECK_EQ(consumed_sum, produced_sum);
}

/* --- permits --- */

#define PERMITS	20

static _Atomic long inside;

static void acquire_release(void *arg)
{
	unsigned long x = gort_goid() * 0x9e3779b97f4a7c15;
	long n = *(long *)arg;

	for (long i = 0; i < n; i++) {
		long k = (long)(next_random(&x) % PERMITS) + 1;

		gort_sem_acquire(&sem, (uint64_t)k);
		CHECK_LE(atomic_fetch_add(&inside, k) + k, PERMITS);
		if (i % 16 == 0)
			gort_yield();
		atomic_fetch_sub(&inside, k);
		gort_sem_release(&sem, (uint64_t)k);
	}
	gort_waitgroup_done(&all);
}

static void permits(void *arg)
{
	long n = *(long *)arg / MANY + 1;

	gort_sem_init(&sem, PERMITS);
	start(MANY, acquire_release, &n, sizeof(n));
	gort_waitgroup_wait(&all);
	CHECK_EQ(gort_sem_try_acquire(&sem, PERMITS), 0);
	CHECK_EQ(gort_sem_try_acquire(&sem, 1), -EAGAIN);
}

/* --- once --- */

static void count_it(void *arg)
{
	gort_yield();
	++*(long *)arg;
}

static void call_once(void *arg)
{
	long round = *(long *)arg;

	gort_once(&once, count_it, &count);
	CHECK_EQ(count, round + 1);
	gort_waitgroup_done(&all);
}

static void onces(void *arg)
{
	long n = *(long *)arg / MANY + 1;

	count = 0;
	for (long round = 0; round < n; round++) {
		memset(&once, 0, sizeof(once));
		start(MANY, call_once, &round, sizeof(round));
		gort_waitgroup_wait(&all);
	}
	CHECK_EQ(count, n);
}

/* --- very many wait, for one object or each for its own --- */

static struct gort_mutex *own;

static void wait_mutex(void *arg)
{
	struct gort_mutex *m = arg;

	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	gort_mutex_lock(m);
	count++;
	gort_mutex_unlock(m);
	gort_waitgroup_done(&all);
}

static void wait_arrived(long n)
{
	while (atomic_load_explicit(&arrived, memory_order_relaxed) < n)
		gort_yield();
	gort_yield();
}

static void crowd_mutex(void *arg)
{
	long n = *(long *)arg;

	count = 0;
	atomic_store(&arrived, 0);
	gort_waitgroup_add(&all, n);
	gort_mutex_lock(&mutex);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_go(wait_mutex, &mutex), 0);
	wait_arrived(n);
	CHECK_EQ(count, 0);
	gort_mutex_unlock(&mutex);
	gort_waitgroup_wait(&all);
	CHECK_EQ(count, n);
}

static _Atomic long locked_own;

static void wait_own(void *arg)
{
	struct gort_mutex *m = arg;

	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	gort_mutex_lock(m);
	atomic_fetch_add_explicit(&locked_own, 1, memory_order_relaxed);
	gort_mutex_unlock(m);
	gort_waitgroup_done(&all);
}

static void crowd_mutexes(void *arg)
{
	long n = *(long *)arg;

	own = calloc((size_t)n, sizeof(*own));
	atomic_store(&arrived, 0);
	atomic_store(&locked_own, 0);
	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++) {
		gort_mutex_lock(&own[i]);
		CHECK_EQ(gort_go(wait_own, &own[i]), 0);
	}
	wait_arrived(n);
	CHECK_EQ(atomic_load(&locked_own), 0);
	for (long i = 0; i < n; i++)
		gort_mutex_unlock(&own[i]);
	gort_waitgroup_wait(&all);
	CHECK_EQ(atomic_load(&locked_own), n);
	free(own);
}

static void wait_cond(void *arg)
{
	(void)arg;
	gort_mutex_lock(&mutex);
	count++;
	gort_cond_wait(&cond, &mutex);
	count2++;
	gort_mutex_unlock(&mutex);
	gort_waitgroup_done(&all);
}

static void crowd_cond(void *arg)
{
	long n = *(long *)arg, waiting = 0;

	count = 0;
	count2 = 0;
	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_go(wait_cond, NULL), 0);
	while (waiting < n) {
		gort_yield();
		gort_mutex_lock(&mutex);
		waiting = count;
		gort_mutex_unlock(&mutex);
	}
	CHECK_EQ(count2, 0);
	gort_cond_broadcast(&cond);
	gort_waitgroup_wait(&all);
	CHECK_EQ(count2, n);
}

static void wait_sem(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	gort_sem_acquire(&sem, 2);
	gort_waitgroup_done(&all);
}

static void crowd_sem(void *arg)
{
	long n = *(long *)arg;

	gort_sem_init(&sem, 1);
	atomic_store(&arrived, 0);
	gort_waitgroup_add(&all, n);
	for (long i = 0; i < n; i++)
		CHECK_EQ(gort_go(wait_sem, NULL), 0);
	wait_arrived(n);
	gort_sem_release(&sem, 2 * (uint64_t)n);
	gort_waitgroup_wait(&all);
	CHECK_EQ(gort_sem_try_acquire(&sem, 1), 0);
	CHECK_EQ(gort_sem_try_acquire(&sem, 1), -EAGAIN);
}

static void run(const char *name, void (*fn)(void *), long operations)
{
	long n = stress_long_count(operations);

	stress_run(name, fn, &n);
}

static void run_procs(const char *procs, const char *name,
		      void (*fn)(void *), long operations)
{
	const char *old = getenv("GORTMAXPROCS");
	char saved[16] = "";

	if (old)
		snprintf(saved, sizeof(saved), "%s", old);
	setenv("GORTMAXPROCS", procs, 1);
	run(name, fn, operations);
	if (old)
		setenv("GORTMAXPROCS", saved, 1);
	else
		unsetenv("GORTMAXPROCS");
}

static void run_live(const char *name, void (*fn)(void *), long goroutines)
{
	long n = stress_live(goroutines);

	stress_run(name, fn, &n);
}

int main(void)
{
	run("one mutex", one_mutex, 20000000);
	run("many mutexes", many_mutexes, 20000000);
	run_procs("4", "threads that stop anywhere", stopped, 500000);
	run_procs("2", "threads that stop anywhere, meetings", meetings, MEETINGS);
	run("readers and writers", readers_writers, 10000000);
	run("bounded buffer", bounded_buffer, 5000000);
	run("permits", permits, 5000000);
	run("once", onces, 2000000);
	run_live("a crowd waits for a mutex", crowd_mutex, 1000000);
	run_live("a crowd waits, each for its own", crowd_mutexes, 50000);
	run_live("a crowd waits for a condition", crowd_cond, 50000);
	run_live("a crowd waits for a semaphore", crowd_sem, 50000);
	return stress_done("sync");
}
