/** `porthole view`: the viewer, on every running proxy or on a capture. */
import { basename, join, resolve } from 'node:path'

import type { Command } from 'commander'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { AppError, describeError } from '../base/errors.ts'
import { discover } from '../control/client.ts'
import { createFileSource } from '../control/file-source.ts'
import { createLiveSource } from '../control/source.ts'
import type { MessageSource } from '../control/source.ts'
import type { SpendSum } from '../tui/format.ts'
import { keepHeapSmall } from './collector.ts'
import type { CliContext, Flags } from './context.ts'
import { resolveHome } from './context.ts'
import { filterHelp, filterOptionHelp, readFilter } from './filter-option.ts'
import { createCallExporter } from './viewer-export.ts'
import { createPreferencesSaver, loadPreferences } from './viewer-preferences.ts'

export function registerViewCommand(program: Command, context: CliContext): void {
  program
    .command('view')
    .argument('[capture]', 'a capture to open; without it, every running proxy')
    .option(
      '--home <DIR>',
      "where running proxies are looked for (default: the platform's data folder)",
    )
    .option('--attach <SOCKET>', 'attach to one proxy, by its control socket')
    .option('--filter <EXPR>', filterOptionHelp)
    .summary('watch running proxies, or open a capture')
    .description('Opens the viewer: live on every running proxy, or on a capture.')
    .addHelpText(
      'after',
      '\nExamples:\n  porthole view\n  porthole view traffic.jsonl\n' +
        '  porthole view --filter "~model opus & ~cost > 0.5"',
    )
    .addHelpText('after', filterHelp)
    .action((capture: string | undefined, flags: Flags) => view(context, capture, flags))
}

async function view(context: CliContext, capture: string | undefined, flags: Flags): Promise<void> {
  if (!context.stdin.isTTY || !context.stdout.isTTY) throw new AppError('ERR_NOT_A_TERMINAL')
  const initialFilter = typeof flags['filter'] === 'string' ? flags['filter'] : undefined
  if (initialFilter !== undefined) readFilter(initialFilter, context.stderr)
  const { source, title } = await openSource(context, capture, flags)
  if (capture !== undefined) keepHeapSmall()
  // React reads this when it is loaded; its development build costs several times the CPU a frame.
  context.env['NODE_ENV'] ??= 'production'
  // Loaded here, so that no other command pays for React.
  const { runViewer } = await import('../tui/viewer.tsx')
  const { captureViewLimits } = await import('../tui/view-limits.ts')
  const home = resolveHome(context, flags['home'])
  const saver = createPreferencesSaver(home)
  await runViewer({
    source,
    title,
    stdin: context.stdin,
    stdout: context.stdout,
    noColor: (context.env['NO_COLOR'] ?? '') !== '',
    isAscii: hasOnlyAscii(context),
    limits: capture === undefined ? undefined : captureViewLimits,
    initialFilter,
    preferences: await loadPreferences(home),
    onPreferences: (preferences) => saver.save(preferences),
    spendToday: capture === undefined ? () => spendToday(home) : undefined,
    onTerminalMoved,
    exportCall: createCallExporter(resolve(), context.version),
  })
  await saver.settled()
}

/** Node tells of a new size only where it differs from the one before; the signal always comes. */
function onTerminalMoved(listener: () => void): () => void {
  process.on('SIGWINCH', listener)
  return () => process.off('SIGWINCH', listener)
}

/** Since midnight here, of all calls that are recorded. Rejects where there is no index to ask. */
async function spendToday(home: string): Promise<SpendSum> {
  const { spendSince } = await import('../capture/index/capture-index.ts')
  const spend = await spendSince(home, new Date().setHours(0, 0, 0, 0), { catchUpMs: 250 })
  // The index does not tell estimates apart, and may lag behind.
  return { ...spend, estimated: spend.known }
}

/** The Linux console and dumb terminals have no glyphs beyond ASCII; nor does a POSIX locale. */
function hasOnlyAscii({ env, platform }: CliContext): boolean {
  if (env['TERM'] === 'dumb' || env['TERM'] === 'linux') return true
  if (platform === 'win32') return false
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => (value ?? '') !== '')
  return locale === 'C' || locale === 'POSIX'
}

async function openSource(
  context: CliContext,
  capture: string | undefined,
  flags: Flags,
): Promise<{ source: MessageSource; title: string }> {
  if (capture !== undefined) {
    await assertReadable(capture)
    return {
      source: createFileSource(capture, { analyzers: defaultAnalyzers }),
      title: basename(capture),
    }
  }
  const runDirectory = join(resolveHome(context, flags['home']), 'run')
  const only = typeof flags['attach'] === 'string' ? flags['attach'] : undefined
  if (only !== undefined) return { source: createLiveSource({ runDirectory, only }), title: 'live' }
  if ((await discover(runDirectory)).length === 0) throw new AppError('ERR_NO_PROXY_RUNNING')
  return { source: createLiveSource({ runDirectory }), title: 'live' }
}

/** A path that cannot be read is told before the screen is taken. */
async function assertReadable(path: string): Promise<void> {
  const { access, constants } = await import('node:fs/promises')
  try {
    await access(path, constants.R_OK)
  } catch (error) {
    throw new AppError('ERR_CAPTURE_UNREADABLE', { path, problem: describeError(error) }, error)
  }
}
