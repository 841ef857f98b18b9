#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/bench/compare.sh - "make bench-compare": the benchmarks beside Go's.
#
#	compare.sh [COUNT=5] [BENCHTIME=0.3s] [BENCH=REGEX]
#
# Runs each benchmark of bench, which must be built in $O, and then its twin in
# go/, so that what else the machine does hits both; all that COUNT times; and
# prints medians.  "best" is the same from the fastest rounds instead: on a busy
# machine, with many short ones (COUNT=50 BENCHTIME=3ms), it is the better
# number.  What they printed stays in $O/tests/bench, gort.txt and go.txt, for
#
#	benchstat -row .name gort=gort.txt go=go.txt
#
# A missed bar is a "NO" in the table, not a failure: the exit status is 0
# unless something could not be built or run.
set -u -o pipefail

: "${O:?is not set, use make bench-compare}" "${COUNT:=5}" "${BENCHTIME:=0.3s}"
: "${BENCH:=.}"
memory=BenchmarkMemory/parked-goroutine

die()
{
	echo "tests/bench/compare.sh: $*" >&2
	exit 2
}

# The newest of those in PATH and Debian's directories.
find_go()
{
	local go newest

	if go=$(command -v go); then
		echo "$go"
		return
	fi
	newest=$(printf '%s\n' /usr/lib/go-*/bin/go | sort -V | tail -n 1)
	test -x "$newest" && echo "$newest"
}

build_go()
{
	# Nothing is downloaded: no modules, no other toolchain.
	export GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GOWORK=off
	test -n "${HOME:-}${GOCACHE:-}" || export GOCACHE="$out/go-cache"
	"$go" -C tests/bench/go test -c -ldflags=-checklinkname=0 \
		-o "$out/go.test" . || die "the benchmarks in Go do not build"
}

# both name time: that benchmark here and there.  Where there is no segment
# to cross, Go has nothing to run and says so.
both()
{
	"$out/bench" -bench="^$1\$" -benchtime="$2" >>"$out/gort.txt" ||
		die "$out/bench failed"
	"$out/go.test" -test.run='^$' -test.bench="^$1\$" \
		-test.benchtime="$2" >>"$out/go.txt" 2>&1 ||
		die "$out/go.test failed: see $out/go.txt"
}

# Everything but the memory, which does not vary and takes seconds.
timed()
{
	sed -n 's/.*"\(Benchmark[A-Za-z0-9]*\)".*/\1/p' tests/bench/bench.c |
		grep -v "^$memory\$" | grep -E -e "$BENCH"
}

for arg; do
	case $arg in
	COUNT=* | BENCHTIME=* | BENCH=*)
		declare "$arg" ;;
	*)
		die "$arg: want COUNT=, BENCHTIME= or BENCH=" ;;
	esac
done
test "$COUNT" -gt 0 2>/dev/null || die "COUNT=$COUNT: want a number from 1"
test -z "${EMULATOR:-}" ||
	die "times under $EMULATOR mean nothing: use ARCH=$(uname -m)"
go=$(find_go) ||
	die "no go in PATH or /usr/lib/go-*/bin; Debian: apt-get install golang-go"

mkdir -p "$O/tests/bench"
out=$(cd "$O/tests/bench" && pwd) || exit 2
test -x "$out/bench" || die "$out/bench is missing, use make bench-compare"
build_go
: >"$out/gort.txt"
: >"$out/go.txt"

if grep -qE -e "$BENCH" <<<"$memory"; then
	echo "  memory" >&2
	both "$memory" 1x
fi
names=$(timed)
for ((round = 1; round <= COUNT; round++)); do
	test $((round % ((COUNT + 9) / 10))) -ne 0 ||
		echo "  round $round of $COUNT" >&2
	for name in $names; do
		case $name in
		*Latency)
			both "$name" 200x ;;
		*)
			both "$name" "$BENCHTIME" ;;
		esac
	done
done

echo
echo "$("$go" version), medians of $COUNT rounds of $BENCHTIME"
grep -m 1 '^cpu:' "$out/gort.txt"
echo
awk '
# Lower is better; each bar is the most that is allowed.
#	kind	ratio: gort / Go; value: gort alone; minus: gort - gort of base,
#		the median over rounds, in which the two follow each other;
#		ratio with a base: of the differences
BEGIN {
	row("Systemstack", "ratio", 0.4, "ns/op")
	row("Syscall", "ratio", 0.6, "ns/op")
	row("PreemptLatency", "value", 11000000, "p99-ns")
	row("StopWorldLatency", "value", 200000, "p99-ns")
	row("Yield", "ratio", 0.3, "ns/op")
	row("Spawn", "ratio", 0.4, "ns/op")
	row("TraceYield", "ratio", 0.5, "ns/op", "Yield")
	row("TraceYield", "ratio", 1.1, "B/event")
	row("TraceLog", "ratio", 0.5, "ns/op")
	row("TraceLog", "ratio", 1.1, "B/event")
	row("TraceRegion", "ratio", 0.5, "ns/op")
	row("TraceRegion", "ratio", 1.1, "B/event")
	row("PingPong1P", "ratio", 0.4, "ns/op")
	row("PingPong2P", "ratio", "", "ns/op")
	row("ChanBuffered1P", "ratio", 0.6, "ns/op")
	row("SelectReady2", "ratio", 0.6, "ns/op")
	row("SelectDefault", "ratio", "", "ns/op")
	row("SelectPingPong", "ratio", "", "ns/op")
	row("TimerStartStop", "ratio", 0.7, "ns/op")
	row("TimerStartStop10k", "ratio", 0.7, "ns/op")
	row("SleepMany", "ratio", 0.7, "ns/op")
	row("PipePingPong1P", "ratio", "", "ns/op")
	row("TCPEcho", "ratio", "", "ns/op")
	row("StackGrow64K", "ratio", 0.4, "ns/op")
	row("StackGrow1M", "ratio", 0.6, "ns/op")
	row("MutexUncontended", "ratio", 0.9, "ns/op")
	row("MutexContended", "ratio", 1.0, "ns/op")
	row("MetricsRead", "ratio", 1.0, "ns/metric")
	row("ReadMemStats", "ratio", 0.4, "ns/op")
	row("Memory/parked-goroutine", "value", 4500, "B/goroutine")
	row("Memory/parked-goroutine", "value", 64, "VMAs")
	row("CallChecked", "", "", "ns/op")
	row("CallPlain", "", "", "ns/op")
	row("CallChecked", "minus", 0.5, "ns/op", "CallPlain")
	row("SegmentBoundary", "", "", "ns/op")
	row("SegmentPlain", "", "", "ns/op")
	row("SegmentBoundary", "minus", 20, "ns/op", "SegmentPlain")
	row("LockPair", "", "", "ns/op")
	row("NonpreemptSystemstack", "minus", 40, "ns/op", "Systemstack")
	row("NonpreemptYield", "minus", 40, "ns/op", "Yield")
	row("NonpreemptSpawn", "minus", "", "ns/op", "Spawn")
	row("NonpreemptLockPair", "minus", 40, "ns/op", "LockPair")
}

