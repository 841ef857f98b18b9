// SPDX-License-Identifier: ISC
/*
 * trace/reader/spec.c - the types of events: names, arguments, what of them
 * are stacks and strings.
 *
 * What is not listed, or is not timed, must not stand in a batch of events.
 * As in Go, the version of a trace does not matter here: a trace of 1.22 may
 * have events that came with 1.23.
 */
#include "internal.h"

#define ARGS(n, ...)	.nargs = (n), .args = { __VA_ARGS__ }
#define STACK(i)	.nstacks = 1, .stacks = { i }
#define STACKS(i, j)	.nstacks = 2, .stacks = { i, j }
#define STRING(i)	.nstrings = 1, .strings = { i }
#define STRINGS(i, j)	.nstrings = 2, .strings = { i, j }
#define TIMED(k)	.timed = true, .kind = TRACEFILE_##k

const struct spec gort_tracefile_specs[TF_TYPES] = {
	[TF_EVENT_BATCH] = { "EventBatch" },
	[TF_STACKS] = { "Stacks" },
	[TF_STACK] = { "Stack" },
	[TF_STRINGS] = { "Strings" },
	[TF_STRING] = { "String" },
	[TF_CPU_SAMPLES] = { "CPUSamples" },
	[TF_CPU_SAMPLE] = { "CPUSample", .kind = TRACEFILE_SAMPLE, STACK(0) },
	[TF_FREQUENCY] = { "Frequency" },
	[TF_EXPERIMENTAL_BATCH] = { "ExperimentalBatch" },
	[TF_SYNC] = { "Sync" },
	[TF_CLOCK_SNAPSHOT] = { "ClockSnapshot", TIMED(BAD),
		ARGS(3, "mono", "sec", "nsec") },
	[TF_END_OF_GENERATION] = { "EndOfGeneration" },

	[TF_PROCS_CHANGE] = { "ProcsChange", TIMED(METRIC),
		ARGS(2, "procs_value", "stack"), STACK(1) },
	[TF_PROC_START] = { "ProcStart", TIMED(TRANSITION),
		ARGS(2, "p", "p_seq") },
	[TF_PROC_STOP] = { "ProcStop", TIMED(TRANSITION) },
	[TF_PROC_STEAL] = { "ProcSteal", TIMED(TRANSITION),
		ARGS(3, "p", "p_seq", "m") },
	[TF_PROC_STATUS] = { "ProcStatus", TIMED(TRANSITION),
		ARGS(2, "p", "pstatus") },

	[TF_GO_CREATE] = { "GoCreate", TIMED(TRANSITION),
		ARGS(3, "new_g", "new_stack", "stack"), STACKS(2, 1) },
	[TF_GO_CREATE_SYSCALL] = { "GoCreateSyscall", TIMED(TRANSITION),
		ARGS(1, "new_g") },
	[TF_GO_START] = { "GoStart", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_DESTROY] = { "GoDestroy", TIMED(TRANSITION) },
	[TF_GO_DESTROY_SYSCALL] = { "GoDestroySyscall", TIMED(TRANSITION) },
	[TF_GO_STOP] = { "GoStop", TIMED(TRANSITION),
		ARGS(2, "reason_string", "stack"), STACK(1), STRING(0) },
	[TF_GO_BLOCK] = { "GoBlock", TIMED(TRANSITION),
		ARGS(2, "reason_string", "stack"), STACK(1), STRING(0) },
	[TF_GO_UNBLOCK] = { "GoUnblock", TIMED(TRANSITION),
		ARGS(3, "g", "g_seq", "stack"), STACK(2) },
	[TF_GO_SYSCALL_BEGIN] = { "GoSyscallBegin", TIMED(TRANSITION),
		ARGS(2, "p_seq", "stack"), STACK(1) },
	[TF_GO_SYSCALL_END] = { "GoSyscallEnd", TIMED(TRANSITION) },
	[TF_GO_SYSCALL_END_BLOCKED] = { "GoSyscallEndBlocked",
		TIMED(TRANSITION) },
	[TF_GO_STATUS] = { "GoStatus", TIMED(TRANSITION),
		ARGS(3, "g", "m", "gstatus") },

	[TF_STW_BEGIN] = { "STWBegin", TIMED(RANGE_BEGIN),
		ARGS(2, "kind_string", "stack"), STACK(1), STRING(0) },
	[TF_STW_END] = { "STWEnd", TIMED(RANGE_END), .start = TF_STW_BEGIN },

	[TF_GC_ACTIVE] = { "GCActive", TIMED(RANGE_ACTIVE),
		ARGS(1, "gc_seq"), .start = TF_GC_BEGIN },
	[TF_GC_BEGIN] = { "GCBegin", TIMED(RANGE_BEGIN),
		ARGS(2, "gc_seq", "stack"), STACK(1) },
	[TF_GC_END] = { "GCEnd", TIMED(RANGE_END),
		ARGS(1, "gc_seq"), .start = TF_GC_BEGIN },
	[TF_GC_SWEEP_ACTIVE] = { "GCSweepActive", TIMED(RANGE_ACTIVE),
		ARGS(1, "p"), .start = TF_GC_SWEEP_BEGIN },
	[TF_GC_SWEEP_BEGIN] = { "GCSweepBegin", TIMED(RANGE_BEGIN),
		ARGS(1, "stack"), STACK(0) },
	[TF_GC_SWEEP_END] = { "GCSweepEnd", TIMED(RANGE_END),
		ARGS(2, "swept_value", "reclaimed_value"),
		.start = TF_GC_SWEEP_BEGIN },
	[TF_GC_MARK_ASSIST_ACTIVE] = { "GCMarkAssistActive",
		TIMED(RANGE_ACTIVE), ARGS(1, "g"),
		.start = TF_GC_MARK_ASSIST_BEGIN },
	[TF_GC_MARK_ASSIST_BEGIN] = { "GCMarkAssistBegin", TIMED(RANGE_BEGIN),
		ARGS(1, "stack"), STACK(0) },
	[TF_GC_MARK_ASSIST_END] = { "GCMarkAssistEnd", TIMED(RANGE_END),
		.start = TF_GC_MARK_ASSIST_BEGIN },
	[TF_HEAP_ALLOC] = { "HeapAlloc", TIMED(METRIC),
		ARGS(1, "heapalloc_value") },
	[TF_HEAP_GOAL] = { "HeapGoal", TIMED(METRIC),
		ARGS(1, "heapgoal_value") },

	[TF_GO_LABEL] = { "GoLabel", TIMED(LABEL),
		ARGS(1, "label_string"), STRING(0) },
	[TF_USER_TASK_BEGIN] = { "UserTaskBegin", TIMED(TASK_BEGIN),
		ARGS(4, "task", "parent_task", "name_string", "stack"),
		STACK(3), STRING(2) },
	[TF_USER_TASK_END] = { "UserTaskEnd", TIMED(TASK_END),
		ARGS(2, "task", "stack"), STACK(1) },
	[TF_USER_REGION_BEGIN] = { "UserRegionBegin", TIMED(REGION_BEGIN),
		ARGS(3, "task", "name_string", "stack"), STACK(2), STRING(1) },
	[TF_USER_REGION_END] = { "UserRegionEnd", TIMED(REGION_END),
		ARGS(3, "task", "name_string", "stack"),
		.start = TF_USER_REGION_BEGIN, STACK(2), STRING(1) },
	[TF_USER_LOG] = { "UserLog", TIMED(LOG),
		ARGS(4, "task", "key_string", "value_string", "stack"),
		STACK(3), STRINGS(1, 2) },

	[TF_GO_SWITCH] = { "GoSwitch", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_SWITCH_DESTROY] = { "GoSwitchDestroy", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_CREATE_BLOCKED] = { "GoCreateBlocked", TIMED(TRANSITION),
		ARGS(3, "new_g", "new_stack", "stack"), STACKS(2, 1) },
	[TF_GO_STATUS_STACK] = { "GoStatusStack", TIMED(TRANSITION),
		ARGS(4, "g", "m", "gstatus", "stack"), STACK(3) },

	[TF_SPAN] = { "Span", TIMED(EXPERIMENTAL),
		ARGS(3, "id", "npages_value", "kindclass") },
	[TF_SPAN_ALLOC] = { "SpanAlloc", TIMED(EXPERIMENTAL),
		ARGS(3, "id", "npages_value", "kindclass") },
	[TF_SPAN_FREE] = { "SpanFree", TIMED(EXPERIMENTAL), ARGS(1, "id") },
	[TF_HEAP_OBJECT] = { "HeapObject", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "type") },
	[TF_HEAP_OBJECT_ALLOC] = { "HeapObjectAlloc", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "type") },
	[TF_HEAP_OBJECT_FREE] = { "HeapObjectFree", TIMED(EXPERIMENTAL),
		ARGS(1, "id") },
	[TF_GOROUTINE_STACK] = { "GoroutineStack", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "order") },
	[TF_GOROUTINE_STACK_ALLOC] = { "GoroutineStackAlloc",
		TIMED(EXPERIMENTAL), ARGS(2, "id", "order") },
	[TF_GOROUTINE_STACK_FREE] = { "GoroutineStackFree",
		TIMED(EXPERIMENTAL), ARGS(1, "id") },
};
