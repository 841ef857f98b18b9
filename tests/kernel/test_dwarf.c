// SPDX-License-Identifier: ISC
/*
 * tests/kernel/test_dwarf.c - lines of this program, and line programs made
 * by hand: good, odd, truncated and corrupted ones.
 *
 * What is made by hand ends where a PROT_NONE page begins, so that reading
 * one byte too many is a crash with or without a sanitizer.
 *
 * Called as "test_dwarf FILE" it reads link-time addresses from standard
 * input and prints what dwarf.c says of each: test_lines.sh compares that
 * with addr2line.
 */
#include "kernel/dwarf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/symtab.h"
#include "tests/kernel/check.h"

#define PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define HANG_SECONDS	50	/* below the runner's 60 */

static u32 seed = 1;

static u32 random_below(u32 n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* --- this process --- */

/* An address in the instruction that gets it. */
#if defined(__x86_64__)
#define PC_HERE(pc)	__asm__ volatile("leaq -1(%%rip), %0" : "=r" (pc))
#elif defined(__aarch64__)
#define PC_HERE(pc)	__asm__ volatile("adr %0, ." : "=r" (pc))
#endif

static void expect_line(uintptr_t pc, u32 want)
{
	struct line line = { 0 };
	char path[256];

	assert_true(symtab_line(pc, &line));
	snprintf(path, sizeof(path), "%s/%s", line.dir, line.file);
	assert_non_null(strstr(path, "tests/kernel/test_dwarf.c"));
	assert_int_equal(line.line, want);
}

static void test_own_lines(void **state)
{
	uintptr_t pc;

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		PC_HERE(pc); expect_line(pc, __LINE__);

		PC_HERE(pc);
		expect_line(pc, __LINE__ - 1);
		symtab_refresh();
	}
}

static void test_unknown_pc(void **state)
{
	void *data = malloc(16), *code;
	struct line line = { .line = 4711 };

	(void)state;
	code = mmap(NULL, PAGE, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	errno = 4321;
	assert_false(symtab_line(0, &line));
	assert_false(symtab_line(1, &line));
	assert_false(symtab_line(UINTPTR_MAX, &line));
	assert_false(symtab_line((uintptr_t)data, &line));
	assert_false(symtab_line((uintptr_t)code, &line));
	assert_int_equal(errno, 4321);
	assert_int_equal(line.line, 4711);
	munmap(code, PAGE);
	free(data);
	symtab_refresh();
}

/* More than the cache has room for, and in each other's place there. */
static void test_many_lines(void **state)
{
	struct line line = { 0 }, other = { 0 };
	u32 found = 0, differ = 0;
	uintptr_t pc;

	(void)state;
	PC_HERE(pc);
	for (int round = 0; round < 3; round++)
		for (uintptr_t i = 0; i < 3000; i++) {
			found += symtab_line(pc + i, &line);
			symtab_line(pc + i + 1024, &other);
			differ += line.line != other.line;
		}
	assert_true(found > 3000);
	assert_true(differ > 3000);
	expect_line(pc, __LINE__ - 9);
}

/* --- an ELF file in memory --- */

struct file {
	u8 *base;
	size_t size;
};

static struct file file_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct file f = { NULL, 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return f;
	f.size = (size_t)st.st_size;
	f.base = mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		      0);
	close(fd);
	if (f.base == MAP_FAILED)
		f.base = NULL;
	return f;
}

static Elf64_Shdr *file_section(const struct file *f, const char *name)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)f->base;
	Elf64_Shdr *sh = (Elf64_Shdr *)(f->base + eh->e_shoff);
	const char *names = (char *)f->base + sh[eh->e_shstrndx].sh_offset;

	for (int i = 0; i < eh->e_shnum; i++)
		if (strcmp(names + sh[i].sh_name, name) == 0)
			return &sh[i];
	fail_msg("no section %s", name);
	return NULL;
}

static size_t file_nlines(const struct file *f)
{
	struct symtab_image img = { .base = f->base, .size = f->size };
	struct dwarf_lines dl;
	size_t n;

	symtab_image_lines(&img, &dl);
	n = dl.count;
	dwarf_lines_destroy(&dl);
	return n;
}