function row(name, kind, bar, unit, base)
{
	rname[++nrows] = name
	rkind[nrows] = kind
	rbar[nrows] = bar
	runit[nrows] = unit
	rbase[nrows] = base
}

# Benchmark<name>-<procs>  N  {value unit}...
/^Benchmark/ {
	name = $1
	sub(/^Benchmark/, "", name)
	sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i += 2) {
		key = FILENAME SUBSEP name SUBSEP $(i + 1)
		val[key, ++count[key]] = $i
	}
}

function median_of(n,	i, j, t)
{
	for (i = 2; i <= n; i++) {
		t = sorted[i]
		for (j = i; j > 1 && sorted[j - 1] > t; j--)
			sorted[j] = sorted[j - 1]
		sorted[j] = t
	}
	if (n % 2)
		return sorted[(n + 1) / 2]
	return (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

# "" if there is none
function median(file, name, unit, base,		key, minus, i)
{
	key = file SUBSEP name SUBSEP unit
	minus = file SUBSEP base SUBSEP unit
	if (!count[key] || base && count[minus] != count[key])
		return ""
	for (i = 1; i <= count[key]; i++)
		sorted[i] = val[key, i] - (base ? val[minus, i] : 0)
	return median_of(count[key])
}

function least(file, name, unit,	key, min, i)
{
	key = file SUBSEP name SUBSEP unit
	min = val[key, 1]
	for (i = 2; i <= count[key]; i++)
		if (val[key, i] < min)
			min = val[key, i]
	return min
}

function show(v)
{
	if (v == "")
		return "-"
	return sprintf(v < 10 ? "%.2f" : v < 100 ? "%.1f" : "%.0f", v)
}

END {
	form = "%-36s %10s %10s %7s %7s %5s %7s\n"
	printf form, "", "gort", "Go", "ratio", "bar", "met", "best"
	for (r = 1; r <= nrows; r++) {
		gort = median(ARGV[1], rname[r], runit[r], rbase[r])
		other = median(ARGV[2], rname[r], runit[r], rbase[r])
		if (gort == "")
			continue
		best = least(ARGV[1], rname[r], runit[r])
		ratio = ""
		if (rbase[r]) {
			best -= least(ARGV[1], rbase[r], runit[r])
			if (rkind[r] == "ratio" && other != "") {
				ratio = gort / other
				best /= least(ARGV[2], rname[r], runit[r]) - \
					least(ARGV[2], rbase[r], runit[r])
			}
		} else if (other != "") {
			ratio = gort / other
			best /= least(ARGV[2], rname[r], runit[r])
		} else {
			best = ""
		}
		have = rkind[r] == "ratio" ? ratio : gort
		met = rbar[r] == "" || have == "" ? "" : \
			have <= rbar[r] ? "yes" : "NO"
		label = rname[r] (rbase[r] ? " - " rbase[r] : "")
		if (runit[r] != "ns/op")
			label = label ", " runit[r]
		printf form, label, show(gort), show(other),
			ratio == "" ? "" : sprintf("%.2f", ratio), rbar[r],
			met, best == "" ? "" : sprintf("%.2f", best)
	}
	print ""
	print "ns/op unless said otherwise.  The bar is on the ratio where there is a Go,"
	print "on the value of gort for the memory and the differences.  best: ratio or"
	print "difference of the fastest rounds."
}' "$out/gort.txt" "$out/go.txt"

if printf '%s\n' HttpdReqs HttpdP99 | grep -qE -e "$BENCH"; then
	GO=$go COUNT=$COUNT bash tests/bench/httpd.sh
fi
if grep -qE -e "$BENCH" <<<TraceDump; then
	GO=$go COUNT=$COUNT bash tests/bench/tracedump.sh
fi
if grep -qE -e "$BENCH" <<<TraceCheck; then
	GO=$go COUNT=$COUNT bash tests/bench/tracecheck.sh
fi
GO=$go COUNT=$COUNT BENCHTIME=$BENCHTIME BENCH=$BENCH bash tests/bench/alloc.sh
