// SPDX-License-Identifier: ISC
/*
 * trace/frames.c - the functions, files and lines at a pc.
 *
 * As kernel/symtab.c does for a crash, but on any number of threads, for
 * millions of pcs, and with what was inlined.  The two share the parsers and
 * nothing that changes: a crash may come while all of this is under way.
 *
 * There is no lock.  All caches are pointers that are written once: who finds
 * one empty does the work, and if somebody published his first, drops it.
 *
 *	map	an immutable table of where code is mapped; replaced when
 *		the loader says that objects came or went
 *	object	an ELF file, found again by path, inode, size and time
 *	index	its symbols and lines, made when a pc first falls into it
 *	memo	names of files by line unit and number
 *	entry	a frame_set, by pc
 *
 * Rejected:
 *  - dl_iterate_phdr() for the map: its paths are relative to where the
 *    process was, and it does not know the vdso's size.  It tells the version.
 *  - a lock for misses: a runtime lock would make an M unpreemptible while it
 *    reads a file of any size, and a mutex works on goroutines only.
 *  - open addressing: entries are found by one more load, but never move.
 *
 * Invariants:
 *  I1  What is published is complete, and but for ids and stale constant.
 *  I2  Nothing published is freed: readers announce themselves to nobody.
 *      What a map of other objects replaced, and the entries it made stale,
 *      are lost: some hundred bytes per dlopen().
 *  I3  An entry that is not stale was made from the current map or from one
 *      that had the same object at its pc.  The one who replaces the map
 *      first publishes it and then looks through the entries, the one who
 *      makes an entry publishes that and then looks at the map again.
 *  I4  Strings in a frame_set are copies: files that were unloaded may be
 *      truncated, so their mappings are left alone.
 */
#define _GNU_SOURCE
#include "trace/frames.h"

#include <gort/gort.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/maps.h"
#include "kernel/symtab.h"
#include "mm/vm.h"
#include "trace/arena.h"

#define PC_BUCKETS_LOG2		17
#define MEMO_BUCKETS_LOG2	14

/* Pages below are never mapped executable: outermost frames return to 0. */
#define PC_MIN			4096

/* What was read from one ELF file. */
struct index {
	struct symtab_image image;	/* empty if it has no symbols */
	struct dwarf_lines lines;	/* empty if it has no lines */
};

struct object {
	struct object *next;
	const char *path;		/* interned */
	u64 dev;			/* as in maps: stat() may differ */
	u64 ino;
	struct stat st;			/* zeros if it cannot be read */
	_Atomic(struct index *) index;	/* NULL: nobody asked yet */
};

/* A mapping of code. */
struct range {
	uintptr_t start;
	uintptr_t end;
	u64 offset;
	struct object *obj;
};

struct map {
	u64 version;			/* of the loader's list */
	size_t size;			/* of this, in bytes */
	size_t n;
	struct range ranges[];		/* sorted */
};

struct memo {
	struct memo *next;
	const struct index *idx;
	u64 unit;
	u32 file;
	const char *name;
};

struct entry {
	struct entry *next;
	_Atomic bool stale;		/* there is other code now */
	struct frame_set set;
};

static _Atomic(struct map *) current_map;
static _Atomic(struct object *) objects;
static _Atomic(struct memo *) memos[1 << MEMO_BUCKETS_LOG2];
static _Atomic(struct entry *) entries[1 << PC_BUCKETS_LOG2];

static struct index no_index;
static struct frame_ids no_ids;
static struct {
	struct frame_set set;
	struct frame frame;
} unknown = {
	.set = { .n = 1, .ids = &no_ids },
	.frame = { .func = "", .file = "" },
};

/* Fibonacci hashing: Knuth, "The Art of Computer Programming", 6.4. */
static size_t hash_u64(u64 v, unsigned int log2)
{
	return v * 0x9e3779b97f4a7c15 >> (64 - log2);
}

/* --- objects --- */

static struct index *index_load(const struct object *obj, char *buf)
{
	struct index *idx = arena_alloc(sizeof(*idx));
	struct stat st;
	void *base;
	int fd;

