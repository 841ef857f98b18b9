#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/gdb/test_gdb.sh - gdb walks from the system stack, from the slow path of
# a stack check and across segments to the goroutine's first function; with
# gort-gdb.py it lists all goroutines and walks those off the CPU, in processes
# and in core files
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

settings()
{
	cat <<-'EOT'
	set pagination off
	set confirm off
	set width 0
	set backtrace limit 200
	EOT
}

# run_to function
run_to()
{
	if [[ ${EMULATOR-} ]]; then
		cat <<-EOT
		set sysroot $(sysroot $EMULATOR)
		target remote $tap_tmp/socket
		break $1
		continue
		EOT
	else
		cat <<-EOT
		break $1
		run
		EOT
	fi
}

commands()
{
	settings
	run_to on_system_stack
	cat <<-'EOT'
	echo [system stack]\n
	bt
	echo [-]\n
	frame function second_goroutine
	echo [marker 1]\n
	print marker
	tbreak before_growth
	continue
	tbreak newstack if gp->more_need > 16384
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

# What is asked of gort-gdb.py, of a process and of a core file.
goroutine_commands()
{
	cat <<-'EOT'
	python
	def attempt(command):
	    try:
	        gdb.execute(command)
	    except gdb.error as error:
	        print('error: %s' % error)
	def number(function):
	    for line in listing.splitlines():
	        if ' %s at ' % function in line:
	            return line[2:].split()[0]
	def on(function, command):
	    gdb.execute('goroutine %s %s' % (number(function), command))
	listing = gdb.execute('info goroutines', to_string=True)
	before = gdb.execute('info registers', to_string=True)
	print('[list]\n' + listing + '[waiter]')
	on('wait_deep', 'bt')
	print('[-]\n[waiter marker]')
	on('wait_deep', 'frame apply all -s print marker')
	print('[waiter from frame]')
	on('wait_deep', 'frame function waiter')
	print('[spinner]')
	on('spinner', 'bt')
	print('[-]\n[never ran]')
	attempt('goroutine %s bt' % number('never_ran'))
	print('[all]')
	gdb.execute('goroutine all bt 1')
	print('[usage]')
	attempt('goroutine')
	attempt('goroutine 1')
	attempt('goroutine one bt')
	attempt('goroutine 4711 bt')
	on('wait_deep', 'python attempt("print no_such_thing")')
	print('[thread]')
	if gdb.execute('info registers', to_string=True) == before:
	    print('registers as before')
	end
	bt
	echo [-]\n
	EOT
}

# A status with a flag, a context that cannot be read.
damage_commands()
{
	cat <<-'EOT'
	python
	waiter = [g for g in goroutines() if str(g.id) == number('wait_deep')][0]
	def damage(field, value):
	    place = '*(%s *)%d' % (field.type.unqualified(), int(field.address))
	    old = int(field)
	    gdb.execute('set variable %s = %d' % (place, value))
	    gdb.execute('info goroutines')
	    gdb.execute('set variable %s = %d' % (place, old))
	print('[scan bit]')
	damage(waiter.g['status'], int(waiter.g['status']) | 0x1000)
	print('[no context]')
	damage(waiter.g['ctx']['sp'], 8)
	print('[-]')
	end
	EOT
}

live_commands()
{
	settings
	echo source kernel/gort-gdb.py
	run_to all_there
	goroutine_commands
	damage_commands
	if [[ ! ${EMULATOR-} ]]; then
		echo "generate-core-file $tap_tmp/core"
	fi
	echo continue
}

core_commands()
{
	settings
	echo source kernel/gort-gdb.py
	if [[ ${EMULATOR-} ]]; then
		# The emulator leaves out what gdb relocates by, and does not
		# say which thread it was.
		cat <<-EOT
		python
		auxv = gdb.execute('info auxv', to_string=True)
		headers = int(auxv.split('AT_PHDR')[1].split()[4], 16)
		gdb.execute('symbol-file -o %#x $prog' % (headers - 64))
		for thread in gdb.selected_inferior().threads():
		    thread.switch()
		    if gdb.newest_frame().name() == 'all_there':
		        break
		end
		EOT
	fi
	goroutine_commands
}

# sysroot emulator -L directory
sysroot()
{
	while (($# > 1)); do
		[[ $1 = -L ]] && echo "$2"
		shift
	done
}

# gdb_on_program argument...: gdb, on the emulator if there is one
gdb_on_program()
{
	rm -f "$tap_tmp/socket"
	if [[ ${EMULATOR-} ]]; then
		GORTDEBUG=asyncpreemptoff=1 timeout -k 1 100 \
			$EMULATOR -g "$tap_tmp/socket" "$prog" "$@" \
			>"$tap_tmp/prog.out" 2>&1 &
		while [[ ! -S $tap_tmp/socket ]] && kill -0 $! 2>/dev/null; do
			sleep 0.05
		done
	fi
	timeout -k 1 100 $gdb -nx -batch -x "$tap_tmp/commands" \
		--args "$prog" "$@" >"$tap_tmp/out" 2>&1
	wait
	cat "$tap_tmp/out"
}

run_gdb()
{
	commands >"$tap_tmp/commands"
	GORTMAXPROCS=1 gdb_on_program
	grep -q '^\[end\]' "$tap_tmp/out"
}

# Guard regions that are no mappings of their own make gdb's generate-core-file
# give up on all that lies above them.
run_gdb_live()
{
	live_commands >"$tap_tmp/commands"
	GORTMAXPROCS=2 GORTDEBUG=guardregions=0 gdb_on_program states
	grep -q '^\[thread\]' "$tap_tmp/out"
}

# Through the emulator gdb misses pages; it writes core files itself.
can_dump_core()
{
	[[ ! ${EMULATOR-} ]] || (ulimit -S -c unlimited) 2>/dev/null
}

make_core()
{
	if [[ ${EMULATOR-} ]]; then
		mkdir "$tap_tmp/cores"
		(cd "$tap_tmp/cores" && ulimit -S -c unlimited &&
			GORTMAXPROCS=2 timeout -k 1 100 \
				$EMULATOR "$OLDPWD/$prog" states core)
		mv "$tap_tmp"/cores/*.core "$tap_tmp/core"
	fi
	test -s "$tap_tmp/core"
}

run_gdb_core()
{
	rm "$tap_tmp/out"
	make_core || return
	core_commands >"$tap_tmp/commands"
	timeout -k 1 100 $gdb -nx -batch -ex "file $prog" \
		-ex "core-file $tap_tmp/core" -x "$tap_tmp/commands" \
		>"$tap_tmp/out" 2>&1
	rm -f "$tap_tmp/core"
	cat "$tap_tmp/out"
	grep -q '^\[thread\]' "$tap_tmp/out"
}

# section name: its lines
section()
{
	sed -n "/^\[$1\]/,/^\[/p" "$tap_tmp/out" | grep -v '^\['
}

# has section regex...: each matches a line of it, and there are no more
has()
{
	local name=$1 regex
	shift
	section "$name"
	for regex; do
		section "$name" | grep -qE "^$regex\$" || return
	done
	[[ $(section "$name" | grep -c .) = $# ]]
}

lists_scan_bit()
{
	lists_goroutines 'scan bit'
}

lists_damaged()
{
	section 'no context'
	[[ $(section 'no context' | grep -c ' at tests/gdb/prog') = 3 ]] &&
		section 'no context' | grep -qE '^  [0-9]+ +\(Cannot access memory.*\)$'
}

# lists_goroutines section
lists_goroutines()
{
	local file='at tests/gdb/prog\.c:[0-9]+'
	local by=", created by start_all $file in goroutine 1"
	has "$1" "\* 1 +\[running, thread [123]\] all_there $file" \
		"  [0-9]+ +\[running, thread [123]\] spinner $file$by" \
		"  [0-9]+ +\[waiting, chan recv\] wait_deep $file$by" \
		"  [0-9]+ +\[runnable\] before never_ran $file$by"
}

# Which functions of chan.c have a frame is for the compiler to choose.
off_cpu_backtrace()
{
	section waiter
	[[ $(frames waiter 1 | grep -c '^wait_deep$') = 26 ]] &&
		[[ $(frames waiter 1 | grep -c '^__morestack$') = 2 ]] &&
		section waiter | sed '/ wait_deep (/,$d' |
			grep -q '^#.* at kernel/chan\.c:' &&
		diff <(printf '%s\n' waiter goroutine_start) \
		     <(frames waiter 1 | sed -n '/^wait_deep$/,$p' |
			grep -v -e '^wait_deep$' -e '^__morestack$')
}

off_cpu_locals()
{
	section 'waiter marker'
	section 'waiter from frame'
	section 'waiter marker' | grep -q ' = 4711$' &&
		section 'waiter from frame' | grep -q '^#.* waiter (arg='
}

running_backtrace()
{
	backtrace spinner spinner goroutine_start
}

never_ran()
{
	has 'never ran' 'error: .*has not run yet: it is before never_ran at tests/.*'
}

all_goroutines()
{
	section all
	[[ $(section all | grep -c '^goroutine [0-9]* \[.*\]:$') = 4 ]] &&
		[[ $(section all | grep -c '^#') = 3 ]] &&
		section all | grep -q 'has not run yet'
}

wrong_usage()
{
	has usage '(error: .*usage: goroutine NUMBER.*)' \
		'(error: .*usage: goroutine NUMBER.*)' \
		'(error: .*usage: goroutine NUMBER.*)' \
		'error: .*no goroutine 4711.*' \
		'error: No symbol "no_such_thing" in current context\.'
}

thread_as_before()
{
	section thread
	section thread | grep -qx 'registers as before' &&
		[[ $(frames thread | head -n 1) = all_there ]]
}

# How gort-gdb.py does: in a process, in a core file.
check_goroutines()
{
	check "$1: all goroutines are listed" lists_goroutines list
	check "$1: a goroutine off the CPU has its frames" off_cpu_backtrace
	check "$1: and locals" off_cpu_locals
	check "$1: one that runs has its thread's" running_backtrace
	check "$1: one that never ran has none" never_ran
	check "$1: a command on all of them" all_goroutines
	check "$1: wrong usage is said" wrong_usage
	check "$1: the thread is left as it was" thread_as_before
}

# says program text: info goroutines does, where there are none
says()
{
	$gdb -nx -batch -ex 'source kernel/gort-gdb.py' -ex 'info goroutines' \
		"$1" 2>&1 | tee /dev/stderr | grep -q "$2"
}

without_debug_information()
{
	$OBJCOPY -g "$prog" "$tap_tmp/stripped" &&
		says "$tap_tmp/stripped" 'no debug information of gort'
}

# frames section [level]: the functions of its backtrace, from the innermost
frames()
{
	sed -n "/^\[$1\]/,/^\[/p" "$tap_tmp/out" | awk -v first="#${2-0} " '
		index($0, first) == 1 && seen++	{ exit }
		/^#[0-9]+ /	{
			sub(/^#[0-9]+ +(0x[0-9a-f]+ in )?/, "")
			print $1
			next
		}
		seen		{ exit }'
}

# backtrace section function...: these and no others
# One that runs may have been stopped in the handler of SIGURG.
behind_signal()
{
	awk '{ line[NR] = $0 } $0 == "on_sigurg" { from = NR }
	     END { for (i = from + 1; i <= NR; i++) print line[i] }'
}

backtrace()
{
	local section=$1
	shift
	sed -n "/^\[$section\]/,/^\[/p" "$tap_tmp/out"
	# Compilers jump from there to arch_systemstack.
	diff <(printf '%s\n' "$@" | grep -v gort_systemstack_call) \
	     <(frames "$section" | behind_signal | grep -v gort_systemstack_call)
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

if can_dump_core; then
	plan 33
else
	plan 25
fi
check 'builds' build
check 'gdb runs the program' run_gdb
check 'from the system stack to the first function' \
	backtrace 'system stack' on_system_stack arch_systemstack \
	gort_systemstack_call call_system_stack second_goroutine goroutine_start
check 'from newstack to the first function' \
	backtrace newstack newstack arch_mcall morestack_mcall __morestack \
	call_large_frame second_goroutine goroutine_start
check 'across segments to the first function' third_segment
check 'no backtrace stops early' ends_cleanly
check 'locals of outer frames are right' markers
check 'finish returns from a function' finishes
check 'the program ends as without gdb' ends_normally

check 'gort-gdb.py and a process' run_gdb_live
check_goroutines 'process'
check 'process: a status with the scan bit' lists_scan_bit
check 'process: a goroutine that is damaged' lists_damaged
check 'process: ends as without gdb' ends_normally
if can_dump_core; then
	check 'gort-gdb.py and a core file' run_gdb_core
	check_goroutines 'core file'
else
	tap_n=$((tap_n + 1))
	echo "ok $tap_n # SKIP core files: the limit of their size is 0"
fi
check 'a program that did not start yet' says "$prog" 'gort_run() was not called'
check 'a program without debug information' without_debug_information
check 'a program without gort' says /bin/true 'no debug information of gort'
finish
