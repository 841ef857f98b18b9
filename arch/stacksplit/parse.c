/*
 * arch/stacksplit/parse.c - sections, symbols, CFI and functions.
 *
 * One walk over the statements follows the directives that say where a
 * statement goes and what a symbol is; a second one notes who refers to
 * which label; then functions are put together.
 *
 * A function is what has .type f,@function, a label and a .size.  gcc's
 * f.cold has all that as well but is entered by jumps from f: its
 * instructions belong to f.  A .cold symbol that is *called* is a function
 * (clang outlines such).  Functions written by hand in asm() are left alone,
 * as whole files written by hand are.
 *
 * Rejected: taking .cfi_startproc/.cfi_endproc as the bounds.  They are
 * missing without unwind tables, and doubled with .cold parts.
 *
 * Invariants:
 *  I1  func->item holds each label and instruction of the function once, the
 *      entry first, and neighbours in a section are neighbours in it.
 *  I2  func->check_at comes before any label of the body that is jumped to:
 *      a loop never runs the check again.
 */
#include "stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HASH_SIZE	(1 << 16)
#define MAX_SECTION_STACK	64
#define MAX_CFI_STACK	64

struct cfa {
	bool sp;
	long off;
};

struct parser {
	struct unit *u;
	unsigned int cur, prev;		/* sections */
	unsigned int stack[MAX_SECTION_STACK][2];
	size_t depth;
	bool cfi;
	unsigned int cfi_line;
	struct cfa cfa, saved[MAX_CFI_STACK];
	size_t nsaved;
	unsigned int src_file, src_line;
	unsigned int repeat;
};

/* ---- symbols ---- */

static uint32_t hash_name(const char *name, size_t n)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h % HASH_SIZE;
}

struct sym *sym_find(const struct unit *u, const char *name, size_t n)
{
	struct sym *sym;

	for (sym = u->hash[hash_name(name, n)]; sym; sym = sym->next)
		if (!strncmp(sym->name, name, n) && !sym->name[n])
			return sym;
	return NULL;
}

static struct sym *sym_get(struct unit *u, const char *name, size_t n)
{
	struct sym *sym = sym_find(u, name, n), **head;

	if (sym)
		return sym;
	head = &u->hash[hash_name(name, n)];
	sym = arena_alloc(sizeof(*sym));
	*sym = (struct sym){
		.name = arena_strndup(name, n),
		.next = *head,
		.label = -1,
		.size = -1,
	};
	*head = sym;
	return sym;
}

/* ---- operands of directives ---- */

/* Up to the next comma that is not in a string; quotes are removed. */
static char *next_word(const char **p)
{
	const char *s = *p, *e;
	bool quoted = false;
	size_t n;

	while (*s == ' ')
		s++;
	for (e = s; *e && (quoted || *e != ','); e++)
		if (*e == '"')
			quoted = !quoted;
	*p = *e ? e + 1 : e;
	n = e - s;
	while (n && s[n - 1] == ' ')
		n--;
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"')
		return arena_strndup(s + 1, n - 2);
	return arena_strndup(s, n);
}

/* ---- sections ---- */

static bool section_is_exec(const char *name, const char *flags)
{
	return strchr(flags, 'x') || str_starts(name, ".text") ||
	       !strcmp(name, ".init") || !strcmp(name, ".fini");
}

static unsigned int section_get(struct unit *u, const char *name,
				const char *flags, const char *key, long sub)
{
	struct section *s;
	unsigned int i;

	for (i = 0; i < u->nsections; i++) {
		s = &u->section[i];
		if (s->sub == sub && !strcmp(s->name, name) &&
		    !strcmp(s->key, key))
			return i;
	}
	u->section = xrealloc(u->section, (i + 1) * sizeof(*s));
	u->section[i] = (struct section){
		.name = name, .key = key, .sub = sub,
		.exec = section_is_exec(name, flags),
	};
	u->nsections++;
	return i;
}

