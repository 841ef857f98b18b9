// SPDX-License-Identifier: ISC
/*
 * tests/corpus/sqlite_main.c - SQL in goroutines, printed as checksums.
 *
 *	sqlite_main jobs size directory
 *
 * Each job has databases of its own, one in memory and one in a file in
 * directory.  size 1 is the least work, 100 sorts 200000 rows.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "sqlite3.h"

#include "drive.h"

static int size;
static const char *dir;

/* ---- mutexes ---- */

/*
 * SQLite holds mutexes across its own functions, any of which may let another
 * goroutine run: the holder can come back on another thread, which a pthread
 * mutex does not allow.  So the owner is the goroutine.  SQLite's own
 * threads take them, too.
 */
#ifndef PLAIN

struct sqlite3_mutex {
	_Atomic(uint64_t) owner;
	unsigned int depth;
	int dynamic;
};

static struct sqlite3_mutex static_mutex[16];

static uint64_t self(void)
{
	uint64_t id = gort_goid();

	return id ? id : (uint64_t)gettid() | (uint64_t)1 << 63;
}

static int mutex_init(void)
{
	return SQLITE_OK;
}

static sqlite3_mutex *mutex_alloc(int type)
{
	sqlite3_mutex *m;

	if (type >= SQLITE_MUTEX_STATIC_MAIN)
		return &static_mutex[type - SQLITE_MUTEX_STATIC_MAIN];
	m = calloc(1, sizeof(*m));
	return m;
}

static void mutex_free(sqlite3_mutex *m)
{
	free(m);
}

static int mutex_try(sqlite3_mutex *m)
{
	uint64_t nobody = 0, me = self();

	if (atomic_load_explicit(&m->owner, memory_order_relaxed) != me &&
	    !atomic_compare_exchange_strong(&m->owner, &nobody, me))
		return SQLITE_BUSY;
	m->depth++;
	return SQLITE_OK;
}

static void mutex_enter(sqlite3_mutex *m)
{
	while (mutex_try(m) != SQLITE_OK) {
		if (gort_goid())
			gort_yield();
		else
			sched_yield();
	}
}

static void mutex_leave(sqlite3_mutex *m)
{
	if (!--m->depth)
		atomic_store_explicit(&m->owner, 0, memory_order_release);
}

static int mutex_held(sqlite3_mutex *m)
{
	return atomic_load(&m->owner) == self();
}

static int mutex_notheld(sqlite3_mutex *m)
{
	return !mutex_held(m);
}

static void own_mutexes(void)
{
	static const sqlite3_mutex_methods methods = {
		mutex_init, mutex_init, mutex_alloc, mutex_free, mutex_enter,
		mutex_try, mutex_leave, mutex_held, mutex_notheld,
	};

	if (sqlite3_config(SQLITE_CONFIG_MUTEX, &methods) != SQLITE_OK)
		die("SQLITE_CONFIG_MUTEX");
}

#else

static void own_mutexes(void)
{
}

#endif

/* ---- SQL functions ---- */

/* rnd(x): the same "random" number for x each time */
static void f_rnd(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	uint64_t x = (uint64_t)sqlite3_value_int64(argv[0]);

	(void)argc;
	x = (x + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 31) * 0x94d049bb133111eb;
	sqlite3_result_int64(ctx, (int64_t)((x ^ x >> 29) & 0x7fffffff));
}

/* pass(x): x, after others ran */
static void f_pass(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	(void)argc;
	yield();
	sqlite3_result_value(ctx, argv[0]);
}

/* nest(n): runs a statement that calls nest(n - 1); n + ... + 1 */
static void f_nest(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3_int64 n = sqlite3_value_int64(argv[0]);
	sqlite3 *db = sqlite3_context_db_handle(ctx);
	sqlite3_stmt *st;

	(void)argc;
	if (n <= 0) {
		sqlite3_result_int64(ctx, 0);
		return;
	}
	if (sqlite3_prepare_v2(db, "SELECT ?1 + (SELECT nest(?1 - 1))", -1, &st,
			       NULL) != SQLITE_OK) {
		sqlite3_result_error(ctx, sqlite3_errmsg(db), -1);
		return;
	}
	sqlite3_bind_int64(st, 1, n);
	if (sqlite3_step(st) == SQLITE_ROW)
		sqlite3_result_int64(ctx, sqlite3_column_int64(st, 0));
	else
		sqlite3_result_error(ctx, sqlite3_errmsg(db), -1);
	sqlite3_finalize(st);
}

