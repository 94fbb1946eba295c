/** The programs that READMEs show, as they are built. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

const FINGERPRINT = /\b[0-9a-f]{64}\b/g

/** Whole outputs; fingerprints and what depends on random padding are written as names. */
const PROGRAMS = [
  [
    'two-devices',
    'Bob is FINGERPRINT\nIt was written by FINGERPRINT\nBob reads: Are you there? (99 prekeys left)\nAlice reads: I am now.\n',
  ],
  [
    'omemo-primitives',
    "Juliet's key: FINGERPRINT\nLENGTH characters leave, and none of them is the message: true\n" +
      'Juliet reads: But, soft! what light through yonder window breaks?\n',
  ],
  [
    'omemo',
    'encrypted for 1 device(s); all\n' +
      'balcony: romeo@capulet.example says But, soft! (blind)\n' +
      'encrypted for 1 device(s); all\n' +
      'orchard: juliet@capulet.example says Ay me! (blind)\n' +
      'GROUPS is verified\n' +
      'a new key of juliet@capulet.example: undecided\n' +
      'encrypted for 1 device(s); key-undecided of juliet@capulet.example\n' +
      'tower: cannot read it: not-for-this-device\n' +
      'balcony: romeo@capulet.example says Is it you? (blind)\n',
  ],
  [
    'family',
    'juliet: romeo@capulet.example says But, soft!, by urn:xmpp:omemo:2\n' +
      'romeo: juliet@capulet.example says Ay me!, by urn:xmpp:omemo:2\n' +
      'romeo: scheme 1 refuses: recipients-unreachable\n' +
      'tybalt: romeo@capulet.example says Good morrow., by urn:xmpp:openpgp:0\n' +
      'romeo: scheme 1 refuses: recipients-unreachable\n' +
      'romeo: scheme 2 refuses: recipients-unreachable\n' +
      'romeo: scheme 3 refuses: not-encrypted\n' +
      'romeo: scheme 1 refuses: recipients-unreachable\n' +
      'romeo: scheme 2 refuses: recipients-unreachable\n' +
      'mercutio: romeo@capulet.example says Where are you?, by urn:xmpp:otr:0\n',
  ],
  [
    'otr',
    'not sent: not-encrypted\n' +
      'orchard: encrypted with juliet@capulet.example/balcony\n' +
      'balcony: encrypted with romeo@capulet.example/orchard\n' +
      'balcony: romeo@capulet.example/orchard says But, soft! (blind)\n' +
      'orchard: juliet@capulet.example/balcony says Ay me! (blind)\n' +
      'balcony: is asked: What did I wear when we met?\n' +
      'her answer: match\n' +
      'GROUPS is verified, by smp\n' +
      'orchard: plaintext with juliet@capulet.example/balcony\n' +
      'balcony: finished with romeo@capulet.example/orchard\n' +
      'not sent: finished\n' +
      'balcony: plaintext with romeo@capulet.example/orchard\n',
  ],
  [
    'ox',
    'orchard: encrypted to 2 keys; all\n' +
      'balcony: romeo@capulet.example says But, soft! (blind)\n' +
      'GROUPS is verified\n' +
      'tower: romeo@capulet.example says But, soft! (blind)\n' +
      'tower: encrypted to 2 keys; all\n' +
      'orchard: juliet@capulet.example says Ay me! (verified)\n' +
      'orchard: nothing: duplicate\n',
  ],
  [
    'store',
    'taken: 1, 2, 3\noffline: 1 failed, 3 still wait\nsent: receipt 1 to romeo@montague.lit\n' +
      'sent: receipt 2 to romeo@montague.lit\nsent: receipt 3 to romeo@montague.lit\nonline: 0 wait\n',
  ],
  [
    'disco',
    "Romeo's client is Gabber; receipts: true\nOTR now: true\n" +
      'before: omemo:2 no, omemo no, ox no, otr yes, pgp unknown\n' +
      'with keys: omemo:2 yes, omemo no, ox no, otr yes, pgp unknown\n' +
      'omemo:2 has gone: not-published\n' +
      'without: omemo:2 no, omemo no, ox no, otr yes, pgp unknown\n',
  ],
  [
    'testkit',
    'online: false\n' +
      'then: resumed\n' +
      'answered: result\n' +
      'dropped: timeout 1\n' +
      '               service      romeo/orchard   juliet/balcony\n' +
      '    0.000          |-------------->|               |        message headline event items http://jabber.org/protocol/mood\n' +
      '    0.000          |---------------|-------------->|        iq result pubsub publish http://jabber.org/protocol/mood\n' +
      '    0.000          |<--------------|---------------|        iq set pubsub publish http://jabber.org/protocol/mood\n' +
      '    0.000          |-------------->|               |        message headline event items http://jabber.org/protocol/mood\n' +
      '    0.000          |               |               x        suspended\n' +
      '    0.000          |               |               o        resumed\n' +
      '    0.000          |---------------|-------------->|        iq result pubsub publish http://jabber.org/protocol/mood (redelivered)\n' +
      '    0.000          |x--------------|---------------|        iq set pubsub publish http://jabber.org/protocol/mood (dropped)\n' +
      '\n',
  ],
  [
    'trust',
    'before: encrypts to 2 keys of Romeo, blindly\na code of 41 modules a side\nscanned 2a2a2a2a 2a2a2a2a …\n' +
      'laptop: phone verified, intruder undecided\ntablet, restarted: phone verified, intruder undecided\n' +
      'another code: uri-wrong-owner\n',
  ],
  [
    'xml',
    'connected to capulet.lit\nromeo@montague.lit says Dinner?\n' +
      "{ serves: 4, title: 'Soup & bread' }\nx@example.org says Me too\n" +
      'not a recipe: invalid at recipe@serves\nclose the stream with restricted-xml\nYes\n',
  ],
] as const

test.each(PROGRAMS)(
  '%s',
  async (name, expected) => {
    const program = fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url))
    const { stdout, stderr } = await run(process.execPath, [program])
    const plain = stdout
      .replace(FINGERPRINT, 'FINGERPRINT')
      .replace(/\b[0-9a-f]{8}(?: [0-9a-f]{8}){4,7}\b|\b[0-9A-F]{4}(?: [0-9A-F]{4}){9}\b/gi, 'GROUPS')
      .replace(/^\d+ characters/m, 'LENGTH characters')
    expect(plain).toBe(expected)
    expect(stderr).toBe('')
  },
  60_000,
)
