"""What /proc says about processes, and the only place that ends them."""
import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Every orphan below becomes this process's child, so that no leaked process can hide."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Process:
    """A process, told apart from a later one of the same pid by its start time."""

    def __init__(self, pid):
        self.pid = pid
        stat = _stat(pid)
        self.start = stat["start"] if stat else None

    def __eq__(self, other):
        return isinstance(other, Process) and (self.pid, self.start) == (other.pid, other.start)

    def __hash__(self):
        return hash((self.pid, self.start))

    def __repr__(self):
        return f"{self.pid} [{self.title or 'gone'}]"

    @property
    def alive(self):
        stat = _stat(self.pid)
        return bool(stat) and stat["start"] == self.start and stat["state"] not in "ZX"

    @property
    def exists(self):
        """Alive, or a zombie that nobody reaped."""
        stat = _stat(self.pid)
        return bool(stat) and stat["start"] == self.start

    @property
    def parent(self):
        stat = _stat(self.pid)
        return stat["parent"] if stat else 0

    @property
    def state(self):
        stat = _stat(self.pid)
        return stat["state"] if stat else "X"

    @property
    def title(self):
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""

    @property
    def group(self):
        return os.getpgid(self.pid)

    def descriptors(self):
        """{number: what it is}, with the numbers of pipes and memory files left out: only kinds compare."""
        found = {}
        folder = f"/proc/{self.pid}/fd"
        for name in os.listdir(folder):
            try:
                found[int(name)] = os.readlink(f"{folder}/{name}")
            except OSError:
                continue
        return found

    def status(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            pairs = (line.split(":", 1) for line in file)
            return {name: value.strip() for name, value in pairs}

    @property
    def proportional(self):
        """KiB of memory, with what it shares with others counted by its share."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))

    def where(self):
        """What it waits in, as far as the kernel tells: for whoever looks for the cause of a hang."""
        found = []
        for name in ("wchan", "syscall", "stack"):
            try:
                with open(f"/proc/{self.pid}/{name}", encoding="utf-8") as file:
                    found.append(" < ".join(line.split("] ", 1)[-1] for line in file.read().splitlines()[:6]))
            except OSError:
                continue
        return "; ".join(found)

    def children(self):
        return [Process(pid) for pid, stat in _all().items() if stat["parent"] == self.pid]

    def kill(self, number=signal.SIGKILL):
        """Signals this very process; a process that is gone is no error."""
        if self.exists:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return {"state": fields[0], "parent": int(fields[1]), "start": int(fields[19])}


def _all():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = _stat(int(name))
            if stat:
                found[int(name)] = stat
    return found


def descendants(pid):
    """All processes below `pid`, zombies too, parents first."""
    table = _all()
    below, level = [], [pid]
    while level:
        level = [child for child, stat in table.items() if stat["parent"] in level]
        below += level
    return [Process(one) for one in below]