/* A collation: by length, then backwards */
static int c_odd(void *arg, int na, const void *a, int nb, const void *b)
{
	int r;

	(void)arg;
	if (na != nb)
		return na - nb;
	r = memcmp(a, b, (size_t)na);
	return -r;
}

/* ---- running SQL ---- */

/* Run all statements of sql; print rows and a checksum of their values. */
static void sql(struct job *job, sqlite3 *db, const char *name, const char *text)
{
	uint32_t h = 2166136261u;
	unsigned long rows = 0;
	const unsigned char *s;
	sqlite3_stmt *st;
	int i, n, err = SQLITE_OK;

	while (*text) {
		err = sqlite3_prepare_v2(db, text, -1, &st, &text);
		if (err != SQLITE_OK)
			break;
		if (!st)
			continue;
		while ((err = sqlite3_step(st)) == SQLITE_ROW) {
			rows++;
			for (i = 0; i < sqlite3_column_count(st); i++) {
				s = sqlite3_column_text(st, i);
				n = sqlite3_column_bytes(st, i);
				h = (h ^ (uint32_t)sqlite3_column_type(st, i)) *
				    16777619u;
				for (; n > 0; n--)
					h = (h ^ *s++) * 16777619u;
			}
		}
		err = sqlite3_finalize(st);
		if (err != SQLITE_OK)
			break;
	}
	if (err == SQLITE_OK)
		say(job, "%s: %lu rows %08x\n", name, rows, h);
	else
		say(job, "%s: %lu rows %08x, %.200s\n", name, rows, h,
		    sqlite3_errmsg(db));
}

__attribute__((format(printf, 4, 5)))
static void sqlf(struct job *job, sqlite3 *db, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	if (!text)
		die("sqlite3_vmprintf");
	sql(job, db, name, text);
	sqlite3_free(text);
}

/* start before^n middle after^n */
static void nested(struct job *job, sqlite3 *db, const char *name, int n,
		   const char *start, const char *before, const char *middle,
		   const char *after)
{
	sqlite3_str *s = sqlite3_str_new(db);
	char *text;
	int i;

	sqlite3_str_appendall(s, start);
	for (i = 0; i < n; i++)
		sqlite3_str_appendall(s, before);
	sqlite3_str_appendall(s, middle);
	for (i = 0; i < n; i++)
		sqlite3_str_appendall(s, after);
	text = sqlite3_str_finish(s);
	if (!text)
		die("sqlite3_str_finish");
	sql(job, db, name, text);
	sqlite3_free(text);
}

/* ---- the work ---- */

