/**
 * Around a run of the whole suite: makes its secret, hands it to the tests, and fails the run at the
 * end if the secret was found anywhere but on the wire.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { TestProject } from 'vitest/node'

import { mintCanary } from './canary.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    canary: { readonly value: string; readonly report: string }
  }
}

export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-canary-run-'))
  const report = join(folder, 'found.jsonl')
  writeFileSync(report, '')
  project.provide('canary', { value: mintCanary(), report })
  return () => {
    const found = readFileSync(report, 'utf8')
    rmSync(folder, { recursive: true, force: true })
    if (found !== '') throw new Error(`the secret of this run was found:\n${found}`)
  }
}
