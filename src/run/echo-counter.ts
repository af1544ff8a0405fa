/** Counts, for each host, the credentials that it was sent and that came back from it. */
import type { AnalysisMsg } from '../messages/schema.ts'
import { totalsRow } from './totals-row.ts'

export interface EchoTotals {
  readonly host: string
  /** Different secrets. */
  secrets: number
}

/** Exchanges whose host is remembered; the oldest is forgotten first. */
const mostOpen = 4_096
const mostSecrets = 10_000

export class EchoCounter {
  readonly #hosts = new Map<string, string>()
  readonly #totals = new Map<string, EchoTotals>()
  readonly #seen = new Set<string>()

  add(msg: AnalysisMsg): void {
    const id = msg.exchangeId ?? ''
    if (msg.kind === 'request-started') {
      this.#hosts.set(id, msg.host)
      const oldest = this.#hosts.keys().next()
      if (this.#hosts.size > mostOpen && oldest.done !== true) this.#hosts.delete(oldest.value)
    } else if (msg.kind === 'exchange-completed' || msg.kind === 'exchange-failed') {
      this.#hosts.delete(id)
    } else if (msg.kind === 'credential-echoed') {
      this.#count(this.#hosts.get(id) ?? '', msg.secretId ?? '')
    }
  }

  totals(): EchoTotals[] {
    return structuredClone([...this.#totals.values()])
  }

  #count(host: string, secretId: string): void {
    const key = JSON.stringify([host, secretId])
    if (this.#seen.has(key) || this.#seen.size >= mostSecrets) return
    this.#seen.add(key)
    totalsRow(this.#totals, [host], (isOverflow) => ({
      host: isOverflow ? 'others' : host,
      secrets: 0,
    })).secrets += 1
  }
}
