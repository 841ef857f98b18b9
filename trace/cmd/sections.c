// SPDX-License-Identifier: ISC
/*
 * trace/cmd/sections.c - read what the profiler of non-preemptible sections
 * has written as text.
 *
 * What may follow a key stands in a table: words that must be there, "#" for a
 * number and "@" for a name, which go to fields of the site, and "?" for a
 * name that may be missing.  So a file is read as strictly as it is described,
 * and what is wrong with a line can be said by what it should be.
 *
 * Rejected: to skip keys that are not known.  A later format has another
 * number; a typing error would go unnoticed.
 */
#include "sections.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

#define MAX_FIELDS	6	/* of one line */
#define NO_FIELD	SIZE_MAX

struct key {
	const char *name;
	const char *format;
	size_t fields[MAX_FIELDS];	/* offsets, in the order of format */
	bool many;		/* any number of them, also none */
	bool frame;		/* the fields are those of a new frame */
};

#define SITE(field)	offsetof(struct section_site, field)
#define FRAME(field)	offsetof(struct section_frame, field)
#define ALL(field)	offsetof(struct sections, field)

#define KEY(k, f, ...)	.name = (k), .format = (f), .fields = { __VA_ARGS__ }

static const struct key keys[] = {
	{ KEY("kind", "@", SITE(kind)) },
	{ KEY("what", "@", SITE(what)) },
	{ KEY("place", "@", SITE(nesting)) },
	{ KEY("at", "@ ?", SITE(func), SITE(place)) },
	{ KEY("count", "#", SITE(count)) },
	{ KEY("gross", "# ns", SITE(gross_ns)) },
	{ KEY("net", "# ns", SITE(net_ns)) },
	{ KEY("max", "# ns", SITE(max_ns)) },
	{ KEY("quantiles", "p50 # p90 # p99 # p99.9 # ns",
	      SITE(p50_ns), SITE(p90_ns), SITE(p99_ns), SITE(p999_ns)) },
	{ KEY("waits", "# total # ns max # ns runnable #",
	      SITE(waits), SITE(wait_ns), SITE(wait_max_ns), SITE(runnable)) },
	{ KEY("start", "@ ?", FRAME(func), FRAME(place)),
	  .many = true, .frame = true },
	{ KEY("end", "@ ?", FRAME(func), FRAME(place)),
	  .many = true, .frame = true },
	{ KEY("bucket", "# #", NO_FIELD, NO_FIELD), .many = true },
};

static const struct key version_key = { KEY("gort", "nonpreempt 1", NO_FIELD) };
static const struct key site_key = { KEY("site", "#", NO_FIELD) };
static const struct key head_key = {
	KEY("seconds", "@ sections # lost # other # exceeded # suppressed #",
	    ALL(seconds), ALL(sections), ALL(lost), ALL(other), ALL(exceeded),
	    ALL(suppressed))
};

#define NR_KEYS	((unsigned int)(sizeof(keys) / sizeof(keys[0])))

struct parser {
	struct sections *out;
	const char *p, *end;	/* what is left of the line */
	const char *next, *eof;	/* and of the file */
	uint64_t line, site_line;
	struct section_site *site;	/* NULL: none has begun */
	unsigned int seen;	/* of keys, in this site: bits */
	size_t max_sites, max_frames;
};

/* --- lines and words --- */

static bool next_line(struct parser *ps)
{
	if (ps->next == ps->eof)
		return false;
	ps->p = ps->next;
	ps->end = memchr(ps->p, '\n', (size_t)(ps->eof - ps->p));
	ps->next = ps->end ? ps->end + 1 : ps->eof;
	ps->end = ps->end ? ps->end : ps->eof;
	ps->line++;
	return true;
}

