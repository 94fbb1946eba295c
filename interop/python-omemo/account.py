"""One device of python-omemo, and the PEP service that all devices of the process see."""

import asyncio
import json
import secrets

import oldmemo
import omemo
import twomemo
import xeddsa
from omemo.storage import Just, Nothing, Storage

from wire import AXOLOTL, ETREE, OMEMO_2, DriverError, b64, to_xml

TRUST = {
    "blind": omemo.TrustLevel.TRUSTED,
    "trusted": omemo.TrustLevel.TRUSTED,
    "undecided": omemo.TrustLevel.UNDECIDED,
    "distrusted": omemo.TrustLevel.DISTRUSTED,
}
# Making 100 one-time prekeys for each backend is most of the cost of an account; 25 is what the
# specification (XEP-0384, 4.2) asks for as a minimum.
PREKEYS = 25


class Memory(Storage):
    """Everything an account stores, as one JSON-serializable dictionary."""

    def __init__(self, values):
        super().__init__(disable_cache=True)
        self.values = values

    async def _load(self, key):
        return Just(self.values[key]) if key in self.values else Nothing()

    async def _store(self, key, value):
        # A copy: the library keeps using the structure that it stored.
        self.values[key] = json.loads(json.dumps(value))

    async def _delete(self, key):
        self.values.pop(key, None)


class Node:
    """The device list and bundles of one JID in one namespace."""

    def __init__(self):
        self.devices = {}
        self.bundles = {}
        self.version = 0


class Pep:
    """The service: the last value of each node, and a version that grows with each device list."""

    def __init__(self):
        self.nodes = {}

    def node(self, namespace, jid):
        if namespace not in ETREE:
            raise DriverError(f"unknown namespace {namespace}")
        return self.nodes.setdefault((namespace, jid), Node())

    def publish_devices(self, namespace, jid, devices):
        node = self.node(namespace, jid)
        node.devices = dict(devices)
        node.version += 1


PEP = Pep()


def frugal(backend_class, target):
    """A backend that keeps `target` prekeys published instead of 100."""

    class Frugal(backend_class):
        async def generate_pre_keys(self, num_pre_keys):
            missing = target - await self.get_num_visible_pre_keys()
            await super().generate_pre_keys(max(0, min(num_pre_keys, missing)))

    return Frugal


class Account:
    """One device: its session manager, what it sent by itself, and which device lists it has seen."""

    def __init__(self, jid, options, values):
        self.jid = jid
        self.options = options
        self.storage = Memory(values)
        self.seen = {}
        self.outbox = []
        self.manager = None
        self.backends = {}
        self.tasks = set()

    async def start(self):
        target = self.options["prekeys"]
        for namespace in self.options["namespaces"]:
            library = {OMEMO_2: twomemo.Twomemo, AXOLOTL: oldmemo.Oldmemo}[namespace]
            self.backends[namespace] = frugal(library, target)(self.storage)
        before = asyncio.all_tasks()
        self.manager = await manager_class(self).create(
            backends=list(self.backends.values()),
            storage=self.storage,
            own_bare_jid=self.jid,
            initial_own_label=None,
            undecided_trust_level_name=self.options["trust"],
        )
        # What it left running is the signed prekey rotation, which only sleeps.
        self.tasks = asyncio.all_tasks() - before
        await self.manager.after_history_sync()

    async def described(self):
        device, _ = await self.manager.get_own_device_information()
        return {"device_id": device.device_id, "identity_key": b64(device.identity_key)}

    async def notified(self, *jids):
        """Deliver the device lists that changed since this account last looked."""
        for jid in (*jids, self.jid):
            for namespace in self.backends:
                node = PEP.node(namespace, jid)
                if self.seen.get((namespace, jid), 0) != node.version:
                    self.seen[(namespace, jid)] = node.version
                    await self.manager.update_device_list(namespace, jid, node.devices)

    def backend(self, namespace):
        if namespace not in self.backends:
            raise DriverError(f"the account has no namespace {namespace}")
        return self.backends[namespace]

    async def device(self, jid, device_id):
        await self.notified(jid)
        for device in await self.manager.get_device_information(jid):
            if device.device_id == device_id:
                return device
        raise DriverError(f"no device {device_id} of {jid} is known")


def manager_class(account):
    """The library calls these before `create` has returned an instance, hence a class per account."""

    class Manager(omemo.SessionManager):
        @staticmethod
        async def _upload_bundle(bundle):
            PEP.node(bundle.namespace, account.jid).bundles[bundle.device_id] = bundle

        @staticmethod
        async def _download_bundle(namespace, bare_jid, device_id):
            bundle = PEP.node(namespace, bare_jid).bundles.get(device_id)
            if bundle is None:
                raise omemo.BundleNotFound(f"{namespace} {bare_jid} {device_id}")
            return bundle

        @staticmethod
        async def _delete_bundle(namespace, device_id):
            PEP.node(namespace, account.jid).bundles.pop(device_id, None)

        @staticmethod
        async def _upload_device_list(namespace, device_list):
            PEP.publish_devices(namespace, account.jid, device_list)

        @staticmethod
        async def _download_device_list(namespace, bare_jid):
            return dict(PEP.node(namespace, bare_jid).devices)

        async def _evaluate_custom_trust_level(self, device):
            return TRUST[device.trust_level_name]

        async def _make_trust_decision(self, undecided, identifier):
            """Nobody is there to decide: undecided devices stay so, and `encrypt` raises."""

        @staticmethod
        async def _send_message(message, bare_jid):
            xml = to_xml(ETREE[message.namespace].serialize_message(message))
            account.outbox.append({"to": bare_jid, "namespace": message.namespace, "xml": xml})

    if account.options["device_id"] is not None:
        # The library draws an id from this range.
        Manager.DEVICE_ID_MIN = account.options["device_id"]
        Manager.DEVICE_ID_MAX = account.options["device_id"] + 1
    return Manager


def seed_with_sign(sign):
    """A seed whose Ed25519 public key has this sign bit; two draws on average."""
    while True:
        seed = secrets.token_bytes(32)
        if xeddsa.seed_to_ed25519_pub(seed)[31] >> 7 == sign:
            return seed
