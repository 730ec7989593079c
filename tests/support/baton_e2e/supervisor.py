"""A supervisor under test: started, asked, signalled, and watched through /proc."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time

from .processes import Process
from .web import ask

MASTER = re.compile(r"^batond: master process \(gen (\d+)\)")


class CommandFailed(AssertionError):
    def __init__(self, command, result):
        super().__init__(f"baton {' '.join(command)}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
        self.result = result


class Supervisor:
    """`wrapper`: a command to start it under; `own_binary`: runs a copy that the test may replace."""

    def __init__(self, sandbox, configuration, number, wrapper=(), daemon=False, own_binary=False, environment=None,
                 wait=True):
        from .sandbox import BINARIES  # the sandbox makes supervisors
        self.sandbox = sandbox
        self.folder = sandbox.path(f"baton-{number}")
        self.real_binary = self.binary = os.path.realpath(os.path.join(BINARIES, "batond"))
        self.baton = os.path.realpath(os.path.join(BINARIES, "baton"))
        self.file = os.path.join(self.folder, "baton.toml")
        self.socket = os.path.join(self.folder, "run/admin.sock")
        self.pid_path = os.path.join(self.folder, "run/baton.pid")
        self.wrapper = list(wrapper)
        self.daemon = daemon
        self.wait = wait
        self.environment = environment or {}
        self.process = None
        self.keeper = None
        self.exit_status = None
        os.makedirs(self.folder, exist_ok=True)
        self.write(configuration)
        if own_binary:
            self.install_binary(self.binary)

    def install_binary(self, source):
        """Puts `source` where this supervisor's binary is, by a rename, as package managers do."""
        own = os.path.join(self.folder, "batond")
        shutil.copy(source, own + ".new")
        os.rename(own + ".new", own)
        self.binary = own

    # --- life ---

    def write(self, configuration):
        """Writes the configuration; a string is written as it is."""
        text = configuration if isinstance(configuration, str) else configuration.text()
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)

    def start(self):
        hidden = ("LISTEN_", "NOTIFY_SOCKET", "BATON_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        environment.update(self.environment)
        command = [*self.wrapper, self.binary, "-c", self.file] + (["-d"] if self.daemon else [])
        with open(os.path.join(self.folder, "batond.stderr"), "ab") as errors, \
                open(os.path.join(self.folder, "batond.stdout"), "ab") as output:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                            start_new_session=True, env=environment, cwd="/")  # not where the configuration is
        if self.daemon:
            status = self.process.wait(60)
            assert status == 0, f"batond -d: exit status {status}"
        if self.wait:
            self.adopt()

    def adopt(self):
        """Waits until it answers, and learns who its keeper is."""
        self.until(lambda: self.status(), "the supervisor answers")
        self.keeper = Process(self.status()["node"]["keeper_pid"]) if not self.wrapper else self._find_keeper()

    def _find_keeper(self):
        """The keeper's pid as this side of a pid namespace sees it."""
        from .processes import descendants
        candidates = [Process(self.process.pid)] + descendants(self.process.pid)
        return next(one for one in candidates if one.title.startswith("batond: keeper"))

    @property
    def running(self):
        if self.daemon:
            return self.keeper is not None and self.keeper.alive
        return self.process is not None and self.process.poll() is None

    def stop(self, number=signal.SIGTERM, timeout=40):
        """Signals the keeper and awaits the end of everything; asserts that it ended well."""
        (self.keeper or Process(self.process.pid)).kill(number)
        self.await_end(timeout)

    def await_end(self, timeout=40, status=0):
        if self.daemon:
            self.until(lambda: not self.keeper.alive, "the keeper ends", timeout)
            return
        try:
            self.exit_status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the keeper did not end within {timeout} s; "
                                 f"below it: {self.keeper and self.keeper.children()}") from None
        assert self.exit_status == status, f"batond's exit status is {self.exit_status}, not {status}"

    def assert_tidy(self):
        """What an ended supervisor must not leave behind."""
        for path in (self.pid_path, self.pid_path + ".oldbin"):
            assert not os.path.exists(path), f"{path} was left behind"

    def until(self, condition, what, timeout=30.0, interval=0.02):
        from .sandbox import eventually

        def checked():
            assert self.daemon or self.process.poll() in (None, 0), f"batond ended with {self.process.returncode}"
            return condition()
        if not self.daemon and self.process.poll() not in (None, 0):
            raise AssertionError(f"batond ended with {self.process.returncode} while waiting: {what}")
        return eventually(checked, what, timeout, interval)

    # --- commands and views ---

    def run(self, *command, check=True, timeout=120):
        """Runs `baton COMMAND`."""
        result = subprocess.run([self.baton, "--socket", self.socket, *map(str, command)], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise CommandFailed(list(map(str, command)), result)
        return result

    def batond(self, *arguments):
        """Runs `batond ARGUMENTS` beside the running one: -t, -s, -V."""
        return subprocess.run([self.binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False, cwd=self.folder)

    def reload(self, configuration, check=True):
        self.write(configuration)
        return self.run("reload", check=check)

    def get(self, path):
        """A document of the admin API, decoded."""
        answer = ask("unix:" + self.socket, path, timeout=10)
        if answer.status != 200:
            raise ValueError(f"GET {path}: {answer.status} {answer.body}")
        return json.loads(answer.body)

    def status(self):
        """The status, through the short time in which one master hands the admin socket to the other."""
        deadline = time.monotonic() + 15
        while True:
            try:
                return self.get("/v1/status")
            except (OSError, http.client.HTTPException, ValueError):
                if time.monotonic() > deadline or not self.running:
                    raise
                time.sleep(0.01)

    def instances(self, service=None, state=None):
        return [one for one in self.status()["instances"]
                if (service is None or one["service"] == service) and (state is None or one["state"] == state)]

    def instance(self, name):
        return next(one for one in self.status()["instances"] if one["name"] == name)

    def service(self, name):
        return next(one for one in self.status()["services"] if one["name"] == name)

    def pids(self, service=None):
        return {one["pid"] for one in self.instances(service) if one["pid"]}

    def await_ready(self, service, replicas=None, version=None, timeout=30):
        """All wanted instances are ready, no others are there, and no rollover is under way."""
        def settled():
            view = self.service(service)
            there = self.instances(service)
            wanted = view["replicas"] if replicas is None else replicas
            return (len(there) == wanted and all(one["state"] == "ready" for one in there)
                    and view["state"] == "running" and (version is None or all(one["version"] == version for one in there)))
        return self.until(settled, f"{service} is settled (replicas {replicas}, version {version})", timeout)

    def events(self):
        """The events kept so far: [{"number", "time", "kind", "subject", "text"}]. What a killed master had not
        written down yet is told as a gap, which is none."""
        answer = ask("unix:" + self.socket, "/v1/events?follow=false", timeout=10)
        lines = (line.removeprefix("data:").strip() for line in answer.body.splitlines())
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in found if "number" in one]

    def await_event(self, kind, subject=None, after=0, timeout=30):
        """The first event of that kind (a prefix) after number `after`."""
        def find():
            return next((one for one in self.events() if one["number"] > after and one["kind"].startswith(kind)
                         and (subject is None or one["subject"] == subject)), None)
        return self.until(find, f"an event {kind} of {subject}", timeout)

    def last_event(self):
        return max((one["number"] for one in self.events()), default=0)

    def log(self):
        text = ""
        for name in ("log/baton.log", "batond.stderr"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    # --- generations ---

    def workers(self):
        return {process for process in self.keeper.children() if "worker process" in process.title}

    def masters(self):
        """{generation: process} of the masters that live, from /proc."""
        found = {}
        for child in self.keeper.children():
            match = MASTER.match(child.title)
            if match and child.alive:
                found[int(match[1])] = child
        return found

    def master(self):
        """The owner: the one the pid file names."""
        with open(self.pid_path, encoding="utf-8") as file:
            return Process(int(file.read()))

    def old_master(self):
        with open(self.pid_path + ".oldbin", encoding="utf-8") as file:
            return Process(int(file.read()))

    def upgrading(self):
        return os.path.exists(self.pid_path + ".oldbin")

    def phases(self):
        return {one["phase"] for one in self.status()["generations"]}

    def await_phase(self, phase, timeout=30):
        return self.until(lambda: phase in self.phases(), f"the upgrade is {phase}", timeout)

    def await_single(self, timeout=30):
        return self.until(self.single, "one generation", timeout)

    def single(self):
        """One generation, which owns everything; no upgrade is under way. Its number."""
        masters = self.masters()
        return (len(masters) == 1 and not self.upgrading() and self.master() in masters.values()
                and self.status()["generations"][0]["role"] == "owner" and self.phases() == {"idle"}
                and next(iter(masters)))

    def start_upgrade(self):
        """USR2, and the proof that the new master has passed its trial. Returns (old, new)."""
        old = self.master()
        generations = set(self.masters())
        old.kill(signal.SIGUSR2)
        self.await_phase("proved")
        new = next(process for number, process in self.masters().items() if number not in generations)
        return old, new

    def upgrade_by_signals(self):
        """USR2, WINCH, QUIT: the whole of it. Returns the new master."""
        old, new = self.start_upgrade()
        old.kill(signal.SIGWINCH)
        self.await_phase("handed")
        old.kill(signal.SIGQUIT)
        self.until(lambda: not old.exists, "the old master ends")
        self.await_single()
        return new
