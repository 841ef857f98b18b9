/* SPDX-License-Identifier: ISC */
/*
 * kernel/dwarf_reader.h - what all sections of DWARF are made of.
 *
 * Section numbers are those of "DWARF Debugging Information Format,
 * Version 5".  Little-endian only.  Context: any.
 *
 * A reader never reads behind its end: it gives zeros and says bad.
 */
#ifndef KERNEL_DWARF_READER_H
#define KERNEL_DWARF_READER_H

#include <string.h>

#include "kernel/dwarf.h"

/* 7.5.6, and those of GNU */
enum {
	FORM_ADDR = 0x01,
	FORM_BLOCK2 = 0x03,
	FORM_BLOCK4 = 0x04,
	FORM_DATA2 = 0x05,
	FORM_DATA4 = 0x06,
	FORM_DATA8 = 0x07,
	FORM_STRING = 0x08,
	FORM_BLOCK = 0x09,
	FORM_BLOCK1 = 0x0a,
	FORM_DATA1 = 0x0b,
	FORM_FLAG = 0x0c,
	FORM_SDATA = 0x0d,
	FORM_STRP = 0x0e,
	FORM_UDATA = 0x0f,
	FORM_REF_ADDR = 0x10,
	FORM_REF1 = 0x11,
	FORM_REF2 = 0x12,
	FORM_REF4 = 0x13,
	FORM_REF8 = 0x14,
	FORM_REF_UDATA = 0x15,
	FORM_INDIRECT = 0x16,
	FORM_SEC_OFFSET = 0x17,
	FORM_EXPRLOC = 0x18,
	FORM_FLAG_PRESENT = 0x19,
	FORM_STRX = 0x1a,
	FORM_ADDRX = 0x1b,
	FORM_REF_SUP4 = 0x1c,
	FORM_STRP_SUP = 0x1d,
	FORM_DATA16 = 0x1e,
	FORM_LINE_STRP = 0x1f,
	FORM_REF_SIG8 = 0x20,
	FORM_IMPLICIT_CONST = 0x21,
	FORM_LOCLISTX = 0x22,
	FORM_RNGLISTX = 0x23,
	FORM_REF_SUP8 = 0x24,
	FORM_STRX1 = 0x25,
	FORM_STRX2 = 0x26,
	FORM_STRX3 = 0x27,
	FORM_STRX4 = 0x28,
	FORM_ADDRX1 = 0x29,
	FORM_ADDRX2 = 0x2a,
	FORM_ADDRX3 = 0x2b,
	FORM_ADDRX4 = 0x2c,
	FORM_GNU_REF_ALT = 0x1f20,
	FORM_GNU_STRP_ALT = 0x1f21,
};

struct reader {
	const u8 *p;
	const u8 *end;
	bool bad;
};

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL. */
static inline const u8 *reader_take(struct reader *r, u64 n)
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
static inline u64 read_number(struct reader *r, unsigned int n)
{
	const u8 *p = reader_take(r, n);
	u64 v = 0;

	while (p && n--)
		v = v << 8 | p[n];
	return v;
}

static inline u8 read_u8(struct reader *r)
{
	return (u8)read_number(r, 1);
}

/* 7.6: seven bits a byte; those beyond 64 are lost. */
static inline u64 read_leb(struct reader *r, bool is_signed)
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

static inline u64 read_uleb(struct reader *r)
{
	return read_leb(r, false);
}

static inline s64 read_sleb(struct reader *r)
{
	return (s64)read_leb(r, true);
}

static inline u64 read_offset(struct reader *r, bool dwarf64)
{
	return read_number(r, dwarf64 ? 8 : 4);
}

/* The value of a form that is a block: nothing that we read. */
static inline void skip_block(struct reader *r, u64 form)
{
	switch (form) {
	case FORM_BLOCK1:
		reader_take(r, read_number(r, 1));
		break;
	case FORM_BLOCK2:
		reader_take(r, read_number(r, 2));
		break;
	case FORM_BLOCK4:
		reader_take(r, read_number(r, 4));
		break;
	case FORM_BLOCK:
	case FORM_EXPRLOC:
		reader_take(r, read_uleb(r));
		break;
	default:
		r->bad = true;
	}
}

/* A string that ends before the reader does; else "", and it is bad. */
static inline const char *read_string(struct reader *r)
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

static inline const char *section_string(const struct dwarf_section *sec, u64 off,
				  struct reader *r)
{
	if (off >= sec->size ||
	    !memchr(sec->p + off, '\0', sec->size - off)) {
		r->bad = true;
		return "";
	}
	return (const char *)sec->p + off;
}

/* Cut the next unit off r, which is at its length (7.4). */
static inline bool unit_cut(struct reader *r, struct reader *body, bool *dwarf64)
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

#endif
