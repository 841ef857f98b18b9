/* SPDX-License-Identifier: ISC */
/*
 * tests/bench/bench.h - what programs of benchmarks share: errors, the clock,
 * and how often to run something.  Define BENCH_NAME first.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NSEC		UINT64_C(1000000000)
#define N_MAX		NSEC	/* operations, as in Go */

/* Nobody knows about the memory at p any more. */
#define touch(p)	__asm__ volatile("" : : "r"(p) : "memory")

static struct {
	uint64_t goal_ns;
	uint64_t fixed_n;	/* -benchtime=1000x; else 0 */
} bench_time = { .goal_ns = NSEC };

/* Fits a goroutine's reserve, unlike stdio. */
__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *fmt, ...)
{
	char buf[256] = BENCH_NAME ": ";
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, sizeof(buf) - len - 1, fmt, ap);
	va_end(ap);
	strcat(buf, "\n");
	if (write(STDERR_FILENO, buf, strlen(buf)) < 0)
		_exit(2);
	_exit(1);
}

static inline void check_equal(const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		die("%s: got %" PRIu64 ", want %" PRIu64, what, got, want);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/*
 * How many next, after last of them took ns.  Go's rule: a fifth more than
 * seems needed, but no leaps.
 */
static inline uint64_t predict_n(uint64_t last, uint64_t ns)
{
	uint64_t n = (uint64_t)((double)bench_time.goal_ns * (double)last /
				(double)(ns ? ns : 1) * 1.2);

	if (n > 100 * last)
		n = 100 * last;
	if (n <= last)
		n = last + 1;
	return n < N_MAX ? n : N_MAX;
}

/* Was that not enough yet? */
static inline bool go_on(uint64_t n, uint64_t ns)
{
	return !bench_time.fixed_n && ns < bench_time.goal_ns && n < N_MAX;
}

static inline void parse_benchtime(const char *s)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 } };
	char *end;
	double v = strtod(s, &end);

	if (end != s && v > 0 && v <= 1e9) {
		if (!strcmp(end, "x") && v >= 1) {
			bench_time.fixed_n = (uint64_t)v;
			return;
		}
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(end, units[i].unit))
				continue;
			bench_time.goal_ns = (uint64_t)(v * units[i].ns);
			return;
		}
	}
	die("-benchtime=%s: want a time such as 0.2s or 100ms, or 1000x", s);
}

/* The value, if arg is the option name ("-bench="). */
static inline char *option(char *arg, const char *name)
{
	size_t len = strlen(name);

	return strncmp(arg, name, len) ? NULL : arg + len;
}

#endif
