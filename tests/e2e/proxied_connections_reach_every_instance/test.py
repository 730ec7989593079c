# ctest: RUN_SERIAL TIMEOUT 300
"""Delivery `proxy`: the workers accept and pass on, to programs that bind the port they are told and to those
that inherit a unix socket of their own; in turn, and from then on whatever happens to an instance.
"""
from baton_e2e import main
from baton_e2e.web import ask_all


def through(upstream):
    def test(sandbox):
        baton, config, address = sandbox.proxied(3, upstream)
        counts = ask_all(address, 60)
        assert set(counts) == {"web/1", "web/2", "web/3"} and min(counts.values()) >= 15, counts
        load = sandbox.load(address, ["post:4", "new:4"])
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
