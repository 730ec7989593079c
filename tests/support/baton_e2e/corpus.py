"""The lists of judged bytes that unit tests share with these: see tests/http/corpus.txt."""
import os
import re
from dataclasses import dataclass

from .sandbox import SOURCE

TIMES = re.compile(rb"\\\{(\d+)\*([^{}]*)\}")
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|([rnt0\\]))|\|", re.DOTALL)
SECTIONS = ("head", "rules", "body", "sound")  # of http/corpus.txt
MEANS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


@dataclass
class Judged:
    name: str
    verdict: str
    bytes: bytes


def read_corpus(file, section):
    """Of a file below tests/, the lines of one section."""
    found, inside = [], False
    with open(os.path.join(SOURCE, "tests", file), "rb") as lines:
        for line in lines.read().splitlines():
            if line.startswith(b"["):
                inside = line.startswith(b"[" + section.encode() + b"]")
            elif inside and line and not line.startswith(b"#"):
                name, verdict, text = line.split(None, 2)
                found.append(Judged(name.decode(), bytes_of(verdict).decode(), bytes_of(text)))
    assert found, f"{file} has no section {section}"
    return found


def bytes_of(text):
    while (more := TIMES.sub(lambda found: int(found[1]) * found[2], text)) != text:
        text = more
    return ESCAPE.sub(lambda found: b"\r\n" if found[0] == b"|" else MEANS[found[2]] if found[2] else bytes([int(found[1], 16)]), text)
