import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { encodeLine } from '../../../src/messages/codec.ts'
import { chatMessages } from '../../support/back-tests.ts'
import { runCommand } from '../../support/command-line.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-why-'))
  await mkdir(join(home, 'captures'))
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

async function record(name: string, ids: readonly string[], ageSeconds: number): Promise<string> {
  const path = join(home, 'captures', name)
  const header = '{"kind":"capture-opened","v":1,"porthole":"1.2.3","startedAt":5}\n'
  const messages = chatMessages(ids.map(() => ({})))
  const lines = messages.map((msg) =>
    encodeLine({ ...msg, exchangeId: ids[Number(msg.exchangeId?.slice(1))] ?? '' }),
  )
  await writeFile(path, header + lines.join(''))
  const at = Date.now() / 1000 - ageSeconds
  await utimes(path, at, at)
  return path
}

test('the last exchange of the newest capture is explained, and any other by its id', async () => {
  await record('20260101T000000Z-1.jsonl', ['aaaaaa-x1', 'aaaaaa-x2'], 100)
  const newest = await record('20260102T000000Z-2.jsonl', ['bbbbbb-x1', 'bbbbbb-x2'], 10)
  const last = await runCommand(home, ['why'])

  expect(last.failure).toBeUndefined()
  expect(last.out.split('\n').slice(0, 3)).toEqual([
    `bbbbbb-x2 in ${newest}`,
    '  who        a client without a name: no token was demanded',
    '  what       POST https://api.openai.com/v1/chat/completions at 1970-01-01 00:00:01Z',
  ])
  expect(last.out).toContain('gpt-4o of openai, 1,000 tokens sent and 100 answered')
  expect((await runCommand(home, ['why', '--last'])).out).toBe(last.out)
  expect((await runCommand(home, ['why', 'x1'])).out).toContain('bbbbbb-x1 in ')
  expect((await runCommand(home, ['why', 'aaaaaa-x2'])).out).toContain('aaaaaa-x2 in ')
})

test('the same is told as JSON, of the capture that is named', async () => {
  const path = await record('20260101T000000Z-1.jsonl', ['aaaaaa-x1'], 100)
  await record('20260102T000000Z-2.jsonl', ['bbbbbb-x1'], 10)
  const { out } = await runCommand(home, ['why', '--capture', path, '--json'])
  const shown = JSON.parse(out) as { steps: Array<{ topic: string; text: string }> }

  expect(shown).toMatchObject({ exchangeId: 'aaaaaa-x1', capture: path })
  expect(shown.steps.map(({ topic }) => topic)).toEqual([
    'who',
    'what',
    'read',
    'rules',
    'addresses',
    'call',
    'end',
  ])
})

test('an id that is not there is answered in one line, with those nearby', async () => {
  await record('20260101T000000Z-1.jsonl', ['aaaaaa-x1', 'aaaaaa-x2'], 100)
  const { failure, out } = await runCommand(home, ['why', 'aaaaaa-x22'])

  expect(out).toBe('')
  expect(failure).toMatchObject({
    code: 'ERR_EXCHANGE_UNKNOWN',
    message: `there is no exchange aaaaaa-x22 in ${join(home, 'captures')}`,
    hint: 'did you mean aaaaaa-x2? the last ones are aaaaaa-x2, aaaaaa-x1',
  })
})

test('without any capture it says how to make one', async () => {
  expect((await runCommand(home, ['why'])).failure).toMatchObject({
    code: 'ERR_EXCHANGE_UNKNOWN',
    hint: 'record one with: porthole run -- COMMAND',
  })
  expect((await runCommand(home, ['why', 'x1', '--last'])).failure).toMatchObject({
    code: 'ERR_USAGE',
  })
})
