# SPDX-License-Identifier: BSD-2-Clause
"""The proxy plugin: bytes both ways and their ends, which target a client gets,
and targets that fail."""

import contextlib
import os
import resource
import signal
import socket
import struct
import tempfile
import threading
import time
import unittest

import harness
from harness import (Server, plugin, receive_all, receive_exactly, run, wait_for)

MIB = 1 << 20


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def memory(pid):
    """Resident bytes; 0 when they say nothing, under sanitizers and the like.
    """
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        sizes = {line.split()[0]: int(line.split()[1]) * 1024
                 for line in status if line.startswith(("Vm", "Rss"))}
    if harness.UNDER or sizes["VmSize:"] > 1 << 40:
        return 0
    return sizes["RssAnon:"]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


def fill(connection, piece=b"f" * 65536):
    """Sends until nothing fits any more for a while: how much did."""
    sent = 0
    connection.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while True:
            sent += connection.send(piece)
    connection.settimeout(harness.PATIENCE)
    return sent


def receive_count(connection, count):
    """That many bytes, whatever they are."""
    while count > 0:
        data = connection.recv(min(count, MIB))
        assert data, "it ended too early"
        count -= len(data)


class Target:
    """A server that the proxy leads to."""

    def __init__(self, family=socket.AF_INET, backlog=128):
        self.socket = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0),
            family=family, backlog=backlog)
        self.socket.settimeout(harness.PATIENCE)
        host, self.port = self.socket.getsockname()[:2]
        self.text = f"[{host}]:{self.port}" if ":" in host else \
            f"{host}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.socket.close()

    def accept(self):
        connection, _ = self.socket.accept()
        connection.settimeout(harness.PATIENCE)
        return connection


def unused():
    """An address where nobody listens."""
    with Target() as target:
        return target.text


def refuses(server):
    host, port = server.addresses[0].rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@contextlib.contextmanager
def relayed(*words, **more):
    """A server, a client of it, and that client as its target sees it."""
    with Target() as target, \
            Server("proxy", "to=" + target.text, *words, **more) as server, \
            server.connect() as client, target.accept() as remote:
        yield server, client, remote


