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
#include <unistd.h>

#include "kernel/netpoll.h"

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
	ssize_t r;

	do {
		gort_syscall_enter();
		r = fn(io);
		if (r < 0)
			r = -errno;
		gort_syscall_exit();
	} while (unlikely(r == -EINTR));
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

static ssize_t run(enum poll_dir dir, struct io *io,
		   ssize_t (*fn)(struct io *io))
{
	struct poll_desc *pd;
	ssize_t r;
	int saved;

	if (unlikely(!in_goroutine()))
		return -EPERM;
	saved = errno;
	r = netpoll_get(io->fd, &pd);
	if (likely(!r)) {
		r = try_and_wait(pd, dir, io, fn);
		netpoll_put(pd);
	}
	errno = saved;
	return r;
}

static int again(int flags)
{
	return flags & MSG_DONTWAIT ? NO_ERRNO : EAGAIN;
}

static ssize_t do_read(struct io *io)
{
	return read(io->fd, io->buf, io->len);
}

static ssize_t do_readv(struct io *io)
{
	return readv(io->fd, io->buf, (int)io->len);
}

static ssize_t do_write(struct io *io)
{
	return write(io->fd, io->buf, io->len);
}

static ssize_t do_writev(struct io *io)
{
	return writev(io->fd, io->buf, (int)io->len);
}

static ssize_t do_recv(struct io *io)
{
	return recv(io->fd, io->buf, io->len, io->flags);
}

static ssize_t do_send(struct io *io)
{
	return send(io->fd, io->buf, io->len, io->flags);
}

static ssize_t do_recvmsg(struct io *io)
{
	return recvmsg(io->fd, io->buf, io->flags);
}

static ssize_t do_sendmsg(struct io *io)
{
	return sendmsg(io->fd, io->buf, io->flags);
}

static ssize_t do_accept(struct io *io)
{
	return accept4(io->fd, io->buf, io->addrlen, io->flags);
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

__public ssize_t gort_write_all(int fd, const void *buf, size_t n)
{
	size_t done = 0;
	ssize_t r;

	do {
		r = gort_write(fd, (const char *)buf + done, n - done);
		if (r < 0)
			return r;
		done += (size_t)r;
	} while (done < n);
	return (ssize_t)done;
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

__public int gort_close(int fd)
{
	return in_goroutine() ? netpoll_close(fd) : -EPERM;
}
