import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { HeaderPairs } from '../../../src/messages/schema.ts'
import { BodyUnavailable } from '../../../src/pipeline/body-unavailable.ts'
import type { HeldBodies } from '../../../src/proxy/request-body.ts'
import { RequestBody } from '../../../src/proxy/request-body.ts'

interface Bench {
  readonly client: PassThrough
  readonly body: RequestBody
  readonly told: Buffer[]
  readonly holding: HeldBodies
  readonly asked: () => number
}

function bench(headers: HeaderPairs = [], maxBytes = 1_000_000): Bench {
  const client = new PassThrough()
  const told: Buffer[] = []
  const holding = { held: 0, maxBytes }
  let asked = 0
  const response = {
    headersSent: false,
    writeContinue: () => {
      asked += 1
    },
  } as unknown as ServerResponse
  const body = new RequestBody({ body: client, headers, response }, holding, (chunk) =>
    told.push(chunk),
  )
  return { client, body, told, holding, asked: () => asked }
}

async function failure(reading: Promise<Buffer>): Promise<BodyUnavailable> {
  const error: unknown = await reading.catch((thrown: unknown) => thrown)
  if (error instanceof BodyUnavailable) return error
  throw new Error('it was read')
}

describe('a body that nobody reads', () => {
  test('is passed on as the very stream that it is', () => {
    const { client, body, told } = bench()

    expect(body.stream()).toBe(client)
    expect(told).toEqual([])
  })
})

describe('a body that is read', () => {
  property.prop([fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })), fc.nat(20)])(
    'goes on byte for byte from wherever reading stopped, and is told once',
    async (chunks, bound) => {
      const { client, body, told, holding } = bench()
      const reading = body.read(bound)
      reading.catch(() => {})
      for (const chunk of chunks) client.write(chunk)
      client.end()
      const all = Buffer.concat(chunks)
      const isShort = all.length <= bound

      if (isShort) expect((await reading).equals(all)).toBe(true)
      else expect((await failure(reading)).status).toBe(413)
      const passedOn = await buffer(body.stream())

      expect(passedOn.equals(all)).toBe(true)
      expect(Buffer.concat(told).equals(all)).toBe(true)
      expect(holding.held).toBe(0)
    },
  )

  test('is read once for several that ask', async () => {
    const { client, body, told } = bench()
    client.end('abc')

    const both = await Promise.all([body.read(10), body.read(10)])

    expect(both.map(String)).toEqual(['abc', 'abc'])
    expect(String(await body.read(10))).toBe('abc')
    expect(told.map(String)).toEqual(['abc'])
  })

  test('may be read on with a larger bound', async () => {
    const { client, body } = bench()
    client.write('abc')
    expect((await failure(body.read(2))).reason).toBe('body-too-large')

    client.end('def')

    expect(String(await body.read(10))).toBe('abcdef')
  })

  test('is asked for where the client waits to be asked, once', async () => {
    const { client, body, asked } = bench([['Expect', '100-Continue']])
    const reading = body.read(10)
    client.end('abc')
    await reading
    await body.read(10)

    expect(asked()).toBe(1)
    expect(body.hasAsked).toBe(true)
  })

  test('that breaks off is not taken for a whole one, now or later', async () => {
    const { client, body } = bench()
    const reading = body.read(10)
    client.write('abc')
    client.destroy()

    expect((await failure(reading)).status).toBe(408)
    expect((await failure(body.read(10))).status).toBe(408)
    await expect(buffer(body.stream())).rejects.toThrow()
  })

  test('that breaks off behind what was read breaks off what is passed on', async () => {
    const { client, body } = bench()
    client.write('abc')
    await failure(body.read(2))
    const passedOn = buffer(body.stream())
    client.destroy(new Error('reset'))

    await expect(passedOn).rejects.toThrow('reset')
  })

  test('is refused where too much is held already, and lets go of what it held', async () => {
    const { client, body, holding } = bench([], 5)
    client.write('abcdefgh')

    expect((await failure(body.read(100))).status).toBe(503)
    expect(holding.held).toBe(8)
    body.dispose()
    expect(holding.held).toBe(0)
  })
})

test('what is discarded flows on unheard', async () => {
  const { client, body, told, holding } = bench()
  client.write('abc')
  await failure(body.read(2))
  body.discard()
  const ended = new Promise((resolve) => {
    client.on('end', resolve)
  })
  client.end('x'.repeat(100_000))
  await ended

  expect(told.map(String)).toEqual(['abc'])
  expect(holding.held).toBe(0)
})
