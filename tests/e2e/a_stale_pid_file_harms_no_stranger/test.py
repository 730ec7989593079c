"""A pid file may outlive its supervisor, and its pid be somebody else's by then: `batond -s` signals masters of Baton,
and nobody else.
"""
import os
import subprocess

from baton_e2e import main
from baton_e2e.processes import Process
from baton_e2e.sandbox import BINARIES


def batond(*arguments):
    return subprocess.run([os.path.join(BINARIES, "batond"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def refused(file, pid, why):
    os.makedirs(os.path.join(os.path.dirname(file), "run"), exist_ok=True)
    with open(os.path.join(os.path.dirname(file), "run/baton.pid"), "w", encoding="utf-8") as out:
        out.write(f"{pid}\n")
    for word in ("stop", "quit", "reload", "reopen", "upgrade"):
        result = batond("-c", file, "-s", word)
        assert result.returncode == 1 and why in result.stderr, (word, result)


def a_stranger(sandbox):
    file = sandbox.path("baton.toml")
    with open(file, "w", encoding="utf-8") as out:
        out.write("[supervisor]\npid_file = \"run/baton.pid\"\n")
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        # Each of the five would end it.
        refused(file, stranger.pid, f"process {stranger.pid} (sleep), named in {os.path.dirname(file)}/run/baton.pid, is no master of Baton")
        assert stranger.poll() is None, "it lives"
        stranger.kill()
        stranger.wait()
        refused(file, stranger.pid, f"process {stranger.pid}, named in {os.path.dirname(file)}/run/baton.pid, has ended")


def a_worker_of_baton(sandbox):
    """Not each process of that name."""
    baton, _, _ = sandbox.proxied(replicas=1)
    worker = next(iter(baton.workers()))
    file = sandbox.path("other/baton.toml")
    os.makedirs(os.path.dirname(file))
    with open(file, "w", encoding="utf-8") as out:
        out.write("[supervisor]\npid_file = \"run/baton.pid\"\n")
    refused(file, worker.pid, "is no master of Baton")
    assert worker == Process(worker.pid) and worker in baton.workers()
    assert batond("-c", baton.file, "-s", "stop").returncode == 0
    baton.await_end()


def two_tasks_at_once(_):
    for test in ("-t", "-T"):
        assert batond(test, "-s", "stop").returncode == 2


main(a_stranger, a_worker_of_baton, two_tasks_at_once)
