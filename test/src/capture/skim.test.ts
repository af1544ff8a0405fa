import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { bodyKinds } from '../../../src/capture/line-kind.ts'
import type { CaptureLine } from '../../../src/capture/reader.ts'
import { readCapture } from '../../../src/capture/reader.ts'
import { planSkim, skimCapture } from '../../../src/capture/skim.ts'
import { encodeLine } from '../../../src/messages/codec.ts'
import type { MsgOf } from '../../../src/messages/schema.ts'
import { chatSteps, recordSteps } from '../../support/recorded-captures.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-skim-'))
  path = join(folder, 'a.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const steps = chatSteps(
  Array.from({ length: 40 }, (_, index) => ({
    asked: `question ${index} ${'padding '.repeat(300)}`,
    answered: `answer ${index}`,
  })),
)

const plain = (line: CaptureLine): unknown => (line.type === 'problem' ? line : { ...line })

async function skim(file: string, fullBytes: number) {
  const full = new Set<string>()
  const progress: number[] = []
  const lines: unknown[] = []
  const plan = await planSkim(file)
  const options = { full, fullBytes, onProgress: (done: number) => void progress.push(done) }
  for await (const line of skimCapture(plan, options)) lines.push(plain(line))
  return { plan, full, progress, lines }
}

async function readWhole(): Promise<unknown[]> {
  const lines: unknown[] = []
  for await (const line of readCapture(path)) lines.push(plain(line))
  return lines
}

const isBody = (line: unknown): boolean =>
  bodyKinds.has((line as { msg?: { kind: string } }).msg?.kind ?? '')

interface CallLine {
  readonly raw: string
  readonly msg: MsgOf<'model-called'>
}

function isCall(line: unknown): line is CallLine {
  return (line as Partial<CallLine>).msg?.kind === 'model-called'
}

/** The skimmed lines are these, but for prompts of older exchanges: of those they have the end. */
function expectSkimmed(
  lines: readonly unknown[],
  whole: readonly unknown[],
  full: ReadonlySet<string>,
): void {
  expect(lines).toHaveLength(whole.length)
  const expected = whole.map((line, index) => {
    const skimmed = lines[index]
    if (!isCall(line) || !isCall(skimmed) || full.has(line.msg.exchangeId ?? '')) return line
    const { messages } = skimmed.msg
    expect(messages.length).toBeGreaterThan(0)
    const msg = { ...line.msg, messages: line.msg.messages.slice(-messages.length), tools: [] }
    return { ...line, msg, raw: encodeLine(msg).slice(0, -1) }
  })
  expect(lines).toEqual(expected)
}

describe('a capture that is skimmed', () => {
  test('with room for all is what the reader reads', async () => {
    await recordSteps(path, steps)
    const { lines, full, plan, progress } = await skim(path, Infinity)

    expect(lines).toEqual(await readWhole())
    expect(full.size).toBe(40)
    expect(progress.at(-1)).toBe(plan.bytes)
  })

  test('with no room is all but its bodies, with the ends of its prompts', async () => {
    await recordSteps(path, steps)
    const { lines, full } = await skim(path, 0)

    const whole = (await readWhole()).filter((line) => !isBody(line))
    expectSkimmed(lines, whole, full)
    expect(JSON.stringify(lines).length).toBeLessThan(JSON.stringify(whole).length / 4)
    expect(full.size).toBe(0)
    expect(JSON.stringify(lines)).toContain('question 39 padding')
  })

  test('with some room has the bodies of its newest exchanges, each whole', async () => {
    await recordSteps(path, steps)
    const { lines, full } = await skim(path, 40_000)

    expect(full.size).toBeGreaterThan(0)
    expect(full.size).toBeLessThan(40)
    const isWanted = (line: unknown): boolean =>
      full.has((line as { msg?: { exchangeId?: string } }).msg?.exchangeId ?? '')
    const whole = (await readWhole()).filter((line) => !isBody(line) || isWanted(line))
    expectSkimmed(lines, whole, full)
  })

  test('is read over all its files, compressed ones too', async () => {
    await recordSteps(path, steps, { maxBytes: 60_000 })
    const whole = await skim(path, Infinity)
    const bare = await skim(path, 0)

    expect(whole.plan.files.length).toBeGreaterThan(2)
    expect(whole.lines).toEqual(await readWhole())
    const bodiless = (await readWhole()).filter((line) => !isBody(line))
    expectSkimmed(bare.lines, bodiless, bare.full)
    expect(whole.progress.at(-1)).toBe(whole.plan.bytes)
  })

  test('is one file where an earlier one is meant', async () => {
    await recordSteps(path, steps, { maxBytes: 60_000 })

    expect((await planSkim(join(folder, 'a.1.jsonl.gz'))).files).toHaveLength(1)
  })

  test('that was compressed by hand knows its plain size', async () => {
    await recordSteps(path, steps)
    const bytes = readFileSync(path)
    writeFileSync(join(folder, 'b.jsonl.gz'), gzipSync(bytes))

    expect((await planSkim(join(folder, 'b.jsonl.gz'))).bytes).toBe(bytes.length)
  })
})
