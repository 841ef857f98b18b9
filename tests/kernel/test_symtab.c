/*
 * tests/kernel/test_symtab.c - symtab.c against this program, its libraries,
 * and ELF files made by hand: good, truncated and corrupted ones.
 *
 * The files made by hand end where a PROT_NONE page begins, so that reading
 * one byte too many is a crash with or without a sanitizer.
 */
#include "kernel/symtab.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif

#define PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define SIGNAL_STACK	((size_t)16 * 1024)
#define FORK_TIMEOUT_MS	5000
#define UNLINK_ARG	"--unlink-self"

/* --- functions to be found --- */

static volatile int sink;

int symtab_test_global(int n);

__attribute__((noinline)) int symtab_test_global(int n)
{
	sink = n;
	return sink * 3;
}

static __attribute__((noinline)) int symtab_test_static(int n)
{
	sink = n;
	return sink * 5;
}

static int (*volatile static_fn)(int) = symtab_test_static;
static int (*volatile global_fn)(int) = symtab_test_global;

/* A pc inside itself: what a traceback sees. */
static __attribute__((noinline)) uintptr_t symtab_test_pc_inside(void)
{
	uintptr_t pc;

	sink++;
#if defined(__x86_64__)
	__asm__ volatile("leaq 0(%%rip), %0" : "=r" (pc));
#elif defined(__aarch64__)
	__asm__ volatile("adr %0, ." : "=r" (pc));
#endif
	sink++;
	return pc;
}

/* One label of assembly without type or size, in a section of its own. */
extern char symtab_test_label[];
__asm__(".pushsection .text.symtab_test_label, \"ax\", %progbits\n"
	".balign 16\n"
	".globl symtab_test_label\n"
	"symtab_test_label:\n"
	"	nop\n"
	"	nop\n"
	"	ret\n"
	".popsection\n");

static void expect(uintptr_t pc, const char *name, uintptr_t offset)
{
	struct symbol sym;

	assert_int_equal(symtab_lookup(pc, &sym), 0);
	assert_string_equal(sym.name, name);
	assert_int_equal(sym.offset, offset);
}

static void expect_unknown(uintptr_t pc)
{
	struct symbol sym = { .offset = 1 };

	assert_int_equal(symtab_lookup(pc, &sym), -ENOENT);
	assert_string_equal(sym.name, "?");
	assert_int_equal(sym.offset, 0);
	assert_non_null(sym.object);
}

static const char *path_tail(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- this process --- */

static void test_own_functions(void **state)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct symbol sym;

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	expect((uintptr_t)static_fn, "symtab_test_static", 0);
	expect((uintptr_t)global_fn, "symtab_test_global", 0);
	expect((uintptr_t)symtab_test_label, "symtab_test_label", 0);
	assert_int_equal(symtab_lookup((uintptr_t)global_fn, &sym), 0);
	assert_string_equal(sym.object, exe);
}

static void test_pc_in_the_middle(void **state)
{
	uintptr_t start = (uintptr_t)symtab_test_pc_inside;
	uintptr_t pc = symtab_test_pc_inside();

	(void)state;
	assert_true(pc > start);
	expect(pc, "symtab_test_pc_inside", pc - start);
	expect((uintptr_t)global_fn + 1, "symtab_test_global", 1);
}

static void test_libc_function(void **state)
{
	void *lib = dlopen("libc.so.6", RTLD_NOW);
	struct symbol sym;
	uintptr_t pc;

	(void)state;
	assert_non_null(lib);
	/* Not &qsort: that may be a PLT entry, or a sanitizer's. */
	pc = (uintptr_t)dlsym(lib, "qsort");
	assert_true(pc != 0);
	assert_int_equal(symtab_lookup(pc, &sym), 0);
	assert_non_null(strstr(sym.name, "qsort"));
	assert_int_equal(sym.offset, 0);
	assert_non_null(strstr(path_tail(sym.object), "libc"));
	dlclose(lib);
}

