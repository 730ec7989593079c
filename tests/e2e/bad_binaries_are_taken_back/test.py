# ctest: RUN_SERIAL TIMEOUT 300
"""A new binary that is bad in any way is taken back by itself, under load, by `baton upgrade` and by USR2:
the old master is as it was, nothing of the new one is left, and the caller is told why.
"""
import hashlib
import os
import re
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


def taken_back(sandbox, make, why, environment=None):
    """`why`: a regular expression for the reason, which is given to whoever asked and in the event."""
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
    assert result.returncode == 1, result
    assert re.search(rf"upgrade failed in phase \w+: the upgrade was taken back: (?:{why})", result.stderr), result
    assert_as_before()
    # By signal, with the binary's own file overwritten.
    if os.path.exists(bad):
        baton.install_binary(bad)
    else:
        os.unlink(baton.binary)
    last = baton.last_event()
    master.kill(signal.SIGUSR2)
    returned = baton.await_event("upgrade.returned", after=last)
    assert re.match(rf"(?:{why}).*; this generation goes on$", returned["text"]), returned
    assert_as_before()
    assert "upgrade.returned: " + returned["subject"] + ": " + returned["text"] in baton.log()
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
    taken_back(sandbox, lambda s: file_of(s, "exits", b"#!/bin/sh\nexit 1\n"), "it ended: exited 1")


def exits_with_success(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "succeeds", b"#!/bin/sh\nexit 0\n"), r"it ended: exited 0 and has said nothing to the keeper: is it a batond\?")


def hangs(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "hangs", b"#!/bin/sh\ntrap '' TERM INT QUIT\nwhile :; do sleep 1; done\n"),
               "it did not prove itself in time")


def leaves_a_child(sandbox):
    # The child ignores what its parent is sent, and outlives it.
    taken_back(sandbox, lambda s: file_of(s, "leaves", b"#!/bin/sh\nsleep 2345\n"), "it did not prove itself in time")


def is_garbage(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "garbage", b"\x7fELF" + bytes(range(256)) * 64),
               "start /.*: execute: Exec format error")


def is_empty(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "empty", b""), "start /.*: execute: Exec format error")


def is_missing(sandbox):
    taken_back(sandbox, lambda s: s.path("missing"), "open /.*: No such file or directory")


def is_a_pipe(sandbox):
    baton, _, _ = sandbox.running_web(1)
    master, pipe = baton.master(), sandbox.path("pipe")
    os.mkfifo(pipe)
    result = baton.run("upgrade", "--binary", pipe, check=False)
    assert result.returncode == 1 and "not a file" in result.stderr, result
    baton.await_single()
    assert baton.master() == master


def is_not_executable(sandbox):
    taken_back(sandbox, lambda s: file_of(s, "plain", b"#!/bin/sh\n", executable=False),
               "start /.*: execute: Permission denied")


def crashes_after_ready(sandbox):
    taken_back(sandbox, candidate(), "it ended: killed by signal 6", environment={"BATON_BAD_MASTER": "crash"})


def hangs_after_ready(sandbox):
    # Its one deadline ends the trial and the probe; whichever is looked at first is the reason.
    taken_back(sandbox, candidate(), r"it did not prove itself in time|it failed its probe: no answer within \d+ms",
               environment={"BATON_BAD_MASTER": "hang"})


def answers_500(sandbox):
    taken_back(sandbox, candidate(), "it failed its probe: HTTP 500", environment={"BATON_BAD_MASTER": "500"})


def without_soak(sandbox, mode, why):
    """What fails only once it owns the instances is taken back although nobody asked for a soak."""
    baton, _, address = sandbox.running_web(2, own_binary=True, environment={"BATON_BAD_MASTER": mode})
    load = sandbox.load(address, ["post:4", "new:4"])
    master, pids, bad = baton.master(), baton.pids(), candidate()(sandbox)
    result = baton.run("upgrade", "--binary", bad, "--soak", "0s", check=False)
    assert result.returncode == 1 and re.search(rf"was taken back: (?:{why})", result.stderr), result
    baton.await_single()
    assert baton.master() == master and baton.pids() == pids
    # By hand: QUIT as soon as it could serve.
    baton.install_binary(bad)
    last = baton.last_event()
    master.kill(signal.SIGUSR2)
    baton.await_event("upgrade.proved", after=last)
    master.kill(signal.SIGQUIT)
    returned = baton.await_event("upgrade.returned", after=last)
    assert re.match(why, returned["text"]), returned
    baton.await_single()
    assert baton.master() == master and baton.pids() == pids
    load.stop(at_least=200)


def crashes_as_owner(sandbox):
    without_soak(sandbox, "crash-owner", "it ended: killed by signal 6|it failed a probe after it took over: ")


def hangs_as_owner(sandbox):
    without_soak(sandbox, "hang-owner", "it failed a probe after it took over: no answer within|it ended: killed by signal 9")


def answers_500_as_owner(sandbox):
    without_soak(sandbox, "500-owner", "it failed a probe after it took over: HTTP 500")


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


main(exits, exits_with_success, hangs, leaves_a_child, is_garbage, is_empty, is_missing, is_a_pipe, is_not_executable,
     cannot_load_the_configuration, crashes_after_ready, hangs_after_ready, answers_500,
     crashes_as_owner, hangs_as_owner, answers_500_as_owner)
