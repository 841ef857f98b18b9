// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_inline.c - inlined functions by entries made by hand: good,
 * odd, truncated and corrupted ones; and by this program's, with bytes
 * changed.
 *
 * Sections end where a PROT_NONE page begins, so that reading one byte too
 * many is a crash with or without a sanitizer.
 */
#include "trace/inline.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/symtab.h"
#include "tests/kernel/check.h"

#define PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define HANG_SECONDS	50	/* below the runner's 60 */
#define MADE_MAX	((size_t)1 << 20)

/* 7.5.3 */
enum { TAG_BLOCK = 0x0b, TAG_CU = 0x11, TAG_INLINED = 0x1d, TAG_FN = 0x2e };

/* 7.5.4 */
enum {
	NAME = 0x03, STMT_LIST = 0x10, LOW = 0x11, HIGH = 0x12, ORIGIN = 0x31,
	SPECIFICATION = 0x47, RANGES = 0x55, CALL_FILE = 0x58,
	CALL_LINE = 0x59, LINKAGE = 0x6e, STR_OFFSETS_BASE = 0x72,
	ADDR_BASE = 0x73, RNGLISTS_BASE = 0x74,
};

/* 7.5.6 */
enum {
	F_ADDR = 0x01, F_BLOCK2 = 0x03, F_BLOCK4, F_DATA2, F_DATA4, F_DATA8,
	F_STRING, F_BLOCK, F_BLOCK1, F_DATA1, F_FLAG, F_SDATA, F_STRP, F_UDATA,
	F_REF_ADDR, F_REF1, F_REF2, F_REF4, F_REF8, F_REF_UDATA, F_INDIRECT,
	F_SEC_OFFSET, F_EXPRLOC, F_FLAG_PRESENT, F_STRX, F_ADDRX, F_REF_SUP4,
	F_STRP_SUP, F_DATA16, F_LINE_STRP, F_REF_SIG8, F_IMPLICIT, F_LOCLISTX,
	F_RNGLISTX, F_REF_SUP8, F_STRX1, F_STRX2, F_STRX3, F_STRX4, F_ADDRX1,
	F_ADDRX2, F_ADDRX3, F_ADDRX4, F_GNU_REF_ALT = 0x1f20, F_GNU_STRP_ALT,
};

static struct made {
	u8 *p;			/* where it is built */
	size_t len;
	u8 *guard;		/* end of where it is read from */
} made[INLINE_NSECTIONS];

static u16 version;
static bool dwarf64;
static size_t unit_at;		/* where the unit's length is */

static u32 seed = 1;

