// SPDX-License-Identifier: ISC
/*
 * trace/cmd/columns.c - tables of text whose columns are as wide as what is in
 * them.
 *
 * Names may be long, so they belong into the last columns: the very last is
 * not filled up with blanks.
 */
#define _GNU_SOURCE

#include "columns.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "format.h"

#define GAP		2	/* between columns */
#define MAX_NAME	80	/* what is longer pushes its row out of line */

void columns_begin(struct columns *c, const char *const *heads)
{
	*c = (struct columns){ .heads = heads };
	while (heads[c->n])
		c->n++;
}

/* The text is from malloc(). */
static void add_cell(struct columns *c, char *text, size_t len)
{
	if (c->ncells == c->max) {
		c->max = c->max ? c->max * 2 : 64;
		c->cells = cmd_realloc(c->cells, c->max * sizeof(*c->cells));
	}
	c->cells[c->ncells++] = (struct tracefile_str){ text, len };
}

void columns_add_both(struct columns *c, struct tracefile_str a,
		      struct tracefile_str b)
{
	size_t len = a.len + (b.len ? 1 + b.len : 0);
	char *text = cmd_alloc(len);

	memcpy(text, a.p, a.len);
	if (b.len) {
		text[a.len] = ' ';
		memcpy(text + a.len + 1, b.p, b.len);
	}
	add_cell(c, text, len);
}

void columns_add(struct columns *c, struct tracefile_str text)
{
	columns_add_both(c, text, (struct tracefile_str){ "", 0 });
}

void columns_printf(struct columns *c, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		cmd_no_memory();
	add_cell(c, text, (size_t)len);
}

void columns_ns(struct columns *c, uint64_t ns)
{
	char text[FORMAT_NS];

	columns_printf(c, "%s", format_ns(text, ns));
}

static bool to_the_left(const struct columns *c, size_t column)
{
	return *c->heads[column] == '<';
}

static struct tracefile_str head(const struct columns *c, size_t column)
{
	const char *text = c->heads[column] + to_the_left(c, column);

	return (struct tracefile_str){ text, strlen(text) };
}

static size_t width_of(const struct columns *c, size_t column)
{
	size_t i, width, most = head(c, column).len;

	for (i = column; i < c->ncells; i += c->n) {
		width = cmd_text_width(c->cells[i]);
		width = width < MAX_NAME ? width : MAX_NAME;
		most = width > most ? width : most;
	}
	return most;
}

static void put_cell(const struct columns *c, size_t column, size_t width,
		     struct tracefile_str text)
{
	size_t has = cmd_text_width(text);
	int fill = has < width ? (int)(width - has) : 0;

	if (column)
		printf("%*s", GAP, "");
	if (!to_the_left(c, column))
		printf("%*s", fill, "");
	cmd_print_text(text);
	if (to_the_left(c, column) && column + 1 < c->n)
		printf("%*s", fill, "");
}

void columns_print(const struct columns *c,
		   void (*after)(size_t row, void *arg), void *arg)
{
	size_t *widths = cmd_alloc(c->n * sizeof(*widths));
	size_t i;

	for (i = 0; i < c->n; i++)
		widths[i] = width_of(c, i);
	for (i = 0; i < c->n; i++)
		put_cell(c, i, widths[i], head(c, i));
	putchar('\n');
	for (i = 0; i < c->ncells; i++) {
		put_cell(c, i % c->n, widths[i % c->n], c->cells[i]);
		if (i % c->n < c->n - 1)
			continue;
		putchar('\n');
		if (after)
			after(i / c->n, arg);
	}
	free(widths);
}