class Bytes(unittest.TestCase):
    def assert_leads(self, text, target):
        with Server("proxy", "to=" + text) as server, \
                server.connect() as client, target.accept() as remote:
            client.sendall(b"ping")
            self.assertEqual(receive_exactly(remote, 4), b"ping")
            remote.sendall(b"pong")
            self.assertEqual(receive_exactly(client, 4), b"pong")

    def test_ipv4(self):
        with Target() as target:
            self.assert_leads(target.text, target)

    def test_a_bare_word(self):
        with Target() as target, \
                Server("proxy", target.text) as server, \
                server.connect(), target.accept():
            pass

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_ipv6(self):
        with Target(socket.AF_INET6) as target:
            self.assert_leads(target.text, target)

    def test_a_name(self):
        with Target() as target:
            self.assert_leads(f"localhost:{target.port}", target)

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(folder, "socket")
            listener.bind(path)
            listener.listen()
            listener.settimeout(harness.PATIENCE)
            with Server("proxy", "to=unix:" + path) as server, \
                    server.connect() as client:
                remote, _ = listener.accept()
                with remote:
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(remote, 4), b"ping")

    def test_in_the_sandbox_under_a_master(self):
        with Target() as target, \
                Server("proxy", f"to=localhost:{target.port}", master=True,
                       options=["--sandbox=on"]) as server, \
                server.connect() as client, target.accept() as remote:
            client.sendall(b"ping")
            self.assertEqual(receive_exactly(remote, 4), b"ping")

    def test_either_side_may_end_first(self):
        with relayed() as (_, client, remote):
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(remote), b"question")
            remote.sendall(b"answer")
            remote.close()
            self.assertEqual(receive_all(client), b"answer")
        with relayed() as (_, client, remote):
            remote.sendall(b"greeting")
            remote.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"greeting")
            client.sendall(b"thanks")
            client.close()
            self.assertEqual(receive_all(remote), b"thanks")

    def test_what_comes_before_the_target_is_there_arrives(self):
        data = os.urandom(MIB)
        with Target() as target, \
                Server("proxy", "to=" + target.text) as server:
            client = server.connect()
            sender = in_background(client.sendall, data)
            with target.accept() as remote:
                self.assertEqual(receive_exactly(remote, len(data)), data)
                sender.join()
                client.close()
                self.assertEqual(receive_all(remote), b"")

    def test_all_of_it_both_ways_at_once(self):
        there, back = os.urandom(8 * MIB), os.urandom(8 * MIB)

        def send(connection, data):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        with relayed() as (_, client, remote):
            senders = [in_background(send, client, there),
                       in_background(send, remote, back)]
            got = []
            reader = in_background(lambda: got.append(receive_all(remote)))
            self.assertEqual(receive_all(client), back)
            for thread in (*senders, reader):
                thread.join()
            self.assertEqual(got[0], there)

    def test_all_that_was_sent_before_a_close_arrives(self):
        data = os.urandom(4 * MIB)
        for sender, receiver in ((0, 1), (1, 0)):
            with relayed() as (_, *ends):
                thread = in_background(
                    lambda end=ends[sender]: (end.sendall(data), end.close()))
                self.assertEqual(receive_all(ends[receiver]), data)
                thread.join()

    def test_all_that_the_target_sent_before_a_reset_arrives(self):
        with relayed() as (_, client, remote):
            remote.sendall(b"last words")
            # Unread, it turns the target's close into a reset.
            client.sendall(b"x" * 100)
            wait_for(lambda: remote.recv(100, socket.MSG_PEEK), "the bytes")
            remote.close()
            self.assertEqual(receive_exactly(client, 10), b"last words")

    def test_so_it_does_while_more_is_sent_to_it(self):
        with relayed() as (_, client, remote):
            # What cannot be written is how the reset is noticed.
            fill(client)
            remote.sendall(b"last words")
            remote.close()
            self.assertEqual(receive_exactly(client, 10), b"last words")

    def test_a_reset_is_a_reset_on_the_other_side_after_what_was_sent(self):
        data = os.urandom(MIB)
        for first, second in ((0, 1), (1, 0)):
            with relayed() as (server, *ends):
                before = descriptors(server.pid)
                sender = in_background(ends[first].sendall, data)
                self.assertEqual(receive_exactly(ends[second], MIB), data)
                sender.join()
                reset(ends[first])
                with self.assertRaises(ConnectionResetError):
                    ends[second].recv(1)
                ends[second].close()
                wait_for(lambda: descriptors(server.pid) == before - 2,
                         "both descriptors to be closed")


class Reasons(unittest.TestCase):
    """The log says how a relay has ended, and with which target."""

    def test_both_have_sent_their_last(self):
        with relayed(options=["-v"]) as (server, client, remote):
            host, port = remote.getsockname()[:2]
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(remote), b"")
            remote.close()
            self.assertEqual(receive_all(client), b"")
            server.wait_log(f"closed: peer: {host}:{port}\n")

    def test_the_target_has_failed(self):
        with relayed(options=["-v"]) as (server, client, remote):
            host, port = remote.getsockname()[:2]
            remote.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            reset(remote)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
            server.wait_log(f"closed: handler: {host}:{port}: "
                            "Connection reset by peer\n")

    def test_the_host_stops(self):
        with relayed("drain-idle=10ms", options=["-v"]) as (
                server, _client, remote):
            host, port = remote.getsockname()[:2]
            self.assertEqual(server.stop(), 0)
            self.assertIn(f"closed: drain: {host}:{port}\n", server.stderr())

    def test_no_more_than_so_many_are_tried(self):
        one, two = unused(), unused()
        with Server("proxy", f"to={one},{two}", "retries=0",
                    options=["-v"]) as server:
            with server.connect() as client:
                self.assertEqual(receive_all(client), b"")
            server.wait_log(f"closed: handler: {one}: Connection refused\n")


