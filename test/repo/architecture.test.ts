/** ARCHITECTURE.md names every folder, names nothing that is not there, and stays readable. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { readSources } from './source-files.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
const quoted = [...text.matchAll(/`(?<name>[^`\s]+)`/gu)].map(
  ({ groups }) => groups?.['name'] ?? '',
)

function foldersIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}/`)
}

test('names every folder of sources', () => {
  const folders = [
    'analyzers/',
    'ca/',
    ...foldersIn('src'),
    ...foldersIn('analyzers'),
    ...foldersIn('ca'),
  ]

  expect(folders.filter((folder) => !text.includes(`\`${folder}`))).toEqual([])
})

test('names no path and no file that is not there', () => {
  const paths = quoted.filter((name) => /^(?:src|analyzers|ca|test|scripts)\/[\w./-]+$/u.test(name))
  const files = quoted.filter((name) => /^[\w-]+(?:\/[\w-]+)?\.(?:ts|tsx|mjs|sh|ps1)$/u.test(name))
  const sources = readSources().map(({ path }) => path)
  const known = (file: string): boolean =>
    existsSync(join(root, file)) || sources.some((path) => path.endsWith(`/${file}`))

  expect(paths.length).toBeGreaterThan(20)
  expect(files.length).toBeGreaterThan(20)
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  expect(files.filter((file) => !known(file))).toEqual([])
})

test('is at most 300 lines long', () => {
  expect(text.split('\n').length).toBeLessThanOrEqual(300)
})