/* Sections that cannot be used as they are. */
static void test_sections(void **state)
{
	struct file f = file_map("/proc/self/exe");
	Elf64_Shdr *sh, good;

	(void)state;
	assert_non_null(f.base);
	assert_true(file_nlines(&f) > 10);
	sh = file_section(&f, ".debug_line");
	good = *sh;
	sh->sh_flags |= SHF_COMPRESSED;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	sh->sh_type = SHT_NOBITS;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	sh->sh_name++;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	sh->sh_name = UINT32_MAX;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	sh->sh_offset = f.size - sh->sh_size + 1;
	assert_int_equal(file_nlines(&f), 0);
	sh->sh_offset = UINT64_MAX;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	sh->sh_size = f.size;
	assert_int_equal(file_nlines(&f), 0);
	sh->sh_size = 0;
	assert_int_equal(file_nlines(&f), 0);
	*sh = good;
	assert_true(file_nlines(&f) > 10);
	munmap(f.base, f.size);
}

/* --- line programs made by hand --- */

enum { VERSIONS = 4, FIRST_VERSION = 2 };

/* How to write a unit. */
struct style {
	u16 version;
	bool dwarf64;
	u8 min_inst_len;
	u8 max_ops;
	u8 line_range;
	u8 opcode_base;
};

static const struct style usual = {
	.version = 5, .min_inst_len = 1, .max_ops = 1, .line_range = 14,
	.opcode_base = 13,
};

static u8 *guard_map;		/* a page nobody may touch is at its end */
static size_t guard_size;

static u8 made[8192];
static size_t made_len;
static size_t unit_at, header_at;	/* where their lengths are */
static struct style style;
static size_t str_size;

static const char line_str[] = "\0/src\0sub\0five.c\0/abs/six.c";
static const char str[] = "\0seven.c";

static void put(u64 v, unsigned int n)
{
	assert_true(made_len + n <= sizeof(made));
	for (; n; n--, v >>= 8)
		made[made_len++] = (u8)v;
}

static void put_string(const char *s)
{
	while (*s)
		put((u8)*s++, 1);
	put(0, 1);
}

static void put_bytes(unsigned int n, ...)
{
	va_list ap;

	va_start(ap, n);
	while (n--)
		put((u64)va_arg(ap, int), 1);
	va_end(ap);
}

static void put_offset(u64 v)
{
	put(v, style.dwarf64 ? 8 : 4);
}

static void patch_offset(size_t at, u64 v)
{
	size_t end = made_len;

	made_len = at;
	put_offset(v);
	made_len = end;
}

static void made_begin(void)
{
	made_len = 0;
}

/* Directories /src (0), sub (1); files f1.c (1) in 0, f2.c (2) in 1. */
static void put_tables_v2(void)
{
	put_string("sub");
	put_string("");
	put_string("f1.c");
	put_bytes(3, 0, 0x81, 1);	/* directory, time 129, */
	put_bytes(1, 0);		/* size */
	put_string("f2.c");
	put_bytes(3, 1, 0, 0);
	put_string("/abs/f3.c");
	put_bytes(3, 1, 0, 0);
	put_string("f4.c");
	put_bytes(3, 9, 0, 0);		/* no such directory */
	put_string("");
}

/* File 0 is not 1, as where a unit begins with a function of a header. */
static void put_tables_v5(void)
{
	put_bytes(3, 1, 1, 0x1f);	/* path: line_strp */
	put_bytes(1, 2);
	put_offset(1);			/* /src */
	put_offset(6);			/* sub */
	/* Path and directory in all forms, a time, a checksum, a block. */
	put_bytes(11, 5, 1, 0x08, 2, 0x0b, 3, 0x0f, 5, 0x1e, 9, 0x0a);
	put_bytes(1, 5);
	for (int i = 0; i < 5; i++) {
		put_string((const char *[]){ "f0.c", "f1.c", "f2.c",
					     "/abs/f3.c", "f4.c" }[i]);
		put((u64[]){ 0, 0, 1, 1, 9 }[i], 1);
		put_bytes(2, 0x81, 1);
		put(0, 16);
		put_bytes(3, 2, 0xff, 0xff);
	}
}

