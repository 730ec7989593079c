# ctest: RUN_SERIAL TIMEOUT 300
"""The classical upstream: two servers that somebody else runs, with weights, then one is `down` after a reload,
then it is back and another one is new. No request fails, no worker is replaced, and what an operator says of a
server holds until it leaves the configuration. A service that is stopped serves whoever is connected to the end.
"""
import os
import signal
import threading

from baton_e2e import SERVER, main
from baton_e2e.by_hand import listen
from baton_e2e.web import ask_all, connect, hear


def server(sandbox, name):
    """Starts one, outside of the supervisor. Returns its address."""
    socket = listen()
    sandbox.program([SERVER], [socket], environment={"BATON_INSTANCE": name})
    address = "127.0.0.1:%d" % socket.getsockname()[1]
    socket.close()
    return address


def configure(sandbox, endpoints):
    configuration = sandbox.configuration()
    configuration["supervisor"]["workers"] = 1  # so that turns can be counted
    address = configuration.listener("web", sandbox.address(), "old", protocol="tcp")
    configuration["service"]["old"] = {"runtime": "external", "endpoints": endpoints}
    return configuration, address


def admin_states(baton):
    return {one["name"]: (one["state"], one["admin"], one["weight"]) for one in baton.instances("old")}


def weights_down_and_a_reload(sandbox):
    one, two, three = (server(sandbox, name) for name in ("one", "two", "three"))
    config, address = configure(sandbox, [{"address": one, "weight": 3}, {"address": two}])
    baton = sandbox.supervisor(config)
    counts = ask_all(address, 40)
    assert counts == {"one": 30, "two": 10}, counts
    workers = baton.workers()
    load = sandbox.load(address, ["post:4", "new:4"])
    stays = connect(address)

    def reload(*endpoints):
        config["service"]["old"]["endpoints"] = list(endpoints)
        baton.reload(config)

    reload({"address": one, "weight": 3}, {"address": two, "down": True})
    assert set(ask_all(address, 20)) == {"one"}
    reload({"address": two}, {"address": three, "backup": True}, {"address": one, "weight": 3, "down": True})
    assert set(ask_all(address, 20)) <= {"two", "three"}
    stays.sendall(b"GET /healthz HTTP/1.1\r\nHost: old\r\nConnection: close\r\n\r\n")
    assert stays.recv(65536).startswith(b"HTTP/1.1 200"), "a connection to a server that is down now has ended"
    stays.close()
    reload({"address": one}, {"address": two}, {"address": three})
    counts = ask_all(address, 60)
    assert set(counts) == {"one", "two", "three"}, counts
    assert baton.service("old")["ready"] == 3
    load.stop(at_least=100)
    assert baton.workers() == workers
    baton.stop()


def what_an_operator_says(sandbox):
    one, two = (server(sandbox, name) for name in ("one", "two"))
    config, address = configure(sandbox, [{"address": one}, {"address": two}])
    baton = sandbox.supervisor(config)
    load = sandbox.load(address, ["new:4"])
    # What an operator gives nothing to is as it should be; what gives nothing to anybody is told.
    baton.run("weight", "old/1", "0")
    assert baton.service("old")["state"] == "running" and set(ask_all(address, 20)) == {"two"}
    baton.run("drain", "old/2")
    assert "nobody new comes to old: " in baton.run("status").stdout
    baton.run("ready", "old/2")
    baton.run("weight", "old/1", "1")
    baton.run("drain", "old/1")
    assert set(ask_all(address, 20)) == {"two"}
    baton.run("weight", "old/2", "7")
    expected = {"old/1": ("ready", "drain", 1), "old/2": ("ready", "ready", 7)}
    assert admin_states(baton) == expected, admin_states(baton)
    shown = baton.run("status").stdout
    assert "drain" in shown and "ADMIN" in shown and "WEIGHT" in shown, shown
    baton.reload(config)
    assert admin_states(baton) == expected
    os.kill(baton.master().pid, signal.SIGKILL)
    baton.until(lambda: admin_states(baton) == expected, "another master knows it too")
    assert set(ask_all(address, 20)) == {"two"}
    baton.run("ready", "old/1")
    baton.run("maint", "old/2")
    assert set(ask_all(address, 20)) == {"one"}
    for wrong in (["restart", "old"], ["scale", "old", "3"], ["stop", "old/1"], ["drain", "old/3"]):
        assert baton.run(*wrong, check=False).returncode == 1, wrong
    config["service"]["old"]["endpoints"] = [{"address": one}]
    baton.reload(config)
    config["service"]["old"]["endpoints"] = [{"address": one}, {"address": two}]
    baton.reload(config)
    assert admin_states(baton)["old/2"] == ("ready", "ready", 1), "it left, so nothing is remembered"
    load.stop(at_least=50)
    baton.stop()


def answer(client, path="/"):
    """The head of a whole answer."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: old\r\n\r\n".encode())
    return hear(client)


def refuses(address):
    try:
        connect(address, timeout=2).close()
    except (ConnectionError, TimeoutError):
        return True
    return False


def a_stop_cuts_nobody(sandbox):
    """Of the service, and of everything: who is connected is answered, and told that it was the last time."""
    for everything in (False, True):
        one = server(sandbox, "one")
        config, address = configure(sandbox, [{"address": one}])
        config["listener"]["web"]["protocol"] = "http"
        config["service"]["old"]["stop"] = {"drain_timeout": "60s"}
        baton = sandbox.supervisor(config)
        clients = [connect(address) for _ in range(3)]
        for client in clients:
            client.settimeout(15)
            assert "connection: close" not in answer(client)
        slow = connect(address)
        slow.settimeout(15)
        slow.sendall(b"GET /?ms=1500 HTTP/1.1\r\nHost: old\r\n\r\n")
        baton.until(lambda baton=baton: sum(one["open"] for one in baton.get("/v1/workers")) >= 4, "all are there")
        after = baton.last_event()
        order = threading.Thread(target=baton.run, args=("stop", "old"))
        if everything:
            baton.keeper.kill(signal.SIGQUIT)
        else:
            order.start()
        baton.await_event("servers.draining", "old", after)
        for client in clients[:2]:
            assert "connection: close" in answer(client)
        assert hear(slow).startswith("http/1.1 200")
        # The third is sent away after its grace.
        assert clients[2].recv(100) == b""
        if everything:
            baton.await_end(20)
            continue
        order.join(20)
        assert not order.is_alive() and baton.service("old")["state"] == "stopped"
        baton.until(lambda: refuses(address), "nobody listens")
        assert "0 of 0" not in baton.run("start", "old").stdout
        assert answer(connect(address)).startswith("http/1.1 200")
        baton.stop()


def a_stop_waits_for_nobody_for_ever(sandbox):
    """A connection that does not end keeps its listener open for so long, and no longer."""
    one = server(sandbox, "one")
    config, address = configure(sandbox, [{"address": one}])
    config["service"]["old"]["stop"] = {"drain_timeout": "1s"}
    baton = sandbox.supervisor(config)
    stays = connect(address)
    stays.settimeout(15)
    assert answer(stays).startswith("http/1.1 200")
    after = baton.last_event()
    baton.run("stop", "old")
    assert [one["text"] for one in baton.events() if one["number"] > after and one["kind"] == "servers.closed"] == ["its time is over"]
    baton.until(lambda: refuses(address), "nobody listens")
    stays.close()
    baton.stop()


main(weights_down_and_a_reload, what_an_operator_says, a_stop_cuts_nobody, a_stop_waits_for_nobody_for_ever)
