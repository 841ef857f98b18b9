// SPDX-License-Identifier: ISC
/*
 * trace/inline.c - inlined functions, by the .debug_info of DWARF 2 to 5.
 *
 * "DWARF Debugging Information Format, Version 5" is the source; the section
 * numbers below are its.
 *
 * What the units are, and which code each has, is read at once, from the
 * first entry of each.  When somebody asks for an address in a unit, all of
 * its entries are gone through, and the DW_TAG_inlined_subroutine among them
 * are kept as a tree.
 *
 * Rejected:
 *  - .debug_aranges to find the unit: clang does not write it.
 *  - units in a file of their own (.dwo, dwz): they have no inlined
 *    functions here.
 *
 * What is broken ends the unit it is in.  A small file can still ask for
 * much work and memory: a thousand attributes that take no bytes, in an entry
 * that takes one, a list of ranges that all entries share.  So all that is
 * read is charged to a budget that is a multiple of the file's size, far
 * more than what compilers write needs.  When it is spent, what was not found
 * before is not found.
 *
 * Invariants:
 *  I1  Spans are sorted by where they begin, the longest first, then by id.
 *      Others that reach as far lie on the chain of ->outer, nearest first.
 *  I2  ->outer and the parent of a node are lower than it: chains end.
 *  I3  A tree and a table of abbreviations are complete before the pointer
 *      to them is set, and never change.
 *
 * Locks: none.  Who finds a pointer empty makes the thing; who comes second
 * drops his.
 */
#define _GNU_SOURCE
#include "trace/inline.h"

#include <string.h>
#include <sys/mman.h>

#include "kernel/dwarf_reader.h"
#include "kernel/sort.h"
#include "mm/vm.h"
#include "trace/arena.h"

#define NONE		UINT32_MAX
#define BARRIER		UINT64_MAX	/* as origin: a nested function */
#define NOT_FIXED	UINT32_MAX
#define ORIGINS_MAX	16		/* of one name; cycles end there */
#define BUDGET_FACTOR	32
#define CHARGE_STEP	4096
#define BUDGET_MIN	((s64)1 << 16)
#define VEC_MIN_SIZE	((size_t)1 << 16)

/* 7.5.3 */
enum {
	TAG_INLINED_SUBROUTINE = 0x1d,
	TAG_SUBPROGRAM = 0x2e,
};

/* 7.5.4 */
enum {
	AT_NAME = 0x03,
	AT_STMT_LIST = 0x10,
	AT_LOW_PC = 0x11,
	AT_HIGH_PC = 0x12,
	AT_ABSTRACT_ORIGIN = 0x31,
	AT_SPECIFICATION = 0x47,
	AT_RANGES = 0x55,
	AT_CALL_FILE = 0x58,
	AT_CALL_LINE = 0x59,
	AT_LINKAGE_NAME = 0x6e,
	AT_STR_OFFSETS_BASE = 0x72,
	AT_ADDR_BASE = 0x73,
	AT_RNGLISTS_BASE = 0x74,
	AT_MIPS_LINKAGE_NAME = 0x2007,
};

/* 7.5.1 */
enum {
	UT_TYPE = 0x02,
	UT_SKELETON = 0x04,
	UT_SPLIT_COMPILE = 0x05,
	UT_SPLIT_TYPE = 0x06,
};

/* 7.25 */
enum {
	RLE_END_OF_LIST,
	RLE_BASE_ADDRESSX,
	RLE_STARTX_ENDX,
	RLE_STARTX_LENGTH,
	RLE_OFFSET_PAIR,
	RLE_BASE_ADDRESS,
	RLE_START_END,
	RLE_START_LENGTH,
};

/* An abbreviation. */
struct decl {
	u64 code;
	const u8 *attrs;
	u32 attrs_len;		/* in bytes, with the zeros at the end */
	u32 fixed;		/* bytes of an entry's attributes, or NOT_FIXED */
	u32 tag;
	bool children;
};

struct decls {
	size_t n;
	struct decl d[];	/* sorted by code */
};

struct inline_unit {
	u64 off;		/* in .debug_info, as is the next */
	u64 end;
	u64 root;		/* the first entry */
	u64 abbrev;		/* offset in .debug_abbrev */
	u64 line_unit;
	u64 low_pc;
	u64 addr_base;
	u64 rnglists_base;
	u64 str_offsets_base;
	u16 version;
	bool dwarf64;
	u32 decls_unit;		/* the one that has them for this one, too */
	_Atomic(struct decls *) decls;
	_Atomic(struct inline_tree *) tree;
};

