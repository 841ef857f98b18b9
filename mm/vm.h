/* SPDX-License-Identifier: ISC */
/*
 * mm/vm.h - address space and memory from the kernel.
 *
 * Sizes and addresses are multiples of the page size.  Any context with
 * 1 KiB of stack; errno is left alone.
 */
#ifndef MM_VM_H
#define MM_VM_H

#include <arch/compiler.h>

/* Claim addresses without memory behind; NULL on failure. */
void *vm_reserve(size_t size);

/*
 * Put memory behind [addr, addr + size): zeroed on first touch, not counted
 * until touched, no huge pages.  claimed: the range is inside a
 * vm_reserve()d one; otherwise nothing may be there.  0, -ENOMEM, -EEXIST.
 */
int vm_map(uintptr_t addr, size_t size, bool claimed);

/* Anonymous memory anywhere; NULL on failure. */
void *vm_alloc(size_t size);
void vm_free(void *addr, size_t size);

/* Give the pages back; they read as zeros afterwards. */
void vm_release(uintptr_t addr, size_t size);

/*
 * Make a range inaccessible for good.  Returns 0, or -ENOSPC when the
 * kernel has no guard regions and the mappings a process may have run out.
 */
int vm_guard(uintptr_t addr, size_t size);

void vm_init(void);

#endif
