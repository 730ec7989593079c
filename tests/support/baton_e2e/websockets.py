"""WebSockets (RFC 6455) of clients that send text and want the same text back, all their life."""
import base64
import hashlib
import os
import selectors
import struct
import threading
import time

from .web import connect

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 1, 8


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(kind, payload, mask=b""):
    """One whole message; a client's has a mask of four bytes."""
    size = len(payload)
    bit = 0x80 if mask else 0
    head = struct.pack("!BB", 0x80 | kind, bit | size) if size < 126 else struct.pack("!BBH", 0x80 | kind, bit | 126, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else head + payload


def take_frame(data):
    """(kind, payload, the rest) of the first whole frame, which is not longer than 64 KiB; None: it is not all here."""
    if len(data) < 2:
        return None
    at, size = 2, data[1] & 0x7f
    if size == 126:
        if len(data) < 4:
            return None
        at, size = 4, struct.unpack_from("!H", data, 2)[0]
    masked = data[1] & 0x80 != 0
    end = at + (4 if masked else 0) + size
    if len(data) < end:
        return None
    payload = data[end - size:end]
    if masked:
        payload = bytes(byte ^ data[at + i % 4] for i, byte in enumerate(payload))
    return data[0] & 0x0f, payload, data[end:]


class WebSocket:
    """One that is open."""

    def __init__(self, address, number):
        self.number = number
        self.echoed = 0
        self.expected = None
        self.waiting = b""
        self.stream = connect(address, timeout=20)
        key = base64.b64encode(os.urandom(16))
        self.stream.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.stream.recv(4096)
            assert data, f"websocket {number}: closed after {answer!r}"
            answer += data
        head, self.waiting = answer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"\r\nsec-websocket-accept: " + accept_of(key).lower() in head.lower(), head

    def send(self):
        # Each text is another one, and some need the longer form of a length.
        self.expected = f"{self.number}:{self.echoed}:".encode() + b"x" * (self.number * 7 % 300)
        self.stream.sendall(frame(TEXT, self.expected, os.urandom(4)))

    def receive(self):
        """Whether the echo is whole. Anything else is an error."""
        data = self.stream.recv(65536)
        if not data:
            raise ConnectionError("it was closed")
        self.waiting += data
        if (taken := take_frame(self.waiting)) is None:
            return False
        kind, payload, self.waiting = taken
        if kind != TEXT or payload != self.expected or self.waiting:
            raise ConnectionError(f"a frame {kind} of {payload[:40]!r} for {self.expected[:40]!r}")
        self.echoed += 1
        self.expected = None
        return True

    def echo(self):
        self.send()
        while not self.receive():
            pass

    def close(self):
        self.stream.sendall(frame(CLOSE, struct.pack("!H", 1000), os.urandom(4)))
        while self.stream.recv(65536):
            pass
        self.stream.close()


class WebSockets(threading.Thread):
    """So many to each address. One after the other sends, at most `rate` a second, and a round is over when each has
    its echo. The first that fails ends it."""

    def __init__(self, addresses, count, rate=1000):
        super().__init__(daemon=True)
        self.sockets = [WebSocket(address, number) for number, address in enumerate(addresses * count)]
        self.rate = rate
        self.rounds = 0  # that are over
        self.failure = None
        self.ending = False
        self.changed = threading.Condition()
        self.selector = selectors.DefaultSelector()
        for one in self.sockets:
            self.selector.register(one.stream, selectors.EVENT_READ, one)

    def run(self):
        while not self.ending and not self.failure:
            try:
                self.round()
            except OSError as error:
                self.failure = str(error)
            with self.changed:
                self.rounds += 1
                self.changed.notify_all()

    def round(self):
        began = time.monotonic()
        waiting = 0
        for place, one in enumerate(self.sockets):
            one.send()
            waiting += 1
            while (left := began + place / self.rate - time.monotonic()) > 0:
                waiting -= self.hear(left)
        while waiting:
            waiting -= self.hear(None)

    def hear(self, timeout):
        """How many echoes have come."""
        echoes = 0
        for key, _ in self.selector.select(timeout):
            try:
                echoes += key.data.receive()
            except OSError as error:
                raise ConnectionError(f"websocket {key.data.number} after {key.data.echoed} echoes: {error}") from error
        return echoes

    def check(self):
        assert not self.failure, f"one of {len(self.sockets)} ended: {self.failure}"

    def await_rounds(self, count=1, timeout=60):
        """Everyone echoes so many times from here on."""
        with self.changed:
            target = self.rounds + count + 1  # the present round may have begun before
            done = self.changed.wait_for(lambda: self.rounds >= target or self.failure, timeout)
        self.check()
        assert done, f"{self.rounds} of {target} rounds after {timeout} s"

    def finish(self):
        """They are all there still, and end as they should."""
        self.await_rounds()
        self.ending = True
        self.join()
        self.check()
        for one in self.sockets:
            one.close()
