// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_sync.c - mutexes, read-write locks, conditions,
 * semaphores and onces, by the public calls.
 *
 * What is not public: whether a goroutine sleeps, and on what.  Tests wait
 * for that before they go on, so that nothing depends on time or on the
 * number of Ps.
 */
#include <gort/gort.h>

#include <stdatomic.h>
#include <time.h>

#include "kernel/sema.h"
#include "tests/child.h"
#include "tests/kernel/check.h"

#define MANY	20

static void run(void (*fn)(void *), void *arg)
{
	assert_int_equal(gort_run(fn, arg), 0);
}

static void run_procs(const char *n, void (*fn)(void *), void *arg)
{
	const char *old = getenv("GORTMAXPROCS");
	char saved[16] = "";

	if (old)
		snprintf(saved, sizeof(saved), "%s", old);
	setenv("GORTMAXPROCS", n, 1);
	run(fn, arg);
	if (old)
		setenv("GORTMAXPROCS", saved, 1);
	else
		unsetenv("GORTMAXPROCS");
}

static void run_it(void *arg)
{
	gort_run(arg, NULL);
}

static void expect_fatal(void (*fn)(void *), const char *text)
{
	child_run(run_it, fn);
	child_expect_text(text);
	child_expect_exit(2);
}

/* --- goroutines that say who they are --- */

struct guest {
	void (*fn)(struct guest *);
	void *obj;
	u64 n;
	_Atomic(struct g *) g;
	atomic_int order;	/* 1 for the first to come through; 0: not yet */
};

static atomic_int come;		/* how many came through */

static void guest_run(void *arg)
{
	struct guest *gu = arg;

	atomic_store(&gu->g, getg());
	gu->fn(gu);
}

/* From here on gu may be used anew. */
static void came(struct guest *gu)
{
	atomic_store(&gu->order, atomic_fetch_add(&come, 1) + 1);
}

/* A look from outside: it may be woken meanwhile. */
static __no_tsan __attribute__((noinline))
bool sleeps(struct guest *gu, enum wait_reason why)
{
	struct g *gp = atomic_load(&gu->g);

	return gp && g_status(gp) == G_WAITING && gp->wait_reason == why;
}

static void start(struct guest *gu, void (*fn)(struct guest *), void *obj)
{
	gu->fn = fn;
	gu->obj = obj;
	atomic_store(&gu->g, NULL);
	atomic_store(&gu->order, 0);
	CHECK_EQ(gort_go(guest_run, gu), 0);
}

static void wait_asleep(struct guest *gu, enum wait_reason why)
{
	while (!sleeps(gu, why))
		gort_yield();
}

static void start_asleep(struct guest *gu, void (*fn)(struct guest *),
			 void *obj, enum wait_reason why)
{
	start(gu, fn, obj);
	wait_asleep(gu, why);
}

static int wait_order(struct guest *gu)
{
	while (!atomic_load(&gu->order))
		gort_yield();
	return atomic_load(&gu->order);
}

/* Time for others to do what they should not. */
static void yield_some(void)
{
	for (int i = 0; i < 50; i++)
		gort_yield();
}

static void burn_ms(int ms)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec -
	       from.tv_nsec < ms * 1000000L);
}

/* --- outside a goroutine --- */

static struct gort_mutex out_m;
static struct gort_rwmutex out_rw;
static struct gort_cond out_c;
static struct gort_sem out_s;
static struct gort_once out_o;

static void nothing(void *arg)
{
	(void)arg;
}

static void out_mutex_lock(void *arg)
{
	(void)arg;
	gort_mutex_lock(&out_m);
}

static void out_mutex_unlock(void *arg)
{
	(void)arg;
	gort_mutex_unlock(&out_m);
}

static void out_rlock(void *arg)
{
	(void)arg;
	gort_rwmutex_rlock(&out_rw);
}

static void out_runlock(void *arg)
{
	(void)arg;
	gort_rwmutex_runlock(&out_rw);
}

static void out_lock(void *arg)
{
	(void)arg;
	gort_rwmutex_lock(&out_rw);
}

static void out_unlock(void *arg)
{
	(void)arg;
	gort_rwmutex_unlock(&out_rw);
}

static void out_cond_wait(void *arg)
{
	(void)arg;
	gort_cond_wait(&out_c, &out_m);
}

static void out_signal(void *arg)
{
	(void)arg;
	gort_cond_signal(&out_c);
}

static void out_broadcast(void *arg)
{
	(void)arg;
	gort_cond_broadcast(&out_c);
}

static void out_acquire(void *arg)
{
	(void)arg;
	gort_sem_acquire(&out_s, 1);
}

static void out_release(void *arg)
{
	(void)arg;
	gort_sem_release(&out_s, 1);
}

static void out_once(void *arg)
{
	gort_once(&out_o, nothing, arg);
}

static void locked_unlock_outside(void *arg)
{
	(void)arg;
	gort_mutex_lock(&out_m);
	gort_systemstack_call(out_mutex_unlock, NULL);
}

