# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors

"""websocket_test.py URL [ROOTS] - talks to tests/http/websocket.c as python3-websockets
does: texts and bytes of all kinds of lengths, in one frame and in several, pings, and the
end."""

import asyncio
import ssl
import sys

import websockets

LENGTHS = (0, 1, 125, 126, 127, 65535, 65536, 1000000)


async def talk(url, context):
    async with websockets.connect(url, ssl=context, max_size=None, compression=None) as ws:
        for n in LENGTHS:
            await ws.send("x" * n)
            assert await ws.recv() == "x" * n, n
            data = bytes(i * 7 % 251 for i in range(n))
            await ws.send(data)
            assert await ws.recv() == data, n
        await ws.send(["one ", "two ", "", "three"])
        assert await ws.recv() == "one two three"
        await (await ws.ping(b"still there?"))
        for i in range(1000):
            await ws.send(str(i))
        for i in range(1000):
            assert await ws.recv() == str(i)
        await ws.close(4321, "bye")
        assert (ws.close_code, ws.close_reason) == (4321, "bye")


async def main():
    context = None
    if len(sys.argv) > 2:
        context = ssl.create_default_context(cafile=sys.argv[2])
    await asyncio.gather(*(talk(sys.argv[1], context) for _ in range(8)))
    try:
        await websockets.connect(sys.argv[1].replace("/ws", "/"), ssl=context)
    except websockets.InvalidStatusCode as error:
        assert error.status_code == 200
    print(f"websockets {websockets.__version__}: {sys.argv[1][:3]} goes")


asyncio.run(asyncio.wait_for(main(), 60))
