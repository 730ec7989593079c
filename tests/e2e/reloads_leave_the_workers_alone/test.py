# ctest: RUN_SERIAL TIMEOUT 300
"""Fifty reloads, each of which changes something, with a thousand proxied connections open: the workers are
the same processes before and after, hold no more descriptors, and no connection ends.
"""
import os

from baton_e2e import main
from baton_e2e.echoes import Echoes
from baton_e2e.sandbox import BINARIES


def echo(config, sandbox, name):
    address = config.listener(name, sandbox.address(), name, protocol="tcp")
    config.service(name, [os.path.join(BINARIES, "baton-test-server")], replicas=2, delivery="proxy", upstream="socket",
                   environment={"TEST_PROTOCOL": "tcp"}, stop={"drain_timeout": "100ms"})
    return address


def serve_echoes(sandbox, *load):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    address = echo(config, sandbox, "echo")
    baton = sandbox.supervisor(config)
    baton.await_ready("echo", 2)
    echoes = Echoes(address, *load)
    echoes.start()
    return config, baton, echoes


def fifty_reloads(sandbox):
    config, baton, echoes = serve_echoes(sandbox, 1000, 50, 10)
    before = baton.workers()
    assert len(before) == 2
    baton.until(lambda: sum(one["open"] for one in baton.get("/v1/workers")) == 1000, "all are accepted")
    held = {process: len(process.descriptors()) for process in before}
    for number in range(25):
        more = config.copy()
        echo(more, sandbox, "more")
        baton.reload(more)
        baton.await_ready("more", 2)
        baton.reload(config)
    baton.until(lambda: {one["name"] for one in baton.get("/v1/services")} == {"echo"}, "the other one is gone")
    assert baton.workers() == before
    baton.until(lambda: {process: len(process.descriptors()) for process in before} == held, "as many descriptors as before")
    echoes.finish()
    baton.stop()


def the_number_of_workers_changes(sandbox):
    """More workers, then fewer: the connections of those that go are passed on."""
    config, baton, echoes = serve_echoes(sandbox, 200, 20, 5)
    for count in (4, 1, 3):
        config["supervisor"]["workers"] = count
        baton.reload(config)
        baton.until(lambda count=count: [one["state"] for one in baton.get("/v1/workers")] == ["ready"] * count, f"{count} workers are ready")
        assert sum(one["open"] for one in baton.get("/v1/workers")) == 200
    echoes.finish()
    baton.stop()


main(fifty_reloads, the_number_of_workers_changes)