/* .section name[,"flags"[,@type[,entsize][,group[,comdat]][,unique,n]]] */
static unsigned int parse_section(struct parser *p, const char *args)
{
	char *name = next_word(&args), *flags = next_word(&args);
	const char *key = strpbrk(flags, "Go?") ? args : strstr(args, "unique");

	if (!*name)
		return p->cur;
	if (isdigit((unsigned char)*flags))	/* .pushsection name, sub */
		return section_get(p->u, name, "", "", atol(flags));
	return section_get(p->u, name, flags, key ? key : "", 0);
}

static void section_push(struct parser *p, const struct stmt *s)
{
	if (p->depth == MAX_SECTION_STACK)
		line_error(p->u, s->line, ".pushsection: nested too deeply");
	p->stack[p->depth][0] = p->cur;
	p->stack[p->depth++][1] = p->prev;
}

static void section_pop(struct parser *p, const struct stmt *s)
{
	if (!p->depth)
		line_error(p->u, s->line,
			   ".popsection without a .pushsection");
	p->cur = p->stack[--p->depth][0];
	p->prev = p->stack[p->depth][1];
}

static void section_set(struct parser *p, unsigned int id)
{
	p->prev = p->cur;
	p->cur = id;
}

static bool parse_section_directive(struct parser *p, const struct stmt *s)
{
	const char *d = s->name;
	const struct section *cur = &p->u->section[p->cur];

	if (!strcmp(d, ".text") || !strcmp(d, ".data") || !strcmp(d, ".bss"))
		section_set(p, section_get(p->u, d, "", "", atol(s->args)));
	else if (!strcmp(d, ".section"))
		section_set(p, parse_section(p, s->args));
	else if (!strcmp(d, ".subsection"))
		section_set(p, section_get(p->u, cur->name,
					   cur->exec ? "x" : "", cur->key,
					   atol(s->args)));
	else if (!strcmp(d, ".previous"))
		section_set(p, p->prev);
	else if (!strcmp(d, ".popsection"))
		section_pop(p, s);
	else if (!strcmp(d, ".pushsection"))
		section_push(p, s), section_set(p, parse_section(p, s->args));
	else
		return false;
	return true;
}

/* ---- call frame information ---- */

static void cfi_start(struct parser *p, const struct stmt *s)
{
	if (p->cfi)
		line_error(p->u, s->line,
			   ".cfi_startproc: the one of line %u is still open",
			   p->cfi_line);
	p->cfi = true;
	p->cfi_line = s->line;
	p->nsaved = 0;
	p->cfa = (struct cfa){ true, p->u->arch->cfa_base };
}

static void cfi_remember(struct parser *p, const struct stmt *s)
{
	if (p->nsaved == MAX_CFI_STACK)
		line_error(p->u, s->line,
			   ".cfi_remember_state: nested too deeply");
	p->saved[p->nsaved++] = p->cfa;
}

static void cfi_restore(struct parser *p, const struct stmt *s)
{
	if (!p->nsaved)
		line_error(p->u, s->line, ".cfi_restore_state without a "
			   ".cfi_remember_state");
	p->cfa = p->saved[--p->nsaved];
}

static void parse_cfi(struct parser *p, const struct stmt *s)
{
	const char *d = s->name + 5, *args = s->args;

	if (!strcmp(d, "sections"))
		return;
	if (!strcmp(d, "startproc")) {
		cfi_start(p, s);
		return;
	}
	if (!p->cfi)
		line_error(p->u, s->line, "%s without .cfi_startproc", s->name);
	if (!strcmp(d, "endproc"))
		p->cfi = false;
	else if (!strcmp(d, "remember_state"))
		cfi_remember(p, s);
	else if (!strcmp(d, "restore_state"))
		cfi_restore(p, s);
	else if (!strcmp(d, "def_cfa_offset"))
		p->cfa.off = atol(args);
	else if (!strcmp(d, "adjust_cfa_offset"))
		p->cfa.off += atol(args);
	else if (!strcmp(d, "def_cfa_register"))
		p->cfa.sp = p->u->arch->is_sp(next_word(&args));
	else if (!strcmp(d, "def_cfa")) {
		p->cfa.sp = p->u->arch->is_sp(next_word(&args));
		p->cfa.off = atol(next_word(&args));
	} else if (!strcmp(d, "escape"))
		p->cfa.sp = false;
}

