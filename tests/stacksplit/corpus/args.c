/* Everything that travels in registers or above the entry sp. */
#include <stdarg.h>

#include "corpus.h"

struct s16 { long a, b; };
struct s100 { char c[100]; };
struct s5k { char c[5120]; };

typedef float v4 __attribute__((vector_size(16)));

static noinline long forty(long a1, long a2, long a3, long a4, long a5,
			   long a6, long a7, long a8, long a9, long a10,
			   long a11, long a12, long a13, long a14, long a15,
			   long a16, long a17, long a18, long a19, long a20,
			   long a21, long a22, long a23, long a24, long a25,
			   long a26, long a27, long a28, long a29, long a30,
			   long a31, long a32, long a33, long a34, long a35,
			   long a36, long a37, long a38, long a39, long a40)
{
	char p[300];

	corpus_fill(p, 1, sizeof(p));
	return a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 +
	       a11 + a12 + a13 + a14 + a15 + a16 + a17 + a18 + a19 + a20 +
	       a21 + a22 + a23 + a24 + a25 + a26 + a27 + a28 + a29 + a30 +
	       a31 + a32 + a33 + a34 + a35 + a36 + a37 + a38 + a39 +
	       2 * a40 + corpus_sum(p, sizeof(p));
}

static noinline long vsum(int n, va_list ap)
{
	long sum = 0;

	while (n--)
		sum += va_arg(ap, long);
	return sum;
}

static noinline long variadic(int n, ...)
{
	va_list ap;
	long sum;

	va_start(ap, n);
	sum = vsum(n, ap);
	va_end(ap);
	return sum;
}

static noinline double variadic_double(int n, ...)
{
	double sum = 0;
	va_list ap;

	va_start(ap, n);
	while (n--)
		sum += va_arg(ap, double);
	va_end(ap);
	corpus_fill(&n, 0, sizeof(n));
	return sum;
}

static noinline struct s16 ret16(long a)
{
	char c = a;

	corpus_fill(&c, 1, 1);
	return (struct s16){ a, c };
}

static noinline struct s100 ret100(int c)
{
	struct s100 s;

	corpus_fill(&s, c, sizeof(s));
	return s;
}

static noinline struct s5k ret5k(int c)
{
	struct s5k s;

	corpus_fill(&s, c, sizeof(s));
	return s;
}

static noinline long take(struct s16 a, struct s100 b, struct s5k c)
{
	return a.a + a.b + corpus_sum(&b, sizeof(b)) +
	       corpus_sum(&c, sizeof(c)) + c.c[5119];
}

static noinline v4 vectors(v4 a, v4 b, v4 c, v4 d, v4 e, v4 f, v4 g, v4 h,
			   v4 i, v4 j)
{
	char p[10];

	corpus_fill(p, 0, sizeof(p));
	return a + b + c + d + e + f + g + h + i * j;
}

static noinline double doubles(double a, double b, double c, double d, float e)
{
	long z = 1;

	corpus_fill(&z, 0, sizeof(z));
	return a + b * c + d * e + z;
}

static noinline __int128 wide(__int128 a, unsigned __int128 b)
{
	long z = 1;

	corpus_fill(&z, 0, sizeof(z));
	return a * (__int128)b + z;
}

#ifdef __AVX__
typedef float v8 __attribute__((vector_size(32)));

static noinline v8 avx(v8 a, v8 b)
{
	v8 p;

	corpus_fill(&p, 0, sizeof(p));
	return a + b + p;
}

static void test_avx(void)
{
	v8 a = { 1, 2, 3, 4, 5, 6, 7, 8 }, r = avx(a, a);

	expect(r[0], 2);
	expect(r[7], 16);
}
#else
static void test_avx(void)
{
}
#endif

void test_args(void)
{
	v4 one = { 1, 2, 3, 4 }, r;
	struct s16 s = ret16(5);

	expect(forty(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
		     18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		     32, 33, 34, 35, 36, 37, 38, 39, 40), 820 + 40 + 300);
	expect(variadic(0), 0);
	expect(variadic(20, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L,
			13L, 14L, 15L, 16L, 17L, 18L, 19L, 20L), 210);
	expect(variadic_double(12, 1., 2., 3., 4., 5., 6., 7., 8., 9., 10.,
			       11., 12.), 78);
	expect(s.a + s.b, 6);
	expect(take(s, ret100(1), ret5k(1)), 6 + 100 + 5120 + 1);
	r = vectors(one, one, one, one, one, one, one, one, one, one);
	expect(r[0], 9);
	expect(r[3], 48);
	expect(doubles(1, 2, 3, 4, 5), 27);
	expect((long)wide(6, 7), 42);
	test_avx();
}
