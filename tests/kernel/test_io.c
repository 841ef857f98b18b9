// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_io.c - descriptors: real sockets, pipes, terminals, files.
 *
 * That a goroutine waits is seen in what gort_stack_dump() says about it.
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
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
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

/* How many goroutines wait for a descriptor. */
static int waiting(void)
{
	static char dump[1 << 16];
	const char *at = dump;
	int n = 0;

	CHECK_LT(gort_stack_dump(dump, sizeof(dump)), sizeof(dump));
	while ((at = strstr(at, "[IO wait"))) {
		at++;
		n++;
	}
	return n;
}

static void until_waiting(int n)
{
	do {
		for (int i = 0; i < 20; i++)
			gort_yield();
	} while (waiting() < n);
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
	ssize_t got;
	bool ended;
	char buf[16];
};

static void read_once(void *arg)
{
	struct reader *r = arg;

	errno = 4711;
	r->got = gort_read(r->fd, r->buf, sizeof(r->buf));
	CHECK_EQ(errno, 4711);
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
		spawn(read_once, &r);
		until_waiting(1);
		CHECK_EQ(r.ended, false);
		CHECK_EQ(gort_write(fds[0], "hello", 5), 5);
		join();
		CHECK_EQ(r.got, 5);
		CHECK_EQ(memcmp(r.buf, "hello", 5), 0);
		close_pair(fds);
	}
}

static void test_blocks_and_wakes(void **state)
{
	(void)state;
	run_1p(check_blocks_and_wakes, NULL);
	run(check_blocks_and_wakes, NULL);
}

/* --- all of it, both ways --- */

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

struct transfer {
	int fd;
	size_t n, chunk;
	bool vectors;
};

static ssize_t send_some(const struct transfer *t, unsigned char *buf, size_t n)
{
	struct iovec iov[2] = {
		{ buf, n / 3 }, { buf + n / 3, n - n / 3 },
	};

	return t->vectors ? gort_writev(t->fd, iov, 2) :
	       gort_write(t->fd, buf, n);
}

static void send_pattern(void *arg)
{
	struct transfer *t = arg;
	unsigned char *buf = malloc(t->chunk);
	size_t sent = 0;

	while (sent < t->n) {
		size_t n = t->n - sent < t->chunk ? t->n - sent : t->chunk;
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(sent + i);
		r = send_some(t, buf, n);
		CHECK_LT(0, r);
		CHECK_LE(r, n);
		sent += (size_t)r;
	}
	free(buf);
	done();
}

static ssize_t recv_some(const struct transfer *t, unsigned char *buf)
{
	struct iovec iov[2] = {
		{ buf, t->chunk / 3 },
		{ buf + t->chunk / 3, t->chunk - t->chunk / 3 },
	};

	return t->vectors ? gort_readv(t->fd, iov, 2) :
	       gort_read(t->fd, buf, t->chunk);
}

static void recv_pattern(void *arg)
{
	struct transfer *t = arg;
	unsigned char *buf = malloc(t->chunk);
	size_t got = 0;

	while (got < t->n) {
		ssize_t r = recv_some(t, buf);

		CHECK_LT(0, r);
		for (ssize_t i = 0; i < r; i++)
			if (buf[i] != pattern(got + (size_t)i))
				CHECK_EQ(buf[i], pattern(got + (size_t)i));
		got += (size_t)r;
	}
	CHECK_EQ(got, t->n);
	free(buf);
	done();
}

static void transfer(const int fds[2], bool both, bool vectors)
{
	size_t n = (size_t)mode_times(80) * MiB / 10;
	struct transfer t[4] = {
		{ fds[0], n, 100000, vectors }, { fds[1], n, 40000, vectors },
		{ fds[1], n, 30000, vectors }, { fds[0], n, 70000, vectors },
	};

	spawn(send_pattern, &t[0]);
	spawn(recv_pattern, &t[1]);
	if (both) {
		spawn(send_pattern, &t[2]);
		spawn(recv_pattern, &t[3]);
	}
	join();
}

static void check_transfer(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		int fds[2];

		pairs[i](fds);
		transfer(fds, pairs[i] != pipe_pair, false);
		transfer(fds, pairs[i] != pipe_pair, true);
		close_pair(fds);
	}
}

static void test_transfer(void **state)
{
	(void)state;
	run(check_transfer, NULL);
}

static void write_all(void *arg)
{
	struct transfer *t = arg;
	unsigned char *buf = malloc(t->n);

	for (size_t i = 0; i < t->n; i++)
		buf[i] = pattern(i);
	CHECK_EQ(gort_write_all(t->fd, buf, t->n), t->n);
	free(buf);
	done();
}

static void check_write_all(void *arg)
{
	int fds[2];
	struct transfer in, out;

	(void)arg;
	tcp_pair(fds);
	out = (struct transfer){ .fd = fds[0], .n = 3 * MiB };
	in = (struct transfer){ .fd = fds[1], .n = 3 * MiB, .chunk = 9999 };
	spawn(write_all, &out);
	spawn(recv_pattern, &in);
	join();
	CHECK_EQ(gort_write_all(fds[0], NULL, 0), 0);
	CHECK_EQ(gort_close(fds[1]), 0);
	CHECK_EQ(gort_write_all(-1, "x", 1), -EBADF);
	CHECK_EQ(gort_close(fds[0]), 0);
}

static void test_write_all(void **state)
{
	(void)state;
	run(check_write_all, NULL);
}

/* --- the other end --- */

static void check_half_close(void *arg)
{
	char buf[10];
	int fds[2];

	(void)arg;
	for (int i = 1; i < 3; i++) {
		struct reader r = { 0 };

		pairs[i](fds);
		r.fd = fds[1];
		spawn(read_once, &r);
		until_waiting(1);
		CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
		join();
		CHECK_EQ(r.got, 0);
		CHECK_EQ(gort_read(fds[1], buf, 1), 0);
		CHECK_EQ(gort_write(fds[1], "back", 4), 4);
		CHECK_EQ(gort_read(fds[0], buf, sizeof(buf)), 4);
		CHECK_EQ(memcmp(buf, "back", 4), 0);
		CHECK_EQ(gort_write(fds[0], "x", 1), -EPIPE);
		CHECK_EQ(gort_send(fds[0], "x", 1, MSG_NOSIGNAL), -EPIPE);
		close_pair(fds);
	}
	pipe_pair(fds);
	CHECK_EQ(gort_close(fds[1]), 0);
	CHECK_EQ(gort_write(fds[0], "x", 1), -EPIPE);
	CHECK_EQ(gort_close(fds[0]), 0);
}

static void test_half_close(void **state)
{
	(void)state;
	run(check_half_close, NULL);
	run_1p(check_half_close, NULL);
}

