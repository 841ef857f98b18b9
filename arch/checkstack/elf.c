// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/elf.c - read an object: what the compiler does not say.
 *
 *  - In which section a function is: its context.
 *  - A call of __morestack: the function has a stack check.
 *  - Every other use of a function's address than a call, and the first call
 *    that follows: what is made ready right before a call is its argument.
 *    To be exact, calls need relocations, so functions sections of their own
 *    (-ffunction-sections).
 */
#include "checkstack.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#ifndef EM_AARCH64
#define EM_AARCH64	183
#endif

struct object {
	const char *path;
	const char *data;
	size_t len;
	const Elf64_Ehdr *eh;
	const Elf64_Shdr *sh;
	const Elf64_Sym *sym;
	size_t nsyms;
	const char *names;
	bool instrumented;
};

enum use { USE_NONE, USE_CALL, USE_ADDRESS };

static const void *at(const struct object *o, Elf64_Off off, Elf64_Xword size)
{
	if (off > o->len || size > o->len - off)
		die("%s: not a valid object", o->path);
	return o->data + off;
}

static const char *section_name(const struct object *o, unsigned int i)
{
	const Elf64_Shdr *strings = &o->sh[o->eh->e_shstrndx];
	const char *s = at(o, strings->sh_offset, strings->sh_size);

	if (i >= o->eh->e_shnum || o->sh[i].sh_name >= strings->sh_size)
		return "";
	return s + o->sh[i].sh_name;
}

static const char *symbol_name(const struct object *o, const Elf64_Sym *s)
{
	return o->names + s->st_name;
}

/* Clones and cold parts are named after their function, a dot behind it. */
static struct fn *local_fn(const struct object *o, const char *name)
{
	struct fn *f = fn_find(o->path, name);
	char *s = copy_string(name, strlen(name)), *dot;

	while (!f && (dot = strrchr(s, '.'))) {
		*dot = '\0';
		f = fn_find(o->path, s);
		if (!f)
			f = fn_find(NULL, s);
	}
	free(s);
	return f;
}

static struct fn *symbol_fn(const struct object *o, const Elf64_Sym *s)
{
	const char *name = symbol_name(o, s);

	if (ELF64_ST_BIND(s->st_info) == STB_LOCAL)
		return local_fn(o, name);
	return fn_find(NULL, name);
}

static bool is_function(const Elf64_Sym *s)
{
	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx;
}

