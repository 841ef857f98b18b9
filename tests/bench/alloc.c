// SPDX-License-Identifier: ISC
/*
 * tests/bench/alloc.c - what memory costs, from gort and from others.
 *
 *	alloc [-bench=REGEX] [-benchtime=0.2s|1000x]
 *	alloc -replay=NAME:FILE
 *
 * With -DPLAIN it uses malloc, whichever LD_PRELOAD brings, and threads in
 * the place of goroutines; one thread where gort has one P, which lets glibc
 * do without locks there.  alloc.sh runs both and compares.
 *
 * -replay makes the calls in a file that record.so wrote, once, as a program
 * would that does little else, and touches the memory: a byte in every 64,
 * and the last.  In a fresh process, since what it prints besides the time
 * per call is about resident memory, by Linux's count:
 *
 *	peak-B		of the whole process, at most
 *	RSS/live	what came with the calls, over the bytes asked for and
 *			not freed, when those are at their most
 *	freed-B		what is left of that when all is freed
 *	trimmed-B	and when the allocator was asked to give back the rest
 *
 * What is in the memory is checked as it goes; an error is fatal.
 */
#define _GNU_SOURCE
#ifdef PLAIN
#include <dlfcn.h>
#include <pthread.h>
#else
#include <gort/gort.h>
#include <gort/mem.h>
#endif

#define BENCH_NAME	"alloc"
#include "bench.h"
#include "record.h"

#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#define BATCH		1000
#define RING_SIZE	1024
#define RECORDS		8192	/* read at a time */
#define TOUCH		64

struct bench {
	const char *name;
	unsigned int procs;
	void (*fn)(const struct bench *b, uint64_t n);
	size_t size;
	enum { IN_ORDER, REVERSE, SHUFFLED } order;	/* of a batch's frees */
};

static struct {
	const char *pattern;
	char *replay;		/* name; else NULL */
	const char *file;
} opt = { .pattern = "." };

static struct {
	uint64_t n, ns;
} result;			/* of the benchmark that runs */

static uint64_t timer_from;

/* Time between the two is added to the result. */
static void timer_start(void)
{
	timer_from = now_ns();
}

static void timer_stop(void)
{
	result.ns += now_ns() - timer_from;
}

/* ------------------------------------------------------------------------
 * Whose memory, and who runs
 */

#ifdef PLAIN

#define mem_alloc	malloc
#define mem_calloc	calloc
#define mem_realloc	realloc
#define mem_free	free

static void yield(void)
{
	sched_yield();
}

struct other {
	pthread_t thread;
	void (*fn)(void *arg);
	void *arg;
};

static void *other_main(void *arg)
{
	struct other *o = arg;

	o->fn(o->arg);
	return NULL;
}

static void other_start(struct other *o)
{
	if (pthread_create(&o->thread, NULL, other_main, o))
		die("no thread");
}

static void other_wait(struct other *o)
{
	pthread_join(o->thread, NULL);
}

static void run(void (*fn)(void *), void *arg, unsigned int procs)
{
	(void)procs;
	fn(arg);
}

/* Each has a name of its own for it; who is not there is not asked. */
static void mem_trim(void)
{
	void (*mi_collect)(bool) = dlsym(RTLD_DEFAULT, "mi_collect");
	int (*mallctl)(const char *, void *, size_t *, void *, size_t) =
		dlsym(RTLD_DEFAULT, "mallctl");
	void (*tc_release)(void) =
		dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
	int (*trim)(size_t) = dlsym(RTLD_DEFAULT, "malloc_trim");

	if (mi_collect)
		mi_collect(true);
	if (mallctl) {
		mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
		mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
	}
	if (tc_release)
		tc_release();
	if (trim)
		trim(0);
}

#else

#define mem_alloc	gort_alloc
#define mem_calloc	gort_calloc
#define mem_realloc	gort_realloc
#define mem_free	gort_free
#define mem_trim	gort_free_os_memory

