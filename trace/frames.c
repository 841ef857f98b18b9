// SPDX-License-Identifier: ISC
/*
 * trace/frames.c - the functions, files and lines at a pc.
 *
 * As kernel/symtab.c does for a crash, but on any number of threads, for
 * millions of pcs, and with what was inlined.  The two share the parsers and
 * nothing that changes: a crash may come while all of this is under way.
 *
 * There is no lock, and no long stretch of code without a stack check, so a
 * goroutine can be preempted in all of it.  All caches are pointers that are
 * written once: who finds one empty does the work, and if somebody published
 * his first, drops it.
 *
 *	map	an immutable table of where code is mapped; replaced when
 *		the loader says that objects came or went
 *	object	an ELF file, found again by path, inode, size and time
 *	index	its symbols, lines and what is inlined, made when a pc first
 *		falls into it
 *	memo	names of files, by line unit and number, and of functions
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
 *  I1  What is published is complete, and but for stale constant.
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
#include "trace/inline.h"

#define PC_BUCKETS_LOG2		17
#define MEMO_BUCKETS_LOG2	14
#define FUNCTION		UINT32_MAX

/* Of more that are inlined at one pc, the outer ones are left out. */
#define INLINED_MAX		255

/* Pages below are never mapped executable: outermost frames return to 0. */
#define PC_MIN			4096

/* What was read from one ELF file. */
struct frame_index {
	struct symtab_image image;	/* empty if it has no symbols */
	struct dwarf_lines lines;	/* empty if it has no lines */
	struct inlines inlines;		/* the same */
};

struct object {
	struct object *next;
	const char *path;		/* interned */
	u64 dev;			/* as in maps: stat() may differ */
	u64 ino;
	struct stat st;			/* zeros if it cannot be read */
	_Atomic(struct frame_index *) index;	/* NULL: nobody asked yet */
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

struct memo_key {
	struct frame_index *idx;
	u64 off;			/* of a line unit, or of an entry */
	u32 file;			/* of a unit; or FUNCTION */
};

struct memo {
	struct memo *next;
	struct memo_key key;
	const char *name;		/* interned */
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

static struct frame_index no_index;
static const struct frame_set unknown = {
	.n = 1, .frames = { { .func = "", .file = "" } },
};

/* Fibonacci hashing: Knuth, "The Art of Computer Programming", 6.4. */
static size_t hash_u64(u64 v, unsigned int log2)
{
	return v * 0x9e3779b97f4a7c15 >> (64 - log2);
}

/* --- objects --- */

static void index_init_inlines(struct frame_index *idx)
{
	for (int i = 0; i < INLINE_NSECTIONS; i++)
		idx->inlines.sec[i] = symtab_image_section(&idx->image,
						inline_section_names[i]);
	inline_init(&idx->inlines);
}

/* NULL if there is no memory.  What cannot be read is empty. */
static struct frame_index *index_load(const char *path)
{
	char *buf = vm_alloc(MAPS_BUF_SIZE);
	struct frame_index *idx;
	struct stat st;
	void *base;
	int fd;

	if (!buf)
		return NULL;
	idx = arena_alloc(sizeof(*idx));
	fd = idx ? maps_open_file(path, buf, &st) : -1;
	vm_free(buf, MAPS_BUF_SIZE);
	if (fd < 0)
		return idx;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return idx;
	if (symtab_image_init(&idx->image, base, (size_t)st.st_size)) {
		munmap(base, (size_t)st.st_size);
		return idx;
	}
	symtab_image_lines(&idx->image, &idx->lines);
	index_init_inlines(idx);
	return idx;
}

/* The vdso is an ELF file in memory. */
static struct frame_index *index_load_vdso(const struct range *r)
{
	struct frame_index *idx = arena_alloc(sizeof(*idx));

	if (idx)
		symtab_image_init(&idx->image, (const void *)r->start,
				  r->end - r->start);
	return idx;
}

static void index_drop(struct frame_index *idx, bool is_file)
{
	void *base = (void *)idx->image.base;
	size_t size = idx->image.size;

	inline_destroy(&idx->inlines);
	dwarf_lines_destroy(&idx->lines);
	symtab_image_destroy(&idx->image);
	if (is_file && base)
		munmap(base, size);
	arena_undo(idx, sizeof(*idx));
}

static struct frame_index *index_make(const struct range *r)
{
	bool is_file = r->obj->path[0] == '/';
	struct frame_index *mine, *theirs = NULL;

