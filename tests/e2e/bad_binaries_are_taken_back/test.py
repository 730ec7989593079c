# ctest: RUN_SERIAL TIMEOUT 300
"""A new binary that is bad in any way is taken back by itself, under load, by `baton upgrade` and by USR2:
the old master is as it was, nothing of the new one is left, and the caller is told why.
"""
import hashlib
import os
import signal
import stat

from baton_e2e import Skip, main
from baton_e2e.sandbox import BINARIES


def file_of(sandbox, name, content, executable=True):
    path = sandbox.path(name)
    with open(path, "wb") as file:
        file.write(content)
    if executable:
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def candidate():
    """A master of the build that behaves badly, as BATON_BAD_MASTER tells it."""
    path = os.path.realpath(os.path.join(BINARIES, "baton-bad-master"))
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    return lambda sandbox: path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def taken_back(sandbox, make, environment=None):
    config = sandbox.configuration()
    config["supervisor"]["upgrade"].update(ready_timeout="2s", soak="3s")
    address = sandbox.web(config)
    baton = sandbox.supervisor(config, own_binary=True, environment=environment)
    baton.await_ready("web", 2)
    load = sandbox.load(address, ["post:8", "new:8"])
    master, pids = baton.master(), baton.pids()
    children = {process.pid for process in baton.keeper.children()}
    bad = make(sandbox)

    def assert_as_before():
        baton.await_single()
        assert baton.master() == master and baton.pids() == pids
        baton.until(lambda: {process.pid for process in baton.keeper.children()} == children, "the children of before")
    # By command: it fails, and says in which phase and why.
    result = baton.run("upgrade", "--binary", bad, check=False)
    assert result.returncode == 1 and len(result.stdout + result.stderr) > 20, result
    assert_as_before()
    # By signal, with the binary's own file overwritten.
    if os.path.exists(bad):
        baton.install_binary(bad)
    else:
        os.unlink(baton.binary)
    size = len(baton.log())
    last = baton.last_event()
    master.kill(signal.SIGUSR2)
    baton.until(lambda: any(one["number"] > last and one["kind"].startswith("upgrade") for one in baton.events()),
                "the upgrade leaves an event")
    assert_as_before()
    assert "upgrade" in baton.log()[size:].lower()
    # The master that runs is still the exact old bytes, and so is the one that replaces it.
    good = digest(os.path.join(BINARIES, "batond"))
    assert digest(f"/proc/{master.pid}/exe") == good
    master.kill(signal.SIGKILL)
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    assert digest(f"/proc/{baton.master().pid}/exe") == good
    assert baton.pids() == pids
    # A better binary is taken after all that.
    baton.install_binary(os.path.join(BINARIES, "batond"))
    baton.run("upgrade", "--soak", "100ms")
    baton.await_single()
    assert baton.pids() == pids
    load.stop(at_least=500)


def exits(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "exits", b"#!/bin/sh\nexit 1\n"))


def exits_with_success(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "succeeds", b"#!/bin/sh\nexit 0\n"))


def hangs(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "hangs", b"#!/bin/sh\ntrap '' TERM INT QUIT\nwhile :; do sleep 1; done\n"))


def is_garbage(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "garbage", b"\x7fELF" + bytes(range(256)) * 64))


def is_empty(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "empty", b""))


def is_missing(sandbox):
    taken_back(sandbox, lambda s: s.path("missing"))


def is_not_executable(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "plain", b"#!/bin/sh\n", executable=False))


def crashes_after_ready(sandbox):
    taken_back(sandbox, candidate(), environment={"BATON_BAD_MASTER": "crash"})


def hangs_after_ready(sandbox):
    taken_back(sandbox, candidate(), environment={"BATON_BAD_MASTER": "hang"})


def answers_500(sandbox):
    taken_back(sandbox, candidate(), environment={"BATON_BAD_MASTER": "500"})


def cannot_load_the_configuration(sandbox):
    baton, config, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    master, pids = baton.master(), baton.pids()
    baton.write("this is no configuration")
    result = baton.run("upgrade", check=False)
    assert result.returncode == 1 and "baton.toml:1" in result.stdout + result.stderr, result
    baton.await_single()
    assert baton.master() == master and baton.pids() == pids
    baton.write(config)
    baton.run("upgrade", "--soak", "100ms")
    assert baton.master() != master and baton.pids() == pids
    load.stop(at_least=200)


main(exits, exits_with_success, hangs, is_garbage, is_empty, is_missing, is_not_executable,
     cannot_load_the_configuration, crashes_after_ready, hangs_after_ready, answers_500)
