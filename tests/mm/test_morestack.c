// SPDX-License-Identifier: ISC
/*
 * tests/mm/test_morestack.c - calls across a segment boundary: arguments,
 * results, frames, allocation.
 *
 * at_every_depth() calls a function again and again, each time with sp 16
 * bytes higher above the end of the segment, so that each function below it
 * in turn is the one that crosses.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <alloca.h>
#include <complex.h>
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "kernel/sched.h"
#include "mm/stack.h"

#pragma GCC diagnostic ignored "-Wvla"
#pragma GCC diagnostic ignored "-Wpsabi"

#define KIB(n)		((size_t)(n) << 10)
#define SLACK		(WITH_SANITIZER ? 512 : 64)	/* they pad alloca() */

static size_t room_here(void)
{
	return stack_pointer() - segment_limit(getg()->seg);
}

/* Calls fn with about slack bytes left. */
static __noinline void near_the_end(void (*fn)(void), size_t slack)
{
	size_t room = room_here();
	volatile char *p = alloca((room - slack) & ~(size_t)15);

	*p = 1;
	fn();
	use_frame(p);
}

struct depths {
	void (*fn)(void);
	size_t from, to, step;
};

static void at_depths(void *arg)
{
	struct depths *d = arg;

	for (size_t slack = d->from; slack < d->to; slack += d->step)
		near_the_end(d->fn, slack);
}

static void at_every_depth(void (*fn)(void), size_t to)
{
	struct depths d = { fn, SLACK, to, 16 };

	run_test_goroutine(at_depths, &d);
}

static void at_some_depths(void (*fn)(void), size_t to)
{
	struct depths d = { fn, SLACK, to, to / 64 & ~(size_t)15 };

	run_test_goroutine(at_depths, &d);
}

/*
 * Integers, floating-point numbers, both.
 */

static __noinline long f40(long a1, long a2, long a3, long a4, long a5,
			   long a6, long a7, long a8, long a9, long a10,
			   long a11, long a12, long a13, long a14, long a15,
			   long a16, long a17, long a18, long a19, long a20,
			   long a21, long a22, long a23, long a24, long a25,
			   long a26, long a27, long a28, long a29, long a30,
			   long a31, long a32, long a33, long a34, long a35,
			   long a36, long a37, long a38, long a39, long a40)
{
	char frame[600];

	use_frame(frame);
	return a1 + 2 * a2 + 3 * a3 + 4 * a4 + 5 * a5 + 6 * a6 + 7 * a7 +
	       8 * a8 + 9 * a9 + 10 * a10 + 11 * a11 + 12 * a12 + 13 * a13 +
	       14 * a14 + 15 * a15 + 16 * a16 + 17 * a17 + 18 * a18 +
	       19 * a19 + 20 * a20 + 21 * a21 + 22 * a22 + 23 * a23 +
	       24 * a24 + 25 * a25 + 26 * a26 + 27 * a27 + 28 * a28 +
	       29 * a29 + 30 * a30 + 31 * a31 + 32 * a32 + 33 * a33 +
	       34 * a34 + 35 * a35 + 36 * a36 + 37 * a37 + 38 * a38 +
	       39 * a39 + 40 * a40;
}

static void call_f40(void)
{
	expect_eq(f40(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
		      17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
		      31, 32, 33, 34, 35, 36, 37, 38, 39, 40), 22140);
}

static __noinline double d12(float a, double b, float c, double d, double e,
			     double f, double g, double h, double i, float j,
			     double k, double l, int m, short n, char o)
{
	char frame[300];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j + 11 * k + 12 * l + 13 * m + 14 * n + 15 * o;
}

static void call_d12(void)
{
	expect_eq(d12(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, -14, 15),
		  1240 - 2 * 196);
}

/* An odd number of stack-passed words, small types among them. */
static __noinline int narrow(long a, long b, long c, long d, long e, long f,
			     long g, long h, signed char i, short j, int k, bool l,
			     float m)
{
	return (int)(a + b + c + d + e + f + g + h) * 100 + i + j + k + l +
	       (int)m;
}

static void call_narrow(void)
{
	expect_eq(narrow(1, 2, 3, 4, 5, 6, 7, 8, -1, 10, 100, true, 1000),
		  3600 + 1110);
}

