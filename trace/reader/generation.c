// SPDX-License-Identifier: ISC
/*
 * trace/reader/generation.c - from the bytes of a generation to its tables.
 *
 * A generation is a run of batches.  Those of events are only noted, by
 * thread, for the frontier.  Of the others, tables are made, whose entries
 * point into the file.
 *
 * Two accidents of Go's reader are kept, since it has the last word on which
 * file is good.  A file that ends just after the byte which begins an
 * experimental batch ends well.  And so does one in which a batch of tables
 * ends just before a number: GEN_END, as if nothing more were there.
 *
 * Rejected: copying strings and stacks.  Most are never looked at.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_BATCH	(64u << 10)
#define MAX_STRING	1024u

#define IS_126(tf)	((tf)->version >= 26)
#define IS_125(tf)	((tf)->version >= 25)

enum {
	CUT = 0,		/* the batch ends before a number: GEN_END */
	OK = 1,
};

/* One batch, as it is read. */
struct input {
	struct batch_header h;
	const u8 *start;	/* of the batch */
	const u8 *header;	/* its generation */
	const u8 *p;		/* what of the data was not read yet */
	const u8 *end;
	u8 experiment;		/* 0: none */
	bool end_of_gen;
};

#define fail(tf, at, ...) gort_tracefile_fail(tf, at, NO_ID, __VA_ARGS__)

const u8 *gort_tracefile_batch_header(const u8 *p, const u8 *end,
				      struct batch_header *h)
{
	p = get_uvarint(p, end, &h->gen);
	p = p ? get_uvarint(p, end, &h->thread) : NULL;
	p = p ? get_uvarint(p, end, &h->time) : NULL;
	return p ? get_uvarint(p, end, &h->size) : NULL;
}

/* 1; 0 at the end of the file; -errno */
static int read_batch(struct tracefile *tf, struct input *in)
{
	const u8 *p = tf->pos;
	u8 type;

	memset(in, 0, sizeof(*in));
	in->start = p;
	if (p == tf->end)
		return 0;
	type = *p++;
	if (type == TF_END_OF_GENERATION) {
		in->end_of_gen = true;
		tf->pos = p;
		return 1;
	}
	if (type != TF_EVENT_BATCH && type != TF_EXPERIMENTAL_BATCH)
		return fail(tf, in->start, "a batch was expected, not type %u",
			    type);
	if (type == TF_EXPERIMENTAL_BATCH) {
		if (p == tf->end)
			return 0;
		in->experiment = *p++;
	}
	in->header = p;
	p = gort_tracefile_batch_header(p, tf->end, &in->h);
	if (!p)
		return fail(tf, in->start, "broken header of a batch");
	if (in->h.size > MAX_BATCH)
		return fail(tf, in->start, "batch of %llu bytes, at most %u "
			    "are allowed", (unsigned long long)in->h.size,
			    MAX_BATCH);
	if (in->h.size > (u64)(tf->end - p))
		return fail(tf, in->start, "batch of %llu bytes, the file has "
			    "%llu more", (unsigned long long)in->h.size,
			    (unsigned long long)(tf->end - p));
	in->p = p;
	in->end = p + in->h.size;
	in->end_of_gen = !in->experiment && in->h.size &&
			 *p == TF_END_OF_GENERATION;
	tf->pos = in->end;
	return 1;
}

/* --- tables --- */

/* A number of a table: OK, CUT or -errno */
static int number(struct tracefile *tf, struct input *in, u64 *v)
{
	const u8 *p = in->p;

	if (p == in->end)
		return CUT;
	in->p = get_uvarint(p, in->end, v);
	return in->p ? OK : fail(tf, p, "broken number");
}

/* The byte each entry of a table begins with. */
static int entry_type(struct tracefile *tf, struct input *in, u8 type)
{
	if (*in->p != type)
		return fail(tf, in->p, "%s was expected, not type %u",
			    gort_tracefile_specs[type].name, *in->p);
	in->p++;
	return OK;
}

static int add_rec(struct tracefile *tf, struct table *t, u64 id, const u8 *p,
		   const char *what)
{
	struct rec *r;

	if (has_id(t, id))
		return fail(tf, p, "two %ss with number %llu", what,
			    (unsigned long long)id);
	r = gort_tracefile_table_add(t, id);
	if (!r)
		return -ENOMEM;
	r->p = p;
	return OK;
}

