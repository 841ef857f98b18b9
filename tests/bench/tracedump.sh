#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/bench/tracedump.sh - part of "make bench-compare": how long the end of
# a trace's generation keeps others waiting, by the number of its stacks.
#
#	GO=go O=dir COUNT=n tracedump.sh
#
# Medians of COUNT rounds of tracedump, of the same with tracepushdown=0, which
# ends the generation in one piece of work on the system stack, and of Go.
set -u -o pipefail

: "${O:?is not set, use make bench-compare}" "${GO:?}" "${COUNT:=3}"
: "${STACKS:=10000 100000 262144 1000000}"
out=$O/tests/bench

die()
{
	echo "tests/bench/tracedump.sh: $*" >&2
	exit 2
}

export GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GOWORK=off
"$GO" -C tests/bench/go build -o "$PWD/$out/tracedump.go" ./tracedump ||
	die "tracedump in Go does not build"

# All stacks in one generation, and none lost for want of room.
one=traceadvanceperiod=3600000000000,tracebuflimit=8G

run()
{
	local who=$1 procs=$2 n=$3

	case $who in
	gort)
		GORTMAXPROCS=$procs GORTDEBUG=$one "$out/tracedump" "$n" ;;
	coarse)
		GORTMAXPROCS=$procs GORTDEBUG=$one,tracepushdown=0 \
			"$out/tracedump" "$n" ;;
	go)
		GOMAXPROCS=$procs GODEBUG=traceadvanceperiod=3600000000000 \
			"$out/tracedump.go" "$n" ;;
	esac
}

for ((round = 0; round < COUNT; round++)); do
	for n in $STACKS; do
		for procs in 1 2; do
			for who in gort coarse go; do
				echo "$n $procs $who $(run $who $procs "$n")" ||
					die "$who failed"
			done
		done
	done
done >"$out/tracedump.txt"

awk '
{
	key = $1 " " $2
	if (!seen[key]++)
		order[++n] = key
	for (i = 4; i <= 7; i++)
		val[key, $3, i, ++count[key, $3, i]] = $i
}
function median(key, who, col,	c, i, j, t)
{
	c = count[key, who, col]
	for (i = 1; i <= c; i++)
		s[i] = val[key, who, col, i]
	for (i = 2; i <= c; i++)
		for (j = i; j > 1 && s[j - 1] > s[j]; j--) {
			t = s[j]
			s[j] = s[j - 1]
			s[j - 1] = t
		}
	return c % 2 ? s[(c + 1) / 2] : (s[c / 2] + s[c / 2 + 1]) / 2
}
END {
	printf "\n%8s %2s %-12s %12s %12s %9s %8s\n", "stacks", "P", "",
		"wait us", "section us", "ns/stack", "B/stack"
	split("gort coarse go", who)
	name["gort"] = "gort"
	name["coarse"] = "pushdown=0"
	name["go"] = "Go"
	for (k = 1; k <= n; k++) {
		split(order[k], f)
		for (w = 1; w <= 3; w++) {
			section = median(order[k], who[w], 5) / 1000
			printf "%8d %2d %-12s %12.0f %12s %9.0f %8.0f\n",
				f[1], f[2], name[who[w]],
				median(order[k], who[w], 4) / 1000,
				section ? sprintf("%.1f", section) : "-",
				median(order[k], who[w], 6),
				median(order[k], who[w], 7)
		}
	}
	print "\nwait: of a goroutine that yields, at most; bar 1000.  section: the longest"
	print "that could not be preempted; bar 50.  Bar of ns/stack: 1000."
}' "$out/tracedump.txt"
