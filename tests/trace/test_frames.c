// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_frames.c - the frames at a pc: those of this program, by
 * many goroutines and threads at once.
 *
 * Called as "test_frames FILE" it reads link-time addresses from standard
 * input and prints their frames: test_frames_llvm.sh compares them with others'.
 * Called as "test_frames reload ..." it is test_frames_reload.sh's.
 */
#include "trace/frames.h"

#include <gort/gort.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/symtab.h"

/* An address in the instruction that gets it. */
#if defined(__x86_64__)
#define PC_HERE(pc)	__asm__ volatile("leaq -1(%%rip), %0" : "=r" (pc))
#elif defined(__aarch64__)
#define PC_HERE(pc)	__asm__ volatile("adr %0, ." : "=r" (pc))
#endif

#define RUNNERS		8	/* goroutines; and as many threads */

extern char __executable_start[], etext[];

/* --- many at once --- */

/* These come first, when nothing has been looked up yet. */
static struct {
	uintptr_t pcs[4000];
	_Atomic(const struct frame_set *) sets[4000];
	size_t n;
	_Atomic int ready;
} race;

static void choose_pcs(void)
{
	uintptr_t start = (uintptr_t)__executable_start;
	size_t size = (size_t)(etext - __executable_start);

	race.n = (size_t)mode_times(ARRAY_SIZE(race.pcs));
	for (size_t i = 0; i < race.n; i++)
		race.pcs[i] = start + size / race.n * i;
}

/* All of them get the same set, whoever made it. */
static void look_up_all(size_t from)
{
	for (size_t i = 0; i < race.n; i++) {
		size_t k = (from + i) % race.n;
		const struct frame_set *set = frames_at(race.pcs[k]), *first = NULL;

		CHECK_EQ(set->pc, race.pcs[k]);
		CHECK_LE(1, set->n);
		if (!atomic_compare_exchange_strong(&race.sets[k], &first, set))
			CHECK_EQ((uintptr_t)first, (uintptr_t)set);
	}
}

/* Half of them begin with the same pc, the others far apart. */
static size_t begin_at(size_t id)
{
	return id % 2 ? id * race.n / (2 * RUNNERS) : 0;
}

static void *race_thread(void *arg)
{
	atomic_fetch_add(&race.ready, 1);
	while (atomic_load(&race.ready) < RUNNERS)
		sched_yield();
	look_up_all(begin_at((size_t)arg));
	return NULL;
}

static void race_goroutine(void *arg)
{
	look_up_all(begin_at((size_t)arg));
}

static void race_main(void *arg)
{
	pthread_t threads[RUNNERS];

	(void)arg;
	for (size_t i = 0; i < RUNNERS; i++) {
		CHECK_EQ(gort_go(race_goroutine, (void *)i), 0);
		CHECK_EQ(pthread_create(&threads[i], NULL, race_thread,
					(void *)(i + RUNNERS)), 0);
	}
	race_goroutine(NULL);
	for (size_t i = 0; i < RUNNERS; i++)
		pthread_join(threads[i], NULL);
}

/* The run ends when all goroutines have. */
static void test_race(void **state)
{
	(void)state;
	choose_pcs();
	assert_int_equal(gort_run(race_main, NULL), 0);
	for (size_t i = 0; i < race.n; i++)
		assert_non_null(race.sets[i]);
}

/* "f", or a part of it, such as "f.cold". */
static void check_symbol(const char *func, const char *symbol)
{
	size_t len = strlen(func);

	if (strncmp(symbol, func, len) || (symbol[len] && symbol[len] != '.'))
		fail_msg("%s is called %s", symbol, func);
}

/* The other reader of symbols says the same. */
static void test_as_symtab(void **state)
{
	u32 inlined = 0;

	(void)state;
	for (size_t i = 0; i < race.n; i++) {
		const struct frame_set *set = race.sets[i];
		const struct frame *f = set->frames;
		struct symbol sym;
		struct line line;

		inlined += set->n > 1;
		if (symtab_lookup(set->pc, &sym))
			sym.name = "";
		check_symbol(f[set->n - 1].func, sym.name);
		if (!symtab_line(set->pc, &line))
			line = (struct line){ "", sym.object, 0 };
		assert_int_equal(f->line, line.line);
		assert_non_null(strstr(f->file, line.file));
		assert_int_equal(strncmp(f->file, line.dir, strlen(line.dir)),
				 0);
	}
	assert_true(inlined > race.n / 20);
}

/* --- one pc --- */

static __attribute__((noinline)) uintptr_t own_pc(u32 *line)
{
	uintptr_t pc;

	PC_HERE(pc); *line = __LINE__;
	return pc;
}

static void test_own(void **state)
{
	const struct frame_set *set;
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
	assert_ptr_equal(frames_at(pc), set);
	/* Strings are interned. */
	set = frames_at((uintptr_t)own_pc);
	assert_ptr_not_equal(set, frames_at(pc));
	assert_ptr_equal(set->frames[0].func, frames_at(pc)->frames[0].func);
	assert_ptr_equal(set->frames[0].file, frames_at(pc)->frames[0].file);
}

static inline __attribute__((always_inline)) void inner(uintptr_t *pc,
							u32 *line)
{
	PC_HERE(*pc); *line = __LINE__;
}

static inline __attribute__((always_inline)) void middle(uintptr_t *pc,
							 u32 line[2])
{
	inner(pc, &line[0]); line[1] = __LINE__;
}

static __attribute__((noinline)) uintptr_t outer(u32 line[3])
{
	uintptr_t pc;

	middle(&pc, line); line[2] = __LINE__;
	return pc;
}

