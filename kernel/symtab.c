// SPDX-License-Identifier: ISC
/*
 * kernel/symtab.c - from a pc to the name of its function, file and line.
 *
 * /proc/self/maps (see maps.c) says which file is mapped at pc and at which
 * offset, the file's program headers turn the offset into a link-time address,
 * and its .symtab (else .dynsym) names that.  Load addresses are never needed,
 * so PIE, non-PIE, static and shared objects are all the same case.  maps is
 * read once per object: hits in the range cache do without.
 *
 * Each file is mapped, its functions are sorted and its line programs (see
 * dwarf.c) are indexed once, on first use, and all of it stays: names point
 * into the mapping.  Where objects are mapped is cached apart (struct range),
 * because that changes with dlclose().  Lines are cached by object and
 * link-time address, which do not: tracebacks of many goroutines meet the
 * same few hundred calls again and again.
 *
 * Rejected:
 *  - trusting device and inode to recognise the file: overlayfs and btrfs
 *    show others in maps than in stat.  A file that was unlinked or replaced
 *    is "... (deleted)" in maps and fails to open, which is enough.
 *  - dladdr(): not async-signal-safe, and blind to static functions.
 *
 * Invariants:
 *  I1  entries are sorted by (value, rank): the last one with value <= pc is
 *      the best candidate.
 *  I2  Every other candidate that reaches beyond pc is on its chain of
 *      parents, nearest first.
 *  I3  Every name offset in entries is inside the string table, and the
 *      table ends in NUL.
 *  I4  An object is complete before nobjects counts it, a range before
 *      nranges does.
 *
 * A file that is truncated while it is mapped raises SIGBUS here, as it does
 * in the program whose text it is.
 *
 * Sections that are compressed, or in a file of their own, give no lines.
 *
 * Locks: none, see symtab.h.
 * Forbidden here: malloc, stdio, the loader.
 */
#include "kernel/symtab.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/errno.h"
#include "kernel/maps.h"
#include "kernel/sort.h"

#define OBJECTS_MAX	64
#define RANGES_MAX	128
#define LINES_MAX	1024	/* a power of two */
#define NO_PARENT	UINT32_MAX

/* Pages below are never mapped executable: outermost frames return to 0. */
#define PC_MIN		4096

/* Which of several symbols at one address names it, strongest first. */
#define RANK_PLAIN	(1U << 14)	/* name does not start with '$' */
#define RANK_FUNC	(1U << 13)	/* else a label in assembly */
#define RANK_SIZED	(1U << 12)
#define RANK_GLOBAL	(1U << 11)	/* or weak */
#define RANK_BARE	(1U << 8)	/* 0 to 7: the fewer '_' in front */
#define RANK_SHORT_MAX	255		/* the shorter: cbrt, not cbrtf32x */

/* The section headers of an image, bounds checked. */
struct sections {
	uint64_t offset;
	uint64_t count;
};

/* One ELF file; never freed. */
struct object {
	uint64_t dev;
	uint64_t ino;
	const char *path;
	struct symtab_image image;	/* empty if it has no names */
	struct dwarf_lines lines;	/* empty if it has no lines */
};

/* A mapping of code.  obj is NULL where no file is behind it. */
struct range {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset;
	const struct object *obj;
};

/* What dwarf_lines_find() said; line.file is NULL if that was nothing. */
struct cached_line {
	const struct object *obj;
	uint64_t addr;
	struct line line;
};

static struct object objects[OBJECTS_MAX];
static size_t nobjects;
static struct range ranges[RANGES_MAX];
static size_t nranges;
static size_t next_victim;
static struct cached_line cached_lines[LINES_MAX];

static char maps_buf[MAPS_BUF_SIZE];
static char exe_buf[MAPS_BUF_SIZE];

/* --- parser of one file --- */

/* Copy, as offsets from a file need not be aligned. */
static bool image_read(const struct symtab_image *img, uint64_t off,
		       void *dst, size_t len)
{
	if (off > img->size || len > img->size - off)
		return false;
	memcpy(dst, img->base + off, len);
	return true;
}

