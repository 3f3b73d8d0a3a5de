# SPDX-License-Identifier: BSD-2-Clause
"""The chat plugin, with clients that people have and with some that do not
read. What is said and answered is in plugins/chat/*.conv."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import unittest

import harness
from harness import Server, run


class Client:
    """A member. What comes is taken line by line."""

    def __init__(self, server, nick=None, index=0):
        self.socket = server.connect(index)
        self.rest = b""
        self.welcome = self.expect("Welcome")
        self.nick = self.welcome.split(" in ")[0].split()[-1]
        if nick is not None:
            self.say(f"/nick {nick}")
            self.expect(f"* You are {nick} now.")
            self.nick = nick

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.socket.close()

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")

    def line(self):
        """The next one, or None at the end."""
        while b"\n" not in self.rest:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                return None
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def expect(self, text):
        """Skips lines until one with this text, and returns it."""
        while True:
            line = self.line()
            if line is None:
                raise AssertionError(f"the end came instead of {text!r}")
            if text in line:
                return line

    def lines(self, end):
        """All lines until one that is `end`, without it."""
        lines = []
        while (line := self.line()) != end:
            if line is None:
                raise AssertionError(f"the end came instead of {end!r}")
            lines.append(line)
        return lines


def does_not_read(server):
    """A client whose kernel takes little, and nothing of it is ever read."""
    host, port = server.addresses[0].rsplit(":", 1)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(harness.PATIENCE)
    connection.connect((host, int(port)))
    return connection


class Readers(unittest.TestCase):
    def test_one_that_does_not_read_is_dropped_and_holds_nobody_up(self):
        with Server("chat", "rate=0", "backlog=16k", "history=0",
                    options=("-v",)) as server, \
                Client(server, "alice") as alice, \
                Client(server, "bob") as bob, \
                does_not_read(server) as mallory:
            bob.expect("* guest3 has joined")
            said = 0
            # bob hears each line before the next one is said.
            while "bevhost: chat: lobby: 1 dropped" not in server.stderr():
                said += 1
                alice.say("%06d %s" % (said, "x" * 900))
                self.assertEqual(
                    bob.expect("alice: ").split()[1], "%06d" % said)
                self.assertLess(said, 100000)
            alice.expect("* guest3 dropped: too slow")
            bob.expect("* guest3 dropped: too slow")
            self.assertIn("lobby: 1 dropped who did not read what they were "
                          "sent\n", server.stderr())
            log = server.wait_log("closed: slow")
            behind = re.search(
                r"closed: slow: guest3 is (\d+) bytes behind\n", log)
            self.assertGreater(int(behind[1]), 16384)
            with contextlib.suppress(ConnectionResetError):
                while mallory.recv(1 << 16):
                    pass

    def test_one_that_is_late_hears_everything_in_order(self):
        with Server("chat", "rate=0", "backlog=64M", "history=0") as server, \
                Client(server, "alice") as alice, \
                Client(server, "bob") as bob, \
                does_not_read(server) as late:
            alice.expect("has joined")
            for number in range(3000):
                alice.say("%06d %s" % (number, "x" * 900))
            # And what was for it alone has its place among them.
            alice.say("/msg guest3 in between")
            alice.say("last")
            self.assertEqual(
                [line.split()[1] for line in bob.lines("alice: last")
                 if line.startswith("alice:")],
                ["%06d" % number for number in range(3000)])
            client = object.__new__(Client)
            client.socket, client.rest = late, b""
            lines = client.lines("alice: last")
            self.assertEqual(lines[-1], "alice -> you: in between")
            self.assertEqual(
                [line.split()[1] for line in lines
                 if line.startswith("alice:")],
                ["%06d" % number for number in range(3000)])


def blast(clients, data):
    """Each sends that at once, while others are read."""
    for client in clients:
        thread = threading.Thread(
            target=client.socket.sendall, args=(data,))
        thread.start()
        yield thread


class Speakers(unittest.TestCase):
    """Who reads hears all, however much is said at once."""

    def test_one_that_says_much_at_once(self):
        lines = [b"%06d %s" % (number, b"x" * 100) for number in range(20000)]
        with Server("chat", "rate=0", "backlog=64k", "history=0",
                    options=("-v",)) as server, \
                Client(server) as alice, Client(server) as bob, \
                Client(server) as carol:
            alice.expect("guest3 has joined")
            threads = list(blast([alice], b"\n".join(lines) + b"\n/who\n"))
            for client in (bob, carol):
                heard = [client.expect("guest1: ") for _ in lines]
                self.assertEqual(
                    heard, ["guest1: " + line.decode() for line in lines])
            self.assertEqual(alice.line(), "* In lobby: guest1, guest2, guest3")
            threads[0].join()
            self.assertNotIn("slow", server.stderr())

    def test_many_that_say_what_they_may_at_once(self):
        # With the defaults: 40 of 20 lines of 1000 bytes are 800 KiB.
        said = b"".join(b"%02d%s\n" % (number, b"x" * 998)
                        for number in range(20))
        with Server("chat", "history=0", options=("-v",)) as server, \
                contextlib.ExitStack() as stack:
            alice, *others = [stack.enter_context(Client(server))
                              for _ in range(41)]
            alice.expect("guest41 has joined")
            threads = list(blast(others, said))
            heard = {other.nick: [] for other in others}
            for _ in range(800):
                nick, text = alice.expect(": ").split(": ")
                heard[nick].append(text[:2])
            for numbers in heard.values():
                self.assertEqual(
                    numbers, ["%02d" % number for number in range(20)])
            for thread in threads:
                thread.join()
            self.assertNotIn("slow", server.stderr())

    def test_one_that_messages_another_at_once(self):
        with Server("chat", "rate=0", "backlog=16k",
                    options=("-v",)) as server, \
                Client(server) as alice, Client(server) as bob:
            threads = list(blast([alice], b"/msg guest2 hello\n" * 20000))
            for _ in range(20000):
                bob.expect("guest1 -> you: hello")
            threads[0].join()

    def test_one_that_takes_its_answers_slowly(self):
        with Server("chat", "rate=0", "backlog=16k", options=("-v",)) as server, \
                does_not_read(server) as connection:
            client = object.__new__(Client)
            client.socket, client.rest = connection, b""
            asked = b"/help\n" * 100_000
            thread = threading.Thread(target=connection.sendall, args=(asked,))
            thread.start()
            # Until neither of them can send any more.
            thread.join(0.5)
            client.expect("Welcome")
            for _ in range(100_000):
                client.expect("* /join ROOM")
            thread.join()
            self.assertNotIn("slow", server.stderr())

    def test_one_that_comes_to_a_long_history(self):
        with Server("chat", "rate=0", "backlog=16k", "history=50",
                    options=("-v",)) as server, Client(server) as alice:
            alice.socket.sendall(b"".join(
                b"%02d%s\n" % (number, b"x" * 900) for number in range(50)))
            alice.say("/who")
            alice.expect("In lobby")
            with server.connect() as connection:
                late = object.__new__(Client)
                late.socket, late.rest = connection, b""
                lines = [line[8:10] for line in late.lines(
                    "* Welcome. You are guest2 in lobby, with 1 other.")]
            # The last of them, in half of 16 KiB.
            self.assertEqual(lines, [str(number) for number in range(42, 50)])


@contextlib.contextmanager
def program(server, *words):
    """A real client, which gets address and port in place of HOST and PORT."""
    if shutil.which(words[0]) is None:
        raise unittest.SkipTest(f"{words[0]} is not installed")
    host, port = server.addresses[0].rsplit(":", 1)
    words = [word.replace("HOST", host).replace("PORT", port)
             for word in words]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, encoding="utf-8")
    try:
        yield client
    finally:
        client.stdin.close()
        client.stdout.close()
        client.kill()
        client.wait()


# What Python has for it, in a few lines: the standard input is said, what
# comes is printed.
PYTHON = """
import asyncio, sys

