/**
 * The keyring of the operating system (Secret Service, Keychain, Credential Manager) as a place for
 * a vault's key. Its library is native and loaded when a vault wants it. On Linux the Secret Service
 * alone will do: the kernel's own keyring forgets at the next start what nobody else has.
 */
import { AppError, describeError } from '../base/errors.ts'

/** One entry for each key, by its name. */
export interface SystemKeyring {
  /** Undefined where there is none of that name. Rejects with `ERR_VAULT_KEY`. */
  read(name: string): Promise<string | undefined>
  /** Rejects with `ERR_VAULT_KEY`. */
  write(name: string, text: string): Promise<void>
  /** Rejects with `ERR_VAULT_KEY`. */
  remove(name: string): Promise<void>
}

/** What entries stand under, and what users see there. */
const service = 'porthole'
/** For the user to unlock it, in ms. */
const patienceMs = 60_000

/** Nothing is asked of the user before the first entry is read or written. */
export async function openSystemKeyring(): Promise<SystemKeyring> {
  const load = import('@napi-rs/keyring')
  const { AsyncEntry } = await reached(load)
  const entryOf = (name: string): InstanceType<typeof AsyncEntry> => {
    try {
      return new AsyncEntry(service, name, { linux: { store: 'secret-service' } })
    } catch (error) {
      throw unreachable(error)
    }
  }
  return {
    read: async (name) => (await reached(entryOf(name).getPassword())) ?? undefined,
    write: async (name, text) => reached(entryOf(name).setPassword(text)),
    remove: async (name) => void (await reached(entryOf(name).deleteCredential())),
  }
}

async function reached<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('it does not answer')), patienceMs)
  })
  try {
    return await Promise.race([work, late])
  } catch (error) {
    throw unreachable(error)
  } finally {
    clearTimeout(timer)
  }
}

function unreachable(error: unknown): AppError {
  const [line = ''] = describeError(error).split('\n')
  const problem = `the keyring of this system cannot be used: ${line}`
  const next = 'unlock it, or keep the key elsewhere: --key-from passphrase, file or env'
  return new AppError('ERR_VAULT_KEY', { problem, next }, error)
}
