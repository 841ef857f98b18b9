// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_stacks.c - the stacks in a trace, of every kind of event
 * and for every reason to block: which functions, in which order, which lines.
 *
 * What is wanted is one line of text per stack, see struct want.  With
 * CONF_KEEP=directory these lines are left beside the traces, as stacks.want,
 * for others to read both: see test_stacks_go.sh.
 */
#define _GNU_SOURCE
#include "trace/conf.h"

#include <sys/mman.h>

#define noinline	__attribute__((noinline))
#define NWRITE		(1 << 17)	/* more than a pipe takes */

/* No call is a jump: the caller keeps its frame. */
#define keep_frame()	__asm__ volatile("" ::: "memory")

/*
 * what;detail;frame;frame...
 *
 * what is a transition of a goroutine, such as Running->Waiting, or the kind
 * of the event.  detail is the reason, or the name of the range, metric,
 * region, task, or the category of the log.  A frame is function:line, or
 * function:0 for any line.  If what begins with "Of " the stack is that of
 * the goroutine that changes its state, else that of the one that did it.
 */
struct want {
	const char *what, *detail;
	const char *in;		/* the runtime's function, or NULL */
	const char *from;	/* the caller, at lines[line] */
	int line;
	bool found;
};

static int lines[80];

/* The n-th place that is looked for; the call is in this line. */
#define AT(n)	(lines[n] = __LINE__)

enum place {
	ANY,			/* line */
	SEND, RECV, SELECT, SELECT_NONE, WAITGROUP, MUTEX, RLOCK, LOCK, COND,
	SEM, ONCE, SLEEP, READ, ACCEPT, SIGNAL, SYSCALL, BLOCKING, READ_FILE,
	YIELD, LOOP, GO, GO_COPY, WAKE_SEND, WAKE_RECV, WAKE_SELECT,
	WAKE_WAITGROUP, WAKE_MUTEX, WAKE_RLOCK, WAKE_LOCK, WAKE_COND,
	WAKE_SEM, WAKE_ONCE, WAKE_CLOSE, WAKE_CANCEL, WAKE_BROADCAST,
	PROCS, DUMP, START, TASK, TASK_END, REGION, REGION_END, LOG, LOGF,
	OLD_RECV, OLD_SYSCALL, OLD_BLOCKING, POLL, AFTER, CANCELLED, WRITE,
	NPLACES
};

_Static_assert(NPLACES <= sizeof(lines) / sizeof(*lines), "lines[] is too small");

static struct {
	struct gort_chan *send, *recv, *closed, *select, *old, *selected;
	struct gort_waitgroup wg, all;
	struct gort_mutex mutex, cond_mutex;
	struct gort_rwmutex written, read;
	struct gort_cond cond, cond_all;
	struct gort_sem sem;
	struct gort_once once;
	struct gort_cancel *cancel;
	int pipe[2], raw[2], old_raw[2], full[2], file;
	_Atomic int stop, running;
} s;

static void go(void (*fn)(void *), void *arg)
{
	gort_waitgroup_add(&s.all, 1);
	CHECK_EQ(gort_go(fn, arg), 0);
}

static noinline void done(void)
{
	gort_waitgroup_done(&s.all);
	keep_frame();
}

/* --- to block --- */

static noinline void block_send(void *arg)
{
	AT(SEND); gort_chan_send(s.send, NULL);
	done();
	(void)arg;
}

static noinline void block_recv(void *arg)
{
	AT(RECV); gort_chan_recv(s.recv, NULL);
	done();
	(void)arg;
}

static noinline void block_closed(void *arg)
{
	gort_chan_recv(s.closed, NULL);
	done();
	(void)arg;
}

static noinline void block_select(void *arg)
{
	struct gort_select_case cases[] = {
		GORT_RECV_CASE(s.select, NULL), GORT_RECV_CASE(NULL, NULL),
	};

	AT(SELECT); gort_select(cases, 2, 0);
	done();
	(void)arg;
}

