#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares bevhost with servers that do the same work without it.

Each server has one CPU to itself and the load another.  A row is measured in
short rounds, every server once in each while the others sleep, and the figure
that counts is the CPU time per request as a ratio to the hand-written epoll
loop's of the same round: a machine that is slow for a while is so for both.
The table has the medians of all rounds.

To add a row or a server, add it to ROWS or SERVERS below.
"""

import argparse
import collections
import contextlib
import json
import os
import platform
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

EXTRA_ROWS = ("connect-steady",)    # measured only when asked for

# What a row asks of the servers and of bench_load.
#
# service      what the server does, a key of Server.services
# load         mode of bench_load
# connections  how many of them
# options      further arguments of bench_load
# weight       length of its windows, times --seconds
# target       what bevhost's figure should not exceed: of a row that measures
#              time the ratio, of one that measures memory bytes a connection
Row = collections.namedtuple(
    "Row", "name title service load connections options weight target")

MANY = 10000

ROWS = (
    Row("greeting-50", "greeting: 5 bytes in, 12 out",
        "greeting", "greeting", 50, (), 1, 1.12),
    Row("greeting-10000", "greeting: 5 bytes in, 12 out",
        "greeting", "greeting", MANY, (), 1.5, 1.12),
    Row("echo", "echo of 64 KiB",
        "echo", "echo", 10, ("--size=65536",), 1, 1.25),
    Row("connect", "connect, one greeting, close; in bursts",
        "greeting", "connect", 50, ("--bursts",), 1, 1.15),
    # The client is the slower one, so this is for the rate and the latency:
    # the faster the server, the more of its CPU time goes into waking up.
    Row("connect-steady", "connect, one greeting, close",
        "greeting", "connect", 50, (), 1, None),
    Row("idle", "memory of an idle connection",
        "greeting", "idle", MANY, (), 1, 1638),
)

# command(options, service argument, ready descriptor) gives the arguments to
# run.  How the port is told: "stdout" is a line with the port, "ready-fd" a
# line with address:port on the descriptor.
Server = collections.namedtuple(
    "Server", "name title program command ready services")


def peer(name, title):
    """A program beside this suite, run as PROGRAM MODE PORT."""
    def program(options):
        return os.path.join(options.bindir, "bench_" + name)

    def command(options, service, ready_fd):
        return [program(options), service, "0"]

    return Server(name, title, program, command, "stdout",
                  {"greeting": "greeting", "echo": "echo"})


def bevhost():
    def command(options, service, ready_fd):
        return [options.bevhost, "--no-master", "-q", "-l", "127.0.0.1:0",
                "--ready-fd=%d" % ready_fd, service]

    return Server("bevhost", "bevhost", lambda options: options.bevhost,
                  command, "ready-fd",
                  {"greeting": "greeting", "echo": "echo"})


REFERENCE = "epoll"
SUBJECT = "bevhost"
OPTIONAL = ("libuv",)   # left out when it was not built

SERVERS = (
    peer("epoll", "hand-written epoll loop"),
    bevhost(),
    peer("bufferevent", "libevent bufferevents"),
    peer("libuv", "libuv"),
)

HOST = "127.0.0.1"
START_SECONDS = 10
STOP_SECONDS = 10
LOAD_SECONDS = 60       # longer than bench_load itself waits for a reply
ROUNDS_A_START = 8      # then the servers are started anew
MEMORY_ROUNDS = 2       # memory hardly differs from round to round
SPARE_FILES = 100
QUICK_CONNECTIONS = 2000
BUSY = 0.8              # below this a server slept too often
PICTURE_RATIO = 3.5     # taller bars are cut


class BenchError(Exception):
    """Something broke; the message says what."""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def read_file(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_pipe(fd, seconds, is_complete):
    """Returns what came until it was complete, ended or took too long."""
    deadline = time.monotonic() + seconds
    text = ""
    while not is_complete(text):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        piece = os.read(fd, 4096)
        if not piece:
            break
        text += piece.decode(errors="replace")
    return text


def how_it_ended(status):
    if status >= 0:
        return "exited with %d" % status
    return "was killed by signal %d" % -status


class Child:
    """A process in a group of its own, pinned to one CPU."""

    running = set()

    def __init__(self, name, command, cpu, pass_fds=(), stdin=None):
        self.name = name
        self.errors = tempfile.TemporaryFile()

        def prepare():
            os.sched_setaffinity(0, {cpu})
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        try:
            self.process = subprocess.Popen(
                command, stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=self.errors,
                pass_fds=pass_fds, start_new_session=True,
                preexec_fn=prepare)
        except OSError as error:
            self.errors.close()
            raise BenchError("cannot run %s: %s" % (
                command[0], error.strerror))
        self.pid = self.process.pid
        Child.running.add(self)

    def read(self, seconds, is_complete):
        return read_pipe(self.process.stdout.fileno(), seconds, is_complete)

    def said(self):
        """The last thing that it said on stderr."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").splitlines()
        return lines[-1] if lines else "and said nothing"

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            raise BenchError("%s %s: %s" % (
                self.name, how_it_ended(status), self.said()))

    def wait(self, seconds):
        """Returns what it wrote to stdout."""
        try:
            output = self.process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            raise BenchError("%s did not end in %d seconds" % (
                self.name, seconds))
        Child.running.discard(self)
        if self.process.returncode != 0:
            raise BenchError("%s %s: %s" % (
                self.name, how_it_ended(self.process.returncode),
                self.said()))
        self.errors.close()
        return output.decode(errors="replace")

    def stop(self):
        self.check_alive()
        self.process.terminate()
        self.wait(STOP_SECONDS)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        Child.running.discard(self)

    @classmethod
    def kill_all(cls):
        for child in list(cls.running):
            child.kill()


