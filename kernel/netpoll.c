// SPDX-License-Identifier: ISC
/*
 * kernel/netpoll.c - waiting for descriptors.
 *
 * One epoll instance; a descriptor is registered with it once, for both
 * directions, edge-triggered.  So a wait costs no system call besides the
 * one that found that there is nothing to do.
 *
 * Each direction counts its edges.  Who wants to wait:
 *
 *	caller				poller
 *	n = edges
 *	read(): EAGAIN			data comes, epoll_wait() returns
 *	lock				lock
 *	edges != n: try again		edges++
 *	else queue itself and park	wake all in the queue
 *
 * Either the caller sees that the count has changed, or the poller sees it in
 * the queue.  An edge too many costs one more try, nothing else: so events of
 * a file that had the number before, or that a duplicate keeps alive, do no
 * harm.  All in the queue are woken, since one edge may be data for several.
 *
 * Rejected: one word per direction with the states none, ready, waiting (Go's
 * pdReady and pdWait).  It has no room for a second goroutine that waits, and
 * needs a call to forget an old "ready" before each wait.
 *
 * The state of a descriptor (struct poll_desc) is found by its number in a
 * table of two levels and stays until the run ends; the lookup takes no lock.
 * ->users counts the calls in progress, those that wait among them.
 * netpoll_close() sets CLOSING, which no call enters any more, wakes who
 * waits, waits for the others, and only then is the number given back to the
 * kernel: no call of old can hit a new file.  From there until close(2) has
 * returned it is CLOSED: a call that comes then may already be for the next
 * file of that number, and waits the moment out.
 *
 * Invariants:
 *  I1  POLL_NEW: no goroutine waits.
 *  I2  a queue whose ->err is not 0 is empty.
 *
 * Locks: netpoll_lock, for starting only; pd->lock.  Both on any stack:
 * growing one needs no descriptor.
 */
#define _GNU_SOURCE
#include "kernel/netpoll.h"

#include <gort/gort.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/runq.h"
#include "kernel/time.h"

#define NSEC_PER_MSEC	1000000
#define EVENTS_MAX	128	/* per epoll_wait() */
#define BLOCK_DESCS	256
#define TABLE_BLOCKS	65536	/* for 16 million descriptors */

enum desc_kind {
	POLL_NEW,		/* nothing known, or closed */
	POLL_EPOLL,		/* registered */
	POLL_FILE,		/* epoll refuses it: never makes wait */
};

/* In ->users, which counts in steps of USER. */
#define CLOSING		1u	/* no more users; who closes waits for them */
#define CLOSED		2u	/* no users; close(2) is on its way */
#define USER		4u

struct poll_desc {
	_Atomic u32 users;
	_Atomic u32 kind;	/* changes under lock */
	struct lock lock;	/* protects what follows */
	struct poll_queue queues[NR_POLL_DIRS];
	struct g *closer;	/* waits for users to go */
} __attribute__((aligned(64)));

static struct {
	struct lock lock;
	_Atomic bool ready;
	int epfd;
	int wakefd;		/* an eventfd, level-triggered */
	_Atomic bool breaking;	/* written to, and not yet read */
	_Atomic bool no_pwait2;
	_Atomic s32 nwaiters;	/* goroutines */
	_Atomic(struct poll_desc *) blocks[TABLE_BLOCKS];
} np = { .lock = LOCK_INIT(RANK_NETPOLL) };

/*
 * Beginning and end.
 */

