// SPDX-License-Identifier: ISC
/*
 * kernel/sigprof.c - samples of what threads do with their CPU time.
 *
 * Each M has a timer on its own CPU time (timer_create(2), SIGEV_THREAD_ID).
 * When that has used a period it gets SIGPROF, and the handler notes where it
 * is.  Rejected: one timer of the process, ITIMER_PROF.  Which thread gets its
 * signal is up to the kernel, and older ones mostly choose the first, whatever
 * that does.  Only where there are no timers (emulators, limits) it is used
 * all the same.
 *
 * The first period of a thread is shortened at random, so that a thread that
 * lives for a tenth of a period has a tenth of a chance of a sample: otherwise
 * short-lived threads would never be seen (the reasoning of the Go runtime,
 * setThreadCPUProfiler()).
 *
 * The kernel looks at these timers at its own tick, often 250 times a second.
 * A sample that comes late stands for all periods that have passed; that is
 * its weight.
 *
 * The handler may interrupt anything: the runtime, a lock's holder, the
 * sanitizers.  So it takes no lock, allocates nothing, is not instrumented by
 * ThreadSanitizer (kernel/Kbuild, and see sigurg.c), and writes to a ring that
 * only its thread writes to and one reader reads:
 *
 *	handler				reader
 *	words				look at head
 *	head += n, release	<->	acquire
 *					words
 *	look at tail		<->	tail += n, release
 *	acquire
 *
 * Walking the stack: unwind.c asks the goroutine's segments where a frame
 * record may be, but here the chain of segments may be in between, and the
 * frame pointer anything, since libc uses the register otherwise.  So
 * a record is read only if it is on a mapped stretch of stack, known by its
 * address alone, and above the last one.  From there the walk goes on
 * elsewhere only where the runtime itself leaves a stack: from a signal stack,
 * from g0 to its goroutine, from a segment at morestack_return.  What remains
 * possible is a wrong frame, never a fault.
 *
 * On g0 a thread that has left its goroutine stands in the goroutine's frames
 * all the same, which then may run elsewhere: m->curg says whether it has.
 *
 * The handler stays until the run ends, since a signal may be under way when a
 * timer is deleted.  Signals that are not ours go to the handler that was
 * there before; if there was none they are dropped, which the default action,
 * to kill, would not do.
 *
 * Locks: prof.lock protects who has a timer.  It is taken for each M anew: a
 * thousand of them would take a millisecond.
 */
#define _GNU_SOURCE
#include "kernel/sigprof.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <arch/cpu.h>
#include "kernel/errno.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/time.h"
#include "mm/vm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

/* Of a quarter of a second of the deepest stacks, at SIGPROF_HZ_MAX. */
#define RING_WORDS	((u64)1 << 15)

/* A record: weight and length, times, tid and P, goroutine, label, frameless;
 * pcs. */
#define HEAD_WORDS	7
#define RECORD_MAX	(HEAD_WORDS + SIGPROF_FRAMES_MAX)

struct sigprof_ring {
	struct sigprof_ring *next;	/* set before it is published */
	bool taken;			/* by an M; prof.lock */
	_Atomic u64 head;		/* words ever written; the handler's */
	_Atomic u64 lost;		/* weight; the handler's */
	_Atomic u64 tail __attribute__((aligned(64))); /* the reader's */
	u64 words[RING_WORDS];
};

static struct {
	struct lock lock;	/* protects what follows */
	u32 hz;			/* 0: off */
	bool itimer;		/* the process's timer instead of threads' */
	u32 untimed;
	u64 rand;
	/* Grows only; walked without the lock. */
	_Atomic(struct sigprof_ring *) rings;
} prof = { .lock = LOCK_INIT(RANK_SIGPROF) };

static struct sigaction old_action;
static _Atomic bool itimer_on;	/* prof.itimer, for the handler */

extern const char morestack_return[];

/*
 * The walk.
 */

enum stretch {
	ON_OWN,			/* g0, or a helper's thread */
	ON_SIGNAL,
	ON_SLOT,
};

struct record {
	uintptr_t fp;
	uintptr_t pc;
};

struct walk {
	struct m *mp;
	struct g *gp;		/* who runs; or NULL */
	enum stretch on;
	uintptr_t lo, hi;	/* there: where the next record may be */
	uintptr_t fp;		/* of the next record */
	uintptr_t ret;		/* return address in the last; 0: none yet */
};

