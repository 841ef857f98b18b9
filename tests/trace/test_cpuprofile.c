// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_cpuprofile.c - who gets the samples, with which stack; and
 * what the profiler does to signals, timers and the end of the program.
 *
 * How many: goroutines know what CPU time they used (cpu.h).  In a sample of n
 * the count of one with share p has at most the variance of independent draws,
 * n p (1 - p).  Bounds are 5 of its square roots, and 2, so a right profiler
 * fails once in a million times.
 *
 * The kernel looks at a thread's timer only when its own tick finds the thread
 * on a CPU.  What a thread used since the last time is not seen when it ends:
 * TAIL, on a machine where many threads compete.
 */
#define _GNU_SOURCE
#include "trace/cpuprofile.h"

#include <gort/gort.h>
#include <gort/profile.h>

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/sched.h"
#include "lsan.h"
#include "trace/cfi.h"
#include "trace/cpu.h"

#define MS	1000000ll
#define HZ	100
#define PERIOD	(1000000000ll / HZ)
#define TAIL	(60 * MS)

static struct gort_waitgroup wg;

static void run(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_run(fn, arg), 0);
}

static struct gort_cpuprofile_stats stats(void)
{
	struct gort_cpuprofile_stats st;

	gort_cpuprofile_read_stats(&st);
	return st;
}

/* --- errors --- */

static void check_errors(void *arg)
{
	int null = open("/dev/null", O_WRONLY);
	int in = open("/dev/null", O_RDONLY);
	int path = open("/dev/null", O_PATH);
	int full = open("/dev/full", O_WRONLY);

	(void)arg;
	CHECK_EQ(gort_cpuprofile_stop(), -EINVAL);
	CHECK_EQ(gort_cpuprofile_start(null, GORT_CPUPROFILE_HZ_MAX + 1),
		 -EINVAL);
	errno = 4711;
	CHECK_EQ(gort_cpuprofile_start(in, 0), -EBADF);
	CHECK_EQ(gort_cpuprofile_start(path, 0), -EBADF);
	CHECK_EQ(gort_cpuprofile_start(12345, 0), -EBADF);
	CHECK_EQ(gort_cpuprofile_start(-2, 0), -EBADF);
	CHECK_EQ(stats().hz, 0);
	CHECK_EQ(gort_cpuprofile_start(null, GORT_CPUPROFILE_HZ_MAX), 0);
	CHECK_EQ(stats().hz, GORT_CPUPROFILE_HZ_MAX);
	CHECK_EQ(gort_cpuprofile_start(null, 0), -EBUSY);
	CHECK_EQ(gort_cpuprofile_start(-1, 0), -EBUSY);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_EQ(gort_cpuprofile_stop(), -EINVAL);
	CHECK_EQ(gort_cpuprofile_start(full, 0), 0);
	CHECK_EQ(stats().hz, 100);
	CHECK_EQ(gort_cpuprofile_stop(), -ENOSPC);
	CHECK_EQ(gort_cpuprofile_start(-1, 1), 0);
	CHECK_EQ(stats().hz, 1);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_EQ(errno, 4711);
	close(null);
	close(in);
	close(path);
	close(full);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(gort_cpuprofile_start(1, 0), -EPERM);
	assert_int_equal(gort_cpuprofile_stop(), -EPERM);
	run(check_errors, NULL);
}

static _Atomic int nstarted, nstopped;

static void start_and_stop(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		int err = gort_cpuprofile_start(-1, 100);

		CHECK_EQ(err == 0 || err == -EBUSY, 1);
		nstarted += !err;
		gort_yield();
		err = gort_cpuprofile_stop();
		CHECK_EQ(err == 0 || err == -EINVAL, 1);
		nstopped += !err;
	}
	gort_waitgroup_done(&wg);
}

static void check_one_at_a_time(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&wg, 10);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(gort_go(start_and_stop, NULL), 0);
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_cpuprofile_stop(), -EINVAL);
	CHECK_EQ(nstarted, nstopped);
	CHECK_LE(1, nstarted);
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	run(check_one_at_a_time, NULL);
}

/* --- how many --- */

#define NSPIN	3

