# ctest: RUN_SERIAL TIMEOUT 300
"""An instance that is told to go keeps its proxied connections until they end: a slow client gets its whole
answer, and the instance is stopped when it has. One that never reads is cut when drain_timeout is over, not before,
and holds nothing up for longer.
"""
import datetime
import socket

from baton_e2e import main

# More than all the buffers between the two hold, so that what is not read is not on its way.
ANSWER = 64_000_000
OVER = "connections to it are open still, but its time is over"
DONE = "no connection to it is open"


def ask_slowly(address):
    host, port = address.rsplit(":", 1)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(20)
    client.connect((host, int(port)))
    client.sendall(f"GET /bytes?size={ANSWER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return client, len(client.recv(1024))


def read_on(client, enough=None):
    """Bytes until there were `enough`, the answer has ended, or the connection was broken; and whether it was."""
    got = 0
    try:
        while (enough is None or got < enough) and (data := client.recv(65536)):
            got += len(data)
    except ConnectionError:
        return got, True
    return got, False


def replace(baton, config):
    """Tells web/1 to go. Its id, and the event that says that it drains."""
    old, after = baton.instance("web/1"), baton.last_event()
    config["service"]["web"]["version"] = "2"
    baton.write(config)
    baton.run("reload", "--no-wait")
    return old["id"], baton.await_event("instance.draining", "web/1", after)


def state_of(baton, number):
    return next((one["state"] for one in baton.instances() if one["id"] == number), "gone")


def seconds(before, after):
    return (datetime.datetime.fromisoformat(after["time"].replace("Z", "+00:00"))
            - datetime.datetime.fromisoformat(before["time"].replace("Z", "+00:00"))).total_seconds()


def a_slow_client_gets_everything(sandbox):
    baton, config, address = sandbox.proxied(1, "port", stop={"drain_timeout": "60s", "kill_timeout": "1s"})
    client, got = ask_slowly(address)
    old, draining = replace(baton, config)
    while got < ANSWER // 2:
        more, broken = read_on(client, ANSWER // 16)
        got += more
        assert more and not broken, f"it was cut after {got} bytes"
        assert state_of(baton, old) == "draining", "it was ended under its client"
    more, broken = read_on(client)
    got += more
    client.close()
    assert got > ANSWER and not broken, f"{got} bytes of more than {ANSWER}"
    stopping = baton.await_event("instance.stopping", "web/1", draining["number"])
    assert DONE in stopping["text"], stopping
    baton.await_ready("web", 1, version="2")
    baton.until(lambda: state_of(baton, old) == "gone", "the old one has ended")
    assert not [one for one in baton.events() if one["kind"] == "instance.killed"]
    baton.stop()


def one_that_never_reads_is_cut_at_the_deadline(sandbox):
    baton, config, address = sandbox.proxied(1, "port", stop={"drain_timeout": "4s", "kill_timeout": "500ms"})
    client, got = ask_slowly(address)
    old, draining = replace(baton, config)
    stopping = baton.await_event("instance.stopping", "web/1", draining["number"])
    assert OVER in stopping["text"], stopping
    # When an event is announced is a little later than when it was decided.
    assert seconds(draining, stopping) > 3, f"{draining}, {stopping}"
    # The program would go on for its client's sake, and is not asked.
    killed = baton.await_event("instance.killed", "web/1", stopping["number"])
    gone = baton.await_event("instance.gone", "web/1", killed["number"])
    assert seconds(stopping, gone) < 15, f"{stopping}, {gone}"
    baton.until(lambda: len(baton.instances()) == 1 and state_of(baton, old) == "gone", "the old one has ended")
    # Whatever was on its way may come still; then it is over, and not as if it had been all.
    more, _ = read_on(client)
    assert got + more < ANSWER, "the client got everything: it was not slow enough for this test"
    client.close()
    baton.await_ready("web", 1, version="2")
    baton.stop()


main(a_slow_client_gets_everything, one_that_never_reads_is_cut_at_the_deadline)
