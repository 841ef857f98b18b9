#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/gdb/test_gdb.sh - gdb walks from the system stack, from the slow path of
# a stack check and across segments to the goroutine's first function
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

prog=$O/tests/gdb/prog
gdb=gdb
if [[ ${EMULATOR-} ]]; then
	gdb=gdb-multiarch
fi

if ! command -v $gdb >/dev/null; then
	plan 1
	skip 'backtraces in gdb' $gdb
	finish
fi

build()
{
	make "$prog" && test -x "$prog"
}

commands()
{
	cat <<-'EOT'
	set pagination off
	set confirm off
	set width 0
	set backtrace limit 200
	EOT
	if [[ ${EMULATOR-} ]]; then
		cat <<-EOT
		set sysroot $(sysroot $EMULATOR)
		target remote $tap_tmp/socket
		break on_system_stack
		continue
		EOT
	else
		cat <<-'EOT'
		break on_system_stack
		run
		EOT
	fi
	cat <<-'EOT'
	echo [system stack]\n
	bt
	echo [-]\n
	frame function second_goroutine
	echo [marker 1]\n
	print marker
	tbreak before_growth
	continue
	tbreak newstack
	continue
	echo [newstack]\n
	bt
	echo [-]\n
	frame function call_large_frame
	print n
	frame function second_goroutine
	echo [marker 2]\n
	print marker
	tbreak bottom
	continue
	echo [third segment]\n
	bt
	echo [-]\n
	frame function second_goroutine
	echo [marker 3]\n
	print marker
	frame 0
	tbreak go_deep
	echo [finish]\n
	finish
	finish
	echo [end]\n
	continue
	EOT
}

# sysroot emulator -L directory
sysroot()
{
	while (($# > 1)); do
		[[ $1 = -L ]] && echo "$2"
		shift
	done
}

run_gdb()
{
	commands >"$tap_tmp/commands"
	if [[ ${EMULATOR-} ]]; then
		GORTMAXPROCS=1 timeout 100 $EMULATOR -g "$tap_tmp/socket" \
			"$prog" >"$tap_tmp/prog.out" 2>&1 &
		while [[ ! -S $tap_tmp/socket ]] && kill -0 $! 2>/dev/null; do
			sleep 0.05
		done
	fi
	GORTMAXPROCS=1 timeout 100 $gdb -nx -batch -x "$tap_tmp/commands" \
		"$prog" >"$tap_tmp/out" 2>&1
	wait
	cat "$tap_tmp/out"
	grep -q '^\[end\]' "$tap_tmp/out"
}

# frames section: the functions of its backtrace, from the innermost
frames()
{
	sed -n "/^\[$1\]/,/^\[/p" "$tap_tmp/out" | awk '
		/^#0/ && seen++	{ exit }
		/^#[0-9]+ /	{
			sub(/^#[0-9]+ +(0x[0-9a-f]+ in )?/, "")
			print $1
			next
		}
		seen		{ exit }'
}

# backtrace section function...: these and no others
backtrace()
{
	local section=$1
	shift
	sed -n "/^\[$section\]/,/^\[/p" "$tap_tmp/out"
	# clang jumps from there to systemstack.
	diff <(printf '%s\n' "$@" | grep -v gort_systemstack_call) \
	     <(frames "$section" | grep -v gort_systemstack_call)
}

third_segment()
{
	frames 'third segment'
	[[ $(frames 'third segment' | grep -c '^deep$') = 26 ]] &&
		[[ $(frames 'third segment' | grep -c '^__morestack$') = 2 ]] &&
		diff <(printf '%s\n' bottom go_deep second_goroutine \
			goroutine_start) \
		     <(frames 'third segment' | grep -v -e '^deep$' \
			-e '^__morestack$')
}

ends_cleanly()
{
	! grep -iE 'backtrace stopped|corrupt|inner to this frame|cannot (find|access)' \
		"$tap_tmp/out"
}

# What the innermost frames saved is found again.
markers()
{
	grep -A1 '^\[marker' "$tap_tmp/out"
	[[ $(grep -A1 '^\[marker' "$tap_tmp/out" | grep -c ' = 4711$') = 3 ]]
}

finishes()
{
	sed -n '/^\[finish\]/,/^\[end\]/p' "$tap_tmp/out" | tee "$tap_tmp/finish"
	[[ $(grep -c '^Value returned is ' "$tap_tmp/finish") = 2 ]]
}

ends_normally()
{
	tail -n 3 "$tap_tmp/out"
	grep -q 'exited normally' "$tap_tmp/out"
}

plan 9
check 'builds' build
check 'gdb runs the program' run_gdb
check 'from the system stack to the first function' \
	backtrace 'system stack' on_system_stack systemstack \
	gort_systemstack_call call_system_stack second_goroutine goroutine_start
check 'from newstack to the first function' \
	backtrace newstack newstack arch_mcall morestack_mcall __morestack \
	call_large_frame second_goroutine goroutine_start
check 'across segments to the first function' third_segment
check 'no backtrace stops early' ends_cleanly
check 'locals of outer frames are right' markers
check 'finish returns from a function' finishes
check 'the program ends as without gdb' ends_normally
finish
