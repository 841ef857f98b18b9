/* SPDX-License-Identifier: ISC */
/*
 * tests/trace/conf.h - programs under the tracer, again and again, each of
 * whose traces is read and must say what the program did.
 *
 *	static void prog(struct conf *c)	// the first goroutine
 *	{
 *		conf_start(c);
 *		...
 *		c->count[0]++;			// for expect
 *		conf_stop(c);
 *	}
 *
 *	static void expect(struct conf *c, const struct conf_facts *f)
 *	{
 *		CHECK_EQ(f->kind[TRACEFILE_LOG], c->count[0]);
 *	}
 *
 * Repetitions differ in how the tracer is set up: see conf_variants.  Once
 * through these is one child process, with a run of the runtime for each.
 * Reading is strict: every rule of the format, and a name for every frame.
 *
 * CONF_KEEP=directory keeps the files.  CONF_TIMES=n is how often; without it,
 * STRESS_SCALE=percent of CONF_TIMES; without that, each variant once unless
 * that is fast.
 */
#ifndef TESTS_TRACE_CONF_H
#define TESTS_TRACE_CONF_H

#include <gort/gort.h>

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>

#include "child.h"
#include "kernel/check.h"
#include "trace/reader/reader.h"

#define CONF_TIMES	200
#define CONF_TRACES	16	/* per run, at most */

struct conf_facts {
	/* [enum tracefile_go_state][the same], without its own calls */
	uint64_t go[6][6];
	uint64_t proc[4][4];
	uint64_t kind[TRACEFILE_KINDS];
	uint64_t stack_exists, stack_alloc, stack_free;
	uint64_t generations;
	uint64_t events;
	int64_t own;		/* the tracer's goroutine, if it made calls */
};

struct conf {
	const struct conf_prog *prog;
	int round;		/* how many came before */
	_Atomic int ntraces;
	int fds[CONF_TRACES];	/* -1: none was begun */
	uint32_t version;
	_Atomic long count[8];	/* the program's, for what it expects */
};

struct conf_prog {
	const char *name;
	void (*run)(struct conf *c);
	/* Of each trace, when all of it was read. */
	void (*expect)(struct conf *c, const struct conf_facts *f);
	/* Each event, before that; first with ev NULL. */
	void (*event)(struct conf *c, const struct tracefile *tf,
		      const struct tracefile_event *ev,
		      const struct tracefile_details *d);
	int procs;		/* GORTMAXPROCS; 0: 4 */
	int every;		/* one in so many repetitions; 0: all */
	bool no_advance;	/* one generation is expected */
	bool loops;		/* that only a signal stops */
	bool lenient;		/* frames may lack names and lines */
	bool by_environment;	/* GORTTRACE, from beginning to end */
	bool allocfree;		/* no events of the heap are skipped */
};

/* Each repetition takes the next one. */
static const char *const conf_variants[] = {
	"",
	"traceadvanceperiod=1000000",
	"traceadvanceperiod=1000000,maymorestack=move",
	"traceversion=26,traceadvanceperiod=1000000,traceallocfree=1",
	"tracepushdown=0,traceadvanceperiod=1000000",
	"traceallocfree=1,maymorestack=move",
	"asyncpreemptoff=1,traceversion=26",
	"traceadvanceperiod=1000000,traceallocfree=1",
};

#define CONF_VARIANTS	((int)(sizeof(conf_variants) / sizeof(*conf_variants)))

/* Neither emulated, nor with checks that take their time. */
static inline bool mode_fast(void)
{
#ifdef GORT_DEBUG
	return false;
#endif
	return !mode_emulated() && !mode_sanitized() &&
	       !mode_gortdebug("maymorestack");
}

static inline bool mode_tsan(void)
{
#ifdef WITH_TSAN
	return true;
#else
	return false;
#endif
}

static inline int conf_times(const struct conf_prog *p)
{
	const char *s = getenv("CONF_TIMES"), *scale = getenv("STRESS_SCALE");
	int n;

	if (s && *s)
		n = atoi(s);
	else if (scale && *scale)
		n = (int)(CONF_TIMES * atof(scale) / 100);
	else if (mode_fast())
		n = CONF_TIMES;
	else
		n = CONF_VARIANTS;
	if (p->every)
		n /= p->every;
	return n ? n : 1;
}

