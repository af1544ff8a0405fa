/**
 * What every observing analyzer must hold to, as one call for any test runner: nothing that happens
 * to a message may throw, leak, or depend on chance or on packets. It sees what an analyzer emits,
 * not what it keeps in memory, sends or writes.
 */
import { isDeepStrictEqual } from 'node:util'

import type { AnalysisMsg } from '../messages/schema.ts'
import { analysisMsgSchema } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import { Chain } from '../pipeline/chain.ts'
import type { Chance } from './random-messages.ts'
import { createChance, randomMessages, randomSizes, withLosses } from './random-messages.ts'
import type { Reported } from './sample-exchanges.ts'
import { reportOf, sampleExchanges } from './sample-exchanges.ts'

export interface CheckOptions {
  /** Makes the analyzers that stand before it in a real chain; none unless told otherwise. */
  readonly before?: () => readonly Analyzer[]
  /** It remembers ended exchanges on purpose, so that the same one again is another one to it. */
  readonly remembers?: boolean
  /** How often each rule that leaves room for chance is tried; 200 unless told otherwise. */
  readonly rounds?: number
  /** The same seed tries the same messages; 1 unless told otherwise. */
  readonly seed?: number
}

export interface Violation {
  /** What an analyzer does that holds to it. */
  readonly rule: string
  readonly problem: string
  /** What it was shown, as far as that matters. */
  readonly messages: readonly Reported[]
}

type Check = (trial: Trial) => Iterable<Violation>

/** Each rule that is broken, once, with the first messages that showed it; empty if none is. */
export function checkAnalyzer(
  makeAnalyzer: () => Analyzer,
  options: CheckOptions = {},
): Violation[] {
  const { rounds = 200, seed = 1 } = options
  const violations: Violation[] = []
  for (const check of checks) {
    const trial = new Trial(makeAnalyzer, options, createChance(seed), rounds)
    for (const violation of check(trial)) {
      violations.push(violation)
      break
    }
  }
  return violations
}

const checks: readonly Check[] = [
  hasName,
  takesAnything,
  takesLosses,
  dependsOnMessagesAlone,
  dependsOnNoPieces,
  forgetsExchanges,
]

class Trial {
  readonly remembers: boolean
  readonly chance: Chance
  readonly rounds: number
  readonly makeAnalyzer: () => Analyzer
  readonly #before: () => readonly Analyzer[]

  constructor(
    makeAnalyzer: () => Analyzer,
    { before = () => [], remembers = false }: CheckOptions,
    chance: Chance,
    rounds: number,
  ) {
    this.makeAnalyzer = makeAnalyzer
    this.#before = before
    this.remembers = remembers
    this.chance = chance
    this.rounds = rounds
  }

