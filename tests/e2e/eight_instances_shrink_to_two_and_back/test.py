# ctest: RUN_SERIAL
"""Eight instances shrink to two and grow again under new connections: an instance that goes takes nobody
with it, queued or accepted (nginx resets 132 of 78,906 there).
"""
from baton_e2e import main

ROUNDS = 15


def by_reload(sandbox):
    baton, config, address = sandbox.running_web(8)
    load = sandbox.load(address, ["new:32", "post:8"])
    for _ in range(ROUNDS):
        config["service"]["web"]["replicas"] = 2
        baton.reload(config)
        baton.await_ready("web", 2)
        config["service"]["web"]["replicas"] = 8
        baton.reload(config)
        baton.await_ready("web", 8)
    report = load.stop(at_least=5000)
    assert len(report.instances) == 8, report.instances


def by_scale(sandbox):
    baton, _, address = sandbox.running_web(8)
    load = sandbox.load(address, ["new:32", "post:8"])
    for _ in range(ROUNDS):
        baton.run("scale", "web", 2)
        baton.await_ready("web", 2)
        baton.run("scale", "web", 8)
        baton.await_ready("web", 8)
    load.stop(at_least=5000)


main(by_reload, by_scale)
