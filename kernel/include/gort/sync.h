/* SPDX-License-Identifier: ISC */
/*
 * gort/sync.h - mutexes, conditions, semaphores for goroutines.
 *
 * They block the goroutine; its thread runs others meanwhile.  They are for
 * goroutines only: a void function called in another context is a fatal
 * error, one that returns int gives -EPERM.
 *
 * All zeros is an object nobody uses: no initialisation, no destruction, no
 * allocation.  An object may be freed by whoever knows that nobody will begin
 * to use it any more, even if the call that told him so, such as another
 * goroutine's gort_mutex_unlock(), has not returned yet.
 *
 * What one goroutine did before it unlocked, signalled or released is seen by
 * the one that got the lock or was woken by it.
 *
 * Goroutines that are dropped at the end of a run do not wait any more.  What
 * they had locked or acquired stays so.
 */
#ifndef GORT_SYNC_H
#define GORT_SYNC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A mutex.  Not recursive, and not tied to who locked it: another goroutine
 * may unlock it.
 *
 * A goroutine that comes while the mutex is free gets it, before those that
 * wait.  But one that waits for more than a millisecond is handed the mutex
 * by the next unlock, and until nobody waits that long any more all are
 * served in turn.
 */
struct gort_mutex {
	uint64_t opaque[4];
};

/* Context: goroutine.  May block. */
void gort_mutex_lock(struct gort_mutex *m);

/*
 * gort_mutex_try_lock - lock it if nobody has it.
 * Context: goroutine.  Does not block.  Returns 0, -EBUSY, or -EPERM.
 */
int gort_mutex_try_lock(struct gort_mutex *m);

/*
 * gort_mutex_unlock - one that is not locked is a fatal error.
 * Context: goroutine.  Does not wait, but may let the goroutine that is
 * handed the mutex run first.
 */
void gort_mutex_unlock(struct gort_mutex *m);

/*
 * A lock that many may hold to read, or one to write.
 *
 * Readers that come while a writer waits wait behind it; those that wait when
 * a writer unlocks come before the next one.  So neither starves, but who has
 * it to read must not rlock it again: a writer may have come between.
 */
struct gort_rwmutex {
	uint64_t opaque[7];
};

/* Context: goroutine.  May block. */
void gort_rwmutex_rlock(struct gort_rwmutex *rw);
void gort_rwmutex_lock(struct gort_rwmutex *rw);

/*
 * gort_rwmutex_try_rlock, gort_rwmutex_try_lock - -EBUSY instead of blocking.
 * Context: goroutine.  Returns 0, -EBUSY, or -EPERM.
 */
int gort_rwmutex_try_rlock(struct gort_rwmutex *rw);
int gort_rwmutex_try_lock(struct gort_rwmutex *rw);

/*
 * gort_rwmutex_runlock, gort_rwmutex_unlock - one that is not locked that way
 * is a fatal error.
 * Context: goroutine.  Does not block.
 */
void gort_rwmutex_runlock(struct gort_rwmutex *rw);
void gort_rwmutex_unlock(struct gort_rwmutex *rw);

/*
 * A condition: goroutines wait for others to say that something changed.
 */
struct gort_cond {
	uint64_t opaque[3];
};

/*
 * gort_cond_wait - unlock m, wait for a signal or broadcast, lock m again.
 * There are no wake-ups without either, but by the time m is locked what the
 * caller waits for may be gone again: look in a loop.
 *
 * Context: goroutine that has m locked.  Blocks.
 */
void gort_cond_wait(struct gort_cond *c, struct gort_mutex *m);

/*
 * gort_cond_signal - wake the one that waits longest, if any.
 * gort_cond_broadcast - wake all that wait.
 * Context: goroutine, with the mutex locked or not.  Does not block.
 */
void gort_cond_signal(struct gort_cond *c);
void gort_cond_broadcast(struct gort_cond *c);

/*
 * A counting semaphore.  First come, first served: who wants many is not
 * overtaken by those that want few.
 */
struct gort_sem {
	uint64_t opaque[4];
};

/* gort_sem_init - n to begin with; all zeros is 0.  Context: any. */
void gort_sem_init(struct gort_sem *s, uint64_t n);

/* gort_sem_acquire - take n.  Context: goroutine.  May block. */
void gort_sem_acquire(struct gort_sem *s, uint64_t n);

/*
 * gort_sem_try_acquire - take n if they are there and nobody waits.
 * Context: goroutine.  Does not block.  Returns 0, -EAGAIN, or -EPERM.
 */
int gort_sem_try_acquire(struct gort_sem *s, uint64_t n);

/*
 * gort_sem_release - give n.  A count above UINT64_MAX is a fatal error.
 * Context: goroutine.  Does not block.
 */
void gort_sem_release(struct gort_sem *s, uint64_t n);

/*
 * Something to be done once.
 */
struct gort_once {
	uint64_t opaque[5];
};

/*
 * gort_once - call fn(arg) if no call for this once has been; else wait until
 * that has returned.
 *
 * fn must return: after gort_exit() or longjmp() out of it everybody waits
 * for ever.  Calling gort_once() for the same once in it is a fatal error.
 * If the run ended while fn ran, the first call in the next run begins anew.
 *
 * Context: goroutine.  May block.
 */
void gort_once(struct gort_once *once, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#endif
