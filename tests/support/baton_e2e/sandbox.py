"""A test's private world: a folder, ports, supervisors and loads, and the proof that all of it went."""
import fcntl
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback

from .by_hand import Program
from .configuration import Configuration
from .load import Load
from .processes import become_subreaper, descendants
from .supervisor import Supervisor

# Below the range the kernel takes for clients: a load running beside must not hold the port we picked.
PORTS = range(20000, 32000)
PORT_LOCKS = os.path.join(tempfile.gettempdir(), "baton-e2e-ports")

BINARIES = os.environ.get("BATON_BINARIES", "build/release/bin")
SOURCE = os.environ.get("BATON_SOURCE", os.path.realpath(os.path.join(os.path.dirname(__file__), "../../..")))
SERVER = os.path.realpath(os.path.join(BINARIES, "baton-test-server"))
LOAD = os.path.realpath(os.path.join(BINARIES, "baton-load"))


class Skip(Exception):
    """This test cannot run here, and why."""


def need(*programs):
    """The paths of programs that must be there; otherwise the test is skipped, loudly."""
    found = [shutil.which(program) for program in programs]
    for program, path in zip(programs, found):
        if path is None:
            raise Skip(f"{program} is not installed (tools/setup test)")
    return found[0] if len(found) == 1 else found


