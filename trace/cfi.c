// SPDX-License-Identifier: ISC
/*
 * trace/cfi.c - what a function has done to its stack so far.
 *
 * Compilers describe it for each instruction, in .eh_frame (Linux Standard
 * Base, Core, 10.6; DWARF 5, 6.4), with a table sorted by address in
 * .eh_frame_hdr.  Of a description only two things matter here: where the
 * canonical frame address (CFA) is, and whether the return address was moved.
 * If both are as the common part (CIE) says, which is how functions begin,
 * nothing has happened yet.
 *
 * Rejected: _Unwind_Find_FDE() of libgcc, another library to depend on.
 *
 * Tables are read in place while the loader's lock is held, so that they do
 * not go away; on g0, so that nobody is switched to meanwhile.  A description
 * that is in any way unusual is not understood: then the answer is no.
 */
#define _GNU_SOURCE
#include "trace/cfi.h"

#include <link.h>
#include <string.h>

#include "kernel/nonpreempt.h"

/* Encodings of pointers that linkers write. */
#define PE_PCREL_SDATA4		0x1b
#define PE_DATAREL_SDATA4	0x3b
#define PE_UDATA4		0x03

#define STATES_MAX	8	/* DW_CFA_remember_state, nested */

/* A stretch of memory that is read; p > end: something was wrong. */
struct in {
	const u8 *p, *end;
};

static const u8 *take(struct in *in, size_t n)
{
	const u8 *p = in->p;

	if (in->p > in->end || n > (size_t)(in->end - in->p)) {
		static const u8 zeros[8];

		in->p = in->end + 1;
		return zeros;
	}
	in->p += n;
	return p;
}

static bool failed(const struct in *in)
{
	return in->p > in->end;
}

static u8 get_u8(struct in *in)
{
	return *take(in, 1);
}

static u32 get_u32(struct in *in)
{
	u32 v;

	memcpy(&v, take(in, sizeof(v)), sizeof(v));
	return v;
}

static u16 get_u16(struct in *in)
{
	u16 v;

	memcpy(&v, take(in, sizeof(v)), sizeof(v));
	return v;
}

/* Relative to where it is. */
static uintptr_t get_pcrel(struct in *in)
{
	uintptr_t at = (uintptr_t)in->p;

	return at + (uintptr_t)(s64)(s32)get_u32(in);
}

