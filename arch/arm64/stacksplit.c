/*
 * arch/arm64/stacksplit.c - what stacksplit knows about arm64.
 *
 * Instructions are looked at as text, and only as far as sp, copies of sp and
 * constants are concerned; anything else just makes its destination unknown.
 * A destination that is sp itself and not understood is an error.
 *
 * Registers of the inserted code:
 *	x16, x17  IP0 and IP1: any veneer or PLT entry between caller and callee
 *		may clobber them, so neither is live at a function entry, and
 *		neither can carry an argument to __morestack.  x18 is the
 *		static chain of nested functions and stays.  In a body both
 *		may be live and are saved around __morestack_setsp.
 *	flags	dead at a function entry; sub, add and mov to sp keep them, so
 *		what goes before those sets none.
 *
 * Contract with __morestack:	[sp]: frame and flags, [sp, #8]: the function's
 * x30; it pops both.
 * Contract with __morestack_setsp:	[sp, #16]: the new sp; keeps all
 * registers but x30, and the flags.
 *
 * Invariant: sp is 16-byte aligned, and at ret what it was at the entry.
 */
#include "../stacksplit/stacksplit.h"
#include "../include/arch/stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENTRY_OFF	0	/* sp modulo 16 at the entry */
#define MAX_OPERANDS	6
#define FAR_ITEMS	100000	/* of 4 bytes, and padding: b.lo has 1 MiB */

enum { X16 = 16, X17 = 17, X18 = 18, FP = 29, LR = 30, SP = 31 };

enum opnd_kind { OPND_OTHER, OPND_REG, OPND_IMM, OPND_MEM };

struct opnd {
	enum opnd_kind kind;
	int reg, width;
	int base;		/* -1: none */
	bool indexed;		/* by a register or a symbol */
	bool pre;		/* [base, n]! */
	bool symbolic;
	int64_t n;		/* immediate or displacement */
	const char *text;
	size_t len;
};

struct insn {
	char name[32];
	int n;
	struct opnd op[MAX_OPERANDS];
};

/* ---- text to operands ---- */

static bool reg_is(const char *s, size_t n, const char *name)
{
	return strlen(name) == n && !strncasecmp(s, name, n);
}

