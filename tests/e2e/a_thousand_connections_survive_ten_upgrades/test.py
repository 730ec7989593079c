# ctest: RUN_SERIAL TIMEOUT 300
"""A thousand proxied connections, idle and busy, and ten upgrades of the binary: every byte each connection
expects arrives, none is cut, and no worker of an old generation outlives its upgrade by a second.
"""
import os

from baton_e2e import main
from baton_e2e.echoes import Echoes
from baton_e2e.sandbox import BINARIES

CONNECTIONS = 1000
BUSY = 100
BULK = 20


def ten_upgrades(sandbox, upstream):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    address = config.listener("echo", sandbox.address(), "echo", protocol="tcp")
    config.service("echo", [os.path.join(BINARIES, "baton-test-server")], replicas=2, delivery="proxy", upstream=upstream,
                   environment={"TEST_PROTOCOL": "tcp"}, stop={"drain_timeout": "100ms"}, readiness={"type": "tcp"})
    baton = sandbox.supervisor(config)
    baton.await_ready("echo", 2)
    for one in range(10):
        if one == 0:
            echoes = Echoes(address, CONNECTIONS, BUSY, BULK)
            echoes.start()
        old = baton.workers()
        assert len(old) == 2, old
        before = echoes.exchanged
        pids = baton.pids()
        last = baton.last_event()
        if one % 2:
            baton.run("upgrade", "--soak", "0s")
        else:
            baton.upgrade_by_signals()
        baton.await_single()
        ready = [e for e in baton.events() if e["number"] > last and e["kind"] == "worker.ready"]
        left = [e for e in baton.events() if e["number"] > last and e["kind"] == "worker.left"]
        assert len(ready) >= 2, ready
        baton.until(lambda: not any(process.exists for process in old), "the old workers have ended", timeout=1.0, interval=0.005)
        assert len(baton.workers()) == 2 and not baton.workers() & old
        assert baton.pids() == pids
        baton.until(lambda: echoes.exchanged > before, "bytes flow")
        assert not echoes.failures, echoes.failures[:5]
    echoes.finish()
    print(f"    {echoes.exchanged} bytes")
    baton.stop()


def by_port(sandbox):
    ten_upgrades(sandbox, "port")


def by_socket(sandbox):
    ten_upgrades(sandbox, "socket")


main(by_port, by_socket)
