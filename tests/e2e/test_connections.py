# SPDX-License-Identifier: BSD-2-Clause
"""What peers, networks and full tables do to connections."""

import os
import resource
import socket
import struct
import threading
import time

import unittest

import harness
from harness import (Server, plugin, receive_all, receive_exactly, wait_for)

HELLO = b"Hello World!"


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def memory(pid):
    """Resident bytes of a process, without shared files."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat") as schedstat:
        return int(schedstat.read().split()[0]) / 1e9


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Peers(unittest.TestCase):
    def assert_serves(self, server):
        with server.connect() as connection:
            connection.sendall(b"x")
            self.assertEqual(receive_exactly(connection, 12), HELLO)

    def test_half_close_with_8_mib_owed(self):
        with Server(plugin("serve")) as server:
            with server.connect() as connection:
                connection.sendall(b"send 8388608\n")
                connection.shutdown(socket.SHUT_WR)
                data = receive_all(connection)
            self.assertEqual(len(data), 8388608)

    def test_half_close_with_8_mib_owed_to_a_slow_reader(self):
        with Server(plugin("serve")) as server:
            with server.connect() as connection:
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                connection.sendall(b"send 8388608\n")
                connection.shutdown(socket.SHUT_WR)
                count = 0
                while True:
                    data = connection.recv(40000)
                    if not data:
                        break
                    count += len(data)
                    if count < 400_000:
                        time.sleep(0.01)
            self.assertEqual(count, 8388608)

    def test_junk_after_the_last_request_does_not_reset_the_reply(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            for _ in range(20):
                with server.connect() as connection:
                    connection.sendall(b"send 300000\nquit\n" +
                                       b"junk\n" * 20000)
                    self.assertEqual(len(receive_all(connection)), 300_000)
            server.wait_log("closed: handler")

    def test_a_peer_that_never_stops_sending_is_closed(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"quit\n")
                start = time.monotonic()
                with self.assertRaises(OSError):
                    while time.monotonic() - start < harness.PATIENCE:
                        connection.sendall(b"junk" * 1000)
                        time.sleep(0.01)
                self.assertLess(time.monotonic() - start, 30)
            server.wait_log("closed: handler")

    def test_resets_at_any_moment(self):
        with Server(plugin("serve"), "-l", "127.0.0.1:0", "greeting",
                    options=("-v",)) as server:
            pid = server.process.pid
            before = descriptors(pid)
            talks = [b"", b"send 1\n", b"send 9000000\n", b"cork\nsend 100\n",
                     b"deaf 50\nsend 100\n", b"send 9000000\nquit\n",
                     b"quit\n", b"abort\n", b"after 1\n",
                     b"send 900000\n" * 20]
            for talk in talks * 10:
                for wait in (0, 0.002):
                    connection = server.connect()
                    connection.sendall(talk)
                    time.sleep(wait)
                    reset(connection)
            with server.connect(1) as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            wait_for(lambda: descriptors(pid) <= before,
                     "the descriptors to be closed")
            self.assertEqual(server.stop(), 0)

    def test_reset_in_the_queue_of_the_listener(self):
        with Server("greeting") as server:
            server.kill(19)  # SIGSTOP
            for _ in range(50):
                reset(server.connect())
            server.kill(18)  # SIGCONT
            self.assert_serves(server)
            self.assertEqual(server.stop(), 0)

    @unittest.skipIf(harness.SANITIZERS, "they keep what is freed")
    def test_a_peer_that_does_not_read_costs_bounded_memory(self):
        with Server("echo") as server:
            pid = server.process.pid
            before = memory(pid)
            connection = server.connect()
            connection.setblocking(False)
            sent, idle = 0, 0
            while idle < 100:
                try:
                    sent += connection.send(b"e" * 65536)
                    idle = 0
                except BlockingIOError:
                    idle += 1
                    time.sleep(0.01)
            # The rest waits in the buffers of the kernel.
            self.assertLess(memory(pid) - before, 4 << 20)
            connection.settimeout(harness.PATIENCE)
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(len(receive_all(connection)), sent)
            connection.close()

    def test_a_handler_that_does_not_read_costs_bounded_memory(self):
        with Server(plugin("minimal")) as server:
            pid = server.process.pid
            before = memory(pid)
            connection = server.connect()
            connection.setblocking(False)
            sent, idle = 0, 0
            while idle < 100:
                try:
                    sent += connection.send(b"e" * 65536)
                    idle = 0
                except BlockingIOError:
                    idle += 1
                    time.sleep(0.01)
            self.assertGreater(sent, 16 << 20)
            self.assertLess(memory(pid) - before, 40 << 20)
            # And it rests.
            start, cpu = time.monotonic(), cpu_seconds(pid)
            time.sleep(0.5)
            busy = ((cpu_seconds(pid) - cpu) /
                    (time.monotonic() - start))
            self.assertLess(busy, 0.05)
            connection.close()

    def test_one_byte_at_a_time(self):
        with Server("echo") as server:
            with server.connect() as connection:
                data = bytes(range(256)) * 4
                for byte in data:
                    connection.send(bytes([byte]))
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), data)

    def test_many_at_once(self):
        with Server("greeting") as server:
            connections = [server.connect() for _ in range(800)]
            for _ in range(3):
                for connection in connections:
                    connection.sendall(b"hello")
                for connection in connections:
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
            for connection in connections:
                connection.close()
            self.assertEqual(server.stop(), 0)

    @unittest.skipIf(harness.SANITIZERS, "they keep what is freed")
    def test_connect_and_close_2000_times(self):
        with Server("greeting") as server:
            pid = server.process.pid
            self.assert_serves(server)
            before, base = descriptors(pid), memory(pid)
            for _ in range(2000):
                self.assert_serves(server)
            wait_for(lambda: descriptors(pid) <= before, "descriptors")
            self.assertLess(memory(pid) - base, 1 << 20)


class Descriptors(unittest.TestCase):
    """No descriptor is left for accept."""

    def limited(self, count, **options):
        return Server("greeting", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (count, count)), **options)

    @unittest.skipIf(harness.UNDER, "valgrind needs descriptors of its own")
    def test_full_table(self):
        with self.limited(32) as server:
            pid = server.process.pid
            connections = []
            while len(connections) < 60:
                connections.append(server.connect())
            server.wait_log("cannot accept")
            start, cpu = time.monotonic(), cpu_seconds(pid)
            time.sleep(2)
            busy = ((cpu_seconds(pid) - cpu) /
                    (time.monotonic() - start))
            self.assertLess(busy, 0.05)
            lines = server.stderr().count("cannot accept")
            self.assertLessEqual(lines, 2 + (time.monotonic() - start))
            # Those that were accepted are served.
            connections[0].sendall(b"x")
            self.assertEqual(receive_exactly(connections[0], 12), HELLO)
            # One ends, and one that waited is served within a second.
            last = connections.pop()
            last.sendall(b"x")
            for connection in connections[:-1]:
                connection.close()
            start = time.monotonic()
            self.assertEqual(receive_exactly(last, 12), HELLO)
            self.assertLess(time.monotonic() - start, 1)
            self.assertEqual(server.stop(), 0)


class EventMethods(unittest.TestCase):
    def test_each_method_serves(self):
        for method in ("epoll", "poll", "select"):
            with Server(plugin("serve"), options=(
                    "-v", "--event-method=" + method)) as server:
                self.assertIn("with " + method, server.stderr())
                with server.connect() as connection:
                    connection.sendall(b"send 3000000\nquit\n")
                    self.assertEqual(len(receive_all(connection)), 3_000_000)
                self.assertEqual(server.stop(), 0)

    def test_the_environment_does_not_choose(self):
        with Server("greeting", options=("-v",), env={
                "EVENT_NOEPOLL": "1",
                "EVENT_EPOLL_USE_CHANGELIST": "1"}) as server:
            self.assertIn("with epoll", server.stderr())


class Load(unittest.TestCase):
    def test_random_echoes_in_parallel(self):
        import random
        errors = []

        def talk(seed, server):
            chance = random.Random(seed)
            try:
                with server.connect() as connection:
                    for _ in range(30):
                        data = chance.randbytes(
                            chance.choice([1, 100, 4095, 4096, 4097, 65535,
                                           65536, 65537, 300_000]))
                        sender = threading.Thread(
                            target=connection.sendall, args=(data,))
                        sender.start()
                        echoed = receive_exactly(connection, len(data))
                        sender.join()
                        if echoed != data:
                            errors.append(f"seed {seed}: other bytes")
            except OSError as error:
                errors.append(f"seed {seed}: {error}")

        with Server("echo") as server:
            threads = [threading.Thread(target=talk, args=(seed, server))
                       for seed in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(server.stop(), 0)
        self.assertEqual(errors, [])


if __name__ == "__main__":
    harness.main()
