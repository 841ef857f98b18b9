-- SPDX-License-Identifier: ISC
-- tests/corpus/work.lua - ordinary work, printed as checksums
--
-- size: how much.

local size, job = ...

local function checksum(s)
	local h = 2166136261
	for i = 1, #s do h = ((h ~ s:byte(i)) * 16777619) & 0xffffffff end
	return h
end

local function part(name, f)
	print(name, f())
	yield()
end

part("queens", function()
	local n, count = 6 + math.min(size, 2), 0
	local cols, up, dn = {}, {}, {}
	local function place(r)
		if r > n then count = count + 1 return end
		for c = 1, n do
			if not (cols[c] or up[r + c] or dn[r - c + n]) then
				cols[c], up[r + c], dn[r - c + n] = true, true, true
				place(r + 1)
				cols[c], up[r + c], dn[r - c + n] = nil, nil, nil
			end
		end
	end
	place(1)
	return n, count
end)

part("fib", function()
	local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
	return fib(16 + size)
end)

part("ackermann", function()
	local function ack(m, n)
		if m == 0 then return n + 1 end
		if n == 0 then return ack(m - 1, 1) end
		return ack(m - 1, ack(m, n - 1))
	end
	return ack(2, 20 * size)
end)

part("sieve", function()
	local n, composite, count = 5000 * size, {}, 0
	for i = 2, n do
		if not composite[i] then
			count = count + 1
			for j = i * i, n, i do composite[j] = true end
		end
	end
	return count
end)

part("sort", function()
	math.randomseed(42 + job)
	local t = {}
	for i = 1, 3000 * size do t[i] = math.random(1, 1 << 30) end
	table.sort(t, function(a, b) return a > b end)
	for i = 2, #t do assert(t[i - 1] >= t[i]) end
	local first = t[1]
	local words = {}
	for i, v in ipairs(t) do words[i] = string.format("%x", v) end
	table.sort(words)
	table.sort(t, function(a, b)
		local x, y = a % 1000, b % 1000
		if x ~= y then return x < y end
		return a < b
	end)
	return first, checksum(table.concat(t, " ")), checksum(table.concat(words))
end)

