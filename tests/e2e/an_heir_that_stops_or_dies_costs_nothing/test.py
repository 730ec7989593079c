# ctest: RUN_SERIAL TIMEOUT 300
"""A worker leaves, and the one that is to take its connections stands still, dies, or cannot take one of them as it
comes: no connection is cut, few stand still meanwhile, and all of them flow when it is over.
"""
import os
import resource
import signal
import socketserver
import threading

from baton_e2e import main
from baton_e2e.sandbox import BINARIES
from baton_e2e.web import connect

CONNECTIONS = 200
UNDER_WAY = 32  # as many as may be on their way from one worker to another
HEAD = 700 * 1024  # more than what is read at once, less than what `max_header` allows


class Workers:
    """The one that will leave, with all connections, and those that stay, of which the first will be its heir."""

    def __init__(self, baton, count=2):
        self.baton = baton
        self.count = count
        found = {one["name"].split(".")[1]: one["pid"] for one in baton.until(self.all, "the workers are ready")}
        processes = {process.pid: process for process in baton.workers()}
        *self.staying, self.leaving = [processes[found[str(number)]] for number in range(count)]
        self.heir = self.staying[0]

    def all(self):
        found = self.baton.get("/v1/workers")
        return found if [one["state"] for one in found] == ["ready"] * self.count else None

    def view(self, process):
        found = [one for one in self.baton.get("/v1/workers") if one["pid"] == process.pid]
        assert found, f"worker {process.pid} has gone"
        return found[0]

    def fill(self, address, count):
        """Connections that only the one that will leave can accept."""
        for process in self.staying:
            self.stop(process)
        clients = [connect(address, timeout=30) for _ in range(count)]
        self.baton.until(lambda: self.view(self.leaving)["open"] == count, "all are at one worker")
        for process in self.staying:
            process.kill(signal.SIGCONT)
        return clients

    def stop(self, process):
        process.kill(signal.SIGSTOP)
        self.baton.until(lambda: process.state == "T", "it stands still")

    def release(self, config):
        """Their number is one less from here on, for which no command waits."""
        config["supervisor"]["workers"] = self.count - 1
        self.baton.write(config)
        self.baton.master().kill(signal.SIGHUP)
        # It may have given everything away, and ended, before anybody looks.
        self.baton.until(lambda: not self.leaving.exists or self.view(self.leaving)["state"] == "leaving", "the worker leaves")

    def await_end(self):
        self.baton.until(lambda: not self.leaving.exists, "the worker has passed all it had, and ended")


def echo(sandbox, workers=2):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = workers
    address = config.listener("echo", sandbox.address(), "echo", protocol="tcp")
    config.service("echo", [os.path.join(BINARIES, "baton-test-server")], delivery="proxy", environment={"TEST_PROTOCOL": "tcp"},
                   stop={"drain_timeout": "100ms"}, readiness={"type": "tcp"})
    baton = sandbox.supervisor(config)
    baton.await_ready("echo", 1)
    return baton, config, address


def flows(clients, word):
    """Each says the word and hears it, and nothing else."""
    for client in clients:
        client.sendall(word)
    return hear(clients, word)


def hear(clients, word):
    cut = 0
    for client in clients:
        got = b""
        try:
            while len(got) < len(word) and (piece := client.recv(len(word) - len(got))):
                got += piece
        except OSError:
            pass
        cut += got != word
    return f"{cut} of {len(clients)} are cut" if cut else "all"


def to_an_heir_that_stands_still(sandbox):
    """What is passed goes nowhere: no more than so many are on their way."""
    baton, config, address = echo(sandbox)
    workers = Workers(baton)
    clients = workers.fill(address, CONNECTIONS)
    assert flows(clients, b"before") == "all"
    workers.stop(workers.heir)
    workers.release(config)
    baton.until(lambda: workers.view(workers.leaving)["open"] == CONNECTIONS - UNDER_WAY, "as many are on their way as may be")
    return baton, workers, clients


