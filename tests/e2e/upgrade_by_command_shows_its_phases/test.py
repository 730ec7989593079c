# ctest: RUN_SERIAL
"""`baton upgrade` is one synchronous call: phases, verdict and soak; it returns success exactly when the
new generation alone serves.
"""
import subprocess
import time

from baton_e2e import main


def phases_and_soak(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:8", "new:8"])
    pids, old = baton.pids(), baton.master()
    began = time.monotonic()
    text = baton.run("upgrade", "--soak", "1s").stdout
    assert time.monotonic() - began >= 1, "the soak was cut short"
    assert "trial" in text and "soak" in text and "committed" in text, text
    assert not old.exists and not baton.upgrading() and len(baton.masters()) == 1
    assert baton.pids() == pids
    generation = next(iter(baton.masters()))
    baton.run("upgrade", "--soak", "0s")
    assert next(iter(baton.masters())) == generation + 1
    load.stop(at_least=500)


def a_new_master_that_dies_in_the_soak_is_taken_back(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:8", "new:8"])
    old, pids = baton.master(), baton.pids()
    command = [baton.baton, "--socket", baton.socket, "upgrade", "--soak", "20s"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as upgrade:
        baton.await_phase("handed")
        new = next(one for one in baton.masters().values() if one != old)
        new.kill()
        output, _ = upgrade.communicate(timeout=60)
    assert upgrade.returncode == 1, output
    baton.await_single()
    assert baton.master() == old and baton.pids() == pids
    load.stop(at_least=200)


def no_wait_returns_at_once(sandbox):
    baton, _, _ = sandbox.running_web(1)
    old = baton.master()
    said = baton.run("upgrade", "--soak", "200ms", "--no-wait").stdout
    assert "upgrade: begun" in said and "done" not in said, said
    baton.until(lambda: not old.exists, "it is carried out all the same")
    baton.await_single()


main(phases_and_soak, a_new_master_that_dies_in_the_soak_is_taken_back, no_wait_returns_at_once)
