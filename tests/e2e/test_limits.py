# SPDX-License-Identifier: BSD-2-Clause
"""Access lists, limits of connections and rates, over all workers."""

import contextlib
import os
import select
import signal
import socket
import tempfile
import threading
import unittest

from harness import (PATIENCE, Server, main, pause, run,
                     wait_for)
from test_master import Config


def client_from(server, source="127.0.0.1", index=0):
    """A connection from an address of the loopback network."""
    host, port = server.addresses[index].rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE,
                                    (source, 0))


def ask(client):
    """Sends what the echo plugin sends back once it serves."""
    client.sendall(b"x")


def is_served(client, seconds=0.0):
    """Has it been answered?"""
    if not select.select([client], [], [], seconds)[0]:
        return False
    with contextlib.suppress(ConnectionResetError):
        return client.recv(1) == b"x"
    return False


def is_refused(client):
    """Waits until it is answered or closed."""
    try:
        ask(client)
        return client.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


class Crowd:
    """Clients that connect, ask and wait, until the end of the `with`."""

    def __init__(self, server, count, index=0):
        self.waiting = [server.connect(index) for _ in range(count)]
        self.served = []
        for client in self.waiting:
            ask(client)

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        for client in self.waiting + self.served:
            client.close()

    def look(self):
        """How many are served."""
        ready = select.select(self.waiting, [], [], 0)[0]
        for client in ready:
            if client.recv(1) != b"x":
                raise AssertionError("a client was refused")
            self.waiting.remove(client)
            self.served.append(client)
        return len(self.served)

    def wait(self, count):
        wait_for(lambda: self.look() >= count, f"{count} clients served")

    def leave(self):
        self.served.pop(0).close()


