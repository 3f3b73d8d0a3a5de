# SPDX-License-Identifier: BSD-2-Clause
"""Peers that are stuck, rude, many, or no longer there."""

import ctypes
import os
import resource
import socket
import subprocess
import threading
import time

from host import (FaultTest, Host, Load, median, plugin, receive_all,
                  receive_exactly, rss_bytes, wait_for)
from harness import Server
from peers import (BIG, ECHO, MIB, SERVE, Dripper, connect, pattern, reset,
                   until_gone)


class Readers(FaultTest):

    def p99_ms(self, load):
        """The median of some windows: others use the machine too."""
        return median([load.run_for(0.5)["p99_ms"] for _ in range(7)])

    def check_others(self, load, before):
        after = self.p99_ms(load)
        self.assertEqual(load.failures[:5], [])
        # Some milliseconds are the machine's.
        self.assertLess(after, max(2 * before, 5.0))
        return after

    def test_50_that_never_read_8_mib_replies(self):
        cap = 64 * MIB
        with Host(SERVE, ECHO, workers=1, write_timeout="8s",
                  max_memory="64m") as host, \
             Load(host, "--connections=20", "--rate=2000", index=1) as load:
            worker, = host.workers()
            before = self.p99_ms(load)
            base = rss_bytes(worker)
            clients = [connect(host.addresses[0], 4096) for _ in range(50)]
            begun = time.monotonic()
            for client in clients:
                client.sendall(BIG)
            peak = 0
            # The handler makes 400 MiB meanwhile, which takes it a while.
            while time.monotonic() < begun + 3:
                peak = max(peak, rss_bytes(worker) - base)
                time.sleep(0.02)
            after = self.check_others(load, before)
            until_gone(clients, begun, patience=20)
            for client in clients:
                client.close()
            self.check_load(load)
            log = host.wait_since(0, "of max-memory")
            self.assertIn("closed: slow", log + host.stderr())
            wait_for(lambda: "closed: slow" in host.stderr(), "slow ones")
            # One more reply, twice while it is made, and the allocator's own.
            self.assertLess(peak, cap + 48 * MIB)
        self.figure = (f"{peak / MIB:.0f} MiB at most of {cap // MIB}, p99 of "
                       f"others {before:.2f} to "
                       f"{after:.2f} ms")

    def test_50_that_read_by_drops(self):
        with Host(SERVE, ECHO, workers=1, write_timeout="8s",
                  min_rate="64k") as host, \
             Load(host, "--connections=20", "--rate=2000", index=1) as load:
            before = self.p99_ms(load)
            clients = [connect(host.addresses[0], 4096) for _ in range(50)]
            begun = time.monotonic()
            for client in clients:
                client.sendall(BIG)
            times = []
            drops = threading.Thread(target=lambda: times.extend(until_gone(
                clients, begun, lambda c: c.recv(2048), patience=30)))
            drops.start()
            time.sleep(3)
            after = self.check_others(load, before)
            drops.join()
            for client in clients:
                client.close()
            self.check_load(load)
        self.assertLessEqual(max(times), 2 * 8 * 1.1)
        self.figure = (f"cut after {min(times):.1f} to {max(times):.1f} s, "
                       f"p99 of others {before:.2f} to "
                       f"{after:.2f} ms")

    def test_half_closed_with_8_mib_owed_every_byte_arrives(self):
        with Host(SERVE, workers=1, write_timeout="2s") as host:
            clients = [connect(host.addresses[0], 65536) for _ in range(5)]
            for client in clients:
                client.sendall(BIG)
                client.shutdown(socket.SHUT_WR)
            begun = time.monotonic()
            for client in clients:
                self.assertEqual(receive_exactly(client, MIB), pattern(MIB))
            time.sleep(1)
            for client in clients:
                self.assertEqual(receive_all(client), pattern(8 * MIB)[MIB:])
                client.close()
            took = time.monotonic() - begun
            self.assertNotIn("slow", host.stderr())
            host.check_house(answers=False)
        self.figure = f"5 times 8 MiB in {took:.1f} s"


