// SPDX-License-Identifier: ISC
/*
 * trace/cmd/stats.c - gort trace stats: what the time of a trace was spent on.
 *
 * One pass.  A goroutine is known as long as it exists, so that memory does
 * not grow with those that come and go; what it did goes to the place that
 * created it.  A state that lasts to the end of the trace counts to there.
 */
#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

#define STATES		(TRACEFILE_GO_SYSCALL + 1)
#define TYPES		256
#define FRAMES		8	/* shown of a stack */

struct goroutine {
	u64 id;
	u64 site;		/* id of its struct site */
	i64 since;		/* in state */
	u64 stack;		/* where it waits */
	struct tracefile_str reason;	/* what for */
	u8 state;
	u64 ns[STATES];
};

/* Where goroutines were created. */
struct site {
	u64 id;
	struct tracefile_str func;	/* theirs */
	u64 stack;		/* that created them */
	u64 created;
	u64 ended;
	u64 ns[STATES];
};

/* A range that has begun. */
struct open_range {
	u64 id;			/* what it is of: hash of scope and name */
	i64 since;
	struct tracefile_str text;
};

struct stats {
	u64 types[TYPES];
	i64 first, last;
	struct stacks stacks;
	struct table gs;	/* struct goroutine */
	struct table sites;	/* struct site */
	struct table open;	/* struct open_range */
	struct table reasons;	/* struct tally: blocked, by reason, */
	struct table blocked;	/* by reason and stack */
	struct table syscalls;	/* by stack */
	struct table stw;	/* by reason */
	struct table ranges;	/* other ones, by name */
	struct hist latency;	/* from runnable to running */
	u64 syscalls_blocked;	/* that lost their processor */
	u64 ns[STATES];
};

static const char *rows_text = "10";
static u64 rows;

static struct tracefile_str str(const char *s)
{
	return (struct tracefile_str){ s, strlen(s) };
}

static struct tracefile_str known(struct tracefile_str s, const char *instead)
{
	return s.len ? s : str(instead);
}

/* --- goroutines --- */

static struct site *site_of(struct stats *st, struct tracefile_str func,
			    u64 stack)
{
	u64 id = tally_hash(stack, func.p, func.len);
	struct site *s = table_find(&st->sites, id);

	if (!s) {
		s = tally_new(&st->sites, id);
		s->func = func;
		s->stack = stack;
	}
	return s;
}

static struct goroutine *begin(struct stats *st, const struct tracefile *tf,
			       const struct tracefile_event *ev,
			       const struct tracefile_details *d)
{
	struct tracefile_str func = str("(existed before)");
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	struct goroutine *g;
	struct site *s;
	u64 stack = 0;

	if (ev->old_state == TRACEFILE_GO_NOT_EXIST) {
		func = str("(unknown)");
		if (gort_tracefile_stack(tf, d->stack, fr))
			func = known(fr[0].func, "(unknown)");
		stack = stacks_id(&st->stacks, tf, ev, ev->stack);
	}
	s = site_of(st, func, stack);
	s->created++;
	g = tally_new(&st->gs, (u64)ev->id);
	g->site = s->id;
	g->since = ev->time;
	g->state = ev->old_state;
	return g;
}

/* The state it was in is over. */
static void leave(struct stats *st, struct goroutine *g, i64 now)
{
	u64 ns = (u64)now - (u64)g->since;

	g->since = now;
	g->ns[g->state] += ns;
	if (g->state == TRACEFILE_GO_WAITING) {
		tally_add(tally_of(&st->reasons, g->reason, 0), ns);
		tally_add(tally_of(&st->blocked, g->reason, g->stack), ns);
	} else if (g->state == TRACEFILE_GO_SYSCALL) {
		tally_add(tally_of(&st->syscalls, str(""), g->stack), ns);
	}
}

/* What it did is its creator's. */
static void settle(struct stats *st, const struct goroutine *g)
{
	struct site *s = table_find(&st->sites, g->site);
	int i;

	for (i = 0; i < STATES; i++) {
		s->ns[i] += g->ns[i];
		st->ns[i] += g->ns[i];
	}
}

static void transition(struct stats *st, const struct tracefile *tf,
		       const struct tracefile_event *ev)
{
	struct goroutine *g = table_find(&st->gs, (u64)ev->id);
	struct tracefile_details d;
	struct site *s;

	gort_tracefile_details(tf, ev, &d);
	if (!g)
		g = begin(st, tf, ev, &d);
	else if (ev->old_state == ev->new_state)
		return;		/* a new generation begins */
	if (g->state == TRACEFILE_GO_RUNNABLE &&
	    ev->new_state == TRACEFILE_GO_RUNNING)
		hist_add(&st->latency, (u64)ev->time - (u64)g->since);
	st->syscalls_blocked += ev->type == TF_GO_SYSCALL_END_BLOCKED;
	leave(st, g, ev->time);
	g->state = ev->new_state;
	if (g->state == TRACEFILE_GO_WAITING ||
	    g->state == TRACEFILE_GO_SYSCALL) {
		g->reason = known(d.text, "(unknown)");
		g->stack = stacks_id(&st->stacks, tf, ev, d.stack);
	} else if (g->state == TRACEFILE_GO_NOT_EXIST) {
		settle(st, g);
		s = table_find(&st->sites, g->site);
		s->ended++;
		gort_tracefile_table_del(&st->gs, g);
	}
}

