/* SPDX-License-Identifier: ISC */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <signal.h>

#include <arch/compiler.h>

#ifdef GORT_TSAN
/* glibc's other name for it, which the sanitizer does not intercept. */
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
#define sigaction_raw	__sigaction
#else
#define sigaction_raw	sigaction
#endif

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