static const struct outside {
	void (*fn)(void *);
	const char *name;
} outside[] = {
	{ out_mutex_lock, "gort_mutex_lock" },
	{ out_mutex_unlock, "gort_mutex_unlock" },
	{ out_rlock, "gort_rwmutex_rlock" },
	{ out_runlock, "gort_rwmutex_runlock" },
	{ out_lock, "gort_rwmutex_lock" },
	{ out_unlock, "gort_rwmutex_unlock" },
	{ out_cond_wait, "gort_cond_wait" },
	{ out_signal, "gort_cond_signal" },
	{ out_broadcast, "gort_cond_broadcast" },
	{ out_acquire, "gort_sem_acquire" },
	{ out_release, "gort_sem_release" },
	{ out_once, "gort_once" },
};

static void (*on_systemstack)(void *);

static void run_on_systemstack(void *arg)
{
	gort_systemstack_call(on_systemstack, arg);
}

static void test_outside(void **state)
{
	char text[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		snprintf(text, sizeof(text),
			 "fatal error: %s called outside a goroutine",
			 outside[i].name);
		child_run(outside[i].fn, NULL);
		child_expect_text(text);
		child_expect_exit(2);
		on_systemstack = outside[i].fn;
		expect_fatal(run_on_systemstack, text);
	}
	expect_fatal(locked_unlock_outside,
		     "gort_mutex_unlock called outside a goroutine");
}

static void try_all(void *arg)
{
	int *errs = arg;

	errs[0] = gort_mutex_try_lock(&out_m);
	errs[1] = gort_rwmutex_try_rlock(&out_rw);
	errs[2] = gort_rwmutex_try_lock(&out_rw);
	errs[3] = gort_sem_try_acquire(&out_s, 0);
}

static void check_try_outside(void *arg)
{
	int errs[4] = { 0 };

	(void)arg;
	CHECK_EQ(gort_systemstack_call(try_all, errs), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(errs[i], -EPERM);
	try_all(errs);
	CHECK_EQ(errs[0], 0);
	CHECK_EQ(errs[1], 0);
	CHECK_EQ(errs[2], -EBUSY);
	CHECK_EQ(errs[3], 0);
	gort_mutex_unlock(&out_m);
	gort_rwmutex_runlock(&out_rw);
}

static void test_try_outside(void **state)
{
	int errs[4] = { 0 };

	(void)state;
	try_all(errs);
	for (int i = 0; i < 4; i++)
		assert_int_equal(errs[i], -EPERM);
	run(check_try_outside, NULL);
}

/* --- mutex --- */

static u32 mutex_word(const struct gort_mutex *m)
{
	return atomic_load((const _Atomic u32 *)m);
}

static void lock_unlock(struct guest *gu)
{
	struct gort_mutex *m = gu->obj;

	gort_mutex_lock(m);
	came(gu);
	gort_mutex_unlock(m);
}

static void check_mutex_alone(void *arg)
{
	struct gort_mutex m = { 0 };

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		gort_mutex_lock(&m);
		CHECK_EQ(gort_mutex_try_lock(&m), -EBUSY);
		gort_mutex_unlock(&m);
		CHECK_EQ(gort_mutex_try_lock(&m), 0);
		CHECK_EQ(gort_mutex_try_lock(&m), -EBUSY);
		gort_mutex_unlock(&m);
	}
	CHECK_EQ(mutex_word(&m), 0);
}

static void test_mutex_alone(void **state)
{
	(void)state;
	run(check_mutex_alone, NULL);
}

static void unlock_unlocked(void *arg)
{
	struct gort_mutex m = { 0 };

	(void)arg;
	gort_mutex_unlock(&m);
}

static void unlock_twice(void *arg)
{
	struct gort_mutex m = { 0 };

	(void)arg;
	gort_mutex_lock(&m);
	gort_mutex_unlock(&m);
	gort_mutex_unlock(&m);
}

/* After somebody had to wait. */
static void unlock_twice_heavy(void *arg)
{
	struct gort_mutex m = { 0 };
	struct guest gu;

	(void)arg;
	gort_mutex_lock(&m);
	start_asleep(&gu, lock_unlock, &m, WAIT_MUTEX);
	gort_mutex_unlock(&m);
	wait_order(&gu);
	yield_some();
	gort_mutex_lock(&m);
	gort_mutex_unlock(&m);
	gort_mutex_unlock(&m);
}

static void wait_unlocked(void *arg)
{
	struct gort_mutex m = { 0 };
	struct gort_cond c = { 0 };

	(void)arg;
	gort_cond_wait(&c, &m);
}

