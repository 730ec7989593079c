"""A WSGI application that says its version and sends back what it gets."""
import os


def application(environ, start_response):
    answer = environ["wsgi.input"].read() or b"hello\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer))),
                              ("X-Version", os.environ.get("BATON_VERSION", ""))])
    return [answer]
