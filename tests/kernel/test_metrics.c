// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_metrics.c - metrics by name, and that they are true.
 */
#include <gort/gort.h>

#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/histogram.h"
#include "kernel/metrics.h"
#include "kernel/sched.h"
#include "kernel/spin.h"
#include "kernel/stw.h"
#include "kernel/time.h"
#include "mm/vm.h"
#include "sizeclass.h"

#define MSEC		1000000
#define HOG_NS		(5 * MSEC)

static size_t nmetrics;
static const struct gort_metric_desc *descs;

static int setup(void **state)
{
	(void)state;
	descs = gort_metrics_all(&nmetrics);
	setenv("GORTMAXPROCS", "1", 1);
	return 0;
}

static int setup4(void **state)
{
	setup(state);
	setenv("GORTMAXPROCS", "4", 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("GORTMAXPROCS");
	return 0;
}

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static u64 read_u64(const char *name)
{
	struct gort_metric_sample s = { .name = name };

	CHECK_EQ(gort_metrics_read(&s, 1), 0);
	CHECK_EQ(s.value.kind, GORT_METRIC_UINT64);
	return s.value.u64;
}

static double read_f64(const char *name)
{
	struct gort_metric_sample s = { .name = name };

	CHECK_EQ(gort_metrics_read(&s, 1), 0);
	CHECK_EQ(s.value.kind, GORT_METRIC_FLOAT64);
	return s.value.f64;
}

static struct gort_metric_sample *new_samples(void)
{
	struct gort_metric_sample *s = calloc(nmetrics, sizeof(*s));

	CHECK_NE((uintptr_t)s, 0);
	for (size_t i = 0; i < nmetrics; i++)
		s[i].name = descs[i].name;
	return s;
}

static void free_samples(struct gort_metric_sample *s)
{
	CHECK_EQ(gort_metrics_release(s, nmetrics), 0);
	free(s);
}

static u64 count_of(const struct gort_metric_value *v)
{
	u64 n = 0;

	CHECK_EQ(v->kind, GORT_METRIC_FLOAT64_HISTOGRAM);
	for (size_t i = 0; i < v->histogram.n; i++)
		n += v->histogram.counts[i];
	return n;
}

static u64 read_count(const char *name)
{
	struct gort_metric_sample s = { .name = name };
	u64 n;

	CHECK_EQ(gort_metrics_read(&s, 1), 0);
	n = count_of(&s.value);
	gort_metrics_release(&s, 1);
	return n;
}

/* --- histograms --- */

static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(HIST_BUCKETS, 162);
	assert_int_equal(hist_bucket(-1), 0);
	assert_int_equal(hist_bucket(INT64_MIN), 0);
	assert_int_equal(hist_bucket(0), 1);
	assert_int_equal(hist_bucket(INT64_MAX), HIST_BUCKETS - 1);
	assert_int_equal(hist_from_ns(1), 0);
	assert_int_equal(hist_from_ns(2), 64);
	assert_int_equal(hist_from_ns(5), 256);
	assert_int_equal(hist_from_ns(6), 320);
	assert_int_equal(hist_from_ns(HIST_BUCKETS - 1), (s64)1 << 47);
	for (u32 i = 1; i < HIST_BUCKETS; i++) {
		s64 from = (s64)hist_from_ns(i);

		assert_int_equal(hist_bucket(from), i);
		assert_int_equal(hist_bucket(from - 1), i - 1);
	}
}

static void test_borders(void **state)
{
	const double *b = hist_borders();

	(void)state;
	assert_true(b[0] == -INFINITY);
	assert_true(b[HIST_BUCKETS] == INFINITY);
	for (u32 i = 1; i < HIST_BUCKETS; i++)
		assert_true(b[i] == (double)hist_from_ns(i) / 1e9);
	assert_ptr_equal(hist_borders(), b);
}

