# tests/stacksplit/compare.awk - frames against -fstack-usage.
#
#	awk -f compare.awk -v base=8 -v slop=64 x.su x.frames
#
# base: what the compiler counts at the entry itself (x86-64's return address).
# A frame may not be smaller than what the compiler says, and not much larger.
# A call pushes base bytes, and alignment is a worst case.  cfi=1: CFI must agree
# (clang describes no epilogues on arm64).  skip: a function to which clang
# passes structures that it does not count.

function clone_of(name)
{
	sub(/\.(part|isra|constprop|lto_priv|cold|[0-9]).*$/, "", name)
	return name
}

BEGIN { FS = "[\t ]" }

FNR == NR {
	n = split($1, part, ":")
	name = clone_of(part[n])
	size = $2 - base
	if ($3 == "static") {
		if (!(name in least) || size < least[name])
			least[name] = size
		if (!(name in most) || size > most[name])
			most[name] = size
	} else {
		dynamic[name] = 1
	}
	next
}

{
	sub(/^[^:]*:/, "", $1)
	name = clone_of($1)
	seen++
	if ($3 ~ /oddreturn/ || (cfi && $3 ~ /oddcfi/)) {
		print $1 ": " $3
		bad = 1
	}
	if ($3 ~ /dynamic|nosplit/ || name in dynamic || !(name in least))
		next
	compared++
	extra = slop + ($3 ~ /redzone/ ? 128 : 0)
	extra += name ~ /aligned/ ? 272 : 0	# the padding of aligned frames
	if (name == skip)
		extra += 1e6
	if ($2 < least[name] || $2 > most[name] + base + extra) {
		print $1 ": frame " $2 ", compiler says " least[name] \
			(least[name] == most[name] ? "" : "-" most[name])
		bad = 1
	}
}

END {
	if (!compared) {
		print "nothing compared"
		bad = 1
	}
	if (verbose)
		print compared " of " seen " compared"
	exit bad
}
