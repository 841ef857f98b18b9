// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_nonpreempt_watch.c - what is done with single long
 * sections: the threshold's actions, sections that do not end, and the
 * environment variable.
 *
 * Sections are the program's own, and end when what they wait for has come.
 * Others that take long, because the kernel had something better to do, may
 * come in between: so ours are known by their names.
 */
#define _GNU_SOURCE
#include <gort/gort.h>
#include <gort/metrics.h>
#include <gort/nonpreempt.h>
#include <gort/profile.h>
#include <gort/trace.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "lsan.h"
#include "trace/frames.h"
#include "trace/readback.h"

#define US	1000ll
#define MS	1000000ll

static const char slow[] = "slow one";
static const char older[] = "older one";

static struct gort_waitgroup wg;

static void run(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_run(fn, arg), 0);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static void begin(const struct gort_nonpreempt_config *config)
{
	CHECK_EQ(gort_nonpreempt_start(config), 0);
}

static struct gort_nonpreempt_stats end(void)
{
	struct gort_nonpreempt_stats st;

	CHECK_EQ(gort_nonpreempt_stop(), 0);
	gort_nonpreempt_read_stats(&st);
	return st;
}

static int done(void)
{
	struct gort_nonpreempt_stats st;

	gort_nonpreempt_read_stats(&st);
	return (int)(st.exceeded - st.suppressed);
}

/* Sections. */

static __attribute__((noinline)) void slow_section(int64_t ns)
{
	int64_t until;

	CHECK_EQ(gort_nonpreempt_begin(slow), 0);
	until = now_ns() + ns;
	while (now_ns() < until)
		spin_times(10);
	CHECK_EQ(gort_nonpreempt_end(), 0);
}

/* A leaf, but it shall have a frame: else its caller is not seen. */
static __attribute__((noinline)) void spin_in_it(const _Atomic int *flag)
{
	__asm__ volatile("" : : "r" (__builtin_frame_address(0)));
	spin_until(flag);
}

static __attribute__((noinline)) void long_section(const char *name,
						   const _Atomic int *flag)
{
	CHECK_EQ(gort_nonpreempt_begin(name), 0);
	spin_in_it(flag);
	CHECK_EQ(gort_nonpreempt_end(), 0);
}

/* What the callback was told. */

static struct {
	_Atomic int calls;	/* of those that had ended */
	_Atomic int ended;	/* ours */
	_Atomic int opened;
	struct gort_nonpreempt_event end, open; /* the first of ours */
	_Atomic int in_goroutine, bad_arg;
} told;

static void tell(const struct gort_nonpreempt_event *ev, void *arg)
{
	char buf[8];

	told.bad_arg |= arg != &told;
	told.in_goroutine |= gort_label_get("x", buf, sizeof(buf)) != -EPERM;
	if (!ev->open)
		told.calls++;
	if (strcmp(ev->what, slow))
		return;
	if (ev->open) {
		if (!told.opened)
			told.open = *ev;
		told.opened++;
	} else {
		if (!told.ended)
			told.end = *ev;
		told.ended++;
	}
}

static const struct gort_nonpreempt_config calls = {
	.threshold_ns = MS,
	.actions = GORT_NONPREEMPT_CALL,
	.per_second = 1000000,
	.fn = tell,
	.arg = &told,
};

static void told_reset(void)
{
	memset(&told, 0, sizeof(told));
}

static const char *function_at(uintptr_t pc)
{
	const struct frame_set *set = frames_at(pc);

	return set->frames[set->n - 1].func;
}

/* Is the function there, and how far from the innermost?  -1: no. */
static int frame_in(const uintptr_t *pcs, uint32_t n, const char *function)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(function_at(pcs[i]), function))
			return (int)i;
	return -1;
}

/* The clocks may differ a little; an emulator's counter by more. */
static int64_t about(int64_t ns)
{
	return mode_emulated() ? ns / 2 : ns - ns / 50;
}

static void check_event(const struct gort_nonpreempt_event *ev, bool open,
			int64_t ns)
{
	CHECK_EQ(ev->kind, GORT_NONPREEMPT_USER);
	CHECK_EQ(ev->open, open);
	CHECK_EQ(ev->what, slow);
	CHECK_EQ(ev->function, 0);
	CHECK_LE(about(ns), ev->ns);
	CHECK_LT(ev->ns, 60 * 1000 * MS);
	CHECK_NE(ev->goid, 0);
	CHECK_NE(ev->tid, 0);
}

