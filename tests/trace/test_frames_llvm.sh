#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_frames_llvm.sh - frames against llvm-symbolizer: programs by both
# compilers, of all kinds, in all versions of DWARF
#
# Why not addr2line: that of binutils 2.40 does not know what is inlined by
# DW_FORM_rnglistx, and loses names that are in another unit.
#
# What is compiled is the assembler wrapper, since it needs nothing but libc,
# and inlines much.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tool=$O/tests/trace/test_frames
sources=$(echo arch/stacksplit/*.c arch/*/stacksplit.c)
samples=800

# addresses file: of its code, evenly spread, and where functions begin
addresses()
{
	local start size i
	read -r start size < <(objdump -h "$1" |
		awk '$2 == ".text" { print "0x" $4, "0x" $3 }')
	for ((i = 0; i < samples; i++)); do
		printf '0x%x\n' $((start + size * i / samples))
	done
	nm "$1" | awk 'NF == 3 && $2 ~ /[tT]/ { print "0x" $1 }' | sort -u |
		head -n $samples
}

# one_line: the frames of an address on one, without directories; what the
# compiler made of parts of functions is called like those; constructors and
# destructors have two names; in assembly, labels are no functions
one_line()
{
	sed -e 's/^0x0*\([0-9a-f]\)/0x\1/' -e 's/ (discriminator.*//' \
		-e 's,^/.*/,,' -e 's/^[^:]*:[0?]*$/??:0/' \
		-e 's/\.\(cold\|part\|constprop\|isra\|lto_priv\)\>.*$//' \
		-e 's/^\(_Z.*[CD]\)[12]E/\1E/' |
		awk '/^0x/ { if (NR > 1) print ""; printf "%s", $0; next }
		     { printf " %s", $0 }
		     END { print "" }' |
		sed -e 's/ [^ ]* \([^ ]*\.S:\)/ - \1/g'
}

# agree file: on all frames at every address, of which some have several.
# Without a line there may be a choice of names.  LLVM has none behind the end
# that the compiler gave to a function, where the call of its stack check is.
agree()
{
	addresses "$1" >"$tap_tmp/addrs"
	$EMULATOR "$tool" "$1" <"$tap_tmp/addrs" | one_line >"$tap_tmp/ours" ||
		return
	llvm-symbolizer --output-style=GNU -a -f -i -s --no-demangle -e "$1" \
		<"$tap_tmp/addrs" | one_line >"$tap_tmp/theirs"
	awk -v limit="${inlined:-0.2}" '
		NR == FNR { ours[FNR] = $0; n = FNR; next }
		$3 == "??:0" {
			split(ours[FNR], f)
			if (f[3] != $3) {
				more++
				print "more: " ours[FNR]
			}
			next
		}
		{ lines++; inlined += NF > 3 }
		ours[FNR] != $0 {
			bad++
			print "ours:   " ours[FNR] "\ntheirs: " $0
		}
		END {
			print n + 0, "addresses,", lines + 0, "lines,", \
			      inlined + 0, "inlined,", bad + 0, "differ"
			exit bad || more > n / 100 || n != FNR ||
			     lines < 100 || inlined < lines * limit
		}' "$tap_tmp/ours" "$tap_tmp/theirs"
}

# program description compiler... : link a program, compare
program()
{
	local text=$1 need
	shift
	for need in "$1" llvm-symbolizer; do
		if ! command -v "$need" >/dev/null; then
			skip "$text" "$need"
			return
		fi
	done
	check "$text" "${build:-c}" "$@"
}

c()
{
	"$@" -std=gnu11 -w -I. $sources -o "$tap_tmp/prog" && agree "$tap_tmp/prog"
}

cxx()
{
	cat >"$tap_tmp/prog.cc" <<-END
		#include <algorithm>
		#include <map>
		#include <string>
		#include <vector>
		template<class T> struct box {
			T v;
			T times(int n) const { return v * n; }
		};
		static inline int twice(int x)
		{
			auto f = [&](int y) { return y * x + rand(); };
			return f(x) + f(x + 1);
		}
		int main(int argc, char **argv)
		{
			std::map<std::string, int> m;
			std::vector<int> v;
			for (int i = 0; i < argc; i++)
				m[argv[i]] += twice(i);
			for (auto &p : m)
				v.push_back(box<int>{p.second}.times(3));
			std::sort(v.begin(), v.end());
			return v[0];
		}
	END
	"$@" "$tap_tmp/prog.cc" -o "$tap_tmp/prog" && agree "$tap_tmp/prog"
}

