"""A program started by hand as a service manager would: its sockets from descriptor 3, its pid named."""
import fcntl
import os
import signal
import socket
import subprocess


class Program:
    """A child that inherited listening sockets. `stop()` sends TERM and awaits its end."""

    def __init__(self, command, sockets=(), environment=None, folder=None, log=None):
        variables = {**os.environ, "LISTEN_FDS": str(len(sockets)), **(environment or {})}
        targets = list(range(3, 3 + len(sockets)))
        # The shell moves the descriptors to 3, 4, ... and keeps its pid across exec (dash knows no
        # descriptor above 9).
        moves = " ".join(f"{target}<&{one.fileno()}" for target, one in zip(targets, sockets))
        script = f'LISTEN_PID=$$; export LISTEN_PID; exec "$@" {moves}'
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["bash", "-c", script, "bash", *map(str, command)], env=variables, cwd=folder,
                                        pass_fds=[one.fileno() for one in sockets], stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True)
        self.pid = self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=30):
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def listen(address="127.0.0.1", port=0, reuse_port=False):
    """A listening socket with a descriptor above those a program is given."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((address, port))
    server.listen(1024)
    high = fcntl.fcntl(server.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
    server.close()
    return socket.socket(fileno=high)