static void write_until_error(void *arg)
{
	struct reader *r = arg;
	static char big[65536];

	do {
		r->got = gort_write(r->fd, big, sizeof(big));
	} while (r->got >= 0);
	r->ended = true;
	done();
}

static void check_peer_gone(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct reader w = { 0 };
		int fds[2];

		pairs[i](fds);
		w.fd = fds[0];
		spawn(write_until_error, &w);
		until_waiting(1);
		CHECK_EQ(w.ended, false);
		CHECK_EQ(gort_close(fds[1]), 0);
		join();
		/* A TCP peer with unread data answers by a reset. */
		CHECK_EQ(w.got == -EPIPE || w.got == -ECONNRESET, true);
		CHECK_EQ(gort_close(fds[0]), 0);
	}
}

static void test_peer_gone(void **state)
{
	(void)state;
	run_1p(check_peer_gone, NULL);
}

/* --- connecting --- */

static void check_connect(void *arg)
{
	struct sockaddr_in a;
	socklen_t len;
	int lfd = tcp_listen(1), port = local_port(lfd), fd;

	(void)arg;
	fd = tcp_connect(port);
	len = loopback(&a, port);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), -EISCONN);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, 1), -EINVAL);
	CHECK_EQ(gort_close(fd), 0);
	CHECK_EQ(gort_close(lfd), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), -ECONNREFUSED);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), -ECONNREFUSED);
	CHECK_EQ(gort_close(fd), 0);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), -EBADF);
}

static void test_connect(void **state)
{
	(void)state;
	run(check_connect, NULL);
}

struct connector {
	int fd, port, err;
	bool ended;
};

static void connect_once(void *arg)
{
	struct connector *c = arg;
	struct sockaddr_in a;
	socklen_t len = loopback(&a, c->port);

	c->err = gort_connect(c->fd, (struct sockaddr *)&a, len);
	c->ended = true;
	done();
}

#define FULL	2

/* The listener's queue takes one; the other waits. */
static void fill_backlog(struct connector *c, int lfd)
{
	struct pollfd p = { .fd = lfd, .events = POLLIN };

	for (int i = 0; i < FULL; i++) {
		c[i] = (struct connector){ .port = local_port(lfd) };
		c[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK_LE(0, c[i].fd);
	}
	spawn(connect_once, &c[0]);
	join();
	CHECK_EQ(c[0].err, 0);
	CHECK_EQ(gort_poll(&p, 1, -1), 1);
	spawn(connect_once, &c[1]);
	until_waiting(1);
	CHECK_EQ(c[1].ended, false);
}

static void close_connectors(const struct connector *c)
{
	for (int i = 0; i < FULL; i++)
		CHECK_EQ(gort_close(c[i].fd), 0);
}

/* Its SYN is dropped; the next one, a second later, is not. */
static void check_connect_waits(void *arg)
{
	int lfd = tcp_listen(0), fd;
	struct connector c[FULL], again;

	(void)arg;
	fill_backlog(c, lfd);
	/* And another one for the same socket. */
	again = c[1];
	spawn(connect_once, &again);
	until_waiting(2);
	fd = gort_accept(lfd, NULL, NULL, 0);
	CHECK_LE(0, fd);
	CHECK_EQ(gort_close(fd), 0);
	join();
	CHECK_EQ(c[1].err, 0);
	CHECK_EQ(again.err, 0);
	close_connectors(c);
	CHECK_EQ(gort_close(lfd), 0);
}

static void test_connect_waits(void **state)
{
	(void)state;
	run_1p(check_connect_waits, NULL);
}

static socklen_t unix_address(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* Abstract: no file to remove. */
	return (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
	       (socklen_t)snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1,
				   "gort-test-io-%d-%s", (int)getpid(), name);
}

static void check_unix_connect(void *arg)
{
	struct sockaddr_un a;
	socklen_t len = unix_address(&a, "listener");
	int lfd = socket(AF_UNIX, SOCK_STREAM, 0), fd[4], n;

	(void)arg;
	fd[3] = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(gort_connect(fd[3], (struct sockaddr *)&a, len),
		 -ECONNREFUSED);
	CHECK_EQ(bind(lfd, (struct sockaddr *)&a, len), 0);
	CHECK_EQ(listen(lfd, 0), 0);
	for (n = 0; n < 3; n++) {
		int err;

		fd[n] = socket(AF_UNIX, SOCK_STREAM, 0);
		err = gort_connect(fd[n], (struct sockaddr *)&a, len);
		if (err) {
			CHECK_EQ(err, -EAGAIN);
			break;
		}
	}
	/* One more than the backlog, and no waiting. */
	CHECK_EQ(n, 1);
	CHECK_EQ(gort_close(fd[0]), 0);
	CHECK_EQ(gort_close(fd[1]), 0);
	CHECK_EQ(gort_close(fd[3]), 0);
	CHECK_EQ(gort_close(lfd), 0);
}

static void test_unix_connect(void **state)
{
	(void)state;
	run(check_unix_connect, NULL);
}

/* --- accepting --- */

struct acceptor {
	int lfd;
	_Atomic int accepted, flags_seen;
	atomic_int last;		/* what ended it */
};

static void accept_all(void *arg)
{
	struct acceptor *a = arg;
	int fd;

	for (;;) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);

		fd = gort_accept(a->lfd, (struct sockaddr *)&peer, &len,
				 SOCK_CLOEXEC);
		if (fd < 0)
			break;
		CHECK_EQ(len, sizeof(peer));
		CHECK_EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
		atomic_fetch_add(&a->accepted, 1);
		CHECK_EQ(gort_write(fd, &peer.sin_port, 2), 2);
		CHECK_EQ(gort_close(fd), 0);
	}
	a->last = fd;
	done();
}

static void connect_and_read(void *arg)
{
	int fd = tcp_connect(*(int *)arg);
	uint16_t port;

	CHECK_EQ(gort_read(fd, &port, 2), 2);
	CHECK_EQ(ntohs(port), local_port(fd));
	CHECK_EQ(gort_read(fd, &port, 2), 0);
	CHECK_EQ(gort_close(fd), 0);
	done();
}

static void check_accept_many(void *arg)
{
	struct acceptor a = { .lfd = tcp_listen(128) };
	int n = mode_times(500), port = local_port(a.lfd);

	(void)arg;
	for (int i = 0; i < n; i += 50) {
		for (int k = i; k < n && k < i + 50; k++)
			spawn(connect_and_read, &port);
		if (!i)
			for (int k = 0; k < 3; k++)
				CHECK_EQ(gort_go(accept_all, &a), 0);
		join();
	}
	CHECK_EQ(atomic_load(&a.accepted), n);
	gort_waitgroup_add(&wg, 3);
	CHECK_EQ(gort_close(a.lfd), 0);
	join();
	CHECK_EQ(a.last == -ECANCELED || a.last == -EBADF, true);
	CHECK_EQ(atomic_load(&a.accepted), n);
}

