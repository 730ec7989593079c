"""What an instance gets is what the contract lists, and nothing leaks into it: no descriptor, no signal
mask, no variable of the supervisor's own; the same after an upgrade and a killed master.
"""
import os
import re

from baton_e2e import SERVER, ask, main


def surroundings(address):
    return ask(address, "/environment").json()


def assert_clean(found, baton, version, folder):
    environment, status = found["environment"], found["status"]
    assert sorted(map(int, found["descriptors"])) == [0, 1, 2, 3, 4], found["descriptors"]
    assert found["descriptors"]["0"] == "/dev/null"
    assert found["descriptors"]["3"].startswith("socket:") and found["descriptors"]["4"].startswith("socket:")
    assert environment["LISTEN_FDS"] == "2" and environment["LISTEN_PID"] == str(found["pid"])
    assert set(environment["LISTEN_FDNAMES"].split(":")) == {"web", "second"}
    assert environment["BATON_SERVICE"] == "web" and environment["BATON_VERSION"] == version
    assert environment["BATON_INSTANCE"] in ("web/1", "1"), environment["BATON_INSTANCE"]
    assert environment["A"] == "b c" and environment["EMPTY"] == ""
    assert os.path.exists(environment["NOTIFY_SOCKET"]) or environment["NOTIFY_SOCKET"].startswith("@")
    assert "SECRET_OF_THE_SHELL" not in environment or environment["SECRET_OF_THE_SHELL"] == "kept"
    names = [entry.split("=")[0] for entry in found["environment_block"]]
    assert len(names) == len(set(names)), "a variable twice"
    for field in ("SigBlk", "SigIgn"):
        # The test server itself ignores SIGPIPE, after this was read.
        assert int(status[field], 16) == 0, (field, status[field])
    assert found["pid"] == found["group"], "an instance has its own process group"
    assert int(status["PPid"]) == baton.keeper.pid
    assert status["Umask"] == "0027"
    assert os.path.realpath(found["directory"]) == os.path.realpath(folder)
    assert re.search(r"Max open files\s+1000\s+1000", found["limits"]), found["limits"]


def everything(sandbox):
    config = sandbox.configuration()
    work = sandbox.path("work")
    os.makedirs(work)
    address = sandbox.web(config, replicas=1, command=[SERVER, "--notify"], environment={"A": "b c", "EMPTY": ""},
                          umask="027", directory=work, limits={"nofile": 1000}, readiness={"type": "notify"})
    config.listener("second", sandbox.address(), "web")
    baton = sandbox.supervisor(config, environment={"SECRET_OF_THE_SHELL": "kept", "LISTEN_FDS": "7", "LISTEN_PID": "1",
                                                    "WATCHDOG_USEC": "5"})
    baton.await_ready("web", 1)
    assert_clean(surroundings(address), baton, "1", work)
    assert "WATCHDOG_USEC" not in surroundings(address)["environment"], "no watchdog was asked for"
    baton.upgrade_by_signals()
    baton.run("restart", "web")
    assert_clean(surroundings(address), baton, "1", work)
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    config["service"]["web"]["version"] = "2"
    baton.reload(config)
    assert_clean(surroundings(address), baton, "2", work)


def two_instances_are_told_apart(sandbox):
    baton, _, address = sandbox.running_web(2)
    names = set()
    baton.until(lambda: names.add(ask(address).instance) or len(names) == 2, "both answer")
    sockets = {one["name"]: os.readlink(f"/proc/{one['pid']}/fd/3") for one in baton.instances("web")}
    if baton.status()["node"]["steering"].startswith("kernel"):
        assert len(set(sockets.values())) == 2, "each instance has a socket of its own"


def the_port_in_both_spellings(sandbox):
    """For programs that read their variables by themselves, and for those that a shell starts."""
    for command in ([SERVER], ["sh", "-c", 'exec "$0"', SERVER]):
        config = sandbox.configuration()
        address = config.listener("web", sandbox.address(), "web", protocol="http")
        config.service("web", command, replicas=1, delivery="proxy", upstream="port")
        baton = sandbox.supervisor(config)
        baton.await_ready("web", 1)
        found = surroundings(address)
        port = found["environment"]["PORT"]
        spelt = [entry for entry in found["environment_block"] if entry.startswith("VSOA_AUTO_PORT=")]
        # getenv() takes the first, a shell the last.
        assert spelt[0] == spelt[-1] == "VSOA_AUTO_PORT=" + port, spelt
        assert command[0] == "sh" or "VSOA_AUTO_PORT==" + port in spelt, spelt
        baton.stop()


def as_another_user(sandbox):
    import pwd
    from baton_e2e import Skip
    if os.getuid() != 0:
        raise Skip("needs root to change the user")
    user = pwd.getpwnam("nobody")
    os.chmod(sandbox.folder, 0o755)
    baton, _, address = sandbox.running_web(1, {"command": [SERVER, "--notify"], "user": "nobody", "directory": "/",
                                               "readiness": {"type": "notify"}})
    status = surroundings(address)["status"]
    assert status["Uid"].split() == [str(user.pw_uid)] * 4, status["Uid"]
    assert status["Gid"].split() == [str(user.pw_gid)] * 4, status["Gid"]
    assert "0" not in status["Groups"].split(), status["Groups"]


main(everything, two_instances_are_told_apart, as_another_user, the_port_in_both_spellings)
