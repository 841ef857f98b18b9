// SPDX-License-Identifier: ISC
/*
 * mm/mksizeclass.c - host tool: chooses the size classes of the heap and
 * prints sizeclass.h; with -t the same as a table to read.
 *
 * Sizes are 8, the multiples of 16 up to 128, and from there on eight per
 * doubling, at equal distances.  So all powers of two are classes, rounding
 * up wastes less than one part in nine, and what is rounded up to a multiple
 * of a power of two gets an object at a multiple of it (check_aligned()).
 *
 * A span has the fewest pages that hold enough objects, lose little at the
 * end, and keep the worst waste of the class, rounding and end together,
 * within one part in eight.  Up to 128 bytes rounding alone may be more:
 * there the bound is 15 bytes an object.
 *
 * Rejected: fewer classes with spans cut to fit, as Go has them (67 instead
 * of 73 up to 32 KiB): their sizes are multiples of little, so that aligned
 * allocation must look for a class that fits.
 *
 * Everything promised is proved here by trying all cases; the tool fails
 * where it does not hold.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE		8192u
#define MAX_PAGES	16u
#define MAX_SMALL	32768u
#define MAX_CLASSES	128u
#define WORD_BITS	64u

/* Above, steps depend on the size. */
#define FINE_MAX	128u
#define STEPS		8u

/* Worst waste of rounding and end, of the end alone: parts of the span. */
#define WASTE_PARTS	8u
#define TAIL_PARTS	64u

/* The lookup tables: one entry per 8 bytes up to here, then per 128. */
#define NEAR_MAX	1024u

struct class {
	uint32_t size, pages, objs, magic, words;
	uint32_t round;		/* bytes rounding costs an object, at worst */
	uint32_t tail;		/* bytes at the end of the span */
};

