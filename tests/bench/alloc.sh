#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/bench/alloc.sh - part of "make bench-compare": what memory costs from
# gort, glibc, mimalloc, jemalloc, tcmalloc and Go.
#
#	GO=go O=dir COUNT=n BENCHTIME=0.3s BENCH=REGEX alloc.sh
#
# Medians of COUNT rounds, in each of which all run one after the other, per
# benchmark.  What they printed stays in $O/tests/bench, alloc-gort.txt and so
# on, for benchstat.
#
# gort always checks what it is given to free.  Beside it stand, and count for
# no bar, others that do: LLVM's Scudo; mimalloc built with MI_SECURE=4 from
# Debian's source, as there is no such package; and glibc with MALLOC_CHECK_=3.
#
# The replays are of what Lua and SQLite did, recorded here; see record.c.
set -u -o pipefail

: "${O:?is not set, use make bench-compare}" "${GO:?}" "${COUNT:=5}"
: "${BENCHTIME:=0.3s}" "${BENCH:=.}"
out=$(cd "$O/tests/bench" && pwd) || exit 2

. tests/build/tap.sh
. tests/corpus/corpus.sh

die()
{
	echo "tests/bench/alloc.sh: $*" >&2
	exit 2
}

# loads library: it is there
loads()
{
	[[ ! $(LD_PRELOAD=$1 /bin/true 2>&1) ]]
}

# ---- whom we compare with ----

declare -A lib=(
	[mimalloc]=libmimalloc.so.2.0
	[jemalloc]=libjemalloc.so.2
	[tcmalloc]=libtcmalloc_minimal.so.4
)
declare -A package=(
	[mimalloc]=libmimalloc2.0
	[jemalloc]=libjemalloc2
	[tcmalloc]=libgoogle-perftools4
)
all="gort glibc mimalloc jemalloc tcmalloc go"

find_others()
{
	local who missing=

	for who in "${!lib[@]}"; do
		loads "${lib[$who]}" || missing+=" ${package[$who]}"
	done
	[[ ! $missing ]] ||
		die "not installed:$missing.  As root: apt-get install$missing"
}

# hardened name library: it joins if its library is there
hardened()
{
	if [[ $2 ]] && loads "$2"; then
		lib[$1]=$2
		all+=" $1"
	else
		echo "  without $1: not there" >&2
	fi
}

secure_mimalloc()
{
	local dir=$src/mimalloc.tmp

	if [[ ! -d $src/mimalloc ]]; then
		rm -rf "$dir"
		download "$dir/fetch" "mimalloc=$(dpkg-query -W \
			-f '${source:Version}' libmimalloc2.0)" >&2 &&
			tar xf "$dir"/fetch/mimalloc_*.orig.tar.* -C "$dir" \
				--strip-components=1 &&
			rm -rf "$dir/fetch" && mv "$dir" "$src/mimalloc" || return
	fi
	$HOSTCC -O3 -DNDEBUG -DMI_SECURE=4 -DMI_MALLOC_OVERRIDE \
		-DMI_SHARED_LIB -DMI_SHARED_LIB_EXPORT -fPIC -shared \
		-ftls-model=initial-exec -fvisibility=hidden \
		-fno-builtin-malloc -w -I"$src/mimalloc/include" \
		"$src/mimalloc/src/static.c" -pthread -o "$out/mi-secure.so"
}

find_hardened()
{
	[[ -e $out/mi-secure.so ]] || secure_mimalloc
	hardened scudo "$(printf '%s\n' /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-"$(uname -m)".so |
		sort -V | tail -n 1)"
	hardened mi-secure "$out/mi-secure.so"
	hardened glibc-check libc_malloc_debug.so.0
}

# ---- what they do ----

# newer file source...: it needs not be made again
newer()
{
	local file=$1
	shift
	for f; do
		[[ $file -nt $f ]] || return
	done
}

