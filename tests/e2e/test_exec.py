# SPDX-License-Identifier: BSD-2-Clause
"""The exec plugin: programs on sockets, behind TLS, their life and their
limits, and real ones."""

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import unittest

import harness
from harness import (Server, is_alive, receive_all, run,
                     wait_for)
from test_tls import Case as TlsCase

MIB = 1 << 20


def serve(program, *words, **options):
    """A server that runs a program, each further word an argument unless it
    is a parameter's KEY=VALUE."""
    options.setdefault("options", ("-v",))
    return Server("exec", program, *words, **options)


def shell(script, *words, **options):
    return serve("program=" + script, "shell=on", *words, **options)


def python(code, *words, **options):
    return serve(sys.executable, "arg=-c", "arg=" + code, *words, **options)


def ask(server, data=b"", index=0):
    """All that comes after data and its end."""
    with server.connect(index) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return receive_all(connection)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(1)
        assert chunk, line
        line += chunk
    return line[:-1].decode()


def read_word(path, at):
    """A word behind the name in a file of /proc, or None."""
    try:
        with open(path) as file:
            return file.read().rsplit(")", 1)[-1].split()[at]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None


def children(pid):
    """Process ids, of zombies too."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid):
    """{process id: state} of all below a process, zombies too."""
    found = {}
    for child in children(pid):
        found[child] = read_word(f"/proc/{child}/stat", 0)
        found.update(descendants(child))
    return found


def launchers(server):
    """Those of a worker that is alone, or of the workers of a master."""
    return [pid for worker in [server.pid, *children(server.pid)]
            for pid in children(worker)
            if read_word(f"/proc/{worker}/comm", 0) != "bevhost-exec" and
            read_word(f"/proc/{pid}/comm", 0) == "bevhost-exec"]


def programs(server):
    """What runs below the launchers, and what waits to be waited for."""
    found = {}
    for pid in launchers(server):
        found.update(descendants(pid))
    return found


def need(*names):
    for name in names:
        if not shutil.which(name):
            raise unittest.SkipTest(f"there is no program {name}")


class Socket(unittest.TestCase):
    """A program has the socket of a plain connection itself."""

    def test_every_byte_both_ways_and_both_ends(self):
        data = random.Random(1).randbytes(3 * MIB)
        with serve("cat") as server, server.connect() as connection:
            child = os.fork()
            if child == 0:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                os._exit(0)
            self.assertEqual(receive_all(connection), data)
            os.waitpid(child, 0)

    def test_an_answer_after_the_end_of_the_input(self):
        with serve("wc", "arg=-c") as server:
            self.assertEqual(ask(server, b"x" * 100_000).split(), [b"100000"])

    def test_what_a_program_finds(self):
        code = ("import os, signal, stat; s = os.fstat(0)\n"
                "print(stat.S_ISSOCK(s.st_mode), "
                "s.st_ino == os.fstat(1).st_ino, os.get_blocking(0), "
                "os.getsid(0) == os.getpid() == os.getpgrp(),"
                "signal.pthread_sigmask(signal.SIG_BLOCK, []), "
                "sorted(int(f) for f in os.listdir('/proc/self/fd') "
                "if os.path.exists('/proc/self/fd/' + f)), "
                "[s for s in range(1, 32) if s not in (9, 13, 19) and "
                "signal.getsignal(s) == signal.SIG_IGN and s != 25])")
        with python(code, options=("-v", "--sandbox=on")) as server:
            self.assertEqual(ask(server).decode().strip(),
                             "True True True True set() [0, 1, 2] []")

    def test_its_input_is_what_follows_a_proxy_header(self):
        with shell("head -n 1; echo $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP "
                   "$TCPLOCALPORT",
                   options=("-v", "--proxy=required",
                            "--proxy-from=127.0.0.1")) as server:
            self.assertEqual(
                ask(server, b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 5678\r\n"
                    b"hello\n"), b"hello\n192.0.2.1 1234 192.0.2.2 5678\n")

    def test_on_a_unix_socket(self):
        # Where idle-timeout is to see the bytes, they are relayed.
        for timeout, relayed in ("0s", False), ("10m", True):
            folder = tempfile.mkdtemp(prefix="bevhost-exec-")
            self.addCleanup(shutil.rmtree, folder)
            path = os.path.join(folder, "socket")
            with shell("cat; echo $PROTO $UNIXREMOTEPID $UNIXLOCALPATH "
                       "${TCPREMOTEIP-none}", listen=[f"unix:{path}"],
                       options=("-v", f"--idle-timeout={timeout}")) as server:
                self.assertEqual(
                    ask(server, b"hello\n").decode(),
                    f"hello\nUNIX {os.getpid()} {path} none\n", relayed)

    def test_what_is_recorded_is_relayed(self):
        folder = tempfile.mkdtemp(prefix="bevhost-exec-")
        self.addCleanup(shutil.rmtree, folder)
        with serve("cat", options=("-v", f"--record={folder}")) as server:
            self.assertEqual(ask(server, b"hello\n"), b"hello\n")
            server.wait_log("closed: peer")
            name, = wait_for(lambda: os.listdir(folder), "a recording")
            with open(os.path.join(folder, name)) as file:
                self.assertRegex(file.read(), "(?s)> hello\n.*< hello\n")

    def test_many_at_once(self):
        with serve("cat") as server:
            connections = [server.connect() for _ in range(60)]
            for number, connection in enumerate(connections):
                connection.sendall(b"%d\n" % number)
            for number, connection in enumerate(connections):
                self.assertEqual(read_line(connection), str(number))
                connection.close()
            wait_for(lambda: not programs(server), "the end of all programs")


    def test_too_many_for_its_descriptors(self):
        need("prlimit")
        with serve("cat", before=["prlimit", "--nofile=40:40"]) as server:
            held = [server.connect() for _ in range(20)]
            server.wait_log("no program: Too many open files\n")
            for connection in held:
                connection.close()
            server.wait_log(" closed: overload\n")
            wait_for(lambda: not programs(server), "the end of all programs")
            self.assertEqual(ask(server, b"x"), b"x")


class Words(unittest.TestCase):
    def test_arguments_are_a_list(self):
        words = ["$HOME", "a b", "; echo no", "", "*", "--flag=value"]
        with serve("printf", "arg=[%s]\\n",
                   *("arg=" + word for word in words)) as server:
            self.assertEqual(ask(server).decode().splitlines(),
                             [f"[{word}]" for word in words])

    def test_a_shell_when_it_is_asked_for(self):
        with shell("echo $0 $# $1 | tr a-z A-Z", "arg=one two",
                   "arg=three") as server:
            self.assertEqual(ask(server), b"SH 2 ONE TWO\n")

    def test_the_environment(self):
        with serve("env", "env=MINE=a=b", "env=PASSED", "env=ABSENT",
                   env={"SECRET": "1", "PASSED": "yes"}) as server:
            with server.connect() as connection:
                name = connection.getsockname()
                said = [line.split("=", 1) for line in
                        receive_all(connection).decode().splitlines()]
        first = dict(said)
        self.assertEqual(len(first), len(said))
        port = server.addresses[0].rsplit(":", 1)[1]
        self.assertEqual(
            {key: first[key] for key in first if "TCP" in key or
             key == "PROTO"},
            {"PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1",
             "TCPREMOTEPORT": str(name[1]), "TCPLOCALIP": "127.0.0.1",
             "TCPLOCALPORT": port})
        self.assertEqual(first["MINE"], "a=b")
        self.assertEqual(first["PASSED"], "yes")
        self.assertIn("/bin", first["PATH"])
        self.assertFalse({"SECRET", "ABSENT"} & set(first))

    def test_ipv6_and_mapped_addresses(self):
        try:
            server = shell("echo $PROTO $TCPREMOTEIP $TCPLOCALIP",
                           listen=["[::1]:0", "[::]:0"])
        except AssertionError as error:
            self.skipTest(f"no IPv6 here: {error}")
        with server:
            self.assertEqual(ask(server), b"TCP ::1 ::1\n")
            port = int(server.addresses[1].rsplit(":", 1)[1])
            try:
                mapped = socket.create_connection(("127.0.0.1", port))
            except ConnectionRefusedError:
                return  # the kernel keeps them apart
            with mapped:
                self.assertEqual(receive_all(mapped),
                                 b"TCP 127.0.0.1 127.0.0.1\n")

    def test_the_folder(self):
        with serve("pwd", "chdir=/usr", "arg=-P") as server:
            self.assertEqual(ask(server), b"/usr\n")

    def test_a_relative_path_is_of_where_bevhost_was_started(self):
        with tempfile.TemporaryDirectory(prefix="bevhost-exec-") as folder:
            path = os.path.join(folder, "mine")
            with open(path, "w") as file:
                file.write("#!/bin/sh\necho mine\n")
            os.chmod(path, 0o755)
            os.chmod(folder, 0o755)
            with serve("./mine", "chdir=/", cwd=folder) as server:
                self.assertEqual(ask(server), b"mine\n")

    def test_umask(self):
        for words, expected in (["umask=027"], b"0027\n"), (
                ["umask=0"], b"0000\n"), (["umask=0777"], b"0777\n"):
            with shell("umask", *words) as server:
                self.assertEqual(ask(server), expected)

    def test_a_folder_hides_no_program(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "cat"))
            with serve("cat", before=[
                    "env", f"PATH={folder}:{os.environ['PATH']}"]) as server:
                self.assertEqual(ask(server, b"x"), b"x")

    def test_nice(self):
        with python("import os; print(os.nice(0))", "nice=7") as server:
            self.assertEqual(ask(server), b"7\n")


class Errors(unittest.TestCase):
    """Standard error."""

    def test_its_lines_are_in_the_log(self):
        with shell("echo one >&2; printf 'two\\r\\n\\n\\033b\\0ad' >&2; "
                   "echo out") as server:
            self.assertEqual(ask(server), b"out\n")
            log = server.wait_log("ended with status 0")
            self.assertRegex(log, r"exec: 127.0.0.1:\d+: sh: one\n")
            self.assertRegex(log, r": sh: two\n")
            self.assertRegex(log, r": sh: \\x1bb\?ad\n")

    def test_a_long_line_is_cut_into_pieces(self):
        with python("import sys; sys.stderr.write('y' * 3000)") as server:
            self.assertEqual(ask(server), b"")
            log = server.wait_log("ended with status 0")
            self.assertEqual(log.count("y" * 1024 + "\n"), 2)
            self.assertIn(": " + "y" * 952 + "\n", log)

    def test_one_that_says_too_much_waits(self):
        # 50 lines in a second, and then it is not read: it stands still.
        with python("import sys\n"
                    "for i in range(100000):\n"
                    "  print(f'line {i:06} ', file=sys.stderr)\n",
                    ) as server, server.connect() as connection:
            log = server.wait_log("line 000060 ")
            self.assertNotIn("line 002000 ", log)
            reset(connection)
            server.wait_log("what else it said at its end is not logged")
            wait_for(lambda: not programs(server), "its end")

    def test_to_the_client_or_to_nobody(self):
        for where, expected in ("client", b"bad\nout\n"), ("none", b"out\n"):
            with shell("echo bad >&2; echo out",
                       f"stderr={where}") as server:
                self.assertEqual(ask(server), expected)
                server.wait_log("ended with status 0")
                self.assertNotIn(": sh: bad", server.stderr())


# Its child leaves the group, where a child of that stays.
UNSEEN = """
import os, signal
there, here = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        signal.pause()
    os.setsid()
    os.write(here, b"x")
    os.wait()
    os._exit(0)