  chain(): readonly Analyzer[] {
    return [...this.#before(), this.makeAnalyzer()]
  }

  /** What the last analyzer of the chain says of the messages, its own failures among it. */
  emitted(messages: readonly Reported[], chain = this.chain()): AnalysisMsg[] {
    const name = chain.at(-1)?.name
    const out: AnalysisMsg[] = []
    const walk = new Chain(chain, (msg) => {
      const isFailure = msg.kind === 'analyzer-failed' && msg.analyzer === name
      if (isFailure || msg.by === name) out.push(msg)
    })
    for (const message of messages) walk.run(message, message.at)
    return out
  }
}

function* hasName({ makeAnalyzer }: Trial): Generator<Violation> {
  const { name } = makeAnalyzer()
  if (/^[a-z][a-z0-9-]*$/u.test(name)) return
  const problem = `the name is ${JSON.stringify(name)}`
  yield { rule: 'has a name of small letters, digits and hyphens', problem, messages: [] }
}

const soundly = 'takes any messages in any order, and emits valid messages only'

function* takesAnything(trial: Trial): Generator<Violation> {
  for (let round = 0; round < trial.rounds; round += 1) {
    yield* unsound(soundly, trial, randomMessages(trial.chance, 40))
  }
}

function* takesLosses(trial: Trial): Generator<Violation> {
  const rule = 'stands the loss of any messages of an exchange'
  for (let round = 0; round < trial.rounds; round += 1) {
    yield* unsound(rule, trial, withLosses(trial.chance))
  }
}

function* unsound(rule: string, trial: Trial, messages: readonly Reported[]): Generator<Violation> {
  for (const msg of trial.emitted(messages)) {
    const problem = problemOf(msg)
    if (problem !== undefined) yield { rule, problem, messages }
  }
}

function problemOf(msg: AnalysisMsg): string | undefined {
  if (msg.kind === 'analyzer-failed') return `it throws: ${msg.error}`
  let copy: unknown
  try {
    copy = JSON.parse(JSON.stringify(msg))
  } catch (error) {
    return `${msg.kind} cannot be written as JSON: ${String(error)}`
  }
  if (!isKept(msg, copy)) return `${msg.kind} is not the same once it is read from JSON`
  const issue = analysisMsgSchema.safeParse(copy).error?.issues[0]
  return issue === undefined ? undefined : `${msg.kind}: ${issue.path.join('.')} ${issue.message}`
}

/** Whether JSON has all of a value; fields that are undefined are none. */
function isKept(value: unknown, copy: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Object.is(value, copy)
  if (typeof copy !== 'object' || copy === null) return false
  if (Array.isArray(value) !== Array.isArray(copy)) return false
  const copied = new Map<string, unknown>(Object.entries(copy))
  const entries = Object.entries(value)
  const told = Array.isArray(value) ? entries : entries.filter(([, held]) => held !== undefined)
  return told.length === copied.size && told.every(([key, held]) => isKept(held, copied.get(key)))
}

function* dependsOnMessagesAlone(trial: Trial): Generator<Violation> {
  const rule = 'emits the same for the same messages'
  for (let round = 0; round < trial.rounds; round += 1) {
    const messages =
      round < sampleExchanges.length
        ? reportOf(sampleExchanges[round] ?? trial.chance.of(sampleExchanges), [100])
        : randomMessages(trial.chance, 40)
    const difference = differenceOf(trial.emitted(messages), trial.emitted(messages))
    if (difference !== undefined) yield { rule, problem: difference, messages }
  }
}

function* dependsOnNoPieces(trial: Trial): Generator<Violation> {
  const rule = 'emits the same however bodies are cut into pieces'
  for (let round = 0; round < trial.rounds; round += 1) {
    const exchange = trial.chance.of(sampleExchanges)
    const messages = reportOf(exchange, randomSizes(trial.chance))
    const whole = trial.emitted(reportOf(exchange, []))
    const difference = differenceOf(whole, trial.emitted(messages))
    if (difference !== undefined) yield { rule, problem: difference, messages }
  }
}

function* forgetsExchanges(trial: Trial): Generator<Violation> {
  const rule = 'has forgotten an exchange that has ended'
  for (const exchange of sampleExchanges) {
    const messages = reportOf(exchange, [100])
    const chain = trial.chain()
    const first = trial.emitted(messages, chain)
    const again = trial.emitted(messages, chain)
    const difference = trial.remembers ? undefined : differenceOf(first, again)
    if (difference !== undefined) yield { rule, problem: difference, messages }
    // What was kept would be taken for the start that is missing here.
    const rest = messages.slice(1)
    const late = differenceOf(trial.emitted(rest), trial.emitted(rest, chain))
    if (late !== undefined && !trial.remembers) yield { rule, problem: late, messages: rest }
  }
}

function differenceOf(
  expected: readonly AnalysisMsg[],
  actual: readonly AnalysisMsg[],
): string | undefined {
  const [these, those] = [expected, actual].map((messages) => messages.map(withoutSeq))
  if (isDeepStrictEqual(these, those)) return undefined
  const at = expected.findIndex((msg, index) => {
    const other = actual[index]
    return other === undefined || !isDeepStrictEqual(withoutSeq(msg), withoutSeq(other))
  })
  const [one, other] = [expected, actual].map((messages) => {
    const msg = messages[at === -1 ? expected.length : at]
    return msg === undefined ? 'nothing' : JSON.stringify(withoutSeq(msg)).slice(0, shownLength)
  })
  return `${one} is not ${other}`
}

const shownLength = 1_000

/** Numbers follow from how many messages there were. */
function withoutSeq({ seq: _seq, ...rest }: AnalysisMsg): object {
  return rest
}
