// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/main.c - prove what runs on which stack.
 *
 * Works on what gcc tells of its calls and frames and on the objects.  What
 * it cannot see, it says nothing about: calls by pointer but for arguments of
 * the functions that the rules name, and code in other languages.
 *
 * Rejected: a compiler plug-in (one per version); reading machine code (who
 * is called is known better by who compiled it); annotations checked at run
 * time only (the path that breaks the rule is the one no test takes).
 */
#include "checkstack.h"

#include <stdlib.h>
#include <string.h>

/*
 * What the library is like.  frame: with the return address and all that is
 * called on that stack.  blocks: what may leave the goroutine.
 */
static char program_rules[] =
"frame x86_64 __morestack 2944\n"
"frame arm64 __morestack 9360\n"	/* SVE of 2048 bits */
"carrier gort_systemstack_call\n"
"carrier gort_blocking\n"
"blocks gort_accept\n"
"blocks gort_blocking\n"
"blocks gort_chan_recv\n"
"blocks gort_chan_send\n"
"blocks gort_chan_try_recv\n"
"blocks gort_chan_try_send\n"
"blocks gort_close\n"
"blocks gort_cond_wait\n"
"blocks gort_connect\n"
"blocks gort_cpuprofile_start\n"
"blocks gort_cpuprofile_stop\n"
"blocks gort_exit\n"
"blocks gort_free_os_memory\n"
"blocks gort_gomaxprocs\n"
"blocks gort_metrics_read\n"
"blocks gort_metrics_write\n"
"blocks gort_mutex_lock\n"
"blocks gort_mutex_unlock\n"
"blocks gort_nonpreempt_read_open\n"
"blocks gort_nonpreempt_write\n"
"blocks gort_once\n"
"blocks gort_poll\n"
"blocks gort_read\n"
"blocks gort_read_memstats\n"
"blocks gort_readv\n"
"blocks gort_recv\n"
"blocks gort_recvmsg\n"
"blocks gort_run\n"
"blocks gort_rwmutex_lock\n"
"blocks gort_rwmutex_rlock\n"
"blocks gort_select\n"
"blocks gort_sem_acquire\n"
"blocks gort_send\n"
"blocks gort_sendmsg\n"
"blocks gort_set_deadline\n"
"blocks gort_sleep_ns\n"
"blocks gort_stack_dump\n"
"blocks gort_stack_shrink\n"
"blocks gort_syscall_exit\n"
"blocks gort_trace_start\n"
"blocks gort_trace_stop\n"
"blocks gort_waitgroup_wait\n"
"blocks gort_write\n"
"blocks gort_write_all\n"
"blocks gort_writev\n"
"blocks gort_yield\n";

static const char help[] =
"usage: gort-checkstack [-v] [--rules=FILE]... FILE.ci...\n"
"\n"
"Checks a program that uses gort.  FILE.ci is what gcc writes beside an object\n"
"with -fcallgraph-info=su; the object must be there, too: x.ci and x.o.\n"
"\n"
" - What is passed to gort_systemstack_call() or gort_blocking(), or says\n"
"   GORT_SYSTEMSTACK, calls nothing that blocks the goroutine, directly or not.\n"
" - GORT_SYSTEMSTACK functions are called by such functions only, or passed to\n"
"   those two.\n"
" - GORT_NOSPLIT functions with what they call fit the red zone.\n"
" - Functions that were not compiled with gort's flags fit the reserve.\n"
"\n"
"The words are in <gort/context.h>.\n"
"\n"
"Compile with -ffunction-sections: without it, what is passed to whom in the\n"
"same file is not seen.  Calls by pointer are not followed.\n"
"\n"
"  -v             also say what has no known size\n"
"  --rules=FILE   what is known of this program, e.g. \"carrier run_there\": a\n"
"                 function of its own that calls gort_systemstack_call()\n"
"  --help         this\n"
"  --calls --frames\n"
"                 rules of the runtime itself (\"make checkstack\")\n"
"\n"
"Exit status: 0 all is well, 1 a rule is broken, 2 something cannot be read.\n";

enum mode { MODE_PROGRAM, MODE_CALLS, MODE_FRAMES };

static void usage(const char *what)
{
	fprintf(stderr, "gort-checkstack: %s\n%s", what, help);
	exit(2);
}

static bool option(const char *arg, enum mode *mode)
{
	if (!strcmp(arg, "--help")) {
		fputs(help, stdout);
		exit(0);
	}
	if (!strcmp(arg, "-v"))
		verbose = true;
	else if (!strcmp(arg, "--calls"))
		*mode = MODE_CALLS;
	else if (!strcmp(arg, "--frames"))
		*mode = MODE_FRAMES;
	else if (!strncmp(arg, "--rules=", 8))
		rules_parse(read_whole(arg + 8, NULL), arg + 8);
	else
		return false;
	return true;
}

static void check_program(void)
{
	check_callers();
	check_reach(stdout);
	check_frames(stdout);
	check_foreign(stdout);
}

static void check_runtime(void)
{
	check_calls(stdout);
	check_blocking();
}

int main(int argc, char **argv)
{
	const char **objects = zalloc((size_t)argc * sizeof(*objects));
	enum mode mode = MODE_PROGRAM;
	size_t n = 0, i;

	for (argv++; *argv; argv++) {
		if (**argv != '-')
			objects[n++] = ci_read(*argv);
		else if (!option(*argv, &mode))
			usage("unknown option");
	}
	if (!n)
		usage("no FILE.ci");
	/* All functions are known before somebody takes their address. */
	for (i = 0; i < n; i++)
		elf_read(objects[i]);
	rules_parse(program_rules, "built in");
	if (mode == MODE_PROGRAM)
		check_program();
	else if (mode == MODE_CALLS)
		check_runtime();
	else
		check_frames(stdout);
	if (mode != MODE_FRAMES)
		rules_report_unused();
	return errors() ? 1 : 0;
}
