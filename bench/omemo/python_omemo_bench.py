#!/usr/bin/python3
"""python-omemo as a contender: "<row> <count>" a line in, microseconds of CPU time a line out.

The device is the one that the tests of interoperation use: a SessionManager whose storage is a dictionary.
"""

import asyncio
import logging
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../interop/python-omemo"))

from peer import OPERATIONS  # noqa: E402
from wire import OMEMO_2  # noqa: E402

TEXT = "a" * 200
PAGE = 50
DEVICES = 1000
made = 0


async def do(operation, **request):
    return await OPERATIONS[operation](request)


async def account(prekeys=1):
    """A new device of a new address; its name is the address."""
    global made
    made += 1
    name = f"peer-{made}@example.org"
    await do("init", account=name, jid=name, prekeys=prekeys, namespaces=[OMEMO_2])
    return name


async def encrypt(sender, to):
    result = await do("encrypt", account=sender, to=to, namespace=OMEMO_2, text=TEXT)
    if result["errors"]:
        raise RuntimeError(f"not encrypted: {result['errors'][0]}")
    return result["messages"][0]["xml"]


async def read(by, sender, xml):
    result = await do("decrypt", account=by, xml=xml, **{"from": sender})
    if result["body"] != TEXT:
        raise RuntimeError("another text was read than was sent")


async def say(sender, to):
    await read(to, sender, await encrypt(sender, to))


async def pair():
    alice, bob = await account(), await account()
    await say(alice, bob)
    await say(bob, alice)
    return alice, bob


async def session(count):
    alice = await account()
    peers = [await account() for _ in range(count)]

    async def work():
        for peer in peers:
            await say(alice, peer)

    return work


async def message(count):
    alice, bob = await pair()

    async def work():
        for _ in range(count):
            await say(alice, bob)

    return work


async def ping_pong(count):
    alice, bob = await pair()

    async def work():
        for _ in range(count):
            await say(alice, bob)
            await say(bob, alice)

    return work


async def page(count):
    alice, bob = await pair()
    messages = [await encrypt(alice, bob) for _ in range(PAGE * count)]

    async def work():
        for xml in messages:
            await read(bob, alice, xml)

    return work


crowd = None


async def fan_out(count):
    """All devices have the same bundle, and sessions that nobody has answered on yet."""
    global crowd
    if crowd is None:
        alice, bob = await account(), await account()
        bundle = (await do("bundle", account=bob))[OMEMO_2]["bundle"]
        devices = "".join(f'<device id="{i + 1}"/>' for i in range(DEVICES))
        await do(
            "put",
            jid="crowd@example.org",
            devices=[f'<devices xmlns="{OMEMO_2}">{devices}</devices>'],
            bundles=[{"device_id": i + 1, "xml": bundle} for i in range(DEVICES)],
        )
        await encrypt(alice, "crowd@example.org")
        crowd = alice

    async def work():
        for _ in range(count):
            await encrypt(crowd, "crowd@example.org")

    return work


# The library logs each step.
logging.disable(logging.CRITICAL)
ROWS = {"session": session, "message": message, "ping-pong": ping_pong, "page": page, "fan-out": fan_out}


async def main():
    for line in sys.stdin:
        name, count = line.split()
        work = await ROWS[name](int(count))
        start = time.process_time_ns()
        await work()
        print((time.process_time_ns() - start) // 1000, flush=True)


asyncio.run(main())
