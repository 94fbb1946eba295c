#!/usr/bin/python3
"""A peer that is potr, of Debian's python3-potr: one conversation, without a network.

interop/src/otr/peer.ts says what the commands and answers are. There is version 2 and no symmetric key.
"""

import logging
import sys
from time import time

from Cryptodome.Cipher import AES
from Cryptodome.PublicKey import DSA
from Cryptodome.Util import Counter as BlockCounter
from potr import compatcrypto, context, crypt, proto
from potr.compatcrypto import pycrypto
from potr.utils import bytes_to_long, long_to_bytes

SMP_WORDS = {
    crypt.SMPPROG_CHEATED: "CHEATED",
    crypt.SMPPROG_FAILED: "FAILURE",
    crypt.SMPPROG_OK: "IN_PROGRESS",
    crypt.SMPPROG_SUCCEEDED: "SUCCESS",
}

# What potr raises for messages that it has nothing to show of.
UNREAD = (context.NotEncryptedError, context.ErrorReceived, crypt.InvalidParameterError)


# potr was written for PyCrypto. With what Debian ships instead, PyCryptodome, it can neither encrypt nor use keys until
# the following is put in its place.


def aes_ctr(key, counter=0):
    """AES in counter mode; the counter is the upper half of the block."""
    prefix = counter.prefix if isinstance(counter, pycrypto.Counter) else counter
    block = BlockCounter.new(64, prefix=long_to_bytes(prefix, 8), initial_value=0)
    return AES.new(key, AES.MODE_CTR, counter=block)


class DsaKey:
    """What is replaced of potr's DSAKey."""

    def __init__(self, key=None, private=False):
        numbers = tuple(int(number) for number in key)
        self.priv = DSA.construct(numbers, consistency_check=False) if private else None
        self.pub = DSA.construct(numbers[:4], consistency_check=False)

    @classmethod
    def generate(cls):
        key = DSA.generate(1024)
        return cls((int(key.y), int(key.g), int(key.p), int(key.q), int(key.x)), private=True)

    def getPublicPayload(self):
        return tuple(int(number) for number in (self.pub.p, self.pub.q, self.pub.g, self.pub.y))

    def getPrivatePayload(self):
        return (*self.getPublicPayload(), int(self.priv.x))

    def sign(self, data):
        """The data are a number, neither hashed nor cut."""
        p, q, g, _, x = self.getPrivatePayload()
        number = bytes_to_long(data)
        while True:
            nonce = pycrypto.randrange(2, q)
            r = pow(g, nonce, p) % q
            s = pow(nonce, -1, q) * (number + x * r) % q
            if r and s:
                return long_to_bytes(r, 20) + long_to_bytes(s, 20)

    def verify(self, data, signature):
        p, q, g, y = self.getPublicPayload()
        r, s = bytes_to_long(signature[:20]), bytes_to_long(signature[20:])
        if not (0 < r < q and 0 < s < q):
            return False
        inverse = pow(s, -1, q)
        first = pow(g, bytes_to_long(data) * inverse % q, p)
        return first * pow(y, r * inverse % q, p) % p % q == r


def mend():
    for module in (pycrypto, compatcrypto, crypt):
        module.AESCTR = aes_ctr
    for name, value in vars(DsaKey).items():
        if name == "__init__" or not name.startswith("__"):
            setattr(pycrypto.DSAKey, name, value)


def answer(kind, text):
    print(kind, text.hex())


def event(*words):
    print("E", *words)


class Conversation(context.Context):
    """Says on stdout what potr calls back for."""

    def getPolicy(self, key):
        return key == "ALLOW_V2" and "2" in self.user.versions

    def inject(self, msg, appdata=None):
        answer("I", msg if isinstance(msg, bytes) else msg.encode())

    def setState(self, newstate):
        word = "still_secure" if self.state == context.STATE_ENCRYPTED else "gone_secure"
        super().setState(newstate)
        if newstate == context.STATE_ENCRYPTED:
            event(word, "v2", f"ssid={self.crypto.sessionId.hex()}")
        else:
            event("gone_insecure")