static void tables(struct job *job, sqlite3 *db)
{
	sqlf(job, db, "fill",
	     "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, c REAL);"
	     "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n "
	     "  WHERE i < %d) "
	     "INSERT INTO t SELECT i, rnd(i + %d), printf('%%05x-%%d', rnd(i) %% 65536, i), "
	     "  (rnd(i) %% 1000) / 8.0 FROM n;", 2000 * size, job->id * 1000);
	sql(job, db, "sort", "SELECT id, a, b FROM t ORDER BY a DESC, id");
	sql(job, db, "sort by text", "SELECT b FROM t ORDER BY b COLLATE NOCASE DESC");
	sqlf(job, db, "sort by function", "SELECT id FROM "
	     "(SELECT * FROM t LIMIT %d) ORDER BY b COLLATE odd", 200 * size);
	sql(job, db, "group", "SELECT a % 97 AS g, count(*), sum(a), min(b), max(c), "
	    "avg(c) FROM t GROUP BY g HAVING count(*) > 1 ORDER BY 3 DESC, 1");
	sql(job, db, "distinct", "SELECT DISTINCT a % 1009 FROM t ORDER BY 1");
	sql(job, db, "index", "CREATE INDEX ta ON t(a, b); CREATE INDEX tb ON t(b);"
	    "ANALYZE; SELECT count(*) FROM t WHERE a BETWEEN 1000000 AND 900000000;"
	    "PRAGMA integrity_check");
	sqlf(job, db, "join", "SELECT x.id, y.b FROM t x JOIN t y ON y.id = x.a %% %d "
	     "LEFT JOIN t z ON z.a = y.a AND z.id > x.id "
	     "WHERE x.id < %d ORDER BY x.id", 2000 * size, 100 * size);
	sqlf(job, db, "window", "SELECT id, sum(a) OVER w, rank() OVER w, "
	     "lag(b, 2) OVER w, ntile(7) OVER w FROM t WHERE id <= %d "
	     "WINDOW w AS (PARTITION BY id %% 5 ORDER BY a)", 200 * size);
	sql(job, db, "update", "BEGIN; UPDATE t SET c = c * 2, b = b || 'x' "
	    "WHERE id % 3 = 0; DELETE FROM t WHERE id % 7 = 0; "
	    "SELECT count(*), sum(length(b)), sum(c) FROM t; ROLLBACK; "
	    "SELECT count(*), sum(length(b)), sum(c) FROM t");
	sqlf(job, db, "nested query", "SELECT id, (SELECT count(*) FROM t u WHERE u.a < "
	     "(SELECT max(a) FROM t v WHERE v.id < t.id AND v.id > "
	     "(SELECT min(id) FROM t w WHERE w.a > v.a)) AND u.id < 20) "
	     "FROM t WHERE id <= %d", size > 10 ? 60 : 15);
	sql(job, db, "vacuum", "VACUUM; PRAGMA integrity_check; "
	    "SELECT count(*), sum(a) FROM t");
}

static void recursion(struct job *job, sqlite3 *db)
{
	sqlf(job, db, "recursive count", "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL "
	     "SELECT i + 1 FROM n WHERE i < %d) SELECT count(*), sum(i) FROM n",
	     10000 * size);
	sql(job, db, "mandelbrot", "WITH RECURSIVE "
	    "xaxis(x) AS (VALUES(-2.0) UNION ALL SELECT x+0.1 FROM xaxis WHERE x<1.2),"
	    "yaxis(y) AS (VALUES(-1.0) UNION ALL SELECT y+0.2 FROM yaxis WHERE y<1.0),"
	    "m(iter, cx, cy, x, y) AS (SELECT 0, x, y, 0.0, 0.0 FROM xaxis, yaxis "
	    "  UNION ALL SELECT iter+1, cx, cy, x*x-y*y + cx, 2.0*x*y + cy FROM m "
	    "  WHERE (x*x + y*y) < 4.0 AND iter<28),"
	    "m2(iter, cx, cy) AS (SELECT max(iter), cx, cy FROM m GROUP BY cx, cy),"
	    "a(t) AS (SELECT group_concat(substr(' .+*#', 1+min(iter/7,4), 1), '') "
	    "  FROM m2 GROUP BY cy) SELECT group_concat(rtrim(t), x'0a') FROM a");
	sql(job, db, "sudoku", "WITH RECURSIVE input(sud) AS (VALUES("
	    "'53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79')),"
	    "digits(z, lp) AS (VALUES('1', 1) UNION ALL "
	    "  SELECT CAST(lp+1 AS TEXT), lp+1 FROM digits WHERE lp<9),"
	    "x(s, ind) AS (SELECT sud, instr(sud, '.') FROM input UNION ALL "
	    "  SELECT substr(s, 1, ind-1) || z || substr(s, ind+1), "
	    "  instr(substr(s, 1, ind-1) || z || substr(s, ind+1), '.') "
	    "  FROM x, digits AS z WHERE ind>0 AND NOT EXISTS ("
	    "    SELECT 1 FROM digits AS lp WHERE z.z = substr(s, ((ind-1)/9)*9 + lp, 1) "
	    "    OR z.z = substr(s, ((ind-1)%9) + (lp-1)*9 + 1, 1) "
	    "    OR z.z = substr(s, (((ind-1)/3) % 3) * 3 + ((ind-1)/27) * 27 + lp "
	    "      + ((lp-1) / 3) * 6, 1))) SELECT s FROM x WHERE ind=0");
	sqlf(job, db, "tree", "CREATE TABLE tree(id INTEGER PRIMARY KEY, up INT);"
	     "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d)"
	     "INSERT INTO tree SELECT i, i / 2 FROM n;"
	     "WITH RECURSIVE d(id, lvl) AS (SELECT 1, 0 UNION ALL SELECT tree.id, lvl + 1 "
	     "FROM tree JOIN d ON tree.up = d.id ORDER BY 2 DESC) SELECT * FROM d",
	     100 * size);
	sqlf(job, db, "statements in functions", "SELECT nest(%d)",
	     size < 10 ? 40 : 250);
}

