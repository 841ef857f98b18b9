// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_io.c - connections whose ends go away at any
 * moment.  Every byte that arrives is the one that was sent there, every
 * byte of a connection that ended in order arrives, and every connection
 * ends.  Descriptor numbers are used again all the time.
 */
#define _GNU_SOURCE
#include "stress/stress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define WORKERS		16
#define CHUNK_MAX	20000
#define USEC		1000

static uint64_t next_random(uint64_t *x)
{
	/* xorshift64, G. Marsaglia, "Xorshift RNGs", 2003 */
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* The i-th byte of a stream. */
static unsigned char byte_at(uint64_t seed, size_t i)
{
	return (unsigned char)((seed >> (i % 8 * 8)) + i);
}

static void check_bytes(const unsigned char *buf, ssize_t n, uint64_t seed,
			size_t at)
{
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != byte_at(seed, at + (size_t)i))
			CHECK_EQ(buf[i], byte_at(seed, at + (size_t)i));
}

struct stream {
	uint64_t seed;
	int fd;
	size_t most;		/* the writer ends by itself then */
	size_t bytes;		/* done */
	int err;		/* how it ended */
	struct gort_waitgroup *end;
};

static void write_stream(void *arg)
{
	struct stream *s = arg;
	unsigned char *buf = malloc(CHUNK_MAX);
	uint64_t rnd = s->seed;
	ssize_t r = 0;

	while (s->bytes < s->most) {
		size_t n = next_random(&rnd) % CHUNK_MAX + 1;

		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(s->seed, s->bytes + i);
		r = gort_write(s->fd, buf, n);
		if (r < 0)
			break;
		s->bytes += (size_t)r;
	}
	s->err = r < 0 ? (int)r : 0;
	free(buf);
	gort_waitgroup_done(s->end);
}

static void read_stream(void *arg)
{
	struct stream *s = arg;
	unsigned char *buf = malloc(CHUNK_MAX);
	uint64_t rnd = ~s->seed;
	ssize_t r;

	do {
		r = gort_read(s->fd, buf, next_random(&rnd) % CHUNK_MAX + 1);
		if (r > 0) {
			check_bytes(buf, r, s->seed, s->bytes);
			s->bytes += (size_t)r;
		}
	} while (r > 0 && s->bytes < s->most);
	s->err = r < 0 ? (int)r : 0;
	free(buf);
	gort_waitgroup_done(s->end);
}

static _Atomic long ended, written, received;
static struct gort_waitgroup workers;

struct worker {
	uint64_t rnd;
	long rounds;
	int port;
};

static void start_workers(void (*fn)(void *), long rounds, int port)
{
	atomic_store(&ended, 0);
	atomic_store(&written, 0);
	atomic_store(&received, 0);
	gort_waitgroup_add(&workers, WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		struct worker w = {
			.rnd = 0x9e3779b97f4a7c15u * (unsigned int)(i + 1),
			.rounds = rounds / WORKERS + 1, .port = port,
		};

		CHECK_EQ(gort_go_copy(fn, &w, sizeof(w)), 0);
	}
}

static long total(long rounds)
{
	return (rounds / WORKERS + 1) * WORKERS;
}

/*
 * Pipes and Unix sockets lose nothing: what was written before the end is
 * read.  The writer is stopped by a deadline that comes at any moment, and
 * its end is closed while the reader may wait.
 */

static void open_pair(uint64_t how, int fds[2])
{
	int p[2];

	if (how % 2) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
		return;
	}
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	fds[0] = p[1];
	fds[1] = p[0];
}

static void stop_at_any_moment(struct worker *w, int fd)
{
	switch (next_random(&w->rnd) % 4) {
	case 0:
		gort_sleep_ns((int64_t)(next_random(&w->rnd) % 50 * USEC));
		CHECK_EQ(gort_set_deadline(fd, -1, 1), 0);
		break;
	case 1:
		CHECK_EQ(gort_set_deadline(fd, -1, gort_now_ns() + (int64_t)
				(next_random(&w->rnd) % 100 * USEC)), 0);
		break;
	case 2:
		for (uint64_t i = next_random(&w->rnd) % 5; i; i--)
			gort_yield();
		CHECK_EQ(gort_set_deadline(fd, -1, 1), 0);
		break;
	}
}

