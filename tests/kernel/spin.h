/* SPDX-License-Identifier: ISC */
/*
 * tests/kernel/spin.h - loops without calls: only a signal stops them.
 *
 * peek() is a load that no sanitizer makes a call of, and that orders
 * nothing.
 */
#ifndef TESTS_KERNEL_SPIN_H
#define TESTS_KERNEL_SPIN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define always_inline	inline __attribute__((always_inline))

static always_inline int peek(const _Atomic int *p)
{
	int v;

#ifdef __x86_64__
	__asm__ volatile("movl	%1, %0" : "=r" (v) : "m" (*p));
#else
	__asm__ volatile("ldr	%w0, %1" : "=r" (v) : "Q" (*p));
#endif
	return v;
}

static always_inline void spin_until(const _Atomic int *flag)
{
	while (!peek(flag))
		;
}

/* A few cycles. */
static always_inline void spin_times(uint64_t n)
{
	for (; n; n--)
		__asm__ volatile("");
}

static always_inline int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

/*
 * Numbers that depend on every register they were ever in: integers,
 * doubles, and where there are any, x87's.
 */
struct churn {
	uint64_t x;
	double d;
	long double l;
};

static always_inline void churn(struct churn *c, uint64_t n)
{
	uint64_t x = c->x, y = ~c->x, z = c->x ^ 0x5555;
	double d = c->d, e = c->d + 1;
	long double l = c->l;

	for (; n; n--) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		y ^= x >> 17 | x << 47;
		z += y * 31;
		d = d * 0.999 + (double)(x >> 40);
		e = e * 0.5 + d;
#ifdef __x86_64__
		l = l * 0.25L + (long double)e;
#endif
	}
	c->x = x ^ y ^ z;
	c->d = d + e;
	c->l = l;
}

#endif
