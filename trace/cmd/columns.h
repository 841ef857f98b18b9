/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/columns.h - tables of text whose columns are as wide as what is in
 * them.
 */
#ifndef TRACE_CMD_COLUMNS_H
#define TRACE_CMD_COLUMNS_H

#include "trace/reader/reader.h"

struct columns {
	const char *const *heads; /* NULL ends them; '<' before one: to the
				   * left */
	size_t n;		/* columns */
	struct tracefile_str *cells;
	size_t ncells, max;
};

void columns_begin(struct columns *c, const char *const *heads);

/* The next cell; the text is copied. */
void columns_add(struct columns *c, struct tracefile_str text);
/* One cell: both, with a blank between them if b is not empty. */
void columns_add_both(struct columns *c, struct tracefile_str a,
		      struct tracefile_str b);
void columns_printf(struct columns *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void columns_ns(struct columns *c, uint64_t ns);

/*
 * All rows to stdout, with the heads above them.  after, if not NULL, is
 * called for each row when it was printed; the first is 0.
 */
void columns_print(const struct columns *c,
		   void (*after)(size_t row, void *arg), void *arg);

#endif
