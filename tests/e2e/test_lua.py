# SPDX-License-Identifier: BSD-2-Clause
"""The lua plugin: what scripts can do, what stops them, and what they cannot
reach."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import (Server, need_config, receive_all, receive_exactly, run,
                     wait_for)

GREETING = """\
function serve(conn)
	while conn:read() do
		conn:write("Hello World!")
	end
end
"""

# Runs what the client sends, in the place of a script for each test.
LOADER = """\
function serve(conn)
	local code = conn:read_until("\\n--\\n", nil, 65536)
	local run = assert(load(code, "=code"))
	say = function(...)
		local words = table.pack(...)
		for i = 1, words.n do
			words[i] = tostring(words[i])
		end
		conn:write(table.concat(words, " ") .. "\\n")
	end
	run(conn)
end
"""


def has_lua():
    return "lua" in run("--list-plugins")[1].split()


@unittest.skipUnless(has_lua(), "built without Lua")
class Script(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.write(LOADER)

    def write(self, text, name="test.lua"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def serve(self, *words, script=None, **more):
        return Server("lua", "script=" + (script or self.path), *words, **more)

    def start(self, server, code):
        connection = server.connect()
        connection.sendall(code.encode() + b"\n--\n")
        return connection

    def ask(self, server, code):
        """All that a piece of code says."""
        with self.start(server, code) as connection:
            return receive_all(connection).decode()

    def expect(self, code, answer, *words):
        with self.serve(*words) as server:
            self.assertEqual(self.ask(server, code), answer)
            self.assertEqual(server.stderr().count("\n"), 1, server.stderr())


class Talk(Script):
    def test_the_greeting(self):
        script = self.write(GREETING)
        with self.serve(script=script) as server:
            with server.connect() as connection:
                for _ in range(3):
                    connection.sendall(b"hello")
                    self.assertEqual(receive_exactly(connection, 12),
                                     b"Hello World!")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")

    @unittest.skipUnless(shutil.which("nc"), "there is no nc")
    def test_with_nc(self):
        script = self.write(GREETING)
        with self.serve(script=script) as server:
            done = subprocess.run(
                ["nc", "-N", *server.addresses[0].split(":")], input=b"hello",
                capture_output=True, check=True, timeout=harness.PATIENCE)
            self.assertEqual(done.stdout, b"Hello World!")

    def test_lines(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    for line in conn:lines() do say(#line, line) end
                    say(conn:read_line())""") as connection:
                connection.sendall(b"one\r\ntwo\n\nno end")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection),
                                 b"3 one\n3 two\n0 \n6 no end\nnil eof\n")

    def test_a_line_that_is_too_long_stays_unread(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    say(conn:read_line(nil, 10))
                    say(conn:read(4))
                    say(conn:read_line(nil, 10))""") as connection:
                connection.sendall(b"0123456789abc\n")
                self.assertEqual(receive_all(connection),
                                 b"nil too long\n0123\n456789abc\n")

    def test_exactly_and_until(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    say(conn:read_exactly(3))
                    say(conn:read_until("--"))
                    say(conn:read_exactly(3))
                    say(conn:read_until("x"))
                    say(conn:read(1), conn:read())
                    say(conn:read())""") as connection:
                connection.sendall(b"abcd--e")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(
                    receive_all(connection),
                    b"abc\nd--\nnil eof\nnil eof\ne nil eof\nnil eof\n")

    def test_every_byte(self):
        data = bytes(range(256)) * 4000
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    local bytes = conn:read_exactly(256 * 4000)
                    conn:write(bytes:reverse():reverse())
                    """) as connection:
                connection.sendall(data)
                self.assertEqual(receive_all(connection), data)

    def test_deadlines(self):
        self.expect("""
            local conn = ...
            local begin = bevhost.now()
            say(conn:read(1, 0.05))
            say(conn:read_line(0.05))
            say(conn:read_exactly(5, 0))
            say(bevhost.sleep(0.05))
            say(bevhost.now() - begin >= 0.15)""",
                    "nil timeout\nnil timeout\nnil timeout\ntrue\ntrue\n")

    def test_who_it_is(self):
        with self.serve() as server:
            with self.start(server, "local conn = ... say(conn.client, "
                            "conn.id, conn.nothing)") as connection:
                name = "%s:%d" % connection.getsockname()
                self.assertEqual(receive_all(connection).decode(),
                                 f"{name} 1 nil\n")

    def test_parameters(self):
        self.expect("""
            say(bevhost.params.who, bevhost.params.none, bevhost.params.sum)
            say(pcall(function() bevhost.params.who = 1 end))""",
                    "alice nil 1=1\nfalse code:3: cannot set 'who': it is "
                    "shared by all connections\n",
                    "param=who=bob", "param=sum=1=1", "param=who=alice")

    def test_close(self):
        self.expect("""
            local conn = ...
            say("last")
            conn:close()
            say("never")
            say("nor this")""", "last\n")

    def test_write_waits_for_a_slow_reader(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    local piece = ("x"):rep(65536)
                    for i = 1, 512 do assert(conn:write(piece)) end
                    """) as connection:
                total = 0
                while True:
                    chunk = connection.recv(1 << 16)
                    total += len(chunk)
                    if not chunk:
                        break
                self.assertEqual(total, 512 * 65536)

    def test_what_is_not_taken_in_time_is_not_added_to(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    local piece, said = ("x"):rep(65536), false
                    for i = 1, 2000 do
                        said = select(2, conn:write(piece, 0)) or said
                    end
                    bevhost.log(said)
                    """):
                server.wait_log("timeout")

    def test_print_and_log(self):
        with self.serve(options=["-v"]) as server:
            self.ask(server, """
                print("one", 2, nil)
                bevhost.log("three")
                bevhost.log("info", "four")
                bevhost.log("debug", "five")
                say(pcall(bevhost.log, "loud", "six"))""")
            log = server.stderr()
            for line in ("one 2 nil", "three", "four"):
                self.assertRegex(log, r"lua: 127.0.0.1:\d+: " + line)
            self.assertNotIn("five", log)

    def test_a_global_belongs_to_its_connection(self):
        code = "say(mine, string.upper('x')) mine = 'set' say(mine)"
        with self.serve() as server:
            for _ in range(2):
                self.assertEqual(self.ask(server, code), "nil X\nset\n")

    def test_locals_of_the_file_are_shared(self):
        script = self.write("""
            local count = 0
            function serve(conn)
                count = count + 1
                conn:write(tostring(count))
            end""")
        with self.serve(script=script) as server:
            for number in (b"1", b"2"):
                with server.connect() as connection:
                    self.assertEqual(receive_all(connection), number)

    def test_one_connection_writes_to_another(self):
        script = self.write("""
            local members = {}
            function serve(conn)
                members[conn.id] = conn
                for line in conn:lines() do
                    for id, other in pairs(members) do
                        other:write(line .. "\\n")
                    end
                end
                members[conn.id] = nil
            end""")
        with self.serve(script=script) as server:
            with contextlib.ExitStack() as stack:
                alice, bob = (stack.enter_context(server.connect())
                              for _ in range(2))
                for one, other in ((alice, bob), (bob, alice)):
                    one.sendall(b"hi\n")
                    self.assertEqual(receive_exactly(one, 3), b"hi\n")
                    other.sendall(b"ho\n")
                    self.assertEqual(receive_exactly(one, 3), b"ho\n")
                    receive_exactly(other, 3 if one is bob else 0)

    def test_waits_in_coroutines_sorts_and_patterns(self):
        self.expect("""
            local function wait() bevhost.sleep(0.001) end
            local co = coroutine.wrap(function()
                for i = 1, 3 do wait() coroutine.yield(i) end
            end)
            say(co(), co(), co())
            local t = {3, 1, 2}
            table.sort(t, function(a, b) wait() return a < b end)
            say(table.concat(t, " "))
            say((("a b"):gsub("%w", function(c) wait() return c .. c end)))""",
                    "1 2 3\n1 2 3\naa bb\n")

    def test_a_precious_first_line(self):
        script = self.write(b"\xef\xbb\xbf#!/usr/bin/env lua\n" +
                            GREETING.encode())
        with self.serve(script=script) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12),
                                 b"Hello World!")


class Tasks(Script):
    def test_children(self):
        self.expect("""
            local function add(a, b) bevhost.sleep(0.01) return a + b, "ok" end
            local one, two = bevhost.spawn(add, 1, 2), bevhost.spawn(add, 3, 4)
            say(two:await())
            say(one:await())
            say(one:await())""", "true 7 ok\ntrue 3 ok\nnil not a child\n")

    def test_await_has_a_deadline(self):
        self.expect("""
            local child = bevhost.spawn(bevhost.sleep, 0.2)
            say(child:await(0.01))
            say(child:await())""", "nil timeout\ntrue true\n")

    def test_a_cancelled_child_hears_it_once(self):
        self.expect("""
            local child = bevhost.spawn(function()
                local ok, why = bevhost.sleep(60)
                local again = pcall(bevhost.sleep, 60)
                return ok, why, again
            end)
            bevhost.sleep(0.01)
            child:cancel()
            say(child:await())""", "true nil canceled false\n")

    def test_a_child_reads_while_its_parent_writes(self):
        with self.serve() as server:
            with self.start(server, """
                    local conn = ...
                    local child = bevhost.spawn(function()
                        return conn:read_line()
                    end)
                    bevhost.sleep(0.01)
                    say(conn:read(1))
                    say("first")
                    say(child:await())""") as connection:
                self.assertEqual(receive_exactly(connection, 15),
                                 b"nil busy\nfirst\n")
                connection.sendall(b"second\n")
                self.assertEqual(receive_all(connection), b"true second\n")

    def test_an_error_of_a_child_closes_its_connection(self):
        with self.serve() as server:
            answer = self.ask(server, """
                local child = bevhost.spawn(error, "a child's")
                say(child:await())
                bevhost.sleep(60)""")
            self.assertEqual(answer, "")
            self.assertIn("a child's\n", server.stderr())

    def test_children_end_with_their_parent(self):
        with self.serve() as server:
            self.assertEqual(self.ask(server, """
                bevhost.spawn(function()
                    local _, why = bevhost.sleep(60)
                    bevhost.log("child: " .. why)
                end)
                bevhost.sleep(0.01)
                say("done")"""), "done\n")
            server.wait_log("child: canceled")

    def test_threads_of_tasks_are_not_resumed(self):
        self.expect("""
            local child = bevhost.spawn(coroutine.running)
            bevhost.sleep(0.01)
            local mine = coroutine.running()
            say((coroutine.resume(mine)))
            say((pcall(coroutine.close, mine)))
            say((bevhost.spawn(coroutine.resume, mine):await()))
            local other
            local two = bevhost.spawn(function()
                other = coroutine.running()
                bevhost.sleep(0.05)
            end)
            bevhost.sleep(0.01)
            say((coroutine.resume(other)), (pcall(coroutine.close, other)))
            bevhost.sleep(0.1)
            for i = 1, 5 do coroutine.resume(other) end
            say(type((two:await())), (child:await()))""",
                    "false\nfalse\ntrue\nfalse false\nboolean true\n")

    def test_connect(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer():
                other = listener.accept()[0]
                with other:
                    receive_exactly(other, 4)
                    other.sendall(b"pong\n")
                    receive_all(other)

            thread = threading.Thread(target=answer)
            thread.start()
            port = listener.getsockname()[1]
            self.expect(f"""
                local other <close> = bevhost.connect("127.0.0.1", {port}, 5)
                other:write("ping")
                say(other:read_line())
                say(other.client)
                other:close()
                say(other:read())""", "pong\nnil\nnil closed\n")
            thread.join()

    def test_connect_to_nobody(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            self.expect(f"""
                say(bevhost.connect("127.0.0.1", {port}, 5))
                say(bevhost.connect("unix:{self.folder}/none"))
                say(pcall(bevhost.connect, "127.0.0.1", 70000))""",
                        "nil refused\nnil no such name\nfalse bad argument "
                        "#2 to '?' (it is no port)\n")

    def test_one_that_is_lost_is_closed(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with self.serve() as server:
                with self.start(server, f"""
                        local conn = ...
                        bevhost.connect("127.0.0.1", {port}, 5):write("x")
                        for i = 1, 100000 do local t = {{i}} end
                        conn:read()"""):
                    other = listener.accept()[0]
                    with other:
                        self.assertEqual(receive_all(other), b"x")

    def test_who_goes_on_when_the_client_has_gone_is_ended(self):
        with self.serve(options=["-v", "-v"]) as server:
            with self.start(server, """
                    local conn = ...
                    while true do conn:write("tick") bevhost.sleep(0.001) end
                    """) as connection:
                receive_exactly(connection, 4)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            log = server.wait_log("closed: reset")
            self.assertNotIn("instructions", log)
            self.assertNotIn("traceback", log)


class Limits(Script):
    """What does not end by itself, while others are served."""

    def stopped(self, code, said, *words, closed=True):
        with self.serve(*words) as server:
            with self.start(server, "local conn = ... conn:read()") as other:
                with self.start(server, code) as connection:
                    if closed:
                        receive_all(connection)
                        server.wait_log(said)
                    self.assertEqual(self.ask(server, "say('alive')"),
                                     "alive\n")
                    # The other one was not touched.
                    other.setblocking(False)
                    self.assertRaises(BlockingIOError, other.recv, 1)
                    if not closed:  # it would have its time
                        self.assertEqual(server.stop_now(), 0)
            return server.stderr()

    INSTRUCTIONS = "too many instructions without a wait"
    WAIT = "without a wait"
    MEMORY = "too much memory"

    def test_a_loop(self):
        log = self.stopped("while true do end", self.INSTRUCTIONS)
        self.assertRegex(log, r": code:1: too many instructions")
        self.assertIn("stack traceback:", log)
        self.assertIn("in function 'serve'", log)

    def test_a_loop_that_catches_errors(self):
        for code in (
                "while true do pcall(function() while true do end end) end",
                "local function f() while true do pcall(f) end end f()",
                "while true do xpcall(f, function() while true do end end) end",
                "while true do coroutine.wrap(pcall)(function() "
                "while true do end end) end",
                "coroutine.wrap(function() local t <close> = setmetatable({}, "
                "{__close = function() while true do end end}) "
                "while true do end end)()",
                "local co = coroutine.create(function() local t <close> = "
                "setmetatable({}, {__close = function() while true do end "
                "end}) while true do end end) coroutine.resume(co) "
                "coroutine.close(co)",
                "xpcall(function() while true do end end, "
                "function() while true do end end)",
                "local t <close> = setmetatable({}, {__close = function() "
                "while true do end end}) while true do end",
                "while true do coroutine.wrap(function() end)() end",
                "while true do pcall(bevhost.spawn) end"):
            with self.subTest(code=code):
                self.stopped(code, self.WAIT)

    def test_what_waits_in_vain_lets_others_run(self):
        for code in ("while true do bevhost.sleep(0) end",
                     "local conn = ... while true do conn:read(1, 0) end",
                     "local conn = ... while true do conn:write('') end",
                     "local conn = ... conn:write_eof() "
                     "while true do conn:write('') end",
                     "while true do bevhost.spawn(tostring, 1):await() end"):
            with self.subTest(code=code):
                self.stopped(code, None, closed=False)

    def test_what_goes_on_though_it_is_cancelled(self):
        for code in (
                "while true do pcall(bevhost.sleep, 1) end",
                "while true do pcall(conn.read_line, conn, 1) end",
                "while true do coroutine.wrap(pcall)(bevhost.sleep, 1) end"):
            for words in ((), ("instructions=0", "cpu-time=0s")):
                with self.subTest(code=code, words=words):
                    self.stopped("""
                        local conn = ...
                        local child = bevhost.spawn(function()
                            bevhost.sleep(60)
                            %s
                        end)
                        bevhost.sleep(0.01)
                        child:cancel()
                        child:await()""" % code, "canceled", *words)

    def test_functions_of_c_that_do_not_end(self):
        for code in (
                "('a'):rep(30000):find(('a*'):rep(20) .. 'b')",
                "('a'):rep(30000):gsub(('a-'):rep(20) .. 'b', '')",
                "('a'):rep(30000):match('(.-)(.-)(.-)(.-)b')",
                "for _ in ('a'):rep(30000):gmatch(('a?'):rep(30) .. 'b') do "
                "end",
                "('('):rep(30000):gsub('%b()', '')",
                "table.move({}, 1, 1e15, 2)",
                "table.insert(setmetatable({}, {__len = function() "
                "return 1 << 60 end}), 1, 1)",
                "table.remove(setmetatable({}, {__len = function() "
                "return 1 << 60 end}), 1)"):
            with self.subTest(code=code):
                self.stopped(code, self.INSTRUCTIONS)
        self.expect("say(#(''):rep(1e18))", "0\n")

    def test_text_that_is_long_to_parse(self):
        for code in (
                "load('if x then ' .. ('elseif x then '):rep(100000) .. "
                "'end')",
                "while true do load('x = ' .. ('1 + '):rep(5e5) .. 1) end",
                "while true do load(function() return ('x = '):rep(1e5) end) "
                "end"):
            with self.subTest(code=code):
                self.stopped(code, self.WAIT)

    def test_processor_time(self):
        self.stopped("""
            local a, b = ("x"):rep(1000000) .. 1, ("x"):rep(1000000) .. 2
            local n = 0
            while a ~= b do n = n + 1 end""",
                     "too much processor time", "instructions=0",
                     "cpu-time=20ms")

    def test_instructions_are_counted_from_wait_to_wait(self):
        self.expect("""
            for i = 1, 50 do
                for j = 1, 10000 do end
                bevhost.sleep(0)
            end
            say("done")""", "done\n", "instructions=50000")

    def test_memory(self):
        for code in (
                "local t = {} while true do t[#t + 1] = {} end",
                "local s = 'x' while true do s = s .. s end",
                "local s = ('x'):rep(1e9)",
                "local function f() return 1 + f() end f()",
                "local t = {} while true do "
                "t[#t + 1] = coroutine.create(print) end",
                "local s = ('x'):rep(1e6):gsub('x', ('y'):rep(1000))",
                "local t = {} for i = 1, 1e9 do t[i] = i end",
                "x = {} while true do x[#x + 1] = 'g' .. #x end",
                "assert(load(function() return 'x = 1 ' end))",
                "local t = {} while true do "
                "t[#t + 1] = bevhost.spawn(bevhost.sleep, 60) end"):
            with self.subTest(code=code):
                self.stopped(code, "memory")

    def test_memory_is_said_with_its_place(self):
        log = self.stopped("\nlocal t = {}\nwhile true do t[#t + 1] = {} end",
                           self.MEMORY, "memory=1M")
        self.assertRegex(log, r"code:3: too much memory, of which it holds "
                              r"\d+ bytes \(the limit is memory\)")

    def test_what_grows_in_the_file_is_paid_by_who_lets_it_grow(self):
        script = self.write("local all = {}\nfunction serve(conn)\n"
                            "\twhile true do all[#all + 1] = #all end\nend\n")
        with self.serve("memory=1M", script=script) as server:
            for _ in range(2):
                with server.connect() as connection:
                    receive_all(connection)
            server.wait_log(self.MEMORY)

    def test_memory_can_be_got_back(self):
        self.expect("""
            say(pcall(string.rep, "x", 1e8))
            for i = 1, 300 do local s = ("x"):rep(100000) .. i end
            say(bevhost.memory() < 1 << 20)""",
                    "false not enough memory\ntrue\n", "memory=1M")

    def held(self, server, count):
        """Connections that hold 5 MB each."""
        stack = contextlib.ExitStack()
        for _ in range(count):
            other = stack.enter_context(self.start(server, """
                local all, conn = {}, ...
                for i = 1, 50000 do all[i] = {i} end
                say("held")
                conn:read()
                return all"""))
            self.assertEqual(receive_exactly(other, 5), b"held\n")
        return stack

    def test_garbage_is_found_before_the_limit(self):
        """Not at the limit, where Lua goes through everybody's at once."""
        with self.serve() as server, self.held(server, 10):
            self.assertEqual(self.ask(server, """
                local most = 0
                for i = 1, 1000 do
                    for j = 1, 1000 do local t = {i, j} end
                    if i % 10 == 0 then bevhost.sleep(0) end
                    most = math.max(most, bevhost.memory())
                end
                say(most < 7500000 or most)"""), "true\n")

    def test_what_others_hold_stops_nobody(self):
        with self.serve("instructions=1000000") as server, \
                self.held(server, 10):
            self.assertEqual(self.ask(server, """
                local text = ("x"):rep(2000000)
                for i = 1, 4 do
                    for j = 1, 4 do local copy = text .. j end
                    for j = 1, 2000 do end
                    bevhost.sleep(0)
                end
                say("done")"""), "done\n")

    def test_connections_leave_nothing(self):
        def memory(pid):
            with open(f"/proc/{pid}/status") as status:
                return next(int(line.split()[1]) for line in status
                            if line.startswith("RssAnon:"))

        with self.serve() as server:
            def talk(count):
                for _ in range(count):
                    self.ask(server, """
                        mine = {}
                        for i = 1, 100 do mine[i] = ("x"):rep(100) .. i end
                        local child = bevhost.spawn(function() return 1 end)
                        say(child:await())""")

            talk(300)
            before = memory(server.pid)
            talk(600)
            if not (harness.UNDER or harness.SANITIZERS):
                self.assertLess(memory(server.pid) - before, 4096)

    def test_deep_calls_of_c(self):
        """No stack is left, whatever nests."""
        with self.serve() as server:
            for code in (
                    "local function f() return (('x'):gsub('x', f)) end f()",
                    "local function f() table.sort({1, 2, 3}, f) end f()",
                    "local function f() coroutine.wrap(f)() end f()",
                    "local function f() load(f) end f()",
                    "local t = setmetatable({}, {__index = function(t, k) "
                    "return table.concat(t, ',', 1, 3) end}) return t[1]",
                    "load('return ' .. ('{'):rep(1000))",
                    "local f = function() return pcall(f) end f()",
                    "(('a'):rep(1e5)):find(('a?'):rep(1000))"):
                with self.subTest(code=code):
                    self.ask(server, code)
                    self.assertEqual(self.ask(server, "say(1)"), "1\n")


class Reasons(Script):
    def closed(self, code, *words):
        """What the log says of the end of a connection with this code."""
        with self.serve(*words, options=("-v",)) as server:
            self.ask(server, code)
            log = server.wait_log("closed: ")
            return log.split("closed: ")[1].splitlines()[0]

    def test_the_scripts(self):
        for code, said in (
                ("(...):set_reason('limit')", "limit"),
                ("(...):set_reason('denied', 'no\\nway %s')",
                 "denied: no\\nway %s"),
                ("(...):set_reason('slow', 7); (...):close('now')", "slow: 7"),
                ("local c = ... c:close() c:set_reason('limit')", "handler"),
                ("", "handler")):
            with self.subTest(code=code):
                self.assertEqual(self.closed(code), said)

    def test_of_an_error(self):
        self.assertEqual(self.closed("error('x')"), "error")
        self.assertEqual(self.closed("while true do end"), "error")
        self.assertEqual(
            self.closed("local t = {} while true do t[#t + 1] = {} end",
                        "memory=1M"), "error")

    def test_what_is_none(self):
        for code, said in (
                ("(...):set_reason('tired')", "it is no reason"),
                ("(...):set_reason('none')", "it is no reason"),
                ("(...):set_reason()", "string expected, got no value"),
                ("(...):set_reason('limit', {})", "string expected")):
            with self.subTest(code=code), self.serve() as server:
                self.ask(server, code)
                server.wait_log(said)


class Errors(Script):
    def test_an_error_closes_its_connection_alone(self):
        with self.serve() as server:
            with self.start(server, "local conn = ... say(conn:read())"
                            ) as other:
                self.assertEqual(
                    self.ask(server, "say('first')\nlocal x = nil + 1"),
                    "first\n")
                log = server.wait_log("in function 'serve'")
                self.assertRegex(
                    log, r"bevhost: lua: 127.0.0.1:\d+: code:2: attempt to "
                    r"perform arithmetic on a nil value\n"
                    r"bevhost: lua: 127.0.0.1:\d+: stack traceback:\n")
                other.sendall(b"alive")
                self.assertEqual(receive_all(other), b"alive\n")

    def test_children_that_fail_alike_do_not_flood_the_log(self):
        with self.serve() as server:
            self.ask(server, """
                for i = 1, 100 do bevhost.spawn(error, "number " .. i) end
                bevhost.sleep(60)""")
            self.assertEqual(self.ask(server, "say(1)"), "1\n")
            server.wait_log("number 10\n")
            self.assertEqual(server.stderr().count("traceback"), 10)

    def test_errors_of_all_kinds(self):
        with self.serve() as server:
            for code, said in (
                    ("error({})", "an error that is a table"),
                    ("error(setmetatable({}, {__tostring = function() "
                     "return 'of its own' end}))", "of its own"),
                    ("error()", "an error that is a nil"),
                    ("error('tab\\there')", "tab  here"),
                    ("error('esc\\27[31m')", "esc\\x1b[31m"),
                    ("error(setmetatable({}, {__tostring = error}))",
                     "lua: "),
                    ("conn:nothing()", "attempt to index a nil value"),
                    ("(...):nothing()", "attempt to call a nil value"),
                    ("(...):read('x')", "number expected, got string"),
                    ("(...):read(0)", "it is not from 1 to 8388608"),
                    ("(...).read()", "bevhost.conn expected, got no value"),
                    ("(...):close('later')", "invalid option 'later'"),
                    ("bevhost.sleep()", "number expected, got no value"),
                    ("coroutine.yield()", "attempt to yield"),
                    ("(...).x = 1", "attempt to index a bevhost.conn value"),
                    ("('x'):find('[a')", "malformed pattern")):
                with self.subTest(code=code):
                    self.ask(server, code)
                    server.wait_log(said)

    def test_patterns_are_luas(self):
        self.expect(r"""
            say(("hello world"):find("o w"), ("hello"):find("l+"))
            say(("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
            say(("THE (quick) fox"):find("%((%a+)%)"))
            say(("hello"):match(".-(l)(l)"), ("  x "):match("^%s*(.-)%s*$"))
            say(("abc"):gsub("%w", "%0%0"), ("abc"):gsub("", "-"))
            say(("hello world"):gsub("o", {o = "0"}, 1))
            say(("x = (a (b) c) d"):match("%b()"))
            say(("THE (quick) fox"):gsub("%f[%a]%a+", string.lower))
            say(("abab"):match("^(a)(b)%1%2$"), ("aXb"):match("()X()"))
            say(("a.b-c"):gsub("[%.%-]", "_"), ("a]b"):match("[]]"))
            for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do say(k, v) end
            say(pcall(string.gsub, "x", "x", "%2"))
            say(("a$b"):find("$", 1, true), ("x"):find("", 10))
            say(("\0a\0"):find("%z"), ("x^y"):gsub("%^", "%%"))""",
                    "5 3 4\nkey value\n5 11 quick\nl x\n"
                    "aabbcc -a-b-c- 4\nhell0 world 1\n(a (b) c)\n"
                    "the (quick) fox 3\na 2 3\na_b_c ]\na 1\nb 2\n"
                    "false invalid capture index %2\n2 nil\n1 x%y 1\n")


class Closed(Script):
    """What a script does not get, unless it is allowed."""

    def test_what_is_not_there(self):
        self.expect("""
            for _, name in ipairs{"io", "debug", "require", "package",
                "dofile", "loadfile", "collectgarbage", "os.execute",
                "os.exit", "os.remove", "os.rename", "os.tmpname",
                "os.getenv", "os.setlocale", "string.dump",
                "math.randomseed"} do
                local at = _G
                for word in name:gmatch("%a+") do at = at[word] end
                if at ~= nil then say(name) end
            end
            say(os.time() > 0, os.clock() >= 0, os.date("!%Y", 0))""",
                    "true true 1970\n")

    def test_code_is_text(self):
        chunk = b"\x1bLua" + bytes(30)
        text = "".join(f"\\x{byte:02x}" for byte in chunk)
        self.expect(f"""
            say(load("return 1 + 1")())
            say(load("return x", "=c", "b", {{x = 3}})())
            say(load("{text}"))
            say(load("{text}", "=c", "b"))""",
                    "2\n3\n" + "nil attempt to load a binary chunk (mode is "
                    "'t')\n" * 2)

    def test_what_is_shared_cannot_be_changed(self):
        self.expect("""
            local function try(f, ...) say((pcall(f, ...))) end
            try(function() string.upper = nil end)
            try(function() bevhost.log = nil end)
            try(rawset, string, "upper", nil)
            try(rawset, _G, "print", nil)
            try(setmetatable, string, {})
            try(setmetatable, _G, {})
            try(table.insert, string, 1)
            try(setmetatable, {}, {__gc = function() end})
            say(getmetatable(""), getmetatable(_G), getmetatable(string))
            local child = bevhost.spawn(tostring, 1)
            say(getmetatable((...)), getmetatable(child), child:await())
            string = nil
            say(string.upper("x"))
            string = {}
            say(string.upper)
            say(("x"):upper())
            print = nil""",
                    "false\n" * 8 + "false false false\nfalse false true 1\nX\nnil\n"
                    "X\n")

    def test_views_can_be_looked_through(self):
        self.expect("""
            local names = {}
            for name in pairs(table) do names[#names + 1] = name end
            table.sort(names)
            say(table.concat(names, " "))""",
                    "concat insert move pack remove sort unpack\n")

    def allowed(self, code, answer, *words, options=("--sandbox=off",)):
        with self.serve(*words, options=options) as server:
            self.assertEqual(self.ask(server, code), answer)

    def test_files(self):
        path = self.write("text\n", "file")
        self.allowed(f"""
            local file = assert(io.open("{path}"))
            say(file:read("l"), io.popen, os.execute, require)
            say(getmetatable(file))
            file:close()
            say(os.remove("{path}"))""",
                     "text nil nil nil\nfalse\ntrue\n", "allow=files")

    def test_processes(self):
        self.allowed("""
            local program = io.popen("echo hi")
            say(program:read("l"), program:close())
            say(os.execute("exit 3"))
            say(os.getenv("HOME") ~= nil, loadfile)""",
                     "hi true exit 0\nnil exit 3\ntrue nil\n",
                     "allow=processes")

    @unittest.skipIf(harness.UNDER or harness.SANITIZERS,
                     "they are not sandboxed")
    def test_a_sandbox_runs_no_programs(self):
        with self.serve("allow=processes",
                        options=["--sandbox=on"]) as server:
            if "is incomplete" in server.stderr():
                self.skipTest("this host does not filter system calls")
            self.assertEqual(
                self.ask(server, """
                    say(pcall(io.popen, "true"))
                    say(pcall(os.execute, "true"))"""),
                "false a sandbox runs no programs\n" * 2)

    def test_modules(self):
        self.write("return {answer = 42}", "deep.lua")
        script = self.write(f"""
            package.path = "{self.folder}/?.lua"
            local deep = require "deep"
            function serve(conn)
                conn:write(deep.answer .. " " .. tostring(io))
            end""", "outer.lua")
        with self.serve("allow=modules", script=script) as server:
            with server.connect() as connection:
                self.assertEqual(receive_all(connection), b"42 nil")

    def test_modules_in_c(self):
        source = self.write("""
            #include <lua.h>
            #include <lauxlib.h>
            static int answer(lua_State *L) {
                lua_pushinteger(L, 42);
                return 1;
            }
            int luaopen_native(lua_State *L) {
                lua_pushcfunction(L, answer);
                return 1;
            }""", "native.c")
        done = subprocess.run(
            f"{os.environ.get('CC', 'cc')} -shared -fPIC "
            f"$(pkg-config --cflags lua5.4) {source} "
            f"-o {self.folder}/native.so", shell=True, check=False,
            capture_output=True)
        if done.returncode:
            self.skipTest("there are no headers of Lua")
        script = self.write(f"""
            package.cpath = "{self.folder}/?.so"
            local native = require "native"
            function serve(conn) conn:write(tostring(native())) end""",
                            "outer.lua")
        with self.serve("allow=modules", script=script) as server:
            with server.connect() as connection:
                self.assertEqual(receive_all(connection), b"42")

    def test_a_sandbox_holds_it_to_what_it_may_read(self):
        inside = os.path.join(self.folder, "inside")
        os.mkdir(inside)
        self.write("in\n", "inside/file")
        outside = self.write("out\n", "outside")
        code = f"""
            say(io.open("{inside}/file"):read("l"))
            say(io.open("{outside}"))
            say(os.date("%Y") ~= nil)"""
        with self.serve("allow=files", "read=" + inside,
                        options=["--sandbox=on"]) as server:
            answer = self.ask(server, code).splitlines()
            self.assertEqual(answer[0], "in")
            if answer[1].startswith("file"):
                self.skipTest("this kernel has no Landlock")
            self.assertEqual(answer[1],
                             f"nil {outside}: Permission denied 13")
            self.assertEqual(answer[2], "true")


class Wrong(Script):
    """Bad input: one message, and a status of sysexits.h."""

    def refused(self, said, *words, status=78, script=None):
        done = run("-l", "127.0.0.1:0", "--no-master", "lua",
                   *(["script=" + script] if script else []), *words)
        self.assertIn(said, done[2])
        self.assertEqual(done[0], status, done[2])

    def test_no_script(self):
        self.refused("lua: parameter 'script' is missing: give script=", status=64)

    def test_files_that_cannot_be_read(self):
        self.refused("lua: cannot read '/nowhere/x.lua': No such file or "
                     "directory", script="/nowhere/x.lua")
        self.refused(f"cannot read '{self.folder}': Is a directory",
                     script=self.folder)
        os.mkfifo(self.folder + "/pipe")
        self.refused("No such device", script=self.folder + "/pipe")

    def test_what_does_not_parse_is_said_with_line_and_column(self):
        for text, said in (
                ("local x = = 1", ":1:11: unexpected symbol near '='"),
                ("function serve(conn)\n\tconn:write('x'\nend",
                 ":3:1: ')' expected (to close '(' at line 2) near 'end'"),
                ("function serve(conn)\n\tif x the", ":2:7: 'then' expected "
                 "near 'the'"),
                ("x = 'never\n", ":1:5: unfinished string near ''never'"),
                ("function serve(conn)\n", ":2:1: 'end' expected (to close "
                 "'function' at line 1) near <eof>"),
                ("#!/bin/lua\n\n  )", ":3:3: unexpected symbol near ')'"),
                ("x = 1 y y = 2", ":1:9: syntax error near 'y'"),
                ("goto nowhere", ":1: no visible label 'nowhere'"),
                ("local x <const> = 1\nx = 2",
                 ":2: attempt to assign to const variable 'x'"),
                ("x = 0x\n", ":1:5: malformed number near '0x'")):
            with self.subTest(text=text):
                path = self.write(text, "wrong.lua")
                self.refused("wrong.lua" + said, script=path)

    def test_a_compiled_script(self):
        self.refused("compiled.lua: it is compiled: give the source",
                     script=self.write(b"\x1bLua\x54\0", "compiled.lua"))

    def test_no_serve(self):
        for text in ("", "serve = 1", "function server(conn) end"):
            self.refused("none.lua: it has no function serve(conn)",
                         script=self.write(text, "none.lua"))

    def test_an_error_at_its_top(self):
        path = self.write("local x\n\nx.y = 1\nfunction serve() end",
                          "top.lua")
        self.refused("top.lua:3: attempt to index a nil value", script=path)

    def test_a_wait_at_its_top(self):
        path = self.write("bevhost.sleep(1)\nfunction serve() end", "top.lua")
        self.refused("only serve() and what it calls may wait", script=path)

    def test_a_top_that_does_not_end(self):
        path = self.write("while true do end", "top.lua")
        self.refused("top.lua:1: it does not end", script=path)

    def test_limits_out_of_range(self):
        for word in ("memory=1k", "memory=x", "instructions=-1",
                     "instructions=1k", "cpu-time=10", "cpu-time=2h",
                     "allow=everything", "param=x", "param==x"):
            with self.subTest(word=word):
                self.refused("lua: parameter '%s'" % word.partition("=")[0]
                             if word[:5] != "param" else
                             f"lua: {word}: it is NAME=VALUE", word,
                             script=self.path, status=64)


class Reload(Script):
    def test_new_connections_get_the_new_script(self):
        text = "function serve(conn)\n\twhile conn:read() do " \
               "conn:write('%s') end\nend\n"
        script = self.write(text % "old", "life.lua")
        with self.serve(script=script, master=True,
                        options=["--workers=1"]) as server:
            def ask(connection):
                connection.sendall(b"x")
                return receive_exactly(connection, 3)

            with server.connect() as old:
                self.assertEqual(ask(old), b"old")
                self.write(text % "new", "life.lua")
                self.assertEqual(server.reload()[0], 0)
                with server.connect() as new:
                    self.assertEqual(ask(new), b"new")
                    self.assertEqual(ask(old), b"old")

                    for wrong, said in (
                            ("function serve(conn)\n\tconn:write(\nend",
                             "life.lua:3:1: unexpected symbol near 'end'"),
                            ("x = 1", "it has no function serve(conn)"),
                            ("error('at the top')", "at the top")):
                        self.write(wrong, "life.lua")
                        status, _, stderr = server.reload()
                        self.assertEqual(status, 78, stderr)
                        self.assertIn(said, stderr)
                    os.unlink(script)
                    status, _, stderr = server.reload()
                    self.assertEqual(status, 78, stderr)
                    self.assertIn("No such file", stderr)

                    self.assertEqual(ask(new), b"new")
                    self.assertEqual(ask(old), b"old")
                    with server.connect() as another:
                        self.assertEqual(ask(another), b"new")

    def test_a_file_of_settings(self):
        need_config()
        script = self.write("""
            function serve(conn)
                conn:write(bevhost.params.a .. bevhost.params.b)
            end""")
        config = self.write(f"""
            listen "127.0.0.1:0" {{
                handler = lua
                with {{
                    script = "{script}"
                    param = "a=1"
                    param = "b=2"
                }}
            }}""", "test.conf")
        with Server(listen=(), options=["-c", config]) as server:
            with server.connect() as connection:
                self.assertEqual(receive_all(connection), b"12")

    def test_stops_while_scripts_wait(self):
        with self.serve() as server:
            with contextlib.ExitStack() as stack:
                for code in ("(...):read()", "bevhost.sleep(0.2)",
                             "bevhost.spawn(bevhost.sleep, 0.2):await()"):
                    stack.enter_context(self.start(server, code))
                wait_for(lambda: self.ask(server, "say(1)") == "1\n",
                         "an answer")
                self.assertEqual(server.stop(signal.SIGTERM), 0)


if __name__ == "__main__":
    harness.main()
