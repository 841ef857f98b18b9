// SPDX-License-Identifier: ISC
/*
 * kernel/metrics.c - numbers about the runtime, by name.
 *
 * Names, units and histogram borders are those of Go's runtime/metrics where
 * the meaning is the same, and so is the prefix "/gc/heap" of what the heap
 * counts, though nothing is collected here: whoever has a dashboard for a
 * program in Go gets it for one in C by changing a prefix.  What Go has and
 * is not here has no meaning here (collector, finalizers), or is not known
 * truly (/cpu/classes: nobody measures where CPU time goes).
 *
 * A read has three steps: prepare() finds the metrics and gets what memory
 * they need; gather() collects the numbers that those metrics want, in one
 * struct; and each metric is a field of that, or a function of it.  Only the
 * first allocates, so the others, read_metrics_locked(), can run on the
 * system stack with the world stopped: see read_metrics_slow().
 *
 * Rejected: looking up names in a hash table.  The table is ordered, so a
 * search takes six steps; and a sample remembers which metric it is, so the
 * next read takes none.
 *
 * Counts of Ps begin with the run.  Those of earlier runs are kept, so that
 * cumulative metrics are so for the process.  Those of the profiler of
 * non-preemptible sections begin again with each profile, as counters of those
 * who scrape may: kept over that, they would tell nobody what a profile found.
 *
 * Locks: metrics_sema, a semaphore for goroutines, which cannot be taken on
 * the system stack.  It makes readers come one at a time, for the numbers are
 * in one place: they are too large for a stack.
 */
#include "kernel/metrics.h"

#include <errno.h>
#include <gort/sync.h>
#include <math.h>
#include <string.h>

#include "kernel/netpoll.h"
#include "kernel/runq.h"
#include "kernel/stw.h"
#include "kernel/tracepoint.h"
#include "mm/memstat.h"
#include "sizeclass.h"

#define NSEC	1e9

/* Sources of numbers, to be asked only if a metric wants them. */
#define FROM_MEM	1u
#define FROM_STACKS	2u
#define FROM_PS		4u
#define FROM_STATES	8u
#define FROM_TIMERS	16u
#define FROM_NETPOLL	32u
#define FROM_LATENCY	64u
#define FROM_NONPREEMPT	128u

/* What Ps count, added up. */
struct p_counts {
	u64 created, ended;	/* goroutines */
	u64 switches, steals;
	u64 mutex_wait_ns;
	u64 timers_fired;
};

struct numbers {
	struct mem_aggregate mem;
	struct {
		u64 objects_bytes, objects;
		u64 unused;		/* in spans, but in no object */
		u64 stacks;		/* of goroutines */
		u64 metadata_free;
		u64 total;
	} mem_derived;
	struct stack_stats stacks;
	struct p_counts ps;		/* of all runs */
	struct {
		u64 live, not_in_go, runnable, running, waiting;
	} states;
	u64 procs, threads;
	u64 timers_pending;
	struct netpoll_counts netpoll;
	u64 trace_skipped;
	struct time_sum latency;
	struct nonpreempt_sum nonpreempt;
};

/* Of a metric: where its value is. */
struct source {
	u32 from;		/* FROM_ bits */
	u32 offset;		/* in struct numbers; not of histograms */
	size_t nbuckets;	/* of histograms, as what follows */
	const double *(*borders)(void);
	void (*counts)(struct gort_metric_histogram *h,
		       const struct numbers *nr, u32 arg);
	u32 arg;
};

static struct gort_sem metrics_sema;
static struct numbers numbers;		/* metrics_sema */

/* Written while there is no goroutine. */
static struct p_counts earlier_runs;
static struct time_sum earlier_latency;

/*
 * Gathering.
 */

/* Ends first, so that not more end than began; pairs with g_free(). */
static void add_p_counts(struct p_counts *c)
{
	u64 none = 0;

	for (u32 i = 0; i < nallps(); i++)
		c->ended += atomic_load_explicit(&sched.ps[i]->nexited,
						 memory_order_acquire);
	for (u32 i = 0; i < nallps(); i++) {
		struct p *pp = sched.ps[i];

		c->created += atomic_load_explicit(&pp->nspawned,
						   memory_order_relaxed);
		c->switches += atomic_load_explicit(&pp->nswitches,
						    memory_order_relaxed);
		c->steals += atomic_load_explicit(&pp->nsteals,
						  memory_order_relaxed);
		c->mutex_wait_ns += atomic_load_explicit(&pp->mutex_wait_ns,
							 memory_order_relaxed);
	}
	for (u32 i = 0; i < nallps(); i++)
		timers_count(sched.ps[i], &none, &c->timers_fired);
}

