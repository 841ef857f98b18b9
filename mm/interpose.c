// SPDX-License-Identifier: ISC
/*
 * mm/interpose.c - malloc() and its family on this heap, for any program:
 *
 *	LD_PRELOAD=libgort-malloc.so program
 *
 * The library is a copy of the runtime that never runs, so every thread is a
 * stranger to it, goroutines of the program's own runtime, too.  It is
 * compiled without stack checks; goroutines call it as they call libc.
 *
 * Differences from gort_alloc() and the others, because programs expect
 * glibc's ways:
 *
 *  - Everything is 16-aligned, 8 bytes, too: programs keep flags in the
 *    lower bits of pointers, or compare and swap 16 bytes.
 *  - realloc(p, 0) frees and returns NULL.
 *  - memalign() and aligned_alloc() round alignments up to powers of two.
 *
 * Not here: mallopt(), malloc_info(), malloc_stats().  glibc's do no harm,
 * they are about a heap nobody uses.
 *
 * Memory that stays free goes back to the kernel as with the runtime, but it is
 * who frees that looks whether it is time: there is no thread for it.
 *
 * This may be called before any constructor ran, so nothing may depend on one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <gort/mem.h>
#include "kernel/time.h"
#include "mm/heap.h"
#include "mm/memstat.h"
#include "mm/pages.h"
#include "mm/scavenge.h"

#define MIN_ALIGN	16
#define FREES_PER_TICK	512u	/* of a thread; a power of two */

/* C23; no header here declares them. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);
/* Gone from the headers; old programs have it. */
void cfree(void *p);

static atomic_bool ticking;

/* If another thread of the parent's was at it, it is not here. */
static void tick_in_child(void)
{
	atomic_store_explicit(&ticking, false, memory_order_relaxed);
}

/* Without it, or before, such a child keeps what is free. */
static __attribute__((constructor)) void tick_register(void)
{
	pthread_atfork(NULL, NULL, tick_in_child);
}

static __cold void tick(void)
{
	/* Acquire and release: the scavenger's state goes along. */
	if (atomic_exchange_explicit(&ticking, true, memory_order_acquire))
		return;
	scavenge_tick(nanotime());
	atomic_store_explicit(&ticking, false, memory_order_release);
}

static inline void free_and_tick(void *p)
{
	static __thread unsigned int frees
		__attribute__((tls_model("initial-exec")));

	gort_free(p);
	if (unlikely(++frees % FREES_PER_TICK == 0))
		tick();
}

/* Objects of up to 8 bytes would be 8-aligned. */
static inline size_t at_least(size_t size)
{
	return size < MIN_ALIGN ? MIN_ALIGN : size;
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

__public void *malloc(size_t size)
{
	return gort_alloc(at_least(size));
}

__public void free(void *p)
{
	free_and_tick(p);
}

__public void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return no_memory();
	return gort_calloc(1, at_least(bytes));
}

__public void *realloc(void *p, size_t size)
{
	if (p && !size) {
		free_and_tick(p);
		return NULL;
	}
	return gort_realloc(p, at_least(size));
}

__public void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return no_memory();
	return realloc(p, bytes);
}

static void *alloc_at(size_t align, size_t size)
{
	return gort_aligned_alloc(align < MIN_ALIGN ? MIN_ALIGN : align,
				  at_least(size));
}

__public void *memalign(size_t align, size_t size)
{
	size_t power = MIN_ALIGN;

	while (power && power < align)
		power *= 2;
	if (!power) {
		errno = EINVAL;
		return NULL;
	}
	return alloc_at(power, size);
}

__public void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

__public int posix_memalign(void **memptr, size_t align, size_t size)
{
	int saved_errno = errno;
	void *p;

	if (align < sizeof(void *) || align & (align - 1))
		return EINVAL;
	p = alloc_at(align, size);
	errno = saved_errno;
	if (!p)
		return ENOMEM;
	*memptr = p;
	return 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

__public void *valloc(size_t size)
{
	return alloc_at(page_size(), size);
}

__public void *pvalloc(size_t size)
{
	size_t page = page_size();

	if (size > SIZE_MAX - page)
		return no_memory();
	return alloc_at(page, ALIGN_UP(size, page));
}

__public size_t malloc_usable_size(void *p)
{
	return gort_usable_size(p);
}

__public void free_sized(void *p, size_t size)
{
	(void)size;
	free_and_tick(p);
}

__public void free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	(void)size;
	free_and_tick(p);
}

__public void cfree(void *p)
{
	free_and_tick(p);
}

/* All that is free goes back to the kernel, whatever shall be kept. */
__public int malloc_trim(size_t keep)
{
	(void)keep;
	heap_hold_threads();
	heap_flush();
	heap_let_threads_go();
	return pages_scavenge(SIZE_MAX) > 0;
}

/* In pages: what is free inside of spans counts as in use.  hblkhd has the
 * heap's own records. */
__public struct mallinfo2 mallinfo2(void)
{
	return (struct mallinfo2){
		.arena = mem_get(&mem_global.heap_mapped),
		.hblkhd = mem_get(&mem_global.meta_mapped),
		.uordblks = mem_get(&mem_global.heap_in_use),
		.fordblks = mem_get(&mem_global.heap_free) +
			    mem_get(&mem_global.heap_released),
		.keepcost = mem_get(&mem_global.heap_free),
	};
}

/* The same in numbers that are too small. */
__public struct mallinfo mallinfo(void)
{
	struct mallinfo2 all = mallinfo2();

	return (struct mallinfo){
		.arena = (int)all.arena,
		.hblkhd = (int)all.hblkhd,
		.uordblks = (int)all.uordblks,
		.fordblks = (int)all.fordblks,
		.keepcost = (int)all.keepcost,
	};
}