static u32 random_below(u32 n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* --- building --- */

static void put(enum inline_section s, u64 v, unsigned int n)
{
	assert_true(made[s].len + n <= MADE_MAX);
	for (; n; n--, v >>= 8)
		made[s].p[made[s].len++] = (u8)v;
}

static void put_uleb(enum inline_section s, u64 v)
{
	for (; v >= 0x80; v >>= 7)
		put(s, v | 0x80, 1);
	put(s, v, 1);
}

static void put_string(enum inline_section s, const char *str)
{
	do
		put(s, (u8)*str, 1);
	while (*str++);
}

static void put_offset(enum inline_section s, u64 v)
{
	put(s, v, dwarf64 ? 8 : 4);
}

/* Offset in the unit, as references are. */
static u64 here(void)
{
	return made[INLINE_INFO].len - unit_at;
}

/* An abbreviation: pairs of attribute and form until a 0. */
static void abbrev(u64 code, u64 tag, int children, ...)
{
	va_list ap;
	int v;

	put_uleb(INLINE_ABBREV, code);
	put_uleb(INLINE_ABBREV, tag);
	put(INLINE_ABBREV, (u64)children, 1);
	va_start(ap, children);
	while ((v = va_arg(ap, int))) {
		put_uleb(INLINE_ABBREV, (u64)v);
		v = va_arg(ap, int);
		put_uleb(INLINE_ABBREV, (u64)v);
		if (v == F_IMPLICIT)
			put_uleb(INLINE_ABBREV, (u64)va_arg(ap, int));
	}
	va_end(ap);
	put(INLINE_ABBREV, 0, 2);
}

static void begin(u16 v, bool is64)
{
	for (int s = 0; s < INLINE_NSECTIONS; s++)
		made[s].len = 0;
	version = v;
	dwarf64 = is64;
}

static void unit_begin(u64 abbrev_off)
{
	unit_at = made[INLINE_INFO].len;
	if (dwarf64)
		put(INLINE_INFO, 0xffffffff, 4);
	put_offset(INLINE_INFO, 0);
	put(INLINE_INFO, version, 2);
	if (version >= 5)
		put(INLINE_INFO, 0x0801, 2);	/* DW_UT_compile, address size */
	put_offset(INLINE_INFO, abbrev_off);
	if (version < 5)
		put(INLINE_INFO, 8, 1);
}

static void unit_end(void)
{
	size_t end = made[INLINE_INFO].len, head = dwarf64 ? 12 : 4;

	made[INLINE_INFO].len = unit_at + head - (dwarf64 ? 8 : 4);
	put_offset(INLINE_INFO, end - unit_at - head);
	made[INLINE_INFO].len = end;
}

/* A code, and low_pc and high_pc as addresses. */
static void put_code(u64 code, u64 lo, u64 hi)
{
	put_uleb(INLINE_INFO, code);
	put(INLINE_INFO, lo, 8);
	put(INLINE_INFO, hi, 8);
}

/* --- reading --- */

static void made_init(struct inlines *il)
{
	*il = (struct inlines){ 0 };
	for (int s = 0; s < INLINE_NSECTIONS; s++) {
		u8 *p = made[s].guard - made[s].len;

		memcpy(p, made[s].p, made[s].len);
		il->sec[s] = (struct dwarf_section){ p, made[s].len };
	}
	inline_init(il);
}

/* What is inlined at addr, as "name@file:line outer@file:line". */
static void describe(struct inlines *il, u64 addr, char *buf, size_t size)
{
	struct inline_call call;
	size_t len = 0;

	*buf = '\0';
	if (!inline_find(il, addr, &call))
		return;
	do
		len += (size_t)snprintf(buf + len, size - len, "%s%s@%u:%u",
					len ? " " : "",
					inline_name(il, call.origin),
					call.file, call.line);
	while (len < size && inline_outer(&call));
}

/* The trees stay: of a few kilobytes each. */
static void expect(u64 addr, const char *want)
{
	struct inlines il;
	char got[256];

	made_init(&il);
	describe(&il, addr, got, sizeof(got));
	assert_string_equal(got, want);
	inline_destroy(&il);
}

/* --- good ones --- */

static void usual_abbrevs(void)
{
	int off = version >= 4 ? F_SEC_OFFSET : F_DATA4;

	abbrev(1, TAG_CU, true, STMT_LIST, off, LOW, F_ADDR, HIGH, F_ADDR, 0);
	abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
	abbrev(3, TAG_FN, true, LOW, F_ADDR, HIGH, F_ADDR, 0);
	abbrev(4, TAG_INLINED, true, LOW, F_ADDR, HIGH, F_ADDR, ORIGIN, F_REF4,
	       CALL_FILE, F_DATA1, CALL_LINE, F_UDATA, 0);
	abbrev(5, TAG_INLINED, false, ORIGIN, F_REF4, RANGES, off,
	       CALL_FILE, F_DATA1, CALL_LINE, F_UDATA, 0);
	abbrev(6, TAG_BLOCK, true, 0);
	put(INLINE_ABBREV, 0, 1);
}

static void put_root(u64 lo, u64 hi)
{
	put_uleb(INLINE_INFO, 1);
	put(INLINE_INFO, 0x77, dwarf64 && version >= 4 ? 8 : 4);
	put(INLINE_INFO, lo, 8);
	put(INLINE_INFO, hi, 8);
}

static u64 put_fn(const char *name)
{
	u64 at = here();

	put_uleb(INLINE_INFO, 2);
	put_string(INLINE_INFO, name);
	return at;
}

static void put_inlined(u64 lo, u64 hi, u64 origin, u8 file, u64 line)
{
	put_code(4, lo, hi);
	put(INLINE_INFO, origin, 4);
	put(INLINE_INFO, file, 1);
	put_uleb(INLINE_INFO, line);
}

/* [lo, lo + 8) and [lo + 16, lo + 20), of the unit at 0x1000. */
static u64 put_two_ranges(u64 lo)
{
	enum inline_section s = version >= 5 ? INLINE_RNGLISTS : INLINE_RANGES;
	u64 at;

	put(s, 0, version >= 5 ? 3 : 16);	/* not the first list */
	at = made[s].len;
	if (version >= 5) {
		put(s, 4, 1);			/* DW_RLE_offset_pair */
		put_uleb(s, lo - 0x1000);
		put_uleb(s, lo - 0x1000 + 8);
		put(s, 7, 1);			/* DW_RLE_start_length */
		put(s, lo + 16, 8);
		put_uleb(s, 4);
		put(s, 0, 1);
	} else {
		put(s, lo - 0x1000, 8);
		put(s, lo - 0x1000 + 8, 8);
		put(s, UINT64_MAX, 8);		/* another base */
		put(s, lo, 8);
		put(s, 16, 8);
		put(s, 20, 8);
		put(s, 0, 16);
	}
	return at;
}

/*
 * [1010, 1080) is a, called on line 10 of file 1; in it [1020, 1028) and
 * [1030, 1034) are b, called on line 300 of file 2.  [1080, 1090) is b.
 */
static void made_usual(u16 v, bool is64)
{
	u64 a, b;

	begin(v, is64);
	usual_abbrevs();
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	b = put_fn("b");
	put_code(3, 0x1000, 0x1100);
	put_inlined(0x1010, 0x1080, a, 1, 10);
	put_uleb(INLINE_INFO, 6);
	put_uleb(INLINE_INFO, 5);
	put(INLINE_INFO, b, 4);
	put(INLINE_INFO, put_two_ranges(0x1020), is64 && v >= 4 ? 8 : 4);
	put(INLINE_INFO, 2, 1);
	put_uleb(INLINE_INFO, 300);
	put(INLINE_INFO, 0, 2);			/* block and a end */
	put_inlined(0x1080, 0x1090, b, 3, 30);
	put(INLINE_INFO, 0, 3);
	unit_end();
}

static void test_versions(void **state)
{
	(void)state;
	for (u16 v = 2; v <= 5; v++)
		for (int is64 = 0; is64 < 2; is64++) {
			made_usual(v, is64);
			expect(0x0fff, "");
			expect(0x100f, "");
			expect(0x1010, "a@1:10");
			expect(0x101f, "a@1:10");
			expect(0x1020, "b@2:300 a@1:10");
			expect(0x1027, "b@2:300 a@1:10");
			expect(0x1028, "a@1:10");
			expect(0x1030, "b@2:300 a@1:10");
			expect(0x1033, "b@2:300 a@1:10");
			expect(0x1034, "a@1:10");
			expect(0x107f, "a@1:10");
			expect(0x1080, "b@3:30");
			expect(0x1090, "");
			expect(0x2000, "");
			expect(UINT64_MAX, "");
		}
	made_usual(6, false);
	expect(0x1010, "");
	made_usual(1, false);
	expect(0x1010, "");
}

/* Files are of the unit's line program. */
static void test_line_unit(void **state)
{
	struct inline_call call;
	struct inlines il;

	(void)state;
	made_usual(5, false);
	made_init(&il);
	assert_true(inline_find(&il, 0x1010, &call));
	assert_int_equal(call.line_unit, 0x77);
	inline_destroy(&il);
}

static void test_many_units(void **state)
{
	u64 a;

	(void)state;
	begin(4, false);
	usual_abbrevs();
	for (u64 lo = 0x9000; lo >= 0x1000; lo -= 0x1000) {
		unit_begin(0);
		put_root(lo, lo + 0x800);
		a = put_fn((char[]){ 'a' + (char)(lo >> 12), '\0' });
		put_code(3, lo, lo + 0x100);
		put_inlined(lo + 0x10, lo + 0x20, a, 1, lo >> 12);
		put(INLINE_INFO, 0, 3);
		unit_end();
	}
	expect(0x1010, "b@1:1");
	expect(0x5010, "f@1:5");
	expect(0x9010, "j@1:9");
	expect(0x9810, "");
	expect(0xa010, "");
}

/* Units with one table of abbreviations, that mean different sizes by it. */
static void test_shared_abbrevs(void **state)
{
	u64 a;

	(void)state;
	begin(4, false);
	abbrev(1, TAG_CU, true, LOW, F_ADDR, HIGH, F_DATA4, STMT_LIST,
	       F_SEC_OFFSET, 0);
	abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
	abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
	       ORIGIN, F_REF4, STMT_LIST, F_SEC_OFFSET, 0);
	put(INLINE_ABBREV, 0, 1);
	for (u64 lo = 0x1000; lo <= 0x6000; lo += 0x1000) {
		dwarf64 = lo == 0x3000 || lo == 0x4000;
		version = lo == 0x6000 ? 5 : 4;
		unit_begin(0);
		put_uleb(INLINE_INFO, 1);
		put(INLINE_INFO, lo, 8);
		put(INLINE_INFO, 0x100, 4);
		put_offset(INLINE_INFO, 0);
		a = put_fn((char[]){ 'a' + (char)(lo >> 12), '\0' });
		put_uleb(INLINE_INFO, 4);
		put(INLINE_INFO, lo + 0x10, 8);
		put(INLINE_INFO, 0x10, 4);
		put(INLINE_INFO, a, 4);
		put_offset(INLINE_INFO, 0);
		put_uleb(INLINE_INFO, 4);
		put(INLINE_INFO, lo + 0x20, 8);
		put(INLINE_INFO, 0x10, 4);
		put(INLINE_INFO, a, 4);
		put_offset(INLINE_INFO, 0);
		put(INLINE_INFO, 0, 1);
		unit_end();
	}
	for (u64 lo = 0x1000; lo <= 0x6000; lo += 0x1000)
		expect(lo + 0x20, (char[]){ 'a' + (char)(lo >> 12), '@', '0',
					    ':', '0', '\0' });
}