	if (!idx)
		return NULL;
	fd = maps_open_file(obj->path, buf, &st);
	if (fd < 0)
		return idx;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return idx;
	if (symtab_image_init(&idx->image, base, (size_t)st.st_size))
		munmap(base, (size_t)st.st_size);
	else
		symtab_image_lines(&idx->image, &idx->lines);
	return idx;
}

/* The vdso is an ELF file in memory. */
static struct index *index_load_vdso(const struct range *r)
{
	struct index *idx = arena_alloc(sizeof(*idx));

	if (idx)
		symtab_image_init(&idx->image, (const void *)r->start,
				  r->end - r->start);
	return idx;
}

static void index_drop(struct index *idx, bool is_file)
{
	void *base = (void *)idx->image.base;
	size_t size = idx->image.size;

	dwarf_lines_destroy(&idx->lines);
	symtab_image_destroy(&idx->image);
	if (is_file && base)
		munmap(base, size);
	arena_undo(idx, sizeof(*idx));
}

static const struct index *index_make(const struct range *r)
{
	bool is_file = r->obj->path[0] == '/';
	char *buf = vm_alloc(MAPS_BUF_SIZE);
	struct index *mine, *theirs = NULL;

	if (!buf)
		return &no_index;
	mine = is_file ? index_load(r->obj, buf) : index_load_vdso(r);
	vm_free(buf, MAPS_BUF_SIZE);
	if (!mine)
		return &no_index;
	/* Release, acquire: pair with each other, and index_get()'s. */
	if (atomic_compare_exchange_strong_explicit(&r->obj->index, &theirs,
			mine, memory_order_release, memory_order_acquire))
		return mine;
	index_drop(mine, is_file);
	return theirs;
}

static const struct index *index_get(const struct range *r)
{
	/* Acquire: pairs with the release in index_make(). */
	const struct index *idx = atomic_load_explicit(&r->obj->index,
						       memory_order_acquire);

	return idx ? idx : index_make(r);
}

