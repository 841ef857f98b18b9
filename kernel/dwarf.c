// SPDX-License-Identifier: ISC
/*
 * kernel/dwarf.c - the line number programs of DWARF 2 to 5.
 *
 * "DWARF Debugging Information Format, Version 5", section 6.2, is the
 * source; the section numbers below are its.
 *
 * All programs are run once, and where they are is noted every few rows.  A
 * lookup searches these stretches and runs the one again.  A sequence may be
 * all code of a program that was optimized when it was linked.
 *
 * Rejected:
 *  - .debug_aranges to find the unit: clang does not write it.
 *  - keeping all rows: ten times .debug_line in memory.  Stretches take less
 *    than it, and run in a tenth of a microsecond.
 *  - .debug_info, for the directory that names are relative to: before
 *    version 5 only it knows that one, and what the compiler was told is
 *    what one reads in its messages, too.
 *
 * Invariants:
 *  I1  A reader never reads behind its end: it gives zeros and says bad.
 *  I2  Every turn of a loop takes at least a byte from a reader, or ends.
 *  I3  Names handed out end in NUL inside their section.
 *
 * Locks: none.
 * Forbidden here: malloc, stdio, recursion.
 */
#include "kernel/dwarf.h"

#include <string.h>
#include <sys/mman.h>

#include "kernel/dwarf_reader.h"
#include "kernel/sort.h"

/* Rows that one lookup runs through, at most, and about half as a rule. */
#define STRETCH_ROWS	32

/*
 * The least bytes per stretch: of a whole sequence a linker leaves
 * DW_LNE_set_address and DW_LNE_end_sequence; others have STRETCH_ROWS rows.
 */
#define STRETCH_MIN_BYTES	14

/* 7.22 */
enum {
	LNS_EXTENDED,
	LNS_COPY,
	LNS_ADVANCE_PC,
	LNS_ADVANCE_LINE,
	LNS_SET_FILE,
	LNS_SET_COLUMN,
	LNS_NEGATE_STMT,
	LNS_SET_BASIC_BLOCK,
	LNS_CONST_ADD_PC,
	LNS_FIXED_ADVANCE_PC,
};

enum {
	LNE_END_SEQUENCE = 1,
	LNE_SET_ADDRESS = 2,
};

enum {
	LNCT_PATH = 1,
	LNCT_DIRECTORY = 2,
};

/* The header of a unit. */
struct unit {
	struct reader tables;	/* directories and files */
	struct reader prog;
	u16 version;
	bool dwarf64;
	u8 min_inst_len;
	u8 line_range;
	s64 line_base;
	u8 opcode_base;
	const u8 *opcode_args;	/* how many, from opcode 1 */
};

/* A program that runs, after a row. */
struct program {
	const struct unit *u;
	struct reader r;
	u64 addr;
	u32 file;
	u32 line;
};

enum row {
	ROW_NONE,		/* the program is over, or broken */
	ROW_LINE,
	ROW_END_SEQUENCE,	/* addr is one past the last byte */
};

/* What the tables say of a file or a directory. */
struct entry {
	const char *name;
	u64 dir;
};

/* --- header of a unit (6.2.4) --- */

/* Read the header at the start of body; false: broken, or not for us. */
static bool unit_read(struct reader body, bool dwarf64, struct unit *u)
{
	u8 max_ops = 1;

	*u = (struct unit){ .dwarf64 = dwarf64 };
	u->version = (u16)read_number(&body, 2);
	if (u->version < 2 || u->version > 5)
		return false;
	/* Sizes of an address and of a segment selector. */
	if (u->version >= 5 && (read_u8(&body) != 8 || read_u8(&body) != 0))
		return false;
	u->prog = body;
	reader_take(&u->prog, read_offset(&u->prog, dwarf64));
	read_offset(&body, dwarf64);
	body.end = u->prog.p;
	u->min_inst_len = read_u8(&body);
	if (u->version >= 4)
		max_ops = read_u8(&body);
	read_u8(&body);			/* default_is_stmt */
	u->line_base = (signed char)read_u8(&body);
	u->line_range = read_u8(&body);
	u->opcode_base = read_u8(&body);
	if (max_ops != 1 || !u->line_range || !u->opcode_base)
		return false;
	u->opcode_args = reader_take(&body, u->opcode_base - 1u);
	u->tables = body;
	return !body.bad && !u->prog.bad;
}

