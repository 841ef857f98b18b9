/* SPDX-License-Identifier: ISC */
/*
 * kernel/dwarf.h - from a link-time address to file and line.
 *
 * Context: any, signal handlers included: neither malloc, stdio nor a lock;
 * less than 1 KiB of stack.  May change errno.
 */
#ifndef KERNEL_DWARF_H
#define KERNEL_DWARF_H

#include <arch/compiler.h>

/* The file as the compiler was told: dir, '/' if dir is not empty, file. */
struct line {
	const char *dir;	/* NUL-terminated, in the sections */
	const char *file;	/* the same */
	u32 line;
};

struct dwarf_section {
	const u8 *p;		/* needs no alignment */
	size_t size;		/* 0: there is none */
};

/*
 * A stretch of a sequence, which is addresses that rise as one run of a line
 * program gives them.
 */
struct dwarf_seq {
	u64 lo;
	u64 hi;			/* one past the last byte */
	u64 unit;		/* offset of the unit in .debug_line */
	u64 prog;		/* where its program goes on after the row at lo */
	u32 file;		/* of that row */
	u32 line;
};

/* A row of the line table: a unit numbers its files. */
struct dwarf_row {
	u64 unit;		/* offset in .debug_line */
	u32 file;
	u32 line;		/* never 0 */
};

struct dwarf_lines {
	struct dwarf_section line;	/* .debug_line */
	struct dwarf_section line_str;	/* .debug_line_str */
	struct dwarf_section str;	/* .debug_str */
	struct dwarf_seq *seqs;		/* sorted; own mapping */
	size_t seqs_size;		/* of that mapping, in bytes */
	size_t count;
};

/*
 * dwarf_lines_init - index the line programs of dl's sections.
 *
 * The caller has set the three sections, of a linked little-endian file; they
 * must outlive dl.  Nothing in them is trusted.  Takes a few nanoseconds per
 * byte of .debug_line.  Without usable line programs, or without memory, the
 * index is empty.
 */
void dwarf_lines_init(struct dwarf_lines *dl);

/*
 * dwarf_lines_find - file and line of the instruction that contains addr.
 *
 * Of inlined code the innermost.  Returns false, and leaves *out alone, if
 * nothing is known or the compiler says that no line made this code.  Is
 * dwarf_lines_row() and then dwarf_lines_file().
 */
bool dwarf_lines_find(const struct dwarf_lines *dl, u64 addr,
		      struct line *out);

/*
 * dwarf_lines_row - as above, but with the file by its number.
 *
 * Takes a fraction of a microsecond.
 */
bool dwarf_lines_row(const struct dwarf_lines *dl, u64 addr,
		     struct dwarf_row *out);

/*
 * dwarf_lines_file - the name of a file of the unit at this offset, which
 * may be anything.
 *
 * Sets out->dir and out->file, or returns false and leaves it alone.  Time is
 * linear in the number of files of the unit.
 */
bool dwarf_lines_file(const struct dwarf_lines *dl, u64 unit, u32 file,
		      struct line *out);

void dwarf_lines_destroy(struct dwarf_lines *dl);

#endif
