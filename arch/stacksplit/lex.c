/*
 * arch/stacksplit/lex.c - cut assembly text into statements.
 *
 * Follows the GNU assembler: statements end at a newline or ';', labels may
 * precede anything, strings and character constants hide comment signs, and
 * a comment counts as one blank.  What starts a comment differs: '#' does
 * everywhere on x86-64, but on arm64 only at the start of a line, where '//'
 * does everywhere.
 *
 * Rejected: a table of all directives and operand forms.  The later passes
 * look at few, and the assembler itself checks the rest.
 *
 * Invariants:
 *  I1  Statements are in the order of the text and do not overlap.
 *  I2  text[start, end) of a label ends after its colon, of anything else
 *      before a comment or separator; so text may be put in at either place
 *      as whole lines.
 */
#include "stacksplit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct lexer {
	struct unit *u;
	size_t pos;
	unsigned int line;
	bool line_start;	/* only blanks so far in this line */
	bool scope_asm;		/* file-scope assembly, as clang marks it */
	bool app_asm;		/* between #APP and #NO_APP */
	char *clean;		/* the statement without comments */
	size_t *where;		/* offset in the input of each byte of it */
	size_t n, cap;
	unsigned int first_line;
};

static void lexer_put(struct lexer *lx, char c, size_t where)
{
	if (lx->n + 1 >= lx->cap) {
		lx->cap = 2 * lx->cap + 256;
		lx->clean = xrealloc(lx->clean, lx->cap);
		lx->where = xrealloc(lx->where, lx->cap * sizeof(size_t));
	}
	if (c == ' ' && (!lx->n || lx->clean[lx->n - 1] == ' '))
		return;
	if (!lx->n)
		lx->first_line = lx->line;
	lx->clean[lx->n] = c;
	lx->where[lx->n++] = where;
}

static char lexer_peek(const struct lexer *lx, size_t ahead)
{
	size_t at = lx->pos + ahead;

	return at < lx->u->len ? lx->u->text[at] : '\0';
}

static bool line_has(const char *s, size_t n, const char *what)
{
	size_t len = strlen(what), i;

	for (i = 0; i + len <= n; i++)
		if (!memcmp(s + i, what, len))
			return true;
	return false;
}

/* What the programmer wrote as assembly is marked in comments only. */
static void lex_line_comment(struct lexer *lx)
{
	const char *s = lx->u->text + lx->pos;
	const char *nl = memchr(s, '\n', lx->u->len - lx->pos);
	size_t n = nl ? (size_t)(nl - s) : lx->u->len - lx->pos;
	const char *word = s + (*s == '/' ? 2 : 1);

	if (line_has(s, n, "Start of file scope inline assembly"))
		lx->scope_asm = true;
	if (line_has(s, n, "End of file scope inline assembly"))
		lx->scope_asm = false;
	if (lx->line_start && n >= 4 && !strncmp(word, "APP", 3))
		lx->app_asm = true;
	if (lx->line_start && n >= 7 && !strncmp(word, "NO_APP", 6))
		lx->app_asm = false;
	lx->pos += n;
}

static void lex_block_comment(struct lexer *lx)
{
	unsigned int line = lx->line;
	size_t at = lx->pos;

	for (lx->pos += 2; lx->pos < lx->u->len; lx->pos++) {
		if (lexer_peek(lx, 0) == '*' && lexer_peek(lx, 1) == '/') {
			lx->pos += 2;
			lexer_put(lx, ' ', at);
			return;
		}
		if (lexer_peek(lx, 0) == '\n')
			lx->line++;
	}
	line_error(lx->u, line, "unterminated comment");
}

static void lex_string(struct lexer *lx)
{
	char c;

	lexer_put(lx, '"', lx->pos++);
	while ((c = lexer_peek(lx, 0)) != '"') {
		if (!c || c == '\n')
			line_error(lx->u, lx->line, "unterminated string");
		if (c == '\\' && lexer_peek(lx, 1) != '\n') {
			lexer_put(lx, c, lx->pos++);
			c = lexer_peek(lx, 0);
		}
		/* The squeezing of blanks must not reach into a string. */
		lexer_put(lx, c == ' ' ? '\x01' : c, lx->pos++);
	}
	lexer_put(lx, '"', lx->pos++);
}

/* 'x, '\n and 'x' are all numbers. */
static void lex_char(struct lexer *lx)
{
	lexer_put(lx, '0', lx->pos++);
	if (lexer_peek(lx, 0) == '\\' && lexer_peek(lx, 1) != '\n')
		lx->pos++;
	if (lx->pos < lx->u->len && lexer_peek(lx, 0) != '\n')
		lx->pos++;
	if (lexer_peek(lx, 0) == '\'')
		lx->pos++;
}

static bool at_line_comment(const struct lexer *lx)
{
	char c = lexer_peek(lx, 0);

	if (c == '#')
		return lx->line_start || lx->u->arch->hash_comments;
	if (c != '/')
		return false;
	if (lx->u->arch->hash_comments)
		return lx->line_start && lexer_peek(lx, 1) != '*';
	return lexer_peek(lx, 1) == '/';
}

static struct stmt *stmt_new(struct lexer *lx, enum stmt_kind kind, size_t from,
			     size_t to)
{
	struct unit *u = lx->u;
	struct stmt *s;

	if (u->nstmts == u->cap_stmts) {
		u->cap_stmts = 2 * u->cap_stmts + 1024;
		u->stmt = xrealloc(u->stmt, u->cap_stmts * sizeof(*s));
	}
	s = &u->stmt[u->nstmts++];
	*s = (struct stmt){
		.kind = kind,
		.line = lx->first_line,
		.asm_text = lx->scope_asm || lx->app_asm,
		.start = lx->where[from],
		.end = lx->where[to - 1] + 1,
		.args = "",
	};
	return s;
}

