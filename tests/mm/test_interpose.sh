#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/mm/test_interpose.sh - other people's programs on libgort-malloc.so
#
# Each runs without it, with it, and with it and heappoison=1, and must print
# the same.  interpose_witness.c tells that the heap was ours.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

lib=$(realpath "$O")/libgort-malloc.so
here=$PWD/tests/mm
work=$tap_tmp/work
preload="$lib $work/witness.so"
mkdir "$work"

family='aligned_alloc calloc cfree free free_aligned_sized free_sized mallinfo
	mallinfo2 malloc malloc_trim malloc_usable_size memalign posix_memalign
	pvalloc realloc reallocarray valloc'

only_the_family()
{
	diff <(printf '%s\n' $family) \
	     <("$NM" -D --defined-only "$lib" | awk '{ print $3 }' | sort)
}

# Loaded before the program, so the place of its thread-local data is fixed.
no_lazy_thread_locals()
{
	! readelf -rW "$lib" | grep -E 'DTPMOD|TLSDESC'
}

build_programs()
{
	$CC_CMD -O2 -g -Wall -Itests -pthread -o "$work/interpose" \
		"$here/interpose.c" -ldl &&
		$CC_CMD -O2 -fPIC -shared -o "$work/witness.so" \
			"$here/interpose_witness.c"
}

# on_heap setting command...: run it on our heap
on_heap()
{
	local setting=$1
	shift
	if [[ $EMULATOR ]]; then
		timeout 100 $EMULATOR -E "LD_PRELOAD=$preload" \
			-E "GORTDEBUG=$setting" "$@"
	else
		LD_PRELOAD=$preload GORTDEBUG=$setting timeout 100 "$@"
	fi
}

# Reads standard input, fails if a line is not "program gort bytes", or if a
# program named is not among them with a mebibyte at least.
witnessed()
{
	awk -v names="$*" '
	$2 != "gort" { print "not on our heap: " $0; bad = 1 }
	$3 >= 1048576 { seen[$1] = 1 }
	{ print }
	END {
		n = split(names, name, " ")
		for (i = 1; i <= n; i++)
			if (!(name[i] in seen)) {
				print name[i] " did not use it"
				bad = 1
			}
		exit bad
	}'
}

# family setting name: a part of interpose.c succeeds
family()
{
	on_heap "$1" "$work/interpose" "$2"
}

# dies setting part message: interpose.c ends with that message of the heap's
dies()
{
	local status

	on_heap "$1" "$work/interpose" "$2" 2>"$work/err"
	status=$?
	cat "$work/err"
	((status == 2)) && grep -q "^fatal error: $3 0x" "$work/err"
}

in_new_directory()
{
	rm -rf "$work/dir"
	mkdir "$work/dir" && (cd "$work/dir" && "$@")
}

# same program setting command...: prints what it prints without our heap.
# The command runs in an empty directory.
same()
{
	local program=$1 setting=$2
	shift 2

	if [[ ! -f $work/$program.plain ]]; then
		in_new_directory timeout 100 "$@" >"$work/out" || return
		mv "$work/out" "$work/$program.plain"
	fi
	rm -f "$work/seen"
	WITNESS=$work/seen in_new_directory on_heap "$setting" "$@" \
		>"$work/$program.ours" || return
	diff "$work/$program.plain" "$work/$program.ours" &&
		test -s "$work/$program.ours"
}

# Ends without freeing anything, so that the witness sees its memory.
sqlite_session()
{
	sqlite3 -batch test.db ".read $1"
	test $? = 7
}

try_sqlite()
{
	same sqlite "$1" bash -c "$(declare -f sqlite_session)
		sqlite_session '$work/work.sql'" &&
		witnessed sqlite3 <"$work/seen"
}

sqlite_statements()
{
	cat <<-'EOT'
	CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT, n INTEGER, data BLOB);
	BEGIN;
	EOT
	awk 'BEGIN { for (i = 1; i <= 100000; i++)
		printf "INSERT INTO t VALUES(%d, \"w%d\", %d, zeroblob(%d));\n",
			i, i * 7919 % 10007, i * 31 % 1009, i % 300 }'
	cat <<-'EOT'
	COMMIT;
	CREATE INDEX t_word ON t(word, n);
	SELECT count(*), sum(n), sum(length(data)) FROM t;
	SELECT word, count(*), group_concat(n) FROM t GROUP BY word
		ORDER BY 2 DESC, 1 LIMIT 50;
	DELETE FROM t WHERE id % 3 = 0;
	SELECT a.word, count(*) FROM t a JOIN t b ON a.word = b.word
		GROUP BY 1 ORDER BY 1 LIMIT 20;
	VACUUM;
	PRAGMA integrity_check;
	.exit 7
	EOT
}

try_python()
{
	PYTHONMALLOC=malloc same python "$1" python3 "$here/interpose.py" &&
		witnessed "$(basename "$(readlink -f "$(command -v python3)")")" \
			<"$work/seen"
}

try_gcc()
{
	same gcc "$1" gcc -O2 -g -S -o - "-I$PWD/tests" "$here/interpose.c" &&
		witnessed cc1 <"$work/seen"
}

# Compiled, linked and run, all on our heap.
cxx_program()
{
	g++ -std=c++17 -O1 -pthread -o interpose "$here/interpose.cc" &&
		./interpose && objdump -d interpose | md5sum
}

