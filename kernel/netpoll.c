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
 * Who closes a descriptor by close(2) instead leaves a state behind that is
 * not true of the next file with that number.  That is noticed when a
 * goroutine waits: epoll does not know the new file.  But asking it
 * (EPOLL_CTL_MOD) at each wait would cost half as much as the call itself.
 * So a descriptor that somebody has begun to wait for is in doubt, and all
 * those are asked for together, every DOUBT_NS, by whoever polls then.
 *
 * Invariants:
 *  I1  goroutines wait only for what is POLL_EPOLL.
 *  I2  a queue whose ->err is not 0 is empty.
 *
 * Locks: np.lock, for starting only; pd->lock.  Both on any stack: growing
 * one needs no descriptor.
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
#define DOUBT_NS	100000000
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

struct poll_queue {
	_Atomic u32 edges;	/* counts the times ready; see the file head */
	_Atomic int err;	/* why nobody may wait, -errno; or 0 */
	struct poll_node *first;
	struct poll_node **last;
	s64 deadline;		/* still to come, or 0 */
	s64 armed;		/* what the timer is set to, or about to be */
	struct timer timer;	/* without the lock */
};

struct poll_desc {
	_Atomic u32 users;
	_Atomic u32 kind;	/* changes under lock */
	int fd;			/* never changes */
	struct lock lock;	/* protects what follows */
	bool doubted;		/* on np.doubts */
	struct poll_desc *next_doubt;
	struct g *closer;	/* waits for users to go */
	struct poll_queue queues[NR_POLL_DIRS];
} __attribute__((aligned(64)));

static struct {
	struct lock lock;
	_Atomic bool ready;
	int epfd;
	int wakefd;		/* an eventfd, level-triggered */
	_Atomic bool breaking;	/* written to, and not yet read */
	_Atomic bool no_pwait2;
	_Atomic s32 nwaiters;	/* goroutines */
	_Atomic s32 nregistered; /* POLL_EPOLL */
	_Atomic u64 nwoken;	/* kept from run to run */
	_Atomic(struct poll_desc *) doubts;
	_Atomic s64 doubt_until; /* then they are asked for */
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
	np.nregistered = 0;
	np.doubts = NULL;
	np.breaking = false;
	np.ready = false;
}

/*
 * The table.
 */

static void read_deadline(void *pd);
static void write_deadline(void *pd);

static void desc_init(struct poll_desc *pd, int fd)
{
	memset(pd, 0, sizeof(*pd));
	pd->fd = fd;
	pd->lock.rank = RANK_POLLDESC;
	for (u32 d = 0; d < NR_POLL_DIRS; d++)
		pd->queues[d].last = &pd->queues[d].first;
	timer_init(&pd->queues[POLL_READ].timer, read_deadline, pd);
	timer_init(&pd->queues[POLL_WRITE].timer, write_deadline, pd);
}

static struct poll_desc *block_new(int first)
{
	struct poll_desc *block;

	block = aligned_alloc(64, BLOCK_DESCS * sizeof(struct poll_desc));
	for (int i = 0; block && i < BLOCK_DESCS; i++)
		desc_init(&block[i], first + i);
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
	struct poll_desc *none = NULL;
	struct poll_desc *block = block_new(fd - fd % BLOCK_DESCS);

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
	int saved = errno, err;

	if (fd < 0)
		return -EBADF;
	if (fd / BLOCK_DESCS >= TABLE_BLOCKS)
		return -EMFILE;
	err = netpoll_init();
	if (!err)
		err = block_add(fd);
	if (!err)
		*pdp = desc_find(fd);
	errno = saved;
	return err;
}

/*
 * Registering with epoll.
 */

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

static int epoll_op(struct poll_desc *pd, int op)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
		.data.ptr = pd,
	};

	return epoll_ctl(np.epfd, op, pd->fd, &ev);
}

/* EEXIST: it was registered when somebody used it with this number before,
 * and a duplicate has kept it alive. */
static int epoll_add(struct poll_desc *pd)
{
	if (!epoll_op(pd, EPOLL_CTL_ADD) || errno == EEXIST)
		return 0;
	return -errno;
}

static inline u32 kind_locked(struct poll_desc *pd)
{
	return atomic_load_explicit(&pd->kind, memory_order_relaxed);
}