static void test_no_code(void **state)
{
	char *heap = malloc(64);
	char *big = malloc(1 << 20);
	int local;

	(void)state;
	assert_non_null(heap);
	assert_non_null(big);
	expect_unknown(0);
	expect_unknown(1);
	expect_unknown(UINTPTR_MAX);
	expect_unknown((uintptr_t)heap);
	expect_unknown((uintptr_t)big);
	expect_unknown((uintptr_t)&local);
	expect_unknown((uintptr_t)&sink);
	free(big);
	free(heap);
}

static void test_code_without_file(void **state)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct symbol sym;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(symtab_lookup((uintptr_t)p, &sym), -ENOENT);
	assert_string_equal(sym.name, "?");
	assert_string_equal(sym.object, "");
	munmap(p, PAGE);
	symtab_refresh();
}

static void test_dlopened_object(void **state)
{
	struct symbol before, sym;
	uintptr_t pc;
	void *lib;

	(void)state;
	/* Fill the cache first: the new object must be found nevertheless. */
	assert_int_equal(symtab_lookup((uintptr_t)global_fn, &before), 0);
	lib = dlopen("libm.so.6", RTLD_NOW);
	assert_non_null(lib);
	/* Not an IFUNC, so dlsym() returns the address in the table. */
	pc = (uintptr_t)dlsym(lib, "cbrt");
	assert_true(pc != 0);
	assert_int_equal(symtab_lookup(pc, &sym), 0);
	assert_string_equal(sym.name, "cbrt");
	assert_int_equal(sym.offset, 0);
	assert_non_null(strstr(path_tail(sym.object), "libm"));
	dlclose(lib);
	/* "Mapped for good" includes objects that are gone. */
	assert_string_equal(sym.name, "cbrt");
	symtab_refresh();
}

/* The offset of a function of this program in its file. */
static uint64_t own_file_offset(uintptr_t pc)
{
	unsigned long start, end, off;
	uint64_t found = 0;
	char line[4352];
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &off) == 3 &&
		    pc >= start && pc < end)
			found = pc - start + off;
	fclose(f);
	assert_true(found != 0);
	return found;
}

static void test_refresh_sees_new_mapping(void **state)
{
	uint64_t off = own_file_offset((uintptr_t)global_fn);
	uint64_t page_off = off & ~(uint64_t)(PAGE - 1);
	struct symbol sym;
	uintptr_t pc;
	char *p, *q;
	int fd;

	(void)state;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(q, MAP_FAILED);
	expect_unknown((uintptr_t)q);
	/* Code where data was, as after dlopen(): found without a refresh. */
	p = mmap(q, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd,
		 (off_t)page_off);
	close(fd);
	assert_ptr_equal(p, q);
	pc = (uintptr_t)p + (off - page_off);
	expect(pc, "symtab_test_global", 0);

	q = mmap(p, PAGE, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(p, q);
	symtab_refresh();
	assert_int_equal(symtab_lookup(pc, &sym), -ENOENT);
	assert_string_equal(sym.object, "");
	munmap(p, PAGE);
	symtab_refresh();
}

/* More mappings of code than the cache has room for. */
static void test_many_mappings(void **state)
{
	enum { NMAPS = 300 };
	uint64_t off = own_file_offset((uintptr_t)global_fn);
	uint64_t page_off = off & ~(uint64_t)(PAGE - 1);
	char *area;
	int fd, i, round;

	(void)state;
	area = mmap(NULL, 2 * NMAPS * PAGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (i = 0; i < NMAPS; i++)
		assert_ptr_not_equal(mmap(area + 2 * (size_t)i * PAGE, PAGE,
					  PROT_READ | PROT_EXEC,
					  MAP_PRIVATE | MAP_FIXED, fd,
					  (off_t)page_off), MAP_FAILED);
	close(fd);
	for (round = 0; round < 2; round++)
		for (i = 0; i < NMAPS; i++) {
			uintptr_t at = (uintptr_t)area + 2 * (size_t)i * PAGE;

			expect(at + (off - page_off), "symtab_test_global", 0);
			expect_unknown(at + PAGE);
		}
	expect((uintptr_t)static_fn, "symtab_test_static", 0);
	munmap(area, 2 * NMAPS * PAGE);
	symtab_refresh();
}

static void test_keeps_errno(void **state)
{
	struct symbol sym;
	int local;

	(void)state;
	symtab_refresh();
	errno = 4321;
	assert_int_equal(symtab_lookup((uintptr_t)global_fn, &sym), 0);
	assert_int_equal(errno, 4321);
	assert_int_equal(symtab_lookup((uintptr_t)&local, &sym), -ENOENT);
	assert_int_equal(errno, 4321);
	assert_int_equal(symtab_lookup(0, &sym), -ENOENT);
	assert_int_equal(errno, 4321);
}

static struct symbol signal_sym;
static struct line signal_line;
static volatile int signal_err;

static void on_signal(int sig)
{
	(void)sig;
	signal_err = symtab_lookup((uintptr_t)static_fn, &signal_sym);
	if (!symtab_line((uintptr_t)static_fn, &signal_line))
		signal_err = -ENOENT;
}

/*
 * All of it, the first parse included, fits a small signal stack: one byte
 * too many is a SIGSEGV.  Runs first, while nothing is cached.
 */
static void test_signal_stack(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_ONSTACK };
	size_t size = SIGNAL_STACK;
	stack_t ss = { 0 }, old_ss;
	struct sigaction old_sa;
	char *p;

	(void)state;
#ifdef WITH_ASAN
	size *= 4;	/* its redzones are not what is measured */
#endif
	p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p, PAGE, PROT_NONE), 0);
	ss.ss_sp = p + PAGE;
	ss.ss_size = size;
	signal_err = 1;
	assert_int_equal(sigaltstack(&ss, &old_ss), 0);
	assert_int_equal(sigaction(SIGUSR1, &sa, &old_sa), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(sigaction(SIGUSR1, &old_sa, NULL), 0);
	assert_int_equal(sigaltstack(&old_ss, NULL), 0);
	munmap(p, size + PAGE);
	assert_int_equal(signal_err, 0);
	assert_string_equal(signal_sym.name, "symtab_test_static");
	assert_string_equal(signal_line.file, "test_symtab.c");
}

