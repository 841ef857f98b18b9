// SPDX-License-Identifier: ISC
/*
 * trace/nonpreempt.c - recording of non-preemptible sections.
 *
 * An M keeps a small stack of the sections it is in.  All its time belongs to
 * one of them, the one that began last, until that ends or another begins: so
 * each begin and each end reads the counter once, and the net times of what
 * lies in an outermost section add up to its gross time, to the cycle.
 *
 * A section that ends is added to a row of a table by what it is and where it
 * began.  Each P has a table, which only the M that runs it writes to, so
 * nothing is locked; Ms without a P share one more, and who finds that busy
 * gives up and counts it.  Tables are of a fixed size; what finds no room goes
 * to two rows for all of it.  A row is read by anyone, by its sequence count,
 * as one moment left it (Boehm, "Can seqlocks get along with programming
 * language memory models?", 2012).
 *
 * Stacks are looked at only when a section is the longest at its place: where
 * it ends, and where it began, which is one of the frames that still are
 * there.  They are not when the goroutine has been left, and may run elsewhere
 * by then; so what leaves one notes some frames at once.
 *
 * To forget everything is to begin another generation: a row, or what an M
 * says that it is in, of an earlier one is not there.
 *
 * Rejected: a table per M.  There are many of them, most asleep, and an M that
 * has ended would take its table along.  Rejected: sampling; the longest of a
 * million sections is what is looked for.
 *
 * A section costs about 35 ns where reading the counter twice costs 17.
 *
 * Handlers of signals come in the middle of all this.  What they begin while
 * ->busy is set is not recorded but counted as lost.  This file is not
 * instrumented by ThreadSanitizer, which they may have interrupted, and what
 * comes in the middle of the runtime has no stack checks.
 */
#include "trace/nonpreempt.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include <arch/cpu.h>
#include "kernel/proc.h"
#include "kernel/runq.h"
#include "kernel/sort.h"
#include "kernel/stw.h"
#include "kernel/time.h"
#include "kernel/unwind.h"
#include "mm/vm.h"
#include "trace/frames.h"
#include "trace/nonpreempt_event.h"

#define ROWS		256u	/* a power of two */
#define PROBES		32u	/* of which one or two are needed till it is full */
#define ROWS_ALL	(ROWS + 2) /* and for others: inside, outermost */
#define NO_P		MAXPROCS_LIMIT
#define TABLE_SIZE	ALIGN_UP(sizeof(struct table), PAGE_SIZE)

/* What each section touches: one cache line. */
struct row {
	_Atomic u32 seq;	/* odd: being written */
	_Atomic u32 gen;	/* what follows is of this one; or not there */
	_Atomic u32 key;	/* 2 * kind + outermost */
	_Atomic u32 nstart;	/* of the longest */
	_Atomic uintptr_t what, site;
	_Atomic u64 count, gross, net, max;
} __attribute__((aligned(64)));

struct row_more {
	_Atomic u64 waits, wait, wait_max;
	_Atomic u32 wait_runnable, nend;
	_Atomic uintptr_t start[GORT_NONPREEMPT_FRAMES];
	_Atomic uintptr_t end[GORT_NONPREEMPT_FRAMES];
	_Atomic u64 buckets[GORT_NONPREEMPT_BUCKETS];
};

struct table {
	struct row rows[ROWS_ALL];
	struct row_more more[ROWS_ALL];
	_Atomic bool taken;	/* of NO_P's: by an M */
};

/* Made when they are first needed, and kept. */
static _Atomic(struct table *) tables[MAXPROCS_LIMIT + 1];

struct nonpreempt_clock nonpreempt_clock = { .threshold = UINT64_MAX };

enum state {
	OFF,
	CHANGING,
	RUNNING,
};

static _Atomic u32 state;
static _Atomic u32 generation;	/* 0: there has been none */
static _Atomic u64 lost;
static _Atomic s64 start_ns, stop_ns;

extern const char morestack_return[];

static __cold u64 now_by_clock(void)
{
	return (u64)nanotime();
}

static __always_inline u64 now_cycles(void)
{
	return unlikely(nonpreempt_clock.by_clock) ? now_by_clock() :
						     cpu_cycles();
}

u64 nonpreempt_now(void)
{
	return now_cycles();
}

static __cold void count_lost(void)
{
	atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}

/* Acquire: pairs with the release in new_generation(): clock and tables. */
static __always_inline u32 current_gen(void)
{
	return atomic_load_explicit(&generation, memory_order_acquire);
}

/*
 * Rows.
 */

static __always_inline u32 bucket_of(u64 ns)
{
	u32 log, i;

	if (ns < 32)
		return (u32)ns;
	log = 63 - (u32)__builtin_clzll(ns);
	i = 32 + (log - 5) * 16 + ((u32)(ns >> (log - 4)) & 15);
	return i < GORT_NONPREEMPT_BUCKETS ? i : GORT_NONPREEMPT_BUCKETS - 1;
}

