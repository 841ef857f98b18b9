// SPDX-License-Identifier: ISC
/*
 * trace/sample.c - what the CPU profiler knows, in the trace: samples, and
 * labels of goroutines.
 *
 * Samples come from cpuprofile_drain(), on a goroutine, one at a time.  They
 * are of the generation that is being written when they come, whatever time
 * they say.
 */
#include "trace/trace.h"

#include <stdio.h>
#include <string.h>

#include "trace/cpuprofile.h"
#include "trace/label.h"

#define WEIGHT_MAX	16u	/* events that one sample becomes */
#define LABEL_BYTES	256	/* of a goroutine's labels, together */

/* By gen % 2.  Touched between trace_hold() and trace_release(), under the
 * drainer's mutex; then by who ends the generation. */
static struct trace_writer samples[2];

static void put_sample(struct trace_block *b, const struct cpu_sample *s,
		       u32 stack)
{
	u64 time = trace.by_clock ? (u64)s->ns : s->cycles;

	put_byte(b, EV_CPU_SAMPLE);
	put_varint(b, trace_time(time));
	put_varint(b, (u64)s->tid);
	put_varint(b, s->proc == SIGPROF_NO_P ? UINT64_MAX : s->proc);
	put_varint(b, s->goid);
	put_varint(b, stack);
}

static void on_sample(const struct cpu_sample *s)
{
	uintptr_t pcs[SIGPROF_FRAMES_MAX];
	struct m *mp = acquirem();
	struct trace_writer *w;
	u32 stack, gen;

	if (!trace_acquire(mp))
		goto out;
	gen = mp->trace.gen;
	w = &samples[gen % 2];
	w->gen = gen;
	w->kind = EV_CPU_SAMPLES;
	memcpy(pcs, s->pcs, s->n * sizeof(pcs[0]));
	stack = trace_pcs_put(mp, NULL, pcs, s->n);
	for (u32 i = 0; i < s->weight && i < WEIGHT_MAX; i++)
		if (trace_writer_room(w, 1 + 5 * TRACE_VARINT_MAX))
			put_sample(w->buf, s, stack);
	trace_release(mp);
out:
	releasem(mp);
}

/* Before anything is written. */
void trace_samples_begin(void)
{
	samples[0].buf = NULL;
	samples[1].buf = NULL;
	atomic_store_explicit(&cpuprofile_sink, on_sample,
			      memory_order_relaxed);
}

/* Those of gen, to which nobody adds any more. */
void trace_samples_flush(u32 gen)
{
	trace_writer_flush(&samples[gen % 2]);
}

/* "value", or all values of more labels, by key.  0: that is empty. */
u32 trace_label_id(struct m *mp, const struct label_set *set)
{
	const char *key = NULL, *value;
	char buf[LABEL_BYTES];
	size_t len = 0;

	buf[0] = '\0';
	while (label_next(set, &key, &value) && len < sizeof(buf)) {
		int n = snprintf(buf + len, sizeof(buf) - len, "%s%s",
				 len ? " " : "", value);

		len += n > 0 ? (size_t)n : 0;
	}
	return *buf ? trace_string_put(mp, buf) : 0;
}

static void on_label(const char *key, const char *value)
{
	struct m *mp;

	(void)key;
	(void)value;
	if (!tracing())
		return;
	mp = acquirem();
	if (trace_acquire(mp)) {
		trace_label_event(mp, getg());
		trace_release(mp);
	}
	releasem(mp);
}

static __attribute__((constructor)) void label_register(void)
{
	atomic_store_explicit(&label_hook, on_label, memory_order_relaxed);
}
