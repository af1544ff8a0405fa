/** What `npm run soak` understands. */
import { parseArgs } from 'node:util'

export interface SoakOptions {
  readonly minutes: number
  /** Set: kills a proxy so many times instead of soaking one. */
  readonly kills: number | undefined
  readonly seed: number
  readonly workers: number
  readonly help: boolean
}

export const usage = `npm run soak -- [--minutes N] [--kills N] [--seed N] [--workers N]

  --minutes N   length of the soak, 1 unless told otherwise; fractions are fine
  --kills N     instead: kill -9 a proxy under load N times, and look at what is left
  --seed N      repeat the choices of an earlier run; its seed was printed
  --workers N   clients at the same time, 16 unless told otherwise`

/** Throws where an option is unknown or not a number. */
export function parseCommandLine(args: readonly string[], ownSeed: number): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '1' },
      kills: { type: 'string' },
      seed: { type: 'string', default: String(ownSeed) },
      workers: { type: 'string', default: '16' },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    minutes: within('--minutes', values.minutes, 600),
    kills: values.kills === undefined ? undefined : within('--kills', values.kills, 10_000),
    seed: within('--seed', values.seed, 2 ** 32),
    workers: within('--workers', values.workers, 200),
    help: values.help,
  }
}

function within(name: string, text: string, most: number): number {
  const value = Number(text)
  if (value > 0 && value <= most) return value
  throw new Error(`${name} is ${JSON.stringify(text)}: a number up to ${most} is wanted`)
}