__public uint64_t gort_nonpreempt_bucket_ns(unsigned int i)
{
	if (i < 32)
		return i;
	if (i >= GORT_NONPREEMPT_BUCKETS)
		i = GORT_NONPREEMPT_BUCKETS - 1;
	return (uint64_t)(16 + (i - 32) % 16) << ((i - 32) / 16 + 1);
}

#define get(p)		atomic_load_explicit(p, memory_order_relaxed)
/* Release: who sees one of these sees seq odd, or later; see row_read(). */
#define put(p, v)	atomic_store_explicit(p, v, memory_order_release)

static __always_inline void write_begin(struct row *r)
{
	atomic_store_explicit(&r->seq, get(&r->seq) + 1, memory_order_relaxed);
}

static __always_inline void write_end(struct row *r)
{
	put(&r->seq, get(&r->seq) + 1);
}

static void __nosplit row_init(struct row *r, struct row_more *more, u32 gen,
			       u32 key, uintptr_t what, uintptr_t site)
{
	write_begin(r);
	put(&r->gen, gen);
	put(&r->key, key);
	put(&r->what, what);
	put(&r->site, site);
	put(&r->count, 0);
	put(&r->gross, 0);
	put(&r->net, 0);
	put(&r->max, 0);
	put(&r->nstart, 0);
	put(&more->nend, 0);
	put(&more->waits, 0);
	put(&more->wait, 0);
	put(&more->wait_max, 0);
	put(&more->wait_runnable, 0);
	for (u32 i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		put(&more->buckets[i], 0);
	write_end(r);
}

static __always_inline bool row_is(const struct row *r, u32 key, uintptr_t what,
				 uintptr_t site)
{
	return get(&r->key) == key && get(&r->what) == what &&
	       get(&r->site) == site;
}

static __always_inline u32 row_hash(u32 key, uintptr_t what, uintptr_t site)
{
	u64 h = (what * 31 + site) * 31 + key;

	/* Knuth, "The Art of Computer Programming", vol. 3, 6.4 */
	return (u32)(h * 0x9e3779b97f4a7c15 >> 32);
}

/* The number of that row, which is made if it is not there. */
static __always_inline u32 row_find(struct table *t, u32 gen, u32 key,
				  uintptr_t what, uintptr_t site)
{
	u32 h = row_hash(key, what, site), i;

	for (u32 n = 0; n < PROBES; n++) {
		i = (h + n) % ROWS;
		if (unlikely(get(&t->rows[i].gen) != gen)) {
			row_init(&t->rows[i], &t->more[i], gen, key, what,
				 site);
			return i;
		}
		if (likely(row_is(&t->rows[i], key, what, site)))
			return i;
	}
	i = ROWS + key % 2;
	if (get(&t->rows[i].gen) != gen)
		row_init(&t->rows[i], &t->more[i], gen,
			 2 * GORT_NONPREEMPT_OTHER + key % 2, 0, 0);
	return i;
}

/*
 * Stacks.
 */

/*
 * s leaves its goroutine: the callers of where it began, on this segment.  The
 * outermost began in one of them, most likely.
 */
static __always_inline void __no_asan note_early(struct m_nonpreempt *np,
					       struct nonpreempt_section *s)
{
	struct nonpreempt_section *first = &np->open[0];
	uintptr_t fp = s->fp, hi = s->g ? segment_end(s->g->seg) : 0;
	u32 n = 0;

	first->early = 0;
	s->early = 1;
	while (n < NONPREEMPT_EARLY && fp < hi && fp >= s->fp &&
	       fp % sizeof(fp) == 0) {
		const uintptr_t *record = (const uintptr_t *)fp;

		if (fp == first->fp)
			first->early = (u8)(n + 1);
		if (!record[1] || record[1] == (uintptr_t)morestack_return)
			break;
		np->early[n++] = record[1] - 1;
		if (record[0] <= fp)
			break;
		fp = record[0];
	}
	np->nearly = n;
}

/* Where s began, in the goroutine gp if it did in that. */
static u32 walk_start(struct m *mp, const struct nonpreempt_section *s,
		      struct g *gp, uintptr_t *pcs)
{
	const struct m_nonpreempt *np = &mp->nonpreempt;
	bool there = gp && s->g == gp;
	struct unwind u = {
		.gp = there ? gp : NULL,
		.mp = mp,
		.pc = s->caller_pc ? s->caller_pc - 1 : 0,
		.fp = s->caller_fp,
	};
	u32 n = 0;

	if (s->site)
		pcs[n++] = s->site - 1;
	if (s->early && !there) {
		for (u32 i = s->early - 1u; i < np->nearly; i++)
			pcs[n++] = np->early[i];
		return n;
	}
	/* The function may have returned since, but hardly its caller. */
	if (s->fp)
		n += unwind_pcs(&u, pcs + n, GORT_NONPREEMPT_FRAMES - n);
	return n;
}

/*
 * Both ends of s.  On g0 the frame records lead to the goroutine that was
 * left, too: it may run elsewhere, or have done so and be ours again, with
 * other frames there.  A handler of signals cannot know what its goroutine's
 * chain of segments is.
 */
static void take_stacks(struct m *mp, const struct nonpreempt_section *s,
			uintptr_t pc, uintptr_t fp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	bool known = s->kind != GORT_NONPREEMPT_SIGNAL && !np->left;
	struct g *gp = known ? get(&mp->curg) : NULL;
	struct unwind u = { .gp = gp, .mp = mp, .pc = pc - 1, .fp = fp };

	np->nstart = walk_start(mp, s, gp, np->start);
	np->nend = unwind_pcs(&u, np->end, GORT_NONPREEMPT_FRAMES);
}

/* It is the longest. */
static void put_stacks(struct m_nonpreempt *np, struct row *r,
		       struct row_more *more)
{
	for (u32 i = 0; i < np->nstart; i++)
		put(&more->start[i], np->start[i]);
	for (u32 i = 0; i < np->nend; i++)
		put(&more->end[i], np->end[i]);
	put(&r->nstart, np->nstart);
	put(&more->nend, np->nend);
}

/*
 * Adding to rows.
 */

struct wait {
	u64 cycles;
	u32 runnable;
};

static __cold void put_wait(struct row_more *more, const struct wait *w)
{
	put(&more->waits, get(&more->waits) + 1);
	put(&more->wait, get(&more->wait) + w->cycles);
	if (w->cycles > get(&more->wait_max))
		put(&more->wait_max, w->cycles);
	if (w->runnable > get(&more->wait_runnable))
		put(&more->wait_runnable, w->runnable);
}

/* The table of mp's P, or the one of who has none; NULL: that is taken. */
static __cold struct table *table_shared(void)
{
	struct table *t = get(&tables[NO_P]);

	/* Acquire: pairs with the release in table_put(). */
	if (!t || atomic_exchange_explicit(&t->taken, true,
					   memory_order_acquire)) {
		count_lost();
		return NULL;
	}
	return t;
}

static __always_inline struct table *table_get(struct m *mp)
{
	struct p *pp = mp->p;
	struct table *t = pp ? get(&tables[pp->id]) : NULL;

	return likely(t) ? t : table_shared();
}

static __always_inline void table_put(struct table *t)
{
	if (unlikely(get(&t->taken)))
		atomic_store_explicit(&t->taken, false, memory_order_release);
}

/* s, of that key, has ended.  cycles: gross if outermost, else net. */
static __always_inline void add(struct m *mp, struct nonpreempt_section *s,
			      bool outermost, u64 cycles, const struct wait *w,
			      uintptr_t pc, uintptr_t fp)
{
	/* These two have one row wherever they come. */
	bool anywhere = s->kind == GORT_NONPREEMPT_STACK ||
			s->kind == GORT_NONPREEMPT_SIGNAL;
	struct table *t = table_get(mp);
	struct row_more *more;
	struct row *r;
	u32 i, bucket;

	if (unlikely(!t))
		return;
	i = row_find(t, mp->nonpreempt.gen, 2 * s->kind + outermost, s->what,
		     anywhere ? 0 : s->site);
	r = &t->rows[i];
	more = &t->more[i];
	bucket = bucket_of(nonpreempt_ns(cycles));
	if (unlikely(cycles > get(&r->max)))
		take_stacks(mp, s, pc, fp);
	write_begin(r);
	if (unlikely(cycles > get(&r->max))) {
		put(&r->max, cycles);
		put_stacks(&mp->nonpreempt, r, more);
	}
	put(&r->count, get(&r->count) + 1);
	if (outermost)
		put(&r->gross, get(&r->gross) + cycles);
	put(&r->net, get(&r->net) + s->self);
	put(&more->buckets[bucket], get(&more->buckets[bucket]) + 1);
	if (unlikely(w->cycles))
		put_wait(more, w);
	write_end(r);
	table_put(t);
}

/*
 * Sections.
 */

/* Changes begin.  False: not now. */
static __always_inline bool enter(struct m_nonpreempt *np, u32 kind)
{
	u32 gen;

	if (unlikely(np->exempt))
		return false;
	if (unlikely(get(&np->busy))) {
		/* Below us the stack grows: time of what we are in. */
		if (kind != GORT_NONPREEMPT_STACK)
			count_lost();
		return false;
	}
	gen = current_gen();
	atomic_store_explicit(&np->busy, true, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if (unlikely(np->gen != gen)) {
		np->gen = gen;
		np->depth = 0;
		np->over = 0;
		atomic_store_explicit(&np->since, 0, memory_order_relaxed);
	}
	return true;
}

static __always_inline void leave(struct m_nonpreempt *np)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&np->busy, false, memory_order_relaxed);
}