/* Files that were replaced differ, those that were linked elsewhere too. */
static bool object_is(const struct object *a, const struct object *b)
{
	return a->path == b->path && a->dev == b->dev && a->ino == b->ino &&
	       a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev &&
	       a->st.st_size == b->st.st_size &&
	       a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
	       a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

static struct object *object_get(const struct vma *vma)
{
	struct object *first, *obj, *mine, *seen = NULL;

	mine = arena_alloc(sizeof(*mine));
	if (!mine)
		return NULL;
	mine->path = arena_intern(vma->path, NULL);
	mine->dev = vma->dev;
	mine->ino = vma->ino;
	if (stat(mine->path, &mine->st))
		mine->st = (struct stat){ 0 };
	/* Acquire: pairs with the release below. */
	first = atomic_load_explicit(&objects, memory_order_acquire);
	do {
		for (obj = first; obj != seen; obj = obj->next)
			if (object_is(obj, mine))
				goto found;
		mine->next = seen = first;
	} while (!atomic_compare_exchange_weak_explicit(&objects, &first, mine,
			memory_order_release, memory_order_acquire));
	return mine;
found:
	arena_undo(mine, sizeof(*mine));
	return obj;
}

/* --- map --- */

/*
 * nosplit: the loader holds a lock of this thread, on which a goroutine that
 * its stack check makes yield would not come back.
 */
static __nosplit int read_version(struct dl_phdr_info *info, size_t size,
				  void *arg)
{
	(void)size;
	*(u64 *)arg = info->dlpi_adds + info->dlpi_subs + 1;
	return 1;
}

static u64 loader_version(void)
{
	u64 version = 0;

	dl_iterate_phdr(read_version, &version);
	return version;
}

static bool vma_is_code(const struct vma *vma)
{
	return vma->exec && vma->start >= PC_MIN &&
	       (vma->path[0] == '/' || !strcmp(vma->path, "[vdso]"));
}

/* Fill in up to max mappings of code, or count them if map is NULL. */
static size_t map_scan(struct map *map, size_t max, char *buf)
{
	struct maps_reader r;
	struct object *obj;
	struct vma vma;
	size_t n = 0;

	if (!maps_open(&r, buf))
		return 0;
	while (n < max && maps_next(&r, &vma)) {
		if (!vma_is_code(&vma))
			continue;
		if (map) {
			obj = object_get(&vma);
			if (!obj)
				continue;
			map->ranges[n] = (struct range){
				vma.start, vma.end, vma.offset, obj,
			};
		}
		n++;
	}
	maps_close(&r);
	return n;
}

/*
 * What comes between version and scan, or between the two scans, changes the
 * version once more: the loader maps an object before it counts it, and
 * counts it again after it unmapped it.
 */
static struct map *map_new(u64 version)
{
	char *buf = vm_alloc(MAPS_BUF_SIZE);
	struct map *map;
	size_t n, size;

	if (!buf)
		return NULL;
	n = map_scan(NULL, SIZE_MAX, buf);
	size = sizeof(*map) + n * sizeof(map->ranges[0]);
	map = arena_alloc(size);
	if (map) {
		map->version = version;
		map->size = size;
		map->n = map_scan(map, n, buf);
	}
	vm_free(buf, MAPS_BUF_SIZE);
	return map;
}

static const struct range *map_find(const struct map *map, uintptr_t pc)
{
	size_t lo = 0, hi = map->n, mid;

	/* The last range that does not begin behind pc. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (map->ranges[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && pc < map->ranges[lo - 1].end ? &map->ranges[lo - 1] : NULL;
}

/* Do both say the same of pc? */
static bool map_agree(const struct map *a, const struct map *b, uintptr_t pc)
{
	const struct range *x = map_find(a, pc), *y = map_find(b, pc);

	return x && y ? x->obj == y->obj && x->start - x->offset ==
					    y->start - y->offset : x == y;
}

static void make_stale(const struct map *old, const struct map *new)
{
	struct entry *e;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		/* seq_cst: see frames_make(). */
		e = atomic_load_explicit(&entries[i], memory_order_seq_cst);
		for (; e; e = e->next)
			if (!map_agree(old, new, e->set.pc))
				atomic_store_explicit(&e->stale, true,
						      memory_order_relaxed);
	}
}

/* The map of what is loaded now, or NULL. */
static struct map *map_get(void)
{
	u64 version = loader_version();
	struct map *map, *new;

	/* Acquire: pairs with the publication below. */
	map = atomic_load_explicit(&current_map, memory_order_acquire);
	while (!map || map->version != version) {
		new = map_new(version);
		if (!new)
			return map;
		/* seq_cst: as store, see frames_make(). */
		if (atomic_compare_exchange_strong_explicit(&current_map,
				&map, new, memory_order_seq_cst,
				memory_order_acquire)) {
			if (map)
				make_stale(map, new);
			return new;
		}
		arena_undo(new, new->size);
		version = loader_version();
	}
	return map;
}

/* --- entries --- */

static const char *file_name(const struct index *idx, u64 unit, u32 file)
{
	struct memo *first, *m, *seen = NULL, *mine = NULL;
	_Atomic(struct memo *) *bucket;
	struct line line;

	bucket = &memos[hash_u64((uintptr_t)idx + unit * 65599 + file,
				 MEMO_BUCKETS_LOG2)];
	/* Acquire: pairs with the release below. */
	first = atomic_load_explicit(bucket, memory_order_acquire);
	do {
		for (m = first; m != seen; m = m->next)
			if (m->idx == idx && m->unit == unit &&
			    m->file == file)
				goto found;
		seen = first;
		if (!mine) {
			mine = arena_alloc(sizeof(*mine));
			if (!mine)
				return "";
			*mine = (struct memo){ .idx = idx, .unit = unit,
					       .file = file, .name = "" };
			if (dwarf_lines_file(&idx->lines, unit, file, &line))
				mine->name = arena_intern(line.dir, line.file);
		}
		mine->next = first;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &first, mine,
			memory_order_release, memory_order_acquire));
	return mine->name;
found:
	if (mine)
		arena_undo(mine, sizeof(*mine));
	return m->name;
}

