// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html_scan.c - first pass: sums, histograms, and the longest of
 * each kind.
 *
 * A goroutine is the more interesting the longer it ran or wanted to: of those
 * that did neither there is nothing to see.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>

struct scan scan = {
	.listed = TOP(MAX_LISTED, struct listed),
	.latencies = TOP(MAX_LATENCIES, struct latency),
	.stw_list = TOP(MAX_RANGES, struct range),
	.gc_list = TOP(MAX_RANGES, struct range),
	.sections = TOP(MAX_SECTIONS, struct section),
};

static struct map wait_map, kind_map, sample_map;
static size_t waits_cap, kinds_cap, samples_cap;

/* The world is stopped by one at a time, and marked once at a time. */
static struct range open_stw, open_gc;
static bool is_open_stw, is_open_gc;

static unsigned int hist_bucket(u64 v)
{
	unsigned int e;

	if (v < 16)
		return (unsigned int)v;
	e = 63 - (unsigned int)__builtin_clzll(v) - 4;
	return e * 16 + (unsigned int)(v >> e);
}

static void hist_add(struct hist *h, u64 v)
{
	h->count++;
	h->sum += v;
	h->max = v > h->max ? v : h->max;
	h->buckets[hist_bucket(v)]++;
}

/* The entry of a key; when there are too many, that of stack 0. */
static struct wait *wait_at(struct wait **array, size_t *n, size_t *cap,
			    struct map *map, size_t max, u32 why, u32 stack)
{
	u64 key = (u64)why << 32 | stack;
	u32 i = map_get(map, key);

	if (i == MAP_NONE && *n >= max && (why || stack))
		return wait_at(array, n, cap, map, max, stack ? why : 0, 0);
	if (i == MAP_NONE) {
		*array = grow(*array, *n, cap, sizeof(**array));
		i = (u32)(*n)++;
		(*array)[i] = (struct wait){ .why = why, .stack = stack };
		map_put(map, key, i);
	}
	return &(*array)[i];
}

static void wait_add(struct wait *w, u64 ns)
{
	w->rank += ns;
	w->count++;
	w->max = ns > w->max ? ns : w->max;
}

/* --- spans --- */

static void on_wait(const struct span *s)
{
	wait_add(wait_at(&scan.waits, &scan.nwaits, &waits_cap, &wait_map,
			 MAX_WAITS, s->why, s->stack),
		 (u64)(s->end - s->start));
}

static void on_run(const struct span *s)
{
	struct latency l = { .rank = (u64)s->latency, .span = *s };

	if (s->latency < 0)
		return;
	hist_add(&scan.latency, l.rank);
	top_offer(&scan.latencies, &l);
}

static void scan_g_span(const struct span *s)
{
	scan.state_time[s->state] += (u64)(s->end - s->start);
	if (s->state == TRACEFILE_GO_WAITING)
		on_wait(s);
	else if (s->state == TRACEFILE_GO_RUNNING)
		on_run(s);
}

static void scan_p_span(const struct span *s)
{
	(void)s;
}

static void scan_g_end(const struct gtrack *g, i64 now)
{
	struct site *s = &sites[g->site];
	struct listed l = {
		.rank = g->time[TRACEFILE_GO_RUNNING] +
			g->time[TRACEFILE_GO_RUNNABLE],
		.id = g->id, .begin = g->begin, .end = now,
		.max_latency = g->max_latency, .spans = g->spans,
		.site = g->site, .born = g->born,
		.ended = g->state == TRACEFILE_GO_NOT_EXIST,
	};
	unsigned int i;

	memcpy(l.time, g->time, sizeof(l.time));
	top_offer(&scan.listed, &l);
	top_offer(&s->best, &l);
	scan.goroutines++;
	scan.ended += l.ended;
	s->count++;
	s->ended += l.ended;
	for (i = 0; i <= TRACEFILE_GO_SYSCALL; i++)
		s->time[i] += g->time[i];
	if (g->max_latency > s->max_latency)
		s->max_latency = g->max_latency;
}

/* --- other events --- */

static void range_begin(struct range *r, bool *is_open, u32 what,
			const struct tracefile *tf,
			const struct tracefile_event *ev, i64 now)
{
	*r = (struct range){
		.start = now, .g = ev->goroutine, .what = what,
		.stack = intern_stack(tf, ev->stack),
	};
	*is_open = true;
}

static void range_end(struct range *r, bool *is_open, struct top *list,
		      struct hist *h, i64 now)
{
	if (!*is_open)
		return;
	*is_open = false;
	r->rank = (u64)(now - r->start);
	if (!r->rank)
		return;			/* outside the window */
	top_offer(list, r);
	if (h)
		hist_add(h, r->rank);
}

static void on_range(const struct tracefile *tf,
		     const struct tracefile_event *ev, i64 now)
{
	struct tracefile_details d;

	gort_tracefile_details(tf, ev, &d);
	switch (ev->type) {
	case TF_STW_BEGIN:
		range_begin(&open_stw, &is_open_stw, intern_string(d.text),
			    tf, ev, now);
		break;
	case TF_STW_END:
		range_end(&open_stw, &is_open_stw, &scan.stw_list, &scan.stw,
			  now);
		break;
	case TF_GC_ACTIVE:
		if (is_open_gc)
			break;
		/* fallthrough */
	case TF_GC_BEGIN:
		range_begin(&open_gc, &is_open_gc, intern_cstring(d.name),
			    tf, ev, now);
		break;
	case TF_GC_END:
		range_end(&open_gc, &is_open_gc, &scan.gc_list, NULL, now);
		break;
	}
}