/* --- line program (6.2.5) --- */

/* Begin a sequence there in the unit's program. */
static void program_start(struct program *pg, const struct unit *u,
			  const u8 *at)
{
	*pg = (struct program){ .u = u, .r = u->prog, .file = 1, .line = 1 };
	pg->r.p = at;
}

static void advance_pc(struct program *pg, u64 n)
{
	pg->addr += n * pg->u->min_inst_len;
}

static void special_opcode(struct program *pg, u8 op)
{
	u8 n = op - pg->u->opcode_base;

	advance_pc(pg, n / pg->u->line_range);
	pg->line += (u32)(pg->u->line_base + n % pg->u->line_range);
}

/* Is it the end of the sequence? */
static bool extended_opcode(struct program *pg)
{
	u64 len = read_uleb(&pg->r);
	struct reader r = { .p = reader_take(&pg->r, len) };

	if (!r.p || !len)
		return false;
	r.end = r.p + len;
	switch (read_u8(&r)) {
	case LNE_END_SEQUENCE:
		return true;
	case LNE_SET_ADDRESS:
		pg->addr = read_number(&r, 8);
		pg->r.bad |= r.bad;
		break;
	}
	return false;
}

static void standard_opcode(struct program *pg, u8 op)
{
	unsigned int i;

	switch (op) {
	case LNS_ADVANCE_PC:
		advance_pc(pg, read_uleb(&pg->r));
		break;
	case LNS_ADVANCE_LINE:
		pg->line += (u32)read_sleb(&pg->r);
		break;
	case LNS_SET_FILE:
		pg->file = (u32)read_uleb(&pg->r);
		break;
	case LNS_CONST_ADD_PC:
		advance_pc(pg, (255 - pg->u->opcode_base) /
				       pg->u->line_range);
		break;
	case LNS_FIXED_ADVANCE_PC:
		pg->addr += read_number(&pg->r, 2);
		break;
	default:	/* says nothing about addresses, files and lines */
		for (i = 0; i < pg->u->opcode_args[op - 1]; i++)
			read_uleb(&pg->r);
	}
}

/* Run to the next row of the table that the program stands for. */
static enum row program_row(struct program *pg)
{
	enum row row = ROW_NONE;
	u8 op;

	while (row == ROW_NONE && reader_left(&pg->r)) {
		op = read_u8(&pg->r);
		if (op >= pg->u->opcode_base) {
			special_opcode(pg, op);
			row = ROW_LINE;
		} else if (op == LNS_COPY) {
			row = ROW_LINE;
		} else if (op != LNS_EXTENDED) {
			standard_opcode(pg, op);
		} else if (extended_opcode(pg)) {
			row = ROW_END_SEQUENCE;
		}
		if (pg->r.bad)
			return ROW_NONE;
	}
	return row;
}

/* --- index --- */

static void index_add(struct dwarf_lines *dl, const struct dwarf_seq *seq)
{
	if (seq->lo < seq->hi && dl->count < dl->seqs_size / sizeof(*seq))
		dl->seqs[dl->count++] = *seq;
}

/*
 * Index the stretch that begins at this row.  Not inlined: its stack check is
 * where a goroutine that indexes a large file lets others run.
 */
static __attribute__((noinline))
enum row index_stretch(struct dwarf_lines *dl, struct program *pg, u64 unit)
{
	struct dwarf_seq seq = {
		.lo = pg->addr, .unit = unit,
		.prog = (u64)(pg->r.p - pg->u->prog.p),
		.file = pg->file, .line = pg->line,
	};
	enum row row = ROW_LINE;

	for (unsigned int n = 0; row == ROW_LINE &&
				 (n < STRETCH_ROWS || pg->addr <= seq.lo); n++)
		row = program_row(pg);
	seq.hi = pg->addr;
	index_add(dl, &seq);
	return row;
}

/*
 * Index the sequence that pg, which has just begun, runs through.  It does
 * not count if the linker dropped its code: then it begins at address 0, or
 * ends where addresses wrap.
 */
static enum row index_sequence(struct dwarf_lines *dl, struct program *pg,
			       u64 unit)
{
	size_t kept = dl->count;
	enum row row = program_row(pg);
	u64 begin = pg->addr;

	while (row == ROW_LINE)
		row = index_stretch(dl, pg, unit);
	if (row != ROW_END_SEQUENCE || !begin || begin >= pg->addr)
		dl->count = kept;
	return row;
}