static void test_accept_many(void **state)
{
	(void)state;
	run(check_accept_many, NULL);
}

/* --- closing --- */

struct canceled {
	int fd;
	ssize_t ret;
	bool ended;
};

static void canceled_read(void *arg)
{
	struct canceled *c = arg;
	char b;

	c->ret = gort_read(c->fd, &b, 1);
	c->ended = true;
	done();
}

static void canceled_write(void *arg)
{
	struct canceled *c = arg;
	static char big[65536];

	do {
		c->ret = gort_write(c->fd, big, sizeof(big));
	} while (c->ret >= 0);
	c->ended = true;
	done();
}

static void canceled_accept(void *arg)
{
	struct canceled *c = arg;

	c->ret = gort_accept(c->fd, NULL, NULL, 0);
	c->ended = true;
	done();
}

static void canceled_poll(void *arg)
{
	struct canceled *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	c->ret = gort_poll(&p, 1, -1);
	c->ended = true;
	done();
}

static void cancel(void (*fn)(void *), int fd, int n)
{
	struct canceled c[3];

	for (int i = 0; i < n; i++) {
		c[i] = (struct canceled){ .fd = fd };
		spawn(fn, &c[i]);
	}
	until_waiting(n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(c[i].ended, false);
	CHECK_EQ(gort_close(fd), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	join();
	for (int i = 0; i < n; i++)
		CHECK_EQ(c[i].ret, -ECANCELED);
	CHECK_EQ(gort_close(fd), -EBADF);
}

static void check_cancel(void *arg)
{
	int fds[2];

	(void)arg;
	for (int n = 1; n <= 3; n++) {
		for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
			pairs[i](fds);
			cancel(canceled_read, fds[1], n);
			CHECK_EQ(gort_close(fds[0]), 0);
			pairs[i](fds);
			cancel(canceled_write, fds[0], n);
			CHECK_EQ(gort_close(fds[1]), 0);
			pairs[i](fds);
			cancel(canceled_poll, fds[1], n);
			CHECK_EQ(gort_close(fds[0]), 0);
		}
		cancel(canceled_accept, tcp_listen(1), n);
	}
}

static void test_cancel(void **state)
{
	(void)state;
	run_1p(check_cancel, NULL);
}

static void check_cancel_connect(void *arg)
{
	int lfd = tcp_listen(0);
	struct connector c[FULL];

	(void)arg;
	fill_backlog(c, lfd);
	close_connectors(c);
	join();
	CHECK_EQ(c[1].err, -ECANCELED);
	CHECK_EQ(gort_close(lfd), 0);
}

static void test_cancel_connect(void **state)
{
	(void)state;
	run_1p(check_cancel_connect, NULL);
}

/* Whatever the moment: data, then the end, or the call comes too late. */
static void read_to_end(void *arg)
{
	struct canceled *c = arg;
	char b;

	while ((c->ret = gort_read(c->fd, &b, 1)) == 1)
		;
	done();
}

static void check_close_races(void *arg)
{
	int n = mode_times(3000);

	(void)arg;
	for (int i = 0; i < n; i++) {
		struct canceled c[2];
		int fds[2];

		unix_pair(fds);
		c[0] = c[1] = (struct canceled){ .fd = fds[1] };
		spawn(read_to_end, &c[0]);
		spawn(read_to_end, &c[1]);
		CHECK_EQ(gort_write(fds[0], "xyz", 3), 3);
		for (int k = 0; k < i % 7; k++)
			gort_yield();
		CHECK_EQ(gort_close(fds[1]), 0);
		join();
		for (int k = 0; k < 2; k++)
			CHECK_EQ(c[k].ret == -ECANCELED || c[k].ret == -EBADF,
				 true);
		CHECK_EQ(gort_close(fds[0]), 0);
	}
}

static void test_close_races(void **state)
{
	(void)state;
	run(check_close_races, NULL);
}

static _Atomic int closed_ok;

static void close_it(void *arg)
{
	int err = gort_close(*(int *)arg);

	CHECK_EQ(err == 0 || err == -EBADF, true);
	if (!err)
		atomic_fetch_add(&closed_ok, 1);
	done();
}

/* One of them does it. */
static void check_close_twice(void *arg)
{
	int n = mode_times(3000), fds[2];

	(void)arg;
	for (int i = 0; i < n; i++) {
		pipe_pair(fds);
		if (i % 2)
			CHECK_EQ(gort_write(fds[0], "x", 1), 1);
		atomic_store(&closed_ok, 0);
		for (int k = 0; k < 3; k++)
			spawn(close_it, &fds[0]);
		join();
		CHECK_EQ(atomic_load(&closed_ok), 1);
		CHECK_EQ(gort_close(fds[1]), 0);
	}
}

static void test_close_twice(void **state)
{
	(void)state;
	run(check_close_twice, NULL);
}

/* --- deadlines --- */

#define MSEC	INT64_C(1000000)
#define LONG	(50000 * MSEC)	/* past the runner's patience */

static void check_deadline(void *arg)
{
	int fds[2];
	char b;

	(void)arg;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		int64_t start;
		struct canceled w;

		pairs[i](fds);
		/* Blocked when it comes. */
		start = gort_now_ns();
		CHECK_EQ(gort_set_deadline(fds[1], start + 5 * MSEC, -1), 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		CHECK_LE(start + 5 * MSEC, gort_now_ns());
		/* It stays, whatever there is. */
		CHECK_EQ(gort_write(fds[0], "x", 1), 1);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		/* Cleared. */
		CHECK_EQ(gort_set_deadline(fds[1], 0, 0), 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), 1);
		/* In the past. */
		CHECK_EQ(gort_write(fds[0], "x", 1), 1);
		CHECK_EQ(gort_set_deadline(fds[1], 1, -1), 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		/* Extended, from the past and from the future. */
		CHECK_EQ(gort_set_deadline(fds[1], start + LONG, -1), 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), 1);
		CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + MSEC, -1),
			 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		/* Moved on, twice: it comes at the last time, not before. */
		start = gort_now_ns();
		for (int ms = 1; ms <= 9; ms += 4)
			CHECK_EQ(gort_set_deadline(fds[1], start + ms * MSEC,
						   -1), 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		CHECK_LE(start + 9 * MSEC, gort_now_ns());
		/* And back. */
		CHECK_EQ(gort_set_deadline(fds[1], start + LONG, -1), 0);
		CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + MSEC, -1),
			 0);
		CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
		/* The other direction. */
		w = (struct canceled){ .fd = fds[0] };
		CHECK_EQ(gort_set_deadline(fds[0], -1,
					   gort_now_ns() + 5 * MSEC), 0);
		spawn(canceled_write, &w);
		join();
		CHECK_EQ(w.ret, -ETIMEDOUT);
		/* A new descriptor with the number has none. */
		close_pair(fds);
	}
}

