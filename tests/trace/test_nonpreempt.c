// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_nonpreempt.c - what the profiler of non-preemptible
 * sections records.
 *
 * How long a section takes is up to the machine, which may take the CPU away
 * in the middle: so what is recorded is compared with what the test itself
 * reads from the same clock right inside and right outside of it.
 */
#define _GNU_SOURCE
#include <gort/gort.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/proc.h"
#include "mm/memstat.h"
#include "mm/vm.h"
#include "trace/frames.h"
#include "trace/nonpreempt.h"

#define MS		1000000
#define SITES_MAX	600

static struct gort_nonpreempt_site sites[SITES_MAX];
static ssize_t nsites;

static int one_p(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "1", 1);
	return 0;
}

static int four_ps(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "4", 1);
	return 0;
}

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static void run_child(void *fn)
{
	gort_run((void (*)(void *))fn, NULL);
}

/*
 * One reading of the clock is worth 1: sums are exact.
 */
static void in_cycles(void)
{
	nonpreempt_clock.mult = (u64)1 << NONPREEMPT_SHIFT;
}

static void profile_start(void)
{
	CHECK_EQ(gort_nonpreempt_start(NULL), 0);
}

static void profile_read(void)
{
	nsites = gort_nonpreempt_read(sites, SITES_MAX);
	CHECK_LE(nsites, SITES_MAX);
	CHECK_LE(0, nsites);
}

static void profile_stop(void)
{
	CHECK_EQ(gort_nonpreempt_stop(), 0);
	profile_read();
}

static const char *function_at(uintptr_t pc)
{
	const struct frame_set *set = frames_at(pc);

	return set->frames[set->n - 1].func;
}

/* The one of that kind that began in that function; NULL: none.  what, if not
 * NULL, is what it is of. */
static const struct gort_nonpreempt_site *
find_site(enum gort_nonpreempt_kind kind, const char *what, const char *function)
{
	for (ssize_t i = 0; i < nsites; i++)
		if (sites[i].kind == kind &&
		    (!what || !strcmp(sites[i].what, what)) &&
		    (!function ||
		     !strcmp(function_at(sites[i].site - 1), function)))
			return &sites[i];
	return NULL;
}

static const struct gort_nonpreempt_site *
need_site(enum gort_nonpreempt_kind kind, const char *what, const char *function)
{
	const struct gort_nonpreempt_site *s = find_site(kind, what, function);
	struct gort_nonpreempt_stats st;

	if (s)
		return s;
	for (ssize_t i = 0; i < nsites; i++)
		dprintf(2, "%s %s in %s\n",
			gort_nonpreempt_kind_name(sites[i].kind), sites[i].what,
			function_at(sites[i].site - 1));
	gort_nonpreempt_read_stats(&st);
	dprintf(2, "%d sites, %llu lost, %llu other\n", (int)nsites,
		(unsigned long long)st.lost, (unsigned long long)st.other);
	dprintf(2, "no %s of %s in %s\n", gort_nonpreempt_kind_name(kind),
		what ? what : "anything", function ? function : "anything");
	abort();
}

static u64 count_of(const char *name)
{
	u64 count = 0;

	for (ssize_t i = 0; i < nsites; i++)
		if (sites[i].kind == GORT_NONPREEMPT_USER &&
		    !strcmp(sites[i].what, name))
			count += sites[i].count;
	return count;
}

static void spin_cycles(u64 cycles)
{
	u64 from = nonpreempt_now();

	while (nonpreempt_now() - from < cycles)
		;
}

static u64 cycles_of(u64 ns)
{
	return (u64)(((unsigned __int128)ns << NONPREEMPT_SHIFT) /
		     nonpreempt_clock.mult);
}

/* --- what does not depend on time --- */

static void test_names(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < GORT_NONPREEMPT_KINDS; i++) {
		assert_string_not_equal(gort_nonpreempt_kind_name(i), "?");
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(gort_nonpreempt_kind_name(i),
						gort_nonpreempt_kind_name(k));
	}
	assert_string_equal(gort_nonpreempt_kind_name(GORT_NONPREEMPT_KINDS),
			    "?");
	assert_string_equal(gort_nonpreempt_kind_name(~0u), "?");
}

