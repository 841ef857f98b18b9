// SPDX-License-Identifier: ISC
/*
 * trace/cmd/tally.c - sums of times by what they were spent for.
 *
 * Numbers of stacks and strings are of one generation only.  What is to be
 * summed over all of them is known by a hash of what it consists of: 64 bits,
 * of which two that are different have the same once in a universe, or in a
 * trace that somebody made for it, whom a wrong sum then serves right.
 */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cmd.h"

#define FRAMES_SEED	UINT64_C(0x9e3779b97f4a7c15)

void tally_table(struct table *t, size_t size)
{
	u64 seed = 0;

	/* Without one, a file could be made for its ids to collide. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (u64)(uintptr_t)t;
	gort_tracefile_table_init(t, size, seed);
}

void *tally_new(struct table *t, u64 id)
{
	void *entry = gort_tracefile_table_add(t, id);

	if (!entry)
		cmd_no_memory();
	return entry;
}

/* FNV-1a by G. Fowler, L. C. Noll and K.-P. Vo, mixed at the end. */
u64 tally_hash(u64 h, const void *data, size_t len)
{
	const u8 *p = data;
	size_t i;

	h ^= UINT64_C(0xcbf29ce484222325);
	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return hash_mix(h);
}

/* --- stacks --- */

/* Of a stack in this generation. */
struct of_gen {
	u64 number;
	u64 id;
};

void stacks_init(struct stacks *s)
{
	memset(s, 0, sizeof(*s));
	tally_table(&s->of_gen, sizeof(struct of_gen));
	tally_table(&s->all, sizeof(struct stack));
}

static u64 intern(struct stacks *s, const struct tracefile *tf, u64 stack)
{
	struct tracefile_frame fr[TRACEFILE_MAX_FRAMES];
	size_t n = gort_tracefile_stack(tf, stack, fr), i;
	u64 id = FRAMES_SEED;
	struct stack *st;

	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		id = tally_hash(id, &fr[i].pc, sizeof(fr[i].pc));
	if (table_find(&s->all, id))
		return id;
	st = tally_new(&s->all, id);
	st->n = (u32)n;
	st->frames = cmd_alloc(n * sizeof(*fr));
	memcpy(st->frames, fr, n * sizeof(*fr));
	return id;
}

u64 stacks_id(struct stacks *s, const struct tracefile *tf,
	      const struct tracefile_event *ev, u64 stack)
{
	struct of_gen *og;
	u64 id;

	if (!stack)
		return 0;
	if (s->gen != ev->gen) {
		gort_tracefile_table_reset(&s->of_gen);
		s->gen = ev->gen;
	}
	og = table_find(&s->of_gen, stack);
	if (og)
		return og->id;
	id = intern(s, tf, stack);
	og = tally_new(&s->of_gen, stack);
	og->id = id;
	return id;
}

const struct stack *stacks_get(const struct stacks *s, u64 id)
{
	return id ? table_find(&s->all, id) : NULL;
}

void stacks_print(const struct stack *st, u32 most, const char *indent)
{
	const struct tracefile_frame *fr;
	u32 i;

	if (!st)
		return;
	for (i = 0; i < st->n && i < most; i++) {
		fr = &st->frames[i];
		fputs(indent, stdout);
		if (fr->func.len)
			cmd_print_text(fr->func);
		else
			printf("0x%" PRIx64, fr->pc);
		if (fr->file.len) {
			putchar(' ');
			cmd_print_text(fr->file);
			printf(":%" PRIu64, fr->line);
		}
		putchar('\n');
	}
	if (st->n > most)
		printf("%s... %u more\n", indent, st->n - most);
}

/* --- tallies --- */

struct tally *tally_of(struct table *t, struct tracefile_str text, u64 stack)
{
	u64 id = tally_hash(stack, text.p, text.len);
	struct tally *ta = table_find(t, id);

	if (!ta) {
		ta = tally_new(t, id);
		ta->text = text;
		ta->stack = stack;
	}
	return ta;
}

void tally_add(struct tally *t, u64 ns)
{
	t->count++;
	t->total_ns += ns;
	if (ns > t->max_ns)
		t->max_ns = ns;
}

static int compare_text(struct tracefile_str a, struct tracefile_str b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

static int compare(const void *x, const void *y)
{
	const struct tally *a = *(const struct tally *const *)x;
	const struct tally *b = *(const struct tally *const *)y;
	int c;

	if (a->total_ns != b->total_ns)
		return a->total_ns < b->total_ns ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	c = compare_text(a->text, b->text);
	return c ? c : a->stack < b->stack ? -1 : a->stack > b->stack;
}

const struct tally **tally_sort(const struct table *t)
{
	const struct tally **all = cmd_alloc(t->n * sizeof(*all));
	u32 i;

	for (i = 0; i < t->n; i++)
		all[i] = table_at(t, i);
	qsort(all, t->n, sizeof(*all), compare);
	return all;
}

/* --- histograms --- */

/* Below 16 each has its own; then the 4 bits below the highest count. */
static unsigned int bucket_of(u64 ns)
{
	unsigned int log;

	if (ns < 16)
		return (unsigned int)ns;
	log = 63 - (unsigned int)__builtin_clzll(ns);
	return (log - 3) * 16 + (unsigned int)(ns >> (log - 4) & 15);
}

static u64 bucket_ns(unsigned int i)
{
	if (i < 16)
		return i;
	return (u64)(16 + i % 16) << (i / 16 - 1);
}

void hist_add(struct hist *h, u64 ns)
{
	h->count++;
	h->n[bucket_of(ns)]++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

u64 hist_quantile(const struct hist *h, unsigned int per_mille)
{
	u64 want = (h->count * per_mille + 999) / 1000, n = 0;
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		n += h->n[i];
		if (n >= want)
			return bucket_ns(i);
	}
	return h->max_ns;
}

const char *show_ns(u64 ns)
{
	static const struct {
		double from, unit;
		const char *name;
	} units[] = {
		{ 999.5e6, 1e9, "s" }, { 999.5e3, 1e6, "ms" },
		{ 999.5, 1e3, "us" }, { 0, 1, "ns" },
	};
	static char bufs[8][24];
	static unsigned int next;
	char *buf = bufs[next++ % 8];
	size_t u = 0;
	double v;

	while ((double)ns < units[u].from)
		u++;
	v = (double)ns / units[u].unit;
	snprintf(buf, sizeof(bufs[0]), "%.*f%s",
		 u == 3 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2, v,
		 units[u].name);
	return buf;
}
