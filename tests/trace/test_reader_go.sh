#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_reader_go.sh - the reader of traces against Go's
#
# With each Go there is from 1.23 on: Go's own test traces get the verdict Go
# gives them, also with bytes changed; real traces are good, and their events
# are the same, in the same order and at the same times.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tracecheck="$EMULATOR $O/tests/trace/tracecheck"
mutants=1000
export GOTOOLCHAIN=local GOFLAGS= GOPROXY=off GO111MODULE=off TZ=UTC
export GOCACHE=$PWD/$O/tests/trace/gocache

# One line per Go: its minor version and its root
gos()
{
	local go root minor
	for go in "$(command -v go)" /usr/lib/go-1.*/bin/go; do
		test -x "$go" || continue
		root=$("$go" env GOROOT) || continue
		minor=$("$go" env GOVERSION | sed 's/^go1\.\([0-9]*\).*/\1/')
		test "$minor" -ge 23 2>/dev/null &&
			test -e "$root/src/internal/trace/raw" || continue
		echo "$minor $root"
	done | sort -u -k 1,1
}

# In the directory of a package of Go's, as far as go build can see
build_helper()
{
	printf '{"Replace":{"%s/src/internal/trace/gort/main.go":"%s"}}\n' \
		"$root" "$PWD/tests/trace/reader_go.go" >"$dir/overlay" &&
		(cd "$root/src" && GO111MODULE=on "$root/bin/go" build \
			-overlay "$dir/overlay" -o "$dir/helper" \
			internal/trace/gort)
}

# The helper, and a trace with memory events and one without
prepare()
{
	mkdir -p "$dir/tests" "$dir/mutants" && build_helper &&
		"$dir/helper" convert "$dir/tests" \
			"$root"/src/internal/trace/testdata/tests/*.test &&
		"$root/bin/go" build -o "$dir/prog" tests/trace/reader_prog.go &&
		"$dir/prog" "$dir/plain" &&
		GODEBUG=traceallocfree=1 "$dir/prog" "$dir/allocfree"
}

# FILE OK or FILE FAIL, by the reader here.  What follows the frequency in its
# batch Go 1.23 ignored.
our_verdict()
{
	$tracecheck -lenient "$@" |
		if ((minor < 25)); then
			sed 's/: FAIL a frequency or clock snapshot was expected/: ?/'
		else
			cat
		fi | sed -n 's/^\([^:]*\): \(OK\|FAIL\|?\).*/\1 \2/p'
}

expected_verdicts()
{
	local f
	for f in "$dir"/tests/*; do
		case $f in
		*/SUCCESS-*)	$tracecheck "$f" || return ;;
		*/FAILURE-*)	! $tracecheck "$f" || return ;;
		*)		false || return ;;
		esac
	done
}

same_verdicts()
{
	"$dir/helper" mutate "$dir/mutants" $mutants "$dir"/tests/* &&
		"$dir/helper" verdict "$dir"/mutants/* >"$dir/theirs" &&
		our_verdict "$dir"/mutants/* >"$dir/ours" &&
		awk 'NR == FNR		{ ours[$1] = $2; next }
		     $2 == "PANIC"	{ next }
		     ours[$1] == "?"	{ next }
					{ n++ }
		     ours[$1] != $2	{ print $0, "not", ours[$1]; bad = 1 }
		     END		{ exit bad || n < FNR * .9 }
		' "$dir/ours" "$dir/theirs"
}

# What Go 1.23 prints in another way, or not at all, goes.
normalise()
{
	local state='\(\(Go\|Proc\)ID=.*\)'
	if ((minor >= 25)); then
		cat
	else
		sed -e '/ Sync Time=/d' -e '/^TransitionStack=/,/^$/d' \
			-e 's/Value{\(Uint64([0-9]*)\)}/\1/g' \
			-e "s/ Resource=[^ ]* \(Reason=.*\) $state/ \2 \1/" \
			-e 's/\( Experimental .* Name=[A-Za-z]*\) .*/\1/'
	fi
}

# same_events file...
same_events()
{
	local f flag=parsed
	((minor >= 25)) || flag=1
	for f; do
		"$root/bin/go" tool trace -d=$flag "$f" | normalise >"$dir/theirs"
		$tracecheck -events "$f" | sed '$d' | normalise >"$dir/ours"
		test -s "$dir/ours" || return
		cmp "$dir/ours" "$dir/theirs" || return
	done
}

# Go's order of equal times among many threads depends on its sort.
same_but_for_time()
{
	local f flag=parsed
	((minor >= 25)) || flag=1
	for f; do
		"$root/bin/go" tool trace -d=$flag "$f" | normalise |
			sed 's/ Time=[0-9]*//' | sort >"$dir/theirs"
		$tracecheck -events "$f" | sed '$d' | normalise |
			sed 's/ Time=[0-9]*//' | sort >"$dir/ours"
		test -s "$dir/ours" || return
		cmp "$dir/ours" "$dir/theirs" || return
	done
}

both_good()
{
	local out
	out=$($tracecheck "$dir/plain" "$dir/allocfree") || return
	echo "$out"
	grep -q '^[^ ]*/plain: OK .* StackSample=.* TaskEnd=' <<<"$out" &&
		grep -q '^[^ ]*/allocfree: OK .* Exp:HeapObjectAlloc=' <<<"$out"
}

found=$(gos)
if [[ ! $found ]]; then
	plan 1
	skip "the same as Go" 'Go 1.23 (golang-1.23-go) or later'
	finish
fi
plan $((1 + 6 * $(wc -l <<<"$found")))
check 'tracecheck is built' make "$O/tests/trace/tracecheck"
while read -r minor root; do
	dir=$tap_tmp/$minor
	check "Go 1.$minor writes traces" prepare
	check "Go 1.$minor: test traces are good or bad" expected_verdicts
	check "Go 1.$minor: so are $mutants mutants" same_verdicts
	check "Go 1.$minor: test traces have the same events" \
		same_but_for_time "$dir"/tests/SUCCESS-*
	check "Go 1.$minor: real traces are good" both_good
	check "Go 1.$minor: they have the same events" \
		same_events "$dir/plain" "$dir/allocfree"
done <<<"$found"
finish
