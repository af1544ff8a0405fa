/** What a source of messages says, as lines that a test can wait for. */
import type { MessageSource } from '../../src/control/source.ts'

export interface HeardSource {
  /** `ORIGIN: KIND SEQ`, `status: TEXT` and `end`, as they came. */
  readonly lines: readonly string[]
  /** Resolves once a line is there. */
  readonly said: (wanted: string) => Promise<void>
}

/** Starts a source and keeps all it says, one line each; `said` waits for a line. */
export function listenTo(source: MessageSource): HeardSource {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const say = (line: string) => {
    lines.push(line)
    for (const look of waiting) look()
  }
  source.start({
    onMessage: (msg, origin) => say(`${origin}: ${msg.kind} ${msg.seq}`),
    onStatus: (text) => say(`status: ${text}`),
    onEnd: () => say('end'),
  })
  const said = (wanted: string) =>
    new Promise<void>((resolve) => {
      const look = (): void => {
        if (!lines.includes(wanted)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { lines, said }
}
