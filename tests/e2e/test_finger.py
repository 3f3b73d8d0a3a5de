# SPDX-License-Identifier: BSD-2-Clause
"""The finger plugin: RFC 1288, and what it refuses."""

import os
import pwd
import shlex
import socket
import subprocess
import tempfile

import time
import unittest

import harness
from harness import Server, receive_all, run, wait_for

# Users and logins for the tests: no file of this machine is touched.
USERS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utmpx.h>

int
getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size,
    struct passwd **result)
{
	*result = NULL;
	if (strcmp(name, "broken") == 0)
		return EIO;
	if (strcmp(name, "absent") == 0)
		return ENOENT;
	if (strcmp(name, "slow") == 0)
		usleep(300000);
	else if (strcmp(name, "large") == 0 && size < 50000)
		return ERANGE;
	else if (strcmp(name, "endless") == 0)
		return ERANGE;
	else if (strcmp(name, "alice") != 0 && strcmp(name, "eve") != 0 &&
	    strcmp(name, "large") != 0 && strcmp(name, "stranger") != 0)
		return 0;
	memset(pw, 0, sizeof(*pw));
	strncpy(buf, name, size - 1);
	pw->pw_name = buf;
	pw->pw_uid = getuid() + (strcmp(name, "stranger") == 0);
	pw->pw_gecos = strcmp(name, "eve") == 0
	    ? "Eve\033[31m\r\xc3\xa9,Room\n2"
	    : "Alice Liddell,Room 1,555 1234";
	pw->pw_dir = getenv("FINGER_HOME");
	pw->pw_shell = "/bin/sh";
	*result = pw;
	return 0;
}

static int at;

void
setutxent(void)
{
	at = 0;
}

struct utmpx *
getutxent(void)
{
	static struct utmpx entry;

	memset(&entry, 0, sizeof(entry));
	if (getenv("FINGER_ALONE") != NULL || at == 4)
		return NULL;
	entry.ut_type = at == 1 ? DEAD_PROCESS : USER_PROCESS;
	entry.ut_tv.tv_sec = 86400;
	strncpy(entry.ut_line, at == 2 ? "tty\033[2J" : "pts/1",
	    sizeof(entry.ut_line));
	if (at == 3) /* not ended by '\0' */
		memset(entry.ut_user, 'u', sizeof(entry.ut_user));
	else
		strcpy(entry.ut_user, at == 1 ? "gone" : "alice");
	at++;
	return &entry;
}

