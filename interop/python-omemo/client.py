#!/usr/bin/python3
"""A whole client as a peer: slixmpp for the stream, python-omemo for the rest; JSON lines over stdin and stdout.

One process holds many devices, each with a stream of its own and an in-memory storage, which survives that the
stream ends. Requests and replies are as in `peer.py`, but they overlap: only the requests of one device wait for
each other, and `next` for nobody.

  connect      {account, jid (with resource), password, host, port, certificate (path), namespaces? (both, best
               first), prekeys?, trust?} -> {device_id, identity_key, jid}; the same account again goes on with
               what it has stored
  disconnect   {account} -> {}
  send         {account, to, text, kind? ("chat" or "groupchat"), recipients? ([to]), namespaces? (those of the
               account), message_id?} -> {errors: [{namespace, jid, device_id, error, message}], sent: [namespace]}
  next         {account, kinds? (["message", "failed"]), timeout} -> the oldest of these kinds that was not asked for:
               {kind: "message", body, ...} | {kind: "empty", ...} | {kind: "plain", body, ...} |
               {kind: "own" | "other" (empty, for another device), ...} | {kind: "failed", error, message, ...}, with
               {from, sender, to, type, id, via ("live", "carbon-sent", "carbon-received", "archive"), namespace,
               device_id, identity_key, trust}
  archive      {account, room?, after?, page?} -> {last}; decrypts what is archived, for `next`
  devices      {account, jid, refresh?} -> {devices: [{device_id, identity_key, namespaces, active, trust, label}]}
  trust        {account, jid, device_id, level} -> {}
  join         {account, room, nick} -> {}
"""

import asyncio
import inspect
import json
import logging
import os
import sys
import xml.etree.ElementTree as ET

import oldmemo
import oldmemo.etree
import omemo
import twomemo
import twomemo.etree

from account import PREKEYS, TRUST, Memory, frugal
from stream import EVENT, LIST_NODE, RequestFailed, Stream, bundle_place
from wire import AXOLOTL, ETREE, LIST_NAME, OMEMO_2, DriverError, b64, envelope, envelope_body, utf8

HINTS = "urn:xmpp:hints"
EME = "urn:xmpp:eme:0"
NO_PLAINTEXT = "I sent you an OMEMO encrypted message but your client doesn't seem to support that."

DEVICES = {}
OPERATIONS = {}


def operation(function):
    OPERATIONS[function.__name__.strip("_")] = function
    return function


