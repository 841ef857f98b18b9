#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_cmd_nonpreempt.sh - gort nonpreempt top and diff
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

gort="$EMULATOR $O/gort"
cd "$tap_tmp" || exit 1
top=$OLDPWD

nonpreempt()
{
	(cd "$top" && $gort nonpreempt "$@")
}

head_lines()
{
	echo 'gort nonpreempt 1'
	echo 'seconds 12.345 sections 99 lost 0 other 0 exceeded 0 suppressed 0'
}

# site KIND WHAT PLACE AT COUNT GROSS NET MAX P50 P90 P99 P99.9 [WAITS NS MAX G]
site()
{
	printf '\nsite 1\nkind %s\nwhat %s\nplace %s\nat %s\n' "${@:1:4}"
	printf 'count %s\ngross %s ns\nnet %s ns\nmax %s ns\n' "${@:5:4}"
	printf 'quantiles p50 %s p90 %s p99 %s p99.9 %s ns\n' "${@:9:4}"
	printf 'waits %s total %s ns max %s ns runnable %s\n' \
		"${13-0}" "${14-0}" "${15-0}" "${16-0}"
}

# A site of which only at, the count and the quantiles matter
some_site()
{
	site lock SCHED outermost "$1" "$2" 100 100 1000000 "${@:3}"
}

three_sites()
{
	head_lines
	site systemstack stack_refill outermost 'stack_get mm/stack.c:123' \
		12345 4000000 12345 45678 120 200 500 900 3 1230 450 17
	echo 'start main tests/x.c:12
start first tests/x.c:34
end stop y.c:3
bucket 112 12340
bucket 400 5'
	site user 'my\x20part' inside 'work w.c:7' \
		20 0 999500 1145678 12000 20000 50000 900000
	site stw '?' outermost '?' 7 3000000 3000000 999499 999 1000 9994 9995 \
		1 7000000000 7000000000 2
}

same()
{
	diff -u - "$1"
}

tables()
{
	three_sites >in
	nonpreempt top "$tap_tmp/in" >out || return
	same out <<-'END'
	12.345 seconds, 99 sections at 3 sites

	count   gross     net     max     p50     p99   p99.9  waits  waited  longest  place      kind         what          at
	   20       -  1.00ms  1.15ms  12.0us  50.0us   900us      0     0ns      0ns  inside     user         my part       work w.c:7
	    7  3.00ms  3.00ms   999us   999ns  9.99us  10.0us      1   7.00s    7.00s  outermost  stw          ?             ?
	12345  4.00ms  12.3us  45.7us   120ns   500ns   900ns      3  1.23us    450ns  outermost  systemstack  stack_refill  stack_get mm/stack.c:123
	END
}

# sorted KEY KINDS
sorted()
{
	nonpreempt top "--sort=$1" "$tap_tmp/in" | tee out |
		awk 'NR > 3 { printf "%s%s", (NR > 4 ? " " : ""), $12 }' >kinds
	cat out kinds
	test "$(cat kinds)" = "$2"
}

sort_keys()
{
	sorted max 'user stw systemstack' &&
		sorted gross 'systemstack stw user' &&
		sorted net 'stw user systemstack' &&
		sorted count 'systemstack user stw' &&
		sorted wait 'stw systemstack user'
}

# rows N TEXT EXPECTED
rows()
{
	nonpreempt top "$1" "$tap_tmp/in" >out
	cat out
	test "$(tail -n +4 out | grep -vc '^\.\.\.')" = "$3" || return
	if test -n "$2"; then
		test "$(tail -1 out)" = "$2"
	else
		! grep -q '^\.\.\.' out
	fi
}

row_limits()
{
	rows -n1 '... and 2 more' 1 && rows --rows=2 '... and 1 more' 2 &&
		rows -n3 '' 3 && rows -n0 '' 3
}

stacks()
{
	nonpreempt top -v -n1 --sort=count "$tap_tmp/in" | tail -n +5 >out
	same out <<-'END'
	    the longest began in
	        main tests/x.c:12
	        first tests/x.c:34
	    the longest ended in
	        stop y.c:3
	    at most 17 goroutines wanted to run meanwhile

	... and 2 more
	END
}

