// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_trace_errors.c - what can go wrong with a trace: calls that
 * are refused, files that take no more, readers that do not read.
 *
 * In every case the program goes on, gort_trace_stop() says what it was, what
 * can be read is whole generations, and the next trace is a good one.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/spin.h"
#include "trace/readback.h"

#define KIB	((size_t)1 << 10)
#define MIB	((size_t)1 << 20)
#define SKIP	77	/* exit status of a child */

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static void nop(void *arg)
{
	(void)arg;
}

/* A trace that works, whatever happened before. */
static void check_good_trace(void)
{
	struct gort_trace_stats st;
	int fd = trace_file();

	CHECK_EQ(gort_trace_start(fd, NULL), 0);
	CHECK_EQ(gort_go(nop, NULL), 0);
	gort_yield();
	CHECK_EQ(gort_trace_stop(), 0);
	gort_trace_read_stats(&st);
	CHECK_EQ(st.generations, 1);
	CHECK_EQ(st.dropped, 0);
	CHECK_EQ(st.bytes, lseek(fd, 0, SEEK_END));
	close(fd);
}

static void wait_until_over(void)
{
	while (gort_trace_enabled())
		gort_yield();
}

/* --- refused --- */

static void check_outside(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_trace_start(1, NULL), -EPERM);
	CHECK_EQ(gort_trace_start(-1, NULL), -EPERM);
	CHECK_EQ(gort_trace_stop(), -EPERM);
}

static void *check_on_thread(void *arg)
{
	check_outside(arg);
	return NULL;
}

static void check_by_thread(void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, check_on_thread, arg), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void check_not_permitted(void *arg)
{
	CHECK_EQ(gort_blocking(check_outside, arg), 0);
	CHECK_EQ(gort_systemstack_call(check_outside, arg), 0);
	CHECK_EQ(gort_blocking(check_by_thread, arg), 0);
	gort_syscall_enter();
	check_outside(arg);
	gort_syscall_exit();
}

static void test_not_permitted(void **state)
{
	(void)state;
	check_outside(NULL);
	run(check_not_permitted, NULL);
	check_outside(NULL);
}

static void check_bad_fds(void *arg)
{
	int closed = dup(1);

	close(closed);
	CHECK_EQ(gort_trace_start(-1, NULL), -EBADF);
	CHECK_EQ(gort_trace_start(closed, NULL), -EBADF);
	CHECK_EQ(gort_trace_start(1 << 20, NULL), -EBADF);
	for (const int *fd = arg; *fd >= 0; fd++)
		CHECK_EQ(gort_trace_start(*fd, NULL), -EBADF);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	check_good_trace();
}

static void test_bad_fd(void **state)
{
	int p[2], fds[] = {
		open("/dev/null", O_RDONLY), open("/", O_RDONLY | O_DIRECTORY),
		open("/dev/null", O_WRONLY | O_PATH), -1, -1,
	};

	(void)state;
	assert_int_equal(pipe(p), 0);
	fds[3] = p[0];
	run(check_bad_fds, fds);
	for (int *fd = fds; *fd >= 0; fd++)
		close(*fd);
	close(p[1]);
}

static void check_bad_options(void *arg)
{
	static const struct gort_trace_opts bad[] = {
		{ .version = 1 }, { .version = 22 }, { .version = 24 },
		{ .version = 25 }, { .version = 27 }, { .version = 123 },
		{ .buffer_limit = 1 }, { .buffer_limit = MIB - 1 },
		{ .version = 23, .buffer_limit = MIB - 1 },
		{ .version = 22, .buffer_limit = MIB },
	};
	static const struct gort_trace_opts good[] = {
		{ .buffer_limit = MIB }, { .buffer_limit = SIZE_MAX },
		{ .version = 26, .buffer_limit = (size_t)64 << 30 },
	};
	int *fd = arg;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_EQ(gort_trace_start(*fd, &bad[i]), -EINVAL);
		CHECK_EQ(gort_trace_enabled(), false);
		CHECK_EQ(gort_trace_stop(), -EINVAL);
	}
	CHECK_EQ(lseek(*fd, 0, SEEK_END), 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK_EQ(gort_trace_start(*fd, &good[i]), 0);
		CHECK_EQ(gort_trace_stop(), 0);
	}
}

static void test_bad_options(void **state)
{
	int fd = trace_file();

	(void)state;
	run(check_bad_options, &fd);
	close(fd);
}

