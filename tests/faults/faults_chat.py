# SPDX-License-Identifier: BSD-2-Clause
"""A room with many members, of whom many do not read."""

import contextlib
import resource
import socket
import time

from host import FaultTest, rss_bytes
from harness import SANITIZERS, Server
from peers import MIB

WORDS = ("chat", "rate=0", "history=0", "announce=0")
PAYLOAD = "x" * 900


class Member:
    """Takes what comes line by line. One that is deaf reads nothing until it
    is asked to, and its kernel takes little."""

    def __init__(self, server, deaf=False):
        host, port = server.addresses[0].rsplit(":", 1)
        self.socket = socket.socket()
        if deaf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        self.rest = b""
        if not deaf:
            self.line()  # welcome

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.socket.close()

    def line(self):
        while b"\n" not in self.rest:
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                raise AssertionError("the server closed the connection")
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def said(self):
        """The number of the next line that somebody said."""
        while (line := self.line()).startswith("* "):
            pass
        return int(line.split()[1])


class Chat(FaultTest):
    def setUp(self):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.files = limits[1]
        self.stack = self.enterContext(contextlib.ExitStack())

    def members(self, server, count, **kind):
        return [self.stack.enter_context(Member(server, **kind))
                for _ in range(count)]

    def hear(self, speaker, listeners, number):
        """One line comes to all of them; in so many seconds."""
        begun = time.monotonic()
        speaker.socket.sendall(f"{number} {PAYLOAD}\n".encode())
        for listener in listeners:
            self.assertEqual(listener.said(), number)
        return time.monotonic() - begun

    def test_many_that_do_not_read_hold_nobody_up(self):
        with Server(*WORDS, "backlog=64k", options=("-v",)) as server:
            speaker, *listeners = self.members(server, 21)
            alone = max(self.hear(speaker, listeners, number)
                        for number in range(100))
            self.members(server, 500, deaf=True)
            times, number = [], 0
            while server.stderr().count("closed: slow") < 500:
                times.append(self.hear(speaker, listeners, number))
                number += 1
                self.assertLess(number, 5000)
            times += [self.hear(speaker, listeners, number)
                      for number in range(100)]
        self.figure = (f"500 of 521 dropped after {number} lines; one came to "
                       f"20 in {1000 * max(times):.0f} ms at most, before in "
                       f"{1000 * alone:.0f} ms")
        self.assertLess(max(times), 5)

    def test_a_line_to_10000_that_do_not_read_is_stored_once(self):
        count, lines = min(10000, self.files - 200), 256
        with Server(*WORDS, "backlog=64M", options=(
                "--write-timeout=0s", "--min-rate=0")) as server:
            speaker, listener = self.members(server, 2)
            self.members(server, count, deaf=True)
            # All are there, and have heard something.
            self.hear(speaker, [listener], 0)
            before = rss_bytes(server.pid)
            for number in range(1, lines):
                self.hear(speaker, [listener], number)
            grown = rss_bytes(server.pid) - before
            said = lines * (len(PAYLOAD) + 16)
            self.figure = (f"{grown / MIB:.0f} MiB for {said >> 10} KiB to "
                           f"{count} members")
            # In copies it would be a thousand times as much.
            if not SANITIZERS:
                self.assertLess(grown, 16 * MIB + 2048 * count)
            # All are owed it: nobody was dropped.
            speaker.socket.sendall(b"/who\n")
            self.assertRegex(speaker.line(), f" and {count + 2 - 100} more$")