/* Code of something: a unit, or a node of a tree. */
struct inline_span {
	u64 lo;
	u64 hi;			/* one past the last byte */
	u32 id;
	u32 outer;		/* the nearest before that ends behind lo */
};

struct node {
	u64 origin;		/* an entry, by offset; or BARRIER */
	u32 parent;		/* or NONE */
	u32 depth;		/* of its entry */
	u32 file;		/* of the call */
	u32 line;
};

struct inline_tree {
	u64 line_unit;
	struct inline_span *spans;
	size_t nspans;
	struct node nodes[];
};

/* The value of an attribute; form 0: it has none. */
struct value {
	u64 form;
	u64 num;
	const char *str;	/* of FORM_STRING */
};

/* What is used of an entry. */
struct die {
	struct value name;
	struct value linkage_name;
	struct value stmt_list;
	struct value low_pc;
	struct value high_pc;
	struct value ranges;
	struct value origin;
	struct value call_file;
	struct value call_line;
	struct value str_offsets_base;
	struct value addr_base;
	struct value rnglists_base;
};

/* An array that grows, in memory that it gives back. */
struct vec {
	void *p;
	size_t size;		/* of the mapping */
	size_t used;
};

/* A unit that is gone through. */
struct walk {
	struct inlines *il;
	const struct inline_unit *u;
	const struct decls *decls;
	struct vec nodes;
	struct vec spans;
	u32 current;		/* node around the entries that come; NONE */
	u32 depth;		/* of these */
	u32 dead;		/* nothing below this depth is in the file */
	size_t cost;		/* not charged yet */
	bool failed;		/* no memory */
};

const char *const inline_section_names[INLINE_NSECTIONS] = {
	[INLINE_INFO] = ".debug_info",
	[INLINE_ABBREV] = ".debug_abbrev",
	[INLINE_RANGES] = ".debug_ranges",
	[INLINE_RNGLISTS] = ".debug_rnglists",
	[INLINE_ADDR] = ".debug_addr",
	[INLINE_STR] = ".debug_str",
	[INLINE_LINE_STR] = ".debug_line_str",
	[INLINE_STR_OFFSETS] = ".debug_str_offsets",
};

/* --- memory and budget --- */

/* Room for size more bytes; NULL if there is no memory. */
static void *vec_add(struct vec *v, size_t size)
{
	size_t want = v->size ? 2 * v->size : VEC_MIN_SIZE;
	void *p;

	if (v->size - v->used < size) {
		p = v->p ? mremap(v->p, v->size, want, MREMAP_MAYMOVE) :
			   vm_alloc(want);
		if (!p || p == MAP_FAILED)
			return NULL;
		v->p = p;
		v->size = want;
	}
	p = (char *)v->p + v->used;
	v->used += size;
	return p;
}

static void vec_free(struct vec *v)
{
	if (v->p)
		vm_free(v->p, v->size);
}

/*
 * False: it is spent, so stop.  Work that shows its size only afterwards asks
 * for 1 before it begins.
 */
static bool charge(struct inlines *il, size_t n)
{
	return atomic_fetch_sub_explicit(&il->budget, (s64)n,
					 memory_order_relaxed) > (s64)n;
}

/* --- spans --- */

static bool span_less(const void *a, const void *b)
{
	const struct inline_span *x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo;
	return x->hi != y->hi ? x->hi > y->hi : x->id < y->id;
}

static void spans_sort(struct inline_span *s, size_t n)
{
	u32 top = NONE;

	heap_sort(s, n, sizeof(*s), span_less);
	for (size_t i = 0; i < n; i++) {
		while (top != NONE && s[top].hi <= s[i].lo)
			top = s[top].outer;
		s[i].outer = top;
		top = (u32)i;
	}
}

/* The innermost with addr, or NULL. */
static const struct inline_span *spans_find(const struct inline_span *s,
					    size_t n, u64 addr)
{
	size_t lo = 0, hi = n, mid;
	u32 i;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	i = lo ? (u32)lo - 1 : NONE;
	while (i != NONE && s[i].hi <= addr)
		i = s[i].outer;
	return i == NONE ? NULL : &s[i];
}

static bool span_add(struct vec *v, u64 lo, u64 hi, u32 id)
{
	struct inline_span *s;

	/* What the linker dropped is at 0, or nowhere. */
	if (!lo || lo >= hi)
		return true;
	if (v->used / sizeof(*s) >= NONE)
		return false;
	s = vec_add(v, sizeof(*s));
	if (!s)
		return false;
	*s = (struct inline_span){ .lo = lo, .hi = hi, .id = id };
	return true;
}

/* --- abbreviations (7.5.3) --- */

