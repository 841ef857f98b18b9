// SPDX-License-Identifier: ISC
/*
 * trace/cmd/flame_svg.c - draw a tree of calls as a flame graph.
 *
 * B. Gregg, "The Flame Graph", CACM 59(6), 2016: a function is as wide as what
 * was measured in it and in what it called, stands on its caller, and those
 * with one caller stand side by side by name, not by time.
 *
 * A frame is a nested <svg>: what of its name has no room is clipped by the
 * viewer, and the script moves it by two attributes.  Positions are percents,
 * so that the picture can be as wide as the window.  Without the script it is
 * WIDTH wide, names are as far as they fit, and titles show on hover.
 *
 * The size of the file is bounded: only the MAX_FRAMES widest frames are
 * drawn, at most MAX_DEPTH high, and a line says what was left out.
 *
 * The same tree gives the same file: hashes that are seeded decide nothing.
 *
 * Rejected: names shortened here to what fits, as they must be by a script
 * again after each zoom, by guesses of how wide letters are.
 *
 * Invariants:
 *  I1  A frame that is drawn stands on one that is drawn: whatever is as
 *      heavy as what is drawn is drawn as well, the first come first, and a
 *      parent is not lighter than its children and came before them.
 *  I2  Frames stand in the file in the order of a depth-first walk: flame.js.
 */
#define _GNU_SOURCE

#include "flame_svg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "format.h"

#define MAX_FRAMES	10000u
#define MAX_DEPTH	1000u
#define WIDTH		1200u
#define MARGIN		10u
#define TOP		52u	/* above the highest frame */
#define BOTTOM		30u
#define ROW		17u
#define NARROW		24.0	/* px; no name, no edge */
#define MAX_NAME	200u	/* bytes of a name that are drawn */
#define NR_HUES		8u

extern const char flame_js[], flame_js_end[];

/* A frame that is drawn.  x and weight are in the unit of the tree. */
struct frame {
	u64 x;
	u64 weight;
	u64 filled;		/* x of the next frame that stands on it */
	u32 node;
	u32 depth;
};

struct drawing {
	FILE *f;
	struct calltree *tree;
	const struct flame *flame;
	struct frame *frames;
	u32 nframes;
	u32 light, deep;	/* how many were left out, and why */
	u64 most_light;		/* the most weight of what was too light */
	u32 depth;		/* of the highest */
};

/* --- what to draw, and where --- */