class Device:
    """One device: a session manager, the stream it has at present, and what came in."""

    def __init__(self, jid, options):
        self.jid = jid
        self.options = options
        self.namespaces = options["namespaces"]
        self.storage = Memory({})
        self.backends = {}
        self.manager = None
        self.stream = None
        self.told = set()
        self.results = {}
        self.inbox = []
        self.wake = asyncio.Event()
        self.turn = asyncio.Lock()
        self.work = set()

    async def connect(self, request):
        self.stream = Stream(self, request["jid"], request["password"], request["certificate"])
        await self.stream.open(request["host"], request["port"])
        # Held until it is set up, so that what comes with the first presence waits.
        async with self.turn:
            await self.stream.available()
            if self.manager is None:
                await self.start()
            else:
                await self.manager.ensure_data_consistency()

    async def start(self):
        for namespace in self.namespaces:
            library = {OMEMO_2: twomemo.Twomemo, AXOLOTL: oldmemo.Oldmemo}[namespace]
            self.backends[namespace] = frugal(library, self.options["prekeys"])(self.storage)
        self.manager = await manager_class(self).create(
            backends=list(self.backends.values()),
            storage=self.storage,
            own_bare_jid=self.jid,
            initial_own_label=None,
            undecided_trust_level_name=self.options["trust"],
        )
        await self.manager.after_history_sync()

    async def described(self):
        device, _ = await self.manager.get_own_device_information()
        return {"device_id": device.device_id, "identity_key": b64(device.identity_key), "jid": self.stream.boundjid.full}

    def later(self, work):
        """In turn, after all that is under way."""

        async def in_turn():
            async with self.turn:
                await work

        task = asyncio.ensure_future(in_turn())
        self.work.add(task)
        task.add_done_callback(self.work.discard)

    def on_event(self, jid, event):
        for namespace in self.namespaces:
            for items in event.findall(f"{{{EVENT}}}items[@node='{LIST_NODE[namespace]}']"):
                for payload in items.findall(f"{{{EVENT}}}item/*"):
                    self.later(self.listed(namespace, jid, payload))

    async def look_up(self, jids):
        """The lists that no event has told of."""
        for namespace in self.namespaces:
            for jid in jids:
                if (namespace, jid) not in self.told:
                    await self.manager.refresh_device_list(namespace, jid)

    async def listed(self, namespace, jid, payload):
        try:
            self.told.add((namespace, jid))
            await self.manager.update_device_list(namespace, jid, parse_list(namespace, payload))
        except Exception as error:  # pylint: disable=broad-except
            self.arrived({"kind": "failed", "error": type(error).__name__, "message": str(error), "list": jid})

    def on_message(self, stanza, via):
        self.later(self.read(stanza, via))

    async def read(self, stanza, via):
        sender = stanza.get("from", self.jid)
        bare = sender.partition("/")[0]
        if stanza.get("type") == "groupchat":
            bare = self.stream.occupants.get(sender)
        about = {
            "from": sender,
            "sender": bare,
            "to": stanza.get("to"),
            "type": stanza.get("type"),
            "id": stanza.get("id"),
            "via": via,
        }
        self.arrived({**about, **await self.opened(stanza, bare)})

    async def opened(self, stanza, sender):
        encrypted = [(name, stanza.find(f"{{{name}}}encrypted")) for name in self.namespaces]
        encrypted = [(name, element) for name, element in encrypted if element is not None]
        if not encrypted:
            body = stanza.findtext("{jabber:client}body")
            return {"kind": "plain", "body": body}
        failure = DriverError("nobody is known to have sent it")
        for namespace, element in encrypted if sender else []:
            try:
                return {"namespace": namespace, **await self.decrypted(namespace, element, sender)}
            except omemo.MessageNotForUs as error:
                failure = error
                # For another device of this account.
                if element.find(f"{{{namespace}}}payload") is None:
                    return {"kind": "other", "namespace": namespace}
            except Exception as error:  # pylint: disable=broad-except
                failure = error
                break
        return {"kind": "failed", "error": type(failure).__name__, "message": str(failure)}

    async def decrypted(self, namespace, element, sender):
        if namespace == AXOLOTL:
            message = oldmemo.etree.parse_message(element, sender, self.jid, self.manager)
        else:
            message = twomemo.etree.parse_message(element, sender)
        if inspect.isawaitable(message):
            message = await message
        own, _ = await self.manager.get_own_device_information()
        if (message.bare_jid, message.device_id) == (self.jid, own.device_id):
            return {"kind": "own"}
        plaintext, device, _ = await self.manager.decrypt(message)
        about = {
            "device_id": device.device_id,
            "identity_key": b64(device.identity_key),
            "trust": device.trust_level_name,
        }
        if plaintext is None:
            return {"kind": "empty", **about}
        body = utf8(plaintext) if namespace == AXOLOTL else envelope_body(plaintext)
        return {"kind": "message", "body": body, **about}

    def arrived(self, record):
        self.inbox.append(record)
        self.wake.set()

    async def next(self, kinds):
        while True:
            for index, record in enumerate(self.inbox):
                if record["kind"] in kinds:
                    return self.inbox.pop(index)
            self.wake.clear()
            await self.wake.wait()


def parse_list(namespace, payload):
    if payload is None or len(payload) == 0:
        return {}
    return ETREE[namespace].parse_device_list(payload)


