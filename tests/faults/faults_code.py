# SPDX-License-Identifier: BSD-2-Clause
"""Plugin files that change while they serve."""

import os
import shutil

from host import (BUILD, FaultTest, Host, Load, plugin, receive_exactly,
                  settings)


def ask(client, text):
    client.sendall(text)
    return receive_exactly(client, len(b"v1: ") + len(text))


class Files(FaultTest):

    def setUp(self):
        folder = os.path.join(BUILD, "plugins", ".libs")
        self.echo = os.path.join(folder, "echo.so")

    def test_v1_serves_its_1000_connections_to_their_end(self):
        with Host(workers=2) as host:
            path = host.path("answer.so")
            shutil.copy(plugin("answer_v1"), path)
            host.write(settings((path, host.addresses[0], {}), workers=2))
            host.reload()
            host.take_base()
            old = [host.connect() for _ in range(1000)]
            for client in old:
                self.assertEqual(ask(client, b"hello"), b"v1: hello")
            shutil.copy(plugin("answer_v2"), path + ".new")
            os.rename(path + ".new", path)
            host.reload()
            new = [host.connect() for _ in range(100)]
            for client in new:
                self.assertEqual(ask(client, b"hello"), b"v2: hello")
            for client in old + old[::-1]:
                self.assertEqual(ask(client, b"again"), b"v1: again")
            for client in old + new:
                client.close()
            host.check_house()
        self.figure = "1000 of 1000 got v1 to the end, 100 of 100 new ones v2"

    def test_a_file_that_is_overwritten_and_cut_while_it_serves(self):
        with Host() as host:
            path = host.path("own.so")
            shutil.copy(self.echo, path)
            good = os.stat(path).st_size
            host.write(settings((path, host.addresses[0], {}), workers=2))
            host.reload()
            host.take_base()
            before = host.generation()
            with Load(host) as load, Load(host, "--keepalive") as kept:
                load.run_for(1)
                with open(path, "r+b") as file:
                    file.write(b"\xcc" * good)
                load.run_for(1)
                status, said = host.ask_reload()
                self.assertNotEqual(status, 0)
                self.assertIn(path, said)
                os.truncate(path, 4096)
                load.run_for(1)
                status, said = host.ask_reload()
                self.assertNotEqual(status, 0)
                self.assertIn(path, said)
                os.truncate(path, 0)
                load.run_for(1)
                self.assertNotEqual(host.ask_reload()[0], 0)
                host.settle()
                self.assertEqual(host.generation(), before)
                with open(self.echo, "rb") as source, \
                        open(path, "r+b") as file:
                    shutil.copyfileobj(source, file)
                host.reload()
                load.run_for(1)
                total = self.check_load(load, 500)
                others = self.check_load(kept, 500)
            host.check_house()
        self.figure = (f"0 of {total['requests']} and 0 of "
                       f"{others['requests']} kept failed")
