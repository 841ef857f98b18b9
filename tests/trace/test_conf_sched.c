// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_conf_sched.c - traces of goroutines in every state, before,
 * while and after they are traced.
 */
#include "trace/conf.h"

#include <poll.h>

#include "kernel/spin.h"

#define GO(x)	TRACEFILE_GO_##x

static void go(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_go(fn, arg), 0);
}

/* --- nobody wakes to find nothing --- */

#define FUTILE_TIMES	100

struct futile {
	struct gort_chan *buffered, *c1, *c2;
	struct gort_waitgroup done;
	int next;
};

static void futile_step(struct futile *f, int what)
{
	struct gort_select_case sends[] = {
		GORT_SEND_CASE(f->c1, &what), GORT_SEND_CASE(f->c2, &what),
	};
	struct gort_select_case recvs[] = {
		GORT_RECV_CASE(f->c1, NULL), GORT_RECV_CASE(f->c2, NULL),
	};

	switch (what % 4) {
	case 0:
		CHECK_EQ(gort_chan_send(f->buffered, &what), 0);
		break;
	case 1:
		CHECK_EQ(gort_chan_recv(f->buffered, NULL), 0);
		break;
	case 2:
		CHECK_LE(0, gort_select(sends, 2, 0));
		break;
	case 3:
		CHECK_LE(0, gort_select(recvs, 2, 0));
		break;
	}
}

static void futile_goroutine(void *arg)
{
	struct { struct futile *f; int what; } *a = arg;

	gort_trace_region_begin(0, "special");
	for (int i = 0; i < FUTILE_TIMES; i++) {
		gort_yield();
		futile_step(a->f, a->what);
	}
	gort_trace_region_end(0, "special");
	gort_waitgroup_done(&a->f->done);
}

static void futile(struct conf *c)
{
	struct futile f = {
		.buffered = gort_chan_new(sizeof(int), 1),
		.c1 = gort_chan_new(sizeof(int), 1),
		.c2 = gort_chan_new(sizeof(int), 1),
	};

	conf_start(c);
	gort_waitgroup_add(&f.done, 8);
	for (int i = 0; i < 8; i++) {
		struct { struct futile *f; int what; } a = { &f, i };

		CHECK_EQ(gort_go_copy(futile_goroutine, &a, sizeof(a)), 0);
	}
	gort_waitgroup_wait(&f.done);
	conf_until_left(1);
	conf_stop(c);
	gort_chan_free(f.buffered);
	gort_chan_free(f.c1);
	gort_chan_free(f.c2);
}

enum futile_state { NOT_SPECIAL, ENTERED, BLOCKED, RUNNABLE, RUNNING };

static uint8_t futile_states[4096];

/* It yields before each operation, so between two of them it was stopped. */
static void futile_event(struct conf *c, const struct tracefile *tf,
			 const struct tracefile_event *ev,
			 const struct tracefile_details *d)
{
	uint8_t *s;

	(void)tf;
	if (!ev) {
		memset(futile_states, 0, sizeof(futile_states));
		c->count[0] = 0;
		return;
	}
	if (ev->kind == TRACEFILE_REGION_BEGIN && conf_is(d->text, "special")) {
		CHECK_LT(ev->goroutine, sizeof(futile_states));
		futile_states[ev->goroutine] = ENTERED;
		c->count[0]++;
	}
	if (ev->kind == TRACEFILE_REGION_END)
		futile_states[ev->goroutine] = NOT_SPECIAL;
	if (ev->kind != TRACEFILE_TRANSITION ||
	    ev->resource != TRACEFILE_GOROUTINE)
		return;
	CHECK_LT(ev->id, sizeof(futile_states));
	s = &futile_states[ev->id];
	if (*s == NOT_SPECIAL)
		return;
	CHECK_EQ(*s == RUNNING && ev->new_state == GO(WAITING), false);
	if (*s == ENTERED && ev->new_state == GO(WAITING))
		*s = BLOCKED;
	else if (*s == BLOCKED && ev->new_state == GO(RUNNABLE))
		*s = RUNNABLE;
	else if (*s == RUNNABLE && ev->new_state == GO(RUNNING))
		*s = RUNNING;
	else
		*s = ENTERED;
}