/* The middle of a bucket is off by 1/32 at most. */
static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(gort_nonpreempt_bucket_ns(0), 0);
	for (unsigned int i = 1; i < GORT_NONPREEMPT_BUCKETS; i++) {
		uint64_t lo = gort_nonpreempt_bucket_ns(i - 1);
		uint64_t hi = gort_nonpreempt_bucket_ns(i);

		assert_true(hi > lo);
		assert_true((hi - 1 - lo) * 16 <= lo || hi == lo + 1);
	}
	assert_true(gort_nonpreempt_bucket_ns(GORT_NONPREEMPT_BUCKETS - 1) ==
		    (uint64_t)1 << 37);
	assert_true(gort_nonpreempt_bucket_ns(~0u) == (uint64_t)1 << 37);
}

static void test_outside(void **state)
{
	struct gort_nonpreempt_stats st;

	(void)state;
	assert_int_equal(gort_nonpreempt_start(NULL), -EPERM);
	assert_int_equal(gort_nonpreempt_stop(), -EPERM);
	assert_int_equal(gort_nonpreempt_reset(), -EPERM);
	assert_int_equal(gort_nonpreempt_read(NULL, 0), -EPERM);
	assert_int_equal(gort_nonpreempt_begin("outside"), -EPERM);
	assert_int_equal(gort_nonpreempt_end(), -EPERM);
	gort_nonpreempt_read_stats(&st);
	assert_false(st.running);
	assert_true(st.sections == 0);
}

static void on_g0(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_nonpreempt_start(NULL), -EPERM);
	CHECK_EQ(gort_nonpreempt_begin("on g0"), -EPERM);
	CHECK_EQ(gort_nonpreempt_end(), -EPERM);
}

static void check_errors(void *arg)
{
	struct gort_nonpreempt_stats st;

	(void)arg;
	CHECK_EQ(gort_nonpreempt_stop(), -EINVAL);
	CHECK_EQ(gort_nonpreempt_end(), -EINVAL);
	CHECK_EQ(gort_nonpreempt_read(NULL, 1), -EINVAL);
	profile_start();
	CHECK_EQ(gort_nonpreempt_start(NULL), -EBUSY);
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.running, true);
	CHECK_EQ(gort_systemstack_call(on_g0, NULL), 0);
	CHECK_LT(0, gort_nonpreempt_read(NULL, 0));
	atomic_store(&vm_fail_for_good, true);
	atomic_store(&vm_fail_after, 0);
	CHECK_EQ(gort_nonpreempt_read(NULL, 0), -ENOMEM);
	atomic_store(&vm_fail_after, -1);
	atomic_store(&vm_fail_for_good, false);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
	CHECK_EQ(gort_nonpreempt_stop(), -EINVAL);
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.running, false);
	CHECK_LT(0, st.sections);
}

static void test_errors(void **state)
{
	(void)state;
	run(check_errors, NULL);
}

/* The tables are made once per process: this comes first. */
static void check_no_memory(void *arg)
{
	struct gort_nonpreempt_stats st;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		/* For good: sysmon may be the next to want memory. */
		atomic_store(&vm_fail_for_good, true);
		atomic_store(&vm_fail_after, i);
		CHECK_EQ(gort_nonpreempt_start(NULL), -ENOMEM);
		atomic_store(&vm_fail_after, -1);
		atomic_store(&vm_fail_for_good, false);
		gort_nonpreempt_read_stats(&st);
		CHECK_EQ(st.running, false);
	}
	CHECK_EQ(gort_nonpreempt_start(NULL), 0);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	run(check_no_memory, NULL);
}

/* --- how long, and where --- */

enum how {
	BY_FOREIGN,
	BY_USER,
	BY_LOCK,
	NR_HOW
};

struct timing {
	u64 cycles;		/* to spin */
	u64 from, to;		/* that it took, inside */
};

static struct lock test_lock = LOCK_INIT(RANK_LABELS);

static void timed(void *arg)
{
	struct timing *t = arg;

	t->from = nonpreempt_now();
	spin_cycles(t->cycles);
	t->to = nonpreempt_now();
}

__attribute__((noinline)) void foreign_here(struct timing *t);
__attribute__((noinline)) void foreign_here(struct timing *t)
{
	CHECK_EQ(gort_systemstack_call(timed, t), 0);
}

__attribute__((noinline)) void user_here(struct timing *t);
__attribute__((noinline)) void user_here(struct timing *t)
{
	CHECK_EQ(gort_nonpreempt_begin("user here"), 0);
	timed(t);
	CHECK_EQ(gort_nonpreempt_end(), 0);
}

__attribute__((noinline)) void lock_here(struct timing *t);
__attribute__((noinline)) void lock_here(struct timing *t)
{
	lock(&test_lock);
	timed(t);
	unlock(&test_lock);
}

