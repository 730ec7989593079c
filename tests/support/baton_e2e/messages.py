"""The messages between keeper and masters, as supervisor/keeper/message.h has them."""
import struct

MAGIC = 0x4E544142
VERSION = 1
HEADER = struct.Struct("=IHHII")  # magic, version, type, fence, body_bytes

# From a master.
HELLO, BEAT, READY, HOLD, RELEASE, LIST_HELD, LIST_CHILDREN, SPAWN, SIGNAL, FORGET, NOTE, START_MASTER, SIGNAL_MASTER, \
    TRANSFER, LEAVE, TELL, REPLACE_KEEPER = range(1, 18)
# From the keeper.
WELCOME, HELD_PAGE, CHILDREN_PAGE, SPAWN_DONE, EXITED, OWNER, MASTER_STARTED, MASTER_READY, MASTER_GONE, TOLD, \
    SIGNALLED, RESYNC, REFUSED, KEEPER_REPLACED = range(64, 78)

NAMES = {number: name for name, number in list(globals().items()) if isinstance(number, int) and number < 128}

BODIES = {
    HELLO: "=I", BEAT: "=I", READY: "=I", HOLD: "=I", RELEASE: "=I", LIST_HELD: "=I", LIST_CHILDREN: "=Q",
    SPAWN: "=QQIIIIIIII", SIGNAL: "=QiI", FORGET: "=Q", NOTE: "=I", START_MASTER: "=I", SIGNAL_MASTER: "=Ii",
    TRANSFER: "=I", LEAVE: "=I", TELL: "=I", REPLACE_KEEPER: "=I",
    WELCOME: "=IIIIiI", HELD_PAGE: "=II", CHILDREN_PAGE: "=II", SPAWN_DONE: "=Qii", EXITED: "=Qii", OWNER: "=II",
    MASTER_STARTED: "=IiiI", MASTER_READY: "=I", MASTER_GONE: "=IiII", TOLD: "=I", SIGNALLED: "=i", RESYNC: "=I",
    REFUSED: "=I", KEEPER_REPLACED: "=i",
}
CHILD_RECORD = struct.Struct("=QiiII")  # id, pid, status, exited, unused


def body(kind, *fields):
    """The body of that type; without fields it is all zero."""
    layout = struct.Struct(BODIES[kind])
    return layout.pack(*fields) if fields else bytes(layout.size)


def tail(*strings):
    return b"".join(string.encode() + b"\0" for string in strings)


def message(kind, content=b"", strings=b"", fence=0, magic=MAGIC, version=VERSION, body_bytes=None):
    size = len(content) if body_bytes is None else body_bytes
    return HEADER.pack(magic, version, kind, fence, size) + content + strings


def parse(data):
    """(type, fields, tail) of a message of the keeper."""
    _, _, kind, _, size = HEADER.unpack_from(data)
    start = HEADER.size
    return kind, struct.unpack_from(BODIES[kind], data, start), data[start + size:]