void
endutxent(void)
{
}
"""

DENIED_LIST = b"Finger online user list denied.\r\n"
DENIED_FORWARD = b"Finger forwarding service denied.\r\n"


def ask(server, query):
    """Sends a query and returns the whole answer."""
    with server.connect() as connection:
        connection.sendall(query)
        return receive_all(connection)


class Queries(unittest.TestCase):
    """With the users of this machine."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("finger")

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        cls.server.__exit__()
        assert status == 0, status

    def test_a_user(self):
        name = pwd.getpwuid(0).pw_name
        answer = ask(self.server, name.encode() + b"\r\n")
        self.assertTrue(
            answer.startswith(f"Login: {name}\r\nName: ".encode()), answer)
        self.assertNotIn(b"Directory", answer)
        self.assertNotIn(b"lan", answer)

    def test_in_full(self):
        user = pwd.getpwuid(0)
        for token in ("/W ", "/w ", " /W   "):
            answer = ask(self.server,
                         f"{token}{user.pw_name}\r\n".encode()).decode()
            self.assertIn(f"\r\nDirectory: {user.pw_dir}\r\n", answer)
            self.assertIn(f"\r\nShell: {user.pw_shell}\r\n", answer)

    def test_the_end_of_line_may_be_lf_and_spaces_may_surround(self):
        name = pwd.getpwuid(0).pw_name.encode()
        expected = ask(self.server, name + b"\r\n")
        for query in (name + b"\n", b"  " + name + b"  \r\n"):
            self.assertEqual(ask(self.server, query), expected)

    def test_an_unknown_user(self):
        self.assertEqual(ask(self.server, b"no-such-user-here\r\n"),
                         b"no-such-user-here: no such user.\r\n")

    def test_a_list_is_refused(self):
        for query in (b"\r\n", b"\n", b"/W\r\n", b"/W  \r\n", b"  \r\n"):
            self.assertEqual(ask(self.server, query), DENIED_LIST)

    def test_forwarding_is_refused(self):
        for query in (b"root@example.org\r\n", b"@example.org\r\n",
                      b"@\r\n", b"/W root@a@b\r\n", b"root@\r\n"):
            self.assertEqual(ask(self.server, query), DENIED_FORWARD)

    def test_malformed_queries_get_one_clear_line(self):
        for query, word in ((b"a b\r\n", b"one user"),
                            (b"/W a b\r\n", b"one user"),
                            (b"/Wroot\r\n", b"/W"),
                            (b"/x root\r\n", b"/W"),
                            (b"ro\0ot\r\n", b"printable"),
                            (b"ro\tot\r\n", b"printable"),
                            (b"\x1b[31m\r\n", b"printable"),
                            (b"\xc3\xa9\r\n", b"printable"),
                            (b"root\r\r\n", b"printable"),
                            (b"x" * 511 + b"\r\n", b"too long"),
                            (b"x" * 100_000 + b"\r\n", b"too long"),
                            (b"x" * 512, b"too long")):
            answer = ask(self.server, query)
            self.assertIn(word, answer, query[:20])
            self.assertTrue(answer.endswith(b".\r\n"))
            self.assertEqual(answer.count(b"\r\n"), 1)

    def test_the_longest_query(self):
        query = b"x" * 510 + b"\r\n"
        self.assertEqual(ask(self.server, query),
                         b"x" * 510 + b": no such user.\r\n")

    def test_a_query_that_ends_at_each_byte(self):
        query = b"/W root\r\n"
        for length in range(len(query)):
            with self.server.connect() as connection:
                connection.sendall(query[:length])
                connection.shutdown(socket.SHUT_WR)
                answer = receive_all(connection)
            self.assertEqual(answer, b"The query has no end of line.\r\n"
                             if length else b"")

    def test_a_query_byte_by_byte(self):
        expected = ask(self.server, b"/W root\r\n")
        with self.server.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"/W root\r\n":
                connection.sendall(bytes([byte]))
            self.assertEqual(receive_all(connection), expected)

    def test_what_follows_the_query_is_dropped(self):
        expected = ask(self.server, b"root\r\n")
        self.assertEqual(
            ask(self.server, b"root\r\nroot\r\n" + b"x" * 200_000), expected)

    def test_many_at_once(self):
        expected = ask(self.server, b"root\r\n")
        connections = [self.server.connect() for _ in range(200)]
        for connection in connections:
            connection.sendall(b"root\r\n")
        for connection in connections:
            self.assertEqual(receive_all(connection), expected)
            connection.close()


class Times(unittest.TestCase):
    def test_a_query_that_takes_too_long(self):
        with Server("finger", "timeout=100ms", options=("-v",)) as server:
            for beginning in (b"", b"ro"):
                with server.connect() as connection:
                    connection.sendall(beginning)
                    self.assertEqual(receive_all(connection),
                                     b"The query took too long.\r\n")
            self.assertEqual(server.stop(), 0)

    def test_the_deadline_is_of_the_whole_line(self):
        with Server("finger", "timeout=300ms") as server:
            with server.connect() as connection:
                connection.settimeout(0.02)
                answer = b""
                for _ in range(10_000):
                    try:
                        connection.sendall(b"x")
                        answer = connection.recv(100)
                    except TimeoutError:
                        continue
                    break
                self.assertEqual(answer, b"The query took too long.\r\n")

    def test_wrong_parameters(self):
        for word in ("timeout=0ms", "timeout=5", "timeout=2d", "plan=maybe",
                     "list=", "root"):
            status, _, stderr = run("-p", "0", "finger", word)
            self.assertEqual(status, 64, word)
            self.assertIn("finger", stderr)

    def test_stops_while_connections_wait(self):
        with Server("finger", options=("-v", "-v")) as server:
            with server.connect() as connection:
                connection.sendall(b"ro")
                server.wait_log("accepted")
                self.assertEqual(server.stop_now(), 0)
                self.assertEqual(receive_all(connection), b"")