static void test_deadline(void **state)
{
	(void)state;
	run(check_deadline, NULL);
	run_1p(check_deadline, NULL);
}

static void check_deadline_while_blocked(void *arg)
{
	struct canceled c[3];
	int fds[2];

	(void)arg;
	unix_pair(fds);
	for (int i = 0; i < 3; i++) {
		c[i] = (struct canceled){ .fd = fds[1] };
		spawn(canceled_read, &c[i]);
	}
	until_waiting(3);
	CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + LONG, 0), 0);
	until_waiting(3);
	CHECK_EQ(c[0].ended || c[1].ended || c[2].ended, false);
	/* Earlier than what is set. */
	CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + 3 * MSEC, 0), 0);
	join();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(c[i].ret, -ETIMEDOUT);
	/* At once, while blocked. */
	CHECK_EQ(gort_set_deadline(fds[1], 0, 0), 0);
	c[0] = (struct canceled){ .fd = fds[1] };
	spawn(canceled_read, &c[0]);
	until_waiting(1);
	CHECK_EQ(c[0].ended, false);
	CHECK_EQ(gort_set_deadline(fds[1], 1, 1), 0);
	join();
	CHECK_EQ(c[0].ret, -ETIMEDOUT);
	/* A deadline that is taken back wakes nobody. */
	CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + 2 * MSEC, 0), 0);
	CHECK_EQ(gort_set_deadline(fds[1], 0, 0), 0);
	c[0] = (struct canceled){ .fd = fds[1] };
	spawn(canceled_read, &c[0]);
	gort_sleep_ns(4 * MSEC);
	until_waiting(1);
	CHECK_EQ(c[0].ended, false);
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);
	join();
	CHECK_EQ(c[0].ret, 1);
	/* Nor does it outlive the descriptor. */
	CHECK_EQ(gort_set_deadline(fds[1], 1, 1), 0);
	close_pair(fds);
	unix_pair(fds);
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);
	CHECK_EQ(gort_write(fds[1], "x", 1), 1);
	close_pair(fds);
}

static void test_deadline_while_blocked(void **state)
{
	(void)state;
	run_1p(check_deadline_while_blocked, NULL);
}

static void check_deadline_others(void *arg)
{
	int lfd = tcp_listen(0), fd = open("/dev/null", O_RDWR), err;
	struct connector c[FULL];
	struct sockaddr_in a;
	socklen_t len;

	(void)arg;
	CHECK_EQ(gort_set_deadline(lfd, gort_now_ns() + 2 * MSEC, 0), 0);
	CHECK_EQ(gort_accept(lfd, NULL, NULL, 0), -ETIMEDOUT);
	fill_backlog(c, lfd);
	CHECK_EQ(gort_set_deadline(c[1].fd, -1, gort_now_ns() + 2 * MSEC), 0);
	join();
	CHECK_EQ(c[1].err, -ETIMEDOUT);
	len = loopback(&a, local_port(lfd));
	err = gort_connect(c[1].fd, (struct sockaddr *)&a, len);
	CHECK_EQ(err, -ETIMEDOUT);
	close_connectors(c);
	CHECK_EQ(gort_close(lfd), 0);
	CHECK_EQ(gort_set_deadline(lfd, 0, 0), -EBADF);
	/* The poller takes no such device. */
	CHECK_EQ(gort_set_deadline(fd, 1, 1), -EOPNOTSUPP);
	CHECK_EQ(gort_close(fd), 0);
}

static void test_deadline_others(void **state)
{
	(void)state;
	run_1p(check_deadline_others, NULL);
}

struct setter {
	int fd;
	int64_t when;
};

static void set_many(void *arg)
{
	struct setter *s = arg;
	int n = mode_times(2000);

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_set_deadline(s->fd, i % 2 ? s->when :
					   gort_now_ns() + i % 50 * 1000, 0),
			 0);
	CHECK_EQ(gort_set_deadline(s->fd, s->when, 0), 0);
	done();
}

/* Several set deadlines at the same time: the last ones are far away. */
static void check_setters(void *arg)
{
	struct setter s[3];
	int fds[2];
	char b;

	(void)arg;
	unix_pair(fds);
	for (int i = 0; i < 3; i++) {
		s[i].fd = fds[1];
		s[i].when = gort_now_ns() + LONG + i;
		spawn(set_many, &s[i]);
	}
	join();
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);
	CHECK_EQ(gort_read(fds[1], &b, 1), 1);
	CHECK_EQ(gort_set_deadline(fds[1], gort_now_ns() + MSEC, 0), 0);
	CHECK_EQ(gort_read(fds[1], &b, 1), -ETIMEDOUT);
	close_pair(fds);
}

static void test_setters(void **state)
{
	(void)state;
	run(check_setters, NULL);
}

/* --- gort_poll --- */

static void write_x(void *arg)
{
	CHECK_EQ(gort_write(*(int *)arg, "x", 1), 1);
	done();
}

/* What was in the frames of the calls before. */
static __attribute__((noinline)) void clobber(void)
{
	volatile unsigned char junk[16384];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = 0;
}

