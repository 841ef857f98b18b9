/* SPDX-License-Identifier: ISC */
/*
 * kernel/debug.h - settings from the environment, read once at start.
 *
 * GORTDEBUG=name=value,...   an unknown name or a bad value is an error.
 * GORTMAXPROCS=n
 * GORTMEMLIMIT=bytes, or off: the heap gives memory back rather than have
 *	more.  To mem_global.
 */
#ifndef KERNEL_DEBUG_H
#define KERNEL_DEBUG_H

#include <arch/compiler.h>

enum maymorestack {
	MAYMORESTACK_OFF,
	MAYMORESTACK_MOVE,	/* every check switches to a fresh slot */
	MAYMORESTACK_PREEMPT,	/* every check yields */
};

#define MAXPROCS_LIMIT	1024

struct debug {
	u64 maxstack;		/* bytes of slots a goroutine may have */
	u32 maxprocs;		/* 0: the CPUs of the affinity mask */
	u32 maymorestack;
	u32 stackpoison;
	u32 heappoison;
	u32 guardregions;	/* 0: as if the kernel had none */
	u32 asyncpreemptoff;
	u32 crash;		/* fatal errors leave a core */
	u32 schedtrace;		/* ms between two reports; 0: none */
	u32 scheddetail;
	u32 doublecheckmemstats; /* compare the books when they are read */
	u32 traceallocfree;	/* trace goroutine stacks, too */
	u32 tracecheckstackownership;
	u32 tracepushdown;	/* 0: generations end on the system stack */
	u32 traceversion;	/* 0: the default */
	u64 tracebuflimit;	/* bytes; 0: the default */
	u64 traceadvanceperiod;	/* ns per generation */
	u32 maxguards;		/* mprotect()ed guards; 0: by max_map_count */
};

extern struct debug debug;

int debug_parse_env(void);
bool debug_heappoison(void);
int debug_parse(const char *env, struct debug *d);
int debug_parse_memlimit(const char *s, u64 *limit);

#endif
