# ctest: RUN_SERIAL TIMEOUT 300
"""Another version of a strategy is installed and comes into force, twenty times, under load: each time it picks
when the command returns, the workers are the same processes with as much memory, and no request fails. One that
fails its check stays out, and the one before goes on.
"""
from baton_e2e import ask_all, main
from baton_e2e.plugins import balanced, install, state_of


def memory(process):
    """(KiB in memory, plugins that are mapped)"""
    with open(f"/proc/{process.pid}/maps", encoding="utf-8") as file:
        mapped = {line.split()[4] for line in file if "memfd:plugin" in line}
    return int(process.status()["VmRSS"].split()[0]), len(mapped)


def twenty_times(sandbox):
    folder = sandbox.path("plugins")
    install("good", folder, stamp=0)
    baton, _, address = balanced(sandbox, "sample", folder, replicas=3)
    first, = ask_all(address, 20)
    load = sandbox.load(address, ["get:8", "post:8", "new:4"])
    before = {process: (memory(process), len(process.descriptors())) for process in baton.workers()}
    assert all(plugins == 1 for (_, plugins), _ in before.values()), before
    for number in range(1, 21):
        install("good_newer" if number % 2 else "good", folder, stamp=number)
        said = baton.run("plugin", "reload")
        assert "sample is that of" in said.stdout, said.stdout
        who, = ask_all(address, 10)
        assert (who != first) == bool(number % 2), f"the swap is not in force after the command: {who}"
    assert baton.workers() == set(before)
    load.stop(at_least=1000)
    for process, ((kib, _), _) in before.items():
        now, plugins = memory(process)
        assert plugins == 1, f"{process}: {plugins} plugins are mapped"
        assert now < kib + 8192, f"{process}: {kib} KiB, then {now} KiB"
    baton.stop()


def a_bad_one_stays_out(sandbox):
    folder = sandbox.path("plugins")
    install("good", folder)
    baton, config, address = balanced(sandbox, "sample", folder, workers=1)
    first, = ask_all(address, 10)
    for bad, why in (("defect_major", "it was built for version 9 of the plugin ABI"), ("crash", "it crashed"), ("loop", "it did not come back")):
        path = install(bad, folder)
        for command in (["plugin", "reload"], ["plugin", "check", path]):
            said = baton.run(*command, check=False)
            assert said.returncode == 1 and why in said.stderr and path in said.stderr, (command, said.stderr)
        baton.run("reload")  # no reason to refuse a configuration: there is one that works
        assert ask_all(address, 10) == {first: 10}
        assert "used" in state_of(baton, "sample"), baton.get("/v1/plugins")
    assert "killed" not in {one["kind"] for one in baton.events()}
    install("good_newer", folder)
    baton.run("plugin", "reload")
    assert first not in ask_all(address, 10)
    baton.stop()


def the_list_names_what_ships_whoever_is_the_master(sandbox):
    baton, _, _ = balanced(sandbox, "ip_hash", workers=1)
    ships = ["active_standby", "hash", "ip_hash", "least_connections", "least_time", "random_two", "round_robin"]

    def assert_listed():
        assert sorted(one["name"] for one in baton.get("/v1/plugins")) == ships, baton.get("/v1/plugins")
        assert state_of(baton, "ip_hash") == {"used"}, baton.get("/v1/plugins")
        assert "least_time" in baton.run("get", "plugin", "least_time").stdout
    assert_listed()
    old = baton.master()
    old.kill()
    baton.until(lambda: baton.single() and baton.master() != old, "another master")
    assert_listed()
    baton.run("plugin", "reload")
    assert_listed()
    baton.stop()


def a_configuration_must_fit(sandbox):
    """A strategy that nobody has, one that is refused, options it does not know: with file and line."""
    folder = sandbox.path("plugins")
    install("good", folder)
    baton, config, _ = balanced(sandbox, "sample", folder, workers=1)
    for balance, why in (({"strategy": "simple"}, '"simple" is an unknown strategy'),
                         ({"strategy": "sample", "options": {"integer": "70"}}, "integer"),
                         ({"strategy": "sample", "options": {"integer": "9", "choice": "two"}}, "two does not go with 9"),
                         ({"strategy": "least_time", "options": {"speed": "1"}}, "speed")):
        other = config.copy()
        other["service"]["web"]["balance"] = balance
        said = baton.reload(other, check=False)
        assert said.returncode == 1 and why in said.stderr and "baton.toml:" in said.stderr, said.stderr
        tested = baton.batond("-t", "-c", baton.file)
        assert tested.returncode == 1 and why in tested.stderr and "baton.toml:" in tested.stderr, tested.stderr
    baton.write(config)
    install("crash", folder)
    tested = baton.batond("-t", "-c", baton.file)
    assert tested.returncode == 1 and "is refused: " in tested.stderr and "it crashed" in tested.stderr, tested.stderr
    said = baton.run("upgrade", "--soak", "0s", check=False)
    assert said.returncode == 1 and "it crashed" in said.stderr, said.stderr
    assert baton.single() == 1
    baton.stop()


main(twenty_times, a_bad_one_stays_out, the_list_names_what_ships_whoever_is_the_master, a_configuration_must_fit)
