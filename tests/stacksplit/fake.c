/*
 * tests/stacksplit/fake.c - main() of a corpus program.
 *
 * Not instrumented.  With the argument "slow" the guard is set so that every
 * check takes the slow path; otherwise it is 0 and none may.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/corpus.h"

unsigned long fake_morestack_calls, fake_setsp_calls;
volatile unsigned long fake_last_sp;
int corpus_failures;

void fake_bad(void);

void fake_bad(void)
{
	fputs("wrong number for __morestack or __morestack_setsp\n", stderr);
	abort();
}

#ifdef __aarch64__
__thread unsigned long __morestack_guard;

static void guard_set(unsigned long guard)
{
	__morestack_guard = guard;
}
#else
static void guard_set(unsigned long guard)
{
	__asm__ volatile("movq %0, %%fs:0x70" : : "r" (guard) : "memory");
}
#endif

void corpus_fail(const char *file, int line, long got, long want)
{
	fprintf(stderr, "%s:%d: got %ld, want %ld\n", file, line, got, want);
	corpus_failures++;
}

int main(int argc, char **argv)
{
	int slow = argc > 1 && !strcmp(argv[1], "slow");

	if (slow)
		guard_set(~0UL);
	corpus_run();
	guard_set(0);
	if (slow && !fake_morestack_calls)
		corpus_fail(__FILE__, __LINE__, 0, 1);
	if (!slow && fake_morestack_calls)
		corpus_fail(__FILE__, __LINE__, fake_morestack_calls, 0);
	if (!fake_setsp_calls)
		corpus_fail(__FILE__, __LINE__, 0, 1);
	if (!corpus_failures)
		puts("OK");
	return corpus_failures != 0;
}
