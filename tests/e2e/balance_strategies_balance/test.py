# ctest: RUN_SERIAL TIMEOUT 180
"""The strategies that ship, behind real workers: least_connections avoids who is busy, ip_hash and hash keep a
client where it is, active_standby sends all to one, to the other when that one is killed, and back.
"""
import http.client
import http.server
import threading
import time

from baton_e2e import ask, ask_all, main
from baton_e2e.plugins import balanced, state_of
from baton_e2e.processes import Process


def least_connections(sandbox):
    baton, _, address = balanced(sandbox, "least_connections", workers=1)
    assert state_of(baton, "least_connections") == {"used"}
    busy = []
    slow = threading.Thread(target=lambda: busy.append(ask(address, "/?ms=3000", timeout=10).instance))
    slow.start()
    baton.until(lambda: sum(one["open"] for one in baton.get("/v1/workers")) > 0, "the slow request is under way")
    others = ask_all(address, 20)
    assert slow.is_alive(), "the slow request was over too early to prove anything"
    slow.join()
    assert len(others) == 1 and busy[0] not in others, (busy, others)
    baton.stop()


def ip_hash(sandbox):
    baton, _, address = balanced(sandbox, "ip_hash", replicas=3)
    clients = [f"127.0.{third}.1" for third in range(1, 41)]
    first = {client: ask(address, source=client).instance for client in clients}
    assert len(set(first.values())) == 3, first
    for _ in range(3):
        assert {client: ask(address, source=client).instance for client in clients} == first
    baton.stop()


def a_drain_moves_its_own_clients_only(sandbox):
    baton, _, address = balanced(sandbox, "ip_hash", replicas=3)
    clients = [f"127.0.{number}.1" for number in range(1, 25)]
    before = {client: ask(address, source=client).instance for client in clients}
    assert len(set(before.values())) == 3
    baton.run("drain", "web/1")
    after = {client: ask(address, source=client).instance for client in clients}
    assert "web/1" not in after.values()
    moved = [client for client in clients if before[client] not in ("web/1", after[client])]
    assert not moved, f"{moved} moved from instances that do not drain"
    baton.run("ready", "web/1")
    baton.until(lambda: {client: ask(address, source=client).instance for client in clients} == before, "all are where they were")
    baton.stop()


class Answering(http.server.BaseHTTPRequestHandler):
    """Says the server's name after its delay."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(self.server.delay)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("X-Instance", self.server.name)
        self.end_headers()

    def log_message(self, *_):
        pass


def least_time_prefers_the_quick(sandbox):
    servers = []
    for name, delay in (("quick", 0.0), ("slow", 0.1)):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        server.name, server.delay, server.daemon_threads = name, delay, True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 1
    address = config.listener("web", sandbox.address(), "web")
    config["service"]["web"] = {"runtime": "external", "balance": {"strategy": "least_time"},
                                "endpoints": [{"address": "127.0.0.1:%d" % server.server_address[1]} for server in servers]}
    baton = sandbox.supervisor(config)
    baton.until(lambda: baton.get("/v1/workers"), "a worker")
    counts = ask_all(address, 40)
    assert counts["quick"] > 30, counts
    baton.stop()
    for server in servers:
        server.shutdown()


def ask_as(address, user):
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", "/", headers={"X-User": user, "Connection": "close"})
    instance = connection.getresponse().getheader("X-Instance")
    connection.close()
    return instance


def hash_by_header(sandbox):
    baton, config, address = balanced(sandbox, "hash", replicas=3, key="header:X-User")
    users = [f"user-{number}" for number in range(60)]
    first = {user: ask_as(address, user) for user in users}
    assert len(set(first.values())) == 3, first
    assert {user: ask_as(address, user) for user in users} == first
    # One less: only those move that were its clients.
    baton.run("scale", "web", "2")
    gone = set(first.values()) - set(ask_as(address, user) for user in users)
    after = {user: ask_as(address, user) for user in users}
    assert len(gone) == 1
    assert all(after[user] == first[user] for user in users if first[user] not in gone)
    baton.stop()


def active_standby(sandbox):
    baton, _, address = balanced(sandbox, "active_standby")
    active, = ask_all(address, 20)
    standby, = {one["name"] for one in baton.instances("web")} - {active}
    baton.run("stop", active)
    assert ask_all(address, 20) == {standby: 20}
    baton.run("start", active)
    baton.until(lambda: ask(address).instance == active, "it takes over again")
    assert ask_all(address, 20) == {active: 20}
    pid = baton.instance(active)["pid"]
    load = sandbox.load(address, ["get:4"])
    baton.until(lambda: load.now().ok > 100, "there is load")
    Process(pid).kill()
    baton.until(lambda: baton.instance(active)["state"] == "ready" and baton.instance(active)["pid"] != pid, "it is back")
    baton.until(lambda: ask(address).instance == active, "it takes over again")
    report = load.finish()
    assert report.failed <= 4, report.describe()
    baton.stop()


main(least_connections, ip_hash, a_drain_moves_its_own_clients_only, least_time_prefers_the_quick, hash_by_header, active_standby)
