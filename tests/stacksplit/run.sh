#!/bin/bash
# tests/stacksplit/run.sh - the whole matrix of compilers and options, in TAP.
#
#	STACKSPLIT=<binary> BUILD=<directory> [MATRIX=full] tests/stacksplit/run.sh [-j n]
#
# Each combination compiles the corpus through the tool, runs it twice (guard
# 0: no check may take the slow path; guard ~0: all must) and compares frames
# with what the compiler itself says.  Combinations run in parallel, each one
# as this script again with the argument --job.
#
# Needs gcc or clang for the host; a cross compiler and qemu-user add the
# other CPU.  What is missing is skipped.

here=$(cd "$(dirname "$0")" && pwd)
: "${STACKSPLIT:?path of the stacksplit binary}" "${BUILD:?scratch directory}"
mkdir -p "$BUILD" || exit 1
BUILD=$(cd "$BUILD" && pwd)
STACKSPLIT=$(readlink -f "$STACKSPLIT")
jobs=$(nproc)
[ "$1" = -j ] && jobs=$2
export STACKSPLIT BUILD
export LC_ALL=C

levels="-O0 -O1 -O2 -O3 -Os"
options="plain -fno-omit-frame-pointer -fomit-frame-pointer -g
	-ffunction-sections -fPIC -pipe"
options_x86_64="-fcf-protection=full"
options_arm64="-mbranch-protection=standard"
# each at all levels if MATRIX=full, else at these
few_levels="-O0 -O2"
# less usual, at -O2 only
extras="-fno-asynchronous-unwind-tables -fexceptions -fstack-protector-all
	-fpatchable-function-entry=4 -fpic,-fvisibility=hidden
	-fno-plt -fno-optimize-sibling-calls -funroll-all-loops,-DPEELED_LOOPS
	-fno-reorder-blocks,-fno-guess-branch-probability -pthread,-ggdb3"
extras_x86_64="-mno-red-zone -mstackrealign -mcmodel=large,-fPIC -mavx2
	-maccumulate-outgoing-args"
extras_arm64="-mbranch-protection=pac-ret+leaf+b-key -march=armv8.5-a
	-mcmodel=tiny -mtls-dialect=trad -mno-outline-atomics"
base="-B$BUILD/bin -fno-omit-frame-pointer -fno-stack-clash-protection -Wno-all"

# ---- compilers ----

host_cpu()
{
	case $(uname -m) in
	x86_64)		echo x86_64 ;;
	aarch64)	echo arm64 ;;
	esac
}

triple()
{
	[ "$1" = arm64 ] && echo aarch64-linux-gnu || echo x86_64-linux-gnu
}

