"""WebSocket from Python `websockets`; its connections stay while evenkeel takes another configuration."""

import asyncio
import fcntl
import os
import ssl
import subprocess

import websockets
from websockets.asyncio.client import connect

from common import *

URL = BASE.replace("http", "ws", 1) + "/o/ws"
OPTIONS = dict(ssl=ssl.create_default_context(cafile=CA) if CA else None, max_size=16 * MIB, proxy=None)


async def one_by_one():
    for compression in ("deflate", None):
        async with connect(URL, subprotocols=["chat"], compression=compression, **OPTIONS) as socket:
            same(socket.subprotocol, "chat", "the protocol agreed on")
            for message in ("Grüße, 世界", b"\0\1\2", "", pattern(MIB), "x" * MIB):
                await socket.send(message)
                same(await socket.recv() == message, True, "what was sent, back")
            await socket.send(["one ", "two ", "three"])
            same(await socket.recv(), "one two three", "a message in three frames")
            await (await socket.ping("hello"))
            await socket.send("ping me")
            same(await socket.recv(), "pong are you there", "a ping from the endpoint")
            await socket.send("close 4321")
            await socket.wait_closed()
            same((socket.close_code, socket.close_reason), (4321, "as asked"), "close code")
    async with connect(URL, **OPTIONS) as socket:
        await socket.close(1001, "going")
        same(socket.close_code, 1001, "the close code said back")
    try:
        await connect(BASE.replace("http", "ws", 1) + "/o/echo", **OPTIONS)
        raise SystemExit("FAILED: wanted a refused handshake")
    except websockets.exceptions.InvalidStatus as refused:
        same(refused.response.status_code, 501, "the status of a refused handshake")


def reload(more):
    """Adds to the configuration and has it applied. The same client with and without TLS may do so at the same time."""
    with open(CONFIG + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(CONFIG) as file:
            text = file.read()
        with open(CONFIG + ".part", "w") as file:
            file.write(text + more)
        os.replace(CONFIG + ".part", CONFIG)
        done = subprocess.run([EVENKEEL, "reload", "--admin", ADMIN], capture_output=True, text=True)
        same(done.returncode, 0, f"reload, which said {done.stdout}{done.stderr}")


async def through_a_reload():
    sockets = await asyncio.gather(*(connect(URL, **OPTIONS) for _ in range(100)))
    revision = admin("/v1/status")["revision"]
    for round in range(3):
        reload(f'\n[[route]]\npath = "=/reloaded/{round}"\nrespond = {{ status = 200, body = "{round}" }}\n')
        await asyncio.gather(*(socket.send(f"{round} {n}") for n, socket in enumerate(sockets)))
        answers = await asyncio.gather(*(socket.recv() for socket in sockets))
        same(answers, [f"{round} {n}" for n in range(100)], "answers after a reload")
    check(admin("/v1/status")["revision"] >= revision + 3, "three more revisions")
    await asyncio.gather(*(socket.close() for socket in sockets))
    same({socket.close_code for socket in sockets}, {1000}, "close codes")


asyncio.run(one_by_one())
asyncio.run(through_a_reload())
saw(f"websockets {websockets.__version__}: text, binary, 1 MiB, fragments, pings, close codes; 100 through three reloads")
