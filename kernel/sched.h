/* SPDX-License-Identifier: ISC */
/*
 * kernel/sched.h - goroutines (G), threads (M), scheduling contexts (P).
 */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <arch/compiler.h>
#include <arch/context.h>
#include <arch/tls.h>
#include "kernel/debug.h"
#include "kernel/histogram.h"
#include "kernel/lock.h"
#include "kernel/nonpreempt.h"
#include "kernel/panic.h"
#include "kernel/timer.h"
#include "mm/stack.h"

/*
 * Status is ownership of the stack: whoever moved it there, or holds the
 * scan bit, owns it.  kernel/status.h has the rules of change.
 *
 * G_IDLE	the slot's owner (free list, P cache, creator)
 * G_RUNNABLE	on a run queue; the M that takes it off
 * G_RUNNING	the M g->m, nobody else
 * G_SYSCALL	the M g->m, which left its P behind; the stack is in use
 *		below what the goroutine saved when it went there
 * G_WAITING	parked; owned by whoever holds it in a wait queue and will
 *		call sched_ready()
 * G_DEAD	exited; the P whose cache it is in
 * G_PREEMPTED	stopped itself for a suspend_g(), which takes it
 *
 * With the bit G_SCAN the one who set it owns the stack, and the status
 * stays as it is until that one takes it away.
 *
 * 0 is what a slot given back to the kernel reads.
 */
enum g_status {
	G_IDLE,
	G_RUNNABLE,
	G_RUNNING,
	G_SYSCALL,
	G_WAITING,
	G_DEAD,
	G_PREEMPTED,
	NR_G_STATUS,
	G_SCAN = 0x1000,
};

/* From WAIT_STACK_SCAN on it still runs: see wait_is_for_gc(). */
enum wait_reason {
	WAIT_NONE,
	WAIT_CHAN_SEND,
	WAIT_CHAN_RECV,
	WAIT_WAITGROUP,
	WAIT_MUTEX,
	WAIT_RWMUTEX_RLOCK,
	WAIT_RWMUTEX_LOCK,
	WAIT_COND,
	WAIT_SEM,
	WAIT_ONCE,
	WAIT_SELECT,
	WAIT_SELECT_NONE,
	WAIT_SLEEP,
	WAIT_IO,
	WAIT_SIGNAL,
	WAIT_WORLD,
	WAIT_TRACE,
	WAIT_PREEMPTED,
	WAIT_STACK_SCAN,
	WAIT_STOPPING_WORLD,
	NR_WAIT_REASONS
};

/*
 * What the tracer notes of a goroutine or a P: in which generations it was
 * mentioned, the last two of them, and the number of the last event of its
 * in each.  Written by its owner, gen read by who ends a generation.
 */
struct sched_trace {
	_Atomic u32 gen[2];	/* of generation n in [n % 2] */
	u32 seq[2];
};

#define TRACE_STREAMS	3
#define TRACE_NAMES	16	/* a power of two */

/* A string that was named lately, by its address; see trace/table.c. */
struct trace_name {
	const char *s;
	const void *entry;
	u32 gen;
};

/* What the tracer has of a thread. */
struct m_trace {
	_Atomic bool writing;	/* see kernel/tracepoint.h */
	u32 gen;		/* while it writes: to which generation */
	void *buf[2][TRACE_STREAMS];	/* by gen % 2 */
	struct trace_name names[TRACE_NAMES];
	u32 id_next, id_end;	/* of strings, for id_gen */
	u32 id_gen;
};

/* Of a thread's CPU time; all but ring by kernel/sigprof.c's lock. */
struct m_sigprof {
	_Atomic(struct sigprof_ring *) ring; /* read by its handler */
	bool alive;		/* may have a timer */
	bool timed;		/* has one */
	int timer;
	pthread_t thread;
};

