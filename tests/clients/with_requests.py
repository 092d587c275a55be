"""Python `requests`: what most scripts and services in Python speak HTTP with."""

import gzip
import json
import threading

import requests
from requests.adapters import HTTPAdapter

from common import *

session = requests.Session()
session.trust_env = False
session.verify = CA or True
adapter = HTTPAdapter(pool_connections=1, pool_maxsize=8)
session.mount("http://", adapter)
session.mount("https://", adapter)
url = lambda path: BASE + path


def connections():
    """How many connections its pools have opened."""
    pools = adapter.poolmanager.pools
    return sum(pools[key].num_connections for key in pools.keys())


def keeps_its_connection():
    for _ in range(200):
        same(session.get(url("/o/bytes/100"), timeout=10).status_code, 200, "status")
    same(connections(), 1, "connections for 200 requests")


def speaks_every_method():
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
        body = b"x" * 1000 if method in ("POST", "PUT", "PATCH") else None
        answer = session.request(method, url("/o/echo"), data=body, timeout=10)
        same(answer.status_code, 200, method)
        same(answer.headers["x-method"], method, "the method that arrived")
        if method == "HEAD":
            same(answer.content, b"", "a HEAD's body")
            check(int(answer.headers["content-length"]) > 0, "the length a GET would have")
        else:
            same(answer.json()["length"], len(body or b""), f"{method}'s body")
    said = session.post(url("/o/echo"), json={"name": "Grüße", "n": [1, 2]}, timeout=10).json()
    same(said["headers"]["content-type"], "application/json", "content type")
    same(said["sha256"], sha256(json.dumps({"name": "Grüße", "n": [1, 2]}).encode()), "JSON")


def moves_bodies():
    for length in (0, 1, KIB64, MIB):
        answer = session.get(url(f"/o/bytes/{length}"), timeout=30)
        same(sha256(answer.content), answer.headers["x-sha256"], f"{length} bytes down")
        sent = pattern(length)
        said = session.put(url("/o/echo"), data=sent, timeout=30).json()
        same((said["length"], said["sha256"]), (length, sha256(sent)), f"{length} bytes up")
        said = session.post(url("/o/echo"), data=pieces(sent), timeout=30).json()
        same((said["length"], said["sha256"]), (length, sha256(sent)), f"{length} bytes up in chunks")
        with session.get(url(f"/o/chunked/{length}"), stream=True, timeout=30) as answer:
            got = b"".join(answer.iter_content(7000))
        same((len(got), sha256(got)), (length, answer.headers["x-sha256"]), f"{length} bytes down in chunks")


def leaves_compressed_bodies_alone():
    answer = session.get(url("/o/gzip"), stream=True, timeout=10)
    wire = answer.raw.read(decode_content=False)
    same(sha256(wire), answer.headers["x-sha256"], "the compressed bytes")
    same(json.loads(gzip.decompress(wire))["text"], "evenkeel " * 5000, "what was compressed")
    same(session.get(url("/o/gzip"), timeout=10).json()["text"], "evenkeel " * 5000, "decoded by requests")


def follows_redirects():
    answer = session.get(url("/o/redirect/3"), timeout=10)
    same([r.status_code for r in answer.history], [302, 302, 302], "redirects")
    same(answer.json()["target"], "/o/echo/redirected", "the end of them")
    # evenkeel's own, 308: the method and the body stay.
    answer = session.post(url("/old"), data=b"kept", timeout=10)
    same([r.status_code for r in answer.history], [308], "evenkeel's redirect")
    same((answer.json()["method"], answer.json()["length"]), ("POST", 4), "after a 308")


def keeps_targets_fields_and_cookies():
    same(session.get(url(PATH), timeout=10).json()["target"], PATH, "the target")
    said = session.get(url("/o/echo/日本 ö"), params={"q": "ü&="}, timeout=10).json()
    same(said["target"], "/o/echo/%E6%97%A5%E6%9C%AC%20%C3%B6?q=%C3%BC%26%3D", "what requests encodes")
    fields = {f"x-field-{n}": f"value {n} " + "v" * 180 for n in range(90)}
    said = session.get(url("/o/echo"), headers=fields, timeout=10).json()
    for name, value in fields.items():
        same(said["headers"].get(name), value, name)
    answer = session.get(url("/o/cookies"), timeout=10)
    same(len(answer.raw.headers.getlist("set-cookie")), 5, "Set-Cookie fields")
    same(sorted(session.cookies.keys()), ["a", "b", "c", "d", "e"], "cookies")
    sent = session.get(url("/o/echo"), timeout=10).json()["headers"]["cookie"]
    check("b=two" in sent and 'c="three, with a comma"' in sent, "the cookies sent back", sent)


def understands_evenkeels_own_answers():
    for path, status in [("/nowhere", 404), ("/nobody/", 503), ("/late/slow/5000", 504)]:
        answer = session.get(url(path), headers={"accept": "application/json"}, timeout=10)
        same(answer.status_code, status, path)
        own_answer(status, answer.headers)
        check(answer.json(), "a JSON body")
    same(session.get(url("/robots.txt"), timeout=10).text, "User-agent: *\nDisallow:\n", "a fixed answer")


def survives_its_own_timeouts():
    for _ in range(5):
        try:
            session.get(url("/o/slow/3000"), timeout=0.15)
            raise SystemExit("FAILED: wanted a time-out")
        except requests.exceptions.ReadTimeout:
            pass
        same(session.get(url("/o/bytes/10"), timeout=10).status_code, 200, "after a time-out")
    for _ in range(5):
        with session.get(url(f"/o/chunked/{8 * MIB}"), stream=True, timeout=10) as answer:
            next(answer.iter_content(1000))
        same(session.get(url("/o/bytes/10"), timeout=10).status_code, 200, "after a download that was left")


def serves_threads_at_once():
    failed = []

    def work():
        for _ in range(20):
            if session.get(url("/o/bytes/5000"), timeout=20).status_code != 200:
                failed.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    same(failed, [], "failures of 160 requests in 8 threads")


keeps_its_connection()
speaks_every_method()
moves_bodies()
leaves_compressed_bodies_alone()
follows_redirects()
keeps_targets_fields_and_cookies()
understands_evenkeels_own_answers()
survives_its_own_timeouts()
serves_threads_at_once()
saw(f"requests {requests.__version__}: all kinds of requests, 200 of them over one connection")
