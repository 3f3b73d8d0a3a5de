# SPDX-License-Identifier: BSD-2-Clause
"""No process to be had, no memory."""

import os
import resource
import signal

from host import FaultTest, Host, Load, receive_exactly

PIDS = "/sys/fs/cgroup/pids"


class Group:
    """A control group for pids, with the processes of a host in it."""

    def __init__(self, test, host):
        if os.path.exists(os.path.join(PIDS, "cgroup.procs")):
            parent = PIDS
        else:
            parent = "/sys/fs/cgroup"
        self.path = os.path.join(parent, f"bevhost-faults-{os.getpid()}")
        self.parent = parent
        try:
            os.mkdir(self.path)
        except OSError as error:
            test.skipTest(f"no control group can be made: {error}")
        self.moved = [host.pid, *host.workers()]
        try:
            if not os.path.exists(self.file("pids.max")):
                self.write(os.path.join(parent, "cgroup.subtree_control"),
                           "+pids")
            for pid in self.moved:
                self.write(self.file("cgroup.procs"), pid)
            self.limit("max")
        except OSError as error:
            self.remove()
            test.skipTest(f"no control group for pids: {error}")

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(str(text))

    def limit(self, count):
        self.write(self.file("pids.max"), count)

    def remove(self):
        with open(self.file("cgroup.procs"), encoding="ascii") as file:
            for pid in file.read().split():
                self.write(os.path.join(self.parent, "cgroup.procs"), pid)
        os.rmdir(self.path)


class Processes(FaultTest):

    def test_a_full_pid_cgroup_delays_a_worker_and_no_more(self):
        with Host().take_base() as host:
            group = Group(self, host)
            try:
                self.fill(host, group)
            finally:
                group.limit("max")
                group.remove()
            host.check_house()

    def fill(self, host, group):
        good = host.generation()
        with Load(host, "--connections=300") as load:
            group.limit(1)
            status, said = host.ask_reload()
            self.assertNotEqual(status, 0)
            self.assertIn("Resource temporarily unavailable", said)
            load.run_for(0.5)
            self.assertEqual(host.generation(), good)
            mark = host.mark()
            os.kill(good[0], signal.SIGKILL)
            host.wait_since(mark, "cannot be started: Resource temporarily")
            load.run_for(1)
            self.assertEqual(len(host.workers()), 1)
            group.limit("max")
            host.wait_since(mark, "ready after", 10)
            host.settle()
            load.run_for(0.5)
            total = load.stop()
        self.assertEqual(total["refused"] + total["late"] + total["wrong"], 0)
        self.assertLessEqual(total["failed"], 3, load.failures)
        self.figure = (f"{total['failed']} of {total['requests']} failed, 0 "
                       "refused; back after the limit was lifted")


class Memory(FaultTest):

    def test_a_worker_without_memory_refuses_and_serves_on(self):
        with Host(workers=1).take_base() as host:
            pid = host.generation()[0]
            kept = host.connect()
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                size = int(file.read().split()[0]) * 4096
            limits = resource.prlimit(pid, resource.RLIMIT_AS)
            resource.prlimit(pid, resource.RLIMIT_AS, (size, limits[1]))
            clients = [host.connect() for _ in range(3000)]
            lost = 0
            for client in clients:
                try:
                    client.sendall(b"x")
                    lost += receive_exactly(client, 1) != b"x"
                except OSError:
                    lost += 1
            for client in clients:
                client.close()
            self.assertEqual(host.generation(), [pid])
            kept.sendall(b"kept")
            self.assertEqual(receive_exactly(kept, 4), b"kept")
            kept.close()
            resource.prlimit(pid, resource.RLIMIT_AS, limits)
            self.assertGreater(lost, 0)
            self.assertLess(lost, 3000)
            # Without memory for a connection at all, or for what it needs.
            self.assertRegex(host.stderr(), "overload|connection refused: "
                                            "Cannot allocate memory")
            host.check_house()
            self.assertEqual(host.generation(), [pid])
        self.figure = f"{lost} of 3000 closed for overload, the others served"

    def test_a_master_without_memory_refuses_a_reload(self):
        with Host().take_base() as host, Load(host) as load:
            good = host.generation()
            limits = resource.prlimit(host.pid, resource.RLIMIT_AS)
            resource.prlimit(host.pid, resource.RLIMIT_AS,
                             (1 << 20, limits[1]))
            status, said = host.ask_reload()
            self.assertNotEqual(status, 0)
            load.run_for(0.5)
            self.assertEqual(host.generation(), good)
            resource.prlimit(host.pid, resource.RLIMIT_AS, limits)
            host.reload()
            host.settle()
            total = self.check_load(load, 100)
            host.check_house()
        self.figure = (f"'{said.strip().split(': ', 1)[-1]}', 0 of "
                       f"{total['requests']} failed")


