/* SPDX-License-Identifier: ISC */
/*
 * trace/pprof.h - profiles in the format of pprof.
 *
 * Context: goroutine.  Locking: the caller's.
 */
#ifndef TRACE_PPROF_H
#define TRACE_PPROF_H

#include "kernel/sigprof.h"
#include "trace/dict.h"

/*
 * Any profile.
 */

struct pprof_type {
	const char *type, *unit;
};

struct pprof_head {
	const struct pprof_type *types;	/* of the values of a sample, */
	u32 ntypes;			/* 4 at most */
	struct pprof_type period_type;
	u64 period;			/* 0: there is none */
	s64 wall_ns;			/* when it began, since 1970 */
	u64 duration_ns;
};

struct pprof_label {
	const char *key, *value;
};

/* pcs are as frames_at() wants them. */
struct pprof_sample {
	const uintptr_t *pcs;		/* innermost first, */
	u32 n;				/* SIGPROF_FRAMES_MAX at most */
	const u64 *values;		/* head->ntypes */
	const struct pprof_label *labels;
	u32 nlabels;			/* GORT_LABELS_SIZE_MAX / 3 at most */
};

struct pprof_file;

/* pprof_open - begin a file; fd stays the caller's.  NULL: no memory. */
struct pprof_file *pprof_open(int fd, const struct pprof_head *head);

/* One sample; blocks while fd does. */
void pprof_put(struct pprof_file *f, const struct pprof_sample *s);

/* One of nobody knows what. */
void pprof_put_lost(struct pprof_file *f, const u64 *values);

/* pprof_close - the rest of it.  Returns 0, or what write(2) gave. */
int pprof_close(struct pprof_file *f);

/*
 * Of the CPU profiler.
 */

struct pprof {
	struct dict stacks;	/* label and pcs; value: how many samples */
	s64 period_ns;
	s64 wall_ns;		/* when it began, since 1970 */
	s64 begin_ns, end_ns;	/* by the clock that never jumps */
};

/* p is zeroed, or has been cleared. */
void pprof_begin(struct pprof *p, u32 hz);

/* False: no room. */
bool pprof_add(struct pprof *p, const struct cpu_sample *s);

/* No more samples come. */
void pprof_end(struct pprof *p);

/*
 * pprof_write - all of it to fd, with so many more that were lost; blocks.
 * Returns 0, -ENOMEM, or what write(2) gave.
 */
int pprof_write(struct pprof *p, u64 lost, int fd);

void pprof_clear(struct pprof *p);

/* As in RFC 1952; begin with 0. */
u32 pprof_crc32(u32 crc, const void *data, size_t len);

#endif
