"""A keeper that is stopped starts nothing and notices no end: that is told once, and shown, and traffic goes on. When it
goes on, everything is as it was: no master was replaced, and nothing was lost.
"""
import signal

from baton_e2e import main


def told(baton, kind):
    return [one for one in baton.events() if one["kind"] == kind]


def stopped(sandbox):
    baton, _, address = sandbox.running_web(2)
    master, pids = baton.master(), baton.pids()
    assert baton.status()["node"]["keeper"] == "running"
    load = sandbox.load(address, ["get:4", "new:4"])
    baton.keeper.kill(signal.SIGSTOP)
    event = baton.await_event("keeper.silent")
    assert f"process {baton.keeper.pid} has read nothing for 5s" in event["text"], event
    assert baton.status()["node"]["keeper"].startswith("silent for ")
    text = baton.run("status").stdout
    assert "but the keeper is silent for " in text, text
    baton.keeper.kill(signal.SIGCONT)
    baton.await_event("keeper.answers")
    assert baton.status()["node"]["keeper"] == "running"
    assert baton.run("status").stdout.count("silent") == 0
    load.stop(at_least=100)
    assert baton.master() == master and baton.pids() == pids
    baton.run("restart", "web/1")
    assert len(told(baton, "keeper.silent")) == 1 == len(told(baton, "keeper.answers"))


main(stopped)
