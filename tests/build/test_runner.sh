#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/build/test_runner.sh - tests/run.sh counts what happened
set -u
. tests/build/tap.sh

run=$PWD/tests/run.sh

# counts expected option... <<script: one test with this body
counts()
{
	local expected=$1 got
	shift
	cat >"$tap_tmp/fake.sh"
	rm -f "$tap_tmp/results"
	"$run" run -m mode -r "$tap_tmp/results" "$@" "$tap_tmp/fake.sh"
	got=$("$run" total "$tap_tmp/results" | tail -n 1)
	echo "expected: $expected"
	echo "got:      $got"
	[[ $got = "$expected" ]]
}

passes()
{
	counts '2 passed, 0 failed, 0 skipped' <<-'EOT'
	printf '1..2\nok 1 - a\nok 2 - b\n'
	EOT
}

fails()
{
	counts '1 passed, 1 failed, 0 skipped' <<-'EOT'
	printf '1..2\nok 1 - a\nnot ok 2 - b\nnot ok - group\n'; exit 1
	EOT
}

# cmocka says "not ok" of a skipped test
skips()
{
	counts '1 passed, 0 failed, 2 skipped' <<-'EOT'
	printf '1..3\nok 1 - a\nnot ok 2 # SKIP b\nok 3 # skip c\n'
	EOT
}

crashes()
{
	counts '1 passed, 1 failed, 0 skipped' <<-'EOT'
	printf '1..2\nok 1 - a\n'; kill -SEGV $$
	EOT
}

exits_nonzero()
{
	counts '1 passed, 1 failed, 0 skipped' <<-'EOT'
	printf '1..1\nok 1 - a\n'; exit 3
	EOT
}

ends_early()
{
	counts '1 passed, 1 failed, 0 skipped' <<-'EOT'
	printf '1..3\nok 1 - a\n'; exit 0
	EOT
}

hangs()
{
	counts '1 passed, 1 failed, 0 skipped' -t 1 <<-'EOT'
	printf '1..2\nok 1 - a\n'; sleep 30
	EOT
}

no_tap()
{
	counts '1 passed, 0 failed, 0 skipped' <<<'exit 0' &&
		counts '0 passed, 1 failed, 0 skipped' <<<'exit 1' &&
		counts '0 passed, 0 failed, 1 skipped' <<<'exit 77'
}

shows_failures()
{
	local out
	echo 'echo "1..1"; echo "not ok 1 - a"; echo "# 0x1 != 0x2"' \
		>"$tap_tmp/fake.sh"
	out=$("$run" run "$tap_tmp/fake.sh") && return 1
	echo "$out"
	[[ $out = *'0x1 != 0x2'* ]]
}

runs_exclusive_alone()
{
	local n
	for n in 1 2; do
		cat >"$tap_tmp/alone$n.sh" <<-EOT
		mkdir "$tap_tmp/lock" || exit 1
		sleep 0.2; rmdir "$tap_tmp/lock"
		EOT
	done
	"$run" run -j 4 -x "$tap_tmp/alone1.sh" -x "$tap_tmp/alone2.sh"
}

adds_up()
{
	printf '1 0 2 one\n3 0 0 two\n' >"$tap_tmp/results"
	[[ $("$run" total "$tap_tmp/results" | tail -n 1) = \
		'4 passed, 0 failed, 2 skipped' ]] || return
	"$run" missing -m one -r "$tap_tmp/results"
	"$run" missing -m three -r "$tap_tmp/results"
	! "$run" total "$tap_tmp/results" >"$tap_tmp/out" || return
	cat "$tap_tmp/out"
	[[ $(tail -n 1 "$tap_tmp/out") = '4 passed, 1 failed, 2 skipped' ]]
}

nothing_ran()
{
	! "$run" total "$tap_tmp/none" >"$tap_tmp/out" || return
	[[ $(tail -n 1 "$tap_tmp/out") = '0 passed, 1 failed, 0 skipped' ]]
}

plan 12
check 'ok' passes
check 'not ok' fails
check 'skips' skips
check 'a crash is a failure' crashes
check 'an exit status is a failure' exits_nonzero
check 'a plan not carried out is a failure' ends_early
check 'a timeout is a failure' hangs
check 'tests without TAP' no_tap
check 'failures show their output' shows_failures
check 'exclusive tests run alone' runs_exclusive_alone
check 'modes add up, one that did not build fails' adds_up
check 'no result is a failure' nothing_ran
finish
