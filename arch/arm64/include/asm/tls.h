/* SPDX-License-Identifier: ISC */
/*
 * asm/tls.h - arm64: tpidr_el0 is the thread pointer; the guard is a word of
 * thread-local storage of our own, __morestack_guard (arch/arm64/cpu.c), which
 * checked code reads by name.
 */
#ifndef ASM_TLS_H
#define ASM_TLS_H

#ifdef __ASSEMBLY__

/* reg = this thread's struct tls */
.macro tls_self reg, tmp
	adrp	\reg, :gottprel:gort_tls
	ldr	\reg, [\reg, :gottprel_lo12:gort_tls]
	mrs	\tmp, tpidr_el0
	add	\reg, \reg, \tmp
.endm

/* reg = address of this thread's guard */
.macro guard_addr reg, tmp
	adrp	\reg, :gottprel:__morestack_guard
	ldr	\reg, [\reg, :gottprel_lo12:__morestack_guard]
	mrs	\tmp, tpidr_el0
	add	\reg, \reg, \tmp
.endm

/* Landing pad of an indirect call; a no-op where the CPU or the page has none. */
#define BTI_C	hint	#34

#else

static inline struct tls *tls_self(void)
{
	struct tls *t;
	uintptr_t tp;

	__asm__ volatile("adrp	%0, :gottprel:gort_tls\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:gort_tls]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "add	%0, %0, %1"
			 : "=&r" (t), "=&r" (tp));
	return t;
}

static inline struct g *getg(void)
{
	struct g *gp;
	uintptr_t tp;

	__asm__ volatile("adrp	%0, :gottprel:gort_tls\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:gort_tls]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "add	%0, %0, %1\n\t"
			 "ldr	%0, [%0, %2]"
			 : "=&r" (gp), "=&r" (tp)
			 : "i" (offsetof(struct tls, g)) : "memory");
	return gp;
}

static inline struct heap_cache *tls_heap(void)
{
	struct heap_cache *hc;
	uintptr_t tp;

	__asm__ volatile("adrp	%0, :gottprel:gort_tls\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:gort_tls]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "add	%0, %0, %1\n\t"
			 "ldr	%0, [%0, %2]"
			 : "=&r" (hc), "=&r" (tp)
			 : "i" (offsetof(struct tls, heap)) : "memory");
	return hc;
}

static inline uintptr_t guard_get(void)
{
	uintptr_t v, tp;

	__asm__ volatile("adrp	%0, :gottprel:__morestack_guard\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:__morestack_guard]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "ldr	%0, [%0, %1]"
			 : "=&r" (v), "=&r" (tp));
	return v;
}

static inline void guard_set(uintptr_t v)
{
	uintptr_t off, tp;

	__asm__ volatile("adrp	%0, :gottprel:__morestack_guard\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:__morestack_guard]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "str	%2, [%0, %1]"
			 : "=&r" (off), "=&r" (tp) : "r" (v) : "memory");
}

static inline uintptr_t *guard_addr(void)
{
	uintptr_t p, tp;

	__asm__ volatile("adrp	%0, :gottprel:__morestack_guard\n\t"
			 "ldr	%0, [%0, :gottprel_lo12:__morestack_guard]\n\t"
			 "mrs	%1, tpidr_el0\n\t"
			 "add	%0, %0, %1"
			 : "=&r" (p), "=&r" (tp));
	return (uintptr_t *)p;
}

static inline uintptr_t stack_pointer(void)
{
	uintptr_t sp;

	__asm__ volatile("mov	%0, sp" : "=r" (sp));
	return sp;
}

#endif /* __ASSEMBLY__ */

#endif
