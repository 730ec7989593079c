"""A machine with systemd as pid 1, in systemd-nspawn: its own /usr (an overlay of this host's), /etc, network and
journal. Whoever cannot have one is told why, and skips.
"""
import json
import os
import shutil
import signal
import subprocess
import time

from .processes import Process, descendants

# Of no use here, and each a second of the boot.
MASKED = ["systemd-logind.service", "systemd-networkd.service", "systemd-networkd.socket", "systemd-timesyncd.service",
          "systemd-firstboot.service", "systemd-repart.service", "e2scrub_reap.service", "getty.target", "apt-daily.timer",
          "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "man-db.timer", "fstrim.timer", "e2scrub_all.timer",
          "logrotate.timer", "console-getty.service"]


def need_machine():
    """Skips, loudly, where there can be no machine."""
    from .sandbox import Skip, need  # the sandbox comes later
    need("systemd-nspawn", "nsenter", "systemctl")
    if os.getuid() != 0:
        raise Skip("needs root for systemd-nspawn")
    if not os.path.exists("/usr/lib/systemd/systemd"):
        raise Skip("systemd is not installed (tools/setup test)")


class Machine:
    """`boot()` returns when systemd has started everything; `run()` runs a command in it."""

    def __init__(self, sandbox):
        need_machine()
        self.sandbox = sandbox
        self.folder = sandbox.path("machine")
        self.root = os.path.join(self.folder, "root")
        self.process = None
        self.leader = None
        self._make_root()
        sandbox.programs.append(self)

    def path(self, name):
        """This side's path of a file of the machine."""
        inner = os.path.normpath(name).lstrip("/")
        return os.path.join(self.folder, "usr", inner[4:]) if inner.startswith("usr/") else os.path.join(self.root, inner)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def _make_root(self):
        for name in ("usr", "etc/systemd/system", "proc", "sys", "dev", "run", "tmp", "var/log/journal", "var/lib", "var/tmp",
                     "root", "srv"):
            os.makedirs(os.path.join(self.root, name))
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + name, os.path.join(self.root, name))
        for name in ("usr", "work"):
            os.makedirs(os.path.join(self.folder, name))
        for name in ("passwd", "group", "shadow", "nsswitch.conf", "ld.so.cache", "debian_version", "alternatives", "deluser.conf", "adduser.conf", "login.defs",
                     "pam.d", "pam.conf", "security", "shells", "groff", "man_db.conf", "manpath.config"):
            source = os.path.join("/etc", name)
            if os.path.isdir(source):
                shutil.copytree(source, self.path(source), symlinks=True)
            elif os.path.exists(source):
                shutil.copy(source, self.path(source))
        for account in ("passwd", "group", "shadow"):  # whoever installed Baton on this host did so there, not here
            lines = [line for line in self.read(f"/etc/{account}").splitlines() if not line.startswith("baton:")]
            self.write(f"/etc/{account}", "\n".join(lines) + "\n", 0o640 if account == "shadow" else 0o644)
        self.write("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
        self.write("/etc/machine-id", "")
        self.write("/etc/fstab", "")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        # Hosts that are containers forbid packages to start services; a machine is none.
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o755)
        for unit in MASKED:
            os.symlink("/dev/null", self.path("/etc/systemd/system/" + unit))

    def install(self, build=None):
        """What `cmake --install` installs, with the prefix that a package has."""
        from .sandbox import BINARIES
        build = build or os.path.dirname(os.path.realpath(BINARIES))
        stage = os.path.join(self.folder, "stage")
        subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], env={**os.environ, "DESTDIR": stage}, check=True,
                       stdout=subprocess.DEVNULL)
        for part in os.listdir(stage):
            target = os.path.join(self.folder, "usr") if part == "usr" else os.path.join(self.root, part)
            shutil.copytree(os.path.join(stage, part), target, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(stage)

    def binary(self, name, source):
        """Another program for the machine, in /usr/local/bin."""
        target = self.path("/usr/local/bin/" + name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
        return "/usr/local/bin/" + name

    # --- life ---

    def boot(self):
        from .sandbox import Skip, eventually
        overlay = f"--overlay=/usr:{self.folder}/usr:/usr"
        log = os.path.join(self.folder, "console.log")
        with open(log, "wb") as output:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", self.root, "--register=no", "--keep-unit", "--boot", "--private-network",
                 "--console=pipe", "--capability=all", "--system-call-filter=bpf", "--machine=baton-test", overlay, "systemd.unit=multi-user.target"],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

        def up():
            if self.process.poll() is not None:
                with open(log, encoding="utf-8", errors="replace") as file:
                    raise Skip(f"systemd-nspawn does not work here: {file.read().strip()[-400:]}")
            inner = [one for one in descendants(self.process.pid) if one.parent == self.process.pid and one.state != "Z"]
            self.leader = inner[0].pid if inner else None
            return inner and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
        eventually(up, "systemd is up", timeout=60, interval=0.1)
        failed = self.run("systemctl", "--failed", "--no-legend", "--plain").stdout
        if failed.strip():  # this host's own; whether Baton's unit is well is the test's to ask
            print(f"    units of the machine that failed: {failed.split()}", flush=True)
        return self

    def inside(self, *namespaces):
        """The words that run a command in the machine; of it only in these namespaces."""
        return ["nsenter", "-t", str(self.leader), *(namespaces or ("-m", "-u", "-i", "-n", "-p", "-r", "-w"))]

    def run(self, *command, check=True, timeout=120, environment=None):
        result = subprocess.run([*self.inside(), *map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=timeout, check=False,
                                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "",
                                     **(environment or {})})
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def baton(self, *command, check=True, timeout=120):
        return self.run("baton", *command, check=check, timeout=timeout)

    def status(self):
        return json.loads(self.baton("-o", "json", "status").stdout)

    def show(self, *names, unit="baton.service"):
        """Properties of a unit as `systemctl show` tells them."""
        lines = self.run("systemctl", "show", unit, *[f"-p{name}" for name in names]).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, *options):
        return self.run("journalctl", "--no-pager", "-q", "-o", "short-precise", *options).stdout.splitlines()

    def process_of(self, pid):
        """A process, named by its pid in the machine, as this side sees it."""
        for one in descendants(self.leader):
            try:
                if one.status()["NSpid"].split()[-1] == str(pid):
                    return one
            except OSError:
                continue
        raise AssertionError(f"there is no process {pid} in the machine")

    def kill(self):
        """Powers it off; the sandbox's way to end a program."""
        if self.process is None:
            return
        if self.process.poll() is None and self.leader:
            os.kill(self.leader, signal.SIGRTMIN + 14)  # systemd: power off at once
            deadline = time.monotonic() + 10
            while self.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        if self.process.poll() is None:
            for one in [Process(self.process.pid), *descendants(self.process.pid)]:
                one.kill(signal.SIGKILL)
        self.process.wait()