static void test_record(void **state)
{
	static struct time_hist h;
	struct time_sum sum = { .sum_ns = 1000 };

	(void)state;
	hist_record(&h, 100, 1);
	hist_record(&h, 300, 5);
	hist_record(&h, -7, 2);
	hist_record(&h, INT64_MAX / 4, 1);
	sum.counts[0] = 10;
	hist_sum(&sum, &h);
	assert_int_equal(sum.counts[hist_bucket(100)], 1);
	assert_int_equal(sum.counts[hist_bucket(300)], 5);
	assert_int_equal(sum.counts[0], 12);
	assert_int_equal(sum.counts[HIST_BUCKETS - 1], 1);
	assert_int_equal(sum.sum_ns, 1000 + 100 + 1500 + INT64_MAX / 4);
}

/* --- the table --- */

static void check_name(const char *name)
{
	const char *colon = strchr(name, ':');

	assert_int_equal(name[0], '/');
	assert_non_null(colon);
	assert_true(colon[1]);
	assert_null(strchr(colon + 1, ':'));
	for (const char *p = name; *p; p++)
		assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz/:-", *p));
}

static void check_help(const char *help)
{
	size_t len = strlen(help);

	assert_in_range(len, 10, 150);
	assert_int_equal(help[len - 1], '.');
	assert_null(strpbrk(help, "\"\\\n"));
}

static void test_descriptions(void **state)
{
	size_t n = 0;

	(void)state;
	assert_null(gort_metrics_all(NULL));
	assert_ptr_equal(gort_metrics_all(&n), descs);
	assert_int_equal(n, nmetrics);
	assert_true(n > 40);
	for (size_t i = 0; i < n; i++) {
		check_name(descs[i].name);
		check_help(descs[i].help);
		assert_in_range(descs[i].kind, GORT_METRIC_UINT64,
				GORT_METRIC_FLOAT64_HISTOGRAM);
		/* Also what is found by halving needs it. */
		if (i && strcmp(descs[i - 1].name, descs[i].name) >= 0)
			fail_msg("%s is not before %s", descs[i - 1].name,
				 descs[i].name);
	}
}

/* --- errors --- */

static void on_system_stack(void *arg)
{
	struct gort_metric_sample s = { .name = descs[0].name };

	(void)arg;
	CHECK_EQ(gort_metrics_read(&s, 1), -EPERM);
	CHECK_EQ(gort_metrics_write(1), -EPERM);
}

static void bad_arguments(void *arg)
{
	struct gort_metric_sample s[2] = {
		{ .name = "/sched/gomaxprocs:threads" }, { .name = NULL },
	};

	(void)arg;
	CHECK_EQ(gort_metrics_read(NULL, 1), -EINVAL);
	CHECK_EQ(gort_metrics_read(NULL, 0), 0);
	CHECK_EQ(gort_metrics_read(s, 0), 0);
	CHECK_EQ(gort_metrics_read(s, 2), -EINVAL);
	CHECK_EQ(s[0].value.kind, GORT_METRIC_BAD);
	CHECK_EQ(gort_metrics_release(NULL, 1), -EINVAL);
	CHECK_EQ(gort_metrics_release(NULL, 0), 0);
	CHECK_EQ(gort_systemstack_call(on_system_stack, NULL), 0);
}

static void test_errors(void **state)
{
	struct gort_metric_sample s = { .name = descs[0].name };

	(void)state;
	assert_int_equal(gort_metrics_read(&s, 1), -EPERM);
	assert_int_equal(gort_metrics_write(1), -EPERM);
	assert_int_equal(read_metrics_slow(NULL, &s, 1), -EPERM);
	run(bad_arguments, NULL);
}

static void unknown(void *arg)
{
	static const char *const names[] = {
		"", "/", "a", "/zzz:z", "/sched/gomaxprocs",
		"/sched/gomaxprocs:threadsx", "/sched/gomaxprocs:thread",
		"/SCHED/gomaxprocs:threads", "\xff",
	};
	struct gort_metric_sample s = { 0 };

	(void)arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		s.name = "/sched/latencies:seconds";
		CHECK_EQ(gort_metrics_read(&s, 1), 0);
		CHECK_EQ(s.value.kind, GORT_METRIC_FLOAT64_HISTOGRAM);
		s.name = names[i];
		CHECK_EQ(gort_metrics_read(&s, 1), 0);
		CHECK_EQ(s.value.kind, GORT_METRIC_BAD);
		CHECK_EQ(gort_metrics_read(&s, 1), 0);
		CHECK_EQ(s.value.kind, GORT_METRIC_BAD);
	}
	s.name = "/sched/gomaxprocs:threads";
	CHECK_EQ(gort_metrics_read(&s, 1), 0);
	CHECK_EQ(s.value.kind, GORT_METRIC_UINT64);
	CHECK_EQ(s.value.u64, 1);
}