/* Depth on the C stack: the parser's tree is walked by recursion. */
static void depth(struct job *job, sqlite3 *db)
{
	static const struct {
		const char *name, *before, *middle, *after;
	} forms[] = {
		{ "right sum", "1+(", "1", ")" },
		{ "not", "NOT ", "1", "" },
		{ "minus", "-(", "1", ")" },
		{ "function", "abs(", "-1", ")" },
		{ "case", "CASE WHEN 1 THEN ", "5", " ELSE 2 END" },
		{ "between", "1 BETWEEN 0 AND (", "1", ")" },
		{ "cast", "CAST(", "'12'", " AS INT)" },
		{ "vector", "(1,(", "1", "))=(1,1)" },
	};
	int n = size < 10 ? 500 : 8000;
	size_t i;

	nested(job, db, "long sum", n, "SELECT 1", "", "", "+1");
	nested(job, db, "long and", n, "SELECT id FROM t WHERE id < 50", "", "",
	       " AND id <> 7");
	nested(job, db, "long or", n / 10, "SELECT id FROM t WHERE id < 9", "", "",
	       " OR id = 3");
	nested(job, db, "long concatenation", n, "SELECT 'a'", "", "", "||'b'");
	nested(job, db, "too deep", 30000, "SELECT 1", "", "", "+1");
	nested(job, db, "compound", size < 10 ? 50 : 400, "SELECT id FROM tree", "", "",
	       " UNION SELECT 1 - id FROM tree WHERE id < 3");
	nested(job, db, "from in from", size < 10 ? 15 : 60, "",
	       "SELECT id + 1 AS id FROM (", "SELECT id FROM tree",
	       " ORDER BY 1 LIMIT 90)");
	nested(job, db, "in in", size < 10 ? 10 : 40, "",
	       "SELECT id FROM tree WHERE id IN (", "SELECT 3", ")");
	nested(job, db, "scalar", size < 10 ? 10 : 50, "", "SELECT (", "SELECT 3",
	       " + 1)");
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		nested(job, db, forms[i].name, n * 3 / 4, "SELECT ",
		       forms[i].before, forms[i].middle, forms[i].after);
}

static void views(struct job *job, sqlite3 *db)
{
	int i, n = size < 10 ? 10 : 80;

	sql(job, db, "view", "CREATE VIEW v0 AS SELECT id, up FROM tree");
	for (i = 1; i <= n; i++) {
		char *s = sqlite3_mprintf("CREATE VIEW v%d AS SELECT id + 1 AS id, up "
			"FROM v%d ORDER BY up LIMIT 1000", i, i - 1);

		if (!s || sqlite3_exec(db, s, NULL, NULL, NULL) != SQLITE_OK)
			say(job, "view %d: %s\n", i, sqlite3_errmsg(db));
		sqlite3_free(s);
	}
	sqlf(job, db, "views", "SELECT * FROM v%d ORDER BY id, up", n);
}