class RunningServer:
    """A server that listens, as long as the with statement lasts."""

    def __init__(self, server, service, options):
        self.name = server.name
        ready, ready_fd = os.pipe()
        try:
            self.child = Child(
                server.name,
                server.command(options, server.services[service], ready_fd),
                options.server_cpu,
                (ready_fd,) if server.ready == "ready-fd" else ())
            os.close(ready_fd)
            ready_fd = -1
            if server.ready == "ready-fd":
                text = read_pipe(ready, START_SECONDS,
                                 lambda text: "\n" in text)
            else:
                text = self.child.read(START_SECONDS,
                                       lambda text: "\n" in text)
        finally:
            os.close(ready)
            if ready_fd >= 0:
                os.close(ready_fd)
        port = text.partition("\n")[0].rpartition(":")[2]
        if not port.isdigit():
            # An end of the pipe comes a moment before that of the process.
            time.sleep(0.2)
            self.child.check_alive()
            raise BenchError("%s did not tell its port in %d seconds" % (
                self.name, START_SECONDS))
        self.port = port
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.child.stop()
        else:
            self.child.kill()

    def check_accounted(self):
        """The figures are those of one process: there may be no more."""
        children = ""
        with contextlib.suppress(OSError):
            children = read_file("/proc/%d/task/%d/children" % (
                self.pid, self.pid))
        if children.strip():
            raise BenchError("%s has child processes, whose CPU time and "
                             "memory would be missed" % self.name)

    def pss_bytes(self):
        try:
            text = read_file("/proc/%d/smaps_rollup" % self.pid)
        except OSError as error:
            raise BenchError("cannot read the memory of %s: %s" % (
                self.name, error.strerror))
        for line in text.splitlines():
            fields = line.split()
            if fields and fields[0] == "Pss:":
                return int(fields[1]) * 1024
        raise BenchError("the kernel does not tell the memory of %s" %
                         self.name)


