// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_metrics_write.c - metrics as text, into descriptors that
 * do not take it.  What the text is like: test_openmetrics.sh.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "child.h"
#include "kernel/check.h"

#define TEXT_MAX	(1 << 20)

static char text[TEXT_MAX];
static size_t len;

static int setup(void **state)
{
	(void)state;
	len = 0;
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static void run(void (*fn)(void *))
{
	assert_int_equal(gort_run(fn, NULL), 0);
}

static void errors(void *arg)
{
	int fds[2], full;

	(void)arg;
	CHECK_EQ(gort_metrics_write(-1), -EBADF);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(gort_metrics_write(fds[0]), -EBADF);
	CHECK_EQ(gort_close(fds[0]), 0);
	CHECK_EQ(gort_metrics_write(fds[1]), -EPIPE);
	CHECK_EQ(gort_close(fds[1]), 0);
	full = open("/dev/full", O_WRONLY);
	CHECK_LE(0, full);
	CHECK_EQ(gort_metrics_write(full), -ENOSPC);
	CHECK_EQ(gort_close(full), 0);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(gort_metrics_write(1), -EPERM);
	run(errors);
}

/* All there is to read, n bytes at a time. */
static void read_text(int fd, size_t n)
{
	ssize_t got;

	len = 0;
	while ((got = gort_read(fd, text + len, n)) > 0)
		len += (size_t)got;
	CHECK_EQ(got, 0);
}

static size_t lines_with(const char *start)
{
	size_t n = 0;

	text[len] = '\0';
	for (const char *p = text; (p = strstr(p, start)); p++)
		n += p == text || p[-1] == '\n';
	return n;
}

static void expect_whole(void)
{
	static const char first[] = "# TYPE gort_gc_gomemlimit_bytes gauge\n";
	static const char last[] = "\n# EOF\n";

	size_t n;

	CHECK_LT(sizeof(first) + sizeof(last), len);
	CHECK_LT(len, TEXT_MAX);
	gort_metrics_all(&n);
	CHECK_EQ(lines_with("# TYPE "), n);
	CHECK_EQ(lines_with("# UNIT "), n);
	CHECK_EQ(lines_with("# HELP "), n);
	CHECK_EQ(memcmp(text, first, sizeof(first) - 1), 0);
	CHECK_EQ(memcmp(text + len - sizeof(last) + 1, last,
			sizeof(last) - 1), 0);
}

static int pipe_fds[2];
static _Atomic int written;

static void write_to_pipe(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_metrics_write(pipe_fds[1]), 0);
	atomic_store(&written, 1);
	CHECK_EQ(gort_close(pipe_fds[1]), 0);
}

/* A pipe of one page, read in small pieces: the writer waits. */
static void slow_reader(void *arg)
{
	(void)arg;
	atomic_store(&written, 0);
	CHECK_EQ(pipe(pipe_fds), 0);
	CHECK_EQ(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(gort_go(write_to_pipe, NULL), 0);
	/* There is more than the pipe takes. */
	CHECK_EQ(gort_read(pipe_fds[0], text, 1), 1);
	CHECK_EQ(text[0], '#');
	for (int i = 0; i < 100; i++)
		gort_yield();
	CHECK_EQ(atomic_load(&written), 0);
	read_text(pipe_fds[0], 100);
	memmove(text + 1, text, len);
	text[0] = '#';
	len++;
	expect_whole();
	CHECK_EQ(gort_close(pipe_fds[0]), 0);
}

static void test_slow_reader(void **state)
{
	(void)state;
	run(slow_reader);
}

/* Nobody reads: the deadline ends it, in the middle. */
static void timed_out(void *arg)
{
	(void)arg;
	CHECK_EQ(pipe(pipe_fds), 0);
	CHECK_EQ(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(gort_set_deadline(pipe_fds[1], -1, gort_now_ns() + 1000000),
		 0);
	CHECK_EQ(gort_metrics_write(pipe_fds[1]), -ETIMEDOUT);
	CHECK_EQ(gort_close(pipe_fds[1]), 0);
	CHECK_EQ(gort_close(pipe_fds[0]), 0);
}

static void test_deadline(void **state)
{
	(void)state;
	run(timed_out);
}

static void to_file(void *arg)
{
	int fd = memfd_create("metrics", MFD_CLOEXEC);

	(void)arg;
	CHECK_LE(0, fd);
	CHECK_EQ(gort_metrics_write(fd), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	read_text(fd, 65536);
	expect_whole();
	CHECK_EQ(gort_close(fd), 0);
}

static void test_file(void **state)
{
	(void)state;
	run(to_file);
}

/* Nothing stays behind, written or not. */
static void give_all_back(void *arg)
{
	struct gort_memstats before, after;
	int fd = open("/dev/null", O_WRONLY);

	(void)arg;
	CHECK_EQ(gort_metrics_write(fd), 0);
	CHECK_EQ(gort_read_memstats(&before), 0);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(gort_metrics_write(fd), 0);
		CHECK_EQ(gort_metrics_write(-1), -EBADF);
	}
	CHECK_EQ(gort_read_memstats(&after), 0);
	CHECK_EQ(after.heap_objects, before.heap_objects);
	CHECK_EQ(after.heap_alloc, before.heap_alloc);
	CHECK_LT(before.mallocs, after.mallocs);
	CHECK_EQ(gort_close(fd), 0);
}

static void test_memory(void **state)
{
	(void)state;
	run(give_all_back);
}

#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_errors),
		TEST(test_slow_reader),
		TEST(test_deadline),
		TEST(test_file),
		TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