/* The heaviest first, and parents before their children. */
static int by_weight(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void choose_frames(struct drawing *d)
{
	const struct callnode *n;
	u32 i;

	d->frames = cmd_alloc(d->tree->nodes.n * sizeof(*d->frames));
	for (i = 0; i < d->tree->nodes.n; i++) {
		n = calltree_node(d->tree, i);
		if (n->total && n->depth < MAX_DEPTH)
			d->frames[d->nframes++] = (struct frame){
				.weight = n->total, .node = i,
				.depth = n->depth };
		else
			d->deep += n->total != 0;
	}
	if (d->nframes > MAX_FRAMES) {
		qsort(d->frames, d->nframes, sizeof(*d->frames), by_weight);
		d->light = d->nframes - MAX_FRAMES;
		d->most_light = d->frames[MAX_FRAMES].weight;
		d->nframes = MAX_FRAMES;
	}
	for (i = 0; i < d->nframes; i++)
		if (d->frames[i].depth > d->depth)
			d->depth = d->frames[i].depth;
}

static struct tracefile_str frame_name(const struct calltree *t, u32 node)
{
	if (!node)
		return (struct tracefile_str){ "all", 3 };
	return calltree_name_text(t, calltree_name_of(calltree_node(t, node)));
}

static int compare_names(struct tracefile_str a, struct tracefile_str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int c = len ? memcmp(a.p, b.p, len) : 0;

	return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

/* Siblings beside each other, by name; parents before their children. */
static int by_parent(const void *a, const void *b, void *tree)
{
	const struct frame *x = a, *y = b;
	u32 p = x->node ? calltree_parent(calltree_node(tree, x->node)) + 1 : 0;
	u32 q = y->node ? calltree_parent(calltree_node(tree, y->node)) + 1 : 0;

	if (p != q)
		return p < q ? -1 : 1;
	return compare_names(frame_name(tree, x->node),
			     frame_name(tree, y->node));
}

static int by_place(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->x != y->x)
		return x->x < y->x ? -1 : 1;
	return x->depth < y->depth ? -1 : x->depth > y->depth;
}

static void place_frames(struct drawing *d)
{
	u32 *frame_of = cmd_alloc(d->tree->nodes.n * sizeof(*frame_of));
	struct frame *fr, *parent;
	u32 i;

	qsort_r(d->frames, d->nframes, sizeof(*d->frames), by_parent, d->tree);
	for (i = 0; i < d->nframes; i++) {
		fr = &d->frames[i];
		frame_of[fr->node] = i;
		if (!fr->node)
			continue;
		parent = &d->frames[frame_of[calltree_parent(
			calltree_node(d->tree, fr->node))]];
		fr->x = parent->filled;
		fr->filled = fr->x;
		parent->filled += fr->weight;
	}
	free(frame_of);
	qsort(d->frames, d->nframes, sizeof(*d->frames), by_place);
}

/* --- drawing --- */

static const struct {
	unsigned int hue[NR_HUES];
	unsigned int saturation;	/* percent */
} colours[FLAME_COLOURS] = {
	[FLAME_WARM] = { { 4, 12, 18, 24, 30, 36, 42, 48 }, 88 },
	[FLAME_BLUE] = { { 186, 192, 198, 204, 210, 216, 222, 228 }, 75 },
	[FLAME_VIOLET] = { { 256, 264, 272, 280, 288, 296, 304, 312 }, 60 },
};

static void put_fills(const struct drawing *d, unsigned int light)
{
	unsigned int i;

	for (i = 0; i < NR_HUES; i++)
		fprintf(d->f, ".k%u rect{fill:hsl(%u,%u%%,%u%%)}\n", i,
			colours[d->flame->colours].hue[i],
			colours[d->flame->colours].saturation * light / 70,
			light);
}

static void put_style(const struct drawing *d)
{
	fputs("<style>\n"
	      "svg{background:#fff;font:12px system-ui,sans-serif;"
	      "color-scheme:light dark}\n"
	      "text{fill:#111}\n"
	      ".title{font-size:17px;font-weight:600}\n"
	      ".note,.matched{fill:#666}\n"
	      ".f{cursor:pointer;background:none}\n"
	      ".f rect{stroke:#fff;stroke-width:.7}\n"
	      ".f:hover rect{stroke:#111}\n"
	      ".n rect{stroke:none}\n"
	      ".n text{display:none}\n"
	      ".caller{opacity:.55}\n"
	      ".searching rect{opacity:.3}\n"
	      ".searching .hit rect{opacity:1;stroke:#111}\n"
	      ".reset{cursor:pointer;fill:#06c}\n"
	      "foreignObject{transform:translateX(-260px)}\n"
	      "input{box-sizing:border-box;width:100%;font:inherit}\n", d->f);
	put_fills(d, 70);
	fputs("@media (prefers-color-scheme:dark){\n"
	      "svg{background:#181818}\n"
	      "text{fill:#eee}\n"
	      ".note,.matched{fill:#aaa}\n"
	      ".f rect{stroke:#181818}\n"
	      ".f:hover rect,.searching .hit rect{stroke:#eee}\n"
	      ".reset{fill:#6af}\n", d->f);
	put_fills(d, 35);
	fputs("}\n</style>\n", d->f);
}

/* The same function has the same colour in every graph.  FNV-1a. */
static unsigned int hue_of(struct tracefile_str name)
{
	u32 h = 2166136261u;
	size_t i;

	for (i = 0; i < name.len; i++)
		h = (h ^ (u8)name.p[i]) * 16777619u;
	return (h >> 16) % NR_HUES;
}

static void put_weight(const struct drawing *d, u64 weight)
{
	char buf[FORMAT_NS];

	if (!strcmp(d->flame->unit, "ns")) {
		fputs(format_ns(buf, weight), d->f);
		return;
	}
	fprintf(d->f, "%" PRIu64 "%s", weight, *d->flame->unit ? " " : "");
	put_xml(d->f, d->flame->unit, strlen(d->flame->unit));
}

static double percent_of(const struct drawing *d, u64 weight)
{
	return (double)weight / (double)d->frames[0].weight * 100;
}

static void put_frame(const struct drawing *d, const struct frame *fr)
{
	struct tracefile_str name = frame_name(d->tree, fr->node);
	double width = percent_of(d, fr->weight);
	bool narrow = width * (WIDTH - 2 * MARGIN) / 100 < NARROW;

	fprintf(d->f, "<svg class=\"f k%u%s\" x=\"%.6f%%\" y=\"%u\" "
		"width=\"%.6f%%\" height=\"%u\"><title>", hue_of(name),
		narrow ? " n" : "", percent_of(d, fr->x),
		(d->depth - fr->depth) * ROW, width, ROW - 1);
	put_xml(d->f, name.p, name.len);
	fputs(" (", d->f);
	put_weight(d, fr->weight);
	fprintf(d->f, ", %.2f%%)</title><rect width=\"100%%\" height=\"100%%\""
		"/><text x=\"3\" y=\"12\">", width);
	put_xml(d->f, name.p, utf8_cut(name.p, name.len, MAX_NAME));
	fputs("</text></svg>\n", d->f);
}

static void put_text(const struct drawing *d, const char *class,
		     const char *attributes, const char *text)
{
	fprintf(d->f, "<text class=\"%s\" %s>", class, attributes);
	put_xml(d->f, text, strlen(text));
	fputs("</text>\n", d->f);
}

/* From which file, how much, what is not there. */
static void put_note(const struct drawing *d)
{
	fprintf(d->f, "<text class=\"note\" x=\"%u\" y=\"42\">", MARGIN);
	put_xml(d->f, d->flame->file, strlen(d->flame->file));
	if (d->nframes) {
		fputs(": ", d->f);
		put_weight(d, d->frames[0].weight);
	}
	if (d->light) {
		fprintf(d->f, "; left out: %u frames of at most ", d->light);
		put_weight(d, d->most_light);
	}
	if (d->deep)
		fprintf(d->f, "; left out: %u frames above the %uth", d->deep,
			MAX_DEPTH);
	fputs("</text>\n", d->f);
}

static void put_chart(const struct drawing *d)
{
	u32 i;

	fprintf(d->f, "<svg class=\"chart\" x=\"%u\" y=\"%u\" width=\"%u\" "
		"height=\"%u\">", MARGIN, TOP, WIDTH - 2 * MARGIN,
		(d->depth + 1) * ROW);
	for (i = 0; i < d->nframes; i++)
		put_frame(d, &d->frames[i]);
	fputs("</svg>\n", d->f);
}

static void put_script(const struct drawing *d)
{
	fputs("<script><![CDATA[\n", d->f);
	fwrite(flame_js, 1, (size_t)(flame_js_end - flame_js), d->f);
	fputs("]]></script>\n", d->f);
}

static void put_all(const struct drawing *d)
{
	unsigned int height = TOP + (d->depth + 1) * ROW + BOTTOM;
	char at[64];

	fprintf(d->f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
		"height=\"%u\" aria-label=\"", WIDTH, height);
	put_xml(d->f, d->flame->title, strlen(d->flame->title));
	fputs("\">\n", d->f);
	put_style(d);
	put_text(d, "title", "x=\"10\" y=\"24\"", d->flame->title);
	put_note(d);
	if (!d->nframes)
		put_text(d, "empty", "x=\"10\" y=\"66\"", d->flame->empty);
	put_chart(d);
	snprintf(at, sizeof(at), "x=\"10\" y=\"%u\"", height - 10);
	put_text(d, "detail", at, "");
	put_text(d, "matched", "x=\"100%\" dx=\"-10\" y=\"48\" "
		 "text-anchor=\"end\"", "");
	put_text(d, "reset", "x=\"100%\" dx=\"-280\" y=\"25\" "
		 "text-anchor=\"end\" style=\"display:none\"", "show all");
	put_script(d);
	fputs("</svg>\n", d->f);
}

void flame_svg(FILE *f, struct calltree *t, const struct flame *fl)
{
	struct drawing d = { .f = f, .tree = t, .flame = fl };

	calltree_sum(t);
	choose_frames(&d);
	place_frames(&d);
	put_all(&d);
	free(d.frames);
}
