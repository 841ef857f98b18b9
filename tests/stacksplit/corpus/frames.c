/* Frames of all sizes, leaves, alignment. */
#include "corpus.h"

void corpus_fill(void *p, int c, unsigned long n)
{
	unsigned char *q = p;

	while (n--)
		*q++ = c;
}

long corpus_sum(const void *p, unsigned long n)
{
	const unsigned char *q = p;
	long sum = 0;

	while (n--)
		sum += *q++;
	return sum;
}

void corpus_die(int why)
{
	corpus_fail(__FILE__, __LINE__, why, 0);
	for (;;)
		;
}

#define FRAME(name, size)						\
static noinline long name(int c)					\
{									\
	unsigned char a[size];						\
									\
	corpus_fill(a, c, sizeof(a));					\
	return corpus_sum(a, sizeof(a));				\
}

FRAME(frame_1, 1)
FRAME(frame_100, 100)
FRAME(frame_300, 300)
FRAME(frame_4k, 4096)
FRAME(frame_5k, 5 * 1024)
FRAME(frame_64k, 65536)
FRAME(frame_100k, 100 * 1024)
FRAME(frame_5m, 5 * 1024 * 1024)

static noinline long frame_0(long (*f)(int), int c)
{
	return f(c) + 1;
}

static noinline long leaf_red_zone(int n)
{
	volatile int a[20];
	long sum = 0;
	int i;

	for (i = 0; i < 20; i++)
		a[i] = i * n;
	for (i = 0; i < 20; i++)
		sum += a[i];
	return sum;
}

static noinline long leaf_big(int n)
{
	volatile int a[2000];
	int i;

	for (i = 0; i < 2000; i++)
		a[i] = n;
	return a[0] + a[1999];
}

static noinline long aligned(int c)
{
	unsigned char a[100] __attribute__((aligned(64)));
	unsigned char b[100] __attribute__((aligned(256)));

	corpus_fill(a, c, sizeof(a));
	corpus_fill(b, c + 1, sizeof(b));
	expect((unsigned long)a % 64, 0);
	expect((unsigned long)b % 256, 0);
	return corpus_sum(a, sizeof(a)) + corpus_sum(b, sizeof(b));
}

static noinline long aligned_args(int a, int b, int c, int d, int e, int f,
				  int g, int h, int i, int j)
{
	unsigned char p[64] __attribute__((aligned(128)));

	corpus_fill(p, j, sizeof(p));
	expect((unsigned long)p % 128, 0);
	return corpus_sum(p, sizeof(p)) + a + b + c + d + e + f + g + h + i;
}

static noinline long recurse(int n)
{
	volatile long here = n;

	return n ? recurse(n - 1) + here : 0;
}

void test_frames(void)
{
	expect(frame_0(frame_1, 3), 4);
	expect(frame_1(7), 7);
	expect(frame_100(7), 700);
	expect(frame_300(7), 2100);
	expect(frame_4k(1), 4096);
	expect(frame_5k(1), 5120);
	expect(frame_64k(1), 65536);
	expect(frame_100k(1), 102400);
	expect(frame_5m(1), 5 * 1024 * 1024);
	expect(leaf_red_zone(2), 380);
	expect(leaf_big(21), 42);
	expect(aligned(1), 300);
	expect(aligned_args(1, 2, 3, 4, 5, 6, 7, 8, 9, 2), 128 + 45);
	expect(recurse(100), 5050);
}
