"""What the PROXY header of a client told goes on to the instance unchanged, by connection and by request, in both
versions: who it is, and where it had connected to, which is not this listener.
"""
import socket

from baton_e2e import main

TOLD = ("PROXY TCP4 10.1.2.3 10.0.0.9 111 80\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 111 80\r\n")
# The same in version 2.
BINARY = tuple(b"\r\n\r\n\0\r\nQUIT\n" + rest for rest in (
    b"\x21\x11\0\x0c" + bytes([10, 1, 2, 3, 10, 0, 0, 9, 0, 111, 0, 80]),
    b"\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2") + bytes([0, 111, 0, 80])))


def heard(server, address, said, size):
    """The first bytes that the instance gets of a client who says this first."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(said + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        instance, _ = server.accept()
        with instance:
            instance.settimeout(10)
            got = b""
            while len(got) < size:
                more = instance.recv(size - len(got))
                assert more, f"cut after {got!r}"
                got += more
            return got


def whoever_told_it(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        config = sandbox.configuration()
        addresses = {}
        for version in ("v1", "v2"):
            for protocol in ("tcp", "http"):
                name = protocol + version
                addresses[name] = config.listener(name, sandbox.address(), name, protocol=protocol)
                config["listener"][name]["proxy_protocol"] = True
                config["service"][name] = {"runtime": "external", "delivery": "proxy", "proxy_protocol": version,
                                           "endpoints": [{"address": f"127.0.0.1:{server.getsockname()[1]}"}]}
        baton = sandbox.supervisor(config)
        for name, address in addresses.items():
            for text, binary in zip(TOLD, BINARY):
                expected = text.encode() if name.endswith("v1") else binary
                for said in (text.encode(), binary):
                    assert heard(server, address, said, len(expected)) == expected, (name, said)
        baton.stop()


main(whoever_told_it)