static noinline void block_select_none(void *arg)
{
	gort_waitgroup_done(&s.all);
	AT(SELECT_NONE); gort_select(NULL, 0, 0);
	keep_frame();
	(void)arg;
}

static noinline void block_waitgroup(void *arg)
{
	AT(WAITGROUP); gort_waitgroup_wait(&s.wg);
	done();
	(void)arg;
}

static noinline void block_mutex(void *arg)
{
	AT(MUTEX); gort_mutex_lock(&s.mutex);
	done();
	(void)arg;
}

static noinline void block_rlock(void *arg)
{
	AT(RLOCK); gort_rwmutex_rlock(&s.written);
	done();
	(void)arg;
}

static noinline void block_lock(void *arg)
{
	AT(LOCK); gort_rwmutex_lock(&s.read);
	done();
	(void)arg;
}

static noinline void block_cond(void *arg)
{
	gort_mutex_lock(&s.cond_mutex);
	AT(COND); gort_cond_wait(arg, &s.cond_mutex);
	gort_mutex_unlock(&s.cond_mutex);
	done();
}

static noinline void block_sem(void *arg)
{
	AT(SEM); gort_sem_acquire(&s.sem, 1);
	done();
	(void)arg;
}

static noinline void once_fn(void *arg)
{
	gort_chan_recv(s.selected, NULL);
	keep_frame();
	(void)arg;
}

static noinline void call_once(void *arg)
{
	AT(WAKE_ONCE); gort_once(&s.once, once_fn, NULL);
	done();
	(void)arg;
}

static noinline void block_once(void *arg)
{
	AT(ONCE); gort_once(&s.once, once_fn, NULL);
	done();
	(void)arg;
}

static noinline void block_sleep(void *arg)
{
	AT(SLEEP); gort_sleep_ns(1000);
	done();
	(void)arg;
}

static noinline void block_read(void *arg)
{
	char byte;

	AT(READ); gort_read(s.pipe[0], &byte, 1);
	done();
	(void)arg;
}

static noinline void block_write(void *arg)
{
	static char all[NWRITE];

	AT(WRITE); gort_write_all(s.full[1], all, sizeof(all));
	done();
	(void)arg;
}

static noinline void block_poll(void *arg)
{
	struct pollfd fd = { .fd = s.pipe[0], .events = POLLIN };

	AT(POLL); gort_poll(&fd, 1, -1);
	done();
	(void)arg;
}

static noinline void block_cancelled(void *arg)
{
	AT(CANCELLED); gort_chan_recv(gort_cancel_done(s.cancel), NULL);
	done();
	(void)arg;
}

static noinline void block_after(void *arg)
{
	struct gort_chan *c = gort_after(2000000);

	AT(AFTER); gort_chan_recv(c, NULL);
	gort_chan_free(c);
	done();
	(void)arg;
}

static void read_raw(void *arg)
{
	char byte;

	while (read(*(int *)arg, &byte, 1) < 0)
		;
}

static noinline void block_syscall(void *arg)
{
	AT(SYSCALL); gort_syscall_enter();
	read_raw(arg);
	gort_syscall_exit();
	done();
}

static noinline void block_blocking(void *arg)
{
	AT(BLOCKING); gort_blocking(read_raw, arg);
	done();
}

static noinline void read_file(void *arg)
{
	char byte;

	AT(READ_FILE); gort_read(s.file, &byte, 1);
	done();
	(void)arg;
}

/* Only a signal stops it: there is no call, nor one inlined. */
static noinline __attribute__((no_sanitize("thread"))) void loop(void *arg)
{
	atomic_store_explicit(&s.running, 1, memory_order_relaxed);
	while (!atomic_load_explicit(&s.stop, memory_order_relaxed))
		;
	done();
	(void)arg;
}