static bool in_own(const struct m *mp, uintptr_t addr)
{
	const struct segment *seg = &mp->g0->seg0;

	return addr >= seg->lo && addr < seg->top;
}

static void enter(struct walk *w, enum stretch on, uintptr_t lo, uintptr_t hi)
{
	w->on = on;
	w->lo = lo;
	w->hi = hi;
}

static bool enter_slot(struct walk *w, uintptr_t addr)
{
	uintptr_t lo, hi;

	if (!stack_slot(addr, &lo, &hi))
		return false;
	enter(w, ON_SLOT, addr, hi);
	return true;
}

/* Is addr on a segment that the goroutine is on, or is leaving or entering? */
static bool on_its_segment(const struct walk *w, uintptr_t addr)
{
	struct segment *seg;
	uintptr_t lo, hi;

	if (!w->gp || !stack_slot(addr, &lo, &hi))
		return false;
	seg = __atomic_load_n(&w->gp->seg, __ATOMIC_RELAXED);
	if ((uintptr_t)seg - lo < hi - lo)	/* it lies at the end */
		return true;
	seg = __atomic_load_n(&seg->prev, __ATOMIC_RELAXED);
	return (uintptr_t)seg - lo < hi - lo;
}

/* The first stretch is the one sp is on. */
static bool walk_begin(struct walk *w, uintptr_t sp)
{
	uintptr_t sig = (uintptr_t)w->mp->gsignal;

	if (in_own(w->mp, sp))
		enter(w, ON_OWN, sp, w->mp->g0->seg0.top);
	else if (sp - sig < w->mp->gsignal_size)
		enter(w, ON_SIGNAL, sp, sig + w->mp->gsignal_size);
	else
		return enter_slot(w, sp);
	return true;
}

/*
 * From the stretch to the one that w->fp is on, if it may be left.  A segment
 * is at morestack_return only; besides, the instruction that was interrupted
 * may have done so a moment ago.
 */
static bool walk_cross(struct walk *w)
{
	if (w->on == ON_SIGNAL && in_own(w->mp, w->fp)) {
		enter(w, ON_OWN, w->fp, w->mp->g0->seg0.top);
		return true;
	}
	if (w->ret == (uintptr_t)morestack_return)
		return enter_slot(w, w->fp);
	if (w->on == ON_SLOT && w->ret)
		return false;
	return on_its_segment(w, w->fp) && enter_slot(w, w->fp);
}

/* May the record at w->fp be read? */
static bool walk_reach(struct walk *w)
{
	if (w->fp % sizeof(uintptr_t))
		return false;
	if ((w->fp < w->lo || w->fp >= w->hi) && !walk_cross(w))
		return false;
	return w->fp <= w->hi - sizeof(struct record);
}

/* __morestack is no caller that anybody wants to see. */
static u32 __no_asan walk(struct walk *w, uintptr_t *pcs, u32 max)
{
	u32 n = 0;

	/* Of frames that are wrong two may call each other. */
	for (u32 i = 0; i < 2 * max && n < max && walk_reach(w); i++) {
		const struct record *r = (const struct record *)w->fp;

		w->ret = r->pc;
		w->lo = w->fp + sizeof(*r);
		w->fp = r->fp;
		if (!w->ret)
			break;
		if (w->ret != (uintptr_t)morestack_return)
			pcs[n++] = w->ret - 1;
	}
	return n;
}

/* The goroutine that runs on mp, or was left for its system stack; or NULL. */
static struct g *interrupted_g(struct m *mp)
{
	struct g *gp = tls_self()->g;

	return gp->system ? atomic_load_explicit(&mp->curg,
						 memory_order_relaxed) : gp;
}

u32 sigprof_stack(struct m *mp, const void *uc, uintptr_t *pcs, u32 max)
{
	struct walk w = {
		.mp = mp,
		.gp = interrupted_g(mp),
		.fp = sigcontext_fp(uc),
	};

	pcs[0] = sigcontext_pc(uc);
	return walk_begin(&w, sigcontext_sp(uc)) ?
	       1 + walk(&w, pcs + 1, max - 1) : 1;
}

/*
 * The handler.
 */