/* Class 0 is none, as large objects have none. */
static struct class class[MAX_CLASSES];
static unsigned int nr_classes = 1;

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("mksizeclass: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* Smallest class of at least size bytes, the slow way. */
static unsigned int find(uint32_t size)
{
	unsigned int i;

	for (i = 1; i < nr_classes; i++) {
		if (class[i].size >= size)
			return i;
	}
	die("no class for %u bytes", size);
}

static uint32_t next_size(uint32_t size)
{
	uint32_t octave = FINE_MAX;

	if (size < 16)
		return size + 8;
	while (2 * octave <= size)
		octave *= 2;
	return size + octave / STEPS;
}

static uint32_t min_objs(uint32_t size)
{
	if (size <= 128)
		return 64;
	if (size <= 256)
		return 40;
	if (size <= 512)
		return 32;
	if (size <= 2048)
		return 8;
	return size <= 4096 ? 4 : 2;
}

/* Bytes of a full span that nobody asked for, if all ask for the least. */
static uint32_t worst_waste(const struct class *c)
{
	return c->tail + c->objs * c->round;
}

static bool good_span(const struct class *c)
{
	uint32_t bytes = c->pages * PAGE;

	if (c->objs < min_objs(c->size) || c->tail > bytes / TAIL_PARTS)
		return false;
	if (c->size <= FINE_MAX)
		return c->round <= 15;
	return worst_waste(c) <= bytes / WASTE_PARTS;
}

static void choose_span(struct class *c)
{
	for (c->pages = 1; c->pages <= MAX_PAGES; c->pages++) {
		c->objs = c->pages * PAGE / c->size;
		c->tail = c->pages * PAGE % c->size;
		if (good_span(c))
			return;
	}
	die("no span of at most %u pages is good for %u bytes", MAX_PAGES,
	    c->size);
}

static void choose_classes(void)
{
	uint32_t prev = 0, size;

	for (size = 8; size <= MAX_SMALL; size = next_size(size)) {
		struct class *c = &class[nr_classes++];

		if (nr_classes > MAX_CLASSES)
			die("more than %u classes", MAX_CLASSES - 1);
		c->size = size;
		c->round = size - prev - 1;
		choose_span(c);
		c->magic = (((uint64_t)1 << 32) + size - 1) / size;
		/* With one for what may lie behind the last object. */
		c->words = (c->pages * PAGE - 1) / c->size / WORD_BITS + 1;
		prev = size;
	}
	if (prev != MAX_SMALL)
		die("the last class has %u bytes", prev);
}

/* Division by multiplication is exact for every byte of a span. */
static void check_magic(const struct class *c)
{
	uint32_t off;

	for (off = 0; off < c->pages * PAGE; off++) {
		if ((uint64_t)off * c->magic >> 32 != off / c->size)
			die("magic of %u bytes is wrong at %u", c->size, off);
	}
}

/*
 * What is rounded up to a multiple of a power of two is in a class that is a
 * multiple of it, too.
 */
static void check_aligned(void)
{
	uint32_t align, size;

	for (align = 8; align <= MAX_SMALL; align *= 2) {
		for (size = align; size <= MAX_SMALL; size += align) {
			if (class[find(size)].size % align)
				die("%u bytes at %u are not aligned", size,
				    align);
		}
	}
}

/* All sizes of an entry of a lookup table have one class. */
static void check_entry(uint32_t from, uint32_t to)
{
	if (find(from) != find(to))
		die("%u and %u bytes differ in class", from, to);
}

static void check(void)
{
	unsigned int i;
	uint32_t size;

	for (i = 1; i < nr_classes; i++)
		check_magic(&class[i]);
	check_aligned();
	for (size = 8; size <= NEAR_MAX; size += 8)
		check_entry(size - 7, size);
	for (size = NEAR_MAX + 128; size <= MAX_SMALL; size += 128)
		check_entry(size - 127, size);
}

static double percent(const struct class *c)
{
	return 100.0 * worst_waste(c) / (c->pages * PAGE);
}

static void print_table(void)
{
	unsigned int i;

	printf("class   size  pages  objects  rounding  tail  worst waste\n");
	for (i = 1; i < nr_classes; i++) {
		const struct class *c = &class[i];

		printf("%5u  %5u  %5u  %7u  %8u  %4u  %10.2f%%\n", i, c->size,
		       c->pages, c->objs, c->round, c->tail, percent(c));
	}
}

/* One array of the header, from the field at offset off of each class. */
static void print_array(const char *type, const char *name, size_t off)
{
	unsigned int i;

	printf("static const %s class_%s[NR_SIZE_CLASSES] = {", type, name);
	for (i = 0; i < nr_classes; i++) {
		uint32_t v;

		memcpy(&v, (const char *)&class[i] + off, sizeof(v));
		printf("%s%u,", i % 6 ? " " : "\n\t", v);
	}
	printf("\n};\n\n");
}

/* A lookup table: entry i is for from + i * step bytes and those below. */
static void print_lookup(const char *name, uint32_t from, uint32_t to,
			 uint32_t step)
{
	uint32_t size;

	printf("static const u8 %s[%u] = {", name, (to - from) / step + 1);
	for (size = from; size <= to; size += step)
		printf("%s%u,", (size - from) / step % 16 ? " " : "\n\t",
		       find(size));
	printf("\n};\n\n");
}

static void print_header(void)
{
	const struct class *worst = &class[find(FINE_MAX + 1)];
	uint32_t words = 0;
	unsigned int i;

	for (i = 1; i < nr_classes; i++)
		if (class[i].words > words)
			words = class[i].words;
	for (i = find(FINE_MAX + 1); i < nr_classes; i++) {
		if (percent(&class[i]) > percent(worst))
			worst = &class[i];
	}
	printf("/* Made by mm/mksizeclass.c. */\n"
	       "#ifndef SIZECLASS_H\n#define SIZECLASS_H\n\n"
	       "#include <arch/compiler.h>\n\n"
	       "/*\n * Worst waste above %u bytes, by rounding and at the end "
	       "of the span: %.2f%%\n * (of %u bytes).  Up to there rounding "
	       "is at most 15 bytes an object.\n */\n",
	       FINE_MAX, percent(worst), worst->size);
	printf("#define NR_SIZE_CLASSES\t%u\t/* class 0: none, large */\n"
	       "#define SIZE_MAX_SMALL\t%u\n#define CLASS_WORDS_MAX\t%u\n\n",
	       nr_classes, MAX_SMALL, words);
	print_array("u32", "size", offsetof(struct class, size));
	printf("/* Of a span, of %u bytes each. */\n", PAGE);
	print_array("u8", "pages", offsetof(struct class, pages));
	print_array("u16", "objs", offsetof(struct class, objs));
	printf("/* ceil(2^32 / size): off * magic >> 32 is off / size for every "
	       "byte\n * of a span. */\n");
	print_array("u32", "magic", offsetof(struct class, magic));
	printf("/* Of %u bits, for each object and the rest behind the last. */\n",
	       WORD_BITS);
	print_array("u8", "words", offsetof(struct class, words));
	print_lookup("class_of_near", 0, NEAR_MAX, 8);
	print_lookup("class_of_far", NEAR_MAX, MAX_SMALL, 128);
	printf("/* The smallest class for size, at most SIZE_MAX_SMALL; 0 has "
	       "one, too. */\n"
	       "static inline unsigned int size_class_of(size_t size)\n{\n"
	       "\tif (likely(size <= %u))\n"
	       "\t\treturn class_of_near[(size + 7) >> 3];\n"
	       "\treturn class_of_far[(size - %u + 127) >> 7];\n}\n\n#endif\n",
	       NEAR_MAX, NEAR_MAX);
}

int main(int argc, char **argv)
{
	bool table = argc == 2 && !strcmp(argv[1], "-t");

	if (argc > 1 && !table)
		die("usage: mksizeclass [-t]");
	choose_classes();
	check();
	if (table)
		print_table();
	else
		print_header();
	if (fflush(stdout) || ferror(stdout))
		die("cannot write");
	return 0;
}