part("format", function()
	local t = {}
	for i = 1, 50 * size do
		t[#t + 1] = string.format("%d %5.2f %e %g %x %o %c %q %-10s| %+i %a",
			i, i / 7, i * 1e10, 1 / i, i, i, 65 + i % 26,
			"q\"\n" .. i, "s" .. i, i, i / 2)
	end
	t[#t + 1] = string.format("%99.99f", 1e308)
	t[#t + 1] = string.format("%99.99f|%.99g|%.14g", -2 ^ 1023, 1 / 3, math.pi)
	t[#t + 1] = string.format("%q", 1 / 0) .. math.mininteger .. 2 ^ 53
	return #table.concat(t), checksum(table.concat(t, "\n"))
end)

part("strings", function()
	local text = {}
	for i = 1, 200 * size do
		text[i] = ("word%d=%s;"):format(i * 7919 % 1000, ("ab"):rep(i % 9))
	end
	text = table.concat(text)
	local counts, keys = {}, {}
	for k, v in text:gmatch("(%w+)=(%w*);") do
		counts[k] = (counts[k] or 0) + #v
	end
	for k in pairs(counts) do keys[#keys + 1] = k end
	table.sort(keys)
	for i, k in ipairs(keys) do keys[i] = k .. counts[k] end
	local replaced, n = text:gsub("(a)(b)", "%2%1")
	local upper = text:gsub("%l+", string.upper)
	local find = text:find("word999=", 1, true)
	return checksum(table.concat(keys)), checksum(replaced), n,
		checksum(upper), find, checksum(text:reverse()),
		select("#", text:byte(1, 100))
end)

part("pack", function()
	local t = {}
	for i = 1, 100 * size do
		t[i] = string.pack("<i4 >I2 z s1 d", i * 1000003 % (1 << 31), i % 65536,
			"zero" .. i, "counted", i / 3)
	end
	local s, pos, sum = table.concat(t), 1, 0
	while pos <= #s do
		local a, b, c, d, e
		a, b, c, d, e, pos = string.unpack("<i4 >I2 z s1 d", s, pos)
		sum = (sum * 31 + a + b + #c + #d + math.floor(e)) & 0xffffffff
	end
	return sum, checksum(s)
end)

part("utf8", function()
	local t = {}
	for i = 1, 300 * size do t[i] = utf8.char(0x20 + i * 37 % 0xd000) end
	local s, sum = table.concat(t), 0
	for p, c in utf8.codes(s) do sum = (sum * 31 + p + c) & 0xffffffff end
	return utf8.len(s), sum
end)

part("closures", function()
	local list = {}
	for i = 1, 500 * size do
		local n = i
		list[i] = function(d) n = n + d; return n end
	end
	local sum = 0
	for r = 1, 3 do
		for i = 1, #list do sum = (sum + list[i](r)) & 0xffffffff end
	end
	local function compose(f, n)
		if n == 0 then return f end
		return compose(function(x) return f(x + 1) end, n - 1)
	end
	return sum, compose(function(x) return x * 2 end, 100)(1)
end)

part("objects", function()
	local Account = {}
	Account.__index = Account
	Account.__add = function(a, b) return Account.new(a.n + b.n) end
	Account.__eq = function(a, b) return a.n == b.n end
	Account.__lt = function(a, b) return a.n < b.n end
	Account.__call = function(self, d) self.n = self.n + d return self end
	function Account.new(n) return setmetatable({ n = n }, Account) end
	local list, total = {}, Account.new(0)
	for i = 1, 300 * size do list[i] = Account.new(i * 7919 % 10007)(1) end
	table.sort(list, function(a, b) return a < b end)
	for _, a in ipairs(list) do total = total + a end
	return total.n, list[1].n, list[#list].n, list[1] == Account.new(list[1].n)
end)

part("varargs", function()
	local function sum(a, ...)
		if a then return a + sum(...) end
		return 0
	end
	local t = {}
	for i = 1, 150 do t[i] = i end
	return sum(table.unpack(t)), select("#", table.unpack(t)),
		string.char(table.unpack(t, 65, 90)), math.max(table.unpack(t))
end)

part("coroutines", function()
	local function generate(n)
		return coroutine.wrap(function()
			for i = 2, n do coroutine.yield(i) end
		end)
	end
	local function filter(p, g)
		return coroutine.wrap(function()
			for n in g do
				if n % p ~= 0 then coroutine.yield(n) end
			end
		end)
	end
	local g, sum = generate(100 * size), 0
	while true do
		local p = g()
		if not p then break end
		sum = sum + p
		g = filter(p, g)
	end
	local function permute(a, n)
		if n <= 1 then yield() coroutine.yield(a[1] * 10 + a[2]) return end
		for i = 1, n do
			a[n], a[i] = a[i], a[n]
			permute(a, n - 1)
			a[n], a[i] = a[i], a[n]
		end
	end
	local h = 0
	for v in coroutine.wrap(function() permute({ 1, 2, 3, 4, 5 }, 5) end) do
		h = (h * 31 + v) & 0xffffffff
	end
	return sum, h
end)

part("matrix", function()
	local n = 10 + 2 * size
	local function make(f)
		local m = {}
		for i = 1, n do
			m[i] = {}
			for j = 1, n do m[i][j] = f(i, j) end
		end
		return m
	end
	local a = make(function(i, j) return i / j end)
	local b = make(function(i, j) return (i * j) % 7 end)
	local trace = 0.0
	local c = make(function(i, j)
		local s = 0.0
		for k = 1, n do s = s + a[i][k] * b[k][j] end
		return s
	end)
	for i = 1, n do trace = trace + c[i][i] end
	return string.format("%.10g", trace)
end)

part("mandelbrot", function()
	local n, h = 8 + 4 * size, 0
	for y = 0, n - 1 do
		for x = 0, n - 1 do
			local cr, ci, zr, zi, k = 3 * x / n - 2, 2 * y / n - 1, 0.0, 0.0, 0
			while k < 50 and zr * zr + zi * zi < 4 do
				zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
				k = k + 1
			end
			h = (h * 31 + k) & 0xffffffff
		end
	end
	return h
end)

part("compile", function()
	local sum = 0
	for i = 1, 40 * size do
		local f = assert(load(("local a, b = %d, ... ; return function(c) " ..
			"return a * b + c end"):format(i)))
		f = load(string.dump(f))
		sum = (sum + f(i)(3)) & 0xffffffff
	end
	return sum
end)

part("garbage", function()
	local finalized, weak = 0, setmetatable({}, { __mode = "k" })
	for i = 1, 500 * size do
		local t = setmetatable({ ("x"):rep(i % 100) }, { __gc = function()
			finalized = finalized + 1
		end })
		weak[t] = i
	end
	collectgarbage()
	collectgarbage("generational")
	for i = 1, 100 do local _ = { i } end
	collectgarbage()
	collectgarbage("incremental")
	return finalized, next(weak)
end)

part("files", function()
	local f = assert(io.tmpfile())
	for i = 1, 300 * size do f:write(i, " line ", i / 4, "\n") end
	f:seek("set")
	local sum, n = 0, 0
	for l in f:lines("L") do sum, n = (sum + checksum(l)) & 0xffffffff, n + 1 end
	f:seek("set")
	local a, b = f:read("n", "l")
	local rest = f:read("a")
	f:close()
	return n, sum, a, b, #rest, os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365)
end)

part("math", function()
	local s = 0.0
	for i = 1, 200 * size do
		s = s + math.sin(i) + math.exp(-i / 100) + math.sqrt(i) + math.log(i, 10)
	end
	return string.format("%.8g", s), math.tointeger(2 ^ 53), 7 // -2, -7 % 3,
		7.5 // 2, 1 << 62, math.ult(1, -1), 0x7fffffffffffffff + 1
end)
print("end", job)
