#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares bevhost with servers that do the same work without it, and its
three models of handlers with one another.

Each server has one CPU to itself and the load another.  A row is measured in
short rounds, every server once in each while the others sleep, and the figure
that counts is the CPU time per request as a ratio to the reference's of the
same round: a machine that is slow for a while is so for both.  The reference
is the hand-written epoll loop, of the models the handler with callbacks, of
the relay socat, of the proxy HAProxy, of TLS nginx with its stream module
(Debian: nginx-light and libnginx-mod-stream).  The table has the medians of all
rounds.

To add a row or a server, add it to ROWS or SERVERS below.
"""

import argparse
import collections
import contextlib
import copy
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

# The source folder may be read-only, or somebody's checkout.
sys.dont_write_bytecode = True

from bench_process import (  # noqa: E402
    BenchError, Child, RelayLoad, RequestLoad, RunningServer, progress,
    run_alone)
import bench_nginx  # noqa: E402
import bench_programs  # noqa: E402
import bench_proxies  # noqa: E402
from bench_report import table, write_json, write_picture  # noqa: E402

EXTRA_ROWS = ("connect-steady", "limits-connect", "lua-10000",
              "models-idle-50000")    # only when asked for

# What a server's figure should not exceed: a key of its summary, and a number.
Target = collections.namedtuple("Target", "figure limit")

# What a row asks of the servers and of the load.
#
# measures     what: a key of RUNNERS
# service      what the server does, a key of Server.services
# load         mode of bench_load
# connections  how many of them
# servers      which, by name
# reference    to which of them the others are compared, or None
# targets      by the name of the server
# options      further arguments of bench_load
# weight       length of its windows, times --seconds
# share        of the rounds that --rounds says
# program      the load
Row = collections.namedtuple(
    "Row", "name title measures service load connections servers reference "
    "targets options weight share program",
    defaults=((), 1, 1, "bench_load"))

MANY = 10000

PEERS = ("epoll", "bevhost", "bufferevent", "libuv")
MODELS = ("callbacks", "generator", "async")
RELAYS = ("socat", "socat-256k", "socks")
TLS = ("nginx", "bevhost-tls")
PROXIES = ("haproxy", "nginx-proxy", "proxy")
LIMITS = ("limits-off", "limits-on")
PROGRAMS = ("tcpserver", "xinetd", "exec")
CHATS = ("chat-epoll", "bevhost-chat", "chat-asyncio")


def most_ratio(limit):
    return {"bevhost": Target("ratio", limit)}


MODEL_RATIOS = {
    "generator": Target("ratio", 1.03),
    "async": Target("ratio", 1.08),
}

ROWS = (
    Row("greeting-50", "greeting: 5 bytes in, 12 out", "time",
        "greeting", "greeting", 50, PEERS, "epoll", most_ratio(1.12)),
    Row("greeting-10000", "greeting: 5 bytes in, 12 out", "time",
        "greeting", "greeting", MANY, PEERS, "epoll", most_ratio(1.12),
        weight=1.5),
    Row("echo", "echo of 64 KiB", "time",
        "echo", "echo", 10, PEERS, "epoll", most_ratio(1.25),
        options=("--size=65536",)),
    Row("connect", "connect, one greeting, close; in bursts", "time",
        "greeting", "connect", 50, PEERS, "epoll", most_ratio(1.15),
        options=("--bursts",)),
    # The client is the slower one, so this is for the rate and the latency:
    # the faster the server, the more of its CPU time goes into waking up.
    Row("connect-steady", "connect, one greeting, close", "time",
        "greeting", "connect", 50, PEERS, "epoll", {}),
    # One handshake for each request: a ratio of 1 is as many of them for each
    # second of CPU time.
    Row("tls-connect", "TLS: connect, handshake, one greeting, close", "time",
        "handshake", "handshake", 50, TLS, "nginx",
        {"bevhost-tls": Target("ratio", 1.0)}, program="bench_tls"),
    # nginx hands each message to another process and back, whose CPU time is
    # not counted.
    Row("tls-echo", "TLS: echo of 64 KiB", "time", "echo", "echo", 10, TLS,
        "nginx", {"bevhost-tls": Target("ratio", 1.0)}, program="bench_tls"),
    Row("limits", "all limits and deadlines, 10,000 networks: greeting",
        "time", "greeting", "greeting", 50, LIMITS, "limits-off",
        {"limits-on": Target("ratio", 1.03)}),
    Row("limits-connect", "the same: connect, one greeting, close; in bursts",
        "time", "greeting", "connect", 50, LIMITS, "limits-off", {},
        options=("--bursts",)),
    Row("idle", "memory of an idle connection", "memory",
        "greeting", "idle", MANY, PEERS, "epoll",
        {"bevhost": Target("bytes_per_connection", 1638)}),
    Row("models-50", "models of handlers: greeting", "time",
        "greeting", "greeting", 50, MODELS, "callbacks", MODEL_RATIOS,
        share=0.7),
    Row("models-10000", "models of handlers: greeting", "time",
        "greeting", "greeting", MANY, MODELS, "callbacks", MODEL_RATIOS,
        weight=1.5, share=0.7),
    # A generator's own is its frame, here of 56 bytes, and what malloc adds.
    Row("models-idle", "models of handlers: memory of an idle connection",
        "memory", "greeting", "idle", MANY, MODELS, "callbacks",
        {"generator": Target("bytes_over_reference", 256),
         "async": Target("bytes_per_connection", 6144)}),
    Row("models-idle-50000", "memory of a connection that waits in a task",
        "memory", "greeting", "idle", 50000, ("async",), None,
        {"async": Target("bytes_per_connection", 6144)},
        options=("--again",)),
    # A request is a line that comes to one member.
    Row("chat", "chat: one of all speaks", "time", "chat", "chat", 1000,
        CHATS, "chat-epoll", {"bevhost-chat": Target("ratio", 1.2)},
        program="bench_chat"),
    Row("chat-busy", "chat: 20 of all speak at once", "time", "chat", "chat",
        1000, CHATS, "chat-epoll", {"bevhost-chat": Target("ratio", 1.2)},
        options=("--speakers=20",), program="bench_chat"),
    Row("lua-50", "a script in Lua: greeting", "time", "greeting", "greeting",
        50, ("callbacks", "lua"), "callbacks", {"lua": Target("ratio", 1.5)},
        share=0.7),
    Row("lua-10000", "a script in Lua: greeting", "time",
        "greeting", "greeting", MANY, ("callbacks", "lua"), "callbacks",
        {"lua": Target("ratio", 1.5)}, weight=1.5, share=0.7),
    Row("lua-idle", "a script in Lua: memory of an idle connection", "memory",
        "greeting", "idle", MANY, ("callbacks", "lua"), "callbacks", {}),
    Row("relay", "relay, one connection, one way", "relay",
        "relay", None, 1, RELAYS, "socat", {"socks": Target("ratio", 1.3)},
        share=0.25),
    # Each byte goes through twice: there, and back from where it leads.
    Row("proxy", "proxy: 1 KiB there and back", "time", "echo", "echo", 50,
        PROXIES, "haproxy", {"proxy": Target("ratio", 1.15)},
        options=("--size=1024",)),
    Row("proxy-relay", "proxy, one connection, one way", "relay",
        "relay", None, 1, PROXIES, "haproxy",
        {"proxy": Target("ratio", 1.15)}, share=0.25),
    Row("proxy-idle", "proxy: memory of an idle connection", "memory",
        "greeting", "idle", MANY, PROXIES, "haproxy",
        {"proxy": Target("bytes_over_reference", 0)}),
    # Server and programs have one CPU together: a ratio of 1 is as many
    # connections in a second.
    Row("exec", "a program for each connection: one greeting, close",
        "programs", "program", "connect", 16, PROGRAMS, "tcpserver",
        {"exec": Target("ratio", 1.0)}),
    Row("switch", "one switch to a stack and back", "switch",
        "switch", None, 1, ("coro",), None,
        {"coro": Target("ns_per_switch", 25)}, share=0.5),
)

# services     what it can do: the words that make it do that
# command      (options, words, ready descriptor, target port) gives the
#              arguments to run; the port is where a relay leads
# ready        how the port is told: "stdout" is a line with the port,
#              "ready-fd" a line with address:port on the descriptor, "socat"
#              one of its log; "port": it gets one in place of the descriptor
# handshake    what a relay speaks, as bench_relay calls it
# ends_itself  when its connection is closed
# load_options further arguments of its loads
# relays       services for which it needs another server, epoll, at a target
Server = collections.namedtuple(
    "Server", "name title program command ready services handshake "
    "ends_itself load_options relays", defaults=(None, False, (), ()))


def beside(name):
    """The path of a program of this suite."""
    return lambda options: os.path.join(options.bindir, name)


def peer(name, title):
    """A program beside this suite, run as PROGRAM MODE PORT."""
    program = beside("bench_" + name)

    def command(options, words, ready_fd, target_port):
        return [program(options), *words, "0"]

    return Server(name, title, program, command, "stdout",
                  {"greeting": ("greeting",), "echo": ("echo",)})


def bevhost(name, title, services, **more):
    def command(options, words, ready_fd, target_port):
        return [options.bevhost, "--no-master", "-q", "-l", HOST_ANY_PORT,
                "--ready-fd=%d" % ready_fd, *words]

    return Server(name, title, lambda options: options.bevhost, command,
                  "ready-fd", services, **more)


def model(name, title, plugin):
    return bevhost(name, title, {"greeting": (plugin,)})


def socat(name, title, words):
    """One connection, hence no processes of its own: all time is counted."""
    def command(options, words, ready_fd, target_port):
        return [shutil.which("socat"), "-d", "-d", *words,
                "TCP-LISTEN:0,bind=127.0.0.1",
                "TCP:127.0.0.1:%s" % target_port]

    return Server(name, title, lambda options: shutil.which("socat"), command,
                  "socat", {"relay": words}, "direct", True)


def bevhost_tls(options, words, ready_fd, target_port):
    cert, key = bench_nginx.certificate()
    return [options.bevhost, "--no-master", "-q", "-l", HOST_ANY_PORT,
            "--ready-fd=%d" % ready_fd, "--tls-cert=" + cert,
            "--tls-key=" + key, *words]


def nginx(options, words, port, target_port):
    return bench_nginx.command(words[0], port, target_port)


RELAYED = {"echo": (), "greeting": (), "relay": ()}


def proxy(options, words, ready_fd, target_port):
    return [options.bevhost, "--no-master", "-q", "-l", HOST_ANY_PORT,
            "--ready-fd=%d" % ready_fd, "proxy",
            "to=127.0.0.1:%s" % target_port]


def run_programs(options, words, ready_fd, target_port):
    return [options.bevhost, "--no-master", "-q", "-l", HOST_ANY_PORT,
            "--ready-fd=%d" % ready_fd, "exec",
            bench_programs.program(options)]


# What each connection is asked for, at bounds that none of them meets.
LIMITS_ON = """\
max-connections = 200000
max-connections-per-client = 100000
connection-rate = 1000000/s
connection-rate-per-client = 1000000/s
bytes-in-rate = 16G
bytes-out-rate = 16G
first-byte-timeout = 1m
idle-timeout = 10m
write-timeout = 1m
min-rate = 64
lifetime = 1h
keepalive = 1m
tcp-user-timeout = 2m
max-memory = 1G
"""
LIMITS_OFF = """\
first-byte-timeout = 0s
idle-timeout = 0s
write-timeout = 0s
min-rate = 0
keepalive = 0s
tcp-user-timeout = 0s
"""
NETWORKS = 10000


def limits(options, words, ready_fd, target_port):
    """With a file: so many networks are more than a command line takes."""
    text, networks = LIMITS_OFF, ""
    if words[0] == "on":
        text = LIMITS_ON
        networks = "".join("deny = 10.%d.%d.0/24\n" % (i >> 8, i & 255)
                           for i in range(NETWORKS - 1))
        networks += "allow = 127.0.0.0/8\n"
    path = os.path.join(bench_nginx.folder(), "limits-%s.conf" % words[0])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + networks)
    return [options.bevhost, "--no-master", "-q", "-c", path, "-l",
            HOST_ANY_PORT, "--ready-fd=%d" % ready_fd, "greeting"]


GREETING_LUA = """\
function serve(conn)
	while conn:read() do
		conn:write("Hello World!")
	end
