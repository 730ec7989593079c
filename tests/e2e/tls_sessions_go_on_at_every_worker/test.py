# ctest: RUN_SERIAL TIMEOUT 240
"""A client's TLS session goes on at whichever worker it comes to, and still does after a reload, after the death of a
worker and of the master, and after an upgrade. With another certificate it begins anew. Who does not get so far as to
have a session is counted.
"""
import signal
import ssl
import subprocess
import time

from baton_e2e import main
from baton_e2e.sandbox import need
from baton_e2e.web import connect

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
WORKERS = 4


def make_certificate(sandbox, name):
    """PEM files of a certificate that signs itself."""
    key, certificate = sandbox.path(name + ".key"), sandbox.path(name + ".pem")
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    certificate, "-days", "2", "-subj", "/CN=" + name], check=True, capture_output=True, timeout=60)
    return certificate, key


def secure_web(sandbox):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = WORKERS
    certificate, key = make_certificate(sandbox, "first")
    address = sandbox.web(config, replicas=2, delivery="proxy")
    config["listener"]["web"]["tls"] = {"certificate": certificate, "key": key}
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    baton.until(lambda: len(serving(baton)) == WORKERS, "all workers serve")
    return baton, config, address


class Client:
    """One that has a session, which it got at its first visit."""

    def __init__(self, address, version):
        self.address = address
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = version
        self.session = None
        assert not self.visit()

    def visit(self):
        """One request; whether the session went on."""
        with self.context.wrap_socket(connect(self.address), session=self.session) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = b""
            while more := wire.recv(65536):
                got += more
            assert got.startswith(b"HTTP/1.1 200"), got
            # Tickets come before the answer.
            self.session = self.session or wire.session
            return wire.session_reused


def serving(baton):
    return {one["pid"]: one["accepted"] for one in baton.get("/v1/workers") if one["state"] == "ready"}


def goes_on_everywhere(baton, clients):
    """Visits until every worker of those that are there then has met somebody."""
    first = {}

    def met_by_all():
        for client in clients:
            for _ in range(4):
                assert client.visit(), f"a session of {client.context.maximum_version.name} was begun anew"
        now = serving(baton)
        for pid, accepted in now.items():
            first.setdefault(pid, accepted)
        return len(now) == WORKERS and all(accepted > first[pid] for pid, accepted in now.items())

    deadline = time.monotonic() + 30
    while not met_by_all():
        assert time.monotonic() < deadline, f"not every worker met somebody: {first}, {serving(baton)}"


def through_every_change(sandbox):
    baton, config, address = secure_web(sandbox)
    clients = [Client(address, version) for version in VERSIONS]
    goes_on_everywhere(baton, clients)

    config["listener"]["web"]["http"] = {"idle_timeout": "70s"}
    baton.reload(config)
    goes_on_everywhere(baton, clients)

    worker = next(iter(baton.workers()))
    worker.kill()
    baton.until(lambda: worker not in baton.workers() and len(baton.workers()) == WORKERS, "another worker")
    goes_on_everywhere(baton, clients)

    master = baton.master()
    master.kill()
    baton.until(lambda: not master.exists and baton.master() != master, "another master")
    baton.await_single()
    goes_on_everywhere(baton, clients)

    workers = baton.workers()
    # There and back.
    old, new = baton.start_upgrade()
    old.kill(signal.SIGWINCH)
    baton.await_phase("handed")
    goes_on_everywhere(baton, clients)
    old.kill(signal.SIGHUP)
    baton.await_phase("proved")
    new.kill(signal.SIGQUIT)
    baton.until(lambda: not new.exists, "the new master ends")
    baton.await_single()
    goes_on_everywhere(baton, clients)

    baton.upgrade_by_signals()
    baton.until(lambda: not workers & baton.workers(), "the workers of before have left")
    goes_on_everywhere(baton, clients)
    baton.run("upgrade", "--soak", "0s")
    goes_on_everywhere(baton, clients)
    baton.stop()


def another_certificate_begins_anew(sandbox):
    baton, config, address = secure_web(sandbox)
    clients = [Client(address, version) for version in VERSIONS]
    goes_on_everywhere(baton, clients)
    certificate, key = make_certificate(sandbox, "second")
    config["listener"]["web"]["tls"] = {"certificate": certificate, "key": key}
    baton.reload(config)
    for client in clients:
        assert not any(client.visit() for _ in range(8))
    goes_on_everywhere(baton, [Client(address, version) for version in VERSIONS])
    baton.stop()


def who_does_not_speak_tls_is_counted(sandbox):
    baton, _, address = secure_web(sandbox)
    for _ in range(5):
        with connect(address) as wire:
            wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while wire.recv(65536):
                pass
    baton.until(lambda: sum(one["refused"] for one in baton.get("/v1/workers")) == 5, "they are counted")
    shown = baton.run("get", "worker").stdout
    assert "REFUSED" in shown, shown
    baton.stop()


main(through_every_change, another_certificate_begins_anew, who_does_not_speak_tls_is_counted)
