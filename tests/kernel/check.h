/* SPDX-License-Identifier: ISC */
/*
 * tests/kernel/check.h - checks for goroutines, threads and child processes,
 * where cmocka's asserts cannot jump out, and what the test's mode is.
 *
 * A failed check prints both values and aborts the process.
 */
#ifndef TESTS_KERNEL_CHECK_H
#define TESTS_KERNEL_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#endif

__attribute__((cold, noinline, noreturn, unused))
static void check_failed(const char *what, long long a, const char *op,
			 long long b, const char *file, int line)
{
	dprintf(2, "%s:%d: %s: %lld %s %lld does not hold\n", file, line,
		what, a, op, b);
	abort();
}

#define CHECK_OP(a, op, b) do {						\
	long long check_a = (long long)(a), check_b = (long long)(b);	\
									\
	if (!(check_a op check_b))					\
		check_failed(#a " " #op " " #b, check_a, #op, check_b,	\
			     __FILE__, __LINE__);			\
} while (0)

#define CHECK_EQ(a, b)	CHECK_OP(a, ==, b)
#define CHECK_NE(a, b)	CHECK_OP(a, !=, b)
#define CHECK_LE(a, b)	CHECK_OP(a, <=, b)
#define CHECK_LT(a, b)	CHECK_OP(a, <, b)

static inline bool mode_sanitized(void)
{
#if defined(WITH_ASAN) || defined(WITH_TSAN)
	return true;
#else
	return false;
#endif
}

/* The runner tells scripts and tests about the emulator. */
static inline bool mode_emulated(void)
{
	const char *s = getenv("EMULATOR");

	return s && *s;
}

/* Is text, such as "maymorestack=move", in GORTDEBUG? */
static inline bool mode_gortdebug(const char *text)
{
	const char *s = getenv("GORTDEBUG");

	return s && strstr(s, text);
}

/* How often to do something: fewer times where each takes long. */
static inline int mode_times(int full)
{
	int n = full;

#ifdef WITH_TSAN
	n = full / 30;
#else
	if (mode_emulated() || mode_sanitized())
		n = full / 10;
	else if (mode_gortdebug("maymorestack"))
		n = full / 4;
#endif
	return n ? n : 1;
}

#endif
