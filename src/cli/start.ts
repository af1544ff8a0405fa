/** `porthole start`: a standing proxy, with the viewer on a terminal and one line per call without. */
import type { Command } from 'commander'

import type { Settings } from '../config/settings.ts'
import { extraRootFiles, replacedRootFiles } from '../run/environment.ts'
import { createLineReporter } from '../run/line-reporter.ts'
import { formatVariables, routeVariables } from '../run/route-variables.ts'
import type { CliContext, Flags } from './context.ts'
import { addOptions, loadSettings } from './context.ts'
import { indexCapture } from './index-capture.ts'
import { bindingsOf } from './run.ts'
import { openStandingVault } from './session-vault.ts'
import type { SessionVault } from './session-vault.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'
import { stopSignal } from './stop-signal.ts'
import { tellStanding } from './vault-standing.ts'
import { isTerminal, runViewerProcess } from './viewer-process.ts'

export function registerStartCommand(program: Command, context: CliContext): void {
  addOptions(program.command('start'), 'start')
    .summary('run a standing proxy')
    .description(
      'Runs a proxy until it is stopped: with the viewer on a terminal, else one line per call. ' +
        'Programs use it through HTTPS_PROXY and must trust its CA (porthole ca export, ca install).',
    )
    .addHelpText(
      'after',
      '\nExample:\n  porthole start --allow api.openai.com,api.anthropic.com\n' +
        '  porthole ca export --out porthole-ca.pem\n' +
        '  HTTPS_PROXY=http://127.0.0.1:8080 curl --cacert porthole-ca.pem https://api.openai.com/v1/models',
    )
    .action((flags: Flags) => start(context, flags))
}

async function start(context: CliContext, flags: Flags): Promise<void> {
  const { settings, home, configPath } = await loadSettings(context, 'start', flags)
  await tellStanding(context, home, settings)
  const vault = await openStandingVault(context, home)
  const session = await openSession(context, {
    settings,
    home,
    configPath,
    command: 'start',
    keepsCa: true,
    vault,
    userRoots: {
      added: extraRootFiles(context.env, context.platform),
      replaced: replacedRootFiles(context.env, context.platform),
    },
  })
  const stopped = stopSignal()
  announce(context, session, settings, vault)
  if (
    settings.viewer &&
    !settings.json &&
    isTerminal(context) &&
    session.controlPath !== undefined
  ) {
    await Promise.race([showViewer(context, session, home, session.controlPath), stopped])
  } else {
    if (!settings.json) printLines(session)
    await stopped
  }
  await session.close()
  session.printSummary()
  await indexCapture(home, session)
}

/** The user's quit ends the proxy; a viewer that died does not: lines take its place. */
async function showViewer(
  context: CliContext,
  session: Session,
  home: string,
  controlPath: string,
): Promise<void> {
  const end = await runViewerProcess(context, home, controlPath)
  if (end === 'quit') return
  session.tell('the viewer ended; the proxy goes on, Ctrl-C stops it')
  printLines(session)
  await new Promise<never>(() => {})
}

function announce(
  context: CliContext,
  session: Session,
  settings: Settings,
  vault: SessionVault,
): void {
  const { running } = session
  const allow = settings.allow.map(({ text }) => text)
  session.tell(`listening on ${running.url}, decrypting ${allow.join(', ')}`)
  if (running.caFailure !== undefined) {
    const { message, hint } = running.caFailure
    session.tell(`warning: ${message}; every host is tunnelled unread; ${hint}`)
  } else session.tell(`CA certificate ${running.caCertPath}`)
  for (const { url, upstream } of running.routes) session.tell(`route ${url} to ${upstream}`)
  if (session.capturePath !== undefined) session.tell(`recording to ${session.capturePath}`)
  if (running.proxyUrl !== running.url) {
    session.tell('other machines reach this address, so programs need the token of this session:')
    session.tell(`HTTPS_PROXY=${running.proxyUrl}`)
  } else if (settings.auth === 'off') {
    session.tell('warning: --auth off: any program of this machine can use the proxy')
  } else if (vault.directory.demandsToken()) {
    session.tell('programs need a token of their own: porthole agents add NAME makes one')
  }
  announceRoutes(context, session, settings, vault)
  if (context.stdin.isTTY) session.tell('Ctrl-C stops it')
}

/** Tokens are printed where they were asked for alone, and on stdout, so that a shell can read them. */
function announceRoutes(
  context: CliContext,
  session: Session,
  settings: Settings,
  vault: SessionVault,
): void {
  const { routes } = session.running
  if (settings.printEnv) {
    const { variables, notes } = routeVariables(routes, bindingsOf(settings, vault))
    for (const note of notes) session.tell(note)
    for (const line of formatVariables(variables, context.platform)) session.print(line)
  } else if (routes.some(({ token }) => token !== undefined)) {
    session.tell(
      'routes with a credential take a token in place of the API key: that of an agent, or the one that --print-env prints',
    )
  }
}

/** One line per call on stdout. */
export function printLines(session: Session): void {
  const describe = createLineReporter()
  session.running.subscribe((msg) => {
    const line = describe(msg)
    if (line !== undefined) session.print(line)
  })
}
