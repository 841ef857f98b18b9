// SPDX-License-Identifier: ISC
/*
 * tests/trace/test_pprof.c - what profiles consist of: the dictionary, labels
 * of goroutines, and the file, taken apart again here.
 */
#include "trace/pprof.h"

#include <gort/gort.h>
#include <gort/profile.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "child.h"
#include "kernel/check.h"
#include "kernel/sched.h"
#include "trace/label.h"

static void run(void (*fn)(void *), void *arg)
{
	CHECK_EQ(gort_run(fn, arg), 0);
}

/* --- the dictionary --- */

static void test_dict(void **state)
{
	struct dict_entry *e, *same;
	struct dict d = { 0 };
	char key[16];

	(void)state;
	dict_init(&d, 16 << 20);
	for (int i = 0; i < 50000; i++) {
		int n = snprintf(key, sizeof(key), "%d", i);

		e = dict_put(&d, key, (size_t)n);
		assert_non_null(e);
		assert_int_equal(e->id, i + 1);
		assert_int_equal(e->len, n);
		assert_memory_equal(e->key, key, n);
		assert_int_equal(e->value, 0);
		e->value = (u64)i;
	}
	assert_int_equal(d.n, 50000);
	e = d.first;
	for (int i = 0; i < 50000; i++, e = e->next) {
		int n = snprintf(key, sizeof(key), "%d", i);

		same = dict_put(&d, key, (size_t)n);
		assert_ptr_equal(same, e);
		assert_int_equal(same->value, i);
	}
	assert_null(e);
	/* One is not another because it begins like it. */
	assert_int_equal(dict_put(&d, "1\0", 2)->id, 50001);
	assert_int_equal(dict_put(&d, "", 0)->id, 50002);
	dict_clear(&d);
	assert_null(d.first);
	assert_int_equal(dict_put(&d, "x", 1)->id, 1);
	dict_clear(&d);
}

static void test_dict_full(void **state)
{
	static char big[1 << 20];
	struct dict d = { 0 };
	u32 n = 0;

	(void)state;
	assert_null(dict_put(&d, "", 0));
	dict_init(&d, 1 << 20);
	assert_null(dict_put(&d, big, sizeof(big)));
	assert_non_null(dict_put(&d, big, sizeof(big) / 2));
	for (;; n++)
		if (!dict_put(&d, &n, sizeof(n)))
			break;
	assert_true(n > 1000);
	assert_true(d.bytes <= d.max);
	/* What is there can still be found. */
	assert_int_equal(dict_put(&d, &(u32){ 0 }, sizeof(n))->id, 2);
	dict_clear(&d);
}

/* A goroutine that is dropped at the end of a run in whatever it does. */
static struct dict dropped;
static _Atomic int begun;

static void fill_and_clear(void *arg)
{
	(void)arg;
	for (u32 i = 0;; i++) {
		dict_put(&dropped, &i, sizeof(i));
		dict_clear(&dropped);
		begun = 1;
	}
}

static void drop_it(void *arg)
{
	(void)arg;
	begun = 0;
	CHECK_EQ(gort_go(fill_and_clear, NULL), 0);
	while (!begun)
		gort_yield();
}

static void test_dict_dropped(void **state)
{
	enum { SIZE = 64 << 10 };

	(void)state;
	dict_init(&dropped, 1 << 20);
	for (int i = 0; i < 100; i++) {
		char *after[4];

		run(drop_it, NULL);
		/* What it gave back may be anybody's now, and look alike. */
		for (int k = 0; k < 4; k++) {
			after[k] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			assert_ptr_not_equal(after[k], MAP_FAILED);
			((size_t *)after[k])[1] = SIZE;
		}
		dict_clear(&dropped);
		for (int k = 0; k < 4; k++) {
			after[k][0] = after[k][SIZE - 1] = 1;
			munmap(after[k], SIZE);
		}
	}
}

/* --- labels --- */

static void expect_label(const char *key, const char *value)
{
	char buf[64] = "";
	ssize_t n = gort_label_get(key, buf, sizeof(buf));

	if (!value) {
		CHECK_EQ(n, -ENOENT);
		return;
	}
	CHECK_EQ(n, strlen(value));
	CHECK_EQ(strcmp(buf, value), 0);
}

