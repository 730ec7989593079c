# ctest: RUN_SERIAL
"""The listener of a service that is disabled, or that an operator stopped, is not open, and no upgrade
fails for that or opens it: its clients are refused, before, during and after.
"""
from baton_e2e import SERVER, ask, main


def refused(address):
    try:
        ask(address)
    except OSError:
        return True
    return False


def upgrades(sandbox):
    config = sandbox.configuration()
    web = sandbox.web(config, replicas=1)
    disabled = config.listener("disabled", sandbox.address(), "disabled")
    config.service("disabled", [SERVER], enabled=False)
    stopped = config.listener("stopped", sandbox.address(), "stopped")
    config.service("stopped", [SERVER])
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    baton.await_ready("stopped", 1)
    baton.run("stop", "stopped")
    baton.until(lambda: refused(stopped), "the stopped one's clients are refused")
    assert refused(disabled)
    load = sandbox.load(web, ["post:2", "new:2"])
    old, new = baton.start_upgrade()
    assert refused(disabled) and refused(stopped), "while the new master stands by"
    new.kill(15)
    baton.await_single()
    assert baton.master() == old
    baton.run("upgrade", "--soak", "0s")
    assert refused(disabled) and refused(stopped)
    baton.run("start", "stopped")
    assert ask(stopped).status == 200
    load.stop(at_least=50)


main(upgrades)
