// SPDX-License-Identifier: ISC
/*
 * kernel/io.c - calls on descriptors that block the goroutine.
 *
 * All are the same: try; while that would block, wait for an edge and try
 * again.  The try itself is marked as a system call, for files that the
 * poller does not take, and because copying much takes long, too.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/netpoll.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define NO_ERRNO	INT_MAX

/* One call.  What of it is used depends on which. */
struct io {
	int fd;
	int flags;
	void *buf;		/* bytes, iovecs, an address or a msghdr */
	size_t len;
	socklen_t *addrlen;
	int again;		/* the errno that says: wait, try again */
};

static ssize_t try(struct io *io, ssize_t (*fn)(struct io *io))
{
	int saved = errno;
	ssize_t r;

	do {
		gort_syscall_enter();
		r = fn(io);
		if (r < 0)
			r = -errno;
		gort_syscall_exit();
	} while (unlikely(r == -EINTR));
	errno = saved;
	return r;
}

static ssize_t try_and_wait(struct poll_desc *pd, enum poll_dir dir,
			    struct io *io, ssize_t (*fn)(struct io *io))
{
	ssize_t r;
	u32 edges;

	do {
		r = netpoll_look(pd, dir, &edges);
		if (unlikely(r))
			return r;
		r = try(io, fn);
		if (r != -io->again)
			return r;
		r = netpoll_wait(pd, dir, edges);
	} while (!r);
	return r;
}

static int get(int fd, struct poll_desc **pdp)
{
	if (unlikely(!in_goroutine()))
		return -EPERM;
	return netpoll_get(fd, pdp);
}

static ssize_t run(enum poll_dir dir, struct io *io,
		   ssize_t (*fn)(struct io *io))
{
	struct poll_desc *pd;
	ssize_t r = get(io->fd, &pd);

	if (unlikely(r))
		return r;
	r = try_and_wait(pd, dir, io, fn);
	netpoll_put(pd);
	return r;
}

static int again(int flags)
{
	return flags & MSG_DONTWAIT ? NO_ERRNO : EAGAIN;
}

/*
 * libc's functions of these names are cancellation points, which costs two
 * atomic operations each; nobody cancels an M.  The sanitizers want to see
 * libc's.
 */
#if defined(GORT_ASAN) || defined(GORT_TSAN)
#define io_call(name, ...)	name(__VA_ARGS__)
#else
#define io_call(name, ...)	syscall(SYS_##name, __VA_ARGS__)
#endif

static ssize_t do_read(struct io *io)
{
	return io_call(read, io->fd, io->buf, io->len);
}

static ssize_t do_readv(struct io *io)
{
	return io_call(readv, io->fd, io->buf, (int)io->len);
}

static ssize_t do_write(struct io *io)
{
	return io_call(write, io->fd, io->buf, io->len);
}

static ssize_t do_writev(struct io *io)
{
	return io_call(writev, io->fd, io->buf, (int)io->len);
}

static ssize_t do_recv(struct io *io)
{
	return io_call(recvfrom, io->fd, io->buf, io->len, io->flags, NULL,
		       NULL);
}

static ssize_t do_send(struct io *io)
{
	return io_call(sendto, io->fd, io->buf, io->len, io->flags, NULL, 0);
}

static ssize_t do_recvmsg(struct io *io)
{
	return io_call(recvmsg, io->fd, io->buf, io->flags);
}

static ssize_t do_sendmsg(struct io *io)
{
	return io_call(sendmsg, io->fd, io->buf, io->flags);
}

static ssize_t do_accept(struct io *io)
{
	return io_call(accept4, io->fd, io->buf, io->addrlen, io->flags);
}

/*
 * Called again it tells how it goes on, which getsockopt(SO_ERROR) would not
 * after an edge that was none.  EISCONN is success then: some protocols
 * finish on their own.
 */
static ssize_t do_connect(struct io *io)
{
	if (!connect(io->fd, io->buf, (socklen_t)io->len))
		return 0;
	if (errno == EISCONN && io->flags)
		return 0;
	if (errno == EINTR || errno == EALREADY)
		errno = EINPROGRESS;
	io->flags = errno == EINPROGRESS;
	return -1;
}

