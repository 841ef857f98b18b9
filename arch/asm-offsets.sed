# SPDX-License-Identifier: ISC
# Turns the markers that <arch/kbuild.h> leaves in the compiler's output into
# #defines.  A CPU's sign of an immediate ($ or #) is dropped.
/^[[:space:]]*\.ascii[[:space:]]*"->/ {
	s/^[[:space:]]*\.ascii[[:space:]]*"//
	s/"[[:space:]]*$//
	s/^->#\(.*\)/\/* \1 *\//
	s/^->\([^ ]*\) [$#]*\([^ ]*\) *\(.*\)/#define \1 \2 \/* \3 *\//
	s/^->$//
	p
}