static u64 get_uleb(struct in *in)
{
	u64 v = 0;
	u32 shift = 0;
	u8 byte;

	do {
		byte = get_u8(in);
		if (shift < 64)
			v |= (u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return v;
}

static s64 get_sleb(struct in *in)
{
	u64 v = 0;
	u32 shift = 0;
	u8 byte;

	do {
		byte = get_u8(in);
		if (shift < 64)
			v |= (u64)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && byte & 0x40)
		v |= ~(u64)0 << shift;
	return (s64)v;
}

/* What is known at an address. */
struct state {
	u64 cfa_reg;
	s64 cfa_offset;
	s64 ra_offset;		/* of the return address, if */
	bool ra_saved;
	bool strange;		/* an expression, say */
};

struct cie {
	u64 code_align;
	s64 data_align;
	u64 ra_reg;
	struct in program;
};

struct machine {
	const struct cie *cie;
	struct state now, begin;
	struct state kept[STATES_MAX];
	u32 nkept;
	uintptr_t at;
};

static void set_ra(struct machine *m, u64 reg, bool saved, s64 offset)
{
	if (reg != m->cie->ra_reg)
		return;
	m->now.ra_saved = saved;
	m->now.ra_offset = offset;
}

static void skip_block(struct in *in)
{
	u64 len = get_uleb(in);

	take(in, len);
}

/* Those with the opcode in the whole byte (DWARF 5, 6.4.2). */
static void step_extended(struct machine *m, struct in *in, u8 op)
{
	u64 reg;

	switch (op) {
	case 0x00:	/* nop */
		break;
	case 0x02:	/* advance_loc1 */
		m->at += get_u8(in) * m->cie->code_align;
		break;
	case 0x03:	/* advance_loc2 */
		m->at += get_u16(in) * m->cie->code_align;
		break;
	case 0x04:	/* advance_loc4 */
		m->at += get_u32(in) * m->cie->code_align;
		break;
	case 0x05:	/* offset_extended */
		reg = get_uleb(in);
		set_ra(m, reg, true, (s64)get_uleb(in) * m->cie->data_align);
		break;
	case 0x11:	/* offset_extended_sf */
		reg = get_uleb(in);
		set_ra(m, reg, true, get_sleb(in) * m->cie->data_align);
		break;
	case 0x06:	/* restore_extended */
		reg = get_uleb(in);
		set_ra(m, reg, m->begin.ra_saved, m->begin.ra_offset);
		break;
	case 0x07:	/* undefined */
	case 0x08:	/* same_value */
		m->now.strange |= get_uleb(in) == m->cie->ra_reg;
		break;
	case 0x09:	/* register */
		m->now.strange |= get_uleb(in) == m->cie->ra_reg;
		get_uleb(in);
		break;
	case 0x0a:	/* remember_state */
		if (m->nkept < STATES_MAX)
			m->kept[m->nkept++] = m->now;
		else
			m->now.strange = true;
		break;
	case 0x0b:	/* restore_state */
		if (m->nkept)
			m->now = m->kept[--m->nkept];
		else
			m->now.strange = true;
		break;
	case 0x0c:	/* def_cfa */
		m->now.cfa_reg = get_uleb(in);
		m->now.cfa_offset = (s64)get_uleb(in);
		break;
	case 0x0d:	/* def_cfa_register */
		m->now.cfa_reg = get_uleb(in);
		break;
	case 0x0e:	/* def_cfa_offset */
		m->now.cfa_offset = (s64)get_uleb(in);
		break;
	case 0x10:	/* expression */
		m->now.strange |= get_uleb(in) == m->cie->ra_reg;
		skip_block(in);
		break;
	case 0x2e:	/* GNU_args_size */
		get_uleb(in);
		break;
	default:	/* also def_cfa_expression, AARCH64_negate_ra_state */
		in->p = in->end + 1;
	}
}

/* Run a program until it speaks of what is behind pc. */
static void run(struct machine *m, struct in in, uintptr_t pc)
{
	while (in.p < in.end && m->at <= pc) {
		u8 op = get_u8(&in), low = op & 0x3f;

		switch (op >> 6) {
		case 0:
			step_extended(m, &in, op);
			break;
		case 1:		/* advance_loc */
			m->at += low * m->cie->code_align;
			break;
		case 2:		/* offset */
			set_ra(m, low, true,
			       (s64)get_uleb(&in) * m->cie->data_align);
			break;
		case 3:		/* restore */
			set_ra(m, low, m->begin.ra_saved,
			       m->begin.ra_offset);
			break;
		}
	}
	m->now.strange |= failed(&in);
}

/* The length of a CIE or FDE; in ends behind it then.  False: none of 32 bits. */
static bool get_length(struct in *in)
{
	u32 len = get_u32(in);

	if (failed(in) || len > (size_t)(in->end - in->p))
		return false;
	in->end = in->p + len;
	return true;
}

static bool get_cie(struct in in, struct cie *cie)
{
	const char *augmentation;
	const u8 *nul;
	u8 version;

	if (!get_length(&in) || get_u32(&in))
		return false;
	version = get_u8(&in);
	if (failed(&in))
		return false;
	augmentation = (const char *)in.p;
	nul = memchr(in.p, 0, (size_t)(in.end - in.p));
	if (!nul || (version != 1 && version != 3))
		return false;
	in.p = nul + 1;
	cie->code_align = get_uleb(&in);
	cie->data_align = get_sleb(&in);
	cie->ra_reg = version == 1 ? get_u8(&in) : get_uleb(&in);
	/* Of what C compilers write; S is a signal frame, P and L C++. */
	if (strcmp(augmentation, "zR"))
		return false;
	if (get_uleb(&in) != 1 || get_u8(&in) != PE_PCREL_SDATA4)
		return false;
	cie->program = in;
	return !failed(&in);
}

/* in begins with the FDE, and ends where what is mapped does. */
static bool at_entry(struct in in, const u8 *lo, uintptr_t pc)
{
	const u8 *end = in.end, *at;
	struct machine m = { 0 };
	struct cie cie;
	uintptr_t start;
	u32 back, size;

	if (!get_length(&in))
		return false;
	at = in.p;
	back = get_u32(&in);
	if (failed(&in) || back > (size_t)(at - lo) ||
	    !get_cie((struct in){ at - back, end }, &cie))
		return false;
	start = get_pcrel(&in);
	size = get_u32(&in);
	take(&in, get_uleb(&in));	/* of its augmentation */
	if (failed(&in) || pc - start >= size)
		return false;
	m.cie = &cie;
	run(&m, cie.program, 0);
	m.begin = m.now;
	m.at = start;
	run(&m, in, pc);
	return !m.now.strange && m.now.cfa_reg == m.begin.cfa_reg &&
	       m.now.cfa_offset == m.begin.cfa_offset &&
	       m.now.ra_saved == m.begin.ra_saved &&
	       m.now.ra_offset == m.begin.ra_offset;
}

/* A pair in .eh_frame_hdr, both relative to that. */
struct entry {
	s32 start;
	s32 fde;
};

/* hdr is .eh_frame_hdr, in what is mapped. */
static bool find(const u8 *hdr, struct in mapped, uintptr_t pc)
{
	struct in in = { hdr, mapped.end };
	const struct entry *table;
	u32 n, lo = 0, hi;

	if (get_u8(&in) != 1 || get_u8(&in) != PE_PCREL_SDATA4 ||
	    get_u8(&in) != PE_UDATA4 || get_u8(&in) != PE_DATAREL_SDATA4)
		return false;
	get_u32(&in);			/* of .eh_frame */
	n = get_u32(&in);
	table = (const struct entry *)take(&in, n * sizeof(*table));
	if (failed(&in))
		return false;
	/* The last that does not begin behind pc. */
	for (hi = n; lo < hi;) {
		u32 mid = lo + (hi - lo) / 2;

		if ((uintptr_t)hdr + (uintptr_t)(s64)table[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	in.p = hdr + table[lo - 1].fde;
	if (in.p < mapped.p || in.p >= mapped.end)
		return false;
	return at_entry(in, mapped.p, pc);
}

struct query {
	uintptr_t pc;
	enum cfi answer;
};

static bool segment_has(const struct dl_phdr_info *info, const ElfW(Phdr) *ph,
			uintptr_t addr)
{
	return ph->p_type == PT_LOAD &&
	       addr - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz;
}

/* The segment that holds addr; NULL if none of this object's does. */
static const ElfW(Phdr) *find_segment(const struct dl_phdr_info *info,
				      uintptr_t addr)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (segment_has(info, &info->dlpi_phdr[i], addr))
			return &info->dlpi_phdr[i];
	return NULL;
}

static int look_in_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *seg;
	struct query *q = arg;

	(void)size;
	seg = find_segment(info, q->pc);
	if (!seg)
		return 0;
	q->answer = seg->p_flags & PF_X ? CFI_FRAME : CFI_NO_CODE;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t hdr = info->dlpi_addr + ph->p_vaddr;
		struct in mapped;

		if (ph->p_type != PT_GNU_EH_FRAME)
			continue;
		seg = find_segment(info, hdr);
		if (!seg)
			break;
		mapped.p = (const u8 *)(info->dlpi_addr + seg->p_vaddr);
		mapped.end = mapped.p + seg->p_filesz;
		if (find((const u8 *)hdr, mapped, q->pc))
			q->answer = CFI_AT_ENTRY;
	}
	return 1;
}

static void look_everywhere(void *arg)
{
	dl_iterate_phdr(look_in_object, arg);
}

enum cfi cfi_look(uintptr_t pc)
{
	struct query q = { .pc = pc, .answer = CFI_NO_CODE };

	if (systemstack(look_everywhere, &q))
		look_everywhere(&q);	/* a thread of the program's */
	return q.answer;
}