async def main():
    reader, writer = await asyncio.open_connection(sys.argv[1], sys.argv[2])

    async def hear():
        async for line in reader:
            sys.stdout.write(line.decode())
            sys.stdout.flush()

    hearing = asyncio.create_task(hear())
    while line := await asyncio.to_thread(sys.stdin.readline):
        writer.write(line.encode())
        await writer.drain()
    writer.write_eof()
    await hearing

asyncio.run(main())
"""


class Clients(unittest.TestCase):
    CLIENTS = (("nc", "-N", "HOST", "PORT"),
               ("socat", "-", "TCP:HOST:PORT"),
               ("python3", "-c", PYTHON, "HOST", "PORT"))

    def talk(self, *words):
        """One of these with one of ours: to its end and back."""
        with Server("chat") as server, Client(server, "alice") as alice:
            with program(server, *words) as client:
                def hears(text):
                    while text not in (line := client.stdout.readline()):
                        self.assertNotEqual(line, "", text)
                    return line

                def says(text):
                    client.stdin.write(text + "\n")
                    client.stdin.flush()

                hears("Welcome. You are guest2 in lobby, with 1 other.")
                says("/nick bob")
                hears("* You are bob now.")
                says("grüße an alle")
                self.assertEqual(alice.expect("bob:"), "bob: grüße an alle")
                alice.say("hello bob")
                self.assertEqual(hears("alice:"), "alice: hello bob\n")
                says("/who")
                self.assertEqual(hears("In lobby"), "* In lobby: alice, bob\n")
                says("/quit")
                hears("* Good bye.")
                alice.expect("* bob has left")
                client.stdin.close()
                self.assertEqual(client.stdout.readline(), "")
                self.assertEqual(client.wait(harness.PATIENCE), 0)

    def test_nc(self):
        self.talk(*self.CLIENTS[0])

    def test_socat(self):
        self.talk(*self.CLIENTS[1])

    def test_asyncio(self):
        self.talk(*self.CLIENTS[2])

    def test_what_is_piped_in_is_said_though_the_end_comes_at_once(self):
        with Server("chat", "rate=1000", "burst=1") as server, \
                Client(server, "alice") as alice, \
                program(server, "nc", "-N", "HOST", "PORT") as client:
            client.stdin.write("".join(f"line {i}\n" for i in range(50)))
            client.stdin.close()
            alice.expect("has joined")
            lines = alice.lines("* guest2 has left")
            self.assertEqual(
                lines, [f"guest2: line {i}" for i in range(50)])


class Life(unittest.TestCase):
    def test_who_is_there_is_told_when_it_stops(self):
        with Server("chat", options=("-v",)) as server, \
                Client(server, "alice") as alice, \
                Client(server, "bob") as bob:
            alice.expect("bob now")
            with Client(server, "carol") as carol:
                carol.say("/quit")
                server.wait_log("closed: handler: carol has quit\n")
            for member in (alice, bob):
                member.expect("* carol has left")
            server.kill()
            for member in (alice, bob):
                self.assertEqual(
                    member.line(),
                    "* The server stops or changes. Come again.")
                self.assertIsNone(member.line())
                member.socket.close()  # or it lingers
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            self.assertEqual(server.stderr().count("closed: drain\n"), 2)

    def test_after_a_reload_all_come_to_the_new_rooms(self):
        with Server("chat", master=True) as server, \
                Client(server, "alice") as alice:
            self.assertEqual(server.reload()[0], 0)
            self.assertEqual(alice.line(),
                             "* The server stops or changes. Come again.")
            self.assertIsNone(alice.line())
            # The nick is free there.
            with Client(server, "alice") as again:
                again.say("/who")
                self.assertEqual(again.line(), "* In lobby: alice")

    def test_the_host_warns_of_several_workers(self):
        text = ("chat: 3 workers serve it, and connections of one have "
                "nothing to do with those of another: give it --workers=1, or "
                "a worker-group with workers = 1\n")
        with Server("chat", master=True, options=("--workers=3",)) as server:
            self.assertEqual(server.stderr().count(text), 1)
        with Server("chat", master=True, options=("-v",)) as server:
            self.assertNotIn("workers serve it", server.stderr())

    def test_listeners_given_together_have_the_same_rooms(self):
        with Server("chat", listen=["127.0.0.1:0"] * 2) as server, \
                Client(server, "alice") as alice, \
                Client(server, "bob", index=1) as bob:
            bob.say("hello")
            self.assertEqual(alice.expect("bob:"), "bob: hello")

    def test_two_handlers_have_rooms_of_their_own(self):
        with Server("chat", "room=one", "--listen=127.0.0.1:0", "chat",
                    "room=two") as server:
            self.assertEqual(len(server.addresses), 2)
            with Client(server, "alice") as one:
                with Client(server, "alice", index=1) as two:
                    self.assertIn("in two, with 0 others", two.welcome)
                    two.say("hello?")
                    two.say("/who")
                    self.assertEqual(two.line(), "* In two: alice")
                one.say("/who")
                self.assertEqual(one.line(), "* In one: alice")

    def test_a_full_room_tells_nobody_of_each(self):
        with Server("chat", "announce=2", "burst=1000") as server, \
                contextlib.ExitStack() as stack:
            alice, bob, *others = [
                stack.enter_context(Client(server)) for _ in range(150)]
            self.assertEqual(alice.line(), "* guest2 has joined")
            bob.say("hello")
            self.assertEqual(alice.line(), "guest2: hello")
            bob.say("/who")
            names = ", ".join(f"guest{i}" for i in range(1, 101))
            self.assertEqual(bob.line(), f"* In lobby: {names} and 50 more")


class Parameters(unittest.TestCase):
    def test_out_of_range(self):
        for word, text in (
                ("line-max=79", "line-max"), ("line-max=9000", "line-max"),
                ("history=-1", "history"), ("history=1001", "history"),
                ("rate=-1", "rate"), ("burst=0", "burst"),
                ("backlog=1k", "backlog"), ("rooms=0", "rooms"),
                ("announce=-1", "announce")):
            with self.subTest(word):
                status, _, stderr = run("-p", "0", "chat", word)
                self.assertEqual(status, 64)
                self.assertRegex(
                    stderr, f"chat: parameter '{text}': .* is out of range: "
                    "it may be .* to ")
                self.assertEqual(len(stderr.splitlines()), 1)

    def test_a_room_that_cannot_be_called_so(self):
        status, _, stderr = run("-p", "0", "chat", "room=the hall")
        self.assertEqual(status, 78)
        self.assertIn("chat: room 'the hall': use letters, digits, - and _, "
                      "first a letter", stderr)


if __name__ == "__main__":
    harness.main()
