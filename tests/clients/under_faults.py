"""200 clients at once, and a server behind evenkeel is killed hard: who only asks for what may be asked twice sees nothing."""

import asyncio
import os
import signal
import ssl

import aiohttp

from common import *

CLIENTS = 200
# Enough of them for the retry budget, a share of the last ten seconds' requests, to cover all that are in flight at once.
BEFORE = 2000
AFTER = 2000
KILLS = 2

count = 0
failures = []


def services():
    """Each usable endpoint with the process behind it."""
    found = {}
    for endpoint in admin("/v1/pools/app")["endpoints"]:
        if endpoint["state"] == "up" and (endpoint["service"] or {}).get("pid"):
            found[endpoint["name"]] = endpoint["service"]["pid"]
    return found


async def ask(client, n):
    """GET, HEAD, PUT and DELETE in turn: idempotent, with and without a body."""
    method = ("GET", "PUT", "HEAD", "DELETE")[n % 4]
    body = pattern(2000) if method == "PUT" else None
    async with client.request(method, "/o/echo", data=body) as answer:
        text = await answer.text()
        if answer.status != 200:
            failures.append(f"{method}: {answer.status} {dict(answer.headers)} {text}")
        elif method == "PUT" and json.loads(text)["length"] != 2000:
            failures.append(f"PUT: {text}")


async def load(client, stop):
    global count
    while not stop.is_set():
        try:
            await ask(client, count)
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")
        count += 1


async def until(true, seconds, wanted):
    """Waits for something to become true, and no longer."""
    for _ in range(int(seconds / 0.05)):
        if await asyncio.to_thread(true):
            return
        await asyncio.sleep(0.05)
    check(False, f"{wanted} within {seconds} s", (await asyncio.to_thread(admin, "/v1/pools/app"), failures[:3]))


async def main():
    context = ssl.create_default_context(cafile=CA) if CA else False
    connector = aiohttp.TCPConnector(limit=CLIENTS, ssl=context)
    async with aiohttp.ClientSession(BASE, connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as client:
        stop = asyncio.Event()
        clients = [asyncio.create_task(load(client, stop)) for _ in range(CLIENTS)]
        for kill in range(KILLS):
            await until(lambda: len(services()) == 2, 20, "two endpoints up")
            start = count
            await until(lambda: count > start + BEFORE, 30, "requests before the fault")
            name, pid = sorted((await asyncio.to_thread(services)).items())[kill % 2]
            os.kill(pid, signal.SIGKILL)
            start = count
            await until(lambda: count > start + AFTER, 30, "requests after the fault")
            await until(lambda: services().get(name, pid) != pid, 20, f"{name} up again as another process")
        stop.set()
        await asyncio.gather(*clients)
    same(failures[:3], [], f"failures ({len(failures)} of {count})")
    saw(f"aiohttp {aiohttp.__version__}: {count} requests, {CLIENTS} at once, {KILLS} servers killed, no failure")


asyncio.run(main())