/* What stands up to the next blank; false at the end of the line. */
static bool next_word(struct parser *ps, struct tracefile_str *w)
{
	const char *blank;

	while (ps->p < ps->end && *ps->p == ' ')
		ps->p++;
	if (ps->p == ps->end)
		return false;
	blank = memchr(ps->p, ' ', (size_t)(ps->end - ps->p));
	blank = blank ? blank : ps->end;
	*w = (struct tracefile_str){ ps->p, (size_t)(blank - ps->p) };
	ps->p = blank;
	return true;
}

static bool is_word(struct tracefile_str w, const char *text, size_t len)
{
	return w.len == len && !memcmp(w.p, text, len);
}

static bool is_text(struct tracefile_str w, const char *text)
{
	return is_word(w, text, strlen(text));
}

/* --- messages --- */

static int bad_line(const struct parser *ps, uint64_t line, const char *what,
		    const char *about)
{
	return cmd_error(ps->out->file.name, "line %" PRIu64 ": %s%s%s%s",
			 line, what, *about ? " \"" : "", about,
			 *about ? "\"" : "");
}

/* "gross NUMBER ns" */
static int bad_values(const struct parser *ps, const struct key *k)
{
	char want[200];
	size_t at = (size_t)sprintf(want, "%s ", k->name);
	const char *f;

	for (f = k->format; *f; f++)
		at += (size_t)sprintf(want + at, *f == '#' ? "NUMBER" :
				      *f == '@' ? "NAME" :
				      *f == '?' ? "[FILE:LINE]" : "%c", *f);
	return bad_line(ps, ps->line, "want", want);
}

/* --- values --- */

static bool set_number(void *field, struct tracefile_str w)
{
	char text[24];

	if (w.len >= sizeof(text))
		return false;
	memcpy(text, w.p, w.len);
	text[w.len] = '\0';
	return cmd_number(text, UINT64_MAX, field);
}

static void set_name(struct tracefile_str *field, struct tracefile_str w)
{
	char *copy;

	*field = w;
	if (!w.len || !memchr(w.p, '\\', w.len))
		return;
	copy = cmd_alloc(w.len);
	field->len = unescape(copy, w.p, w.len);
	field->p = copy;
}

/* The rest of the line to the fields of what is at base. */
static bool take_values(struct parser *ps, const struct key *k, char *base)
{
	const size_t *field = k->fields;
	const char *f = k->format;
	size_t len;

	for (; *f; f += len + (f[len] == ' ')) {
		struct tracefile_str w = { "", 0 };
		void *to;

		len = strcspn(f, " ");
		if (!next_word(ps, &w) && *f != '?')
			return false;
		if (*f != '#' && *f != '@' && *f != '?') {
			if (!is_word(w, f, len))
				return false;
			continue;
		}
		to = *field == NO_FIELD ? NULL : base + *field;
		field++;
		if (*f == '#' && !set_number(to ? to : &(uint64_t){ 0 }, w))
			return false;
		if (*f != '#' && to)
			set_name(to, w);
	}
	return !next_word(ps, &(struct tracefile_str){ 0 });
}

/* --- sites --- */

/* Room for one more of n. */
static void *more(void *array, size_t n, size_t *max, size_t size)
{
	if (n < *max)
		return array;
	*max = *max ? *max * 2 : 64;
	if (*max > SIZE_MAX / size)
		cmd_no_memory();
	return cmd_realloc(array, *max * size);
}

static int end_site(const struct parser *ps)
{
	unsigned int i;

	for (i = 0; i < NR_KEYS; i++)
		if (ps->site && !keys[i].many && !(ps->seen & 1u << i))
			return bad_line(ps, ps->site_line,
					"this site does not say its",
					keys[i].name);
	return CMD_OK;
}

static int begin_site(struct parser *ps)
{
	struct sections *out = ps->out;

	if (end_site(ps) != CMD_OK)
		return CMD_ERROR;
	if (!take_values(ps, &site_key, NULL))
		return bad_values(ps, &site_key);
	out->sites = more(out->sites, out->nsites, &ps->max_sites,
			  sizeof(*out->sites));
	ps->site = &out->sites[out->nsites];
	*ps->site = (struct section_site){ .first_frame = out->nframes,
					   .number = out->nsites++ };
	ps->site_line = ps->line;
	ps->seen = 0;
	return CMD_OK;
}