__public ssize_t gort_read(int fd, void *buf, size_t n)
{
	struct io io = { .fd = fd, .buf = buf, .len = n, .again = EAGAIN };

	return run(POLL_READ, &io, do_read);
}

__public ssize_t gort_readv(int fd, const struct iovec *iov, int n)
{
	struct io io = {
		.fd = fd, .buf = (void *)iov, .len = (size_t)n, .again = EAGAIN
	};

	return run(POLL_READ, &io, do_readv);
}

__public ssize_t gort_write(int fd, const void *buf, size_t n)
{
	struct io io = {
		.fd = fd, .buf = (void *)buf, .len = n, .again = EAGAIN
	};

	return run(POLL_WRITE, &io, do_write);
}

__public ssize_t gort_writev(int fd, const struct iovec *iov, int n)
{
	struct io io = {
		.fd = fd, .buf = (void *)iov, .len = (size_t)n, .again = EAGAIN
	};

	return run(POLL_WRITE, &io, do_writev);
}

/*
 * One call from beginning to end: if gort_close() came in between, the rest
 * could go to another file.
 */
__public ssize_t gort_write_all(int fd, const void *buf, size_t n)
{
	struct io io = {
		.fd = fd, .buf = (void *)buf, .len = n, .again = EAGAIN
	};
	struct poll_desc *pd;
	ssize_t r = get(fd, &pd);

	if (r)
		return r;
	do {
		r = try_and_wait(pd, POLL_WRITE, &io, do_write);
		if (r > 0) {
			io.buf = (char *)io.buf + r;
			io.len -= (size_t)r;
		}
	} while (r > 0 && io.len);
	netpoll_put(pd);
	return r < 0 ? r : (ssize_t)(n - io.len);
}

__public ssize_t gort_recv(int fd, void *buf, size_t n, int flags)
{
	struct io io = {
		.fd = fd, .buf = buf, .len = n, .flags = flags,
		.again = again(flags),
	};

	return run(POLL_READ, &io, do_recv);
}

__public ssize_t gort_send(int fd, const void *buf, size_t n, int flags)
{
	struct io io = {
		.fd = fd, .buf = (void *)buf, .len = n, .flags = flags,
		.again = again(flags),
	};

	return run(POLL_WRITE, &io, do_send);
}

__public ssize_t gort_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct io io = {
		.fd = fd, .buf = msg, .flags = flags, .again = again(flags)
	};

	return run(POLL_READ, &io, do_recvmsg);
}

__public ssize_t gort_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct io io = {
		.fd = fd, .buf = (void *)msg, .flags = flags,
		.again = again(flags),
	};

	return run(POLL_WRITE, &io, do_sendmsg);
}

__public int gort_accept(int fd, struct sockaddr *addr, socklen_t *len,
			 int flags)
{
	struct io io = {
		.fd = fd, .buf = addr, .addrlen = len,
		.flags = flags | SOCK_NONBLOCK, .again = EAGAIN,
	};
	int new = (int)run(POLL_READ, &io, do_accept);

	if (new >= 0)
		netpoll_opened(new);
	return new;
}

__public int gort_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct io io = {
		.fd = fd, .buf = (void *)addr, .len = len,
		.again = EINPROGRESS,
	};

	return (int)run(POLL_WRITE, &io, do_connect);
}

/*
 * Deadlines.
 */

static int set_deadlines(struct poll_desc *pd, int64_t read_ns,
			 int64_t write_ns)
{
	int err = 0;

	if (read_ns >= 0)
		err = netpoll_set_deadline(pd, POLL_READ, read_ns);
	if (!err && write_ns >= 0)
		err = netpoll_set_deadline(pd, POLL_WRITE, write_ns);
	return err;
}