/* Its event carries no descriptor's state. */
static int add_wakefd(int epfd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

static int init_locked(void)
{
	int epfd, fd, err;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return -errno;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		goto out_close_epfd;
	if (add_wakefd(epfd, fd))
		goto out_close_fd;
	np.epfd = epfd;
	np.wakefd = fd;
	/* Pairs with netpoll_ready(). */
	atomic_store_explicit(&np.ready, true, memory_order_release);
	return 0;

out_close_fd:
	err = errno;
	close(fd);
	errno = err;
out_close_epfd:
	err = errno;
	close(epfd);
	return -err;
}

int netpoll_init(void)
{
	int saved, err = 0;

	if (likely(netpoll_ready()))
		return 0;
	lock(&np.lock);
	saved = errno;
	if (!netpoll_ready())
		err = init_locked();
	errno = saved;
	unlock(&np.lock);
	return err;
}

bool netpoll_ready(void)
{
	return atomic_load_explicit(&np.ready, memory_order_acquire);
}

void netpoll_fini(void)
{
	if (!netpoll_ready())
		return;
	close(np.epfd);
	close(np.wakefd);
	for (u32 i = 0; i < TABLE_BLOCKS; i++) {
		free(np.blocks[i]);
		np.blocks[i] = NULL;
	}
	np.nwaiters = 0;
	np.breaking = false;
	np.ready = false;
}

/*
 * The table.
 */

static struct poll_desc *block_new(void)
{
	size_t size = BLOCK_DESCS * sizeof(struct poll_desc);
	struct poll_desc *block = aligned_alloc(64, size);

	if (!block)
		return NULL;
	memset(block, 0, size);
	for (u32 i = 0; i < BLOCK_DESCS; i++) {
		block[i].lock.rank = RANK_POLLDESC;
		for (u32 d = 0; d < NR_POLL_DIRS; d++)
			block[i].queues[d].last = &block[i].queues[d].first;
	}
	return block;
}

/* The state of fd, if there is one.  Acquire: pairs with block_add(). */
static struct poll_desc *desc_find(int fd)
{
	struct poll_desc *block;

	if (fd < 0 || fd / BLOCK_DESCS >= TABLE_BLOCKS)
		return NULL;
	block = atomic_load_explicit(&np.blocks[fd / BLOCK_DESCS],
				     memory_order_acquire);
	return block ? &block[fd % BLOCK_DESCS] : NULL;
}

static int block_add(int fd)
{
	struct poll_desc *none = NULL, *block = block_new();

	if (!block)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong_explicit(
			&np.blocks[fd / BLOCK_DESCS], &none, block,
			memory_order_release, memory_order_relaxed))
		free(block);
	return 0;
}

static __cold int desc_make(int fd, struct poll_desc **pdp)
{
	int err;

	if (fd < 0)
		return -EBADF;
	if (fd / BLOCK_DESCS >= TABLE_BLOCKS)
		return -EMFILE;
	err = netpoll_init();
	if (!err)
		err = block_add(fd);
	if (!err)
		*pdp = desc_find(fd);
	return err;
}

/*
 * Edges and waiters.
 */

static void count_woken(s32 n)
{
	/* The poller waits for goroutines that have gone: if there is nothing
	 * else, somebody must see that this is a deadlock. */
	if (atomic_fetch_sub_explicit(&np.nwaiters, n, memory_order_relaxed) ==
	    n && atomic_load_explicit(&sched.polling, memory_order_relaxed))
		netpoll_break();
}

static void node_unlink(struct poll_queue *q, struct poll_node *n)
{
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	else
		q->last = n->pprev;
	n->pprev = NULL;
}

static void node_link(struct poll_queue *q, struct poll_node *n)
{
	n->next = NULL;
	n->pprev = q->last;
	*q->last = n;
	q->last = &n->next;
}

/* Is it the caller who makes w's goroutine runnable? */
static bool waiter_take(struct poll_waiter *w)
{
	return !atomic_exchange_explicit(&w->woken, true,
					 memory_order_relaxed);
}

/*
 * An edge: all in q go onto list.  Returns how many.  Not touched again:
 * nodes whose goroutine somebody else has woken may be used up to here only
 * because it takes this lock before it goes on.
 */
static s32 edge_locked(struct poll_queue *q, struct gqueue *list)
{
	struct poll_node *n;
	s32 woken = 0;

	/* Release: pairs with netpoll_look(). */
	atomic_store_explicit(&q->edges,
			      atomic_load_explicit(&q->edges,
					memory_order_relaxed) + 1,
			      memory_order_release);
	while ((n = q->first)) {
		node_unlink(q, n);
		if (waiter_take(n->waiter)) {
			gqueue_push(list, n->waiter->g);
			woken++;
		}
	}
	return woken;
}

int netpoll_look(struct poll_desc *pd, enum poll_dir dir, u32 *edges)
{
	struct poll_queue *q = &pd->queues[dir];

	/* Acquire: pairs with edge_locked(); an edge seen is data seen, and
	 * ->err, set before it. */
	*edges = atomic_load_explicit(&q->edges, memory_order_acquire);
	return atomic_load_explicit(&q->err, memory_order_relaxed);
}

static bool changed(const struct poll_queue *q, u32 edges)
{
	return atomic_load_explicit(&q->edges, memory_order_relaxed) != edges;
}

int netpoll_wait(struct poll_desc *pd, enum poll_dir dir, u32 edges)
{
	struct poll_queue *q = &pd->queues[dir];
	struct poll_waiter w = { .g = getg() };
	struct poll_node n = { .waiter = &w };

	if (atomic_load_explicit(&pd->kind, memory_order_relaxed) == POLL_FILE)
		return -EAGAIN;
	lock(&pd->lock);
	if (changed(q, edges)) {
		unlock(&pd->lock);
		return 0;
	}
	atomic_fetch_add_explicit(&np.nwaiters, 1, memory_order_relaxed);
	node_link(q, &n);
	sched_park(&pd->lock, WAIT_IO);
	return 0;
}

/*
 * Users.
 */

