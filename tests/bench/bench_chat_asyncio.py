# SPDX-License-Identifier: BSD-2-Clause
"""The chat in Python's asyncio: one room, in which each line comes to all but
who said it, with a nick before it. With protocols, which are faster than
streams.
"""

import asyncio
import resource
import signal
import sys

members = {}


class Member(asyncio.Protocol):
    count = 0

    def connection_made(self, transport):
        Member.count += 1
        self.nick = b"guest%d" % Member.count
        self.rest = b""
        self.transport = transport
        members[self] = transport
        transport.write(b"* You are %s.\n" % self.nick)

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        if not lines:
            return
        text = b"".join(b"%s: %s\n" % (self.nick, line) for line in lines)
        for member, transport in members.items():
            if member is not self:
                transport.write(text)

    def connection_lost(self, error):
        del members[self]


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(Member, "127.0.0.1", int(sys.argv[1]),
                                      backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stopped.wait()


asyncio.run(main())
