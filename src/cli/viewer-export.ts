/**
 * Writes a call that the viewer exports into the working folder: a new file, for its user alone,
 * under a name of ours. Nothing that is there is written over.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { describeError, errorCodeOf } from '../base/errors.ts'
import { exportRecord } from '../capture/export/export-record.ts'
import type { ExchangeRecord } from '../recorded/exchange-record.ts'
import type { CallFormat, ExportCall } from '../tui/export-call.ts'

const extensions: Readonly<Record<CallFormat, string>> = {
  har: 'har',
  curl: 'sh',
  markdown: 'md',
  jsonl: 'jsonl',
}

/** Names that are tried before it gives up. */
const maxTries = 100

/** `porthole` is our version: exports name their maker. */
export function createCallExporter(directory: string, porthole: string): ExportCall {
  return async (record, format) => {
    if (record.type !== 'exchange' || record.started === undefined) {
      return 'only an exchange whose request was seen can be exported'
    }
    const text = exportRecord(record, format, { porthole })
    try {
      const name = await writeNew(directory, `porthole-${safeId(record.id)}`, {
        text,
        extension: extensions[format],
      })
      return `wrote ${name}${cutNote(record)}`
    } catch (error) {
      return `could not write the export: ${describeError(error)}`
    }
  }
}

async function writeNew(
  directory: string,
  base: string,
  { text, extension }: { readonly text: string; readonly extension: string },
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const name = `${base}${attempt === 1 ? '' : `-${attempt}`}.${extension}`
    try {
      await writeFile(join(directory, name), text, { flag: 'wx', mode: 0o600 })
      return name
    } catch (error) {
      if (errorCodeOf(error) !== 'EEXIST' || attempt >= maxTries) throw error
    }
  }
}

/** An id from a capture may be anything: what is left of it is no path. */
function safeId(id: string): string {
  return id.replaceAll(/[^\w-]+/gu, '-').slice(0, 64)
}

function cutNote({ request, response }: ExchangeRecord): string {
  return request.isCut || response.isCut
    ? ', without what was not kept of its bodies (porthole export has them)'
    : ''
}