static void *current_set(void)
{
	return getg()->label;
}

static void check_set_and_get(void *arg)
{
	char buf[4] = "...";
	void *ab;

	(void)arg;
	expect_label("a", NULL);
	CHECK_EQ(gort_label_set("b", "2"), 0);
	CHECK_EQ(gort_label_set("c", ""), 0);
	CHECK_EQ(gort_label_set("a", "long value"), 0);
	expect_label("a", "long value");
	expect_label("b", "2");
	expect_label("c", "");
	expect_label("ab", NULL);
	CHECK_EQ(gort_label_get("a", buf, sizeof(buf)), 10);
	CHECK_EQ(strcmp(buf, "lon"), 0);
	CHECK_EQ(gort_label_get("a", NULL, 0), 10);
	CHECK_EQ(gort_label_set("b", "3"), 0);
	expect_label("b", "3");
	expect_label("a", "long value");
	CHECK_EQ(gort_label_set("b", NULL), 0);
	expect_label("b", NULL);
	CHECK_EQ(gort_label_set("none", NULL), 0);
	CHECK_EQ(gort_label_set("a", NULL), 0);
	CHECK_EQ(gort_label_set("c", NULL), 0);
	CHECK_EQ(current_set() == NULL, 1);
	/* Equal labels are one set, whatever came first. */
	CHECK_EQ(gort_label_set("a", "1"), 0);
	CHECK_EQ(gort_label_set("b", "2"), 0);
	ab = current_set();
	CHECK_EQ(gort_label_set("a", NULL), 0);
	CHECK_EQ(gort_label_set("a", "1"), 0);
	CHECK_EQ(current_set() == ab, 1);
}

static void test_set_and_get(void **state)
{
	(void)state;
	run(check_set_and_get, NULL);
}

