# ctest: TIMEOUT 300 RUN_SERIAL
"""The unit file under a real systemd: start, reload (good and bad), upgrade by signal and by command, restart,
stop; a hung master, a hung keeper, a killed one. Requests run all the time, and `systemctl show` is asked at every
step. No new connection is refused from the first start to the last stop, restarts and the keeper's death included:
systemd holds a copy of the listening socket. The same for services behind workers, which run under the unit's
hardening as everything does.
"""
import signal
import subprocess
import sys

from baton_e2e import Machine, SERVER, descendants, eventually, main

ADDRESS = "127.0.0.1:8080"
# A drop-in an operator could write: only times, so that the test need not wait for long ones.
QUICK = "[Service]\nWatchdogSec=2s\nTimeoutStopSec=30s\n"


def configuration(version="1", replicas=2, extra=""):
    return f"""
[supervisor]
pid_file = "/run/baton/baton.pid"
runtime_dir = "/run/baton"
state_dir = "/var/lib/baton"
user = "daemon"
log = {{ file = "/var/log/baton/baton.log" }}
upgrade = {{ soak = "1s" }}
[admin]
socket = "/run/baton/admin.sock"
[listener.web]
address = "{ADDRESS}"
protocol = "http"
service = "web"
[service.web]
version = "{version}"
command = ["/usr/local/bin/server"]
replicas = {replicas}
limits = {{ memory = "256M" }}
readiness = {{ type = "http", path = "/healthz", interval = "100ms" }}
{extra}
"""


# One by its port and one by a unix socket, each by connection and by request.
PROXIED = ["127.0.0.1:8090", "127.0.0.1:8091", "127.0.0.1:8092", "127.0.0.1:8093"]


def proxied(version="1"):
    text = """
[supervisor]
pid_file = "/run/baton/baton.pid"
runtime_dir = "/run/baton"
state_dir = "/var/lib/baton"
user = "daemon"
workers = 2
log = { file = "/var/log/baton/baton.log" }
upgrade = { soak = "1s" }
[admin]
socket = "/run/baton/admin.sock"
"""
    for number, (upstream, protocol) in enumerate((upstream, protocol) for upstream in ("port", "socket") for protocol in ("tcp", "http")):
        text += f'[listener.{upstream}-{protocol}]\naddress = "{PROXIED[number]}"\nprotocol = "{protocol}"\nservice = "by-{upstream}"\n'
    for upstream in ("port", "socket"):
        text += f"""
[service.by-{upstream}]
version = "{version}"
command = ["/usr/local/bin/server"]
replicas = 2
delivery = "proxy"
upstream = "{upstream}"
readiness = {{ type = "http", path = "/healthz", interval = "100ms" }}
stop = {{ drain_timeout = "300ms", kill_timeout = "20s" }}
"""
    return text


def machine_with(sandbox, text, quick=True):
    machine = Machine(sandbox)
    machine.install()
    machine.binary("server", SERVER)
    machine.write("/etc/baton/baton.toml", text)
    if quick:
        machine.write("/etc/systemd/system/baton.service.d/quick.conf", QUICK)
    return machine.boot()


def expect(machine, status, state="active", sub="running", **more):
    """What systemd says, and that the main process is the keeper. Returns its pid."""
    def said():
        shown = machine.show("ActiveState", "SubState", "StatusText", "MainPID", "Result", *more)
        assert (shown["ActiveState"], shown["SubState"]) == (state, sub), shown
        assert status in shown["StatusText"], shown
        for name, value in more.items():
            assert shown[name] == str(value), shown
        if state == "active":
            assert machine.process_of(shown["MainPID"]).title.startswith("batond: keeper"), shown
        return shown["MainPID"]
    return eventually(said, f"systemctl show says {state}, {sub}, {status!r}")


def masters(machine):
    return [one for one in machine.process_of(machine.show("MainPID")["MainPID"]).children() if "master process" in one.title]


def assert_quiet(machine, *expected):
    """No warning in the unit's journal, and none of systemd about it, but for those a step must cause."""
    lines = machine.journal("-p", "warning", "-u", "baton.service")
    odd = [line for line in lines if not any(words in line for words in expected)]
    assert not odd, "\n".join(odd)


