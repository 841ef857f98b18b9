# kernel/lockrank.awk - make lockrank.h from lockrank.tbl.
BEGIN {
	print "/* Made from kernel/lockrank.tbl. */"
	print "#ifndef LOCKRANK_H\n#define LOCKRANK_H\n"
	print "enum lock_rank {"
}
/^[A-Z]/ {
	printf "\tRANK_%s,\n", $1
	names = names "\t\"" $1 "\", \\\n"
	if ($2 == "g0")
		mask = mask " | 1u << RANK_" $1
	else if ($2 != "any") {
		print "lockrank.tbl:" NR ": column 2 is g0 or any" > "/dev/stderr"
		exit 1
	}
}
END {
	print "\tNR_LOCK_RANKS\n};\n"
	print "#define LOCK_RANK_NAMES \\\n" names "\n"
	print "#define LOCK_RANKS_ON_G0\t(0u" mask ")\n"
	print "#endif"
}
