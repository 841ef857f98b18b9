// SPDX-License-Identifier: ISC
/*
 * tests/mm/interpose.c - a program that knows nothing of gort, to be run
 * with libgort-malloc.so: "interpose family" and so on, see the table below.
 *
 * Exit status 0 is success.  Of those that shall die: what is wrong is said
 * by the heap.
 */
#define _GNU_SOURCE
#include "kernel/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS		8
#define HAMMERS		3
#define SLOTS		256

/* The compiler knows what malloc() and free() do, and would drop them. */
static void *(*volatile v_malloc)(size_t) = malloc;
static void *(*volatile v_calloc)(size_t, size_t) = calloc;
static void *(*volatile v_realloc)(void *, size_t) = realloc;
static void *(*volatile v_reallocarray)(void *, size_t, size_t) = reallocarray;
static void *(*volatile v_aligned_alloc)(size_t, size_t) = aligned_alloc;
static void *(*volatile v_memalign)(size_t, size_t) = memalign;
static int (*volatile v_posix_memalign)(void **, size_t, size_t) =
	posix_memalign;
static void (*volatile v_free)(void *) = free;

static bool aligned(const void *p, size_t align)
{
	return p && (uintptr_t)p % align == 0;
}

/* Writes all of it. */
static void use_and_free(void *p)
{
	memset(p, 0xa5, malloc_usable_size(p));
	v_free(p);
}

/* p is NULL and errno is err. */
static void check_failed_with(void *p, int err)
{
	CHECK_EQ(p, NULL);
	CHECK_EQ(errno, err);
	errno = 0;
}

/* Sizes as malloc() has them, and small ones at 16 bytes, too. */
static void sizes(void)
{
	size_t size;

	for (size = 0; size < 3 << 20; size += 1 + size / 7) {
		void *p = v_malloc(size);

		CHECK_EQ(aligned(p, 16), true);
		CHECK_LE(size, malloc_usable_size(p));
		p = v_realloc(p, size / 2 + 1);
		CHECK_EQ(aligned(p, 16), true);
		use_and_free(p);
	}
	CHECK_EQ(malloc_usable_size(NULL), 0);
	v_free(NULL);
}

static void zeroes(void)
{
	size_t n, i;

	for (n = 1; n < 200000; n = n * 3 / 2 + 1) {
		char *p = v_calloc(n, 3);

		CHECK_EQ(aligned(p, 16), true);
		for (i = 0; i < 3 * n; i++)
			CHECK_EQ(p[i], 0);
		use_and_free(p);
	}
	n = 0;
	use_and_free(v_calloc(n, 8));
}

static void reallocs(void)
{
	char *p = v_realloc(NULL, 10);
	size_t n, i;

	memset(p, 'x', 10);
	for (n = 10; n < 1 << 20; n = n * 5 / 4) {
		p = v_realloc(p, n);
		CHECK_LE(n, malloc_usable_size(p));
		for (i = 0; i < 10; i++)
			CHECK_EQ(p[i], 'x');
	}
	p = v_reallocarray(p, 5, 2);
	CHECK_EQ(p[9], 'x');
	CHECK_EQ(v_realloc(p, 0), NULL);
	p = v_realloc(NULL, 0);
	CHECK_NE(p, NULL);
	CHECK_EQ(v_reallocarray(p, 0, 8), NULL);
}

static void alignments(void)
{
	size_t align, size;
	void *p;

	for (align = 1; align <= 1 << 20; align *= 2) {
		for (size = 0; size < 100000; size = size * 3 + 1) {
			p = v_memalign(align, size);
			CHECK_EQ(aligned(p, align) && aligned(p, 16), true);
			CHECK_LE(size, malloc_usable_size(p));
			use_and_free(p);
			p = v_aligned_alloc(align, size);
			CHECK_EQ(aligned(p, align) && aligned(p, 16), true);
			use_and_free(p);
			if (align < sizeof(void *))
				continue;
			CHECK_EQ(v_posix_memalign(&p, align, size), 0);
			CHECK_EQ(aligned(p, align) && aligned(p, 16), true);
			use_and_free(p);
		}
	}
	p = v_memalign(48, 10);		/* rounded up */
	CHECK_EQ(aligned(p, 64), true);
	use_and_free(p);
	p = valloc(10);
	CHECK_EQ(aligned(p, sysconf(_SC_PAGESIZE)), true);
	use_and_free(p);
	p = pvalloc(10);
	CHECK_EQ(aligned(p, sysconf(_SC_PAGESIZE)), true);
	CHECK_LE(sysconf(_SC_PAGESIZE), malloc_usable_size(p));
	use_and_free(p);
}

