// SPDX-License-Identifier: ISC
/*
 * mm/vm.c - address space and memory from the kernel.
 *
 * Guards come in three kinds.  Linux 6.13 has guard regions
 * (MADV_GUARD_INSTALL): entries in the page table, no mapping of their own,
 * so a million guarded slots stay one mapping.  Emulators accept any advice
 * and do nothing, so the first use is proved by a fault.  Older kernels get
 * PROT_NONE, which splits mappings; a process may have vm.max_map_count of
 * them, and the rest of the program needs some as well, so half of that is
 * where it ends and slots go without.
 */
#define _GNU_SOURCE
#include "mm/vm.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/debug.h"
#include "kernel/errno.h"
#include "mm/memstat.h"
#include "mm/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

_Atomic u64 mem_other;

static bool have_guard_regions;

/* Guards made by mprotect(); they stay from one run to the next. */
static _Atomic u32 guard_maps;
static _Atomic u32 guard_maps_max;

_Atomic s64 vm_fail_after = -1;
_Atomic bool vm_fail_for_good;

static __cold bool fail_now(void)
{
	s64 left = atomic_load_explicit(&vm_fail_after, memory_order_relaxed);

	/* Once or for good: -1 or 0 is what stays behind. */
	while (left > 0 || (!left && !vm_fail_for_good))
		if (atomic_compare_exchange_weak_explicit(&vm_fail_after,
				&left, left - 1, memory_order_relaxed,
				memory_order_relaxed))
			return !left;
	return !left;
}

/* Shall this call fail, because a test wants it to? */
static bool injected(void)
{
	return unlikely(atomic_load_explicit(&vm_fail_after,
					     memory_order_relaxed) >= 0) &&
	       fail_now();
}

static void *map_at(void *addr, size_t size, int prot, int flags)
{
	flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	return injected() ? MAP_FAILED : mmap(addr, size, prot, flags, -1, 0);
}

static void *map_anywhere(size_t size, int prot)
{
	int saved = errno;
	void *p = map_at(NULL, size, prot, 0);

	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

void *vm_reserve(size_t size)
{
	return map_anywhere(size, PROT_NONE);
}

/*
 * An address without MAP_FIXED is a wish that every kernel and emulator
 * grants when the range is free; MAP_FIXED_NOREPLACE is too young for some.
 */
static int map_exactly(uintptr_t addr, size_t size, int prot)
{
	void *p = map_at((void *)addr, size, prot, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	if ((uintptr_t)p == addr)
		return 0;
	munmap(p, size);
	return -EEXIST;
}

int vm_map(uintptr_t addr, size_t size, bool claimed)
{
	int prot = PROT_READ | PROT_WRITE;
	int saved = errno, err = 0;

	if (!claimed)
		err = map_exactly(addr, size, prot);
	else if (map_at((void *)addr, size, prot, MAP_FIXED) == MAP_FAILED)
		err = -ENOMEM;
	if (!err)
		madvise((void *)addr, size, MADV_NOHUGEPAGE);
	errno = saved;
	return err;
}

int vm_reserve_at(uintptr_t addr, size_t size)
{
	int saved = errno, err = map_exactly(addr, size, PROT_NONE);

	errno = saved;
	return err;
}

int vm_prepare(uintptr_t addr, size_t size)
{
	int saved = errno, err = 0;

	if (injected() ||
	    mprotect((void *)addr, size, PROT_READ | PROT_WRITE))
		err = -ENOMEM;
	errno = saved;
	return err;
}

void *vm_alloc(size_t size)
{
	void *p = map_anywhere(size, PROT_READ | PROT_WRITE);

	if (p)
		mem_add(&mem_other, size);
	return p;
}

void vm_free(void *addr, size_t size)
{
	mem_add(&mem_other, -(u64)size);
	vm_unmap(addr, size);
}

void vm_unmap(void *addr, size_t size)
{
	int saved = errno;

	munmap(addr, size);
	errno = saved;
}

bool vm_release(uintptr_t addr, size_t size)
{
	int saved = errno;
	bool released = !madvise((void *)addr, size, MADV_DONTNEED);

	errno = saved;
	return released;
}

static int guard_by_mprotect(uintptr_t addr, size_t size)
{
	u32 n = atomic_fetch_add_explicit(&guard_maps, 1,
					  memory_order_relaxed);

	if (n < atomic_load_explicit(&guard_maps_max, memory_order_relaxed)) {
		if (!injected() && !mprotect((void *)addr, size, PROT_NONE))
			return 0;
		/* The process is at its limit already. */
		atomic_store_explicit(&guard_maps_max, 0,
				      memory_order_relaxed);
	}
	atomic_fetch_sub_explicit(&guard_maps, 1, memory_order_relaxed);
	return -ENOSPC;
}

int vm_guard(uintptr_t addr, size_t size)
{
	int saved = errno, err = 0;

	if (!have_guard_regions ||
	    madvise((void *)addr, size, MADV_GUARD_INSTALL))
		err = guard_by_mprotect(addr, size);
	errno = saved;
	return err;
}

/*
 * Is a guard region really one?  read(2) into it must fail with EFAULT: no
 * signal handler needed.
 */
static bool guard_regions_work(void)
{
	char *page = vm_alloc(2 * PAGE_SIZE);
	bool works = false;
	int fd;

	if (!page)
		return false;
	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		page[0] = 1;
		if (!madvise(page, PAGE_SIZE, MADV_GUARD_INSTALL))
			works = syscall(SYS_read, fd, page, 1) < 0 &&
				errno == EFAULT;
		close(fd);
	}
	vm_free(page, 2 * PAGE_SIZE);
	return works;
}

static u32 max_map_count(void)
{
	char buf[16] = "";
	ssize_t n = -1;
	int fd;

	fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	return n > 0 ? (u32)strtoul(buf, NULL, 10) : 65530;
}

/* Once per gort_run(), after the environment was read. */
void vm_init(void)
{
	int saved = errno;

	have_guard_regions = debug.guardregions && guard_regions_work();
	atomic_store_explicit(&guard_maps_max, debug.maxguards ?
			      debug.maxguards : max_map_count() / 4,
			      memory_order_relaxed);
	errno = saved;
}
