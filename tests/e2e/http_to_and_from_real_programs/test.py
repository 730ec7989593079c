# ctest: RUN_SERIAL TIMEOUT 300
"""HTTP through the workers between programs that know nothing of Baton: node, gunicorn and nginx behind it; curl,
wrk and raw sockets in front. Bodies of every framing arrive whole, upgrades become tunnels that survive an
upgrade of the binary, and no request fails while instances are replaced.
"""
import hashlib
import os
import signal
import subprocess

from baton_e2e import main, need
from baton_e2e.web import ask, connect

HERE = os.path.dirname(os.path.realpath(__file__))
NGINX = """#!/bin/sh
own={folder}/$PORT
cat > $own.conf <<END
daemon off; {user} worker_processes 1; pid $own.pid; error_log $own.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 50;
server {{ listen 127.0.0.1:$PORT; root {folder}; location / {{ return 200 "hello\\n"; }} location /bytes {{ }} }} }}
END
exec {nginx} -p {folder} -c $own.conf
"""


def behind(sandbox, command, replicas=2, listener=None, **more):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    address = config.listener("web", sandbox.address(), "web", protocol="http", **(listener or {}))
    config.service("web", command, replicas=replicas, delivery="proxy", **more)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", replicas)
    return baton, config, address


def curl(*arguments):
    result = subprocess.run([need("curl"), "-sS", "--max-time", "30", *arguments], capture_output=True, check=False)
    assert result.returncode == 0, (arguments, result.returncode, result.stderr)
    return result.stdout


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def replaced_under_load(baton, config, load):
    for version in ("2", "3"):
        config["service"]["web"]["version"] = version
        baton.reload(config)
        baton.await_ready("web", 2, version=version)
    load.stop(at_least=100)


def node(sandbox):
    log = sandbox.path("access.log")
    baton, config, address = behind(sandbox, [need("node"), os.path.join(HERE, "server.js")], listener={"access_log": log})
    url = f"http://{address}"
    big = sandbox.path("big")
    with open(big, "wb") as out:
        out.write(os.urandom(5 << 20))
    with open(big, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()

    def echoed(*arguments):
        return hashlib.sha256(curl(*arguments)).hexdigest()
    assert echoed("--data-binary", f"@{big}", url) == digest
    assert echoed("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{big}", url) == digest
    assert echoed("-H", "Expect: 100-continue", "-T", big, url) == digest
    assert echoed("--http1.0", "--data-binary", f"@{big}", url) == digest
    assert len(curl(f"{url}/stream?count=3000")) == 3_000_000
    raw = curl("--raw", "-i", f"{url}/stream?count=2")
    assert b"X-Count: 2\r\n" in raw and raw.endswith(b"\r\n\r\n"), raw[-100:]
    assert curl("-I", url).startswith(b"HTTP/1.1 200 OK\r\n")
    # An answer before the whole request was read; how curl then ends is its own affair.
    early = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--max-time", "20", "--data-binary", f"@{big}", f"{url}/refuse"],
                           capture_output=True, check=False)
    assert early.stdout == b"413", early
    headers = ask(address, "/headers").json()
    assert headers["x-forwarded-for"] == "127.0.0.1" and headers["x-forwarded-proto"] == "http", headers
    assert b"8.8.8.8" not in curl("-H", "X-Forwarded-For: 8.8.8.8", f"{url}/headers")
    assert curl(f"{url}/headers", f"{url}/headers", f"{url}/headers").count(b"x-forwarded-for") == 3
    replaced_under_load(baton, config, sandbox.load(address, ["get:8", "new:8", "post:8"]))
    lines = read(log).splitlines()
    assert any('"POST / HTTP/1.1" 200' in line and line.split()[-2].startswith("web/") for line in lines), lines[:3]
    os.rename(log, log + ".1")
    baton.master().kill(signal.SIGUSR1)
    baton.until(lambda: ask(address, "/reopened").status == 200 and "/reopened" in read(log), "the new access log is written to")
    baton.stop()


def tunnels(sandbox):
    """Two hundred upgraded connections; the binary is upgraded, the configuration reloaded."""
    baton, config, address = behind(sandbox, [need("node"), os.path.join(HERE, "server.js")])
    clients = []
    for _ in range(200):
        client = connect(address, timeout=20)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 "), head
        clients.append(client)

    def all_echo(word):
        for client in clients:
            client.sendall(word)
        for client in clients:
            got = b""
            while len(got) < len(word):
                piece = client.recv(4096)
                assert piece, "a tunnel has ended"
                got += piece
            assert got == word, got
    all_echo(b"before")
    for _ in range(3):
        baton.run("upgrade", "--soak", "0s")
        baton.await_single()
        all_echo(b"after an upgrade")
    workers = baton.workers()
    for number in range(20):
        config["service"]["web"]["timeouts"] = {"response": f"{30 + number}s"}
        baton.reload(config)
        all_echo(b"after a reload")
    assert baton.workers() == workers
    for client in clients:
        client.close()
    baton.until(lambda: sum(one["open"] for one in baton.get("/v1/workers")) == 0, "all tunnels have ended")
    baton.stop()


def gunicorn(sandbox):
    command = ["/bin/sh", "-c", f'exec {need("gunicorn")} --workers 1 --threads 4 --bind 127.0.0.1:$PORT --chdir {HERE} app:application']
    baton, config, address = behind(sandbox, command)
    replaced_under_load(baton, config, sandbox.load(address, ["get:4", "post:8", "new:4", "new-post:4"]))
    baton.stop()


def nginx(sandbox):
    wrk, program = need("wrk", "nginx")
    folder = sandbox.path("nginx")
    os.makedirs(folder)
    with open(os.path.join(folder, "bytes"), "wb") as out:
        out.write(b"x" * (1 << 20))
    script = os.path.join(folder, "run")
    with open(script, "w", encoding="utf-8") as out:
        out.write(NGINX.format(folder=folder, nginx=program, user="user root;" if os.getuid() == 0 else ""))
    os.chmod(script, 0o755)
    baton, _, address = behind(sandbox, [script], stop={"signal": "QUIT"})
    # It closes each connection after fifty requests: those on their way then are sent again.
    for path, connections in (("/", 32), ("/bytes", 8)):
        result = subprocess.run([wrk, "-t", "1", "-c", str(connections), "-d", "2s", f"http://{address}{path}"],
                                capture_output=True, text=True, check=True)
        assert "Socket errors" not in result.stdout and "Non-2xx" not in result.stdout, result.stdout
    assert curl("-r", "10-19", f"http://{address}/bytes") == b"x" * 10
    baton.stop()


main(node, tunnels, gunicorn, nginx)