class BackPressure(unittest.TestCase):
    def assert_slow(self, sender, receiver, server, other):
        before = memory(server.pid)
        sent = fill(sender)
        self.assertLess(memory(server.pid) - before, 4 * MIB)
        # The other way goes on meanwhile.
        receiver.sendall(b"other")
        self.assertEqual(receive_exactly(other, 5), b"other")
        receive_count(receiver, sent)
        sender.sendall(b"end")
        self.assertEqual(receive_exactly(receiver, 3), b"end")

    def test_a_target_that_does_not_read(self):
        with relayed() as (server, client, remote):
            self.assert_slow(client, remote, server, client)

    def test_a_client_that_does_not_read(self):
        with relayed() as (server, client, remote):
            self.assert_slow(remote, client, server, remote)

    def test_both_ways_at_once(self):
        with relayed() as (_, client, remote):
            there, back = fill(client), fill(remote)
            receive_count(remote, there)
            receive_count(client, back)
            client.sendall(b"ping")
            remote.sendall(b"pong")
            self.assertEqual(receive_exactly(remote, 4), b"ping")
            self.assertEqual(receive_exactly(client, 4), b"pong")

    def test_the_end_comes_after_what_waits(self):
        with relayed() as (_, client, remote):
            sent = fill(client)
            client.shutdown(socket.SHUT_WR)
            receive_count(remote, sent)
            self.assertEqual(remote.recv(1), b"")
            remote.sendall(b"answer")
            remote.close()
            self.assertEqual(receive_all(client), b"answer")

    def test_a_client_that_leaves_before_its_bytes_are_taken(self):
        with relayed() as (_, client, remote):
            sent = fill(client)
            client.close()
            receive_count(remote, sent)
            self.assertEqual(remote.recv(1), b"")

    def test_a_target_that_takes_nothing_is_given_up(self):
        # A reset is not seen while nothing is read or written.
        with relayed(options=["--write-timeout=300ms",
                              "--idle-timeout=4s"]) as \
                (server, client, remote):
            before = descriptors(server.pid)
            fill(client)
            reset(client)
            wait_for(lambda: descriptors(server.pid) == before - 2,
                     "the descriptors to be closed")
            remote.close()