/* To a goroutine, and as threads do to who else wants the CPU. */
static void yield(void)
{
	gort_yield();
	sched_yield();
}

struct other {
	struct gort_waitgroup wg;
	void (*fn)(void *arg);
	void *arg;
};

static void other_main(void *arg)
{
	struct other *o = arg;

	o->fn(o->arg);
	gort_waitgroup_done(&o->wg);
}

static void other_start(struct other *o)
{
	gort_waitgroup_add(&o->wg, 1);
	if (gort_go(other_main, o))
		die("no goroutine");
}

static void other_wait(struct other *o)
{
	gort_waitgroup_wait(&o->wg);
}

static void run(void (*fn)(void *), void *arg, unsigned int procs)
{
	char buf[16];
	int err;

	snprintf(buf, sizeof(buf), "%u", procs);
	setenv("GORTMAXPROCS", buf, 1);
	err = gort_run(fn, arg);
	if (err)
		die("gort_run: %s", strerror(-err));
}

#endif

/* An object that somebody has written to. */
static uint64_t *object_new(size_t size, uint64_t v)
{
	uint64_t *p = mem_alloc(size);

	if (!p)
		die("no memory for %zu bytes", size);
	*p = v;
	touch(p);
	return p;
}

/* ------------------------------------------------------------------------
 * MallocFree: one object at a time
 */

static void bench_malloc_free(const struct bench *b, uint64_t n)
{
	size_t size = b->size;

	timer_start();
	for (uint64_t i = 0; i < n; i++)
		mem_free(object_new(size, i));
	timer_stop();
}

/* ------------------------------------------------------------------------
 * Batch: a thousand, freed in some order; per object
 */

/* The same for all: Fisher and Yates by a generator of Knuth's (MMIX). */
static void shuffle(uint32_t *order)
{
	uint64_t x = 1;

	for (uint32_t k = BATCH - 1; k > 0; k--) {
		uint32_t i, t = order[k];

		x = x * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
		i = (uint32_t)(x >> 33) % (k + 1);
		order[k] = order[i];
		order[i] = t;
	}
}

static uint64_t batch(uint64_t **objects, const uint32_t *order, size_t size,
		      uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		objects[i] = object_new(size, i);
	for (uint32_t i = 0; i < BATCH; i++) {
		if (order[i] >= n)
			continue;
		sum += *objects[order[i]];
		mem_free(objects[order[i]]);
	}
	return sum;
}

static void bench_batch(const struct bench *b, uint64_t n)
{
	static uint64_t *objects[BATCH];
	static uint32_t order[BATCH];
	uint64_t sum = 0, rest = n % BATCH;

	for (uint32_t i = 0; i < BATCH; i++)
		order[i] = b->order == REVERSE ? BATCH - 1 - i : i;
	if (b->order == SHUFFLED)
		shuffle(order);
	timer_start();
	for (uint64_t i = 0; i < n / BATCH; i++)
		sum += batch(objects, order, b->size, BATCH);
	sum += batch(objects, order, b->size, rest);
	timer_stop();
	check_equal("sum of what was in the objects", sum,
		    n / BATCH * (BATCH * (BATCH - 1) / 2) +
		    rest * (rest - 1) / 2);
}

/* ------------------------------------------------------------------------
 * RemoteFree: one allocates, another frees
 */

/* One producer, one consumer; each looks at the other's index only when
 * what it knew of it is used up. */
struct ring {
	_Alignas(128) _Atomic uint64_t put;	/* by the producer */
	uint64_t taken_seen;
	uint64_t n;
	size_t size;
	_Alignas(128) _Atomic uint64_t taken;	/* by the consumer */
	uint64_t put_seen;
	uint64_t sum;
	_Atomic bool ready;
	_Alignas(128) uint64_t *slot[RING_SIZE];
};

