# ctest: RUN_SERIAL
"""A master that has no descriptor left refuses what needs one, in a sentence that can be read, and goes on with all else;
with descriptors it does what it has refused.
"""
import contextlib
import re
import resource

from baton_e2e import SERVER, ask, main

LISTENERS = 100


@contextlib.contextmanager
def no_more_descriptors(process):
    """As many as it has now, and a few: an answer needs some."""
    most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (max(process.descriptors()) + 8, most[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, most)


def with_many_listeners(sandbox, config):
    more = config.copy()
    addresses = [more.listener(f"l{number}", sandbox.address(), "many") for number in range(LISTENERS)]
    more.service("many", [SERVER, "--notify"], replicas=1, readiness={"type": "notify"})
    return more, addresses


def a_reload(sandbox):
    baton, config, address = sandbox.running_web(2)
    load = sandbox.load(address, ["get:4", "new:4"])
    master, pids = baton.master(), baton.pids()
    more, addresses = with_many_listeners(sandbox, config)
    with no_more_descriptors(master):
        result = baton.reload(more, check=False)
        assert result.returncode == 1 and "oo many open files" in result.stderr, result
        assert baton.service("web")["state"] == "running" and len(baton.status()["services"]) == 1
    baton.reload(more)
    assert ask(addresses[-1]).status == 200
    assert baton.master() == master and pids <= baton.pids()
    load.stop(at_least=100)


def a_trial(sandbox):
    """One on trial cannot open what is new: it says so, with the reasons counted, and the old one goes on."""
    baton, config, _ = sandbox.running_web(1)
    more, _ = with_many_listeners(sandbox, config)
    for number in range(LISTENERS):
        more["listener"][f"l{number}"]["address"] = f"192.0.2.1:{2000 + number}"  # nobody's, as these are for documents
    baton.write(more)
    result = baton.run("upgrade", check=False)
    assert result.returncode == 1, result
    assert re.search(r"; and \d+ more", result.stderr), result
    assert max(map(len, baton.log().splitlines())) < 4096, "lines that can be read"
    baton.await_single()


main(a_reload, a_trial)
