# ctest: TIMEOUT 300 RUN_SERIAL
"""The Debian package, built by cpack, in a machine with systemd and a dpkg database of its own: installed, upgraded to a
second version while requests run, by workers and without (none fails, nothing is restarted), to a third whose binary
does not prove itself (the old one goes on, and dpkg says so), removed, purged; nothing is left but the system user.
"""
import os
import shutil
import subprocess

from baton_e2e import Machine, SERVER, eventually, main, need
from baton_e2e.sandbox import BINARIES

ADDRESS, BY_CONNECTION, BY_REQUEST = ADDRESSES = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"]
WEB = f"""
[listener.web]
address = "{ADDRESS}"
protocol = "http"
service = "web"
[service.web]
command = ["/usr/local/bin/server"]
replicas = 2
user = "baton"
readiness = {{ type = "http", path = "/healthz", interval = "100ms" }}
[listener.connections]
address = "{BY_CONNECTION}"
protocol = "tcp"
service = "behind"
[listener.requests]
address = "{BY_REQUEST}"
protocol = "http"
service = "behind"
[service.behind]
command = ["/usr/local/bin/server"]
replicas = 2
user = "baton"
delivery = "proxy"
upstream = "socket"
readiness = {{ type = "http", path = "/healthz", interval = "100ms" }}
"""


