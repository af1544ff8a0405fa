/** The page on the filter language is made from its tables. `UPDATE_DOCS=1` rewrites it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { filterGrammar } from '../../../src/query/filter-grammar.ts'
import { parseFilter } from '../../../src/query/filter.ts'

const path = fileURLToPath(new URL('../../../src/query/README.md', import.meta.url))
const begin = '<!-- grammar:begin -->\n'
const end = '<!-- grammar:end -->'

function render(): string {
  const rows = filterGrammar.map(
    ({ syntax, meaning }) =>
      `| \`${syntax.replaceAll('|', String.raw`\|`)}\` | ${meaning.replaceAll('|', String.raw`\|`)} |`,
  )
  return ['| syntax | what it matches |', '|---|---|', ...rows, ''].join('\n')
}

test('the table of the page is the one that the parser is made from', () => {
  const page = readFileSync(path, 'utf8')
  const [before = '', rest = ''] = page.split(begin)
  const [table = '', after = ''] = rest.split(end)
  if (process.env['UPDATE_DOCS'] === '1') {
    writeFileSync(path, `${before}${begin}${render()}${end}${after}`)
    return
  }

  expect(table).toBe(render())
})

test('every example of the page is a filter', () => {
  const examples = /```\n(?<code>[\s\S]*?)```/u.exec(readFileSync(path, 'utf8'))?.groups?.['code']
  const filters = (examples ?? '').split('\n').flatMap((line) => line.split(/ {3,}/u)[0] || [])

  expect(filters.length).toBeGreaterThan(4)
  expect(filters.filter((text) => !parseFilter(text).ok)).toEqual([])
})
