#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_cmd.sh - the gort command, and gort trace
# info|check|events|stats|json
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

gort="$EMULATOR $O/gort"
help="python3 -B tests/trace/cmd_help.py"
corpus=tests/trace/corpus/2c5af218ebae23002d8f39ac9576da9129505e98
two=tests/trace/corpus/5d50d4e6809873da55c9dd9d9f45d512d987b58c # generations
hand=$tap_tmp/hand
big=$tap_tmp/big
fresh=$tap_tmp/fresh
# It takes some tenths of a second to print so many.
many=${EMULATOR:+300000}

# status want command...: its status; what it says is in out and err
status()
{
	local want=$1 got
	shift
	"$@" >"$tap_tmp/out" 2>"$tap_tmp/err"
	got=$?
	((got == want)) && return
	echo "$*: status $got instead of $want"
	cat "$tap_tmp/out" "$tap_tmp/err"
	return 1
}

# says file: it is what is on standard input
says()
{
	diff -u - "$tap_tmp/$1"
}

made()
{
	make "$O/gort" "$O/tests/trace/tracecheck" "$O/tests/samples/wordfreq" &&
		$help hand "$hand" && $help big "$big" ${many:-3000000} &&
		GORTTRACE=$fresh GORTDEBUG=traceadvanceperiod=2000000 \
			$EMULATOR "$O/tests/samples/wordfreq" kernel/*.c \
			>"$tap_tmp/words" && ls -l "$hand" "$big" "$fresh"
}

help_is_there()
{
	local c n=0
	status 0 $gort --help && test ! -s "$tap_tmp/err" || return
	for c in $(sed -n 's/^  gort \([a-z]*\) \([a-z]*\) .*/\1:\2/p' \
		"$tap_tmp/out"); do
		n=$((n + 1))
		status 0 $gort ${c/:/ } --help &&
			grep -q "^usage: gort ${c/:/ } " "$tap_tmp/out" &&
			grep -q '^  -h, --help ' "$tap_tmp/out" &&
			grep -q '^  2  ' "$tap_tmp/out" &&
			test ! -s "$tap_tmp/err" || return
	done
	((n >= 5)) || return
	status 0 $gort trace --help && status 0 $gort --version &&
		grep '^gort [0-9.]*$' "$tap_tmp/out"
}

# Each says why and how to do better, on stderr only.
usage_errors()
{
	local args
	while read -r args; do
		status 2 $gort $args && test ! -s "$tap_tmp/out" &&
			grep -q '^usage: gort' "$tap_tmp/err" || return
	done <<-END

		flight
		trace
		trace burn
		trace check
		trace info
		trace info a b
		trace check --strict $hand
		trace check -x $hand
		trace check --lenient=yes $hand
		trace stats --rows
		trace stats -n
		trace stats -n many $hand
		trace stats --rows=-1 $hand
		trace stats --rows=99999999999999999999 $hand
	END
	status 2 $gort trace stats -n || return
	says err <<-END
		gort: trace stats: option -n lacks its argument
		usage: gort trace stats [OPTION]... FILE
		gort trace stats --help tells more.
	END
}

files_that_cannot_be_read()
{
	local c
	for c in check info events stats json; do
		status 2 $gort trace $c "$tap_tmp/none" || return
		says err <<<"gort: $tap_tmp/none: No such file or directory" ||
			return
		status 2 $gort trace $c "$tap_tmp" || return
		says err <<<"gort: $tap_tmp: Is a directory" || return
		test ! -s "$tap_tmp/out" || return
	done
}

files_that_are_no_traces()
{
	local c
	: >"$tap_tmp/empty"
	for c in check info events stats json; do
		status 1 $gort trace $c "$tap_tmp/empty" || return
		says err <<<"gort: $tap_tmp/empty: not a Go execution trace, offset 0, generation 0" ||
			return
		status 1 $gort trace $c Makefile &&
			test ! -s "$tap_tmp/out" || return
	done
}

# What says that the second event is the status of G1 says nothing.
broken_traces()
{
	local c
	head -c 26 "$hand" >"$tap_tmp/bad"
	printf '\377' >>"$tap_tmp/bad"
	tail -c +28 "$hand" >>"$tap_tmp/bad"
	for c in check info events stats json; do
		status 1 $gort trace $c "$tap_tmp/bad" || return
		says err <<<"gort: $tap_tmp/bad: type 255 does not belong among events, offset 26, generation 1, thread 100" ||
			return
	done
	status 1 $gort trace check "$hand" "$tap_tmp/bad" "$hand" &&
		(($(grep -c OK "$tap_tmp/out") == 2)) &&
		status 2 $gort trace check "$tap_tmp/bad" "$tap_tmp/none" "$hand" &&
		(($(grep -c OK "$tap_tmp/out") == 1))
}

