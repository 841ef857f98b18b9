// SPDX-License-Identifier: ISC
/*
 * trace/cmd/html_out.c - the data of the page.
 *
 * What is little is JSON.  What is much is one stream of numbers, as LEB128
 * and then base64, since a page has no other way to hold bytes; page.js reads
 * them in the same order (load()).
 *
 * Strings are the trace's and may hold anything: "<" is escaped, so that no
 * element can end in one, and what is no UTF-8 becomes U+FFFD.
 */
#include "html.h"

#include <inttypes.h>
#include <string.h>

/* --- JSON --- */

/* How long the character at p is; 0: no UTF-8 (RFC 3629). */
static size_t utf8_len(const u8 *p)
{
	size_t n, i;

	if (*p < 0x80)
		return 1;
	n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (*p < 0xc2 || *p > 0xf4 || (*p == 0xe0 && p[1] < 0xa0) ||
	    (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void json_string(FILE *f, const char *s)
{
	const u8 *p = (const u8 *)s;
	size_t n;

	putc('"', f);
	for (; *p; p += n ? n : 1) {
		n = utf8_len(p);
		if (!n)
			fputs("\\ufffd", f);
		else if (*p < ' ' || *p == '"' || *p == '\\' || *p == '<' ||
			 *p == '>' || *p == 0x7f)
			fprintf(f, "\\u%04x", *p);
		else
			fwrite(p, 1, n, f);
	}
	putc('"', f);
}

static void json_number(FILE *f, const char *key, u64 v)
{
	fprintf(f, "\"%s\":%" PRIu64 ",\n", key, v);
}

static void json_strings(FILE *f)
{
	size_t i;

	fputs("\"strings\":[", f);
	for (i = 0; i < interned.nstrings; i++) {
		fputs(i ? ",\n" : "", f);
		json_string(f, interned.strings[i]);
	}
	fputs("],\n\"frames\":[", f);
	for (i = 0; i < interned.nframes; i++)
		fprintf(f, "%s%u,%u,%" PRIu64, i ? "," : "",
			interned.frames[i].func, interned.frames[i].file,
			interned.frames[i].line);
	fputs("],\n", f);
}

static void json_sites(FILE *f)
{
	size_t i;

	fputs("\"sites\":[", f);
	for (i = 0; i < nsites; i++) {
		const struct site *s = &sites[i];

		fprintf(f, "%s[%u,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
			",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", i ? "," : "",
			s->func, s->created, s->count, s->ended,
			s->time[TRACEFILE_GO_RUNNING],
			s->time[TRACEFILE_GO_RUNNABLE],
			s->time[TRACEFILE_GO_WAITING],
			s->time[TRACEFILE_GO_SYSCALL], s->max_latency);
	}
	fputs("],\n", f);
}

static void json_hist(FILE *f, const char *key, const struct hist *h)
{
	const char *comma = "";
	size_t i;

	fprintf(f, "\"%s\":{\"count\":%" PRIu64 ",\"sum\":%" PRIu64
		",\"max\":%" PRIu64 ",\"buckets\":[", key, h->count, h->sum,
		h->max);
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		fprintf(f, "%s%zu,%" PRIu64, comma, i, h->buckets[i]);
		comma = ",";
	}
	fputs("]},\n", f);
}

static void json_waits(FILE *f, const char *key, const struct wait *w, size_t n,
		       size_t max)
{
	size_t i;

	fprintf(f, "\"%s_all\":%zu,\n\"%s\":[", key, n, key);
	for (i = 0; i < n && i < max; i++)
		fprintf(f, "%s[%u,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]",
			i ? "," : "", w[i].why, w[i].stack, w[i].count,
			w[i].rank, w[i].max);
	fputs("],\n", f);
}

static void json_latencies(FILE *f)
{
	const struct latency *l = (const void *)scan.latencies.items;
	size_t i;

	fputs("\"latencies\":[", f);
	for (i = 0; i < scan.latencies.n; i++)
		fprintf(f, "%s[%" PRId64 ",%" PRIu64 ",%" PRId64 ",%" PRId64
			",%" PRId64 ",%u,%u,%u]", i ? "," : "",
			l[i].span.start, l[i].rank, l[i].span.g, l[i].span.p,
			l[i].span.by, l[i].span.by_stack, l[i].span.site,
			l[i].span.before);
	fputs("],\n", f);
}

static void json_ranges(FILE *f, const char *key, const struct top *t)
{
	const struct range *r = (const void *)t->items;
	size_t i;

	fprintf(f, "\"%s_all\":%" PRIu64 ",\n\"%s\":[", key, t->offered, key);
	for (i = 0; i < t->n; i++)
		fprintf(f, "%s[%" PRId64 ",%" PRIu64 ",%" PRId64 ",-1,%u,%u]",
			i ? "," : "", r[i].start, r[i].rank, r[i].g, r[i].what,
			r[i].stack);
	fputs("],\n", f);
}

static void json_sections(FILE *f)
{
	const struct section *s = (const void *)scan.sections.items;
	size_t i;

	fprintf(f, "\"sections_all\":%" PRIu64 ",\n\"sections\":[",
		scan.sections.offered);
	for (i = 0; i < scan.sections.n; i++)
		fprintf(f, "%s[%" PRId64 ",%" PRIu64 ",%" PRId64 ",%" PRId64
			",%u,%u]", i ? "," : "", s[i].start, s[i].rank, s[i].g,
			s[i].p, s[i].what, s[i].stack);
	fputs("],\n", f);
}

static void json_lanes(FILE *f, const char *key, const struct lanes *set)
{
	size_t i;

	fprintf(f, "\"%s\":{\"shift\":%u,\"spans\":%" PRIu64 ",\"records\":%"
		PRIu64 ",\"left_out\":%" PRIu64 ",\"lanes\":[", key, set->shift,
		set->spans, set->nrecs, set->left_out);
	for (i = 0; i < set->nlanes; i++)
		fprintf(f, "%s%" PRId64 ",%zu", i ? "," : "", set->lanes[i].id,
			set->lanes[i].n);
	fputs("]},\n", f);
}

static void json_counts(FILE *f)
{
	json_number(f, "from", (u64)window.from);
	json_number(f, "to_end", window.to == INT64_MAX);
	json_number(f, "duration", (u64)scan.duration);
	json_number(f, "events", scan.events);
	json_number(f, "generations", scan.generations);
	json_number(f, "goroutines", scan.goroutines);
	json_number(f, "ended", scan.ended);
	json_number(f, "logs", scan.logs);
	json_number(f, "regions", scan.regions);
	json_number(f, "tasks", scan.tasks);
	json_number(f, "samples_total", scan.samples_total);
	json_number(f, "unparsed_sections", scan.unparsed_sections);
	json_number(f, "strings_dropped", interned.strings_dropped);
	json_number(f, "stacks_cut", interned.stacks_cut);
	json_number(f, "overview_width", (u64)overview_width);
	json_number(f, "running", scan.state_time[TRACEFILE_GO_RUNNING]);
	json_number(f, "runnable", scan.state_time[TRACEFILE_GO_RUNNABLE]);
	json_number(f, "waiting", scan.state_time[TRACEFILE_GO_WAITING]);
	json_number(f, "syscall", scan.state_time[TRACEFILE_GO_SYSCALL]);
}

/* --- numbers --- */

struct b64 {
	FILE *f;
	u8 bytes[3];
	unsigned int n;
};

static void b64_flush(struct b64 *b)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";
	u32 v = (u32)b->bytes[0] << 16 | (u32)b->bytes[1] << 8 | b->bytes[2];
	unsigned int i;

	for (i = 0; i < 4; i++)
		putc_unlocked(i <= b->n ? digits[v >> (18 - 6 * i) & 63] : '=',
			      b->f);
	memset(b->bytes, 0, sizeof(b->bytes));
	b->n = 0;
}

static void b64_byte(struct b64 *b, u8 v)
{
	b->bytes[b->n++] = v;
	if (b->n == 3)
		b64_flush(b);
}

static void num(struct b64 *b, u64 v)
{
	for (; v >= 0x80; v >>= 7)
		b64_byte(b, (u8)(v | 0x80));
	b64_byte(b, (u8)v);
}

static void num_nodes(struct b64 *b)
{
	size_t i;

	num(b, interned.nnodes ? interned.nnodes - 1 : 0);
	for (i = 1; i < interned.nnodes; i++) {
		num(b, interned.nodes[i].frame);
		num(b, i - interned.nodes[i].parent);
	}
}

static void num_listed(struct b64 *b)
{
	const struct listed *l = scan.shown;
	size_t i;

	num(b, scan.nshown);
	for (i = 0; i < scan.nshown; i++, l++) {
		num(b, (u64)l->id);
		num(b, l->site);
		num(b, (u64)l->born | (u64)l->ended << 1);
		num(b, (u64)l->begin);
		num(b, (u64)(l->end - l->begin));
		num(b, l->time[TRACEFILE_GO_RUNNING]);
		num(b, l->time[TRACEFILE_GO_RUNNABLE]);
		num(b, l->time[TRACEFILE_GO_WAITING]);
		num(b, l->time[TRACEFILE_GO_SYSCALL]);
		num(b, l->max_latency);
		num(b, l->spans);
	}
}

static void num_overview(struct b64 *b)
{
	size_t line, i;

	for (line = 0; line < 3; line++)
		for (i = 0; i < OVERVIEW; i++)
			num(b, overview[line][i]);
}

enum column {
	GAP, DURATION, STATE, WHO, BY, LATENCY, SITE, WHY, STACK, BY_STACK,
	COUNT, COLUMNS
};

/* TRACEFILE_NONE is 0. */
static u64 column(const struct record *r, enum column c, i64 last_end)
{
	switch (c) {
	case GAP:	return (u64)(r->start - last_end);
	case DURATION:	return (u64)(r->end - r->start);
	case STATE:	return r->state;
	case WHO:	return (u64)r->who + 1;
	case BY:	return (u64)r->by + 1;
	case LATENCY:	return (u64)r->latency + 1;
	case SITE:	return r->site;
	case WHY:	return r->why;
	case STACK:	return r->stack;
	case BY_STACK:	return r->by_stack;
	default:	return r->count;
	}
}

/* Like numbers together: that is also what compresses well. */
static void num_lanes(struct b64 *b, const struct lanes *set)
{
	enum column c;
	size_t i, j;
	i64 end;

	for (c = 0; c < COLUMNS; c++)
		for (i = 0; i < set->nlanes; i++)
			for (j = 0, end = 0; j < set->lanes[i].n; j++) {
				num(b, column(&set->lanes[i].recs[j], c, end));
				end = set->lanes[i].recs[j].end;
			}
}

void html_out_data(FILE *f, const char *name, unsigned int version,
		   bool broken)
{
	struct b64 b = { .f = f };

	fputs("<script type=\"application/json\" id=\"meta\">{\n\"name\":", f);
	json_string(f, name);
	fputs(",\n", f);
	json_number(f, "version", version);
	json_number(f, "broken", broken);
	json_counts(f);
	json_strings(f);
	json_sites(f);
	json_hist(f, "latency", &scan.latency);
	json_hist(f, "stw", &scan.stw);
	json_hist(f, "nonpreempt", &scan.nonpreempt);
	json_latencies(f);
	json_ranges(f, "stw_list", &scan.stw_list);
	json_ranges(f, "gc_list", &scan.gc_list);
	json_sections(f);
	json_waits(f, "waits", scan.waits, scan.nwaits, MAX_WAITS_SHOWN);
	json_waits(f, "kinds", scan.kinds, scan.nkinds, MAX_SECTION_KINDS);
	json_waits(f, "samples", scan.samples, scan.nsamples,
		   MAX_SAMPLES_SHOWN);
	json_lanes(f, "plane", &plane);
	json_lanes(f, "glane", &glane);
	fputs("\"end\":0}</script>\n"
	      "<script type=\"application/octet-stream\" id=\"numbers\">", f);
	num_nodes(&b);
	num_listed(&b);
	num_overview(&b);
	num_lanes(&b, &plane);
	num_lanes(&b, &glane);
	if (b.n)
		b64_flush(&b);
	fputs("</script>\n", f);
}
