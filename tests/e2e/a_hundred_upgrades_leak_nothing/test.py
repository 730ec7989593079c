# ctest: RUN_SERIAL TIMEOUT 600
"""A hundred upgrades in a row, by signals and by command, under load: nothing fails, no instance is restarted,
and the keeper holds afterwards exactly the descriptors it held before, in less than 3 MiB.
"""
import re
from collections import Counter

from baton_e2e import main

UPGRADES = 100
KEEPER_KIB = 3 * 1024


def kinds(process):
    """What a process holds, with the numbers that each pipe or socket gets anew left out."""
    return Counter(re.sub(r"\d+", "N", what) for what in process.descriptors().values())


def memory(process):
    return int(process.status()["VmRSS"].split()[0])


def run(sandbox, upgrade):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"], rate=400)
    upgrade(baton)  # the first one may set up what the others share
    keeper, pids = baton.keeper, baton.pids()
    baton.await_event("keeper.")  # its program was renewed
    held, count, resident = kinds(keeper), len(keeper.descriptors()), memory(keeper)
    listeners = {what for what in keeper.descriptors().values() if what.startswith("socket:")}
    master_held = kinds(baton.master())
    children = len(keeper.children())
    generation = baton.single()
    for _ in range(UPGRADES):
        upgrade(baton)
    assert baton.await_single() == generation + UPGRADES, "each was an upgrade"

    def as_before():  # the keeper may still be renewing its own program
        assert kinds(keeper) == held and len(keeper.descriptors()) == count, f"more {kinds(keeper) - held}, less {held - kinds(keeper)}"
        assert len(keeper.children()) == children
        return True
    baton.until(as_before, "the keeper holds what it held", timeout=10)
    sockets = {what for what in keeper.descriptors().values() if what.startswith("socket:")}
    assert len(listeners - sockets) <= 2, "the keeper holds other listening sockets than before"  # its channel differs
    # A connection to the admin socket may have been open at the first look, or be open at this one.
    baton.until(lambda: not kinds(baton.master()) - master_held, "the master holds nothing that the first one did not")
    assert baton.pids() == pids, "instances are adopted, not restarted"
    assert memory(keeper) < resident + 512, f"the keeper grew from {resident} to {memory(keeper)} KiB"
    share = keeper.proportional
    print(f"    {UPGRADES} upgrades; the keeper has {share} KiB (PSS), {memory(keeper)} KiB resident", flush=True)
    assert share < KEEPER_KIB, f"the keeper has {share} KiB (PSS)"
    load.stop(at_least=1000)


def by_signals(sandbox):
    run(sandbox, lambda baton: baton.upgrade_by_signals())


def by_command(sandbox):
    run(sandbox, lambda baton: baton.run("upgrade", "--soak", "0s"))


main(by_signals, by_command)