/* The time from the last begin or end to now is that of the innermost. */
static __always_inline u64 pass_time(struct m_nonpreempt *np)
{
	u64 now = now_cycles();

	/* Another CPU's counter may be a little behind. */
	if (unlikely(now < np->last))
		now = np->last;
	np->open[np->depth - 1].self += now - np->last;
	np->last = now;
	return now;
}

static __always_inline void begin_outermost(struct m *mp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	struct g *gp = get(&mp->curg);

	np->last = now_cycles();
	np->goid = gp ? gp->id : 0;
	np->left = false;
	atomic_store_explicit(&np->asked, 0, memory_order_relaxed);
	atomic_store_explicit(&np->since, np->last, memory_order_relaxed);
}

static void __nosplit __no_asan
begin(struct m *mp, enum gort_nonpreempt_kind kind, uintptr_t what,
      uintptr_t site, uintptr_t fp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	struct nonpreempt_section *s;

	if (unlikely(!enter(np, kind)))
		return;
	if (np->depth)
		pass_time(np);
	else
		begin_outermost(mp);
	if (unlikely(np->depth == NONPREEMPT_DEPTH)) {
		np->over++;
		leave(np);
		return;
	}
	s = &np->open[np->depth++];
	*s = (struct nonpreempt_section){
		.kind = kind,
		.what = what,
		.site = site,
		.fp = fp,
		.g = get(&mp->curg),
	};
	if (likely(fp)) {
		s->caller_fp = ((const uintptr_t *)fp)[0];
		s->caller_pc = ((const uintptr_t *)fp)[1];
	}
	if (kind == GORT_NONPREEMPT_SWITCH || kind == GORT_NONPREEMPT_STACK) {
		note_early(np, s);
		np->left |= kind == GORT_NONPREEMPT_SWITCH;
	}
	leave(np);
}

