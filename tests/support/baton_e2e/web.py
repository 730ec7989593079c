"""Single questions to a server: who answers, and what. Load is baton-load's."""
import http.client
import json
import re
import socket
from collections import Counter
from dataclasses import dataclass, field


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = connect("unix:" + self.path, self.timeout)


@dataclass
class Answer:
    status: int
    body: str
    headers: dict = field(default_factory=dict)

    @property
    def version(self):
        return self.headers.get("X-Version", "")

    @property
    def instance(self):
        return self.headers.get("X-Instance", "")

    @property
    def pid(self):
        return int(self.headers.get("X-Pid", "0"))

    def json(self):
        return json.loads(self.body)


def connect(address, timeout=5.0, source=None):
    """A connected stream socket to "host:port", "[v6]:port", "unix:/path" or "unix:@name"."""
    if address.startswith("unix:"):
        path = address[5:]
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect("\0" + path[1:] if path.startswith("@") else path)
        return client
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout, (source, 0) if source else None)


def ask(address, path="/", method="GET", body=None, timeout=5.0, source=None):
    """One HTTP request on a connection of its own. `source`: a local address, for tests of hashing."""
    if address.startswith("unix:"):
        connection = _UnixConnection(address[5:], timeout)
    else:
        host, port = address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout,
                                                source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, body, {"Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
    finally:
        connection.close()


def ask_all(address, times, source=None, by="instance"):
    """How often each instance (or version, or pid) answered."""
    return Counter(getattr(ask(address, source=source), by) for _ in range(times))


def tcp_exchange(address, text, timeout=5.0):
    """Sends a line to an echo server and reads one back."""
    with connect(address, timeout) as client:
        client.sendall(text.encode() + b"\n")
        with client.makefile("rb") as stream:
            return stream.readline().decode().rstrip("\n")


def udp_exchange(address, text, timeout=5.0):
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(text.encode() + b"\n", (host.strip("[]"), int(port)))
        return client.recv(65536).decode().rstrip("\n")


def identity(greeting):
    """The test server's greeting, taken apart: {"version", "instance", "pid"}."""
    match = re.match(r"version (\S*) instance (\S*) pid (\d+)", greeting)
    if not match:
        raise ValueError(f"not a greeting: {greeting!r}")
    return {"version": match[1], "instance": match[2], "pid": int(match[3])}


def hear(client):
    """The head of an answer that has come whole, in small letters."""
    client.settimeout(15)
    got = b""
    while b"\r\n\r\n" not in got:
        more = client.recv(65536)
        assert more, f"cut after {got!r}"
        got += more
    head, body = got.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        more = client.recv(65536)
        assert more, f"cut after {len(body)} of {length} bytes"
        body += more
    return head.decode().lower()
