// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_heap_pc.c - who allocates never frees: producers
 * and consumers use bounded memory, whoever they are.
 *
 * Millions of objects go through a ring that holds a thousand.  If what the
 * consumer frees did not come back to the producer, each million would cost
 * a quarter of a gigabyte.
 */
#define _GNU_SOURCE
#include "stress/stress.h"

#include <pthread.h>
#include <semaphore.h>

#include "heapmodel.h"

#define OBJECTS		4000000		/* of each pair */
#define RING		1024
#define SIZE_MAX_PC	512
#define SIZE_LARGE	(64 << 10)	/* each so many an object of that */
#define EACH_LARGE	256

#define MIB		((uint64_t)1 << 20)
/* What is in the ring, twice over; caches, and spans used in part. */
#define IN_USE_MAX	(16 * MIB)

#define TURN		128	/* objects that are handed over at once */

struct ring {
	sem_t filled, empty;	/* turns */
	unsigned char *obj[RING];
};

static struct ring rings[2];
static long turns;
static struct gort_waitgroup all;
static _Atomic uint64_t peak;

/* A thread blocks, a goroutine lets others run. */
static void take_turn(sem_t *s)
{
	if (gort_goid())
		while (sem_trywait(s))
			gort_yield();
	else
		while (sem_wait(s))
			;
}

static size_t size_of(uint64_t i)
{
	return i % EACH_LARGE ? 1 + i * 37 % SIZE_MAX_PC : SIZE_LARGE;
}

static void produce(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 0; i < (uint64_t)turns * TURN; i++) {
		size_t n = size_of(i);
		unsigned char *p = gort_alloc(n);

		CHECK_NE((uintptr_t)p, 0);
		p[0] = p[n - 1] = model_byte(i, 0);
		if (i % TURN == 0)
			take_turn(&r->empty);
		r->obj[i % RING] = p;
		if (i % TURN == TURN - 1)
			sem_post(&r->filled);
	}
}

static void look_at_memory(void)
{
	uint64_t now = mem_get(&mem_global.heap_in_use);

	CHECK_LE(now, IN_USE_MAX);
	if (now > atomic_load(&peak))
		atomic_store(&peak, now);	/* or another's */
}

static void consume(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 0; i < (uint64_t)turns * TURN; i++) {
		size_t n = size_of(i);
		unsigned char *p;

		if (i % TURN == 0)
			take_turn(&r->filled);
		p = r->obj[i % RING];
		CHECK_EQ(p[0], model_byte(i, 0));
		CHECK_EQ(p[n - 1], model_byte(i, 0));
		gort_free(p);
		if (i % TURN == TURN - 1)
			sem_post(&r->empty);
		if (i % RING == 0)
			look_at_memory();
	}
}

/* Who is what, of one pair; two pairs of them run at a time. */
struct pair {
	const char *name;
	bool produce_thread, consume_thread;
};

static void goro_produce(void *arg)
{
	produce(arg);
	gort_waitgroup_done(&all);
}

static void goro_consume(void *arg)
{
	consume(arg);
	gort_waitgroup_done(&all);
}

static void *thread_produce(void *arg)
{
	produce(arg);
	return NULL;
}

static void *thread_consume(void *arg)
{
	consume(arg);
	return NULL;
}

static void start_goroutines(void *arg)
{
	const struct pair *pair = arg;

	for (int i = 0; i < 2; i++) {
		if (!pair->produce_thread) {
			gort_waitgroup_add(&all, 1);
			CHECK_EQ(gort_go(goro_produce, &rings[i]), 0);
		}
		if (!pair->consume_thread) {
			gort_waitgroup_add(&all, 1);
			CHECK_EQ(gort_go(goro_consume, &rings[i]), 0);
		}
	}
	gort_waitgroup_wait(&all);
}

