/* SPDX-License-Identifier: ISC */
/*
 * gort/mem.h - the heap and its statistics.
 *
 * The heap may be used before, during and after gort_run(), from goroutines,
 * system stacks and threads that are not gort's; not from signal handlers.
 * Whoever frees need not be who allocated.
 *
 * What is not an object of the heap, or not one any more, is noticed when it
 * is freed: double frees, pointers into the middle of objects or to anywhere
 * else are fatal errors that name the pointer, its span and its size class.
 */
#ifndef GORT_MEM_H
#define GORT_MEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * gort_alloc - size bytes, 16-aligned (8-aligned up to 8 bytes), not zeroed.
 * gort_alloc(0) is an object of its own, too.
 *
 * Context: any but signal handlers.  Does not block for long.
 * Returns NULL and sets errno to ENOMEM when there is no memory; everything
 * else goes on as it was.
 */
void *gort_alloc(size_t size)
	__attribute__((__malloc__, __warn_unused_result__, __alloc_size__(1)));

/* gort_calloc - the same for n * size bytes, zeroed; ENOMEM also when that is
 * more than a size_t holds. */
void *gort_calloc(size_t n, size_t size)
	__attribute__((__malloc__, __warn_unused_result__,
		       __alloc_size__(1, 2)));

/*
 * gort_realloc - make the object at p size bytes large, in place or by
 * moving what is in it.  p NULL: gort_alloc(size).  Unlike in C, size 0 does
 * not free.  On failure NULL and ENOMEM, and p stays as it is.
 */
void *gort_realloc(void *p, size_t size)
	__attribute__((__warn_unused_result__, __alloc_size__(2)));

/*
 * gort_aligned_alloc - the same as gort_alloc() at a multiple of align, which
 * is a power of two.  NULL and EINVAL when it is not.
 */
void *gort_aligned_alloc(size_t align, size_t size)
	__attribute__((__malloc__, __warn_unused_result__, __alloc_size__(2)));

/* gort_free - give an object back.  NULL: nothing.  Keeps errno. */
void gort_free(void *p);

/* gort_usable_size - bytes of the object at p, at least those asked for.
 * NULL: 0. */
size_t gort_usable_size(const void *p);

/*
 * gort_free_os_memory - give all memory that is free back to the kernel.
 * Stops the world.
 * Context: goroutine; may block.  Returns the bytes given back, or -EPERM.
 */
int64_t gort_free_os_memory(void);

/* More than there are; those beyond have size 0. */
#define GORT_MEM_CLASSES	80

/*
 * Exact, at the moment the world was stopped.  Bytes are those of
 * gort_usable_size(), not those asked for.
 */
struct gort_memstats {
	uint64_t sys;			/* mapped by the runtime */
	uint64_t mapped_ready;		/* of that, what may use memory */
	uint64_t limit;			/* GORTMEMLIMIT, or UINT64_MAX */

	uint64_t total_alloc;		/* bytes ever allocated */
	uint64_t total_free;		/* bytes ever freed */
	uint64_t mallocs, frees;	/* the same in objects */
	uint64_t heap_alloc;		/* bytes of objects: alloc - free */
	uint64_t heap_objects;

	uint64_t heap_sys;		/* arenas: in use + idle */
	uint64_t heap_inuse;		/* pages of spans */
	uint64_t heap_idle;		/* pages of no span */
	uint64_t heap_released;		/* of heap_idle: given back */

	uint64_t stack_inuse;		/* live goroutines' watermarks */
	uint64_t stack_sys;		/* with those kept for reuse */
	uint64_t meta_inuse;		/* the heap's own records */
	uint64_t meta_sys;
	uint64_t other_sys;		/* tracer and profiler */

	uint64_t large_allocs, large_frees;	/* objects above all classes */
	uint64_t nclasses;
	struct {
		uint64_t size;
		uint64_t mallocs, frees;
	} by_size[GORT_MEM_CLASSES];
};

/*
 * gort_read_memstats - stops the world for some microseconds.
 * Context: goroutine; may block.  Returns 0, -EINVAL (NULL), or -EPERM.
 */
int gort_read_memstats(struct gort_memstats *st);

#ifdef __cplusplus
}
#endif

#endif