static void test_unknown(void **state)
{
	(void)state;
	run(unknown, NULL);
}

/* --- reading --- */

static void check_histogram(const struct gort_metric_histogram *h)
{
	CHECK_LT(0, h->n);
	CHECK_EQ(h->borders[h->n] == INFINITY, true);
	for (size_t i = 0; i < h->n; i++)
		CHECK_EQ(h->borders[i] < h->borders[i + 1], true);
	CHECK_EQ(h->sum >= 0, true);
}

static void read_all(void *arg)
{
	struct gort_metric_sample *s = new_samples();
	const double *borders[100];

	(void)arg;
	CHECK_LE(nmetrics, sizeof(borders) / sizeof(*borders));
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(gort_metrics_read(s, nmetrics), 0);
		for (size_t i = 0; i < nmetrics; i++) {
			const struct gort_metric_value *v = &s[i].value;

			CHECK_EQ(v->kind, descs[i].kind);
			if (v->kind != GORT_METRIC_FLOAT64_HISTOGRAM)
				continue;
			check_histogram(&v->histogram);
			if (round)
				CHECK_EQ(v->histogram.borders == borders[i],
					 true);
			borders[i] = v->histogram.borders;
		}
	}
	free_samples(s);
}

static void test_read_all(void **state)
{
	(void)state;
	run(read_all, NULL);
}

/* Samples in any order, twice the same, names that are copies, and kinds that
 * change. */
static void read_any_order(void *arg)
{
	struct gort_metric_sample *s = new_samples();
	char copy[100];

	(void)arg;
	for (size_t i = 0; i < nmetrics; i++)
		s[i].name = descs[nmetrics - 1 - i].name;
	s[0].name = s[1].name;
	snprintf(copy, sizeof(copy), "%s", s[2].name);
	s[2].name = copy;
	for (int round = 0; round < 20; round++) {
		CHECK_EQ(gort_metrics_read(s, nmetrics), 0);
		CHECK_EQ(s[0].value.kind, descs[nmetrics - 2].kind);
		for (size_t i = 1; i < nmetrics; i++)
			CHECK_EQ(s[i].value.kind, descs[nmetrics - 1 - i].kind);
		/* The next round in another order. */
		for (size_t i = 0; i < nmetrics; i++) {
			size_t k = (i * 31 + (size_t)round) % nmetrics;

			s[i].name = descs[k].name;
			CHECK_EQ(gort_metrics_read(&s[i], 1), 0);
			CHECK_EQ(s[i].value.kind, descs[k].kind);
			s[i].name = descs[nmetrics - 1 - i].name;
		}
		s[0].name = s[1].name;
		s[2].name = copy;
	}
	free_samples(s);
}

static void test_any_order(void **state)
{
	(void)state;
	run(read_any_order, NULL);
}

static void read_twice(void *arg)
{
	struct gort_metric_sample *s = new_samples();
	struct gort_metric_sample one = { .name = "/sched/latencies:seconds" };
	u64 objects, frees;

	(void)arg;
	CHECK_EQ(gort_metrics_read(s, nmetrics), 0);
	objects = read_u64("/gc/heap/allocs:objects");
	for (int i = 0; i < 100; i++)
		CHECK_EQ(gort_metrics_read(s, nmetrics), 0);
	CHECK_EQ(read_u64("/gc/heap/allocs:objects"), objects);
	/* The first one did. */
	CHECK_EQ(gort_metrics_read(&one, 1), 0);
	CHECK_EQ(read_u64("/gc/heap/allocs:objects"), objects + 1);
	frees = read_u64("/gc/heap/frees:objects");
	CHECK_EQ(gort_metrics_release(&one, 1), 0);
	CHECK_EQ(one.value.kind, GORT_METRIC_BAD);
	CHECK_EQ(read_u64("/gc/heap/frees:objects"), frees + 1);
	free_samples(s);
	CHECK_EQ(read_u64("/gc/heap/allocs:objects"), objects + 1);
}

