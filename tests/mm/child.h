/* SPDX-License-Identifier: ISC */
/*
 * tests/mm/child.h - what a program that dies says.
 *
 * child_run() forks, runs fn(arg) there, and keeps what the child wrote to
 * standard error and how it ended.  A child whose fn returns exits with
 * status CHILD_SURVIVED.
 */
#ifndef TESTS_MM_CHILD_H
#define TESTS_MM_CHILD_H

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHILD_SURVIVED		42
#define CHILD_TIMEOUT_MS	250000

struct child {
	int status;		/* of waitpid() */
	size_t len;
	char err[256 << 10];
};

static struct child child;

/* Reads to the end of file, or until nothing came for a long time. */
static inline void child_read(int fd, pid_t pid)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char waste[4096];
	ssize_t n;

	for (;;) {
		size_t room = sizeof(child.err) - 1 - child.len;

		if (poll(&pfd, 1, CHILD_TIMEOUT_MS) == 0)
			kill(pid, SIGKILL);
		n = room ? read(fd, child.err + child.len, room) :
			   read(fd, waste, sizeof(waste));
		if (n <= 0)
			return;
		if (room)
			child.len += (size_t)n;
	}
}

static inline void child_run(void (*fn)(void *), void *arg)
{
	/* cmocka has handlers for these. */
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct rlimit no_core = { 0, 0 };
	int fds[2];
	pid_t pid;

	memset(&child, 0, sizeof(child));
	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			signal(faults[i], SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		fn(arg);
		_exit(CHILD_SURVIVED);
	}
	close(fds[1]);
	child_read(fds[0], pid);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &child.status, 0), pid);
}

static inline void assert_child_exited(int status)
{
	if (!WIFEXITED(child.status) || WEXITSTATUS(child.status) != status)
		fail_msg("child: wait status %#x, not exit status %d; it said:\n%s",
			 child.status, status, child.err);
}

static inline void assert_child_killed(int sig)
{
	if (!WIFSIGNALED(child.status) || WTERMSIG(child.status) != sig)
		fail_msg("child: wait status %#x, not signal %d; it said:\n%s",
			 child.status, sig, child.err);
}

static inline void assert_child_said(const char *what)
{
	if (!strstr(child.err, what))
		fail_msg("not said: \"%s\" but:\n%s", what, child.err);
}

static inline void assert_child_did_not_say(const char *what)
{
	if (strstr(child.err, what))
		fail_msg("said: \"%s\" in:\n%s", what, child.err);
}

static inline int child_count(const char *what)
{
	int n = 0;

	for (const char *p = child.err; (p = strstr(p, what)); p++)
		n++;
	return n;
}

#endif
