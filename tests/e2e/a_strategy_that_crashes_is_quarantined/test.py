# ctest: RUN_SERIAL TIMEOUT 300
"""Strategies that pass their check and go wrong on live traffic: one that crashes, one that never comes back, one
that picks nonsense. Who it was is known, the built-in one takes its place, traffic is back within a second, and
nothing fails but what was under way in the workers that it took with it. A repaired file gets its chance.
"""
from baton_e2e import ask_all, main
from baton_e2e.plugins import balanced, install, state_of

CONNECTIONS = 8
BACK_WITHIN_MS = 1000
LOST = {"reset_before_response", "reset_mid_response", "reset_idle", "closed_under_request", "early_eof"}


def set_aside(sandbox, sample, words):
    folder = sandbox.path("plugins")
    install("good", folder)
    baton, config, address = balanced(sandbox, "sample", folder)
    first, = ask_all(address, 10)
    load = sandbox.load(address, [f"get:{CONNECTIONS}", f"new:{CONNECTIONS}"])
    workers = baton.workers()
    install(sample, folder)
    baton.run("plugin", "reload", check=False)  # it may be over before every worker has confirmed
    event = baton.await_event("plugin.quarantined")
    assert event["subject"] == "sample" and event["text"] == words + "; round_robin goes on in its place", event
    baton.until(lambda: state_of(baton, "sample") == {"quarantined"}, "it is told")
    assert "strategy sample is quarantined" in baton.run("status").stdout, baton.run("status").stdout
    assert [one["name"] for one in baton.status()["plugins"]] == ["sample"], baton.status()["plugins"]
    baton.until(lambda: [one["state"] for one in baton.get("/v1/workers")] == ["ready"] * 2, "others take their place")
    before = load.now().ok
    baton.until(lambda: load.now().ok > before + 500, "the load goes on")
    report = load.finish()
    lost = len(workers - baton.workers())
    assert lost > 0 and report.failed <= lost * 2 * CONNECTIONS and set(report.kinds) <= LOST, report.describe()
    assert report.longest_gap_ms < BACK_WITHIN_MS, report.describe()
    assert len(ask_all(address, 10)) == 2, "round_robin takes all instances"
    return baton, config, folder, address, first


def crashing(sandbox):
    baton, config, folder, address, first = set_aside(sandbox, "crash_live", "crashed in pick")
    workers = baton.workers()
    # It stays so: through a reload, a killed master, an upgrade.
    baton.run("plugin", "reload")
    baton.reload(config)
    baton.master().kill()
    baton.until(lambda: baton.single() and state_of(baton, "sample") == {"quarantined"}, "the next master knows")
    assert baton.workers() == workers
    baton.run("upgrade", "--soak", "0s")
    baton.await_single()
    assert state_of(baton, "sample") == {"quarantined"}, baton.get("/v1/plugins")
    assert len(ask_all(address, 10)) == 2
    # Until there is another file.
    install("good", folder)
    baton.run("plugin", "reload")
    assert state_of(baton, "sample") == {"used"}, baton.get("/v1/plugins")
    assert not baton.status()["plugins"]
    assert ask_all(address, 10) == {first: 10}
    baton.stop()


def hanging(sandbox):
    baton, *_ = set_aside(sandbox, "loop_live", "does not come back from pick")
    baton.stop()


def picking_nonsense(sandbox):
    folder = sandbox.path("plugins")
    install("nonsense_live", folder)
    baton, _, address = balanced(sandbox, "sample", folder)
    workers = baton.workers()
    load = sandbox.load(address, ["get:8", "new:4"])
    baton.until(lambda: all(one["faults"] > 100 for one in baton.get("/v1/workers")), "faults are counted")
    load.stop(at_least=1000)
    assert baton.workers() == workers and len(ask_all(address, 10)) == 2
    baton.stop()


main(crashing, hanging, picking_nonsense)