static noinline void nothing(void *arg)
{
	done();
	(void)arg;
}

/* --- since before the trace, until after it --- */

static noinline void old_recv(void *arg)
{
	AT(OLD_RECV); gort_chan_recv(s.old, NULL);
	done();
	(void)arg;
}

static noinline void old_syscall(void *arg)
{
	AT(OLD_SYSCALL); gort_syscall_enter();
	read_raw(arg);
	gort_syscall_exit();
	done();
}

static noinline void old_blocking(void *arg)
{
	AT(OLD_BLOCKING); gort_blocking(read_raw, arg);
	done();
}

/* --- everything --- */

static noinline void say(void)
{
	uint64_t task;

	AT(TASK); task = gort_trace_task_begin(0, "a task");
	AT(REGION); gort_trace_region_begin(task, "a region");
	AT(LOG); gort_trace_log(task, "a log", "");
	AT(LOGF); gort_trace_logf(task, "a logf", "%d", 1);
	AT(REGION_END); gort_trace_region_end(task, "a region");
	AT(TASK_END); gort_trace_task_end(task);
	keep_frame();
}

static noinline void begin_all(void)
{
	static void (*const fns[])(void *) = {
		block_send, block_recv, block_closed, block_select,
		block_select_none, block_waitgroup, block_mutex, block_rlock,
		block_lock, block_sem, call_once, block_read, block_poll,
		block_write, block_cancelled, block_sleep, block_after,
		read_file,
	};
	char byte = 0;

	for (size_t i = 0; i < sizeof(fns) / sizeof(*fns); i++)
		go(fns[i], NULL);
	go(block_cond, &s.cond);
	go(block_cond, &s.cond_all);
	go(block_syscall, s.raw);
	go(block_blocking, s.raw);
	gort_waitgroup_add(&s.all, 2);
	AT(GO); gort_go(nothing, NULL);
	AT(GO_COPY); gort_go_copy(nothing, &byte, 1);
}

static noinline void wake_all(void)
{
	AT(WAKE_SEND); gort_chan_recv(s.send, NULL);
	AT(WAKE_RECV); gort_chan_send(s.recv, NULL);
	AT(WAKE_CLOSE); gort_chan_close(s.closed);
	AT(WAKE_SELECT); gort_chan_send(s.select, NULL);
	AT(WAKE_WAITGROUP); gort_waitgroup_done(&s.wg);
	AT(WAKE_MUTEX); gort_mutex_unlock(&s.mutex);
	AT(WAKE_RLOCK); gort_rwmutex_unlock(&s.written);
	AT(WAKE_LOCK); gort_rwmutex_runlock(&s.read);
	AT(WAKE_COND); gort_cond_signal(&s.cond);
	AT(WAKE_BROADCAST); gort_cond_broadcast(&s.cond_all);
	AT(WAKE_SEM); gort_sem_release(&s.sem, 1);
	AT(WAKE_CANCEL); gort_cancel(s.cancel, 0);
	gort_chan_close(s.selected);
	CHECK_EQ(write(s.pipe[1], "xx", 2), 2);
	CHECK_EQ(write(s.raw[1], "xx", 2), 2);
}

static noinline void change_procs(void)
{
	AT(PROCS); gort_gomaxprocs(2);
	keep_frame();
}

static noinline void dump(void)
{
	char buf[16];

	AT(DUMP); gort_stack_dump(buf, sizeof(buf));
	keep_frame();
}

static noinline void start(struct conf *c)
{
	char path[PATH_MAX];

	conf_path(c, 0, path);
	c->fds[0] = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	c->ntraces = 1;
	AT(START); gort_trace_start(c->fds[0], NULL);
	keep_frame();
}

static noinline void yield(void)
{
	AT(YIELD); gort_yield();
	keep_frame();
}