/* What cannot be had, and errno when it can. */
static void errors(void)
{
	static const size_t huge[] = {
		SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1,
		(size_t)PTRDIFF_MAX - 4096, (size_t)1 << 60
	};
	void *old = v_malloc(100), *p = old;
	size_t i;

	for (i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		errno = 0;
		check_failed_with(v_malloc(huge[i]), ENOMEM);
		check_failed_with(v_calloc(1, huge[i]), ENOMEM);
		check_failed_with(v_realloc(old, huge[i]), ENOMEM);
		check_failed_with(v_memalign(64, huge[i]), ENOMEM);
		check_failed_with(v_aligned_alloc(1 << 20, huge[i]), ENOMEM);
		CHECK_EQ(v_posix_memalign(&p, 64, huge[i]), ENOMEM);
		CHECK_EQ(errno, 0);
	}
	check_failed_with(pvalloc(SIZE_MAX), ENOMEM);
	check_failed_with(v_calloc(SIZE_MAX / 2, 3), ENOMEM);
	check_failed_with(v_reallocarray(old, SIZE_MAX / 2, 3), ENOMEM);
	check_failed_with(v_memalign(SIZE_MAX, 1), EINVAL);
	check_failed_with(v_memalign((SIZE_MAX >> 1) + 1, 1), ENOMEM);
	CHECK_EQ(v_posix_memalign(&p, 0, 1), EINVAL);
	CHECK_EQ(v_posix_memalign(&p, 4, 1), EINVAL);
	CHECK_EQ(v_posix_memalign(&p, 24, 1), EINVAL);
	CHECK_EQ(p, old);
	memset(old, 0, 100);
	errno = 77;
	v_free(old);
	v_free(v_malloc(1 << 20));
	CHECK_EQ(errno, 77);
}

/* C23's, which this libc may not declare. */
static void sized_frees(void)
{
	void (*free_sized)(void *, size_t) = dlsym(RTLD_DEFAULT, "free_sized");
	void (*free_aligned_sized)(void *, size_t, size_t) =
		dlsym(RTLD_DEFAULT, "free_aligned_sized");

	CHECK_NE(free_sized, NULL);
	CHECK_NE(free_aligned_sized, NULL);
	free_sized(v_malloc(33), 33);
	free_sized(NULL, 0);
	free_aligned_sized(v_aligned_alloc(64, 128), 64, 128);
}

