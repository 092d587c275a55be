"""Python `aiohttp`: many requests at once over a pool of connections, streams in both directions."""

import asyncio
import ssl

import aiohttp

from common import *

opened = reused = 0


async def on_open(*_):
    global opened
    opened += 1


async def on_reuse(*_):
    global reused
    reused += 1


def session(limit):
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(on_open)
    trace.on_connection_reuseconn.append(on_reuse)
    context = ssl.create_default_context(cafile=CA) if CA else False
    return aiohttp.ClientSession(
        BASE,
        connector=aiohttp.TCPConnector(limit=limit, ssl=context),
        trace_configs=[trace],
        timeout=aiohttp.ClientTimeout(total=30),
        cookie_jar=aiohttp.CookieJar(unsafe=True),
    )


async def one_after_the_other():
    async with session(1) as client:
        for _ in range(200):
            async with client.get("/o/bytes/100") as answer:
                same(len(await answer.read()), 100, "length")
        same((opened, reused), (1, 199), "connections opened and used again")
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
            async with client.request(method, "/o/echo", data=None) as answer:
                same((answer.status, answer.headers["x-method"]), (200, method), method)
        for length in (KIB64, MIB):

            async def upload():
                for piece in pieces(pattern(length)):
                    yield piece

            async with client.post("/o/echo", data=upload()) as answer:
                same((await answer.json())["sha256"], sha256(pattern(length)), "up in chunks")
            async with client.put("/o/echo", data=pattern(length)) as answer:
                same((await answer.json())["sha256"], sha256(pattern(length)), "up")
            for kind in ("bytes", "chunked"):
                async with client.get(f"/o/{kind}/{length}") as answer:
                    same(sha256(await answer.read()), answer.headers["x-sha256"], f"down, {kind}")
        async with client.post("/o/echo", json={"a": "ü"}) as answer:
            same((await answer.json())["headers"]["content-type"], "application/json", "content type")
        async with client.get("/o/gzip") as answer:
            same(len((await answer.json())["text"]), 45000, "decoded")
        async with client.get("/o/redirect/3") as answer:
            same(len(answer.history), 3, "redirects")
        async with client.get(PATH) as answer:
            same((await answer.json())["target"], PATH, "the target")
        async with client.get("/o/cookies") as answer:
            same(len(answer.headers.getall("set-cookie")), 5, "Set-Cookie fields")
        for path, status in [("/nowhere", 404), ("/nobody/", 503), ("/late/slow/5000", 504)]:
            async with client.get(path) as answer:
                same(answer.status, status, path)
                own_answer(status, answer.headers)
        async with client.post("/o/echo", data=pattern(KIB64), expect100=True) as answer:
            same((await answer.json())["length"], KIB64, "after 100 Continue")


async def many_at_once():
    async with session(200) as client:

        async def one(n):
            if n % 3:
                async with client.get(f"/o/bytes/{n}") as answer:
                    return answer.status == 200 and len(await answer.read()) == n
            async with client.post("/o/echo", data=pattern(n * 20)) as answer:
                return (await answer.json())["length"] == n * 20

        for _ in range(5):
            done = await asyncio.gather(*(one(n) for n in range(200)))
            same(all(done), True, "all of 200 at once")


async def aborted():
    async with session(20) as client:
        for _ in range(10):
            tasks = [asyncio.ensure_future(client.get("/o/drip/100/20")) for _ in range(5)]
            tasks += [asyncio.ensure_future(client.get("/o/slow/3000")) for _ in range(5)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            for answer in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(answer, aiohttp.ClientResponse):
                    answer.close()
            async with client.get("/o/bytes/10") as answer:
                same(answer.status, 200, "after ten aborts")


asyncio.run(one_after_the_other())
asyncio.run(many_at_once())
asyncio.run(aborted())
saw(f"aiohttp {aiohttp.__version__}: 200 at once, {opened} connections opened, {reused} times one was used again")
