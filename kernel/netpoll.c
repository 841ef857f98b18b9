// SPDX-License-Identifier: ISC
/*
 * kernel/netpoll.c - waiting for descriptors.
 */
#include "kernel/netpoll.h"

int netpoll_init(void)
{
	return 0;
}

bool netpoll_ready(void)
{
	return false;
}

bool netpoll_any_waiters(void)
{
	return false;
}

struct gqueue netpoll(s64 delay_ns)
{
	(void)delay_ns;
	return (struct gqueue){ 0 };
}

void netpoll_break(void)
{
}

void netpoll_fini(void)
{
}
