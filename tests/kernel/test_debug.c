// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_debug.c - debug_parse(): every setting, every mistake.
 */
#include "kernel/debug.h"

#include <errno.h>
#include <string.h>

#include "mm/stack.h"
#include "tests/child.h"

static struct debug parsed;

static int parse(const char *env)
{
	parsed = (struct debug){ .maxstack = 1, .maxguards = 7 };
	return debug_parse(env, &parsed);
}

static void parse_in_child(void *arg)
{
	_exit(parse(arg) == -EINVAL ? 0 : 1);
}

static void test_empty(void **state)
{
	static const char *const empty[] = { "", ",", ",,," };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		assert_int_equal(parse(empty[i]), 0);
		assert_int_equal(parsed.maxstack, 1);
		assert_int_equal(parsed.maxguards, 7);
	}
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(parse("maymorestack=move"), 0);
	assert_int_equal(parsed.maymorestack, MAYMORESTACK_MOVE);
	assert_int_equal(parse("maymorestack=preempt"), 0);
	assert_int_equal(parsed.maymorestack, MAYMORESTACK_PREEMPT);
	assert_int_equal(parse("maymorestack=move,maymorestack=0"), 0);
	assert_int_equal(parsed.maymorestack, MAYMORESTACK_OFF);
	assert_int_equal(parse("stackpoison=1"), 0);
	assert_int_equal(parsed.stackpoison, 1);
	assert_int_equal(parse("doublecheckmemstats=1"), 0);
	assert_int_equal(parsed.doublecheckmemstats, 1);
	assert_int_equal(parse("guardregions=1"), 0);
	assert_int_equal(parsed.guardregions, 1);
	assert_int_equal(parse("maxguards=4294967295"), 0);
	assert_int_equal(parsed.maxguards, UINT32_MAX);
	assert_int_equal(parse("maxguards=0"), 0);
	assert_int_equal(parsed.maxguards, 0);
}

static void test_trace_values(void **state)
{
	(void)state;
	assert_int_equal(parse("traceversion=23"), 0);
	assert_int_equal(parsed.traceversion, 23);
	assert_int_equal(parse("traceversion=26"), 0);
	assert_int_equal(parsed.traceversion, 26);
	assert_int_equal(parse("tracebuflimit=1M"), 0);
	assert_int_equal(parsed.tracebuflimit, 1 << 20);
	assert_int_equal(parse("tracebuflimit=64G"), 0);
	assert_int_equal(parsed.tracebuflimit, (u64)64 << 30);
	assert_int_equal(parse("tracepushdown=1"), 0);
	assert_int_equal(parsed.tracepushdown, 1);
	assert_int_equal(parse("tracepushdown=0"), 0);
	assert_int_equal(parsed.tracepushdown, 0);
	assert_int_equal(parse("traceallocfree=1"), 0);
	assert_int_equal(parsed.traceallocfree, 1);
	assert_int_equal(parse("tracecheckstackownership=1"), 0);
	assert_int_equal(parsed.tracecheckstackownership, 1);
	assert_int_equal(parse("traceadvanceperiod=1000000"), 0);
	assert_int_equal(parsed.traceadvanceperiod, 1000000);
	assert_int_equal(parse("traceadvanceperiod=3600000000000"), 0);
	assert_int_equal(parsed.traceadvanceperiod, (u64)3600 * 1000000000);
}

static void test_several(void **state)
{
	(void)state;
	assert_int_equal(parse(",stackpoison=1,,maxstack=2M,"
			       "maymorestack=move,maxguards=12,"), 0);
	assert_int_equal(parsed.stackpoison, 1);
	assert_int_equal(parsed.maxstack, 2 << 20);
	assert_int_equal(parsed.maymorestack, MAYMORESTACK_MOVE);
	assert_int_equal(parsed.maxguards, 12);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *env;
		u64 bytes;
	} sizes[] = {
		{ "maxstack=1048576", 1 << 20 },
		{ "maxstack=1024K", 1 << 20 },
		{ "maxstack=3M", 3 << 20 },
		{ "maxstack=64G", (u64)64 << 30 },
		{ "maxstack=17179869183G", (u64)17179869183 << 30 },
		{ "maxstack=18446744073709551615", UINT64_MAX },
	};
	char min[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(parse(sizes[i].env), 0);
		assert_int_equal(parsed.maxstack, sizes[i].bytes);
	}
	snprintf(min, sizeof(min), "maxstack=%zu", stack_class_size(0));
	assert_int_equal(parse(min), 0);
	assert_int_equal(parsed.maxstack, stack_class_size(0));
	snprintf(min, sizeof(min), "maxstack=%zu", stack_class_size(0) - 1);
	child_run(parse_in_child, min);
	child_expect_exit(0);
}