static bool image_read_ehdr(const struct symtab_image *img, Elf64_Ehdr *eh)
{
	return image_read(img, 0, eh, sizeof(*eh)) &&
	       memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0 &&
	       eh->e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (eh->e_type == ET_EXEC || eh->e_type == ET_DYN);
}

static bool image_read_section(const struct symtab_image *img,
			       const struct sections *secs, uint64_t i,
			       Elf64_Shdr *sh)
{
	return i < secs->count &&
	       image_read(img, secs->offset + i * sizeof(*sh), sh, sizeof(*sh));
}

static bool image_find_sections(const struct symtab_image *img,
				struct sections *secs)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;

	if (!image_read_ehdr(img, &eh) || !eh.e_shoff ||
	    eh.e_shentsize != sizeof(sh) ||
	    !image_read(img, eh.e_shoff, &sh, sizeof(sh)))
		return false;
	secs->offset = eh.e_shoff;
	/* A count that does not fit is in the first section. */
	secs->count = eh.e_shnum ? eh.e_shnum : sh.sh_size;
	return secs->count <= (img->size - eh.e_shoff) / sizeof(sh);
}

/* The labels by which an arm64 assembler tells code from data. */
static bool is_mapping_symbol(const char *name)
{
	return name[0] == '$' && (name[1] == 'x' || name[1] == 'd') &&
	       (name[2] == '\0' || name[2] == '.');
}

static uint32_t symbol_rank(const Elf64_Sym *s, const char *name)
{
	uint32_t rank = RANK_SHORT_MAX;
	uint32_t i;

	/* Bounded: all symbols of a file may share one very long name. */
	rank -= (uint32_t)strnlen(name, RANK_SHORT_MAX);
	for (i = 0; i < 7 && name[i] == '_'; i++)
		;
	rank += (7 - i) * RANK_BARE;
	if (*name != '$')
		rank |= RANK_PLAIN;
	if (ELF64_ST_TYPE(s->st_info) != STT_NOTYPE)
		rank |= RANK_FUNC;
	if (s->st_size)
		rank |= RANK_SIZED;
	if (ELF64_ST_BIND(s->st_info) != STB_LOCAL)
		rank |= RANK_GLOBAL;
	return rank;
}

/*
 * Is s code with a name?  Then fill in e, all but the parent.  Not inlined:
 * its stack check is where a goroutine that indexes a large file lets others
 * run.
 */
static __attribute__((noinline))
bool entry_init(const struct symtab_image *img, const struct sections *secs,
		uint64_t names_size, const Elf64_Sym *s,
		struct symtab_entry *e)
{
	unsigned int type = ELF64_ST_TYPE(s->st_info);
	Elf64_Shdr sh;

	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (s->st_name >= names_size || !img->names[s->st_name])
		return false;
	if (s->st_shndx == SHN_UNDEF || s->st_shndx >= SHN_LORESERVE ||
	    !image_read_section(img, secs, s->st_shndx, &sh) ||
	    !(sh.sh_flags & SHF_EXECINSTR))
		return false;
	if (type == STT_NOTYPE && is_mapping_symbol(img->names + s->st_name))
		return false;

	e->value = s->st_value;
	/* Without a size, up to the next symbol but not beyond the section. */
	if (__builtin_add_overflow(s->st_size ? s->st_value : sh.sh_addr,
				   s->st_size ? s->st_size : sh.sh_size,
				   &e->end))
		e->end = UINT64_MAX;
	e->name = s->st_name;
	e->rank = symbol_rank(s, img->names + s->st_name);
	e->parent = NO_PARENT;
	return e->end > e->value;
}

static bool entry_less(const void *x, const void *y)
{
	const struct symtab_entry *a = x, *b = y;

	if (a->value != b->value)
		return a->value < b->value;
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->name > b->name;
}

