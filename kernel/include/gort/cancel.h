/* SPDX-License-Identifier: ISC */
/*
 * gort/cancel.h - tell a tree of goroutines to stop.  Included by
 * <gort/gort.h>.
 *
 * A struct gort_cancel stands for a piece of work.  Whoever started the work
 * cancels it; those who do it look at gort_cancel_err() now and then, or
 * have gort_cancel_done() among the cases of gort_select().  Parts of the
 * work get children, which are cancelled with their parent.
 *
 * It is counted by references: each goroutine that uses one keeps one of
 * its own, by gort_cancel_get() before it is started, and drops it by
 * gort_cancel_put() when it ends.
 *
 *	struct gort_cancel *part = gort_cancel_new(whole);
 *
 *	gort_go(worker, gort_cancel_get(part));	// ends with gort_cancel_put()
 *	...
 *	gort_cancel(part, 0);
 *	gort_cancel_put(part);
 *
 * NULL stands for what is never cancelled: gort_cancel_err(NULL) is 0, and
 * gort_cancel_done(NULL) is NULL, a channel that is never ready.
 */
#ifndef GORT_CANCEL_H
#define GORT_CANCEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gort_cancel;
struct gort_chan;

/*
 * gort_cancel_new - a child of parent, or with NULL a root.  The caller has
 * one reference.  The child keeps its parent.  If the parent is cancelled
 * already, the child is from the start.
 *
 * Context: goroutine; anywhere else a fatal error.  Does not block.
 * Returns NULL when out of memory.
 */
struct gort_cancel *gort_cancel_new(struct gort_cancel *parent);

/*
 * gort_cancel_get - one more reference; the caller has one.  Returns c.
 * Context: any.
 */
struct gort_cancel *gort_cancel_get(struct gort_cancel *c);

/*
 * gort_cancel_put - one reference less.  With the last one, children's
 * included, it is freed; it is not cancelled by that.  A goroutine that
 * still waits for gort_cancel_done() then is a fatal error.
 *
 * Context: goroutine; anywhere else a fatal error.  Does not block.
 */
void gort_cancel_put(struct gort_cancel *c);

/*
 * gort_cancel - cancel c, its children, and theirs.  cause is what
 * gort_cancel_err() of them will be, a -errno, or 0 for -ECANCELED.  Whatever
 * is cancelled already keeps its cause.
 *
 * When it returns, all of them are cancelled, but for those that somebody
 * else is about to at this moment.  Takes time in proportion to their number,
 * but can be preempted between any two.
 *
 * Context: goroutine.  Does not block.
 * Returns 0, -EINVAL (NULL, or no -errno), or -EPERM.
 */
int gort_cancel(struct gort_cancel *c, int cause);

/*
 * gort_cancel_deadline - cancel c with -ETIMEDOUT at when_ns of
 * gort_now_ns(), or a little later; if that has passed, at once; INT64_MAX
 * is never.  Each has one deadline at most, and its parents' besides.  It
 * does not keep c, and ends with the gort_run() it was set in.
 *
 * Context: goroutine.  Does not block.
 * Returns 0, also if c is cancelled already; -EALREADY if it has had a
 * deadline before, -EINVAL (NULL), or -EPERM.
 */
int gort_cancel_deadline(struct gort_cancel *c, int64_t when_ns);

/* 0, or the cause if c is cancelled.  Context: any. */
int gort_cancel_err(const struct gort_cancel *c);

/*
 * gort_cancel_done - a channel that is closed when c is cancelled, after
 * gort_cancel_err() shows it.  Nothing is ever sent.  It belongs to c: do not
 * send to it, close or free it.
 * Context: any.
 */
struct gort_chan *gort_cancel_done(const struct gort_cancel *c);

#ifdef __cplusplus
}
#endif

#endif
