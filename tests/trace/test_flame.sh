#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_flame.sh - gort trace flame
#
# flame.py says what a graph shows, and fails if it is drawn wrong.  The trace
# has several generations, since what is known of one must not be used for the
# next.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

prog=$O/tests/trace/test_flame_prog
tracecheck="$EMULATOR $O/tests/trace/tracecheck"
trace=$tap_tmp/trace
svg=$tap_tmp/svg
shown=$tap_tmp/shown
err=$tap_tmp/err

# flame ARGUMENTS...: what it shows goes to $shown
flame()
{
	$EMULATOR "$O/gort" trace flame "$@" >"$svg" 2>"$err"
	local status=$?
	echo "flame $*: $status"
	cat "$err"
	((status == 0)) || return $status
	python3 tests/trace/flame.py "$svg" >"$shown" && head -50 "$shown"
}

# folded OPTIONS...: of standard input
folded()
{
	flame "$@" -
}

same()
{
	diff -u - "$1"
}

built()
{
	make "$O/gort" "$prog" "$O/tests/trace/tracecheck"
}

recorded()
{
	GORTDEBUG=${GORTDEBUG-},traceadvanceperiod=10000000 \
		GORTCPUPROFILE=$tap_tmp/profile,hz=500 GORTTRACE=$trace \
		$EMULATOR "$prog" &&
		$tracecheck -lenient -events "$trace" >"$tap_tmp/events" &&
		test "$(grep -c ' Sync ' "$tap_tmp/events")" -ge 4
}

cpu()
{
	local n
	flame "$trace" && cp "$shown" "$shown.cpu" &&
		n=$(sed -n 's/^all;first;burn \([0-9]*\) samples .*/\1/p' "$shown") &&
		((5 < n && n < 100)) && flame --cpu "$trace" &&
		same "$shown.cpu" <"$shown"
}

# "all;reason;outermost;...;innermost;;ns" from the events, for each frame
waited()
{
	awk '
	function end_wait(g, at,	i, n, path, f) {
		if (!index(why[g], ";"))
			why[g] = why[g] ";[no stack]"
		n = split("all;" why[g], f, ";")
		for (i = 1; i <= n; i++) {
			path = path f[i] ";"
			sum[path] += at - since[g]
		}
		delete why[g]
	}
	/^TransitionStack=/ { reading = goid; next }
	/^Stack=/ || /^$/ { reading = "" }
	/^\t[^\t]/ && reading {
		sub(/^\t/, ""); sub(/ @ 0x[0-9a-f]*$/, "")
		r = why[reading]; k = index(r, ";")
		why[reading] = k ? substr(r, 1, k) $0 substr(r, k) : r ";" $0
	}
	!/^M=-?[0-9]/ { next }
	{
		reading = goid = ""
		split($5, t, "="); now = t[2]; first = first ? first : now
	}
	$4 != "StateTransition" || !/ GoID=/ { next }
	{
		split($7, s, "->")
		if (s[1] == s[2])
			next
		if ($6 in why)
			end_wait($6, now)
		if (s[2] != "Waiting" && s[2] != "Syscall")
			next
		match($0, /Reason=".*"/)
		r = substr($0, RSTART + 8, RLENGTH - 9)
		why[$6] = s[2] == "Syscall" ? "system call" : r ? r : "unknown"
		since[$6] = s[1] == "Undetermined" ? first : now
		goid = $6
	}
	END {
		for (g in why)
			end_wait(g, now)
		for (r in sum)
			printf "%s;%.0f\n", r, sum[r]
	}' "$tap_tmp/events" | sort
}

# The same from $shown
drawn()
{
	sed -n 's/^\(.*\) \([0-9.]*\)\([nmu]*\)s [0-9.]*$/\1;;\2;\3/p' \
		"$shown" | awk -F ';' '{
		e = $NF == "n" ? 1 : $NF == "u" ? 1e3 : $NF == "m" ? 1e6 : 1e9
		n = $(NF - 1)
		sub(/[^;]*;[^;]*$/, "")
		printf "%s%.0f\n", $0, n * e }' | sort
}

# The same frames; their times have three digits.  "all" is of what is drawn.
near()
{
	grep -v '^all;;' "$1" >"$1.want"
	grep -v '^all;;' "$2" | awk -F ';' '
		{ key = $0; sub(/[^;]*$/, "", key) }
		NR == FNR { want[key] = $NF; next }
		{ d = $NF / want[key]; n++
		  if (d < 0.994 || d > 1.006) { print $0, want[key]; bad = 1 } }
		END { for (r in want) n--; exit bad || n }' "$1.want" -
}

