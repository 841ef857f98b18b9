#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/kernel/test_lockorder.sh - the picture of the lock order shows the
# table, and bad tables are refused.
set -u
. tests/build/tap.sh

table=kernel/lockrank.tbl

from_table()
{
	awk -v picture="$1" -f kernel/lockrank.awk "$2"
}

all_locks()
{
	diff <(awk '/^[A-Z]/ { print $1 }' $table) \
	     <(from_table 1 $table | awk '$2 ~ /^\[style/ { print $1 }')
}

all_edges()
{
	diff <(awk '/^[A-Z]/ && $3 != "-" { n = split($3, w, ",")
			for (i = 1; i <= n; i++) print w[i], $1 }' $table) \
	     <(from_table 1 $table |
	       sed -n 's/^\t\([A-Za-z_]*\) -> \([A-Z_]*\);$/\1 \2/p')
}

# refused table message
refused()
{
	printf "$1" >"$tap_tmp/tbl"
	! from_table 0 "$tap_tmp/tbl" >"$tap_tmp/out" 2>&1 &&
		cat "$tap_tmp/out" && grep -q "$2" "$tap_tmp/out"
}

plan 6
check 'every lock is in the picture, in order' all_locks
check 'and so is what may be taken inside what' all_edges
check 'a column is missing' refused 'A any\n' 'want three columns'
check 'no such stack' refused 'A stack -\n' 'g0 or any'
check 'inside a lock further down' refused 'A any B\nB any -\n' \
	'B does not stand above A'
check 'inside itself' refused 'A any A\n' 'A does not stand above A'
finish