static const struct {
	void (*fn)(struct timing *t);
	enum gort_nonpreempt_kind kind;
	const char *what, *function;
} injected[NR_HOW] = {
	[BY_FOREIGN] = { foreign_here, GORT_NONPREEMPT_FOREIGN, "timed",
			 "foreign_here" },
	[BY_USER] = { user_here, GORT_NONPREEMPT_USER, "user here",
		      "user_here" },
	[BY_LOCK] = { lock_here, GORT_NONPREEMPT_LOCK, "LABELS", "lock_here" },
};

/* One such section.  By how much is what was recorded longer, in 1/1000? */
static u64 inject(enum how how, u64 ns)
{
	struct timing t = { .cycles = cycles_of(ns) };
	const struct gort_nonpreempt_site *s;
	u64 before, after, inner;

	CHECK_EQ(gort_nonpreempt_reset(), 0);
	before = nonpreempt_now();
	injected[how].fn(&t);
	after = nonpreempt_now();
	profile_read();
	s = need_site(injected[how].kind, injected[how].what,
		      injected[how].function);
	inner = nonpreempt_ns(t.to - t.from);
	CHECK_EQ(s->count, 1);
	CHECK_EQ(s->outermost, true);
	CHECK_LE(inner, s->max_ns);
	CHECK_LE(s->max_ns, nonpreempt_ns(after - before));
	CHECK_EQ(s->gross_ns, s->max_ns);
	CHECK_LE(s->net_ns, s->gross_ns);
	CHECK_EQ(s->function != 0, how == BY_FOREIGN);
	/* The stacks lead from there to the caller. */
	CHECK_LE(3, s->nstart);
	CHECK_EQ(strcmp(function_at(s->start[0]), injected[how].function), 0);
	CHECK_EQ(s->start[0], s->site - 1);
	CHECK_EQ(strcmp(function_at(s->start[s->nstart - 1]),
			"goroutine_start"), 0);
	CHECK_LE(s->nstart, s->nend);
	CHECK_EQ(s->end[s->nend - 2], s->start[s->nstart - 2]);
	return (s->max_ns - inner) * 1000 / inner;
}

/* The kernel may take the CPU away just where it counts: a few attempts. */
static void check_durations(void *arg)
{
	u64 most = mode_emulated() || mode_sanitized() ||
		   mode_gortdebug("maymorestack") ? 500 : 50;

	(void)arg;
	profile_start();
	for (int how = 0; how < NR_HOW; how++) {
		for (u64 ns = 10000; ns <= 10 * MS; ns *= 10) {
			u64 off;
			int tries = 0;

			do {
				off = inject((enum how)how, ns);
				CHECK_LE(++tries, 30);
			} while (off > most);
		}
	}
	CHECK_EQ(gort_nonpreempt_stop(), 0);
}

static void test_durations(void **state)
{
	(void)state;
	run(check_durations, NULL);
}

/* All are in the histogram, in the right buckets. */
static void check_histogram(void *arg)
{
	const struct gort_nonpreempt_site *s;
	u64 n = 0, least = 0, most = 0;

	(void)arg;
	profile_start();
	for (u64 i = 0; i < 100; i++) {
		struct timing t = { .cycles = cycles_of(i * 200) };

		user_here(&t);
	}
	profile_stop();
	s = need_site(GORT_NONPREEMPT_USER, "user here", NULL);
	CHECK_EQ(s->count, 100);
	for (unsigned int i = 0; i < GORT_NONPREEMPT_BUCKETS; i++) {
		u64 top = gort_nonpreempt_bucket_ns(i + 1);

		n += s->buckets[i];
		least += s->buckets[i] * gort_nonpreempt_bucket_ns(i);
		most += s->buckets[i] * top;
		if (s->buckets[i] && s->max_ns < top)
			CHECK_LE(gort_nonpreempt_bucket_ns(i), s->max_ns);
	}
	CHECK_EQ(n, 100);
	CHECK_LE(least, s->gross_ns);
	CHECK_LE(s->gross_ns, most + 100);
}

static void test_histogram(void **state)
{
	(void)state;
	run(check_histogram, NULL);
}

/* --- nesting --- */

/* Of all there is: the nets make up the gross, to the cycle. */
static void check_sums(void)
{
	u64 gross = 0, net = 0;

	for (ssize_t i = 0; i < nsites; i++) {
		gross += sites[i].gross_ns;
		net += sites[i].net_ns;
		CHECK_LT(0, sites[i].count);
		if (!sites[i].outermost) {
			CHECK_EQ(sites[i].gross_ns, 0);
			CHECK_LE(sites[i].max_ns, sites[i].net_ns);
		} else {
			CHECK_LE(sites[i].max_ns, sites[i].gross_ns);
		}
	}
	CHECK_EQ(net, gross);
}