build_plain()
{
	newer "$out/alloc-plain" tests/bench/alloc.c tests/bench/bench.h \
		tests/bench/record.h ||
		$CC_CMD -std=gnu11 -O2 -g -DPLAIN tests/bench/alloc.c \
			-pthread -o "$out/alloc-plain" ||
		die "alloc.c does not build with -DPLAIN"
	newer "$out/record.so" tests/bench/record.[ch] ||
		$CC_CMD -std=gnu11 -O2 -fno-builtin -fPIC -shared \
			tests/bench/record.c -o "$out/record.so" ||
		die "record.c does not build"
}

build_lua()
{
	$HOSTCC -O2 -std=gnu99 -w -DLUA_USE_POSIX -DPLAIN \
		-DLUAI_MAXCCALLS=20000 -DMAXCCALLS=20000 -I"$src/lua/src" \
		$(printf '%s\n' "$src"/lua/src/l*.c | grep -v '/luac\?.c$') \
		tests/corpus/lua_main.c -lm -pthread -o "$1"
}

build_sqlite()
{
	$HOSTCC -O2 -w -D_GNU_SOURCE -DPLAIN -DSQLITE_THREADSAFE=1 \
		-DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_FTS5 \
		-DSQLITE_ENABLE_RTREE -DSQLITE_MAX_EXPR_DEPTH=20000 \
		-DYYSTACKDEPTH=0 -I"$src/sqlite" "$src/sqlite/sqlite3.c" \
		tests/corpus/sqlite_main.c -lm -pthread -o "$1"
}

# record name argument...: $out/name.rec is there
record()
{
	local name=$1
	shift

	! newer "$out/$name.rec" tests/bench/record.[ch] || return 0
	echo "  recording $name" >&2
	sources "$name" >&2 && "build_$name" "$out/$name" &&
		RECORD_FILE=$out/$name.part LD_PRELOAD=$out/record.so \
		"$out/$name" "$@" >/dev/null &&
		mv "$out/$name.part" "$out/$name.rec"
}

record_all()
{
	record lua 8 tests/corpus/work.lua 10 &&
		record sqlite 2 20 "$tap_tmp" || die "cannot record"
}

names()
{
	sed -n 's|.*"Benchmark\([A-Za-z]*/[0-9]*\)".*|\1|p' tests/bench/alloc.c
	printf 'Replay/%s\n' lua sqlite
}

# run who name
run()
{
	local -a args=("-bench=^Benchmark$2\$" "-benchtime=$BENCHTIME")

	[[ $2 != Replay/* ]] ||
		args=("-replay=${2#*/}:$out/${2#*/}.rec")
	case $1 in
	gort)
		"$out/alloc" "${args[@]}" ;;
	glibc)
		"$out/alloc-plain" "${args[@]}" ;;
	glibc-check)
		MALLOC_CHECK_=3 LD_PRELOAD=${lib[$1]} \
			"$out/alloc-plain" "${args[@]}" ;;
	go)
		[[ $2 != MallocFree/* ]] ||
			"$out/go.test" -test.run='^$' \
				-test.bench="^BenchmarkMallocFree\$/^${2#*/}\$" \
				-test.benchtime="$BENCHTIME" ;;
	*)
		LD_PRELOAD=${lib[$1]} "$out/alloc-plain" "${args[@]}" ;;
	esac
}

