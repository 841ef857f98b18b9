/* SPDX-License-Identifier: ISC */
/*
 * kernel/sanitize.h - tell AddressSanitizer and ThreadSanitizer about
 * stacks.  Nothing in ordinary builds.
 *
 * ThreadSanitizer: one fiber per goroutine and per g0.  Switching orders the
 * two, so a goroutine's writes before it parks are seen by the scheduler on
 * the same thread, and races between goroutines that run on different
 * threads are found.
 *
 * AddressSanitizer: the bounds of the current stack, which it cleans up when
 * a function that never returns is called, or longjmp().
 *
 * san_switch() is not inlined, for want of instrumentation.  It has no stack
 * check: a goroutine that yielded there would go on on another M and switch
 * to the g0 of the one it left.
 */
#ifndef KERNEL_SANITIZE_H
#define KERNEL_SANITIZE_H

#include <arch/compiler.h>
#include "kernel/sched.h"

#ifdef GORT_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);

static inline void san_g_create(struct g *gp)
{
	gp->tsan_fiber = __tsan_create_fiber(0);
}

static inline void san_g_adopt_thread(struct g *gp)
{
	gp->tsan_fiber = __tsan_get_current_fiber();
}

static inline void san_g_destroy(struct g *gp)
{
	if (gp->tsan_fiber)
		__tsan_destroy_fiber(gp->tsan_fiber);
	gp->tsan_fiber = NULL;
}

static __nosplit __no_tsan __attribute__((unused))
void san_switch(struct g *gp)
{
	__tsan_switch_to_fiber(gp->tsan_fiber, 0);
}
#elif defined(GORT_ASAN)
void __sanitizer_start_switch_fiber(void **fake, const void *lo, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **lo,
				     size_t *size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
void __asan_poison_memory_region(const volatile void *addr, size_t size);

static inline void san_g_create(struct g *gp)
{
	(void)gp;
}

/* Only AddressSanitizer knows where this stack ends; a switch tells. */
static inline void san_g_adopt_thread(struct g *gp)
{
	const void *lo = NULL;
	size_t size;

	__sanitizer_start_switch_fiber(NULL, &lo, sizeof(lo));
	__sanitizer_finish_switch_fiber(NULL, &lo, &size);
	gp->seg0.lo = (uintptr_t)lo;
	gp->seg0.top = gp->seg0.lo + size;
}

static inline void san_g_destroy(struct g *gp)
{
	(void)gp;
}

/* Both halves at once: only the bounds of the stack matter here. */
static __nosplit __no_asan __attribute__((unused))
void san_switch(struct g *gp)
{
	struct segment *seg = gp->seg;

	__sanitizer_start_switch_fiber(NULL, (void *)seg->lo,
				       seg->top - seg->lo);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}
#else
static inline void san_g_create(struct g *gp)
{
	(void)gp;
}

static inline void san_g_adopt_thread(struct g *gp)
{
	(void)gp;
}

static inline void san_g_destroy(struct g *gp)
{
	(void)gp;
}

static inline void san_switch(struct g *gp)
{
	(void)gp;
}
#endif

/* gp goes on, on gp->seg. */
static inline void san_set_stack(struct g *gp)
{
#ifdef GORT_ASAN
	san_switch(gp);
#else
	(void)gp;
#endif
}

/* An object of the heap is somebody's; is nobody's. */
static inline void san_heap_alloc(void *p, size_t size)
{
#ifdef GORT_ASAN
	__asan_unpoison_memory_region(p, size);
#else
	(void)p;
	(void)size;
#endif
}

static inline void san_heap_free(void *p, size_t size)
{
#ifdef GORT_ASAN
	__asan_poison_memory_region(p, size);
#else
	(void)p;
	(void)size;
#endif
}

static inline void san_stack_unpoison(uintptr_t addr, size_t size)
{
#ifdef GORT_ASAN
	__asan_unpoison_memory_region((void *)addr, size);
#else
	(void)addr;
	(void)size;
#endif
}

#endif