static void check_nesting(void *arg)
{
	const struct gort_nonpreempt_site *a, *b, *c;

	(void)arg;
	profile_start();
	in_cycles();
	CHECK_EQ(gort_nonpreempt_begin("a"), 0);
	spin_cycles(1000);
	CHECK_EQ(gort_nonpreempt_begin("b"), 0);
	spin_cycles(2000);
	lock(&test_lock);
	spin_cycles(4000);
	unlock(&test_lock);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_begin("after"), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	profile_stop();
	a = need_site(GORT_NONPREEMPT_USER, "a", NULL);
	b = need_site(GORT_NONPREEMPT_USER, "b", NULL);
	c = need_site(GORT_NONPREEMPT_LOCK, "LABELS", NULL);
	CHECK_EQ(a->outermost, true);
	CHECK_EQ(b->outermost, false);
	CHECK_EQ(b->count, 1);
	CHECK_EQ(c->outermost, false);
	CHECK_LE(1000, a->net_ns);
	CHECK_LE(2000, b->net_ns);
	CHECK_LE(4000, c->net_ns);
	CHECK_LE(a->net_ns + b->net_ns + c->net_ns, a->gross_ns);
	CHECK_EQ(need_site(GORT_NONPREEMPT_USER, "after", NULL)->outermost,
		 true);
	check_sums();
}

static void test_nesting(void **state)
{
	(void)state;
	run(check_nesting, NULL);
}