static void futile_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(c->count[0], 8);
	CHECK_EQ(f->kind[TRACEFILE_REGION_END], 8);
	CHECK_LE(8 * FUTILE_TIMES, f->go[GO(RUNNING)][GO(RUNNABLE)]);
	CHECK_LE(8, f->go[GO(NOT_EXIST)][GO(RUNNABLE)]);
	CHECK_LE(8, f->go[GO(RUNNING)][GO(NOT_EXIST)]);
}

static void test_futile(void **state)
{
	static const struct conf_prog p = {
		.name = "futile",
		.run = futile,
		.event = futile_event,
		.expect = futile_expect,
		.procs = 8,
	};

	(void)state;
	conf_run(&p);
}

/* --- processors come and go --- */

static _Atomic int procs_end;

static void procs_worker(void *arg)
{
	while (!atomic_load(&procs_end))
		gort_sleep_ns(20000);
	gort_waitgroup_done(arg);
}

static const int procs_steps[] = { 4, 1, 2, 4, 8, 16, 8, 4, 2, 1 };

#define NSTEPS	((int)(sizeof(procs_steps) / sizeof(*procs_steps)))

static void procs(struct conf *c)
{
	struct gort_waitgroup all = { 0 };

	atomic_store(&procs_end, 0);
	gort_waitgroup_add(&all, 3);
	for (int i = 0; i < 3; i++)
		go(procs_worker, &all);
	conf_start(c);
	for (int i = 1; i < NSTEPS; i++) {
		CHECK_EQ(gort_gomaxprocs(procs_steps[i]), procs_steps[i - 1]);
		gort_sleep_ns(100000);
	}
	conf_stop(c);
	atomic_store(&procs_end, 1);
	gort_waitgroup_wait(&all);
}

/* count[0]: steps seen */
static void procs_event(struct conf *c, const struct tracefile *tf,
			const struct tracefile_event *ev,
			const struct tracefile_details *d)
{
	(void)tf;
	if (!ev) {
		c->count[0] = 0;
		return;
	}
	if (ev->kind != TRACEFILE_METRIC ||
	    strcmp(d->name, "/sched/gomaxprocs:threads"))
		return;
	/* Each generation begins with the number as it was. */
	if (c->count[0] && d->value == (uint64_t)procs_steps[c->count[0] - 1])
		return;
	CHECK_LT(c->count[0], NSTEPS);
	CHECK_EQ(d->value, procs_steps[c->count[0]]);
	c->count[0]++;
}

static void procs_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(c->count[0], NSTEPS);
	/* One more since the trace began, which ends in it. */
	CHECK_EQ(f->kind[TRACEFILE_RANGE_BEGIN] +
		 f->kind[TRACEFILE_RANGE_ACTIVE], NSTEPS);
	CHECK_EQ(f->kind[TRACEFILE_RANGE_END], NSTEPS);
	CHECK_LE(1, f->proc[TRACEFILE_PROC_IDLE][TRACEFILE_PROC_RUNNING]);
}

static void test_procs(void **state)
{
	static const struct conf_prog p = {
		.name = "procs",
		.run = procs,
		.event = procs_event,
		.expect = procs_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- goroutines that wait since before the trace --- */

static struct {
	struct gort_chan *full, *empty, *selected;
	struct gort_waitgroup wg, all;
	struct gort_mutex mutex, cond_mutex;
	struct gort_rwmutex written, read;
	struct gort_cond cond;
	struct gort_sem sem;
	struct gort_once once;
	int pipe[2], blocking[2];
	_Atomic int stop, running, cond_over;
} w;

static void done(void)
{
	gort_waitgroup_done(&w.all);
}

static void wait_send(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_chan_send(w.full, NULL), 0);
	done();
}

static void wait_recv(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_chan_recv(w.empty, NULL), -EPIPE);
	done();
}

static void wait_select(void *arg)
{
	struct gort_select_case cases[] = {
		GORT_RECV_CASE(w.selected, NULL), GORT_RECV_CASE(NULL, NULL),
	};

	(void)arg;
	CHECK_EQ(gort_select(cases, 2, 0), 0);
	done();
}