/* --- ranges --- */

static void range(struct stats *st, const struct tracefile *tf,
		  const struct tracefile_event *ev)
{
	struct tracefile_details d;
	struct open_range *r;
	struct table *to;
	u64 key[2], id;

	gort_tracefile_details(tf, ev, &d);
	key[0] = d.resource;
	key[1] = (u64)d.id;
	id = tally_hash(tally_hash(0, key, sizeof(key)), d.name, strlen(d.name));
	r = table_find(&st->open, id);
	if (ev->kind != TRACEFILE_RANGE_END) {
		if (!r) {
			r = tally_new(&st->open, id);
			r->since = ev->time;
			r->text = d.text;
		}
		return;
	}
	if (!r)
		return;
	to = ev->type == TF_STW_END ? &st->stw : &st->ranges;
	tally_add(tally_of(to, ev->type == TF_STW_END ?
			   known(r->text, "(unknown)") : str(d.name), 0),
		  (u64)ev->time - (u64)r->since);
	gort_tracefile_table_del(&st->open, r);
}

static void take(struct stats *st, const struct tracefile *tf,
		 const struct tracefile_event *ev)
{
	if (!st->first)
		st->first = ev->time;
	st->last = ev->time;
	st->types[ev->type]++;
	switch (ev->kind) {
	case TRACEFILE_TRANSITION:
		if (ev->resource == TRACEFILE_GOROUTINE)
			transition(st, tf, ev);
		break;
	case TRACEFILE_RANGE_BEGIN:
	case TRACEFILE_RANGE_ACTIVE:
	case TRACEFILE_RANGE_END:
		range(st, tf, ev);
		break;
	}
}

/* The trace is over, those that exist are not. */
static void finish(struct stats *st)
{
	struct goroutine *g;
	u32 i;

	for (i = 0; i < st->gs.n; i++) {
		g = table_at(&st->gs, i);
		leave(st, g, st->last);
		settle(st, g);
	}
}

/* --- printing --- */

static void print_left_out(u64 n)
{
	if (n > rows)
		printf("  ... %" PRIu64 " more\n", n - rows);
}

static u64 type_counts[TYPES];	/* for by_count() */

static int by_count(const void *x, const void *y)
{
	int a = *(const u8 *)x, b = *(const u8 *)y;

	if (type_counts[a] != type_counts[b])
		return type_counts[a] < type_counts[b] ? 1 : -1;
	return a - b;
}

static void print_types(const struct stats *st)
{
	u8 order[TYPES];
	int i;

	for (i = 0; i < TYPES; i++)
		order[i] = (u8)i;
	memcpy(type_counts, st->types, sizeof(type_counts));
	qsort(order, TYPES, sizeof(*order), by_count);
	printf("Events\n");
	for (i = 0; i < TYPES && type_counts[order[i]]; i++)
		printf("%12" PRIu64 "  %s\n", type_counts[order[i]],
		       order[i] == TF_SYNC_EVENT ? "Sync" :
				gort_tracefile_type_name(order[i]));
}

static void print_states(const struct stats *st)
{
	u64 sum = 0;
	int i;

	for (i = TRACEFILE_GO_RUNNABLE; i < STATES; i++)
		sum += st->ns[i];
	printf("\nTime of all goroutines, in a trace of %s\n",
	       show_ns((u64)st->last - (u64)st->first));
	for (i = TRACEFILE_GO_RUNNABLE; i < STATES; i++)
		printf("%10s %5.1f%%  %s\n", show_ns(st->ns[i]),
		       sum ? (double)st->ns[i] / (double)sum * 100 : 0.0,
		       gort_tracefile_state_name(TRACEFILE_GOROUTINE,
						 (unsigned int)i));
}

static void print_latency(const struct hist *h)
{
	printf("\nScheduling latency, from runnable to running\n"
	       "%12s %8s %8s %8s %8s %8s\n"
	       "%12" PRIu64 " %8s %8s %8s %8s %8s\n",
	       "count", "p50", "p90", "p99", "p99.9", "max", h->count,
	       show_ns(hist_quantile(h, 500)), show_ns(hist_quantile(h, 900)),
	       show_ns(hist_quantile(h, 990)), show_ns(hist_quantile(h, 999)),
	       show_ns(h->max_ns));
}

