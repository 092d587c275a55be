"""curl, with the options that make it another client each time."""

import json
import os
import subprocess
import tempfile

from common import *

folder = tempfile.mkdtemp(prefix="curl-", dir=os.environ["SITE_FOLDER"])
PROXIES = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def curl(*arguments, stdin=None, wanted=0):
    """Runs it and gives back what it printed."""
    command = ["curl", "--silent", "--show-error", "--globoff", "--max-time", "30", *(["--cacert", CA] if CA else []), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, env=PROXIES)
    check(done.returncode == wanted, f"exit code {wanted} of {' '.join(command)}", (done.returncode, done.stderr, done.stdout[:500]))
    return done.stdout


def said(*arguments, **more):
    return json.loads(curl(*arguments, **more))


def status(*arguments, **more):
    out = curl("--output", os.devnull, "--write-out", "%{http_code}", *arguments, **more)
    return int(out)


def file(name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as out:
        out.write(data)
    return path


# One connection for many requests.
words = [word for n in range(100) for word in ("--output", os.devnull, f"{BASE}/o/bytes/{n}")]
counts = curl("--write-out", "%{num_connects}\n", *words).split()
same((len(counts), sum(map(int, counts))), (100, 1), "requests and connections")

# Methods, JSON, forms.
for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
    same(said("--request", method, f"{BASE}/o/echo")["method"], method, "method")
check(b"HTTP/1.1 200" in curl("--head", f"{BASE}/o/bytes/1000"), "an answer to HEAD")
head = curl("--head", f"{BASE}/o/bytes/1000").lower()
check(b"content-length: 1000" in head, "the length in HEAD", head)
same(said("--json", '{"a":"\u00fc"}', f"{BASE}/o/echo")["length"], 10, "JSON")
form = said("--form", "field=value", "--form", f"file=@{file('form', pattern(KIB64))}", f"{BASE}/o/echo")
check(form["length"] > KIB64, "a form with a file", form)

# Bodies: of known length, in chunks, up and down; curl waits for 100 Continue with those of 1 MiB.
for length in (KIB64, MIB):
    data = pattern(length)
    path = file("body", data)
    for how in (["--upload-file", path], ["--header", "Transfer-Encoding: chunked", "--upload-file", path]):
        answer = said(*how, f"{BASE}/o/echo/put")
        same((answer["method"], answer["sha256"]), ("PUT", sha256(data)), f"{length} bytes by {how}")
    answer = said("--header", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", f"@{path}", f"{BASE}/o/echo")
    same(answer["sha256"], sha256(data), "after 100 Continue")
    answer = said("--upload-file", "-", f"{BASE}/o/echo/put", stdin=data)
    same(answer["sha256"], sha256(data), "from a pipe")
    for kind in ("bytes", "chunked"):
        same(curl(f"{BASE}/o/{kind}/{length}"), data, f"{length} {kind} down")
seen = subprocess.run(
    ["curl", "-sv", "--globoff", *(["--cacert", CA] if CA else []), "--header", "Expect: 100-continue", "--data-binary", f"@{path}", f"{BASE}/o/echo"],
    capture_output=True, env=PROXIES,
).stderr
check(b"HTTP/1.1 100 Continue" in seen, "100 Continue before the answer", seen[-2000:])
same(status("--header", "Expect: 100-continue", "--header", "x-refuse: yes", "--data-binary", f"@{path}", f"{BASE}/o/echo"), 417, "a refused expectation")

# What passes untouched: compressed bodies, ranges, validators, trailers, targets.
same(sha256(curl("--header", "Accept-Encoding: gzip", f"{BASE}/o/gzip")), curl("--head", f"{BASE}/o/gzip").decode().lower().split("x-sha256: ")[1].split()[0], "compressed bytes")
same(len(json.loads(curl("--compressed", f"{BASE}/o/gzip"))["text"]), 45000, "decoded by curl")
same(curl("--range", "100-299", f"{BASE}/o/bytes/1000"), pattern(1000)[100:300], "a range")
same(status("--header", 'If-None-Match: "1000"', f"{BASE}/o/bytes/1000"), 304, "not modified")
same(status(f"{BASE}/o/status/204"), 204, "no content")
check(b"x-trailer-sha256: " in curl("--raw", "--header", "TE: trailers", f"{BASE}/o/chunked/1000").lower(), "the trailer")
same(said(BASE + PATH)["target"], PATH, "the target")
same(said("--path-as-is", f"{BASE}/o/x/../echo/./%7Eu")["target"], "/o/echo/~u", "the target without dots")
same(status("--path-as-is", f"{BASE}/../../etc/passwd"), 400, "a path above the root")
fields = [word for n in range(90) for word in ("--header", f"x-field-{n}: {'v' * 200}")]
same(sum(name.startswith("x-field-") for name in said(*fields, f"{BASE}/o/echo")["headers"]), 90, "fields")

# Redirects and cookies.
same(said("--location", f"{BASE}/o/redirect/5")["target"], "/o/echo/redirected", "redirects")
same(said("--location", "--data", "kept", f"{BASE}/old")["length"], 4, "a body after 308")
jar = os.path.join(folder, "jar")
curl("--cookie-jar", jar, f"{BASE}/o/cookies")
same(said("--cookie", jar, f"{BASE}/o/echo")["headers"]["cookie"].count("="), 5, "cookies")

# HTTP/1.0: the answer ends with the connection, or keeps it if asked to.
same(curl("--http1.0", f"{BASE}/o/chunked/{KIB64}"), pattern(KIB64), "1.0, a body without length")
check(b"transfer-encoding" not in curl("--http1.0", "--include", f"{BASE}/o/chunked/10").lower(), "no chunks for 1.0")
same(curl("--http1.0", f"{BASE}/o/bytes/{MIB}"), pattern(MIB), "1.0, a body with length")
same(said("--http1.0", "--data-binary", f"@{path}", f"{BASE}/o/echo")["sha256"], sha256(data), "1.0, a body up")
same(said("--http1.0", "--header", "Connection: keep-alive", f"{BASE}/o/echo")["version"], "1.1", "what the endpoint gets")

# evenkeel's own answers, and a client that goes away.
for target, wanted in [("/nowhere", 404), ("/nobody/", 503), ("/late/slow/5000", 504), ("/robots.txt", 200)]:
    same(status(BASE + target), wanted, target)
for _ in range(5):
    curl("--max-time", "0.2", f"{BASE}/o/slow/5000", wanted=28)
    curl("--max-time", "0.2", "--output", os.devnull, f"{BASE}/o/drip/100/50", wanted=28)
    same(status(f"{BASE}/o/bytes/10"), 200, "after two aborts")

# Many at once.
targets = [word for n in range(100) for word in ("--output", os.devnull, f"{BASE}/o/bytes/{n * 100}")]
curl("--fail", "--parallel", "--parallel-max", "50", *targets)

six = os.environ.get("SITE_BASE6")
if six:
    same(status(f"{six}/o/bytes/10"), 200, "over IPv6")
version = curl("--version").split()[1].decode()
saw(f"curl {version}: 1.0 and 1.1, bodies both ways, 100 at once{', IPv4 and IPv6' if six else ''}")
