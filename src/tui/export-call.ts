/** Exporting a call: the formats that there are, and what the viewer asks for. It writes nothing. */
import type { ExchangeRecord } from '../recorded/exchange-record.ts'
import type { ExportAction } from './keys/detail.ts'

export type CallFormat = 'har' | 'curl' | 'markdown' | 'jsonl'

/** Resolves with what there is to say about it, one line; rejects where it could not be written. */
export type ExportCall = (record: ExchangeRecord, format: CallFormat) => Promise<string>

const formats: Readonly<Record<ExportAction, CallFormat>> = {
  'export-har': 'har',
  'export-curl': 'curl',
  'export-markdown': 'markdown',
  'export-jsonl': 'jsonl',
}

/** The format that an action chooses; undefined for any other action. */
export function formatOf(action: string): CallFormat | undefined {
  return Object.hasOwn(formats, action) ? formats[action as ExportAction] : undefined
}