static void unit_begin(struct style s)
{
	static const u8 args[] = { 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 };

	style = s;
	unit_at = made_len;
	if (s.dwarf64)
		put(0xffffffff, 4);
	put_offset(0);
	put(s.version, 2);
	if (s.version >= 5)
		put_bytes(2, 8, 0);
	header_at = made_len;
	put_offset(0);
	put(s.min_inst_len, 1);
	if (s.version >= 4)
		put(s.max_ops, 1);
	put_bytes(2, 1, -5);		/* default_is_stmt, line_base */
	put(s.line_range, 1);
	put(s.opcode_base, 1);
	for (unsigned int i = 0; i + 1 < s.opcode_base; i++)
		put(i < sizeof(args) ? args[i] : 2, 1);
}

static void header_end(void)
{
	patch_offset(header_at, made_len - header_at -
		     (style.dwarf64 ? 8 : 4));
}

static void unit_begin_with_tables(struct style s)
{
	unit_begin(s);
	if (s.version >= 5)
		put_tables_v5();
	else
		put_tables_v2();
	header_end();
}

static void unit_end(void)
{
	size_t at = unit_at + (style.dwarf64 ? 4 : 0);

	patch_offset(at, made_len - at - (style.dwarf64 ? 8 : 4));
}

static void op_set_address(u64 addr)
{
	put_bytes(3, 0, 9, 2);
	put(addr, 8);
}

static void op_end_sequence(void)
{
	put_bytes(3, 0, 1, 1);
}

/* Advance by these, and a row. */
static void op_special(unsigned int addr, int line)
{
	put((u64)(line + 5) + addr * style.line_range + style.opcode_base, 1);
}

/* The sections, each before a page that must not be touched. */
static void made_index(struct dwarf_lines *dl)
{
	u8 *p = guard_map + guard_size - made_len;

	if (made_len)
		memcpy(p, made, made_len);
	*dl = (struct dwarf_lines){
		.line = { p, made_len },
		.line_str = { (const u8 *)line_str, sizeof(line_str) },
		.str = { (const u8 *)str, str_size },
	};
	dwarf_lines_init(dl);
}

static void expect_made(u64 addr, const char *want)
{
	struct line line = { .dir = "", .file = "none" };
	struct dwarf_lines dl;
	char got[64];

	made_index(&dl);
	dwarf_lines_find(&dl, addr, &line);
	snprintf(got, sizeof(got), "%s%s%s:%u", line.dir,
		 *line.dir ? "/" : "", line.file, line.line);
	assert_string_equal(got, want);
	dwarf_lines_destroy(&dl);
}

#define NOTHING	"none:0"

static void made_usual(struct style s)
{
	made_begin();
	unit_begin_with_tables(s);
	op_set_address(0x1000);
	op_special(0, 4);			/* f1.c:5 */
	op_special(4, -1);			/* f1.c:4 */
	put_bytes(2, 4, 2);			/* file 2 */
	put_bytes(3, 3, 0xe4, 0);		/* line +100 */
	put_bytes(2, 2, 4);			/* pc +4 */
	put_bytes(1, 1);			/* f2.c:104 */
	put_bytes(4, 3, 0x9c, 0x7f, 8);		/* line -100, pc +17 */
	put_bytes(3, 9, 0, 1);			/* pc +256, on any CPU */
	op_special(0, 6);			/* f2.c:10 */
	put_bytes(2, 2, 6);
	op_end_sequence();
	unit_end();
}

static void test_versions(void **state)
{
	struct style s = usual;

	(void)state;
	for (int i = 0; i < 2 * VERSIONS; i++) {
		s.version = (u16)(FIRST_VERSION + i / 2);
		s.dwarf64 = i % 2;
		made_usual(s);
		expect_made(0xfff, NOTHING);
		expect_made(0x1000, "f1.c:5");
		expect_made(0x1003, "f1.c:5");
		expect_made(0x1004, "f1.c:4");
		expect_made(0x1007, "f1.c:4");
		expect_made(0x1008, "sub/f2.c:104");
		expect_made(0x1118, "sub/f2.c:104");
		expect_made(0x1119, "sub/f2.c:10");
		expect_made(0x111e, "sub/f2.c:10");
		expect_made(0x111f, NOTHING);
	}
	s.version = 1;
	made_usual(s);
	expect_made(0x1000, NOTHING);
	s.version = 6;
	made_usual(s);
	expect_made(0x1000, NOTHING);
}