wanted=$(names | grep -E -e "$BENCH") || exit 0
find_others
find_hardened
build_plain
[[ $wanted != *Replay/* ]] || record_all

for who in $all; do
	: >"$out/alloc-$who.txt"
done
for ((round = 1; round <= COUNT; round++)); do
	echo "  memory: round $round of $COUNT" >&2
	for name in $wanted; do
		for who in $all; do
			run "$who" "$name" >>"$out/alloc-$who.txt" ||
				die "$who: $name failed"
		done
	done
done

awk -v all="$all" '
# Benchmark<name>-<procs>  N  {value unit}...
FNR == 1 {
	who = FILENAME
	gsub(/.*\/alloc-|\.txt$/, "", who)
}
/^Benchmark/ {
	name = $1
	sub(/^Benchmark/, "", name)
	sub(/-[0-9]+$/, "", name)
	if (!seen[name]++)
		names[++nnames] = name
	for (i = 3; i < NF; i += 2)
		val[who, name, $(i + 1), ++count[who, name, $(i + 1)]] = $i
}

function median(who, name, unit,	n, i, j, t, s)
{
	n = count[who, name, unit]
	for (i = 1; i <= n; i++) {
		t = val[who, name, unit, i]
		for (j = i; j > 1 && s[j - 1] > t; j--)
			s[j] = s[j - 1]
		s[j] = t
	}
	if (!n)
		return ""
	return n % 2 ? s[(n + 1) / 2] : (s[n / 2] + s[n / 2 + 1]) / 2
}

function least(who, name, unit,	min, i)
{
	for (i = 1; i <= count[who, name, unit]; i++)
		if (min == "" || val[who, name, unit, i] + 0 < min + 0)
			min = val[who, name, unit, i]
	return min
}

function show(v, unit)
{
	if (v == "")
		return "-"
	if (unit ~ /-B$/)
		return sprintf("%.2f", v / 1048576)
	return sprintf(v < 10 ? "%.2f" : v < 100 ? "%.1f" : "%.0f", v)
}

# gort over the best of the others that count, by medians or the fastest rounds
function ratio(name, unit, fastest,	w, v, best)
{
	for (w = 2; w <= 6; w++) {
		v = fastest ? least(who_at[w], name, unit) : \
			median(who_at[w], name, unit)
		if (v != "" && (best == "" || v < best))
			best = v
	}
	v = fastest ? least("gort", name, unit) : median("gort", name, unit)
	return best > 0 ? v / best : ""
}

function row(name, unit, label, bar,	w, r, f)
{
	r = ratio(name, unit, 0)
	f = ratio(name, unit, 1)
	printf "%-26s", label
	for (w = 1; w <= 6; w++)
		printf " %8s", show(median(who_at[w], name, unit), unit)
	printf " | %5s %5s %4s %5s |", r == "" ? "" : sprintf("%.2f", r), bar,
		bar == "" || r == "" ? "" : r <= bar ? "yes" : "NO",
		f == "" ? "" : sprintf("%.2f", f)
	for (; w <= nwho; w++)
		printf " %11s", show(median(who_at[w], name, unit), unit)
	print ""
}

END {
	nwho = split(all, who_at)
	printf "\n%-26s", "ns per object or call"
	for (w = 1; w <= 6; w++)
		printf " %8s", who_at[w] == "go" ? "Go" : who_at[w]
	printf " | %5s %5s %4s %5s |", "ratio", "bar", "met", "least"
	for (; w <= nwho; w++)
		printf " %11s", who_at[w]
	print ""
	for (i = 1; i <= nnames; i++) {
		name = names[i]
		row(name, "ns/op", name, name ~ /^MallocFree/ ? 1.2 : \
			name ~ /^RemoteFree/ ? "1.0" : \
			name ~ /^Replay/ ? 1.05 : "")
	}
	for (i = 1; i <= nnames; i++) {
		name = names[i]
		if (name !~ /^Replay/)
			continue
		row(name, "peak-B", name " peak, MiB", 1.05)
		row(name, "RSS/live", name " RSS/live", "")
		row(name, "freed-B", "  when freed, MiB", "")
		row(name, "trimmed-B", "  when trimmed, MiB", "")
	}
	print "\nratio: gort over the best of the five, by medians; least: by the fastest"
	print "rounds.  On the right, for comparison, heaps that check as gort does.  Go"
	print "collects garbage instead.  peak: resident, of the whole process; the other"
	print "three: what came with the calls, see tests/bench/alloc.c."
}' $(for who in $all; do echo "$out/alloc-$who.txt"; done)
