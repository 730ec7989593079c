"""baton-load, started, asked while it runs, and judged."""
import json
import signal
import subprocess
import threading


class Report:
    """The counts of a run, or of a run so far."""

    def __init__(self, data):
        self.data = data

    def __getattr__(self, name):
        if name in self.data:
            return self.data[name]
        raise AttributeError(name)

    def group(self, mode):
        return [Report(group) for group in self.data["groups"] if group["mode"] == mode]

    @property
    def kinds(self):
        return {kind: count for kind, count in self.data["failures"].items() if count}

    def describe(self):
        lines = [f"{self.ok} ok, {self.failed} failed {self.kinds}, versions {self.versions},"
                 f" longest gap {self.longest_gap_ms} ms, p99 {self.latency_us['p99']} us"]
        lines += [f"  {one['at']} {one['group']}: {one['kind']}: {one['text']}" for one in self.data.get("samples", [])]
        return "\n".join(lines)


class Load:
    """A running baton-load. `stop()` ends it and asserts that nothing failed."""

    def __init__(self, command, modes):
        self.modes = modes
        # pylint: disable=consider-using-with
        # It ignores SIGUSR1 until it can hear it; `now` asks again.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
        self._lines = []
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._arrived:
                self._lines.append(json.loads(line))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    def now(self):
        """The counts so far."""
        with self._arrived:
            seen = len(self._lines)
            for _ in range(100):
                if self.process.poll() is not None:
                    break  # its last report is on its way, or read
                self.process.send_signal(signal.SIGUSR1)
                if self._arrived.wait_for(lambda: len(self._lines) > seen, timeout=0.2):
                    return Report(self._lines[-1])
        if self.process.poll() is None:
            raise AssertionError("baton-load does not answer SIGUSR1")
        return self.finish()

    def finish(self, timeout=60):
        """Ends the load, or awaits its end, and returns its counts, whatever they are."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout)
        self._reader.join(timeout)
        if not self._lines:
            raise AssertionError(f"baton-load ended with {self.process.returncode} and without a report")
        return Report(self._lines[-1])

    def stop(self, at_least=1):
        """Ends the load; asserts that no request failed and that there were enough to prove anything."""
        from .sandbox import eventually  # the sandbox makes loads
        eventually(lambda: self.process.poll() is not None or self.now().ok >= at_least, "enough load", timeout=20)
        report = self.finish()
        if report.failed:
            raise AssertionError(f"requests failed: {report.describe()}")
        if report.ok < at_least:
            raise AssertionError(f"too little load to prove anything: {report.describe()}")
        for mode in self.modes:
            for group in report.group(mode.split(":")[0]):
                if group.ok == 0:
                    raise AssertionError(f"no {mode} request was answered: {report.describe()}")
        print(f"    load: {report.ok} requests, 0 failed, versions {report.versions},"
              f" longest gap {report.longest_gap_ms} ms", flush=True)
        return report

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
