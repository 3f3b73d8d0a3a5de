# SPDX-License-Identifier: BSD-2-Clause
"""What relays bytes beside bevhost's proxy: HAProxy in TCP mode and nginx with
its stream module, each as one process with one thread."""

import os
import resource
import shutil

import bench_nginx
from bench_process import HOST

MOST = 20000
SPARE_FILES = 100

# With the buffers that it has by default, and no splice.
HAPROXY = """\
global
	nbthread 1
	maxconn {most}
	nosplice
defaults
	mode tcp
	timeout connect 5s
	timeout client 10m
	timeout server 10m
listen relay
	bind {host}:{port}
	server target {host}:{target}
"""

NGINX = """\
{load}
daemon off;
master_process off;
pid {folder}/nginx-proxy.pid;
error_log {folder}/error.log;
events {{ worker_connections {files}; }}
stream {{
	server {{
		listen {host}:{port} reuseport;
		tcp_nodelay on;
		proxy_pass {host}:{target};
	}}
}}
"""


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/usr/local/sbin")


def most():
    """How many connections it may relay: each takes two files."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, (files - SPARE_FILES) // 2)


def write(name, port, text):
    path = os.path.join(bench_nginx.folder(), "%s-%d.conf" % (name, port))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def haproxy(port, target_port):
    """What runs HAProxy on a port, in the foreground."""
    return [find("haproxy"), "-db", "-f",
            write("haproxy", port, HAPROXY.format(
                most=most(), host=HOST, port=port, target=target_port))]


def nginx(port, target_port):
    module = bench_nginx.module()
    return [find("nginx"), "-p", bench_nginx.folder(), "-c",
            write("nginx-proxy", port, NGINX.format(
                load="load_module %s;" % module if module else "",
                folder=bench_nginx.folder(), host=HOST, port=port,
                files=2 * most() + SPARE_FILES // 2, target=target_port))]
