/* SPDX-License-Identifier: ISC */
/*
 * trace/label.h - labels of goroutines.
 *
 * A goroutine points to a set of labels (gp->label, NULL: none), which never
 * changes, is the same one for equal labels, and stays until the run ends: so
 * samples and events can keep the pointer.
 */
#ifndef TRACE_LABEL_H
#define TRACE_LABEL_H

#include <arch/compiler.h>

struct label_set;

/*
 * label_next - go through a set, by key.  Begin with *key NULL.  False: that
 * was the last one.  Context: any.
 */
bool label_next(const struct label_set *set, const char **key,
		const char **value);

/*
 * Called by gort_label_set() after a change, on the goroutine; value NULL: it
 * was removed.  May be set at any time.
 */
typedef void label_hook_fn(const char *key, const char *value);
extern _Atomic(label_hook_fn *) label_hook;

#endif