/* Nothing is lost: done or suppressed.  The last may be on their way. */
static void wait_all_told(void)
{
	while (told.calls != done())
		gort_yield();
}

/* --- configuration --- */

static void check_config(void *arg)
{
	struct gort_nonpreempt_config c = { .threshold_ns = MS };

	(void)arg;
	c.actions = 16;
	CHECK_EQ(gort_nonpreempt_start(&c), -EINVAL);
	c.actions = GORT_NONPREEMPT_CALL;
	CHECK_EQ(gort_nonpreempt_start(&c), -EINVAL);
	c.actions = GORT_NONPREEMPT_PRINT;
	c.threshold_ns = 0;
	CHECK_EQ(gort_nonpreempt_start(&c), -EINVAL);
	c.threshold_ns = MS;
	errno = 1234;
	begin(&c);
	CHECK_EQ(gort_nonpreempt_start(&c), -EBUSY);
	CHECK_EQ(errno, 1234);
	end();
	/* A threshold alone only counts. */
	c.actions = 0;
	begin(&c);
	slow_section(2 * MS);
	CHECK_LE(1, end().exceeded);
	begin(NULL);
	slow_section(2 * MS);
	CHECK_EQ(end().exceeded, 0);
}

static void test_config(void **state)
{
	(void)state;
	run(check_config, NULL);
	assert_int_equal(gort_nonpreempt_start(&calls), -EPERM);
}

/* --- the end of a long section --- */

static void check_call(void *arg)
{
	struct gort_nonpreempt_stats st;

	(void)arg;
	told_reset();
	begin(&calls);
	slow_section(2 * MS);
	while (!told.ended)
		gort_yield();
	st = end();
	CHECK_LE(1, st.exceeded);
	CHECK_EQ(st.suppressed, 0);
	check_event(&told.end, false, 2 * MS);
	CHECK_EQ(frame_in(told.end.start, told.end.nstart, "slow_section"), 0);
	CHECK_EQ(frame_in(told.end.start, told.end.nstart, "check_call"), 1);
	CHECK_EQ(frame_in(told.end.end, told.end.nend, "slow_section"), 0);
	CHECK_EQ(told.in_goroutine, 0);
	CHECK_EQ(told.bad_arg, 0);
}

static void test_call(void **state)
{
	(void)state;
	run(check_call, NULL);
}

/* What is queued when the profile ends is done all the same, and once. */
static void check_after_stop(void *arg)
{
	(void)arg;
	told_reset();
	begin(&calls);
	for (int i = 0; i < 10; i++)
		slow_section(MS + MS / 10);
	end();
	/* The next one wants nothing. */
	begin(NULL);
	while (told.ended < 10)
		gort_yield();
	end();
	CHECK_EQ(told.ended, 10);
}

static void test_after_stop(void **state)
{
	(void)state;
	run(check_after_stop, NULL);
}

static void leave_queued(void *arg)
{
	(void)arg;
	told_reset();
	begin(&calls);
	slow_section(2 * MS);
}

static void test_run_ends(void **state)
{
	(void)state;
	run(leave_queued, NULL);
	assert_int_equal(told.ended, 1);
	assert_int_equal(told.in_goroutine, 0);
}

static void check_suppressed(void *arg)
{
	struct gort_nonpreempt_config c = calls;
	struct gort_nonpreempt_stats st;
	int64_t begun = now_ns();

	(void)arg;
	told_reset();
	c.threshold_ns = US;
	c.per_second = 3;
	begin(&c);
	for (int i = 0; i < 50; i++)
		slow_section(10 * US);
	st = end();
	CHECK_LE(50, st.exceeded);
	wait_all_told();
	CHECK_LE(told.calls, 3 * ((now_ns() - begun) / (1000 * MS) + 2));
	CHECK_LE(1, st.suppressed);
}

