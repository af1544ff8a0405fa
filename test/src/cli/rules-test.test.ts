import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { commandsOf } from '../../../src/cli/rules-suggest-action.ts'
import { encodeLine } from '../../../src/messages/codec.ts'
import type { ChatCall } from '../../support/back-tests.ts'
import { chatMessages, tunnelMessages } from '../../support/back-tests.ts'
import { runCommand } from '../../support/command-line.ts'

let home = ''
let capture = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-rules-test-'))
  capture = join(home, 'traffic.jsonl')
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

async function record(calls: readonly ChatCall[], tunnels: readonly string[] = []): Promise<void> {
  const header = '{"kind":"capture-opened","v":1,"porthole":"1.2.3","startedAt":5}\n'
  const messages = [...chatMessages(calls), ...tunnelMessages(tunnels)]
  await writeFile(capture, header + messages.map((msg) => encodeLine(msg)).join(''))
}

describe('rules test', () => {
  test('tells what stored rules and those of the file would have refused, and when', async () => {
    await record([{ model: 'gpt-4o' }, { model: 'gpt-5', at: 1_795_000_000_000 }], ['pypi.org'])
    const added = await runCommand(home, [
      'rules',
      'add',
      'block',
      '--model',
      'gpt-5',
      '--name',
      'v',
    ])
    expect(added.failure).toBeUndefined()
    const rules = [
      { name: 'f', action: 'block', host: 'pypi.org' },
      { name: 'o', action: 'block', model: 'gpt-4*', mode: 'observe' },
      { name: 'r', action: 'rate', limit: '100/1m' },
    ]
    await writeFile(join(home, 'porthole.json'), JSON.stringify({ rules }))
    const { out, failure } = await runCommand(home, ['rules', 'test', capture])

    expect(failure).toBeUndefined()
    expect(out)
      .toBe(`2026-11-18 11:06:40Z  -  POST  api.openai.com  /v1/chat/completions  v  the rule v blocks this request
1970-01-01 00:00:00Z  -  CONNECT  pypi.org  -  f  the rule f blocks this request
RULE  ACTION  MODE     WOULD HAVE
v     block   enforce  refused 1
f     block   enforce  refused 1
o     block   observe  refused 1, if it were enforced
r     rate    enforce  let all pass
of 3 requests and tunnels, 1 would have passed, 2 refused
`)
  })

  test('takes the rules of another file alone, and tells the same as JSON', async () => {
    await record([{ model: 'gpt-4o' }])
    await runCommand(home, ['rules', 'add', 'block', '--model', 'gpt-4o'])
    const file = join(home, 'rules.json')
    await writeFile(file, JSON.stringify([{ name: 'a', action: 'allow', host: 'h.example' }]))
    const args = ['rules', 'test', capture, '--rule-file', file, '--default-action', 'block']
    const { out } = await runCommand(home, [...args, '--json'])

    expect(JSON.parse(out)).toMatchObject({
      rules: [
        { name: 'a', action: 'allow', decisions: {} },
        { name: '(default)', decisions: { block: 1 } },
      ],
      refused: [
        {
          id: 'x0',
          at: 0,
          method: 'POST',
          host: 'api.openai.com',
          path: '/v1/chat/completions',
          status: 403,
          reason: 'default-action',
        },
      ],
      totals: { tested: 1, passed: 0, refused: 1 },
    })
  })

  test('says in one line what it cannot read', async () => {
    const none = await runCommand(home, ['rules', 'test', join(home, 'none.jsonl')])
    expect(none.failure).toMatchObject({ code: 'ERR_CAPTURE_UNREADABLE' })
    await record([])
    const empty = await runCommand(home, ['rules', 'test', capture])
    expect(empty.failure).toMatchObject({ code: 'ERR_CAPTURE_EMPTY' })
    const file = await runCommand(home, ['rules', 'test', capture, '--rule-file', join(home, 'no')])
    expect(file.failure).toMatchObject({ code: 'ERR_CONFIG_UNREADABLE' })
  })
})

describe('rules suggest', () => {
  test('prints rules that rules test finds nothing to refuse with', async () => {
    await record(
      [{ model: 'gpt-4o' }, { url: 'https://a.example/it’s/$(rm)', method: 'GET' }, { at: 9000 }],
      ['pypi.org'],
    )
    const { out } = await runCommand(home, ['rules', 'suggest', capture, '--json'])
    const file = join(home, 'rules.json')
    await writeFile(file, out)
    const tested = await runCommand(home, ['rules', 'test', capture, '--rule-file', file, '--json'])

    expect(JSON.parse(tested.out)).toMatchObject({ totals: { tested: 4, passed: 4, refused: 0 } })
  })

  test('prints commands that make just these rules', async () => {
    await record([{ model: 'gpt-4o' }, { model: 'gpt-5' }])
    const { out } = await runCommand(home, ['rules', 'suggest', capture])
    const commands = out.split('\n').filter((line) => line.startsWith('porthole '))
    for (const command of commands) {
      const words = command.split(' ').slice(1)
      expect((await runCommand(home, words.map(unquoted))).failure).toBeUndefined()
    }
    const args = ['rules', 'test', capture, '--default-action', 'block', '--json']
    const { out: tested } = await runCommand(home, args)

    expect(commands).toHaveLength(3)
    expect(commands[0]).toBe(
      "porthole rules add allow --host api.openai.com --path /v1/chat/completions --method POST --model 'gpt-4o,gpt-5'",
    )
    expect(JSON.parse(tested)).toMatchObject({ totals: { passed: 2, refused: 0 } })
  })

  test('quotes whatever a capture holds, so that a shell takes it for words', async () => {
    const [command = ''] = commandsOf({
      rules: [
        {
          action: 'allow',
          host: ['h.example'],
          path: "/it's/$(touch hacked)/`id`",
          model: ['-rf', "'; exit 1; '"],
        },
      ],
    })
    const script = command.replace('porthole', String.raw`printf '%s\n'`)
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script])

    expect(stdout.split('\n').slice(0, -1)).toEqual([
      'rules',
      'add',
      'allow',
      '--host',
      'h.example',
      '--path',
      "/it's/$(touch hacked)/`id`",
      "--model=-rf,'; exit 1; '",
    ])
  })
})

/** For words without blanks. */
function unquoted(word: string): string {
  return word.replaceAll("'", '')
}
