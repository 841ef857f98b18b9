// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_conf_stress.c - traces of programs that do everything at
 * once, and traces begun and ended while they do.
 */
#include "trace/conf.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "kernel/spin.h"

#define GO(x)	TRACEFILE_GO_##x

static void go(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_go(fn, arg), 0);
}

/* --- everything at once --- */

#define NBUSY	10

struct load {
	struct gort_chan *done, *timer_done;
	struct gort_waitgroup all;
	int pipe[2];
	int listener;
};

static void until_done(void *arg)
{
	struct load *l = arg;

	CHECK_EQ(gort_chan_recv(l->done, NULL), -EPIPE);
	gort_waitgroup_done(&l->all);
}

static void read_one(void *arg)
{
	struct load *l = arg;
	char byte;

	CHECK_EQ(gort_read(l->pipe[0], &byte, 1), 1);
	until_done(l);
}

static void yield_locked(void *arg)
{
	struct load *l = arg;

	gort_lock_os_thread();
	while (gort_chan_try_recv(l->done, NULL) == -EAGAIN)
		gort_yield();
	gort_waitgroup_done(&l->all);
}

static void be_busy(void *arg)
{
	struct churn ch = { 1, 2, 3 };

	churn(&ch, 2000);
	CHECK_NE(ch.x, 0);
	until_done(arg);
}

static void call_and_wait(void *arg)
{
	gort_syscall_enter();
	getppid();
	gort_syscall_exit();
	until_done(arg);
}

static void sleep_a_bit(void *arg)
{
	struct load *l = arg;

	gort_sleep_ns(100000);
	CHECK_EQ(gort_chan_send(l->timer_done, NULL), 0);
}

static void serve_one(void *arg)
{
	struct load *l = arg;
	int conn = gort_accept(l->listener, NULL, NULL, 0);

	CHECK_LE(0, conn);
	gort_sleep_ns(10000);
	CHECK_EQ(gort_write_all(conn, "x", 1), 1);
	CHECK_EQ(gort_close(conn), 0);
	gort_waitgroup_done(&l->all);
}

static void network(struct load *l)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	l->listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(bind(l->listener, (void *)&addr, len), 0);
	CHECK_EQ(listen(l->listener, 1), 0);
	CHECK_EQ(getsockname(l->listener, (void *)&addr, &len), 0);
	gort_waitgroup_add(&l->all, 1);
	go(serve_one, l);
	CHECK_EQ(gort_connect(fd, (void *)&addr, len), 0);
	CHECK_EQ(gort_read(fd, &byte, 1), 1);
	CHECK_EQ(gort_close(fd), 0);
	CHECK_EQ(gort_close(l->listener), 0);
}

/* Goroutines of load_begin(), and of load_go_on(). */
#define NBEGIN	2
#define NGO_ON	(NBUSY + 4)

static void load_begin(struct load *l)
{
	*l = (struct load){
		.done = gort_chan_new(0, 0),
		.timer_done = gort_chan_new(0, 0),
	};
	CHECK_EQ(pipe(l->pipe), 0);
	gort_waitgroup_add(&l->all, NBEGIN);
	go(until_done, l);
	go(read_one, l);
}

static void load_go_on(struct load *l)
{
	gort_waitgroup_add(&l->all, NBUSY + 2);
	go(yield_locked, l);
	for (int i = 0; i < NBUSY; i++)
		go(be_busy, l);
	go(call_and_wait, l);
	go(sleep_a_bit, l);
	CHECK_EQ(gort_chan_recv(l->timer_done, NULL), 0);
	network(l);
}

static void load_end(struct load *l)
{
	CHECK_EQ(gort_write_all(l->pipe[1], "x", 1), 1);
	CHECK_EQ(gort_chan_close(l->done), 0);
	gort_waitgroup_wait(&l->all);
	CHECK_EQ(gort_close(l->pipe[0]), 0);
	CHECK_EQ(gort_close(l->pipe[1]), 0);
	CHECK_EQ(gort_chan_free(l->done), 0);
	CHECK_EQ(gort_chan_free(l->timer_done), 0);
}

static void stress(struct conf *c)
{
	struct load l;

	load_begin(&l);
	conf_start(c);
	gort_gomaxprocs(10);
	load_go_on(&l);
	load_end(&l);
	gort_gomaxprocs(4);
	conf_until_left(1);
	conf_stop(c);
}

static void stress_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_LE(NGO_ON, f->go[GO(NOT_EXIST)][GO(RUNNABLE)]);
	CHECK_LE(NBEGIN + NGO_ON, f->go[GO(RUNNING)][GO(NOT_EXIST)]);
	CHECK_LE(2, f->kind[TRACEFILE_RANGE_BEGIN]);
}