static void test_mutex_unlock_unlocked(void **state)
{
	static void (*const fns[])(void *) = {
		unlock_unlocked, unlock_twice, unlock_twice_heavy,
		wait_unlocked,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		expect_fatal(fns[i],
			     "fatal error: gort_mutex_unlock of a mutex that is not locked");
}

/* Another goroutine may unlock it. */
static void only_unlock(struct guest *gu)
{
	gort_mutex_unlock(gu->obj);
	came(gu);
}

/* It waits, gets it, and after many unlocks nothing is left of that. */
static void check_mutex_waits(void *arg)
{
	struct gort_mutex m = { 0 };
	struct guest gu, other;

	(void)arg;
	atomic_store(&come, 0);
	gort_mutex_lock(&m);
	start_asleep(&gu, lock_unlock, &m, WAIT_MUTEX);
	yield_some();
	CHECK_EQ(atomic_load(&gu.order), 0);
	start(&other, only_unlock, &m);
	CHECK_LT(0, wait_order(&gu));
	CHECK_LT(0, wait_order(&other));
	CHECK_NE(mutex_word(&m), 0);
	for (int i = 0; i < 300; i++) {
		gort_mutex_lock(&m);
		CHECK_EQ(gort_mutex_try_lock(&m), -EBUSY);
		gort_mutex_unlock(&m);
	}
	CHECK_EQ(mutex_word(&m), 0);
}

static void test_mutex_waits(void **state)
{
	(void)state;
	run(check_mutex_waits, NULL);
	run_procs("1", check_mutex_waits, NULL);
	assert_string_equal(wait_reason_name(WAIT_MUTEX), "mutex lock");
}

/*
 * Who holds the mutex nearly always does not keep one that waits for more
 * than a millisecond from it.  With one P the waiter runs only while the hog
 * has it locked.
 */
static void check_hog(void *arg)
{
	struct gort_mutex m = { 0 };
	struct guest gu;
	int i;

	(void)arg;
	atomic_store(&come, 0);
	gort_mutex_lock(&m);
	start_asleep(&gu, lock_unlock, &m, WAIT_MUTEX);
	for (i = 0; !atomic_load(&gu.order); i++) {
		CHECK_LT(i, 20);
		burn_ms(2);
		gort_mutex_unlock(&m);
		gort_mutex_lock(&m);
		/* Once more asleep, if it has not got it. */
		while (!atomic_load(&gu.order) && !sleeps(&gu, WAIT_MUTEX))
			gort_yield();
	}
	gort_mutex_unlock(&m);
	if (!mode_gortdebug("maymorestack=preempt"))
		CHECK_EQ(i, 2);
}

static void test_mutex_hog(void **state)
{
	(void)state;
	run_procs("1", check_hog, NULL);
}

/* Where every check yields nobody is faster than who was just woken. */
static bool may_starve(void)
{
	return !mode_gortdebug("maymorestack=preempt");
}

/*
 * Make it starve: the first that waits is woken, and finds it locked again.
 * Another P may be faster; then all wait once more.
 */
static void starve(struct gort_mutex *m, struct guest *first)
{
	do {
		gort_mutex_lock(m);
		start_asleep(first, lock_unlock, m, WAIT_MUTEX);
		burn_ms(2);
		gort_mutex_unlock(m);
		if (!gort_mutex_try_lock(m)) {
			while (!atomic_load(&first->order) &&
			       !sleeps(first, WAIT_MUTEX))
				gort_yield();
			if (!atomic_load(&first->order))
				return;
			gort_mutex_unlock(m);
		}
		wait_order(first);
	} while (true);
}

static void check_fifo(void *arg)
{
	struct gort_mutex m = { 0 };
	struct guest gu[MANY];

	(void)arg;
	starve(&m, &gu[0]);
	for (int i = 1; i < MANY; i++)
		start_asleep(&gu[i], lock_unlock, &m, WAIT_MUTEX);
	burn_ms(2);
	atomic_store(&come, 0);
	gort_mutex_unlock(&m);
	/* All but the last waited too long: this one comes after them. */
	gort_mutex_lock(&m);
	CHECK_LE(MANY - 1, atomic_load(&come));
	gort_mutex_unlock(&m);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(wait_order(&gu[i]), i + 1);
}

static void test_mutex_fifo(void **state)
{
	(void)state;
	if (!may_starve())
		skip();
	run_procs("1", check_fifo, NULL);
	run(check_fifo, NULL);
}

/* Woken, too late, asleep again, woken again; not long enough to starve. */
static void check_late(void *arg)
{
	struct gort_mutex m = { 0 };
	struct guest gu;

	(void)arg;
	gort_mutex_lock(&m);
	start_asleep(&gu, lock_unlock, &m, WAIT_MUTEX);
	gort_mutex_unlock(&m);
	gort_mutex_lock(&m);
	while (!atomic_load(&gu.order) && !sleeps(&gu, WAIT_MUTEX))
		gort_yield();
	gort_mutex_unlock(&m);
	wait_order(&gu);
}

static void test_mutex_late(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		run_procs("1", check_late, NULL);
}

static u32 count_pending(void)
{
	u32 n = 0;

	for (u32 i = 0; i < SEMA_BUCKETS; i++)
		n += atomic_load(&mutex_npending[i]);
	return n;
}

/* Many mutexes of light holders that are waited for, at the same time. */
static void check_many_mutexes(void *arg)
{
	int n = *(int *)arg;
	struct gort_mutex *m = calloc((size_t)n, sizeof(*m));
	struct guest *gu = calloc((size_t)n, sizeof(*gu));

	atomic_store(&come, 0);
	for (int i = 0; i < n; i++) {
		gort_mutex_lock(&m[i]);
		start(&gu[i], lock_unlock, &m[i]);
	}
	for (int i = 0; i < n; i++)
		wait_asleep(&gu[i], WAIT_MUTEX);
	CHECK_EQ(atomic_load(&come), 0);
	CHECK_EQ(count_pending(), n);
	/* In another order than they came in; 7919 is prime. */
	for (int i = 0; i < n; i++) {
		int k = (int)((long)i * 7919 % n);

		gort_mutex_unlock(&m[k]);
		wait_order(&gu[k]);
		CHECK_EQ(atomic_load(&come), i + 1);
		CHECK_EQ(i % 100 ? n - i - 1 : (int)count_pending(), n - i - 1);
	}
	/* The last ones have come, but not yet unlocked. */
	while (gort_numgoroutine() > 1)
		gort_yield();
	free(gu);
	free(m);
}

static void test_many_mutexes(void **state)
{
	int n = mode_times(50000);

	(void)state;
	if (n > 6000 && mode_sanitized())
		n = 6000;
	run(check_many_mutexes, &n);
	run(check_many_mutexes, &n);
}

/* Who gets it last frees it. */
struct owned {
	struct gort_mutex m;
	int users;
};

static struct gort_waitgroup all;

static void use_and_free(void *arg)
{
	struct owned *o = arg;
	int left;

	gort_mutex_lock(&o->m);
	left = --o->users;
	gort_mutex_unlock(&o->m);
	if (!left) {
		memset(o, 0xff, sizeof(*o));
		free(o);
	}
	gort_waitgroup_done(&all);
}

static void check_mutex_freed(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct owned *o = calloc(1, sizeof(*o));
		int users = 2 + i % 3;

		o->users = users;
		gort_waitgroup_add(&all, users);
		for (int k = 0; k < users; k++)
			CHECK_EQ(gort_go(use_and_free, o), 0);
		if (i % 8 == 0)
			gort_waitgroup_wait(&all);
	}
	gort_waitgroup_wait(&all);
}