class Memory(unittest.TestCase):
    SETTINGS = ["-v", "-v", "--max-memory=4M"]

    def waits_for(self, remotes, server, clients):
        """Sends more than there may be, until some are closed for it."""
        before = memory(server.pid)
        for client in clients:
            client.setblocking(False)
        data = b"f" * 65536
        closed, most = 0, 0
        deadline = time.monotonic() + harness.PATIENCE
        while closed == 0 or "of max-memory" not in server.stderr():
            self.assertLess(time.monotonic(), deadline)
            for client in clients:
                try:
                    client.send(data)
                except BlockingIOError:
                    pass
                except OSError:
                    closed += 1
            most = max(most, memory(server.pid) - before)
        server.wait_log("closed: overload")
        # A third is the allocator's.
        self.assertLess(most, 4 * MIB * 4 // 3 + 2 * MIB)
        self.assertLess(closed, len(clients) * 100)
        for remote in remotes:
            remote.close()

    def test_what_waits_for_targets_counts(self):
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(Target())
            target.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            server = stack.enter_context(Server(
                "proxy", "to=" + target.text, options=self.SETTINGS))
            modest = stack.enter_context(server.connect())
            other = stack.enter_context(target.accept())
            clients, remotes = [], []
            for _ in range(40):
                clients.append(stack.enter_context(server.connect()))
                remotes.append(stack.enter_context(target.accept()))
            self.waits_for(remotes, server, clients)
            modest.sendall(b"ping")
            self.assertEqual(receive_exactly(other, 4), b"ping")
            other.sendall(b"pong")
            self.assertEqual(receive_exactly(modest, 4), b"pong")


@unittest.skipIf(harness.SANITIZERS or harness.UNDER,
                 "they stand before libc themselves")
class Names(unittest.TestCase):
    def serve(self, target, *options, **more):
        return Server("proxy", f"to=localhost:{target.port}", "rest=0s",
                      options=options, env={"LD_PRELOAD": plugin("lookups")},
                      **more)

    def lead(self, server, target, times):
        for _ in range(times):
            with server.connect() as client, target.accept() as remote:
                client.sendall(b"ping")
                self.assertEqual(receive_exactly(remote, 4), b"ping")

    def lookups(self, server):
        return server.stderr().count("looked up: localhost\n")

    def test_one_is_looked_up_once_and_again_after_a_reload(self):
        with Target() as target, \
                self.serve(target, "--workers=1", "--name-cache=1h",
                           master=True) as server:
            self.lead(server, target, 20)
            self.assertEqual(self.lookups(server), 1)
            server.reload()
            wait_for(lambda: self.leads_to_another(server, target),
                     "the next worker")
            self.lead(server, target, 20)
            self.assertEqual(self.lookups(server), 2)

    def leads_to_another(self, server, target):
        self.lead(server, target, 1)
        return self.lookups(server) >= 2

    def test_all_who_come_at_once_ask_once(self):
        with Target() as target, self.serve(target) as server, \
                contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(server.connect())
            for _ in range(100):
                stack.enter_context(target.accept())
            self.assertEqual(self.lookups(server), 1)

    def test_what_is_known_may_be_forgotten_at_once(self):
        with Target() as target, \
                self.serve(target, "--name-cache=0s") as server:
            self.lead(server, target, 5)
            self.assertEqual(self.lookups(server), 5)

    def test_what_is_old_is_used_while_one_looks_again(self):
        with Target() as target, \
                self.serve(target, "--name-cache=1ms") as server:
            wait_for(lambda: self.leads_to_another(server, target),
                     "another lookup")


class Balance(unittest.TestCase):
    def setUp(self):
        with contextlib.ExitStack() as stack:
            self.targets = [stack.enter_context(Target()) for _ in range(3)]
            self.texts = [target.text for target in self.targets]
            self.addCleanup(stack.pop_all().close)

    def start(self, *words, **more):
        server = Server("proxy", "to=" + ",".join(self.texts), *words, **more)
        self.enterContext(server) if hasattr(self, "enterContext") else \
            self.addCleanup(server.__exit__)
        return server

    def lead(self, server, source="127.0.0.1"):
        """A client, its end at the target, and which that was."""
        host, port = server.addresses[0].rsplit(":", 1)
        client = socket.create_connection(
            (host, int(port)), harness.PATIENCE, (source, 0))
        self.addCleanup(client.close)
        for target in self.targets:
            target.socket.setblocking(False)

        def accepted():
            for index, target in enumerate(self.targets):
                with contextlib.suppress(BlockingIOError):
                    return index, target.socket.accept()[0]
            return None

        index, remote = wait_for(accepted, "a target")
        self.addCleanup(remote.close)
        return client, remote, index

    def test_round_robin(self):
        server = self.start()
        self.assertEqual([self.lead(server)[2] for _ in range(7)],
                         [0, 1, 2, 0, 1, 2, 0])

    def test_to_may_be_given_again(self):
        server = Server("proxy", "to=" + self.texts[0], "to=" + self.texts[1])
        with server:
            self.assertEqual([self.lead(server)[2] for _ in range(3)],
                             [0, 1, 0])

    def test_least_connections(self):
        server = self.start("balance=least-connections")
        clients = [self.lead(server) for _ in range(6)]
        self.assertEqual(sorted(index for _, _, index in clients),
                         [0, 0, 1, 1, 2, 2])
        before = descriptors(server.pid)
        for client, remote, index in clients:
            if index == 1:
                client.close()
                self.assertEqual(remote.recv(1), b"")
                remote.close()
        # Once the host has noticed, that one has none.
        wait_for(lambda: descriptors(server.pid) == before - 4, "their end")
        self.assertEqual([self.lead(server)[2] for _ in range(2)], [1, 1])

    def test_client_address(self):
        server = self.start("balance=client-address")
        chosen = {}
        for last in range(1, 31):
            source = f"127.0.0.{last}"
            chosen[source] = self.lead(server, source)[2]
        self.assertEqual(set(chosen.values()), {0, 1, 2})
        for source, index in chosen.items():
            self.assertEqual(self.lead(server, source)[2], index)

    def test_only_clients_of_a_lost_target_go_elsewhere(self):
        server = self.start("balance=client-address", "rest=1h",
                            "rest-max=1h")
        sources = [f"127.0.0.{last}" for last in range(1, 31)]
        chosen = {source: self.lead(server, source)[2] for source in sources}
        self.targets[1].socket.close()
        self.targets.pop(1)
        for source in sources:
            now = self.lead(server, source)[2]
            if chosen[source] == 1:
                continue
            self.assertEqual(now, min(chosen[source], 1))


class Failures(unittest.TestCase):
    def test_another_target_is_tried(self):
        nobody = unused()
        with Target() as target, \
                Server("proxy", f"to={nobody},{target.text}") as server:
            for _ in range(4):
                with server.connect() as client, target.accept() as remote:
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(remote, 4), b"ping")
            self.assertIn(
                f"proxy: {nobody}: Connection refused: rests for 1 s\n",
                server.stderr())

    def test_while_it_rests_it_is_not_tried(self):
        nobody = unused()
        with Target() as target, \
                Server("proxy", f"to={nobody},{target.text}", "rest=1h",
                       "rest-max=1h", options=["-v"]) as server:
            for _ in range(4):
                with server.connect(), target.accept():
                    pass
            self.assertEqual(server.stderr().count("Connection refused"), 1)

    def test_without_retries_the_client_is_closed(self):
        nobody = unused()
        with Target() as target, \
                Server("proxy", f"to={nobody},{target.text}", "retries=0",
                       "rest=0s") as server:
            with server.connect() as client:
                self.assertEqual(receive_all(client), b"")
            with server.connect(), target.accept():
                pass

    def test_no_target_is_left(self):
        texts = [unused() for _ in range(3)]
        with Server("proxy", "to=" + ",".join(texts),
                    options=["-v"]) as server:
            with server.connect() as client:
                client.sendall(b"hello")
                with contextlib.suppress(ConnectionError):
                    self.assertEqual(receive_all(client), b"")
            server.wait_log("no target is left to try")
            for text in texts:
                self.assertIn(f"{text}: Connection refused: rests",
                              server.stderr())

    def test_names_that_do_not_resolve(self):
        with Target() as target, \
                Server("proxy", f"to=no..name:80,{target.text}") as server, \
                server.connect(), target.accept():
            self.assertIn("proxy: no..name:80: the name has no address: "
                          "rests for 1 s\n", server.stderr())

    def test_a_unix_socket_that_is_not_there(self):
        with Server("proxy", "to=unix:/nowhere/socket") as server:
            with server.connect() as client:
                self.assertEqual(receive_all(client), b"")
            self.assertIn("unix:/nowhere/socket: No such file or directory",
                          server.stderr())

    def test_a_target_that_does_not_answer(self):
        with Target(backlog=0) as full, Target() as target, \
                contextlib.ExitStack() as stack:
            # What fits into its queue.
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", full.port))
            with Server("proxy", f"to={full.text},{target.text}",
                        "connect-timeout=100ms") as server, \
                    server.connect(), target.accept():
                self.assertIn("Connection timed out: rests",
                              server.stderr())

    def test_a_client_may_leave_while_it_is_connected(self):
        with Target(backlog=0) as full, contextlib.ExitStack() as stack:
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", full.port))
            with Server("proxy", "to=" + full.text) as server:
                before = descriptors(server.pid)
                client = server.connect()
                wait_for(lambda: descriptors(server.pid) == before + 2,
                         "the attempt")
                reset(client)
                wait_for(lambda: descriptors(server.pid) == before,
                         "its end")

    def test_one_that_comes_back(self):
        with Target() as target:
            listener = target.socket
            text, port = target.text, target.port
            listener.close()
            with Server("proxy", "to=" + text, "rest=1ms",
                        "rest-max=4ms") as server:
                for seconds in ("0.001", "0.002", "0.004", "0.004"):
                    server.connect().close()
                    server.wait_log(
                        f"{text}: Connection refused: rests for {seconds} s")
                    harness.pause(0.01)
                target.socket = socket.create_server(("127.0.0.1", port))
                target.socket.settimeout(harness.PATIENCE)
                with server.connect(), target.accept():
                    server.wait_log(f"{text}: works again")