def start_reload_upgrade(sandbox):
    machine = machine_with(sandbox, configuration())
    machine.run("systemctl", "start", "baton")
    keeper = expect(machine, "generation 1: 1 service, 2 of 2 instances ready", Result="success")
    assert "cgroups" in machine.status()["node"], machine.status()["node"]
    assert machine.status()["node"]["steering"] == "kernel", machine.status()["node"]
    assert machine.process_of(keeper).status()["NoNewPrivs"] == "0", "services may run set-user-ID programs"
    uids = {one.status()["Uid"].split()[0] for one in machine.process_of(keeper).children() if "server" in one.title}
    assert uids == {"1"}, f"services run as another user: {uids}"
    load = sandbox.load(ADDRESS, ["post:4", "new:4"], wrapper=machine.inside("-n"))

    machine.write("/etc/baton/baton.toml", configuration("2"))
    machine.run("systemctl", "reload", "baton")
    assert {one["version"] for one in machine.status()["instances"]} == {"2"}, "a reload returns when it is done"
    assert expect(machine, "generation 1: 1 service, 2 of 2 instances ready") == keeper
    machine.write("/etc/baton/baton.toml", configuration("3", extra="nonsense = 1"))
    refused = machine.run("systemctl", "reload", "baton", check=False)
    assert refused.returncode != 0, "a bad reload must fail visibly"
    assert any("unknown key" in line or "nonsense" in line for line in machine.journal("-u", "baton.service")), machine.journal("-u", "baton.service")
    assert expect(machine, "2 of 2 instances ready") == keeper
    assert {one["version"] for one in machine.status()["instances"]} == {"2"}
    machine.write("/etc/baton/baton.toml", configuration("2"))

    machine.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "baton")
    expect(machine, "upgrade: generation 2 is proved")
    old = int(machine.run("cat", "/run/baton/baton.pid.oldbin").stdout)
    machine.run("kill", "-s", "WINCH", old)
    expect(machine, "generation 2: 1 service, 2 of 2 instances ready; upgrade: generation 1 stands by")
    machine.run("kill", "-s", "QUIT", old)
    assert expect(machine, "generation 2: 1 service, 2 of 2 instances ready") == keeper
    eventually(lambda: len(masters(machine)) == 1, "one master is left")
    machine.baton("upgrade", "--soak", "300ms")
    assert expect(machine, "generation 3: 1 service, 2 of 2 instances ready", NRestarts=0) == keeper
    load.stop(at_least=500)
    assert_quiet(machine, "Reload failed for baton.service")

    load = sandbox.load(ADDRESS, ["new:4"], wrapper=machine.inside("-n"))
    machine.run("systemctl", "stop", "baton")
    stopped = machine.show("ActiveState", "SubState", "Result", "MainPID", "NFileDescriptorStore")
    assert stopped == {"ActiveState": "inactive", "SubState": "dead", "Result": "success", "MainPID": "0", "NFileDescriptorStore": "0"}, stopped
    load.finish()  # the unit ends: from then on nobody can be served
    assert_quiet(machine, "Reload failed for baton.service")
    left = [one for one in descendants(machine.leader) if "baton" in one.title or "/server" in one.title]
    assert not left, f"left behind: {left}"
    assert machine.run("ls", "/run/baton", check=False).returncode != 0, "systemd removes the runtime folder"


def stored(machine):
    return int(machine.show("NFileDescriptorStore")["NFileDescriptorStore"])


def answered_again(load, more=50):
    before = load.now().ok
    eventually(lambda: load.now().ok > before + more, "requests are answered again")


def refused(report):
    """Connections that were not taken, as the load client names them."""
    return {kind: count for kind, count in report.kinds.items() if kind.startswith("connect")}