# What a terminal would obey does not get there
names()
{
	{
		head_lines | sed 's/12.345/1\x1b[m/'
		site user 'a\x1b[31m\x0ab\x5cx' outermost $'f\xc2\x9b\xffg y\xc3\xa4' \
			1 1 1 1 1 1 1 1
		printf 'start s\033tart\n'
	} >strange
	nonpreempt top -v "$tap_tmp/strange" >out || return
	cat -v out
	! LC_ALL=C grep -q $'\033\|\x9b\|\xff' out &&
		grep -qF 'user  a\x1b[31m\x0ab\x  f\xc2\x9b\xffg y'$'\xc3\xa4' out &&
		grep -q '^ *s\\x1btart$' out && grep -q '^1\\x1b\[m seconds' out
}

no_sites()
{
	head_lines | nonpreempt top - >out &&
		same out <<<$'12.345 seconds, 99 sections at 0 sites\n' &&
		head_lines >empty &&
		nonpreempt diff --fail=1 "$tap_tmp/empty" "$tap_tmp/empty"
}

what_is_missing()
{
	three_sites | sed 2s/0/5/g | nonpreempt top - | head -1 >out
	same out <<<'12.345 seconds, 99 sections at 3 sites; 5 longer than the threshold, 5 of them suppressed; 5 for which there was no room, 5 lost'
}

# bad SED TEXT: what sed makes of a good file gives this message
bad()
{
	local status
	three_sites | sed "$1" | nonpreempt top - >out 2>err
	status=$?
	echo "$1: $status $(cat out err)"
	((status == 2)) && test ! -s out &&
		test "$(cat err)" = "gort: standard input: $2"
}

bad_files()
{
	local head='seconds NAME sections NUMBER lost NUMBER other NUMBER'
	head="line 2: want \"$head exceeded NUMBER suppressed NUMBER\""
	bad d 'this is no text of the profiler of non-preemptible sections' &&
	bad 1d 'this is no text of the profiler of non-preemptible sections' &&
	bad '1s/1/2/' 'line 1: want "gort nonpreempt 1"' &&
	bad 2d "$head" && bad '2s/99/x/' "$head" && bad '2s/$/ 1/' "$head" &&
	bad 4d 'line 4: want "site NUMBER"' &&
	bad '4s/1//' 'line 4: want "site NUMBER"' &&
	bad 5d 'line 4: this site does not say its "kind"' &&
	bad 14d 'line 4: this site does not say its "waits"' &&
	bad '$d' 'line 33: this site does not say its "waits"' &&
	bad '7s/outer/inner/' 'line 7: want "place outermost" or "place inside"' &&
	bad '8s/ .*//' 'line 8: want "at NAME [FILE:LINE]"' &&
	bad '8s/$/ x/' 'line 8: want "at NAME [FILE:LINE]"' &&
	bad '9s/12345/18446744073709551616/' 'line 9: want "count NUMBER"' &&
	bad '9s/12345/-1/' 'line 9: want "count NUMBER"' &&
	bad '10s/ns/us/' 'line 10: want "gross NUMBER ns"' &&
	bad '11s/net/nett/' 'line 11: unknown key "nett"' &&
	bad '11s/net/n\x1b[mt/' 'line 11: unknown key "n?[mt"' &&
	bad '12s/^.*$/&\n&/' 'line 13: a second time: "max"' &&
	bad '18s/ 1.*//' 'line 18: want "bucket NUMBER NUMBER"'
}

# verdict STATUS OPTIONS...: of diff, of before and after
verdict()
{
	local want=$1 status
	shift
	nonpreempt diff "$@" "$tap_tmp/before" "$tap_tmp/after" >out
	status=$?
	echo "diff $*: $status"
	cat out
	((status == want))
}

# change TEXT AT: a row of the last diff
change()
{
	grep -q "^ *$1 .*  $2\$" out
}

no_change()
{
	three_sites >before
	three_sites >after
	verdict 0 --fail=1 && change 'x1.00  p99.9' 'stack_get mm/stack.c:123' &&
		change 'x1.00  p50 ' '?' && ! grep -q worse out
}