static void set_up(void)
{
	struct gort_chan **chans[] = {
		&s.send, &s.recv, &s.closed, &s.select, &s.old, &s.selected,
	};

	memset(&s, 0, sizeof(s));
	for (size_t i = 0; i < sizeof(chans) / sizeof(*chans); i++)
		*chans[i] = gort_chan_new(0, 0);
	gort_waitgroup_add(&s.wg, 1);
	gort_mutex_lock(&s.mutex);
	gort_rwmutex_lock(&s.written);
	gort_rwmutex_rlock(&s.read);
	s.cancel = gort_cancel_new(NULL);
	CHECK_EQ(pipe(s.pipe), 0);
	CHECK_EQ(pipe(s.raw), 0);
	CHECK_EQ(pipe(s.old_raw), 0);
	CHECK_EQ(pipe(s.full), 0);
	s.file = memfd_create("file", MFD_CLOEXEC);
	CHECK_LE(0, s.file);
}

static void drain(void)
{
	static char buf[1 << 16];
	size_t left = NWRITE;

	while (left) {
		ssize_t n = gort_read(s.full[0], buf, sizeof(buf));

		CHECK_LT(0, n);
		left -= (size_t)n;
	}
}

/* One P: whoever is looked for blocks before the first goroutine goes on. */
static noinline void first(struct conf *c)
{
	set_up();
	go(old_recv, NULL);
	go(old_syscall, s.old_raw);
	go(old_blocking, s.old_raw);
	conf_until_quiet(2);
	start(c);
	begin_all();
	conf_until_quiet(4);
	go(block_once, NULL);
	yield();
	say();
	dump();
	wake_all();
	drain();
	if (!strstr(getenv("GORTDEBUG"), "asyncpreemptoff")) {
		go(loop, NULL);
		while (!atomic_load(&s.running))
			gort_yield();
	}
	atomic_store(&s.stop, 1);
	change_procs();
	conf_until_left(5);	/* three old ones, and one waits for ever */
	conf_stop(c);
	gort_chan_close(s.old);
	CHECK_EQ(write(s.old_raw[1], "xx", 2), 2);
	gort_waitgroup_wait(&s.all);
	gort_cancel_put(s.cancel);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(gort_close(s.pipe[i]), 0);
		CHECK_EQ(gort_close(s.full[i]), 0);
		CHECK_EQ(close(s.raw[i]), 0);
		CHECK_EQ(close(s.old_raw[i]), 0);
	}
	CHECK_EQ(gort_close(s.file), 0);
}

#define BLOCK(reason, in, from, line) \
	{ "Running->Waiting", reason, in, from, line, false }
#define WAKE(in, from, line) \
	{ "Waiting->Runnable", "", in, from, line, false }
#define OTHER(what, detail, in, from, line) \
	{ what, detail, in, from, line, false }

