# ctest: RUN_SERIAL TIMEOUT 300
"""The keeper does what its owner asks with the present fencing number, and nothing else: a master that does
not own the instances, or does with another number, or sends what is no message, is refused or not heard,
and nothing of what runs, of what is held, or of the keeper itself is changed. Under load.
"""
import json
import os
import re
import shlex
import signal
import sys
from collections import Counter

from baton_e2e import main
from baton_e2e.sandbox import SOURCE

HERE = os.path.dirname(os.path.realpath(__file__))
SUPPORT = os.path.join(SOURCE, "tests/support")


class Scene:
    def __init__(self, sandbox):
        config = sandbox.configuration()
        config["supervisor"]["upgrade"].update(ready_timeout="8s")
        self.address = sandbox.web(config)
        self.baton = sandbox.supervisor(config, own_binary=True)
        self.baton.await_ready("web", 2)
        self.good_upgrade()  # the first one may set up what the others share
        self.load = sandbox.load(self.address, ["post:4", "new:4"], rate=400)
        self.master, self.pids, self.held = self.baton.master(), self.baton.pids(), self.kinds()
        self.file = sandbox.path("asked")

    def kinds(self):
        """What the keeper holds, with the numbers that each pipe or socket gets anew left out."""
        found = (re.sub(r"^/.*batond( \(deleted\))?$", "image", what) for what in self.baton.keeper.descriptors().values())
        return Counter(re.sub(r"\d+", "N", what) for what in found)

    def good_upgrade(self):
        last = self.baton.last_event()
        self.baton.install_binary(self.baton.real_binary)
        self.baton.run("upgrade", "--soak", "0s")
        self.baton.await_event("keeper.", after=last)  # its own program is renewed too
        self.baton.await_single()

    def start_rogue(self, mode):
        script = self.baton.binary
        command = " ".join(map(shlex.quote, [sys.executable, "-B", os.path.join(HERE, "rogue.py"), mode, self.file]))
        with open(script + ".new", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nPYTHONPATH={shlex.quote(SUPPORT)} exec {command}\n")
        os.chmod(script + ".new", 0o755)
        os.rename(script + ".new", script)
        last = self.baton.last_event()
        self.master.kill(signal.SIGUSR2)
        return last

    def await_return(self, last):
        """The rogue has ended, and everything is as before it came."""
        baton = self.baton
        baton.await_event("upgrade.returned", after=last)
        baton.await_single()
        assert baton.keeper.alive
        assert baton.master() == self.master, "the old master was there all the time"
        self.assert_as_before()
        held = [what for what in baton.keeper.descriptors().values() if "rogue" in what]
        assert not held, f"the keeper holds what a stranger sent: {held}"

    def assert_as_before(self):
        baton = self.baton
        assert baton.pids() == self.pids and all(one["state"] == "ready" for one in baton.instances())
        children = {child.pid for child in baton.keeper.children()}
        assert children == self.pids | {baton.master().pid}, f"children: {baton.keeper.children()}"

    def finish(self):
        """It is whole: it upgrades, rolls over and ends as ever."""
        baton = self.baton
        self.good_upgrade()
        self.assert_as_before()

        def as_before():
            assert self.kinds() == self.held, f"the keeper holds more: {self.kinds() - self.held}, less: {self.held - self.kinds()}"
            return True
        baton.until(as_before, "the keeper holds what it held", timeout=10)
        baton.run("restart", "web")
        self.load.stop(at_least=50)

    def asked(self):
        with open(self.file, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def is_refusal(one):
    return [(answer[0], answer[1]) for answer in one["answers"]] == [("REFUSED", [one["type"]])]


def judge(one, owner):
    """Whether the keeper answered as it must."""
    expected = one["what"].split(":")[0]
    if expected == "refused":
        return is_refusal(one)
    if expected == "harmless":  # malformed: the owner may be refused, or told that it failed, or not be answered
        failed = all(kind == "REFUSED" or kind == "SPAWN_DONE" and fields[2] != 0 for kind, fields, _ in one["answers"])
        return failed if owner else is_refusal(one)
    if expected in ("failed", "cut"):
        return is_refusal(one) or len(one["answers"]) == 1 and one["answers"][0][0] == "SPAWN_DONE" and one["answers"][0][1][2] != 0
    if expected == "ignored":
        return not one["answers"]
    return True


def assert_refused(asked, owner):
    assert asked, "nothing was asked"
    wrong = [one for one in asked if "answers" in one and not judge(one, owner)]
    assert not wrong, "not refused:\n" + "\n".join(f"  {one['what']}: {one['answers']}" for one in wrong)
    assert asked[-1]["what"] == "done", f"the last thing that was asked: {asked[-1]}"
    compared = [one for one in asked if one["what"].startswith("same")]
    assert len(compared) == 1 and compared[0]["before"] == compared[0]["after"], compared
    print(f"    {sum('answers' in one for one in asked)} requests, none carried out", flush=True)


def a_master_that_does_not_own(sandbox):
    scene = Scene(sandbox)
    last = scene.start_rogue("trial")
    scene.await_return(last)
    assert_refused(scene.asked(), owner=False)
    scene.finish()


def an_owner_with_another_fencing_number_or_malformed_requests(sandbox):
    scene = Scene(sandbox)
    last = scene.start_rogue("owner")
    scene.baton.await_phase("proved")
    scene.master.kill(signal.SIGWINCH)
    scene.await_return(last)
    assert_refused(scene.asked(), owner=True)
    scene.finish()


def a_master_that_closes_its_channel(sandbox):
    scene = Scene(sandbox)
    last = scene.start_rogue("mute")
    scene.await_return(last)
    assert [one["what"] for one in scene.asked()] == ["sent nothing"]
    scene.finish()


main(a_master_that_does_not_own, an_owner_with_another_fencing_number_or_malformed_requests, a_master_that_closes_its_channel)
