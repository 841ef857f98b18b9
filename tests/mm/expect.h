/* SPDX-License-Identifier: ISC */
/*
 * tests/mm/expect.h - expectations on a goroutine's stack.
 *
 * cmocka's assertions leave by longjmp(), to the stack of the thread that
 * called gort_run().  So goroutines note what went wrong, the first time,
 * and the test asserts it after the run: run_test_goroutine().
 */
#ifndef TESTS_MM_EXPECT_H
#define TESTS_MM_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gort/gort.h>

#define __noinline	__attribute__((__noinline__))

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITH_SANITIZER	1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER	1
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER	0
#endif

static struct {
	int line;
	long long got, want;
	const char *what;
} expect_failed;

static inline void expect_at(int line, const char *what, long long got,
			     long long want, bool ok)
{
	if (ok || expect_failed.line)
		return;
	expect_failed.line = line;
	expect_failed.what = what;
	expect_failed.got = got;
	expect_failed.want = want;
}

#define expect_op(a, op, b) do {					\
	long long expect_a = (long long)(a), expect_b = (long long)(b);	\
									\
	expect_at(__LINE__, #a " " #op " " #b, expect_a, expect_b,	\
		  expect_a op expect_b);				\
} while (0)

#define expect_eq(got, want)	expect_op(got, ==, want)
#define expect_ge(got, least)	expect_op(got, >=, least)
#define expect_le(got, most)	expect_op(got, <=, most)

/* The run itself, then what the goroutines noted. */
static inline void run_test_goroutine(void (*fn)(void *), void *arg)
{
	memset(&expect_failed, 0, sizeof(expect_failed));
	assert_int_equal(gort_run(fn, arg), 0);
	if (expect_failed.line)
		fail_msg("line %d: %s: %lld and %lld", expect_failed.line,
			 expect_failed.what, expect_failed.got,
			 expect_failed.want);
}

/* The same in a child process, which says it and exits. */
static inline void run_child_goroutine(void (*fn)(void *), void *arg)
{
	int err;

	memset(&expect_failed, 0, sizeof(expect_failed));
	err = gort_run(fn, arg);
	if (err)
		fprintf(stderr, "gort_run: %d\n", err);
	else if (expect_failed.line)
		fprintf(stderr, "line %d: %s: %lld and %lld\n",
			expect_failed.line, expect_failed.what,
			expect_failed.got, expect_failed.want);
	if (err || expect_failed.line)
		_exit(1);
}

/* GORTDEBUG as it is, with more at its end. */
static inline void debug_add(const char *more)
{
	const char *old = getenv("GORTDEBUG");
	char buf[256];

	snprintf(buf, sizeof(buf), "%s%s%s", old ? old : "",
		 old && *old ? "," : "", more);
	assert_int_equal(setenv("GORTDEBUG", buf, 1), 0);
}

static inline bool debug_has(const char *what)
{
	const char *env = getenv("GORTDEBUG");

	return env && strstr(env, what);
}

/* Does something other than this machine's CPU and kernel run us? */
static inline bool emulated(void)
{
	const char *env = getenv("EMULATOR");

	return env && *env;
}

/* Compilers shrink what is not used, and turn last calls into jumps. */
#define use_frame(p)	__asm__ volatile("" : : "r" (p) : "memory")

/*
 * dive - call fn(arg) with so many more bytes of stack in use, or a bit
 * more, by frames of half a KiB.
 */
__attribute__((unused))
static __noinline void dive(size_t bytes, void (*fn)(void *), void *arg)
{
	char frame[512];

	use_frame(frame);
	if (bytes > sizeof(frame))
		dive(bytes - sizeof(frame), fn, arg);
	else if (fn)
		fn(arg);
	use_frame(frame);
}

#endif