# only_names objcopy argument... : no file, no line, one frame
only_names()
{
	$OBJCOPY "$@" "$tool" "$tap_tmp/copy" &&
		addresses "$tool" >"$tap_tmp/addrs" &&
		$EMULATOR "$tool" "$tap_tmp/copy" <"$tap_tmp/addrs" | one_line |
			awk '$3 != "??:0" || NF != 3 { print; bad++ }
			     $2 != "??" { names++ }
			     END { print names + 0, "names"; exit bad || !names }'
}

# Lines and names, of the function itself only.
split_dwarf()
{
	gcc -std=gnu11 -w -I. -g -O2 -gsplit-dwarf -dumpdir "$tap_tmp/" \
		$sources -o "$tap_tmp/prog" &&
		addresses "$tap_tmp/prog" >"$tap_tmp/addrs" &&
		$EMULATOR "$tool" "$tap_tmp/prog" <"$tap_tmp/addrs" | one_line |
			awk 'NF != 3 { print; bad++ }
			     $3 != "??:0" && $2 != "??" { known++ }
			     END { print known + 0, "known"
				   exit bad || known < NR / 2 }'
}

# As many as are kept, of which the last is the function itself.
very_deep()
{
	local n=400
	awk -v n=$n 'BEGIN {
		fn = "static inline __attribute__((always_inline)) void f"
		print fn "0(void) { __asm__ volatile(\"here: nop\"); }"
		for (i = 1; i < n; i++)
			print fn i "(void) { f" i - 1 "(); }"
		print "int main(void) { f" n - 1 "(); return 0; }"
	}' >"$tap_tmp/deep.c"
	gcc -g -O2 "$tap_tmp/deep.c" -o "$tap_tmp/prog" &&
		nm "$tap_tmp/prog" | awk '$3 == "here" { print $1 }' |
			$EMULATOR "$tool" "$tap_tmp/prog" | one_line |
			awk '{ print }
			     END { exit NR != 1 || NF != 513 || $2 != "f0" ||
					$4 != "f1" || $512 !~ /^(main|here)$/ }'
}

builds()
{
	test -x "$tool" || make "$tool"
}

arm64=aarch64-linux-gnu-gcc
amd64=x86_64-linux-gnu-gcc

plan 29
check 'builds' builds
inlined=0 program 'gcc -O0' $amd64 -g -O0
inlined=0 program 'gcc -Og' $amd64 -g -Og
program 'gcc -O2' $amd64 -g -O2
program 'gcc -O3' $amd64 -g -O3
program 'gcc -O2, version 4' $amd64 -gdwarf-4 -O2
program 'gcc -O2, version 3' $amd64 -gdwarf-3 -O2
program 'gcc -O2, version 2' $amd64 -gdwarf-2 -gstrict-dwarf -O2
program 'gcc, 64-bit DWARF' $amd64 -g -gdwarf64 -O2
program 'gcc, least debug information' $amd64 -g1 -O2
program 'gcc, not PIE' $amd64 -g -O2 -no-pie
program 'gcc, static' $amd64 -g -O2 -static
program 'gcc, shared object' $amd64 -g -O2 -fPIC -shared
program 'gcc, a section per function, most dropped' \
	$amd64 -g -O2 -ffunction-sections -Wl,--gc-sections
program 'gcc, optimized when linked' $amd64 -g -O2 -flto
program 'clang -O2' clang -g -O2
program 'clang -O3, version 4' clang -gdwarf-4 -O3
program 'clang, 64-bit DWARF' clang -g -gdwarf64 -O2
program 'clang, lines only' clang -gline-tables-only -O2
program 'clang, a section per function, most dropped' \
	clang -g -O2 -ffunction-sections -Wl,--gc-sections
program 'gcc for arm64' $arm64 -g -O2
program 'clang for arm64, version 4' clang --target=aarch64-linux-gnu -gdwarf-4 -O2
build=cxx program 'clang++' clang++ -g -O2
build=cxx program 'clang++, version 4' clang++ -gdwarf-4 -O2
inlined=0 check 'this library and its tests' agree "$tool"
check 'without debug information: names' only_names -g
check 'compressed: names' only_names --compress-debug-sections
check 'very deep' very_deep
check 'debug information in other files: no inlined functions' split_dwarf
finish