/* A unit of one inlined function, whose entries the caller gives. */
static void one_begin(u16 v)
{
	begin(v, false);
	abbrev(1, TAG_CU, true, LOW, F_ADDR, HIGH, F_DATA4, 0);
	abbrev(3, TAG_FN, true, LOW, F_ADDR, HIGH, F_DATA4, 0);
}

static void one_code(u64 code)
{
	put_uleb(INLINE_INFO, code);
	put(INLINE_INFO, 0x1000, 8);
	put(INLINE_INFO, 0x100, 4);
}

static void one_unit(void)
{
	put(INLINE_ABBREV, 0, 1);
	unit_begin(0);
	one_code(1);
}

static void one_end(void)
{
	put(INLINE_INFO, 0, 3);
	unit_end();
}

/* All ways to write a reference, and to skip what is not used. */
static void test_forms(void **state)
{
	static const struct {
		int form;
		unsigned int size;	/* 0: uleb */
		bool in_section;
	} refs[] = {
		{ F_REF1, 1, false }, { F_REF2, 2, false },
		{ F_REF4, 4, false }, { F_REF8, 8, false },
		{ F_REF_UDATA, 0, false }, { F_REF_ADDR, 4, true },
	};
	u64 a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		one_begin(5);
		abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
		abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_UDATA,
		       ORIGIN, refs[i].form, CALL_FILE, F_IMPLICIT, 7,
		       CALL_LINE, F_DATA2, 0);
		/* One of each form. */
		abbrev(9, 0x34, false, 0x02, F_BLOCK2, 0x02, F_BLOCK4,
		       0x02, F_DATA2, 0x02, F_DATA8, 0x02, F_STRING,
		       0x02, F_BLOCK, 0x02, F_BLOCK1, 0x02, F_FLAG,
		       0x02, F_SDATA, 0x02, F_STRP, 0x02, F_INDIRECT,
		       0x02, F_EXPRLOC, 0x02, F_FLAG_PRESENT, 0x02, F_STRX,
		       0x02, F_ADDRX, 0x02, F_REF_SUP4, 0x02, F_STRP_SUP,
		       0x02, F_DATA16, 0x02, F_LINE_STRP, 0x02, F_REF_SIG8,
		       0x02, F_LOCLISTX, 0x02, F_RNGLISTX, 0x02, F_REF_SUP8,
		       0x02, F_STRX1, 0x02, F_STRX2, 0x02, F_STRX3,
		       0x02, F_STRX4, 0x02, F_ADDRX1, 0x02, F_ADDRX2,
		       0x02, F_ADDRX3, 0x02, F_ADDRX4, 0x02, F_GNU_REF_ALT,
		       0x02, F_GNU_STRP_ALT, 0);
		one_unit();
		put(INLINE_INFO, 9, 1);
		put(INLINE_INFO, 3, 2);
		put(INLINE_INFO, 0xffffff, 3);
		put(INLINE_INFO, 3, 4);
		put(INLINE_INFO, 0xffffff, 3);
		put(INLINE_INFO, 0xff, 2);
		put(INLINE_INFO, 0xff, 8);
		put_string(INLINE_INFO, "skip");
		put(INLINE_INFO, 0xffff02, 3);		/* block */
		put(INLINE_INFO, 0xffff02, 3);		/* block1 */
		put(INLINE_INFO, 1, 1);
		put(INLINE_INFO, 0x7f80, 2);		/* sdata */
		put(INLINE_INFO, 4, 4);
		put(INLINE_INFO, 0x05, 1);		/* indirect: data2 */
		put(INLINE_INFO, 0xffff, 2);
		put(INLINE_INFO, 0xffff02, 3);		/* exprloc */
		put(INLINE_INFO, 0x0180, 2);		/* strx */
		put(INLINE_INFO, 0x0180, 2);		/* addrx */
		put(INLINE_INFO, 0xff, 4);
		put(INLINE_INFO, 0xff, 4);
		put(INLINE_INFO, 0xff, 8);		/* data16 */
		put(INLINE_INFO, 0xff, 8);
		put(INLINE_INFO, 0xff, 4);
		put(INLINE_INFO, 0xff, 8);
		put(INLINE_INFO, 0x0180, 2);		/* loclistx */
		put(INLINE_INFO, 0x0180, 2);		/* rnglistx */
		put(INLINE_INFO, 0xff, 8);
		for (unsigned int n = 1; n <= 4; n++)
			put(INLINE_INFO, UINT32_MAX, n);
		for (unsigned int n = 1; n <= 4; n++)
			put(INLINE_INFO, UINT32_MAX, n);
		put(INLINE_INFO, 0xff, 4);
		put(INLINE_INFO, 0xff, 4);
		a = put_fn("a");
		one_code(3);
		put_uleb(INLINE_INFO, 4);
		put(INLINE_INFO, 0x1010, 8);
		put_uleb(INLINE_INFO, 0x10);
		if (refs[i].in_section)
			a += unit_at;
		if (refs[i].size)
			put(INLINE_INFO, a, refs[i].size);
		else
			put_uleb(INLINE_INFO, a);
		put(INLINE_INFO, 1234, 2);
		one_end();
		expect(0x1010, "a@7:1234");
		expect(0x101f, "a@7:1234");
		expect(0x1020, "");
	}
}