# What broke off is shown, and checked if that is wanted.
broken_tails()
{
	local c
	head -c -100 "$two" >"$tap_tmp/tail"
	status 1 $gort trace check "$tap_tmp/tail" &&
		status 0 $gort trace check --broken-tail "$tap_tmp/tail" &&
		grep "^gort: $tap_tmp/tail: warning: broken end: " \
			"$tap_tmp/err" || return
	for c in info events stats json; do
		status 0 $gort trace $c "$tap_tmp/tail" &&
			grep -q ': warning: broken end: ' "$tap_tmp/err" || return
	done
	$help json "$tap_tmp/out" <($gort trace events "$tap_tmp/tail" \
		2>/dev/null)
}

# The strict rules want frames to be complete, all but the innermost.
strictness()
{
	python3 - "$hand" "$tap_tmp/nameless" <<-'END' || return
		import sys
		d = open(sys.argv[1], "rb").read()
		d = d.replace(bytes([30, 9, 7, 33, 20, 8, 7, 22]),
			      bytes([30, 9, 7, 33, 21, 8, 7, 0]))
		open(sys.argv[2], "wb").write(d)
	END
	status 1 $gort trace check "$tap_tmp/nameless" &&
		grep 'lacks its function, file or line' "$tap_tmp/err" &&
		status 0 $gort trace check --lenient "$tap_tmp/nameless" &&
		status 0 $gort trace check --allocfree "$hand"
}

check_and_info()
{
	status 0 $gort trace check "$corpus" "$hand" || return
	says out <<-END || return
		$corpus: OK go1.23 generations=1 events=615 syncs=2
		$hand: OK go1.23 generations=1 events=21 syncs=2
	END
	status 0 $gort trace info "$corpus" && test ! -s "$tap_tmp/err" || return
	says out <<-END
		file         $corpus
		size         2907 bytes, 4.7 for each event
		format       Go 1.23
		duration     1.23us
		generations  1
		events       615, 498379254 a second
		processors   40
		threads      40
		goroutines   158
	END
}

stats_by_hand()
{
	status 0 $gort trace stats -n 1 "$hand" && test ! -s "$tap_tmp/err" ||
		return
	sed -i '1,/^$/d' "$tap_tmp/out"
	says out <<-'END'
		Time of all goroutines, in a trace of 901ns
		     470ns  34.8%  Runnable
		     531ns  39.3%  Running
		     200ns  14.8%  Waiting
		     150ns  11.1%  Syscall

		Scheduling latency, from runnable to running
		       count      p50      p90      p99    p99.9      max
		           2    200ns    256ns    256ns    256ns    270ns

		Blocked, by reason
		       count    total     mean      max
		           1    200ns    200ns    200ns  a door

		Blocked, by reason and stack
		       count    total     mean      max
		           1    200ns    200ns    200ns  a door
		                    wait x.c:33
		                    main</script>"\\x0a\x01\xffé x.c:22

		System calls, by stack
		       count    total     mean      max
		           1    150ns    150ns    150ns
		                    wait x.c:33
		                    main</script>"\\x0a\x01\xffé x.c:22

		World stopped, by reason
		       count    total     mean      max
		           1    100ns    100ns    100ns  to see

		Goroutines, by what they run and who created them
		       count    ended  running runnable  waiting  syscall
		           1        1    200ns    270ns      0ns      0ns  worker
		                    main</script>"\\x0a\x01\xffé x.c:22
		  ... 1 more
	END
}

# The events of a fresh trace are those that tracecheck sees, and Go.
events_are_the_same()
{
	status 0 $gort trace events "$1" && test ! -s "$tap_tmp/err" || return
	mv "$tap_tmp/out" "$1.events"
	$EMULATOR "$O/tests/trace/tracecheck" -lenient -events "$1" |
		sed '$d' | cmp - "$1.events"
}