static void test_second_read(void **state)
{
	(void)state;
	run(read_twice, NULL);
}

/* --- no memory --- */

/* All there is of objects of that size, as a list. */
static void **take_all(size_t size)
{
	void **list = NULL, **p;

	while ((p = gort_alloc(size))) {
		*p = list;
		list = p;
	}
	return list;
}

static bool give_one(void ***list)
{
	void **p = *list;

	if (!p)
		return false;
	*list = *p;
	gort_free(p);
	return true;
}

static void without_memory(void *arg)
{
	struct gort_metric_sample *s = new_samples();
	void **large, **small;
	int fails = 0, err;

	(void)arg;
	vm_fail_for_good = true;
	vm_fail_after = 0;
	large = take_all(HIST_BUCKETS * sizeof(u64));
	small = take_all(NR_SIZE_CLASSES * sizeof(u64));
	CHECK_EQ(gort_metrics_write(-1), -ENOMEM);
	while ((err = gort_metrics_read(s, nmetrics))) {
		CHECK_EQ(err, -ENOMEM);
		fails++;
		CHECK_EQ(give_one(&large) | give_one(&small), true);
		if (fails == 5)
			gort_metrics_release(s, nmetrics);
	}
	CHECK_LT(5, fails);
	vm_fail_after = -1;
	vm_fail_for_good = false;
	for (size_t i = 0; i < nmetrics; i++)
		CHECK_EQ(s[i].value.kind, descs[i].kind);
	free_samples(s);
	while (give_one(&large) | give_one(&small))
		;
}

static void test_no_memory(void **state)
{
	(void)state;
	run(without_memory, NULL);
}

/* --- goroutines --- */

struct crowd {
	struct gort_chan *gate;
	struct gort_waitgroup all;
};

static void wait_at_gate(void *arg)
{
	struct crowd *c = arg;

	gort_chan_recv(c->gate, NULL);
	gort_waitgroup_done(&c->all);
}

static void be_done(void *arg)
{
	gort_waitgroup_done(arg);
}

static void count_states(void *arg)
{
	struct crowd c = { .gate = gort_chan_new(0, 0) };
	u64 created = read_u64("/sched/goroutines-created:goroutines");
	struct m *mp;

	(void)arg;
	CHECK_EQ(read_u64("/sched/goroutines:goroutines"), 1);
	gort_waitgroup_add(&c.all, 30);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(gort_go(wait_at_gate, &c), 0);
	while (read_u64("/sched/goroutines/waiting:goroutines") < 20)
		gort_yield();
	/* Not preempted: none of these runs yet. */
	mp = acquirem();
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(be_done, &c.all), 0);
	CHECK_EQ(read_u64("/sched/goroutines-created:goroutines"),
		 created + 30);
	CHECK_EQ(read_u64("/sched/goroutines:goroutines"), 31);
	CHECK_EQ(read_u64("/sched/goroutines/waiting:goroutines"), 20);
	CHECK_EQ(read_u64("/sched/goroutines/runnable:goroutines"), 10);
	CHECK_EQ(read_u64("/sched/goroutines/running:goroutines"), 1);
	releasem(mp);
	gort_chan_close(c.gate);
	gort_waitgroup_wait(&c.all);
	while (read_u64("/sched/goroutines:goroutines") > 1)
		gort_yield();
	CHECK_EQ(read_u64("/sched/goroutines-created:goroutines"),
		 created + 30);
	gort_chan_free(c.gate);
}

static void test_states(void **state)
{
	(void)state;
	run(count_states, NULL);
}

static _Atomic int in_call, leave_call;

static void call(void *arg)
{
	(void)arg;
	atomic_store(&in_call, 1);
	while (!atomic_load(&leave_call))
		;
}

static void call_blocking(void *arg)
{
	CHECK_EQ(gort_blocking(call, NULL), 0);
	gort_waitgroup_done(arg);
}