/* What was done for an earlier profile is not counted against the next. */
static void check_another(void *arg)
{
	struct gort_nonpreempt_config c = calls;

	(void)arg;
	c.per_second = 1;
	for (int i = 0; i < 5; i++) {
		told_reset();
		begin(&c);
		slow_section(2 * MS);
		while (!told.calls)
			gort_yield();
		end();
	}
}

/* The queue is full when sysmon does not come: that is counted, too. */
static void hold_up(const struct gort_nonpreempt_event *ev, void *arg)
{
	(void)ev;
	told.opened = 1;
	spin_until(arg);
	told.calls++;
}

static void check_full(void *arg)
{
	static _Atomic int go_on;
	struct gort_nonpreempt_config c = calls;
	struct gort_nonpreempt_stats st;

	(void)arg;
	told_reset();
	go_on = 0;
	c.threshold_ns = US;
	c.fn = hold_up;
	c.arg = &go_on;
	begin(&c);
	slow_section(10 * US);
	while (!told.opened)
		gort_yield();
	for (int i = 0; i < 100; i++)
		slow_section(10 * US);
	st = end();
	CHECK_LE(101, st.exceeded);
	CHECK_LE(1, st.suppressed);
	CHECK_EQ(told.calls, 0);
	go_on = 1;
	wait_all_told();
}

static void test_suppressed(void **state)
{
	(void)state;
	run(check_suppressed, NULL);
	run(check_another, NULL);
	run(check_full, NULL);
}

static void prints(void *arg)
{
	struct gort_nonpreempt_config c = {
		.threshold_ns = MS,
		.actions = GORT_NONPREEMPT_PRINT,
		.per_second = 1000,
	};

	(void)arg;
	begin(&c);
	slow_section(2 * MS);
}

static void run_prints(void *arg)
{
	run(prints, arg);
}

static void test_print(void **state)
{
	(void)state;
	child_run(run_prints, NULL);
	child_expect_exit(0);
	child_expect_text("gort: not preemptible for ");
	child_expect_text("us: user slow one, goroutine ");
	child_expect_text(", thread ");
	child_expect_text("began:\n\tslow_section at tests/trace/test_nonpreempt_watch.c:");
	child_expect_text("ended:\n\tslow_section at tests/trace/test_nonpreempt_watch.c:");
	child_expect_text("\tprints at tests/trace/test_nonpreempt_watch.c:");
}

static void aborts(void *arg)
{
	struct gort_nonpreempt_config c = {
		.threshold_ns = 200 * MS,	/* nothing else takes it */
		.actions = GORT_NONPREEMPT_ABORT,
	};

	begin(&c);
	if (arg)
		long_section(slow, arg);
	else
		slow_section(210 * MS);
	_exit(0);
}

static void run_aborts(void *arg)
{
	run(aborts, arg);
}

/* Either may come first: the end of the section, or the watchdog. */
static void test_abort(void **state)
{
	(void)state;
	child_run(run_aborts, NULL);
	child_expect_exit(2);
	child_expect_text("fatal error: not preemptible for ");
	child_expect_text("user slow one, goroutine ");
	child_expect_text("began:\n\tslow_section+");
}

static void test_abort_open(void **state)
{
	static const _Atomic int never;

	(void)state;
	child_run(run_aborts, (void *)&never);
	child_expect_exit(2);
	child_expect_text(", and still so: user slow one, goroutine ");
	child_expect_text("began:\n\tlong_section+");
	child_expect_text("is:\n\tspin_in_it+");
	child_expect_text("[running]:");
}

/* --- the watchdog --- */

static void check_open(void *arg)
{
	(void)arg;
	told_reset();
	begin(&calls);
	long_section(slow, &told.opened);
	while (!told.ended)
		gort_yield();
	end();
	CHECK_EQ(told.opened, 1);
	check_event(&told.open, true, 10 * MS);
	CHECK_EQ(frame_in(told.open.start, told.open.nstart, "long_section"),
		 0);
	CHECK_LE(1, frame_in(told.open.start, told.open.nstart, "check_open"));
	CHECK_EQ(frame_in(told.open.end, told.open.nend, "spin_in_it"), 0);
	CHECK_LE(1, frame_in(told.open.end, told.open.nend, "long_section"));
	check_event(&told.end, false, (int64_t)told.open.ns);
	CHECK_EQ(told.end.goid, told.open.goid);
	CHECK_EQ(told.end.tid, told.open.tid);
	CHECK_EQ(told.in_goroutine, 0);
}

