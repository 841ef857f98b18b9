// SPDX-License-Identifier: ISC
/*
 * trace/cmd/json.c - gort trace json: a trace for Perfetto and chrome://tracing.
 *
 * The form is that of Google's "Trace Event Format".  Processors, goroutines
 * and the regions of goroutines are three processes there, and each of them a
 * thread of these, with slices: B begins one, E ends the innermost.  Events
 * are written as they come, so times never fall, and memory is for what exists
 * at a time only.
 *
 * Regions have threads of their own, since a goroutine's state may change
 * within one.  What may overlap, ranges and tasks, is asynchronous (b and e).
 *
 * Invariants, also where the trace breaks off:
 *  I1  Of each thread, each B has an E, and none has another's; each b an e.
 *  I2  All strings are UTF-8, whatever is in the trace.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tally.h"

enum pid {
	PID_PROCS = 1,
	PID_GOROUTINES,
	PID_REGIONS,
};

struct goroutine {
	u64 id;
	i64 proc;		/* in whose slice it runs, or none */
	struct tracefile_str func;	/* where it began */
	u32 regions;		/* open ones */
	u8 state;		/* has a slice, unless it does not exist */
};

struct proc {
	u64 id;
	bool busy;		/* a goroutine's slice is open */
};

/* A range that has begun. */
struct open_range {
	u64 id;
	const char *name;
	struct tracefile_str text;
};

struct task {
	u64 id;
	struct tracefile_str text;
};

struct writer {
	const struct tracefile *tf;
	bool any;		/* events were written */
	i64 begin, now;		/* ns */
	struct table gs, procs, ranges, tasks;
};

/* --- values --- */

/* What stands between quotes. */
static void put_text(struct tracefile_str s)
{
	const u8 *p = (const u8 *)s.p;
	size_t i, n;

	for (i = 0; i < s.len; i += n) {
		n = cmd_utf8_length(s.p + i, s.len - i);
		if (!n) {
			fputs("\\ufffd", stdout);
			n = 1;
		} else if (p[i] == '"' || p[i] == '\\') {
			printf("\\%c", p[i]);
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			printf("\\u%04x", p[i]);
		} else {
			fwrite(p + i, 1, n, stdout);
		}
	}
}

static void put_str(struct tracefile_str s)
{
	putchar('"');
	put_text(s);
	putchar('"');
}

static struct tracefile_str str(const char *s)
{
	return (struct tracefile_str){ s, strlen(s) };
}

/* An array of "function file:line", innermost first. */
static void put_stack(const struct writer *w, u64 stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(w->tf, stack, fr), i;

	putchar('[');
	for (i = 0; i < n; i++) {
		fputs(i ? ",\"" : "\"", stdout);
		put_text(fr[i].func.len ? fr[i].func : str("?"));
		if (fr[i].file.len) {
			putchar(' ');
			put_text(fr[i].file);
			printf(":%" PRIu64, fr[i].line);
		}
		putchar('"');
	}
	putchar(']');
}

/* --- events --- */

/* {"ph":...: the rest follows, and "}" */
static void open_event(struct writer *w, const char *ph, enum pid pid, i64 tid)
{
	u64 ns = (u64)w->now - (u64)w->begin;

	printf("%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%" PRId64
	       ",\"ts\":%" PRIu64 ".%03u", w->any ? "," : "", ph, (int)pid, tid,
	       ns / 1000, (unsigned int)(ns % 1000));
	w->any = true;
}

static void put_name(const char *cat, struct tracefile_str name)
{
	printf(",\"cat\":\"%s\",\"name\":", cat);
	put_str(name);
}

static void end_slice(struct writer *w, enum pid pid, i64 tid)
{
	open_event(w, "E", pid, tid);
	putchar('}');
}

/* "G7 main", between quotes */
static void put_goroutine(const struct goroutine *g)
{
	printf("\"G%" PRIu64, g->id);
	if (g->func.len) {
		putchar(' ');
		put_text(g->func);
	}
	putchar('"');
}