static void *add_frame(struct parser *ps, bool end)
{
	struct sections *out = ps->out;
	struct section_frame *fr;

	out->frames = more(out->frames, out->nframes, &ps->max_frames,
			   sizeof(*out->frames));
	fr = &out->frames[out->nframes++];
	fr->end = end;
	ps->site->nframes++;
	return fr;
}

static int unknown_key(const struct parser *ps, struct tracefile_str w)
{
	char text[40];
	size_t i;

	for (i = 0; i < w.len && i < sizeof(text) - 1; i++)
		text[i] = w.p[i] > ' ' && w.p[i] < 0x7f ? w.p[i] : '?';
	text[i] = '\0';
	return bad_line(ps, ps->line, "unknown key", text);
}

/* A line of a site. */
static int take_line(struct parser *ps, struct tracefile_str w)
{
	const struct key *k;
	void *base = ps->site;

	for (k = keys; k < keys + NR_KEYS; k++)
		if (is_text(w, k->name))
			break;
	if (k == keys + NR_KEYS)
		return unknown_key(ps, w);
	if (!ps->site)
		return bad_line(ps, ps->line, "want", "site NUMBER");
	if (!k->many && ps->seen & 1u << (k - keys))
		return bad_line(ps, ps->line, "a second time:", k->name);
	ps->seen |= 1u << (k - keys);
	if (k->frame)
		base = add_frame(ps, *k->name == 'e');
	if (!take_values(ps, k, base))
		return bad_values(ps, k);
	if (k->fields[0] == SITE(nesting) &&
	    !is_text(ps->site->nesting, "outermost") &&
	    !is_text(ps->site->nesting, "inside"))
		return bad_line(ps, ps->line, "want",
				"place outermost\" or \"place inside");
	return CMD_OK;
}

/* --- files --- */

static int read_head(struct parser *ps)
{
	struct tracefile_str w;

	if (!next_line(ps) || !next_word(ps, &w) || !is_text(w, version_key.name))
		return cmd_error(ps->out->file.name, "this is no text of the "
				 "profiler of non-preemptible sections");
	if (!take_values(ps, &version_key, NULL))
		return bad_values(ps, &version_key);
	if (!next_line(ps) || !next_word(ps, &w) ||
	    !is_text(w, head_key.name) ||
	    !take_values(ps, &head_key, (char *)ps->out))
		return bad_values(ps, &head_key);
	return CMD_OK;
}

static int read_sites(struct parser *ps)
{
	struct tracefile_str w;
	int status = CMD_OK;

	while (status == CMD_OK && next_line(ps)) {
		if (!next_word(ps, &w))
			continue;
		status = is_text(w, "site") ? begin_site(ps) :
					      take_line(ps, w);
	}
	return status == CMD_OK ? end_site(ps) : status;
}

int sections_read(struct sections *s, const char *path)
{
	struct parser ps = { .out = s };

	memset(s, 0, sizeof(*s));
	if (cmd_file_open(&s->file, path) != CMD_OK)
		return CMD_ERROR;
	ps.next = (const char *)s->file.data;
	ps.eof = ps.next + s->file.size;
	if (read_head(&ps) != CMD_OK)
		return CMD_ERROR;
	return read_sites(&ps);
}

void sections_print_head(const struct sections *s)
{
	cmd_print_text(s->seconds);
	printf(" seconds, %" PRIu64 " sections at %zu sites", s->sections,
	       s->nsites);
	if (s->exceeded)
		printf("; %" PRIu64 " longer than the threshold, %" PRIu64
		       " of them suppressed", s->exceeded, s->suppressed);
	if (s->other || s->lost)
		printf("; %" PRIu64 " for which there was no room, %" PRIu64
		       " lost", s->other, s->lost);
	putchar('\n');
}