worse()
{
	{ head_lines; some_site 'f a.c:1' 5000 100 200 4000 8000; } >before
	{ head_lines; some_site 'f a.c:1' 5000 100 200 4000 12000; } >after
	verdict 0 && change 'x1.50  p99.9' 'f a.c:1' &&
	verdict 0 --fail=1.5 &&
	verdict 1 --fail=1.49 && change 'x1.50 worse  p99.9' 'f a.c:1' &&
	grep -qx 'Worse: 1 of 1, more than 1.49 times as long or new, and 10us or more' out &&
	verdict 1 --fail=1.2 --above=12us && verdict 0 --fail=1.2 --above=12.1us
}

# rate COUNT COUNT: by which quantile
rate()
{
	{ head_lines; some_site f "$1" 20000 1 40000 50000; } >before
	{ head_lines; some_site f "$2" 40000 1 120000 200000; } >after
	verdict 0 && verdict 1 --fail=1.9
}

quantiles()
{
	rate 1000 1000 && change 'x4.00 worse  p99.9' f &&
	rate 5000 999 && change 'x3.00 worse  p99 ' f &&
	rate 100 5000 && change 'x3.00 worse  p99 ' f &&
	rate 99 5000 && change 'x2.00 worse  p50 ' f
}

# Of few sections one that is long may be bad luck
few()
{
	rate 5000 10 && change 'x2.00 worse  p50 ' f || return
	{ cat before; some_site new 10 1000000 1 1 1; } >after
	verdict 1 --fail=1 && change 'new worse' new || return
	{ head_lines; some_site f 9 90000 1 1 1; some_site g 9 90000 1 1 1; } >after
	verdict 0 --fail=1 && change 'x4.50  p50 ' f && change new g
}

# The line of f does not matter, unless there is one f more
lines_moved()
{
	{ head_lines
	  some_site 'f a.c:9' 5000 1 1 1 1000
	  some_site 'f a.c:10' 5000 1 1 1 2000
	  some_site 'g a.c:20' 5000 1 1 1 5000; } >before
	{ head_lines
	  some_site 'f a.c:12' 5000 1 1 1 6000
	  some_site 'g a.c:30' 5000 1 1 1 5000
	  some_site 'f a.c:11' 5000 1 1 1 2000; } >after
	verdict 0 && change x2.00 'f a.c:11' && change x3.00 'f a.c:12' &&
		change x1.00 'g a.c:30' || return
	{ cat after; some_site 'f a.c:10' 5000 1 1 1 4000; } >more
	mv more after
	verdict 0 && change x2.00 'f a.c:10' && change new 'f a.c:11' &&
		change new 'f a.c:12' && change gone 'f a.c:9'
}

# As kind, what and place do
other_sites()
{
	{ head_lines; site lock SCHED outermost f 9 1 1 1 1 1 1 1
	  site lock SCHED inside f 9 1 1 1 2 2 2 2; } >before
	{ head_lines; site lock HEAP outermost f 9 1 1 1 1 1 1 1
	  site lock SCHED inside f 9 1 1 1 4 2 2 2
	  site stw SCHED outermost f 9 1 1 1 1 1 1 1; } >after
	verdict 0 && change x2.00 'inside *lock *SCHED  f' &&
		change gone 'outermost *lock *SCHED  f' &&
		change new 'outermost *lock *HEAP *f' &&
		change new 'outermost *stw *SCHED *f'
}

new_and_gone()
{
	{ head_lines; some_site f 5000 1 1 1 99000; } >before
	{ head_lines; some_site g 5000 1 1 1 10000; } >after
	verdict 1 --fail=2 && change 'new worse' g && change gone f &&
		verdict 0 --fail=2 --above=11us && change new g
}

