# SPDX-License-Identifier: ISC
# tests/build/tap.sh - TAP for the scripts here; source it
#
#	plan 2
#	check 'description' command...
#	skip 'description' 'tool'
#	finish

tap_tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tap_tmp"' EXIT
tap_n=0
tap_failed=0

plan()
{
	echo "1..$1"
}

# check description command...: its output is shown if it fails
check()
{
	local text=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@" >"$tap_tmp/.log" 2>&1; then
		echo "ok $tap_n - $text"
	else
		echo "not ok $tap_n - $text"
		sed 's/^/# /' "$tap_tmp/.log"
		tap_failed=1
	fi
}

# skip description tool: nothing is skipped in CI, the tool must be there
skip()
{
	tap_n=$((tap_n + 1))
	if [[ ${CI-} = true ]]; then
		echo "not ok $tap_n - $1"
		echo "# $2 is not installed"
		tap_failed=1
	else
		echo "ok $tap_n # SKIP $1: $2 is not installed"
	fi
}

finish()
{
	exit $tap_failed
}
