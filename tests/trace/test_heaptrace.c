// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_heaptrace.c - the heap in traces: what is said of it, and
 * that what was there when the trace began, with what was allocated since and
 * without what was freed, is what is there when it ends.
 *
 * The reader sees to it that spans and objects come and go in turn: so of sets
 * of them a count and a sum of hashes tell enough.
 */
#include <pthread.h>

#include "trace/conf.h"

#include <gort/mem.h>

#include "kernel/sched.h"
#include "mm/cache.h"

#define OBJECT_UNIT	8

/* --- sets --- */

struct set {
	long n;
	uint64_t hashes;	/* sum */
};

static uint64_t hash(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
	x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
	return x ^ x >> 33;
}

static void set_change(struct set *s, long n, uint64_t id)
{
	s->n += n;
	s->hashes += (uint64_t)n * hash(id);
}

struct heap_sets {
	struct set spans, objects;
	uint64_t pages, bytes;
};

/* What is there.  Nobody uses the heap. */
static void walk_word(struct heap_sets *h, const struct span *s,
		      unsigned int i)
{
	const struct span_word *w = &s->words[i];
	uint64_t none = w->free | w->freed | w->remote;

	for (unsigned int k = 0; k < 64; k++) {
		uintptr_t addr = s->base + (64 * i + k) * (uintptr_t)s->size;

		if (none >> k & 1)
			continue;
		set_change(&h->objects, 1,
			   (addr - page_heap.base) / OBJECT_UNIT);
		h->bytes += s->size;
	}
}

static void walk(struct heap_sets *h)
{
	uintptr_t cursor = 0;
	struct span *s;

	memset(h, 0, sizeof(*h));
	while ((s = span_next(&cursor))) {
		set_change(&h->spans, 1,
			   (s->base - page_heap.base) >> HPAGE_SHIFT);
		h->pages += s->npages;
		for (unsigned int i = 0; s->size && i < s->nwords; i++)
			walk_word(h, s, i);
		if (s->size)
			continue;
		set_change(&h->objects, 1,
			   (s->base - page_heap.base) / OBJECT_UNIT);
		h->bytes += (uint64_t)s->npages << HPAGE_SHIFT;
	}
}

/* By the statistics. */
static uint64_t live_bytes(void)
{
	struct heap_cache *hc = heap_caches;
	uint64_t n = 0;

	for (; hc; hc = hc->all_link)
		n += heap_alloc_bytes(hc) - hc->free_bytes;
	return n;
}

/* What a trace says. */
static struct said {
	struct heap_sets heap;
	long exists, allocs, frees;	/* of objects */
	long goals, lives;
	uint64_t goal, first, last, most;	/* of live bytes */
} said;

static void say_live(uint64_t bytes)
{
	if (!said.lives++)
		said.first = bytes;
	said.last = bytes;
	if (bytes > said.most)
		said.most = bytes;
}

static void hear(struct conf *c, const struct tracefile *tf,
		 const struct tracefile_event *ev,
		 const struct tracefile_details *d)
{
	(void)c;
	(void)tf;
	(void)d;
	if (!ev) {
		memset(&said, 0, sizeof(said));
		return;
	}
	switch (ev->type) {
	case TF_SPAN:
	case TF_SPAN_ALLOC:
		set_change(&said.heap.spans, 1, ev->args[0]);
		break;
	case TF_SPAN_FREE:
		set_change(&said.heap.spans, -1, ev->args[0]);
		break;
	case TF_HEAP_OBJECT:
	case TF_HEAP_OBJECT_ALLOC:
		said.exists += ev->type == TF_HEAP_OBJECT;
		said.allocs += ev->type == TF_HEAP_OBJECT_ALLOC;
		set_change(&said.heap.objects, 1, ev->args[0]);
		break;
	case TF_HEAP_OBJECT_FREE:
		said.frees++;
		set_change(&said.heap.objects, -1, ev->args[0]);
		break;
	case TF_HEAP_ALLOC:
		say_live(ev->args[0]);
		break;
	case TF_HEAP_GOAL:
		said.goals++;
		said.goal = ev->args[0];
		break;
	}
}

/* --- a load --- */

#define WORKERS		6
#define BOXES		128	/* per worker */
#define SHARED		64	/* what is left there is freed by anyone */