/* Mostly spin: the other has a CPU of its own. */
static void ring_wait(unsigned int *spins)
{
	if (++*spins % 256 == 0)
		yield();
#ifdef __x86_64__
	else
		__builtin_ia32_pause();
#endif
}

static void ring_put(struct ring *r, uint64_t i, uint64_t *p)
{
	unsigned int spins = 0;

	while (i - r->taken_seen == RING_SIZE) {
		/* Pairs with the release in ring_take(): the slot was read. */
		r->taken_seen = atomic_load_explicit(&r->taken,
						     memory_order_acquire);
		if (i - r->taken_seen == RING_SIZE)
			ring_wait(&spins);
	}
	r->slot[i % RING_SIZE] = p;
	/* Pairs with the acquire in ring_take(). */
	atomic_store_explicit(&r->put, i + 1, memory_order_release);
}

static uint64_t *ring_take(struct ring *r, uint64_t i)
{
	unsigned int spins = 0;
	uint64_t *p;

	while (i == r->put_seen) {
		/* Pairs with the release in ring_put(). */
		r->put_seen = atomic_load_explicit(&r->put,
						   memory_order_acquire);
		if (i == r->put_seen)
			ring_wait(&spins);
	}
	p = r->slot[i % RING_SIZE];
	/* Pairs with the acquire in ring_put(). */
	atomic_store_explicit(&r->taken, i + 1, memory_order_release);
	return p;
}

static void consume(void *arg)
{
	struct ring *r = arg;
	uint64_t *p;

	atomic_store_explicit(&r->ready, true, memory_order_relaxed);
	for (uint64_t i = 0; i < r->n; i++) {
		p = ring_take(r, i);
		r->sum += *p;
		mem_free(p);
	}
}

static void bench_remote_free(const struct bench *b, uint64_t n)
{
	static struct ring r;
	struct other o = { .fn = consume, .arg = &r };

	memset(&r, 0, sizeof(r));
	r.n = n;
	r.size = b->size;
	other_start(&o);
	while (!atomic_load_explicit(&r.ready, memory_order_relaxed))
		yield();
	timer_start();
	for (uint64_t i = 0; i < n; i++)
		ring_put(&r, i, object_new(r.size, i));
	other_wait(&o);
	timer_stop();
	check_equal("sum of what was in the objects", r.sum, n * (n - 1) / 2);
}

/* ------------------------------------------------------------------------
 * Replay: what a program did
 */

/* An object's first and last byte are the lowest of its size. */
struct live {
	unsigned char *p;
	size_t size;
};

static struct {
	int fd;
	struct record buf[RECORDS];
	uint32_t n;			/* in buf */
	struct live *live;		/* by id */
	uint32_t nids;
	uint64_t ncalls;
	uint64_t most_bytes;		/* live at a time */
	uint64_t most_at;		/* after so many calls */
	uint64_t peak, start, at_most, freed, trimmed;	/* resident */
} rp;

/* A read that is cut short at a record's middle is an error of the file. */
static bool records_read(void)
{
	ssize_t n = read(rp.fd, rp.buf, sizeof(rp.buf));

	if (n < 0 || (size_t)n % sizeof(rp.buf[0]))
		die("%s: cannot read records", opt.file);
	rp.n = (uint32_t)((size_t)n / sizeof(rp.buf[0]));
	return rp.n > 0;
}

