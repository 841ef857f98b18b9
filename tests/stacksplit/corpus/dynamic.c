/* alloca and VLAs: in loops, in scopes, with many arguments, in cold code. */
#include "corpus.h"

/*
 * What was checked last is where sp is now, or a bit below.  Except if the
 * compiler peels a round of constant size off a loop: that one is static.
 */
static noinline void expect_checked(const void *p)
{
#ifndef PEELED_LOOPS
	unsigned long at = (unsigned long)p;

	expect(at >= fake_last_sp && at < fake_last_sp + 1024, 1);
#else
	expect(p != 0, 1);
#endif
}

static noinline long vla(int n)
{
	unsigned char a[n];

	expect_checked(a);
	corpus_fill(a, 1, n);
	return corpus_sum(a, n);
}

/* A leaf: the last element is below sp plus an index. */
static noinline long vla_leaf(unsigned long n)
{
	volatile unsigned char a[n];

	a[0] = a[n - 1] = 7;
	return a[0];
}

static noinline long vla_loop(int n)
{
	long sum = 0;
	int i;

	for (i = 1; i < n; i++) {
		unsigned char a[i];
		long b[i * 2];

		expect_checked(b);
		corpus_fill(a, 1, sizeof(a));
		corpus_fill(b, 2, sizeof(b));
		sum += corpus_sum(a, sizeof(a)) + corpus_sum(b, sizeof(b));
	}
	return sum;
}

static noinline long alloca_loop(int n)
{
	unsigned char *last = 0, *p;
	long sum = 0;
	int i;

	for (i = 1; i <= n; i++) {
		p = __builtin_alloca(i * 16);
		expect_checked(p);
		expect(!last || p < last, 1);
		corpus_fill(p, 1, i * 16);
		sum += corpus_sum(p, i * 16);
		last = p;
	}
	return sum;
}

static noinline long many(long a, long b, long c, long d, long e, long f,
			  long g, long h, long i, long j, long k, long l)
{
	return a + b + c + d + e + f + g + h + i + j + k + l;
}

static noinline long vla_args(int n)
{
	unsigned char a[n];
	long sum;

	corpus_fill(a, 1, n);
	sum = many(n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, a[0]);
	{
		unsigned char b[n * 2];

		corpus_fill(b, 3, sizeof(b));
		sum += many(n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, b[n]);
	}
	return sum + corpus_sum(a, n);
}

struct big { char c[600]; };

static noinline long by_value(struct big b, int x)
{
	return corpus_sum(&b, sizeof(b)) + x;
}

static noinline long vla_big_args(int n)
{
	unsigned char a[n];
	struct big b;

	corpus_fill(a, 1, n);
	corpus_fill(&b, 2, sizeof(b));
	return by_value(b, corpus_sum(a, n));
}

static noinline long vla_aligned(int n)
{
	unsigned char a[n] __attribute__((aligned(64)));
	unsigned char b[32] __attribute__((aligned(32)));

	expect((unsigned long)a % 64, 0);
	expect((unsigned long)b % 32, 0);
	corpus_fill(a, 1, n);
	corpus_fill(b, 1, 32);
	return corpus_sum(a, n) + corpus_sum(b, 32);
}

static noinline long vla_cold(int n)
{
	if (__builtin_expect(n > 10, 0)) {
		unsigned char a[n];

		corpus_fill(a, 1, n);
		if (a[3] != 1)
			corpus_die(n);
		return corpus_sum(a, n);
	}
	return 0;
}

static noinline long vla_goto(int n)
{
	long sum = 0;

again:
	{
		unsigned char a[n + 1];

		corpus_fill(a, 1, sizeof(a));
		sum += corpus_sum(a, sizeof(a));
		if (--n > 0)
			goto again;
	}
	return sum;
}

static noinline long vla_flags(int n, int m)
{
	unsigned char a[n];
	long sum = 0;
	int i;

	corpus_fill(a, 1, n);
	for (i = 0; i < m; i++) {
		unsigned char b[n + i + 1];

		corpus_fill(b, i, sizeof(b));
		if (b[n - 1] & 1)
			continue;
		if (b[0] > 5)
			break;
		sum += b[n];
	}
	return sum + corpus_sum(a, n);
}

/* Not known to the compiler, which would make constant sizes static. */
static volatile int zero;

void test_dynamic(void)
{
	expect(vla(zero + 5), 5);
	expect(vla(zero + 5000), 5000);
	expect(vla_leaf(zero + 3), 7);
	expect(vla_loop(zero + 10), 45 + 45 * 2 * 8 * 2);
	expect(alloca_loop(zero + 20), 210 * 16);
	expect(vla_args(zero + 9), 9 + 65 + 1 + 9 + 65 + 3 + 9);
	expect(vla_big_args(zero + 7), 1207);
	expect(vla_aligned(zero + 100), 132);
	expect(vla_cold(zero + 5), 0);
	expect(vla_cold(zero + 50), 50);
	expect(vla_goto(zero + 5), 20);
	expect(vla_flags(zero + 4, 10), 6 + 4);
}