class RunningLoad:
    """A bench_load with its connections to a server open."""

    def __init__(self, row, server, options):
        self.server = server
        self.limit_seconds = LOAD_SECONDS + options.seconds * row.weight
        command = [
            os.path.join(options.bindir, "bench_load"), row.load, HOST,
            server.port, str(row.connections),
            "%g" % (options.seconds * row.weight),
            "--server-pid=%d" % server.pid,
            "--warm-up=%g" % options.warm_up, "--on-request"]
        self.child = Child("bench_load", command + list(row.options),
                           options.load_cpu, stdin=subprocess.PIPE)
        self.read("ready\n")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.child.kill()

    def read(self, last_line):
        text = self.child.read(self.limit_seconds,
                               lambda text: last_line in text)
        if last_line not in text:
            self.stop()
            raise BenchError("%s: bench_load broke off" % self.server.name)
        return text

    def stop(self):
        try:
            self.child.wait(STOP_SECONDS)
        except BenchError as error:
            # When the server died that is why, and it may say more.
            time.sleep(0.2)
            self.server.child.check_alive()
            raise BenchError("%s: %s" % (self.server.name, error))

    def window(self):
        """Measures once; returns what bench_load printed."""
        with contextlib.suppress(BrokenPipeError):
            self.child.process.stdin.write(b"\n")
            self.child.process.stdin.flush()
        text = self.read("errors=0\n")
        self.server.check_accounted()
        return dict(line.split("=", 1) for line in text.splitlines())


def is_memory(row):
    return row.load == "idle"


def measure_time(load):
    values = load.window()
    requests = int(values["requests"])
    cpu_us = int(values["cpu_ns"]) / 1000
    if cpu_us == 0:
        raise BenchError("%s used no CPU time: process %d is not the server" %
                         (load.server.name, load.server.pid))
    figures = {"cpu_us_per_request": cpu_us / requests}
    if "seconds" in values:
        seconds = float(values["seconds"])
        figures["requests_per_second"] = requests / seconds
        figures["busy"] = cpu_us / 1e6 / seconds
        figures["p50_us"] = float(values["p50_us"])
        figures["p99_us"] = float(values["p99_us"])
    return figures


def measure_memory(row, server, options):
    with RunningServer(server, row.service, options) as running:
        before = running.pss_bytes()
        with RunningLoad(row, running, options):
            after = running.pss_bytes()
            running.check_accounted()
    return {"bytes_per_connection": (after - before) / row.connections}


def describe(figures):
    if "bytes_per_connection" in figures:
        return "%.0f bytes a connection" % figures["bytes_per_connection"]
    return "%8.2f us a request" % figures["cpu_us_per_request"]


def report(row, number, rounds, name, figures):
    progress("%-15s round %d of %d: %-12s %s" % (
        row.name, number, rounds, name, describe(figures)))


def run_memory_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    rounds = min(options.rounds, MEMORY_ROUNDS)
    for number in range(1, rounds + 1):
        for server in servers:
            one = measure_memory(row, server, options)
            figures[server.name].append(one)
            report(row, number, rounds, server.name, one)
    return figures


def run_time_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    for first in range(0, options.rounds, ROUNDS_A_START):
        last = min(first + ROUNDS_A_START, options.rounds)
        with contextlib.ExitStack() as stack:
            loads = []
            for server in servers:
                running = stack.enter_context(
                    RunningServer(server, row.service, options))
                loads.append(stack.enter_context(
                    RunningLoad(row, running, options)))
            for number in range(first, last):
                for load in loads:
                    one = measure_time(load)
                    figures[load.server.name].append(one)
                    report(row, number + 1, options.rounds,
                           load.server.name, one)
    return figures


def run_row(row, servers, options):
    """Returns the figures of all rounds by server name."""
    able = [server for server in servers if row.service in server.services]
    if is_memory(row):
        return run_memory_row(row, able, options)
    return run_time_row(row, able, options)


