/**
 * The lines of a capture that belong to chosen exchanges, in their order. It is read twice: an
 * exchange is decided on when it has ended, and its lines are not kept until then, so that a capture
 * of any size passes in constant memory (but for the ids of what was chosen).
 */
import type { AnalysisMsg } from '../../messages/schema.ts'
import type { Filter } from '../../query/filter.ts'
import type { ExchangeRecord } from '../../recorded/exchange-record.ts'
import { RecordGatherer, recordIdOf } from '../../recorded/record-gatherer.ts'
import { matchesRecord } from '../../recorded/record-subject.ts'
import type { CaptureLine } from '../reader.ts'

/**
 * `read` begins anew with every call. Damaged lines come once, from the second reading; so do first
 * lines of files, and what is said of the connections of chosen exchanges.
 */
export async function* selectLines(
  read: () => AsyncIterable<CaptureLine>,
  filter: Filter,
): AsyncGenerator<CaptureLine, void, undefined> {
  const chosen = new Set<string>()
  const connections = new Set<string>()
  for await (const record of gatherRecords(read())) {
    if (!matchesRecord(filter, record)) continue
    chosen.add(record.id)
    if (record.connectionId !== undefined) connections.add(record.connectionId)
  }
  const isChosen = (msg: Partial<AnalysisMsg>): boolean => {
    if (msg.kind === 'connection-opened' || msg.kind === 'connection-closed') {
      return connections.has(msg.connectionId ?? '')
    }
    return chosen.has(recordIdOf(msg as AnalysisMsg) ?? '')
  }
  for await (const line of read()) {
    if (line.type === 'message' ? isChosen(line.msg) : isOther(line, chosen)) yield line
  }
}

function isOther(line: Exclude<CaptureLine, { type: 'message' }>, chosen: Set<string>): boolean {
  if (line.type !== 'unknown') return true
  const id = line.value['exchangeId']
  return typeof id === 'string' && chosen.has(id)
}

/** All records, as they end; those that never do come last. Other lines go to `onOther`. */
export async function* gatherRecords(
  lines: AsyncIterable<CaptureLine>,
  onOther?: (line: Exclude<CaptureLine, { type: 'message' }>) => void,
): AsyncGenerator<ExchangeRecord, void, undefined> {
  const gatherer = new RecordGatherer()
  for await (const line of lines) {
    if (line.type !== 'message') {
      onOther?.(line)
      continue
    }
    const record = gatherer.take(line.msg)
    if (record !== undefined) yield record
  }
  yield* gatherer.end()
}
