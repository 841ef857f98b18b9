#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/build/test_checkstack.sh - every rule of checkstack, broken once
#
# Small files are compiled for ARCH and judged by the tool; then the library
# itself is.
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

tool=$O/tools/gort-checkstack
dir=$tap_tmp
words='-Iarch/include -DGORT_CHECKSTACK'
split="-B$O/tools/gort-as -fno-omit-frame-pointer -fno-stack-clash-protection"

# The runtime's part in small.
cat >"$dir/fake.h" <<'END'
#include <arch/compiler.h>
struct lock { int held; };
extern struct lock sched, heap, other;
extern volatile int work;
void lock(struct lock *l);
void unlock(struct lock *l);
void arch_gogo(void);
int systemstack(void (*fn)(void *arg), void *arg);
void later(void (*fn)(void *arg));
void keep(void (*fn)(void *arg));
END
printf '%s\n' '# name stack inside' 'HEAP any -' 'SCHED g0 HEAP' >"$dir/ranks"
cat >"$dir/rules" <<END
ranks $dir/ranks
lock lock
unlock unlock
rank sched SCHED
rank heap HEAP
switch arch_gogo
carrier systemstack
carrier later run_later
END

# compile name flags: C from standard input to name.o and name.ci
compile()
{
	{
		echo '#include "fake.h"'
		cat
	} >"$dir/$1.c"
	$CC_CMD -std=gnu11 -w -I"$dir" -fcallgraph-info=su ${*:2} \
		-c "$dir/$1.c" -o "$dir/$1.o"
}

# judge status arguments...: what the tool says is in $dir/out
judge()
{
	"$tool" "${@:2}" >"$dir/out" 2>&1
	local status=$?
	cat "$dir/out"
	((status == $1))
}

# says pattern...: all of them, each in a line
says()
{
	local pattern
	for pattern; do
		grep -Eq -e "$pattern" "$dir/out" || return 1
	done
}

says_not()
{
	! grep "error: $1()" "$dir/out"
}

# calls status pattern...: the rules of the runtime, and those in $extra, on C
# from standard input
calls()
{
	rm -f "$dir/x.ci"
	{
		cat "$dir/rules"
		echo "${extra-}"
	} >"$dir/all_rules"
	compile x -O0 -ffunction-sections $words &&
		judge "$1" --rules="$dir/all_rules" --calls "$dir/x.ci" &&
		says "${@:2}"
}

frames()
{
	rm -f "$dir/x.ci"
	echo "${extra-}" >"$dir/all_rules"
	compile x -O2 $split -Iarch/include &&
		judge "$1" --rules="$dir/all_rules" --frames "$dir/x.ci" &&
		says "${@:2}"
}

# program flags status pattern...
program()
{
	rm -f "$dir/x.ci"
	compile x -O2 $1 -Iarch/include -Ikernel/include -ffunction-sections &&
		judge "$2" -v "$dir/x.ci" && says "${@:3}"
}

library()
{
	make checkstack >"$dir/log" 2>&1
	local status=$?
	tail -30 "$dir/log"
	((status == 0)) && grep -q '^red zone: .* left$' "$dir/log" &&
		grep -Eq '^  kernel/m.c:[0-9]+ +m_start +takes SCHED$' \
			"$O/checkstack.txt" &&
		! grep -q '?' "$O/checkstack.txt"
}

library_refused()
{
	! make checkstack >"$dir/log" 2>&1 && cat "$dir/log" &&
		grep -q 'not CC=clang' "$dir/log"
}

if [[ $CC_CMD = *clang* ]]; then
	plan 1
	check 'make checkstack wants gcc' library_refused
	finish
fi

plan 56

# ---- C1: who calls ----

check 'a section that takes its lock is fine' calls 0 \
	'^system stack: 1 functions, 0 exceptions' 'section +takes SCHED$' <<'END'
static void __systemstack section(void *arg)
{
	lock(&sched);
	unlock(&sched);
}
void f(void) { systemstack(section, 0); }
END

check 'called on a goroutine: the chain is printed' calls 1 \
	'x.c:2: error: section\(\) runs on the system stack only, but is called' \
	'x.c:7: f\(\) calls it' 'x.c:8: g\(\) calls that' <<'END'
static void __systemstack section(void *arg)
{
	lock(&sched);
	unlock(&sched);
}
static void f(void) { section(0); }
void g(void) { f(); }
END