/* nanotime(), which ThreadSanitizer would want to know of. */
static s64 clock_ns(void)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (s64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* mp's thread was interrupted at uc. */
static void take_sample(struct m *mp, struct sigprof_ring *ring, u32 weight,
			const void *uc)
{
	u64 head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	struct g *gp = interrupted_g(mp);
	u64 record[RECORD_MAX];
	struct p *pp;
	struct walk w;
	u32 n = 1;

	/* Acquire: pairs with the release in ring_read(). */
	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) >
	    RING_WORDS - RECORD_MAX) {
		atomic_store_explicit(&ring->lost, weight +
			atomic_load_explicit(&ring->lost,
					     memory_order_relaxed),
			memory_order_relaxed);
		return;
	}
	w = (struct walk){ .mp = mp, .gp = gp, .fp = sigcontext_fp(uc) };
	record[6] = 0;
	record[HEAD_WORDS] = sigcontext_pc(uc);
	if (walk_begin(&w, sigcontext_sp(uc))) {
		if (w.lo + sizeof(uintptr_t) <= w.hi)
			record[6] = sigcontext_return_pc(uc) - 1;
		n += walk(&w, &record[HEAD_WORDS + 1], SIGPROF_FRAMES_MAX - 1);
	}
	pp = __atomic_load_n(&mp->p, __ATOMIC_RELAXED);
	record[0] = (u64)weight << 32 | n;
	record[1] = cpu_cycles();
	record[2] = (u64)clock_ns();
	record[3] = (u64)(pp ? pp->id : SIGPROF_NO_P) << 32 | (u32)mp->tid;
	record[4] = gp ? gp->id : 0;
	record[5] = gp ? (u64)__atomic_load_n(&gp->label, __ATOMIC_RELAXED) : 0;
	for (u32 i = 0; i < HEAD_WORDS + n; i++)
		ring->words[(head + i) % RING_WORDS] = record[i];
	/* Release: pairs with the acquire in ring_read(). */
	atomic_store_explicit(&ring->head, head + HEAD_WORDS + n,
			      memory_order_release);
}

/* How many periods it stands for; 0: it is not ours. */
static u32 signal_weight(const siginfo_t *info)
{
	if (info->si_code == SI_TIMER && info->si_value.sival_ptr == &prof)
		return 1 + (u32)(info->si_overrun > 0 ? info->si_overrun : 0);
	return info->si_code == SI_KERNEL &&
	       atomic_load_explicit(&itimer_on, memory_order_relaxed);
}

static void on_ours(u32 weight, const void *uc)
{
	struct g *g0 = tls_self()->g0;
	struct sigprof_ring *ring;

	if (!g0)
		return;
	if (nonpreempt_profiled())
		nonpreempt_begin_signal(g0->m, SIGPROF, sigcontext_pc(uc));
	/* Acquire: pairs with the release in begin_locked(). */
	ring = atomic_load_explicit(&g0->m->sigprof.ring, memory_order_acquire);
	if (ring)
		take_sample(g0->m, ring, weight, uc);
	if (nonpreempt_profiled())
		nonpreempt_end(g0->m, GORT_NONPREEMPT_SIGNAL, SIGPROF);
}

static void on_sigprof(int sig, siginfo_t *info, void *uc)
{
	u32 weight = signal_weight(info);
	int saved = errno;

	if (weight)
		on_ours(weight, uc);
	else if (old_action.sa_flags & SA_SIGINFO)
		old_action.sa_sigaction(sig, info, uc);
	else if (old_action.sa_handler != SIG_DFL &&
		 old_action.sa_handler != SIG_IGN)
		old_action.sa_handler(sig);
	errno = saved;
}

static bool installed(void)
{
	struct sigaction now;

	return !sigaction_raw(SIGPROF, NULL, &now) &&
	       now.sa_sigaction == on_sigprof;
}

/* Asked first: it may be called at once. */
static void install(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigprof,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};

	if (installed())
		return;
	sigemptyset(&sa.sa_mask);
	sigaction_raw(SIGPROF, NULL, &old_action);
	sigaction_raw(SIGPROF, &sa, NULL);
}

/* What is under way is forgotten with the first of the two. */
static void restore(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (!installed())
		return;
	sigaction_raw(SIGPROF, &ignore, NULL);
	sigaction_raw(SIGPROF, &old_action, NULL);
}

/*
 * Timers.
 */

static s64 period_ns(void)
{
	return NSEC_PER_SEC / prof.hz;
}

