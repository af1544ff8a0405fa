/**
 * The one secret of a test run: random, known to no source file, and looked for in everything that
 * the run leaves behind (`canary-watch.ts`). Tests use it wherever they need a real secret: on the
 * wire to the host that it is bound to it belongs, anywhere else it is a leak.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { resolve } from 'node:path'

import type { Finding } from './canary-search.ts'

export interface CanaryRun {
  readonly value: string
  /** File that findings are appended to; undefined outside of a run of the suite. */
  readonly report: string | undefined
  /** Files and folders, by their paths, that may hold it, and why. */
  readonly allowed: Map<string, string>
}

/** No key of any provider looks like this: it must not be its looks by which it is masked. */
export function mintCanary(): string {
  return `cnry${randomBytes(12).toString('hex')}Zx9Q`
}

const holder = globalThis as { canaryRun?: CanaryRun }
/** Scripts that are no tests use the helpers too. */
holder.canaryRun ??= { value: mintCanary(), report: undefined, allowed: new Map() }
const run = holder.canaryRun

export const canary = run.value

/** A test writes the secret there itself: a file that a reference leads to, say. */
export function allowCanary(path: string, reason: string): void {
  if (reason === '') throw new Error('a place that may hold the secret needs a reason')
  run.allowed.set(resolve(path), reason)
}

export function isAllowed(path: string): boolean {
  const full = resolve(path)
  return [...run.allowed.keys()].some((place) => full === place || full.startsWith(`${place}/`))
}

/** Makes the run fail. */
export function reportFindings(findings: readonly Finding[], test: string): void {
  if (run.report === undefined) return
  for (const finding of findings) {
    appendFileSync(run.report, `${JSON.stringify({ ...finding, test })}\n`)
  }
}