struct load {
	_Atomic(void *) shared[SHARED];
	_Atomic long steps;
	_Atomic bool end;
	struct gort_waitgroup all;
};

static struct load load;
static struct heap_sets there;		/* when the last trace had ended */

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static size_t random_size(uint32_t *x)
{
	uint32_t r = next_random(x), kind = r % 64;

	r >>= 8;
	if (!kind)
		return r % (300 << 10);
	return kind < 4 ? r % (40 << 10) : r % 1500;
}

/* A large one may be moved, or be made smaller where it is. */
static void one_step(void **box, uint32_t *x)
{
	size_t size = random_size(x);
	void *p;

	switch (next_random(x) % 8) {
	case 0:
		p = gort_realloc(*box, size);
		CHECK_NE((uintptr_t)p, 0);
		*box = p;
		break;
	case 1:
		gort_free(*box);
		*box = gort_aligned_alloc(1 << next_random(x) % 15, size);
		break;
	case 2:
		gort_free(*box);
		*box = gort_calloc(1, size);
		break;
	case 3:
		*box = atomic_exchange(&load.shared[*x % SHARED], *box);
		break;
	default:
		gort_free(*box);
		*box = gort_alloc(size);
	}
}

/* Without a P, or with one, on the system stack. */
static void steps_in_call(void *arg)
{
	uint32_t x = *(uint32_t *)arg;
	void *box = NULL;

	for (int i = 0; i < 20; i++)
		one_step(&box, &x);
	gort_free(box);
}

static void use_heap(uint32_t x, bool goroutine)
{
	void *box[BOXES] = { 0 };

	while (!load.end) {
		one_step(&box[next_random(&x) % BOXES], &x);
		if (!goroutine)
			continue;
		if (!(++load.steps % 64))
			gort_yield();
		if (next_random(&x) % 512 == 0)
			CHECK_EQ(gort_blocking(steps_in_call, &x), 0);
	}
	/* Half of it stays. */
	for (int i = 0; i < BOXES; i += 2)
		gort_free(box[i]);
}

static void worker(void *arg)
{
	use_heap(*(uint32_t *)arg, true);
	gort_waitgroup_done(&load.all);
}

static void load_begin(void)
{
	load.end = false;
	gort_waitgroup_add(&load.all, WORKERS);
	for (uint32_t i = 1; i <= WORKERS; i++)
		CHECK_EQ(gort_go_copy(worker, &i, sizeof(i)), 0);
}

static void load_go_on(void)
{
	long until = load.steps + mode_times(6000);

	while (load.steps < until)
		gort_yield();
}

static void load_end(void)
{
	load.end = true;
	gort_waitgroup_wait(&load.all);
	conf_until_left(1);
}

static uint64_t skipped(void)
{
	struct gort_trace_stats st;

	gort_trace_read_stats(&st);
	return st.skipped_heap;
}

/* --- everything is there --- */

static void exact(struct conf *c)
{
	load_begin();
	load_go_on();
	conf_start(c);
	load_go_on();
	conf_stop(c);
	CHECK_EQ(skipped(), 0);
	load_go_on();
	conf_start(c);
	load_go_on();
	load_end();
	/* Nor does sysmon give back empty spans after the trace. */
	CHECK_LE(0, gort_free_os_memory());
	conf_stop(c);
	CHECK_EQ(skipped(), 0);
	walk(&there);
	CHECK_EQ(there.bytes, live_bytes());
}

static void exact_expect(struct conf *c, const struct conf_facts *f)
{
	(void)f;
	CHECK_LT(0, said.exists);
	CHECK_LT(0, said.allocs);
	CHECK_LT(0, said.frees);
	CHECK_EQ(said.goals, 1);
	CHECK_LT(2, said.lives);
	if (c->count[0]++ == 0)
		return;
	CHECK_EQ(said.heap.objects.n, there.objects.n);
	CHECK_EQ(said.heap.objects.hashes, there.objects.hashes);
	CHECK_EQ(said.heap.spans.n, there.spans.n);
	CHECK_EQ(said.heap.spans.hashes, there.spans.hashes);
}

static void test_exact(void **state)
{
	const struct conf_prog p = {
		.name = "exact",
		.every = mode_fast() ? 8 : 0,
		.run = exact,
		.event = hear,
		.expect = exact_expect,
		.allocfree = true,
	};

	(void)state;
	conf_run(&p);
}

