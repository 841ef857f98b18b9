// SPDX-License-Identifier: ISC
/*
 * tests/bench/sections.c - everything at a time, for the profiler of
 * non-preemptible sections to look at.
 *
 *	GORTTRACE=FILE GORTNONPREEMPT=FILE sections [SECONDS]
 *
 * 10,000 goroutines, a heap of a million objects, and for SECONDS (5): yields,
 * channels, contended locks, timers, sockets, deep recursion, goroutines that
 * come and go, allocation and free, and now and then each of what stops the
 * world.  Prints how often each was done.
 */
#define BENCH_NAME "sections"
#include <gort/gort.h>
#include <gort/mem.h>
#include <gort/metrics.h>
#include <gort/io.h>
#include <gort/sync.h>
#include <gort/time.h>

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "bench.h"

#define OBJECTS		1000000
#define YIELDERS	2000
#define PAIRS		2000		/* of goroutines, each with a channel */
#define SLEEPERS	2000
#define LOCKERS		1000
#define CONNECTIONS	150		/* of two descriptors, two goroutines */
#define DIVERS		500
#define SPAWNERS	198
#define OTHERS		2

_Static_assert(YIELDERS + 2 * PAIRS + SLEEPERS + LOCKERS + 2 * CONNECTIONS +
	       DIVERS + SPAWNERS + OTHERS == 10000, "as many as it says");

static _Atomic bool over;
static struct gort_waitgroup all;

enum what { YIELD, SEND, SLEEP, LOCK, IO, DIVE, SPAWN, MEMORY, WORLD, NR_WHATS };

static const char *const names[] = {
	"yields", "messages", "sleeps", "locks", "bytes by socket", "dives",
	"goroutines", "allocations", "stops of the world",
};

static struct {
	_Atomic uint64_t n __attribute__((aligned(64)));
} done[NR_WHATS];

static void count(enum what what)
{
	atomic_fetch_add_explicit(&done[what].n, 1, memory_order_relaxed);
}

static bool go_on_until_over(void)
{
	return !atomic_load_explicit(&over, memory_order_relaxed);
}

static void *objects[OBJECTS];

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static size_t random_size(uint64_t *x)
{
	uint64_t r = next_random(x);

	return r % 1000 ? 16 + r % 240 : 1 + r % 100000;
}

/* Each has objects of its own. */
static void yielder(void *arg)
{
	uint64_t i = (uintptr_t)arg, x = i + 1;
	const uint64_t own = OBJECTS / YIELDERS;

	while (go_on_until_over()) {
		void **p = &objects[i * own + next_random(&x) % own];

		gort_free(*p);
		*p = gort_alloc(random_size(&x));
		if (!*p)
			die("no memory");
		count(MEMORY);
		gort_yield();
		count(YIELD);
	}
	gort_waitgroup_done(&all);
}

static void sender(void *arg)
{
	struct gort_chan *c = arg;

	for (long n = 0; go_on_until_over(); n++) {
		gort_chan_send(c, &n);
		count(SEND);
		/* Or each pair uses its time to the end. */
		if (n % 8 == 7)
			gort_yield();
	}
	gort_chan_close(c);
	gort_waitgroup_done(&all);
}

static void receiver(void *arg)
{
	struct gort_chan *c = arg;
	long n;

	while (!gort_chan_recv(c, &n))
		;
	gort_chan_free(c);
	gort_waitgroup_done(&all);
}

static void sleeper(void *arg)
{
	uint64_t x = (uintptr_t)arg + 1;

	while (go_on_until_over()) {
		gort_sleep_ns((int64_t)(next_random(&x) % 20000000));
		count(SLEEP);
	}
	gort_waitgroup_done(&all);
}

static struct gort_mutex mutexes[16];

static void locker(void *arg)
{
	struct gort_mutex *m = &mutexes[(uintptr_t)arg % 16];

	while (go_on_until_over()) {
		gort_mutex_lock(m);
		gort_yield();
		gort_mutex_unlock(m);
		count(LOCK);
	}
	gort_waitgroup_done(&all);
}

static int fds[CONNECTIONS][2];