def manager_class(device):
    """The library calls these before `create` has returned an instance, hence a class per device."""

    class Manager(omemo.SessionManager):
        @staticmethod
        async def _upload_bundle(bundle):
            node, item = bundle_place(bundle.namespace, bundle.device_id)
            room = {"pubsub#max_items": "max"} if bundle.namespace == OMEMO_2 else {}
            try:
                await device.stream.publish(node, item, ETREE[bundle.namespace].serialize_bundle(bundle), room)
            except RequestFailed as error:
                raise omemo.BundleUploadFailed(str(error)) from error

        @staticmethod
        async def _download_bundle(namespace, bare_jid, device_id):
            node, item = bundle_place(namespace, device_id)
            try:
                # Other clients call the only item of a 0.3 bundle otherwise.
                found = await device.stream.item(bare_jid, node, item if namespace == OMEMO_2 else None)
            except RequestFailed as error:
                raise omemo.BundleDownloadFailed(str(error)) from error
            if found is None:
                raise omemo.BundleNotFound(f"{namespace} {bare_jid} {device_id}")
            try:
                return ETREE[namespace].parse_bundle(found, bare_jid, device_id)
            except Exception as error:
                raise omemo.BundleDownloadFailed(f"{type(error).__name__}: {error}") from error

        @staticmethod
        async def _delete_bundle(namespace, device_id):
            await device.stream.retract(*bundle_place(namespace, device_id))

        @staticmethod
        async def _upload_device_list(namespace, device_list):
            try:
                payload = ETREE[namespace].serialize_device_list(device_list)
                await device.stream.publish(LIST_NODE[namespace], "current", payload, {})
            except RequestFailed as error:
                raise omemo.DeviceListUploadFailed(str(error)) from error

        @staticmethod
        async def _download_device_list(namespace, bare_jid):
            try:
                return parse_list(namespace, await device.stream.item(bare_jid, LIST_NODE[namespace]))
            except RequestFailed as error:
                raise omemo.DeviceListDownloadFailed(str(error)) from error

        async def _evaluate_custom_trust_level(self, device):
            return TRUST[device.trust_level_name]

        async def _make_trust_decision(self, undecided, identifier):
            """Nobody is there to decide: undecided devices stay so, and `encrypt` raises."""

        @staticmethod
        async def _send_message(message, bare_jid):
            encrypted = ETREE[message.namespace].serialize_message(message)
            device.stream.send_children(bare_jid, "chat", [encrypted, ET.Element(f"{{{HINTS}}}store")])

    return Manager


def device_of(request):
    device = DEVICES.get(request["account"])
    if device is None:
        raise DriverError(f"no account {request['account']}")
    return device


@operation
async def connect(request):
    options = {
        "namespaces": request.get("namespaces", list(ETREE)),
        "prekeys": request.get("prekeys", PREKEYS),
        "trust": request.get("trust", "blind"),
    }
    device = DEVICES.get(request["account"])
    if device is None:
        device = DEVICES[request["account"]] = Device(request["jid"].partition("/")[0], options)
    await device.connect(request)
    return await device.described()


@operation
async def disconnect(request):
    device = device_of(request)
    async with device.turn:
        await device.stream.leave()
    return {}


