"""Strategies for a supervisor under test: the samples of tests/strategy, installed as package managers do."""
import os
import shutil

from .sandbox import BINARIES, SERVER

SAMPLES = os.path.realpath(os.path.join(BINARIES, "../tests/strategy/samples"))


def install(sample, folder, name="sample", stamp=None):
    """Puts a sample's plugin into the folder as NAME.so by a rename. `stamp`: a number that makes its bytes others."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".so")
    shutil.copy(os.path.join(SAMPLES, sample + ".so"), path + ".new")
    if stamp is not None:
        with open(path + ".new", "ab") as file:
            file.write(b"%08d" % stamp)
    os.rename(path + ".new", path)
    return path


def balanced(sandbox, strategy, folder=None, replicas=2, workers=2, **balance):
    """An HTTP service behind the workers, by this strategy. Returns (supervisor, configuration, address)."""
    configuration = sandbox.configuration()
    configuration["supervisor"]["workers"] = workers
    if folder:
        configuration["plugins"]["directories"] = [folder]
    address = configuration.listener("web", sandbox.address(), "web")
    configuration.service("web", [SERVER], replicas=replicas, delivery="proxy", upstream="socket",
                          readiness={"type": "http", "path": "/healthz", "interval": "100ms"},
                          stop={"drain_timeout": "300ms", "kill_timeout": "20s"}, balance={"strategy": strategy, **balance})
    supervisor = sandbox.supervisor(configuration)
    supervisor.await_ready("web", replicas)
    return supervisor, configuration, address


def state_of(supervisor, strategy):
    """What `baton plugin list` says of it: {"used", ...}, one for each file that has it."""
    return {one["state"] for one in supervisor.get("/v1/plugins") if one["name"] == strategy}