/* What wanted the P of a section that has ended. */
static __cold void count_runnable(struct wait *w)
{
	w->runnable = get(&sched.runq_size);
	for (u32 i = 0; i < nprocs(); i++) {
		struct p *pp = sched.ps[i];

		w->runnable += get(&pp->runq_tail) - get(&pp->runq_head);
		w->runnable += get(&pp->runnext) != NULL;
	}
}

/* The stacks are there.  To who was asked to look at it, out of the books. */
static __cold void report(struct m *mp, u64 cycles)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	struct nonpreempt_section *s = &np->open[0];
	struct gort_nonpreempt_event ev = {
		.kind = s->kind,
		.function = nonpreempt_function(s->kind, s->what),
		.site = s->site,
		.ns = nonpreempt_ns(cycles),
		.goid = np->goid,
		.nstart = np->nstart,
		.nend = np->nend,
	};
	uintptr_t what = s->what;

	memcpy(ev.start, np->start, sizeof(ev.start));
	memcpy(ev.end, np->end, sizeof(ev.end));
	leave(np);
	nonpreempt_exceeded(mp, &ev, what);
}

/* The outermost has ended, all others before. */
static __always_inline void end_outermost(struct m *mp, u64 now, uintptr_t pc,
					uintptr_t fp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	u64 cycles = now - get(&np->since), asked = get(&np->asked);
	struct wait w = { 0 };

	if (unlikely(asked) && asked < now) {
		w.cycles = now - asked < cycles ? now - asked : cycles;
		count_runnable(&w);
	}
	add(mp, &np->open[0], true, cycles, &w, pc, fp);
	np->depth = 0;
	np->over = 0;
	atomic_store_explicit(&np->since, 0, memory_order_relaxed);
	if (unlikely(cycles > nonpreempt_clock.threshold)) {
		take_stacks(mp, &np->open[0], pc, fp);
		report(mp, cycles);
		return;
	}
	leave(np);
}

static __always_inline void end_inner(struct m *mp, struct nonpreempt_section *s,
				    uintptr_t pc, uintptr_t fp)
{
	static const struct wait none;

	add(mp, s, false, s->self, &none, pc, fp);
}

/* The innermost open one of that kind, or one past the last. */
static __always_inline u32 find(const struct m_nonpreempt *np, u32 kind,
			      uintptr_t what)
{
	for (u32 i = np->depth; i-- > 0;) {
		const struct nonpreempt_section *s = &np->open[i];

		if (likely(s->kind == kind && !s->ended &&
			   (s->what == what || what == NONPREEMPT_ANY)))
			return i;
	}
	return np->depth;
}

