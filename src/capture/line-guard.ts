/**
 * The last look at what goes to disk: no line of a capture holds the value of a stored secret,
 * whichever way it came. Messages have been looked at before (`pipeline/value-guard.ts`), so that
 * here nothing is found but what a fault has let through: that is masked and told.
 */
import { lineOf, parseLine } from '../messages/codec.ts'
import { maskValues } from '../policy/value-mask.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'

/** What Porthole has made up. */
const ownFields = new Set(['kind', 'v', 'seq', 'at', 'by', 'connectionId', 'exchangeId', 'hash'])

export class LineGuard {
  readonly #values: ValueFinder
  readonly #onWithheld: (secretId: string) => void

  /** `onWithheld` hears of each value that was taken out. */
  constructor(values: ValueFinder, onWithheld: (secretId: string) => void) {
    this.#values = values
    this.#onWithheld = onWithheld
  }

  /** Whole lines; those very lines where there is nothing in them. */
  cleaned(lines: string): string {
    if (this.#values.find(lines).length === 0) return lines
    return lines
      .split('\n')
      .slice(0, -1)
      .map((line) => this.#cleanedLine(line))
      .join('')
  }

  /** Empty where it is no line of a capture: then it cannot be masked either. */
  #cleanedLine(line: string): string {
    const found = this.#values.find(line)
    if (found.length === 0) return `${line}\n`
    const parsed = parseLine(line)
    if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) {
      for (const { secretId } of found) this.#onWithheld(secretId)
      return ''
    }
    const fields = Object.entries(parsed.value).map(([name, value]) => [
      name,
      ownFields.has(name)
        ? (value as unknown)
        : maskValues(value, this.#values, ({ secretId }) => this.#onWithheld(secretId)),
    ])
    return lineOf(JSON.stringify(Object.fromEntries(fields)))
  }
}
