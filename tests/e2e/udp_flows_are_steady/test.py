# ctest: RUN_SERIAL TIMEOUT 300
"""Datagrams through the workers: a client stays with its instance through reloads, upgrades and killed masters,
and no question goes unanswered; it leaves an instance that was killed, and nobody else moves.
"""
import os
import selectors
import signal
import socket
import sys
import threading
import time

from baton_e2e import main

CLIENTS = 40
PATIENCE = 2.0  # then a question was lost, and is asked again


def serve():
    """An instance: answers each datagram with its own pid before it, and finishes what it has when it is told to end."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        server.bind(("127.0.0.1", int(os.environ["PORT"])))
        server.settimeout(0.05)
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        while True:
            try:
                question, client = server.recvfrom(65536)
            except socket.timeout:
                if ending.is_set():
                    return
                continue
            server.sendto(b"%d %s" % (os.getpid(), question), client)


class Flows(threading.Thread):
    """Clients that ask one question after the other, each from one address."""

    def __init__(self, address, count=CLIENTS):
        super().__init__(daemon=True)
        host, port = address.rsplit(":", 1)
        self.selector = selectors.DefaultSelector()
        self.clients = []
        for _ in range(count):
            one = {"socket": socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "number": 0, "asked": None, "by": None}
            one["socket"].connect((host, int(port)))
            one["socket"].setblocking(False)
            self.selector.register(one["socket"], selectors.EVENT_READ, one)
            self.clients.append(one)
        self.answered = 0
        self.again = 0      # questions that had to be asked twice
        self.moved = []     # (from, to)
        self.ending = threading.Event()

    def ask(self, one):
        one["asked"] = time.monotonic()
        one["socket"].send(b"%d" % one["number"])

    def run(self):
        while not self.ending.is_set():
            for one in self.clients:
                if one["asked"] is None:
                    self.ask(one)
                elif time.monotonic() > one["asked"] + PATIENCE:
                    self.again += 1
                    self.ask(one)
            for key, _ in self.selector.select(0.01):
                self.hear(key.data)

    def hear(self, one):
        pid, number = map(int, one["socket"].recv(65536).split())
        if number != one["number"]:
            return  # the answer to one that was asked twice
        if one["by"] not in (None, pid):
            self.moved.append((one["by"], pid))
        one.update(by=pid, number=number + 1, asked=None)
        self.answered += 1

    def by(self):
        return [one["by"] for one in self.clients]

    def go_on(self, baton, each=5):
        """Everybody gets so many more answers."""
        wanted = [one["number"] + each for one in self.clients]
        baton.until(lambda: all(one["number"] >= number for one, number in zip(self.clients, wanted)), "everybody is answered")

    def finish(self):
        self.ending.set()
        self.join()
        for one in self.clients:
            one["socket"].close()


def running(sandbox, workers=2, **more):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = workers
    address = config.listener("dns", sandbox.address(), "dns", protocol="udp")
    config.service("dns", [sys.executable, "-B", os.path.realpath(__file__), "--serve"], replicas=2, delivery="proxy",
                   readiness={"type": "notify"}, **more)
    baton = sandbox.supervisor(config)
    baton.await_ready("dns", 2)
    flows = Flows(address)
    flows.start()
    flows.go_on(baton)
    assert set(flows.by()) == baton.pids(), "both instances have clients"
    return baton, config, flows


def steady(flows):
    assert not flows.moved, f"{len(flows.moved)} clients came to another instance: {flows.moved[:5]}"
    assert flows.again == 0, f"{flows.again} of {flows.answered} questions were lost"


def reloads_and_upgrades_and_masters(sandbox):
    baton, config, flows = running(sandbox)
    for strategy in ("ip_hash", "round_robin"):
        config["service"]["dns"]["balance"] = {"strategy": strategy}
        config["service"]["dns"]["stop"] = {"kill_timeout": "6s"}
        baton.reload(config)
        flows.go_on(baton)
        steady(flows)
    for _ in range(3):
        workers = baton.workers()
        baton.upgrade_by_signals()
        baton.until(lambda workers=workers: not workers & baton.workers(), "the workers of before have ended")
        flows.go_on(baton)
        steady(flows)
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    flows.go_on(baton)
    steady(flows)
    assert flows.answered > CLIENTS * 30
    flows.finish()
    baton.stop()


def a_killed_instance_loses_its_own_clients_only(sandbox):
    baton, _, flows = running(sandbox)
    before = flows.by()
    victim = baton.instance("dns/1")["pid"]
    os.kill(victim, signal.SIGKILL)
    flows.go_on(baton)
    # Each of its clients had at most one question there.
    assert flows.again <= before.count(victim), f"{flows.again} questions were lost, {before.count(victim)} clients were there"
    assert flows.moved and {source for source, _ in flows.moved} == {victim}
    baton.await_ready("dns", 2)
    again = flows.again
    flows.moved.clear()
    flows.go_on(baton)
    steady_since = (flows.again - again, flows.moved)
    assert steady_since == (0, []), steady_since
    flows.finish()
    baton.stop()


def a_killed_worker_is_replaced(sandbox):
    baton, _, flows = running(sandbox)
    workers = baton.workers()
    for worker in workers:
        worker.kill()
    flows.go_on(baton)
    assert flows.again <= CLIENTS, f"{flows.again} questions were lost: more than were under way"
    baton.until(lambda: len(baton.workers() - workers) == 2, "others have taken their place")
    flows.finish()
    baton.stop()


def another_number_of_workers_loses_nothing(sandbox):
    """A listener may get another reader then, and its clients other instances; but everybody is answered."""
    baton, config, flows = running(sandbox)
    for workers in (3, 1, 4, 2):
        config["supervisor"]["workers"] = workers
        baton.reload(config)
        baton.until(lambda workers=workers: len(baton.workers()) == workers, f"{workers} workers")
        flows.go_on(baton)
    assert flows.again == 0, f"{flows.again} of {flows.answered} questions were lost"
    flows.finish()
    baton.stop()


def a_rollover_moves_everybody(sandbox):
    baton, config, flows = running(sandbox, stop={"drain_timeout": "300ms"})
    before = baton.pids()
    config["service"]["dns"]["version"] = "2"
    baton.reload(config)
    baton.await_ready("dns", 2, version="2")
    flows.go_on(baton)
    assert set(flows.by()) <= baton.pids() and not set(flows.by()) & before
    # A question that arrives while the program closes its port may be lost, as there is no queue that outlives it.
    assert flows.again <= CLIENTS, f"{flows.again} of {flows.answered} questions were lost"
    print(f"    {flows.again} of {flows.answered} questions were asked twice")
    flows.finish()
    baton.stop()


if "--serve" in sys.argv:
    serve()
else:
    main(reloads_and_upgrades_and_masters, a_killed_instance_loses_its_own_clients_only, a_killed_worker_is_replaced,
         another_number_of_workers_loses_nothing, a_rollover_moves_everybody)