static void wait_select_none(void *arg)
{
	(void)arg;
	gort_select(NULL, 0, 0);
}

static void wait_waitgroup(void *arg)
{
	(void)arg;
	gort_waitgroup_wait(&w.wg);
	done();
}

static void wait_mutex(void *arg)
{
	(void)arg;
	gort_mutex_lock(&w.mutex);
	gort_mutex_unlock(&w.mutex);
	done();
}

static void wait_rlock(void *arg)
{
	(void)arg;
	gort_rwmutex_rlock(&w.written);
	gort_rwmutex_runlock(&w.written);
	done();
}

static void wait_wlock(void *arg)
{
	(void)arg;
	gort_rwmutex_lock(&w.read);
	gort_rwmutex_unlock(&w.read);
	done();
}

static void wait_cond(void *arg)
{
	(void)arg;
	gort_mutex_lock(&w.cond_mutex);
	while (!atomic_load(&w.cond_over))
		gort_cond_wait(&w.cond, &w.cond_mutex);
	gort_mutex_unlock(&w.cond_mutex);
	done();
}

static void wait_sem(void *arg)
{
	(void)arg;
	gort_sem_acquire(&w.sem, 1);
	done();
}

static void once_fn(void *arg)
{
	CHECK_EQ(gort_chan_recv(arg, NULL), -EPIPE);
}

static void wait_once(void *arg)
{
	(void)arg;
	gort_once(&w.once, once_fn, w.empty);
	done();
}

static void wait_sleep(void *arg)
{
	(void)arg;
	gort_sleep_ns(INT64_MAX);
}

static void wait_read(void *arg)
{
	char byte;

	(void)arg;
	CHECK_EQ(gort_read(w.pipe[0], &byte, 1), 0);
	done();
}

static void wait_locked(void *arg)
{
	gort_lock_os_thread();
	wait_recv(arg);
}

static void read_blocking(void *arg)
{
	char byte;

	(void)arg;
	while (read(w.blocking[0], &byte, 1) < 0)
		;
}

static void in_syscall(void *arg)
{
	gort_syscall_enter();
	read_blocking(arg);
	gort_syscall_exit();
	done();
}

static void in_blocking(void *arg)
{
	CHECK_EQ(gort_blocking(read_blocking, arg), 0);
	done();
}

static void in_syscall_locked(void *arg)
{
	gort_lock_os_thread();
	in_syscall(arg);
}

/* No calls: only a signal stops it, and then it stays on its thread. */
static void in_loop(void *arg)
{
	(void)arg;
	atomic_fetch_add(&w.running, 1);
	spin_until(&w.stop);
	done();
}

static void yields(void *arg)
{
	(void)arg;
	for (int i = 0; !atomic_load(&w.stop); i++)
		if (i % 32)
			gort_yield();
		else
			gort_sleep_ns(20000);
	done();
}

#define SYSCALLERS	4

static const struct waiter {
	void (*fn)(void *);
	const char *reason;	/* in the trace */
	bool for_ever;
} waiters[] = {
	{ wait_send, "chan send", false },
	{ wait_recv, "chan receive", false },
	{ wait_locked, "chan receive", false },
	{ wait_select, "select", false },
	{ wait_select_none, "select (no cases)", true },
	{ wait_waitgroup, "sync waitgroup", false },
	{ wait_mutex, "sync mutex", false },
	{ wait_rlock, "sync rwmutex rlock", false },
	{ wait_wlock, "sync rwmutex lock", false },
	{ wait_cond, "sync cond", false },
	{ wait_sem, "sync sem", false },
	{ wait_once, "sync once", false },
	{ wait_once, "sync once", false },	/* one of them calls it */
	{ wait_sleep, "sleep", true },
	{ wait_read, "network", false },
};

#define NWAITERS	((int)(sizeof(waiters) / sizeof(*waiters)))