try_gxx()
{
	same cxx "$1" bash -c "here=$here; $(declare -f cxx_program); cxx_program" &&
		witnessed cc1plus interpose <"$work/seen"
}

git_repository()
{
	export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 LC_ALL=C \
		GIT_AUTHOR_DATE=2024-01-01T00:00:00Z \
		GIT_COMMITTER_DATE=2024-01-01T00:00:00Z
	git init -q -b main . && git config user.name n &&
		git config user.email e && git config pack.threads 2 || return
	for i in 1 2 3 4 5; do
		seq $((i * 1000)) $((i * 9000)) >"file$i"
		seq $i 3 20000 >all
		git add . && git commit -qm "commit $i" || return
	done
	git repack -adfq && git fsck --strict && git log --stat -p | md5sum &&
		git cat-file --batch-all-objects --batch-check
}

try_git()
{
	same git "$1" bash -c "$(declare -f git_repository); git_repository" &&
		witnessed git <"$work/seen"
}

# redis_session: start the server in this directory, load it, let it save in
# a child, start it again on what it saved; print the data
redis_session()
{
	local cli="redis-cli -s $PWD/sock" run

	# The server's package would start it as a service; its program is
	# this one, too, by another name.
	ln -s "$(command -v redis-check-rdb)" redis-server
	trap 'kill $! 2>/dev/null' EXIT
	for run in 1 2; do
		./redis-server --port 0 --unixsocket "$PWD/sock" --save '' \
			--dbfilename x.rdb --enable-debug-command local \
			--rdbcompression yes >"log$run" &
		until $cli ping >/dev/null 2>&1; do
			kill -0 $! || { cat "log$run" >&2; return 1; }
		done
		if ((run == 1)); then
			redis-benchmark -s "$PWD/sock" -q -n 4000 -c 20 -P 4 -d 100 \
				-r 2000 -t set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,mset \
				>bench || return
			$cli flushall >/dev/null
			redis_commands | $cli >/dev/null
			$cli bgsave >/dev/null
			until $cli info persistence | grep -q 'bgsave_in_progress:0'; do
				:
			done
			$cli info persistence | grep 'last_bgsave_status' | tr -d '\r'
			$cli debug reload
		fi
		$cli dbsize
		$cli debug digest
		$cli lrange list 0 20
		$cli eval 'local t = {} for i = 1, 10000 do t[i] = i .. "x" end return #table.concat(t)' 0
		$cli shutdown nosave
		wait $! || return
	done
	test "$(wc -l <bench)" -ge 10
}

redis_commands()
{
	awk 'BEGIN { for (i = 0; i < 5000; i++) {
		printf "SET k%d %0*d\nRPUSH list %d\nSADD set m%d\n", i, i % 500 + 1, i, i, i
		printf "ZADD z %d m%d\nHSET h f%d v%d\nAPPEND k%d tail\n", i, i, i, i, i / 2
	} }'
}

try_redis()
{
	same redis "$1" bash -c "$(declare -f redis_session redis_commands)
		redis_session" && witnessed redis-server <"$work/seen"
}

# A program with a runtime of its own, whose goroutines allocate here.
goroutines()
{
	local debug

	make "$O/tests/samples/wordfreq" || return
	for debug in '' maymorestack=move maymorestack=preempt; do
		WITNESS=$work/seen on_heap "$debug" \
			"$O/tests/samples/wordfreq" kernel/*.c >"$work/out" ||
			return
		witnessed <"$work/seen" || return
	done
}

settings=('' heappoison=1)
parts=(family give_back threads many_threads forks late)

# with program text function...: run for each setting, or skip for all
with()
{
	local program=$1 text=$2 setting
	shift 2
	for setting in "${settings[@]}"; do
		if command -v "$program" >/dev/null; then
			check "$text${setting:+, $setting}" "$@" "$setting"
		else
			skip "$text${setting:+, $setting}" "$program"
		fi
	done
}

programs=6
[[ $EMULATOR ]] && programs=0
plan $((3 + ${#settings[@]} * (${#parts[@]} + programs) + 5 +
	(programs ? 1 : 0)))
check 'only the malloc family is exported' only_the_family
check 'thread-local data is found without help' no_lazy_thread_locals
check 'C programs build' build_programs
for part in "${parts[@]}"; do
	for setting in "${settings[@]}"; do
		check "C: $part${setting:+, $setting}" family "$setting" "$part"
	done
done
check 'a double free is fatal' dies '' double_free 'double free of'
check 'a double free of a large object is fatal' dies '' double_free_large \
	'free of wild pointer'
check 'a free inside of an object is fatal' dies '' interior_free \
	'free of interior pointer'
check 'a free of anything else is fatal' dies '' wild_free \
	'free of wild pointer'
check 'a write after free is fatal, heappoison=1' dies heappoison=1 \
	write_after_free 'write after free of'
if ((programs)); then
	sqlite_statements >"$work/work.sql"
	with sqlite3 'sqlite3: 100,000 rows' try_sqlite
	with python3 'python3: threads, processes, json' try_python
	with gcc 'gcc compiles C' try_gcc
	with g++ 'g++ compiles C++, which runs' try_gxx
	with git 'git packs and checks' try_git
	with redis-check-rdb 'redis-server: redis-benchmark, BGSAVE' try_redis
	check 'a program with goroutines' goroutines
fi
finish
