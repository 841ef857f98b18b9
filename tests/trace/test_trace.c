// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_trace.c - the public calls of the tracer, and GORTTRACE.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "trace/readback.h"

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static void wait_generations(uint64_t n)
{
	struct gort_trace_stats st;

	do {
		gort_yield();
		gort_trace_read_stats(&st);
	} while (st.generations < n);
}

static void nop(void *arg)
{
	(void)arg;
}

/* --- start and stop --- */

struct one {
	int fd;
	const struct gort_trace_opts *opts;
	struct gort_trace_stats st;
};

static void start_stop(void *arg)
{
	struct one *o = arg;

	CHECK_EQ(gort_trace_enabled(), false);
	CHECK_EQ(gort_trace_start(o->fd, o->opts), 0);
	CHECK_EQ(gort_trace_enabled(), true);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(nop, NULL), 0);
	gort_yield();
	CHECK_EQ(gort_trace_stop(), 0);
	CHECK_EQ(gort_trace_enabled(), false);
	gort_trace_read_stats(&o->st);
}

static void expect_all_of_it(const struct one *o, const struct seen *s)
{
	assert_int_equal(o->st.bytes, s->size);
	assert_int_equal(o->st.generations, s->generations);
	assert_int_equal(o->st.dropped, 0);
	assert_int_equal(o->st.skipped, 0);
}

static void test_start_stop(void **state)
{
	struct one o = { .fd = trace_file() };
	struct seen s = { 0 };

	(void)state;
	run(start_stop, &o);
	readback(o.fd, 0, &s);
	expect_all_of_it(&o, &s);
	assert_int_equal(s.created, 10);
	close(o.fd);
}

/* What was in the file before is not touched. */
static void test_at_offset(void **state)
{
	struct one o = { .fd = trace_file() };
	struct seen s = { 0 };
	char buf[1 << 16], before[6];
	int copy = trace_file();
	ssize_t n;

	(void)state;
	assert_int_equal(write(o.fd, "before", 6), 6);
	run(start_stop, &o);
	assert_int_equal(pread(o.fd, before, 6, 0), 6);
	assert_memory_equal(before, "before", 6);
	assert_int_equal(lseek(o.fd, 6, SEEK_SET), 6);
	while ((n = read(o.fd, buf, sizeof(buf))) > 0)
		assert_int_equal(write(copy, buf, (size_t)n), n);
	readback(copy, 0, &s);
	expect_all_of_it(&o, &s);
	close(copy);
	close(o.fd);
}

/* --- versions --- */

static void start_stop_with_env(void *arg)
{
	debug_add("traceversion=26");
	CHECK_EQ(gort_run(start_stop, arg), 0);
}

static void test_versions(void **state)
{
	static const struct {
		unsigned int ask, env, get;
	} cases[] = {
		{ 0, 0, 23 }, { 23, 0, 23 }, { 26, 0, 26 },
		{ 0, 1, 26 }, { 23, 1, 23 }, { 26, 1, 26 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gort_trace_opts opts = { .version = cases[i].ask };
		struct one o = { .fd = trace_file(), .opts = &opts };
		struct seen s = { 0 };

		if (cases[i].env) {
			child_run(start_stop_with_env, &o);
			child_expect_exit(0);
		} else {
			run(start_stop, &o);
		}
		readback(o.fd, 0, &s);
		assert_int_equal(s.version, cases[i].get);
		close(o.fd);
	}
}

/* --- again and again --- */

#define MANY	60

static void start_stop_many(void *arg)
{
	struct one *o = arg;

	for (int i = 0; i < MANY; i++)
		start_stop(&o[i]);
}

static void test_many(void **state)
{
	static struct one o[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		o[i].fd = trace_file();
	run(start_stop_many, o);
	for (int i = 0; i < MANY; i++) {
		struct seen s = { 0 };

		readback(o[i].fd, 0, &s);
		expect_all_of_it(&o[i], &s);
		assert_int_equal(s.created, 10);
		close(o[i].fd);
	}
}

/* Traces go on from run to run, each with its threads. */
static void test_runs(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(40); i++) {
		struct one o = { .fd = trace_file() };
		struct seen s = { 0 };

		run(start_stop, &o);
		readback(o.fd, 0, &s);
		expect_all_of_it(&o, &s);
		close(o.fd);
	}
}

static void start_only(void *arg)
{
	struct one *o = arg;

	CHECK_EQ(gort_trace_start(o->fd, o->opts), 0);
	CHECK_EQ(gort_go(nop, NULL), 0);
}

/* A trace ends with the run. */
static void test_end_of_run(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(40); i++) {
		struct one o = { .fd = trace_file() };
		struct seen s = { 0 };

		run(start_only, &o);
		assert_false(gort_trace_enabled());
		gort_trace_read_stats(&o.st);
		readback(o.fd, 0, &s);
		expect_all_of_it(&o, &s);
		assert_int_equal(s.created, 1);
		close(o.fd);
	}
}

