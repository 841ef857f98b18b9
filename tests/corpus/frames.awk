# SPDX-License-Identifier: ISC
# tests/corpus/frames.awk - every frame is as large as the compiler says.
#
#	awk -f frames.awk -v base=8 x.su x.frames
#
# base: what the compiler counts of the caller's frame (x86-64 with gcc: the
# return address).  The k-th function of a name in one file is the k-th in the
# other: clones (.part, .isra) have the name of their origin in x.su.  Prints
# what is wrong, and last how many frames it compared.

function origin(name)
{
	sub(/\.(part|isra|constprop|lto_priv|[0-9]).*$/, "", name)
	return name
}

FILENAME == ARGV[1] {
	n = split($0, part, "\t")
	name = part[1]
	sub(/.*:/, "", name)
	name = origin(name)
	k = ++known[name]
	size[name, k] = part[2] - base
	kind[name, k] = part[3]
	next
}

{
	name = $1
	sub(/.*:/, "", name)
	full = name
	name = origin(name)
	k = ++seen[name]
	if (!((name, k) in size)) {
		print full ": the compiler says nothing about it"
		bad = 1
		next
	}
	if ($3 ~ /nosplit/ || kind[name, k] == "dynamic")
		next
	compared++
	if ($2 < size[name, k]) {
		print full ": frame " $2 ", compiler says " size[name, k]
		bad = 1
	}
}

END {
	for (name in known)
		if (known[name] > seen[name]) {
			print name ": missing in the tool's output"
			bad = 1
		}
	print compared + 0
	exit bad
}
