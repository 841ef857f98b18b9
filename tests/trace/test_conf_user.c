// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_conf_user.c - traces of what programs say themselves:
 * tasks, regions, logs, also such that begin before the trace or end after it.
 */
#include "trace/conf.h"

#define NLONG	2000		/* bytes; 1024 of them count */

/* --- every one of them --- */

static struct conf_said {
	int kind;
	const char *text, *message;
	int task, parent;	/* places in task_ids[]; -1: none is known */
	int goroutine;		/* 0: the first, 1: the other */
} said[] = {
	{ TRACEFILE_TASK_BEGIN, "task0", NULL, 1, 2, 0 },
	{ TRACEFILE_REGION_BEGIN, "task0 region", NULL, 1, 0, 0 },
	{ TRACEFILE_REGION_BEGIN, "unended region", NULL, 1, 0, 1 },
	{ TRACEFILE_REGION_BEGIN, "region0", NULL, 1, 0, 1 },
	{ TRACEFILE_REGION_BEGIN, "region1", NULL, 1, 0, 1 },
	{ TRACEFILE_LOG, "key0", "0123456789abcdef", 1, 0, 1 },
	{ TRACEFILE_LOG, "key1", "7 of \"eleven\"\n", 1, 0, 1 },
	{ TRACEFILE_LOG, "", "", 0, 0, 1 },
	{ TRACEFILE_LOG, "long", NULL, 0, 0, 1 },
	{ TRACEFILE_REGION_END, "region1", NULL, 1, 0, 1 },
	{ TRACEFILE_REGION_END, "region0", NULL, 1, 0, 1 },
	{ TRACEFILE_TASK_BEGIN, "", NULL, 3, 1, 1 },
	{ TRACEFILE_TASK_END, "", NULL, 3, 1, 1 },
	{ TRACEFILE_TASK_END, "task0", NULL, 1, 2, 1 },
	{ TRACEFILE_REGION_END, "task0 region", NULL, 1, 0, 0 },
	{ TRACEFILE_REGION_END, "before", NULL, 0, 0, 0 },
	{ TRACEFILE_TASK_END, "", NULL, 2, -1, 0 },
	{ TRACEFILE_REGION_BEGIN, "after", NULL, 0, 0, 0 },
};

#define NSAID	((int)(sizeof(said) / sizeof(*said)))

static uint64_t task_ids[4];
static int64_t speakers[2];
static char long_text[NLONG + 1];
static int next_said;

static void speak(void *arg)
{
	speakers[1] = (int64_t)gort_goid();
	gort_trace_region_begin(task_ids[1], "unended region");
	gort_trace_region_begin(task_ids[1], "region0");
	gort_trace_region_begin(task_ids[1], "region1");
	gort_trace_log(task_ids[1], "key0", "0123456789abcdef");
	gort_trace_logf(task_ids[1], "key1", "%d of \"%s\"\n", 7, "eleven");
	gort_trace_log(0, NULL, NULL);
	gort_trace_logf(0, "long", "%s", long_text);
	gort_trace_region_end(task_ids[1], "region1");
	gort_trace_region_end(task_ids[1], "region0");
	task_ids[3] = gort_trace_task_begin(task_ids[1], "");
	gort_trace_task_end(task_ids[3]);
	gort_trace_task_end(task_ids[1]);
	gort_waitgroup_done(arg);
}

static void say_on_g0(void *arg)
{
	gort_trace_log(0, "", arg);
}

static void annotations(struct conf *c)
{
	struct gort_waitgroup wg = { 0 };

	memset(long_text, 'x', NLONG);
	speakers[0] = (int64_t)gort_goid();
	task_ids[2] = gort_trace_task_begin(0, "before");
	gort_trace_region_begin(0, "before");
	gort_trace_log(0, "", "before");
	conf_start(c);
	CHECK_EQ(gort_trace_enabled(), true);
	task_ids[1] = gort_trace_task_begin(task_ids[2], "task0");
	gort_trace_region_begin(task_ids[1], "task0 region");
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(speak, &wg), 0);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_systemstack_call(say_on_g0, "nobody says this"), 0);
	gort_trace_region_end(task_ids[1], "task0 region");
	gort_trace_region_end(0, "before");
	gort_trace_task_end(task_ids[2]);
	gort_trace_region_begin(0, "after");
	conf_stop(c);
	CHECK_EQ(gort_trace_enabled(), false);
	gort_trace_region_end(0, "after");
}

static bool user_event(int kind)
{
	return kind == TRACEFILE_LOG || kind == TRACEFILE_TASK_BEGIN ||
	       kind == TRACEFILE_TASK_END || kind == TRACEFILE_REGION_BEGIN ||
	       kind == TRACEFILE_REGION_END;
}

static uint64_t parent_id(int i)
{
	return i < 0 ? TRACEFILE_NO_TASK : task_ids[i];
}

