/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/format.h - times and names as text.
 */
#ifndef TRACE_CMD_FORMAT_H
#define TRACE_CMD_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FORMAT_NS	32	/* bytes for format_ns() */

/* "123ns", "1.23us", "45.6ms", "12345s": three digits.  Returns buf. */
const char *format_ns(char buf[FORMAT_NS], uint64_t ns);

/*
 * The same back: a decimal number, with a fraction or without, and ns, us, ms
 * or s right behind it.  False if it is none, or more than 584 years.
 */
bool parse_ns(const char *p, size_t len, uint64_t *ns);

/*
 * As text of XML, also within double quotes.  What is no UTF-8, and what XML
 * cannot have, becomes U+FFFD.
 */
void put_xml(FILE *f, const char *p, size_t len);

/*
 * \xHH becomes the byte it stands for, as the profiler of non-preemptible
 * sections writes what is special.  out has room for len; returns how many.
 */
size_t unescape(char *out, const char *p, size_t len);

/* The bytes of the most characters that fit into max bytes. */
size_t utf8_cut(const char *p, size_t len, size_t max);

#endif
