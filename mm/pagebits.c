// SPDX-License-Identifier: ISC
/*
 * mm/pagebits.c - the bitmaps of the page heap and their summaries.
 *
 * Invariants (page_bits_check() of the test walks them):
 *  I1  A page is free, or in use; only free ones are released.
 *  I2  A node of level 0 is what chunk_sum() says; one above is what merge()
 *	says of its children.
 *  I3  Chunks below hint have no free page.
 *
 * The last node of a level may have fewer children than others.  What it ends
 * with looks shorter than it is then, but nothing comes after it.
 */
#include "mm/pagebits.h"

#define ALL_ONES	(~(u64)0)

static unsigned int ones_low(u64 x)
{
	return x == ALL_ONES ? 64 : (unsigned int)__builtin_ctzll(~x);
}

static unsigned int ones_high(u64 x)
{
	return x == ALL_ONES ? 64 : (unsigned int)__builtin_clzll(~x);
}

/*
 * Chunks.
 */

/* The longest run of ones in x, if it is longer than max; else max. */
static u32 longest_run(u64 x, u32 max)
{
	while (bits_runs(x, max + 1))
		max++;
	return max;
}

static struct page_sum chunk_sum(const struct page_chunk *c)
{
	struct page_sum s = { 0 };
	u32 run = 0;

	for (unsigned int i = 0; i < CHUNK_WORDS; i++) {
		u64 x = ~c->used[i];

		run += ones_low(x);
		if (x == ALL_ONES)
			continue;
		/* Nothing ended before this word: the chunk begins with it. */
		if (run == i * 64 + ones_low(x))
			s.start = run;
		if (run > s.max)
			s.max = run;
		run = ones_high(x);
	}
	if (run == CHUNK_PAGES)
		s.start = run;
	if (run > s.max)
		s.max = run;
	s.end = run;
	/* Runs that touch neither end of their word are shorter than 63. */
	for (unsigned int i = 0; i < CHUNK_WORDS && s.max < 62; i++)
		s.max = longest_run(~c->used[i], s.max);
	return s;
}

static size_t chunk_find(const struct page_chunk *c, size_t n)
{
	size_t run = 0;

	for (unsigned int i = 0; i < CHUNK_WORDS; i++) {
		u64 x = ~c->used[i], at;

		if (run + ones_low(x) >= n)
			return i * 64 - run;
		if (x == ALL_ONES) {
			run += 64;
			continue;
		}
		at = n <= 64 ? bits_runs(x, (unsigned int)n) : 0;
		if (at)
			return i * 64 + (unsigned int)__builtin_ctzll(at);
		run = ones_high(x);
	}
	return PAGE_NONE;
}

/*
 * The tree.
 */

unsigned int page_bits_levels(size_t nchunks)
{
	unsigned int n = 1;

	while (n < BITS_LEVELS && page_bits_nodes(nchunks, n - 1) > FANOUT)
		n++;
	return n;
}

/* Pages below a node with all its children. */
static size_t node_pages(unsigned int level)
{
	return (size_t)CHUNK_PAGES << (level * FANOUT_SHIFT);
}

/* Of n nodes in a row, each over size pages. */
static struct page_sum merge(const struct page_sum *s, size_t n, size_t size)
{
	struct page_sum all = { 0 };
	size_t run = 0;

	for (size_t i = 0; i < n; i++) {
		if (run == i * size)
			all.start = (u32)(run + s[i].start);
		if (run + s[i].start > all.max)
			all.max = (u32)(run + s[i].start);
		if (s[i].max > all.max)
			all.max = s[i].max;
		run = s[i].start == size ? run + size : s[i].end;
	}
	all.end = (u32)run;
	return all;
}

/* Returns whether that is new. */
static bool set_sum(struct page_sum *to, struct page_sum s)
{
	bool same = to->start == s.start && to->max == s.max &&
		    to->end == s.end;

	*to = s;
	return !same;
}

/* Nodes of a level from first to last.  Returns whether one is new. */
static bool update_level(struct page_bits *b, unsigned int l, size_t first,
			 size_t last)
{
	size_t below = page_bits_nodes(b->nchunks, l - 1);
	bool changed = false;

	for (size_t i = first; i <= last; i++) {
		size_t kid = i << FANOUT_SHIFT, n = below - kid;

		changed |= set_sum(&b->level[l][i],
				   merge(&b->level[l - 1][kid],
					 n < FANOUT ? n : FANOUT,
					 node_pages(l - 1)));
	}
	return changed;
}

/*
 * The pages from first to last have changed: so may nodes above them, up to
 * the first level where none does; or all of them.
 */
