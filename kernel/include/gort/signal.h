/* SPDX-License-Identifier: ISC */
/*
 * gort/signal.h - signals as values of channels.
 */
#ifndef GORT_SIGNAL_H
#define GORT_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

struct gort_chan;

/*
 * gort_signal_notify - from now on signal sig, whichever thread it comes to,
 * is sent to c, whose elements are int: the number.  Several signals may go
 * to one channel and a signal to several.  What does not fit the channel is
 * dropped, so give it room for one element at least; like the kernel's,
 * signals that come faster than they are received become one.
 *
 * Takes the place of the handler the program had, until gort_signal_stop()
 * for the last channel, or the end of gort_run(), puts that back.
 *
 * Context: goroutine.  May block.
 * Returns 0; -EINVAL (NULL channel, elements of another size, no such signal, or one that cannot be caught or that the runtime needs:
 * SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGURG); -EALREADY; -ENOSPC (more than
 * 64 pairs); -ENOMEM, -EMFILE; -EPERM.
 */
int gort_signal_notify(struct gort_chan *c, int sig);

/*
 * gort_signal_stop - no more sig to c.  When it returns nothing is sent any
 * more, so the channel may be freed.
 *
 * Context: goroutine.  May block.
 * Returns 0, -ENOENT (it was not sent there), or -EPERM.
 */
int gort_signal_stop(struct gort_chan *c, int sig);

#ifdef __cplusplus
}
#endif

#endif
