# SPDX-License-Identifier: BSD-2-Clause
"""Reloads, good and bad."""

import signal
import socket
import time

from host import (FaultTest, Host, Load, descriptors, kill_all,
                  median, plugin, receive_all, settings, state_of, wait_for)


class Reloads(FaultTest):

    def test_50_hups_lose_no_request(self):
        with Host().take_base() as host, Load(host) as load, \
                Load(host, "--keepalive", "--rate=200") as kept:
            load.window()
            for _ in range(40):
                host.hang_up()
                time.sleep(0.1)
            for _ in range(10):
                host.hang_up()
            total = self.check_load(load, 1000)
            others = self.check_load(kept, 500)
            host.check_house()
        self.figure = (f"0 of {total['requests']} and 0 of "
                       f"{others['requests']} kept failed "
                       f"({others['again']} again)")

    def test_p99_during_a_reload_is_at_most_twice_that_before(self):
        # Seconds with a reload in each, against seconds without. A reload is
        # over after some milliseconds: how the few requests fare that meet
        # one is told beside it. There the machine's own delays show, more than
        # its workers', so nothing is asked of it.
        with Host().take_base() as host, Load(host, "--rate=500") as load:
            before = [load.run_for(1)["p99_ms"] for _ in range(5)]
            windows = []
            for _ in range(10):
                load.window()
                mark = host.mark()
                load.happens()
                host.kill(signal.SIGHUP)
                host.wait_since(mark, "has ended")
                load.happens()
                time.sleep(0.9)
                windows.append(load.window())
            self.check_load(load, 1000)
            host.check_house()
        during = median([window["p99_ms"] for window in windows])
        met = [window["during_p99_ms"] for window in windows
               if window.get("during")]
        before = median(before)
        self.figure = (f"p99 {before:.2f} ms, {during:.2f} ms "
                       f"({during / before:.2f} times) in seconds with a "
                       f"reload; of requests that met one "
                       f"{median(met) if met else 0:.2f} ms")
        self.assertLessEqual(during, 2 * before, self.figure)

    def test_100_reloads_leave_no_descriptor(self):
        with Host().take_base() as host:
            master = descriptors(host.pid)
            worker = descriptors(host.generation()[0])
            for _ in range(100):
                host.reload()
            host.check_house()
            wait_for(lambda: descriptors(host.pid) == master,
                     f"{master}, there are {descriptors(host.pid)}")
            for pid in host.generation():
                wait_for(lambda: descriptors(pid) == worker,
                         f"{worker}, there are {descriptors(pid)}")
        self.figure = (f"master {sum(master.values())}, worker "
                       f"{sum(worker.values())} descriptors before and after")

    def test_4_workers_to_1_reset_no_queued_client(self):
        with Host(workers=4).take_base() as host:
            stopped = host.generation()
            kill_all(stopped, signal.SIGSTOP)
            wait_for(lambda: all(state_of(pid) == "T" for pid in stopped),
                     "stopped workers")
            queued = [host.connect() for _ in range(200)]
            for number, client in enumerate(queued):
                client.sendall(b"%d" % number)
                client.shutdown(socket.SHUT_WR)
            host.write(settings(("echo", "127.0.0.1:0", {}), workers=1))
            host.reload()
            kill_all(stopped, signal.SIGCONT)
            for number, client in enumerate(queued):
                with client:
                    self.assertEqual(receive_all(client), b"%d" % number)
            host.workers_due = 1
            # Three workers less; the sockets stay, someone may be queued.
            host.base = (host.base[0] - 3, host.base[1])
            host.check_house()
            for _ in range(100):
                host.check_answer()
        self.figure = "200 of 200 queued clients answered"


class BrokenReloads(FaultTest):
    """Ten kinds. None touches what serves."""

    ECHO = ("echo", "127.0.0.1:0", {})

    def kinds(self, host, taken):
        """(name, configuration, words of the answer)"""
        def other(name, **words):
            return settings(self.ECHO, (plugin(name), "127.0.0.1:0", words),
                            workers=2, start_timeout="1s")

        yield "syntax", settings(self.ECHO) + 'listen "\n', ["conf:2", "never closed"]
        yield "missing plugin", settings(
            self.ECHO, ("nowhere", "127.0.0.1:0", {})), ["nowhere", "conf:2"]
        yield "ABI", other("refused_api"), ["refused", "conf:4"]
        yield "bad parameter", settings(
            ("greeting", "127.0.0.1:0", {"txt": "x"})), ["txt", "conf:1"]
        log = host.path("calls")
        yield "ready says no", other("lifecycle", log=log, fail="ready"), [
            "told to fail in ready"]
        yield "self_test says no", other(
            "lifecycle", log=log, fail="self_test"), [
                "told to fail in self_test"]
        yield "crash", other("crash", **{"in": "start", "how": "abort"}), [
            "SIGABRT", "before it was ready"]
        yield "port in use", settings(self.ECHO, ("echo", taken, {})), [
            taken, "in use", "conf:2"]
        yield "start-timeout", other("crash", **{
            "in": "ready", "how": "loop"}), ["start-timeout", "1 s"]
        yield "missing include", settings(self.ECHO) + (
            f'include("{host.path("gone")}")\n'), ["gone", "conf:2"]
        yield "unknown option", settings(self.ECHO, wrkers=2), [
            "wrkers", "conf:1"]

    def test_broken_reloads_of_10_kinds(self):
        with Host().take_base() as host, Load(host) as load, \
                socket.create_server(("127.0.0.1", 0)) as other:
            good = host.generation()
            taken = "127.0.0.1:%d" % other.getsockname()[1]
            count = 0
            for name, text, words in self.kinds(host, taken):
                count += 1
                with self.subTest(name):
                    host.write(text)
                    status, said = host.ask_reload()
                    self.assertNotEqual(status, 0, said)
                    for word in words:
                        self.assertIn(word, said)
                    self.assertIn("serves on", host.stderr())
                    host.settle()
                    self.assertEqual(host.generation(), good)
            total = self.check_load(load, 100)
            host.check_house()
            host.write(settings(self.ECHO, workers=2))
            host.reload()
            host.check_house()
        self.figure = (f"{count} kinds refused, 0 of {total['requests']} "
                       "failed")


class Starts(FaultTest):

    def test_start_to_ready_with_greeting_under_50_ms(self):
        times, said = [], []
        for _ in range(20):
            begun = time.monotonic()
            with Host(("greeting", "127.0.0.1:0", {}), workers=1) as host:
                times.append((time.monotonic() - begun) * 1000)
                log = host.wait_log("ready after")
                said.append(int(log.split("ready after ")[1].split()[0]))
                if len(times) == 20:
                    host.check_house()
        self.assertLess(median(times), 50, times)
        self.assertLess(median(said), 50, said)
        self.figure = (f"{median(times):.1f} ms from exec to --ready-fd, "
                       f"{median(said):.0f} ms of the worker, median of 20")