/* ---- one walk over everything ---- */

static void parse_file(struct unit *u, const char *args)
{
	char *end;
	size_t n = strtoul(args, &end, 10), i;
	const char *name;

	if (end == args) {
		if (!u->src)
			u->src = next_word(&args);
		return;
	}
	name = strchr(end, '"');
	if (!name || n > 1000000)
		return;
	if (strstr(name + 1, "\" \""))		/* "directory" "name" */
		name = strstr(name + 1, "\" \"") + 2;
	if (n >= u->nfiles) {
		u->file = xrealloc(u->file, (n + 1) * sizeof(*u->file));
		for (i = u->nfiles; i <= n; i++)
			u->file[i] = NULL;
		u->nfiles = n + 1;
	}
	u->file[n] = arena_strndup(name + 1, strcspn(name + 1, "\""));
}

static void parse_type(struct unit *u, const char *args)
{
	const char *name = next_word(&args);
	const char *type = next_word(&args);

	if (*type == '@' || *type == '%' || *type == '#')
		type++;
	if (!strcmp(type, "function") || !strcmp(type, "STT_FUNC"))
		sym_get(u, name, strlen(name))->is_func = true;
}

static void parse_label(struct parser *p, long i)
{
	const struct stmt *s = &p->u->stmt[i];
	struct sym *sym;

	if (isdigit((unsigned char)*s->name))
		return;
	if (str_starts(s->name, ".Lgort_"))
		line_error(p->u, s->line, "this file has stack checks already");
	sym = sym_get(p->u, s->name, strlen(s->name));
	if (sym->label >= 0)
		line_error(p->u, s->line,
			   "label '%s' is defined twice, first in line %u",
			   s->name, p->u->stmt[sym->label].line);
	sym->label = i;
}

/* Hide a macro's body; returns its last statement. */
static long parse_macro(struct parser *p, long i)
{
	struct unit *u = p->u;
	const struct stmt *s = &u->stmt[i];
	const char *name = s->args;
	size_t n = strcspn(name, " ,"), k;
	char *lower = arena_strndup(name, n);
	struct buf body = { 0 };
	struct sym *sym;
	long level = 0, j;

	for (j = i; j < (long)u->nstmts; j++) {
		if (!strcmp(u->stmt[j].name, ".macro"))
			level++;
		if (!strcmp(u->stmt[j].name, ".endm") && !--level)
			break;
		if (j > i)
			buf_printf(&body, "%s %s\n", u->stmt[j].name,
				   u->stmt[j].args);
		u->stmt[j].kind = STMT_DIRECTIVE;
		if (j > i)
			u->stmt[j].name = u->stmt[j].args = "";
	}
	if (j == (long)u->nstmts)
		line_error(u, s->line, ".macro without .endm");
	for (k = 0; k < n; k++)
		lower[k] = tolower((unsigned char)lower[k]);
	sym = sym_get(u, lower, n);
	sym->macro = true;
	sym->macro_body = body.p ? body.p : "";
	return j;
}

static void parse_repeat(struct parser *p, const struct stmt *s)
{
	const char *d = s->name;

	if (!strcmp(d, ".rept") || !strcmp(d, ".irp") || !strcmp(d, ".irpc"))
		p->repeat++;
	if (!strcmp(d, ".endr") && !p->repeat--)
		line_error(p->u, s->line, ".endr without .rept");
}

static void parse_size(struct parser *p, long i)
{
	const char *args = p->u->stmt[i].args;
	const char *name = next_word(&args);
	struct sym *sym = sym_get(p->u, name, strlen(name));

	if (sym->size < 0)
		sym->size = i;
}

static void parse_loc(struct parser *p, const char *args)
{
	char *end;

	p->src_file = strtoul(args, &end, 10);
	p->src_line = strtoul(end, NULL, 10);
}