static void check_busy(void *arg)
{
	int *fd = arg;
	off_t before;

	CHECK_EQ(gort_trace_stop(), -EINVAL);
	CHECK_EQ(gort_trace_start(*fd, NULL), 0);
	CHECK_EQ(gort_trace_start(*fd, NULL), -EBUSY);
	CHECK_EQ(gort_trace_start(1, NULL), -EBUSY);
	CHECK_EQ(gort_trace_start(-1, NULL), -EBADF);
	CHECK_EQ(gort_trace_enabled(), true);
	CHECK_EQ(gort_trace_stop(), 0);
	before = lseek(*fd, 0, SEEK_END);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	CHECK_EQ(lseek(*fd, 0, SEEK_END), before);
}

static void test_busy(void **state)
{
	int fd = trace_file();
	struct seen s = { 0 };

	(void)state;
	run(check_busy, &fd);
	readback(fd, 0, &s);
	close(fd);
}

/* errno is never set. */
static void check_errno(void *arg)
{
	int *fd = arg;

	errno = 4711;
	CHECK_EQ(gort_trace_start(-1, NULL), -EBADF);
	CHECK_EQ(errno, 4711);
	CHECK_EQ(gort_trace_start(*fd, NULL), 0);
	CHECK_EQ(errno, 4711);
	gort_trace_logf(0, "x", "%d", 1);
	CHECK_EQ(errno, 4711);
	CHECK_EQ(gort_trace_stop(), 0);
	CHECK_EQ(errno, 4711);
}

static void test_errno(void **state)
{
	int fd = trace_file();

	(void)state;
	run(check_errno, &fd);
	close(fd);
}

/* --- no memory, no threads --- */

/* No more address space than there is and extra bytes; or exit(SKIP). */
static void limit_space(size_t extra)
{
	size_t pages = 0;
	struct rlimit lim;
	FILE *f = fopen("/proc/self/statm", "r");
	void *p;

	CHECK_NE((uintptr_t)f, 0);
	CHECK_EQ(fscanf(f, "%zu", &pages), 1);
	CHECK_EQ(fclose(f), 0);
	CHECK_EQ(getrlimit(RLIMIT_AS, &lim), 0);
	lim.rlim_cur = pages * (size_t)getpagesize() + extra;
	CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
	p = mmap(NULL, extra + MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p != MAP_FAILED)	/* an emulator that does not care */
		_exit(SKIP);
}

