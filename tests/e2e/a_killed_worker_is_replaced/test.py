# ctest: RUN_SERIAL TIMEOUT 300
"""SIGKILL of workers under load, one and all of them: others take their place, the listener's queue stays,
nobody is refused, and nothing fails but what the killed ones had accepted: not one connection of a worker that lives.
"""
import signal

from baton_e2e import main
from baton_e2e.web import connect


def held_by(workers, address):
    """The ports of the clients that these workers have connections of."""
    sockets = {what[8:-1] for worker in workers for what in worker.descriptors().values() if what.startswith("socket:[")}
    here = f":{int(address.rsplit(':', 1)[1]):04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return {int(row[2].split(":")[1], 16) for row in rows if row[9] in sockets and row[1].endswith(here) and not row[2].endswith(":0000")}


class Client:
    """A connection that stays, with one request on it after the other."""

    def __init__(self, address):
        self.socket = connect(address, timeout=20)
        self.port = self.socket.getsockname()[1]
        self.ask(0)
        assert self.is_answered(), "a new connection was not served"

    def ask(self, milliseconds):
        self.socket.sendall(f"GET /?ms={milliseconds} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def is_answered(self):
        """False: the connection has ended under its request."""
        got = b""
        try:
            while b"\r\n\r\n" not in got or len(got) < got.index(b"\r\n\r\n") + 4 + self.length(got):
                data = self.socket.recv(65536)
                if not data:
                    return False
                got += data
        except ConnectionError:
            return False
        assert got.startswith(b"HTTP/1.1 200"), got[:100]
        return True

    def goes_on(self):
        """The request under way is answered, and another one."""
        if not self.is_answered():
            return False
        try:
            self.ask(0)
        except ConnectionError:
            return False
        return self.is_answered()

    @staticmethod
    def length(got):
        return next(int(line.split(b":")[1]) for line in got.split(b"\r\n") if line.lower().startswith(b"content-length:"))


def await_stopped(baton, processes):
    for process in processes:
        process.kill(signal.SIGSTOP)
    baton.until(lambda: all(process.state == "T" for process in processes), "they stand still", interval=0.001)


def spread(baton, address, clients):
    """Eight that each worker has; more come until it is so, and those that are too many go."""
    for _ in range(100):
        clients += [Client(address) for _ in range(8)]
        theirs = [held_by([worker], address) for worker in baton.workers()]
        chosen = [[client for client in clients if client.port in ports][:8] for ports in theirs]
        if all(len(some) == 8 for some in chosen):
            return [client for some in chosen for client in some]
    raise AssertionError("one of the workers takes nobody")


def kill(sandbox, how_many, connections):
    baton, _, address = sandbox.proxied(2, "socket")
    pids = baton.pids()
    load = sandbox.load(address, [f"post:{connections}", f"new:{connections}"], rate=1000)
    clients, lost = [], 0
    for _ in range(5):
        clients = spread(baton, address, clients)
        victims = sorted(baton.workers(), key=lambda process: process.pid)[:how_many]
        for client in clients:  # under way when they are killed
            client.ask(300)
        # What stands still accepts nobody: this is what they have, and all that may fail.
        await_stopped(baton, victims)
        held = held_by(victims, address)
        for victim in victims:
            victim.kill()
        theirs = {client for client in clients if client.port in held}
        lost += len(held) - len(theirs)
        broken = {client for client in clients if not client.goes_on()}
        assert (len(theirs), len(clients)) == (8 * how_many, 16)
        assert not broken - theirs, f"{len(broken - theirs)} connections of a worker that lives ended with another one"
        assert broken == theirs, "connections outlived the worker that passed them on"
        baton.until(lambda: not set(victims) & baton.workers() and len(baton.workers()) == 2, "others take their place", interval=0.005)
        baton.until(lambda: not {victim.pid for victim in victims} & {one["pid"] for one in baton.get("/v1/workers")}, "their ends are known")
        baton.until(lambda: {one["state"] for one in baton.get("/v1/workers")} == {"ready"}, "they are ready")
        before = load.now().ok
        baton.until(lambda before=before: load.now().ok > before + 50, "the load goes on")
        clients = [client for client in clients if client not in theirs]
    report = load.finish()
    # At most the request under way on each connection that a killed worker had; above all nobody was refused.
    assert report.ok > 500, report.describe()
    assert report.failed <= lost, f"{report.failed} requests failed, and {lost} connections of the load were lost: {report.describe()}"
    assert set(report.kinds) <= {"reset_before_response", "reset_mid_response", "reset_idle", "closed_under_request", "early_eof"}, report.describe()
    assert baton.pids() == pids
    baton.stop()


def one(sandbox):
    kill(sandbox, 1, 8)


def both_at_once(sandbox):
    kill(sandbox, 2, 8)


def the_queue_waits_for_the_next(sandbox):
    """While no worker runs, clients wait in the listener's queue, and are served."""
    baton, _, address = sandbox.proxied(1, "port", workers=1)
    worker, = baton.workers()
    await_stopped(baton, [worker])  # it accepts nobody
    waiting = [connect(address) for _ in range(20)]
    worker.kill()
    for client in waiting:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for client in waiting:
        assert client.recv(65536).startswith(b"HTTP/1.1 200"), "a client that had waited was not served"
    baton.stop()


main(one, both_at_once, the_queue_waits_for_the_next)