class Comparison(crypt.SMPHandler):
    """Lies when the user wants to."""

    def sendTLV(self, tlv, appdata=None):
        user = self.crypto.ctx.user
        if user.lies and isinstance(tlv, proto.SMPTLV):
            user.lies = False
            # Squares, and so of the group: nothing is wrong with the numbers but that they prove nothing.
            tlv.mpis = [(i + 2) ** 2 for i in range(tlv.dlen)]
        super().sendTLV(tlv, appdata)


class Account(context.Account):
    """The peer's user."""

    contextclass = Conversation

    def __init__(self, key):
        super().__init__("theirs", "xmpp", 0, key)
        self.versions = "2"
        self.forget()

    def savePrivkey(self):
        pass

    def saveTrusts(self):
        pass

    def forget(self):
        self.lies = False
        self.maxMessageSize = 0
        self.conversation = Conversation(self, "ours")

    def set_versions(self, versions):
        self.versions = versions

    def wait(self, seconds):
        """potr asks for the time by this name."""
        ahead = context.time() + int(seconds) - time()
        context.time = lambda: time() + ahead

    def lie(self):
        self.lies = True

    def set_limit(self, size):
        self.maxMessageSize = int(size)

    def receive(self, message):
        message = bytes.fromhex(message)
        try:
            text, records = self.conversation.receiveMessage(message)
        except context.UnencryptedMessage as failure:
            answer("C", failure.args[0])
        except UNREAD as failure:
            event("msg", type(failure).__name__)
        else:
            if text:
                answer("T" if message.startswith(b"?OTR") else "C", text)
            for record in records:
                self.tell(record)

    def tell(self, record):
        """What came of a record; potr has acted on it already."""
        if isinstance(record, proto.DisconnectTLV):
            event("disconnected")
        elif isinstance(record, proto.SMPABORTTLV):
            event("smp", "ABORT")
        elif isinstance(record, proto.SMPTLV):
            progress = self.conversation.crypto.smp.prog
            if progress == crypt.SMPPROG_OK and isinstance(record, proto.SMP1QTLV):
                event("smp", "ASK_FOR_ANSWER", record.msg.hex())
            elif progress == crypt.SMPPROG_OK and isinstance(record, proto.SMP1TLV):
                event("smp", "ASK_FOR_SECRET")
            else:
                event("smp", SMP_WORDS[progress])

    def send(self, text):
        try:
            message = self.conversation.sendMessage(context.FRAGMENT_SEND_ALL, bytes.fromhex(text))
        except context.NotEncryptedError:
            event("unsent")
        else:
            if self.conversation.state == context.STATE_PLAINTEXT:
                answer("I", message)

    def query(self):
        self.conversation.inject(self.getDefaultQueryMessage(self.conversation.getPolicy))

    def ask(self, question, secret):
        self.conversation.smpInit(bytes.fromhex(secret), bytes.fromhex(question))

    def run(self, command, *words):
        conversation = self.conversation
        commands = {
            "N": self.forget,
            "P": self.set_versions,
            "M": self.set_limit,
            "W": self.wait,
            "R": self.receive,
            "S": self.send,
            "Q": self.query,
            "SMP": lambda secret: conversation.smpInit(bytes.fromhex(secret)),
            "SMPQ": self.ask,
            "SMPR": lambda secret: conversation.smpGotSecret(bytes.fromhex(secret)),
            "SMPA": conversation.smpAbort,
            "CHEAT": self.lie,
            "D": conversation.disconnect,
        }
        commands[command](*words)


def end_answer():
    print(".", flush=True)


def main():
    logging.disable()
    mend()
    crypt.SMPHandler = Comparison
    account = Account(pycrypto.DSAKey.generate())
    event("ready", account.privkey.fingerprint().hex(), "potr")
    end_answer()
    for line in sys.stdin:
        if line == "X\n":
            break
        account.run(*line.rstrip("\n").split(" "))
        end_answer()


if __name__ == "__main__":
    main()
