# ctest: RUN_SERIAL
"""A master that hangs is found by its silence and replaced; the instances, adopted, did not notice."""
import signal

from baton_e2e import main


def stopped(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:8", "new:8"])
    pids, master = baton.pids(), baton.master()
    master.kill(signal.SIGSTOP)
    baton.until(lambda: not master.exists, "the hung master is ended", timeout=30)
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    assert baton.pids() == pids
    load.stop(at_least=500)


def the_old_one_of_an_upgrade(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    old, new = baton.start_upgrade()
    old.kill(signal.SIGSTOP)
    baton.until(lambda: not old.exists, "the hung old master is ended", timeout=30)
    baton.until(lambda: len(baton.masters()) in (1, 2) and baton.master().alive, "somebody owns")
    if new.alive:
        new.kill(signal.SIGTERM)
    baton.await_single()
    assert baton.pids() == pids
    load.stop(at_least=200)


def the_new_one_of_an_upgrade(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    for handed in (False, True):
        old, new = baton.start_upgrade()
        if handed:
            old.kill(signal.SIGWINCH)
            baton.await_phase("handed")
        new.kill(signal.SIGSTOP)
        baton.until(lambda: not new.exists, "the hung new master is ended", timeout=30)
        baton.await_single()
        assert baton.master() == old and baton.pids() == pids
    load.stop(at_least=200)


main(stopped, the_old_one_of_an_upgrade, the_new_one_of_an_upgrade)