struct g {
	/* Hot: touched by every switch. */
	struct context ctx;	/* where to go on, when off the CPU */
	struct segment *seg;	/* segment it runs on */
	struct m *m;		/* G_RUNNING: its M */
	struct g *link;		/* run queue, free list, or wait queue */
	_Atomic u32 status;
	int saved_errno;	/* errno while off the CPU */
	u32 where;		/* enum tls_where while it runs */
	u32 watched;		/* how many its next latency stands for; or 0 */
	struct m *lockedm;	/* the only M that may run it, or NULL */
	u64 id;

	/* Between __morestack and newstack(): the goroutine itself. */
	u64 more_need;		/* in: frame size and flags, or an address */
	uintptr_t more_sp;	/* in: sp at entry of the function */
	uintptr_t more_pc;	/* in: for tracebacks, in the function */
	uintptr_t more_fp;	/* in: the frame record to go on from */
	uintptr_t more_new;	/* out: sp on a new segment, or 0 */
	struct segment *more_seg; /* out: segment that holds more_sp */

	s64 runnable_since;	/* ns; while it is G_RUNNABLE and watched */

	/* While G_WAITING. */
	struct lock *wait_lock;	/* released once it is off its stack */
	u32 wait_reason;
	s64 wait_since;		/* sched.clock then */

	/* Requests to it while it runs.  Set by others, cleared by itself. */
	_Atomic bool preempt;		/* let others run */
	_Atomic bool preempt_stop;	/* become G_PREEMPTED */

	/* While G_SYSCALL: where its stack begins for others. */
	uintptr_t syscall_pc, syscall_fp, syscall_sp;
	struct segment *syscall_seg;	/* those before it stay, too */
	u32 nlocked;		/* times gort_lock_os_thread() was called */
	u32 nonpreempt;		/* the same of gort_nonpreempt_begin(), */
	const char *nonpreempt_name; /* and what the first of them said */
	bool pinned;		/* lockedm is for the time of a preemption */

	bool system;		/* g0, or stands for a thread */
	bool background;	/* the runtime's own: not counted */

	void (*fn)(void *);	/* for tracebacks */
	u64 parent;		/* goroutine that started it */
	uintptr_t created_pc;

	struct sched_trace trace;
	void *label;		/* trace/label.h; set by its own goroutine */

	void *tsan_fiber;
	struct segment seg0;	/* last: at the very top of the slot */
} __attribute__((aligned(16)));

/* Usable top of the first segment: everything below struct g. */
_Static_assert(sizeof(struct g) % 16 == 0, "struct g keeps sp aligned");

struct m {
	/* Owned by the thread itself. */
	struct g *g0;
	_Atomic(struct g *) curg; /* read by those who preempt */
	struct p *p;
	struct p *syscall_p;	/* curg is in a system call: the P to go on with */
	u32 locks;		/* > 0: not preemptible */
	_Atomic bool changing;	/* see kernel/status.h */
	bool spinning;
	struct g *lockedg;	/* the only goroutine it may run, or NULL */
	u64 rand;
	int *errno_addr;
	struct g thread_g;	/* what the thread did before it joined */
	struct g g0_storage;
	void *gsignal;
	size_t gsignal_size;
	stack_t old_sigstack;
#ifdef GORT_DEBUG
	struct lock *held[8];
	u32 nheld;
#endif

	u32 id;
	pthread_t thread;
	int tid;
	_Atomic bool signalled;	/* a SIGURG of ours is on the way */
	u64 asked_cpu_ns;	/* its CPU time then; sched.lock */
	_Atomic uintptr_t unsafe_pc; /* where the last one found it, unable */
	_Atomic bool frozen;	/* the process dies; this is where it was */
	uintptr_t frozen_pc, frozen_fp;
	bool started;		/* pthread_join() it */
	_Atomic(uintptr_t *) guard_addr; /* its guard word, for others;
				 * NULL until the thread runs */

	struct m_trace trace;
	struct m_sigprof sigprof;
	struct m_nonpreempt nonpreempt;

	/* Set by whoever wakes it, before the note. */
	struct p *nextp;
	bool next_spinning;
	struct note park;