/* --- threads of the program's own --- */

#define THREADS	2

static void *stranger(void *arg)
{
	use_heap(77 + (uint32_t)(uintptr_t)arg, false);
	return NULL;
}

static void strangers(struct conf *c)
{
	pthread_t t[THREADS];

	load_begin();
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, stranger, (void *)i), 0);
	load_go_on();
	conf_start(c);
	load_go_on();
	conf_stop(c);
	conf_start(c);
	do
		load_go_on();
	while (!skipped());
	load_end();
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	conf_stop(c);
	c->count[1] = (long)skipped();
	walk(&there);
	CHECK_EQ(there.bytes, live_bytes());
}

/* What they did explains what is missing. */
static void strangers_expect(struct conf *c, const struct conf_facts *f)
{
	(void)f;
	CHECK_LT(0, said.exists);
	if (c->count[0]++ == 0)
		return;
	CHECK_LT(0, c->count[1]);
	CHECK_LE(labs(said.heap.objects.n - there.objects.n) +
		 labs(said.heap.spans.n - there.spans.n), c->count[1]);
}

static void test_strangers(void **state)
{
	const struct conf_prog p = {
		.name = "strangers",
		.every = mode_fast() ? 8 : 0,
		.run = strangers,
		.event = hear,
		.expect = strangers_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- the graph --- */

#define BLOCKS		64
#define BLOCK_BYTES	((size_t)128 << 10)

static void graph(struct conf *c)
{
	uint64_t limit = mem_global.limit;
	void *block[BLOCKS];

	if (c->round % 2)
		mem_global.limit = UINT64_C(1) << 40;
	conf_start(c);
	mem_global.limit = limit;
	for (int i = 0; i < BLOCKS; i++)
		block[i] = gort_alloc(BLOCK_BYTES);
	for (int i = 0; i < BLOCKS; i++)
		gort_free(block[i]);
	conf_stop(c);
}

static void graph_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(said.goals, 1);
	CHECK_EQ(said.goal, c->round % 2 ? UINT64_C(1) << 40 : 0);
	CHECK_EQ(said.lives, 1 + 2 * BLOCKS);
	CHECK_EQ(said.most, said.first + BLOCKS * BLOCK_BYTES);
	CHECK_EQ(said.last, said.first);
	CHECK_EQ(said.allocs, f->kind[TRACEFILE_EXPERIMENTAL] ? BLOCKS : 0);
}

static void test_graph(void **state)
{
	const struct conf_prog p = {
		.name = "graph",
		.every = mode_fast() ? 8 : 0,
		.run = graph,
		.event = hear,
		.expect = graph_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- the fast paths --- */

static bool is_fast(void)
{
	struct m *mp = acquirem();
	bool fast = tls_self()->heap;

	CHECK_NE((uintptr_t)mp->p, 0);
	releasem(mp);
	return fast;
}

static void paths(struct conf *c)
{
	bool fast = is_fast();

	if (mode_fast() && !heap_poison)
		CHECK_EQ(fast, true);
	conf_start(c);
	CHECK_EQ(is_fast(), false);
	gort_free(gort_alloc(1));
	CHECK_EQ(is_fast(), false);
	conf_stop(c);
	gort_free(gort_alloc(1));
	CHECK_EQ(is_fast(), fast);
}

static void paths_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	(void)f;
	CHECK_EQ(said.allocs, 1);
	CHECK_EQ(said.frees, 1);
}

static void test_paths(void **state)
{
	const struct conf_prog p = {
		.name = "paths",
		.every = mode_fast() ? 8 : 0,
		.run = paths,
		.event = hear,
		.expect = paths_expect,
		.allocfree = true,
	};

	(void)state;
	conf_run(&p);
}

/* From here on, also with the variants that do not say so. */
static int objects_on(void **state)
{
	const char *env = getenv("GORTDEBUG");
	char buf[600];

	(void)state;
	snprintf(buf, sizeof(buf), "%s%straceallocfree=1", env ? env : "",
		 env && *env ? "," : "");
	return setenv("GORTDEBUG", buf, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_graph),
		cmocka_unit_test_setup(test_exact, objects_on),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
