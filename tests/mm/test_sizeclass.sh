#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/mm/test_sizeclass.sh - the table of size classes is the one the heap
# was built with, and the worst waste it names is the worst there is
#
# Environment: O
set -u
. tests/build/tap.sh

tool=$O/tools/mksizeclass
header=$O/generated/sizeclass.h

header_is_current()
{
	"$tool" | diff "$header" -
}

# array name: its numbers but the first, which is class 0's, one per line
array()
{
	awk -v name="class_$1" '
	index($0, " " name "[") { inside = 1; next }
	/^}/ { inside = 0 }
	inside' "$header" | tr -d ' \t' | tr ',' '\n' | grep . | sed 1d
}

table_is_the_headers()
{
	diff <("$tool" -t | awk 'NR > 1 { print $2, $3, $4 }') \
	     <(paste -d' ' <(array size) <(array pages) <(array objs))
}

# From sizes and spans alone.
waste_is_true()
{
	"$tool" -t | awk '
	NR == 1 { next }
	{
		asked = $4 * (prev + 1)
		waste = sprintf("%.2f%%", 100 - 100 * asked / ($3 * 8192))
		if (waste != $7) {
			print $2 " bytes: " waste ", table: " $7
			bad = 1
		}
		if ($2 > 128 && waste + 0 > worst + 0)
			worst = waste
		prev = $2
	}
	END { print worst; exit bad }' >"$tap_tmp/worst"
	local status=$?
	cat "$tap_tmp/worst"
	((status == 0)) && grep -qF "$(tail -1 "$tap_tmp/worst")" "$header"
}

refuses_arguments()
{
	! "$tool" -x && ! "$tool" -t -t
}

full_disk_is_noticed()
{
	! "$tool" >/dev/full
}

plan 5
check 'the header is current' header_is_current
check 'the table shows the classes of the header' table_is_the_headers
check 'the worst waste is as stated' waste_is_true
check 'unknown arguments are refused' refuses_arguments
check 'what cannot be written is an error' full_disk_is_noticed
finish
