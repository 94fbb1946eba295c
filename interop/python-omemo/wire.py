"""The two namespaces, and the XML and the base64 of requests and replies."""

import base64
import secrets
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

import oldmemo
import oldmemo.etree
import twomemo
import twomemo.etree

AXOLOTL = oldmemo.oldmemo.NAMESPACE
OMEMO_2 = twomemo.twomemo.NAMESPACE
ETREE = {OMEMO_2: twomemo.etree, AXOLOTL: oldmemo.etree}
LIST_NAME = {OMEMO_2: "devices", AXOLOTL: "list"}
SCE = "urn:xmpp:sce:1"


class DriverError(Exception):
    """A request that this driver cannot carry out; never raised by python-omemo itself."""


def b64(value):
    return base64.b64encode(value).decode("ASCII")


def unb64(value):
    return base64.b64decode(value, validate=True)


def to_xml(element):
    """Without prefixes: everything in these documents is in the namespace of their root."""
    namespace = element.tag[1:].partition("}")[0]

    def plain(source):
        copy = ET.Element(source.tag.rpartition("}")[2], source.attrib)
        copy.text = source.text
        copy.extend(plain(child) for child in source)
        return copy

    root = plain(element)
    root.attrib = {"xmlns": namespace, **root.attrib}
    return ET.tostring(root, encoding="unicode")


def envelope(text, own, to):
    """XEP-0420: what omemo:2 encrypts."""
    root = ET.Element("envelope", xmlns=SCE)
    content = ET.SubElement(root, "content")
    ET.SubElement(content, "body", xmlns="jabber:client").text = text
    ET.SubElement(root, "rpad").text = secrets.token_hex(secrets.randbelow(32) + 1)
    ET.SubElement(root, "from", jid=own)
    if len(to) == 1:
        ET.SubElement(root, "to", jid=to[0])
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    ET.SubElement(root, "time", stamp=now)
    return ET.tostring(root, encoding="unicode").encode("UTF-8")


def envelope_body(plaintext):
    try:
        root = ET.fromstring(plaintext)
    except ET.ParseError:
        return None
    return root.findtext(f"{{{SCE}}}content/{{jabber:client}}body")


def utf8(plaintext):
    try:
        return plaintext.decode("UTF-8")
    except UnicodeDecodeError:
        return None


def encrypted_element(xml, namespace):
    """The `<encrypted/>` element itself, or the one inside a stanza."""
    root = ET.fromstring(xml)
    for name in [namespace] if namespace else list(ETREE):
        tag = f"{{{name}}}encrypted"
        found = root if root.tag == tag else root.find(tag)
        if found is not None:
            return name, found
    raise DriverError("no <encrypted/> element of the namespace")