/* Names and addresses by index, as clang does, and in other sections. */
static void test_indexed(void **state)
{
	static const int strx[] = { F_STRX, F_STRX1, F_STRX2, F_STRX3,
				    F_STRX4 };
	static const int addrx[] = { F_ADDRX, F_ADDRX1, F_ADDRX2, F_ADDRX3,
				     F_ADDRX4 };
	u64 a;

	(void)state;
	for (unsigned int n = 0; n < 5; n++) {
		begin(5, false);
		put(INLINE_ADDR, 0, 8);		/* a header */
		put(INLINE_ADDR, 0x1000, 8);		/* 0 */
		put(INLINE_ADDR, 0x1010, 8);		/* 1 */
		put(INLINE_ADDR, 0x1030, 8);		/* 2 */
		put_string(INLINE_STR, "xx");
		put_string(INLINE_STR, "a");
		put(INLINE_STR_OFFSETS, 0, 8);		/* a header */
		put(INLINE_STR_OFFSETS, 0, 4);
		put(INLINE_STR_OFFSETS, 3, 4);		/* 1 */
		/* Lists: a header, then two offsets. */
		put(INLINE_RNGLISTS, 0, 12);
		put(INLINE_RNGLISTS, 0, 4);
		put(INLINE_RNGLISTS, 8, 4);
		put(INLINE_RNGLISTS, 0x040203, 3);	/* startx_length 2, 4 */
		put(INLINE_RNGLISTS, 0x010101, 2);	/* base_addressx 1 */
		put(INLINE_RNGLISTS, 0x040004, 3);	/* offset_pair 0, 4 */
		put(INLINE_RNGLISTS, 0x020102, 3);	/* startx_endx 1, 2: all */
		put(INLINE_RNGLISTS, 0x05, 1);		/* base_address */
		put(INLINE_RNGLISTS, 0x1040, 8);
		put(INLINE_RNGLISTS, 0x040004, 3);	/* offset_pair 0, 4 */
		put(INLINE_RNGLISTS, 0x06, 1);		/* start_end */
		put(INLINE_RNGLISTS, 0x1050, 8);
		put(INLINE_RNGLISTS, 0x1054, 8);
		put(INLINE_RNGLISTS, 0, 1);
		abbrev(1, TAG_CU, true, LOW, addrx[n], HIGH, F_DATA4,
		       STR_OFFSETS_BASE, F_SEC_OFFSET, ADDR_BASE,
		       F_SEC_OFFSET, RNGLISTS_BASE, F_SEC_OFFSET, 0);
		abbrev(2, TAG_FN, false, NAME, strx[n], 0);
		abbrev(4, TAG_INLINED, false, RANGES, F_RNGLISTX, ORIGIN,
		       F_REF4, 0);
		put(INLINE_ABBREV, 0, 1);
		unit_begin(0);
		put(INLINE_INFO, 1, 1);
		put(INLINE_INFO, 0, n ? n : 1);
		put(INLINE_INFO, 0x100, 4);
		put(INLINE_INFO, 8, 4);
		put(INLINE_INFO, 8, 4);
		put(INLINE_INFO, 12, 4);
		a = here();
		put(INLINE_INFO, 2, 1);
		put(INLINE_INFO, 1, n ? n : 1);
		put(INLINE_INFO, 0x0104, 2);
		put(INLINE_INFO, a, 4);
		put(INLINE_INFO, 0, 1);
		unit_end();
		expect(0x100f, "");
		expect(0x1010, "a@0:0");
		expect(0x102f, "a@0:0");
		expect(0x1033, "a@0:0");
		expect(0x1034, "");
		expect(0x1040, "a@0:0");
		expect(0x1053, "a@0:0");
		expect(0x1054, "");
		/* Their sections end too early. */
		made[INLINE_ADDR].len -= 8;
		expect(0x1031, "");
		made[INLINE_ADDR].len = 0;
		expect(0x1010, "");
	}
}