/* One more user, or the one who closes it: 0 or -EBADF. */
static int desc_enter(struct poll_desc *pd, u32 add)
{
	u32 users = atomic_load_explicit(&pd->users, memory_order_relaxed);

	for (;;) {
		if (unlikely(users & CLOSING))
			return -EBADF;
		if (unlikely(users & CLOSED)) {
			sched_yield_g();
			users = atomic_load_explicit(&pd->users,
						     memory_order_relaxed);
			continue;
		}
		/* Acquire: pairs with the release in netpoll_close(). */
		if (likely(atomic_compare_exchange_weak_explicit(&pd->users,
				&users, users + add, memory_order_acquire,
				memory_order_relaxed)))
			return 0;
	}
}

static __cold void wake_closer(struct poll_desc *pd)
{
	struct g *gp;

	lock(&pd->lock);
	gp = pd->closer;
	pd->closer = NULL;
	unlock(&pd->lock);
	if (gp)
		sched_ready(gp);
}

void netpoll_put(struct poll_desc *pd)
{
	/* Release: pairs with drain(). */
	if (unlikely(atomic_fetch_sub_explicit(&pd->users, USER,
			memory_order_release) == (USER | CLOSING)))
		wake_closer(pd);
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

/* EEXIST: it was registered when somebody used it with this number before,
 * and a duplicate has kept it alive. */
static int epoll_add(struct poll_desc *pd, int fd)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
		.data.ptr = pd,
	};

	if (!epoll_ctl(np.epfd, EPOLL_CTL_ADD, fd, &ev) || errno == EEXIST)
		return 0;
	return -errno;
}

static int register_locked(struct poll_desc *pd, int fd, bool nonblocking)
{
	u32 kind = POLL_EPOLL;
	int err;

	err = epoll_add(pd, fd);
	if (err == -EPERM) {
		kind = POLL_FILE;
		err = 0;
	} else if (!err && !nonblocking) {
		err = set_nonblocking(fd);
	}
	/* Pairs with netpoll_get(). */
	if (!err)
		atomic_store_explicit(&pd->kind, kind, memory_order_release);
	return err;
}

static __cold int desc_register(struct poll_desc *pd, int fd)
{
	int saved = errno, err = 0;

	lock(&pd->lock);
	if (pd->kind == POLL_NEW)
		err = register_locked(pd, fd, false);
	unlock(&pd->lock);
	errno = saved;
	return err;
}

int netpoll_get(int fd, struct poll_desc **pdp)
{
	struct poll_desc *pd = desc_find(fd);
	int err = 0;

	if (unlikely(!pd))
		err = desc_make(fd, &pd);
	if (unlikely(err))
		return err;
	err = desc_enter(pd, USER);
	if (unlikely(err))
		return err;
	*pdp = pd;
	if (likely(atomic_load_explicit(&pd->kind, memory_order_acquire) !=
		   POLL_NEW))
		return 0;
	err = desc_register(pd, fd);
	if (err)
		netpoll_put(pd);
	return err;
}

void netpoll_opened(int fd)
{
	struct poll_desc *pd = desc_find(fd);
	int saved = errno;

	if (unlikely(!pd && desc_make(fd, &pd)))
		return;
	if (desc_enter(pd, USER))
		return;
	lock(&pd->lock);
	/* If this fails the first call tries again, and says why. */
	atomic_store_explicit(&pd->kind, POLL_NEW, memory_order_relaxed);
	register_locked(pd, fd, true);
	unlock(&pd->lock);
	netpoll_put(pd);
	errno = saved;
}

/*
 * Closing.
 */

static void set_err_locked(struct poll_queue *q, int err)
{
	atomic_store_explicit(&q->err, err, memory_order_relaxed);
}

static void ready_all(struct gqueue *list, s32 n)
{
	struct g *gp;

	if (n)
		count_woken(n);
	while ((gp = gqueue_pop(list)))
		sched_ready(gp);
}

static void cancel_waiters(struct poll_desc *pd)
{
	struct gqueue list = { 0 };
	s32 n = 0;

	lock(&pd->lock);
	for (u32 d = 0; d < NR_POLL_DIRS; d++) {
		set_err_locked(&pd->queues[d], -ECANCELED);
		n += edge_locked(&pd->queues[d], &list);
	}
	unlock(&pd->lock);
	ready_all(&list, n);
}

