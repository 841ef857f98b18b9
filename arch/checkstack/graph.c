// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/graph.c - functions, calls, messages.
 *
 * The tool lives for one run and frees nothing.
 */
#include "checkstack.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_SIZE	8192

struct fn *all_fns;
const char *machine = "";
bool verbose;

static struct fn *hash[HASH_SIZE];
static struct fn **fns_end = &all_fns;
static unsigned int nerrors;

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("gort-checkstack: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

void *zalloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		die("out of memory");
	return p;
}

char *copy_string(const char *s, size_t n)
{
	return memcpy(zalloc(n + 1), s, n);
}

/* All of a file, and a NUL. */
char *read_whole(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	size_t n = 0, cap = 65536, got;
	char *p;

	if (!f)
		die("cannot open %s", path);
	p = zalloc(cap + 1);
	while ((got = fread(p + n, 1, cap - n, f))) {
		n += got;
		if (n == cap) {
			cap *= 2;
			p = realloc(p, cap + 1);
			if (!p)
				die("out of memory");
		}
	}
	if (ferror(f))
		die("cannot read %s", path);
	fclose(f);
	p[n] = '\0';
	if (len)
		*len = n;
	return p;
}

static struct fn **bucket(const char *object, const char *name)
{
	uint32_t h = 2166136261u;

	for (; object && *object; object++)
		h = (h ^ (unsigned char)*object) * 16777619u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &hash[h % HASH_SIZE];
}

/* object: of a function that only its own file knows; else NULL. */
struct fn *fn_find(const char *object, const char *name)
{
	struct fn *f = *bucket(object, name);

	while (f && (strcmp(f->name, name) || f->local != !!object ||
		     (object && strcmp(f->object, object))))
		f = f->hash;
	return f;
}

struct fn *fn_get(const char *object, const char *name)
{
	struct fn *f = fn_find(object, name), **b = bucket(object, name);

	if (f)
		return f;
	f = zalloc(sizeof(*f));
	f->name = copy_string(name, strlen(name));
	f->object = object;
	f->local = !!object;
	f->frame = -1;
	f->out_end = &f->out;
	f->in_end = &f->in;
	f->hash = *b;
	*b = f;
	*fns_end = f;
	fns_end = &f->next;
	return f;
}

/* Of a rule: "name" or "file.c:name".  Must be there. */
struct fn *fn_named(const char *text)
{
	const char *name = strrchr(text, ':');
	size_t n = name ? (size_t)(name - text) : 0;
	struct fn *f, *found = NULL;

	name = name ? name + 1 : text;
	for (f = all_fns; f; f = f->next) {
		if (f->frame < 0 || strcmp(f->name, name) ||
		    (n && (strncmp(f->where, text, n) || f->where[n] != ':')))
			continue;
		if (found)
			die("there are two functions %s()", text);
		found = f;
	}
	if (!found)
		die("there is no function %s()", text);
	return found;
}

void edge_add(struct fn *from, struct fn *to, const char *where)
{
	struct edge *e = zalloc(sizeof(*e));

	e->from = from;
	e->to = to;
	e->where = where;
	*from->out_end = e;
	from->out_end = &e->next_out;
	*to->in_end = e;
	to->in_end = &e->next_in;
}

/* "./kernel/m.c:12:3" without what is not wanted. */
const char *file_line(const char *where)
{
	static char text[4][512];
	static unsigned int n;
	char *s = text[n++ % 4], *colon;

	if (!where || !*where)
		return "?";
	snprintf(s, sizeof(*text), "%s",
		 where[0] == '.' && where[1] == '/' ? where + 2 : where);
	colon = strrchr(s, ':');
	if (colon && strchr(s, ':') != colon)
		*colon = '\0';
	return s;
}

void report_error(const struct fn *f, const char *fmt, ...)
{
	va_list ap;

	nerrors++;
	if (f)
		fprintf(stderr, "%s: error: %s() ", file_line(f->where),
			f->name);
	else
		fputs("error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* One more line of what an error is about. */
void report_chain(const char *where, const struct fn *f, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "  %s: %s()", file_line(where), f->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

unsigned int errors(void)
{
	return nerrors;
}
