/**
 * `porthole serve`: answers as the upstreams of a capture did. Where programs have to be pointed at
 * is told on stderr; with `--json` what was asked stands on stdout, one object a line.
 */
import type { Command } from 'commander'
import { Option } from 'commander'

import { AppError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { parseListenAddress } from '../policy/authority.ts'
import { formatPlural } from '../run/amounts.ts'
import { baseUrlsOf } from '../serve/base-urls.ts'
import type { BaseUrl } from '../serve/base-urls.ts'
import { parseJsonPath } from '../serve/json-path.ts'
import { loadRecordings } from '../serve/load-recordings.ts'
import { RecordingLibrary } from '../serve/recording-library.ts'
import { startRecordingServer } from '../serve/recording-server.ts'
import type { RecordingServer, ServedEvent } from '../serve/recording-server.ts'
import { createBoundedOutput } from './bounded-output.ts'
import type { CliContext } from './context.ts'
import { removeStaleReadyFile, writeReadyFile } from './ready-file.ts'
import { stopSignal } from './stop-signal.ts'

interface ServeFlags {
  readonly listen: string
  readonly speed: '1' | '10' | 'max'
  readonly ignore?: readonly string[]
  readonly once?: true
  readonly strict?: true
  readonly json?: true
  readonly readyFile?: string
}

/** Lines that may wait for whoever reads stdout. */
const stdoutQueueBytes = 16 * 1024 * 1024

export function registerServeCommand(program: Command, context: CliContext): void {
  program
    .command('serve')
    .argument('<capture>', 'the capture, .jsonl or .jsonl.gz; files it was rotated into follow')
    .summary('answer as a recorded provider did')
    .description(
      'Replays a capture as a provider: the same status, headers, bytes, chunks and times, errors and ' +
        'broken streams too. A request is answered by the recording with the same method, path, query ' +
        'and body; ids, times and names of users and sessions in it do not count. The same request, ' +
        'recorded several times, is answered in that order, and then as the last one was.\n\n' +
        'Every recorded host answers under its own paths (/v1/…), and under its name ' +
        '(/api.openai.com/v1/…), which is needed only where two hosts have a path in common.',
    )
    .option('--listen <host:port>', 'address to listen on; port 0 picks a free one', '127.0.0.1:0')
    .addOption(
      new Option('--speed <speed>', 'as fast as it happened, ten times as fast, or at once')
        .choices(['1', '10', 'max'])
        .default('1'),
    )
    .addOption(
      new Option(
        '--ignore <path,…>',
        'leave these fields out of the comparison: $.temperature, $..cache_control, $.tools[*].description',
      ).argParser((value: string, before: string[] | undefined) => [
        ...(before ?? []),
        ...value.split(','),
      ]),
    )
    .option('--once', 'answer each recording once; then 404')
    .option('--strict', 'exit with 1 if any request was not recorded')
    .option('--json', 'print hits and misses on stdout, one JSON object a line')
    .option('--ready-file <file>', 'write {"url","port","pid"} there once it listens')
    .addHelpText(
      'after',
      '\nExample:\n  porthole run --capture calls.jsonl -- python app.py\n' +
        '  porthole serve calls.jsonl --listen 127.0.0.1:4010 --speed max\n' +
        '  OPENAI_BASE_URL=http://127.0.0.1:4010/v1 OPENAI_API_KEY=none python app.py',
    )
    .action((capture: string, flags: ServeFlags) => serve(context, capture, flags))
}

async function serve(context: CliContext, capture: string, flags: ServeFlags): Promise<void> {
  const tell = (line: string): void => void context.stderr.write(`porthole: ${line}\n`)
  const listen = parseListenAddress(flags.listen)
  if (!listen.ok) {
    const problem = `cannot listen on ${JSON.stringify(flags.listen)}: ${listen.problem}`
    throw new AppError('ERR_USAGE', { problem, next: 'write it as 127.0.0.1:4010' })
  }
  const ignored = (flags.ignore ?? []).map(parseJsonPath)
  if (flags.readyFile !== undefined) await removeStaleReadyFile(flags.readyFile, context.pid)
  const { recordings, problems } = await loadRecordings(capture)
  for (const problem of problems) tell(`${visibleLine(capture)}: ${visibleLine(problem)}`)
  if (recordings.length === 0) throw new AppError('ERR_CAPTURE_EMPTY', { path: capture })
  const library = new RecordingLibrary(recordings, { ignored, once: flags.once === true })
  const counts = { hits: 0, misses: 0 }
  const print = createPrinter(context)
  const stopped = stopSignal()
  const server = await startRecordingServer({
    library,
    listen: listen.authority,
    speed: flags.speed === 'max' ? Infinity : Number(flags.speed),
    onServed: (event) => {
      counts[event.kind === 'hit' ? 'hits' : 'misses'] += 1
      if (event.kind === 'miss') tell(`miss: ${visibleLine(event.message)}`)
      if (flags.json === true) print(event)
    },
  })
  try {
    const isLoopback = /^127\.|^::1$|^localhost$/u.test(listen.authority.host)
    const baseUrls = baseUrlsOf(library.recordings, server.url)
    announce(context, tell, { library, server, baseUrls, capture, isLoopback })
    if (flags.json === true) print({ kind: 'listening', url: server.url, baseUrls })
    if (flags.readyFile !== undefined) {
      const { url, port } = server
      await writeReadyFile(flags.readyFile, { url, port, pid: context.pid })
    }
    await stopped
  } finally {
    await server.close()
  }
  const unused = library.unused().length
  tell(
    `${formatPlural(counts.hits, 'request')} answered, ${formatPlural(counts.misses, 'miss', 'misses')}` +
      (unused === 0 ? '' : `; not asked for: ${formatPlural(unused, 'recording')}`),
  )
  if (flags.strict === true && counts.misses > 0) context.setExitCode(1)
}

type Printed =
  | ServedEvent
  | {
      readonly kind: 'listening'
      readonly url: string
      readonly baseUrls: readonly BaseUrl[]
    }

function createPrinter(context: CliContext): (event: Printed) => void {
  const output = createBoundedOutput(context.stdout, stdoutQueueBytes)
  return (event) =>
    output.write(
      `${JSON.stringify({ at: Date.now(), ...event })}\n`,
      ({ count }) => `${JSON.stringify({ at: Date.now(), kind: 'lost', count })}\n`,
    )
}

interface Announced {
  readonly library: RecordingLibrary
  readonly server: RecordingServer
  readonly baseUrls: readonly BaseUrl[]
  readonly capture: string
  readonly isLoopback: boolean
}

function announce(
  context: CliContext,
  tell: (line: string) => void,
  { library, server, baseUrls, capture, isLoopback }: Announced,
): void {
  const { recordings } = library
  const count = formatPlural(recordings.length, 'recording')
  tell(`serving ${count} of ${visibleLine(capture)} on ${server.url}`)
  for (const { host, url, variable } of baseUrls) {
    const setting = variable === undefined ? url : `${variable}=${url}`
    tell(`  ${visibleLine(setting)}   (${visibleLine(host)})`)
  }
  const reasons = new Map<string, number>()
  for (const { answer } of recordings) {
    if (answer.kind === 'unservable') reasons.set(answer.why, (reasons.get(answer.why) ?? 0) + 1)
  }
  for (const [why, times] of reasons) {
    tell(`  not served: ${formatPlural(times, 'recording')} (${why})`)
  }
  if (!isLoopback) {
    tell('warning: anyone who reaches this address can read what was recorded')
  }
  if (context.stdin.isTTY) tell('Ctrl-C stops it')
}
