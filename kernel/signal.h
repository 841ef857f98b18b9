/* SPDX-License-Identifier: ISC */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <arch/compiler.h>

struct m;

/* Handlers of the process, for the time of a gort_run(). */
void signal_install(void);
void signal_restore(void);

/* Does the runtime itself need sig? */
bool signal_is_ours(int sig);

/* A thread's signal stack; 0 or -ENOMEM. */
int signal_thread_init(struct m *mp);
void signal_thread_exit(struct m *mp);

#endif