static void test_scalars(void **state)
{
	(void)state;
	at_every_depth(call_f40, 3000);
	at_every_depth(call_d12, 1500);
	at_every_depth(call_narrow, 1500);
}

/*
 * Wide scalars.
 */

typedef __int128 i128;

static __noinline i128 wide(i128 a, long b, i128 c, long d, i128 e, i128 f,
			    long g, i128 h)
{
	char frame[200];

	use_frame(frame);
	return a + 2 * (i128)b + 3 * c + 4 * (i128)d + 5 * e + 6 * f +
	       7 * (i128)g + 8 * h;
}

static void call_wide(void)
{
	i128 big = (i128)1 << 100;
	i128 got = wide(big, 2, big, 4, 5, big, 7, 8);

	expect_eq(got >> 100, 10);
	expect_eq((long)got, 4 + 16 + 25 + 49 + 64);
}

static __noinline long double extended(long double a, int b, long double c,
				       double d, long double e, long double f,
				       long double g, long double h,
				       long double i, long double j)
{
	char frame[200];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j;
}

static __noinline long double complex twist(long double complex z, int n)
{
	char frame[200];

	use_frame(frame);
	return z * (1 + 2.0L * I) + n;
}

static void call_extended(void)
{
	volatile long double tiny = LDBL_EPSILON;
	long double complex z;

	expect_eq(extended(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 385);
	expect_eq(extended(1 + tiny, 0, 0, 0, 0, 0, 0, 0, 0, 0) == 1 + tiny, 1);
	z = twist(3 + 4 * I, 7);
	expect_eq(creall(z), 3 - 8 + 7);
	expect_eq(cimagl(z), 6 + 4);
}

static void test_wide_scalars(void **state)
{
	(void)state;
	at_every_depth(call_wide, 1500);
	at_every_depth(call_extended, 1500);
}

/*
 * Variable arguments.
 */

struct pair {
	long a;
	double b;
};

static __noinline double sum_args(const char *types, ...)
{
	double sum = 0;
	va_list ap;

	va_start(ap, types);
	for (int weight = 1; *types; types++, weight++) {
		struct pair p;

		switch (*types) {
		case 'i':
			sum += weight * va_arg(ap, int);
			break;
		case 'l':
			sum += weight * va_arg(ap, long);
			break;
		case 'd':
			sum += weight * va_arg(ap, double);
			break;
		case 'L':
			sum += weight * (double)va_arg(ap, long double);
			break;
		case 'p':
			p = va_arg(ap, struct pair);
			sum += weight * ((double)p.a + p.b);
			break;
		}
	}
	va_end(ap);
	return sum;
}

static void call_varargs(void)
{
	struct pair p = { 3, 4 };

	expect_eq(sum_args(""), 0);
	expect_eq(sum_args("iiiiiiiiiiii", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
			   12), 650);
	expect_eq(sum_args("dddddddddddd", 1., 2., 3., 4., 5., 6., 7., 8., 9.,
			   10., 11., 12.), 650);
	expect_eq(sum_args("idLpidLpidLpidLpidLpidLp",
			   1, 2., 3.L, p, 5, 6., 7.L, p, 9, 10., 11.L, p,
			   13, 14., 15.L, p, 17, 18., 19.L, p,
			   21, 22., 23.L, p), 4900 - 16 * 91 + 7 * 84);
}

static __noinline int count_char(const char *format, ...)
{
	char buf[200];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	return n;
}

static void call_vsnprintf(void)
{
	expect_eq(count_char("%d %ld %s %g %d %d %d %d %Lg", 1, 22L, "three",
			     4.5, 5, 6, 7, 8, 9.5L), 26);
}

static void test_varargs(void **state)
{
	(void)state;
	at_every_depth(call_varargs, 2500);
	at_every_depth(call_vsnprintf, 2500);
}

/*
 * Structures by value, in and out.
 */

#define STRUCT(size)							\
struct s##size {							\
	unsigned char b[size];						\
};									\
									\
static __noinline struct s##size turn##size(int n, struct s##size s,	\
					    long m)			\
{									\
	struct s##size r = s;						\
									\
	r.b[0] = (unsigned char)(s.b[size - 1] + n);			\
	r.b[size - 1] = (unsigned char)(s.b[0] + m);			\
	return r;							\
}									\
									\