	struct m *all_link;	/* set before it is published in all_ms */

	/* sched.lock */
	struct m *idle_link;
	bool gone;		/* left the scheduler for good */
	bool locked_asleep;	/* counted in nlocked_ms */
	struct m *stw_link;	/* stopped with the world */
	struct p *stw_p;	/* its P, which it gets back; or NULL */
	struct note stw_note;	/* it goes on */
};

#define RUNQ_SIZE	256u

/*
 * P_RUNNING	the M pp->m runs it
 * P_IDLE	on sched.idle_ps
 * P_SYSCALL	left behind by an M in a system call, whose id is in the upper
 *		bits: p_syscall().  That M takes it back, or anybody who has
 *		opened the status gate takes it away
 * P_STOPPED	whoever stops the world
 * P_DEAD	beyond GORTMAXPROCS
 */
enum p_status {
	P_IDLE,
	P_RUNNING,
	P_SYSCALL,
	P_STOPPED,
	P_DEAD,
	NR_P_STATUS,
	P_STATUS_BITS = 8,
};

struct p {
	/* Shared with thieves. */
	_Atomic u32 runq_head;	/* advanced by CAS */
	_Atomic u32 runq_tail __attribute__((aligned(64)));
	_Atomic(struct g *) runnext;
	_Atomic(struct g *) runq[RUNQ_SIZE];

	/* Owned by the M that runs this P. */
	u32 id __attribute__((aligned(64)));
	_Atomic u32 status;
	_Atomic(struct m *) m;	/* read by those who preempt */
	_Atomic u32 tick;	/* one per goroutine switched to; read by sysmon */
	_Atomic u32 syscall_tick; /* one per system call; read by sysmon */
	u32 nextrun;		/* times in a row that runnext was taken */
	u64 goid_next, goid_end;
	struct stack_cache stacks;
	struct heap_cache *heap;
	struct timer_heap timers;

	/* Written by the owner, read by anyone: relaxed. */
	_Atomic u64 nspawned, nexited, nswitches, nsteals;
	_Atomic u64 mutex_wait_ns;
	struct time_hist latency;	/* from runnable to running */

	struct sched_trace trace;
	int syscall_tid;	/* the thread that left it behind */

	struct p *idle_link;	/* sched.lock */
};

/* When pp's first timer is due, or TIME_NEVER.  Any thread. */
static inline s64 timers_next(const struct p *pp)
{
	return atomic_load_explicit(&pp->timers.next, memory_order_relaxed);
}

struct gqueue {
	struct g *head;
	struct g *tail;
};

struct sched {
	struct lock lock;	/* protects what follows */
	struct gqueue runq;	/* goroutines of no P */
	_Atomic u32 runq_size;	/* written under lock */
	struct m *idle_ms;
	u32 nidle_ms;
	_Atomic(struct m *) all_ms; /* grows only; walked without the lock */
	_Atomic u32 nms;	/* started in this run; read by anyone */
	u32 last_mid;		/* newest M's id */
	u32 ngone_ms;
	u32 nlocked_ms;		/* asleep until their goroutine is to run */
	struct p *idle_ps;
	_Atomic u32 nidle_ps;	/* written under lock */

	_Atomic u32 nspinning;
	_Atomic u64 goid;
	_Atomic bool scan_wanted; /* somebody shall start a stack scan */
	_Atomic u32 interrupt;	/* INT_*: leave the fast path of schedule() */

	/* The thread that waits for descriptors and timers. */
	_Atomic bool polling;
	_Atomic s64 poll_until;	/* until when, if it waits; TIME_NEVER, or 0 */
	_Atomic s64 last_poll;	/* when somebody last looked */
	_Atomic s64 clock;	/* ns, some ms late: kept by sysmon and pollers */

	_Atomic u32 nprocs;	/* changes only while the world is stopped */
	_Atomic u32 nallps;	/* ps[] that exist; grows only */
	struct p *ps[MAXPROCS_LIMIT];
};

