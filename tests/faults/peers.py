# SPDX-License-Identifier: BSD-2-Clause
"""Clients that do not behave, as the tests of slow and rude peers use them."""

import select
import socket
import struct
import time

from host import plugin

MIB = 1 << 20
SERVE = (plugin("serve"), "127.0.0.1:0", {})
ECHO = ("echo", "127.0.0.1:0", {})
BIG = b"send %d\n" % (8 * MIB)
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


def pattern(count):
    return (bytes(range(251)) * (count // 251 + 1))[:count]


def connect(address, room=None):
    """A client; with so little room for what it does not read."""
    host, port = address.rsplit(":", 1)
    client = socket.socket()
    if room:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.settimeout(60)
    client.connect((host, int(port)))
    return client


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 0))
    client.close()


def until_gone(clients, begun, each=None, every=0.1, patience=100):
    """When each of them was closed, in seconds; each(client) now and then."""
    poll = select.poll()
    left = {client.fileno(): client for client in clients}
    for number in left:
        poll.register(number, GONE)
    times = []
    while left:
        turn = time.monotonic()
        if turn - begun > patience:
            raise AssertionError(f"{len(left)} are still there")
        for client in left.values() if each else ():
            try:
                each(client)
            except OSError:
                pass  # it is gone, as poll will say
        while left and time.monotonic() < turn + every:
            for number, _ in poll.poll(every * 1000):
                poll.unregister(number)
                left.pop(number)
                times.append(time.monotonic() - begun)
    return times


class Dripper:
    """Sends bytes one by one to each client."""

    def __init__(self, data):
        self.data = data
        self.at = {}

    def __call__(self, client):
        at = self.at.setdefault(client, 0)
        client.send(self.data[at:at + 1])
        self.at[client] = at + 1
