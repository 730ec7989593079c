# ctest: RUN_SERIAL
"""A new version that exits, hangs or never becomes ready is not kept: the service goes back to the old
revision by itself, `baton reload` says why, and no request fails.
"""
from baton_e2e import SERVER, ask, main

BAD = {
    "exits at once": {"command": [SERVER, "--exit-after", "0", "--exit-code", "3"]},
    "crashes": {"command": [SERVER, "--crash"]},
    "is missing": {"command": ["/nonexistent/program"]},
    "is never ready": {"command": [SERVER, "--never-ready"],
                       "startup": {"type": "http", "path": "/healthz", "interval": "100ms", "failure": 10}},
}


def goes_back(sandbox, more):
    baton, config, address = sandbox.running_web(2)
    pids = baton.pids("web")
    load = sandbox.load(address, ["post:4", "new:4"])
    bad = config.copy()
    bad["service"]["web"].update(version="2", rollout={"deadline": "8s"}, **more)
    result = baton.reload(bad, check=False)
    assert result.returncode == 1, f"baton reload: {result.returncode} {result.stdout} {result.stderr}"
    assert "web" in result.stdout + result.stderr
    baton.await_ready("web", 2, version="1")
    assert pids <= baton.pids("web"), "a good old instance was replaced"
    assert ask(address).version == "1"
    report = load.stop(at_least=200)
    assert set(report.versions) == {"1"}
    rejected = [one for one in baton.get("/v1/revisions") if one["state"] == "rejected"]
    assert rejected and rejected[0]["version"] == "2" and rejected[0]["reason"], rejected
    # A better version is taken afterwards.
    config["service"]["web"]["version"] = "3"
    baton.reload(config)
    assert ask(address).version == "3"


def exits_at_once(sandbox):
    goes_back(sandbox, BAD["exits at once"])


def crashes(sandbox):
    goes_back(sandbox, BAD["crashes"])


def is_missing(sandbox):
    goes_back(sandbox, BAD["is missing"])


def is_never_ready(sandbox):
    goes_back(sandbox, BAD["is never ready"])


main(exits_at_once, crashes, is_missing, is_never_ready)