	mine = is_file ? index_load(r->obj->path) : index_load_vdso(r);
	if (!mine)
		return &no_index;
	/* Release, acquire: pair with each other, and index_get()'s. */
	if (atomic_compare_exchange_strong_explicit(&r->obj->index, &theirs,
			mine, memory_order_release, memory_order_acquire))
		return mine;
	index_drop(mine, is_file);
	return theirs;
}

static struct frame_index *index_get(const struct range *r)
{
	/* Acquire: pairs with the release in index_make(). */
	struct frame_index *idx = atomic_load_explicit(&r->obj->index,
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

static __attribute__((noinline))
const struct range *map_find(const struct map *map, uintptr_t pc)
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

/*
 * Do both say the same of pc?  Not inlined: its stack check is where a
 * goroutine that asks it of all entries lets others run.
 */
static __attribute__((noinline))
bool map_agree(const struct map *a, const struct map *b, uintptr_t pc)
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

static const char *name_find(const struct memo_key *key)
{
	struct frame_index *idx = key->idx;
	struct line line;

	if (key->file == FUNCTION)
		return arena_intern(inline_name(&idx->inlines, key->off), NULL);
	if (dwarf_lines_file(&idx->lines, key->off, key->file, &line))
		return arena_intern(line.dir, line.file);
	return "";
}

static struct memo *memo_new(const struct memo_key *key)
{
	struct memo *m = arena_alloc(sizeof(*m));

	if (m) {
		m->key = *key;
		m->name = name_find(key);
	}
	return m;
}

static bool memo_is(const struct memo *m, const struct memo_key *key)
{
	return m->key.idx == key->idx && m->key.off == key->off &&
	       m->key.file == key->file;
}

/* The name of a file or function; "" if that is not known. */
static const char *name_get(const struct memo_key *key)
{
	struct memo *first, *m, *seen = NULL, *mine = NULL;
	_Atomic(struct memo *) *bucket;

	bucket = &memos[hash_u64((uintptr_t)key->idx + key->off * 65599 +
				 key->file, MEMO_BUCKETS_LOG2)];
	/* Acquire: pairs with the release below. */
	first = atomic_load_explicit(bucket, memory_order_acquire);
	do {
		for (m = first; m != seen; m = m->next)
			if (memo_is(m, key))
				goto found;
		seen = first;
		if (!mine)
			mine = memo_new(key);
		if (!mine)
			return "";
		mine->next = first;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &first, mine,
			memory_order_release, memory_order_acquire));
	return mine->name;
found:
	if (mine)
		arena_undo(mine, sizeof(*mine));
	return m->name;
}

/* What f->file and f->line are; f->file stays if that is not known. */
static void set_line(struct frame *f, struct frame_index *idx, u64 unit, u32 file,
		     u32 line)
{
	const char *name = name_get(&(struct memo_key){ idx, unit, file });

	if (*name && line) {
		f->file = name;
		f->line = line;
	}
}

static size_t entry_size(u32 n)
{
	return sizeof(struct entry) + n * sizeof(struct frame);
}

static struct entry *entry_new(uintptr_t pc, u32 n, const char *object)
{
	struct entry *e = arena_alloc(entry_size(n));

	if (!e)
		return NULL;
	e->set.pc = pc;
	e->set.n = n;
	for (u32 i = 0; i < n; i++)
		e->set.frames[i] = (struct frame){ .func = "", .file = object };
	return e;
}

static u32 count_inlined(struct inline_call call)
{
	u32 n = 1;

	while (n < INLINED_MAX && inline_outer(&call))
		n++;
	return n;
}

/*
 * gcc makes functions of their own of unlikely parts of f, and of copies of
 * it: f.cold, f.part.0, f.constprop.1.isra.0.  Whoever reads knows f.
 */
static const char *whole_function(const char *symbol)
{
	static const char *const marks[] = {
		".cold", ".part.", ".isra.", ".constprop.",
	};
	size_t len = strlen(symbol), all = len;
	char buf[256];

	for (u32 i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *mark = strstr(symbol, marks[i]);

		if (mark && mark > symbol && (size_t)(mark - symbol) < len)
			len = (size_t)(mark - symbol);
	}
	if (len == all || len >= sizeof(buf))
		return arena_intern(symbol, NULL);
	memcpy(buf, symbol, len);
	buf[len] = '\0';
	return arena_intern(buf, NULL);
}

/*
 * The frames at a link-time address.  A call is in the frame around what is
 * called: its line goes there.
 */
static struct entry *entry_at(struct frame_index *idx, const char *object,
			      uintptr_t pc, u64 addr)
{
	struct inline_call call;
	u32 inlined = 0, i;
	struct dwarf_row row;
	struct symbol sym;
	struct frame *f;
	struct entry *e;

	if (inline_find(&idx->inlines, addr, &call))
		inlined = count_inlined(call);
	e = entry_new(pc, inlined + 1, object);
	if (!e)
		return NULL;
	f = e->set.frames;
	if (dwarf_lines_row(&idx->lines, addr, &row))
		set_line(f, idx, row.unit, row.file, row.line);
	for (i = 0; i < inlined; i++, f++) {
		f->func = name_get(&(struct memo_key){ idx, call.origin,
						       FUNCTION });
		set_line(f + 1, idx, call.line_unit, call.file, call.line);
		inline_outer(&call);
	}
	if (!symtab_image_find(&idx->image, addr, &sym))
		f->func = whole_function(sym.name);
	return e;
}

static struct entry *entry_make(const struct map *map, uintptr_t pc)
{
	const struct range *r = map_find(map, pc);
	struct frame_index *idx;
	u64 addr;

	if (!r)
		return entry_new(pc, 1, "");
	idx = index_get(r);
	if (!symtab_image_address(&idx->image, pc - r->start + r->offset,
				  &addr))
		return entry_new(pc, 1, r->obj->path);
	return entry_at(idx, r->obj->path, pc, addr);
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

static const struct frame_set *frames_make(uintptr_t pc)
{
	struct map *map;
	struct entry *e;

	for (;;) {
		map = map_get();
		if (!map)
			return &unknown;
		e = entry_make(map, pc);
		if (!e)
			return &unknown;
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

static __attribute__((noinline))
const struct frame_set *frames_miss(uintptr_t pc)
{
	const struct frame_set *set;
	int saved = errno;

	set = frames_make(pc);
	errno = saved;
	return set;
}

const struct frame_set *frames_at(uintptr_t pc)
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

struct frame_index *frames_open_file(const char *path)
{
	return index_load(path);
}

const struct frame_set *frames_in_file(struct frame_index *idx, u64 addr)
{
	struct entry *e = entry_at(idx, "", addr, addr);

	return e ? &e->set : &unknown;
}
