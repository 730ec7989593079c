# ctest: RUN_SERIAL TIMEOUT 300
"""What happens to masters is nothing to proxied connections: killed masters, an upgrade taken back after the
hand-over, a new master that dies as the owner. Every byte arrives, and the workers serve all the while.
"""
import os
import signal

from baton_e2e import main
from baton_e2e.echoes import Echoes
from baton_e2e.sandbox import BINARIES


class Scene:
    def __init__(self, sandbox):
        config = sandbox.configuration()
        config["supervisor"]["workers"] = 2
        address = config.listener("echo", sandbox.address(), "echo", protocol="tcp")
        config.service("echo", [os.path.join(BINARIES, "baton-test-server")], replicas=2, delivery="proxy", upstream="socket",
                       environment={"TEST_PROTOCOL": "tcp"}, stop={"drain_timeout": "100ms"})
        self.baton = sandbox.supervisor(config)
        self.baton.await_ready("echo", 2)
        self.address = address
        self.pids = self.baton.pids()
        self.echoes = Echoes(address, 300, 40, 10)
        self.echoes.start()

    def generation(self):
        return {one["generation"] for one in self.baton.get("/v1/workers") if one["state"] != "leaving"}

    def settled(self, generation):
        """Two workers, of this generation, hold everything, and bytes flow."""
        baton = self.baton
        baton.until(lambda: [(one["generation"], one["state"]) for one in baton.get("/v1/workers")] == [(generation, "ready")] * 2,
                    f"two workers of generation {generation} are left")
        baton.until(lambda: sum(one["open"] for one in baton.get("/v1/workers")) == 300, "they hold every connection")
        assert baton.pids() == self.pids
        before = self.echoes.exchanged
        baton.until(lambda: self.echoes.exchanged > before, "bytes flow")
        assert not self.echoes.failures, self.echoes.failures[:5]

    def finish(self):
        self.echoes.finish()
        self.baton.stop()


def the_master_is_killed(sandbox):
    scene = Scene(sandbox)
    workers = scene.baton.workers()
    for _ in range(3):
        master = scene.baton.master()
        master.kill()
        scene.baton.until(lambda master=master: scene.baton.master() != master, "another master")
        scene.baton.await_single()
        scene.settled(1)
        assert scene.baton.workers() == workers
    # The one that is left may change what the workers do.
    scene.baton.run("restart", "echo")
    scene.baton.until(lambda: not scene.baton.pids() & scene.pids, "other instances")
    scene.baton.stop()


def an_upgrade_is_taken_back(sandbox):
    scene = Scene(sandbox)
    old, new = scene.baton.start_upgrade()
    old.kill(signal.SIGWINCH)
    scene.baton.await_phase("handed")
    scene.settled(2)
    old.kill(signal.SIGHUP)
    scene.settled(1)
    old.kill(signal.SIGWINCH)
    scene.settled(2)
    new.kill()
    scene.baton.await_single()
    assert scene.baton.master() == old
    scene.settled(1)
    scene.finish()


def everything_is_stopped_in_between(sandbox):
    """QUIT to the keeper while two generations live: nothing is left."""
    scene = Scene(sandbox)
    old, _ = scene.baton.start_upgrade()
    old.kill(signal.SIGWINCH)
    scene.baton.await_phase("handed")
    scene.echoes.ending.set()
    scene.baton.stop(signal.SIGQUIT)


main(the_master_is_killed, an_upgrade_is_taken_back, everything_is_stopped_in_between)