static void call_turn##size(void)					\
{									\
	struct s##size s, r;						\
									\
	for (size_t i = 0; i < size; i++)				\
		s.b[i] = (unsigned char)(i * 7);			\
	s.b[0] = 1;							\
	s.b[size - 1] = 2;						\
	r = turn##size(10, s, 20);					\
	expect_eq(r.b[0], 12);						\
	expect_eq(r.b[size - 1], 21);					\
	expect_eq(s.b[0], 1);						\
	for (size_t i = 1; i < size - 1; i++)				\
		expect_eq(r.b[i], (unsigned char)(i * 7));		\
}

STRUCT(3)
STRUCT(8)
STRUCT(16)
STRUCT(17)
STRUCT(24)
STRUCT(100)
STRUCT(1000)
STRUCT(1008)
STRUCT(1024)
STRUCT(1040)
STRUCT(4096)
STRUCT(20000)
STRUCT(65536)

static void test_structs_small(void **state)
{
	(void)state;
	at_every_depth(call_turn3, 1200);
	at_every_depth(call_turn8, 1200);
	at_every_depth(call_turn16, 1200);
	at_every_depth(call_turn17, 1200);
	at_every_depth(call_turn24, 1200);
	at_every_depth(call_turn100, 1500);
}

static void test_structs_around_1_kib(void **state)
{
	(void)state;
	at_every_depth(call_turn1000, 6000);
	at_every_depth(call_turn1008, 6000);
	at_every_depth(call_turn1024, 6000);
	at_every_depth(call_turn1040, 6000);
}

static void test_structs_large(void **state)
{
	(void)state;
	at_some_depths(call_turn4096, 20000);
	at_some_depths(call_turn20000, 90000);
	at_some_depths(call_turn65536, 200000);
}

/* Floating-point members go by vector registers. */
struct hfa {
	double a, b, c, d;
};

static __noinline struct hfa rotate(struct hfa s, struct hfa t)
{
	char frame[300];

	use_frame(frame);
	return (struct hfa){ s.b + t.a, s.c + t.b, s.d + t.c, s.a + t.d };
}

static void call_rotate(void)
{
	struct hfa s = { 1, 2, 3, 4 }, t = { 10, 20, 30, 40 };
	struct hfa r = rotate(s, t);

	expect_eq(r.a, 12);
	expect_eq(r.b, 23);
	expect_eq(r.c, 34);
	expect_eq(r.d, 41);
}

/* A structure that wants more alignment than a stack pointer has. */
struct aligned {
	_Alignas(32) long a;
	long b;
};

static __noinline long use_aligned(long n, struct aligned s, long m)
{
	expect_eq((uintptr_t)&s % 32, 0);
	return n + 2 * s.a + 3 * s.b + 4 * m;
}

static void call_use_aligned(void)
{
	struct aligned s = { .a = 5, .b = 7 };

	expect_eq(use_aligned(1, s, 9), 1 + 10 + 21 + 36);
}

static void test_structs_of_other_kinds(void **state)
{
	(void)state;
	at_every_depth(call_rotate, 1500);
	at_every_depth(call_use_aligned, 1500);
}

/*
 * Vectors.
 */

typedef float v4f __attribute__((vector_size(16)));

static __noinline v4f add_v4f(v4f a, v4f b, v4f c, v4f d, v4f e, v4f f, v4f g,
			      v4f h, v4f i, v4f j, v4f k)
{
	char frame[300];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j + 11 * k;
}

static void call_add_v4f(void)
{
	v4f v = { 1, 2, 3, 4 };
	v4f r = add_v4f(v, v, v, v, v, v, v, v, v, v, 2 * v);

	for (int i = 0; i < 4; i++)
		expect_eq(r[i], 77 * (i + 1));
}

#ifdef __x86_64__
typedef double v4d __attribute__((vector_size(32)));
typedef double v8d __attribute__((vector_size(64)));

__attribute__((target("avx")))
static __noinline v4d add_v4d(v4d a, v4d b, v4d c, v4d d, v4d e, v4d f, v4d g,
			      v4d h, v4d i, v4d j, v4d k)
{
	char frame[300];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j + 11 * k;
}

__attribute__((target("avx")))
static void call_add_v4d(void)
{
	v4d v = { 1, 2, 3, 4 };
	v4d r = add_v4d(v, v, v, v, v, v, v, v, v, v, 2 * v);

	for (int i = 0; i < 4; i++)
		expect_eq(r[i], 77 * (i + 1));
}