static void count_calls(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(call_blocking, &wg), 0);
	while (!atomic_load(&in_call))
		gort_yield();
	CHECK_EQ(read_u64("/sched/goroutines/not-in-go:goroutines"), 1);
	atomic_store(&leave_call, 1);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(read_u64("/sched/goroutines/not-in-go:goroutines"), 0);
	CHECK_LE(2, read_u64("/sched/threads/total:threads"));
}

static void test_not_in_go(void **state)
{
	(void)state;
	atomic_store(&in_call, 0);
	atomic_store(&leave_call, 0);
	run(count_calls, NULL);
}

/* The states never say more than there are. */
static void sum_states(void *arg)
{
	struct gort_metric_sample s[] = {
		{ .name = "/sched/goroutines:goroutines" },
		{ .name = "/sched/goroutines/not-in-go:goroutines" },
		{ .name = "/sched/goroutines/runnable:goroutines" },
		{ .name = "/sched/goroutines/running:goroutines" },
		{ .name = "/sched/goroutines/waiting:goroutines" },
	};
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	for (int i = 0; i < mode_times(2000); i++) {
		gort_waitgroup_add(&wg, 2);
		CHECK_EQ(gort_go(be_done, &wg), 0);
		CHECK_EQ(gort_go(be_done, &wg), 0);
		CHECK_EQ(gort_metrics_read(s, 5), 0);
		CHECK_EQ(s[0].value.u64, s[1].value.u64 + s[2].value.u64 +
			 s[3].value.u64 + s[4].value.u64);
		CHECK_LE(1, s[3].value.u64);
	}
	gort_waitgroup_wait(&wg);
}

static void test_sum_of_states(void **state)
{
	(void)state;
	run(sum_states, NULL);
}

/* --- the scheduler --- */

static void yield_times(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		gort_yield();
}

static void count_switches(void *arg)
{
	u64 before = read_u64("/sched/switches:switches");

	(void)arg;
	yield_times((void *)1000);
	CHECK_LE(before + 1000, read_u64("/sched/switches:switches"));
	CHECK_EQ(gort_gomaxprocs(3), 1);
	CHECK_EQ(read_u64("/sched/gomaxprocs:threads"), 3);
}

static void test_switches(void **state)
{
	(void)state;
	run(count_switches, NULL);
}

/* Each sample counts for as many as it stands for. */
static void expect_about(u64 got, u64 want)
{
	CHECK_LT(want - want / 4, got);
	CHECK_LT(got, want + want / 4);
}

static void yields(long n)
{
	yield_times((void *)n);
}

static void spawns(long n)
{
	struct gort_waitgroup wg = { 0 };

	for (long i = 0; i < n; i += 100) {
		gort_waitgroup_add(&wg, 100);
		for (int k = 0; k < 100; k++)
			CHECK_EQ(gort_go(be_done, &wg), 0);
		gort_waitgroup_wait(&wg);
	}
}

static void check_latencies(void *arg)
{
	void (*const *fn)(long n) = arg;
	u64 before = read_count("/sched/latencies:seconds");
	u64 switches = read_u64("/sched/switches:switches");

	/* Fewer would not be enough samples. */
	(*fn)(mode_sanitized() ? 100000 : 200000);
	expect_about(read_count("/sched/latencies:seconds") - before,
		     read_u64("/sched/switches:switches") - switches);
}

static void test_latencies(void **state)
{
	void (*fns[])(long n) = { yields, spawns };

	(void)state;
	run(check_latencies, &fns[0]);
	run(check_latencies, &fns[1]);
}

static _Atomic int hogging;

struct hog {
	struct gort_waitgroup wg;
	struct g *gp;
};

/* Another waits for that long, once it is watched and runnable: stack checks
 * may yield as well, so it is not always. */
static void hog(void *arg)
{
	struct hog *h = arg;
	struct m *mp;
	s64 until;

	while (h->gp->watched != 1000 || !h->gp->runnable_since)
		gort_yield();
	mp = acquirem();
	until = nanotime() + HOG_NS;
	while (nanotime() < until)
		;
	atomic_store(&hogging, 0);
	releasem(mp);
	gort_waitgroup_done(&h->wg);
}

