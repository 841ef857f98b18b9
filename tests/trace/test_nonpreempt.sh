#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_nonpreempt.sh - profiles of non-preemptible sections as files:
# by what the text is specified to be, by `go tool pprof`, by `go tool trace`
#
# An emulator's counter of cycles may be off by some percent.
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh
. tests/trace/go.sh

export GOTOOLCHAIN=local GOFLAGS=-mod=mod PPROF_TMPDIR=$tap_tmp LC_ALL=C
prog=$O/tests/trace/test_nonpreempt_prog
profile=$tap_tmp/profile
trace=$tap_tmp/trace

built()
{
	make "$prog" "$O/tests/trace/tracecheck"
}

# profiled format
profiled()
{
	GORTNONPREEMPT=$profile,format=$1 $EMULATOR "$prog"
}

# Each site has each line, in that order, and nothing else is there.
grammar()
{
	profiled text || return
	head -60 "$profile"
	awk -v q='^[0-9]+$' '
	function bad(why) { print NR ": " why ": " $0; failed = 1; exit 1 }
	function want(key, n) {
		if ($1 != key || NF < n || getline < 0)
			bad("want " key)
	}
	NR == 1 && $0 != "gort nonpreempt 1" { bad("head") }
	NR == 2 {
		if (!/^seconds [0-9]+\.[0-9][0-9][0-9] sections [0-9]+ lost [0-9]+ other [0-9]+ exceeded [0-9]+ suppressed [0-9]+$/)
			bad("totals")
		all = $4
	}
	NR < 3 { next }
	/^$/ { order = 0; next }
	{
		n = index(" site kind what place at count gross net max quantiles waits start end bucket ", " " $1 " ")
		if (!n) bad("unknown")
		if (n < order) bad("order")
		if (n == order && $1 !~ /^(start|end|bucket)$/) bad("twice")
		order = n
	}
	$1 == "site" && $2 != ++sites { bad("number") }
	$1 == "place" && $2 !~ /^(outermost|inside)$/ { bad("place") }
	$1 == "count" { count = $2; sum += $2; buckets += of; of = 0 }
	$1 ~ /^(gross|net|max)$/ && ($2 !~ q || $3 != "ns" || NF != 3) {
		bad("duration") }
	$1 == "max" { if (sites > 1 && $2 + 0 > last) bad("not sorted"); last = $2 }
	$1 == "quantiles" && (NF != 10 || $3 > $5 || $5 > $7 || $7 > $9 ||
		$9 > last) { bad("quantiles") }
	$1 == "waits" && (NF != 10 || $4 !~ q || $9 != "runnable") {
		bad("waits") }
	$1 ~ /^(start|end)$/ && (NF < 2 || NF > 3) { bad("frame") }
	$1 == "bucket" { of += $3; if ($2 !~ q || $3 !~ q || !$3) bad("bucket") }
	END {
		if (failed)
			exit 1
		buckets += of
		print sites " sites, " sum " sections, " all " in all, " \
			buckets " in buckets"
		exit !(sites > 3 && sum == all && buckets == all)
	}' "$profile"
}

# between low value high
between()
{
	awk -v v="$2" -v lo="$1" -v hi="$3" \
		'BEGIN { print v; exit !(lo <= v + 0 && v + 0 <= hi) }'
}

# What is known of the sections of the program
sections()
{
	awk -v RS= '/\nwhat long\\x20hold\n/ {
		print
		good = /\nkind user\n/ && /\ncount 4\n/ &&
			/\nplace outermost\n/ &&
			/\nat hold tests\/trace\/test_nonpreempt_prog.c:[0-9]+\n/ &&
			/\nstart hold [^\n]*\nstart holder / &&
			/\nend hold / && /\nbucket /
	} END { exit !good }' "$profile"
}

folded()
{
	profiled folded || return
	cat "$profile"
	! grep -Ev '^[a-z]+;[^; ]+(;[^; ]+)* [0-9]+$' "$profile" &&
		grep -q ';holder;hold [0-9]*$' "$profile" &&
		grep -q '^user;short\\x3bhold;.*;hold_short [0-9]*$' "$profile"
}

pprof()
{
	"$go" tool pprof -symbolize=none "$@" "$profile" 2>"$tap_tmp/err" ||
		{ cat "$tap_tmp/err"; return 1; }
}

raw()
{
	profiled pprof && gzip -tv "$profile" && pprof -raw >"$tap_tmp/raw" ||
		return
	head -40 "$tap_tmp/raw"
	grep -qx 'sections/count gross/nanoseconds net/nanoseconds max/nanoseconds' \
		"$tap_tmp/raw" &&
		grep -q '^Duration: [1-9]\|^Duration: 0\.[0-9]*[1-9]' \
			"$tap_tmp/raw" &&
		! grep -q '^PeriodType: [a-z]' "$tap_tmp/raw" &&
		grep -q 'kind:\[user\]' "$tap_tmp/raw" &&
		grep -q 'what:\[long hold\]' "$tap_tmp/raw"
}

# index function: its value in ns, or how many
value()
{
	pprof -top -unit=ns -sample_index="$1" -nodecount=500 -nodefraction=0 \
		-tagfocus=kind=user |
		awk -v fn="$2" '$NF == fn { sub(/ns$/, "", $4); print $4 }'
}

top()
{
	local ms=980000
	test -n "${EMULATOR-}" && ms=500000
	pprof -top -sample_index=net || return
	between 4 "$(value sections hold)" 4 &&
		between $((20 * ms)) "$(value gross hold)" 1e12 &&
		between $((20 * ms)) "$(value net hold)" 1e12 &&
		between $((5 * ms)) "$(value max hold)" 1e12 &&
		between $((2 * ms)) "$(value gross hold_short)" 1e12
}

tags()
{
	pprof -tags -sample_index=sections | tee "$tap_tmp/tags"
	grep -q 'kind: Total' "$tap_tmp/tags" &&
		grep -q '%): user$' "$tap_tmp/tags" &&
		grep -q '%): long hold$' "$tap_tmp/tags"
}

# A log of the goroutine, which ran at that moment
marked()
{
	GORTTRACE=$trace $EMULATOR "$prog" mark &&
		$EMULATOR "$O/tests/trace/tracecheck" -lenient "$trace"
}

logs()
{
	go_events "$trace" | grep 'Category="nonpreempt"' |
		tee "$tap_tmp/logs"
	between 4 "$(grep -c 'Message="user long hold [0-9]*\.[0-9]us"' \
		"$tap_tmp/logs")" 4 &&
		between 1 "$(grep -c 'Message="user short;hold [0-9]*\.[0-9]us"' \
			"$tap_tmp/logs")" 1 &&
		! grep -q 'G=-1' "$tap_tmp/logs"
}

plan 9
check 'the programs' built
check 'text is what it is said to be' grammar
check 'text has the sections' sections
check 'folded stacks' folded
check 'a trace with marks' marked
if find_go; then
	check 'pprof: types, labels' raw
	check 'pprof: values' top
	check 'pprof: tags' tags
	check 'go tool trace: logs' logs
else
	for i in {6..9}; do
		skip "go $i" go
	done
fi
finish