static void check_poll(void *arg)
{
	struct pollfd p[GORT_POLL_MAX + 1];
	int a[2], b[2];
	int64_t start;
	char c;

	(void)arg;
	pipe_pair(a);
	pipe_pair(b);
	p[0] = (struct pollfd){ .fd = a[1], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = b[1], .events = POLLIN };
	p[2] = (struct pollfd){ .fd = -7, .events = POLLIN };
	CHECK_EQ(gort_poll(p, 3, 0), 0);
	start = gort_now_ns();
	CHECK_EQ(gort_poll(p, 3, 3 * MSEC), 0);
	CHECK_LE(start + 3 * MSEC, gort_now_ns());
	CHECK_EQ(gort_poll(NULL, 0, MSEC), 0);
	CHECK_EQ(gort_write(b[0], "x", 1), 1);
	CHECK_EQ(gort_poll(p, 3, -1), 1);
	CHECK_EQ(p[0].revents, 0);
	CHECK_EQ(p[1].revents, POLLIN);
	CHECK_EQ(p[2].revents, 0);
	/* Levels, not edges: still there. */
	CHECK_EQ(gort_poll(p, 3, -1), 1);
	CHECK_EQ(gort_read(b[1], &c, 1), 1);
	CHECK_EQ(gort_poll(p, 3, 0), 0);
	p[2] = (struct pollfd){ .fd = a[0], .events = POLLOUT };
	CHECK_EQ(gort_poll(p, 3, -1), 1);
	CHECK_EQ(p[2].revents, POLLOUT);
	/* Hangup and error come unasked. */
	p[2].events = 0;
	CHECK_EQ(gort_close(b[0]), 0);
	p[1].events = 0;
	CHECK_EQ(gort_poll(p, 3, -1), 1);
	CHECK_EQ(p[1].revents, POLLHUP);
	/* The same one twice, and one that is not open. */
	p[1] = p[0];
	CHECK_EQ(gort_poll(p, 2, MSEC), 0);
	p[1].fd = b[0];
	CHECK_EQ(gort_poll(p, 2, -1), 1);
	CHECK_EQ(p[1].revents, POLLNVAL);
	CHECK_EQ(gort_poll(p, GORT_POLL_MAX + 1, 0), -EINVAL);
	CHECK_EQ(gort_poll(NULL, 1, 0), -EINVAL);
	for (int i = 0; i < GORT_POLL_MAX; i++)
		p[i] = (struct pollfd){ .fd = a[1], .events = POLLIN };
	CHECK_EQ(gort_write(a[0], "x", 1), 1);
	CHECK_EQ(gort_poll(p, GORT_POLL_MAX, -1), GORT_POLL_MAX);
	/* Woken before the timeout, which then comes to nothing. */
	CHECK_EQ(gort_read(a[1], &c, 1), 1);
	spawn(write_x, &a[0]);
	CHECK_EQ(gort_poll(p, 1, 5 * MSEC), 1);
	join();
	clobber();
	gort_sleep_ns(10 * MSEC);
	CHECK_EQ(gort_close(b[1]), 0);
	close_pair(a);
}

static void test_poll(void **state)
{
	(void)state;
	run(check_poll, NULL);
}

#define WIDTH	5

struct poller {
	int fds[WIDTH][2];
	_Atomic int writes;
	int total;
};

static void write_around(void *arg)
{
	struct poller *p = arg;
	int n;

	while ((n = atomic_fetch_add(&p->writes, 1)) < p->total) {
		CHECK_EQ(gort_write(p->fds[n % WIDTH][0], "x", 1), 1);
		if (n % 3 == 0)
			gort_yield();
	}
	done();
}

static int read_ready(struct poller *p, struct pollfd *q)
{
	char buf[100];
	int got = 0;

	for (int i = 0; i < WIDTH; i++) {
		ssize_t r;

		if (!q[i].revents)
			continue;
		CHECK_EQ(q[i].revents, POLLIN);
		r = gort_read(p->fds[i][1], buf, sizeof(buf));
		CHECK_LT(0, r);
		got += (int)r;
	}
	return got;
}

/* Nothing written is missed, with and without a timeout close by. */
static void check_poll_many(void *arg)
{
	struct poller p = { .total = mode_times(20000) };
	struct pollfd q[WIDTH];
	int got = 0;

	(void)arg;
	for (int i = 0; i < WIDTH; i++) {
		unix_pair(p.fds[i]);
		q[i] = (struct pollfd){ .fd = p.fds[i][1], .events = POLLIN };
	}
	spawn(write_around, &p);
	spawn(write_around, &p);
	while (got < p.total) {
		int r = gort_poll(q, WIDTH, got % 2 ? -1 : got % 5 * 1000);

		CHECK_LE(0, r);
		if (r)
			got += read_ready(&p, q);
	}
	join();
	CHECK_EQ(got, p.total);
	for (int i = 0; i < WIDTH; i++)
		close_pair(p.fds[i]);
}

static void test_poll_many(void **state)
{
	(void)state;
	run(check_poll_many, NULL);
}

/* --- what is not open, and other contexts --- */

static void all_calls(int fd, int want)
{
	struct msghdr msg = { 0 };
	struct iovec iov = { 0 };
	struct sockaddr_in a;
	socklen_t len = loopback(&a, 1);
	char b;

	errno = 4711;
	CHECK_EQ(gort_read(fd, &b, 1), want);
	CHECK_EQ(gort_readv(fd, &iov, 1), want);
	CHECK_EQ(gort_write(fd, &b, 1), want);
	CHECK_EQ(gort_writev(fd, &iov, 1), want);
	CHECK_EQ(gort_write_all(fd, &b, 1), want);
	CHECK_EQ(gort_recv(fd, &b, 1, 0), want);
	CHECK_EQ(gort_send(fd, &b, 1, 0), want);
	CHECK_EQ(gort_recvmsg(fd, &msg, 0), want);
	CHECK_EQ(gort_sendmsg(fd, &msg, 0), want);
	CHECK_EQ(gort_accept(fd, NULL, NULL, 0), want);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, len), want);
	CHECK_EQ(gort_set_deadline(fd, 0, 0), want);
	CHECK_EQ(errno, 4711);
}

static void all_calls_outside(void *arg)
{
	struct pollfd p = { .fd = 0 };

	(void)arg;
	all_calls(0, -EPERM);
	CHECK_EQ(gort_poll(&p, 1, 0), -EPERM);
	CHECK_EQ(gort_close(0), -EPERM);
}

static void check_bad(void *arg)
{
	int fds[2];
	char b;

	(void)arg;
	all_calls(-1, -EBADF);
	all_calls(INT32_MIN, -EBADF);
	all_calls(1 << 24, -EMFILE);
	all_calls(INT32_MAX, -EMFILE);
	CHECK_EQ(gort_close(-1), -EBADF);
	CHECK_EQ(gort_close(INT32_MAX), -EBADF);
	pipe_pair(fds);
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);	/* starts the poller */
	close_pair(fds);
	all_calls(fds[0], -EBADF);
	CHECK_EQ(gort_close(fds[0]), -EBADF);
	CHECK_EQ(gort_systemstack_call(all_calls_outside, NULL), 0);
	gort_syscall_enter();
	all_calls_outside(NULL);
	gort_syscall_exit();
	pipe_pair(fds);
	CHECK_EQ(gort_read(fds[0], &b, 1), -EBADF);	/* for writing */
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);
	CHECK_EQ(gort_read(fds[1], NULL, 1), -EFAULT);
	CHECK_EQ(gort_send(fds[0], "x", 1, 0), -ENOTSOCK);
	close_pair(fds);
}

static void test_bad(void **state)
{
	(void)state;
	all_calls_outside(NULL);
	run(check_bad, NULL);
}

