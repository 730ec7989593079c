"""A server of WebSockets (RFC 6455) on PORT that sends every text back. Any other request is answered as HTTP."""
import os
import re
import selectors
import signal
import socket
import sys

sys.path.insert(0, os.environ["SUPPORT"])
# pylint: disable=wrong-import-position
from baton_e2e.websockets import CLOSE, accept_of, frame, take_frame  # noqa: E402

KEY = re.compile(rb"\r\nsec-websocket-key: (\S+)\r\n", re.IGNORECASE)


class Connection:
    def __init__(self, stream):
        self.stream = stream
        self.waiting = b""
        self.open = False  # as a WebSocket

    def hear(self):
        """False: it is over."""
        try:
            data = self.stream.recv(65536)
        except ConnectionError:
            return False
        self.waiting += data
        return bool(data) and (self.echo() if self.open else self.greet())

    def greet(self):
        if b"\r\n\r\n" not in self.waiting:
            return True
        head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
        key = KEY.search(head + b"\r\n")
        if key is None:
            self.stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        self.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Accept: " + accept_of(key[1]) + b"\r\n\r\n")
        self.open = True
        return self.echo()

    def echo(self):
        while (taken := take_frame(self.waiting)) is not None:
            kind, payload, self.waiting = taken
            self.stream.sendall(frame(kind, payload))
            if kind == CLOSE:
                return False
        return True


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                stream, _ = listener.accept()
                selector.register(stream, selectors.EVENT_READ, Connection(stream))
            elif not key.data.hear():
                selector.unregister(key.fileobj)
                key.fileobj.close()


main()