def summarize(row, figures):
    """Returns one row of the table: the medians, and all rounds."""
    servers = {}
    for name, rounds in figures.items():
        summary = {key: statistics.median(one[key] for one in rounds)
                   for key in rounds[0]}
        if not is_memory(row) and REFERENCE in figures:
            ratios = [one["cpu_us_per_request"] /
                      reference["cpu_us_per_request"]
                      for one, reference in zip(rounds, figures[REFERENCE])]
            summary["ratio"] = statistics.median(ratios)
            summary["ratio_lowest"] = min(ratios)
            summary["ratio_highest"] = max(ratios)
        summary["rounds"] = rounds
        servers[name] = summary
    result = {
        "name": row.name,
        "title": row.title,
        "connections": row.connections,
        "measures": "memory" if is_memory(row) else "time",
        "target": row.target,
        "servers": servers,
    }
    result["exceeded"] = exceeded(result)
    return result


def exceeded(result):
    """Whether bevhost is over its target: None when it is not known."""
    key = "bytes_per_connection" if result["measures"] == "memory" \
        else "ratio"
    figure = result["servers"].get(SUBJECT, {}).get(key)
    if figure is None or result["target"] is None:
        return None
    return figure > result["target"]


def verdict(result, name):
    if name != SUBJECT or result["exceeded"] is None:
        return ""
    return "OVER THE TARGET" if result["exceeded"] else "ok"


def target_text(result):
    if result["measures"] == "memory":
        return "%s bytes" % "{:,.0f}".format(result["target"])
    return "%.2f" % result["target"]


def cell(summary, key, form):
    return form.format(summary[key]) if key in summary else "-"


def table_lines(result):
    title = "%s, %s connections" % (
        result["title"], "{:,d}".format(result["connections"]))
    if result["target"] is not None:
        title += " (target %s)" % target_text(result)
    lines = ["", title]
    for name, summary in result["servers"].items():
        if result["measures"] == "memory":
            line = "  %-12s %10s bytes a connection  %s" % (
                name, "{:,.0f}".format(summary["bytes_per_connection"]),
                verdict(result, name))
        else:
            line = "  %-12s %10s %7.2f %5s %7s %7s" % (
                name, cell(summary, "requests_per_second", "{:,.0f}"),
                summary["cpu_us_per_request"],
                cell(summary, "busy", "{:.0%}"),
                cell(summary, "p50_us", "{:,.0f}"),
                cell(summary, "p99_us", "{:,.0f}"))
            if "ratio" in summary:
                line += "  %5.2f %5.2f-%.2f %s" % (
                    summary["ratio"], summary["ratio_lowest"],
                    summary["ratio_highest"], verdict(result, name))
        lines.append(line.rstrip())
    return lines


def table(results):
    lines = ["  %-12s %10s %7s %5s %7s %7s  %5s %s" % (
        "server", "requests/s", "CPU us", "busy", "p50 us", "p99 us",
        "ratio", "lowest-highest")]
    for result in results:
        lines += table_lines(result)
    lines += ["", "CPU us: CPU time of the server for each request.  ratio: "
              "CPU us divided by that",
              "of %s, median of all rounds.  busy: how much of its CPU the "
              "server used." % REFERENCE]
    dozing = [result["name"] for result in results
              if any(one.get("busy", 1) < BUSY
                     for one in result["servers"].values())]
    if dozing:
        lines += ["", "A slow load, or others on this machine, kept servers "
                  "from being busy in:", ", ".join(dozing)]
    over = [result["name"] for result in results if result["exceeded"]]
    if over:
        lines += ["", "%s exceeds its target in: %s" % (
            SUBJECT, ", ".join(over))]
    return "\n".join(lines)


def processor():
    with contextlib.suppress(OSError):
        for line in read_file("/proc/cpuinfo").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def write_json(path, results, servers, options):
    document = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "processor": processor(),
            "kernel": platform.release(),
            "cpus": len(os.sched_getaffinity(0)),
        },
        "settings": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "warm_up_seconds": options.warm_up,
            "servers": {server.name: server.title for server in servers},
            "reference": REFERENCE,
        },
        "rows": results,
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


