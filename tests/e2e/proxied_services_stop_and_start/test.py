# ctest: RUN_SERIAL TIMEOUT 120
"""A service behind the workers that is not to run has no open listener, and has it again when it runs: for the
workers of that time, for those that come after, and for the next master.
"""
from baton_e2e import main
from baton_e2e.sandbox import SERVER
from baton_e2e.web import ask, connect


def refused(baton, address):
    def so():
        try:
            connect(address, timeout=2).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        return False
    baton.until(so, "nobody listens")


def serves(baton, address):
    """Also for other workers than those that were there."""
    assert ask(address).status == 200
    before = baton.workers()
    for worker in before:
        worker.kill()
    baton.until(lambda: not before & baton.workers() and {one["state"] for one in baton.get("/v1/workers")} == {"ready"}, "other workers")
    assert ask(address).status == 200
    listener, = baton.get("/v1/listeners")
    assert listener["sockets"] == 1, listener


def by_command(sandbox):
    baton, _, address = sandbox.proxied(replicas=2, upstream="socket")
    for _ in range(2):
        baton.run("stop", "web")
        refused(baton, address)
        baton.run("start", "web")
        baton.await_ready("web", 2)
        serves(baton, address)
    baton.run("upgrade", "--soak", "0s")
    serves(baton, address)
    baton.stop()


def a_unix_path(sandbox):
    config = sandbox.configuration()
    address = config.listener("web", "unix:" + sandbox.path("web.sock"), "web", protocol="http")
    config.service("web", [SERVER], delivery="proxy", upstream="port")
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    baton.run("stop", "web")
    refused(baton, address)
    baton.run("start", "web")
    baton.await_ready("web", 1)
    serves(baton, address)
    baton.stop()


def by_configuration(sandbox):
    baton, config, address = sandbox.proxied(replicas=2)
    config["service"]["web"]["enabled"] = False
    baton.reload(config)
    refused(baton, address)
    config["service"]["web"]["enabled"] = True
    baton.reload(config)
    baton.await_ready("web", 2)
    serves(baton, address)
    baton.stop()


def with_what_it_depends_on(sandbox):
    config = sandbox.configuration()
    address = config.listener("web", sandbox.address(), "web", protocol="tcp")
    config.service("db", ["sleep", "1000"])
    config.service("web", [SERVER], delivery="proxy", upstream="port", depends_on=["db"])
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    baton.run("stop", "db")
    refused(baton, address)
    baton.run("start", "db")
    baton.await_ready("web", 1)
    serves(baton, address)
    baton.stop()


main(by_command, a_unix_path, by_configuration, with_what_it_depends_on)