static void set_line(struct frame *f, const struct index *idx, u64 addr)
{
	struct dwarf_row row;
	const char *file;

	if (!dwarf_lines_row(&idx->lines, addr, &row))
		return;
	file = file_name(idx, row.unit, row.file);
	if (*file) {
		f->file = file;
		f->line = row.line;
	}
}

static size_t entry_size(u32 n)
{
	return sizeof(struct entry) +
	       n * (sizeof(struct frame) + sizeof(struct frame_ids));
}

static struct entry *entry_new(const struct map *map, uintptr_t pc)
{
	const struct range *r = map_find(map, pc);
	struct entry *e = arena_alloc(entry_size(1));
	const struct index *idx;
	struct symbol sym;
	u64 addr;

	if (!e)
		return NULL;
	e->set.pc = pc;
	e->set.n = 1;
	e->set.ids = (struct frame_ids *)&e->set.frames[1];
	e->set.frames[0] = (struct frame){ .func = "", .file = "" };
	if (!r)
		return e;
	idx = index_get(r);
	e->set.frames[0].file = r->obj->path;
	if (!symtab_image_address(&idx->image, pc - r->start + r->offset,
				  &addr))
		return e;
	if (!symtab_image_find(&idx->image, addr, &sym))
		e->set.frames[0].func = arena_intern(sym.name, NULL);
	set_line(&e->set.frames[0], idx, addr);
	return e;
}

static struct entry *find_in(struct entry *e, const struct entry *end,
			     uintptr_t pc)
{
	for (; e != end; e = e->next)
		if (e->set.pc == pc &&
		    !atomic_load_explicit(&e->stale, memory_order_relaxed))
			return e;
	return NULL;
}

/* Publish mine, unless there is one: then drop it.  Returns the one there. */
static struct entry *entry_publish(struct entry *mine)
{
	_Atomic(struct entry *) *bucket;
	struct entry *first, *e, *seen = NULL;

	bucket = &entries[hash_u64(mine->set.pc, PC_BUCKETS_LOG2)];
	/* Acquire: pairs with the publication below. */
	first = atomic_load_explicit(bucket, memory_order_acquire);
	do {
		e = find_in(first, seen, mine->set.pc);
		if (e) {
			arena_undo(mine, entry_size(mine->set.n));
			return e;
		}
		mine->next = seen = first;
		/* seq_cst: as store, see frames_make(). */
	} while (!atomic_compare_exchange_weak_explicit(bucket, &first, mine,
			memory_order_seq_cst, memory_order_acquire));
	return mine;
}

static struct frame_set *frames_make(uintptr_t pc)
{
	struct map *map;
	struct entry *e;

	for (;;) {
		map = map_get();
		if (!map)
			return &unknown.set;
		e = entry_new(map, pc);
		if (!e)
			return &unknown.set;
		e = entry_publish(e);
		/*
		 * Either make_stale() sees the entry, or this the new map: one
		 * order of all seq_cst operations.
		 */
		if (atomic_load_explicit(&current_map, memory_order_seq_cst) ==
		    map)
			return &e->set;
		atomic_store_explicit(&e->stale, true, memory_order_relaxed);
	}
}

static __attribute__((noinline)) struct frame_set *frames_miss(uintptr_t pc)
{
	struct frame_set *set;
	int saved = errno;

	set = frames_make(pc);
	errno = saved;
	return set;
}

struct frame_set *frames_at(uintptr_t pc)
{
	/* Acquire: pairs with the publication in entry_publish(). */
	struct entry *e = atomic_load_explicit(
		&entries[hash_u64(pc, PC_BUCKETS_LOG2)], memory_order_acquire);

	e = find_in(e, NULL, pc);
	return likely(e) ? &e->set : frames_miss(pc);
}

void frames_refresh(void)
{
	int saved = errno;

	map_get();
	errno = saved;
}
