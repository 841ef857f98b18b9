// SPDX-License-Identifier: ISC
/*
 * arch/checkstack/ci.c - read what gcc writes with -fcallgraph-info=su.
 *
 *	node: { title: "T" label: "name\nfile:line:col\n48 bytes (static)" }
 *	edge: { sourcename: "T" targetname: "U" label: "file:line:col" }
 *
 * one per line; "\n" are two characters.  T is the name of a function, behind
 * the name of a file if only that knows it.  A node without bytes is a
 * function defined elsewhere.  It is the graph after inlining.
 */
#include "checkstack.h"

#include <stdlib.h>
#include <string.h>

/* The string behind key in line, which runs up to the next quote. */
static char *quoted(const char *line, const char *key)
{
	const char *s = strstr(line, key), *end;

	if (!s)
		return NULL;
	s += strlen(key);
	end = strchr(s, '"');
	return end ? copy_string(s, (size_t)(end - s)) : NULL;
}

static struct fn *by_title(const char *object, const char *title)
{
	const char *name = strrchr(title, ':');

	return name ? fn_get(object, name + 1) : fn_get(NULL, title);
}

static void read_node(const char *object, const char *line)
{
	char *title = quoted(line, "title: \""), *s;
	char *label = quoted(line, "label: \"");
	struct fn *f;

	if (!title || !label)
		die("%s: not understood: %s", object, line);
	f = by_title(object, title);
	s = strstr(label, "\\n");
	if (!s)
		return;
	label = s + 2;
	s = strstr(label, "\\n");
	if (!s) {
		if (!f->where)
			f->where = label;
		return;
	}
	*s = '\0';
	f->where = label;
	f->object = object;
	f->frame = strtol(s + 2, NULL, 10);
	f->dynamic = strstr(s + 2, "(dynamic)") != NULL;
}

static void read_edge(const char *object, const char *line)
{
	const char *from = quoted(line, "sourcename: \"");
	const char *to = quoted(line, "targetname: \"");

	if (!from || !to)
		die("%s: not understood: %s", object, line);
	edge_add(by_title(object, from), by_title(object, to),
		 quoted(line, "label: \""));
}

/* The name of the object is returned: the file beside it. */
const char *ci_read(const char *path)
{
	size_t n = strlen(path);
	char *object, *text, *line;

	if (n < 4 || strcmp(path + n - 3, ".ci"))
		die("%s: the name does not end in .ci", path);
	object = copy_string(path, n - 1);
	memcpy(object + n - 3, ".o", 3);
	text = read_whole(path, NULL);
	if (strncmp(text, "graph:", 6))
		die("%s: not written by -fcallgraph-info", path);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, "node:", 5))
			read_node(object, line);
		else if (!strncmp(line, "edge:", 5))
			read_edge(object, line);
	}
	return object;
}
