// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_nonpreempt.c - the profiler of non-preemptible
 * sections under load: goroutines that pass messages, grow their stacks, are
 * stopped by signals, come and go, on a changing number of Ps.
 *
 * First it is turned on and off, reset and read all the time, and whatever is
 * read must make sense; then it stays on, and what the program did is counted
 * exactly.
 */
#include "stress/stress.h"

#include <stdatomic.h>

#include "kernel/spin.h"

#define WORKERS		16
#define TOGGLES		2000
#define SECTIONS	400000
#define NPROCS		6
#define SITES		400

static _Atomic int done;
static _Atomic long sent, passed;
static struct gort_chan *chan;
static struct gort_waitgroup senders, receivers;
static struct gort_nonpreempt_site sites[SITES];

static __attribute__((noinline)) int use_stack(int depth)
{
	volatile char frame[300];

	frame[0] = (char)depth;
	return depth ? use_stack(depth - 1) + frame[0] : 0;
}

static void sections(const char *outer, const char *inner, int depth)
{
	CHECK_EQ(gort_nonpreempt_begin(outer), 0);
	CHECK_EQ(gort_nonpreempt_begin(inner), 0);
	use_stack(depth);
	CHECK_EQ(gort_nonpreempt_end(), 0);
	CHECK_EQ(gort_nonpreempt_end(), 0);
}

static void sender(void *arg)
{
	uint64_t v = 0;

	(void)arg;
	while (!peek(&done)) {
		CHECK_EQ(gort_chan_send(chan, &v), 0);
		atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
		sections("load", "load inside", (int)(v++ % 40));
	}
	gort_waitgroup_done(&senders);
}

static void receiver(void *arg)
{
	uint64_t v;

	(void)arg;
	while (!gort_chan_recv(chan, &v))
		atomic_fetch_add_explicit(&passed, 1, memory_order_relaxed);
	gort_waitgroup_done(&receivers);
}

/* Only a signal stops it. */
static void computer(void *arg)
{
	(void)arg;
	while (!peek(&done))
		spin_times(1000000);
	gort_waitgroup_done(&senders);
}

static void child(void *arg)
{
	use_stack(100);
	gort_waitgroup_done(arg);
}

static void parent(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	while (!peek(&done)) {
		gort_waitgroup_add(&wg, 5);
		for (int i = 0; i < 5; i++)
			CHECK_EQ(gort_go(child, &wg), 0);
		gort_waitgroup_wait(&wg);
	}
	gort_waitgroup_done(&senders);
}

static void load_begin(void)
{
	static void (*const fns[])(void *) = {
		sender, sender, parent, computer,
	};
	int n = (int)(sizeof(fns) / sizeof(fns[0]));

	/* Where each call yields it would get a slice for each. */
	if (mode_gortdebug("maymorestack=preempt"))
		n--;

	atomic_store(&done, 0);
	chan = gort_chan_new(sizeof(uint64_t), 4);
	gort_waitgroup_add(&senders, n);
	gort_waitgroup_add(&receivers, 2);
	for (int i = 0; i < n; i++)
		CHECK_EQ(gort_go(fns[i], NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(gort_go(receiver, NULL), 0);
}

static void load_end(void)
{
	atomic_store(&done, 1);
	gort_waitgroup_wait(&senders);
	gort_chan_close(chan);
	gort_waitgroup_wait(&receivers);
	gort_chan_free(chan);
	CHECK_EQ(atomic_load(&passed), atomic_load(&sent));
}

static void check_site(const struct gort_nonpreempt_site *s)
{
	uint64_t n = 0;

	CHECK_LT(s->kind, GORT_NONPREEMPT_KINDS);
	CHECK_LT(0, s->count);
	for (unsigned int i = 0; i < GORT_NONPREEMPT_BUCKETS; i++)
		n += s->buckets[i];
	CHECK_EQ(n, s->count);
	CHECK_LE(s->nstart, GORT_NONPREEMPT_FRAMES);
	CHECK_LE(s->nend, GORT_NONPREEMPT_FRAMES);
	CHECK_LE(s->waits, s->count);
	if (s->outermost) {
		CHECK_LE(s->max_ns, s->gross_ns);
		CHECK_LE(s->wait_max_ns, s->max_ns);
	} else {
		CHECK_EQ(s->gross_ns, 0);
		CHECK_LE(s->max_ns, s->net_ns);
	}
}

static void read_all(void)
{
	ssize_t n = gort_nonpreempt_read(sites, SITES);

	CHECK_LE(0, n);
	for (ssize_t i = 0; i < n && i < SITES; i++)
		check_site(&sites[i]);
}

static void toggle(void *arg)
{
	long n = *(long *)arg;

	load_begin();
	for (long i = 0; i < n; i++) {
		CHECK_EQ(gort_nonpreempt_start(NULL), 0);
		if (i % 10 == 0)
			gort_gomaxprocs((int)(i / 10) % NPROCS + 1);
		gort_yield();
		if (i % 3 == 0)
			CHECK_EQ(gort_nonpreempt_reset(), 0);
		if (i % 50 == 0)
			gort_sleep_ns(1000000);
		if (i % 20 == 0)
			read_all();
		CHECK_EQ(gort_nonpreempt_stop(), 0);
		if (i % 7 == 0)
			read_all();
	}
	load_end();
}

struct work {
	struct gort_waitgroup *wg;
	long n;
};

static void worker(void *arg)
{
	struct work *w = arg;

	for (long i = 0; i < w->n; i++) {
		sections("counted", "counted inside", (int)(i % 20));
		if (i % 64 == 0)
			gort_yield();
	}
	gort_waitgroup_done(w->wg);
}

static uint64_t count_of(const char *name, bool outermost)
{
	ssize_t n = gort_nonpreempt_read(sites, SITES);
	uint64_t count = 0;

	CHECK_LE(0, n);
	CHECK_LE(n, SITES);
	for (ssize_t i = 0; i < n; i++) {
		check_site(&sites[i]);
		if (sites[i].kind == GORT_NONPREEMPT_USER &&
		    sites[i].outermost == outermost &&
		    !strcmp(sites[i].what, name))
			count += sites[i].count;
	}
	return count;
}

static void count(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct work w = { &wg, *(long *)arg / WORKERS + 1 };
	struct gort_nonpreempt_stats st;

	CHECK_EQ(gort_nonpreempt_start(NULL), 0);
	load_begin();
	gort_waitgroup_add(&wg, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		CHECK_EQ(gort_go(worker, &w), 0);
	for (int i = 0; i < 50; i++) {
		gort_gomaxprocs(i % NPROCS + 1);
		read_all();
		gort_yield();
	}
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_nonpreempt_stop(), 0);
	load_end();
	CHECK_EQ(count_of("counted", true), WORKERS * w.n);
	CHECK_EQ(count_of("counted inside", false), WORKERS * w.n);
	CHECK_EQ(count_of("counted", false), 0);
	gort_nonpreempt_read_stats(&st);
	CHECK_EQ(st.other, 0);
	CHECK_LT(2 * WORKERS * w.n, st.sections);
	printf("# %llu sections, %llu lost\n",
	       (unsigned long long)st.sections, (unsigned long long)st.lost);
}

int main(void)
{
	long toggles = stress_long_count(TOGGLES);
	long n = stress_count(SECTIONS);

	setenv("GORTMAXPROCS", "4", 1);
	stress_run("toggle", toggle, &toggles);
	stress_run("count", count, &n);
	return stress_done("nonpreempt");
}
