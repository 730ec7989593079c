# ctest: RUN_SERIAL
"""`baton logs -f` and `baton events -f` go on through an upgrade and a killed master: no line twice, none
lost, none cut; what an instance writes is captured without a gap.
"""
import json
import re
import subprocess
import threading

from baton_e2e import SERVER, main

LINES = 2000


class Follow:
    """A following command; its lines arrive in `lines`."""

    def __init__(self, baton, *command):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([baton.baton, "--socket", baton.socket, *command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def instance_that_counts(sandbox):
    path = sandbox.path("counts.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write('i=0\nwhile [ $i -lt %d ]; do i=$((i+1)); echo "count $i of it"; sleep 0.005; done\nexec sleep 600\n' % LINES)
    return ["sh", path]


def followed_through_everything(sandbox):
    config = sandbox.configuration()
    sandbox.web(config, replicas=1)
    config.service("counter", instance_that_counts(sandbox), replicas=1)
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 1)
    logs = Follow(baton, "logs", "counter/1", "-f")
    events = Follow(baton, "-o", "json", "events", "-f")
    baton.until(lambda: len(logs.lines) > 20, "lines arrive")
    baton.upgrade_by_signals()
    baton.run("upgrade", "--soak", "100ms")
    master = baton.master()
    master.kill()
    baton.until(lambda: baton.master() != master, "another master")
    baton.await_single()
    size = len(events.lines)
    baton.run("restart", "web/1")
    baton.until(lambda: len(events.lines) > size, "events still arrive")
    baton.until(lambda: any(f"count {LINES} of it" in line for line in logs.lines), "the last line arrives", timeout=60)
    assert logs.process.poll() is None and events.process.poll() is None, "the follower ended by itself"
    logs.end()
    events.end()
    counts = [int(match[1]) for match in (re.search(r"count (\d+) of it$", line) for line in logs.lines) if match]
    assert counts == sorted(counts) and len(counts) == len(set(counts)), "lines twice or out of order"
    missing = set(range(counts[0], LINES + 1)) - set(counts)
    assert not missing, f"lines lost: {sorted(missing)[:20]}"
    numbers = [json.loads(line)["number"] for line in events.lines if line.startswith("{")]
    assert numbers == sorted(set(numbers)), f"events twice or out of order: {numbers}"
    kinds = [json.loads(line)["kind"] for line in events.lines if line.startswith("{")]
    assert any(kind.startswith("upgrade") for kind in kinds), kinds


def output_is_captured_with_its_name(sandbox):
    baton, _, _ = sandbox.running_web(2, {"command": [SERVER, "--chatter", "50"]})
    for name in ("web/1", "web/2"):
        lines = baton.run("logs", name).stdout.splitlines()
        said = [line for line in lines if "says line" in line]
        assert len(said) == 50 and f"pid {baton.instance(name)['pid']} says line 50" in said[-1], lines[-3:]
        baton.until(lambda name=name: re.search(rf"{name}.*says line 50", baton.log()), "the log names the instance")
    both = [line for line in baton.run("logs", "web").stdout.splitlines() if "says line" in line]
    assert len(both) == 100 and all("web/" in line for line in both), both[:3]


def who_only_looks_is_not_kept_by_who_writes_on(sandbox):
    config = sandbox.configuration()
    config["supervisor"]["log"]["level"] = "warning"  # the lines are for `baton logs`, not for the file
    sandbox.web(config, replicas=1)
    config.service("flood", ["yes"])
    baton = sandbox.supervisor(config)
    baton.until(lambda: len(baton.run("logs", "flood", "-n", "100").stdout.splitlines()) == 100, "a hundred lines")
    many = baton.run("logs", "-n", "20000", timeout=30).stdout.splitlines()
    assert len(many) <= 20000 * 2, len(many)  # a gap is a line, too


main(followed_through_everything, output_is_captured_with_its_name, who_only_looks_is_not_kept_by_who_writes_on)