/* The symbol of this type that has the address in it; or begins there. */
static const Elf64_Sym *symbol_at(const struct object *o, unsigned int section,
				  Elf64_Addr addr, int type, bool begins)
{
	const Elf64_Sym *s;

	for (s = o->sym; s < o->sym + o->nsyms; s++)
		if (ELF64_ST_TYPE(s->st_info) == type &&
		    s->st_shndx == section && addr >= s->st_value &&
		    (begins ? addr == s->st_value :
		     addr - s->st_value < s->st_size))
			return s;
	return NULL;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static enum context context_of(const char *section)
{
	if (has_prefix(section, ".text.gort.nosplit"))
		return CONTEXT_NOSPLIT;
	if (has_prefix(section, ".text.gort.systemstack."))
		return CONTEXT_SYSTEMSTACK;
	if (has_prefix(section, ".text.gort.g0."))
		return CONTEXT_G0;
	return CONTEXT_GOROUTINE;
}

static void read_functions(const struct object *o)
{
	const Elf64_Sym *s;
	struct fn *f;

	for (s = o->sym; s < o->sym + o->nsyms; s++) {
		f = is_function(s) ? symbol_fn(o, s) : NULL;
		if (!f || strcmp(f->name, symbol_name(o, s)))
			continue;
		f->context = context_of(section_name(o, s->st_shndx));
		f->in_object = true;
		f->instrumented = o->instrumented;
		f->is_public = !f->local && ELF64_ST_VISIBILITY(s->st_other) ==
					    STV_DEFAULT;
	}
}

/* An operand relative to %rip has 00 and 101 in the byte before; no branch. */
static enum use relative_use(const struct object *o, const Elf64_Shdr *code,
			     const Elf64_Rela *r)
{
	const unsigned char *p = at(o, code->sh_offset, code->sh_size);

	if (!(code->sh_flags & SHF_EXECINSTR))
		return USE_ADDRESS;
	if (!r->r_offset || r->r_offset >= code->sh_size)
		die("%s: not a valid object", o->path);
	return (p[r->r_offset - 1] & 0xc7) == 0x05 ? USE_ADDRESS : USE_CALL;
}

static enum use use_of(const struct object *o, const Elf64_Shdr *rel,
		       const Elf64_Rela *r)
{
	unsigned int type = ELF64_R_TYPE(r->r_info);

	if (o->eh->e_machine == EM_X86_64)
		switch (type) {
		case R_X86_64_PLT32:
		case R_X86_64_PC32:
			return relative_use(o, &o->sh[rel->sh_info], r);
		case R_X86_64_64:
		case R_X86_64_32:
		case R_X86_64_32S:
		case R_X86_64_GOTPCREL:
		case R_X86_64_GOTPCRELX:
		case R_X86_64_REX_GOTPCRELX:
			return USE_ADDRESS;
		default:
			return USE_NONE;
		}
	switch (type) {
	case R_AARCH64_CALL26:
	case R_AARCH64_JUMP26:
		return USE_CALL;
	case R_AARCH64_ABS64:
	case R_AARCH64_ADR_PREL_LO21:
	case R_AARCH64_ADR_PREL_PG_HI21:
	case R_AARCH64_ADR_GOT_PAGE:
		return USE_ADDRESS;
	default:
		return USE_NONE;	/* second halves */
	}
}

/* The function that begins where r points, if one does. */
static struct fn *target_fn(const struct object *o, const Elf64_Rela *r)
{
	unsigned int type = ELF64_R_TYPE(r->r_info);
	const Elf64_Sym *s = &o->sym[ELF64_R_SYM(r->r_info)];
	Elf64_Addr addr = s->st_value + (Elf64_Addr)r->r_addend;

	if (ELF64_R_SYM(r->r_info) >= o->nsyms)
		die("%s: not a valid object", o->path);
	if (!s->st_shndx)
		return symbol_fn(o, s);
	/* Relative to the next instruction. */
	if (o->eh->e_machine == EM_X86_64 && type != R_X86_64_64 &&
	    type != R_X86_64_32 && type != R_X86_64_32S)
		addr += 4;
	s = symbol_at(o, s->st_shndx, addr, STT_FUNC, true);
	return s ? symbol_fn(o, s) : NULL;
}

static struct taken *take(struct fn *f, struct fn *by, const char *data)
{
	struct taken *t = zalloc(sizeof(*t));

	t->by = by;
	t->data = data;
	t->next = f->taken;
	f->taken = t;
	return t;
}

static int by_offset(const void *a, const void *b)
{
	const Elf64_Rela *x = a, *y = b;

	return x->r_offset < y->r_offset ? -1 : x->r_offset > y->r_offset;
}

static void note_call(const struct object *o, const Elf64_Rela *r,
		      struct fn *by, struct taken **open, size_t *nopen)
{
	const char *name;
	struct fn *to = target_fn(o, r);

	name = to ? to->name :
		    symbol_name(o, &o->sym[ELF64_R_SYM(r->r_info)]);
	by->checked |= !strcmp(name, "__morestack");
	by->allocates |= !strcmp(name, "__morestack_setsp");
	if (has_prefix(name, "__morestack"))
		return;
	while (*nopen)
		open[--*nopen]->call = copy_string(name, strlen(name));
}

static void read_code(const struct object *o, const Elf64_Shdr *rel)
{
	size_t n = rel->sh_size / sizeof(Elf64_Rela), i, nopen = 0;
	Elf64_Rela *r = zalloc(rel->sh_size + 1);
	struct fn *by = NULL, *to;
	struct taken *open[16];
	const Elf64_Sym *s;

	memcpy(r, at(o, rel->sh_offset, rel->sh_size), rel->sh_size);
	qsort(r, n, sizeof(*r), by_offset);
	for (i = 0; i < n; i++) {
		s = symbol_at(o, rel->sh_info, r[i].r_offset, STT_FUNC, false);
		to = s ? symbol_fn(o, s) : NULL;
		if (to != by)
			nopen = 0;
		by = to;
		if (!by)
			continue;
		switch (use_of(o, rel, &r[i])) {
		case USE_CALL:
			note_call(o, &r[i], by, open, &nopen);
			break;
		case USE_ADDRESS:
			to = target_fn(o, &r[i]);
			if (to && nopen < sizeof(open) / sizeof(*open))
				open[nopen++] = take(to, by, NULL);
			break;
		case USE_NONE:
			break;
		}
	}
	free(r);
}

static void read_data(const struct object *o, const Elf64_Shdr *rel)
{
	const Elf64_Rela *r = at(o, rel->sh_offset, rel->sh_size);
	const Elf64_Rela *end = r + rel->sh_size / sizeof(*r);
	const Elf64_Sym *s;
	struct fn *to;

	for (; r < end; r++) {
		to = use_of(o, rel, r) == USE_ADDRESS ? target_fn(o, r) : NULL;
		if (!to)
			continue;
		s = symbol_at(o, rel->sh_info, r->r_offset, STT_OBJECT, false);
		take(to, NULL, s ? symbol_name(o, s) :
				   section_name(o, rel->sh_info));
	}
}

static bool describes_code(const char *section)
{
	return !strcmp(section, ".eh_frame") || !strcmp(section, ".gort_text") ||
	       has_prefix(section, "__patchable_function");
}

static void read_relocations(const struct object *o)
{
	const Elf64_Shdr *rel, *target;

	for (rel = o->sh; rel < o->sh + o->eh->e_shnum; rel++) {
		if (rel->sh_type != SHT_RELA || rel->sh_info >= o->eh->e_shnum)
			continue;
		target = &o->sh[rel->sh_info];
		if (!(target->sh_flags & SHF_ALLOC) ||
		    describes_code(section_name(o, rel->sh_info)))
			continue;
		if (target->sh_flags & SHF_EXECINSTR)
			read_code(o, rel);
		else
			read_data(o, rel);
	}
}

static void read_symbols(struct object *o)
{
	const Elf64_Shdr *sh, *strings;

	for (sh = o->sh; sh < o->sh + o->eh->e_shnum; sh++) {
		o->instrumented |= !strcmp(section_name(o, sh - o->sh),
					   ".gort_text");
		if (sh->sh_type != SHT_SYMTAB || sh->sh_link >= o->eh->e_shnum)
			continue;
		strings = &o->sh[sh->sh_link];
		o->sym = at(o, sh->sh_offset, sh->sh_size);
		o->nsyms = sh->sh_size / sizeof(*o->sym);
		o->names = at(o, strings->sh_offset, strings->sh_size);
	}
}

void elf_read(const char *path)
{
	struct object o = { .path = path };
	const char *name;

	o.data = read_whole(path, &o.len);
	o.eh = at(&o, 0, sizeof(*o.eh));
	if (memcmp(o.eh->e_ident, ELFMAG, SELFMAG) ||
	    o.eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    o.eh->e_ident[EI_DATA] != ELFDATA2LSB || o.eh->e_type != ET_REL)
		die("%s: not a 64-bit object (with -flto there is no code yet)",
		    path);
	if (o.eh->e_machine != EM_X86_64 && o.eh->e_machine != EM_AARCH64)
		die("%s: neither for x86-64 nor for arm64", path);
	name = o.eh->e_machine == EM_X86_64 ? "x86_64" : "arm64";
	if (*machine && strcmp(machine, name))
		die("%s: objects for x86-64 and for arm64", path);
	machine = name;
	o.sh = at(&o, o.eh->e_shoff, o.eh->e_shnum * sizeof(*o.sh));
	if (o.eh->e_shstrndx >= o.eh->e_shnum)
		die("%s: not a valid object", path);
	read_symbols(&o);
	read_functions(&o);
	read_relocations(&o);
}
