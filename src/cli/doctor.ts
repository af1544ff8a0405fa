/**
 * `porthole doctor`: why is nothing showing? Looks at everything on the way of a call, makes one
 * itself, and with a command runs it and says how far it came.
 */
import { dirname, resolve } from 'node:path'

import type { Command } from 'commander'

import { resolveCapturePath } from '../capture/capture-path.ts'
import type { Settings } from '../config/settings.ts'
import { Funnel } from '../recorded/funnel.ts'
import type { FunnelVerdict } from '../recorded/funnel.ts'
import { runChild } from '../run/child.ts'
import { recogniseClient } from '../run/clients.ts'
import type { CliContext, Flags } from './context.ts'
import { addOptions, loadSettings } from './context.ts'
import { checkRealCall } from './doctor-call.ts'
import { runChecks } from './doctor-checks.ts'
import type { Check } from './doctor-checks.ts'
import { indexCapture } from './index-capture.ts'
import { openRun, withHosts } from './run.ts'
import { leaveSignalsToChild } from './stop-signal.ts'

/** Options of `run` that have no meaning here, or another one. */
const leftOut = ['json', 'readyFile', 'listen', 'limit', 'keepCaptures', 'keepSize']

/** What the program left running gets to finish its exchanges, in ms. */
const afterChildMs = 2000

export function registerDoctorCommand(program: Command, context: CliContext): void {
  addOptions(program.command('doctor'), 'run', leftOut)
    .argument('[command...]', 'a program to run and judge, after --')
    .option('--json', 'print every check on stdout, as one line of JSON')
    .passThroughOptions()
    .summary('why is nothing showing?')
    .description(
      'Checks what a call has to pass: Node, folders, the certificate authority, variables and settings ' +
        'that lead past the proxy, and one real call on loopback. With a command, runs it as `run` does, ' +
        'and says how far it came. Exits with 1 if anything failed.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  porthole doctor\n  porthole doctor --allow llm.example.com -- python app.py',
    )
    .action((command: string[], flags: Flags) => doctor(context, command, flags))
}

async function doctor(
  context: CliContext,
  command: readonly string[],
  flags: Flags,
): Promise<void> {
  const isJson = flags['json'] === true
  const tell = createTeller(context, isJson)
  // Told as a check that failed; what else there is can be looked at all the same.
  const { NODE_TLS_REJECT_UNAUTHORIZED: _, ...env } = context.env
  const { json: _json, ...given } = flags
  const { settings, home } = await loadSettings({ ...context, env }, 'run', given)
  let failures = 0
  const take = (check: Check): void => {
    if (check.level === 'fail') failures += 1
    tell(check)
  }
  const checks = runChecks({
    context,
    home,
    allow: allowedFor(settings, command),
    capturesFolder: capturesFolder(context, settings, home),
    nodeVersion: process.versions.node,
  })
  for await (const check of checks) take(check)
  take(await checkRealCall(context))
  if (command.length > 0) {
    take(programCheck(await runAndJudge({ ...context, env }, command, given, isJson)))
  }
  context.setExitCode(failures > 0 ? 1 : 0)
}

function allowedFor(settings: Settings, command: readonly string[]): Settings['allow'] {
  const [program = '', ...args] = command
  const client = recogniseClient(program, args)
  return client === undefined ? settings.allow : withHosts(settings, client.hosts).allow
}

function capturesFolder(context: CliContext, settings: Settings, home: string): string | undefined {
  const place = { home, now: Date.now(), pid: context.pid }
  const path = resolveCapturePath(settings.capture, place)
  return path === undefined ? undefined : dirname(resolve(path))
}

/** The program has the terminal; with `--json` its output goes to stderr, so that stdout is ours. */
async function runAndJudge(
  context: CliContext,
  command: readonly string[],
  flags: Flags,
  isJson: boolean,
): Promise<FunnelVerdict> {
  const { session, home, env, program, args } = await openRun(context, command, flags)
  const funnel = new Funnel()
  session.running.subscribe((msg) => funnel.take(msg))
  leaveSignalsToChild()
  try {
    await runChild({
      command: program,
      args,
      env,
      stdio: ['inherit', isJson ? context.stderr.fd : 'inherit', 'inherit'],
    })
  } finally {
    await session.close(afterChildMs)
  }
  await indexCapture(home, session)
  return funnel.verdict(Date.now())
}

function programCheck(verdict: FunnelVerdict): Check {
  const { step, text } = verdict
  // It was started by us, so that the usual advice is not what it lacks.
  const fix = step === 'no-connection' ? pastTheProxy : verdict.fix
  return { check: 'program', level: step === 'model-call' ? 'ok' : 'fail', what: text, fix }
}

const pastTheProxy =
  'it made no call, or goes past the proxy: it reads no HTTPS_PROXY, or its settings or a base URL (see above) lead elsewhere'

function createTeller(context: CliContext, isJson: boolean): (check: Check) => void {
  return (check) => {
    const { level, what, fix } = check
    const text = isJson
      ? JSON.stringify(check)
      : `${level.padEnd(4)}  ${what}${fix === '' ? '' : `  — ${fix}`}`
    context.stdout.write(`${text}\n`)
  }
}