static void check_label_errors(void *arg)
{
	char big[GORT_LABELS_SIZE_MAX + 1], buf[4];

	(void)arg;
	CHECK_EQ(gort_label_set(NULL, "x"), -EINVAL);
	CHECK_EQ(gort_label_set("", "x"), -EINVAL);
	CHECK_EQ(gort_label_get(NULL, buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(gort_label_get("a", NULL, 1), -EINVAL);
	/* "k", NUL, value, NUL */
	memset(big, 'v', sizeof(big));
	big[GORT_LABELS_SIZE_MAX - 3] = '\0';
	CHECK_EQ(gort_label_set("k", big), 0);
	CHECK_EQ(gort_label_set("l", ""), -E2BIG);
	expect_label("l", NULL);
	CHECK_EQ(gort_label_get("k", NULL, 0), GORT_LABELS_SIZE_MAX - 3);
	CHECK_EQ(gort_label_set("k", NULL), 0);
	big[GORT_LABELS_SIZE_MAX - 3] = 'v';
	big[GORT_LABELS_SIZE_MAX - 2] = '\0';
	CHECK_EQ(gort_label_set("k", big), -E2BIG);
	expect_label("k", NULL);
	errno = 4711;
	CHECK_EQ(gort_label_set("k", "v"), 0);
	CHECK_EQ(errno, 4711);
}

static void test_label_errors(void **state)
{
	(void)state;
	assert_int_equal(gort_label_set("k", "v"), -EPERM);
	assert_int_equal(gort_label_get("k", NULL, 0), -EPERM);
	run(check_label_errors, NULL);
}

/* 16 MiB of sets; then labels stay as they are. */
static void check_label_limit(void *arg)
{
	char value[900];
	int i, err = 0;

	(void)arg;
	for (i = 0; !err && i < 100000; i++) {
		memset(value, 'x', sizeof(value));
		snprintf(value + 880, 20, "%d", i);
		err = gort_label_set("k", value);
	}
	CHECK_EQ(err, -ENOMEM);
	CHECK_LT(10000, i);
	CHECK_EQ(gort_label_get("k", value, sizeof(value)), strlen(value));
	CHECK_EQ(atoi(value + 880), i - 2);
	CHECK_EQ(gort_label_set("k", NULL), 0);
}

static void check_no_label(void *arg)
{
	(void)arg;
	expect_label("k", NULL);
	CHECK_EQ(gort_label_set("k", "room again"), 0);
}

static void test_label_limit(void **state)
{
	(void)state;
	run(check_label_limit, NULL);
	run(check_no_label, NULL);
}

static struct gort_waitgroup wg;

static void heir(void *arg)
{
	(void)arg;
	expect_label("k", "parent's");
	CHECK_EQ(gort_label_set("k", "mine"), 0);
	gort_yield();
	expect_label("k", "mine");
	gort_waitgroup_done(&wg);
}

static void no_heir(void *arg)
{
	(void)arg;
	expect_label("k", NULL);
	gort_waitgroup_done(&wg);
}

static void check_inherited(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&wg, 200);
	CHECK_EQ(gort_label_set("k", "parent's"), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(gort_go(heir, NULL), 0);
	CHECK_EQ(gort_label_set("k", NULL), 0);
	gort_yield();
	/* On stacks of those that ended, too. */
	for (int i = 0; i < 100; i++)
		CHECK_EQ(gort_go(no_heir, NULL), 0);
	gort_waitgroup_wait(&wg);
	expect_label("k", NULL);
}

static void test_inherited(void **state)
{
	(void)state;
	run(check_inherited, NULL);
}

static char hooked[100];

static void hook(const char *key, const char *value)
{
	snprintf(hooked + strlen(hooked), sizeof(hooked) - strlen(hooked),
		 "%s=%s ", key, value ? value : "-");
}

static void check_hook(void *arg)
{
	(void)arg;
	atomic_store(&label_hook, hook);
	CHECK_EQ(gort_label_set("k", "v"), 0);
	CHECK_EQ(gort_label_set("", "v"), -EINVAL);
	CHECK_EQ(gort_label_set("k", NULL), 0);
	atomic_store(&label_hook, NULL);
	CHECK_EQ(gort_label_set("k", "w"), 0);
}

static void test_hook(void **state)
{
	(void)state;
	run(check_hook, NULL);
	assert_string_equal(hooked, "k=v k=- ");
}

/* Labels of many goroutines at the same time. */
static void labeller(void *arg)
{
	char key[8], value[8];
	long id = (long)arg;

	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "k%ld", (id + i) % 7);
		snprintf(value, sizeof(value), "v%d", i % 11);
		CHECK_EQ(gort_label_set(key, value), 0);
		if (i % 5 == 0)
			gort_yield();
		expect_label(key, value);
	}
	gort_waitgroup_done(&wg);
}

static void check_many(void *arg)
{
	(void)arg;
	gort_waitgroup_add(&wg, 100);
	for (long i = 0; i < 100; i++)
		CHECK_EQ(gort_go(labeller, (void *)i), 0);
	gort_waitgroup_wait(&wg);
}

static void test_many(void **state)
{
	(void)state;
	run(check_many, NULL);
}

/* --- the file --- */

static void test_crc(void **state)
{
	u32 crc;

	(void)state;
	/* The check value of catalogues of CRCs. */
	assert_int_equal(pprof_crc32(0, "123456789", 9), 0xcbf43926);
	crc = pprof_crc32(0, "1234", 4);
	assert_int_equal(pprof_crc32(crc, "56789", 5), 0xcbf43926);
	assert_int_equal(pprof_crc32(0, "", 0), 0);
}

static unsigned char file[4 << 20], plain[4 << 20];
static size_t file_len, plain_len;

static u32 le(const unsigned char *p, int n)
{
	u32 v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

/* Of stored blocks only, from file to plain. */
static void unzip(void)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0 };
	size_t at = 10;
	bool last = false;

	plain_len = 0;
	CHECK_LE(18, file_len);
	CHECK_EQ(memcmp(file, head, sizeof(head)), 0);
	while (!last) {
		u32 n = le(file + at + 1, 2);

		CHECK_LE(file[at], 1);
		last = file[at];
		CHECK_EQ(le(file + at + 3, 2), n ^ 0xffff);
		at += 5;
		CHECK_LE(at + n + 8, file_len);
		memcpy(plain + plain_len, file + at, n);
		plain_len += n;
		at += n;
	}
	CHECK_EQ(le(file + at, 4), pprof_crc32(0, plain, plain_len));
	CHECK_EQ(le(file + at + 4, 4), plain_len);
	CHECK_EQ(at + 8, file_len);
}

