/** `porthole export`: a capture, or what a filter chooses of it, in a format that others read. */
import { createWriteStream } from 'node:fs'
import { realpath, rename, rm } from 'node:fs/promises'
import { finished } from 'node:stream/promises'

import type { Command } from 'commander'
import { Option } from 'commander'

import { AppError, describeError } from '../base/errors.ts'
import { exportCapture } from '../capture/export/export-capture.ts'
import { exportFormats } from '../capture/export/export-format.ts'
import type { ExportFormat, SecretSource } from '../capture/export/export-format.ts'
import { readCapture } from '../capture/reader.ts'
import { maskValuesIn } from '../policy/value-mask.ts'
import type { Filter } from '../query/filter.ts'
import { createTextOutput, describeLineProblem } from './capture-output.ts'
import type { CliContext, Flags } from './context.ts'
import { createTeller, loadSettings, resolveHome } from './context.ts'
import { createSecretSource } from './export-secrets.ts'
import {
  assertReadableTwice,
  filterHelp,
  filterOptionHelp,
  readFilter,
  tellSkipped,
} from './filter-option.ts'
import { valuesAtHand } from './stored-values.ts'

interface ExportFlags {
  readonly format: ExportFormat
  readonly filter?: string
  readonly out?: string
  readonly withSecrets?: true
  readonly home?: string
  readonly config?: string
}

export function registerExportCommand(program: Command, context: CliContext): void {
  const formats = Object.entries(exportFormats).map(
    ([name, meaning]) => `  ${name.padEnd(8)}  ${meaning}`,
  )
  program
    .command('export')
    .argument('<capture>', 'the capture, .jsonl or .jsonl.gz; files it was rotated into follow')
    .addOption(
      new Option('--format <FORMAT>', 'what to write')
        .choices(Object.keys(exportFormats))
        .makeOptionMandatory(),
    )
    .option('--filter <EXPR>', filterOptionHelp)
    .option('--out <FILE>', 'write there, readable by you alone (default: stdout)')
    .option(
      '--with-secrets',
      'curl: put in the keys that porthole.json ("credentials") or the environment has for a host;\n' +
        'captures hold none. Without it, commands name environment variables',
    )
    .option('--home <DIR>', 'folder of the vault, whose values are masked, and of porthole.json')
    .option('--config <FILE>', 'for --with-secrets: configuration file')
    .summary('write a capture as HAR, JSONL, curl commands or Markdown')
    .description('Writes a capture, or what a filter chooses of it, in a format that others read.')
    .addHelpText('after', `\nFormats:\n${formats.join('\n')}\n${filterHelp()}`)
    .addHelpText(
      'after',
      '\nExamples:\n  porthole export traffic.jsonl --format har --out traffic.har\n' +
        "  porthole export traffic.jsonl --format curl --filter '~e ~d openai'\n" +
        "  porthole export traffic.jsonl --format markdown --filter '~session 3f9a'",
    )
    .action((capture: string, flags: ExportFlags) => exportTo(context, capture, flags))
}

async function exportTo(context: CliContext, path: string, flags: ExportFlags): Promise<void> {
  const { format, out } = flags
  const filter = flags.filter === undefined ? undefined : readFilter(flags.filter, context.stderr)
  if (format === 'jsonl' && filter !== undefined) await assertReadableTwice(path, '--filter')
  if (out !== undefined) await assertOther(path, out)
  const secrets = flags.withSecrets === true ? await findSecrets(context, flags) : undefined
  let damaged = 0
  const pieces = exportCapture({
    read: () => readCapture(path),
    format,
    filter,
    options: { porthole: context.version, secrets },
    onProblem: (line) => {
      if (!line.cutOff) damaged += 1
      context.stderr.write(`porthole: ${describeLineProblem(line, path)}\n`)
    },
  })
  const cleaned = await withoutValues(context, pieces, flags)
  const count =
    out === undefined ? await print(context, cleaned) : await writeFileWhole(out, cleaned)
  tellEnd(context, filter, count)
  if (damaged > 0) throw new AppError('ERR_CAPTURE_DAMAGED', { path, count: damaged })
}