static void one_pair(struct worker *w)
{
	struct gort_waitgroup writer = { 0 }, reader = { 0 };
	struct stream in = { .seed = next_random(&w->rnd), .end = &reader };
	struct stream out = in;
	int fds[2];

	open_pair(in.seed, fds);
	out.end = &writer;
	out.most = next_random(&w->rnd) % 500000;
	out.fd = fds[0];
	in.most = SIZE_MAX;
	in.fd = fds[1];
	gort_waitgroup_add(&writer, 1);
	gort_waitgroup_add(&reader, 1);
	CHECK_EQ(gort_go(write_stream, &out), 0);
	CHECK_EQ(gort_go(read_stream, &in), 0);
	stop_at_any_moment(w, fds[0]);
	gort_waitgroup_wait(&writer);
	CHECK_EQ(gort_close(fds[0]), 0);
	gort_waitgroup_wait(&reader);
	CHECK_EQ(gort_close(fds[1]), 0);
	CHECK_EQ(out.err == 0 || out.err == -ETIMEDOUT, true);
	CHECK_EQ(in.err, 0);
	CHECK_EQ(in.bytes, out.bytes);
	atomic_fetch_add(&written, (long)out.bytes);
	atomic_fetch_add(&received, (long)in.bytes);
	atomic_fetch_add(&ended, 1);
}

static void pair_worker(void *arg)
{
	struct worker *w = arg;

	while (w->rounds--)
		one_pair(w);
	gort_waitgroup_done(&workers);
}

static void writers_stop(void *arg)
{
	long rounds = *(long *)arg;

	start_workers(pair_worker, rounds, 0);
	gort_waitgroup_wait(&workers);
	CHECK_EQ(atomic_load(&ended), total(rounds));
	CHECK_EQ(atomic_load(&written), atomic_load(&received));
	printf("# %ld streams, %ld bytes\n", atomic_load(&ended),
	       atomic_load(&written));
}

/*
 * The reader goes away, or closes the writer's end while it writes: it is in
 * its one call as soon as something of it has arrived.
 */

static void write_much(void *arg)
{
	struct stream *s = arg;
	unsigned char *buf = malloc(s->most);
	ssize_t r;

	for (size_t i = 0; i < s->most; i++)
		buf[i] = byte_at(s->seed, i);
	r = gort_write_all(s->fd, buf, s->most);
	s->err = r < 0 ? (int)r : 0;
	free(buf);
	gort_waitgroup_done(s->end);
}

static void close_one(struct worker *w)
{
	struct gort_waitgroup writer = { 0 }, reader = { 0 };
	struct stream in = { .seed = next_random(&w->rnd), .end = &reader };
	struct stream out = in;
	int fds[2], first, err;

	open_pair(in.seed, fds);
	out.end = &writer;
	out.most = next_random(&w->rnd) % 400000 + 1;
	in.most = next_random(&w->rnd) % out.most + 1;
	out.fd = fds[0];
	in.fd = fds[1];
	gort_waitgroup_add(&writer, 1);
	gort_waitgroup_add(&reader, 1);
	CHECK_EQ(gort_go(write_much, &out), 0);
	CHECK_EQ(gort_go(read_stream, &in), 0);
	gort_waitgroup_wait(&reader);
	CHECK_LE(in.most, in.bytes);
	/* The reader's end, or the writer's under its hands. */
	first = (int)(next_random(&w->rnd) % 2);
	err = first ? -EPIPE : -ECANCELED;
	CHECK_EQ(gort_close(fds[first]), 0);
	gort_waitgroup_wait(&writer);
	CHECK_EQ(gort_close(fds[!first]), 0);
	/* With unread data a Unix socket is reset. */
	if (out.err)
		CHECK_EQ(out.err == err ||
			 (first && out.err == -ECONNRESET), true);
	atomic_fetch_add(&ended, 1);
}

static void close_worker(void *arg)
{
	struct worker *w = arg;

	while (w->rounds--)
		close_one(w);
	gort_waitgroup_done(&workers);
}

static void readers_stop(void *arg)
{
	long rounds = *(long *)arg;

	start_workers(close_worker, rounds, 0);
	gort_waitgroup_wait(&workers);
	CHECK_EQ(atomic_load(&ended), total(rounds));
}

/*
 * A server that sends everything back, and clients that close in order,
 * reset the connection, or time out, and then close.
 */

static int listener;
static _Atomic long accepted, served, broken;
static struct gort_waitgroup server;

static void serve(void *arg)
{
	int fd = *(int *)arg;
	char buf[5000];
	ssize_t r;

	while ((r = gort_read(fd, buf, sizeof(buf))) > 0) {
		r = gort_write_all(fd, buf, (size_t)r);
		if (r < 0)
			break;
	}
	if (r < 0)
		CHECK_EQ(r == -ECONNRESET || r == -EPIPE, true);
	atomic_fetch_add(r < 0 ? &broken : &served, 1);
	CHECK_EQ(gort_close(fd), 0);
	gort_waitgroup_done(&server);
}

