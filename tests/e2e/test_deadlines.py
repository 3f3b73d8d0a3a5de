# SPDX-License-Identifier: BSD-2-Clause
"""Deadlines, rates and buffers of open connections."""

import contextlib
import os
import select
import socket
import tempfile
import threading
import time
import unittest

from harness import (PATIENCE, Server, main, pause, plugin, receive_all,
                     receive_exactly, wait_for)

MIB = 1 << 20
INFO = ("-v", "-v")
LATEST = 30.0  # on a machine that has much else to do


def small(server):
    """A client that has little room for what it does not read."""
    host, port = server.addresses[0].rsplit(":", 1)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE)
    client.connect((host, int(port)))
    return client


def wait_gone(client, events=select.POLLRDHUP | select.POLLHUP):
    """Waits, reading nothing, until the other end has closed or reset."""
    poll = select.poll()
    poll.register(client, events)
    if not poll.poll(LATEST * 1000):
        raise AssertionError("it is still there")


class DeadlineTest(unittest.TestCase):

    def struck(self, server, client, seconds, reason, since):
        """It is closed after so many seconds, and not before."""
        wait_gone(client)
        took = time.monotonic() - since
        self.assertGreaterEqual(took, seconds * 0.99)
        self.assertLess(took, seconds + LATEST)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)  # or it lingers
        server.wait_log(f"closed: {reason}")


class Idle(DeadlineTest):

    def test_a_peer_without_a_first_byte_is_idle(self):
        with Server("echo", options=(*INFO, "--first-byte-timeout=1s")) as s:
            begun = time.monotonic()
            with s.connect() as client:
                self.struck(s, client, 1, "idle", begun)
                self.assertEqual(client.recv(1), b"")

    def test_after_the_first_byte_it_is_another_deadline(self):
        with Server("echo", options=(*INFO, "--first-byte-timeout=500ms",
                                     "--idle-timeout=2s")) as server:
            begun = time.monotonic()
            with server.connect() as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(9), b"x")
                self.struck(server, client, 2, "idle", begun)

    def test_all_models_know_it(self):
        for name in ("echo", "greeting-async", "greeting-generator"):
            with self.subTest(name), \
                 Server(name, options=(*INFO, "--idle-timeout=1s")) as server:
                begun = time.monotonic()
                with server.connect() as client:
                    self.struck(server, client, 1, "idle", begun)

    def test_what_moves_is_not_idle(self):
        with Server("echo", options=(*INFO, "--idle-timeout=3s",
                                     "--first-byte-timeout=3s")) as server:
            begun = time.monotonic()
            with server.connect() as client:
                while time.monotonic() < begun + 5:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(9), b"x")
                    pause(0.1)

    def test_zero_is_off(self):
        with Server("echo", options=(
                "--idle-timeout=0s", "--first-byte-timeout=0s",
                "--write-timeout=0s", "--min-rate=0")) as server:
            with server.connect() as client:
                pause(0.5)
                client.sendall(b"x")
                self.assertEqual(client.recv(9), b"x")