type Pieces = AsyncGenerator<string, { readonly count: number }, undefined>

/** What was stored as a secret after it was recorded is not handed on; whoever wants keys says so. */
async function withoutValues(
  context: CliContext,
  pieces: Pieces,
  { withSecrets, home }: ExportFlags,
): Promise<Pieces> {
  if (withSecrets === true) return pieces
  const tell = createTeller(context)
  const { values, problem } = await valuesAtHand(context, resolveHome(context, home))
  if (problem !== undefined) tell(`values of stored secrets are not looked for: ${problem}`)
  if (values === undefined || values.isEmpty) return pieces
  const told = new Set<string>()
  return mapPieces(pieces, (text) =>
    maskValuesIn(text, values, ({ secretId }) => {
      if (told.has(secretId)) return
      told.add(secretId)
      tell(
        `the value of the secret ${secretId} is masked; porthole captures scan says where it stands`,
      )
    }),
  )
}

async function* mapPieces(pieces: Pieces, change: (text: string) => string): Pieces {
  try {
    for (let next = await pieces.next(); ; next = await pieces.next()) {
      if (next.done === true) return next.value
      yield change(next.value)
    }
  } finally {
    await pieces.return({ count: 0 })
  }
}

/** Undefined where nobody reads any more, as after `| head`: that is no failure. */
async function print(context: CliContext, pieces: Pieces): Promise<number | undefined> {
  const output = createTextOutput(context.stdout)
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done === true) return next.value.count
    if (await output(next.value)) continue
    await pieces.return({ count: 0 })
    return undefined
  }
}

/** Under another name until it is whole: a file under `path` is complete. */
async function writeFileWhole(path: string, pieces: Pieces): Promise<number> {
  const partial = `${path}.partial`
  try {
    // Left by an attempt that was cut off; its mode may be another.
    await rm(partial, { force: true })
    const count = await writePieces(partial, pieces)
    await rename(partial, path)
    return count
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {
      // The first error says more.
    })
    if (error instanceof AppError) throw error
    throw new AppError('ERR_OUTPUT_UNWRITABLE', { path, problem: describeError(error) }, error)
  }
}

async function writePieces(path: string, pieces: Pieces): Promise<number> {
  const stream = createWriteStream(path, { flags: 'wx', mode: 0o600 })
  const ended = finished(stream)
  // Told where it is waited for; until then nobody looks.
  ended.catch(() => {})
  try {
    const output = createTextOutput(stream)
    let next = await pieces.next()
    for (; next.done !== true; next = await pieces.next()) await output(next.value)
    stream.end()
    await ended
    return next.value.count
  } finally {
    stream.destroy()
  }
}

async function assertOther(capture: string, out: string): Promise<void> {
  const [from, to] = await Promise.all([capture, out].map((path) => realpath(path).catch(() => '')))
  if (from === '' || from !== to) return
  throw new AppError('ERR_USAGE', {
    problem: `${out} is the capture itself`,
    next: 'name another file with --out FILE',
  })
}

async function findSecrets(context: CliContext, flags: ExportFlags): Promise<SecretSource> {
  if (flags.format !== 'curl') {
    throw new AppError('ERR_USAGE', {
      problem: '--with-secrets is for --format curl',
      next: 'leave it out: no other format sends requests',
    })
  }
  const given: Flags = { home: flags.home, config: flags.config }
  const { settings } = await loadSettings(context, 'start', given)
  return createSecretSource(settings.credentials, context.env)
}

function tellEnd(context: CliContext, filter: Filter | undefined, count: number | undefined): void {
  tellSkipped(filter, context.stderr)
  if (count === 0) context.stderr.write('porthole: nothing matches: the export is empty\n')
}