/* A stretch of a message. */
struct bytes {
	const unsigned char *p, *end;
};

static u64 varint(struct bytes *b)
{
	u64 v = 0;

	for (int shift = 0;; shift += 7) {
		CHECK_LT((uintptr_t)b->p, (uintptr_t)b->end);
		v |= (u64)(*b->p & 0x7f) << shift;
		if (!(*b->p++ & 0x80))
			return v;
	}
}

/* The next field; 0 at the end.  *v, or *sub if it has a length. */
static u32 field(struct bytes *b, u64 *v, struct bytes *sub)
{
	u64 tag;

	if (b->p == b->end)
		return 0;
	tag = varint(b);
	*v = varint(b);
	*sub = (struct bytes){ 0 };
	if ((tag & 7) == 2) {
		CHECK_LE(*v, b->end - b->p);
		*sub = (struct bytes){ b->p, b->p + *v };
		b->p += *v;
	} else {
		CHECK_EQ(tag & 7, 0);
	}
	return (u32)(tag >> 3);
}

/* The n-th of the profile's fields of this number; false if there is none. */
static bool nth(u32 number, u32 n, struct bytes *out, u64 *value)
{
	struct bytes b = { plain, plain + plain_len };
	u32 f;

	while ((f = field(&b, value, out)))
		if (f == number && !n--)
			return true;
	return false;
}

static u64 number(u32 which)
{
	struct bytes b;
	u64 v = 0;

	nth(which, 0, &b, &v);
	return v;
}

static const char *string(u64 id)
{
	static char buf[2][4096];
	static int which;
	struct bytes b;
	char *s = buf[which ^= 1];
	u64 v;

	CHECK_EQ(nth(6, (u32)id, &b, &v), 1);
	CHECK_LT(b.end - b.p, 4096);
	memcpy(s, b.p, (size_t)(b.end - b.p));
	s[b.end - b.p] = '\0';
	return s;
}

/* A number in a message; 0 if it is not there. */
static u64 sub_number(struct bytes b, u32 which)
{
	struct bytes sub;
	u64 v;
	u32 f;

	while ((f = field(&b, &v, &sub)))
		if (f == which)
			return v;
	return 0;
}

/* The message of this kind (location, function) with this id. */
static struct bytes by_id(u32 kind, u64 id)
{
	struct bytes b;
	u64 v;

	for (u32 n = 0; nth(kind, n, &b, &v); n++)
		if (sub_number(b, 1) == id)
			return b;
	CHECK_EQ(id, -1);
	return b;
}

/* The names at a location, innermost first, into buf. */
static void location_names(u64 id, char *buf)
{
	struct bytes b = by_id(4, id), line;
	u64 v;
	u32 f;

	*buf = '\0';
	while ((f = field(&b, &v, &line)))
		if (f == 4) {
			struct bytes fn = by_id(5, sub_number(line, 1));

			strcat(buf, string(sub_number(fn, 2)));
			strcat(buf, " ");
		}
}

/* A sample as text: names, then values, then labels. */
static void sample_text(struct bytes b, char *buf)
{
	char names[4096];
	struct bytes sub;
	u64 v;
	u32 f;

	*buf = '\0';
	while ((f = field(&b, &v, &sub))) {
		if (f == 3) {
			sprintf(buf + strlen(buf), "%s=",
				string(sub_number(sub, 1)));
			sprintf(buf + strlen(buf), "%s ",
				string(sub_number(sub, 2)));
		}
		while (f != 3 && sub.p != sub.end) {
			v = varint(&sub);
			if (f == 2) {
				sprintf(buf + strlen(buf), "%llu ",
					(unsigned long long)v);
				continue;
			}
			location_names(v, names);
			strcat(buf, names);
		}
	}
}

static int temp_file(void)
{
	char path[] = "/tmp/test_pprof.XXXXXX";
	int fd = mkstemp(path);

	CHECK_LE(0, fd);
	unlink(path);
	return fd;
}

