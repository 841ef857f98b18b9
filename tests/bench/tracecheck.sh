#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/bench/tracecheck.sh - part of "make bench-compare": how fast traces are
# read, by gort trace check and events, and by go tool trace -d=parsed.
#
#	GO=go O=dir COUNT=n tracecheck.sh
#
# The same two traces for all: of goroutines that send to each other, and that
# write to each other through sockets.  Medians of COUNT rounds; of Go, which
# takes minutes, one.  Time is of the CPU, user and system; memory the highest
# resident set, with what of the file is mapped.
set -u -o pipefail

: "${O:?is not set, use make bench-compare}" "${GO:?}" "${COUNT:=5}"
out=$O/tests/bench
export GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GOWORK=off

die()
{
	echo "tests/bench/tracecheck.sh: $*" >&2
	exit 2
}

# run command...: seconds and bytes
run()
{
	python3 - "$@" <<-'END'
		import os, subprocess, sys
		p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
		_, status, r = os.wait4(p.pid, 0)
		print(r.ru_utime + r.ru_stime, r.ru_maxrss * 1024)
		sys.exit(status != 0)
	END
}

# who file
measure()
{
	case $1 in
	check | events)
		run "$O/gort" trace "$1" "$2" ;;
	go)
		run "$GO" tool trace -d=parsed "$2" ;;
	esac
}

# The first makes the tool, so that the others do not measure the compiler.
for name in MutexUncontended PingPong2P TCPEcho; do
	# Long enough to need more memory than the parent of the command.
	[[ $name = TCPEcho ]] && benchtime=1s || benchtime=0.3s
	file=$out/check-$name.trace
	GORTTRACE=$file "$out/bench" -bench="^Benchmark$name\$" \
		-benchtime=$benchtime >"$out/check.log" || die "$out/bench failed"
	if [[ $name = MutexUncontended ]]; then
		measure go "$file" >>"$out/check.log" || die "go tool trace failed"
		continue
	fi
	size=$(stat -c %s "$file")
	echo "$name $size go $(measure go "$file")" || die "go tool trace failed"
	for ((round = 0; round < COUNT; round++)); do
		for who in check events; do
			echo "$name $size $who $(measure $who "$file")" ||
				die "gort trace $who failed"
		done
	done
	rm "$file"
done >"$out/tracecheck.txt"

awk '
{
	key = $1 " " $2
	if (!seen[key]++)
		order[++n] = key
	c = ++count[key, $3]
	sec[key, $3, c] = $4
	mem[key, $3, c] = $5
}
function median(val, key, who,	c, i, j, t, s)
{
	c = count[key, who]
	for (i = 1; i <= c; i++)
		s[i] = val[key, who, i]
	for (i = 2; i <= c; i++)
		for (j = i; j > 1 && s[j - 1] > s[j]; j--) {
			t = s[j]
			s[j] = s[j - 1]
			s[j - 1] = t
		}
	return c % 2 ? s[(c + 1) / 2] : (s[c / 2] + s[c / 2 + 1]) / 2
}
END {
	printf "\n%-12s %7s  %-8s %8s %8s %8s\n", "trace", "MB", "", "MB/s",
		"to Go", "mem/size"
	split("check events go", who)
	for (k = 1; k <= n; k++) {
		split(order[k], f)
		base = median(sec, order[k], "go")
		for (w = 1; w <= 3; w++) {
			t = median(sec, order[k], who[w])
			printf "%-12s %7.1f  %-8s %8.1f %8.1f %8.2f\n", f[1],
				f[2] / 1e6, who[w], f[2] / 1e6 / t, base / t,
				median(mem, order[k], who[w]) / f[2]
		}
	}
	print "\nBars: check 200 MB/s, 5 times the speed of go, memory 2 times the size."
}' "$out/tracecheck.txt"
