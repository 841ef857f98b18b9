// SPDX-License-Identifier: ISC
/*
 * kernel/notify.c - signals as values of channels.
 *
 * The handler sets the signal's bit and writes to an eventfd.  A goroutine of
 * the runtime's reads that, takes the bits, and sends to the channels without
 * blocking.  It waits in the poller like any other, so a program that waits
 * for a signal is not deadlocked.
 *
 * Channels are sent to under the lock, so that nothing is sent after
 * gort_signal_stop().
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/chan.h"
#include "kernel/notify.h"
#include "kernel/sched.h"
#include "kernel/signal.h"

#define NR_SIGNALS	64
#define SUBS_MAX	64

struct sub {
	struct gort_chan *c;
	int sig;
};

static struct {
	struct lock lock;	/* protects what follows */
	struct sub subs[SUBS_MAX];
	u32 nsubs;
	struct sigaction old[NR_SIGNALS + 1];
	u32 users[NR_SIGNALS + 1];
	bool started;
} notify = { .lock = LOCK_INIT(RANK_NOTIFY) };

static _Atomic u64 pending;	/* bit sig - 1 */
static _Atomic int wake_fd = -1;

/*
 * ThreadSanitizer puts handlers off until the thread makes one of the calls
 * that it knows, and one that sleeps in the runtime makes none.  So this one
 * is installed behind its back, see sigurg.c.
 */
static __no_tsan void on_signal(int sig)
{
	int saved = errno;
	u64 one = 1;

	/* Release: pairs with the exchange in dispatch(). */
	atomic_fetch_or_explicit(&pending, (u64)1 << (sig - 1),
				 memory_order_release);
	/* Full means that it is awake anyway. */
	if (syscall(SYS_write, atomic_load_explicit(&wake_fd,
						    memory_order_relaxed),
		    &one, sizeof(one)) < 0)
		errno = saved;
}

static void send_to_all(int sig)
{
	lock(&notify.lock);
	for (u32 i = 0; i < notify.nsubs; i++)
		if (notify.subs[i].sig == sig)
			gort_chan_try_send(notify.subs[i].c, &sig);
	unlock(&notify.lock);
}

static void dispatch(void *arg)
{
	int fd = (int)(intptr_t)arg;
	u64 bits, n;

	while (gort_read(fd, &n, sizeof(n)) == sizeof(n)) {
		bits = atomic_exchange_explicit(&pending, 0,
						memory_order_acquire);
		for (; bits; bits &= bits - 1)
			send_to_all(__builtin_ctzll(bits) + 1);
	}
}

/* The goroutine and its eventfd, once per run. */
static int start_dispatcher(void)
{
	int saved = errno, fd, err;

	if (notify.started)
		return 0;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		errno = saved;
		return err;
	}
	err = sched_spawn_background(dispatch, (void *)(intptr_t)fd);
	if (err) {
		close(fd);
		return err;
	}
	atomic_store_explicit(&wake_fd, fd, memory_order_relaxed);
	notify.started = true;
	return 0;
}

static bool can_notify(int sig)
{
	return sig >= 1 && sig <= NR_SIGNALS && sig != SIGKILL &&
	       sig != SIGSTOP && !signal_is_ours(sig);
}

static u32 find_sub(struct gort_chan *c, int sig)
{
	u32 i = 0;

	while (i < notify.nsubs &&
	       (notify.subs[i].c != c || notify.subs[i].sig != sig))
		i++;
	return i;
}

static int install(int sig)
{
	struct sigaction sa = {
		.sa_handler = on_signal,
		.sa_flags = SA_ONSTACK | SA_RESTART,
	};
	int saved = errno;

	if (notify.users[sig]++)
		return 0;
	sigfillset(&sa.sa_mask);
	if (!sigaction_raw(sig, &sa, &notify.old[sig]))
		return 0;
	notify.users[sig]--;
	errno = saved;
	return -EINVAL;
}

static void uninstall(int sig)
{
	if (!--notify.users[sig])
		sigaction_raw(sig, &notify.old[sig], NULL);
}

static int add_locked(struct gort_chan *c, int sig)
{
	int err;

	if (find_sub(c, sig) < notify.nsubs)
		return -EALREADY;
	if (notify.nsubs == SUBS_MAX)
		return -ENOSPC;
	err = start_dispatcher();
	if (!err)
		err = install(sig);
	if (!err)
		notify.subs[notify.nsubs++] = (struct sub){ c, sig };
	return err;
}

__public int gort_signal_notify(struct gort_chan *c, int sig)
{
	int err;

	if (!in_goroutine())
		return -EPERM;
	if (!c || c->elem_size != sizeof(int) || !can_notify(sig))
		return -EINVAL;
	lock(&notify.lock);
	err = add_locked(c, sig);
	unlock(&notify.lock);
	return err;
}

__public int gort_signal_stop(struct gort_chan *c, int sig)
{
	int err = -ENOENT;
	u32 i;

	if (!in_goroutine())
		return -EPERM;
	lock(&notify.lock);
	i = find_sub(c, sig);
	if (i < notify.nsubs) {
		notify.subs[i] = notify.subs[--notify.nsubs];
		uninstall(sig);
		err = 0;
	}
	unlock(&notify.lock);
	return err;
}

void notify_end_run(void)
{
	while (notify.nsubs)
		uninstall(notify.subs[--notify.nsubs].sig);
	if (notify.started)
		close(atomic_exchange_explicit(&wake_fd, -1,
					       memory_order_relaxed));
	notify.started = false;
	atomic_store_explicit(&pending, 0, memory_order_relaxed);
}