static void read_back(int fd)
{
	ssize_t n = pread(fd, file, sizeof(file), 0);

	CHECK_LT(0, n);
	file_len = (size_t)n;
	close(fd);
	unzip();
}

static struct pprof prof;

static void add_sample(u32 weight, u32 n, const uintptr_t *pcs)
{
	struct cpu_sample s = { .weight = weight, .n = n };

	s.label = current_set();
	memcpy(s.pcs, pcs, n * sizeof(pcs[0]));
	CHECK_EQ(pprof_add(&prof, &s), 1);
}

static __attribute__((noinline)) void leaf(void) { __asm__ volatile("nop"); }
static __attribute__((noinline)) void root(void) { __asm__ volatile(""); }

static void check_file(void *arg)
{
	uintptr_t pcs[] = { (uintptr_t)leaf, (uintptr_t)root };
	uintptr_t stray[] = { (uintptr_t)leaf, 4711, (uintptr_t)root };

	(void)arg;
	pprof_begin(&prof, 200);
	add_sample(1, 2, pcs);
	CHECK_EQ(gort_label_set("user", "me"), 0);
	CHECK_EQ(gort_label_set("path", "/x"), 0);
	add_sample(3, 1, pcs);
	CHECK_EQ(gort_label_set("path", NULL), 0);
	CHECK_EQ(gort_label_set("user", NULL), 0);
	add_sample(2, 2, pcs);
	add_sample(1, 3, stray);
	pprof_end(&prof);
}

static void check_write(void *arg)
{
	int fd = temp_file();

	check_file(arg);
	CHECK_EQ(pprof_write(&prof, 7, fd), 0);
	pprof_clear(&prof);
	read_back(fd);
}

static void expect_sample(u32 n, const char *text)
{
	struct bytes b;
	char buf[8192];
	u64 v;

	assert_true(nth(2, n, &b, &v));
	sample_text(b, buf);
	assert_string_equal(buf, text);
}

static void test_file(void **state)
{
	struct bytes b;
	u64 v;

	(void)state;
	run(check_write, NULL);
	expect_sample(0, "leaf root 3 15000000 ");
	expect_sample(1, "leaf 3 15000000 path=/x user=me ");
	expect_sample(2, "leaf root 1 5000000 ");
	expect_sample(3, "gort_lost_samples 7 35000000 ");
	assert_false(nth(2, 4, &b, &v));
	assert_string_equal(string(0), "");
	assert_true(nth(1, 0, &b, &v));
	assert_string_equal(string(sub_number(b, 1)), "samples");
	assert_string_equal(string(sub_number(b, 2)), "count");
	assert_true(nth(1, 1, &b, &v));
	assert_string_equal(string(sub_number(b, 1)), "cpu");
	assert_string_equal(string(sub_number(b, 2)), "nanoseconds");
	assert_false(nth(1, 2, &b, &v));
	assert_true(nth(11, 0, &b, &v));
	assert_string_equal(string(sub_number(b, 2)), "nanoseconds");
	assert_int_equal(number(12), 5000000);
	assert_true(number(9) / 1000000000 - (u64)time(NULL) + 1000 < 2000);
	assert_true(number(10) < 1000000000ull * 1000);
}

/* Where leaf is mapped: this program, whose build id readelf finds as well. */
static void test_mapping(void **state)
{
	struct bytes b, loc;
	const char *path;
	u64 v, mapping, start, limit;

	(void)state;
	run(check_write, NULL);
	assert_true(nth(4, 0, &loc, &v));
	assert_int_equal(sub_number(loc, 3), (uintptr_t)leaf);
	mapping = sub_number(loc, 2);
	b = by_id(3, mapping);
	start = sub_number(b, 2);
	limit = sub_number(b, 3);
	assert_true(start <= (uintptr_t)leaf && (uintptr_t)leaf < limit);
	path = string(sub_number(b, 5));
	assert_non_null(strstr(path, "test_pprof"));
	assert_int_equal(sub_number(b, 7), 1);
	v = strlen(string(sub_number(b, 6)));
	assert_true(v == 0 || v == 40);
}

