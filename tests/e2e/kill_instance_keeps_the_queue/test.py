# ctest: RUN_SERIAL
"""SIGKILL of an instance: whoever waits in its socket's queue is answered by its successor, nobody is
refused, and an instance that is steered to is only what it has accepted itself.
"""
import os
import signal
import threading

from baton_e2e import main
from baton_e2e.web import connect


def whoever_waits_is_answered(sandbox):
    baton, _, address = sandbox.running_web(1)
    victim = baton.instance("web/1")["pid"]
    os.kill(victim, signal.SIGSTOP)
    clients = [connect(address, timeout=20) for _ in range(40)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    os.kill(victim, signal.SIGKILL)
    for client in clients:
        answer = b"".join(iter(lambda client=client: client.recv(65536), b""))
        assert b" 200 OK" in answer and f"X-Pid: {victim}".encode() not in answer, answer
    baton.await_ready("web", 1)
    view = baton.instance("web/1")
    assert view["restarts"] == 1 and "9" in view["last_exit"], view


def nobody_is_refused(sandbox):
    baton, _, address = sandbox.running_web(3)
    refused = []
    done = threading.Event()

    def knock():
        while not done.is_set():
            try:
                connect(address).close()
            except OSError as error:
                refused.append(error)
    threads = [threading.Thread(target=knock, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    killed = set()
    for _ in range(5):
        for view in baton.instances("web", "ready"):
            killed.add(view["pid"])
            os.kill(view["pid"], signal.SIGKILL)
        # Their successors: who was killed is shown as ready until its end was heard of.
        baton.until(lambda: len({view["pid"] for view in baton.instances("web", "ready")} - killed) == 3, "all are ready again")
    done.set()
    for thread in threads:
        thread.join()
    assert not refused, refused[:5]


main(whoever_waits_is_answered, nobody_is_refused)
