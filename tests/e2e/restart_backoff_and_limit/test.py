"""An instance that ends is started again by its policy: at growing intervals up to the largest, up to the
limit, and then it is failed until an operator starts it.
"""
import os
import signal

from baton_e2e import SERVER, main

IDLE = ["sleep", "600"]


def starts(baton, name):
    """Times in seconds of the starts of an instance, from the events."""
    from datetime import datetime
    return [datetime.fromisoformat(one["time"].replace("Z", "+00:00")).timestamp() for one in baton.events()
            if one["kind"].startswith("instance.starting") and one["subject"] == name]


def intervals_grow_and_a_limit_holds(sandbox):
    config = sandbox.configuration()
    config.service("bad", [SERVER, "--exit-after", "0", "--exit-code", "7"], environment={"PORT": str(sandbox.port())},
                   restart={"backoff": "200ms", "backoff_max": "800ms", "limit": 5})
    config.service("good", IDLE)
    baton = sandbox.supervisor(config)
    baton.until(lambda: baton.instance("bad/1")["state"] == "failed", "it is given up", timeout=60)
    view = baton.instance("bad/1")
    assert view["restarts"] == 5 and "7" in view["last_exit"], view
    assert baton.service("bad")["state"] == "failed" and baton.service("good")["state"] == "running"
    times = starts(baton, "bad/1")
    assert len(times) == 6, times
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    for pause, least in zip(pauses, (0, 0.2, 0.4, 0.8, 0.8)):
        assert pause >= least * 0.9 - 0.2 and pause < 3, pauses
    assert pauses[-1] >= 0.7 and pauses[-1] > pauses[0], pauses
    size = len(times)
    baton.run("start", "bad", check=False)
    baton.until(lambda: len(starts(baton, "bad/1")) > size, "an operator starts it again")


def policies(sandbox):
    config = sandbox.configuration()
    for restart in ({"policy": "always", "backoff": "100ms"}, {"policy": "on_failure", "backoff": "100ms"},
                    {"policy": "never"}):
        for code in (0, 1):
            config.service(f"{restart['policy']}-{code}", [SERVER, "--exit-after", "100", "--exit-code", str(code)],
                           restart=restart, environment={"PORT": str(sandbox.port())})
    baton = sandbox.supervisor(config)
    for name in ("always-0", "always-1", "on_failure-1"):
        baton.until(lambda name=name: baton.instance(f"{name}/1")["restarts"] >= 2, f"{name} is started again")
    for name in ("on_failure-0", "never-0", "never-1"):
        state = baton.until(lambda name=name: baton.instance(f"{name}/1")["state"] in ("completed", "failed")
                            and baton.instance(f"{name}/1"), f"{name} stays ended")
        assert state["restarts"] == 0, state
    assert baton.instance("never-0/1")["state"] == "completed"
    assert baton.instance("on_failure-0/1")["state"] == "completed"


def a_stable_one_is_started_again_at_once(sandbox):
    baton, _, _ = sandbox.running_web(1)
    pid = baton.instance("web/1")["pid"]
    os.kill(pid, signal.SIGKILL)
    baton.until(lambda: baton.instance("web/1")["state"] == "ready" and baton.instance("web/1")["pid"] != pid, "again", 5)


def one_that_ignores_its_end_is_killed_with_all_its_children(sandbox):
    script = 'trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & while :; do sleep 1; done'
    config = sandbox.configuration()
    config.service("deaf", ["sh", "-c", script], stop={"drain_timeout": "500ms", "kill_timeout": "500ms"})
    baton = sandbox.supervisor(config)
    baton.await_ready("deaf", 1)
    from baton_e2e import descendants
    pid = baton.instance("deaf/1")["pid"]
    baton.until(lambda: len(descendants(pid)) >= 2, "it has children")
    below = descendants(pid)
    baton.run("stop", "deaf")
    baton.until(lambda: not [one for one in below if one.exists], "the whole group is gone")


main(intervals_grow_and_a_limit_holds, policies, a_stable_one_is_started_again_at_once,
     one_that_ignores_its_end_is_killed_with_all_its_children)
