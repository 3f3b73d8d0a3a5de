# SPDX-License-Identifier: BSD-2-Clause
"""Plugins that crash."""

import socket
import time

from host import (FaultTest, Host, Load, plugin, receive_all,
                  receive_exactly, settings)


def provoke(host, index):
    """A connection that comes to every callback. Its end may be a reset."""
    try:
        with host.connect(index, timeout=5) as client:
            receive_exactly(client, len(b"hellotimer"))
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
    except OSError:
        pass


class Crashes(FaultTest):

    CONN = ["admit", "open", "timer", "read", "write", "event", "close"]
    START = ["config", "ready", "self_test", "start"]

    def beside(self, **words):
        return Host(("echo", "127.0.0.1:0", {}),
                    (plugin("crash"), "127.0.0.1:0", words))

    def test_each_callback_in_turn_takes_one_worker_down(self):
        seconds = []
        for callback in self.CONN:
            with self.subTest(callback), \
                    self.beside(**{"in": callback}).take_base() as host, \
                    Load(host, "--rate=200") as load:
                mark = host.mark()
                begun = time.monotonic()
                provoke(host, 1)
                said = host.wait_since(mark, "ready after")
                seconds.append(time.monotonic() - begun)
                self.assertIn(f"in plugin crash, callback {callback}", said)
                self.assertEqual(said.count("was killed by SIGSEGV"), 1)
                total = load.stop()
                self.assertEqual(total["refused"] + total["wrong"]
                                 + total["late"], 0, load.failures)
                # Its own connections: there are few at a time.
                self.assertLessEqual(total["failed"], 3, load.failures)
                host.check_house()
        self.figure = (f"{len(self.CONN)} callbacks, each named, crash to "
                       f"READY at most {max(seconds) * 1000:.0f} ms")

    def test_each_callback_of_a_start_refuses_the_reload(self):
        with Host().take_base() as host, Load(host) as load:
            good = host.generation()
            text = settings(("echo", "127.0.0.1:0", {}), workers=2)
            for callback in self.START:
                with self.subTest(callback):
                    host.write(text + (
                        f'listen "127.0.0.1:0" {{ handler = '
                        f'"{plugin("crash")}"; with {{ in = {callback}; '
                        'how = segv } }\n'))
                    status, said = host.ask_reload()
                    self.assertNotEqual(status, 0)
                    self.assertIn("SIGSEGV", said)
                    self.assertIn(f"callback {callback}", host.stderr())
                    host.settle()
                    self.assertEqual(host.generation(), good)
                load.run_for(0.2)
            total = self.check_load(load, 100)
            host.check_house()
        self.figure = (f"{len(self.START)} callbacks, 0 of "
                       f"{total['requests']} failed")

    def test_crashes_at_the_end_are_named_and_lose_no_request(self):
        for callback in ("drain", "stop", "destroy"):
            with self.subTest(callback), \
                    self.beside(**{"in": callback}) as host, \
                    Load(host) as load:
                client = host.connect(1)
                client.recv(5)
                mark = host.mark()
                # A worker that crashes now was to end anyway.
                host.reload()
                # One that has said nothing has a moment for it, and is asked
                # then.
                if callback != "drain":
                    client.close()
                said = host.wait_since(mark, f"callback {callback}")
                self.assertIn("in plugin crash", said)
                client.close()
                host.settle()
                total = load.stop()
                self.assertEqual(total["refused"], 0)
                self.assertLessEqual(total["failed"], 3, load.failures)
                host.check_house()

    def test_a_crash_loop_beside_a_healthy_handler_is_quarantined(self):
        with self.beside(**{"in": "read"}).take_base() as host, \
                Load(host, "--connections=200") as load:
            mark = host.mark()
            for _ in range(3):
                here = host.mark()
                provoke(host, 1)
                host.wait_since(here, "was killed by SIGSEGV")
            said = host.wait_since(mark, "is paused", 5)
            self.assertRegex(said, r"listener 127\.0\.0\.1:\d+ is paused: its "
                                   r"plugin \S*crash")
            host.settle()
            load.window()
            time.sleep(2)
            window = load.window()
            self.assertEqual(window["failed"], 0)
            self.assertGreater(window["requests"], 400)
            total = load.stop()
            self.assertEqual(total["refused"] + total["late"], 0)
            deaths = host.log_since(mark).count("was killed by")
            self.assertEqual(deaths, 3)
            host.check_house()
            # A reload tries it again.
            mark = host.mark()
            host.reload()
            provoke(host, 1)
            host.wait_since(mark, "killed by SIGSEGV")
            host.check_house()
        self.figure = (f"paused after {deaths} workers; then 0 of "
                       f"{window['requests']} of the healthy one failed")