static inline void conf_path(const struct conf *c, int trace, char *buf)
{
	const char *dir = getenv("CONF_KEEP");

	if (dir && *dir)
		snprintf(buf, PATH_MAX, "%s/%s.%d.%d", dir, c->prog->name,
			 c->round, trace);
	else
		snprintf(buf, PATH_MAX, "/tmp/gort-conf.%s.%d.%d",
			 c->prog->name, (int)getppid(), trace);
}

/* -errno as gort_trace_start(); any goroutine. */
static inline int conf_try_start(struct conf *c)
{
	int i = atomic_fetch_add(&c->ntraces, 1), err;
	char path[PATH_MAX];

	CHECK_LT(i, CONF_TRACES);
	conf_path(c, i, path);
	c->fds[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	CHECK_LE(0, c->fds[i]);
	err = gort_trace_start(c->fds[i], NULL);
	if (err) {
		CHECK_EQ(close(c->fds[i]), 0);
		CHECK_EQ(unlink(path), 0);
		c->fds[i] = -1;
	}
	return err;
}

static inline void conf_start(struct conf *c)
{
	CHECK_EQ(conf_try_start(c), 0);
}

static inline void conf_stop(struct conf *c)
{
	(void)c;
	CHECK_EQ(gort_trace_stop(), 0);
}

static inline int conf_occurs(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what))) {
		text++;
		n++;
	}
	return n;
}

/* Until all other goroutines wait, but for so many in system calls. */
static inline void conf_until_quiet(int syscalls)
{
	static char dump[1 << 18];

	do {
		gort_yield();
		CHECK_LT(gort_stack_dump(dump, sizeof(dump)), sizeof(dump));
	} while (conf_occurs(dump, " [run") != 1 ||
		 conf_occurs(dump, " [syscall") != syscalls);
}

/* Until so many generations are complete, where they are short. */
static inline void conf_generations(uint64_t n)
{
	struct gort_trace_stats st = { 0 };

	if (!strstr(getenv("GORTDEBUG"), "traceadvanceperiod"))
		return;
	while (st.generations < n) {
		gort_sleep_ns(100000);
		gort_trace_read_stats(&st);
	}
}

/* Until no more than n goroutines are left. */
static inline void conf_until_left(uint64_t n)
{
	while (gort_numgoroutine() > n)
		gort_yield();
}

static inline bool conf_is(struct tracefile_str s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

/* --- reading --- */

/* Is it the tracer that makes a system call?  Nobody called it. */
static inline bool conf_is_own(const struct tracefile *tf,
			       const struct tracefile_event *ev)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];

	return ev->new_state == TRACEFILE_GO_SYSCALL &&
	       gort_tracefile_stack(tf, ev->stack, fr) &&
	       conf_is(fr[0].func, "ev_syscall_begin");
}

static inline void conf_count_go(struct conf_facts *f,
				 const struct tracefile *tf,
				 const struct tracefile_event *ev)
{
	if (conf_is_own(tf, ev))
		f->own = ev->id;
	if (ev->id == f->own && (ev->new_state == TRACEFILE_GO_SYSCALL ||
				 ev->old_state == TRACEFILE_GO_SYSCALL))
		return;
	f->go[ev->old_state][ev->new_state]++;
}

static inline void conf_count(struct conf_facts *f, const struct tracefile *tf,
			      const struct tracefile_event *ev)
{
	f->events++;
	f->kind[ev->kind]++;
	f->stack_exists += ev->type == TF_GOROUTINE_STACK;
	f->stack_alloc += ev->type == TF_GOROUTINE_STACK_ALLOC;
	f->stack_free += ev->type == TF_GOROUTINE_STACK_FREE;
	if (ev->kind != TRACEFILE_TRANSITION)
		return;
	if (ev->resource == TRACEFILE_GOROUTINE)
		conf_count_go(f, tf, ev);
	else
		f->proc[ev->old_state][ev->new_state]++;
}

/* Names of functions, for all frames. */
static inline void conf_check_stack(const struct tracefile *tf, uint64_t stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr);

	CHECK_EQ(!!n, !!stack);
	for (size_t i = 0; i < n; i++)
		CHECK_LT(0, fr[i].func.len);
}

