/**
 * `porthole demo`: everything at once, with no key and no network. An embedded provider replays
 * recorded answers, a program calls it with the official SDKs, and a proxy stands between them.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Command } from 'commander'

import { createAuthority } from '../../ca/authority.ts'
import { visibleLine } from '../base/visible-text.ts'
import type { Settings } from '../config/settings.ts'
import { demoHosts, startDemoProvider } from '../demo/provider.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { mintSessionToken } from '../proxy/session-token.ts'
import type { CliContext, Flags } from './context.ts'
import { addOptions, loadSettings } from './context.ts'
import { environmentFor } from './run.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'
import { printLines } from './start.ts'
import { isTerminal, runViewerProcess } from './viewer-process.ts'

export function registerDemoCommand(program: Command, context: CliContext): void {
  addOptions(program.command('demo'), 'demo')
    .summary('see it work: no key, no network')
    .description(
      'Shows real model calls, replayed by an embedded provider: streams, a tool call, embeddings, ' +
        'an error. On a terminal in the viewer, else one line per call. Nothing leaves this machine.',
    )
    .addHelpText('after', '\nExample:\n  porthole demo')
    .action((flags: Flags) => demo(context, flags))
}

async function demo(context: CliContext, flags: Flags): Promise<void> {
  const { settings: given, home } = await loadSettings(context, 'demo', flags)
  const { provider, root } = await startProvider('Porthole demo provider')
  try {
    const settings = demoSettings(given, provider.port)
    const token = mintSessionToken()
    const session = await openSession(context, {
      settings,
      home,
      command: 'demo',
      keepsCa: false,
      token,
      userRoots: { added: [], replaced: [] },
      extraUpstreamRoots: [root.certificatePem],
    })
    await show(context, session, { settings, home, token })
  } finally {
    await provider.close()
  }
}

async function show(
  context: CliContext,
  session: Session,
  plan: { readonly settings: Settings; readonly home: string; readonly token: string },
): Promise<void> {
  const { settings, home, token } = plan
  const env = environmentFor(context, session, settings, token)
  if (
    settings.viewer &&
    !settings.json &&
    isTerminal(context) &&
    session.controlPath !== undefined
  ) {
    const script = runScript(env, () => {})
    await runViewerProcess(context, home, session.controlPath)
    script.stop()
    await script.ended
  } else {
    if (!settings.json) printLines(session)
    const print = (line: string): void => {
      if (!settings.json) context.stdout.write(`  app │ ${visibleLine(line)}\n`)
    }
    const script = runScript(env, print)
    context.setExitCode(await script.ended)
  }
  await session.close()
  session.printSummary()
  if (session.capturePath !== undefined)
    session.tell(`look again with: porthole view ${session.capturePath}`)
}

/** Runs the demo's program; `args` are its own. `ended` resolves with its exit code. */
export function runScript(
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
  args: readonly string[] = [],
): { readonly ended: Promise<number>; stop(): void } {
  const path = fileURLToPath(new URL('../demo/script.js', import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', print)
  }
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(1))
    // `close`, not `exit`: by then its last lines have been read.
    child.once('close', (code) => resolve(code ?? 1))
  })
  return { ended, stop: () => void child.kill() }
}

/** The embedded provider, with a certificate of an authority of its own for each of its hosts. */
export async function startProvider(commonName: string): Promise<{
  readonly provider: Awaited<ReturnType<typeof startDemoProvider>>
  readonly root: ReturnType<typeof createAuthority>
}> {
  const now = new Date()
  const root = createAuthority({ permittedHosts: demoHosts, now, days: 1, commonName })
  const [first, ...rest] = demoHosts.map((host) => ({ host, ...root.issueLeaf(host, now) }))
  if (first === undefined) throw new RangeError('the demo has no hosts')
  return { provider: await startDemoProvider({ certificates: [first, ...rest] }), root }
}

/** The demo's hosts and nobody else's; all of them lead to the embedded provider. */
function demoSettings(given: Settings, port: number): Settings {
  return {
    ...given,
    allow: demoHosts.map(parseHostPattern),
    connectTo: demoHosts.map((host) => ({
      from: { host, port: 443, kind: 'name' },
      to: { host: '127.0.0.1', port, kind: 'ipv4' },
    })),
  }
}