struct spinner {
	int64_t want, used;	/* ns */
	_Atomic uint64_t goid;	/* read by who drains */
	uint64_t samples, weight, labelled;
	bool locked;
};

static struct spinner spinners[NSPIN];
static _Atomic(void *) labels[NSPIN];
static uint64_t of_others, bad_procs;

static void count_sample(const struct cpu_sample *s)
{
	bad_procs += s->goid && s->proc >= (u32)gort_gomaxprocs(0);
	for (int i = 0; i < NSPIN; i++) {
		if (s->goid != spinners[i].goid)
			continue;
		spinners[i].samples++;
		spinners[i].weight += s->weight;
		spinners[i].labelled += s->label == labels[i];
		return;
	}
	of_others += s->weight;
}

static void spin(void *arg)
{
	struct spinner *sp = arg;
	char name[8];

	snprintf(name, sizeof(name), "%d", (int)(sp - spinners));
	CHECK_EQ(gort_label_set("spinner", name), 0);
	labels[sp - spinners] = getg()->label;
	sp->goid = gort_goid();
	if (sp->locked)
		gort_lock_os_thread();
	while (sp->used < sp->want)
		sp->used += cpu_use(20 * MS);
	gort_waitgroup_done(&wg);
}

/* Where emulated code runs a tenth as fast, the clock is the same. */
static void spin_all(bool locked)
{
	static const int shares[NSPIN] = { 1, 2, 4 };

	of_others = bad_procs = 0;
	gort_waitgroup_add(&wg, NSPIN);
	for (int i = 0; i < NSPIN; i++) {
		spinners[i] = (struct spinner){
			.want = shares[i] * 250 * MS, .locked = locked,
		};
		CHECK_EQ(gort_go(spin, &spinners[i]), 0);
	}
	gort_waitgroup_wait(&wg);
}

static void profile_spinners(bool locked)
{
	atomic_store(&cpuprofile_sink, count_sample);
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), 0);
	spin_all(locked);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	CHECK_EQ(stats().lost, 0);
	CHECK_EQ(stats().untimed, 0);
	CHECK_EQ(bad_procs, 0);
	for (int i = 0; i < NSPIN; i++)
		CHECK_LE(spinners[i].samples - spinners[i].labelled, 1);
}

static void check_shares(void *arg)
{
	double n = 0, weight = 0, used = 0;

	CHECK_LE(0, gort_gomaxprocs((int)(long)arg));
	profile_spinners(false);
	for (int i = 0; i < NSPIN; i++) {
		n += (double)spinners[i].samples;
		weight += (double)spinners[i].weight;
		used += (double)spinners[i].used;
	}
	/* All there is, by threads' clocks; each begins at random. */
	CHECK_LT(fabs(weight - used / PERIOD), NSPIN * TAIL / PERIOD +
		 0.05 * used / PERIOD);
	for (int i = 0; i < NSPIN; i++) {
		double p = (double)spinners[i].used / used;
		double bound = 5 * sqrt(n * p * (1 - p)) + 2;

		print_message("# %ld P: spinner %d: %.1f%% of the time, %.1f%% of %.0f samples, bound %.1f%%\n",
			      (long)arg, i, 100 * p, 100 *
			      (double)spinners[i].weight / weight, n,
			      100 * bound / n);
		CHECK_LT(n * fabs((double)spinners[i].weight / weight - p),
			 bound);
	}
}

static void test_shares(void **state)
{
	(void)state;
	run(check_shares, (void *)1);
	run(check_shares, (void *)2);
}

/* A goroutine with a thread of its own: nothing is drawn but the first period. */
static void check_exact(void *arg)
{
	(void)arg;
	profile_spinners(true);
	for (int i = 0; i < NSPIN; i++) {
		double periods = (double)spinners[i].used / PERIOD;

		print_message("# %.1f periods: %d samples, weight %d\n",
			      periods, (int)spinners[i].samples,
			      (int)spinners[i].weight);
		CHECK_LE(fabs((double)spinners[i].weight - periods),
			 1 + TAIL / PERIOD);
	}
}

static void test_exact(void **state)
{
	(void)state;
	run(check_exact, NULL);
}