end
"""


def lua(options, words, ready_fd, target_port):
    path = os.path.join(bench_nginx.folder(), "greeting.lua")
    with open(path, "w", encoding="utf-8") as file:
        file.write(GREETING_LUA)
    return [options.bevhost, "--no-master", "-q", "-l", HOST_ANY_PORT,
            "--ready-fd=%d" % ready_fd, "lua", "script=" + path]


def bevhost_with_lua(options):
    """The program, or None when it was built without Lua."""
    if options.bevhost is None or subprocess.run(
            [options.bevhost, "--dump-plugin=lua"], check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return None
    return options.bevhost


HOST_ANY_PORT = "127.0.0.1:0"
SOURCES = os.path.dirname(os.path.abspath(__file__))
# Left out when not there.
OPTIONAL = ("libuv", "socat", "socat-256k", "nginx", "haproxy",
            "nginx-proxy", "tcpserver", "xinetd", "lua")

SERVERS = (
    peer("epoll", "hand-written epoll loop"),
    bevhost("bevhost", "bevhost",
            {"greeting": ("greeting",), "echo": ("echo",)}),
    peer("bufferevent", "libevent bufferevents"),
    peer("libuv", "libuv"),
    model("callbacks", "callbacks", "greeting"),
    model("generator", "generator", "greeting-generator"),
    model("async", "async", "greeting-async"),
    Server("chat-epoll", "hand-written chat", beside("bench_chat_epoll"),
           lambda options, words, ready_fd, target_port:
               [beside("bench_chat_epoll")(options), "chat", "0"],
           "stdout", {"chat": ()}),
    bevhost("bevhost-chat", "bevhost chat",
            {"chat": ("chat", "rate=0", "history=0", "announce=0")}),
    Server("chat-asyncio", "asyncio chat", lambda options: sys.executable,
           lambda options, words, ready_fd, target_port:
               [sys.executable, os.path.join(SOURCES, "bench_chat_asyncio.py"),
                "0"],
           "stdout", {"chat": ()}),
    Server("lua", "lua", bevhost_with_lua, lua, "ready-fd", {"greeting": ()}),
    socat("socat", "socat", ()),
    # By default it moves 8 KiB at a time.
    socat("socat-256k", "socat -b 262144", ("-b", "262144")),
    bevhost("socks", "bevhost socks", {"relay": ("socks", "private=on")},
            handshake="socks"),
    Server("nginx", "nginx stream", lambda options: bench_nginx.program(),
           nginx, "port", {"handshake": ("return",), "echo": ("echo",)},
           load_options=("--speaks-first",), relays=("echo",)),
    Server("bevhost-tls", "bevhost", lambda options: options.bevhost,
           bevhost_tls, "ready-fd",
           {"handshake": ("greeting",), "echo": ("echo",)}),
    Server("haproxy", "HAProxy", lambda options: bench_proxies.find("haproxy"),
           lambda options, words, port, target_port: bench_proxies.haproxy(
               port, target_port), "port", RELAYED, "direct",
           relays=("echo", "greeting")),
    Server("nginx-proxy", "nginx stream",
           lambda options: bench_nginx.program(),
           lambda options, words, port, target_port: bench_proxies.nginx(
               port, target_port), "port", RELAYED, "direct",
           relays=("echo", "greeting")),
    Server("proxy", "bevhost proxy", lambda options: options.bevhost,
           proxy, "ready-fd", RELAYED, handshake="direct",
           relays=("echo", "greeting")),
    Server("limits-off", "without limits", lambda options: options.bevhost,
           limits, "ready-fd", {"greeting": ("off",)}),
    Server("limits-on", "all limits", lambda options: options.bevhost,
           limits, "ready-fd", {"greeting": ("on",)}),
    Server("tcpserver", "tcpserver (ucspi-tcp)",
           lambda options: bench_programs.find("tcpserver"),
           lambda options, words, port, target_port:
           bench_programs.tcpserver(options, port), "port",
           {"program": ()}),
    Server("xinetd", "xinetd", lambda options: bench_programs.find("xinetd"),
           lambda options, words, port, target_port: bench_programs.xinetd(
               options, port), "port", {"program": ()}),
    Server("exec", "bevhost exec", lambda options: options.bevhost,
           run_programs, "ready-fd", {"program": ()}),
    Server("coro", "switch of stacks", beside("bench_switch"), None, None,
           {"switch": ()}),
)

ROUNDS_A_START = 6      # then the servers are started anew
MODEL_ROUNDS_A_START = 2
MEMORY_ROUNDS = 2       # memory hardly differs from round to round
RELAY_BYTES = 1 << 30
RELAY_QUICK_BYTES = 1 << 27
SPARE_FILES = 100
QUICK_CONNECTIONS = 2000


def measure_time(load):
    values = load.window()
    requests = int(values["requests"])
    cpu_us = used_cpu_us(load, values)
    figures = {"cpu_us_per_request": cpu_us / requests}
    if "seconds" in values:
        seconds = float(values["seconds"])
        figures["requests_per_second"] = requests / seconds
        figures["busy"] = cpu_us / 1e6 / seconds
        figures["p50_us"] = float(values["p50_us"])
        figures["p99_us"] = float(values["p99_us"])
    return figures


def measure_programs(load):
    """By the clock: the time of processes that have ended is nobody's."""
    values = load.window()
    requests, seconds = int(values["requests"]), float(values["seconds"])
    return {
        "us_per_connection": seconds * 1e6 / requests,
        "requests_per_second": requests / seconds,
        "p50_us": float(values["p50_us"]),
        "p99_us": float(values["p99_us"]),
    }