COLORS = ("#9aa0a6", "#1a66b8", "#e08a1e", "#3c9d5b", "#a1569c", "#b33a3a")


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def plot_bars(results, servers, value, height, format_value):
    """One gnuplot plot: groups of bars, each with its figure on top."""
    width = 0.8 / max(1, len(servers))
    blocks = []
    parts = []
    for index, server in enumerate(servers):
        points = []
        for group, result in enumerate(results):
            figure = value(result, server.name)
            if figure is not None:
                label = format_value(figure)
                if figure > height:
                    label += "\u2191"
                points.append("%g %g %s" % (
                    group + (index - (len(servers) - 1) / 2) * width,
                    min(figure, height), quoted(label)))
        if not points:
            continue
        block = "$data%d" % len(blocks)
        blocks.append("%s << END\n%s\nEND" % (block, "\n".join(points)))
        parts.append('%s using 1:2:(%g) with boxes lc rgb "%s" title %s' % (
            block, width * 0.92, COLORS[index % len(COLORS)],
            quoted(server.title)))
        parts.append('%s using 1:2:3 with labels offset 0,0.6 '
                     'font ",9" notitle' % block)
    tics = ", ".join("%s %d" % (quoted("%s\\n%s connections" % (
        result["name"].partition("-")[0],
        "{:,d}".format(result["connections"]))), group)
        for group, result in enumerate(results))
    # quoted() doubled the backslash of the line break.
    tics = tics.replace("\\\\n", "\\n")
    return "\n".join(blocks + [
        "set xtics (%s)" % tics,
        "set xrange [-0.6:%g]" % (len(results) - 0.4),
        "set yrange [0:%g]" % (height * 1.12),
        "plot " + ", ".join(parts)])


def picture_script(path, results, servers):
    times = [result for result in results
             if result["measures"] == "time" and any(
                 "ratio" in one for one in result["servers"].values())]
    memories = [result for result in results
                if result["measures"] == "memory"]
    lines = [
        'set terminal svg size 960,440 font "sans-serif,11" '
        'background "white"',
        "set encoding utf8", "set output %s" % quoted(path),
        "set style fill solid noborder",
        "set border 3", "set tics nomirror", "set xtics scale 0",
        'set grid ytics lc rgb "#dddddd"', "set key top left",
        "set bmargin 4",
        "set multiplot",
    ]
    split = 0.74 if memories else 1
    if times:
        lines += [
            "set origin 0,0", "set size %g,1" % split,
            "set title %s" % quoted(
                "CPU time per request, hand-written epoll loop = 1"),
            plot_bars(times, servers,
                      lambda result, name:
                      result["servers"].get(name, {}).get("ratio"),
                      PICTURE_RATIO, lambda figure: "%.2f" % figure)]
    if memories:
        def value(result, name):
            return result["servers"].get(name, {}).get(
                "bytes_per_connection")

        highest = max(value(result, server.name) or 0
                      for result in memories for server in servers)
        lines += [
            "set origin %g,0" % (split if times else 0),
            "set size %g,1" % (1 - split if times else 1),
            "unset key" if times else "",
            "set title %s" % quoted("Memory, bytes"),
            plot_bars(memories, servers, value, max(highest, 1),
                      lambda figure: "{:,.0f}".format(figure))]
    lines.append("unset multiplot")
    if not times and not memories:
        return None
    return "\n".join(lines) + "\n"


def write_picture(path, results, servers):
    """Returns a sentence about what was done."""
    if shutil.which("gnuplot") is None:
        return "gnuplot is not installed: no picture was made"
    script = picture_script(path, results, servers)
    if script is None:
        return "no picture was made: there are no ratios without %s" % \
            REFERENCE
    result = subprocess.run(["gnuplot"], input=script,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            encoding="utf-8")
    if result.returncode != 0:
        raise BenchError("gnuplot failed: %s" % (
            result.stderr.strip() or "without a word"))
    return "picture: %s" % path


