/** What the store of the viewer is given: time, the terminal, the source, and what was kept before. */
import type { Clock } from '../base/clock.ts'
import type { LoadExchange } from './exchange-loader.ts'
import type { ExportCall } from './export-call.ts'
import type { Preferences } from './preferences.ts'
import type { ViewLimits } from './view-limits.ts'

export interface StoreOptions {
  readonly clock: Clock
  /** Runs `task` once after `delayMs`; the viewer passes a timer, tests what they like. */
  readonly schedule: (task: () => void, delayMs: number) => void
  /** Whether the terminal has not taken yet what was written before. */
  readonly isBlocked?: () => boolean
  readonly limits?: ViewLimits
  /** What was chosen in an earlier run. */
  readonly preferences?: Preferences | undefined
  /** Called when the user chooses something else. */
  readonly onPreferences?: ((preferences: Preferences) => void) | undefined
  readonly initialFilter?: string | undefined
  /** Asks the proxy `origin` to decrypt `host` from now on; resolves with its answer, one line. */
  readonly allow?: ((origin: string, host: string) => Promise<string>) | undefined
  /** Reads the messages of an exchange again, from where `origin` was read. */
  readonly load?: LoadExchange | undefined
  /** Writes an escape sequence that copies, as it stands, to the terminal. */
  readonly copy?: ((sequence: string) => void) | undefined
  /** Writes a call to a file; resolves with what there is to say about it, one line. */
  readonly exportCall?: ExportCall | undefined
}
