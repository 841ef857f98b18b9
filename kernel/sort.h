/* SPDX-License-Identifier: ISC */
/*
 * kernel/sort.h - sort an array, in any context.
 */
#ifndef KERNEL_SORT_H
#define KERNEL_SORT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * heap_sort - sort n elements of size bytes at base, in place.
 *
 * Async-signal-safe: no malloc (qsort() may), no recursion, and no order of
 * elements is worse than n log n.  Equal elements change places.
 */
void heap_sort(void *base, size_t n, size_t size,
	       bool (*less)(const void *a, const void *b));

#endif