/* A lock that is released after what was taken later. */
static void check_out_of_order(void *arg)
{
	static struct lock other_lock = LOCK_INIT(RANK_CHAN);
	const struct gort_nonpreempt_site *user, *chan;

	(void)arg;
	profile_start();
	in_cycles();
	lock(&other_lock);
	CHECK_EQ(gort_nonpreempt_begin("longer"), 0);
	CHECK_EQ(gort_nonpreempt_begin("longest"), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	unlock(&other_lock);
	spin_cycles(5000);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	/* The same inside another. */
	CHECK_EQ(gort_nonpreempt_begin("around"), 0);
	lock(&test_lock);
	CHECK_EQ(gort_nonpreempt_begin("within"), 0);
	unlock(&test_lock);
	spin_cycles(5000);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	profile_stop();
	CHECK_EQ(count_of("around"), 1);
	CHECK_EQ(count_of("within"), 1);
	CHECK_EQ(need_site(GORT_NONPREEMPT_LOCK, "LABELS", NULL)->count, 1);
	CHECK_LE(5000, need_site(GORT_NONPREEMPT_USER, "within", NULL)->net_ns);
	chan = need_site(GORT_NONPREEMPT_LOCK, "CHAN", "check_out_of_order");
	user = need_site(GORT_NONPREEMPT_USER, "longer", NULL);
	CHECK_EQ(chan->outermost, true);
	CHECK_EQ(chan->count, 1);
	CHECK_EQ(user->outermost, false);
	CHECK_LE(5000, user->net_ns);
	CHECK_LE(user->net_ns + chan->net_ns, chan->gross_ns);
	check_sums();
}

static void test_out_of_order(void **state)
{
	(void)state;
	run(check_out_of_order, NULL);
}

/* Deeper than there is room: time of what is above. */
static void check_deep(void *arg)
{
	static const char *const names[] = { "1", "2", "3", "4", "5", "6", "7",
		"8", "9", "10", "11", "12" };
	const struct gort_nonpreempt_site *s;

	(void)arg;
	profile_start();
	in_cycles();
	for (int i = 0; i < 12; i++)
		CHECK_EQ(gort_nonpreempt_begin(names[i]), 0);
	spin_cycles(10000);
	for (int i = 0; i < 12; i++) {
		if (i == 12 - NONPREEMPT_DEPTH)
			spin_cycles(20000);
		CHECK_EQ(gort_nonpreempt_end(), 0);
	}
	CHECK_EQ(getm()->locks, 0);
	profile_stop();
	for (int i = 0; i < 12; i++)
		CHECK_EQ(count_of(names[i]), i < NONPREEMPT_DEPTH);
	s = need_site(GORT_NONPREEMPT_USER, "8", NULL);
	CHECK_LE(30000, s->net_ns);
	check_sums();
}

static void test_deep(void **state)
{
	(void)state;
	run(check_deep, NULL);
}

/* --- each kind --- */

static struct gort_chan *chan;

static void receiver(void *arg)
{
	uint64_t v;

	while (!gort_chan_recv(chan, &v))
		++*(long *)arg;
}

static __attribute__((noinline)) int use_stack(int depth)
{
	volatile char frame[400];

	frame[0] = (char)depth;
	return depth ? use_stack(depth - 1) + frame[0] : 0;
}

static void grower(void *arg)
{
	use_stack(500);
	gort_waitgroup_done(arg);
}

/* Something of everything. */
static void workload(void)
{
	struct gort_waitgroup wg = { 0 };
	struct gort_memstats ms;
	long received = 0;

	chan = gort_chan_new(sizeof(uint64_t), 0);
	CHECK_EQ(gort_go(receiver, &received), 0);
	for (uint64_t i = 0; i < 200; i++)
		CHECK_EQ(gort_chan_send(chan, &i), 0);
	gort_chan_close(chan);
	gort_waitgroup_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(gort_go(grower, &wg), 0);
	gort_waitgroup_wait(&wg);
	gort_read_memstats(&ms);
	gort_sleep_ns(MS);
	gort_yield();
	CHECK_EQ(received, 200);
	gort_chan_free(chan);
}

static void check_kinds(void *arg)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct gort_nonpreempt_stats st;
	struct timing t = { 0 };
	u64 sections = 0;

	(void)arg;
	profile_start();
	CHECK_EQ(gort_trace_start(fd, NULL), 0);
	workload();
	CHECK_EQ(gort_trace_stop(), 0);
	close(fd);
	for (int how = 0; how < NR_HOW; how++)
		injected[how].fn(&t);
	/* Nobody wants to preempt us, but the handler runs. */
	syscall(SYS_tgkill, getpid(), gettid(), SIGURG);
	profile_stop();
	for (unsigned int kind = 0; kind < GORT_NONPREEMPT_OTHER; kind++)
		need_site(kind, NULL, NULL);
	need_site(GORT_NONPREEMPT_SYSTEMSTACK, "stop_world", "stw_begin");
	need_site(GORT_NONPREEMPT_SWITCH, "park_m", "sched_park");
	need_site(GORT_NONPREEMPT_SWITCH, "exit_m", "goroutine_exit");
	need_site(GORT_NONPREEMPT_LOCK, "CHAN", NULL);
	need_site(GORT_NONPREEMPT_LOCK, "SCHED", NULL);
	need_site(GORT_NONPREEMPT_STW, "read memstats", "stw_begin");
	need_site(GORT_NONPREEMPT_STW, "read memstats: stopping", NULL);
	need_site(GORT_NONPREEMPT_STW, "read memstats: stopped", NULL);
	need_site(GORT_NONPREEMPT_SIGNAL, "SIGURG", NULL);
	for (ssize_t i = 0; i < nsites; i++) {
		sections += sites[i].count;
		/* Nothing that sysmon itself does; its lock is also held by
		 * who reads statistics, if they are checked. */
		if (!strcmp(sites[i].what, "SYSMON"))
			CHECK_EQ(strcmp(function_at(sites[i].site - 1),
					"sysmon_hold"), 0);
	}
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.sections, sections);
	CHECK_EQ(st.exceeded, 0);
}

static void test_kinds(void **state)
{
	(void)state;
	run(check_kinds, NULL);
}

/*
 * With one P nothing is open when the first goroutine reads: other Ms sleep.
 * So all of a workload adds up.
 */
static void check_sum_of_all(void *arg)
{
	(void)arg;
	/* What it allocates the first time is not to be missing below. */
	workload();
	profile_start();
	in_cycles();
	for (int i = 0; i < 5; i++)
		workload();
	profile_stop();
	check_sums();
	CHECK_LT(20, nsites);
}

static void test_sum_of_all(void **state)
{
	(void)state;
	run(check_sum_of_all, NULL);
}

/* The longest come first. */
static void check_order(void *arg)
{
	(void)arg;
	profile_start();
	workload();
	profile_stop();
	for (ssize_t i = 1; i < nsites; i++)
		CHECK_LE(sites[i].max_ns, sites[i - 1].max_ns);
	/* Fewer than there are: the first of them. */
	memset(&sites[1], 0, sizeof(sites[1]));
	CHECK_EQ(gort_nonpreempt_read(sites, 1), nsites);
	CHECK_EQ(sites[1].count, 0);
}

static void test_order(void **state)
{
	(void)state;
	run(check_order, NULL);
}

/* --- on and off --- */