/* --- by several goroutines --- */

struct crowd {
	struct gort_waitgroup ready, go, done;
	int (*call)(struct crowd *c);
	atomic_int results[3];		/* 0, -EBUSY, -EINVAL */
	int fd;
};

static void crowd_member(void *arg)
{
	struct crowd *c = arg;
	int err;

	gort_waitgroup_done(&c->ready);
	gort_waitgroup_wait(&c->go);
	err = c->call(c);
	CHECK_EQ(!err || err == -EBUSY || err == -EINVAL, 1);
	atomic_fetch_add(&c->results[!err ? 0 : err == -EBUSY ? 1 : 2], 1);
	gort_waitgroup_done(&c->done);
}

static void crowd_calls(struct crowd *c, int n, int (*call)(struct crowd *c))
{
	c->call = call;
	for (int i = 0; i < 3; i++)
		atomic_store(&c->results[i], 0);
	gort_waitgroup_add(&c->ready, n);
	gort_waitgroup_add(&c->go, 1);
	gort_waitgroup_add(&c->done, n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(crowd_member, c), 0);
	gort_waitgroup_wait(&c->ready);
	gort_waitgroup_done(&c->go);
	gort_waitgroup_wait(&c->done);
}

static int crowd_start(struct crowd *c)
{
	return gort_trace_start(c->fd, NULL);
}

static int crowd_stop(struct crowd *c)
{
	(void)c;
	return gort_trace_stop();
}

enum { CROWD = 16 };

static void check_crowd(void *arg)
{
	struct crowd *c = arg;

	crowd_calls(c, CROWD, crowd_start);
	CHECK_EQ(c->results[0], 1);
	CHECK_EQ(c->results[1], CROWD - 1);
	crowd_calls(c, CROWD, crowd_stop);
	CHECK_EQ(c->results[0], 1);
	CHECK_EQ(c->results[2], CROWD - 1);
}

/* Of all that start one trace at a time one does, and so with stopping. */
static void test_one_wins(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(40); i++) {
		struct crowd c = { .fd = trace_file() };
		struct seen s = { 0 };

		run(check_crowd, &c);
		readback(c.fd, 0, &s);
		close(c.fd);
	}
}

static int start_and_stop(struct crowd *c)
{
	int err = gort_trace_start(c->fd, NULL);

	return err ? err : gort_trace_stop();
}

static void check_start_and_stop(void *arg)
{
	struct crowd *c = arg;

	crowd_calls(c, CROWD, start_and_stop);
	CHECK_LE(1, c->results[0]);
	CHECK_EQ(c->results[0] + c->results[1], CROWD);
	CHECK_EQ(gort_trace_enabled(), false);
}

/* Who started it stops it: nobody else's is stopped. */
static void test_start_and_stop(void **state)
{
	(void)state;
	for (int i = 0; i < mode_times(40); i++) {
		struct crowd c = { .fd = trace_file() };

		run(check_start_and_stop, &c);
		close(c.fd);
	}
}

/*
 * Whoever is in the middle of starting or stopping when the run ends: it ends
 * all the same, and the next run can trace.
 */
static void start_stop_forever(void *arg)
{
	struct crowd *c = arg;

	for (;;) {
		gort_waitgroup_done(&c->ready);
		gort_waitgroup_wait(&c->go);
		while (gort_trace_start(c->fd, NULL) == -EBUSY)
			gort_yield();
		gort_trace_stop();
	}
}

static void leave_them(void *arg)
{
	struct crowd *c = arg;

	*c = (struct crowd){ .fd = c->fd };
	gort_waitgroup_add(&c->ready, 1 << 30);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_go(start_stop_forever, c), 0);
	for (int i = 0; i < 30; i++)
		gort_yield();
}