/* Latencies as long as hog() takes; *sum: of all, in seconds. */
static u64 long_latencies(double *sum)
{
	struct gort_metric_sample s = { .name = "/sched/latencies:seconds" };
	u64 n = 0;

	CHECK_EQ(gort_metrics_read(&s, 1), 0);
	for (u32 i = hist_bucket(HOG_NS); i < HIST_BUCKETS; i++)
		n += s.value.histogram.counts[i];
	*sum = s.value.histogram.sum;
	gort_metrics_release(&s, 1);
	return n;
}

/* The caller is watched, and runnable while the other hogs the only P. */
static void be_late(void)
{
	struct hog h = { .gp = getg() };

	gort_waitgroup_add(&h.wg, 1);
	atomic_store(&hogging, 1);
	CHECK_EQ(gort_go(hog, &h), 0);
	while (atomic_load(&hogging)) {
		getg()->watched = 1000;
		gort_yield();
	}
	gort_waitgroup_wait(&h.wg);
}

static void long_latency(void *arg)
{
	double sum, sum_before;
	u64 before = long_latencies(&sum_before), after;

	(void)arg;
	be_late();
	after = long_latencies(&sum);
	CHECK_LE(before + 1000, after);
	CHECK_EQ(sum - sum_before >= 1000.0 * HOG_NS / 1e9, true);
}

static void test_long_latency(void **state)
{
	(void)state;
	run(long_latency, NULL);
}

static void count_pauses(void *arg)
{
	struct gort_metric_sample s[] = {
		{ .name = "/sched/pauses/stopping/test:seconds" },
		{ .name = "/sched/pauses/total/test:seconds" },
		{ .name = "/sched/pauses/total/gomaxprocs:seconds" },
	};
	struct gort_pause p;

	(void)arg;
	for (int i = 0; i < 7; i++) {
		stw_begin(STW_TEST);
		stw_end();
	}
	gort_gomaxprocs(2);
	CHECK_EQ(gort_metrics_read(s, 3), 0);
	CHECK_EQ(gort_read_pause(STW_TEST, &p), 0);
	CHECK_EQ(count_of(&s[0].value), p.count);
	CHECK_EQ(count_of(&s[1].value), p.count);
	CHECK_EQ(llround(s[0].value.histogram.sum * 1e9), p.stop_ns);
	CHECK_EQ(llround(s[1].value.histogram.sum * 1e9), p.total_ns);
	CHECK_EQ(gort_read_pause(STW_MAXPROCS, &p), 0);
	CHECK_EQ(count_of(&s[2].value), p.count);
	gort_metrics_release(s, 3);
}

static void test_pauses(void **state)
{
	(void)state;
	run(count_pauses, NULL);
}

/* --- mutexes --- */

struct contest {
	struct gort_mutex mutex;
	struct gort_rwmutex rw;
	struct gort_waitgroup wg;
};

static void lock_mutex(void *arg)
{
	struct contest *c = arg;

	gort_mutex_lock(&c->mutex);
	gort_mutex_unlock(&c->mutex);
	gort_waitgroup_done(&c->wg);
}

static void read_lock(void *arg)
{
	struct contest *c = arg;

	gort_rwmutex_rlock(&c->rw);
	gort_rwmutex_runlock(&c->rw);
	gort_waitgroup_done(&c->wg);
}

static void write_lock(void *arg)
{
	struct contest *c = arg;

	gort_rwmutex_lock(&c->rw);
	gort_rwmutex_unlock(&c->rw);
	gort_waitgroup_done(&c->wg);
}

#define WAIT_MSEC	10

/* fn waits for what the caller has locked: how long, in ns? */
static u64 wait_for(void (*fn)(void *), struct contest *c,
		    void (*leave)(struct contest *c))
{
	double before = read_f64("/sync/mutex/wait/total:seconds");

	gort_waitgroup_add(&c->wg, 1);
	CHECK_EQ(gort_go(fn, c), 0);
	while (!read_u64("/sched/goroutines/waiting:goroutines"))
		gort_yield();
	gort_sleep_ns(WAIT_MSEC * MSEC);
	leave(c);
	gort_waitgroup_wait(&c->wg);
	return (u64)((read_f64("/sync/mutex/wait/total:seconds") - before) *
		     1e9);
}

