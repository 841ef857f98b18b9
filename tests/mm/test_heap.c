// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_heap.c - the heap's interface, from every context it may be
 * used in.
 */
#include <gort/gort.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "kernel/check.h"


#define MIB	((size_t)1 << 20)

/* More than there can be; the compiler is not to know. */
static volatile size_t huge = SIZE_MAX;

static const size_t sizes[] = {
	0, 1, 7, 8, 9, 15, 16, 17, 24, 100, 128, 129, 144, 1000, 1023, 1024,
	1025, 1152, 1153, 4095, 4096, 4097, 8192, 8193, 32767, 32768, 32769,
	64 * 1024, 100000, 1 << 20, (1 << 20) + 1, 5 << 20,
};

#define NSIZES	(sizeof(sizes) / sizeof(sizes[0]))

/*
 * All of them, everywhere.
 */

static void use_alloc(void *arg)
{
	void *p[NSIZES];

	(void)arg;
	for (size_t i = 0; i < NSIZES; i++) {
		size_t align = sizes[i] > 8 ? 16 : 8;

		p[i] = gort_alloc(sizes[i]);
		CHECK_NE((uintptr_t)p[i], 0);
		CHECK_EQ((uintptr_t)p[i] % align, 0);
		CHECK_LE(sizes[i], gort_usable_size(p[i]));
		memset(p[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < NSIZES; i++) {
		const unsigned char *q = p[i];

		for (size_t k = 0; k < sizes[i]; k++)
			if (q[k] != (unsigned char)(i + 1))
				CHECK_EQ(q[k], i + 1);
		gort_free(p[i]);
	}
}

static void *use_alloc_thread(void *arg)
{
	use_alloc(arg);
	return NULL;
}

static void in_goroutine_and_g0(void *arg)
{
	use_alloc(arg);
	CHECK_EQ(gort_systemstack_call(use_alloc, arg), 0);
	CHECK_EQ(gort_blocking(use_alloc, arg), 0);
	gort_syscall_enter();
	use_alloc(arg);
	gort_syscall_exit();
}

static void test_alloc_everywhere(void **state)
{
	pthread_t thread;

	(void)state;
	use_alloc(NULL);
	assert_int_equal(gort_run(in_goroutine_and_g0, NULL), 0);
	use_alloc(NULL);
	assert_int_equal(pthread_create(&thread, NULL, use_alloc_thread, NULL),
			 0);
	pthread_join(thread, NULL);
}

/* Objects of a size do not overlap, and all of a span are given out. */
static void use_many(void *arg)
{
	enum { N = 3000 };
	size_t size = *(size_t *)arg;
	unsigned char **p = malloc(N * sizeof(*p));

	for (int i = 0; i < N; i++) {
		p[i] = gort_alloc(size);
		memset(p[i], i & 0xff, size);
	}
	for (int i = 0; i < N; i++) {
		CHECK_EQ(p[i][0], i & 0xff);
		CHECK_EQ(p[i][size - 1], i & 0xff);
	}
	/* Every other one first, so that spans stay in use in part. */
	for (int i = 0; i < N; i += 2)
		gort_free(p[i]);
	for (int i = 0; i < N; i += 2) {
		p[i] = gort_alloc(size);
		memset(p[i], i & 0xff, size);
	}
	for (int i = 0; i < N; i++) {
		CHECK_EQ(p[i][0], i & 0xff);
		CHECK_EQ(p[i][size - 1], i & 0xff);
		gort_free(p[i]);
	}
	free(p);
}

static void test_many(void **state)
{
	(void)state;
	for (size_t i = 1; i < NSIZES && sizes[i] <= 40000; i++) {
		size_t size = sizes[i];

		use_many(&size);
		assert_int_equal(gort_run(use_many, &size), 0);
	}
}

static void use_calloc(void *arg)
{
	(void)arg;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < NSIZES; i++) {
			unsigned char *p = gort_calloc(sizes[i], 1);

			CHECK_NE((uintptr_t)p, 0);
			for (size_t k = 0; k < sizes[i]; k++)
				if (p[k])
					CHECK_EQ(p[k], 0);
			memset(p, 0xff, gort_usable_size(p));
			gort_free(p);
		}
	errno = 0;
	CHECK_EQ((uintptr_t)gort_calloc(huge / 2, 3), 0);
	CHECK_EQ(errno, ENOMEM);
}

static void test_zeroed(void **state)
{
	(void)state;
	use_calloc(NULL);
	assert_int_equal(gort_run(use_calloc, NULL), 0);
}

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7 + (i >> 8));
}

