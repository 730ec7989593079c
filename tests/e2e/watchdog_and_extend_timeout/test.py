"""sd_notify in full: READY, STATUS, STOPPING, WATCHDOG (an instance that falls silent is replaced) and
EXTEND_TIMEOUT_USEC (one that is slow to start but says so is not killed).
"""
from baton_e2e import SERVER, ask, main


def watched(sandbox, command, **more):
    """A service whose liveness is its own WATCHDOG=1, every second at the latest."""
    return sandbox.running_web(1, {"command": command, "readiness": {"type": "notify"},
                                   "liveness": {"type": "notify", "interval": "500ms", "failure": 2}, "stop": {"kill_timeout": "500ms"},
                                   **more})


def a_silent_one_is_replaced(sandbox):
    baton, _, address = watched(sandbox, [SERVER, "--notify", "--hang-after", "2000"])
    found = ask(address, "/environment").json()["environment"]
    assert int(found["WATCHDOG_USEC"]) > 0, found
    pid = baton.instance("web/1")["pid"]
    baton.until(lambda: baton.instance("web/1")["pid"] not in (0, pid) and baton.instance("web/1")["state"] == "ready",
                "the hung instance is replaced")
    assert baton.instance("web/1")["restarts"] >= 1


def one_that_beats_is_left_alone(sandbox):
    baton, _, address = watched(sandbox, [SERVER, "--notify"])
    load = sandbox.load(address, ["post:2"], rate=100)
    pid = baton.instance("web/1")["pid"]
    baton.until(lambda: baton.instance("web/1")["since"] > 4000, "four periods of the watchdog")
    assert baton.instance("web/1")["pid"] == pid and baton.instance("web/1")["restarts"] == 0
    # An upgrade and a killed master lose no beat either.
    baton.upgrade_by_signals()
    baton.until(lambda: baton.instance("web/1")["pid"] == pid, "adopted")
    load.stop(at_least=50)


def one_that_never_beats_is_replaced(sandbox):
    baton, _, _ = watched(sandbox, [SERVER, "--notify", "--no-watchdog"])
    pid = baton.instance("web/1")["pid"]
    baton.until(lambda: baton.instance("web/1")["pid"] not in (0, pid), "it is replaced")


def a_slow_start_may_ask_for_time(sandbox):
    config = sandbox.configuration()
    slow = {"readiness": {"type": "notify"}, "startup": {"type": "notify", "interval": "200ms", "timeout": "200ms", "failure": 4},
            "restart": {"backoff": "100ms"}}
    command = [SERVER, "--notify", "--ready-after", "3500"]
    sandbox.web(config, "asks", replicas=1, command=[*command, "--extend-timeout", "1000"], **slow)
    sandbox.web(config, "silent", replicas=1, command=command, **slow)
    baton = sandbox.supervisor(config)
    baton.await_ready("asks", 1, timeout=15)
    assert baton.instance("asks/1")["restarts"] == 0
    baton.until(lambda: baton.instance("silent/1")["restarts"] >= 1, "the one that does not ask is started again")


def status_is_shown(sandbox):
    baton, _, _ = sandbox.running_web(1, {"command": [SERVER, "--notify", "--status", "all is well"],
                                          "readiness": {"type": "notify"}})
    baton.until(lambda: baton.instance("web/1")["status"] == "all is well", "the status text")
    assert "all is well" in baton.run("status").stdout + baton.run("get", "instance").stdout
    baton.run("stop", "web/1")
    assert baton.instance("web/1")["status"] == "", "it says nothing any more"


main(a_silent_one_is_replaced, one_that_beats_is_left_alone, one_that_never_beats_is_replaced,
     a_slow_start_may_ask_for_time, status_is_shown)
