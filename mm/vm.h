/* SPDX-License-Identifier: ISC */
/*
 * mm/vm.h - address space and memory from the kernel.
 *
 * Sizes and addresses are multiples of the page size.  Any context with
 * 1 KiB of stack; errno is left alone.
 *
 * Memory is reserved (addresses only), prepared (may be touched, the kernel
 * has the pages), or ready (may be touched, counts as ours); mm/pages.h.
 */
#ifndef MM_VM_H
#define MM_VM_H

#include <stdatomic.h>

#include <arch/compiler.h>

/*
 * For tests: when 0 or more, so many further calls that map memory or change
 * its protection succeed.  The one after them fails as if there was no
 * memory; with vm_fail_for_good all that follow do.
 */
extern _Atomic s64 vm_fail_after;
extern _Atomic bool vm_fail_for_good;

/* Claim addresses without memory behind; NULL on failure. */
void *vm_reserve(size_t size);

/*
 * Put memory behind [addr, addr + size): zeroed on first touch, not counted
 * until touched, no huge pages.  claimed: the range is inside a
 * vm_reserve()d one; otherwise nothing may be there.  0, -ENOMEM, -EEXIST.
 */
int vm_map(uintptr_t addr, size_t size, bool claimed);

/* Nothing to reserved, exactly there.  0, -ENOMEM, or -EEXIST. */
int vm_reserve_at(uintptr_t addr, size_t size);

/* Reserved to prepared; huge pages as the system likes.  0 or -ENOMEM. */
int vm_prepare(uintptr_t addr, size_t size);

/* Anonymous memory anywhere, counted in mem_other; NULL on failure. */
void *vm_alloc(size_t size);
void vm_free(void *addr, size_t size);

/* Give up a range that was not vm_alloc()ed. */
void vm_unmap(void *addr, size_t size);

/*
 * Ready to prepared: give the pages back; they read as zeros afterwards.
 * false: the kernel keeps some of them, as they are: they are locked.
 */
bool vm_release(uintptr_t addr, size_t size);

/*
 * Make a range inaccessible for good.  Returns 0, or -ENOSPC when the
 * kernel has no guard regions and the mappings a process may have run out.
 */
int vm_guard(uintptr_t addr, size_t size);

void vm_init(void);

#endif