static void test_end_while_starting(void **state)
{
	static struct crowd c;

	(void)state;
	for (int i = 0; i < mode_times(60); i++) {
		struct one o = { .fd = trace_file() };
		struct seen s = { 0 };

		c.fd = trace_file();
		run(leave_them, &c);
		assert_false(gort_trace_enabled());
		run(start_stop, &o);
		readback(o.fd, 0, &s);
		expect_all_of_it(&o, &s);
		close(o.fd);
		close(c.fd);
	}
}

/* --- what others do meanwhile --- */

#define EACH	3	/* of each kind of goroutine */

struct others {
	struct one one;
	struct gort_chan *chan;
	struct gort_waitgroup left;
	_Atomic int ready, quit;
	_Atomic uint64_t ids[4 * EACH];
};

static void others_begin(struct others *o)
{
	int i = atomic_fetch_add(&o->ready, 1);

	atomic_store(&o->ids[i], gort_goid());
}

static void other_waits(void *arg)
{
	struct others *o = arg;

	others_begin(o);
	gort_chan_recv(o->chan, NULL);
	gort_waitgroup_done(&o->left);
}

static void other_yields(void *arg)
{
	struct others *o = arg;

	others_begin(o);
	while (!peek(&o->quit))
		gort_yield();
	gort_waitgroup_done(&o->left);
}

static void other_calls(void *arg)
{
	struct others *o = arg;
	struct timespec ts = { .tv_nsec = 1000000 };

	others_begin(o);
	while (!peek(&o->quit)) {
		gort_syscall_enter();
		nanosleep(&ts, NULL);
		gort_syscall_exit();
	}
	gort_waitgroup_done(&o->left);
}

static void other_spins(void *arg)
{
	struct others *o = arg;

	others_begin(o);
	/* Where every call yields, the tracer would wait at each. */
	while (mode_gortdebug("maymorestack=preempt") && !peek(&o->quit))
		gort_yield();
	spin_until(&o->quit);
	gort_waitgroup_done(&o->left);
}

static void check_others(void *arg)
{
	static void (*const kinds[])(void *) = {
		other_waits, other_yields, other_calls, other_spins,
	};
	struct others *o = arg;

	o->chan = gort_chan_new(0, 0);
	for (int i = 0; i < 4 * EACH; i++) {
		gort_waitgroup_add(&o->left, 1);
		CHECK_EQ(gort_go(kinds[i / EACH], o), 0);
	}
	while (atomic_load(&o->ready) < 4 * EACH)
		gort_yield();
	CHECK_EQ(gort_trace_start(o->one.fd, NULL), 0);
	wait_generations(2);
	CHECK_EQ(gort_trace_stop(), 0);
	gort_trace_read_stats(&o->one.st);
	atomic_store(&o->quit, 1);
	CHECK_EQ(gort_chan_close(o->chan), 0);
	gort_waitgroup_wait(&o->left);
	CHECK_EQ(gort_chan_free(o->chan), 0);
}

static void check_others_in_child(void *arg)
{
	debug_add("traceadvanceperiod=5000000");
	CHECK_EQ(gort_run(check_others, arg), 0);
}

/* How often is a goroutine's status told? */
static void count_status(const struct tracefile *tf,
			 const struct tracefile_event *ev, void *arg)
{
	struct others *o = arg;

	(void)tf;
	if (ev->type != TF_GO_STATUS && ev->type != TF_GO_STATUS_STACK)
		return;
	for (int i = 0; i < 4 * EACH; i++)
		if ((uint64_t)ev->id == o->ids[i])
			o->ready++;
}

/* Once in each generation, whatever it does. */
static void test_others(void **state)
{
	struct others *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	for (int i = 0; i < mode_times(4); i++) {
		struct seen s = { .each = count_status, .arg = o };

		memset(o, 0, sizeof(*o));
		o->one.fd = trace_file();
		child_run(check_others_in_child, o);
		child_expect_exit(0);
		o->ready = 0;
		readback(o->one.fd, 0, &s);
		expect_all_of_it(&o->one, &s);
		assert_true(s.generations >= 3);
		assert_int_equal(o->ready, 4 * EACH * s.generations);
		close(o->one.fd);
	}
	munmap(o, sizeof(*o));
}

/* --- what the program says --- */

#define LONG	5000

struct said {
	int fd;
	uint64_t tasks[3];
	char text[LONG + 1];
	uint64_t found;		/* bit for each that was */
};

