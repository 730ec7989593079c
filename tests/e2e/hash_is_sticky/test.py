# ctest: RUN_SERIAL
"""Balanced by hash, a client always reaches the same instance: through a reload, an upgrade, a killed
master and the restart of an instance; and every instance gets a fair part of the clients.
"""
from collections import Counter

from baton_e2e import Skip, ask, main

CLIENTS = [f"127.0.{third}.{last}" for third in range(1, 5) for last in range(2, 52)]


def mapping(address):
    return {client: ask(address, source=client).instance for client in CLIENTS}


def sticky(sandbox, balance):
    baton, config, address = sandbox.running_web(4, {"balance": balance})
    if not baton.status()["node"]["steering"].startswith("kernel"):
        raise Skip("no BPF rights here: " + baton.status()["node"]["steering"])
    load = sandbox.load(address, ["post:4", "new:4"], rate=500)
    first = mapping(address)
    assert mapping(address) == first
    part = Counter(first.values())
    if balance["strategy"] == "hash":  # ip_hash sees three bytes of an address, so it has few values here
        assert len(part) == 4 and max(part.values()) <= 2.5 * len(CLIENTS) / 4, part
    assert len(part) > 1, part
    baton.reload(config)
    assert mapping(address) == first, "a reload moved clients"
    baton.upgrade_by_signals()
    assert mapping(address) == first, "an upgrade moved clients"
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    assert mapping(address) == first, "a killed master moved clients"
    baton.run("restart", "web/2")
    assert mapping(address) == first, "a restarted instance lost its clients"
    config["service"]["web"]["version"] = "2"
    baton.reload(config)
    assert mapping(address) == first, "a rollover moved clients"
    load.stop(at_least=100)


def by_hash(sandbox):
    sticky(sandbox, {"strategy": "hash", "key": "client_ip"})


def by_ip_hash(sandbox):
    sticky(sandbox, {"strategy": "ip_hash"})


main(by_hash, by_ip_hash)