# command of compiler $1 for CPU $2
compiler()
{
	case $1/$2 in
	gcc/$(host_cpu))	echo gcc -fno-ipa-ra ;;
	gcc/*)			echo "$(triple $2)-gcc -fno-ipa-ra" ;;
	clang/$(host_cpu))	echo clang -fno-integrated-as ;;
	clang/*)		echo clang --target=$(triple $2) \
					-fno-integrated-as ;;
	esac
}

runner()
{
	[ "$1" = "$(host_cpu)" ] && return
	echo qemu-$(triple $1 | cut -d- -f1) -L /usr/$(triple $1)
}

have()
{
	local run=$(runner $2)

	[ -f "$BUILD/fake_$1_$2.o" ] && { [ -z "$run" ] ||
		command -v ${run%% *} >/dev/null; }
}

# ---- one job; its output is what a failure shows ----

compare_frames()
{
	local cc=$1 cpu=$2 dir=$3 file flags="-v base=0 -v cfi=1"

	shift 3
	[ $cpu = x86_64 ] && flags="-v base=8 -v cfi=1"
	case $cc/$cpu in
	clang/arm64)	flags="-v base=0 -v cfi=0" ;;
	clang/x86_64)	flags="$flags -v skip=test_args" ;;
	esac
	for file in frames args control dynamic; do
		$(compiler $cc $cpu) $base "$@" -fstack-usage -S \
			"$here/corpus/$file.c" -o "$dir/$file.s" || return 1
		"$STACKSPLIT" --gort-frames "$dir/$file.s" \
			>"$dir/$file.frames" || return 1
		awk $flags -v slop=64 -f "$here/compare.awk" \
			"$dir/$file.su" "$dir/$file.frames" || return 1
	done
}

run_program()
{
	local cpu=$1 out arg

	for arg in fast slow; do
		out=$(timeout 20 $(runner $cpu) "$2" $arg 2>&1)
		[ "$out" = OK ] && continue
		echo "$2 $arg: $out"
		return 1
	done
}

# job_corpus compiler cpu level option[,option...]
job_corpus()
{
	local cc=$1 cpu=$2 level=$3 dir="$BUILD/run/$job" opts
	local fake="$BUILD/fake_${cc}_$cpu"

	opts="$level $(echo "$4" | tr , ' ')"
	[ "$4" = plain ] && opts=$level
	rm -rf "$dir" && mkdir -p "$dir"
	$(compiler $cc $cpu) $base $opts "$here"/corpus/*.c "$fake.o" \
		"${fake}_stub.o" -o "$dir/prog" -Wl,-z,execstack || return 1
	run_program $cpu "$dir/prog" || return 1
	case $4 in
	plain|-f*omit-frame-pointer|-fexceptions)
		compare_frames $cc $cpu "$dir" $opts || return 1 ;;
	esac
	rm -rf "$dir"
}

# all forms of dynamic sp: job_forms compiler cpu
job_forms()
{
	local fake="$BUILD/fake_$1_$2" prog="$BUILD/run/forms_$1_$2"

	mkdir -p "$BUILD/run"
	$(compiler $1 $2) $base -c "$here/forms_$2.s" -o "$prog.s.o" &&
	$(compiler $1 $2) -c "$here/forms.c" -o "$prog.o" &&
	$(compiler $1 $2) "$prog.o" "$prog.s.o" "$fake.o" "${fake}_stub.o" \
		-o "$prog" && run_program $2 "$prog"
}

# the message that the first line of the file asks for, and no object
job_bad()
{
	local want=$(sed -n '1s/.*expect: //p' "$here/bad/$1")
	local obj="$BUILD/bad_$1.o" out status

	rm -f "$obj"
	out=$("$STACKSPLIT" -o "$obj" "$here/bad/$1" 2>&1)
	status=$?
	echo "status $status: $out"
	[ $status = 1 ] && [ ! -e "$obj" ] &&
		echo "$out" | grep -q -- "$want"
}

# what people wrote by hand comes out as the assembler makes it
job_unchanged()
{
	local src="$here/fake_$(host_cpu).S" real=$(command -v as)

	gcc -E "$src" >"$BUILD/hand.s" &&
	"$real" "$BUILD/hand.s" -o "$BUILD/hand1.o" &&
	"$BUILD/bin/as" "$BUILD/hand.s" -o "$BUILD/hand2.o" &&
	"$BUILD/bin/as" -o "$BUILD/hand3.o" <"$BUILD/hand.s" &&
	cmp "$BUILD/hand1.o" "$BUILD/hand2.o" &&
	cmp "$BUILD/hand1.o" "$BUILD/hand3.o"
}

job_version()
{
	"$BUILD/bin/as" --version | grep -q 'GNU assembler' &&
	"$BUILD/bin/as" -v </dev/null -o "$BUILD/v.o"
}

job_refused()
{
	! "$BUILD/bin/as" $1 -o "$BUILD/r.o" "$here/forms_$(host_cpu).s" \
		2>"$BUILD/refused.$1" &&
	grep -q "'$1': only x86-64 and" "$BUILD/refused.$1"
}

# the assembler's own errors come through, and nothing stays in TMPDIR
job_status()
{
	local src="$BUILD/status.s"

	rm -rf "$BUILD/tmp" && mkdir "$BUILD/tmp"
	printf '\t.file "x.c"\n\t.text\n\tno_such_insn\n' >"$src"
	! TMPDIR="$BUILD/tmp" "$BUILD/bin/as" "$src" -o "$BUILD/s.o" 2>&1 &&
	[ -z "$(ls "$BUILD/tmp")" ]
}

job_nosplit()
{
	gcc $base -O2 -S "$here/corpus/control.c" -o "$BUILD/nosplit.s" &&
	"$STACKSPLIT" --gort-frames "$BUILD/nosplit.s" |
		grep -q 'left_alone 0 nosplit' &&
	echo 'void g(char *); void nosplit(void) { char c[9000]; g(c); }' |
	gcc $base -O2 -ffunction-sections -xc -c - -o "$BUILD/nosplit.o" &&
	nm "$BUILD/nosplit.o" | grep -q ' U __morestack$'
}

# a function of more than 1 MiB, which b.lo cannot cross: job_far compiler cpu
job_far()
{
	local fake="$BUILD/fake_$1_$2" prog="$BUILD/run/far_$1_$2"
	local enter="subq \$5000, %rsp; call corpus_far"
	local leave="addq \$5000, %rsp"

	mkdir -p "$BUILD/run"
	if [ $2 = arm64 ]; then
		enter="stp x29, x30, [sp, #-16]!; sub sp, sp, #1, lsl #12
			bl corpus_far"
		leave="add sp, sp, #1, lsl #12; ldp x29, x30, [sp], #16"
	fi
	cat >"$prog.s" <<-EOF
		.file	"far.c"
		.text
		.globl	corpus_run
		.type	corpus_run, %function
	corpus_run:
		.cfi_startproc
		$enter
		$(yes 'nop; nop; nop; nop; nop; nop; nop; nop' | head -40000)
		$leave
		ret
		.cfi_endproc
		.size	corpus_run, .-corpus_run
		.section .note.GNU-stack,"",%progbits
	EOF
	cat >"$prog.c" <<-EOF
		#include "corpus/corpus.h"
		extern unsigned long fake_morestack_calls, fake_setsp_calls;
		void corpus_far(void);
		void corpus_far(void)
		{
			fake_setsp_calls++;
		}
	EOF
	$(compiler $1 $2) -I"$here" $base "$prog.s" "$prog.c" "$fake.o" \
		"${fake}_stub.o" -o "$prog" &&
	run_program $2 "$prog"
}

if [ "$1" = --job ]; then
	job=$2
	shift 2
	if "job_$1" "${@:2}" >"$BUILD/out.$job" 2>&1; then
		echo ok >"$BUILD/result.$job"
	else
		echo fail >"$BUILD/result.$job"
	fi
	exit 0
fi

# ---- the list ----

# once per compiler and CPU, with the compiler alone
build_fakes()
{
	local cc cpu out

	for cpu in x86_64 arm64; do
		for cc in gcc clang; do
			out="$BUILD/fake_${cc}_$cpu"
			rm -f $out.o
			$(compiler $cc $cpu) -I"$here" -O1 -c "$here/fake.c" \
				-o $out.o 2>/dev/null &&
			$(compiler $cc $cpu) -c "$here/fake_$cpu.S" \
				-o ${out}_stub.o || rm -f $out.o
		done
	done
}

list_matrix()
{
	local cc=$1 cpu=$2 level opt name=options_$2 extra=extras_$2

	for level in $levels; do
		for opt in $options ${!name}; do
			case ${MATRIX:-}/$opt/$few_levels in
			full/*|*/plain/*|*/*/*$level*)
				echo "corpus $cc $cpu $level $opt" ;;
			esac
		done
	done
	for opt in $extras ${!extra}; do
		case $cc,$opt in	# options that clang has not
		clang,*-maccumulate*|clang,*trad*|clang,*tiny*|clang,*-all-l*|\
		clang,*guess-branch*|clang,*leaf+b-key*)
			continue ;;
		*,-mavx2)
			grep -qw avx2 /proc/cpuinfo || continue ;;
		esac
		echo "corpus $cc $cpu -O2 $opt"
	done
	echo "forms $cc $cpu"
	echo "far $cc $cpu"
}

list_jobs()
{
	local cc cpu file

	for file in "$here"/bad/*.s; do
		echo "bad ${file##*/}"
	done
	echo unchanged
	echo version
	echo status
	echo nosplit
	for file in --32 --x32 -EB -mabi=ilp32; do
		echo "refused $file"
	done
	for cpu in x86_64 arm64; do
		for cc in gcc clang; do
			if have $cc $cpu; then
				list_matrix $cc $cpu
			else
				echo "skipped $cc $cpu"
			fi
		done
	done
}

rm -rf "$BUILD/bin" "$BUILD"/result.* "$BUILD"/out.*
mkdir -p "$BUILD/bin"
ln -s "$STACKSPLIT" "$BUILD/bin/as"
build_fakes
list_jobs >"$BUILD/jobs"
grep -v ^skipped "$BUILD/jobs" | awk '{ print NR, $0 }' |
	xargs -P "$jobs" -L 1 "$0" --job

n=0
failed=0
while read -r name; do
	n=$((n + 1))
	if [ "$(cat "$BUILD/result.$n" 2>/dev/null)" = ok ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$BUILD/out.$n" | head -20
		failed=1
	fi
done < <(grep -v ^skipped "$BUILD/jobs")
while read -r name; do
	n=$((n + 1))
	echo "ok $n - ${name#skipped } # SKIP no compiler or emulator"
done < <(grep ^skipped "$BUILD/jobs")
echo "1..$n"
exit $failed