static struct want wants[] = {
	BLOCK("chan send", "gort_chan_send", "block_send", SEND),
	BLOCK("chan receive", "gort_chan_recv", "block_recv", RECV),
	BLOCK("select", "gort_select", "block_select", SELECT),
	BLOCK("select (no cases)", "gort_select", "block_select_none",
	      SELECT_NONE),
	BLOCK("sync waitgroup", "gort_waitgroup_wait", "block_waitgroup",
	      WAITGROUP),
	BLOCK("sync mutex", "gort_mutex_lock", "block_mutex", MUTEX),
	BLOCK("sync rwmutex rlock", "gort_rwmutex_rlock", "block_rlock", RLOCK),
	BLOCK("sync rwmutex lock", "gort_rwmutex_lock", "block_lock", LOCK),
	BLOCK("sync cond", "gort_cond_wait", "block_cond", COND),
	BLOCK("sync sem", "gort_sem_acquire", "block_sem", SEM),
	BLOCK("sync once", "gort_once", "block_once", ONCE),
	BLOCK("sleep", "gort_sleep_ns", "block_sleep", SLEEP),
	BLOCK("network", "gort_read", "block_read", READ),
	BLOCK("network", "gort_write_all", "block_write", WRITE),
	BLOCK("network", "gort_poll", "block_poll", POLL),
	BLOCK("chan receive", "gort_chan_recv", "block_cancelled", CANCELLED),
	BLOCK("chan receive", "gort_chan_recv", "block_after", AFTER),
	WAKE("gort_chan_recv", "wake_all", WAKE_SEND),
	WAKE("gort_chan_send", "wake_all", WAKE_RECV),
	WAKE("gort_chan_close", "wake_all", WAKE_CLOSE),
	WAKE("gort_chan_send", "wake_all", WAKE_SELECT),
	WAKE("gort_waitgroup_done", "wake_all", WAKE_WAITGROUP),
	WAKE("gort_mutex_unlock", "wake_all", WAKE_MUTEX),
	WAKE("gort_rwmutex_unlock", "wake_all", WAKE_RLOCK),
	WAKE("gort_rwmutex_runlock", "wake_all", WAKE_LOCK),
	WAKE("gort_cond_signal", "wake_all", WAKE_COND),
	WAKE("gort_cond_broadcast", "wake_all", WAKE_BROADCAST),
	WAKE("gort_sem_release", "wake_all", WAKE_SEM),
	WAKE("gort_cancel", "wake_all", WAKE_CANCEL),
	WAKE("gort_once", "call_once", WAKE_ONCE),
	OTHER("Running->Syscall", "", "gort_syscall_enter", "block_syscall",
	      SYSCALL),
	OTHER("Running->Syscall", "", "gort_blocking", "block_blocking",
	      BLOCKING),
	OTHER("Running->Syscall", "", "gort_read", "read_file", READ_FILE),
	OTHER("Running->Runnable", "yield", "gort_yield", "yield", YIELD),
	OTHER("Running->Runnable", "preempted", "async_preempt", "loop", ANY),
	OTHER("NotExist->Runnable", "", "gort_go", "begin_all", GO),
	OTHER("NotExist->Runnable", "", "gort_go_copy", "begin_all", GO_COPY),
	OTHER("Of NotExist->Runnable", "", NULL, "block_send", ANY),
	OTHER("Undetermined->Waiting", "", "gort_chan_recv", "old_recv",
	      OLD_RECV),
	OTHER("Undetermined->Syscall", "", NULL, "old_syscall", OLD_SYSCALL),
	OTHER("Undetermined->Syscall", "", NULL, "old_blocking",
	      OLD_BLOCKING),
	OTHER("RangeBegin", "stop-the-world (start trace)", "gort_trace_start",
	      "start", START),
	OTHER("RangeBegin", "stop-the-world (stack dump)", "gort_stack_dump",
	      "dump", DUMP),
	OTHER("RangeBegin", "stop-the-world (GOMAXPROCS)", "gort_gomaxprocs",
	      "change_procs", PROCS),
	OTHER("Metric", "/sched/gomaxprocs:threads", "gort_trace_start",
	      "start", START),
	OTHER("Metric", "/sched/gomaxprocs:threads", "gort_gomaxprocs",
	      "change_procs", PROCS),
	OTHER("TaskBegin", "a task", "gort_trace_task_begin", "say", TASK),
	OTHER("TaskEnd", "a task", "gort_trace_task_end", "say", TASK_END),
	OTHER("RegionBegin", "a region", "gort_trace_region_begin", "say",
	      REGION),
	OTHER("RegionEnd", "a region", "gort_trace_region_end", "say",
	      REGION_END),
	OTHER("Log", "a log", "gort_trace_log", "say", LOG),
	OTHER("Log", "a logf", "gort_trace_logf", "say", LOGF),
};

#define NWANTS	(sizeof(wants) / sizeof(*wants))

