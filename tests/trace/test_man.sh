#!/bin/bash
# SPDX-License-Identifier: ISC
# tests/trace/test_man.sh - gort(1) says what gort --help does
#
# Environment: the configuration of the build
set -u
. tests/build/tap.sh

gort="$EMULATOR $O/gort"
page=trace/cmd/gort.1

built()
{
	make "$O/gort"
}

# Its warnings fail it
formatted()
{
	groff -man -ww -b -z "$page" >"$tap_tmp/warnings" 2>&1
	cat "$tap_tmp/warnings"
	test ! -s "$tap_tmp/warnings"
}

# "trace check", ...
commands()
{
	$gort --help | sed -n 's/^  gort \([a-z]* [a-z]*\) .*/\1/p'
}

# help_options COMMAND FILE: --name of each, from its --help, into FILE
help_options()
{
	$gort $1 --help | sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p' |
		grep -vx -- --help | sort >"$2"
}

# The same from the page, where what begins a paragraph is in bold
page_options()
{
	awk -v want=".SS gort $1" '
	/^\.S[SH] / { inside = $0 == want; next }
	inside && tagged { gsub(/\\-/, "-")
		while (match($0, /--[a-z-]+/)) {
			print substr($0, RSTART, RLENGTH)
			$0 = substr($0, RSTART + RLENGTH)
		} }
	{ tagged = $0 == ".TP" }' "$page" | sort >"$2"
}

all_options()
{
	local command n=0
	while read -r command; do
		echo "$command"
		grep -qx ".SS gort $command" "$page" &&
			grep -qx "\.B $command" "$page" || return
		help_options "$command" "$tap_tmp/help"
		page_options "$command" "$tap_tmp/page"
		diff -u "$tap_tmp/help" "$tap_tmp/page" || return
		n=$((n + $(wc -l <"$tap_tmp/help")))
	done < <(commands)
	((n > 10))
}

all_commands()
{
	local command
	commands >"$tap_tmp/commands"
	sed -n 's/^\.SS gort //p' "$page" | while read -r command; do
		grep -qx "$command" "$tap_tmp/commands" ||
			{ echo "$command"; return 1; }
	done
}

plan 4
check 'the command' built
if command -v groff >/dev/null; then
	check 'the page has no errors' formatted
else
	skip 'the page has no errors' groff
fi
check 'what --help has the page has' all_options
check 'what the page has --help has' all_commands
finish