/* The name of a process, of thread 0 of it; or of a thread. */
static void open_meta(struct writer *w, const char *what, enum pid pid, i64 tid)
{
	printf("%s\n{\"ph\":\"M\",\"pid\":%d,\"tid\":%" PRId64
	       ",\"name\":\"%s\",\"args\":{\"name\":", w->any ? "," : "",
	       (int)pid, tid, what);
	w->any = true;
}

static void name_process(struct writer *w, enum pid pid, const char *name)
{
	open_meta(w, "process_name", pid, 0);
	printf("\"%s\"}}", name);
}

/* --- processors --- */

static struct proc *proc_of(struct writer *w, i64 id)
{
	struct proc *p = table_find(&w->procs, (u64)id);

	if (!p) {
		p = tally_new(&w->procs, (u64)id);
		open_meta(w, "thread_name", PID_PROCS, id);
		printf("\"P%" PRId64 "\"}}", id);
	}
	return p;
}

static void proc_end_slice(struct writer *w, i64 id)
{
	struct proc *p = proc_of(w, id);

	if (p->busy)
		end_slice(w, PID_PROCS, id);
	p->busy = false;
}

static void proc_begin_slice(struct writer *w, i64 id,
			     const struct goroutine *g)
{
	proc_end_slice(w, id);
	open_event(w, "B", PID_PROCS, id);
	fputs(",\"cat\":\"proc\",\"name\":", stdout);
	put_goroutine(g);
	printf(",\"args\":{\"goroutine\":%" PRIu64 "}}", g->id);
	proc_of(w, id)->busy = true;
}

/* --- goroutines --- */

static struct tracefile_str first_function(const struct writer *w,
					   const struct tracefile_event *ev,
					   u64 stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(w->tf, stack, fr);

	if (!n)
		return str("");
	return fr[ev->old_state == TRACEFILE_GO_NOT_EXIST ? 0 : n - 1].func;
}

static struct goroutine *goroutine_new(struct writer *w,
				       const struct tracefile_event *ev,
				       const struct tracefile_details *d)
{
	struct goroutine *g = tally_new(&w->gs, (u64)ev->id);

	g->proc = TRACEFILE_NONE;
	g->state = TRACEFILE_GO_NOT_EXIST;
	g->func = first_function(w, ev, d->stack);
	open_meta(w, "thread_name", PID_GOROUTINES, ev->id);
	put_goroutine(g);
	fputs("}}", stdout);
	return g;
}

static void leave_state(struct writer *w, struct goroutine *g)
{
	if (g->state != TRACEFILE_GO_NOT_EXIST)
		end_slice(w, PID_GOROUTINES, (i64)g->id);
	if (g->proc != TRACEFILE_NONE)
		proc_end_slice(w, g->proc);
	g->proc = TRACEFILE_NONE;
	g->state = TRACEFILE_GO_NOT_EXIST;
}

static void end_regions(struct writer *w, struct goroutine *g)
{
	for (; g->regions; g->regions--)
		end_slice(w, PID_REGIONS, (i64)g->id);
}

static void begin_state(struct writer *w, struct goroutine *g,
			const struct tracefile_event *ev,
			const struct tracefile_details *d)
{
	const char *state = gort_tracefile_state_name(TRACEFILE_GOROUTINE,
						      ev->new_state);
	bool runnable = ev->new_state == TRACEFILE_GO_RUNNABLE;

	open_event(w, "B", PID_GOROUTINES, ev->id);
	put_name(state, ev->new_state == TRACEFILE_GO_WAITING && d->text.len ?
		 d->text : str(state));
	fputs(",\"args\":{\"stack\":", stdout);
	put_stack(w, runnable ? ev->stack : d->stack);
	if (runnable && ev->goroutine != TRACEFILE_NONE &&
	    ev->goroutine != ev->id)
		printf(",\"by\":%" PRId64, ev->goroutine);
	fputs("}}", stdout);
	g->state = ev->new_state;
	if (g->state == TRACEFILE_GO_RUNNING && ev->proc != TRACEFILE_NONE) {
		g->proc = ev->proc;
		proc_begin_slice(w, ev->proc, g);
	}
}

