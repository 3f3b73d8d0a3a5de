# SPDX-License-Identifier: BSD-2-Clause
"""What is told of the rows that were measured: a table, JSON, a picture."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import time

from bench_process import BenchError, read_file

BUSY = 0.8              # below this a server slept too often
PICTURE_RATIO = 3.5     # taller bars are cut
PICTURE_WIDTH = 960
PICTURE_HEIGHT = 440    # of one group of rows

FORMS = {
    "ratio": "{:.2f}",
    "bytes_per_connection": "{:,.0f} bytes",
    "bytes_over_reference": "{:+,.0f} bytes",
    "ns_per_switch": "{:.0f} ns",
}


def verdict(summary):
    if "exceeded" not in summary:
        return ""
    target = summary["target"]
    return "%s %s" % (
        "OVER THE TARGET" if summary["exceeded"] else "ok, target",
        FORMS[target["figure"]].format(target["limit"]))


def cell(summary, key, form):
    return form.format(summary[key]) if key in summary else "-"


def ratio_cells(summary):
    if "ratio" not in summary:
        return ""
    return "%5.2f %5.2f-%-5.2f" % (
        summary["ratio"], summary["ratio_lowest"], summary["ratio_highest"])


def time_cells(summary):
    return "%10s %7.2f %5s %7s %7s  %s" % (
        cell(summary, "requests_per_second", "{:,.0f}"),
        summary["cpu_us_per_request"],
        cell(summary, "busy", "{:.0%}"),
        cell(summary, "p50_us", "{:,.0f}"),
        cell(summary, "p99_us", "{:,.0f}"),
        ratio_cells(summary))


def programs_cells(summary):
    return "%10s %13s %7s %7s  %s" % (
        cell(summary, "requests_per_second", "{:,.0f}"), "",
        cell(summary, "p50_us", "{:,.0f}"),
        cell(summary, "p99_us", "{:,.0f}"),
        ratio_cells(summary))


def memory_cells(summary):
    text = "%10s bytes a connection" % "{:,.0f}".format(
        summary["bytes_per_connection"])
    if "bytes_over_reference" in summary:
        text += ", %s" % "{:+,.0f}".format(summary["bytes_over_reference"])
    if "answered" in summary:
        text += ", %s answered again" % "{:,.0f}".format(summary["answered"])
    return text


def relay_cells(summary):
    return "%6.2f GiB/s %5.2f CPU s/GiB %5s  %s" % (
        summary["gib_per_second"], summary["cpu_seconds_per_gib"],
        cell(summary, "busy", "{:.0%}"), ratio_cells(summary))


def switch_cells(summary):
    return "%10.1f ns by %s" % (summary["ns_per_switch"], summary["method"])


CELLS = {"time": time_cells, "memory": memory_cells, "relay": relay_cells,
         "switch": switch_cells, "programs": programs_cells}


def table_lines(result):
    title = result["title"]
    if result["connections"] > 1:
        title += ", {:,d} connections".format(result["connections"])
    lines = ["", title]
    for name, summary in result["servers"].items():
        line = "  %-12s %s  %s" % (
            name, CELLS[result["measures"]](summary), verdict(summary))
        lines.append(line.rstrip())
    return lines


def table(results):
    lines = ["  %-12s %10s %7s %5s %7s %7s  %5s %s" % (
        "server", "requests/s", "CPU us", "busy", "p50 us", "p99 us",
        "ratio", "lowest-highest")]
    for result in results:
        lines += table_lines(result)
    lines += ["", "CPU us: CPU time of the server for each request.  ratio: "
              "that divided by the CPU",
              "time of the server whose ratio is 1, median of all rounds.  "
              "busy: how much of its",
              "CPU the server used."]
    dozing = [result["name"] for result in results
              if any(one.get("busy", 1) < BUSY
                     for one in result["servers"].values())]
    if dozing:
        lines += ["", "A slow load, or others on this machine, kept servers "
                  "from being busy in:", ", ".join(dozing)]
    over = ["%s in %s" % (name, result["name"])
            for result in results for name in result["over"]]
    if over:
        lines += ["", "Over the target: %s" % ", ".join(over)]
    return "\n".join(lines)


def processor():
    with contextlib.suppress(OSError):
        for line in read_file("/proc/cpuinfo").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def write_json(path, results, servers, options, seconds):
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
        },
        "took_seconds": round(seconds),
        "rows": results,
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


COLORS = ("#9aa0a6", "#1a66b8", "#e08a1e", "#3c9d5b", "#a1569c", "#b33a3a")


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def figure_of(result, name, key):
    return result["servers"].get(name, {}).get(key)


def plot_bars(results, servers, key, height, form):
    """One gnuplot plot: groups of bars, each with its figure on top."""
    width = 0.8 / max(1, len(servers))
    blocks = []
    parts = []
    for index, server in enumerate(servers):
        points = []
        for group, result in enumerate(results):
            figure = figure_of(result, server.name, key)
            if figure is not None:
                label = form.format(figure)
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


def picture_groups(results, servers):
    """The rows that have a place in the picture, by their reference."""
    titles = {server.name: server.title for server in servers}
    groups = {}
    for result in results:
        if result["measures"] == "memory" or any(
                "cpu_us_per_request" in one and "ratio" in one
                for one in result["servers"].values()):
            groups.setdefault(result["reference"], []).append(result)
    return [(titles.get(reference, reference), rows)
            for reference, rows in groups.items()]


def group_script(title, results, servers, bottom, height):
    """One line of plots: times on the left, memory on the right."""
    shown = [server for server in servers
             if any(server.name in result["servers"] for result in results)]
    times = [result for result in results if result["measures"] == "time"]
    memories = [result for result in results
                if result["measures"] == "memory"]
    split = 0.74 if memories else 1
    lines = ["set key top left"]
    if times:
        lines += [
            "set origin 0,%g" % bottom, "set size %g,%g" % (split, height),
            "set title %s" % quoted("CPU time per request, %s = 1" % title),
            plot_bars(times, shown, "ratio", PICTURE_RATIO, "{:.2f}")]
    if memories:
        highest = max(figure_of(result, server.name, "bytes_per_connection")
                      or 0 for result in memories for server in shown)
        lines += [
            "set origin %g,%g" % (split if times else 0, bottom),
            "set size %g,%g" % (1 - split if times else 1, height),
            "unset key" if times else "",
            "set title %s" % quoted("Memory, bytes"),
            plot_bars(memories, shown, "bytes_per_connection",
                      max(highest, 1), "{:,.0f}")]
    return lines


def picture_script(path, results, servers):
    groups = picture_groups(results, servers)
    if not groups:
        return None
    lines = [
        'set terminal svg size %d,%d font "sans-serif,11" '
        'background "white"' % (PICTURE_WIDTH,
                                PICTURE_HEIGHT * len(groups)),
        "set encoding utf8", "set output %s" % quoted(path),
        "set style fill solid noborder",
        "set border 3", "set tics nomirror", "set xtics scale 0",
        'set grid ytics lc rgb "#dddddd"',
        "set bmargin 4",
        "set multiplot",
    ]
    height = 1 / len(groups)
    for index, (title, rows) in enumerate(groups):
        lines += group_script(title, rows, servers, 1 - (index + 1) * height,
                              height)
    lines.append("unset multiplot")
    return "\n".join(lines) + "\n"


def write_picture(path, results, servers):
    """Returns a sentence about what was done."""
    if shutil.which("gnuplot") is None:
        return "gnuplot is not installed: no picture was made"
    script = picture_script(path, results, servers)
    if script is None:
        return "no picture was made: none of the rows has a place in it"
    result = subprocess.run(["gnuplot"], input=script,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            encoding="utf-8")
    if result.returncode != 0:
        raise BenchError("gnuplot failed: %s" % (
            result.stderr.strip() or "without a word"))
    return "picture: %s" % path
