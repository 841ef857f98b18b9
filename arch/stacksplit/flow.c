/*
 * arch/stacksplit/flow.c - where sp is at every instruction of a function.
 *
 * A forward dataflow over labels.  The state is, for each register and a few
 * stack slots: unknown, a constant, or the entry sp minus n.  At joins a
 * register keeps what both sides agree on, sp takes the deeper side.  The
 * greatest n (plus what a call pushes, plus the red zone) is the frame.
 *
 * Assembly does not say which calls never return, so the way from a call to a
 * label right after it is *weak*: it counts only if nothing better reaches
 * the label, or if it agrees with what does.  Otherwise the deep state before
 * a call of abort() would leak into the shallow block that happens to follow.
 *
 * An indirect jump may go to each label of the function whose address is
 * taken.  If there is none, it is a tail call.  What is never reached (landing
 * pads, dead code) starts with the state CFI gives, or the deepest one seen.
 *
 * Rejected: believing CFI everywhere.  It is missing without unwind tables,
 * says nothing about sp once the CFA is based on a frame pointer, and inline
 * assembly lies to it.  It is a second opinion (func->odd_cfi).
 *
 * Invariants:
 *  I1  States only go down the lattice (known to unknown, n up), so the
 *      walk ends; an n that rises without end is an error (MAX_MERGES).
 *      Exception: the first strong state replaces a weak one.
 *  I2  Errors and insertions come from a last walk over final states.
 */
#include "stacksplit.h"
#include "../include/arch/stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MERGES	500
/* 127 parameters in memory, as far as morestack copies them. */
#define ARGS_COPIED	1024
#define ARGS_WIDEST	64	/* one access */

enum reach { UNREACHED, REACHED_WEAKLY, REACHED };

struct node {			/* one per item; used for labels */
	struct state *in;
	struct state *weak;	/* pending weak state */
	enum reach reach;
	bool label;		/* somebody may come here */
	bool queued, waiting;
	unsigned int merges;
};

struct pos {
	long stmt;
	size_t item;
};

struct walk {
	const struct unit *u;
	const struct arch *a;
	struct func *f;
	struct node *node;
	size_t *queue, nqueue;
	struct pos *pos;	/* labels by statement */
	size_t npos;
	struct state deepest;
	int64_t deepest_n;
	bool guessed;		/* weak ways disagreed, or states were seeded */
	bool seeding;
	bool has_taken;		/* indirect jumps may stay inside */
	int64_t red_low;	/* use of the red zone */
	int64_t dyn_low, dyn_base;
};

/* ---- values ---- */

struct val val_unknown(void)
{
	return (struct val){ .kind = VAL_UNKNOWN };
}

struct val val_const(int64_t n)
{
	return (struct val){ .kind = VAL_CONST, .n = n };
}

/* v + n */
struct val val_add(struct val v, int64_t n)
{
	if (v.kind == VAL_CONST)
		v.n += n;
	else if (v.kind == VAL_SP)
		v.n -= n;
	return v;
}

/*
 * v & mask.  The entry sp is entry_off modulo 16; of a coarser alignment the
 * worst case is taken.
 */
struct val val_align(struct val v, int64_t mask, int64_t entry_off)
{
	int64_t align = -mask, odd;

	if (v.kind == VAL_CONST)
		return val_const(v.n & mask);
	if (v.kind != VAL_SP || align <= 0 || (align & (align - 1)))
		return val_unknown();
	if (v.dyn)
		return val_add(v, 1 - align);
	odd = (entry_off - v.n) & 15;
	return val_add(v, align <= 16 ? -(odd & (align - 1))
				      : -(align - 16 + odd));
}

static bool val_equal(struct val a, struct val b)
{
	return a.kind == b.kind && a.dyn == b.dyn && a.n == b.n;
}

static struct val val_join(struct val a, struct val b)
{
	if (a.kind != b.kind || a.n != b.n)
		return val_unknown();
	a.dyn |= b.dyn;
	return a;
}

/* ---- stack slots ---- */

struct val slot_load(const struct state *st, struct val addr)
{
	int i;