def choose(what, table_of_all, names, extra=()):
    if names is None:
        return [one for one in table_of_all if one.name not in extra]
    known = {one.name: one for one in table_of_all}
    chosen = []
    for name in names.split(","):
        if name not in known:
            raise BenchError("no such %s: %s (there are %s)" % (
                what, name, ", ".join(known)))
        chosen.append(known[name])
    return [one for one in table_of_all if one in chosen]


def is_program(path):
    return path is not None and os.path.isfile(path) and \
        os.access(path, os.X_OK)


def available_servers(options):
    servers = []
    for server in choose("server", SERVERS, options.servers):
        path = server.program(options)
        if is_program(path):
            servers.append(server)
        elif server.name in OPTIONAL and options.servers is None:
            progress("%s was not built: it is left out" % server.name)
        elif path is None:
            raise BenchError("where %s is must be told with --%s=PATH, or "
                             "leave it out with --servers" % (
                                 server.name, server.name))
        else:
            raise BenchError("no program %s" % path)
    return servers


def fit_rows(rows, options):
    """Scales the rows down to the files that a process may have open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = float("inf")
    if hard != resource.RLIM_INFINITY:
        most = max(1, hard - SPARE_FILES)
    fitted = []
    for row in rows:
        connections = row.connections
        if options.quick:
            connections = min(connections, QUICK_CONNECTIONS)
        if connections > most:
            progress("%s: only %d connections instead of %d, the hard limit "
                     "of open files is %d" % (row.name, most, connections,
                                              hard))
            connections = int(most)
        fitted.append(row._replace(connections=connections))
    return fitted


def positive(kind):
    def convert(text):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be more than 0")
        return value
    return convert


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Compare bevhost with other servers.")
    parser.add_argument("--bevhost", metavar="PATH",
                        help="the bevhost program (a wrapper must exec it)")
    parser.add_argument("--bindir", metavar="DIRECTORY", default=".",
                        help="where the other programs are")
    parser.add_argument("--output", metavar="DIRECTORY", default=".",
                        help="where bench.json and bench.svg go")
    parser.add_argument("--servers", metavar="NAME,...",
                        help="some of: " + ", ".join(
                            server.name for server in SERVERS))
    parser.add_argument("--rows", metavar="NAME,...", help="some of: " +
                        ", ".join(row.name for row in ROWS))
    parser.add_argument("--rounds", metavar="N", type=positive(int),
                        help="rounds of each row")
    parser.add_argument("--seconds", metavar="N", type=positive(float),
                        help="length of a window")
    parser.add_argument("--quick", action="store_true",
                        help="about 15 seconds in all: rough figures")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = 3 if options.quick else 2 * ROUNDS_A_START
    if options.seconds is None:
        options.seconds = 0.1 if options.quick else 0.3
    options.warm_up = 0.05
    return options


def choose_cpus(options):
    cpus = sorted(os.sched_getaffinity(0))
    options.server_cpu = cpus[0]
    options.load_cpu = cpus[-1] if len(cpus) < 2 else cpus[1]
    if len(cpus) < 2:
        progress("there is one CPU only, for server and load: the figures "
                 "are rough")


def run(options):
    servers = available_servers(options)
    load = os.path.join(options.bindir, "bench_load")
    if not is_program(load):
        raise BenchError("no program %s" % load)
    rows = fit_rows(choose("row", ROWS, options.rows, EXTRA_ROWS), options)
    choose_cpus(options)

    results = []
    for row in rows:
        results.append(summarize(row, run_row(row, servers, options)))
    print(table(results))

    path = os.path.join(options.output, "bench.json")
    write_json(path, results, servers, options)
    progress("figures: %s" % path)
    progress(write_picture(os.path.join(options.output, "bench.svg"),
                           results, servers))


def on_signal(number, frame):
    sys.exit(128 + number)


def main():
    options = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        run(options)
    except (BenchError, OSError) as error:
        print("bench: %s" % error, file=sys.stderr)
        return 1
    finally:
        Child.kill_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