static int read_string(struct tracefile *tf, struct input *in)
{
	const u8 *at;
	u64 id, len;
	int rc;

	rc = entry_type(tf, in, TF_STRING);
	if (rc == OK)
		rc = number(tf, in, &id);
	at = in->p;
	if (rc == OK)
		rc = number(tf, in, &len);
	if (rc != OK)
		return rc;
	if (len > MAX_STRING)
		return fail(tf, at, "string of %llu bytes, at most %u are "
			    "allowed", (unsigned long long)len, MAX_STRING);
	if (len > (u64)(in->end - in->p))
		return fail(tf, at, "string is longer than its batch");
	in->p += len;
	return add_rec(tf, &tf->gen.strings, id, at, "string");
}

static int read_frame(struct tracefile *tf, struct input *in)
{
	struct table *t = &tf->gen.frames;
	const u8 *p = in->p, *at;
	struct rec *r;
	u64 pc, v;

	at = get_uvarint(p, in->end, &pc);
	p = at ? get_uvarint(at, in->end, &v) : NULL;
	p = p ? get_uvarint(p, in->end, &v) : NULL;
	p = p ? get_uvarint(p, in->end, &v) : NULL;
	if (!p)
		return fail(tf, in->p, "broken frame of a stack");
	in->p = p;
	if (likely(table_find(t, pc)))	/* the first one counts */
		return OK;
	r = gort_tracefile_table_add(t, pc);
	if (!r)
		return -ENOMEM;
	r->p = at;
	return OK;
}

static int read_stack(struct tracefile *tf, struct input *in)
{
	const u8 *at;
	u64 id, n, i;
	int rc;

	rc = entry_type(tf, in, TF_STACK);
	if (rc == OK)
		rc = number(tf, in, &id);
	at = in->p;
	if (rc == OK)
		rc = number(tf, in, &n);
	if (rc == OK && n > TRACEFILE_MAX_FRAMES)
		return fail(tf, at, "stack of %llu frames, at most %u are "
			    "allowed", (unsigned long long)n,
			    TRACEFILE_MAX_FRAMES);
	for (i = 0; rc == OK && i < n; i++)
		rc = read_frame(tf, in);
	if (rc != OK)
		return rc;
	return add_rec(tf, &tf->gen.stacks, id, at, "stack");
}

static int read_sample(struct tracefile *tf, struct input *in)
{
	struct generation *g = &tf->gen;
	const u8 *at = in->p;
	struct sample *s;
	u64 time = 0, v;
	int rc, i;

	rc = entry_type(tf, in, TF_CPU_SAMPLE);
	if (rc == OK)
		rc = number(tf, in, &time);
	at = in->p;
	for (i = 0; rc == OK && i < 4; i++)
		rc = number(tf, in, &v);
	if (rc != OK)
		return rc;
	if (!gort_tracefile_grow(&g->samples, g->nsamples, &g->samples_cap,
				 sizeof(*s)))
		return -ENOMEM;
	s = &g->samples[g->nsamples++];
	s->time = (i64)time;	/* a time stamp until finish() */
	s->p = at;
	return OK;
}

static int read_frequency(struct tracefile *tf, struct input *in)
{
	u64 hz;
	int rc;

	if (tf->gen.freq != 0)
		return fail(tf, in->p - 1, "two frequencies in a generation");
	rc = number(tf, in, &hz);
	if (rc == OK)
		tf->gen.freq = 1.0 / ((double)hz / 1e9);
	return rc;
}

static int read_snapshot(struct tracefile *tf, struct input *in, u64 *ts)
{
	struct generation *g = &tf->gen;
	u64 diff = 0;
	int rc;

	if (g->clock)
		return fail(tf, in->p - 1, "two clock snapshots in a generation");
	g->clock = true;
	rc = number(tf, in, &diff);
	*ts += diff;
	g->snap_ts = *ts;
	if (rc == OK)
		rc = number(tf, in, &g->snap_mono);
	if (rc == OK)
		rc = number(tf, in, &g->snap_sec);
	if (rc == OK)
		rc = number(tf, in, &g->snap_nsec);
	return rc;
}

static int read_clocks(struct tracefile *tf, struct input *in)
{
	u64 ts = in->h.time;
	int rc = OK;
	u8 type;

	while (rc == OK && in->p < in->end) {
		type = *in->p++;
		if (type == TF_FREQUENCY)
			rc = read_frequency(tf, in);
		else if (type == TF_CLOCK_SNAPSHOT && IS_125(tf))
			rc = read_snapshot(tf, in, &ts);
		else
			rc = fail(tf, in->p - 1, "a frequency or clock snapshot "
				  "was expected, not type %u", type);
	}
	return rc;
}

static int read_table(struct tracefile *tf, struct input *in,
		      int (*entry)(struct tracefile *, struct input *))
{
	int rc = OK;

	in->p++;
	while (rc == OK && in->p < in->end)
		rc = entry(tf, in);
	return rc;
}

