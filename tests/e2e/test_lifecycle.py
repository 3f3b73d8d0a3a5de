# SPDX-License-Identifier: BSD-2-Clause
"""The exact order of the calls that a plugin gets."""

import os
import signal
import socket
import struct
import tempfile

import unittest

import harness
from harness import Server, plugin, receive_all, run, wait_for


class Calls:
    """The file to which the lifecycle plugin writes."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.name = self.file.name

    def all(self):
        with open(self.name) as file:
            return file.read().splitlines()

    def wait(self, call, times=1):
        wait_for(lambda: self.all().count(call) >= times, f"call {call!r}")

    def between(self, first="self_test", last="stop"):
        calls = self.all()
        return calls[calls.index(first) + 1:calls.index(last)]


def reset(connection):
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


class Instance(unittest.TestCase):
    def test_calls_of_an_instance_in_order(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name, "number=7",
                    "tag=") as server:
            self.assertEqual(server.stop(), 0)
        self.assertEqual(calls.all(),
                         ["config log", "config number", "config tag",
                          "ready", "start", "self_test", "stop", "destroy"])

    def test_nothing_starts_when_a_step_fails(self):
        expected = {
            "ready": ["config log", "config fail", "ready", "destroy"],
            "start": ["config log", "config fail", "ready", "start",
                      "destroy"],
            # Its start was successful, so its stop is due.
            "self_test": ["config log", "config fail", "ready", "start",
                          "self_test", "stop", "destroy"],
        }
        for step, order in expected.items():
            calls = Calls()
            status, _, stderr = run("-p", "0", plugin("lifecycle"),
                                    "log=" + calls.name, "fail=" + step)
            self.assertEqual(status, 78, stderr)
            self.assertIn(f"lifecycle: told to fail in {step}", stderr)
            self.assertNotIn("listening", stderr)
            self.assertEqual(calls.all(), order)

    def test_create_and_config_may_fail(self):
        calls = Calls()
        status, _, stderr = run(
            "-p", "0", plugin("lifecycle"), "log=" + calls.name,
            env={**os.environ, "LIFECYCLE_FAIL_CREATE": "1"})
        self.assertEqual(status, 78)
        self.assertIn("told to fail in create", stderr)
        self.assertEqual(calls.all(), [])
        status, _, stderr = run("-p", "0", plugin("lifecycle"),
                                "log=" + calls.name, "act=refuse")
        self.assertEqual(status, 64)
        self.assertIn("parameter 'act': 'refuse' is refused", stderr)
        self.assertEqual(calls.all(),
                         ["config log", "config act", "destroy"])

    def test_two_instances_have_two_configurations(self):
        calls = Calls()
        with Server("-l", "127.0.0.1:0", plugin("lifecycle"),
                    "log=" + calls.name, "tag=one",
                    "-l", "127.0.0.1:0", plugin("lifecycle"),
                    "log=" + calls.name, "tag=two", "act=read-answer",
                    listen=()) as server:
            with server.connect(0) as first, server.connect(1) as second:
                first.sendall(b"x")
                calls.wait("one read")
                second.sendall(b"x")
                self.assertEqual(second.recv(100), b"answer")
            calls.wait("one close handler")
            calls.wait("two close handler")
            self.assertEqual(server.stop(), 0)
        order = calls.all()
        self.assertEqual([call for call in order if call[:3] == "one"],
                         ["one config tag", "one ready", "one start",
                          "one self_test", "one admit", "one open", "one read",
                          "one event eof", "one close handler", "one stop",
                          "one destroy"])
        self.assertEqual([call for call in order if call[:3] == "two"],
                         ["two config tag", "two config act", "two ready",
                          "two start", "two self_test", "two admit", "two open", "two read",
                          "two write", "two event eof", "two close handler",
                          "two stop", "two destroy"])
        # What tests itself may use what the others have started.
        self.assertLess(order.index("two start"),
                        order.index("one self_test"))


class Connection(unittest.TestCase):
    def serve(self, talk, *words):
        """Runs talk(connection, calls); the calls of the connection."""
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    *words) as server:
            with server.connect() as connection:
                talk(connection, calls)
            # Only a connection that was opened is closed.
            if "fail=open" not in words and "fail=admit" not in words:
                wait_for(lambda: any(call.startswith("close ")
                                     for call in calls.all()), "close")
            self.assertEqual(server.stop(), 0)
        return calls.between()

    def test_one_that_the_peer_ends(self):
        def talk(connection, calls):
            connection.sendall(b"hello")
            calls.wait("read")
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(connection), b"")

        self.assertEqual(self.serve(talk), ["admit", "open", "read",
                                            "event eof", "close handler"])

    def test_admit_refuses(self):
        def talk(connection, _calls):
            try:
                self.assertEqual(connection.recv(1), b"")
            except ConnectionResetError:
                pass

        self.assertEqual(self.serve(talk, "fail=admit"), ["admit"])

    def test_open_fails_and_close_is_not_called(self):
        def talk(connection, _calls):
            self.assertEqual(receive_all(connection), b"")

        self.assertEqual(self.serve(talk, "fail=open"), ["admit", "open"])
        self.assertEqual(self.serve(talk, "fail=open", "act=open-close-flush"),
                         ["admit", "open"])

    def test_open_fails_for_the_reason_error(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name, "fail=open",
                    options=("-v",)) as server:
            # Not the first alone: accept leaves an errno behind.
            for _ in range(3):
                with server.connect() as connection:
                    self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: server.stderr().count("closed: ") == 3,
                     "the closes")
            self.assertEqual(server.stderr().count("closed: error"), 3)

    def test_open_fails_for_a_reason_of_its_own(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name, "fail=open",
                    "act=open-because", options=("-v",)) as server:
            with server.connect() as connection:
                self.assertEqual(receive_all(connection), b"")
            server.wait_log("closed: overload: told to\n")

    def test_admit_refuses_for_a_reason_of_its_own(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name, "fail=admit",
                    "act=admit-because", options=("-v",)) as server:
            with server.connect() as connection:
                self.assertEqual(receive_all(connection), b"")
            server.wait_log("closed: denied: number 13\n")

    def test_closes_in_open(self):
        def talk(connection, _calls):
            self.assertEqual(receive_all(connection), b"")

        self.assertEqual(self.serve(talk, "act=open-close-now"),
                         ["admit", "open", "close handler"])

    def test_writes_and_closes_in_open(self):
        def talk(connection, _calls):
            self.assertEqual(receive_all(connection), b"welcome")

        self.assertEqual(
            self.serve(talk, "act=open-write,open-close-flush"),
            ["admit", "open", "close handler"])

    def test_close_comes_after_read_has_returned(self):
        def talk(connection, _calls):
            connection.sendall(b"x")
            self.assertEqual(receive_all(connection), b"answer")

        for act in ("read-close-flush",
                    "read-close-flush,read-close-twice"):
            self.assertEqual(self.serve(talk, "act=read-answer," + act),
                             ["admit", "open", "read", "read returns",
                              "close handler"])

    def test_now_overtakes_flush(self):
        def talk(connection, _calls):
            connection.sendall(b"x")
            self.assertEqual(receive_all(connection), b"")

        self.assertEqual(
            self.serve(talk, "act=read-answer,read-close-flush,"
                             "read-close-now"),
            ["admit", "open", "read", "read returns", "close handler"])

    def test_closes_in_write(self):
        def talk(connection, _calls):
            connection.sendall(b"x")
            self.assertEqual(receive_all(connection), b"answer")

        self.assertEqual(self.serve(talk, "act=read-answer,write-close"),
                         ["admit", "open", "read", "write",
                          "close handler"])

    def test_timer_of_a_connection(self):
        def talk(connection, _calls):
            self.assertEqual(connection.recv(100), b"timer")

        self.assertEqual(self.serve(talk, "act=timer"),
                         ["admit", "open", "timer", "write", "event eof",
                          "close handler"])

    def test_closes_in_timer(self):
        def talk(connection, _calls):
            self.assertEqual(receive_all(connection), b"")

        self.assertEqual(self.serve(talk, "act=timer-close"),
                         ["admit", "open", "timer", "close handler"])

    def test_no_timer_fires_once_it_closes(self):
        def talk(connection, _calls):
            connection.sendall(b"x")
            # The peer's end comes at once, ours 100 ms later: the timer of
            # 20 ms is due while the connection lingers.
            self.assertEqual(receive_all(connection), b"")
            with self.assertRaises(TimeoutError):
                connection.settimeout(0.1)
                other, _ = socket.socketpair()
                other.settimeout(0.1)
                other.recv(1)

        calls = self.serve(talk, "act=timer,read-close-flush")
        self.assertNotIn("timer", calls[calls.index("read"):])

    def test_reset_by_the_peer(self):
        def talk(connection, calls):
            connection.sendall(b"x")
            calls.wait("read")
            reset(connection)

        self.assertEqual(self.serve(talk, "act=eof-stay"),
                         ["admit", "open", "read", "event error",
                          "close reset"])

    def test_end_of_file_leaves_it_to_the_handler(self):
        def talk(connection, calls):
            connection.shutdown(socket.SHUT_WR)
            calls.wait("event eof")
            self.assertEqual(connection.recv(100), b"timer")

        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    "act=eof-stay,timer") as server:
            with server.connect() as connection:
                talk(connection, calls)
                server.kill()
                calls.wait("drain")
                server.kill()
                self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertEqual(calls.all().count("close drain"), 1)

    def test_hold_puts_close_off(self):
        def talk(connection, calls):
            connection.sendall(b"x")
            calls.wait("read")
            connection.close()

        self.assertEqual(self.serve(talk, "act=hold"),
                         ["admit", "open", "read", "event eof",
                          "later, closing", "released", "close handler"])

    def test_hold_of_one_that_stays_open(self):
        def talk(connection, calls):
            connection.sendall(b"x")
            calls.wait("released")

        self.assertEqual(self.serve(talk, "act=hold"),
                         ["admit", "open", "read", "later, open",
                          "released", "event eof", "close handler"])

    def test_hold_and_reset(self):
        def talk(connection, calls):
            connection.sendall(b"x")
            calls.wait("read")
            reset(connection)

        self.assertEqual(self.serve(talk, "act=hold"),
                         ["admit", "open", "read", "event error",
                          "later, closing", "released", "close handler"])


    def test_close_may_hold_and_trigger(self):
        calls = Calls()
        for act in ("close-hold", "close-trigger"):
            with Server(plugin("lifecycle"), "log=" + calls.name,
                        "act=" + act) as server:
                for _ in range(50):
                    with server.connect() as connection:
                        connection.sendall(b"x")
                self.assertEqual(server.stop(), 0)
        self.assertEqual(calls.all().count("open"),
                         len([call for call in calls.all()
                              if call.startswith("close ")]))


class Stop(unittest.TestCase):
    def test_a_busy_event_of_a_plugin_does_not_hold_it(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    "act=busy") as server:
            self.assertEqual(server.stop(), 0)
        self.assertEqual(calls.all()[-2:], ["stop", "destroy"])

    def test_drain_asks_and_waits(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name) as server:
            with server.connect() as connection:
                calls.wait("open")
                server.kill()
                calls.wait("drain")
                # It goes on working until its peer ends.
                connection.sendall(b"x")
                calls.wait("read")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertEqual(calls.between(),
                         ["admit", "open", "drain", "read", "event eof",
                          "close handler"])

    def test_drain_may_close(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    "act=drain-close") as server:
            with server.connect() as connection:
                calls.wait("open")
                server.kill(signal.SIGINT)
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertEqual(calls.between(),
                         ["admit", "open", "drain", "close handler"])

    def test_second_signal_stops_at_once(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name) as server:
            with server.connect():
                calls.wait("open")
                server.kill()
                calls.wait("drain")
                server.kill()
                self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertEqual(calls.between(),
                         ["admit", "open", "drain", "close drain"])

    def test_a_held_connection_is_waited_for(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    "act=hold") as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                calls.wait("read")
                server.kill()
                calls.wait("drain")
                server.kill()
                self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertEqual(calls.between(),
                         ["admit", "open", "read", "drain",
                          "later, closing", "released", "close drain"])

    def test_what_is_held_for_ever_does_not_hold_the_stop(self):
        calls = Calls()
        with Server(plugin("lifecycle"), "log=" + calls.name,
                    "act=hold-forever") as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                calls.wait("read")
            calls.wait("event eof")
            server.kill()
            server.wait_log("SIGTERM: stopping")
            server.kill()
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            self.assertIn("handlers hold 1 connections", server.stderr())
        self.assertNotIn("destroy", calls.all())

    def test_hang_up_stops(self):
        with Server("greeting") as server:
            self.assertEqual(server.stop(signal.SIGHUP), 0)

    def test_without_drain_they_are_closed(self):
        with Server("greeting", options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(connection.recv(12), b"Hello World!")
                server.kill()
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            self.assertIn("closed: drain", server.stderr())

    def test_a_client_that_stays_does_not_hold_the_stop(self):
        with Server("greeting") as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(connection.recv(12), b"Hello World!")
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
