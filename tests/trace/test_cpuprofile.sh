#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_cpuprofile.sh - go tool pprof reads our profiles, and finds
# in them what ran
#
# How much: of 100 samples one with a share of 70% has 70, and 5 times the
# square root of 100 * 0.7 * 0.3, which is 23, more or less.
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

export GOTOOLCHAIN=local GOFLAGS=-mod=mod PPROF_TMPDIR=$tap_tmp
prog=$O/tests/trace/test_cpuprofile_prog
tracecheck="$EMULATOR $O/tests/trace/tracecheck"
profile=$tap_tmp/profile
trace=$tap_tmp/trace

find_go()
{
	for go in "$(command -v go)" /usr/lib/go-1.*/bin/go; do
		test -x "$go" && "$go" tool pprof -h >/dev/null 2>&1 && return
		test -x "$go" && "$go" tool pprof -h 2>&1 | grep -q '^usage' &&
			return
	done
	return 1
}

pprof()
{
	"$go" tool pprof -symbolize=none "$@" "$profile" 2>"$tap_tmp/err" ||
		{ cat "$tap_tmp/err"; return 1; }
}

built()
{
	make "$prog" "$O/tests/trace/tracecheck"
}

made()
{
	GORTCPUPROFILE=$profile,hz=100 GORTTRACE=$trace $EMULATOR "$prog" &&
		gzip -tv "$profile"
}

# between low value high
between()
{
	awk -v v="$2" -v lo="$1" -v hi="$3" \
		'BEGIN { print v; exit !(lo <= v + 0 && v + 0 <= hi) }'
}

# share function: its time and that of what it called, in percent
share()
{
	pprof -top -nodecount=500 -nodefraction=0 |
		awk -v fn="$1" '$NF == fn || $(NF - 1) == fn {
			sub(/%/, "", $5); print $5 }'
}

shares()
{
	pprof -top -nodecount=500
	between 45 "$(share hot_one)" 95 && between 5 "$(share hot_two)" 55
}

header()
{
	pprof -raw >"$tap_tmp/raw" || return
	head -20 "$tap_tmp/raw"
	grep -qx 'PeriodType: cpu nanoseconds' "$tap_tmp/raw" &&
		grep -qx 'Period: 10000000' "$tap_tmp/raw" &&
		grep -qx 'samples/count cpu/nanoseconds' "$tap_tmp/raw" &&
		grep -q '^Duration: [1-9]\|^Duration: 0\.[1-9]' "$tap_tmp/raw"
}

# One stack from the loop to its goroutine
stacks()
{
	pprof -traces | tee "$tap_tmp/traces"
	awk '/hot_one/ { found = 1 }
	     found && $1 == "one" { good++; found = 0 }
	     /^-----/ { found = 0 }
	     END { exit !good }' "$tap_tmp/traces"
}

# A location is lines: what is inlined, and where it was
inlined()
{
	grep -q 'cpu_use (inline)' "$tap_tmp/traces" || return
	awk '/hot_one .*test_cpuprofile_prog.c:18/ && last ~ /cpu_use .*cpu.h:/ {
		good = 1 }
	     { last = $0; print }
	     END { exit !good }' "$tap_tmp/raw"
}

tags()
{
	pprof -tags | tee "$tap_tmp/tags"
	grep -q 'role: Total' "$tap_tmp/tags" &&
		grep -q '%): one$' "$tap_tmp/tags" &&
		grep -q '%): two$' "$tap_tmp/tags"
}

# All of hot_one is role one
focus()
{
	pprof -top -tagfocus=role=two >"$tap_tmp/two" || return
	cat "$tap_tmp/two"
	! grep -q hot_one "$tap_tmp/two" && grep -q hot_two "$tap_tmp/two"
}

# [FN], all of it has names, is true only while no sample hit the PLT.
mapping()
{
	local id
	id=$(readelf -n "$prog" | awk '/Build ID/ { print $NF }')
	sed -n '/^Mappings/,$p' "$tap_tmp/raw" | tee "$tap_tmp/maps"
	grep -q "test_cpuprofile_prog $id" "$tap_tmp/maps"
}

again()
{
	pprof -proto -output="$tap_tmp/copy" &&
		profile=$tap_tmp/copy pprof -top
}

# Samples are in the trace as well
traced()
{
	local n
	$tracecheck -lenient "$trace" &&
		n=$($tracecheck -lenient -events "$trace" | grep -c StackSample) &&
		between 60 "$n" 200
}

plan 11
check 'the programs' built
check 'a program and its profile' made
check 'its trace has the samples' traced
if find_go; then
	check 'period, types, duration' header
	check 'shares' shares
	check 'stacks' stacks
	check 'inlined frames' inlined
	check 'labels' tags
	check 'labels are those of the goroutine' focus
	check 'mappings and build ids' mapping
	check 'pprof writes what it read' again
else
	for i in {4..11}; do
		skip "go tool pprof $i" go
	done
fi
finish
