#!/usr/bin/env python3
"""The rules of the house that a program can check. Run by ctest; prints FILE: what is wrong, exit status 1.

Rooms and what they may include, sizes, calls that are banned, files nobody uses, names that say nothing.
`--self-test` shows each rule a piece of code that breaks it.
"""
import pathlib
import re
import subprocess
import sys

# A room includes only itself and these.
ROOMS = {
    "base": set(),
    "model": {"base"},
    "plan": {"model", "base"},
    "config": {"model", "base"},
    "sys": {"model", "base"},
    "keeper": {"sys", "base"},
    "run": {"sys", "model", "base"},
    "http": {"base"},
    "gateway": {"http", "sys", "model", "base"},
    "strategy": {"sys", "model", "base"},
    "engine": {"run", "gateway", "keeper", "strategy", "sys", "config", "plan", "model", "base"},
    "admin": {"engine", "sys", "model", "base"},
    "worker": {"strategy", "gateway", "sys", "model", "base"},
    "master": {"admin", "engine", "run", "gateway", "keeper", "strategy", "sys", "config", "plan", "model", "base"},
}
# main.cpp wires roles; the command line sees the documents only.
TOP = set(ROOMS)
TOOL = {"model", "base"}

SOURCE_LINES = 600
FUNCTION_LINES = 70
HEADER_LINES = 200  # the soft size is 120; a header of constants or messages may be longer
COLUMNS = 200  # the soft size is 110
KEEPER_CODE_LINES = 700  # without blank lines and comments: it can be read in one sitting

# Heavy libraries stay in .cpp files: they cost every file that includes such a header.
HEAVY = re.compile(r'#include <(boost/beast|boost/json|boost/process|toml\+\+|spdlog)[/.>]')

BANNED = [
    (re.compile(r"\b(u|nano)?sleep\s*\(|\bsleep_for\s*\(|\bsleep_until\s*\("), "sleeps: readiness is a message, time is a timer", {"tool"}),
    (re.compile(r"(?<![\w:])(?<!Error )(?:std::|::)?system\s*\("), "calls a shell", None),
    (re.compile(r"\bdetached\b"), "detaches a coroutine: each has an owner that can end it", None),
    (re.compile(r"(?<![\w:.>])::(open|openat|close|socket|pipe2?|dup[23]?|fork|vfork|execve|execvp|kill|waitpid|memfd_create|accept4?|bind|listen|sendmsg|recvmsg)\s*\("),
     "makes a raw system call outside sys/", {"sys", "base/log.cpp", "tool"}),
    (re.compile(r"\bstd::this_thread\b|\bstd::async\b"), "uses threads beside the event loop", {"tool"}),
]
BAD_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
# The service manager is a thing of the world: what started us.
GOOD_NAMES = {"service_manager"}
# A few calls a room outside sys/ needs by its nature, each with its reason.
ALLOWED_RAW = {
    "keeper/keeper.cpp": {"dup2"},  # a daemon lets go of its terminal
}