check 'its address in data' calls 1 'address is stored in table' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
void (*const table[])(void *) = { section };
END

extra='names keep' \
check 'its address for one that only prints it' calls 0 <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
void f(void) { keep(section); systemstack(section, 0); }
END

check 'a function with the name of a word' calls 0 '^system stack: 0 ' <<'END'
int systemstack(void (*fn)(void *arg), void *arg) { return 0; }
void g0(void) { systemstack(0, 0); }
void f(void) { g0(); }
END

check 'its address for another function' calls 1 \
	'address is taken in f\(\), at .*/x.c:4, and not for systemstack' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }

void f(void)
{
	keep(section);
	systemstack(0, 0);
}
END

check 'a helper needs no word while only such call it' calls 0 <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
static void helper(void) { section(0); }
static void __systemstack caller(void *arg) { lock(&heap); helper(); }
void f(void) { systemstack(caller, 0); }
END

check 'and is found when others do' calls 1 'f\(\) calls that' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
static void helper(void) { section(0); }
static void __systemstack caller(void *arg) { lock(&heap); helper(); }
void f(void) { systemstack(caller, 0); helper(); }
END


extra='stored ops section user' \
check 'a call by way of data that the rules know' calls 0 <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
struct ops { void (*fn)(void *); } ops = { section };
static void __systemstack user(void *arg) { lock(&heap); ops.fn(0); }
void f(void) { systemstack(user, 0); }
END

extra='stored ops section user' \
check 'and that is made on a goroutine' calls 1 'user\(\) calls it' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
struct ops { void (*fn)(void *); } ops = { section };
void user(void) { ops.fn(0); }
END

extra='allow f section on a thread without goroutines' \
check 'an exception for a call' calls 0 <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
void f(void) { section(0); }
END

extra='allow f section on a thread without goroutines' \
check 'that is not needed any more' calls 1 \
	'all_rules:[0-9]+: exception for f section is not needed' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
void f(void) { systemstack(section, 0); }
END

# ---- C2: the demand ----

check 'no lock, no switch' calls 1 \
	'x.c:2: error: section\(\) demands the system stack, but' <<'END'
static void __systemstack section(void *arg) { work++; }
void f(void) { systemstack(section, 0); }
END

check 'only what it calls takes a lock' calls 1 \
	'error: coarse\(\) demands the system stack' \
	'x.c:7: section\(\), which it calls, should switch itself' <<'END'
static void __systemstack section(void) { lock(&sched); unlock(&sched); }
static void __systemstack coarse(void *arg)
{
	for (int i = 0; i < 1000000; i++) {
		work++;
		section();
	}
	f();
}
void f(void) { systemstack(coarse, 0); }
END

check 'a call of what takes a lock, and nothing else' calls 0 \
	'closure +for section\(\)$' <<'END'
static void __systemstack section(int n) { lock(&sched); unlock(&sched); }
static void __systemstack closure(void *arg) { section(*(int *)arg); }
void f(void) { int n = 1; systemstack(closure, &n); }
END

check 'it switches goroutines' calls 0 'section +switches goroutines$' <<'END'
static void __systemstack section(void *arg) { arch_gogo(); }
void f(void) { systemstack(section, 0); }
END

check 'no goroutine waits for it' calls 0 'find +no goroutine waits$' <<'END'
static void __systemstack find(void) { work++; }
void __g0_noreturn schedule(void) { find(); arch_gogo(); }
END

check 'one does' calls 1 'error: find\(\) demands the system stack' <<'END'
static void __systemstack find(void) { work++; }
static void __systemstack section(void *arg) { lock(&sched); find(); }
void __g0_noreturn schedule(void) { find(); arch_gogo(); }
void f(void) { systemstack(section, 0); }
END

check 'helpers that are called with a lock' calls 0 \
	'take_locked +SCHED is held' 'find_locked +SCHED is held' <<'END'
static void __systemstack find_locked(void) { work++; }
static void __systemstack take_locked(void) { find_locked(); }
static void __systemstack section(void *arg) { lock(&sched); take_locked(); }
void f(void) { systemstack(section, 0); }
END

check 'and without one' calls 1 \
	'error: take_locked\(\) demands the system stack' <<'END'
static void __systemstack take_locked(void) { work++; }
static void __systemstack section(void *arg) { unlock(&sched); take_locked(); }
void f(void) { systemstack(section, 0); }
END

