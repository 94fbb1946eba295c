#!/usr/bin/python3
"""python-omemo as a peer: JSON lines over stdin and stdout.

One process holds many independent accounts (devices), each a SessionManager with both backends and
an in-memory storage, and one in-memory PEP service that all of them see. Nothing touches a network or
a file. Device lists published to the PEP reach an account before its next operation, as `+notify` would.

A request is one line `{"id": any, "op": name, ...}`. Its reply is one line, in the order of requests:
`{"id": same, "result": {...}}`, or `{"id": same, "error": class of the exception, "message": text}`.
A failed operation never ends the process; end of input does. The first line written, before any
request, is `{"ready": true}`. Bytes are base64; `namespace` is `urn:xmpp:omemo:2` or
`eu.siacs.conversations.axolotl`; `account` is a name that the client chose.

  versions        -> {omemo, twomemo, oldmemo, doubleratchet, x3dh, xeddsa, python}
  init            {account, jid, device_id?, ik_sign? (0|1: sign bit of the Ed25519 identity key),
                  seed? | private? (the identity key), prekeys? (how many to keep published),
                  trust? ("blind", the default, or "undecided"), namespaces? (both)}
                  -> {device_id, identity_key}; makes the account and publishes it
  close           {account} -> {}; forgets it (what it published stays)
  bundle          {account} -> {namespace: {devices, bundle}}; XML as this account publishes it now
  put             {jid, devices?: [xml], bundles?: [{device_id, xml}]} -> {}; publishes somebody else's
  pep             {jid, namespace} -> {devices, bundles: {device id: xml}}; what the service holds
  devices         {account, jid} -> {devices: [{device_id, identity_key, namespaces, active, trust, label}]}
  encrypt         {account, to: jid | [jid], namespace: one | [by priority], bytes | text}
                  -> {messages: [{namespace, xml}], errors: [{namespace, jid, device_id, error, message}]}
                  `text` is the body: plain UTF-8 for axolotl, wrapped in an SCE envelope for omemo:2
  decrypt         {account, from, xml, namespace? (of a stanza with both, omemo:2 unless given)}
                  -> {kind: "message", bytes, body, device_id, identity_key, trust}; body is the text
                     (axolotl) or the body of the SCE envelope, null if there is none
                   | {kind: "empty", key, device_id, identity_key, trust}; no payload, key is what the
                     ratchet transported (axolotl: the key of a key transport)
  messages        {account} -> {messages: [{to, namespace, xml}]}; sent by itself since last asked
  empty           {account, to, device_id, namespace} -> {xml}; an empty message on a session
  key-transport   {account, to, namespace} -> {xml, key}; a message without its payload (axolotl)
  replace-session {account, jid, device_id} -> {failed: {namespace: class}}; announcements go to messages
  session         {account, jid, device_id, namespace}
                  -> {exists: false} | {exists: true, initiation, confirmed, sending, receiving}
  rotate          {account, namespace} -> {}; a new signed prekey, published
  trust           {account, jid, device_id, level: trusted|undecided|distrusted} -> {}
  dump            {account} -> {state}; JSON of everything the account would have stored
  restore         {account, state} -> {jid, device_id, identity_key}; under the same or another name
"""

import asyncio
import base64
import inspect
import json
import logging
import os
import platform
import sys
import xml.etree.ElementTree as ET

import doubleratchet
import oldmemo
import oldmemo.etree
import omemo
import twomemo
import twomemo.etree
import x3dh
import xeddsa

from account import PEP, PREKEYS, TRUST, Account, seed_with_sign
from wire import (
    AXOLOTL,
    ETREE,
    LIST_NAME,
    OMEMO_2,
    DriverError,
    b64,
    encrypted_element,
    envelope,
    envelope_body,
    to_xml,
    unb64,
    utf8,
)

ACCOUNTS = {}
OPERATIONS = {}


def operation(name):
    def register(function):
        OPERATIONS[name] = function
        return function

    return register


def account_of(request):
    account = ACCOUNTS.get(request["account"])
    if account is None:
        raise DriverError(f"no account {request['account']}")
    return account


async def add_account(name, account):
    if name in ACCOUNTS:
        raise DriverError(f"account {name} exists")
    await account.start()
    ACCOUNTS[name] = account
    return await account.described()


@operation("versions")
async def versions(_request):
    modules = {"omemo": omemo, "twomemo": twomemo, "oldmemo": oldmemo, "doubleratchet": doubleratchet}
    modules.update({"x3dh": x3dh, "xeddsa": xeddsa})
    found = {name: module.version.__version__["short"] for name, module in modules.items()}
    return {**found, "python": platform.python_version()}


