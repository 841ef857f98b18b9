#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/run.sh - run tests, each in a process of its own under a timeout, and
# count their TAP.
#
#	run.sh run [-m heading] [-r results] [-e emulator] [-s prefix] [-j jobs]
#	           {[-t seconds] [-x] test}...
#	run.sh missing -m heading -r results
#	run.sh total results
#
# run appends one line "passed failed skipped heading" to the results file and
# exits 1 if a test failed.  -t holds for the tests after it; those after -x run
# one at a time, when the others are done.  -s is cut off names in the report.
# A test that ends in .sh is a script and runs without the emulator.
#
# missing adds a failure if the mode left no line, because it did not build.
#
# total adds up the lines; its last line is "N passed, N failed, N skipped".
#
# A crash, a timeout, an exit status without a "not ok" and a plan that was not
# carried out are one failure each.  A test without any TAP counts as one, by
# its exit status; 77 is a skip.
set -u

die()
{
	echo "tests/run.sh: $*" >&2
	exit 2
}

# count log status: print "passed failed skipped why"
#
# cmocka prints a skipped test as "not ok N # SKIP", and closes a group with a
# "not ok - name" that has no number.
count()
{
	awk -v status="$2" '
	/^1\.\.0/		{ skipped++; tap = 1; next }
	/^1\.\.[0-9]+/		{ sub(/^1\.\./, ""); plan += $1; tap = 1; next }
	!/^(not )?ok [0-9]+/	{ next }
				{ tap = 1; seen++ }
	toupper($0) ~ /# *SKIP/	{ skipped++; next }
	/^not ok/		{ failed++; next }
				{ passed++ }
	END {
		if (status == 124 || status == 137)
			why = "timeout"
		else if (status > 128)
			why = "signal " status - 128
		else if (!tap && status == 77)
			skipped++
		else if (status && !failed)
			why = "exit status " status
		else if (!tap && !status)
			passed++
		else if (seen < plan)
			why = "only " seen + 0 " of " plan " tests ran"
		if (why)
			failed++
		print passed + 0, failed + 0, skipped + 0, why
	}' "$1"
}

# run_one number name seconds test
run_one()
{
	local n=$1 name=$2 seconds=$3 test=$4 status start
	local log=$tmp/$n.log passed failed skipped why
	local -a cmd
	local pid

	case $test in
	*.sh)	cmd=(bash "$test") ;;
	*/*)	cmd=("${emulator[@]}" "$test") ;;
	*)	cmd=("${emulator[@]}" "./$test") ;;
	esac

	start=$SECONDS
	# The shell starts what is in the background with both ignored.
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$seconds" \
		env --default-signal=INT,QUIT "${cmd[@]}" \
		>"$log" 2>&1 </dev/null &
	pid=$!
	trap 'kill $pid 2>/dev/null; exit' TERM
	wait $pid
	status=$?
	read -r passed failed skipped why < <(count "$log" $status)
	echo "$passed $failed $skipped" >"$tmp/$n.count"

	# In one piece, whatever else ends at this moment.
	{
		local verdict=PASS
		((failed)) && verdict=FAIL
		((!passed && !failed)) && verdict=SKIP
		printf '  %s    %s: %d passed, %d failed, %d skipped, %d s%s\n' \
			$verdict "$name" "$passed" "$failed" "$skipped" \
			$((SECONDS - start)) "${why:+ ($why)}"
		if ((failed)); then
			sed 's/^/    | /' "$log"
		elif ((skipped)); then
			grep -iE '^((not )?ok [0-9]+|1\.\.0).*# *skip' "$log" |
				sed 's/^/    | /'
		fi
	} >"$tmp/$n.report"
	flock "$tmp" cat "$tmp/$n.report"
}

cmd_run()
{
	local heading=tests results= prefix= jobs exclusive= seconds=60
	local n=0 running=0 passed=0 failed=0 skipped=0 p f s
	emulator=()
	jobs=$(nproc)

	tmp=$(mktemp -d) || exit 2
	trap 'rm -rf "$tmp"' EXIT
	trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
	ulimit -c 0

	while (($#)); do
		case $1 in
		-m)	heading=$2; shift 2 ;;
		-r)	results=$2; shift 2 ;;
		-e)	read -ra emulator <<<"$2"; shift 2 ;;
		-s)	prefix=$2; shift 2 ;;
		-j)	jobs=$2; shift 2 ;;
		-t)	seconds=$2; shift 2 ;;
		-x)	exclusive=1; wait; running=0; shift ;;
		-*)	die "unknown option $1" ;;
		*)	if ((n == 0)); then
				echo "== $heading"
			fi
			n=$((n + 1))
			if ((running >= jobs)); then
				wait -n
				running=$((running - 1))
			fi
			run_one $n "${1#"$prefix"}" "$seconds" "$1" &
			running=$((running + 1))
			if [[ $exclusive ]]; then
				wait
				running=0
			fi
			shift ;;
		esac
	done
	wait
	((n)) || echo "== $heading: no tests"

	for ((i = 1; i <= n; i++)); do
		read -r p f s <"$tmp/$i.count" || { p=0 f=1 s=0; }
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	done
	if [[ $results ]]; then
		mkdir -p "$(dirname "$results")"
		echo "$passed $failed $skipped $heading" >>"$results"
	fi
	((failed == 0))
}

cmd_missing()
{
	local heading= results= p f s h

	while (($#)); do
		case $1 in
		-m)	heading=$2; shift 2 ;;
		-r)	results=$2; shift 2 ;;
		*)	die "unknown option $1" ;;
		esac
	done
	if [[ -f $results ]]; then
		while read -r p f s h; do
			[[ $h != "$heading" ]] || return 0
		done <"$results"
	fi
	echo "== $heading"
	echo "  FAIL    did not build"
	echo "0 1 0 $heading (did not build)" >>"$results"
}

cmd_total()
{
	if [[ ! -s ${1-} ]]; then
		echo "no test ran"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	awk '
	{
		passed += $1; failed += $2; skipped += $3
		line = sprintf("%6d passed %6d failed %6d skipped ", $1, $2, $3)
		sub(/^[0-9]+ [0-9]+ [0-9]+/, "")
		print line $0
	}
	END {
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0
	}' "$1"
}

case ${1-} in
run|missing|total)
	cmd=$1; shift; "cmd_$cmd" "$@" ;;
*)	die "first argument must be run, missing or total" ;;
esac