class MaxConnections(unittest.TestCase):

    def check_waiting(self, **options):
        with Server("echo", **options) as server, Crowd(server, 8) as crowd:
            crowd.wait(3)
            pause(0.2)
            self.assertEqual(crowd.look(), 3)
            for _ in range(5):
                crowd.leave()
                crowd.wait(3)
                self.assertEqual(crowd.look(), 3)
            server.wait_log("max-connections of the host (3) reached")

    def test_clients_wait_at_the_limit(self):
        self.check_waiting(options=("--max-connections=3",))

    def test_clients_of_all_workers_wait_at_the_limit(self):
        self.check_waiting(options=("--max-connections=3", "-w", "4"),
                           master=True)

    def test_clients_of_a_unix_socket_wait_too(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with Server("echo", listen=("unix:" + path,),
                        options=("--max-connections=1", "-w", "2"),
                        master=True):
                one, two = (socket.socket(socket.AF_UNIX) for _ in range(2))
                with one, two:
                    for client in one, two:
                        client.settimeout(PATIENCE)
                        client.connect(path)
                        ask(client)
                    wait_for(lambda: select.select([one, two], [], [], 0)[0],
                             "one that is served")
                    pause(0.1)
                    served = select.select([one, two], [], [], 0)[0]
                    self.assertEqual(len(served), 1)
                    other = two if served[0] is one else one
                    served[0].close()
                    self.assertEqual(other.recv(1), b"x")

    def check_never_exceeded(self, limit, **options):
        inside, most, failures = 0, 0, []
        lock, stop = threading.Lock(), threading.Event()
        turns = [0] * 12

        def visit(number, server):
            nonlocal inside, most
            try:
                with server.connect() as client:
                    ask(client)
                    if client.recv(1) != b"x":
                        raise ConnectionError("refused")
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    pause(0.002)
                    with lock:
                        inside -= 1
                turns[number] += 1
            except OSError as error:
                failures.append(repr(error))

        def visitor(number, server):
            while not stop.is_set() and not failures:
                visit(number, server)

        with Server("echo", **options) as server:
            threads = [threading.Thread(target=visitor, args=(i, server))
                       for i in range(len(turns))]
            for thread in threads:
                thread.start()
            with contextlib.suppress(AssertionError):
                wait_for(lambda: min(turns) >= 15 or failures,
                         "turns of all clients")
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertGreaterEqual(min(turns), 15, turns)
        self.assertLessEqual(most, limit)

    def test_one_worker_never_exceeds_it(self):
        self.check_never_exceeded(2, options=("--max-connections=2",))

    def test_workers_that_race_never_exceed_it_and_nobody_starves(self):
        self.check_never_exceeded(
            2, options=("--max-connections=2", "-w", "4"), master=True)

    def test_places_of_a_killed_worker_come_back(self):
        with Server("echo", options=("--max-connections=4", "-w", "2"),
                    master=True) as server:
            for _ in range(3):
                with Crowd(server, 4) as crowd:
                    crowd.wait(4)
                    for pid in server.wait_workers(2):
                        os.kill(pid, signal.SIGKILL)
                with Crowd(server, 6) as crowd:
                    crowd.wait(4)
                    pause(0.1)
                    self.assertEqual(crowd.look(), 4)

    def test_a_listener_has_a_limit_of_its_own(self):
        with Config("""
listen "127.0.0.1:0" { handler = echo; max-connections = 1 }
listen "127.0.0.1:0" { handler = echo }
""") as config, Server(listen=(), options=("-c", config.path, "-w", "2"),
                       master=True) as server:
            with Crowd(server, 3) as one, Crowd(server, 3, 1) as other:
                other.wait(3)
                one.wait(1)
                pause(0.1)
                self.assertEqual(one.look(), 1)
                one.leave()
                one.wait(1)
                server.wait_log("max-connections of this listener (1) reached")

    def test_a_reload_counts_those_that_are_there(self):
        with Config("workers = 2\nmax-connections = 4\n") as config, \
             Server("echo", options=("-c", config.path),
                    master=True) as server, Crowd(server, 6) as crowd:
            crowd.wait(4)
            config.write("workers = 2\nmax-connections = 5\n")
            server.reload()
            crowd.wait(5)
            pause(0.1)
            self.assertEqual(crowd.look(), 5)
            config.write("workers = 2\nmax-connections = 1\n")
            server.reload()
            for _ in range(4):
                crowd.leave()
            pause(0.1)
            self.assertEqual(crowd.look(), 1)
            crowd.leave()
            crowd.wait(1)

    def test_connections_that_a_canary_takes_have_one_place_each(self):
        with Config('max-connections = 6\n'
                    'reload-canary = "50%, 1s, 100%"\n') as config, \
             Server("echo", options=("-c", config.path),
                    master=True) as server, Crowd(server, 2) as crowd:
            crowd.wait(2)
            server.kill(signal.SIGHUP)
            wait_for(lambda: len(server.workers()) == 2, "a canary")
            with Crowd(server, 9) as others:
                others.wait(4)
                wait_for(lambda: len(server.workers(generation=2)) == 1,
                         "the next generation")
                pause(0.5)
                self.assertEqual(others.look(), 4)
                for _ in range(3):
                    others.leave()
                    others.wait(4)
                    self.assertEqual(others.look(), 4)
                crowd.leave()
                crowd.leave()
                others.wait(6)

    def test_a_dry_run_lets_all_in_and_says_so(self):
        with Server("echo", options=(
                "--max-connections=1", "--dry-run=max-connections", "-v",
                "-v")) as server:
            with Crowd(server, 3) as crowd:
                crowd.wait(3)
                server.wait_log("clients would wait")
            server.stop()
            server.wait_log("max-connections: refused or delayed 0, would "
                            "have 2")


class PerClient(unittest.TestCase):

    def check_limit(self, **options):
        with Server("echo", **options) as server:
            held = [client_from(server) for _ in range(2)]
            for client in held:
                ask(client)
                self.assertEqual(client.recv(1), b"x")
            with client_from(server) as client:
                self.assertTrue(is_refused(client))
            with client_from(server, "127.0.0.2") as client:
                self.assertFalse(is_refused(client))
            server.wait_log("refused by max-connections-per-client")
            held.pop().close()

            def again():
                with client_from(server) as client:
                    return not is_refused(client)
            wait_for(again, "a place for the client")
            held.pop().close()

    def test_one_client_has_so_many(self):
        self.check_limit(options=("--max-connections-per-client=2",))

    def test_one_client_has_so_many_in_all_workers(self):
        self.check_limit(options=("--max-connections-per-client=2", "-w",
                                  "4"), master=True)

    def test_a_prefix_is_one_client(self):
        with Server("echo", options=("--max-connections-per-client=1",
                                     "--client-prefix-ipv4=24")) as server:
            with client_from(server, "127.0.0.1") as held:
                self.assertFalse(is_refused(held))
                with client_from(server, "127.0.0.200") as client:
                    self.assertTrue(is_refused(client))
                with client_from(server, "127.0.1.1") as client:
                    self.assertFalse(is_refused(client))

    def test_what_a_killed_worker_held_comes_back(self):
        with Server("echo", options=("--max-connections-per-client=2",),
                    master=True) as server:
            for _ in range(2):
                held = [client_from(server) for _ in range(2)]
                for client in held:
                    self.assertFalse(is_refused(client))
                os.kill(next(iter(server.wait_workers(1))), signal.SIGKILL)
                for client in held:
                    client.close()
            with client_from(server) as client:
                self.assertFalse(is_refused(client))

    def test_peers_of_a_unix_socket_are_no_client(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with Server("echo", listen=("unix:" + path,),
                        options=("--max-connections-per-client=1",
                                 "--connection-rate-per-client=1/h")):
                clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
                for client in clients:
                    client.settimeout(PATIENCE)
                    client.connect(path)
                    self.assertFalse(is_refused(client))
                for client in clients:
                    client.close()

    def test_a_dry_run_refuses_nobody(self):
        with Server("echo", options=(
                "--max-connections-per-client=1",
                "--dry-run=max-connections-per-client")) as server:
            clients = [client_from(server) for _ in range(3)]
            for client in clients:
                self.assertFalse(is_refused(client))
            for client in clients:
                client.close()
            server.wait_log("would be refused by max-connections-per-client")
            with client_from(server) as client:
                self.assertFalse(is_refused(client))


class Rates(unittest.TestCase):

    def count_served(self, server, sources):
        served = 0
        for source in sources:
            with client_from(server, source) as client:
                served += not is_refused(client)
        return served

    def test_a_listener_takes_so_many_in_all_workers(self):
        with Server("echo", options=("--connection-rate=4/h", "-w", "3"),
                    master=True) as server:
            self.assertEqual(self.count_served(
                server, [f"127.0.0.{i}" for i in range(1, 9)]), 4)
            server.wait_log("refused by connection-rate")

    def test_a_client_has_a_rate(self):
        with Server("echo", options=("--connection-rate-per-client=3/h", "-w",
                                     "2"), master=True) as server:
            self.assertEqual(self.count_served(server, ["127.0.0.1"] * 6), 3)
            self.assertEqual(self.count_served(server, ["127.0.0.2"] * 6), 3)

    def test_a_client_beyond_its_rate_uses_up_nothing_of_the_others(self):
        with Server("echo", options=("--connection-rate-per-client=2/h",
                                     "--connection-rate=5/h")) as server:
            self.assertEqual(self.count_served(server, ["127.0.0.1"] * 20), 2)
            self.assertEqual(self.count_served(server, ["127.0.0.2"] * 2), 2)

    def test_a_reload_does_not_forget_it(self):
        with Config("connection-rate-per-client = 3/h\n") as config, \
             Server("echo", options=("-c", config.path),
                    master=True) as server:
            self.assertEqual(self.count_served(server, ["127.0.0.1"] * 2), 2)
            server.reload()
            self.assertEqual(self.count_served(server, ["127.0.0.1"] * 4), 1)

    def test_the_log_is_bounded(self):
        with Server("echo", options=("--connection-rate=1/h",)) as server:
            self.count_served(server, ["127.0.0.1"] * 100)
            lines = [line for line in server.stderr().splitlines()
                     if "refused by" in line]
            self.assertGreaterEqual(len(lines), 1)
            self.assertLess(len(lines), 100)

    def test_a_dry_run_refuses_nobody(self):
        with Server("echo", options=(
                "--connection-rate=1/h", "--dry-run=connection-rate",
                "--connection-rate-per-client=1/h",
                "--dry-run=connection-rate-per-client")) as server:
            self.assertEqual(self.count_served(server, ["127.0.0.1"] * 5), 5)
            server.wait_log("would be refused by connection-rate")


class Access(unittest.TestCase):

    def test_the_first_network_that_fits_decides(self):
        with Server("echo", options=(
                "--deny=127.0.0.7", "--allow=127.0.0.0/29",
                "--deny=127.0.0.0/8", "-v")) as server:
            for source, refused in (("127.0.0.1", False), ("127.0.0.7", True),
                                    ("127.0.0.9", True)):
                with client_from(server, source) as client:
                    self.assertEqual(is_refused(client), refused, source)
            server.wait_log("127.0.0.7:")
            server.wait_log("refused by access")
            server.wait_log("closed: denied")

    def test_whom_none_fits_may_connect(self):
        with Server("echo", options=("--allow=10.0.0.0/8",)) as server:
            with client_from(server) as client:
                self.assertFalse(is_refused(client))

    def test_deny_all_denies_ipv4_ipv6_and_unix(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with Server("echo", listen=("127.0.0.1:0", "unix:" + path),
                        options=("--deny=all",)) as server:
                with client_from(server) as client:
                    self.assertTrue(is_refused(client))
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(PATIENCE)
                    client.connect(path)
                    self.assertTrue(is_refused(client))

    def test_a_reload_brings_another_list(self):
        with Config("workers = 2\n") as config, \
             Server("echo", options=("-c", config.path),
                    master=True) as server:
            with client_from(server, "127.0.0.3") as client:
                self.assertFalse(is_refused(client))
            config.write('workers = 2\ndeny = {"127.0.0.3"}\n')
            server.reload()
            with client_from(server, "127.0.0.3") as client:
                self.assertTrue(is_refused(client))
            with client_from(server) as client:
                self.assertFalse(is_refused(client))

    def test_a_list_that_does_not_parse_keeps_the_old_one(self):
        with Config('deny = {"127.0.0.3"}\n') as config, \
             Server("echo", options=("-c", config.path),
                    master=True) as server:
            config.write('\ndeny = {"127.0.0.9/24"}\n')
            server.kill(signal.SIGHUP)
            server.wait_log("write 127.0.0.0/24")
            server.wait_log(config.path + ":2")
            with client_from(server, "127.0.0.3") as client:
                self.assertTrue(is_refused(client))
            with client_from(server, "127.0.0.9") as client:
                self.assertFalse(is_refused(client))

    def test_ten_thousand_networks_are_taken(self):
        text = "".join(f'deny = {{"10.{i // 250}.{i % 250}.0/24"}}\n'
                       for i in range(9999)) + 'deny = {"127.0.0.3"}\n'
        with Config(text) as config, \
             Server("echo", options=("-c", config.path)) as server:
            with client_from(server, "127.0.0.3") as client:
                self.assertTrue(is_refused(client))
            with client_from(server) as client:
                self.assertFalse(is_refused(client))

    def test_a_dry_run_refuses_nobody(self):
        with Server("echo", options=("--deny=all",
                                     "--dry-run=access")) as server:
            with client_from(server) as client:
                self.assertFalse(is_refused(client))
            server.wait_log("would be refused by access")


class Log(unittest.TestCase):
    """It names the listener, and none keeps it from naming another."""

    def check(self, server, line):
        for index in range(len(server.addresses)):
            with client_from(server, index=index) as client:
                self.assertFalse(is_refused(client))
        for address in server.addresses:
            server.wait_log(line + address)

    def test_each_listener_of_its_own_is_named(self):
        with Config("""
deny = { "all" }
dry-run = { "access" }
listen "127.0.0.1:0" { handler = echo }
listen "127.0.0.1:0" { handler = echo }
""") as config, Server(listen=(), options=("-c", config.path)) as server:
            self.check(server, "would be refused by access on ")

    def test_each_address_of_a_listener_is_named(self):
        with Server("echo", listen=("127.0.0.1:0", "127.0.0.1:0"), options=(
                "--connection-rate=1/h", "--connection-rate-per-client=1/h",
                "--dry-run=connection-rate-per-client",
                "--dry-run=connection-rate")) as server:
            with client_from(server) as client:
                self.assertFalse(is_refused(client))
            self.check(server, "refused by connection-rate on ")
            self.check(server, "refused by connection-rate-per-client on ")

    def test_a_unix_socket_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = "unix:" + os.path.join(folder, "socket")
            with Server("echo", listen=(path,),
                        options=("--deny=all",)) as server, \
                    socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(path[5:])
                self.assertTrue(is_refused(client))
                server.wait_log("refused by access on " + path)

    def test_each_listener_whose_clients_wait_is_named(self):
        with Config("""
listen "127.0.0.1:0" { handler = echo; max-connections = 1 }
listen "127.0.0.1:0" { handler = echo; max-connections = 1 }
""") as config, Server(listen=(), options=("-c", config.path)) as server, \
                Crowd(server, 2) as one, Crowd(server, 2, 1) as other:
            one.wait(1)
            other.wait(1)
            for address in server.addresses:
                server.wait_log("max-connections of this listener (1) "
                                f"reached: clients wait on {address}")


class BadInput(unittest.TestCase):

    def check(self, options, *words):
        status, _out, err = run("-t", *options, "echo")
        self.assertNotEqual(status, 0, options)
        for word in words:
            self.assertIn(word, err)

    def test_what_is_wrong_is_named(self):
        self.check(["--deny=10.1.2.3/8"], "deny", "10.0.0.0/8")
        self.check(["--allow=example.org"], "allow", "10.0.0.0/8")
        self.check(["--allow=10.0.0.0/33"], "allow", "0 to 32")
        self.check(["--max-connections=0"], "max-connections")
        self.check(["--max-connections-per-client=0"],
                   "max-connections-per-client")
        self.check(["--connection-rate=0/s"], "connection-rate")
        self.check(["--dry-run=max-conections"], "dry-run",
                   "max-connections")
        self.check(["--dry-run=everything"], "dry-run", "bytes-in-rate")

    def test_the_line_of_the_file_is_named(self):
        for line, word in (('deny = {"10.1.2.3/8"}', "10.0.0.0/8"),
                           ("max-connections = 0", "max-connections"),
                           ('dry-run = {"acess"}', "access")):
            with self.subTest(line), Config("\n\n" + line + "\n") as config:
                self.check(["-c", config.path], word, config.path + ":3")


if __name__ == "__main__":
    main()
