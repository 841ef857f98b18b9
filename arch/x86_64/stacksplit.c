/*
 * arch/x86_64/stacksplit.c - what stacksplit knows about x86-64.
 *
 * AT&T syntax only.  Instructions are looked at as text, and only as far as
 * sp, copies of sp and constants are concerned; anything else just makes its
 * destination unknown.  A destination that is sp itself and not understood is
 * an error.
 *
 * Registers of the inserted code:
 *	r11	the psABI has no use for it at a function entry (PLT code
 *		clobbers it); r10 is the static chain of nested functions
 *		and stays.
 *	flags	dead at a function entry and after sub; a mov to sp keeps
 *		them, so what goes before it uses push, lea and call only.
 * Thunks for indirect jumps are called with all registers live, r11 too, and
 * are left alone.
 *
 * Contract with __morestack:	pushed: frame and flags; returns to the jmp
 * behind the call, having popped the number.
 * Contract with __morestack_setsp:	pushed: the new sp; keeps all registers
 * and flags, pops the number.
 *
 * Invariant: sp is counted from the slot of the return address, so it is 8
 * modulo 16 at the entry and 0 again at ret.
 */
#include "../stacksplit/stacksplit.h"
#include "../include/arch/stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GUARD		"%%fs:0x70"
#define ENTRY_OFF	8	/* sp modulo 16 at the entry */
#define MAX_OPERANDS	6

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R15 = 15 };

enum opnd_kind { OPND_OTHER, OPND_REG, OPND_IMM, OPND_MEM };