static void test_mutex_freed(void **state)
{
	int n = mode_times(100000);

	(void)state;
	run_procs("2", check_mutex_freed, &n);
	run_procs("4", check_mutex_freed, &n);
}

/* --- rwmutex --- */

static void read_unlock(struct guest *gu)
{
	struct gort_rwmutex *rw = gu->obj;

	gort_rwmutex_rlock(rw);
	came(gu);
	gort_rwmutex_runlock(rw);
}

static void write_unlock(struct guest *gu)
{
	struct gort_rwmutex *rw = gu->obj;

	gort_rwmutex_lock(rw);
	came(gu);
	gort_rwmutex_unlock(rw);
}

static void check_rw_alone(void *arg)
{
	struct gort_rwmutex rw = { 0 };

	(void)arg;
	gort_rwmutex_rlock(&rw);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), 0);
	CHECK_EQ(gort_rwmutex_try_lock(&rw), -EBUSY);
	gort_rwmutex_rlock(&rw);
	gort_rwmutex_runlock(&rw);
	gort_rwmutex_runlock(&rw);
	CHECK_EQ(gort_rwmutex_try_lock(&rw), -EBUSY);
	gort_rwmutex_runlock(&rw);
	CHECK_EQ(gort_rwmutex_try_lock(&rw), 0);
	CHECK_EQ(gort_rwmutex_try_lock(&rw), -EBUSY);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), -EBUSY);
	gort_rwmutex_unlock(&rw);
	gort_rwmutex_lock(&rw);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), -EBUSY);
	gort_rwmutex_unlock(&rw);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), 0);
	gort_rwmutex_runlock(&rw);
}

static void test_rw_alone(void **state)
{
	(void)state;
	run(check_rw_alone, NULL);
}

static void runlock_unlocked(void *arg)
{
	struct gort_rwmutex rw = { 0 };

	(void)arg;
	gort_rwmutex_runlock(&rw);
}

static void runlock_locked(void *arg)
{
	struct gort_rwmutex rw = { 0 };

	(void)arg;
	gort_rwmutex_lock(&rw);
	gort_rwmutex_runlock(&rw);
}

static void wunlock_unlocked(void *arg)
{
	struct gort_rwmutex rw = { 0 };

	(void)arg;
	gort_rwmutex_unlock(&rw);
}

static void wunlock_rlocked(void *arg)
{
	struct gort_rwmutex rw = { 0 };

	(void)arg;
	gort_rwmutex_rlock(&rw);
	gort_rwmutex_unlock(&rw);
}

static void test_rw_unlock_unlocked(void **state)
{
	(void)state;
	expect_fatal(runlock_unlocked, "fatal error: gort_rwmutex_runlock of");
	expect_fatal(runlock_locked, "fatal error: gort_rwmutex_runlock of");
	expect_fatal(wunlock_unlocked, "fatal error: gort_rwmutex_unlock of");
	expect_fatal(wunlock_rlocked, "fatal error: gort_rwmutex_unlock of");
}

