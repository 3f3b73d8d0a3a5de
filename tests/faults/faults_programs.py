# SPDX-License-Identifier: BSD-2-Clause
"""Programs that exec runs, and those that run them, under load."""

import os
import random
import signal
import socket
import struct
import time

from host import (FaultTest, Host, alive, children, descriptors, median, read,
                  receive_all, receive_exactly, state_of, wait_for)

FORKS = 60  # what the user of a bomb may have
BOMBER = 48_124  # a user that has nothing else here


def launchers(host):
    return [pid for worker in host.workers() for pid in children(worker)
            if read(f"/proc/{pid}/comm").strip() == "bevhost-exec"]


def below(pid):
    """All below a process, and zombies too."""
    found = []
    for child in read(f"/proc/{pid}/task/{pid}/children").split():
        found += [int(child), *below(int(child))]
    return found


def programs(host):
    return [pid for launcher in launchers(host) for pid in below(launcher)]


def wait_no_programs(host):
    wait_for(lambda: not programs(host), "the end of all programs", 30)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def echoes(connection, word=b"hello"):
    connection.sendall(word)
    return receive_exactly(connection, len(word)) == word


def cat(**words):
    return ("exec", "127.0.0.1:0", {"program": "cat", **words})


class Programs(FaultTest):

    def test_300_clients_that_reset_leave_nothing(self):
        chance = random.Random(7)
        with Host(cat(), workers=1).take_base() as host:
            worker = host.generation()[0]
            before = descriptors(worker)
            open_ones = []
            for _ in range(300):
                open_ones.append(host.connect())
                if chance.random() < 0.5:
                    self.assertTrue(echoes(open_ones[-1]))
                if len(open_ones) > 30:
                    reset(open_ones.pop(chance.randrange(30)))
            most = len(programs(host))
            for connection in open_ones:
                reset(connection)
            wait_no_programs(host)
            wait_for(lambda: descriptors(worker) == before,
                     "the descriptors of before")
            host.check_house()
        self.figure = f"300 clients, {most} programs at a time, none is left"

    def test_workers_that_are_killed_take_their_programs_along(self):
        seconds = []
        with Host(cat(), workers=2).take_base() as host:
            for _ in range(4):
                connections = [host.connect() for _ in range(20)]
                for connection in connections:
                    self.assertTrue(echoes(connection))
                running = programs(host)
                self.assertGreaterEqual(len(running), 20)
                begun = time.monotonic()
                for pid in host.generation():
                    os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not any(map(alive, running)),
                         "the end of their programs")
                seconds.append(time.monotonic() - begun)
                for connection in connections:
                    connection.close()
                host.settle()
                host.reload()
                host.settle()
            wait_no_programs(host)
            host.check_house()
        self.figure = (f"80 programs ended within {max(seconds) * 1000:.0f} "
                       f"ms, median {median(seconds) * 1000:.0f} ms")

    def test_launchers_that_stand_still_hold_up_nobody_else(self):
        with Host(cat(), ("echo", "127.0.0.1:0", {}),
                  workers=1).take_base() as host:
            stopped = launchers(host)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            for pid in stopped:
                wait_for(lambda pid=pid: state_of(pid) == "T", "a stop")
            connections = [host.connect() for _ in range(400)]
            for connection in connections:
                connection.sendall(b"late")
            # Some of those go before their program has been there.
            for connection in connections[::10]:
                reset(connection)
            begun = time.monotonic()
            for _ in range(50):
                with host.connect(1) as other:
                    self.assertTrue(echoes(other))
            took = time.monotonic() - begun
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            for number, connection in enumerate(connections):
                if number % 10 == 0:
                    continue
                self.assertEqual(receive_exactly(connection, 4), b"late")
                connection.close()
            wait_no_programs(host)
            host.check_house()
        self.figure = (f"50 echoes in {took * 1000:.0f} ms beside 400 "
                       "programs that could not start")


class Bombs(FaultTest):

    def test_fork_bombs_are_limited_and_end_with_their_clients(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run programs as another user")
        bomb = ("exec", "127.0.0.1:0", {
            "program": "echo ready; bomb() { bomb & bomb & exec sleep 1000; }; "
                       "bomb",
            "shell": "on", "user": str(BOMBER), "stderr": "none",
            "max-processes": str(FORKS), "kill-timeout": "200ms"})
        with Host(bomb, ("echo", "127.0.0.1:0", {}),
                  workers=1).take_base() as host:
            connections = [host.connect() for _ in range(3)]
            for connection in connections:
                self.assertEqual(receive_exactly(connection, 6), b"ready\n")
            most = 0
            begun = time.monotonic()
            while time.monotonic() - begun < 2:
                most = max(most, len(programs(host)))
                with host.connect(1) as other:
                    self.assertTrue(echoes(other))
            self.assertLessEqual(most, FORKS)
            self.assertGreater(most, FORKS / 2)
            for connection in connections:
                reset(connection)
            wait_no_programs(host)
            with host.connect(1) as other:
                self.assertTrue(echoes(other))
            # And again, by programs that end with their worker.
            with host.connect() as connection:
                self.assertEqual(receive_exactly(connection, 6), b"ready\n")
                running = programs(host)
                os.kill(host.generation()[0], signal.SIGKILL)
                self.assertEqual(receive_all(connection), b"")
                wait_for(lambda: not any(map(alive, running)),
                         "the end of what was there")
        self.figure = f"at most {most} processes"