/* Indexes whose offset wraps around, to a good one. */
static void test_large_indexes(void **state)
{
	u64 a;

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		begin(5, false);
		put(INLINE_ADDR, 0x1010, 8);
		abbrev(1, TAG_CU, true, LOW, F_ADDR, HIGH, F_DATA4, 0);
		abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
		abbrev(4, TAG_INLINED, false, LOW, F_ADDRX, HIGH, F_DATA1,
		       ORIGIN, F_REF4, 0);
		put(INLINE_ABBREV, 0, 1);
		unit_begin(0);
		one_code(1);
		a = put_fn("a");
		put_uleb(INLINE_INFO, 4);
		put_uleb(INLINE_INFO, bad ? (u64)1 << 61 : 0);
		put(INLINE_INFO, 0x10, 1);
		put(INLINE_INFO, a, 4);
		put(INLINE_INFO, 0, 1);
		unit_end();
		expect(0x1010, bad ? "" : "a@0:0");
	}
}

/* --- names --- */

/* A chain of origins, as C++ has, and one that goes round. */
static void test_name_chains(void **state)
{
	u64 at[40];

	(void)state;
	for (int n = 1; n < 40; n++) {
		bool ends = n < 20;

		one_begin(4);
		abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
		abbrev(5, TAG_FN, false, SPECIFICATION, F_REF4, 0);
		abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
		       ORIGIN, F_REF4, 0);
		one_unit();
		at[0] = put_fn("a");
		for (int i = 1; i < n; i++) {
			at[i] = here();
			put(INLINE_INFO, 5, 1);
			/* Not to a name, but to the next or to itself. */
			put(INLINE_INFO, ends ? at[i - 1] : at[i] + 5 * (i % 2),
			    4);
		}
		one_code(3);
		one_code(4);
		put(INLINE_INFO, at[n - 1], 4);
		one_end();
		expect(0x1010, n <= 16 ? "a@0:0" : "@0:0");
	}
}