def dies(sandbox):
    baton, workers, clients = to_an_heir_that_stands_still(sandbox)
    for number, client in enumerate(clients):
        client.sendall(b"word %03d" % number)
    answered = []
    for number, client in enumerate(clients):
        client.setblocking(False)

        def says(client=client, number=number):
            try:
                return client.recv(100) == b"word %03d" % number
            except BlockingIOError:
                return False
        answered.append(says)
    served = set()

    def most_are_served():
        served.update(number for number in range(CONNECTIONS) if number not in served and answered[number]())
        return len(served) >= CONNECTIONS - UNDER_WAY
    baton.until(most_are_served, "who is not on its way is served")
    assert len(served) == CONNECTIONS - UNDER_WAY, len(served)
    workers.heir.kill()
    for number, client in enumerate(clients):
        client.setblocking(True)
        client.settimeout(30)
        if number not in served:
            assert hear([client], b"word %03d" % number) == "all", f"connection {number} is cut"
    assert flows(clients, b"after") == "all"
    # Another one has come for it, and has taken them all.
    workers.await_end()
    assert flows(clients, b"at the end") == "all"
    baton.stop()


def stops_for_a_while(sandbox):
    baton, workers, clients = to_an_heir_that_stands_still(sandbox)
    workers.heir.kill(signal.SIGCONT)
    workers.await_end()
    assert workers.view(workers.heir)["taken"] == CONNECTIONS
    assert flows(clients, b"at the end") == "all"
    baton.stop()


def gives_up(sandbox):
    """It lives, and takes nothing: it has no descriptor left for the channel itself. Another one is chosen."""
    baton, config, address = echo(sandbox, 3)
    workers = Workers(baton, 3)
    clients = workers.fill(address, CONNECTIONS)
    assert flows(clients, b"before") == "all"
    most = resource.prlimit(workers.heir.pid, resource.RLIMIT_NOFILE)
    used = workers.heir.descriptors()
    first_free = next(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(workers.heir.pid, resource.RLIMIT_NOFILE, (first_free, most[1]))
    workers.release(config)
    workers.await_end()
    assert [one["subject"] for one in baton.events() if one["kind"] == "worker.lost_heir"] == ["worker 1.2"]
    assert workers.view(workers.staying[1])["taken"] == CONNECTIONS
    resource.prlimit(workers.heir.pid, resource.RLIMIT_NOFILE, most)
    assert flows(clients, b"at the end") == "all"
    baton.stop()


class Heads(socketserver.ThreadingTCPServer):
    """Answers each request with the length of its head."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            read = b""
            while piece := self.request.recv(1 << 20):
                read += piece
                while b"\r\n\r\n" in read:
                    head, read = read.split(b"\r\n\r\n", 1)
                    body = b"large" if len(head) > HEAD else b"small"
                    self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def unread(address, client):
    """Bytes of the client that its worker has not read, by /proc/net/tcp."""
    ports = [int(address.rsplit(":", 1)[1]), client.getsockname()[1]]
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            if [int(end.split(":")[1], 16) for end in fields[1:3]] == ports:
                return int(fields[4].split(":")[1], 16)
    return None


def takes_a_half_read_head(sandbox):
    """One client has sent 700 KB of the head of a request when its worker leaves, among others that wait for nothing."""
    with Heads() as server:
        config = sandbox.configuration()
        config["supervisor"]["workers"] = 2
        address = config.listener("web", sandbox.address(), "web", protocol="http")
        config["listener"]["web"]["http"] = {"max_header": "1M"}
        config["service"]["web"] = {"runtime": "external", "endpoints": [{"address": f"127.0.0.1:{server.server_address[1]}"}]}
        baton = sandbox.supervisor(config)
        workers = Workers(baton)
        clients = workers.fill(address, CONNECTIONS)
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%s"

        def asks(some):
            for client in some:
                client.sendall(request)
            return hear(some, answer % b"small")
        assert asks(clients) == "all"
        large, others = clients[CONNECTIONS // 2], clients[:CONNECTIONS // 2] + clients[CONNECTIONS // 2 + 1:]
        large.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * 65536) for i in range(HEAD // 65536 + 1)))
        baton.until(lambda: unread(address, large) == 0, "the half head is read")
        workers.release(config)
        workers.await_end()
        assert workers.view(workers.heir)["taken"] == CONNECTIONS
        assert asks(others) == "all"
        large.sendall(b"\r\n")
        assert hear([large], answer % b"large") == "all"
        assert asks(clients) == "all"
        baton.stop()


main(dies, stops_for_a_while, gives_up, takes_a_half_read_head)
