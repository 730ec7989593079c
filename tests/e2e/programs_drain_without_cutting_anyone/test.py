# ctest: RUN_SERIAL
"""The unmodified programs that the other tests and the quickstart rely on, by hand: they take a socket by
LISTEN_FDS, and one that is told to end while another serves the same socket cuts nobody.
"""
import os
import sys
import time

from baton_e2e import SERVER, ask, eventually, main, need
from baton_e2e.by_hand import listen
from baton_e2e.sandbox import SOURCE

SWAPS = 4


def swap_under_load(sandbox, command):
    server = listen()
    address = "127.0.0.1:%d" % server.getsockname()[1]
    log = open(sandbox.path("programs.log"), "wb")

    def start(version):
        return sandbox.program(command, [server], log=log,
                               environment={"BATON_VERSION": str(version), "BATON_INSTANCE": f"web/{version}"})
    old = start(1)
    eventually(lambda: ask(address, "/healthz").status == 200, "the first one answers")
    load = sandbox.load(address, ["get:4", "post:8", "new:4", "new-post:4"])
    for version in range(2, 2 + SWAPS):
        new = start(version)
        eventually(lambda: load.now().versions.get(str(version), 0) > 20, f"version {version} answers")
        began = time.monotonic()
        assert old.stop() == 0
        assert time.monotonic() - began < 10, "the drain took too long"
        old = new
    report = load.stop(at_least=500)
    assert set(report.versions) == {str(version) for version in range(1, 2 + SWAPS)}
    assert old.stop() == 0
    server.close()


def node(sandbox):
    swap_under_load(sandbox, [need("node"), os.path.join(SOURCE, "conf/quickstart/server.js")])


def gunicorn(sandbox):
    swap_under_load(sandbox, [need("gunicorn"), "--workers", "1", "--chdir", os.path.join(SOURCE, "conf/quickstart"),
                              "app:application"])


def test_server(sandbox):
    swap_under_load(sandbox, [SERVER])


def an_idle_connection_is_closed_after_a_grace_and_not_before(sandbox):
    from baton_e2e.web import connect
    for command in [[need("node"), os.path.join(SOURCE, "conf/quickstart/server.js")], [SERVER]]:
        server = listen()
        address = "127.0.0.1:%d" % server.getsockname()[1]
        program = sandbox.program(command, [server])
        eventually(lambda: ask(address, "/healthz").status == 200, "it answers")
        idle, late = connect(address), connect(address)
        for client in (idle, late):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in client.recv(65536)
        program.signal(15)
        time.sleep(1)  # within the grace: a request on an open connection is still answered, the last one
        late.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: late.recv(65536), b""))
        assert b"200 OK" in answer and b"connection: close" in answer.lower(), answer
        began = time.monotonic()
        assert idle.recv(65536) == b"" and time.monotonic() - began < 4
        assert program.process.wait(10) == 0
        server.close()


main(node, gunicorn, test_server, an_idle_connection_is_closed_after_a_grace_and_not_before)