/* What the linker calls it wins, wherever in the chain it is. */
static void test_linkage_names(void **state)
{
	u64 decl, def;

	(void)state;
	for (int i = 0; i < 3; i++) {
		one_begin(4);
		abbrev(2, TAG_FN, false, NAME, F_STRING, 0);
		abbrev(5, TAG_FN, false, NAME, F_STRING, LINKAGE, F_STRING, 0);
		abbrev(6, TAG_FN, false, NAME, F_STRING, SPECIFICATION, F_REF4,
		       0);
		abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
		       ORIGIN, F_REF4, 0);
		one_unit();
		decl = here();
		put(INLINE_INFO, i ? 5 : 2, 1);
		put_string(INLINE_INFO, "f");
		if (i)
			put_string(INLINE_INFO, i == 1 ? "_ZN1fEv" : "");
		def = here();
		put(INLINE_INFO, 6, 1);
		put_string(INLINE_INFO, "g");
		put(INLINE_INFO, decl, 4);
		one_code(3);
		one_code(4);
		put(INLINE_INFO, def, 4);
		one_end();
		expect(0x1010, i == 1 ? "_ZN1fEv@0:0" : "g@0:0");
	}
}

/* Origins that are nowhere: the frame is there, without a name. */
static void test_bad_origins(void **state)
{
	static const u64 bad[] = { 0, 1, 11, 0x30, 1000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		one_begin(4);
		abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
		       ORIGIN, F_REF_ADDR, 0);
		one_unit();
		one_code(3);
		one_code(4);
		put(INLINE_INFO, bad[i], 4);
		one_end();
		expect(0x1010, "@0:0");
	}
	/* In another file. */
	one_begin(4);
	abbrev(4, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
	       ORIGIN, F_GNU_REF_ALT, 0);
	one_unit();
	one_code(3);
	one_code(4);
	put(INLINE_INFO, 11, 4);
	one_end();
	expect(0x1010, "@0:0");
}

/* --- structure --- */

/* A nested function's code is not in what its parent was inlined in. */
static void test_nested_functions(void **state)
{
	u64 a, b;

	(void)state;
	begin(4, false);
	usual_abbrevs();
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	b = put_fn("b");
	put_code(3, 0x1000, 0x1100);
	put_inlined(0x1010, 0x1080, a, 1, 10);
	put_code(3, 0x1200, 0x1300);		/* nested */
	put_inlined(0x1210, 0x1220, b, 1, 20);
	put(INLINE_INFO, 0, 2);
	put_inlined(0x1020, 0x1030, b, 1, 30);
	put(INLINE_INFO, 0, 4);
	unit_end();
	expect(0x1010, "a@1:10");
	expect(0x1200, "");
	expect(0x1210, "b@1:20");
	expect(0x1020, "b@1:30 a@1:10");
}

/* What the linker dropped begins at 0, and may be larger than 0x1000. */
static void test_dropped_functions(void **state)
{
	u64 a, b;

	(void)state;
	begin(4, false);
	usual_abbrevs();
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	b = put_fn("b");
	put_code(3, 0, 0x9000);
	put_inlined(0x1000, 0x1800, a, 1, 10);
	put_uleb(INLINE_INFO, 6);
	put_inlined(0x1000, 0x1800, a, 1, 20);
	put(INLINE_INFO, 0, 4);
	put_code(3, 0x1000, 0x1100);
	put_inlined(0x1010, 0x1020, b, 1, 30);
	put(INLINE_INFO, 0, 3);
	unit_end();
	expect(0x1000, "");
	expect(0x1010, "b@1:30");
	expect(0x1700, "");
}

