# ctest: RUN_SERIAL TIMEOUT 600
"""Every signal of nginx's table does in Baton what it does in nginx, in the foreground and as a daemon;
what nginx refuses in the foreground (USR2, WINCH) works too. Each check runs under load where requests
could be lost.
"""
import os
import signal
import time

from baton_e2e import SERVER, ask, main
from baton_e2e.web import connect

SLOW = "/?ms=1500"


def everywhere(check):
    """The check, in the foreground and as a daemon."""
    def both(sandbox):
        check(sandbox, daemon=False)
        check(sandbox, daemon=True)
    both.__name__ = check.__name__
    return both


def assert_ended(baton):
    assert not os.path.exists(baton.pid_path) and not os.path.exists(baton.pid_path + ".oldbin")


def slow_request(address):
    client = connect(address, timeout=20)
    client.sendall(f"GET {SLOW} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def answered(client):
    return b" 200 OK" in client.recv(65536)


# --- one master ---

@everywhere
def term_and_int_stop_fast(sandbox, daemon):
    for number in (signal.SIGTERM, signal.SIGINT):
        for target in ("keeper", "master"):
            baton, _, address = sandbox.running_web(2, {"command": [SERVER, "--ignore-term"]}, daemon=daemon)
            assert ask(address).status == 200
            began = time.monotonic()
            (baton.keeper if target == "keeper" else baton.master()).kill(number)
            baton.await_end()
            assert time.monotonic() - began < 6, "a program that ignores TERM is killed after about 1.5 s"
            assert_ended(baton)


@everywhere
def quit_stops_gracefully(sandbox, daemon):
    for target in ("keeper", "master"):
        baton, _, address = sandbox.running_web(2, daemon=daemon)
        client = slow_request(address)
        baton.until(lambda: ask(address, "/healthz").status == 200, "the slow request is surely accepted")
        (baton.keeper if target == "keeper" else baton.master()).kill(signal.SIGQUIT)
        assert answered(client), "a request under way must be answered"
        baton.await_end()
        assert_ended(baton)


@everywhere
def hup_reloads(sandbox, daemon):
    baton, config, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    for version, target in (("2", "master"), ("3", "keeper")):
        config["service"]["web"]["version"] = version
        baton.write(config)
        (baton.keeper if target == "keeper" else baton.master()).kill(signal.SIGHUP)
        baton.await_ready("web", 2, version=version)
    pids, master = baton.pids(), baton.master()
    size = len(baton.log())
    baton.write("this is no configuration")
    baton.master().kill(signal.SIGHUP)
    baton.until(lambda: "baton.toml:1" in baton.log()[size:], "the mistake is in the log, with its place")
    assert (baton.pids(), baton.master()) == (pids, master), "a bad configuration must change nothing"
    load.stop(at_least=200)


@everywhere
def usr1_reopens_the_log(sandbox, daemon):
    baton, _, _ = sandbox.running_web(1, daemon=daemon)
    path = os.path.join(baton.folder, "log/baton.log")
    for number, target in enumerate((baton.master(), baton.keeper)):
        os.rename(path, f"{path}.{number}")
        target.kill(signal.SIGUSR1)
        baton.until(lambda: os.path.exists(path), "a new log file")
        def holds_no_old_file():
            held = [what for one in [baton.keeper, *baton.masters().values()] for what in one.descriptors().values()]
            return not [what for what in held if what.startswith(f"{path}.{number}")]
        baton.until(holds_no_old_file, "nobody writes to the old file")
        baton.run("restart", "web/1")
        with open(path, encoding="utf-8") as file:
            assert "web/1" in file.read()


@everywhere
def winch_alone_harms_nobody(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    master, pids, size = baton.master(), baton.pids(), len(baton.log())
    master.kill(signal.SIGWINCH)
    baton.until(lambda: "WINCH" in baton.log()[size:], "WINCH without an upgrade is answered in the log")
    load.stop(at_least=50)
    assert (baton.master(), baton.pids()) == (master, pids)


# --- the upgrade ---

@everywhere
def usr2_winch_quit_upgrade(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:8", "new:8"])
    pids = baton.pids()
    for _ in range(2):  # after a commit the new master accepts USR2 itself
        old = baton.master()
        old, new = baton.start_upgrade()
        assert baton.old_master() == old and baton.master() == new and old.alive and new.alive
        assert set(baton.masters().values()) == {old, new}
        assert new.parent == baton.keeper.pid and "(gen " in new.title
        assert baton.pids() == pids
        old.kill(signal.SIGWINCH)
        baton.await_phase("handed")
        assert old.alive and new.alive
        old.kill(signal.SIGQUIT)
        baton.until(lambda: not old.exists, "the old master ends")
        baton.await_single()
        assert baton.master() == new and not baton.upgrading()
        assert baton.pids() == pids, "instances are adopted, not restarted"
    load.stop(at_least=500)


@everywhere
def signals_to_the_keeper_reach_the_owner(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    old = baton.master()
    baton.keeper.kill(signal.SIGUSR2)
    baton.await_phase("proved")
    baton.keeper.kill(signal.SIGWINCH)  # the old one still owns the instances
    baton.await_phase("handed")
    old.kill(signal.SIGQUIT)
    baton.until(lambda: not old.exists, "the old master ends")
    baton.await_single()
    load.stop(at_least=100)


@everywhere
def quit_to_the_keeper_after_the_hand_over_ends_all_generations(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    old, _ = baton.start_upgrade()
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    client = slow_request(address)
    baton.until(lambda: ask(address, "/healthz").status == 200, "the slow request is surely accepted")
    baton.keeper.kill(signal.SIGQUIT)
    assert answered(client), "a request under way must be answered"
    baton.await_end()
    assert_ended(baton)


@everywhere
def quit_right_after_the_trial_commits(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    old, new = baton.start_upgrade()
    old.kill(signal.SIGQUIT)
    baton.until(lambda: not old.exists, "the old master ends")
    baton.await_single()
    assert baton.master() == new and baton.pids() == pids
    load.stop(at_least=100)


@everywhere
def a_second_usr2_is_refused_and_said_so(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    old, new = baton.start_upgrade()
    for target, why in ((old, "an upgrade is on already"), (new, "this master does not own the instances")):
        line = f"[master] USR2 refused: {why}"
        before = baton.log().count(line)
        target.kill(signal.SIGUSR2)
        baton.until(lambda line=line, before=before: baton.log().count(line) == before + 1, f"a line in the log: {line}")
        assert set(baton.masters().values()) == {old, new}, "a third master was started"
    result = baton.run("upgrade", check=False)
    assert result.returncode == 1 and "upgrade failed: refused: an upgrade is on already" in result.stderr, result
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    old.kill(signal.SIGQUIT)
    baton.until(lambda: not old.exists, "the old master ends")
    baton.await_single()
    baton.upgrade_by_signals()
    load.stop(at_least=100)


@everywhere
def hup_to_the_old_master_takes_back(sandbox, daemon):
    baton, config, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    old, new = baton.start_upgrade()
    for _ in range(2):
        old.kill(signal.SIGWINCH)
        baton.await_phase("handed")
        # HUP to the old master now is no reload: it does not read the configuration again.
        changed = config.copy()
        changed["service"]["web"]["version"] = "not now"
        baton.write(changed)
        old.kill(signal.SIGHUP)
        baton.await_phase("proved")
        assert old.alive and new.alive and baton.pids() == pids
    baton.write(config)
    new.kill(signal.SIGQUIT)
    baton.until(lambda: not new.exists, "the new master ends")
    baton.await_single()
    assert baton.master() == old and baton.pids() == pids
    report = load.stop(at_least=200)
    assert set(report.versions) == {"1"}


@everywhere
def a_new_master_that_ends_gives_everything_back(sandbox, daemon):
    baton, _, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])
    pids = baton.pids()
    for handed in (False, True):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGSEGV):
            old, new = baton.start_upgrade()
            if handed:
                old.kill(signal.SIGWINCH)
                baton.await_phase("handed")
            new.kill(number)
            baton.until(lambda: not new.exists, f"the new master ends by {number!r}")
            baton.await_single()
            assert baton.master() == old, f"after {number!r}, handed: {handed}"
            assert baton.pids() == pids
    load.stop(at_least=200)


@everywhere
def term_during_an_upgrade_ends_all_generations(sandbox, daemon):
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        baton, _, _ = sandbox.running_web(2, daemon=daemon)
        baton.start_upgrade()
        baton.keeper.kill(number)
        baton.await_end()
        assert_ended(baton)


# --- batond -s and -t ---

@everywhere
def dash_s_signals_the_running_supervisor(sandbox, daemon):
    baton, config, address = sandbox.running_web(2, daemon=daemon)
    load = sandbox.load(address, ["post:4", "new:4"])

    def say(word):
        result = baton.batond("-c", baton.file, "-s", word)
        assert result.returncode == 0, f"-s {word}: {result.returncode} {result.stderr}"
    config["service"]["web"]["version"] = "2"
    baton.write(config)
    say("reload")
    baton.await_ready("web", 2, version="2")
    path = os.path.join(baton.folder, "log/baton.log")
    os.rename(path, path + ".1")
    say("reopen")
    baton.until(lambda: os.path.exists(path), "a new log file")
    old = baton.master()
    say("upgrade")
    baton.await_phase("proved")
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    old.kill(signal.SIGQUIT)
    baton.await_single()
    load.stop(at_least=100)
    baton.write("this is no configuration")
    say("quit")
    baton.await_end()
    assert_ended(baton)
    result = baton.batond("-c", baton.file, "-s", "stop")
    assert result.returncode == 1 and "baton.pid does not exist" in result.stderr, result
    assert baton.batond("-s", "dance").returncode == 2


main(term_and_int_stop_fast, quit_stops_gracefully, hup_reloads, usr1_reopens_the_log, winch_alone_harms_nobody,
     usr2_winch_quit_upgrade, signals_to_the_keeper_reach_the_owner, quit_right_after_the_trial_commits,
     quit_to_the_keeper_after_the_hand_over_ends_all_generations,
     a_second_usr2_is_refused_and_said_so, hup_to_the_old_master_takes_back,
     a_new_master_that_ends_gives_everything_back, term_during_an_upgrade_ends_all_generations,
     dash_s_signals_the_running_supervisor)
