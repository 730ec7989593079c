# ctest: RUN_SERIAL
"""A program that cannot be started is tried again and again, and each attempt gives back what it took:
descriptors of the keeper and of the master, the file of its notify socket.
"""
import os

from baton_e2e import SERVER, main


def attempts(sandbox):
    config = sandbox.configuration()
    sandbox.web(config, replicas=1)
    config.service("nothing", ["/nonexistent/program"], restart={"backoff": "5ms", "backoff_max": "5ms"})
    config.service("nowhere", [SERVER], directory="/nonexistent", restart={"backoff": "5ms", "backoff_max": "5ms"})
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)

    def tries():
        return min(one["restarts"] for one in baton.status()["instances"] if one["service"] != "web")
    baton.until(lambda: tries() > 5, "the first attempts")
    # Between two attempts, or in the middle of one: never more than that.
    keeper, master = len(baton.keeper.descriptors()), len(baton.master().descriptors())
    baton.until(lambda: tries() > 60, "many attempts")
    assert len(baton.keeper.descriptors()) <= keeper + 8, f"the keeper holds {len(baton.keeper.descriptors())}, before {keeper}"
    assert len(baton.master().descriptors()) <= master + 8, f"the master holds {len(baton.master().descriptors())}, before {master}"
    left = os.listdir(os.path.join(baton.folder, "run", "notify"))
    assert len(left) <= 5, left


main(attempts)
