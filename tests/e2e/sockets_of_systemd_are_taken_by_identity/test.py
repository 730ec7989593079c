# ctest: TIMEOUT 300 RUN_SERIAL
"""Socket activation: the sockets of a baton.socket are used in place of own ones, by their address and type, whatever
their names and their order. The first client starts the unit and is answered; nobody is refused while it restarts, is
killed, or is stopped.
"""
import signal

from baton_e2e import Machine, SERVER, eventually, main

WEB, API, UNIX, DNS = "127.0.0.1:8080", "[::1]:8081", "unix:/run/web.sock", "127.0.0.1:8053"

# In another order than the configuration has them, all under one name; one that no listener wants.
SOCKET = """[Socket]
ListenStream=/run/web.sock
ListenDatagram=127.0.0.1:8053
ListenStream=[::1]:8081
ListenStream=127.0.0.1:8080
ListenStream=127.0.0.1:9999
BindIPv6Only=ipv6-only
FileDescriptorName=whatever
[Install]
WantedBy=sockets.target
"""

CONFIGURATION = """
[supervisor]
pid_file = "/run/baton/baton.pid"
runtime_dir = "/run/baton"
state_dir = "/var/lib/baton"
log = { file = "/var/log/baton/baton.log", level = "debug" }
[admin]
socket = "/run/baton/admin.sock"
[service.web]
command = ["/usr/local/bin/server"]
replicas = 2
readiness = { type = "http", path = "/healthz", interval = "100ms" }
"""


def configured(*listeners):
    text = CONFIGURATION
    for number, (address, protocol) in enumerate(listeners):
        text += f'[listener.l{number}]\naddress = "{address}"\nprotocol = "{protocol}"\nservice = "web"\n'
    return text


ALL = ((WEB, "http"), (API, "http"), (UNIX, "http"), (DNS, "udp"))


def machine_with(sandbox, drop_in="[Service]\nWatchdogSec=2s\n"):
    machine = Machine(sandbox)
    machine.install()
    machine.binary("server", SERVER)
    machine.write("/etc/baton/baton.toml", configured(*ALL))
    machine.write("/etc/systemd/system/baton.socket", SOCKET)
    machine.write("/etc/systemd/system/baton.service.d/quick.conf", drop_in)
    machine.boot()
    machine.run("systemctl", "start", "baton.socket")
    assert machine.show("ActiveState")["ActiveState"] == "inactive"
    return machine


def curl(machine, address="http://127.0.0.1:8080/", *more, timeout=20):
    return machine.run("curl", "-sf", "-m", timeout, *more, address)


def ask_each(machine):
    curl(machine)
    curl(machine, "http://[::1]:8081/")
    curl(machine, "http://localhost/", "--unix-socket", "/run/web.sock")
    assert "hello" in machine.run("sh", "-c", "echo hello | socat -T2 - UDP:127.0.0.1:8053").stdout


def settled(machine, ready="2 of 2 instances ready"):
    def said():
        shown = machine.show("ActiveState", "SubState", "StatusText", "MainPID")
        assert shown["SubState"] == "running" and ready in shown["StatusText"], shown
        return shown["MainPID"]
    return eventually(said, "systemctl show says active, running")


def everything(machine, sandbox, steering):
    # The first client starts it, and waits for its answer.
    curl(machine)
    keeper = settled(machine)
    assert machine.status()["node"]["steering"].startswith(steering), machine.status()["node"]
    ask_each(machine)
    assert "tcp4:127.0.0.1:9999, and no listener names that address" in machine.read("/var/log/baton/baton.log")
    assert machine.show("NFileDescriptorStore")["NFileDescriptorStore"] == "0", "the unit's sockets need no second copy"

    load = sandbox.load([WEB, API], ["new:4", "post:4"], wrapper=machine.inside("-n"))
    # A listener leaves, and comes again: it is the unit's socket both times.
    machine.write("/etc/baton/baton.toml", configured(ALL[0], ALL[1]))
    machine.run("systemctl", "reload", "baton")
    machine.write("/etc/baton/baton.toml", configured(*ALL))
    machine.run("systemctl", "reload", "baton")
    ask_each(machine)
    machine.baton("upgrade", "--soak", "200ms")
    machine.run("systemctl", "restart", "baton")
    again = settled(machine)
    assert again != keeper
    ask_each(machine)
    load.stop(at_least=300)

    load = sandbox.load([WEB, API], ["new:4"], wrapper=machine.inside("-n"))
    machine.process_of(again).kill(signal.SIGKILL)
    eventually(lambda: machine.show("NRestarts")["NRestarts"] == "1" and settled(machine), "systemd starts it again")
    ask_each(machine)
    report = load.finish()
    assert not {kind for kind in report.kinds if kind.startswith("connect")}, report.describe()
    # Of what was accepted when the keeper died: one request on each of its four connections.
    assert report.failed <= 8, report.describe()

    # Stopped: the next client starts it.
    machine.run("systemctl", "stop", "baton.service")
    curl(machine)
    settled(machine)
    ask_each(machine)
    machine.run("systemctl", "stop", "baton.socket", "baton.service")
    lines = machine.journal("-p", "warning", "-u", "baton.service", "-u", "baton.socket")
    odd = [line for line in lines if not any(words in line for words in ("status=9/KILL", "Failed with result 'signal'", "but it can still be activated"))]
    assert not odd, "\n".join(odd)


def steered_by_the_kernel(sandbox):
    machine = machine_with(sandbox)
    everything(machine, sandbox, "kernel")


def shared_without_bpf(sandbox):
    machine = machine_with(sandbox, "[Service]\nSystemCallFilter=~bpf\nSystemCallErrorNumber=EPERM\n")
    everything(machine, sandbox, "shared")


def what_cannot_be_used_is_told(sandbox):
    """A dual-stack socket is not the socket of an IPv6 listener: the start fails, and says what to write."""
    machine = Machine(sandbox)
    machine.install()
    machine.binary("server", SERVER)
    machine.write("/etc/baton/baton.toml", configured(("[::]:8081", "http")))
    machine.write("/etc/systemd/system/baton.socket", "[Socket]\nListenStream=[::]:8081\nBindIPv6Only=both\n")
    machine.boot()
    machine.run("systemctl", "start", "baton.socket")
    assert machine.run("systemctl", "start", "baton.service", check=False).returncode != 0
    said = "\n".join(machine.journal("-u", "baton.service"))
    assert "BindIPv6Only=ipv6-only" in said and "address already in use" in said, said


main(steered_by_the_kernel, shared_without_bpf, what_cannot_be_used_is_told)
