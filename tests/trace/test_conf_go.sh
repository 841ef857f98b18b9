#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_conf_go.sh - Go reads our traces, and finds in them the
# stacks that are wanted
#
# Of the programs of test_conf_*.c and test_stacks.c, each with every setting of
# the tracer once; under emulation with two.
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh
. tests/trace/go.sh

programs='conf_profile conf_sched conf_stress conf_syscall conf_user stacks'
tracecheck="$EMULATOR $O/tests/trace/tracecheck"
kept=$tap_tmp/kept
times=${EMULATOR:+2}

built()
{
	make "$O/tests/trace/tracecheck" \
		$(printf "$O/tests/trace/test_%s " $programs)
}

# traced program: its traces are in a directory of its own
traced()
{
	mkdir -p "$kept/$1" &&
		CONF_KEEP=$kept/$1 CONF_TIMES=${times:-8} \
			$EMULATOR "$O/tests/trace/test_$1" &&
		ls "$kept/$1"/*.[0-9]*.0
}

# A version that this Go does not know begins with "go 1.26".
known()
{
	((go_minor >= 26)) || ! head -c 16 "$1" | grep -q '^go 1.26'
}

# The first of each run's.
read_by_go()
{
	local f n=0
	for f in "$kept/$1"/*.[0-9]*.0; do
		known "$f" || continue
		go_events "$f" >"$tap_tmp/events" || { echo "$f"; return 1; }
		grep -q '^M=.* Sync ' "$tap_tmp/events" || return
		n=$((n + 1))
	done
	((n > 0))
}

# Samples of the profiler may be in libraries without names of functions.
read_by_us()
{
	local lenient=
	[[ $1 != conf_profile ]] || lenient=-lenient
	find "$kept/$1" -name '*.[0-9]*' -exec $tracecheck $lenient {} +
}

wanted_in()
{
	awk -f tests/trace/stacks.awk "$kept/stacks/stacks.want" "$1"
}

stacks_for_us()
{
	local f
	for f in "$kept"/stacks/stacks.[0-9]*; do
		$tracecheck -events "$f" >"$tap_tmp/events" || return
		# Without signals a loop cannot be preempted.
		wanted_in "$tap_tmp/events" >"$tap_tmp/missing" ||
			[[ $f = *.6.0 ]] || { cat "$tap_tmp/missing"; return 1; }
	done
}

stacks_for_go()
{
	go_events "$kept/stacks/stacks.0.0" >"$tap_tmp/events" &&
		wanted_in "$tap_tmp/events"
}

# The same without one line of it.
stacks_are_missed()
{
	grep -v '^	gort_cond_wait' "$tap_tmp/events" >"$tap_tmp/less"
	! wanted_in "$tap_tmp/less" >"$tap_tmp/missing" &&
		cat "$tap_tmp/missing" && (($(wc -l <"$tap_tmp/missing") == 1))
}

plan 22
check 'they are built' built
for p in $programs; do
	check "$p is traced" traced $p
	check "$p: our reader" read_by_us $p
done
check 'stacks: our reader' stacks_for_us
if find_go; then
	for p in $programs; do
		check "$p: Go 1.$go_minor" read_by_go $p
	done
	check "stacks: Go 1.$go_minor" stacks_for_go
	check 'stacks: what is not there is missed' stacks_are_missed
else
	for p in $programs stacks stacks; do
		skip "$p: Go" 'Go 1.23 (golang-1.23-go) or later'
	done
fi
finish
