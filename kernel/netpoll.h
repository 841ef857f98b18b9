/* SPDX-License-Identifier: ISC */
/*
 * kernel/netpoll.h - what the scheduler needs of the network poller.
 */
#ifndef KERNEL_NETPOLL_H
#define KERNEL_NETPOLL_H

#include "kernel/sched.h"

/* Make the poller ready for use by timers or descriptors; 0 or -errno. */
int netpoll_init(void);
bool netpoll_ready(void);

/* Goroutines that wait for a descriptor. */
bool netpoll_any_waiters(void);

/*
 * netpoll - goroutines whose descriptors became ready, taken off what they
 * wait for; they are G_WAITING and the caller makes them runnable.
 * delay_ns: how long to wait; 0 not at all, < 0 until there is one.  May
 * return none.  Context: g0 or sysmon, no lock held; without a P if it waits.
 */
struct gqueue netpoll(s64 delay_ns);

/* Make the thread that waits in netpoll() return.  Any context. */
void netpoll_break(void);

/* After the run. */
void netpoll_fini(void);

#endif