__attribute__((target("avx512f")))
static __noinline v8d add_v8d(v8d a, v8d b, v8d c, v8d d, v8d e, v8d f, v8d g,
			      v8d h, v8d i, v8d j, v8d k)
{
	char frame[300];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j + 11 * k;
}

__attribute__((target("avx512f")))
static void call_add_v8d(void)
{
	v8d v = { 1, 2, 3, 4, 5, 6, 7, 8 };
	v8d r = add_v8d(v, v, v, v, v, v, v, v, v, v, 2 * v);

	for (int i = 0; i < 8; i++)
		expect_eq(r[i], 77 * (i + 1));
}

static void test_vectors_avx(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("avx"))
		skip();
	at_every_depth(call_add_v4d, 2000);
}

static void test_vectors_avx512(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("avx512f"))
		skip();
	at_every_depth(call_add_v8d, 3000);
}
#endif

static void test_vectors(void **state)
{
	(void)state;
	at_every_depth(call_add_v4f, 1500);
}

/*
 * Frames.
 */

#define FRAME(name, size)						\
static __noinline long name(long a, long b, long c, long d, long e,	\
			    long f, long g, long h, long i, long j)	\
{									\
	char frame[size];					\
									\
	for (size_t at = 0; at < (size); at += 4096)			\
		frame[at] = (char)at;					\
	frame[(size) - 1] = 7;						\
	use_frame(frame);						\
	return a + b + c + d + e + f + g + h + i + 1000 * j +		\
	       frame[(size) - 1];						\
}									\
									\
static void call_##name(void)						\
{									\
	expect_eq(name(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 10052);		\
}

FRAME(frame_5k, 5 << 10)
FRAME(frame_100k, 100 << 10)
FRAME(frame_5m, 5 << 20)

static void test_large_frames(void **state)
{
	(void)state;
	at_every_depth(call_frame_5k, 7000);
	at_some_depths(call_frame_100k, 120000);
	at_some_depths(call_frame_5m, 120000);
}

static __noinline long use_bytes(unsigned char *p, size_t n)
{
	long sum = 0;

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)i;
	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum;
}

static __noinline long vla(size_t n, long a, long b, long c, long d, long e,
			   long f, long g, long h)
{
	unsigned char bytes[n];

	return use_bytes(bytes, n) + a + b + c + d + e + f + g + h;
}

static void call_vla(void)
{
	volatile size_t small = 100, large = 40000;

	expect_eq(vla(small, 1, 2, 3, 4, 5, 6, 7, 8), 4950 + 36);
	expect_eq(vla(large, 1, 2, 3, 4, 5, 6, 7, 8),
		  40000 / 256 * 32640 + 64 * 63 / 2 + 36);
}

static __noinline long alloca_in_loop(int n)
{
	long sum = 0;

	for (int i = 1; i <= n; i++)
		sum += use_bytes(alloca((size_t)i), (size_t)i);
	return sum;
}

static void call_alloca(void)
{
	volatile int n = 50;

	expect_eq(alloca_in_loop(n), 50 * 51 * 49 / 6);
}

static void test_dynamic_allocation(void **state)
{
	(void)state;
	at_every_depth(call_vla, 2000);
	at_every_depth(call_alloca, 4000);
}

/*
 * Calls that are no plain calls.
 */

#ifndef __clang__
static __noinline long nested(long n)
{
	long total = 0;

	__noinline void add(long k)
	{
		char frame[100];

		use_frame(frame);
		total += k;
	}

	__noinline void add_all(long from)
	{
		if (from > n)
			return;
		add(from);
		add_all(from + 1);
	}

	add_all(1);
	return total;
}

static void call_nested(void)
{
	expect_eq(nested(10), 55);
}

static void test_nested_functions(void **state)
{
	(void)state;
	at_every_depth(call_nested, 3000);
}
#endif

static int compares;

static __noinline int compare_ints(const void *a, const void *b)
{
	char frame[400];

	use_frame(frame);
	compares++;
	return *(const int *)a - *(const int *)b;
}

static void call_qsort(void)
{
	int a[50], key = 25, *p;

	for (int i = 0; i < 50; i++)
		a[i] = i * 37 % 50;
	compares = 0;
	qsort(a, 50, sizeof(a[0]), compare_ints);
	for (int i = 0; i < 50; i++)
		expect_eq(a[i], i);
	p = bsearch(&key, a, 50, sizeof(a[0]), compare_ints);
	expect_eq(p - a, 25);
	expect_ge(compares, 50);
}

