# ctest: RUN_SERIAL TIMEOUT 300
"""Delivery `proxy` by request: keep-alive clients, clients with a new connection each, and bodies in both
directions, while the binary is upgraded, the configuration reloaded, and the instances replaced. No request
fails, though a keep-alive client may send its next one at any moment.
"""
from baton_e2e import main

MODES = ["get:16", "new:8", "post:8"]


def running(sandbox, upstream):
    baton, config, address = sandbox.proxied(3, upstream, protocol="http")
    return baton, config, address, sandbox.load(address, MODES)


def by_upgrades(sandbox, upstream):
    baton, _, _, load = running(sandbox, upstream)
    for one in range(10):
        workers = baton.workers()
        if one % 2:
            baton.run("upgrade", "--soak", "0s")
        else:
            baton.upgrade_by_signals()
        baton.await_single()
        baton.until(lambda workers=workers: not any(process.exists for process in workers), "the old workers have ended", timeout=2.0)
    load.stop(at_least=1000)
    baton.stop()


def by_reloads(sandbox, upstream):
    baton, config, _, load = running(sandbox, upstream)
    workers = baton.workers()
    for number in range(30):
        config["listener"]["web"]["http"] = {"idle_timeout": f"{60 + number}s"}
        baton.reload(config)
    assert baton.workers() == workers
    load.stop(at_least=1000)
    baton.stop()


def by_rollovers(sandbox, upstream):
    baton, config, _, load = running(sandbox, upstream)
    for number in range(2, 6):
        config["service"]["web"]["version"] = str(number)
        baton.reload(config)
        baton.await_ready("web", 3, version=str(number))
    baton.run("scale", "web", "1")
    baton.await_ready("web", 1)
    load.stop(at_least=1000)
    baton.stop()


def swaps(change, upstream):
    def test(sandbox):
        change(sandbox, upstream)
    test.__name__ = f"{change.__name__}_{upstream}"
    return test


main(*(swaps(change, upstream) for change in (by_upgrades, by_reloads, by_rollovers) for upstream in ("port", "socket")))
