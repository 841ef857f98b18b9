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

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/debug.h"
#include "mm/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

static bool have_guard_regions;

/* Guards made by mprotect(); they stay from one run to the next. */
static _Atomic u32 guard_maps;
static _Atomic u32 guard_maps_max;

void *vm_reserve(size_t size)
{
	int saved = errno;
	void *p;

	p = mmap(NULL, size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

/*
 * An address without MAP_FIXED is a wish that every kernel and emulator
 * grants when the range is free; MAP_FIXED_NOREPLACE is too young for some.
 */
int vm_map(uintptr_t addr, size_t size, bool claimed)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	int saved = errno, err = 0;
	void *p;

	p = mmap((void *)addr, size, PROT_READ | PROT_WRITE,
		 claimed ? flags | MAP_FIXED : flags, -1, 0);
	if (p == MAP_FAILED) {
		err = -ENOMEM;
	} else if ((uintptr_t)p != addr) {
		munmap(p, size);
		err = -EEXIST;
	} else {
		madvise(p, size, MADV_NOHUGEPAGE);
	}
	errno = saved;
	return err;
}

void *vm_alloc(size_t size)
{
	int saved = errno;
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

void vm_free(void *addr, size_t size)
{
	int saved = errno;

	munmap(addr, size);
	errno = saved;
}

void vm_release(uintptr_t addr, size_t size)
{
	int saved = errno;

	madvise((void *)addr, size, MADV_DONTNEED);
	errno = saved;
}

static int guard_by_mprotect(uintptr_t addr, size_t size)
{
	u32 n = atomic_fetch_add_explicit(&guard_maps, 1,
					  memory_order_relaxed);

	if (n < atomic_load_explicit(&guard_maps_max, memory_order_relaxed)) {
		if (!mprotect((void *)addr, size, PROT_NONE))
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
