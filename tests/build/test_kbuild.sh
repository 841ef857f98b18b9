#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/build/test_kbuild.sh - what is rebuilt when, and what is refused
#
# Works on a copy of the build files with sources of its own.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tree=$tap_tmp/tree
unset O
obj=build/o/kernel/one.o

# A tree whose tool for the stack check passes on what it gets.
make_tree()
{
	mkdir -p "$tree"/{kernel,mm,tests,arch/{stacksplit,x86_64,arm64}} || return
	cp Makefile Kbuild "$tree" &&
		cp arch/gort.specs arch/gort.lds "$tree/arch" &&
		cp kernel/gort.pc.in "$tree/kernel" || return
	cd "$tree" || return
	touch mm/Kbuild tests/Kbuild arch/x86_64/Kbuild arch/arm64/Kbuild
	cat >arch/Kbuild <<-'EOT'
	obj-y += $(ARCH)/ stacksplit/
	hostprogs-y += stacksplit
	EOT
	echo 'stacksplit-srcs := arch/stacksplit/as.c' >arch/stacksplit/Kbuild
	cat >arch/stacksplit/as.c <<-EOT
	#include <unistd.h>
	int main(int argc, char **argv)
	{
		(void)argc;
		return execvp(argv[0] = "${CROSS_COMPILE}as", argv);
	}
	EOT
	cat >kernel/Kbuild <<-'EOT'
	obj-y += one.o two.o asm.o
	CFLAGS_one.o := -DONE=1
	CFLAGS_REMOVE_two.o := $(SPLIT_CFLAGS)
	EOT
	printf '#include "one.h"\nint one = ONE + HEADER;\n' >kernel/one.c
	echo '#define HEADER 1' >kernel/one.h
	printf '#ifdef ONE\n#error not mine\n#endif\nint two;\n' >kernel/two.c
	echo '.globl three; three: .byte 0' >kernel/asm.S
}

# out: what make says when asked for the object
out()
{
	make O=build/o "$@" $obj 2>&1
}

builds()
{
	out "$@" | tee /dev/stderr | grep -q 'CC      kernel/one.o'
}

idle()
{
	[[ ! $(out "$@" | tee /dev/stderr) ]]
}

flags_rebuild()
{
	builds EXTRA_CFLAGS=-DX && idle EXTRA_CFLAGS=-DX && builds && idle
}

source_rebuilds()
{
	sleep 0.01
	touch kernel/one.c && builds && idle
}

header_rebuilds()
{
	sleep 0.01
	touch kernel/one.h && builds && idle
}

header_may_go()
{
	printf 'int one = ONE;\n' >kernel/one.c && rm kernel/one.h &&
		builds && idle
}

source_may_move()
{
	echo '.globl one; one: .byte 0' >kernel/one.S && rm kernel/one.c &&
		out | tee /dev/stderr | grep -q 'AS      kernel/one.o' && idle &&
		rm kernel/one.S && echo 'int one = ONE;' >kernel/one.c && builds
}

tool_rebuilds()
{
	echo '/* changed */' >>arch/stacksplit/as.c && builds && idle
}

half_object_rebuilds()
{
	: >$obj && rm $obj.cmd && builds && test -s $obj && idle
}

error_leaves_nothing()
{
	! make O=build/o EXTRA_CFLAGS=-DONE=+ $obj || return
	test ! -e $obj && test ! -e $obj.cmd && builds
}

all_builds()
{
	make -j4 O=build/o && test -f build/o/libgort.a &&
		[[ ! $(make O=build/o | tee /dev/stderr) ]]
}

archive_is_reproducible()
{
	make O=build/o && cp build/o/libgort.a "$tap_tmp/first.a" &&
		rm -r build/o && make O=build/o &&
		cmp build/o/libgort.a "$tap_tmp/first.a"
}

# split object: its command goes through the tool
split()
{
	grep -q "^savedcmd.* -Bbuild/o/tools/gort-as" "build/o/$1.cmd"
}

objects_opt_out()
{
	split kernel/one.o && ! split kernel/two.o && ! split kernel/asm.o
}

# refuses message variable=value
refuses()
{
	local message=$1
	shift
	make "$@" >"$tap_tmp/out" 2>&1 && return 1
	cat "$tap_tmp/out"
	grep -qF -- "$message" "$tap_tmp/out"
}

# Each configuration has a directory of its own.
directories_differ()
{
	local -a dirs
	local v

	mapfile -t dirs < <(for v in ARCH=x86_64 ARCH=arm64 DEBUG=1 DEBUG=2 \
		SANITIZE=thread SANITIZE=address SANITIZE=address,undefined \
		'CC=clang' 'CC=clang DEBUG=1'; do
		make help CC=gcc ARCH=x86_64 DEBUG= SANITIZE= $v |
			awk '$1 ~ /^O=/ { print $1 }'
	done)
	printf '%s\n' "${dirs[@]}"
	((${#dirs[@]} == 9)) &&
		(($(printf '%s\n' "${dirs[@]}" | sort -u | wc -l) == 9))
}

help_is_complete()
{
	local word
	make help >"$tap_tmp/help" || return
	for word in $(sed -n '/^PHONY += /,/[^\\]$/p' Makefile |
		tr -s ' \t\\' '\n' | grep -vxE 'PHONY|\+=|\$\(goal-objs\)|check-run|') \
		$(sed -n 's/^\([A-Z_]*\)[ \t]*?=.*/\1/p' Makefile); do
		grep -qE "^  ([A-Z]+ )*$word( |=|$)" "$tap_tmp/help" ||
			{ echo "make help does not say $word"; return 1; }
	done
}

# Sub-makes get the configuration of the build through the environment.
unset DEBUG SANITIZE EXTRA_CFLAGS WERROR

plan 20
check 'a tree to work on' make_tree
cd "$tree" || exit 1
check 'builds an object' builds
check 'does nothing the second time' idle
check 'changed flags rebuild' flags_rebuild
check 'a changed source rebuilds' source_rebuilds
check 'a changed header rebuilds' header_rebuilds
check 'a header may go' header_may_go
check 'a source may become assembly, and C again' source_may_move
check 'a changed tool rebuilds' tool_rebuilds
check 'a half made object is made again' half_object_rebuilds
check 'a failed compilation leaves nothing' error_leaves_nothing
check 'make -j4 builds it all, once' all_builds
check 'the archive is reproducible' archive_is_reproducible
check 'objects opt out of the stack check' objects_opt_out
check 'unknown ARCH' refuses 'ARCH=vax is unknown' ARCH=vax
check 'unknown SANITIZE' refuses '"bogus" is unknown' SANITIZE=address,bogus
check 'contradicting SANITIZE' refuses 'exclude each other' SANITIZE=thread,address
check 'unknown DEBUG' refuses 'DEBUG=3 is unknown' DEBUG=3
check 'configurations do not share a directory' directories_differ
check 'make help lists every target and variable' help_is_complete
finish
