// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_frames.c - the frames at a pc: those of this program, by
 * many goroutines and threads, and while objects come and go.
 */
#include "trace/frames.h"

#include <gort/gort.h>

#include <errno.h>
#include <sys/mman.h>

#include "child.h"

/* An address in the instruction that gets it. */
#if defined(__x86_64__)
#define PC_HERE(pc)	__asm__ volatile("leaq -1(%%rip), %0" : "=r" (pc))
#elif defined(__aarch64__)
#define PC_HERE(pc)	__asm__ volatile("adr %0, ." : "=r" (pc))
#endif

/* --- one pc --- */

static __attribute__((noinline)) uintptr_t own_pc(u32 *line)
{
	uintptr_t pc;

	PC_HERE(pc); *line = __LINE__;
	return pc;
}

static void test_own(void **state)
{
	struct frame_set *set;
	uintptr_t pc;
	u32 line;

	(void)state;
	pc = own_pc(&line);
	set = frames_at(pc);
	assert_int_equal(set->pc, pc);
	assert_int_equal(set->n, 1);
	assert_string_equal(set->frames[0].func, "own_pc");
	assert_non_null(strstr(set->frames[0].file, "test_frames.c"));
	assert_int_equal(set->frames[0].line, line);
	assert_int_equal(set->generation, 0);
	assert_int_equal(set->ids[0].func, 0);
	assert_int_equal(set->ids[0].file, 0);
	assert_ptr_equal(frames_at(pc), set);
	/* Strings are interned. */
	set = frames_at((uintptr_t)own_pc);
	assert_ptr_not_equal(set, frames_at(pc));
	assert_ptr_equal(set->frames[0].func, frames_at(pc)->frames[0].func);
	assert_ptr_equal(set->frames[0].file, frames_at(pc)->frames[0].file);
}

static void expect_nothing(uintptr_t pc)
{
	struct frame_set *set = frames_at(pc);

	assert_int_equal(set->pc, pc);
	assert_int_equal(set->n, 1);
	assert_string_equal(set->frames[0].func, "");
	assert_string_equal(set->frames[0].file, "");
	assert_int_equal(set->frames[0].line, 0);
}

static void test_unknown(void **state)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	errno = 4321;
	expect_nothing(0);
	expect_nothing(1);
	expect_nothing(UINTPTR_MAX);
	expect_nothing((uintptr_t)code);
	expect_nothing((uintptr_t)state);
	assert_int_equal(errno, 4321);
	munmap(code, 4096);
}

/* --- a file --- */

/* As "addr2line -a -f -i -s". */
static int main_addr2line(const char *path)
{
	struct frame_index *idx = frames_open_file(path);
	unsigned long addr;

	if (!idx)
		return 2;
	while (scanf("%lx", &addr) == 1) {
		struct frame_set *set = frames_in_file(idx, addr);

		printf("0x%016lx\n", addr);
		for (u32 i = 0; i < set->n; i++) {
			const struct frame *f = &set->frames[i];
			const char *base = strrchr(f->file, '/');

			base = base ? base + 1 : f->file;
			printf("%s\n%s:%u\n", *f->func ? f->func : "??",
			       *base ? base : "??", f->line);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_unknown),
	};

	if (argc == 2)
		return main_addr2line(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