/* Readers that come behind a writer wait for it. */
static void check_writer_first(void *arg)
{
	struct gort_rwmutex rw = { 0 };
	struct guest writer, reader[3];

	(void)arg;
	atomic_store(&come, 0);
	gort_rwmutex_rlock(&rw);
	gort_rwmutex_rlock(&rw);
	start(&reader[0], read_unlock, &rw);
	CHECK_EQ(wait_order(&reader[0]), 1);
	start_asleep(&writer, write_unlock, &rw, WAIT_RWMUTEX_LOCK);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), -EBUSY);
	start_asleep(&reader[1], read_unlock, &rw, WAIT_RWMUTEX_RLOCK);
	start_asleep(&reader[2], read_unlock, &rw, WAIT_RWMUTEX_RLOCK);
	gort_rwmutex_runlock(&rw);
	yield_some();
	CHECK_EQ(atomic_load(&come), 1);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), -EBUSY);
	gort_rwmutex_runlock(&rw);
	CHECK_EQ(wait_order(&writer), 2);
	CHECK_LT(2, wait_order(&reader[1]));
	CHECK_LT(2, wait_order(&reader[2]));
	gort_rwmutex_lock(&rw);
	gort_rwmutex_unlock(&rw);
	CHECK_EQ(gort_rwmutex_try_rlock(&rw), 0);
	gort_rwmutex_runlock(&rw);
}

/* Readers that wait when a writer leaves come before the next one. */
static void check_phases(void *arg)
{
	struct gort_rwmutex rw = { 0 };
	struct guest writer[2], reader[2];

	(void)arg;
	atomic_store(&come, 0);
	gort_rwmutex_lock(&rw);
	start_asleep(&writer[0], write_unlock, &rw, WAIT_RWMUTEX_LOCK);
	start_asleep(&reader[0], read_unlock, &rw, WAIT_RWMUTEX_RLOCK);
	start_asleep(&writer[1], write_unlock, &rw, WAIT_RWMUTEX_LOCK);
	start_asleep(&reader[1], read_unlock, &rw, WAIT_RWMUTEX_RLOCK);
	CHECK_EQ(atomic_load(&come), 0);
	gort_rwmutex_unlock(&rw);
	CHECK_LE(wait_order(&reader[0]), 2);
	CHECK_LE(wait_order(&reader[1]), 2);
	CHECK_EQ(wait_order(&writer[0]), 3);
	CHECK_EQ(wait_order(&writer[1]), 4);
	/* It has still to unlock what is on our stack. */
	gort_rwmutex_lock(&rw);
	gort_rwmutex_unlock(&rw);
}

static void test_rw_order(void **state)
{
	(void)state;
	run(check_writer_first, NULL);
	run(check_phases, NULL);
	assert_string_equal(wait_reason_name(WAIT_RWMUTEX_RLOCK),
			    "rwmutex rlock");
	assert_string_equal(wait_reason_name(WAIT_RWMUTEX_LOCK),
			    "rwmutex lock");
}

struct rw_owned {
	struct gort_rwmutex rw;
	atomic_int users;
};

static void rw_use_and_free(void *arg)
{
	struct rw_owned *o = arg;
	int left;

	if (gort_goid() % 2) {
		gort_rwmutex_lock(&o->rw);
		left = atomic_fetch_sub(&o->users, 1) - 1;
		gort_rwmutex_unlock(&o->rw);
	} else {
		gort_rwmutex_rlock(&o->rw);
		gort_rwmutex_runlock(&o->rw);
		gort_rwmutex_lock(&o->rw);
		left = atomic_fetch_sub(&o->users, 1) - 1;
		gort_rwmutex_unlock(&o->rw);
	}
	if (!left) {
		memset(o, 0xff, sizeof(*o));
		free(o);
	}
	gort_waitgroup_done(&all);
}

static void check_rw_freed(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct rw_owned *o = calloc(1, sizeof(*o));
		int users = 2 + i % 3;

		atomic_store(&o->users, users);
		gort_waitgroup_add(&all, users);
		for (int k = 0; k < users; k++)
			CHECK_EQ(gort_go(rw_use_and_free, o), 0);
		if (i % 8 == 0)
			gort_waitgroup_wait(&all);
	}
	gort_waitgroup_wait(&all);
}

static void test_rw_freed(void **state)
{
	int n = mode_times(50000);

	(void)state;
	run_procs("2", check_rw_freed, &n);
}

/* --- cond --- */

struct bell {
	struct gort_cond c;
	struct gort_mutex m;
};

static void wait_bell(struct guest *gu)
{
	struct bell *b = gu->obj;

	gort_mutex_lock(&b->m);
	gort_cond_wait(&b->c, &b->m);
	CHECK_EQ(gort_mutex_try_lock(&b->m), -EBUSY);
	came(gu);
	gort_mutex_unlock(&b->m);
}

static void wait_all_asleep(struct guest *gu, int n)
{
	for (int i = 0; i < n; i++)
		wait_asleep(&gu[i], WAIT_COND);
}

/* Who came last has still to unlock it. */
static void bell_left(struct bell *b)
{
	gort_mutex_lock(&b->m);
	gort_mutex_unlock(&b->m);
}

