/* SPDX-License-Identifier: ISC */
/*
 * gort/nonpreempt.h - for how long nothing could be preempted, and where.
 *
 * A goroutine that runs can be made to let others run; the runtime itself, on
 * its way through a lock, on the system stack, with the world stopped, cannot.
 * From the moment a thread can no longer be preempted to the moment it can
 * again is one section.  The profiler times each of them and says, by kind and
 * place, how many there were, how long they took, and what stacks the longest
 * had at its two ends; and who waited meanwhile.
 *
 * Sections lie in one another: a function on the system stack takes a lock.
 * The outermost has the gross time, from the first moment to the last; each
 * one's net time is that without those inside it.
 *
 * A whole program is profiled without a change to it by
 *
 *	GORTNONPREEMPT=FILE[,threshold=50us][,format=text|folded|pprof]
 *
 * from the beginning of gort_run() until the first goroutine's function
 * returns, or a goroutine calls exit(); `gort nonpreempt top FILE` shows what
 * format=text, the default, has written.  Sections that are longer than the
 * threshold are printed, and marked in the trace if there is one.
 */
#ifndef GORT_NONPREEMPT_H
#define GORT_NONPREEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why nothing can be preempted, and what gort_nonpreempt_site.what says. */
enum gort_nonpreempt_kind {
	GORT_NONPREEMPT_SYSTEMSTACK, /* the runtime on the system stack: the
				      * function there */
	GORT_NONPREEMPT_SWITCH,	/* from one goroutine to the next: the function
				 * on the system stack that it left by */
	GORT_NONPREEMPT_STACK,	/* a stack grows, or was said to yield there:
				 * one site for all such places */
	GORT_NONPREEMPT_LOCK,	/* a lock of the runtime's: its rank */
	GORT_NONPREEMPT_THREAD,	/* it must stay on its thread and P */
	GORT_NONPREEMPT_TRACE,	/* the tracer writes an event */
	GORT_NONPREEMPT_STW,	/* the world is stopped: the reason */
	GORT_NONPREEMPT_FOREIGN, /* gort_systemstack_call(): the function */
	GORT_NONPREEMPT_SIGNAL,	/* a signal handler: the signal; one site for
				 * all places that it interrupts */
	GORT_NONPREEMPT_USER,	/* gort_nonpreempt_begin(): its argument */
	GORT_NONPREEMPT_OTHER,	/* all for which a table had no room */
	GORT_NONPREEMPT_KINDS
};

/* "systemstack", "switch", ...; "?" for what is none. */
const char *gort_nonpreempt_kind_name(unsigned int kind);

#define GORT_NONPREEMPT_FRAMES	32	/* most of a stack */

/*
 * Buckets of durations, log-linear as in G. Tene's HdrHistogram: 16 to each
 * power of two, so that the middle of a bucket is off by 3.1 % at most; below
 * 32 ns each ns has its own.  The last one has all from 2^37 ns (137 s) on.
 */
#define GORT_NONPREEMPT_BUCKETS	(32 * 16 + 33)

/* The least that falls into bucket i, in ns. */
uint64_t gort_nonpreempt_bucket_ns(unsigned int i);

/* All sections of one kind, that began at one place. */
struct gort_nonpreempt_site {
	enum gort_nonpreempt_kind kind;
	bool outermost;		/* or inside another; these are two sites */
	const char *what;	/* see kind; "" if there is nothing to say, or
				 * for a function without a name.  Lives until
				 * the run ends */
	uintptr_t function;	/* its address, or 0 */
	uintptr_t site;		/* return address of where it began; 0: not
				 * known */
	uint64_t count;
	uint64_t gross_ns;	/* sum; of those outermost, else 0 */
	uint64_t net_ns;	/* sum */
	uint64_t max_ns;	/* the longest: gross, or net if inside */
	/* Requests to preempt it that found it closed: how many, */
	uint64_t waits;
	uint64_t wait_ns;	/* how long they waited for its end, in all, */
	uint64_t wait_max_ns;
	uint32_t wait_runnable;	/* most goroutines that wanted to run then */
	/* Stacks of the longest, innermost first: the place in the function,
	 * then return addresses minus one. */
	uint32_t nstart, nend;
	uintptr_t start[GORT_NONPREEMPT_FRAMES];
	uintptr_t end[GORT_NONPREEMPT_FRAMES];
	/* Of gross times if outermost, else of net times. */
	uint64_t buckets[GORT_NONPREEMPT_BUCKETS];
};

/* One section that took longer than the threshold. */
struct gort_nonpreempt_event {
	enum gort_nonpreempt_kind kind;
	bool open;		/* it has not ended yet: ns is until now, and
				 * end is where it is */
	const char *what;
	uintptr_t function, site;
	uint64_t ns;
	uint64_t goid;		/* goroutine that it began in; 0: none */
	int tid;
	uint32_t nstart, nend;
	uintptr_t start[GORT_NONPREEMPT_FRAMES];
	uintptr_t end[GORT_NONPREEMPT_FRAMES];
};

