#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_html.sh - gort trace html, its page open in a browser
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

gort="$EMULATOR $O/gort"
dir=$tap_tmp
# As a trace may be called
known=$dir/'x<img src=x onerror="window.pwned=3">.trace'
export PYTHONDONTWRITEBYTECODE=1

python()
{
	python3 tests/trace/test_html.py "$@"
}

make_known()
{
	python make "$known" && $gort trace html "$known" >"$dir/known.html" &&
		! grep -q -e '<img' -e '<script>window' "$dir/known.html"
}

# fails FILE status: what the command ends with; no page then
fails()
{
	local status
	$gort trace html "$1" >"$dir/none.html"
	status=$?
	echo "status $status"
	((status == $2)) && ! test -s "$dir/none.html"
}

# More spans than fit, of a real program.
make_large()
{
	make "$O/tests/stress/test_stress_migrate" &&
		STRESS_SCALE=12 GORTTRACE=$dir/large \
			GORTDEBUG=traceadvanceperiod=50000000 \
			timeout 50 $EMULATOR "$O/tests/stress/test_stress_migrate" &&
		$gort trace html "$dir/large" >"$dir/large.html" &&
		size=$(stat -c %s "$dir/large.html") && echo "$size bytes" &&
		((size <= 40000000))
}

# Its last generation is not complete.
broken_end()
{
	head -c $(($(stat -c %s "$dir/large") * 3 / 4)) "$dir/large" >"$dir/cut" &&
		$gort trace html "$dir/cut" >"$dir/cut.html" &&
		grep -q '"broken":1' "$dir/cut.html"
}

standard_input()
{
	$gort trace html - <"$known" >"$dir/stdin.html" &&
		diff <(sed 1,/id=.meta/d "$dir/known.html" | tail -n +2) \
			<(sed 1,/id=.meta/d "$dir/stdin.html" | tail -n +2)
}

# The whole, cut where nothing happens, and longer than it is.
parts()
{
	$gort trace html --to=1000001ns "$known" >"$dir/1.html" &&
		$gort trace html --from=1000001ns --to=2ms "$known" >"$dir/2.html" &&
		$gort trace html --from=2ms --to=1s "$known" >"$dir/3.html" &&
		python parts "$dir/known.html" "$dir"/[123].html
}

wrong_times()
{
	local option
	for option in --from=1 --from=-1s --from=1h --to= --to=0s; do
		$gort trace html $option "$known" >"$dir/none.html" 2>"$dir/says"
		(($? == 2)) && ! test -s "$dir/none.html" &&
			grep -q 'are times' "$dir/says" || return
	done
	$gort trace html --from=1s "$known" >"$dir/none.html" 2>"$dir/says"
	(($? == 2)) && ! test -s "$dir/none.html" &&
		grep -q 'ends before 1s' "$dir/says"
}

plan 10
check 'a page of a trace that is known' make_known
if command -v chromium >/dev/null; then
	check 'numbers, zoom, search, and names that look like HTML' \
		python known "$known" "$dir/known.html"
else
	skip 'numbers, zoom, search, and names that look like HTML' chromium
fi
check 'a page of a trace with more than can be drawn' make_large
if command -v chromium >/dev/null; then
	check 'it is all counted, and fast' python large "$dir/large.html"
else
	skip 'it is all counted, and fast' chromium
fi
check 'parts of a trace' parts
check 'times that are none, or outside' wrong_times
check 'the same from standard input' standard_input
check 'a trace that breaks off' broken_end
echo 'no trace' >"$dir/no"
check 'no trace' fails "$dir/no" 1
check 'no file' fails "$dir/nowhere" 2
finish