static void test_inlined(void **state)
{
	static const char *const names[] = { "inner", "middle", "outer" };
	u32 line[3];
	const struct frame_set *set = frames_at(outer(line));

	(void)state;
	assert_int_equal(set->n, 3);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(set->frames[i].func, names[i]);
		assert_non_null(strstr(set->frames[i].file, "test_frames.c"));
		assert_int_equal(set->frames[i].line, line[i]);
	}
	assert_ptr_equal(frames_at(set->pc), set);
}

/* A library without lines: its names, and its path. */
static void test_libc(void **state)
{
	const struct frame_set *set = frames_at((uintptr_t)dlsym(NULL, "insque"));

	(void)state;
	assert_int_equal(set->n, 1);
	assert_non_null(strstr(set->frames[0].func, "insque"));
	assert_non_null(strstr(set->frames[0].file, "libc"));
	assert_int_equal(set->frames[0].file[0], '/');
	assert_int_equal(set->frames[0].line, 0);
}

static void test_vdso(void **state)
{
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR), pc;
	u32 named = 0;

	(void)state;
	/* Emulators have one that the map does not show. */
	if (!vdso || mode_emulated())
		skip();
	for (pc = vdso; pc < vdso + 4096; pc += 4) {
		const struct frame_set *set = frames_at(pc);

		assert_string_equal(set->frames[0].file, "[vdso]");
		named += !!*set->frames[0].func;
	}
	assert_true(named > 10);
}

static void expect_nothing(uintptr_t pc)
{
	const struct frame_set *set = frames_at(pc);

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

/* --- trouble --- */

static void no_memory(void *arg)
{
	struct rlimit old, none;
	const struct frame_set *set;

	(void)arg;
	getrlimit(RLIMIT_AS, &old);
	none = (struct rlimit){ 0, old.rlim_max };
	CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
	set = frames_at((uintptr_t)no_memory);
	CHECK_EQ(set->pc, 0);
	CHECK_EQ(set->n, 1);
	CHECK_EQ(set->frames[0].func[0], 0);
	CHECK_EQ(set->frames[0].file[0], 0);
	frames_refresh();
	/* It was not found out, so it is still to be. */
	setrlimit(RLIMIT_AS, &old);
	set = frames_at((uintptr_t)no_memory);
	CHECK_EQ(strcmp(set->frames[0].func, "no_memory"), 0);
}

/* Comes before test_race, which gets memory. */
static void test_no_memory(void **state)
{
	(void)state;
	if (mode_sanitized() || mode_emulated())
		skip();
	child_run(no_memory, NULL);
	child_expect_exit(0);
}

static _Atomic uintptr_t next_pc;

/* For as long as it takes: there are more bytes than can be looked up. */
static void *look_up_for_ever(void *arg)
{
	for (;;)
		frames_at(atomic_fetch_add(&next_pc, 1));
	return arg;
}

static __attribute__((noinline)) void crash_here(void *arg)
{
	struct gort_waitgroup wg = { 0 };

	(void)arg;
	while (atomic_load(&next_pc) < (uintptr_t)__executable_start + 100)
		gort_yield();
	gort_waitgroup_done(&wg);
}

static void crash(void *arg)
{
	pthread_t thread;

	atomic_store(&next_pc, (uintptr_t)__executable_start);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, look_up_for_ever, NULL);
	gort_run(crash_here, arg);
}

/* A crash reads symbols, too, whatever others are at. */
static void test_crash(void **state)
{
	(void)state;
	child_run(crash, NULL);
	child_expect_text("fatal error: negative waitgroup counter");
	child_expect_text("crash_here");
	child_expect_text("test_frames.c");
	child_expect_exit(2);
}

/* --- objects that come and go: see test_frames_reload.sh --- */

static void print_set(const struct frame_set *set)
{
	for (u32 i = 0; i < set->n; i++) {
		const struct frame *f = &set->frames[i];
		const char *base = strrchr(f->file, '/');

		base = base ? base + 1 : f->file;
		printf("%s\n%s:%u\n", *f->func ? f->func : "??",
		       *base ? base : "??", f->line);
	}
}

/* Write what is in the other file over this one, which stays the same file. */
static bool overwrite(const char *path, const char *other)
{
	FILE *in = fopen(other, "r"), *out = fopen(path, "r+");
	long size = 0;
	int c;

	if (!in || !out)
		return false;
	for (; (c = getc(in)) != EOF; size++)
		putc(c, out);
	fclose(in);
	return !ftruncate(fileno(out), size) && !fclose(out);
}

/*
 * Of each "symbol:path" load the object, say what is at the symbol, unload it,
 * and say so again.  "symbol:path:other" overwrites it first, "-:path:other"
 * does nothing else; "symbol:path:rm" removes it before it is looked at.
 */
static int main_reload(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		const char *symbol = strtok(argv[i], ":");
		const char *path = strtok(NULL, ":");
		const char *other = strtok(NULL, ":");
		uintptr_t pc;
		void *so;

		if (other && strcmp(other, "rm") && !overwrite(path, other))
			return 1;
		if (*symbol == '-')
			continue;
		so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		pc = so ? (uintptr_t)dlsym(so, symbol) : 0;
		if (!pc) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		if (other && !strcmp(other, "rm"))
			unlink(path);
		errno = 4321;
		frames_refresh();
		printf("%lx\n", (unsigned long)pc);
		print_set(frames_at(pc));
		if (errno != 4321)
			return 1;
		dlclose(so);
		frames_refresh();
		print_set(frames_at(pc));
	}
	return 0;
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
		const struct frame_set *set = frames_in_file(idx, addr);

		printf("0x%016lx\n", addr);
		print_set(set);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_as_symtab),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_inlined),
		cmocka_unit_test(test_libc),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_crash),
	};

	if (argc == 2)
		return main_addr2line(argv[1]);
	if (argc > 2)
		return main_reload(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
