/* SPDX-License-Identifier: ISC */
/*
 * tests/lsan.h - for tests in which a goroutine calls exit().  LeakSanitizer
 * does not look at the stack of the thread that started it, where cmocka keeps
 * what it has allocated.
 */
#ifndef TESTS_LSAN_H
#define TESTS_LSAN_H

#include "kernel/check.h"

#ifdef WITH_ASAN
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:_cmocka_run_group_tests";
}
#endif

#endif