static void user_section(const char *name)
{
	CHECK_EQ(gort_nonpreempt_begin(name), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
}

static void check_toggle(void *arg)
{
	(void)arg;
	/* Open when it begins. */
	CHECK_EQ(gort_nonpreempt_begin("early"), 0);
	profile_start();
	user_section("inside early");
	CHECK_EQ(gort_nonpreempt_end(), 0);
	user_section("normal");
	/* Open when it ends. */
	CHECK_EQ(gort_nonpreempt_begin("late"), 0);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
	user_section("off");
	CHECK_EQ(gort_nonpreempt_end(), 0);
	profile_read();
	CHECK_EQ(count_of("early"), 0);
	CHECK_EQ(count_of("inside early"), 1);
	CHECK_EQ(count_of("normal"), 1);
	CHECK_EQ(count_of("late"), 0);
	CHECK_EQ(count_of("off"), 0);
	CHECK_EQ(need_site(GORT_NONPREEMPT_USER, "normal", NULL)->outermost,
		 true);
	/* Open when it ends and another begins. */
	profile_start();
	CHECK_EQ(gort_nonpreempt_begin("between"), 0);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
	profile_start();
	CHECK_EQ(gort_nonpreempt_end(), 0);
	user_section("normal");
	/* Open when all is forgotten. */
	CHECK_EQ(gort_nonpreempt_begin("forgotten"), 0);
	profile_read();
	CHECK_EQ(count_of("normal"), 1);
	CHECK_EQ(gort_nonpreempt_reset(), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	user_section("again");
	profile_stop();
	CHECK_EQ(count_of("between"), 0);
	CHECK_EQ(count_of("normal"), 0);
	CHECK_EQ(count_of("forgotten"), 0);
	CHECK_EQ(count_of("again"), 1);
	CHECK_EQ(need_site(GORT_NONPREEMPT_USER, "again", NULL)->outermost,
		 true);
	CHECK_EQ(getm()->locks, 0);
}

static void test_toggle(void **state)
{
	(void)state;
	run(check_toggle, NULL);
}

static void check_left_running(void *arg)
{
	(void)arg;
	profile_start();
	user_section("in the first run");
}

static void check_next_run(void *arg)
{
	struct gort_nonpreempt_stats st;

	(void)arg;
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.running, false);
	profile_read();
	CHECK_EQ(count_of("in the first run"), 1);
	profile_start();
	user_section("in the second run");
	profile_stop();
	CHECK_EQ(count_of("in the first run"), 0);
	CHECK_EQ(count_of("in the second run"), 1);
}

static void test_runs(void **state)
{
	(void)state;
	run(check_left_running, NULL);
	run(check_next_run, NULL);
}

/* More sites than there are rows. */
static void check_overflow(void *arg)
{
	static char names[1000][8];
	struct gort_nonpreempt_stats st;
	u64 count = 0, other = 0;

	(void)arg;
	profile_start();
	for (int i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i);
		user_section(names[i]);
	}
	profile_stop();
	for (ssize_t i = 0; i < nsites; i++) {
		if (sites[i].kind == GORT_NONPREEMPT_USER) {
			CHECK_EQ(sites[i].count, 1);
			count++;
		}
		if (sites[i].kind == GORT_NONPREEMPT_OTHER)
			other += sites[i].count;
	}
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.other, other);
	CHECK_LT(200, count);
	CHECK_LT(0, other);
	CHECK_LE(1000, count + other);
	/* With one P these are of one table. */
	CHECK_LE(nsites, 2 * 258);
}

static void test_overflow(void **state)
{
	(void)state;
	run(check_overflow, NULL);
}

/* --- while it is open --- */