/* No descriptor is left for the poller itself. */
static void check_no_descriptors(void *arg)
{
	struct rlimit old, low;
	int fds[2];
	char b;

	(void)arg;
	unix_pair(fds);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)fds[1] + 1;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
	CHECK_EQ(gort_read(fds[1], &b, 1), -EMFILE);
	low.rlim_cur++;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
	CHECK_EQ(gort_read(fds[1], &b, 1), -EMFILE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK_EQ(gort_write(fds[0], "x", 1), 1);
	CHECK_EQ(gort_read(fds[1], &b, 1), 1);
	close_pair(fds);
}

static void test_no_descriptors(void **state)
{
	(void)state;
	/* The emulator does not enforce it. */
	if (mode_emulated())
		skip();
	run(check_no_descriptors, NULL);
}

/* --- numbers used again --- */

static void close_plainly(const int fds[2])
{
	CHECK_EQ(close(fds[0]), 0);
	CHECK_EQ(close(fds[1]), 0);
}

/* Non-blocking, as after accept4() or pipe2() with the flag. */
static void fresh_pair(int kind, int fds[2])
{
	pairs[kind](fds);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(fcntl(fds[i], F_SETFL,
			       fcntl(fds[i], F_GETFL) | O_NONBLOCK), 0);
}

static void use_once(const int fds[2])
{
	struct reader r = { .fd = fds[1] };

	spawn(read_once, &r);
	until_waiting(1);
	CHECK_EQ(r.ended, false);
	CHECK_EQ(gort_write(fds[0], "hello", 5), 5);
	join();
	CHECK_EQ(r.got, 5);
}

static void check_reuse(void *arg)
{
	bool plain = *(bool *)arg;
	int n = plain ? 3 : mode_times(300), before[2] = { 0 }, fds[2];

	for (int i = 0; i < n; i++) {
		fresh_pair(i % 2, fds);
		if (i)
			CHECK_EQ(fds[0] + fds[1], before[0] + before[1]);
		memcpy(before, fds, sizeof(fds));
		use_once(fds);
		if (plain)
			close_plainly(fds);
		else
			close_pair(fds);
	}
}

static void test_reuse(void **state)
{
	bool plain = false;

	(void)state;
	run_1p(check_reuse, &plain);
	plain = true;
	run_1p(check_reuse, &plain);
}

/* The old file lives on in a duplicate, registered under the number. */
static void check_duplicate(void *arg)
{
	int a[2], b[2], copy;
	char c;

	(void)arg;
	unix_pair(a);
	copy = dup(a[1]);
	use_once(a);
	CHECK_EQ(close(a[1]), 0);
	b[1] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	CHECK_EQ(b[1], a[1]);
	CHECK_EQ(gort_recv(b[1], &c, 1, MSG_DONTWAIT), -EAGAIN);
	CHECK_EQ(gort_close(b[1]), 0);
	/* And back: it is registered already. */
	CHECK_EQ(dup2(copy, a[1]), a[1]);
	use_once(a);
	CHECK_EQ(gort_close(a[1]), 0);
	a[1] = copy;
	use_once(a);
	close_pair(a);
}

static void test_duplicate(void **state)
{
	(void)state;
	run_1p(check_duplicate, NULL);
}

/* A regular file after a pipe, and the other way round. */
static void check_reuse_kinds(void *arg)
{
	int fd, fds[2], other;
	char b;

	(void)arg;
	fd = open("/dev/null", O_RDWR);
	CHECK_EQ(gort_read(fd, &b, 1), 0);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(pipe2(fds, O_NONBLOCK), 0);
	CHECK_EQ(fds[0], fd);
	other = fds[0];
	fds[0] = fds[1];
	fds[1] = other;
	use_once(fds);
	close_plainly(fds);
	fd = open("/dev/null", O_RDWR);
	CHECK_EQ(fd, fds[1]);
	CHECK_EQ(gort_read(fd, &b, 1), 0);
	CHECK_EQ(gort_close(fd), 0);
}

static void test_reuse_kinds(void **state)
{
	(void)state;
	run_1p(check_reuse_kinds, NULL);
}

/* --- other kinds --- */

static void check_regular(void *arg)
{
	char path[] = "/tmp/gort-test-io-XXXXXX", buf[10];
	int fd = mkstemp(path);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	(void)arg;
	CHECK_LE(0, fd);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(gort_write(fd, "0123456789", 10), 10);
	CHECK_EQ(gort_read(fd, buf, 10), 0);
	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK_EQ(gort_read(fd, buf, 10), 7);
	CHECK_EQ(memcmp(buf, "3456789", 7), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(gort_poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	CHECK_EQ(gort_set_deadline(fd, 1, 1), -EOPNOTSUPP);
	CHECK_EQ(gort_accept(fd, NULL, NULL, 0), -ENOTSOCK);
	CHECK_EQ(gort_close(fd), 0);
}

static void test_regular(void **state)
{
	(void)state;
	run(check_regular, NULL);
}

static void check_eventfd(void *arg)
{
	struct reader r = { .fd = eventfd(0, 0) };
	uint64_t n = 42;

	(void)arg;
	spawn(read_once, &r);
	until_waiting(1);
	CHECK_EQ(r.ended, false);
	CHECK_EQ(gort_write(r.fd, &n, sizeof(n)), sizeof(n));
	join();
	CHECK_EQ(r.got, sizeof(n));
	memcpy(&n, r.buf, sizeof(n));
	CHECK_EQ(n, 42);
	CHECK_EQ(gort_close(r.fd), 0);
}

static void test_eventfd(void **state)
{
	(void)state;
	run_1p(check_eventfd, NULL);
}

static void check_pty(void *arg)
{
	int fds[2] = { posix_openpt(O_RDWR | O_NOCTTY), -1 };
	struct reader r = { 0 };
	struct termios raw;

	(void)arg;
	CHECK_LE(0, fds[0]);
	CHECK_EQ(grantpt(fds[0]), 0);
	CHECK_EQ(unlockpt(fds[0]), 0);
	fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY);
	CHECK_LE(0, fds[1]);
	CHECK_EQ(tcgetattr(fds[1], &raw), 0);
	cfmakeraw(&raw);
	CHECK_EQ(tcsetattr(fds[1], TCSANOW, &raw), 0);
	r.fd = fds[1];
	spawn(read_once, &r);
	until_waiting(1);
	CHECK_EQ(r.ended, false);
	CHECK_EQ(gort_write(fds[0], "keys", 4), 4);
	join();
	CHECK_EQ(r.got, 4);
	CHECK_EQ(memcmp(r.buf, "keys", 4), 0);
	/* The other way, until the end. */
	r = (struct reader){ .fd = fds[0] };
	spawn(read_once, &r);
	CHECK_EQ(gort_write(fds[1], "shown", 5), 5);
	join();
	CHECK_EQ(r.got, 5);
	CHECK_EQ(gort_close(fds[1]), 0);
	CHECK_EQ(gort_read(fds[0], r.buf, 1), -EIO);
	CHECK_EQ(gort_close(fds[0]), 0);
}

static void test_pty(void **state)
{
	(void)state;
	run_1p(check_pty, NULL);
}

struct datagrams {
	int fd, n;
};

static void recv_datagrams(void *arg)
{
	struct datagrams *d = arg;

	for (int i = 0; i < d->n; i++) {
		struct sockaddr_in from;
		struct iovec iov[2];
		int head, tail;
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = iov, .msg_iovlen = 2,
		};

		iov[0] = (struct iovec){ &head, sizeof(head) };
		iov[1] = (struct iovec){ &tail, sizeof(tail) };
		CHECK_EQ(gort_recvmsg(d->fd, &msg, 0), 8);
		CHECK_EQ(head, i);
		CHECK_EQ(tail, ~i);
		/* Send it back, from where it came. */
		CHECK_EQ(gort_sendmsg(d->fd, &msg, 0), 8);
	}
	done();
}

