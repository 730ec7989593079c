"""Writes the bytes of the golden files, which are in hexadecimal, as seeds: seeds.py GOLDEN_FOLDER SEED_FOLDER"""
import pathlib
import sys

golden, seeds = map(pathlib.Path, sys.argv[1:])
seeds.mkdir(parents=True, exist_ok=True)
for file in golden.glob("*.hex"):
    text = "".join(line.split("|")[0] for line in file.read_text(encoding="utf-8").splitlines())
    # A connection comes as messages: two descriptors, then 72 bytes, then pieces of 10.
    before = b"\x02\x48\x09" if file.stem.startswith("passed_") else b""
    (seeds / file.stem).write_bytes(before + bytes.fromhex(text))