extra='demand section it pleases' \
check 'an exception with its reason' calls 0 'section +exception: it pleases$' <<'END'
static void __systemstack section(void *arg) { work++; }
void f(void) { systemstack(section, 0); }
END

extra='demand section it pleases' \
check 'that is not needed' calls 1 'exception for section is not needed' <<'END'
static void __systemstack section(void *arg) { lock(&sched); }
void f(void) { systemstack(section, 0); }
END

# ---- C3: locks ----

check 'a lock of g0 on a goroutine' calls 1 \
	'x.c:2: error: f\(\) takes SCHED at .*x.c:2, which is taken on g0 only' <<'END'
void f(void) { lock(&sched); }
END

check 'a lock of goroutines there' calls 0 <<'END'
void f(void) { lock(&heap); }
END

check 'a lock without rank' calls 1 'takes "other" .* no rule says its rank' <<'END'
void f(void) { lock(&other); }
END

# ---- what must not be called on the system stack ----

check 'a public function that may switch is not in the list' calls 1 \
	'gort_new\(\) may leave the goroutine: .* must list it' \
	'x.c:3: park\(\) is called by gort_new' \
	'x.c:2: arch_mcall\(\) is called by park' <<'END'
void __attribute__((visibility("hidden"))) park(void) { arch_mcall(0); }
void gort_new(void) { park(); }
END

check 'one in the list that never does' calls 1 \
	'gort_yield\(\) never leaves the goroutine' <<'END'
void __attribute__((visibility("hidden"))) park(void) { arch_mcall(0); }
void gort_yield(void) { work++; }
END

# ---- F1: the red zone ----

check 'a chain that fits, with its bytes' frames 0 \
	'^red zone: 2 nosplit functions, worst chain [0-9]+ of 1024' \
	'^ +256  a caller with a small frame' '^ +[0-9]+  inner  .*/x.c:2$' <<'END'
static void __nosplit inner(void) { volatile char c[200]; c[0] = 0; work++; }
void __nosplit outer(void) { volatile char c[200]; c[0] = 0; inner(); work++; }
END

check 'one that does not' frames 1 \
	'x.c:3: error: outer\(\) needs 1[0-9]{3} bytes below the guard' \
	'^ +[45][0-9]{2}  outer  ' '^ +[45][0-9]{2}  inner  ' <<'END'
static void __nosplit inner(void) { volatile char c[480]; c[0] = 0; work++; }
void __nosplit outer(void) { volatile char c[480]; c[0] = 0; inner(); work++; }
END

check 'a function with a check ends it' frames 0 <<'END'
static void __attribute__((noinline)) inner(void)
{
	volatile char c[4800];

	c[0] = 0;
	lock(0);
}
void __nosplit outer(void) { volatile char c[480]; c[0] = 0; inner(); work++; }
END

check 'a call by pointer of one whose address is taken' frames 1 \
	'^ +[45][0-9]{2}  outer  ' \
	'^ +[45][0-9]{2}  by pointer, inner\(\) at most  .*x.c:4$' <<'END'
static void __nosplit inner(void) { volatile char c[480]; c[0] = 0; work++; }
void (*fn)(void) = inner;
void __nosplit outer(void) { volatile char c[480]; c[0] = 0; fn(); work++; }
END

extra='room f 14000' \
check 'a function that has its own room' frames 0 \
	'^f: [0-9]+ of 14000 bytes, [0-9]+ left' <<'END'
void __nosplit f(void) { volatile char c[2000]; c[0] = 0; work++; }
END

extra='room f 4000' \
check 'and not enough of it for __morestack, too' frames 1 \
	'f\(\) needs [0-9]+ bytes with what it calls and __morestack' <<'END'
void __nosplit f(void) { volatile char c[2000]; c[0] = 0; work++; }
END

check 'an error is told once, not for each caller' frames 1 \
	'error: inner\(\) needs' <<'END'
void __nosplit inner(void) { volatile char c[1480]; c[0] = 0; work++; }
void outer(void) { inner(); work++; }
END

check 'and the callers are not told of' says_not outer

check 'a jump through a pointer is no recursion' frames 0 <<'END'
void f(void (*const *fn)(void *)) { (*fn)(0); }
void (*table[])(void *) = { (void (*)(void *))f };
END