def restart_loses_nobody(sandbox):
    """`systemctl restart`: whoever comes between the two waits. A connection that an instance has accepted is
    served to its end by the stop, so that not one request fails."""
    more = """
[listener.path]
address = "unix:/run/baton/web.sock"
service = "web"
[listener.datagrams]
address = "127.0.0.1:8053"
protocol = "udp"
service = "web"
"""
    machine = machine_with(sandbox, configuration(extra=more))
    machine.run("systemctl", "start", "baton")
    first = expect(machine, "2 of 2 instances ready")
    eventually(lambda: stored(machine) == 3, "systemd holds a copy of each socket")
    load = sandbox.load(ADDRESS, ["post:4", "new:8"], wrapper=machine.inside("-n"))
    for _ in range(3):
        machine.run("systemctl", "restart", "baton")
        again = expect(machine, "generation 1: 1 service, 2 of 2 instances ready", Result="success")
        assert again != first
        answered_again(load)
        machine.run("curl", "-sf", "-m", 5, "--unix-socket", "/run/baton/web.sock", "http://localhost/")
        echoed = machine.run("sh", "-c", "echo hello | socat -T2 - UDP:127.0.0.1:8053").stdout
        assert "hello" in echoed, echoed
    assert stored(machine) == 3
    # What leaves the configuration leaves systemd too, and comes again.
    machine.write("/etc/baton/baton.toml", configuration())
    machine.run("systemctl", "reload", "baton")
    eventually(lambda: stored(machine) == 1, "systemd lets go of what is not listened on")
    machine.write("/etc/baton/baton.toml", configuration(extra=more))
    machine.run("systemctl", "reload", "baton")
    eventually(lambda: stored(machine) == 3, "systemd holds a copy of each socket again")
    load.stop(at_least=300)
    assert_quiet(machine)


def killed_keeper(sandbox):
    """`kill -9` of the keeper, and a keeper that hangs: systemd starts it again. Requests that an instance had
    accepted end with it; no new connection is refused, and who waited is served."""
    machine = machine_with(sandbox, configuration())
    machine.run("systemctl", "start", "baton")
    keeper = expect(machine, "2 of 2 instances ready")
    eventually(lambda: stored(machine) == 1, "systemd holds a copy of the socket")
    load = sandbox.load(ADDRESS, ["post:4", "new:8"], wrapper=machine.inside("-n"))
    for number, restarts in ((signal.SIGKILL, 1), (signal.SIGSTOP, 2)):
        machine.process_of(keeper).kill(number)
        again = eventually(lambda: machine.show("NRestarts")["NRestarts"] == str(restarts)
                           and expect(machine, "generation 1: 1 service, 2 of 2 instances ready"), "systemd starts it again")
        assert again != keeper
        keeper = again
        answered_again(load)
    report = load.finish()
    print(f"    load: {report.describe()}", flush=True)
    assert not refused(report), f"new connections were refused: {report.describe()}"
    # Of what was accepted at that moment: at most one request on each of the twelve connections, each time.
    assert report.failed <= 24, report.describe()
    assert stored(machine) == 1
    assert_quiet(machine, "Main process exited, code=killed, status=9/KILL", "Failed with result 'signal'", "Watchdog timeout",
                 "Failed with result 'watchdog'")


CLIENTS = """
import socket, sys
clients = []
for _ in range(40):
    client = socket.create_connection(("127.0.0.1", 8080))
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    client.settimeout(20)
    clients.append(client)
print("all wait", flush=True)
for client in clients:
    print(client.recv(100).decode().split("\\r")[0])
"""


def who_waits_is_served(sandbox):
    """Clients in the queues of instances that hang, and then the keeper dies: the next ones serve them all."""
    machine = machine_with(sandbox, configuration())
    machine.run("systemctl", "start", "baton")
    keeper = expect(machine, "2 of 2 instances ready")
    for times in range(1, 4):
        process = machine.process_of(keeper)
        for one in process.children():
            if "server" in one.title:
                one.kill(signal.SIGSTOP)
        with subprocess.Popen([*machine.inside("-n"), sys.executable, "-c", CLIENTS], stdout=subprocess.PIPE, text=True) as clients:
            assert clients.stdout.readline() == "all wait\n"
            process.kill(signal.SIGKILL)
            answers = clients.stdout.read().splitlines()
        assert answers == ["HTTP/1.1 200 OK"] * 40, answers
        keeper = eventually(lambda: machine.show("NRestarts")["NRestarts"] == str(times) and expect(machine, "2 of 2 instances ready"), "it runs again")


