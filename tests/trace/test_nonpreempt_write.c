// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_nonpreempt_write.c - files of the profiler of
 * non-preemptible sections, from sites that are made up here.
 */
#define _GNU_SOURCE
#include "trace/nonpreempt_write.h"

#include <gort/gort.h>

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "child.h"
#include "kernel/check.h"
#include "mm/vm.h"

#define HERE	"tests/trace/test_nonpreempt_write.c"

/* Functions to be on stacks, and where; in one line, whatever the compiler
 * says where it begins. */
#define NOINLINE	__attribute__((noinline, noclone))
static NOINLINE int outer(int x) { return x * 3; }
static const int outer_line = __LINE__ - 1;
static NOINLINE int inner(int x) { return x * 5; }
static const int inner_line = __LINE__ - 1;

static struct gort_nonpreempt_site sites[3000];
static char text[16 << 20];

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int i = GORT_NONPREEMPT_BUCKETS - 1;

	while (gort_nonpreempt_bucket_ns(i) > ns)
		i--;
	return i;
}

static struct gort_nonpreempt_site *site_init(int i)
{
	struct gort_nonpreempt_site *s = &sites[i];

	*s = (struct gort_nonpreempt_site){
		.kind = GORT_NONPREEMPT_SYSTEMSTACK,
		.outermost = true,
		.what = "stack_refill",
		.site = (uintptr_t)outer + 1,
		.count = 1000,
		.gross_ns = 123456,
		.net_ns = 12345,
		.max_ns = 45678,
		.waits = 3,
		.wait_ns = 123,
		.wait_max_ns = 45,
		.wait_runnable = 17,
		.nstart = 2,
		.nend = 1,
		.start = { (uintptr_t)inner, (uintptr_t)outer },
		.end = { (uintptr_t)outer },
	};
	return s;
}

static struct nonpreempt_report report = {
	.sites = sites,
	.n = 1,
	.stats = {
		.sections = 1234,
		.lost = 5,
		.other = 6,
		.exceeded = 7,
		.suppressed = 8,
	},
	.duration_ns = 12345678901,
	.wall_ns = 1700000000000000000,
};

struct job {
	enum gort_nonpreempt_format format;
	int fd, err;
};

static void write_it(void *arg)
{
	struct job *job = arg;

	job->err = nonpreempt_write(job->fd, job->format, &report);
}

static int write_to(int fd, enum gort_nonpreempt_format format)
{
	struct job job = { format, fd, 1 };

	CHECK_EQ(gort_run(write_it, &job), 0);
	return job.err;
}

/* What is written, in text; how many bytes. */
static size_t written(enum gort_nonpreempt_format format)
{
	int fd = memfd_create("out", MFD_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(write_to(fd, format), 0);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_in_range(n, 0, sizeof(text) - 2);
	text[n] = '\0';
	close(fd);
	return (size_t)n;
}

/* The line is there, once.  Shows all if not. */
static void expect_line(const char *line)
{
	size_t len = strlen(line);
	int n = 0;

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += !strncmp(p, line, len) && p[len] == '\n';
	}
	if (n != 1)
		fail_msg("%d times \"%s\" in:\n%s", n, line, text);
}

static void expect_no_line(const char *begin)
{
	char with_end[100];

	snprintf(with_end, sizeof(with_end), "\n%s", begin);
	if (strstr(text, with_end))
		fail_msg("\"%s\" in:\n%s", begin, text);
}

static void expect_begin(const char *begin)
{
	if (strncmp(text, begin, strlen(begin)))
		fail_msg("want \"%s\" at the beginning of:\n%s", begin, text);
}

static void expect_frame(const char *key, const char *func, int line)
{
	char want[200];

	snprintf(want, sizeof(want), "%s %s " HERE ":%d", key, func, line);
	expect_line(want);
}

static void test_text(void **state)
{
	struct gort_nonpreempt_site *s = site_init(0);

	(void)state;
	s->buckets[bucket_of(128)] = 4;
	s->buckets[bucket_of(7)] = 1;
	report.n = 1;
	written(GORT_NONPREEMPT_TEXT);
	expect_begin("gort nonpreempt 1\nseconds 12.345 sections 1234 lost 5 "
		     "other 6 exceeded 7 suppressed 8\n\nsite 1\n");
	expect_line("kind systemstack");
	expect_line("what stack_refill");
	expect_line("place outermost");
	expect_line("count 1000");
	expect_line("gross 123456 ns");
	expect_line("net 12345 ns");
	expect_line("max 45678 ns");
	expect_line("waits 3 total 123 ns max 45 ns runnable 17");
	expect_line("bucket 7 1");
	expect_line("bucket 128 4");
	expect_frame("at", "outer", outer_line);
	expect_frame("start", "inner", inner_line);
	expect_frame("start", "outer", outer_line);
	expect_frame("end", "outer", outer_line);
	assert_true(strstr(text, "start inner") < strstr(text, "start outer"));
}

