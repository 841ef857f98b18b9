#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/samples/test_wordfreq.sh - wordfreq counts what is there
#
# Its two ways to count, on goroutines and plainly, are compared with each
# other and with grep.
#
# Environment: O, EMULATOR and the rest of the configuration of the build
set -u
. tests/build/tap.sh

export LC_ALL=C
unset GORTMAXPROCS
bin=$O/tests/samples/wordfreq
depth=100000

wordfreq()
{
	timeout 100 $EMULATOR "$bin" "$@"
}

# expected file...: what "wordfreq -q" shall print
expected()
{
	grep -aohE '[A-Za-z0-9_]+' "$@" | grep '^[A-Za-z_]' | cut -b-255 |
		sort | uniq -c | sort -k1,1nr -k2
}

# agrees file...: all three give the same, and that is something
agrees()
{
	wordfreq -q "$@" >"$tap_tmp/out" &&
		wordfreq -p -q "$@" >"$tap_tmp/plain" || return
	expected "$@" >"$tap_tmp/expected"
	test -s "$tap_tmp/expected" &&
		diff "$tap_tmp/plain" "$tap_tmp/out" &&
		diff "$tap_tmp/expected" "$tap_tmp/out"
}

# reports pattern file...: the report on them has a line like this
reports()
{
	local pattern=$1
	shift
	wordfreq -n 0 "$@" >"$tap_tmp/out" || return
	cat "$tap_tmp/out"
	grep -qE -- "$pattern" "$tap_tmp/out"
}

# exits status argument...: what it says is in out and err
exits()
{
	local expected=$1 status
	shift
	wordfreq "$@" >"$tap_tmp/out" 2>"$tap_tmp/err"
	status=$?
	cat "$tap_tmp/out" "$tap_tmp/err"
	echo "exit status $status, expected $expected"
	((status == expected))
}

make_sources()
{
	mkdir "$tap_tmp/sources" &&
		find arch kernel mm tests -name '*.[chS]' \
			-exec cp --parents -t "$tap_tmp/sources" {} + &&
		mapfile -t sources < <(find "$tap_tmp/sources" -type f) &&
		((${#sources[@]} > 10))
}

# All kinds of brackets, a word before and behind each.
make_nested()
{
	awk -v n=$depth 'BEGIN {
		for (i = 0; i < n; i++)
			printf "in%d%s", i % 10, substr("([{", i % 3 + 1, 1)
		printf "middle"
		for (i = n - 1; i >= 0; i--)
			printf "%sout%d", substr(")]}", i % 3 + 1, 1), i % 10
		print ""
	}' >"$1"
}

make_random()
{
	awk 'BEGIN {
		srand(1)
		for (i = 0; i < 300000; i++)
			printf "%c", int(256 * rand())
	}' >"$1" && (($(wc -c <"$1") >= 300000))
}

# Each so long that its reader has to wait for the counters.
make_many()
{
	mkdir "$1" && awk -v dir="$1" 'BEGIN {
		srand(2)
		for (file = 0; file < 500; file++) {
			name = sprintf("%s/%03d", dir, file)
			for (i = 0; i < 2000; i++)
				printf "w%d ", int(5000 * rand()) >name
			close(name)
		}
	}'
}