class Rude(FaultTest):

    def test_a_reset_in_each_phase(self):
        with Host(SERVE).take_base() as host:
            for _ in range(100):
                reset(connect(host.addresses[0]))
                for said, reads in ((b"send", 0), (BIG, 1000),
                                    (BIG + b"quit\n", 1000),
                                    (b"quit\n", 0), (b"after 100\n", 0)):
                    client = connect(host.addresses[0], 4096)
                    client.sendall(said)
                    if reads:
                        client.recv(reads)
                    reset(client)
                client = connect(host.addresses[0])
                client.sendall(b"quit\n")
                self.assertEqual(receive_all(client), b"")
                reset(client)
            host.check_house(answers=False)
            with connect(host.addresses[0]) as client:
                client.sendall(b"send 3\n")
                self.assertEqual(receive_exactly(client, 3), b"\0\1\2")
            self.assertEqual(host.stderr().count("signal"), 0)
        self.figure = "700 resets"

    def test_no_descriptors_left(self):
        with Host(ECHO, workers=1).take_base() as host:
            worker, = host.workers()
            limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            used = len(os.listdir(f"/proc/{worker}/fd"))
            resource.prlimit(worker, resource.RLIMIT_NOFILE,
                             (used + 20, limits[1]))
            clients = [connect(host.addresses[0]) for _ in range(100)]
            for client in clients[:15]:
                client.sendall(b"x")
                self.assertEqual(receive_exactly(client, 1), b"x")
            host.wait_since(0, "cannot accept on ")
            for client in clients[:15]:
                client.close()
            for client in clients[15:]:
                client.sendall(b"x")
                self.assertEqual(receive_exactly(client, 1), b"x")
                client.close()
            resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
            said = host.stderr().count("cannot accept on ")
            self.assertLess(said, 20)
            host.check_house()
        self.figure = f"85 waited for their turn, {said} lines of log"

    def test_100000_connects(self):
        count, threads = 100000, 4
        failed = []

        def come_and_go(address, number):
            for _ in range(number):
                try:
                    client = connect(address)
                    client.sendall(b"x")
                    if client.recv(1) != b"x":
                        raise OSError("no answer")
                    # Their ports would be used up otherwise.
                    reset(client)
                except OSError as error:
                    failed.append(error)

        with Host(ECHO).take_base() as host:
            begun = time.monotonic()
            crowd = [threading.Thread(target=come_and_go, args=(
                host.addresses[0], count // threads))
                for _ in range(threads)]
            for thread in crowd:
                thread.start()
            for thread in crowd:
                thread.join()
            took = time.monotonic() - begun
            self.assertEqual(failed[:3], [])
            host.check_house()
        self.figure = f"{count} in {took:.0f} s"


class Namespace:
    """A network of our own, with one device: its loopback."""

    def __init__(self, test):
        self.name = f"bevhost-faults-{os.getpid()}"
        try:
            subprocess.run(["ip", "netns", "add", self.name], check=True,
                           capture_output=True)
            self.set("up")
        except (OSError, subprocess.CalledProcessError) as error:
            self.remove()
            test.skipTest(f"no network namespace can be made: {error}")

    def set(self, state):
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", state],
                       check=True, capture_output=True)

    def remove(self):
        try:
            subprocess.run(["ip", "netns", "del", self.name], check=False,
                           capture_output=True)
        except OSError:
            pass

    def enter(self):
        """The calling thread is in it from now on."""
        with open(f"/run/netns/{self.name}", encoding="ascii") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0) < 0:
                raise OSError(ctypes.get_errno(), "setns")


class Gone(FaultTest):

    def test_half_open_peers_are_found(self):
        namespace = Namespace(self)
        try:
            self.find(namespace)
        finally:
            namespace.remove()

    def find(self, namespace):
        with Server("echo", listen=("127.0.0.1:0",), options=(
                "-v", "-v", "--keepalive=1s", "--tcp-user-timeout=2s"),
                before=("ip", "netns", "exec", namespace.name)) as server:
            clients, errors = [], []

            def come():
                try:
                    namespace.enter()
                    for _ in range(20):
                        client = connect(server.addresses[0])
                        client.sendall(b"x")
                        if client.recv(1) == b"x":
                            clients.append(client)
                except OSError as error:
                    errors.append(error)

            thread = threading.Thread(target=come)
            thread.start()
            thread.join()
            self.assertEqual(errors, [])
            self.assertEqual(len(clients), 20)
            namespace.set("down")
            begun = time.monotonic()
            wait_for(lambda: server.stderr().count("closed: error") == 20,
                     "20 that were given up", 30)
            took = time.monotonic() - begun
            namespace.set("up")
            for client in clients:
                client.close()
        self.assertLess(took, 8)
        self.figure = f"20 given up after {took:.1f} s"


class Defaults(FaultTest):

    def test_without_any_option_none_of_them_stays(self):
        with Server(plugin("serve"), options=("-v", "-v")) as server:
            address = server.addresses[0]
            begun = time.monotonic()
            silent = [connect(address) for _ in range(50)]
            dripping = [connect(address) for _ in range(50)]
            stuck = [connect(address, 4096) for _ in range(50)]
            closing = [connect(address, 4096) for _ in range(10)]
            for client in stuck:
                client.sendall(BIG)
            for client in closing:
                client.sendall(BIG + b"quit\n")
            drip = Dripper(b"x" * 1000)
            worst = 0.0

            def each(client):
                nonlocal worst
                if client is dripping[0]:
                    asked = time.monotonic()
                    with connect(address) as other:
                        other.sendall(b"send 3\n")
                        if receive_exactly(other, 3) != b"\0\1\2":
                            raise AssertionError("the others get no answer")
                    worst = max(worst, time.monotonic() - asked)
                if client in drip.at or client in dripping:
                    drip(client)

            times = until_gone(silent + dripping + stuck + closing, begun,
                               each, every=1)
            for client in silent + dripping + stuck + closing:
                client.close()
            wait_for(lambda: server.stderr().count("closed: idle") >= 50
                     and server.stderr().count("closed: slow") >= 100,
                     "all of them in the log")
        self.assertGreaterEqual(min(times), 59)
        self.assertLessEqual(max(times), 66 + 2)
        self.figure = (f"160 closed after {min(times):.0f} to "
                       f"{max(times):.0f} s, others answered within "
                       f"{worst * 1000:.0f} ms")
