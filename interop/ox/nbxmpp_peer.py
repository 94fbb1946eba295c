"""What Gajim's library reads in stanzas of XEP-0373, and what it writes itself.

One request a line, {"id", "op", ...}; one reply a line, {"id", "result"} or {"id", "error", "message"}.
Nothing here encrypts: OpenPGP passes as base64.
"""

import json
import os
import sys

from nbxmpp.modules import openpgp
from nbxmpp.namespaces import Namespace
from nbxmpp.protocol import JID, Message, Node
from nbxmpp.structs import PGPKeyMetadata
from nbxmpp.util import b64decode, b64encode


def item(payload):
    """An item of PubSub, as it hands them to its parsers."""
    node = Node("item")
    node.addChild(node=Node(node=payload))
    return node


def read_content(xml):
    payload, recipients, stamp = openpgp.parse_signcrypt(Node(node=xml))
    bodies = [node.getData() for node in payload if node.getName() == "body"]
    return {"bodies": bodies, "to": [str(jid) for jid in recipients], "time": stamp}


def write_content(to, body):
    message = Message(to=to, body=body, typ="chat")
    message.setID("gajim")
    return str(openpgp.create_signcrypt_node(message, [JID.from_string(to)], []))


def read_message(xml):
    """As its handler does: the element in its namespace, and base64 in it."""
    node = Message(node=Node(node=xml)).getTag("openpgp", namespace=Namespace.OPENPGP)
    return b64encode(b64decode(node.getData()))


def write_message(to, data):
    message = Message(to=to, typ="chat")
    openpgp.create_message_stanza(message, b64decode(data), True)
    return str(message)


def read_list(xml):
    keys = openpgp._parse_keylist(None, item(xml)) or []
    return [key.fingerprint for key in keys]


def write_list(fingerprints, date):
    keys = [PGPKeyMetadata(None, fingerprint, date) for fingerprint in fingerprints]
    return str(openpgp._make_keylist(keys))


def write_key(data, date):
    return str(openpgp._make_public_key(b64decode(data), date))


def read_secret(xml):
    return b64encode(openpgp._parse_secret_key(item(xml)))


def write_secret(data):
    return str(openpgp._make_secret_key(b64decode(data)))


OPERATIONS = {
    function.__name__: function
    for function in (
        read_content,
        write_content,
        read_message,
        write_message,
        read_list,
        write_list,
        write_key,
        read_secret,
        write_secret,
    )
}


def answer(line):
    request = json.loads(line)
    number, op = request.pop("id"), request.pop("op")
    try:
        return {"id": number, "result": OPERATIONS[op](**request)}
    except Exception as error:  # pylint: disable=broad-except
        return {"id": number, "error": type(error).__name__, "message": str(error)}


def main():
    # Replies have a stream of their own, so that nothing the library prints can get between them.
    replies = os.fdopen(os.dup(1), "w", encoding="UTF-8")
    os.dup2(2, 1)
    replies.write('{"ready": true}\n')
    replies.flush()
    for line in sys.stdin.buffer:
        if line.strip():
            replies.write(json.dumps(answer(line)) + "\n")
            replies.flush()


if __name__ == "__main__":
    main()