class Users(unittest.TestCase):
    """With users of the test, by a library that stands before libc."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.home = os.path.join(cls.folder.name, "home")
        os.mkdir(cls.home)
        cls.library = os.path.join(cls.folder.name, "users.so")
        source = os.path.join(cls.folder.name, "users.c")
        with open(source, "w") as file:
            file.write(USERS)
        command = [*shlex.split(os.environ.get("CC", "cc")), "-w", "-shared",
                   "-fPIC", "-o", cls.library, source]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            cls.folder.cleanup()
            raise unittest.SkipTest(f"cannot compile: {error}")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def serve(self, *words, options=("-v",), **env):
        # What is preloaded stands before a sanitizer's library.
        asan = os.environ.get("ASAN_OPTIONS", "")
        return Server("finger", *words, options=options, env={
            "LD_PRELOAD": self.library, "FINGER_HOME": self.home,
            "TZ": "UTC", "ASAN_OPTIONS": asan + ":verify_asan_link_order=0",
            **env})

    def plan(self, data, mode=0o644):
        path = os.path.join(self.home, ".plan")
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        self.addCleanup(os.unlink, path)

    def ask_plan(self, user=b"alice"):
        with self.serve("plan=on") as server:
            answer = ask(server, user + b"\r\n")
            self.assertEqual(server.stop(), 0)
        head = b"Login: " + user + b"\r\nName: Alice Liddell\r\n"
        self.assertTrue(answer.startswith(head), answer)
        return answer[len(head):]

    def test_name_and_in_full(self):
        with self.serve() as server:
            self.assertEqual(ask(server, b"alice\r\n"),
                             b"Login: alice\r\nName: Alice Liddell\r\n")
            self.assertEqual(
                ask(server, b"/W alice\r\n").decode(),
                "Login: alice\r\nName: Alice Liddell,Room 1,555 1234\r\n"
                f"Directory: {self.home}\r\nShell: /bin/sh\r\n")
            log = server.wait_log("in full")
            self.assertIn("asked for 'alice'\n", log)

    def test_what_is_not_printable_is_escaped(self):
        with self.serve() as server:
            self.assertEqual(
                ask(server, b"/W eve\r\n").split(b"\r\n")[1:3],
                [b"Name: Eve\\x1b[31m\\x0d\\xc3\\xa9,Room", b"2"])

    def test_large_entries(self):
        with self.serve() as server:
            self.assertEqual(ask(server, b"large\r\n"),
                             b"Login: large\r\nName: Alice Liddell\r\n")

    def test_errors_of_the_database(self):
        with self.serve() as server:
            for user in (b"broken", b"endless"):
                self.assertEqual(ask(server, user + b"\r\n"),
                                 b"Cannot look it up now.\r\n")
                self.assertIn(f"cannot look up '{user.decode()}': ",
                              server.stderr())
            self.assertEqual(ask(server, b"absent\r\n"),
                             b"absent: no such user.\r\n")

    def test_a_database_that_is_down_does_not_fill_the_log(self):
        with self.serve(options=()) as server:
            begun = time.monotonic()
            for _ in range(50):
                ask(server, b"broken\r\n")
            lines = server.stderr().count("cannot look up 'broken'")
            self.assertGreaterEqual(lines, 1)
            self.assertLess(lines, 3 + time.monotonic() - begun)

    def test_a_slow_database_holds_up_nobody_else(self):
        with self.serve() as server:
            with server.connect() as slow:
                slow.sendall(b"slow\r\n")
                server.wait_log("asked for 'slow'")
                self.assertEqual(ask(server, b"a b\r\n"),
                                 b"Ask for one user at a time.\r\n")
                self.assertIn(b"Alice", ask(server, b"alice\r\n"))
                slow.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    slow.recv(1)
                slow.settimeout(harness.PATIENCE)
                self.assertIn(b"Login: slow", receive_all(slow))

    def test_a_reset_during_a_job(self):
        with self.serve() as server:
            for _ in range(3):
                with server.connect() as connection:
                    connection.sendall(b"slow\r\n")
                    wait_for(lambda: "asked for 'slow'" in server.stderr(),
                             "the query")
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER,
                        b"\1\0\0\0\0\0\0\0")
            self.assertIn(b"Alice", ask(server, b"alice\r\n"))
            self.assertEqual(server.stop(), 0)

    def test_stops_during_a_job(self):
        with self.serve() as server:
            with server.connect() as connection:
                connection.sendall(b"slow\r\n")
                server.wait_log("asked for 'slow'")
                self.assertEqual(server.stop(), 0)

    def test_plans_are_off(self):
        self.plan(b"secret\n")
        with self.serve() as server:
            self.assertNotIn(b"secret", ask(server, b"/W alice\r\n"))

    def test_a_plan(self):
        self.plan(b"one\ntwo\r\n\tthree")
        self.assertEqual(self.ask_plan(),
                         b"Plan:\r\none\r\ntwo\r\n\tthree\r\n")

    def test_an_empty_plan(self):
        self.plan(b"")
        self.assertEqual(self.ask_plan(), b"Plan:\r\n")

    def test_no_plan(self):
        self.assertEqual(self.ask_plan(), b"No plan.\r\n")

    def test_a_plan_cannot_write_to_a_terminal(self):
        self.plan(bytes(range(256)))
        answer = self.ask_plan()
        self.assertEqual(
            [byte for byte in answer if byte not in b"\r\n\t" and
             not 0x20 <= byte < 0x7f], [])
        self.assertNotIn(b"\r", answer.replace(b"\r\n", b""))
        self.assertNotIn(b"\n", answer.replace(b"\r\n", b""))
        self.assertIn(b"\\x00\\x01", answer)
        self.assertIn(b"\\x1b", answer)
        self.assertIn(b"\\xff", answer)

    def test_a_long_plan_is_cut(self):
        self.plan(b"x" * 100_000 + b"\n")
        self.assertEqual(self.ask_plan(),
                         b"Plan:\r\n" + b"x" * 65536 + b"\r\n")

    def test_a_plan_that_not_everyone_may_read(self):
        self.plan(b"secret\n", 0o640)
        self.assertEqual(self.ask_plan(), b"No plan.\r\n")

    def test_a_plan_of_somebody_else(self):
        self.plan(b"secret\n")
        self.assertEqual(self.ask_plan(b"stranger"), b"No plan.\r\n")

    def test_a_plan_that_is_a_link(self):
        path = os.path.join(self.home, ".plan")
        with open(os.path.join(self.home, "other"), "wb") as file:
            file.write(b"secret\n")
        os.symlink("other", path)
        self.addCleanup(os.unlink, path)
        self.assertEqual(self.ask_plan(), b"No plan.\r\n")

    def test_a_plan_that_is_no_file(self):
        path = os.path.join(self.home, ".plan")
        os.mkfifo(path, 0o644)
        os.chmod(path, 0o644)
        self.assertEqual(self.ask_plan(), b"No plan.\r\n")
        os.unlink(path)
        os.mkdir(path)
        self.assertEqual(self.ask_plan(), b"No plan.\r\n")
        os.rmdir(path)

    def test_who_is_logged_in(self):
        with self.serve("list=on") as server:
            for query in (b"\r\n", b"/W\r\n"):
                lines = ask(server, query).decode().split("\r\n")
                self.assertEqual(lines, [
                    "Login           Line        Since",
                    "alice           pts/1       1970-01-02 00:00",
                    "alice           tty\\x1b[2J  1970-01-02 00:00",
                    "u" * 32 + " pts/1       1970-01-02 00:00",
                    ""])

    def test_nobody_is_logged_in(self):
        with self.serve("list=on", FINGER_ALONE="1") as server:
            self.assertEqual(ask(server, b"\r\n"),
                             b"No one is logged in.\r\n")

    def test_lists_at_once(self):
        with self.serve("list=on") as server:
            expected = ask(server, b"\r\n")
            connections = [server.connect() for _ in range(50)]
            for connection in connections:
                connection.sendall(b"\r\n")
            for connection in connections:
                self.assertEqual(receive_all(connection), expected)
                connection.close()


if __name__ == "__main__":
    harness.main()