static void run_pair(struct pair pair)
{
	pthread_t t[4];
	int n = 0;

	peak = 0;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sem_init(&rings[i].filled, 0, 0), 0);
		CHECK_EQ(sem_init(&rings[i].empty, 0, RING / TURN), 0);
		if (pair.produce_thread)
			CHECK_EQ(pthread_create(&t[n++], NULL, thread_produce,
						&rings[i]), 0);
		if (pair.consume_thread)
			CHECK_EQ(pthread_create(&t[n++], NULL, thread_consume,
						&rings[i]), 0);
	}
	stress_run(pair.name, start_goroutines, &pair);
	while (n)
		CHECK_EQ(pthread_join(t[--n], NULL), 0);
	model_balance();
	printf("# %s: at most %llu KiB in use\n", pair.name,
	       (unsigned long long)peak >> 10);
}

/*
 * Threads that allocate and end; others free what they left.  Then it must
 * be there for whoever wants it.
 */

#define BATCH		32
#define BATCH_OBJECTS	8192	/* of 128 bytes: 1 MiB */
#define NPROC		4

static void *batch[BATCH][BATCH_OBJECTS];

static void *fill_batch(void *arg)
{
	void **p = arg;

	for (int i = 0; i < BATCH_OBJECTS; i++)
		p[i] = gort_alloc(128);
	return NULL;
}

static void free_batch(void **p)
{
	for (int i = 0; i < BATCH_OBJECTS; i++)
		gort_free(p[i]);
}

static void free_batches(void)
{
	for (int i = 0; i < BATCH; i++)
		free_batch(batch[i]);
}

/* A half more, for what is not given back yet. */
static void look_at_growth(const char *name, uint64_t most)
{
	uint64_t now = mem_get(&mem_global.heap_in_use);

	printf("# %s: %llu KiB, then %llu KiB\n", name,
	       (unsigned long long)most >> 10,
	       (unsigned long long)now >> 10);
	CHECK_LE(now, most + most / 2);
}

static void threads_that_ended(void)
{
	pthread_t t[BATCH];
	uint64_t most;

	for (int i = 0; i < BATCH; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fill_batch, batch[i]), 0);
	for (int i = 0; i < BATCH; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	most = mem_get(&mem_global.heap_in_use);
	CHECK_LE(BATCH * MIB, most);
	free_batches();
	for (int i = 0; i < BATCH; i++)
		fill_batch(batch[i]);
	look_at_growth("threads that ended", most);
	free_batches();
	model_balance();
}

/*
 * The same with Ps that go away.
 */

static _Atomic int filled;

/* Each on a P of its own: none goes before all are there. */
static void fill_batch_goro(void *arg)
{
	fill_batch(arg);
	atomic_fetch_add(&filled, 1);
	while (atomic_load(&filled) < NPROC)
		;
	gort_waitgroup_done(&all);
}

static void ps_that_went(void *arg)
{
	uint64_t most;

	(void)arg;
	CHECK_LT(0, gort_gomaxprocs(NPROC));
	gort_waitgroup_add(&all, NPROC);
	for (int i = 0; i < NPROC; i++)
		CHECK_EQ(gort_go(fill_batch_goro, batch[i]), 0);
	gort_waitgroup_wait(&all);
	most = mem_get(&mem_global.heap_in_use);
	CHECK_EQ(gort_gomaxprocs(1), NPROC);
	for (int k = 0; k < NPROC; k++)
		free_batch(batch[k]);
	for (int k = 0; k < NPROC; k++)
		fill_batch(batch[k]);
	look_at_growth("Ps that went", most);
	CHECK_EQ(gort_gomaxprocs(NPROC), 1);
	for (int k = 0; k < NPROC; k++)
		free_batch(batch[k]);
}

int main(void)
{
	turns = stress_long_count(20L * OBJECTS) / TURN + 1;
	setenv("GORTMAXPROCS", "2", 1);
	run_pair((struct pair){ "goroutines", false, false });
	run_pair((struct pair){ "threads", true, true });
	run_pair((struct pair){ "thread to goroutine", true, false });
	run_pair((struct pair){ "goroutine to thread", false, true });
	threads_that_ended();
	stress_run("Ps that went", ps_that_went, NULL);
	model_balance();
	return stress_done("stress_heap_pc");
}