static void update(struct page_bits *b, size_t first, size_t last, bool all)
{
	unsigned int levels = page_bits_levels(b->nchunks);
	bool changed = all;

	first >>= CHUNK_SHIFT;
	last >>= CHUNK_SHIFT;
	for (size_t i = first; i <= last; i++)
		changed |= set_sum(&b->level[0][i], chunk_sum(&b->chunk[i]));
	for (unsigned int l = 1; l < levels && changed; l++) {
		first >>= FANOUT_SHIFT;
		last >>= FANOUT_SHIFT;
		changed = update_level(b, l, first, last) || all;
	}
}

void page_bits_grow(struct page_bits *b, size_t n, bool usable)
{
	size_t old = b->nchunks, levels = old ? page_bits_levels(old) : 1;

	for (size_t i = old; i < old + n; i++) {
		for (unsigned int w = 0; w < CHUNK_WORDS; w++) {
			b->chunk[i].used[w] = usable ? 0 : ALL_ONES;
			b->chunk[i].released[w] = usable ? ALL_ONES : 0;
		}
	}
	b->nchunks = old + n;
	/* A level that was not there covers the old ones, too. */
	if (page_bits_levels(b->nchunks) != levels)
		old = 0;
	update(b, old << CHUNK_SHIFT, (b->nchunks << CHUNK_SHIFT) - 1, true);
}

/*
 * Where n pages in a row begin among the nodes of a level from i to end: in
 * *node, or (true) across a border, at page *at.  Both exist or PAGE_NONE.
 */
static bool level_find(const struct page_bits *b, unsigned int level,
		       size_t i, size_t end, size_t n, size_t *at)
{
	size_t size = node_pages(level), run = 0;

	for (; i < end; i++) {
		const struct page_sum *s = &b->level[level][i];

		if (run + s->start >= n) {
			*at = i * size - run;
			return true;
		}
		if (s->max >= n) {
			*at = i;
			return false;
		}
		run = s->start == size ? run + size : s->end;
	}
	*at = PAGE_NONE;
	return true;
}

size_t page_bits_find(const struct page_bits *b, size_t n)
{
	unsigned int l = b->nchunks ? page_bits_levels(b->nchunks) : 0;
	size_t i = 0, end, at;

	if (!l)
		return PAGE_NONE;
	for (end = page_bits_nodes(b->nchunks, l - 1); l--;) {
		size_t hint = b->hint >> (l * FANOUT_SHIFT);
		size_t nodes = page_bits_nodes(b->nchunks, l);

		if (end > nodes)
			end = nodes;
		if (level_find(b, l, i > hint ? i : hint, end, n, &at))
			return at;
		i = at << FANOUT_SHIFT;
		end = i + FANOUT;
	}
	return (at << CHUNK_SHIFT) + chunk_find(&b->chunk[at], n);
}

size_t page_bits_tail(const struct page_bits *b)
{
	size_t i = b->nchunks, n = 0;

	while (i && b->level[0][i - 1].start == CHUNK_PAGES) {
		n += CHUNK_PAGES;
		i--;
	}
	return i ? n + b->level[0][i - 1].end : n;
}

/*
 * Ranges of pages.
 */

/* The part of a range that lies in one word. */
struct part {
	struct page_chunk *chunk;
	unsigned int word;
	u64 mask;
};

static bool next_part(const struct page_bits *b, size_t *page, size_t *n,
		      struct part *p)
{
	unsigned int bit = *page % 64;
	size_t take = 64 - bit < *n ? 64 - bit : *n;

	if (!*n)
		return false;
	p->chunk = &b->chunk[*page >> CHUNK_SHIFT];
	p->word = *page % CHUNK_PAGES / 64;
	p->mask = bits_mask(bit, take);
	*page += take;
	*n -= take;
	return true;
}

bool page_bits_free(const struct page_bits *b, size_t page, size_t n)
{
	struct part p;

	if (page + n > b->nchunks << CHUNK_SHIFT)
		return false;
	while (next_part(b, &page, &n, &p))
		if (p.chunk->used[p.word] & p.mask)
			return false;
	return true;
}

size_t page_bits_take(struct page_bits *b, size_t page, size_t n)
{
	size_t first = page, last = page + n - 1, nreleased = 0;
	struct part p;

	while (next_part(b, &page, &n, &p)) {
		u64 *released = &p.chunk->released[p.word];

		nreleased += (size_t)__builtin_popcountll(*released & p.mask);
		*released &= ~p.mask;
		p.chunk->used[p.word] |= p.mask;
	}
	update(b, first, last, false);
	return nreleased;
}

static bool all_used(const struct page_bits *b, size_t page, size_t n)
{
	struct part p;

	while (next_part(b, &page, &n, &p))
		if (~p.chunk->used[p.word] & p.mask)
			return false;
	return true;
}

