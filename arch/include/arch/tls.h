/* SPDX-License-Identifier: ISC */
/*
 * arch/tls.h - what a thread knows about itself, and the guard word.
 *
 * struct tls lives in thread-local storage in the initial-exec model.  It is
 * only ever read through the inline functions below, which are asm volatile:
 * a compiler may keep the address of a __thread variable in a register
 * across a call, and after a goroutine moved to another thread that address
 * is the wrong thread's.  Read it again after anything that may switch.
 *
 * Every CPU provides in <asm/tls.h>:
 *	struct tls *tls_self(void)	this thread's block
 *	struct g *getg(void)		tls_self()->g
 *	struct heap_cache *tls_heap(void)	tls_self()->heap
 *	uintptr_t guard_get(void)	the word the stack check compares with
 *	void guard_set(uintptr_t v)
 *	uintptr_t *guard_addr(void)	its address, for other threads
 *	uintptr_t stack_pointer(void)
 */
#ifndef ARCH_TLS_H
#define ARCH_TLS_H

#include <arch/compiler.h>

struct g;
struct heap_cache;
struct m;

/* Which stack a thread is on; gsignal is told by the stack pointer alone. */
enum tls_where {
	ON_THREAD,		/* its own: not, or not yet, an M */
	ON_G0,
	/* Stack checks work from here on. */
	ON_GOROUTINE,
	ON_SYSCALL,		/* on a goroutine's stack, without a P */
};

struct tls {
	struct g *g;		/* the goroutine, also while systemstack() has
				 * left its stack for g0; g0 in the scheduler;
				 * NULL on threads the runtime does not know */
	struct g *g0;
	uintptr_t g0_sp;	/* where g0's stack begins */
	uintptr_t sig_lo;	/* gsignal */
	uintptr_t sig_size;
	u32 where;		/* enum tls_where */
	bool heap_ended;	/* see mm/cache.c */
	struct heap_cache *heap; /* of its P, if nothing speaks against fast
				 * paths; see p_acquire() */
	struct heap_cache *heap_own;	/* while it has no P */
};

_Static_assert(offsetof(struct tls, g) == 0, "getg() reads the first word");

extern __thread struct tls gort_tls
	__attribute__((tls_model("initial-exec")));

/* No stack pointer is below 0 and every one is below the poison. */
#define GUARD_NONE	((uintptr_t)0)
#define GUARD_POISON	(~(uintptr_t)0)

#include <asm/tls.h>

#endif
