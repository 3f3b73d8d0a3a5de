# SPDX-License-Identifier: BSD-2-Clause
"""Reloads that are tried with a part of the new connections."""

import collections
import re
import socket
import threading
import time

from host import (FaultTest, Host, plugin, receive_all, settings, wait_for)


class Clients(threading.Thread):
    """One connection after another. Whose answer was it?"""

    def __init__(self, host):
        super().__init__()
        self.host = host
        self.answers = collections.Counter()
        self.without = []  # the addresses of those that got none
        self.ended = threading.Event()

    def ask(self):
        with self.host.connect(timeout=20) as client:
            name = "%s:%d" % client.getsockname()
            try:
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                answer = receive_all(client)
            except OSError:
                answer = b""
        if answer not in (b"v1: x", b"v2: x"):
            answer = b""
        self.answers[answer] += 1
        if not answer:
            self.without.append(name)

    def run(self):
        while not self.ended.is_set():
            self.ask()
            time.sleep(0.004)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.ended.set()
        self.join()


class Canaries(FaultTest):

    CANARY = '"20%, 2s, 5%"'

    def host(self):
        return Host((plugin("answer_v1"), "127.0.0.1:0", {})).take_base()

    def reload_to(self, host, name, **words):
        host.write(settings((plugin(name), "127.0.0.1:0", words), workers=2,
                            reload_canary=self.CANARY))
        return host.ask_reload(30)

    def test_a_good_one_is_promoted(self):
        with self.host() as host, Clients(host) as clients:
            status, said = self.reload_to(host, "answer_v2")
            self.assertEqual(status, 0, said)
            share = clients.answers[b"v2: x"] / sum(clients.answers.values())
            host.settle()
            before = clients.answers[b"v1: x"]
            wait_for(lambda: clients.answers[b"v2: x"] > 300, "v2")
            clients.ended.set()
            clients.join()
            self.assertLessEqual(clients.answers[b"v1: x"], before + 1)
            self.assertEqual(set(clients.answers), {b"v1: x", b"v2: x"})
            host.check_house()
        self.assertGreater(share, 0.1)
        self.assertLess(share, 0.3)
        self.figure = (f"{share * 100:.0f} % while it was tried (20 %), 0 of "
                       f"{sum(clients.answers.values())} failed")

    def taken_back(self, name, why, **words):
        """Only what was given to the canary may have gone without answer."""
        with self.host() as host, Clients(host) as clients:
            good = host.generation()
            wait_for(lambda: clients.answers[b"v1: x"] > 50, "v1")
            mark = host.mark()
            status, said = self.reload_to(host, name, **words)
            self.assertNotEqual(status, 0)
            self.assertRegex(said, why)
            host.settle()
            self.assertEqual(host.generation(), good)
            after = clients.answers[b"v1: x"]
            wait_for(lambda: clients.answers[b"v1: x"] > after + 50, "v1")
            clients.ended.set()
            clients.join()
            log = host.log_since(mark)
            # The old generation says of each that it has served whom.
            old = set(re.findall(r"answer: (\S+): closed", log))
            self.assertGreater(len(old), 50)
            self.assertEqual(old & set(clients.without), set())
            self.assertEqual(set(clients.answers), {b"v1: x", b""})
            self.assertGreater(clients.answers[b""], 0)
            host.check_house()
        self.figure = (f"{clients.answers[b'']} given to it failed, 0 of "
                       f"{clients.answers[b'v1: x']} of the old generation")

    def test_one_that_crashes_is_taken_back(self):
        self.taken_back("crash", "SIGSEGV", **{"in": "read"})

    def test_one_that_errs_is_taken_back(self):
        self.taken_back("lifecycle", r"the canary is taken back: \d+ of its",
                        log="/dev/null", fail="open")