static void test_open(void **state)
{
	(void)state;
	run(check_open, NULL);
}

/* Who cannot answer is told of without an end, and sysmon goes on. */
static void check_masked(void *arg)
{
	sigset_t set, old;

	(void)arg;
	told_reset();
	begin(&calls);
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	CHECK_EQ(gort_nonpreempt_begin(slow), 0);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	spin_until(&told.opened);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	while (!told.ended)
		gort_yield();
	end();
	CHECK_EQ(told.opened, 1);
	check_event(&told.open, true, 100 * MS);
	CHECK_EQ(told.open.nend, 0);
	CHECK_EQ(told.open.nstart, 1);
	CHECK_EQ(frame_in(told.open.start, 1, "check_masked"), 0);
}

static void test_masked(void **state)
{
	(void)state;
	run(check_masked, NULL);
}

/* --- reading open sections --- */

static _Atomic int go_on, begun;

static void in_older(void *arg)
{
	(void)arg;
	begun++;
	long_section(older, &go_on);
	gort_waitgroup_done(&wg);
}

static void in_slow(void *arg)
{
	(void)arg;
	begun++;
	long_section(slow, &go_on);
	gort_waitgroup_done(&wg);
}

#define ROOM	8

/* Ours among those that are open; NULL: it is not there. */
static const struct gort_nonpreempt_event *
find_open(const struct gort_nonpreempt_event *ev, ssize_t n, const char *what)
{
	for (ssize_t i = 0; i < n && i < ROOM; i++)
		if (ev[i].what == what)
			return &ev[i];
	return NULL;
}

/* Until that one is, and its thread has found the time to say where. */
static const struct gort_nonpreempt_event *
wait_open(struct gort_nonpreempt_event *ev, const char *what)
{
	const struct gort_nonpreempt_event *found;
	ssize_t n;

	do {
		gort_yield();
		n = gort_nonpreempt_read_open(ev, ROOM);
		CHECK_LE(0, n);
		found = find_open(ev, n, what);
	} while (!found || !found->nend);
	return found;
}

static void check_read_open(void *arg)
{
	const struct gort_nonpreempt_config *config = arg;
	const struct gort_nonpreempt_event *e;
	struct gort_nonpreempt_event ev[ROOM];
	ssize_t n;

	gort_gomaxprocs(4);
	go_on = begun = 0;
	memset(ev, 0, sizeof(ev));
	CHECK_EQ(gort_nonpreempt_read_open(ev, ROOM), 0);
	begin(config);
	gort_waitgroup_add(&wg, 2);
	CHECK_EQ(gort_go(in_older, NULL), 0);
	wait_open(ev, older);
	CHECK_EQ(gort_go(in_slow, NULL), 0);
	e = wait_open(ev, slow);
	check_event(e, true, config ? (int64_t)config->threshold_ns : 10 * MS);
	CHECK_EQ(frame_in(e->end, e->nend, "spin_in_it"), 0);
	CHECK_EQ(frame_in(e->start, e->nstart, "long_section"), 0);
	CHECK_LE(1, frame_in(e->start, e->nstart, "in_slow"));
	/* The oldest first. */
	CHECK_LT(find_open(ev, ROOM, older), e);
	CHECK_LT(e->ns, find_open(ev, ROOM, older)->ns);
	/* More than there is room for are counted. */
	memset(ev, 0, sizeof(ev));
	CHECK_LE(2, gort_nonpreempt_read_open(NULL, 0));
	CHECK_LE(2, gort_nonpreempt_read_open(ev, 1));
	CHECK_EQ(ev[0].open, true);
	CHECK_EQ(ev[1].open, false);
	CHECK_EQ(gort_nonpreempt_read_open(NULL, 1), -EINVAL);
	go_on = 1;
	gort_waitgroup_wait(&wg);
	n = gort_nonpreempt_read_open(ev, ROOM);
	CHECK_EQ(find_open(ev, n, slow), NULL);
	CHECK_EQ(find_open(ev, n, older), NULL);
	end();
}

