// SPDX-License-Identifier: ISC
/*
 * mm/span.c - spans: their records, who owns them, and what is free in them.
 *
 * A span belongs to one owner, who alone writes its free bits: a heap cache
 * or the central list.  A cache keeps all spans that it allocated from, so
 * that what a P allocates and frees itself costs no atomic operation.  Others
 * set a bit in words[].remote and see to it that the span is on its owner's
 * stack of spans with such bits; the owner takes that stack whole when it
 * runs out of objects, so what others free is allocated again before the heap
 * grows.  The central list has spans with room that were given up: by Ps and
 * threads that ended, and by heap_flush().
 *
 * Rejected: spans that belong to nobody unless they are current (as in Go):
 * explicit frees then cost an atomic operation each.  Lists of free objects
 * through the objects (as in most allocators): a write after free would
 * corrupt the heap, and a double free would not be seen.
 *
 * Invariants:
 *  I1  Each object of a span in use is either somebody's, or free, freed or
 *	remote: a bit set in two words is a double free.
 *  I2  A span with remote bits is on some owner's stack, or is about to be
 *	put there by who set them.
 *  I3  A span on a stack may have changed hands since; who takes it passes it
 *	on.  One that is in use no more is dropped.
 *  I4  PARTIAL has free or freed bits, FULL has none; countdown is what is
 *	in use of the first, 1 of the second, and of a CURRENT one anything.
 *
 * Locks: central.lock, then the page heap's.
 */
#include "mm/heap.h"

#include <string.h>

#include "kernel/sanitize.h"
#include "mm/cache.h"
#include "mm/heap_section.h"
#include "mm/heaptrace.h"
#include "mm/span_list.h"

static struct {
	struct lock lock;
	struct span_owner owner;
	struct span *partial[NR_SIZE_CLASSES];
	struct span *records[CLASS_WORDS_MAX + 1]; /* unused, by ->nwords */
} central = { .lock = LOCK_INIT(RANK_HEAP_CENTRAL) };

/*
 * Words.
 */

static u64 full_word(const struct span *s, unsigned int i)
{
	unsigned int first = 64 * i, rest = s->nobj - first;

	if (first >= s->nobj)
		return 0;
	return rest >= 64 ? ~(u64)0 : ((u64)1 << rest) - 1;
}

/* What its owner freed can be allocated again. */
static void word_refill(struct span_word *w)
{
	word_set_free(w, word_free(w) | word_freed(w));
	word_set_freed(w, 0);
}

/* Objects in use, remote ones among them. */
static s32 span_live(const struct span *s)
{
	s32 n = s->nobj;

	for (unsigned int i = 0; i < s->nwords; i++)
		n -= (s32)count_bits(word_free(&s->words[i]) |
				     word_freed(&s->words[i]));
	return n;
}

/*
 * Take in what others freed.  Seq_cst: pairs with span_free_remote(), see
 * there; as an acquire it also makes the freed memory ours.
 */
static u32 span_merge(struct span *s)
{
	u32 n = 0;

	for (unsigned int i = 0; i < s->nwords; i++) {
		struct span_word *w = &s->words[i];
		u64 none = ~full_word(s, i), bits, free;

		if (atomic_load_explicit(&w->remote, memory_order_seq_cst) ==
		    none)
			continue;
		bits = atomic_exchange_explicit(&w->remote, none,
						memory_order_seq_cst) & ~none;
		free = word_free(w) | word_freed(w);
		if (unlikely(free & bits))
			heap_double_free(s, 64 * i + (u32)__builtin_ctzll(
					 free & bits));
		word_set_freed(w, word_freed(w) | bits);
		n += (u32)count_bits(bits);
	}
	return n;
}

/*
 * Lists and states.
 */

static void list_push(struct span **head, struct span *s)
{
	s->prev = NULL;
	s->next = *head;
	if (s->next)
		s->next->prev = s;
	*head = s;
}