@unittest.skipIf(harness.UNDER, "what runs it has descriptors of its own")
class OutOfDescriptors(unittest.TestCase):
    """What is wanted here is not put down to the target."""

    def test_a_client_finds_none(self):
        with Target() as target, \
                Server("proxy", "to=" + target.text, "rest=1h",
                       "rest-max=1h") as server, \
                contextlib.ExitStack() as clients:
            used = {int(name) for name in os.listdir(f"/proc/{server.pid}/fd")}
            # One more, for a client: there is none for its target.
            free = min(set(range(len(used) + 1)) - used)
            low = min(set(range(free + 1, free + 9999)) - used)
            before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE,
                             (low, before[1]))
            client = clients.enter_context(server.connect())
            server.wait_log(f"{target.text}: not tried: Too many open files\n")
            self.assertEqual(receive_all(client), b"")
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
            client = clients.enter_context(server.connect())
            client.sendall(b"ping")
            remote = clients.enter_context(target.accept())
            self.assertEqual(receive_exactly(remote, 4), b"ping")
            self.assertNotIn("rests", server.stderr())

    def test_a_check_finds_none(self):
        with Target() as target, \
                Server("proxy", "to=" + target.text, "check=20ms") as server:
            self.assertEqual(receive_all(target.accept()), b"")
            before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE,
                             (3, before[1]))
            server.wait_log(f"{target.text}: not tried: Too many open files\n")
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
            self.assertNotIn("is down", server.stderr())