/* More samples than the kernel's tick gives: they count for more. */
static void check_weight(void *arg)
{
	(void)arg;
	atomic_store(&cpuprofile_sink, count_sample);
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	spin_all(true);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	for (int i = 0; i < NSPIN; i++) {
		double ms = (double)spinners[i].used / MS;

		CHECK_LE(fabs((double)spinners[i].weight - ms),
			 1 + TAIL / MS + ms / 50);
	}
}

static void test_weight(void **state)
{
	(void)state;
	run(check_weight, NULL);
}

/* --- stacks --- */

struct want {
	uintptr_t pcs[4];	/* starts of functions, innermost first */
	int n;
	_Atomic uint64_t seen, good, most;
};

static struct want want;
static uint64_t want_goid;

/* Functions of this program are smaller than this, and lie apart. */
#define FN_MAX	2048

static bool has_in_order(const struct cpu_sample *s)
{
	u32 at = 0;

	for (int i = 0; i < want.n; i++, at++) {
		while (at < s->n && s->pcs[at] - want.pcs[i] >= FN_MAX)
			at++;
		if (at == s->n)
			return false;
	}
	return true;
}

static void look_at_stack(const struct cpu_sample *s)
{
	if (s->goid != want_goid)
		return;
	want.seen++;
	want.good += has_in_order(s);
	if (s->n > want.most)
		want.most = s->n;
}

/* Far from each other. */
#define FAR	__attribute__((noinline, aligned(FN_MAX)))

static FAR void burn(void *arg)
{
	cpu_use(*(int64_t *)arg);
	__asm__ volatile("" : : : "memory");
}

static FAR void middle(void *arg)
{
	burn(arg);
	__asm__ volatile("" : : : "memory");
}

static FAR void outer(void *arg)
{
	middle(arg);
	__asm__ volatile("" : : : "memory");
}

static FAR void on_g0(void *arg)
{
	CHECK_EQ(gort_systemstack_call(burn, arg), 0);
	__asm__ volatile("" : : : "memory");
}

static FAR void on_g0_blocking(void *arg)
{
	CHECK_EQ(gort_blocking(burn, arg), 0);
	__asm__ volatile("" : : : "memory");
}

static FAR void deep(int64_t *ns, int depth)
{
	volatile char frame[2000];

	frame[0] = (char)depth;
	if (depth)
		deep(ns, depth - 1);
	else
		burn(ns);
	CHECK_EQ(frame[0], (char)depth);
}

static FAR void deep_40(void *arg)
{
	deep(arg, 40);
	__asm__ volatile("" : : : "memory");
}

static FAR void deep_1000(void *arg)
{
	deep(arg, 1000);
	__asm__ volatile("" : : : "memory");
}

/* Profile fn for a while; nearly all samples must have these functions. */
static void profile_stack(void (*fn)(void *), const struct want *w)
{
	int64_t ns = 100 * MS;

	want = *w;
	want_goid = gort_goid();
	atomic_store(&cpuprofile_sink, look_at_stack);
	CHECK_EQ(gort_cpuprofile_start(-1, 200), 0);
	for (int i = 0; i < 100 && want.seen < 30; i++) {
		fn(&ns);
		cpuprofile_drain();
	}
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	print_message("# %d of %d stacks, %d frames at most\n",
		      (int)want.good, (int)want.seen, (int)want.most);
	CHECK_LE(30, want.seen);
	/* Not in the runtime on the way there and back. */
	CHECK_LE(want.seen * 8 / 10, want.good);
}

#define WANT(...)	&(struct want){					\
	.pcs = { __VA_ARGS__ },						\
	.n = sizeof((uintptr_t []){ __VA_ARGS__ }) / sizeof(uintptr_t) }
#define FN(fn)		((uintptr_t)(fn))

