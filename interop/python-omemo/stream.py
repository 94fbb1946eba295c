"""One XMPP stream (slixmpp), and what python-omemo needs of it: PEP, messages, carbons, rooms and the archive."""

import asyncio
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from wire import AXOLOTL, OMEMO_2, DriverError

CLIENT = "jabber:client"
PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
EVENT = f"{PUBSUB}#event"
DATA = "jabber:x:data"
CARBONS = "urn:xmpp:carbons:2"
FORWARD = "urn:xmpp:forward:0"
MAM = "urn:xmpp:mam:2"
RSM = "http://jabber.org/protocol/rsm"
MUC = "http://jabber.org/protocol/muc"

LIST_NODE = {OMEMO_2: "urn:xmpp:omemo:2:devices", AXOLOTL: "eu.siacs.conversations.axolotl.devicelist"}
# Seconds. A busy machine is slow; a request that takes so long is lost.
PATIENCE = 60


def bundle_place(namespace, device_id):
    """The node and the item of a bundle."""
    if namespace == OMEMO_2:
        return "urn:xmpp:omemo:2:bundles", str(device_id)
    return f"eu.siacs.conversations.axolotl.bundles:{device_id}", "current"


class RequestFailed(Exception):
    """An error of a server, by its condition."""

    def __init__(self, condition):
        super().__init__(condition)
        self.condition = condition


def form(kind, fields):
    root = ET.Element(f"{{{DATA}}}x", type="submit")
    for name, value in {"FORM_TYPE": kind, **fields}.items():
        field = ET.SubElement(root, f"{{{DATA}}}field", var=name)
        if name == "FORM_TYPE":
            field.set("type", "hidden")
        ET.SubElement(field, f"{{{DATA}}}value").text = value
    return root


