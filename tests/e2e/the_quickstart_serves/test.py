# ctest: RUN_SERIAL
"""conf/quickstart.toml as it is shipped: valid, soon up, node and gunicorn each twice, from version 1 to 2
without a failed request. How soon it answers is printed; what is asserted of it is only a sanity bound.
"""
import os
import shutil
import time

from baton_e2e import ask, main, need
from baton_e2e.sandbox import SOURCE

# No figure, a sanity bound: it holds on a machine that is busy with other things too.
UP_AT_MOST = 5.0


def quickstart(sandbox):
    need("node", "gunicorn")
    with open(os.path.join(SOURCE, "conf/quickstart.toml"), encoding="utf-8") as file:
        text = file.read()
    addresses = {name: sandbox.address() for name in ("127.0.0.1:8080", "127.0.0.1:8081")}
    for shipped, own in addresses.items():
        assert shipped in text
        text = text.replace(shipped, own)
    shutil.copytree(os.path.join(SOURCE, "conf/quickstart"), os.path.join(sandbox.path("baton-0"), "quickstart"))
    began = time.monotonic()
    baton = sandbox.supervisor(text, wait=False)
    node, gunicorn = addresses.values()
    for address in (node, gunicorn):
        answer = baton.until(lambda address=address: ask(address), "an answer", interval=0.005)
        assert answer.status == 200 and answer.version == "1"
        print(f"    {address} answered {time.monotonic() - began:.2f} s after the start of batond", flush=True)
    assert time.monotonic() - began < UP_AT_MOST, "far too slow"
    baton.adopt()
    assert baton.batond("-c", baton.file, "-t").returncode == 0
    for service in ("web", "app"):
        baton.await_ready(service, 2)
    load = sandbox.load([node, gunicorn], ["post:8", "new:4"], rate=1500)
    assert text.count('version = "1"') == 2
    baton.reload(text.replace('version = "1"', 'version = "2"'))
    assert ask(node).version == ask(gunicorn).version == "2"
    baton.run("reload")
    baton.run("upgrade", "--soak", "200ms")
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    load.stop(at_least=200)


main(quickstart)
