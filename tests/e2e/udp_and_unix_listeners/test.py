# ctest: RUN_SERIAL
"""Every kind of listener serves and survives: tcp4, tcp6, unix path, unix abstract, udp; through a
rollover, an upgrade and a killed master.
"""
import os
import signal
import socket
import threading

from baton_e2e import SERVER, Skip, ask, main, tcp_exchange, udp_exchange
from baton_e2e.web import identity


def everything_that_changes(baton, config, service="web", version="2"):
    config["service"][service]["version"] = version
    baton.reload(config)
    baton.upgrade_by_signals()
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    baton.await_ready(service, version=version)


def served(sandbox, address, protocol="http"):
    config = sandbox.configuration()
    config.listener("web", address, "web", protocol)
    config.service("web", [SERVER, "--notify", "--protocol", "tcp" if protocol == "tcp" else "http"], replicas=2,
                   readiness={"type": "notify"}, stop={"kill_timeout": "20s"})
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    load = sandbox.load(address, ["tcp:8"] if protocol == "tcp" else ["post:8", "new:8"])
    everything_that_changes(baton, config)
    load.stop(at_least=200)
    return baton


def tcp4(sandbox):
    address = sandbox.address()
    served(sandbox, address, "tcp")


def tcp6(sandbox):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        raise Skip(f"no IPv6 here: {error}") from None
    baton = served(sandbox, sandbox.address("[::1]"))
    assert baton.get("/v1/listeners")[0]["identity"].startswith("tcp6:")


def unix_path(sandbox):
    path = sandbox.path("web.sock")
    baton = served(sandbox, "unix:" + path)
    assert ask("unix:" + path).version == "2"
    assert baton.service("web")["steering"].startswith("shared"), "unix sockets have no reuseport group"
    baton.stop()
    assert not os.path.exists(path), "the socket's file is left behind"
    with socket.socket(socket.AF_UNIX) as dead:  # what a crash would leave: it is replaced
        dead.bind(path)
    again = sandbox.configuration()
    again.listener("web", "unix:" + path, "web")
    again.service("web", [SERVER])
    other = sandbox.supervisor(again)
    other.await_ready("web", 1)
    other.until(lambda: ask("unix:" + path).status == 200, "it answers")


def a_trial_that_is_taken_back_leaves_no_file(sandbox):
    baton, config, _ = sandbox.running_web(1)
    path = sandbox.path("fresh.sock")
    config.listener("fresh", "unix:" + path, "web")
    baton.write(config)
    _, new = baton.start_upgrade()
    assert os.path.exists(path)
    new.kill(signal.SIGTERM)
    baton.await_single()
    assert not os.path.exists(path)


def unix_abstract(sandbox):
    served(sandbox, f"unix:@baton-e2e-{os.getpid()}")


def udp(sandbox):
    config = sandbox.configuration()
    address = config.listener("echo", sandbox.address(), "echo", "udp")
    config.service("echo", [SERVER, "--notify"], replicas=2, readiness={"type": "notify"})
    baton = sandbox.supervisor(config)
    baton.await_ready("echo", 2)
    lost, answered, done = [], [], threading.Event()

    def ask_on():
        number = 0
        while not done.is_set():
            number += 1
            try:
                assert udp_exchange(address, f"question {number}", timeout=3) == f"question {number}"
                answered.append(number)
            except OSError as error:
                lost.append((number, error))
    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    everything_that_changes(baton, config, "echo")
    done.set()
    for thread in threads:
        thread.join()
    assert not lost, f"{len(lost)} of {len(answered)} datagrams lost: {lost[:3]}"
    assert len(answered) > 100
    assert identity(udp_exchange(address, "who"))["version"] == "2"
    assert baton.get("/v1/listeners")[0]["identity"].startswith("udp4:")


def tcp_exchange_names_who_answers(sandbox):
    config = sandbox.configuration()
    address = config.listener("echo", sandbox.address(), "echo", "tcp")
    config.service("echo", [SERVER, "--notify", "--protocol", "tcp"], readiness={"type": "notify"})
    baton = sandbox.supervisor(config)
    baton.await_ready("echo", 1)
    assert identity(tcp_exchange(address, "who"))["pid"] == baton.instance("echo/1")["pid"]


main(tcp4, tcp6, unix_path, a_trial_that_is_taken_back_leaves_no_file, unix_abstract, udp, tcp_exchange_names_who_answers)