/* The instructions of arm64 have four bytes; other ranges and opcodes. */
static void test_parameters(void **state)
{
	struct style s = usual;

	(void)state;
	s.min_inst_len = 4;
	made_usual(s);
	expect_made(0x100f, "f1.c:5");
	expect_made(0x1010, "f1.c:4");
	expect_made(0x1020, "sub/f2.c:104");
	expect_made(0x1020 + 4 * 17 + 255, "sub/f2.c:104");
	expect_made(0x1020 + 4 * 17 + 256, "sub/f2.c:10");

	s = usual;
	s.line_range = 41;
	s.opcode_base = 10;
	made_usual(s);
	expect_made(0x1007, "f1.c:4");
	expect_made(0x1008 + 5 + 255, "sub/f2.c:104");
	expect_made(0x1008 + 5 + 256, "sub/f2.c:10");

	/* An opcode that is not known, of two arguments. */
	s = usual;
	s.opcode_base = 20;
	made_begin();
	unit_begin_with_tables(s);
	op_set_address(0x1000);
	put_bytes(4, 17, 0x81, 1, 5);
	op_special(0, 4);
	put_bytes(2, 2, 6);
	put_bytes(5, 0, 3, 0x80, 1, 2);	/* nor this */
	op_end_sequence();
	unit_end();
	expect_made(0x1003, "f1.c:5");

	/* Of no use, or dangerous. */
	s = usual;
	s.max_ops = 4;
	made_usual(s);
	expect_made(0x1000, NOTHING);
	s = usual;
	s.line_range = 0;
	made_usual(s);
	expect_made(0x1000, NOTHING);
	s = usual;
	s.opcode_base = 0;
	made_usual(s);
	expect_made(0x1000, NOTHING);
}

/* Sequence at addr: line 5, from its half on line 6. */
static void put_sequence(u64 addr, unsigned int size)
{
	op_set_address(addr);
	op_special(0, 4);
	op_special(size / 2, 1);
	put_bytes(2, 2, size / 2);
	op_end_sequence();
}

static void test_sequences(void **state)
{
	(void)state;
	made_begin();
	unit_begin_with_tables(usual);
	put_sequence(0x3000, 16);
	put_sequence(0, 16);		/* dropped by the linker */
	put_sequence(UINT64_MAX - 7, 16);	/* the same */
	op_set_address(0x1004);		/* ends before it begins */
	op_special(0, 0);
	op_set_address(0x500);
	op_end_sequence();
	put_sequence(0x1000, 16);
	unit_end();
	unit_begin((struct style){ .version = 99 });
	unit_end();
	unit_begin_with_tables(usual);
	put_sequence(0x2000, 16);
	unit_end();
	for (u64 addr = 0x1000; addr <= 0x3000; addr += 0x1000) {
		expect_made(addr - 1, NOTHING);
		expect_made(addr, "f1.c:5");
		expect_made(addr + 7, "f1.c:5");
		expect_made(addr + 8, "f1.c:6");
		expect_made(addr + 15, "f1.c:6");
		expect_made(addr + 16, NOTHING);
	}
	expect_made(0, NOTHING);
	expect_made(8, NOTHING);
	expect_made(UINT64_MAX - 7, NOTHING);
	expect_made(UINT64_MAX, NOTHING);
}

/* Sequences begin in file 1, whatever the one before ended in. */
static void test_first_file(void **state)
{
	struct style s = usual;

	(void)state;
	for (int i = 0; i < VERSIONS; i++) {
		s.version = (u16)(FIRST_VERSION + i);
		made_begin();
		unit_begin_with_tables(s);
		put_sequence(0x1000, 16);
		put_bytes(2, 4, 2);
		put_sequence(0x2000, 16);
		put_sequence(0x3000, 16);
		unit_end();
		expect_made(0x1000, "f1.c:5");
		expect_made(0x1008, "f1.c:6");
		expect_made(0x2000, "sub/f2.c:5");
		expect_made(0x2008, "sub/f2.c:6");
		expect_made(0x3000, "f1.c:5");
		expect_made(0x3008, "f1.c:6");
	}
}

