// SPDX-License-Identifier: ISC
/*
 * trace/cmd/info.c - gort trace info: what a trace is of, in some lines.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tally.h"

struct info {
	u64 events, samples, logs, tasks, regions, experimental;
	i64 first, last;	/* ns */
	u64 procs_max;		/* greatest GOMAXPROCS */
	struct tracefile_sync sync;	/* the first */
	struct table threads, procs, goroutines;	/* ids only */
};

static void note(struct table *t, i64 id)
{
	if (id != TRACEFILE_NONE && !table_find(t, (u64)id))
		tally_new(t, (u64)id);
}

static void take(struct info *in, const struct tracefile *tf,
		 const struct tracefile_event *ev)
{
	if (!in->events++) {
		in->first = ev->time;
		if (ev->kind == TRACEFILE_SYNC)
			gort_tracefile_sync(tf, ev, &in->sync);
	}
	in->last = ev->time;
	note(&in->threads, ev->thread);
	note(&in->procs, ev->proc);
	note(&in->goroutines, ev->goroutine);
	if (ev->resource == TRACEFILE_PROC)
		note(&in->procs, ev->id);
	if (ev->resource == TRACEFILE_GOROUTINE)
		note(&in->goroutines, ev->id);
	in->samples += ev->kind == TRACEFILE_SAMPLE;
	in->logs += ev->kind == TRACEFILE_LOG;
	in->tasks += ev->kind == TRACEFILE_TASK_BEGIN;
	in->regions += ev->kind == TRACEFILE_REGION_BEGIN;
	in->experimental += ev->kind == TRACEFILE_EXPERIMENTAL;
	if (ev->type == TF_PROCS_CHANGE && ev->args[0] > in->procs_max)
		in->procs_max = ev->args[0];
}

static void print_clock(const struct tracefile_sync *s)
{
	time_t sec = (time_t)s->wall_sec;
	char day[40];
	struct tm tm;

	if (!s->clock || !gmtime_r(&sec, &tm) ||
	    !strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm))
		return;
	printf("begin        %s.%09" PRIu32 " UTC\n", day, s->wall_nsec);
}

static void print_some(const char *what, u64 n)
{
	if (n)
		printf("%-12s %" PRIu64 "\n", what, n);
}

static void print(const struct info *in, const struct cmd_trace *t)
{
	u64 ns = (u64)in->last - (u64)in->first;

	printf("file         %s\n", t->file.name);
	printf("size         %zu bytes, %.1f for each event\n", t->file.size,
	       in->events ? (double)t->file.size / (double)in->events : 0.0);
	printf("format       Go 1.%u\n", gort_tracefile_version(t->tf));
	print_clock(&in->sync);
	printf("duration     %s\n", show_ns(ns));
	printf("generations  %" PRIu64 "\n", gort_tracefile_generations(t->tf));
	printf("events       %" PRIu64 ", %.0f a second\n", in->events,
	       ns ? (double)in->events / (double)ns * 1e9 : 0.0);
	print_some("GOMAXPROCS", in->procs_max);
	printf("processors   %" PRIu32 "\n", in->procs.n);
	printf("threads      %" PRIu32 "\n", in->threads.n);
	printf("goroutines   %" PRIu32 "\n", in->goroutines.n);
	print_some("tasks", in->tasks);
	print_some("regions", in->regions);
	print_some("logs", in->logs);
	print_some("CPU samples", in->samples);
	print_some("experimental", in->experimental);
}

static int run(int nargs, char **args)
{
	struct tracefile_event ev;
	struct info in = { 0 };
	struct cmd_trace t;

	(void)nargs;
	tally_table(&in.threads, sizeof(u64));
	tally_table(&in.procs, sizeof(u64));
	tally_table(&in.goroutines, sizeof(u64));
	if (cmd_trace_open(&t, args[0], TRACEFILE_TAIL) == CMD_OK) {
		while (cmd_trace_next(&t, &ev))
			take(&in, t.tf, &ev);
		print(&in, &t);
	}
	return cmd_trace_close(&t);
}

const struct cmd cmd_trace_info = {
	.group = "trace",
	.name = "info",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "say what a trace is of: when, how long, how much",
	.help =
"Counts all processors, threads and goroutines that do something in it.  If the\n"
"trace is broken, only what comes before that counts.\n",
	.bad = "the trace is broken",
	.run = run,
};