class Slow(DeadlineTest):

    def serve(self, *options):
        return Server(plugin("serve"), options=(*INFO, *options))

    def test_a_peer_that_takes_nothing_is_slow(self):
        with self.serve("--write-timeout=1s") as server, \
             small(server) as client:
            begun = time.monotonic()
            client.sendall(b"send %d\n" % (8 * MIB))
            self.struck(server, client, 1, "slow", begun)

    def test_also_when_the_kernel_has_swallowed_all_of_it(self):
        with self.serve("--write-timeout=1s") as server, \
             small(server) as client:
            begun = time.monotonic()
            client.sendall(b"send 60000\n")
            self.struck(server, client, 1, "slow", begun)

    def test_a_peer_that_takes_it_slowly_is_slow_by_the_rate(self):
        with self.serve("--write-timeout=1s", "--min-rate=4M") as server, \
             small(server) as client:
            begun = time.monotonic()
            client.sendall(b"send %d\n" % (60 * MIB))
            with self.assertRaises(ConnectionError):
                while client.recv(4096):
                    pause(0.01)
                raise AssertionError("it got an end of file")
            self.assertGreaterEqual(time.monotonic() - begun, 0.99)
            server.wait_log("closed: slow")

    def test_a_peer_that_takes_it_slowly_may_have_it_all(self):
        with self.serve("--write-timeout=2s", "--min-rate=64") as server, \
             small(server) as client:
            client.sendall(b"send %d\n" % (2 * MIB))
            got = 0
            while got < 2 * MIB:
                got += len(receive_exactly(client, 64 << 10))
                pause(0.1)
            self.assertEqual(got, 2 * MIB)

    def test_who_is_not_read_from_is_not_slow_to_send(self):
        with self.serve("--write-timeout=2s") as server, \
             small(server) as client:
            client.sendall(b"send %d\nhalf a li" % (16 * MIB))
            for _ in range(64):
                self.assertEqual(len(receive_exactly(client, 256 << 10)),
                                 256 << 10)
                pause(0.05)
            client.sendall(b"ne\nsend 3\n")
            self.assertEqual(receive_exactly(client, 3), b"\0\1\2")

    def drip(self, server, client, message):
        """Sends it byte by byte, until it is closed."""
        begun = time.monotonic()
        poll = select.poll()
        poll.register(client, select.POLLRDHUP | select.POLLHUP)
        for byte in message:
            try:
                client.sendall(bytes([byte]))
            except ConnectionError:
                break
            if poll.poll(100):
                break
        self.struck(server, client, 1, "slow", begun)

    def test_a_message_that_comes_byte_by_byte_is_slow(self):
        with self.serve("--write-timeout=1s", "--min-rate=1000") as server, \
             server.connect() as client:
            self.drip(server, client, b"x" * 1000)

    def test_so_it_is_for_the_other_models(self):
        for name, word in (("tasks", b"x"), ("generators", b"x")):
            with self.subTest(name), \
                 Server(plugin(name), options=(
                     *INFO, "--write-timeout=1s",
                     "--min-rate=1000")) as server, \
                 server.connect() as client:
                self.drip(server, client, word * 1000)

    def test_half_a_message_is_slow(self):
        with self.serve("--write-timeout=1s") as server, \
             server.connect() as client:
            begun = time.monotonic()
            client.sendall(b"half a li")
            self.struck(server, client, 1, "slow", begun)

    def test_messages_that_come_whole_may_be_few(self):
        with self.serve("--write-timeout=1s", "--min-rate=1M") as server, \
             server.connect() as client:
            for _ in range(15):
                client.sendall(b"send 3\n")
                self.assertEqual(receive_exactly(client, 3), b"\0\1\2")
                pause(0.2)

    def test_a_closing_connection_is_held_no_longer(self):
        for how in (b"quit", b"drip"):
            with self.subTest(how), \
                 self.serve("--write-timeout=1s", "--min-rate=4M") as server, \
                 small(server) as client:
                begun = time.monotonic()
                client.sendall(b"send %d\nquit\n" % (8 * MIB))
                if how == b"drip":
                    with self.assertRaises(ConnectionError):
                        while client.recv(4096):
                            pause(0.01)
                        raise AssertionError("it got an end of file")
                else:
                    wait_gone(client)
                self.assertGreaterEqual(time.monotonic() - begun, 0.99)
                server.wait_log("closed: handler")


class Life(DeadlineTest):

    def test_a_lifetime_ends_whatever_moves(self):
        with Server("echo", options=(*INFO, "--lifetime=1s")) as server:
            begun = time.monotonic()
            with server.connect() as client:
                try:
                    while True:
                        client.sendall(b"x")
                        if not client.recv(9):
                            break
                except ConnectionError:
                    pass
                self.assertGreaterEqual(time.monotonic() - begun, 0.99)
                server.wait_log("closed: lifetime")

    def test_a_peer_that_does_not_close_has_the_linger_timeout(self):
        with Server(plugin("serve"), options=(
                *INFO, "--linger-timeout=2s")) as server, \
             server.connect() as client:
            begun = time.monotonic()
            client.sendall(b"quit\n")
            self.assertEqual(receive_all(client), b"")
            self.assertNotIn("closed: handler", server.stderr())
            server.wait_log("closed: handler")
            self.assertGreaterEqual(time.monotonic() - begun, 1.99)

    def test_the_kernel_asks_silent_peers(self):
        with Server("echo", options=("--keepalive=60s",)) as server, \
             server.connect() as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(9), b"x")
            ours = "%08X:%04X" % (0x0100007F,
                                  int(server.addresses[0].rsplit(":")[1]))

            def timers():
                with open("/proc/net/tcp", encoding="ascii") as file:
                    rows = [line.split() for line in file]
                return [row[5][:2] for row in rows[1:]
                        if row[1] == ours and row[3] == "01"]

            wait_for(lambda: timers() == ["02"], "a keepalive timer")


