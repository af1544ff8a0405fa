/**
 * `porthole replay`: plays a capture to stdout, as one line for each call or as the messages that
 * were recorded. What cannot be read is told on stderr with its line number; the rest is played.
 */
import { setTimeout as delay } from 'node:timers/promises'

import type { Command } from 'commander'
import { Option } from 'commander'

import { AppError } from '../base/errors.ts'
import { selectLines } from '../capture/export/select-lines.ts'
import type { CaptureLine, CaptureProblemLine } from '../capture/reader.ts'
import { readCapture } from '../capture/reader.ts'
import { reanalyze } from '../capture/reanalyze.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Filter } from '../query/filter.ts'
import { createTextOutput, describeLineProblem } from './capture-output.ts'
import { assertReadableTwice, filterOptionHelp, readFilter, tellSkipped } from './filter-option.ts'

export interface ReplayContext {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean | undefined }
  readonly stderr: NodeJS.WritableStream
  /** A new chain for `--analyze`. */
  analyzers(): Analyzer[]
  /** The line that a message is shown as, without its newline; undefined for one that has none. */
  describe(msg: AnalysisMsg): string | undefined
}

interface ReplayOptions {
  readonly json?: true
  readonly analyze?: true
  readonly filter?: string
  readonly speed?: '1' | '10' | 'max'
}

/** Longest wait that one timer can make, in milliseconds. */
const maxTimerMs = 2 ** 31 - 1

export function registerReplayCommand(program: Command, context: ReplayContext): void {
  program
    .command('replay')
    .argument('<capture>', 'the capture, .jsonl or .jsonl.gz; files it was rotated into follow')
    .summary('play a capture to stdout')
    .description(
      'Plays a capture: one line for each call, or with --json the messages as they were recorded.',
    )
    .option('--json', 'print the recorded messages, one JSON object a line')
    .option('--analyze', 'run the analyzers anew over the recorded bytes')
    .option('--filter <EXPR>', filterOptionHelp)
    .addOption(
      new Option(
        '--speed <speed>',
        'as fast as it happened, ten times as fast, or at once (default: 1 on a terminal, else max)',
      ).choices(['1', '10', 'max']),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole replay traffic.jsonl --speed 10\n' +
        "  porthole replay traffic.jsonl --filter '~model opus & ~cost > 0.5'\n",
    )
    .action(async (capture: string, options: ReplayOptions) => {
      await replay(capture, options, context)
    })
}

async function replay(path: string, options: ReplayOptions, context: ReplayContext): Promise<void> {
  const filter =
    options.filter === undefined ? undefined : readFilter(options.filter, context.stderr)
  if (filter !== undefined) await assertReadableTwice(path, '--filter')
  const used: Analyzer[] = []
  const read = (): AsyncIterable<CaptureLine> => {
    const recorded = readCapture(path)
    if (options.analyze !== true) return recorded
    const analyzers = context.analyzers()
    used.push(...analyzers)
    return reanalyze(recorded, analyzers)
  }
  let count
  try {
    count = await play(chosenLines(read, filter), path, options, context)
  } finally {
    for (const analyzer of used) await analyzer.close?.()
  }
  tellSkipped(filter, context.stderr)
  if (count > 0) throw new AppError('ERR_CAPTURE_DAMAGED', { path, count })
}

function chosenLines(
  read: () => AsyncIterable<CaptureLine>,
  filter: Filter | undefined,
): AsyncIterable<CaptureLine> {
  return filter === undefined ? read() : selectLines(read, filter)
}

/** Returns the number of damaged lines. */
async function play(
  lines: AsyncIterable<CaptureLine>,
  path: string,
  options: ReplayOptions,
  context: ReplayContext,
): Promise<number> {
  const output = createTextOutput(context.stdout)
  const pace = createPace(speedOf(options, context))
  let damaged = 0
  for await (const line of lines) {
    if (line.type === 'problem') {
      if (!line.cutOff) damaged += 1
      context.stderr.write(`porthole: ${describeLineProblem(line, path)}\n`)
      continue
    }
    const text = textOf(line, options, context)
    if (line.type === 'message') await pace(line.msg.at)
    // Nobody reads any more, as after `| head`: that is no failure.
    if (text !== undefined && !(await output(`${text}\n`))) return 0
  }
  return damaged
}

function textOf(
  line: Exclude<CaptureLine, CaptureProblemLine>,
  options: ReplayOptions,
  context: ReplayContext,
): string | undefined {
  if (options.json === true) return line.type === 'header' ? undefined : line.raw
  return line.type === 'message' ? context.describe(line.msg) : undefined
}

function speedOf(options: ReplayOptions, context: ReplayContext): number {
  const isWatched = options.json !== true && context.stdout.isTTY === true
  const speed = options.speed ?? (isWatched ? '1' : 'max')
  return speed === 'max' ? Infinity : Number(speed)
}

/** Waits as long as lay between this message and the one before, divided by `speed`. */
function createPace(speed: number): (at: number) => Promise<void> {
  let startedAt: number | undefined
  let recordedAt = 0
  return async (at) => {
    if (speed === Infinity) return
    if (startedAt === undefined || at < recordedAt) {
      // The first message, or another process that wrote to the same file: a new beginning.
      startedAt = performance.now()
      recordedAt = at
      return
    }
    // Against the beginning, not the message before: errors of single timers do not add up.
    const dueMs = startedAt + (at - recordedAt) / speed
    for (let leftMs = dueMs - performance.now(); leftMs > 0; leftMs = dueMs - performance.now()) {
      await delay(Math.min(leftMs, maxTimerMs))
    }
  }
}