def used_cpu_us(load, values):
    cpu_us = int(values["cpu_ns"]) / 1000
    if cpu_us == 0:
        raise BenchError("%s used no CPU time: process %d is not the server" %
                         (load.server.name, load.server.pid))
    return cpu_us


def measure_relay(load):
    values = load.window()
    cpu_seconds = used_cpu_us(load, values) / 1e6
    gib = int(values["bytes"]) / (1 << 30)
    seconds = float(values["seconds"])
    return {
        "cpu_seconds_per_gib": cpu_seconds / gib,
        "gib_per_second": gib / seconds,
        "busy": cpu_seconds / seconds,
    }


def measure_memory(row, server, options):
    with contextlib.ExitStack() as stack:
        running = start(stack, server, row, options)
        before = running.pss_bytes()
        with RequestLoad(row, running, options) as load:
            after = running.pss_bytes()
            running.check_accounted()
    figures = {"bytes_per_connection": (after - before) / row.connections}
    if "--again" in row.options:
        figures["answered"] = load.answered()
        if figures["answered"] != row.connections:
            raise BenchError("%s: only %d of %d connections answered again" % (
                server.name, figures["answered"], row.connections))
    return figures


def describe(figures):
    for key, form in (
            ("bytes_per_connection", "%.0f bytes a connection"),
            ("cpu_us_per_request", "%8.2f us a request"),
            ("cpu_seconds_per_gib", "%8.3f CPU s a GiB"),
            ("us_per_connection", "%8.1f us a connection"),
            ("ns_per_switch", "%8.1f ns a switch")):
        if key in figures:
            return form % figures[key]
    return ""


