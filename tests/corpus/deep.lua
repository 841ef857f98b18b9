-- SPDX-License-Identifier: ISC
-- tests/corpus/deep.lua - recursion on the C stack, to Lua's limit and back
--
-- size: how deep at most; 0 is up to "C stack overflow".

local size, job = ...
local max = size == 0 and math.maxinteger or size

-- What fails must fail at the same depth everywhere.
local function report(name, ok, ...)
	local words = { name, tostring(ok) }
	for i = 1, select("#", ...) do
		local v = tostring((select(i, ...)))
		words[#words + 1] = #v > 200 and v:sub(1, 200) or v
	end
	print(table.concat(words, " "))
end

local reached

local function run(name, f)
	reached = 0
	report(name, pcall(f, 1))
	report(name .. " reached", reached)
	yield()
end

local function note(n)
	if n > reached then reached = n end
	return n >= max
end

-- string.gsub calls back
local function by_gsub(n)
	if note(n) then return "end" end
	return (string.gsub("a", "a", function() return by_gsub(n + 1) end))
end
run("gsub", by_gsub)

-- table.sort with a comparison that sorts
local function by_sort(n)
	if note(n) then return n end
	local r
	table.sort({ 2, 1 }, function(a, b)
		r = r or by_sort(n + 1)
		return a < b
	end)
	return r
end
run("sort", by_sort)

-- Each level catches errors: a setjmp each.  An error looks at all levels
-- above, so that is quadratic.
local limit = max
max = math.min(max, 5000)
local function by_pcall(n)
	if note(n) then return n end
	local ok, r = pcall(by_pcall, n + 1)
	if not ok then error(r, 0) end
	return r
end
run("pcall", by_pcall)

local function by_xpcall(n)
	if note(n) then error({ depth = n }) end
	local ok, r = xpcall(by_xpcall, function(e) return e end, n + 1)
	if type(r) == "table" then r.depth = r.depth + 1 end
	if not ok then error(r, 0) end
	return r
end
reached = 0
do
	local ok, e = pcall(by_xpcall, 1)
	report("xpcall", ok, type(e) == "table" and e.depth or "other error")
	report("xpcall reached", reached)
end
max = limit

-- Coroutines that start coroutines
local function by_coroutine(n)
	if note(n) then return n end
	local ok, r = coroutine.resume(coroutine.create(by_coroutine), n + 1)
	if not ok then error(r, 0) end
	return r
end
run("coroutine", by_coroutine)

-- Values that come up from the innermost, one level at a time
local function by_yield(n)
	if note(n) then
		coroutine.yield(n)
		return
	end
	for v in coroutine.wrap(function() by_yield(n + 1) end) do
		coroutine.yield(v + 1)
	end
end
do
	max = math.min(max, 1000)
	reached = 0
	local sum = 0
	local ok = pcall(function()
		for v in coroutine.wrap(function() by_yield(1) end) do
			sum = sum + v
		end
	end)
	report("yield", ok, sum, reached)
	max = limit
end

-- Metamethods
local function by_index(n)
	if note(n) then return n end
	return setmetatable({}, { __index = function(_, k)
		return by_index(k + 1)
	end })[n]
end
run("__index", by_index)

local function by_tostring(n)
	return setmetatable({}, { __tostring = function()
		if note(n) then return "end" end
		return string.format("%s", by_tostring(n + 1))
	end })
end
run("__tostring", function(n) return tostring(by_tostring(n)) end)

local function by_close(n)
	if note(n) then return n end
	local r
	do
		local _ <close> = setmetatable({}, { __close = function()
			r = by_close(n + 1)
		end })
	end
	return r
end
run("__close", by_close)

local function by_lt(n)
	local mt = { __lt = function() return by_lt(n + 1) end }
	if note(n) then return true end
	return setmetatable({}, mt) < setmetatable({}, mt)
end
run("__lt", by_lt)

local function by_concat(n)
	if note(n) then return "end" end
	return setmetatable({}, { __concat = function()
		return by_concat(n + 1)
	end }) .. ""
end
run("__concat", by_concat)

-- load with a reader that loads
local function by_load(n)
	if note(n) then return n end
	local done, r
	load(function()
		if done then return nil end
		done = true
		r = by_load(n + 1)
		return "return 1"
	end)
	return r
end
run("load", by_load)

-- The parser
local function parse(name, before, middle, after)
	local n = size == 0 and 18000 or size
	local text = before:rep(n) .. middle .. (after or ""):rep(n)
	local f, e = load(text, "=text")
	if not f then
		report("parse " .. name, false, e)
		return
	end
	report("parse " .. name, pcall(f))
end
local function parse_value(name, ...)
	local b, m, a = ...
	local n = size == 0 and 18000 or size
	local f, e = load("return " .. b:rep(n) .. m .. (a or ""):rep(n), "=text")
	report("parse " .. name, f ~= nil, f and (type(f()) == "table" and "table" or f()) or e)
end
parse_value("parentheses", "(", "1", ")")
parse_value("tables", "{", "1", "}")
parse_value("unary", "- ", "1")
parse_value("not", "not ", "true")
parse_value("power", "1^", "1")
parse("blocks", "do ", "local x = 1 ", "end ")
parse("while", "while true do ", "break ", "break end ")
parse("if", "if true then ", "local x = 1 ", "end ")

-- One too many
for _, t in ipairs { { "(", "1", ")" }, { "{", "1", "}" }, { "- ", "1", "" } } do
	local f, e = load("return " .. t[1]:rep(30000) .. t[2] .. t[3]:rep(30000), "=text")
	report("parse too deep", f ~= nil, e)
end

-- The pattern matcher recurses by the items of the pattern.
local n = size == 0 and 15000 or size
report("match", pcall(function()
	return #string.match(("a"):rep(n), ("a?"):rep(n))
end))
report("match too complex", pcall(string.match, ("a"):rep(30000), ("a?"):rep(30000)))
report("end", job)