/* Symbols without a size end where their namesake or the next one says. */
static void entries_end_unsized(struct symtab_entry *e, uint32_t n)
{
	uint32_t i;

	for (i = n; i-- > 0; ) {
		if (e[i].rank & RANK_SIZED || i + 1 == n)
			continue;
		if (e[i + 1].value == e[i].value)
			e[i].end = e[i + 1].end;
		else if (e[i + 1].value < e[i].end)
			e[i].end = e[i + 1].value;
	}
}

/*
 * Set the parents, and drop labels inside functions of known size.  Linear:
 * an entry that ends before this value is on no later chain.
 */
static uint32_t entries_link(struct symtab_entry *e, uint32_t n)
{
	const uint32_t sized_func = RANK_FUNC | RANK_SIZED;
	uint32_t top = NO_PARENT;
	uint32_t kept = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		while (top != NO_PARENT && e[top].end <= e[i].value)
			top = e[top].parent;
		if (!(e[i].rank & RANK_FUNC) && top != NO_PARENT &&
		    (e[top].rank & sized_func) == sized_func)
			continue;
		e[kept] = e[i];
		e[kept].parent = top;
		top = kept++;
	}
	return kept;
}

/* Index one symbol table; -ENOENT if it is broken or names no code. */
static int image_index(struct symtab_image *img, const struct sections *secs,
		       const Elf64_Shdr *symtab)
{
	uint64_t nsyms = symtab->sh_size / sizeof(Elf64_Sym);
	struct symtab_entry *entries;
	Elf64_Shdr strtab;
	Elf64_Sym s;
	uint32_t n = 0;
	uint64_t i;

	if (symtab->sh_entsize != sizeof(s) || !nsyms || nsyms >= NO_PARENT ||
	    symtab->sh_offset > img->size ||
	    symtab->sh_size > img->size - symtab->sh_offset)
		return -ENOENT;
	if (!image_read_section(img, secs, symtab->sh_link, &strtab) ||
	    strtab.sh_type != SHT_STRTAB || !strtab.sh_size ||
	    strtab.sh_offset > img->size ||
	    strtab.sh_size > img->size - strtab.sh_offset ||
	    img->base[strtab.sh_offset + strtab.sh_size - 1] != '\0')
		return -ENOENT;
	img->names = (const char *)img->base + strtab.sh_offset;

	/* One per symbol is too many, but only pages in use cost memory. */
	entries = mmap(NULL, nsyms * sizeof(*entries), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (entries == MAP_FAILED)
		return -ENOMEM;
	for (i = 0; i < nsyms; i++) {
		if (!image_read(img, symtab->sh_offset + i * sizeof(s),
				&s, sizeof(s)))
			break;
		if (entry_init(img, secs, strtab.sh_size, &s, &entries[n]))
			n++;
	}
	if (!n) {
		munmap(entries, nsyms * sizeof(*entries));
		return -ENOENT;
	}
	heap_sort(entries, n, sizeof(*entries), entry_less);
	entries_end_unsized(entries, n);
	img->entries = entries;
	img->entries_size = nsyms * sizeof(*entries);
	img->count = entries_link(entries, n);
	return 0;
}

/* Index the first usable table of this type. */
static int image_index_type(struct symtab_image *img,
			    const struct sections *secs, uint32_t type)
{
	Elf64_Shdr sh;
	uint64_t i;
	int err;

	for (i = 0; image_read_section(img, secs, i, &sh); i++) {
		if (sh.sh_type != type)
			continue;
		err = image_index(img, secs, &sh);
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

int symtab_image_init(struct symtab_image *img, const void *base, size_t size)
{
	struct sections secs;
	int err = -ENOENT;

	*img = (struct symtab_image){ .base = base, .size = size };
	if (image_find_sections(img, &secs)) {
		err = image_index_type(img, &secs, SHT_SYMTAB);
		if (err == -ENOENT)
			err = image_index_type(img, &secs, SHT_DYNSYM);
	}
	if (err)
		*img = (struct symtab_image){ 0 };
	return err;
}

void symtab_image_destroy(struct symtab_image *img)
{
	if (img->entries)
		munmap(img->entries, img->entries_size);
	*img = (struct symtab_image){ 0 };
}

struct dwarf_section symtab_image_section(const struct symtab_image *img,
					  const char *name)
{
	struct dwarf_section none = { 0 };
	size_t len = strlen(name) + 1;
	struct sections secs;
	Elf64_Shdr sh, names;
	Elf64_Ehdr eh;
	uint64_t i;

	if (!image_find_sections(img, &secs) || !image_read_ehdr(img, &eh) ||
	    !image_read_section(img, &secs, 0, &sh))
		return none;
	/* An index that does not fit is in the first section. */
	i = eh.e_shstrndx == SHN_XINDEX ? sh.sh_link : eh.e_shstrndx;
	if (!image_read_section(img, &secs, i, &names) ||
	    names.sh_offset > img->size)
		return none;
	for (i = 0; image_read_section(img, &secs, i, &sh); i++) {
		if (sh.sh_name > img->size - names.sh_offset ||
		    len > img->size - names.sh_offset - sh.sh_name ||
		    memcmp(img->base + names.sh_offset + sh.sh_name,
			   name, len))
			continue;
		if (sh.sh_type == SHT_NOBITS || sh.sh_flags & SHF_COMPRESSED ||
		    sh.sh_offset > img->size ||
		    sh.sh_size > img->size - sh.sh_offset)
			return none;
		return (struct dwarf_section){ .p = img->base + sh.sh_offset,
					       .size = sh.sh_size };
	}
	return none;
}

void symtab_image_lines(const struct symtab_image *img,
			struct dwarf_lines *lines)
{
	*lines = (struct dwarf_lines){
		.line = symtab_image_section(img, ".debug_line"),
		.line_str = symtab_image_section(img, ".debug_line_str"),
		.str = symtab_image_section(img, ".debug_str"),
	};
	dwarf_lines_init(lines);
}

bool symtab_image_address(const struct symtab_image *img, uint64_t off,
			  uint64_t *addr)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint64_t at;
	unsigned int i;

	if (!image_read_ehdr(img, &eh) || eh.e_phentsize != sizeof(ph) ||
	    eh.e_phoff > img->size)
		return false;
	for (i = 0; i < eh.e_phnum; i++) {
		at = eh.e_phoff + i * sizeof(ph);
		if (!image_read(img, at, &ph, sizeof(ph)))
			return false;
		if (ph.p_type == PT_LOAD && (ph.p_flags & PF_X) &&
		    off >= ph.p_offset && off - ph.p_offset < ph.p_filesz) {
			*addr = ph.p_vaddr + (off - ph.p_offset);
			return true;
		}
	}
	return false;
}

int symtab_image_find(const struct symtab_image *img, uint64_t addr,
		      struct symbol *sym)
{
	const struct symtab_entry *e = img->entries;
	uint32_t lo = 0, hi = img->count, mid, i;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (e[mid].value <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	i = lo ? lo - 1 : NO_PARENT;
	while (i != NO_PARENT && e[i].end <= addr)
		i = e[i].parent;
	if (i == NO_PARENT)
		return -ENOENT;
	sym->name = img->names + e[i].name;
	sym->offset = addr - e[i].value;
	return 0;
}

int symtab_image_lookup(const struct symtab_image *img, uint64_t file_offset,
			struct symbol *sym)
{
	uint64_t addr;

	if (!img->count || !symtab_image_address(img, file_offset, &addr))
		return -ENOENT;
	return symtab_image_find(img, addr, sym);
}

/* --- objects and ranges --- */

/* Find the mapping that contains pc; its path is good until the next call. */
static bool vma_find(uintptr_t pc, struct vma *vma)
{
	struct maps_reader r;
	bool found = false;

	if (!maps_open(&r, maps_buf))
		return false;
	while (!found && maps_next(&r, vma))
		found = pc >= vma->start && pc < vma->end;
	maps_close(&r);
	return found;
}

/* Map the file and index it.  What fails leaves the image empty. */
static void object_load(struct object *obj)
{
	struct stat st;
	void *base;
	int fd;

	fd = maps_open_file(obj->path, exe_buf, &st);
	if (fd < 0)
		return;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return;
	if (symtab_image_init(&obj->image, base, (size_t)st.st_size))
		munmap(base, (size_t)st.st_size);
	else
		symtab_image_lines(&obj->image, &obj->lines);
}

static const char *path_dup(const char *path)
{
	size_t size = strlen(path) + 1;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : memcpy(p, path, size);
}

static const struct object *object_get(const struct vma *vma)
{
	struct object *obj;

	for (obj = objects; obj < objects + nobjects; obj++)
		if (obj->dev == vma->dev && obj->ino == vma->ino &&
		    strcmp(obj->path, vma->path) == 0)
			return obj;
	if (nobjects == OBJECTS_MAX)
		return NULL;
	*obj = (struct object){ .dev = vma->dev, .ino = vma->ino };
	obj->path = path_dup(vma->path);
	if (!obj->path)
		return NULL;
	if (vma->path[0] == '/')
		object_load(obj);
	else	/* the vdso is an ELF file in memory */
		symtab_image_init(&obj->image, (const void *)vma->start,
				  vma->end - vma->start);
	nobjects++;
	return obj;
}

static const struct range *range_find(uintptr_t pc)
{
	size_t i;

	for (i = 0; i < nranges; i++)
		if (pc >= ranges[i].start && pc < ranges[i].end)
			return &ranges[i];
	return NULL;
}

/*
 * Read the mapping that contains pc into the cache.  Only code is cached:
 * the next dlopen() may put an object where data was.
 */
static const struct range *range_add(uintptr_t pc)
{
	struct range *r = &ranges[nranges];
	struct vma vma;

	if (!vma_find(pc, &vma) || !vma.exec)
		return NULL;
	if (nranges == RANGES_MAX)
		r = &ranges[next_victim++ % RANGES_MAX];
	r->obj = NULL;
	if (vma.path[0] == '/' || strcmp(vma.path, "[vdso]") == 0)
		r->obj = object_get(&vma);
	r->start = vma.start;
	r->end = vma.end;
	r->offset = vma.offset;
	if (nranges < RANGES_MAX)
		nranges++;
	return r;
}

void symtab_refresh(void)
{
	nranges = 0;
}

static const struct range *range_get(uintptr_t pc)
{
	const struct range *r;

	if (pc < PC_MIN)
		return NULL;
	r = range_find(pc);
	return r ? r : range_add(pc);
}

int symtab_lookup(uintptr_t pc, struct symbol *sym)
{
	const struct range *r;
	int saved_errno = errno;
	int err = -ENOENT;

	*sym = (struct symbol){ .name = "?", .object = "" };
	r = range_get(pc);
	if (r && r->obj) {
		sym->object = r->obj->path;
		err = symtab_image_lookup(&r->obj->image,
					  pc - r->start + r->offset, sym);
	}
	errno = saved_errno;
	return err;
}

static const struct line *line_get(const struct object *obj, uint64_t addr)
{
	struct cached_line *c = &cached_lines[addr % LINES_MAX];

	if (c->obj != obj || c->addr != addr) {
		*c = (struct cached_line){ .obj = obj, .addr = addr };
		dwarf_lines_find(&obj->lines, addr, &c->line);
	}
	return c->line.file ? &c->line : NULL;
}

bool symtab_line(uintptr_t pc, struct line *line)
{
	const struct line *found = NULL;
	const struct range *r;
	int saved_errno = errno;
	uint64_t addr;

	r = range_get(pc);
	if (r && r->obj && r->obj->lines.count &&
	    symtab_image_address(&r->obj->image, pc - r->start + r->offset,
				 &addr))
		found = line_get(r->obj, addr);
	if (found)
		*line = *found;
	errno = saved_errno;
	return found;
}
