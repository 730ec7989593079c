"""An ordinary WSGI application for gunicorn, which takes the socket that systemd's protocol hands it."""
import os

VERSION = os.environ.get("BATON_VERSION", "0")
INSTANCE = os.environ.get("BATON_INSTANCE", "by-hand")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    status = "200 OK"
    if path == "/":
        body = f"Hello from version {VERSION}, instance {INSTANCE}, pid {os.getpid()}\n".encode()
    elif path == "/healthz":
        body = b"ok\n"
    elif path == "/echo" and environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read()
    else:
        status, body = "404 Not Found", b"not found\n"
    start_response(status, [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(body))),
        ("X-Version", VERSION),
        ("X-Instance", INSTANCE),
        ("X-Pid", str(os.getpid())),
    ])
    return [body]