check 'recursion without a check' frames 1 'calls itself' <<'END'
int __nosplit f(int n) { volatile int k = n; return n ? f(n - 1) + k : 0; }
END

check 'a frame of no known size without a check' frames 1 \
	'f\(\) has no stack check, and its frame no size' <<'END'
void __nosplit f(int n) { volatile char *p = __builtin_alloca(n); p[0] = 0; }
END

# ---- programs ----

check 'a program that keeps the rules' program "$split" 0 \
	'^system stack: 2 functions' '^red zone: 1 nosplit' <<'END'
#include <gort/context.h>
int gort_systemstack_call(void (*fn)(void *), void *arg);
static void GORT_SYSTEMSTACK helper(void) { work++; }
static void on_g0(void *arg) { helper(); }
void GORT_NOSPLIT quick(void) { work++; }
int f(void) { return gort_systemstack_call(on_g0, 0); }
END

check 'blocking on the system stack: the chain is printed' program "$split" 1 \
	'on_g0\(\) runs on the system stack and reaches gort_chan_send\(\)' \
	'x.c:4: report\(\) is called by on_g0\(\)' \
	'x.c:3: gort_chan_send\(\) is called by report\(\)' <<'END'
int gort_systemstack_call(void (*fn)(void *), void *arg);
static __attribute__((noinline)) void report(void) { gort_chan_send(0, 0); work++; }
static void on_g0(void *arg) { report(); work++; }
int f(void) { return gort_systemstack_call(on_g0, 0); }
END

check 'the same by gort_blocking()' program "$split" 1 \
	'on_g0\(\) runs on the system stack and reaches gort_yield' <<'END'
static void on_g0(void *arg) { gort_yield(); work++; }
void f(void) { gort_blocking(on_g0, 0); }
END

check 'GORT_SYSTEMSTACK called on a goroutine' program "$split" 1 \
	'helper\(\) runs on the system stack only, but is called' <<'END'
#include <gort/context.h>
static void GORT_SYSTEMSTACK helper(void) { work++; }
void f(void) { helper(); }
END

check 'GORT_NOSPLIT with too large a frame' program "$split" 1 \
	'quick\(\) needs [0-9]+ bytes below the guard' <<'END'
#include <gort/context.h>
void GORT_NOSPLIT quick(void) { volatile char c[2000]; c[0] = 0; }
END

deep='static __attribute__((noinline)) void inner(void)
{
	volatile char c[16000];

	c[0] = 0;
	keep(0);
}
void outer(void) { volatile char c[16000]; c[0] = 0; inner(); work++; }'

check 'without the flags, deeper than the reserve' program '' 1 \
	'outer\(\) was not compiled with gort.s flags and needs 3[0-9]{4} bytes' \
	'x.c:9: inner\(\), called from there, has a frame of 1[56]' <<<"$deep"
check 'the same with them' program "$split" 0 <<<"$deep"

check '-v says what is not known' program '' 0 \
	'f\(\) is recursive' 'g\(\) has a frame of no known size' <<'END'
int f(int n) { volatile int k = n; return n ? f(n - 1) + f(n - 2) + k : 0; }
void g(int n) { volatile char *p = __builtin_alloca(n); p[0] = 0; keep(0); }
END

# ---- the tool itself ----

# bad pattern arguments...
bad()
{
	judge 2 "${@:2}" && says "$1"
}

printf 'graph: { title: "none"\n}\n' >"$dir/none.ci"
echo 'forbid f' >"$dir/bad1"
echo 'demand f' >"$dir/bad2"
echo 'rank l NONE' >"$dir/bad3"
echo 'plain' >"$dir/text.ci"

check 'no file is an error' bad 'no FILE.ci'
check 'an unknown option' bad 'usage:' --wrong
check 'a file that is not there' bad 'cannot open' "$dir/missing.ci"
check 'one that is no call graph' bad 'not written by' "$dir/text.ci"
check 'one without its object' bad 'cannot open .*none.o' "$dir/none.ci"
check 'a rule that there is not' bad '"forbid" is not a rule' \
	--rules="$dir/bad1"
check 'an exception without reason' bad 'the reason is missing' \
	--rules="$dir/bad2"
check 'a rank that there is not' bad 'NONE is not a rank' --rules="$dir/bad3"
check 'the help' judge 0 --help

# ---- the library ----

check 'the library keeps the rules' library
finish
