# ctest: RUN_SERIAL TIMEOUT 240
"""Delivery `handoff`: workers accept, choose, and give the accepted sockets to instances, which speak with their
clients alone. Nothing is lost through upgrades, reloads and rollovers; a killed worker is nothing to anybody who
is connected, and a killed instance loses only those it had taken.
"""
import os
import re
import signal
import sys
import threading

from baton_e2e import main
from baton_e2e.echoes import Echoes
from baton_e2e.sandbox import BINARIES, SERVER, SOURCE
from baton_e2e.web import ask, ask_all, connect


def handed(sandbox, replicas=2, workers=2, environment=None, stop=None, **more):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = workers
    address = config.listener("web", sandbox.address(), "web", protocol="tcp")
    # What is silent for as long is sent away, so that clients that would stay for ever go.
    environment = {"TEST_HANDOFF": "1", "TEST_NOTIFY": "1", "TEST_DRAIN_GRACE": "200", **(environment or {})}
    config.service("web", [SERVER], replicas=replicas, delivery="handoff", environment=environment, readiness={"type": "notify"},
                   stop=stop or {"drain_timeout": "10s", "kill_timeout": "10s"}, **more)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", replicas)
    return baton, config, address


def open_connections(baton):
    return sum(one["open"] for one in baton.get("/v1/workers"))


def by_every_swap(sandbox):
    baton, config, address = handed(sandbox, 3)
    assert len(ask_all(address, 12)) == 3
    load = sandbox.load(address, ["get:16", "new:8", "post:8"])
    for one in range(6):
        workers = baton.workers()
        if one % 2:
            baton.run("upgrade", "--soak", "0s")
        else:
            baton.upgrade_by_signals()
        baton.await_single()
        baton.until(lambda workers=workers: not any(process.exists for process in workers), "the old workers have ended", timeout=2.0)
    workers = baton.workers()
    for number in range(10):
        config["service"]["web"]["timeouts"] = {"connect": f"{number + 1}s"}
        baton.reload(config)
    assert baton.workers() == workers
    for number in ("2", "3"):
        config["service"]["web"]["version"] = number
        baton.reload(config)
        baton.await_ready("web", 3, version=number)
    load.stop(at_least=1000)
    baton.stop()


def a_killed_worker_cuts_nobody(sandbox):
    baton, _, address = handed(sandbox, environment={"TEST_PROTOCOL": "tcp"})
    echoes = Echoes(address, 100, 20, 5)
    baton.until(lambda: open_connections(baton) == 100, "all are handed on")
    echoes.start()
    for worker in baton.workers():
        worker.kill()
        baton.until(lambda: len([one for one in baton.get("/v1/workers") if one["state"] == "ready"]) == 2, "another worker")
        # It knows of those that the one before had given.
        baton.until(lambda: open_connections(baton) == 100, "all are counted again")
    echoes.finish()
    assert not echoes.failures, echoes.failures[:5]
    baton.stop()


def connections_stay_counted(sandbox):
    """An instance is stopped when its connections have ended, also those that an earlier worker had given it."""
    baton, _, address = handed(sandbox, 1, environment={"TEST_PROTOCOL": "tcp", "TEST_DRAIN_GRACE": "600000", "TEST_DRAIN_LIMIT": "600000"},
                               stop={"drain_timeout": "60s", "kill_timeout": "60s"})
    clients = [connect(address) for _ in range(20)]
    baton.until(lambda: open_connections(baton) == 20, "all are handed on")
    for _ in range(2):
        workers = baton.workers()
        baton.upgrade_by_signals()
        baton.until(lambda workers=workers: not any(process.exists for process in workers), "the old workers have ended", timeout=2.0)
        baton.until(lambda: open_connections(baton) == 20, "the new ones count them all")
    before = baton.instance("web/1")["pid"]
    after = baton.last_event()
    restart = threading.Thread(target=baton.run, args=("restart", "web"))
    restart.start()
    baton.await_event("instance.draining", "web/1", after)
    for client in clients[1:]:
        client.close()
    baton.until(lambda: open_connections(baton) == 1, "one is left")
    last = clients[0]
    last.sendall(b"still here\n")
    assert last.recv(100) == b"still here\n"
    assert before in {one["pid"] for one in baton.instances("web")}
    last.close()
    restart.join(20)
    assert before not in {one["pid"] for one in baton.instances("web")}, "it was stopped"
    baton.stop()


