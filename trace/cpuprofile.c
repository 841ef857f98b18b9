// SPDX-License-Identifier: ISC
/*
 * trace/cpuprofile.c - the CPU profiler.
 *
 * Signal handlers write samples to a buffer per thread (kernel/sigprof.c).
 * A goroutine of the runtime's takes them out, every DRAIN_NS, into the profile
 * and to the tracer.  It is parked between, and sysmon wakes it: a timer, which
 * is something to wait for, would hide a deadlock.  Only while there are
 * samples; who is idle takes none.
 *
 * What belongs to a run has its number, since goroutines are dropped where
 * they stand when it ends: state, which then means OFF, and the goroutine.
 *
 * Locks: ->drain, a mutex of goroutines, around everything that takes samples
 * out.
 */
#define _GNU_SOURCE
#include <gort/gort.h>
#include <gort/profile.h>

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/maps.h"
#include "kernel/runq.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "trace/cfi.h"
#include "trace/cpuprofile.h"
#include "trace/outfile.h"
#include "trace/pprof.h"

#define HZ_DEFAULT	100
#define DRAIN_NS	100000000
#define LOOKED_UP_BYTES	((size_t)16 << 20)

/* In the low bits of profiler.state; above it the number of the run. */
enum state {
	OFF,
	STARTING,
	ON,
	STOPPING,
	STATE_BITS = 2,
};

_Atomic(cpuprofile_sink_fn *) cpuprofile_sink;

static struct {
	_Atomic u64 state;
	int fd;			/* of who is not OFF */
	s64 due;		/* sysmon's */

	_Atomic u32 hz;
	_Atomic u64 samples, dropped, lost, untimed;
	u64 lost_before;	/* by sigprof_lost(), when it began */

	_Atomic u64 run;	/* + 1: whose what follows is */
	_Atomic(struct g *) parked; /* who drains; or NULL */
	struct gort_mutex drain; /* protects what follows */
	bool adding;		/* to the profile */
	struct pprof profile;
	struct dict looked_up;	/* pcs; value: enum cfi + 1 */
	char maps[MAPS_BUF_SIZE];
} profiler;

/*
 * State.
 */

static enum state state_of(u64 v)
{
	return v >> STATE_BITS == sched_run_id() ?
	       v & ((1u << STATE_BITS) - 1) : OFF;
}

/* Acquire: pairs with state_set(). */
static enum state state_get(void)
{
	return state_of(atomic_load_explicit(&profiler.state,
					     memory_order_acquire));
}

static u64 state_word(enum state s)
{
	return sched_run_id() << STATE_BITS | s;
}

/* By who is STARTING or STOPPING. */
static void state_set(enum state s)
{
	atomic_store_explicit(&profiler.state, state_word(s),
			      memory_order_release);
}

/* False: it is not in that state. */
static bool state_change(enum state from, enum state to)
{
	u64 v = atomic_load_explicit(&profiler.state, memory_order_relaxed);

	return state_of(v) == from &&
	       atomic_compare_exchange_strong_explicit(&profiler.state, &v,
			state_word(to), memory_order_acquire,
			memory_order_relaxed);
}

static bool run_is_ready(void)
{
	/* Acquire: pairs with the release in run_prepare(). */
	return atomic_load_explicit(&profiler.run, memory_order_acquire) ==
	       sched_run_id() + 1;
}

/*
 * Taking samples out.
 */

