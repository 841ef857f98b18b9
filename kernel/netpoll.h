/* SPDX-License-Identifier: ISC */
/*
 * kernel/netpoll.h - the network poller, as the scheduler sees it and as the
 * calls in io.c do.
 */
#ifndef KERNEL_NETPOLL_H
#define KERNEL_NETPOLL_H

#include "kernel/sched.h"

/*
 * For the scheduler.
 */

/* Make the poller ready for use by timers or descriptors; 0 or -errno. */
int netpoll_init(void);
bool netpoll_ready(void);

/* Goroutines that wait for a descriptor. */
bool netpoll_any_waiters(void);

/*
 * netpoll - goroutines whose descriptors became ready, taken off what they
 * wait for; they are G_WAITING and the caller makes them runnable.
 * delay_ns: how long to wait; 0 not at all, < 0 until there is one.  May
 * return none.  Context: g0 or sysmon, no lock held; without a P if it waits.
 */
struct gqueue netpoll(s64 delay_ns);

struct netpoll_counts {
	u64 descriptors;	/* registered, and not closed by netpoll_close() */
	u64 waiting;		/* goroutines */
	u64 woken;		/* by netpoll(), since the process began */
};

void netpoll_count(struct netpoll_counts *c);

/* Make the thread that waits in netpoll() return.  Any context. */
void netpoll_break(void);

/* After the run. */
void netpoll_fini(void);

/*
 * For calls on descriptors.  Context: goroutine.
 */

enum poll_dir {
	POLL_READ,
	POLL_WRITE,
	NR_POLL_DIRS
};

/* A goroutine that waits, perhaps in several queues. */
struct poll_waiter {
	struct g *g;
	_Atomic bool woken;	/* somebody makes it runnable */
};

/* Its place in one queue; the queue's lock protects all of it. */
struct poll_node {
	struct poll_node *next;
	struct poll_node **pprev;	/* NULL: in no queue */
	struct poll_waiter *waiter;
};

struct poll_desc;

/*
 * netpoll_get - the state of descriptor fd for a call on it, registered and
 * in non-blocking mode, and in use until netpoll_put().
 * 0, -EBADF, or -errno of what went wrong there.
 */
int netpoll_get(int fd, struct poll_desc **pdp);
void netpoll_put(struct poll_desc *pd);

/* fd was opened just now, non-blocking: what there was is out of date. */
void netpoll_opened(int fd);

/*
 * netpoll_look - what to remember before a call that may return -EAGAIN.
 * 0, or -ETIMEDOUT, -ECANCELED: do not call.
 */
int netpoll_look(struct poll_desc *pd, enum poll_dir dir, u32 *edges);

/*
 * netpoll_wait - wait until pd may be ready again.  edges: from before the
 * call that found it was not.  0: try again; -EAGAIN: it cannot wait.
 */
int netpoll_wait(struct poll_desc *pd, enum poll_dir dir, u32 edges);

/*
 * Waiting for several.  netpoll_wait_begin() announces w, and the goroutine
 * cannot be preempted from there on.  netpoll_add() queues n for it; false:
 * not, pd has become ready since edges.  netpoll_wait_end() sleeps until one
 * of them is woken, or not at all with park false.  Then each n that was
 * given to netpoll_add() has to be removed.
 *
 * netpoll_wake - wake it for another reason.  Context: g0 with a P, too.
 */
void netpoll_wait_begin(struct poll_waiter *w);
bool netpoll_add(struct poll_desc *pd, enum poll_dir dir, u32 edges,
		 struct poll_node *n, struct poll_waiter *w);
void netpoll_wait_end(struct poll_waiter *w, bool park);
void netpoll_remove(struct poll_desc *pd, enum poll_dir dir,
		    struct poll_node *n);
void netpoll_wake(struct poll_waiter *w);

/*
 * netpoll_set_deadline - from when (of nanotime()) on calls give -ETIMEDOUT;
 * 0: never.  0, -EOPNOTSUPP for what the poller does not take, -ECANCELED.
 */
int netpoll_set_deadline(struct poll_desc *pd, enum poll_dir dir, s64 when);

/*
 * netpoll_close - close fd: those who wait for it get -ECANCELED.  Returns
 * as close(2), when the calls in progress have ended.
 */
int netpoll_close(int fd);

#endif