static void add_latency(struct time_sum *sum)
{
	for (u32 i = 0; i < nallps(); i++)
		hist_sum(sum, &sched.ps[i]->latency);
}

void metrics_begin_run(void)
{
	gort_sem_init(&metrics_sema, 1);
}

/* Goroutines that are left end with the run. */
void metrics_end_run(void)
{
	add_p_counts(&earlier_runs);
	earlier_runs.ended = earlier_runs.created;
	add_latency(&earlier_latency);
}

/* Numbers of different moments may make less than nothing. */
static u64 less(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* sysstack: locks of the heap. */
static void __systemstack aggregate(void *mem)
{
	mem_aggregate(mem);
}

/* Of the two books the consistent one, where it has the number. */
static void gather_mem(struct numbers *nr)
{
	struct mem_aggregate *m = &nr->mem;
	u64 objects;

	systemstack(aggregate, m);
	objects = less(m->total_alloc, m->total_free);
	nr->mem_derived.objects_bytes = objects;
	nr->mem_derived.objects = less(m->mallocs, m->frees);
	nr->mem_derived.unused = less(m->in_heap, objects);
	nr->mem_derived.stacks = m->global.stacks - m->global.stacks_free;
	nr->mem_derived.metadata_free = m->global.meta_mapped -
					m->global.meta_in_use;
	nr->mem_derived.total = objects + nr->mem_derived.unused +
				m->global.heap_free + m->released +
				m->global.stacks + m->global.meta_mapped +
				m->global.other;
}

static void gather_ps(struct numbers *nr)
{
	nr->ps = earlier_runs;
	add_p_counts(&nr->ps);
}

static void count_running(struct numbers *nr)
{
	struct m *mp = atomic_load_explicit(&sched.all_ms,
					    memory_order_acquire);

	for (; mp; mp = mp->all_link) {
		struct g *gp = atomic_load_explicit(&mp->curg,
						    memory_order_relaxed);
		u32 status = gp ? g_status(gp) & ~(u32)G_SCAN : G_IDLE;

		nr->states.running += status == G_RUNNING;
		nr->states.not_in_go += status == G_SYSCALL;
	}
}

static u64 at_most(u64 n, u64 *left)
{
	if (n > *left)
		n = *left;
	*left -= n;
	return n;
}

/* A goroutine may go from one state to another meanwhile, or be one of the
 * runtime's own: so there are never more in all states than there are. */
static void gather_states(struct numbers *nr)
{
	u64 left = nr->ps.created - nr->ps.ended;
	u64 runnable = atomic_load_explicit(&sched.runq_size,
					    memory_order_relaxed);

	memset(&nr->states, 0, sizeof(nr->states));
	count_running(nr);
	for (u32 i = 0; i < nprocs(); i++)
		runnable += runq_len(sched.ps[i]);
	nr->states.live = left;
	nr->states.running = at_most(nr->states.running, &left);
	nr->states.not_in_go = at_most(nr->states.not_in_go, &left);
	nr->states.runnable = at_most(runnable, &left);
	nr->states.waiting = left;
}

static void gather_timers(struct numbers *nr)
{
	u64 fired;

	nr->timers_pending = 0;
	for (u32 i = 0; i < nprocs(); i++)
		timers_count(sched.ps[i], &nr->timers_pending, &fired);
}

static void gather(struct numbers *nr, u32 from)
{
	if (from & FROM_MEM)
		gather_mem(nr);
	if (from & FROM_STACKS)
		stack_read_stats(&nr->stacks);
	if (from & (FROM_PS | FROM_STATES))
		gather_ps(nr);
	if (from & FROM_STATES)
		gather_states(nr);
	if (from & FROM_TIMERS)
		gather_timers(nr);
	if (from & FROM_NETPOLL)
		netpoll_count(&nr->netpoll);
	if (from & FROM_LATENCY) {
		nr->latency = earlier_latency;
		add_latency(&nr->latency);
	}
	if ((from & FROM_NONPREEMPT) && nonpreempt_ops)
		nonpreempt_ops->sum(&nr->nonpreempt);
	nr->procs = nprocs();
	nr->threads = atomic_load_explicit(&sched.nms, memory_order_relaxed);
	nr->trace_skipped = atomic_load_explicit(&trace_skipped,
						 memory_order_relaxed);
}

/*
 * Histograms.
 */

static void time_counts(struct gort_metric_histogram *h,
			const struct time_sum *sum)
{
	memcpy(h->counts, sum->counts, sizeof(sum->counts));
	h->sum = (double)sum->sum_ns / NSEC;
}

static void latency_counts(struct gort_metric_histogram *h,
			   const struct numbers *nr, u32 arg)
{
	(void)arg;
	time_counts(h, &nr->latency);
}

static void nonpreempt_counts(struct gort_metric_histogram *h,
			      const struct numbers *nr, u32 kind)
{
	time_counts(h, &nr->nonpreempt.gross[kind]);
}

static void stopping_counts(struct gort_metric_histogram *h,
			    const struct numbers *nr, u32 reason)
{
	(void)nr;
	time_counts(h, &stw_pauses[reason].stopping);
}

static void total_counts(struct gort_metric_histogram *h,
			 const struct numbers *nr, u32 reason)
{
	(void)nr;
	time_counts(h, &stw_pauses[reason].total);
}

/* Class 0, of large objects, is the last bucket. */
static const double *size_borders(void)
{
	static double borders[NR_SIZE_CLASSES + 1];

	if (borders[0] > 0)
		return borders;
	borders[0] = 1;
	for (u32 i = 1; i < NR_SIZE_CLASSES; i++)
		borders[i] = class_size[i] + 1;
	borders[NR_SIZE_CLASSES] = INFINITY;
	return borders;
}

static void size_counts(struct gort_metric_histogram *h, const u64 *by_class,
			u64 large, u64 bytes)
{
	memcpy(h->counts, by_class + 1,
	       (NR_SIZE_CLASSES - 1) * sizeof(*by_class));
	h->counts[NR_SIZE_CLASSES - 1] = large;
	h->sum = (double)bytes;
}

static void alloc_counts(struct gort_metric_histogram *h,
			 const struct numbers *nr, u32 arg)
{
	(void)arg;
	size_counts(h, nr->mem.nalloc, nr->mem.large_allocs,
		    nr->mem.total_alloc);
}

static void free_counts(struct gort_metric_histogram *h,
			const struct numbers *nr, u32 arg)
{
	(void)arg;
	size_counts(h, nr->mem.nfree, nr->mem.large_frees,
		    nr->mem.total_free);
}

/*
 * The table.
 */

#define METRIC(n, h, k, c, ...)	{					\
	.name = n, .help = h, .kind = GORT_METRIC_##k, .cumulative = c,	\
	.opaque = &(const struct source){ __VA_ARGS__ },		\
}
#define GAUGE(name, src, field, help)					\
	METRIC(name, help, UINT64, 0, .from = src,			\
	       .offset = offsetof(struct numbers, field))
