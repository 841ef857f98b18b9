/* SPDX-License-Identifier: ISC */
/*
 * tests/corpus/drive.h - run jobs on goroutines, or in a plain build on a
 * thread with a large stack, and print what they say in the order of jobs.
 *
 * A plain build (-DPLAIN) runs the jobs one after the other: the output of
 * both must be the same.
 */
#ifndef CORPUS_DRIVE_H
#define CORPUS_DRIVE_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PLAIN
#include <gort/gort.h>
#endif

#define MAX_JOBS	64

struct job {
	int id;
	char *out;
	size_t len;
	size_t cap;
	int failed;
};

static struct job jobs[MAX_JOBS];
static int njobs = 1;
static void (*job_fn)(struct job *job);

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Append to what the job prints. */
static void put(struct job *job, const char *s, size_t n)
{
	if (job->len + n > job->cap) {
		job->cap = 2 * (job->len + n) + 256;
		job->out = realloc(job->out, job->cap);
		if (!job->out)
			die("realloc");
	}
	memcpy(job->out + job->len, s, n);
	job->len += n;
}

__attribute__((format(printf, 2, 3), unused))
static void say(struct job *job, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	put(job, line, (size_t)n);
}

#ifdef PLAIN

static void yield(void)
{
}

static void *all_jobs(void *arg)
{
	int i;

	for (i = 0; i < njobs; i++)
		job_fn(&jobs[i]);
	return arg;
}

static void run_all(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, (size_t)1 << 30))
		die("pthread_attr_setstacksize");
	errno = pthread_create(&thread, &attr, all_jobs, NULL);
	if (errno)
		die("pthread_create");
	pthread_join(thread, NULL);
}

#else

static void yield(void)
{
	gort_yield();
}

static struct gort_waitgroup running;

static void one_job(void *arg)
{
	job_fn(arg);
	gort_waitgroup_done(&running);
}

/* A single job runs on the first goroutine. */
static void all_jobs(void *arg)
{
	int i, err;

	(void)arg;
	if (njobs == 1) {
		job_fn(&jobs[0]);
		return;
	}
	gort_waitgroup_add(&running, njobs);
	for (i = 0; i < njobs; i++) {
		err = gort_go(one_job, &jobs[i]);
		if (err) {
			errno = -err;
			die("gort_go");
		}
	}
	gort_waitgroup_wait(&running);
}

static void run_all(void)
{
	struct gort_stats st;
	int err = gort_run(all_jobs, NULL);

	if (err) {
		errno = -err;
		die("gort_run");
	}
	gort_read_stats(&st);
	fprintf(stderr, "stack_peak_kib=%llu switches=%llu by_switch=%llu in_place=%llu\n",
		(unsigned long long)st.stack_peak >> 10,
		(unsigned long long)st.switches,
		(unsigned long long)st.stack_grown_by_switch,
		(unsigned long long)st.stack_grown_in_place);
}

#endif

/* Run n jobs, print their output; 0 or 1 is main's exit status. */
static int drive(int n, void (*fn)(struct job *job))
{
	int i, failed = 0;

	if (n < 1 || n > MAX_JOBS) {
		fprintf(stderr, "1 to %d jobs\n", MAX_JOBS);
		return 2;
	}
	njobs = n;
	job_fn = fn;
	for (i = 0; i < n; i++)
		jobs[i].id = i;
	run_all();
	for (i = 0; i < n; i++) {
		printf("-- job %d\n", i);
		fwrite(jobs[i].out, 1, jobs[i].len, stdout);
		failed |= jobs[i].failed;
		free(jobs[i].out);
	}
	return failed;
}

#endif