static void check_open(void *arg)
{
	struct gort_nonpreempt_event ev;
	struct m *mp;
	uintptr_t what;

	(void)arg;
	CHECK_EQ(gort_nonpreempt_begin("open"), 0);
	CHECK_EQ(nonpreempt_open(getm(), &ev, &what), false);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	profile_start();
	CHECK_EQ(gort_nonpreempt_begin("open"), 0);
	CHECK_EQ(gort_nonpreempt_begin("inside"), 0);
	mp = getm();
	CHECK_LT(0, atomic_load(&mp->nonpreempt.since));
	CHECK_EQ(nonpreempt_open(mp, &ev, &what), true);
	CHECK_EQ(ev.kind, GORT_NONPREEMPT_USER);
	CHECK_EQ(strcmp(nonpreempt_what(ev.kind, what), "open"), 0);
	CHECK_EQ(ev.open, true);
	CHECK_EQ(ev.goid, gort_goid());
	CHECK_LE(3, ev.nstart);
	CHECK_EQ(ev.start[0], ev.site - 1);
	CHECK_EQ(strcmp(function_at(ev.start[0]), "check_open"), 0);
	CHECK_EQ(strcmp(function_at(ev.start[ev.nstart - 1]),
			"goroutine_start"), 0);
	CHECK_EQ(gort_nonpreempt_reset(), 0);
	CHECK_EQ(nonpreempt_open(mp, &ev, &what), false);
	CHECK_EQ(atomic_load(&mp->nonpreempt.since), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(nonpreempt_open(mp, &ev, &what), false);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
}

static void test_open(void **state)
{
	(void)state;
	run(check_open, NULL);
}

/* --- sections of the program's --- */

static _Atomic int others_ran;

static void say_so(void *arg)
{
	(void)arg;
	atomic_store(&others_ran, 1);
}

static __attribute__((noinline)) void checked_call(void)
{
	char frame[600];

	__asm__ volatile("" : : "r" (frame) : "memory");
}

/* Calls with stack checks, until somebody has asked for the P. */
static void call_until_asked(bool profiled)
{
	struct m *mp = getm();

	while (!atomic_load(&getg()->preempt) && !(interrupts() & INT_STW))
		checked_call();
	while (profiled && !atomic_load(&mp->nonpreempt.asked))
		checked_call();
	for (int i = 0; i < 1000; i++)
		checked_call();
}

static void check_user(void *arg)
{
	const struct gort_nonpreempt_site *s;

	profile_start();
	if (!arg)
		CHECK_EQ(gort_nonpreempt_stop(), 0);
	atomic_store(&others_ran, 0);
	CHECK_EQ(gort_nonpreempt_begin("outer"), 0);
	CHECK_EQ(gort_nonpreempt_begin(NULL), 0);
	CHECK_EQ(gort_go(say_so, NULL), 0);
	call_until_asked(arg);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	checked_call();
	CHECK_EQ(atomic_load(&others_ran), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_end(), -EINVAL);
	/* Somebody asked for the P meanwhile: the next check gives it. */
	checked_call();
	CHECK_EQ(atomic_load(&others_ran), 1);
	if (!arg)
		return;
	profile_stop();
	s = need_site(GORT_NONPREEMPT_USER, "outer", NULL);
	CHECK_EQ(s->waits, 1);
	CHECK_LT(0, s->wait_ns);
	CHECK_LE(s->wait_ns, s->gross_ns);
	CHECK_EQ(s->wait_ns, s->wait_max_ns);
	CHECK_LE(1, s->wait_runnable);
	s = need_site(GORT_NONPREEMPT_USER, "", NULL);
	CHECK_EQ(s->outermost, false);
	CHECK_EQ(s->waits, 0);
}

/* Asked for in the middle, by nothing that would do so again. */
static void check_asked(void *arg)
{
	/* Else it is poisoned anyway, or by a change of segments not. */
	bool plain = !mode_gortdebug("maymorestack");
	struct g *gp = getg();

	(void)arg;
	CHECK_EQ(gort_nonpreempt_begin("asked"), 0);
	if (plain)
		CHECK_NE(guard_get(), GUARD_POISON);
	atomic_store(&gp->preempt, true);
	gort_nonpreempt_end();
	if (plain)
		CHECK_EQ(guard_get(), GUARD_POISON);
	checked_call();
	CHECK_EQ(atomic_load(&gp->preempt), false);
}

static void test_asked(void **state)
{
	(void)state;
	run(check_asked, NULL);
}

static void test_user(void **state)
{
	int on = 1;

	(void)state;
	run(check_user, NULL);
	run(check_user, &on);
}

/* Who stops the world waits for it. */
static _Atomic int in_section, section_over;

static void long_section(void *arg)
{
	CHECK_EQ(gort_nonpreempt_begin("stops the world from stopping"), 0);
	atomic_store(&in_section, 1);
	call_until_asked(true);
	atomic_store(&section_over, 1);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	gort_waitgroup_done(arg);
}

static void check_stop_waits(void *arg)
{
	const struct gort_nonpreempt_site *s;
	struct gort_waitgroup wg = { 0 };
	struct gort_memstats ms;

	(void)arg;
	profile_start();
	atomic_store(&in_section, 0);
	atomic_store(&section_over, 0);
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(long_section, &wg), 0);
	while (!atomic_load(&in_section))
		gort_yield();
	gort_read_memstats(&ms);
	CHECK_EQ(atomic_load(&section_over), 1);
	gort_waitgroup_wait(&wg);
	profile_stop();
	s = need_site(GORT_NONPREEMPT_USER, NULL, "long_section");
	CHECK_LE(1, s->waits);
	CHECK_LE(s->wait_max_ns, s->max_ns);
}