#define COUNTER(name, src, field, help)					\
	METRIC(name, help, UINT64, 1, .from = src,			\
	       .offset = offsetof(struct numbers, field))
/* The field has nanoseconds. */
#define SECONDS(name, src, field, help)					\
	METRIC(name, help, FLOAT64, 1, .from = src,			\
	       .offset = offsetof(struct numbers, field))
#define TIMES(name, src, fn, a, help)					\
	METRIC(name, help, FLOAT64_HISTOGRAM, 1, .from = src,		\
	       .nbuckets = HIST_BUCKETS, .borders = hist_borders,	\
	       .counts = fn, .arg = a)
#define SIZES(name, fn, help)						\
	METRIC(name, help, FLOAT64_HISTOGRAM, 1, .from = FROM_MEM,	\
	       .nbuckets = NR_SIZE_CLASSES, .borders = size_borders,	\
	       .counts = fn)
#define SECTIONS(kind, metric)						\
	TIMES("/nonpreempt/gross/" metric ":seconds", FROM_NONPREEMPT,	\
	      nonpreempt_counts, GORT_NONPREEMPT_##kind,		\
	      "Non-preemptible sections that lie in no other, of kind " metric ", since the profile began or was reset."),
#define STOPPING(reason, name, metric)					\
	TIMES("/sched/pauses/stopping/" metric ":seconds", 0,		\
	      stopping_counts, reason,					\
	      "How long the world took to stop, for the reason: " name "."),