static void check_signal(void *arg)
{
	struct bell b = { 0 };
	struct guest gu[MANY];

	(void)arg;
	atomic_store(&come, 0);
	gort_cond_signal(&b.c);
	gort_cond_broadcast(&b.c);
	for (int i = 0; i < MANY; i++)
		start_asleep(&gu[i], wait_bell, &b, WAIT_COND);
	for (int i = 0; i < MANY; i++) {
		if (i % 2)
			gort_mutex_lock(&b.m);
		gort_cond_signal(&b.c);
		if (i % 2)
			gort_mutex_unlock(&b.m);
		CHECK_EQ(wait_order(&gu[i]), i + 1);
		yield_some();
		CHECK_EQ(atomic_load(&come), i + 1);
		wait_all_asleep(&gu[i + 1], MANY - i - 1);
	}
	gort_cond_signal(&b.c);
	bell_left(&b);
}

static void check_broadcast(void *arg)
{
	struct bell b = { 0 };
	struct guest gu[MANY];

	(void)arg;
	for (int round = 0; round < 20; round++) {
		atomic_store(&come, 0);
		for (int i = 0; i < MANY; i++)
			start(&gu[i], wait_bell, &b);
		wait_all_asleep(gu, MANY);
		gort_mutex_lock(&b.m);
		gort_cond_broadcast(&b.c);
		yield_some();
		CHECK_EQ(atomic_load(&come), 0);
		gort_mutex_unlock(&b.m);
		for (int i = 0; i < MANY; i++)
			wait_order(&gu[i]);
		CHECK_EQ(atomic_load(&come), MANY);
	}
	bell_left(&b);
}

static void test_cond(void **state)
{
	(void)state;
	run(check_signal, NULL);
	run(check_broadcast, NULL);
	assert_string_equal(wait_reason_name(WAIT_COND), "cond wait");
}

/* No signal is lost between the unlock and the sleep. */
struct turns {
	struct gort_mutex m;
	struct gort_cond c[2];
	int turn, n;
};

static void take_turns(struct turns *t, int self)
{
	for (int i = 0; i < t->n; i++) {
		gort_mutex_lock(&t->m);
		while (t->turn != self)
			gort_cond_wait(&t->c[self], &t->m);
		t->turn = !self;
		gort_cond_signal(&t->c[!self]);
		gort_mutex_unlock(&t->m);
	}
}

static void other_turns(void *arg)
{
	take_turns(arg, 1);
	gort_waitgroup_done(&all);
}

static void check_turns(void *arg)
{
	struct turns t = { .n = *(int *)arg };

	gort_waitgroup_add(&all, 1);
	CHECK_EQ(gort_go(other_turns, &t), 0);
	take_turns(&t, 0);
	gort_waitgroup_wait(&all);
	CHECK_EQ(t.turn, 0);
}

static void test_cond_turns(void **state)
{
	int n = mode_times(100000);

	(void)state;
	run_procs("1", check_turns, &n);
	run_procs("2", check_turns, &n);
}

/* --- semaphore --- */

static void take_n(struct guest *gu)
{
	gort_sem_acquire(gu->obj, gu->n);
	came(gu);
}

static void check_sem_alone(void *arg)
{
	struct gort_sem s = { 0 };

	(void)arg;
	CHECK_EQ(gort_sem_try_acquire(&s, 1), -EAGAIN);
	CHECK_EQ(gort_sem_try_acquire(&s, 0), 0);
	gort_sem_acquire(&s, 0);
	gort_sem_release(&s, 0);
	CHECK_EQ(gort_sem_try_acquire(&s, 1), -EAGAIN);
	gort_sem_init(&s, 5);
	gort_sem_acquire(&s, 2);
	CHECK_EQ(gort_sem_try_acquire(&s, 4), -EAGAIN);
	CHECK_EQ(gort_sem_try_acquire(&s, 3), 0);
	CHECK_EQ(gort_sem_try_acquire(&s, 1), -EAGAIN);
	gort_sem_release(&s, 7);
	gort_sem_acquire(&s, 7);
	gort_sem_init(&s, UINT64_MAX - 1);
	gort_sem_release(&s, 1);
	gort_sem_acquire(&s, UINT64_MAX);
	CHECK_EQ(gort_sem_try_acquire(&s, 1), -EAGAIN);
}

/* Who wants many is not overtaken, neither by who waits nor by who tries. */
static void check_sem_order(void *arg)
{
	struct gort_sem s = { 0 };
	struct guest gu[4] = { { .n = 3 }, { .n = 1 }, { .n = 2 }, { .n = 0 } };

	(void)arg;
	atomic_store(&come, 0);
	for (int i = 0; i < 4; i++)
		start_asleep(&gu[i], take_n, &s, WAIT_SEM);
	gort_sem_release(&s, 2);
	CHECK_EQ(gort_sem_try_acquire(&s, 1), -EAGAIN);
	CHECK_EQ(gort_sem_try_acquire(&s, 0), -EAGAIN);
	yield_some();
	CHECK_EQ(atomic_load(&come), 0);
	gort_sem_release(&s, 1);
	CHECK_EQ(wait_order(&gu[0]), 1);
	yield_some();
	CHECK_EQ(atomic_load(&come), 1);
	/* Several at once: 1, 2 and 0, and 4 are left. */
	gort_sem_release(&s, 7);
	for (int i = 1; i < 4; i++)
		CHECK_LT(1, wait_order(&gu[i]));
	CHECK_EQ(gort_sem_try_acquire(&s, 5), -EAGAIN);
	CHECK_EQ(gort_sem_try_acquire(&s, 4), 0);
}