static void set_kind_locked(struct poll_desc *pd, u32 kind)
{
	s32 more = (kind == POLL_EPOLL) - (kind_locked(pd) == POLL_EPOLL);

	atomic_fetch_add_explicit(&np.nregistered, more, memory_order_relaxed);
	/* Release: pairs with netpoll_get(). */
	atomic_store_explicit(&pd->kind, kind, memory_order_release);
}

/* Whatever was known before. */
static int register_locked(struct poll_desc *pd, bool nonblocking)
{
	int err = epoll_add(pd);
	u32 kind = POLL_NEW;

	if (!err && !nonblocking)
		err = set_nonblocking(pd->fd);
	if (!err)
		kind = POLL_EPOLL;
	if (err == -EPERM) {
		kind = POLL_FILE;
		err = 0;
	}
	set_kind_locked(pd, kind);
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

/* Somebody begins to wait: is it still the file that was registered? */
static void doubt_locked(struct poll_desc *pd)
{
	struct poll_desc *head;

	if (pd->doubted)
		return;
	pd->doubted = true;
	head = atomic_load_explicit(&np.doubts, memory_order_relaxed);
	do {
		if (!head)
			atomic_store_explicit(&np.doubt_until,
					      nanotime() + DOUBT_NS,
					      memory_order_relaxed);
		pd->next_doubt = head;
		/* Release: pairs with doubts_due(), check_doubts(). */
	} while (!atomic_compare_exchange_weak_explicit(&np.doubts, &head, pd,
			memory_order_release, memory_order_relaxed));
	if (head)
		return;
	/* Either the poller sees that it may not wait for long, or we see
	 * that there is one; pairs with the fence in poll_wait(). */
	full_fence();
	if (atomic_load_explicit(&sched.polling, memory_order_relaxed))
		netpoll_break();
}

/* Queue n, unless there was an edge. */
static bool add_locked(struct poll_desc *pd, enum poll_dir dir, u32 edges,
		       struct poll_node *n, struct poll_waiter *w)
{
	struct poll_queue *q = &pd->queues[dir];

	n->pprev = NULL;
	if (atomic_load_explicit(&q->edges, memory_order_relaxed) != edges)
		return false;
	n->waiter = w;
	node_link(q, n);
	doubt_locked(pd);
	return true;
}

/*
 * The call would block, though that is not what we know of the descriptor:
 * it has been closed and opened.
 */
static __cold int wait_unknown_locked(struct poll_desc *pd)
{
	int saved = errno, err = register_locked(pd, false);

	errno = saved;
	if (err)
		return err;
	return kind_locked(pd) == POLL_EPOLL ? 0 : -EAGAIN;
}

static void waiting(s32 n)
{
	atomic_fetch_add_explicit(&np.nwaiters, n, memory_order_relaxed);
}

int netpoll_wait(struct poll_desc *pd, enum poll_dir dir, u32 edges)
{
	struct poll_waiter w = { .g = getg() };
	struct poll_node n;
	int err = 0;

	lock(&pd->lock);
	if (unlikely(kind_locked(pd) != POLL_EPOLL)) {
		err = wait_unknown_locked(pd);
	} else if (add_locked(pd, dir, edges, &n, &w)) {
		waiting(1);
		sched_park(&pd->lock, WAIT_IO);
		return 0;
	}
	unlock(&pd->lock);
	return err;
}

/*
 * Waiting for several.
 */

void netpoll_wait_begin(struct poll_waiter *w)
{
	acquirem();
	w->g = getg();
	atomic_init(&w->woken, false);
	waiting(1);
}

bool netpoll_add(struct poll_desc *pd, enum poll_dir dir, u32 edges,
		 struct poll_node *n, struct poll_waiter *w)
{
	bool added;

	lock(&pd->lock);
	added = add_locked(pd, dir, edges, n, w);
	unlock(&pd->lock);
	return added;
}

void netpoll_remove(struct poll_desc *pd, enum poll_dir dir,
		    struct poll_node *n)
{
	lock(&pd->lock);
	if (n->pprev)
		node_unlink(&pd->queues[dir], n);
	unlock(&pd->lock);
}

void netpoll_wake(struct poll_waiter *w)
{
	if (!waiter_take(w))
		return;
	count_woken(1);
	sched_ready(w->g);
}

void netpoll_wait_end(struct poll_waiter *w, bool park)
{
	/* Who has taken it readies us, and we have to be parked for that. */
	if (park || !waiter_take(w)) {
		sched_park(NULL, WAIT_IO);
		return;
	}
	waiting(-1);
	releasem(getm());
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

static __cold int desc_register(struct poll_desc *pd)
{
	int saved = errno, err = 0;

	lock(&pd->lock);
	if (pd->kind == POLL_NEW)
		err = register_locked(pd, false);
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
	err = desc_register(pd);
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
	register_locked(pd, true);
	unlock(&pd->lock);
	netpoll_put(pd);
	errno = saved;
}

static void ready_all(struct gqueue *list, s32 n)
{
	struct g *gp;

	if (n)
		count_woken(n);
	while ((gp = gqueue_pop(list)))
		sched_ready(gp);
}

/*
 * Deadlines.
 */

static void set_err_locked(struct poll_queue *q, int err)
{
	atomic_store_explicit(&q->err, err, memory_order_relaxed);
}

static int err_locked(struct poll_queue *q)
{
	return atomic_load_explicit(&q->err, memory_order_relaxed);
}

/* If it has come: no waiting from now on. */
static s32 expire_locked(struct poll_queue *q, struct gqueue *list)
{
	if (!q->deadline || q->deadline > nanotime())
		return 0;
	q->deadline = 0;
	set_err_locked(q, -ETIMEDOUT);
	return edge_locked(q, list);
}

/*
 * A server moves its deadlines on with each request, and hardly one of them
 * ever comes.  So a timer that is set to an earlier time stays, and when it
 * fires is set to what the deadline is by then.
 *
 * Is the timer to be set now?
 */
static bool arm_locked(struct poll_queue *q)
{
	if (q->deadline ? q->armed && q->armed <= q->deadline : !q->armed)
		return false;
	q->armed = q->deadline;
	return true;
}

/* Others may set it meanwhile: the last one to come here sees to it that it
 * is as ->armed says. */
static void set_timer(struct poll_desc *pd, struct poll_queue *q, s64 when)
{
	s64 set;

	do {
		set = when;
		if (set)
			timer_start_at(&q->timer, set);
		else
			timer_stop(&q->timer);
		lock(&pd->lock);
		when = q->armed;
		unlock(&pd->lock);
	} while (when != set);
}

/* The timer has fired. */
static void deadline(struct poll_desc *pd, enum poll_dir dir)
{
	struct poll_queue *q = &pd->queues[dir];
	struct gqueue list = { 0 };
	s64 when;
	s32 n;

	lock(&pd->lock);
	n = expire_locked(q, &list);
	when = q->armed = q->deadline;
	unlock(&pd->lock);
	ready_all(&list, n);
	if (when)
		set_timer(pd, q, when);
}

static void read_deadline(void *pd)
{
	deadline(pd, POLL_READ);
}

static void write_deadline(void *pd)
{
	deadline(pd, POLL_WRITE);
}

int netpoll_set_deadline(struct poll_desc *pd, enum poll_dir dir, s64 when)
{
	struct poll_queue *q = &pd->queues[dir];
	struct gqueue list = { 0 };
	bool arm;
	s32 n = 0;

	if (atomic_load_explicit(&pd->kind, memory_order_relaxed) == POLL_FILE)
		return -EOPNOTSUPP;
	lock(&pd->lock);
	if (err_locked(q) == -ECANCELED) {
		unlock(&pd->lock);
		return -ECANCELED;
	}
	set_err_locked(q, 0);
	q->deadline = when;
	n = expire_locked(q, &list);
	arm = arm_locked(q);
	when = q->armed;
	unlock(&pd->lock);
	ready_all(&list, n);
	if (arm)
		set_timer(pd, q, when);
	return 0;
}

/*
 * Closing.
 */

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

/* Users are on their way out: wait until the last has gone. */
static void drain(struct poll_desc *pd)
{
	lock(&pd->lock);
	/* Acquire: pairs with netpoll_put(). */
	while (atomic_load_explicit(&pd->users, memory_order_acquire) !=
	       CLOSING) {
		pd->closer = getg();
		sched_park(&pd->lock, WAIT_IO);
		lock(&pd->lock);
	}
	unlock(&pd->lock);
}

static bool reset_queue_locked(struct poll_queue *q)
{
	bool timed = q->armed;

	q->deadline = q->armed = 0;
	set_err_locked(q, 0);
	return timed;
}

/* Nothing is known of the descriptor any more.  There are no users. */
static void forget(struct poll_desc *pd)
{
	struct poll_queue *q = pd->queues;
	bool timed[NR_POLL_DIRS];
	int saved = errno;

	lock(&pd->lock);
	for (u32 d = 0; d < NR_POLL_DIRS; d++)
		timed[d] = reset_queue_locked(&q[d]);
	/* A duplicate would keep it registered. */
	if (kind_locked(pd) == POLL_EPOLL)
		epoll_op(pd, EPOLL_CTL_DEL);
	set_kind_locked(pd, POLL_NEW);
	unlock(&pd->lock);
	for (u32 d = 0; d < NR_POLL_DIRS; d++)
		if (timed[d])
			timer_stop(&q[d].timer);
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
	drain(pd);
	forget(pd);
	atomic_store_explicit(&pd->users, CLOSED, memory_order_relaxed);
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

/* Who waits for a file that is not registered tries again. */
static s32 check_locked(struct poll_desc *pd, struct gqueue *list)
{
	struct poll_queue *q = pd->queues;

	pd->doubted = false;
	if ((!q[POLL_READ].first && !q[POLL_WRITE].first) ||
	    !epoll_op(pd, EPOLL_CTL_MOD))
		return 0;
	/* Registers it, or forgets it if it is closed. */
	register_locked(pd, false);
	return edge_locked(&q[POLL_READ], list) +
	       edge_locked(&q[POLL_WRITE], list);
}

static s32 check_doubts(struct gqueue *list)
{
	struct poll_desc *pd, *next;
	s32 n = 0;

	pd = atomic_exchange_explicit(&np.doubts, NULL, memory_order_acquire);
	for (; pd; pd = next) {
		lock(&pd->lock);
		next = pd->next_doubt;
		n += check_locked(pd, list);
		unlock(&pd->lock);
	}
	return n;
}

/* In how many ns are the doubts to be checked? */
static s64 doubts_due(void)
{
	if (!atomic_load_explicit(&np.doubts, memory_order_acquire))
		return TIME_NEVER;
	return atomic_load_explicit(&np.doubt_until, memory_order_relaxed) -
	       nanotime();
}

/* Not longer than that; but a wait stays one. */
static s64 cap_delay(s64 delay_ns)
{
	s64 due;

	if (!delay_ns)
		return 0;
	due = doubts_due();
	if (due < 1)
		due = 1;
	if (delay_ns > 0 && delay_ns < due)
		return delay_ns;
	return due == TIME_NEVER ? -1 : due;
}

struct gqueue netpoll(s64 delay_ns)
{
	struct epoll_event ev[EVENTS_MAX];
	struct gqueue list = { 0 };
	int saved = errno, n;
	s32 woken = 0;

	n = wait_events(ev, cap_delay(delay_ns));
	if (n < 0 && errno != EINTR)
		throw("epoll_pwait failed");
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr)
			woken += event(ev[i].data.ptr, ev[i].events, &list);
		else if (delay_ns)
			end_break();
	}
	if (doubts_due() <= 0)
		woken += check_doubts(&list);
	if (woken)
		atomic_fetch_add_explicit(&np.nwoken, (u64)woken,
					  memory_order_relaxed);
	if (delay_ns)
		waiting(-woken);
	else if (woken)
		count_woken(woken);
	errno = saved;
	return list;
}

void netpoll_count(struct netpoll_counts *c)
{
	s32 waiting = atomic_load_explicit(&np.nwaiters, memory_order_relaxed);

	*c = (struct netpoll_counts){
		.descriptors = (u64)atomic_load_explicit(&np.nregistered,
							 memory_order_relaxed),
		.waiting = waiting > 0 ? (u64)waiting : 0,
		.woken = atomic_load_explicit(&np.nwoken,
					      memory_order_relaxed),
	};
}