static int udp_socket(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = loopback(a, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)a, len), 0);
	loopback(a, local_port(fd));
	return fd;
}

static void check_udp(void *arg)
{
	struct sockaddr_in a, b;
	struct datagrams d = { .n = mode_times(300) };
	int fd, msg[2];

	(void)arg;
	d.fd = udp_socket(&a);
	fd = udp_socket(&b);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	spawn(recv_datagrams, &d);
	for (int i = 0; i < d.n; i++) {
		int out[2] = { i, ~i };

		CHECK_EQ(gort_send(fd, out, sizeof(out), 0), 8);
		CHECK_EQ(gort_recv(fd, msg, sizeof(msg), 0), 8);
		CHECK_EQ(msg[0], i);
		CHECK_EQ(msg[1], ~i);
	}
	join();
	CHECK_EQ(gort_recv(fd, msg, sizeof(msg), MSG_DONTWAIT), -EAGAIN);
	CHECK_EQ(gort_set_deadline(fd, gort_now_ns() + MSEC, 0), 0);
	CHECK_EQ(gort_recv(fd, msg, sizeof(msg), 0), -ETIMEDOUT);
	CHECK_EQ(gort_close(fd), 0);
	CHECK_EQ(gort_close(d.fd), 0);
}

static void test_udp(void **state)
{
	(void)state;
	run(check_udp, NULL);
}

/* --- many --- */

struct shared {
	int fd;
	_Atomic long bytes;
};

static void read_share(void *arg)
{
	struct shared *s = arg;
	char buf[77];
	ssize_t r;

	while ((r = gort_read(s->fd, buf, sizeof(buf))) > 0)
		atomic_fetch_add(&s->bytes, r);
	CHECK_EQ(r, 0);
	done();
}

static void write_share(void *arg)
{
	struct shared *s = arg;
	char buf[100] = "";
	int n = mode_times(1000);

	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_write_all(s->fd, buf, sizeof(buf)), 100);
	done();
}

static struct gort_waitgroup readers;

static void read_share_counted(void *arg)
{
	read_share(arg);
	gort_waitgroup_done(&readers);
}

/* Several readers and several writers of one descriptor. */
static void check_shared(void *arg)
{
	int n = mode_times(1000), fds[2];

	(void)arg;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct shared in = { 0 }, out = { 0 };

		pairs[i](fds);
		in.fd = fds[1];
		out.fd = fds[0];
		gort_waitgroup_add(&readers, 5);
		for (int k = 0; k < 5; k++)
			CHECK_EQ(gort_go(read_share_counted, &in), 0);
		for (int k = 0; k < 4; k++)
			spawn(write_share, &out);
		gort_waitgroup_add(&wg, 5);	/* the readers say so, too */
		while (atomic_load(&in.bytes) < 400L * n)
			gort_yield();
		CHECK_EQ(gort_close(fds[0]), 0);
		gort_waitgroup_wait(&readers);
		join();
		CHECK_EQ(atomic_load(&in.bytes), 400L * n);
		CHECK_EQ(gort_close(fds[1]), 0);
	}
}

static void test_shared(void **state)
{
	(void)state;
	run(check_shared, NULL);
}

#define ECHO_BYTES	1000

struct echoes {
	int lfd, port;
	_Atomic long served, received;
};

static void echo_one(void *arg)
{
	struct { struct echoes *e; int fd; } *a = arg;
	char buf[300];
	ssize_t r;

	while ((r = gort_read(a->fd, buf, sizeof(buf))) > 0) {
		CHECK_EQ(gort_write_all(a->fd, buf, (size_t)r), r);
		atomic_fetch_add(&a->e->served, r);
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(gort_close(a->fd), 0);
	done();
}

static void echo_server(void *arg)
{
	struct { struct echoes *e; int fd; } a = { arg, -1 };

	while ((a.fd = gort_accept(a.e->lfd, NULL, NULL, 0)) >= 0) {
		gort_waitgroup_add(&wg, 1);
		CHECK_EQ(gort_go_copy(echo_one, &a, sizeof(a)), 0);
	}
	CHECK_EQ(a.fd, -ECANCELED);
	done();
}

static void read_back(int fd, unsigned char *want)
{
	unsigned char buf[ECHO_BYTES];
	size_t got = 0;

	while (got < ECHO_BYTES) {
		ssize_t r = gort_read(fd, buf + got, ECHO_BYTES - got);

		CHECK_LT(0, r);
		got += (size_t)r;
	}
	CHECK_EQ(memcmp(buf, want, ECHO_BYTES), 0);
}

static struct gort_waitgroup all_connected, clients;

static void echo_client(void *arg)
{
	struct echoes *e = arg;
	unsigned char buf[ECHO_BYTES];
	int fd = tcp_connect(e->port);

	for (size_t i = 0; i < ECHO_BYTES; i++)
		buf[i] = pattern(i + gort_goid());
	/* All are open at the same time. */
	gort_waitgroup_done(&all_connected);
	gort_waitgroup_wait(&all_connected);
	CHECK_EQ(gort_write_all(fd, buf, ECHO_BYTES), ECHO_BYTES);
	read_back(fd, buf);
	atomic_fetch_add(&e->received, ECHO_BYTES);
	CHECK_EQ(gort_close(fd), 0);
	gort_waitgroup_done(&clients);
}

static int raise_limit(int want)
{
	struct rlimit r;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_cur < (rlim_t)want) {
		r.rlim_cur = r.rlim_max < (rlim_t)want ? r.rlim_max :
			     (rlim_t)want;
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &r), 0);
	}
	return r.rlim_cur < (rlim_t)want ? (int)r.rlim_cur : want;
}

