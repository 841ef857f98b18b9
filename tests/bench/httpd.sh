#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/bench/httpd.sh - the HTTP server beside its twin in Go, under wrk
#
#	HttpdReqs	requests per second: a fixed small response, 64
#			connections
#	HttpdP99	the 99th percentile of their latency while 4 other
#			connections keep all processors computing
#	HttpdNonpreempt	the first, with non-preemptible sections profiled;
#			beside gort without
#
# compare.sh calls it.  Both servers take turns, a round each, as wrk shares the
# processors with them and whatever else the machine does hits both; the table
# has medians.  What wrk printed stays in $O/tests/bench/httpd.
#
# Environment: O, GO (the go command), COUNT rounds, HTTPD_SECONDS per round
# and number (2)
set -u -o pipefail

: "${O:?is not set, use make bench-compare}" "${GO:?is not set}"
: "${COUNT:=5}" "${HTTPD_SECONDS:=2}"
out=$O/tests/bench/httpd
gort=$O/tests/samples/httpd
twin=$O/tests/bench/go.httpd
pid=

die()
{
	echo "tests/bench/httpd.sh: $*" >&2
	exit 2
}

trap 'test -z "$pid" || kill "$pid"' EXIT

# start server: its address is $url
start()
{
	local line
	exec {from}< <(exec "$1" 2>&1)
	pid=$!
	read -r -t 10 -u "$from" line || die "$1 does not start"
	url=http://${line##* }
}

stop()
{
	kill "$pid" && wait "$pid" || die "$1 does not end well"
	pid=
	exec {from}<&-
}

# load file connections path: wrk writes to that file
load()
{
	wrk -t 1 -c "$2" -d "$HTTPD_SECONDS" --timeout 30 --latency "$url$3" \
		>"$1" 2>&1 || die "wrk failed: see $1"
	! grep -qE 'Socket errors|Non-2xx' "$1" || die "errors: see $1"
}

# reqs side server number
reqs()
{
	start "$2"
	load "$out/$1.reqs.$3" 64 /hello
	stop "$2"
}

# round side server number
round()
{
	start "$2"
	load "$out/$1.reqs.$3" 64 /hello
	load "$out/$1.work.$3" 4 '/work?n=10000000' &
	local work=$!
	load "$out/$1.p99.$3" 64 /hello
	wait $work || die "no work: see $out/$1.work.$3"
	stop "$2"
}

command -v wrk >/dev/null || die "wrk is not installed"
"$GO" -C tests/bench/go build -o "$(realpath -m "$twin")" ./httpd ||
	die "the server in Go does not build"
rm -rf "$out" && mkdir -p "$out" || exit 2
for ((i = 1; i <= COUNT; i++)); do
	echo "  httpd: round $i of $COUNT" >&2
	round gort "$gort" "$i"
	GORTNONPREEMPT=$out/sections reqs profiled "$gort" "$i"
	round go "$twin" "$i"
done

echo
awk '
function side(	part, n)
{
	n = split(FILENAME, part, "[/.]")
	return part[n - 2]
}

function add(row, value)
{
	value_of[row, side(), ++count[row, side()]] = value
}

function us(time)
{
	return time * (time ~ /us$/ ? 1 : time ~ /ms$/ ? 1e3 : 1e6)
}

FILENAME ~ /[.]reqs[.]/ && $1 == "Requests/sec:" {
	add("HttpdReqs", $2)
}

FILENAME ~ /[.]p99[.]/ && $1 == "99%" {
	add("HttpdP99", us($2))
}

function median(row, who,	n, i, j, t, sorted)
{
	n = count[row, who]
	for (i = 1; i <= n; i++) {
		t = value_of[row, who, i]
		for (j = i; j > 1 && sorted[j - 1] > t; j--)
			sorted[j] = sorted[j - 1]
		sorted[j] = t
	}
	if (n % 2)
		return sorted[(n + 1) / 2]
	return (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

# sign: -1 if more is better
function show(row, unit, bar, sign)
{
	show_two(row, unit, bar, sign, median(row, "gort"), median(row, "go"))
}

function show_two(row, unit, bar, sign, g, o)
{
	printf form, row ", " unit, sprintf("%.0f", g), sprintf("%.0f", o),
		sprintf("%.2f", g / o), (sign < 0 ? ">=" : "<=") bar,
		sign * g / o <= sign * bar ? "yes" : "NO"
}

END {
	form = "%-36s %10s %10s %7s %7s %5s\n"
	printf form, "", "gort", "Go", "ratio", "bar", "met"
	show("HttpdReqs", "1/s", 1.1, -1)
	show("HttpdP99", "us", 1.0, 1)
	printf form, "", "profiled", "gort", "ratio", "bar", "met"
	show_two("HttpdNonpreempt", "1/s", 0.99, -1,
		 median("HttpdReqs", "profiled"), median("HttpdReqs", "gort"))
}' "$out"/*
