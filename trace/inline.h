/* SPDX-License-Identifier: ISC */
/*
 * trace/inline.h - which functions were inlined at a link-time address.
 *
 * Context: any but signal handlers.  Never blocks, takes no lock.  May change
 * errno.
 */
#ifndef TRACE_INLINE_H
#define TRACE_INLINE_H

#include <stdatomic.h>

#include "kernel/dwarf.h"

struct inline_unit;
struct inline_span;
struct inline_tree;

enum inline_section {
	INLINE_INFO,
	INLINE_ABBREV,
	INLINE_RANGES,
	INLINE_RNGLISTS,
	INLINE_ADDR,
	INLINE_STR,
	INLINE_LINE_STR,
	INLINE_STR_OFFSETS,
	INLINE_NSECTIONS,
};

/* What they are called in the file. */
extern const char *const inline_section_names[INLINE_NSECTIONS];

struct inlines {
	struct dwarf_section sec[INLINE_NSECTIONS];
	struct inline_unit *units;		/* by offset; own mapping */
	size_t units_size;			/* of that, in bytes */
	size_t nunits;
	struct inline_span *spans;		/* their code; own mapping */
	size_t spans_size;
	size_t nspans;
	_Atomic s64 budget;			/* see inline.c */
};

/* One function that was inlined: where it is called, what it is. */
struct inline_call {
	const struct inline_tree *tree;
	u32 node;
	u64 origin;		/* for inline_name() */
	u64 line_unit;		/* for dwarf_lines_file(), as is: */
	u32 file;
	u32 line;		/* 0: unknown */
};

/*
 * inline_init - find the units of il's sections.
 *
 * The caller has set the sections, of a linked little-endian file of a 64-bit
 * CPU; they must outlive il.  Nothing in them is trusted.  Takes about a
 * microsecond per unit, which is a source file.  Without usable sections, or
 * without memory, there are none.
 */
void inline_init(struct inlines *il);

/*
 * inline_find - the innermost function inlined at addr; false if none is.
 *
 * The first address in a unit reads all of that, about 10 ns per byte of its
 * .debug_info; what is found there is kept, for as long as the process.
 */
bool inline_find(struct inlines *il, u64 addr, struct inline_call *call);

/* inline_outer - the function, itself inlined, that has this call; or false. */
bool inline_outer(struct inline_call *call);

/*
 * inline_name - its name, in the sections; "" if it is not known.
 *
 * What a linker would call it: mangled, where names are.
 */
const char *inline_name(struct inlines *il, u64 origin);

/* Nobody may have called inline_find(): what that keeps is not freed. */
void inline_destroy(struct inlines *il);

#endif