/* --- batches --- */

static int add_exp_batch(struct tracefile *tf, const struct input *in)
{
	struct generation *g = &tf->gen;

	if (!gort_tracefile_grow(&g->exps, g->nexps, &g->exps_cap,
				 sizeof(*g->exps)))
		return -ENOMEM;
	g->exps[g->nexps++].p = in->header - 1;
	return OK;
}

/* The cursor of a thread, made if need be; NULL without memory. */
static struct cursor *cursor_of(struct tracefile *tf, u64 thread)
{
	struct frontier *f = &tf->frontier;
	struct mstate *m = gort_tracefile_thread(tf, thread);
	struct cursor *c;

	if (!m)
		return NULL;
	if (m->gen == tf->nth_gen)
		return &f->cursors[m->cursor];
	if (!gort_tracefile_grow(&f->cursors, f->n, &f->cap, sizeof(*c)))
		return NULL;
	m->gen = tf->nth_gen;
	m->cursor = f->n;
	c = &f->cursors[f->n++];
	memset(c, 0, sizeof(*c));
	c->m = m_index(tf, m);
	c->batch = NONE32;
	c->last_batch = NONE32;
	return c;
}

static int add_batch(struct tracefile *tf, const struct input *in)
{
	struct generation *g = &tf->gen;
	struct cursor *c = cursor_of(tf, in->h.thread);

	if (!c || !gort_tracefile_grow(&g->batches, g->nbatches,
				       &g->batches_cap, sizeof(*g->batches)))
		return -ENOMEM;
	g->batches[g->nbatches] = (struct batch){ in->header, NONE32 };
	if (c->batch == NONE32)
		c->batch = g->nbatches;
	else
		g->batches[c->last_batch].next = g->nbatches;
	c->last_batch = g->nbatches++;
	return OK;
}

static int process_batch(struct tracefile *tf, struct input *in)
{
	if (in->experiment)
		return add_exp_batch(tf, in);
	switch (in->p < in->end ? *in->p : TF_NONE) {
	case TF_STRINGS:
		return read_table(tf, in, read_string);
	case TF_STACKS:
		return read_table(tf, in, read_stack);
	case TF_CPU_SAMPLES:
		return read_table(tf, in, read_sample);
	case TF_FREQUENCY:
		if (!IS_125(tf))
			return read_clocks(tf, in);
		break;
	case TF_SYNC:
		if (IS_125(tf)) {
			in->p++;
			return read_clocks(tf, in);
		}
		break;
	case TF_END_OF_GENERATION:
		return fail(tf, in->p, "end of generation in version 1.%u",
			    tf->version);
	}
	return add_batch(tf, in);
}

/* --- what must hold of the whole --- */

/* Is a frame that lacks something in a stack, other than innermost? */
static bool has_bad_frames(const struct tracefile *tf)
{
	struct tracefile_frame f[TRACEFILE_MAX_FRAMES];
	const struct rec *r;
	size_t n, i;
	u32 s;

	for (s = 0; s < tf->gen.stacks.n; s++) {
		r = table_at(&tf->gen.stacks, s);
		n = gort_tracefile_stack(tf, r->id, f);
		for (i = 1; i < n; i++)
			if (!frame_complete(&f[i]))
				return true;
	}
	return false;
}

/* The strings of frames are known.  Are the frames complete? */
static int check_frames(struct tracefile *tf)
{
	struct generation *g = &tf->gen;
	bool all_complete = true;
	struct tracefile_frame f;
	u64 func, file;
	const struct rec *r;
	u32 i;

	for (i = 0; i < g->frames.n; i++) {
		r = table_at(&g->frames, i);
		next_uvarint(next_uvarint(r->p, &func), &file);
		if (!has_id(&g->strings, func))
			return fail(tf, r->p, "frame with function %llu, which "
				    "is no string", (unsigned long long)func);
		if (!has_id(&g->strings, file))
			return fail(tf, r->p, "frame with file %llu, which is no "
				    "string", (unsigned long long)file);
		gort_tracefile_frame(g, r, &f);
		all_complete &= frame_complete(&f);
	}
	g->bad_frames = !all_complete && has_bad_frames(tf);
	return OK;
}

/* By merging runs, from a to b and back: equal ones keep their order. */
static void merge(const struct sample *a, struct sample *b, size_t n,
		  size_t run)
{
	size_t lo, i, j, k, mid, hi;

	for (lo = 0; lo < n; lo = hi) {
		mid = n - lo > run ? lo + run : n;
		hi = n - mid > run ? mid + run : n;
		for (i = lo, j = mid, k = lo; k < hi; k++)
			b[k] = j == hi || (i < mid && a[i].time <= a[j].time) ?
				       a[i++] : a[j++];
	}
}