/* Several rows at one address, and code that no line made. */
static void test_rows(void **state)
{
	(void)state;
	made_begin();
	unit_begin_with_tables(usual);
	op_set_address(0x1000);
	op_special(0, 4);
	op_special(0, 1);
	op_special(0, 1);		/* line 7 */
	op_special(4, 0);
	put_bytes(3, 3, 0x79, 1);	/* line 0 */
	op_special(4, 5);		/* line 5 */
	put_bytes(2, 2, 4);
	op_end_sequence();
	unit_end();
	expect_made(0x1000, "f1.c:7");
	expect_made(0x1004, NOTHING);
	expect_made(0x1007, NOTHING);
	expect_made(0x1008, "f1.c:5");
}

/* Long sequences are not run from their beginning. */
static void test_long_sequences(void **state)
{
	struct dwarf_lines dl;
	struct line line;

	(void)state;
	made_begin();
	unit_begin_with_tables(usual);
	for (u64 addr = 0x1000; addr <= 0x2000; addr += 0x1000) {
		op_set_address(addr);
		put_bytes(2, 4, 2);
		op_special(0, 4);
		for (int i = 1; i < 1000; i++)
			op_special(2, 1);
		for (int i = 0; i < 200; i++)	/* all at one address */
			op_special(0, i % 2);
		put_bytes(2, 2, 2);
		op_end_sequence();
	}
	/* The same, but dropped by the linker. */
	op_set_address(0);
	op_special(0, 4);
	for (int i = 0; i < 1000; i++)
		op_special(8, 1);
	op_end_sequence();
	unit_end();
	made_index(&dl);
	for (u32 i = 0; i < 1000; i++)
		for (u64 addr = 0x1000; addr <= 0x2000; addr += 0x1000) {
			assert_true(dwarf_lines_find(&dl, addr + 2 * i, &line));
			assert_string_equal(line.dir, "sub");
			assert_string_equal(line.file, "f2.c");
			assert_int_equal(line.line, i + (i < 999 ? 5 : 105));
		}
	assert_false(dwarf_lines_find(&dl, 0xfff, &line));
	assert_false(dwarf_lines_find(&dl, 0x17d0, &line));
	assert_false(dwarf_lines_find(&dl, 0x27d0, &line));
	assert_false(dwarf_lines_find(&dl, 0x800, &line));
	dwarf_lines_destroy(&dl);
}

static void made_file(struct style s, u8 index)
{
	made_begin();
	unit_begin_with_tables(s);
	op_set_address(0x1000);
	put_bytes(2, 4, index);
	op_special(0, 4);
	put_bytes(2, 2, 4);
	op_end_sequence();
	unit_end();
}

static void test_files(void **state)
{
	struct style v4 = usual;

	(void)state;
	v4.version = 4;
	made_file(v4, 0);
	expect_made(0x1000, NOTHING);
	made_file(v4, 3);
	expect_made(0x1000, "/abs/f3.c:5");
	made_file(v4, 4);		/* its directory does not exist */
	expect_made(0x1000, NOTHING);
	made_file(v4, 5);
	expect_made(0x1000, NOTHING);

	made_file(usual, 0);
	expect_made(0x1000, "f0.c:5");
	made_file(usual, 3);
	expect_made(0x1000, "/abs/f3.c:5");
	made_file(usual, 4);
	expect_made(0x1000, NOTHING);
	made_file(usual, 5);
	expect_made(0x1000, NOTHING);
}

/* Version 5, a file table of one form. */
static void made_form(u8 form, u64 value, unsigned int size)
{
	made_begin();
	unit_begin(usual);
	put_bytes(2, 0, 0);		/* no directories */
	put_bytes(4, 1, 1, form, 1);
	put(value, size);
	header_end();
	op_set_address(0x1000);
	put_bytes(2, 4, 0);
	op_special(0, 4);
	put_bytes(2, 2, 4);
	op_end_sequence();
	unit_end();
}