static void unlimit_space(void)
{
	struct rlimit lim;

	CHECK_EQ(getrlimit(RLIMIT_AS, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
}

struct limited {
	size_t extra;
	int err;
	int fd;
};

static void start_limited(void *arg)
{
	struct limited *l = arg;

	limit_space(l->extra);
	CHECK_EQ(gort_trace_start(l->fd, NULL), l->err);
	CHECK_EQ(gort_trace_enabled(), false);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	unlimit_space();
	check_good_trace();
}

static void run_limited(void *arg)
{
	/* No thread starts meanwhile, whose memory might be counted. */
	setenv("GORTMAXPROCS", "1", 1);
	CHECK_EQ(gort_run(start_limited, arg), 0);
}

static void skip_if_said(void)
{
	if (WIFEXITED(child_status) && WEXITSTATUS(child_status) == SKIP)
		skip();
	child_expect_exit(0);
}

/* The tables of strings and stacks; the thread that writes. */
static void test_no_memory(void **state)
{
	static const struct limited cases[] = {
		{ 0, -ENOMEM, 0 }, { 200 * KIB, -EAGAIN, 0 },
	};

	(void)state;
	if (mode_sanitized())
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct limited l = cases[i];

		l.fd = trace_file();
		child_run(run_limited, &l);
		skip_if_said();
		assert_int_equal(lseek(l.fd, 0, SEEK_END), 0);
		close(l.fd);
	}
}

/* About n bytes of events, as fast as it goes. */
static void log_bytes(size_t n)
{
	char text[1001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (; n > 1000; n -= 1000)
		gort_trace_log(0, "", text);
}

static void sleep_a_bit(void *arg)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	(void)arg;
	nanosleep(&ts, NULL);
}

/* To be used again by others. */
static void have_a_thread(void *arg)
{
	CHECK_EQ(gort_blocking(sleep_a_bit, NULL), 0);
	gort_waitgroup_done(arg);
}

static void log_without_memory(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	int *fd = arg;

	gort_waitgroup_add(&wg, 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(gort_go(have_a_thread, &wg), 0);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_trace_start(*fd, NULL), 0);
	limit_space(0);
	while (gort_trace_enabled())
		log_bytes(10 * KIB);
	unlimit_space();
	CHECK_EQ(gort_trace_start(*fd, NULL), -EBUSY);
	CHECK_EQ(gort_trace_stop(), -ENOMEM);
	check_good_trace();
}

static void run_without_memory(void *arg)
{
	setenv("GORTMAXPROCS", "1", 1);
	CHECK_EQ(gort_run(log_without_memory, arg), 0);
}

/* Buffers.  A thread that the scheduler wants and does not get is fatal. */
static void test_memory_runs_out(void **state)
{
	int fd = trace_file();

	(void)state;
	if (mode_sanitized())
		skip();
	child_run(run_without_memory, &fd);
	skip_if_said();
	close(fd);
}

/* --- pipes and sockets, and who reads them --- */

struct reader {
	int from;
	int to;			/* a file, of all that came */
	_Atomic int stop;	/* reading, for the time being */
	size_t at_once;
	pthread_t thread;
};

static void *read_along(void *arg)
{
	struct reader *r = arg;
	char buf[64 << 10];
	ssize_t n;

	for (;;) {
		while (atomic_load(&r->stop))
			sched_yield();
		n = read(r->from, buf, r->at_once);
		if (!n)
			return NULL;
		CHECK_LT(0, n);
		CHECK_EQ(write(r->to, buf, (size_t)n), n);
	}
}

struct stream {
	int fd;
	struct reader reader;
	struct gort_trace_stats st;
	uint64_t logs;
};

static void stream_open(struct stream *s, const int fds[2], size_t at_once,
			bool reads)
{
	*s = (struct stream){
		.fd = fds[1],
		.reader = {
			.from = fds[0],
			.to = trace_file(),
			.at_once = at_once,
			.stop = !reads,
		},
	};
	CHECK_EQ(pthread_create(&s->reader.thread, NULL, read_along,
				&s->reader), 0);
}

/* To the end of what was written. */
static void stream_close(struct stream *s)
{
	close(s->fd);
	CHECK_EQ(pthread_join(s->reader.thread, NULL), 0);
	close(s->reader.from);
}

static void log_all(void *arg)
{
	struct stream *s = arg;

	CHECK_EQ(gort_trace_start(s->fd, NULL), 0);
	for (; s->logs < 20000; s->logs++)
		gort_trace_logf(0, "n", "%llu", (unsigned long long)s->logs);
	CHECK_EQ(gort_trace_stop(), 0);
	gort_trace_read_stats(&s->st);
}

static void expect_all_of_it(struct stream *s)
{
	struct seen seen = { 0 };

	readback(s->reader.to, 0, &seen);
	assert_int_equal(seen.logs, s->logs);
	assert_int_equal(seen.size, s->st.bytes);
	assert_int_equal(seen.generations, s->st.generations);
	assert_int_equal(s->st.dropped, 0);
	close(s->reader.to);
}

/* A reader that takes little at a time gets everything. */
static void test_slow_readers(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct stream s;
		int fds[2];

		if (i < 3)
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0,
						    fds), 0);
		else
			assert_int_equal(pipe(fds), 0);
		if (i % 3)
			fcntl(fds[1], F_SETFL, O_NONBLOCK);
		stream_open(&s, fds, i % 3 == 2 ? 500 : 64 * KIB, true);
		run(log_all, &s);
		stream_close(&s);
		expect_all_of_it(&s);
	}
}

/*
 * Beyond the limit, but not twice as much: it ends at once, with a generation
 * that has everything.
 */
static void log_beyond_limit(void *arg)
{
	struct gort_trace_opts opts = { .buffer_limit = MIB };
	struct stream *s = arg;

	CHECK_EQ(gort_trace_start(s->fd, &opts), 0);
	for (; s->logs < 1500; s->logs++)
		log_bytes(KIB);
	wait_until_over();
	CHECK_EQ(gort_trace_start(s->fd, NULL), -EBUSY);
	atomic_store(&s->reader.stop, 0);
	CHECK_EQ(gort_trace_stop(), -ENOBUFS);
	CHECK_EQ(gort_trace_stop(), -EINVAL);
	gort_trace_read_stats(&s->st);
	check_good_trace();
}

