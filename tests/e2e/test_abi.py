# SPDX-License-Identifier: BSD-2-Clause
"""Plugins that were compiled with the headers of then: this host serves them.
What the headers say of both is compared by tests/abi/frozen."""

import socket
import struct
import threading
import unittest

import harness
from harness import PATIENCE, Server, plugin, receive_all, run


class Conversation:
    """One connection: lines of text to and fro."""

    def __init__(self, server):
        self.socket = server.connect()
        self.file = self.socket.makefile("rw", newline="\n")

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.file.close()
        self.socket.close()

    def ask(self, text):
        self.file.write(text + "\n")
        self.file.flush()
        return self.line()

    def line(self):
        return self.file.readline().rstrip("\n")

    def rest(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self.file.read()


class Callbacks(unittest.TestCase):
    PLUGIN = plugin("abi_v1_callbacks")

    def test_the_calls_of_an_instance_and_of_a_connection(self):
        with Server(self.PLUGIN, "one", "text=two", "number=9",
                    "choice=red") as server:
            with Conversation(server) as peer:
                self.assertEqual(
                    peer.ask("self"),
                    "text=two number=9 flag=1 size=65536 time=2000 "
                    "choice=red configs=4 ready=1 tested=1 admitted=1 state=1")
                # Its event closes at the end of our input.
                self.assertEqual(peer.rest(), "")
            server.wait_log("v1 has closed: handler")
            self.assertEqual(server.stop(), 0)
            log = server.stderr()
        self.assertIn("v1 has started as abi-v1-callbacks", log)
        self.assertIn("v1 has stopped after 1", log)
        self.assertIn("v1 is destroyed", log)

    def test_parameters_are_refused_as_declared(self):
        for words, text in (
                ((), "text"), (("x" * 21,), "text"),
                (("a", "number=11"), "number"), (("a", "flag=oui"), "flag"),
                (("a", "size=1x"), "size"), (("a", "time=2"), "time"),
                (("a", "choice=blue"), "choice"),
                (("a", "colour=red"), "colour"),
                (("refuse",), "text: is refused")):
            with self.subTest(words):
                status, _, stderr = run("-p", "0", self.PLUGIN, *words)
                self.assertEqual(status, 64)
                self.assertIn(text, stderr)

    def test_what_it_may_ask(self):
        with Server(self.PLUGIN, "a") as server:
            with Conversation(server) as peer:
                host, port = peer.socket.getsockname()
                self.assertEqual(
                    peer.ask("place"),
                    f"client={host}:{port} local=1 peer={int(socket.AF_INET)} "
                    "lens=1 id=1")
                self.assertEqual(
                    peer.ask("proxy"),
                    "version=0 local=0 destination=0 tlvs=0 ssl=0 cn=0 "
                    "authority=")
                self.assertEqual(
                    peer.ask("tls"), "version=0 cipher=0 sni=0 alpn=0 "
                                     "subject=0 certificate=0")
                self.assertEqual(
                    peer.ask("time"), "after=1 reason=lifetime debug=0")

    def test_a_header_of_the_proxy_protocol(self):
        name = b"here.example"
        tlvs = struct.pack("!BH", 2, len(name)) + name
        body = struct.pack("!4s4sHH", socket.inet_aton("192.0.2.7"),
                           socket.inet_aton("192.0.2.8"), 1234, 80) + tlvs
        header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" +
                  struct.pack("!H", len(body)) + body)
        with Server(self.PLUGIN, "a",
                    options=("--proxy=required",
                             "--proxy-from=127.0.0.0/8")) as server:
            with Conversation(server) as peer:
                peer.socket.sendall(header)
                self.assertEqual(
                    peer.ask("proxy"),
                    "version=2 local=0 destination=1 tlvs=1 ssl=0 cn=0 "
                    "authority=here.example")
                self.assertIn("client=192.0.2.7:1234 ", peer.ask("place"))

    def test_timers_holds_and_other_callbacks(self):
        with Server(self.PLUGIN, "a") as server:
            with Conversation(server) as peer:
                self.assertEqual(peer.ask("timer"), "the timer fired")
                self.assertEqual(peer.ask("other"), "as you wish")
                self.assertEqual(peer.ask("anything"), "writes=1")
                # Without an event the host closes.
                self.assertEqual(peer.rest(), "")
            server.wait_log("v1 has closed: peer")

    def test_each_way_to_close(self):
        with Server(self.PLUGIN, "a") as server:
            with Conversation(server) as peer:
                self.assertEqual(peer.ask("flush"), "")
            server.wait_log("v1 is closing: 1")
            server.wait_log("v1 has closed: handler")
            with server.connect() as peer:
                peer.sendall(b"now\n")
                self.assertEqual(receive_all(peer), b"")

    def test_drain(self):
        with Server(self.PLUGIN, "a") as server:
            with Conversation(server) as peer:
                peer.ask("time")
                server.kill()
                self.assertEqual(peer.line(), "drained")
                self.assertEqual(peer.line(), "")
            self.assertEqual(server.process.wait(PATIENCE), 0)