static void test_callbacks_from_libc(void **state)
{
	(void)state;
	at_every_depth(call_qsort, 6000);
}

static __noinline long tail_target(long a, long b, long c, long d, long e,
				   long f, long g, long h, long i, long j)
{
	char frame[400];

	use_frame(frame);
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
	       9 * i + 10 * j;
}

static __noinline long tail_caller(long a, long b, long c, long d, long e,
				   long f, long g, long h, long i, long j)
{
	char frame[100];

	use_frame(frame);
	return tail_target(j, i, h, g, f, e, d, c, b, a);
}

static void call_tail(void)
{
	expect_eq(tail_caller(10, 9, 8, 7, 6, 5, 4, 3, 2, 1), 385);
}

static __noinline int even(unsigned int n);

static __noinline int odd(unsigned int n)
{
	char frame[48];

	use_frame(frame);
	return n ? even(n - 1) : 0;
}

static __noinline int even(unsigned int n)
{
	char frame[16];

	use_frame(frame);
	return n ? odd(n - 1) : 1;
}

static void call_mutual(void)
{
	expect_eq(even(20), 1);
	expect_eq(odd(20), 0);
}

static void test_tail_calls(void **state)
{
	(void)state;
	at_every_depth(call_tail, 2000);
	at_every_depth(call_mutual, 4000);
}

/* errno is the goroutine's own; a slow path in between leaves it. */
static __noinline int keep_errno(int n)
{
	char frame[500];

	use_frame(frame);
	return n ? keep_errno(n - 1) : errno;
}

static void call_keep_errno(void)
{
	errno = 77;
	expect_eq(keep_errno(5), 77);
	expect_eq(errno, 77);
}

static void test_errno(void **state)
{
	(void)state;
	at_every_depth(call_keep_errno, 4000);
}

/*
 * Code without checks has the reserve.
 */

static FILE *null;

static void call_foreign(void)
{
	char buf[64];
	struct tm tm;
	time_t t = 86400;
	DIR *dir;
	char *p;

	/* Output without a buffer gets one on the stack. */
	expect_eq(fprintf(null, "%Lf", 1.5L), 8);
	expect_eq(fprintf(null, "%f", DBL_MAX), DBL_MAX_10_EXP + 8);
	expect_eq(fprintf(null, "%.3Le %a %s", 1.5L, 1.0, "x"), 18);
	expect_eq(snprintf(buf, sizeof(buf), "%.30Lf", 1.0L / 3), 32);
	expect_eq((long)strtold("12345678901234567890e-10", &p), 1234567890);
	expect_eq(*p, 0);
	expect_eq(sscanf("17 2.5", "%*d %Lf", &(long double){ 0 }), 1);
	expect_eq(localtime_r(&t, &tm) != NULL, 1);
	expect_ge(strftime(buf, sizeof(buf), "%c %Z", &tm), 10);
	p = realpath("/proc/self/../self/exe", NULL);
	expect_eq(p != NULL, 1);
	free(p);
	dir = opendir("/");
	expect_eq(dir != NULL, 1);
	expect_eq(readdir(dir) != NULL, 1);
	closedir(dir);
}

static void test_foreign_reserve(void **state)
{
	(void)state;
	null = fopen("/dev/null", "w");
	assert_non_null(null);
	setvbuf(null, NULL, _IONBF, 0);
	at_every_depth(call_foreign, 1000);
	fclose(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_wide_scalars),
		cmocka_unit_test(test_varargs),
		cmocka_unit_test(test_structs_small),
		cmocka_unit_test(test_structs_around_1_kib),
		cmocka_unit_test(test_structs_large),
		cmocka_unit_test(test_structs_of_other_kinds),
		cmocka_unit_test(test_vectors),
#ifdef __x86_64__
		cmocka_unit_test(test_vectors_avx),
		cmocka_unit_test(test_vectors_avx512),
#endif
		cmocka_unit_test(test_large_frames),
		cmocka_unit_test(test_dynamic_allocation),
#ifndef __clang__
		cmocka_unit_test(test_nested_functions),
#endif
		cmocka_unit_test(test_callbacks_from_libc),
		cmocka_unit_test(test_tail_calls),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_foreign_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
