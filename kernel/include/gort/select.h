/* SPDX-License-Identifier: ISC */
/*
 * gort/select.h - wait for the first of several channels.  Included by
 * <gort/gort.h>.
 *
 *	struct gort_select_case cases[] = {
 *		GORT_RECV_CASE(requests, &req),
 *		GORT_RECV_CASE(gort_cancel_done(cancel), NULL),
 *	};
 *
 *	switch (gort_select(cases, 2, 0)) {
 *	case 0:			// cases[0].result: 0, or -EPIPE
 *		...
 */
#ifndef GORT_SELECT_H
#define GORT_SELECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gort_chan;

#define GORT_SELECT_SEND	1
#define GORT_SELECT_RECV	2

/*
 * One thing to wait for.  It belongs to gort_select() until that returns, and
 * can be used again after that.
 */
struct gort_select_case {
	struct gort_chan *chan;	/* NULL: never ready */
	void *elem;		/* to send from (it is only read), or to
				 * receive into (NULL: throw it away) */
	int op;			/* GORT_SELECT_SEND or GORT_SELECT_RECV */
	int result;		/* out, of the chosen case only: as of
				 * gort_chan_send() or gort_chan_recv() */
	uint64_t opaque[6];	/* need not be initialised */
};

#define GORT_SEND_CASE(c, p) \
	{ (c), (void *)(p), GORT_SELECT_SEND, 0, { 0 } }
#define GORT_RECV_CASE(c, p) \
	{ (c), (p), GORT_SELECT_RECV, 0, { 0 } }

/* Flag: do not block. */
#define GORT_SELECT_NONBLOCK	1u

/* Most cases gort_select() takes. */
#define GORT_SELECT_MAX		65536

/*
 * gort_select - wait until one of n sends and receives can be done, and do
 * that one and no other.  A closed channel can always be used: that case is
 * chosen with the result -EPIPE, and what it receives is zeroed.
 *
 * If several can be done, chance decides: each is chosen with a probability
 * of at least 1/n, of two both with the same.  The same channel may be in
 * several cases; a send and a receive of one call do not meet each other.
 *
 * With GORT_SELECT_NONBLOCK each channel is looked at once, one after the
 * other, not all in the same instant.  Without it and without a channel that
 * is not NULL the call blocks for ever.
 *
 * No channel of the cases may be freed before the call returns; but that of
 * the chosen case, if it is in no other, by whoever knows that its element
 * was handed over or that it was closed.
 *
 * Context: goroutine.  Allocates nothing.  Takes time in proportion to n.
 * Returns the index of the case, or
 *	-EAGAIN	with GORT_SELECT_NONBLOCK: none can be done now
 *	-EINVAL	cases is NULL with n > 0, an op or a flag that does not
 *		exist, or a NULL elem to send elements of more than 0 bytes
 *	-E2BIG	n is above GORT_SELECT_MAX
 *	-EPERM
 */
int gort_select(struct gort_select_case *cases, size_t n, unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif
