"""The instrument itself: a server that fails in each way that baton-load can tell apart, and the proof
that it counts exactly that, and that a well-behaved server counts none.
"""
import socket
import struct
import threading
import time

from baton_e2e import main
from baton_e2e.by_hand import listen

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Version: 7\r\n\r\nok"
LAST = OK.replace(b"X-Version", b"Connection: close\r\nX-Version")


def read_request(client):
    data = b""
    while b"\r\n\r\n" not in data:
        block = client.recv(65536)
        if not block:
            return None
        data += block
    head, body = data.split(b"\r\n\r\n", 1)
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += client.recv(65536)
    return body


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def serve(server, behave):
    """Serves connections one after the other until the listening socket is closed."""
    def loop():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                try:
                    behave(client)
                except OSError:
                    continue
    threading.Thread(target=loop, daemon=True).start()
    return "127.0.0.1:%d" % server.getsockname()[1]


def count(sandbox, behave, mode="get:1", requests=3, **options):
    server = listen()
    load = sandbox.load(serve(server, behave), [mode], requests=requests, **options)
    load.process.wait(30)
    report = load.finish()
    server.close()
    return report, load.process.returncode


def expect(sandbox, kind, behave, **options):
    report, status = count(sandbox, behave, **options)
    assert report.kinds == {kind: report.failed} and report.failed > 0, f"{kind}: {report.describe()}"
    assert status == 1, f"{kind}: exit status {status}"


def then(*steps):
    """A behaviour: read one request, then do each step."""
    def behave(client):
        read_request(client)
        for step in steps:
            step(client)
    return behave


def send(data):
    return lambda client: client.sendall(data)


def each_failure_is_counted_as_what_it_is(sandbox):
    expect(sandbox, "closed_under_request", then())
    expect(sandbox, "reset_before_response", then(reset))
    expect(sandbox, "early_eof", then(send(OK[:20])))
    expect(sandbox, "early_eof", then(send(OK[:-1])))
    expect(sandbox, "bad_status", then(send(LAST.replace(b"200 OK", b"500 No"))))
    expect(sandbox, "malformed", then(send(b"SMTP says hello\r\n\r\n")))
    expect(sandbox, "bad_body", then(send(LAST)), mode="post:1")
    expect(sandbox, "timeout", then(lambda client: time.sleep(1.5)), requests=1, timeout="500ms")
    expect(sandbox, "timeout", then(send(OK[:20]), lambda client: time.sleep(1.5)), requests=1, timeout="500ms")


def a_reset_within_the_response(sandbox):
    def behave(client):
        read_request(client)
        client.sendall(OK[:20])
        # Not before the client has read the first part: a reset would overtake it.
        while struct.unpack("I", _pending(client))[0]:
            time.sleep(0.001)
        time.sleep(0.2)
        reset(client)
    expect(sandbox, "reset_mid_response", behave)


def _pending(client):
    import fcntl
    import termios
    return fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")


def nobody_listens(sandbox):
    server = listen()
    address = "127.0.0.1:%d" % server.getsockname()[1]
    server.close()
    load = sandbox.load(address, ["get:1"], requests=3)
    load.process.wait(30)
    assert load.finish().kinds == {"connect_refused": 3}


def a_full_queue_is_a_connect_timeout(sandbox):
    server = listen()
    server.listen(0)
    address = "127.0.0.1:%d" % server.getsockname()[1]
    fill = [socket.socket() for _ in range(4)]
    for one in fill:
        one.setblocking(False)
        one.connect_ex(server.getsockname())
    from baton_e2e import LOAD, Load
    load = Load([LOAD, "--json", "--target", address, "--mode", "get:1", "--requests", "1", "--timeout", "1s"], ["get"])
    sandbox.loads.append(load)
    load.process.wait(30)
    assert load.finish().kinds == {"connect_timeout": 1}


def an_idle_close_is_no_failure_and_a_late_one_is(sandbox):
    def answers_one_and_closes(client):
        read_request(client)
        client.sendall(OK)
    # With a pause between requests the close is seen before the next one: a clean close between requests.
    report, status = count(sandbox, answers_one_and_closes, requests=4, rate=4)
    assert report.failed == 0 and report.closed_idle >= 2 and status == 0, report.describe()
    assert report.versions == {"7": 4}

    def answers_one_and_closes_under_the_second(client):
        answers_one_and_closes(client)
        read_request(client)
    report, _ = count(sandbox, answers_one_and_closes_under_the_second, requests=4)
    assert report.kinds == {"closed_under_request": 2}, report.describe()


def connection_close_is_honoured(sandbox):
    def behave(client):
        read_request(client)
        client.sendall(LAST)
    report, status = count(sandbox, behave, requests=50)
    assert (report.failed, report.ok, report.connections, status) == (0, 50, 50, 0), report.describe()


def an_echo_that_differs_is_a_failure(sandbox):
    def honest(client):
        while data := client.recv(65536):
            client.sendall(data)
    report, _ = count(sandbox, honest, mode="tcp:1", requests=100)
    assert (report.failed, report.ok) == (0, 100), report.describe()

    def liar(client):
        while data := client.recv(65536):
            client.sendall(b"\0" + data[1:])
    expect(sandbox, "bad_body", liar, mode="tcp:1", requests=5)
    expect(sandbox, "closed_under_request", lambda client: client.recv(65536), mode="tcp:1", requests=5)


def the_longest_gap_is_measured(sandbox):
    pauses = iter([0, 0, 0.7])

    def behave(client):
        while read_request(client) is not None:
            time.sleep(next(pauses, 0))
            client.sendall(OK)
    report, _ = count(sandbox, behave, requests=5)
    assert 650 <= report.longest_gap_ms <= 1500 and report.latency_us["max"] >= 650_000, report.describe()


main(each_failure_is_counted_as_what_it_is, a_reset_within_the_response, nobody_listens,
     a_full_queue_is_a_connect_timeout, an_idle_close_is_no_failure_and_a_late_one_is, connection_close_is_honoured,
     an_echo_that_differs_is_a_failure, the_longest_gap_is_measured)