static void transition(struct writer *w, const struct tracefile_event *ev)
{
	struct goroutine *g = table_find(&w->gs, (u64)ev->id);
	struct tracefile_details d;

	gort_tracefile_details(w->tf, ev, &d);
	if (!g)
		g = goroutine_new(w, ev, &d);
	else if (ev->old_state == ev->new_state)
		return;		/* a new generation begins */
	leave_state(w, g);
	if (ev->new_state != TRACEFILE_GO_NOT_EXIST) {
		begin_state(w, g, ev, &d);
		return;
	}
	end_regions(w, g);
	gort_tracefile_table_del(&w->gs, g);
}

/* --- the rest --- */

static void put_range(struct writer *w, const char *ph,
		      const struct open_range *r, i64 proc)
{
	open_event(w, ph, PID_PROCS, proc == TRACEFILE_NONE ? 0 : proc);
	printf(",\"id\":\"%" PRIx64 "\"", r->id);
	printf(",\"cat\":\"range\",\"name\":\"%s", r->name);
	if (r->text.len) {
		fputs(" (", stdout);
		put_text(r->text);
		putchar(')');
	}
	fputs("\"}", stdout);
}

static void range(struct writer *w, const struct tracefile_event *ev)
{
	struct tracefile_details d;
	struct open_range *r;
	u64 key[2], id;

	gort_tracefile_details(w->tf, ev, &d);
	key[0] = d.resource;
	key[1] = (u64)d.id;
	id = tally_hash(tally_hash(0, key, sizeof(key)), d.name,
			strlen(d.name));
	r = table_find(&w->ranges, id);
	if (ev->kind == TRACEFILE_RANGE_END) {
		if (!r)
			return;
		put_range(w, "e", r, ev->proc);
		gort_tracefile_table_del(&w->ranges, r);
	} else if (!r) {
		r = tally_new(&w->ranges, id);
		r->name = d.name;
		r->text = d.text;
		put_range(w, "b", r, ev->proc);
	}
}

static void region(struct writer *w, const struct tracefile_event *ev)
{
	struct goroutine *g = table_find(&w->gs, (u64)ev->goroutine);
	struct tracefile_details d;

	if (!g)
		return;
	if (ev->kind == TRACEFILE_REGION_END) {
		if (g->regions) {
			g->regions--;
			end_slice(w, PID_REGIONS, ev->goroutine);
		}
		return;
	}
	gort_tracefile_details(w->tf, ev, &d);
	if (!g->regions++) {
		open_meta(w, "thread_name", PID_REGIONS, ev->goroutine);
		put_goroutine(g);
		fputs("}}", stdout);
	}
	open_event(w, "B", PID_REGIONS, ev->goroutine);
	put_name("region", d.text);
	printf(",\"args\":{\"task\":%" PRIu64 ",\"stack\":", d.task);
	put_stack(w, ev->stack);
	fputs("}}", stdout);
}

static void put_task(struct writer *w, const char *ph, const struct task *t)
{
	open_event(w, ph, PID_REGIONS, 0);
	printf(",\"id\":\"task%" PRIu64 "\"", t->id);
	put_name("task", t->text);
	putchar('}');
}

/* One may have begun before the trace. */
static void task(struct writer *w, const struct tracefile_event *ev)
{
	struct tracefile_details d;
	struct task *t;

	gort_tracefile_details(w->tf, ev, &d);
	t = table_find(&w->tasks, d.task);
	if (ev->kind == TRACEFILE_TASK_BEGIN && !t) {
		t = tally_new(&w->tasks, d.task);
		t->text = d.text;
		put_task(w, "b", t);
	} else if (ev->kind == TRACEFILE_TASK_END && t) {
		put_task(w, "e", t);
		gort_tracefile_table_del(&w->tasks, t);
	}
}