	if (addr.kind != VAL_SP || addr.dyn)
		return val_unknown();
	for (i = 0; i < MAX_SLOTS; i++)
		if (st->slot[i].used && st->slot[i].at == addr.n)
			return st->slot[i].v;
	return val_unknown();
}

void slot_store(struct state *st, struct val addr, struct val v)
{
	int i, free_slot = -1;

	if (addr.kind != VAL_SP || addr.dyn)
		return;
	for (i = 0; i < MAX_SLOTS; i++) {
		if (st->slot[i].used && llabs(st->slot[i].at - addr.n) < 8)
			st->slot[i].used = false;
		if (!st->slot[i].used)
			free_slot = i;
	}
	if (v.kind == VAL_SP && free_slot >= 0)
		st->slot[free_slot] = (struct slot){ true, addr.n, v };
}

static bool slots_join(struct state *to, const struct state *from)
{
	bool changed = false;
	struct slot *s;
	struct val v;

	for (s = to->slot; s < to->slot + MAX_SLOTS; s++) {
		if (!s->used)
			continue;
		v = val_join(s->v, slot_load(from, (struct val){
				.kind = VAL_SP, .n = s->at }));
		if (val_equal(v, s->v))
			continue;
		changed = true;
		s->v = v;
		s->used = v.kind == VAL_SP;
	}
	return changed;
}

static bool state_join(struct state *to, const struct state *from,
		       const struct arch *a)
{
	bool changed = slots_join(to, from);
	struct val v;
	int i;

	for (i = 0; i < a->nregs; i++) {
		v = val_join(to->reg[i], from->reg[i]);
		if (i == a->sp) {
			v = to->reg[i];
			if (from->reg[i].n > v.n)
				v.n = from->reg[i].n;
			v.dyn |= from->reg[i].dyn;
		}
		if (val_equal(v, to->reg[i]))
			continue;
		to->reg[i] = v;
		changed = true;
	}
	return changed;
}

/* ---- memory operands, called by the CPU parts ---- */

static void touch_args(struct step *s, const struct arch *a, int64_t above,
		       bool exact)
{
	if (above < a->args_base)
		return;
	if (!exact || above - a->args_base > ARGS_COPIED - ARGS_WIDEST)
		s->big_args = true;
}

/* An operand at base + disp, in memory or only computed as an address. */
void step_touch(struct step *s, const struct arch *a, struct val base,
		int64_t disp, bool indexed, bool address_only)
{
	struct val sp = s->st->reg[a->sp];
	int64_t at = base.n - disp, low;

	if (base.kind != VAL_SP)
		return;
	if (!base.dyn)
		touch_args(s, a, -at, !indexed && !address_only);
	if (!a->red_zone || base.dyn != sp.dyn || at <= sp.n)
		return;
	low = sp.n + a->red_zone;
	if (!indexed && !address_only && at < low)
		low = at;
	/* An index may lead up again: a[n - 1] of a variable-length array. */
	if (!address_only && !indexed)
		s->below_sp = true;
	if (low > s->low)
		s->low = low;
}

/* ---- the graph ---- */

static const struct stmt *item_stmt(const struct walk *w, size_t i)
{
	return &w->u->stmt[w->f->item[i]];
}

/* Labels that only debug information mentions do not count. */
static bool is_label(const struct walk *w, size_t i)
{
	return w->node[i].label;
}

static void walk_mark_label(struct walk *w, size_t i)
{
	const struct stmt *s = item_stmt(w, i);
	const struct sym *sym;

	if (s->kind != STMT_LABEL)
		return;
	sym = sym_find(w->u, s->name, strlen(s->name));
	w->node[i].label = !i || !sym || sym->jumped || sym->taken ||
			   sym->called || sym->is_func;
	if (i && sym && sym->taken && !sym->is_func)
		w->has_taken = true;
}

static int pos_compare(const void *a, const void *b)
{
	long x = ((const struct pos *)a)->stmt, y = ((const struct pos *)b)->stmt;

	return (x > y) - (x < y);
}