static void __nosplit end(struct m *mp, enum gort_nonpreempt_kind kind,
			  uintptr_t what, uintptr_t pc, uintptr_t fp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	u64 now;
	u32 i;

	if (unlikely(!enter(np, kind)))
		return;
	i = find(np, kind, what);
	if (unlikely(np->over || i == np->depth)) {
		/* Of those without a place, or none of ours. */
		if (np->over)
			np->over--;
		leave(np);
		return;
	}
	now = pass_time(np);
	/* It goes on in the goroutine that it has just left. */
	if (unlikely(kind == GORT_NONPREEMPT_SWITCH))
		np->left = false;
	if (unlikely(!i && np->depth > 1)) {
		np->open[0].ended = true;
		leave(np);
		return;
	}
	if (i) {
		end_inner(mp, &np->open[i], pc, fp);
		np->depth--;
		for (; unlikely(i < np->depth); i++)
			np->open[i] = np->open[i + 1];
		if (likely(np->depth > 1 || !np->open[0].ended)) {
			leave(np);
			return;
		}
	}
	end_outermost(mp, now, pc, fp);
}

static void __nosplit end_all(struct m *mp, uintptr_t pc, uintptr_t fp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	u64 now;

	if (unlikely(!enter(np, GORT_NONPREEMPT_SWITCH)))
		return;
	if (unlikely(!np->depth)) {
		leave(np);
		return;
	}
	now = pass_time(np);
	for (; np->depth > 1; np->depth--)
		end_inner(mp, &np->open[np->depth - 1], pc, fp);
	end_outermost(mp, now, pc, fp);
}

/* By any thread; sched.lock held, so one at a time. */
static void asked(struct m *mp)
{
	struct m_nonpreempt *np = &mp->nonpreempt;

	if (get(&np->since) && !get(&np->asked))
		atomic_store_explicit(&np->asked, now_cycles(),
				      memory_order_relaxed);
}

/*
 * For a handler of signals: the goroutine's chain of segments may be in
 * between, so the callers of s are known by their addresses, as in sigprof.c.
 */
static u32 __no_asan walk_slots(const struct nonpreempt_section *s,
				uintptr_t *pcs, u32 max)
{
	uintptr_t pc = s->caller_pc, fp = s->caller_fp, lo = 0, hi = 0;
	u32 n = 0;

	for (u32 i = 0; i < 2 * max && n < max && pc; i++) {
		bool cross = !hi || pc == (uintptr_t)morestack_return;

		if (pc != (uintptr_t)morestack_return)
			pcs[n++] = pc - 1;
		if (fp % sizeof(fp) ||
		    ((fp < lo || fp + 2 * sizeof(fp) > hi) &&
		     !(cross && stack_slot(fp, &lo, &hi))))
			break;
		lo = fp + 2 * sizeof(fp);
		pc = ((const uintptr_t *)fp)[1];
		fp = ((const uintptr_t *)fp)[0];
	}
	return n;
}

bool nonpreempt_open(struct m *mp, struct gort_nonpreempt_event *ev,
		     uintptr_t *what)
{
	struct m_nonpreempt *np = &mp->nonpreempt;
	struct nonpreempt_section *s = &np->open[0];

	if (get(&np->busy) || !np->depth || np->gen != current_gen())
		return false;
	*ev = (struct gort_nonpreempt_event){
		.kind = s->kind,
		.open = true,
		.function = nonpreempt_function(s->kind, s->what),
		.site = s->site,
		.goid = np->goid,
	};
	*what = s->what;
	if (s->g && s->g == get(&mp->curg) && !np->left && s->fp) {
		ev->start[0] = s->site - 1;
		ev->nstart = 1 + walk_slots(s, ev->start + 1,
					    GORT_NONPREEMPT_FRAMES - 1);
	} else {
		ev->nstart = walk_start(mp, s, NULL, ev->start);
	}
	return true;
}

/*
 * Names.
 */

static const char *const kind_names[GORT_NONPREEMPT_KINDS] = {
	[GORT_NONPREEMPT_SYSTEMSTACK] = "systemstack",
	[GORT_NONPREEMPT_SWITCH] = "switch",
	[GORT_NONPREEMPT_STACK] = "stack",
	[GORT_NONPREEMPT_LOCK] = "lock",
	[GORT_NONPREEMPT_THREAD] = "thread",
	[GORT_NONPREEMPT_TRACE] = "trace",
	[GORT_NONPREEMPT_STW] = "stw",
	[GORT_NONPREEMPT_FOREIGN] = "foreign",
	[GORT_NONPREEMPT_SIGNAL] = "signal",
	[GORT_NONPREEMPT_USER] = "user",
	[GORT_NONPREEMPT_OTHER] = "other",
};

static const char *const rank_names[] = { LOCK_RANK_NAMES };

__public const char *gort_nonpreempt_kind_name(unsigned int kind)
{
	return kind < GORT_NONPREEMPT_KINDS ? kind_names[kind] : "?";
}

