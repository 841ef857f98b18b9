/* SPDX-License-Identifier: ISC */
/*
 * gort/io.h - calls on descriptors that block the goroutine, not the thread.
 *
 * They are the system calls of the same names.  Sockets, pipes, terminals,
 * eventfds and whatever else epoll(7) takes wait in gort's poller.  For the
 * others, regular files above all, the thread waits, and its P goes to
 * another if that takes long.
 *
 * The first of these calls on a descriptor puts it into non-blocking mode
 * (O_NONBLOCK), for good.  The mode belongs to the open file: a descriptor
 * got by dup() or fork(), and a terminal shared with other programs, has it,
 * too.
 *
 * Any number of goroutines may use a descriptor at a time, in both
 * directions.  When it becomes ready all that wait for that are woken, and
 * those that come too late wait again.
 *
 * All return what the system call does, or -errno and never set errno.
 * Besides the system call's own errors:
 *	-EPERM		not in goroutine context
 *	-EBADF		fd is not open, or gort_close() is at work on it
 *	-ECANCELED	gort_close() was called meanwhile
 *	-EMFILE, -ENFILE, -ENOMEM, -ENOSPC
 *			the poller could not start, or take the descriptor;
 *			-EMFILE also for numbers from 16777216 up
 * They never return -EINTR, nor -EAGAIN for a descriptor that the poller
 * takes.
 */
#ifndef GORT_IO_H
#define GORT_IO_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * gort_read, gort_readv, gort_write, gort_writev - as read(2), readv(2),
 * write(2), writev(2): what they transfer may be less than asked for.
 * gort_write_all - write all n bytes.  After an error some of them may have
 * been written.
 *
 * Writing where nobody can read raises SIGPIPE, as ever, unless it is
 * ignored; gort_send() with MSG_NOSIGNAL does not.
 */
ssize_t gort_read(int fd, void *buf, size_t n);
ssize_t gort_readv(int fd, const struct iovec *iov, int n);
ssize_t gort_write(int fd, const void *buf, size_t n);
ssize_t gort_writev(int fd, const struct iovec *iov, int n);
ssize_t gort_write_all(int fd, const void *buf, size_t n);

/*
 * gort_recv, gort_send, gort_recvmsg, gort_sendmsg - as recv(2), send(2),
 * recvmsg(2), sendmsg(2).  With MSG_DONTWAIT they do not block: -EAGAIN.
 */
ssize_t gort_recv(int fd, void *buf, size_t n, int flags);
ssize_t gort_send(int fd, const void *buf, size_t n, int flags);
ssize_t gort_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t gort_sendmsg(int fd, const struct msghdr *msg, int flags);

/*
 * gort_accept - as accept4(2); addr and len may be NULL.  The new descriptor
 * is in non-blocking mode whatever flags say.
 */
int gort_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags);

/*
 * gort_connect - as connect(2) of a socket in blocking mode.
 *
 * -EAGAIN: a Unix socket whose listener has no room at the moment; Linux
 * tells nobody when it has.
 */
int gort_connect(int fd, const struct sockaddr *addr, socklen_t len);

/*
 * gort_set_deadline - from when on reading (read_ns: also receiving and
 * accepting) and writing (write_ns: also connecting) is not waited for any
 * more.  Calls that wait then, and all after that, return -ETIMEDOUT, until
 * another deadline is set.
 *
 * Times are those of gort_now_ns().  0: no deadline.  Negative: that one
 * stays as it is.  May be set while others wait.  gort_poll() does not care.
 *
 * Returns 0; -EOPNOTSUPP for a descriptor that the poller does not take; or
 * an error from the list above.
 */
int gort_set_deadline(int fd, int64_t read_ns, int64_t write_ns);

/* Most descriptors gort_poll() takes. */
#define GORT_POLL_MAX	64

/*
 * gort_poll - as ppoll(2): wait for the first of n descriptors, timeout_ns at
 * most; negative: for ever.
 *
 * Each call costs a poll(2) and a lock per descriptor and direction, and
 * wakes at any edge of one of them to ask again: it is for a few, not for
 * serving a thousand connections.  Those have goroutines of their own.
 *
 * Returns how many are ready, 0 after the timeout; -EINVAL if n is above
 * GORT_POLL_MAX or fds is NULL; or an error from the list above.  One that
 * is not open is ready, with POLLNVAL.
 */
int gort_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ns);

/*
 * gort_close - close fd.  Goroutines that wait in another call on it get
 * -ECANCELED; other calls in progress are waited for, so that none of them
 * can hit the next file that gets the number.
 *
 * A number is free for the next file when this returns, so a goroutine that
 * begins a call after that may hit another's.  Who cannot rule that out ends
 * the others by a deadline in the past first, and closes when they have gone.
 *
 * A descriptor that these calls have been used on is to be closed by this.
 * After a plain close() the next file that gets the number still works, but
 * the first goroutine that waits for it may wait 100 ms too long, and if that
 * file is in blocking mode its calls may block a thread, deadlines and
 * gort_close() notwithstanding; goroutines that were waiting may wait for
 * ever.
 *
 * Returns 0; -EBADF, also if another gort_close() is at work on it; or as
 * close(2).
 */
int gort_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
