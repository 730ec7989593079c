#!/usr/bin/env python3
"""An author's afternoon: installs the SDK alone, copies the template and the examples out of it, builds them with
find_package(Baton) and nothing else of ours, and has the strategies checked."""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=150)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cmake", "build", "check", "c-compiler", "compiler", "sanitize"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(folder) / "prefix"
        run(options.cmake, "--install", options.build, "--component", "sdk", "--prefix", prefix)
        installed = sorted(path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file())
        for wanted in ("include/baton/strategy.h", "include/baton/strategy.hpp", "include/baton/handoff.h", "include/baton/service.hpp",
                       "lib/cmake/Baton/BatonConfig.cmake"):
            assert wanted in installed, f"{wanted} is not installed: {installed}"
        plugins = []
        for project, names in (("strategy/template", ["my_strategy"]),
                               ("strategy/examples", ["canary_by_key", "weighted_random", "least_instances", "promote_freshest"]),
                               ("service/examples", [])):
            source = pathlib.Path(folder) / project
            shutil.copytree(prefix / "share/doc/baton" / project, source)
            flags = f"-Wall -Wextra -Werror {'-fsanitize=' + options.sanitize if options.sanitize else ''}"
            run(options.cmake, "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_FLAGS={flags}",
                f"-DCMAKE_CXX_FLAGS={flags}", f"-DCMAKE_C_COMPILER={options.c_compiler}", f"-DCMAKE_CXX_COMPILER={options.compiler}")
            run(options.cmake, "--build", source / "build", "-j", "2")
            plugins += [source / "build" / f"{name}.so" for name in names]
        said = run(options.check, *plugins)
        for word in ("baton.balancer/1 my_strategy", "baton.scheduler/1 least_instances", "baton.failover/1 promote_freshest"):
            assert word in said, f"{word} is missing in\n{said}"
        assert "note:" not in said, said
        print(said)


main()