static void check_filled(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (unsigned char)(i * 7 + (i >> 8)))
			CHECK_EQ(p[i], (unsigned char)(i * 7 + (i >> 8)));
}

static void use_realloc(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t k = 0; k < NSIZES; k++) {
			size_t least = sizes[i] < sizes[k] ? sizes[i] :
							     sizes[k];
			unsigned char *p = gort_realloc(NULL, sizes[i]);

			CHECK_NE((uintptr_t)p, 0);
			fill(p, sizes[i]);
			p = gort_realloc(p, sizes[k]);
			CHECK_NE((uintptr_t)p, 0);
			CHECK_LE(sizes[k], gort_usable_size(p));
			check_filled(p, least);
			gort_free(p);
		}
}

/* What cannot grow stays as it was. */
static void realloc_fails(void *arg)
{
	unsigned char *p = gort_alloc(1000);

	(void)arg;
	fill(p, 1000);
	errno = 0;
	CHECK_EQ((uintptr_t)gort_realloc(p, huge / 4), 0);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ((uintptr_t)gort_realloc(p, huge), 0);
	check_filled(p, 1000);
	gort_free(p);
}

static void test_resize(void **state)
{
	(void)state;
	use_realloc(NULL);
	realloc_fails(NULL);
	assert_int_equal(gort_run(use_realloc, NULL), 0);
	assert_int_equal(gort_run(realloc_fails, NULL), 0);
}

/* A large object grows into what is free behind it. */
static void test_resize_large(void **state)
{
	unsigned char *p = gort_alloc(MIB), *q;

	(void)state;
	fill(p, MIB);
	for (size_t size = MIB; size <= 16 * MIB; size += MIB) {
		q = gort_realloc(p, size);
		assert_non_null(q);
		check_filled(q, MIB);
		p = q;
	}
	q = gort_realloc(p, 2 * MIB);
	/* Where each object is checked it moves, so that old pointers are
	 * noticed. */
	if (!mode_sanitized() && !mode_gortdebug("heappoison=1"))
		assert_ptr_equal(q, p);
	assert_int_equal(gort_usable_size(q), 2 * MIB);
	check_filled(q, MIB);
	gort_free(q);
}

static void use_aligned(void *arg)
{
	(void)arg;
	for (size_t align = 1; align <= 16 * MIB; align *= 2)
		for (size_t i = 0; i < NSIZES; i++) {
			void *p = gort_aligned_alloc(align, sizes[i]), *q;

			CHECK_NE((uintptr_t)p, 0);
			CHECK_EQ((uintptr_t)p % align, 0);
			CHECK_LE(sizes[i], gort_usable_size(p));
			memset(p, 1, sizes[i]);
			q = gort_aligned_alloc(align, sizes[i]);
			CHECK_EQ((uintptr_t)q % align, 0);
			gort_free(p);
			gort_free(q);
		}
}

static void test_aligned(void **state)
{
	(void)state;
	use_aligned(NULL);
	assert_int_equal(gort_run(use_aligned, NULL), 0);
}

static void use_errors(void *arg)
{
	const size_t bad[] = { 0, 3, 24, huge };

	(void)arg;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		CHECK_EQ((uintptr_t)gort_aligned_alloc(bad[i], 8), 0);
		CHECK_EQ(errno, EINVAL);
	}
	errno = 0;
	CHECK_EQ((uintptr_t)gort_aligned_alloc(huge / 4 + 1, 8), 0);
	CHECK_EQ(errno, ENOMEM);
	for (size_t size = huge; size > huge / 8; size -= huge / 9) {
		errno = 0;
		CHECK_EQ((uintptr_t)gort_alloc(size), 0);
		CHECK_EQ(errno, ENOMEM);
	}
	errno = 77;
	gort_free(NULL);
	gort_free(gort_alloc(100 * MIB));
	gort_free(gort_alloc(10));
	CHECK_EQ(errno, 77);
	CHECK_EQ(gort_usable_size(NULL), 0);
}

