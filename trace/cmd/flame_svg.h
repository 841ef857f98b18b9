/* SPDX-License-Identifier: ISC */
/*
 * trace/cmd/flame_svg.h - draw a tree of calls as a flame graph.
 */
#ifndef TRACE_CMD_FLAME_SVG_H
#define TRACE_CMD_FLAME_SVG_H

#include <stdio.h>

#include "calltree.h"

enum flame_colours {
	FLAME_WARM,
	FLAME_BLUE,
	FLAME_VIOLET,
	FLAME_COLOURS
};

struct flame {
	const char *title;
	const char *file;	/* what it was made from */
	const char *unit;	/* of the weights; "ns": shown as times */
	const char *empty;	/* what to say if there is nothing to draw */
	enum flame_colours colours;
};

/* A whole SVG file.  Changes the tree's totals. */
void flame_svg(FILE *f, struct calltree *t, const struct flame *fl);

#endif