class Checks(unittest.TestCase):
    def test_one_that_finds_it_ends_a_rest(self):
        with Target() as target:
            text, port = target.text, target.port
            with Server("proxy", "to=" + text, "check=1s", "rest=1h",
                        "rest-max=1h") as server:
                self.assertEqual(receive_all(target.accept()), b"")
                target.socket.close()
                server.connect().close()
                server.wait_log(f"{text}: Connection refused: ")
                target.socket = socket.create_server(("127.0.0.1", port))
                target.socket.settimeout(harness.PATIENCE)
                # Unless a check was there before the client.
                again = ("is up" if "is down" in server.stderr() else
                         "works again")
                server.wait_log(f"{text}: {again}\n")
                with server.connect() as client, contextlib.ExitStack() as all:
                    client.sendall(b"ping")
                    got = b""
                    while not got:
                        remote = all.enter_context(target.accept())
                        got = remote.recv(4)
                    self.assertEqual(got, b"ping")

    def test_what_is_down_gets_no_client(self):
        nobody = unused()
        with Target() as target, \
                Server("proxy", f"to={nobody},{target.text}", "check=1h",
                       "retries=0", "rest=0s") as server:
            server.wait_log(f"{nobody}: Connection refused: is down\n")
            # The check of the one that is there.
            self.assertEqual(receive_all(target.accept()), b"")
            for _ in range(4):
                with server.connect() as client, target.accept() as remote:
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(remote, 4), b"ping")

    def test_one_that_comes_back_is_up(self):
        with Target() as target:
            target.socket.close()
            with Server("proxy", "to=" + target.text, "check=20ms") as server:
                server.wait_log(f"{target.text}: Connection refused: is down")
                target.socket = socket.create_server(
                    ("127.0.0.1", target.port))
                server.wait_log(f"{target.text}: is up\n")
                self.assertEqual(server.stderr().count("is down"), 1)
                target.socket.close()  # or the checks linger

    def test_one_that_is_down_is_tried_when_there_is_no_other(self):
        nobody = unused()
        with Server("proxy", "to=" + nobody, "check=1h") as server:
            server.wait_log("is down")
            with server.connect() as client:
                self.assertEqual(receive_all(client), b"")
            server.wait_log("rests for 1 s")

    def test_none_begins_while_one_is_under_way(self):
        with Target(backlog=0) as full, contextlib.ExitStack() as stack:
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", full.port))
            with Server("proxy", "to=" + full.text, "check=1ms",
                        "connect-timeout=1h") as server:
                before = descriptors(server.pid)
                harness.pause(0.1)
                self.assertLessEqual(descriptors(server.pid), before + 1)

    def test_they_end_with_the_host(self):
        # One that never answers, so that its check is under way.
        with Target(backlog=0) as full, contextlib.ExitStack() as stack:
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", full.port))
            with Server("proxy", "to=" + full.text, "check=1ms",
                        "connect-timeout=1h") as server:
                before = descriptors(server.pid)
                with server.connect():
                    wait_for(lambda: descriptors(server.pid) > before,
                             "the client")
                server.kill(signal.SIGTERM)
                self.assertEqual(server.process.wait(harness.PATIENCE), 0)


