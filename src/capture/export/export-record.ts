/** One record as text, in any of the formats: for the export of a capture, and for what is at hand. */
import { encodeLine } from '../../messages/codec.ts'
import { messageVersion } from '../../messages/message-kind.ts'
import type { ExchangeRecord } from '../../recorded/exchange-record.ts'
import { curlCommand } from './curl-command.ts'
import type { ExportFormat, ExportOptions } from './export-format.ts'
import { harEntry } from './har-entry.ts'
import { createMarkdownWriter } from './markdown-calls.ts'
import { recordMessages } from './record-messages.ts'

/** A whole document that ends with a newline; one without entries where the format has no word for it. */
export function exportRecord(
  record: ExchangeRecord,
  format: ExportFormat,
  options: ExportOptions,
): string {
  switch (format) {
    case 'har': {
      const entry = harEntry(record)
      const entries = entry === undefined ? '' : JSON.stringify(entry)
      return `${harHead(options.porthole)}${entries}${harTail}`
    }
    case 'curl':
      return `${curlCommand(record, options.secrets)}\n`
    case 'markdown':
      return createMarkdownWriter().write(record)
    default: {
      const { startedAt } = record
      const { porthole } = options
      const head = { kind: 'capture-opened', v: messageVersion, porthole, startedAt } as const
      return [encodeLine(head), ...recordMessages(record).map(encodeLine)].join('')
    }
  }
}

/** What stands before the first entry of an archive; entries are parted by commas. */
export function harHead(porthole: string): string {
  const creator = JSON.stringify({ name: 'Porthole', version: porthole })
  return `{"log":{"version":"1.2","creator":${creator},"pages":[],"entries":[\n`
}

export const harTail = '\n]}}\n'