static void check_stacks(void *arg)
{
	(void)arg;
	profile_stack(outer, WANT(FN(burn), FN(middle), FN(outer),
				  FN(check_stacks)));
	profile_stack(on_g0, WANT(FN(burn), FN(on_g0), FN(check_stacks)));
	profile_stack(on_g0_blocking, WANT(FN(burn), FN(on_g0_blocking),
					   FN(check_stacks)));
	profile_stack(deep_40, WANT(FN(burn), FN(deep), FN(deep_40),
				    FN(check_stacks)));
	profile_stack(deep_1000, WANT(FN(burn), FN(deep)));
	CHECK_EQ(want.most, SIGPROF_FRAMES_MAX);
}

static void test_stacks(void **state)
{
	(void)state;
	run(check_stacks, NULL);
}

/* A function that needs no frame has a caller all the same: n cycles or so. */
void frameless_leaf(uint64_t n);

__asm__(".pushsection .text.gort.nosplit, \"ax\", %progbits\n"
	".globl	frameless_leaf\n"
	".type	frameless_leaf, %function\n"
	"frameless_leaf:\n"
	"	.cfi_startproc\n"
#ifdef __x86_64__
	"1:	decq	%rdi\n"
	"	jnz	1b\n"
#else
	"1:	subs	x0, x0, #1\n"
	"	b.ne	1b\n"
#endif
	"	ret\n"
	"	.cfi_endproc\n"
	".size	frameless_leaf, . - frameless_leaf\n"
	".popsection");

static FAR void calls_leaf(void *arg)
{
	int64_t start = cpu_now();

	while (cpu_now() - start < *(int64_t *)arg)
		frameless_leaf(1000000);
}

static void check_leaf(void *arg)
{
	(void)arg;
	profile_stack(calls_leaf, WANT(FN(frameless_leaf), FN(calls_leaf),
				       FN(check_leaf)));
}

static void test_leaf(void **state)
{
	(void)state;
	run(check_leaf, NULL);
}

/* An address in the instruction that gets it. */
static FAR uintptr_t pc_with_frame(void)
{
	volatile char frame[100];
	uintptr_t pc;

	frame[0] = 0;
#ifdef __x86_64__
	__asm__ volatile("leaq	-1(%%rip), %0" : "=r" (pc));
#else
	__asm__ volatile("adr	%0, ." : "=r" (pc));
#endif
	gort_goid();
	return pc + (uintptr_t)frame[0];
}

static void test_cfi(void **state)
{
	uintptr_t pc = pc_with_frame();

	(void)state;
#ifndef WITH_ASAN	/* there the stack check is not in the table */
	assert_int_equal(cfi_look((uintptr_t)pc_with_frame), CFI_AT_ENTRY);
#endif
	assert_int_equal(cfi_look((uintptr_t)run), CFI_AT_ENTRY);
	assert_int_equal(cfi_look((uintptr_t)syscall), CFI_AT_ENTRY);
	assert_int_equal(cfi_look(pc), CFI_FRAME);
	assert_int_equal(cfi_look(pc + 1), CFI_FRAME);
	assert_int_equal(cfi_look(0), CFI_NO_CODE);
	assert_int_equal(cfi_look(UINTPTR_MAX), CFI_NO_CODE);
	assert_int_equal(cfi_look((uintptr_t)&pc), CFI_NO_CODE);
	assert_int_equal(cfi_look((uintptr_t)&wg), CFI_NO_CODE);
}

/* --- threads --- */

static _Atomic int go_on;

static void locked_spinner(void *arg)
{
	struct spinner *sp = arg;

	gort_lock_os_thread();
	sp->goid = gort_goid();
	while (!peek(&go_on))
		gort_yield();
	while (sp->used < sp->want)
		sp->used += cpu_use(20 * MS);
	gort_waitgroup_done(&wg);
}

static void start_locked(int i)
{
	spinners[i] = (struct spinner){ .want = 200 * MS };
	gort_waitgroup_add(&wg, 1);
	CHECK_EQ(gort_go(locked_spinner, &spinners[i]), 0);
	while (!spinners[i].goid)
		gort_yield();
}

/* Threads from before the start and from after it. */
static void check_threads(void *arg)
{
	(void)arg;
	go_on = 0;
	start_locked(0);
	atomic_store(&cpuprofile_sink, count_sample);
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), 0);
	start_locked(1);
	start_locked(2);
	go_on = 1;
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	for (int i = 0; i < NSPIN; i++)
		CHECK_LE((spinners[i].used - TAIL) / PERIOD - 1,
			 spinners[i].weight);
}