#define PAUSE(reason, name, metric)					\
	TIMES("/sched/pauses/total/" metric ":seconds", 0,		\
	      total_counts, reason,					\
	      "From the wish to stop the world until it went on, for the reason: " name "."),

/* Ordered by name.  No help has quotes, backslashes or more than a line. */
static const struct gort_metric_desc metrics[] = {
	GAUGE("/gc/gomemlimit:bytes", FROM_MEM, mem.global.limit,
	      "GORTMEMLIMIT, or the largest number there is."),
	SIZES("/gc/heap/allocs-by-size:bytes", alloc_counts,
	      "Objects ever allocated, by size."),
	COUNTER("/gc/heap/allocs:bytes", FROM_MEM, mem.total_alloc,
		"Bytes of objects ever allocated."),
	COUNTER("/gc/heap/allocs:objects", FROM_MEM, mem.mallocs,
		"Objects ever allocated."),
	SIZES("/gc/heap/frees-by-size:bytes", free_counts,
	      "Objects ever freed, by size."),
	COUNTER("/gc/heap/frees:bytes", FROM_MEM, mem.total_free,
		"Bytes of objects ever freed."),
	COUNTER("/gc/heap/frees:objects", FROM_MEM, mem.frees,
		"Objects ever freed."),
	GAUGE("/gc/heap/objects:objects", FROM_MEM, mem_derived.objects,
	      "Objects allocated and not freed."),
	GAUGE("/memory/classes/heap/free:bytes", FROM_MEM,
	      mem.global.heap_free,
	      "Memory of the heap in no span that the kernel has not got back."),
	GAUGE("/memory/classes/heap/objects:bytes", FROM_MEM,
	      mem_derived.objects_bytes,
	      "Bytes of objects allocated and not freed."),
	GAUGE("/memory/classes/heap/released:bytes", FROM_MEM, mem.released,
	      "Memory of the heap that was given back to the kernel."),
	GAUGE("/memory/classes/heap/stacks:bytes", FROM_MEM,
	      mem_derived.stacks,
	      "Stacks of goroutines, as far as they were ever used."),
	GAUGE("/memory/classes/heap/unused:bytes", FROM_MEM,
	      mem_derived.unused,
	      "Memory in spans of objects that is no object."),
	GAUGE("/memory/classes/metadata/free:bytes", FROM_MEM,
	      mem_derived.metadata_free,
	      "Memory for records of the heap that has none."),
	GAUGE("/memory/classes/metadata/inuse:bytes", FROM_MEM,
	      mem.global.meta_in_use, "Records of the heap."),
	GAUGE("/memory/classes/other:bytes", FROM_MEM, mem.global.other,
	      "Memory of the tracer, the profiler and signal stacks."),
	GAUGE("/memory/classes/stacks/free:bytes", FROM_MEM,
	      mem.global.stacks_free,
	      "Stacks of no goroutine, kept for the next ones."),
	GAUGE("/memory/classes/total:bytes", FROM_MEM, mem_derived.total,
	      "All memory mapped by the runtime: the sum of /memory/classes."),
	GAUGE("/netpoll/descriptors:descriptors", FROM_NETPOLL,
	      netpoll.descriptors,
	      "Descriptors the poller has and gort_close() has not closed."),
	GAUGE("/netpoll/waiting:goroutines", FROM_NETPOLL, netpoll.waiting,
	      "Goroutines that wait for a descriptor."),
	COUNTER("/netpoll/woken:goroutines", FROM_NETPOLL, netpoll.woken,
		"Times a goroutine was woken because its descriptor was ready."),
	COUNTER("/nonpreempt/exceeded:sections", FROM_NONPREEMPT,
		nonpreempt.exceeded,
		"Non-preemptible sections longer than the threshold, since the profile began."),
	SECTIONS(FOREIGN, "foreign")
	SECTIONS(LOCK, "lock")
	SECTIONS(OTHER, "other")
	SECTIONS(SIGNAL, "signal")
	SECTIONS(STACK, "stack")
	SECTIONS(STW, "stw")
	SECTIONS(SWITCH, "switch")
	SECTIONS(SYSTEMSTACK, "systemstack")
	SECTIONS(THREAD, "thread")
	SECTIONS(TRACE, "trace")
	SECTIONS(USER, "user")
	COUNTER("/nonpreempt/lost:sections", FROM_NONPREEMPT, nonpreempt.lost,
		"Non-preemptible sections that could not be recorded, since the profile began or was reset."),
	COUNTER("/nonpreempt/sections:sections", FROM_NONPREEMPT,
		nonpreempt.sections,
		"Non-preemptible sections that have ended, since the profile began or was reset."),
	COUNTER("/nonpreempt/suppressed:sections", FROM_NONPREEMPT,
		nonpreempt.suppressed,
		"Sections longer than the threshold for which nothing was done, since the profile began."),
	GAUGE("/sched/gomaxprocs:threads", 0, procs,
	      "GORTMAXPROCS: how many threads run goroutines at a time."),
	COUNTER("/sched/goroutines-created:goroutines", FROM_PS, ps.created,
		"Goroutines ever started."),
	GAUGE("/sched/goroutines/not-in-go:goroutines", FROM_STATES,
	      states.not_in_go,
	      "Goroutines in system calls and gort_blocking(); approximate."),
	GAUGE("/sched/goroutines/runnable:goroutines", FROM_STATES,
	      states.runnable,
	      "Goroutines that could run and do not; approximate."),
	GAUGE("/sched/goroutines/running:goroutines", FROM_STATES,
	      states.running, "Goroutines that run; approximate."),
	GAUGE("/sched/goroutines/waiting:goroutines", FROM_STATES,
	      states.waiting,
	      "Goroutines that wait for something; approximate."),
	GAUGE("/sched/goroutines:goroutines", FROM_STATES, states.live,
	      "Goroutines that have not ended."),
	TIMES("/sched/latencies:seconds", FROM_LATENCY, latency_counts, 0,
	      "How long goroutines were runnable before they ran; from samples, each counted as often as it stands for."),
	STW_REASONS(STOPPING)
	STW_REASONS(PAUSE)
	COUNTER("/sched/steals:goroutines", FROM_PS, ps.steals,
		"Goroutines taken from the queue of another P."),
	COUNTER("/sched/switches:switches", FROM_PS, ps.switches,
		"Times a goroutine began or went on to run."),
	GAUGE("/sched/threads/total:threads", 0, threads,
	      "Threads of the runtime that run goroutines."),
	COUNTER("/stack/grown-by-switch:growths", FROM_STACKS,
		stacks.grown_by_switch,
		"Times a stack went on in another place."),
	COUNTER("/stack/grown-in-place:growths", FROM_STACKS,
		stacks.grown_in_place,
		"Times a stack grew where it was."),
	GAUGE("/stack/guards-missing:slots", FROM_STACKS,
	      stacks.guards_missing, "Places for stacks without a guard."),
	SECONDS("/sync/mutex/wait/total:seconds", FROM_PS, ps.mutex_wait_ns,
		"Time goroutines have slept waiting for mutexes and rwmutexes."),
	COUNTER("/timers/fired:timers", FROM_PS, ps.timers_fired,
		"Times a timer has run."),
	GAUGE("/timers/pending:timers", FROM_TIMERS, timers_pending,
	      "Timers started, and neither stopped nor run."),
	GAUGE("/trace/skipped:events", 0, trace_skipped,
	      "Events of the last trace that fell into the tracer itself."),
};

