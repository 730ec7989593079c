"""A command that returns success has succeeded; otherwise it says what failed. Tables for people, JSON for
programs, and a message where nobody listens.
"""
import json
import os
import re
import signal
import subprocess

from baton_e2e import Skip, ask, main


def tables_and_json_agree(sandbox):
    baton, _, _ = sandbox.running_web(2)
    for kind in ("service", "instance", "listener", "node", "revision", "generation"):
        table = baton.run("get", kind).stdout
        documents = json.loads(baton.run("-o", "json", "get", kind).stdout)
        assert isinstance(documents, list) and documents, (kind, documents)
        name = documents[0].get("name") or documents[0].get("service") or str(documents[0].get("generation"))
        assert name in table, (kind, table)
    status = json.loads(baton.run("-o", "json", "status").stdout)
    assert {one["name"] for one in status["instances"]} == {"web/1", "web/2"}
    text = baton.run("status").stdout
    assert "web" in text and str(status["node"]["master_pid"]) in text, text


def stop_and_start(sandbox):
    baton, config, address = sandbox.running_web(2)
    baton.run("stop", "web/1")
    assert len(baton.pids("web")) == 1
    baton.run("start", "web/1")
    assert len(baton.instances("web", "ready")) == 2
    pids = baton.pids("web")
    baton.run("stop", "web")
    assert not baton.pids("web") and not [child for child in baton.keeper.children() if child.pid in pids]
    assert baton.service("web")["state"] == "stopped"
    baton.reload(config)
    assert not baton.pids("web"), "what an operator stopped stays stopped"
    baton.run("start", "web")
    assert ask(address).status == 200 and len(baton.instances("web", "ready")) == 2


def failures_say_so(sandbox):
    baton, config, _ = sandbox.running_web(1)
    for command in (["stop", "nobody"], ["restart", "web/9"], ["scale", "nobody", "2"], ["get", "service", "nobody"],
                    ["logs", "nobody"]):
        result = baton.run(*command, check=False)
        text = result.stdout + result.stderr
        assert result.returncode == 1 and ("nobody" in text or "web/9" in text), (command, result)
    assert baton.run("scale", "web", "0", check=False).returncode != 0
    result = baton.run("dance", check=False)
    assert result.returncode == 2 and "'dance' is not a command" in result.stderr, result
    config.service("bad", ["sh", "-c", "exit 4"], readiness={"type": "notify"},
                   restart={"limit": 1, "backoff": "50ms"})
    result = baton.reload(config, check=False)
    assert result.returncode == 1 and "bad" in result.stdout + result.stderr, result
    # Of two new services it is the one that failed that is told, not the one that was waited for last.
    del config["service"]["bad"]
    baton.reload(config)
    config.service("first", ["sh", "-c", "exit 4"], restart={"limit": 1, "backoff": "50ms"}, readiness={"type": "notify"})
    config.service("second", ["sleep", "1000"])
    result = baton.reload(config, check=False)
    assert result.returncode == 1 and "reload failed in phase service first: first/1: " in result.stderr, result


def what_ends_at_once_never_was_there(sandbox):
    """Without a probe a program is ready when it was started; but nobody is told so of one that cannot run."""
    config = sandbox.configuration()
    quick = {"backoff": "20ms", "backoff_max": "50ms"}
    config.service("web", ["sleep", "1000"], replicas=2, restart=quick)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    pids = baton.pids("web")
    config["service"]["web"]["command"] = ["false"]
    result = baton.reload(config, check=False)
    assert result.returncode == 1 and "was taken back: it does not become ready: web/1 exited 1" in result.stderr, result
    assert baton.pids("web") == pids
    config["service"]["web"]["command"] = ["sleep", "1000"]
    config.service("crash", ["false"], restart=quick)
    for command in (["start", "crash"], ["start", "crash/1"], ["restart", "crash/1"], ["restart", "crash"], ["scale", "crash", "3"]):
        if command == ["start", "crash"]:
            result = baton.reload(config, check=False)
            assert result.returncode == 1 and re.search(r"crash/1: exited 1, \d+ times in a row", result.stderr), result
            baton.run("stop", "crash")
        result = baton.run(*command, check=False)
        assert result.returncode == 1 and re.search(r"crash/\d", result.stderr) and "exited 1" in result.stderr, (command, result)
    baton.run("stop", "crash")
    # What has done its work and may end is no failure.
    config.service("job", ["true"], restart={"policy": "on_failure"})
    baton.reload(config)
    config["service"]["job"]["version"] = "2"
    baton.reload(config)
    baton.run("restart", "job/1")
    assert baton.pids("web") == pids