@operation("init")
async def init(request):
    values = {}
    if "private" in request:
        values["/ikp/is_seed"], key = False, unb64(request["private"])
    elif "seed" in request:
        values["/ikp/is_seed"], key = True, unb64(request["seed"])
    elif "ik_sign" in request:
        values["/ikp/is_seed"], key = True, seed_with_sign(request["ik_sign"])
    else:
        key = None
    if key is not None:
        values["/ikp/key"] = base64.urlsafe_b64encode(key).decode("ASCII")
    options = {
        "device_id": request.get("device_id"),
        "prekeys": request.get("prekeys", PREKEYS),
        "trust": request.get("trust", "blind"),
        "namespaces": request.get("namespaces", list(ETREE)),
    }
    if options["trust"] not in TRUST:
        raise DriverError(f"unknown trust level {options['trust']}")
    return await add_account(request["account"], Account(request["jid"], options, values))


@operation("close")
async def close(request):
    account = account_of(request)
    for task in account.tasks:
        task.cancel()
    del ACCOUNTS[request["account"]]
    return {}


@operation("bundle")
async def bundle(request):
    account = account_of(request)
    own = (await account.described())["device_id"]
    return {
        namespace: {
            "devices": to_xml(ETREE[namespace].serialize_device_list(PEP.node(namespace, account.jid).devices)),
            "bundle": to_xml(ETREE[namespace].serialize_bundle(await backend.get_bundle(account.jid, own))),
        }
        for namespace, backend in account.backends.items()
    }


@operation("put")
async def put(request):
    jid = request["jid"]
    lists, bundles = [], []
    # Everything is parsed before anything is published.
    for xml in request.get("devices", []):
        root = ET.fromstring(xml)
        namespace = root.tag[1:].partition("}")[0]
        PEP.node(namespace, jid)
        # Its schema wants at least one device, the specification does not.
        empty = root.tag == f"{{{namespace}}}{LIST_NAME[namespace]}" and len(root) == 0
        lists.append((namespace, {} if empty else ETREE[namespace].parse_device_list(root)))
    for item in request.get("bundles", []):
        root = ET.fromstring(item["xml"])
        namespace = root.tag[1:].partition("}")[0]
        node = PEP.node(namespace, jid)
        bundles.append((node, item["device_id"], ETREE[namespace].parse_bundle(root, jid, item["device_id"])))
    for node, device_id, parsed in bundles:
        node.bundles[device_id] = parsed
    for namespace, devices in lists:
        PEP.publish_devices(namespace, jid, devices)
    return {}


@operation("pep")
async def pep(request):
    etree = ETREE.get(request["namespace"])
    node = PEP.node(request["namespace"], request["jid"])
    return {
        "devices": to_xml(etree.serialize_device_list(node.devices)),
        "bundles": {str(device): to_xml(etree.serialize_bundle(value)) for device, value in node.bundles.items()},
    }


@operation("devices")
async def devices(request):
    account = account_of(request)
    await account.notified(request["jid"])
    known = await account.manager.get_device_information(request["jid"])
    return {
        "devices": [
            {
                "device_id": device.device_id,
                "identity_key": b64(device.identity_key),
                "namespaces": sorted(device.namespaces),
                "active": dict(device.active),
                "trust": device.trust_level_name,
                "label": device.label,
            }
            for device in sorted(known, key=lambda device: device.device_id)
        ]
    }


async def encrypt_for(account, to, order, plaintext):
    await account.notified(*to)
    return await account.manager.encrypt(frozenset(to), plaintext, order)


