"""A reload of a configuration that is wrong changes nothing, and tells the one who asked for it everything
that is wrong, with file and line.
"""
from baton_e2e import SERVER, ask, main


def every_mistake_at_once(sandbox):
    baton, config, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"], rate=400)
    before = baton.status()
    held = len(baton.keeper.descriptors())
    bad = config.copy()
    bad["service"]["web"].update(version="2", colour="red", replicas="many", depends_on=["nobody"])
    bad["listener"]["double"] = dict(config["listener"]["web"])
    bad["listener"]["lost"] = {"address": sandbox.address(), "protocol": "http", "service": "missing"}
    bad["service"]["far"] = {"version": "1", "command": [SERVER], "runtime": "container"}
    result = baton.reload(bad, check=False)
    text = result.stdout + result.stderr
    assert result.returncode == 1, text
    for word in ("colour", "replicas", "nobody", "missing", "not available in this version"):
        assert word in text, f"{word!r} is not named in: {text}"
    lines = [line for line in text.splitlines() if "baton.toml:" in line]
    assert len(lines) >= 6, f"not every mistake has its place: {text}"
    after = baton.status()
    assert {one["pid"] for one in before["instances"]} == {one["pid"] for one in after["instances"]}
    assert [one["name"] for one in after["services"]] == ["web"]
    assert len(baton.keeper.descriptors()) == held
    assert ask(address).version == "1"
    load.stop(at_least=50)


def no_toml_at_all(sandbox):
    baton, config, address = sandbox.running_web(1)
    for text, word in (("[[[", "baton.toml:1"), ("a = \n", "baton.toml:1"), ("\n\nx = 1\n", "baton.toml:3")):
        baton.write(text)
        result = baton.run("reload", check=False)
        assert result.returncode == 1 and word in result.stdout + result.stderr, (text, result)
    assert ask(address).status == 200
    baton.reload(config)


def an_address_that_is_taken(sandbox):
    from baton_e2e.by_hand import listen
    baton, config, address = sandbox.running_web(1)
    port = sandbox.port()
    other = listen(port=port)
    taken = config.copy()
    taken.listener("second", f"127.0.0.1:{port}", "web")
    result = baton.reload(taken, check=False)
    assert result.returncode == 1 and str(port) in result.stdout + result.stderr, result
    assert ask(address).status == 200
    assert [one["name"] for one in baton.get("/v1/listeners")] == ["web"]
    other.close()
    baton.reload(taken)
    assert ask(f"127.0.0.1:{port}").status == 200


main(every_mistake_at_once, no_toml_at_all, an_address_that_is_taken)
