// SPDX-License-Identifier: ISC
/*
 * kernel/sema.c - the table of locks.
 */
#include "kernel/sema.h"

#include "kernel/time.h"

struct sema_bucket sema_buckets[SEMA_BUCKETS] = {
	[0 ... SEMA_BUCKETS - 1] = { .lock = LOCK_INIT(RANK_SEMA) },
};

void sema_count_wait(s64 since_ns)
{
	struct m *mp = acquirem();

	hist_add(&mp->p->mutex_wait_ns, (u64)(nanotime() - since_ns));
	releasem(mp);
}
