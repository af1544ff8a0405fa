import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { fc, test as property } from '@fast-check/vitest'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createSystemClock } from '../../../src/base/clock.ts'
import { refEntry } from '../../../src/capture/capture-entry.ts'
import { KnownPieces } from '../../../src/capture/known-pieces.ts'
import { readCapture } from '../../../src/capture/reader.ts'
import { RotatingWriter } from '../../../src/capture/rotating-writer.ts'
import { attachBytes } from '../../../src/messages/body-bytes.ts'
import { encodeBytes, encodeLine } from '../../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { samples } from '../messages/samples.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-entry-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const common = { v: 1, at: 5, connectionId: 'c1', exchangeId: 'x1' } as const

function body(seq: number, fields: { text?: string; base64?: string }): AnalysisMsg {
  return { ...common, seq, kind: 'request-body', offset: 0, ...fields }
}

function call(seq: number, texts: readonly string[], tools: readonly string[] = []): AnalysisMsg {
  return {
    ...common,
    seq,
    kind: 'model-called',
    provider: 'openai',
    operation: 'chat',
    streaming: false,
    messages: texts.map((text) => ({ role: 'user', parts: [{ type: 'text', text }] })),
    tools: tools.map((description, index) => ({ name: `t${index}`, description })),
  }
}

function socketMessage(text: string): AnalysisMsg {
  const kind = 'websocket-message'
  return { ...common, seq: 0, kind, direction: 'request', opcode: 1, text }
}

/** Text in which nothing repeats. */
function prose(length: number, seed: number): string {
  let state = seed + 1
  return Array.from({ length: length / 8 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state.toString(36).padStart(8, 'é')
  }).join('')
}

async function write(messages: readonly AnalysisMsg[], maxBytes?: number): Promise<void> {
  const clock = createSystemClock()
  const writer = new RotatingWriter(path, { porthole: '1', clock, maxBytes })
  for (const msg of messages) expect(writer.write(refEntry(msg) ?? encodeLine(msg))).toBe(true)
  await writer.close()
}

interface Read {
  readonly messages: AnalysisMsg[]
  readonly raw: string[]
  readonly problems: string[]
}

async function read(file = path, maxLineBytes?: number): Promise<Read> {
  const found: Read = { messages: [], raw: [], problems: [] }
  for await (const line of readCapture(file, { maxLineBytes })) {
    if (line.type === 'problem') found.problems.push(line.problem)
    if (line.type !== 'message') continue
    found.messages.push(line.msg)
    found.raw.push(line.raw)
  }
  return found
}

const words = ['alpha ', '"quoted"\n', 'é', '\u2028', '😀', 'x'.repeat(900), prose(4000, 1)]
const anyText = fc
  .array(fc.constantFrom(...words), { maxLength: 30 })
  .map((chosen) => chosen.join(''))
const anyBytes = fc
  .tuple(anyText, fc.uint8Array({ maxLength: 4 }))
  .map(([text, bytes]) => encodeBytes(Buffer.concat([Buffer.from(text), bytes])))