static void test_nobody_reads(void **state)
{
	struct seen seen = { 0 };
	struct stream s;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	stream_open(&s, fds, 64 * KIB, false);
	run(log_beyond_limit, &s);
	stream_close(&s);
	readback(s.reader.to, 0, &seen);
	assert_in_range(seen.logs, MIB / 1100, s.logs);
	assert_int_equal(seen.size, s.st.bytes);
	assert_int_equal(seen.generations, 1);
	assert_int_equal(s.st.generations, 1);
	assert_int_equal(s.st.dropped, 0);
	close(s.reader.to);
}

/* Far beyond: the generation is lost, those before it are not. */
static void log_far_beyond_limit(void *arg)
{
	struct gort_trace_opts opts = { .buffer_limit = MIB };
	struct stream *s = arg;

	CHECK_EQ(gort_trace_start(s->fd, &opts), 0);
	do {
		gort_yield();
		gort_trace_read_stats(&s->st);
	} while (s->st.generations < 2);
	atomic_store(&s->reader.stop, 1);
	while (gort_trace_enabled())
		log_bytes(KIB);
	atomic_store(&s->reader.stop, 0);
	CHECK_EQ(gort_trace_stop(), -ENOBUFS);
	gort_trace_read_stats(&s->st);
	check_good_trace();
}

static void stop_reading(void *arg)
{
	struct seen seen = { 0 };
	struct stream s;
	int fds[2];

	(void)arg;
	debug_add("traceadvanceperiod=10000000");
	/* Who ends the trace waits for the P until it is too late. */
	setenv("GORTMAXPROCS", "1", 1);
	CHECK_EQ(pipe(fds), 0);
	stream_open(&s, fds, 64 * KIB, true);
	CHECK_EQ(gort_run(log_far_beyond_limit, &s), 0);
	stream_close(&s);
	trace_read(s.reader.to, TRACEFILE_TAIL, &seen);
	if (seen.status != TRACEFILE_BROKEN_TAIL)	/* not even begun */
		CHECK_EQ(seen.status, TRACEFILE_END);
	CHECK_EQ(seen.generations, s.st.generations);
	CHECK_EQ(seen.size, s.st.bytes);
}

static void test_nobody_reads_any_more(void **state)
{
	(void)state;
	child_run(stop_reading, NULL);
	child_expect_exit(0);
}

/*
 * One generation waits to be written, and more than there is room for of the
 * next, when the reader goes: neither is complete.
 */
static void log_till_it_goes(void *arg)
{
	struct gort_trace_opts opts = { .buffer_limit = MIB };
	struct stream *s = arg;

	CHECK_EQ(gort_trace_start(s->fd, &opts), 0);
	log_bytes(MIB / 2);
	gort_sleep_ns(30000000);
	do {
		log_bytes(KIB);
		gort_trace_read_stats(&s->st);
	} while (gort_trace_enabled() && !s->st.dropped);
	CHECK_EQ(shutdown(s->reader.from, SHUT_RD), 0);
	CHECK_EQ(gort_trace_stop(), -ENOBUFS);
	atomic_store(&s->reader.stop, 0);
	gort_trace_read_stats(&s->st);
	check_good_trace();
}

static void go_while_two_wait(void *arg)
{
	struct seen seen = { 0 };
	struct stream s;
	int fds[2];

	(void)arg;
	debug_add("traceadvanceperiod=10000000");
	setenv("GORTMAXPROCS", "1", 1);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	stream_open(&s, fds, 64 * KIB, false);
	CHECK_EQ(gort_run(log_till_it_goes, &s), 0);
	stream_close(&s);
	trace_read(s.reader.to, TRACEFILE_TAIL, &seen);
	CHECK_EQ(seen.size, s.st.bytes);
	CHECK_EQ(seen.generations, s.st.generations);
}

static void test_two_generations_lost(void **state)
{
	(void)state;
	child_run(go_while_two_wait, NULL);
	child_expect_exit(0);
}

/* --- where nothing can be written --- */

struct hopeless {
	int fd;
	int other;		/* the end that is closed */
	int err;
};

static void log_in_vain(void *arg)
{
	struct gort_trace_stats st;
	struct hopeless *h = arg;

	CHECK_EQ(gort_trace_start(h->fd, NULL), 0);
	if (h->other >= 0)
		close(h->other);
	while (gort_trace_enabled())
		log_bytes(10 * KIB);
	CHECK_EQ(gort_trace_start(2, NULL), -EBUSY);
	gort_trace_read_stats(&st);
	CHECK_EQ(st.generations, 0);
	CHECK_EQ(st.bytes, 0);
	CHECK_EQ(gort_trace_stop(), h->err);
	/* And with nothing but the last generation to be written. */
	CHECK_EQ(gort_trace_start(h->fd, NULL), h->err == -EBADF ? -EBADF : 0);
	CHECK_EQ(gort_trace_stop(), h->err == -EBADF ? -EINVAL : h->err);
	check_good_trace();
}