# Counts of events, and times, from the events themselves
stats_are_right()
{
	status 0 $gort trace stats "$fresh" || return
	cp "$tap_tmp/out" "$tap_tmp/stats"
	$help states "$fresh.events" | tee "$tap_tmp/want"
	awk '
	function ns(t) {
		if (t ~ /ns$/)
			return t + 0
		return t * (t ~ /us$/ ? 1e3 : t ~ /ms$/ ? 1e6 : 1e9)
	}
	NR == FNR { want[$1] = $2; next }
	/^Scheduling/ { getline; getline; if ($1 != want["latencies"]) bad = 1 }
	$3 in want {
		n++
		off = ns($1) - want[$3]
		if (off * off > 1e-4 * want[$3] * want[$3] + 1) {
			print $0, "instead of", want[$3], "ns"
			bad = 1
		}
	}
	END { exit bad || n != 4 }' "$tap_tmp/want" "$tap_tmp/stats" || return
	(($(grep -c '^M=.* StateTransition .*Runnable->Running' \
		"$fresh.events") == $(awk '$2 == "GoStart" { print $1 }
		' "$tap_tmp/stats")))
}

json_is_right()
{
	status 0 $gort trace json "$1" && test ! -s "$tap_tmp/err" || return
	cp "$tap_tmp/out" "$tap_tmp/json"
	$help json "$tap_tmp/json" "$1.events"
}

# An end that is another's, and a time that falls.
json_checker_works()
{
	sed '0,/"ph":"E","pid":2/s/"ph":"E","pid":2/"ph":"E","pid":7/' \
		"$tap_tmp/json" >"$tap_tmp/json.bad"
	! $help json "$tap_tmp/json.bad" "$hand.events" || return
	sed '0,/"ts":0.2/s/"ts":0.2/"ts":0.001/' "$tap_tmp/json" \
		>"$tap_tmp/json.bad"
	! $help json "$tap_tmp/json.bad" "$hand.events"
}

from_stdin()
{
	status 0 $gort trace check - <"$hand" || return
	says out <<<"standard input: OK go1.23 generations=1 events=21 syncs=2" ||
		return
	cat "$big" | status 0 $gort trace check - &&
		status 0 $gort trace check <(cat "$big")
}

# Who reads no more stops us, whoever ignores that signal is told.
broken_pipe()
{
	local c
	for c in events json; do
		$gort trace $c "$fresh" 2>"$tap_tmp/err" | head -n 1 >/dev/null
		set -- "${PIPESTATUS[@]}"
		(($1 == 141)) && test ! -s "$tap_tmp/err" || return
		(trap '' PIPE
			$gort trace $c "$fresh" 2>"$tap_tmp/err"
			echo $? >"$tap_tmp/status") | head -n 1 >/dev/null
		(($(cat "$tap_tmp/status") == 2)) || return
		says err <<<"gort: standard output: Broken pipe" || return
	done
}

full_disk()
{
	local c
	for c in check info events stats json; do
		! $gort trace $c "$hand" >/dev/full 2>"$tap_tmp/err" || return
		says err <<<"gort: standard output: No space left on device" ||
			return
	done
	! $gort --help >/dev/full 2>"$tap_tmp/err"
}

# "~" is a return: percents that rise, then nothing is left of them.
progress()
{
	$help pty $gort trace events "$big" >"$tap_tmp/pty" || return
	tail -n 1 "$tap_tmp/pty" | cut -c 1-200
	tail -n 1 "$tap_tmp/pty" | grep -q '^\(~ *[0-9]*%\)\{2,\}~    ~$' &&
		tail -n 1 "$tap_tmp/pty" | grep -o '[0-9]*%' |
			sort -c -n -u
}

no_progress()
{
	$gort trace events "$big" 2>"$tap_tmp/err" >"$tap_tmp/out" &&
		test ! -s "$tap_tmp/err"
}

plan 21
check 'it is built, and traces to read' made
check 'help' help_is_there
check 'wrong usage' usage_errors
check 'files that cannot be read' files_that_cannot_be_read
check 'files that are no traces' files_that_are_no_traces
check 'broken traces' broken_traces
check 'broken ends' broken_tails
check 'strict rules and others' strictness
check 'check and info of a fixed trace' check_and_info
check 'stats of a fixed trace' stats_by_hand
check 'events of a fixed trace' events_are_the_same "$hand"
check 'json of a fixed trace' json_is_right "$hand"
check 'wrong json is noticed' json_checker_works
check 'events of a fresh trace' events_are_the_same "$fresh"
check 'stats of a fresh trace' stats_are_right
check 'json of a fresh trace' json_is_right "$fresh"
check 'standard input' from_stdin
check 'a pipe that nobody reads' broken_pipe
check 'output that has no room' full_disk
check 'progress on a terminal' progress
check 'no progress elsewhere' no_progress
finish