def workers(machine):
    """Those of the keeper, which are all that there are; and what they are allowed."""
    keeper = machine.process_of(machine.show("MainPID")["MainPID"])
    found = {one for one in keeper.children() if "worker process" in one.title}
    for one in found:
        status = one.status()
        assert (status["Uid"].split()[0], status["NoNewPrivs"], status["Seccomp"], status["CapEff"]) == ("1", "1", "2", "0" * 16), status
    return found


def replaced(machine, before):
    """The workers of before have ended, and as many others run."""
    def said():
        assert not any(one.exists for one in before), "the old workers are there still"
        now = workers(machine)
        assert len(now) == 2, now
        return now
    return eventually(said, "workers of the new generation have taken over")


def behind_workers(sandbox):
    """Reload, both upgrades and restarts with clients that workers serve: not one request fails."""
    machine = machine_with(sandbox, proxied())
    machine.run("systemctl", "start", "baton")
    keeper = expect(machine, "generation 1: 2 services, 4 of 4 instances ready", Result="success")
    eventually(lambda: stored(machine) == 4, "systemd holds a copy of each socket")
    first = workers(machine)
    assert len(first) == 2, first
    load = sandbox.load(PROXIED, ["post:2", "new:2"], wrapper=machine.inside("-n"))

    machine.write("/etc/baton/baton.toml", proxied("2"))
    machine.run("systemctl", "reload", "baton")
    assert {one["version"] for one in machine.status()["instances"]} == {"2"}, "a reload returns when it is done"
    assert workers(machine) == first, "a reload is a new table for the workers"

    machine.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "baton")
    expect(machine, "upgrade: generation 2 is proved")
    old = int(machine.run("cat", "/run/baton/baton.pid.oldbin").stdout)
    machine.run("kill", "-s", "WINCH", old)
    expect(machine, "generation 2: 2 services, 4 of 4 instances ready; upgrade: generation 1 stands by")
    machine.run("kill", "-s", "QUIT", old)
    assert expect(machine, "generation 2: 2 services, 4 of 4 instances ready") == keeper
    second = replaced(machine, first)
    machine.baton("upgrade", "--soak", "300ms")
    assert expect(machine, "generation 3: 2 services, 4 of 4 instances ready", NRestarts=0) == keeper
    replaced(machine, second)
    load.stop(at_least=500)

    load = sandbox.load(PROXIED, ["post:4", "new:4"], wrapper=machine.inside("-n"))
    for _ in range(2):
        machine.run("systemctl", "restart", "baton")
        again = expect(machine, "generation 1: 2 services, 4 of 4 instances ready", Result="success")
        assert again != keeper
        keeper = again
        answered_again(load)
        assert len(workers(machine)) == 2
    for address in PROXIED:
        machine.run("curl", "-sf", "-m", 5, f"http://{address}/")
    load.stop(at_least=300)
    machine.run("systemctl", "stop", "baton")
    left = [one for one in descendants(machine.leader) if "baton" in one.title or "/server" in one.title]
    assert not left, f"left behind: {left}"
    assert_quiet(machine)


def hung_master(sandbox):
    """A master that hangs is the keeper's to replace: systemd sees nothing of it, and no request fails."""
    machine = machine_with(sandbox, configuration())
    machine.run("systemctl", "start", "baton")
    keeper = expect(machine, "2 of 2 instances ready")
    load = sandbox.load(ADDRESS, ["post:4", "new:4"], wrapper=machine.inside("-n"))
    hung = masters(machine)[0]
    hung.kill(signal.SIGSTOP)
    eventually(lambda: not hung.exists, "the keeper ends it")
    expect(machine, "2 of 2 instances ready", NRestarts=0)
    assert expect(machine, "generation 1", Result="success") == keeper
    load.stop(at_least=500)
    assert_quiet(machine)


def a_bad_start_fails(sandbox):
    machine = machine_with(sandbox, configuration(extra="nonsense = 1"))
    assert machine.run("systemctl", "start", "baton", check=False).returncode != 0
    said = machine.journal("-u", "baton.service")
    assert any("/etc/baton/baton.toml:" in line and "nonsense" in line for line in said), said
    eventually(lambda: machine.show("ActiveState")["ActiveState"] == "failed", "it is given up")


main(start_reload_upgrade, restart_loses_nobody, behind_workers, killed_keeper, who_waits_is_served, hung_master, a_bad_start_fails)