static void index_unit(struct dwarf_lines *dl, const struct unit *u, u64 off)
{
	struct program pg = { .r = u->prog };

	do
		program_start(&pg, u, pg.r.p);
	while (index_sequence(dl, &pg, off) != ROW_NONE);
}

static bool seq_less(const void *a, const void *b)
{
	const struct dwarf_seq *x = a, *y = b;

	return x->lo != y->lo ? x->lo < y->lo : x->hi < y->hi;
}

void dwarf_lines_init(struct dwarf_lines *dl)
{
	struct reader r, body;
	struct unit u;
	bool dwarf64;
	u64 off;

	dl->count = 0;
	dl->seqs_size = dl->line.size / STRETCH_MIN_BYTES * sizeof(*dl->seqs);
	dl->seqs = NULL;
	if (!dl->seqs_size)
		return;
	/* More than enough, but only pages in use cost memory. */
	dl->seqs = mmap(NULL, dl->seqs_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (dl->seqs == MAP_FAILED) {
		dl->seqs = NULL;
		return;
	}
	r = (struct reader){ .p = dl->line.p,
			     .end = dl->line.p + dl->line.size };
	for (off = 0; unit_cut(&r, &body, &dwarf64);
	     off = (u64)(r.p - dl->line.p))
		if (unit_read(body, dwarf64, &u))
			index_unit(dl, &u, off);
	heap_sort(dl->seqs, dl->count, sizeof(*dl->seqs), seq_less);
}

void dwarf_lines_destroy(struct dwarf_lines *dl)
{
	if (dl->seqs)
		munmap(dl->seqs, dl->seqs_size);
	*dl = (struct dwarf_lines){ 0 };
}

/* --- names (6.2.4, 6.2.4.1) --- */

/* Before version 5: strings, then files of a string and three numbers. */
static bool find_entry_v2(const struct unit *u, bool want_dir, u64 index,
			  struct entry *e)
{
	struct reader r = u->tables;
	u64 i = 0;

	*e = (struct entry){ .name = "" };
	while (!r.bad && *(e->name = read_string(&r)))
		if (want_dir && ++i == index)
			return true;
	while (!want_dir && !r.bad && *(e->name = read_string(&r))) {
		e->dir = read_uleb(&r);
		read_uleb(&r);		/* time */
		read_uleb(&r);		/* size */
		if (++i == index)
			return !r.bad;
	}
	return false;
}

/* One attribute of an entry; false if its form is not for us. */
static bool read_form(const struct dwarf_lines *dl, const struct unit *u,
		      struct reader *r, u64 form, const char **str, u64 *num)
{
	switch (form) {
	case FORM_STRING:
		*str = read_string(r);
		break;
	case FORM_LINE_STRP:
		*str = section_string(&dl->line_str,
				      read_offset(r, u->dwarf64), r);
		break;
	case FORM_STRP:
		*str = section_string(&dl->str,
				      read_offset(r, u->dwarf64), r);
		break;
	case FORM_UDATA:
		*num = read_uleb(r);
		break;
	case FORM_DATA1:
		*num = read_number(r, 1);
		break;
	case FORM_DATA2:
		*num = read_number(r, 2);
		break;
	case FORM_DATA4:
		*num = read_number(r, 4);
		break;
	case FORM_DATA8:
		*num = read_number(r, 8);
		break;
	case FORM_DATA16:	/* a checksum */
		reader_take(r, 16);
		break;
	case FORM_BLOCK:
	case FORM_BLOCK1:
	case FORM_BLOCK2:
	case FORM_BLOCK4:
		skip_block(r, form);
		break;
	default:
		return false;
	}
	return !r->bad;
}

/* An entry as format describes it: nformats pairs of content and form. */
static bool read_entry(const struct dwarf_lines *dl, const struct unit *u,
		       struct reader *r, struct reader format,
		       unsigned int nformats, struct entry *e)
{
	*e = (struct entry){ .name = "" };
	for (; nformats; nformats--) {
		u64 content = read_uleb(&format), form = read_uleb(&format);
		const char *str = NULL;
		u64 num = 0;

		if (!read_form(dl, u, r, form, &str, &num))
			return false;
		if (content == LNCT_PATH && str)
			e->name = str;
		else if (content == LNCT_DIRECTORY)
			e->dir = num;
	}
	return true;
}

/*
 * Version 5: go through a table, to its end.  If it has an entry of this
 * index, set *e.
 */
static bool table_find(const struct dwarf_lines *dl, const struct unit *u,
		       struct reader *r, u64 index, struct entry *e)
{
	unsigned int nformats = read_u8(r), i;
	struct reader format = *r;
	bool found = false;
	struct entry cur;
	u64 n, k;

	for (i = 0; i < 2 * nformats; i++)
		read_uleb(r);
	n = read_uleb(r);
	/* Entries of no bytes would never end. */
	if (n && !nformats)
		r->bad = true;
	for (k = 0; k < n && !r->bad; k++) {
		if (!read_entry(dl, u, r, format, nformats, &cur)) {
			r->bad = true;
		} else if (k == index) {
			*e = cur;
			found = true;
		}
	}
	return found && !r->bad;
}

static bool find_entry_v5(const struct dwarf_lines *dl, const struct unit *u,
			  bool want_dir, u64 index, struct entry *e)
{
	struct reader r = u->tables;
	bool is_dir = table_find(dl, u, &r, index, e);

	return want_dir ? is_dir : table_find(dl, u, &r, index, e);
}

static bool find_entry(const struct dwarf_lines *dl, const struct unit *u,
		       bool want_dir, u64 index, struct entry *e)
{
	return u->version >= 5 ? find_entry_v5(dl, u, want_dir, index, e) :
				 find_entry_v2(u, want_dir, index, e);
}

/* The unit at this offset, as when it was indexed. */
static bool unit_at(const struct dwarf_lines *dl, u64 off, struct unit *u)
{
	struct reader r = { dl->line.p, dl->line.p + dl->line.size, false };
	struct reader body;
	bool dwarf64;

	return reader_take(&r, off) && unit_cut(&r, &body, &dwarf64) &&
	       unit_read(body, dwarf64, u);
}

bool dwarf_lines_file(const struct dwarf_lines *dl, u64 unit, u32 file,
		      struct line *out)
{
	struct entry e, dir = { .name = "" };
	struct unit u;

	if (!unit_at(dl, unit, &u) || !find_entry(dl, &u, false, file, &e) ||
	    !*e.name)
		return false;
	/* Directory 0 is where the compiler was. */
	if (*e.name != '/' && e.dir && !find_entry(dl, &u, true, e.dir, &dir))
		return false;
	out->file = e.name;
	out->dir = dir.name;
	return true;
}

/* --- lookup --- */

/* Sequences of a linked file do not overlap. */
static const struct dwarf_seq *seq_find(const struct dwarf_lines *dl, u64 addr)
{
	size_t lo = 0, hi = dl->count, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (dl->seqs[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < dl->seqs[lo - 1].hi ? &dl->seqs[lo - 1] : NULL;
}

bool dwarf_lines_row(const struct dwarf_lines *dl, u64 addr,
		     struct dwarf_row *out)
{
	const struct dwarf_seq *seq = seq_find(dl, addr);
	enum row row = ROW_LINE;
	struct program pg, last;
	struct unit u;

	/* Otherwise somebody writes to the file. */
	if (!seq || !unit_at(dl, seq->unit, &u) ||
	    seq->prog > reader_left(&u.prog))
		return false;
	program_start(&pg, &u, u.prog.p + seq->prog);
	pg.addr = seq->lo;
	pg.file = seq->file;
	pg.line = seq->line;
	/* A row holds until the next; of several at an address, the last. */
	do {
		if (row != ROW_LINE)
			return false;
		last = pg;
		row = program_row(&pg);
	} while (addr < last.addr || addr >= pg.addr);
	if (!last.line)
		return false;
	*out = (struct dwarf_row){ seq->unit, last.file, last.line };
	return true;
}

bool dwarf_lines_find(const struct dwarf_lines *dl, u64 addr,
		      struct line *out)
{
	struct dwarf_row row;

	if (!dwarf_lines_row(dl, addr, &row) ||
	    !dwarf_lines_file(dl, row.unit, row.file, out))
		return false;
	out->line = row.line;
	return true;
}