def report(row, number, rounds, name, figures):
    progress("%-15s round %d of %d: %-12s %s" % (
        row.name, number, rounds, name, describe(figures)))


def rounds_of(row, options):
    return max(1, round(options.rounds * row.share))


def run_memory_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    rounds = min(options.rounds, MEMORY_ROUNDS)
    for number in range(1, rounds + 1):
        for server in servers:
            one = measure_memory(row, server, options)
            figures[server.name].append(one)
            report(row, number, rounds, server.name, one)
    return figures


def run_rounds(row, loads, measure, numbers, rounds, figures):
    """Each load once in each round; forth, then back."""
    for number in numbers:
        for load in loads[::1 if number % 2 == 0 else -1]:
            one = measure(load)
            figures[load.server.name].append(one)
            report(row, number + 1, rounds, load.server.name, one)


def start(stack, server, row, options):
    """A server that runs until the stack is left."""
    target = None
    if row.service in server.relays:
        # Away from the server's CPU, at the expense of the load.
        elsewhere = copy.copy(options)
        elsewhere.server_cpu = options.load_cpu
        target = stack.enter_context(RunningServer(
            choose("server", SERVERS, "epoll")[0], row.service,
            elsewhere)).port
    return stack.enter_context(
        RunningServer(server, row.service, options, target))