/* Wait until there are no users, then nothing is known of fd any more. */
static void drain(struct poll_desc *pd, int fd)
{
	int saved = errno;

	lock(&pd->lock);
	/* Acquire: pairs with netpoll_put(). */
	while (atomic_load_explicit(&pd->users, memory_order_acquire) !=
	       CLOSING) {
		pd->closer = getg();
		sched_park(&pd->lock, WAIT_IO);
		lock(&pd->lock);
	}
	for (u32 d = 0; d < NR_POLL_DIRS; d++)
		set_err_locked(&pd->queues[d], 0);
	/* A duplicate would keep it registered. */
	if (pd->kind == POLL_EPOLL)
		epoll_ctl(np.epfd, EPOLL_CTL_DEL, fd, NULL);
	atomic_store_explicit(&pd->kind, POLL_NEW, memory_order_relaxed);
	atomic_store_explicit(&pd->users, CLOSED, memory_order_relaxed);
	unlock(&pd->lock);
	errno = saved;
}

static int close_fd(int fd)
{
	int saved = errno, err = 0;

	gort_syscall_enter();
	if (close(fd))
		err = -errno;
	gort_syscall_exit();
	errno = saved;
	return err;
}

int netpoll_close(int fd)
{
	struct poll_desc *pd = desc_find(fd);
	int err;

	if (!pd)
		return close_fd(fd);
	err = desc_enter(pd, CLOSING);
	if (err)
		return err;
	cancel_waiters(pd);
	drain(pd, fd);
	err = close_fd(fd);
	/* Release: pairs with desc_enter(). */
	atomic_store_explicit(&pd->users, 0, memory_order_release);
	return err;
}

/*
 * The poller.
 */

bool netpoll_any_waiters(void)
{
	return atomic_load_explicit(&np.nwaiters, memory_order_relaxed) > 0;
}

/*
 * One write is enough until somebody has read.  What the caller did before
 * is seen by the poller when it returns, also if the write is another's:
 * acquire and release on both sides, see end_break().
 */
void netpoll_break(void)
{
	int saved = errno;
	u64 one = 1;

	if (!netpoll_ready() ||
	    atomic_exchange_explicit(&np.breaking, true, memory_order_acq_rel))
		return;
	/* Cannot fail: the counter is far from its end. */
	if (write(np.wakefd, &one, sizeof(one)) != sizeof(one))
		throw("write to an eventfd failed");
	errno = saved;
}

/* Only by the one that waits: the break is meant for nobody else. */
static void end_break(void)
{
	u64 count;

	if (read(np.wakefd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		throw("read from an eventfd failed");
	atomic_exchange_explicit(&np.breaking, false, memory_order_acq_rel);
}

/* Rounded up, for a kernel (5.10) or emulator without nanoseconds. */
static int wait_ms(struct epoll_event *ev, s64 delay_ns)
{
	s64 ms = -1;

	if (delay_ns >= 0)
		ms = delay_ns / NSEC_PER_MSEC + !!(delay_ns % NSEC_PER_MSEC);
	if (ms > INT32_MAX)
		ms = INT32_MAX;
	return epoll_pwait(np.epfd, ev, EVENTS_MAX, (int)ms, NULL);
}

static int wait_events(struct epoll_event *ev, s64 delay_ns)
{
	struct timespec ts = {
		.tv_sec = delay_ns / NSEC_PER_SEC,
		.tv_nsec = delay_ns % NSEC_PER_SEC,
	};
	int n;

	if (delay_ns <= 0 ||
	    atomic_load_explicit(&np.no_pwait2, memory_order_relaxed))
		return wait_ms(ev, delay_ns);
	n = (int)syscall(SYS_epoll_pwait2, np.epfd, ev, EVENTS_MAX, &ts, NULL,
			 0);
	if (n >= 0 || errno == EINTR)
		return n;
	atomic_store_explicit(&np.no_pwait2, true, memory_order_relaxed);
	return wait_ms(ev, delay_ns);
}

/* Errors concern both directions: whoever waits finds out. */
static s32 event(struct poll_desc *pd, u32 events, struct gqueue *list)
{
	u32 both = EPOLLERR | EPOLLHUP;
	s32 n = 0;

	lock(&pd->lock);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | both))
		n += edge_locked(&pd->queues[POLL_READ], list);
	if (events & (EPOLLOUT | both))
		n += edge_locked(&pd->queues[POLL_WRITE], list);
	unlock(&pd->lock);
	return n;
}

struct gqueue netpoll(s64 delay_ns)
{
	struct epoll_event ev[EVENTS_MAX];
	struct gqueue list = { 0 };
	int saved = errno, n;
	s32 woken = 0;

	n = wait_events(ev, delay_ns);
	if (n < 0 && errno != EINTR)
		throw("epoll_pwait failed");
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr)
			woken += event(ev[i].data.ptr, ev[i].events, &list);
		else if (delay_ns)
			end_break();
	}
	if (woken && delay_ns)
		atomic_fetch_sub_explicit(&np.nwaiters, woken,
					  memory_order_relaxed);
	else if (woken)
		count_woken(woken);
	errno = saved;
	return list;
}
