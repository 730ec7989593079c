# ctest: RUN_SERIAL TIMEOUT 300
"""An instance that is told to go keeps its proxied connections until they end: a slow client gets its whole
answer. One that never reads does not hold anything up longer than drain_timeout.
"""
import socket

from baton_e2e import main

ANSWER = 12_000_000


def ask_slowly(address):
    host, port = address.rsplit(":", 1)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(20)
    client.connect((host, int(port)))
    client.sendall(f"GET /bytes?size={ANSWER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert client.recv(1024)
    return client


def a_slow_client_gets_everything(sandbox):
    baton, config, address = sandbox.proxied(1, "port", stop={"drain_timeout": "30s", "kill_timeout": "1s"})
    client = ask_slowly(address)
    old = baton.instance("web/1")
    config["service"]["web"]["version"] = "2"
    baton.write(config)
    baton.run("reload", "--no-wait")
    baton.until(lambda: any(one["state"] == "draining" for one in baton.instances()), "the old one is told to go")
    got = 1024
    while data := client.recv(65536):
        got += len(data)
        if got < ANSWER // 2:
            assert any(one["id"] == old["id"] and one["state"] == "draining" for one in baton.instances()), "it was ended under its client"
    client.close()
    assert got > ANSWER, f"{got} bytes of more than {ANSWER}"
    baton.await_ready("web", 1, version="2")
    baton.until(lambda: len(baton.instances()) == 1, "the old one has ended")
    baton.stop()


def one_that_never_reads_is_cut_at_the_deadline(sandbox):
    baton, config, address = sandbox.proxied(1, "port", stop={"drain_timeout": "500ms", "kill_timeout": "500ms"})
    client = ask_slowly(address)
    config["service"]["web"]["version"] = "2"
    baton.reload(config)
    baton.until(lambda: len(baton.instances()) == 1, "the old one has ended", timeout=10)
    client.close()
    baton.stop()


main(a_slow_client_gets_everything, one_that_never_reads_is_cut_at_the_deadline)
