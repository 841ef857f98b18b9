-- SPDX-License-Identifier: ISC
-- tests/corpus/errors.lua - errors raised deep, caught at various heights
--
-- size: how often.

local size, job = ...
local random = 12345 + job

local function rnd(n)
	random = (random * 1103515245 + 12345) & 0x7fffffff
	return (random >> 8) % n + 1
end

local sum = 0
local function add(v)
	if type(v) == "string" then
		for i = 1, #v do sum = (sum * 31 + v:byte(i)) & 0xffffffff end
	else
		sum = (sum * 31 + v) & 0xffffffff
	end
end

-- Down by a mix of ways to be on the C stack, then f.
local ways = {
	function(g) return (string.gsub("a", "a", g)) end,
	function(g) table.sort({ 2, 1 }, function(a, b) g() return a < b end) end,
	function(g) return tostring(setmetatable({}, { __tostring = g })) end,
	function(g) return setmetatable({}, { __index = g }).x end,
	function(g)
		local ok, e = pcall(g)
		if not ok then error(e, 0) end
	end,
	function(g)
		local co = coroutine.create(g)
		local ok, e = coroutine.resume(co)
		if not ok then error(e, 0) end
	end,
	function(g)
		local f, e = load(function() g() end)
		if not f then error(e, 0) end
	end,
	function(g)
		local _ <close> = setmetatable({}, { __close = function() add(1) end })
		g()
	end,
}

local function down(n, f)
	if n == 0 then return f() end
	return ways[rnd(#ways)](function()
		down(n - 1, f)
		return "x"
	end)
end

local kinds = {
	function() error("a string") end,
	function() error({ code = 7 }) end,
	function() error(42, 0) end,
	function() local x = nil; return x.field end,
	function() return 1 + {} end,
	function() return #5 end,
	function() return string.rep("x", -1):bad() end,
	function() return ("x"):rep(1 << 60) end,
	function() return string.format("%d", "x") end,
	function() return setmetatable({}, { __lt = error }) < 1 end,
	function() table.concat({ {} }) end,
	function() assert(false, "asserted") end,
	function() assert(load("x = = 1")) end,
	function() string.gsub("x", "(", "") end,
	function() coroutine.wrap(function() error("inside") end)() end,
	function() return coroutine.yield(1), error("after") end,
	function() table.sort({ 1, 2, 3, 4, 5 }, function() return true end) error("sorted") end,
}

for i = 1, size do
	local depth = rnd(i % 10 == 0 and 2000 or 60)
	local f = kinds[rnd(#kinds)]
	local ok, e = pcall(down, depth, f)
	if type(e) == "table" then e = e.code end
	add(ok and 1 or 0)
	add(tostring(e))
	if i % 50 == 0 then
		print("error", i, sum)
		yield()
	end
end

-- Caught half-way down, then further down from there
local function half(n)
	local ok, e = pcall(down, rnd(200), function() error(n) end)
	if n > 0 then
		return down(rnd(100), function() half(n - 1) error("up") end)
	end
	return e
end
for i = 1, size // 20 + 1 do
	local ok, e = pcall(half, 5)
	add(tostring(e))
end
print("half-way", sum)

-- A message handler at the depth of the error
local lines = 0
for i = 1, size // 20 + 1 do
	local ok, e = xpcall(down, function(m)
		local t = debug.traceback("x", 1)
		for _ in t:gmatch("\n") do lines = lines + 1 end
		return "handled " .. tostring(m)
	end, rnd(500), function() error("deep") end)
	add(tostring(e))
end
print("handler", lines, sum)

-- The same loop over a boundary, thousands of times
local function at(n, f)
	if n == 0 then return f() end
	return (string.gsub("a", "a", function() return at(n - 1, f) end))
end
local caught = 0
for depth = 1, 300, 7 do
	at(depth, function()
		for i = 1, size do
			if not pcall(error, i) then caught = caught + 1 end
			if not pcall(at, 3, error) then caught = caught + 1 end
		end
		return "x"
	end)
end
print("boundary", caught)

-- Coroutines left suspended at depth, and collected
for i = 1, size // 4 + 1 do
	local co = coroutine.wrap(function()
		pcall(function()
			coroutine.yield(i)
			error("never")
		end)
	end)
	add(co())
end
collectgarbage()
print("end", sum)
