# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of the targets of a proxy, and of the proxy, while it relays."""

import os
import select
import signal
import socket
import threading
import time

from host import FaultTest, Host, Load, rss_bytes, wait_for
from harness import Server
from peers import MIB, connect, pattern


def echo(address="127.0.0.1:0"):
    return Server("echo", listen=(address,), options=["--drain-timeout=10s"])


def proxy(targets, **words):
    to = ",".join(target.addresses[0] for target in targets)
    return ("proxy", "127.0.0.1:0", {"to": to, "rest": "50ms",
                                     "rest-max": "100ms", **words})


class Targets(FaultTest):

    def test_one_that_stops_and_comes_back_costs_nothing(self):
        with echo() as stays, echo() as goes:
            address = goes.addresses[0]
            with Host(proxy([stays, goes])) as host, \
                 Load(host, "--connections=50", "--rate=500") as load:
                load.run_for(1)
                for _ in range(3):
                    # It answers who is there, and refuses the next one.
                    mark = host.mark()
                    goes.kill(signal.SIGTERM)
                    goes.process.wait(60)
                    host.wait_since(mark, f"{address}: Connection refused")
                    load.run_for(0.5)
                    mark = host.mark()
                    goes = echo(address)
                    try:
                        host.wait_since(mark, f"{address}: works again")
                        load.run_for(0.5)
                    except BaseException:
                        goes.__exit__()
                        raise
                total = self.check_load(load, 1000)
            goes.__exit__()
        self.figure = f"{total['requests']} requests, none failed"

    def test_one_that_is_killed_costs_what_it_held(self):
        with echo() as stays, echo() as goes:
            with Host(proxy([stays, goes])) as host, \
                 Load(host, "--connections=20", "--rate=400") as load:
                load.run_for(1)
                os.kill(goes.pid, signal.SIGKILL)
                goes.process.wait(60)
                host.wait_since(0, "Connection refused: rests")
                lost = len(load.failures)
                load.run_for(2)
                failures = list(load.failures)
                total = load.stop()
            self.assertLessEqual(total["failed"], 20, failures[:5])
            self.assertGreater(total["requests"], 500)
            self.figure = (f"{total['failed']} of {total['requests']} "
                           f"requests were lost, {lost} of them at once")

    def test_all_of_them_are_gone_for_a_while(self):
        with echo() as target:
            address = target.addresses[0]
            with Host(proxy([target])) as host:
                target.kill(signal.SIGTERM)
                target.process.wait(60)
                for _ in range(200):
                    client = connect(host.addresses[0])
                    client.settimeout(60)
                    try:
                        self.assertEqual(client.recv(1), b"")
                    except ConnectionError:
                        pass
                    client.close()
                with echo(address):
                    def answers():
                        with connect(host.addresses[0]) as client:
                            try:
                                client.sendall(b"x")
                                return client.recv(1) == b"x"
                            except ConnectionError:
                                return False
                    wait_for(answers, "an answer")
                # One line for each rest, and no flood of them.
                lines = host.stderr().count("rests for")
                self.assertLess(lines, 100)
        self.figure = f"{lines} lines in the log for 200 clients"


class Memory(FaultTest):

    def test_a_target_that_takes_nothing_and_400_that_send(self):
        cap = 32 * MIB
        with socket.create_server(("127.0.0.1", 0), backlog=512) as stuck, \
                echo() as target:
            to = "%s:%d" % stuck.getsockname()
            with Host(("proxy", "127.0.0.1:0", {"to": to}), proxy([target]),
                      workers=1, max_memory="32m") as host, \
                 Load(host, "--connections=20", "--rate=500", index=1) as load:
                load.run_for(1)
                worker, = host.workers()
                base = rss_bytes(worker)
                clients = [connect(host.addresses[0], 4096)
                           for _ in range(400)]
                poll = select.poll()
                for client in clients:
                    client.setblocking(False)
                    poll.register(client, select.POLLOUT)
                by_fd = {client.fileno(): client for client in clients}
                data = bytes(256 * 1024)
                peak = lost = 0
                end = time.monotonic() + 5
                while time.monotonic() < end:
                    for fd, _ in poll.poll(20):
                        try:
                            by_fd[fd].send(data)
                        except BlockingIOError:
                            pass
                        except OSError:
                            poll.unregister(fd)
                            lost += 1
                    peak = max(peak, rss_bytes(worker) - base)
                window = load.run_for(1)
                for client in clients:
                    client.close()
                host.wait_since(0, "of max-memory")
                host.wait_since(0, "closed: overload")
                self.check_load(load, 1000)
        # Some clients are enough: the others go on waiting.
        self.assertGreater(lost, 0)
        self.assertLess(lost, 400)
        self.assertLess(peak, cap + 8 * MIB)
        self.figure = (f"{peak / MIB:.0f} MiB at most of {cap // MIB}, {lost} "
                       f"of 400 closed, p99 of others {window['p99_ms']} ms")


class Relays(FaultTest):

    def test_a_reload_cuts_none_that_moves(self):
        data = pattern(8 * MIB)
        with echo() as target:
            with Host(proxy([target], **{"drain-idle": "2s"}),
                      reload_drain_timeout="60s") as host:
                client = connect(host.addresses[0])

                def send():
                    for begin in range(0, len(data), MIB):
                        client.sendall(data[begin:begin + MIB])
                        time.sleep(0.2)
                    client.shutdown(socket.SHUT_WR)

                sender = threading.Thread(target=send)
                sender.start()
                got = bytearray(client.recv(1))
                host.reload()
                host.reload()
                while piece := client.recv(MIB):
                    got += piece
                sender.join()
                client.close()
                self.assertEqual(len(got), len(data))
                self.assertTrue(got == data)
        self.figure = "8 MiB over two reloads"

    def test_a_killed_worker_resets_both_ends_and_no_other(self):
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            listener.settimeout(60)
            host_port = "%s:%d" % listener.getsockname()
            with Host(("proxy", "127.0.0.1:0", {"to": host_port}),
                      workers=2) as host:
                pairs = []
                for _ in range(30):
                    client = connect(host.addresses[0])
                    remote, _ = listener.accept()
                    remote.settimeout(60)
                    pairs.append((client, remote))
                host.kill_worker(next(iter(host.workers())))
                lost = 0
                for client, remote in pairs:
                    try:
                        client.sendall(b"x")
                        if remote.recv(1) == b"x":
                            continue
                    except ConnectionError:
                        pass
                    lost += 1
                    try:
                        self.assertEqual(client.recv(1), b"")
                    except ConnectionError:
                        pass
                # Both workers had some.
                self.assertGreater(lost, 0)
                self.assertLess(lost, 30)
                for pair in pairs:
                    for end in pair:
                        end.close()
        self.figure = f"{lost} of 30 relays"
