/* SPDX-License-Identifier: ISC */
/*
 * asm/tls.h - x86-64: %fs is the thread pointer; glibc keeps the word at
 * %fs:0x70 for split stacks (tcbhead_t.__private_ss).
 */
#ifndef ASM_TLS_H
#define ASM_TLS_H

static inline struct tls *tls_self(void)
{
	struct tls *t;

	__asm__ volatile("movq	%%fs:0, %0\n\t"
			 "addq	gort_tls@gottpoff(%%rip), %0"
			 : "=r" (t) : : "cc");
	return t;
}

static inline struct g *getg(void)
{
	struct g *gp;

	__asm__ volatile("movq	gort_tls@gottpoff(%%rip), %0\n\t"
			 "movq	%%fs:(%0), %0"
			 : "=&r" (gp) : : "memory");
	return gp;
}

static inline struct heap_cache *tls_heap(void)
{
	struct heap_cache *hc;

	__asm__ volatile("movq	gort_tls@gottpoff(%%rip), %0\n\t"
			 "movq	%%fs:%c1(%0), %0"
			 : "=&r" (hc) : "i" (offsetof(struct tls, heap))
			 : "memory");
	return hc;
}

static inline uintptr_t guard_get(void)
{
	uintptr_t v;

	__asm__ volatile("movq	%%fs:0x70, %0" : "=r" (v));
	return v;
}

static inline void guard_set(uintptr_t v)
{
	__asm__ volatile("movq	%0, %%fs:0x70" : : "r" (v) : "memory");
}

static inline uintptr_t *guard_addr(void)
{
	uintptr_t tp;

	__asm__ volatile("movq	%%fs:0, %0" : "=r" (tp));
	return (uintptr_t *)(tp + 0x70);
}

static inline uintptr_t stack_pointer(void)
{
	uintptr_t sp;

	__asm__ volatile("movq	%%rsp, %0" : "=r" (sp));
	return sp;
}

#endif