class Stream(slixmpp.ClientXMPP):
    """Hands every message and every event of a device list to `account`; asks and sends what it is told."""

    def __init__(self, account, jid, password, certificate):
        super().__init__(jid, password)
        self.account = account
        self.ca_certs = certificate
        # Occupants of rooms: the bare JID behind each, and what is to be told when they are there.
        self.occupants = {}
        self.joining = {}
        self.ready = None
        for plugin in ("xep_0030", "xep_0115", "xep_0060", "xep_0163"):
            self.register_plugin(plugin)
        for namespace in account.namespaces:
            self["xep_0163"].add_interest(LIST_NODE[namespace])
        self.register_handler(Callback("messages", MatchXPath(f"{{{CLIENT}}}message"), self._on_message))
        self.register_handler(Callback("occupants", MatchXPath(f"{{{CLIENT}}}presence"), self._on_presence))

    async def open(self, host, port):
        """Connects and binds; presence is for `available`."""
        self.ready = asyncio.get_event_loop().create_future()

        def settle(outcome):
            if not self.ready.done():
                outcome(self.ready)

        self.add_event_handler("session_start", lambda _: settle(lambda f: f.set_result(None)))
        for failure in ("failed_auth", "connection_failed", "disconnected"):
            error = DriverError(failure)
            self.add_event_handler(failure, lambda _, error=error: settle(lambda f: f.set_exception(error)))
        # Never again by itself.
        self.connect(address=(host, port), use_ssl=False, disable_starttls=False)
        await asyncio.wait_for(self.ready, PATIENCE)

    async def available(self):
        """Carbons first, so that nothing is between the two."""
        await self.ask("set", None, ET.Element(f"{{{CARBONS}}}enable"))
        await self["xep_0115"].update_caps(broadcast=False)
        self.send_presence()

    async def leave(self):
        await self.disconnect(wait=1.0)

    async def ask(self, kind, to, payload):
        iq = self.make_iq(itype=kind, ito=to)
        iq.append(payload)
        try:
            return (await iq.send(timeout=PATIENCE)).xml
        except slixmpp.exceptions.IqError as error:
            raise RequestFailed(error.iq["error"]["condition"]) from None
        except slixmpp.exceptions.IqTimeout:
            raise RequestFailed("timeout") from None

    async def publish(self, node, item_id, payload, fields):
        """With open access, whatever the node was like before."""
        pubsub = ET.Element(f"{{{PUBSUB}}}pubsub")
        item = ET.SubElement(ET.SubElement(pubsub, f"{{{PUBSUB}}}publish", node=node), f"{{{PUBSUB}}}item", id=item_id)
        item.append(payload)
        options = ET.SubElement(pubsub, f"{{{PUBSUB}}}publish-options")
        wanted = {"pubsub#persist_items": "true", "pubsub#access_model": "open", **fields}
        options.append(form(f"{PUBSUB}#publish-options", wanted))
        try:
            await self.ask("set", None, pubsub)
        except RequestFailed:
            await self.configure(node, wanted)
            options[0] = form(f"{PUBSUB}#publish-options", {"pubsub#access_model": "open"})
            await self.ask("set", None, pubsub)

    async def configure(self, node, fields):
        create = ET.Element(f"{{{PUBSUB}}}pubsub")
        ET.SubElement(create, f"{{{PUBSUB}}}create", node=node)
        try:
            await self.ask("set", None, create)
        except RequestFailed as error:
            if error.condition != "conflict":
                raise
        for max_items in ("max", "1000"):
            owner = ET.Element(f"{{{OWNER}}}pubsub")
            configure = ET.SubElement(owner, f"{{{OWNER}}}configure", node=node)
            values = {**fields, **({"pubsub#max_items": max_items} if "pubsub#max_items" in fields else {})}
            configure.append(form(f"{PUBSUB}#node_config", values))
            try:
                await self.ask("set", None, owner)
                return
            except RequestFailed:
                if max_items == "1000":
                    raise

    async def item(self, jid, node, item_id=None):
        """The payload of an item, or of the last one; `None` if there is none."""
        pubsub = ET.Element(f"{{{PUBSUB}}}pubsub")
        items = ET.SubElement(pubsub, f"{{{PUBSUB}}}items", node=node)
        if item_id is not None:
            ET.SubElement(items, f"{{{PUBSUB}}}item", id=item_id)
        try:
            answer = await self.ask("get", jid, pubsub)
        except RequestFailed as error:
            # Prosody tells strangers no more of what is not there.
            if error.condition in ("item-not-found", "forbidden"):
                return None
            raise
        found = answer.findall(f"{{{PUBSUB}}}pubsub/{{{PUBSUB}}}items/{{{PUBSUB}}}item/*")
        return found[-1] if found else None

    async def retract(self, node, item_id):
        pubsub = ET.Element(f"{{{PUBSUB}}}pubsub")
        ET.SubElement(ET.SubElement(pubsub, f"{{{PUBSUB}}}retract", node=node), f"{{{PUBSUB}}}item", id=item_id)
        try:
            await self.ask("set", None, pubsub)
        except RequestFailed as error:
            if error.condition != "item-not-found":
                raise

    def send_children(self, to, kind, children, message_id=None):
        message = self.make_message(mto=to, mtype=kind)
        if message_id is not None:
            message["id"] = message_id
        for each in children:
            message.append(each)
        message.send()

    async def join(self, room, nick):
        """Resolves when the room has sent everybody's presence, the own one last."""
        joined = self.joining[room] = asyncio.get_event_loop().create_future()
        presence = self.make_presence(pto=f"{room}/{nick}")
        presence.append(ET.Element(f"{{{MUC}}}x"))
        presence.send()
        await asyncio.wait_for(joined, PATIENCE)

    async def archive(self, to, after, page):
        """All that is archived after an id, oldest first: `(id, message)`."""
        last = after
        while True:
            query_id = self.new_id()
            query = ET.Element(f"{{{MAM}}}query", queryid=query_id)
            limit = ET.SubElement(query, f"{{{RSM}}}set")
            ET.SubElement(limit, f"{{{RSM}}}max").text = str(page)
            if last is not None:
                ET.SubElement(limit, f"{{{RSM}}}after").text = last
            results = self.account.results[query_id] = []
            fin = (await self.ask("set", to, query)).find(f"{{{MAM}}}fin")
            del self.account.results[query_id]
            for each in results:
                yield each
            last = fin.findtext(f"{{{RSM}}}set/{{{RSM}}}last")
            if fin.get("complete") in ("true", "1") or last is None:
                return

    def _on_presence(self, presence):
        item = presence.xml.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item")
        sender = str(presence["from"])
        joining = self.joining.get(sender.partition("/")[0])
        if presence["type"] == "error" and joining is not None and not joining.done():
            joining.set_exception(RequestFailed(presence["error"]["condition"]))
        if item is None:
            return
        if presence["type"] == "unavailable":
            self.occupants.pop(sender, None)
        elif item.get("jid"):
            self.occupants[sender] = item.get("jid").partition("/")[0]
        codes = {status.get("code") for status in presence.xml.iter(f"{{{MUC}#user}}status")}
        if "110" in codes and joining is not None and not joining.done():
            joining.set_result(None)

    def _on_message(self, message):
        xml = message.xml
        event = xml.find(f"{{{EVENT}}}event")
        if event is not None:
            self.account.on_event(message["from"].bare or self.boundjid.bare, event)
            return
        result = xml.find(f"{{{MAM}}}result")
        if result is not None:
            forwarded = result.find(f"{{{FORWARD}}}forwarded/{{{CLIENT}}}message")
            if result.get("queryid") in self.account.results:
                self.account.results[result.get("queryid")].append((result.get("id"), forwarded))
            return
        for way in ("sent", "received"):
            copy = xml.find(f"{{{CARBONS}}}{way}/{{{FORWARD}}}forwarded/{{{CLIENT}}}message")
            if copy is not None:
                # What the account sends to itself comes anyway.
                to_itself = way == "sent" and copy.get("to", self.boundjid.bare).partition("/")[0] == self.boundjid.bare
                if message["from"].bare == self.boundjid.bare and not to_itself:
                    self.account.on_message(copy, f"carbon-{way}")
                return
        self.account.on_message(xml, "live")
