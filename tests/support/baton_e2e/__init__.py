"""The harness of the end-to-end tests: real binaries, real sockets, real load.

A test is a file with functions that take a Sandbox; `main` runs each in a sandbox of its own and
asserts at its end that nothing is left of it: no process, no socket, no file. Nothing here waits by
sleeping: `eventually` polls a condition under a deadline, and says what it waited for.
"""
from .by_hand import Program
from .configuration import Configuration
from .killer import Killer, need_ptrace
from .load import Load, Report
from .machine import Machine, need_machine
from .processes import Process, descendants
from .sandbox import LOAD, SERVER, Sandbox, Skip, eventually, main, need
from .supervisor import CommandFailed, Supervisor
from .web import Answer, ask, ask_all, tcp_exchange, udp_exchange

__all__ = [
    "Answer", "CommandFailed", "Configuration", "Killer", "LOAD", "Load", "Machine", "Process", "Program", "Report", "SERVER",
    "Sandbox", "Skip", "Supervisor", "ask", "ask_all", "descendants", "eventually", "main", "need",
    "need_machine", "need_ptrace", "tcp_exchange", "udp_exchange",
]