static void accept_all(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = gort_accept(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		atomic_fetch_add(&accepted, 1);
		gort_waitgroup_add(&server, 1);
		CHECK_EQ(gort_go_copy(serve, &fd, sizeof(fd)), 0);
	}
	CHECK_EQ(fd, -ETIMEDOUT);
	gort_waitgroup_done(&server);
}

static int listen_tcp(int *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_LE(0, fd);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, len), 0);
	CHECK_EQ(listen(fd, 128), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int connect_tcp(int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_LE(0, fd);
	CHECK_EQ(gort_connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* In order: what comes back is all of it. */
static void finish(struct stream *out, struct stream *in)
{
	gort_waitgroup_wait(out->end);
	CHECK_EQ(out->err, 0);
	CHECK_EQ(shutdown(out->fd, SHUT_WR), 0);
	gort_waitgroup_wait(in->end);
	CHECK_EQ(in->err, 0);
	CHECK_EQ(in->bytes, out->bytes);
	atomic_fetch_add(&written, (long)out->bytes);
	atomic_fetch_add(&received, (long)in->bytes);
}

/* At any moment: the goroutines find out, then it is reset. */
static void break_off(struct worker *w, struct stream *out, struct stream *in)
{
	struct linger reset = { .l_onoff = 1 };

	if (next_random(&w->rnd) % 2)
		gort_sleep_ns((int64_t)(next_random(&w->rnd) % 200 * USEC));
	CHECK_EQ(gort_set_deadline(out->fd, 1, 1), 0);
	gort_waitgroup_wait(out->end);
	gort_waitgroup_wait(in->end);
	CHECK_EQ(out->err == 0 || out->err == -ETIMEDOUT, true);
	CHECK_EQ(in->err, -ETIMEDOUT);
	CHECK_LE(in->bytes, out->bytes);
	CHECK_EQ(setsockopt(out->fd, SOL_SOCKET, SO_LINGER, &reset,
			    sizeof(reset)), 0);
}

static void one_client(struct worker *w)
{
	struct gort_waitgroup writer = { 0 }, reader = { 0 };
	struct stream in = { .seed = next_random(&w->rnd), .end = &reader };
	struct stream out = in;

	out.fd = in.fd = connect_tcp(w->port);
	out.end = &writer;
	out.most = next_random(&w->rnd) % 100000 + 1;
	in.most = SIZE_MAX;
	gort_waitgroup_add(&writer, 1);
	gort_waitgroup_add(&reader, 1);
	CHECK_EQ(gort_go(write_stream, &out), 0);
	CHECK_EQ(gort_go(read_stream, &in), 0);
	if (in.seed % 2)
		finish(&out, &in);
	else
		break_off(w, &out, &in);
	CHECK_EQ(gort_close(out.fd), 0);
	atomic_fetch_add(&ended, 1);
}

static void client_worker(void *arg)
{
	struct worker *w = arg;

	while (w->rounds--)
		one_client(w);
	gort_waitgroup_done(&workers);
}

static void servers_and_clients(void *arg)
{
	long rounds = *(long *)arg;
	int port;

	listener = listen_tcp(&port);
	atomic_store(&accepted, 0);
	gort_waitgroup_add(&server, 2);
	CHECK_EQ(gort_go(accept_all, NULL), 0);
	CHECK_EQ(gort_go(accept_all, NULL), 0);
	start_workers(client_worker, rounds, port);
	gort_waitgroup_wait(&workers);
	while (atomic_load(&accepted) < total(rounds))
		gort_yield();
	CHECK_EQ(gort_set_deadline(listener, 1, -1), 0);
	gort_waitgroup_wait(&server);
	CHECK_EQ(gort_close(listener), 0);
	CHECK_EQ(atomic_load(&ended), total(rounds));
	CHECK_EQ(atomic_load(&accepted), total(rounds));
	CHECK_EQ(atomic_load(&served) + atomic_load(&broken), total(rounds));
	CHECK_EQ(atomic_load(&written), atomic_load(&received));
	printf("# %ld connections, %ld in order with %ld bytes, %ld broken\n",
	       total(rounds), atomic_load(&served), atomic_load(&received),
	       atomic_load(&broken));
}

static int lowest_free(void)
{
	int fd = dup(0);

	CHECK_LE(0, fd);
	CHECK_EQ(close(fd), 0);
	return fd;
}

static void run(const char *name, void (*fn)(void *), long rounds)
{
	int before = lowest_free();

	rounds = stress_count(rounds);
	stress_run(name, fn, &rounds);
	CHECK_EQ(lowest_free(), before);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	run("writers stop", writers_stop, 20000);
	run("readers stop", readers_stop, 20000);
	run("clients break off", servers_and_clients, 10000);
	return stress_done("descriptors");
}
