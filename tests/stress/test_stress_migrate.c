// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_migrate.c - goroutines that change threads ten
 * million times, and what belongs to them and what to the thread.
 */
#include "stress/stress.h"
#include "stress/signals.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "kernel/spin.h"

#define HOPS	10000000
#define NHOP	64
#define NMSG	16

static struct gort_waitgroup all;
static struct gort_chan *chans[NHOP + 1];
static _Atomic int messages;
static _Atomic long hops, moves, next_thread;
static __thread long thread_no;	/* from 1; 0: not looked at yet */

/* Read and written in one place each, without a stack check between. */
static __attribute__((noinline)) long this_thread(int *tid)
{
	static _Atomic int tids[4096];

	*tid = thread_id();
	if (!thread_no) {
		thread_no = 1 + atomic_fetch_add(&next_thread, 1);
		CHECK_LT(thread_no, 4096);
		atomic_store(&tids[thread_no], *tid);
	}
	CHECK_EQ(atomic_load(&tids[thread_no]), *tid);
	return thread_no;
}

static void message_ends(void)
{
	if (atomic_fetch_sub(&messages, 1) == 1)
		for (int i = 0; i < NHOP; i++)
			CHECK_EQ(gort_chan_close(chans[i]), 0);
}

static void hopper(void *arg)
{
	struct gort_chan **ring = arg;
	uint64_t id = gort_goid();
	long last = 0, mine = 0;
	int tid, n = 0;

	for (;;) {
		errno = (int)id;
		if (gort_chan_recv(ring[0], &n))
			break;
		CHECK_EQ(errno, (int)id);
		CHECK_EQ(gort_goid(), id);
		if (this_thread(&tid) != last) {
			last = thread_no;
			mine++;
		}
		atomic_fetch_add_explicit(&hops, 1, memory_order_relaxed);
		if (!--n) {
			message_ends();
			continue;
		}
		if (n % 8 == 0)
			gort_yield();
		errno = (int)id + 1;
		CHECK_EQ(gort_chan_send(ring[1], &n), 0);
		CHECK_EQ(errno, (int)id + 1);
	}
	atomic_fetch_add_explicit(&moves, mine, memory_order_relaxed);
	gort_waitgroup_done(&all);
}

/* NMSG messages go round a ring of goroutines, a given number of hops each. */
static void hop(void *arg)
{
	int n = (int)*(long *)arg;

	for (int i = 0; i < NHOP; i++)
		chans[i] = gort_chan_new(sizeof(int), NHOP);
	chans[NHOP] = chans[0];
	gort_waitgroup_add(&all, NHOP);
	for (int i = 0; i < NHOP; i++)
		CHECK_EQ(gort_go(hopper, &chans[i]), 0);
	atomic_store(&messages, NMSG);
	for (int i = 0; i < NMSG; i++)
		CHECK_EQ(gort_chan_send(chans[i * (NHOP / NMSG)], &n), 0);
	gort_waitgroup_wait(&all);
	for (int i = 0; i < NHOP; i++)
		CHECK_EQ(gort_chan_free(chans[i]), 0);
}

int main(void)
{
	long each = stress_count(HOPS) / NMSG + 1;

	signals_start();
	setenv("GORTMAXPROCS", "4", 1);
	stress_run("hops", hop, &each);
	signals_stop();
	printf("# %ld hops, %ld of them to another thread, %ld threads\n",
	       atomic_load(&hops), atomic_load(&moves),
	       atomic_load(&next_thread));
	CHECK_EQ(atomic_load(&hops), each * NMSG);
	return stress_done("stress_migrate");
}
