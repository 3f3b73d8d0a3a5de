-- What lua.conv talks to: a line asks, each for one thing that scripts do.
local asked = {}

function asked.hello(conn, who)
	conn:write("Hello, " .. (who or bevhost.params.who) .. "!\n")
end

function asked.count(conn)
	total = (total or 0) + 1 -- a global, of this connection alone
	conn:write(total .. "\n")
end

function asked.exactly(conn, count)
	local bytes, why = conn:read_exactly(tonumber(count), 5)
	conn:write((bytes or why) .. "\n")
end

asked["until"] = function(conn, separator)
	conn:write(assert(conn:read_until(separator)):reverse() .. "\n")
end

function asked.sleep(conn, seconds)
	bevhost.sleep(tonumber(seconds))
	conn:write("awake\n")
end

function asked.children(conn)
	local function add(a, b)
		bevhost.sleep(b)
		return a + b
	end
	local one = bevhost.spawn(add, 1, 2)
	local two = bevhost.spawn(add, 3, 1)
	local _, sum = assert(two:await())
	conn:write(sum .. " " .. select(2, assert(one:await())) .. "\n")
end

function asked.words(conn, text)
	local words = {}
	for word in text:gmatch("%w+") do
		words[#words + 1] = word:gsub("^%l", string.upper)
	end
	table.sort(words, function(a, b) return a > b end)
	conn:write(table.concat(words, " ") .. "\n")
end

function asked.fetch(conn, where)
	local other <close>, why = bevhost.connect(where, 80, 5)
	if not other then
		conn:write(why .. "\n")
		return
	end
	other:write("GET\n")
	conn:write((other:read_line() or "nothing") .. "\n")
end

function asked.large(conn)
	for _ = 1, 12 do
		conn:write(("x"):rep(1023) .. "\n")
	end
	conn:write("end\n")
end

asked["error"] = function()
	error("as asked")
end

function asked.loop()
	while true do
		pcall(asked.loop)
	end
end

function asked.memory()
	local all = {}
	while true do
		all[#all + 1] = ("x"):rep(10000) .. #all
	end
end

function asked.pattern()
	return ("a"):rep(30000):find(("a*"):rep(20) .. "b")
end

function serve(conn)
	for line in conn:lines(30) do
		local what, rest = line:match("^(%S+)%s*(.*)$")
		if what == "quit" then
			return conn:close()
		end
		local ask = asked[what]
		if ask then
			ask(conn, rest ~= "" and rest or nil)
		else
			conn:write("what?\n")
		end
	end
end