static void test_threads(void **state)
{
	(void)state;
	run(check_threads, NULL);
}

/* No thread's timers are left, in no thread. */
static int count_timers(void)
{
	FILE *f = fopen("/proc/self/timers", "r");
	char line[256];
	int n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		n += !strncmp(line, "ID:", 3);
	fclose(f);
	return n;
}

static void check_timers(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), 0);
	go_on = 0;
	start_locked(0);
	/* The two, and sysmon, which may not have begun yet. */
	if (!mode_emulated() && !access("/proc/self/timers", R_OK))
		while (count_timers() < 3)
			gort_yield();
	go_on = 1;
	gort_waitgroup_wait(&wg);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_EQ(count_timers(), 0);
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), 0);
}

/* Nobody stops it: its threads end with it. */
static void check_left_timers(void *arg)
{
	(void)arg;
	CHECK_EQ(sigprof_start(HZ), 0);
	go_on = 1;
	start_locked(0);
	gort_waitgroup_wait(&wg);
}

static void test_timers(void **state)
{
	(void)state;
	run(check_timers, NULL);
	assert_int_equal(count_timers(), 0);
	run(check_left_timers, NULL);
	assert_int_equal(count_timers(), 0);
}

static void *foreign_thread(void *arg)
{
	cpu_use(*(int64_t *)arg);
	return NULL;
}

static void wait_for(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
}

/* Threads of the program's own are not sampled. */
static void check_foreign(void *arg)
{
	int64_t ns = 300 * MS;
	pthread_t t;

	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	CHECK_EQ(pthread_create(&t, NULL, foreign_thread, &ns), 0);
	CHECK_EQ(gort_blocking(wait_for, &t), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_LT(stats().samples, 150);
}

static void test_foreign(void **state)
{
	(void)state;
	run(check_foreign, NULL);
}

/* --- where there are no timers --- */

static struct rlimit old_limit;

static void forbid_timers(void)
{
	struct rlimit none;

	CHECK_EQ(getrlimit(RLIMIT_SIGPENDING, &old_limit), 0);
	none = old_limit;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &none), 0);
}

static void allow_timers(void)
{
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &old_limit), 0);
}

static void check_itimer(void *arg)
{
	struct itimerval it = { .it_value.tv_sec = 1000 }, none = { 0 }, now;
	int err;

	(void)arg;
	forbid_timers();
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), -EBUSY);
	CHECK_EQ(getitimer(ITIMER_PROF, &now), 0);
	CHECK_LT(100, now.it_value.tv_sec);
	CHECK_EQ(setitimer(ITIMER_PROF, &none, NULL), 0);
	atomic_store(&cpuprofile_sink, count_sample);
	err = gort_cpuprofile_start(-1, HZ);
	allow_timers();
	CHECK_EQ(err, 0);
	spin_all(false);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	CHECK_EQ(getitimer(ITIMER_PROF, &now), 0);
	CHECK_EQ(now.it_value.tv_sec + now.it_value.tv_usec, 0);
	/* Whom they hit is not ours to say. */
	CHECK_LE(10, stats().samples);
}

static void test_itimer(void **state)
{
	(void)state;
	run(check_itimer, NULL);
}

static void check_untimed(void *arg)
{
	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, HZ), 0);
	forbid_timers();
	go_on = 0;
	for (int i = 0; i < NSPIN; i++)
		start_locked(i);
	go_on = 1;
	gort_waitgroup_wait(&wg);
	allow_timers();
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_LE(1, stats().untimed);
}

static void test_untimed(void **state)
{
	(void)state;
	run(check_untimed, NULL);
}

/* --- signals that are not ours --- */

static _Atomic int caught, caught_ours;

static void on_prof(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	CHECK_EQ(sig, SIGPROF);
	if (info->si_code == SI_USER || info->si_code == SI_TKILL)
		caught++;
	else
		caught_ours++;
}

static void on_prof_plain(int sig)
{
	CHECK_EQ(sig, SIGPROF);
	caught++;
}

