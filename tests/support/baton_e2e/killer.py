"""SIGKILL at a chosen system call of a master, by strace's injection.

strace counts the calls and kills on entry to the n-th: the calls before it were carried out, this one was
not. What a master asks of the keeper is one sendmsg(2) on its channel each (sys/channel.cpp), so "at every
sendmsg on the channel" is "before every step that it takes, the others taken". Answers of the admin API are
sendmsg calls too; they go to other sockets and are not counted.
"""
import os
import re
import select
import shlex
import signal
import subprocess
import time

from .messages import NAMES
from .processes import Process

SENT = re.compile(r"^sendmsg\(.*?iov_base=\"((?:\\x[0-9a-f]{2})+)")


def need_ptrace():
    """strace's path; skips the test, loudly, where it is missing or may not attach to other processes."""
    from .sandbox import Skip, need  # the sandbox comes later
    strace = need("strace")
    with subprocess.Popen(["sleep", "60"]) as victim:
        with subprocess.Popen([strace, "-o", "/dev/null", "-p", str(victim.pid)], stderr=subprocess.PIPE) as tracer:
            line = tracer.stderr.readline().decode()
            tracer.terminate()
        victim.kill()
    if "attached" not in line:
        raise Skip(f"strace may not trace processes here: {line.strip()}")
    return strace


class Killer:
    """Kills one process at its n-th `call`. Either `script()` stands for the binary that is to be killed,
    or `attach(pid)` waits for a process that runs."""

    def __init__(self, folder, n, call="sendmsg"):
        self.n = n
        self.call = call
        self.file = os.path.join(folder, f"strace-{call}-{n}-{time.monotonic_ns()}")
        self.armed = self.file + ".armed"
        self.tracer = None
        # -I 2: with -o it would be deaf to TERM.
        self._options = ["strace", "-qq", "-I", "2", "-o", self.file, "-e", f"trace={call}",
                         "-e", f"inject={call}:signal=KILL:when={n}"]
        if call == "sendmsg":
            self._options += ["-s", "16", "-xx"]

    def script(self, path, binary, generation):
        """Puts a script at `path` that runs `binary` in all its roles, and the first master that it becomes
        under strace."""
        title = f"batond: master process (gen {generation}) {path}"
        # The channel is descriptor 3.
        only = "-P \"$(readlink /proc/$$/fd/3)\"" if self.call == "sendmsg" else ""
        # -DD: the tracer is in a group of its own. The keeper ends what a master leaves behind in its.
        options = " ".join(map(shlex.quote, [self._options[0], "-DD", *self._options[1:]]))
        run = f"exec -a {shlex.quote(title)} {shlex.quote(binary)}"
        text = f"""#!/bin/bash
case $BATON_ROLE in
    keeper|check) exec -a "batond: $BATON_ROLE" {shlex.quote(binary)} ;;
    master) ;;
    *) exec -a "$0" {shlex.quote(binary)} "$@" ;;
esac
rm {shlex.quote(self.armed)} 2>/dev/null || {run}
exec {options} {only} /bin/bash -c {shlex.quote(run)}
"""
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o755)
        with open(self.armed, "w", encoding="utf-8"):
            pass
        os.rename(path + ".new", path)
        return self

    def attach(self, process, channel=3):
        """Returns when not one more call of the process can escape."""
        command = list(self._options)
        command.remove("-qq")
        if self.call == "sendmsg":
            command += ["-P", os.readlink(f"/proc/{process.pid}/fd/{channel}")]
        # pylint: disable=consider-using-with
        self.tracer = subprocess.Popen([*command, "-p", str(process.pid)], stdin=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, bufsize=0)
        # It says so when it has sent PTRACE_SEIZE and PTRACE_INTERRUPT: the process goes on as a traced one only.
        ready, _, _ = select.select([self.tracer.stderr], [], [], 10)
        line = self.tracer.stderr.readline().decode() if ready else ""
        assert "attached" in line, f"strace did not attach to {process}: {line}"
        assert process.status()["TracerPid"] == str(self.tracer.pid)
        return self

    def lines(self):
        try:
            with open(self.file, "rb") as file:
                return file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def calls(self):
        """What was called, the call that killed included: names of messages, or lines of strace."""
        found = [line for line in self.lines() if line.startswith(self.call + "(")]
        return [_name(line) for line in found]

    def killed(self):
        """Whether the n-th call was its last. Another's SIGKILL does not count."""
        lines = self.lines()
        return (len(lines) >= 2 and lines[-1].startswith("+++ killed by SIGKILL")
                and len([line for line in lines if line.startswith(self.call + "(")]) == self.n
                and lines[-2].startswith(self.call + "(") and "= ?" in lines[-2])

    def stop(self, process=None):
        """Lets go of a process that was not killed."""
        if os.path.exists(self.armed):
            os.unlink(self.armed)
        if self.tracer is not None:
            if self.tracer.poll() is None:
                self.tracer.terminate()
            self.tracer.wait(10)
            self.tracer.stderr.close()
            return
        if process is None or not process.alive:
            return
        tracer = int(process.status()["TracerPid"])
        if tracer != 0:
            Process(tracer).kill(signal.SIGTERM)


def _name(line):
    sent = SENT.match(line)
    if not sent:
        names = [os.path.basename(path) for path in re.findall(r'"([^"]*)"', line)]
        return f"{line.split('(')[0]}({', '.join(names)})"
    kind = int.from_bytes(bytes.fromhex(sent[1].replace("\\x", ""))[6:8], "little")
    return NAMES.get(kind, str(kind))
