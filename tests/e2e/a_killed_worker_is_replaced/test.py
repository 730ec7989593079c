# ctest: RUN_SERIAL TIMEOUT 300
"""SIGKILL of workers under load, one and all of them: others take their place, the listener's queue stays,
nobody is refused, and nothing fails but what the killed ones had accepted.
"""
from baton_e2e import main
from baton_e2e.web import connect


def kill(sandbox, how_many, connections):
    baton, _, address = sandbox.proxied(2, "socket")
    pids = baton.pids()
    load = sandbox.load(address, [f"post:{connections}", f"new:{connections}"])
    killed = 0
    for _ in range(5):
        victims = sorted(baton.workers(), key=lambda process: process.pid)[:how_many]
        for victim in victims:
            victim.kill()
        killed += how_many
        baton.until(lambda: not set(victims) & baton.workers() and len(baton.workers()) == 2, "others take their place", interval=0.005)
        baton.until(lambda: not {victim.pid for victim in victims} & {one["pid"] for one in baton.get("/v1/workers")}, "their ends are known")
        baton.until(lambda: {one["state"] for one in baton.get("/v1/workers")} == {"ready"}, "they are ready")
        before = load.now().ok
        baton.until(lambda before=before: load.now().ok > before + 50, "the load goes on")
    report = load.finish()
    # Each request under way when its worker was killed, and no other; above all nobody was refused.
    assert report.ok > 500, report.describe()
    assert report.failed <= killed * 2 * connections, report.describe()
    assert set(report.kinds) <= {"reset_before_response", "reset_mid_response", "reset_idle", "closed_under_request", "early_eof"}, report.describe()
    assert baton.pids() == pids
    baton.stop()


def one(sandbox):
    kill(sandbox, 1, 8)


def both_at_once(sandbox):
    kill(sandbox, 2, 8)


def the_queue_waits_for_the_next(sandbox):
    """While no worker runs, clients wait in the listener's queue, and are served."""
    baton, _, address = sandbox.proxied(1, "port", workers=1)
    worker, = baton.workers()
    worker.kill(19)  # STOP: it accepts nobody
    waiting = [connect(address) for _ in range(20)]
    worker.kill()
    for client in waiting:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for client in waiting:
        assert client.recv(65536).startswith(b"HTTP/1.1 200"), "a client that had waited was not served"
    baton.stop()


main(one, both_at_once, the_queue_waits_for_the_next)
