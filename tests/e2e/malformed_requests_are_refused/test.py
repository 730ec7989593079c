# ctest: TIMEOUT 300
"""What two programs could understand differently is refused with a status that says so, and the connection with
it: a request that is smuggled in behind it is not answered, and no instance hears of either. What is odd but
sound is one request for everybody. The lists are those of the unit tests.
"""
import json
import os
import re
import socket
import sys

from baton_e2e import ask, main
from baton_e2e.corpus import read_corpus
from baton_e2e.web import connect

INSTANCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instance.py")
BEHIND = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


class Front:
    """A Baton with two workers in front of one instance, by HTTP and by HTTP behind PROXY headers."""

    def __init__(self, sandbox):
        self.record = sandbox.path("record")
        config = sandbox.configuration()
        config["supervisor"]["workers"] = 2
        self.address = config.listener("web", sandbox.address(), "web")
        self.proxied = config.listener("behind", sandbox.address(), "web", proxy_protocol=True)
        config.service("web", [sys.executable, "-B", INSTANCE], delivery="proxy", environment={"RECORD": self.record},
                       readiness={"type": "tcp", "interval": "100ms"})
        self.baton = sandbox.supervisor(config)
        self.baton.await_ready("web")
        self.workers = self.baton.workers()
        self.pids = self.baton.pids()
        self.heard()

    def heard(self):
        """What the instance was sent since the last time, a connection each."""
        with connect("unix:" + self.record) as stream, stream.makefile("rb") as answer:
            return [one.encode("latin-1") for one in json.load(answer)]

    def stop(self):
        """The same processes as in the beginning serve."""
        assert ask(self.address).status == 200
        assert self.baton.workers() == self.workers
        assert self.baton.pids() == self.pids
        self.baton.stop()


def exchange(address, *pieces):
    """All that is answered to these bytes until the connection's end."""
    with connect(address, timeout=20) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for piece in pieces:
                stream.sendall(piece)
        except ConnectionError:
            pass  # it has closed already; what it said is there still
        try:
            while data := stream.recv(65536):
                answer += data
        except ConnectionResetError:
            answer += b"(reset)"
        return answer


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def check(front, one, *pieces):
    answer = exchange(front.address, *pieces)
    assert statuses(answer) == [int(one.verdict)], f"{one.name}: {answer[:500]!r}"
    assert b"\r\nConnection: close\r\n" in answer and not answer.endswith(b"(reset)"), f"{one.name}: {answer[:500]!r}"


def heads(sandbox):
    front = Front(sandbox)
    judged = read_corpus("http/corpus.txt", "head") + read_corpus("http/corpus.txt", "rules")
    for one in judged:
        half = len(one.bytes) // 2
        check(front, one, one.bytes + BEHIND)
        check(front, one, one.bytes[:half], one.bytes[half:] + BEHIND)
        heard = front.heard()
        assert heard == [], f"{one.name}: the instance heard {heard}"
    print(f"    {len(judged)} heads, each refused twice")
    front.stop()


def bodies(sandbox):
    """The instance may have heard of the head by then, but never of an end, nor of what comes behind."""
    front = Front(sandbox)
    judged = read_corpus("http/corpus.txt", "body")
    for one in judged:
        head = one.bytes.index(b"\r\n\r\n") + 4
        check(front, one, one.bytes + BEHIND)
        check(front, one, one.bytes[:head], one.bytes[head:] + BEHIND)
        for heard in front.heard():
            assert heard.startswith(b"POST / HTTP/1.1\r\n") and heard.count(b"HTTP/1.1") == 1, f"{one.name}: {heard}"
            assert b"\r\n0\r\n" not in heard and b"smuggled" not in heard, f"{one.name}: {heard}"
    print(f"    {len(judged)} bodies, each refused twice")
    front.stop()


def what_is_sound_passes(sandbox):
    """One request, and what is behind it another: the instance hears as many as the client is answered."""
    front = Front(sandbox)
    behind = b"GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for one in read_corpus("http/corpus.txt", "sound"):
        method, target, host = one.verdict.split(",")
        answer = exchange(front.address, one.bytes + behind)
        assert statuses(answer) == [200, 200], f"{one.name}: {answer!r}"
        heard = b"".join(sorted(front.heard(), key=lambda bytes: b"/behind" in bytes))
        assert heard.startswith(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n".encode()), f"{one.name}: {heard}"
        assert heard.count(b" HTTP/1.1\r\nHost: ") == 2, f"{one.name}: {heard}"
        assert b"\r\nUpgrade: " not in heard, f"{one.name}: {heard}"
    front.stop()


def an_upgrade_that_is_refused_is_no_tunnel(sandbox):
    """What follows it is read as requests, by the same rules as ever."""
    front = Front(sandbox)
    upgrade = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n"
    malformed = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = exchange(front.address, upgrade + malformed + BEHIND)
    assert statuses(answer) == [426, 400], answer
    heard = b"".join(front.heard())
    assert heard.count(b"HTTP/1.1") == 1 and heard.startswith(b"GET /socket "), heard
    front.stop()


def http_2_of_nonsense(sandbox):
    """The preface of HTTP/2, and then something else: the connection ends, and that is all."""
    front = Front(sandbox)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\0\0\0\x04\0\0\0\0\0"
    for nonsense in (BEHIND, settings + BEHIND, settings + b"\xff\xff\xff\x01\x05\0\0\0\x01" + BEHIND, settings + b"\0\0\x01\x01\x05\0\0\0\x01\xff",
                     settings + b"\0\0\x05\x09\x04\0\0\0\x01hello", settings + b"\0\0\x08\x06\0\0\0\0\x01pingpong"):
        answer = exchange(front.address, preface + nonsense)
        assert b"HTTP/1.1" not in answer, answer
        assert b"\x07\0\0\0\0\0" in answer or answer.endswith(b"(reset)"), f"{nonsense!r}: no GOAWAY in {answer!r}"
    assert front.heard() == []
    front.stop()


def proxy_headers(sandbox):
    """A connection that does not begin with who it is from is nobody's."""
    front = Front(sandbox)
    good = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for one in read_corpus("gateway/proxy_headers.txt", "bad"):
        answer = exchange(front.proxied, one.bytes + good)
        assert answer in (b"", b"(reset)"), f"{one.name}: {answer!r}"
        assert front.heard() == [], one.name
    # With a header it serves, and what follows is judged as elsewhere.
    header = b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 80\r\n"
    assert statuses(exchange(front.proxied, header + good)) == [200]
    assert b"\r\nX-Forwarded-For: 192.0.2.9\r\n" in b"".join(front.heard())
    assert statuses(exchange(front.proxied, header + header + good)) == [400]
    assert front.heard() == []
    front.stop()


main(heads, bodies, what_is_sound_passes, an_upgrade_that_is_refused_is_no_tunnel, http_2_of_nonsense, proxy_headers)
