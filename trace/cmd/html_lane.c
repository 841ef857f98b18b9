// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html_lane.c - second pass: the spans that are drawn.
 *
 * There are two sets of lanes, of Ps and of goroutines, each of at most
 * MAX_RECORDS records.  When a set is full, time is cut into cells of twice
 * the size, and of each lane the spans that lie inside one cell become one
 * record, which has their number and sums.  What crosses a border, and so all
 * that is long, stays as it is.
 *
 * Cells are powers of two: those of one size lie in those of the next, so it
 * does not matter when records were merged, and memory is bounded without
 * knowing the number of spans first.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>

struct lanes plane, glane;
u64 overview[3][OVERVIEW];
i64 overview_width;

/* Of whole buckets: +1 where it begins, -1 where it ends. */
static i64 whole[3][OVERVIEW + 1];

/* --- merging --- */

static void set_time(struct record *r, u8 state, i64 ns)
{
	i64 *t = state == TRACEFILE_GO_RUNNING ? &r->running :
		 state == TRACEFILE_GO_RUNNABLE ? &r->runnable :
		 state == TRACEFILE_GO_SYSCALL ? &r->syscall : NULL;

	r->running = r->runnable = r->syscall = 0;
	if (t)
		*t = ns;
}

static void make_merged(struct record *r)
{
	if (r->state == MERGED)
		return;
	set_time(r, r->state, r->end - r->start);
	r->state = MERGED;
	r->why = r->stack = r->by_stack = 0;
}

static void merge(struct record *to, struct record from)
{
	make_merged(to);
	make_merged(&from);
	to->end = from.end;
	to->count += from.count;
	to->running += from.running;
	to->runnable += from.runnable;
	to->syscall += from.syscall;
}

static bool same_cell(const struct record *a, const struct record *b,
		      unsigned int shift)
{
	return a->start >> shift == b->end >> shift;
}

static void merge_lane(struct lane *l, unsigned int shift)
{
	size_t from, to = 0;

	for (from = 1; from < l->n; from++)
		if (same_cell(&l->recs[to], &l->recs[from], shift))
			merge(&l->recs[to], l->recs[from]);
		else
			l->recs[++to] = l->recs[from];
	l->n = l->n ? to + 1 : 0;
}

/* With 62 each lane has one record. */
static void make_room(struct lanes *set)
{
	size_t i;

	while (set->nrecs > MAX_RECORDS / 4 * 3 && set->shift < 62) {
		set->shift++;
		set->nrecs = 0;
		for (i = 0; i < set->nlanes; i++) {
			merge_lane(&set->lanes[i], set->shift);
			set->nrecs += set->lanes[i].n;
		}
	}
}

static void append(struct lanes *set, struct lane *l, const struct record *r)
{
	set->spans++;
	if (l->n && set->shift && same_cell(&l->recs[l->n - 1], r, set->shift)) {
		merge(&l->recs[l->n - 1], *r);
		return;
	}
	l->recs = grow(l->recs, l->n, &l->cap, sizeof(*l->recs));
	l->recs[l->n++] = *r;
	if (++set->nrecs >= MAX_RECORDS)
		make_room(set);
}

/* --- lanes --- */

static struct lane *find_lane(struct lanes *set, i64 id)
{
	u32 i = map_get(&set->index, (u64)id);

	return i == MAP_NONE ? NULL : &set->lanes[i];
}

static struct lane *add_lane(struct lanes *set, i64 id)
{
	struct lane *l = &set->lanes[set->nlanes];

	l->id = id;
	map_put(&set->index, (u64)id, (u32)set->nlanes++);
	return l;
}

static struct record record_of(const struct span *s, i64 who)
{
	return (struct record){
		.start = s->start, .end = s->end, .who = who, .by = s->by,
		.latency = s->latency, .site = s->site, .why = s->why,
		.stack = s->stack, .by_stack = s->by_stack, .count = 1,
		.state = s->state,
	};
}

/* --- overview --- */

static void overview_add(unsigned int line, const struct span *s)
{
	size_t a = (size_t)(s->start / overview_width);
	size_t b = (size_t)(s->end / overview_width);

	if (a >= OVERVIEW || b >= OVERVIEW)
		return;
	if (a == b) {
		overview[line][a] += (u64)(s->end - s->start);
		return;
	}
	overview[line][a] += (u64)((i64)(a + 1) * overview_width - s->start);
	overview[line][b] += (u64)(s->end - (i64)b * overview_width);
	whole[line][a + 1]++;
	whole[line][b]--;
}

static void overview_sum(void)
{
	size_t i, line;
	i64 n;

	for (line = 0; line < 3; line++)
		for (i = 0, n = 0; i < OVERVIEW; i++) {
			n += whole[line][i];
			overview[line][i] += (u64)(n * overview_width);
		}
}

/* --- sink --- */

static void lane_g_span(const struct span *s)
{
	struct lane *l = find_lane(&glane, s->g);
	struct record r = record_of(s, s->p);

	if (s->state == TRACEFILE_GO_RUNNING)
		overview_add(0, s);
	else if (s->state == TRACEFILE_GO_RUNNABLE)
		overview_add(1, s);
	else if (s->state == TRACEFILE_GO_SYSCALL)
		overview_add(2, s);
	if (l)
		append(&glane, l, &r);
	else
		glane.left_out++;
}

static void lane_p_span(const struct span *s)
{
	struct lane *l = find_lane(&plane, s->p);
	struct record r = record_of(s, s->g);

	if (!l && plane.nlanes < MAX_PROCS)
		l = add_lane(&plane, s->p);
	if (!l) {
		plane.left_out++;
		return;
	}
	/* A beginning that is not known exactly may be in another's span. */
	if (l->n && r.start < l->recs[l->n - 1].end)
		r.start = l->recs[l->n - 1].end;
	if (r.end >= r.start)
		append(&plane, l, &r);
}

const struct sink lane_sink = {
	.g_span = lane_g_span,
	.p_span = lane_p_span,
};

void lane_begin(void)
{
	size_t i, n = scan.nshown < MAX_LANES ? scan.nshown : MAX_LANES;

	plane.lanes = cmd_zalloc(MAX_PROCS * sizeof(*plane.lanes));
	glane.lanes = cmd_zalloc(MAX_LANES * sizeof(*glane.lanes));
	for (i = 0; i < n; i++)
		add_lane(&glane, scan.shown[i].id);
	overview_width = scan.duration / OVERVIEW + 1;
}

static int by_id(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

void lane_finish(void)
{
	overview_sum();
	qsort(plane.lanes, plane.nlanes, sizeof(*plane.lanes), by_id);
}
