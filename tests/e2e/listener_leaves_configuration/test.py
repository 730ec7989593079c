# ctest: RUN_SERIAL
"""A listener that leaves the configuration takes nobody with it: its queue is served first, then it is
closed. One that only moves in the file, or changes its name, stays the very same socket.
"""
import os
import signal
import time

from baton_e2e import ask, main
from baton_e2e.web import connect


def refused(address):
    try:
        connect(address).close()
        return False
    except ConnectionRefusedError:
        return True


def its_queue_is_served_first(sandbox):
    config = sandbox.configuration()
    first = sandbox.web(config, replicas=2)
    second = config.listener("second", sandbox.address(), "web")
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    load = sandbox.load(first, ["post:4", "new:4"])
    held = len(baton.keeper.descriptors())
    for _ in range(3):
        assert ask(second).status == 200
        clients = []
        for one in baton.pids("web"):
            os.kill(one, signal.SIGSTOP)
        clients = [connect(second, timeout=30) for _ in range(20)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for one in baton.pids("web"):
            os.kill(one, signal.SIGCONT)
        without = config.copy()
        del without["listener"]["second"]
        baton.reload(without)
        for client in clients:
            assert b" 200 OK" in b"".join(iter(lambda client=client: client.recv(65536), b""))
        baton.until(lambda: refused(second), "the address is closed")
        baton.until(lambda: [one["name"] for one in baton.get("/v1/listeners")] == ["web"], "the listener is gone")
        baton.reload(config)
        baton.await_ready("web", 2)
    assert ask(second).status == 200
    assert len(baton.keeper.descriptors()) <= held + 2, "descriptors leak"
    load.stop(at_least=200)


def order_and_name_do_not_matter(sandbox):
    config = sandbox.configuration()
    sandbox.web(config, replicas=2)
    config.listener("second", sandbox.address(), "web")
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)

    def sockets():
        return {what for what in baton.keeper.descriptors().values() if what.startswith("socket:")}
    before, pids = sockets(), baton.pids()
    turned = config.copy()
    turned.tables["listener"] = dict(reversed(list(config["listener"].items())))
    baton.reload(turned)
    assert sockets() == before and baton.pids() == pids, "the order of listeners is no change"
    renamed = config.copy()
    renamed["listener"]["two"] = renamed["listener"].pop("second")
    load = sandbox.load(config["listener"]["second"]["address"], ["post:4", "new:4"])
    baton.reload(renamed)
    load.stop(at_least=20)
    assert {one["name"] for one in baton.get("/v1/listeners")} == {"web", "two"}


def a_new_listener_serves(sandbox):
    baton, config, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    third = config.listener("third", sandbox.address(), "web")
    began = time.monotonic()
    baton.reload(config)
    assert ask(third).status == 200 and time.monotonic() - began < 30
    load.stop(at_least=50)


main(its_queue_is_served_first, order_and_name_do_not_matter, a_new_listener_serves)
