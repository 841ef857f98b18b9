// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_metrics.c - metrics and memory statistics read at
 * one moment say the same, while goroutines allocate, grow stacks and start
 * others.
 *
 * All READS of them also with GORTDEBUG=maymorestack=: each stack check that
 * got in between the two would change what they say.
 */
#include "stress/stress.h"

#include <stdatomic.h>
#include <string.h>

#include "kernel/metrics.h"
#include "sizeclass.h"

#define READS		10000
#define NLOAD		3
#define SAMPLES_MAX	100

static _Atomic int done;
static size_t nmetrics;
static struct gort_metric_sample samples[SAMPLES_MAX];

static __attribute__((noinline)) int deep(int n)
{
	volatile char pad[512];

	pad[0] = (char)n;
	return n ? deep(n - 1) + pad[0] : 0;
}

static void grow_stack(void *arg)
{
	deep(100);
	gort_waitgroup_done(arg);
}

/* Allocates, grows stacks, spawns. */
static void load(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	for (size_t size = 1; !atomic_load(&done); size = size * 7 % 99991) {
		struct gort_metric_sample s = {
			.name = "/sched/latencies:seconds"
		};
		void *p = gort_alloc(size);

		CHECK_EQ(p != NULL, true);
		gort_waitgroup_add(&wg, 3);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(gort_go(grow_stack, &wg), 0);
		/* Each waits for the others, and they for it. */
		if (size % 64 == 0)
			CHECK_EQ(gort_metrics_read(&s, 1), 0);
		gort_metrics_release(&s, 1);
		gort_waitgroup_wait(&wg);
		gort_free(p);
	}
	gort_waitgroup_done(arg);
}

static const struct gort_metric_value *value_of(const char *name)
{
	for (size_t i = 0; i < nmetrics; i++)
		if (!strcmp(samples[i].name, name))
			return &samples[i].value;
	check_failed(name, 0, "is", 1, __FILE__, __LINE__);
}

static u64 count_of(const struct gort_metric_histogram *h)
{
	u64 n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += h->counts[i];
	return n;
}

static void expect_sizes(const struct gort_memstats *st)
{
	const struct gort_metric_histogram *a, *f;

	a = &value_of("/gc/heap/allocs-by-size:bytes")->histogram;
	f = &value_of("/gc/heap/frees-by-size:bytes")->histogram;
	CHECK_EQ(a->n, NR_SIZE_CLASSES);
	CHECK_EQ(f->n, NR_SIZE_CLASSES);
	CHECK_EQ(a->sum, st->total_alloc);
	CHECK_EQ(f->sum, st->total_free);
	CHECK_EQ(count_of(a), st->mallocs);
	CHECK_EQ(count_of(f), st->frees);
	CHECK_EQ(a->counts[a->n - 1], st->large_allocs);
	CHECK_EQ(f->counts[f->n - 1], st->large_frees);
	for (u32 i = 1; i < NR_SIZE_CLASSES; i++) {
		CHECK_EQ(a->borders[i], st->by_size[i - 1].size + 1);
		CHECK_EQ(a->counts[i - 1], st->by_size[i - 1].mallocs);
		CHECK_EQ(f->counts[i - 1], st->by_size[i - 1].frees);
	}
}

static void expect_same(const struct gort_memstats *st)
{
#define SAME(name, value)	CHECK_EQ(value_of(name)->u64, value)
	SAME("/gc/gomemlimit:bytes", st->limit);
	SAME("/gc/heap/allocs:bytes", st->total_alloc);
	SAME("/gc/heap/allocs:objects", st->mallocs);
	SAME("/gc/heap/frees:bytes", st->total_free);
	SAME("/gc/heap/frees:objects", st->frees);
	SAME("/gc/heap/objects:objects", st->heap_objects);
	SAME("/memory/classes/heap/free:bytes",
	     st->heap_idle - st->heap_released);
	SAME("/memory/classes/heap/objects:bytes", st->heap_alloc);
	SAME("/memory/classes/heap/released:bytes", st->heap_released);
	SAME("/memory/classes/heap/stacks:bytes", st->stack_inuse);
	SAME("/memory/classes/heap/unused:bytes",
	     st->heap_inuse - st->heap_alloc);
	SAME("/memory/classes/metadata/inuse:bytes", st->meta_inuse);
	SAME("/memory/classes/metadata/free:bytes",
	     st->meta_sys - st->meta_inuse);
	SAME("/memory/classes/stacks/free:bytes",
	     st->stack_sys - st->stack_inuse);
	SAME("/memory/classes/other:bytes", st->other_sys);
	SAME("/memory/classes/total:bytes", st->sys);
#undef SAME
	expect_sizes(st);
}

static long reads(void)
{
	if (getenv("STRESS_SCALE") || mode_sanitized() || mode_emulated())
		return stress_count(READS);
	return READS;
}

static void compare(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct gort_memstats st;
	long n = reads();

	(void)arg;
	gort_waitgroup_add(&wg, NLOAD);
	for (int i = 0; i < NLOAD; i++)
		CHECK_EQ(gort_go(load, &wg), 0);
	for (long i = 0; i < n; i++) {
		CHECK_EQ(read_metrics_slow(&st, samples, nmetrics), 0);
		expect_same(&st);
	}
	atomic_store(&done, 1);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(value_of("/sched/pauses/total/test:seconds")->kind,
		 GORT_METRIC_FLOAT64_HISTOGRAM);
	/* The last read does not count itself. */
	CHECK_EQ(count_of(&value_of("/sched/pauses/total/test:seconds")
			  ->histogram), n - 1);
	CHECK_EQ(gort_metrics_release(samples, nmetrics), 0);
	printf("# %ld reads\n", n);
}

int main(void)
{
	const struct gort_metric_desc *descs = gort_metrics_all(&nmetrics);

	CHECK_LE(nmetrics, SAMPLES_MAX);
	for (size_t i = 0; i < nmetrics; i++)
		samples[i].name = descs[i].name;
	setenv("GORTMAXPROCS", "4", 1);
	stress_run("metrics", compare, NULL);
	return stress_done("metrics and statistics agree");
}
