# ctest: RUN_SERIAL TIMEOUT 300
"""Delivery `proxy`: the workers accept and pass on, to programs that bind the port they are told and to those
that inherit a unix socket of their own; in turn, and from then on whatever happens to an instance.
"""
import os
import signal

from baton_e2e import main
from baton_e2e.web import ask_all


def proxied(sandbox, replicas=2, upstream="port", **more):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    address = config.listener("web", sandbox.address(), "web", protocol="tcp")
    more.setdefault("readiness", {"type": "http", "path": "/healthz", "interval": "100ms"})
    # The load's connections never end by themselves: a program is told to stop soon, and finishes what it has.
    more.setdefault("stop", {"drain_timeout": "300ms", "kill_timeout": "20s"})
    config.service("web", [os.path.join(os.environ["BATON_BINARIES"], "baton-test-server")], replicas=replicas, delivery="proxy", upstream=upstream, **more)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", replicas)
    return baton, config, address


def through(upstream):
    def test(sandbox):
        baton, config, address = proxied(sandbox, 3, upstream)
        counts = ask_all(address, 60)
        assert set(counts) == {"web/1", "web/2", "web/3"} and min(counts.values()) >= 15, counts
        load = sandbox.load(address, ["post:4", "new:4"])
        # An instance is killed: whoever it had accepted has lost; nobody else notices.
        pids = baton.pids()
        config["service"]["web"]["version"] = "2"
        baton.reload(config)
        baton.await_ready("web", 3, version="2")
        assert not pids & baton.pids()
        baton.run("scale", "web", "1")
        baton.await_ready("web", 1)
        assert set(ask_all(address, 10)) == {"web/1"}
        baton.run("scale", "web", "3")
        baton.await_ready("web", 3)
        load.stop(at_least=200)
        baton.stop()
    return test


def by_port(sandbox):
    through("port")(sandbox)


def by_socket(sandbox):
    through("socket")(sandbox)


main(by_port, by_socket)