static void begin_waiters(void)
{
	gort_waitgroup_add(&w.all, NWAITERS + SYSCALLERS);
	for (int i = 0; i < NWAITERS; i++) {
		go(waiters[i].fn, NULL);
		if (waiters[i].for_ever)
			gort_waitgroup_done(&w.all);
	}
	go(in_syscall, NULL);
	go(in_syscall, NULL);
	go(in_blocking, NULL);
	go(in_syscall_locked, NULL);
	conf_until_quiet(SYSCALLERS);
	gort_waitgroup_add(&w.all, 2);
	go(yields, NULL);
	go(yields, NULL);
}

static void set_up(void)
{
	memset(&w, 0, sizeof(w));
	w.full = gort_chan_new(0, 0);
	w.empty = gort_chan_new(0, 0);
	w.selected = gort_chan_new(0, 0);
	gort_waitgroup_add(&w.wg, 1);
	gort_mutex_lock(&w.mutex);
	gort_rwmutex_lock(&w.written);
	gort_rwmutex_rlock(&w.read);
	CHECK_EQ(pipe(w.pipe), 0);
	CHECK_EQ(pipe(w.blocking), 0);
}

static void end_waiters(void)
{
	CHECK_EQ(gort_chan_recv(w.full, NULL), 0);
	CHECK_EQ(gort_chan_close(w.empty), 0);
	CHECK_EQ(gort_chan_send(w.selected, NULL), 0);
	gort_waitgroup_done(&w.wg);
	gort_mutex_unlock(&w.mutex);
	gort_rwmutex_unlock(&w.written);
	gort_rwmutex_runlock(&w.read);
	gort_mutex_lock(&w.cond_mutex);
	atomic_store(&w.cond_over, 1);
	gort_mutex_unlock(&w.cond_mutex);
	gort_cond_broadcast(&w.cond);
	gort_sem_release(&w.sem, 1);
	CHECK_EQ(close(w.pipe[1]), 0);
	CHECK_EQ(close(w.blocking[1]), 0);
	atomic_store(&w.stop, 1);
	gort_waitgroup_wait(&w.all);
}

static void clean_up(void)
{
	CHECK_EQ(gort_close(w.pipe[0]), 0);
	CHECK_EQ(close(w.blocking[0]), 0);
	gort_chan_free(w.full);
	gort_chan_free(w.empty);
	gort_chan_free(w.selected);
}

/* All that wait, in system calls, and yielding; they end while traced. */
static void before(struct conf *c)
{
	set_up();
	begin_waiters();
	conf_start(c);
	if (c->round % 2)
		conf_generations(2);
	end_waiters();
	conf_until_left(3);	/* those that wait for ever */
	conf_stop(c);
	clean_up();
}

/*
 * What a goroutine was when the trace began.  Those in system calls and those
 * that wait are as they were put.
 */
static void before_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(SYSCALL)], SYSCALLERS);
	CHECK_LE(NWAITERS, f->go[GO(UNDETERMINED)][GO(WAITING)]);
	CHECK_LE(1, f->go[GO(UNDETERMINED)][GO(RUNNING)]);
	CHECK_LE(SYSCALLERS, f->go[GO(SYSCALL)][GO(RUNNABLE)] +
			     f->go[GO(SYSCALL)][GO(RUNNING)]);
	CHECK_LE(NWAITERS - 2 + SYSCALLERS + 2,
		 f->go[GO(RUNNING)][GO(NOT_EXIST)]);
}

static void test_before(void **state)
{
	static const struct conf_prog p = {
		.name = "before",
		.run = before,
		.expect = before_expect,
	};

	(void)state;
	conf_run(&p);
}

/* The same begin while traced, and none of them ends, or only after. */
static void after(struct conf *c)
{
	conf_start(c);
	set_up();
	begin_waiters();
	if (c->round % 2)
		conf_generations(2);
	conf_stop(c);
	end_waiters();
	clean_up();
}

/* count[i]: those that waited for the reason of waiters[i]; bits */
static void after_event(struct conf *c, const struct tracefile *tf,
			const struct tracefile_event *ev,
			const struct tracefile_details *d)
{
	(void)tf;
	if (!ev)
		c->count[0] = 0;
	else if (ev->kind == TRACEFILE_TRANSITION &&
		 ev->new_state == GO(WAITING))
		for (int i = 0; i < NWAITERS; i++)
			if (conf_is(d->text, waiters[i].reason))
				c->count[0] |= 1L << i;
}