def run_time_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    rounds = rounds_of(row, options)
    # What a start decides by chance, as where memory is, shows in small
    # differences.
    step = MODEL_ROUNDS_A_START if row.servers == MODELS else ROUNDS_A_START
    for first in range(0, rounds, step):
        with contextlib.ExitStack() as stack:
            loads = []
            for server in servers:
                running = start(stack, server, row, options)
                loads.append(stack.enter_context(
                    RequestLoad(row, running, options)))
            run_rounds(row, loads, MEASURES[row.measures],
                       range(first, min(first + step, rounds)), rounds,
                       figures)
    return figures


def run_relay_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    rounds = rounds_of(row, options)
    size_bytes = RELAY_QUICK_BYTES if options.quick else RELAY_BYTES
    with contextlib.ExitStack() as stack:
        loads = []
        for server in servers:
            # The relay is left after its load, whose end it notices.
            relay = stack.enter_context(contextlib.ExitStack())
            load = stack.enter_context(RelayLoad(size_bytes, options))
            load.connect(relay.enter_context(
                RunningServer(server, row.service, options, load.port)))
            loads.append(load)
        run_rounds(row, loads, measure_relay, range(rounds), rounds, figures)
    return figures


def run_switch_row(row, servers, options):
    figures = {server.name: [] for server in servers}
    rounds = rounds_of(row, options)
    for number in range(rounds):
        for server in servers:
            values = run_alone([server.program(options)], options)
            one = {"ns_per_switch": float(values["ns"]),
                   "method": values["method"]}
            figures[server.name].append(one)
            report(row, number + 1, rounds, server.name, one)
    return figures