class Told(unittest.TestCase):
    """What a target is told by the PROXY protocol, as the host reads it."""

    def test_version_1(self):
        with relayed("send-proxy=v1") as (server, client, remote):
            host, port = client.getsockname()
            header = "PROXY TCP4 %s %s %d %s\r\n" % (
                host, *server.addresses[0].split(":")[:1], port,
                server.addresses[0].split(":")[1])
            client.sendall(b"hello")
            said = header.encode() + b"hello"
            self.assertEqual(receive_exactly(remote, len(said)), said)

    def test_version_2(self):
        with relayed("send-proxy=v2") as (server, client, remote):
            ours, theirs = client.getsockname(), client.getpeername()
            header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" +
                      socket.inet_aton(ours[0]) + socket.inet_aton(theirs[0]) +
                      struct.pack(">HH", ours[1], theirs[1]))
            client.sendall(b"hello")
            said = header + b"hello"
            self.assertEqual(receive_exactly(remote, len(said)), said)

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_ipv6(self):
        for version, length in (("v1", None), ("v2", 36)):
            with relayed(f"send-proxy={version}", listen=["[::1]:0"]) as \
                    (server, client, remote):
                source, port = client.getsockname()[:2]
                if length is None:
                    header = "PROXY TCP6 %s %s %d %d\r\n" % (
                        source, client.getpeername()[0], port,
                        client.getpeername()[1])
                    self.assertEqual(receive_exactly(remote, len(header)),
                                     header.encode())
                    continue
                header = receive_exactly(remote, 16 + length)
                self.assertEqual(header[12:16], b"\x21\x21\0\x24")
                self.assertEqual(
                    header[16:32], socket.inet_pton(socket.AF_INET6, source))
                self.assertEqual(struct.unpack(">H", header[48:50])[0], port)

    def test_a_unix_socket_is_unknown(self):
        with tempfile.TemporaryDirectory() as folder:
            path = "unix:" + os.path.join(folder, "socket")
            for version, header in (
                    ("v1", b"PROXY UNKNOWN\r\n"),
                    ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0")):
                with relayed(f"send-proxy={version}", listen=[path]) as \
                        (_, _client, remote):
                    self.assertEqual(receive_exactly(remote, len(header)),
                                     header)

    def test_the_client_of_a_proxy_before_it(self):
        header = b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n"
        with Target() as target, \
                Server("proxy", "to=" + target.text, "send-proxy=v1",
                       options=["--proxy=required",
                                "--proxy-from=127.0.0.0/8"]) as server, \
                server.connect() as client:
            client.sendall(header + b"hello")
            with target.accept() as remote:
                self.assertEqual(receive_exactly(remote, len(header) + 5),
                                 header + b"hello")

    def test_another_bevhost_believes_it(self):
        for version in ("v1", "v2"):
            with Server("echo", options=["-v", "-v", "--proxy=required",
                                         "--proxy-from=127.0.0.0/8"]) as echo, \
                    Server("proxy", "to=" + echo.addresses[0],
                           f"send-proxy={version}") as server, \
                    server.connect() as client:
                client.sendall(b"hello")
                self.assertEqual(receive_exactly(client, 5), b"hello")
                echo.wait_log("echo: 127.0.0.1:%d: accepted" %
                              client.getsockname()[1])


class Stopping(unittest.TestCase):
    def test_quiet_relays_end_and_others_finish(self):
        with Target() as target, \
                Server("proxy", "to=" + target.text, "drain-idle=300ms",
                       options=["--drain-timeout=60s"]) as server:
            quiet, busy = server.connect(), target.accept()
            with quiet, busy:
                server.kill(signal.SIGTERM)
                self.assertEqual(receive_all(quiet), b"")
                self.assertEqual(receive_all(busy), b"")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)

    def test_one_that_moves_something_goes_on(self):
        with Target() as target, \
                Server("proxy", "to=" + target.text, "drain-idle=2s",
                       options=["--drain-timeout=60s"]) as server, \
                server.connect() as client, target.accept() as remote:
            server.kill(signal.SIGTERM)
            for _ in range(30):
                client.sendall(b"ping")
                self.assertEqual(receive_exactly(remote, 4), b"ping")
                harness.pause(0.1)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(remote), b"")
            remote.sendall(b"bye")
            remote.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"bye")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)

    def test_a_second_signal_cuts(self):
        with relayed("drain-idle=1h") as (server, client, remote):
            server.kill(signal.SIGTERM)
            wait_for(lambda: refuses(server), "it to stop listening")
            server.kill(signal.SIGTERM)
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            with contextlib.suppress(ConnectionError):
                self.assertEqual(receive_all(client), b"")
            with contextlib.suppress(ConnectionError):
                self.assertEqual(receive_all(remote), b"")


