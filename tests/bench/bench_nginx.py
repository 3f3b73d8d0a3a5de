# SPDX-License-Identifier: BSD-2-Clause
"""What the rows with TLS need: a certificate, and nginx as one process."""

import os
import shutil
import subprocess
import tempfile

from bench_process import HOST, BenchError

MODULES = ("/usr/lib/nginx/modules/ngx_stream_module.so",
           "/usr/lib64/nginx/modules/ngx_stream_module.so")

# One process without a master, whose CPU time is all there is.
CONFIG = """\
{load}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
stream {{
	server {{
		listen {host}:{port} ssl reuseport;
		ssl_certificate {folder}/cert.pem;
		ssl_certificate_key {folder}/key.pem;
		ssl_protocols TLSv1.2 TLSv1.3;
		tcp_nodelay on;
		{service}
	}}
}}
"""

_folder = None


def folder():
    """Where the certificate is; it goes when the program ends."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="bevhost-bench-")
        # A worker of nginx that root starts is somebody else.
        os.chmod(_folder.name, 0o755)
    return _folder.name


def certificate():
    """The only one of this run, ECDSA on P-256: its file, and its key's."""
    cert, key = (os.path.join(folder(), name)
                 for name in ("cert.pem", "key.pem"))
    if os.path.exists(cert):
        return cert, key
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError("openssl makes no certificate: %s" % error)
    return cert, key


def program():
    """nginx, if it has what a stream with TLS takes."""
    path = shutil.which("nginx", path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/usr/local/sbin")
    if path is None:
        return None
    said = subprocess.run([path, "-V"], capture_output=True, text=True,
                          check=False).stderr
    if "with-stream_ssl_module" not in said:
        return None
    built_in = "--with-stream=dynamic" not in said
    return path if built_in or module() else None


def module():
    return next(filter(os.path.exists, MODULES), None)


def command(service, port, target_port):
    """What runs nginx on a port."""
    certificate()
    config = os.path.join(folder(), "nginx-%d.conf" % port)
    if service == "echo":
        # It cannot send back what it gets, so it asks another for it. As
        # much as what the others read at a time.
        service = "proxy_buffer_size 64k; proxy_pass %s:%s;" % (
            HOST, target_port)
    else:
        service = 'return "Hello World!";'
    load = module()
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(
            load="load_module %s;" % load if load else "", folder=folder(),
            host=HOST, port=port, service=service))
    return [program(), "-p", folder(), "-c", config]