uintptr_t nonpreempt_function(unsigned int kind, uintptr_t what)
{
	return kind == GORT_NONPREEMPT_SYSTEMSTACK ||
	       kind == GORT_NONPREEMPT_SWITCH ||
	       kind == GORT_NONPREEMPT_FOREIGN ? what : 0;
}

static const char *function_name(uintptr_t fn)
{
	const struct frame_set *set = frames_at(fn);

	return set->frames[set->n - 1].func;
}

const char *nonpreempt_what(unsigned int kind, uintptr_t what)
{
	switch (kind) {
	case GORT_NONPREEMPT_SYSTEMSTACK:
	case GORT_NONPREEMPT_SWITCH:
	case GORT_NONPREEMPT_FOREIGN:
		return function_name(what);
	case GORT_NONPREEMPT_LOCK:
		return rank_names[what];
	case GORT_NONPREEMPT_STW:
		return stw_what_name(what);
	case GORT_NONPREEMPT_SIGNAL:
		return what == SIGPROF ? "SIGPROF" : "SIGURG";
	case GORT_NONPREEMPT_USER:
		return what ? (const char *)what : "";
	default:
		return "";
	}
}

/*
 * Reading.
 */

/* What a row says, in cycles, without a name; *what is for one.  False: it is
 * not there. */
static bool row_copy(const struct table *t, u32 i, u32 gen,
		     struct gort_nonpreempt_site *s, uintptr_t *what)
{
	const struct row_more *more = &t->more[i];
	const struct row *r = &t->rows[i];

	/* Acquire: pairs with the releases of put(). */
#define take(p)	atomic_load_explicit(p, memory_order_acquire)
	if (take(&r->gen) != gen)
		return false;
	*what = take(&r->what);
	s->kind = take(&r->key) / 2;
	s->outermost = take(&r->key) % 2;
	s->function = nonpreempt_function(s->kind, *what);
	s->site = take(&r->site);
	s->count = take(&r->count);
	s->gross_ns = take(&r->gross);
	s->net_ns = take(&r->net);
	s->max_ns = take(&r->max);
	s->waits = take(&more->waits);
	s->wait_ns = take(&more->wait);
	s->wait_max_ns = take(&more->wait_max);
	s->wait_runnable = take(&more->wait_runnable);
	s->nstart = take(&r->nstart);
	s->nend = take(&more->nend);
	for (u32 k = 0; k < GORT_NONPREEMPT_FRAMES; k++) {
		s->start[k] = k < s->nstart ? take(&more->start[k]) : 0;
		s->end[k] = k < s->nend ? take(&more->end[k]) : 0;
	}
	for (u32 k = 0; k < GORT_NONPREEMPT_BUCKETS; k++)
		s->buckets[k] = take(&more->buckets[k]);
#undef take
	return s->count;
}

/* The same, all of it of one moment, in ns. */
static bool row_read(const struct table *t, u32 i, u32 gen,
		     struct gort_nonpreempt_site *s, uintptr_t *what)
{
	const struct row *r = &t->rows[i];
	bool there;
	u32 seq;

	for (;;) {
		/* Acquire: pairs with the release in write_end(). */
		seq = atomic_load_explicit(&r->seq, memory_order_acquire);
		there = row_copy(t, i, gen, s, what);
		if (!(seq & 1) && seq == get(&r->seq))
			break;
		/* The writer may have lost its CPU. */
		cpu_relax();
		sched_yield();
	}
	s->what = NULL;
	s->gross_ns = nonpreempt_ns(s->gross_ns);
	s->net_ns = nonpreempt_ns(s->net_ns);
	s->max_ns = nonpreempt_ns(s->max_ns);
	s->wait_ns = nonpreempt_ns(s->wait_ns);
	s->wait_max_ns = nonpreempt_ns(s->wait_max_ns);
	return there;
}

static struct table *table_of(u32 i)
{
	/* Acquire: pairs with the release in table_make(). */
	return atomic_load_explicit(&tables[i], memory_order_acquire);
}

void nonpreempt_each(void (*fn)(const struct gort_nonpreempt_site *row,
				void *arg), void *arg)
{
	struct gort_nonpreempt_site row;
	u32 gen = current_gen();
	uintptr_t what;

	for (u32 n = 0; gen && n <= NO_P; n++) {
		const struct table *t = table_of(n);

		for (u32 i = 0; t && i < ROWS_ALL; i++)
			if (row_read(t, i, gen, &row, &what))
				fn(&row, arg);
	}
}

/* A row, or the same one of several tables. */
struct site {
	u32 key;
	uintptr_t what, site;
	u64 max;
};

struct reading {
	u32 gen;
	size_t n;
	size_t size;		/* of what follows, in bytes */
	struct gort_nonpreempt_site row;
	struct site sites[];
};

