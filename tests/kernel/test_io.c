// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_io.c - descriptors: real sockets, pipes, terminals, files.
 *
 * "Waits" is asserted by counting: a goroutine says that it is about to call,
 * and the kernel is asked (by poll(2)) that there is nothing for it; that it
 * is parked is seen by a run on one P, where yielding lets it get there.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "child.h"
#include "kernel/check.h"

#define MiB	((size_t)1 << 20)

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

/* On one P: when this returns the others have got as far as they can. */
static void run_1p(void (*fn)(void *), void *arg)
{
	const char *old = getenv("GORTMAXPROCS");
	char *keep = old ? strdup(old) : NULL;

	setenv("GORTMAXPROCS", "1", 1);
	run(fn, arg);
	if (keep)
		setenv("GORTMAXPROCS", keep, 1);
	else
		unsetenv("GORTMAXPROCS");
	free(keep);
}

static void let_others_run(void)
{
	for (int i = 0; i < 100; i++)
		gort_yield();
}

static struct gort_waitgroup wg;

static void spawn(void (*fn)(void *), void *arg)
{
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(fn, arg), 0);
}

static void done(void)
{
	gort_waitgroup_done(&wg);
}

static void join(void)
{
	gort_waitgroup_wait(&wg);
}

/* --- sockets --- */

static socklen_t loopback(struct sockaddr_in *a, int port)
{
	*a = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return sizeof(*a);
}

static int local_port(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static int tcp_listen(int backlog)
{
	struct sockaddr_in a;
	socklen_t len = loopback(&a, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_LE(0, fd);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, len), 0);
	CHECK_EQ(listen(fd, backlog), 0);
	return fd;
}

static int tcp_connect(int port)
{
	struct sockaddr_in a;
	socklen_t len = loopback(&a, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_LE(0, fd);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

/* Two ends of a TCP connection. */
static void tcp_pair(int fds[2])
{
	int lfd = tcp_listen(1);

	fds[0] = tcp_connect(local_port(lfd));
	fds[1] = gort_accept(lfd, NULL, NULL, SOCK_CLOEXEC);
	CHECK_LE(0, fds[1]);
	CHECK_EQ(gort_close(lfd), 0);
}

static void unix_pair(int fds[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* fds[0] to write, fds[1] to read. */
static void pipe_pair(int fds[2])
{
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	fds[0] = p[1];
	fds[1] = p[0];
}

static void close_pair(const int fds[2])
{
	CHECK_EQ(gort_close(fds[0]), 0);
	CHECK_EQ(gort_close(fds[1]), 0);
}

static void (*const pairs[])(int fds[2]) = { pipe_pair, unix_pair, tcp_pair };

/* --- one byte --- */

struct reader {
	int fd;
	size_t n;		/* most to read */
	ssize_t got;
	bool began, ended;
	char buf[16];
};

static void read_once(void *arg)
{
	struct reader *r = arg;

	r->began = true;
	r->got = gort_read(r->fd, r->buf, r->n ? r->n : sizeof(r->buf));
	r->ended = true;
	done();
}

static void check_blocks_and_wakes(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct reader r = { 0 };
		int fds[2];

		pairs[i](fds);
		r.fd = fds[1];
		errno = 4711;
		spawn(read_once, &r);
		let_others_run();
		CHECK_EQ(r.began, true);
		CHECK_EQ(r.ended, false);
		CHECK_EQ(gort_write(fds[0], "hello", 5), 5);
		join();
		CHECK_EQ(r.got, 5);
		CHECK_EQ(memcmp(r.buf, "hello", 5), 0);
		CHECK_EQ(errno, 4711);
		close_pair(fds);
	}
}

static void test_blocks_and_wakes(void **state)
{
	(void)state;
	run_1p(check_blocks_and_wakes, NULL);
	run(check_blocks_and_wakes, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_and_wakes),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