/* Length of a symbol at p, quoted or not, or 0. */
static size_t symbol_length(const char *p, size_t n)
{
	size_t i = 0;

	if (n && p[0] == '"') {
		for (i = 1; i < n && p[i] != '"'; i++)
			if (p[i] == '\\')
				i++;
		return i < n ? i + 1 : 0;
	}
	while (i < n && is_sym_char(p[i]))
		i++;
	return i;
}

/* Restore the blanks that lex_string() hid. */
static char *clean_dup(const char *p, size_t n)
{
	char *s = arena_strndup(p, n), *c;

	for (c = s; *c; c++)
		if (*c == '\x01')
			*c = ' ';
	return s;
}

/* Take labels off the front; returns where the rest begins. */
static size_t lex_labels(struct lexer *lx)
{
	size_t at = 0, len, colon;
	struct stmt *s;

	for (;;) {
		while (at < lx->n && lx->clean[at] == ' ')
			at++;
		len = symbol_length(lx->clean + at, lx->n - at);
		colon = at + len;
		if (colon < lx->n && lx->clean[colon] == ' ')
			colon++;
		if (!len || colon >= lx->n || lx->clean[colon] != ':')
			return at;
		s = stmt_new(lx, STMT_LABEL, at, colon + 1);
		if (lx->clean[at] == '"')
			s->name = clean_dup(lx->clean + at + 1, len - 2);
		else
			s->name = clean_dup(lx->clean + at, len);
		at = colon + 1;
	}
}

static bool is_assignment(const char *p, size_t n, size_t len)
{
	if (len < n && p[len] == ' ')
		len++;
	return len && len < n && p[len] == '=';
}

static void lex_body(struct lexer *lx, size_t at)
{
	const char *p = lx->clean + at;
	size_t n = lx->n - at, len, i;
	struct stmt *s;
	char *name;

	while (n && p[n - 1] == ' ')
		n--;
	if (!n)
		return;
	len = symbol_length(p, n);
	if (is_assignment(p, n, len)) {
		s = stmt_new(lx, STMT_DIRECTIVE, at, at + n);
		s->name = "=";
		s->args = clean_dup(p, n);
		return;
	}
	for (len = 0; len < n && p[len] != ' '; len++)
		;
	s = stmt_new(lx, *p == '.' ? STMT_DIRECTIVE : STMT_INSN, at, at + n);
	name = clean_dup(p, len);
	for (i = 0; i < len; i++)
		name[i] = tolower((unsigned char)name[i]);
	s->name = name;
	if (len < n)
		s->args = clean_dup(p + len + 1, n - len - 1);
}

static void lex_statement(struct lexer *lx)
{
	if (lx->n) {
		lx->clean[lx->n] = '\0';
		lex_body(lx, lex_labels(lx));
	}
	lx->n = 0;
}

static void lex_line(struct lexer *lx)
{
	char c;

	lx->line_start = true;
	while (lx->pos < lx->u->len && (c = lexer_peek(lx, 0)) != '\n') {
		if (at_line_comment(lx)) {
			lex_line_comment(lx);
			continue;
		}
		if (c == '/' && lexer_peek(lx, 1) == '*') {
			lex_block_comment(lx);
			continue;
		}
		if (!isspace((unsigned char)c))
			lx->line_start = false;
		if (c == '"') {
			lex_string(lx);
		} else if (c == '\'') {
			lex_char(lx);
		} else if (c == ';') {
			lex_statement(lx);
			lx->pos++;
		} else {
			lexer_put(lx, isspace((unsigned char)c) || !c ? ' ' : c,
				  lx->pos);
			lx->pos++;
		}
	}
	lex_statement(lx);
	lx->pos++;
	lx->line++;
}

/* One statement past the end, so that looking at the next one is safe. */
static void lex_end(struct unit *u)
{
	if (u->nstmts == u->cap_stmts)
		u->stmt = xrealloc(u->stmt, (u->cap_stmts + 1) *
				   sizeof(*u->stmt));
	u->stmt[u->nstmts] = (struct stmt){
		.kind = STMT_DIRECTIVE, .name = "", .args = "",
		.start = u->len, .end = u->len,
	};
}

void lex_unit(struct unit *u)
{
	struct lexer lx = { .u = u, .line = 1 };

	u->nstmts = 0;
	while (lx.pos < u->len)
		lex_line(&lx);
	lex_end(u);
	free(lx.clean);
	free(lx.where);
}

/*
 * Compilers name the source before any code; people do not.  (clang puts
 * a note with local labels before it.)  Reads no further than needed: what
 * people write need not be understood.
 */
bool lex_is_compiled(struct unit *u)
{
	struct lexer lx = { .u = u, .line = 1 };
	const struct stmt *s;
	size_t i = 0;

	while (lx.pos < u->len) {
		lex_line(&lx);
		for (; i < u->nstmts; i++) {
			s = &u->stmt[i];
			if (s->kind == STMT_INSN ||
			    (s->kind == STMT_LABEL &&
			     !str_starts(s->name, ".L")))
				return false;
			if (!strcmp(s->name, ".file") && *s->args == '"')
				return true;
		}
	}
	return false;
}
