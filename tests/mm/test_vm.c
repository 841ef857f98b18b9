// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_vm.c - guards of every kind, and the calls around mmap(2).
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/debug.h"
#include "mm/stack.h"
#include "mm/vm.h"

#undef errno
#define errno	(*__errno_location())

#define PAGES		16
#define GUARD_PAGES	4

static struct debug saved_debug;

static int setup(void **state)
{
	(void)state;
	saved_debug = debug;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	debug = saved_debug;
	return 0;
}

static size_t count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	size_t n = 0;
	int c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* May the kernel write here?  Asks without a signal. */
static bool accessible(char *p)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_int_not_equal(fd, -1);
	n = syscall(SYS_read, fd, p, 1);
	if (n < 0)
		assert_int_equal(errno, EFAULT);
	close(fd);
	return n == 1;
}

static void assert_guarded(char *p, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		assert_false(accessible(p + at));
		assert_false(accessible(p + at + PAGE_SIZE - 1));
	}
}

static void assert_accessible(char *p, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		assert_true(accessible(p + at));
		assert_true(accessible(p + at + PAGE_SIZE - 1));
	}
}

/* A guard in the middle of a mapping, on touched and untouched pages. */
static char *guarded_mapping(void)
{
	char *p = vm_alloc(PAGES * PAGE_SIZE);
	size_t size = GUARD_PAGES * PAGE_SIZE;

	assert_non_null(p);
	p[size + 1] = 1;
	errno = 99;
	assert_int_equal(vm_guard((uintptr_t)p + size, size), 0);
	assert_int_equal(errno, 99);
	assert_accessible(p, size);
	assert_guarded(p + size, size);
	assert_accessible(p + 2 * size, (PAGES - 2 * GUARD_PAGES) * PAGE_SIZE);
	return p;
}

static void free_mapping(char *p)
{
	vm_free(p, PAGES * PAGE_SIZE);
}

/* Is MADV_GUARD_INSTALL there, and not only said to be? */
static bool kernel_has_guard_regions(void)
{
	char *p = vm_alloc(PAGE_SIZE);
	bool works;

	works = !madvise(p, PAGE_SIZE, 102) && !accessible(p);
	vm_free(p, PAGE_SIZE);
	return works;
}

static void test_guard_by_default(void **state)
{
	char *p;

	(void)state;
	vm_init();
	p = guarded_mapping();
	/* Given back, the pages read as zeros, and the guard stays. */
	vm_release((uintptr_t)p, PAGES * PAGE_SIZE);
	assert_int_equal(p[0], 0);
	assert_guarded(p + GUARD_PAGES * PAGE_SIZE, GUARD_PAGES * PAGE_SIZE);
	free_mapping(p);
}

static void test_guard_region_needs_no_mapping(void **state)
{
	char *p[50];
	size_t before;

	(void)state;
	/* Sanitizers map memory themselves. */
	if (WITH_SANITIZER || !kernel_has_guard_regions())
		skip();
	debug.guardregions = 1;
	vm_init();
	before = count_mappings();
	for (size_t i = 0; i < 50; i++)
		p[i] = guarded_mapping();
	/* One each at most, not three. */
	assert_in_range(count_mappings(), before, before + 60);
	for (size_t i = 0; i < 50; i++)
		free_mapping(p[i]);
}

static void test_guard_by_mprotect(void **state)
{
	size_t before = count_mappings();
	char *p;

	(void)state;
	debug.guardregions = 0;
	vm_init();
	p = guarded_mapping();
	if (!WITH_SANITIZER)
		assert_in_range(count_mappings(), before + 2, before + 3);
	vm_release((uintptr_t)p, PAGES * PAGE_SIZE);
	assert_guarded(p + GUARD_PAGES * PAGE_SIZE, GUARD_PAGES * PAGE_SIZE);
	free_mapping(p);
}

static void test_probe(void **state)
{
	size_t before;
	char *p;
	bool one_mapping;

	(void)state;
	if (WITH_SANITIZER)
		skip();
	debug.guardregions = 1;
	vm_init();
	before = count_mappings();
	p = guarded_mapping();
	one_mapping = count_mappings() < before + 2;
	assert_int_equal(one_mapping, kernel_has_guard_regions());
	free_mapping(p);
}

/* The number of guards by mprotect() is the process's, so this is last. */
static void test_guards_run_out(void **state)
{
	char *p = vm_alloc(PAGES * PAGE_SIZE);
	int first, err = 0;
	size_t n;

	(void)state;
	debug.guardregions = 0;
	debug.maxguards = 8;
	vm_init();
	first = vm_guard((uintptr_t)p, PAGE_SIZE);
	assert_int_equal(first, 0);
	for (n = 1; n < 20; n++) {
		errno = 99;
		err = vm_guard((uintptr_t)p, PAGE_SIZE);
		assert_int_equal(errno, 99);
		if (err)
			break;
	}
	assert_int_equal(err, -ENOSPC);
	assert_in_range(n, 1, 8);
	/* A second look does not find more. */
	assert_int_equal(vm_guard((uintptr_t)p, PAGE_SIZE), -ENOSPC);
	vm_init();
	assert_int_equal(vm_guard((uintptr_t)p, PAGE_SIZE), -ENOSPC);
	free_mapping(p);
}

static void test_map(void **state)
{
	size_t size = PAGES * PAGE_SIZE;
	char *p = vm_reserve(size);

	(void)state;
	assert_non_null(p);
	assert_guarded(p, size);
	errno = 99;
	/* Something is there. */
	assert_int_equal(vm_map((uintptr_t)p, size, false), -EEXIST);
	assert_int_equal(errno, 99);
	assert_guarded(p, size);
	errno = 99;
	/* The caller says that it is his. */
	assert_int_equal(vm_map((uintptr_t)p, size / 2, true), 0);
	assert_int_equal(errno, 99);
	assert_accessible(p, size / 2);
	assert_guarded(p + size / 2, size / 2);
	vm_unmap(p, size);
	assert_int_equal(vm_map((uintptr_t)p, size, false), 0);
	assert_accessible(p, size);
	vm_unmap(p, size);
}

static void test_failures(void **state)
{
	(void)state;
	errno = 99;
	assert_null(vm_alloc((size_t)1 << 60));
	assert_null(vm_reserve((size_t)1 << 60));
	assert_int_not_equal(vm_map(PAGE_SIZE, (size_t)1 << 60, false), 0);
	assert_int_equal(errno, 99);
}

static void test_release(void **state)
{
	char *p = vm_alloc(PAGES * PAGE_SIZE);

	(void)state;
	memset(p, 1, PAGES * PAGE_SIZE);
	errno = 99;
	vm_release((uintptr_t)p + PAGE_SIZE, 2 * PAGE_SIZE);
	assert_int_equal(errno, 99);
	assert_int_equal(p[PAGE_SIZE - 1], 1);
	assert_int_equal(p[PAGE_SIZE], 0);
	assert_int_equal(p[3 * PAGE_SIZE - 1], 0);
	assert_int_equal(p[3 * PAGE_SIZE], 1);
	free_mapping(p);
}

#define vm_test(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		vm_test(test_guard_by_default),
		vm_test(test_guard_region_needs_no_mapping),
		vm_test(test_guard_by_mprotect),
		vm_test(test_probe),
		vm_test(test_map),
		vm_test(test_failures),
		vm_test(test_release),
		vm_test(test_guards_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
