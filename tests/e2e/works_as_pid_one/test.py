# ctest: RUN_SERIAL
"""Baton as pid 1 of a namespace: it upgrades itself, reaps strangers, and ends all at its end."""
import os
import signal

from baton_e2e import SERVER, Process, Skip, descendants, main, need

# A program that leaves an orphan behind: a grandchild that lives on, and dies, without its parent.
ORPHANS = 'for i in 1 2 3 4 5; do (sleep 0.2 & ) ; done; exec "$0"'


def namespace():
    unshare = need("unshare")
    if os.getuid() != 0:
        raise Skip("needs root for a pid namespace")
    return [unshare, "--pid", "--fork", "--mount-proc", "--kill-child"]


def everything(sandbox):
    baton, config, address = sandbox.running_web(2, {"command": ["sh", "-c", ORPHANS, SERVER]}, wrapper=namespace())
    inner = baton.keeper.status()["NSpid"].split()
    assert inner[-1] == "1", inner
    assert baton.status()["node"]["keeper_pid"] == 1
    load = sandbox.load(address, ["post:4", "new:4"])
    baton.run("upgrade", "--soak", "100ms")
    config["service"]["web"]["version"] = "2"
    baton.reload(config)

    def no_zombies():
        zombies = [one for one in descendants(baton.keeper.pid) if one.state == "Z"]
        assert not zombies, zombies
        return True
    baton.until(no_zombies, "strangers are reaped")
    masters = [one for one in baton.keeper.children() if "master process" in one.title]
    assert len(masters) == 1, masters
    masters[0].kill(signal.SIGKILL)
    baton.until(lambda: not masters[0].exists, "the master is reaped")
    baton.await_ready("web", 2, version="2")
    load.stop(at_least=100)
    # The upgrade by signals, to pid 1 itself: nginx refuses it there.
    before = {one.pid for one in baton.keeper.children()}
    baton.keeper.kill(signal.SIGUSR2)
    baton.await_phase("proved")
    assert len({one.pid for one in baton.keeper.children()} - before) == 1
    below = [Process(one.pid) for one in descendants(baton.keeper.pid)]
    baton.keeper.kill(signal.SIGTERM)
    baton.await_end()
    assert not [one for one in below if one.exists]


main(everything)
