# ctest: RUN_SERIAL TIMEOUT 1500
"""A thousand WebSockets, and two hundred changes of everything around them: instances and servers come and go,
weights, drains, strategies and their options, plugins. None of the WebSockets ends, each echoes before, during and
after, the workers are the same processes, and what they have in memory does not grow with the changes.

With BATON_SLOW=1 everyone echoes twice between two changes, which takes ten minutes on a quiet machine.
"""
import itertools
import os
import sys

from baton_e2e import main
from baton_e2e.plugins import install
from baton_e2e.sandbox import SOURCE
from baton_e2e.websockets import WebSocket, WebSockets

INSTANCE = [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "instance.py")]
SUPPORT = os.path.join(SOURCE, "tests/support")
WEBSOCKETS = 1000
CHANGES = 200
# Of a worker, after the last change: so much more than after the first twenty, by which every kind of change has
# been made twice. A table that was kept for each change would be more than this, as would a plugin.
MORE_KIB = 1024
BETWEEN = 2 if os.environ.get("BATON_SLOW") == "1" else 0
# Which has the traffic of `ws`, one after the other, and what is changed of its options.
STRATEGIES = (("least_connections", {}, {}), ("hash", {"method": "maglev"}, {"method": "ring"}), ("random_two", {}, {}),
              ("least_time", {"decay": "5s"}, {"decay": "20s"}), ("round_robin", {}, {}),
              ("active_standby", {"preempt": "false"}, {"preempt": "true"}), ("ip_hash", {}, {}))


class World:
    """`ws`: two instances or three; `chat`: two servers of somebody else's or three, by a strategy of a plugin."""

    def __init__(self, sandbox):
        self.folder = sandbox.path("plugins")
        install("good", self.folder, stamp=0)
        self.servers = [self.server(sandbox) for _ in range(3)]
        self.config = config = sandbox.configuration()
        config["supervisor"]["workers"] = 2
        config["plugins"]["directories"] = [self.folder]
        self.addresses = [config.listener("ws", sandbox.address(), "ws"), config.listener("chat", sandbox.address(), "chat")]
        config.service("ws", INSTANCE, replicas=2, delivery="proxy", environment={"SUPPORT": SUPPORT},
                       readiness={"type": "tcp", "interval": "100ms"}, stop={"drain_timeout": "100ms"},
                       balance={"strategy": "round_robin", "key": "path"})
        config["service"]["chat"] = {"runtime": "external", "endpoints": self.servers[:2], "balance": {"strategy": "sample"}}
        self.baton = sandbox.supervisor(config)
        self.baton.await_ready("ws", 2)

    @staticmethod
    def server(sandbox):
        """One that somebody else runs."""
        port = sandbox.port()
        sandbox.program(INSTANCE, environment={"PORT": str(port), "SUPPORT": SUPPORT})
        return {"address": f"127.0.0.1:{port}", "weight": 1}

    def balance(self, strategy, options):
        self.config["service"]["ws"]["balance"] = {"strategy": strategy, "key": "path", "options": options}
        self.baton.reload(self.config)

    def endpoints(self, *servers):
        self.config["service"]["chat"]["endpoints"] = list(servers)
        self.baton.reload(self.config)

    def changes(self):
        """What is to be done, for ever."""
        run = self.baton.run
        first, second, third = self.servers
        for number, (strategy, options, others) in zip(itertools.count(1), itertools.cycle(STRATEGIES)):
            weight = number % 9 + 1
            yield lambda: run("scale", "ws", 3)
            yield lambda: self.balance(strategy, options)
            yield lambda: run("weight", "ws/1", weight)
            yield lambda: self.endpoints(first, second, third)
            yield lambda: run("drain", "ws/2")
            yield lambda: self.balance(strategy, {**options, **others} if others else {})
            yield lambda: self.plugin(number)
            yield lambda: run("ready", "ws/2")
            yield lambda: self.endpoints({**first, "weight": weight}, second)
            yield lambda: run("scale", "ws", 2)

    def plugin(self, number):
        install("good_newer" if number % 2 else "good", self.folder, stamp=number)
        said = self.baton.run("plugin", "reload").stdout
        assert "sample is that of" in said, said


def two_hundred(sandbox):
    world = World(sandbox)
    baton = world.baton
    sockets = WebSockets(world.addresses, WEBSOCKETS // 2)
    workers, pids = baton.workers(), baton.pids("ws")
    assert len(workers) == 2
    sockets.start()
    sockets.await_rounds()
    early = None
    for number, change in enumerate(itertools.islice(world.changes(), CHANGES), 1):
        change()
        sockets.check()
        # The change is in force, and what is new is served by it.
        for address in world.addresses:
            one = WebSocket(address, number)
            one.echo()
            one.close()
        if number == CHANGES // 10:
            early = {process: process.proportional for process in workers}
        if BETWEEN or number == CHANGES // 2:
            sockets.await_rounds(BETWEEN or 1)
    assert baton.workers() == workers
    assert baton.pids("ws") == pids
    print(f"    {sockets.rounds} echoes of each of {WEBSOCKETS} websockets during {CHANGES} changes")
    for process in workers:
        print(f"    a worker: {early[process]} KiB (PSS) after {CHANGES // 10} changes, {process.proportional} KiB after {CHANGES}")
        assert process.proportional < early[process] + MORE_KIB, process
    sockets.finish()
    baton.stop()


main(two_hundred)