struct opnd {
	enum opnd_kind kind;
	int reg, width;
	int base, index;	/* -1: none */
	bool symbolic;		/* n is not all of it */
	bool segment;
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

static int parse_legacy_reg(const char *s, size_t n, int *width)
{
	static const char *const names[][5] = {
		[RAX] = { "rax", "eax", "ax", "al", "ah" },
		[RCX] = { "rcx", "ecx", "cx", "cl", "ch" },
		[RDX] = { "rdx", "edx", "dx", "dl", "dh" },
		[RBX] = { "rbx", "ebx", "bx", "bl", "bh" },
		[RSP] = { "rsp", "esp", "sp", "spl", "spl" },
		[RBP] = { "rbp", "ebp", "bp", "bpl", "bpl" },
		[RSI] = { "rsi", "esi", "si", "sil", "sil" },
		[RDI] = { "rdi", "edi", "di", "dil", "dil" },
	};
	static const int widths[] = { 64, 32, 16, 8, 8 };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (j = 0; j < ARRAY_SIZE(widths); j++)
			if (reg_is(s, n, names[i][j])) {
				*width = widths[j];
				return i;
			}
	return -1;
}

/* s is behind the '%'.  Registers that are not general give -1. */
static int parse_reg(const char *s, size_t n, int *width)
{
	char *end;
	long r;

	if (n < 2 || n > 4)
		return -1;
	if ((*s != 'r' && *s != 'R') || !isdigit((unsigned char)s[1]))
		return parse_legacy_reg(s, n, width);
	r = strtol(s + 1, &end, 10);
	*width = 64;
	if (end < s + n)
		*width = tolower((unsigned char)*end) == 'd' ? 32 :
			 tolower((unsigned char)*end) == 'w' ? 16 : 8;
	return r >= 8 && r <= R15 ? (int)r : -1;
}

/* The number at s, if that is all up to end. */
static bool parse_number(const char *s, const char *end, int64_t *n)
{
	char *stop;

	while (s < end && *s == ' ')
		s++;
	*n = (int64_t)strtoull(s, &stop, 0);
	while (stop < end && *stop == ' ')
		stop++;
	return s < end && stop == end;
}

static int parse_mem_reg(const char **s, const char *end)
{
	const char *p = *s;
	int reg = -1, width;
	size_t n = 0;

	while (p < end && *p == ' ')
		p++;
	if (p < end && *p == '%') {
		for (p++; p + n < end && is_sym_char(p[n]); n++)
			;
		reg = parse_reg(p, n, &width);
	}
	p = memchr(p, ',', end - p);
	*s = p ? p + 1 : end;
	return reg;
}

/* [%seg:]disp(base,index,scale) */
static void parse_mem(struct opnd *o)
{
	const char *s = o->text, *end = s + o->len, *paren, *disp_end;

	o->kind = OPND_MEM;
	if (*s == '%') {
		o->segment = true;
		s = memchr(s, ':', o->len);
		s = s ? s + 1 : end;
	}
	for (paren = end; paren > s && paren[-1] != '('; paren--)
		;
	disp_end = paren > s ? paren - 1 : end;
	if (disp_end > s)
		o->symbolic = !parse_number(s, disp_end, &o->n);
	if (paren == s)
		return;
	end--;
	o->base = parse_mem_reg(&paren, end);
	o->index = parse_mem_reg(&paren, end);
}

static void parse_operand(struct opnd *o, const char *s, size_t n)
{
	while (n && *s == ' ')
		s++, n--;
	while (n && s[n - 1] == ' ')
		n--;
	*o = (struct opnd){ .reg = -1, .base = -1, .index = -1,
			    .text = s, .len = n };
	if (!n)
		return;
	if (*s == '$') {
		o->kind = OPND_IMM;
		o->symbolic = !parse_number(s + 1, s + n, &o->n);
	} else if (*s == '%' && !memchr(s, ':', n)) {
		o->kind = OPND_REG;
		o->reg = parse_reg(s + 1, n - 1, &o->width);
	} else if (*s != '*' && *s != '{') {
		parse_mem(o);
	}
}

static bool is_prefix(const char *s, size_t n)
{
	static const char *const names[] = {
		"rep", "repe", "repz", "repne", "repnz", "lock", "notrack",
		"bnd", "data16", "data32", "addr32", "rex64", "rex", "rex.w",
		"cs", "ds", "es", "fs", "gs", "ss", "xacquire", "xrelease",
	};
	size_t i;

	if (*s == '{')
		return true;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (reg_is(s, n, names[i]))
			return true;
	return false;
}

static void parse_operands(struct insn *in, const char *s)
{
	const char *from = s;
	int depth = 0;

	for (in->n = 0; in->n < MAX_OPERANDS; s++) {
		if (*s == '(')
			depth++;
		if (*s == ')')
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
	const char *name = stmt->name, *args = stmt->args;
	size_t n = strlen(name), i;

	while (is_prefix(name, n) && *args) {
		name = args;
		n = strcspn(name, " ");
		args = name + n;
		args += *args == ' ';
	}
	if (n >= sizeof(in->name))
		n = sizeof(in->name) - 1;
	for (i = 0; i < n; i++)
		in->name[i] = tolower((unsigned char)name[i]);
	in->name[n] = '\0';
	parse_operands(in, args);
}

/* name, with or without a size suffix */
static bool is_op(const struct insn *in, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(in->name, name, n) &&
	       (!in->name[n] || (!in->name[n + 1] &&
				 strchr("bwlq", in->name[n])));
}

static bool is_sp(const char *reg)
{
	return !strcmp(reg, "7") || !strcmp(reg, "%rsp") || !strcmp(reg, "rsp");
}

static bool is_landing(const struct stmt *insn)
{
	return !strcmp(insn->name, "endbr64");
}

static bool is_thunk(const char *name)
{
	return str_starts(name, "__x86_indirect_thunk") ||
	       str_starts(name, "__x86_return_thunk") ||
	       str_starts(name, "__llvm_retpoline") ||
	       str_starts(name, "__llvm_lvi_thunk");
}

static bool is_branch(const struct insn *in)
{
	return in->name[0] == 'j' || str_starts(in->name, "loop") ||
	       !strcmp(in->name, "xbegin");
}

/* A symbol without @PLT; false for *%rax and the like. */
static bool direct_target(const struct insn *in, char *buf, size_t n)
{
	const char *s = in->op[0].text;
	size_t len;

	buf[0] = '\0';
	if (in->n != 1 || *s == '*')
		return false;
	if (*s == '"')
		len = strcspn(++s, "\"");
	else if (*s == '.' && !is_sym_char(s[1]))
		len = in->op[0].len;
	else
		len = strcspn(s, "@+- ,");
	if (len >= n)
		len = n - 1;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return true;
}

static bool branch_target(const struct stmt *stmt, char *buf, size_t n,
			  bool *call)
{
	struct insn in;

	parse_insn(&in, stmt);
	*call = is_op(&in, "call");
	return (*call || is_branch(&in)) && direct_target(&in, buf, n);
}

/* ---- one instruction ---- */

static struct val *sp_of(struct step *s)
{
	return &s->st->reg[RSP];
}

static struct val reg_val(const struct step *s, const struct opnd *o)
{
	if (o->kind == OPND_IMM && !o->symbolic)
		return val_const(o->n);
	if (o->kind == OPND_REG && o->reg >= 0 && o->width == 64)
		return s->st->reg[o->reg];
	return val_unknown();
}

static struct val mem_addr(const struct step *s, const struct opnd *o)
{
	if (o->kind != OPND_MEM || o->base < 0 || o->index >= 0 ||
	    o->symbolic || o->segment)
		return val_unknown();
	if (s->st->reg[o->base].kind != VAL_SP)
		return val_unknown();
	return val_add(s->st->reg[o->base], o->n);
}

static struct val opnd_val(const struct step *s, const struct opnd *o)
{
	if (o->kind == OPND_MEM)
		return slot_load(s->st, mem_addr(s, o));
	return reg_val(s, o);
}

/* gcc's realigned frames: lea 8(%rsp), %r10; and $-32, %rsp */
static bool is_drap(const struct stmt *insn)
{
	const struct stmt *next = insn + 1;

	if (!str_starts(insn->args, "8(%rsp)"))
		return false;
	while (next->kind == STMT_DIRECTIVE && str_starts(next->name, ".cfi_"))
		next++;
	return next->kind == STMT_INSN && str_starts(next->name, "and") &&
	       strstr(next->args, "%rsp");
}

static void touch_operand(struct step *s, const struct opnd *o, bool lea)
{
	bool indexed = o->index >= 0 || o->symbolic;

	if (o->kind != OPND_MEM || o->segment)
		return;
	if (o->base >= 0)
		step_touch(s, &arch_x86_64, s->st->reg[o->base], o->n, indexed,
			   lea);
	if (o->index >= 0)
		step_touch(s, &arch_x86_64, s->st->reg[o->index], o->n, true,
			   lea);
}

static void touch_operands(struct step *s, const struct insn *in)
{
	bool lea = is_op(in, "lea");
	int i;

	if (is_op(in, "nop") || (lea && is_drap(s->insn)))
		return;
	for (i = 0; i < in->n; i++)
		touch_operand(s, &in->op[i], lea);
}

/* An address of the incoming arguments goes from hand to hand. */
static void touch_value(struct step *s, struct val v)
{
	step_touch(s, &arch_x86_64, v, 0, false, true);
}

static void push(struct step *s, int64_t bytes, struct val v)
{
	sp_of(s)->n += bytes;
	slot_store(s->st, *sp_of(s), v);
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
	if (o->kind == OPND_MEM)
		slot_store(s->st, mem_addr(s, o), v);
	if (o->kind != OPND_REG || o->reg < 0)
		return;
	if (o->reg == RSP && o->width != 64)
		s->bad = true;
	else if (o->reg == RSP)
		set_sp(s, v);
	else if (o->width == 64)
		s->st->reg[o->reg] = v;
	else if (o->width == 32 && v.kind == VAL_CONST)
		s->st->reg[o->reg] = val_const(v.n & 0xffffffff);
	else
		s->st->reg[o->reg] = val_unknown();
}

static bool is_sp_opnd(const struct opnd *o)
{
	return o->kind == OPND_REG && o->reg == RSP;
}

static void kill(struct step *s, const int *regs, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		s->st->reg[regs[i]] = val_unknown();
}

static void step_call(struct step *s, const struct insn *in)
{
	static const int clobbered[] = {
		RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11,
	};

	s->flow = FLOW_CALL;
	direct_target(in, s->target, sizeof(s->target));
	kill(s, clobbered, ARRAY_SIZE(clobbered));
}

static void step_jump(struct step *s, const struct insn *in)
{
	bool direct = direct_target(in, s->target, sizeof(s->target));

	if (!is_op(in, "jmp"))
		s->flow = FLOW_BRANCH;
	else
		s->flow = direct ? FLOW_JUMP : FLOW_INDIRECT;
}

static int64_t stack_width(const struct insn *in, const char *name)
{
	return in->name[strlen(name)] == 'w' ? 2 : 8;
}

static void step_push(struct step *s, const struct insn *in)
{
	bool flags = str_starts(in->name, "pushf");
	struct val v = val_unknown();

	if (!flags && in->n == 1)
		v = opnd_val(s, &in->op[0]);
	push(s, stack_width(in, flags ? "pushf" : "push"), v);
}

static void step_pop(struct step *s, const struct insn *in)
{
	bool flags = str_starts(in->name, "popf");
	struct val v = slot_load(s->st, *sp_of(s));

	sp_of(s)->n -= stack_width(in, flags ? "popf" : "pop");
	if (flags || in->n != 1)
		return;
	if (is_sp_opnd(&in->op[0]))
		s->bad = true;
	else
		set_opnd(s, &in->op[0], v);
}

static void step_leave(struct step *s)
{
	if (s->st->reg[RBP].kind != VAL_SP) {
		s->bad = true;
		return;
	}
	*sp_of(s) = s->st->reg[RBP];
	s->st->reg[RBP] = slot_load(s->st, *sp_of(s));
	sp_of(s)->n -= 8;
}

static void step_enter(struct step *s, const struct insn *in)
{
	if (in->n != 2 || in->op[0].symbolic || in->op[1].n) {
		s->bad = true;
		return;
	}
	push(s, 8, val_unknown());
	s->st->reg[RBP] = *sp_of(s);
	sp_of(s)->n += in->op[0].n;
}

/* gcc's short forms of and: movb $0, %spl and xorw %sp, %sp */
static bool step_sp_part(struct step *s, const struct insn *in)
{
	const struct opnd *from = &in->op[0], *to = &in->op[1];
	bool zero = is_op(in, "mov") && from->kind == OPND_IMM &&
		    !from->symbolic && !from->n;

	zero |= is_op(in, "xor") && is_sp_opnd(from) &&
		from->width == to->width;
	if (!zero || !is_sp_opnd(to) || to->width > 16)
		return false;
	*sp_of(s) = val_align(*sp_of(s), -(1L << to->width), ENTRY_OFF);
	return true;
}

static void step_mov(struct step *s, const struct insn *in)
{
	struct val v = opnd_val(s, &in->op[0]);

	if (in->op[0].kind == OPND_REG)
		touch_value(s, v);
	if (is_sp_opnd(&in->op[1]) && in->op[0].kind == OPND_IMM)
		s->bad = true;
	set_opnd(s, &in->op[1], v);
}

static void step_lea(struct step *s, const struct insn *in)
{
	struct val v = mem_addr(s, &in->op[0]);

	if (is_sp_opnd(&in->op[1]) && v.kind != VAL_SP)
		s->bad = true;
	set_opnd(s, &in->op[1], v);
}

/* add and sub */
static void step_add(struct step *s, const struct insn *in, int sign)
{
	struct val n = opnd_val(s, &in->op[0]);
	struct val v = opnd_val(s, &in->op[1]);

	if (is_sp_opnd(&in->op[1]) && in->op[0].kind == OPND_IMM &&
	    in->op[0].symbolic)
		s->bad = true;
	if (n.kind == VAL_CONST)
		v = val_add(v, sign * n.n);
	else
		v = val_unknown();
	if (!is_sp_opnd(&in->op[1]))
		touch_value(s, v);
	set_opnd(s, &in->op[1], v);
}

static void step_and(struct step *s, const struct insn *in)
{
	struct val mask = reg_val(s, &in->op[0]);
	struct val v = opnd_val(s, &in->op[1]);

	if (mask.kind == VAL_CONST)
		v = val_align(v, mask.n, ENTRY_OFF);
	else
		v = val_unknown();
	if (is_sp_opnd(&in->op[1]) && v.kind != VAL_SP)
		s->bad = true;
	set_opnd(s, &in->op[1], v);
}

/* Anything else: what is written becomes unknown. */
static void step_other(struct step *s, const struct insn *in)
{
	static const int implied[] = { RAX, RCX, RDX, RBX, RSI, RDI };
	bool all = is_op(in, "xchg") || is_op(in, "xadd") ||
		   is_op(in, "cmpxchg") || str_starts(in->name, "mulx");
	bool regs = false;
	int i;

	for (i = 0; i < in->n; i++) {
		regs |= in->op[i].kind == OPND_REG;
		if (i < in->n - 1 && !all)
			continue;
		if (is_sp_opnd(&in->op[i]))
			s->bad = true;
		else
			set_opnd(s, &in->op[i], val_unknown());
	}
	if (in->n < 2 || !regs || is_op(in, "cmpxchg"))
		kill(s, implied, ARRAY_SIZE(implied));
}

static bool is_trap(const struct insn *in)
{
	return !strcmp(in->name, "ud2") || !strcmp(in->name, "hlt") ||
	       !strcmp(in->name, "int3");
}

static bool is_return(const struct insn *in)
{
	return is_op(in, "ret") || is_op(in, "lret") || is_op(in, "iret") ||
	       is_op(in, "sysret");
}

static bool is_comparison(const struct insn *in)
{
	return is_op(in, "cmp") || is_op(in, "test") || is_op(in, "bt") ||
	       is_op(in, "nop");
}

static bool step_control(struct step *s, const struct insn *in)
{
	if (is_op(in, "call") || is_op(in, "lcall"))
		step_call(s, in);
	else if (is_branch(in))
		step_jump(s, in);
	else if (is_return(in))
		s->flow = FLOW_RETURN;
	else if (is_trap(in))
		s->flow = FLOW_TRAP;
	else
		return false;
	return true;
}

static bool step_stack(struct step *s, const struct insn *in)
{
	if (is_op(in, "push") || is_op(in, "pushf"))
		step_push(s, in);
	else if (is_op(in, "pop") || is_op(in, "popf"))
		step_pop(s, in);
	else if (is_op(in, "leave"))
		step_leave(s);
	else if (is_op(in, "enter"))
		step_enter(s, in);
	else
		return false;
	return true;
}

static void step(struct step *s)
{
	struct insn in;

	parse_insn(&in, s->insn);
	touch_operands(s, &in);
	if (step_control(s, &in) || step_stack(s, &in) || is_comparison(&in))
		return;
	if (in.n == 2 && step_sp_part(s, &in))
		return;
	if (in.n == 2 && (is_op(&in, "mov") || is_op(&in, "movabs")))
		step_mov(s, &in);
	else if (in.n == 2 && is_op(&in, "lea"))
		step_lea(s, &in);
	else if (in.n == 2 && is_op(&in, "add"))
		step_add(s, &in, 1);
	else if (in.n == 2 && is_op(&in, "sub"))
		step_add(s, &in, -1);
	else if (in.n == 2 && is_op(&in, "and"))
		step_and(s, &in);
	else
		step_other(s, &in);
}

/* ---- the text that goes in ---- */

static bool is_far(const struct func *f)
{
	(void)f;
	return false;		/* jb reaches everything */
}

static void emit_more(struct buf *b, const struct func *f, unsigned int id,
		      unsigned int imm)
{
	buf_printf(b, ".Lgort_more%u:\n", id);
	buf_printf(b, "\tpushq\t$%u\n", imm);
	if (f->cfi)
		buf_printf(b, "\t.cfi_adjust_cfa_offset 8\n");
	buf_printf(b, "\tcall\t__morestack@PLT\n");
	if (f->cfi)
		buf_printf(b, "\t.cfi_adjust_cfa_offset -8\n");
	buf_printf(b, "\tret\n");		/* body has run elsewhere */
	buf_printf(b, "\tjmp\t.Lgort_body%u\n", id);
}

static void emit_check(struct buf *b, const struct func *f, unsigned int id,
		       int64_t frame, unsigned int imm)
{
	(void)f;
	(void)imm;
	if (frame <= STACKSPLIT_SMALL) {
		buf_printf(b, "\tcmpq\t" GUARD ", %%rsp\n");
	} else {
		buf_printf(b, "\tleaq\t-%lld(%%rsp), %%r11\n",
			   (long long)frame);
		buf_printf(b, "\tcmpq\t" GUARD ", %%r11\n");
	}
	buf_printf(b, "\tjb\t.Lgort_more%u\n", id);
}

static void emit_push(struct buf *b, const struct stmt *insn, const char *text,
		      size_t n)
{
	buf_printf(b, "\tpushq\t%.*s\n", (int)n, text);
	if (insn->cfa_sp)
		buf_printf(b, "\t.cfi_adjust_cfa_offset 8\n");
}

static void emit_pop(struct buf *b, const struct stmt *insn, const char *text)
{
	buf_printf(b, "\t%s\n", text);
	if (insn->cfa_sp)
		buf_printf(b, "\t.cfi_adjust_cfa_offset -8\n");
}

/* sub and add: the flags are about to change anyway */
static bool emit_set_sp_add(struct buf *b, const struct stmt *insn,
			    const struct insn *in, int64_t slack)
{
	const char *op = is_op(in, "sub") ? "subq" : "addq", *paren;
	const struct opnd *o = &in->op[0];

	emit_push(b, insn, "%rsp", 4);
	if (o->kind == OPND_REG) {
		buf_printf(b, "\t%s\t%.*s, (%%rsp)\n", op, (int)o->len,
			   o->text);
	} else {
		emit_push(b, insn, "%rax", 4);
		paren = memchr(o->text, '(', o->len);
		if (o->base == RSP && (o->symbolic || o->segment || !paren))
			return false;
		if (o->base == RSP)	/* two pushes further down */
			buf_printf(b, "\tmovq\t%lld%.*s, %%rax\n",
				   (long long)o->n + 16,
				   (int)(o->text + o->len - paren), paren);
		else
			buf_printf(b, "\tmovq\t%.*s, %%rax\n", (int)o->len,
				   o->text);
		buf_printf(b, "\t%s\t%%rax, 8(%%rsp)\n", op);
		emit_pop(b, insn, "popq\t%rax");
	}
	if (slack)
		buf_printf(b, "\tsubq\t$%lld, (%%rsp)\n", (long long)slack);
	return true;
}

/* mov: the flags stay */
static void emit_set_sp_mov(struct buf *b, const struct stmt *insn,
			    const struct insn *in, int64_t slack)
{
	emit_push(b, insn, in->op[0].text, in->op[0].len);
	if (!slack)
		return;
	emit_push(b, insn, "%rax", 4);
	buf_printf(b, "\tmovq\t8(%%rsp), %%rax\n");
	buf_printf(b, "\tleaq\t-%lld(%%rax), %%rax\n", (long long)slack);
	buf_printf(b, "\tmovq\t%%rax, 8(%%rsp)\n");
	emit_pop(b, insn, "popq\t%rax");
}

static bool emit_set_sp(struct buf *b, const struct stmt *insn, int64_t slack)
{
	struct insn in;

	parse_insn(&in, insn);
	if (in.n != 2 || is_sp_opnd(&in.op[0]) ||
	    (in.op[0].kind == OPND_REG &&
	     (in.op[0].reg < 0 || in.op[0].width != 64)))
		return false;
	if (is_op(&in, "mov"))
		emit_set_sp_mov(b, insn, &in, slack);
	else if (!emit_set_sp_add(b, insn, &in, slack))
		return false;
	emit_pop(b, insn, "call\t__morestack_setsp@PLT");
	return true;
}

const struct arch arch_x86_64 = {
	.name = "x86-64",
	.triple = "x86_64-linux-gnu",
	.nregs = 16,
	.sp = RSP,
	.args_base = 8,
	.cfa_base = 8,
	.call_bytes = 8,
	.red_zone = 128,
	.hash_comments = true,
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
