/* SPDX-License-Identifier: ISC */
/*
 * trace/pprof.h - CPU profiles in the format of pprof.
 *
 * Context: goroutine.  Locking: the caller's.
 */
#ifndef TRACE_PPROF_H
#define TRACE_PPROF_H

#include "kernel/sigprof.h"
#include "trace/dict.h"

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