os.read(there, 1)
print(os.getpid(), flush=True)
"""


def lead_group(test, number, leaves):
    """A process gets this number, which is free, and leads a group of it; or
    leaves it to a child and ends. Returns who is in the group."""
    path = "/proc/sys/kernel/ns_last_pid"
    if not os.access(path, os.W_OK):
        test.skipTest("the next process id cannot be chosen here")
    there, here = os.pipe()
    for _ in range(1000):
        with open(path, "w") as file:
            file.write(str(number - 1))
        pid = os.fork()
        if pid == 0:
            if os.getpid() == number:
                os.setsid()
                if not leaves or os.fork() == 0:
                    os.write(here, str(os.getpid()).encode())
                    signal.pause()
            os._exit(0)
        if pid == number:
            break
        os.waitpid(pid, 0)
    member = int(os.read(there, 20))
    os.close(there)
    os.close(here)
    if leaves:
        os.waitpid(pid, 0)
    else:
        test.addCleanup(os.waitpid, member, 0)
    test.addCleanup(os.kill, member, signal.SIGKILL)
    return member


class Life(unittest.TestCase):
    def test_how_it_ended_is_logged(self):
        for script, text in (("exit 0", "ended with status 0 after"),
                             ("exit 7", "ended with status 7 after"),
                             ("kill -9 $$", "was ended by SIGKILL after")):
            with shell(script) as server:
                self.assertEqual(ask(server), b"")
                self.assertRegex(
                    server.wait_log("closed: handler"),
                    rf"exec: 127.0.0.1:\d+: sh \(process \d+\) {text}")

    def test_a_reset_ends_the_group(self):
        with shell("sleep 1000 & echo $! $$; wait") as server:
            connection = server.connect()
            pids = [int(word) for word in read_line(connection).split()]
            self.assertTrue(all(map(is_alive, pids)))
            reset(connection)
            wait_for(lambda: not any(map(is_alive, pids)),
                     "the end of the group")
            log = server.wait_log("was ended by SIGTERM")
            self.assertIn("closed: reset", log)
            wait_for(lambda: not programs(server), "no zombies")

    def test_a_reset_that_a_program_has_read_of_ends_it(self):
        # It is told once, to the program or to the host.
        with shell("cat; sleep 1000", "stderr=none") as server:
            for _ in range(30):
                connection = server.connect()
                connection.sendall(b"x")
                self.assertEqual(connection.recv(1), b"x")
                reset(connection)
            wait_for(lambda: not programs(server), "the end of all programs")
            wait_for(lambda: server.stderr().count("closed: reset\n") == 30,
                     "their reasons")

    def test_what_does_not_hear_sigterm_gets_sigkill(self):
        with shell("trap '' TERM; sleep 1000 & echo $! $$; "
                   "while :; do wait; done",
                   "kill-timeout=200ms") as server:
            connection = server.connect()
            pids = [int(word) for word in read_line(connection).split()]
            reset(connection)
            server.wait_log("was ended by SIGKILL")
            wait_for(lambda: not any(map(is_alive, pids)), "their end")

    def test_what_it_leaves_in_its_group_ends_with_it(self):
        with shell("sleep 1000 & echo $!; exit 3") as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: not is_alive(pid), "its end")
            wait_for(lambda: not programs(server), "no zombies")

    def group_is_spared(self, script, leaves):
        """The script says its number and leaves who ends by SIGTERM: the
        number is somebody else's when it is time for SIGKILL."""
        with shell(script, "kill-timeout=1s") as server:
            number = int(ask(server))
            wait_for(lambda: not programs(server), "its group's end")
            member = lead_group(self, number, leaves)
            self.assertEqual(os.getpgid(member), number)
            harness.pause(1.5)
            self.assertTrue(is_alive(member))

    def test_whoever_gets_the_number_of_its_group_is_spared(self):
        self.group_is_spared("sleep 1000 & echo $$", True)

    def test_nor_is_one_ended_whose_group_was_left_unseen(self):
        # By a child whose parent had left the group before.
        self.group_is_spared(
            f"exec {sys.executable} -c '{UNSEEN}'", False)

    def test_who_has_left_its_group_is_not_waited_for_at_the_stop(self):
        with python("import os, time\n"
                    "if os.fork() == 0:\n"
                    " os.setsid()\n"
                    " print(os.getpid(), flush=True)\n"
                    " for fd in (0, 1, 2): os.close(fd)\n"
                    " time.sleep(1000)\n"
                    "time.sleep(0.2)") as server:
            pid = int(ask(server))
            self.addCleanup(os.kill, pid, signal.SIGKILL)
            began = time.monotonic()
            self.assertEqual(server.stop(), 0)
            if not harness.UNDER and not harness.SANITIZERS:
                # 2 s are waited for what hears no SIGKILL.
                self.assertLess(time.monotonic() - began, 1.9)
            self.assertTrue(is_alive(pid))

    def test_no_zombies_and_no_descriptors_are_left(self):
        # Also of those that leave the group.
        with shell("(setsid sleep 0.01 &); true; exit 1") as server:
            ask(server)
            server.wait_log("closed: handler")
            before = len(os.listdir(f"/proc/{server.pid}/fd"))
            for _ in range(40):
                ask(server)
            wait_for(lambda: server.stderr().count("closed: handler") == 41,
                     "the close of all")
            wait_for(lambda: not programs(server), "no zombies")
            self.assertEqual(len(os.listdir(f"/proc/{server.pid}/fd")), before)
            for pid in launchers(server):
                if os.geteuid() == 0:
                    self.assertEqual(len(os.listdir(f"/proc/{pid}/fd")), 5)

    def test_nothing_else_is_open_in_a_launcher(self):
        with serve("cat") as server, server.connect() as connection:
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")
            # Nobody else has the listening socket: it is free at once.
            server.kill(signal.SIGKILL)
            server.process.wait()
            self.assertEqual(connection.recv(1), b"")
            host, port = server.addresses[0].rsplit(":", 1)
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection((host, int(port)))

    def test_a_worker_that_is_killed_takes_its_programs_with_it(self):
        with shell("trap '' TERM; echo $$; sleep 1000", "kill-timeout=1h",
                   master=True, options=("-v", "--workers=1")) as server:
            connection = server.connect()
            pid = int(read_line(connection))
            worker, = server.workers()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid), "the end of the program")
            self.assertEqual(connection.recv(1), b"")
            wait_for(lambda: set(server.workers()) - {worker}, "another one")
            with server.connect() as other:
                self.assertTrue(is_alive(int(read_line(other))))
            server.stop_now()

    def test_a_launcher_that_is_killed_costs_its_programs_alone(self):
        with shell("echo $PPID; read line; echo $line") as server:
            connections = [server.connect() for _ in range(8)]
            parents = [int(read_line(one)) for one in connections]
            victim = parents[0]
            self.assertGreater(len(set(parents)), 1)
            os.kill(victim, signal.SIGKILL)
            server.wait_log("others go on, and a reload starts another")
            self.assertIsNone(read_word(f"/proc/{victim}/stat", 0))
            server.wait_log("sh has ended with the process that ran it\n")
            for parent, connection in zip(parents, connections):
                if parent == victim:
                    self.assertEqual(receive_all(connection), b"")
                else:
                    connection.sendall(b"still here\n")
                    self.assertEqual(receive_all(connection),
                                     b"still here\n")
                connection.close()
            server.wait_log(" closed: error\n")
            for _ in range(8):
                self.assertTrue(
                    ask(server, b"new\n").endswith(b"\nnew\n"))

    def test_a_worker_without_its_launchers_is_replaced(self):
        with shell("echo $$; read line; echo $line", master=True,
                   options=("-v", "--workers=1")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                worker, = server.workers()
                for launcher in launchers(server):
                    os.kill(launcher, signal.SIGKILL)
                server.wait_log("the last process that runs sh has ended: "
                                "stopping")
                wait_for(lambda: not is_alive(pid), "the end of the program")
                self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: set(server.workers()) - {worker}, "another one")
            self.assertTrue(ask(server, b"hello\n").endswith(b"\nhello\n"))

    def test_signals_to_all_of_the_service_end_no_launcher(self):
        with shell("echo $$; read line; echo $line") as server:
            with server.connect() as connection:
                read_line(connection)
                for launcher in launchers(server):
                    for number in (signal.SIGTERM, signal.SIGINT,
                                   signal.SIGHUP):
                        os.kill(launcher, number)
                self.assertTrue(
                    ask(server, b"one\n").endswith(b"\none\n"))
                connection.sendall(b"two\n")
                self.assertEqual(receive_all(connection), b"two\n")

    def test_a_program_that_vanishes_is_named(self):
        with tempfile.TemporaryDirectory(prefix="bevhost-exec-") as folder:
            os.chmod(folder, 0o755)
            path = os.path.join(folder, "mine")
            shutil.copy("/bin/cat", path)
            with serve(path, options=("-v",)) as server:
                self.assertEqual(ask(server, b"x"), b"x")
                os.unlink(path)
                self.assertEqual(ask(server, b"x"), b"")
                server.wait_log(f"cannot run {path}: No such file")
                server.wait_log("closed: error\n")
                with open(path, "w") as file:
                    file.write("echo no first line\n")
                os.chmod(path, 0o755)
                self.assertEqual(ask(server, b"x"), b"")
                server.wait_log("as in #!/bin/sh")
                wait_for(lambda: not programs(server), "no zombies")