static inline void conf_read(struct conf *c, const char *path)
{
	const struct conf_prog *p = c->prog;
	struct conf_facts f = { .own = TRACEFILE_NONE };
	struct tracefile_details d;
	struct tracefile_event ev;
	struct tracefile *tf;
	int st;

	if (p->event)
		p->event(c, NULL, NULL, NULL);
	st = gort_tracefile_open_file(&tf, path,
			(p->lenient ? 0 : TRACEFILE_STRICT) |
			(p->allocfree ? TRACEFILE_ALLOCFREE : 0));
	if (!st)
		st = gort_tracefile_next(tf, &ev);
	for (; st == TRACEFILE_EVENT; st = gort_tracefile_next(tf, &ev)) {
		gort_tracefile_details(tf, &ev, &d);
		conf_count(&f, tf, &ev);
		if (!p->lenient) {
			conf_check_stack(tf, ev.stack);
			conf_check_stack(tf, d.stack);
		}
		if (p->event)
			p->event(c, tf, &ev, &d);
	}
	if (st) {
		dprintf(2, "%s: %s\n", path, tf ?
			gort_tracefile_error(tf)->text : strerror(-st));
		abort();
	}
	c->version = gort_tracefile_version(tf);
	f.generations = gort_tracefile_generations(tf);
	gort_tracefile_close(tf);
	if (p->expect)
		p->expect(c, &f);
}

/* --- running --- */

static inline void conf_setup(const struct conf *c, const char *gortdebug)
{
	const char *variant = conf_variants[c->round % CONF_VARIANTS];
	char buf[600];

	if ((c->prog->no_advance && strstr(variant, "advance")) ||
	    (c->prog->loops && strstr(variant, "asyncpreemptoff")))
		variant = "";
	/*
	 * The mode's own goes before.  And the thread sanitizer does not like
	 * the copies of arguments, with what lies beside them.
	 */
	if (strstr(variant, "maymorestack") &&
	    (mode_tsan() || strstr(gortdebug, "maymorestack")))
		variant = "traceadvanceperiod=1000000";
	snprintf(buf, sizeof(buf), "tracecheckstackownership=1%s%s%s%s",
		 *variant ? "," : "", variant, *gortdebug ? "," : "",
		 gortdebug);
	setenv("GORTDEBUG", buf, 1);
	snprintf(buf, sizeof(buf), "%d", c->prog->procs ? c->prog->procs : 4);
	setenv("GORTMAXPROCS", buf, 1);
}

static inline void conf_first(void *arg)
{
	struct conf *c = arg;

	c->prog->run(c);
}

static inline void conf_once(const struct conf_prog *p, int round,
			     const char *gortdebug)
{
	struct conf c = { .prog = p, .round = round };
	const char *keep = getenv("CONF_KEEP");
	char path[PATH_MAX];

	conf_setup(&c, gortdebug);
	conf_path(&c, 0, path);
	if (p->by_environment) {
		setenv("GORTTRACE", path, 1);
		c.fds[c.ntraces++] = dup(2);
	}
	dprintf(2, "%d: %s\n", round, strchr(getenv("GORTDEBUG"), ',') ? : "");
	CHECK_EQ(gort_run(conf_first, &c), 0);
	for (int i = 0; i < c.ntraces; i++) {
		if (c.fds[i] < 0)
			continue;
		CHECK_EQ(close(c.fds[i]), 0);
		conf_path(&c, i, path);
		conf_read(&c, path);
		if (!keep || !*keep)
			CHECK_EQ(unlink(path), 0);
	}
}

struct conf_lap {
	const struct conf_prog *prog;
	int from, to;
};

static inline void conf_lap(void *arg)
{
	const struct conf_lap *lap = arg;
	const char *env = getenv("GORTDEBUG");
	char *gortdebug = strdup(env ? env : "");

	unsetenv("GORTTRACE");
	for (int i = lap->from; i < lap->to; i++) {
		alarm(CHILD_SECONDS);
		conf_once(lap->prog, i, gortdebug);
	}
	free(gortdebug);
}

static inline void conf_run(const struct conf_prog *p)
{
	int times = conf_times(p);

	for (int i = 0; i < times; i += CONF_VARIANTS) {
		int to = i + CONF_VARIANTS;
		struct conf_lap lap = { p, i, to < times ? to : times };

		child_run(conf_lap, &lap);
		child_expect_exit(0);
	}
}

#endif