static void check_others_signals(void *arg)
{
	int64_t ns = 200 * MS;

	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	CHECK_EQ(raise(SIGPROF), 0);
	cpu_use(ns);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_EQ(raise(SIGPROF), 0);
	CHECK_LT(0, stats().samples);
}

static void test_others_signals(void **state)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK }, now;

	(void)state;
	sa.sa_sigaction = on_prof;
	assert_int_equal(sigaction(SIGPROF, &sa, NULL), 0);
	caught = 0;
	run(check_others_signals, NULL);
	assert_int_equal(caught, 2);
	assert_int_equal(caught_ours, 0);
	assert_int_equal(sigaction(SIGPROF, NULL, &now), 0);
	assert_ptr_equal(now.sa_sigaction, on_prof);

	sa.sa_flags = SA_ONSTACK;
	sa.sa_handler = on_prof_plain;
	assert_int_equal(sigaction(SIGPROF, &sa, NULL), 0);
	caught = 0;
	run(check_others_signals, NULL);
	assert_int_equal(caught, 2);

	/* Without a handler they would kill. */
	sa.sa_handler = SIG_DFL;
	assert_int_equal(sigaction(SIGPROF, &sa, NULL), 0);
	run(check_others_signals, NULL);
	assert_int_equal(sigaction(SIGPROF, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, SIG_DFL);
}

/* --- samples that find no room --- */

static _Atomic int blocked;
static struct gort_chan *unblock;

static void block(const struct cpu_sample *s)
{
	(void)s;
	if (!blocked) {
		blocked = 1;
		CHECK_EQ(gort_chan_recv(unblock, NULL), 0);
	}
}

static void burn_until_lost(void *arg)
{
	int64_t limit = *(int64_t *)arg;

	while (!sigprof_lost() && limit > 0)
		limit -= cpu_use(20 * MS);
	*(int64_t *)arg = limit;
}

static void deep_until_lost(int64_t *ns, int depth)
{
	volatile char c = 0;

	if (depth)
		deep_until_lost(ns, depth - 1);
	else
		burn_until_lost(ns);
	(void)c;
}

static void check_lost(void *arg)
{
	int64_t ns = 20000 * MS;

	(void)arg;
	unblock = gort_chan_new(0, 0);
	atomic_store(&cpuprofile_sink, block);
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	deep_until_lost(&ns, SIGPROF_FRAMES_MAX);
	CHECK_EQ(gort_chan_send(unblock, NULL), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	atomic_store(&cpuprofile_sink, NULL);
	CHECK_LE(1, stats().lost);
	CHECK_LE(200, stats().samples);
	CHECK_EQ(gort_chan_free(unblock), 0);
	/* The next profile begins with nothing lost. */
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
	CHECK_EQ(stats().lost, 0);
}

static void test_lost(void **state)
{
	(void)state;
	run(check_lost, NULL);
}

/* They are taken out meanwhile, also when no P is busy. */
static void burn_until_seen(void *arg)
{
	uint64_t want_samples = *(uint64_t *)arg;
	int64_t limit = 20000 * MS;

	while (stats().samples < want_samples && limit > 0)
		limit -= cpu_use(20 * MS);
	CHECK_LT(0, limit);
}

static void check_drained(void *arg)
{
	uint64_t n = 20;

	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	burn_until_seen(&n);
	n = stats().samples + 200;
	CHECK_EQ(gort_blocking(burn_until_seen, &n), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
}

static void test_drained(void **state)
{
	(void)state;
	run(check_drained, NULL);
}

/* --- the end --- */

static char out_path[] = "/tmp/test_cpuprofile.XXXXXX";

static void make_out(void)
{
	int fd;

	strcpy(out_path + strlen(out_path) - 6, "XXXXXX");
	fd = mkstemp(out_path);
	assert_int_not_equal(fd, -1);
	close(fd);
}

/* A gzip file to the end, as far as that can be seen. */
static void expect_out(bool there)
{
	unsigned char buf[1 << 16];
	int fd = open(out_path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));

	close(fd);
	unlink(out_path);
	if (!there) {
		assert_int_equal(n, 0);
		return;
	}
	assert_true(n > 200);
	assert_int_equal(buf[0], 0x1f);
	assert_int_equal(buf[1], 0x8b);
	assert_int_equal(buf[10], 1);
	assert_int_equal(n, 10 + 5 + (buf[11] | buf[12] << 8) + 8);
}

static void left_on(void *arg)
{
	int fd = open(out_path, O_WRONLY);

	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(fd, 1000), 0);
	cpu_use(100 * MS);
}

