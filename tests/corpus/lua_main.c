// SPDX-License-Identifier: ISC
/*
 * tests/corpus/lua_main.c - run a Lua script in goroutines.
 *
 *	lua_main jobs script size
 *
 * Each job has a Lua state of its own.  The script gets the size of its work
 * and the number of the job; print() goes to the job's output, yield() lets
 * other goroutines run.
 */
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#include "drive.h"

static const char *script;
static lua_Integer size;

static int l_print(lua_State *L)
{
	struct job *job = lua_touserdata(L, lua_upvalueindex(1));
	int i, n = lua_gettop(L);
	const char *s;
	size_t len;

	for (i = 1; i <= n; i++) {
		s = luaL_tolstring(L, i, &len);
		if (i > 1)
			put(job, "\t", 1);
		put(job, s, len);
		lua_pop(L, 1);
	}
	put(job, "\n", 1);
	return 0;
}

static int l_yield(lua_State *L)
{
	yield();
	return lua_gettop(L);
}

static int message(lua_State *L)
{
	luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

static void run_script(struct job *job)
{
	lua_State *L = luaL_newstate();
	const char *err;
	size_t len;

	if (!L)
		die("luaL_newstate");
	luaL_openlibs(L);
	lua_pushlightuserdata(L, job);
	lua_pushcclosure(L, l_print, 1);
	lua_setglobal(L, "print");
	lua_register(L, "yield", l_yield);

	lua_pushcfunction(L, message);
	if (luaL_loadfile(L, script) != LUA_OK)
		goto failed;
	lua_pushinteger(L, size);
	lua_pushinteger(L, job->id);
	if (lua_pcall(L, 2, 0, 1) != LUA_OK)
		goto failed;
	lua_close(L);
	return;

failed:
	err = luaL_tolstring(L, -1, &len);
	put(job, err, len);
	put(job, "\n", 1);
	job->failed = 1;
	lua_close(L);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: lua_main jobs script size\n");
		return 2;
	}
	script = argv[2];
	size = atoll(argv[3]);
	return drive(atoi(argv[1]), run_script);
}