def a_late_one_is_named(sandbox):
    """A command ends when the deadline does, and says who is late and why."""
    config = sandbox.configuration()
    late = {"readiness": {"type": "notify"}, "rollout": {"deadline": "1s", "auto_rollback": False}, "stop": {"drain_timeout": "300s"}}
    config.service("web", ["sleep", "1000"], **late)
    baton = sandbox.supervisor(config)
    result = baton.run("start", "web", check=False)  # it waits for what the configuration has begun
    assert result.returncode == 1, result
    assert "service web: not in place within 1s: web/1 is starting (0 of 1 ready)" in result.stderr, result
    config["service"]["web"].update(command=["sleep", "1001"], readiness={"type": "none"}, rollout={"deadline": "10m"})
    baton.reload(config)
    config["service"]["web"].update(late, command=["sleep", "1002"])
    before = baton.last_event()
    result = baton.reload(config, check=False)
    assert result.returncode == 1 and "is not in place within 1s: web/1 is starting" in result.stderr, result
    failed = baton.await_event("rollout.failed", after=before)
    assert "auto_rollback is off, so it is tried on" in failed["text"], failed
    assert "not in place within 1s" in baton.run("status").stdout


def what_an_operator_took_out_is_told(sandbox):
    baton, _, _ = sandbox.running_web(2)
    assert "as it should be\n" in baton.run("status").stdout
    if baton.service("web")["steering"] != "kernel":
        raise Skip("nobody chooses among instances here")
    baton.run("drain", "web/1")
    baton.run("weight", "web/2", "0")
    assert "nobody new comes to web: " in baton.run("status").stdout
    baton.run("ready", "web/1")
    assert "as it should be\n" in baton.run("status").stdout
    baton.run("stop", "web")
    assert baton.get("/v1/listeners")[0]["state"] == "closed", baton.get("/v1/listeners")


def a_start_says_who_is_there(sandbox):
    baton, config, _ = sandbox.running_web(1)
    result = baton.batond("-c", baton.file)
    keeper = baton.keeper.pid
    assert result.returncode == 1 and f"state_dir {baton.folder}/state is in use: " in result.stderr, result
    assert f"state/lock: process {keeper} has it" in result.stderr, result
    assert f"baton.pid names process {baton.master().pid}, which lives" in result.stderr, result
    baton.run("status")
    # One that shares nothing with it but an address.
    config["supervisor"].update(pid_file="other/baton.pid", runtime_dir="other", state_dir="other")
    config["admin"]["socket"] = "other/admin.sock"
    other = os.path.join(baton.folder, "other.toml")
    with open(other, "w", encoding="utf-8") as file:
        file.write(config.text())
    result = baton.batond("-c", other)
    assert result.returncode == 1 and "address already in use" in result.stderr, result
    # One with everything of its own but the state: it leaves no trace there.
    config["supervisor"]["state_dir"] = "state"
    config["listener"]["web"]["address"] = sandbox.address()
    with open(other, "w", encoding="utf-8") as file:
        file.write(config.text())
    before = baton.last_event()
    result = baton.batond("-c", other)
    assert result.returncode == 1 and f"process {keeper} has it" in result.stderr, result
    assert baton.last_event() == before and baton.run("status").returncode == 0
    # It is the keeper's, whoever is the master.
    baton.run("upgrade", "--soak", "0s")
    baton.await_single()
    result = baton.batond("-c", other)
    assert result.returncode == 1 and f"process {keeper} has it" in result.stderr, result
    for word, letter in (("--help", "-h"), ("--version", "-v")):
        long, short = baton.batond(word), baton.batond(letter)
        assert long.returncode == 0 and long.stdout == short.stdout and long.stdout, (long, short)
    started = next(one["text"] for one in baton.events() if one["kind"] == "instance.starting")
    assert "depends" not in started, started


def a_restart_outlives_a_change_of_masters(sandbox):
    """It was asked of one generation and is done by another one: true when it returns, all the same."""
    baton, _, _ = sandbox.running_web(2, {"readiness": {"type": "http", "path": "/healthz", "interval": "100ms", "initial_delay": "500ms"}})
    before = baton.pids("web")
    old, _ = baton.start_upgrade()
    with subprocess.Popen([baton.baton, "--socket", baton.socket, "restart", "web"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as restart:
        baton.until(lambda: baton.pids("web") - before, "it is under way")
        old.kill(signal.SIGWINCH)
        baton.await_phase("handed")
        output, errors = restart.communicate(timeout=60)
    assert restart.returncode == 0, (output, errors)
    assert "another generation has seen it through" in output, (output, errors)
    assert len(baton.instances("web", "ready")) == 2 and not baton.pids("web") & before
    old.kill(signal.SIGQUIT)
    baton.await_single()


def nobody_listens(sandbox):
    baton, _, _ = sandbox.running_web(1)
    result = subprocess.run([baton.baton, "--socket", sandbox.path("nowhere.sock"), "status"], capture_output=True,
                            text=True, timeout=30, check=False)
    assert result.returncode == 1 and "nowhere.sock" in result.stderr, result


main(tables_and_json_agree, stop_and_start, failures_say_so, what_ends_at_once_never_was_there, a_late_one_is_named,
     what_an_operator_took_out_is_told, a_start_says_who_is_there, a_restart_outlives_a_change_of_masters,
     nobody_listens)
