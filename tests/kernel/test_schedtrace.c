// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_schedtrace.c - what schedtrace and scheddetail print.
 */
#include <gort/gort.h>

#include <regex.h>
#include <stdlib.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"

#define NUM	"[0-9]+"
#define SUMMARY	"^SCHED " NUM "ms: gomaxprocs=3 idleprocs=" NUM " threads=" NUM	\
		" spinningthreads=" NUM " idlethreads=" NUM " runqueue=" NUM	\
		" \\[" NUM " " NUM " " NUM "\\]$"
#define DETAIL_P	"^  P[0-2]: status=(idle|running|syscall|stopped|dead) schedtick=" NUM	\
			" syscalltick=" NUM " runq=" NUM "( m=" NUM " goroutine=" NUM ")?$"
#define DETAIL_M	"^  M" NUM ": thread=" NUM " goroutine=" NUM "$"

static void busy(void *arg)
{
	struct timespec start, now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		gort_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 +
		 (now.tv_nsec - start.tv_nsec) / 1000000 < 200);
}

static void traced(void *arg)
{
	const char *old = getenv("GORTDEBUG");
	char buf[256];

	snprintf(buf, sizeof(buf), "%s%s%s", old ? old : "",
		 old && *old ? "," : "", (char *)arg);
	setenv("GORTDEBUG", buf, 1);
	setenv("GORTMAXPROCS", "3", 1);
	gort_run(busy, NULL);
}

static bool line_matches(const char *line, const char *pattern)
{
	regex_t re;
	bool match;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	match = !regexec(&re, line, 0, NULL, 0);
	regfree(&re);
	return match;
}

/* Every line is one of patterns; how many of each. */
static void count_lines(const char *const *patterns, int *counts, int n)
{
	char *save = NULL;

	for (char *line = strtok_r(child_err, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		int i = 0;

		while (i < n && !line_matches(line, patterns[i]))
			i++;
		if (i == n)
			fail_msg("no line of a trace: \"%s\"", line);
		counts[i]++;
	}
}

/* The last one: on a busy machine the goroutine may not get to yield. */
static const char *const patterns[] = {
	SUMMARY, DETAIL_P, DETAIL_M,
	"^SCHED [0-9]+ms: M[0-9]+ P[0-9]+ goroutine [0-9]+ has not yielded for ",
};

static void test_summary(void **state)
{
	int counts[4] = { 0 };

	(void)state;
	child_run(traced, (void *)"schedtrace=20");
	child_expect_exit(0);
	count_lines(patterns, counts, 4);
	assert_in_range(counts[0], 1, 1000);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 0);
}

static void test_detail(void **state)
{
	int counts[4] = { 0 };

	(void)state;
	child_run(traced, (void *)"schedtrace=20,scheddetail=1");
	child_expect_exit(0);
	count_lines(patterns, counts, 4);
	assert_in_range(counts[0], 1, 1000);
	assert_int_equal(counts[1], 3 * counts[0]);
	assert_in_range(counts[2], counts[0], 10 * counts[0]);
}

static void test_off(void **state)
{
	(void)state;
	child_run(traced, (void *)"scheddetail=1");
	child_expect_exit(0);
	assert_string_equal(child_err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
