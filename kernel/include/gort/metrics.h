/* SPDX-License-Identifier: ISC */
/*
 * gort/metrics.h - numbers about the runtime, by name.
 *
 * A name is a path and a unit, "/sched/latencies:seconds"; what is the same
 * as in Go's runtime/metrics has Go's name.  gort_metrics_all() says which
 * there are.  Later versions may have more, and those without a meaning any
 * more go, so a program should get along without any of them.
 *
 *	struct gort_metric_sample s[] = {
 *		{ .name = "/sched/goroutines:goroutines" },
 *		{ .name = "/sched/latencies:seconds" },
 *	};
 *
 *	gort_metrics_read(s, 2);
 *	...
 *	gort_metrics_release(s, 2);
 */
#ifndef GORT_METRICS_H
#define GORT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gort_metric_kind {
	GORT_METRIC_BAD,	/* there is no metric of that name */
	GORT_METRIC_UINT64,
	GORT_METRIC_FLOAT64,
	GORT_METRIC_FLOAT64_HISTOGRAM,
};

/*
 * counts[i] are of values from borders[i] on that are below borders[i + 1].
 * The first border may be -INFINITY, the last one is INFINITY.  The borders
 * of a metric are the same in each read, and are not for the caller to
 * change.
 */
struct gort_metric_histogram {
	size_t n;		/* of counts */
	uint64_t *counts;
	const double *borders;	/* n + 1 */
	double sum;		/* of all values */
};

struct gort_metric_value {
	enum gort_metric_kind kind;
	uint32_t opaque;
	union {
		uint64_t u64;
		double f64;
		struct gort_metric_histogram histogram;
	};
};

struct gort_metric_desc {
	const char *name;
	const char *help;	/* a sentence */
	enum gort_metric_kind kind;
	int cumulative;		/* grows only, in the life of the process; or
				 * since what help says; a histogram: its
				 * counts do */
	const void *opaque;
};

/*
 * gort_metrics_all - what there is: *n descriptions, ordered by name, which
 * stay as they are.  n NULL: NULL.  Context: any.
 */
const struct gort_metric_desc *gort_metrics_all(size_t *n);

/* Before the first read all of it but name is 0. */
struct gort_metric_sample {
	const char *name;
	struct gort_metric_value value;
};

/*
 * gort_metrics_read - fill in the values of n samples.  Those that come from
 * the same place are of the same moment: objects allocated and bytes
 * allocated, for example; others may be a moment apart.  Readers wait for
 * each other.
 *
 * The counts of a histogram are memory of the sample's: the first read
 * allocates it, the next ones into the same samples use it again and
 * allocate nothing.  See gort_metrics_release().
 *
 * Context: goroutine; may block.
 * Returns 0; -EINVAL (samples NULL with n > 0, or a name NULL), with no
 * sample changed; -ENOMEM, with samples that can be read again or released;
 * or -EPERM.
 */
int gort_metrics_read(struct gort_metric_sample *samples, size_t n);

/*
 * gort_metrics_release - give back the memory of n samples that were read.
 * Their values are all 0 then.
 * Context: any.  Returns 0, or -EINVAL (samples NULL with n > 0).
 */
int gort_metrics_release(struct gort_metric_sample *samples, size_t n);

/*
 * gort_metrics_write - write all metrics to fd, as OpenMetrics text 1.0:
 * /sched/latencies:seconds is gort_sched_latencies_seconds there.  Borders of
 * durations are powers of two, a quarter of those that gort_metrics_read()
 * gives.
 *
 * For HTTP the Content-Type is
 *	application/openmetrics-text; version=1.0.0; charset=utf-8
 *
 * Context: goroutine; blocks while fd does, as gort_write().
 * Returns 0; what gort_write() gives, and then a part may be written;
 * -ENOMEM; or -EPERM.
 */
int gort_metrics_write(int fd);

#ifdef __cplusplus
}
#endif

#endif
