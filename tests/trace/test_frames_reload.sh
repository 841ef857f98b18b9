#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_frames_reload.sh - frames of objects that are unloaded, where
# others come
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tool=$O/tests/trace/test_frames

# object name lines: a function of this name, below so many lines
object()
{
	{
		yes '' | head -n "$2"
		echo "int $1(int n); int $1(int n) { return n + $2; }"
	} >"$tap_tmp/$1.c"
	# Where they are loaded if nothing is there.
	$CC_CMD -g -O2 -fPIC -shared -Wl,-Ttext-segment=0x4100000000 \
		"$tap_tmp/$1.c" -o "$tap_tmp/$1.so"
}

builds()
{
	{ test -x "$tool" || make "$tool"; } &&
		object a 10 && object b 20 && object c 30
}

# expect text argument...: what the tool says, besides addresses, of which
# there is one
expect()
{
	local want=$1
	shift
	$EMULATOR "$tool" reload "$@" >"$tap_tmp/out" || return
	diff <(echo "$want" | tr ' ' '\n') <(grep : "$tap_tmp/out" | tr -d ' ') &&
		test "$(grep '^4100' "$tap_tmp/out" | sort -u | wc -l)" -eq 1
}

plan 5
check 'builds' builds
check 'another object in its place' \
	expect 'a.c:11 ??:0 b.c:21 ??:0 a.c:11 ??:0' \
	"a:$tap_tmp/a.so" "b:$tap_tmp/b.so" "a:$tap_tmp/a.so"
cp "$tap_tmp/a.so" "$tap_tmp/x.so"
check 'the same file, with other content' \
	expect 'a.c:11 ??:0 c.c:31 ??:0' \
	"a:$tap_tmp/x.so" "c:$tap_tmp/x.so:$tap_tmp/c.so"
cp "$tap_tmp/a.so" "$tap_tmp/x.so"
true >"$tap_tmp/empty"
check 'a file that was cut after it was unloaded' \
	expect 'a.c:11 ??:0 b.c:21 ??:0 a.c:11 ??:0' \
	"a:$tap_tmp/x.so" "-:$tap_tmp/x.so:$tap_tmp/empty" \
	"b:$tap_tmp/b.so" "a:$tap_tmp/a.so"
cp "$tap_tmp/a.so" "$tap_tmp/x.so"
check 'a file that was removed' \
	expect 'x.so(deleted):0 ??:0' "a:$tap_tmp/x.so:rm"
finish
