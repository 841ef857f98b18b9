// SPDX-License-Identifier: ISC
/*
 * kernel/dwarf.c - the line number programs of DWARF 2 to 5.
 *
 * "DWARF Debugging Information Format, Version 5", section 6.2, is the
 * source; the section numbers below are its.
 *
 * All programs are run once, for the addresses that each of their sequences
 * covers.  A lookup searches these and runs the one sequence again.
 *
 * Rejected:
 *  - .debug_aranges to find the unit: clang does not write it.
 *  - keeping all rows: ten times .debug_line in memory, in a process that is
 *    about to die, for a few hundred lookups.
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

#include "kernel/sort.h"

/*
 * The least a linker leaves of a sequence: DW_LNE_set_address and
 * DW_LNE_end_sequence.
 */
#define SEQ_MIN_BYTES	14

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

/* 7.5.6 */
enum {
	FORM_BLOCK2 = 0x03,
	FORM_BLOCK4 = 0x04,
	FORM_DATA2 = 0x05,
	FORM_DATA4 = 0x06,
	FORM_DATA8 = 0x07,
	FORM_STRING = 0x08,
	FORM_BLOCK = 0x09,
	FORM_BLOCK1 = 0x0a,
	FORM_DATA1 = 0x0b,
	FORM_STRP = 0x0e,
	FORM_UDATA = 0x0f,
	FORM_DATA16 = 0x1e,
	FORM_LINE_STRP = 0x1f,
};

struct reader {
	const u8 *p;
	const u8 *end;
	bool bad;
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
	u64 file;
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

/* --- reader --- */

static size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL. */
static const u8 *reader_take(struct reader *r, u64 n)
{
	const u8 *p = r->p;

	if (n > reader_left(r)) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	r->p += n;
	return p;
}

/* A little-endian number of n bytes. */
static u64 read_number(struct reader *r, unsigned int n)
{
	const u8 *p = reader_take(r, n);
	u64 v = 0;

	while (p && n--)
		v = v << 8 | p[n];
	return v;
}

static u8 read_u8(struct reader *r)
{
	return (u8)read_number(r, 1);
}

/* 7.6: seven bits a byte; those beyond 64 are lost. */
static u64 read_leb(struct reader *r, bool is_signed)
{
	unsigned int shift = 0;
	u64 v = 0;
	u8 byte;

	do {
		byte = read_u8(r);
		if (shift < 64)
			v |= (u64)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	if (is_signed && byte & 0x40 && shift < 64)
		v |= ~(u64)0 << shift;
	return v;
}

static u64 read_uleb(struct reader *r)
{
	return read_leb(r, false);
}

static s64 read_sleb(struct reader *r)
{
	return (s64)read_leb(r, true);
}

static u64 read_offset(struct reader *r, bool dwarf64)
{
	return read_number(r, dwarf64 ? 8 : 4);
}

/* A string that ends before the reader does; else "", and it is bad. */
static const char *read_string(struct reader *r)
{
	const char *s = (const char *)r->p;
	const u8 *nul = memchr(r->p, '\0', reader_left(r));

	if (!nul) {
		r->bad = true;
		r->p = r->end;
		return "";
	}
	r->p = nul + 1;
	return s;
}

static const char *section_string(const struct dwarf_section *sec, u64 off,
				  struct reader *r)
{
	if (off >= sec->size ||
	    !memchr(sec->p + off, '\0', sec->size - off)) {
		r->bad = true;
		return "";
	}
	return (const char *)sec->p + off;
}

/* --- header of a unit (6.2.4) --- */

/* Cut the next unit off r, which is at its length (7.4). */
static bool unit_cut(struct reader *r, struct reader *body, bool *dwarf64)
{
	u64 len = read_number(r, 4);
	const u8 *p;

	*dwarf64 = len == 0xffffffff;
	if (*dwarf64)
		len = read_number(r, 8);
	else if (len >= 0xfffffff0)
		return false;
	p = reader_take(r, len);
	if (r->bad)
		return false;
	*body = (struct reader){ .p = p, .end = p + len };
	return true;
}

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
		pg->file = read_uleb(&pg->r);
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

/*
 * Sequences of code that the linker dropped begin at address 0, or end where
 * addresses wrap.
 */
static void index_add(struct dwarf_lines *dl, const struct dwarf_seq *seq)
{
	if (seq->lo && seq->lo < seq->hi &&
	    dl->count < dl->seqs_size / sizeof(*seq))
		dl->seqs[dl->count++] = *seq;
}

static void index_unit(struct dwarf_lines *dl, const struct unit *u, u64 off)
{
	struct dwarf_seq seq;
	struct program pg;
	const u8 *at = u->prog.p;
	enum row row;

	do {
		seq = (struct dwarf_seq){ .unit = off,
					  .prog = (u64)(at - u->prog.p) };
		program_start(&pg, u, at);
		row = program_row(&pg);
		seq.lo = pg.addr;
		while (row == ROW_LINE)
			row = program_row(&pg);
		seq.hi = pg.addr;
		at = pg.r.p;
		if (row == ROW_END_SEQUENCE)
			index_add(dl, &seq);
	} while (row != ROW_NONE);
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
	dl->seqs_size = dl->line.size / SEQ_MIN_BYTES * sizeof(*dl->seqs);
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
		reader_take(r, read_uleb(r));
		break;
	case FORM_BLOCK1:
		reader_take(r, read_number(r, 1));
		break;
	case FORM_BLOCK2:
		reader_take(r, read_number(r, 2));
		break;
	case FORM_BLOCK4:
		reader_take(r, read_number(r, 4));
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

static bool name_file(const struct dwarf_lines *dl, const struct unit *u,
		      u64 index, struct line *out)
{
	struct entry file, dir = { .name = "" };

	if (!find_entry(dl, u, false, index, &file) || !*file.name)
		return false;
	/* Directory 0 is where the compiler was. */
	if (*file.name != '/' && file.dir &&
	    !find_entry(dl, u, true, file.dir, &dir))
		return false;
	out->file = file.name;
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

bool dwarf_lines_find(const struct dwarf_lines *dl, u64 addr,
		      struct line *out)
{
	const struct dwarf_seq *seq = seq_find(dl, addr);
	struct program pg, last;
	struct reader r, body;
	struct line line;
	struct unit u;
	bool dwarf64;
	enum row row;

	if (!seq)
		return false;
	r = (struct reader){ .p = dl->line.p + seq->unit,
			     .end = dl->line.p + dl->line.size };
	/* As when it was indexed, unless somebody writes to the file. */
	if (!unit_cut(&r, &body, &dwarf64) || !unit_read(body, dwarf64, &u) ||
	    seq->prog > reader_left(&u.prog))
		return false;
	program_start(&pg, &u, u.prog.p + seq->prog);
	row = program_row(&pg);
	/* A row holds until the next; of several at an address, the last. */
	do {
		if (row != ROW_LINE)
			return false;
		last = pg;
		row = program_row(&pg);
	} while (addr < last.addr || addr >= pg.addr);

	line.line = last.line;
	if (!line.line || !name_file(dl, &u, last.file, &line))
		return false;
	*out = line;
	return true;
}
