"""A service is started when those it depends on are ready, and stopped before they are."""
import re

from baton_e2e import SERVER, main


def chain(sandbox):
    config = sandbox.configuration()
    slow = [SERVER, "--notify", "--ready-after", "400"]
    for name, needs in (("front", ["middle"]), ("middle", ["base"]), ("base", [])):
        config.service(name, slow, depends_on=needs, readiness={"type": "notify"}, stop={"kill_timeout": "10s"})
        config.listener(name, sandbox.address(), name)
    return config


def times(baton, kind):
    """{instance: number of its first event of that kind}"""
    found = {}
    for event in baton.events():
        if event["kind"].startswith(kind):
            found.setdefault(event["subject"], event["number"])
    return found


def started_in_order(sandbox):
    baton = sandbox.supervisor(chain(sandbox))
    seen = []

    def watch():
        states = {one["name"]: one["state"] for one in baton.instances()}
        seen.append(states)
        return all(states.get(f"{name}/1") == "ready" for name in ("base", "middle", "front"))
    baton.until(watch, "all are ready")
    for states in seen:
        if states.get("middle/1", "waiting") != "waiting":
            assert states["base/1"] == "ready", states
        if states.get("front/1", "waiting") != "waiting":
            assert states["middle/1"] == "ready", states
    ready, starting = times(baton, "instance.ready"), times(baton, "instance.starting")
    assert ready["base/1"] < starting["middle/1"] < ready["middle/1"] < starting["front/1"], (ready, starting)


def stopped_in_order(sandbox):
    baton = sandbox.supervisor(chain(sandbox))
    for name in ("base", "middle", "front"):
        baton.await_ready(name, 1)
    baton.stop(3)  # QUIT: graceful
    log = baton.log()
    order = re.findall(r"instance\.(stopping|gone|completed)\S* .*?(front|middle|base)/1", log)
    assert [name for state, name in order if state == "stopping"] == ["front", "middle", "base"], order


def a_circle_is_refused(sandbox):
    config = chain(sandbox)
    baton = sandbox.supervisor(config)
    bad = config.copy()
    bad["service"]["base"]["depends_on"] = ["front"]
    result = baton.reload(bad, check=False)
    text = result.stdout + result.stderr
    assert result.returncode == 1 and "base" in text and "front" in text, text


main(started_in_order, stopped_in_order, a_circle_is_refused)