bool parse_time(const char *s, u64 *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "ns", 1 }, { "us", 1e3 }, { "\xc2\xb5s", 1e3 },
		{ "ms", 1e6 }, { "s", 1e9 },
	};
	char *end;
	double v;
	size_t i;

	if (*s < '0' || *s > '9')
		return false;
	v = strtod(s, &end);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name) && v * units[i].ns < 1e18) {
			*ns = (u64)(v * units[i].ns + 0.5);
			return true;
		}
	return false;
}

/* "KIND WHAT 123.4us": of a section that has just ended. */
static void on_section(const struct tracefile *tf,
		       const struct tracefile_event *ev,
		       const struct tracefile_str *message, i64 now)
{
	size_t len = message->len < MAX_STRING ? message->len : MAX_STRING;
	struct section s = { .g = ev->goroutine, .p = ev->proc };
	char text[MAX_STRING + 1], *space;

	memcpy(text, message->p, len);
	text[len] = '\0';
	space = strrchr(text, ' ');
	if (!space || !parse_time(space + 1, &s.rank)) {
		scan.unparsed_sections++;
		return;
	}
	*space = '\0';
	s.what = intern_cstring(text);
	s.stack = intern_stack(tf, ev->stack);
	s.start = (i64)s.rank < now ? now - (i64)s.rank : 0;
	top_offer(&scan.sections, &s);
	hist_add(&scan.nonpreempt, s.rank);
	wait_add(wait_at(&scan.kinds, &scan.nkinds, &kinds_cap, &kind_map,
			 MAX_SECTION_KINDS, s.what, 0), s.rank);
}

static void on_log(const struct tracefile *tf,
		   const struct tracefile_event *ev, i64 now)
{
	static const char category[] = "nonpreempt";
	struct tracefile_details d;

	gort_tracefile_details(tf, ev, &d);
	if (d.text.len == sizeof(category) - 1 &&
	    !memcmp(d.text.p, category, d.text.len))
		on_section(tf, ev, &d.message, now);
	else
		scan.logs++;
}

static void scan_event(const struct tracefile *tf,
		       const struct tracefile_event *ev, i64 now, bool inside)
{
	if (ev->kind == TRACEFILE_RANGE_BEGIN ||
	    ev->kind == TRACEFILE_RANGE_ACTIVE ||
	    ev->kind == TRACEFILE_RANGE_END)
		on_range(tf, ev, now);
	if (!inside)
		return;
	scan.events++;
	switch (ev->kind) {
	case TRACEFILE_LOG:
		on_log(tf, ev, now);
		break;
	case TRACEFILE_SAMPLE:
		scan.samples_total++;
		wait_add(wait_at(&scan.samples, &scan.nsamples, &samples_cap,
				 &sample_map, MAX_SAMPLES, 0,
				 intern_stack(tf, ev->stack)), 1);
		break;
	case TRACEFILE_REGION_BEGIN:
		scan.regions++;
		break;
	case TRACEFILE_TASK_BEGIN:
		scan.tasks++;
		break;
	}
}

const struct sink scan_sink = {
	.g_span = scan_g_span,
	.p_span = scan_p_span,
	.g_end = scan_g_end,
	.event = scan_event,
};

static int by_sum(const void *a, const void *b)
{
	const struct wait *x = a, *y = b;

	return x->rank < y->rank ? 1 : x->rank > y->rank ? -1 : 0;
}

static void sort_waits(struct wait *w, size_t n)
{
	if (n)
		qsort(w, n, sizeof(*w), by_sum);
}

static int by_listed_rank(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? 1 : -1) :
	       (x->id > y->id) - (x->id < y->id);
}

/* Those of src that are not there yet. */
static void show(struct map *seen, const struct top *src)
{
	const struct listed *l = (const void *)src->items;
	size_t i;

	for (i = 0; i < src->n && scan.nshown < MAX_LISTED; i++) {
		if (map_get(seen, (u64)l[i].id) != MAP_NONE)
			continue;
		map_put(seen, (u64)l[i].id, 0);
		scan.shown[scan.nshown++] = l[i];
	}
}

/*
 * The best of each site first: else a crowd of one kind, that all waited for
 * the same, would be all there is to see.
 */
static void choose_shown(void)
{
	struct map seen = { 0 };
	size_t i;

	scan.shown = cmd_alloc(MAX_LISTED * sizeof(*scan.shown));
	for (i = 0; i < nsites; i++)
		show(&seen, &sites[i].best);
	qsort(scan.shown, scan.nshown, sizeof(*scan.shown), by_listed_rank);
	top_sort(&scan.listed);
	show(&seen, &scan.listed);
	map_reset(&seen);
}

void scan_finish(void)
{
	choose_shown();
	top_sort(&scan.latencies);
	top_sort(&scan.stw_list);
	top_sort(&scan.gc_list);
	top_sort(&scan.sections);
	sort_waits(scan.waits, scan.nwaits);
	sort_waits(scan.kinds, scan.nkinds);
	sort_waits(scan.samples, scan.nsamples);
}