static void unlock_mutex(struct contest *c)
{
	gort_mutex_unlock(&c->mutex);
}

static void unlock_rw(struct contest *c)
{
	gort_rwmutex_unlock(&c->rw);
}

static void wait_for_mutexes(void *arg)
{
	struct contest c = { 0 };

	(void)arg;
	CHECK_EQ(read_f64("/sync/mutex/wait/total:seconds") == 0, true);
	gort_mutex_lock(&c.mutex);
	gort_mutex_unlock(&c.mutex);
	CHECK_EQ(read_f64("/sync/mutex/wait/total:seconds") == 0, true);
	gort_mutex_lock(&c.mutex);
	CHECK_LE(WAIT_MSEC * MSEC, wait_for(lock_mutex, &c, unlock_mutex));
	gort_rwmutex_lock(&c.rw);
	CHECK_LE(WAIT_MSEC * MSEC, wait_for(read_lock, &c, unlock_rw));
	gort_rwmutex_lock(&c.rw);
	CHECK_LE(WAIT_MSEC * MSEC, wait_for(write_lock, &c, unlock_rw));
}

static void in_a_child(void *arg)
{
	gort_run(arg, NULL);
}

/* Nobody has waited before in that process. */
static void test_mutex_wait(void **state)
{
	(void)state;
	child_run(in_a_child, wait_for_mutexes);
	child_expect_exit(0);
}

/* --- timers and the poller --- */

static void timer_fn(void *arg)
{
	atomic_fetch_add((_Atomic int *)arg, 1);
}

static void count_timers(void *arg)
{
	struct gort_timer soon[5], late[7];
	u64 fired = read_u64("/timers/fired:timers");
	_Atomic int ran = 0;

	(void)arg;
	CHECK_EQ(read_u64("/timers/pending:timers"), 0);
	for (int i = 0; i < 7; i++) {
		gort_timer_init(&late[i], timer_fn, &ran);
		gort_timer_start(&late[i], (int64_t)3600 * 1000 * MSEC, 0);
	}
	CHECK_EQ(read_u64("/timers/pending:timers"), 7);
	for (int i = 0; i < 5; i++) {
		gort_timer_init(&soon[i], timer_fn, &ran);
		gort_timer_start(&soon[i], 1, 0);
	}
	while (atomic_load(&ran) < 5)
		gort_yield();
	while (read_u64("/timers/fired:timers") < fired + 5)
		gort_yield();
	CHECK_EQ(read_u64("/timers/fired:timers"), fired + 5);
	CHECK_EQ(read_u64("/timers/pending:timers"), 7);
	for (int i = 0; i < 7; i++)
		CHECK_EQ(gort_timer_stop(&late[i]), 1);
	CHECK_EQ(read_u64("/timers/pending:timers"), 0);
}

static void test_timers(void **state)
{
	(void)state;
	run(count_timers, NULL);
}

struct reader {
	int fd;
	struct gort_waitgroup wg;
};

static void read_byte(void *arg)
{
	struct reader *r = arg;
	char c;

	CHECK_EQ(gort_read(r->fd, &c, 1), 1);
	gort_waitgroup_done(&r->wg);
}

static void count_descriptors(void *arg)
{
	struct reader r = { 0 };
	u64 before = read_u64("/netpoll/descriptors:descriptors");
	u64 woken = read_u64("/netpoll/woken:goroutines");
	int fds[2];

	(void)arg;
	CHECK_EQ(pipe(fds), 0);
	r.fd = fds[0];
	gort_waitgroup_add(&r.wg, 1);
	CHECK_EQ(gort_go(read_byte, &r), 0);
	while (read_u64("/netpoll/waiting:goroutines") < 1)
		gort_yield();
	CHECK_EQ(read_u64("/netpoll/descriptors:descriptors"), before + 1);
	CHECK_EQ(read_u64("/netpoll/woken:goroutines"), woken);
	CHECK_EQ(gort_write(fds[1], "x", 1), 1);
	CHECK_EQ(read_u64("/netpoll/descriptors:descriptors"), before + 2);
	gort_waitgroup_wait(&r.wg);
	CHECK_EQ(read_u64("/netpoll/waiting:goroutines"), 0);
	CHECK_EQ(read_u64("/netpoll/woken:goroutines"), woken + 1);
	CHECK_EQ(gort_close(fds[0]), 0);
	CHECK_EQ(gort_close(fds[1]), 0);
	CHECK_EQ(read_u64("/netpoll/descriptors:descriptors"), before);
}

