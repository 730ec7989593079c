"""What cannot work is said before it is tried for long: by -t, and by whoever started a daemon.
"""
import os
import subprocess

from baton_e2e import SERVER, Skip, ask, main
from baton_e2e.sandbox import BINARIES


def written(sandbox, config, name="one"):
    folder = sandbox.path(name)
    os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, "baton.toml")
    with open(file, "w", encoding="utf-8") as out:
        out.write(config.text())
    return file


def batond(*arguments):
    return subprocess.run([os.path.join(BINARIES, "batond"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def a_daemon_without_a_log(sandbox):
    config = sandbox.configuration()
    sandbox.web(config, replicas=1)
    config["supervisor"]["log"]["file"] = "run"  # a folder, as it happens
    file = written(sandbox, config)
    result = batond("-c", file, "-d")
    assert result.returncode == 1, result
    assert f"open log file {os.path.dirname(file)}/run: Is a directory; a daemon needs one" in result.stderr, result
    assert not os.path.exists(os.path.join(os.path.dirname(file), "run/baton.pid"))


def a_test_before_the_first_start(sandbox):
    config = sandbox.configuration()
    config.listener("web", "unix:run/web.sock", "web")
    config.service("web", [SERVER], replicas=1)
    file = written(sandbox, config)
    result = batond("-c", file, "-t")
    assert result.returncode == 0, result
    assert os.listdir(os.path.dirname(file)) == ["baton.toml"], "it has changed nothing"


def a_test_of_folders_that_a_start_makes(sandbox):
    """Each of them, and those above them: what -t accepts starts, and -t has made none."""
    config = sandbox.configuration()
    config["supervisor"].update(pid_file="a/b/baton.pid", runtime_dir="c/run/", state_dir="d/state")
    for name, path in (("one", "a/one.sock"), ("two", "a/b/two.sock"), ("three", "c/three.sock"), ("four", "d/../c/run/upstream/four.sock"),
                       ("five", "e/f/five.sock")):
        config.listener(name, "unix:" + path, "web", protocol="http")
    config["listener"]["one"]["access_log"] = "e/f/g/access.log"
    config.service("web", [SERVER], replicas=1, delivery="proxy", upstream="socket")
    file = written(sandbox, config)
    folder = os.path.dirname(file)
    result = batond("-c", file, "-t")
    assert result.returncode == 0, result
    assert os.listdir(folder) == ["baton.toml"], "it has changed nothing"
    result = batond("-c", file, "-d")
    assert result.returncode == 0, result
    assert os.path.isfile(os.path.join(folder, "e/f/g/access.log"))
    assert batond("-c", file, "-s", "stop").returncode == 0
    # One that nobody makes.
    config.listener("six", "unix:h/six.sock", "web", protocol="http")
    file = written(sandbox, config, "two")
    result = batond("-c", file, "-t")
    assert result.returncode == 1 and "six.sock for listener six: no such file or directory" in result.stderr, result


def an_access_log_that_cannot_be_written(sandbox):
    config = sandbox.configuration()
    address = config.listener("web", sandbox.address(), "web", protocol="http")
    config["listener"]["web"]["access_log"] = "acc/x/a.log"
    config.service("web", [SERVER], replicas=1, delivery="proxy", upstream="socket")
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    folder = os.path.join(baton.folder, "acc")
    log = os.path.join(folder, "x/a.log")
    assert ask(address).status == 200
    baton.until(lambda: os.path.getsize(log) > 0, "the request is logged")

    # Its folder was removed; `reopen` makes it again, and says so where it cannot.
    os.rename(folder, folder + ".old")
    baton.run("reopen")
    assert os.path.isfile(log)
    os.rename(folder, folder + ".older")
    with open(folder, "w", encoding="utf-8"):
        pass
    result = baton.run("reopen", check=False)
    assert result.returncode == 1, result
    why = f"folder {folder}"
    assert why in result.stderr + result.stdout, result
    test = batond("-c", baton.file, "-t")
    assert test.returncode == 1 and "listener.web.access_log: write to " + log in test.stderr, test
    reload = baton.reload(config, check=False)
    assert reload.returncode == 1, reload
    baton.stop()
    start = batond("-c", baton.file, "-d")
    assert start.returncode == 1 and "listener.web.access_log: write to " + log in start.stderr, start


def all_that_is_wrong_at_once(sandbox):
    """A start tells what -t tells: who does not exist, too."""
    config = sandbox.configuration()
    config.listener("web", sandbox.address(), "web")
    config.service("web", [SERVER], replicas=1, user="nobodyatall", no_such_key=1)
    file = written(sandbox, config)
    for arguments in (["-t"], []):
        result = batond("-c", file, *arguments)
        assert result.returncode == 1, result
        assert "user nobodyatall: no such user" in result.stderr and "no_such_key" in result.stderr, result


def a_folder_that_the_workers_cannot_enter(sandbox):
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(sandbox.folder, 0o755)
    config = sandbox.configuration()
    config["supervisor"]["user"] = "nobody"
    config.listener("web", sandbox.address(), "web")
    config.service("web", [SERVER], replicas=1, delivery="proxy", upstream="socket", readiness={"type": "tcp"})
    file = written(sandbox, config)
    folder = os.path.dirname(file)
    os.chmod(folder, 0o700)
    result = batond("-c", file, "-t")
    assert result.returncode == 1, result
    assert f"supervisor.runtime_dir = \"{folder}/run\": " in result.stderr, result
    assert f"user nobody cannot enter the folder {folder} (mode 0700, " in result.stderr, result
    os.chmod(folder, 0o711)
    result = batond("-c", file, "-t")
    assert result.returncode == 0, result


main(a_daemon_without_a_log, a_test_before_the_first_start, a_test_of_folders_that_a_start_makes, an_access_log_that_cannot_be_written,
     all_that_is_wrong_at_once, a_folder_that_the_workers_cannot_enter)
