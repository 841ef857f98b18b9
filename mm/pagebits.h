/* SPDX-License-Identifier: ISC */
/*
 * mm/pagebits.h - which pages are in use, and where n free ones in a row are.
 *
 * Two bits per page, and above them a tree of summaries: how many free pages
 * a range begins with, ends with, and has in a row at most.  Finding the
 * first place for n pages looks at a handful of nodes per level.
 *
 * The idea of the summaries: Go's page allocator (Clements and Knyszek,
 * "Scaling the Go page allocator", 2019).
 *
 * Pages are numbers here, from 0 on.  No locks; no memory of its own: the
 * owner puts zeroed memory behind the arrays before page_bits_grow().
 */
#ifndef MM_PAGEBITS_H
#define MM_PAGEBITS_H

#include <arch/compiler.h>

#define CHUNK_SHIFT	9			/* pages below one leaf */
#define CHUNK_PAGES	(1u << CHUNK_SHIFT)
#define CHUNK_WORDS	(CHUNK_PAGES / 64)
#define BLOCK_PAGES	256u			/* a huge page: 2 MiB */
#define CHUNK_BLOCKS	(CHUNK_PAGES / BLOCK_PAGES)
#define BLOCK_WORDS	(BLOCK_PAGES / 64)
#define BLOCK_AGE	1u		/* of a block with pages just freed */

#define FANOUT_SHIFT	4
#define FANOUT		(1u << FANOUT_SHIFT)
#define BITS_LEVELS	5	/* FANOUT^LEVELS chunks are 4 TiB of pages */

#define PAGE_NONE	SIZE_MAX

struct page_chunk {
	u64 used[CHUNK_WORDS];
	u64 released[CHUNK_WORDS];	/* not in use: no memory behind */
	u8 age[CHUNK_BLOCKS];		/* walks to go until it is idle */
};

/* Free pages in a row in a range. */
struct page_sum {
	u32 start, max, end;
};

struct page_bits {
	struct page_chunk *chunk;
	struct page_sum *level[BITS_LEVELS];	/* 0: one node per chunk */
	size_t nchunks;
	size_t hint;		/* chunks before this one are full */
};

/* n bits from bit on; n is not 0, n + bit at most 64. */
static inline u64 bits_mask(unsigned int bit, size_t n)
{
	return ~(u64)0 >> (64 - n) << bit;
}

/*
 * The bits of x at which n ones in a row begin; 1 <= n <= 64.  Each step
 * doubles the length known: Warren, "Hacker's Delight", 6-2.
 */
static inline u64 bits_runs(u64 x, unsigned int n)
{
	for (unsigned int len = 1; len < n && x;) {
		unsigned int step = n - len < len ? n - len : len;

		x &= x >> step;
		len += step;
	}
	return x;
}

/* Nodes of a level that nchunks chunks need. */
static inline size_t page_bits_nodes(size_t nchunks, unsigned int level)
{
	return ((nchunks - 1) >> (level * FANOUT_SHIFT)) + 1;
}

/* Levels that nchunks chunks need; the top one is searched from its left. */
unsigned int page_bits_levels(size_t nchunks);

/* n more chunks, of pages that are free and released, or in use for good. */
void page_bits_grow(struct page_bits *b, size_t n, bool usable);

/* The first n pages in a row that are free, or PAGE_NONE. */
size_t page_bits_find(const struct page_bits *b, size_t n);

/* How many pages before the end are free. */
size_t page_bits_tail(const struct page_bits *b);

/* Are all n pages there and free? */
bool page_bits_free(const struct page_bits *b, size_t page, size_t n);

/* Take n free pages.  Returns how many were released. */
size_t page_bits_take(struct page_bits *b, size_t page, size_t n);

/* Give n pages back.  All of them released, or none.  false: some of them were
 * not in use; nothing has changed. */
bool page_bits_give(struct page_bits *b, size_t page, size_t n, bool released);

/*
 * Take all free pages among the aligned 64 that have the first free one.
 * Returns the first of the 64, or PAGE_NONE.
 */
size_t page_bits_take_word(struct page_bits *b, u64 *free, u64 *released);
void page_bits_give_word(struct page_bits *b, size_t page, u64 free,
			 u64 released);

/*
 * Blocks of BLOCK_PAGES pages, from the last one down: whoever wants to give
 * free pages back to the kernel takes them out of the bitmaps for that time.
 */
enum page_idle {
	IDLE_AGED,	/* whole blocks, free since the last walk like this */
	IDLE_WHOLE,	/* whole blocks */
	IDLE_ANY,	/* free pages of any block */
};

struct page_walk {
	size_t block;		/* those below it are left to look at */
	bool young;		/* IDLE_AGED: there were some too young */
};

struct page_block {
	size_t page;		/* its first one */
	u64 mask[BLOCK_WORDS];	/* of the pages taken */
	size_t n;		/* how many those are */
};

/*
 * Take the free pages that are not released of the next block that has some.
 * false: there was none among the next `most` blocks, or w->block is 0.
 */
bool page_bits_take_idle(struct page_bits *b, struct page_walk *w,
			 enum page_idle idle, size_t most,
			 struct page_block *pb);
void page_bits_give_idle(struct page_bits *b, const struct page_block *pb,
			 bool released);

/* What is not in use, and of it released. */
void page_bits_count(const struct page_bits *b, size_t *free,
		     size_t *released);

#endif