static void test_sem(void **state)
{
	(void)state;
	run(check_sem_alone, NULL);
	run(check_sem_order, NULL);
	assert_string_equal(wait_reason_name(WAIT_SEM), "sem acquire");
}

static void release_too_many(void *arg)
{
	struct gort_sem s;

	(void)arg;
	gort_sem_init(&s, 1);
	gort_sem_release(&s, UINT64_MAX);
}

static void test_sem_overflow(void **state)
{
	(void)state;
	expect_fatal(release_too_many,
		     "fatal error: gort_sem_release: count out of range");
}

static void release_one(void *arg)
{
	gort_sem_release(arg, 1);
	gort_waitgroup_done(&all);
}

/* Who has acquired it frees it, while the release has not returned. */
static void check_sem_freed(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		struct gort_sem *s = calloc(1, sizeof(*s));

		gort_waitgroup_add(&all, 1);
		CHECK_EQ(gort_go(release_one, s), 0);
		if (i % 2)
			gort_yield();
		gort_sem_acquire(s, 1);
		memset(s, 0xff, sizeof(*s));
		free(s);
	}
	gort_waitgroup_wait(&all);
}

static void test_sem_freed(void **state)
{
	int n = mode_times(100000);

	(void)state;
	run_procs("2", check_sem_freed, &n);
}

/* --- once --- */

struct work {
	struct gort_once once;
	struct gort_sem go_on;
	int calls, value;	/* not atomic: once orders them */
};

static void slow_work(void *arg)
{
	struct work *w = arg;

	w->calls++;
	gort_sem_acquire(&w->go_on, 1);
	w->value = 4711;
}

static void call_once(struct guest *gu)
{
	struct work *w = gu->obj;

	gort_once(&w->once, slow_work, w);
	CHECK_EQ(w->value, 4711);
	came(gu);
}

static void check_once(void *arg)
{
	struct work w = { 0 };
	struct guest gu[MANY];

	(void)arg;
	atomic_store(&come, 0);
	start_asleep(&gu[0], call_once, &w, WAIT_SEM);
	for (int i = 1; i < MANY; i++)
		start_asleep(&gu[i], call_once, &w, WAIT_ONCE);
	CHECK_EQ(atomic_load(&come), 0);
	gort_sem_release(&w.go_on, 1);
	for (int i = 0; i < MANY; i++)
		wait_order(&gu[i]);
	gort_once(&w.once, slow_work, &w);
	CHECK_EQ(w.calls, 1);
}

static void test_once(void **state)
{
	(void)state;
	run(check_once, NULL);
	assert_string_equal(wait_reason_name(WAIT_ONCE), "once wait");
}

static void again(void *arg)
{
	gort_once(arg, again, arg);
}

static void once_in_once(void *arg)
{
	struct gort_once o = { 0 };

	(void)arg;
	gort_once(&o, again, &o);
}

static void test_once_recursive(void **state)
{
	(void)state;
	expect_fatal(once_in_once,
		     "fatal error: gort_once called by the function it calls");
}

/* --- what an earlier run left --- */

static struct {
	struct gort_mutex m;
	struct gort_rwmutex r, w;
	struct bell b;
	struct gort_sem s;
	struct work work;
	struct guest gu[8];
} left;

static void leave_waiters(void *arg)
{
	(void)arg;
	gort_mutex_lock(&left.m);
	start_asleep(&left.gu[0], lock_unlock, &left.m, WAIT_MUTEX);
	gort_rwmutex_rlock(&left.r);
	start_asleep(&left.gu[1], write_unlock, &left.r, WAIT_RWMUTEX_LOCK);
	start_asleep(&left.gu[2], read_unlock, &left.r, WAIT_RWMUTEX_RLOCK);
	gort_rwmutex_lock(&left.w);
	start_asleep(&left.gu[3], read_unlock, &left.w, WAIT_RWMUTEX_RLOCK);
	start_asleep(&left.gu[4], wait_bell, &left.b, WAIT_COND);
	left.gu[5].n = 3;
	start_asleep(&left.gu[5], take_n, &left.s, WAIT_SEM);
	start_asleep(&left.gu[6], call_once, &left.work, WAIT_SEM);
	start_asleep(&left.gu[7], call_once, &left.work, WAIT_ONCE);
}