/* Something at one moment: where it can be seen best. */
static void instant(struct writer *w, const struct tracefile_event *ev)
{
	struct tracefile_details d;
	bool on_g = ev->goroutine != TRACEFILE_NONE;

	gort_tracefile_details(w->tf, ev, &d);
	open_event(w, "i", on_g ? PID_GOROUTINES : PID_PROCS,
		   on_g ? ev->goroutine : ev->proc);
	fputs(",\"s\":\"t\"", stdout);
	put_name(ev->kind == TRACEFILE_LOG ? "log" :
		 ev->kind == TRACEFILE_LABEL ? "label" : "sample",
		 ev->kind == TRACEFILE_SAMPLE ? str("CPU sample") : d.text);
	fputs(",\"args\":{\"message\":", stdout);
	put_str(d.message);
	fputs(",\"stack\":", stdout);
	put_stack(w, ev->stack);
	fputs("}}", stdout);
}

static void metric(struct writer *w, const struct tracefile_event *ev)
{
	struct tracefile_details d;

	gort_tracefile_details(w->tf, ev, &d);
	open_event(w, "C", PID_PROCS, 0);
	put_name("metric", str(d.name));
	printf(",\"args\":{\"value\":%" PRIu64 "}}", d.value);
}

static void take(struct writer *w, const struct tracefile_event *ev)
{
	if (!w->begin)
		w->begin = ev->time;
	w->now = ev->time;
	switch (ev->kind) {
	case TRACEFILE_TRANSITION:
		if (ev->resource == TRACEFILE_GOROUTINE)
			transition(w, ev);
		break;
	case TRACEFILE_RANGE_BEGIN:
	case TRACEFILE_RANGE_ACTIVE:
	case TRACEFILE_RANGE_END:
		range(w, ev);
		break;
	case TRACEFILE_REGION_BEGIN:
	case TRACEFILE_REGION_END:
		region(w, ev);
		break;
	case TRACEFILE_TASK_BEGIN:
	case TRACEFILE_TASK_END:
		task(w, ev);
		break;
	case TRACEFILE_LOG:
	case TRACEFILE_LABEL:
	case TRACEFILE_SAMPLE:
		instant(w, ev);
		break;
	case TRACEFILE_METRIC:
		metric(w, ev);
		break;
	}
}

/* What is open ends with the trace. */
static void finish(struct writer *w)
{
	struct goroutine *g;
	u32 i;

	for (i = 0; i < w->gs.n; i++) {
		g = table_at(&w->gs, i);
		leave_state(w, g);
		end_regions(w, g);
	}
	for (i = 0; i < w->ranges.n; i++)
		put_range(w, "e", table_at(&w->ranges, i), TRACEFILE_NONE);
	for (i = 0; i < w->tasks.n; i++)
		put_task(w, "e", table_at(&w->tasks, i));
}

static int run(int nargs, char **args)
{
	struct writer w = { 0 };
	struct tracefile_event ev;
	struct cmd_trace t;

	(void)nargs;
	cmd_progress_shares_stdout();
	if (cmd_trace_open(&t, args[0], TRACEFILE_TAIL) != CMD_OK)
		return cmd_trace_close(&t);
	w.tf = t.tf;
	tally_table(&w.gs, sizeof(struct goroutine));
	tally_table(&w.procs, sizeof(struct proc));
	tally_table(&w.ranges, sizeof(struct open_range));
	tally_table(&w.tasks, sizeof(struct task));
	printf("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
	name_process(&w, PID_PROCS, "Processors");
	name_process(&w, PID_GOROUTINES, "Goroutines");
	name_process(&w, PID_REGIONS, "Regions and tasks");
	while (cmd_trace_next(&t, &ev))
		take(&w, &ev);
	finish(&w);
	printf("\n]}\n");
	return cmd_trace_close(&t);
}

const struct cmd cmd_trace_json = {
	.group = "trace",
	.name = "json",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "convert a trace for Perfetto and chrome://tracing",
	.help =
"To standard output, in Google's Trace Event Format: what ran on which processor,\n"
"the states of goroutines and why they waited, regions, tasks, logs, ranges,\n"
"metrics and CPU samples.  Spans and objects of the heap are left out.\n",
	.bad = "the trace is broken; what comes before that was converted",
	.run = run,
};