static void check_nothing_runs(void *arg)
{
	(void)arg;
	CHECK_EQ(stats().hz, 0);
	CHECK_EQ(gort_cpuprofile_stop(), -EINVAL);
	CHECK_EQ(gort_cpuprofile_start(-1, 0), 0);
	CHECK_EQ(gort_cpuprofile_stop(), 0);
}

static void test_left_on(void **state)
{
	(void)state;
	make_out();
	run(left_on, NULL);
	assert_int_equal(stats().hz, 0);
	assert_true(stats().samples > 0);
	expect_out(true);
	run(check_nothing_runs, NULL);
}

/* Dropped in the middle of whatever they do to the profiler. */
static void for_ever(void *arg)
{
	(void)arg;
	for (;;) {
		gort_cpuprofile_start(-1, 100);
		gort_cpuprofile_stop();
		cpuprofile_drain();
	}
}

static void leave_them(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(gort_go(for_ever, NULL), 0);
	for (int i = 0; i < 10; i++)
		gort_yield();
}

static void test_dropped(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		run(leave_them, NULL);
		assert_int_equal(count_timers(), 0);
		run(check_nothing_runs, NULL);
	}
}

static void burn_a_little(void *arg)
{
	(void)arg;
	cpu_use(100 * MS);
}

static void by_env(void *arg)
{
	setenv("GORTCPUPROFILE", arg, 1);
	_exit(gort_run(burn_a_little, NULL));
}

static void expect_env(const char *suffix, const char *text)
{
	char env[8192];

	make_out();
	snprintf(env, sizeof(env), "%s%s", out_path, suffix);
	child_run(by_env, env);
	child_expect_exit(0);
	if (text)
		child_expect_text(text);
	else
		assert_string_equal(child_err, "");
	expect_out(!text);
}

static void test_env(void **state)
{
	char big[5000];

	(void)state;
	expect_env("", NULL);
	expect_env(",hz=1", NULL);
	expect_env(",hz=1000", NULL);
	expect_env(",hz=0", "hz is 1 to 1000");
	expect_env(",hz=1001", "hz is 1 to 1000");
	expect_env(",hz=", "hz is 1 to 1000");
	expect_env(",hz=-1", "hz is 1 to 1000");
	expect_env(",hz=10x", "hz is 1 to 1000");
	expect_env("/x", "cannot open it: Not a directory");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	expect_env(big, "cannot profile: File name too long");
}

static void exits(void *arg)
{
	cpu_use(100 * MS);
	exit(*(int *)arg);
}

static void exits_by_env(void *arg)
{
	int status = 3;

	setenv("GORTCPUPROFILE", arg, 1);
	gort_run(exits, &status);
}

static void test_exit(void **state)
{
	(void)state;
	make_out();
	child_run(exits_by_env, out_path);
	child_expect_exit(3);
	expect_out(true);
}

static void deadlock(void *arg)
{
	struct gort_chan *c = gort_chan_new(0, 0);

	(void)arg;
	CHECK_EQ(gort_cpuprofile_start(-1, 1000), 0);
	cpu_use(300 * MS);
	gort_chan_recv(c, NULL);
}

static void run_deadlock(void *arg)
{
	gort_run(deadlock, arg);
}

static void test_deadlock(void **state)
{
	(void)state;
	child_run(run_deadlock, NULL);
	child_expect_exit(2);
	child_expect_text("all goroutines are asleep - deadlock!");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_leaf),
		cmocka_unit_test(test_cfi),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_itimer),
		cmocka_unit_test(test_untimed),
		cmocka_unit_test(test_others_signals),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_drained),
		cmocka_unit_test(test_left_on),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