static void add(_Atomic u64 *c, u64 n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* Code that no object brought, such as what a just-in-time compiler made. */
static bool is_mapped_code(uintptr_t pc)
{
	struct maps_reader r;
	struct vma vma;
	bool found = false;

	if (!maps_open(&r, profiler.maps))
		return false;
	while (!found && maps_next(&r, &vma))
		found = vma.exec && pc >= vma.start && pc < vma.end;
	maps_close(&r);
	return found;
}

/* Each pc is looked up once. */
static enum cfi look(uintptr_t pc)
{
	struct dict_entry *e = dict_put(&profiler.looked_up, &pc, sizeof(pc));
	enum cfi answer;

	if (!e)
		return CFI_FRAME;
	if (e->value)
		return (enum cfi)(e->value - 1);
	answer = cfi_look(pc);
	if (answer == CFI_NO_CODE && is_mapped_code(pc))
		answer = CFI_FRAME;
	e->value = answer + 1;
	return answer;
}

/*
 * What a walk along frame pointers did not know: callers of functions without
 * a frame; and what is no caller at all, but left by code without frame
 * pointers where it looked for one.
 */
static void correct_stack(struct cpu_sample *s)
{
	u32 n = 1;

	if (s->frameless && look(s->pcs[0]) == CFI_AT_ENTRY) {
		if (s->n < SIGPROF_FRAMES_MAX)
			s->n++;
		memmove(&s->pcs[2], &s->pcs[1],
			(s->n - 2) * sizeof(s->pcs[0]));
		s->pcs[1] = s->frameless;
	}
	for (u32 i = 1; i < s->n; i++)
		if (look(s->pcs[i]) != CFI_NO_CODE)
			s->pcs[n++] = s->pcs[i];
	s->n = n;
}

static void take(struct cpu_sample *s)
{
	/* Acquire: what it needs is ready. */
	cpuprofile_sink_fn *sink = atomic_load_explicit(&cpuprofile_sink,
							memory_order_acquire);

	correct_stack(s);
	if (profiler.adding && !pprof_add(&profiler.profile, s))
		add(&profiler.dropped, s->weight);
	else
		add(&profiler.samples, s->weight);
	if (sink)
		sink(s);
}

static void forget(struct cpu_sample *s)
{
	(void)s;
}

void cpuprofile_drain(void)
{
	if (!run_is_ready())
		return;
	gort_mutex_lock(&profiler.drain);
	sigprof_read(take);
	atomic_store_explicit(&profiler.lost,
			      sigprof_lost() - profiler.lost_before,
			      memory_order_relaxed);
	atomic_store_explicit(&profiler.untimed, sigprof_untimed(),
			      memory_order_relaxed);
	gort_mutex_unlock(&profiler.drain);
}

static void drain_loop(void *arg)
{
	(void)arg;
	for (;;) {
		cpuprofile_drain();
		acquirem();
		/* Release: pairs with the exchange in wake(). */
		atomic_store_explicit(&profiler.parked, getg(),
				      memory_order_release);
		sched_park(NULL, WAIT_TRACE);
	}
}

static void wake(void)
{
	struct gqueue list = { 0 };
	struct g *gp = atomic_exchange_explicit(&profiler.parked, NULL,
						memory_order_acquire);

	if (gp) {
		gqueue_push(&list, gp);
		sched_ready_list(&list);
	}
}

s64 cpuprofile_tick(s64 now)
{
	if (state_get() != ON)
		return TIME_NEVER;
	if (now >= profiler.due) {
		profiler.due = now + DRAIN_NS;
		if (sigprof_pending())
			wake();
	}
	return profiler.due;
}

/*
 * Beginning and end.
 */

/* Once per run: goroutines of the one before may have held the mutex. */
static int run_prepare(void)
{
	int err;

	if (run_is_ready())
		return 0;
	profiler.drain = (struct gort_mutex){ 0 };
	atomic_store_explicit(&profiler.parked, NULL, memory_order_relaxed);
	err = sched_spawn_background(drain_loop, NULL);
	if (!err)
		/* Release: pairs with run_is_ready(). */
		atomic_store_explicit(&profiler.run, sched_run_id() + 1,
				      memory_order_release);
	return err;
}

static void count_from_zero(u32 hz)
{
	atomic_store_explicit(&profiler.hz, hz, memory_order_relaxed);
	atomic_store_explicit(&profiler.samples, 0, memory_order_relaxed);
	atomic_store_explicit(&profiler.dropped, 0, memory_order_relaxed);
	atomic_store_explicit(&profiler.lost, 0, memory_order_relaxed);
	atomic_store_explicit(&profiler.untimed, 0, memory_order_relaxed);
	profiler.lost_before = sigprof_lost();
}

static int start(int fd, u32 hz)
{
	int err = run_prepare();

	if (err)
		return err;
	gort_mutex_lock(&profiler.drain);
	/* Of signals that came after the last one was stopped. */
	sigprof_read(forget);
	pprof_clear(&profiler.profile);
	dict_clear(&profiler.looked_up);
	dict_init(&profiler.looked_up, LOOKED_UP_BYTES);
	pprof_begin(&profiler.profile, hz);
	profiler.fd = fd;
	profiler.adding = fd >= 0;
	count_from_zero(hz);
	gort_mutex_unlock(&profiler.drain);
	return sigprof_start(hz);
}

__public int gort_cpuprofile_start(int fd, unsigned int hz)
{
	int saved = errno, err;

	if (!in_goroutine())
		return -EPERM;
	if (hz > GORT_CPUPROFILE_HZ_MAX)
		return -EINVAL;
	if (fd != -1 && !outfile_is_writable(fd))
		return -EBADF;
	if (!state_change(OFF, STARTING))
		return -EBUSY;
	err = start(fd, hz ? hz : HZ_DEFAULT);
	state_set(err ? OFF : ON);
	errno = saved;
	return err;
}

static u64 lost(void)
{
	return atomic_load_explicit(&profiler.lost, memory_order_relaxed) +
	       atomic_load_explicit(&profiler.dropped, memory_order_relaxed);
}

static int stop(void)
{
	int err = 0;

	sigprof_stop();
	pprof_end(&profiler.profile);
	cpuprofile_drain();
	gort_mutex_lock(&profiler.drain);
	profiler.adding = false;
	dict_clear(&profiler.looked_up);
	gort_mutex_unlock(&profiler.drain);
	if (profiler.fd >= 0)
		err = pprof_write(&profiler.profile, lost(), profiler.fd);
	pprof_clear(&profiler.profile);
	return err;
}

__public int gort_cpuprofile_stop(void)
{
	int saved = errno, err;

	if (!in_goroutine())
		return -EPERM;
	if (!state_change(ON, STOPPING))
		return -EINVAL;
	err = stop();
	state_set(OFF);
	errno = saved;
	return err;
}

__public void gort_cpuprofile_read_stats(struct gort_cpuprofile_stats *out)
{
	*out = (struct gort_cpuprofile_stats){
		.samples = atomic_load_explicit(&profiler.samples,
						memory_order_relaxed),
		.lost = lost(),
		.untimed = atomic_load_explicit(&profiler.untimed,
						memory_order_relaxed),
	};
	if (state_get() != OFF)
		out->hz = atomic_load_explicit(&profiler.hz,
					       memory_order_relaxed);
}

/*
 * Whole programs: GORTCPUPROFILE=file,hz=n.
 */

static void at_exit(void)
{
	cpuprofile_run_end();
}

static struct outfile out = OUTFILE_INIT("GORTCPUPROFILE", at_exit);

/* Of "path,hz=n": n, or 0 without; cut off there.  -EINVAL. */
static int cut_hz(char *path)
{
	char *comma = strrchr(path, ','), *end;
	unsigned long hz;

	if (!comma || strncmp(comma, ",hz=", 4))
		return 0;
	*comma = '\0';
	hz = strtoul(comma + 4, &end, 10);
	if (comma[4] < '0' || comma[4] > '9' || *end || !hz ||
	    hz > GORT_CPUPROFILE_HZ_MAX)
		return -EINVAL;
	return (int)hz;
}

static void start_by_env(const char *env)
{
	char path[PATH_MAX];
	int hz, err;

	if (strlen(env) >= sizeof(path)) {
		outfile_complain(&out, "cannot profile", -ENAMETOOLONG);
		return;
	}
	hz = cut_hz(strcpy(path, env));
	if (hz < 0) {
		outfile_complain(&out, "hz is 1 to 1000", hz);
		return;
	}
	if (!outfile_open(&out, path))
		return;
	err = gort_cpuprofile_start(out.fd, (u32)hz);
	if (err)
		outfile_complain(&out, "cannot profile", err);
}

void cpuprofile_run_begin(void)
{
	const char *env = outfile_value(&out);

	if (env)
		start_by_env(env);
}

void cpuprofile_run_end(void)
{
	int err = gort_cpuprofile_stop();

	if (out.fd < 0)
		return;
	if (err && err != -EINVAL)
		outfile_complain(&out, "the profile is incomplete", err);
	outfile_close(&out);
}