def a_drain_is_told(sandbox):
    baton, _, address = handed(sandbox)
    load = sandbox.load(address, ["get:8"])
    drained = baton.instance("web/1")["pid"]
    baton.run("drain", "web/1")
    with_the_other = baton.instance("web/2")["pid"]
    baton.until(lambda: who_answers(address) == {with_the_other}, "nobody new comes there")
    # Its clients of before were sent away: it answers nobody any more.
    baton.until(lambda: served(drained) == 0, "its clients have gone")
    baton.run("ready", "web/1")
    baton.until(lambda: len(ask_all(address, 4)) == 2, "it takes clients again")
    load.stop(at_least=100)
    baton.stop()


def who_answers(address):
    return {ask(address).pid for _ in range(4)}


def served(pid):
    """Connections that the process has: its inet sockets."""
    inodes = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        return sum(line.split()[9] in inodes for line in list(table)[1:])


def those_that_were_not_taken_go_to_another(sandbox):
    """An instance hangs; clients that were given to it wait, and are another's once it is killed."""
    baton, _, address = handed(sandbox, workers=1, timeouts={"connect": "300ms"}, health={"max_fails": 1, "fail_timeout": "60s"})
    victim = baton.instance("web/1")["pid"]
    os.kill(victim, signal.SIGSTOP)
    clients = [connect(address) for _ in range(10)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    # Whoever was given to the other one is answered; the rest waits.
    baton.until(lambda: open_connections(baton) < 10, "some were answered")
    # It takes nobody, so it is passed over.
    baton.until(lambda: "web/1 fails" in baton.log(), "it is found hung")
    assert victim not in who_answers(address)
    os.kill(victim, signal.SIGKILL)
    for client in clients:
        client.settimeout(10)
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
        assert f"pid {victim}".encode() not in answer
    baton.stop()


def the_delivery_changes_under_load(sandbox):
    """Between the two ways of the workers, while the listener is open."""
    baton, config, _ = handed(sandbox)
    config["service"]["web"].update(delivery="proxy", upstream="socket", environment={"TEST_NOTIFY": "1"})
    load = sandbox.load(config["listener"]["web"]["address"], ["new:8"])
    baton.reload(config)
    baton.until(lambda: all(one["revision"] == 2 for one in baton.instances("web")), "the instances are of the new kind")
    load.stop(at_least=100)
    baton.stop()


def example(sandbox, command):
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    address = config.listener("web", sandbox.address(), "web", protocol="tcp")
    config.service("web", command, replicas=2, delivery="handoff", readiness={"type": "notify"})
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    load = sandbox.load(address, ["get:8", "new:8"])
    baton.run("upgrade", "--soak", "0s")
    baton.run("restart", "web")
    load.stop(at_least=1000)
    # Once the clients have gone, the workers have been told of every one.
    baton.until(lambda: open_connections(baton) == 0, "none is counted any more")
    return baton, address


def the_example_serves(sandbox):
    baton, _ = example(sandbox, [os.path.join(BINARIES, "baton-hello")])
    baton.stop()


def the_documented_messages_serve(sandbox):
    """The program in Python that the documentation has for those who write in other languages."""
    with open(os.path.join(SOURCE, "docs/writing-a-service.md"), encoding="utf-8") as page:
        program = re.search(r"^```python\n(.*?)^```", page.read(), re.MULTILINE | re.DOTALL)[1]
    path = sandbox.path("hello.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(program)
    baton, address = example(sandbox, [sys.executable, path])
    # It has those counted on another line whose worker has ended, and tells of their ends there.
    clients = [connect(address) for _ in range(20)]
    baton.until(lambda: open_connections(baton) == 20, "all are handed on")
    for worker in baton.workers():
        worker.kill()
        baton.until(lambda: len([one for one in baton.get("/v1/workers") if one["state"] == "ready"]) == 2, "another worker")
        baton.until(lambda: open_connections(baton) == 20, "all are counted again")
    for client in clients:
        client.close()
    baton.until(lambda: open_connections(baton) == 0, "their ends are told")
    assert "does not speak as baton/handoff.h says" not in baton.log()
    baton.stop()


main(by_every_swap, a_killed_worker_cuts_nobody, connections_stay_counted, a_drain_is_told, those_that_were_not_taken_go_to_another,
     the_delivery_changes_under_load, the_example_serves, the_documented_messages_serve)