block()
{
	waited >"$tap_tmp/waited"
	cat "$tap_tmp/waited"
	flame --block "$trace" && drawn >"$tap_tmp/drawn" || return
	grep -v '^all;trace;' "$tap_tmp/waited" >"$tap_tmp/want"
	near "$tap_tmp/want" "$tap_tmp/drawn" &&
		grep -q '^all;sleep;sleeper;doze;gort_sleep_ns ' "$shown" &&
		grep -q '^all;chan receive;receiver;wait_for_it;gort_chan_recv ' \
			"$shown"
}

reasons()
{
	flame --block=sleep "$trace" && drawn >"$tap_tmp/drawn" || return
	grep '^all;sleep;' "$tap_tmp/waited" >"$tap_tmp/want"
	near "$tap_tmp/want" "$tap_tmp/drawn" &&
		flame --block=trace "$trace" && test ! -s "$err" || return
	flame --block=slip "$trace" && test ! -s "$shown" &&
		grep -q 'nothing blocked for "slip"; reasons there are: .*sleep' "$err"
}

nonpreempt()
{
	flame --nonpreempt "$trace" || return
	grep -q '8 logs of category nonpreempt do not say how long' "$err" &&
		sed -n 's/;first;log_sections;gort_trace_log / /p' "$shown" >"$tap_tmp/kinds"
	same "$tap_tmp/kinds" <<-'END'
	all;lock;HEAP 1.50ms 78.86
	all;lock;SCHED 150us 7.89
	all;stw 100ns 0.01
	all;systemstack;<a&b>"'c 250us 13.14
	all;user;my own part 1.00us 0.05
	all;user;z�[m�����é]]> 1.00us 0.05
	END
}

# Same stacks, stacks in others, zeros, escapes, an empty name, no end of line
stacks()
{
	printf '%s\n' 'b;x 3' 'a;b 20' '' 'a 10' 'a;b;c 5' 'a;b 5' 'z;y 0' \
		'b;\x20p\x3bq\xzz 7' 'b; 4' |
		{ cat; printf 'a;a b 46'; } | folded --folded
	same "$shown" <<-'END'
	all 100 100.00
	all;a 86 86.00
	all;a;a b 46 46.00
	all;a;b 30 30.00
	all;a;b;c 5 5.00
	all;b 14 14.00
	all;b; 4 4.00
	all;b; p;q\xzz 7 7.00
	all;b;x 3 3.00
	END
}

units()
{
	echo 'a 1234567' | folded --folded=ns && grep -q '^all;a 1.23ms ' "$shown" &&
	echo 'a 12' | folded '--folded=<b>' && grep -q '^all;a 12 <b> ' "$shown"
}

# bad LINE TEXT
bad()
{
	printf 'a;b 1\n\n%b\n' "$2" | folded --folded
	(($? == 1)) && test ! -s "$svg" && grep -q "line $1: no stack" "$err"
}

bad_stacks()
{
	bad 3 'a;b' && bad 3 'a;b x' && bad 3 ' 1' && bad 3 'a;b 1 ' &&
		bad 3 'a -1' && bad 3 'a 1.5' && bad 4 'a 1\nb' &&
		bad 3 'a 18446744073709551616' &&
		bad 3 'a 00000000000000000000000000000000000000001' &&
		bad 3 '\0\0\xff'
}

# Sums that do not fit are as large as they get
overflow()
{
	local most=18446744073709551615
	printf '%s\n' "a;b $most" 'a;b 5' 'a;c 5' | folded --folded
	head -3 "$svg" >/dev/null && grep -q "^<text.*: $most</text>" "$svg"
}

# Names that nobody can have, 300000 frames in a stack
huge()
{
	{
		head -c 100000 /dev/zero | tr '\0' 'x'
		echo ' 5'
		yes 'f;' | head -300000 | tr -d '\n'
		echo 'g 7'
	} >"$tap_tmp/huge"
	flame --folded "$tap_tmp/huge" >/dev/null || return
	test "$(grep -c '^all;f;f' "$shown")" = 998 &&
		grep -q 'left out: 299002 frames above the 1000th' "$svg" &&
		test "$(stat -c %s "$svg")" -lt 1000000
}

# 40101 frames of which the lightest are left out
many()
{
	awk 'BEGIN { for (i = 0; i < 40000; i++)
		printf "m%d;f%d %d\n", i % 100, i, 1 + (i % 4 == 3) * i }' |
		folded --folded >/dev/null || return
	test "$(wc -l <"$shown")" = 10000 &&
		grep -q 'left out: 30101 frames of at most ' "$svg" &&
		test "$(stat -c %s "$svg")" -lt 3000000
}

