/*
 * arch/stacksplit/emit.c - the output: the input with text put in.
 *
 * A note that tells where the instrumented code is.
 *
 * Per checked function: the check behind the entry, the slow path at the end
 * (an FDE of its own, since sp is back where it was at the entry), and before
 * each dynamic change of sp a call of __morestack_setsp.
 *
 * Rejected: the slow path in a section of its own, out of the way.  A symbol
 * table lookup of a return address in it would name the wrong function.
 */
#include "stacksplit.h"
#include "../include/arch/stacksplit.h"

#include <stdlib.h>
#include <string.h>

struct edit {
	size_t at;		/* offset in the input */
	size_t skip;		/* bytes to leave out there */
	size_t order;		/* of edits at the same place */
	char *text;
};

struct edits {
	struct edit *v;
	size_t n, cap;
};

static void edit_add(struct edits *e, size_t at, size_t skip, struct buf *text)
{
	if (e->n == e->cap) {
		e->cap = 2 * e->cap + 64;
		e->v = xrealloc(e->v, e->cap * sizeof(*e->v));
	}
	e->v[e->n] = (struct edit){ at, skip, e->n, text ? text->p : NULL };
	e->n++;
}

static int edit_compare(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Directives of clang that the GNU assembler does not know. */
bool dropped_directive(const char *name)
{
	static const char *const names[] = {
		".addrsig", ".addrsig_sym", ".cg_profile", ".lto_discard",
		".pseudoprobe",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void drop_directives(const struct unit *u, struct edits *e)
{
	const struct stmt *s;

	for (s = u->stmt; s < u->stmt + u->nstmts; s++)
		if (s->kind == STMT_DIRECTIVE && dropped_directive(s->name))
			edit_add(e, s->start, s->end - s->start, NULL);
}

static unsigned int func_imm(const struct func *f)
{
	unsigned int imm = (f->frame + 15) & ~15u;

	if (f->big_args)
		imm |= STACKSPLIT_BIGARGS;
	if (f->dynamic)
		imm |= STACKSPLIT_DYNAMIC;
	return imm;
}

static void emit_more(const struct unit *u, const struct func *f,
		      unsigned int id, struct edits *e)
{
	struct buf b = { 0 };

	buf_printf(&b, "\n");
	if (f->cfi && f->cfi_open)
		buf_printf(&b, "\t.cfi_endproc\n");
	if (f->cfi)
		buf_printf(&b, "\t.cfi_startproc\n");
	u->arch->emit_more(&b, f, id, func_imm(f));
	if (f->cfi && !f->cfi_open)
		buf_printf(&b, "\t.cfi_endproc\n");
	edit_add(e, f->more_at, 0, &b);
}

static void emit_check(const struct unit *u, const struct func *f,
		       unsigned int id, struct edits *e)
{
	struct buf b = { 0 };

	buf_printf(&b, "\n");
	u->arch->emit_check(&b, f, id, (f->frame + 15) & ~(int64_t)15,
			    func_imm(f));
	buf_printf(&b, ".Lgort_body%u:\n", id);
	edit_add(e, f->check_at, 0, &b);
	if (!u->arch->is_far(f))
		emit_more(u, f, id, e);
}

/*
 * The frame reaches below the new sp too: calls push arguments there.  Small
 * amounts are covered by what every check leaves below the guard.
 */
static int64_t set_sp_slack(const struct func *f)
{
	return f->slack > STACKSPLIT_SMALL / 2 ? (f->slack + 15) & ~15 : 0;
}

static void emit_set_sp(const struct unit *u, const struct func *f,
			struct edits *e)
{
	const struct stmt *s;
	struct buf b;
	size_t i;

	for (i = 0; i < f->nset_sp; i++) {
		s = &u->stmt[f->set_sp[i]];
		b = (struct buf){ 0 };
		buf_printf(&b, "\n");
		if (!u->arch->emit_set_sp(&b, s, set_sp_slack(f)))
			unit_error(u, f, s, "stack pointer changed in a way "
				   "that cannot be checked");
		buf_printf(&b, "\t");
		edit_add(e, s->start, 0, &b);
	}
}

/*
 * The runtime is told which code is checked (kernel/text.c): local labels
 * around each function, and behind the last one of each section a note with
 * all of them.  It is linked to the code ("o") and in its group ("?"), so the
 * linker drops the two together.
 */
static unsigned int func_section(const struct unit *u, const struct func *f)
{
	return u->stmt[f->entry].section;
}

static void emit_note(const struct unit *u, size_t first, size_t last,
		      struct buf *b)
{
	unsigned int section = func_section(u, &u->func[last]), n = 0;
	size_t i;

	for (i = first; i <= last; i++)
		n += !u->func[i].nosplit &&
		     func_section(u, &u->func[i]) == section;
	buf_printf(b, "\t.pushsection .gort_text,\"ao?\",%%note,.Lgort_text%zu\n"
		   "\t.balign 4\n\t.long %zu, %u, %d\n\t.asciz \"%s\"\n"
		   "\t.balign 4\n", first, sizeof(NOTE_GORT_NAME), 8 * n,
		   NOTE_GORT_TEXT, NOTE_GORT_NAME);
	for (i = first; i <= last; i++)
		if (!u->func[i].nosplit &&
		    func_section(u, &u->func[i]) == section)
			buf_printf(b, "\t.long .Lgort_text%zu - ., "
				   ".Lgort_text_end%zu - .Lgort_text%zu\n",
				   i, i, i);
	buf_printf(b, "\t.popsection\n");
}

static void emit_text_notes(const struct unit *u, struct edits *e)
{
	size_t *first = xmalloc(u->nsections * sizeof(*first));
	size_t *last = xmalloc(u->nsections * sizeof(*last));
	const struct func *f;
	struct buf b;
	size_t i;

	for (i = u->nfuncs; i-- > 0;)
		if (!u->func[i].nosplit)
			first[func_section(u, &u->func[i])] = i;
	for (i = 0; i < u->nfuncs; i++)
		if (!u->func[i].nosplit)
			last[func_section(u, &u->func[i])] = i;
	for (i = 0; i < u->nfuncs; i++) {
		f = &u->func[i];
		if (f->nosplit)
			continue;
		b = (struct buf){ 0 };
		buf_printf(&b, "\n.Lgort_text%zu:\n", i);
		edit_add(e, u->stmt[f->entry].start, 0, &b);
		b = (struct buf){ 0 };
		buf_printf(&b, "\n.Lgort_text_end%zu:\n", i);
		if (last[func_section(u, f)] == i)
			emit_note(u, first[func_section(u, f)], i, &b);
		edit_add(e, u->stmt[f->size].start, 0, &b);
	}
}

static void emit_edits(const struct unit *u, struct edits *e, struct buf *out)
{
	size_t at = 0, i;

	qsort(e->v, e->n, sizeof(*e->v), edit_compare);
	for (i = 0; i < e->n; i++) {
		buf_add(out, u->text + at, e->v[i].at - at);
		if (e->v[i].text)
			buf_add(out, e->v[i].text, strlen(e->v[i].text));
		at = e->v[i].at + e->v[i].skip;
	}
	buf_add(out, u->text + at, u->len - at);
}

void emit_unit(const struct unit *u, struct buf *out)
{
	struct edits e = { 0 };
	unsigned int id = 0;
	size_t i;

	drop_directives(u, &e);
	for (i = 0; i < u->nfuncs; i++) {
		if (!u->func[i].check)
			continue;
		emit_check(u, &u->func[i], id++, &e);
		emit_set_sp(u, &u->func[i], &e);
	}
	emit_text_notes(u, &e);
	emit_edits(u, &e, out);
}

void emit_frames(const struct unit *u, FILE *out)
{
	const struct func *f;
	size_t i;

	for (i = 0; i < u->nfuncs; i++) {
		f = &u->func[i];
		fprintf(out, "%s:%s %lld %s%s%s%s%s%s%s\n",
			u->src ? u->src : u->path, f->name,
			(long long)f->frame,
			f->nosplit ? "nosplit" : f->check ? "check" : "leaf",
			f->big_args ? ",bigargs" : "",
			f->dynamic ? ",dynamic" : "",
			f->tail_calls ? ",tail" : "",
			f->leaf_low ? ",redzone" : "",
			f->odd_return ? ",oddreturn" : "",
			f->odd_cfi ? ",oddcfi" : "");
	}
}