def code_of(text):
    """The text with comments and string contents blanked, lines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)

    def blank(match):
        found = match.group(0)
        keep = '""' if found[0] in 'R"' else ""
        return keep + "\n" * found.count("\n")

    return pattern.sub(blank, text)


def functions_of(code):
    """(first line, lines) of each function body: a block that opens at the end of a line with a ')'."""
    lines = code.split("\n")
    for number, line in enumerate(lines):
        if not re.match(r"^( {4})?[A-Za-z_~\[].*\)\s*(const|noexcept|override|final|mutable|->\s*\S+|\s)*\{\s*$", line):
            continue
        if re.match(r"^\s*(if|for|while|switch|else|do|namespace|class|struct|enum|union)\b", line):
            continue
        indent = re.match(r"^ *", line).group(0)
        for end in range(number + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                yield number + 1, end - number + 1
                break


class Tidy:
    def __init__(self, root):
        self.root = root
        self.problems = []

    def report(self, name, what):
        self.problems.append(f"{name}: {what}")

    def check_includes(self, name, room, text, allowed):
        for include in re.findall(r'^\s*#include "([^"]+)"', text, re.M):
            other = include.split("/")[0]
            if "/" not in include or other not in ROOMS:
                continue
            if other != room and other not in allowed:
                self.report(name, f"room {room} includes {include}")
        if name.endswith(".h") and HEAVY.search(text):
            self.report(name, f"a header includes {HEAVY.search(text).group(1)}: that belongs into a .cpp file")

    def check_size(self, name, text, code):
        lines = text.count("\n")
        limit = HEADER_LINES if name.endswith(".h") else SOURCE_LINES
        if lines > limit:
            self.report(name, f"has {lines} lines, the limit is {limit}")
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > COLUMNS:
                self.report(f"{name}:{number}", f"has {len(line)} columns, the limit is {COLUMNS}")
        for number, size in functions_of(code):
            if size > FUNCTION_LINES:
                self.report(f"{name}:{number}", f"a function of {size} lines, the limit is {FUNCTION_LINES}")

    def check_calls(self, name, inner, room, code):
        for pattern, what, where in BANNED:
            if where is not None and (room in where or inner in where):
                continue
            for match in pattern.finditer(code):
                if match.groups() and match.group(1) in ALLOWED_RAW.get(inner, ()):
                    continue
                line = code.count("\n", 0, match.start()) + 1
                self.report(f"{name}:{line}", f"{what}: {match.group(0).strip()}")

    def check_name(self, name):
        words = name
        for good in GOOD_NAMES:
            words = words.replace(good, "")
        for part in re.split(r"[/_.-]", words):
            if part in BAD_NAMES:
                self.report(name, f"its name says nothing: '{part}'")

    def check_header_opening(self, name, text):
        if name.endswith(".h") and not text.startswith(("//", "/*")):
            self.report(name, "does not open with a paragraph of purpose")
        if name.endswith(".h") and "#pragma once" not in text:
            self.report(name, "has no #pragma once")

    def check_outside_source(self, name, text, beside):
        for include in re.findall(r'^\s*#include ["<]([^">]+)[">]', text, re.M):
            of_the_system = include.startswith("sys/") and f"<{include}>" in text
            ours = (include.split("/")[0] in ROOMS and not of_the_system) or include.startswith("boost/")
            quoted = f'"{include}"' in text and not include.startswith("baton/") and include not in beside
            if ours or quoted:
                self.report(name, f"includes {include}: only the SDK's headers and its own")
        # The ABI's header is one file on purpose: a plugin's author reads it from its beginning to its end.
        if not name.startswith("sdk/strategy/include/"):
            self.check_size(name, text, code_of(text))

    def check_source(self, name, inner, room, text, allowed):
        code = code_of(text)
        self.check_includes(name, room, text, allowed)
        self.check_size(name, text, code)
        self.check_calls(name, inner, room, code)
        self.check_header_opening(name, text)


def tracked(root):
    """What belongs to the project, whether committed already or not."""
    try:
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                                capture_output=True, text=True, check=True).stdout
        files = [root / line for line in listed.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        files = [file for file in root.rglob("*") if not file.relative_to(root).parts[0].startswith(("build", ".git"))]
    return sorted(file for file in files if file.is_file())


def check_supervisor(tidy, files):
    for file in files:
        name = file.relative_to(tidy.root).as_posix()
        if file.suffix not in (".h", ".cpp", ".c") or ".bpf." in name:
            continue
        if name.startswith("supervisor/"):
            inner = name.removeprefix("supervisor/")
            room = inner.split("/")[0] if "/" in inner else "top"
            allowed = TOP if room == "top" else ROOMS.get(room)
            if allowed is None:
                tidy.report(name, f"there is no room {room}")
                continue
            tidy.check_source(name, inner, room, file.read_text(), allowed)
        elif name.startswith("tools/baton/"):
            tidy.check_source(name, name, "tool", file.read_text(), TOOL)


def check_outside(tidy, files):
    """The SDK includes nothing of ours, and plugins only the SDK and themselves."""
    for file in files:
        name = file.relative_to(tidy.root).as_posix()
        if name.startswith(("sdk/", "plugins/")) and file.suffix in (".h", ".hpp", ".cpp", ".c"):
            tidy.check_outside_source(name, file.read_text(), {other.name for other in file.parent.iterdir()})


def check_keeper(tidy, files):
    total = 0
    for file in files:
        name = file.relative_to(tidy.root).as_posix()
        if re.fullmatch(r"supervisor/keeper/.*\.cpp", name):
            total += sum(1 for line in code_of(file.read_text()).split("\n") if line.strip())
    if total > KEEPER_CODE_LINES:
        tidy.report("supervisor/keeper", f"has {total} lines of code, the limit is {KEEPER_CODE_LINES}")


def check_used(tidy, files):
    """A header that no source includes, and data or a script that nothing names."""
    texts = {file: file.read_text(errors="replace") for file in files if file.stat().st_size < 1_000_000}
    included = set()
    for file, text in texts.items():
        for include in re.findall(r'^\s*#include "([^"]+)"', text, re.M):
            included.add(include)
            included.add((file.parent / include).resolve().as_posix())
    for file in files:
        name = file.relative_to(tidy.root).as_posix()
        if file.suffix == ".h" and name.startswith(("supervisor/", "tests/", "tools/")):
            short = name.removeprefix("supervisor/")
            by_name = any(other.endswith("/" + file.name) or other == file.name for other in included)
            if short not in included and file.as_posix() not in included and not by_name:
                tidy.report(name, "no file includes it")


def self_test():
    cases = [
        ("supervisor/plan/x.cpp", '#include "sys/spawn.h"\n', "room plan includes sys/spawn.h"),
        ("supervisor/keeper/x.cpp", '#include "model/state.h"\n', "room keeper includes model/state.h"),
        ("supervisor/run/x.cpp", "int f() { sleep(1); }\n", "sleeps"),
        ("supervisor/run/x.cpp", "int f() { std::this_thread::sleep_for(x); }\n", "sleeps"),
        ("supervisor/run/x.cpp", "void f() { co_spawn(x, y, asio::detached); }\n", "detaches"),
        ("supervisor/run/x.cpp", "void f() { ::close(3); }\n", "raw system call"),
        ("supervisor/run/x.cpp", 'void f() { std::system("ls"); }\n', "calls a shell"),
        ("supervisor/run/x.h", "#pragma once\n", "paragraph of purpose"),
        ("supervisor/run/x.h", "// X.\nint x;\n", "no #pragma once"),
        ("supervisor/run/x.h", "// X.\n#pragma once\n#include <boost/json.hpp>\n", "belongs into a .cpp file"),
        ("supervisor/run/x.cpp", "x\n" * 601, "has 601 lines"),
        ("supervisor/run/x.cpp", "void f() {\n" + "    x;\n" * 80 + "}\n", "a function of 82 lines"),
        ("supervisor/run/x.cpp", "class A {\n    void f() {\n" + "        x;\n" * 80 + "    }\n};\n", "a function of 82 lines"),
        ("supervisor/run/x.cpp", "x" * 201 + "\n", "columns"),
    ]
    good = [
        ("supervisor/run/x.cpp", '#include "sys/spawn.h"\n#include "run/y.h"\n'),
        ("supervisor/run/x.cpp", "// sleep(1); ::close(3); detached\nconst char* s = \"sleep(1) ::close(3) detached\";\n"),
        ("supervisor/sys/x.cpp", "void f() { ::close(3); }\n"),
        ("supervisor/run/x.cpp", "void f() { file.close(); A::open(1); Message::open(b); x->kill(); }\n"),
        ("supervisor/run/x.cpp", "const R s = Error::system(\"x\", errno);\n"),
    ]
    failed = 0
    for name, text, expected in cases:
        problems = problems_of(name, text)
        if not any(expected in problem for problem in problems):
            print(f"self-test: {expected!r} is not found in {name}: {problems}")
            failed += 1
    for name, text in good:
        if problems_of(name, text):
            print(f"self-test: good code is refused: {problems_of(name, text)}")
            failed += 1
    outside = Tidy(pathlib.Path("/"))
    outside.check_outside_source("plugins/x/x.cpp", '#include "model/balancer.h"\n#include "other.h"\n', {"x.cpp"})
    outside.check_outside_source("plugins/x/x.cpp", '#include "baton/roster.hpp"\n#include "own.h"\n#include <vector>\n', {"own.h"})
    if len(outside.problems) != 2:
        print(f"self-test: includes of plugins: {outside.problems}")
        failed += 1
    names = Tidy(pathlib.Path("/"))
    for name in ("supervisor/run/util.h", "tests/common/x.py", "supervisor/run/file_manager.cpp"):
        names.check_name(name)
    if len(names.problems) != 3:
        print(f"self-test: bad names are not found: {names.problems}")
        failed += 1
    return failed


def problems_of(name, text):
    tidy = Tidy(pathlib.Path("/"))
    inner = name.removeprefix("supervisor/")
    room = inner.split("/")[0]
    tidy.check_source(name, inner, room, text, ROOMS[room])
    return tidy.problems


def main():
    if "--self-test" in sys.argv:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    tidy = Tidy(root)
    files = tracked(root)
    check_supervisor(tidy, files)
    check_outside(tidy, files)
    check_keeper(tidy, files)
    check_used(tidy, files)
    for file in files:
        tidy.check_name(file.relative_to(root).as_posix())
    for problem in tidy.problems:
        print(problem)
    sys.exit(1 if tidy.problems else 0)


if __name__ == "__main__":
    main()