static void say_from_outside(const char *where)
{
	gort_trace_log(0, "outside", where);
	gort_trace_logf(0, "outside", "%s", where);
	gort_trace_region_begin(0, "outside");
	gort_trace_region_end(0, "outside");
	gort_trace_task_end(gort_trace_task_begin(0, "outside"));
}

static void say_elsewhere(void *arg)
{
	say_from_outside(arg);
}

static void *say_on_thread(void *arg)
{
	say_from_outside(arg);
	return NULL;
}

static void say_by_thread(void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, say_on_thread, arg), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void on_usr1(int sig)
{
	(void)sig;
	say_from_outside("signal");
}

/* Nothing of this is to be found in the trace. */
static void check_outside(void *arg)
{
	struct said *a = arg;
	struct sigaction sa = {
		.sa_handler = on_usr1,
		.sa_flags = SA_ONSTACK | SA_RESTART,
	};

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	say_from_outside("before");
	CHECK_EQ(gort_trace_start(a->fd, NULL), 0);
	CHECK_EQ(gort_blocking(say_elsewhere, "blocking"), 0);
	CHECK_EQ(gort_systemstack_call(say_elsewhere, "system stack"), 0);
	CHECK_EQ(gort_blocking(say_by_thread, "thread"), 0);
	gort_syscall_enter();
	say_from_outside("system call");
	gort_syscall_exit();
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(gort_trace_stop(), 0);
	say_from_outside("after");
}

static void test_said_outside(void **state)
{
	struct said a = { .fd = trace_file() };
	struct seen s = { 0 };

	(void)state;
	run(check_outside, &a);
	say_from_outside("no run");
	readback(a.fd, 0, &s);
	assert_int_equal(s.logs, 0);
	assert_int_equal(s.tasks, 0);
	assert_int_equal(s.tasks_ended, 0);
	assert_int_equal(s.regions, 0);
	assert_int_equal(s.regions_ended, 0);
	close(a.fd);
}

static void check_nothing(void *arg)
{
	struct said *a = arg;

	CHECK_EQ(gort_trace_start(a->fd, NULL), 0);
	gort_trace_log(0, NULL, NULL);
	gort_trace_logf(0, NULL, "%s", "");
	gort_trace_region_begin(0, NULL);
	gort_trace_region_end(0, NULL);
	gort_trace_task_end(gort_trace_task_begin(0, NULL));
	CHECK_EQ(gort_trace_stop(), 0);
}

