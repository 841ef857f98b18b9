// SPDX-License-Identifier: ISC
/*
 * kernel/sema.c - the table of locks.
 */
#include "kernel/sema.h"

struct sema_bucket sema_buckets[SEMA_BUCKETS] = {
	[0 ... SEMA_BUCKETS - 1] = { .lock = LOCK_INIT(RANK_SEMA) },
};
