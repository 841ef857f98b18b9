// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_conf_profile.c - traces with samples of the CPU profiler
 * and labels of goroutines.
 */
#include "trace/conf.h"

#include <gort/profile.h>

#include "trace/cpu.h"

#define HOG_NS	30000000

enum { SEEN, LOST, HOGS_ID, HOG_SAMPLES, LABELS };

static __attribute__((noinline)) void hog(int64_t ns)
{
	int64_t end = 0;

	/* A call now and then, which may let others run. */
	while (end < ns) {
		end += cpu_use(1000000);
		gort_yield();
	}
}

static void hogs_goroutine(void *arg)
{
	gort_trace_region_begin(0, "hog");
	CHECK_EQ(gort_label_set("tracing", "on"), 0);
	hog(HOG_NS);
	CHECK_EQ(gort_label_set("tracing", NULL), 0);
	gort_trace_region_end(0, "hog");
	gort_waitgroup_done(arg);
}

static void other(void *arg)
{
	cpu_use(HOG_NS / 3);
	gort_waitgroup_done(arg);
}

static void profile(struct conf *c)
{
	struct gort_cpuprofile_stats st;
	struct gort_waitgroup all = { 0 };

	gort_waitgroup_add(&all, 3);
	conf_start(c);
	CHECK_EQ(gort_cpuprofile_start(-1, 250), 0);
	CHECK_EQ(gort_go(other, &all), 0);
	CHECK_EQ(gort_go(hogs_goroutine, &all), 0);
	CHECK_EQ(gort_go(other, &all), 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	gort_cpuprofile_read_stats(&st);
	c->count[SEEN] = (long)st.samples;
	c->count[LOST] = (long)st.lost;
	conf_stop(c);
}

static bool in_hog(const struct tracefile *tf, uint64_t stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr);

	for (size_t i = 0; i < n; i++)
		if (conf_is(fr[i].func, "hog"))
			return true;
	return false;
}

static void profile_event(struct conf *c, const struct tracefile *tf,
			  const struct tracefile_event *ev,
			  const struct tracefile_details *d)
{
	if (!ev) {
		c->count[HOGS_ID] = c->count[HOG_SAMPLES] = c->count[LABELS] = 0;
		return;
	}
	if (ev->kind == TRACEFILE_REGION_BEGIN)
		c->count[HOGS_ID] = (long)ev->goroutine;
	if (ev->kind == TRACEFILE_LABEL) {
		CHECK_EQ(d->id, c->count[HOGS_ID]);
		CHECK_EQ(conf_is(d->text, "on"), true);
		c->count[LABELS]++;
	}
	if (ev->kind != TRACEFILE_SAMPLE || !in_hog(tf, ev->stack))
		return;
	CHECK_EQ(ev->goroutine, c->count[HOGS_ID]);
	c->count[HOG_SAMPLES]++;
}

/* Whoever saw 30 ms of the kernel's ticks saw one of them in hog(). */
static void profile_expect(struct conf *c, const struct conf_facts *f)
{
	if (!c->count[LOST])
		CHECK_EQ(f->kind[TRACEFILE_SAMPLE], c->count[SEEN]);
	CHECK_LE(1, c->count[HOG_SAMPLES]);
	CHECK_LE(1, c->count[LABELS]);
}

static void test_profile(void **state)
{
	static const struct conf_prog p = {
		.name = "profile",
		.run = profile,
		.event = profile_event,
		.expect = profile_expect,
		.procs = 2,
		.loops = true,
		.lenient = true,	/* samples in libraries */
		.every = 8,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