static s64 random_below(s64 n)
{
	/* The generator of Knuth's MMIX. */
	prof.rand = prof.rand * 6364136223846793005 + 1442695040888963407 +
		    cpu_cycles();
	return (s64)((prof.rand >> 33) % (u64)n);
}

static int timer_begin_locked(struct m *mp)
{
	s64 period = period_ns();
	struct itimerspec spec = {
		.it_interval.tv_sec = period / NSEC_PER_SEC,
		.it_interval.tv_nsec = period % NSEC_PER_SEC,
		.it_value.tv_nsec = 1 + random_below(period - 1),
	};
	struct sigevent ev = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGPROF,
		.sigev_value.sival_ptr = &prof,
	};
	clockid_t clock;

	ev.sigev_notify_thread_id = mp->tid;
	/* The system call: older C libraries have it elsewhere. */
	if (pthread_getcpuclockid(mp->sigprof.thread, &clock) ||
	    syscall(SYS_timer_create, clock, &ev, &mp->sigprof.timer))
		return -EAGAIN;
	mp->sigprof.timed = true;
	syscall(SYS_timer_settime, mp->sigprof.timer, 0, &spec, NULL);
	return 0;
}

static void timer_end_locked(struct m *mp)
{
	if (mp->sigprof.timed)
		syscall(SYS_timer_delete, mp->sigprof.timer);
	mp->sigprof.timed = false;
}

/* False: the program uses it. */
static bool itimer_begin(void)
{
	suseconds_t us = (suseconds_t)(period_ns() / 1000);
	struct itimerval it = {
		.it_interval = { us / 1000000, us % 1000000 },
		.it_value = { us / 1000000, us % 1000000 },
	}, now;

	if (getitimer(ITIMER_PROF, &now) || now.it_value.tv_sec ||
	    now.it_value.tv_usec)
		return false;
	atomic_store_explicit(&itimer_on, true, memory_order_relaxed);
	return !setitimer(ITIMER_PROF, &it, NULL);
}

static void itimer_end(void)
{
	struct itimerval none = { 0 };

	setitimer(ITIMER_PROF, &none, NULL);
	atomic_store_explicit(&itimer_on, false, memory_order_relaxed);
}

/*
 * Threads.
 */

static struct sigprof_ring *ring_get_locked(void)
{
	struct sigprof_ring *first, *ring;

	first = atomic_load_explicit(&prof.rings, memory_order_relaxed);
	for (ring = first; ring; ring = ring->next)
		if (!ring->taken)
			break;
	if (!ring) {
		ring = vm_alloc(ALIGN_UP(sizeof(*ring), PAGE_SIZE));
		if (!ring)
			return NULL;
		ring->next = first;
		/* Release: pairs with the acquire of who walks the list. */
		atomic_store_explicit(&prof.rings, ring, memory_order_release);
	}
	ring->taken = true;
	return ring;
}

/* mp, which is between sigprof_thread_begin() and _end(), is sampled. */
static int begin_locked(struct m *mp)
{
	int err = 0;

	if (!atomic_load_explicit(&mp->sigprof.ring, memory_order_relaxed)) {
		struct sigprof_ring *ring = ring_get_locked();

		if (!ring)
			return -ENOMEM;
		/* Release: pairs with the acquire in on_ours(). */
		atomic_store_explicit(&mp->sigprof.ring, ring,
				      memory_order_release);
	}
	if (!prof.itimer && !mp->sigprof.timed)
		err = timer_begin_locked(mp);
	return err;
}

void sigprof_thread_begin(struct m *mp)
{
	int saved = errno;

	lock(&prof.lock);
	mp->sigprof.alive = true;
	mp->sigprof.thread = pthread_self();
	if (prof.hz && begin_locked(mp))
		prof.untimed++;
	unlock(&prof.lock);
	errno = saved;
}

void sigprof_thread_end(struct m *mp)
{
	struct sigprof_ring *ring;
	int saved = errno;

	lock_raw(&prof.lock);
	mp->sigprof.alive = false;
	timer_end_locked(mp);
	ring = atomic_exchange_explicit(&mp->sigprof.ring, NULL,
					memory_order_relaxed);
	if (ring)
		ring->taken = false;
	unlock_raw(&prof.lock);
	errno = saved;
}