/* More than a block of gzip holds, and every length of varints. */
static void check_big(void *arg)
{
	int fd = temp_file();

	(void)arg;
	pprof_begin(&prof, 1);
	for (u32 i = 0; i < 30000; i++) {
		uintptr_t pcs[] = { (uintptr_t)leaf, (uintptr_t)root };
		char label[8];

		snprintf(label, sizeof(label), "%u", i % 5000);
		CHECK_EQ(gort_label_set("n", label), 0);
		add_sample(i == 4999 ? 1u << 31 : 1, 1 + (i & 1), pcs);
	}
	pprof_end(&prof);
	CHECK_EQ(pprof_write(&prof, 0, fd), 0);
	pprof_clear(&prof);
	read_back(fd);
}

static void test_big(void **state)
{
	struct bytes b;
	u64 v;

	(void)state;
	run(check_big, NULL);
	assert_true(plain_len > 65536);
	expect_sample(0, "leaf 6 6000000000 n=0 ");
	expect_sample(4999, "leaf root 2147483653 2147483653000000000 n=4999 ");
	assert_false(nth(2, 5000, &b, &v));
}

/* The deepest stack with the largest labels. */
static void check_deep(void *arg)
{
	struct cpu_sample s = { .weight = 1, .n = SIGPROF_FRAMES_MAX };
	char key[] = "!";
	int fd = temp_file(), n = 0;

	(void)arg;
	pprof_begin(&prof, 100);
	for (u32 i = 0; i < s.n; i++)
		s.pcs[i] = (uintptr_t)leaf;
	for (*key = '!'; *key != '~'; ++*key)
		n += !gort_label_set(key, "");
	for (*key = '!'; *key != '~'; ++*key) {
		char two[] = { '~', *key, '\0' };

		n += !gort_label_set(two, "");
	}
	CHECK_LT(180, n);
	s.label = current_set();
	CHECK_EQ(pprof_add(&prof, &s), 1);
	pprof_end(&prof);
	CHECK_EQ(pprof_write(&prof, 0, fd), 0);
	pprof_clear(&prof);
	read_back(fd);
}

static void test_deep(void **state)
{
	(void)state;
	run(check_deep, NULL);
	assert_true(nth(2, 0, &(struct bytes){ 0 }, &(u64){ 0 }));
}

/* Stacks have 64 MiB; what does not fit is refused, and the rest is good. */
static void check_memory(void *arg)
{
	struct cpu_sample s = { .weight = 1, .n = SIGPROF_FRAMES_MAX };
	u32 i = 0;

	(void)arg;
	pprof_begin(&prof, 100);
	do
		s.pcs[0] = ++i;
	while (pprof_add(&prof, &s));
	CHECK_LT(50000, i);
	CHECK_LT(i, 70000);
	s.pcs[0] = 1;
	CHECK_EQ(pprof_add(&prof, &s), 1);
	pprof_clear(&prof);
}

static void test_memory(void **state)
{
	(void)state;
	run(check_memory, NULL);
}

static void check_write_errors(void *arg)
{
	int full = open("/dev/full", O_WRONLY), in = open("/dev/null", O_RDONLY);
	int fds[2];

	check_file(arg);
	CHECK_EQ(pprof_write(&prof, 0, full), -ENOSPC);
	CHECK_EQ(pprof_write(&prof, 0, in), -EBADF);
	CHECK_EQ(pprof_write(&prof, 0, 12345), -EBADF);
	CHECK_EQ(pipe(fds), 0);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(pprof_write(&prof, 0, fds[1]), -EPIPE);
	close(fds[1]);
	close(full);
	close(in);
	pprof_clear(&prof);
}

static void test_write_errors(void **state)
{
	(void)state;
	run(check_write_errors, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dict),
		cmocka_unit_test(test_dict_full),
		cmocka_unit_test(test_dict_dropped),
		cmocka_unit_test(test_set_and_get),
		cmocka_unit_test(test_label_errors),
		cmocka_unit_test(test_label_limit),
		cmocka_unit_test(test_inherited),
		cmocka_unit_test(test_hook),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_write_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
