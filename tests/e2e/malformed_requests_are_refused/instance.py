"""A server of HTTP/1.1 that remembers every byte it was sent and answers what it understands. Whoever connects to
RECORD, a unix socket, is told what came since the last time."""
import json
import os
import re
import selectors
import socket

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: chunked\r\n", re.IGNORECASE)
CHUNKS = re.compile(rb"0\r\n(?:[^\r]+\r\n)*\r\n")

seen = []  # a connection each: all that came by it


def whole(head, rest):
    """How much of `rest` is the body; None: it is not all here. Its sender frames it as this one reads it."""
    if CHUNKED.search(head):
        end = CHUNKS.search(rest)
        return end.end() if end else None
    length = int(LENGTH.search(head)[1]) if LENGTH.search(head) else 0
    return length if len(rest) >= length else None


class Connection:
    def __init__(self, stream):
        self.stream = stream
        self.record = bytearray()
        self.waiting = b""
        seen.append(self.record)

    def hear(self):
        """False: it is over."""
        try:
            data = self.stream.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.record += data
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            end = self.waiting.index(b"\r\n\r\n") + 4
            body = whole(self.waiting[:end], self.waiting[end:])
            if body is None:
                break
            method = self.waiting.split(b" ", 1)[0]
            upgrade = b"\r\nupgrade: " in self.waiting[:end].lower()
            self.waiting = self.waiting[end + body:]
            text = b"" if method == b"HEAD" else b"ok"
            # It knows no other protocol.
            self.stream.sendall((b"HTTP/1.1 426 Upgrade Required" if upgrade else b"HTTP/1.1 200 OK") + b"\r\nContent-Length: 2\r\n\r\n" + text)
        return bool(data)


def listen(address, family):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(1024)
    return listener


def main():
    selector = selectors.DefaultSelector()
    record = listen(os.environ["RECORD"], socket.AF_UNIX)
    door = listen(("127.0.0.1", int(os.environ["PORT"])), socket.AF_INET)
    selector.register(record, selectors.EVENT_READ)
    selector.register(door, selectors.EVENT_READ)
    while True:
        events = [key for key, _ in selector.select()]
        # Whoever asks has sent its bytes before: they are there by now, and are read first.
        asked = any(key.fileobj is record for key in events)
        while True:
            for key in events:
                if key.fileobj is door:
                    stream, _ = door.accept()
                    selector.register(stream, selectors.EVENT_READ, Connection(stream))
                elif key.data is not None and not key.data.hear():
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
            events = [key for key, _ in selector.select(0) if key.fileobj is not record]
            if not asked or not events:
                break
        if asked:
            stream, _ = record.accept()
            with stream:
                stream.sendall(json.dumps([one.decode("latin-1") for one in seen if one]).encode())
            for one in seen:
                one.clear()


main()