static void walk_index(struct walk *w)
{
	size_t i;

	w->pos = xmalloc((w->f->nitems + 1) * sizeof(*w->pos));
	for (i = 0; i < w->f->nitems; i++) {
		walk_mark_label(w, i);
		if (is_label(w, i))
			w->pos[w->npos++] = (struct pos){ w->f->item[i], i };
	}
	qsort(w->pos, w->npos, sizeof(*w->pos), pos_compare);
}

static long item_of_stmt(const struct walk *w, long stmt)
{
	struct pos key = { stmt, 0 }, *p;

	p = bsearch(&key, w->pos, w->npos, sizeof(key), pos_compare);
	return p ? (long)p->item : -1;
}

/* 1b and 1f: the nearest label 1 in the text. */
static long item_of_number(const struct walk *w, const char *target, long from)
{
	size_t n = strlen(target) - 1;
	bool back = target[n] == 'b';
	const char *name;
	long found = -1;
	size_t i;

	for (i = 0; i < w->npos; i++) {
		name = w->u->stmt[w->pos[i].stmt].name;
		if (strncmp(name, target, n) || name[n])
			continue;
		if (back && w->pos[i].stmt < from)
			found = w->pos[i].item;
		if (!back && w->pos[i].stmt > from)
			return w->pos[i].item;
	}
	return found;
}

/* Where a jump goes inside the function, or -1. */
static long walk_target(const struct walk *w, const char *target, long from)
{
	const struct sym *sym;
	long i;

	if (isdigit((unsigned char)*target))
		return item_of_number(w, target, from);
	sym = sym_find(w->u, target, strlen(target));
	if (!sym || sym->label < 0)
		return -1;
	i = item_of_stmt(w, sym->label);
	return i == 0 ? -1 : i;		/* f itself: a tail call */
}

