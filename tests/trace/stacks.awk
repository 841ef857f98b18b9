# SPDX-License-Identifier: ISC
# tests/trace/stacks.awk - are the stacks that are wanted in a trace?
#
#	awk -f stacks.awk wanted events
#
# wanted is what test_stacks writes, see there.  events comes from tracecheck
# -events or go tool trace -d.  Prints what is missing; exit status 1 if any is.

NR == FNR { wanted[++n] = $0; next }

/^M=-?[0-9]/ { judge(); begin_event(); next }
/^TransitionStack=$/ { of = 1; next }
/^Stack=$/ { of = 0; next }
/^\t\t/ { sub(/.*:/, ""); frames[of] = frames[of] ";" name ":" $0; next }
/^\t/ { name = $1 }

function value(key,	s)
{
	s = " " $0
	if (!match(s, " " key "=\""))
		return ""
	s = substr(s, RSTART + RLENGTH)
	return substr(s, 1, index(s, "\"") - 1)
}

function begin_event()
{
	frames[0] = frames[1] = ""
	what = $4
	detail = value("Reason") value("Name") value("Type") value("Category")
	if (what == "StateTransition" && / GoID=/ && match($0, /[A-Za-z]+->[A-Za-z]+/))
		what = substr($0, RSTART, RLENGTH)
}

# Is the stack, as ";name:line;name:line", the wanted one, or does it begin so?
function same(stack, w,	i, k, a, b)
{
	k = split(substr(w, 2), a, ";")
	if (split(substr(stack, 2), b, ";") < k)
		return 0
	for (i = 1; i <= k; i++) {
		if (a[i] ~ /:0$/)
			sub(/:[0-9]+$/, ":0", b[i])
		if (a[i] != b[i])
			return 0
	}
	return 1
}

function judge_one(key, stack,	i)
{
	for (i = 1; i <= n; i++)
		if (index(wanted[i], key ";") == 1 &&
		    same(stack, substr(wanted[i], length(key) + 1)))
			found[i] = 1
}

function judge()
{
	judge_one(what ";" detail, frames[0])
	judge_one("Of " what ";" detail, frames[1])
}

END {
	judge()
	for (i = 1; i <= n; i++)
		if (!found[i]) {
			print "missing: " wanted[i]
			bad = 1
		}
	exit bad || !n
}
