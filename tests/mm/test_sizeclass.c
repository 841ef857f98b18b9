// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_sizeclass.c - what the generated size classes promise.
 */
#include "expect.h"

#include "mm/pages.h"
#include "sizeclass.h"

static u32 span_bytes(unsigned int i)
{
	return class_pages[i] * (u32)HPAGE_SIZE;
}

static void test_sizes_grow(void **state)
{
	unsigned int i;

	(void)state;
	assert_int_equal(class_size[0], 0);
	assert_int_equal(class_size[1], 8);
	for (i = 2; i < NR_SIZE_CLASSES; i++) {
		assert_true(class_size[i] > class_size[i - 1]);
		assert_int_equal(class_size[i] % 16, 0);
	}
	assert_int_equal(class_size[NR_SIZE_CLASSES - 1], SIZE_MAX_SMALL);
}

/* Every size has the smallest class it fits in. */
static void test_class_of_size(void **state)
{
	size_t size;

	(void)state;
	assert_int_equal(size_class_of(0), 1);
	for (size = 1; size <= SIZE_MAX_SMALL; size++) {
		unsigned int i = size_class_of(size);

		assert_in_range(i, 1, NR_SIZE_CLASSES - 1);
		assert_true(class_size[i] >= size);
		assert_true(class_size[i - 1] < size);
	}
}

static void test_spans(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i < NR_SIZE_CLASSES; i++) {
		u32 size = class_size[i];
		u32 least = size <= 128 ? 64 : size <= 256 ? 40 :
			    size <= 512 ? 32 : size <= 2048 ? 8 :
			    size <= 4096 ? 4 : 2;

		assert_in_range(class_pages[i], 1, 16);
		assert_int_equal(class_objs[i], span_bytes(i) / size);
		assert_in_range(class_objs[i], least, UINT16_MAX);
		assert_int_equal(class_words[i], (class_objs[i] + 63) / 64);
	}
}

static void test_waste(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i < NR_SIZE_CLASSES; i++) {
		u32 asked = class_objs[i] * (class_size[i - 1] + 1);

		if (class_size[i] <= 128)
			assert_in_range(class_size[i] - class_size[i - 1],
					8, 16);
		else
			assert_true(span_bytes(i) - asked <=
				    span_bytes(i) / 8);
	}
}

static void test_magic_divides(void **state)
{
	unsigned int i;
	u32 off;

	(void)state;
	for (i = 1; i < NR_SIZE_CLASSES; i++) {
		for (off = 0; off < span_bytes(i); off++)
			assert_int_equal((u64)off * class_magic[i] >> 32,
					 off / class_size[i]);
	}
}

/* Powers of two are classes; what is a multiple of one has a class that is. */
static void test_alignment(void **state)
{
	size_t align, size;

	(void)state;
	for (align = 8; align <= SIZE_MAX_SMALL; align *= 2) {
		assert_int_equal(class_size[size_class_of(align)], align);
		for (size = align; size <= SIZE_MAX_SMALL; size += align)
			assert_int_equal(class_size[size_class_of(size)] %
					 align, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_grow),
		cmocka_unit_test(test_class_of_size),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_waste),
		cmocka_unit_test(test_magic_divides),
		cmocka_unit_test(test_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
