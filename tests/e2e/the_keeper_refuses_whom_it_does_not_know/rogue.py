"""A master that asks for what it may not: started by the keeper as any new binary is, its channel is
descriptor 3. Writes what it asked and what it was answered to a file, a JSON object a line.

    rogue.py trial FILE    asks while another generation owns the instances, then ends
    rogue.py owner FILE    passes its trial, waits until it owns the instances, asks with wrong fencing numbers
                           and with the right one in malformed ways, then ends
    rogue.py mute FILE     sends an empty message, which means the end of its channel, and stays
"""
import array
import itertools
import json
import os
import select
import signal
import socket
import sys

from baton_e2e import messages as m

LARGEST = 128 * 1024
FOREIGN = "rogue-descriptor"  # what it sends along; the keeper must not hold any of it afterwards


class Rogue:
    def __init__(self, path):
        self.channel = socket.socket(fileno=3)
        self.channel.setblocking(True)
        self.record = open(path, "w", encoding="utf-8", buffering=1)  # pylint: disable=consider-using-with
        self.foreign = os.memfd_create(FOREIGN)
        self.held, self.children, self.trial = [], [], None
        self.generation = self.owner = self.fence = self.old = 0
        while self.fence == 0:
            self.take(*self.receive())
        self.channel.send(m.message(m.HELLO, m.body(m.HELLO, 5000)))

    # --- the channel ---

    def receive(self):
        data, rights, _, _ = self.channel.recvmsg(LARGEST, 253 * 4 + 64)
        if not data:
            sys.exit("the keeper has closed the channel")
        descriptors = array.array("i")
        for _, _, content in rights:
            descriptors.frombytes(content[:len(content) - len(content) % 4])
        return (*m.parse(data), list(descriptors))

    def take(self, kind, fields, strings, descriptors):
        if kind == m.WELCOME:
            self.generation, _, _, self.old, _, _ = fields
        elif kind == m.OWNER:
            self.owner, self.fence = fields
        elif kind == m.HELD_PAGE:
            names = strings.split(b"\0")[:-1]
            self.held += [name.decode() for name in names]
            for name, descriptor in zip(names, descriptors):
                if name == b"trial" and self.trial is None:
                    self.trial = socket.socket(fileno=descriptor)
                else:
                    os.close(descriptor)
        elif kind == m.CHILDREN_PAGE:
            size = m.CHILD_RECORD.size
            self.children += [m.CHILD_RECORD.unpack_from(strings, place) for place in range(0, len(strings), size)]

    def look(self):
        """What the keeper holds and who runs, as far as it tells any master. Both fit on a page here."""
        self.held, self.children = [], []
        self.channel.send(m.message(m.LIST_HELD, m.body(m.LIST_HELD), m.tail("")))
        self.channel.send(m.message(m.LIST_CHILDREN, m.body(m.LIST_CHILDREN)))
        kind = None
        while kind != m.CHILDREN_PAGE:
            answer = self.receive()
            self.take(*answer)
            kind = answer[0]

    def ask(self, what, data, descriptors=0):
        """Sends it and records every answer up to that of a harmless question behind it."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.foreign] * descriptors))]
        self.channel.sendmsg([data], rights if descriptors else [])
        self.channel.send(m.message(m.LIST_CHILDREN, m.body(m.LIST_CHILDREN, 2 ** 64 - 1)))
        answers = []
        while True:
            kind, fields, text, given = self.receive()
            if kind == m.CHILDREN_PAGE:
                break
            self.take(kind, fields, text, given)
            answers.append([m.NAMES[kind], fields, text.decode(errors="replace")[:300]])
        kind = int.from_bytes(data[6:8], "little") if len(data) >= 16 else None
        print(json.dumps({"what": what, "type": kind, "answers": answers}), file=self.record)

    # --- what it asks ---

    def spawn(self, ident=4711, arguments=1, environment=0, groups=0, cgroup=0):
        return m.body(m.SPAWN, ident, 0, 2 ** 32 - 1, 2 ** 32 - 1, 0o22, groups, arguments, environment, cgroup, 0)

    def requests(self):
        """Each thing that only an owner may ask, as it would be asked: (type, body, tail, descriptors)."""
        child = self.children[0][0]
        yield m.HOLD, m.body(m.HOLD), m.tail("rogue"), 1
        for name in self.held:
            yield m.HOLD, m.body(m.HOLD), m.tail(name), 1
            yield m.RELEASE, m.body(m.RELEASE), m.tail(name), 0
        yield m.SPAWN, self.spawn(), m.tail("/bin/sh", "/", "rogue-program"), 1
        for whole_group in (0, 1):
            yield m.SIGNAL, m.body(m.SIGNAL, child, signal.SIGKILL, whole_group), b"", 0
        yield m.FORGET, m.body(m.FORGET, child), b"", 0
        yield m.START_MASTER, m.body(m.START_MASTER), m.tail("/bin/true"), 0
        yield m.REPLACE_KEEPER, m.body(m.REPLACE_KEEPER), b"", 0
        # For these the generation counts, not the fencing number: the incumbent may take everything back at any time.
        if self.owner != self.generation:
            for generation in (self.generation, self.owner, 0, 4711):
                yield m.TRANSFER, m.body(m.TRANSFER, generation), b"", 0
        for generation in (self.old, self.generation):
            yield m.SIGNAL_MASTER, m.body(m.SIGNAL_MASTER, generation, signal.SIGKILL), b"", 0

    def wrong_fences(self):
        wrong = [0, self.fence - 1, self.fence + 1, 2 ** 32 - 1]
        return wrong if self.owner == self.generation else [*wrong, self.fence]

    def ask_as_a_stranger(self):
        for fence, (kind, body, tail, descriptors) in itertools.product(self.wrong_fences(), list(self.requests())):
            self.ask(f"refused: {m.NAMES[kind]} with fence {fence} of {self.fence}",
                     m.message(kind, body, tail, fence), descriptors)

    def ask_malformed(self):
        """Where it is the owner nothing may happen; where it is not, it is refused all the same. A body that is
        short is one of an earlier version: it has defaults where it ends."""
        fence = self.fence
        kinds = (m.HOLD, m.RELEASE, m.SPAWN, m.SIGNAL, m.FORGET)
        for kind, cut in itertools.product(kinds, (0, 1, 3)):
            self.ask(f"harmless: {m.NAMES[kind]} with a body of {cut} bytes", m.message(kind, b"\1" * cut, b"", fence), 2)
        for kind in kinds:
            body = m.body(kind)
            self.ask(f"harmless: {m.NAMES[kind]} without a tail", m.message(kind, body, b"", fence))
            self.ask(f"harmless: {m.NAMES[kind]} with a tail that has no end", m.message(kind, body, b"rogue", fence), 1)
            room = LARGEST - m.HEADER.size - len(body)
            self.ask(f"harmless: {m.NAMES[kind]} of the largest size", m.message(kind, body, b"x" * (room - 1) + b"\0", fence), 1)
            self.ask(f"cut: {m.NAMES[kind]} of more than the largest size",
                     m.message(kind, body, b"x" * (room + 4096) + b"\0", fence), 1)
        for strings, descriptors in ((("a", "b"), 1), (("a",), 0), (("a",), 2), (("a" * 161,), 1)):
            self.ask(f"refused: HOLD of {len(strings)} names ({len(strings[0])} bytes) and {descriptors} descriptors",
                     m.message(m.HOLD, m.body(m.HOLD), m.tail(*strings), fence), descriptors)
        self.ask("cut: HOLD with more descriptors than a message may have",
                 m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), fence), 253)
        for kind in (m.TRANSFER, m.SIGNAL_MASTER, m.LEAVE, m.TELL, m.LIST_CHILDREN, m.START_MASTER):
            self.ask(f"refused: {m.NAMES[kind]} without a body", m.message(kind, b"", b"", fence), 1)
        for kind in (m.TRANSFER, m.LEAVE, m.TELL):
            self.ask(f"refused: {m.NAMES[kind]} for a generation that is not there", m.message(kind, m.body(kind, 4711), m.tail("x"), fence), 1)
        self.ask("refused: NOTE of more than a note", m.message(m.NOTE, m.body(m.NOTE), b"n" * (LARGEST - 64) + b"\0", fence), 1)
        self.ask("refused: START_MASTER of the longest path",
                 m.message(m.START_MASTER, m.body(m.START_MASTER), b"/" * (LARGEST - 32) + b"\0", fence))
        for kind in (0, 18, 63, m.WELCOME, m.OWNER, m.EXITED, 128, 131, 65535):
            self.ask(f"refused: unknown type {kind}", m.message(kind, b"\0" * 16, m.tail("x"), fence), 1)

    def ask_nonsense(self):
        fine = m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), self.fence)
        self.ask("ignored: another magic", m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), self.fence, magic=0x44414221), 1)
        self.ask("ignored: version 0", m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), self.fence, version=0), 1)
        for version in (2, 65535):  # of another version, and a stranger like any other
            self.ask(f"refused: HOLD of version {version} with a wrong fence",
                     m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), self.fence + 1, version=version), 1)
        for size in (1, 4, 15):
            self.ask(f"ignored: a header of {size} bytes", fine[:size], 1)
        for size in (100, 2 ** 31, 2 ** 32 - 1):
            self.ask(f"ignored: a body that claims {size} bytes",
                     m.message(m.HOLD, m.body(m.HOLD), m.tail("rogue"), self.fence, body_bytes=size), 1)

    def ask_to_spawn(self):
        """The owner's starts that must fail, each with an answer, whatever they claim."""
        top = 2 ** 32 - 1
        good = m.tail("/bin/true", "/", "rogue-program")
        counts = [dict(arguments=0), dict(arguments=2), dict(arguments=top), dict(environment=top), dict(groups=top),
                  dict(arguments=top, environment=top, groups=top), dict(cgroup=1), dict(cgroup=250)]
        for claim in counts:
            self.ask(f"failed: SPAWN that claims {claim}", m.message(m.SPAWN, self.spawn(**claim), good, self.fence), 1)
        self.ask("failed: SPAWN without descriptors", m.message(m.SPAWN, self.spawn(), good, self.fence))
        taken = self.children[0][0]
        self.ask("failed: SPAWN of a number that is taken", m.message(m.SPAWN, self.spawn(taken), good, self.fence), 1)
        self.ask("failed: SPAWN of no program",
                 m.message(m.SPAWN, self.spawn(), m.tail("/nothing/here", "/", "rogue-program"), self.fence), 1)
        # The reason repeats the path, and is longer than what was asked.
        rest = m.tail("/n", "r")
        path = b"/" * (LARGEST - m.HEADER.size - len(self.spawn()) - len(rest) - 1) + b"\0"
        self.ask("failed: SPAWN of the longest path in no directory", m.message(m.SPAWN, self.spawn(), path + rest, self.fence), 1)
        for descriptors in (1, 0):
            self.ask(f"failed: SPAWN that claims {top} cgroups with {descriptors} descriptors",
                     m.message(m.SPAWN, self.spawn(cgroup=top), good, self.fence), descriptors)

    def compare(self, before):
        self.look()
        print(json.dumps({"what": "same: held and children", "before": before, "after": [sorted(self.held), self.children]}),
              file=self.record)

    # --- its lives ---

    def on_trial(self):
        self.look()
        before = [sorted(self.held), self.children]
        self.ask_as_a_stranger()
        self.ask_malformed()
        self.ask_nonsense()
        self.compare(before)

    def as_owner(self):
        self.look()
        self.channel.send(m.message(m.READY, m.body(m.READY)))
        while self.owner != self.generation:
            ready, _, _ = select.select([self.channel, self.trial], [], [], 0.5)
            self.channel.send(m.message(m.BEAT, m.body(m.BEAT)))
            if self.channel in ready:
                self.take(*self.receive())
            if self.trial in ready:
                client, _ = self.trial.accept()
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                client.close()
        self.look()
        before = [sorted(self.held), self.children]
        self.ask_as_a_stranger()
        self.ask_malformed()
        self.ask_nonsense()
        self.ask("harmless: SIGNAL of no such number", m.message(m.SIGNAL, m.body(m.SIGNAL, self.children[0][0], 4711, 1), b"", self.fence))
        self.ask("harmless: FORGET of a child that runs", m.message(m.FORGET, m.body(m.FORGET, self.children[0][0]), b"", self.fence))
        self.ask("refused: START_MASTER while an upgrade is on",
                 m.message(m.START_MASTER, m.body(m.START_MASTER), m.tail("/bin/true"), self.fence))
        self.ask_to_spawn()
        self.compare(before)

    def mute(self):
        self.channel.send(b"")
        print(json.dumps({"what": "sent nothing"}), file=self.record)
        signal.pause()


def main():
    if os.environ.get("BATON_ROLE") != "master":
        sys.exit(1)  # as a keeper it proves nothing
    rogue = Rogue(sys.argv[2])
    {"trial": rogue.on_trial, "owner": rogue.as_owner, "mute": rogue.mute}[sys.argv[1]]()
    print(json.dumps({"what": "done"}), file=rogue.record)
    sys.exit(3)


main()
