/** The list of adversarial cases is whole, and each test that it names exists. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { repository } from './source-files.ts'

/** How many cases each chapter of the threat model has. */
const chapters = { P: 20, F: 16, A: 11, S: 18, D: 6, T: 15, N: 16, R: 10, W: 7 }
const wanted = Object.entries(chapters).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
)

const cases = Array.from(
  readFileSync(join(repository, 'test/integration/cases.md'), 'utf8').matchAll(
    /^- \*\*(?<id>[A-Z]\d+)\*\* (?<text>.+)$/gmu,
  ),
  ({ groups = {} }) => ({ id: groups['id'] ?? '', text: groups['text'] ?? '' }),
)

interface Reference {
  readonly id: string
  readonly file: string
  readonly title: string
}

/** A file in backquotes stands for all titles up to the next one. */
function referencesOf({ id, text }: (typeof cases)[number]): Reference[] {
  return text
    .split(/(?=`test\/[^`]+`)/u)
    .slice(1)
    .flatMap((part) => {
      const file = /^`(?<file>[^`]+)`/u.exec(part)?.groups?.['file'] ?? ''
      return Array.from(part.matchAll(/"(?<title>[^"]+)"/gu), ({ groups = {} }) => ({
        id,
        file,
        title: groups['title'] ?? '',
      }))
    })
}

const references = cases.flatMap(referencesOf)

test('every case of the threat model stands in the list once', () => {
  expect(cases.map(({ id }) => id)).toEqual(wanted)
})

test('every case has a test, or says why it has none', () => {
  const covered = new Set(references.map(({ id }) => id))
  const silent = cases.filter(
    ({ id, text }) => !covered.has(id) && !/ (?:n\/a|open): \S/u.test(text),
  )

  expect(silent.map(({ id }) => id)).toEqual([])
})

test('every test that the list names exists', () => {
  const lost = references.filter(({ file, title }) => {
    const path = join(repository, file)
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(`'${title}'`)
  })

  expect(lost).toEqual([])
})

test('every hostile test begins with the case that it is of, and the list names it', () => {
  const files = [
    'routing',
    'loops',
    'peers',
    'framing',
    'auth',
    'agents',
    'secrets',
    'tokens',
    'token-cuts',
    'token-lives',
    'routes',
    'tls',
    'faults',
  ].map((name) => `test/integration/hostile-${name}.test.ts`)
  const titles = files.flatMap((file) =>
    Array.from(
      readFileSync(join(repository, file), 'utf8').matchAll(/'(?<title>[A-Z]\d+ [^'\n]+)'/gu),
      ({ groups = {} }) => `${file}: ${groups['title'] ?? ''}`,
    ),
  )
  const named = new Set(references.map(({ file, title }) => `${file}: ${title}`))

  expect(titles.length).toBeGreaterThan(50)
  expect(titles.filter((title) => !named.has(title))).toEqual([])
})