static void test_stop_waits(void **state)
{
	(void)state;
	run(check_stop_waits, NULL);
}

static void in_a_section(void)
{
	gort_nonpreempt_begin("of the test");
}

static void blocks(void *arg)
{
	uint64_t v;

	(void)arg;
	chan = gort_chan_new(sizeof(v), 0);
	in_a_section();
	gort_chan_recv(chan, &v);
}

static void sleeps(void *arg)
{
	(void)arg;
	in_a_section();
	gort_sleep_ns(1);
}

static void yields(void *arg)
{
	(void)arg;
	in_a_section();
	gort_yield();
}

static void exits(void *arg)
{
	(void)arg;
	in_a_section();
	gort_exit();
}

static void returns(void *arg)
{
	(void)arg;
	in_a_section();
}

static void returns_elsewhere(void *arg)
{
	(void)arg;
	gort_go(returns, NULL);
	for (;;)
		gort_yield();
}

static void enters(void *arg)
{
	(void)arg;
	in_a_section();
	gort_syscall_enter();
}

static void nothing(void *arg)
{
	(void)arg;
}

static void calls_blocking(void *arg)
{
	(void)arg;
	in_a_section();
	gort_blocking(nothing, NULL);
}

static void test_fatal(void **state)
{
	static const struct {
		void (*fn)(void *);
		const char *what;
	} cases[] = {
		{ blocks, "blocks" },
		{ sleeps, "blocks" },
		{ yields, "yields" },
		{ exits, "ends" },
		{ returns, "ends" },
		{ returns_elsewhere, "ends" },
		{ enters, "enters a system call" },
		{ calls_blocking, "makes a blocking call" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		child_run(run_child, (void *)cases[i].fn);
		child_expect_exit(2);
		child_expect_text("fatal error: goroutine ");
		snprintf(text, sizeof(text),
			 "%s in a non-preemptible section: of the test",
			 cases[i].what);
		child_expect_text(text);
	}
}

/* --- more Ps while it runs --- */

static void sections(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		user_section("counted");
		if (i % 100 == 0)
			gort_yield();
	}
	gort_waitgroup_done(arg);
}

static void check_procs(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct gort_nonpreempt_stats st;
	int n = 2;

	(void)arg;
	profile_start();
	for (int round = 0; round < 6; round++) {
		u64 before = atomic_load(&mem_other);

		CHECK_LT(0, gort_gomaxprocs(n));
		/* Of more than ever before: each has a table of its own. */
		if (round == 1)
			CHECK_LT(6 << 20, atomic_load(&mem_other) - before);
		n = n * 5 % 13;		/* 2 10 11 3 2 10 */
		gort_waitgroup_add(&wg, 12);
		for (int i = 0; i < 12; i++)
			CHECK_EQ(gort_go(sections, &wg), 0);
		gort_waitgroup_wait(&wg);
	}
	profile_stop();
	CHECK_EQ(count_of("counted"), 6 * 12 * 1000);
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.other, 0);
}

static void test_procs(void **state)
{
	(void)state;
	run(check_procs, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_outside),
		cmocka_unit_test_setup(test_no_memory, one_p),
		cmocka_unit_test(test_errors),
		cmocka_unit_test_setup(test_durations, one_p),
		cmocka_unit_test_setup(test_histogram, one_p),
		cmocka_unit_test_setup(test_nesting, one_p),
		cmocka_unit_test_setup(test_out_of_order, one_p),
		cmocka_unit_test_setup(test_deep, one_p),
		cmocka_unit_test_setup(test_kinds, four_ps),
		cmocka_unit_test_setup(test_sum_of_all, one_p),
		cmocka_unit_test_setup(test_order, four_ps),
		cmocka_unit_test_setup(test_toggle, one_p),
		cmocka_unit_test(test_runs),
		cmocka_unit_test_setup(test_overflow, one_p),
		cmocka_unit_test_setup(test_open, one_p),
		cmocka_unit_test_setup(test_asked, one_p),
		cmocka_unit_test_setup(test_user, one_p),
		cmocka_unit_test_setup(test_stop_waits, four_ps),
		cmocka_unit_test_setup(test_procs, four_ps),
		cmocka_unit_test(test_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
