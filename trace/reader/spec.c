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
	[TF_EVENT_BATCH] = { .name = "EventBatch" },
	[TF_STACKS] = { .name = "Stacks" },
	[TF_STACK] = { .name = "Stack" },
	[TF_STRINGS] = { .name = "Strings" },
	[TF_STRING] = { .name = "String" },
	[TF_CPU_SAMPLES] = { .name = "CPUSamples" },
	[TF_CPU_SAMPLE] = { .name = "CPUSample", .kind = TRACEFILE_SAMPLE, STACK(0) },
	[TF_FREQUENCY] = { .name = "Frequency" },
	[TF_EXPERIMENTAL_BATCH] = { .name = "ExperimentalBatch" },
	[TF_SYNC] = { .name = "Sync" },
	[TF_CLOCK_SNAPSHOT] = { .name = "ClockSnapshot", TIMED(BAD),
		ARGS(3, "mono", "sec", "nsec") },
	[TF_END_OF_GENERATION] = { .name = "EndOfGeneration" },

	[TF_PROCS_CHANGE] = { .name = "ProcsChange", TIMED(METRIC),
		ARGS(2, "procs_value", "stack"), STACK(1) },
	[TF_PROC_START] = { .name = "ProcStart", TIMED(TRANSITION),
		ARGS(2, "p", "p_seq") },
	[TF_PROC_STOP] = { .name = "ProcStop", TIMED(TRANSITION) },
	[TF_PROC_STEAL] = { .name = "ProcSteal", TIMED(TRANSITION),
		ARGS(3, "p", "p_seq", "m") },
	[TF_PROC_STATUS] = { .name = "ProcStatus", TIMED(TRANSITION),
		ARGS(2, "p", "pstatus") },

	[TF_GO_CREATE] = { .name = "GoCreate", TIMED(TRANSITION),
		ARGS(3, "new_g", "new_stack", "stack"), STACKS(2, 1) },
	[TF_GO_CREATE_SYSCALL] = { .name = "GoCreateSyscall", TIMED(TRANSITION),
		ARGS(1, "new_g") },
	[TF_GO_START] = { .name = "GoStart", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_DESTROY] = { .name = "GoDestroy", TIMED(TRANSITION) },
	[TF_GO_DESTROY_SYSCALL] = { .name = "GoDestroySyscall", TIMED(TRANSITION) },
	[TF_GO_STOP] = { .name = "GoStop", TIMED(TRANSITION),
		ARGS(2, "reason_string", "stack"), STACK(1), STRING(0) },
	[TF_GO_BLOCK] = { .name = "GoBlock", TIMED(TRANSITION),
		ARGS(2, "reason_string", "stack"), STACK(1), STRING(0) },
	[TF_GO_UNBLOCK] = { .name = "GoUnblock", TIMED(TRANSITION),
		ARGS(3, "g", "g_seq", "stack"), STACK(2) },
	[TF_GO_SYSCALL_BEGIN] = { .name = "GoSyscallBegin", TIMED(TRANSITION),
		ARGS(2, "p_seq", "stack"), STACK(1) },
	[TF_GO_SYSCALL_END] = { .name = "GoSyscallEnd", TIMED(TRANSITION) },
	[TF_GO_SYSCALL_END_BLOCKED] = { .name = "GoSyscallEndBlocked",
		TIMED(TRANSITION) },
	[TF_GO_STATUS] = { .name = "GoStatus", TIMED(TRANSITION),
		ARGS(3, "g", "m", "gstatus") },

	[TF_STW_BEGIN] = { .name = "STWBegin", TIMED(RANGE_BEGIN),
		ARGS(2, "kind_string", "stack"), STACK(1), STRING(0) },
	[TF_STW_END] = { .name = "STWEnd", TIMED(RANGE_END), .start = TF_STW_BEGIN },

	[TF_GC_ACTIVE] = { .name = "GCActive", TIMED(RANGE_ACTIVE),
		ARGS(1, "gc_seq"), .start = TF_GC_BEGIN },
	[TF_GC_BEGIN] = { .name = "GCBegin", TIMED(RANGE_BEGIN),
		ARGS(2, "gc_seq", "stack"), STACK(1) },
	[TF_GC_END] = { .name = "GCEnd", TIMED(RANGE_END),
		ARGS(1, "gc_seq"), .start = TF_GC_BEGIN },
	[TF_GC_SWEEP_ACTIVE] = { .name = "GCSweepActive", TIMED(RANGE_ACTIVE),
		ARGS(1, "p"), .start = TF_GC_SWEEP_BEGIN },
	[TF_GC_SWEEP_BEGIN] = { .name = "GCSweepBegin", TIMED(RANGE_BEGIN),
		ARGS(1, "stack"), STACK(0) },
	[TF_GC_SWEEP_END] = { .name = "GCSweepEnd", TIMED(RANGE_END),
		ARGS(2, "swept_value", "reclaimed_value"),
		.start = TF_GC_SWEEP_BEGIN },
	[TF_GC_MARK_ASSIST_ACTIVE] = { .name = "GCMarkAssistActive",
		TIMED(RANGE_ACTIVE), ARGS(1, "g"),
		.start = TF_GC_MARK_ASSIST_BEGIN },
	[TF_GC_MARK_ASSIST_BEGIN] = { .name = "GCMarkAssistBegin", TIMED(RANGE_BEGIN),
		ARGS(1, "stack"), STACK(0) },
	[TF_GC_MARK_ASSIST_END] = { .name = "GCMarkAssistEnd", TIMED(RANGE_END),
		.start = TF_GC_MARK_ASSIST_BEGIN },
	[TF_HEAP_ALLOC] = { .name = "HeapAlloc", TIMED(METRIC),
		ARGS(1, "heapalloc_value") },
	[TF_HEAP_GOAL] = { .name = "HeapGoal", TIMED(METRIC),
		ARGS(1, "heapgoal_value") },

	[TF_GO_LABEL] = { .name = "GoLabel", TIMED(LABEL),
		ARGS(1, "label_string"), STRING(0) },
	[TF_USER_TASK_BEGIN] = { .name = "UserTaskBegin", TIMED(TASK_BEGIN),
		ARGS(4, "task", "parent_task", "name_string", "stack"),
		STACK(3), STRING(2) },
	[TF_USER_TASK_END] = { .name = "UserTaskEnd", TIMED(TASK_END),
		ARGS(2, "task", "stack"), STACK(1) },
	[TF_USER_REGION_BEGIN] = { .name = "UserRegionBegin", TIMED(REGION_BEGIN),
		ARGS(3, "task", "name_string", "stack"), STACK(2), STRING(1) },
	[TF_USER_REGION_END] = { .name = "UserRegionEnd", TIMED(REGION_END),
		ARGS(3, "task", "name_string", "stack"),
		.start = TF_USER_REGION_BEGIN, STACK(2), STRING(1) },
	[TF_USER_LOG] = { .name = "UserLog", TIMED(LOG),
		ARGS(4, "task", "key_string", "value_string", "stack"),
		STACK(3), STRINGS(1, 2) },

	[TF_GO_SWITCH] = { .name = "GoSwitch", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_SWITCH_DESTROY] = { .name = "GoSwitchDestroy", TIMED(TRANSITION),
		ARGS(2, "g", "g_seq") },
	[TF_GO_CREATE_BLOCKED] = { .name = "GoCreateBlocked", TIMED(TRANSITION),
		ARGS(3, "new_g", "new_stack", "stack"), STACKS(2, 1) },
	[TF_GO_STATUS_STACK] = { .name = "GoStatusStack", TIMED(TRANSITION),
		ARGS(4, "g", "m", "gstatus", "stack"), STACK(3) },

	[TF_SPAN] = { .name = "Span", TIMED(EXPERIMENTAL),
		ARGS(3, "id", "npages_value", "kindclass") },
	[TF_SPAN_ALLOC] = { .name = "SpanAlloc", TIMED(EXPERIMENTAL),
		ARGS(3, "id", "npages_value", "kindclass") },
	[TF_SPAN_FREE] = { .name = "SpanFree", TIMED(EXPERIMENTAL), ARGS(1, "id") },
	[TF_HEAP_OBJECT] = { .name = "HeapObject", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "type") },
	[TF_HEAP_OBJECT_ALLOC] = { .name = "HeapObjectAlloc", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "type") },
	[TF_HEAP_OBJECT_FREE] = { .name = "HeapObjectFree", TIMED(EXPERIMENTAL),
		ARGS(1, "id") },
	[TF_GOROUTINE_STACK] = { .name = "GoroutineStack", TIMED(EXPERIMENTAL),
		ARGS(2, "id", "order") },
	[TF_GOROUTINE_STACK_ALLOC] = { .name = "GoroutineStackAlloc",
		TIMED(EXPERIMENTAL), ARGS(2, "id", "order") },
	[TF_GOROUTINE_STACK_FREE] = { .name = "GoroutineStackFree",
		TIMED(EXPERIMENTAL), ARGS(1, "id") },
};