static void test_forms(void **state)
{
	(void)state;
	made_form(0x1f, 10, 4);
	expect_made(0x1000, "five.c:5");
	made_form(0x1f, 17, 4);
	expect_made(0x1000, "/abs/six.c:5");
	made_form(0x0e, 1, 4);
	expect_made(0x1000, "seven.c:5");
	str_size--;				/* does not end in NUL */
	expect_made(0x1000, NOTHING);
	str_size++;
	made_form(0x0e, sizeof(str), 4);	/* behind the section */
	expect_made(0x1000, NOTHING);
	made_form(0x0e, UINT32_MAX, 4);
	expect_made(0x1000, NOTHING);
	made_form(0x25, 1, 4);			/* DW_FORM_strx1 */
	expect_made(0x1000, NOTHING);
	made_form(0x05, 1, 2);			/* a number for a name */
	expect_made(0x1000, NOTHING);
	made_form(0x08, 0, 1);			/* an empty one */
	expect_made(0x1000, NOTHING);
}

/* --- broken programs --- */

/* Look up all there could be; names must lie where they may. */
static u32 probe(const struct dwarf_lines *dl, u64 from, u64 to, u64 step)
{
	struct line line;
	u32 found = 0;

	for (u64 addr = from; addr < to; addr += step)
		if (dwarf_lines_find(dl, addr, &line)) {
			found += strlen(line.dir) + strlen(line.file) > 0;
			assert_true(line.line != 0);
		}
	return found;
}

/* A unit that ends anywhere. */
static void test_truncated(void **state)
{
	struct style s = usual;
	struct dwarf_lines dl;

	(void)state;
	for (u16 v = 4; v <= 5; v++) {
		s.version = v;
		made_usual(s);
		while (made_len-- > 4) {
			unit_end();
			made_index(&dl);
			probe(&dl, 0xff0, 0x1130, 1);
			dwarf_lines_destroy(&dl);
		}
	}
}

/* Each byte in turn replaced by each of several others. */
static void test_corrupted(void **state)
{
	static const u8 values[] = { 0, 1, 0x7f, 0x80, 0xff };
	u32 found = 0, lost = 0;
	struct style s = usual;
	struct dwarf_lines dl;

	(void)state;
	for (u16 v = 4; v <= 5; v++) {
		s.version = v;
		made_usual(s);
		for (size_t i = 0; i < made_len; i++)
			for (size_t k = 0; k < sizeof(values); k++) {
				u8 good = made[i];

				made[i] = values[k];
				made_index(&dl);
				if (probe(&dl, 0xff0, 0x1130, 5))
					found++;
				else
					lost++;
				dwarf_lines_destroy(&dl);
				made[i] = good;
			}
	}
	/* Both must happen, or this tests nothing. */
	assert_true(found > 100);
	assert_true(lost > 100);
}

/* Tables that claim more entries than there are bytes, of no bytes each. */
static void test_endless_tables(void **state)
{
	(void)state;
	for (int formats = 0; formats < 2; formats++) {
		made_begin();
		unit_begin(usual);
		put_bytes(1, formats);
		if (formats)
			put_bytes(2, 1, 0x19);	/* DW_FORM_flag_present */
		for (int i = 0; i < 9; i++)
			put(0xff, 1);
		put(1, 1);
		header_end();
		put_sequence(0x1000, 16);
		unit_end();
		expect_made(0x1000, NOTHING);
	}
	/* Its bytes end in the middle of the entries. */
	made_begin();
	unit_begin(usual);
	put_bytes(3, 1, 1, 0x08);
	for (int i = 0; i < 9; i++)
		put(0xff, 1);
	put(1, 1);
	header_end();
	put_sequence(0x1000, 16);
	unit_end();
	expect_made(0x1000, NOTHING);
}

/* Lengths that reach as far as numbers do. */
static void test_lengths(void **state)
{
	static const u64 values[] = {
		UINT64_MAX, UINT64_MAX - 12, (u64)1 << 63, UINT32_MAX,
		0xfffffff0, 1, 0,
	};
	struct style s = usual;
	struct dwarf_lines dl;

	(void)state;
	for (int dwarf64 = 0; dwarf64 < 2; dwarf64++)
		for (size_t at = 0; at < 40; at++)
			for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
				s.dwarf64 = dwarf64;
				made_usual(s);
				memcpy(made + at, &values[i], 8);
				made_index(&dl);
				probe(&dl, 0xff0, 0x1130, 5);
				dwarf_lines_destroy(&dl);
			}
}

