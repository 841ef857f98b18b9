/*
 * arch/stacksplit/stacksplit.h - shared by all parts of the host tool.
 *
 * The input is never copied into a tree and printed back.  It is cut into
 * statements that remember where they stand, and the output is the input
 * with text put in and left out at such places.  What the tool does not
 * understand it therefore cannot damage.
 *
 *	main.c		what was asked for
 *	driver.c	being `as`: arguments, input, the real assembler
 *	lex.c		bytes to statements
 *	parse.c		directives: sections, symbols, CFI, functions
 *	flow.c		where sp is at every instruction
 *	emit.c		the text that goes in
 *	<cpu>/stacksplit.c	what knows instructions
 */
#ifndef STACKSPLIT_H
#define STACKSPLIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))

#define MAX_REGS	32
#define MAX_SLOTS	8
#define MAX_FRAME	(1L << 30)

/* A growing string. */
struct buf {
	char *p;
	size_t len, cap;
};

enum stmt_kind { STMT_LABEL, STMT_INSN, STMT_DIRECTIVE };

struct stmt {
	enum stmt_kind kind;
	bool asm_text;		/* written by hand: asm() in a function or file */
	bool repeated;		/* inside .rept, .irp, .irpc */
	bool cfi;		/* an FDE is open */
	bool cfa_sp;		/* CFI: the CFA is sp + cfa_off here */
	unsigned int line;
	unsigned int section;
	unsigned int src_file, src_line;	/* from .loc, or 0 */
	long cfa_off;
	size_t start, end;	/* in the input, without comments around */
	const char *name;	/* label, mnemonic, directive */
	const char *args;	/* the rest, comments out, blanks squeezed */
};

struct sym {
	const char *name;
	struct sym *next;	/* hash chain */
	long label;		/* statement, or -1 */
	long size;		/* its .size, or -1 */
	bool is_func;
	bool jumped;		/* a branch goes here */
	bool called;
	bool taken;		/* its address is in data or in a register */
	bool macro;
	const char *macro_body;
};

struct section {
	const char *name;
	const char *key;	/* tells apart same names in several groups */
	long sub;
	bool exec;
};

enum val_kind { VAL_UNKNOWN, VAL_CONST, VAL_SP };

/* VAL_SP: n bytes below the entry sp; dyn: and a dynamic amount more. */
struct val {
	enum val_kind kind;
	bool dyn;
	int64_t n;
};

/* A saved copy of an sp value, at so many bytes below the entry sp. */
struct slot {
	bool used;
	int64_t at;
	struct val v;
};

struct state {
	struct val reg[MAX_REGS];
	struct slot slot[MAX_SLOTS];
};

enum flow {
	FLOW_NEXT,
	FLOW_CALL,		/* comes back, unless it is noreturn */
	FLOW_TRAP,		/* as a call that may not return */
	FLOW_JUMP,
	FLOW_BRANCH,		/* jump or next */
	FLOW_INDIRECT,
	FLOW_RETURN,
};

/* One instruction seen by the CPU part: in: insn, st.  out: the rest. */
struct step {
	const struct stmt *insn;
	struct state *st;
	enum flow flow;
	char target[512];	/* of a call, jump or branch; "" if computed */
	int64_t low;		/* lowest byte used, below the entry sp */
	bool below_sp;		/* ... and that is below sp: red zone */
	bool big_args;
	bool set_sp;		/* sp changes by an unknown amount */
	bool bad;		/* sp changes and nothing can be done */
};

struct func {
	const char *name;
	struct sym *sym;
	long entry, size;	/* statements */
	long check_at;		/* offset in the input for the check */
	long more_at;		/* offset for its slow path */
	long more_stmt;
	bool cfi;		/* has .cfi lines */
	bool cfi_open;		/* an FDE is open at more_at */
	bool nosplit;
	long *item;		/* its labels and instructions */
	size_t nitems;

