/** Says once for each secret that its value turned up where it had no business; never the value. */
import type { AnalysisMsg } from '../messages/schema.ts'
import { formatWireText } from '../run/amounts.ts'

/** Secrets that are told apart. */
const mostTold = 1_000

export function createWithheldNotice(tell: (line: string) => void): (msg: AnalysisMsg) => void {
  const told = new Set<string>()
  return (msg) => {
    if (msg.kind !== 'secret-withheld' || told.has(msg.secretId) || told.size >= mostTold) return
    told.add(msg.secretId)
    const name = formatWireText(msg.secretId)
    tell(`the value of the secret ${name} stood in a ${formatWireText(msg.where)}: masked there`)
  }
}
