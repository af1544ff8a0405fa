/** `porthole run -- CMD`: one program, its own proxy, its own CA, and its exit code. */
import { basename } from 'node:path'

import type { Command } from 'commander'

import type { Settings } from '../config/settings.ts'
import type { CredentialBinding } from '../policy/credential.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { providerKeyOf } from '../policy/provider-keys.ts'
import type { RunningPorthole } from '../porthole.ts'
import { mintSessionToken } from '../proxy/session-token.ts'
import { runChild } from '../run/child.ts'
import { recogniseClient, recognitionNotice } from '../run/clients.ts'
import { childEnvironment, extraRootFiles, replacedRootFiles } from '../run/environment.ts'
import { withoutKeys } from '../run/key-variables.ts'
import { routeVariables } from '../run/route-variables.ts'
import { keyVariables } from '../vault/key-sources.ts'
import type { CliContext, Flags } from './context.ts'
import { addOptions, loadSettings } from './context.ts'
import { indexCapture } from './index-capture.ts'
import { openRunVault, runAgent } from './session-vault.ts'
import type { RunVault, SessionVault } from './session-vault.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'
import { leaveSignalsToChild } from './stop-signal.ts'
import { tellStanding } from './vault-standing.ts'

/** What the child left running in the background gets to finish its exchanges, in ms. */
const afterChildMs = 2000

export function registerRunCommand(program: Command, context: CliContext): void {
  addOptions(program.command('run'), 'run')
    .argument('<command...>', 'the program and its arguments, after --')
    .passThroughOptions()
    .summary('run a program and see its model calls')
    .description(
      'Runs a program behind a proxy of its own. Its stdin, stdout, stderr, terminal, signals and ' +
        'exit code are its own; a summary follows on stderr. Watch it live with: porthole view',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole run -- claude\n  porthole run --allow-preset openai -- python app.py\n' +
        '  porthole run --agent ci -- npm test',
    )
    .action((command: string[], flags: Flags) => run(context, command, flags))
}

async function run(context: CliContext, command: readonly string[], flags: Flags): Promise<void> {
  const { session, home, env, program, args } = await openRun(context, command, flags)
  // The child decides what a signal means; what follows its end is short and must be told whole.
  leaveSignalsToChild()
  try {
    const { exitCode } = await runChild({ command: program, args, env })
    context.setExitCode(exitCode)
  } finally {
    await session.close(afterChildMs)
  }
  session.printSummary()
  await indexCapture(home, session)
}

export interface OpenRun {
  readonly session: Session
  readonly home: string
  readonly program: string
  readonly args: readonly string[]
  /** For the program. */
  readonly env: NodeJS.ProcessEnv
}

/** Everything that a program is run behind, the program itself not started yet. */
export async function openRun(
  context: CliContext,
  command: readonly string[],
  flags: Flags,
): Promise<OpenRun> {
  const [program = '', ...args] = command
  const { settings: given, home, configPath } = await loadSettings(context, 'run', flags)
  const client = recogniseClient(program, args)
  const settings = client === undefined ? given : withHosts(given, client.hosts)
  const token = mintSessionToken()
  await tellStanding(context, home, settings)
  const vault = await openRunVault(context, home, settings.agent)
  const session = await openSession(context, {
    settings,
    home,
    configPath,
    // The name alone: arguments may hold secrets, and viewers and files get to see this.
    command: basename(program),
    keepsCa: false,
    token,
    vault,
    sharesStdout: true,
    userRoots: {
      added: extraRootFiles(context.env, context.platform),
      replaced: replacedRootFiles(context.env, context.platform),
    },
  })
  noteInheritedProxy(context, session, settings)
  if (client !== undefined) session.tell(recognitionNotice(client))
  try {
    const env = environmentFor(context, session, settings, token, vault)
    return { session, home, program, args, env }
  } catch (error) {
    await session.close(0)
    throw error
  }
}

/** The program's own way out was a proxy: without ours chained to it, nothing may be reachable. */
function noteInheritedProxy(context: CliContext, session: Session, settings: Settings): void {
  const names = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']
  const found = names.find((name) => (context.env[name] ?? '') !== '')
  if (found === undefined || settings.upstreamProxy !== undefined) return
  session.tell(
    `${found} is set and not used; to go through that proxy: --upstream-proxy "$${found}"`,
  )
}

/** The child's environment, without the credentials that are injected for it. */
export function environmentFor(
  context: CliContext,
  session: Session,
  settings: Settings,
  token: string,
  vault?: RunVault,
): NodeJS.ProcessEnv {
  const { running } = session
  const bindings = bindingsOf(settings, vault)
  const { starpodVariable } = settings.tokens
  const keys = withoutKeys({
    env: context.env,
    bindings: vault?.bindings ?? [],
    intercepted: [...settings.allow, ...routedHosts(running)],
    sources: [...settings.credentials.map(({ variable }) => variable), ...(vault?.variables ?? [])],
    withheld: [...keyVariables, ...(starpodVariable === undefined ? [] : [starpodVariable])],
  })
  for (const note of keys.notes) session.tell(note)
  const { env, notes } = childEnvironment({
    parent: keys.env,
    proxyUrl: running.url.replace('http://', `http://${vault?.agent ?? runAgent}:${token}@`),
    caCertPath: running.addedRootsPath,
    bundlePath: running.bundlePath,
    platform: context.platform,
    interceptedHosts: settings.allow.map(({ text }) => text),
  })
  const routes = routeVariables(running.routes, bindings, env)
  for (const note of [...notes, ...routes.notes]) session.tell(note)
  return { ...env, ...routes.variables }
}

/** Routes with a credential: what goes there gets it, as what goes through the proxy does. */
function routedHosts({ routes }: RunningPorthole): HostPattern[] {
  return routes
    .filter(({ token }) => token !== undefined)
    .map(({ upstream }) => new URL(upstream))
    .filter(({ hostname }) => !hostname.startsWith('['))
    .map(({ hostname, port }) => parseHostPattern(port === '' ? hostname : `${hostname}:${port}`))
}

/**
 * What may be put into requests, as far as it is known by name. A variable that the proxy reads is
 * where a program looks too, unless its provider has a usual one.
 */
export function bindingsOf(
  settings: Settings,
  vault: SessionVault | undefined,
): readonly CredentialBinding[] {
  const own = settings.credentials.map(({ host, header, variable, format }) => ({
    id: variable,
    hosts: [host],
    path: undefined,
    location: { type: 'header' as const, name: header, format, ifPresent: false },
    variable: providerKeyOf(host.host) === undefined ? variable : undefined,
  }))
  return [...(vault?.bindings ?? []), ...own]
}

/** The settings with hosts put on their allowlist. */
export function withHosts(settings: Settings, hosts: readonly string[]): Settings {
  const known = new Set(settings.allow.map(({ text }) => text))
  const added = hosts.filter((host) => !known.has(host)).map(parseHostPattern)
  return { ...settings, allow: [...settings.allow, ...added] }
}