static void for_each_m(void (*fn)(struct m *mp))
{
	/* Acquire: pairs with the release in m_publish(). */
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	for (; mp; mp = mp->all_link) {
		lock(&prof.lock);
		if (mp->sigprof.alive)
			fn(mp);
		unlock(&prof.lock);
	}
}

static void begin_other_locked(struct m *mp)
{
	if (begin_locked(mp))
		prof.untimed++;
}

/* On this thread, to find out how it is done here. */
static int begin_first_locked(struct m *mp)
{
	int err = begin_locked(mp);

	if (err != -EAGAIN)
		return err;
	prof.itimer = itimer_begin();
	return prof.itimer ? 0 : -EBUSY;
}

int sigprof_start(u32 hz)
{
	int saved = errno, err;

	install();
	lock(&prof.lock);
	prof.hz = hz;
	prof.itimer = false;
	prof.untimed = 0;
	err = begin_first_locked(getm());
	unlock(&prof.lock);
	if (err)
		sigprof_stop();
	else
		for_each_m(begin_other_locked);
	errno = saved;
	return err;
}

void sigprof_stop(void)
{
	int saved = errno;

	lock(&prof.lock);
	if (prof.itimer)
		itimer_end();
	prof.itimer = false;
	prof.hz = 0;
	unlock(&prof.lock);
	for_each_m(timer_end_locked);
	errno = saved;
}

u32 sigprof_untimed(void)
{
	u32 n;

	lock(&prof.lock);
	n = prof.untimed;
	unlock(&prof.lock);
	return n;
}

void sigprof_end_run(void)
{
	struct sigprof_ring *ring, *next;

	if (prof.itimer)
		itimer_end();
	prof.hz = 0;
	prof.itimer = false;
	restore();
	ring = atomic_load_explicit(&prof.rings, memory_order_relaxed);
	for (; ring; ring = next) {
		next = ring->next;
		vm_free(ring, ALIGN_UP(sizeof(*ring), PAGE_SIZE));
	}
	atomic_store_explicit(&prof.rings, NULL, memory_order_relaxed);
}

/*
 * The reader.
 */

static void record_copy(const struct sigprof_ring *ring, u64 at,
			struct cpu_sample *s)
{
	const u64 *w = ring->words;
	u64 first = w[at % RING_WORDS], where = w[(at + 3) % RING_WORDS];

	s->weight = (u32)(first >> 32);
	s->n = (u32)first;
	s->cycles = w[(at + 1) % RING_WORDS];
	s->tid = (s32)where;
	s->proc = (u32)(where >> 32);
	s->ns = (s64)w[(at + 2) % RING_WORDS];
	s->goid = w[(at + 4) % RING_WORDS];
	s->label = (void *)w[(at + 5) % RING_WORDS];
	s->frameless = w[(at + 6) % RING_WORDS];
	for (u32 i = 0; i < s->n; i++)
		s->pcs[i] = w[(at + HEAD_WORDS + i) % RING_WORDS];
}

static void ring_read(struct sigprof_ring *ring,
		      void (*fn)(struct cpu_sample *s))
{
	u64 tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	/* Acquire: pairs with the release in take_sample(). */
	u64 head = atomic_load_explicit(&ring->head, memory_order_acquire);
	struct cpu_sample s;

	while (tail != head) {
		record_copy(ring, tail, &s);
		tail += HEAD_WORDS + s.n;
		/* Release: pairs with the acquire in take_sample(). */
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		fn(&s);
	}
}

static struct sigprof_ring *rings(void)
{
	/* Acquire: pairs with the release in ring_get_locked(). */
	return atomic_load_explicit(&prof.rings, memory_order_acquire);
}

void sigprof_read(void (*fn)(struct cpu_sample *s))
{
	for (struct sigprof_ring *ring = rings(); ring; ring = ring->next)
		ring_read(ring, fn);
}

bool sigprof_pending(void)
{
	for (struct sigprof_ring *ring = rings(); ring; ring = ring->next)
		if (atomic_load_explicit(&ring->head, memory_order_relaxed) !=
		    atomic_load_explicit(&ring->tail, memory_order_relaxed))
			return true;
	return false;
}

u64 sigprof_lost(void)
{
	u64 n = 0;

	for (struct sigprof_ring *ring = rings(); ring; ring = ring->next)
		n += atomic_load_explicit(&ring->lost, memory_order_relaxed);
	return n;
}