class Rates(unittest.TestCase):

    def test_no_more_comes_in_than_the_rate(self):
        with Server("echo", options=("--bytes-in-rate=100k",
                                     "--write-timeout=500ms",
                                     "--min-rate=10M")) as server, \
             server.connect() as client:
            begun = time.monotonic()
            client.sendall(b"x" * (300 << 10))
            self.assertEqual(len(receive_exactly(client, 300 << 10)),
                             300 << 10)
            self.assertGreaterEqual(time.monotonic() - begun, 1.9)

    def test_no_more_goes_out_than_the_rate(self):
        with Server(plugin("serve"), options=("--bytes-out-rate=100k",
                                              "--write-timeout=500ms",
                                              "--min-rate=10M",
                                              "--idle-timeout=500ms")) as s, \
             s.connect() as client:
            begun = time.monotonic()
            client.sendall(b"send %d\nquit\n" % (300 << 10))
            data = receive_all(client)
            self.assertEqual(data, bytes(i % 251 for i in range(300 << 10)))
            self.assertGreaterEqual(time.monotonic() - begun, 1.9)

    def test_a_dry_run_only_says_so(self):
        with Server("echo", options=(
                "--bytes-in-rate=1k", "--bytes-out-rate=1k",
                "--dry-run=bytes-in-rate",
                "--dry-run=bytes-out-rate")) as server, \
             server.connect() as client:
            for _ in range(10):
                client.sendall(b"x" * 100000)
                self.assertEqual(len(receive_exactly(client, 100000)), 100000)
            server.wait_log("-rate would slow it (dry-run) on "
                            + server.addresses[0])
            self.assertLess(server.stderr().count("dry-run"), 30)


class Buffers(unittest.TestCase):

    def test_more_output_than_eight_max_buffers_is_overload(self):
        with Server(plugin("serve"), options=(
                *INFO, "--max-buffer=64k")) as server, \
             small(server) as client:
            client.sendall(b"send %d\n" % (64 * MIB))
            wait_gone(client)
            server.wait_log("closed: overload")

    def test_an_echo_waits_for_its_reader(self):
        sent = os.urandom(4 * MIB)
        with Server("echo", options=(*INFO, "--max-buffer=64k")) as server, \
             small(server) as client:
            writer = threading.Thread(target=client.sendall, args=(sent,))
            writer.start()
            # Until nothing moves any more: all buffers are full.
            pause(0.3)
            self.assertEqual(receive_exactly(client, len(sent)), sent)
            writer.join()
            self.assertNotIn("overload", server.stderr())

    def test_input_is_held_at_max_buffer(self):
        with Server(plugin("serve"), options=(
                *INFO, "--max-buffer=64k")) as server, \
             server.connect() as client:
            client.settimeout(1)
            sent = 0
            with self.assertRaises(TimeoutError):
                while sent < 64 * MIB:
                    sent += client.send(b"x" * 65536)
            self.assertLess(sent, 32 * MIB)
            server.stop_now()  # it would wait for the end of the line

    def test_a_message_longer_than_max_buffer_is_overload(self):
        for deadline in "--write-timeout=1s", "--idle-timeout=1s":
            with self.subTest(deadline), \
                 Server(plugin("serve"), options=(
                     *INFO, "--max-buffer=64k", deadline)) as server, \
                 server.connect() as client:
                with contextlib.suppress(OSError):
                    for _ in range(64):
                        client.sendall(b"x" * MIB)
                server.wait_log("closed: overload")
                self.assertEqual(server.stderr().count(
                    "sent a message longer than max-buffer (65536 bytes), "
                    "which never becomes complete: closed"), 1)

    def test_who_does_not_take_the_answers_is_slow(self):
        with Server("echo", options=(*INFO, "--max-buffer=64k",
                                     "--write-timeout=1s")) as server, \
             small(server) as client:
            with contextlib.suppress(OSError):
                for _ in range(64):
                    client.sendall(b"x" * MIB)
            server.wait_log("closed: slow")
            self.assertNotIn("max-buffer", server.stderr())

    def test_a_file_takes_no_memory(self):
        with tempfile.NamedTemporaryFile() as file, \
             Server(plugin("serve"), options=(
                 *INFO, "--max-buffer=64k", "--max-memory=1M")) as server, \
             small(server) as client:
            file.write(b"0123456789abcdef" * (8 * MIB // 16))
            file.flush()
            client.sendall(b"file %s\nsend 10\nquit\n"
                           % file.name.encode())
            data = receive_all(client)
            self.assertEqual(len(data), 8 * MIB + 10)
            self.assertNotIn("overload", server.stderr())

    def test_above_max_memory_the_greediest_are_closed(self):
        with Server(plugin("serve"), options=(
                *INFO, "--max-memory=16M")) as server, \
             server.connect() as modest:
            modest.sendall(b"send 3\n")
            self.assertEqual(receive_exactly(modest, 3), b"\0\1\2")
            greedy = [small(server) for _ in range(6)]
            for client in greedy:
                client.sendall(b"send %d\n" % (10 * MIB))
            server.wait_log("closed: overload")
            server.wait_log("of max-memory")
            modest.sendall(b"send 3\n")
            self.assertEqual(receive_exactly(modest, 3), b"\0\1\2")
            for client in greedy:
                client.close()


if __name__ == "__main__":
    main()
