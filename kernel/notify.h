/* SPDX-License-Identifier: ISC */
#ifndef KERNEL_NOTIFY_H
#define KERNEL_NOTIFY_H

/* After the run: signals have the handlers again that they had before. */
void notify_end_run(void);

#endif
