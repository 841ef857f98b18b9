# SPDX-License-Identifier: ISC
# tests/compile_commands.awk - make compile_commands.json of .cmd files
#
# A .cmd file begins with "savedcmd_<object> := <command>"; the last word of a
# command with -c is the source.

function json(s)
{
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "\"" s "\""
}

BEGIN { print "[" }

/^savedcmd_.* -c / {
	out = $1
	sub(/^savedcmd_/, "", out)
	sub(/^savedcmd_[^ ]* := /, "")
	gsub(/\$\$/, "$")
	gsub(/\$\(pound\)/, "#")
	printf "%s{ \"directory\": %s,\n  \"file\": %s,\n  \"output\": %s,\n  \"command\": %s }", \
		sep, json(dir), json($NF), json(out), json($0)
	sep = ",\n"
}

END { print "\n]" }