static void test_netpoll(void **state)
{
	(void)state;
	run(count_descriptors, NULL);
	run(count_descriptors, NULL);
}

/* --- from run to run --- */

static const char *const cumulative[] = {
	"/sched/goroutines-created:goroutines", "/sched/switches:switches",
	"/timers/fired:timers", "/netpoll/woken:goroutines",
};

#define NR_CUMULATIVE	(sizeof(cumulative) / sizeof(*cumulative))

static u64 last[NR_CUMULATIVE], last_latencies;

static void go_on_counting(void *arg)
{
	long n = 20000;

	(void)arg;
	for (size_t i = 0; i < NR_CUMULATIVE; i++)
		CHECK_LE(last[i], read_u64(cumulative[i]));
	CHECK_LE(last_latencies, read_count("/sched/latencies:seconds"));
	CHECK_EQ(read_u64("/sched/goroutines:goroutines"), 1);
	count_timers(NULL);
	count_descriptors(NULL);
	yield_times((void *)n);
	/* Left behind when the run ends. */
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(yield_times, (void *)1000), 0);
	for (size_t i = 0; i < NR_CUMULATIVE; i++) {
		u64 now = read_u64(cumulative[i]);

		CHECK_LT(last[i], now);
		last[i] = now;
	}
	last_latencies = read_count("/sched/latencies:seconds");
	CHECK_LT(0, last_latencies);
}

static void test_runs(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		run(go_on_counting, NULL);
}

/* Readers hold the semaphore, or wait for it, when the run ends. */
static void read_for_ever(void *arg)
{
	struct gort_metric_sample *s = arg;

	for (;;)
		gort_metrics_read(s, nmetrics);
}

static struct gort_metric_sample *left_behind[3];

static void end_meanwhile(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_go(read_for_ever, left_behind[i]), 0);
	for (int i = 0; i < 3; i++)
		gort_yield();
	CHECK_EQ(gort_metrics_read(NULL, 0), 0);
}

static void test_run_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		left_behind[i] = new_samples();
	for (int i = 0; i < mode_times(200); i++)
		run(end_meanwhile, NULL);
	for (int i = 0; i < 3; i++)
		free_samples(left_behind[i]);
}

/* --- many readers --- */

static void read_many(void *arg)
{
	struct gort_metric_sample *s = new_samples();

	for (int i = 0; i < mode_times(300); i++)
		CHECK_EQ(gort_metrics_read(s, nmetrics), 0);
	free_samples(s);
	gort_waitgroup_done(arg);
}

static void read_together(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	gort_waitgroup_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(gort_go(read_many, &wg), 0);
	gort_waitgroup_wait(&wg);
}

static void test_many_readers(void **state)
{
	(void)state;
	run(read_together, NULL);
}

#define TEST(f)		cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST4(f)	cmocka_unit_test_setup_teardown(f, setup4, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_buckets),
		TEST(test_borders),
		TEST(test_record),
		TEST(test_descriptions),
		TEST(test_errors),
		TEST(test_unknown),
		TEST(test_read_all),
		TEST(test_any_order),
		TEST(test_second_read),
		TEST(test_no_memory),
		TEST(test_states),
		TEST4(test_not_in_go),
		TEST4(test_sum_of_states),
		TEST(test_switches),
		TEST(test_latencies),
		TEST(test_long_latency),
		TEST4(test_pauses),
		TEST(test_mutex_wait),
		TEST(test_timers),
		TEST(test_netpoll),
		TEST(test_runs),
		TEST4(test_run_ends),
		TEST4(test_many_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