/* stacks: NULL if they have none */
static void print_tallies(const char *title, const struct table *t,
			  const struct stacks *stacks)
{
	const struct tally **all = tally_sort(t), *ta;
	u32 i;

	if (t->n)
		printf("\n%s\n%12s %8s %8s %8s\n", title, "count", "total",
		       "mean", "max");
	for (i = 0; i < t->n && i < rows; i++) {
		ta = all[i];
		printf("%12" PRIu64 " %8s %8s %8s%s", ta->count,
		       show_ns(ta->total_ns),
		       show_ns(ta->count ? ta->total_ns / ta->count : 0),
		       show_ns(ta->max_ns), ta->text.len ? "  " : "");
		cmd_print_text(ta->text);
		putchar('\n');
		if (stacks)
			stacks_print(stacks_get(stacks, ta->stack), FRAMES,
				     "                    ");
	}
	print_left_out(t->n);
	free(all);
}

/* The most goroutines first. */
static int by_created(const void *x, const void *y)
{
	const struct site *a = *(const struct site *const *)x;
	const struct site *b = *(const struct site *const *)y;

	if (a->created != b->created)
		return a->created < b->created ? 1 : -1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void print_sites(const struct stats *st)
{
	const struct site **all = cmd_alloc(st->sites.n * sizeof(*all)), *s;
	u32 i;

	for (i = 0; i < st->sites.n; i++)
		all[i] = table_at(&st->sites, i);
	qsort(all, st->sites.n, sizeof(*all), by_created);
	printf("\nGoroutines, by what they run and who created them\n"
	       "%12s %8s %8s %8s %8s %8s\n", "count", "ended", "running",
	       "runnable", "waiting", "syscall");
	for (i = 0; i < st->sites.n && i < rows; i++) {
		s = all[i];
		printf("%12" PRIu64 " %8" PRIu64 " %8s %8s %8s %8s  ",
		       s->created, s->ended,
		       show_ns(s->ns[TRACEFILE_GO_RUNNING]),
		       show_ns(s->ns[TRACEFILE_GO_RUNNABLE]),
		       show_ns(s->ns[TRACEFILE_GO_WAITING]),
		       show_ns(s->ns[TRACEFILE_GO_SYSCALL]));
		cmd_print_text(s->func);
		putchar('\n');
		stacks_print(stacks_get(&st->stacks, s->stack), FRAMES,
			     "                    ");
	}
	print_left_out(st->sites.n);
	free(all);
}

static void print(const struct stats *st)
{
	print_types(st);
	print_states(st);
	if (st->latency.count)
		print_latency(&st->latency);
	print_tallies("Blocked, by reason", &st->reasons, NULL);
	print_tallies("Blocked, by reason and stack", &st->blocked,
		      &st->stacks);
	print_tallies("System calls, by stack", &st->syscalls, &st->stacks);
	if (st->syscalls_blocked)
		printf("%12" PRIu64 " of all system calls lost their "
		       "processor\n", st->syscalls_blocked);
	print_tallies("World stopped, by reason", &st->stw, NULL);
	print_tallies("Other ranges", &st->ranges, NULL);
	print_sites(st);
}

static void init(struct stats *st)
{
	memset(st, 0, sizeof(*st));
	stacks_init(&st->stacks);
	tally_table(&st->gs, sizeof(struct goroutine));
	tally_table(&st->sites, sizeof(struct site));
	tally_table(&st->open, sizeof(struct open_range));
	tally_table(&st->reasons, sizeof(struct tally));
	tally_table(&st->blocked, sizeof(struct tally));
	tally_table(&st->syscalls, sizeof(struct tally));
	tally_table(&st->stw, sizeof(struct tally));
	tally_table(&st->ranges, sizeof(struct tally));
}

static int run(int nargs, char **args)
{
	static struct stats st;
	struct tracefile_event ev;
	struct cmd_trace t;

	(void)nargs;
	if (!cmd_number(rows_text, UINT32_MAX, &rows))
		return cmd_usage(&cmd_trace_stats, "--rows=%s: want a number",
				 rows_text);
	init(&st);
	if (cmd_trace_open(&t, args[0], TRACEFILE_TAIL) == CMD_OK) {
		while (cmd_trace_next(&t, &ev))
			take(&st, t.tf, &ev);
		finish(&st);
		cmd_progress_end();
		print(&st);
	}
	return cmd_trace_close(&t);
}

static const struct cmd_option options[] = {
	{ .name = "rows", .letter = 'n', .arg = "N", .value = &rows_text,
	  .help = "show the first N of each table (10)" },
	{ 0 }
};

const struct cmd cmd_trace_stats = {
	.group = "trace",
	.name = "stats",
	.args = "FILE",
	.min_args = 1,
	.max_args = 1,
	.brief = "sum up what the time of a trace was spent on",
	.help =
"Events by type, goroutines' time by state, how long they were runnable before\n"
"they ran, what they were blocked by and where, system calls, stops of the\n"
"world, and goroutines by who created them.  What was not over at the end of the\n"
"trace counts up to there.\n",
	.bad = "the trace is broken; what comes before that was summed up",
	.options = options,
	.run = run,
};