static void use_what_was_left(void *arg)
{
	struct guest gu[3];

	(void)arg;
	atomic_store(&come, 0);
	CHECK_EQ(gort_mutex_try_lock(&left.m), -EBUSY);
	start_asleep(&gu[0], lock_unlock, &left.m, WAIT_MUTEX);
	gort_mutex_unlock(&left.m);
	CHECK_EQ(wait_order(&gu[0]), 1);

	CHECK_EQ(gort_rwmutex_try_lock(&left.r), -EBUSY);
	CHECK_EQ(gort_rwmutex_try_rlock(&left.r), 0);
	gort_rwmutex_rlock(&left.r);
	start_asleep(&gu[0], write_unlock, &left.r, WAIT_RWMUTEX_LOCK);
	for (int i = 0; i < 3; i++)
		gort_rwmutex_runlock(&left.r);
	CHECK_EQ(wait_order(&gu[0]), 2);
	CHECK_EQ(gort_rwmutex_try_rlock(&left.w), -EBUSY);
	gort_rwmutex_unlock(&left.w);
	CHECK_EQ(gort_rwmutex_try_lock(&left.w), 0);

	gort_cond_signal(&left.b.c);
	start_asleep(&gu[0], wait_bell, &left.b, WAIT_COND);
	gort_cond_signal(&left.b.c);
	CHECK_EQ(wait_order(&gu[0]), 3);

	gort_sem_release(&left.s, 1);
	CHECK_EQ(gort_sem_try_acquire(&left.s, 1), 0);

	start_asleep(&gu[1], call_once, &left.work, WAIT_SEM);
	start_asleep(&gu[2], call_once, &left.work, WAIT_ONCE);
	gort_sem_release(&left.work.go_on, 1);
	CHECK_LT(3, wait_order(&gu[1]));
	CHECK_LT(3, wait_order(&gu[2]));
	CHECK_EQ(left.work.calls, 2);
}

/* try_lock is the first that is called. */
static void try_what_was_left(void *arg)
{
	(void)arg;
	gort_rwmutex_runlock(&left.r);
	CHECK_EQ(gort_rwmutex_try_lock(&left.r), 0);
	gort_rwmutex_unlock(&left.w);
	CHECK_EQ(gort_rwmutex_try_rlock(&left.w), 0);
	CHECK_EQ(gort_sem_try_acquire(&left.s, 1), -EAGAIN);
	gort_mutex_unlock(&left.m);
	CHECK_EQ(gort_mutex_try_lock(&left.m), 0);
	gort_mutex_unlock(&left.m);
}

static void test_left(void **state)
{
	(void)state;
	memset(&left, 0, sizeof(left));
	run(leave_waiters, NULL);
	run(use_what_was_left, NULL);
	memset(&left, 0, sizeof(left));
	run(leave_waiters, NULL);
	run(try_what_was_left, NULL);
}

/* One was woken but never ran: the next run must not count on it. */
static void leave_woken(void *arg)
{
	(void)arg;
	gort_mutex_lock(&left.m);
	start_asleep(&left.gu[0], lock_unlock, &left.m, WAIT_MUTEX);
	start_asleep(&left.gu[1], lock_unlock, &left.m, WAIT_MUTEX);
	gort_mutex_unlock(&left.m);
}

/* It was handed the mutex: that stays locked. */
static void leave_handed(void *arg)
{
	(void)arg;
	starve(&left.m, &left.gu[0]);
	start_asleep(&left.gu[1], lock_unlock, &left.m, WAIT_MUTEX);
}

static void use_after_woken(void *arg)
{
	struct guest gu[2];

	(void)arg;
	atomic_store(&come, 0);
	if (gort_mutex_try_lock(&left.m))
		CHECK_EQ(mutex_word(&left.m) & 1, 1);
	start_asleep(&gu[0], lock_unlock, &left.m, WAIT_MUTEX);
	start_asleep(&gu[1], lock_unlock, &left.m, WAIT_MUTEX);
	gort_mutex_unlock(&left.m);
	wait_order(&gu[0]);
	wait_order(&gu[1]);
	for (int i = 0; i < 300; i++) {
		gort_mutex_lock(&left.m);
		gort_mutex_unlock(&left.m);
	}
	CHECK_EQ(mutex_word(&left.m), 0);
}

static void unlock_after_handed(void *arg)
{
	(void)arg;
	gort_mutex_unlock(&left.m);
	CHECK_EQ(gort_mutex_try_lock(&left.m), 0);
	gort_mutex_unlock(&left.m);
}

static void test_left_woken(void **state)
{
	(void)state;
	memset(&left, 0, sizeof(left));
	run_procs("1", leave_woken, NULL);
	run(use_after_woken, NULL);
	if (!may_starve())
		return;
	memset(&left, 0, sizeof(left));
	run_procs("1", leave_handed, NULL);
	run(use_after_woken, NULL);
	memset(&left, 0, sizeof(left));
	run_procs("1", leave_handed, NULL);
	run(unlock_after_handed, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_try_outside),
		cmocka_unit_test(test_mutex_alone),
		cmocka_unit_test(test_mutex_unlock_unlocked),
		cmocka_unit_test(test_mutex_waits),
		cmocka_unit_test(test_mutex_hog),
		cmocka_unit_test(test_mutex_fifo),
		cmocka_unit_test(test_mutex_late),
		cmocka_unit_test(test_many_mutexes),
		cmocka_unit_test(test_mutex_freed),
		cmocka_unit_test(test_rw_alone),
		cmocka_unit_test(test_rw_unlock_unlocked),
		cmocka_unit_test(test_rw_order),
		cmocka_unit_test(test_rw_freed),
		cmocka_unit_test(test_cond),
		cmocka_unit_test(test_cond_turns),
		cmocka_unit_test(test_sem),
		cmocka_unit_test(test_sem_overflow),
		cmocka_unit_test(test_sem_freed),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_once_recursive),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_left_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
