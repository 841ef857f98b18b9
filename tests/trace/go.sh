# SPDX-License-Identifier: ISC
# tests/trace/go.sh - a Go whose tools read execution traces; source it
#
#	find_go && go_events file...

# find_go: $go, 1.23 or later, and $go_minor
find_go()
{
	for go in "$(command -v go)" /usr/lib/go-1.*/bin/go; do
		test -x "$go" || continue
		go_minor=$(GOTOOLCHAIN=local "$go" env GOVERSION |
			sed 's/^go1\.\([0-9]*\).*/\1/')
		if ((go_minor >= 23)); then
			return
		fi
	done
	return 1
}

# go_events file: all events as text; fails if Go refuses the trace
go_events()
{
	local mode=parsed
	((go_minor >= 25)) || mode=1
	GOTOOLCHAIN=local "$go" tool trace -d=$mode "$1"
}