static void after_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_EQ(c->count[0], (1L << NWAITERS) - 1);
	CHECK_LE(SYSCALLERS, f->go[GO(RUNNING)][GO(SYSCALL)]);
	CHECK_LE(NWAITERS + SYSCALLERS + 2,
		 f->go[GO(NOT_EXIST)][GO(RUNNABLE)]);
}

static void test_after(void **state)
{
	static const struct conf_prog p = {
		.name = "after",
		.run = after,
		.event = after_event,
		.expect = after_expect,
	};

	(void)state;
	conf_run(&p);
}

/* The whole program is traced, and they are dropped where they stand. */
static void dropped(struct conf *c)
{
	(void)c;
	set_up();
	begin_waiters();
	CHECK_EQ(close(w.blocking[1]), 0);
}

static void dropped_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_LE(NWAITERS + SYSCALLERS + 2,
		 f->go[GO(NOT_EXIST)][GO(RUNNABLE)]);
	/* Nobody was there before but the first, and the tracer's own. */
	CHECK_LE(f->go[GO(UNDETERMINED)][GO(WAITING)], 1);
	CHECK_EQ(f->go[GO(UNDETERMINED)][GO(RUNNING)], 1);
}

static void test_dropped(void **state)
{
	static const struct conf_prog p = {
		.name = "dropped",
		.run = dropped,
		.expect = dropped_expect,
		.by_environment = true,
	};

	(void)state;
	conf_run(&p);
}

/* --- runnable since before --- */

#define NRUNNABLE	100

static void only_yields(void *arg)
{
	(void)arg;
	while (!atomic_load(&w.stop))
		gort_yield();
	done();
}

static void runnable(struct conf *c)
{
	memset(&w, 0, sizeof(w));
	gort_waitgroup_add(&w.all, NRUNNABLE);
	for (int i = 0; i < NRUNNABLE; i++)
		go(only_yields, NULL);
	conf_start(c);
	if (c->round % 2) {
		atomic_store(&w.stop, 1);
		conf_until_left(1);
	}
	conf_stop(c);
	atomic_store(&w.stop, 1);
	gort_waitgroup_wait(&w.all);
}

static void runnable_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_LE(NRUNNABLE, f->go[GO(UNDETERMINED)][GO(RUNNABLE)]);
	CHECK_LE(c->round % 2 ? NRUNNABLE : 0,
		 f->go[GO(RUNNING)][GO(NOT_EXIST)]);
}

static void test_runnable(void **state)
{
	static const struct conf_prog p = {
		.name = "runnable",
		.run = runnable,
		.expect = runnable_expect,
		.procs = 1,
	};

	(void)state;
	conf_run(&p);
}

/* --- stopped by a signal --- */

/* One P: while the first goroutine runs, the others were made to stop. */
static void preempted(struct conf *c)
{
	memset(&w, 0, sizeof(w));
	gort_waitgroup_add(&w.all, 2);
	go(in_loop, NULL);
	go(in_loop, NULL);
	while (atomic_load(&w.running) < 2)
		gort_yield();
	conf_start(c);
	gort_yield();		/* both run, and are stopped again */
	atomic_store(&w.stop, 1);
	gort_waitgroup_wait(&w.all);
	conf_until_left(1);
	conf_stop(c);
}

/* count[0]: stops by preemption */
static void preempted_event(struct conf *c, const struct tracefile *tf,
			    const struct tracefile_event *ev,
			    const struct tracefile_details *d)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n;

	if (!ev) {
		c->count[0] = 0;
		return;
	}
	if (ev->kind != TRACEFILE_TRANSITION || !conf_is(d->text, "preempted"))
		return;
	CHECK_EQ(ev->new_state, GO(RUNNABLE));
	n = gort_tracefile_stack(tf, ev->stack, fr);
	CHECK_LT(0, n);
	/* Others are, or it is at its beginning, without a signal. */
	c->count[0] += conf_is(fr[0].func, "async_preempt") &&
		       conf_is(fr[n - 1].func, "in_loop");
}

