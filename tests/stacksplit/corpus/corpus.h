/* tests/stacksplit/corpus/corpus.h - programs that know their results. */
#ifndef CORPUS_H
#define CORPUS_H

#define noinline	__attribute__((noinline, noclone))
#ifdef __clang__
#undef noinline
#define noinline	__attribute__((noinline))
#endif

#define expect(got, want)						\
	do {								\
		long got_ = (got), want_ = (want);			\
		if (got_ != want_)					\
			corpus_fail(__FILE__, __LINE__, got_, want_);	\
	} while (0)

void corpus_fail(const char *file, int line, long got, long want);
void corpus_run(void);
void test_frames(void);
void test_args(void);
void test_control(void);
void test_dynamic(void);

/* Elsewhere, so that no compiler looks through it. */
void corpus_fill(void *p, int c, unsigned long n);
long corpus_sum(const void *p, unsigned long n);
void corpus_die(int why) __attribute__((noreturn, cold));

extern volatile unsigned long fake_last_sp;

#endif