static void what_of(const struct tracefile_event *ev, bool of, char *buf,
		    size_t size)
{
	if (ev->kind == TRACEFILE_TRANSITION)
		snprintf(buf, size, "%s%s->%s", of ? "Of " : "",
			 gort_tracefile_state_name(ev->resource, ev->old_state),
			 gort_tracefile_state_name(ev->resource, ev->new_state));
	else
		snprintf(buf, size, "%s", gort_tracefile_kind_name(ev->kind));
}

static void detail_of(const struct tracefile_event *ev,
		      const struct tracefile_details *d, char *buf, size_t size)
{
	if (ev->kind == TRACEFILE_METRIC)
		snprintf(buf, size, "%s", d->name);
	else if (ev->kind == TRACEFILE_RANGE_BEGIN)
		snprintf(buf, size, "%s (%.*s)", d->name, (int)d->text.len,
			 d->text.p);
	else
		snprintf(buf, size, "%.*s", (int)d->text.len, d->text.p);
}

/* Nothing of the runtime's above its public function, nor below the caller. */
static bool stack_is(const struct tracefile *tf, uint64_t stack,
		     const struct want *w)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES], *f = fr;
	size_t n = gort_tracefile_stack(tf, stack, fr);

	if (w->in && (!n-- || !conf_is(f++->func, w->in)))
		return false;
	if (!n || !conf_is(f->func, w->from))
		return false;
	if (w->line != ANY && f->line != (uint64_t)lines[w->line])
		return false;
	return f->file.len >= 12 &&
	       !memcmp(f->file.p + f->file.len - 12, "test_stacks.c" + 1, 12);
}

static void match(const struct tracefile *tf, const struct tracefile_event *ev,
		  const struct tracefile_details *d, bool of)
{
	char what[64], detail[128];

	what_of(ev, of, what, sizeof(what));
	detail_of(ev, d, detail, sizeof(detail));
	for (struct want *w = wants; w < wants + NWANTS; w++)
		if (!strcmp(w->what, what) && !strcmp(w->detail, detail) &&
		    stack_is(tf, of ? d->stack : ev->stack, w))
			w->found = true;
}

static void event(struct conf *c, const struct tracefile *tf,
		  const struct tracefile_event *ev,
		  const struct tracefile_details *d)
{
	(void)c;
	if (!ev) {
		for (struct want *w = wants; w < wants + NWANTS; w++)
			w->found = false;
		return;
	}
	match(tf, ev, d, false);
	if (ev->kind == TRACEFILE_TRANSITION)
		match(tf, ev, d, true);
}

static void print_want(FILE *f, const struct want *w)
{
	fprintf(f, "%s;%s", w->what, w->detail);
	if (w->in)
		fprintf(f, ";%s:0", w->in);
	fprintf(f, ";%s:%d\n", w->from, lines[w->line]);
}

static void keep_wants(void)
{
	const char *dir = getenv("CONF_KEEP");
	char path[PATH_MAX];
	FILE *f;

	if (!dir || !*dir)
		return;
	snprintf(path, sizeof(path), "%s/stacks.want", dir);
	f = fopen(path, "w");
	CHECK_NE(f, NULL);
	for (struct want *w = wants; w < wants + NWANTS; w++)
		print_want(f, w);
	CHECK_EQ(fclose(f), 0);
}

static void expect(struct conf *c, const struct conf_facts *f)
{
	bool async = !strstr(getenv("GORTDEBUG"), "asyncpreemptoff");
	int missing = 0;

	(void)c;
	(void)f;
	for (struct want *w = wants; w < wants + NWANTS; w++) {
		if (w->found || (!async && !strcmp(w->detail, "preempted")))
			continue;
		fprintf(stderr, "missing: ");
		print_want(stderr, w);
		missing++;
	}
	keep_wants();
	CHECK_EQ(missing, 0);
}

static void test_stacks(void **state)
{
	static const struct conf_prog p = {
		.name = "stacks",
		.run = first,
		.event = event,
		.expect = expect,
		.procs = 1,
		.every = 4,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