static long resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK_NE(f, NULL);
	CHECK_EQ(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

/* 64 MiB in small objects go back to the kernel. */
static void trim(void)
{
	enum { N = 1 << 16 };
	void **p = v_malloc(N * sizeof(*p));
	size_t in_use = mallinfo2().uordblks;
	int i;

	for (i = 0; i < N; i++)
		p[i] = memset(v_malloc(1024), 1, 1024);
	CHECK_LE(in_use + N * 1000, mallinfo2().uordblks);
	CHECK_LE(mallinfo2().uordblks, mallinfo2().arena);
	for (i = 0; i < N; i++)
		v_free(p[i]);
	v_free(p);
	malloc_trim(0);
	if (!mode_emulated())
		CHECK_LT(resident(), 32 << 20);
}

/* The same without asking for it, as long as something is freed now and
 * then. */
static void give_back(void)
{
	enum { N = 1 << 16 };
	void **p = v_malloc(N * sizeof(*p));
	time_t begin = time(NULL);
	int i;

	for (i = 0; i < N; i++)
		p[i] = memset(v_malloc(1024), 1, 1024);
	CHECK_LE(N * 1000, mallinfo2().keepcost + mallinfo2().uordblks);
	for (i = 0; i < N; i++)
		v_free(p[i]);
	v_free(p);
	while (mallinfo2().keepcost > 16 << 20) {
		CHECK_LT(time(NULL), begin + 60);
		v_free(v_malloc(100));
	}
}

static void family(void)
{
	sizes();
	zeroes();
	reallocs();
	alignments();
	errors();
	sized_frees();
	trim();
}

/*
 * Threads that hand objects to each other.
 */

static _Atomic(unsigned char *) slots[SLOTS];

/* The first byte is the pattern of the others. */
static unsigned char *patterned(size_t n, unsigned char c)
{
	return memset(v_malloc(n), c, n);
}

static void check_pattern(unsigned char *p, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		CHECK_EQ(p[i], p[0]);
}

static void *swapper(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	int i, rounds = mode_times(100000);

	for (i = 0; i < rounds; i++) {
		size_t n = 16 + rand_r(&seed) % 500;
		unsigned char *p = patterned(n, (unsigned char)seed);

		if (i % 5000 == 0)
			v_free(v_malloc(1 << 18));
		p = atomic_exchange(&slots[rand_r(&seed) % SLOTS], p);
		if (!p)
			continue;
		check_pattern(p, 16);
		v_free(p);
	}
	return NULL;
}

static void run_threads(void *(*fn)(void *))
{
	pthread_t t[THREADS];
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

static void threads(void)
{
	int i;

	run_threads(swapper);
	for (i = 0; i < SLOTS; i++)
		v_free(slots[i]);
}

/* Thousands of threads, each with a cache: those are used again. */
static void *one_alloc(void *arg)
{
	(void)arg;
	use_and_free(v_malloc(3000));
	return NULL;
}

static size_t heap_bytes(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void many_threads(void)
{
	size_t before;
	int i;

	run_threads(one_alloc);
	before = heap_bytes();
	for (i = 0; i < mode_times(1000); i++)
		run_threads(one_alloc);
	/* More of them may run at a time than before. */
	CHECK_LE(heap_bytes(), before + (1 << 20));
}

/*
 * Children of a program whose other threads are inside of malloc().
 */

static atomic_bool stop;

static void *hammer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!stop) {
		unsigned int n = rand_r(&seed);

		use_and_free(v_malloc(n % 64 ? n % 2000 : n % 100000));
	}
	return NULL;
}

static void in_child(void)
{
	pthread_t t;
	size_t i;

	for (i = 1; i < 100000; i = i * 9 / 8 + 1)
		use_and_free(v_malloc(i));
	CHECK_EQ(pthread_create(&t, NULL, one_alloc, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/* A hang in the child ends it by SIGALRM. */
static void fork_once(void)
{
	void *p = v_malloc(50);
	pid_t pid = fork();
	int status;

	CHECK_NE(pid, -1);
	if (!pid) {
		alarm(60);
		v_free(p);
		in_child();
		exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	v_free(p);
}

static void forks(void)
{
	pthread_t t[HAMMERS];
	uintptr_t i;

	for (i = 0; i < HAMMERS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, hammer, (void *)i), 0);
	for (i = 0; i < (uintptr_t)mode_times(100); i++)
		fork_once();
	stop = true;
	for (i = 0; i < HAMMERS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

/*
 * Late: destructors of thread-local data, at exit.
 */

static pthread_key_t keys[100];

static void key_destructor(void *p)
{
	use_and_free(p);
	v_free(v_malloc(100));
}

/* More keys than a thread has room for without malloc(). */
static void *with_keys(void *arg)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK_EQ(pthread_setspecific(keys[i], v_malloc(i)), 0);
	return arg;
}

static void *left_over;

static void at_exit(void)
{
	use_and_free(left_over);
	use_and_free(v_malloc(5000));
}

static void late(void)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK_EQ(pthread_key_create(&keys[i], key_destructor), 0);
	run_threads(with_keys);
	with_keys(NULL);
	left_over = v_malloc(77);
	CHECK_EQ(atexit(at_exit), 0);
}

/*
 * What ends the program.
 */

static void double_free(void)
{
	void *p = v_malloc(100);

	v_free(p);
	v_free(p);
}

static void double_free_large(void)
{
	void *p = v_malloc(1 << 20);

	v_free(p);
	v_free(p);
}

static void interior_free(void)
{
	char *p = v_malloc(100);

	v_free(p + 16);
}

static void wild_free(void)
{
	static char not_ours[64];

	v_free(not_ours);
}

/* With heappoison=1: new memory has a pattern, and so has what is freed until
 * it is given out again. */
static void write_after_free(void)
{
	unsigned char *volatile p = v_malloc(100);
	int i;

	CHECK_EQ(p[0], 0xf6);
	CHECK_EQ(p[99], 0xf6);
	v_free(p);
	p[50] = 1;
	for (i = 0; i < 100000; i++)
		v_malloc(100);
}

static const struct {
	const char *name;
	void (*run)(void);
} table[] = {
	{ "family", family },
	{ "threads", threads },
	{ "give_back", give_back },
	{ "many_threads", many_threads },
	{ "forks", forks },
	{ "late", late },
	{ "double_free", double_free },
	{ "double_free_large", double_free_large },
	{ "interior_free", interior_free },
	{ "wild_free", wild_free },
	{ "write_after_free", write_after_free },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc == 2 && i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(argv[1], table[i].name)) {
			table[i].run();
			return 0;
		}
	}
	fprintf(stderr, "usage: interpose name\n");
	return 2;
}
