"""Writes what fuzz targets begin with: seeds.py KIND SOURCE FOLDER

golden  the bytes of the golden files, which are in hexadecimal
corpus  the requests of tests/http/corpus.txt
http2   conversations of a client, as http2.cpp reads them; SOURCE is not looked at
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
# pylint: disable=wrong-import-position
from baton_e2e.corpus import SECTIONS, read_corpus  # noqa: E402


def golden(source):
    for file in pathlib.Path(source).glob("*.hex"):
        text = "".join(line.split("|")[0] for line in file.read_text(encoding="utf-8").splitlines())
        # A connection comes as messages: two descriptors, then 72 bytes, then pieces of 10.
        before = b"\x02\x48\x09" if file.stem.startswith("passed_") else b""
        yield file.stem, before + bytes.fromhex(text)


def corpus(source):
    # In pieces of 7.
    return ((one.name, b"\x06" + one.bytes) for section in SECTIONS for one in read_corpus(source, section) if len(one.bytes) < 4096)


def piece(text):
    return bytes([len(text)]) + text


def ask(flags, path=b"/x", name=b"", value=b""):
    return b"Q" + bytes([flags]) + piece(path) + piece(name) + piece(value)


def http2(_):
    end, post, sized, cookies = 1, 2, 4, 8
    yield "get", ask(end | cookies, b"/x?y", b"x-mixed", b"1") + b"TTL"
    yield "post", ask(post | sized) + b"D\x01\x01" + piece(b"abc") + b"TTTL"
    yield "trailer", ask(post) + b"D\0\x01" + piece(b"abc") + b"H\x05\x01" + piece(b"\0\x05x-sum\x019") + b"TTL"
    yield "two_at_once", b"I\x02" + ask(end) + ask(end) + b"TTLTTLTTL"
    yield "taken_back", b"I\x04" + ask(end) + b"TTR\x01\x08" + b"T" + ask(end) + b"TTL"
    yield "head_in_pieces", b"H\x01\x01" + piece(b"\x82\x84") + b"C\x04\x01" + piece(b"\x86\x41\x01a") + b"TTL"
    yield "windows", b"S" + piece(b"\0\x04\0\0\0\x0a") + b"I\x02" + ask(end) + b"TTLW\x01\x40W\xff\x40TTLTTL"
    yield "pings", b"F\x06\0\xff" + piece(b"pingpong") + b"F\x06\x01\xff" + piece(b"pingpong") + b"TL"
    yield "goes_away", ask(end) + b"F\x07\0\xff" + piece(b"\0\0\0\0\0\0\0\0") + b"TTL"
    yield "priority", b"F\x02\0\x03" + piece(b"\0\0\0\0\x10") + ask(end) + b"TTL"
    for way in range(9):
        yield f"instance_{way}", b"I" + bytes([way]) + ask(end) + ask(post) + b"D\x01\x03" + piece(b"abc") + b"TTTTLTTL"


def write(kind, source, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"golden": golden, "corpus": corpus, "http2": http2}[kind](source):
        (folder / name).write_bytes(content)


write(*sys.argv[1:])