static void test_read_open(void **state)
{
	struct gort_nonpreempt_event ev;

	(void)state;
	run(check_read_open, NULL);
	run(check_read_open, (void *)&calls);
	assert_int_equal(gort_nonpreempt_read_open(&ev, 1), -EPERM);
}

/* --- marks --- */

struct marks {
	int n, ours;
	uint64_t goid;
	bool bad;
	char message[100];
	char function[2][50];
};

static void see_mark(const struct tracefile *tf,
		     const struct tracefile_event *ev, void *arg)
{
	struct tracefile_frame frames[TRACEFILE_MAX_FRAMES];
	struct tracefile_details d;
	struct marks *m = arg;
	double us;
	size_t n;

	if (ev->kind != TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	m->bad |= !str_is(d.text, "nonpreempt") || d.message.len > 90 ||
		  ev->goroutine <= 0 || ev->proc < 0;
	m->n++;
	snprintf(m->message, sizeof(m->message), "%.*s", (int)d.message.len,
		 d.message.p);
	m->bad |= !strrchr(m->message, ' ') ||
		  sscanf(strrchr(m->message, ' '), "%lfus", &us) != 1;
	if (strncmp(m->message, "user slow one ", 14))
		return;
	m->ours++;
	m->bad |= (uint64_t)ev->goroutine != m->goid || us * 1000 < (double)about(2 * MS);
	n = gort_tracefile_stack(tf, ev->stack, frames);
	for (size_t i = 0; i < 2 && i < n; i++)
		snprintf(m->function[i], sizeof(m->function[i]), "%.*s",
			 (int)frames[i].func.len, frames[i].func.p);
}

static uint64_t marking_goid;

static void be_slow(void *arg)
{
	(void)arg;
	slow_section(2 * MS);
	gort_waitgroup_done(&wg);
}

static void make_marks(void *arg)
{
	struct gort_nonpreempt_config c = {
		.threshold_ns = MS,
		.actions = GORT_NONPREEMPT_MARK | GORT_NONPREEMPT_CALL,
		.per_second = 1000000,
		.fn = tell,
		.arg = &told,
	};

	told_reset();
	CHECK_EQ(gort_trace_start(*(int *)arg, NULL), 0);
	begin(&c);
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(be_slow, NULL), 0);
	gort_waitgroup_wait(&wg);
	while (!told.ended)
		gort_yield();
	marking_goid = told.end.goid;
	end();
	CHECK_EQ(gort_trace_stop(), 0);
}

static void test_mark(void **state)
{
	struct marks m = { 0 };
	struct seen seen = { .each = see_mark, .arg = &m };
	int fd = trace_file();

	(void)state;
	run(make_marks, &fd);
	m.goid = marking_goid;
	readback(fd, 0, &seen);
	close(fd);
	assert_int_equal(m.ours, 1);
	assert_false(m.bad);
	assert_string_equal(m.function[0], "slow_section");
	assert_string_equal(m.function[1], "be_slow");
}

static void yield_a_lot(void *arg)
{
	void *p;

	(void)arg;
	for (int i = 0; i < 200; i++) {
		gort_yield();
		p = gort_alloc(100);
		gort_free(p);
	}
	gort_waitgroup_done(&wg);
}

/* All sections, and those of the marks themselves. */
static void mark_all(void *arg)
{
	struct gort_nonpreempt_config c = {
		.threshold_ns = 1,
		.actions = GORT_NONPREEMPT_MARK,
		.per_second = UINT32_MAX,
	};

	CHECK_EQ(gort_trace_start(*(int *)arg, NULL), 0);
	begin(&c);
	gort_waitgroup_add(&wg, 10);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(yield_a_lot, NULL), 0);
	gort_waitgroup_wait(&wg);
	end();
	CHECK_EQ(gort_trace_stop(), 0);
}

static void test_mark_all(void **state)
{
	struct marks m = { 0 };
	struct seen seen = { .each = see_mark, .arg = &m };
	int fd = trace_file();

	(void)state;
	run(mark_all, &fd);
	readback(fd, 0, &seen);
	close(fd);
	assert_false(m.bad);
	assert_true(m.n > 1000);
	/* Nobody is in the middle of one any more. */
	assert_int_equal(m.n, done());
}

