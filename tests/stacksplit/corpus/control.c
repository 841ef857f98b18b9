/* Jumps that are not calls, calls that do not come back, odd blocks. */
#include <setjmp.h>

#include "corpus.h"

static int counter;

static noinline int step_a(int x)
{
	counter++;
	return x + 1;
}

static noinline int step_b(int x)
{
	counter--;
	return step_a(x * 2);		/* tail call */
}

static noinline int tail_pointer(int (*f)(int), int x)
{
	return f(x + 1);
}

static noinline int tail_stack(int a, int b, int c, int d, int e, int f, int g,
			       int h, int i, int j)
{
	counter++;
	return a + b + c + d + e + f + g + h + i * j;
}

static noinline int tail_to_stack(int a, int b, int c, int d, int e, int f,
				  int g, int h, int i, int j)
{
	step_a(a);
	return tail_stack(j, i, h, g, f, e, d, c, b, a);
}

static noinline int computed(const unsigned char *p)
{
	static const void *const ops[] = { &&add, &&twice, &&call, &&end };
	int acc = 0;

	goto *ops[*p++];
add:
	acc += *p++;
	goto *ops[*p++];
twice:
	acc *= 2;
	goto *ops[*p++];
call:
	acc = step_a(acc);
	goto *ops[*p++];
end:
	return acc;
}

static noinline int switched(int x)
{
	volatile int local = x;

	switch (x) {
	case 0: return step_a(1);
	case 1: return step_b(2) + 1;
	case 2: return step_a(3) + local;
	case 3: corpus_fill((void *)&local, 0, sizeof(local)); break;
	case 4: return step_a(step_b(4));
	case 5: return step_a(7) * 3;
	case 6: corpus_die(6);
	case 7: return local * 5;
	}
	return local;
}

static noinline int dies_in_the_middle(int x, int *p)
{
	if (x > 100)
		corpus_die(x);
	if (!p)
		return x;
	*p = step_a(x);
	if (*p > 200)
		corpus_die(*p);
	return *p + step_b(x);
}

/* Likely to become .part.0: the fast path is inlined. */
static int partly(int *p, int x)
{
	if (!p)
		return x;
	*p = step_a(*p);
	*p += step_b(x);
	*p += step_a(x);
	*p += step_b(*p);
	return *p;
}

static noinline int uses_partly(int *p, int x)
{
	return partly(p, x) + partly(0, x) + partly(p, x + 1);
}

static noinline int cold_path(int x)
{
	char buf[200];

	if (__builtin_expect(x < 0, 0)) {
		corpus_fill(buf, -x, sizeof(buf));
		if (corpus_sum(buf, sizeof(buf)) == 1)
			corpus_die(1);
		return corpus_sum(buf, sizeof(buf));
	}
	return x;
}

static noinline int shrink_wrapped(int *p, int n)
{
	int sum = 0, i;

	if (!p || n <= 0)
		return -1;
	for (i = 0; i < n; i++)
		sum += step_a(p[i]) + step_b(i);
	return sum;
}

static jmp_buf env;

static noinline void jumper(int depth)
{
	volatile char pad[100];

	pad[0] = depth;
	if (!depth)
		longjmp(env, 42);
	jumper(depth - 1);
	pad[1] = 1;
}

static noinline int jumps(void)
{
	volatile int n = 0;
	int r = setjmp(env);

	n++;
	if (!r)
		jumper(10);
	return r + n;
}

#ifndef __clang__
static noinline int apply(int (*f)(int), int x)
{
	return f(x);
}

static noinline int nested(int base)
{
	int calls = 0;

	int add(int x)
	{
		calls++;
		return step_a(x + base);
	}

	return add(1) + add(2) + apply(add, 3) + calls;
}
#else
static int nested(int base)
{
	return 9 + 3 * base + 3;
}
#endif

static void cleaner(int *p)
{
	counter += *p;
}

static noinline int cleaned(int x)
{
	__attribute__((cleanup(cleaner))) int guard = x;

	return step_a(guard);
}

static noinline int inline_asm(int x)
{
	int y;

#ifdef __x86_64__
	__asm__ volatile("movl %1, %0 # ; not a ' statement \"\n"
			 "\ttestl %0, %0; jz 1f; incl %0\n"
			 "1:\t/* pushq %%rax ; */ nop" : "=&r" (y) : "r" (x));
	__asm__ volatile(".pushsection .rodata.note,\"a\"; .ascii \"#;/*\";"
			 ".popsection");
#else
	__asm__ volatile("mov %w0, %w1 // ; not a ' statement \"\n"
			 "\tcbz %w0, 1f; add %w0, %w0, #1\n"
			 "1:\t/* sub sp, sp, x0 ; */ nop"
			 : "=&r" (y) : "r" (x));
	__asm__ volatile(".pushsection .rodata.note,\"a\"; .ascii \"#;/*\";"
			 ".popsection");
#endif
	return step_a(y);
}

static noinline int loop_to_entry(int n)
{
	while (n > 10)
		n -= step_a(2);
	return n;
}

__attribute__((section(".text.gort.nosplit.test"))) noinline
static int left_alone(int x)
{
	return step_a(x);
}

int step_alias(int x) __attribute__((alias("step_exported")));
int step_exported(int x);

int step_exported(int x)
{
	return step_a(x) + 1;
}

void test_control(void)
{
	static const unsigned char prog[] = { 0, 5, 1, 2, 0, 3, 3 };
	int v[] = { 1, 2, 3 }, x = 3;

	expect(step_b(4), 9);
	expect(tail_pointer(step_b, 4), 11);
	expect(tail_to_stack(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
	       10 + 9 + 8 + 7 + 6 + 5 + 4 + 3 + 2);
	expect(computed(prog), 14);
	expect(switched(0), 2);
	expect(switched(1), 6);
	expect(switched(2), 6);
	expect(switched(3), 0);
	expect(switched(4), 10);
	expect(switched(5), 24);
	expect(switched(7), 35);
	expect(switched(8), 8);
	expect(dies_in_the_middle(5, 0), 5);
	expect(dies_in_the_middle(5, &x), 6 + 11);
	x = 3;
	expect(uses_partly(&x, 2), 187);
	expect(cold_path(3), 3);
	expect(cold_path(-2), 400);
	expect(shrink_wrapped(0, 3), -1);
	expect(shrink_wrapped(v, 3), 9 + 9);
	expect(jumps(), 44);
	expect(nested(10), 9 + 30 + 3 - 0);
	expect(cleaned(4), 5);
	expect(inline_asm(4), 6);
	expect(inline_asm(0), 1);
	expect(loop_to_entry(22), 10);
	expect(left_alone(1), 2);
	expect(step_alias(1), 3);
}

void corpus_run(void)
{
	test_frames();
	test_args();
	test_control();
	test_dynamic();
}
