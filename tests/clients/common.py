"""What the Python clients share: where evenkeel is, what the origin's pattern is, and how a client says what it saw.

Every client is a program of its own: it ends with 0 and one line of what it saw, or with the first thing that was wrong.
"""

import hashlib
import json
import os
import sys
import urllib.request

# http://127.0.0.1:PORT or https://localhost:PORT
BASE = os.environ["SITE_BASE"]
# The authority that vouches for it; empty without TLS.
CA = os.environ.get("SITE_CA", "")
ADMIN = os.environ["SITE_ADMIN"]
EVENKEEL = os.environ["SITE_EVENKEEL"]
# What evenkeel runs.
CONFIG = os.environ["SITE_CONFIG"]

KIB64 = 64 * 1024
MIB = 1024 * 1024

# A target with what clients write in their own ways: UTF-8, encoded separators, empty and repeated parameters.
PATH = "/o/echo/caf%C3%A9/%E6%97%A5%E6%9C%AC/a%20b%2Fc?q=a%20b&q=%26%3D&empty=&u=%C3%BC"


def check(true, wanted, found=None):
    """Ends the client where something is not as it was wanted."""
    if not true:
        raise SystemExit(f"FAILED: wanted {wanted}, found {found!r}")


def same(found, wanted, what):
    """Both are equal."""
    check(found == wanted, f"{what} = {wanted!r}", found)


def pattern(length):
    """What the origin sends: the same bytes as its `pattern`."""
    block = bytes((at * 31 + (at >> 8)) & 0xFF for at in range(min(length, 65536)))
    return (block * (length // 65536 + 1))[:length]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pieces(data, size=10_000):
    """The body piece by piece, for uploads whose length is not said."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


def admin(path, method="GET"):
    """What evenkeel says about itself."""
    request = urllib.request.Request(ADMIN + path, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def own_answer(status, fields):
    """An answer of evenkeel's own says so, and why."""
    said = fields.get("proxy-status", "")
    check(said.startswith("evenkeel"), f"a Proxy-Status of evenkeel with {status}", said)
    if status == 503:
        check(fields.get("retry-after", "").isdigit(), "Retry-After in seconds", fields.get("retry-after"))


def saw(line):
    """The client's last word."""
    print(line)
    sys.exit(0)
