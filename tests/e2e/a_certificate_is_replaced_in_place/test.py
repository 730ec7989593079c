# ctest: RUN_SERIAL TIMEOUT 240
"""HTTP/2 and TLS of clients, with curl and h2load: a certificate's files are replaced, and a reload takes them over
while the workers stay; one that cannot be used changes nothing; an upgrade under load cuts no request.
"""
import os
import subprocess
import time

from baton_e2e import main
from baton_e2e.sandbox import need


def make_certificate(sandbox, name, common):
    """PEM files of a certificate that signs itself, with the key readable by the master alone."""
    key, certificate = sandbox.path(name + ".key"), sandbox.path(name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    certificate, "-days", "2", "-subj", f"/CN={common}"], check=True, capture_output=True, timeout=60)
    os.chmod(key, 0o600)
    return certificate, key


def replace(certificate, key, new):
    os.replace(new[0], certificate)
    os.replace(new[1], key)


def subject(address):
    # What the server says of itself (frames of HTTP/2) is shown too, where it arrives before the end of the input.
    shown = subprocess.run(["openssl", "s_client", "-connect", address, "-alpn", "h2"], input="", capture_output=True, text=True, errors="replace",
                           timeout=20)
    return next((line.strip() for line in shown.stdout.splitlines() if line.strip().startswith("subject=")), shown.stdout + shown.stderr)


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "-k", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *arguments],
                          capture_output=True, text=True, timeout=20).stdout


def secure_web(sandbox):
    need("openssl", "curl", "h2load")
    certificate, key = make_certificate(sandbox, "server", "first")
    config = sandbox.configuration()
    config["supervisor"]["workers"] = 2
    plain, secure = sandbox.web(config, replicas=2, delivery="proxy"), sandbox.address()
    config.listener("secure", secure, "web", tls={"certificate": certificate, "key": key})
    baton = sandbox.supervisor(config)
    baton.await_ready("web", 2)
    return config, baton, plain, secure, certificate, key


def h2load(url, *more):
    return subprocess.Popen(["h2load", "-c", "8", "-m", "10", *more, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def assert_no_failure(load):
    text = load.communicate(timeout=60)[0]
    line = next(one for one in text.splitlines() if one.startswith("requests:"))
    assert " 0 failed, 0 errored, 0 timeout" in line and not line.startswith("requests: 0 total"), text


def every_version_is_spoken(sandbox):
    _, baton, plain, secure, _, _ = secure_web(sandbox)
    assert curl("--http2-prior-knowledge", f"http://{plain}/") == "200 2"
    assert curl("--http1.1", f"http://{plain}/") == "200 1.1"
    assert curl("--http2", f"https://{secure}/") == "200 2"
    assert curl("--http1.1", f"https://{secure}/") == "200 1.1"
    assert curl("--tls-max", "1.2", "--http2", f"https://{secure}/") == "200 2"
    for url in (f"http://{plain}/", f"https://{secure}/"):
        assert_no_failure(h2load(url, "-n", "5000"))
    baton.stop()


def the_files_change(sandbox):
    config, baton, _, secure, certificate, key = secure_web(sandbox)
    assert subject(secure).endswith("first"), subject(secure)
    workers = baton.workers()
    load = h2load(f"https://{secure}/", "-D", "8")
    for name in ("second", "third"):
        replace(certificate, key, make_certificate(sandbox, "next", name))
        baton.reload(config)
        baton.until(lambda name=name: subject(secure).endswith(name), "the new certificate is used")
        assert baton.workers() == workers
    # A key that is not the certificate's.
    os.replace(make_certificate(sandbox, "next", "fourth")[1], key)
    said = baton.reload(config, check=False)
    assert said.returncode != 0 and "the key is not the certificate's" in said.stdout + said.stderr, said
    tested = baton.batond("-t", "-c", baton.file)
    assert tested.returncode == 1 and "tls: " in tested.stderr and key in tested.stderr, tested
    assert subject(secure).endswith("third")
    assert_no_failure(load)
    assert baton.workers() == workers
    baton.stop()


def an_upgrade_under_load_cuts_nobody(sandbox):
    _, baton, plain, secure, _, _ = secure_web(sandbox)
    loads = [h2load(f"http://{plain}/", "-D", "10"), h2load(f"https://{secure}/", "-D", "10")]
    deadline = time.monotonic() + 60
    baton.run("upgrade", "--soak", "1s")
    assert time.monotonic() < deadline
    for load in loads:
        text = load.communicate(timeout=60)[0]
        # The clients of before are told to leave and do; h2load does not come back, so only what it had asked counts.
        line = next(one for one in text.splitlines() if one.startswith("status codes:"))
        assert "0 3xx, 0 4xx, 0 5xx" in line, text
    assert subject(secure).endswith("first")
    baton.stop()


main(every_version_is_spoken, the_files_change, an_upgrade_under_load_cuts_nobody)
