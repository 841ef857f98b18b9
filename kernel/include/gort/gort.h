/* SPDX-License-Identifier: ISC */
/*
 * gort/gort.h - goroutines with growable stacks for C.
 *
 * Code that runs on goroutines is compiled with the flags of
 * "pkg-config --cflags gort" and linked with "pkg-config --libs gort".
 *
 * Contexts.  "Goroutine context" is code called, directly or not, from a
 * function given to gort_run() or gort_go(), on the goroutine's own stack:
 * not in a signal handler (which must have SA_ONSTACK) and not below
 * gort_systemstack_call().  Functions
 * that return int give 0 or -errno and never set errno; -EPERM means that
 * the call came from another context.
 */
#ifndef GORT_GORT_H
#define GORT_GORT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * gort_run - start the runtime, run fn(arg) as the first goroutine, and
 * return when fn returns.
 *
 * Goroutines that are left are dropped where they stand, as in Go when main
 * returns; memory they had from malloc stays allocated.  One that runs at
 * that moment on another thread is waited for until it can be stopped, as in
 * preemption; so is one in a system call until that returns.  A second
 * gort_run() after that works.
 *
 * Reads GORTMAXPROCS, GORTDEBUG, GORTTRACE and GORTCPUPROFILE.
 *
 * Context: any thread, not a goroutine.  Blocks until fn returns.
 * Returns 0, or
 *	-EINVAL	fn is NULL, or a bad value in the environment (said on
 *		standard error)
 *	-EBUSY	the runtime runs already, or the caller is a goroutine
 *	-ENOMEM, -EAGAIN  no memory or no threads
 */
int gort_run(void (*fn)(void *), void *arg);

/*
 * gort_go - start a goroutine that runs fn(arg).
 *
 * Context: goroutine.  Does not block.
 * Returns 0, -EINVAL (fn is NULL), -ENOMEM, or -EPERM.
 */
int gort_go(void (*fn)(void *), void *arg);

/* Most bytes gort_go_copy() takes. */
#define GORT_GO_COPY_MAX	8192

/*
 * gort_go_copy - the same, with n bytes at arg copied onto the new stack;
 * fn gets the address of the copy, 16-aligned, good until fn returns.
 *
 * Context: goroutine.  Does not block.
 * Returns as gort_go(), or -E2BIG for n above GORT_GO_COPY_MAX, or -EINVAL
 * for arg NULL with n > 0.
 */
int gort_go_copy(void (*fn)(void *), const void *arg, size_t n);

/*
 * gort_yield - let other goroutines run; back of the run queue.
 * Context: goroutine; anywhere else a fatal error.
 */
void gort_yield(void);

/*
 * gort_exit - end the calling goroutine.  In the first goroutine it ends
 * that one only, as in Go: gort_run() then never returns; when the others
 * have ended, too, that is a deadlock.
 * Context: goroutine; anywhere else a fatal error.
 */
__attribute__((__noreturn__)) void gort_exit(void);

/*
 * gort_systemstack_call - run fn(arg) on the thread's system stack (8 MiB),
 * for library code that needs more stack than the reserve a goroutine
 * leaves for code compiled without checks (24 KiB).  The thread runs
 * nothing else meanwhile; fn may not block on gort's channels and the like
 * (they return -EPERM or end the program).
 *
 * Context: goroutine, or system stack (then a plain call).
 * Returns 0, -EINVAL (fn is NULL), or -EPERM.
 */
int gort_systemstack_call(void (*fn)(void *), void *arg);

/*
 * gort_lock_os_thread - from now on the caller runs on this thread only, and
 * this thread runs nothing else, until as many calls of
 * gort_unlock_os_thread, or the goroutine's end.  For thread-local state of
 * other libraries.  Switches to and from it cost a futex call each.
 * Context: goroutine; anywhere else, or an unlock too many, a fatal error.
 */
void gort_lock_os_thread(void);
void gort_unlock_os_thread(void);

/*
 * gort_gomaxprocs - let at most n threads run goroutines at a time, up to
 * 1024; n <= 0 asks only.  Stops the world for a moment.
 *
 * Context: goroutine.  May block.
 * Returns the number before, -EINVAL (n too large), -ENOMEM, or -EPERM.
 */
int gort_gomaxprocs(int n);

/* Goroutines that have not ended; a snapshot.  Context: any. */
uint64_t gort_numgoroutine(void);

/*
 * gort_stack_shrink - give back stack that goroutines once used and no
 * longer need.  Happens by itself when stacks have doubled since it last
 * did.  Each goroutine is stopped for a moment, one at a time; one that does
 * not stop within 10 ms, because it is in a call that blocks its thread, keeps
 * what it has.
 *
 * Context: goroutine.  Returns the bytes given back, or -EPERM.
 */
int64_t gort_stack_shrink(void);

/*
 * gort_stack_dump - write what every goroutine does into buf: state, frames,
 * creator, as fatal errors print it.  Terminated, cut off where it does not
 * fit.  Stops the world.
 *
 * Context: goroutine.  May block.
 * Returns the length of all of it, as snprintf(); -EINVAL (NULL with a
 * size), or -EPERM.
 */
int64_t gort_stack_dump(char *buf, size_t size);

/* Id of the calling goroutine, from 1; 0 in other contexts. */
uint64_t gort_goid(void);

/*
 * Channels: bounded queues of elements of one size.
 */
struct gort_chan;

/*
 * gort_chan_new - a channel of cap elements of elem_size bytes; cap 0 hands
 * over from sender to receiver directly.
 *
 * Context: any.  Returns NULL when out of memory or cap * elem_size
 * overflows.
 */
struct gort_chan *gort_chan_new(size_t elem_size, size_t cap);