many_files_few_descriptors()
{
	(ulimit -n 100 && agrees "$tap_tmp"/many/*)
}

empty_file()
{
	: >"$tap_tmp/empty"
	exits 0 -q "$tap_tmp/empty" && test ! -s "$tap_tmp/out" &&
		exits 0 -p -q "$tap_tmp/empty" && test ! -s "$tap_tmp/out" &&
		reports '^words +0, 0 different, in 1 files' "$tap_tmp/empty"
}

no_newline_at_end()
{
	printf 'one two last' >"$tap_tmp/a"
	printf 'last two 3' >"$tap_tmp/b"
	agrees "$tap_tmp/a" && agrees "$tap_tmp/b" "$tap_tmp/a" &&
		printf '      2 %s\n' last two | diff - <(head -n 2 "$tap_tmp/out")
}

long_words()
{
	local word
	word=$(printf '%0300d' 0 | tr 0 x)
	echo "$word ${word::255} ${word::254} 9$word" >"$tap_tmp/long"
	agrees "$tap_tmp/long" && (($(wc -l <"$tap_tmp/out") == 2))
}

# Brackets in comments and strings are none.
brackets()
{
	cat >"$tap_tmp/brackets" <<-'EOF2'
	f(a[1]) /* ((( * /* */ "[[[ \" {" '{' // (((
	/**/ { ) "no end (
	( \ / 'x' )
	EOF2
	reports '^brackets +nested 2 deep, 1 unmatched' "$tap_tmp/brackets" &&
		agrees "$tap_tmp/brackets"
}

unbalanced()
{
	printf '([{a' >"$tap_tmp/opening"
	printf '}b])c' >"$tap_tmp/closing"
	agrees "$tap_tmp/opening" "$tap_tmp/closing" &&
		reports '^brackets +nested 3 deep, 6 unmatched' \
			"$tap_tmp/opening" "$tap_tmp/closing"
}

ordered()
{
	echo 'b a c a B c _ 7 0x1f a_b' >"$tap_tmp/ties"
	wordfreq -n 5 "$tap_tmp/ties" | head -n 6 >"$tap_tmp/out"
	printf '      %s\n' '2 a' '2 c' '1 B' '1 _' '1 a_b' |
		sed '$a\\' | diff - "$tap_tmp/out"
}

twenty_by_default()
{
	wordfreq "${sources[@]}" | sed '/^$/,$d' >"$tap_tmp/out"
	expected "${sources[@]}" | head -n 20 | diff - "$tap_tmp/out"
}

# unreadable message file option...: said, and the other file is counted
unreadable()
{
	local message=$1 file=$2
	shift 2
	echo 'there there' >"$tap_tmp/there"
	exits 1 "$@" -q "$file" "$tap_tmp/there" "$file" &&
		echo '      2 there' | diff - "$tap_tmp/out" &&
		printf 'wordfreq: %s\n' "$file: $message" "$file: $message" |
		diff - "$tap_tmp/err"
}

wrong_usage()
{
	exits 2 && exits 2 -x && exits 2 -n -1 "$bin" && exits 2 -n x "$bin" &&
		exits 2 -n 99999999999999999999 "$bin"
}

shows_help()
{
	exits 0 --help && grep -q '^Usage: wordfreq' "$tap_tmp/out"
}

# write_error option...
write_error()
{
	wordfreq "$@" "${sources[0]}" >/dev/full 2>"$tap_tmp/err"
	local status=$?
	cat "$tap_tmp/err"
	((status == 1)) && grep -q 'No space left' "$tap_tmp/err"
}

plan 31
check 'it is built' make "$bin"
check 'copies of the sources' make_sources
check 'a file with nested brackets' make_nested "$tap_tmp/nested"
check 'a file of random bytes' make_random "$tap_tmp/random"
check '500 files' make_many "$tap_tmp/many"

for procs in 1 4; do
	export GORTMAXPROCS=$procs
	on="GORTMAXPROCS=$procs"
	check "$on: that many run" reports "^threads .*, $procs at a time" \
		"$tap_tmp/random"
	check "$on: the sources" agrees "${sources[@]}"
	check "$on: nested brackets" agrees "$tap_tmp/nested"
	check "$on: random bytes" agrees "$tap_tmp/random"
	check "$on: 500 files, 100 descriptors" many_files_few_descriptors
	unset GORTMAXPROCS
done

check 'the depth is seen' reports "^brackets +nested $depth deep, 0 unmatched" \
	"$tap_tmp/nested"
check 'the stack grew for it' \
	reports '^stack growth +[1-9][0-9]* in place, [1-9][0-9]* by switching' \
	"$tap_tmp/nested"
check 'an empty file' empty_file
check 'no newline at the end' no_newline_at_end
check 'long words' long_words
check 'what is a bracket' brackets
check 'unbalanced brackets' unbalanced
check 'order of the words' ordered
check '20 words by default' twenty_by_default
missing='No such file or directory'
check 'a missing file' unreadable "$missing" "$tap_tmp/missing"
check 'a missing file, plainly' unreadable "$missing" "$tap_tmp/missing" -p
check 'a directory' unreadable 'Is a directory' "$tap_tmp"
check 'a directory, plainly' unreadable 'Is a directory' "$tap_tmp" -p
check 'wrong usage' wrong_usage
check '--help' shows_help
check 'a full disk' write_error
finish
