"""What cannot work is said before it is tried for long: by -t, and by whoever started a daemon.
"""
import os
import subprocess

from baton_e2e import SERVER, Skip, main
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


main(a_daemon_without_a_log, a_test_before_the_first_start, a_folder_that_the_workers_cannot_enter)
