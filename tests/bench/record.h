/* SPDX-License-Identifier: ISC */
/*
 * tests/bench/record.h - what record.c writes and alloc.c replays: one
 * record per call of the malloc family, in the order of the calls.
 */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include <stdint.h>

#define RECORD_MAX_SIZE	((UINT32_C(1) << 30) - 1)

enum record_op {
	RECORD_ALLOC,
	RECORD_CALLOC,
	RECORD_REALLOC,		/* of an object there is; it keeps its id */
	RECORD_FREE,
};

/* An id is used again when its object is free, so that the largest one is
 * about the most objects there ever were. */
struct record {
	uint32_t id;
	uint32_t op : 2;
	uint32_t size : 30;
};

#endif
