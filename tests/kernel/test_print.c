// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_print.c - every format, truncation, standard error.
 */
#include "kernel/print.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/child.h"

#define expect(want, ...) do {						\
	char expect_buf[256];						\
	size_t expect_n = format(expect_buf, sizeof(expect_buf), __VA_ARGS__); \
									\
	assert_string_equal(expect_buf, want);				\
	assert_int_equal(expect_n, strlen(want));			\
} while (0)

static void test_formats(void **state)
{
	(void)state;
	expect("", "%s", "");
	expect("plain", "plain");
	expect("<one><two>", "<%s><%s>", "one", "two");
	expect("(null)", "%s", (char *)NULL);
	expect("xyz", "%c%c%c", 'x', 'y', 'z');
	expect("100%", "100%%");
}

static void test_numbers(void **state)
{
	(void)state;
	expect("0 1 -1", "%d %d %d", 0, 1, -1);
	expect("2147483647 -2147483648", "%d %d", INT_MAX, INT_MIN);
	expect("0 4294967295", "%u %u", 0u, UINT_MAX);
	expect("-9223372036854775808 9223372036854775807", "%D %D",
	       (s64)INT64_MIN, (s64)INT64_MAX);
	expect("0 18446744073709551615", "%U %U", (u64)0, (u64)UINT64_MAX);
	expect("0x0 0x9f 0xffffffffffffffff", "%x %x %x", (u64)0, (u64)0x9f,
	       (u64)UINT64_MAX);
	expect("0x0 0xdeadbeef", "%p %p", NULL, (void *)0xdeadbeef);
}

/* Narrow and wide arguments, more than fit into registers. */
static void test_many_arguments(void **state)
{
	(void)state;
	expect("1 -2 3 4 a 0x5 six 7 -8 9 0xa", "%d %D %u %U %c %x %s %d %D %u %p",
	       1, (s64)-2, 3u, (u64)4, 'a', (u64)5, "six", 7, (s64)-8, 9u,
	       (void *)10);
}

static void test_unknown(void **state)
{
	(void)state;
	expect("q5", "%q%d", 5);
	expect("end%", "end%");
}

static void test_truncation(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(format(buf, 5, "%s", "abcdefgh"), 4);
	assert_memory_equal(buf, "abcd\0xxx", sizeof(buf));
	assert_int_equal(format(buf, 5, "%U", (u64)1234567), 4);
	assert_string_equal(buf, "1234");
	assert_int_equal(format(buf, 1, "%s", "abc"), 0);
	assert_string_equal(buf, "");
	assert_int_equal(format(buf, 5, "abcd"), 4);
	assert_string_equal(buf, "abcd");
}

static void print_some(void *arg)
{
	(void)arg;
	errno = EXDEV;
	print("%s=%d\n", "errno", errno);
	if (errno != EXDEV)
		_exit(1);
}

static void test_standard_error(void **state)
{
	char want[32];

	(void)state;
	child_run(print_some, NULL);
	child_expect_exit(0);
	snprintf(want, sizeof(want), "errno=%d\n", EXDEV);
	assert_string_equal(child_err, want);
}

#define LONG	5000

static char long_text[LONG + 1];

static void print_long(void *arg)
{
	(void)arg;
	print("<%s>%d", long_text, 12345);
}

static void test_long(void **state)
{
	(void)state;
	for (int i = 0; i < LONG; i++)
		long_text[i] = (char)('a' + i % 26);
	child_run(print_long, NULL);
	child_expect_exit(0);
	assert_int_equal(strlen(child_err), LONG + 7);
	assert_int_equal(child_err[0], '<');
	assert_memory_equal(child_err + 1, long_text, LONG);
	assert_string_equal(child_err + 1 + LONG, ">12345");
}

static void print_to_nowhere(void *arg)
{
	(void)arg;
	close(STDERR_FILENO);
	errno = EXDEV;
	print("%s", long_text);
	if (errno != EXDEV)
		_exit(1);
}

/* Nobody there to read is no reason to hang or to lose errno. */
static void test_closed(void **state)
{
	(void)state;
	child_run(print_to_nowhere, NULL);
	child_expect_exit(0);
	assert_string_equal(child_err, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_many_arguments),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_standard_error),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
