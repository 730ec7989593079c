# ctest: RUN_SERIAL
"""Weights are shares of new connections: 19 to 1 within five standard deviations, weight 0 takes nobody,
and a weight survives an upgrade and a killed master.
"""
import math

from baton_e2e import Skip, main

CONNECTIONS = 6000


def shares(sandbox, address):
    load = sandbox.load(address, ["new:8"], requests=CONNECTIONS)
    load.process.wait(120)
    report = load.stop(at_least=CONNECTIONS)
    return {name: count / report.ok for name, count in report.instances.items()}


def assert_share(found, instance, expected):
    bound = 5 * math.sqrt(expected * (1 - expected) / CONNECTIONS) + 0.001  # the table's grain is 1/1024
    assert abs(found.get(instance, 0) - expected) <= bound, f"{instance}: {found} instead of {expected:.4f} +- {bound:.4f}"


def weights(sandbox):
    baton, _, address = sandbox.running_web(2)
    if not baton.status()["node"]["steering"].startswith("kernel"):
        raise Skip("no BPF rights here: " + baton.status()["node"]["steering"])
    found = shares(sandbox, address)
    assert_share(found, "web/1", 0.5)
    baton.run("weight", "web/1", 19)
    assert_share(shares(sandbox, address), "web/2", 0.05)
    baton.upgrade_by_signals()
    assert_share(shares(sandbox, address), "web/2", 0.05)
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    assert {one["name"]: one["weight"] for one in baton.instances("web")} == {"web/1": 19, "web/2": 1}
    assert_share(shares(sandbox, address), "web/2", 0.05)
    baton.run("weight", "web/2", 0)
    assert shares(sandbox, address) == {"web/1": 1.0}


def three_of_four(sandbox):
    baton, _, address = sandbox.running_web(4)
    if not baton.status()["node"]["steering"].startswith("kernel"):
        raise Skip("no BPF rights here: " + baton.status()["node"]["steering"])
    for ordinal, weight in enumerate((1, 2, 3, 4), 1):
        baton.run("weight", f"web/{ordinal}", weight)
    found = shares(sandbox, address)
    for ordinal, weight in enumerate((1, 2, 3, 4), 1):
        assert_share(found, f"web/{ordinal}", weight / 10)


main(weights, three_of_four)
