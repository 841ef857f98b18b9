#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/build/test_symbols.sh - what the library shows to a linker
#
# Environment: O, NM, AR
set -u
. tests/build/tap.sh

defined()
{
	"$NM" -g --defined-only -P "$1" | awk 'NF > 1 { print $1 }' | sort -u
}

undefined()
{
	"$NM" -u -P "$1" | awk 'NF > 1 { print $1 }' | sort -u
}

# nothing: succeed if there is no input, else show it
nothing()
{
	! grep .
}

only_public_names()
{
	defined "$O/libgort.a" | grep -Ev '^(gort_|__morestack|__wrap_)' | nothing
}

some_public_names()
{
	defined "$O/libgort.a" | grep -q '^gort_'
}

different_members()
{
	"$AR" t "$O/libgort.a" | sort | uniq -d | nothing
}

# A program that never jumps must link without --wrap.
main_member_wraps_nothing()
{
	{ undefined "$O/gort.o" | grep '^__real_'
	  defined "$O/gort.o" | grep '^__wrap_'; } | nothing
}

# What was made local is out of reach for the other members.
members_use_public_names()
{
	local hidden=$tap_tmp/hidden

	comm -23 <(defined "$O/gort-test.o") <(defined "$O/gort.o") >"$hidden"
	mkdir "$tap_tmp/members" &&
		(cd "$tap_tmp/members" && "$AR" x "$lib") || return
	rm "$tap_tmp/members/gort.o"
	for o in "$tap_tmp"/members/*.o; do
		test -f "$o" && undefined "$o" | comm -12 - "$hidden"
	done | nothing
}

no_executable_stack()
{
	"$NM" -a "$O/gort.o" >/dev/null && ! readelf -SW "$O/gort.o" |
		grep 'note.GNU-stack.* X '
}

# kernel/errno.h.  The reader of traces, which is built without the runtime
# for the fuzzer, calls nothing but the library between two uses; the command
# has no goroutines.
errno_is_looked_up_anew()
{
	find "$O/kernel" "$O/mm" "$O/trace" -name '*.o' |
		grep -v -e '/kernel/errno\.o$' -e '/trace/reader/' -e '/trace/cmd/' |
		while read -r o; do
			undefined "$o" | sed -n "s|^__errno_location$|$o: &|p"
		done | nothing
}

lib=$(realpath "$O/libgort.a")

plan 7
check 'only public names are global' only_public_names
check 'there are public names' some_public_names
check 'archive members have different names' different_members
check 'the main member wraps nothing' main_member_wraps_nothing
check 'the other members use its public names only' members_use_public_names
check 'no executable stack is asked for' no_executable_stack
check 'the address of errno is not kept' errno_is_looked_up_anew
finish
