/** What must never be committed: keys, paths of one machine, hosts that installs should not name. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { readSources, repository, trackedFiles } from './source-files.ts'

const tracked = trackedFiles()

/** Pieces are joined here so that this file does not hold what it forbids. */
const forbidden: ReadonlyArray<readonly [what: string, pattern: RegExp]> = [
  [
    'a private key',
    new RegExp(['-----BEGIN ', '(?:[A-Z]+ )*', 'PRIVATE ', 'KEY-----'].join(''), 'u'),
  ],
  ['a path of one machine', new RegExp(['(?<![\\w.-])', '/work', '/'].join(''), 'u')],
  ['the host of the registry', new RegExp(['registry', 'npmjs', 'org'].join(String.raw`\.`), 'u')],
  ['a real OpenAI key', new RegExp(['\\bsk-', '(?:proj-)?[A-Za-z0-9_-]{40,}'].join(''), 'u')],
  ['a real Anthropic key', new RegExp(['\\bsk-', 'ant-[A-Za-z0-9_-]{40,}'].join(''), 'u')],
]

function textOf(path: string): string {
  return readFileSync(join(repository, path), 'latin1')
}

describe.runIf(tracked !== undefined)('tracked files', () => {
  test('are many', () => {
    expect(tracked?.length).toBeGreaterThan(200)
    expect(tracked).toContain('package.json')
  })

  test.each(forbidden)('hold no %s', (_what, pattern) => {
    expect((tracked ?? []).filter((path) => pattern.test(textOf(path)))).toEqual([])
  })

  test('do not name the home folder of whoever worked on them', () => {
    const home = homedir()
    // A home such as `/` or `/root` stands in ordinary text too.
    const isTelling = home.split('/').length > 2

    const naming = (tracked ?? []).filter((path) => isTelling && textOf(path).includes(`${home}/`))

    expect(naming).toEqual([])
  })

  test('hold nothing that a build or a run makes', () => {
    const made = /(?:^|\/)(?:node_modules|dist|captures)\/|\.(?:log|tgz|db|pem|key|sock)$/u

    expect((tracked ?? []).filter((path) => made.test(path))).toEqual([])
  })
})

describe('the patterns', () => {
  test.each([
    [0, ['-----BEGIN EC PRIVATE', 'KEY-----'].join(' ')],
    [0, ['-----BEGIN PRIVATE', 'KEY-----'].join(' ')],
    [1, ['cd ', 'work', 'main'].join('/')],
    [2, ['https://registry', 'npmjs', 'org/ws'].join('.')],
    [3, `sk-${'a'.repeat(48)}`],
    [4, ['sk', 'ant', 'a'.repeat(48)].join('-')],
  ])('%i finds %j', (index, text) => {
    expect(forbidden[index]?.[1].test(text)).toBe(true)
  })
})

describe('sources', () => {
  test('open with a comment that says what they know', () => {
    const bare = readSources().filter(({ text }) => !/^(?:#!.*\n)?(?:\/\*|\/\/)/u.test(text))

    expect(bare.map(({ path }) => path)).toEqual([])
  })

  test('leave nothing for later', () => {
    const marks = new RegExp(['\\b(?:TO', 'DO|FIX', 'ME|X', 'XX|HA', 'CK)\\b'].join(''), 'u')
    const open = readSources(['src', 'analyzers', 'ca', 'test']).filter(({ text }) =>
      marks.test(text),
    )

    expect(open.map(({ path }) => path)).toEqual([])
  })

  test('are in files with names that say something', () => {
    const vague = /(?:^|\/)(?:utils?|helpers?|common|misc|manager|service)\.tsx?$/u

    expect(readSources().filter(({ path }) => vague.test(path))).toEqual([])
  })
})
