# ctest: RUN_SERIAL TIMEOUT 300
"""A change of version, command or environment replaces every instance under load, and no request fails:
keep-alive POST and new connections, on unmodified node and gunicorn programs and on the test server.
"""
import os
import threading

from baton_e2e import SERVER, ask, main, need
from baton_e2e.sandbox import SOURCE


class Watch(threading.Thread):
    """The fewest ready instances that were seen."""

    def __init__(self, baton, service):
        super().__init__(daemon=True)
        self.baton, self.service = baton, service
        self.fewest, self.most, self.done = 1000, 0, threading.Event()

    def run(self):
        while not self.done.wait(0.005):
            there = self.baton.instances(self.service)
            self.fewest = min(self.fewest, sum(one["state"] == "ready" for one in there))
            self.most = max(self.most, sum(bool(one["pid"]) for one in there))

    def stop(self):
        self.done.set()
        self.join()


def roll(sandbox, command, replicas=2, versions=3):
    baton, config, address = sandbox.running_web(replicas, {"command": command})
    load = sandbox.load(address, ["post:8", "new:4", "new-post:2"])
    watch = Watch(baton, "web")
    watch.start()
    service = config["service"]["web"]
    for version in range(2, 2 + versions):
        before = baton.pids("web")
        service["version"] = str(version)
        baton.reload(config)
        # `baton reload` returns when it is true.
        assert ask(address).version == str(version)
        assert not before & baton.pids("web"), "an instance of the old version is still listed"
    before = baton.pids("web")
    service["environment"] = {"COLOUR": "green"}
    baton.reload(config)
    assert not before & baton.pids("web"), "a new environment must replace every instance"
    before = baton.pids("web")
    baton.reload(config)
    assert baton.pids("web") == before, "a reload without a change must replace nothing"
    watch.stop()
    assert watch.fewest >= replicas, f"only {watch.fewest} instances were ready at some time"
    report = load.stop(at_least=1000)
    assert set(report.versions) == {str(version) for version in range(1, 2 + versions)}
    baton.await_ready("web", replicas)


def node(sandbox):
    roll(sandbox, [need("node"), os.path.join(SOURCE, "conf/quickstart/server.js")])


def gunicorn(sandbox):
    roll(sandbox, [need("gunicorn"), "--workers", "1", "--chdir", os.path.join(SOURCE, "conf/quickstart"),
                   "app:application"])


def test_server(sandbox):
    roll(sandbox, [SERVER], replicas=3)


def one_instance_alone(sandbox):
    roll(sandbox, [SERVER], replicas=1)


def restart_under_load(sandbox):
    baton, _, address = sandbox.running_web(2)
    load = sandbox.load(address, ["post:8", "new:4"])
    before = baton.pids("web")
    baton.run("restart", "web/1")
    assert len(before & baton.pids("web")) == 1
    baton.run("restart", "web")
    assert not before & baton.pids("web")
    load.stop(at_least=200)


main(node, gunicorn, test_server, one_instance_alone, restart_under_load)
