# ctest: RUN_SERIAL TIMEOUT 300
"""What nginx is known to get wrong, each shown right here."""
import os
import signal
import socket
import stat
import time

from baton_e2e import SERVER, ask, main
from baton_e2e.web import connect


def script(sandbox, name, text):
    path = sandbox.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def a_new_binary_that_hangs_is_found_and_quit_is_no_outage(sandbox):
    config = sandbox.configuration()
    config["supervisor"]["upgrade"]["ready_timeout"] = "2s"
    address = sandbox.web(config)
    baton = sandbox.supervisor(config, own_binary=True)
    baton.await_ready("web", 2)
    load = sandbox.load(address, ["post:4", "new:4"])
    old = baton.master()
    baton.install_binary(script(sandbox, "hangs", "exec sleep 1000\n"))
    old.kill(signal.SIGUSR2)
    baton.until(baton.upgrading, "the trial begins")
    old.kill(signal.SIGQUIT)  # nginx: nobody serves from here on
    baton.await_single()
    assert baton.master() == old and old.alive
    load.stop(at_least=200)


def a_new_master_killed_after_winch_leaves_no_orphan(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    before = {process.pid for process in baton.keeper.children()}
    old, new = baton.start_upgrade()
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    new.kill(signal.SIGKILL)
    baton.await_single()
    assert baton.master() == old
    baton.until(lambda: {process.pid for process in baton.keeper.children()} == before, "the children of before, no others")
    load.stop(at_least=100)


def hup_before_winch_doubles_nothing(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    old, new = baton.start_upgrade()
    children = {process.pid for process in baton.keeper.children()}
    size = len(baton.log())
    old.kill(signal.SIGHUP)
    baton.until(lambda: "HUP" in baton.log()[size:] or "reload" in baton.log()[size:].lower(), "HUP is answered in the log")
    assert baton.pids() == pids and {process.pid for process in baton.keeper.children()} == children
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    old.kill(signal.SIGQUIT)
    baton.await_single()
    assert baton.master() == new
    load.stop(at_least=100)


def no_blocked_signal_crosses_an_exec(sandbox):
    baton, _, address = sandbox.running_web(1, environment={"NOTIFY_SOCKET": ""})

    def assert_clean(pid):
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert int(fields["SigBlk"], 16) == 0, fields["SigBlk"]
    assert_clean(ask(address).pid)
    for _ in range(3):
        baton.upgrade_by_signals()
        baton.run("restart", "web")
        assert_clean(ask(address).pid)


def the_notify_socket_is_kept(sandbox):
    path = sandbox.path("notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(15)
        said = []

        def hear(text):
            while not any(text in one for one in said):
                said.append(manager.recv(4096).decode())
        baton, _, address = sandbox.running_web(1, {"command": [SERVER]}, environment={"NOTIFY_SOCKET": path})
        hear("READY=1")
        assert ask(address, "/environment").json()["environment"].get("NOTIFY_SOCKET") != path
        baton.upgrade_by_signals()
        assert ask(address, "/environment").json()["environment"].get("NOTIFY_SOCKET") != path
        said.clear()
        baton.stop()
        hear("STOPPING=1")


def dash_t_changes_nothing_on_disk(sandbox):
    baton, config, address = sandbox.running_web(1)
    other = sandbox.path("other")
    os.makedirs(other)
    with open(os.path.join(other, "baton.toml"), "w", encoding="utf-8") as file:
        file.write(config.text())  # the very addresses that are in use
    result = baton.batond("-c", os.path.join(other, "baton.toml"), "-t")
    assert result.returncode == 0, result.stderr
    assert os.listdir(other) == ["baton.toml"], os.listdir(other)
    result = baton.batond("-c", os.path.join(other, "baton.toml"), "-T")
    assert result.returncode == 0 and "web" in result.stdout, result
    assert os.listdir(other) == ["baton.toml"], os.listdir(other)
    assert ask(address).status == 200
    with open(os.path.join(other, "baton.toml"), "w", encoding="utf-8") as file:
        file.write(config.text() + "\n[service.web.colour]\nred = 1\n[nonsense]\n")
    result = baton.batond("-c", os.path.join(other, "baton.toml"), "-t")
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if "baton.toml:" in line]
    assert len(lines) >= 2 and "colour" in result.stderr and "nonsense" in result.stderr, result.stderr
    # What this host lacks is told beside it, at its line, also where that is in an included file.
    with open(os.path.join(other, "more.toml"), "w", encoding="utf-8") as file:
        file.write('[service.more]\ncommand = ["true"]\nuser = "nobodyatall"\n'
                   '[listener.more]\nservice = "more"\naddress = "192.0.2.1:1"\n')
    config["supervisor"]["include"] = ["more.toml"]
    with open(os.path.join(other, "baton.toml"), "w", encoding="utf-8") as file:
        file.write(config.text() + "\n[nonsense]\n")
    result = baton.batond("-c", os.path.join(other, "baton.toml"), "-t")
    assert result.returncode == 1
    for told in ("unknown key nonsense", "more.toml:3: service.more.user: user nobodyatall: no such user",
                 "more.toml:6: bind 192.0.2.1:1 for listener more: cannot assign requested address"):
        assert told in result.stderr, result.stderr


def a_broken_configuration_can_be_stopped(sandbox):
    baton, _, _ = sandbox.running_web(1)
    baton.write("[[[ broken")
    result = baton.batond("-c", baton.file, "-s", "stop")
    assert result.returncode == 0, result.stderr
    baton.await_end()


def a_long_connection_does_not_keep_the_old_master(sandbox):
    baton, _, address = sandbox.running_web(2)
    client = connect(address, timeout=30)
    client.sendall(b"GET /?ms=6000 HTTP/1.1\r\nHost: x\r\n\r\n")
    began = time.monotonic()
    baton.upgrade_by_signals()
    assert time.monotonic() - began < 5, "the old master waited for a connection that is none of its business"
    assert b" 200 OK" in client.recv(65536)


main(a_new_binary_that_hangs_is_found_and_quit_is_no_outage, a_new_master_killed_after_winch_leaves_no_orphan,
     hup_before_winch_doubles_nothing, no_blocked_signal_crosses_an_exec, the_notify_socket_is_kept,
     dash_t_changes_nothing_on_disk, a_broken_configuration_can_be_stopped,
     a_long_connection_does_not_keep_the_old_master)
