// SPDX-License-Identifier: ISC
/*
 * kernel/openmetrics.c - all metrics as text.
 *
 * The format is OpenMetrics 1.0 (github.com/OpenObservability/OpenMetrics),
 * which Prometheus and everything that speaks to it reads.  A metric is a
 * family with one sample, or with buckets; its name is ours with "_" for
 * what is no letter, so the unit is at its end, as the format wants it.
 *
 * A bucket there has an upper border that belongs to it, ours ends before
 * its border.  Sizes are whole bytes and durations whole nanoseconds, so one
 * less is the same border.  Of durations every fourth is written, the powers
 * of two: each line is one more time series for who collects them.
 *
 * What is written collects in a buffer in the frame: only the samples are
 * allocated.
 */
#include <gort/metrics.h>

#include <errno.h>
#include <gort/mem.h>
#include <string.h>

#include "kernel/histogram.h"
#include "kernel/out.h"
#include "kernel/print.h"
#include "kernel/sched.h"
#include "kernel/time.h"

/* As much of a metric as each of its lines needs. */
struct family {
	char name[128];
	const char *unit;
	bool seconds;
};

static void family_init(struct family *f, const char *name)
{
	char *p = f->name + format(f->name, sizeof(f->name), "gort%s", name);

	f->unit = strchr(name, ':') + 1;
	f->seconds = !strcmp(f->unit, "seconds");
	while (p-- > f->name)
		if (*p == '/' || *p == '-' || *p == ':')
			*p = '_';
}

static void out_head(struct out *o, const struct family *f, const char *type,
		     const char *help)
{
	out_line(o, "# TYPE %s %s\n", f->name, type);
	out_line(o, "# UNIT %s %s\n", f->name, f->unit);
	out_line(o, "# HELP %s %s\n", f->name, help);
}

/* Whole units of what is not in seconds, nanoseconds of what is: exact up to
 * 2^53. */
static u64 to_whole(const struct family *f, double v)
{
	return (u64)(f->seconds ? v * NSEC_PER_SEC + 0.5 : v + 0.5);
}

/* n, from to_whole(), with as many digits as it has. */
static const char *decimal(char *buf, size_t size, const struct family *f,
			   u64 n)
{
	u64 frac = f->seconds ? n % NSEC_PER_SEC : 0;
	size_t len;

	len = format(buf, size, "%U.", f->seconds ? n / NSEC_PER_SEC : n);
	for (u64 unit = NSEC_PER_SEC / 10; frac; unit /= 10) {
		buf[len++] = (char)('0' + frac / unit);
		frac %= unit;
	}
	if (buf[len - 1] == '.')
		buf[len++] = '0';
	buf[len] = '\0';
	return buf;
}

/* Is there to be a line for what is below border i? */
static bool wanted(const struct family *f, const double *borders, size_t i)
{
	return borders[i] > 0 && (!f->seconds || (i - 1) % HIST_SUBS == 0);
}

static void out_histogram(struct out *o, const struct family *f,
			  const struct gort_metric_histogram *h)
{
	char buf[48];
	u64 below = 0;

	for (size_t i = 1; i < h->n; i++) {
		below += h->counts[i - 1];
		if (wanted(f, h->borders, i))
			out_line(o, "%s_bucket{le=\"%s\"} %U\n", f->name,
				 decimal(buf, sizeof(buf), f,
					 to_whole(f, h->borders[i]) - 1),
				 below);
	}
	below += h->counts[h->n - 1];
	out_line(o, "%s_bucket{le=\"+Inf\"} %U\n", f->name, below);
	out_line(o, "%s_count %U\n", f->name, below);
	out_line(o, "%s_sum %s\n", f->name,
		 decimal(buf, sizeof(buf), f, to_whole(f, h->sum)));
}

static void out_metric(struct out *o, const struct gort_metric_desc *d,
		       const struct gort_metric_value *v)
{
	const char *total = d->cumulative ? "_total" : "";
	struct family f;
	char buf[48];

	family_init(&f, d->name);
	if (v->kind == GORT_METRIC_FLOAT64_HISTOGRAM) {
		out_head(o, &f, "histogram", d->help);
		out_histogram(o, &f, &v->histogram);
		return;
	}
	out_head(o, &f, d->cumulative ? "counter" : "gauge", d->help);
	if (v->kind == GORT_METRIC_UINT64)
		out_line(o, "%s%s %U\n", f.name, total, v->u64);
	else
		out_line(o, "%s%s %s\n", f.name, total,
			 decimal(buf, sizeof(buf), &f, to_whole(&f, v->f64)));
}

static int write_samples(int fd, const struct gort_metric_desc *descs,
			 struct gort_metric_sample *samples, size_t n)
{
	struct out o = { .fd = fd };
	int err;

	for (size_t i = 0; i < n; i++)
		samples[i].name = descs[i].name;
	err = gort_metrics_read(samples, n);
	if (err)
		return err;
	for (size_t i = 0; i < n && !o.err; i++)
		out_metric(&o, &descs[i], &samples[i].value);
	out_line(&o, "# EOF\n");
	out_flush(&o);
	return o.err;
}

__public int gort_metrics_write(int fd)
{
	size_t n;
	const struct gort_metric_desc *descs = gort_metrics_all(&n);
	struct gort_metric_sample *samples;
	int err;

	if (!in_goroutine())
		return -EPERM;
	samples = gort_calloc(n, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	err = write_samples(fd, descs, samples, n);
	gort_metrics_release(samples, n);
	gort_free(samples);
	return err;
}
