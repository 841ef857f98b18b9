// SPDX-License-Identifier: ISC
/*
 * tests/stress/test_stress_tree.c - random trees of goroutines that spawn,
 * park, grow their stacks, yield and exit.
 *
 * A node with a budget of n spawns children with budgets that add up to
 * n - 1, does something, and waits for its children.  So a tree of budget n
 * has n nodes, whatever its shape.
 */
#include "stress/stress.h"

#include <stdatomic.h>

#define CHILDREN_MAX	5

struct node {
	struct gort_waitgroup *parent;
	uint64_t seed;
	long budget;
};

static _Atomic long nodes, sum;
static int depth_max;

static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	/* splitmix64, G. Steele and others, 2014 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Frames of several sizes; all of them must be there on the way back. */
static __attribute__((noinline)) long grow(int depth, uint64_t seed)
{
	volatile uint64_t pad[32];
	long n = 1;

	pad[0] = pad[31] = seed;
	if (depth % 64 == 63 && seed % 16 == 0)
		gort_yield();
	if (depth)
		n += grow(depth - 1, seed + 1);
	CHECK_EQ(pad[0], seed);
	CHECK_EQ(pad[31], seed);
	return n;
}

static void send_one(void *arg)
{
	long v = 1;

	CHECK_EQ(gort_chan_send(arg, &v), 0);
}

static void park_for_another(void)
{
	struct gort_chan *c = gort_chan_new(sizeof(long), 0);
	long v = 0;

	CHECK_NE((uintptr_t)c, 0);
	CHECK_EQ(gort_go(send_one, c), 0);
	CHECK_EQ(gort_chan_recv(c, &v), 0);
	CHECK_EQ(v, 1);
	CHECK_EQ(gort_chan_free(c), 0);
}

static void do_something(uint64_t *seed)
{
	int depth;

	switch (next_random(seed) % 8) {
	case 0:
		gort_yield();
		break;
	case 1:
		park_for_another();
		break;
	case 2:
		depth = (int)(next_random(seed) % (uint64_t)depth_max);
		CHECK_EQ(grow(depth, *seed), depth + 1);
		break;
	default:
		break;
	}
}

static void (*volatile exit_fn)(void) = gort_exit;

static __attribute__((noinline)) void exit_from_below(int depth)
{
	volatile int here = depth;

	if (depth)
		exit_from_below(depth - 1);
	else
		exit_fn();
	here++;
}

static void node(void *arg)
{
	struct node *self = arg;
	struct gort_waitgroup children = { 0 }, *parent = self->parent;
	long left = self->budget - 1;
	uint64_t seed = self->seed;

	atomic_fetch_add_explicit(&nodes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&sum, (long)(seed % 1000),
				  memory_order_relaxed);
	for (int i = 1; left; i++) {
		struct node child = { .parent = &children };

		child.budget = i == CHILDREN_MAX ? left :
			1 + (long)(next_random(&seed) % (uint64_t)left);
		child.seed = next_random(&seed);
		left -= child.budget;
		gort_waitgroup_add(&children, 1);
		CHECK_EQ(gort_go_copy(node, &child, sizeof(child)), 0);
	}
	do_something(&seed);
	gort_waitgroup_wait(&children);
	do_something(&seed);
	gort_waitgroup_done(parent);
	if (seed % 4 == 0)
		exit_from_below((int)(seed >> 8) & 15);
}

static void tree(void *arg)
{
	struct gort_waitgroup wg = { 0 };
	struct node root = *(struct node *)arg;

	root.parent = &wg;
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go_copy(node, &root, sizeof(root)), 0);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(atomic_load(&nodes), root.budget);
}

/* The sum over the nodes depends on the seeds only, not on the schedule. */
static long run_tree(uint64_t seed, long budget)
{
	struct node root = { .seed = seed, .budget = budget };

	atomic_store(&nodes, 0);
	atomic_store(&sum, 0);
	stress_run("tree", tree, &root);
	return atomic_load(&sum);
}

int main(void)
{
	long n = stress_live(60000), want;

	depth_max = mode_gortdebug("maymorestack=move") ? 30 :
		    mode_sanitized() ? 300 : 1000;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		want = run_tree(seed, n);
		CHECK_EQ(run_tree(seed, n), want);
	}
	return stress_done("trees");
}
