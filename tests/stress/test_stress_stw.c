// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_stw.c - the world stopped a hundred thousand
 * times, with another GORTMAXPROCS each time.
 *
 * Under load: goroutines that compute without calls, that pass messages,
 * that are locked to their threads, that are in system calls, that come and
 * go.  What they do is counted exactly.
 */
#include "stress/stress.h"
#include "stress/signals.h"

#include <stdatomic.h>

#include "kernel/spin.h"

#define STOPS	100000
#define NSTOP	3
#define NPROCS	8

static _Atomic int done;
static _Atomic long sent, received, spun, called, born, died;
static struct gort_waitgroup stoppers, all;
static struct gort_chan *chan;

static long add(_Atomic long *v)
{
	return atomic_fetch_add_explicit(v, 1, memory_order_relaxed);
}

static void stopper(void *arg)
{
	long n = *(long *)arg / NSTOP + 1;
	unsigned int seed = (unsigned int)gort_goid();

	for (; n; n--) {
		int now = gort_gomaxprocs(0);
		int step = (int)(rand_r(&seed) % (NPROCS - 1));
		/* Never what it is: that would stop nothing. */
		int old = gort_gomaxprocs(1 + (now + step) % NPROCS);

		CHECK_LE(1, old);
		CHECK_LE(old, NPROCS);
	}
	gort_waitgroup_done(&stoppers);
}

static void spinner(void *arg)
{
	struct churn c, first = { .x = 1 };

	(void)arg;
	churn(&first, 20000);
	while (!peek(&done)) {
		c = (struct churn){ .x = 1 };
		churn(&c, 20000);
		CHECK_EQ(c.x, first.x);
		add(&spun);
	}
	gort_waitgroup_done(&all);
}

static void sender(void *arg)
{
	bool locked = arg;

	if (locked)
		gort_lock_os_thread();
	while (!peek(&done)) {
		CHECK_EQ(gort_chan_send(chan, NULL), 0);
		add(&sent);
	}
	gort_waitgroup_done(&all);
}

static void receiver(void *arg)
{
	bool locked = arg;
	int tid = 0;

	if (locked) {
		gort_lock_os_thread();
		tid = thread_id();
	}
	while (!gort_chan_recv(chan, NULL)) {
		add(&received);
		if (locked)
			CHECK_EQ(thread_id(), tid);
	}
}

static void caller(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		struct timespec ts = { .tv_nsec = 30000 };

		gort_syscall_enter();
		if (add(&called) % 4 == 0)
			nanosleep(&ts, NULL);
		gort_syscall_exit();
	}
	gort_waitgroup_done(&all);
}

static void leaf(void *arg)
{
	(void)arg;
	add(&died);
}

static void parent(void *arg)
{
	(void)arg;
	while (!peek(&done)) {
		for (int i = 0; i < 10; i++) {
			CHECK_EQ(gort_go(leaf, NULL), 0);
			add(&born);
		}
		gort_yield();
	}
	gort_waitgroup_done(&all);
}

static void load(void)
{
	static void (*const fns[])(void *) = {
		spinner, sender, caller, caller, parent
	};

	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(fns[i], NULL), 0);
	}
	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(sender, &all), 0);
	CHECK_EQ(gort_go(receiver, NULL), 0);
	CHECK_EQ(gort_go(receiver, &all), 0);
}

static void stop(void *arg)
{
	chan = gort_chan_new(0, 3);
	gort_waitgroup_add(&stoppers, NSTOP);
	load();
	for (int i = 0; i < NSTOP; i++)
		CHECK_EQ(gort_go(stopper, arg), 0);
	gort_waitgroup_wait(&stoppers);
	atomic_store(&done, 1);
	gort_waitgroup_wait(&all);
	CHECK_EQ(gort_chan_close(chan), 0);
	/* Until the receivers have all and the leaves have died. */
	while (atomic_load(&received) != atomic_load(&sent) ||
	       atomic_load(&died) != atomic_load(&born))
		gort_yield();
}

int main(void)
{
	long n = stress_long_count(STOPS);
	struct gort_pause pause = { 0 };

	signals_start();
	stress_run("stopped", stop, &n);
	signals_stop();
	for (unsigned int i = 0;
	     !pause.reason || strcmp(pause.reason, "GOMAXPROCS"); i++)
		CHECK_EQ(gort_read_pause(i, &pause), 0);
	printf("# %s: %llu stops of %.1f us, at most %.1f; sent %ld, spun %ld, calls %ld, born %ld\n",
	       pause.reason, (unsigned long long)pause.count,
	       (double)pause.stop_ns / 1e3 / (double)pause.count,
	       (double)pause.stop_max_ns / 1e3, atomic_load(&sent),
	       atomic_load(&spun), atomic_load(&called), atomic_load(&born));
	CHECK_EQ(atomic_load(&received), atomic_load(&sent));
	CHECK_EQ(atomic_load(&died), atomic_load(&born));
	return stress_done("stress_stw");
}