static bool less_by_key(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key;
	return x->what != y->what ? x->what < y->what : x->site < y->site;
}

static bool longer(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return x->max != y->max ? x->max > y->max : less_by_key(a, b);
}

/* One of each, with the greatest maximum. */
static void merge_sites(struct reading *rd)
{
	size_t n = 0;

	heap_sort(rd->sites, rd->n, sizeof(rd->sites[0]), less_by_key);
	for (size_t i = 0; i < rd->n; i++) {
		struct site *s = &rd->sites[i];

		if (n && !less_by_key(&rd->sites[n - 1], s)) {
			if (s->max > rd->sites[n - 1].max)
				rd->sites[n - 1].max = s->max;
			continue;
		}
		rd->sites[n++] = *s;
	}
	rd->n = n;
	heap_sort(rd->sites, n, sizeof(rd->sites[0]), longer);
}

static struct reading *reading_begin(void)
{
	u32 ntables = 0, gen = current_gen();
	struct reading *rd;
	uintptr_t what;
	size_t size;

	for (u32 n = 0; n <= NO_P; n++)
		ntables += table_of(n) != NULL;
	size = ALIGN_UP(sizeof(*rd) + (size_t)ntables * ROWS_ALL *
			sizeof(rd->sites[0]), PAGE_SIZE);
	rd = vm_alloc(size);
	if (!rd)
		return NULL;
	rd->size = size;
	rd->gen = gen;
	for (u32 n = 0; n <= NO_P && ntables; n++) {
		const struct table *t = table_of(n);

		ntables -= t != NULL;
		for (u32 i = 0; t && i < ROWS_ALL; i++) {
			if (!row_read(t, i, gen, &rd->row, &what))
				continue;
			rd->sites[rd->n++] = (struct site){
				.key = 2 * rd->row.kind + rd->row.outermost,
				.what = what,
				.site = rd->row.site,
				.max = rd->row.max_ns,
			};
		}
	}
	merge_sites(rd);
	return rd;
}

static void site_add(struct gort_nonpreempt_site *to,
		     const struct gort_nonpreempt_site *s)
{
	struct gort_nonpreempt_site sum = s->max_ns > to->max_ns ||
					  !to->count ? *s : *to;
	const struct gort_nonpreempt_site *other =
		s->max_ns > to->max_ns || !to->count ? to : s;

	sum.count += other->count;
	sum.gross_ns += other->gross_ns;
	sum.net_ns += other->net_ns;
	sum.waits += other->waits;
	sum.wait_ns += other->wait_ns;
	if (other->wait_max_ns > sum.wait_max_ns)
		sum.wait_max_ns = other->wait_max_ns;
	if (other->wait_runnable > sum.wait_runnable)
		sum.wait_runnable = other->wait_runnable;
	for (u32 i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		sum.buckets[i] += other->buckets[i];
	*to = sum;
}

static bool table_has(const struct table *t, u32 i, u32 gen,
		      const struct site *s)
{
	const struct row *r = &t->rows[i];

	return get(&r->gen) == gen && row_is(r, s->key, s->what, s->site);
}

/* All there is of a site. */
static void site_read(struct reading *rd, const struct site *s,
		      struct gort_nonpreempt_site *out)
{
	uintptr_t what;

	memset(out, 0, sizeof(*out));
	for (u32 n = 0; n <= NO_P; n++) {
		const struct table *t = table_of(n);

		for (u32 i = 0; t && i < ROWS_ALL; i++)
			if (table_has(t, i, rd->gen, s) &&
			    row_read(t, i, rd->gen, &rd->row, &what))
				site_add(out, &rd->row);
	}
	out->kind = s->key / 2;
	out->outermost = s->key % 2;
	out->what = nonpreempt_what(out->kind, s->what);
}

__public ssize_t gort_nonpreempt_read(struct gort_nonpreempt_site *out,
				      size_t n)
{
	struct reading *rd;
	ssize_t found;

	if (!in_goroutine())
		return -EPERM;
	if (!out && n)
		return -EINVAL;
	rd = reading_begin();
	if (!rd)
		return -ENOMEM;
	if (n)
		frames_refresh();
	for (size_t i = 0; i < n && i < rd->n; i++)
		site_read(rd, &rd->sites[i], &out[i]);
	found = (ssize_t)rd->n;
	vm_free(rd, rd->size);
	return found;
}

__public void gort_nonpreempt_read_stats(struct gort_nonpreempt_stats *out)
{
	u32 gen = current_gen();
	u64 exceeded, suppressed;

	nonpreempt_watch_counts(&exceeded, &suppressed);
	*out = (struct gort_nonpreempt_stats){
		.running = get(&nonpreempt_on),
		.lost = get(&lost),
		.exceeded = exceeded,
		.suppressed = suppressed,
	};
	for (u32 n = 0; gen && n <= NO_P; n++) {
		const struct table *t = table_of(n);

		for (u32 i = 0; t && i < ROWS_ALL; i++) {
			u64 count = get(&t->rows[i].gen) == gen ?
				    get(&t->rows[i].count) : 0;

			out->sections += count;
			out->other += i >= ROWS ? count : 0;
		}
	}
}

u64 nonpreempt_duration_ns(void)
{
	s64 until = get(&nonpreempt_on) ? nanotime() : get(&stop_ns);

	return (u64)(until - get(&start_ns));
}

/*
 * Beginning and end.
 */

/* 0 or -ENOMEM. */
static int table_make(u32 i)
{
	struct table *t;

	if (table_of(i))
		return 0;
	t = vm_alloc(TABLE_SIZE);
	if (!t)
		return -ENOMEM;
	/* Release: pairs with table_of(), and by the generation with
	 * table_get(). */
	atomic_store_explicit(&tables[i], t, memory_order_release);
	return 0;
}

static int tables_make(u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (table_make(i))
			return -ENOMEM;
	return table_make(NO_P);
}

/* Without memory those Ps use the table of who has none. */
static void procs(u32 n)
{
	tables_make(n);
}

static void clock_init(const struct gort_nonpreempt_config *config)
{
	u64 hz;

	nonpreempt_clock.by_clock = !cpu_cycles_steady();
	hz = nonpreempt_clock.by_clock ? NSEC_PER_SEC : cpu_cycles_hz();
	nonpreempt_clock.mult = (u64)(((unsigned __int128)NSEC_PER_SEC <<
				       NONPREEMPT_SHIFT) / hz);
	nonpreempt_clock.threshold = UINT64_MAX;
	if (config && config->threshold_ns)
		nonpreempt_clock.threshold =
			(u64)((unsigned __int128)config->threshold_ns * hz /
			      NSEC_PER_SEC);
}

/* What Ms were in is over.  Release: pairs with current_gen(). */
static void new_generation(void)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	atomic_store_explicit(&lost, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&generation, 1, memory_order_release);
	/* Of those that sleep, too. */
	for (; mp; mp = mp->all_link)
		atomic_store_explicit(&mp->nonpreempt.since, 0,
				      memory_order_relaxed);
}

