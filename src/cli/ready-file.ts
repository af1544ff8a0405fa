/**
 * The ready file (`--ready-file`): tells whoever started the proxy where it listens. It appears
 * whole, once the proxy listens. One that a dead proxy left is removed before: whoever waits for the
 * file to appear must not be sent to a port where nobody listens.
 */
import { open, readFile, rename, rm } from 'node:fs/promises'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'

/** Removes the file if the process that it names is gone. Never throws. */
export async function removeStaleReadyFile(path: string, ownPid: number): Promise<void> {
  try {
    const { pid } = JSON.parse(await readFile(path, 'utf8')) as { readonly pid?: unknown }
    // In a container ids begin anew: our own in the file is that of a predecessor.
    if (typeof pid !== 'number' || (pid !== ownPid && isAlive(pid))) return
    await rm(path, { force: true })
  } catch {
    // There is none, or it is no ready file: then it is not ours to remove.
  }
}

/** What it says; a proxy names its certificates too, null where nothing is intercepted. */
export interface ReadyState {
  /** With a token, where the proxy has made one for itself. */
  readonly url: string
  readonly port: number
  readonly caCert?: string | null
  readonly bundle?: string | null
  readonly pid: number
  readonly routes?: readonly RouteState[]
}

/** A base URL, and what stands in the place of its API key. */
export interface RouteState {
  readonly name: string
  readonly url: string
  readonly upstream: string
  readonly token?: string
}

/** Throws `ERR_HOME_UNWRITABLE`. */
export async function writeReadyFile(path: string, ready: ReadyState): Promise<void> {
  try {
    // Appears whole: whoever waits for the file never reads half of it.
    const temporary = `${path}.${ready.pid}.part`
    const handle = await open(temporary, 'w', 0o600)
    await handle.writeFile(`${JSON.stringify(ready)}\n`)
    await handle.close()
    await rename(temporary, path)
  } catch (error) {
    throw new AppError('ERR_HOME_UNWRITABLE', { path, problem: describeError(error) }, error)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCodeOf(error) === 'EPERM'
  }
}
