/*
 * arch/stacksplit/util.c - memory, strings and error messages.
 *
 * The tool lives for one file, so nothing is freed: the arena hands out
 * small strings without a header for each.
 *
 * Every error ends the process with status 1 before an assembler has run.
 */
#include "stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK	(1 << 20)

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		fatal("out of memory");
	return p;
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		fatal("out of memory");
	return p;
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

/* Zeroed, aligned for a pointer. */
void *arena_alloc(size_t n)
{
	static char *chunk;
	static size_t left;
	char *p;

	n = (n + 7) & ~(size_t)7;
	if (n > ARENA_CHUNK / 4)
		return memset(xmalloc(n), 0, n);
	if (n > left) {
		chunk = memset(xmalloc(ARENA_CHUNK), 0, ARENA_CHUNK);
		left = ARENA_CHUNK;
	}
	p = chunk;
	chunk += n;
	left -= n;
	return p;
}

char *arena_strndup(const char *s, size_t n)
{
	char *p = arena_alloc(n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

void buf_add(struct buf *b, const char *s, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		b->cap = 2 * (b->len + n) + 256;
		b->p = xrealloc(b->p, b->cap);
	}
	memcpy(b->p + b->len, s, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		fatal("line too long");
	buf_add(b, line, n);
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* Bytes above 127 are parts of UTF-8 letters. */
bool is_sym_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$' ||
	       (unsigned char)c >= 128;
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("stacksplit: error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void line_error(const struct unit *u, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: error: ", u->path, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void print_source(const struct unit *u, const struct stmt *s)
{
	const char *file = u->src;

	if (s->src_file < u->nfiles && u->file[s->src_file])
		file = u->file[s->src_file];
	if (s->src_line && file)
		fprintf(stderr, " [%s:%u]", file, s->src_line);
	else if (u->src)
		fprintf(stderr, " [%s]", u->src);
}

void unit_error(const struct unit *u, const struct func *f,
		const struct stmt *s, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: error: ", u->path, s->line);
	if (f)
		fprintf(stderr, "function '%s': ", f->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (s->kind == STMT_INSN)
		fprintf(stderr, ": %s%s%s", s->name, *s->args ? " " : "",
			s->args);
	print_source(u, s);
	fputc('\n', stderr);
	exit(1);
}
