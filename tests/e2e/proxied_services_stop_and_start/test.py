# ctest: RUN_SERIAL TIMEOUT 120
"""A service behind the workers that is not to run has no open listener, and has it again when it runs: for the
workers of that time, for those that come after, and for the next master.
"""
import signal
import threading

from baton_e2e import main
from baton_e2e.sandbox import SERVER
from baton_e2e.web import ask, connect, hear


def refused(baton, address):
    def so():
        try:
            connect(address, timeout=2).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        return False
    baton.until(so, "nobody listens")


def serves(baton, address):
    """Also for other workers than those that were there."""
    assert ask(address).status == 200
    before = baton.workers()
    for worker in before:
        worker.kill()
    baton.until(lambda: not before & baton.workers() and {one["state"] for one in baton.get("/v1/workers")} == {"ready"}, "other workers")
    assert ask(address).status == 200
    listener, = baton.get("/v1/listeners")
    assert listener["sockets"] == 1, listener


def stop_and_start(baton, address, replicas=1, service="web"):
    baton.run("stop", service)
    refused(baton, address)
    baton.run("start", service)
    baton.await_ready("web", replicas)
    serves(baton, address)


def by_command(sandbox):
    baton, _, address = sandbox.proxied(replicas=2, upstream="socket")
    for _ in range(2):
        stop_and_start(baton, address, replicas=2)
    baton.run("upgrade", "--soak", "0s")
    serves(baton, address)
    baton.stop()


def a_unix_path(sandbox):
    config = sandbox.configuration()
    address = config.listener("web", "unix:" + sandbox.path("web.sock"), "web", protocol="http")
    config.service("web", [SERVER], delivery="proxy", upstream="port")
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    stop_and_start(baton, address)
    baton.stop()


def by_configuration(sandbox):
    baton, config, address = sandbox.proxied(replicas=2)
    config["service"]["web"]["enabled"] = False
    baton.reload(config)
    refused(baton, address)
    config["service"]["web"]["enabled"] = True
    baton.reload(config)
    baton.await_ready("web", 2)
    serves(baton, address)
    baton.stop()


def with_what_it_depends_on(sandbox):
    config = sandbox.configuration()
    address = config.listener("web", sandbox.address(), "web", protocol="tcp")
    config.service("db", ["sleep", "1000"])
    config.service("web", [SERVER], delivery="proxy", upstream="port", depends_on=["db"])
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    stop_and_start(baton, address, service="db")
    baton.stop()


def say(client, path="/"):
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def whoever_is_connected_is_answered(sandbox):
    """At a graceful stop: a request under way gets its answer, one that comes on an open connection too, which tells
    that it is the last; and who asks for nothing does not keep anybody."""
    for name in ("web", "everything"):
        baton, _, address = sandbox.proxied(replicas=2, upstream="socket", protocol="http", stop={"drain_timeout": "60s", "kill_timeout": "10s"})
        clients = [connect(address) for _ in range(6)]
        for client in clients:
            say(client)
            assert hear(client).startswith("http/1.1 200")
        slow = connect(address)
        say(slow, "/?ms=1000")
        baton.until(lambda baton=baton: sum(one["open"] for one in baton.get("/v1/workers")) >= 7, "all are there")
        after = baton.last_event()
        if name == "web":
            order = threading.Thread(target=baton.run, args=("stop", "web"))
            order.start()
        else:
            baton.keeper.kill(signal.SIGQUIT)
        baton.await_event("instance.draining", None, after)
        for client in clients[:5]:
            say(client)
            head = hear(client)
            assert head.startswith("http/1.1 200") and "connection: close" in head, head
        assert hear(slow).startswith("http/1.1 200")
        # The sixth is sent away after its grace.
        clients[5].settimeout(15)
        assert clients[5].recv(100) == b""
        if name == "web":
            order.join(10)
            assert not order.is_alive() and not baton.pids("web")
            baton.stop()
        else:
            baton.await_end(10)


def half_a_request(address):
    """One that is under way until the rest of its body comes."""
    client = connect(address)
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234")
    return client


def nobody_new_is_kept_waiting(sandbox):
    """As long as somebody is served still: who comes then is refused, and who waited already is served."""
    for protocol in ("http", "tcp"):
        for way in ("command", "reload", "quit"):
            baton, config, address = sandbox.proxied(replicas=2, upstream="socket", protocol=protocol, stop={"drain_timeout": "60s", "kill_timeout": "10s"})
            busy = half_a_request(address)
            baton.until(lambda baton=baton: sum(one["open"] for one in baton.get("/v1/workers")) == 1, "it is there")
            workers = baton.workers()
            for worker in workers:
                worker.kill(signal.SIGSTOP)
            # In the kernel's queue: complete, and not accepted.
            waiting = [connect(address) for _ in range(10)]
            for client in waiting:
                say(client)
            after = baton.last_event()
            order = None
            if way == "command":
                order = threading.Thread(target=baton.run, args=("stop", "web"))
                order.start()
            elif way == "reload":
                config["service"]["web"]["enabled"] = False
                baton.write(config)
                baton.keeper.kill(signal.SIGHUP)
            else:
                baton.keeper.kill(signal.SIGQUIT)
            baton.await_event("instance.draining", None, after)
            for worker in workers:
                worker.kill(signal.SIGCONT)
            refused(baton, address)
            for client in waiting:
                assert hear(client).startswith("http/1.1 200"), (protocol, way)
                client.close()
            busy.sendall(b"56789")
            assert hear(busy).startswith("http/1.1 200"), (protocol, way)
            busy.close()
            if order:
                order.join(60)
                assert not order.is_alive() and not baton.pids("web")
            if way == "quit":
                baton.await_end()
            else:
                baton.stop()


main(nobody_new_is_kept_waiting, whoever_is_connected_is_answered, by_command, a_unix_path, by_configuration, with_what_it_depends_on)