/* What is not known, and what is inside. */
static void test_text_unknown(void **state)
{
	struct gort_nonpreempt_site *s = site_init(0);

	(void)state;
	s->kind = GORT_NONPREEMPT_OTHER;
	s->outermost = false;
	s->what = "";
	s->site = 0;
	s->gross_ns = 0;
	s->nstart = 1;
	s->start[0] = 8;
	s->nend = 0;
	report.n = 1;
	written(GORT_NONPREEMPT_TEXT);
	expect_line("kind other");
	expect_line("what ?");
	expect_line("place inside");
	expect_line("at ?");
	expect_line("gross 0 ns");
	expect_line("start ?");
	expect_line("quantiles p50 0 p90 0 p99 0 p99.9 0 ns");
	expect_no_line("end");
	expect_no_line("bucket");
}

static void expect_what(const char *what, const char *want)
{
	char line[100];

	site_init(0)->what = what;
	report.n = 1;
	written(GORT_NONPREEMPT_TEXT);
	snprintf(line, sizeof(line), "what %s", want);
	expect_line(line);
}

static void test_text_escapes(void **state)
{
	(void)state;
	expect_what("a b", "a\\x20b");
	expect_what("a\nkind user", "a\\x0akind\\x20user");
	expect_what("\\x20", "\\x5cx20");
	expect_what("\x7f\x01", "\\x7f\\x01");
	expect_what("<&\">;", "<&\">;");
	expect_what("\xc3\xa4", "\xc3\xa4");
}

static void expect_quantiles(const char *want)
{
	report.n = 1;
	written(GORT_NONPREEMPT_TEXT);
	expect_line(want);
}

static void test_quantiles(void **state)
{
	struct gort_nonpreempt_site *s = site_init(0);
	char want[200];
	uint64_t ns;

	(void)state;
	/* 9000, 900, 90 and 10 of them: each quantile is the last of its. */
	s->buckets[bucket_of(10)] = 9000;
	s->buckets[bucket_of(1024)] = 900;
	s->buckets[bucket_of(4096)] = 90;
	s->buckets[bucket_of(40000)] = 10;
	snprintf(want, sizeof(want),
		 "quantiles p50 10 p90 10 p99 %d p99.9 %d ns", 1024 + 32,
		 4096 + 128);
	expect_quantiles(want);
	/* One more that takes long, and all are. */
	s->buckets[bucket_of(10)]--;
	s->buckets[bucket_of(40000)]++;
	snprintf(want, sizeof(want),
		 "quantiles p50 10 p90 %d p99 %d p99.9 %d ns", 1024 + 32,
		 4096 + 128, 38912 + 1024);
	expect_quantiles(want);
	/* Not more than the maximum; nor the end of the last bucket. */
	s = site_init(0);
	s->max_ns = 1030;
	s->buckets[bucket_of(1024)] = 1;
	expect_quantiles("quantiles p50 1030 p90 1030 p99 1030 p99.9 1030 ns");
	s = site_init(0);
	s->max_ns = UINT64_MAX;
	s->buckets[GORT_NONPREEMPT_BUCKETS - 1] = 1;
	ns = gort_nonpreempt_bucket_ns(GORT_NONPREEMPT_BUCKETS - 1);
	snprintf(want, sizeof(want),
		 "quantiles p50 %" PRIu64 " p90 %" PRIu64 " p99 %" PRIu64
		 " p99.9 %" PRIu64 " ns", ns, ns, ns, ns);
	expect_quantiles(want);
}

static void test_folded(void **state)
{
	struct gort_nonpreempt_site *s = site_init(0);

	(void)state;
	report.n = 5;
	s = site_init(1);
	s->kind = GORT_NONPREEMPT_USER;
	s->what = "a;b c";
	s->nstart = 0;
	site_init(2)->net_ns = 0;	/* nothing to be drawn */
	s = site_init(3);
	s->kind = GORT_NONPREEMPT_LOCK;
	s->what = "";
	s->nstart = 0;
	s->site = 0;
	s = site_init(4);
	s->kind = GORT_NONPREEMPT_STW;
	s->start[0] = 8;
	written(GORT_NONPREEMPT_FOLDED);
	assert_string_equal(text,
			    "systemstack;stack_refill;outer;inner 12345\n"
			    "user;a\\x3bb\\x20c;outer 12345\n"
			    "lock;? 12345\n"
			    "stw;stack_refill;outer;? 12345\n");
}

