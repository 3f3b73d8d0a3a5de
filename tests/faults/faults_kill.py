# SPDX-License-Identifier: BSD-2-Clause
"""Processes that are killed or stopped."""

import os
import signal
import time

from host import (FaultTest, Host, Load, alive, median, plugin,
                  quiet_address, state_of, wait_for)


class Workers(FaultTest):

    def test_20_kills_cost_only_what_the_killed_held(self):
        held, seconds = set(), []
        with Host().take_base() as host, \
                Load(host, "--pause=50", "--connections=200",
                     failures=10000) as load:
            for _ in range(10):
                for pid in host.generation():
                    time.sleep(0.1)
                    clients, started = host.kill_worker(pid)
                    held |= clients
                    seconds.append(started)
                host.reload()  # the next death is a first one again
            total = load.stop()
            lost = {failure["client"] for failure in load.failures}
            self.assertEqual(total["refused"], 0)
            self.assertEqual(total["wrong"] + total["late"], 0)
            self.assertLessEqual(lost, held)
            self.assertGreater(len(lost), 20)  # else nothing was shown
            self.assertEqual(total["failed"], len(load.failures))
            self.assertGreater(total["requests"], 500)
            host.check_house()
        self.assertLess(max(seconds), 0.1, seconds)
        self.figure = (f"{total['failed']} of {total['requests']} failed, all "
                       f"of the {len(held)} that the killed held; respawn "
                       f"{median(seconds) * 1000:.1f} ms, at most "
                       f"{max(seconds) * 1000:.1f} ms")

    def test_one_that_goes_on_dying_is_replaced_later_each_time(self):
        seconds = []
        with Host(workers=1).take_base() as host, \
                Load(host, "--rate=100", "--connections=200") as load:
            for _ in range(4):
                seconds.append(host.kill_worker(host.generation()[0])[1])
            total = load.stop()
            self.assertEqual(total["refused"], 0)
            host.check_house()
        self.assertLess(seconds[0], 0.1)
        for number, least in enumerate((0.2, 0.4, 0.8), 1):
            self.assertGreaterEqual(seconds[number], least - 0.01, seconds)
            self.assertLess(seconds[number], 2 * least, seconds)
        self.figure = "after " + ", ".join(
            f"{second:.3f}" for second in seconds) + " s"


class Masters(FaultTest):

    def test_a_killed_master_leaves_no_worker_and_no_address(self):
        words = ("echo", quiet_address(), {})
        with Host(words, drain_timeout="2s").take_base() as host:
            address = host.addresses[0]
            busy, idle = host.connect(), host.connect()
            idle.sendall(b"x")
            self.assertEqual(idle.recv(1), b"x")
            # Never taken: the echo is owed.
            busy.setblocking(False)
            try:
                while True:
                    busy.send(b"x" * 65536)
            except BlockingIOError:
                pass
            left = host.generation()
            os.kill(host.pid, signal.SIGKILL)
            host.process.wait()
            begun = time.monotonic()
            with Host(("echo", address, {})) as other:
                bound = time.monotonic() - begun
                other.check_house()
                wait_for(lambda: not any(map(alive, left)),
                         "the workers' end", 2 + 5)
                gone = time.monotonic() - begun
                other.check_house()
            busy.close()
            idle.close()
        self.assertLess(bound, 1)
        self.figure = (f"another one served after {bound * 1000:.0f} ms, the "
                       f"workers had gone after {gone:.1f} s of 2")

    def test_a_busy_loop_outlives_its_master_by_the_deadline(self):
        words = {"in": "read", "how": "loop"}
        with Host((plugin("crash"), "127.0.0.1:0", words), workers=1,
                  drain_timeout="1s") as host:
            with host.connect() as client:
                client.sendall(b"x")
                host.wait_log("looping")
                left = host.generation()
                os.kill(host.pid, signal.SIGKILL)
                host.process.wait()
                begun = time.monotonic()
                wait_for(lambda: not any(map(alive, left)), "its end", 15)
        self.figure = (f"gone after {time.monotonic() - begun:.1f} s "
                       "(drain-timeout 1 s, and 5)")


class Stops(FaultTest):

    def test_a_stopped_worker_is_named(self):
        with Host(stall_warn="500ms").take_base() as host, \
                Load(host, "--connections=200") as load:
            pid = host.generation()[0]
            mark = host.mark()
            begun = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            host.wait_since(mark, f"process {pid}: its loop has stood still")
            said = time.monotonic() - begun
            os.kill(pid, signal.SIGCONT)
            host.wait_since(mark, f"process {pid}: its loop goes on")
            self.assertIn(pid, host.generation())
            total = self.check_load(load, 100)
            host.check_house()
        self.assertLess(said, 2)
        self.figure = (f"named after {said:.2f} s (stall-warn 0.5 s), 0 of "
                       f"{total['requests']} failed")

    def test_with_stall_kill_it_is_replaced(self):
        with Host(stall_warn="300ms", stall_kill="600ms").take_base() as host, \
                Load(host, "--connections=200") as load:
            pid = host.generation()[0]
            mark = host.mark()
            begun = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            host.wait_since(mark, "(stall-kill)", 10)
            host.wait_since(mark, "ready after", 15)
            took = time.monotonic() - begun
            self.assertNotEqual(state_of(pid), "T")
            self.assertNotIn(pid, host.generation())
            total = load.stop()
            self.assertEqual(total["refused"], 0)
            host.check_house()
        self.figure = f"replaced after {took:.1f} s (stall-kill 0.6 s)"

    def test_a_busy_loop_is_replaced_with_stall_kill(self):
        words = {"in": "read", "how": "loop"}
        with Host((plugin("crash"), "127.0.0.1:0", words), workers=1,
                  stall_warn="300ms", stall_kill="600ms").take_base() as host:
            pid = host.generation()[0]
            mark = host.mark()
            with host.connect() as client:
                client.sendall(b"x")
                said = host.wait_since(mark, "(stall-kill)", 10)
                host.wait_since(mark, "ready after", 15)
            self.assertNotIn(pid, host.generation())
            self.assertRegex(said, "in plugin crash, callback read")
            host.check_house(answers=False)