class BadInput(unittest.TestCase):
    WRONG = (
        (["to=localhost"], "to: localhost: a port is missing: HOST:PORT"),
        (["to=[::1]"], "to: [::1]: a port is missing: HOST:PORT"),
        (["to=::1:80"],
         "to: ::1:80: an IPv6 address needs brackets: [V6]:PORT"),
        (["to=[::1:80"], "to: [::1:80: no ] before the port: [V6]:PORT"),
        (["to=:80"], "to: :80: a host is missing: HOST:PORT"),
        (["to=[]:80"], "to: []:80: a host is missing: HOST:PORT"),
        (["to=[nonsense]:80"],
         "to: [nonsense]:80: no IPv6 address is between the brackets"),
        (["to=[127.0.0.1]:80"],
         "to: [127.0.0.1]:80: no IPv6 address is between the brackets"),
        (["to=x]:80"], "to: x]:80: no host has such a name: HOST:PORT"),
        (["to=a:1", "tls-ca=/nowhere"],
         "tls-ca is for TLS, which is off: it takes tls=on"),
        (["to=a:1", "tls=off", "tls-name=a"],
         "tls-name is for TLS, which is off: it takes tls=on"),
        (["to=a:0"], "to: a:0: a port is a number from 1 to 65535"),
        (["to=a:65536"], "to: a:65536: a port is a number from 1 to 65535"),
        (["to=a:http"], "to: a:http: a port is a number from 1 to 65535"),
        (["to=a:"], "to: a:: a port is a number from 1 to 65535"),
        (["to=a:1,,b:2"],
         "to: a:1,,b:2: an empty target: HOST:PORT[,HOST:PORT...]"),
        (["to=a:1,a:1"], "to: a:1: is there twice"),
        (["to=unix:socket"], "to: unix:socket: a path after unix: begins "
         "with / (or @, if abstract)"),
        (["to=unix:/" + "x" * 107],
         "a path of a unix socket has at most 107 bytes"),
        (["to=" + ",".join(f"a:{n}" for n in range(1, 66))],
         "to: more than 64 targets"),
        (["to=a:1", "rest=2m"],
         "rest is longer than rest-max: it is at most as long"),
        (["to=a:1", "retries=64"], "retries"),
        (["to=a:1", "connect-timeout=0s"], "connect-timeout"),
        (["to=a:1", "balance=random"], "balance"),
        ([], "to"),
    )

    def test_each_is_said_and_ends_the_start(self):
        for words, said in self.WRONG:
            with self.subTest(words):
                status, _, stderr = run(
                    "--no-master", "-l", "127.0.0.1:0", "proxy", *words)
                self.assertIn(status, (os.EX_USAGE, os.EX_CONFIG))
                self.assertIn(said, stderr)
                # The host adds which parameter it was.
                self.assertLessEqual(len(stderr.splitlines()), 2, stderr)


if __name__ == "__main__":
    harness.main()