static void talker(void *arg)
{
	int fd = *(int *)arg;
	bool begin = ((int *)arg - fds[0]) % 2;
	char c = 0;

	/* Until the other has gone. */
	while (go_on_until_over()) {
		if (!begin && gort_read(fd, &c, 1) != 1)
			break;
		if (gort_write(fd, &c, 1) != 1)
			break;
		begin = false;
		count(IO);
	}
	gort_close(fd);
	gort_waitgroup_done(&all);
}

static uint64_t dive(unsigned int depth)
{
	volatile char frame[1000];

	frame[0] = (char)depth;
	return depth ? dive(depth - 1) + (uint64_t)frame[0] : 0;
}

static void diver(void *arg)
{
	uint64_t x = (uintptr_t)arg + 1;

	while (go_on_until_over()) {
		dive((unsigned int)(next_random(&x) % 200));
		count(DIVE);
		gort_sleep_ns(10000000);
	}
	gort_waitgroup_done(&all);
}

static void brief(void *arg)
{
	struct gort_waitgroup *wg = arg;

	count(SPAWN);
	gort_waitgroup_done(wg);
}

static void spawner(void *arg)
{
	(void)arg;
	while (go_on_until_over()) {
		struct gort_waitgroup wg = { 0 };

		gort_waitgroup_add(&wg, 20);
		for (int i = 0; i < 20; i++)
			if (gort_go(brief, &wg))
				die("no memory");
		gort_waitgroup_wait(&wg);
		gort_sleep_ns(5000000);
	}
	gort_waitgroup_done(&all);
}

/* What stops the world, and readers of everything. */
static void stopper(void *arg)
{
	struct gort_memstats st;

	(void)arg;
	for (int i = 0; go_on_until_over(); i++) {
		if (gort_read_memstats(&st))
			die("no statistics");
		if (i % 5 == 4)
			gort_gomaxprocs(gort_gomaxprocs(0) == 1 ? 2 : 1);
		if (i % 10 == 9)
			gort_free_os_memory();
		if (i % 10 == 7)
			gort_stack_shrink();
		count(WORLD);
		gort_sleep_ns(50000000);
	}
	gort_waitgroup_done(&all);
}

static void reader(void *arg)
{
	int fd = *(int *)arg;

	while (go_on_until_over()) {
		gort_metrics_write(fd);
		gort_sleep_ns(50000000);
	}
	gort_waitgroup_done(&all);
}

static void start(int n, void (*fn)(void *))
{
	gort_waitgroup_add(&all, n);
	for (uintptr_t i = 0; i < (uintptr_t)n; i++)
		if (gort_go(fn, (void *)i))
			die("no memory");
}

static void start_one(void (*fn)(void *), void *arg)
{
	gort_waitgroup_add(&all, 1);
	if (gort_go(fn, arg))
		die("no memory");
}

static void first(void *arg)
{
	int seconds = *(int *)arg, devnull = open("/dev/null", O_WRONLY);
	uint64_t x = 1;

	for (int i = 0; i < OBJECTS; i++)
		objects[i] = gort_alloc(random_size(&x));
	start(YIELDERS, yielder);
	for (int i = 0; i < PAIRS; i++) {
		struct gort_chan *c = gort_chan_new(sizeof(long), (size_t)i % 3);

		start_one(sender, c);
		start_one(receiver, c);
	}
	start(SLEEPERS, sleeper);
	start(LOCKERS, locker);
	for (int i = 0; i < CONNECTIONS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]))
			die("no sockets");
		start_one(talker, &fds[i][0]);
		start_one(talker, &fds[i][1]);
	}
	start(DIVERS, diver);
	start(SPAWNERS, spawner);
	start(1, stopper);
	start_one(reader, &devnull);
	gort_sleep_ns(seconds * (int64_t)NSEC);
	atomic_store(&over, true);
	gort_waitgroup_wait(&all);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 5;

	if (argc > 2 || seconds < 1)
		die("usage: sections [SECONDS]");
	signal(SIGPIPE, SIG_IGN);
	setenv("GORTMAXPROCS", "2", 0);
	if (gort_run(first, &seconds))
		die("cannot run");
	for (size_t i = 0; i < NR_WHATS; i++)
		printf("%-20s %12" PRIu64 "\n", names[i], done[i].n);
	return 0;
}