/* Sections of this program, in memory of their own with guards. */
struct copy {
	u8 *map;
	size_t size;
	struct dwarf_section sec;
};

static struct copy copy_section(const struct file *f, const char *name)
{
	Elf64_Shdr *sh = file_section(f, name);
	struct copy c;

	c.size = ((sh->sh_size + PAGE - 1) & ~(PAGE - 1)) + PAGE;
	c.map = mmap(NULL, c.size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c.map, MAP_FAILED);
	assert_int_equal(mprotect(c.map + c.size - PAGE, PAGE, PROT_NONE), 0);
	c.sec = (struct dwarf_section){
		.p = c.map + c.size - PAGE - sh->sh_size, .size = sh->sh_size,
	};
	memcpy((u8 *)c.sec.p, f->base + sh->sh_offset, c.sec.size);
	return c;
}

static void flip_bytes(struct copy *c, u32 n, u32 within)
{
	u32 at = random_below((u32)(c->sec.size - within));

	while (n--)
		((u8 *)c->sec.p)[at + random_below(within)] ^=
			(u8)(1 + random_below(255));
}

static void restore(struct copy *c, const struct file *f, const char *name)
{
	memcpy((u8 *)c->sec.p, f->base + file_section(f, name)->sh_offset,
	       c->sec.size);
}

/* Random bytes of a real file changed, few or many. */
static void test_fuzz(void **state)
{
	struct file f = file_map("/proc/self/exe");
	Elf64_Shdr *text = file_section(&f, ".text");
	struct copy line = copy_section(&f, ".debug_line");
	struct copy line_strs = copy_section(&f, ".debug_line_str");
	struct dwarf_lines dl;
	u32 found = 0;

	(void)state;
	for (int i = 0; i < mode_times(300); i++) {
		u32 n = i % 3 ? 1 + random_below(30) : 1000;

		flip_bytes(&line, n, i % 2 ? (u32)line.sec.size - 1 : 200);
		flip_bytes(&line_strs, n, (u32)line_strs.sec.size - 1);
		dl = (struct dwarf_lines){ .line = line.sec,
					   .line_str = line_strs.sec };
		dwarf_lines_init(&dl);
		found += probe(&dl, text->sh_addr,
			       text->sh_addr + text->sh_size,
			       text->sh_size / 100);
		dwarf_lines_destroy(&dl);
		if (i % 10 == 9) {
			restore(&line, &f, ".debug_line");
			restore(&line_strs, &f, ".debug_line_str");
		}
	}
	assert_true(found > 100);
	munmap(line.map, line.size);
	munmap(line_strs.map, line_strs.size);
	munmap(f.base, f.size);
}

static int setup(void **state)
{
	(void)state;
	alarm(HANG_SECONDS);
	str_size = sizeof(str);
	guard_size = (sizeof(made) + PAGE - 1) & ~(PAGE - 1);
	guard_map = mmap(NULL, guard_size + PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return guard_map == MAP_FAILED ||
	       mprotect(guard_map + guard_size, PAGE, PROT_NONE);
}

/* As addr2line. */
static int main_addr2line(const char *path)
{
	struct file f = file_map(path);
	struct symtab_image img = { .base = f.base, .size = f.size };
	unsigned long addr;
	struct dwarf_lines dl;
	struct line line;

	if (!f.base)
		return 2;
	symtab_image_lines(&img, &dl);
	while (scanf("%lx", &addr) == 1)
		if (dwarf_lines_find(&dl, addr, &line))
			printf("%s%s%s:%u\n", line.dir, *line.dir ? "/" : "",
			       line.file, line.line);
		else
			printf("?\n");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_lines),
		cmocka_unit_test(test_unknown_pc),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_first_file),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_sequences),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_endless_tables),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_fuzz),
	};

	if (argc == 2)
		return main_addr2line(argv[1]);
	return cmocka_run_group_tests(tests, setup, NULL);
}