static void test_errors(void **state)
{
	(void)state;
	use_errors(NULL);
	assert_int_equal(gort_run(use_errors, NULL), 0);
}

/*
 * What one P frees of another's is used again.
 */

#define RING	1024

struct ring {
	struct gort_chan *chan;
	uintptr_t lo, hi;	/* addresses seen */
};

static void producer(void *arg)
{
	struct ring *r = arg;

	for (int i = 0; i < 200000; i++) {
		void *p = gort_alloc(64);
		uintptr_t a = (uintptr_t)p;

		r->lo = a < r->lo ? a : r->lo;
		r->hi = a > r->hi ? a : r->hi;
		CHECK_EQ(gort_chan_send(r->chan, &p), 0);
	}
	gort_chan_close(r->chan);
}

static void consume(void *arg)
{
	struct ring r = {
		.chan = gort_chan_new(sizeof(void *), RING),
		.lo = UINTPTR_MAX,
	};
	void *p;

	(void)arg;
	CHECK_EQ(gort_go(producer, &r), 0);
	while (!gort_chan_recv(r.chan, &p))
		gort_free(p);
	gort_chan_free(r.chan);
	/* 64 bytes a piece, a thousand on the way: far below 12 MiB. */
	CHECK_LT(r.hi - r.lo, 4 * MIB);
}

static void test_remote_free(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "2", 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(gort_run(consume, NULL), 0);
	unsetenv("GORTMAXPROCS");
}

/*
 * What is freed of a P's that does nothing any more is given back by it.
 */

#define HOARD	20000

struct hoard {
	void *p[HOARD];
	_Atomic bool full;
};

static void hoarder(void *arg)
{
	struct hoard *h = arg;

	for (int i = 0; i < HOARD; i++)
		h->p[i] = gort_alloc(400);
	atomic_store(&h->full, true);
}

static void rob(void *arg)
{
	static struct hoard h;
	struct gort_memstats st;
	uint64_t before;

	(void)arg;
	CHECK_EQ(gort_read_memstats(&st), 0);
	before = st.heap_inuse;
	atomic_store(&h.full, false);
	CHECK_EQ(gort_go(hoarder, &h), 0);
	/* Without letting it run here. */
	while (!atomic_load(&h.full))
		;
	CHECK_EQ(gort_read_memstats(&st), 0);
	CHECK_LT(before + HOARD * 400, st.heap_inuse);
	for (int i = 0; i < HOARD; i++)
		gort_free(h.p[i]);
	do {
		gort_sleep_ns(1000000);
		CHECK_EQ(gort_read_memstats(&st), 0);
	} while (st.heap_inuse > before + HOARD * 100);
}

static void test_idle_p(void **state)
{
	(void)state;
	setenv("GORTMAXPROCS", "2", 1);
	assert_int_equal(gort_run(rob, NULL), 0);
	unsetenv("GORTMAXPROCS");
}

static void fill_and_free(void *arg)
{
	enum { N = 1000 };
	static void *p[N];
	struct gort_memstats before, after;

	(void)arg;
	for (int i = 0; i < N; i++) {
		p[i] = gort_alloc(20000);
		memset(p[i], 1, 20000);
	}
	for (int i = 0; i < N; i++)
		gort_free(p[i]);
	CHECK_EQ(gort_read_memstats(&before), 0);
	CHECK_LT(N * 15000, gort_free_os_memory());
	CHECK_EQ(gort_read_memstats(&after), 0);
	CHECK_LT(before.heap_released + N * 15000, after.heap_released);
	CHECK_EQ(after.heap_idle - after.heap_released, 0);
}

static void test_free_os_memory(void **state)
{
	(void)state;
	assert_int_equal(gort_free_os_memory(), -EPERM);
	assert_int_equal(gort_run(fill_and_free, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_everywhere),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_resize_large),
		cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_remote_free),
		cmocka_unit_test(test_idle_p),
		cmocka_unit_test(test_free_os_memory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