static struct reader section_reader(const struct dwarf_section *sec, u64 off)
{
	struct reader r = { sec->p, sec->p + sec->size, false };

	reader_take(&r, off);
	return r;
}

/* Bytes of a value of this form, or NOT_FIXED if that depends. */
static u32 form_size(const struct inline_unit *u, u64 form)
{
	switch (form) {
	case FORM_FLAG_PRESENT:
	case FORM_IMPLICIT_CONST:
		return 0;
	case FORM_DATA1:
	case FORM_FLAG:
	case FORM_REF1:
	case FORM_STRX1:
	case FORM_ADDRX1:
		return 1;
	case FORM_DATA2:
	case FORM_REF2:
	case FORM_STRX2:
	case FORM_ADDRX2:
		return 2;
	case FORM_STRX3:
	case FORM_ADDRX3:
		return 3;
	case FORM_DATA4:
	case FORM_REF4:
	case FORM_REF_SUP4:
	case FORM_STRX4:
	case FORM_ADDRX4:
		return 4;
	case FORM_ADDR:
	case FORM_DATA8:
	case FORM_REF8:
	case FORM_REF_SIG8:
	case FORM_REF_SUP8:
		return 8;
	case FORM_DATA16:
		return 16;
	case FORM_STRP:
	case FORM_LINE_STRP:
	case FORM_STRP_SUP:
	case FORM_SEC_OFFSET:
	case FORM_GNU_REF_ALT:
	case FORM_GNU_STRP_ALT:
		return u->dwarf64 ? 8 : 4;
	case FORM_REF_ADDR:
		return u->dwarf64 || u->version == 2 ? 8 : 4;
	default:
		return NOT_FIXED;
	}
}

/* The next attribute of an abbreviation; false behind the last. */
static bool read_attr(struct reader *r, u64 *at, u64 *form, u64 *implicit)
{
	*at = read_uleb(r);
	*form = read_uleb(r);
	*implicit = 0;
	if (*form == FORM_IMPLICIT_CONST)
		*implicit = (u64)read_sleb(r);
	return !r->bad && (*at || *form);
}

/* The next abbreviation of a table; false behind the last. */
static bool read_decl(const struct inline_unit *u, struct reader *r,
		      struct decl *d)
{
	u64 at, form, implicit;
	size_t len;
	u32 size;

	*d = (struct decl){ .code = read_uleb(r) };
	if (!d->code)
		return false;
	d->tag = (u32)read_uleb(r);
	d->children = read_u8(r);
	d->attrs = r->p;
	while (read_attr(r, &at, &form, &implicit)) {
		size = form_size(u, form);
		if (size == NOT_FIXED || d->fixed >= NOT_FIXED - size)
			d->fixed = NOT_FIXED;
		else
			d->fixed += size;
	}
	len = (size_t)(r->p - d->attrs);
	d->attrs_len = (u32)len;
	return !r->bad && len == d->attrs_len;
}

static bool decl_less(const void *a, const void *b)
{
	return ((const struct decl *)a)->code < ((const struct decl *)b)->code;
}

static struct decls *decls_new(struct inlines *il, const struct inline_unit *u,
			       size_t *size)
{
	struct reader r = section_reader(&il->sec[INLINE_ABBREV], u->abbrev);
	const struct reader begin = r;
	bool sorted = true;
	struct decls *ds;
	struct decl d;
	size_t n = 0;

	if (!charge(il, 1))
		return NULL;
	while (read_decl(u, &r, &d))
		n++;
	if (!charge(il, (size_t)(r.p - begin.p)))
		return NULL;
	*size = sizeof(*ds) + n * sizeof(d);
	ds = arena_alloc(*size);
	if (!ds)
		return NULL;
	for (r = begin; ds->n < n && read_decl(u, &r, &d); ds->n++) {
		sorted &= !ds->n || ds->d[ds->n - 1].code < d.code;
		ds->d[ds->n] = d;
	}
	if (!sorted)
		heap_sort(ds->d, ds->n, sizeof(d), decl_less);
	return ds;
}

static const struct decls *decls_get(struct inlines *il,
				     struct inline_unit *u)
{
	struct decls *ds, *theirs = NULL;
	size_t size;

	u = &il->units[u->decls_unit];
	/* Acquire: pairs with the release below. */
	ds = atomic_load_explicit(&u->decls, memory_order_acquire);
	if (ds)
		return ds;
	ds = decls_new(il, u, &size);
	if (!ds || atomic_compare_exchange_strong_explicit(&u->decls, &theirs,
			ds, memory_order_release, memory_order_acquire))
		return ds;
	arena_undo(ds, size);
	return theirs;
}