static void triggers(struct job *job, sqlite3 *db)
{
	sqlf(job, db, "triggers", "CREATE TABLE log(n INT, what TEXT);"
	     "CREATE TABLE countdown(n INT);"
	     "CREATE TRIGGER c AFTER INSERT ON countdown WHEN new.n > 0 BEGIN "
	     "  INSERT INTO log VALUES(new.n, 'insert'); "
	     "  INSERT INTO countdown VALUES(new.n - 1); "
	     "  UPDATE log SET what = what || '!' WHERE n = new.n; END;"
	     "PRAGMA recursive_triggers = 1; INSERT INTO countdown VALUES(%d);"
	     "SELECT * FROM log ORDER BY n", size < 10 ? 50 : 900);
	sql(job, db, "too many triggers", "INSERT INTO countdown VALUES(100000)");
	sql(job, db, "foreign keys", "PRAGMA foreign_keys = 1;"
	    "CREATE TABLE p(id INTEGER PRIMARY KEY, up REFERENCES p ON DELETE CASCADE);"
	    "INSERT INTO p VALUES(1, NULL);"
	    "WITH RECURSIVE n(i) AS (VALUES(2) UNION ALL SELECT i+1 FROM n WHERE i<400)"
	    "INSERT INTO p SELECT i, i - 1 FROM n;"
	    "DELETE FROM p WHERE id = 100; SELECT count(*) FROM p");
	sql(job, db, "upsert", "CREATE TABLE u(k TEXT PRIMARY KEY, n INT) WITHOUT ROWID;"
	    "INSERT INTO u SELECT substr(b, 1, 2), 1 FROM t WHERE true "
	    "ON CONFLICT(k) DO UPDATE SET n = n + 1 RETURNING n;"
	    "SELECT * FROM u");
}

static void json(struct job *job, sqlite3 *db)
{
	int n = size < 10 ? 400 : 1900;

	sql(job, db, "json", "SELECT json_extract('{\"a\":[1,2,{\"b\":3}]}', '$.a[2].b'),"
	    "json_group_array(id) FROM tree; "
	    "SELECT key, value, type, path FROM json_tree('{\"x\":[1,{\"y\":null}]}');"
	    "SELECT json_patch('{\"a\":1}', '{\"b\":[true,1.5]}')");
	sqlf(job, db, "json arrays", "SELECT length(json("
	     "replace(hex(zeroblob(%d)), '00', '[') || replace(hex(zeroblob(%d)), '00', ']')))",
	     n, n);
	sqlf(job, db, "json objects", "SELECT length(json("
	     "replace(hex(zeroblob(%d)), '00', '{\"a\":') || '1' || "
	     "replace(hex(zeroblob(%d)), '00', '}')))", n, n);
	sqlf(job, db, "json tree", "SELECT count(*), sum(length(fullkey)) FROM json_tree("
	     "replace(hex(zeroblob(%d)), '00', '[1,') || '1' || "
	     "replace(hex(zeroblob(%d)), '00', ']'))", n / 4, n / 4);
	sql(job, db, "json too deep", "SELECT json(replace(hex(zeroblob(5000)), '00', '['))");
	sqlf(job, db, "like", "SELECT replace(hex(zeroblob(%d)), '00', 'ab') LIKE "
	     "replace(hex(zeroblob(20)), '00', '%%a') || '%%c', "
	     "replace(hex(zeroblob(%d)), '00', 'ab') GLOB "
	     "replace(hex(zeroblob(100)), '00', '*[a-b]')", 10, 200);
	sql(job, db, "printf", "SELECT printf('%.99f|%,d|%s|%q|%e|%#x|%-20s|', 1.0/8, "
	    "123456789, 'x', 'it''s', 1e100, 255, 'left')");
	sql(job, db, "dates", "SELECT datetime(0, 'unixepoch'), "
	    "strftime('%Y-%W-%j %H:%M:%f', '2024-02-29 12:34:56.789', '+1 year')");
}

static void text_search(struct job *job, sqlite3 *db)
{
	sqlf(job, db, "fts5", "CREATE VIRTUAL TABLE f USING fts5(body, tokenize='porter');"
	     "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d) "
	     "INSERT INTO f SELECT printf('word%%d running jumped number%%d over%%d', "
	     "i %% 50, i, rnd(i) %% 100) FROM n;"
	     "SELECT rowid FROM f WHERE f MATCH 'word7 AND (over3 OR over5* NOT number9)';"
	     "SELECT rowid, snippet(f, 0, '[', ']', '..', 4) FROM f "
	     "WHERE f MATCH 'run NEAR jump' ORDER BY bm25(f), rowid LIMIT 10;"
	     "INSERT INTO f(f) VALUES('optimize'); INSERT INTO f(f) VALUES('integrity-check');"
	     "SELECT count(*) FROM f WHERE f MATCH 'word*'", 100 * size);
	sqlf(job, db, "rtree", "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1);"
	     "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<%d) "
	     "INSERT INTO r SELECT i, rnd(i) %% 1000, rnd(i) %% 1000 + 5, "
	     "rnd(i + 7) %% 1000, rnd(i + 7) %% 1000 + 5 FROM n;"
	     "SELECT id FROM r WHERE x0 > 100 AND x1 < 300 AND y0 > 50 AND y1 < 400 "
	     "ORDER BY id", 50 * size);
}

