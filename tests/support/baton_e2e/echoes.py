"""Many connections to an echo service, each with a sequence of bytes of its own that is checked to the last one."""
import selectors
import socket
import struct
import threading
import time


class Echoes(threading.Thread):
    """Connections to an echo service, each with its own sequence of bytes: `busy` ones send all the time,
    `bulk` ones send faster than they read, the others are idle until check()."""

    def __init__(self, address, count, busy, bulk):
        super().__init__(daemon=True)
        host, port = address.rsplit(":", 1)
        self.selector = selectors.DefaultSelector()
        self.connections = []
        for number in range(count):
            one = socket.create_connection((host, int(port)), timeout=10)
            one.setblocking(False)
            kind = "busy" if number < busy else "bulk" if number < busy + bulk else "idle"
            self.connections.append({"socket": one, "number": number, "kind": kind, "sent": 0, "got": 0, "due": 0})
        for one in self.connections:
            self.selector.register(one["socket"], selectors.EVENT_READ, one)
        self.failures = []
        self.ending = threading.Event()
        self.exchanged = 0

    @staticmethod
    def bytes_of(number, at, count):
        """A stream of which each byte tells its place."""
        first = at // 4
        words = b"".join(struct.pack("<I", (number << 20 ^ (first + i) * 2654435761) & 0xffffffff) for i in range(count // 4 + 2))
        return words[at % 4:at % 4 + count]

    def send(self, one, count):
        try:
            one["sent"] += one["socket"].send(self.bytes_of(one["number"], one["sent"], count))
        except BlockingIOError:
            pass
        except OSError as error:
            self.failures.append(f"{one['kind']} {one['number']}: send: {error}")
            one["kind"] = "failed"

    def receive(self, one):
        try:
            data = one["socket"].recv(16384)
        except BlockingIOError:
            return
        except OSError as error:
            data, reason = b"", str(error)
        else:
            reason = "closed"
        if not data or data != self.bytes_of(one["number"], one["got"], len(data)):
            self.failures.append(f"{one['kind']} {one['number']}: {reason if not data else 'wrong bytes'} after {one['got']} of {one['sent']}")
            one["kind"] = "failed"
            self.selector.unregister(one["socket"])
            return
        one["got"] += len(data)
        self.exchanged += len(data)

    def run(self):
        while not self.ending.is_set():
            for one in self.connections:
                if one["kind"] == "busy" and one["sent"] == one["got"]:
                    self.send(one, 128)
                if one["kind"] == "bulk" and one["sent"] - one["got"] < 1_000_000:
                    self.send(one, 16384)
            for key, _ in self.selector.select(0.01):
                if key.data["kind"] != "failed":
                    self.receive(key.data)

    def finish(self):
        """Everything that was sent comes back, on the idle ones too."""
        self.ending.set()
        self.join()
        for one in self.connections:
            if one["kind"] == "idle":
                self.send(one, 64)
        deadline = time.monotonic() + 30
        while any(one["got"] < one["sent"] for one in self.connections if one["kind"] != "failed") and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.05):
                self.receive(key.data)
        short = [one["number"] for one in self.connections if one["got"] < one["sent"]]
        assert not self.failures, f"{len(self.failures)} of {len(self.connections)}: {self.failures[:5]}"
        assert not short, f"bytes are missing on {len(short)}: {short[:5]}"