/*
 * What to do with such a section: when it has ended; and but for MARK once
 * while it has not, when it is older than the threshold and than 10 ms.  For
 * that its thread is asked by SIGURG where it is, which ends a call that
 * sleeps with EINTR, if that is not restarted.
 */
#define GORT_NONPREEMPT_PRINT	1u	/* print it with both stacks to stderr */
#define GORT_NONPREEMPT_CALL	2u	/* call config->fn */
#define GORT_NONPREEMPT_MARK	4u	/* write it into the trace, as a log of
					 * category "nonpreempt" */
#define GORT_NONPREEMPT_ABORT	8u	/* end the program: a fatal error with
					 * its stacks */

struct gort_nonpreempt_config {
	uint64_t threshold_ns;	/* 0: none, and no actions */
	unsigned int actions;	/* GORT_NONPREEMPT_PRINT, ... */
	unsigned int per_second; /* at most so many; 0: 10.  What is suppressed
				 * is counted */
	/* Called on a thread of the runtime's that is no goroutine's, soon
	 * after the end of the section.  Must not block. */
	void (*fn)(const struct gort_nonpreempt_event *ev, void *arg);
	void *arg;
};

/**
 * gort_nonpreempt_start() - begin to time sections.
 * @config: what to do with long ones; NULL: nothing
 *
 * What was there from an earlier profile is forgotten.  Sections that are
 * open when it begins are not seen.
 *
 * Returns 0; -EBUSY if it runs already; -EINVAL for actions that are unknown,
 * that have no threshold, or that want a function and have none; -ENOMEM;
 * -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
int gort_nonpreempt_start(const struct gort_nonpreempt_config *config);

/**
 * gort_nonpreempt_stop() - time no more.  What there is can still be read.
 *
 * Returns 0; -EINVAL if it does not run; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
int gort_nonpreempt_stop(void);

/**
 * gort_nonpreempt_read() - what there is, those with the longest maximum
 * first.
 * @out: room for n; may be NULL if n is 0
 *
 * Sections that are still open are not in it; see gort_nonpreempt_read_open().
 *
 * Returns how many there are, which may be more than n; -EINVAL for no out;
 * -ENOMEM; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
ssize_t gort_nonpreempt_read(struct gort_nonpreempt_site *out, size_t n);

/**
 * gort_nonpreempt_read_open() - the sections that are open at this moment, the
 * oldest first, and where their threads are: each is asked by a signal.
 *
 * Those younger than the threshold, or than 10 ms if there is none, are left
 * out.  As gort_nonpreempt_read() else.
 */
ssize_t gort_nonpreempt_read_open(struct gort_nonpreempt_event *out, size_t n);

/**
 * gort_nonpreempt_reset() - forget what there is, and go on.
 *
 * Returns 0; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
int gort_nonpreempt_reset(void);

/* Since gort_nonpreempt_start(), all Ps together. */
struct gort_nonpreempt_stats {
	bool running;
	uint64_t sections;	/* that have ended */
	uint64_t lost;		/* for which a table was busy: a handler's in
				 * the middle of another, or of threads
				 * without a P at the same time */
	uint64_t other;		/* of sections: in GORT_NONPREEMPT_OTHER */
	uint64_t exceeded;	/* longer than the threshold */
	uint64_t suppressed;	/* of these: nothing was done */
};

/**
 * gort_nonpreempt_read_stats() - how much there is.  Context: any.
 */
void gort_nonpreempt_read_stats(struct gort_nonpreempt_stats *out);

enum gort_nonpreempt_format {
	GORT_NONPREEMPT_TEXT,	/* for people and for `gort nonpreempt` */
	GORT_NONPREEMPT_FOLDED,	/* stacks in one line each, net time in ns */
	GORT_NONPREEMPT_PPROF,	/* for `go tool pprof` */
};

/**
 * gort_nonpreempt_write() - write what there is to a file, pipe or socket.
 * @fd: stays the caller's
 *
 * Returns 0; -EINVAL for an unknown format; -EBADF, -ENOMEM, -EPERM, or what
 * write(2) gave.
 * Context: goroutine.  Blocks.
 */
int gort_nonpreempt_write(int fd, enum gort_nonpreempt_format format);

/**
 * gort_nonpreempt_begin() - do not preempt the calling goroutine until
 * gort_nonpreempt_end().
 * @name: what the profiler calls it; a string that stays; NULL: no name
 *
 * May be nested.  Meanwhile the goroutine stays on its thread, and must not
 * block, yield, or end: that is a fatal error.  Others wait for it, also those
 * who stop the world: keep it short.
 *
 * Returns 0; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
int gort_nonpreempt_begin(const char *name);

/**
 * gort_nonpreempt_end() - the end of what the last gort_nonpreempt_begin()
 * began.  Who was to be preempted meanwhile lets others run at its next stack
 * check.
 *
 * Returns 0; -EINVAL without a begin; -EPERM outside a goroutine.
 * Context: goroutine.  Does not block.
 */
int gort_nonpreempt_end(void);

#ifdef __cplusplus
}
#endif

#endif
