// SPDX-License-Identifier: ISC
/*
 * trace/label.c - labels of goroutines.
 *
 * A set is "key\0value\0key\0value\0", sorted by key, and kept once in a
 * dictionary that lasts for a run.  Rejected: counting references, which
 * profiles and traces would have to hold for as long as they are not written.
 * So programs with a label per request reach the limit, LABELS_BYTES of
 * different sets; then goroutines keep the labels they have.
 */
#include <gort/profile.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/sched.h"
#include "trace/dict.h"
#include "trace/label.h"

#define LABELS_BYTES	((size_t)16 << 20)

_Atomic(label_hook_fn *) label_hook;

static struct {
	struct lock lock;	/* protects what follows */
	struct dict sets;
	u64 run;		/* + 1: whose they are */
} labels = { .lock = LOCK_INIT(RANK_LABELS) };

/* The set is the entry's address; its value says how long it is. */
static u64 set_len(const struct dict_entry *e)
{
	/*
	 * Acquire: pairs with the release in intern_locked().  Who has the
	 * pointer from a signal handler does not need it, but sanitizers do
	 * not see that.
	 */
	return atomic_load_explicit(&e->value, memory_order_acquire);
}

bool label_next(const struct label_set *set, const char **key,
		const char **value)
{
	const struct dict_entry *e = (const struct dict_entry *)set;
	u64 len = e ? set_len(e) : 0;

	if (!len)
		return false;
	*key = *key ? *value + strlen(*value) + 1 : e->key;
	if (*key == e->key + len)
		return false;
	*value = *key + strlen(*key) + 1;
	return true;
}

static struct dict_entry *intern_locked(const char *buf, size_t len)
{
	struct dict_entry *e;

	if (labels.run != sched_run_id() + 1) {
		dict_clear(&labels.sets);
		dict_init(&labels.sets, LABELS_BYTES);
		labels.run = sched_run_id() + 1;
	}
	e = dict_put(&labels.sets, buf, len);
	if (e)
		/* Release: pairs with the acquire in set_len(). */
		atomic_store_explicit(&e->value, len, memory_order_release);
	return e;
}

struct builder {
	char *buf;
	size_t len, max;	/* len beyond max: too long */
};

static void build_string(struct builder *b, const char *s)
{
	size_t n = strlen(s) + 1;

	if (b->len <= b->max && n <= b->max - b->len)
		memcpy(b->buf + b->len, s, n);
	b->len += n;
}

static void build_pair(struct builder *b, const char *key, const char *value)
{
	build_string(b, key);
	build_string(b, value);
}

/* set with one more pair, or one less if value is NULL. */
static void build_set(struct builder *b, const struct label_set *set,
		      const char *key, const char *value)
{
	const char *k = NULL, *v;
	bool done = !value;

	while (label_next(set, &k, &v)) {
		int order = strcmp(k, key);

		if (order >= 0 && !done) {
			build_pair(b, key, value);
			done = true;
		}
		if (order)
			build_pair(b, k, v);
	}
	if (!done)
		build_pair(b, key, value);
}

static struct label_set *my_labels(void)
{
	return __atomic_load_n(&getg()->label, __ATOMIC_RELAXED);
}

__public int gort_label_set(const char *key, const char *value)
{
	char buf[GORT_LABELS_SIZE_MAX];
	struct builder b = { .buf = buf, .max = sizeof(buf) };
	struct dict_entry *e = NULL;
	label_hook_fn *hook;

	if (!in_goroutine())
		return -EPERM;
	if (!key || !*key)
		return -EINVAL;
	build_set(&b, my_labels(), key, value);
	if (b.len > b.max)
		return -E2BIG;
	if (b.len) {
		lock(&labels.lock);
		e = intern_locked(buf, b.len);
		unlock(&labels.lock);
		if (!e)
			return -ENOMEM;
	}
	/* The profiler's handler on this thread may read it. */
	__atomic_store_n(&getg()->label, (void *)e, __ATOMIC_RELAXED);
	hook = atomic_load_explicit(&label_hook, memory_order_acquire);
	if (hook)
		hook(key, value);
	return 0;
}

__public ssize_t gort_label_get(const char *key, char *buf, size_t size)
{
	const char *k = NULL, *v;
	size_t len;

	if (!in_goroutine())
		return -EPERM;
	if (!key || (size && !buf))
		return -EINVAL;
	while (label_next(my_labels(), &k, &v)) {
		if (strcmp(k, key))
			continue;
		len = strlen(v);
		if (size) {
			size_t n = len < size ? len : size - 1;

			memcpy(buf, v, n);
			buf[n] = '\0';
		}
		return (ssize_t)len;
	}
	return -ENOENT;
}
