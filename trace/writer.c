// SPDX-License-Identifier: ISC
/*
 * trace/writer.c - the thread that writes a trace.
 *
 * A thread of its own, not a goroutine: a write that blocks takes no P from
 * anybody for even a moment, a batch can be handed over from any context, and
 * the trace does not show itself being written.  It is started with the first
 * trace of a run and sleeps between two of them.  SIGPIPE, like every signal,
 * is blocked in it: a closed pipe is an error code.
 *
 * The generations come out one after the other: batches of a generation until
 * trace.flushed_gen says that there are no more, then those of the next one.
 * What was written of a generation that was lost - for want of buffers, or by
 * a failing write - is cut off again if fd is a file.
 *
 * Locks: trace.lock between two writes; wait.lock after it was dropped.
 */
#define _GNU_SOURCE
#include "trace/trace.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kernel/errno.h"
#include "kernel/proc.h"
#include "kernel/runq.h"

static struct {
	struct lock lock;
	struct g *waiter;	/* parked until */
	u32 gen;		/* the writer has done this generation, or */
	u32 queued;		/* has so few batches of it left, if not 0 */
} wait = { .lock = LOCK_INIT(RANK_TRACE_WAIT) };

static struct {
	struct m *m;		/* of this run; NULL: not started */
	struct note note, done;
	_Atomic bool quit;
	int fd;
	bool header;		/* is written */
	off_t good;		/* where the last whole generation ends; -1 */
} writer;

/*
 * Waiting for it.
 */

static bool satisfied(void)
{
	if (wait.queued)
		return trace_queued(wait.gen) <= wait.queued;
	/* Acquire: pairs with the release in end_gen(). */
	return atomic_load_explicit(&trace.done_gen, memory_order_acquire) >=
	       wait.gen;
}

static void __systemstack announce(void *arg)
{
	(void)arg;
	m_waking_elsewhere(true);
}

static void __systemstack denounce(void *arg)
{
	(void)arg;
	m_waking_elsewhere(false);
}

/*
 * trace_wait_for_writer - until no more than queued batches of gen are left;
 * 0: until all of it is written.  One goroutine at a time.  Blocks.
 *
 * What is queued of the next generation does not count: it is written after
 * this one only, so who is to end this one would wait for himself.
 */
void trace_wait_for_writer(u32 gen, u32 queued)
{
	trace_systemstack(announce, NULL);
	lock(&wait.lock);
	wait.gen = gen;
	wait.queued = queued;
	if (satisfied()) {
		unlock(&wait.lock);
		trace_systemstack(denounce, NULL);
		return;
	}
	wait.waiter = getg();
	sched_park(&wait.lock, WAIT_TRACE);
}

static void __systemstack wake_waiter(void)
{
	struct gqueue list = { 0 };
	struct g *gp = NULL;

	lock(&wait.lock);
	if (wait.waiter && satisfied()) {
		gp = wait.waiter;
		wait.waiter = NULL;
	}
	unlock(&wait.lock);
	if (!gp)
		return;
	gqueue_push(&list, gp);
	sched_ready_list(&list);
	m_waking_elsewhere(false);
}

/*
 * Writing.
 */

/* All of it, whatever fd is.  0 or -errno. */
static int write_all(const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t r = write(writer.fd, p, n);

		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			struct pollfd pfd = { writer.fd, POLLOUT, 0 };

			poll(&pfd, 1, -1);
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		p += r;
		n -= (size_t)r;
		atomic_fetch_add_explicit(&trace.bytes, (u64)r,
					  memory_order_relaxed);
	}
	return 0;
}

static bool gen_lost(u32 gen)
{
	u32 lost = atomic_load_explicit(&trace.lost_gen, memory_order_relaxed);

	return lost && gen >= lost;
}

static int write_header(void)
{
	char header[TRACE_HEADER_SIZE] = "go 1.?? trace";
	int err;

	header[5] = (char)('0' + trace.version / 10);
	header[6] = (char)('0' + trace.version % 10);
	err = write_all(header, sizeof(header));
	if (err)
		return err;
	writer.header = true;
	writer.good = lseek(writer.fd, 0, SEEK_CUR);
	return 0;
}

