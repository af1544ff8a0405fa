/**
 * Settings of Node that let secrets out of a process: to a file, to standard error, or to whoever
 * connects. They come by variables that were meant for the user's own programs, and `run` hands
 * those on as they are. What can be undone from inside is undone, without a word: an editor that
 * sets NODE_OPTIONS debugs the program, not us. What cannot be keeps a proxy from starting. What
 * stands on our own command line (`node --inspect dist/src/main.js`) was meant for us, and stays.
 */
import type inspectorModule from 'node:inspector'
import { setFlagsFromString } from 'node:v8'

import { compileGlob } from '../policy/rules/glob.ts'
import { keepMemoryOutOfCoreDumps } from './core-dumps.ts'

/** To be called first of all, before anything secret is read. */
export function closeOwnProcess(env: NodeJS.ProcessEnv, execArgv: readonly string[]): void {
  keepMemoryOutOfCoreDumps()
  turnOffReports()
  // An uncaught error ends the process with a line; V8 would abort, and leave a core dump.
  setFlagsFromString('--no-abort-on-uncaught-exception')
  const meant = optionsIn(execArgv.join(' '))
  const inherited = optionsIn(env['NODE_OPTIONS'] ?? '')
  if (![...meant.keys()].some((name) => name.startsWith('--inspect'))) closeInspector()
  const signals = meant.has('--heapsnapshot-signal') ? [] : inherited.get('--heapsnapshot-signal')
  for (const signal of signals ?? []) replaceListeners(signal)
}

/** They hold the environment and the text of errors. */
function turnOffReports(): void {
  process.report.excludeEnv = true
  process.report.reportOnFatalError = false
  process.report.reportOnSignal = false
  process.report.reportOnUncaughtException = false
}

/** Who reaches it reads all memory, and it asks nobody who he is. */
function closeInspector(): void {
  // Absent where Node was built without.
  const inspector: typeof inspectorModule | undefined = process.getBuiltinModule('node:inspector')
  if (inspector?.url() !== undefined) inspector.close()
  // Node opens one at this signal, unless somebody listens.
  process.on('SIGUSR1', () => undefined)
}

function replaceListeners(signal: string): void {
  if (!/^SIG[A-Z\d]+$/u.test(signal)) return
  process.removeAllListeners(signal)
  // Without any the signal would end the process, and whoever sends it wants no such thing.
  process.on(signal, () => undefined)
}

/** Of NODE_OPTIONS; what each does is in Node's own documentation. */
const exposingOptions: readonly string[] = [
  // All of the heap, into a file.
  '--heapsnapshot-near-heap-limit',
  // The keys of connections to upstreams, with which who recorded the packets can read them.
  '--tls-keylog',
  '--trace-tls',
  // The paths and queries of requests, with what was put into them.
  '--trace-event-categories',
]

/** Of NODE_DEBUG; `http` prints the fields of each request, `stream` what is written. */
const exposingSections: readonly string[] = [
  'child_process',
  'http',
  'https',
  'net',
  'stream',
  'tls',
]

/** A variable that would have Node let secrets out, and cannot be undone from inside. */
export interface ExposingSetting {
  readonly variable: 'NODE_OPTIONS' | 'NODE_DEBUG'
  /** As it stands there. */
  readonly setting: string
}

export function exposingSetting(env: NodeJS.ProcessEnv): ExposingSetting | undefined {
  const options = optionsIn(env['NODE_OPTIONS'] ?? '')
  const option = exposingOptions.find((name) => options.has(name))
  if (option !== undefined) return { variable: 'NODE_OPTIONS', setting: option }
  const section = (env['NODE_DEBUG'] ?? '')
    .split(',')
    // As Node reads it: in any case, `*` for anything.
    .find((text) => exposingSections.some(compileGlob(text)))
  return section === undefined ? undefined : { variable: 'NODE_DEBUG', setting: section }
}

/**
 * Names of options with their values. Quotes and backslashes are left out wherever they stand, and
 * a space separates even within them: rather too many are found than too few.
 */
function optionsIn(text: string): ReadonlyMap<string, readonly string[]> {
  const words = text.replaceAll(/["\\]/gu, '').split(/\s+/u)
  const found = new Map<string, string[]>()
  for (const [index, word] of words.entries()) {
    if (!word.startsWith('--')) continue
    const equals = word.indexOf('=')
    const name = (equals === -1 ? word : word.slice(0, equals)).replaceAll('_', '-')
    const value = equals === -1 ? (words[index + 1] ?? '') : word.slice(equals + 1)
    found.set(name, [...(found.get(name) ?? []), value])
  }
  return found
}