@operation("encrypt")
async def encrypt(request):
    account = account_of(request)
    to = [request["to"]] if isinstance(request["to"], str) else request["to"]
    order = [request["namespace"]] if isinstance(request["namespace"], str) else request["namespace"]
    if "bytes" in request:
        plaintext = dict.fromkeys(account.backends, unb64(request["bytes"]))
    else:
        plaintext = {AXOLOTL: request["text"].encode("UTF-8"), OMEMO_2: envelope(request["text"], account.jid, to)}
    messages, errors = await encrypt_for(account, to, order, plaintext)
    return {
        "messages": [
            {"namespace": message.namespace, "xml": to_xml(ETREE[message.namespace].serialize_message(message))}
            for message in messages
        ],
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


@operation("decrypt")
async def decrypt(request):
    account = account_of(request)
    sender = request["from"]
    namespace, element = encrypted_element(request["xml"], request.get("namespace"))
    await account.notified(sender)
    if namespace == AXOLOTL:
        # Its wire form leaves out a bit of the identity key, which is looked up.
        message = oldmemo.etree.parse_message(element, sender, account.jid, account.manager)
    else:
        message = twomemo.etree.parse_message(element, sender)
    if inspect.isawaitable(message):
        message = await message
    plaintext, device, material = await account.manager.decrypt(message)
    about = {
        "device_id": device.device_id,
        "identity_key": b64(device.identity_key),
        "trust": device.trust_level_name,
    }
    if plaintext is None:
        return {"kind": "empty", "key": b64(material.key), **about}
    body = utf8(plaintext) if namespace == AXOLOTL else envelope_body(plaintext)
    return {"kind": "message", "bytes": b64(plaintext), "body": body, **about}


@operation("messages")
async def messages_sent(request):
    account = account_of(request)
    sent, account.outbox = account.outbox, []
    return {"messages": sent}


async def session_of(account, request, jid):
    return await account.backend(request["namespace"]).load_session(jid, request["device_id"])


@operation("empty")
async def empty(request):
    account = account_of(request)
    backend = account.backend(request["namespace"])
    session = await session_of(account, request, request["to"])
    if session is None:
        raise omemo.NoSession("There is no session to send an empty message on.")
    content, material = await backend.encrypt_empty()
    encrypted = await backend.encrypt_key_material(session, material)
    pending = session.initiation is omemo.session.Initiation.ACTIVE and not session.confirmed
    await backend.store_session(session)
    own = (await account.described())["device_id"]
    keys = frozenset({(encrypted, session.key_exchange if pending else None)})
    message = omemo.Message(request["namespace"], account.jid, own, content, keys)
    return {"xml": to_xml(ETREE[request["namespace"]].serialize_message(message))}


@operation("key-transport")
async def key_transport(request):
    account = account_of(request)
    if request["namespace"] != AXOLOTL:
        raise DriverError("only axolotl has key transport messages")
    messages, _ = await encrypt_for(account, [request["to"]], [AXOLOTL], dict.fromkeys(account.backends, b""))
    ((message, material),) = messages.items()
    # Nothing, encrypted, is nothing: the library leaves the payload out.
    return {"xml": to_xml(oldmemo.etree.serialize_message(message)), "key": b64(material.key)}


@operation("replace-session")
async def replace_session(request):
    account = account_of(request)
    device = await account.device(request["jid"], request["device_id"])
    failed = await account.manager.replace_sessions(device)
    return {"failed": {namespace: type(error).__name__ for namespace, error in failed.items()}}


@operation("session")
async def session_state(request):
    session = await session_of(account_of(request), request, request["jid"])
    if session is None:
        return {"exists": False}
    return {
        "exists": True,
        "initiation": session.initiation.name.lower(),
        "confirmed": session.confirmed,
        "sending": session.sending_chain_length,
        "receiving": session.receiving_chain_length,
    }


@operation("rotate")
async def rotate(request):
    account = account_of(request)
    backend = account.backend(request["namespace"])
    await backend.rotate_signed_pre_key()
    own = (await account.described())["device_id"]
    PEP.node(request["namespace"], account.jid).bundles[own] = await backend.get_bundle(account.jid, own)
    return {}


@operation("trust")
async def trust(request):
    account = account_of(request)
    if request["level"] not in TRUST:
        raise DriverError(f"unknown trust level {request['level']}")
    device = await account.device(request["jid"], request["device_id"])
    await account.manager.set_trust(request["jid"], device.identity_key, request["level"])
    return {}


@operation("dump")
async def dump(request):
    account = account_of(request)
    state = {"jid": account.jid, "options": account.options, "values": account.storage.values}
    return {"state": json.dumps(state)}


@operation("restore")
async def restore(request):
    state = json.loads(request["state"])
    account = Account(state["jid"], state["options"], state["values"])
    return {"jid": account.jid, **await add_account(request["account"], account)}


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


def main():
    # The library logs each step; what matters here is in the replies.
    logging.disable(logging.CRITICAL)
    # Replies have a stream of their own, so that nothing the libraries print can get between them.
    replies = os.fdopen(os.dup(1), "w", encoding="UTF-8")
    os.dup2(2, 1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    replies.write('{"ready": true}\n')
    replies.flush()
    for line in sys.stdin.buffer:
        if line.strip():
            replies.write(json.dumps(loop.run_until_complete(answer(line))) + "\n")
            replies.flush()
    for task in asyncio.all_tasks(loop):
        task.cancel()


if __name__ == "__main__":
    main()