static void write_out(u32 gen, const void *data, size_t n)
{
	int err = 0;

	if (gen_lost(gen))
		return;
	if (!writer.header)
		err = write_header();
	if (!err)
		err = write_all(data, n);
	if (err)
		trace_lose(gen, err);
}

/* gen is complete, or given up. */
static void end_gen(u32 gen)
{
	static const u8 end = EV_END_OF_GENERATION;

	if (trace.version >= 26)
		write_out(gen, &end, 1);
	if (!gen_lost(gen)) {
		atomic_fetch_add_explicit(&trace.generations, 1,
					  memory_order_relaxed);
		writer.good = lseek(writer.fd, 0, SEEK_CUR);
	} else if (writer.good >= 0 && !ftruncate(writer.fd, writer.good)) {
		lseek(writer.fd, writer.good, SEEK_SET);
	}
	/* Release: pairs with satisfied(). */
	atomic_store_explicit(&trace.done_gen, gen, memory_order_release);
}

static void __systemstack recycle(u32 gen, struct trace_block *b)
{
	lock(&trace.lock);
	trace_block_free_locked(b);
	atomic_store_explicit(&trace.queued[gen % 2], trace_queued(gen) - 1,
			      memory_order_relaxed);
	unlock(&trace.lock);
}

/* The next batch in order; or NULL, and *ended if its generation is over. */
static struct trace_block * __systemstack next_batch(u32 *gen, bool *ended)
{
	struct trace_queue *q;
	struct trace_block *b;

	lock(&trace.lock);
	*gen = trace.writer_gen;
	q = &trace.full[*gen % 2];
	b = q->head;
	if (b)
		q->head = b->link;
	*ended = !b && trace.flushed_gen >= *gen;
	if (*ended)
		trace.writer_gen++;
	trace.writer_sleeps = !b && !*ended;
	unlock(&trace.lock);
	return b;
}

/* trace.lock held: there is something to do. */
void __systemstack trace_writer_wake_locked(void)
{
	if (!trace.writer_sleeps)
		return;
	trace.writer_sleeps = false;
	note_wakeup(&writer.note);
}

static void __systemstack writer_loop(void)
{
	while (!atomic_load_explicit(&writer.quit, memory_order_acquire)) {
		struct trace_block *b;
		bool ended;
		u32 gen;

		b = next_batch(&gen, &ended);
		if (b) {
			write_out(gen, b->data, b->pos);
			recycle(gen, b);
		} else if (ended) {
			end_gen(gen);
		} else {
			note_sleep(&writer.note);
			note_clear(&writer.note);
		}
		wake_waiter();
	}
}

static __g0_thread void *writer_thread(void *arg)
{
	m_begin_helper(arg);
	writer_loop();
	m_end_helper(arg);
	note_wakeup(&writer.done);
	return NULL;
}

/*
 * trace_writer_begin - what comes from now on is for fd.  Nothing is queued,
 * all generations that ended are written.  0; -EAGAIN without a thread.
 */
int trace_writer_begin(int fd)
{
	writer.fd = fd;
	writer.header = false;
	writer.good = -1;
	if (writer.m)
		return 0;
	note_clear(&writer.note);
	note_clear(&writer.done);
	atomic_store_explicit(&writer.quit, false, memory_order_relaxed);
	trace.writer_sleeps = false;
	wait.waiter = NULL;
	writer.m = m_start_helper(writer_thread);
	return writer.m ? 0 : -EAGAIN;
}

/* Before the run ends: the thread touches nothing any more. */
void trace_writer_end_run(void)
{
	if (!writer.m)
		return;
	/* Release: pairs with the acquire in writer_loop(). */
	atomic_store_explicit(&writer.quit, true, memory_order_release);
	note_wakeup(&writer.note);
	note_sleep(&writer.done);
	writer.m = NULL;
}