static void check_thousand(void *arg)
{
	int n = (raise_limit(2 * mode_times(1000) + 100) - 100) / 2;
	struct echoes e = { .lfd = tcp_listen(1024) };

	(void)arg;
	e.port = local_port(e.lfd);
	spawn(echo_server, &e);
	gort_waitgroup_add(&all_connected, n);
	gort_waitgroup_add(&clients, n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(echo_client, &e), 0);
	gort_waitgroup_wait(&clients);
	CHECK_EQ(gort_close(e.lfd), 0);
	join();
	CHECK_EQ(atomic_load(&e.served), (long)n * ECHO_BYTES);
	CHECK_EQ(atomic_load(&e.received), (long)n * ECHO_BYTES);
}

static void test_thousand(void **state)
{
	(void)state;
	run(check_thousand, NULL);
}

/* --- the scheduler --- */

static int to_thread[2], from_thread[2];	/* pipes */

static void *thread_echo(void *arg)
{
	char b;

	(void)arg;
	while (read(to_thread[0], &b, 1) == 1)
		CHECK_EQ(write(from_thread[1], &b, 1), 1);
	return NULL;
}

/* All goroutines wait for a descriptor, time and again: no deadlock. */
static void check_idle(void *arg)
{
	int n = mode_times(3000);

	(void)arg;
	for (int i = 0; i < n; i++) {
		char b = (char)i, c;

		CHECK_EQ(gort_write(to_thread[1], &b, 1), 1);
		CHECK_EQ(gort_read(from_thread[0], &c, 1), 1);
		CHECK_EQ(c, b);
	}
	CHECK_EQ(gort_close(to_thread[1]), 0);
	CHECK_EQ(gort_close(from_thread[0]), 0);
}

static void with_thread(void (*how)(void (*)(void *), void *))
{
	pthread_t thread;

	assert_int_equal(pipe2(to_thread, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from_thread, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_echo, NULL), 0);
	how(check_idle, NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(to_thread[0]);
	close(from_thread[1]);
}

static void test_idle(void **state)
{
	(void)state;
	with_thread(run);
	with_thread(run_1p);
}

static int left_fds[2];

/* The poller waits for nobody any more: that is a deadlock. */
static void deadlock_after_close(void *arg)
{
	struct canceled c = { 0 };
	int fds[2];

	(void)arg;
	pipe_pair(fds);
	c.fd = fds[1];
	spawn(canceled_read, &c);
	until_waiting(1);
	/* The other thread waits without end by then. */
	gort_sleep_ns(200 * MSEC);
	gort_close(fds[1]);
	join();
	gort_chan_recv(gort_chan_new(1, 0), NULL);
}

/* Nor is a deadline of a closed descriptor anything to wait for. */
static void deadlock_after_deadline(void *arg)
{
	int fds[2];

	(void)arg;
	pipe_pair(fds);
	gort_set_deadline(fds[1], gort_now_ns() + 2 * LONG, 0);
	gort_close(fds[1]);
	gort_chan_recv(gort_chan_new(1, 0), NULL);
}

static void leave_waiting(void *arg);

static void deadlock_in_next_run(void *arg)
{
	(void)arg;
	unix_pair(left_fds);
	gort_run(leave_waiting, NULL);
	gort_run(deadlock_after_deadline, NULL);
}

static void deadlock_after_read(void *arg)
{
	struct reader r = { 0 };
	int fds[2];

	(void)arg;
	pipe_pair(fds);
	r.fd = fds[1];
	spawn(read_once, &r);
	until_waiting(1);
	gort_write(fds[0], "x", 1);
	join();
	gort_chan_recv(gort_chan_new(1, 0), NULL);
}

static void run_it(void *arg)
{
	gort_run(arg, NULL);
}

static void test_deadlock(void **state)
{
	(void)state;
	child_run(run_it, deadlock_after_close);
	child_expect_text("deadlock!");
	child_expect_exit(2);
	child_run(run_it, deadlock_after_read);
	child_expect_text("deadlock!");
	child_expect_exit(2);
	child_run(run_it, deadlock_after_deadline);
	child_expect_text("deadlock!");
	child_expect_exit(2);
	child_run(deadlock_in_next_run, NULL);
	child_expect_text("deadlock!");
	child_expect_exit(2);
}

/* Its deadline may pass before the run has ended. */
static void read_left(void *arg)
{
	char b;

	(void)arg;
	gort_read(left_fds[1], &b, 1);
}

static void leave_waiting(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_go(read_left, NULL), 0);
	CHECK_EQ(gort_go(read_left, NULL), 0);
	until_waiting(2);
	CHECK_EQ(gort_set_deadline(left_fds[1], gort_now_ns() + MSEC, 0), 0);
}

static void use_left(void *arg)
{
	char b;

	(void)arg;
	gort_sleep_ns(2 * MSEC);
	CHECK_EQ(gort_write(left_fds[0], "x", 1), 1);
	CHECK_EQ(gort_read(left_fds[1], &b, 1), 1);
	close_pair(left_fds);
}

/* A run that ends forgets who waited, and deadlines. */
static void test_runs(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		unix_pair(left_fds);
		run_1p(leave_waiting, NULL);
		run(use_left, NULL);
	}
}

/* SIGURG and others interrupt system calls: nobody notices. */
static void on_alarm(int sig)
{
	(void)sig;
}

static void check_signals(void *arg)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_ONSTACK };
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { 0 };
	int fds[2];

	(void)arg;
	sigaction(SIGALRM, &sa, NULL);
	unix_pair(fds);
	setitimer(ITIMER_REAL, &often, NULL);
	transfer(fds, true, false);
	setitimer(ITIMER_REAL, &never, NULL);
	close_pair(fds);
}

static void test_signals(void **state)
{
	(void)state;
	run(check_signals, NULL);
	signal(SIGALRM, SIG_DFL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_and_wakes),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_write_all),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_waits),
		cmocka_unit_test(test_unix_connect),
		cmocka_unit_test(test_accept_many),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_connect),
		cmocka_unit_test(test_close_races),
		cmocka_unit_test(test_close_twice),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_while_blocked),
		cmocka_unit_test(test_deadline_others),
		cmocka_unit_test(test_setters),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_poll_many),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_reuse_kinds),
		cmocka_unit_test(test_regular),
		cmocka_unit_test(test_eventfd),
		cmocka_unit_test(test_pty),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_deadlock),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_signals),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