/* Codes of abbreviations that are not 1, 2, 3. */
static void test_sparse_abbrevs(void **state)
{
	u64 a;

	(void)state;
	begin(4, false);
	abbrev(UINT64_MAX, TAG_FN, true, LOW, F_ADDR, HIGH, F_DATA4, 0);
	abbrev(77, TAG_CU, true, LOW, F_ADDR, HIGH, F_DATA4, 0);
	abbrev(500, TAG_FN, false, NAME, F_STRING, 0);
	abbrev(1, TAG_INLINED, false, LOW, F_ADDR, HIGH, F_DATA4,
	       ORIGIN, F_REF4, 0);
	put(INLINE_ABBREV, 0, 1);
	unit_begin(0);
	one_code(77);
	a = here();
	put_uleb(INLINE_INFO, 500);
	put_string(INLINE_INFO, "a");
	one_code(UINT64_MAX);
	one_code(1);
	put(INLINE_INFO, a, 4);
	one_end();
	expect(0x1010, "a@0:0");
}

/* Depth is not the stack's. */
static void test_deep(void **state)
{
	const u64 n = 20000;
	struct inline_call call;
	struct inlines il;
	u64 a, depth = 1;

	(void)state;
	begin(4, false);
	usual_abbrevs();
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	put_code(3, 0x1000, 0x1100);
	for (u64 i = 0; i < n; i++)
		put_inlined(0x1010, 0x1020, a, 1, i);
	unit_end();
	made_init(&il);
	assert_true(inline_find(&il, 0x1010, &call));
	assert_int_equal(call.line, n - 1);
	while (inline_outer(&call))
		depth++;
	assert_int_equal(depth, n);
	inline_destroy(&il);
}

/* --- broken ones --- */

/* Frames that are found, whose names must be readable. */
static u32 probe(struct inlines *il, u64 from, u64 to, u64 step)
{
	struct inline_call call;
	u32 found = 0;

	for (u64 addr = from; addr < to; addr += step)
		if (inline_find(il, addr, &call)) {
			do
				found += strlen(inline_name(il, call.origin)) <
					 MADE_MAX;
			while (inline_outer(&call));
		}
	return found;
}

static u32 probe_made(void)
{
	struct inlines il;
	u32 found;

	made_init(&il);
	found = probe(&il, 0x1000, 0x10a0, 8);
	inline_destroy(&il);
	return found;
}

static void test_truncated(void **state)
{
	(void)state;
	for (u16 v = 4; v <= 5; v++)
		for (int s = 0; s < INLINE_NSECTIONS; s++) {
			made_usual(v, false);
			while (made[s].len) {
				made[s].len--;
				probe_made();
				if (s != INLINE_INFO || made[s].len < 12)
					continue;
				unit_end();
				probe_made();
			}
		}
}

/* Each byte in turn replaced by each of several others. */
static void test_corrupted(void **state)
{
	static const u8 values[] = { 0, 1, 0x0e, 0x1d, 0x7f, 0x80, 0xff };
	u32 found = 0, lost = 0;

	(void)state;
	for (u16 v = 4; v <= 5; v++)
		for (int s = 0; s < INLINE_NSECTIONS; s++) {
			made_usual(v, false);
			for (size_t i = 0; i < made[s].len; i++)
				for (size_t k = 0; k < sizeof(values); k++) {
					u8 good = made[s].p[i];

					made[s].p[i] = values[k];
					if (probe_made())
						found++;
					else
						lost++;
					made[s].p[i] = good;
				}
		}
	/* Both must happen, or this tests nothing. */
	assert_true(found > 100);
	assert_true(lost > 100);
}

/* How many frames there are, when the budget was not enough. */
static u32 probe_bomb(void)
{
	struct inlines il;
	u32 found;

	made_init(&il);
	found = probe(&il, 0x1000, 0x10a0, 8);
	assert_true(atomic_load(&il.budget) <= 0);
	/* And that ended it. */
	assert_true(atomic_load(&il.budget) > -((s64)1 << 19));
	inline_destroy(&il);
	return found;
}

