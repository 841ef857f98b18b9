# kernel/lockrank.awk - from lockrank.tbl make lockrank.h, or with
# -v picture=1 a picture of the order in the language of Graphviz.

function die(what)
{
	print "lockrank.tbl:" NR ": " what > "/dev/stderr"
	failed = 1
	exit 1
}

/^[A-Z]/ {
	if (NF != 3)
		die("want three columns")
	if ($2 != "any" && $2 != "g0")
		die("column 2 is g0 or any")
	name[++n] = $1
	stack[n] = $2
	number[$1] = n
	m = split($3, words, ",")
	for (i = 1; i <= m; i++) {
		if (words[i] == "-")
			continue
		edges[++nedges] = words[i] " -> " $1
		if (words[i] == "goroutine") {
			for (k = 1; k < n; k++)
				if (stack[k] == "any")
					inside[n, k] = 1
		} else if (!(words[i] in number) || number[words[i]] == n) {
			die(words[i] " does not stand above " $1)
		} else {
			inside[n, number[words[i]]] = 1
		}
	}
}

function header(	i, k)
{
	print "/* Made from kernel/lockrank.tbl. */"
	print "#ifndef LOCKRANK_H\n#define LOCKRANK_H\n"
	print "enum lock_rank {"
	for (i = 1; i <= n; i++)
		print "\tRANK_" name[i] ","
	print "\tNR_LOCK_RANKS\n};\n"
	print "#define LOCK_RANK_NAMES \\"
	for (i = 1; i <= n; i++)
		print "\t\"" name[i] "\", \\"
	printf "\n#define LOCK_RANKS_ON_G0\t(0u"
	for (i = 1; i <= n; i++)
		if (stack[i] == "g0")
			printf " | 1u << RANK_%s", name[i]
	print ")\n\n/* Per rank: what may be held, taken last, when it is taken. */"
	print "#define LOCK_RANKS_INSIDE \\"
	for (i = 1; i <= n; i++) {
		printf "\t[RANK_%s] = 0u", name[i]
		for (k = 1; k < i; k++)
			if (inside[i, k])
				printf " | 1u << RANK_%s", name[k]
		print ", \\"
	}
	print "\n#endif"
}

function draw(	i)
{
	print "/* Made from kernel/lockrank.tbl: who holds one may take those it points to. */"
	print "digraph lockorder {\n\trankdir=TB; node [shape=box];"
	print "\tgoroutine [shape=ellipse, label=\"on a goroutine stack\"];"
	for (i = 1; i <= n; i++) {
		printf "\t%s [style=%s];\n", name[i],
			stack[i] == "g0" ? "filled" : "solid"
		if (stack[i] == "any")
			printf "\t%s -> goroutine;\n", name[i]
	}
	for (i = 1; i <= nedges; i++)
		printf "\t%s;\n", edges[i]
	print "}"
}

END {
	if (failed)
		exit 1
	if (picture)
		draw()
	else
		header()
}