static int parse_named_reg(const char *s, size_t n, int *width)
{
	static const struct {
		const char *name;
		int reg, width;
	} names[] = {
		{ "sp", SP, 64 }, { "wsp", SP, 32 }, { "fp", FP, 64 },
		{ "lr", LR, 64 }, { "ip0", X16, 64 }, { "ip1", X17, 64 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (reg_is(s, n, names[i].name)) {
			*width = names[i].width;
			return names[i].reg;
		}
	return -1;
}

/* Registers that are not general, and xzr, give -1. */
static int parse_reg(const char *s, size_t n, int *width)
{
	int c = tolower((unsigned char)*s);
	char *end;
	long r;

	if (n < 2 || n > 3)
		return -1;
	if ((c != 'x' && c != 'w') || !isdigit((unsigned char)s[1]))
		return parse_named_reg(s, n, width);
	r = strtol(s + 1, &end, 10);
	*width = c == 'x' ? 64 : 32;
	return end == s + n && r <= LR ? (int)r : -1;
}

static bool is_vector_or_zero(const char *s, size_t n)
{
	int c = tolower((unsigned char)*s);

	if (reg_is(s, n, "xzr") || reg_is(s, n, "wzr"))
		return true;
	return strchr("bhsdqvzp", c) && n > 1 && isdigit((unsigned char)s[1]);
}

/* The number at s, if that is all up to end. */
static bool parse_number(const char *s, const char *end, int64_t *n)
{
	char *stop;

	while (s < end && (*s == ' ' || *s == '#'))
		s++;
	*n = (int64_t)strtoull(s, &stop, 0);
	while (stop < end && *stop == ' ')
		stop++;
	return s < end && stop == end;
}

/* [base], [base, #n], [base, #n]!, [base, index, ...], [base, #:lo12:x] */
static void parse_mem(struct opnd *o)
{
	const char *s = o->text + 1, *end = o->text + o->len, *comma;
	size_t n;
	int width;

	o->kind = OPND_MEM;
	o->pre = end[-1] == '!';
	while (end > s && *end != ']')
		end--;
	comma = memchr(s, ',', end - s);
	n = (comma ? comma : end) - s;
	while (n && *s == ' ')
		s++, n--;
	while (n && s[n - 1] == ' ')
		n--;
	o->base = parse_reg(s, n, &width);
	if (comma)
		o->indexed = !parse_number(comma + 1, end, &o->n);
}

static void parse_operand(struct opnd *o, const char *s, size_t n)
{
	while (n && *s == ' ')
		s++, n--;
	while (n && s[n - 1] == ' ')
		n--;
	*o = (struct opnd){ .reg = -1, .base = -1, .text = s, .len = n };
	if (!n)
		return;
	if (*s == '[') {
		parse_mem(o);
	} else if (*s == '#' || *s == '-' || isdigit((unsigned char)*s)) {
		o->kind = OPND_IMM;
		o->symbolic = !parse_number(s, s + n, &o->n);
	} else {
		o->reg = parse_reg(s, n, &o->width);
		if (o->reg >= 0 || is_vector_or_zero(s, n))
			o->kind = OPND_REG;
	}
}

static void parse_operands(struct insn *in, const char *s)
{
	const char *from = s;
	int depth = 0;

	for (in->n = 0; in->n < MAX_OPERANDS; s++) {
		if (*s == '[' || *s == '{')
			depth++;
		if (*s == ']' || *s == '}')
			depth--;
		if (*s && (*s != ',' || depth > 0))
			continue;
		if (s > from)
			parse_operand(&in->op[in->n++], from, s - from);
		if (!*s)
			return;
		from = s + 1;
	}
}

static void parse_insn(struct insn *in, const struct stmt *stmt)
{
	size_t n = strlen(stmt->name);

	if (n >= sizeof(in->name))
		n = sizeof(in->name) - 1;
	memcpy(in->name, stmt->name, n);
	in->name[n] = '\0';
	parse_operands(in, stmt->args);
}

static bool is_op(const struct insn *in, const char *name)
{
	return !strcmp(in->name, name);
}

static bool is_sp(const char *reg)
{
	return !strcmp(reg, "31") || !strcmp(reg, "sp") || !strcmp(reg, "wsp");
}

/* bti, bti c, bti j, bti jc; the same as hints */
static bool is_landing(const struct stmt *insn)
{
	const char *n = insn->args;

	if (!strcmp(insn->name, "bti"))
		return true;
	n += *n == '#';
	return !strcmp(insn->name, "hint") &&
	       (!strcmp(n, "32") || !strcmp(n, "34") || !strcmp(n, "36") ||
		!strcmp(n, "38"));
}

static bool is_thunk(const char *name)
{
	return str_starts(name, "__aarch64_") ||
	       str_starts(name, "__llvm_slsblr_thunk") ||
	       str_starts(name, "__call_indirect_");
}

static bool is_condition(const char *s)
{
	static const char conds[] = "eqnecshscclomiplvsvchilsgeltgtlealnv";
	size_t i;

	if (*s == '.')
		return true;
	if (strlen(s) != 2)
		return false;
	for (i = 0; conds[i]; i += 2)
		if (s[0] == conds[i] && s[1] == conds[i + 1])
			return true;
	return false;
}

static bool is_branch(const struct insn *in)
{
	return is_op(in, "b") || is_op(in, "cbz") || is_op(in, "cbnz") ||
	       is_op(in, "tbz") || is_op(in, "tbnz") ||
	       (in->name[0] == 'b' && is_condition(in->name + 1)) ||
	       (str_starts(in->name, "bc.") && in->n == 1);
}

/* The symbol in the last operand; false for registers. */
static bool direct_target(const struct insn *in, char *buf, size_t n)
{
	const struct opnd *o = &in->op[in->n ? in->n - 1 : 0];
	const char *s = o->text;
	size_t len;

	buf[0] = '\0';
	if (!in->n || o->kind == OPND_REG)
		return false;
	if (*s == '"')
		len = strcspn(++s, "\"");
	else if (*s == '.' && !is_sym_char(s[1]))
		len = o->len;
	else
		len = strcspn(s, "@+- ,");
	if (len >= n)
		len = n - 1;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return true;
}

static bool is_call(const struct insn *in)
{
	return is_op(in, "bl") || str_starts(in->name, "blr");
}

static bool branch_target(const struct stmt *stmt, char *buf, size_t n,
			  bool *call)
{
	struct insn in;

	parse_insn(&in, stmt);
	*call = is_call(&in);
	return (*call || is_branch(&in)) && direct_target(&in, buf, n);
}

/* ---- one instruction ---- */

static struct val *sp_of(struct step *s)
{
	return &s->st->reg[SP];
}

static struct val reg_val(const struct step *s, const struct opnd *o)
{
	if (o->kind == OPND_IMM && !o->symbolic)
		return val_const(o->n);
	if (o->kind == OPND_REG && o->reg >= 0 && o->width == 64)
		return s->st->reg[o->reg];
	return val_unknown();
}

/* Post-indexed operands too: n is 0 then. */
static struct val mem_addr(const struct step *s, const struct opnd *o)
{
	if (o->kind != OPND_MEM || o->base < 0 || o->indexed)
		return val_unknown();
	if (s->st->reg[o->base].kind != VAL_SP)
		return val_unknown();
	return val_add(s->st->reg[o->base], o->n);
}

static void touch_operands(struct step *s, const struct insn *in)
{
	const struct opnd *o;

	for (o = in->op; o < in->op + in->n; o++)
		if (o->kind == OPND_MEM && o->base >= 0)
			step_touch(s, &arch_arm64, s->st->reg[o->base], o->n,
				   o->indexed, false);
}

/* An address of the incoming arguments goes from hand to hand. */
static void touch_value(struct step *s, struct val v)
{
	step_touch(s, &arch_arm64, v, 0, false, true);
}

/* sp becomes v; unknown amounts can be checked if the emitter knows how. */
static void set_sp(struct step *s, struct val v)
{
	if (v.kind == VAL_SP) {
		*sp_of(s) = v;
	} else {
		s->set_sp = true;
		sp_of(s)->dyn = true;
	}
}

static void set_opnd(struct step *s, const struct opnd *o, struct val v)
{
	if (o->kind != OPND_REG || o->reg < 0)
		return;
	if (o->reg == SP && o->width != 64)
		s->bad = true;
	else if (o->reg == SP)
		set_sp(s, v);
	else if (o->width == 64)
		s->st->reg[o->reg] = v;
	else if (v.kind == VAL_CONST)
		s->st->reg[o->reg] = val_const(v.n & 0xffffffff);
	else
		s->st->reg[o->reg] = val_unknown();
}

static bool is_sp_opnd(const struct opnd *o)
{
	return o->kind == OPND_REG && o->reg == SP;
}

static void step_call(struct step *s, const struct insn *in)
{
	int i;

	s->flow = FLOW_CALL;
	direct_target(in, s->target, sizeof(s->target));
	for (i = 0; i <= X18; i++)
		s->st->reg[i] = val_unknown();
	s->st->reg[LR] = val_unknown();
}

static void step_jump(struct step *s, const struct insn *in)
{
	bool direct = direct_target(in, s->target, sizeof(s->target));

	if (!is_op(in, "b") && direct)
		s->flow = FLOW_BRANCH;
	else
		s->flow = direct ? FLOW_JUMP : FLOW_INDIRECT;
}

/* [base, n]! before the access; [base], n after it. */
static void step_writeback(struct step *s, const struct insn *in, bool before)
{
	const struct opnd *o;
	struct val *base;
	int i;

	for (i = 0; i < in->n; i++)
		if (in->op[i].kind == OPND_MEM)
			break;
	if (i == in->n || in->op[i].base < 0)
		return;
	o = &in->op[i];
	if (before ? !o->pre : i + 1 == in->n)
		return;
	base = &s->st->reg[o->base];
	if (!before)
		o++;
	if (before && !o->indexed)
		*base = val_add(*base, o->n);
	else if (!before && o->kind == OPND_IMM && !o->symbolic)
		*base = val_add(*base, o->n);
	else if (base == sp_of(s))
		s->bad = true;
	else
		*base = val_unknown();
}

static struct val access_addr(const struct step *s, const struct insn *in,
			      int i)
{
	struct opnd o = in->op[i];

	if (o.pre)
		o.n = 0;	/* the base has it already */
	return mem_addr(s, &o);
}

/* str x, [] and stp x, y, []; anything else leaves no copy of sp. */
static void step_store(struct step *s, const struct insn *in)
{
	int nregs = str_starts(in->name, "stp") ? 2 : 1, i;
	bool plain = is_op(in, "str") || is_op(in, "stur") || is_op(in, "stp");
	struct val addr;

	step_writeback(s, in, true);
	if (in->n > nregs && in->op[nregs].kind == OPND_MEM) {
		addr = access_addr(s, in, nregs);
		for (i = 0; i < nregs; i++)
			slot_store(s->st, val_add(addr, 8 * i),
				   plain ? reg_val(s, &in->op[i])
					 : val_unknown());
	}
	if (!plain)		/* the status of stxr, the result of swp */
		for (i = 0; i < in->n; i++)
			if (!is_sp_opnd(&in->op[i]))
				set_opnd(s, &in->op[i], val_unknown());
	step_writeback(s, in, false);
}

/* Loads, and atomics that return something. */
static void step_load(struct step *s, const struct insn *in)
{
	int nregs = is_op(in, "ldp") ? 2 : 1, i;
	bool plain = is_op(in, "ldr") || is_op(in, "ldur") || is_op(in, "ldp");
	struct val addr = val_unknown();

	step_writeback(s, in, true);
	if (plain && in->n > nregs && in->op[nregs].kind == OPND_MEM)
		addr = access_addr(s, in, nregs);
	for (i = 0; i < in->n; i++) {
		if (is_sp_opnd(&in->op[i]))
			s->bad = true;
		else
			set_opnd(s, &in->op[i], addr.kind == VAL_SP && i < nregs ?
				 slot_load(s->st, val_add(addr, 8 * i)) :
				 val_unknown());
	}
	step_writeback(s, in, false);
}

/* lsl #12 behind an immediate, 0 if there is nothing, -1 else */
static int parse_shift(const struct insn *in, int i)
{
	const char *s = in->op[i].text;
	int64_t n;

	if (i >= in->n)
		return 0;
	if (in->op[i].len < 4 || strncasecmp(s, "lsl", 3) ||
	    !parse_number(s + 3, s + in->op[i].len, &n) || n < 0 || n > 48)
		return -1;
	return n;
}

static void step_mov(struct step *s, const struct insn *in)
{
	struct val v = reg_val(s, &in->op[1]);

	if (in->op[1].kind == OPND_REG)
		touch_value(s, v);
	if (is_sp_opnd(&in->op[0]) && in->op[1].kind != OPND_REG)
		s->bad = true;
	set_opnd(s, &in->op[0], v);
}

/* movz, movn, movk */
static void step_mov_wide(struct step *s, const struct insn *in)
{
	struct val n = reg_val(s, &in->op[1]), old = val_unknown();
	int shift = parse_shift(in, 2);
	uint64_t part = shift < 0 ? 0 : (uint64_t)n.n << shift;

	if (in->op[0].kind == OPND_REG && in->op[0].reg >= 0)
		old = s->st->reg[in->op[0].reg];
	if (n.kind != VAL_CONST || shift < 0)
		n = val_unknown();
	else if (is_op(in, "movz"))
		n = val_const(part);
	else if (is_op(in, "movn"))
		n = val_const(~part);
	else if (old.kind == VAL_CONST)
		n = val_const((old.n & ~((uint64_t)0xffff << shift)) | part);
	else
		n = val_unknown();
	set_opnd(s, &in->op[0], n);
}

/* add and sub */
static void step_add(struct step *s, const struct insn *in, int sign)
{
	struct val v = reg_val(s, &in->op[1]);
	struct val n = reg_val(s, &in->op[2]);
	int shift = parse_shift(in, 3);

	if (is_sp_opnd(&in->op[0]) && in->op[2].kind != OPND_REG &&
	    (in->op[2].kind != OPND_IMM || in->op[2].symbolic))
		s->bad = true;
	if (n.kind == VAL_CONST && shift >= 0)
		v = val_add(v, sign * (int64_t)((uint64_t)n.n << shift));
	else
		v = val_unknown();
	if (!is_sp_opnd(&in->op[0]))
		touch_value(s, v);
	set_opnd(s, &in->op[0], v);
}

static void step_and(struct step *s, const struct insn *in)
{
	struct val v = reg_val(s, &in->op[1]);
	struct val mask = reg_val(s, &in->op[2]);

	if (mask.kind == VAL_CONST && in->n == 3)
		v = val_align(v, mask.n, ENTRY_OFF);
	else
		v = val_unknown();
	set_opnd(s, &in->op[0], v);
}

/* Anything else: what is written becomes unknown. */
static void step_other(struct step *s, const struct insn *in)
{
	bool all = str_starts(in->name, "cas") || str_starts(in->name, "swp") ||
		   str_starts(in->name, "cpy") || str_starts(in->name, "set");
	int i;

	step_writeback(s, in, true);
	for (i = 0; i < in->n && (all || i == 0); i++) {
		if (is_sp_opnd(&in->op[i]))
			s->bad = true;
		else
			set_opnd(s, &in->op[i], val_unknown());
	}
	step_writeback(s, in, false);
}

static bool is_trap(const struct insn *in)
{
	return is_op(in, "brk") || is_op(in, "udf") || is_op(in, "hlt");
}

static bool is_return(const struct insn *in)
{
	return str_starts(in->name, "ret") || str_starts(in->name, "eret");
}

static bool is_comparison(const struct insn *in)
{
	return is_op(in, "cmp") || is_op(in, "cmn") || is_op(in, "tst") ||
	       is_op(in, "ccmp") || is_op(in, "ccmn") || is_op(in, "nop") ||
	       is_op(in, "hint") || is_op(in, "prfm") || is_op(in, "msr");
}

static bool step_control(struct step *s, const struct insn *in)
{
	if (is_call(in))
		step_call(s, in);
	else if (is_branch(in) || is_op(in, "br") || str_starts(in->name, "bra"))
		step_jump(s, in);
	else if (is_return(in))
		s->flow = FLOW_RETURN;
	else if (is_trap(in))
		s->flow = FLOW_TRAP;
	else
		return false;
	return true;
}

static bool step_memory(struct step *s, const struct insn *in)
{
	if (str_starts(in->name, "st"))
		step_store(s, in);
	else if (str_starts(in->name, "ld"))
		step_load(s, in);
	else
		return false;
	return true;
}

static void step(struct step *s)
{
	struct insn in;

	parse_insn(&in, s->insn);
	touch_operands(s, &in);
	if (step_control(s, &in) || step_memory(s, &in) || is_comparison(&in))
		return;
	if (in.n == 2 && is_op(&in, "mov"))
		step_mov(s, &in);
	else if (in.n >= 2 && (is_op(&in, "movz") || is_op(&in, "movn") ||
			       is_op(&in, "movk")))
		step_mov_wide(s, &in);
	else if (in.n >= 3 && is_op(&in, "add"))
		step_add(s, &in, 1);
	else if (in.n >= 3 && is_op(&in, "sub"))
		step_add(s, &in, -1);
	else if (in.n >= 3 && is_op(&in, "and"))
		step_and(s, &in);
	else
		step_other(s, &in);
}

/* ---- the text that goes in ---- */

static bool is_far(const struct func *f)
{
	return f->nitems > FAR_ITEMS;
}

static void emit_slow_path(struct buf *b, const struct func *f,
			   unsigned int imm)
{
	buf_printf(b, "\tmovz\tx16, #%u\n", imm & 0xffff);
	if (imm >> 16)
		buf_printf(b, "\tmovk\tx16, #%u, lsl #16\n", imm >> 16);
	buf_printf(b, "\tstp\tx16, x30, [sp, #-16]!\n");
	if (f->cfi) {
		buf_printf(b, "\t.cfi_adjust_cfa_offset 16\n");
		buf_printf(b, "\t.cfi_rel_offset 30, 8\n");
	}
	buf_printf(b, "\tbl\t__morestack\n");
	if (f->cfi) {
		buf_printf(b, "\t.cfi_adjust_cfa_offset -16\n");
		buf_printf(b, "\t.cfi_restore 30\n");
	}
	buf_printf(b, "\tret\n");		/* body has run elsewhere */
	buf_printf(b, "\thint\t#38\n");	/* bti jc */
}

static void emit_more(struct buf *b, const struct func *f, unsigned int id,
		      unsigned int imm)
{
	buf_printf(b, ".Lgort_more%u:\n", id);
	emit_slow_path(b, f, imm);
	buf_printf(b, "\tb\t.Lgort_body%u\n", id);
}

/* x17 = sp - frame */
static void emit_low(struct buf *b, int64_t frame)
{
	if (frame >> 24) {
		buf_printf(b, "\tmovz\tx17, #%d\n", (int)(frame & 0xffff));
		buf_printf(b, "\tmovk\tx17, #%d, lsl #16\n",
			   (int)(frame >> 16));
		buf_printf(b, "\tsub\tx17, sp, x17, uxtx\n");
		return;
	}
	buf_printf(b, "\tsub\tx17, sp, #%d, lsl #12\n", (int)(frame >> 12));
	buf_printf(b, "\tsub\tx17, x17, #%d\n", (int)(frame & 0xfff));
}

static void emit_check(struct buf *b, const struct func *f, unsigned int id,
		       int64_t frame, unsigned int imm)
{
	bool small = frame <= STACKSPLIT_SMALL;

	buf_printf(b, "\tadrp\tx17, :gottprel:__morestack_guard\n");
	buf_printf(b, "\tldr\tx17, [x17, :gottprel_lo12:__morestack_guard]\n");
	buf_printf(b, "\tmrs\tx16, tpidr_el0\n");
	buf_printf(b, "\tldr\tx16, [x16, x17]\n");
	if (!small)
		emit_low(b, frame);
	buf_printf(b, "\tcmp\t%s, x16\n", small ? "sp" : "x17");
	if (!is_far(f)) {
		buf_printf(b, "\tb.lo\t.Lgort_more%u\n", id);
		return;
	}
	buf_printf(b, "\tb.hs\t.Lgort_body%u\n", id);
	emit_slow_path(b, f, imm);
}

/* The new sp goes into x16 or x17, whichever the operand leaves alone. */
static bool emit_new_sp(struct buf *b, const struct insn *in, const char *tmp)
{
	const struct opnd *from = &in->op[1];
	const char *rest;

	if (is_op(in, "mov")) {
		buf_printf(b, "\tmov\t%s, %.*s\n", tmp, (int)from->len,
			   from->text);
		return true;
	}
	if (in->n < 3)
		return false;
	rest = in->op[2].text;
	if (is_sp_opnd(from)) {
		buf_printf(b, "\tadd\t%s, sp, #32\n", tmp);
		buf_printf(b, "\t%s\t%s, %s, %s\n", in->name, tmp, tmp, rest);
	} else {
		buf_printf(b, "\t%s\t%s, %.*s, %s\n", in->name, tmp,
			   (int)from->len, from->text, rest);
	}
	return true;
}

static bool emit_set_sp(struct buf *b, const struct stmt *insn, int64_t slack)
{
	const char *tmp = "x16";
	struct insn in;

	parse_insn(&in, insn);
	if (in.n < 2 || slack >> 24)
		return false;
	if (in.n > 2 && in.op[2].reg == X16)
		tmp = "x17";
	buf_printf(b, "\tstp\tx16, x30, [sp, #-32]!\n");
	if (insn->cfa_sp)
		buf_printf(b, "\t.cfi_adjust_cfa_offset 32\n");
	buf_printf(b, "\tstr\tx17, [sp, #24]\n");
	if (!emit_new_sp(b, &in, tmp))
		return false;
	if (slack) {
		buf_printf(b, "\tsub\t%s, %s, #%d, lsl #12\n", tmp, tmp,
			   (int)(slack >> 12));
		buf_printf(b, "\tsub\t%s, %s, #%d\n", tmp, tmp,
			   (int)(slack & 0xfff));
	}
	buf_printf(b, "\tstr\t%s, [sp, #16]\n", tmp);
	buf_printf(b, "\tbl\t__morestack_setsp\n");
	buf_printf(b, "\tldr\tx17, [sp, #24]\n");
	buf_printf(b, "\tldp\tx16, x30, [sp], #32\n");
	if (insn->cfa_sp)
		buf_printf(b, "\t.cfi_adjust_cfa_offset -32\n");
	return true;
}

const struct arch arch_arm64 = {
	.name = "arm64",
	.triple = "aarch64-linux-gnu",
	.nregs = 32,
	.sp = SP,
	.args_base = 0,
	.cfa_base = 0,
	.call_bytes = 0,
	.red_zone = 0,
	.hash_comments = false,
	.is_sp = is_sp,
	.is_landing = is_landing,
	.is_thunk = is_thunk,
	.branch_target = branch_target,
	.step = step,
	.emit_check = emit_check,
	.emit_more = emit_more,
	.is_far = is_far,
	.emit_set_sp = emit_set_sp,
};