# Those that fail the build are always shown, and first
most_important()
{
	{ head_lines
	  for i in 1 2 3 4 5; do some_site "f$i" 5000 1 1 1 20000; done
	  some_site g 5000 1 1 1 1000000; } >before
	{ head_lines
	  for i in 1 2 3 4 5; do some_site "f$i" 5000 1 1 1 50000; done
	  some_site g 5000 1 1 1 1400000; } >after
	verdict 1 -n1 --fail=2 && test "$(grep -c ' worse ' out)" = 5 &&
		grep -qx '... and 1 more' out && verdict 0 -n1 && change x1.40 g
}

# 10,000 sites each
many()
{
	{ head_lines
	  for i in {1..100}; do some_site "f$i a.c:X" 5000 1 1 1 20000; done |
		awk '{ s[NR] = $0 } END { for (i = 0; i < 100; i++)
			for (k = 1; k <= NR; k++) {
				t = s[k]; sub(/X/, i, t); print t } }'; } >before
	cp before after
	verdict 0 -n1 --fail=1 | tail -3 &&
		grep -qx '... and 9999 more' out
}

# usage COMMAND ARGUMENTS...: is wrong
usage()
{
	local status
	nonpreempt "$@" >out 2>err
	status=$?
	echo "$*: $status"
	cat out err
	((status == 2)) && test ! -s out && grep -q "^usage: gort nonpreempt $1" err
}

wrong_usage()
{
	local in=$tap_tmp/in
	usage top && usage top "$in" "$in" && usage top -nx "$in" &&
		usage top -n-1 "$in" && usage top --sort=min "$in" &&
		usage diff "$in" && usage diff "$in" "$in" "$in" &&
		usage diff -nx "$in" "$in" &&
		usage diff --fail=0.99 "$in" "$in" &&
		usage diff --fail=1x "$in" "$in" &&
		usage diff --fail=inf "$in" "$in" &&
		usage diff --fail= "$in" "$in" &&
		usage diff --above=10 "$in" "$in" &&
		usage diff --above=us "$in" "$in" &&
		usage diff --above=1.us "$in" "$in" &&
		usage diff --above=600000000000s "$in" "$in"
}

no_such_file()
{
	nonpreempt top /nonexistent 2>err
	(($? == 2)) && same err <<<'gort: /nonexistent: No such file or directory' &&
		! nonpreempt diff "$tap_tmp/in" /nonexistent
}

full()
{
	nonpreempt top "$tap_tmp/in" >/dev/full 2>err
	(($? == 2)) && grep -q 'No space left' err
}

# What the profiler writes of a program
profiled()
{
	(cd "$top" && GORTNONPREEMPT=$tap_tmp/real $EMULATOR \
		"$O/tests/samples/wordfreq" LICENSE >/dev/null &&
		GORTNONPREEMPT=$tap_tmp/real.folded,format=folded $EMULATOR \
		"$O/tests/samples/wordfreq" LICENSE >/dev/null) || return
	nonpreempt top -v -n0 "$tap_tmp/real" >out || return
	cat out
	grep -q ' kernel/[a-z]*\.c:[0-9]*$' out &&
		grep -q 'the longest began in' out &&
		nonpreempt diff --fail=1 "$tap_tmp/real" "$tap_tmp/real" >out &&
		grep -q x1.00 out && ! grep -q '^ *new\|^ *gone' out || return
	(cd "$top" && $gort trace flame --folded=ns "$tap_tmp/real.folded") >out &&
		grep -q '<title>lock (' out
}

built()
{
	make -C "$top" "$O/gort" "$O/tests/samples/wordfreq"
}

plan 22
check 'the programs' built
check 'top' tables
check 'each way to sort' sort_keys
check 'only some rows' row_limits
check 'stacks' stacks
check 'strange names' names
check 'no sites' no_sites
check 'what is missing is said' what_is_missing
check 'what is wrong with a file, and in which line' bad_files
check 'no difference' no_change
check 'what got worse is the exit status' worse
check 'quantiles that counts support' quantiles
check 'few sections' few
check 'lines that moved' lines_moved
check 'kind, what and place are compared' other_sites
check 'sites that are new or gone' new_and_gone
check 'what is worse comes first' most_important
check 'many sites' many
check 'the profiler' profiled
check 'wrong usage' wrong_usage
check 'no such file' no_such_file
check 'output that fails' full
finish
