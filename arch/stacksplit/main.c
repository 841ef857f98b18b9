/*
 * arch/stacksplit/main.c - put stack checks into compiled code.
 *
 *	as [as's options] file.s	rewrite, then run the real assembler
 *	stacksplit -S file.s		print the rewritten text
 *	stacksplit --gort-print file.s	the same
 *	stacksplit --gort-frames file.s	print "source:function frame flags"
 *
 * Compilers are given -B<directory> with this program in it under the name
 * `as`, so that every build works as it is: any compiler, any option.
 *
 * Rejected: a compiler plug-in (one per compiler and version); gcc's
 * -fsplit-stack (x86-64 only, and one more set of rules); binary rewriting
 * of objects (relaxation is over by then).
 */
#include "stacksplit.h"

int main(int argc, char **argv)
{
	return driver_main(argc, argv);
}