static bool state_change(u32 from, u32 to)
{
	return atomic_compare_exchange_strong_explicit(&state, &from, to,
			memory_order_acq_rel, memory_order_relaxed);
}

/* Not preempted: there is no other P's table to be made meanwhile. */
static int start(const struct gort_nonpreempt_config *config)
{
	int err;

	if (!state_change(OFF, CHANGING))
		return -EBUSY;
	err = tables_make(nprocs());
	if (err) {
		atomic_store_explicit(&state, OFF, memory_order_release);
		return err;
	}
	clock_init(config);
	atomic_store_explicit(&start_ns, nanotime(), memory_order_relaxed);
	nonpreempt_watch_start(config);
	new_generation();
	atomic_store_explicit(&nonpreempt_on, true, memory_order_release);
	atomic_store_explicit(&state, RUNNING, memory_order_release);
	return 0;
}

__public int gort_nonpreempt_start(const struct gort_nonpreempt_config *config)
{
	struct m *mp;
	int err;

	if (!in_goroutine())
		return -EPERM;
	err = nonpreempt_watch_check(config);
	if (err)
		return err;
	cpu_cycles_hz();		/* the first call takes its time */
	mp = acquirem_quiet();
	err = start(config);
	releasem_quiet(mp);
	return err;
}

__public int gort_nonpreempt_stop(void)
{
	struct m *mp;
	int err = -EINVAL;

	if (!in_goroutine())
		return -EPERM;
	mp = acquirem_quiet();
	if (state_change(RUNNING, CHANGING)) {
		atomic_store_explicit(&stop_ns, nanotime(),
				      memory_order_relaxed);
		atomic_store_explicit(&nonpreempt_on, false,
				      memory_order_release);
		nonpreempt_watch_stop();
		atomic_store_explicit(&state, OFF, memory_order_release);
		err = 0;
	}
	releasem_quiet(mp);
	return err;
}

__public int gort_nonpreempt_reset(void)
{
	if (!in_goroutine())
		return -EPERM;
	new_generation();
	return 0;
}

static const struct nonpreempt_ops ops = {
	.begin = begin,
	.end = end,
	.end_all = end_all,
	.asked = asked,
	.interrupted = nonpreempt_interrupted,
	.procs = procs,
	.tick = nonpreempt_watch_tick,
	.sum = nonpreempt_sum,
	.run_begin = nonpreempt_run_begin,
	.run_end = nonpreempt_run_end,
};

static __attribute__((constructor)) void nonpreempt_register(void)
{
	nonpreempt_ops = &ops;
}