static void test_stress(void **state)
{
	static const struct conf_prog p = {
		.name = "stress",
		.run = stress,
		.expect = stress_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- begun and ended by several at a time --- */

#define STARTERS	3
#define STARTS		4

static void starter(void *arg)
{
	struct { struct conf *c; struct gort_waitgroup *all; } *a = arg;

	for (int i = 0; i < STARTS; i++) {
		int err = conf_try_start(a->c);

		CHECK_EQ(err && err != -EBUSY, 0);
		if (i % 2)
			gort_yield();
		else
			gort_sleep_ns(50000);
		/* Somebody else may have been faster. */
		err = gort_trace_stop();
		CHECK_EQ(err && err != -EINVAL, 0);
	}
	gort_waitgroup_done(a->all);
}

static void start_stop(struct conf *c)
{
	struct gort_waitgroup all = { 0 };
	struct { struct conf *c; struct gort_waitgroup *all; } a = { c, &all };
	struct load l;

	gort_waitgroup_add(&all, STARTERS);
	for (int i = 0; i < STARTERS; i++)
		CHECK_EQ(gort_go_copy(starter, &a, sizeof(a)), 0);
	load_begin(&l);
	gort_gomaxprocs(3);
	load_go_on(&l);
	gort_gomaxprocs(8);
	load_end(&l);
	gort_waitgroup_wait(&all);
}

static void start_stop_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_LE(1, f->generations);
}

static void test_start_stop(void **state)
{
	static const struct conf_prog p = {
		.name = "start-stop",
		.run = start_stop,
		.expect = start_stop_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- one after the other --- */

static void many(struct conf *c)
{
	for (int i = 0; i < 10; i++) {
		conf_start(c);
		CHECK_EQ(gort_trace_start(c->fds[i], NULL), -EBUSY);
		if (i % 3 == 1)
			gort_yield();
		conf_stop(c);
		CHECK_EQ(gort_trace_stop(), -EINVAL);
	}
}

static void many_expect(struct conf *c, const struct conf_facts *f)
{
	(void)c;
	CHECK_EQ(f->kind[TRACEFILE_SYNC], f->generations + 1);
	CHECK_LE(1, f->go[GO(UNDETERMINED)][GO(RUNNING)]);
	CHECK_EQ(f->kind[TRACEFILE_RANGE_END], 1);
}

static void test_many(void **state)
{
	static const struct conf_prog p = {
		.name = "many",
		.run = many,
		.expect = many_expect,
	};

	(void)state;
	conf_run(&p);
}

/* --- stacks that grow and shrink --- */

#define GROWERS	8
#define DEPTH	1000		/* of DEPTH_BYTES at least */
#define DEPTH_BYTES 512

static __attribute__((noinline)) int deep(int n)
{
	volatile char room[DEPTH_BYTES];

	room[0] = (char)n;
	room[DEPTH_BYTES - 1] = n ? (char)deep(n - 1) : 0;
	return room[0] + room[DEPTH_BYTES - 1];
}

static void grower(void *arg)
{
	struct gort_waitgroup *all = arg;

	for (int i = 0; i < 3; i++) {
		deep(DEPTH / (i + 1));
		gort_trace_logf(0, "grown", "%d", i);
		gort_yield();
	}
	deep(DEPTH);
	gort_waitgroup_done(all);
}

static void grow(struct conf *c)
{
	struct gort_waitgroup all = { 0 };
	struct gort_trace_stats st;

	deep(DEPTH);
	conf_start(c);
	gort_waitgroup_add(&all, GROWERS);
	for (int i = 0; i < GROWERS; i++)
		go(grower, &all);
	for (int i = 0; i < 5; i++) {
		CHECK_LE(0, gort_stack_shrink());
		gort_sleep_ns(20000);
	}
	gort_waitgroup_wait(&all);
	conf_until_left(1);
	conf_stop(c);
	gort_trace_read_stats(&st);
	c->count[0] = (long)st.skipped;
}

#define SLOTS	(1 << 14)

static uint64_t slots[SLOTS];	/* of stacks that exist; open addressing */

static uint64_t *slot_find(uint64_t id)
{
	size_t i = (size_t)(id * 0x9e3779b97f4a7c15u >> 40) % SLOTS;
	size_t n = 0;

	while (slots[i] && slots[i] >> 1 != id) {
		i = (i + 1) % SLOTS;
		CHECK_LT(n++, SLOTS);
	}
	return &slots[i];
}

/* Nothing is allocated twice; bit 0: it exists now. */
static void grow_event(struct conf *c, const struct tracefile *tf,
		       const struct tracefile_event *ev,
		       const struct tracefile_details *d)
{
	uint64_t *slot;

	(void)tf;
	(void)d;
	if (!ev) {
		memset(slots, 0, sizeof(slots));
		return;
	}
	if (ev->kind != TRACEFILE_EXPERIMENTAL || c->count[0])
		return;
	slot = slot_find(ev->args[0]);
	CHECK_EQ(*slot & 1, ev->type == TF_GOROUTINE_STACK_FREE);
	*slot = ev->args[0] << 1 | (ev->type != TF_GOROUTINE_STACK_FREE);
}

static void grow_expect(struct conf *c, const struct conf_facts *f)
{
	bool wanted = strstr(getenv("GORTDEBUG"), "traceallocfree");

	CHECK_EQ(f->kind[TRACEFILE_LOG], 3 * GROWERS);
	CHECK_EQ(!!f->stack_exists, wanted);
	if (wanted && !c->count[0])
		CHECK_LE(GROWERS, f->stack_alloc);
	if (!wanted)
		CHECK_EQ(f->kind[TRACEFILE_EXPERIMENTAL], 0);
}

static void test_grow(void **state)
{
	static const struct conf_prog p = {
		.name = "grow",
		.run = grow,
		.event = grow_event,
		.expect = grow_expect,
	};

	(void)state;
	conf_run(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress),
		cmocka_unit_test(test_start_stop),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