static bool never_returns(const char *name)
{
	static const char *const names[] = {
		"abort", "exit", "_exit", "_Exit", "quick_exit", "longjmp",
		"_longjmp", "siglongjmp", "__longjmp_chk", "__assert_fail",
		"__stack_chk_fail", "__chk_fail", "__fortify_fail",
		"pthread_exit", "_Unwind_Resume", "__cxa_throw",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* ---- propagation ---- */

static void walk_enqueue(struct walk *w, size_t i)
{
	if (w->node[i].queued)
		return;
	w->node[i].queued = true;
	w->queue[w->nqueue++] = i;
}

static struct state *state_dup(const struct state *st)
{
	struct state *p = xmalloc(sizeof(*p));

	*p = *st;
	return p;
}

static bool same_sp(const struct walk *w, const struct state *a,
		    const struct state *b)
{
	return a->reg[w->a->sp].n == b->reg[w->a->sp].n;
}

static void walk_enter(struct walk *w, size_t i, const struct state *st,
		       enum reach reach)
{
	struct node *n = &w->node[i];

	if (!n->in)
		n->in = state_dup(st);
	else if (n->reach == REACHED_WEAKLY && reach == REACHED &&
		 !same_sp(w, n->in, st))
		*n->in = *st, w->guessed = true;
	else if (!state_join(n->in, st, w->a)) {
		if (reach > n->reach)
			n->reach = reach;
		return;
	}
	if (reach > n->reach)
		n->reach = reach;
	if (++n->merges > MAX_MERGES)
		unit_error(w->u, w->f, item_stmt(w, i),
			   "stack pointer moves in a loop without end "
			   "(compile with -fno-stack-clash-protection)");
	walk_enqueue(w, i);
}

static void walk_enter_weakly(struct walk *w, size_t i, const struct state *st)
{
	struct node *n = &w->node[i];

	if (!n->weak)
		n->weak = state_dup(st);
	else if (n->waiting && same_sp(w, n->weak, st))
		state_join(n->weak, st, w->a);
	else
		*n->weak = *st;
	n->waiting = true;
}

/*
 * Weakly: not all labels whose address is taken are meant to be jumped to.
 * Position-independent code has one at the entry to compute addresses from.
 */
static void walk_enter_taken(struct walk *w, const struct state *st)
{
	const struct sym *sym;
	size_t i;

	for (i = 1; i < w->f->nitems; i++) {
		if (!is_label(w, i))
			continue;
		sym = sym_find(w->u, item_stmt(w, i)->name,
			       strlen(item_stmt(w, i)->name));
		if (sym && sym->taken && !sym->is_func)
			walk_enter_weakly(w, i, st);
	}
}

/* A jump to .+4 or so stays inside of one piece of inline assembly. */
static bool is_relative(const char *target)
{
	return target[0] == '.' && !is_sym_char(target[1]);
}

/* Leave the instruction at item i by every way but to the next one. */
static void walk_leave(struct walk *w, const struct step *s, size_t i)
{
	struct state st = *s->st;
	long to;

	if (s->flow == FLOW_INDIRECT)
		walk_enter_taken(w, s->st);
	if (!*s->target || is_relative(s->target))
		return;
	to = walk_target(w, s->target, w->f->item[i]);
	if (to < 0)
		return;
	if (s->flow == FLOW_CALL) {
		w->guessed = true;	/* its return is not ours */
		st.reg[w->a->sp].n += w->a->call_bytes;
	}
	walk_enter(w, to, &st, REACHED);
}

static bool goes_on(const struct step *s)
{
	switch (s->flow) {
	case FLOW_NEXT:
	case FLOW_TRAP:
	case FLOW_BRANCH:
		return true;
	case FLOW_CALL:
		return !never_returns(s->target);
	case FLOW_JUMP:
		return is_relative(s->target);
	default:
		return false;
	}
}

/* Does item i+1 follow i in memory? */
static bool has_next(const struct walk *w, size_t i)
{
	return i + 1 < w->f->nitems &&
	       item_stmt(w, i)->section == item_stmt(w, i + 1)->section;
}

static void walk_step(const struct walk *w, size_t i, struct step *s,
		      struct state *st)
{
	s->insn = item_stmt(w, i);
	s->st = st;
	s->flow = FLOW_NEXT;
	s->target[0] = '\0';
	s->low = 0;
	s->below_sp = s->big_args = s->set_sp = s->bad = false;
	w->a->step(s);
}

static void walk_note_depth(struct walk *w, const struct state *st)
{
	if (st->reg[w->a->sp].n <= w->deepest_n)
		return;
	w->deepest_n = st->reg[w->a->sp].n;
	w->deepest = *st;
}

/* The last label after item i before which nobody can come. */
static size_t skip_silent_labels(const struct walk *w, size_t i)
{
	while (has_next(w, i) && !is_label(w, i + 1) &&
	       item_stmt(w, i + 1)->kind == STMT_LABEL)
		i++;
	return i;
}

/* From label i up to the next label or the end of the block. */
static void walk_block(struct walk *w, size_t i)
{
	struct state st = *w->node[i].in;
	enum reach reach = w->node[i].reach;
	struct step s;

	while (has_next(w, i)) {
		i++;
		if (is_label(w, i)) {
			walk_enter(w, i, &st, reach);
			return;
		}
		if (item_stmt(w, i)->kind == STMT_LABEL)
			continue;
		reach = REACHED;
		walk_step(w, i, &s, &st);
		if (!w->seeding)
			walk_note_depth(w, &st);
		walk_leave(w, &s, i);
		if (!goes_on(&s))
			return;
		if (s.flow != FLOW_CALL && s.flow != FLOW_TRAP)
			continue;
		i = skip_silent_labels(w, i);
		if (has_next(w, i) && is_label(w, i + 1)) {
			walk_enter_weakly(w, i + 1, &st);
			return;
		}
	}
}

static void walk_drain(struct walk *w)
{
	size_t i;

	while (w->nqueue) {
		i = w->queue[--w->nqueue];
		w->node[i].queued = false;
		walk_block(w, i);
	}
}

/* What CFI says about sp at the first instruction from item i on. */
static bool cfi_depth(const struct walk *w, size_t i, int64_t *depth)
{
	const struct stmt *s;

	while (item_stmt(w, i)->kind == STMT_LABEL && has_next(w, i))
		i++;
	s = item_stmt(w, i);
	*depth = s->cfa_off - w->a->cfa_base;
	return s->kind == STMT_INSN && s->cfa_sp;
}

/* Labels already reached: agree, or the call does not return. */
static void walk_settle_weak(struct walk *w)
{
	struct node *n;
	size_t i;

	for (i = 0; i < w->f->nitems; i++) {
		n = &w->node[i];
		if (!n->waiting || !n->in)
			continue;
		n->waiting = false;
		if (same_sp(w, n->in, n->weak))
			walk_enter(w, i, n->weak, n->reach);
		else
			w->guessed = true;
	}
}

/* Nothing else reaches this label: the call returns, unless CFI objects. */
static bool walk_accept_weak(struct walk *w)
{
	int64_t depth;
	struct node *n;
	size_t i;

	for (i = 0; i < w->f->nitems; i++) {
		n = &w->node[i];
		if (!n->waiting)
			continue;
		n->waiting = false;
		if (cfi_depth(w, i, &depth) &&
		    depth != n->weak->reg[w->a->sp].n)
			continue;
		walk_enter(w, i, n->weak, REACHED_WEAKLY);
		return true;
	}
	return false;
}

static void walk_run(struct walk *w)
{
	do {
		do {
			walk_drain(w);
			walk_settle_weak(w);
		} while (w->nqueue);
	} while (walk_accept_weak(w));
}

static void walk_seed_unreached(struct walk *w)
{
	struct state st;
	int64_t depth;
	size_t i;

	for (i = 0; i < w->f->nitems; i++) {
		if (!is_label(w, i) || w->node[i].in)
			continue;
		w->guessed = w->seeding = true;
		st = w->deepest;
		if (cfi_depth(w, i, &depth)) {
			st.reg[w->a->sp].n = depth;
			st.reg[w->a->sp].dyn = false;
		}
		walk_enter(w, i, &st, REACHED_WEAKLY);
		walk_run(w);
	}
}

/* ---- the last walk ---- */

static void check_macro(const struct walk *w, const struct stmt *s)
{
	static const char *const words[] = {
		"sp", "push", "pop", "call", "leave", "bl", "ret", "jmp",
	};
	const struct sym *sym = sym_find(w->u, s->name, strlen(s->name));
	size_t i;

	if (!sym || !sym->macro)
		return;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(sym->macro_body, words[i]))
			unit_error(w->u, w->f, s, "macro may change the stack "
				   "pointer or leave the function");
}

static void check_step(struct walk *w, const struct step *s, struct val before)
{
	struct val after = s->st->reg[w->a->sp];

	check_macro(w, s->insn);
	if (s->bad)
		unit_error(w->u, w->f, s->insn, "stack pointer changed in a "
			   "way that cannot be checked");
	if (s->insn->repeated && (s->set_sp || !val_equal(before, after)))
		unit_error(w->u, w->f, s->insn,
			   "stack pointer changed inside .rept");
	if (s->flow == FLOW_RETURN && (after.n != 0 || after.dyn)) {
		if (!w->guessed && !s->insn->asm_text)
			unit_error(w->u, w->f, s->insn,
				   "stack pointer is %lld bytes%s off",
				   (long long)after.n,
				   after.dyn ? " and more" : "");
		w->f->odd_return = true;
	}
	if (s->insn->cfa_sp && !before.dyn && !s->insn->asm_text &&
	    before.n != s->insn->cfa_off - w->a->cfa_base)
		w->f->odd_cfi = true;
}

static bool leaves_function(const struct walk *w, const struct step *s,
			    size_t i)
{
	switch (s->flow) {
	case FLOW_INDIRECT:
		return !w->has_taken || s->st->reg[w->a->sp].n == 0;
	case FLOW_JUMP:
	case FLOW_BRANCH:
		return *s->target && !is_relative(s->target) &&
		       walk_target(w, s->target, w->f->item[i]) < 0;
	default:
		return false;
	}
}

static void note_low(struct walk *w, int64_t low, bool dyn)
{
	if (low > w->f->frame)
		w->f->frame = low;
	if (dyn && low > w->dyn_low)
		w->dyn_low = low;
}

static void note_set_sp(struct walk *w, const struct step *s, long stmt)
{
	struct func *f = w->f;
	int64_t n = s->st->reg[w->a->sp].n;

	f->set_sp = xrealloc(f->set_sp,
			     (f->nset_sp + 1) * sizeof(*f->set_sp));
	f->set_sp[f->nset_sp++] = stmt;
	f->dynamic = true;
	if (n < w->dyn_base)
		w->dyn_base = n;
}

static void note_step(struct walk *w, const struct step *s, size_t i,
		      struct val before)
{
	struct val sp = s->st->reg[w->a->sp];
	struct func *f = w->f;

	if (s->low > w->red_low)
		w->red_low = s->low;
	note_low(w, sp.n, sp.dyn);
	if (s->flow == FLOW_CALL) {
		f->calls = true;
		note_low(w, before.n + w->a->call_bytes, before.dyn);
	}
	f->big_args |= s->big_args;
	f->red_zone |= s->below_sp && !s->insn->asm_text;
	if (s->set_sp)
		note_set_sp(w, s, f->item[i]);
	if (leaves_function(w, s, i))
		f->tail_calls = f->big_args = true;
}

static void walk_finish_block(struct walk *w, size_t i)
{
	struct state st = *w->node[i].in;
	struct val before;
	struct step s;

	note_low(w, st.reg[w->a->sp].n, st.reg[w->a->sp].dyn);
	while (has_next(w, i) && !is_label(w, i + 1)) {
		i++;
		if (item_stmt(w, i)->kind == STMT_LABEL)
			continue;
		before = st.reg[w->a->sp];
		walk_step(w, i, &s, &st);
		check_step(w, &s, before);
		note_step(w, &s, i, before);
		if (!goes_on(&s))
			return;
	}
}

static void walk_finish(struct walk *w)
{
	struct func *f = w->f;
	size_t i;

	w->dyn_base = INT64_MAX;
	for (i = 0; i < f->nitems; i++)
		if (w->node[i].in)
			walk_finish_block(w, i);
	/* With calls there is no red zone, only an early lea. */
	f->red_zone &= !f->calls;
	f->leaf_low = !f->calls && w->red_low > f->frame;
	if (f->leaf_low)
		f->frame = w->red_low;
	if (f->dynamic) {
		f->slack = w->dyn_low - w->dyn_base;
		f->frame += STACKSPLIT_DYNAMIC_ROOM;
	}
	if (f->dynamic && f->red_zone)
		unit_error(w->u, f, &w->u->stmt[f->entry],
			   "uses the red zone and allocates dynamically");
	if (f->frame > MAX_FRAME)
		unit_error(w->u, f, &w->u->stmt[f->entry],
			   "frame of %lld bytes is larger than 1 GiB",
			   (long long)f->frame);
	f->check = f->calls || f->frame > STACKSPLIT_SMALL;
}

static void walk_free(struct walk *w)
{
	size_t i;

	for (i = 0; i < w->f->nitems; i++) {
		free(w->node[i].in);
		free(w->node[i].weak);
	}
	free(w->node);
	free(w->queue);
	free(w->pos);
}

void flow_analyse(const struct unit *u, struct func *f)
{
	struct walk w = { .u = u, .a = u->arch, .f = f };
	struct state entry = { 0 };

	w.node = xmalloc(f->nitems * sizeof(*w.node));
	memset(w.node, 0, f->nitems * sizeof(*w.node));
	w.queue = xmalloc(f->nitems * sizeof(*w.queue));
	walk_index(&w);
	entry.reg[w.a->sp].kind = VAL_SP;
	w.deepest = entry;
	walk_enter(&w, 0, &entry, REACHED);
	walk_run(&w);
	walk_seed_unreached(&w);
	walk_finish(&w);
	walk_free(&w);
}