static void lower_hint(struct page_bits *b, size_t page)
{
	if (page >> CHUNK_SHIFT < b->hint)
		b->hint = page >> CHUNK_SHIFT;
}

bool page_bits_give(struct page_bits *b, size_t page, size_t n, bool released)
{
	size_t first = page, last = page + n - 1;
	struct part p;

	if (!all_used(b, page, n))
		return false;
	while (next_part(b, &page, &n, &p)) {
		p.chunk->used[p.word] &= ~p.mask;
		if (released)
			p.chunk->released[p.word] |= p.mask;
		else
			p.chunk->age[p.word / BLOCK_WORDS] = BLOCK_AGE;
	}
	update(b, first, last, false);
	lower_hint(b, first);
	return true;
}

size_t page_bits_take_word(struct page_bits *b, u64 *free, u64 *released)
{
	size_t page = page_bits_find(b, 1);
	struct page_chunk *c;
	unsigned int w;

	if (page == PAGE_NONE)
		return PAGE_NONE;
	b->hint = page >> CHUNK_SHIFT;
	c = &b->chunk[b->hint];
	w = page % CHUNK_PAGES / 64;
	*free = ~c->used[w];
	*released = c->released[w];
	c->used[w] = ALL_ONES;
	c->released[w] = 0;
	update(b, page, page, false);
	return ALIGN_DOWN(page, 64);
}

void page_bits_give_word(struct page_bits *b, size_t page, u64 free,
			 u64 released)
{
	struct page_chunk *c = &b->chunk[page >> CHUNK_SHIFT];
	unsigned int w = page % CHUNK_PAGES / 64;

	c->used[w] &= ~free;
	c->released[w] |= released;
	if (free & ~released)
		c->age[w / BLOCK_WORDS] = BLOCK_AGE;
	update(b, page, page, false);
	lower_hint(b, page);
}

/*
 * Blocks.
 */

/* The free pages of a block with memory behind.  Is all of it free? */
static bool block_idle(const struct page_chunk *c, unsigned int block,
		       struct page_block *pb)
{
	u64 used = 0;

	pb->n = 0;
	for (unsigned int i = 0; i < BLOCK_WORDS; i++) {
		unsigned int w = block * BLOCK_WORDS + i;

		used |= c->used[w];
		pb->mask[i] = ~c->used[w] & ~c->released[w];
		pb->n += (size_t)__builtin_popcountll(pb->mask[i]);
	}
	return !used;
}

static bool wanted(struct page_chunk *c, unsigned int block, bool whole,
		   enum page_idle idle, struct page_walk *w)
{
	if (idle == IDLE_ANY)
		return true;
	if (!whole || idle == IDLE_WHOLE)
		return whole;
	if (!c->age[block])
		return true;
	c->age[block]--;
	w->young = true;
	return false;
}

static void block_take(struct page_bits *b, const struct page_block *pb)
{
	struct page_chunk *c = &b->chunk[pb->page >> CHUNK_SHIFT];
	unsigned int w = pb->page % CHUNK_PAGES / 64;

	for (unsigned int i = 0; i < BLOCK_WORDS; i++)
		c->used[w + i] |= pb->mask[i];
	update(b, pb->page, pb->page, false);
}

bool page_bits_take_idle(struct page_bits *b, struct page_walk *w,
			 enum page_idle idle, size_t most,
			 struct page_block *pb)
{
	for (; w->block && most; most--) {
		size_t at = --w->block / CHUNK_BLOCKS;
		unsigned int block = w->block % CHUNK_BLOCKS;
		struct page_chunk *c = &b->chunk[at];
		bool whole;

		if (!b->level[0][at].max)
			continue;
		whole = block_idle(c, block, pb);
		if (!pb->n || !wanted(c, block, whole, idle, w))
			continue;
		pb->page = w->block * BLOCK_PAGES;
		block_take(b, pb);
		return true;
	}
	return false;
}

void page_bits_give_idle(struct page_bits *b, const struct page_block *pb,
			 bool released)
{
	for (unsigned int i = 0; i < BLOCK_WORDS; i++)
		if (pb->mask[i])
			page_bits_give_word(b, pb->page + i * 64, pb->mask[i],
					    released ? pb->mask[i] : 0);
}

void page_bits_count(const struct page_bits *b, size_t *free,
		     size_t *released)
{
	*free = 0;
	*released = 0;
	for (size_t i = 0; i < b->nchunks; i++) {
		for (unsigned int w = 0; w < CHUNK_WORDS; w++) {
			const struct page_chunk *c = &b->chunk[i];

			*free += (size_t)__builtin_popcountll(~c->used[w]);
			*released +=
				(size_t)__builtin_popcountll(c->released[w]);
		}
	}
}