__public int gort_set_deadline(int fd, int64_t read_ns, int64_t write_ns)
{
	struct poll_desc *pd;
	int err = get(fd, &pd);

	if (err)
		return err;
	err = set_deadlines(pd, read_ns, write_ns);
	netpoll_put(pd);
	return err;
}

/*
 * Several at a time.  poll(2) says what is ready, edges only say when to ask
 * again.
 */

struct polled {
	struct poll_desc *pd;	/* NULL: a negative or bad descriptor */
	bool dirs[NR_POLL_DIRS];
	u32 edges[NR_POLL_DIRS];
	struct poll_node nodes[NR_POLL_DIRS];
};

/* Errors and hangups are edges in both directions. */
static int polled_get(struct polled *p, const struct pollfd *fd)
{
	int err;

	p->pd = NULL;
	p->dirs[POLL_WRITE] = fd->events & POLLOUT;
	p->dirs[POLL_READ] = fd->events & ~POLLOUT || !p->dirs[POLL_WRITE];
	if (fd->fd < 0)
		return 0;
	err = netpoll_get(fd->fd, &p->pd);
	if (err)
		p->pd = NULL;
	return err == -EBADF ? 0 : err;
}

static int polled_look(struct polled *p, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++)
		for (u32 d = 0; p[i].pd && d < NR_POLL_DIRS; d++)
			if (netpoll_look(p[i].pd, d, &p[i].edges[d]) ==
			    -ECANCELED)
				err = -ECANCELED;
	return err;
}

static bool polled_add(struct polled *p, size_t n, struct poll_waiter *w)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		for (u32 d = 0; p[i].pd && d < NR_POLL_DIRS; d++)
			if (p[i].dirs[d])
				all &= netpoll_add(p[i].pd, d, p[i].edges[d],
						   &p[i].nodes[d], w);
	return all;
}

static void polled_remove(struct polled *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (u32 d = 0; p[i].pd && d < NR_POLL_DIRS; d++)
			if (p[i].dirs[d])
				netpoll_remove(p[i].pd, d, &p[i].nodes[d]);
}

static void polled_timeout(void *w)
{
	netpoll_wake(w);
}

static void polled_wait(struct polled *p, size_t n, s64 until)
{
	struct poll_waiter w;
	struct timer t;
	bool park;

	timer_init(&t, polled_timeout, &w);
	netpoll_wait_begin(&w);
	park = polled_add(p, n, &w);
	if (park && until != TIME_NEVER)
		timer_start_at(&t, until);
	netpoll_wait_end(&w, park);
	timer_stop(&t);
	polled_remove(p, n);
}

static ssize_t do_poll(struct io *io)
{
	return poll(io->buf, io->len, 0);
}

/* A descriptor that we could not get, and poll(2) has nothing against, is
 * being closed. */
static int polled_gone(const struct polled *p, const struct pollfd *fds,
		       size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!p[i].pd && fds[i].fd >= 0)
			return -EBADF;
	return 0;
}

static int poll_until(struct polled *p, struct pollfd *fds, size_t n,
		      s64 until)
{
	struct io io = { .buf = fds, .len = n };
	int r;

	for (;;) {
		r = polled_look(p, n);
		if (!r)
			r = (int)try(&io, do_poll);
		if (!r)
			r = polled_gone(p, fds, n);
		if (r || until <= nanotime())
			return r;
		polled_wait(p, n, until);
	}
}

__public int gort_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ns)
{
	struct polled p[GORT_POLL_MAX];
	s64 until = timeout_ns < 0 ? TIME_NEVER : time_add(nanotime(), timeout_ns);
	size_t got = 0;
	int r = 0;

	if (!in_goroutine())
		return -EPERM;
	if (n > GORT_POLL_MAX || (n && !fds))
		return -EINVAL;
	for (; got < n && !r; got++)
		r = polled_get(&p[got], &fds[got]);
	if (!r)
		r = poll_until(p, fds, n, until);
	while (got--)
		if (p[got].pd)
			netpoll_put(p[got].pd);
	return r;
}

__public int gort_close(int fd)
{
	return in_goroutine() ? netpoll_close(fd) : -EPERM;
}
