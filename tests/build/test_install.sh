#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/build/test_install.sh - install, then build a program as a user does
#
# The program is the first C block of README.md, built with nothing but
# pkg-config's flags, by gcc and clang, for ARCH.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

dest=$tap_tmp/dest
prefix=/opt/gort
lib=$dest$prefix/lib

install_all()
{
	make install "DESTDIR=$dest" "PREFIX=$prefix"
}

all_there()
{
	ls -l "$lib/libgort.a" "$lib/libgort-malloc.so" \
		"$lib/gort/gort.specs" \
		"$dest$prefix/include/gort/gort.h" \
		"$dest$prefix/share/gort/gort-gdb.py" \
		"$dest$prefix/share/man/man1/gort.1" &&
		test -x "$lib/gort/as" && test -x "$dest$prefix/bin/gort" &&
		test -x "$dest$prefix/bin/gort-checkstack" &&
		pkg-config --exists gort
}

readme_has_program()
{
	awk '/^```c/ && !seen { seen = inside = 1; next }
	     /^```/ { inside = 0 }
	     inside' README.md >"$tap_tmp/x.c" && grep main "$tap_tmp/x.c"
}

# compiles_silently compiler...
compiles_silently()
{
	"$@" $(pkg-config --cflags gort) $opt -Wall -c "$tap_tmp/x.c" \
		-o "$tap_tmp/x.o" >"$tap_tmp/out" 2>&1
	local status=$?
	cat "$tap_tmp/out"
	((status == 0)) && test ! -s "$tap_tmp/out"
}

builds_and_runs()
{
	"$@" $(pkg-config --cflags gort) $opt "$tap_tmp/x.c" -o "$tap_tmp/x" \
		$(pkg-config --libs gort) &&
		timeout 60 $EMULATOR "$tap_tmp/x"
}

# checked compiler...: by the installed gort-checkstack, as README.md says
checked()
{
	"$@" $(pkg-config --cflags gort) $opt -fcallgraph-info=su \
		-ffunction-sections -c "$tap_tmp/x.c" -o "$tap_tmp/x.o" &&
		"$dest$prefix/bin/gort-checkstack" "$tap_tmp/x.ci"
}

uninstall_all()
{
	make uninstall "DESTDIR=$dest" "PREFIX=$prefix" &&
		! find "$dest" -type f | grep .
}

export PKG_CONFIG_PATH=$lib/pkgconfig
unset PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR

plan 14
check 'make install' install_all
check 'everything is in its place' all_there
check 'README.md shows a program' readme_has_program

for name in gcc clang; do
	cc=($name)
	if [[ $CROSS_COMPILE && $name = gcc ]]; then
		cc=("${CROSS_COMPILE}gcc")
	elif [[ $CROSS_COMPILE ]]; then
		cc=(clang "--target=$(basename "${CROSS_COMPILE%-}")")
	fi
	for opt in -O0 '-O2 -g'; do
		what="${cc[*]} $opt"
		if command -v "${cc[0]}" >/dev/null; then
			check "$what: no warning" compiles_silently "${cc[@]}"
			check "$what: builds and runs" builds_and_runs "${cc[@]}"
			[[ $name = clang ]] ||
				check "$what: gort-checkstack" checked "${cc[@]}"
		else
			skip "$what: no warning" "${cc[0]}"
			skip "$what: builds and runs" "${cc[0]}"
			[[ $name = clang ]] ||
				skip "$what: gort-checkstack" "${cc[0]}"
		fi
	done
done

check 'make uninstall leaves nothing' uninstall_all
finish
