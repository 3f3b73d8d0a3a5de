# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of bevhost-dev share."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import PATIENCE, SANITIZERS, receive_exactly, wait_for

DEV = os.environ.get("BEVHOST_DEV", "bevhost-dev")
SOURCE = """
#include <bevhost/task.h>
#include "answer.h"

static int
hello_run(struct bevhost_stream *stream, void *self)
{
	char line[64];

	(void)self;
	while (bevhost_stream_read_line(stream, line, sizeof(line), -1) >= 0)
		bevhost_stream_write(stream, ANSWER, sizeof(ANSWER) - 1, -1);
	return 0;
}
BEVHOST_COROUTINE("hello", hello_run)
"""
# A host that has them itself does not want them in front.
PLAIN = ("--no-sanitizers",) if SANITIZERS else ()


class Case(unittest.TestCase):
    """Each test has a folder of its own, which is the current one."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.work = os.path.join(self.folder, "tmp")
        os.mkdir(self.work)
        # What `make check' was told is not for a make of the test.
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in ("MAKEFLAGS", "MFLAGS",
                                            "MAKELEVEL", "MAKEOVERRIDES")}
        self.environment["TMPDIR"] = self.work

    def tearDown(self):
        self.assertEqual(os.listdir(self.work), [], "left in TMPDIR")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """As editors do: a new file takes the place of the old one."""
        with open(self.path(name + "~"), "w") as file:
            file.write(text)
        os.rename(self.path(name + "~"), self.path(name))

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def dev(self, *words, cwd=".", stdin=subprocess.DEVNULL, under=(),
            **environment):
        """Runs it to its end: (status, stdout, stderr)."""
        done = subprocess.run(
            [*under, DEV, *words], cwd=self.path(cwd), text=True,
            timeout=10 * PATIENCE, capture_output=True,
            env={**self.environment, **environment},
            **({"input": stdin} if isinstance(stdin, str) else
               {"stdin": stdin}))
        return done.returncode, done.stdout, done.stderr

    def refused(self, status, pattern, *words, **options):
        """It ends so, and says one thing that matches; returns all of it."""
        ended, stdout, stderr = self.dev(*words, **options)
        self.assertEqual(ended, status, stderr)
        self.assertEqual(stdout, "")
        self.assertRegex(stderr, pattern)
        self.assertNotIn("not found\n", stderr)
        return stderr


class Loop:
    """`bevhost-dev run` until the end of the `with`. What it says can go to
    another descriptor; whoever reads that waits until it serves."""

    def __init__(self, case, *words, log=None, **environment):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [DEV, "run", *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=log or self.log,
            cwd=case.folder, env={**case.environment, **environment})
        if log is not None:
            return
        try:
            self.address = self.wait(r"serves on (\S+);")[0]
        except AssertionError:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.log.close()

    def text(self):
        return os.pread(self.log.fileno(), 1 << 24, 0).decode(
            errors="replace")

    def wait(self, pattern, count=1):
        """Until so many have matched: what they are."""
        def found():
            # In this order, so that what it said last is looked at too.
            ended = self.process.poll()
            matches = re.findall(pattern, self.text())
            if len(matches) < count and ended is not None:
                raise AssertionError(f"ended with {ended}: " + self.text())
            return matches if len(matches) >= count else None
        try:
            return wait_for(found, repr(pattern))
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.text()}")

    def connect(self):
        if self.address.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            connection.connect(self.address[5:])
            return connection
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), PATIENCE)


def ask(connection, answer):
    """What a line is answered with, as many bytes as are expected."""
    connection.sendall(b"x\n")
    return receive_exactly(connection, len(answer))