static void expect_no_text(const struct tracefile *tf,
			   const struct tracefile_event *ev, void *arg)
{
	struct tracefile_details d;

	(void)arg;
	if (ev->kind < TRACEFILE_TASK_BEGIN || ev->kind > TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	assert_int_equal(d.text.len, 0);
	assert_int_equal(d.message.len, 0);
}

static void test_said_nothing(void **state)
{
	struct said a = { .fd = trace_file() };
	struct seen s = { .each = expect_no_text };

	(void)state;
	run(check_nothing, &a);
	readback(a.fd, 0, &s);
	assert_int_equal(s.logs, 2);
	assert_int_equal(s.tasks, 1);
	assert_int_equal(s.tasks_ended, 1);
	assert_int_equal(s.regions, 1);
	assert_int_equal(s.regions_ended, 1);
	close(a.fd);
}

/* Of 1023 bytes, 1024, 1025, and many more, each another string. */
static const size_t lengths[] = { 1, 1023, 1024, 1025, LONG };

#define NLENGTHS	(sizeof(lengths) / sizeof(*lengths))

static const char *text_of(struct said *a, size_t i)
{
	for (size_t k = 0; k < lengths[i]; k++)
		a->text[k] = (char)('a' + (k * 7 + i) % 26);
	a->text[lengths[i]] = '\0';
	return a->text;
}

static void check_long(void *arg)
{
	struct said *a = arg;

	CHECK_EQ(gort_trace_start(a->fd, NULL), 0);
	for (size_t i = 0; i < NLENGTHS; i++) {
		const char *t = text_of(a, i);

		gort_trace_log(i, t, t);
		gort_trace_logf(i, t, "%s", t);
		gort_trace_region_begin(i, t);
		gort_trace_region_end(i, t);
		gort_trace_task_begin(i, t);
	}
	CHECK_EQ(gort_trace_stop(), 0);
}

static void expect_cut(struct said *a, struct tracefile_str s, uint64_t i)
{
	size_t want = lengths[i] < 1024 ? lengths[i] : 1024;

	assert_int_equal(s.len, want);
	assert_memory_equal(s.p, text_of(a, i), want);
}

static void expect_long(const struct tracefile *tf,
			const struct tracefile_event *ev, void *arg)
{
	struct tracefile_details d;

	if (ev->kind < TRACEFILE_TASK_BEGIN || ev->kind > TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	if (ev->kind == TRACEFILE_TASK_BEGIN)
		d.task = d.parent == TRACEFILE_NO_TASK ? 0 : d.parent;
	assert_in_range(d.task, 0, NLENGTHS - 1);
	expect_cut(arg, d.text, d.task);
	if (ev->kind == TRACEFILE_LOG)
		expect_cut(arg, d.message, d.task);
}

static void test_said_at_length(void **state)
{
	static struct said a;
	struct seen s = { .each = expect_long, .arg = &a };

	(void)state;
	a.fd = trace_file();
	run(check_long, &a);
	readback(a.fd, 0, &s);
	assert_int_equal(s.logs, 2 * NLENGTHS);
	assert_int_equal(s.tasks, NLENGTHS);
	assert_int_equal(s.regions, NLENGTHS);
	assert_int_equal(s.regions_ended, NLENGTHS);
	close(a.fd);
}

static const char *const formatted[] = {
	"plain", "7 of -9", "0x2a, 100%", "  2.50|x|tail", "<>",
};

static void check_formats(void *arg)
{
	struct said *a = arg;

	gort_trace_logf(0, "f", "not %s", "traced");
	CHECK_EQ(gort_trace_start(a->fd, NULL), 0);
	gort_trace_logf(0, "f", "plain");
	gort_trace_logf(0, "f", "%d of %ld", 7, -9L);
	gort_trace_logf(0, "f", "%#x, %d%%", 42, 100);
	gort_trace_logf(0, "f", "%*.*f|%c|%s", 6, 2, 2.5, 'x', "tail");
	gort_trace_logf(0, "f", "<%s>", "");
	CHECK_EQ(gort_trace_stop(), 0);
}

static void expect_formatted(const struct tracefile *tf,
			     const struct tracefile_event *ev, void *arg)
{
	struct tracefile_details d;
	struct said *a = arg;

	if (ev->kind != TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	assert_true(str_is(d.text, "f"));
	assert_true(str_is(d.message, formatted[a->found++]));
}

static void test_said_formatted(void **state)
{
	static struct said a;
	struct seen s = { .each = expect_formatted, .arg = &a };

	(void)state;
	a.fd = trace_file();
	run(check_formats, &a);
	readback(a.fd, 0, &s);
	assert_int_equal(s.logs, sizeof(formatted) / sizeof(*formatted));
	close(a.fd);
}

/* A task of one goroutine, worked on by the next, ended by a third. */
static void works(void *arg)
{
	struct said *a = arg;

	gort_trace_region_begin(a->tasks[1], "work");
	gort_trace_log(a->tasks[1], "what", "working");
	gort_trace_region_end(a->tasks[1], "work");
}

static void ends(void *arg)
{
	struct said *a = arg;

	gort_trace_task_end(a->tasks[1]);
	gort_trace_task_end(a->tasks[2]);
}

static void in_turn(void (*fn)(void *), void *arg)
{
	struct { void (*fn)(void *); } call = { fn };

	/* The goroutine is over when the count says so. */
	CHECK_EQ(gort_go(call.fn, arg), 0);
	while (gort_numgoroutine() > 1)
		gort_yield();
}

static void check_task(void *arg)
{
	struct said *a = arg;

	a->tasks[0] = gort_trace_task_begin(0, "before");
	CHECK_EQ(gort_trace_start(a->fd, NULL), 0);
	a->tasks[1] = gort_trace_task_begin(0, "outer");
	a->tasks[2] = gort_trace_task_begin(a->tasks[1], "inner");
	in_turn(works, a);
	in_turn(ends, a);
	gort_trace_task_end(a->tasks[0]);
	CHECK_EQ(gort_trace_stop(), 0);
}

static void expect_task(const struct tracefile *tf,
			const struct tracefile_event *ev, void *arg)
{
	struct tracefile_details d;
	struct said *a = arg;

	if (ev->kind < TRACEFILE_TASK_BEGIN || ev->kind > TRACEFILE_LOG)
		return;
	gort_tracefile_details(tf, ev, &d);
	if (ev->kind == TRACEFILE_TASK_BEGIN && str_is(d.text, "outer") &&
	    d.task == a->tasks[1])
		a->found |= 1;
	if (ev->kind == TRACEFILE_TASK_BEGIN && str_is(d.text, "inner") &&
	    d.task == a->tasks[2] && d.parent == a->tasks[1])
		a->found |= 2;
	if (ev->kind == TRACEFILE_REGION_BEGIN && d.task == a->tasks[1])
		a->found |= 4;
	if (ev->kind == TRACEFILE_LOG && d.task == a->tasks[1] &&
	    str_is(d.text, "what") && str_is(d.message, "working"))
		a->found |= 8;
	if (ev->kind == TRACEFILE_TASK_END && d.task == a->tasks[1])
		a->found |= 16;
	if (ev->kind == TRACEFILE_TASK_END && d.task == a->tasks[2])
		a->found |= 32;
	if (ev->kind == TRACEFILE_TASK_END && d.task == a->tasks[0])
		a->found |= 64;
}

static void test_task(void **state)
{
	static struct said a;
	struct seen s = { .each = expect_task, .arg = &a };

	(void)state;
	a.fd = trace_file();
	run(check_task, &a);
	readback(a.fd, 0, &s);
	assert_true(a.tasks[0] && a.tasks[0] < a.tasks[1] &&
		    a.tasks[1] < a.tasks[2]);
	assert_int_equal(a.found, 127);
	assert_int_equal(s.tasks, 2);
	assert_int_equal(s.tasks_ended, 3);
	close(a.fd);
}

/* --- whole programs --- */

struct program {
	const char *path;
	void (*fn)(void *);
};

static char dir[] = "/tmp/test_trace.XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/trace", mkdtemp(dir));
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void traced_program(void *arg)
{
	struct program *p = arg;

	setenv("GORTTRACE", p->path, 1);
	debug_add("traceadvanceperiod=1000000");
	/* As by the programs of others. */
	_exit(gort_run(p->fn, NULL) ? 9 : 0);
}

static void program_run(const char *file, void (*fn)(void *))
{
	struct program p = { file, fn };

	unlink(path);
	child_run(traced_program, &p);
}

static void program_readback(unsigned int flags, struct seen *s)
{
	int fd = open(path, O_RDONLY);

	assert_int_not_equal(fd, -1);
	readback(fd, flags, s);
	close(fd);
}

static void log_hello(void *arg)
{
	(void)arg;
	gort_trace_log(0, "hello", "world");
}

static void returns(void *arg)
{
	CHECK_EQ(gort_trace_enabled(), true);
	CHECK_EQ(gort_trace_start(2, NULL), -EBUSY);
	in_turn(log_hello, arg);
}

static void test_program(void **state)
{
	struct seen s = { 0 };

	(void)state;
	program_run(path, returns);
	child_expect_exit(0);
	child_expect_no_text("GORTTRACE");
	program_readback(0, &s);
	assert_int_equal(s.logs, 1);
	assert_int_equal(s.created, 1);
}

static void calls_exit(void *arg)
{
	log_hello(arg);
	exit(3);
}

static void spawns_calls_exit(void *arg)
{
	CHECK_EQ(gort_go(calls_exit, arg), 0);
	for (;;)
		gort_yield();
}

static void exits_first(void *arg)
{
	CHECK_EQ(gort_go(calls_exit, arg), 0);
	gort_exit();
}

/* However it ends in an orderly way, all is in the file. */
static void test_program_exits(void **state)
{
	static void (*const fns[])(void *) = {
		calls_exit, spawns_calls_exit, exits_first,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++) {
		struct seen s = { 0 };

		program_run(path, fns[i]);
		child_expect_exit(3);
		program_readback(ANY_FRAMES, &s);
		assert_int_equal(s.logs, 1);
	}
}

static void dies_by_exit(void *arg)
{
	log_hello(arg);
	wait_generations(3);
	_exit(3);
}

static void exit_3(void *arg)
{
	(void)arg;
	exit(3);
}

/* Where no goroutine can wait for the last generation. */
static void exits_elsewhere(void *arg)
{
	log_hello(arg);
	wait_generations(3);
	gort_blocking(exit_3, NULL);
}

static void deadlocks(void *arg)
{
	struct gort_chan *c = gort_chan_new(0, 0);

	log_hello(arg);
	wait_generations(3);
	gort_chan_recv(c, NULL);
}

static void gort_exits(void *arg)
{
	log_hello(arg);
	wait_generations(3);
	gort_exit();
}

static void fatal_error(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	log_hello(arg);
	wait_generations(3);
	gort_waitgroup_done(&wg);
}

/* What ends it at once leaves the generations that were complete. */
static void test_program_dies(void **state)
{
	static const struct {
		void (*fn)(void *);
		int status;
		const char *says;
	} cases[] = {
		{ dies_by_exit, 3, "" },
		{ exits_elsewhere, 3, "" },
		{ deadlocks, 2, "all goroutines are asleep - deadlock!" },
		{ gort_exits, 2, "all goroutines are asleep - deadlock!" },
		{ fatal_error, 2, "fatal error: negative waitgroup counter" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct seen s = { 0 };

		/* A report that is under way holds up the end for good. */
#ifdef WITH_TSAN
		if (cases[i].fn == fatal_error)
			continue;
#endif
		program_run(path, cases[i].fn);
		child_expect_exit(cases[i].status);
		child_expect_text(cases[i].says);
		program_readback(TRACEFILE_TAIL, &s);
		assert_true(s.generations >= 2);
		assert_int_equal(s.logs, 1);
	}
}

static void not_traced(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_trace_enabled(), false);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	dprintf(2, "it runs\n");
}

static void test_program_not_opened(void **state)
{
	static const struct {
		const char *file, *why;
	} cases[] = {
		{ "/nonexistent/x", "cannot open it: No such file or directory" },
		{ "/", "cannot open it: Is a directory" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char want[200];

		program_run(cases[i].file, not_traced);
		child_expect_exit(0);
		snprintf(want, sizeof(want), "gort: GORTTRACE=%s: %s\n",
			 cases[i].file, cases[i].why);
		child_expect_text(want);
		child_expect_text("it runs\n");
	}
	/* No name, no trace. */
	program_run("", not_traced);
	child_expect_exit(0);
	child_expect_no_text("GORTTRACE");
}

static void full_disk(void *arg)
{
	(void)arg;
	wait_generations(0);
	while (gort_trace_enabled())
		gort_yield();
	dprintf(2, "it runs\n");
}

static void test_program_disk_full(void **state)
{
	(void)state;
	program_run("/dev/full", full_disk);
	child_expect_exit(0);
	child_expect_text("it runs\n");
	child_expect_text("gort: GORTTRACE=/dev/full: the trace is incomplete: No space left on device\n");
}

static void stops_it(void *arg)
{
	(void)arg;
	log_hello(arg);
	CHECK_EQ(gort_trace_stop(), 0);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	log_hello(arg);
}

/* A program may stop the trace that it did not start. */
static void test_program_stops_it(void **state)
{
	struct seen s = { 0 };

	(void)state;
	program_run(path, stops_it);
	child_expect_exit(0);
	child_expect_no_text("GORTTRACE");
	program_readback(0, &s);
	assert_int_equal(s.logs, 1);
}

static void run_twice(void *arg)
{
	struct program *p = arg;

	setenv("GORTTRACE", p->path, 1);
	CHECK_EQ(gort_run(log_hello, NULL), 0);
	CHECK_EQ(gort_run(nop, NULL), 0);
}

/* Each run writes its own, so what is left is the last one's. */
static void test_program_runs_twice(void **state)
{
	struct program p = { path, NULL };
	struct seen s = { 0 };

	(void)state;
	child_run(run_twice, &p);
	child_expect_exit(0);
	program_readback(0, &s);
	assert_int_equal(s.logs, 0);
}

#ifdef WITH_ASAN
/* Those of children that call exit() are not worth a word. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

#ifdef WITH_TSAN
/* exit() leaves the tracer's thread, which has ended, to the kernel. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_stop),
		cmocka_unit_test(test_at_offset),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_end_of_run),
		cmocka_unit_test(test_one_wins),
		cmocka_unit_test(test_start_and_stop),
		cmocka_unit_test(test_end_while_starting),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_said_outside),
		cmocka_unit_test(test_said_nothing),
		cmocka_unit_test(test_said_at_length),
		cmocka_unit_test(test_said_formatted),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_program_exits),
		cmocka_unit_test(test_program_dies),
		cmocka_unit_test(test_program_not_opened),
		cmocka_unit_test(test_program_disk_full),
		cmocka_unit_test(test_program_stops_it),
		cmocka_unit_test(test_program_runs_twice),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
