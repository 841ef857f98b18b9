/*
 * arch/include/arch/stacksplit.h - what the stack check tells __morestack.
 *
 * stacksplit puts one number into the slow path of every check: the bytes
 * the function needs below its entry stack pointer, rounded up to 16, with
 * flags in the low four bits.  Usable from C and from assembly: #defines only.
 */
#ifndef ARCH_STACKSPLIT_H
#define ARCH_STACKSPLIT_H

/* Up to here sp itself is compared with the guard; a leaf has no check. */
#define STACKSPLIT_SMALL	256

/*
 * Below the guard: for small frames and code without checks of our own, and
 * below that for code of others (without sanitizers).  See mm/stack.h.
 */
#define STACKSPLIT_RED_ZONE	1024
#define STACKSPLIT_RESERVE	(24 << 10)

/*
 * The function may read stack-passed arguments more than 1 KiB above its
 * entry sp, or takes the address of that area, or tail-calls another
 * function, which inherits the area.
 */
#define STACKSPLIT_BIGARGS	1

/* It allocates dynamically (VLA, alloca), see __morestack_setsp. */
#define STACKSPLIT_DYNAMIC	2

#define STACKSPLIT_FLAGS	15	/* mask: the rest is the frame */

/* What a check asks for on top of the fixed frame if DYNAMIC. */
#define STACKSPLIT_DYNAMIC_ROOM	65536

/*
 * The note in every object that tells which of its code has checks, see
 * kernel/text.c.
 */
#define NOTE_GORT_NAME	"gort"
#define NOTE_GORT_TEXT	0x74786574	/* not one that core files have */

#endif