static void test_many_sites(void **state)
{
	char line[50];
	size_t n;

	(void)state;
	report.n = ARRAY_SIZE(sites);
	for (int i = 0; i < (int)ARRAY_SIZE(sites); i++)
		site_init(i)->count = 100000 + (u64)i;
	n = written(GORT_NONPREEMPT_TEXT);
	assert_true(n > ARRAY_SIZE(sites) * 300);
	expect_line("site 1");
	snprintf(line, sizeof(line), "site %d", (int)ARRAY_SIZE(sites));
	expect_line(line);
	snprintf(line, sizeof(line), "count %d",
		 100000 + (int)ARRAY_SIZE(sites) - 1);
	expect_line(line);
	/* And a name that is longer than any buffer. */
	report.n = 1;
	memset(text, 'x', 100000);
	text[100000] = '\0';
	site_init(0)->what = strdup(text);
	n = written(GORT_NONPREEMPT_TEXT);
	assert_true(n > 100000);
	assert_int_equal(strcspn(strstr(text, "what ") + 5, "\n"), 100000);
	free((char *)sites[0].what);
}

static void test_none(void **state)
{
	(void)state;
	report.n = 0;
	written(GORT_NONPREEMPT_TEXT);
	assert_string_equal(strchr(text, '\n'), "\nseconds 12.345 sections 1234 "
			    "lost 5 other 6 exceeded 7 suppressed 8\n");
	assert_int_equal(written(GORT_NONPREEMPT_FOLDED), 0);
	assert_true(written(GORT_NONPREEMPT_PPROF) > 50);
}

/* More is in test_nonpreempt.sh, by `go tool pprof`. */
static void test_pprof(void **state)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8 };
	size_t n;

	(void)state;
	site_init(0);
	report.n = 1;
	n = written(GORT_NONPREEMPT_PPROF);
	assert_memory_equal(text, head, sizeof(head));
	for (const char *const *s = (const char *const[]){ "sections", "gross",
	     "net", "max", "nanoseconds", "kind", "systemstack", "what",
	     "stack_refill", "inner", "outer", NULL }; *s; s++)
		if (!memmem(text, n, *s, strlen(*s)))
			fail_msg("no \"%s\" in the profile", *s);
}

static void test_write_fails(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	site_init(0);
	report.n = 1;
	assert_int_equal(write_to(full, GORT_NONPREEMPT_TEXT), -ENOSPC);
	assert_int_equal(write_to(full, GORT_NONPREEMPT_FOLDED), -ENOSPC);
	assert_int_equal(write_to(full, GORT_NONPREEMPT_PPROF), -ENOSPC);
	assert_int_equal(write_to(full, (enum gort_nonpreempt_format)3),
			 -EINVAL);
	close(full);
}

/* The public function; what there is to write is up to the profiler. */
static void check_errors(void *arg)
{
	int fd = memfd_create("out", MFD_CLOEXEC), ro;
	char path[50];

	(void)arg;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_LE(0, ro);
	errno = 1234;
	CHECK_EQ(gort_nonpreempt_write(fd, (enum gort_nonpreempt_format)3),
		 -EINVAL);
	CHECK_EQ(gort_nonpreempt_write(fd, (enum gort_nonpreempt_format)-1),
		 -EINVAL);
	CHECK_EQ(gort_nonpreempt_write(-1, GORT_NONPREEMPT_TEXT), -EBADF);
	CHECK_EQ(gort_nonpreempt_write(ro, GORT_NONPREEMPT_TEXT), -EBADF);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(gort_nonpreempt_write(fd, GORT_NONPREEMPT_TEXT), 0);
	vm_fail_for_good = true;
	vm_fail_after = 0;
	CHECK_EQ(gort_nonpreempt_write(fd, GORT_NONPREEMPT_TEXT), -ENOMEM);
	vm_fail_after = -1;
	vm_fail_for_good = false;
	close(ro);
	close(fd);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(gort_nonpreempt_write(1, GORT_NONPREEMPT_TEXT),
			 -EPERM);
	CHECK_EQ(gort_run(check_errors, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_unknown),
		cmocka_unit_test(test_text_escapes),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_many_sites),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_pprof),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