MEASURES = {"time": measure_time, "programs": measure_programs}

RUNNERS = {
    "time": run_time_row,
    "programs": run_time_row,
    "memory": run_memory_row,
    "relay": run_relay_row,
    "switch": run_switch_row,
}

# What ratios are of.
COMPARED = {"time": "cpu_us_per_request", "relay": "cpu_seconds_per_gib",
            "programs": "us_per_connection"}


def median(values):
    """Of words the last: they don't differ."""
    return values[-1] if isinstance(values[-1], str) \
        else statistics.median(values)


def compare(row, summary, rounds, reference):
    """Adds how a server stands to the reference."""
    key = COMPARED.get(row.measures)
    if key is not None:
        ratios = [one[key] / other[key]
                  for one, other in zip(rounds, reference)]
        summary["ratio"] = statistics.median(ratios)
        summary["ratio_lowest"] = min(ratios)
        summary["ratio_highest"] = max(ratios)
    elif row.servers in (MODELS, PROXIES) and rounds is not reference:
        summary["bytes_over_reference"] = statistics.median(
            one["bytes_per_connection"] - other["bytes_per_connection"]
            for one, other in zip(rounds, reference))


def judge(summary, target):
    """Adds whether it is over its target, when that is known."""
    if target is None or target.figure not in summary:
        return
    summary["target"] = target._asdict()
    summary["exceeded"] = summary[target.figure] > target.limit


