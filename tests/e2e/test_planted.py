# SPDX-License-Identifier: BSD-2-Clause
"""Bugs that are planted in small handlers: a conversation as it is written
finds none of them, each is found by some way to cut it, and what is reported
is enough to see it again. The same handlers without the bugs pass."""

import os
import re
import shlex
import subprocess
import tempfile
import unittest

import harness
from harness import PATIENCE, SANITIZERS, children, plugin, wait_for

PROGRAM = os.path.join(os.environ["BEVHOST_UNITS"], "conversation")
PLANTED = os.path.join(os.environ["BEVHOST_SRCDIR"], "tests", "planted")


def converse(*words):
    """Runs the program: (status, standard output, standard error)."""
    done = subprocess.run(
        [PROGRAM, *words], timeout=4 * PATIENCE, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def section(output, title):
    """The lines of a part of the report."""
    found = re.search(rf"(?m)^# {title}:\n((?:#   .*\n)*)", output)
    if found is None:
        raise AssertionError(f"no '{title}' in:\n{output}")
    return [line[4:] for line in found[1].splitlines()]


class Planted(unittest.TestCase):
    """Which cut finds it first, why, and how the transcript ends."""

    def compare(self, output, wanted):
        """The transcript, where a pattern stands for what may differ."""
        came = section(output, "what happened")
        self.assertEqual(len(came), len(wanted), output)
        for line, want in zip(came, wanted):
            if isinstance(want, str):
                self.assertEqual(line, want, output)
            else:
                self.assertRegex(line, want)

    def found(self, name, cut, why, *transcript, options=(),
              log="", said="", before=""):
        script = os.path.join(PLANTED, name + ".conv")
        planted = plugin("planted_" + name)

        # As it is written it passes.
        status, out, err = converse("--cut=whole", planted, script)
        self.assertEqual((status, err), (0, ""), out)

        # It fails in the first way to cut it that finds it.
        status, out, err = converse(*options, planted, script)
        self.assertEqual((status, err), (1, ""), out)
        failed = re.findall(r"(?m)^not ok .*: (.*)$", out)
        self.assertEqual(failed, [cut], out)
        self.assertRegex("\n".join(section(out, "what is wrong")), why)
        self.compare(out, transcript)
        if said:
            self.assertRegex("\n".join(section(out, "what was said")), said)

        # The line that is printed does it again.
        again = re.search(r"(?m)^# again: +bevhost-dev test (.*)$", out)
        words = shlex.split(again[1])
        self.assertEqual(words, [f"--cut={before}{cut}", planted, script])
        status, out, err = converse(*options, *words)
        self.assertEqual(status, 1, out + err)
        self.assertRegex(
            err, "Sanitizer" if "Sanitizer" in why else said or log or "^$")
        self.assertRegex(
            "\n".join(section(out, "what is wrong")), why.split("\n")[0])
        self.compare(out, transcript)

        # Without the bug all ways pass.
        status, out, err = converse(
            "--all", plugin("correct_" + name), script)
        self.assertEqual((status, err), (0, ""), out)
        self.assertNotIn("not ok", out)

    def test_a_forgotten_partial_line(self):
        self.found(
            "partial", "bytes", r'partial.conv:2: "5\\n" was to come',
            "connect", '> "h"', '> "e"', '> "l"', '> "l"', '> "o"', r'> "\n"',
            r'< "0\n"')

    def test_a_use_after_close(self):
        self.found(
            "late_timer", "fin:1",
            "late_timer.conv: AddressSanitizer: heap-use-after-free"
            if SANITIZERS else "it crashed with SIGSEGV",
            "connect", '> "h"', "end")

    def test_a_lost_half_close(self):
        self.found(
            "half_close", "half:6",
            r'half_close.conv:3: "HELLO\\n" was to come, but nothing did, '
            "and the end",
            "connect", r'> "hello\n"', "end", "wait 10ms")

    def test_a_leak_on_an_allocation_failure(self):
        script = os.path.join(PLANTED, "leak.conv")
        status, out, err = converse(plugin("planted_leak"), script)
        # How many the host makes before is its own affair.
        cut = re.search(r"(?m)^not ok .*: (alloc:\d+)$", out)
        self.assertIsNotNone(cut, out)
        self.found("leak", cut[1],
                   "leak.conv: 1 block of memory is not freed",
                   "connect", r'> "one\ntwo\n\n"',
                   log="LeakSanitizer" if SANITIZERS else "")

    def test_an_off_by_one_at_a_split(self):
        self.found(
            "off_by_one", "bytes",
            r'off_by_one.conv:2: "6\\n" was to come, but "3\\n" came',
            "connect", r'> "\x03"', r'> "\x01"', r'> "\x02"', r'< "3\n"',
            r'> "\x03"')

    def test_an_endless_loop_on_an_empty_line(self):
        self.found(
            "empty_line", "bytes", "it hangs: it takes more than 2 seconds",
            "connect", '> "o"', '> "n"', '> "e"', r'> "\r"', r'< "1\n"',
            r'> "\n"', options=("--seconds=2",),
            said=r"it hangs here:\n(.*\n)*.*[( ]empty_line_read")

    def test_a_way_that_hangs_ends_with_who_waits_for_it(self):
        # Who is killed leaves the copy of the plugin.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        process = subprocess.Popen(
            [PROGRAM, "--seconds=600", "--cut=bytes",
             plugin("planted_empty_line"),
             os.path.join(PLANTED, "empty_line.conv")],
            env={**os.environ, "TMPDIR": folder.name})
        way = wait_for(lambda: list(children(process.pid)), "the way")[0]
        process.kill()
        process.wait()
        wait_for(lambda: not os.path.exists(f"/proc/{way}"), "its end")

    def test_a_reply_that_is_sent_twice(self):
        # As many times as the kernel takes a little more.
        page = re.compile(r'< "\.{100}"\.\.\."\.+(done\\n){2,}" \(\d+ bytes\)')
        self.found(
            "sent_twice", "slow",
            r'sent_twice.conv:\d: "done\\n" was to come',
            "connect", r'> "page\n"', page, r'> "page\n"', page)

    def test_a_descriptor_that_stays_open(self):
        self.found("descriptor", "leave:1",
                   r"descriptor.conv: 1 descriptor is left open "
                   r"\(/dev/null\)",
                   "connect", '> "h"', "close")

    def test_a_second_line_that_waits_for_a_third(self):
        self.found(
            "one_line", "joined",
            r'one_line.conv:4: "5\\n" was to come, but nothing did'
            "\nAll was sent before the first answer",
            "connect", r'> "one\n"', r'> "three\n"', r'< "3\n"')

    def test_what_the_network_has_not_taken_is_lost(self):
        self.found(
            "close_now", "stall:4",
            r'close_now.conv:2: "bob\\n" was to come, but nothing did, '
            "and the end",
            "connect", "stall", r'> "bob\n"', "end", "resume")

    def test_an_off_by_one_at_the_edge_of_a_buffer(self):
        self.found(
            "edge", "split:1024",
            r'edge.conv:22: "1500\\n" was to come, but "1501\\n" came',
            "connect", re.compile(r'> .* \(1024 bytes\)'),
            re.compile(r'> .* \(477 bytes\)'), r'< "1501\n"')

    def test_a_callback_that_waits_itself(self):
        script = os.path.join(PLANTED, "blocks.conv")
        for words in ([], ["--cut=bytes"]):
            status, out, err = converse(
                *words, plugin("planted_blocks"), script)
            self.assertEqual((status, err), (1, ""), out)
            self.assertRegex("\n".join(section(out, "what is wrong")),
                             r"the handler blocks: a call did nothing for "
                             r"\d{3,} ms but wait")
        status, out, err = converse(
            "--all", plugin("correct_blocks"), script)
        self.assertEqual((status, err), (0, ""), out)
        # A job may sleep.
        with tempfile.NamedTemporaryFile("w", suffix=".conv") as script:
            print("> long-job 300\n< job=7", file=script, flush=True)
            status, out, err = converse(
                "--cut=whole", plugin("tasks"), script.name)
            self.assertEqual((status, err), (0, ""), out)

    def test_a_task_that_forgets_its_child(self):
        self.found(
            "abandoned", "fin:0",
            "abandoned.conv: a task returned while its children ran",
            "connect", "end", log="a task returned while its children ran")

    def test_what_is_shared_by_all_connections(self):
        self.found(
            "shared", "fin:6",
            r'shared.conv:2: "one\\n" was to come to ann, but "tone\\n" came'
            "\nAlone it passes, and after fin:5 it fails: something static "
            "is left of that",
            "connect ann", r'ann> "one\n"', r'ann< "tone\n"',
            before="fin:5,")


if __name__ == "__main__":
    harness.main()
