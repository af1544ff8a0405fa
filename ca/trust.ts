/**
 * Runs the trust-store scripts of `ca/trust/`. It knows which script serves which platform and that
 * each first says what it would do; what they do to a store is theirs alone. They compare whole
 * certificates, so a certificate of the same name is never touched.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { AppError, errorCodeOf } from '../src/base/errors.ts'

export type TrustStore = 'system' | 'nss' | 'java'
export const trustStores: readonly TrustStore[] = ['system', 'nss', 'java']
export type TrustAction = 'install' | 'uninstall' | 'status'

export interface TrustScript {
  readonly store: TrustStore
  /** File name, for messages. */
  readonly name: string
  readonly path: string
  /** False where the user asked for all stores, of which some may not exist here. */
  readonly required: boolean
}

export interface PickOptions {
  readonly platform: NodeJS.Platform
  readonly store: TrustStore | 'all'
}

/** The scripts for a platform. Throws `ERR_TRUST_UNSUPPORTED` where there is none for the store. */
export function pickTrustScripts({ platform, store }: PickOptions): readonly TrustScript[] {
  const files = scriptFiles(platform)
  const wanted = store === 'all' ? trustStores : [store]
  const scripts = wanted.flatMap((candidate) => {
    const name = files[candidate]
    const path =
      name === undefined ? undefined : fileURLToPath(new URL(`trust/${name}`, import.meta.url))
    return name === undefined || path === undefined
      ? []
      : [{ store: candidate, name, path, required: store !== 'all' }]
  })
  if (scripts.length > 0) return scripts
  const system = store === 'all' ? platform : `${store} on ${platform}`
  throw new AppError('ERR_TRUST_UNSUPPORTED', { system })
}

export interface TrustRun {
  readonly scripts: readonly TrustScript[]
  /** Files of one PEM certificate each. */
  readonly caPaths: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** For all users of the machine, on platforms that tell them apart from one user. */
  readonly machine?: boolean | undefined
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined
  /** Takes the scripts' output as it comes. */
  write(text: string): void
  /** Asked after the commands were shown and before anything is changed. */
  confirm?(): Promise<boolean>
  /** Has the change done within something else, such as a record of it. */
  within?(change: () => Promise<void>): Promise<void>
}

/**
 * Shows what an installation or removal will do, asks `confirm`, then does it. Throws
 * `ERR_TRUST_SCRIPT` when a script fails, or when no store that was asked for exists here.
 */
export async function runTrust(
  action: 'install' | 'uninstall',
  run: TrustRun,
): Promise<'done' | 'shown' | 'declined'> {
  await runScripts(action, run, true)
  if (run.dryRun === true) return 'shown'
  if (run.confirm !== undefined && !(await run.confirm())) return 'declined'
  const change = (): Promise<void> => runScripts(action, run, false)
  await (run.within?.(change) ?? change())
  return 'done'
}

export interface TrustState {
  readonly store: TrustStore
  readonly state: 'trusted' | 'not trusted' | 'skipped'
  /** The store's place, or why it was skipped. */
  readonly where: string
}

/** Where one certificate is trusted. A script that fails counts as skipped, with its reason. */
export async function readTrust(
  run: Pick<TrustRun, 'scripts' | 'env' | 'machine'> & { readonly caPath: string },
): Promise<readonly TrustState[]> {
  const states: TrustState[] = []
  for (const script of run.scripts) {
    let output = ''
    const write = (text: string): void => {
      output += text
    }
    const args = { ...run, caPath: run.caPath, dryRun: false, write }
    const code = await runScript('status', script, args)
    const lines = output.split('\n').filter((line) => line !== '')
    const known = lines.flatMap((line) => parseState(script.store, line))
    if (known.length > 0) states.push(...known)
    else
      states.push({ store: script.store, state: 'skipped', where: lines.at(-1) ?? `code ${code}` })
  }
  return states
}

/** Exit code of a script for a store that this machine does not have. */
const storeAbsent = 4

function scriptFiles(platform: NodeJS.Platform): Partial<Record<TrustStore, string>> {
  if (platform === 'linux') return { system: 'linux.sh', nss: 'nss.sh', java: 'java.sh' }
  if (platform === 'darwin') return { system: 'macos.sh', nss: 'nss.sh', java: 'java.sh' }
  // Firefox and Chrome on Windows read the system's roots.
  if (platform === 'win32') return { system: 'windows.ps1' }
  return { nss: 'nss.sh', java: 'java.sh' }
}

async function runScripts(
  action: 'install' | 'uninstall',
  run: TrustRun,
  dryRun: boolean,
): Promise<void> {
  let served = false
  for (const script of run.scripts) {
    for (const caPath of run.caPaths) {
      const code = await runScript(action, script, { ...run, caPath, dryRun })
      if (code !== 0 && (code !== storeAbsent || script.required)) {
        throw new AppError('ERR_TRUST_SCRIPT', { script: script.name, code, action })
      }
      served ||= code === 0
    }
  }
  const first = run.scripts[0]
  if (!served && first !== undefined && run.caPaths.length > 0) {
    throw new AppError('ERR_TRUST_SCRIPT', { script: first.name, code: storeAbsent, action })
  }
}

interface ScriptRun {
  readonly caPath: string
  readonly env: NodeJS.ProcessEnv
  readonly machine?: boolean | undefined
  readonly dryRun: boolean
  write(text: string): void
}

/** Resolves to the exit code; standard input stays the user's, for sudo and keychain prompts. */
function runScript(action: TrustAction, script: TrustScript, run: ScriptRun): Promise<number> {
  const { file, args } = commandFor(action, script, run)
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      // The scripts read what the tools print.
      env: { ...run.env, LC_ALL: 'C' },
      stdio: ['inherit', 'pipe', 'pipe'],
      windowsHide: true,
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => run.write(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => run.write(text))
    child.once('error', (error) => {
      const code = errorCodeOf(error) ?? 'unknown'
      reject(new AppError('ERR_TRUST_SCRIPT', { script: script.name, code, action }, error))
    })
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function commandFor(
  action: TrustAction,
  script: TrustScript,
  run: ScriptRun,
): { readonly file: string; readonly args: readonly string[] } {
  if (script.path.endsWith('.ps1')) {
    const flags = [run.dryRun ? '-DryRun' : '', run.machine === true ? '-Machine' : '']
    const shell = ['-NoProfile', '-ExecutionPolicy', 'Bypass', '-File', script.path]
    const args = [...shell, action, '-Ca', run.caPath, ...flags.filter((flag) => flag !== '')]
    return { file: 'powershell.exe', args }
  }
  const flags = [run.dryRun ? '--dry-run' : '', run.machine === true ? '--machine' : '']
  const args = [script.path, action, '--ca', run.caPath, ...flags.filter((flag) => flag !== '')]
  return { file: 'sh', args }
}

function parseState(store: TrustStore, line: string): readonly TrustState[] {
  const match = /^(trusted|not trusted|skipped): (.*)$/u.exec(line)
  const [, state, where = ''] = match ?? []
  if (state !== 'trusted' && state !== 'not trusted' && state !== 'skipped') return []
  return [{ store, state, where }]
}