static void parse_directive(struct parser *p, long i)
{
	const struct stmt *s = &p->u->stmt[i];

	if (parse_section_directive(p, s))
		return;
	if (str_starts(s->name, ".cfi_"))
		parse_cfi(p, s);
	else if (!strcmp(s->name, ".type"))
		parse_type(p->u, s->args);
	else if (!strcmp(s->name, ".size"))
		parse_size(p, i);
	else if (!strcmp(s->name, ".loc"))
		parse_loc(p, s->args);
	else if (!strcmp(s->name, ".file"))
		parse_file(p->u, s->args);
	else if (!strcmp(s->name, ".intel_syntax"))
		line_error(p->u, s->line, "Intel syntax is not supported, "
			   "compile with -masm=att");
	else if (!strcmp(s->name, ".endm"))
		line_error(p->u, s->line, ".endm without .macro");
	else
		parse_repeat(p, s);
}

static void parse_statement(struct parser *p, long i)
{
	struct stmt *s = &p->u->stmt[i];

	s->section = p->cur;
	s->cfi = p->cfi;
	s->cfa_sp = p->cfi && p->cfa.sp;
	s->cfa_off = p->cfa.off;
	s->src_file = p->src_file;
	s->src_line = p->src_line;
	s->repeated = p->repeat;
	if (s->kind == STMT_LABEL)
		parse_label(p, i);
	else if (s->kind == STMT_DIRECTIVE)
		parse_directive(p, i);
}

static void parse_statements(struct unit *u)
{
	struct parser p = { .u = u };
	long i;

	p.cur = p.prev = section_get(u, ".text", "", "", 0);
	for (i = 0; i < (long)u->nstmts; i++) {
		parse_statement(&p, i);
		if (!strcmp(u->stmt[i].name, ".macro"))
			i = parse_macro(&p, i);
	}
	if (p.cfi)
		line_error(u, p.cfi_line, ".cfi_startproc without .cfi_endproc");
	if (p.depth)
		line_error(u, u->stmt[u->nstmts - 1].line,
			   ".pushsection without .popsection");
	if (p.repeat)
		line_error(u, u->stmt[u->nstmts - 1].line,
			   ".rept without .endr");
}

/* ---- who refers to what ---- */

static void mark_taken(struct unit *u, const char *args, bool pads)
{
	struct sym *sym;
	size_t n;

	while (*args) {
		if (*args == '"') {
			for (args++; *args && *args != '"'; args++)
				if (*args == '\\' && args[1])
					args++;
			args += *args == '"';
			continue;
		}
		for (n = 0; is_sym_char(args[n]); n++)
			;
		if (n && !isdigit((unsigned char)*args)) {
			sym = sym_find(u, args, n);
			if (sym && pads)
				sym->jumped = true;
			else if (sym)
				sym->taken = true;
		}
		args += n ? n : 1;
	}
}

static bool is_debug_section(const char *name)
{
	return str_starts(name, ".debug") || str_starts(name, ".stab") ||
	       str_starts(name, ".eh_frame");
}

/* Landing pads are entered from calls, never by an indirect jump. */
static bool is_pad_table(const char *name)
{
	return str_starts(name, ".gcc_except_table");
}

static bool is_data_directive(const char *d)
{
	static const char *const names[] = {
		".byte", ".2byte", ".4byte", ".8byte", ".short", ".value",
		".hword", ".word", ".xword", ".long", ".int", ".quad",
		".dc.l", ".dc.w", ".dc.b", ".dc.a", ".set", ".equ", ".equiv",
		"=", ".reloc", ".uleb128", ".sleb128",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(d, names[i]))
			return true;
	return false;
}

static void mark_insn(struct unit *u, const struct stmt *s)
{
	char target[512];
	struct sym *sym;
	bool call;

	if (!u->arch->branch_target(s, target, sizeof(target), &call)) {
		mark_taken(u, s->args, false);
		return;
	}
	sym = sym_find(u, target, strlen(target));
	if (!sym)
		return;
	if (call)
		sym->called = true;
	else
		sym->jumped = true;
}

