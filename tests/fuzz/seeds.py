"""Writes the bytes of the golden files, which are in hexadecimal, as seeds: seeds.py GOLDEN_FOLDER SEED_FOLDER"""
import pathlib
import sys

golden, seeds = map(pathlib.Path, sys.argv[1:])
seeds.mkdir(parents=True, exist_ok=True)
for file in golden.glob("*.hex"):
    text = "".join(line.split("|")[0] for line in file.read_text(encoding="utf-8").splitlines())
    (seeds / file.stem).write_bytes(bytes.fromhex(text))