#define NR_METRICS	(sizeof(metrics) / sizeof(metrics[0]))

__public const struct gort_metric_desc *gort_metrics_all(size_t *n)
{
	if (!n)
		return NULL;
	*n = NR_METRICS;
	return metrics;
}

/* NR_METRICS if there is none. */
static u32 find(const char *name)
{
	u32 lo = 0, hi = NR_METRICS;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		int order = strcmp(name, metrics[mid].name);

		if (!order)
			return mid;
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NR_METRICS;
}

/*
 * Reading.
 */

static void value_clear(struct gort_metric_value *v)
{
	if (v->kind == GORT_METRIC_FLOAT64_HISTOGRAM)
		gort_free(v->histogram.counts);
	memset(v, 0, sizeof(*v));
}

static bool is_metric(const struct gort_metric_sample *s, u32 guess)
{
	return guess < NR_METRICS && !strcmp(s->name, metrics[guess].name);
}

static int prepare_histogram(struct gort_metric_value *v,
			     const struct source *src)
{
	struct gort_metric_histogram *h = &v->histogram;

	if (v->kind == GORT_METRIC_FLOAT64_HISTOGRAM && h->n == src->nbuckets)
		return 0;
	value_clear(v);
	h->counts = gort_calloc(src->nbuckets, sizeof(*h->counts));
	if (!h->counts)
		return -ENOMEM;
	h->n = src->nbuckets;
	v->kind = GORT_METRIC_FLOAT64_HISTOGRAM;
	return 0;
}