static void preempted_expect(struct conf *c, const struct conf_facts *f)
{
	CHECK_LE(2, f->go[GO(UNDETERMINED)][GO(RUNNABLE)]);
	CHECK_LE(2, c->count[0]);
	CHECK_LE(2, f->go[GO(RUNNING)][GO(NOT_EXIST)]);
}

static void test_preempted(void **state)
{
	static const struct conf_prog p = {
		.name = "preempted",
		.run = preempted,
		.event = preempted_event,
		.expect = preempted_expect,
		.procs = 1,
		.loops = true,
		.every = 4,
	};

	(void)state;
	conf_run(&p);
}

/* --- whole generations in a loop without calls --- */

static void in_loops(struct conf *c)
{
	memset(&w, 0, sizeof(w));
	gort_waitgroup_add(&w.all, 2);
	go(in_loop, NULL);
	go(in_loop, NULL);
	while (atomic_load(&w.running) < 2)
		gort_yield();
	conf_start(c);
	conf_generations(4);
	atomic_store(&w.stop, 1);
	gort_waitgroup_wait(&w.all);
	conf_until_left(1);
	conf_stop(c);
}

static void in_loops_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	if (strstr(getenv("GORTDEBUG"), "traceadvanceperiod"))
		CHECK_LE(5, f->generations);
	CHECK_LE(3, f->go[GO(UNDETERMINED)][GO(RUNNING)] +
		    f->go[GO(UNDETERMINED)][GO(RUNNABLE)]);
	CHECK_LE(2, f->go[GO(RUNNING)][GO(NOT_EXIST)]);
}

static void test_in_loops(void **state)
{
	static const struct conf_prog p = {
		.name = "loops",
		.run = in_loops,
		.expect = in_loops_expect,
		.loops = true,
		.every = 2,
	};

	(void)state;
	conf_run(&p);
}

/* --- threads --- */

#define LOCKED_TIMES	30

struct locked {
	struct gort_chan *in, *out;
	struct gort_waitgroup *all;
};

static void locked_goroutine(void *arg)
{
	struct locked *l = arg;

	gort_lock_os_thread();
	for (int i = 0; i < LOCKED_TIMES; i++) {
		CHECK_EQ(gort_chan_recv(l->in, NULL), 0);
		CHECK_EQ(gort_chan_send(l->out, NULL), 0);
	}
	gort_waitgroup_done(l->all);
}

/*
 * Goroutines on threads of their own; and threads that are started for Ps
 * that have nothing to do.
 */
static void threads(struct conf *c)
{
	struct gort_chan *a = gort_chan_new(0, 1), *b = gort_chan_new(0, 0);
	struct gort_waitgroup all = { 0 };
	struct locked ping = { a, b, &all }, pong = { b, a, &all };

	gort_waitgroup_add(&all, 2);
	if (c->round % 2)
		conf_start(c);
	go(locked_goroutine, &ping);
	go(locked_goroutine, &pong);
	if (c->round % 2 == 0)
		conf_start(c);
	CHECK_EQ(gort_chan_send(a, NULL), 0);
	for (int i = 0; i < 10; i++) {
		gort_gomaxprocs(i % 2 ? 2 : 8);
		gort_sleep_ns(20000);
	}
	gort_waitgroup_wait(&all);
	conf_until_left(1);
	conf_stop(c);
	gort_chan_free(a);
	gort_chan_free(b);
}

static void threads_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_LE(LOCKED_TIMES, f->go[GO(RUNNING)][GO(WAITING)]);
	CHECK_LE(LOCKED_TIMES, f->go[GO(WAITING)][GO(RUNNABLE)]);
}

static void test_threads(void **state)
{
	static const struct conf_prog p = {
		.name = "threads",
		.run = threads,
		.expect = threads_expect,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_futile),
		cmocka_unit_test(test_procs),
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_runnable),
		cmocka_unit_test(test_preempted),
		cmocka_unit_test(test_in_loops),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