/*
 * gort_chan_send - send the elem_size bytes at elem; blocks while full.
 * gort_chan_try_send - the same, -EAGAIN instead of blocking.
 *
 * Context: goroutine.
 * Returns 0; -EPIPE if closed, before or while waiting; -EINVAL for a NULL
 * channel, or NULL elem with elem_size > 0; -EPERM.
 */
int gort_chan_send(struct gort_chan *c, const void *elem);
int gort_chan_try_send(struct gort_chan *c, const void *elem);

/*
 * gort_chan_recv - receive into elem (NULL: throw the element away); blocks
 * while empty.
 * gort_chan_try_recv - the same, -EAGAIN instead of blocking.
 *
 * Context: goroutine.
 * Returns 0; -EPIPE if closed and drained (elem is then zeroed); -EINVAL for
 * a NULL channel; -EPERM.
 */
int gort_chan_recv(struct gort_chan *c, void *elem);
int gort_chan_try_recv(struct gort_chan *c, void *elem);

/*
 * gort_chan_close - no more sends.  Wakes everybody who waits: receivers
 * drain what is buffered, then get -EPIPE; senders get -EPIPE.
 *
 * Context: goroutine.  Does not block.
 * Returns 0, -EPIPE if it is closed already, -EINVAL (NULL), or -EPERM.
 */
int gort_chan_close(struct gort_chan *c);

/*
 * gort_chan_free - give the memory back.  The caller makes sure nobody uses
 * the channel any more; freeing one with goroutines waiting is a fatal
 * error.
 *
 * Context: any.  Returns 0, or -EINVAL (NULL).
 */
int gort_chan_free(struct gort_chan *c);

/* Elements buffered now; a snapshot.  Context: any. */
size_t gort_chan_len(const struct gort_chan *c);

/*
 * A waitgroup waits for a number of things to be done.  All zeros is a
 * waitgroup of none.
 */
struct gort_waitgroup {
	uint64_t opaque[4];
};

/*
 * gort_waitgroup_add - add delta, which may be negative.  At 0 everybody who
 * waits goes on.  gort_waitgroup_done - add -1.
 * A count below 0 is a fatal error, as is the use outside a goroutine.
 */
void gort_waitgroup_add(struct gort_waitgroup *wg, int64_t delta);
void gort_waitgroup_done(struct gort_waitgroup *wg);

/*
 * gort_waitgroup_wait - block until the count is 0.
 * Context: goroutine; anywhere else a fatal error.
 */
void gort_waitgroup_wait(struct gort_waitgroup *wg);

/*
 * Numbers of the run so far, or of the last one after it ended.  Exact for
 * what the calling goroutine did itself; others' may lag.
 */
struct gort_stats {
	uint64_t goroutines;		/* started */
	uint64_t live;			/* not yet ended */
	uint64_t switches;		/* times a goroutine was switched to */
	uint64_t steals;		/* goroutines taken from another P */
	uint64_t threads;
	uint64_t procs;			/* GORTMAXPROCS */
	uint64_t stack_inuse;		/* bytes, live goroutines' watermarks */
	uint64_t stack_resident;	/* bytes, with those cached for reuse */
	uint64_t stack_peak;		/* most stack_resident ever was */
	uint64_t stack_slots;		/* stretches of address space made */
	uint64_t stack_grown_in_place;
	uint64_t stack_grown_by_switch;
	uint64_t stack_guards_missing;	/* slots without a guard region */
	uint64_t wall_ns;		/* since gort_run() began */
};

/* Context: any thread. */
void gort_read_stats(struct gort_stats *st);

/*
 * System calls that may take long.
 *
 * gort_syscall_enter - the caller is about to block its thread.  Its P may
 * go to another thread meanwhile.  gort_syscall_exit - it is back; waits for
 * a P if there is none.
 *
 * Between the two calls of gort fail as outside a goroutine; other code may
 * run.  A few nanoseconds each, when the call is short.
 * Context: goroutine; anywhere else, nested or unpaired, a fatal error.
 */
void gort_syscall_enter(void);
void gort_syscall_exit(void);

/*
 * gort_blocking - run fn(arg), which may block its thread for long and need
 * much stack: it gets the thread's system stack (8 MiB).
 *
 * Context: goroutine.  Returns 0 when fn has returned, -EINVAL (fn is NULL),
 * or -EPERM.
 */
int gort_blocking(void (*fn)(void *), void *arg);

/*
 * How long all goroutines were stopped, per reason.
 */
struct gort_pause {
	const char *reason;
	uint64_t count;
	uint64_t stop_ns, stop_max_ns;		/* from request to stopped */
	uint64_t total_ns, total_max_ns;	/* until they went on */
};

/*
 * gort_read_pause - the i-th reason's numbers, since the process began.
 * Context: any.  Returns 0, -ENOENT (there are not so many), or -EINVAL.
 */
int gort_read_pause(unsigned int i, struct gort_pause *p);

/*
 * errno belongs to the goroutine.  <errno.h> lets the compiler keep its
 * address across calls, but after a call the goroutine may be on another
 * thread: so look it up each time.
 */
int *gort_errno_location(void);
#undef errno
#define errno	(*gort_errno_location())

/*
 * Puts no stack check into a function: for code that must run where there
 * is no room to switch.  It has 1 KiB.
 */
#define gort_nosplit	__attribute__((__noinline__, __section__(".text.gort.nosplit")))

#ifdef __cplusplus
}
#endif

#include <gort/cancel.h>
#include <gort/context.h>
#include <gort/io.h>
#include <gort/mem.h>
#include <gort/metrics.h>
#include <gort/nonpreempt.h>
#include <gort/profile.h>
#include <gort/select.h>
#include <gort/signal.h>
#include <gort/sync.h>
#include <gort/time.h>
#include <gort/trace.h>

#endif
