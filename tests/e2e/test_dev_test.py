# SPDX-License-Identifier: BSD-2-Clause
"""bevhost-dev: what tests, fuzzes and measures a plugin."""

import os
import re
import shutil
import subprocess
import time

import harness
from dev import DEV, PLAIN, Case
from harness import PATIENCE, SANITIZERS, wait_for

NEW = r"""
#define BEVHOST_API_VERSION 1
#include <bevhost/task.h>

#include <memory>
#include <new>
#include <string>

static int
run(struct bevhost_stream *stream, void *)
{
	char line[80];
	ssize_t len;

	while ((len = bevhost_stream_read_line(
		    stream, line, sizeof(line), -1)) >= 0)
		try {
			auto said = std::make_unique<std::string>(line);
			*said += '\n';
			bevhost_stream_write(
			    stream, said->data(), said->size(), -1);
			if (%d)
				said.release();
		} catch (const std::bad_alloc &) {
			bevhost_stream_write(stream, "sorry\n", 6, -1);
		}
	return 0;
}

BEVHOST_COROUTINE("new", run)
"""


class Test(Case):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.dev("new", "demo", "--model=callbacks")[0], 0)

    def test_a_failure_says_how_to_see_it_again(self):
        status, stdout, _ = self.dev("test", "demo.c", "greeting=Hi", *PLAIN,
                                     cwd="demo")
        self.assertEqual(status, 1)
        again = re.search(r"(?m)^# again: +bevhost-dev (.*)$", stdout)[1]
        self.assertEqual(again, "test --cut=whole demo.c greeting=Hi demo.conv")
        status, stdout, _ = self.dev(*again.split(), *PLAIN, cwd="demo")
        self.assertEqual(status, 1)
        self.assertIn('#   < "Hi, world! You are number 1.\\n"', stdout)
        if shutil.which("gdb") is None:
            self.skipTest("there is no gdb")
        os.mkdir(self.path("t t"))
        status, stdout, _ = self.dev(
            *again.split(), "--gdb", *PLAIN, cwd="demo",
            TMPDIR=self.path("t t"),
            stdin="break demo_read\nrun\nbacktrace 1\nkill\nquit\n")
        self.assertRegex(stdout, r"#0 +demo_read [^#]* at demo\.c:\d+")
        # It stops by itself where something is wrong.
        status, stdout, _ = self.dev(
            *again.split(), "--gdb", *PLAIN, cwd="demo",
            stdin="run\nkill\nquit\n")
        self.assertRegex(stdout, r"Breakpoint 1, (0x\w+ in )?"
                         r"bevhost_test_failed \(\s*.*demo\.conv:\d+: ")

    def test_a_debugger_stops_where_an_expectation_fails(self):
        test = os.path.join(os.environ["BEVHOST_UNITS"], "..", "tests",
                            "test_test")
        if shutil.which("gdb") is None or not os.path.exists(test):
            self.skipTest("there is no gdb, or no test_test")
        done = subprocess.run(
            ["gdb", "-q", "-batch", "-ex", "break bevhost_test_failed",
             "-ex", "run", "-ex", "backtrace 5", "-ex", "kill", test],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
            env={**self.environment, "CK_FORK": "no",
                 "TMPDIR": self.folder})
        self.assertRegex(done.stdout, r'bevhost_test_failed \(why=.*hullo')
        self.assertRegex(done.stdout, r"in what_is_wrong_is_said\w* ")

    def test_a_handler_that_ends_the_process_has_not_passed(self):
        source = self.read("demo/demo.c")
        free = "\t\tfree(line);\n"
        self.assertIn(free, source)
        self.write("demo/demo.c", source.replace(free, "\t\texit(0);\n"))
        for words in (), ("--cut=whole",):
            status, stdout, stderr = self.dev("test", *words, "demo.c",
                                              *PLAIN, cwd="demo")
            self.assertEqual(status, 1, stdout + stderr)
            self.assertIn("it ended the process, with status 0\n", stdout)
            self.assertIn('#   > "world\\n"\n', stdout)

    def test_a_report_of_a_sanitizer_stops_in_gdb(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        if shutil.which("gdb") is None:
            self.skipTest("there is no gdb")
        source = self.read("demo/demo.c")
        free = "\t\tfree(line);\n"
        self.assertIn(free, source)
        self.write("demo/demo.c", source.replace(free, free + free))
        status, stdout, stderr = self.dev(
            "test", "demo.c", "--gdb", cwd="demo",
            stdin="run\nbacktrace\nkill\nquit\n")
        if "has no sanitizers" in stderr:
            self.skipTest("this compiler has no sanitizers")
        self.assertIn("received signal SIGABRT", stdout, stderr)
        self.assertRegex(stdout, r"in demo_read [^#]* at demo\.c:\d+")

    def test_what_is_not_freed_is_said_with_its_line(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        status, _, stderr = self.dev("build", "-s", "demo.c", cwd="demo")
        if "has no sanitizers" in stderr:
            self.skipTest("this compiler has no sanitizers")
        free = "\t\tfree(line);\n"
        source = self.read("demo/demo.c")
        self.assertIn(free, source)
        self.write("demo/demo.c", source.replace(free, ""))
        status, stdout, _ = self.dev("test", "demo.c", cwd="demo")
        self.assertEqual(status, 1)
        self.assertIn("demo.conv: 2 blocks of memory are not freed\n", stdout)
        self.assertRegex(stdout, r"in demo_read .*demo\.c:\d+\n")
        # Of one time that it was played, and none but those.
        self.assertEqual(re.findall(r"leak of .* byte\(s\) in (\d+)", stdout),
                         ["2"], stdout)

    def test_what_new_makes_is_counted(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        if shutil.which("g++") is None:
            self.skipTest("there is no g++")
        self.write("new.conv", "without-memory < sorry\n> a\n< a\n> b\n< b\n")
        plain = ("--no-sanitizers",)
        for kept, options in (0, PLAIN), (0, plain), (1, PLAIN), (1, plain):
            self.write("new.cc", NEW % kept)
            status, stdout, stderr = self.dev(
                "test", "new.cc", "new.conv", *options, CC="gcc", CXX="g++")
            self.assertEqual(status, kept, stdout + stderr)
            if kept:
                self.assertRegex(stdout, r"blocks? of memory (is|are) not freed")
        # Each fails: who does not catch it, ends.
        self.assertIn("catch (const std::bad_alloc &)", NEW)
        self.write("new.cc", (NEW % 0).replace(
            "const std::bad_alloc &", "const char *"))
        for options in PLAIN, plain:
            status, stdout, stderr = self.dev(
                "test", "new.cc", "new.conv", *options, CC="gcc", CXX="g++")
            self.assertEqual(status, 1, stdout + stderr)
            self.assertRegex(stdout, r"(?m)^not ok \d+ .*: alloc:\d+$")
            self.assertIn("std::bad_alloc", stdout)

    def test_installed_plugins_and_mistakes(self):
        self.refused(64, "which conversation", "test", "greeting")
        self.refused(66, "no.conv: there is no such conversation", "test",
                     "demo/demo.c", "no.conv")
        self.write("bad.conv", "> a\n< b\nfrobnicate\n")
        status, stdout, stderr = self.dev("test", "greeting", "bad.conv")
        self.assertEqual(status, 65)
        self.assertIn("bad.conv:3", stderr)
        self.assertRegex(stdout, r"\ABail out! bad.conv:3: [^\n]*\n\Z")
        self.write("good.conv", "> a\n< a\nend\nclosed\n")
        # As far as it came is no result.
        status, stdout, _ = self.dev("test", "echo", "good.conv", "bad.conv")
        self.assertEqual(status, 65)
        self.assertRegex(stdout, r"(?m)^ok 1 - good.conv")
        self.assertNotRegex(stdout, r"(?m)^1\.\.")
        status, stdout, stderr = self.dev("test", "echo", "good.conv")
        self.assertEqual(status, 0, stdout + stderr)


    def test_words_in_the_wrong_place(self):
        self.refused(64, "which plugin\\? demo/demo.conv is a conversation.*: "
                     "bevhost-dev test demo/demo.c demo/demo.conv\n", "test",
                     "demo/demo.conv")
        self.write("alone.conv", "> a\n< a\n")
        self.refused(64, "bevhost-dev test PLUGIN alone.conv\n", "test",
                     "alone.conv", "demo/demo.c")
        self.refused(64, "demo/demo.c is a source, and no conversation",
                     "test", "echo", "demo/demo.c")
        self.refused(64, "tmp/ is a folder: .* as in tmp/NAME.conv", "test",
                     "demo/demo.c", "tmp/")
        self.refused(64, "demo/README.md is no plugin: that is", "test",
                     "demo/README.md")
        self.refused(66, "demo/demo.d: there is no such file or folder",
                     "test", "demo/demo.d")

    def test_what_is_refused_is_no_test_that_failed(self):
        self.write("good.conv", "> a\n< a\nend\nclosed\n")
        self.write("none.c", "int nothing;\n")
        for status, why, *words in (
                (78, "no bevhost_plugin_init", "none.c"),
                (78, "there is no plugin 'nosuch'", "nosuch"),
                (64, "unknown parameter 'nope'", "echo", "nope=1")):
            for cut in ((), ("--cut=bytes",), ("--cut=alloc:9",)):
                ended, stdout, stderr = self.dev(
                    "test", *cut, *PLAIN, *words, "good.conv")
                self.assertEqual(ended, status, stdout + stderr)
                self.assertRegex(
                    stdout, r"\ABail out! good.conv: \S+ does not start\n\Z")
                self.assertIn(why, stderr)

    def test_output_that_cannot_be_written(self):
        self.write("good.conv", "> a\n< a\nend\nclosed\n")
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [DEV, "test", "echo", "good.conv"], stdout=full,
                stderr=subprocess.PIPE, text=True, cwd=self.folder,
                env=self.environment)
        self.assertEqual(done.returncode, 74)
        self.assertIn("standard output: No space left", done.stderr)


class Fuzz(Case):
    # Names have five letters.
    BUG = """
		static char counts[6];
		counts[strlen(line)]++;
"""

    def setUp(self):
        super().setUp()
        if SANITIZERS:
            self.skipTest("the library for tests has sanitizers")
        self.assertEqual(self.dev("new", "demo", "--model=callbacks")[0], 0)

    def plant(self, bug):
        source = self.read("demo/demo.c")
        answer = "\t\tanswered = evbuffer_add_printf("
        self.assertIn(answer, source)
        self.write("demo/demo.c", "#include <string.h>\n"
                   "#include <unistd.h>\n" + source.replace(answer, bug + answer))

    def found(self, *words):
        """What is found, as the conversation and the file."""
        status, stdout, stderr = self.dev("fuzz", "--seconds=100", *words,
                                          "demo.c", cwd="demo")
        self.assertEqual((status, stdout), (1, ""), stderr)
        again = re.search(r"to see it again: bevhost-dev (fuzz .*)\n", stderr)
        self.assertIsNotNone(again, stderr)
        conversation = "".join(
            line[4:] + "\n" for line in
            stderr.partition("as a conversation it is\n")[2].splitlines()
            if line.startswith("    "))
        self.assertIn(">- ", conversation)
        return conversation, again[1].split()

    def check(self, *words):
        self.plant(self.BUG)
        conversation, again = self.found(*words)
        status, stdout, stderr = self.dev(*again, *words, cwd="demo")
        self.assertEqual(status, 1, stdout + stderr)
        self.assertIn("demo.c:", stderr)
        # So it can become a test.
        self.write("demo/again.conv", conversation)
        status, stdout, _ = self.dev("test", "demo.c", "again.conv",
                                     cwd="demo")
        self.assertEqual(status, 1, stdout)
        self.assertRegex(stdout, "runtime error|AddressSanitizer")

    def test_by_chance_it_finds_a_bug_and_says_how_to_see_it_again(self):
        status, _, stderr = self.dev("build", "-s", "demo.c", cwd="demo")
        if "has no sanitizers" in stderr:
            self.skipTest("this compiler has no sanitizers")
        self.check("--random")

    def test_libfuzzer_finds_it_too(self):
        status, _, stderr = self.dev("fuzz", "--seconds=1", "demo",
                                     "greeting=Hi")
        self.assertEqual(status, 0, stderr)
        if "no libFuzzer here" in stderr:
            self.assertIn("inputs, and none failed", stderr)
            self.skipTest("there is no libFuzzer")
        self.check()

    def test_a_handler_that_hangs_is_found_with_its_line(self):
        """In a loop, or asleep: each engine is told to end it."""
        for engine, hang in (((), "for (;;) continue;"),
                             (("--random",), "for (;;) pause();")):
            with self.subTest(engine=engine):
                self.dev("new", "-q", "hang", "--model=callbacks")
                self.write("demo/demo.c", self.read("hang/hang.c"))
                self.plant("if (*line == '\\0')\n\t" + hang + "\n")
                conversation, again = self.found("--timeout=1", *engine)
                self.assertTrue(conversation.endswith("\\n\n"))
                status, stdout, stderr = self.dev(
                    *again, "--timeout", "1", *engine, cwd="demo")
                self.assertEqual(status, 1, stdout + stderr)
                self.assertIn("it hangs: it takes more than 1 second\n",
                              stderr)
                if "no sanitizers" not in stderr:
                    self.assertRegex(stderr, r"hang_read .*demo\.c:\d+")

    def test_the_first_input_may_be_the_one_that_fails(self):
        self.plant("abort();\n")
        for engine in (), ("--random",):
            self.found(*engine)
        # Before there is one, none is to blame.
        self.write("none.c", """
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>
#include <stdlib.h>
#include <unistd.h>
static int
ready(void *self)
{
	(void)self;
	if (HANGS)
		pause();
	abort();
}
static void read_it(struct bufferevent *bev, void *state)
{
	(void)bev;
	(void)state;
}
static struct bevhost_plugin none = { .name = "none", .ready = ready,
	.read = read_it };
BEVHOST_PLUGIN(none)
""")
        for engine in (), ("--random",):
            self.refused(78, "none fails before it gets an input: see above",
                         "fuzz", *engine, "none.c", CPPFLAGS="-DHANGS=0")
            self.refused(78, "it hangs: (.*\n)*.*none does not start", "fuzz",
                         "--timeout=1", *engine, "none.c",
                         CPPFLAGS="-DHANGS=1")

    def test_a_signal_ends_it_at_once(self):
        for engine in (), ("--random",):
            process = subprocess.Popen(
                [DEV, "fuzz", "--seconds=100", *engine, "demo"],
                cwd=self.folder, env=self.environment, text=True,
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for line in process.stderr:
                if "fuzzing for" in line:
                    break

            def fuzzers():
                done = subprocess.run(
                    ["pgrep", "-f", self.work + "/.*/fuzzer"],
                    stdout=subprocess.PIPE)
                return done.stdout.split()

            wait_for(fuzzers, "a fuzzer")
            began = time.monotonic()
            process.terminate()
            said = process.communicate()[1]
            self.assertEqual(process.returncode, 143, said)
            self.assertLess(time.monotonic() - began, PATIENCE)
            self.assertEqual(fuzzers(), [])

    def test_memory_that_is_left_is_found(self):
        self.plant("\t\tif (*line == '\\0' && malloc(9) != NULL)\n"
                   "\t\t\t++*greeted;\n")
        status, _, stderr = self.dev("fuzz", "--random", "--seconds=100",
                                     "demo.c", cwd="demo",
                                     CFLAGS="-g -O0 -fno-builtin")
        self.assertEqual(status, 1, stderr)
        self.assertIn("1 block of memory is not freed", stderr)

    def test_what_it_keeps_and_begins_with(self):
        status, _, stderr = self.dev("fuzz", "-t", "1", "demo.c", "inputs",
                                     cwd="demo")
        self.assertEqual(status, 0, stderr)
        self.assertIn("inputs is a new folder, for inputs\n", stderr)
        if "no libFuzzer here" not in stderr:
            self.assertGreater(len(os.listdir(self.path("demo/inputs"))), 2)
        self.write("demo/input", "bob\xff\xfe\n")
        with open(self.path("demo/input"), "wb") as file:
            file.write(b"bob\xfe\xff\xff\n\xffw\xffelate\xffe\xffnhi\xffr"
                       b"late\xffr\xffe\xff0late\xffr")
        status, stdout, stderr = self.dev("fuzz", "--random", "demo.c",
                                          "input", cwd="demo")
        self.assertEqual(status, 0, stderr)
        # Who has ended sends no more.
        self.assertEqual(stdout, ">- bob\n>- \\xff\\n\nwait 1s\nend\n"
                         "client0>- hi\nreset client0\nreset\n")
        self.write("demo/shown.conv", stdout)

    def test_misuse(self):
        self.refused(64, "it is a number of seconds, above 0", "fuzz", "-t", "x",
                     "demo")
        self.refused(64, "--timeout=0: it is a number", "fuzz",
                     "--timeout=0", "demo")
        self.refused(64, "did you mean '--random'", "fuzz", "--radnom", "demo")
        self.refused(64, "which plugin", "fuzz")
        self.refused(73, "inputs are kept in a folder", "fuzz", "demo",
                     "a/b/c")
        self.refused(66, "demo-crash-1: there is no such input", "fuzz",
                     "demo", "demo-crash-1")
        self.assertFalse(os.path.exists(self.path("demo-crash-1")))
        for engine in ((), ("--random",)):
            self.refused(64, "unknown parameter 'nope'", "fuzz", *engine,
                         "demo", "nope=1")
            self.refused(78, "there is no plugin 'nosuch'", "fuzz", *engine,
                         "nosuch")


class Bench(Case):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.dev("new", "demo")[0], 0)

    def check(self, *words, cwd="demo"):
        status, stdout, stderr = self.dev("bench", "-t", "1", "-n", "4",
                                          *words, cwd=cwd)
        self.assertEqual(status, 0, stderr)
        self.assertRegex(stdout, r"\A4 connections +requests/s +CPU per "
                         r"request\n\S+ +\d+ +[\d.]+ us\n"
                         r"an echo by epoll +\d+ +[\d.]+ us\n"
                         r"ratio +[\d.]+ +[\d.]+\n\Z")
        self.assertIn("round 3 of 3", stderr)

    def test_a_conversation_on_new_connections(self):
        self.check(".")

    def test_one_on_the_same_connections_with_its_own_words(self):
        self.write("demo/hi.conv", "with greeting=Hi\nset idle-timeout=1h\n"
                   "> you\n<~ Hi, [a-z]+!.*\n> bob\n<- Hi, \n<* 5\n"
                   "<~ You are number [0-9]+\\.\n")
        self.check("demo.c", "hi.conv", "--", "--lifetime=1h")

    def test_more_than_is_read_at_once_and_the_end_alone(self):
        self.write("big.conv", "> " + 300000 * "x" + "\n< " + 300000 * "x" +
                   "\n")
        self.check("echo", "big.conv", cwd=".")
        # More than all sockets hold: neither side may wait for the other.
        self.write("vast.conv", "> " + 16000000 * "x" + "\n< " +
                   16000000 * "x" + "\n")
        self.check("echo", "vast.conv", cwd=".")
        self.write("end.conv", "> bytes\nend\nclosed\n")
        self.check("discard", "end.conv", cwd=".")
        # How the host closed after that is not seen from here.
        self.write("close.conv", "> a\n< a\nclose\nclosed peer\n")
        self.check("echo", "close.conv", cwd=".")

    def test_a_load_that_breaks_off_says_where(self):
        self.refused(1, r"hi.conv:2: this came instead: 'Hello, you!",
                     "bench", "demo", self.conv("> you\n< Hi, you!\n"))
        self.refused(1, r"hi.conv:2: the server has closed",
                     "bench", "demo", self.conv(
                         ">- " + 250 * "x" + "\n< more\n"))

    def conv(self, text):
        self.write("hi.conv", text)
        return "hi.conv"

    def test_misuse(self):
        for text, why in (("> a\nfrobnicate\n", "hi.conv:2"),
                          ("wait 1s\n", "sent and answered"),
                          ("> a\n< a\nbob> b\nbob< b\n", "one client alone"),
                          ("> a\ndrain\n< a\n", "hi.conv:2: a load cannot")):
            self.refused(65, why, "bench", "demo", self.conv(text))
        self.refused(66, "no such conversation", "bench", "demo", "no.conv")
        self.refused(64, "which conversation", "bench", "echo")
        self.refused(64, "ends in .conv", "bench", "demo", "demo.txt")
        self.refused(64, "is a number above 0", "bench", "demo", "-n", "0")
        self.refused(64, "10000 is the most", "bench", "demo", "-n", "10001")
        self.refused(64, "10000 is the most", "bench", "demo", "-n",
                     "99999999999999999999")
        self.refused(64, "-t needs a value", "bench", "demo", "-t")
        self.refused(64, "cannot be served", "bench", "demo", "colour=red")


if __name__ == "__main__":
    harness.main()
