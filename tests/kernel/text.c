// SPDX-License-Identifier: ISC
/*
 * tests/kernel/text.c - for test_text.sh: on one P, a goroutine in a loop
 * without calls is preempted, or this never ends.  With an argument the loop
 * is in that shared object, loaded while goroutines run.
 */
#include <gort/gort.h>

#include <dlfcn.h>
#include <stdlib.h>

volatile int stop;

#ifndef LOADER
/* Its own file in a shared object: see LOADER. */
void spin(void *arg);
void spin(void *arg)
{
	volatile int *flag = arg;

	while (!*flag)
		;
}
#endif

#ifndef OBJECT
static void (*loop)(void *);
static struct gort_waitgroup wg;

static void spinner(void *arg)
{
	loop(arg);
	gort_waitgroup_done(&wg);
}

static void first(void *arg)
{
#ifdef LOADER
	void *object = dlopen(arg, RTLD_NOW);

	loop = object ? (void (*)(void *))dlsym(object, "spin") : NULL;
	if (!loop)
		abort();
#else
	(void)arg;
	loop = spin;
#endif
	gort_waitgroup_add(&wg, 1);
	if (gort_go(spinner, (void *)&stop))
		abort();
	gort_yield();
	stop = 1;
	gort_waitgroup_wait(&wg);
}

int main(int argc, char **argv)
{
	setenv("GORTMAXPROCS", "1", 1);
	return gort_run(first, argc > 1 ? argv[1] : NULL) ? 1 : 0;
}
#endif