static void mark_references(struct unit *u)
{
	const char *section;
	struct stmt *s;

	for (s = u->stmt; s < u->stmt + u->nstmts; s++) {
		section = u->section[s->section].name;
		if (s->kind == STMT_INSN)
			mark_insn(u, s);
		else if (s->kind == STMT_DIRECTIVE &&
			 is_data_directive(s->name) &&
			 !is_debug_section(section))
			mark_taken(u, s->args, is_pad_table(section));
	}
}

/* ---- functions ---- */

/* If sym is the .cold piece of a function, that function. */
static struct sym *cold_parent(const struct unit *u, const struct sym *sym)
{
	const char *p, *cold = NULL;
	struct sym *parent;

	for (p = sym->name; (p = strstr(p, ".cold")); p++)
		cold = p;
	if (!cold || sym->called)
		return NULL;
	if (cold[5] && (cold[5] != '.' || !isdigit((unsigned char)cold[6])))
		return NULL;
	parent = sym_find(u, sym->name, cold - sym->name);
	return parent && parent->is_func && parent->label >= 0 ? parent : NULL;
}

static bool is_entry(const struct unit *u, long i)
{
	const struct stmt *s = &u->stmt[i];
	const struct sym *sym;

	if (s->kind != STMT_LABEL || s->asm_text ||
	    !u->section[s->section].exec)
		return false;
	sym = sym_find(u, s->name, strlen(s->name));
	return sym && sym->is_func && sym->label == i;
}

/* f: g: with nothing in between are two names of one function. */
static bool is_second_name(const struct unit *u, long i, const struct func *f)
{
	if (i > f->size)
		return false;
	for (; i > f->entry; i--)
		if (u->stmt[i].kind == STMT_INSN ||
		    u->stmt[i].section != u->stmt[f->entry].section)
			return false;
	return true;
}

static bool passes_label(const struct unit *u, const struct stmt *s)
{
	const struct sym *sym = sym_find(u, s->name, strlen(s->name));

	return sym && (sym->is_func || (!sym->jumped && !sym->taken &&
					!sym->called));
}

/* The check goes after the CFI header and endbr64 or bti. */
static void func_find_check(const struct unit *u, struct func *f)
{
	const struct stmt *s = &u->stmt[f->entry];
	long i;

	f->check_at = s->end;
	for (i = f->entry + 1; i < f->size; i++) {
		s = &u->stmt[i];
		if (s->section != u->stmt[f->entry].section)
			return;
		if (s->kind == STMT_LABEL) {
			if (!passes_label(u, s))
				return;
			if (is_entry(u, i))
				f->check_at = s->end;
		} else if (s->kind == STMT_INSN) {
			if (u->arch->is_landing(s))
				f->check_at = s->end;
			return;
		} else if (!strcmp(s->name, ".cfi_startproc")) {
			f->check_at = s->end;
			f->cfi = true;
		} else if (!strcmp(s->name, ".cfi_personality") ||
			   !strcmp(s->name, ".cfi_lsda") ||
			   !strcmp(s->name, ".cfi_b_key_frame") ||
			   !strcmp(s->name, ".cfi_mte_tagged_frame")) {
			f->check_at = s->end;
		}
	}
}

/* The slow path ends the function: before .size or the label it names. */
static void func_find_more(const struct unit *u, struct func *f)
{
	const struct stmt *size = &u->stmt[f->size];
	const char *args = size->args, *expr;
	const struct sym *end;
	size_t n;

	next_word(&args);
	expr = next_word(&args);
	f->more_stmt = f->size;
	for (n = 0; is_sym_char(expr[n]); n++)
		;
	if (n && strcmp(expr, ".") && !str_starts(expr, ".-")) {
		end = sym_find(u, expr, n);
		if (!end || end->label < f->entry || end->label > f->size)
			unit_error(u, f, size, ".size cannot be understood");
		f->more_stmt = end->label;
	}
	if (u->stmt[f->more_stmt].section != u->stmt[f->entry].section)
		unit_error(u, f, size, "does not end in the section where it "
			   "begins");
	f->more_at = u->stmt[f->more_stmt].start;
	f->cfi_open = u->stmt[f->more_stmt].cfi;
}

