# ctest: RUN_SERIAL TIMEOUT 300
"""SIGKILL of the master at any moment: it is replaced from the last snapshot, adopts everything that runs,
doubles nothing, and finishes what was under way.
"""
import os

from baton_e2e import SERVER, main


def replaced(baton, master):
    baton.until(lambda: not master.exists and baton.master() != master, "another master")
    baton.await_single()


def again_and_again(sandbox):
    baton, _, address = sandbox.running_web(4)
    load = sandbox.load(address, ["post:8", "new:8"])
    pids, keeper = baton.pids(), baton.keeper
    held = len(keeper.descriptors())
    for _ in range(10):
        master = baton.master()
        master.kill()
        replaced(baton, master)
        assert baton.pids() == pids
    assert len(keeper.descriptors()) == held
    assert {child.pid for child in keeper.children()} == pids | {baton.master().pid}
    load.stop(at_least=500)


def during_a_rollover(sandbox):
    baton, config, address = sandbox.running_web(4, {"command": [SERVER, "--ready-after", "150"]})
    load = sandbox.load(address, ["post:8", "new:8"])
    for version in range(2, 7):
        config["service"]["web"]["version"] = str(version)
        baton.write(config)
        baton.run("reload", check=False) if version == 2 else baton.master().kill(1)
        baton.until(lambda: any(one["version"] == str(version) for one in baton.instances("web")), "it begins")
        master = baton.master()
        master.kill()
        replaced(baton, master)
        baton.await_ready("web", 4, version=str(version))
    processes = {child.pid for child in baton.keeper.children()} - {baton.master().pid}
    assert processes == baton.pids("web"), "a process was doubled or lost"
    load.stop(at_least=500)


def an_instance_that_ended_meanwhile_is_started_again(sandbox):
    baton, _, _ = sandbox.running_web(3)
    master = baton.master()
    victim = baton.instance("web/2")["pid"]
    os.kill(master.pid, 19)  # STOP: the master cannot see what happens now
    os.kill(victim, 9)
    master.kill()
    replaced(baton, master)
    baton.await_ready("web", 3)
    assert baton.instance("web/2")["pid"] not in (0, victim)


def what_an_operator_said_is_kept(sandbox):
    config = sandbox.configuration()
    sandbox.web(config, "web", replicas=2)
    sandbox.web(config, "other", replicas=1)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    baton.await_ready("other", 1)
    baton.run("scale", "web", 3)
    baton.run("stop", "other")
    master = baton.master()
    master.kill()
    replaced(baton, master)
    baton.await_ready("web", 3)
    assert baton.instances("other") == [] or not baton.pids("other")
    assert baton.service("other")["state"] == "stopped"
    baton.run("start", "other")
    baton.await_ready("other", 1)


main(again_and_again, during_a_rollover, an_instance_that_ended_meanwhile_is_started_again,
     what_an_operator_said_is_kept)
