/**
 * Runs analyzers anew over a recording. What analyzers said then is left out, for they say it
 * again; everything else stands as it was recorded, with its own number. Messages made now are
 * numbered as they would have been live (see `Chain`).
 */
import { encodeLine } from '../messages/codec.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import { Chain } from '../pipeline/chain.ts'
import type { CaptureLine } from './reader.ts'

const derivedKinds: ReadonlySet<string> = new Set([
  'http-parsed',
  'sse-event',
  'stream-merged',
  'model-called',
  'model-answered',
  'call-linked',
  'operation-performed',
  'mcp-called',
  'mcp-answered',
])

/** Whether an analyzer made it from recorded bytes, and would make it again. */
export function isDerived(msg: AnalysisMsg): boolean {
  return msg.by !== undefined && derivedKinds.has(msg.kind)
}

/**
 * The lines with derived messages replaced by those that `analyzers` make now. A line made now has
 * the place of the recorded one that caused it. The analyzers are not closed.
 */
export async function* reanalyze(
  lines: AsyncIterable<CaptureLine>,
  analyzers: readonly Analyzer[],
): AsyncGenerator<CaptureLine, void, undefined> {
  let delivered: AnalysisMsg[] = []
  const chain = new Chain(analyzers, (msg) => delivered.push(msg))
  for await (const line of lines) {
    if (line.type !== 'message') {
      yield line
      continue
    }
    if (isDerived(line.msg)) continue
    chain.run(line.msg, line.msg.at, { seq: line.msg.seq })
    const caused = delivered.slice(1)
    delivered = []
    yield line
    for (const msg of caused) yield madeLine(msg, line)
  }
}

function madeLine(
  msg: AnalysisMsg,
  { path, lineNumber }: Pick<CaptureLine, 'path' | 'lineNumber'>,
): CaptureLine {
  return {
    type: 'message',
    path,
    lineNumber,
    msg,
    get raw() {
      return encodeLine(msg).slice(0, -1)
    },
  }
}

const leftOut: ReadonlySet<string> = new Set(['http-parsed', 'sse-event'])
/** Who makes these; what the others say is recorded. */
const restorers: ReadonlySet<string> = new Set(['http-parser', 'sse-merger'])

/**
 * The lines as they are, with what captures leave out made anew for the exchanges in `full`, whose
 * bodies are all there. The analyzers are not closed.
 */
export async function* restoreLeftOut(
  lines: AsyncIterable<CaptureLine>,
  analyzers: readonly Analyzer[],
  full: ReadonlySet<string>,
): AsyncGenerator<CaptureLine, void, undefined> {
  let delivered: AnalysisMsg[] = []
  const wanted = analyzers.filter(({ name }) => restorers.has(name))
  const chain = new Chain(wanted, (msg) => delivered.push(msg))
  for await (const line of lines) {
    if (line.type !== 'message' || !leftOut.has(line.msg.kind)) yield line
    if (line.type !== 'message' || !full.has(line.msg.exchangeId ?? '')) continue
    if (isDerived(line.msg)) continue
    chain.run(line.msg, line.msg.at, { seq: line.msg.seq })
    const caused = delivered.filter(({ kind }) => leftOut.has(kind))
    delivered = []
    for (const msg of caused) yield madeLine(msg, line)
  }
}
