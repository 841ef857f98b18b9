// SPDX-License-Identifier: ISC
/*
 * kernel/note.c - one-shot events for threads, and the futex calls.
 */
#define _GNU_SOURCE
#include "kernel/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/errno.h"
#include "kernel/time.h"

/*
 * futex_wait - sleep while *addr == val, at most timeout_ns (< 0: for ever).
 * Returns 0 on a wakeup, even a spurious one, or -EAGAIN, -EINTR, -ETIMEDOUT.
 * Leaves errno alone.
 */
int futex_wait(_Atomic u32 *addr, u32 val, s64 timeout_ns)
{
	struct timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	int saved = errno, err = 0;

	if (syscall(SYS_futex, addr, FUTEX_WAIT_PRIVATE, val,
		    timeout_ns < 0 ? NULL : &ts, NULL, 0) < 0)
		err = -errno;
	errno = saved;
	return err;
}

/* Wake up to count threads asleep on addr. */
void futex_wake(_Atomic u32 *addr, u32 count)
{
	int saved = errno;

	syscall(SYS_futex, addr, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
	errno = saved;
}

void note_clear(struct note *n)
{
	atomic_store_explicit(&n->set, 0, memory_order_relaxed);
}

/* Acquire: what the waker wrote before note_wakeup() is seen. */
void note_sleep(struct note *n)
{
	while (!atomic_load_explicit(&n->set, memory_order_acquire))
		futex_wait(&n->set, 0, -1);
}

/* The same, at most ns nanoseconds.  False: nobody woke us. */
bool note_sleep_for(struct note *n, s64 ns)
{
	s64 until = nanotime() + ns;

	while (!atomic_load_explicit(&n->set, memory_order_acquire)) {
		s64 left = until - nanotime();

		if (left <= 0)
			return false;
		futex_wait(&n->set, 0, left);
	}
	return true;
}

/* The same without sleeping. */
bool note_spin_for(struct note *n, s64 ns)
{
	s64 until = nanotime() + ns;

	do {
		if (atomic_load_explicit(&n->set, memory_order_acquire))
			return true;
		cpu_relax();
	} while (nanotime() < until);
	return false;
}

/* Release: pairs with note_sleep(). */
void note_wakeup(struct note *n)
{
	atomic_store_explicit(&n->set, 1, memory_order_release);
	futex_wake(&n->set, 1);
}