static void annotations_event(struct conf *c, const struct tracefile *tf,
			      const struct tracefile_event *ev,
			      const struct tracefile_details *d)
{
	struct conf_said *s = &said[next_said];

	(void)c;
	if (!ev) {
		next_said = 0;
		return;
	}
	if (!user_event(ev->kind))
		return;
	CHECK_LT(next_said, NSAID);
	CHECK_EQ(ev->kind, s->kind);
	CHECK_EQ(conf_is(d->text, s->text), true);
	CHECK_EQ(ev->goroutine, speakers[s->goroutine]);
	CHECK_EQ(d->task, task_ids[s->task]);
	if (s->kind == TRACEFILE_TASK_BEGIN || s->kind == TRACEFILE_TASK_END)
		CHECK_EQ(d->parent, parent_id(s->parent));
	if (s->message)
		CHECK_EQ(conf_is(d->message, s->message), true);
	else if (s->kind == TRACEFILE_LOG)
		CHECK_EQ(d->message.len, 1024);
	CHECK_NE(ev->stack, 0);
	(void)tf;
	next_said++;
}

static void annotations_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	(void)f;
	CHECK_EQ(next_said, NSAID);
}

static void test_annotations(void **state)
{
	static const struct conf_prog p = {
		.name = "annotations",
		.run = annotations,
		.event = annotations_event,
		.expect = annotations_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- many, by many --- */

#define DEPTH	2

enum { TASKS, TASKS_ENDED, REGIONS, LOGS };

struct work {
	struct conf *c;
	struct gort_waitgroup *all;
	uint64_t task;
	int no, depth;
};

static void fan_out(struct conf *c, struct gort_waitgroup *all, uint64_t task,
		    int n, int depth);

static void worker(void *arg)
{
	struct work *w = arg;
	char name[32];

	snprintf(name, sizeof(name), "region%d", w->no);
	gort_trace_region_begin(w->task, name);
	gort_trace_logf(w->task, "log", "fan out to %s", name);
	w->c->count[REGIONS]++;
	w->c->count[LOGS]++;
	if (w->no == 2 && w->depth < DEPTH)
		fan_out(w->c, w->all, w->task, 3, w->depth + 1);
	gort_trace_region_end(w->task, name);
	gort_waitgroup_done(w->all);
}

static void fan_out(struct conf *c, struct gort_waitgroup *all, uint64_t task,
		    int n, int depth)
{
	struct work w = { .c = c, .all = all, .depth = depth };

	gort_trace_log(task, "log", "before");
	w.task = gort_trace_task_begin(task, "fan out");
	gort_trace_region_begin(w.task, "fan out");
	gort_waitgroup_add(all, n);
	for (w.no = 0; w.no < n; w.no++)
		CHECK_EQ(gort_go_copy(worker, &w, sizeof(w)), 0);
	gort_trace_region_end(w.task, "fan out");
	gort_yield();
	gort_trace_task_end(w.task);
	c->count[LOGS]++;
	c->count[TASKS]++;
	c->count[TASKS_ENDED]++;
	c->count[REGIONS]++;
}

static void annotations_stress(struct conf *c)
{
	uint64_t parent = gort_trace_task_begin(0, "parent");
	uint64_t before = gort_trace_task_begin(parent, "before");
	struct gort_waitgroup all = { 0 };
	uint64_t after, within;

	conf_start(c);
	gort_trace_task_end(before);
	after = gort_trace_task_begin(parent, "after");
	within = gort_trace_task_begin(0, "within");
	c->count[TASKS] += 2;
	c->count[TASKS_ENDED] += 2;
	for (int i = 0; i < 2; i++) {
		fan_out(c, &all, 0, 4, 0);
		fan_out(c, &all, parent, 2, 0);
		fan_out(c, &all, before, 3, 0);
		fan_out(c, &all, after, 6, 0);
		fan_out(c, &all, within, 5, 0);
		gort_sleep_ns(1000000);	/* a generation may end */
	}
	gort_waitgroup_wait(&all);
	gort_trace_task_end(within);
	conf_stop(c);
	gort_trace_task_end(after);
	gort_trace_task_end(parent);
}

static void annotations_stress_expect(struct conf *c,
				      const struct conf_facts *f)
{
	CHECK_EQ(f->kind[TRACEFILE_TASK_BEGIN], c->count[TASKS]);
	CHECK_EQ(f->kind[TRACEFILE_TASK_END], c->count[TASKS_ENDED]);
	CHECK_EQ(f->kind[TRACEFILE_REGION_BEGIN], c->count[REGIONS]);
	CHECK_EQ(f->kind[TRACEFILE_REGION_END], c->count[REGIONS]);
	CHECK_EQ(f->kind[TRACEFILE_LOG], c->count[LOGS]);
}

static void test_annotations_stress(void **state)
{
	static const struct conf_prog p = {
		.name = "annotations-stress",
		.run = annotations_stress,
		.expect = annotations_stress_expect,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_annotations_stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