/* Small files that ask for much: the budget ends that. */
static void test_bombs(void **state)
{
	u64 a;

	(void)state;
	/* One list of many ranges, for each of many. */
	begin(4, false);
	usual_abbrevs();
	for (u64 i = 0; i < 300; i++) {
		put(INLINE_RANGES, 0x10, 8);
		put(INLINE_RANGES, 0x20, 8);
	}
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	put_code(3, 0x1000, 0x1100);
	for (int i = 0; i < 300; i++) {
		put_uleb(INLINE_INFO, 5);
		put(INLINE_INFO, a, 4);
		put(INLINE_INFO, 0, 4);
		put(INLINE_INFO, 0x0101, 2);
	}
	one_end();
	assert_true(probe_bomb() > 0);

	/* Attributes that take no bytes, of entries that take one. */
	begin(4, false);
	usual_abbrevs();
	made[INLINE_ABBREV].len--;
	put_uleb(INLINE_ABBREV, 7);
	put_uleb(INLINE_ABBREV, TAG_FN);
	put(INLINE_ABBREV, 0, 1);
	for (int i = 0; i < 1000; i++) {
		put_uleb(INLINE_ABBREV, 0x3f);
		put_uleb(INLINE_ABBREV, i ? F_FLAG_PRESENT : F_EXPRLOC);
	}
	put(INLINE_ABBREV, 0, 3);
	unit_begin(0);
	put_root(0x1000, 0x2000);
	a = put_fn("a");
	put_code(3, 0x1000, 0x1100);
	put_inlined(0x1010, 0x1020, a, 1, 10);
	for (int i = 0; i < 1000; i++)
		put(INLINE_INFO, 0x0007, 2);
	one_end();
	assert_true(probe_bomb() > 0);

	/* Units that are at the end of one table. */
	begin(4, false);
	for (u64 i = 1000; i > 0; i--)
		abbrev(i, TAG_CU, true, 0);
	put(INLINE_ABBREV, 0, 1);
	for (int i = 0; i < 1000; i++) {
		unit_begin(0);
		put(INLINE_INFO, 1, 1);
		unit_end();
	}
	probe_bomb();
}

/* --- this program, with bytes changed --- */

struct file {
	u8 *base;
	size_t size;
};

static struct file file_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct file f = { NULL, 0 };
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	f.size = (size_t)st.st_size;
	f.base = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(f.base, MAP_FAILED);
	close(fd);
	return f;
}

/* A section of f in memory that ends before a guard. */
static struct dwarf_section guarded_copy(struct dwarf_section sec)
{
	size_t size = (sec.size + PAGE - 1) & ~(PAGE - 1);
	u8 *p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + size, PAGE, PROT_NONE), 0);
	if (sec.size)
		memcpy(p + size - sec.size, sec.p, sec.size);
	return (struct dwarf_section){ p + size - sec.size, sec.size };
}

static void flip_bytes(const struct dwarf_section *sec, u32 n)
{
	while (sec->size && n--)
		((u8 *)sec->p)[random_below((u32)sec->size)] ^=
			(u8)(1 + random_below(255));
}

static void test_fuzz(void **state)
{
	struct file f = file_map("/proc/self/exe");
	struct symtab_image img = { .base = f.base, .size = f.size };
	struct dwarf_section good[INLINE_NSECTIONS], sec[INLINE_NSECTIONS];
	struct inlines il;

	(void)state;
	for (int s = 0; s < INLINE_NSECTIONS; s++) {
		good[s] = symtab_image_section(&img, inline_section_names[s]);
		sec[s] = guarded_copy(good[s]);
	}
	/* As it is, there is something to find. */
	il = (struct inlines){ 0 };
	memcpy(il.sec, sec, sizeof(sec));
	inline_init(&il);
	assert_true(probe(&il, 0x1000, f.size, 64) > 0);
	inline_destroy(&il);
	for (int i = 0; i < mode_times(200); i++) {
		for (int s = 0; s < INLINE_NSECTIONS; s++)
			flip_bytes(&sec[s], i % 3 ? random_below(30) : 300);
		il = (struct inlines){ 0 };
		memcpy(il.sec, sec, sizeof(sec));
		inline_init(&il);
		probe(&il, 0x1000, f.size, f.size / 500);
		inline_destroy(&il);
		for (int s = 0; i % 5 == 4 && s < INLINE_NSECTIONS; s++)
			if (good[s].size)
				memcpy((u8 *)sec[s].p, good[s].p,
				       good[s].size);
	}
}

static int setup(void **state)
{
	size_t size = MADE_MAX + PAGE;
	u8 *p;

	(void)state;
	alarm(HANG_SECONDS);
	for (int s = 0; s < INLINE_NSECTIONS; s++) {
		made[s].p = malloc(MADE_MAX);
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		made[s].guard = p + MADE_MAX;
		if (!made[s].p || p == MAP_FAILED ||
		    mprotect(made[s].guard, PAGE, PROT_NONE))
			return -1;
	}
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_line_unit),
		cmocka_unit_test(test_many_units),
		cmocka_unit_test(test_shared_abbrevs),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_indexed),
		cmocka_unit_test(test_large_indexes),
		cmocka_unit_test(test_name_chains),
		cmocka_unit_test(test_linkage_names),
		cmocka_unit_test(test_bad_origins),
		cmocka_unit_test(test_nested_functions),
		cmocka_unit_test(test_dropped_functions),
		cmocka_unit_test(test_sparse_abbrevs),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
