/* SPDX-License-Identifier: ISC */
/*
 * trace/frames.h - the functions, files and lines at a pc.
 *
 * Context: goroutines, plain threads and g0; not signal handlers.  Nothing
 * here blocks or takes a lock; on a goroutine all of it can be preempted.
 * errno is kept.
 */
#ifndef TRACE_FRAMES_H
#define TRACE_FRAMES_H

#include <arch/compiler.h>

/*
 * One logical frame.  Strings are interned, equal ones are equal pointers,
 * and live as long as the process.
 */
struct frame {
	/* As in the symbol table; "" if nothing is known. */
	const char *func;
	/*
	 * As the compiler was told.  If there is no line: the path of the ELF
	 * object, as the kernel shows it; "" if pc is in none.
	 */
	const char *file;
	u32 line;		/* 0: unknown */
};

/*
 * All frames at one pc, innermost first: what was inlined there, and last the
 * function itself.  The line of all but the first is that of the call.
 */
struct frame_set {
	uintptr_t pc;
	u32 n;			/* >= 1 */
	struct frame frames[];
};

/*
 * frames_at - all frames at pc, which is to be as it is looked up: a return
 * address minus one, or the start of a function.
 *
 * Finds out once per process; after that it takes about 10 ns, from any
 * number of threads.  The first pc in an ELF object indexes that, which takes
 * milliseconds per megabyte of its symbols and line programs.
 *
 * Never NULL.  Without memory to say what is there: a set of one frame of
 * which nothing is known, shared by all such pcs, with pc 0.
 */
const struct frame_set *frames_at(uintptr_t pc);

/*
 * frames_refresh - notice what was loaded and unloaded.
 *
 * What dlopen() adds is found without it, unless pcs there were looked up
 * before.  After dlclose(), other code may come to where the old was: pcs
 * looked up before are believed until this is called.  Call it before a batch
 * of lookups.  Takes less than a microsecond if nothing happened.  Sets handed
 * out stay valid.
 */
void frames_refresh(void);

/*
 * The same for a file that need not be loaded, by link-time address: for
 * tests.  Nothing is cached by address.
 */
struct frame_index *frames_open_file(const char *path);
const struct frame_set *frames_in_file(struct frame_index *file, u64 addr);

#endif
