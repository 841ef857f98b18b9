// SPDX-License-Identifier: ISC
/*
 * kernel/sort.c - heapsort: J. W. J. Williams, "Algorithm 232", 1964, with
 * R. W. Floyd's way to build the heap.
 */
#include "kernel/sort.h"

#include <stdint.h>
#include <string.h>

static void swap(char *a, char *b, size_t size)
{
	uint64_t x, y;
	char tmp;

	for (; size >= sizeof(x); size -= sizeof(x)) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		memcpy(a, &y, sizeof(y));
		memcpy(b, &x, sizeof(x));
		a += sizeof(x);
		b += sizeof(x);
	}
	for (; size; size--) {
		tmp = *a;
		*a++ = *b;
		*b++ = tmp;
	}
}

static void sift_down(char *base, size_t root, size_t n, size_t size,
		      bool (*less)(const void *a, const void *b))
{
	size_t child;

	while ((child = 2 * root + 1) < n) {
		if (child + 1 < n &&
		    less(base + child * size, base + (child + 1) * size))
			child++;
		if (!less(base + root * size, base + child * size))
			return;
		swap(base + root * size, base + child * size, size);
		root = child;
	}
}

void heap_sort(void *base, size_t n, size_t size,
	       bool (*less)(const void *a, const void *b))
{
	size_t i;

	for (i = n / 2; i-- > 0;)
		sift_down(base, i, n, size, less);
	for (i = n; i-- > 1;) {
		swap(base, (char *)base + i * size, size);
		sift_down(base, 0, i, size, less);
	}
}