static void expect_error(const char *env, const char *says)
{
	child_run(parse_in_child, (void *)env);
	child_expect_text(says);
	child_expect_exit(0);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *env, *says;
	} bad[] = {
		{ "x", "gort: GORTDEBUG: unknown setting \"x\"; there are: " },
		{ "x=1", "unknown setting \"x\"" },
		{ "=", "unknown setting \"\"" },
		{ "stackpoison =1", "unknown setting \"stackpoison \"" },
		{ "STACKPOISON=1", "unknown setting \"STACKPOISON\"" },
		{ "stackpoison=1;maxguards=1",
		  "gort: GORTDEBUG: stackpoison=1;maxguards=1: want 0 or 1" },
		{ "stackpoison", "gort: GORTDEBUG: stackpoison=: want 0 or 1" },
		{ "stackpoison=", "stackpoison=: want 0 or 1" },
		{ "stackpoison=2", "stackpoison=2: want 0 or 1" },
		{ "stackpoison=+1", "stackpoison=+1: want 0 or 1" },
		{ "stackpoison=0x1", "stackpoison=0x1: want 0 or 1" },
		{ "stackpoison=1=1", "stackpoison=1=1: want 0 or 1" },
		{ "doublecheckmemstats=2",
		  "doublecheckmemstats=2: want 0 or 1" },
		{ "guardregions=-1", "guardregions=-1: want 0 or 1" },
		{ "maxguards=5X", "maxguards=5X: want a number" },
		{ "maxguards=4G", "maxguards=4G: want a number" },
		{ "maxguards=1KK", "maxguards=1KK: want a number" },
		{ "maxstack=1m", "maxstack=1m: want " },
		{ "maxstack=M", "maxstack=M: want " },
		{ "maxstack=18446744073709551616",
		  "maxstack=18446744073709551616: want " },
		{ "maxstack=17179869184G", "maxstack=17179869184G: want " },
		{ "maymorestack=2", "maymorestack=2: want 0, move or preempt" },
		{ "traceversion=0", "traceversion=0: want 23 or 26" },
		{ "traceversion=22", "traceversion=22: want 23 or 26" },
		{ "traceversion=25", "traceversion=25: want 23 or 26" },
		{ "traceversion=1.26", "traceversion=1.26: want 23 or 26" },
		{ "tracebuflimit=0", "tracebuflimit=0: want bytes, at least 1M" },
		{ "tracebuflimit=1048575", "tracebuflimit=1048575: want bytes" },
		{ "tracebuflimit=x", "tracebuflimit=x: want bytes" },
		{ "tracepushdown=2", "tracepushdown=2: want 0 or 1" },
		{ "traceallocfree=yes", "traceallocfree=yes: want 0 or 1" },
		{ "tracecheckstackownership=2",
		  "tracecheckstackownership=2: want 0 or 1" },
		{ "traceadvanceperiod=999999",
		  "traceadvanceperiod=999999: want nanoseconds" },
		{ "traceadvanceperiod=3600000000001",
		  "traceadvanceperiod=3600000000001: want nanoseconds" },
		{ "traceadvanceperiod=1s",
		  "traceadvanceperiod=1s: want nanoseconds" },
		{ "maymorestack=", "maymorestack=: want 0, move or preempt" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_error(bad[i].env, bad[i].says);
}

/* The first mistake ends it; what came before it has been taken. */
static void test_mistake_after_value(void **state)
{
	(void)state;
	expect_error("stackpoison=1,nosuch=1,maxguards=x",
		     "unknown setting \"nosuch\"");
	child_expect_no_text("maxguards=x");
}

static void test_length(void **state)
{
	char env[600];

	(void)state;
	memset(env, ',', sizeof(env));
	env[511] = '\0';
	assert_int_equal(parse(env), 0);
	env[511] = ',';
	env[512] = '\0';
	expect_error(env, "gort: GORTDEBUG: longer than 511 bytes");
}

static void test_memlimit(void **state)
{
	static const struct {
		const char *env;
		u64 bytes;
	} good[] = {
		{ "", UINT64_MAX },
		{ "off", UINT64_MAX },
		{ "0", 0 },
		{ "123", 123 },
		{ "123B", 123 },
		{ "7K", 7 << 10 },
		{ "7KiB", 7 << 10 },
		{ "5M", 5 << 20 },
		{ "5MiB", 5 << 20 },
		{ "6G", (u64)6 << 30 },
		{ "6GiB", (u64)6 << 30 },
		{ "2TiB", (u64)2 << 40 },
		{ "16777215TiB", (u64)16777215 << 40 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = {
		"-1", "x", "B", "KiB", "1k", "1kib", "1KB", "1Ki", "1KiBs",
		"1T", "1 MiB", " 1", "0x10", "1KK", "1KKiB", "OFF", "off ",
		"16777216TiB", "18446744073709551616",
		"00000000000000000000000000000000000001MiB",
	};
	u64 limit;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		limit = 1;
		assert_int_equal(debug_parse_memlimit(good[i].env, &limit), 0);
		assert_int_equal(limit, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(debug_parse_memlimit(bad[i], &limit),
				 -EINVAL);
}

static void parse_env_in_child(void *arg)
{
	setenv("GORTMEMLIMIT", arg, 1);
	_exit(debug_parse_env() == -EINVAL ? 0 : 1);
}

static void test_memlimit_mistake(void **state)
{
	(void)state;
	child_run(parse_env_in_child, "12Mib");
	child_expect_exit(0);
	child_expect_text("gort: GORTMEMLIMIT=12Mib: want bytes, with K, M, G, B, KiB, MiB, GiB or TiB, or off\n");
	child_run(parse_env_in_child, "12MiB");
	child_expect_exit(1);
	child_expect_no_text("gort");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_trace_values),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_mistake_after_value),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_memlimit),
		cmocka_unit_test(test_memlimit_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
