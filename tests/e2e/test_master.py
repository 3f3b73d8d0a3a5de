# SPDX-License-Identifier: BSD-2-Clause
"""A master and its workers: what they are, how they end and come back."""

import os
import pwd
import re
import resource
import signal
import subprocess
import tempfile
import unittest

import harness
from harness import (BEVHOST, Server, is_alive, plugin, receive_all,
                     receive_exactly, run, wait_for)

ENV = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:"
       "detect_stack_use_after_return=0"}


def greet(server, index=0):
    """One request of the greeting plugin."""
    with server.connect(index) as connection:
        connection.sendall(b"x")
        return receive_exactly(connection, 12)


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


def descriptors(pid):
    """What each descriptor is, without numbers of sockets, pipes, copies."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0]
            found[int(fd)] = re.sub(r"/bevhost-\d+-\w+/", "/bevhost/", name)
        except FileNotFoundError:
            pass
    return found


class Config:
    """A configuration file in a folder of its own."""

    def __init__(self, text):
        harness.need_config()
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "bevhost.conf")
        self.write(text)

    def write(self, text):
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.folder.cleanup()


class Processes(unittest.TestCase):
    @unittest.skipIf(harness.UNDER, "titles of workers are valgrind's")
    def test_one_worker_unless_told_otherwise(self):
        with Server("greeting", master=True) as server:
            self.assertEqual(list(server.workers().values()),
                             ["bevhost: worker 1 (generation 1)"])
            self.assertEqual(greet(server), b"Hello World!")

    @unittest.skipIf(harness.UNDER, "titles of workers are valgrind's")
    def test_as_many_workers_as_are_wanted(self):
        with Server("greeting", options=("-w", "3"), master=True) as server:
            self.assertEqual(sorted(server.workers().values()),
                             [f"bevhost: worker {i} (generation 1)"
                              for i in (1, 2, 3)])

    def test_auto_is_one_for_each_cpu_and_pinned_to_it(self):
        cpus = os.sched_getaffinity(0)
        with Server("greeting", options=("-w", "auto"),
                    master=True) as server:
            pids = server.wait_workers(len(cpus))
            self.assertEqual(sorted(tuple(os.sched_getaffinity(pid))
                                    for pid in pids),
                             sorted((cpu,) for cpu in cpus))

    def test_auto_without_pins(self):
        with Server("greeting", options=("-w", "auto", "--pin=off"),
                    master=True) as server:
            for pid in server.wait_workers(len(os.sched_getaffinity(0))):
                self.assertEqual(os.sched_getaffinity(pid),
                                 os.sched_getaffinity(0))

    def test_all_workers_are_given_connections(self):
        with Server("greeting", options=("-w", "2"), master=True) as server:
            connections = [server.connect() for _ in range(64)]
            server.wait_workers(2)

            def busy():
                return all(
                    sum(1 for fd in descriptors(pid).values()
                        if fd == "socket") > 4 for pid in server.workers())
            wait_for(busy, "both workers to have connections")
            for connection in connections:
                connection.close()

    def test_a_plugin_is_never_loaded_by_the_master(self):
        with Server("greeting", master=True) as server:
            with open(f"/proc/{server.pid}/maps") as maps:
                self.assertNotIn("greeting", maps.read())

    def test_a_worker_has_only_the_descriptors_that_it_needs(self):
        secret = os.open("/dev/zero", os.O_RDONLY)
        try:
            with Server("greeting", options=("-w", "2"), master=True,
                        pass_fds=(secret,)) as server:
                for pid in server.workers():
                    self.assertNotIn("/dev/zero", descriptors(pid).values())
        finally:
            os.close(secret)

    @unittest.skipIf(harness.UNDER, "valgrind has some of its own")
    def test_no_descriptor_is_left_after_100_reloads(self):
        with Server("greeting", options=("-w", "2", "-v"),
                    master=True) as server:
            self.assertEqual(server.reload()[0], 0)
            server.wait_log("generation 1 has ended")
            master = sorted(descriptors(server.pid).values())
            workers = sorted(sorted(descriptors(pid).values())
                             for pid in server.workers())
            for _ in range(100):
                self.assertEqual(server.reload()[0], 0)
            server.wait_log("generation 101 has ended")
            wait_for(lambda: sorted(descriptors(server.pid).values()) ==
                     master, "the descriptors that there were before")
            self.assertEqual(sorted(sorted(descriptors(pid).values())
                                    for pid in server.workers()), workers)

    def test_a_worker_that_is_asked_for_by_hand_says_no(self):
        status, _, stderr = run("--worker")
        self.assertEqual(status, 64)
        self.assertIn("--worker is for bevhost itself", stderr)


class Deaths(unittest.TestCase):
    def test_a_killed_worker_is_replaced(self):
        with Server("greeting", options=("-w", "2"), master=True) as server:
            pids = server.wait_workers(2)
            os.kill(pids[0], signal.SIGKILL)
            wait_for(lambda: pids[0] not in server.workers() and
                     len(server.workers()) == 2, "another worker")
            self.assertIn(pids[1], server.workers())
            server.wait_log("was killed by SIGKILL: starting another")
            self.assertEqual(greet(server), b"Hello World!")

    def test_clients_that_wait_meanwhile_are_served(self):
        with Server("greeting", master=True) as server:
            pid, = server.wait_workers(1)
            os.kill(pid, signal.SIGSTOP)
            waiting = [server.connect() for _ in range(20)]
            for connection in waiting:
                connection.sendall(b"x")
            os.kill(pid, signal.SIGKILL)
            for connection in waiting:
                self.assertEqual(receive_exactly(connection, 12),
                                 b"Hello World!")
                connection.close()

    @unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
    def test_each_death_in_a_row_is_waited_for_longer(self):
        with Server(plugin("crash"), "in=read", "how=abort", master=True,
                    env=ENV, preexec_fn=no_core) as server:
            for delay in (None, "0.2", "0.4"):
                server.wait_workers(1)
                with server.connect() as connection:
                    connection.sendall(b"x")
                    try:
                        receive_all(connection)
                    except ConnectionResetError:
                        pass
                server.wait_log(f"starting another in {delay} s" if delay
                                else "SIGABRT: starting another")
            self.assertRegex(server.stderr(), r"SIGABRT, the 3\. in a row")

    def test_nobody_waits_for_a_worker_that_is_to_come_later(self):
        with Server("greeting", options=("-w", "2"), master=True) as server:
            stays = server.wait_workers(2)[1]
            for death in range(2, 6):
                for pid in server.wait_workers(2):
                    if pid != stays:
                        os.kill(pid, signal.SIGKILL)
                wait_for(lambda: server.stderr().count("was killed") ==
                         death - 1, "its end")
            # It comes after 1.6 s: until then the other has all.
            served = 0
            while len(server.workers()) == 1:
                self.assertEqual(greet(server), b"Hello World!")
                served += len(server.workers()) == 1
            self.assertGreater(served, 40)
            server.wait_workers(2)
            for _ in range(40):
                self.assertEqual(greet(server), b"Hello World!")
            self.assertEqual(server.reload()[0], 0)
            self.assertEqual(greet(server), b"Hello World!")

    def test_workers_drain_when_the_master_is_killed(self):
        with Server("echo", options=("-w", "2", "--drain-timeout=30s"),
                    master=True) as server:
            pids = server.wait_workers(2)
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 1), b"x")
                os.kill(server.pid, signal.SIGKILL)
                server.process.wait()
                self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: not any(map(is_alive, pids)), "their end")

    def test_a_new_master_can_bind_at_once(self):
        with Server(plugin("serve"), options=("--drain-timeout=20s",),
                    master=True) as server:
            pid, = server.wait_workers(1)
            with server.connect() as connection:
                # Busy: its worker drains for as long as it is allowed.
                connection.sendall(b"low 1\nafter 60000\n")
                os.kill(server.pid, signal.SIGKILL)
                server.process.wait()
                server.wait_log("the master has gone")
                with Server("greeting", master=True,
                            listen=(server.addresses[0],)) as second:
                    self.assertEqual(greet(second), b"Hello World!")
                self.assertTrue(is_alive(pid))
            wait_for(lambda: not is_alive(pid), "its end")

    @unittest.skipIf(harness.UNDER, "slow")
    def test_a_worker_that_hangs_when_its_master_dies_ends_too(self):
        with Server(plugin("crash"), "in=read", "how=loop", "ms=0",
                    options=("--drain-timeout=1s",), master=True) as server:
            pid, = server.wait_workers(1)
            with server.connect() as connection:
                connection.sendall(b"x")
                server.wait_log("looping")
                os.kill(server.pid, signal.SIGKILL)
                server.process.wait()
                wait_for(lambda: not is_alive(pid), "its end")


@unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
class Quarantine(unittest.TestCase):
    TEXT = """
        listen "127.0.0.1:0" {{ handler = "greeting" }}
        listen "127.0.0.1:0" {{
            handler = "{crash}" {group}
            with {{ in = "read" how = "abort" }}
        }}
        """

    def crash(self, server):
        with server.connect(1) as connection:
            connection.sendall(b"x")
            try:
                receive_all(connection)
            except ConnectionResetError:
                pass

    def serve(self, config):
        return Server(options=("-c", config.path), listen=(), master=True,
                      env=ENV, preexec_fn=no_core)

    def test_a_handler_that_goes_on_crashing_is_paused_alone(self):
        with Config(self.TEXT.format(crash=plugin("crash"),
                                     group="")) as config:
            with self.serve(config) as server:
                for i in range(3):
                    wait_for(lambda: len(server.workers()) == 1, "a worker")
                    self.crash(server)
                    server.wait_log(f"{i + 1}. in a row" if i else
                                    "SIGABRT: starting another") if i < 2 \
                        else None
                server.wait_log(f"listener {server.addresses[1]} is paused: "
                                "its plugin")
                self.assertEqual(greet(server), b"Hello World!")
                # A reload tries it again.
                self.assertEqual(server.reload()[0], 0)
                deaths = server.stderr().count("SIGABRT")
                self.crash(server)
                wait_for(lambda: server.stderr().count("SIGABRT") > deaths,
                         "it to crash again")

    def test_a_group_of_its_own_keeps_crashes_to_itself(self):
        with Config(self.TEXT.format(crash=plugin("crash"),
                                     group='group = "wild"')) as config:
            with self.serve(config) as server:
                titles = sorted(server.workers().values())
                self.assertEqual(titles,
                                 ["bevhost: worker 1 (generation 1)",
                                  "bevhost: worker 2 (wild, generation 1)"])
                with server.connect() as connection:
                    for _ in range(2):
                        wait_for(lambda: len(server.workers()) == 2,
                                 "both workers")
                        self.crash(server)
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 12),
                                     b"Hello World!")


class Stalls(unittest.TestCase):
    @unittest.skipIf(harness.UNDER, "valgrind is too slow to say")
    def test_a_loop_that_stands_still_is_named(self):
        with Server(plugin("crash"), "in=read", "how=loop", "ms=2500",
                    options=("--stall-warn=500ms",), master=True) as server:
            with server.connect() as connection:
                peer = "%s:%d" % connection.getsockname()
                connection.sendall(b"x")
                server.wait_log("its loop has stood still for")
                server.wait_log("its loop goes on")
                log = server.stderr()
                self.assertRegex(log, r"worker 1 \(generation 1, pid \d+\).*"
                                 rf"read.*{re.escape(peer)}")
                self.assertEqual(log.count("stood still"), 1)

    @unittest.skipIf(harness.UNDER, "valgrind is too slow to say")
    def test_stall_kill_replaces_it(self):
        with Server(plugin("crash"), "in=read", "how=loop", "ms=0",
                    options=("--stall-warn=300ms", "--stall-kill=700ms"),
                    master=True, env=ENV, preexec_fn=no_core) as server:
            pid, = server.wait_workers(1)
            with server.connect() as connection:
                connection.sendall(b"x")
                wait_for(lambda: not is_alive(pid), "its end")
            server.wait_log("(stall-kill): ending it")
            wait_for(lambda: server.workers() and
                     pid not in server.workers(), "another")
            server.connect().close()

    @unittest.skipIf(harness.UNDER, "valgrind is too slow to say")
    def test_a_replacement_that_hangs_while_it_starts_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            flag = os.path.join(folder, "flag")
            with Server(plugin("crash"), "in=ready", "how=wait",
                        options=("--start-timeout=500ms",), master=True,
                        env={**ENV, "CRASH_WAIT": flag},
                        preexec_fn=no_core) as server:
                pid, = server.wait_workers(1)
                with open(flag, "w"):
                    pass
                os.kill(pid, signal.SIGKILL)
                server.wait_log("was not ready within start-timeout (0.5 s)")
                server.wait_log("callback ready")
                os.unlink(flag)
                server.wait_log("the 2. in a row")
                server.connect().close()

    @unittest.skipIf(harness.UNDER, "valgrind is too slow to say")
    def test_one_that_was_stopped_is_replaced_too(self):
        with Server("greeting", options=("--stall-kill=500ms",),
                    master=True) as server:
            pid, = server.wait_workers(1)
            os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: not is_alive(pid), "its end")
            wait_for(lambda: server.workers() and
                     pid not in server.workers(), "another")
            self.assertEqual(greet(server), b"Hello World!")


class Signals(unittest.TestCase):
    @unittest.skipIf(harness.UNDER, "slow")
    def test_term_while_it_starts(self):
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [BEVHOST, "-p", "0", plugin("crash"), "in=ready", "how=loop",
                 "ms=0"], stderr=log)
            wait_for(lambda: b"looping" in os.pread(log.fileno(), 4096, 0),
                     "the loop")
            workers = list(harness.children(process.pid))
            process.terminate()
            self.assertEqual(process.wait(harness.PATIENCE), 0)
            self.assertFalse(any(map(is_alive, workers)))

    def test_term_drains_and_ends_with_0(self):
        with Server("greeting", options=("-w", "2"), master=True) as server:
            pids = server.wait_workers(2)
            with server.connect() as connection:
                connection.sendall(b"x")
                receive_exactly(connection, 12)
                self.assertEqual(server.stop(), 0)
                self.assertEqual(receive_all(connection), b"")
            self.assertFalse(any(map(is_alive, pids)))

    def test_a_second_one_does_not_wait_for_the_busy(self):
        with Server(plugin("serve"), options=("--drain-timeout=10m",),
                    master=True) as server:
            with server.connect() as connection:
                connection.sendall(b"low 1\nafter 600000\n")
                harness.pause(0.1)
                self.assertEqual(server.stop_now(), 0)

    def test_the_busy_are_cut_at_the_deadline(self):
        with Server(plugin("serve"), options=("--drain-timeout=300ms", "-v"),
                    master=True) as server:
            with server.connect() as connection:
                connection.sendall(b"after 600000\n")
                harness.pause(0.1)
                self.assertEqual(server.stop(), 0)
            self.assertIn(": closed: drain", server.stderr())

    def test_nobody_can_connect_to_a_host_that_drains(self):
        with Server(plugin("serve"), options=("--drain-timeout=10m",),
                    master=True) as server:
            with server.connect() as connection:
                connection.sendall(b"after 600000\n")
                harness.pause(0.1)
                server.kill()

                def refused():
                    try:
                        server.connect().close()
                    except (ConnectionRefusedError, ConnectionResetError):
                        return True
                    return False
                wait_for(refused, "no listener")
                server.stop()

    def test_usr1_reopens_the_log_in_every_process(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            with Server("greeting", options=("-v", f"--log-file={path}"),
                        master=True) as server:
                greet(server)
                os.rename(path, path + ".1")
                server.kill(signal.SIGUSR1)
                wait_for(lambda: os.path.exists(path), "a new log")

                def both():
                    greet(server)
                    with open(path) as file:
                        return "connected" in file.read()
                wait_for(both, "the worker's lines")
                with open(path + ".1") as file:
                    self.assertIn("listening on", file.read())

    def test_signals_that_workers_get_by_accident_do_nothing(self):
        with Server("greeting", master=True) as server:
            pid, = server.wait_workers(1)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                os.kill(pid, number)
            self.assertEqual(greet(server), b"Hello World!")
            self.assertIn(pid, server.workers())


class Files(unittest.TestCase):
    def test_of_two_starts_one_says_who_has_the_pidfile(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            with Server("greeting", options=(f"--pidfile={path}",),
                        master=True) as server:
                with open(path) as file:
                    self.assertEqual(file.read(), f"{server.pid}\n")
                status, _, stderr = run(f"--pidfile={path}", "-p", "0")
                self.assertEqual(status, 69)
                self.assertIn(f"process {server.pid} has the pidfile", stderr)
                self.assertEqual(server.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_a_pidfile_of_the_dead_is_taken_over(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            with Server("greeting", options=(f"--pidfile={path}",),
                        master=True) as server:
                os.kill(server.pid, signal.SIGKILL)
                server.process.wait()
            with Server("greeting", options=(f"--pidfile={path}",),
                        master=True) as server:
                with open(path) as file:
                    self.assertEqual(file.read(), f"{server.pid}\n")

    def test_the_file_of_a_unix_socket_goes_with_the_host(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with Server("greeting", listen=(f"unix:{path}",),
                        options=("-w", "2"), master=True) as server:
                self.assertEqual(greet(server), b"Hello World!")
                self.assertEqual(server.reload()[0], 0)
                self.assertEqual(greet(server), b"Hello World!")
                self.assertEqual(server.stop(), 0)
            self.assertFalse(os.path.exists(path))


@unittest.skipUnless(os.geteuid() == 0, "only root can become others")
class Privileges(unittest.TestCase):
    def test_workers_run_as_the_user_with_his_groups_and_nothing_else(self):
        nobody = pwd.getpwnam("nobody")
        with Server("greeting", options=("-u", "nobody"),
                    master=True) as server:
            pid, = server.wait_workers(1)
            status = status_of(pid)
            self.assertEqual(status["Uid"].split(), [str(nobody.pw_uid)] * 4)
            self.assertEqual(status["Gid"].split(), [str(nobody.pw_gid)] * 4)
            self.assertEqual(
                sorted(map(int, status["Groups"].split())),
                sorted(os.getgrouplist("nobody", nobody.pw_gid)))
            self.assertEqual(status["NoNewPrivs"], "1")
            for name in "CapInh", "CapPrm", "CapEff", "CapAmb":
                self.assertEqual(int(status[name], 16), 0, name)
            self.assertEqual(greet(server), b"Hello World!")

    def test_copies_of_plugins_go_with_their_worker(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o1777)
            with Server("greeting", options=("-u", "nobody"), master=True,
                        env={"TMPDIR": folder}) as server:
                self.assertEqual(len(os.listdir(folder)), 1)
                self.assertEqual(server.reload()[0], 0)
                wait_for(lambda: len(os.listdir(folder)) == 1, "one copy")
                self.assertEqual(server.stop(), 0)
            self.assertEqual(os.listdir(folder), [])

    def test_the_master_keeps_only_what_it_needs(self):
        with Server("greeting", options=("-u", "nobody"),
                    master=True) as server:
            caps = int(status_of(server.pid)["CapEff"], 16)
            self.assertEqual(caps & (1 << 21), 0, "CAP_SYS_ADMIN")
            self.assertEqual(server.reload()[0], 0)
            os.kill(server.wait_workers(1)[0], signal.SIGKILL)
            server.wait_log("starting another")
            server.wait_workers(1)
            self.assertEqual(greet(server), b"Hello World!")

    def test_a_user_that_is_not_there(self):
        status, _, stderr = run("-p", "0", "-u", "no-such-user")
        self.assertEqual(status, 67)
        self.assertIn("no user 'no-such-user'", stderr)


class Alone(unittest.TestCase):
    """--no-master does by itself what a master does for workers."""

    def test_log_file_and_pidfile(self):
        with tempfile.TemporaryDirectory() as folder:
            log, pidfile = f"{folder}/log", f"{folder}/pid"
            with Server("greeting", options=(
                    "-v", f"--log-file={log}", f"--pidfile={pidfile}")
                    ) as server:
                greet(server)
                with open(pidfile) as file:
                    self.assertEqual(file.read(), f"{server.pid}\n")
                os.rename(log, log + ".1")
                server.kill(signal.SIGUSR1)
                wait_for(lambda: os.path.exists(log), "a new log")
                self.assertEqual(server.stop(), 0)
            self.assertEqual(sorted(os.listdir(folder)), ["log", "log.1"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become others")
    def test_user(self):
        with Server("greeting", options=("-u", "nobody")) as server:
            status = status_of(server.pid)
            self.assertEqual(status["Uid"].split(),
                             [str(pwd.getpwnam("nobody").pw_uid)] * 4)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(greet(server), b"Hello World!")


class Unprivileged(unittest.TestCase):
    def test_only_root_can_run_workers_as_others(self):
        harness.need_nobody()
        status, _, stderr = run("-p", "0", "-u", "root", **harness.NOBODY)
        self.assertEqual(status, 77)
        self.assertIn("only root", stderr)


if __name__ == "__main__":
    harness.main()