/* A program that was deleted while it runs still knows its names. */
static int main_unlink_self(const char *path)
{
	struct symbol sym;

	if (unlink(path))
		return 2;
	if (symtab_lookup((uintptr_t)static_fn, &sym))
		return 3;
	return strcmp(sym.name, "symtab_test_static") ? 4 : 0;
}

static void copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	char buf[4096];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	assert_int_equal(n, 0);
	close(in);
	close(out);
}

/* Run path in a child; its exit status, or 127 if that cannot be done. */
static int run_copy(const char *path)
{
	struct pollfd pfd = { .events = POLLIN };
	int fds[2], status = -1;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (write(fds[1], "", 1) == 1)
			execl(path, path, UNLINK_ARG, path, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	/* Some user-mode emulators hang in fork(): that is not our failure. */
	pfd.fd = fds[0];
	if (poll(&pfd, 1, FORK_TIMEOUT_MS) == 0) {
		print_message("fork() hangs here\n");
		kill(pid, SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fds[0]);
	close(fds[1]);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return 127;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_deleted_program(void **state)
{
	char dir[] = "/tmp/test_symtab.XXXXXX";
	char path[64];
	int status;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/copy", dir);
	copy_self(path);
	status = run_copy(path);
	unlink(path);
	rmdir(dir);
	if (status == 127) {
		print_message("cannot execute a copy of itself\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* A copy of this program in a directory of its own. */
struct copy {
	char dir[32];
	char path[64];
	char *map;	/* one page of its code */
	uintptr_t pc;	/* symtab_test_global in map */
};

static void copy_remove(struct copy *c)
{
	unlink(c->path);
	rmdir(c->dir);
}

static void copy_map(struct copy *c)
{
	uint64_t off = own_file_offset((uintptr_t)global_fn);
	uint64_t page_off = off & ~(uint64_t)(PAGE - 1);
	int fd;

	strcpy(c->dir, "/tmp/test_symtab.XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->path, sizeof(c->path), "%s/copy", c->dir);
	copy_self(c->path);
	fd = open(c->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	c->map = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
		      (off_t)page_off);
	close(fd);
	if (c->map == MAP_FAILED) {
		copy_remove(c);
		print_message("cannot map code from /tmp\n");
		skip();
	}
	c->pc = (uintptr_t)c->map + (off - page_off);
}

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

/* A first load, start to end: right path, no descriptor left open. */
static void test_new_file(void **state)
{
	struct symbol sym;
	struct copy c;
	int fd;

	(void)state;
	copy_map(&c);
	fd = lowest_free_fd();
	assert_int_equal(symtab_lookup(c.pc, &sym), 0);
	assert_int_equal(lowest_free_fd(), fd);
	copy_remove(&c);
	munmap(c.map, PAGE);
	symtab_refresh();
	/* Name and path outlive the file and its mapping. */
	assert_string_equal(sym.name, "symtab_test_global");
	assert_string_equal(sym.object, c.path);
}

/* Must not read another file of that name. */
static void test_deleted_file(void **state)
{
	struct symbol sym;
	struct copy c;
	int err, err_errno;

	(void)state;
	copy_map(&c);
	assert_int_equal(unlink(c.path), 0);
	copy_self(c.path);
	errno = 4321;
	err = symtab_lookup(c.pc, &sym);
	err_errno = errno;
	copy_remove(&c);
	munmap(c.map, PAGE);
	symtab_refresh();
	assert_int_equal(err, -ENOENT);
	assert_int_equal(err_errno, 4321);
	assert_string_equal(sym.name, "?");
	assert_non_null(strstr(sym.object, "/copy (deleted)"));
}

static void test_many_lookups(void **state)
{
	struct line line;
	const double limit_s = 1.0;	/* reading maps each time: more */
	struct timespec t0, t1;
	struct symbol sym;
	double s;
	int i;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	for (i = 0; i < 100000; i++) {
		bool odd = i & 1;

		if (symtab_lookup((uintptr_t)(odd ? static_fn : global_fn),
				  &sym))
			fail_msg("lookup %d failed", i);
		if (strcmp(sym.name, odd ? "symtab_test_static" :
			   "symtab_test_global"))
			fail_msg("lookup %d found %s", i, sym.name);
		if (!symtab_line((uintptr_t)static_fn + (odd ? 1 : 0), &line))
			fail_msg("lookup %d found no line", i);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	s = (double)(t1.tv_sec - t0.tv_sec) +
	    (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	print_message("100000 lookups: %.0f ns each\n", s * 1e4);
	if (s > limit_s)
		fail_msg("100000 lookups took %.1f s, limit %.1f", s, limit_s);
}

/* --- ELF files made by hand --- */

enum { SEC_NULL, SEC_TEXT, SEC_DATA, SEC_SYMTAB, SEC_STRTAB, NSECS };

#define MAX_SYMS	16
#define TEXT_ADDR	0x401000	/* link-time */
#define TEXT_OFF	0x1000		/* as mapped; the file may be shorter */
#define TEXT_SIZE	0x1000

struct fake {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Sym syms[MAX_SYMS];
	char names[256];
	Elf64_Shdr sh[NSECS];	/* last: truncation always hits it */
};

static struct fake fake;
static unsigned int fake_nsyms;
static size_t fake_names_len;

static void fake_begin(void)
{
	fake = (struct fake){ 0 };
	fake_nsyms = 1;
	fake_names_len = 1;
	memcpy(fake.eh.e_ident, ELFMAG, SELFMAG);
	fake.eh.e_ident[EI_CLASS] = ELFCLASS64;
	fake.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	fake.eh.e_type = ET_EXEC;
	fake.eh.e_phoff = offsetof(struct fake, ph);
	fake.eh.e_phentsize = sizeof(Elf64_Phdr);
	fake.eh.e_phnum = 2;
	fake.eh.e_shoff = offsetof(struct fake, sh);
	fake.eh.e_shentsize = sizeof(Elf64_Shdr);
	fake.eh.e_shnum = NSECS;
	/* Data that shares the file page of the text, as linkers do. */
	fake.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R,
		.p_vaddr = 0x10000, .p_filesz = TEXT_OFF + TEXT_SIZE };
	fake.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
		.p_offset = TEXT_OFF, .p_vaddr = TEXT_ADDR,
		.p_filesz = TEXT_SIZE };
	fake.sh[SEC_TEXT] = (Elf64_Shdr){ .sh_type = SHT_PROGBITS,
		.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
		.sh_addr = TEXT_ADDR, .sh_size = 0x800 };
	fake.sh[SEC_DATA] = (Elf64_Shdr){ .sh_type = SHT_PROGBITS,
		.sh_flags = SHF_ALLOC, .sh_addr = TEXT_ADDR,
		.sh_size = TEXT_SIZE };
}

static void fake_add(const char *name, unsigned int bind, unsigned int type,
		     unsigned int sec, uint64_t offset, uint64_t size)
{
	size_t len = strlen(name) + 1;

	assert_true(fake_nsyms < MAX_SYMS);
	assert_true(fake_names_len + len <= sizeof(fake.names));
	memcpy(fake.names + fake_names_len, name, len);
	fake.syms[fake_nsyms++] = (Elf64_Sym){
		.st_name = (Elf64_Word)fake_names_len,
		.st_info = (unsigned char)ELF64_ST_INFO(bind, type),
		.st_shndx = (Elf64_Half)sec,
		.st_value = TEXT_ADDR + offset,
		.st_size = size,
	};
	fake_names_len += len;
}

static void fake_func(const char *name, unsigned int bind, uint64_t offset,
		      uint64_t size)
{
	fake_add(name, bind, STT_FUNC, SEC_TEXT, offset, size);
}

static void fake_label(const char *name, uint64_t offset)
{
	fake_add(name, STB_LOCAL, STT_NOTYPE, SEC_TEXT, offset, 0);
}

static void fake_end(uint32_t table_type)
{
	fake.sh[SEC_SYMTAB] = (Elf64_Shdr){ .sh_type = table_type,
		.sh_offset = offsetof(struct fake, syms),
		.sh_size = fake_nsyms * sizeof(Elf64_Sym),
		.sh_entsize = sizeof(Elf64_Sym), .sh_link = SEC_STRTAB };
	fake.sh[SEC_STRTAB] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct fake, names),
		.sh_size = fake_names_len };
}

/* A file with every kind of symbol, for the destructive tests. */
static void fake_full(void)
{
	fake_begin();
	fake_func("outer", STB_GLOBAL, 0x100, 0x100);
	fake_func("inner", STB_LOCAL, 0x140, 0x10);
	fake_label("label_in_outer", 0x160);
	fake_func("unsized", STB_GLOBAL, 0x300, 0);
	fake_label("label", 0x400);
	fake_label("$x", 0x410);
	fake_end(SHT_SYMTAB);
}

/* What symtab_image_lookup() says of this offset into the text. */
static const char *image_name(const struct symtab_image *img, uint64_t offset,
			      uintptr_t *sym_offset)
{
	struct symbol sym = { .name = "?" };
	int err = symtab_image_lookup(img, TEXT_OFF + offset, &sym);

	assert_true(err == 0 || err == -ENOENT);
	*sym_offset = sym.offset;
	if (err)
		assert_string_equal(sym.name, "?");
	return sym.name;
}

static void expect_fake(uint64_t offset, const char *name,
			uintptr_t sym_offset)
{
	struct symtab_image img;
	uintptr_t got;

	assert_int_equal(symtab_image_init(&img, &fake, sizeof(fake)), 0);
	assert_string_equal(image_name(&img, offset, &got), name);
	assert_int_equal(got, sym_offset);
	symtab_image_destroy(&img);
}

static void test_sized_and_nested(void **state)
{
	(void)state;
	fake_full();
	expect_fake(0x0ff, "?", 0);
	expect_fake(0x100, "outer", 0);
	expect_fake(0x13f, "outer", 0x3f);
	expect_fake(0x140, "inner", 0);
	expect_fake(0x14f, "inner", 0xf);
	expect_fake(0x150, "outer", 0x50);
	expect_fake(0x1ff, "outer", 0xff);
	expect_fake(0x200, "?", 0);
	/* What the segment does not load from the file is not there. */
	fake.ph[1].p_filesz = 0x120;
	expect_fake(0x11f, "outer", 0x1f);
	expect_fake(0x120, "?", 0);
}

static void test_labels(void **state)
{
	(void)state;
	fake_full();
	expect_fake(0x160, "outer", 0x60);
	expect_fake(0x170, "outer", 0x70);
	/* Without a size: up to the next one, or to the end of the section. */
	expect_fake(0x3ff, "unsized", 0xff);
	expect_fake(0x400, "label", 0);
	expect_fake(0x420, "label", 0x20);
	expect_fake(0x7ff, "label", 0x3ff);
	expect_fake(0x800, "?", 0);
}

static void test_preferences(void **state)
{
	(void)state;
	fake_begin();
	fake_func("a_local", STB_LOCAL, 0x100, 0x10);
	fake_func("a_global", STB_GLOBAL, 0x100, 0x10);
	fake_func("a_other", STB_LOCAL, 0x100, 0x10);
	fake_func("__b", STB_GLOBAL, 0x200, 0x10);
	fake_func("b_weak", STB_WEAK, 0x200, 0x10);
	fake_func("$c_dollar", STB_GLOBAL, 0x300, 0x10);
	fake_func("c_local", STB_LOCAL, 0x300, 0x10);
	fake_add("d_label", STB_GLOBAL, STT_NOTYPE, SEC_TEXT, 0x400, 0);
	fake_func("d_func", STB_LOCAL, 0x400, 0x10);
	fake_func("e_longer", STB_GLOBAL, 0x700, 0x10);
	fake_func("e_long", STB_GLOBAL, 0x700, 0x10);
	fake_func("e_longest", STB_GLOBAL, 0x700, 0x10);
	fake_func("$only", STB_LOCAL, 0x500, 0x10);
	fake_add("e_ifunc", STB_GLOBAL, STT_GNU_IFUNC, SEC_TEXT, 0x600, 0x10);
	fake_end(SHT_SYMTAB);
	expect_fake(0x100, "a_global", 0);
	expect_fake(0x208, "b_weak", 8);
	expect_fake(0x300, "c_local", 0);
	expect_fake(0x400, "d_func", 0);
	/* The unsized alias does not reach beyond the sized function. */
	expect_fake(0x410, "?", 0);
	expect_fake(0x500, "$only", 0);
	expect_fake(0x600, "e_ifunc", 0);
	expect_fake(0x700, "e_long", 0);
}

static void test_ignored_symbols(void **state)
{
	(void)state;
	fake_begin();
	fake_func("f", STB_GLOBAL, 0x100, 0x100);
	fake_label("$x", 0x300);
	fake_label("$d", 0x310);
	fake_label("$x.1", 0x320);
	fake_add("object", STB_GLOBAL, STT_OBJECT, SEC_TEXT, 0x340, 8);
	fake_add("file", STB_LOCAL, STT_FILE, SEC_TEXT, 0x350, 0);
	fake_add("data_label", STB_GLOBAL, STT_NOTYPE, SEC_DATA, 0x360, 0);
	fake_add("undefined", STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0x370, 8);
	fake_add("absolute", STB_GLOBAL, STT_FUNC, SHN_ABS, 0x380, 8);
	/* Only SHN_UNDEF itself tells. */
	fake.sh[SEC_NULL].sh_flags = SHF_EXECINSTR;
	fake_add("", STB_GLOBAL, STT_FUNC, SEC_TEXT, 0x390, 8);
	fake_end(SHT_SYMTAB);
	expect_fake(0x1ff, "f", 0xff);
	expect_fake(0x308, "?", 0);
	expect_fake(0x318, "?", 0);
	expect_fake(0x328, "?", 0);
	expect_fake(0x340, "?", 0);
	expect_fake(0x350, "?", 0);
	expect_fake(0x360, "?", 0);
	expect_fake(0x370, "?", 0);
	expect_fake(0x380, "?", 0);
	expect_fake(0x390, "?", 0);
}

static void test_dynsym_and_section_count(void **state)
{
	(void)state;
	fake_full();
	fake.sh[SEC_SYMTAB].sh_type = SHT_DYNSYM;
	expect_fake(0x100, "outer", 0);

	/* The count of sections in section 0. */
	fake.eh.e_shnum = 0;
	fake.sh[SEC_NULL].sh_size = NSECS;
	expect_fake(0x100, "outer", 0);

	/* A symtab without code does not hide the dynsym. */
	fake.eh.e_shnum = NSECS;
	fake.sh[SEC_NULL] = fake.sh[SEC_SYMTAB];
	fake.sh[SEC_NULL].sh_type = SHT_SYMTAB;
	fake.sh[SEC_NULL].sh_size = sizeof(Elf64_Sym);
	expect_fake(0x100, "outer", 0);
}

/* Many random functions: the index against a plain search. */
static void test_sort(void **state)
{
	enum { N = 3000, STEP = 16 };
	static struct {
		struct fake f;
		Elf64_Sym syms[N];
		char names[N][8];
	} big;
	unsigned int seed = 1, i, j;
	struct symtab_image img;

	(void)state;
	fake_begin();
	fake_end(SHT_SYMTAB);
	big.f = fake;
	big.f.ph[1].p_filesz = N * STEP;
	big.f.sh[SEC_TEXT].sh_size = N * STEP;
	big.f.sh[SEC_SYMTAB].sh_offset = (uint64_t)((char *)big.syms -
						    (char *)&big);
	big.f.sh[SEC_SYMTAB].sh_size = sizeof(big.syms);
	big.f.sh[SEC_STRTAB].sh_offset = (uint64_t)((char *)big.names -
						    (char *)&big);
	big.f.sh[SEC_STRTAB].sh_size = sizeof(big.names);
	for (i = 0; i < N; i++) {
		snprintf(big.names[i], sizeof(big.names[i]), "f%u", i);
		big.syms[i] = (Elf64_Sym){
			.st_name = i * (unsigned int)sizeof(big.names[0]),
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = SEC_TEXT,
			.st_value = TEXT_ADDR + i * STEP, .st_size = STEP - 1,
		};
	}
	for (i = N - 1; i > 0; i--) {
		Elf64_Sym tmp = big.syms[i];

		seed = seed * 1103515245 + 12345;
		j = (seed >> 8) % (i + 1);
		big.syms[i] = big.syms[j];
		big.syms[j] = tmp;
	}
	assert_int_equal(symtab_image_init(&img, &big, sizeof(big)), 0);
	assert_int_equal(img.count, N);
	for (i = 0; i < N; i++) {
		uintptr_t off;
		const char *name = image_name(&img, i * STEP + STEP - 2, &off);

		assert_string_equal(name, big.names[i]);
		assert_int_equal(off, STEP - 2);
		name = image_name(&img, i * STEP + STEP - 1, &off);
		assert_string_equal(name, "?");
	}
	symtab_image_destroy(&img);
}

/* --- broken files --- */

struct guarded {
	char *map;
	size_t map_size;
	char *guard;	/* first byte that must not be touched */
};

static void guarded_init(struct guarded *g, size_t max)
{
	size_t size = (max + PAGE - 1) & ~(PAGE - 1);

	g->map_size = size + PAGE;
	g->map = mmap(NULL, g->map_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->map, MAP_FAILED);
	g->guard = g->map + size;
	assert_int_equal(mprotect(g->guard, PAGE, PROT_NONE), 0);
}

/* Parse this file, look names up; every one must lie inside it. */
static int probe(const struct guarded *g, const void *file, size_t size)
{
	static const uint64_t offsets[] = {
		0, 0x100, 0x148, 0x168, 0x200, 0x301, 0x400, 0x411, 0x7ff,
		0x800, 0xfff, (uint64_t)-TEXT_OFF, (uint64_t)-TEXT_OFF - 1,
		UINT64_MAX / 2,
	};
	const char *base = g->guard - size;
	struct symtab_image img;
	uintptr_t off;
	size_t i;
	int err;

	memcpy(g->guard - size, file, size);
	err = symtab_image_init(&img, base, size);
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		const char *name = image_name(&img, offsets[i], &off);

		if (strcmp(name, "?") == 0)
			continue;
		assert_int_equal(err, 0);
		assert_true(name >= base && name < g->guard);
		assert_non_null(memchr(name, '\0', (size_t)(g->guard - name)));
	}
	symtab_image_destroy(&img);
	return err;
}

static void test_truncated(void **state)
{
	struct guarded g;
	size_t size;

	(void)state;
	fake_full();
	guarded_init(&g, sizeof(fake));
	assert_int_equal(probe(&g, &fake, sizeof(fake)), 0);
	for (size = 0; size < sizeof(fake); size++)
		assert_int_equal(probe(&g, &fake, size), -ENOENT);
	munmap(g.map, g.map_size);
}

/* Each byte of a good file in turn replaced by each of several others. */
static void test_corrupted(void **state)
{
	static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned int rejected = 0, accepted = 0;
	struct guarded g;
	struct fake copy;
	size_t i, v;

	(void)state;
	fake_full();
	guarded_init(&g, sizeof(fake));
	for (i = 0; i < sizeof(fake); i++)
		for (v = 0; v < sizeof(values); v++) {
			copy = fake;
			((unsigned char *)&copy)[i] = values[v];
			if (probe(&g, &copy, sizeof(copy)))
				rejected++;
			else
				accepted++;
		}
	/* Both must happen, or this test tests nothing. */
	assert_true(rejected > 100);
	assert_true(accepted > 100);
	munmap(g.map, g.map_size);
}

/* Random fields, eight bytes at a time, in the headers and tables. */
static void test_corrupted_fields(void **state)
{
	static const uint64_t values[] = {
		UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, UINT32_MAX,
		sizeof(struct fake), sizeof(struct fake) - 1, 0,
	};
	struct guarded g;
	struct fake copy;
	size_t i, v;

	(void)state;
	fake_full();
	guarded_init(&g, sizeof(fake));
	for (i = 0; i + 8 <= sizeof(fake); i += 4)
		for (v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			copy = fake;
			memcpy((char *)&copy + i, &values[v], 8);
			probe(&g, &copy, sizeof(copy));
		}
	munmap(g.map, g.map_size);
}

static void test_tables_without_end(void **state)
{
	struct guarded g;

	(void)state;
	fake_full();
	guarded_init(&g, sizeof(fake));
	fake.names[fake_names_len - 1] = 'x';
	assert_int_equal(probe(&g, &fake, sizeof(fake)), -ENOENT);
	/* Nor a table of symbols that goes on after the file. */
	fake_full();
	fake.sh[SEC_SYMTAB].sh_size = 1000 * sizeof(Elf64_Sym);
	assert_int_equal(probe(&g, &fake, sizeof(fake)), -ENOENT);
	munmap(g.map, g.map_size);
}

static void test_garbage(void **state)
{
	unsigned char junk[2048];
	unsigned int seed = 7, round;
	struct guarded g;
	size_t i;

	(void)state;
	guarded_init(&g, sizeof(junk));
	for (round = 0; round < 200; round++) {
		for (i = 0; i < sizeof(junk); i++) {
			seed = seed * 1103515245 + 12345;
			junk[i] = (unsigned char)(seed >> 16);
		}
		assert_int_equal(probe(&g, junk, sizeof(junk)), -ENOENT);
		/* Again, with a header that passes the first checks. */
		fake_full();
		memcpy(junk, &fake.eh, sizeof(fake.eh));
		probe(&g, junk, sizeof(junk));
	}
	munmap(g.map, g.map_size);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signal_stack),
		cmocka_unit_test(test_own_functions),
		cmocka_unit_test(test_pc_in_the_middle),
		cmocka_unit_test(test_libc_function),
		cmocka_unit_test(test_no_code),
		cmocka_unit_test(test_code_without_file),
		cmocka_unit_test(test_dlopened_object),
		cmocka_unit_test(test_refresh_sees_new_mapping),
		cmocka_unit_test(test_many_mappings),
		cmocka_unit_test(test_keeps_errno),
		cmocka_unit_test(test_new_file),
		cmocka_unit_test(test_deleted_file),
		cmocka_unit_test(test_deleted_program),
		cmocka_unit_test(test_many_lookups),
		cmocka_unit_test(test_sized_and_nested),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_preferences),
		cmocka_unit_test(test_ignored_symbols),
		cmocka_unit_test(test_dynsym_and_section_count),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_corrupted_fields),
		cmocka_unit_test(test_tables_without_end),
		cmocka_unit_test(test_garbage),
	};

	if (argc == 3 && strcmp(argv[1], UNLINK_ARG) == 0)
		return main_unlink_self(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
