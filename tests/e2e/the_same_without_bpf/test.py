# ctest: RUN_SERIAL TIMEOUT 300
"""Without the rights for BPF one shared socket serves: `baton status` says so, and a rollover, a scale
down, an upgrade and a killed master still lose nothing.
"""
from baton_e2e import SERVER, ask, main, need


def without_bpf():
    return [need("setpriv"), "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin"]


def everything(sandbox):
    baton, config, address = sandbox.running_web(4, {"command": [SERVER, "--notify"], "readiness": {"type": "notify"}},
                                                 wrapper=without_bpf())
    assert baton.status()["node"]["steering"].startswith("shared: "), baton.status()["node"]
    assert baton.service("web")["steering"].startswith("shared"), baton.service("web")
    load = sandbox.load(address, ["post:8", "new:8"])
    for version in ("2", "3"):
        config["service"]["web"]["version"] = version
        baton.reload(config)
        assert ask(address).version == version
    for replicas in (1, 4):
        baton.run("scale", "web", replicas)
        baton.await_ready("web", replicas)
    pids = baton.pids("web")
    baton.upgrade_by_signals()
    baton.run("upgrade", "--soak", "200ms")
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    assert baton.pids("web") == pids, "instances are adopted, not restarted"
    load.stop(at_least=1000)


def a_probe_of_a_shared_socket_is_named_as_such(sandbox):
    baton, _, _ = sandbox.running_web(2, wrapper=without_bpf())
    text = baton.log().lower()
    assert "web" in text and "only" in text and "address" in text, "the log must say what the probe tests"


main(everything, a_probe_of_a_shared_socket_is_named_as_such)