static int count_rows(void *arg, int n, char **values, char **names)
{
	(void)n;
	(void)values;
	(void)names;
	yield();
	return ++*(int *)arg == 500;
}

static void callbacks(struct job *job, sqlite3 *db)
{
	int rows = 0, err;

	err = sqlite3_exec(db, "SELECT pass(id) FROM t", count_rows, &rows, NULL);
	say(job, "sqlite3_exec: %d after %d rows\n", err, rows);
	sqlf(job, db, "pass", "SELECT pass(id) FROM t WHERE pass(a) > 5 ORDER BY pass(b) "
	     "LIMIT %d", 100 * size);
}

/* SQLite sorts with threads of its own. */
static void threads(struct job *job, sqlite3 *db)
{
	sql(job, db, "sort with threads", "PRAGMA threads = 2; PRAGMA cache_size = 50;"
	    "SELECT id, b FROM t ORDER BY c, a, id; "
	    "CREATE INDEX tc ON t(c, b); PRAGMA integrity_check");
}

static sqlite3 *open_db(const char *path)
{
	sqlite3 *db;
	int err = sqlite3_open(path, &db);

	if (err == SQLITE_OK)
		err = sqlite3_create_function(db, "rnd", 1,
			SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, f_rnd, NULL, NULL);
	if (err == SQLITE_OK)
		err = sqlite3_create_function(db, "pass", 1, SQLITE_UTF8, NULL,
			f_pass, NULL, NULL);
	if (err == SQLITE_OK)
		err = sqlite3_create_function(db, "nest", 1, SQLITE_UTF8, NULL,
			f_nest, NULL, NULL);
	if (err == SQLITE_OK)
		err = sqlite3_create_collation(db, "odd", SQLITE_UTF8, NULL, c_odd);
	if (err != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
		exit(2);
	}
	return db;
}

static void in_memory(struct job *job)
{
	sqlite3 *db = open_db(":memory:");

	tables(job, db);
	recursion(job, db);
	depth(job, db);
	views(job, db);
	triggers(job, db);
	json(job, db);
	text_search(job, db);
	callbacks(job, db);
	if (sqlite3_close(db) != SQLITE_OK)
		say(job, "not closed: %s\n", sqlite3_errmsg(db));
}

static void on_disk(struct job *job)
{
	char path[512];
	sqlite3 *db;
	int i;

	snprintf(path, sizeof(path), "%s/job%d.db", dir, job->id);
	unlink(path);
	db = open_db(path);
	sql(job, db, "journal", "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
	tables(job, db);
	threads(job, db);
	for (i = 0; i < 3; i++)
		sql(job, db, "transaction", "BEGIN IMMEDIATE; SAVEPOINT a;"
		    "UPDATE t SET a = a + 1 WHERE id % 11 = 1; ROLLBACK TO a;"
		    "UPDATE t SET a = a + 2 WHERE id % 11 = 2; COMMIT;"
		    "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);

	db = open_db(path);
	sql(job, db, "again", "PRAGMA journal_mode = DELETE; PRAGMA integrity_check;"
	    "SELECT count(*), sum(a) FROM t");
	sqlite3_close(db);
	unlink(path);
}

static void run_sql(struct job *job)
{
	in_memory(job);
	on_disk(job);
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 4) {
		fprintf(stderr, "usage: sqlite_main jobs size directory\n");
		return 2;
	}
	size = atoi(argv[2]);
	dir = argv[3];
	own_mutexes();
	if (sqlite3_initialize() != SQLITE_OK)
		die("sqlite3_initialize");
	status = drive(atoi(argv[1]), run_sql);
	sqlite3_shutdown();
	return status;
}
