import { parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { capsHash } from '../src/caps.ts'
import { testService } from '../src/index.ts'
import { all, get, INFO } from './support.ts'
import vectors from './vectors/xep-0115.json' with { type: 'json' }

describe(`5 ${vectors.spec}`, () => {
  test.each(vectors.cases)('$name', ({ info, hash, ver }) => {
    expect(capsHash(parse(info), hash)).toBe(ver ?? undefined)
  })

  test('6.3 the server announces its own', async () => {
    const service = testService()
    const client = service.connect('juliet')
    const [caps] = all(client.streamFeatures, 'c')
    const { node, ver, hash } = caps!.attrs
    const result = await get(client, service.domain, parse(`<query xmlns='${INFO}' node='${node}#${ver}'/>`))
    const [info] = all(result, 'query')
    expect(info?.attrs.node).toBe(`${node}#${ver}`)
    expect(capsHash(info!, hash!)).toBe(ver)
  })
})