/* ->opaque: which metric it is, for the reads after this, too. */
static int prepare_sample(struct gort_metric_sample *s, u32 guess)
{
	struct gort_metric_value *v = &s->value;
	u32 i = v->kind != GORT_METRIC_BAD ? v->opaque : guess;
	int err = 0;

	if (!is_metric(s, i))
		i = find(s->name);
	if (i == NR_METRICS) {
		value_clear(v);
	} else if (metrics[i].kind == GORT_METRIC_FLOAT64_HISTOGRAM) {
		err = prepare_histogram(v, metrics[i].opaque);
		v->histogram.borders =
			((const struct source *)metrics[i].opaque)->borders();
	} else if (v->kind != metrics[i].kind) {
		value_clear(v);
		v->kind = metrics[i].kind;
	}
	v->opaque = i;
	return err;
}

/* Read before under that very name, it has all it needs. */
static inline bool prepared(const struct gort_metric_sample *s)
{
	return s->value.kind != GORT_METRIC_BAD &&
	       s->name == metrics[s->value.opaque].name;
}

/* Find the metrics, and memory.  Whoever reads all reads them in order. */
static int prepare(struct gort_metric_sample *samples, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		if (unlikely(!prepared(&samples[i])))
			err = prepare_sample(&samples[i], (u32)i);
	return err;
}

static void fill(struct gort_metric_value *v, const struct numbers *nr)
{
	const struct source *src = metrics[v->opaque].opaque;
	u64 value = *(const u64 *)((const char *)nr + src->offset);

	if (v->kind == GORT_METRIC_UINT64)
		v->u64 = value;
	else if (v->kind == GORT_METRIC_FLOAT64)
		v->f64 = (double)value / NSEC;
	else
		src->counts(&v->histogram, nr, src->arg);
}

/* Allocates nothing and blocks nowhere. */
static void read_metrics_locked(struct gort_metric_sample *samples, size_t n)
{
	u32 from = 0;

	for (size_t i = 0; i < n; i++) {
		u32 k = samples[i].value.opaque;

		if (k < NR_METRICS)
			from |= ((const struct source *)metrics[k].opaque)->from;
	}
	gather(&numbers, from);
	for (size_t i = 0; i < n; i++)
		if (samples[i].value.kind != GORT_METRIC_BAD)
			fill(&samples[i].value, &numbers);
}

static int check_args(const struct gort_metric_sample *samples, size_t n)
{
	if (!in_goroutine())
		return -EPERM;
	if (n && !samples)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!samples[i].name)
			return -EINVAL;
	return 0;
}

__public int gort_metrics_read(struct gort_metric_sample *samples, size_t n)
{
	int err = check_args(samples, n);

	if (err)
		return err;
	gort_sem_acquire(&metrics_sema, 1);
	err = prepare(samples, n);
	if (!err)
		read_metrics_locked(samples, n);
	gort_sem_release(&metrics_sema, 1);
	return err;
}

__public int gort_metrics_release(struct gort_metric_sample *samples, size_t n)
{
	if (n && !samples)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		value_clear(&samples[i].value);
	return 0;
}

struct slow_read {
	struct gort_memstats *st;
	struct gort_metric_sample *samples;
	size_t n;
};

/* sysstack: on the goroutine's own stack it could grow between the two. */
static void __systemstack read_both(void *arg)
{
	struct slow_read *slow = arg;

	memstats_hold();
	read_memstats_m(slow->st);
	read_metrics_locked(slow->samples, slow->n);
	memstats_let_go();
}

int read_metrics_slow(struct gort_memstats *st,
		      struct gort_metric_sample *samples, size_t n)
{
	struct slow_read slow = { st, samples, n };
	int err = check_args(samples, n);

	if (err)
		return err;
	/* Goroutines wait for it, so before the world is stopped. */
	gort_sem_acquire(&metrics_sema, 1);
	/* All the memory that reading needs. */
	err = prepare(samples, n);
	if (!err) {
		stw_begin(STW_TEST);
		systemstack(read_both, &slow);
		stw_end();
	}
	gort_sem_release(&metrics_sema, 1);
	return err;
}
