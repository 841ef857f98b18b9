// SPDX-License-Identifier: ISC
/*
 * kernel/text.c - which code has stack checks, so may be preempted anywhere.
 *
 * The tool that puts the checks in leaves an ELF note in every object that
 * it writes: name "gort", type NOTE_GORT_TEXT, and as content pairs of 32
 * bits, the distance from the pair to an instrumented function, and its
 * size.  The linker collects the notes in a PT_NOTE segment, of static and
 * dynamic executables and of shared objects alike, and dl_iterate_phdr()
 * finds those.  The runtime's own notes are dropped when it is linked.
 *
 * Rejected: a section of all instrumented code, which would undo the
 * linker's sorting and its garbage collection; tables with __start_ and
 * __stop_ symbols, which shared objects would have to register.
 *
 * Signal handlers read the table.  So it never changes: a new one takes its
 * place, and old ones stay until the process ends.  There is one more for
 * every dlopen() that happened between two preemptions.
 */
#define _GNU_SOURCE
#include "kernel/text.h"

#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include <arch/stacksplit.h>
#include "kernel/sort.h"
#include "mm/stack.h"
#include "mm/vm.h"

struct text_range {
	uintptr_t start;
	uintptr_t end;
};

struct text_table {
	size_t n;
	struct text_range ranges[];
};

/* Who loads it is a signal handler on any thread: release, acquire. */
static _Atomic(struct text_table *) table;
static _Atomic u64 seen_version;	/* of the loader's list */
static _Atomic bool refreshing;

struct scan {
	struct text_range *ranges;
	size_t max;			/* that fit; 0: only count */
	size_t n;
	u64 version;
};

static void scan_note(struct scan *s, const char *desc, size_t size)
{
	for (; size >= 2 * sizeof(s32); desc += 8, size -= 8) {
		s32 dist, len;

		memcpy(&dist, desc, sizeof(dist));
		memcpy(&len, desc + 4, sizeof(len));
		if (s->n < s->max)
			s->ranges[s->n] = (struct text_range){
				(uintptr_t)desc + (uintptr_t)(s64)dist,
				(uintptr_t)desc + (uintptr_t)(s64)dist +
					(u32)len,
			};
		s->n++;
	}
}

static void scan_notes(struct scan *s, const char *p, size_t size)
{
	ElfW(Nhdr) h;

	while (size >= sizeof(h)) {
		size_t name, desc;

		memcpy(&h, p, sizeof(h));
		name = ALIGN_UP((size_t)h.n_namesz, 4);
		desc = ALIGN_UP((size_t)h.n_descsz, 4);
		if (size - sizeof(h) < name || size - sizeof(h) - name < desc)
			return;
		if (h.n_type == NOTE_GORT_TEXT &&
		    h.n_namesz == sizeof(NOTE_GORT_NAME) &&
		    !memcmp(p + sizeof(h), NOTE_GORT_NAME, h.n_namesz))
			scan_note(s, p + sizeof(h) + name, h.n_descsz);
		p += sizeof(h) + name + desc;
		size -= sizeof(h) + name + desc;
	}
}

static int scan_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct scan *s = arg;

	(void)size;
	s->version = info->dlpi_adds + info->dlpi_subs + 1;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		/* Those aligned to 8 hold other things, laid out otherwise. */
		if (ph->p_type == PT_NOTE && ph->p_align <= 4)
			scan_notes(s, (const char *)(info->dlpi_addr +
						     ph->p_vaddr),
				   ph->p_memsz);
	}
	return 0;
}

static int first_version(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(u64 *)arg = info->dlpi_adds + info->dlpi_subs + 1;
	return 1;
}

static bool starts_before(const void *a, const void *b)
{
	const struct text_range *x = a, *y = b;

	return x->start < y->start;
}

/* Objects may come between the two scans: a count that differs starts anew. */
static struct text_table *build(u64 *version)
{
	for (;;) {
		struct scan count = { 0 }, fill = { 0 };
		struct text_table *t;
		size_t bytes;

		dl_iterate_phdr(scan_object, &count);
		bytes = sizeof(*t) + count.n * sizeof(t->ranges[0]);
		t = vm_alloc(ALIGN_UP(bytes, PAGE_SIZE));
		if (!t)
			return NULL;
		fill.ranges = t->ranges;
		fill.max = count.n;
		dl_iterate_phdr(scan_object, &fill);
		if (fill.version == count.version && fill.n == count.n) {
			t->n = fill.n;
			heap_sort(t->ranges, t->n, sizeof(t->ranges[0]),
				  starts_before);
			*version = fill.version;
			return t;
		}
		vm_free(t, ALIGN_UP(bytes, PAGE_SIZE));
	}
}

void text_refresh(void)
{
	u64 version = 0;
	struct text_table *t;

	dl_iterate_phdr(first_version, &version);
	if (version == atomic_load_explicit(&seen_version,
					    memory_order_relaxed) ||
	    atomic_exchange_explicit(&refreshing, true, memory_order_acquire))
		return;
	t = build(&version);
	if (t) {
		atomic_store_explicit(&table, t, memory_order_release);
		atomic_store_explicit(&seen_version, version,
				      memory_order_relaxed);
	}
	atomic_store_explicit(&refreshing, false, memory_order_release);
}

bool __no_tsan text_contains(uintptr_t pc)
{
	const struct text_table *t = atomic_load_explicit(&table,
							memory_order_acquire);
	size_t lo = 0, hi = t ? t->n : 0;

	/* The last range that does not begin behind pc. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->ranges[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && pc < t->ranges[lo - 1].end;
}