class Generator(unittest.TestCase):
    PLUGIN = plugin("abi_v1_generator")

    def test_each_operation(self):
        with Server(self.PLUGIN, "text=said") as server:
            with Conversation(server) as peer:
                self.assertEqual(peer.ask("one"), "said 1: one")
                self.assertEqual(peer.line(), "slept: timeout, asked: timeout")
                self.assertEqual(peer.ask("two"), "said 2: two")
                self.assertEqual(peer.line(), "slept: timeout, asked: timeout")
                self.assertEqual(peer.rest(), "ended: eof\n")
            server.wait_log("v1 has closed after 3: peer")

    def test_drain(self):
        with Server(self.PLUGIN) as server:
            with Conversation(server) as peer:
                self.assertEqual(peer.ask("one"), "line 1: one")
                peer.line()
                server.kill()
                peer.file.read()
            self.assertEqual(server.process.wait(PATIENCE), 0)
            self.assertIn("v1 has ended: closing", server.stderr())


class Async(unittest.TestCase):
    PLUGIN = plugin("abi_v1_async")

    def test_tasks_events_queues_and_jobs(self):
        with Server(self.PLUGIN) as server:
            with Conversation(server) as peer:
                self.assertEqual(
                    peer.ask("tasks"),
                    "await=3 length=1 item=1 gather=4,5 race=1,5 job=7 "
                    "deferred=3")

    def test_each_way_to_read(self):
        with Server(self.PLUGIN) as server:
            with Conversation(server) as peer:
                self.assertEqual(peer.ask("reads\nabcdefg;waits"),
                                 "exactly=abcd until=efg;")
                self.assertEqual(peer.line(), "go on")
                self.assertEqual(peer.ask("x"), "read=x id=1")

    def test_an_outbound_connection(self):
        asked = []
        with socket.create_server(("127.0.0.1", 0)) as far:
            def answer():
                connection, _ = far.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    asked.append(receive_all(connection))
                    connection.sendall(b"the answer\n")

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            with Server(self.PLUGIN) as server:
                with Conversation(server) as peer:
                    self.assertEqual(peer.ask(str(far.getsockname()[1])),
                                     "far=the answer conn=0")
            thread.join(PATIENCE)
        self.assertEqual(asked, [b"ask\n"])

    def test_drain_and_the_task_of_the_instance(self):
        with Server(self.PLUGIN) as server:
            with Conversation(server) as peer:
                peer.ask("tasks")
                server.kill()
                self.assertEqual(peer.file.read(), "")
            self.assertEqual(server.process.wait(PATIENCE), 0)
            self.assertIn("v1 has closed: handler 1", server.stderr())


if __name__ == "__main__":
    harness.main()