	/* flow_analyse() */
	int64_t frame;		/* bytes below the entry sp */
	bool calls, tail_calls, big_args, dynamic;
	bool odd_return;	/* sp was not back at a return */
	bool odd_cfi;		/* CFI says something else */
	bool red_zone;		/* a leaf stores below sp */
	bool leaf_low;		/* and that made the frame larger */
	bool check;
	int64_t slack;		/* use below a dynamic sp */
	long *set_sp;		/* statements that need __morestack_setsp */
	size_t nset_sp;
};

struct unit {
	const struct arch *arch;
	const char *path;	/* for messages */
	const char *src;	/* from .file */
	const char *text;
	size_t len;
	struct stmt *stmt;
	size_t nstmts, cap_stmts;
	struct section *section;
	size_t nsections;
	struct sym **hash;
	char **file;		/* .file N "name" */
	size_t nfiles;
	struct func *func;
	size_t nfuncs;
};

/*
 * What a CPU has to say.  Both implementations have the same functions in
 * the same order.
 */
struct arch {
	const char *name;
	const char *triple;
	int nregs;
	int sp;
	int64_t args_base;	/* entry sp to the stack-passed arguments */
	int64_t cfa_base;	/* entry sp to the CFA at entry */
	int64_t call_bytes;	/* pushed by a call */
	int64_t red_zone;	/* usable below sp without moving it */
	bool hash_comments;	/* # anywhere starts one; otherwise // does */

	/* Is this register, as .cfi directives write it, sp? */
	bool (*is_sp)(const char *reg);
	/* endbr64, bti c: must stay the first instruction. */
	bool (*is_landing)(const struct stmt *insn);
	/* A function whose callers count on every register. */
	bool (*is_thunk)(const char *name);
	/* Symbol that insn jumps or calls to, or false. */
	bool (*branch_target)(const struct stmt *insn, char *buf, size_t n,
			      bool *call);
	void (*step)(struct step *s);
	void (*emit_check)(struct buf *b, const struct func *f, unsigned int id,
			   int64_t frame, unsigned int imm);
	void (*emit_more)(struct buf *b, const struct func *f, unsigned int id,
			  unsigned int imm);
	/* Is f so long that emit_check() has the slow path in it? */
	bool (*is_far)(const struct func *f);
	/* Text before an instruction that sets sp; false: cannot be done. */
	bool (*emit_set_sp)(struct buf *b, const struct stmt *insn,
			    int64_t slack);
};

extern const struct arch arch_x86_64;
extern const struct arch arch_arm64;

/* util.c */
void *xmalloc(size_t n);
void *xrealloc(void *p, size_t n);
char *xstrndup(const char *s, size_t n);
void *arena_alloc(size_t n);
char *arena_strndup(const char *s, size_t n);
void buf_add(struct buf *b, const char *s, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __printf(2, 3);
bool str_starts(const char *s, const char *prefix);
bool is_sym_char(char c);
void fatal(const char *fmt, ...) __noreturn __printf(1, 2);
void unit_error(const struct unit *u, const struct func *f,
		const struct stmt *s, const char *fmt, ...)
	__noreturn __printf(4, 5);
void line_error(const struct unit *u, unsigned int line, const char *fmt, ...)
	__noreturn __printf(3, 4);

/* lex.c */
void lex_unit(struct unit *u);
bool lex_is_compiled(struct unit *u);

/* parse.c */
struct sym *sym_find(const struct unit *u, const char *name, size_t n);
void parse_unit(struct unit *u);

/* flow.c */
struct val val_unknown(void);
struct val val_const(int64_t n);
struct val val_add(struct val v, int64_t n);
struct val val_align(struct val v, int64_t mask, int64_t entry_off);
struct val slot_load(const struct state *st, struct val addr);
void slot_store(struct state *st, struct val addr, struct val v);
void step_touch(struct step *s, const struct arch *a, struct val base,
		int64_t disp, bool indexed, bool address_only);
void flow_analyse(const struct unit *u, struct func *f);

/* emit.c */
bool dropped_directive(const char *name);
void emit_unit(const struct unit *u, struct buf *out);
void emit_frames(const struct unit *u, FILE *f);

/* driver.c */
int driver_main(int argc, char **argv);

#endif
