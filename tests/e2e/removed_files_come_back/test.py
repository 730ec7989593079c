"""The admin socket, the pid file and all of runtime_dir can be removed while Baton runs: they are there again within a
moment, nobody is disturbed, and what cannot be had again without a restart is told, with the restart that does it.
"""
import os
import shutil

from baton_e2e import SERVER, ask, main


def the_admin_socket(sandbox):
    baton, _, address = sandbox.running_web(1)
    load = sandbox.load(address, ["get:4", "new:4"])
    master = baton.master()
    for _ in range(2):
        os.remove(baton.socket)
        baton.until(lambda: baton.run("status", check=False).returncode == 0, "it answers again")
    # The keeper holds the new one: the next masters answer there.
    master.kill()
    baton.until(lambda: baton.single() and baton.master() != master, "another master")
    baton.run("upgrade", "--soak", "0s")
    baton.await_single()
    baton.run("status")
    load.stop(at_least=100)
    baton.stop()
    assert not os.path.exists(baton.socket)


def the_pid_file(sandbox):
    baton, _, _ = sandbox.running_web(1)
    master = baton.master()
    os.remove(baton.pid_path)
    baton.until(lambda: os.path.exists(baton.pid_path) and baton.master() == master, "it is there again")
    result = baton.batond("-c", baton.file, "-s", "reload")
    assert result.returncode == 0, result
    baton.await_event("reload.done")


def the_pid_file_that_could_not_be_written(sandbox):
    """As on a full disk: a replaced master has no pid file, serves all the same, and writes it when that can be done."""
    baton, _, _ = sandbox.running_web(1)
    master = baton.master()
    os.mkdir(baton.pid_path + ".new")  # where it is written before it is renamed
    master.kill()
    baton.until(lambda: "write pid file" in baton.log() and baton.status()["node"]["master_pid"] != master.pid, "another master says so")
    assert baton.master().pid == master.pid and not master.alive
    assert baton.log().count("it is tried again") == 1, "said once"
    os.rmdir(baton.pid_path + ".new")
    baton.until(lambda: baton.master().pid == baton.status()["node"]["master_pid"], "it is written")
    assert "the pid file names this master now" in baton.log()


def all_of_runtime_dir(sandbox):
    baton, _, address = sandbox.proxied(2, upstream="socket")
    baton.until(lambda: ask(address).status == 200, "it serves")
    shutil.rmtree(os.path.join(baton.folder, "run"))
    baton.until(lambda: baton.run("status", check=False).returncode == 0, "it answers again")
    told = baton.await_event("supervisor.files_made_again")["text"]
    assert told.endswith("nobody reaches what runs of these services until they are restarted: web"), told
    baton.run("restart", "web")
    assert all(ask(address).status == 200 for _ in range(10))
    baton.await_ready("web", 2)


def a_unix_listener(sandbox):
    config = sandbox.configuration()
    config.listener("web", "unix:run/web.sock", "web")
    sandbox.web(config, "other", 1)
    config.service("web", [SERVER], replicas=1)
    baton = sandbox.supervisor(config)
    path = os.path.join(baton.folder, "run/web.sock")
    baton.await_ready("web", 1)
    assert ask("unix:" + path).status == 200
    baton.reload(config)
    assert not [one for one in baton.events() if one["kind"] == "listener.file_removed"]
    os.remove(path)
    baton.reload(config)
    told = baton.await_event("listener.file_removed", "listener web")["text"]
    assert told == f"nobody finds it at {path}, which was removed; `baton stop web` and `baton start web` make it again", told
    baton.run("stop", "web")
    baton.run("start", "web")
    assert ask("unix:" + path).status == 200


main(the_admin_socket, the_pid_file, the_pid_file_that_could_not_be_written, all_of_runtime_dir, a_unix_listener)