class Drain(unittest.TestCase):
    def test_a_program_may_finish(self):
        with shell("echo ready; read line; echo $line") as server:
            with server.connect() as connection:
                self.assertEqual(read_line(connection), "ready")
                server.kill()
                server.wait_log("SIGTERM: stopping")
                connection.sendall(b"done\n")
                self.assertEqual(receive_all(connection), b"done\n")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)

    def test_its_time_is_limited(self):
        with shell("echo $$; sleep 1000",
                   options=("-v", "--drain-timeout=100ms")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                server.kill()
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            self.assertFalse(is_alive(pid))

    def test_a_program_that_does_not_want_to_end_ends(self):
        with shell("trap '' TERM; echo $$; while :; do sleep 1000; done",
                   "kill-timeout=1h",
                   options=("-v", "--drain-timeout=100ms")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                server.kill()
                server.process.wait(harness.PATIENCE)
            wait_for(lambda: not is_alive(pid), "its end")

    def test_a_reload_leaves_what_runs(self):
        with shell("echo $$; read line; echo $line", master=True,
                   options=("-v", "--workers=1")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                status, _, err = server.reload()
                self.assertEqual(status, 0, err)
                self.assertTrue(ask(server, b"new\n").endswith(b"\nnew\n"))
                self.assertTrue(is_alive(pid))
                connection.sendall(b"old\n")
                self.assertEqual(receive_all(connection), b"old\n")


class Deadlines(unittest.TestCase):
    def test_one_that_talks_is_not_idle(self):
        with shell("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done",
                   options=("-v", "--idle-timeout=3s")) as server:
            self.assertEqual(ask(server), b"1\n2\n3\n4\n5\n6\n7\n8\n")

    def test_one_that_does_not_is(self):
        with shell("echo $$; sleep 1000",
                   options=("-v", "--idle-timeout=200ms")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                self.assertEqual(receive_all(connection), b"")
            server.wait_log("closed: idle")
            wait_for(lambda: not is_alive(pid), "its end")

    def test_lifetime(self):
        with shell("echo $$; while :; do echo x; sleep 0.01; done",
                   options=("-v", "--lifetime=300ms")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                try:
                    receive_all(connection)
                except ConnectionResetError:
                    pass
            server.wait_log("closed: lifetime")
            wait_for(lambda: not is_alive(pid), "its end")

    def test_a_peer_that_takes_nothing(self):
        with shell("echo $$; cat /dev/zero",
                   options=("-v", "--write-timeout=300ms")) as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                server.wait_log("closed: slow")
                wait_for(lambda: not is_alive(pid), "its end")

    def test_a_rate_is_kept(self):
        # Which takes a relay.
        with serve("cat", options=("-v", "--bytes-out-rate=1M")) as server:
            data = random.Random(2).randbytes(300_000)
            self.assertEqual(ask(server, data), data)


class Limits(unittest.TestCase):
    def test_time(self):
        with shell("trap '' TERM; echo $$; while :; do sleep 1000; done",
                   "max-time=300ms", "kill-timeout=100ms") as server:
            with server.connect() as connection:
                pid = int(read_line(connection))
                self.assertEqual(receive_all(connection), b"")
            log = server.wait_log(" closed: timeout\n")
            self.assertRegex(
                log, r"was ended by SIGKILL after 0\.\d+ s: max-time is over\n")
            self.assertFalse(is_alive(pid))
        # What it says then is sent, and nothing else is late.
        with shell("trap 'echo late; exit 0' TERM; echo on; read line; "
                   "while [ -z \"$line\" ]; do sleep 0.01; done",
                   "max-time=300ms") as server:
            self.assertEqual(ask(server), b"on\nlate\n")
            server.wait_log("ended with status 0 after 0")
            self.assertIn(" s: max-time is over\n", server.stderr())
        with shell("exit 0", "max-time=1h") as server:
            self.assertEqual(ask(server), b"")
            log = server.wait_log(" closed: handler\n")
            self.assertNotIn("max-time", log)

    def test_cpu(self):
        with shell("while :; do :; done", "max-cpu=1s") as server:
            self.assertEqual(ask(server), b"")
            log = server.wait_log("was ended by SIGXCPU")
            self.assertIn(" s: max-cpu is over\n", log)

    def test_memory(self):
        code = ("try:\n b = bytearray(1 << 30); print('had')\n"
                "except MemoryError: print('none')")
        for words, expected in (["max-memory=512M"], b"none\n"), (
                [], b"had\n"):
            with python(code, *words) as server:
                self.assertEqual(ask(server), expected)

    def test_files_are_as_programs_expect_them(self):
        with shell("ulimit -n") as server:
            self.assertLessEqual(int(ask(server)), 1024)

    def test_no_new_privileges_unless_asked_for(self):
        script = "grep NoNewPrivs: /proc/self/status"
        with shell(script) as server:
            self.assertEqual(ask(server).split()[-1], b"1")
        with shell(script, "new-privileges=on") as server:
            with open("/proc/self/status") as file:
                before = [line.split()[1] for line in file
                          if line.startswith("NoNewPrivs:")]
            self.assertEqual(ask(server).decode().split()[-1:], before)


class Users(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run programs as another user")
        harness.need_nobody()

    def test_whom_it_runs_as(self):
        with shell("id -un; id -gn; id -Gn; echo $USER $HOME; "
                   "grep Cap[EPB] /proc/self/status", "user=nobody",
                   "env=HOME=/nowhere") as server:
            said = ask(server).decode().splitlines()
        self.assertEqual(said[:4],
                         ["nobody", "nogroup", "nogroup", "nobody /nowhere"])
        self.assertEqual([line.split()[1].strip("0") for line in said[4:6]],
                         ["", ""])

    def test_a_host_that_drops_its_privileges_still_can(self):
        for master in (False, True):
            with shell("id -un; id -gn", "user=bin", "group=daemon",
                       options=("-v", "--user=nobody"),
                       master=master) as server:
                self.assertEqual(ask(server), b"bin\ndaemon\n")

    def test_without_a_word_it_is_the_workers(self):
        for master in (False, True):
            with shell("id -un; id -Gn; cat /proc/$PPID/status | grep Uid:; "
                       "grep CapPrm /proc/self/status",
                       options=("-v", "--user=nobody"),
                       master=master) as server:
                said = ask(server).decode().split()
            self.assertEqual(said[:2], ["nobody", "nogroup"])
            self.assertEqual(said[-1].strip("0"), "")

    def test_a_group_alone_leaves_the_user_the_workers(self):
        for user, options in (("nobody", ["--user=nobody"]), ("root", [])):
            with shell("id -un; id -gn; grep CapPrm /proc/self/status",
                       "group=daemon", options=("-v", *options)) as server:
                said = ask(server).decode().split()
            self.assertEqual(said[:2], [user, "daemon"])
            self.assertEqual(said[-1].strip("0"), "")

    def test_root_without_a_word_has_no_capabilities(self):
        for word in ("off", "on"):
            with shell("id -u; grep CapEff /proc/self/status",
                       f"new-privileges={word}") as server:
                said = ask(server).split()
            self.assertEqual(said[0], b"0")
            self.assertEqual(said[-1].strip(b"0"), b"")

    def test_capabilities_of_the_host_are_its_own(self):
        need("setpriv")
        with shell("grep -E 'Cap(Prm|Amb)' /proc/self/status", before=[
                "setpriv", "--reuid=nobody", "--regid=nogroup",
                "--clear-groups", "--inh-caps=+net_bind_service",
                "--ambient-caps=+net_bind_service"]) as server:
            said = ask(server).decode().split()
        self.assertEqual([word.strip("0") for word in said[1::2]], ["", ""])

    def test_a_fork_bomb_is_limited(self):
        # Of a user that has no other processes here.
        uid = 48_123
        with shell("(while :; do sleep 1000 & done); exec sleep 1000",
                   f"user={uid}", "max-processes=20") as server:
            connection = server.connect()
            self.assertRegex(server.wait_log("annot fork"), "sh: .*annot fork")
            self.assertLessEqual(len(programs(server)), 20)
            reset(connection)
            wait_for(lambda: not programs(server), "the end of all of them")


class Refused(unittest.TestCase):
    """What is wrong is said at the start: what, and what to do."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bevhost-exec-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)

    def make(self, name, text="#!/bin/sh\n", mode=0o755):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def refused(self, text, *words, status=78, options=()):
        got, out, err = run("--no-master", *options, "-l", "127.0.0.1:0",
                            "exec", *words)
        self.assertIn(text, err)
        self.assertEqual((got, out), (status, ""), err)

    def test_programs(self):
        self.refused("parameter 'program' is missing", status=64)
        self.refused("program '/no/such': No such file or directory: name a "
                     "program that is there", "/no/such")
        self.refused("program 'no-such-program' is in no folder of PATH (",
                     "no-such-program")
        self.refused("): give its path", "no-such-program")
        self.refused(f"program '{self.folder}' is a folder: name a file",
                     self.folder)
        self.refused("program '/dev/null' is no file", "/dev/null")
        plain = self.make("plain", mode=0o644)
        self.refused(f"program '{plain}' may not be run by anybody: chmod +x "
                     f"{plain}", plain)
        script = self.make("script", "#!/no/such/interpreter -x\n")
        self.refused(f"program '{script}' wants to be run by "
                     "'/no/such/interpreter', which its first line names: No "
                     "such file", script)

    def test_folders(self):
        self.refused("cannot work in chdir '/no/such': No such file", "cat",
                     "chdir=/no/such")

    def test_users(self):
        self.refused("user 'nobody-here' does not exist: name one of "
                     "/etc/passwd, or its number", "cat", "user=nobody-here")
        self.refused("group 'none-here' does not exist", "cat",
                     "group=none-here")

    def test_a_program_that_its_user_may_not_run(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run programs as another user")
        path = self.make("mine", mode=0o700)
        self.refused(f"cannot run program '{path}': Permission denied: let "
                     "user ", path, "user=nobody")
        self.refused("max-processes does not hold root: give user=", "cat",
                     "max-processes=5")

    def test_another_user_without_root(self):
        if os.geteuid() != 0:
            name = "root"
            options = {}
        else:
            harness.need_nobody()
            name, options = "bin", harness.NOBODY
        status, _, err = run("--no-master", "-l", "127.0.0.1:0", "exec",
                             "cat", f"user={name}", **options)
        self.assertEqual(status, 78)
        self.assertIn("only root runs programs as another user: start bevhost "
                      "as root, or leave user= and group= away", err)

    def test_values_out_of_range(self):
        for word, why in (
                ("max-time=-1s", "parameter 'max-time': '-1s' "),
                ("max-time=400d", "parameter 'max-time': '400d' "),
                ("max-cpu=x", "parameter 'max-cpu': 'x' "),
                ("max-processes=99999999", "parameter 'max-processes': "),
                ("kill-timeout=0s", "parameter 'kill-timeout': '0s' "),
                ("umask=8", "parameter 'umask': '8' is no mask: give octal "
                 "digits, such as 027, 777 at most"),
                ("umask=1000", "parameter 'umask': '1000' is no mask"),
                ("umask=-1", "parameter 'umask': '-1' is no mask"),
                ("nice=20", "parameter 'nice': '20' "),
                ("nice=-1", "parameter 'nice': '-1' "),
                ("stderr=x", "parameter 'stderr': 'x' "),
                ("env==x", "env '=x' has no name: write NAME=VALUE"),
                ("program=", "parameter 'program': '' ")):
            words = [word] if word == "program=" else ["cat", word]
            self.refused(why, *words, status=64)
        for name in ("PROTO", "TCPREMOTEIP", "SSLLOCALPORT", "SSL_CIPHER"):
            self.refused(f"env '{name}=x' is what a program is told of its "
                         "connection: leave it away", "cat", f"env={name}=x")
        self.refused("env 'A=2': its name is given twice", "cat", "env=A=1",
                     "env=A=2")
        self.refused("env 'NOT_HERE=2': its name is given twice", "cat",
                     "env=NOT_HERE", "env=NOT_HERE=2")
        self.refused("parameter 'max-memory' is 4096 bytes, in which no "
                     "program starts: at least 1M, or 0 for no limit", "cat",
                     "max-memory=4096")

    def test_a_reload_with_a_bad_program_changes_nothing(self):
        harness.need_config()
        path = self.make("mine", "#!/bin/sh\necho mine\n")
        with serve(path, master=True,
                   options=("-v", "--workers=1")) as server:
            os.chmod(path, 0o644)
            status, _, err = server.reload()
            self.assertNotEqual(status, 0)
            self.assertIn("may not be run by anybody", err)
            os.chmod(path, 0o755)
            self.assertEqual(ask(server), b"mine\n")


class Relay(TlsCase):
    """TLS, where the program has one end of a socketpair."""

    def tls(self, program, *words):
        return serve(program, *words, options=("-v", *self.pair("one")))

    def exchange(self, server, data=b""):
        """All that comes for data and its end, by a client that can end its
        half of TLS alone."""
        need("socat")
        done = subprocess.run(
            ["socat", f"-t{harness.PATIENCE:.0f}", "-",
             f"OPENSSL:{server.addresses[0]},verify=0"], input=data,
            capture_output=True, timeout=harness.PATIENCE)
        if b"unknown device/address" in done.stderr:
            self.skipTest("this socat knows no OPENSSL")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_byte_both_ways_and_both_ends(self):
        data = random.Random(3).randbytes(3 * MIB)
        with self.tls("cat") as server:
            self.assertEqual(self.exchange(server, data), data)
        with self.tls("wc", "arg=-c") as server:
            self.assertEqual(self.exchange(server, data).split(),
                             [str(len(data)).encode()])

    def test_the_environment(self):
        with self.tls("env") as server, self.shake(server) as client:
            said = dict(line.split("=", 1) for line in
                        receive_all(client).decode().splitlines())
        self.assertEqual(said["PROTO"], "SSL")
        self.assertEqual(said["SSLREMOTEIP"], "127.0.0.1")
        self.assertEqual(said["TCPREMOTEIP"], "127.0.0.1")
        self.assertEqual(said["SSLREMOTEPORT"], said["TCPREMOTEPORT"])
        self.assertEqual(said["SSL_PROTOCOL"], "TLSv1.3")
        self.assertTrue(said["SSL_CIPHER"].startswith("TLS_"))
        self.assertEqual(said["SSL_TLS_SNI"], "one.example")
        self.assertEqual(said["SSL_CLIENT_VERIFY"], "NONE")

    def test_the_clients_certificate(self):
        self.make("client")
        with serve("env", options=(
                "-v", *self.pair("one"),
                f"--tls-client-ca={self.path('ca.crt')}",
                "--tls-client=required")) as server:
            with self.shake(server,
                            context=self.context("client")) as client:
                said = dict(line.split("=", 1) for line in
                            receive_all(client).decode().splitlines())
        self.assertEqual(said["SSL_CLIENT_VERIFY"], "SUCCESS")
        self.assertIn("CN=client.example", said["SSL_CLIENT_S_DN"])

    def test_all_that_was_said_by_one_that_did_not_read_all(self):
        code = ("import os; os.read(0, 1); os.close(0)\n"
                "n = 2000000\n"
                "while n > 0: n -= os.write(1, b'z' * min(n, 65536))")
        with self.tls(sys.executable, "arg=-c", "arg=" + code) as server:
            self.assertEqual(self.exchange(server, b"x" * MIB),
                             b"z" * 2_000_000)

    def test_a_reset_ends_the_program(self):
        with self.tls("program=echo $$; sleep 1000", "shell=on") as server:
            client = self.shake(server)
            pid = int(read_line(client))
            reset(client)
            wait_for(lambda: not is_alive(pid), "its end")

    def test_a_slow_client_slows_the_program_down(self):
        with self.tls("program=echo $$; exec cat /dev/zero",
                      "shell=on") as server, self.shake(server) as client:
            pid = int(read_line(client))

            def written():
                with open(f"/proc/{pid}/io") as file:
                    return int(dict(line.split(": ") for line in
                                    file.read().splitlines())["wchar"])

            before = -1
            while before != (now := written()):
                before = now
                harness.pause(0.3)
            self.assertLess(before, 64 * MIB)
            self.assertTrue(is_alive(pid))


class Real(unittest.TestCase):
    """Programs that people have."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bevhost-exec-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run_client(self, *words, **options):
        done = subprocess.run(words, capture_output=True, text=True,
                              timeout=harness.PATIENCE,
                              stdin=subprocess.DEVNULL, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def git(self, *words):
        quiet = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
                 "GIT_CONFIG_SYSTEM": "/dev/null",
                 "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
                 "GIT_COMMITTER_NAME": "a",
                 "GIT_COMMITTER_EMAIL": "a@example.org"}
        return self.run_client("git", *words, env=quiet)

    def test_git_daemon_and_a_clone(self):
        need("git")
        if not os.path.exists(os.path.join(
                self.git("--exec-path").strip(), "git-daemon")):
            self.skipTest("there is no git daemon")
        source = self.path("source")
        self.git("init", "-q", source)
        data = random.Random(4).randbytes(MIB)
        with open(self.path("source", "file"), "wb") as file:
            file.write(data)
        self.git("-C", source, "add", "file")
        self.git("-C", source, "commit", "-qm", "one")
        with serve("git", "arg=daemon", "arg=--inetd", "arg=--export-all",
                   f"arg=--base-path={self.folder}",
                   "env=GIT_CONFIG_COUNT=1",
                   "env=GIT_CONFIG_KEY_0=safe.directory",
                   "env=GIT_CONFIG_VALUE_0=*") as server:
            url = f"git://{server.addresses[0]}/source"
            for number in range(2):
                self.git("clone", "-q", url, self.path(f"clone{number}"))
                with open(self.path(f"clone{number}", "file"), "rb") as file:
                    self.assertEqual(file.read(), data)
            server.wait_log("ended with status 0")
            wait_for(lambda: not programs(server), "no zombies")

    def test_rsync_and_a_copy_both_ways(self):
        need("rsync")
        os.makedirs(self.path("there", "folder"))
        data = random.Random(5).randbytes(MIB)
        with open(self.path("there", "folder", "file"), "wb") as file:
            file.write(data)
        with open(self.path("rsyncd.conf"), "w") as file:
            file.write(f"use chroot = no\n[there]\npath = "
                       f"{self.path('there')}\nread only = no\n"
                       + ("uid = root\ngid = root\n"
                          if os.geteuid() == 0 else ""))
        with serve("rsync", "arg=--daemon",
                   f"arg=--config={self.path('rsyncd.conf')}",
                   *(["user=root"] if os.geteuid() == 0 else [])) as server:
            host, port = server.addresses[0].rsplit(":", 1)
            url = f"rsync://{host}:{port}/there/"
            self.run_client("rsync", "-r", url, self.path("here/"))
            with open(self.path("here", "folder", "file"), "rb") as file:
                self.assertEqual(file.read(), data)
            with open(self.path("here", "new"), "wb") as file:
                file.write(data[::-1])
            self.run_client("rsync", self.path("here", "new"), url)
            with open(self.path("there", "new"), "rb") as file:
                self.assertEqual(file.read(), data[::-1])
            wait_for(lambda: not programs(server), "no zombies")

    def test_programs_of_ucspi_tcp(self):
        need("tcprules", "tcprulescheck", "recordio", "tcpclient")
        with open(self.path("rules"), "w") as file:
            file.write('127.:allow,WHO="local"\n:deny\n')
        with open(self.path("rules")) as rules:
            subprocess.run(["tcprules", self.path("rules.cdb"),
                            self.path("tmp")], stdin=rules, check=True,
                           timeout=harness.PATIENCE)
        with serve("tcprulescheck",
                   "arg=" + self.path("rules.cdb")) as server:
            self.assertIn(b"allow connection", ask(server))
        with serve("recordio", "arg=cat") as server:
            host, port = server.addresses[0].rsplit(":", 1)
            said = self.run_client(
                "tcpclient", "-RHl0", host, port, "sh", "-c",
                "echo hello >&7; head -n 1 <&6")
            self.assertEqual(said, "hello\n")
            server.wait_log("< hello")

    def test_a_shell_script(self):
        path = self.path("greet")
        with open(path, "w") as file:
            file.write("#!/bin/sh\nwhile read -r name; do\n"
                       "  echo \"Hello $name!\"\ndone\n")
        os.chmod(path, 0o755)
        with serve(path) as server, server.connect() as connection:
            for name in ("Ann", "Bob"):
                connection.sendall(name.encode() + b"\n")
                self.assertEqual(read_line(connection), f"Hello {name}!")

    def test_what_tcpserver_serves(self):
        # The same program sees the same of its connection.
        need("tcpserver")
        names = ("PROTO", "TCPREMOTEIP", "TCPLOCALIP", "TCPREMOTEHOST")
        script = "echo " + " ".join(f"{n}=${{{n}-unset}}" for n in names)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        other = subprocess.Popen(
            ["tcpserver", "-HRl0", "127.0.0.1", str(port), "sh", "-c",
             script], stderr=subprocess.DEVNULL)
        try:
            def connect():
                try:
                    return socket.create_connection(("127.0.0.1", port))
                except ConnectionRefusedError:
                    return None

            with wait_for(connect, "tcpserver") as connection:
                theirs = receive_all(connection)
        finally:
            other.kill()
            other.wait()
        with shell(script) as server:
            self.assertEqual(ask(server), theirs)


if __name__ == "__main__":
    harness.main()