def summarize(row, figures):
    """Returns one row of the table: the medians, and all rounds."""
    servers = {}
    for name, rounds in figures.items():
        summary = {key: median([one[key] for one in rounds])
                   for key in rounds[0]}
        if row.reference in figures:
            compare(row, summary, rounds, figures[row.reference])
        judge(summary, row.targets.get(name))
        summary["rounds"] = rounds
        servers[name] = summary
    return {
        "name": row.name,
        "title": row.title,
        "connections": row.connections,
        "measures": row.measures,
        "reference": row.reference,
        "servers": servers,
        "over": [name for name, summary in servers.items()
                 if summary.get("exceeded")],
    }


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


def available_servers(rows, options):
    """Those that the rows ask for and that are there."""
    wanted = {name for row in rows for name in row.servers}
    servers = []
    for server in choose("server", SERVERS, options.servers):
        path = server.program(options)
        if server.name not in wanted:
            continue
        if is_program(path):
            servers.append(server)
        elif server.name in OPTIONAL and options.servers is None:
            progress("%s is not there: it is left out" % server.name)
        elif path is None:
            raise BenchError("where %s is must be told with --bevhost=PATH, "
                             "or leave it out with --servers" % server.name
                             if server.name not in OPTIONAL else
                             "%s is not installed" % server.name)
        else:
            raise BenchError("no program %s" % path)
    return servers


def check_loads(rows, options):
    """That the programs are there which the rows need besides servers."""
    for name in sorted({
            "bench_relay" if row.measures == "relay" else row.program
            for row in rows if row.measures != "switch"}):
        if not is_program(beside(name)(options)):
            raise BenchError("no program %s" % beside(name)(options))


def servers_of(row, servers):
    """Those that measure the row, or none and a line that says why."""
    able = [server for server in servers if server.name in row.servers]
    names = [server.name for server in able]
    if not able:
        progress("%s: skipped, none of its servers is chosen" % row.name)
    elif row.reference not in names and \
            (row.measures == "relay" or row.program == "bench_tls" or
             row.servers in (PROXIES, PROGRAMS)):
        progress("%s: skipped, there is no %s to compare with" % (
            row.name, row.reference))
        return []
    return able


def possible_rows(rows, options):
    """Without OpenSSL there is neither a load nor a server for TLS."""
    possible = [row for row in rows if row.program != "bench_tls" or
                is_program(beside("bench_tls")(options))]
    for row in rows:
        if row not in possible:
            progress("%s: skipped, bevhost is built without OpenSSL" %
                     row.name)
    return possible


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
        files = 2 if row.servers == PROXIES else 1
        if connections > most / files:
            progress("%s: only %d connections instead of %d, the hard limit "
                     "of open files is %d" % (row.name, most / files,
                                              connections, hard))
            connections = int(most / files)
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
        description="Compare bevhost with other servers, and its models of "
        "handlers with one another. Without options it takes less than three "
        "minutes.")
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
                        ", ".join(row.name for row in ROWS) +
                        "; only when named: " + ", ".join(EXTRA_ROWS))
    parser.add_argument("--rounds", metavar="N", type=positive(int),
                        help="rounds of each row; fewer of some")
    parser.add_argument("--seconds", metavar="N", type=positive(float),
                        help="length of a window")
    parser.add_argument("--quick", action="store_true",
                        help="about 20 seconds in all: rough figures")
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
    begin = time.monotonic()
    rows = choose("row", ROWS, options.rows, EXTRA_ROWS)
    rows = fit_rows(possible_rows(rows, options), options)
    servers = available_servers(rows, options)
    check_loads(rows, options)
    choose_cpus(options)

    results = []
    for row in rows:
        able = servers_of(row, servers)
        if able:
            results.append(summarize(
                row, RUNNERS[row.measures](row, able, options)))
    print(table(results))

    seconds = time.monotonic() - begin
    path = os.path.join(options.output, "bench.json")
    write_json(path, results, servers, options, seconds)
    progress("figures: %s" % path)
    progress(write_picture(os.path.join(options.output, "bench.svg"),
                           results, servers))
    progress("It took %.0f seconds." % seconds)


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