#define INT_STOPPING	1u	/* main returned: everybody leaves */
#define INT_STW		2u	/* the world is to stop, or stopped */

extern struct sched sched;

/* How many runs there were before.  Changes while no goroutine exists. */
extern _Atomic u64 sched_runs;

static inline u64 sched_run_id(void)
{
	return atomic_load_explicit(&sched_runs, memory_order_relaxed);
}

/*
 * GORTMAXPROCS.  Beware of keeping it where the world may stop.  Acquire:
 * pairs with p_new(), for those who do not stop with the world.
 */
static inline u32 nprocs(void)
{
	return atomic_load_explicit(&sched.nprocs, memory_order_acquire);
}

/* Those from nprocs() on do nothing, but have counted. */
static inline u32 nallps(void)
{
	return atomic_load_explicit(&sched.nallps, memory_order_acquire);
}

static inline struct m *getm(void)
{
	return getg()->m;
}

/*
 * No switch to another M until release: no yield at a stack check.  Quietly:
 * what it is for is a section of another kind, or none.
 *
 * These are always inlined: the profiler says in which function they are.
 */
static __always_inline struct m *acquirem_quiet(void)
{
	struct m *mp = getg()->m;

	mp->locks++;
	barrier();
	return mp;
}

static __always_inline void releasem_quiet(struct m *mp)
{
	barrier();
	mp->locks--;
}

static __always_inline struct m *acquirem(void)
{
	struct m *mp = acquirem_quiet();

	if (nonpreempt_profiled())
		nonpreempt_begin(mp, GORT_NONPREEMPT_THREAD, 0);
	return mp;
}

static __always_inline void releasem(struct m *mp)
{
	if (nonpreempt_profiled())
		nonpreempt_end(mp, GORT_NONPREEMPT_THREAD, 0);
	releasem_quiet(mp);
}

static __always_inline void lock(struct lock *l)
{
	struct m *mp = acquirem_quiet();

	if (nonpreempt_profiled())
		nonpreempt_begin(mp, GORT_NONPREEMPT_LOCK, l->rank);
	lock_raw(l);
}

static __always_inline void unlock(struct lock *l)
{
	struct m *mp = getm();

	if (nonpreempt_profiled())
		nonpreempt_unlock(mp, l);
	else
		unlock_raw(l);
	releasem_quiet(mp);
}

/* Is the caller a goroutine on its own stack (not g0, not gsignal)? */
static inline bool in_goroutine(void)
{
	const struct tls *t = tls_self();

	return t->where == ON_GOROUTINE &&
	       stack_pointer() - t->sig_lo >= t->sig_size;
}

/* For public functions without a way to return an error. */
static inline void need_goroutine(const char *name)
{
	if (unlikely(!in_goroutine()))
		fatal("%s called outside a goroutine", name);
}

static inline void assert_systemstack(void)
{
#ifdef GORT_DEBUG
	if (unlikely(in_goroutine()))
		throw("not on the system stack");
#endif
}

/* Only the owner writes. */
static inline void tick_inc(_Atomic u32 *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed)
			      + 1, memory_order_relaxed);
}

static inline void stat_inc(_Atomic u64 *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed)
			      + 1, memory_order_relaxed);
}

static inline u32 g_status(const struct g *gp)
{
	return atomic_load_explicit(&gp->status, memory_order_acquire);
}

static inline struct g *segment_first_g(struct segment *seg)
{
	return container_of(seg, struct g, seg0);
}

/* proc.c */
int sched_run(void (*fn)(void *), void *arg);
void sched_ready_list(struct gqueue *list);
void sched_wake_poller(s64 when);
int sched_spawn(void (*fn)(void *), void *arg, size_t copy, uintptr_t pc);
int sched_spawn_background(void (*fn)(void *), void *arg);
void sched_ready(struct g *gp);
void sched_park(struct lock *l, enum wait_reason why);
void sched_yield_g(void);
const char *wait_reason_name(u32 why);

/* stats.c */
void stats_begin_run(void);
void stats_end_run(void);

#endif