/* Without a trace nothing can be marked. */
static void check_no_trace(void *arg)
{
	struct gort_nonpreempt_config c = {
		.threshold_ns = MS,
		.actions = GORT_NONPREEMPT_MARK,
	};
	struct gort_nonpreempt_stats st;

	(void)arg;
	begin(&c);
	slow_section(2 * MS);
	st = end();
	CHECK_LE(1, st.exceeded);
	CHECK_EQ(st.suppressed, st.exceeded);
}

static void test_no_trace(void **state)
{
	(void)state;
	run(check_no_trace, NULL);
}

/* --- metrics --- */

static uint64_t number_of(struct gort_metric_sample *s)
{
	CHECK_EQ(s->value.kind, GORT_METRIC_UINT64);
	return s->value.u64;
}

static uint64_t total_of(const struct gort_metric_sample *s)
{
	uint64_t total = 0;

	CHECK_EQ(s->value.kind, GORT_METRIC_FLOAT64_HISTOGRAM);
	for (size_t i = 0; i < s->value.histogram.n; i++)
		total += s->value.histogram.counts[i];
	return total;
}

static void check_metrics(void *arg)
{
	static struct gort_metric_sample s[] = {
		{ .name = "/nonpreempt/gross/user:seconds" },
		{ .name = "/nonpreempt/sections:sections" },
		{ .name = "/nonpreempt/lost:sections" },
		{ .name = "/nonpreempt/exceeded:sections" },
		{ .name = "/nonpreempt/suppressed:sections" },
	};
	const struct gort_metric_histogram *h = &s[0].value.histogram;
	struct gort_nonpreempt_config c = {
		.threshold_ns = MS,
		.actions = GORT_NONPREEMPT_MARK,
	};
	struct gort_nonpreempt_stats st;

	(void)arg;
	begin(&c);
	for (int i = 0; i < 3; i++)
		slow_section(2 * MS);
	CHECK_EQ(gort_nonpreempt_begin("outer"), 0);
	slow_section(0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	st = end();
	CHECK_EQ(gort_metrics_read(s, 5), 0);
	/* Those inside another do not count. */
	CHECK_EQ(total_of(&s[0]), 4);
	CHECK_LE(about(6 * MS), h->sum * 1e9);
	CHECK_LT(h->sum, 60);
	for (size_t i = 0; i < h->n; i++)
		if (h->borders[i + 1] < 0.0005)
			CHECK_LE(h->counts[i], 1);
	CHECK_EQ(number_of(&s[1]), st.sections);
	CHECK_EQ(number_of(&s[2]), st.lost);
	CHECK_EQ(number_of(&s[3]), st.exceeded);
	CHECK_EQ(number_of(&s[4]), st.suppressed);
	CHECK_LE(3, st.suppressed);
	begin(NULL);
	end();
	CHECK_EQ(gort_metrics_read(s, 5), 0);
	CHECK_EQ(total_of(&s[0]), 0);
	CHECK_EQ(number_of(&s[3]), 0);
	gort_metrics_release(s, 5);
}

static void test_metrics(void **state)
{
	(void)state;
	run(check_metrics, NULL);
}

/* --- GORTNONPREEMPT --- */

static char out_path[] = "/tmp/gort-nonpreempt-XXXXXX";
static char out[1 << 20];

static void make_out(void)
{
	int fd;

	strcpy(out_path + strlen(out_path) - 6, "XXXXXX");
	fd = mkstemp(out_path);
	assert_int_not_equal(fd, -1);
	close(fd);
}

static void expect_out(const char *begins)
{
	int fd = open(out_path, O_RDONLY);
	ssize_t n = read(fd, out, sizeof(out) - 1);

	close(fd);
	unlink(out_path);
	assert_in_range(n, 0, sizeof(out) - 1);
	out[n] = '\0';
	if (!begins)
		assert_int_equal(n, 0);
	else
		assert_true(n > 20 && !memcmp(out, begins, strlen(begins)));
}

static void be_slow_once(void *arg)
{
	slow_section(2 * MS);
	CHECK_EQ(arg, NULL);	/* no tail call */
}

static void by_env(void *arg)
{
	setenv("GORTNONPREEMPT", arg, 1);
	_exit(gort_run(be_slow_once, NULL));
}

static void expect_env(const char *suffix, const char *text,
		       const char *begins)
{
	char env[8192];

	make_out();
	snprintf(env, sizeof(env), "%s%s", out_path, suffix);
	child_run(by_env, env);
	child_expect_exit(0);
	if (text)
		child_expect_text(text);
	else
		assert_string_equal(child_err, "");
	expect_out(begins);
}

static void test_env(void **state)
{
	const char *threshold = "threshold is a duration";

	(void)state;
	expect_env("", NULL, "gort nonpreempt 1\nseconds ");
	assert_non_null(strstr(out, "\nwhat slow\\x20one\n"));
	expect_env(",format=text", NULL, "gort nonpreempt 1\n");
	expect_env(",format=pprof", NULL, "\x1f\x8b");
	expect_env(",format=folded", NULL, "");
	assert_non_null(strstr(out, "user;slow\\x20one;"));
	assert_non_null(strstr(out, ";be_slow_once;slow_section "));
	expect_env(",threshold=1ms", "us: user slow one", "gort nonpreempt");
	expect_env(",threshold=1000000ns,format=pprof", "us: user slow one",
		   "\x1f\x8b");
	expect_env(",format=text,threshold=60s", NULL, "gort nonpreempt");
	expect_env(",threshold=", threshold, NULL);
	expect_env(",threshold=5", threshold, NULL);
	expect_env(",threshold=us", threshold, NULL);
	expect_env(",threshold=0us", threshold, NULL);
	expect_env(",threshold=-1us", threshold, NULL);
	expect_env(",threshold=1.5ms", threshold, NULL);
	expect_env(",threshold=1m", threshold, NULL);
	expect_env(",threshold=18446744073709551616ns", threshold, NULL);
	expect_env(",threshold=18446744074s", threshold, NULL);
	expect_env(",threshold=5x,format=text", threshold, NULL);
	expect_env(",format=", "format is text, folded or pprof", NULL);
	expect_env(",format=json", "format is text, folded or pprof", NULL);
	expect_env(",thresold=5us",
		   "unknown option; there are threshold= and format=", NULL);
	expect_env("/x", "cannot open it: Not a directory", NULL);
}

static void test_env_names(void **state)
{
	char big[5000], path[100];

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	expect_env(big, "cannot profile: File name too long", NULL);
	/* A comma is no option. */
	snprintf(path, sizeof(path), "%s,1=2,b", out_path);
	child_run(by_env, path);
	child_expect_exit(0);
	assert_int_equal(unlink(path), 0);
}

static void exits(void *arg)
{
	slow_section(2 * MS);
	exit(*(int *)arg);
}

static void exits_by_env(void *arg)
{
	int status = 3;

	setenv("GORTNONPREEMPT", arg, 1);
	gort_run(exits, &status);
}

static void test_exit(void **state)
{
	char env[100];

	(void)state;
	make_out();
	snprintf(env, sizeof(env), "%s,threshold=1ms", out_path);
	child_run(exits_by_env, env);
	child_expect_exit(3);
	child_expect_text("us: user slow one");
	expect_out("gort nonpreempt 1\n");
}

static void no_space_by_env(void *arg)
{
	setenv("GORTNONPREEMPT", arg, 1);
	_exit(gort_run(be_slow_once, NULL));
}

static void test_no_space(void **state)
{
	(void)state;
	child_run(no_space_by_env, "/dev/full");
	child_expect_exit(0);
	child_expect_text("GORTNONPREEMPT=/dev/full: the profile is incomplete: No space left on device");
}

/* Each run has its file; the last one stays. */
static void twice_by_env(void *arg)
{
	setenv("GORTNONPREEMPT", arg, 1);
	for (int i = 0; i < 2; i++)
		if (gort_run(be_slow_once, NULL))
			_exit(1);
	_exit(0);
}

static void test_twice(void **state)
{
	(void)state;
	make_out();
	child_run(twice_by_env, out_path);
	child_expect_exit(0);
	expect_out("gort nonpreempt 1\n");
	assert_non_null(strstr(out, "\nwhat slow\\x20one\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_after_stop),
		cmocka_unit_test(test_run_ends),
		cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_abort_open),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_read_open),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_mark_all),
		cmocka_unit_test(test_no_trace),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_env_names),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
