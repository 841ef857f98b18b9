// SPDX-License-Identifier: ISC
/*
 * arm64/preempt.c - a signal frame on the goroutine's stack.
 *
 * What lies below the interrupted stack pointer, from high to low:
 *
 *	frame record: x29, pc + 1	<- x29 of async_preempt
 *	SVE state, if it does not fit the ucontext: "extra" records
 *	ucontext, with floating-point state and other records inside
 *	siginfo, not used		<- sp of async_preempt, 16-aligned
 */
#define _GNU_SOURCE
#include <arch/preempt.h>

#include <signal.h>
#include <string.h>
#include <ucontext.h>

/* Records in uc_mcontext.__reserved, from Linux' asm/sigcontext.h. */
#define EXTRA_MAGIC	0x45585401

/* Just behind an indirect branch: fn is no landing pad. */
#define PSR_BTYPE	((u64)3 << 10)

struct record_head {
	u32 magic;
	u32 size;
};

struct extra_record {
	struct record_head head;
	u64 data;		/* right behind the list's end */
	u32 size;
	u32 reserved[3];
};

struct frame_record {
	uintptr_t fp;
	uintptr_t pc;
};

/* The record that tells of more, or NULL. */
static struct extra_record *find_extra(const ucontext_t *uc)
{
	const char *p = (const char *)uc->uc_mcontext.__reserved;
	const char *end = p + sizeof(uc->uc_mcontext.__reserved);
	struct record_head h;

	for (; p + sizeof(h) <= end; p += h.size) {
		memcpy(&h, p, sizeof(h));
		if (h.magic == EXTRA_MAGIC)
			return (struct extra_record *)p;
		if (!h.magic || h.size < sizeof(h))
			break;
	}
	return NULL;
}

/* Bytes from uc to the end of its records, extra ones included. */
static size_t uc_size(const ucontext_t *uc)
{
	const struct extra_record *x = find_extra(uc);
	size_t size = sizeof(*uc);

	if (x && x->data + x->size > (uintptr_t)uc + size)
		size = x->data + x->size - (uintptr_t)uc;
	return size;
}

size_t sigcontext_call_size(const void *arg)
{
	return sizeof(struct frame_record) + uc_size(arg) + sizeof(siginfo_t) +
	       2 * 16;
}

void sigcontext_call(void *arg, void (*fn)(void))
{
	ucontext_t *uc = arg, *copy;
	size_t size = uc_size(uc);
	struct frame_record *rec;
	struct extra_record *x;
	uintptr_t at;

	at = ALIGN_DOWN((uintptr_t)uc->uc_mcontext.sp, 16);
	rec = (struct frame_record *)at - 1;
	copy = (ucontext_t *)ALIGN_DOWN((uintptr_t)rec - size, 16);

	/* Walkers take 1 off, as from a return address. */
	*rec = (struct frame_record){ uc->uc_mcontext.regs[29],
				      uc->uc_mcontext.pc + 1 };
	memcpy((void *)copy, uc, size);
	x = find_extra(copy);
	if (x)
		x->data += (uintptr_t)copy - (uintptr_t)uc;
	uc->uc_mcontext.sp = (uintptr_t)copy - sizeof(siginfo_t);
	uc->uc_mcontext.regs[29] = (uintptr_t)rec;
	uc->uc_mcontext.pc = (uintptr_t)fn;
	uc->uc_mcontext.pstate &= ~PSR_BTYPE;
}
