# ctest: TIMEOUT 120
"""An instance that inherits its socket hangs with clients in the socket's queue, and is retired: when its
socket closes, the kernel moves them to the sockets of its group that are left, and a live instance answers.
"""
import signal

from baton_e2e import Process, Skip, main
from baton_e2e.web import connect


def stragglers(sandbox, retire):
    baton, config, address = sandbox.running_web(
        2, service={"stop": {"drain_timeout": "300ms", "kill_timeout": "300ms"}, "readiness": {"type": "notify"}, "environment": {"TEST_NOTIFY": "1"}})
    if baton.get("/v1/nodes")[0]["steering"] != "kernel":
        baton.stop()
        raise Skip("the kernel does not steer here: one socket is shared, and nobody can be left on an instance's own")
    stuck = baton.instance("web/2")
    Process(stuck["pid"]).kill(signal.SIGSTOP)
    clients = [connect(address, timeout=20) for _ in range(60)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    waiting = baton.get("/v1/listeners")[0]["queued"]
    assert waiting >= 10, f"{waiting} of {len(clients)} wait for the instance that hangs"
    retire(baton, config)
    for client in clients:
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
    baton.until(lambda: all(one["pid"] != stuck["pid"] for one in baton.instances()), "the stuck one is gone")
    baton.stop()


def scaled_down(sandbox):
    stragglers(sandbox, lambda baton, _: baton.run("scale", "web", "1"))


def replaced_by_a_new_version(sandbox):
    def retire(baton, config):
        config["service"]["web"]["version"] = "2"
        baton.reload(config)
    stragglers(sandbox, retire)


main(scaled_down, replaced_by_a_new_version)
