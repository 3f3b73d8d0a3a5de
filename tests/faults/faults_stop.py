# SPDX-License-Identifier: BSD-2-Clause
"""SIGTERM with all kinds of clients, and signals without number."""

import os
import random
import select
import signal
import time

from host import FaultTest, Host, Load, receive_all, receive_exactly, wait_for

STORM = [signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGWINCH,
         signal.SIGPIPE, signal.SIGURG, signal.SIGCONT]


def fill(client, most=64 << 20):
    """Sends until nothing more is taken. Returns how much."""
    client.setblocking(False)
    sent, since = 0, time.monotonic()
    while sent < most and time.monotonic() - since < 0.3:
        try:
            sent += client.send(b"x" * 65536)
            since = time.monotonic()
        except BlockingIOError:
            select.select([], [client], [], 0.05)
    client.settimeout(20)
    return sent


class Stops(FaultTest):

    def test_term_with_idle_busy_and_stuck_clients(self):
        with Host(drain_timeout="3s") as host:
            idle = [host.connect() for _ in range(50)]
            for client in idle:
                client.sendall(b"idle")
                self.assertEqual(receive_exactly(client, 4), b"idle")
            busy, stuck = host.connect(), host.connect()
            owed = fill(busy)
            fill(stuck)
            begun = time.monotonic()
            host.kill(signal.SIGTERM)
            for client in idle:
                self.assertEqual(client.recv(1), b"")
            ended = time.monotonic() - begun
            got = len(receive_all(busy))
            self.assertEqual(got, owed)
            self.assertEqual(host.process.wait(10), 0)
            took = time.monotonic() - begun
            self.assertIn("did not finish in 3 s", host.stderr())
            for client in (*idle, busy, stuck):
                client.close()
        self.assertLess(ended, 1)
        self.assertGreaterEqual(took, 2.9)
        self.assertLess(took, 5)
        self.figure = (f"50 idle after {ended * 1000:.0f} ms, {got >> 20} MiB "
                       f"that were owed came, the stuck one was cut after "
                       f"{took:.1f} s of 3")

    def test_a_second_term_stops_now(self):
        with Host(drain_timeout="60s") as host, host.connect() as stuck:
            fill(stuck)
            host.kill(signal.SIGTERM)
            host.wait_log("SIGTERM: stopping")
            begun = time.monotonic()
            host.kill(signal.SIGTERM)
            self.assertEqual(host.process.wait(10), 0)
            took = time.monotonic() - begun
        self.assertLess(took, 3.5)
        self.figure = f"after {took:.2f} s of 60"

    def test_term_under_load_cuts_no_request(self):
        with Host() as host, Load(host, "--size=100000") as load:
            load.run_for(1)
            host.kill(signal.SIGTERM)
            self.assertEqual(host.process.wait(10), 0)
            total = load.stop()
            others = [failure for failure in load.failures
                      if failure["failure"] != "refused"]
            # What has reached a listener's queue is taken; after its close
            # there is nobody to connect to.
            self.assertEqual(others, [])
        self.figure = (f"{total['requests'] - total['failed']} answered, "
                       f"{total['refused']} refused after the end")

    def test_a_storm_of_1000_signals(self):
        random.seed(4)
        with Host().take_base() as host, Load(host, "--rate=200") as load:
            for _ in range(1000):
                host.kill(random.choice(STORM))
                time.sleep(0.002)
            wait_for(lambda: "reload: generation" in host.stderr(), "reloads")
            self.assertIsNone(host.process.poll())
            host.reload()
            total = self.check_load(load, 200)
            host.check_house()
            done = host.stderr().count("reload: generation")
            self.assertEqual(host.stop(), 0)
        self.figure = (f"0 of {total['requests']} failed, {done} reloads, "
                       "then TERM: 0")

    def test_a_storm_of_signals_to_workers(self):
        random.seed(5)
        with Host().take_base() as host, Load(host, "--rate=200") as load:
            before = host.generation()
            for _ in range(1000):
                pid = random.choice(before)
                number = random.choice([signal.SIGWINCH, signal.SIGCHLD,
                                        signal.SIGURG, signal.SIGPIPE,
                                        signal.SIGCONT])
                os.kill(pid, number)
                time.sleep(0.001)
            total = self.check_load(load, 100)
            self.assertEqual(host.generation(), before)
            host.check_house()
        self.figure = f"0 of {total['requests']} failed"
