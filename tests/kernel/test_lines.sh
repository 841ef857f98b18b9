#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/kernel/test_lines.sh - dwarf.c against addr2line: programs by both
# compilers, of all kinds, in all versions of DWARF
#
# What is compiled is the assembler wrapper, since it needs nothing but libc.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tool=$O/tests/kernel/test_dwarf
sources=$(echo arch/stacksplit/*.c arch/*/stacksplit.c)
samples=500

# addresses file: of its code, evenly spread, and where functions begin
addresses()
{
	local start size i
	read -r start size < <(objdump -h "$1" |
		awk '$2 == ".text" { print "0x" $4, "0x" $3 }')
	for ((i = 0; i < samples; i++)); do
		printf '%x\n' $((start + size * i / samples))
	done
	nm "$1" | awk 'NF == 3 && $2 ~ /[tT]/ { print $1 }' | sort -u | head -n $samples
}

# As dwarf.c prints it: no line, no directory of the compiler.
by_addr2line()
{
	addr2line -e "$1" <"$tap_tmp/addrs" |
		sed -e 's/ (discriminator.*//' -e 's/^.*:?$/?/' -e 's/^.*:0$/?/' \
			-e "s|^$PWD/||"
}

# name_differs: those of the compared where the same line is of another file.
# A sequence begins in file 1 (6.2.2), but addr2line 2.40 takes 0 in version 5.
name_differs()
{
	awk '{ ours = $2; theirs = $3
	       gsub(/.*\/|:.*/, "", ours); gsub(/.*\/|:.*/, "", theirs)
	       sub(/.*:/, "", $2); sub(/.*:/, "", $3) }
	     $2 == $3 && ours != theirs { print $1, ours ":" $2 }'
}

# by_readelf file claims: those of the claims "address name:line" that are true
by_readelf()
{
	test ! -s "$2" || readelf -W --debug-dump=decodedline "$1" | awk '
		function key(hex)
		{
			sub(/^(0x)?0*/, "", hex)
			hex = sprintf("%16s", hex)
			gsub(/ /, "0", hex)
			return hex
		}
		NR == FNR	{ claim[key($1)] = $2; given[key($1)] = $1 }
		NR == FNR || $3 !~ /^0x/	{ next }
		{
			addr = key($3)
			for (k in claim)
				if (last <= k && k < addr && claim[k] == line)
					print given[k]
			last = addr
			line = $2 == "-" ? "" : $1 ":" $2
		}' "$2" -
}

# agree file: on every line, and nearly all of them are known.  addr2line has
# none behind the end that the compiler gave to a function, where the call of
# its stack check is.
agree()
{
	addresses "$1" >"$tap_tmp/addrs"
	$EMULATOR "$tool" "$1" <"$tap_tmp/addrs" >"$tap_tmp/ours" || return
	by_addr2line "$1" >"$tap_tmp/theirs"
	paste "$tap_tmp/addrs" "$tap_tmp/ours" "$tap_tmp/theirs" >"$tap_tmp/both"
	name_differs <"$tap_tmp/both" >"$tap_tmp/claims"
	by_readelf "$1" "$tap_tmp/claims" >"$tap_tmp/true"
	awk -v judged="$tap_tmp/true" '
		FILENAME == judged { right[$1]; next }
		$1 in right { $3 = $2 }
		$2 != $3 { print }
		$2 != $3 && $3 != "?" { bad++ }
		$2 != $3 && $3 == "?" { more++ }
		$2 != "?" { known++ }
		END { print FNR, "addresses,", known + 0, "lines"
		      exit bad || more > FNR / 100 ||
			   known < FNR * '"${known:-0.8}"' }
		' "$tap_tmp/true" "$tap_tmp/both"
}

# program description compiler... : link a program, compare
program()
{
	local text=$1
	shift
	if ! command -v "$1" >/dev/null; then
		skip "$text" "$1"
		return
	fi
	check "$text" both "$@"
}

both()
{
	"$@" -std=gnu11 -w -I. $sources -o "$tap_tmp/prog" && agree "$tap_tmp/prog"
}

stripped_gives_none()
{
	$OBJCOPY -S "$tool" "$tap_tmp/stripped" && no_lines "$tap_tmp/stripped"
}

compressed_gives_none()
{
	$OBJCOPY --compress-debug-sections "$tool" "$tap_tmp/small" &&
		no_lines "$tap_tmp/small"
}

no_lines()
{
	addresses "$tool" | $EMULATOR "$tool" "$1" | sort -u |
		diff - <(echo '?')
}

# Two make at a time would be in each other's way.
builds()
{
	test -x "$tool" || make "$tool"
}

arm64=aarch64-linux-gnu-gcc
amd64=x86_64-linux-gnu-gcc

plan 19
check 'builds' builds
program 'gcc -O0' $amd64 -g -O0
program 'gcc -O2' $amd64 -g -O2
program 'gcc -O2, version 4' $amd64 -gdwarf-4 -O2
program 'gcc -O2, version 3' $amd64 -gdwarf-3 -O2
program 'gcc, not PIE' $amd64 -g -O1 -no-pie
known=0.05 program 'gcc, static' $amd64 -g -O1 -static
program 'gcc, shared object' $amd64 -g -O1 -fPIC -shared
program 'gcc, a section per function, most dropped' \
	$amd64 -g -O2 -ffunction-sections -Wl,--gc-sections
program 'clang -O0' clang -g -O0
program 'clang -O2' clang -g -O2
program 'clang -O2, version 4' clang -gdwarf-4 -O2
program 'clang -O2, 64-bit DWARF' clang -g -gdwarf64 -O2
program 'clang -O2, 64-bit DWARF, version 4' clang -gdwarf-4 -gdwarf64 -O2
program 'gcc for arm64' $arm64 -g -O2
program 'clang for arm64, version 4' clang --target=aarch64-linux-gnu -gdwarf-4 -O2
check 'this library and its tests' agree "$tool"
check 'stripped: no lines' stripped_gives_none
check 'compressed: no lines' compressed_gives_none
finish