static void on_signal(int sig)
{
	(void)sig;
	static const char text[] = "a signal came\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

static void run_in_vain(void *arg)
{
	signal(SIGPIPE, on_signal);
	signal(SIGXFSZ, on_signal);
	CHECK_EQ(gort_run(log_in_vain, arg), 0);
}

static void expect_in_vain(int fd, int other, int err)
{
	struct hopeless h = { fd, other, err };

	child_run(run_in_vain, &h);
	child_expect_exit(0);
	child_expect_no_text("signal");
	close(fd);
	if (other >= 0 && other != fd)
		close(other);
}

static void test_disk_full(void **state)
{
	(void)state;
	expect_in_vain(open("/dev/full", O_WRONLY), -1, -ENOSPC);
}

static void test_reader_gone(void **state)
{
	int fds[2];

	(void)state;
	for (int i = 0; i < 4; i++) {
		if (i < 2)
			assert_int_equal(pipe(fds), 0);
		else
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0,
						    fds), 0);
		if (i % 2)
			fcntl(fds[1], F_SETFL, O_NONBLOCK);
		close(fds[0]);
		expect_in_vain(fds[1], -1, -EPIPE);
	}
}

/* The caller should not do that, but it is an error and no more. */
static void test_closed_under_it(void **state)
{
	int fd = trace_file();

	(void)state;
	expect_in_vain(fd, fd, -EBADF);
}

/* --- where something can be written, and then no more --- */

#define ROOM	(400 * KIB)

struct room {
	int fd;
	int err;
	struct gort_trace_stats st;
};

/* Every generation is much smaller than the room that there is. */
static void log_till_full(void *arg)
{
	struct room *r = arg;
	uint64_t n = 0;

	CHECK_EQ(gort_trace_start(r->fd, NULL), 0);
	while (gort_trace_enabled()) {
		gort_trace_read_stats(&r->st);
		if (r->st.generations >= n) {
			n = r->st.generations + 1;
			log_bytes(ROOM / 20);
		}
		gort_sleep_ns(1000000);
	}
	CHECK_EQ(gort_trace_stop(), r->err);
	gort_trace_read_stats(&r->st);
	CHECK_LE(1, r->st.generations);
}

static void run_till_full(struct room *r)
{
	struct seen s = { 0 };

	debug_add("traceadvanceperiod=1000000");
	CHECK_EQ(gort_run(log_till_full, r), 0);
	/* Not a byte of the generation that did not fit. */
	if (!trace_read(r->fd, 0, &s)) {
		dprintf(2, "status %d: %s\n", s.status, s.why);
		_exit(1);
	}
	CHECK_EQ(s.generations, r->st.generations);
	CHECK_LE(s.size, ROOM);
	CHECK_EQ(lseek(r->fd, 0, SEEK_CUR), s.size);
}

static void fill_file_limit(void *arg)
{
	struct room r = { trace_file(), -EFBIG, { 0 } };
	struct rlimit lim = { ROOM, ROOM };

	(void)arg;
	signal(SIGXFSZ, on_signal);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &lim), 0);
	run_till_full(&r);
}

/* SIGXFSZ would kill the program. */
static void test_file_limit(void **state)
{
	(void)state;
	child_run(fill_file_limit, NULL);
	child_expect_exit(0);
	child_expect_no_text("signal");
}

static void fill_disk(void *arg)
{
	struct room r = { .err = -ENOSPC };

	(void)arg;
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "size=400k"))
		_exit(SKIP);
	r.fd = open("/mnt/trace", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK_LE(0, r.fd);
	run_till_full(&r);
}

static void test_small_disk(void **state)
{
	(void)state;
	child_run(fill_disk, NULL);
	skip_if_said();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		/* First, while there are no tables and no stacks to reuse. */
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_not_permitted),
		cmocka_unit_test(test_bad_fd),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_slow_readers),
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_nobody_reads_any_more),
		cmocka_unit_test(test_two_generations_lost),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_closed_under_it),
		cmocka_unit_test(test_file_limit),
		cmocka_unit_test(test_small_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
