/* SPDX-License-Identifier: ISC */
/*
 * arch/compiler.h - words the language lacks.
 *
 * Context annotations (DESIGN of the runtime: every function runs in exactly
 * one of goroutine context, nosplit, system stack, signal):
 *
 * __nosplit	no stack check is put into the function: the section name
 *		tells the tool that inserts checks to leave it alone.  Such
 *		code must fit the red zone below the guard.
 * __systemstack  may run only on g0; the comment at the function names the
 *		lock or the switch that demands it.
 * __g0_noreturn  runs on g0 and leaves it by arch_gogo(), never by return.
 *		It is not declared noreturn: such calls are no tail calls, and
 *		every call without a return spoils the CPU's prediction of the
 *		returns in the goroutine that runs next.  ThreadSanitizer
 *		keeps a shadow call stack for g0 which such functions would
 *		fill up, so they stay uninstrumented and thin.
 * __g0_thread	first function of a thread that runs no goroutines, so is on
 *		g0 all the time.
 *
 * "make checkstack" proves that these words are true.  It compiles with
 * GORT_CHECKSTACK, and only then do they change anything: each puts its
 * function into a section that tells.  A function that only functions on g0
 * call needs no word.
 */
#ifndef ARCH_COMPILER_H
#define ARCH_COMPILER_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* Also where the compiler is told not to inline; as in Linux and glibc. */
#undef __always_inline
#ifdef GORT_CHECKSTACK
#define __always_inline	inline	/* a call that is seen */
#else
#define __always_inline	inline __attribute__((__always_inline__))
#endif
#define __cold		__attribute__((cold, noinline))
#define __noreturn	__attribute__((noreturn))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __public	__attribute__((visibility("default")))
#define __nosplit	__attribute__((noinline, section(".text.gort.nosplit")))
#ifdef GORT_CHECKSTACK
/* Its line tells one section from another: see arch/checkstack/elf.c. */
#define __context_(name, line)	__attribute__((section(".text.gort." name "." #line)))
#define __context(name, line)	__context_(name, line)
#else
#define __context(name, line)
#endif
#define __systemstack	__context("systemstack", __LINE__)
#define __g0_thread	__context("g0", __LINE__)

#if defined(__SANITIZE_THREAD__)
#define GORT_TSAN	1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GORT_TSAN	1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GORT_ASAN	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GORT_ASAN	1
#endif
#endif

#ifdef GORT_TSAN
#ifdef __clang__
#define __no_tsan	__attribute__((disable_sanitizer_instrumentation))
#else
#define __no_tsan	__attribute__((no_sanitize_thread))
#endif
#else
#define __no_tsan
#endif
#define __no_asan	__attribute__((no_sanitize("address")))
#define __g0_noreturn	__attribute__((noinline)) __context("g0", __LINE__) \
			__no_tsan __no_asan

#define barrier()	__asm__ volatile("" ::: "memory")

/* ThreadSanitizer does not understand fences, only operations. */
static inline void full_fence(void)
{
#ifdef GORT_TSAN
	static u32 dummy;

	__atomic_fetch_add(&dummy, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a)		ALIGN_DOWN((x) + ((a) - 1), a)

#endif
