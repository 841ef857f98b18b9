#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_conf_programs.sh - the samples and the stress tests, all of
# their runs traced by GORTTRACE
#
# On a small scale, with settings of the tracer in turn.
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

tracecheck="$EMULATOR $O/tests/trace/tracecheck"
# Not those that trace themselves.
stress=$(cd tests/stress && ls test_*.c | sed 's/\.c$//' |
	grep -v -e '^test_stress_trace$' -e '^test_stress_memstat$')
settings=(
	traceadvanceperiod=1000000
	maymorestack=move
	maymorestack=preempt,traceadvanceperiod=1000000
	traceversion=26,traceallocfree=1
	traceadvanceperiod=1000000,tracepushdown=0,maymorestack=move
)
# So many of them for each.
times=${EMULATOR:+1}
: "${times:=2}"
trace=$tap_tmp/trace
scale=0.05

built()
{
	make "$O/tests/trace/tracecheck" "$O/tests/samples/wordfreq" \
		"$O/tests/samples/httpd" $(printf "$O/tests/stress/%s " $stress)
}

# good: so our reader says of the trace
good()
{
	local verdict
	verdict=$($tracecheck "$trace")
	echo "$verdict"
	rm -f "$trace"
	[[ $verdict = "$trace: OK "* ]]
}

# with settings command...
with()
{
	local debug=tracecheckstackownership=1,$1
	shift
	echo "GORTDEBUG=$debug"
	GORTTRACE=$trace GORTDEBUG=$debug STRESS_SCALE=$scale \
		timeout 50 $EMULATOR "$@" && good
}

# in_turn command...: other settings each time
in_turn()
{
	local i
	for ((i = 0; i < times; i++)); do
		turn=$(((turn + 1) % ${#settings[@]}))
		with "${settings[turn]}" "$@" || return
	done
}

# httpd ends by SIGTERM, after some requests.
httpd()
{
	local s line pid port i
	for s in "${settings[@]::times}"; do
		exec {out}< <(exec env GORTTRACE="$trace" GORTDEBUG="$s" \
			$EMULATOR "$O/tests/samples/httpd" -d tests)
		pid=$!
		read -r -t 50 -u "$out" line
		port=${line##*:}
		for i in 1 2 3; do
			curl -sS -m 50 "http://127.0.0.1:$port/run.sh" \
				"http://127.0.0.1:$port/work?n=1000000" \
				>"$tap_tmp/body" || break
		done
		kill -TERM $pid && wait $pid && good || return
		exec {out}<&-
	done
}

turn=0
set -- $stress
plan $(($# + 3))
check 'they are built' built
check wordfreq in_turn "$O/tests/samples/wordfreq" -n 0 \
	kernel/*.c tests/kernel/*.c
check httpd httpd
for t; do
	check "$t" in_turn "$O/tests/stress/$t"
done
finish
