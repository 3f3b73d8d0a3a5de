# SPDX-License-Identifier: BSD-2-Clause
"""What runs a program for each connection beside bevhost's exec: tcpserver of
ucspi-tcp, and xinetd."""

import os
import pwd

import bench_nginx
from bench_process import HOST
from bench_proxies import find, write

# Without the limits that it has by default, and without its log.
XINETD = """\
service bench
{{
	type = UNLISTED
	socket_type = stream
	protocol = tcp
	wait = no
	user = {user}
	bind = {host}
	port = {port}
	server = {program}
	instances = UNLIMITED
	per_source = UNLIMITED
	cps = 1000000 1
	log_type = FILE /dev/null
	log_on_success =
	log_on_failure =
	disable = no
}}
"""


def program(options):
    return os.path.abspath(os.path.join(options.bindir, "bench_program"))


def tcpserver(options, port):
    """Without look-ups of names, and with as many at once as there are."""
    return [find("tcpserver"), "-HRl0", "-c", "1000", "-b", "1000", HOST,
            str(port), program(options)]


def xinetd(options, port):
    user = pwd.getpwuid(os.geteuid()).pw_name
    return [find("xinetd"), "-dontfork", "-pidfile",
            os.path.join(bench_nginx.folder(), "xinetd.pid"), "-f", write("xinetd", port, XINETD.format(
                user=user, host=HOST, port=port, program=program(options)))]
