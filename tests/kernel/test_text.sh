#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/kernel/test_text.sh - the runtime finds the code that may be preempted
# anywhere, however it was linked
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

flags="-O2 -Ikernel/include -Imm/include -Itrace/include -B$O/tools/gort-as -specs=$O/gort.specs
	-fno-integrated-as -Wno-unused-command-line-argument
	-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer
	-fno-stack-clash-protection"
libs="$O/libgort.a -pthread -Wl,-z,now -Wl,--wrap=longjmp -Wl,--wrap=_longjmp
	-Wl,--wrap=siglongjmp -Wl,--wrap=__longjmp_chk -ldl"

# preempted flag...: a program built with them ends
preempted()
{
	$CC_CMD $flags "$@" -o "$tap_tmp/prog" tests/kernel/text.c $libs &&
		timeout 50 $EMULATOR "$tap_tmp/prog"
}

preempted_in_object()
{
	$CC_CMD $flags -DOBJECT -fPIC -shared -o "$tap_tmp/object.so" \
		tests/kernel/text.c &&
		$CC_CMD $flags -DLOADER -o "$tap_tmp/prog" \
			tests/kernel/text.c $libs &&
		timeout 50 $EMULATOR "$tap_tmp/prog" "$tap_tmp/object.so"
}

# Without the notes nothing is known, and the program does not end.
not_without_notes()
{
	$CC_CMD $flags -c -o "$tap_tmp/text.o" tests/kernel/text.c &&
		$OBJCOPY --remove-section=.gort_text "$tap_tmp/text.o" &&
		$CC_CMD $flags -o "$tap_tmp/prog" "$tap_tmp/text.o" $libs ||
		return
	timeout 1 $EMULATOR "$tap_tmp/prog"
	test $? = 124
}

plan 6
check 'position-independent' preempted -fPIE -pie
check 'not position-independent' preempted -fno-pie -no-pie
check 'static' preempted -static -Wno-unused-command-line-argument
check 'sections of their own, unused ones dropped' \
	preempted -ffunction-sections -Wl,--gc-sections
check 'in a shared object loaded by dlopen()' preempted_in_object
check 'not where the notes are missing' not_without_notes
finish