static int sort_samples(struct generation *g)
{
	struct sample *a = g->samples, *b, *t;
	size_t run, i;

	for (i = 1; i < g->nsamples && a[i - 1].time <= a[i].time; i++)
		;
	if (i >= g->nsamples)
		return OK;
	b = malloc(g->nsamples * sizeof(*b));
	if (!b)
		return -ENOMEM;
	for (run = 1; run < g->nsamples; run *= 2) {
		merge(a, b, g->nsamples, run);
		t = a;
		a = b;
		b = t;
	}
	if (a != g->samples) {
		memcpy(g->samples, a, g->nsamples * sizeof(*a));
		b = a;
	}
	free(b);
	return OK;
}

static int finish(struct tracefile *tf, const u8 *start)
{
	struct generation *g = &tf->gen;
	u32 i;
	int rc;

	if (g->freq == 0)
		return fail(tf, start, "no frequency in the generation");
	if (IS_125(tf) && !g->clock)
		return fail(tf, start, "no clock snapshot in the generation");
	rc = check_frames(tf);
	if (rc != OK)
		return rc;
	for (i = 0; i < g->nsamples; i++)
		g->samples[i].time = gen_time(g, (u64)g->samples[i].time);
	return sort_samples(g);
}

static void start_generation(struct tracefile *tf)
{
	struct generation *g = &tf->gen;

	gort_tracefile_table_reset(&g->strings);
	gort_tracefile_table_reset(&g->stacks);
	gort_tracefile_table_reset(&g->frames);
	g->num = 0;
	g->min_ts = 0;
	g->freq = 0;
	g->clock = false;
	g->bad_frames = false;
	g->nbatches = 0;
	g->nsamples = 0;
	g->next_sample = 0;
	g->nexps = 0;
	tf->frontier.n = 0;
	tf->nth_gen++;
	tf->more = false;
	tf->tail_broken = false;
}

static int read_126(struct tracefile *tf, struct input *in)
{
	struct generation *g = &tf->gen;
	int rc = read_batch(tf, in);

	if (rc == 0 && tf->frontier.n)
		return fail(tf, in->start, "the file ends within a generation");
	if (rc <= 0)
		return rc;
	if (!g->num)
		g->num = in->h.gen;
	if (in->end_of_gen)
		return 1;
	if (!in->h.gen)
		return fail(tf, in->start, "batch of generation 0");
	if (in->h.gen != g->num)
		return fail(tf, in->start, "generation %llu begins before the "
			    "end of %llu", (unsigned long long)in->h.gen,
			    (unsigned long long)g->num);
	return 1;
}

/*
 * Before 1.26 nothing marks the end: the next generation begins, or the file
 * ends.  A broken batch may be of the next one, so it ends this one, too.
 */
static int read_older(struct tracefile *tf, struct input *in)
{
	struct generation *g = &tf->gen;
	int rc = read_batch(tf, in);

	if (rc < 0 && g->num) {
		tf->tail_broken = true;
		return 0;
	}
	if (rc <= 0)
		return rc;
	if (!in->h.gen)
		return fail(tf, in->start, "batch of generation 0");
	if (!g->num)
		g->num = in->h.gen;
	if (in->h.gen == g->num + 1) {
		tf->pos = in->start;
		tf->more = true;
		return 0;
	}
	if (in->h.gen != g->num)
		return fail(tf, in->start, "batch of generation %llu within %llu",
			    (unsigned long long)in->h.gen,
			    (unsigned long long)g->num);
	return 1;
}

int gort_tracefile_gen_read(struct tracefile *tf)
{
	struct generation *g = &tf->gen;
	const u8 *start = tf->pos;
	struct input in;
	int rc;

	start_generation(tf);
	for (;;) {
		rc = IS_126(tf) ? read_126(tf, &in) : read_older(tf, &in);
		if (rc < 0)
			return rc;
		if (rc == 0 && IS_126(tf))
			return GEN_END;
		if (rc == 0 || (IS_126(tf) && in.end_of_gen))
			break;
		if (!g->min_ts || in.h.time < g->min_ts)
			g->min_ts = in.h.time;
		rc = process_batch(tf, &in);
		if (rc != OK)
			return rc;
	}
	return finish(tf, start);
}

void gort_tracefile_gen_free(struct generation *g)
{
	gort_tracefile_table_free(&g->strings);
	gort_tracefile_table_free(&g->stacks);
	gort_tracefile_table_free(&g->frames);
	free(g->batches);
	free(g->samples);
	free(g->exps);
}
