"""Python `httpx`, blocking and asynchronous."""

import asyncio
import json
import ssl

import httpx

from common import *

context = ssl.create_default_context(cafile=CA or None)
options = dict(base_url=BASE, verify=context, trust_env=False, timeout=20)


def local_port(answer):
    return answer.extensions["network_stream"].get_extra_info("client_addr")[1]


def blocking():
    with httpx.Client(**options) as client:
        ports = {local_port(client.get("/o/bytes/10")) for _ in range(100)}
        same(len(ports), 1, "connections for 100 requests")
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
            answer = client.request(method, "/o/echo")
            same((answer.status_code, answer.headers["x-method"]), (200, method), method)
        for length in (KIB64, MIB):
            answer = client.get(f"/o/bytes/{length}")
            same(sha256(answer.content), answer.headers["x-sha256"], f"{length} bytes down")
            said = client.post("/o/echo", content=pieces(pattern(length))).json()
            same((said["length"], said["sha256"]), (length, sha256(pattern(length))), "up in chunks")
            with client.stream("GET", f"/o/chunked/{length}") as answer:
                got = b"".join(answer.iter_bytes())
            same(sha256(got), answer.headers["x-sha256"], "down in chunks")
        with client.stream("GET", "/o/gzip") as answer:
            same(sha256(b"".join(answer.iter_raw())), answer.headers["x-sha256"], "compressed bytes")
        same(len(client.get("/o/gzip").json()["text"]), 45000, "decoded")
        same(len(client.get("/o/redirect/4", follow_redirects=True).history), 4, "redirects")
        same(client.get(PATH).json()["target"], PATH, "the target")
        same(len(client.get("/o/cookies").headers.get_list("set-cookie")), 5, "Set-Cookie fields")
        same(sorted(client.cookies.keys()), ["a", "b", "c", "d", "e"], "cookies")
        said = client.post("/o/echo", json={"a": "ü"}).json()
        same(said["headers"]["content-type"], "application/json", "content type")
        files = {"file": ("name.bin", pattern(KIB64), "application/octet-stream")}
        said = client.post("/o/echo", files=files, data={"field": "value"}).json()
        check(said["length"] > KIB64 and "multipart/form-data" in said["headers"]["content-type"], "a form", said)
        for path, status in [("/nowhere", 404), ("/nobody/", 503), ("/late/slow/5000", 504)]:
            answer = client.get(path)
            same(answer.status_code, status, path)
            own_answer(status, answer.headers)


async def asynchronous():
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx.AsyncClient(**options, limits=limits) as client:
        answers = await asyncio.gather(*(client.get(f"/o/bytes/{n}") for n in range(200)))
        same([len(answer.content) for answer in answers], list(range(200)), "lengths of 200 at once")

        async def upload():
            for piece in pieces(pattern(MIB)):
                yield piece

        said = await asyncio.gather(*(client.put("/o/echo", content=upload()) for _ in range(8)))
        same({s.json()["sha256"] for s in said}, {sha256(pattern(MIB))}, "8 streams of 1 MiB up at once")
        for _ in range(10):
            try:
                await client.get("/o/slow/3000", timeout=0.1)
                raise SystemExit("FAILED: wanted a time-out")
            except httpx.ReadTimeout:
                pass
            task = asyncio.ensure_future(client.get(f"/o/drip/100/20"))
            await asyncio.sleep(0.05)
            task.cancel()
            same((await client.get("/o/bytes/10")).status_code, 200, "after a time-out and an abort")


blocking()
asyncio.run(asynchronous())
saw(f"httpx {httpx.__version__}: blocking and asynchronous, 200 requests at once")
