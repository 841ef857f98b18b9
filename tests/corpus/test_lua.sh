#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/corpus/test_lua.sh - Lua in goroutines
#
# Recursion on the C stack, errors by longjmp, and ordinary work, compared with
# a plain build.  The limit of Lua's C stack is raised, so that it is megabytes.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh
. tests/corpus/corpus.sh

flags="-O2 -std=gnu99 -w -ffp-contract=off -DLUA_USE_POSIX -DLUAI_MAXCCALLS=20000
	-DMAXCCALLS=20000 -I$src/lua/src"

# run jobs script size in modes of arch: "mode jobs script size"
native=(
	'native 1 deep 0'
	'native 1 errors 2000'
	'native 1 work 10'
	'native 6 work 3'
	'native 6 errors 300'
	'native 6 deep 2000'
	'move 1 deep 500'
	'move 1 errors 60'
	'move 4 work 1'
	'preempt 1 deep 500'
	'preempt 1 errors 60'
	'preempt 4 work 1'
	'preempt 4 errors 20'
)
emulated=(
	'native 1 deep 5000'
	'native 1 errors 200'
	'native 4 work 1'
	'move 1 deep 100'
	'move 1 errors 5'
	'move 1 work 1'
	'preempt 1 deep 100'
	'preempt 1 errors 5'
	'preempt 2 work 1'
)

# build variant compiler assembler flag...
build()
{
	local variant=$1 cc=$2 as=$3 f out
	shift 3

	made=()
	for f in "$src"/lua/src/l*.c tests/corpus/lua_main.c; do
		case $f in
		*/lua.c|*/luac.c)	continue ;;
		esac
		out=${f##*/}
		object "$objects/$variant/lua/${out%.c}.o" "$f" "$as" $cc $flags "$@" \
			${EXTRA_CFLAGS-} -c "$f" -o "$objects/$variant/lua/${out%.c}.o"
	done
	# This one jumps by __longjmp_chk.
	object "$objects/$variant/lua/chk/ldo.o" "$src/lua/src/ldo.c" "$as" $cc $flags \
		"$@" -D_FORTIFY_SOURCE=2 ${EXTRA_CFLAGS-} -c "$src/lua/src/ldo.c" \
		-o "$objects/$variant/lua/chk/ldo.o"
	eval "objects_$variant=(\"\${made[@]}\")"
}

# link_lua arch
link_lua()
{
	local dir=$objects/$1/lua o=()

	made "${outs[@]}" || return
	for f in "${outs[@]}"; do
		[[ $f = */ldo.o ]] || o+=("$f")
	done
	$(cc_for "$1") "${o[@]}" "$dir/ldo.o" $libs -lm -o "$dir/lua" &&
		$(cc_for "$1") "${o[@]}" "$dir/chk/ldo.o" $libs -lm -o "$dir/lua-chk"
}

# runs arch mode jobs script size [program]
runs()
{
	local script=$4 name=$3-$4-$5
	[[ -f $tap_tmp/$name.plain ]] ||
		reference "$name" "$objects/plain/lua/lua" "$3" "tests/corpus/$script.lua" "$5" &&
		with "$2" same "$name" $(emulator_for "$1") "$objects/$1/lua/${6-lua}" \
			"$3" "tests/corpus/$script.lua" "$5"
}

n=3
for arch in "${arches[@]}"; do
	[[ $arch = "$ARCH" && ! $EMULATOR ]] && n=$((n + ${#native[@]} + 6)) ||
		n=$((n + ${#emulated[@]} + 5))
done
plan $n

check 'the sources of lua5.4' sources lua
if ((tap_failed)); then
	finish
fi

machine=${arches[0]}
[[ ! $EMULATOR ]] || machine=host
host_cc=$HOSTCC
[[ $machine = host ]] || host_cc=$CC_CMD
build plain "$host_cc" '' -DPLAIN
ready=()
for arch in "${arches[@]}"; do
	missing_for "$arch" >/dev/null && continue
	library "$arch" >"$tap_tmp/$arch.log" 2>&1 || continue
	ready+=("$arch")
	build "$arch" "$(cc_for "$arch")" "$(assembler "$arch")" \
		$(gort cflags "$arch") -fstack-usage -save-temps=obj
done
compile
outs=("${objects_plain[@]}") libs=-pthread
check 'plain: compiles' made "${objects_plain[@]}"
ARCH_PLAIN=plain
cc_plain=$host_cc
link_plain()
{
	local o=()
	for f in "${objects_plain[@]}"; do
		[[ $f = */chk/* ]] || o+=("$f")
	done
	$cc_plain "${o[@]}" -pthread -lm -o "$objects/plain/lua/lua"
}
check 'plain: links' link_plain