const anyMessages = fc
  .array(
    fc.oneof(
      anyBytes.map((fields) => body(0, fields)),
      fc.record({ text: fc.string({ unit: 'binary' }) }).map((fields) => body(0, fields)),
      fc
        .tuple(fc.array(anyText, { maxLength: 6 }), fc.array(anyText, { maxLength: 3 }))
        .map(([texts, tools]) => call(0, texts, tools)),
      anyText.map(socketMessage),
      fc.constantFrom(...samples),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((messages) => messages.map((msg, seq) => ({ ...msg, seq })))

describe('a capture', () => {
  property.prop([anyMessages, fc.constantFrom(undefined, 20_000, 3_000)], { numRuns: 60 })(
    'gives back the messages that went into it, to the letter, also where it was rotated',
    async (messages, maxBytes) => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
      await write(messages, maxBytes)

      const { messages: found, raw, problems } = await read()

      expect(problems).toEqual([])
      expect(found).toEqual(messages.map((msg) => JSON.parse(encodeLine(msg))))
      expect(raw).toEqual(messages.map((msg) => encodeLine(msg).slice(0, -1)))
    },
  )

  property.prop([anyMessages, fc.double({ min: 0, max: 1, noNaN: true })], { numRuns: 60 })(
    'that was cut off anywhere gives the messages up to there, and no refs without their blobs',
    async (messages, share) => {
      rmSync(path, { force: true })
      await write(messages)
      truncateSync(path, Math.floor(readFileSync(path).length * share))

      const { messages: found, problems } = await read()

      expect(found).toEqual(
        messages.slice(0, found.length).map((msg) => JSON.parse(encodeLine(msg))),
      )
      expect(problems.every((problem) => problem.startsWith('cut off'))).toBe(true)
    },
  )

  test('of which each file is read alone holds what its lines refer to', async () => {
    const text = prose(5_000, 3)
    await write(
      Array.from({ length: 12 }, (_, seq) => body(seq, { text })),
      8_000,
    )

    const files = readdirSync(folder).filter((name) => name.endsWith('.gz'))
    expect(files.length).toBeGreaterThan(0)
    for (const name of files) {
      const { messages, problems } = await read(join(folder, name))
      expect(problems).toEqual([])
      expect(messages.length).toBeGreaterThan(0)
    }
    expect((await read()).messages).toHaveLength(12)
  })

  test('with the same body again and again holds it once', async () => {
    const text = prose(100_000, 4)
    await write(Array.from({ length: 50 }, (_, seq) => body(seq, { text })))

    expect(readFileSync(path).length).toBeLessThan(2.5 * Buffer.byteLength(text))
  })

  test('with a prompt that grows by a message a call holds each message about once', async () => {
    const texts = Array.from({ length: 60 }, (_, index) => prose(2_000, index))
    const tools = [prose(3_000, 99)]
    const calls = texts.map((_, seq) => call(seq, texts.slice(0, seq + 1), tools))
    await write(calls)

    const plain = calls.reduce((sum, msg) => sum + encodeLine(msg).length, 0)
    expect(readFileSync(path).length).toBeLessThan(plain / 8)
    expect((await read()).messages).toEqual(calls)
  })
})

describe('a hostile capture', () => {
  const blob = `{"kind":"blob","hash":"h","text":"${'x'.repeat(10_000)}"}\n`
  const refs = (count: number): string =>
    `{"v":1,"seq":0,"at":0,"kind":"request-body","offset":0,"refs":[${Array(count).fill('"h"').join(',')}]}\n`

  test('cannot make one line grow without bound', async () => {
    writeFileSync(path, blob + refs(1_000) + refs(2))

    const { messages, problems } = await read(path, 100_000)

    expect(problems).toEqual(['what it refers to is too long to read'])
    expect(messages).toHaveLength(1)
  })

  test('that lacks a blob has a problem in that line only', async () => {
    writeFileSync(path, refs(1) + blob + refs(1))

    const { messages, problems } = await read()

    expect(problems).toEqual(['a blob that it refers to is missing'])
    expect(messages).toHaveLength(1)
  })
})

describe('an entry', () => {
  test('is made of bytes that are attached, in the pieces that are known', () => {
    const msg = body(0, { text: 'a'.repeat(2_000) })
    attachBytes(msg, { bytes: Buffer.from('a'.repeat(2_000)), pieceEnds: [500, 2_000] })

    const lines = [...(refEntry(msg)?.encode(new KnownPieces()) ?? [])].join('')

    expect(lines.match(/"text":"a+"/gu)?.map((found) => found.length - 9)).toEqual([500, 1_500])
  })

  test('is not made of what is short, or cannot be made of bytes again', () => {
    expect(refEntry(body(0, { text: 'x'.repeat(1_000) }))).toBeUndefined()
    expect(refEntry(body(0, { text: '\ud800'.repeat(1_000) }))).toBeUndefined()
    expect(refEntry(body(0, { base64: 'YQ'.repeat(1_000) }))).toBeUndefined()
    expect(refEntry(body(0, { text: 'x'.repeat(2_000), base64: '' }))).toBeUndefined()
    expect(refEntry(call(0, ['short']))).toBeUndefined()
  })

  test('that JSON cannot hold is told as lost in its place', () => {
    const msg = call(7, ['x'.repeat(5_000)])
    const broken = {
      ...msg,
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'x'.repeat(2_000), n: 1n }] }],
    }

    const lines = [...(refEntry(broken as unknown as AnalysisMsg)?.encode(new KnownPieces()) ?? [])]

    expect(lines).toEqual([
      encodeLine({
        v: 1,
        seq: 7,
        at: 5,
        kind: 'messages-dropped',
        where: 'capture',
        count: 1,
        bytes: 0,
      }),
    ])
  })
})
