/**
 * In every test file: searches each temporary folder for the secret of the run before it is removed,
 * and at the end of the file those that are still there. Tests make and remove their folders with
 * `node:fs` in many ways, so that it is there that they are met.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { resolve, sep } from 'node:path'

import { afterAll, expect, inject } from 'vitest'

import { createCanarySearch } from './canary-search.ts'
import type { Finding } from './canary-search.ts'
import type { CanaryRun } from './canary.ts'

const { value, report } = inject('canary')
const holder = globalThis as { canaryRun?: CanaryRun }
holder.canaryRun ??= { value, report, allowed: new Map() }

const { isAllowed, reportFindings } = await import('./canary.ts')
const search = createCanarySearch(value)
const temporary = `${resolve(tmpdir())}${sep}`
const folders = new Set<string>()

function look(path: unknown): void {
  if (typeof path !== 'string') return
  const folder = resolve(path)
  if (!folder.startsWith(temporary)) return
  folders.delete(folder)
  tell(search.inFolder(folder, isAllowed))
}

function tell(findings: readonly Finding[]): void {
  reportFindings(findings, expect.getState().testPath ?? '')
}

function watch<Args extends readonly unknown[], Result>(
  original: (...args: Args) => Result,
  before: (...args: Args) => void,
  after: (result: Result) => Result = (result) => result,
): (...args: Args) => Result {
  return (...args) => {
    before(...args)
    return after(original(...args))
  }
}

const made = (folder: string): string => {
  folders.add(resolve(folder))
  return folder
}
const { promises } = fs
const originals = { rm: promises.rm, rmSync: fs.rmSync }
promises.rm = watch(originals.rm, look)
fs.rmSync = watch(originals.rmSync, look)
const makeLater = promises.mkdtemp
promises.mkdtemp = (async (...args: Parameters<typeof makeLater>) =>
  made(await makeLater(...args))) as typeof makeLater
const makeNow = fs.mkdtempSync
fs.mkdtempSync = ((...args: Parameters<typeof makeNow>) => made(makeNow(...args))) as typeof makeNow
syncBuiltinESMExports()

afterAll(() => {
  for (const folder of Array.from(folders)) look(folder)
})