static void list_remove(struct span **head, struct span *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		*head = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

static void owner_push(struct span_owner *o, struct span *s)
{
	struct span *head = atomic_load_explicit(&o->remote,
						 memory_order_relaxed);

	do {
		s->remote_next = head;
	} while (!atomic_compare_exchange_weak_explicit(&o->remote, &head, s,
			memory_order_release, memory_order_relaxed));
}

/* span_queue - have its owner look at a span.  Context: any thread.
 * nosplit: as span_free_remote(). */
void __nosplit span_queue(struct span *s)
{
	struct span_owner *o;

	if (atomic_exchange_explicit(&s->queued, 1, memory_order_seq_cst))
		return;
	/* NULL: it is in use no more. */
	o = atomic_load_explicit(&s->owner, memory_order_acquire);
	owner_push(o ? o : &central.owner, s);
}

/*
 * A span taken from a stack is in use no more.  If it is again by now, who
 * frees there may have seen it queued.  Seq_cst as in span_free_remote().
 */
static void drop_unused(struct span *s)
{
	atomic_store_explicit(&s->queued, 0, memory_order_seq_cst);
	if (atomic_load_explicit(&s->owner, memory_order_seq_cst))
		span_queue(s);
}

/*
 * span_free_remote - object idx is free; the caller does not own the span.
 * False: it was free already.
 *
 * Two words are written and read crosswise, in seq_cst order:
 *
 *	who frees			the owner
 *	set the bit in remote		queued = 0
 *	is it queued?			take remote's bits
 *
 * so either the owner sees the bit or the span is queued again.
 *
 * nosplit: a check could move the caller to another P, in the middle of what
 * it does with the cache of this one.
 */
bool __nosplit span_free_remote(struct span *s, u32 idx)
{
	struct span_word *w = &s->words[idx / 64];
	u64 bit = (u64)1 << idx % 64;

	if (unlikely((word_free(w) | word_freed(w)) & bit))
		return false;
	if (unlikely(atomic_fetch_or_explicit(&w->remote, bit,
					      memory_order_seq_cst) & bit))
		return false;
	if (!atomic_load_explicit(&s->queued, memory_order_seq_cst))
		span_queue(s);
	return true;
}

/*
 * Records and pages.
 */

static size_t record_size(unsigned int nwords)
{
	return ALIGN_UP(sizeof(struct span) +
			nwords * sizeof(struct span_word), 64);
}

static void record_put(struct span *s)
{
	atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
	s->state = SPAN_UNUSED;
	lock_any(&central.lock);
	s->next = central.records[s->nwords];
	central.records[s->nwords] = s;
	unlock_any(&central.lock);
}

static struct span *record_get(unsigned int nwords)
{
	struct span *s;

	lock_any(&central.lock);
	s = central.records[nwords];
	if (s)
		central.records[nwords] = s->next;
	unlock_any(&central.lock);
	if (!s) {
		s = meta_alloc(record_size(nwords), 64);
		if (s)
			s->nwords = (u8)nwords;
	}
	return s;
}

static void table_set(struct span *s, u32 npages, struct span *to)
{
	_Atomic(struct span *) *entry = page_span(s->base);

	/* Release: pairs with the dependent loads of who looks a span up. */
	for (u32 i = 0; i < npages; i++)
		atomic_store_explicit(&entry[i], to, memory_order_release);
}

/* Of large objects: no cache and no list. */
static struct span_owner large_owner;

/*
 * span_new_large - one object of that many pages.  NULL: no memory.
 * Only its first page leads to it: what points elsewhere is no object.
 */
struct span *span_new_large(struct heap_cache *hc, size_t npages,
			    size_t align)
{
	struct span *s;
	bool zeroed;

	if (npages > UINT32_MAX)
		return NULL;
	s = record_get(0);
	if (!s)
		return NULL;
	s->base = pages_alloc(&hc->pages, &hc->book, npages, align, &zeroed);
	if (!s->base) {
		record_put(s);
		return NULL;
	}
	s->npages = (u32)npages;
	s->nobj = 1;
	s->zeroed = zeroed;
	s->state = SPAN_LARGE;
	atomic_store_explicit(&s->owner, &large_owner, memory_order_relaxed);
	table_set(s, 1, s);
	heap_trace_span(TRACE_ALLOC, s);
	return s;
}

/* The caller has taken it out of the table. */
void span_free_large(struct heap_cache *hc, struct span *s)
{
	heap_trace_span(TRACE_FREE, s);
	pages_free(&hc->book, s->base, s->npages);
	record_put(s);
}

/* Objects nobody had yet look as if they were freed. */
static __cold void fill_new(struct span *s)
{
	size_t size = (size_t)s->npages << HPAGE_SHIFT;

	san_heap_alloc((void *)s->base, size);
	if (heap_poison)
		memset((void *)s->base, POISON_FREE, size);
	san_heap_free((void *)s->base, size);
}

static struct span *span_new(struct heap_cache *hc, unsigned int class)
{
	struct span *s = record_get(class_words[class]);
	bool zeroed;

	if (!s)
		return NULL;
	s->base = pages_alloc(&hc->pages, &hc->book, class_pages[class], 1,
			      &zeroed);
	if (!s->base) {
		record_put(s);
		return NULL;
	}
	s->size = class_size[class];
	s->magic = class_magic[class];
	s->npages = class_pages[class];
	s->class = (u8)class;
	s->nobj = class_objs[class];
	for (unsigned int i = 0; i < s->nwords; i++) {
		u64 full = full_word(s, i);

		word_set_free(&s->words[i], 0);
		word_set_freed(&s->words[i], full);
		atomic_store_explicit(&s->words[i].remote, ~full,
				      memory_order_relaxed);
	}
	/* Seq_cst: pairs with drop_unused(). */
	atomic_store_explicit(&s->owner, &hc->owner, memory_order_seq_cst);
	table_set(s, s->npages, s);
	if (unlikely(heap_poison || HEAP_SANITIZED))
		fill_new(s);
	heap_trace_span(TRACE_ALLOC, s);
	return s;
}

/* No object of it is in use; it is on no list. */
static void span_release(struct heap_cache *hc, struct span *s)
{
	heap_trace_span(TRACE_FREE, s);
	table_set(s, s->npages, NULL);
	pages_free(&hc->book, s->base, s->npages);
	record_put(s);
	heap_trace_live();
}

/*
 * A cache's spans.
 */

/* A span of up to so many pages stays when it is empty, as the only one with
 * room: it would soon be wanted again. */
#define SPARE_PAGES	2

/* So many new pages between two looks at what is kept for nothing. */
#define RECLAIM_PAGES	32

/* Objects of s were freed: list it, or let it go. */
static void settle(struct heap_cache *hc, struct span *s)
{
	struct span **list = &hc->partial[s->class];

	switch (s->state) {
	case SPAN_CURRENT:
		s->countdown = INT32_MAX;
		break;
	case SPAN_FULL:
		s->countdown = span_live(s);
		if (s->countdown == s->nobj) {
			s->countdown = 1;
			break;
		}
		s->state = SPAN_PARTIAL;
		list_push(list, s);
		/* fall through */
	case SPAN_PARTIAL:
		if (s->countdown > 0 ||
		    (s->npages <= SPARE_PAGES && *list == s && !s->next))
			break;
		list_remove(list, s);
		span_release(hc, s);
		break;
	}
}

/*
 * span_settle - the caller has freed an object of s, which it may own no
 * longer, since it may have moved to another P.  Context: inside the heap as
 * the owner of hc.
 */
void span_settle(struct heap_cache *hc, struct span *s)
{
	if (likely(atomic_load_explicit(&s->owner, memory_order_relaxed) ==
		   &hc->owner))
		settle(hc, s);
	else
		span_queue(s);
}

/* Spans that others freed objects of.  hc: whose pages they go back to. */
static void cache_drain(struct heap_cache *hc)
{
	struct span *s, *next;

	if (!atomic_load_explicit(&hc->owner.remote, memory_order_relaxed))
		return;
	s = atomic_exchange_explicit(&hc->owner.remote, NULL,
				     memory_order_acquire);
	for (; s; s = next) {
		struct span_owner *o = atomic_load_explicit(&s->owner,
						memory_order_acquire);

		next = s->remote_next;
		if (unlikely(o && o != &hc->owner)) {
			owner_push(o, s);
			continue;
		}
		if (unlikely(!o)) {
			drop_unused(s);
			continue;
		}
		atomic_store_explicit(&s->queued, 0, memory_order_seq_cst);
		s->countdown -= (s32)span_merge(s);
		settle(hc, s);
	}
}

/*
 * Slots: one word of the current span, to allocate from.
 */

u64 heap_alloc_bytes(struct heap_cache *hc)
{
	u64 left = 0;

	for (unsigned int i = 1; i < NR_SIZE_CLASSES; i++)
		left += count_bits(word_free(hc->slot[i].word)) *
			class_size[i];
	return mem_get(&hc->given_bytes) - left;
}

void slot_clear(struct heap_slot *sl)
{
	static struct span_word none;

	sl->word = &none;
}

/* Fill the slot from a word of the current span with something free.  False:
 * there is none. */
static bool slot_fill(struct heap_cache *hc, struct span *s)
{
	struct heap_slot *sl = &hc->slot[s->class];

	for (unsigned int i = 0; i < s->nwords; i++) {
		struct span_word *w = &s->words[i];

		if (!word_freed(w))
			continue;
		word_refill(w);
		sl->word = w;
		sl->base = s->base + (uintptr_t)i * 64 * s->size;
		count_add(&hc->given_bytes,
			  s->size * count_bits(word_free(w)));
		return true;
	}
	return false;
}

static void make_current(struct heap_cache *hc, struct span *s)
{
	s->state = SPAN_CURRENT;
	s->countdown = INT32_MAX;
	hc->current[s->class] = s;
	slot_fill(hc, s);
}

/* The current span of a class is that no more. */
static void drop_current(struct heap_cache *hc, unsigned int class)
{
	struct heap_slot *sl = &hc->slot[class];
	struct span *s = hc->current[class];
	u64 left;

	if (!s)
		return;
	left = word_free(sl->word);
	count_add(&hc->given_bytes, -(u64)s->size * count_bits(left));
	word_set_free(sl->word, 0);
	word_set_freed(sl->word, word_freed(sl->word) | left);
	slot_clear(sl);
	hc->current[class] = NULL;
	s->state = SPAN_FULL;
	settle(hc, s);
}

static bool take_partial(struct heap_cache *hc, unsigned int class)
{
	struct span *s = hc->partial[class];

	if (!s)
		return false;
	list_remove(&hc->partial[class], s);
	make_current(hc, s);
	return true;
}

/*
 * The central list.
 */

/* central.lock held: what others freed meanwhile.  Spans without any object
 * in use are linked into *empty. */
static void central_drain_locked(struct span **empty)
{
	struct span *s, *next;

	s = atomic_exchange_explicit(&central.owner.remote, NULL,
				     memory_order_acquire);
	for (; s; s = next) {
		struct span_owner *o = atomic_load_explicit(&s->owner,
						memory_order_acquire);

		next = s->remote_next;
		if (o && o != &central.owner) {
			owner_push(o, s);
			continue;
		}
		if (!o) {
			drop_unused(s);
			continue;
		}
		atomic_store_explicit(&s->queued, 0, memory_order_seq_cst);
		s->countdown -= (s32)span_merge(s);
		if (s->countdown > 0)
			continue;
		list_remove(&central.partial[s->class], s);
		/* Who is late in span_free_remote() and queues it once more
		 * finds it in use no more. */
		atomic_store_explicit(&s->owner, NULL, memory_order_relaxed);
		s->next = *empty;
		*empty = s;
	}
}

static bool central_idle(void)
{
	return !atomic_load_explicit(&central.owner.remote,
				     memory_order_relaxed);
}

static void release_list(struct heap_cache *hc, struct span *s)
{
	struct span *next;

	for (; s; s = next) {
		next = s->next;
		span_release(hc, s);
	}
}

/* Give back what is free in the central list.  Context: inside the heap. */
void central_scavenge(struct heap_cache *hc)
{
	struct span *empty = NULL;

	if (central_idle())
		return;
	lock_any(&central.lock);
	central_drain_locked(&empty);
	unlock_any(&central.lock);
	release_list(hc, empty);
}

static bool take_central(struct heap_cache *hc, unsigned int class)
{
	struct span *s, *empty = NULL;

	lock_any(&central.lock);
	if (!central_idle())
		central_drain_locked(&empty);
	s = central.partial[class];
	if (s) {
		list_remove(&central.partial[class], s);
		atomic_store_explicit(&s->owner, &hc->owner,
				      memory_order_release);
	}
	unlock_any(&central.lock);
	release_list(hc, empty);
	if (!s)
		return false;
	make_current(hc, s);
	return true;
}

/* Spans with room go to the central list, those without use to the pages. */
static void give_partial(struct heap_cache *hc, unsigned int class)
{
	struct span *s, *empty = NULL;

	if (!hc->partial[class])
		return;
	lock_any(&central.lock);
	while ((s = hc->partial[class])) {
		list_remove(&hc->partial[class], s);
		if (s->countdown <= 0) {
			s->next = empty;
			empty = s;
			continue;
		}
		list_push(&central.partial[class], s);
		/* Release: what we know of it is seen by who takes it. */
		atomic_store_explicit(&s->owner, &central.owner,
				      memory_order_release);
	}
	unlock_any(&central.lock);
	release_list(hc, empty);
}

/*
 * cache_flush - keep only spans that are full.  Context: owner of hc, inside
 * the heap, or nobody is.
 */
void cache_flush(struct heap_cache *hc)
{
	cache_drain(hc);
	for (unsigned int i = 1; i < NR_SIZE_CLASSES; i++) {
		drop_current(hc, i);
		give_partial(hc, i);
	}
	page_cache_flush(&hc->pages);
	atomic_store_explicit(&hc->flushed, true, memory_order_relaxed);
}

/* Is there something to flush?  A hint.  Context: any. */
bool cache_keeps(struct heap_cache *hc)
{
	return !atomic_load_explicit(&hc->flushed, memory_order_relaxed) ||
	       atomic_load_explicit(&hc->owner.remote, memory_order_relaxed);
}

/* Spans of hc that are empty, but for one class's. */
static void trim(struct heap_cache *hc, unsigned int keep)
{
	for (unsigned int i = 1; i < NR_SIZE_CLASSES; i++) {
		struct span *s = hc->current[i];

		if (i == keep)
			continue;
		if (s && !span_live(s))
			drop_current(hc, i);
		s = hc->partial[i];
		if (s && s->countdown <= 0) {
			list_remove(&hc->partial[i], s);
			span_release(hc, s);
		}
	}
}

/*
 * A new span of a class is to be made.  Now and then look first at what is
 * free and kept for nothing, here and in caches that nobody uses.  True: in
 * those there was something.
 */
static bool reclaim(struct heap_cache *hc, unsigned int class)
{
	hc->new_pages += class_pages[class];
	if (likely(hc->new_pages < RECLAIM_PAGES))
		return false;
	hc->new_pages = 0;
	trim(hc, class);
	return heap_reclaim(hc);
}

/*
 * cache_refill - there is nothing free in the current word of a class: find
 * another.  False: no memory.  Context: owner of hc, inside the heap.
 */
bool cache_refill(struct heap_cache *hc, unsigned int class)
{
	struct span *s = hc->current[class];

	if (s && (slot_fill(hc, s) || (span_merge(s) && slot_fill(hc, s))))
		return true;
	drop_current(hc, class);
	atomic_store_explicit(&hc->flushed, false, memory_order_relaxed);
	if (take_partial(hc, class))
		return true;
	cache_drain(hc);
	if (take_partial(hc, class) || take_central(hc, class))
		return true;
	if (reclaim(hc, class) && take_central(hc, class))
		return true;
	s = span_new(hc, class);
	if (unlikely(!s))
		return false;
	make_current(hc, s);
	heap_trace_live();
	return true;
}

/*
 * Others.
 */

struct span *span_next(uintptr_t *cursor)
{
	size_t mapped = atomic_load_explicit(&page_heap.mapped,
					     memory_order_acquire);
	size_t i = *cursor, n = mapped >> HPAGE_SHIFT;

	for (; i < n; i++) {
		struct span *s = atomic_load_explicit(&page_heap.spans[i],
						      memory_order_acquire);

		if (s) {
			*cursor = i + s->npages;
			return s;
		}
	}
	*cursor = n;
	return NULL;
}

/* Around fork(): nobody else's lock may stay locked in the child. */
void central_fork_lock(void)
{
	lock_any(&central.lock);
}

void central_fork_unlock(void)
{
	unlock_any(&central.lock);
}
