// SPDX-License-Identifier: ISC
/*
 * kernel/longjmp.c - longjmp() between segments.
 *
 * The link flags send the longjmp family here (ld --wrap).  A jump may land
 * on another segment than the one whose guard is set, so the guard is
 * poisoned first: the next stack check finds out where it is.  0 stays:
 * this stack is not checked.
 *
 * __longjmp_chk, to which _FORTIFY_SOURCE sends longjmp(), insists on
 * landing higher on the same stack; it becomes plain longjmp().
 *
 * An object of its own in the archive: who links without --wrap gets by
 * without it.
 */
#include <setjmp.h>

#include <arch/tls.h>

__noreturn void __real_longjmp(struct __jmp_buf_tag *env, int val);

__noreturn void __wrap_longjmp(struct __jmp_buf_tag *env, int val);
__noreturn void __wrap__longjmp(struct __jmp_buf_tag *env, int val);
__noreturn void __wrap_siglongjmp(struct __jmp_buf_tag *env, int val);
__noreturn void __wrap___longjmp_chk(struct __jmp_buf_tag *env, int val);

#ifdef GORT_ASAN
void gort_asan_unpoison_stack(void);
#else
static inline void gort_asan_unpoison_stack(void)
{
}
#endif

__public __nosplit void __wrap_longjmp(struct __jmp_buf_tag *env, int val)
{
	gort_asan_unpoison_stack();
	if (guard_get() != GUARD_NONE)
		guard_set(GUARD_POISON);
	__real_longjmp(env, val);
}

/* In glibc they differ in setjmp() only: env says what to restore. */
__public __nosplit void __wrap__longjmp(struct __jmp_buf_tag *env, int val)
{
	__wrap_longjmp(env, val);
}

__public __nosplit void __wrap_siglongjmp(struct __jmp_buf_tag *env, int val)
{
	__wrap_longjmp(env, val);
}

__public __nosplit void __wrap___longjmp_chk(struct __jmp_buf_tag *env,
					     int val)
{
	__wrap_longjmp(env, val);
}