static uint64_t status_bytes(const char *field)
{
	char buf[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	const char *p;

	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	p = strstr(buf, field);
	if (!p)
		die("/proc/self/status has no %s", field);
	return strtoull(p + strlen(field), NULL, 10) * 1024;
}

static void touch_from(struct live *o, size_t from)
{
	for (size_t i = from; i < o->size; i += TOUCH)
		o->p[i] = 1;
	if (o->size) {
		o->p[0] = (unsigned char)o->size;
		o->p[o->size - 1] = (unsigned char)o->size;
	}
	touch(o->p);
}

static void check_object(const struct live *o)
{
	unsigned char c = (unsigned char)o->size;

	if (o->size && (o->p[0] != c || o->p[o->size - 1] != c))
		die("%zu bytes at %p were overwritten", o->size, (void *)o->p);
}

/* After realloc() to size. */
static void check_kept(const struct live *o, size_t size)
{
	unsigned char c = (unsigned char)o->size;

	if (o->size && size && (o->p[0] != c ||
	    (size >= o->size && o->p[o->size - 1] != c)))
		die("realloc lost what was there");
}

static void replay_one(const struct record *c)
{
	struct live *o = &rp.live[c->id];
	size_t kept = 0;

	if (c->op == RECORD_FREE) {
		check_object(o);
		mem_free(o->p);
		o->p = NULL;
		return;
	}
	switch (c->op) {
	case RECORD_ALLOC:
		o->p = mem_alloc(c->size);
		break;
	case RECORD_CALLOC:
		o->p = mem_calloc(1, c->size);
		break;
	case RECORD_REALLOC:
		check_object(o);
		kept = o->size;
		o->p = mem_realloc(o->p, c->size);
		if (o->p)
			check_kept(o, c->size);
		break;
	}
	if (!o->p)
		die("no memory for %u bytes", c->size);
	o->size = c->size;
	touch_from(o, kept);
}

/* Not from the allocator that is measured. */
static void *pages(size_t n, size_t size)
{
	void *p = mmap(NULL, n * size + 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory");
	return p;
}

/* How many calls there are, of how many objects, and when most is live. */
static void replay_look(void)
{
	uint32_t nids = 0, id, *size;
	uint64_t live = 0;

	while (records_read())
		for (uint32_t i = 0; i < rp.n; i++)
			if (rp.buf[i].id >= nids)
				nids = rp.buf[i].id + 1;
	rp.nids = nids;
	rp.live = pages(nids, sizeof(*rp.live));
	size = pages(nids, sizeof(*size));
	lseek(rp.fd, 0, SEEK_SET);
	while (records_read()) {
		for (uint32_t i = 0; i < rp.n; i++) {
			id = rp.buf[i].id;
			live += rp.buf[i].size - (uint64_t)size[id];
			size[id] = rp.buf[i].size;
			rp.ncalls++;
			if (live > rp.most_bytes) {
				rp.most_bytes = live;
				rp.most_at = rp.ncalls;
			}
		}
	}
	munmap(size, nids * sizeof(*size) + 1);
	lseek(rp.fd, 0, SEEK_SET);
}

/* The time it takes to read the file does not count. */
static void replay_all(void)
{
	uint64_t done = 0;

	while (records_read()) {
		timer_start();
		for (uint32_t i = 0; i < rp.n; i++) {
			replay_one(&rp.buf[i]);
			if (++done == rp.most_at) {
				timer_stop();
				rp.at_most = status_bytes("VmRSS:");
				timer_start();
			}
		}
		timer_stop();
	}
	check_equal("calls", done, rp.ncalls);
}

static void replay(void *arg)
{
	(void)arg;
	rp.fd = open(opt.file, O_RDONLY | O_CLOEXEC);
	if (rp.fd < 0)
		die("cannot open %s", opt.file);
	replay_look();
	if (!rp.ncalls)
		die("%s is empty", opt.file);
	rp.start = status_bytes("VmRSS:");
	replay_all();
	rp.peak = status_bytes("VmHWM:");
	for (uint32_t i = 0; i < rp.nids; i++)
		mem_free(rp.live[i].p);
	rp.freed = status_bytes("VmRSS:");
	mem_trim();
	rp.trimmed = status_bytes("VmRSS:");
}

static int64_t grown(uint64_t to)
{
	return (int64_t)(to - rp.start);
}

static void run_replay(void)
{
	run(replay, NULL, 1);
	printf("BenchmarkReplay/%s-1\t%8" PRIu64 "\t%10.2f ns/op"
	       "\t%10" PRIu64 " peak-B\t%8.3f RSS/live\t%10" PRId64
	       " freed-B\t%10" PRId64 " trimmed-B\n", opt.replay, rp.ncalls,
	       (double)result.ns / (double)rp.ncalls, rp.peak,
	       (double)grown(rp.at_most) / (double)rp.most_bytes,
	       grown(rp.freed), grown(rp.trimmed));
}

/* ------------------------------------------------------------------------
 * The harness
 */

static const struct bench benches[] = {
	{ "BenchmarkMallocFree/16", 1, bench_malloc_free, 16, 0 },
	{ "BenchmarkMallocFree/64", 1, bench_malloc_free, 64, 0 },
	{ "BenchmarkMallocFree/256", 1, bench_malloc_free, 256, 0 },
	{ "BenchmarkMallocFree/4096", 1, bench_malloc_free, 4096, 0 },
	{ "BenchmarkBatchInOrder/16", 1, bench_batch, 16, IN_ORDER },
	{ "BenchmarkBatchInOrder/64", 1, bench_batch, 64, IN_ORDER },
	{ "BenchmarkBatchInOrder/256", 1, bench_batch, 256, IN_ORDER },
	{ "BenchmarkBatchReverse/16", 1, bench_batch, 16, REVERSE },
	{ "BenchmarkBatchReverse/64", 1, bench_batch, 64, REVERSE },
	{ "BenchmarkBatchReverse/256", 1, bench_batch, 256, REVERSE },
	{ "BenchmarkBatchShuffled/16", 1, bench_batch, 16, SHUFFLED },
	{ "BenchmarkBatchShuffled/64", 1, bench_batch, 64, SHUFFLED },
	{ "BenchmarkBatchShuffled/256", 1, bench_batch, 256, SHUFFLED },
	{ "BenchmarkRemoteFree/16", 2, bench_remote_free, 16, 0 },
	{ "BenchmarkRemoteFree/64", 2, bench_remote_free, 64, 0 },
	{ "BenchmarkRemoteFree/256", 2, bench_remote_free, 256, 0 },
};

#define NR_BENCHES	(sizeof(benches) / sizeof(benches[0]))

static void run_n(const struct bench *b, uint64_t n)
{
	result.n = n;
	result.ns = 0;
	b->fn(b, n);
}

static void scale(void *arg)
{
	const struct bench *b = arg;

	run_n(b, bench_time.fixed_n ? bench_time.fixed_n : 1);
	while (go_on(result.n, result.ns))
		run_n(b, predict_n(result.n, result.ns));
}

static void run_bench(const struct bench *b)
{
	run(scale, (void *)b, b->procs);
	printf("%s-%u\t%10" PRIu64 "\t%10.2f ns/op\n", b->name, b->procs,
	       result.n, (double)result.ns / (double)result.n);
	fflush(stdout);
}

static void parse_args(char **argv)
{
	char *v, *colon;

	while (*++argv) {
		if ((v = option(*argv, "-bench="))) {
			opt.pattern = v;
		} else if ((v = option(*argv, "-benchtime="))) {
			parse_benchtime(v);
		} else if ((v = option(*argv, "-replay=")) &&
			   (colon = strchr(v, ':'))) {
			*colon = '\0';
			opt.replay = v;
			opt.file = colon + 1;
		} else {
			die("usage: alloc [-bench=REGEX] [-benchtime=0.2s|1000x] | -replay=NAME:FILE");
		}
	}
}

int main(int argc, char **argv)
{
	regex_t re;

	(void)argc;
	parse_args(argv);
	if (opt.replay) {
		run_replay();
		return 0;
	}
	if (regcomp(&re, opt.pattern, REG_EXTENDED | REG_NOSUB))
		die("-bench=%s: not a regular expression", opt.pattern);
	for (size_t i = 0; i < NR_BENCHES; i++)
		if (!regexec(&re, benches[i].name, 0, NULL, 0))
			run_bench(&benches[i]);
	regfree(&re);
	return 0;
}