def eventually(condition, what, timeout=30.0, interval=0.02):
    """Polls until `condition()` is true and returns its value. A failing assertion or a refused
    connection within it means not yet."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"it was {value!r}"
        except (AssertionError, OSError, KeyError, IndexError, ValueError) as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain: {what}; {last}")
        time.sleep(interval)


class Sandbox:
    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="baton-")
        self.supervisors = []
        self.loads = []
        self.programs = []
        self.locks = []

    # --- what a test asks for ---

    def path(self, name):
        return os.path.join(self.folder, name)

    def port(self):
        """A free TCP and UDP port that no other test gets while this one runs."""
        os.makedirs(PORT_LOCKS, exist_ok=True)
        for port in random.sample(PORTS, len(PORTS)):
            lock = os.open(os.path.join(PORT_LOCKS, str(port)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("0.0.0.0", port))
            except OSError:
                os.close(lock)
                continue
            self.locks.append(lock)
            return port
        raise AssertionError("no free port")

    def address(self, host="127.0.0.1"):
        return f"{host}:{self.port()}"

    def configuration(self):
        """One with everything private to this sandbox, and patience suited to tests."""
        configuration = Configuration()
        configuration["supervisor"].update(pid_file="run/baton.pid", runtime_dir="run", state_dir="state",
                                           log={"file": "log/baton.log", "level": "debug"},
                                           upgrade={"ready_timeout": "10s", "soak": "1s", "drain_timeout": "20s"})
        configuration["admin"]["socket"] = "run/admin.sock"
        return configuration

    def web(self, configuration, name="web", replicas=2, command=None, **more):
        """An HTTP service behind a listener of its own: the test server unless told otherwise. Returns
        the address."""
        address = configuration.listener(name, self.address(), name)
        more.setdefault("readiness", {"type": "http", "path": "/healthz", "interval": "100ms"})
        more.setdefault("stop", {"kill_timeout": "20s"})
        configuration.service(name, command or [SERVER], replicas=replicas, **more)
        return address

    def supervisor(self, configuration, **options):
        """A running supervisor, answering on its admin socket; `wait=False`: only started."""
        supervisor = Supervisor(self, configuration, len(self.supervisors), **options)
        self.supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    def running_web(self, replicas=2, service=None, **options):
        """The usual beginning: one HTTP service, ready. Returns (supervisor, configuration, address)."""
        configuration = self.configuration()
        address = self.web(configuration, replicas=replicas, **(service or {}))
        supervisor = self.supervisor(configuration, **options)
        supervisor.await_ready("web", replicas)
        return supervisor, configuration, address

    def proxied(self, replicas=2, upstream="port", workers=2, own_binary=False, protocol="tcp", **more):
        """The same behind the workers, by connection or, with "http", by request. Returns (supervisor, configuration, address)."""
        configuration = self.configuration()
        configuration["supervisor"]["workers"] = workers
        address = configuration.listener("web", self.address(), "web", protocol=protocol)
        more.setdefault("readiness", {"type": "http", "path": "/healthz", "interval": "100ms"})
        # The load's connections never end by themselves: a program is told to stop soon, and finishes what it has.
        more.setdefault("stop", {"drain_timeout": "300ms", "kill_timeout": "20s"})
        configuration.service("web", [SERVER], replicas=replicas, delivery="proxy", upstream=upstream, **more)
        supervisor = self.supervisor(configuration, own_binary=own_binary)
        supervisor.await_ready("web", replicas)
        return supervisor, configuration, address

    def load(self, addresses, modes, wrapper=(), **options):
        """Starts baton-load and returns it once it had its first answers. `options`: its own, with _ for -."""
        addresses = [addresses] if isinstance(addresses, str) else addresses
        command = [*wrapper, LOAD, "--json", "--mode", ",".join(modes)]
        for address in addresses:
            command += ["--target", address]
        for key, value in options.items():
            command += ["--" + key.replace("_", "-"), str(value)]
        load = Load(command, modes)
        self.loads.append(load)
        eventually(lambda: load.process.poll() is not None or load.now().ok > 0, "the load gets its first answer")
        return load

    def program(self, command, sockets=(), **options):
        options.setdefault("log", open(self.path(f"program-{len(self.programs)}.log"), "wb"))
        program = Program(command, sockets, folder=self.folder, **options)
        self.programs.append(program)
        return program

    # --- the end ---

    def finish(self):
        """Ends everything in order and asserts that nothing remains."""
        for supervisor in self.supervisors:
            if supervisor.running:
                supervisor.stop()
        for load in self.loads:
            load.kill()
        for program in self.programs:
            program.kill()
        eventually(self.is_empty, "no process is left", timeout=5)
        for supervisor in self.supervisors:
            supervisor.assert_tidy()

    def is_empty(self):
        assert not self.leftovers(), f"still there: {self.leftovers()}"
        return True

    def leftovers(self):
        """Processes of this sandbox that still exist. Orphans are ours too: we are their reaper."""
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        return descendants(os.getpid())

    def clean_up(self, keep):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and (left := self.leftovers()):
            for process in left:  # parents first: a keeper would start again what is killed before it
                process.kill(signal.SIGKILL)
            time.sleep(0.01)
        for lock in self.locks:
            os.close(lock)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def show_processes(self):
        for process in descendants(os.getpid()):
            print(f"    * {process} parent {process.parent} state {process.state}: {process.where()}", flush=True)

    def show_logs(self):
        for base, _, files in os.walk(self.folder):
            for name in sorted(files):
                if not name.endswith((".log", ".stderr", ".stdout")):
                    continue
                path = os.path.join(base, name)
                with open(path, encoding="utf-8", errors="replace") as file:
                    lines = file.read().splitlines()
                if lines:
                    print(f"    --- {os.path.relpath(path, self.folder)}, last of {len(lines)} lines")
                    print("\n".join("    | " + line for line in lines[-80:]), flush=True)


def main(*tests):
    """Runs each test in its own sandbox; arguments choose those whose name contains one of them."""
    become_subreaper()
    wanted = sys.argv[1:]
    chosen = [test for test in tests if not wanted or any(word in test.__name__ for word in wanted)]
    failed, skipped = [], []
    for test in chosen:
        began = time.monotonic()
        sandbox = Sandbox(test.__name__)
        print(f"{test.__name__} ...", flush=True)
        outcome = "ok"
        try:
            test(sandbox)
            sandbox.finish()
        except Skip as reason:
            outcome = f"SKIPPED: {reason}"
            skipped.append(test.__name__)
        except BaseException as error:  # the supervisor must be ended whatever happened
            outcome = "FAILED"
            failed.append(test.__name__)
            traceback.print_exc(file=sys.stdout)
            sandbox.show_processes()
            sandbox.show_logs()
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            sandbox.clean_up(keep=bool(os.environ.get("BATON_KEEP")) and outcome == "FAILED")
        print(f"{test.__name__}: {outcome} ({time.monotonic() - began:.1f} s)", flush=True)
    if failed:
        print("FAILED: " + ", ".join(failed))
        sys.exit(1)
    if skipped:
        print("********** SKIPPED, NOT TESTED: " + ", ".join(skipped) + " **********")
        sys.exit(77)
    if not chosen:
        print("no such test")
        sys.exit(1)