static const struct decl *decls_find(const struct decls *ds, u64 code)
{
	size_t lo = 0, hi = ds->n, mid;

	/* Compilers count from 1. */
	if (code - 1 < ds->n && ds->d[code - 1].code == code)
		return &ds->d[code - 1];
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (ds->d[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ds->n && ds->d[lo].code == code ? &ds->d[lo] : NULL;
}

/* --- attributes (7.5.4 to 7.5.6) --- */

static void read_value(const struct inline_unit *u, struct reader *r,
		       u64 form, u64 implicit, struct value *v)
{
	u32 size;

	/* It may name itself, but not for ever. */
	if (form == FORM_INDIRECT)
		form = read_uleb(r);
	*v = (struct value){ .form = form };
	size = form_size(u, form);
	if (form == FORM_IMPLICIT_CONST) {
		v->num = implicit;
	} else if (size <= 8) {
		v->num = read_number(r, size);
	} else if (size != NOT_FIXED) {
		reader_take(r, size);
	} else {
		switch (form) {
		case FORM_STRING:
			v->str = read_string(r);
			break;
		case FORM_SDATA:
			v->num = (u64)read_sleb(r);
			break;
		case FORM_UDATA:
		case FORM_REF_UDATA:
		case FORM_STRX:
		case FORM_ADDRX:
		case FORM_LOCLISTX:
		case FORM_RNGLISTX:
			v->num = read_uleb(r);
			break;
		default:
			skip_block(r, form);
		}
	}
}

/* Where in die the attribute goes, or NULL. */
static struct value *die_slot(struct die *die, u64 at)
{
	switch (at) {
	case AT_NAME:
		return &die->name;
	case AT_LINKAGE_NAME:
	case AT_MIPS_LINKAGE_NAME:
		return &die->linkage_name;
	case AT_STMT_LIST:
		return &die->stmt_list;
	case AT_LOW_PC:
		return &die->low_pc;
	case AT_HIGH_PC:
		return &die->high_pc;
	case AT_RANGES:
		return &die->ranges;
	case AT_ABSTRACT_ORIGIN:
	case AT_SPECIFICATION:
		return &die->origin;
	case AT_CALL_FILE:
		return &die->call_file;
	case AT_CALL_LINE:
		return &die->call_line;
	case AT_STR_OFFSETS_BASE:
		return &die->str_offsets_base;
	case AT_ADDR_BASE:
		return &die->addr_base;
	case AT_RNGLISTS_BASE:
		return &die->rnglists_base;
	default:
		return NULL;
	}
}

/* Read the attributes of an entry that begins behind r's code. */
static bool read_die(const struct inline_unit *u, const struct decl *d,
		     struct reader *r, struct die *die)
{
	struct reader attrs = { d->attrs, d->attrs + d->attrs_len, false };
	struct value v, *slot;
	u64 at, form, implicit;

	*die = (struct die){ 0 };
	while (read_attr(&attrs, &at, &form, &implicit) && !r->bad) {
		slot = die_slot(die, at);
		read_value(u, r, form, implicit, slot ? slot : &v);
	}
	return !r->bad;
}

static void skip_die(const struct inline_unit *u, const struct decl *d,
		     struct reader *r)
{
	struct reader attrs = { d->attrs, d->attrs + d->attrs_len, false };
	u64 at, form, implicit;
	struct value v;

	if (d->fixed != NOT_FIXED) {
		reader_take(r, d->fixed);
		return;
	}
	while (read_attr(&attrs, &at, &form, &implicit) && !r->bad)
		read_value(u, r, form, implicit, &v);
}

/* Number index of an array of numbers of this size, at base. */
static bool read_indexed(const struct dwarf_section *sec, u64 base, u64 index,
			 unsigned int size, u64 *num)
{
	struct reader r = section_reader(sec, base);

	if (index > reader_left(&r) / size)
		return false;
	reader_take(&r, index * size);
	*num = read_number(&r, size);
	return !r.bad;
}

static bool value_address(const struct inlines *il,
			  const struct inline_unit *u, const struct value *v,
			  u64 *addr)
{
	switch (v->form) {
	case FORM_ADDR:
		*addr = v->num;
		return true;
	case FORM_ADDRX:
	case FORM_ADDRX1:
	case FORM_ADDRX2:
	case FORM_ADDRX3:
	case FORM_ADDRX4:
		return read_indexed(&il->sec[INLINE_ADDR], u->addr_base, v->num, 8, addr);
	default:
		return false;
	}
}

/* The string, or NULL. */
static const char *value_string(const struct inlines *il,
				const struct inline_unit *u,
				const struct value *v)
{
	struct reader r = { 0 };
	const char *s = NULL;
	u64 off;

	switch (v->form) {
	case FORM_STRING:
		s = v->str;
		break;
	case FORM_STRP:
		s = section_string(&il->sec[INLINE_STR], v->num, &r);
		break;
	case FORM_LINE_STRP:
		s = section_string(&il->sec[INLINE_LINE_STR], v->num, &r);
		break;
	case FORM_STRX:
	case FORM_STRX1:
	case FORM_STRX2:
	case FORM_STRX3:
	case FORM_STRX4:
		if (read_indexed(&il->sec[INLINE_STR_OFFSETS], u->str_offsets_base, v->num,
				 u->dwarf64 ? 8 : 4, &off))
			s = section_string(&il->sec[INLINE_STR], off, &r);
		break;
	}
	return s && *s && !r.bad ? s : NULL;
}

/* The entry that is meant, by its offset in .debug_info. */
static bool value_reference(const struct inline_unit *u,
			    const struct value *v, u64 *off)
{
	switch (v->form) {
	case FORM_REF1:
	case FORM_REF2:
	case FORM_REF4:
	case FORM_REF8:
	case FORM_REF_UDATA:
		*off = u->off + v->num;
		return true;
	case FORM_REF_ADDR:
		*off = v->num;
		return true;
	default:
		return false;
	}
}

/* --- ranges (2.17) --- */

/* Where they go. */
struct range_sink {
	struct vec *spans;
	u32 id;
	bool failed;
};

static void sink_add(struct range_sink *sink, u64 lo, u64 hi)
{
	sink->failed |= !span_add(sink->spans, lo, hi, sink->id);
}

/* Before version 5: pairs of offsets. */
static void read_ranges_v2(struct inlines *il, const struct inline_unit *u,
			   u64 off, struct range_sink *sink)
{
	struct reader r = section_reader(&il->sec[INLINE_RANGES], off);
	u64 base = u->low_pc, lo, hi;

	while (reader_left(&r) && charge(il, 16) && !sink->failed) {
		lo = read_number(&r, 8);
		hi = read_number(&r, 8);
		if (r.bad || (!lo && !hi))
			return;
		if (lo == UINT64_MAX)
			base = hi;
		else
			sink_add(sink, base + lo, base + hi);
	}
}

static u64 read_addrx(const struct inlines *il, const struct inline_unit *u,
		      struct reader *r)
{
	u64 addr = 0;

	if (!read_indexed(&il->sec[INLINE_ADDR], u->addr_base, read_uleb(r), 8, &addr))
		r->bad = true;
	return addr;
}

/* One entry; false at the end of the list. */
static bool read_range_v5(const struct inlines *il,
			  const struct inline_unit *u, struct reader *r,
			  u64 *base, u64 *lo, u64 *hi)
{
	*lo = *hi = 0;
	switch (read_u8(r)) {
	case RLE_BASE_ADDRESSX:
		*base = read_addrx(il, u, r);
		return !r->bad;
	case RLE_STARTX_ENDX:
		*lo = read_addrx(il, u, r);
		*hi = read_addrx(il, u, r);
		return !r->bad;
	case RLE_STARTX_LENGTH:
		*lo = read_addrx(il, u, r);
		*hi = *lo + read_uleb(r);
		return !r->bad;
	case RLE_OFFSET_PAIR:
		*lo = *base + read_uleb(r);
		*hi = *base + read_uleb(r);
		return !r->bad;
	case RLE_BASE_ADDRESS:
		*base = read_number(r, 8);
		return !r->bad;
	case RLE_START_END:
		*lo = read_number(r, 8);
		*hi = read_number(r, 8);
		return !r->bad;
	case RLE_START_LENGTH:
		*lo = read_number(r, 8);
		*hi = *lo + read_uleb(r);
		return !r->bad;
	default:	/* the end, or not known */
		return false;
	}
}

static void read_ranges_v5(struct inlines *il, const struct inline_unit *u,
			   u64 off, struct range_sink *sink)
{
	struct reader r = section_reader(&il->sec[INLINE_RNGLISTS], off);
	u64 base = u->low_pc, lo, hi;

	while (charge(il, 1) && !sink->failed &&
	       read_range_v5(il, u, &r, &base, &lo, &hi))
		sink_add(sink, lo, hi);
}

static void read_range_list(struct inlines *il, const struct inline_unit *u,
			    const struct value *v, struct range_sink *sink)
{
	u64 off = v->num;

	if (u->version < 5) {
		read_ranges_v2(il, u, off, sink);
		return;
	}
	if (v->form == FORM_RNGLISTX) {
		if (!read_indexed(&il->sec[INLINE_RNGLISTS], u->rnglists_base, v->num,
				  u->dwarf64 ? 8 : 4, &off))
			return;
		off += u->rnglists_base;
	}
	read_ranges_v5(il, u, off, sink);
}

/*
 * Add the code of an entry to spans, under this id.  Returns false if there
 * is no memory.  Sets *n to how many there are: of what the linker dropped,
 * none.
 */
static bool die_spans(struct inlines *il, const struct inline_unit *u,
		      const struct die *die, struct vec *spans, u32 id,
		      size_t *n)
{
	struct range_sink sink = { .spans = spans, .id = id };
	size_t used = spans->used;
	u64 lo, hi;

	if (die->ranges.form) {
		read_range_list(il, u, &die->ranges, &sink);
	} else if (die->high_pc.form &&
		   value_address(il, u, &die->low_pc, &lo)) {
		if (!value_address(il, u, &die->high_pc, &hi))
			hi = lo + die->high_pc.num;
		sink_add(&sink, lo, hi);
	}
	*n = (spans->used - used) / sizeof(struct inline_span);
	return !sink.failed;
}

/* --- units (7.5.1) --- */

/* Read a unit's header; false: it is not for us. */
static bool read_header(struct reader *r, struct inline_unit *u)
{
	u8 type = 0, addr_size;

	u->version = (u16)read_number(r, 2);
	if (u->version < 2 || u->version > 5)
		return false;
	if (u->version >= 5) {
		type = read_u8(r);
		addr_size = read_u8(r);
		u->abbrev = read_offset(r, u->dwarf64);
	} else {
		u->abbrev = read_offset(r, u->dwarf64);
		addr_size = read_u8(r);
	}
	if (type == UT_TYPE || type == UT_SPLIT_TYPE)
		reader_take(r, u->dwarf64 ? 16 : 12);
	else if (type == UT_SKELETON || type == UT_SPLIT_COMPILE)
		reader_take(r, 8);
	return !r->bad && addr_size == 8;
}

/* What a first entry says, whose abbreviation is looked for as well. */
static bool read_root(struct inlines *il, struct inline_unit *u,
		      struct reader r, struct die *die)
{
	struct reader abbrevs = section_reader(&il->sec[INLINE_ABBREV], u->abbrev);
	const u8 *begin = abbrevs.p;
	u64 code = read_uleb(&r);
	struct decl d;

	if (!charge(il, 1))
		return false;
	do {
		if (!read_decl(u, &abbrevs, &d))
			return false;
	} while (d.code != code);
	return charge(il, (size_t)(abbrevs.p - begin)) &&
	       read_die(u, &d, &r, die);
}

/* Sizes of forms are part of the abbreviations. */
static bool same_decls(const struct inline_unit *a,
		       const struct inline_unit *b)
{
	return a->abbrev == b->abbrev && a->version == b->version &&
	       a->dwarf64 == b->dwarf64;
}

static bool add_unit(struct inlines *il, struct vec *units, struct vec *spans,
		     struct inline_unit *u, struct reader body)
{
	struct inline_unit *added;
	struct die die;
	size_t n;
	u32 id;

	u->end = (u64)(body.end - il->sec[INLINE_INFO].p);
	if (!read_header(&body, u))
		return true;
	u->root = (u64)(body.p - il->sec[INLINE_INFO].p);
	if (!read_root(il, u, body, &die))
		return true;
	u->line_unit = die.stmt_list.form ? die.stmt_list.num : UINT64_MAX;
	u->str_offsets_base = die.str_offsets_base.num;
	u->addr_base = die.addr_base.num;
	u->rnglists_base = die.rnglists_base.num;
	value_address(il, u, &die.low_pc, &u->low_pc);
	added = vec_add(units, sizeof(*u));
	if (!added)
		return false;
	*added = *u;
	id = (u32)(added - (struct inline_unit *)units->p);
	added->decls_unit = id;
	/* With clang, units that are optimized when linked have one table. */
	if (id && same_decls(&added[-1], u))
		added->decls_unit = added[-1].decls_unit;
	return die_spans(il, u, &die, spans, id, &n);
}

void inline_init(struct inlines *il)
{
	struct reader r = section_reader(&il->sec[INLINE_INFO], 0), body;
	struct vec units = { 0 }, spans = { 0 };
	struct inline_unit u = { 0 };
	size_t size = 0;

	for (int i = 0; i < INLINE_NSECTIONS; i++)
		size += il->sec[i].size;
	atomic_init(&il->budget, BUDGET_MIN + BUDGET_FACTOR * (s64)size);
	for (; unit_cut(&r, &body, &u.dwarf64);
	     u = (struct inline_unit){ .off = (u64)(r.p - il->sec[INLINE_INFO].p) })
		if (!add_unit(il, &units, &spans, &u, body))
			break;
	il->units = units.p;
	il->units_size = units.size;
	il->nunits = units.used / sizeof(u);
	il->spans = spans.p;
	il->spans_size = spans.size;
	il->nspans = spans.used / sizeof(*il->spans);
	spans_sort(il->spans, il->nspans);
}

void inline_destroy(struct inlines *il)
{
	if (il->units)
		vm_free(il->units, il->units_size);
	if (il->spans)
		vm_free(il->spans, il->spans_size);
	*il = (struct inlines){ 0 };
}

/* The unit with the entry at this offset, or NULL. */
static struct inline_unit *unit_with(const struct inlines *il, u64 off)
{
	size_t lo = 0, hi = il->nunits, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (il->units[mid].off <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || off < il->units[lo - 1].root || off >= il->units[lo - 1].end)
		return NULL;
	return &il->units[lo - 1];
}

/* --- trees --- */

static struct node *walk_node(const struct walk *w, u32 i)
{
	return (struct node *)w->nodes.p + i;
}

static u32 add_node(struct walk *w, const struct node *node)
{
	struct node *n;

	if (w->nodes.used / sizeof(*n) >= NONE)
		return NONE;
	n = vec_add(&w->nodes, sizeof(*n));
	if (!n)
		return NONE;
	*n = *node;
	return (u32)(n - (struct node *)w->nodes.p);
}

/* Entries that come are in node i. */
static void enter_node(struct walk *w, const struct decl *d, u32 i)
{
	if (i == NONE)
		w->failed = true;
	else if (d->children)
		w->current = i;
}

static void walk_inlined(struct walk *w, const struct decl *d,
			 const struct die *die)
{
	u32 i = (u32)(w->nodes.used / sizeof(struct node));
	struct node node = {
		.parent = w->current, .depth = w->depth,
		.file = (u32)die->call_file.num,
		.line = (u32)die->call_line.num,
	};
	size_t n;

	/* Without a name it is still a frame; 0 is no entry. */
	if (!value_reference(w->u, &die->origin, &node.origin) ||
	    node.origin == BARRIER)
		node.origin = 0;
	if (!die_spans(w->il, w->u, die, &w->spans, i, &n))
		w->failed = true;
	else if (n)
		enter_node(w, d, add_node(w, &node));
}

/*
 * A function in a function is not inlined there.  One that the linker dropped
 * still has its addresses here, from 0 on, and those of what it inlined.
 */
static void walk_subprogram(struct walk *w, const struct decl *d,
			    const struct die *die)
{
	struct node node = { BARRIER, w->current, w->depth, 0, 0 };
	size_t used = w->spans.used, n;

	if (!d->children)
		return;
	if (die->ranges.form || die->high_pc.form) {
		if (!die_spans(w->il, w->u, die, &w->spans, 0, &n))
			w->failed = true;
		w->spans.used = used;
		if (!n)
			w->dead = w->depth;
	}
	if (w->current != NONE)
		enter_node(w, d, add_node(w, &node));
}

/* An entry's children end. */
static void walk_up(struct walk *w)
{
	w->depth--;
	while (w->current != NONE &&
	       walk_node(w, w->current)->depth >= w->depth)
		w->current = walk_node(w, w->current)->parent;
	if (w->dead != NONE && w->dead >= w->depth)
		w->dead = NONE;
}

/*
 * Go past an entry; false at the end, or where nothing can be read.  Not
 * inlined: its stack check is where a goroutine that reads a large unit lets
 * others run.
 */
static __attribute__((noinline))
bool walk_entry(struct walk *w, struct reader *r)
{
	u64 code = read_uleb(r);
	const struct decl *d = decls_find(w->decls, code);
	struct die die;

	if (!code && w->depth) {
		walk_up(w);
		return w->depth;
	}
	if (!d)
		return false;
	w->cost += 1 + (d->fixed == NOT_FIXED ? d->attrs_len : 0);
	if (w->dead == NONE && (d->tag == TAG_INLINED_SUBROUTINE ||
				d->tag == TAG_SUBPROGRAM)) {
		if (!read_die(w->u, d, r, &die))
			return false;
		if (d->tag == TAG_SUBPROGRAM)
			walk_subprogram(w, d, &die);
		else
			walk_inlined(w, d, &die);
	} else {
		skip_die(w->u, d, r);
	}
	w->depth += d->children;
	return !r->bad && !w->failed && w->depth < NONE;
}

static void walk_unit(struct walk *w)
{
	struct reader r = section_reader(&w->il->sec[INLINE_INFO], w->u->root);

	r.end = w->il->sec[INLINE_INFO].p + w->u->end;
	while (reader_left(&r) && walk_entry(w, &r)) {
		if (w->cost < CHARGE_STEP)
			continue;
		if (!charge(w->il, w->cost))
			break;
		w->cost = 0;
	}
}

static size_t tree_size(const struct walk *w)
{
	return sizeof(struct inline_tree) + w->nodes.used + w->spans.used;
}

/* What was found, in memory that stays. */
static struct inline_tree *tree_new(const struct walk *w)
{
	struct inline_tree *t = arena_alloc(tree_size(w));

	if (!t)
		return NULL;
	t->line_unit = w->u->line_unit;
	t->spans = (struct inline_span *)((char *)t->nodes + w->nodes.used);
	t->nspans = w->spans.used / sizeof(*t->spans);
	if (w->nodes.used)
		memcpy(t->nodes, w->nodes.p, w->nodes.used);
	if (w->spans.used)
		memcpy(t->spans, w->spans.p, w->spans.used);
	spans_sort(t->spans, t->nspans);
	return t;
}

static const struct inline_tree *tree_make(struct inlines *il,
					   struct inline_unit *u)
{
	struct walk w = {
		.il = il, .u = u, .decls = decls_get(il, u),
		.current = NONE, .dead = NONE,
	};
	struct inline_tree *t = NULL, *theirs = NULL;

	if (!w.decls)
		return NULL;
	walk_unit(&w);
	if (!w.failed)
		t = tree_new(&w);
	vec_free(&w.nodes);
	vec_free(&w.spans);
	if (!t || atomic_compare_exchange_strong_explicit(&u->tree, &theirs, t,
			memory_order_release, memory_order_acquire))
		return t;
	arena_undo(t, tree_size(&w));
	return theirs;
}

static const struct inline_tree *tree_get(struct inlines *il,
					  struct inline_unit *u)
{
	/* Acquire: pairs with the release in tree_make(). */
	const struct inline_tree *t = atomic_load_explicit(&u->tree,
							memory_order_acquire);

	return t ? t : tree_make(il, u);
}

/* --- lookup --- */

static void call_set(struct inline_call *call, const struct inline_tree *t,
		     u32 i)
{
	*call = (struct inline_call){
		.tree = t, .node = i, .origin = t->nodes[i].origin,
		.line_unit = t->line_unit, .file = t->nodes[i].file,
		.line = t->nodes[i].line,
	};
}

bool inline_find(struct inlines *il, u64 addr, struct inline_call *call)
{
	const struct inline_span *s = spans_find(il->spans, il->nspans, addr);
	const struct inline_tree *t;

	t = s ? tree_get(il, &il->units[s->id]) : NULL;
	s = t ? spans_find(t->spans, t->nspans, addr) : NULL;
	if (!s)
		return false;
	call_set(call, t, s->id);
	return true;
}

bool inline_outer(struct inline_call *call)
{
	const struct inline_tree *t = call->tree;
	u32 i = t->nodes[call->node].parent;

	if (i == NONE || t->nodes[i].origin == BARRIER)
		return false;
	call_set(call, t, i);
	return true;
}

/* Read the entry at this offset of .debug_info, and say in which unit. */
static struct inline_unit *read_die_at(struct inlines *il, u64 off,
				       struct die *die)
{
	struct inline_unit *u = unit_with(il, off);
	const struct decls *ds = u ? decls_get(il, u) : NULL;
	const struct decl *d;
	struct reader r;

	if (!ds)
		return NULL;
	r = section_reader(&il->sec[INLINE_INFO], off);
	r.end = il->sec[INLINE_INFO].p + u->end;
	d = decls_find(ds, read_uleb(&r));
	if (!d || !charge(il, d->attrs_len) || !read_die(u, d, &r, die))
		return NULL;
	return u;
}

const char *inline_name(struct inlines *il, u64 origin)
{
	const char *name = NULL, *linkage;
	struct inline_unit *u;
	struct die die;

	/* What is inlined names its origin, that may name a declaration. */
	for (int i = 0; i < ORIGINS_MAX; i++) {
		u = read_die_at(il, origin, &die);
		if (!u)
			break;
		linkage = value_string(il, u, &die.linkage_name);
		if (linkage)
			return linkage;
		if (!name)
			name = value_string(il, u, &die.name);
		if (!value_reference(u, &die.origin, &origin))
			break;
	}
	return name ? name : "";
}