# 100 towers of the same weight: the lower parts of the first ones
towers()
{
	awk 'BEGIN { for (i = 0; i < 100; i++) {
		for (k = 0; k < 500; k++)
			printf "%sf%d.%d", k ? ";" : "", i, k
		print " 1" } }' | folded --folded >/dev/null || return
	test "$(wc -l <"$shown")" = 10000 &&
		grep -q 'left out: 40001 frames of at most 1<' "$svg"
}

deterministic()
{
	flame --block "$trace" && cp "$svg" "$svg.1" && flame --block "$trace" &&
		cmp "$svg" "$svg.1"
}

piped()
{
	flame --block "$trace" && cp "$shown" "$shown.1" &&
		flame --block - <"$trace" && same "$shown.1" <"$shown"
}

# A picture all the same
nothing()
{
	GORTTRACE=$tap_tmp/bare $EMULATOR "$O/tests/samples/wordfreq" \
		LICENSE >/dev/null && flame "$tap_tmp/bare" && test ! -s "$shown" &&
		grep -q 'warning: There are no samples' "$err" &&
		grep -q '<text class="empty".*There are no samples' "$svg" &&
		flame --nonpreempt "$tap_tmp/bare" && test ! -s "$shown" &&
		grep -q 'No sections' "$svg" &&
		folded --folded </dev/null && grep -q 'There are no stacks' "$svg"
}

# broken WANT FILE...
broken()
{
	local want=$1
	shift
	flame "$@"
	(($? == want)) && test ! -s "$svg" && test -s "$err"
}

broken_traces()
{
	head -c $(($(stat -c %s "$trace") / 2)) "$trace" >"$tap_tmp/half"
	flame --block "$tap_tmp/half" && test -s "$shown" &&
		grep -q 'warning: broken end: ' "$err" || return
	head -c 1000 "$trace" >"$tap_tmp/little"
	broken 1 "$tap_tmp/little" && broken 1 --block /dev/null &&
		broken 1 LICENSE && broken 2 /nonexistent &&
		broken 2 --folded /nonexistent
}

# What the fuzzer found: good or not, but no accidents and no bad picture
corpus()
{
	local f mode n=0 good=0
	for f in tests/trace/corpus/0[0-4]*; do
		for mode in --cpu --block --nonpreempt; do
			$EMULATOR "$O/gort" trace flame $mode "$f" \
				>"$svg.$n" 2>"$err"
			case $? in
			0)	good=$((good + 1)) ;;
			1)	rm "$svg.$n" ;;
			*)	echo "$f"; cat "$err"; return 1 ;;
			esac
			n=$((n + 1))
		done
	done
	echo "$good of $n"
	((good >= 6)) && python3 tests/trace/flame.py "$svg".[0-9]*
}

# usage ARGUMENTS...
usage()
{
	broken 2 "$@" && grep -q '^usage: gort trace flame' "$err"
}

wrong_usage()
{
	usage && usage "$trace" "$trace" && usage --cpu --block "$trace" &&
		usage --folded --nonpreempt "$trace" && usage --cpu=1 "$trace"
}

full()
{
	$EMULATOR "$O/gort" trace flame "$trace" >/dev/full 2>"$err"
	(($? == 2)) && grep -q 'No space left' "$err"
}

# With the script of flame_zoom.js behind its own
browser()
{
	printf '%s\n' 'a 10' 'a;b 10' 'a;c 20' 'c 5' 'c;d 25' 'e<f> 30' |
		folded --folded=ns || return
	{
		sed '$d' "$svg"
		echo '<script><![CDATA['
		cat tests/trace/flame_zoom.js
		echo ']]></script></svg>'
	} >"$tap_tmp/zoom.svg"
	HOME=$tap_tmp timeout 50 chromium --no-sandbox --headless --disable-gpu \
		--dump-dom "file://$tap_tmp/zoom.svg" 2>"$err" |
		grep -o 'RESULT: [^<]*' | tee "$tap_tmp/result"
	grep -qx 'RESULT: good' "$tap_tmp/result"
}

plan 20
check 'the programs' built
check 'a trace' recorded
check 'samples' cpu
check 'blocking, by reason' block
check 'blocking for one reason' reasons
check 'non-preemptible sections' nonpreempt
check 'folded stacks' stacks
check 'units' units
check 'what are no folded stacks' bad_stacks
check 'sums that are too large' overflow
check 'long names and deep stacks' huge
check 'many functions' many
check 'many functions that are the same' towers
check 'the same trace gives the same file' deterministic
check 'standard input' piped
check 'nothing to draw' nothing
check 'broken traces' broken_traces
check 'traces of the fuzzer' corpus
check 'wrong usage, output that fails' eval 'wrong_usage && full'
if command -v chromium >/dev/null; then
	check 'zoom and search' browser
else
	skip 'zoom and search' chromium
fi
finish