static void func_add_range(const struct unit *u, struct func *f, long from,
			   long to)
{
	const struct sym *sym;
	long i;

	for (i = from; i < to; i++) {
		if (u->stmt[i].kind == STMT_DIRECTIVE ||
		    !u->section[u->stmt[i].section].exec)
			continue;
		if (i != f->entry && is_entry(u, i) &&
		    !is_second_name(u, i, f)) {
			sym = sym_find(u, u->stmt[i].name,
				       strlen(u->stmt[i].name));
			if (cold_parent(u, sym) != f->sym)
				unit_error(u, f, &u->stmt[f->entry],
					   "its .size does not come before "
					   "function '%s'", sym->name);
		}
		f->item[f->nitems++] = i;
	}
}

/* Bring the items of a section together; few functions have two. */
static void func_sort(const struct unit *u, struct func *f)
{
	long *sorted = xmalloc((f->nitems + 1) * sizeof(*sorted));
	size_t n = 0, first = 0, i;
	unsigned int section;

	while (n < f->nitems) {
		while (f->item[first] < 0)
			first++;
		section = u->stmt[f->item[first]].section;
		for (i = first; i < f->nitems; i++) {
			if (f->item[i] < 0 ||
			    u->stmt[f->item[i]].section != section)
				continue;
			sorted[n++] = f->item[i];
			f->item[i] = -1;
		}
	}
	free(f->item);
	f->item = sorted;
}

/* Pieces that lie outside of [entry, size): clang splits functions so. */
static void func_add_pieces(struct unit *u, struct func *f)
{
	char name[600];
	const struct sym *piece;

	snprintf(name, sizeof(name), "%s.cold", f->name);
	piece = sym_find(u, name, strlen(name));
	if (!piece || piece->label < 0 || piece->called)
		return;
	if (piece->label > f->entry && piece->label < f->size)
		return;
	if (piece->size < piece->label)
		unit_error(u, f, &u->stmt[piece->label],
			   "its part '%s' has no .size", name);
	f->item = xrealloc(f->item, (f->nitems + piece->size - piece->label) *
			   sizeof(*f->item));
	func_add_range(u, f, piece->label, piece->size);
}

static void func_build(struct unit *u, struct func *f, struct sym *sym)
{
	*f = (struct func){
		.name = sym->name,
		.sym = sym,
		.entry = sym->label,
		.size = sym->size,
	};
	/* No function's own section: a name has no dot. */
	f->nosplit = str_starts(u->section[u->stmt[f->entry].section].name,
				".text.gort.nosplit") ||
		     u->arch->is_thunk(f->name);
	if (f->nosplit)
		return;
	if (f->size < f->entry)
		unit_error(u, f, &u->stmt[f->entry], "has no .size");
	func_find_check(u, f);
	func_find_more(u, f);
	f->item = xmalloc((f->size - f->entry) * sizeof(*f->item));
	func_add_range(u, f, f->entry, f->size);
	func_add_pieces(u, f);
	func_sort(u, f);
}

static void find_functions(struct unit *u)
{
	size_t cap = 0;
	struct sym *sym;
	long i;

	for (i = 0; i < (long)u->nstmts; i++) {
		if (!is_entry(u, i))
			continue;
		sym = sym_find(u, u->stmt[i].name, strlen(u->stmt[i].name));
		if (cold_parent(u, sym))
			continue;
		if (u->nfuncs &&
		    is_second_name(u, i, &u->func[u->nfuncs - 1]))
			continue;
		if (u->nfuncs == cap) {
			cap = 2 * cap + 64;
			u->func = xrealloc(u->func, cap * sizeof(*u->func));
		}
		func_build(u, &u->func[u->nfuncs++], sym);
	}
}

void parse_unit(struct unit *u)
{
	u->hash = xmalloc(HASH_SIZE * sizeof(*u->hash));
	memset(u->hash, 0, HASH_SIZE * sizeof(*u->hash));
	parse_statements(u);
	mark_references(u);
	find_functions(u);
}
