#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/corpus/test_sqlite.sh - SQLite in goroutines
#
# Deep expressions, statements that run statements, sorts, and databases in
# memory and on disk.  Limits of depth are raised.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh
. tests/corpus/corpus.sh

build()
{
	local flags="-O2 -w -ffp-contract=off -D_GNU_SOURCE -DSQLITE_THREADSAFE=1
		-DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_ENABLE_FTS5
		-DSQLITE_ENABLE_RTREE -DSQLITE_MAX_EXPR_DEPTH=20000
		-DYYSTACKDEPTH=0 -I$src/sqlite"

	object "$1" sqlite3 "$src/sqlite/sqlite3.c" $flags
	object "$1" sqlite_main tests/corpus/sqlite_main.c $flags
}

link_all()
{
	link "$1" sqlite ${outs[$1]}
}

# Arguments: jobs, size of the work, directory of databases
runs()
{
	if [[ $1 = native ]]; then
		cat <<-EOT
		native,8192 sqlite	1 100 $tap_tmp
		native sqlite	4 5 $tap_tmp
		move sqlite	1 1 $tap_tmp
		move sqlite	2 1 $tap_tmp
		preempt sqlite	1 1 $tap_tmp
		preempt sqlite	4 1 $tap_tmp
		EOT
	else
		cat <<-EOT
		native sqlite	1 10 $tap_tmp
		native sqlite	3 1 $tap_tmp
		move sqlite	1 1 $tap_tmp
		preempt sqlite	1 1 $tap_tmp
		EOT
	fi
}

corpus sqlite