@operation
async def send(request):
    device = device_of(request)
    to, kind = request["to"], request.get("kind", "chat")
    recipients = frozenset(request.get("recipients", [to]))
    order = request.get("namespaces", device.namespaces)
    text = request["text"]
    plaintext = {AXOLOTL: text.encode("UTF-8"), OMEMO_2: envelope(text, device.jid, [to])}
    async with device.turn:
        await device.look_up(sorted(recipients))
        messages, errors = await device.manager.encrypt(
            recipients, {name: plaintext[name] for name in device.namespaces}, order
        )
        children = [ETREE[message.namespace].serialize_message(message) for message in messages]
        sent = [message.namespace for message in messages]
        children.append(ET.Element(f"{{{EME}}}encryption", namespace=sent[0], name="OMEMO"))
        children.append(ET.Element(f"{{{HINTS}}}store"))
        if AXOLOTL in sent:
            fallback = ET.Element("{jabber:client}body")
            fallback.text = NO_PLAINTEXT
            children.append(fallback)
        device.stream.send_children(to, kind, children, request.get("message_id"))
    return {
        "sent": sent,
        "errors": [
            {
                "namespace": error.namespace,
                "jid": error.bare_jid,
                "device_id": error.device_id,
                "error": type(error.exception).__name__,
                "message": str(error.exception),
            }
            for error in errors
        ],
    }


@operation
async def next_(request):
    device = device_of(request)
    kinds = request.get("kinds", ["message", "failed"])
    try:
        return await asyncio.wait_for(device.next(kinds), request["timeout"] / 1000)
    except asyncio.TimeoutError:
        raise DriverError(f"nothing came for {device.jid}; there is {json.dumps(device.inbox)}") from None


@operation
async def archive(request):
    device = device_of(request)
    last = request.get("after")
    async with device.turn:
        device.manager.before_history_sync()
        async for last, message in device.stream.archive(request.get("room"), last, request.get("page", 50)):
            await device.read(message, "archive")
        await device.manager.after_history_sync()
    return {"last": last}


@operation
async def devices(request):
    device = device_of(request)
    async with device.turn:
        if request.get("refresh", False):
            for namespace in device.namespaces:
                await device.manager.refresh_device_list(namespace, request["jid"])
        known = await device.manager.get_device_information(request["jid"])
    return {
        "devices": [
            {
                "device_id": each.device_id,
                "identity_key": b64(each.identity_key),
                "namespaces": sorted(each.namespaces),
                "active": dict(each.active),
                "trust": each.trust_level_name,
                "label": each.label,
            }
            for each in sorted(known, key=lambda each: each.device_id)
        ]
    }


async def known_device(device, request):
    for each in await device.manager.get_device_information(request["jid"]):
        if each.device_id == request["device_id"]:
            return each
    raise DriverError(f"no device {request['device_id']} of {request['jid']} is known")


@operation
async def trust(request):
    device = device_of(request)
    if request["level"] not in TRUST:
        raise DriverError(f"unknown trust level {request['level']}")
    async with device.turn:
        known = await known_device(device, request)
        await device.manager.set_trust(request["jid"], known.identity_key, request["level"])
    return {}


@operation
async def join(request):
    await device_of(request).stream.join(request["room"], request["nick"])
    return {}


async def answer(line):
    request_id = None
    try:
        request = json.loads(line)
        request_id = request.get("id")
        if request.get("op") not in OPERATIONS:
            raise DriverError(f"unknown op {request.get('op')}")
        return {"id": request_id, "result": await OPERATIONS[request["op"]](request)}
    except Exception as error:  # pylint: disable=broad-except
        return {"id": request_id, "error": type(error).__name__, "message": str(error)}


async def serve(replies):
    loop = asyncio.get_event_loop()
    requests = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)

    def say(line):
        replies.write(json.dumps(line) + "\n")
        replies.flush()

    async def reply(line):
        say(await answer(line))

    say({"ready": True})
    under_way = set()
    while line := await requests.readline():
        if line.strip():
            task = asyncio.ensure_future(reply(line))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


def main():
    # The libraries log each step; what matters here is in the replies.
    logging.disable(logging.CRITICAL)
    # Replies have a stream of their own, so that nothing the libraries print can get between them.
    replies = os.fdopen(os.dup(1), "w", encoding="UTF-8")
    os.dup2(2, 1)
    # Their tasks sleep for days, and streams would end politely: the process is done with its input.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serve(replies))
    os._exit(0)  # pylint: disable=protected-access


if __name__ == "__main__":
    main()
