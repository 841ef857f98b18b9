#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/corpus/test_lua.sh - Lua in goroutines
#
# Recursion on the C stack, errors by longjmp, and ordinary work.  The limit
# Lua has for C calls is raised, so that they need megabytes of stack.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh
. tests/corpus/corpus.sh

build()
{
	local flags="-O2 -std=gnu99 -w -ffp-contract=off -DLUA_USE_POSIX
		-DLUAI_MAXCCALLS=20000 -DMAXCCALLS=20000 -I$src/lua/src" f name
	# A FILE that is locked belongs to the thread: not across stack checks,
	# which may yield.
	flags+=" -Dl_getc(f)=getc(f) -Dl_lockfile(f)= -Dl_unlockfile(f)="

	for f in "$src"/lua/src/l*.c tests/corpus/lua_main.c; do
		name=${f##*/}
		case $name in
		lua.c|luac.c)	;;
		*)		object "$1" "${name%.c}" "$f" $flags ;;
		esac
	done
	# This one jumps by __longjmp_chk.
	object "$1" chk/ldo "$src/lua/src/ldo.c" $flags -D_FORTIFY_SOURCE=2
}

# $1 variant: lua, and lua-chk with the other ldo.o
link_all()
{
	local o jump= chk= rest=()

	for o in ${outs[$1]}; do
		case $o in
		*/chk/ldo.o)	chk=$o ;;
		*/ldo.o)	jump=$o ;;
		*)		rest+=("$o") ;;
		esac
	done
	link "$1" lua "${rest[@]}" "$jump" && link "$1" lua-chk "${rest[@]}" "$chk"
}

# Arguments: jobs, script, size of the work
runs()
{
	if [[ $1 = native ]]; then
		cat <<-EOT
		native,16384 lua	1 tests/corpus/deep.lua 0
		native,1024 lua	1 tests/corpus/errors.lua 2000
		native,1024 lua-chk	1 tests/corpus/errors.lua 500
		native lua	1 tests/corpus/work.lua 10
		native lua	6 tests/corpus/deep.lua 2000
		native lua	6 tests/corpus/errors.lua 300
		native lua	6 tests/corpus/work.lua 3
		move lua	1 tests/corpus/deep.lua 500
		move lua	1 tests/corpus/errors.lua 60
		move lua-chk	1 tests/corpus/errors.lua 20
		move lua	4 tests/corpus/work.lua 1
		preempt lua	1 tests/corpus/deep.lua 500
		preempt lua	1 tests/corpus/errors.lua 60
		preempt lua	4 tests/corpus/errors.lua 20
		preempt lua	4 tests/corpus/work.lua 1
		EOT
	else
		cat <<-EOT
		native,4096 lua	1 tests/corpus/deep.lua 5000
		native lua	1 tests/corpus/errors.lua 200
		native lua-chk	1 tests/corpus/errors.lua 100
		native lua	4 tests/corpus/work.lua 1
		move lua	1 tests/corpus/deep.lua 100
		move lua	1 tests/corpus/errors.lua 5
		move lua	1 tests/corpus/work.lua 1
		preempt lua	1 tests/corpus/deep.lua 100
		preempt lua	1 tests/corpus/errors.lua 5
		preempt lua	2 tests/corpus/work.lua 1
		EOT
	fi
}

corpus lua
