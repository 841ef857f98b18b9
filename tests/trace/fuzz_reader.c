// SPDX-License-Identifier: ISC
/*
 * tests/trace/fuzz_reader.c - libFuzzer's entry into the reader of traces.
 *
 * Each input is read four times, with all flags, and all that can be asked
 * about events is asked.  Besides that nothing breaks: times rise, what is
 * strictly good is good, and a broken tail is an error without the flag.
 *
 * Inputs are changed batch by batch, too: a byte more or less in the middle
 * would make the rest unreadable, since batches tell their length.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/reader/reader.h"

#define HEADER		16u	/* bytes before the first batch */
#define MAX_BATCH	(64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_reader: %s\n", what);
	abort();
}

/* --- reading --- */

static void ask(const struct tracefile *tf, const struct tracefile_event *ev)
{
	static FILE *null;
	struct tracefile_batch b;
	size_t i, sum = 0;

	if (!null)
		null = fopen("/dev/null", "w");
	gort_tracefile_print(null, tf, ev);
	for (i = 0; ev->kind == TRACEFILE_SYNC &&
		    gort_tracefile_batch(tf, i, &b); i++)
		sum += b.len ? ((const uint8_t *)b.data)[b.len - 1] : 0;
	fprintf(null, "%zu", sum);
}

/* How it ended; *n: events */
static int read_trace(const uint8_t *data, size_t size, unsigned int flags,
		      size_t *n)
{
	struct tracefile_event ev;
	struct tracefile *tf;
	int64_t last = INT64_MIN;
	int rc = gort_tracefile_open(&tf, data, size, flags);

	*n = 0;
	if (!rc)
		while ((rc = gort_tracefile_next(tf, &ev)) == TRACEFILE_EVENT) {
			++*n;
			check(ev.time > last || last == INT64_MAX ||
			      last == INT64_MIN, "time does not rise");
			last = ev.time;
			if (!flags)
				ask(tf, &ev);
		}
	check(rc == TRACEFILE_END || *gort_tracefile_error(tf)->text,
	      "no word about the error");
	check(gort_tracefile_error(tf)->offset <= size, "error behind the end");
	gort_tracefile_close(tf);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n, n_strict, n_tail;
	int rc, strict, tail;

	rc = read_trace(data, size, 0, &n);
	strict = read_trace(data, size, TRACEFILE_STRICT, &n_strict);
	tail = read_trace(data, size, TRACEFILE_TAIL, &n_tail);
	check(rc == TRACEFILE_END || rc == -EBADMSG || rc == -EPROTONOSUPPORT,
	      "what an end");
	check(strict ? n_strict <= n : !rc && n_strict == n,
	      "strict is more than lenient");
	check(n_tail == n, "the end tells on the rest");
	check(tail == rc || (tail == TRACEFILE_BROKEN_TAIL && rc == -EBADMSG),
	      "broken tail");
	read_trace(data, size, TRACEFILE_STRICT | TRACEFILE_TAIL, &n);
	return 0;
}

/* --- mutating --- */

static size_t get_number(const uint8_t *p, size_t size, uint64_t *v)
{
	size_t n;

	*v = 0;
	for (n = 0; n < size && n < 10; n++) {
		*v |= (uint64_t)(p[n] & 0x7f) << 7 * n;
		if (p[n] < 0x80)
			return n + 1;
	}
	return 0;
}

static size_t put_number(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

struct batch {
	size_t start;		/* of all of it */
	size_t size_at;		/* of the number that is its length */
	size_t data;
	size_t end;
};

/* The batch at pos; false if there is none. */
static int parse_batch(const uint8_t *p, size_t size, size_t pos,
		       struct batch *b)
{
	uint64_t v = 0;
	size_t n;
	int i;

	b->start = pos;
	if (pos >= size)
		return 0;
	pos += p[pos] == 49 ? 2 : 1;
	for (i = 0; i < 4; i++) {
		b->size_at = pos;
		n = pos < size ? get_number(p + pos, size - pos, &v) : 0;
		if (!n)
			return 0;
		pos += n;
	}
	b->data = pos;
	b->end = pos + v;
	return v <= size - pos;
}

static int pick_batch(const uint8_t *p, size_t size, unsigned int seed,
		      struct batch *out)
{
	size_t pos = HEADER, n = 0;
	struct batch b;

	while (parse_batch(p, size, pos, &b)) {
		if (seed % ++n == 0)
			*out = b;
		seed = seed * 1103515245 + 12345;
		pos = b.end;
		while (pos < size && p[pos] == 52)
			pos++;
	}
	return n != 0;
}

/* Put n bytes in place of those from from to to. */
static size_t replace(uint8_t *p, size_t size, size_t from, size_t to,
		      const uint8_t *with, size_t n)
{
	memmove(p + from + n, p + to, size - to);
	memcpy(p + from, with, n);
	return size - (to - from) + n;
}

static uint8_t scratch[MAX_BATCH + 64];

static size_t mutate_batch(uint8_t *p, size_t size, size_t max,
			   const struct batch *b)
{
	size_t old = b->end - b->data, n, head;

	if (old > MAX_BATCH / 2)
		return LLVMFuzzerMutate(p, size, max);
	memcpy(scratch + 16, p + b->data, old);
	n = LLVMFuzzerMutate(scratch + 16, old, old + 32);
	head = put_number(scratch, n);
	memmove(scratch + head, scratch + 16, n);
	if (size - (b->end - b->size_at) + head + n > max)
		return LLVMFuzzerMutate(p, size, max);
	return replace(p, size, b->size_at, b->end, scratch, head + n);
}

/* Another one takes the place of this batch, or stands before it. */
static size_t copy_batch(uint8_t *p, size_t size, size_t max,
			 const struct batch *b, const struct batch *to,
			 int instead)
{
	size_t n = b->end - b->start;

	if (n > sizeof(scratch) || size + n > max)
		return LLVMFuzzerMutate(p, size, max);
	memcpy(scratch, p + b->start, n);
	return replace(p, size, to->start, instead ? to->end : to->start,
		       scratch, n);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	struct batch b, to;

	if (seed % 8 == 0 || size <= HEADER ||
	    !pick_batch(data, size, seed / 8, &b))
		return LLVMFuzzerMutate(data, size, max_size);
	if (seed % 8 > 2)
		return mutate_batch(data, size, max_size, &b);
	pick_batch(data, size, seed / 8 + 1, &to);
	return copy_batch(data, size, max_size, &b, &to, seed % 8 == 1);
}
