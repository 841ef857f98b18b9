/* SPDX-License-Identifier: ISC */
/*
 * tests/child.h - run a function in a child process, for tests of what ends
 * the process.
 *
 *	static void dies(void *arg) { gort_yield(); }
 *
 *	child_run(dies, NULL);
 *	child_expect_exit(2);
 *	child_expect_text("fatal error: gort_yield called");
 *
 * child_run() forks, so call it outside gort_run() and without other threads.
 * fn must not use cmocka's asserts: they jump into the copy of the test
 * program.  The child ends with status 0 if fn returns, and by SIGALRM if it
 * hangs.  The child_expect functions fail the test and show what the child
 * wrote to standard error.
 */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHILD_SECONDS	50	/* until SIGALRM: below the runner's 60 */

static int child_status;		/* as from waitpid() */
static char child_err[1 << 18];		/* its standard error; terminated */

static inline void child_read(int fd)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(child_err) - 1) {
		n = read(fd, child_err + len, sizeof(child_err) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	child_err[len] = '\0';
}

/* Does this thread of the emulator sleep on a futex (x86-64 call 202)? */
static inline bool child_task_idle(const char *tid)
{
	char path[300], buf[8] = "";
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", tid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	return n <= 0 || !strncmp(buf, "202 ", 4);
}

/*
 * Under qemu-user the process has a thread that frees what ended threads
 * leave behind.  A fork() while it does so gives a child with a lock of the
 * emulator held by nobody, which then hangs.  So wait until it has done.
 */
static inline void child_wait_for_emulator(void)
{
	const char *emulator = getenv("EMULATOR");
	char self[16];
	bool busy = emulator && *emulator;

	snprintf(self, sizeof(self), "%d", (int)getpid());
	while (busy) {
		DIR *dir = opendir("/proc/self/task");
		struct dirent *e;

		assert_non_null(dir);
		busy = false;
		while ((e = readdir(dir)))
			if (e->d_name[0] != '.' && strcmp(e->d_name, self) &&
			    !child_task_idle(e->d_name))
				busy = true;
		closedir(dir);
	}
}

static inline void child_run(void (*fn)(void *), void *arg)
{
	int fds[2];
	pid_t pid;

	fflush(NULL);
	assert_int_equal(pipe(fds), 0);
	child_wait_for_emulator();
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		alarm(CHILD_SECONDS);
		fn(arg);
		_exit(0);
	}
	close(fds[1]);
	child_read(fds[0]);
	close(fds[0]);
	while (waitpid(pid, &child_status, 0) < 0)
		assert_int_equal(errno, EINTR);
}

static inline void child_show(void)
{
	if (WIFSIGNALED(child_status))
		print_error("child: killed by signal %d\n",
			    WTERMSIG(child_status));
	else
		print_error("child: exit status %d\n",
			    WEXITSTATUS(child_status));
	print_error("child's standard error:\n%s\n", child_err);
}

static inline void child_expect_exit(int status)
{
	if (!WIFEXITED(child_status) || WEXITSTATUS(child_status) != status) {
		child_show();
		fail_msg("want exit status %d", status);
	}
}

static inline void child_expect_signal(int sig)
{
	if (!WIFSIGNALED(child_status) || WTERMSIG(child_status) != sig) {
		child_show();
		fail_msg("want signal %d", sig);
	}
}

static inline void child_expect_text(const char *text)
{
	if (!strstr(child_err, text)) {
		child_show();
		fail_msg("want \"%s\" on standard error", text);
	}
}

static inline void child_expect_no_text(const char *text)
{
	if (strstr(child_err, text)) {
		child_show();
		fail_msg("want no \"%s\" on standard error", text);
	}
}

#endif