def build_package(sandbox):
    cpack, _, _ = need("cpack", "dpkg-shlibdeps", "fakeroot")
    build = os.path.dirname(os.path.realpath(BINARIES))
    folder = sandbox.path("package")
    done = subprocess.run([cpack, "--config", os.path.join(build, "CPackConfig.cmake"), "-B", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb"))


def changed_package(sandbox, package, version, batond=None):
    """The same with another version and other bytes of batond: a section more, or another program."""
    tree = sandbox.path("tree-" + version)
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = os.path.join(tree, "DEBIAN/control")
    with open(control, encoding="utf-8") as file:
        lines = [f"Version: {version}\n" if line.startswith("Version:") else line for line in file]
    with open(control, "w", encoding="utf-8") as file:
        file.writelines(lines)
    binary = os.path.join(tree, "usr/sbin/batond")
    if batond:
        shutil.copy(batond, binary)
    else:
        subprocess.run([need("objcopy"), "--add-section", f".label={control}", binary], check=True)
    made = sandbox.path(f"baton_{version}.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, made], check=True, stdout=subprocess.DEVNULL)
    return made


def machine_with_dpkg(sandbox):
    machine = Machine(sandbox)
    shutil.copytree("/var/lib/dpkg", machine.path("/var/lib/dpkg"), ignore=shutil.ignore_patterns("lock*", "baton.*", "*-old", "available"))
    for name in ("/etc/dpkg", "/etc/bash_completion.d"):
        if os.path.isdir(name):
            shutil.copytree(name, machine.path(name), dirs_exist_ok=True)
    machine.binary("server", SERVER)
    return machine.boot()


def dpkg(machine, *options):
    # The triggers of the host's other packages are not what is tested, and the machine lacks their files.
    done = machine.run("dpkg", "--no-triggers", *options, check=False, environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def give(machine, package):
    name = "/var/tmp/" + os.path.basename(package)
    shutil.copy(package, machine.path(name))
    return name


def files(machine):
    """Everything that a package could leave."""
    found = machine.run("find", "/usr", "/etc", "/var", "/run", "-xdev", "-iname", "*baton*", check=False).stdout.split()
    return {path for path in found if not path.startswith(("/var/log/journal", "/run/log"))}


def workers_of(machine):
    """Their pids, once none is on its way in or out."""
    found = machine.status()["workers"]
    assert {one["state"] for one in found} == {"ready"}, found
    return {one["pid"] for one in found}


def whole_life(sandbox):
    first = build_package(sandbox)
    second = changed_package(sandbox, first, "0.1.0-2")
    third = changed_package(sandbox, first, "0.1.0-3", batond=shutil.which("false"))
    machine = machine_with_dpkg(sandbox)
    before = files(machine)

    dpkg(machine, "-i", give(machine, first))
    shown = machine.show("ActiveState", "UnitFileState", "MainPID")
    assert (shown["ActiveState"], shown["UnitFileState"]) == ("active", "enabled"), shown
    keeper = shown["MainPID"]
    assert machine.run("getent", "passwd", "baton").stdout, "the system user is there"
    machine.write("/etc/baton/services.d/web.toml", WEB)
    # Edited by the administrator, so that no later version may touch it; and quicker.
    edited = machine.read("/etc/baton/baton.toml").replace('soak = "10s"', 'soak = "1s"')
    machine.write("/etc/baton/baton.toml", edited)
    machine.run("systemctl", "reload", "baton")
    completed = machine.run("bash", "-c", "source /usr/share/bash-completion/completions/baton; COMP_WORDS=(baton restart w); COMP_CWORD=2; _baton;"
                            " echo ${COMPREPLY[*]}").stdout.split()
    assert completed == ["web", "web/1", "web/2"], completed
    for page in ("batond.8", "baton.1", "baton.toml.5"):
        # --warnings: what groff finds wrong with the page.
        told = machine.run("man", "--warnings", "-l", f"/usr/share/man/man{page[-1]}/{page}.gz", check=False)
        assert told.returncode == 0 and not told.stderr.strip() and "NAME" in told.stdout, told
    rotated = machine.run("sh", "-c", "mv /var/log/baton/baton.log /var/log/baton/baton.log.1; sed -n '/postrotate/,/endscript/p' /etc/logrotate.d/baton"
                          " | sed '1d;$d' | sh", check=False)
    assert rotated.returncode == 0, rotated
    eventually(lambda: machine.read("/var/log/baton/baton.log"), "the log is opened anew")

    load = sandbox.load(ADDRESSES, ["post:3", "new:3"], wrapper=machine.inside("-n"))
    instances = {one["pid"] for one in machine.status()["instances"]}
    said = dpkg(machine, "-i", give(machine, second))
    assert "upgrade: done" in said, said
    shown = machine.show("MainPID", "NRestarts", "StatusText")
    assert shown["MainPID"] == keeper and shown["NRestarts"] == "0" and "generation 2: 2 services, 4 of 4" in shown["StatusText"], shown
    assert {one["pid"] for one in machine.status()["instances"]} == instances, "instances are adopted"
    running = machine.run("sha256sum", f"/proc/{keeper}/exe", "/usr/sbin/batond").stdout.split()
    assert running[0] == running[2], "the keeper runs the new package's bytes"
    workers = eventually(lambda: workers_of(machine), "the workers are the new generation's")
    for worker in workers:
        assert machine.run("sha256sum", f"/proc/{worker}/exe").stdout.split()[0] == running[2], "the workers run them too"

    said = dpkg(machine, "-i", give(machine, third))
    assert "WAS NOT UPGRADED" in said and "upgrade failed" in said, said
    shown = machine.show("MainPID", "NRestarts", "StatusText", "ActiveState")
    assert shown["MainPID"] == keeper and shown["NRestarts"] == "0" and "generation 2: 2 services, 4 of 4" in shown["StatusText"], shown
    assert {one["pid"] for one in machine.status()["instances"]} == instances
    assert workers_of(machine) == workers, "what did not prove itself has taken nothing over"
    said = dpkg(machine, "-i", give(machine, second))
    assert "upgrade: done" in said, said
    load.stop(at_least=1000)

    dpkg(machine, "-r", "baton")
    assert machine.show("ActiveState")["ActiveState"] == "inactive"
    assert machine.read("/etc/baton/baton.toml") == edited, "the configuration stays as it is until it is purged"
    dpkg(machine, "-i", give(machine, second))
    assert machine.show("ActiveState", "UnitFileState") == {"ActiveState": "active", "UnitFileState": "enabled"}, "installed again, it runs again"
    assert {one["state"] for one in machine.status()["services"]} == {"running"}
    machine.run("systemctl", "stop", "baton")
    said = dpkg(machine, "-i", give(machine, first))
    assert machine.show("ActiveState")["ActiveState"] == "inactive", "who stopped it wants it stopped"
    machine.run("rm", "/etc/baton/services.d/web.toml")
    dpkg(machine, "-P", "baton")
    left = {path for path in files(machine) - before if not path.startswith(("/var/tmp/", "/var/lib/dpkg"))}
    assert not left, f"left behind: {left}"
    assert "baton" not in machine.run("systemctl", "list-unit-files", "--no-legend").stdout
    warnings = [line for line in machine.journal("-p", "warning", "-u", "baton.service")]
    assert not warnings, "\n".join(warnings)


main(whole_life)
