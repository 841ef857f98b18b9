/* SPDX-License-Identifier: ISC */
/*
 * kernel/symtab.h - from a pc to the name of its function, file and line.
 *
 * Context: any, signal handlers included: neither malloc, stdio nor the
 * loader's lock; errno is kept; about 1 KiB of stack.
 * Locking: none inside.  The caller holds one lock around each call of
 * symtab_lookup(), symtab_line() and symtab_refresh().  As a handler may
 * interrupt the holder, a handler must only try that lock.
 */
#ifndef KERNEL_SYMTAB_H
#define KERNEL_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/dwarf.h"

struct symbol {
	const char *name;	/* NUL-terminated, mapped for good; never NULL */
	uintptr_t offset;	/* pc - start of function */
	/*
	 * Path of the ELF object as the kernel shows it, the main program's
	 * too; "[vdso]" for the vdso; "" if pc is in no object.  Mapped for
	 * good; never NULL.
	 */
	const char *object;
};

/*
 * symtab_lookup - name the function that contains pc.
 *
 * Returns 0, or -ENOENT when nothing is known: then name is "?", offset 0,
 * and object still names the object, if there is one.
 *
 * A return address may be the first byte of the next function (the call was
 * to a function that does not return): pass it minus one.
 */
int symtab_lookup(uintptr_t pc, struct symbol *sym);

/*
 * symtab_line - file and line of the instruction that contains pc.
 *
 * Needs .debug_line in the file itself.  Returns false, and leaves *line
 * alone, when nothing is known.  Names are mapped for good.  A return address
 * is to be passed minus one, as above.
 */
bool symtab_line(uintptr_t pc, struct line *line);

/*
 * symtab_refresh - forget which object is where.
 *
 * What dlopen() adds is found without it; what dlclose() removed may be
 * reported until this is called.  Call it when a traceback begins.  Names
 * and paths handed out stay valid, files are not read again.
 */
void symtab_refresh(void);

/*
 * The parser of one ELF file, which has no state besides: for symtab.c, and
 * for who keeps files and caches of its own.
 */
struct symtab_entry {
	uint64_t value;		/* link-time address */
	uint64_t end;		/* one past the last byte */
	uint32_t name;		/* offset into names */
	uint32_t rank;		/* of equals the greatest wins */
	uint32_t parent;	/* nearest entry before that ends after value */
};

struct symtab_image {
	const unsigned char *base;
	size_t size;
	const char *names;	/* in base; ends in NUL */
	struct symtab_entry *entries;	/* sorted; own mapping */
	size_t entries_size;	/* of that mapping, in bytes */
	uint32_t count;
};

/*
 * symtab_image_init - index the ELF file of size bytes at base.
 *
 * Trusts nothing in it.  base needs no alignment and must outlive img.
 * Returns 0, or -ENOENT (then img is empty, and valid for the calls below),
 * or -ENOMEM (the same).
 */
int symtab_image_init(struct symtab_image *img, const void *base, size_t size);

/*
 * symtab_image_lookup - as symtab_lookup(), by offset in the file.
 *
 * Sets name and offset on success, else leaves *sym alone.
 */
int symtab_image_lookup(const struct symtab_image *img, uint64_t file_offset,
			struct symbol *sym);

/*
 * symtab_image_address - the link-time address of the code at this offset in
 * the file; false if there is none.
 */
bool symtab_image_address(const struct symtab_image *img, uint64_t file_offset,
			  uint64_t *addr);

/* symtab_image_find - symtab_image_lookup(), by link-time address. */
int symtab_image_find(const struct symtab_image *img, uint64_t addr,
		      struct symbol *sym);

/*
 * symtab_image_section - the section of this name; empty if there is none
 * that can be used as it is in the file.
 */
struct dwarf_section symtab_image_section(const struct symtab_image *img,
					  const char *name);

/*
 * symtab_image_lines - index the line programs of img, which must outlive
 * lines.  What is broken, compressed or missing has none.
 */
void symtab_image_lines(const struct symtab_image *img,
			struct dwarf_lines *lines);

void symtab_image_destroy(struct symtab_image *img);

#endif /* KERNEL_SYMTAB_H */
